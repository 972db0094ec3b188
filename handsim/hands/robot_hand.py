"""RobotHand: one MuJoCo hand under canonical names, with its kinematics and its couplings."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Literal

import mujoco
import numpy as np
from jaxtyping import Float
from scipy.optimize import brentq, minimize

from handsim.errors import InputError, unknown
from handsim.hands.couplings import follow, joint_couplings
from handsim.hands.kinematic_tree import BodyPoint, KinematicTree

FINGERS = ("thumb", "index", "middle", "ring", "pinky")
Side = Literal["right", "left"]
SIDES: tuple[Side, ...] = ("right", "left")
PALM_SITE = "palm"
_JOINT_POINTS = ("cmc", "mcp", "pip", "ip", "dip", "tip")


@dataclass(frozen=True, eq=False)
class HandPose:
    """Where a hand is at one configuration, in the palm frame.

    Attributes:
        tips: fingertips [m], in the order of the hand's fingers.
        tip_normals: outward unit normals of the finger pads.
        points: all named points [m], in the order of the hand's `point_names`.
        jacobians: ∂points/∂qpos [m/rad], each joint taken on its own.
    """

    tips: Float[np.ndarray, "F 3"]
    tip_normals: Float[np.ndarray, "F 3"]
    points: Float[np.ndarray, "P 3"]
    jacobians: Float[np.ndarray, "P 3 nq"]


class RobotHand:
    """A robot hand: its own MuJoCo model, shared with nobody, under canonical names.

    Built from a spec whose joints are hinges or slides and which has a site ``palm`` (the palm
    frame) and a site ``<finger>_tip`` for each finger (+x out of the pad, +z along the last
    phalanx). Sites ``<finger>_mcp`` and the like are optional further points.

    Attributes:
        name, side: which hand.
        fingers: those it has, in the order of `FINGERS`.
        joint_names: the maker's names, in qpos order.
        independent: the joints no coupling determines, in qpos order.
        limits: joint limits [rad]; those of an independent joint keep its followers inside theirs.
        neutral: the resting configuration: zero, clipped into the limits, couplings applied.
        actuator_names: in ctrl order.
        couplings: dependent joint → (driver, polynomial), each after its driver's own.
        point_names: the names of all points, ``<finger>_<joint>``.
        tree: the compiled kinematics below the palm.
    """

    def __init__(self, name: str, side: Side, spec: mujoco.MjSpec):
        if side not in SIDES:
            raise unknown("side", side, SIDES)
        self.name, self.side = name, side
        for i, body in enumerate(spec.bodies):
            # Sensors find bodies by their names.
            body.name = body.name or f"body_{i}"
        self._spec = spec
        self.model = _compiled(spec, name)
        self._data = mujoco.MjData(self.model)
        self.joint_names = tuple(self.model.joint(j).name for j in range(self.model.njnt))
        self.actuator_names = tuple(self.model.actuator(a).name for a in range(self.model.nu))
        sites = {self.model.site(i).name: i for i in range(self.model.nsite)}
        self.fingers = tuple(f for f in FINGERS if f"{f}_tip" in sites)
        self._require_canonical_sites(sites)
        self.point_names = tuple(
            f"{f}_{p}" for f in self.fingers for p in _JOINT_POINTS if f"{f}_{p}" in sites
        )
        self.couplings = {c.joint: (c.driver, c.polycoef) for c in joint_couplings(self.model)}
        self.tree = self.kinematics()
        self.independent_ids = np.array(
            [j for j in range(self.model.njnt) if j not in self.couplings], dtype=np.int64
        )
        self.independent = tuple(self.joint_names[j] for j in self.independent_ids)
        self.limits = self._limits()
        self.neutral = self.expand(np.clip(0.0, *self.limits[self.independent_ids].T))
        self.tip_ids = np.array([self.point_names.index(f"{f}_tip") for f in self.fingers])

    def __repr__(self) -> str:
        return f"RobotHand({self.name!r}, side={self.side!r})"

    @property
    def nq(self) -> int:
        """Number of joints."""
        return self.model.nq

    @property
    def nu(self) -> int:
        """Number of actuators."""
        return self.model.nu

    @property
    def palm_body(self) -> str:
        """Name of the body that carries the palm frame."""
        return self.model.body(self.model.site_bodyid[self.model.site(PALM_SITE).id]).name

    @property
    def root_body(self) -> str:
        """Name of the body the whole hand hangs on."""
        return self.model.body(1).name

    @cached_property
    def reach(self) -> Float[np.ndarray, " F"]:
        """Longest distance of each tip from the palm's origin over the joint box [m].

        The best of a fixed sample, refined.
        """
        low, high = self.limits[self.independent_ids].T
        samples = np.random.default_rng(0).uniform(low, high, size=(512, len(low)))
        distances = np.linalg.norm(self.tips(self.expand(samples)), axis=-1)
        box = list(zip(low, high, strict=True))
        refined = [
            minimize(self._nearness, samples[row], args=(finger,), method="L-BFGS-B", bounds=box)
            for finger, row in enumerate(distances.argmax(axis=0))
        ]
        return np.array([-result.fun for result in refined])

    def kinematics(self, further: Sequence[BodyPoint] = ()) -> KinematicTree:
        """The compiled kinematics of the hand's points, in their order, and `further` ones.

        Raises:
            InputError: the palm does not carry one of them.
        """
        sites = [self.model.site(name).id for name in self.point_names]
        named = [BodyPoint(int(self.model.site_bodyid[i]), self.model.site_pos[i]) for i in sites]
        palm = self.model.site(PALM_SITE).id
        return KinematicTree(self.model, palm, [*named, *further], self.couplings)

    def spec(self) -> mujoco.MjSpec:
        """A fresh copy of the hand's spec, for building scenes."""
        return self._spec.copy()

    def expand(self, x: Float[np.ndarray, "... m"]) -> Float[np.ndarray, "... nq"]:
        """The qpos that independent joint values `x` determine [rad], couplings applied."""
        return follow(x, self.independent_ids, self.couplings, self.model.qpos0)

    def reduce(self, qpos: Float[np.ndarray, "... nq"]) -> Float[np.ndarray, "... m"]:
        """The independent joint values in `qpos` [rad]."""
        return np.asarray(qpos, dtype=np.float64)[..., self.independent_ids]

    def pose(self, qpos: Float[np.ndarray, " nq"]) -> HandPose:
        """Points, pad normals and Jacobians at one configuration, in the palm frame.

        Raises:
            InputError: `qpos` has the wrong shape.
        """
        qpos = self._checked(qpos)
        points = self.tree.points(qpos[None])[0]
        jacobians = self.tree.jacobians(qpos)
        return HandPose(points[self.tip_ids], self._tip_normals(qpos), points, jacobians)

    def points(self, qpos: Float[np.ndarray, "T nq"]) -> Float[np.ndarray, "T P 3"]:
        """All named points over a trajectory, in the palm frame [m]."""
        return self.tree.points(np.asarray(qpos, dtype=np.float64))

    def tips(self, qpos: Float[np.ndarray, "T nq"]) -> Float[np.ndarray, "T F 3"]:
        """Fingertips over a trajectory, in the palm frame [m]."""
        return self.points(qpos)[:, self.tip_ids]

    def T_root_palm(self, qpos: Float[np.ndarray, " nq"]) -> Float[np.ndarray, "4 4"]:
        """The palm frame in the frame of the root body: constant unless a wrist joint lies between.

        Raises:
            InputError: `qpos` has the wrong shape.
        """
        self._place(self._checked(qpos))
        palm, root = self._data.site(PALM_SITE), self._data.body(self.root_body)
        root_rotation = root.xmat.reshape(3, 3)
        transform = np.eye(4)
        transform[:3, :3] = root_rotation.T @ palm.xmat.reshape(3, 3)
        transform[:3, 3] = root_rotation.T @ (palm.xpos - root.xpos)
        return transform

    def ctrl_from_qpos(self, qpos: Float[np.ndarray, "*T nq"]) -> Float[np.ndarray, "*T nu"]:
        """The controls that hold `qpos` with zero actuator force.

        They are MuJoCo's own actuator lengths at that pose, so tendons and linkages need no
        special case.

        Raises:
            InputError: `qpos` has the wrong shape.
        """
        rows = np.atleast_2d(np.asarray(qpos, dtype=np.float64))
        ctrl = np.empty((len(rows), self.nu))
        for row, out in zip(rows, ctrl, strict=True):
            self._data.qpos[:] = self._checked(row)
            mujoco.mj_fwdPosition(self.model, self._data)
            out[:] = self._data.actuator_length
        return ctrl.reshape(*np.shape(qpos)[:-1], self.nu)

    def __deepcopy__(self, memo: dict[int, object]) -> "RobotHand":
        return RobotHand(self.name, self.side, self.spec())

    def _nearness(self, x: Float[np.ndarray, " m"], finger: int) -> float:
        return -float(np.linalg.norm(self.tips(self.expand(x)[None])[0, finger]))

    def _checked(self, qpos: Float[np.ndarray, "..."]) -> Float[np.ndarray, " nq"]:
        qpos = np.asarray(qpos, dtype=np.float64)
        if qpos.shape != (self.nq,):
            raise InputError(
                f"qpos has shape {qpos.shape}, expected ({self.nq},) for {self.name}: "
                f"{', '.join(self.joint_names)}."
            )
        return qpos

    def _place(self, qpos: Float[np.ndarray, " nq"]) -> None:
        self._data.qpos[:] = qpos
        mujoco.mj_kinematics(self.model, self._data)

    def _tip_normals(self, qpos: Float[np.ndarray, " nq"]) -> Float[np.ndarray, "F 3"]:
        self._place(qpos)
        palm = self._data.site(PALM_SITE).xmat.reshape(3, 3)
        normals = [self._data.site(f"{f}_tip").xmat.reshape(3, 3)[:, 0] for f in self.fingers]
        return np.array(normals) @ palm

    def _require_canonical_sites(self, sites: dict[str, int]) -> None:
        missing = [s for s in (PALM_SITE, "thumb_tip") if s not in sites]
        if missing or len(self.fingers) < 2:
            raise InputError(
                f"Hand {self.name!r} has the sites {', '.join(sites) or 'none'}; expected 'palm', "
                f"'thumb_tip' and at least one of {', '.join(f + '_tip' for f in FINGERS[1:])}."
            )

    def _limits(self) -> Float[np.ndarray, "nq 2"]:
        """The model's ranges, an independent joint's cut to what keeps its followers in theirs."""
        limits = self.model.jnt_range.copy()
        for joint in self.couplings:
            driver = joint
            while driver in self.couplings:
                driver = self.couplings[driver][0]
            limits[driver] = self._preimage(joint, driver, limits)
        return limits

    def _preimage(
        self, joint: int, driver: int, limits: Float[np.ndarray, "nq 2"]
    ) -> Float[np.ndarray, " 2"]:
        """The part of the driver's range, next to its middle, that keeps `joint` in its range."""
        low, high = limits[driver]
        column = int(np.flatnonzero(self.independent_ids == driver)[0])

        def excess(values: float | np.ndarray) -> np.ndarray:
            x = np.zeros((np.size(values), len(self.independent_ids)))
            x[:, column] = values
            follower = self.expand(x)[:, joint]
            return np.maximum(limits[joint, 0] - follower, follower - limits[joint, 1])

        grid = np.linspace(low, high, 257)
        inside = excess(grid) <= 1e-9
        if inside.all():
            return np.array([low, high])
        if not inside.any():
            raise InputError(
                f"Joint {self.joint_names[joint]!r} of {self.name!r} cannot follow "
                f"{self.joint_names[driver]!r}: its range {limits[joint].tolist()} holds none of "
                "the coupling's values."
            )
        start = int(np.flatnonzero(inside)[np.abs(np.flatnonzero(inside) - 128).argmin()])
        first, last = start, start
        while first > 0 and inside[first - 1]:
            first -= 1
        while last < 256 and inside[last + 1]:
            last += 1
        lower = (
            grid[0] if first == 0 else brentq(lambda v: excess(v)[0], grid[first], grid[first - 1])
        )
        upper = (
            grid[-1] if last == 256 else brentq(lambda v: excess(v)[0], grid[last], grid[last + 1])
        )
        return np.array([lower, upper])


def _compiled(spec: mujoco.MjSpec, name: str) -> mujoco.MjModel:
    try:
        model = spec.compile()
    except ValueError as error:
        raise InputError(f"Hand {name!r} does not compile: {error}") from error
    kinds = {int(mujoco.mjtJoint.mjJNT_HINGE), int(mujoco.mjtJoint.mjJNT_SLIDE)}
    for j in range(model.njnt):
        if int(model.jnt_type[j]) not in kinds or not model.jnt_limited[j]:
            raise InputError(
                f"Joint {model.joint(j).name!r} of {name!r} is not a limited hinge or slide; "
                "expected every joint of a hand to be one."
            )
    return model
