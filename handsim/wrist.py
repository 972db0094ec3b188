"""What carries a hand: nothing but the world, a weld to a moving target, or six actuated joints.

A wrist that moves has six coordinates: x y z [m] along the world's axes from where it was built,
then roll, deviation and flexion [rad], turns about the z, x and y axes of the palm frame, each
about the axis that the ones before it left behind. At a deviation of ±90° roll and flexion are one.
"""

from abc import ABC, abstractmethod
from typing import Literal

import mujoco
import numpy as np
from jaxtyping import Float
from mujoco.rollout import Rollout
from scipy.spatial.transform import Rotation

from handsim.hands.robot_hand import PALM_SITE, RobotHand
from handsim.wrist_parts import lead, poses_at

Kind = Literal["fixed", "floating", "actuated"]
WRISTS = ("fixed", "floating", "actuated")
COORDINATES = ("x", "y", "z", "roll", "deviation", "flexion")

WRIST_TIME_CONSTANT = 0.01
"""Time constant of the weld that pulls a floating wrist after its target [s]."""
WRIST_LAG = 2 * WRIST_TIME_CONSTANT
"""How long after its target a wrist that moves arrives [s]: a critically damped pull with damping b
and stiffness k trails a steadily moving target by b/k, twice the weld's time constant. The joints
of an actuated wrist trail by 2/ω = 21 ms."""
MAX_WRIST_LEAD = 0.05
"""How far the target of a floating wrist may run ahead of where its velocity takes it [m]; it
bounds the weld's force."""

BODY, TARGET = "scene/wrist", "scene/wrist_target"
"""Hands keep their own names, and some have a wrist."""
_STATE, _USER = int(mujoco.mjtState.mjSTATE_INTEGRATION), int(mujoco.mjtState.mjSTATE_USER)
_ROLLOUT = Rollout(nthread=0)
_BANDWIDTH_HZ = 15.0
_FORCE, _TORQUE = 200.0, 20.0
_PAYLOAD, _PAYLOAD_LEVER = 0.3, 0.1
_ARMATURE = 0.1
"""Of each joint of an actuated wrist, as a share of what it moves: at a deviation of ±90° roll and
flexion turn about one axis, and nothing else would resist their difference."""
_AXES = "ZXY"


class Wrist(ABC):
    """How the body that carries a hand is placed and led.

    Attributes:
        kind: one of `WRISTS`.
        base: where it was built: palm frame in world, x y z qw qx qy qz.
    """

    kind: Kind

    def __init__(self, base: Float[np.ndarray, " 7"]):
        self.base = base

    @abstractmethod
    def place(self, data: mujoco.MjData, pose: Float[np.ndarray, " 7"]) -> None:
        """Put the wrist at `pose`, at rest and held there."""

    @abstractmethod
    def targets(self, poses: Float[np.ndarray, "S 7"]) -> Float[np.ndarray, "S k"]:
        """What `simulate` takes, to go to `poses`."""

    @abstractmethod
    def targets_at(self, coordinates: Float[np.ndarray, "S 6"]) -> Float[np.ndarray, "S k"]:
        """What `simulate` takes, to go to `coordinates`."""

    @abstractmethod
    def simulate(
        self, model: mujoco.MjModel, data: mujoco.MjData, targets: Float[np.ndarray, "S k"]
    ) -> None:
        """Take one physics step for each of `targets`, pulled towards it."""

    def coordinates(self, poses: Float[np.ndarray, "T 7"]) -> Float[np.ndarray, "T 6"]:
        """The coordinates of `poses`; their angles go on from row to row without a jump."""
        turns = Rotation.from_quat(self.base[3:], scalar_first=True).inv() * Rotation.from_quat(
            poses[:, 3:], scalar_first=True
        )
        angles = np.unwrap(_angles(turns.as_matrix()), axis=0)
        return np.concatenate([poses[:, :3] - self.base[:3], angles], axis=1)

    def poses(self, coordinates: Float[np.ndarray, "S 6"]) -> Float[np.ndarray, "S 7"]:
        """The poses that have these coordinates."""
        return poses_at(coordinates, self.base)


class FixedWrist(Wrist):
    """Welded to the world; it cannot be moved."""

    kind = "fixed"

    def place(self, data: mujoco.MjData, pose: Float[np.ndarray, " 7"]) -> None:
        """Leave the wrist where it is."""

    def targets(self, poses: Float[np.ndarray, "S 7"]) -> Float[np.ndarray, "S 0"]:
        """Nothing."""
        return np.empty((len(poses), 0))

    def targets_at(self, coordinates: Float[np.ndarray, "S 6"]) -> Float[np.ndarray, "S 0"]:
        """Nothing."""
        return np.empty((len(coordinates), 0))

    def simulate(
        self, model: mujoco.MjModel, data: mujoco.MjData, targets: Float[np.ndarray, "S 0"]
    ) -> None:
        """Take as many physics steps."""
        mujoco.mj_step(model, data, len(targets))


