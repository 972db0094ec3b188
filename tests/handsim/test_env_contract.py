"""What every environment promises, on every hand, each kind of wrist and each way of control."""

import warnings
from functools import cache

import gymnasium
import numpy as np
import pytest
import trimesh
from gymnasium.utils.env_checker import check_env

import handsim
import retarget
from handsim.assets import ASSETS
from handsim.envs import GRASP, REORIENT, TRACK, ThreadedVectorEnv, TrackEnv
from handsim.errors import InputError, UnknownNameError
from retarget.human.mirrored import mirrored
from tests.environments import (
    CASES,
    FEW,
    SEED,
    assert_same,
    environment,
    make,
    play,
    played,
    random_actions,
    step_of,
)
from tests.hands import EVERY, hand
from tests.motions import motion

NAMES = sorted({name for name, _ in EVERY})
FIRST, OTHER = NAMES[:2]
MID, SHORT = 6, 12

CONSTANT = {
    TRACK: {"touch"},
    GRASP: {"touch", "goal"},
    REORIENT: {"touch", "goal"},
}
"""What may stay as it is under random actions: some fingers touch nothing, and goals keep some of
their coordinates. A fixed wrist keeps the palm, and targets of fingertips keep the
joints of a hand's own wrist."""


def named(case) -> str:
    return "-".join((case.env.split("/")[1], *case[1:]))


pytestmark = pytest.mark.usefixtures("unchecked")
every_case = pytest.mark.parametrize("case", CASES, ids=named)
few_cases = pytest.mark.parametrize("case", FEW, ids=named)


@every_case
def test_gymnasiums_own_checks_pass_without_a_warning(case):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        check_env(environment(case), skip_render_check=True, skip_close_check=True)


@pytest.mark.parametrize("env", [TRACK, GRASP, REORIENT])
def test_gymnasium_makes_renders_and_closes_them(env, can_render):
    more = {"trajectory": motion(hand(FIRST))} if env == TRACK else {}
    made = gymnasium.make(env, hand=FIRST, width=64, height=48, **more)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        check_env(made.unwrapped, skip_render_check=not can_render)
    made.close()


@every_case
def test_the_same_seed_gives_the_same_bits(case):
    """In another environment of the same make, and again in this one after all it has done."""
    actions = random_actions(environment(case))[:SHORT]
    wanted = played(case)[: SHORT + 1]
    assert_same(wanted, play(environment(case, copy=1), actions))
    assert_same(wanted, play(environment(case), actions))
    assert any((step.state != wanted[0].state).any() for step in wanted[1:])


@every_case
def test_a_batch_does_the_same(case):
    envs = [environment(case), environment(case, copy=1)]
    batch = ThreadedVectorEnv([lambda env=env: env for env in envs], threads=2)
    wanted, actions = played(case), random_actions(envs[0])
    observations, _ = batch.reset(seed=[SEED, SEED + 1])
    for step, action in zip(wanted[1 : MID + 1], actions, strict=False):
        observations, rewards, terminated, truncated, _ = batch.step(np.stack([action, -action]))
        assert (rewards[0], terminated[0], truncated[0]) == step[1:4]
        assert_same(step.observation, {name: rows[0] for name, rows in observations.items()})
    assert not np.array_equal(observations["qpos"][0], observations["qpos"][1])
    batch.close()


@every_case
@pytest.mark.parametrize("copy", [0, 1])
def test_a_state_resumes_to_the_same_bits(case, copy):
    """In another environment of the same make, and in this one, in the midst of other episodes."""
    env = environment(case, copy)
    wanted, actions = played(case), random_actions(env)
    end = next((i for i, s in enumerate(wanted) if s.terminated or s.truncated), SHORT)
    start = min(MID, end - 1)
    play(env, -actions[:2], seed=1)
    assert_same(wanted[start].observation, env.set_state(wanted[start].state))
    for step, action in zip(wanted[start + 1 : end + 1][:MID], actions[start:], strict=False):
        assert_same(step, step_of(env, *env.step(action)))


@every_case
def test_observations_are_in_their_space_and_tell_something(case):
    env, steps = environment(case), played(case)
    assert all(step.observation in env.observation_space for step in steps)
    free = set(CONSTANT[case.env])
    free |= {"palm"} if case.wrist == "fixed" else set()
    free |= {"ctrl"} if case.control == "tips" else set()
    seen = [step.observation for step in steps] + [env.reset(seed=seed)[0] for seed in (1, 2)]
    for name in env.observation_space.spaces.keys() - free:
        rows = np.array([observation[name].ravel() for observation in seen])
        assert (np.ptp(rows, axis=0) > 0).all(), name


