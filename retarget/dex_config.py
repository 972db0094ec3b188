"""DexConfig: a configuration file of dex-retargeting, read and checked.

The YAML of dex-retargeting (AnyTeleop, Qin et al., RSS 2023; its ``RetargetingConfig``) has one
key, ``retargeting``, under which stand the fields below. What they do is in
`retarget.dex_retargeter`.
"""

from collections.abc import Mapping
from dataclasses import MISSING, dataclass, fields
from pathlib import Path
from typing import Any

import numpy as np
import yaml
from jaxtyping import Int

from handsim.errors import FormatError, InputError, MissingFileError, unknown
from retarget.human.keypoints import COUNT

TYPES = ("vector", "position", "dexpilot")
_NEEDED = {
    "vector": ("target_origin_link_names", "target_task_link_names", "target_link_human_indices"),
    "position": ("target_link_names", "target_link_human_indices"),
    "dexpilot": ("finger_tip_link_names", "wrist_link_name"),
}


@dataclass(frozen=True)
class DexConfig:
    """The fields of the file, under their own names; `path` is the file.

    Raises:
        UnknownNameError: `type` is none of `TYPES`.
        InputError: a field that the type needs is missing, or two contradict each other.
    """

    path: Path
    type: str
    urdf_path: Path
    add_dummy_free_joint: bool = False
    target_link_human_indices: Int[np.ndarray, "..."] | None = None
    wrist_link_name: str | None = None
    target_link_names: list[str] | None = None
    target_joint_names: list[str] | None = None
    target_origin_link_names: list[str] | None = None
    target_task_link_names: list[str] | None = None
    finger_tip_link_names: list[str] | None = None
    scaling_factor: float = 1.0
    normal_delta: float = 4e-3
    huber_delta: float = 2e-2
    project_dist: float = 0.03
    escape_dist: float = 0.05
    has_joint_limits: bool = True
    ignore_mimic_joint: bool = False
    low_pass_alpha: float = 0.1

    def __post_init__(self) -> None:
        if self.type not in TYPES:
            raise unknown("type", self.type, TYPES)
        missing = [name for name in _NEEDED[self.type] if getattr(self, name) is None]
        if missing:
            raise InputError(f"{self.path}: type {self.type} needs {', '.join(missing)}.")
        origins, tasks = self.target_origin_link_names, self.target_task_link_names
        if self.type == "vector" and len(origins or ()) != len(tasks or ()):
            raise InputError(
                f"{self.path}: {len(origins or ())} target_origin_link_names, expected "
                f"{len(tasks or ())} as target_task_link_names."
            )
        fingers = len(self.finger_tip_link_names or ())
        if self.type == "dexpilot" and not 2 <= fingers <= 5:
            raise InputError(f"{self.path}: {fingers} finger_tip_link_names, expected 2 to 5.")
        if self.target_link_human_indices is not None:
            self._require_indices(self.target_link_human_indices)

    @property
    def links(self) -> tuple[tuple[str | None, str], ...]:
        """The (origin, task) links of each vector; a position has no origin.

        DexPilot's are all pairs of fingertips, from the later to the earlier, then wrist → tips.
        """
        if self.type == "position":
            return tuple((None, name) for name in self.target_link_names or ())
        if self.type == "vector":
            ends = self.target_origin_link_names or (), self.target_task_link_names or ()
            return tuple(zip(*ends, strict=True))
        names = [self.wrist_link_name, *(self.finger_tip_link_names or ())]
        return tuple((names[a], str(names[b])) for a, b in _dexpilot_ends(len(names) - 1))

    @property
    def keypoints(self) -> tuple[tuple[int | None, int], ...]:
        """The (origin, task) keypoints of each vector; a position has no origin."""
        indices = self.target_link_human_indices
        if indices is None:
            fingers = len(self.finger_tip_link_names or ())
            return tuple((4 * a, 4 * b) for a, b in _dexpilot_ends(fingers))
        if self.type == "position":
            return tuple((None, int(i)) for i in indices)
        return tuple((int(a), int(b)) for a, b in indices.T)

    def _require_indices(self, indices: Int[np.ndarray, "..."]) -> None:
        count = len(self.links)
        expected = (count,) if self.type == "position" else (2, count)
        if indices.shape != expected:
            raise InputError(
                f"{self.path}: target_link_human_indices has shape {indices.shape}, expected "
                f"{expected} for the {count} links."
            )
        if indices.min() < 0 or indices.max() >= COUNT:
            raise InputError(
                f"{self.path}: target_link_human_indices {indices.tolist()}, expected keypoints "
                f"0 to {COUNT - 1}."
            )


