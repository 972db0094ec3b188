import inspect
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.spatial.transform import Rotation

from handsim.errors import InputError
from retarget import metrics

NAN = float("nan")
# jaxtyping, where it is switched on, refuses a wrong shape before the function can.
WRONG_SHAPE = (InputError, TypeError)


@pytest.fixture
def rng():
    return np.random.default_rng(7)


def all_valid(frames):
    return np.ones(frames, dtype=bool)


def two_frames():
    """Errors of 3 and 4 mm in the first frame, 5 mm and 0 in the second."""
    targets = np.tile([0.0, 0.02, 0.1], (2, 2, 1))
    offsets = np.array([[[3, 0, 0], [0, -4, 0]], [[0, 3, 4], [0, 0, 0]]]) * 1e-3
    return targets + offsets, targets


def test_tip_error_by_hand():
    tips, targets = two_frames()
    assert metrics.tip_error_mm(tips, targets, all_valid(2)) == pytest.approx(3.0)
    # sorted 0 3 4 5: rank .95 * 3 = 2.85 lies between 4 and 5
    assert metrics.tip_error_p95_mm(tips, targets, all_valid(2)) == pytest.approx(4.85)


def test_tip_error_percent_by_hand():
    tips, targets = two_frames()
    reach = np.array([0.1, 0.2])
    # 3 % and 2 % in the first frame, 5 % and 0 in the second
    assert metrics.tip_error_percent(tips, targets, reach, all_valid(2)) == pytest.approx(2.5)


@pytest.mark.parametrize("reach", [[0.1, 0.0], [0.1, -1.0], [0.1, NAN]])
def test_a_reach_that_is_no_length_is_refused(reach):
    tips, targets = two_frames()
    with pytest.raises(InputError, match="positive length"):
        metrics.tip_error_percent(tips, targets, np.array(reach), all_valid(2))


def test_rows_that_are_not_valid_do_not_count():
    tips, targets = two_frames()
    tips[1] = NAN
    valid = np.array([True, False])
    assert metrics.tip_error_mm(tips, targets, valid) == pytest.approx(3.5)
    assert metrics.tip_tracking_rmse_mm(tips, targets, valid) == pytest.approx(math.sqrt(12.5))


@settings(deadline=None, max_examples=25)
@given(seed=st.integers(0, 2**32 - 1), factor=st.floats(0.1, 10.0))
def test_tip_errors_ignore_rigid_motion_and_scale_with_length(seed, factor):
    rng = np.random.default_rng(seed)
    tips, targets = rng.normal(size=(2, 6, 3, 3))
    valid, reach = all_valid(6), np.array([1.0, 2.0, 0.5])
    turn, shift = Rotation.random(random_state=seed % 1000).as_matrix().T, rng.normal(size=3)
    error = metrics.tip_error_mm(tips, targets, valid)
    moved = metrics.tip_error_mm(tips @ turn + shift, targets @ turn + shift, valid)
    assert moved == pytest.approx(error)
    assert metrics.tip_error_mm(factor * tips, factor * targets, valid) == pytest.approx(
        factor * error
    )
    relative = metrics.tip_error_percent(tips, targets, reach, valid)
    scaled = metrics.tip_error_percent(factor * tips, factor * targets, factor * reach, valid)
    assert scaled == pytest.approx(relative)


def test_direction_error_by_hand_and_blind_to_length():
    targets = np.array([[[0.0, 0.0, 0.1], [0.0, 0.1, 0.0]]])
    tips = np.array([[[0.3, 0.0, 0.3], [0.0, 0.7, 0.0]]])
    assert metrics.direction_error_deg(tips, targets, all_valid(1)) == pytest.approx(22.5)
    assert metrics.direction_error_deg(-targets, targets, all_valid(1)) == pytest.approx(180.0)


def test_direction_error_is_exact_where_arccos_is_not():
    small = 1e-9
    tips = np.array([[[math.sin(small), 0.0, math.cos(small)]]])
    error = metrics.direction_error_deg(tips, np.array([[[0.0, 0.0, 1.0]]]), all_valid(1))
    assert error == pytest.approx(math.degrees(small), rel=1e-6)


def test_a_vector_without_direction_is_left_out():
    targets = np.array([[[0.0, 0.0, 0.1], [0.0, 0.0, 0.1]]])
    tips = np.array([[[0.1, 0.0, 0.0], [0.0, 0.0, 0.0]]])
    assert metrics.direction_error_deg(tips, targets, all_valid(1)) == pytest.approx(90.0)
    assert math.isnan(metrics.direction_error_deg(tips[:, 1:], targets[:, 1:], all_valid(1)))


