"""dex-retargeting beside our methods: its joints by our names, its results kept.

It runs as shipped (its configurations, scales and low-pass filter) in a Python of its own,
`dex_runner`. Its joints are those of the same hands under other names, so its joint values are
measured on our models, whose fingertips agree with its own within 0.04 mm. The floating base of its
position method is not: where the palm is, the person's wrist says.
"""

import hashlib
import subprocess
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from jaxtyping import Bool, Float
from scipy.spatial.transform import Rotation

from benchmarks import protocol
from benchmarks.figures import Case
from handsim.errors import HandsimError
from handsim.files import replacing
from handsim.hands.robot_hand import RobotHand
from retarget.dex_reference import operator_keypoints
from retarget.human.hand_trajectory import HandTrajectory

METHODS = ("vector", "dexpilot", "position")
HANDS = ("allegro", "leap", "shadow", "ability", "inspire", "svh")
RUNNER = Path(__file__).with_name("dex_runner.py")

_RENAMED = {
    "allegro": {
        f"joint_{4 * finger + joint}.0": f"{name}j{joint}"
        for finger, name in enumerate(("ff", "mf", "rf", "th"))
        for joint in range(4)
    },
    "leap": {
        str(4 * finger + joint): f"{name}_{part}"
        for finger, name in enumerate(("if", "mf", "rf"))
        for joint, part in enumerate(("rot", "mcp", "pip", "dip"))
    }
    | {"12": "th_cmc", "13": "th_axl", "14": "th_mcp", "15": "th_ipl"},
    "ability": {
        f"{finger}_q{joint}": f"{finger}_{part}"
        for finger in ("index", "middle", "ring", "pinky")
        for joint, part in ((1, "mcp"), (2, "pip"))
    }
    | {"thumb_q1": "thumb_cmc", "thumb_q2": "thumb_mcp"},
}
"""Our names of the joints that dex-urdf calls otherwise."""


@dataclass(frozen=True, eq=False)
class Peer:
    """Where dex-retargeting is: its Python, dex-urdf's folder of hands, a folder for results."""

    python: Path
    urdf: Path
    kept: Path


@dataclass(frozen=True, eq=False)
class PeerSolution:
    """What dex-retargeting made of a motion, in our joints' order.

    Attributes:
        qpos: as its optimiser found it [rad].
        filtered: after its low-pass filter [rad].
        solved: whether nlopt ended without an exception; True where nobody was seen.
        seconds: time a frame, without the filter [s].
        turn: axes of its root in our palm frame, wrist joints at rest.
        difference: how far its fingertips are from ours at equal joint values, rms [m].
    """

    qpos: Float[np.ndarray, "T nq"]
    filtered: Float[np.ndarray, "T nq"]
    solved: Bool[np.ndarray, " T"]
    seconds: Float[np.ndarray, " T"]
    turn: Float[np.ndarray, "3 3"]
    difference: float


def solve(peer: Peer, hand: RobotHand, person: HandTrajectory, method: str) -> PeerSolution:
    """Run one of its methods, or read what an earlier run of the same job left.

    Raises:
        HandsimError: dex-retargeting failed.
    """
    seen = np.flatnonzero(person.valid)
    found = _run(peer, hand, operator_keypoints(person.keypoints[seen], hand.side), method)
    names = [str(name) for name in found["joint_names"]]
    rows = np.maximum(np.searchsorted(seen, np.arange(len(person)), side="right") - 1, 0)
    poses = our_joints(hand, names, found["poses"])
    tips = np.einsum("tij,tfj->tfi", wrist_turns(hand, poses), hand.tips(poses))
    turn, difference = onto(tips, found["tips"])
    return PeerSolution(
        qpos=our_joints(hand, names, found["qpos"])[rows],
        filtered=our_joints(hand, names, found["filtered"])[rows],
        solved=found["solved"][rows],
        seconds=found["seconds"],
        turn=turn,
        difference=difference,
    )