@every_case
def test_observations_are_arrays_of_their_own(case):
    """Nothing that is done to one is seen by the environment, or in another."""
    env = environment(case)
    one, _ = env.reset(seed=SEED)
    two, *_ = env.step(np.zeros(env.action_space.shape))
    arrays = [*one.values(), *two.values()]
    for i, array in enumerate(arrays):
        assert not any(np.shares_memory(array, other) for other in arrays[:i])
    before, state = {name: array.copy() for name, array in two.items()}, env.get_state()
    for array in arrays:
        array[...] = np.nan
    assert_same(state, env.get_state())
    assert_same(before, env.observe())
    wanted = played(case)[:2]
    assert_same(wanted, play(env, random_actions(env)[:1]))


@every_case
def test_random_actions_leave_everything_finite_and_in_bounds(case):
    for step in played(case):
        assert 0 <= step.reward <= 1
        assert np.isfinite(step.state).all()
        assert np.abs(step.observation["qvel"]).max() < 500
        terms = [value for name, value in step.info.items() if name.startswith("reward_")]
        assert all(0 <= term <= 1 for term in terms)
        assert step.warnings == 0
    assert len(terms) >= 2


@cache
def retargeted(name: str, side: str) -> handsim.JointTrajectory:
    """A person's motion, five seconds at 30 frames a second."""
    person = retarget.load(ASSETS / "motions" / "sample_right.npz").select(slice(151))
    person = person if side == "right" else mirrored(person)
    return retarget.Retargeter(hand(name, side)).retarget(person).trajectory


@pytest.mark.parametrize(("name", "side"), EVERY)
@pytest.mark.parametrize("rate", [30.0, 120.0])
def test_trajectories_are_tracked(name, side, rate):
    """Where nothing has touched for a tenth of a second."""
    env = TrackEnv(hand(name, side), retargeted(name, side), control_rate=rate)
    joints, tips = tracking_errors(env)
    assert len(joints) > 0.6 * env.steps
    assert np.sqrt(np.mean(joints**2)) <= 0.02
    assert np.sqrt(np.mean(tips**2)) <= 2.5e-3


def tracking_errors(env: TrackEnv) -> tuple[np.ndarray, np.ndarray]:
    """Errors of joints and tips in the frames without contact."""
    env.reset()
    quiet, joints, tips = 0, [], []
    for action in env.actions_to(env.commands()):
        observation, *_ = env.step(action)
        quiet = 0 if env.data.ncon else quiet + 1
        if quiet > 0.1 * env.control_rate:
            joints.append(observation["qpos"] - env.reference.qpos[env.frame])
            tips.append(observation["tips"] - env.hand.tips(env.reference.qpos[[env.frame]])[0])
    return np.array(joints), np.linalg.norm(np.array(tips), axis=-1)


@few_cases
def test_actions_that_mean_nothing_are_refused_and_change_nothing(case):
    env = environment(case)
    env.reset(seed=SEED)
    state, action = env.get_state(), np.zeros(env.action_space.shape)
    for value in (np.nan, np.inf):
        bad = action.copy()
        bad[1] = value
        with pytest.raises(InputError, match=r"action\[1\] is (nan|inf), expected a number in"):
            env.step(bad)
    for bad in (action[:-1], action[None], np.append(action, 0.0)):
        with pytest.raises(InputError, match="action has shape"):
            env.step(bad)
    with pytest.raises(InputError, match="state has shape"):
        env.set_state(state[:-1])
    assert_same(state, env.get_state())


CHOICES = {
    "robot": FIRST,
    "wrist": "actuated",
    "control": "delta",
    "camera": "front",
    "cameras": "front",
    "render_mode": "rgb_array",
    "object": "box",
}


@pytest.mark.parametrize(
    ("env", "argument"),
    [(e, a) for e in (TRACK, GRASP, REORIENT) for a in CHOICES if (e, a) != (TRACK, "object")],
)
def test_unknown_names_are_told_with_the_choices(env, argument):
    said = ["nobody"] if argument == "cameras" else "nobody"
    with pytest.raises(UnknownNameError, match=f"'nobody'.*{CHOICES[argument]}"):
        make(env, **{"robot": hand(FIRST), argument: said})


def test_a_trajectory_of_another_hand_is_refused():
    with pytest.raises(InputError, match=f"hand {OTHER!r}, expected the right hand {FIRST!r}"):
        gymnasium.make(TRACK, hand=FIRST, trajectory=motion(hand(OTHER)))


@pytest.mark.parametrize("env", [GRASP, REORIENT])
def test_a_mesh_that_is_not_watertight_is_refused(env, tmp_path):
    mesh = trimesh.creation.box((0.05, 0.05, 0.05))
    mesh.faces = mesh.faces[:-1]
    mesh.export(tmp_path / "open.stl")
    with pytest.raises(InputError, match="not watertight"):
        gymnasium.make(env, hand=FIRST, object=str(tmp_path / "open.stl"))