def test_pinch_scores_by_hand():
    #                  hit            missed          invented       neither
    human = np.array([[0.010, 0.050], [0.019, 0.050], [0.030, 0.050], [0.020, 0.050]])
    robot = np.array([[-0.001, 0.040], [0.006, 0.040], [0.004, 0.040], [0.005, 0.004]])
    scores = metrics.pinch_scores(human, robot, all_valid(4))
    assert scores.precision == pytest.approx(1 / 3)
    assert scores.recall == pytest.approx(1 / 2)
    assert scores.f1 == pytest.approx(2 / 5)
    strict = metrics.pinch_scores(human, robot, all_valid(4), human_theta=0.015, robot_theta=0.0)
    assert (strict.precision, strict.recall, strict.f1) == (1.0, 1.0, 1.0)


@pytest.mark.parametrize(
    ("human", "robot", "expected"),
    [
        (0.05, 0.05, (NAN, NAN, NAN)),
        (0.05, 0.00, (0.0, NAN, 0.0)),
        (0.01, 0.05, (NAN, 0.0, 0.0)),
    ],
)
def test_pinch_ratios_without_a_denominator_are_nan(human, robot, expected):
    scores = metrics.pinch_scores(np.full((3, 2), human), np.full((3, 2), robot), all_valid(3))
    np.testing.assert_equal((scores.precision, scores.recall, scores.f1), expected)


def test_f1_is_the_harmonic_mean_and_exchanging_the_two_exchanges_precision_and_recall(rng):
    human, robot = rng.uniform(0, 0.03, size=(2, 50, 4))
    scores = metrics.pinch_scores(human, robot, all_valid(50), 0.01, 0.02)
    swapped = metrics.pinch_scores(robot, human, all_valid(50), 0.02, 0.01)
    assert scores.f1 == pytest.approx(
        2 * scores.precision * scores.recall / (scores.precision + scores.recall)
    )
    assert (swapped.precision, swapped.recall) == (scores.recall, scores.precision)
    assert scores.precision != pytest.approx(scores.recall)


def test_pinch_distance_error_by_hand():
    human = np.array([[0.010, 0.050], [0.000, 0.019]])
    robot = np.array([[0.018, 0.900], [0.003, 0.026]])
    # |18 - 15|, |3 - 0|, |26 - 28.5|; the open pair is no pinch
    error = metrics.pinch_distance_error_mm(human, robot, all_valid(2), scale=1.5)
    assert error == pytest.approx(8.5 / 3)
    assert math.isnan(metrics.pinch_distance_error_mm(human + 0.02, robot, all_valid(2)))


def test_limit_hits_and_violations_by_hand():
    limits = np.array([[0.0, 1.0], [-2.0, 2.0]])
    qpos = np.array([[0.0, 0.0], [1.0 - 5e-7, 2.1], [0.5, -2.0 + 5e-6], [-0.1, 0.0]])
    # hits: 0, 1 - 5e-7, -0.1 of the first joint, 2.1 of the second (its margin is 4e-6)
    assert metrics.limit_hit_percent(qpos, limits, all_valid(4)) == pytest.approx(50.0)
    assert metrics.limit_violations(qpos, limits, all_valid(4)) == 2
    assert metrics.limit_violations(qpos, limits, all_valid(4), tolerance=0.1) == 0
    assert metrics.limit_violations(qpos[:3], limits, np.array([True, False, True])) == 0


def test_infinite_limits_are_never_hit_and_a_fixed_joint_always_is():
    limits = np.array([[-math.inf, math.inf], [0.0, math.inf], [0.3, 0.3]])
    qpos = np.array([[1e9, 1e-3, 0.3], [-1e9, 5.0, 0.3]])
    assert metrics.limit_hit_percent(qpos, limits, all_valid(2)) == pytest.approx(100 / 3)
    assert metrics.limit_violations(qpos, limits, all_valid(2)) == 0


@pytest.mark.parametrize("limits", [[[1.0, 0.0]], [[NAN, 1.0]]])
def test_limits_out_of_order_are_refused(limits):
    with pytest.raises(InputError, match=r"joints \[0\]"):
        metrics.limit_hit_percent(np.zeros((1, 1)), np.array(limits), all_valid(1))


@pytest.mark.parametrize("order", [1, 2, 3])
def test_derivative_is_exact_for_polynomials_at_uneven_times(rng, order):
    times = np.cumsum(rng.uniform(0.01, 0.05, size=20))
    values = np.stack([times**order, 2.0 - times ** (order - 1)], axis=1)
    found = metrics.derivative(times, values, all_valid(20), order)
    assert found.shape == (20 - order, 2)
    np.testing.assert_allclose(found[:, 0], math.factorial(order), rtol=1e-6)
    np.testing.assert_allclose(found[:, 1], 0.0, atol=1e-6)


