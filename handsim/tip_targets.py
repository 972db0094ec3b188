"""TipTargets: the control whose actions say where the fingertips are to be."""

import numpy as np
from jaxtyping import Bool, Float, Int

from handsim.compiled import announce
from handsim.control import Control, JointTargets
from handsim.errors import InputError
from handsim.hands.kinematics import PALM, Tree
from handsim.hands.robot_hand import RobotHand
from handsim.hands.tip_solver import TipProblem, reach

LEAST_BOX = 0.005
"""Half the least extent of a fingertip's box [m]: some fingers move in a plane."""
SAMPLES, TRIES = 4096, 20
"""Positions that the fingertips are sampled at, and the most steps taken to reach a target."""
MISSED, NEARBY, STARTS = 1e-3, 0.02, 8
"""A tip that stays so far from its target [m] begins anew, at most so often, at sampled positions
that are nearer to it than the tip is or so near [m]."""


class TipTargets(Control):
    """An action places each fingertip in the palm frame; −1 and 1 are the ends of a box a finger.

    The command is that of joint positions that bring the tips there, or as near as the joints
    allow, found from those of the command in force. The wrist's coordinates, where they are part
    of the command, come first, as with `JointTargets`; joints of the hand that move no fingertip
    keep their targets. The box is that of the hand's fingertips at a fixed sample of positions.

    Where fingers are redundant, several commands have the same tips: `action` tells the tips of a
    command, and `command` finds one that has them.

    Attributes:
        middle, half: centres of the boxes and half their extents (F, 3) [m].
    """

    def __init__(
        self, low: Float[np.ndarray, " n"], high: Float[np.ndarray, " n"], hand: RobotHand
    ):
        """Sample the hand's fingertips.

        Raises:
            InputError: the hand's targets do not determine its joints.
        """
        super().__init__(low, high)
        wrist = len(low) - hand.nu
        self._hand, self._wrist = hand, JointTargets(low[:wrist], high[:wrist])
        self._slope, self._start = _ctrl_by_joints(hand)
        self._moving = np.flatnonzero(np.isin(hand.independent_ids, hand.tree.input_ids))
        self._limits = hand.limits[hand.independent_ids].T
        self._problem = _tip_problem(hand, self._limits[:, self._moving])
        sample = _spread(*self._limits)
        tips = hand.tips(hand.expand(sample))
        self._sample, self._sampled_tips = sample[:, self._moving], tips
        self._own = _own_joints(hand.tree.arrays, hand.tip_ids)
        ends = np.array([tips.min(axis=0), tips.max(axis=0)])
        self.middle = ends.mean(axis=0)
        self.half = np.maximum(np.ptp(ends, axis=0) / 2, LEAST_BOX)
        self.size = wrist + tips[0].size

    def command(
        self, action: Float[np.ndarray, "*T a"], current: Float[np.ndarray, "*#T n"]
    ) -> Float[np.ndarray, "*T n"]:
        """The command whose fingertips are nearest, and joints near those of the one in force."""
        rows = action.reshape(-1, self.size)
        before = np.broadcast_to(current, (*action.shape[:-1], len(self.low)))
        commands = [
            self._next(row, now)
            for row, now in zip(rows, before.reshape(len(rows), -1), strict=True)
        ]
        return np.array(commands).reshape(before.shape)

    def action(
        self, command: Float[np.ndarray, "*T n"], current: Float[np.ndarray, "*#T n"]
    ) -> Float[np.ndarray, "*T a"]:
        """The fingertips of the command; the one in force plays no part."""
        wrist = len(self._wrist.low)
        joints = self._joints(command[..., wrist:]).reshape(-1, len(self._start))
        tips = self._hand.tips(self._hand.expand(joints))
        scaled = ((tips - self.middle) / self.half).reshape(*command.shape[:-1], -1)
        return np.concatenate(
            [self._wrist.action(command[..., :wrist], command[..., :wrist]), scaled], axis=-1
        )

    def _next(
        self, action: Float[np.ndarray, " a"], current: Float[np.ndarray, " n"]
    ) -> Float[np.ndarray, " n"]:
        wrist, problem = len(self._wrist.low), self._problem
        joints = self._joints(current[wrist:])
        problem.targets[:] = self.middle + self.half * action[wrist:].reshape(-1, 3)
        problem.x[:] = joints[self._moving]
        joints[self._moving] = self._nearest()
        ctrl = self._start + self._slope @ joints
        moved = self._wrist.command(action[:wrist], current[:wrist])
        return np.clip(np.concatenate([moved, ctrl]), self.low, self.high)

    def _nearest(self) -> Float[np.ndarray, " m"]:
        """Joints whose tips are nearest to the problem's targets, begun where the problem is.

        A finger that its limits keep away from its target begins anew at the sampled positions
        nearest to it.
        """
        problem = self._problem
        least, misses = reach(problem, TRIES), problem.misses.copy()
        if misses.max() < MISSED:
            return problem.x
        best, away = problem.x.copy(), self._sampled_tips - problem.targets
        distances = np.sqrt(np.einsum("sfk,sfk->sf", away, away))
        for finger in np.flatnonzero(misses >= MISSED):
            for start in np.argsort(distances[:, finger])[:STARTS]:
                near = max(misses[finger], NEARBY)
                if misses[finger] < MISSED or distances[start, finger] > near:
                    break
                problem.x[:] = np.where(self._own[finger], self._sample[start], best)
                found = reach(problem, TRIES)
                if found < least:
                    best, least, misses = problem.x.copy(), found, problem.misses.copy()
        return best

    def _joints(self, ctrl: Float[np.ndarray, "*T nu"]) -> Float[np.ndarray, "*T m"]:
        """The independent joints that `ctrl` holds, within their limits."""
        joints = np.linalg.solve(self._slope, (ctrl - self._start)[..., None])[..., 0]
        return np.clip(joints, *self._limits)


