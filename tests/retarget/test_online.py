"""Online: frame by frame to the result of the whole motion; gaps, time, smoothing, bad input."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.spatial.transform import Rotation

from handsim.assets import ASSETS
from handsim.errors import InputError
from retarget import (
    CALM,
    METHODS,
    HandTrajectory,
    Pace,
    Retargeter,
    Smoothing,
    Workspace,
    calibrate_open,
)
from retarget.dropouts import EASE, HOLD, fresh_starts
from retarget.human.keypoints import mirror
from retarget.objective import Objective
from retarget.pace import MOMENTUM
from retarget.references import MEMORIES
from retarget.solvers import Newton
from retarget.solvers.banded import evaluate
from retarget.solvers.newton import solve_clip
from tests.hands import EVERY, hand

SAMPLE = HandTrajectory.load(ASSETS / "motions" / "sample_right.npz").select(slice(60, 160))
UNSEEN = np.full((21, 3), np.nan)
PER_FRAME = {"joints": ("target", "weight", "slack"), "gaps": ("target", "pull", "push")}


def follower(name="ability", method="keyvector", side="right", **options):
    robot = hand(name, side)
    open_hand = SAMPLE.palm_keypoints * ([1, 1, 1] if side == "right" else [1, -1, 1])
    return Retargeter(robot, method, calibrate_open(robot, open_hand), **options)


STURDY = follower("allegro", "natural")


def steps(retargeter, motion):
    """qpos, wrist, valid and cost of a motion, step by step; unseen frames as NaN."""
    shown = np.where(motion.valid[:, None, None], motion.keypoints, np.nan)
    solutions = [
        retargeter.step(keypoints, time=float(time))
        for keypoints, time in zip(shown, motion.times, strict=True)
    ]
    trajectories = [solution.trajectory for solution in solutions]
    return (
        np.concatenate([trajectory.qpos for trajectory in trajectories]),
        np.concatenate([trajectory.wrist for trajectory in trajectories]),
        np.concatenate([trajectory.valid for trajectory in trajectories]),
        np.concatenate([solution.cost for solution in solutions]),
    )


def gappy():
    """Short gaps, which the last pose bridges, and one of a second."""
    valid = np.ones(len(SAMPLE), dtype=bool)
    valid[[3, 10, 11, *range(40, 70), 98, 99]] = False
    return replace(SAMPLE, valid=valid)


@pytest.mark.parametrize("method", METHODS)
def test_one_by_one_frames_give_what_they_give_together(method):
    motion, online = gappy(), follower(method=method)
    qpos, wrist, valid, cost = steps(online, motion)
    seen, robot = motion.valid, online.hand
    reference = METHODS[method](robot, motion.palm_keypoints[seen], online.calibration)
    objective = Objective(robot, reference, fresh_starts(motion.times[seen]))
    together = Newton(objective, hurried=True).solve()
    np.testing.assert_allclose(qpos[seen], objective.qpos(together.x), atol=1e-6)
    np.testing.assert_allclose(cost[seen], together.cost, atol=1e-6)
    np.testing.assert_array_equal(valid, seen)
    whole = follower(method="vector", solver="newton").retarget(motion)
    np.testing.assert_allclose(wrist, whole.trajectory.wrist, atol=1e-9)


@pytest.mark.parametrize(("name", "method"), [("shadow", "keyvector"), ("allegro", "natural")])
def test_hurry_costs_little(name, method):
    online = follower(name, method)
    patient = follower(name, method, solver="newton").retarget(SAMPLE)
    cost = steps(online, SAMPLE)[3]
    assert cost.mean() < 1.1 * patient.cost.mean()


@pytest.mark.parametrize("method", METHODS)
def test_a_reference_needs_no_more_of_the_past_than_its_memory(method):
    """Its frames given one by one, with the memory, ask for what they ask for together."""
    robot, keypoints = hand("allegro"), SAMPLE.palm_keypoints[:60]
    calibration = follower("allegro").calibration
    memory = (MEMORIES[method](),) if method in MEMORIES else ()
    together = METHODS[method](robot, keypoints, calibration)
    for t in range(len(keypoints)):
        alone = METHODS[method](robot, keypoints[t : t + 1], calibration, *memory)
        np.testing.assert_allclose(alone.target[0], together.target[t], atol=1e-12)
        np.testing.assert_allclose(alone.weight[0], together.weight[t], atol=1e-12)
        for name in ("origin", "point", "delta", "smoothness", "posture", "collision"):
            np.testing.assert_array_equal(getattr(alone, name), getattr(together, name))
        for part, names in PER_FRAME.items():
            if getattr(together, part) is not None:
                for name in names:
                    now, all_along = (
                        np.broadcast_to(getattr(asked, name), asked.target.shape)
                        for asked in (getattr(alone, part), getattr(together, part))
                    )
                    np.testing.assert_allclose(now[0], all_along[t], atol=1e-12)


@pytest.mark.parametrize("options", [{}, {"smoothing": Smoothing()}], ids=["plain", "smoothed"])
@pytest.mark.parametrize("method", METHODS)
def test_after_reset_it_is_a_new_one_to_the_bit(method, options):
    used = follower(method=method, **options)
    steps(used, gappy().select(slice(0, 50)))
    used.reset()
    new = follower(method=method, **options)
    motion = SAMPLE.select(slice(20, 40))
    for after, fresh in zip(steps(used, motion), steps(new, motion), strict=True):
        np.testing.assert_array_equal(after, fresh)


def test_without_a_hand_it_holds_and_then_eases_to_its_neutral_pose():
    retargeter = follower("allegro")
    last = retargeter.step(SAMPLE.keypoints[30], time=0.0).trajectory.qpos[0]
    neutral = retargeter.hand.neutral
    for time in (0.1, HOLD):
        held = retargeter.step(UNSEEN, time=time)
        np.testing.assert_array_equal(held.trajectory.qpos[0], last)
        assert not held.trajectory.valid[0]
        assert not held.converged[0]
        assert np.isnan(held.cost[0])
    eased = retargeter.step(UNSEEN, time=HOLD + EASE).trajectory.qpos[0]
    np.testing.assert_allclose(eased - neutral, np.exp(-1) * (last - neutral), atol=1e-12)
    rest = retargeter.step(UNSEEN, time=60.0).trajectory
    np.testing.assert_allclose(rest.qpos[0], neutral, atol=1e-12)
    seen_again = retargeter.step(SAMPLE.keypoints[30], time=61.0).trajectory
    np.testing.assert_allclose(seen_again.qpos[0], last, atol=0.02)


def test_before_the_first_hand_it_rests():
    retargeter = follower("allegro")
    solution = retargeter.step(UNSEEN)
    np.testing.assert_array_equal(solution.trajectory.qpos[0], retargeter.hand.neutral)
    assert not solution.trajectory.valid[0]


def test_a_palm_of_no_size_is_no_hand():
    retargeter = follower()
    for nothing in (np.zeros((21, 3)), np.linspace(0, 1, 21)[:, None] * np.ones(3)):
        assert not retargeter.step(nothing).trajectory.valid[0]


@pytest.mark.parametrize("method", METHODS)
def test_a_finger_without_length_still_has_a_tip(method):
    keypoints = SAMPLE.keypoints[0].copy()
    keypoints[9:13] = keypoints[9]
    solution = follower(method=method).step(keypoints)
    assert solution.trajectory.valid[0]
    assert np.isfinite(solution.trajectory.qpos).all()


@pytest.mark.parametrize(("name", "side"), EVERY)
def test_every_hand_follows_and_stays_in_its_limits(name, side):
    """Hands of three, four and five fingers; and targets far out of anyone's reach."""
    retargeter = follower(name, side=side)
    limits = retargeter.hand.limits
    for size in (1.0, 2.5):
        keypoints = SAMPLE.keypoints[::10] * size
        for frame in keypoints if side == "right" else mirror(keypoints):
            solutions = [retargeter.step(frame) for _ in range(10)]
            qpos = solutions[-1].trajectory.qpos[0]
            assert any(solution.converged[0] for solution in solutions)
            assert (qpos >= limits[:, 0] - 1e-9).all()
            assert (qpos <= limits[:, 1] + 1e-9).all()


