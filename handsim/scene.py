"""A hand on its wrist in a world: the one place that turns a RobotHand into a simulation.

Every physics option is set here; how geoms touch, in `handsim.furniture`. The figures come from
holding, lifting and shaking a 200 g box and a cylinder with seven hands: an elliptic friction cone
with ``impratio`` 10 and three no-slip iterations at a step of 1/480 s neither creeps nor jitters;
MuJoCo's defaults creep by millimetres.
"""

from dataclasses import dataclass

import mujoco
import numpy as np
from jaxtyping import Float

from handsim.errors import InputError, unknown
from handsim.furniture import (
    GOAL,
    OBJECT,
    add_ground,
    add_object,
    add_table,
    add_touch,
    set_grasp_contact,
)
from handsim.hands.robot_hand import PALM_SITE, RobotHand
from handsim.poses import IDENTITY_POSE, matrices_from_poses, poses_from_matrices
from handsim.scene_object import SceneObject
from handsim.stage import add_cameras, add_room, bounding_sphere, set_look
from handsim.wrist import COORDINATES, WRISTS, Wrist, add_wrist, wrist_of

MAX_TIMESTEP = 1 / 480
"""Longest physics step [s]: whole sub-steps at 30, 60, 120 and 240 frames a second."""
_COORDINATES = len(COORDINATES)


@dataclass(frozen=True, eq=False)
class Scene:
    """A compiled world with one hand in it, and where things are in the model's arrays.

    The joints, actuators, bodies and sites of the hand keep their own names.

    Attributes:
        hand: the hand.
        model: the world.
        xml: the world as MJCF text; a model compiled from it may differ in the last bits.
        wrist: what carries the hand.
        object: what stands in the world beside the hand, or None.
        qpos_ids, dof_ids, ctrl_ids: where the hand's joints and actuators are in qpos, qvel, ctrl;
            the joints follow each other.
        palm_id, tip_ids: the sites of the palm frame and of the fingertips.
        touch_ids: where the sensors of the fingertips' contacts are in sensordata.
        object_qpos, object_dofs: where the object's free joint is in qpos and qvel.
        goal_id: the mocap body that shows where the object is to go, or None.
        notes: where in userdata a task keeps numbers of its own, which are part of the state.
    """

    hand: RobotHand
    model: mujoco.MjModel
    xml: str
    wrist: Wrist
    object: SceneObject | None
    qpos_ids: np.ndarray
    dof_ids: np.ndarray
    ctrl_ids: np.ndarray
    palm_id: int
    tip_ids: np.ndarray
    touch_ids: slice
    object_qpos: slice
    object_dofs: slice
    goal_id: int | None
    notes: slice

    def place(
        self,
        data: mujoco.MjData,
        qpos: Float[np.ndarray, " nq"],
        wrist: Float[np.ndarray, " 7"] = IDENTITY_POSE,
        object_pose: Float[np.ndarray, " 7"] | None = None,
    ) -> None:
        """Put the hand at `qpos` [rad] and a wrist that moves at `wrist`, at rest and held there.

        Args:
            data: the state to write; everything else in it is reset.
            qpos: joint positions of the hand.
            wrist: see `wrist_poses`; ignored on a fixed wrist.
            object_pose: where the object is; by default where it was built.
        """
        mujoco.mj_resetData(self.model, data)
        data.qpos[self.qpos_ids] = qpos
        data.ctrl[self.ctrl_ids] = self.hand.ctrl_from_qpos(qpos)
        self.hold(data)
        self.wrist.place(data, wrist)
        if self.wrist.kind != "fixed":
            self.wrist_command(data)[:] = self.wrist.coordinates(wrist[None])[0]
        if object_pose is not None:
            data.qpos[self.object_qpos] = object_pose
        mujoco.mj_forward(self.model, data)
        self.update(data)

    @property
    def longest_latency(self) -> float:
        """Up to what ``actuator_delay`` may be set for the hand's actuators [s]."""
        samples = self.model.actuator_history[self.ctrl_ids, 0]
        return max(0, int(samples.min()) - 1) * self.model.opt.timestep

    def hold(self, data: mujoco.MjData) -> None:
        """Make actuators that act late believe that their targets have always been these."""
        for actuator in self.ctrl_ids[self.model.actuator_history[self.ctrl_ids, 0] > 0]:
            count = int(self.model.actuator_history[actuator, 0])
            times = data.time + np.arange(-count, 0) * self.model.opt.timestep
            values = np.full(count, data.ctrl[actuator])
            mujoco.mj_initCtrlHistory(self.model, data, actuator, times, values)

    def show_goal(self, data: mujoco.MjData, pose: Float[np.ndarray, " 7"]) -> None:
        """Move the goal's image to `pose`."""
        data.mocap_pos[self.goal_id] = pose[:3]
        data.mocap_quat[self.goal_id] = pose[3:]

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

    def touch(self, data: mujoco.MjData) -> Float[np.ndarray, "F 3"]:
        """The net contact force on the last link of each finger, in the palm frame [N].

        It is that of the last physics step.
        """
        return self.forces(data).reshape(-1, 3) @ data.site_xmat[self.palm_id].reshape(3, 3)

    def forces(self, data: mujoco.MjData) -> Float[np.ndarray, " F3"]:
        """What `touch` returns, in the world's frame and in a row."""
        return data.userdata[_COORDINATES : self.notes.start]

    def object_pose(self, data: mujoco.MjData) -> Float[np.ndarray, " 7"]:
        """The object in the world: x y z [m], qw qx qy qz."""
        return data.qpos[self.object_qpos].copy()

    def object_velocity(self, data: mujoco.MjData) -> Float[np.ndarray, " 6"]:
        """The object's velocity [m/s], in the world, and turning [rad/s], in its own frame."""
        return data.qvel[self.object_dofs].copy()

    def wrist_command(self, data: mujoco.MjData) -> Float[np.ndarray, " 6"]:
        """The coordinates the wrist was last told to go to, see `handsim.wrist`: a view."""
        return data.userdata[:_COORDINATES]

    def move_wrist(self, data: mujoco.MjData, way: Float[np.ndarray, "S 6"]) -> None:
        """Take one physics step for each of the coordinates `way`, the wrist told to go there."""
        self.wrist_command(data)[:] = way[-1]
        self.wrist.simulate(self.model, data, self.wrist.targets_at(way))

    def update(self, data: mujoco.MjData) -> None:
        """Bring poses and forces up to date with the state, after physics steps.

        ``mj_step`` leaves poses as they were before its integration. The forces belong to the
        step, which a state alone does not tell; they are kept in it as ``userdata``.
        """
        mujoco.mj_kinematics(self.model, data)
        # The sensor tells the force that its body exerts.
        np.negative(data.sensordata[self.touch_ids], out=self.forces(data))


