"""Domain randomization: what is drawn, what it changes in the model, and that nothing else does."""

from dataclasses import replace

import gymnasium
import mujoco
import numpy as np
import pytest

import handsim
from handsim.demonstration import Demonstration
from handsim.envs import TRACK, GraspEnv, TrackEnv
from handsim.errors import InputError, UnknownNameError
from handsim.objects import load_object
from handsim.randomization import Randomization, longest_latency
from handsim.scene import build_scene
from handsim.scene_object import SHAPES, SceneObject
from handsim.variation import Variation
from tests.environments import Step, assert_same, play, random_actions
from tests.hands import hand
from tests.motions import motion

HAND = "ability"
EVERYTHING = {
    "friction": [0.5, 1.5],
    "gains": [0.8, 1.2],
    "damping": [0.7, 1.3],
    "latency": [0.0, 0.03],
    "light": [0.5, 1.2],
    "light_turn": [-0.5, 0.5],
    "camera_shift": [-0.01, 0.01],
    "camera_turn": [-0.05, 0.05],
    "colour": [-0.2, 0.2],
    "noise": {"qpos": 0.01, "qvel": 0.1, "tips": 0.002, "palm": 0.001, "palm_turn": 0.02},
}
PYRAMID = np.array([[0, 0, 0], [0.05, 0, 0], [0, 0.04, 0], [0.01, 0.01, 0.06]])
OBJECTS = {
    "box": (0.05, 0.06, 0.1),
    "cylinder": (0.05, 0.05, 0.1),
    "sphere": (0.06, 0.06, 0.06),
    "capsule": (0.04, 0.04, 0.12),
    "ellipsoid": (0.05, 0.06, 0.1),
}


def object_of(shape: str) -> SceneObject:
    if shape != "mesh":
        return SceneObject(shape, shape, OBJECTS[shape], 0.2)
    pieces = (PYRAMID, PYRAMID * [-1, 1, 1])
    extents = np.ptp(np.concatenate(pieces), axis=0)
    return SceneObject("mesh", "mesh", tuple(extents.tolist()), 0.2, pieces=pieces)


def scene_of(shape: str | None = None, factor: float = 1.0, table: float | None = 0.1, **kwargs):
    object = None if shape is None else object_of(shape).scaled(factor)
    return build_scene(hand(HAND), "actuated", table=table, object=object, **kwargs)


def arrays(model: mujoco.MjModel) -> dict[str, np.ndarray]:
    found = {name: getattr(model, name) for name in dir(model)}
    found = {name: a.copy() for name, a in found.items() if isinstance(a, np.ndarray)}
    light = model.vis.headlight
    found["meaninertia"] = np.array(model.stat.meaninertia)
    return found | {f"headlight_{n}": getattr(light, n).copy() for n in ("ambient", "diffuse")}


def changed(before: dict, after: dict) -> set[str]:
    return {name for name in before if not np.array_equal(before[name], after[name])}


def belongs(key: str, name: str) -> bool:
    return key == name or (key.startswith(name + "_") and name != "light")


def env_of(randomization=None, **kwargs) -> TrackEnv:
    return TrackEnv(hand(HAND), motion(hand(HAND)), randomization=randomization, **kwargs)


def run(env: TrackEnv, seed: int | None) -> list[Step]:
    return play(env, random_actions(env, 8), seed)


def test_a_seed_gives_the_same_bits_whatever_came_before():
    env = env_of(EVERYTHING)
    first = run(env, 3)
    run(env, None)
    run(env, 8)
    assert_same(first, run(env, 3))
    assert_same(first, run(env_of(EVERYTHING), 3))
    assert run(env, 4)[0].info["randomization"] != first[0].info["randomization"]


def test_every_episode_draws_anew_within_the_ranges():
    env = env_of(EVERYTHING)
    episodes = [env.reset(seed=0)[1]["randomization"]]
    episodes += [env.reset()[1]["randomization"] for _ in range(20)]
    for name, (low, high) in env.randomization.ranges().items():
        rows = np.array([[v for k, v in e.items() if belongs(k, name)] for e in episodes])
        assert (rows >= low).all()
        assert (rows <= high).all()
        assert (np.ptp(rows, axis=0) > 0.5 * (high - low)).all()
    assert len({episode["noise_key"] for episode in episodes}) == len(episodes)


def test_an_episode_can_be_had_again_from_what_info_says():
    env, other = env_of(EVERYTHING), env_of(EVERYTHING)
    env.reset(seed=0)
    values = env.reset()[1]["randomization"]
    observation, info = other.reset(seed=9, options={"randomization": values})
    assert info["randomization"] == values
    assert not changed(arrays(env.scene.model), arrays(other.scene.model))
    assert_same(env.observe(), observation)


def test_a_state_resumes_to_the_same_bits_with_its_noise():
    env, other = env_of(EVERYTHING), env_of(EVERYTHING)
    values = env.reset(seed=0)[1]["randomization"]
    actions = np.random.default_rng(0).uniform(-1, 1, (10, env.hand.nu))
    for action in actions[:5]:
        observation, *_ = env.step(action)
    other.reset(options={"randomization": values})
    resumed = other.set_state(env.get_state())
    for action in (None, *actions[5:]):
        if action is not None:
            observation, resumed = env.step(action)[0], other.step(action)[0]
        assert_same(observation, resumed)
        np.testing.assert_array_equal(env.get_state(), other.get_state())


