"""Minari loads ours by name, and an episode replays in the environment that is recorded in it."""

import json
from dataclasses import replace

import numpy as np
import pytest

import handsim
from handsim import datasets
from handsim.envs import TrackEnv
from handsim.errors import InputError, OutputError
from handsim.replay import replay
from tests.hands import hand
from tests.handsim.test_datasets import planted
from tests.handsim.test_rollout import assert_equal, rollout
from tests.motions import motion

minari = pytest.importorskip("minari")
STEPS = (4, 9, 1)


@pytest.fixture
def home(tmp_path, monkeypatch):
    """Minari's own folder."""
    monkeypatch.setenv("MINARI_DATASETS_PATH", str(tmp_path))
    return tmp_path


def test_minari_loads_it_by_name(home):
    rollouts = [planted(steps, seed=k) for k, steps in enumerate(STEPS)]
    datasets.write("minari", home / "handsim" / "toy" / "pinch-v3", rollouts)
    loaded = minari.load_dataset("handsim/toy/pinch-v3")
    assert loaded.id == "handsim/toy/pinch-v3"
    assert (loaded.total_episodes, loaded.total_steps) == (len(STEPS), sum(STEPS))
    assert loaded.env_spec.id == "handsim/Track-v0"
    assert loaded.env_spec.kwargs["hand"] == "toy"
    assert "handsim/toy/pinch-v3" in minari.list_local_datasets()
    seeds = [each["seed"] for each in loaded.storage.get_episode_metadata(range(len(STEPS)))]
    assert seeds == [0, 1, 2]
    for episode, one in zip(loaded.iterate_episodes(), rollouts, strict=True):
        observed = {**one.observations, "front_image": one.frames["front"]}
        observed["episode_image"] = one.frames["episode"]
        assert set(episode.observations) == set(observed)
        for name, array in observed.items():
            np.testing.assert_array_equal(episode.observations[name], array)
            for row in array:
                assert loaded.observation_space[name].contains(np.asarray(row))
        np.testing.assert_array_equal(episode.actions, one.actions)
        assert all(loaded.action_space.contains(action) for action in episode.actions)
        np.testing.assert_array_equal(episode.rewards, one.rewards)
        np.testing.assert_array_equal(episode.terminations, one.terminated)
        np.testing.assert_array_equal(episode.truncations, one.truncated)
        np.testing.assert_array_equal(episode.infos["tip_error"], one.info["tip_error"])
        ours = episode.infos["handsim"]
        np.testing.assert_array_equal(ours["states"], one.states)
        np.testing.assert_array_equal(ours["annotations"]["tactile"], one.annotations["tactile"])


def test_an_episode_replays_in_the_environment_recorded_in_it(home):
    robot = hand("allegro")
    made = []
    for seed in range(2):
        env = TrackEnv(robot, motion(robot, seconds=0.3, seed=seed), wrist="floating")
        played = replay(env)
        made.append(replace(played, metadata={**played.metadata, "env_id": "handsim/Track-v0"}))
    datasets.write("minari", home / "track-v0", made)
    loaded = minari.load_dataset("track-v0")
    for episode, read in zip(loaded, datasets.read("minari", home / "track-v0"), strict=True):
        again = loaded.recover_environment(trajectory=read.reference())
        seed = int(read.metadata["seed"])
        played = handsim.perform(again, episode.actions, seed=seed)
        np.testing.assert_array_equal(played.states, read.states)
        np.testing.assert_array_equal(played.states, episode.infos["handsim"]["states"])
        np.testing.assert_array_equal(played.qpos, episode.observations["qpos"])
        again.close()


def test_elsewhere_its_name_is_that_of_its_folder(tmp_path, monkeypatch):
    monkeypatch.delenv("MINARI_DATASETS_PATH", raising=False)
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    datasets.write("minari", tmp_path / "some" / "pinch-v0", [planted()])
    assert not (tmp_path / "home").exists()
    monkeypatch.setenv("MINARI_DATASETS_PATH", str(tmp_path / "some"))
    assert minari.load_dataset("pinch-v0").total_episodes == 1
    assert_equal(datasets.read("minari", tmp_path / "some" / "pinch-v0")[0], planted())


def test_an_unknown_environment_is_not_recorded(home):
    made = rollout(metadata={"env_id": None})
    datasets.write("minari", home / "pinch-v0", [made])
    metadata = json.loads((home / "pinch-v0" / "data" / "metadata.json").read_text())
    assert "env_spec" not in metadata
    assert len(minari.load_dataset("pinch-v0")[0]) == len(made)


@pytest.mark.parametrize("name", ["pinch", "pinch v0", "pinch-v0.hdf5"])
def test_names_that_minari_does_not_know(home, name):
    with pytest.raises(OutputError, match=r"shadow-track-v0"):
        datasets.write("minari", home / name, [planted()])
    assert not list(home.iterdir())


def test_our_name_among_the_infos(home):
    with pytest.raises(InputError, match="'handsim' is taken"):
        datasets.pack("minari", rollout(info={"handsim": np.zeros(4)}), home / "p")
