"""All frames at once: derivatives of the whole, and what the solver makes of a motion."""

from dataclasses import replace

import numpy as np
import pytest

from retarget.objective import Objective
from retarget.reference import fingertips
from retarget.references import natural
from retarget.solvers import newton, trajectory
from retarget.solvers.banded import Chain, assemble, evaluate, evaluation
from retarget.status import Status
from tests.hands import EVERY, hand
from tests.retarget.people import keypoints_of, smooth_motion
from tests.retarget.test_retargeter import itself

FRAMES = 7
LINKED = np.array([False, True, True, True, True, False, True])


def jerky(robot, count=30, jerk=1e3, fresh=None, seed=0):
    """Following the robot's own fingertips with some trembling."""
    rng = np.random.default_rng(seed)
    tips = robot.tips(smooth_motion(robot, count)) + rng.normal(
        scale=0.003, size=(count, len(robot.fingers), 3)
    )
    return Objective(robot, replace(fingertips(robot, tips), jerk=jerk), fresh)


def whole(objective, chain, x):
    """Value, gradient and second derivatives (n, n) of all frames together."""
    out = evaluation(*x.shape)
    size = x.shape[1]
    value = evaluate(
        objective.tree, objective.work, objective.spare, objective.terms, chain, x, out
    )
    band = np.zeros((3 * size + 1, x.size), order="F")
    assemble(chain, out.hessian, out.curvature, np.zeros(len(x)), band)
    dense = np.zeros((x.size, x.size))
    for k, row in enumerate(band):
        dense += np.diag(row[: x.size - k], -k)
    return value, out.gradient.ravel().copy(), dense + np.tril(dense, -1).T


def case(name, bend):
    objective = jerky(hand(name), FRAMES)
    rng = np.random.default_rng(1)
    x = rng.uniform(objective.low, objective.high, size=(FRAMES, objective.size))
    return objective, Chain(LINKED, 0.7, 3.0, bend), x


def numeric(function, x, step=1e-6):
    steps = [step * e.reshape(x.shape) for e in np.eye(x.size)]
    return np.array([(function(x + e) - function(x - e)) / (2 * step) for e in steps])


@pytest.mark.parametrize("name", ["allegro", "ability", "shadow"])
@pytest.mark.parametrize("bend", [np.inf, 0.3])
def test_the_gradient_of_the_whole_is_that_of_its_value(name, bend):
    objective, chain, x = case(name, bend)
    gradient = whole(objective, chain, x)[1]
    expected = numeric(lambda y: whole(objective, chain, y)[0], x)
    bar = 1e-5 * np.abs(expected).max()
    np.testing.assert_allclose(gradient, expected, rtol=0, atol=bar)
    for wrong in (0, x.size // 2, x.size - 1):
        off = gradient.copy()
        off[wrong] += 20 * bar
        assert not np.allclose(off, expected, rtol=0, atol=bar)


@pytest.mark.parametrize("name", ["allegro", "ability"])
def test_the_band_holds_the_hessian_of_the_whole(name):
    """Where the jerk is a square: elsewhere its curvature is the touching parabola's."""
    objective, chain, x = case(name, np.inf)
    hessian = whole(objective, chain, x)[2]
    expected = numeric(lambda y: whole(objective, chain, y)[1], x)
    np.testing.assert_allclose(hessian, expected, rtol=0, atol=1e-6 * np.abs(expected).max())


def test_the_jerks_parabola_touches_its_huber_function_and_lies_above():
    objective, chain, x = case("ability", 0.3)
    value, gradient, hessian = whole(objective, chain, x)
    own = [whole(objective, Chain(LINKED, 0.7, 0.0, 0.3), x)]
    rng = np.random.default_rng(2)
    for _ in range(50):
        step = rng.normal(scale=0.3, size=x.shape)
        jerk = [whole(objective, c, x + step)[0] for c in (chain, Chain(LINKED, 0.7, 0.0, 0.3))]
        flat = step.ravel()
        model = (value - own[0][0]) + (gradient - own[0][1]) @ flat
        model += 0.5 * flat @ (hessian - own[0][2]) @ flat
        assert jerk[0] - jerk[1] <= model + 1e-9


@pytest.mark.parametrize(
    ("name", "side"), [pytest.param(*e, id="-".join(e)) for e in EVERY if e[1] == "right"]
)
def test_it_ends_below_the_frame_by_frame_solution_and_much_smoother_than_without_jerk(name, side):
    objective = jerky(hand(name, side))
    online, offline = newton(objective), trajectory(objective)
    unsmoothed = newton(jerky(hand(name, side), jerk=0.0))
    chain = Chain(~objective.terms.fresh, objective.reference.smoothness, 1e3, 1e-3)
    assert whole(objective, chain, offline.x)[0] < whole(objective, chain, online.x)[0]
    jerk = [np.sqrt((np.diff(s.x, 3, axis=0) ** 2).mean()) for s in (unsmoothed, offline)]
    assert jerk[1] < 0.5 * jerk[0]
    assert (offline.status == Status.CONVERGED).all()
    assert ((offline.x >= objective.low) & (offline.x <= objective.high)).all()


def test_nothing_is_smoothed_across_a_gap():
    """Two motions in one, with a fresh start between, end as each alone."""
    robot = hand("ability")
    fresh = np.zeros(24, dtype=bool)
    fresh[[0, 12]] = True
    together = jerky(robot, 24, fresh=fresh)
    joint = trajectory(together).x
    for part in (slice(0, 12), slice(12, 24)):
        reference = together.reference
        alone = replace(reference, target=reference.target[part], weight=reference.weight[part])
        np.testing.assert_allclose(trajectory(Objective(robot, alone)).x, joint[part], atol=0.02)


@pytest.mark.parametrize("name", ["allegro", "shadow", "inspire"])
def test_natural_follows_a_planted_motion(name):
    """A person whose hand is the robot's, moving as slowly as people do."""
    robot = hand(name)
    qpos = smooth_motion(robot, 120)
    reference = natural(robot, keypoints_of(robot, qpos, itself(robot)), itself(robot))
    only_tips = reference.weight.copy()
    only_tips[:, len(robot.fingers) :] = 0.0
    objective = Objective(robot, replace(reference, weight=only_tips, gaps=None, joints=None))
    error = np.linalg.norm(
        robot.tips(objective.qpos(trajectory(objective).x)) - robot.tips(qpos), axis=-1
    )
    assert np.median(error) < 0.002


def test_a_single_frame_is_a_motion_too():
    objective = jerky(hand("allegro"), 1)
    np.testing.assert_allclose(trajectory(objective).cost, newton(objective).cost, rtol=1e-3)
