"""A generated folder is what its manifest says, and every episode is what physics does."""

import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

import handsim
from handsim.errors import InputError
from handsim.resimulation import read_episode, resimulate
from retarget import generation
from retarget.generation import run_folder
from tests.retarget.generated import tree


@pytest.fixture
def copy(undisturbed, tmp_path):
    """A copy of a finished run, to be tampered with."""
    return Path(shutil.copytree(undisturbed, tmp_path / "copy"))


def resum(folder):
    """Checksums that fit, as a forger would make them."""
    (folder / "SHA256SUMS").unlink()
    run_folder.RunFolder(folder).finish()


def test_what_was_written_is_verified(undisturbed):
    assert generation.verify(undisturbed) == []


def test_a_single_flipped_bit_anywhere_is_found(copy):
    for name in [name for name in tree(copy) if name != "SHA256SUMS"]:
        content = (copy / name).read_bytes()
        place = len(content) // 2
        (copy / name).write_bytes(
            content[:place] + bytes([content[place] ^ 1]) + content[place + 1 :]
        )
        assert generation.verify(copy) == [f"{name} is not what was written: its checksum differs"]
        (copy / name).write_bytes(content)


def test_lost_and_added_files_are_found(copy):
    (copy / "README.md").unlink()
    (copy / "more.txt").write_text("!")
    assert generation.verify(copy) == ["README.md is missing", "more.txt is not in SHA256SUMS"]


@pytest.mark.parametrize(
    ("forge", "problem"),
    [
        (lambda lines: lines[1:], "is not in the manifest"),
        (lambda lines: [*lines, lines[0]], "is 2 times in the manifest"),
        (lambda lines: lines[::-1], "not in the order"),
    ],
)
def test_a_forged_manifest_is_found(copy, forge, problem):
    lines = (copy / "manifest.jsonl").read_text().splitlines()
    (copy / "manifest.jsonl").write_text("\n".join(forge(lines)) + "\n")
    resum(copy)
    assert any(problem in found for found in generation.verify(copy))


@pytest.mark.parametrize(
    ("forge", "problem"),
    [
        (lambda rollouts: rollouts[:-1], "3 episodes, the manifest has 4"),
        (lambda rollouts: [rollouts[0], *rollouts[:-1]], "episode 1 is"),
        (
            lambda r: [*r[:-1], replace(r[-1], actions=np.nextafter(r[-1].actions, 2))],
            "is not what was simulated",
        ),
    ],
)
def test_forged_episodes_are_found(copy, forge, problem):
    path = copy / "robomimic" / "dex3_right.hdf5"
    forged = forge(handsim.datasets.read("robomimic", path))
    path.unlink()
    handsim.datasets.write("robomimic", path, forged)
    resum(copy)
    assert any(problem in found for found in generation.verify(copy))


def test_every_episode_is_what_physics_does_of_its_actions(undisturbed):
    for rollout in handsim.datasets.read("robomimic", undisturbed / "robomimic/dex3_right.hdf5"):
        assert resimulate(rollout).same


def test_other_actions_give_other_states_and_an_old_version_is_named(undisturbed):
    rollout = read_episode(undisturbed / "robomimic" / "dex3_right.hdf5", 1)
    actions = rollout.actions.copy()
    actions[3, 0] += 1e-3
    old = {**rollout.metadata, "versions": {"mujoco": "2.0"}}
    found = resimulate(replace(rollout, actions=actions, metadata=old))
    assert found.first == 4
    assert "from frame 4 on" in str(found)
    assert "recorded with MuJoCo 2.0" in str(found)
    with pytest.raises(InputError, match="has no episode 4"):
        read_episode(undisturbed / "robomimic" / "dex3_right.hdf5", 4)
