"""WiLoR's keypoints over videos, as mimic's retargeter keeps them: a Zarr group a video.

``<file>/<video>/joints`` (T, 21, 3) are right or left hands [m], the wrist at the origin and the
palm turned into fixed axes: the motion is in the "wrist" frame, and how the hand turned is not
known. Frames are at `fps`, 30 by default. Of several videos, give the folder of one.
"""

from pathlib import Path

from handsim.errors import FormatError, InputError
from handsim.zarr_arrays import is_array, read_zarr
from retarget.human.hand_trajectory import HandTrajectory, Source
from retarget.human.keypoints import Side
from retarget.human.mano import TIPS
from retarget.human.sources.arrays import container
from retarget.human.sources.assembly import assemble

NAME = "wilor_video"

_JOINTS = "joints"


def recognises(path: Path) -> bool:
    """Whether it is a Zarr group of videos, or of one."""
    return container(path) == "folder" and bool(_videos(path))


def load(path: Path, side: Side | None = None, fps: float | None = None) -> HandTrajectory:
    """Read the hand of the one video there is.

    Raises:
        FormatError: there is no video, or an array is damaged.
        InputError: there are several videos, or the shape or the side is wrong.
        MissingExtraError: it is compressed and numcodecs is absent.
    """
    videos = _videos(path) if container(path) == "folder" else []
    if not videos:
        raise FormatError(f"{path} is no Zarr group of videos, expected <video>/{_JOINTS} in it.")
    if len(videos) > 1:
        names = ", ".join(video.name for video in videos)
        raise InputError(
            f"{path} holds {len(videos)} videos, give one's folder. Available: {names}."
        )
    return assemble(
        path,
        read_zarr(videos[0] / _JOINTS),
        side,
        Source(path.name, NAME, tracker="WiLoR", frame="wrist", metric=False, tips=TIPS),
        fps=fps,
    )


def _videos(folder: Path) -> list[Path]:
    if is_array(folder / _JOINTS):
        return [folder]
    return sorted(inner for inner in folder.iterdir() if is_array(inner / _JOINTS))