def our_joints(
    hand: RobotHand, names: list[str], values: Float[np.ndarray, "T n"]
) -> Float[np.ndarray, "T nq"]:
    """Joint values under dex-urdf's names in the order of `hand.joint_names`; its base left out."""
    renamed = _RENAMED.get(hand.name, {})
    prefix = {"right": "rh_", "left": "lh_"}[hand.side] if hand.name == "shadow" else ""
    ours = [prefix + renamed.get(name, name) for name in names]
    return np.ascontiguousarray(values[:, [ours.index(joint) for joint in hand.joint_names]])


def onto(
    ours: Float[np.ndarray, "K F 3"], its: Float[np.ndarray, "K F 3"]
) -> tuple[Float[np.ndarray, "3 3"], float]:
    """The rotation that brings its fingertips onto ours at equal joints, and what remains.

    The rest is an rms distance [m]; the origins of the two frames are put aside.
    """
    a, b = ours.reshape(-1, 3), its.reshape(-1, 3)
    a, b = a - a.mean(axis=0), b - b.mean(axis=0)
    turn, _ = Rotation.align_vectors(a, b)
    return turn.as_matrix(), float(np.sqrt(((a - turn.apply(b)) ** 2).sum(axis=1).mean()))


def in_its_frame(
    case: Case, turn: Float[np.ndarray, "3 3"], qpos: Float[np.ndarray, "T nq"]
) -> Case:
    """The case with the palms as dex-retargeting takes them, the person's and the robot's.

    The plane of its palm is another (index and middle knuckle instead of index and pinky), some
    15 degrees about the palm's axis from ours. Shadow's wrist joints turn its palm while the
    person's stands, and it counts on that. So its tips are measured in either palm, and the
    better figure counts.
    """
    hand, person = case.hand, case.person
    wrist = np.zeros((len(person), 7))
    wrist[:, 3] = 1.0
    local = np.full_like(person.keypoints, np.nan)
    local[person.valid] = operator_keypoints(person.keypoints[person.valid], hand.side)
    back = turn.T @ wrist_turns(hand, qpos) @ turn
    local = np.einsum("tji,tkj->tki", back, local)
    turned = replace(person, keypoints=local, wrist=wrist, mano=None)
    seen = local[person.valid]
    start = replace(protocol.coinciding(hand, seen), rotation=turn)
    return replace(
        case, person=turned, coinciding=start, aligned=protocol.aligned(hand, seen, start)
    )


def wrist_turns(hand: RobotHand, qpos: Float[np.ndarray, "T nq"]) -> Float[np.ndarray, "T 3 3"]:
    """How wrist joints turn the palm from where it is at rest, in its axes there."""
    if len(hand.tree.input_ids) == len(hand.independent_ids):
        return np.tile(np.eye(3), (len(qpos), 1, 1))
    rest = hand.T_root_palm(hand.neutral)[:3, :3]
    return np.array([rest.T @ hand.T_root_palm(row)[:3, :3] for row in qpos])


def _run(
    peer: Peer, hand: RobotHand, keypoints: Float[np.ndarray, "T 21 3"], method: str
) -> dict[str, np.ndarray]:
    job = {"hand": hand.name, "side": hand.side, "method": method, "urdf": str(peer.urdf)}
    content = repr(sorted(job.items())).encode() + keypoints.tobytes() + RUNNER.read_bytes()
    key = f"{hand.name}-{method}-{hashlib.sha256(content).hexdigest()[:16]}"
    result = peer.kept / f"{key}.npz"
    if not result.exists():
        with replacing(result) as temporary:
            asked = temporary.with_suffix(".job.npz")
            given = {name: np.array(value) for name, value in job.items()}
            np.savez(asked, allow_pickle=False, keypoints=keypoints, **given)
            command = [str(peer.python), str(RUNNER), str(asked), str(temporary)]
            ended = subprocess.run(command, capture_output=True, text=True, check=False)
            asked.unlink()
            if ended.returncode:
                raise HandsimError(f"dex-retargeting failed on {key}:\n{ended.stderr[-2000:]}")
    with np.load(result) as found:
        return dict(found)
