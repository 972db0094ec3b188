"""Reward terms: 1 at no error, 0.1 at the margin, falling in between."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from handsim import rewards
from handsim.envs import step_parts

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


@settings(deadline=None)
@given(st.integers(0, 10_000))
def test_what_is_compiled_for_tracking_is_the_same(seed):
    """`step_parts.tracking` against the terms of `closeness`, which are dm_control's."""
    rng = np.random.default_rng(seed)
    qpos, target_qpos = rng.normal(0, 0.2, (2, 7))
    tips, target_tips = rng.normal(0, 0.02, (2, 3, 3))
    margins = rewards.MARGINS
    seen = np.concatenate([qpos, np.zeros(7), tips.ravel(), np.zeros(16)])
    rmse, away, joints, near = step_parts.tracking(
        seen, target_qpos, target_tips, margins["joints"], margins["tips"]
    )
    distances = rewards.distances(tips - target_tips)
    terms = rewards.closeness({"joints": qpos - target_qpos, "tips": distances})
    assert joints == pytest.approx(terms["joints"], rel=1e-12)
    assert near == pytest.approx(terms["tips"], rel=1e-12)
    assert rmse == pytest.approx(np.sqrt(np.mean((qpos - target_qpos) ** 2)), rel=1e-12)
    assert away == pytest.approx(distances.mean(), rel=1e-12)


@given(st.floats(-3, 3), st.floats(-3, 3))
def test_progress_is_in_bounds_monotone_and_pays_nothing_for_going_to_and_fro(gained, other):
    low, high = sorted([rewards.progress(gained, 1.0), rewards.progress(other, 1.0)])
    assert 0 <= low <= high <= 1
    assert (rewards.progress(gained, 1.0) - rewards.progress(other, 1.0)) * (gained - other) >= 0
    there_and_back = rewards.progress(gained, 1.0) + rewards.progress(-gained, 1.0)
    assert there_and_back == pytest.approx(1.0)
