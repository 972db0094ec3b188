"""Planned grasps are what they claim to be, and hands hold what they grasp."""

import mujoco
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import handsim
from benchmarks.grasps import HOLD, MOST_DEPTH, MOST_SLIP, trial
from handsim.errors import InputError
from handsim.furniture import OBJECT, TABLE
from handsim.grasp_script import CARRY_SECONDS, LIFTED, REST, carried, eased, scripted, shaken
from handsim.grasps import Grasp, plan_grasp
from handsim.hands.capsules import colliding, tip_body
from handsim.poses import matrices_from_poses, poses_from_matrices
from handsim.scene import build_scene
from tests.hands import hand
from tests.objects import slab

GRASPED = [
    ("dex3", "left", "box"),
    ("inspire", "right", "cylinder"),
    ("ability", "right", "sphere"),
]
each = pytest.mark.parametrize(("name", "side", "item"), GRASPED)
START = np.array([0.1, -0.05, 0.05, np.cos(0.2), 0.0, 0.0, np.sin(0.2)])

_planned: dict[tuple[str, str, str], Grasp] = {}


def planned(name: str, side: str, item: handsim.SceneObject) -> Grasp:
    key = (name, side, item.name)
    if key not in _planned:
        _planned[key] = plan_grasp(hand(name, side), item)
    return _planned[key]


def placed(name: str, side: str, item: handsim.SceneObject, qpos: np.ndarray):
    """A scene in which the hand is where the grasp has it, and its state."""
    robot, grasp = hand(name, side), planned(name, side, item)
    scene = build_scene(robot, "floating", table=0.0, object=item)
    data = mujoco.MjData(scene.model)
    T_world_object = np.eye(4)
    T_world_object[2, 3] = item.rest_height
    palm = poses_from_matrices(T_world_object @ matrices_from_poses(grasp.palm))
    wrist = scene.wrist_poses(palm[None], qpos[None])[0]
    scene.place(data, qpos, wrist, np.array([0, 0, item.rest_height, 1.0, 0, 0, 0]))
    return scene, data


def gap(scene, data, geoms: list[int], others: list[int]) -> float:
    return min(
        mujoco.mj_geomDistance(scene.model, data, a, b, 1.0, None) for a in geoms for b in others
    )


def gaps(scene, data) -> list[float]:
    """From the last link of each finger to the object's surface [m]."""
    model = scene.model
    item = colliding(model, model.body(OBJECT).id)
    tips = [colliding(model, tip_body(model, finger)) for finger in scene.hand.fingers]
    return [gap(scene, data, geoms, item) for geoms in tips]


@each
def test_closed_fingertips_touch_the_object_and_nothing_goes_into_it(name, side, item):
    item = handsim.load_object(item)
    scene, data = placed(name, side, item, planned(name, side, item).closed)
    found = np.array(gaps(scene, data))
    assert (np.abs(found) < 1.5e-3).sum() >= min(3, len(found))
    assert np.abs(found[0]) < 1.5e-3
    assert data.contact.dist.min(initial=0.0) > -2e-3


@each
def test_thumb_and_fingers_are_on_opposite_sides(name, side, item):
    item = handsim.load_object(item)
    scene, data = placed(name, side, item, planned(name, side, item).closed)
    tips = data.site_xpos[scene.tip_ids] - data.body(OBJECT).xpos
    thumb, others = tips[0], tips[1:].mean(axis=0)
    assert thumb @ others < 0
    assert abs(thumb[2] - others[2]) < 0.015


@each
def test_an_open_hand_touches_nothing_and_a_pressing_one_reaches_inside(name, side, item):
    item = handsim.load_object(item)
    grasp = planned(name, side, item)
    scene, data = placed(name, side, item, grasp.open)
    bodies = scene.model.geom_bodyid[data.contact.geom]
    assert not (bodies == scene.model.body(OBJECT).id).all(axis=1).any()
    assert min(gaps(scene, data)) > 3e-3
    scene, data = placed(name, side, item, grasp.pressed)
    assert np.mean(gaps(scene, data)) < -2e-3


@each
def test_the_hand_keeps_off_the_table(name, side, item):
    item = handsim.load_object(item)
    scene, data = placed(name, side, item, planned(name, side, item).closed)
    model = scene.model
    hand_geoms = [
        g
        for b in range(1, model.nbody)
        if model.body(b).name != OBJECT
        for g in colliding(model, b)
    ]
    assert gap(scene, data, hand_geoms, [model.geom(TABLE).id]) > 1e-3


def test_a_plan_is_the_same_every_time():
    item = handsim.load_object("box")
    one, other = plan_grasp(hand("dex3"), item), plan_grasp(hand("dex3"), item)
    for name in ("open", "closed", "pressed", "palm", "retreat"):
        np.testing.assert_array_equal(getattr(one, name), getattr(other, name))


