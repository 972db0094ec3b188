"""Control mode "tips": an action's fingertips come about, a command's fingertips are its action."""

import numpy as np
import pytest
from gymnasium.utils.env_checker import check_env

import handsim
from handsim.envs import ReorientEnv, TrackEnv
from handsim.errors import InputError
from handsim.hands.tip_solver import reach
from handsim.tip_targets import TipTargets
from tests.hands import EVERY, configurations, hand
from tests.motions import motion

NAMES = sorted({name for name, _ in EVERY})
FIRST = NAMES[0]


def control_of(robot, wrist: int = 0) -> TipTargets:
    ends = robot.ctrl_from_qpos(robot.limits.T.copy())
    low, high = (
        np.concatenate([np.full(wrist, side), e])
        for side, e in ((-0.5, ends.min(axis=0)), (0.5, ends.max(axis=0)))
    )
    return TipTargets(low, high, robot)


def tips_of(control: TipTargets, command: np.ndarray) -> np.ndarray:
    action = control.action(command, command)[..., -control.middle.size :]
    return control.middle + control.half * action.reshape(*action.shape[:-1], -1, 3)


@pytest.mark.parametrize(("name", "side"), EVERY)
def test_a_commands_action_is_its_fingertips(name, side):
    robot = hand(name, side)
    control, qpos = control_of(robot), configurations(robot, 50)
    commands = robot.ctrl_from_qpos(qpos)
    np.testing.assert_allclose(tips_of(control, commands), robot.tips(qpos), atol=1e-9)
    assert np.abs(control.action(commands, commands)).max() < 1.1


@pytest.mark.parametrize(("name", "side"), EVERY)
def test_fingertips_are_reached_wherever_they_come_from(name, side):
    """From one random position to another, without a way between."""
    robot = hand(name, side)
    control, qpos = control_of(robot), configurations(robot, 60, seed=2)
    current, misses = robot.ctrl_from_qpos(robot.neutral), []
    for wanted in robot.ctrl_from_qpos(qpos):
        current = control.command(control.action(wanted, wanted), current)
        assert (current >= control.low).all()
        assert (current <= control.high).all()
        misses.append(np.linalg.norm(tips_of(control, current) - tips_of(control, wanted), axis=1))
    assert np.mean(np.array(misses) < 1e-3) >= 0.99


@pytest.mark.parametrize("name", NAMES)
def test_a_motion_is_followed_without_a_jump(name):
    robot = hand(name)
    trajectory = motion(robot, amplitude=0.5)
    env = TrackEnv(robot, trajectory, control="tips")
    env.reset()
    wanted = robot.ctrl_from_qpos(trajectory.qpos)
    commands = [wanted[0]]
    for action in env.actions_to(wanted[1:]):
        assert np.abs(action).max() <= 1
        commands.append(env.control.command(action, commands[-1]))
    tips, aims = tips_of(env.control, np.array(commands)), robot.tips(trajectory.qpos)
    assert np.linalg.norm(tips - aims, axis=-1).max() < 1e-3
    joints = np.diff(commands, axis=0)
    assert np.abs(joints).max() < 4 * np.abs(np.diff(wanted, axis=0)).max()


def test_a_step_brings_the_tips_there():
    robot = hand(FIRST)
    env = TrackEnv(robot, motion(robot, amplitude=0.2), control="tips")
    env.reset()
    action = env.actions_to(robot.ctrl_from_qpos(env.reference.qpos[5:6]))[0]
    for _ in range(10):
        observation, *_ = env.step(action)
    np.testing.assert_allclose(
        observation["tips"], robot.tips(env.reference.qpos[5:6])[0], atol=1.5e-3
    )
    assert env.action_space.shape == (3 * len(robot.fingers),)


def test_the_wrist_comes_first_and_stays_affine():
    robot = hand(FIRST)
    control, alone = control_of(robot, wrist=6), control_of(robot)
    current = np.concatenate([np.zeros(6), robot.ctrl_from_qpos(robot.neutral)])
    action = np.random.default_rng(0).uniform(-1, 1, (4, 5, control.size))
    commands = control.command(action, current)
    np.testing.assert_allclose(commands[..., :6], 0.5 * action[..., :6])
    np.testing.assert_array_equal(commands[..., 6:], alone.command(action[..., 6:], current[6:]))
    back = control.action(commands, commands)
    np.testing.assert_allclose(back[..., :6], action[..., :6])
    np.testing.assert_allclose(back[..., 6:], alone.action(commands[..., 6:], current[6:]))


def test_an_environment_with_its_wrist_in_the_action_is_one_of_gymnasiums():
    env = ReorientEnv(hand(FIRST), wrist="actuated", control="tips")
    check_env(env, skip_render_check=True)
    assert env.action_space.shape == (6 + 3 * len(env.hand.fingers),)
    observation, _ = env.reset(seed=0)
    held = env.actions_to(env.command()[None])[0]
    for _ in range(5):
        after, *_ = env.step(held)
    np.testing.assert_allclose(after["ctrl"], observation["ctrl"], atol=2e-3)


def test_the_same_action_gives_the_same_bits_whatever_came_before():
    robot = hand("leap")
    control, start = control_of(robot), robot.ctrl_from_qpos(robot.neutral)
    actions = np.random.default_rng(0).uniform(-1, 1, (10, control.size))
    first = control.command(actions, start)
    control.command(actions[::-1].copy(), start)
    np.testing.assert_array_equal(first, control.command(actions, start))
    np.testing.assert_array_equal(first, control_of(robot).command(actions, start))


@pytest.mark.parametrize("name", NAMES)
def test_out_of_reach_the_nearest_is_found(name):
    """No position of a fixed sample is nearer; targets are twice as far away as the fingertips."""
    robot = hand(name)
    control = control_of(robot)
    start = robot.ctrl_from_qpos(robot.neutral)
    targets = 2 * robot.tips(configurations(robot, 5, seed=4))
    actions = ((targets - control.middle) / control.half).reshape(5, -1)
    found = tips_of(control, control.command(actions, start))
    sampled = robot.tips(configurations(robot, 3000, seed=5))
    for target, tips in zip(targets, found, strict=True):
        best = ((sampled - target) ** 2).sum(axis=(1, 2)).min()
        assert ((tips - target) ** 2).sum() <= best


def test_joints_that_move_no_tip_keep_their_targets():
    robot = hand("shadow")
    control = control_of(robot)
    current = robot.ctrl_from_qpos(configurations(robot, 1, seed=7)[0])
    moved = control.command(np.zeros(control.size), current)
    wrists = [i for i, joint in enumerate(robot.actuator_names) if "WRJ" in joint]
    assert len(wrists) == 2
    np.testing.assert_allclose(moved[wrists], current[wrists], atol=1e-12)


def test_the_solver_says_how_far_it_is():
    control = control_of(hand(FIRST))
    problem = control._problem
    problem.x[:] = (problem.low + problem.high) / 2
    problem.targets[:] = 0.0
    start = reach(problem, 0)
    assert start == pytest.approx(np.sqrt(np.mean(problem.misses**2)))
    assert reach(problem, 20) < start
    assert (problem.x >= problem.low).all()
    assert (problem.x <= problem.high).all()


def test_a_hand_with_more_joints_than_actuators_is_refused():
    free = handsim.load_hand("svh", couplings="free")
    with pytest.raises(InputError, match="expected of 'svh' an actuator for each"):
        control_of(free)
