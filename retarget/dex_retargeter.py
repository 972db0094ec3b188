"""DexRetargeter: what dex-retargeting does with one of its configuration files, by our solvers.

What it minimises, `retarget.dex_reference` says; it does so over `target_joint_names`, within the
joints' limits, each frame from the one before, and low-passes what comes out. So does this, with
these exceptions, none of which moves the minimum:

- limits are the joints' own; there they are 1 mrad wider on both sides;
- the term in γ is part of the cost; there it is in the gradient only;
- a frame that did not converge says so; there it repeats the one before;
- `reset` forgets the filter and DexPilot's latch too.

Without `target_joint_names` the joints are all that no coupling determines, where there a file with
mimic joints is refused.
"""

from collections.abc import Mapping
from pathlib import Path
from time import perf_counter
from typing import NamedTuple

import numpy as np
from jaxtyping import Float
from scipy.linalg import solve_banded

from handsim.errors import InputError, unknown
from handsim.hands.link_robot import FLOATING, LinkRobot
from handsim.joint_trajectory import JointTrajectory
from retarget.calibration import Calibration
from retarget.dex_config import DexConfig, read_dex_config
from retarget.dex_reference import DexReference, operator_keypoints
from retarget.human.hand_trajectory import HandTrajectory
from retarget.human.keypoints import COUNT
from retarget.objective import Objective
from retarget.references.dexpilot import Latch
from retarget.solution import Solution
from retarget.solvers import SOLVERS
from retarget.solvers.newton import Newton
from retarget.status import Status


def load_dex_config(
    path: str | Path,
    urdf_dir: str | Path | None = None,
    fixed: Mapping[str, float] | None = None,
    solver: str = "newton",
) -> "DexRetargeter":
    """A retargeter from a configuration file of dex-retargeting.

    Args:
        path: the YAML file.
        urdf_dir: folder that its ``urdf_path`` is relative to; None is the file's own.
        fixed: values of the joints that are neither targets nor coupled [rad].
        solver: how to minimise whole motions, one of `retarget.SOLVERS`; `step` uses "newton".

    Raises:
        MissingFileError: the file or its URDF does not exist.
        FormatError: one of them is not what it should be.
        UnknownNameError: there is no such type, link, joint or solver.
        InputError: fields are missing or contradict each other.

    >>> load_dex_config("allegro_hand_right.yml", "dex-urdf/robots/hands").retarget(motion)
    """
    return DexRetargeter(read_dex_config(path, urdf_dir), fixed, solver)


class Step(NamedTuple):
    """One frame: all joints [rad] after the filter, the cost before it, and if it converged."""

    qpos: Float[np.ndarray, " nq"]
    cost: float
    converged: bool


