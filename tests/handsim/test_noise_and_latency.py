"""Noise is as strong as it says and had again; a latency delays targets by whole steps."""

import mujoco
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from handsim.envs import TRACK
from handsim.randomization import noisy
from handsim.scene import build_scene
from handsim.variation import Variation
from tests.environments import make
from tests.hands import hand

HAND = "ability"


@pytest.mark.parametrize("steps", [0, 1, 5, 14])
def test_a_latency_delays_every_target_by_whole_steps(steps):
    scene = build_scene(hand(HAND), "actuated", longest_latency=14 / 480)
    model, data = scene.model, mujoco.MjData(scene.model)
    Variation(scene).varied({"latency": steps / 480})
    low, high = scene.hand.limits[scene.hand.independent_ids].T
    middle = scene.hand.expand((low + high)[None] / 2)[0]
    start = scene.hand.ctrl_from_qpos(middle)
    scene.place(data, middle)
    given, acted = [], []
    for step in range(60):
        given.append(start + 0.001 * step)
        data.ctrl[scene.ctrl_ids] = given[-1]
        mujoco.mj_step(model, data)
        position, speed = data.actuator_length, data.actuator_velocity
        bias = model.actuator_biasprm[scene.ctrl_ids]
        force = data.actuator_force[scene.ctrl_ids]
        rest = bias[:, 1] * position[scene.ctrl_ids] + bias[:, 2] * speed[scene.ctrl_ids]
        acted.append((force - rest) / model.actuator_gainprm[scene.ctrl_ids, 0])
    expected = np.concatenate([np.tile(start, (steps, 1)), given[: 60 - steps]])
    np.testing.assert_allclose(acted, expected, atol=1e-6)


def test_a_hand_at_rest_stays_at_rest_with_any_latency():
    late = make(TRACK, hand(HAND), randomization={"latency": [0.03, 0.03]})
    late.reset(seed=0)
    held = late.actions_to(late.command()[None])[0]
    start = late.observe()["qpos"]
    for _ in range(5):
        observation, *_ = late.step(held)
    np.testing.assert_allclose(observation["qpos"], start, atol=1e-3)


@given(st.integers(0, 2**53 - 1), st.integers(0, 10**6))
@settings(max_examples=30, deadline=None)
def test_noise_is_a_function_of_key_and_frame(key, frame):
    still = {"qpos": np.zeros(3), "palm": np.array([0.0, 0, 0, 1, 0, 0, 0])}
    levels = {"qpos": 0.1, "palm": 0.01, "palm_turn": 0.1}
    one, same = (noisy(still, levels, float(key), frame) for _ in range(2))
    later = noisy(still, levels, float(key), frame + 1)
    for name in still:
        np.testing.assert_array_equal(one[name], same[name])
        assert (one[name] != later[name]).any()
        assert (still[name] == [[0] * 3, [0, 0, 0, 1, 0, 0, 0]][name == "palm"]).all()
    assert np.linalg.norm(one["palm"][3:]) == pytest.approx(1)


def test_noise_is_as_strong_as_it_says_and_targets_have_none():
    levels = {"qpos": 0.02, "qvel": 0.3, "tips": 0.004, "palm": 0.01, "palm_turn": 0.05}
    env = make(TRACK, hand(HAND), randomization={"noise": levels})
    exact = make(TRACK, hand(HAND))
    found = {name: [] for name in levels}
    truth = exact.reset(seed=0)[0]
    for episode in range(400):
        seen, _ = env.reset(seed=episode)
        for name in levels.keys() - {"palm", "palm_turn"}:
            found[name].append(seen[name] - truth[name])
        found["palm"].append(seen["palm"][:3])
        found["palm_turn"].append(2 * seen["palm"][4:])
        for name in ("target_qpos", "target_tips", "ctrl", "phase", "touch"):
            np.testing.assert_array_equal(seen[name], truth[name])
        np.testing.assert_array_equal(env.get_state(), exact.get_state())
    for name, level in levels.items():
        assert np.std(found[name]) == pytest.approx(level, rel=0.1)
        assert abs(np.mean(found[name])) < 0.1 * level
