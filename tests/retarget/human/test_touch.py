"""What fingertips feel: planted presses are found, common fields are not felt."""

import numpy as np

from retarget.human.touch import contacts, differences, magnitudes, minus_baseline, smoothed
from tests.retarget.human import glove


def test_a_field_common_to_both_is_not_felt():
    earth = np.random.default_rng(0).normal(size=(1, 1, 3))
    found = differences(glove.counts().astype(float) + earth)
    np.testing.assert_allclose(found, differences(glove.counts().astype(float)), atol=1e-9)
    assert found.shape == (60, 5, 3)


def test_main_minus_reference():
    counts = np.zeros((2, 10, 3))
    counts[1, 8], counts[1, 9] = [5.0, 0.0, 1.0], [2.0, 0.0, 5.0]
    np.testing.assert_array_equal(differences(counts)[1, 4], [3.0, 0.0, -4.0])
    assert magnitudes(differences(counts))[1, 4] == 5.0


def test_the_baseline_is_the_first_reading():
    values = np.random.default_rng(0).normal(size=(6, 5, 3))
    found = minus_baseline(values)
    np.testing.assert_array_equal(found[0], 0)
    np.testing.assert_allclose(found + values[0], values, atol=1e-12)
    values[0, 2], values[:, 4] = np.nan, np.nan
    found = minus_baseline(values)
    np.testing.assert_array_equal(found[1, 2], 0)
    assert np.isnan(found[0, 2]).all()
    assert np.isnan(found[:, 4]).all()


def test_contact_is_more_than_the_threshold():
    magnitude = np.array([[1.0, 2.0, np.nan, 3.0, 0.0]])
    np.testing.assert_array_equal(contacts(magnitude, 2.0), [[False, False, False, True, False]])


def test_the_average_is_exponential():
    step = np.zeros((20, 5))
    step[5:] = 1.0
    found = smoothed(step, 0.2)
    np.testing.assert_allclose(found[5:, 0], 1 - 0.8 ** np.arange(1, 16))
    np.testing.assert_array_equal(found[:5], 0)
    values = np.random.default_rng(0).normal(size=(9, 5))
    np.testing.assert_array_equal(smoothed(values, 1.0), values)
    np.testing.assert_allclose(smoothed(values)[4], 0.2 * values[4] + 0.8 * smoothed(values)[3])
    np.testing.assert_allclose(smoothed(values[:5])[-1], smoothed(values)[4])


def test_the_average_holds_where_nothing_was_read():
    values = np.array([[np.nan], [1.0], [np.nan], [np.nan], [2.0]])
    np.testing.assert_allclose(smoothed(values)[:, 0], [np.nan, 1.0, 1.0, 1.0, 1.2])


def test_a_planted_press_is_felt_by_one_finger():
    counts = np.repeat(glove.counts(1).astype(float), 50, axis=0)
    counts[20:30, 2, 2] += 80.0
    felt = contacts(magnitudes(smoothed(minus_baseline(differences(counts)))), 40.0)
    assert felt[:, 1].any()
    assert not felt[:, [0, 2, 3, 4]].any()
    first = np.flatnonzero(felt[:, 1])[0]
    assert 20 <= first <= 25
    assert not felt[40:].any()
