"""HaMeR's kind of network under today's packages: what its code needs to load and run.

The research code is from before NumPy 2, Pillow 10, torch 2.6 and timm 1, and imports a renderer
to estimate a pose. `prepare` makes up for that in this process alone: nothing of the user's is
edited, no folder is changed into, no package is installed over another.
"""

import sys
from collections.abc import Callable
from importlib import import_module
from importlib.machinery import ModuleSpec
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import torch
from mano_seer import Said
from PIL import Image
from worker_frames import RefusalError

NUMPY_MODULES = ("", ".multiarray", ".numeric", ".umath", "._multiarray_umath", "._internal")
NUMPY_ALIASES: dict[str, type] = {
    "bool": bool,
    "int": int,
    "float": float,
    "complex": complex,
    "object": object,
    "str": str,
    "unicode": str,
}
PILLOW_ALIASES = {"ANTIALIAS": "LANCZOS", "LINEAR": "BILINEAR", "CUBIC": "BICUBIC"}
LEARNT = ("backbone.", "mano_head.", "refine_net.")
"""What a checkpoint must hold all of; the rest is for training, or comes from MANO's file."""


def prepare(checkout: str | None) -> None:
    """Make the research code in `checkout` importable; None when it is installed.

    Raises:
        RefusalError: there is no such folder.
    """
    for here, there in (("numpy._core", "numpy.core"), ("numpy.core", "numpy._core")):
        for name in NUMPY_MODULES:
            if not can_import(here + name) and can_import(there + name):
                sys.modules[here + name] = import_module(there + name)
    for name, kind in NUMPY_ALIASES.items():
        if name not in vars(np):
            setattr(np, name, kind)
    for old, new in PILLOW_ALIASES.items():
        if not hasattr(Image, old):
            setattr(Image, old, getattr(Image.Resampling, new))
    torch.load = _trusting(torch.load)
    _stand_ins()
    if checkout is not None:
        if not Path(checkout).is_dir():
            raise RefusalError(f"checkout: no folder {checkout}, expected a clone of the code.")
        sys.path.insert(0, str(Path(checkout).resolve()))


def _stand_ins() -> None:
    """Modules that the code imports and inference does not use."""
    stand_in("pyrender")
    if not can_import("trimesh"):
        stand_in("trimesh")
    if not can_import("torchvision.utils"):
        stand_in("torchvision", "torchvision.utils")
    if not can_import("chumpy"):
        names = ("ch", "reordering", "utils", "logic")
        stand_in("chumpy", *(f"chumpy.{name}" for name in names), kind=ChumpyArray)
    if not can_import("timm.models.layers"):
        stand_in("timm", "timm.models", "timm.models.layers")
        vars(sys.modules["timm.models.layers"]).update(
            drop_path=lambda x, *_, **__: x,
            to_2tuple=lambda x: x if isinstance(x, tuple) else (x, x),
            trunc_normal_=torch.nn.init.trunc_normal_,
        )


class Absent:
    """Stands for anything of a module that is not there."""

    def __init__(self, *arguments: Any, **named: Any) -> None:
        raise RefusalError(f"{type(self).__name__} is of a package that is not installed.")


class ChumpyArray:
    """An array of chumpy's, as MANO's file has them."""

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> np.ndarray:
        known = vars(self)
        if "x" in known:
            return np.asarray(known["x"], dtype)
        if {"a", "idxs"} <= set(known):
            picked = np.asarray(known["a"]).ravel()[known["idxs"]]
            return picked.reshape(known.get("preferred_shape", -1)).astype(dtype or picked.dtype)
        raise RefusalError(f"MANO's file has an array of chumpy's of {sorted(known)}.")

    def __getitem__(self, place: Any) -> np.ndarray:
        return np.asarray(self)[place]

    @property
    def shape(self) -> tuple[int, ...]:
        """Of the array."""
        return np.asarray(self).shape


