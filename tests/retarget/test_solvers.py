"""Solvers: the same function, the same minima; bounds; valleys."""

import numpy as np
import pytest

from retarget.calibration import Calibration
from retarget.objective import Objective
from retarget.reference import PALM, Reference, fingertips
from retarget.references import keyvector
from retarget.solvers import SOLVERS, newton
from retarget.solvers.slsqp import Slsqp
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


@every_hand
def test_newton_ends_at_optima_inside_the_box(name, side):
    objective = unreachable(hand(name, side))
    solved = newton(objective)
    assert solved.converged.all()
    assert (solved.x >= objective.low).all()
    assert (solved.x <= objective.high).all()
    at_bound = (solved.x == objective.low) | (solved.x == objective.high)
    assert at_bound.any()
    for frame in range(1, len(solved.x)):
        x, gradient = solved.x[frame], gradient_at(objective, solved.x, frame)
        inside = np.clip(x - gradient, objective.low, objective.high) - x
        assert np.abs(inside).max() < 1e-3


@every_hand
def test_newton_reaches_what_can_be_reached(name, side):
    objective = reachable(hand(name, side))
    solved = newton(objective)
    assert solved.converged.all()
    assert np.median(solved.cost) < 0.05


@pytest.mark.parametrize("name", ["allegro", "ability", "shadow"])
def test_the_solvers_agree_on_one_function(name):
    """Frame by frame from the same start: newton ends as low, or lower where it restarts."""
    robot = hand(name)
    itself = Calibration(
        name, "right", robot.fingers, np.eye(3), np.zeros(3), np.ones(len(robot.fingers))
    )
    reference = keyvector(robot, keypoints_of(robot, smooth_motion(robot, 12), itself), itself)
    objective = Objective(robot, reference)
    mine, published = newton(objective), Slsqp(objective)
    assert mine.converged.all()
    for frame in range(1, len(objective)):
        before = mine.x[frame - 1]
        other = published.solve(frame, before, before)
        assert other.converged
        assert mine.cost[frame] < (1 + 1e-6) * other.cost


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
