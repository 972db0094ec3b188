"""A hand on its wrist in a world: the one place that turns a RobotHand into a simulation.

Every physics option is set here. The figures come from holding, lifting and shaking a 200 g box
and a cylinder with seven hands: an elliptic friction cone with ``impratio`` 10 and three no-slip
iterations at a step of 1/480 s neither creeps nor jitters; MuJoCo's defaults creep by millimetres.
"""

from dataclasses import dataclass
from typing import Literal

import mujoco
import numpy as np
from jaxtyping import Float
from scipy.spatial.transform import Rotation

from handsim.errors import InputError, unknown
from handsim.hands.robot_hand import PALM_SITE, RobotHand
from handsim.stage import HUMAN_SPHERE, add_cameras, add_ground_material, bounding_sphere, set_look

Wrist = Literal["fixed", "floating"]
WRISTS = ("fixed", "floating")

MAX_TIMESTEP = 1 / 480
"""Longest physics step [s]: whole sub-steps at 30, 60, 120 and 240 frames a second."""
WRIST_TIME_CONSTANT = 0.01
"""Time constant of the weld that pulls a floating wrist after its target [s]."""
WRIST_LAG = 2 * WRIST_TIME_CONSTANT
"""How long after its target a floating wrist arrives [s]: a critically damped pull with damping b
and stiffness k trails a steadily moving target by b/k, twice the weld's time constant."""
MAX_WRIST_LEAD = 0.05
"""How far the target of a floating wrist may run ahead of it [m]; it bounds the weld's force."""
IDENTITY_POSE = np.array([0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0])

# Hands keep their own names, and some have a wrist.
_WRIST_BODY, _WRIST_TARGET = "scene/wrist", "scene/wrist_target"


@dataclass(frozen=True, eq=False)
class Scene:
    """A compiled world with one hand in it, and where the hand is in the model's arrays.

    The joints, actuators, bodies and sites of the hand keep their own names.

    Attributes:
        hand: the hand.
        model: the world.
        xml: the world as MJCF text; a model compiled from it may differ in the last bits.
        wrist: "fixed" or "floating".
        qpos_ids, dof_ids, ctrl_ids: where the hand's joints and actuators are in qpos, qvel, ctrl.
        palm_id, tip_ids: the sites of the palm frame and of the fingertips.
        mocap_id: the mocap body that leads a floating wrist, or None.
    """

    hand: RobotHand
    model: mujoco.MjModel
    xml: str
    wrist: str
    qpos_ids: np.ndarray
    dof_ids: np.ndarray
    ctrl_ids: np.ndarray
    palm_id: int
    tip_ids: np.ndarray
    mocap_id: int | None

    def place(
        self, data: mujoco.MjData, qpos: Float[np.ndarray, " nq"], wrist: Float[np.ndarray, " 7"]
    ) -> None:
        """Put the hand at `qpos` [rad] and a floating wrist at `wrist`, at rest and held there.

        Args:
            data: the state to write; everything else in it is reset.
            qpos: joint positions of the hand.
            wrist: see `wrist_poses`; ignored on a fixed wrist.
        """
        mujoco.mj_resetData(self.model, data)
        data.qpos[self.qpos_ids] = qpos
        data.ctrl[self.ctrl_ids] = self.hand.ctrl_from_qpos(qpos)
        if self.mocap_id is not None:
            address = self.model.joint(_WRIST_BODY).qposadr[0]
            data.qpos[address : address + 7] = wrist
            self._set_target(data, wrist)
        mujoco.mj_forward(self.model, data)

    def lead_wrist(self, data: mujoco.MjData, wrist: Float[np.ndarray, " 7"]) -> None:
        """Move the target of a floating wrist to `wrist`, at most `MAX_WRIST_LEAD` ahead of it.

        The weld has no force limit, so a target inside a table would push with any force.
        """
        address = self.model.joint(_WRIST_BODY).qposadr[0]
        lead = wrist[:3] - data.qpos[address : address + 3]
        excess = np.linalg.norm(lead) / MAX_WRIST_LEAD
        if excess > 1:
            wrist = wrist.copy()
            wrist[:3] = data.qpos[address : address + 3] + lead / excess
        self._set_target(data, wrist)

    def _set_target(self, data: mujoco.MjData, wrist: Float[np.ndarray, " 7"]) -> None:
        data.mocap_pos[self.mocap_id] = wrist[:3]
        data.mocap_quat[self.mocap_id] = wrist[3:]

    def wrist_poses(
        self, palm: Float[np.ndarray, "T 7"], qpos: Float[np.ndarray, "T nq"]
    ) -> Float[np.ndarray, "T 7"]:
        """Poses of the wrist body that bring the palm frame to `palm` at joint positions `qpos`.

        The wrist body coincides with the palm frame at the hand's neutral configuration; they
        differ only where a hand has wrist joints of its own and moves them.
        """
        neutral = self.hand.T_root_palm(self.hand.neutral)
        turned = np.array([self.hand.T_root_palm(row) for row in qpos])
        return poses_from_matrices(matrices_from_poses(palm) @ np.linalg.inv(turned) @ neutral)

    def palm(self, data: mujoco.MjData) -> Float[np.ndarray, " 7"]:
        """The palm frame in the world: x y z [m], qw qx qy qz with qw ≥ 0."""
        quat = np.empty(4)
        mujoco.mju_mat2Quat(quat, data.site_xmat[self.palm_id])
        return np.concatenate([data.site_xpos[self.palm_id], np.copysign(1.0, quat[0]) * quat])

    def tips(self, data: mujoco.MjData) -> Float[np.ndarray, "F 3"]:
        """The fingertips in the palm frame [m]."""
        rotation = data.site_xmat[self.palm_id].reshape(3, 3)
        return (data.site_xpos[self.tip_ids] - data.site_xpos[self.palm_id]) @ rotation


