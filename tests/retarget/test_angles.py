"""The joint angles of a hand: planted ones are found again."""

import numpy as np
import pytest

from retarget.human.angles import ANGLES, RANGES, hand_angles
from retarget.human.authored_hand import RANGES as AUTHORED_RANGES
from retarget.human.authored_hand import hand_keypoints
from retarget.human.keypoints import CHAINS, mirror


def turned(vectors, axis, angle):
    """Vectors (T, 3) turned by angles (T,) about axes (T, 3) orthogonal to them."""
    return np.cos(angle)[:, None] * vectors + np.sin(angle)[:, None] * np.cross(axis, vectors)


def posed(angles, seed=0):
    """Keypoints (T, 21, 3) of a right hand of random size in its palm frame."""
    rng = np.random.default_rng(seed)
    keypoints = np.zeros((len(angles), 21, 3))
    for number, (finger, chain) in reversed(list(enumerate(CHAINS.items()))):
        flexion, abduction, middle, distal = angles[:, 4 * number : 4 * number + 4].T
        root = [0.0, 0.02 - 0.015 * number, 0.09] if number else [0.02, 0.03, 0.02]
        keypoints[:, chain[0]] = root
        lengths = rng.uniform(0.02, 0.05, size=3)
        if finger == "thumb":
            cos = np.cos(abduction)
            bone = np.stack([np.sin(abduction), -np.sin(flexion) * cos, np.cos(flexion) * cos], 1)
            keypoints[:, chain[1]] = keypoints[:, chain[0]] + lengths[0] * bone
            axis = np.cross(bone, keypoints[:, CHAINS["pinky"][0]] - keypoints[:, chain[1]])
            axis /= np.linalg.norm(axis, axis=1, keepdims=True)
        else:
            cos = np.cos(abduction)
            bone = np.stack([np.sin(flexion) * cos, np.sin(abduction), np.cos(flexion) * cos], 1)
            axis = np.array([0.0, 1.0, 0.0]) - bone * bone[:, 1:2]
            axis /= np.linalg.norm(axis, axis=1, keepdims=True)
        for i, angle in enumerate([0.0 * middle, middle, distal]):
            bone = turned(bone, axis, angle)
            keypoints[:, chain[i + 1]] = keypoints[:, chain[i]] + lengths[i] * bone
    return keypoints


def inside(ranges, count=200):
    return np.random.default_rng(1).uniform(*ranges.T, size=(count, len(ranges)))


@pytest.mark.parametrize("side", ["right", "left"])
def test_planted_angles_are_found_again(side):
    planted = inside(RANGES)
    keypoints = posed(planted)
    keypoints = keypoints if side == "right" else mirror(keypoints, axis=1)
    np.testing.assert_allclose(hand_angles(keypoints, side), planted, atol=1e-9)


def test_the_authored_hand_bends_as_its_angles_say():
    """Its knuckles fan out and its fingers are rolled: that leaves degrees of abduction."""
    planted = inside(AUTHORED_RANGES)
    found = hand_angles(hand_keypoints(planted), "right")
    bends = np.array(["flexion" in name and "cmc" not in name for name in ANGLES])
    off = np.rad2deg(np.abs(found - planted))[:, bends]
    assert off[:, 2:].max() < 8
    assert np.median(off[:, :2]) < 1
    index = ANGLES.index("index_mcp_abduction")
    assert np.corrcoef(found[:, index], planted[:, index])[0, 1] > 0.97


def test_the_thumb_crosses_and_leaves_the_palm_as_its_angles_say():
    rest = np.zeros(20)
    across, away = np.eye(20)[:2] * 0.3
    found = hand_angles(hand_keypoints(np.stack([rest, rest + across, rest + away])), "right")
    assert found[1, 0] > found[0, 0] + 0.1
    assert found[2, 1] > found[0, 1] + 0.1


def test_a_bone_of_no_length_bends_nothing():
    keypoints = np.zeros((1, 21, 3))
    np.testing.assert_array_equal(hand_angles(keypoints, "right"), 0.0)
