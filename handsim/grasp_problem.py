"""A grasp as a nonlinear least-squares problem, and its solution from a start.

The unknowns are the hand's independent joints, each as a share of its range, and the palm's pose in
the object's frame: a translation and a rotation vector that follow a start. The derivatives are
differences; all configurations they need are evaluated at once.
"""

from collections.abc import Callable
from itertools import combinations, product
from typing import NamedTuple

import mujoco
import numpy as np
from jaxtyping import Float, Int
from scipy.spatial.transform import Rotation

from handsim.hands.capsules import Capsule, capsules_of, segment_distance, tip_body
from handsim.hands.kinematic_tree import BodyPoint
from handsim.hands.robot_hand import RobotHand
from handsim.postures import natural
from handsim.scene_object import SceneObject
from handsim.surfaces import centre, distance_to, normals

TABLE, CLEAR = 0.006, 0.002
"""What links keep from the table, and those that do not touch it from the object [m]."""

_GAP, _OVERLAP, _LEVEL, _CENTRE = 0.0015, 0.002, 0.006, 0.02
"""Lengths [m] that count as one: a pad's gap, an overlap, a height apart, a way off the middle."""
_ROUGH_GAP = 0.004
"""The same of a pad's gap on the way [m]."""
_FACING, _SIDE, _EASE = 0.7, 0.4, 4.0
"""What counts as one of a pad's and of the surface's normal being turned away [rad], and of joints
being away from their ease [ranges]."""
_SHIFT, _TURN = 0.05, 0.5
"""A translation [m] and a turn [rad] that count as one unknown."""
_ROUGH_STEPS, _STEPS = 20, 60
_STEP, _PAD_REACH = 1e-6, 0.01
_DAMPING, _LEAST_DAMPING, _MOST_DAMPING = 0.1, 1e-4, 1e6
_SETTLED = 1e-5
"""A solution is found when a step lowers the cost by a smaller share than this."""


class Solution(NamedTuple):
    """Where a solution ended.

    Attributes:
        unknowns: the best found.
        cost: half the robust sum of squares there.
    """

    unknowns: Float[np.ndarray, " n"]
    cost: float


class Placed(NamedTuple):
    """Hands in configurations, in the object's frame.

    Attributes:
        ends: of all capsules [m].
        pads: the balls at the fingertips [m].
        facing: where the pads point.
    """

    ends: Float[np.ndarray, "B C 2 3"]
    pads: Float[np.ndarray, "B F 3"]
    facing: Float[np.ndarray, "B F 3"]


