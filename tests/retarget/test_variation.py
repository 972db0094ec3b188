"""Variants: mirror, speed and place of a motion, drawn from a seed."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from handsim.errors import InputError, UnknownNameError
from retarget.demo import SAMPLE
from retarget.generation.recipe import Recipe
from retarget.generation.variation import Variation, draw, placed, warp, warped
from retarget.human.hand_trajectory import HandTrajectory, Stream
from retarget.human.mirrored import mirrored
from tests import hands
from tests.motions import motion as robot_motion

RECIPE = Recipe(
    hands=("dex3",), variants=9, time_warp=0.4, mirror=True, wrist="floating", shift=0.1, turn=0.5
)
SEEDS = st.integers(0, 2**32 - 1)
PERSON = HandTrajectory.load(SAMPLE)


def test_the_mirror_image_has_the_palm_its_keypoints_have():
    image = mirrored(PERSON)
    anew = HandTrajectory.from_keypoints(image.times, image.keypoints, image.side)
    turns = np.abs((image.wrist[:, 3:] * anew.wrist[:, 3:]).sum(axis=1))
    np.testing.assert_allclose(image.wrist[:, :3], anew.wrist[:, :3], atol=1e-12)
    np.testing.assert_allclose(turns, 1, atol=1e-12)
    assert image.side == "left"


def test_the_mirror_image_of_the_mirror_image_is_the_motion():
    twice = mirrored(mirrored(PERSON))
    np.testing.assert_allclose(twice.keypoints, PERSON.keypoints, atol=1e-15)
    signs = np.sign((twice.wrist[:, 3:] * PERSON.wrist[:, 3:]).sum(axis=1))
    np.testing.assert_allclose(signs[:, None] * twice.wrist[:, 3:], PERSON.wrist[:, 3:], atol=1e-15)
    assert twice.side == PERSON.side


def test_the_first_variant_is_the_motion_as_it_is():
    assert draw(RECIPE, 0, 12345) == Variation()


@given(seed=SEEDS)
def test_what_is_drawn_stays_in_its_range_and_apart(seed):
    drawn = draw(RECIPE, 1, seed)
    assert abs(drawn.pace[0]) + abs(drawn.pace[1]) <= 0.4
    assert max(map(abs, drawn.shift)) <= 0.1
    assert abs(drawn.turn) <= 0.5
    steady = draw(replace(RECIPE, time_warp=0.0, mirror=False), 1, seed)
    assert (steady.shift, steady.turn) == (drawn.shift, drawn.turn)
    assert not steady.mirrored
    assert steady.pace[:2] == (0, 0)


def test_about_half_of_many_variants_are_mirrored():
    assert 70 < sum(draw(RECIPE, 1, seed).mirrored for seed in range(200)) < 130


@settings(max_examples=20, deadline=None)
@given(seed=SEEDS)
def test_a_warp_changes_times_alone_and_speeds_within_its_share(seed):
    person = PERSON.select(slice(0, 40))
    beside = Stream(np.array([-1.0, 0.0, 0.5, 9.0]), np.arange(4.0))
    person = replace(person, streams={"beside": beside})
    drawn = draw(RECIPE, 1, seed)
    slow = warped(person, drawn)
    speed = np.diff(person.times) / np.diff(slow.times)
    assert np.all(speed > 0.6 - 1e-9)
    assert np.all(speed < 1.4 + 1e-9)
    assert np.array_equal(slow.times, warp(person.times, drawn))
    assert np.array_equal(slow.keypoints, person.keypoints)
    stamps = slow.streams["beside"].times
    assert np.all(np.diff(stamps) > 0)
    assert stamps[1] == person.times[0]
    end = slow.times[-1] - person.times[-1]
    assert stamps[3] == pytest.approx(9.0 + end)


def test_a_constant_speed_is_that_speed():
    slow = warped(PERSON, Variation(pace=(0.25, 0.0, 0.3)))
    assert slow.duration == pytest.approx(PERSON.duration / 1.25)


def test_placed_poses_move_as_one_body():
    path = robot_motion(hands.hand("dex3")).wrist
    moved = placed(path, Variation(shift=(0.1, -0.2, 0.3), turn=0.7))
    along = np.linalg.norm(np.diff(path[:, :3], axis=0), axis=1)
    steps = np.linalg.norm(np.diff(moved[:, :3], axis=0), axis=1)
    np.testing.assert_allclose(steps, along, atol=1e-12)
    np.testing.assert_allclose(moved[:, 2], path[:, 2] + 0.3, atol=1e-12)
    home = placed(placed(moved, Variation(shift=(-0.1, 0.2, -0.3))), Variation(turn=-0.7))
    np.testing.assert_allclose(home[:, :3], path[:, :3], atol=1e-12)
    np.testing.assert_allclose(np.abs((home[:, 3:] * path[:, 3:]).sum(axis=1)), 1, atol=1e-12)


BAD = {
    "no such hand": ({"hands": ("shadw",)}, "Unknown hand"),
    "no hand": ({"hands": ()}, "at least one"),
    "no such format": ({"format": ("rlds",)}, "Unknown dataset format"),
    "no such environment": ({"env": "fly"}, "Unknown environment"),
    "no such camera": ({"cameras": ("back",)}, "Unknown camera"),
    "no such metric": ({"keep": ("beauty>1",)}, "Unknown metric"),
    "no threshold": ({"keep": ("tip_error_mm",)}, "expected metric<value"),
    "twice": ({"hands": ("dex3,dex3",)}, "each once"),
    "too warped": ({"time_warp": 1.0}, "time_warp"),
    "fixed and moved": ({"wrist": "fixed"}, "floating wrist"),
    "nothing to grasp": ({"env": "grasp", "mirror": False}, "object"),
    "a mirrored grasp": ({"env": "grasp", "object": "box"}, "mirror"),
    "no picture": ({"size": (0, 9)}, "pixels"),
}


@pytest.mark.parametrize("case", BAD)
def test_a_recipe_that_cannot_be_followed_is_refused(case):
    changes, message = BAD[case]
    with pytest.raises((InputError, UnknownNameError), match=message):
        replace(RECIPE, **changes)


def test_lists_may_have_commas():
    assert replace(RECIPE, hands=("dex3,leap", "ability")).hands == ("dex3", "leap", "ability")