class StandIn(ModuleType):
    """A module in which every name is a class."""

    kind: type

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        return type(name, (self.kind,), {})


def stand_in(*names: str, kind: type = Absent) -> None:
    """Put modules in the place of some that cannot be imported."""
    for name in names:
        module = StandIn(name)
        module.kind = kind
        module.__path__ = []
        module.__spec__ = ModuleSpec(name, None, is_package=True)
        sys.modules[name] = module


def can_import(name: str) -> bool:
    """Whether a module imports; a package of another torch fails in ways of its own."""
    try:
        import_module(name)
    except Exception:  # noqa: BLE001
        return False
    return True


def _trusting(load: Callable[..., Any]) -> Callable[..., Any]:
    """`torch.load` as it was before 2.6: these checkpoints hold more than tensors."""

    def trusting(*arguments: Any, **named: Any) -> Any:
        if named.get("weights_only") is None:
            named["weights_only"] = False
        return load(*arguments, **named)

    return trusting


def device_of(name: str) -> torch.device:
    """The device that `auto`, `cpu` or `cuda` means.

    Raises:
        RefusalError: it is not there.
    """
    if name not in ("auto", "cpu", "cuda"):
        raise RefusalError(f"device: {name!r}, expected auto, cpu or cuda.")
    if name == "cuda" and not torch.cuda.is_available():
        raise RefusalError("device: cuda, but torch finds no GPU; expected cpu or auto.")
    found = "cuda" if name != "cpu" and torch.cuda.is_available() else "cpu"
    return torch.device(found)


def configured(get_config: Callable[[str], Any], config: Path, mano: Path, mean: Path) -> Any:
    """The network's configuration, with paths that do not depend on the current folder."""
    cfg = get_config(str(config))
    cfg.defrost()
    cfg.MANO.MODEL_PATH, cfg.MANO.MEAN_PARAMS = str(mano), str(mean)
    cfg.MANO.DATA_DIR = str(mano.parent)
    cfg.MODEL.BACKBONE.pop("PRETRAINED_WEIGHTS", None)
    if "BBOX_SHAPE" not in cfg.MODEL:
        cfg.MODEL.BBOX_SHAPE = [192, 256]
    cfg.freeze()
    return cfg


def load_weights(model: torch.nn.Module, checkpoint: Path) -> None:
    """Fill a network with a checkpoint's weights.

    Raises:
        RefusalError: it is of another network.
    """
    try:
        held = torch.load(checkpoint, map_location="cpu", weights_only=False)
        missing = model.load_state_dict(held.get("state_dict", held), strict=False).missing_keys
    except Exception as error:
        raise RefusalError(f"checkpoint: {checkpoint} cannot be loaded: {error}") from error
    lacking = [name for name in missing if name.startswith(LEARNT)]
    if lacking:
        raise RefusalError(
            f"checkpoint: {checkpoint} lacks {len(lacking)} weights of the network, {lacking[0]} "
            "among them; expected one of this network."
        )


class Regressor:
    """A network of HaMeR's contract, from crops to what it says of them, in NumPy."""

    def __init__(self, model: torch.nn.Module, device: torch.device, fp16: bool) -> None:
        if fp16 and device.type != "cuda":
            raise RefusalError(f"fp16: not on {device.type}, expected cuda.")
        self.model, self.device, self.fp16 = model.to(device).eval(), device, fp16

    def __call__(self, crops: np.ndarray) -> Said:
        """Look at crops (B, 3, 256, 256)."""
        images = torch.from_numpy(crops).to(self.device)
        with torch.inference_mode(), torch.autocast(self.device.type, enabled=self.fp16):
            out = self.model({"img": images})
        names = ("pred_cam", "pred_keypoints_3d", "pred_keypoints_2d", "pred_vertices")
        said = {name: out[name] for name in names} | dict(out["pred_mano_params"])
        return {name: values.float().cpu().numpy() for name, values in said.items()}
