"""A small file or folder of each format: a real recording where there is one, else one made up."""

import os
import shutil
from pathlib import Path

import numpy as np

from handsim.assets import ASSETS
from handsim.errors import HandsimError
from handsim.files import save_npz
from retarget.human.sources import FORMATS
from retarget.human.sources.extraction import KIND, SCHEMA
from retarget.human.sources.hamer import save_frames
from tests.retarget.human import osmo_trial, planted
from tests.retarget.human.sources import test_datasets, test_mano_datasets, writers

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


def _extraction(folder: Path, backend: str) -> None:
    """What `retarget extract` writes of one right hand."""
    truth = planted.right_parameters(COUNT)
    arrays = {
        "times": TIMES,
        "track_right": np.ones(1, bool),
        "frame": np.arange(COUNT),
        "track": np.zeros(COUNT, np.int64),
        "right": np.ones(COUNT, bool),
        "score": np.ones(COUNT),
        "box": np.tile([0.0, 0, 9, 9], (COUNT, 1)),
        "keypoints_2d": np.zeros((COUNT, 21, 2)),
    }
    if backend == "mediapipe":
        arrays["keypoints_3d"] = HANDS["right"]
    else:
        arrays |= {
            "pred_keypoints_3d": HANDS["right"] - truth.transl[:, None],
            "pred_cam_t_full": truth.transl,
            "global_orient": truth.global_orient,
            "hand_pose": truth.hand_pose,
            "betas": truth.betas,
            "focal_length": np.full((COUNT, 2), 900.0),
        }
    told = {"width": 640, "height": 480, "tips": "as it says"}
    header = {"kind": KIND, "schema": SCHEMA, "files": ["a.mp4"], "backend": backend, "told": told}
    save_npz(folder / "a.npz", {**header, "options": {}, "metric": False}, arrays)


MAKERS = {
    "extraction, mediapipe": lambda folder: _extraction(folder, "mediapipe"),
    "extraction, hamer": lambda folder: _extraction(folder, "hamer"),
    "osmo": lambda folder: osmo_trial.write(folder / "trial", frames=10, pictures=False),
    "ho3d": lambda folder: test_datasets.write_ho3d(folder / "AB1"),
    "grab": lambda folder: test_mano_datasets.write_grab(folder / "mug.npz"),
    "arctic": lambda folder: test_mano_datasets.write_arctic(folder, beside=False),
    "dexycb": lambda folder: test_mano_datasets.write_dexycb(folder / "set"),
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
"""Writers into an empty folder, by the format and what is particular: of one file or folder, or
of several, of which they return the last to be read."""

_LARGEST, _DEEPEST = 4 << 20, 1


def make(name: str, folder: Path) -> Path:
    """The file or folder a maker writes."""
    made = MAKERS[name](folder)
    last = made[-1] if isinstance(made, tuple) else made
    return last if isinstance(last, Path) else next(folder.iterdir())


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
        yield from (Path(folder) / name for name in [*folders, *names] if name[0] != ".")
        if len(Path(folder).relative_to(motions).parts) >= _DEEPEST:
            folders.clear()


def _format(path: Path) -> str | None:
    for name, module in FORMATS.items():
        try:
            if module.recognises(path):
                module.load(path, "right")
                return name
        except HandsimError:
            continue
    return None
