"""The objective: its value by hand, its gradient by finite differences."""

from dataclasses import replace

import numpy as np
import pytest

from handsim.errors import InputError
from handsim.hands.capsules import segment_distance, surface
from retarget.gap_residuals import COLLISION_MARGIN
from retarget.objective import Objective
from retarget.reference import PALM, Gaps, Joints, Reference
from retarget.vector_residuals import LENGTH
from retarget.wiring import link_pairs
from tests.hands import EVERY, configurations, hand

every_hand = pytest.mark.parametrize(
    ("name", "side"), [pytest.param(*e, id="-".join(e)) for e in EVERY]
)


def reference(robot, delta=0.02, seed=0):
    """Palm → tip vectors and one between two points, with targets near and far from the hand."""
    rng = np.random.default_rng(seed)
    qpos = configurations(robot, 2, seed=seed + 10)
    points = robot.points(qpos)
    thumb, index = robot.tip_ids[:2]
    between = points[:, [index]] - points[:, [thumb]]
    target = np.concatenate([points[:, robot.tip_ids], between], axis=1)
    target += rng.normal(scale=0.02, size=target.shape)
    return Reference(
        origin=np.array([PALM] * len(robot.tip_ids) + [thumb]),
        point=np.array([*robot.tip_ids, index]),
        target=target,
        weight=rng.uniform(0.5, 2.0, size=target.shape[:2]),
        delta=delta,
    )


def everything(robot, seed):
    """All kinds of terms; gaps wanted wider and narrower than they are, pairs that overlap."""
    rng = np.random.default_rng(seed)
    pairs = np.array([[0, f] for f in range(1, len(robot.fingers))])
    shape, size = (2, len(pairs)), (2, len(robot.tree.input_ids))
    return replace(
        reference(robot, seed=seed),
        joints=Joints(rng.normal(size=size), rng.uniform(size=size), rng.uniform(size=size)),
        gaps=Gaps(pairs, rng.uniform(0, 0.1, shape), rng.uniform(0, 9, shape), np.full(shape, 5.0)),
        collision=30.0,
    )


def overlapping(robot, objective, seed):
    """A pose in which links overlap, of many random ones the one with the most pairs that do."""
    rng = np.random.default_rng(seed)
    x = rng.uniform(objective.low, objective.high, size=(200, objective.size))
    shape = surface(robot)
    ends = shape.tree.points(objective.qpos(x))[:, shape.ends[shape.pairs]]
    gaps = segment_distance(ends[:, :, 0], ends[:, :, 1]) - shape.radius[shape.pairs].sum(1)
    # Nearest points jump where axes cross: no derivative there.
    usable = (gaps > -0.9 * shape.radius[shape.pairs].sum(1)).all(1)
    return x[np.argmax(np.where(usable, (gaps < 0).sum(1), -1))]


def numeric_gradient(objective, frame, x, previous, step=1e-6):
    scratch = np.zeros(objective.size)
    change = [
        objective.evaluate(frame, x + e, previous, scratch)
        - objective.evaluate(frame, x - e, previous, scratch)
        for e in step * np.eye(objective.size)
    ]
    return np.array(change) / (2 * step)


def numeric_hessian(objective, frame, x, previous, step=1e-6):
    change = [
        objective.derivatives(frame, x + e, previous)[1]
        - objective.derivatives(frame, x - e, previous)[1]
        for e in step * np.eye(objective.size)
    ]
    return np.array(change) / (2 * step)


def case(robot, seed):
    objective = Objective(robot, reference(robot, seed=seed))
    rng = np.random.default_rng(seed)
    x, previous = rng.uniform(objective.low, objective.high, size=(2, objective.size))
    gradient = np.zeros(objective.size)
    objective.evaluate(1, x, previous, gradient)
    return objective, x, previous, gradient


@every_hand
@pytest.mark.parametrize("seed", [0, 1, 2])
def test_the_gradient_is_that_of_the_value(name, side, seed):
    objective, x, previous, gradient = case(hand(name, side), seed)
    numeric = numeric_gradient(objective, 1, x, previous)
    np.testing.assert_allclose(gradient, numeric, atol=1e-5 * max(1.0, np.abs(numeric).max()))