def build_scene(
    hand: RobotHand,
    wrist: str = "fixed",
    palm: Float[np.ndarray, " 7"] = IDENTITY_POSE,
    ground: float | None = None,
    timestep: float = MAX_TIMESTEP,
    self_collision: bool = True,
    margin: float = 1.1,
) -> Scene:
    """A world with `hand` in it, lights and the cameras `CAMERAS`.

    The cameras are placed relative to the palm as it is at the start. "front" looks at the palm
    from the side the fingers close to, the thumb a little nearer, and "top" along the fingers from
    beyond the tips; both keep their orientation and travel with a floating wrist. "wrist" sits
    under the wrist and turns with it.

    Args:
        hand: the hand.
        wrist: "fixed" welds the hand to the world. "floating" gives it a free joint and a mocap
            body, `Scene.lead_wrist`, that pulls it along through a weld.
        palm: palm frame in world at the neutral configuration, at the start: x y z qw qx qy qz.
        ground: height of a ground plane [m], or None for none.
        timestep: physics step [s], at most 1/480.
        self_collision: whether the hand's links collide with each other.
        margin: distance of "front" and "top" relative to one that just frames the hand.

    Raises:
        UnknownNameError: there is no such kind of wrist.
        InputError: the time step is too long, or `palm` is no pose.
    """
    if wrist not in WRISTS:
        raise unknown("wrist", wrist, WRISTS)
    if not 0 < timestep <= MAX_TIMESTEP * (1 + 1e-3):
        raise InputError(f"timestep: {timestep}, expected more than 0 and at most 1/480 s.")
    if np.shape(palm) != (7,) or not np.isclose(np.linalg.norm(palm[3:]), 1, atol=1e-3):
        raise InputError(f"palm: {palm}, expected x y z and a unit quaternion qw qx qy qz.")
    spec = mujoco.MjSpec()
    spec.modelname = f"{hand.name}_{hand.side}"
    spec.compiler.degree = False
    _set_options(spec, timestep)
    set_look(spec)
    body = spec.worldbody.add_body(name=_WRIST_BODY, pos=palm[:3], quat=palm[3:])
    if wrist == "floating":
        _set_floating(spec, body, palm)
    _attach(spec, body, hand, self_collision)
    add_cameras(body, hand.side, *bounding_sphere(hand), margin)
    if ground is not None:
        _add_ground(spec, ground)
    return _compiled(spec, hand, wrist)


def build_stage(side: str) -> mujoco.MjModel:
    """The look and the cameras of a scene without a robot, to draw a human hand in.

    Args:
        side: whose thumb the cameras are to see.
    """
    spec = mujoco.MjSpec()
    spec.compiler.degree = False
    set_look(spec)
    add_cameras(spec.worldbody.add_body(), side, *HUMAN_SPHERE, margin=1.15)
    return spec.compile()


def timestep_at(control_rate: float) -> tuple[float, int]:
    """The physics step [s] and how many of them make up one control step at `control_rate` [Hz].

    >>> timestep_at(60.0)[1]
    8

    Raises:
        InputError: the rate is not positive.
    """
    if not (control_rate > 0 and np.isfinite(control_rate)):
        raise InputError(f"control_rate: {control_rate}, expected a positive number [Hz].")
    substeps = max(1, int(np.ceil(1 / (MAX_TIMESTEP * control_rate) - 1e-3)))
    return 1 / (control_rate * substeps), substeps


def matrices_from_poses(poses: Float[np.ndarray, "*T 7"]) -> Float[np.ndarray, "*T 4 4"]:
    """Homogeneous transforms of poses x y z qw qx qy qz."""
    transforms = np.zeros((*poses.shape[:-1], 4, 4))
    transforms[..., :3, :3] = (
        Rotation.from_quat(poses[..., 3:].reshape(-1, 4), scalar_first=True)
        .as_matrix()
        .reshape(*poses.shape[:-1], 3, 3)
    )
    transforms[..., :3, 3] = poses[..., :3]
    transforms[..., 3, 3] = 1.0
    return transforms


