"""Shapes and dtypes in signatures are checked in every test run."""

import os
import re
from pathlib import Path

import jaxtyping
import pytest
from jaxtyping import install_import_hook

ROOT = Path(__file__).parents[1]


def _checked_modules() -> list[str]:
    """All modules but the compiled ones: numba cannot cache a function wrapped by a checker."""
    files = [f for package in ("handsim", "retarget") for f in (ROOT / package).rglob("*.py")]
    return [
        ".".join(file.relative_to(ROOT).with_suffix("").parts)
        for file in files
        if file.name != "__init__.py"
        and not re.search("^from (numba|.*kernel$)", file.read_text(), re.MULTILINE)
    ]


install_import_hook(_checked_modules(), "beartype.beartype")


@pytest.fixture(scope="session")
def shared() -> Path:
    """The folder of reference figures and recordings; tests that need it skip without it."""
    folder = Path(os.environ.get("HANDSIM_SHARED", ROOT.parent / "shared"))
    if not folder.is_dir():
        pytest.skip(f"no reference data: {folder} does not exist (set HANDSIM_SHARED)")
    return folder


@pytest.fixture
def unchecked():
    """Without the checker of signatures, which refuses wrong shapes before the code does.

    It also takes most of the time where millions of small functions are called.
    """
    jaxtyping.config.update("jaxtyping_disable", True)
    yield
    jaxtyping.config.update("jaxtyping_disable", False)


@pytest.fixture(scope="session")
def can_render():
    """Whether some OpenGL library renders here."""
    from handsim.errors import MissingExtraError
    from handsim.opengl import context_class

    try:
        context_class()
    except MissingExtraError:
        return False
    return True


@pytest.fixture
def opengl(can_render):
    """Tests that draw skip where nothing can render."""
    if not can_render:
        pytest.skip("no OpenGL library renders here")
