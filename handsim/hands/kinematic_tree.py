"""KinematicTree: the joints between a hand's palm and its points, read out of a MuJoCo model."""

from typing import NamedTuple

import mujoco
import numpy as np
from jaxtyping import Float

from handsim.compiled import announce
from handsim.errors import InputError
from handsim.hands.kinematics import (
    PALM,
    Tree,
    Workspace,
    batch_derivatives,
    batch_points,
    column,
    place,
)


class BodyPoint(NamedTuple):
    """A point fixed to a body: the body's id and the point in its frame [m]."""

    body: int
    position: Float[np.ndarray, " 3"]


class KinematicTree:
    """The compiled kinematics of the joints between a hand's palm frame and its points.

    Attributes:
        arrays: what compiled code needs, a `Tree`.
        joint_ids: position in the hand's qpos of each of the tree's ``n`` joints.
        input_ids: position in the hand's qpos of each of the ``m`` independent ones among them.
    """

    def __init__(
        self,
        model: mujoco.MjModel,
        palm_site: int,
        points: list[BodyPoint],
        couplings: dict[int, tuple[int, Float[np.ndarray, " 5"]]],
    ):
        """Read the tree out of `model`.

        Args:
            model: a hand whose joints are all hinges or slides.
            palm_site: id of the site that is the palm frame.
            points: those whose positions are wanted.
            couplings: dependent joint id → (driver joint id, polynomial coefficients), each after
                its driver's own.

        Raises:
            InputError: the palm does not carry a point.
        """
        moving, frames = _frames_below(model, palm_site)
        joints = [m.joint for m in moving]
        index = {joint: i for i, joint in enumerate(joints)}
        hung = [_hang(model, point, frames) for point in points]
        inputs = [j for j in joints if j not in couplings]
        self.joint_ids = model.jnt_qposadr[joints].astype(np.int64)
        self.input_ids = model.jnt_qposadr[inputs].astype(np.int64)
        order = {joint: i for i, joint in enumerate(inputs)}
        polycoef = np.zeros((len(joints), 5))
        driver = np.full(len(joints), -1)
        for joint in joints:
            if joint in couplings:
                driver[index[joint]] = index[couplings[joint][0]]
                polycoef[index[joint]] = couplings[joint][1]
        self.arrays = Tree(
            parent=np.array([m.before.joint for m in moving], dtype=np.int64),
            slides=(model.jnt_type[joints] == int(mujoco.mjtJoint.mjJNT_SLIDE)).astype(np.int64),
            rotation=np.array([m.before.rotation for m in moving]).reshape(-1, 3, 3),
            translation=np.array([m.before.translation for m in moving]).reshape(-1, 3),
            axis=model.jnt_axis[joints].reshape(-1, 3).copy(),
            zero=model.qpos0[self.joint_ids].copy(),
            driver=driver.astype(np.int64),
            followers=np.array([index[j] for j in couplings if j in index], dtype=np.int64),
            polycoef=polycoef,
            input_of=np.array([order[_root(j, couplings)] for j in joints], dtype=np.int64),
            point_joint=np.array([h[0] for h in hung], dtype=np.int64),
            point_offset=np.array([h[1] for h in hung]).reshape(-1, 3),
        )

    def workspace(self) -> Workspace:
        """Fresh arrays for one caller of the compiled functions."""
        n, points = len(self.joint_ids), len(self.arrays.point_joint)
        return Workspace(
            q=np.zeros(n),
            slope=np.zeros(n),
            bend=np.zeros(n),
            rotation=np.zeros((n, 3, 3)),
            origin=np.zeros((n, 3)),
            axis=np.zeros((n, 3)),
            points=np.zeros((points, 3)),
        )

    def points(self, qpos: Float[np.ndarray, "T nq"]) -> Float[np.ndarray, "T P 3"]:
        """Positions of all points in the palm frame [m], for the joints as they stand in `qpos`."""
        announce(batch_points, "the kinematics")
        joints = np.ascontiguousarray(qpos[:, self.joint_ids], dtype=np.float64)
        points = np.empty((len(joints), len(self.arrays.point_joint), 3))
        batch_points(self.arrays, self.workspace(), joints, points)
        return points

    def jacobians(self, qpos: Float[np.ndarray, " nq"]) -> Float[np.ndarray, "P 3 nq"]:
        """∂(points)/∂qpos at one configuration [m/rad], each joint taken on its own."""
        work = self.workspace()
        work.q[:] = qpos[self.joint_ids]
        place(self.arrays, work)
        columns = np.zeros((len(work.points), 3, len(qpos)))
        for point in range(len(work.points)):
            j = self.arrays.point_joint[point]
            while j != PALM:
                columns[point, :, self.joint_ids[j]] = column(
                    self.arrays, work, j, *work.points[point]
                )
                j = self.arrays.parent[j]
        return columns

    def derivatives(
        self, x: Float[np.ndarray, "T m"]
    ) -> tuple[
        Float[np.ndarray, "T P 3"], Float[np.ndarray, "T P 3 m"], Float[np.ndarray, "T P 3 m m"]
    ]:
        """Points [m] and their first and second derivatives by the inputs, couplings substituted.

        Args:
            x: values of the joints `input_ids` [rad].
        """
        x = np.ascontiguousarray(x, dtype=np.float64)
        frames, size = x.shape
        points = np.empty((frames, len(self.arrays.point_joint), 3))
        jacobian = np.empty((*points.shape, size))
        hessian = np.empty((*jacobian.shape, size))
        batch_derivatives(self.arrays, self.workspace(), x, points, jacobian, hessian)
        return points, jacobian, hessian