class MovingWrist(Wrist):
    """A wrist that is pulled after targets which differ from physics step to physics step.

    It keeps a buffer for the state: one wrist, and its scene, is stepped by one thread at a time.
    """

    def __init__(self, base: Float[np.ndarray, " 7"], model: mujoco.MjModel):
        super().__init__(base)
        # What MuJoCo starts its solver from stands between physics and inputs.
        size = mujoco.mj_stateSize(model, _STATE)
        inputs = size - mujoco.mj_stateSize(model, _USER)
        warm = inputs - model.nv
        self._state = np.empty((1, size))
        self._parts = self._state[:, :warm], self._state[:, warm:inputs], self._state[:, inputs:]

    @abstractmethod
    def _led(
        self,
        state: Float[np.ndarray, " P"],
        inputs: Float[np.ndarray, " u"],
        targets: Float[np.ndarray, "S k"],
    ) -> Float[np.ndarray, "S u"]:
        """The inputs (``mjSTATE_USER``) of each step, from those in force and `targets`."""

    def simulate(
        self, model: mujoco.MjModel, data: mujoco.MjData, targets: Float[np.ndarray, "S k"]
    ) -> None:
        """Take one physics step for each of `targets`, pulled towards it.

        One call takes all steps: it comes to the same bits as a call for each.
        """
        mujoco.mj_getState(model, data, self._state[0], _STATE)
        physics, warmstart, inputs = self._parts
        led = self._led(physics[0], inputs[0], targets)
        _ROLLOUT.rollout(
            [model],
            [data],
            physics,
            led[None],
            control_spec=_USER,
            skip_checks=True,
            nstep=len(targets),
            initial_warmstart=warmstart,
        )


class FloatingWrist(MovingWrist):
    """A free joint, pulled after a mocap body by a weld.

    The weld has no force limit, so a target is followed at most `MAX_WRIST_LEAD` ahead of the
    wrist: one inside a table would push with any force.
    """

    kind = "floating"

    def __init__(self, base: Float[np.ndarray, " 7"], model: mujoco.MjModel):
        super().__init__(base, model)
        self.mocap_id = int(model.body(TARGET).mocapid[0])
        start, dof = int(model.joint(BODY).qposadr[0]), int(model.joint(BODY).dofadr[0])
        self._place = slice(start, start + 7)
        self._timestep = model.opt.timestep
        user = mujoco.mjtState
        before = user.mjSTATE_CTRL | user.mjSTATE_QFRC_APPLIED | user.mjSTATE_XFRC_APPLIED
        first = mujoco.mj_stateSize(model, int(before | user.mjSTATE_EQ_ACTIVE))
        position, turn = first + 3 * self.mocap_id, first + 3 * model.nmocap + 4 * self.mocap_id
        # Time is the first number of a state, then come qpos and qvel.
        self._places = np.array([1 + start, 1 + model.nq + dof, position, turn])

    def place(self, data: mujoco.MjData, pose: Float[np.ndarray, " 7"]) -> None:
        """Put the wrist and its target at `pose`."""
        data.qpos[self._place] = pose
        data.mocap_pos[self.mocap_id] = pose[:3]
        data.mocap_quat[self.mocap_id] = pose[3:]

    def targets(self, poses: Float[np.ndarray, "S 7"]) -> Float[np.ndarray, "S 7"]:
        """The poses."""
        return poses

    def targets_at(self, coordinates: Float[np.ndarray, "S 6"]) -> Float[np.ndarray, "S 7"]:
        """Their poses."""
        return self.poses(coordinates)

    def _led(
        self,
        state: Float[np.ndarray, " P"],
        inputs: Float[np.ndarray, " u"],
        targets: Float[np.ndarray, "S 7"],
    ) -> Float[np.ndarray, "S u"]:
        return lead(state, inputs, targets, self._timestep, MAX_WRIST_LEAD, self._places)


class ActuatedWrist(MovingWrist):
    """Six joints with position actuators of bounded force, 200 N and 20 N m."""

    kind = "actuated"

    def __init__(self, base: Float[np.ndarray, " 7"], model: mujoco.MjModel):
        super().__init__(base, model)
        names = joint_names()
        self._qpos = np.array([model.joint(name).qposadr[0] for name in names])
        first = int(model.actuator(names[0]).id)
        self._ctrl = slice(first, first + len(names))

    def place(self, data: mujoco.MjData, pose: Float[np.ndarray, " 7"]) -> None:
        """Put the joints, and their targets, where the wrist is at `pose`."""
        data.qpos[self._qpos] = data.ctrl[self._ctrl] = self.coordinates(pose[None])[0]

    def targets(self, poses: Float[np.ndarray, "S 7"]) -> Float[np.ndarray, "S 6"]:
        """Their coordinates."""
        return self.coordinates(poses)

    def targets_at(self, coordinates: Float[np.ndarray, "S 6"]) -> Float[np.ndarray, "S 6"]:
        """The coordinates."""
        return coordinates

    def _led(
        self,
        state: Float[np.ndarray, " P"],
        inputs: Float[np.ndarray, " u"],
        targets: Float[np.ndarray, "S 6"],
    ) -> Float[np.ndarray, "S u"]:
        steps = np.tile(inputs, (len(targets), 1))
        steps[:, self._ctrl] = targets
        return steps


