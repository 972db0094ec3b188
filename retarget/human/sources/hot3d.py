"""HOT3D: a folder of a sequence of both hands, the objects and the headset, in one world [m].

``mano_hand_pose_trajectory.jsonl`` has a record a line, of ``timestamp_ns`` and ``hand_poses``:
from "0" (left) or "1" (right) to ``pose`` (15 coefficients of MANO's basis, counted from its mean
pose), ``betas`` (10) and ``wrist_xform``: ``q_wxyz`` turns about the wrist, ``t_xyz`` [m] is MANO's
transl. ``umetrack_hand_pose_trajectory.jsonl`` has the same hands as UmeTrack's ``joint_angles``
(22) and the pose of its wrist; the hand itself is in ``umetrack_hand_user_profile.json``, see
`umetrack`. MANO's are read where MANO's own files are found (`mano_model.find_model`), for the
basis is in them, UmeTrack's elsewhere: `source.tracker` says which.

Both hands have the same times, those of the records' `instants`. The objects' and the headset's
poses become streams, see `hot3d_objects`.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float
from scipy.spatial.transform import Rotation

from handsim.errors import FormatError, MissingFileError
from retarget.human.hand_trajectory import HandTrajectory, ManoParameters, Source
from retarget.human.keypoints import SIDES, Side
from retarget.human.mano import TIPS
from retarget.human.mano_mesh import keypoints
from retarget.human.mano_model import ManoModel, find_model
from retarget.human.mano_poses import pose_from_pca
from retarget.human.recording import as_numbers
from retarget.human.sources import umetrack
from retarget.human.sources.arrays import container
from retarget.human.sources.assembly import assemble, choose_side
from retarget.human.sources.hot3d_objects import NANOSECOND, instants, read_objects
from retarget.human.sources.json_files import first, read_json
from retarget.human.sources.poses import from_quaternions

NAME = "hot3d"

_MANO = "mano_hand_pose_trajectory.jsonl"
_UMETRACK = "umetrack_hand_pose_trajectory.jsonl"
_PROFILE = "umetrack_hand_user_profile.json"
_KEYS: dict[Side, str] = {"left": "0", "right": "1"}


def recognises(path: Path) -> bool:
    """Whether it is a folder with hands of either kind."""
    return container(path) == "folder" and bool(_kinds(path))


def load(path: Path, side: Side | None = None, fps: float | None = None) -> HandTrajectory:
    """Read one hand; the records have times, so that `fps` has no effect.

    Raises:
        MissingFileError: MANO's file is needed, there being no UmeTrack; the message has the
            remedy.
        FormatError: a file is damaged, absent or lacks an entry.
        InputError: no hand of that side, or both and `side` is None; or a number is wrong.
    """
    if not recognises(path):
        raise FormatError(f"{path} is no folder with a {_UMETRACK} or {_MANO}.")
    kind = _kinds(path)[0]
    stamps, records = _records(path / kind)
    present = {known for known in SIDES if any(_KEYS[known] in hands for hands in records)}
    side = choose_side(present, side, path.name)
    model = _model(path, side)
    if model is not None and kind != _MANO:
        stamps, records = _records(path / _MANO)
    hands = [hands.get(_KEYS[side]) for hands in records]
    if model is None:
        points, mano = _by_umetrack(path, hands, side), None
        source = Source(path.name, NAME, "HOT3D (UmeTrack)", tips="UmeTrack tip landmarks")
    else:
        mano = _parameters(hands, model)
        points = keypoints(model, mano)
        source = Source(path.name, NAME, "HOT3D (MANO)", tips=TIPS)
    return assemble(
        path,
        points,
        side,
        source,
        times=stamps * NANOSECOND,
        mano=mano,
        streams=read_objects(path, float(stamps[0])),
    )


def _kinds(path: Path) -> list[str]:
    """The files of hands in a folder."""
    return [kind for kind in (_UMETRACK, _MANO) if (path / kind).is_file()]


def _model(path: Path, side: Side) -> ManoModel | None:
    """MANO's model where the folder has its parameters; None where UmeTrack stands in for it."""
    if _MANO not in _kinds(path):
        return None
    try:
        return find_model(side)
    except MissingFileError:
        if _UMETRACK in _kinds(path):
            return None
        raise


def _parameters(hands: Sequence[Any], model: ManoModel) -> ManoParameters:
    turns, transl = _wrists(hands)
    pose = pose_from_pca(model, _rows(hands, ("pose",), 15), flat_hand=False)
    return ManoParameters(_rows(hands, ("betas",), 10), turns, pose, transl)


def _by_umetrack(path: Path, hands: Sequence[Any], side: Side) -> Float[np.ndarray, "T 21 3"]:
    profile = umetrack.read_profile(read_json(path / _PROFILE), _PROFILE)
    angles = _rows(hands, ("joint_angles",), umetrack.JOINTS)
    turns, wrist = _wrists(hands)
    return umetrack.keypoints(profile, angles, turns, wrist, side)


def _records(file: Path) -> tuple[Float[np.ndarray, " T"], list[Mapping[str, Any]]]:
    """Times [ns] and hands of the records, one an instant, in order of time."""
    content = read_json(file)
    found: list[tuple[float, Mapping[str, Any]]] = []
    for record in content if isinstance(content, list) else [content]:
        stamp, hands = first(record, ("timestamp_ns",)), first(record, ("hand_poses",))
        if not isinstance(stamp, float) or not np.isfinite(stamp) or not isinstance(hands, dict):
            raise FormatError(f"{file} has a record without timestamp_ns and hand_poses.")
        found.append((stamp, hands))
    if not found:
        raise FormatError(f"{file} has no records.")
    found.sort(key=lambda record: record[0])
    stamps = np.array([stamp for stamp, _ in found])
    kept = instants(stamps)
    return stamps[kept], [found[index][1] for index in kept]


def _rows(hands: Sequence[Any], keys: Sequence[str], width: int) -> Float[np.ndarray, "T width"]:
    """A row of numbers a hand, NaN where there is none."""
    rows = np.full((len(hands), width), np.nan)
    for index, hand in enumerate(hands):
        value = hand
        for key in keys if hand is not None else ():
            value = value.get(key) if isinstance(value, dict) else None
        if hand is not None:
            rows[index] = as_numbers(value, f"{'.'.join(keys)} of record {index}", (width,))
    return rows


def _wrists(
    hands: Sequence[Any],
) -> tuple[Float[np.ndarray, "T 3 3"], Float[np.ndarray, "T 3"]]:
    """Orientation and position [m] of the wrist, NaN where there is no hand."""
    position = _rows(hands, ("wrist_xform", "t_xyz"), 3)
    quaternions = _rows(hands, ("wrist_xform", "q_wxyz"), 4)
    rows = from_quaternions(quaternions, position, "q_wxyz")
    turns = np.full((len(rows), 3, 3), np.nan)
    seen = np.isfinite(rows).all(axis=1)
    if seen.any():
        turns[seen] = Rotation.from_quat(rows[seen, 3:], scalar_first=True).as_matrix()
    return turns, position
