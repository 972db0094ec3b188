"""Manus gloves: a `.npz` of skeleton nodes with times.

``data`` (T, 25, 7) holds x y z [m] and qw qx qy qz of each node, ``timestamps`` (T,) seconds,
``chirality`` the side. Node 0 is the wrist, then come the thumb's four and five of each finger,
its metacarpal first. The glove knows how the hand is turned but not where it is: the wrist stays
at the origin, the motion is in the "wrist" frame. All nodes are kept as the stream "nodes".
"""

from pathlib import Path

from handsim.errors import FormatError, InputError
from retarget.human.hand_trajectory import HandTrajectory, Source
from retarget.human.keypoints import FROM_MANUS, Side
from retarget.human.recording import as_numbers
from retarget.human.sources.arrays import Archive, container
from retarget.human.sources.assembly import assemble, parse_side

NAME = "manus"

_NODES = 25


def recognises(path: Path) -> bool:
    """Whether it is an archive of glove data."""
    if container(path) != "npz":
        return False
    archive = Archive(path)
    return all(name in archive for name in ("data", "timestamps", "chirality"))


def load(path: Path, side: Side | None = None, fps: float | None = None) -> HandTrajectory:
    """Read the motion; it has times, so that `fps` has no effect.

    Raises:
        FormatError: the file is damaged or lacks an array.
        InputError: a shape or the times are wrong, or it holds the other hand.
    """
    if container(path) != "npz":
        raise FormatError(f"{path} is no .npz archive, expected one of glove data.")
    archive = Archive(path)
    said = parse_side(archive.item("chirality"), path.name)
    if side is not None and said is not None and side != said:
        raise InputError(f"{path.name} holds a {said} hand, expected {side}.")
    nodes = as_numbers(archive["data"], f"{path.name}: data", (None, _NODES, 7))
    times = as_numbers(archive["timestamps"], f"{path.name}: timestamps", (len(nodes),))
    return assemble(
        path,
        nodes[:, FROM_MANUS, :3],
        side or said,
        Source(path.name, NAME, tracker="Manus", frame="wrist", tips="Manus tip nodes"),
        times=times,
        beside={"nodes": (nodes, "25 nodes: x y z [m], qw qx qy qz; wrist at the origin")},
    )