def test_time_runs_forward():
    retargeter = follower()
    assert retargeter.step(SAMPLE.keypoints[0]).trajectory.times[0] == 0.0
    assert retargeter.step(SAMPLE.keypoints[1]).trajectory.times[0] == pytest.approx(1 / 30)
    retargeter.step(SAMPLE.keypoints[2], time=5.0)
    for time in (5.0, 4.0, np.nan, np.inf):
        with pytest.raises(InputError, match=r"time: .* s after 5.0 s, expected a later one"):
            retargeter.step(SAMPLE.keypoints[3], time=time)
    assert retargeter.step(SAMPLE.keypoints[3], time=5.1).trajectory.times[0] == 5.1


def test_the_other_hand_is_noticed():
    retargeter = follower("allegro")
    with pytest.raises(InputError, match=r"keypoints are of a left hand, .*load_hand\('allegro'"):
        for keypoints in mirror(SAMPLE.keypoints):
            retargeter.step(keypoints)


def test_millimetres_are_noticed():
    retargeter = follower("allegro")
    with pytest.raises(
        InputError, match="keypoints: the hand would be 1.* m long, expected metres"
    ):
        for keypoints in 1e3 * SAMPLE.keypoints:
            retargeter.step(keypoints)


@given(st.integers(0, 10_000), st.sampled_from([1e-300, 1e-9, 0.01, 1.0, 1e9, 1e200, np.inf]))
@settings(max_examples=20, deadline=None)
def test_whatever_a_tracker_says_joints_stay_in_their_limits(seed, size):
    """After a hand, anything: a pose inside the limits, or one frame's InputError."""
    retargeter, rng = STURDY, np.random.default_rng(seed)
    limits = retargeter.hand.limits
    retargeter.reset()
    for keypoints in SAMPLE.keypoints[:4]:
        retargeter.step(keypoints)
    for _ in range(3):
        garbage = np.where(rng.random((21, 1)) < 0.9, size * rng.normal(size=(21, 3)), 0.0)
        qpos = retargeter.step(garbage).trajectory.qpos[0]
        assert (qpos >= limits[:, 0] - 1e-9).all()
        assert (qpos <= limits[:, 1] + 1e-9).all()


