"""A small file or folder of each format: a real recording where there is one, else one made up."""

import os
import shutil
from pathlib import Path

import numpy as np

from handsim.assets import ASSETS
from handsim.errors import HandsimError
from retarget.human.sources import FORMATS
from retarget.human.sources.hamer import save_frames
from tests.retarget.human import planted
from tests.retarget.human.sources import writers

COUNT = 12
TIMES = 3.0 + np.arange(COUNT) / 30
HANDS = {side: planted.keypoints(side, COUNT) for side in ("left", "right")}


def _saved(folder: Path) -> None:
    shutil.copyfile(ASSETS / "motions" / "sample_right.npz", folder / "motion.npz")


def _frames(folder: Path) -> None:
    """Many frames of HaMeR's a file."""
    seen = planted.right_parameters(COUNT)
    save_frames(
        folder / "frames.npz",
        times=TIMES,
        right=np.ones(COUNT),
        valid=np.ones(COUNT),
        pred_keypoints_3d=HANDS["right"] - seen.transl[:, None],
        pred_cam_t=seen.transl,
        global_orient=seen.global_orient[:, None],
        hand_pose=seen.hand_pose,
        betas=seen.betas,
        focal_length=900.0,
    )


def _named(folder: Path) -> None:
    """Keypoints with all that may stand beside them."""
    truths = np.ones(COUNT, bool)
    np.savez(folder / "a.npz", keypoints=HANDS["left"], times=TIMES, valid=truths, side="left")


MAKERS = {
    "handsim": _saved,
    "hamer, many frames": _frames,
    "keypoints, named": _named,
    "avp, pickle": lambda folder: writers.write_avp_pickle(folder / "a.pkl", HANDS, TIMES),
    "avp, tracking": lambda folder: writers.write_tracking(folder / "a.jsonl", HANDS, TIMES),
    "avp, arrays": lambda folder: np.savez(
        folder / "a.npz", **writers.avp_arrays(HANDS), timestamps=TIMES
    ),
    "egodex, made": lambda folder: writers.write_egodex(folder / "a.hdf5", HANDS, task="pinch"),
    "openxr, made": lambda folder: writers.write_openxr(folder / "a.json", HANDS, TIMES),
    "mediapipe, made": lambda folder: writers.write_mediapipe(folder / "a.json", HANDS, TIMES),
    "wilor_video, made": lambda folder: writers.write_zarr(
        folder / "a.zarr" / "clip.mp4" / "joints", HANDS["right"], (5, 21, 3)
    ),
}
"""Writers of the one file or folder in an empty folder, by the format and what is particular."""

_LARGEST, _DEEPEST = 4 << 20, 2


def make(name: str, folder: Path) -> Path:
    """The file or folder a maker writes."""
    MAKERS[name](folder)
    (made,) = folder.iterdir()
    return made


def real(motions: Path) -> dict[str, Path]:
    """The smallest recording of each format in a folder of them."""
    found: dict[str, tuple[int, Path]] = {}
    for path in _candidates(motions):
        size = sum(file.stat().st_size for file in [path, *path.rglob("*")] if file.is_file())
        name = _format(path) if 0 < size <= _LARGEST else None
        if name is not None and size < found.get(name, (_LARGEST, path))[0]:
            found[name] = (size, path)
    return {name: path for name, (_, path) in found.items()}


def _candidates(motions: Path):
    for folder, folders, names in os.walk(motions):
        if len(Path(folder).relative_to(motions).parts) >= _DEEPEST:
            folders.clear()
        yield from (Path(folder) / name for name in [*folders, *names] if name[0] != ".")


def _format(path: Path) -> str | None:
    for name, module in FORMATS.items():
        try:
            if module.recognises(path):
                module.load(path, "right")
                return name
        except HandsimError:
            continue
    return None