class GraspProblem:
    """What a grasp of an object across one direction wishes for.

    Attributes:
        hand, item: who grasps what.
        across: the direction from the thumb's side to the fingers' in the object's frame.
        centre: what the pads are to be about, in the object's frame [m]; by default its middle.
        turn: the palm's orientation in the object's frame at a rotation vector of 0.
    """

    def __init__(
        self,
        hand: RobotHand,
        item: SceneObject,
        across: Float[np.ndarray, " 3"],
        turn: Rotation,
        about: Float[np.ndarray, " 3"] | None = None,
    ):
        self.hand, self.item, self.across, self.turn = hand, item, across, turn
        capsules = capsules_of(hand)
        ends = [BodyPoint(c.body, place) for c in capsules for place in (c.start, c.end)]
        self._tree = hand.kinematics([*ends, *_before_pads(hand)])
        self._first = len(hand.point_names)
        self._radius = np.array([capsule.radius for capsule in capsules])
        self._pads = self._pad_balls(capsules)
        self._clear = np.full(len(capsules), CLEAR)
        self._clear[self._pads[:, 0]] = 0.0
        self._pairs = self._apart_at_rest(_pairs_of_links(hand, capsules))
        self._distance = distance_to(item)
        self.centre = centre(item) if about is None else about
        self._half = float(np.abs(across) @ item.size) / 2
        self._low, high = hand.limits[hand.independent_ids].T
        self._width = high - self._low
        self._ease = self._shares(natural(hand))
        self._sides = np.where(np.arange(len(hand.fingers))[:, None] == 0, -across, across)

    def unknowns(
        self, qpos: Float[np.ndarray, " nq"], place: Float[np.ndarray, " 3"]
    ) -> Float[np.ndarray, " n"]:
        """Those that stand for joint positions [rad] and the palm's place [m], not turned."""
        return np.concatenate([self._shares(qpos), place / _SHIFT, np.zeros(3)])

    def qpos(self, unknowns: Float[np.ndarray, "*B n"]) -> Float[np.ndarray, "*B nq"]:
        """The joint positions that unknowns stand for [rad]."""
        return self.hand.expand(self._low + unknowns[..., : len(self._low)] * self._width)

    def palm(self, unknowns: Float[np.ndarray, "B n"]) -> Float[np.ndarray, "B 4 4"]:
        """The palm frame in the object's frame."""
        m, transforms = len(self._low), np.zeros((len(unknowns), 4, 4))
        turns = self.turn * Rotation.from_rotvec(unknowns[:, m + 3 :] * _TURN)
        transforms[:, :3, :3], transforms[:, 3, 3] = turns.as_matrix(), 1.0
        transforms[:, :3, 3] = unknowns[:, m : m + 3] * _SHIFT
        return transforms

    def inward(self, unknowns: Float[np.ndarray, " n"]) -> Float[np.ndarray, "F 3"]:
        """Unit vectors into the object where the pads are, in the palm frame."""
        outward = normals(self._distance, self._placed(unknowns[None]).pads)[0]
        return -outward @ self.palm(unknowns[None])[0, :3, :3]

    def residuals(self, unknowns: Float[np.ndarray, "B n"]) -> Float[np.ndarray, "B R"]:
        """What is wished for and not had, each in the length or angle that counts as one."""
        placed = self._placed(unknowns)
        wishes = [
            self._touch(placed),
            self._facing(placed),
            self._inside(placed),
            self._meet(placed),
        ]
        return np.concatenate([*wishes, self._strain(unknowns)], axis=1)

    def rough_residuals(self, unknowns: Float[np.ndarray, "B n"]) -> Float[np.ndarray, "B R"]:
        """As if the object were two walls that links pass through.

        A start is far from a grasp, and on the way the object's other sides would hold pads up.
        """
        placed = self._placed(unknowns)
        out = ((placed.pads - self.centre) * self._sides).sum(axis=2) - self._radius[
            self._pads[:, 0]
        ]
        wishes = [(out - self._half) / _ROUGH_GAP, self._facing(placed), self._meet(placed)]
        return np.concatenate([*wishes, self._strain(unknowns)], axis=1)

    def solved(self, start: Float[np.ndarray, " n"]) -> Solution:
        """The solution near a start, by way of the one between two walls."""
        rough = self._minimised(self.rough_residuals, start, _ROUGH_STEPS)
        return self._minimised(self.residuals, rough.unknowns, _STEPS)

    def _minimised(
        self,
        residuals: Callable[[np.ndarray], np.ndarray],
        start: Float[np.ndarray, " n"],
        most: int,
    ) -> Solution:
        """Where a sum of residuals is least, after so many steps at most.

        Levenberg and Marquardt's method, joints held inside their ranges, on the robust cost
        Σ (√(1 + r²) − 1), by which a wish far from fulfilled does not spoil the others.
        """
        free = len(self._low)
        y, damping = start.copy(), _DAMPING
        y[:free] = np.clip(y[:free], 0.0, 1.0)
        values, slope = _linearised(residuals, y)
        cost = _cost(values)
        for _ in range(most):
            weight = 1 / np.sqrt(1 + values**2)
            gradient = slope.T @ (weight * values)
            held = np.zeros(len(y), dtype=bool)
            held[:free] = np.where(gradient[:free] > 0, y[:free] <= 0, y[:free] >= 1)
            curvature = (slope.T * weight) @ slope + damping * np.eye(len(y))
            step = np.zeros(len(y))
            step[~held] = -np.linalg.solve(curvature[np.ix_(~held, ~held)], gradient[~held])
            new = y + step
            new[:free] = np.clip(new[:free], 0.0, 1.0)
            new_cost = _cost(residuals(new[None])[0])
            if new_cost >= cost:
                damping *= 6.0
                if damping > _MOST_DAMPING:
                    break
                continue
            settled = cost - new_cost < _SETTLED * cost
            y, cost, damping = new, new_cost, max(damping / 4, _LEAST_DAMPING)
            if settled:
                break
            values, slope = _linearised(residuals, y)
        return Solution(y, cost)

    def _shares(self, qpos: Float[np.ndarray, " nq"]) -> Float[np.ndarray, " m"]:
        return (self.hand.reduce(qpos) - self._low) / self._width

    def _placed(self, unknowns: Float[np.ndarray, "B n"]) -> Placed:
        palm = self.palm(unknowns)
        points = self._tree.points(self.qpos(unknowns))
        points = points @ palm[:, :3, :3].transpose(0, 2, 1) + palm[:, None, :3, 3]
        capsules = 2 * len(self._radius)
        ends = points[:, self._first : self._first + capsules].reshape(len(points), -1, 2, 3)
        before, tips = points[:, self._first + capsules :], points[:, self.hand.tip_ids]
        pads = ends[:, self._pads[:, 0], self._pads[:, 1]]
        return Placed(ends, pads, (before - tips) / _PAD_REACH)

    def _touch(self, placed: Placed) -> Float[np.ndarray, "B R"]:
        """Pads on the surface, facing it, the thumb's on one side, the others on the opposite."""
        gaps = self._distance(placed.pads) - self._radius[self._pads[:, 0]]
        sides = (normals(self._distance, placed.pads) - self._sides) / _SIDE
        return np.concatenate([gaps / _GAP, sides.reshape(len(gaps), -1)], axis=1)

    def _facing(self, placed: Placed) -> Float[np.ndarray, "B R"]:
        """The thumb's pad faces across, those of the others back; all as high, about the middle."""
        turned = (placed.facing + self._sides) / _FACING
        along = np.stack([np.cross([0.0, 0.0, 1.0], self.across), [0.0, 0.0, 1.0]], axis=1)
        pads = (placed.pads - self.centre) @ along
        thumb, others = pads[:, 0], pads[:, 1:].mean(axis=1)
        middle = (thumb + others) / 2
        return np.concatenate(
            [turned.reshape(len(thumb), -1), (thumb - others) / _LEVEL, middle / _CENTRE], axis=1
        )

    def _inside(self, placed: Placed) -> Float[np.ndarray, "B R"]:
        """Links in the object."""
        points = np.concatenate([placed.ends, placed.ends.mean(axis=2, keepdims=True)], axis=2)
        depths = (self._radius + self._clear)[:, None] - self._distance(points)
        return np.maximum(depths.reshape(len(points), -1), 0.0) / _OVERLAP

    def _meet(self, placed: Placed) -> Float[np.ndarray, "B R"]:
        """Links in the table, and fingers in each other."""
        radius, (a, b) = self._radius, self._pairs.T
        below = radius[:, None] + TABLE - self.item.rest_height - placed.ends[..., 2]
        gaps = segment_distance(placed.ends[:, a], placed.ends[:, b])
        depths = [below.reshape(len(gaps), -1), radius[a] + radius[b] - gaps]
        return np.maximum(np.concatenate(depths, axis=1), 0.0) / _OVERLAP

    def _strain(self, unknowns: Float[np.ndarray, "B n"]) -> Float[np.ndarray, "B m"]:
        """Joints away from their ease."""
        return (unknowns[:, : len(self._low)] - self._ease) / _EASE

    def _apart_at_rest(self, pairs: Int[np.ndarray, "K 2"]) -> Int[np.ndarray, "K 2"]:
        """The pairs of capsules that do not overlap at the neutral configuration."""
        points = self._tree.points(self.hand.neutral[None])[0, self._first :]
        ends = points[: 2 * len(self._radius)].reshape(-1, 2, 3)
        a, b = pairs.T
        gaps = segment_distance(ends[a], ends[b]) - self._radius[a] - self._radius[b]
        return pairs[gaps > 0]

    def _pad_balls(self, capsules: list[Capsule]) -> Int[np.ndarray, "F 2"]:
        """Of each finger the capsule of its last link, and which end of it, nearest to the tip."""
        hand = self.hand
        points = self._tree.points(hand.neutral[None])[0]
        ends = points[self._first : self._first + 2 * len(capsules)].reshape(-1, 2, 3)
        bodies = np.array([capsule.body for capsule in capsules])
        found = []
        for finger, tip in zip(hand.fingers, points[hand.tip_ids], strict=True):
            away = np.linalg.norm(ends - tip, axis=2)
            away[bodies != tip_body(hand.model, finger)] = np.inf
            found.append(np.unravel_index(away.argmin(), away.shape))
        return np.array(found)


