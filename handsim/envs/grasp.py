"""GraspEnv: lift an object off a table and carry it along a path."""

import json
from collections.abc import Mapping, Sequence
from copy import deepcopy
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float
from scipy.spatial.transform import Rotation

from handsim import rewards
from handsim.demonstration import Demonstration
from handsim.envs.hand_env import HandEnv, Info, Observation
from handsim.envs.task_parts import deepest, grasping, holding
from handsim.errors import InputError
from handsim.furniture import OBJECT
from handsim.grasp_script import CARRY_SECONDS, carried, scripted
from handsim.grasps import Grasp, plan_grasp
from handsim.hands.catalog import hand_names, load_hand
from handsim.hands.robot_hand import RobotHand
from handsim.joint_trajectory import JointTrajectory, conformed
from handsim.objects import load_object
from handsim.poses import interpolate_poses
from handsim.randomization import Randomization, longest_latency
from handsim.rollout import OBJECT_PATH, REFERENCE_QPOS, REFERENCE_WRIST
from handsim.scene import build_scene, timestep_at
from handsim.scene_object import SceneObject
from handsim.surfaces import COMPILED, distance_to
from handsim.wrist import COORDINATES

LOST = 0.10
"""An object farther from its goal than this is lost [m]."""
ARRIVED = 0.025
"""An object nearer than this to the end of its path has arrived [m]."""
TOUCH = 0.1
"""Contact forces above this count as touch [N]."""
MARGINS = {"reach": 0.1, "touch": 0.5, "goal": 0.05, "turn": 0.5}
"""Errors at which a term of the reward has fallen to 0.1: the fingertips' distance from the object
[m], the force that a touch lacks [N], the object's distance [m] and turn [rad] from its goal."""
WRIST_HEIGHT = 0.2
"""Height over the table at which the coordinates of the wrist are all 0 [m]; the palm then faces
the table and the fingers point to −y, those of a left hand to +y."""
WRIST_RANGE = np.array(
    [[-0.5, 0.5], [-0.5, 0.5], [-WRIST_HEIGHT, 0.5], [-4.7, 4.7], [-1.6, 1.6], [-4.7, 4.7]]
)
"""Ends of the wrist's coordinates [m, rad], see `handsim.wrist`."""

_PLACE, _YAW = 0.05, 0.5
"""How far from the middle of the table, and turned, an object stands at first [m, rad]."""