@every_hand
@pytest.mark.parametrize("seed", [0, 1])
def test_the_hessian_is_that_of_the_gradient(name, side, seed):
    """Targets lie on both sides of the Huber function's bend."""
    objective, x, previous, gradient = case(hand(name, side), seed)
    _, same, hessian = objective.derivatives(1, x, previous)
    np.testing.assert_allclose(same, gradient, rtol=1e-12, atol=1e-12)
    numeric = numeric_hessian(objective, 1, x, previous)
    np.testing.assert_allclose(hessian, numeric, atol=1e-6 * np.abs(numeric).max())


@pytest.mark.parametrize("name", ["allegro", "shadow", "ability"])
def test_derivatives_where_each_coordinate_is_robust_alone(name):
    robot = hand(name)
    objective = Objective(robot, replace(reference(robot), by_coordinate=True))
    rng = np.random.default_rng(4)
    x, previous = rng.uniform(objective.low, objective.high, size=(2, objective.size))
    _, gradient, hessian = objective.derivatives(1, x, previous)
    numeric = numeric_gradient(objective, 1, x, previous)
    np.testing.assert_allclose(gradient, numeric, atol=1e-5 * np.abs(numeric).max())
    second = numeric_hessian(objective, 1, x, previous)
    np.testing.assert_allclose(hessian, second, atol=1e-6 * np.abs(second).max())
    whole = Objective(robot, reference(robot)).derivatives(1, x, previous)[2]
    assert not np.allclose(whole, hessian, rtol=1e-3)


@every_hand
@pytest.mark.parametrize("seed", [0, 1])
def test_derivatives_of_all_terms_together(name, side, seed):
    robot = hand(name, side)
    objective = Objective(robot, everything(robot, seed))
    x = overlapping(robot, objective, seed)
    previous = np.clip(x + 0.1, objective.low, objective.high)
    without = Objective(robot, replace(everything(robot, seed), collision=0.0))
    value, gradient, hessian = objective.derivatives(1, x, previous)
    assert value > without.derivatives(1, x, previous)[0]
    numeric = numeric_gradient(objective, 1, x, previous)
    np.testing.assert_allclose(gradient, numeric, atol=1e-5 * np.abs(numeric).max())
    second = numeric_hessian(objective, 1, x, previous, step=1e-7)
    np.testing.assert_allclose(hessian, second, atol=1e-5 * np.abs(second).max())


@every_hand
def test_gaps_and_collision_cost_what_their_distances_say(name, side):
    """Of all capsules, near and far: none that costs something is left out."""
    robot = hand(name, side)
    whole = everything(robot, 3)
    objective = Objective(robot, whole)
    without = Objective(robot, replace(whole, gaps=None, collision=0.0))
    x = np.random.default_rng(3).uniform(objective.low, objective.high, size=(60, objective.size))
    shape, gaps = surface(robot), whole.gaps
    ends = shape.tree.points(objective.qpos(x))[:, shape.ends]

    def distance(pairs):
        apart = segment_distance(ends[:, pairs[:, 0]], ends[:, pairs[:, 1]])
        return apart - shape.radius[pairs].sum(axis=1)

    links = link_pairs(shape, gaps)
    off = distance(links.capsules) - gaps.target[1, links.gap]
    weight = links.pulled * gaps.pull[1, links.gap] + (off < 0) * gaps.push[1, links.gap]
    overlap = np.minimum(distance(shape.pairs) - COLLISION_MARGIN, 0.0)
    assert (overlap < 0).any()
    by_hand = (weight * off**2).sum(axis=1) + whole.collision * (overlap**2).sum(axis=1)
    costs = [o.derivatives(1, pose, None)[0] for o in (objective, without) for pose in x]
    np.testing.assert_allclose(
        np.subtract(*np.reshape(costs, (2, -1))), 0.5 * by_hand / LENGTH**2, rtol=1e-6, atol=1e-6
    )


def test_a_wrong_gradient_would_be_seen():
    objective, x, previous, gradient = case(hand("shadow"), 0)
    numeric = numeric_gradient(objective, 1, x, previous)
    for joint in range(objective.size):
        wrong = gradient.copy()
        wrong[joint] += 1e-3 * max(1.0, np.abs(numeric).max())
        assert not np.allclose(wrong, numeric, rtol=0, atol=1e-5 * max(1.0, np.abs(numeric).max()))