def test_derivative_at_a_uniform_step_is_the_forward_difference(rng):
    values, step = rng.normal(size=(9, 2, 3)), 0.02
    found = metrics.derivative(step * np.arange(9), values, all_valid(9), 3)
    np.testing.assert_allclose(found, np.diff(values, 3, axis=0) / step**3, rtol=1e-9)


def test_derivative_skips_every_window_with_an_invalid_frame():
    times = np.arange(8.0)
    values = times[:, None] ** 2
    values[3] = math.inf
    valid = np.arange(8) != 3
    np.testing.assert_allclose(metrics.derivative(times, values, valid, 1)[:, 0], [1, 3, 9, 11, 13])
    np.testing.assert_allclose(metrics.derivative(times, values, valid, 2)[:, 0], [2, 2, 2])
    assert metrics.derivative(times, values, valid, 4).shape == (0, 1)


def test_smoothness_by_hand():
    times = np.array([0.0, 1.0, 2.0, 3.0])
    qpos = np.array([[0.0, 0.0], [1.0, 0.0], [1.0, 0.0], [3.0, 0.0]])
    # first joint: velocities 1 0 2, accelerations -1 2, jerk 3; the second rests
    valid = all_valid(4)
    assert metrics.joint_velocity_rms(times, qpos, valid) == pytest.approx(math.sqrt(5 / 6))
    assert metrics.joint_acceleration_rms(times, qpos, valid) == pytest.approx(math.sqrt(5 / 4))
    assert metrics.joint_jerk_rms(times, qpos, valid) == pytest.approx(math.sqrt(9 / 2))
    tips = np.zeros((4, 1, 3))
    tips[:, 0, 0], tips[:, 0, 2] = qpos[:, 0], 2 * qpos[:, 0]
    assert metrics.tip_jerk_rms(times, tips, valid) == pytest.approx(math.sqrt(9 + 36))


SMOOTHNESS = [
    (metrics.joint_velocity_rms, 1),
    (metrics.joint_acceleration_rms, 2),
    (metrics.joint_jerk_rms, 3),
]


@pytest.mark.parametrize(("measure", "order"), SMOOTHNESS)
@settings(deadline=None, max_examples=25)
@given(seed=st.integers(0, 2**32 - 1), slowdown=st.sampled_from([0.25, 0.5, 2.0, 3.0]))
def test_smoothness_ignores_shifts_and_falls_with_slower_time(measure, order, seed, slowdown):
    rng = np.random.default_rng(seed)
    times = np.cumsum(rng.uniform(0.01, 0.05, size=12))
    qpos, valid = rng.normal(size=(12, 3)), rng.random(12) > 0.1
    valid[:5] = True
    base = measure(times, qpos, valid)
    assert base > 0
    assert measure(times + 3.0, qpos + 1.0, valid) == pytest.approx(base, rel=1e-6)
    assert measure(slowdown * times, qpos, valid) == pytest.approx(base / slowdown**order)
    reversed_time = measure(-times[::-1], qpos[::-1], valid[::-1])
    assert reversed_time == pytest.approx(base)


def test_smoothness_of_too_few_frames_is_nan():
    times, qpos = np.arange(3.0), np.zeros((3, 2))
    assert metrics.joint_acceleration_rms(times, qpos, all_valid(3)) == 0.0
    assert math.isnan(metrics.joint_jerk_rms(times, qpos, all_valid(3)))
    assert math.isnan(metrics.tip_jerk_rms(times, np.zeros((3, 2, 3)), all_valid(3)))
    assert math.isnan(metrics.joint_velocity_rms(times, qpos, np.array([True, False, True])))


def test_times_that_do_not_increase_are_refused():
    with pytest.raises(InputError, match="strictly increasing"):
        metrics.joint_jerk_rms(np.array([0.0, 1.0, 1.0, 2.0]), np.zeros((4, 1)), all_valid(4))
    with pytest.raises(InputError, match="order is 0"):
        metrics.derivative(np.arange(4.0), np.zeros((4, 1)), all_valid(4), 0)
    with pytest.raises(WRONG_SHAPE):
        metrics.joint_jerk_rms(np.arange(5.0), np.zeros((4, 1)), all_valid(4))