_DEFAULTS = {item.name: item.default for item in fields(DexConfig)}


def read_dex_config(path: str | Path, urdf_dir: str | Path | None = None) -> DexConfig:
    """Read a configuration file of dex-retargeting.

    Args:
        path: the YAML file.
        urdf_dir: folder that its ``urdf_path`` is relative to; None is the file's own.

    Raises:
        MissingFileError: the file or its URDF does not exist.
        FormatError: it is no such file.
        InputError: as `DexConfig`.
    """
    path = Path(path)
    if not path.is_file():
        raise MissingFileError(f"No such file: {path}.")
    given = {name: value for name, value in _retargeting(path).items() if value is not None}
    known = [name for name in _DEFAULTS if name != "path"]
    for name in given:
        if name not in known:
            raise FormatError(f"{path}: {unknown('field', name, known)}")
    missing = [name for name in known if _DEFAULTS[name] is MISSING and name not in given]
    if missing:
        raise FormatError(f"{path} lacks {', '.join(missing)}.")
    urdf = (Path(urdf_dir) if urdf_dir is not None else path.parent) / str(given["urdf_path"])
    if not urdf.is_file():
        raise MissingFileError(f"No such file: {urdf}, the urdf_path of {path}.")
    given |= {"path": path, "type": str(given["type"]).lower(), "urdf_path": urdf}
    return DexConfig(**{name: _typed(path, name, value) for name, value in given.items()})


def _retargeting(path: Path) -> Mapping[str, Any]:
    try:
        content = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise FormatError(f"{path} is not YAML: {' '.join(str(error).split())}.") from error
    section = content.get("retargeting") if isinstance(content, dict) else None
    if not isinstance(section, dict):
        raise FormatError(f"{path} has no section 'retargeting', as dex-retargeting's files do.")
    return section


def _typed(path: Path, name: str, value: Any) -> Any:
    """A field's value as `DexConfig` has it."""
    default = _DEFAULTS[name]
    if name.endswith("_names"):
        good = isinstance(value, list) and all(isinstance(item, str) for item in value)
        wanted = "a list of names"
    elif name == "target_link_human_indices":
        return _indices(path, value)
    elif isinstance(default, bool):
        good, wanted = isinstance(value, bool), "true or false"
    elif isinstance(default, float):
        number = isinstance(value, int | float) and not isinstance(value, bool)
        good, wanted = number and bool(np.isfinite(value)), "a number"
    else:
        return value
    if not good:
        raise FormatError(f"{path}: {name} is {value!r}, expected {wanted}.")
    return float(value) if isinstance(default, float) else value


def _indices(path: Path, value: Any) -> Int[np.ndarray, "..."]:
    try:
        indices = np.array(value)
    except ValueError:
        indices = np.array(None)
    if indices.dtype.kind != "i":
        raise FormatError(
            f"{path}: target_link_human_indices is {value!r}, expected an array of integers."
        )
    return indices


def _dexpilot_ends(fingers: int) -> list[tuple[int, int]]:
    """(origin, task) of DexPilot's vectors, 0 for the wrist and 1 for the first finger."""
    pairs = [(j, i) for i in range(1, fingers) for j in range(i + 1, fingers + 1)]
    return pairs + [(0, i) for i in range(1, fingers + 1)]
