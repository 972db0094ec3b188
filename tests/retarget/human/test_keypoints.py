"""The palm frame, chirality and orders: laws under rigid motion and reflection."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from retarget.human import keypoints as kp
from retarget.human.mano import rest_skeleton
from tests.retarget.human import planted

SEEDS = st.integers(0, 2**32 - 1)
SIDES = st.sampled_from(kp.SIDES)


def test_names_chains_and_parents_agree():
    assert kp.COUNT == 21
    assert [kp.NAMES[i] for i in kp.TIPS] == [f"{finger}_tip" for finger in kp.FINGERS]
    for finger, chain in kp.CHAINS.items():
        assert all(kp.NAMES[i].startswith(finger) for i in chain)
        assert [kp.PARENTS[i] for i in chain] == [0, *chain[:-1]]
    assert len(kp.BONES) == 20
    assert all(kp.PARENTS[child] == parent for parent, child in kp.BONES)


@pytest.mark.parametrize(
    ("order", "size"),
    [(kp.FROM_MANO, 21), (kp.FROM_MANUS, 25), (kp.FROM_OPENXR, 26), (kp.FROM_THUMB_LAST, 21)],
)
def test_orders_take_each_point_once(order, size):
    assert len(order) == len(set(order)) == 21
    assert set(order) <= set(range(size))


def test_orders_name_the_same_points():
    fingers = ["index", "middle", "pinky", "ring", "thumb"]
    mano = ["wrist", *(f"{f} {k}" for f in fingers for k in (1, 2, 3))]
    mano += [f"{f} 4" for f in kp.FINGERS]
    manus = ["wrist", *(f"thumb {k}" for k in (1, 2, 3, 4))]
    manus += [f"{f} {k}" for f in kp.FINGERS[1:] for k in (0, 1, 2, 3, 4)]
    last = ["wrist", *(f"{f} {k}" for f in (*kp.FINGERS[1:], "thumb") for k in (1, 2, 3, 4))]
    canonical = ["wrist", *(f"{f} {k}" for f in kp.FINGERS for k in (1, 2, 3, 4))]
    assert [mano[i] for i in kp.FROM_MANO] == canonical
    assert [manus[i] for i in kp.FROM_MANUS] == canonical
    assert [["palm", *manus][i] for i in kp.FROM_OPENXR] == canonical
    assert [last[i] for i in kp.FROM_THUMB_LAST] == canonical


@pytest.mark.parametrize("side", kp.SIDES)
def test_the_palm_frame_is_as_the_conventions_say(side):
    hand = planted.keypoints(side)
    rotation, origin = kp.palm_frame(hand, side)
    np.testing.assert_array_equal(origin, hand[:, 0])
    np.testing.assert_allclose(
        np.swapaxes(rotation, 1, 2) @ rotation,
        np.broadcast_to(np.eye(3), rotation.shape),
        atol=1e-12,
    )
    np.testing.assert_allclose(np.linalg.det(rotation), 1.0)
    local = kp.in_palm_frame(hand, side)
    middle, index, pinky = local[:, 9], local[:, 5], local[:, 17]
    np.testing.assert_allclose(middle[:, :2], 0.0, atol=1e-12)
    assert np.all(middle[:, 2] > 0.09)
    thumbward = 1 if side == "right" else -1
    assert np.all(thumbward * (index - pinky)[:, 1] > 0.04)
    assert np.all(local[:, list(kp.TIPS)][:, 1:, 0] > 0.0), "bent fingers are in front of the palm"


@settings(max_examples=60, deadline=None)
@given(seed=SEEDS, side=SIDES, shift=st.tuples(*[st.floats(-5, 5)] * 3))
def test_the_palm_frame_moves_with_the_hand(seed, side, shift):
    hand = planted.keypoints(side, count=5, seed=seed % 7)
    turn = planted.random_rotation(seed)
    moved = hand @ turn.T + np.array(shift)
    rotation, origin = kp.palm_frame(hand, side)
    moved_rotation, moved_origin = kp.palm_frame(moved, side)
    np.testing.assert_allclose(moved_rotation, turn @ rotation, atol=1e-9)
    np.testing.assert_allclose(moved_origin, origin @ turn.T + np.array(shift), atol=1e-12)
    np.testing.assert_allclose(
        kp.in_palm_frame(moved, side), kp.in_palm_frame(hand, side), atol=1e-9
    )
    np.testing.assert_allclose(kp.bone_lengths(moved), kp.bone_lengths(hand), atol=1e-9)
    np.testing.assert_allclose(kp.chirality_score(moved), kp.chirality_score(hand), atol=1e-9)


@settings(max_examples=40, deadline=None)
@given(seed=SEEDS, axis=st.integers(0, 2))
def test_reflection(seed, axis):
    hand = planted.keypoints("right", count=4, seed=seed % 5) @ planted.random_rotation(seed).T
    image = kp.mirror(hand, axis)
    np.testing.assert_array_equal(kp.mirror(image, axis), hand)
    np.testing.assert_allclose(
        kp.in_palm_frame(image, "left"),
        kp.mirror(kp.in_palm_frame(hand, "right"), axis=1),
        atol=1e-12,
    )
    np.testing.assert_allclose(kp.chirality_score(image), -kp.chirality_score(hand), atol=1e-12)


@settings(max_examples=30, deadline=None)
@given(scale=st.floats(0.01, 100))
def test_size_changes_neither_palm_frame_nor_chirality(scale):
    hand = planted.keypoints("right", count=3)
    np.testing.assert_allclose(
        kp.palm_frame(hand * scale, "right")[0], kp.palm_frame(hand, "right")[0], atol=1e-9
    )
    np.testing.assert_allclose(kp.chirality_score(hand * scale), kp.chirality_score(hand))


def test_the_palm_frame_takes_any_leading_axes():
    hand = planted.keypoints(count=6)
    rotation, _ = kp.palm_frame(hand, "right")
    np.testing.assert_array_equal(kp.palm_frame(hand[3], "right")[0], rotation[3])
    grid, _ = kp.palm_frame(hand.reshape(2, 3, 21, 3), "right")
    np.testing.assert_array_equal(grid, rotation.reshape(2, 3, 3, 3))


def collapsed(hand):
    return np.zeros_like(hand)


def collinear(hand):
    flat = hand.copy()
    flat[..., 5, :] = hand[..., 0, :] + 0.9 * (hand[..., 9, :] - hand[..., 0, :])
    flat[..., 17, :] = hand[..., 0, :] + 0.8 * (hand[..., 9, :] - hand[..., 0, :])
    return flat


def unseen(hand):
    return np.full_like(hand, np.nan)


@pytest.mark.parametrize("spoil", [collapsed, collinear, unseen])
def test_a_palm_without_a_frame_is_nan_and_the_others_are_not(spoil):
    hand = planted.keypoints(count=3)
    hand[1] = spoil(hand[1])
    rotation, _ = kp.palm_frame(hand, "right")
    assert np.isnan(rotation[1]).all()
    assert np.isfinite(rotation[[0, 2]]).all()


@pytest.mark.parametrize("side", kp.SIDES)
def test_chirality_of_a_bent_hand(side):
    hand = planted.keypoints(side)
    assert kp.chirality(hand) == side
    assert kp.chirality(hand[0]) == side


def test_chirality_abstains():
    flat = rest_skeleton("right")
    assert abs(kp.chirality_score(flat)) < kp.CHIRALITY_THRESHOLD
    assert kp.chirality(flat) is None
    both = np.concatenate([planted.keypoints("right"), planted.keypoints("left")])
    assert kp.chirality(both) is None
    assert kp.chirality(np.full((3, 21, 3), np.nan)) is None
    left, right = kp.chirality_votes(both)
    assert left == right > 0


def test_bone_lengths_of_the_rest_skeleton():
    lengths = 1e3 * kp.bone_lengths(rest_skeleton("right"))
    named = {kp.NAMES[child]: length for (_, child), length in zip(kp.BONES, lengths, strict=True)}
    assert named["index_pip"] == pytest.approx(33, abs=0.5)
    assert 1e3 * kp.hand_length(rest_skeleton("left")) == pytest.approx(
        sum(named[f"middle_{joint}"] for joint in ("mcp", "pip", "dip", "tip"))
    )