class _Frame(NamedTuple):
    """A frame given in the frame of the last joint that moves it (or of the palm)."""

    joint: int
    rotation: Float[np.ndarray, "3 3"]
    translation: Float[np.ndarray, " 3"]


class _Moving(NamedTuple):
    """A model's joint and its frame before it moves."""

    joint: int
    before: _Frame


def _root(joint: int, couplings: dict[int, tuple[int, np.ndarray]]) -> int:
    """The independent joint at the end of a chain of couplings."""
    while joint in couplings:
        joint = couplings[joint][0]
    return joint


def _frames_below(model: mujoco.MjModel, palm_site: int) -> tuple[list[_Moving], dict[int, _Frame]]:
    """The joints below the palm in MuJoCo's order, and the frames of the bodies there."""
    palm_body = int(model.site_bodyid[palm_site])
    turned = _matrix(model.site_quat[palm_site]).T
    frames = {palm_body: _Frame(PALM, turned, -turned @ model.site_pos[palm_site])}
    moving: list[_Moving] = []
    for body in range(palm_body + 1, model.nbody):
        if int(model.body_parentid[body]) not in frames:
            continue
        joint, rotation, translation = frames[int(model.body_parentid[body])]
        translation = translation + rotation @ model.body_pos[body]
        rotation = rotation @ _matrix(model.body_quat[body])
        first = int(model.body_jntadr[body])
        for j in range(first, first + int(model.body_jntnum[body])):
            anchor = model.jnt_pos[j]
            moving.append(_Moving(j, _Frame(joint, rotation, translation + rotation @ anchor)))
            joint, rotation, translation = len(moving) - 1, np.eye(3), -anchor
        frames[body] = _Frame(joint, rotation, translation)
    return moving, frames


def _hang(
    model: mujoco.MjModel, point: BodyPoint, frames: dict[int, _Frame]
) -> tuple[int, Float[np.ndarray, " 3"]]:
    """The joint that carries a point and the point's place in that joint's frame [m]."""
    if point.body not in frames:
        raise InputError(
            f"A point hangs on body {model.body(point.body).name!r}, which the palm does not "
            "carry; expected a body below the palm."
        )
    joint, rotation, translation = frames[point.body]
    return joint, translation + rotation @ point.position


def _matrix(quat: Float[np.ndarray, " 4"]) -> Float[np.ndarray, "3 3"]:
    flat = np.zeros(9)
    mujoco.mju_quat2Mat(flat, quat)
    return flat.reshape(3, 3)