def test_it_says_what_it_needs():
    robot = hand("ability")
    with pytest.raises(InputError, match="needs a calibration: .*calibrate_open"):
        Retargeter(robot).step(SAMPLE.keypoints[0])
    with pytest.raises(InputError, match="'slsqp' takes whole motions, step.. uses 'newton'"):
        follower(solver="slsqp").step(SAMPLE.keypoints[0])
    with pytest.raises(InputError, match=r"keypoints: shape \(20, 3\), expected \(21, 3\)"):
        follower().step(SAMPLE.keypoints[0, :20])
    with pytest.raises(InputError, match=r"wrist: shape \(3,\), expected \(7,\)"):
        follower().step(SAMPLE.keypoints[0], wrist=[0.0, 0.0, 0.0])


def test_smoothing_takes_noise_out_of_the_joints():
    still = np.random.default_rng(0).normal(0, 0.001, (60, 21, 3)) + SAMPLE.keypoints[0]
    rough, smooth = (
        np.concatenate([r.step(k).trajectory.qpos for k in still])[20:]
        for r in (follower("allegro"), follower("allegro", smoothing=Smoothing()))
    )
    assert np.diff(smooth, axis=0).std() < 0.4 * np.diff(rough, axis=0).std()


def test_the_wrist_goes_where_it_is_said_to_be():
    retargeter = follower()
    elsewhere = np.array([0.4, -0.2, 1.0, *Rotation.from_euler("x", 1.0).as_quat()[[3, 0, 1, 2]]])
    solution = retargeter.step(SAMPLE.keypoints[0], wrist=elsewhere)
    np.testing.assert_allclose(solution.trajectory.wrist[0], elsewhere, atol=1e-12)
    own = follower().step(SAMPLE.keypoints[0])
    np.testing.assert_array_equal(solution.trajectory.qpos, own.trajectory.qpos)


