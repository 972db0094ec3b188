"""Which pinches a hand can make: known hands, mirrored hands, a finger out of the thumb's way."""

import numpy as np
import pytest

import handsim
from retarget.reach import TOUCH, least_pinch_gaps, reachable_pinches

WHOLE = sorted(set(handsim.hand_names()) - {"inspire", "revo2"})


@pytest.mark.parametrize("name", WHOLE)
def test_most_hands_pinch_with_every_finger(name):
    assert reachable_pinches(handsim.load_hand(name)).all()


def test_a_thumb_that_is_short_does_not_reach_the_outer_fingers():
    assert reachable_pinches(handsim.load_hand("inspire")).tolist() == [True, True, False, False]
    assert reachable_pinches(handsim.load_hand("revo2")).tolist() == [True, True, True, False]


def test_no_pose_of_a_sample_pinches_nearer_than_the_search():
    hand = handsim.load_hand("inspire")
    low, high = hand.limits[hand.independent_ids].T
    poses = hand.expand(np.random.default_rng(1).uniform(low, high, size=(4000, len(low))))
    apart = handsim.contact.self_penetration(hand, poses) == 0.0
    sampled = handsim.contact.tip_gaps(hand, poses[apart]).min(axis=0)
    found = least_pinch_gaps(hand)
    assert (found[2:] > TOUCH).all()
    np.testing.assert_array_less(found[2:], sampled[2:] + 0.001)


def test_a_left_hand_pinches_as_the_right_one():
    right, left = (handsim.load_hand("allegro", side) for side in ("right", "left"))
    np.testing.assert_allclose(least_pinch_gaps(left), least_pinch_gaps(right), atol=1e-4)
