"""Solvers: the same function, the same minima; bounds; valleys."""

import numpy as np
import pytest

from retarget.calibration import Calibration
from retarget.objective import Objective
from retarget.reference import PALM, Reference, fingertips
from retarget.references import keyvector
from retarget.solvers import SOLVERS, newton, nlopt_solver, slsqp
from retarget.solvers.newton import RESTART_COST
from retarget.status import Status
from tests.hands import EVERY, hand
from tests.retarget.people import keypoints_of, smooth_motion

every_hand = pytest.mark.parametrize(
    ("name", "side"), [pytest.param(*e, id="-".join(e)) for e in EVERY]
)


def reachable(robot, count=40):
    """Following the robot's own fingertips along a smooth motion."""
    return Objective(robot, fingertips(robot, robot.tips(smooth_motion(robot, count))))


def unreachable(robot):
    """Fingertips far behind the back of the hand, so that joints end at their limits."""
    return Objective(robot, fingertips(robot, robot.tips(smooth_motion(robot, 20)) - [0.3, 0, 0]))


def gradient_at(objective, x, frame):
    gradient = np.zeros(objective.size)
    previous = x[max(frame - 1, 0)]
    objective.evaluate(frame, x[frame], previous, gradient)
    return gradient


def check_optima_at_bounds(objective, solved, stationary):
    """All frames are inside the box, some at its sides, and no feasible step leads down."""
    assert (solved.x >= objective.low).all()
    assert (solved.x <= objective.high).all()
    at_bound = (solved.x == objective.low) | (solved.x == objective.high)
    assert at_bound.any()
    for frame in range(1, len(solved.x)):
        x, gradient = solved.x[frame], gradient_at(objective, solved.x, frame)
        inside = np.clip(x - gradient, objective.low, objective.high) - x
        assert np.abs(inside).max() < stationary


@every_hand
def test_newton_ends_at_optima_inside_the_box(name, side):
    objective = unreachable(hand(name, side))
    solved = newton(objective)
    assert solved.converged.all()
    check_optima_at_bounds(objective, solved, 1e-3)


@pytest.mark.parametrize("name", ["allegro", "shadow", "ability", "leap"])
def test_slsqp_ends_at_optima_inside_the_box(name):
    """Also where a step leads beyond bounds that were far, and joints leave theirs again."""
    objective = unreachable(hand(name))
    solved = SOLVERS["slsqp"](objective)
    assert solved.converged.all()
    check_optima_at_bounds(objective, solved, nlopt_solver.STATIONARY)


@every_hand
def test_newton_reaches_what_can_be_reached(name, side):
    objective = reachable(hand(name, side))
    solved = newton(objective)
    assert solved.converged.all()
    assert np.median(solved.cost) < 0.05


def pinching(name):
    """Following the robot's own fingertips, by the keyvector reference."""
    robot = hand(name)
    itself = Calibration(
        name, "right", robot.fingers, np.eye(3), np.zeros(3), np.ones(len(robot.fingers))
    )
    return Objective(
        robot, keyvector(robot, keypoints_of(robot, smooth_motion(robot, 12), itself), itself)
    )


@pytest.mark.parametrize("name", ["allegro", "ability", "shadow"])
def test_newton_ends_as_low_as_slsqp_or_lower(name):
    """Frame by frame from the same start; a cost below `RESTART_COST` it leaves in its valley."""
    objective = pinching(name)
    mine, published = newton(objective), SOLVERS["slsqp"](objective)
    assert mine.converged.all()
    assert published.converged.all()
    bar = np.maximum(1.01 * published.cost + 1e-4, RESTART_COST)
    np.testing.assert_array_less(mine.cost, bar)
    assert mine.cost.mean() < 1.1 * published.cost.mean()


@pytest.mark.parametrize("algorithm", nlopt_solver.ALGORITHMS)
def test_every_algorithm_finds_the_same_minima(algorithm):
    """On the hand of six joints, that has one valley; where one calls itself converged."""
    objective = pinching("ability")
    best, solved = newton(objective), SOLVERS[algorithm](objective)
    assert solved.converged.mean() > 0.8
    assert ((solved.x >= objective.low) & (solved.x <= objective.high)).all()
    np.testing.assert_allclose(
        solved.cost[solved.converged], best.cost[solved.converged], rtol=1e-3, atol=1e-4
    )


def test_a_frame_cut_short_says_so_and_not_that_it_converged(monkeypatch):
    monkeypatch.setattr(slsqp, "MAX_EVALUATIONS", 2)
    monkeypatch.setattr(nlopt_solver, "ATTEMPTS", 1)
    solved = SOLVERS["slsqp"](unreachable(hand("allegro")))
    assert Status.OUT_OF_STEPS in solved.status
    assert not solved.converged[solved.status == Status.OUT_OF_STEPS].any()


@pytest.mark.parametrize("solver", SOLVERS)
def test_the_same_input_gives_the_same_output_to_the_bit(solver):
    robot = hand("ability")
    first, second = (SOLVERS[solver](reachable(robot, 8)) for _ in range(2))
    np.testing.assert_array_equal(first.x, second.x)
    np.testing.assert_array_equal(first.cost, second.cost)


def test_a_frame_in_the_wrong_valley_is_restarted():
    """The clip leads the thumb to where it cannot follow, then asks for the resting pose."""
    robot = hand("allegro")
    objective = reachable(robot)
    away = np.where(np.arange(objective.size) % 2, objective.low, objective.high)
    ends = robot.tips(objective.qpos(np.stack([away, objective.neutral])))
    clip = Objective(robot, fingertips(robot, ends))
    assert newton(clip).cost[1] < 0.2


def test_vectors_of_no_weight_cost_nothing():
    robot = hand("ability")
    count = len(robot.fingers)
    nothing = Reference(
        np.full(count, PALM), robot.tip_ids, np.ones((3, count, 3)), np.zeros((3, count)), 0.02
    )
    solved = newton(Objective(robot, nothing))
    np.testing.assert_allclose(solved.cost, 0.0, atol=1e-12)
    np.testing.assert_allclose(robot.expand(robot.reduce(robot.neutral)), robot.neutral)