def _angles(R: Float[np.ndarray, "T 3 3"]) -> Float[np.ndarray, "T 3"]:
    """Roll, deviation, flexion of rotations R = Rz Rx Ry; flexion 0 where it is one with roll."""
    locked = np.hypot(R[:, 0, 1], R[:, 1, 1]) < 1e-9
    roll = np.arctan2(
        np.where(locked, R[:, 1, 0], -R[:, 0, 1]), np.where(locked, R[:, 0, 0], R[:, 1, 1])
    )
    deviation = np.arcsin(np.clip(R[:, 2, 1], -1.0, 1.0))
    flexion = np.where(locked, 0.0, np.arctan2(-R[:, 2, 0], R[:, 2, 2]))
    return np.stack([roll, deviation, flexion], axis=1)


def joint_names() -> tuple[str, ...]:
    """The joints of an actuated wrist, and their actuators."""
    return tuple(f"{BODY}_{name}" for name in COORDINATES)


def add_wrist(
    spec: mujoco.MjSpec, kind: str, palm: Float[np.ndarray, " 7"], hand: RobotHand
) -> mujoco.MjsBody:
    """Add the body that carries the hand, with what moves it; its frame is the palm frame."""
    body = spec.worldbody.add_body(name=BODY, pos=palm[:3], quat=palm[3:])
    if kind != "fixed":
        # A body that moves needs some inertia of its own; a gram is nothing next to a hand.
        body.explicitinertial = True
        body.mass, body.inertia, body.ipos = 1e-3, [1e-7] * 3, [0, 0, 0]
    if kind == "floating":
        _add_weld(spec, body, palm)
    if kind == "actuated":
        _add_joints(spec, body, palm, hand)
    return body


def wrist_of(model: mujoco.MjModel, kind: str, base: Float[np.ndarray, " 7"]) -> Wrist:
    """The wrist that `add_wrist` added to what became `model`."""
    if kind == "fixed":
        return FixedWrist(base)
    return FloatingWrist(base, model) if kind == "floating" else ActuatedWrist(base, model)


def _add_weld(spec: mujoco.MjSpec, body: mujoco.MjsBody, palm: Float[np.ndarray, " 7"]) -> None:
    body.add_freejoint(name=BODY)
    spec.worldbody.add_body(name=TARGET, mocap=True, pos=palm[:3], quat=palm[3:])
    weld = spec.add_equality(name=BODY, type=mujoco.mjtEq.mjEQ_WELD)
    weld.objtype = mujoco.mjtObj.mjOBJ_BODY
    weld.name1, weld.name2 = TARGET, BODY
    weld.solref = [WRIST_TIME_CONSTANT, 1]
    torquescale = 1.0
    weld.data = [0.0] * 10 + [torquescale]


def _add_joints(
    spec: mujoco.MjSpec, body: mujoco.MjsBody, palm: Float[np.ndarray, " 7"], hand: RobotHand
) -> None:
    """Joints and critically damped actuators of one bandwidth, for the hand and what it carries."""
    mass, inertia = _carried(hand)
    world_axes = Rotation.from_quat(palm[3:], scalar_first=True).inv().as_matrix().T
    turn_axes = [np.eye(3)["XYZ".index(axis)] for axis in _AXES]
    slide, hinge = mujoco.mjtJoint.mjJNT_SLIDE, mujoco.mjtJoint.mjJNT_HINGE
    rows = [(slide, axis, mass, _FORCE) for axis in world_axes]
    rows += [(hinge, axis, inertia, _TORQUE) for axis in turn_axes]
    omega = 2 * np.pi * _BANDWIDTH_HZ
    for name, (kind, axis, moved, limit) in zip(joint_names(), rows, strict=True):
        body.add_joint(name=name, type=kind, axis=axis, armature=_ARMATURE * moved)
        driven = moved * (1 + _ARMATURE)
        actuator = spec.add_actuator(name=name, target=name)
        actuator.trntype = mujoco.mjtTrn.mjTRN_JOINT
        actuator.set_to_position(kp=driven * omega**2, kv=2 * driven * omega)
        actuator.forcelimited, actuator.forcerange = True, [-limit, limit]


def _carried(hand: RobotHand) -> tuple[float, float]:
    """Mass [kg] and largest moment of inertia about the palm's origin [kg m²], load included."""
    model, data = hand.model, mujoco.MjData(hand.model)
    data.qpos[:] = hand.neutral
    mujoco.mj_kinematics(model, data)
    arms = data.xipos - data.site(PALM_SITE).xpos
    frames = data.ximat.reshape(-1, 3, 3)
    own = np.einsum("bij,bj,bkj->bik", frames, model.body_inertia, frames)
    squares = np.einsum("bi,bi->b", arms, arms)[:, None, None] * np.eye(3)
    shifted = model.body_mass[:, None, None] * (squares - np.einsum("bi,bj->bij", arms, arms))
    largest = float(np.linalg.eigvalsh((own + shifted).sum(axis=0))[-1])
    return float(model.body_mass.sum()) + _PAYLOAD, largest + _PAYLOAD * _PAYLOAD_LEVER**2
