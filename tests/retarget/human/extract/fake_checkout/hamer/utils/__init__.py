"""Imports what the real one imports and inference does not need."""

from typing import List  # noqa: UP035

import pyrender
from PIL import Image
from torchvision.utils import make_grid  # noqa: F401

RESAMPLING = Image.ANTIALIAS


def create_raymond_lights() -> List[pyrender.Node]:  # noqa: UP006
    return [pyrender.Node()]