def test_a_mesh_is_grasped_where_it_is_and_not_about_its_origin():
    robot = hand("dex3")
    centred, aside = (plan_grasp(robot, slab(place)) for place in ((0, 0, 0.05), (0.2, 0.1, 0.05)))
    np.testing.assert_allclose(aside.palm[:3] - centred.palm[:3], [0.2, 0.1, 0.0], atol=1e-3)
    np.testing.assert_allclose(aside.closed, centred.closed, atol=1e-2)


def test_what_is_too_wide_is_refused():
    with pytest.raises(InputError, match=r"expected at most 0.09 m along x or y"):
        plan_grasp(hand("dex3"), handsim.load_object("box").scaled((4.0, 4.0, 1.0)))


@pytest.mark.parametrize(("name", "item"), [("inspire", "box"), ("ability", "cylinder")])
def test_a_hand_holds_what_it_grasps(name, item):
    """200 g for five seconds and through a shake; `benchmarks.grasps` has all hands."""
    found = trial(hand(name), handsim.load_object(item))
    assert found.success
    assert found.hold_slip < MOST_SLIP
    assert found.shake_slip < 2 * MOST_SLIP
    assert found.depth < MOST_DEPTH
    assert found.holds


def test_without_pressing_it_is_dropped():
    """The guard of the test above."""
    robot, item = hand("inspire"), handsim.load_object("box")
    times = np.arange(round(LIFTED * 30) + 1) / 30
    start = np.array([0.0, 0.0, item.rest_height, 1.0, 0.0, 0.0, 0.0])
    path = shaken(start, times, HOLD)
    grasp = plan_grasp(robot, item)
    weak = Grasp(grasp.open, grasp.open, grasp.open, grasp.palm, grasp.retreat, grasp.cost)
    told = scripted(robot, weak, times, path)
    env = handsim.envs.GraspEnv(
        robot, demonstration=handsim.demonstration.Demonstration(told, item, path)
    )
    rollout = handsim.replay(env)
    assert rollout.terminated[-1]
    assert rollout.info["failure"][-1]
    assert not rollout.info["success"].any()


@given(share=st.floats(0, 1))
def test_what_is_eased_is_even_about_its_middle(share):
    one, other = eased(np.array([share, 1 - share]))
    assert one + other == pytest.approx(1.0)
    np.testing.assert_array_equal(eased(np.array([-1.0, 0.0, 1.0, 2.0])), [0, 0, 1, 1])


@pytest.mark.parametrize("shape", [carried, shaken])
def test_a_path_rests_then_moves_gently(shape):
    times = np.arange(0, 10, 1 / 480)
    drawn = {carried: np.random.default_rng(0), shaken: 5.0}[shape]
    path = shape(START, times, drawn)
    np.testing.assert_allclose(path[times <= REST], np.tile(START, (sum(times <= REST), 1)))
    assert path[times > LIFTED, 2].min() > START[2] + 0.08
    acceleration = np.diff(path[:, :3], 2, axis=0) * 480**2
    assert np.linalg.norm(acceleration, axis=1).max() < 8.0
    np.testing.assert_allclose(np.linalg.norm(path[:, 3:], axis=1), 1.0)


def test_a_carried_object_ends_where_it_was_drawn_to_be():
    times = np.array([0.0, CARRY_SECONDS, CARRY_SECONDS + 5])
    ends = [carried(START, times, np.random.default_rng(seed)) for seed in (0, 0, 1)]
    np.testing.assert_array_equal(ends[0], ends[1])
    assert np.abs(ends[0] - ends[2]).max() > 1e-3
    for end in ends:
        np.testing.assert_allclose(end[1], end[2])
        assert 0.1 <= end[1, 2] - START[2] <= 0.15
        assert np.abs(end[1, :2] - START[:2]).max() <= 0.08


def test_a_scripted_palm_moves_with_the_object():
    robot, item = hand("dex3", "left"), handsim.load_object("box")
    grasp = planned("dex3", "left", item)
    times = np.arange(0, CARRY_SECONDS, 1 / 30)
    path = carried(START, times, np.random.default_rng(0))
    told = scripted(robot, grasp, times, path)
    palm = np.linalg.inv(matrices_from_poses(path)) @ matrices_from_poses(told.wrist)
    there = times >= 0.8
    expected = np.broadcast_to(matrices_from_poses(grasp.palm), palm[there].shape)
    np.testing.assert_allclose(palm[there], expected, atol=1e-9)
    waiting = palm[0, :3, 3] - expected[0, :3, 3]
    np.testing.assert_allclose(waiting, grasp.retreat, atol=1e-9)
    np.testing.assert_allclose(told.qpos[0], grasp.open, atol=1e-12)
    np.testing.assert_allclose(told.qpos[-1], grasp.pressed, atol=1e-12)