def poses_from_matrices(transforms: Float[np.ndarray, "*T 4 4"]) -> Float[np.ndarray, "*T 7"]:
    """Poses x y z qw qx qy qz, with qw ≥ 0, of homogeneous transforms."""
    rotations = Rotation.from_matrix(transforms[..., :3, :3].reshape(-1, 3, 3))
    quats = rotations.as_quat(canonical=True, scalar_first=True)
    shape = transforms.shape[:-2]
    return np.concatenate([transforms[..., :3, 3], quats.reshape(*shape, 4)], axis=-1)


def _set_options(spec: mujoco.MjSpec, timestep: float) -> None:
    option = spec.option
    option.timestep = timestep
    option.integrator = mujoco.mjtIntegrator.mjINT_IMPLICITFAST
    option.solver = mujoco.mjtSolver.mjSOL_NEWTON
    option.cone = mujoco.mjtCone.mjCONE_ELLIPTIC
    option.impratio = 10
    option.noslip_iterations = 3


def _set_floating(spec: mujoco.MjSpec, body: mujoco.MjsBody, palm: Float[np.ndarray, " 7"]) -> None:
    """A free joint for the wrist body, and the mocap body that leads it through a weld.

    The wrist body needs some inertia of its own; a gram is nothing next to a hand.
    """
    body.add_freejoint(name=_WRIST_BODY)
    body.explicitinertial = True
    body.mass, body.inertia, body.ipos = 1e-3, [1e-7] * 3, [0, 0, 0]
    spec.worldbody.add_body(name=_WRIST_TARGET, mocap=True, pos=palm[:3], quat=palm[3:])
    weld = spec.add_equality(name=_WRIST_BODY, type=mujoco.mjtEq.mjEQ_WELD)
    weld.objtype = mujoco.mjtObj.mjOBJ_BODY
    weld.name1, weld.name2 = _WRIST_TARGET, _WRIST_BODY
    weld.solref = [WRIST_TIME_CONSTANT, 1]
    torquescale = 1.0
    weld.data = [0.0] * 10 + [torquescale]


def _attach(
    spec: mujoco.MjSpec, wrist: mujoco.MjsBody, hand: RobotHand, self_collision: bool
) -> None:
    """Hang the hand on the wrist body so that its palm frame coincides with that body's frame."""
    child = hand.spec()
    # Without a name of its own the hand's outermost default class makes XML that cannot be read.
    child.default.name = "hand_defaults"
    for body in child.bodies:
        body.gravcomp = 1
    for geom in child.geoms:
        if geom.contype or geom.conaffinity:
            _set_grasp_contact(geom)
            if not self_collision:
                geom.contype, geom.conaffinity = 1, 0
    root = hand.model.body(hand.root_body)
    T_frame_root = matrices_from_poses(np.concatenate([root.pos, root.quat]))
    T_frame_palm = T_frame_root @ hand.T_root_palm(hand.neutral)
    mount = poses_from_matrices(np.linalg.inv(T_frame_palm))
    spec.attach(child, frame=wrist.add_frame(pos=mount[:3], quat=mount[3:]), prefix="")


def _set_grasp_contact(geom: mujoco.MjsGeom) -> None:
    geom.condim = 4
    geom.friction = [1.0, 0.005, 1e-4]
    geom.solref = [0.004, 1]
    geom.solimp = [0.95, 0.99, 0.0005, 0.5, 2]


def _add_ground(spec: mujoco.MjSpec, height: float) -> None:
    geom = spec.worldbody.add_geom(name="ground", type=mujoco.mjtGeom.mjGEOM_PLANE)
    geom.size, geom.pos, geom.material = [0, 0, 0.05], [0, 0, height], add_ground_material(spec)
    _set_grasp_contact(geom)


def _compiled(spec: mujoco.MjSpec, hand: RobotHand, wrist: str) -> Scene:
    model = spec.compile()
    joints = [model.joint(name) for name in hand.joint_names]
    return Scene(
        hand=hand,
        model=model,
        xml=spec.to_xml(),
        wrist=wrist,
        qpos_ids=np.array([j.qposadr[0] for j in joints]),
        dof_ids=np.array([j.dofadr[0] for j in joints]),
        ctrl_ids=np.array([model.actuator(name).id for name in hand.actuator_names]),
        palm_id=model.site(PALM_SITE).id,
        tip_ids=np.array([model.site(f"{finger}_tip").id for finger in hand.fingers]),
        mocap_id=int(model.body(_WRIST_TARGET).mocapid[0]) if wrist == "floating" else None,
    )
