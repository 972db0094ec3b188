"""The tables name every number that an environment shows and takes."""

import numpy as np
import pytest

from handsim.envs import TrackEnv, describe, joint_table, observation_table
from handsim.envs.hand_env import CONTROLS
from handsim.envs.tables import MEANINGS, action_table
from tests.hands import EVERY, hand
from tests.motions import motion

NAMES = sorted({name for name, _ in EVERY})


def rows(table: str) -> list[list[str]]:
    lines = [line.strip("| ").split(" | ") for line in table.splitlines()]
    assert len({line.count("|") for line in table.splitlines()}) == 1
    return lines[2:]


def number(text: str) -> float:
    return float(text.replace("−", "-"))


def env_of(name: str, **kwargs) -> TrackEnv:
    return TrackEnv(hand(name), motion(hand(name)), **kwargs)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("control", CONTROLS)
def test_every_number_has_a_row_and_its_ends_are_what_happens(name, control):
    env = env_of(name, control=control)
    env.reset()
    found = rows(action_table(env))
    assert [int(row[0]) for row in found] == list(range(env.action_space.shape[0]))
    assert len({row[1] for row in found}) == len(found)
    assert {row[2] for row in found} <= {"rad", "m"}
    assert all(number(row[3]) < number(row[4]) for row in found)
    if control == "joints":
        for end, column in ((-1.0, 3), (1.0, 4)):
            observation, *_ = env.step(np.full(env.control.size, end))
            said = [number(row[column]) for row in found]
            np.testing.assert_allclose(observation["ctrl"], said, atol=6e-4)


@pytest.mark.parametrize("name", NAMES)
def test_joints_are_those_of_the_hand(name):
    robot = hand(name)
    found = rows(joint_table(env_of(name)))
    assert tuple(row[1] for row in found) == robot.joint_names
    np.testing.assert_allclose(
        [[number(v) for v in row[3:5]] for row in found], robot.limits, atol=6e-4
    )
    followers = {row[1] for row in found if len(row) > 5 and row[5].strip()}
    assert followers == set(robot.joint_names) - set(robot.independent)


def test_every_observation_has_a_row():
    env = env_of("ability", cameras=["front"], width=20, height=10)
    found = {row[0].strip("`"): row for row in rows(observation_table(env))}
    assert list(found) == list(env.observation_space)
    assert found["image_front"][1] == "10 × 20 × 3"
    assert found["tips"][1] == "5 × 3"
    assert found["tips"][2:] == list(MEANINGS["tips"])
    assert describe(env).count("\n\n") == 2
