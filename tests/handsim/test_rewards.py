"""Reward terms: 1 at no error, 0.1 at the margin, falling in between."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from handsim import rewards

every_group = pytest.mark.parametrize("name", rewards.MARGINS)


def term(name: str, *errors: float) -> float:
    return rewards.closeness({name: np.array(errors)})[name]


@every_group
def test_the_scale(name):
    margin = rewards.MARGINS[name]
    assert term(name, 0.0) == 1.0
    assert term(name, margin) == pytest.approx(0.1)
    assert term(name, -margin) == pytest.approx(0.1)


@every_group
@given(st.floats(0, 3), st.floats(1e-3, 1))
def test_a_larger_error_earns_less(name, multiple, further):
    margin = rewards.MARGINS[name]
    assert 0 < term(name, (multiple + further) * margin) < term(name, multiple * margin) <= 1


def test_one_joint_off_costs_its_share():
    assert term("joints", 0.0, 0.0, 0.0, 100.0) == pytest.approx(0.75)


def test_groups_do_not_mix():
    errors = {"tips": np.array([0.0, 0.0]), "palm": np.array([0.05]), "joints": np.zeros(3)}
    terms = rewards.closeness(errors)
    assert terms == {"tips": 1.0, "palm": pytest.approx(0.1), "joints": 1.0}


def test_distances_are_lengths():
    np.testing.assert_allclose(rewards.distances(np.array([[3.0, 4.0, 0.0], [0, 0, 2]])), [5, 2])


@given(st.dictionaries(st.text(min_size=1), st.floats(0, 1), min_size=1))
def test_the_total_is_between_the_least_and_the_best(terms):
    assert min(terms.values()) - 1e-12 <= rewards.total(terms) <= max(terms.values()) + 1e-12