def test_settings_make_the_environment_again():
    env = env_of(EVERYTHING)
    again = TrackEnv(trajectory=motion(hand(HAND)), **env.settings)
    assert again.randomization == env.randomization
    assert_same(run(env, 1), run(again, 1))
    assert env_of().settings["randomization"] is None


def test_without_randomization_nothing_is_touched():
    env = env_of()
    before = arrays(env.scene.model)
    assert "randomization" not in env.reset(seed=0)[1]
    assert not changed(before, arrays(env.scene.model))
    plain = build_scene(hand(HAND), timestep=env.scene.model.opt.timestep)
    assert not changed(arrays(plain.model), before)


def test_the_model_comes_back_as_it_was():
    env = env_of(EVERYTHING)
    before = arrays(env.scene.model)
    for _ in range(3):
        env.reset()
        assert changed(before, arrays(env.scene.model))
    env.reset(options={"randomization": {}})
    assert not changed(before, arrays(env.scene.model))


DERIVED = {"body_invweight0", "dof_invweight0", "body_subtreemass", "dof_M0", "actuator_acc0"}
DERIVED |= {"cam_poscom0", "light_poscom0", "meaninertia"}
PLACES = {"cam_pos0", "cam_mat0", "cam_poscom0"}
CHANGES = {
    "friction": ({"friction": 0.5}, {"geom_friction"}),
    "mass": ({"mass": 2.0}, {"body_mass", "body_inertia", *DERIVED}),
    "gains": ({"gains": 1.5}, {"actuator_gainprm", "actuator_biasprm"}),
    "damping": ({"damping": 1.5}, {"actuator_biasprm", "dof_damping"}),
    "latency": ({"latency": 0.02}, {"actuator_delay"}),
    "light": (
        {"light": 0.5},
        {"light_diffuse", "light_specular", "headlight_ambient", "headlight_diffuse"},
    ),
    "light_turn": ({"light_turn_x": 0.5}, {"light_dir", "light_dir0"}),
    "camera_shift": ({"camera_shift_wrist_y": 0.01}, {"cam_pos", *PLACES}),
    "camera_turn": ({"camera_turn_top_x": 0.1}, {"cam_quat", "cam_mat0"}),
    "colour": ({"colour_hand_red": -0.1}, {"geom_rgba", "mat_rgba"}),
}


@pytest.mark.parametrize("kind", CHANGES)
def test_each_kind_changes_what_it_should_and_nothing_else(kind):
    values, allowed = CHANGES[kind]
    scene = scene_of("box", longest_latency=0.02)
    before = arrays(scene.model)
    Variation(scene).varied(values)
    found = changed(before, arrays(scene.model))
    assert found
    assert found <= allowed


def test_the_hand_is_scaled_and_the_wrist_is_not():
    scene = scene_of("box")
    model, hands = scene.model, scene.ctrl_ids
    rest = np.setdiff1d(np.arange(model.nu), hands)
    before = model.actuator_biasprm.copy()
    Variation(scene).varied({"gains": 2.0, "damping": 3.0})
    np.testing.assert_allclose(model.actuator_biasprm[hands, :3], before[hands, :3] * [2, 2, 3])
    np.testing.assert_allclose(model.actuator_gainprm[hands, 0], -model.actuator_biasprm[hands, 1])
    np.testing.assert_array_equal(model.actuator_biasprm[rest], before[rest])


def test_colours_belong_to_their_owner():
    scene = scene_of("box")
    model, before = scene.model, scene.model.geom_rgba.copy()
    Variation(scene).varied({"colour_object_green": 0.3, "colour_table_blue": -2.0})
    rows = np.flatnonzero((model.geom_rgba != before).any(axis=1))
    assert {model.geom(i).name or model.body(model.geom_bodyid[i]).name for i in rows} == {
        "object",
        "table",
    }
    assert model.geom("table").rgba[2] == 0.0


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("table", [None, 0.1])
def test_a_scaled_object_is_as_if_it_had_been_built_so(shape, table):
    """Meshes keep their vertices as 32-bit numbers."""
    scene, built = scene_of(shape, table=table), scene_of(shape, 1.3, table=table)
    varied = Variation(scene).varied({"size": 1.3})
    found, expected = arrays(scene.model), arrays(built.model)
    tolerance = 3e-6 if shape == "mesh" else 1e-12
    for name in expected:
        np.testing.assert_allclose(
            found[name], expected[name], rtol=tolerance, atol=tolerance, err_msg=name
        )
    assert varied.object.size == pytest.approx(built.object.size)
    assert varied.object.rest_height == pytest.approx(built.object.rest_height)