class GraspEnv(HandEnv):
    """Take an object that stands on a table along a path.

    With a demonstration an episode begins with its first frame, and the path is the object's in it.
    Without one the object stands somewhere near the middle of the table, the hand waits before it,
    opened, as `plan_grasp` has it, and the path is `carried`: both drawn from the seed. The goal
    moves along the path; step ``k`` leads from frame ``k`` to frame ``k + 1`` and is judged against
    the path there, which the observation before it shows as the goal.

    The wrist is part of the action: its six coordinates, see `WRIST_RANGE`, come first.

    Observation, all float64 [rad, m, s, N]: ``qpos``, ``qvel`` (nq,) of the hand; ``ctrl`` (6+nu,)
    the targets in force, the wrist's first; ``tips`` (F, 3) in the palm frame; ``palm`` (7,) in the
    world; ``touch`` (F, 3), the contact forces on the fingertips in the palm frame; ``object``
    (7,), its frame in the world; ``object_velocity`` (6,), its velocity in the world and turning in
    its own frame; ``goal`` (7,), where it is to be next; ``phase`` (1,) from 0 to 1; with a
    demonstration, of its next frame, ``target_qpos`` (nq,) and ``target_palm`` (7,).

    The reward, in [0, 1], is the mean of the terms ``reach``, the fingertips' distances from the
    object's surface; ``touch``, by the thumb and by another finger; ``goal`` and ``turn``, the
    object's distance and turn from its goal. Info has each as ``reward_<term>``, and ``frame``;
    ``object_error`` [m] and ``object_turn`` [rad]; ``touching``, whether thumb and another finger
    touch something; ``penetration``, how deep the hand and the object are in each other at most
    [m]; ``success``, whether the path is over with the object touched and within `ARRIVED` of its
    end; ``failure``, whether the object is farther than `LOST` from its goal: dropped, left behind
    or pushed away, which terminates the episode. It is truncated at the end of the path.
    """

    def __init__(
        self,
        hand: str | RobotHand,
        object: str | Path | SceneObject | Mapping[str, Any] | None = None,
        demonstration: Demonstration | str | Path | None = None,
        side: str | None = None,
        wrist: str = "floating",
        control: str = "joints",
        control_rate: float | None = None,
        cameras: Sequence[str] = (),
        render_mode: str | None = None,
        camera: str = "front",
        width: int = 640,
        height: int = 480,
        randomization: Randomization | Mapping[str, Any] | None = None,
    ):
        """Build the scene; without a demonstration also plan a grasp, which takes seconds.

        A grasp of a hand given by its name in the catalogue is planned once in a process.

        Args:
            hand: a name for `load_hand`, or a hand.
            object: for `load_object`; by default the demonstration's, or "box".
            demonstration: what to do, or the file that holds it.
            side: "right" or "left"; by default the demonstration's, or "right".
            wrist: "floating" or "actuated", see `build_scene`.
            control_rate: steps a second [Hz]; by default the demonstration's, or 30. The
                demonstration is resampled to it unless it is regular at that rate already.
            control, cameras, render_mode, camera, width, height, randomization: see `HandEnv`.

        Raises:
            UnknownNameError: there is no such hand, object or wrist.
            InputError: the wrist is "fixed"; the demonstration is for another hand, has fewer than
                two frames or leaves `WRIST_RANGE`; or no grasp is found.
        """
        if wrist == "fixed":
            raise InputError("wrist: 'fixed' cannot lift anything, expected floating or actuated.")
        if demonstration is not None and not isinstance(demonstration, Demonstration):
            demonstration = Demonstration.load(demonstration)
        known = isinstance(hand, str) and hand in hand_names()
        hand = _hand(hand, side, demonstration)
        item = _object(object, demonstration)
        control_rate = _rate(control_rate, demonstration)
        timestep, substeps = timestep_at(control_rate)
        self._guide: JointTrajectory | Grasp
        self._drawn, self._height = -1, item.rest_height
        if demonstration is None:
            self._guide = _remembered(hand, item) if known else plan_grasp(hand, item)
            self.steps = round(CARRY_SECONDS * control_rate)
        else:
            self._guide = conformed(demonstration.trajectory, hand, control_rate)
            self.steps = len(self._guide) - 1
            self._path = _path(demonstration, self._guide)
        scene = build_scene(
            hand,
            wrist,
            _base(hand.side),
            table=0.0,
            object=item,
            timestep=timestep,
            notes=1,
            longest_latency=longest_latency(randomization),
        )
        super().__init__(
            scene,
            control_rate,
            substeps,
            control,
            WRIST_RANGE,
            cameras,
            render_mode,
            camera,
            width,
            height,
            randomization,
        )
        if self.reference is not None:
            self._require_in_range(self.reference)
        self._lost = False
        self._feel(item)
        self._look_up()
        self.settings = {
            "hand": hand.name,
            "side": hand.side,
            "object": item.as_dict(),
            "wrist": wrist,
            "control": control,
            "control_rate": control_rate,
            "randomization": self.randomization.as_dict(),
        }

    @property
    def reference(self) -> JointTrajectory | None:
        """The hand's part of the demonstration at the control rate, if there is one."""
        return self._guide if isinstance(self._guide, JointTrajectory) else None

    @property
    def grasp(self) -> Grasp | None:
        """How a scripted hand grasps the object, where there is no demonstration."""
        return self._guide if isinstance(self._guide, Grasp) else None

    @property
    def path(self) -> Float[np.ndarray, "S 7"]:
        """The object's way, in the world, at the frames of the episode."""
        seed = int(self._seed[0])
        if self.grasp is not None and seed != self._drawn:
            self._path, self._drawn = self._draw(seed), seed
        return self._path

    def commands(self, trajectory: JointTrajectory | None = None) -> Float[np.ndarray, "N n"]:
        """Targets that follow a trajectory: the demonstration, or else the scripted grasp."""
        return super().commands(self._shown() if trajectory is None else trajectory)

    def annotations(self) -> dict[str, np.ndarray]:
        """The object's path and, with a demonstration, what the hand does in it."""
        known = {OBJECT_PATH: self.path}
        if self.reference is not None:
            known |= {REFERENCE_QPOS: self.reference.qpos, REFERENCE_WRIST: self.reference.wrist}
        return known

    def _require_in_range(self, reference: JointTrajectory) -> None:
        poses = self.scene.wrist_poses(reference.wrist, reference.qpos)
        coordinates = self.scene.wrist.coordinates(poses)
        low, high = WRIST_RANGE.T
        out = np.argwhere((coordinates < low) | (coordinates > high))
        if len(out):
            frame, axis = (int(i) for i in out[0])
            raise InputError(
                f"The demonstration takes the wrist out of its range: {COORDINATES[axis]} is "
                f"{coordinates[frame, axis]:.3g} in frame {frame}, expected {low[axis]:g} to "
                f"{high[axis]:g}."
            )

    def _draw(self, seed: int) -> Float[np.ndarray, "S 7"]:
        rng = np.random.default_rng(seed)
        start = np.zeros(7)
        start[:2] = rng.uniform(-_PLACE, _PLACE, 2)
        start[2] = self._height
        yaw = rng.uniform(-_YAW, _YAW)
        start[3], start[6] = np.cos(yaw / 2), np.sin(yaw / 2)
        return carried(start, np.arange(self.steps + 1) / self.control_rate, rng)

    def _meet_object(self) -> None:
        """Take note of the episode's object, which may be of another size than the one before."""
        item = self.scene.object
        assert item is not None
        grown = item.rest_height - self._height
        self._feel(item)
        self._height, self._drawn = item.rest_height, -1
        if self.reference is not None:
            self._path = self._path + np.array([0.0, 0.0, grown, 0.0, 0.0, 0.0, 0.0])

    def _feel(self, item: SceneObject) -> None:
        """Take note of the object's surface."""
        self._gap, half = distance_to(item), np.array(item.size) / 2
        self._surface = COMPILED.get(item.shape, -1), half, np.array(list(MARGINS.values()))

    def _look_up(self) -> None:
        """Find what every step reads and writes: views of the state, made once."""
        scene, data = self.scene, self.data
        self._body = body = int(scene.model.body(OBJECT).id)
        self._bodies = scene.model.geom_bodyid
        places = data.site_xpos, scene.tip_ids, data.xpos[body], data.xmat[body]
        self._held = *places, scene.forces(data), data.qpos[scene.object_qpos]
        self._image = data.mocap_pos[scene.goal_id], data.mocap_quat[scene.goal_id]
        self._seed = data.userdata[scene.notes]

    def _shown(self) -> JointTrajectory:
        """What the hand is to be told: the demonstration, or else the scripted grasp."""
        if isinstance(self._guide, JointTrajectory):
            return self._guide
        times = np.arange(self.steps + 1) / self.control_rate
        return scripted(self.hand, self._guide, times, self.path)

    def _begin(self) -> None:
        self._meet_object()
        seed = 0 if self.grasp is None else int(self.np_random.integers(2**32))
        self.data.userdata[self.scene.notes] = seed
        shown = self._shown()
        wrist = self.scene.wrist_poses(shown.wrist[:1], shown.qpos[:1])[0]
        self.scene.place(self.data, shown.qpos[0], wrist, self.path[0])
        self.data.userdata[self.scene.notes] = seed
        self.scene.show_goal(self.data, self.path[1])

    def _simulate(self, command: Float[np.ndarray, " n"]) -> None:
        super()._simulate(command)
        # What `Scene.show_goal` does, at half the cost.
        goal, (position, turn) = self.path[min(self.frame + 2, self.steps)], self._image
        position[:], turn[:] = goal[:3], goal[3:]

    def _aims(self) -> Observation:
        aims = {"phase": np.array([min(self.frame / self.steps, 1.0)])}
        if self.reference is not None:
            target = min(self.frame + 1, self.steps)
            aims["target_qpos"] = self.reference.qpos[target].copy()
            aims["target_palm"] = self.reference.wrist[target].copy()
        return aims

    def _aim_shapes(self) -> dict[str, tuple[int, ...]]:
        shapes: dict[str, tuple[int, ...]] = {"phase": (1,)}
        if self.reference is not None:
            shapes |= {"target_qpos": (self.hand.nq,), "target_palm": (7,)}
        return shapes

    def _assess(self) -> tuple[dict[str, float], Info]:
        goal = self.path[min(self.frame, self.steps)]
        found = grasping(*self._held, goal, *self._surface)
        thumb, other, error, turn, reach, touch, near, turned = found
        if self._surface[0] < 0:
            points = holding(*self._held, goal)[0]
            gaps = [rewards.close(gap, MARGINS["reach"]) for gap in self._gap(points).tolist()]
            reach = sum(gaps) / len(gaps)
        terms = {"reach": reach, "touch": touch, "goal": near, "turn": turned}
        touching, self._lost = thumb > TOUCH and other > TOUCH, error > LOST
        arrived = self.frame >= self.steps and error < ARRIVED
        return terms, {
            "frame": self.frame,
            "object_error": error,
            "object_turn": turn,
            "touching": touching,
            "penetration": self._penetration(),
            "success": arrived and touching,
            "failure": self._lost,
        }

    def _finished(self) -> bool:
        return self.frame >= self.steps

    def _failed(self) -> bool:
        return self._lost

    def _penetration(self) -> float:
        """How deep the hand and the object are in each other at most [m]."""
        contact = self.data.contact
        return deepest(contact.dist, contact.geom, self._bodies, self._body)