def build_scene(
    hand: RobotHand,
    wrist: str = "fixed",
    palm: Float[np.ndarray, " 7"] = IDENTITY_POSE,
    ground: float | None = None,
    table: float | None = None,
    object: SceneObject | None = None,
    timestep: float = MAX_TIMESTEP,
    self_collision: bool = True,
    margin: float = 1.1,
    marked: bool = False,
    notes: int = 0,
    longest_latency: float = 0.0,
) -> Scene:
    """A world with `hand` in it, perhaps an object, lights and the cameras `CAMERAS`.

    Without a table the cameras are placed relative to the palm as it is at the start. "front" looks
    at the palm from the side the fingers close to, the thumb a little nearer, and "top" along the
    fingers from beyond the tips; both keep their orientation and travel with a wrist that moves.
    With a table these two stand in the room and look at the middle of the table. "wrist" sits
    under the wrist and turns with it.

    Args:
        hand: the hand.
        wrist: "fixed" welds the hand to the world. "floating" gives it a free joint and a mocap
            body that pulls it along through a weld. "actuated" gives it six joints with position
            actuators of bounded force.
        palm: palm frame in world at the neutral configuration, at the start: x y z qw qx qy qz.
        ground: height of a ground plane [m], or None for none.
        table: height of a table's top [m], centred at x = y = 0, or None for none.
        object: what is in the world beside the hand, with a free joint and, where it is to go, an
            image of itself; it is built standing on the table, or at the origin.
        timestep: physics step [s], at most 1/480.
        self_collision: whether the hand's links collide with each other.
        margin: distance of "front" and "top" relative to one that just frames the hand.
        marked: whether knobs on the object and its image, red, green and blue, show where their
            axes x, y and z point; they have no mass and touch nothing.
        notes: how many numbers of its own a task keeps in the state.
        longest_latency: up to what the model's ``actuator_delay`` may be set for the hand's
            actuators [s]; it is 0 at first.

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
    body = add_wrist(spec, wrist, palm, hand)
    _attach(spec, body, hand, self_collision)
    _allow_latency(spec, hand, int(np.ceil(longest_latency / timestep)))
    add_touch(spec, hand)
    add_cameras(body, hand.side, *bounding_sphere(hand), margin, table is not None)
    if table is not None:
        add_table(spec, table)
        add_room(spec, table)
    if ground is not None:
        add_ground(spec, ground)
    if object is not None:
        add_object(spec, object, 0.0 if table is None else table + object.rest_height, marked)
    return _compiled(spec, hand, wrist, np.asarray(palm, dtype=float), object, notes)


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


def _set_options(spec: mujoco.MjSpec, timestep: float) -> None:
    option = spec.option
    option.timestep = timestep
    option.integrator = mujoco.mjtIntegrator.mjINT_IMPLICITFAST
    option.solver = mujoco.mjtSolver.mjSOL_NEWTON
    option.cone = mujoco.mjtCone.mjCONE_ELLIPTIC
    option.impratio = 10
    option.noslip_iterations = 3


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
            set_grasp_contact(geom)
            if not self_collision:
                geom.contype, geom.conaffinity = 1, 0
    root = hand.model.body(hand.root_body)
    T_frame_root = matrices_from_poses(np.concatenate([root.pos, root.quat]))
    T_frame_palm = T_frame_root @ hand.T_root_palm(hand.neutral)
    mount = poses_from_matrices(np.linalg.inv(T_frame_palm))
    spec.attach(child, frame=wrist.add_frame(pos=mount[:3], quat=mount[3:]), prefix="")


def _allow_latency(spec: mujoco.MjSpec, hand: RobotHand, steps: int) -> None:
    """Let the hand's actuators remember their targets for so many physics steps."""
    for name in hand.actuator_names:
        spec.actuator(name).nsample = steps + 1 if steps else 0