class DexRetargeter:
    """Turns human keypoints into the joints of the robot of one configuration.

    Attributes:
        config, robot, reference: what was read.
        joint_names: of all joints, in qpos order; those of a floating base first.
        previous: the independent joints of the last step, before the filter [rad].
    """

    def __init__(
        self,
        config: DexConfig,
        fixed: Mapping[str, float] | None = None,
        solver: str = "newton",
    ):
        if solver not in SOLVERS:
            raise unknown("solver", solver, SOLVERS)
        self.config, self._solver = config, solver
        self.reference = DexReference(config)
        self.robot = LinkRobot(
            config.urdf_path,
            self.reference.links,
            floating=config.add_dummy_free_joint,
            mimic=not config.ignore_mimic_joint,
            limited=config.has_joint_limits,
            held=fixed,
        )
        _require_all_joints(config, self.robot, fixed or {})
        self._frame = self._objective(np.ones((1, COUNT, 3)))
        self._newton = Newton(self._frame)
        self.reset()

    @property
    def joint_names(self) -> tuple[str, ...]:
        """All joints, in qpos order."""
        return self.robot.joint_names

    def reset(self) -> None:
        """Forget the steps taken: back to the middle of the limits, the filter and latch empty."""
        self.previous = self.robot.neutral[self.robot.tree.input_ids]
        self._latch = Latch()
        self._filtered: Float[np.ndarray, " nq"] | None = None

    def step(self, keypoints: Float[np.ndarray, "21 3"]) -> Step:
        """Retarget one frame, from the one before.

        Args:
            keypoints: [m], in the frame dex-retargeting takes them in: for a floating base the
                world, else the hand's own as `operator_keypoints` defines it.
        """
        self._frame.overwrite(self.reference.reference(keypoints[None], self._latch), False)
        self._newton.reset(self.previous)
        x, cost, status = self._newton.solve()
        self.previous = x[0]
        qpos = self._frame.qpos(x[0])
        if self._filtered is not None and 0 <= self.config.low_pass_alpha <= 1:
            qpos = self._filtered + self.config.low_pass_alpha * (qpos - self._filtered)
        self._filtered = qpos
        return Step(
            qpos.copy(), float(cost[0]) / self.reference.unit, bool(status[0] == Status.CONVERGED)
        )

    def retarget(self, motion: HandTrajectory, progress: bool = False) -> Solution:
        """Retarget a whole motion, starting anew; `step`'s own state is left alone.

        Frames without a hand hold the one before, or the first, and are not filtered.

        The wrist of the result is the person's, or for a floating base the world's origin, since
        its joints are part of `qpos`. Costs are in dex-retargeting's units.

        Args:
            motion: the person.
            progress: whether to show a bar.

        Raises:
            InputError: a frame's wrist, index and middle knuckle are on one line.
        """
        seen = np.flatnonzero(motion.valid)
        keypoints = motion.keypoints[seen]
        if not self.config.add_dummy_free_joint:
            keypoints = operator_keypoints(keypoints, motion.side)
        began = perf_counter()
        objective = self._objective(keypoints)
        x, cost, status = SOLVERS[self._solver](objective, progress)
        qpos = _low_passed(objective.qpos(x), self.config.low_pass_alpha)
        seconds = (perf_counter() - began) / len(seen)
        rows = np.maximum(np.searchsorted(seen, np.arange(len(motion)), side="right") - 1, 0)
        at_rest = np.tile([0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0], (len(seen), 1))
        wrist = at_rest if self.config.add_dummy_free_joint else motion.wrist[seen]
        name, side = self.robot.name, motion.side
        return Solution(
            JointTrajectory(
                name, side, self.joint_names, motion.times, qpos[rows], wrist[rows], motion.valid
            ),
            f"dex-retargeting {self.config.type}",
            Calibration(name, side, (), np.eye(3), np.zeros(3), np.zeros(0)),
            np.where(motion.valid, cost[rows] / self.reference.unit, np.nan),
            np.where(motion.valid, status[rows], int(Status.NOT_SEEN)),
            np.where(motion.valid, seconds, 0.0),
        )

    def _objective(self, keypoints: Float[np.ndarray, "T 21 3"]) -> Objective:
        """Of frames that follow on the middle of the limits, which is the robot's neutral pose."""
        reference = self.reference.reference(keypoints, Latch())
        fresh = np.zeros(len(keypoints), dtype=bool)
        return Objective(self.robot, reference, fresh, restarts=False)


def _low_passed(qpos: Float[np.ndarray, "T nq"], alpha: float) -> Float[np.ndarray, "T nq"]:
    """y_t = y_{t−1} + α (q_t − y_{t−1}), y_0 = q_0: a bidiagonal system; none beyond [0, 1]."""
    if not 0 <= alpha < 1:
        return qpos
    bands = np.ones((2, len(qpos)))
    bands[1] = alpha - 1.0
    given = alpha * qpos
    given[0] = qpos[0]
    return solve_banded((1, 0), bands, given)


def _require_all_joints(config: DexConfig, robot: LinkRobot, fixed: Mapping[str, float]) -> None:
    """Each joint is a target, coupled to one, or fixed; and only one of these."""
    coupled = {robot.joint_names[j] for j in robot.couplings}
    if config.target_joint_names is None:
        targets = set(robot.joint_names) - coupled - set(fixed)
    else:
        targets = set(config.target_joint_names)
        targets |= set(FLOATING) if config.add_dummy_free_joint else set()
    for name in targets:
        robot.joint_id(name)
    for what, names in (("coupled", targets & coupled), ("fixed", targets & set(fixed))):
        if names:
            raise InputError(
                f"{config.path}: target_joint_names {', '.join(sorted(names))}: {what}, expected "
                "joints that move alone."
            )
    missing = set(robot.joint_names) - targets - coupled - set(fixed)
    if missing:
        raise InputError(
            f"{config.path}: joints {', '.join(sorted(missing))} are no targets; expected a value "
            "for each in fixed=."
        )