@pytest.mark.parametrize(("away", "huber"), [(0.01, 0.5), (0.05, 2 * (5 - 1))])
def test_the_value_of_one_vector_by_hand(away, huber):
    """At L = 10 mm: 10 mm off costs 1/2; 50 mm off with δ = 20 mm costs δ (d − δ/2) = 2·(5 − 1)."""
    robot = hand("allegro")
    target = robot.tips(robot.neutral[None])[:, :1] + [away, 0.0, 0.0]
    single = Reference(np.array([PALM]), robot.tip_ids[:1], target, np.array([[3.0]]), 0.02)
    objective = Objective(robot, single)
    scratch = np.zeros(objective.size)
    at_rest = objective.evaluate(0, objective.neutral, objective.neutral, scratch)
    assert at_rest == pytest.approx(3.0 * huber, rel=1e-12)


def test_an_infinite_delta_is_a_square():
    """To the last digit what a δ beyond all distances gives."""
    robot = hand("ability")
    ever, far = (Objective(robot, reference(robot, delta)) for delta in (np.inf, 10.0))
    for one, other in zip(
        *(objective.derivatives(1, ever.high, ever.neutral) for objective in (ever, far)),
        strict=True,
    ):
        np.testing.assert_array_equal(one, other)


def test_joint_targets_alone_by_hand():
    """A reference without vectors: ½ w (q − target)²."""
    robot = hand("allegro")
    none, empty = np.zeros(0, dtype=np.int64), np.zeros((1, 0))
    wanted = Joints(np.full((1, 16), 0.1), np.full((1, 16), 3.0))
    alone = Reference(
        none, none, np.zeros((1, 0, 3)), empty, 0.02, wanted, smoothness=0.0, posture=0.0
    )
    objective = Objective(robot, alone)
    value, gradient, hessian = objective.derivatives(0, np.full(16, 0.3), objective.neutral)
    assert value == pytest.approx(16 * 1.5 * 0.2**2)
    np.testing.assert_allclose(gradient, 3.0 * 0.2)
    np.testing.assert_array_equal(hessian, 3.0 * np.eye(16))


def test_a_joint_is_free_within_the_slack_of_its_target():
    robot = hand("allegro")
    none, empty = np.zeros(0, dtype=np.int64), np.zeros((1, 0))
    wanted = Joints(np.full((1, 16), 0.1), np.full((1, 16), 3.0), np.full((1, 16), 0.15))
    alone = Reference(
        none, none, np.zeros((1, 0, 3)), empty, 0.02, wanted, smoothness=0.0, posture=0.0
    )
    objective = Objective(robot, alone)
    x = np.full(16, 0.1)
    x[:4] = 0.1 + 0.2, 0.1 - 0.2, 0.1 + 0.14, 0.1 - 0.14
    value, gradient, hessian = objective.derivatives(0, x, x)
    assert value == pytest.approx(2 * 1.5 * 0.05**2)
    np.testing.assert_allclose(gradient, [0.15, -0.15] + 14 * [0.0], atol=1e-12)
    np.testing.assert_array_equal(hessian, np.diag([3.0, 3.0] + 14 * [0.0]))


def test_the_regularisers_by_hand():
    robot = hand("allegro")
    target = robot.tips(robot.neutral[None])
    nothing = Reference(
        np.full(4, PALM), robot.tip_ids, target, np.zeros((1, 4)), 0.02, smoothness=2.0, posture=0.5
    )
    objective = Objective(robot, nothing)
    gradient = np.zeros(objective.size)
    x = objective.neutral + 0.1
    value = objective.evaluate(0, x, x + 0.2, gradient)
    assert value == pytest.approx(16 * (0.5 * 2.0 * 0.2**2 + 0.5 * 0.5 * 0.1**2))
    np.testing.assert_allclose(gradient, -2.0 * 0.2 + 0.5 * 0.1)


def test_joints_before_the_palm_are_not_asked():
    robot = hand("shadow")
    objective = Objective(robot, reference(robot))
    assert objective.size == len(robot.independent) - 2
    moved = objective.qpos(objective.high)
    wrist = [robot.joint_names.index(j) for j in ("rh_WRJ1", "rh_WRJ2")]
    np.testing.assert_array_equal(moved[wrist], 0.0)


def test_a_reference_with_nan_is_refused():
    with pytest.raises(InputError, match="not finite"):
        Reference(np.array([PALM]), np.array([0]), np.full((1, 1, 3), np.nan), np.ones((1, 1)), 0.1)
