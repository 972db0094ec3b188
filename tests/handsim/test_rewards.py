"""Reward terms: 1 at no error, 0.1 at the margin, falling in between."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from handsim import rewards

TERMS = {
    "joint": (lambda e: rewards.joint_term(np.full(4, e)), rewards.JOINT_MARGIN),
    "tip": (lambda e: rewards.tip_term(np.full((4, 3), e / np.sqrt(3))), rewards.TIP_MARGIN),
    "palm": (rewards.palm_term, rewards.PALM_MARGIN),
}
every_term = pytest.mark.parametrize("name", TERMS)


@every_term
def test_the_scale(name):
    term, margin = TERMS[name]
    assert term(0.0) == 1.0
    assert term(margin) == pytest.approx(0.1)
    assert term(-margin) == pytest.approx(0.1)


@every_term
@given(st.floats(0, 3), st.floats(1e-3, 1))
def test_a_larger_error_earns_less(name, multiple, further):
    term, margin = TERMS[name]
    assert 0 < term((multiple + further) * margin) < term(multiple * margin) <= 1


def test_one_joint_off_costs_its_share():
    assert rewards.joint_term(np.array([0.0, 0.0, 0.0, 100.0])) == pytest.approx(0.75)


@given(st.dictionaries(st.text(min_size=1), st.floats(0, 1), min_size=1))
def test_the_total_is_between_the_least_and_the_best(terms):
    assert min(terms.values()) - 1e-12 <= rewards.total(terms) <= max(terms.values()) + 1e-12