def test_an_object_of_another_mass_is_as_if_it_had_been_built_so():
    scene = scene_of("cylinder")
    heavy = replace(object_of("cylinder"), mass=0.5, friction=0.4)
    built = build_scene(hand(HAND), "actuated", table=0.1, object=heavy)
    varied = Variation(scene).varied({"mass": 2.5})
    assert varied.object.mass == pytest.approx(0.5)
    for name in ("body_mass", "body_inertia", "body_subtreemass", "dof_invweight0"):
        expected = getattr(built.model, name)
        np.testing.assert_allclose(getattr(scene.model, name), expected, rtol=1e-12)


@pytest.mark.usefixtures("opengl")
def test_pictures_show_what_was_drawn_and_resume():
    env = env_of(
        {"camera_shift": [0.02, 0.02], "colour": [-0.3, 0.3]},
        cameras=["front"],
        wrist="actuated",
        width=48,
        height=48,
    )
    pictures = [env.reset(seed=seed)[0]["image_front"] for seed in (0, 0, 1)]
    np.testing.assert_array_equal(pictures[0], pictures[1])
    assert (pictures[0] != pictures[2]).any()
    for _ in range(5):
        seen = env.step(env.action_space.sample())[0]["image_front"]
    state = env.get_state()
    env.reset(options={"randomization": env.drawn})
    np.testing.assert_array_equal(env.set_state(state)["image_front"], seen)
    env.close()


@pytest.mark.usefixtures("unchecked")
@pytest.mark.parametrize(
    ("said", "message"),
    [
        ({"weight": [1, 2]}, "[Uu]nknown randomization 'weight'.*friction"),
        ({"noise": {"qposs": 0.1}}, "[Uu]nknown observation for noise 'qposs'"),
        ({"noise": {"qpos": -1}}, "noise.'qpos'.*at least 0"),
        ({"noise": {"object": 0.1}}, "'object': there is no object"),
        ({"friction": [2, 1]}, "friction.*low ≤ high"),
        ({"friction": 2}, "friction: 2, expected two numbers"),
        ({"friction": [np.nan, 1]}, "friction.*low ≤ high"),
        ({"friction": [-1, 1]}, "nothing below 0"),
        ({"gains": [0, 1]}, "gains.*positive"),
        ({"mass": [1, 2]}, "'mass': there is no object"),
    ],
)
def test_what_means_nothing_is_refused(said, message):
    with pytest.raises((InputError, UnknownNameError), match=message):
        env_of(said)


def test_values_that_do_not_fit_are_refused_and_change_nothing():
    env = env_of({"friction": [0.5, 0.5]})
    env.reset(seed=0)
    before = arrays(env.scene.model)
    for values in ({"mass": 2.0}, {"latency": 0.1}, {"weight": 1.0}):
        with pytest.raises((InputError, UnknownNameError)):
            env.reset(options={"randomization": values})
        assert not changed(before, arrays(env.scene.model))


def test_what_is_off_is_off():
    assert not Randomization()
    assert Randomization().as_dict() is None
    assert Randomization.of(None) == Randomization.of({}) == Randomization()
    assert longest_latency(None) == 0.0
    said = Randomization.of(EVERYTHING)
    assert Randomization.of(said.as_dict()) == said
    assert load_object("box").scaled(1.0).size == load_object("box").size


def test_each_environment_of_a_batch_draws_its_own():
    robot = hand(HAND)
    kwargs = {"hand": robot, "trajectory": motion(robot), "randomization": EVERYTHING}
    batch = gymnasium.make_vec(TRACK, num_envs=3, **kwargs)
    observations, info = batch.reset(seed=[1, 2, 1])
    drawn = info["randomization"]["friction"]
    assert drawn[0] == drawn[2] != drawn[1]
    alone, _ = env_of(EVERYTHING).reset(seed=2)
    for name, array in alone.items():
        np.testing.assert_array_equal(observations[name][1], array)
    batch.close()


def test_a_rollout_says_what_was_drawn_and_is_had_again():
    env = env_of(EVERYTHING)
    rollout = handsim.replay(env, seed=11)
    assert rollout.metadata["randomization"] == env.drawn
    again = TrackEnv(trajectory=motion(hand(HAND)), **rollout.metadata["env_kwargs"])
    repeated = handsim.perform(again, rollout.actions, seed=rollout.metadata["seed"])
    np.testing.assert_array_equal(rollout.states, repeated.states)
    assert_same(rollout.observations, repeated.observations)


def test_a_larger_object_stands_on_the_table_and_its_path_is_as_much_higher():
    robot, item = hand(HAND), load_object("box")
    shown = motion(robot, seconds=0.5)
    place = np.array([0.0, 0.0, item.rest_height, 1.0, 0.0, 0.0, 0.0])
    path = np.tile(place, (len(shown), 1))
    ranges = {"size": [1.1, 1.4]}
    env = GraspEnv(robot, demonstration=Demonstration(shown, item, path), randomization=ranges)
    seen = set()
    for seed in range(3):
        observation, info = env.reset(seed=seed)
        height = info["randomization"]["size"] * item.rest_height
        assert observation["object"][2] == pytest.approx(height)
        assert observation["goal"][2] == pytest.approx(height)
        assert info["object_error"] < 1e-9
        seen.add(height)
    assert len(seen) == 3
