"""From an OSMO trial to a dataset: the glove stays with the hand all the way."""

from dataclasses import replace

import numpy as np
import pytest

import retarget
from handsim import datasets
from handsim.rollout import Rollout
from retarget.human.hand_trajectory import Stream
from retarget.human.magnetometers import SENSORS
from retarget.playback import STREAMS, play
from tests.hands import hand
from tests.handsim.test_rollout import assert_equal
from tests.retarget.human import glove, osmo_trial


@pytest.fixture(scope="module")
def motion(tmp_path_factory):
    trial = osmo_trial.write(tmp_path_factory.mktemp("data") / "00", unseen=(4,), glove=...)
    return retarget.load(trial)


@pytest.fixture(scope="module")
def solution(motion):
    return retarget.Retargeter(hand("ability"), method="vector").retarget(motion)


@pytest.fixture(scope="module")
def rollout(solution, motion):
    return play(solution, motion)


def test_the_glove_is_held_at_the_times_of_the_rollout(rollout, motion):
    tactile, stream = rollout.annotations["tactile"], motion.streams["tactile"]
    for time, counts in zip(rollout.times, tactile, strict=True):
        known = np.flatnonzero(stream.times <= time + 1e-6)[-1]
        np.testing.assert_array_equal(counts, glove.counts(osmo_trial.PICTURES)[known])
    assert (np.diff(rollout.annotations["picture"]) >= 0).all()
    assert rollout.annotations["picture"][0] == osmo_trial.SKIPPED
    assert ", ".join(SENSORS) in rollout.metadata[STREAMS]["tactile"]
    assert np.isnan(rollout.annotations["wrist"]).any()


def test_the_glove_is_in_the_dataset(rollout, tmp_path):
    datasets.write("robomimic", tmp_path / "demos.hdf5", [rollout, rollout])
    for read in datasets.read("robomimic", tmp_path / "demos.hdf5"):
        assert_equal(read, rollout)
    rollout.save(tmp_path / "rollout.npz")
    assert_equal(Rollout.load(tmp_path / "rollout.npz"), rollout)


def test_words_and_empty_streams_stay_behind(solution, motion):
    streams = {
        "label": Stream(motion.times[:1], np.array(["pinch"]), "words"),
        "nothing": Stream(np.empty(0), np.empty((0, 3)), "no rows"),
        "late": Stream(motion.times[-1:], np.array([7]), "one row"),
    }
    rollout = play(solution, replace(motion, streams=streams))
    assert rollout.metadata[STREAMS] == {"late": "one row"}
    np.testing.assert_array_equal(rollout.annotations["late"], np.full(len(rollout) + 1, 7))