def test_tracking_by_hand():
    achieved = np.array([[0.1, 0.0], [0.0, -0.3]])
    assert metrics.joint_tracking_rmse(achieved, np.zeros((2, 2)), all_valid(2)) == pytest.approx(
        math.sqrt(0.1 / 4)
    )
    tips, targets = two_frames()
    rmse = metrics.tip_tracking_rmse_mm(tips, targets, all_valid(2))
    assert rmse == pytest.approx(math.sqrt((9 + 16 + 25) / 4))


def test_coverage_by_hand():
    valid = np.array([True, True, True, False])
    converged = np.array([True, False, True, True])
    assert metrics.valid_percent(valid) == pytest.approx(75.0)
    assert metrics.converged_percent(converged, valid) == pytest.approx(200 / 3)
    with pytest.raises(InputError, match="0 frames"):
        metrics.valid_percent(np.zeros(0, dtype=bool))


def calls(tips, frames, valid):
    """Every metric that takes `valid`, called on fingers' tips and what they stand for."""
    qpos, times, limits = tips[:, :, 0], np.arange(float(frames)), np.array([[-1.0, 1.0]] * 2)
    zeros = np.zeros_like
    return {
        "tip_error_mm": lambda: metrics.tip_error_mm(tips, zeros(tips), valid),
        "tip_error_p95_mm": lambda: metrics.tip_error_p95_mm(tips, zeros(tips), valid),
        "tip_error_percent": lambda: metrics.tip_error_percent(
            tips, zeros(tips), np.ones(2), valid
        ),
        "direction_error_deg": lambda: metrics.direction_error_deg(tips, zeros(tips), valid),
        "pinch_scores": lambda: metrics.pinch_scores(qpos, zeros(qpos), valid),
        "pinch_distance_error_mm": lambda: metrics.pinch_distance_error_mm(
            qpos, zeros(qpos), valid
        ),
        "limit_hit_percent": lambda: metrics.limit_hit_percent(qpos, limits, valid),
        "limit_violations": lambda: metrics.limit_violations(qpos, limits, valid),
        "joint_velocity_rms": lambda: metrics.joint_velocity_rms(times, qpos, valid),
        "joint_acceleration_rms": lambda: metrics.joint_acceleration_rms(times, qpos, valid),
        "joint_jerk_rms": lambda: metrics.joint_jerk_rms(times, qpos, valid),
        "tip_jerk_rms": lambda: metrics.tip_jerk_rms(times, tips, valid),
        "joint_tracking_rmse": lambda: metrics.joint_tracking_rmse(qpos, zeros(qpos), valid),
        "tip_tracking_rmse_mm": lambda: metrics.tip_tracking_rmse_mm(tips, zeros(tips), valid),
    }


NAMES = sorted(calls(np.zeros((1, 2, 3)), 1, all_valid(1)))


@pytest.mark.parametrize("name", NAMES)
def test_no_valid_frame_nan_in_one_and_unequal_lengths_are_refused(name):
    tips = np.zeros((5, 2, 3))
    with pytest.raises(InputError, match="None of the 5 frames is valid"):
        calls(tips, 5, np.zeros(5, dtype=bool))[name]()
    with pytest.raises(WRONG_SHAPE):
        calls(tips, 5, all_valid(4))[name]()
    tips[2] = NAN
    with pytest.raises(InputError, match="NaN or infinite"):
        calls(tips, 5, all_valid(5))[name]()


def test_arrays_that_would_broadcast_are_refused():
    tips, valid = np.zeros((5, 2, 3)), all_valid(5)
    with pytest.raises(WRONG_SHAPE):
        metrics.tip_error_mm(tips, tips[:, :1], valid)
    with pytest.raises(WRONG_SHAPE):
        metrics.tip_error_percent(tips, tips, np.ones(1), valid)
    with pytest.raises(WRONG_SHAPE):
        metrics.limit_violations(tips[:, :, 0], np.array([[0.0, 1.0]]), valid)


def test_every_figure_has_a_row_and_every_row_a_function():
    ratios = {"pinch_precision", "pinch_recall", "pinch_f1"}
    functions = {
        name
        for name, value in vars(metrics).items()
        if inspect.isfunction(value) and value.__module__ == metrics.__name__
    }
    functions = {name for name in functions if not name.startswith("_")}
    assert set(metrics.METRICS) - ratios == functions - {"pinch_scores", "derivative"}
    assert {name for name in metrics.METRICS if name.startswith("pinch")} - ratios == {
        "pinch_distance_error_mm"
    }
    for name, metric in metrics.METRICS.items():
        assert metric.name == name
        assert metric.better in ("lower", "higher")
        assert metric.unit
        assert metric.description