def _own_joints(tree: Tree, tips: Int[np.ndarray, " F"]) -> Bool[np.ndarray, "F m"]:
    """Which inputs of a tree move one of its `tips` and no other, by tip."""
    moves = np.zeros((len(tips), tree.input_of.max() + 1), dtype=bool)
    for row, tip in zip(moves, tips, strict=True):
        joint = tree.point_joint[tip]
        while joint != PALM:
            row[tree.input_of[joint]] = True
            joint = tree.parent[joint]
    return moves & (moves.sum(axis=0) == 1)


def _ctrl_by_joints(
    hand: RobotHand,
) -> tuple[Float[np.ndarray, "nu nu"], Float[np.ndarray, " nu"]]:
    """Slope and start of a hand's ctrl as an affine function of its independent joints."""
    low, high = hand.limits[hand.independent_ids].T
    sample = np.vstack([low, low + np.diag(high - low), _spread(low, high)[:8]])
    ctrl = hand.ctrl_from_qpos(hand.expand(sample))
    corners = len(low) + 1
    slope = (ctrl[1:corners] - ctrl[0]).T / (high - low)
    start = ctrl[0] - slope @ low
    affine = np.allclose(ctrl, start + sample @ slope.T, atol=1e-9)
    if not affine or slope.shape[0] != slope.shape[1] or np.linalg.cond(slope) > 1e6:
        raise InputError(
            f"control: 'tips', expected of {hand.name!r} an actuator for each independent joint, "
            "whose target is an affine function of the joints."
        )
    return slope, start


def _tip_problem(hand: RobotHand, limits: Float[np.ndarray, "2 m"]) -> TipProblem:
    size, fingers = limits.shape[1], len(hand.fingers)
    announce(reach, "the way from fingertips to joints")
    return TipProblem(
        tree=hand.tree.arrays,
        work=hand.tree.workspace(),
        tips=hand.tip_ids.astype(np.int64),
        low=limits[0].copy(),
        high=limits[1].copy(),
        targets=np.zeros((fingers, 3)),
        misses=np.zeros(fingers),
        x=np.zeros(size),
        trial=np.zeros(size),
        step=np.zeros(size),
        gradient=np.zeros(size),
        jacobian=np.zeros((3, size)),
        normal=np.zeros((size, size)),
        factor=np.zeros((size, size)),
    )


def _spread(
    low: Float[np.ndarray, " m"], high: Float[np.ndarray, " m"]
) -> Float[np.ndarray, "S m"]:
    """A fixed sample of the joint box that is often on its faces, where tips are farthest."""
    share = np.random.default_rng(0).uniform(-0.5, 1.5, (SAMPLES, len(low)))
    return low + np.clip(share, 0.0, 1.0) * (high - low)
