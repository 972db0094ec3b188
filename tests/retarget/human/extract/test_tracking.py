"""Hands that were planted keep their identity and their side."""

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from retarget.human.extract.tracking import DUPLICATE, GAP, follow_hands, overlap, separation

RATE = 30.0
few = settings(max_examples=25, deadline=None)


def scene(seed, count=60, hands=3):
    """Hands that sway, each in a place of its own, unseen at times: (time, box, hand) in rows."""
    rng = np.random.default_rng(seed)
    t = np.arange(count) / RATE
    times, boxes, owners = [], [], []
    for k in range(hands):
        sway = np.sin(2 * np.pi * rng.uniform(0.2, 1) * t[:, None] + rng.uniform(0, 6, 2))
        centre = [400 * k, 300] + 60 * sway
        half = rng.uniform(40, 70, (1, 2)) * (1 + 0.1 * sway)
        seen = rng.uniform(size=count) < 0.8
        times.append(t[seen])
        boxes.append(np.concatenate([centre - half, centre + half], axis=1)[seen])
        owners.append(np.full(seen.sum(), k))
    time, box, owner = (np.concatenate(part) for part in (times, boxes, owners))
    order = np.lexsort((rng.uniform(size=len(time)), time))
    return time[order], box[order], owner[order]


def same_partition(a, b):
    pairs = set(zip(a.tolist(), b.tolist(), strict=True))
    return len(pairs) == len({x for x, _ in pairs}) == len({y for _, y in pairs})


@few
@given(st.integers(0, 10**6), st.floats(0.1, 10))
def test_hands_keep_their_identity_at_any_resolution(seed, zoom):
    time, box, owner = scene(seed)
    rng = np.random.default_rng(seed)
    truth = rng.uniform(size=3) < 0.5
    wrong = rng.uniform(size=len(time)) < 0.2
    score = np.where(wrong, 0.6, 0.9)
    tracks = follow_hands(time, zoom * box, truth[owner] ^ wrong, score)
    assert same_partition(tracks.track, owner)
    np.testing.assert_array_equal(tracks.right[tracks.track], truth[owner])


@few
@given(st.integers(0, 10**6))
def test_a_hand_found_twice_is_one_hand(seed):
    time, box, owner = scene(seed, hands=2)
    twice = np.flatnonzero(np.random.default_rng(seed).uniform(size=len(time)) < 0.3)
    shrunk = box[twice] + 10 * np.array([1, 1, -1, -1])
    order = np.argsort(np.concatenate([time, time[twice]]), kind="stable")
    copy = np.concatenate([np.zeros(len(time), bool), np.ones(len(twice), bool)])[order]
    tracks = follow_hands(
        np.concatenate([time, time[twice]])[order],
        np.concatenate([box, shrunk])[order],
        np.concatenate([owner, owner[twice]])[order] == 1,
        np.where(copy, 0.5, 0.9),
    )
    assert len(tracks.right) == 2
    assert np.count_nonzero(tracks.track == DUPLICATE) == len(twice)
    found = tracks.track != DUPLICATE
    assert same_partition(tracks.track[found], np.concatenate([owner, owner[twice]])[order][found])


def test_a_hand_that_was_away_for_long_or_is_far_off_is_another():
    box = np.array([[0.0, 0.0, 100.0, 100.0]])
    right, score = np.ones(2, dtype=bool), np.ones(2)

    def tracks_of(passed, away):
        times = np.array([0.0, passed])
        return len(
            follow_hands(
                times, np.concatenate([box, box + np.array([away, 0, away, 0])]), right, score
            ).right
        )

    assert tracks_of(0.9 * GAP, 0) == 1
    assert tracks_of(1.1 * GAP, 0) == 2
    assert tracks_of(1 / RATE, 90) == 1
    assert tracks_of(1 / RATE, 300) == 2


def test_two_hands_that_lie_on_each_other_are_two_when_their_sides_differ():
    box = np.array([[0.0, 0.0, 100.0, 100.0], [5.0, 0.0, 105.0, 100.0]])
    for right, expected in (([True, False], 2), ([True, True], 1)):
        tracks = follow_hands(np.zeros(2), box, np.array(right), np.array([0.9, 0.8]))
        assert len(tracks.right) == expected


def test_no_hands_are_no_tracks():
    tracks = follow_hands(np.zeros(0), np.zeros((0, 4)), np.zeros(0, bool), np.zeros(0))
    assert len(tracks.track) == len(tracks.right) == 0


@few
@given(st.integers(0, 10**6))
def test_overlap_and_separation_are_symmetric_and_exact(seed):
    rng = np.random.default_rng(seed)
    a, b = (np.concatenate([c, c + rng.uniform(1, 50, 2)]) for c in rng.uniform(0, 50, (2, 2)))
    assert overlap(a, b) == overlap(b, a)
    assert 0 <= overlap(a, b) <= 1
    np.testing.assert_allclose(overlap(a, a), 1)
    np.testing.assert_allclose(separation(a, b), separation(b, a))
    half = np.array([0.0, 0.0, 10.0, 10.0]), np.array([5.0, 0.0, 15.0, 10.0])
    np.testing.assert_allclose([overlap(*half), separation(*half)], [1 / 3, 0.5])