def _compiled(
    spec: mujoco.MjSpec,
    hand: RobotHand,
    wrist: str,
    palm: Float[np.ndarray, " 7"],
    object: SceneObject | None,
    notes: int,
) -> Scene:
    first_note = _COORDINATES + 3 * len(hand.fingers)
    spec.nuserdata = first_note + notes
    model = spec.compile()
    joints = [model.joint(name) for name in hand.joint_names]
    touch = int(model.sensor(f"scene/{hand.fingers[0]}_touch").adr[0])
    qpos, dof = (0, 0) if object is None else _addresses(model, OBJECT)
    return Scene(
        hand=hand,
        model=model,
        xml=spec.to_xml(),
        wrist=wrist_of(model, wrist, palm),
        object=object,
        qpos_ids=np.array([j.qposadr[0] for j in joints]),
        dof_ids=np.array([j.dofadr[0] for j in joints]),
        ctrl_ids=np.array([model.actuator(name).id for name in hand.actuator_names]),
        palm_id=model.site(PALM_SITE).id,
        tip_ids=np.array([model.site(f"{finger}_tip").id for finger in hand.fingers]),
        touch_ids=slice(touch, touch + 3 * len(hand.fingers)),
        object_qpos=slice(qpos, qpos + 7 if object else qpos),
        object_dofs=slice(dof, dof + 6 if object else dof),
        goal_id=int(model.body(GOAL).mocapid[0]) if object else None,
        notes=slice(first_note, first_note + notes),
    )


def _addresses(model: mujoco.MjModel, joint: str) -> tuple[int, int]:
    return int(model.joint(joint).qposadr[0]), int(model.joint(joint).dofadr[0])