def _linearised(
    residuals: Callable[[np.ndarray], np.ndarray], y: Float[np.ndarray, " n"]
) -> tuple[Float[np.ndarray, " R"], Float[np.ndarray, "R n"]]:
    """The residuals and their derivatives."""
    values = residuals(np.concatenate([y[None], y + _STEP * np.eye(len(y))]))
    return values[0], ((values[1:] - values[0]) / _STEP).T


def _cost(values: Float[np.ndarray, " R"]) -> float:
    return float((np.sqrt(1.0 + values**2) - 1.0).sum())


def _pairs_of_links(hand: RobotHand, capsules: list[Capsule]) -> Int[np.ndarray, "K 2"]:
    """Pairs of capsules on links of different fingers, the stoutest one standing for a link."""
    stoutest: dict[int, int] = {}
    for i in sorted(range(len(capsules)), key=lambda i: _volume(capsules[i])):
        stoutest[capsules[i].body] = i
    fingers = [[stoutest[b] for b in _links(hand, f) if b in stoutest] for f in hand.fingers]
    pairs = [pair for one, other in combinations(fingers, 2) for pair in product(one, other)]
    return np.array(pairs)


def _links(hand: RobotHand, finger: str) -> list[int]:
    """The bodies from a fingertip to the palm, which does not count."""
    model, links = hand.model, []
    body, palm = tip_body(hand.model, finger), model.body(hand.palm_body).id
    while body not in (0, palm):
        links.append(body)
        body = int(model.body_parentid[body])
    return links


def _volume(capsule: Capsule) -> float:
    length = float(np.linalg.norm(capsule.end - capsule.start))
    return capsule.radius**2 * (length + 4 / 3 * capsule.radius)


def _before_pads(hand: RobotHand) -> list[BodyPoint]:
    """A point before the pad of each finger."""
    model, before = hand.model, []
    for finger in hand.fingers:
        site = model.site(f"{finger}_tip")
        turn = np.zeros(9)
        mujoco.mju_quat2Mat(turn, site.quat)
        out = turn.reshape(3, 3)[:, 0]
        before.append(BodyPoint(int(site.bodyid[0]), site.pos + _PAD_REACH * out))
    return before
