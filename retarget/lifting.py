"""From a person who lifts an object to the demonstration of a robot hand that does.

A retargeted hand moves like the person's, but does not hold what the person held: its fingers have
other lengths, and a palm of another shape carries them. Here it takes the object as the person did:
across the same sides and about the same place, from the posture it was retargeted to and its palm
turned like the person's, as far as `handsim.grasps` finds the object can be held so. From the lift
on it moves with the object; before, its palm goes the person's way, moved as it is in the grasp.
"""

from dataclasses import replace
from itertools import product

import numpy as np
from jaxtyping import Float
from scipy.spatial.transform import Rotation

from handsim.demonstration import Demonstration
from handsim.errors import unknown
from handsim.grasp_script import eased
from handsim.grasps import Grasp, grasp_like
from handsim.hands.robot_hand import RobotHand
from handsim.joint_trajectory import JointTrajectory
from handsim.objects import load_object
from handsim.poses import matrices_from_poses, poses_from_matrices
from handsim.scene_object import SceneObject
from handsim.surfaces import distance_to, normals
from retarget.human.hand_trajectory import HandTrajectory
from retarget.human.keypoints import CHAINS, continuous
from retarget.retargeter import Retargeter
from retarget.tabletop import Tabletop, on_table

OPEN, AROUND, CLOSED, PRESSED = -0.7, -0.3, -0.1, 0.0
"""When the fingers are opened, around the object, touch it and press, the lift being at 0 [s]."""


def demonstrate(
    retargeter: Retargeter,
    motion: HandTrajectory,
    stream: str,
    item: str | SceneObject,
    T_motion_object: Float[np.ndarray, "4 4"] | None = None,
) -> Demonstration:
    """What the retargeter's hand does to lift what the person lifted.

    The trajectory is what to command: while it holds the object its fingertips are
    `handsim.grasps.PRESSING` inside, for position targets on the surface would not press. A
    workspace of the retargeter plays no part: the world is the table's, see `Tabletop`.

    Args:
        retargeter: for the hand.
        motion: the person.
        stream: which of the motion's streams has the object's poses.
        item: what is lifted, for `load_object`; its frame is that of the poses.
        T_motion_object: see `on_table`.

    Raises:
        UnknownNameError: there is no such stream or object.
        InputError: as `on_table` and `Retargeter.retarget`.
    """
    if stream not in motion.streams:
        raise unknown("stream", stream, motion.streams)
    item = load_object(item)
    table = on_table(motion, motion.streams[stream], item.rest_height, T_motion_object)
    hand, trajectory = retargeter.hand, retargeter.retarget(table.motion).trajectory
    grasp = _grasp(hand, table, trajectory, item)
    return Demonstration(
        _grasping(hand, table, trajectory, grasp, _raised(item, table.object_path)),
        item,
        _raised(item, table.object_path),
    )


def _grasp(
    hand: RobotHand, table: Tabletop, trajectory: JointTrajectory, item: SceneObject
) -> Grasp:
    """The person's grasp, with the robot's hand."""
    held, T_object_palm = slice(table.lift, None), matrices_from_poses(table.hold)
    tips = table.motion.palm_keypoints[held][:, [CHAINS[f][3] for f in hand.fingers]].mean(axis=0)
    tips = tips @ T_object_palm[:3, :3].T + T_object_palm[:3, 3]
    thumb, others = tips[0], tips[1:].mean(axis=0)
    world = matrices_from_poses(np.stack([table.motion.wrist, trajectory.wrist])[:, table.lift])
    turn = T_object_palm[:3, :3] @ world[0, :3, :3].T @ world[1, :3, :3]
    return grasp_like(
        hand,
        item,
        hand.expand(hand.reduce(trajectory.qpos[held]).mean(axis=0)),
        Rotation.from_matrix(turn),
        _across(item, thumb, others),
        (thumb + others) / 2,
    )


def _across(
    item: SceneObject, thumb: Float[np.ndarray, " 3"], others: Float[np.ndarray, " 3"]
) -> Float[np.ndarray, " 3"]:
    """The horizontal direction across the object from the thumb's side to the fingers'."""
    outward = normals(distance_to(item), np.stack([thumb, others]))
    across = (outward[1] - outward[0]) * [1.0, 1.0, 0.0]
    if np.linalg.norm(across) < 0.5:
        across = (others - thumb) * [1.0, 1.0, 0.0]
    return across / np.linalg.norm(across)


def _grasping(
    hand: RobotHand,
    table: Tabletop,
    trajectory: JointTrajectory,
    grasp: Grasp,
    path: Float[np.ndarray, "T 7"],
) -> JointTrajectory:
    """The retargeted motion, going over into the grasp.

    The palm stays back until the fingers are open: a robot's are thicker than a person's, and would
    push the object over.
    """
    after = trajectory.times - trajectory.times[table.lift]
    stops = [after[0], OPEN, AROUND, CLOSED, PRESSED]
    x = hand.reduce(trajectory.qpos)
    for i, posture in {0: grasp.open, 2: grasp.closed, 3: grasp.pressed}.items():
        share = _passed(after, stops[i], stops[i + 1])[:, None]
        x = (1 - share) * x + share * hand.reduce(posture)
    T_person_robot = np.linalg.inv(matrices_from_poses(table.hold)) @ matrices_from_poses(
        grasp.palm
    )
    palm = matrices_from_poses(table.motion.wrist) @ T_person_robot
    palm[:, 2, 3] += path[:, 2] - table.object_path[:, 2]
    back = matrices_from_poses(path[0])[:3, :3] @ grasp.retreat
    palm[:, :3, 3] += (1 - _passed(after, OPEN, AROUND))[:, None] * back
    return replace(trajectory, qpos=hand.expand(x), wrist=continuous(poses_from_matrices(palm)))


def _passed(times: Float[np.ndarray, " T"], start: float, end: float) -> Float[np.ndarray, " T"]:
    """The share of the way from `start` to `end`, eased."""
    return eased((times - start) / (end - start))


def _raised(item: SceneObject, path: Float[np.ndarray, "T 7"]) -> Float[np.ndarray, "T 7"]:
    """The path, higher where the object would be in the table."""
    corners = np.array(list(product((-0.5, 0.5), repeat=3))) * item.size
    points = np.concatenate(item.pieces) if item.pieces else corners
    lowest = path[:, 2] + (matrices_from_poses(path)[:, 2, :3] @ points.T).min(axis=1)
    raised = path.copy()
    raised[:, 2] -= np.minimum(lowest, 0.0)
    return raised