def _hand(
    hand: str | RobotHand, side: str | None, demonstration: Demonstration | None
) -> RobotHand:
    if isinstance(hand, str):
        shown = "right" if demonstration is None else demonstration.trajectory.side
        return load_hand(hand, side or shown)
    if side not in (None, hand.side):
        raise InputError(f"side: {side!r}, expected {hand.side!r}, the given hand's.")
    return hand


def _remembered(hand: RobotHand, item: SceneObject) -> Grasp:
    """The grasp of a hand as the catalogue has it, for the caller to keep."""
    return deepcopy(_catalogue_grasp(hand.name, hand.side, json.dumps(item.as_dict())))


@lru_cache(maxsize=64)
def _catalogue_grasp(name: str, side: str, item: str) -> Grasp:
    return plan_grasp(load_hand(name, side), SceneObject.from_dict(json.loads(item)))


def _object(
    item: str | Path | SceneObject | Mapping[str, Any] | None, demonstration: Demonstration | None
) -> SceneObject:
    if item is None:
        return load_object("box") if demonstration is None else demonstration.object
    return load_object(item)


def _rate(control_rate: float | None, demonstration: Demonstration | None) -> float:
    if control_rate is not None:
        return float(control_rate)
    return 30.0 if demonstration is None else float(np.round(demonstration.trajectory.rate, 6))


def _path(demonstration: Demonstration, reference: JointTrajectory) -> Float[np.ndarray, "S 7"]:
    """The object's path at the times of the reference; the same to the bit where they agree."""
    elapsed = demonstration.trajectory.times - demonstration.trajectory.times[0]
    if len(elapsed) == len(reference) and np.allclose(elapsed, reference.times, atol=1e-9):
        return demonstration.object_path
    at = np.minimum(reference.times, elapsed[-1])
    return interpolate_poses(at, elapsed, demonstration.object_path)


def _base(side: str) -> Float[np.ndarray, " 7"]:
    """The palm where all coordinates of the wrist are 0, see `WRIST_HEIGHT`."""
    away = -1.0 if side == "right" else 1.0
    palm = np.array([[0.0, -away, 0.0], [0.0, 0.0, away], [-1.0, 0.0, 0.0]])
    quat = Rotation.from_matrix(palm).as_quat(scalar_first=True)
    return np.concatenate([[0.0, 0.0, WRIST_HEIGHT], quat])