def test_quaternions_do_not_flip():
    """A wrist that turns twice about itself, told with either sign."""
    retargeter, whole = follower(), follower(solver="newton")
    angles = np.linspace(0, 4 * np.pi, 60)
    turning = Rotation.from_rotvec(angles[:, None] * [0.0, 0.6, 0.8]).as_quat(scalar_first=True)
    wrist = np.concatenate([np.zeros((60, 3)), turning], axis=1)
    wrist[::3, 3:] *= -1
    shown = [retargeter.step(SAMPLE.keypoints[0], wrist=pose).trajectory.wrist for pose in wrist]
    points = np.tile(SAMPLE.palm_keypoints[:1], (60, 1, 1))
    motion = HandTrajectory(np.arange(60) / 30, points, wrist, np.ones(60, dtype=bool), "right")
    for track in (np.concatenate(shown)[:, 3:], whole.retarget(motion).trajectory.wrist[:, 3:]):
        assert ((track[1:] * track[:-1]).sum(axis=1) > 0.9).all()


def test_a_workspace_moves_the_wrist_and_nothing_else():
    moved = np.eye(4)
    moved[:3, :3], moved[:3, 3] = Rotation.from_euler("z", 90, degrees=True).as_matrix(), [1, 2, 3]
    there, here = follower(workspace=Workspace(moved, 0.5)), follower()
    x, y, z = here.step(SAMPLE.keypoints[0]).trajectory.wrist[0, :3]
    solution = there.step(SAMPLE.keypoints[0])
    expected = [1 - 0.5 * y, 2 + 0.5 * x, 3 + 0.5 * z]
    np.testing.assert_allclose(solution.trajectory.wrist[0, :3], expected, atol=1e-12)
    whole = (there.retarget(SAMPLE), here.retarget(SAMPLE))
    np.testing.assert_array_equal(whole[0].trajectory.qpos, whole[1].trajectory.qpos)
    same = follower(workspace=Workspace(np.eye(4))).retarget(SAMPLE)
    np.testing.assert_array_equal(same.trajectory.wrist, whole[1].trajectory.wrist)


def test_threads_change_nothing():
    motions = [SAMPLE.select(slice(start, start + 40)) for start in range(0, 60, 10)]
    retargeter = follower("shadow")
    for many, one in zip(
        retargeter.retarget_many(motions, threads=4), map(retargeter.retarget, motions), strict=True
    ):
        np.testing.assert_array_equal(many.trajectory.qpos, one.trajectory.qpos)
        np.testing.assert_array_equal(many.cost, one.cost)


@pytest.mark.parametrize("compiled", [solve_clip, evaluate])
def test_solvers_let_other_threads_run(compiled):
    assert compiled.targetoptions["nogil"]


def test_another_trackers_calibration_is_refused():
    robot = hand("ability")
    glove = replace(follower().calibration, tips="Manus tip nodes")
    with pytest.raises(InputError, match="that are 'Manus tip nodes', .* 'end of the last bone'"):
        Retargeter(robot, calibration=glove).retarget(SAMPLE)


@pytest.mark.parametrize("name", ["allegro", "ability"])
def test_a_first_frame_is_no_movement_that_goes_on(name):
    """A person who holds still from the first frame on is followed by a hand that holds still."""
    online = follower(name, "natural")
    qpos = np.array([online.step(SAMPLE.keypoints[50]).trajectory.qpos[0] for _ in range(4)])
    assert np.abs(np.diff(qpos, axis=0)).max() < 1e-3


def test_at_a_calm_pace_no_joint_leaves_what_is_expected_by_more_than_the_limit():
    paces = {"following": Pace(), "calm": CALM, "fast": Pace(held=0.0)}
    found = {}
    for name, pace in paces.items():
        follows = follower("ability", "natural", pace=pace)
        found[name] = steps(follows, SAMPLE)[0][:, follows.hand.tree.input_ids]
    x = found["calm"]
    robot = hand("ability")
    low, high = robot.limits[robot.tree.input_ids].T
    expected = np.clip(x[1:-1] + MOMENTUM * (x[1:-1] - x[:-2]), low, high)
    assert np.abs(x[2:] - expected).max() <= CALM.limit + 1e-12
    jerk = {name: np.sqrt((np.diff(x, 3, axis=0) ** 2).mean()) for name, x in found.items()}
    assert jerk["calm"] < 0.5 * jerk["following"]
    assert jerk["following"] < 0.8 * jerk["fast"]


@pytest.mark.parametrize(("wrong", "says"), [({"held": -1.0}, "held"), ({"limit": 0.0}, "limit")])
def test_a_pace_that_is_none_is_refused(wrong, says):
    with pytest.raises(InputError, match=f"{says}: .*, expected"):
        Pace(**wrong)
