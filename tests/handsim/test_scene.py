"""A scene puts the hand where it is asked to, keeps it there, and frames it."""

import mujoco
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.spatial.transform import Rotation

from handsim.contact import self_penetration
from handsim.errors import InputError, UnknownNameError
from handsim.poses import IDENTITY_POSE, matrices_from_poses, poses_from_matrices
from handsim.scene import MAX_TIMESTEP, build_scene, timestep_at
from handsim.stage import CAMERAS, build_stage
from handsim.wrist import MAX_WRIST_LEAD, WRIST_LAG, WRISTS
from tests.hands import EVERY, configurations, hand

every_hand = pytest.mark.parametrize(
    ("name", "side"), [pytest.param(*e, id="-".join(e)) for e in EVERY]
)
every_wrist = pytest.mark.parametrize("wrist", WRISTS)
COMMON = [(30.0, 16), (60.0, 8), (120.0, 4), (100.0, 5), (29.97, 17), (1000.0, 1)]
NAMES = sorted({name for name, _ in EVERY})


def random_pose(seed: int) -> np.ndarray:
    rng = np.random.default_rng(seed)
    quat = Rotation.random(rng=rng).as_quat(canonical=True, scalar_first=True)
    return np.concatenate([rng.uniform(-1, 1, 3), quat])


def placed(scene, qpos, wrist=IDENTITY_POSE):
    data = mujoco.MjData(scene.model)
    scene.place(data, qpos, wrist)
    return data


@every_hand
@every_wrist
def test_the_palm_is_where_it_was_asked_for(name, side, wrist):
    robot, pose = hand(name, side), random_pose(3)
    scene = build_scene(robot, wrist, palm=pose)
    data = placed(scene, robot.neutral, pose)
    np.testing.assert_allclose(scene.palm(data), pose, atol=1e-12)


@every_hand
@every_wrist
def test_tips_are_those_of_the_hand_alone(name, side, wrist):
    robot, pose = hand(name, side), random_pose(4)
    scene = build_scene(robot, wrist, palm=pose)
    for qpos in configurations(robot, 5):
        data = placed(scene, qpos, pose)
        np.testing.assert_allclose(scene.tips(data), robot.pose(qpos).tips, atol=1e-12)


@every_hand
@every_wrist
def test_the_hands_names_survive(name, side, wrist):
    robot = hand(name, side)
    scene = build_scene(robot, wrist, ground=-1.0)
    qpos = configurations(robot, 1)[0]
    data = placed(scene, qpos)
    for joint, value in zip(robot.joint_names, qpos, strict=True):
        assert data.joint(joint).qpos[0] == value
        assert (
            data.joint(joint).qpos[0] == data.qpos[scene.qpos_ids][robot.joint_names.index(joint)]
        )
    np.testing.assert_array_equal(data.qpos[scene.qpos_ids], qpos)
    for i, actuator in enumerate(robot.actuator_names):
        assert scene.model.actuator(actuator).id == scene.ctrl_ids[i]
    assert len(scene.dof_ids) == robot.nq


@every_hand
@every_wrist
def test_a_placed_hand_rests(name, side, wrist):
    """Zero actuator force, and no drift in 1 s whichever way gravity points."""
    robot = hand(name, side)
    scene = build_scene(robot, wrist)
    for gravity in np.concatenate([np.eye(3), -np.eye(3)]):
        scene.model.opt.gravity[:] = 9.81 * gravity
        data = placed(scene, robot.neutral)
        assert np.abs(data.actuator_force).max() < 1e-9
        mujoco.mj_step(scene.model, data, 480)
        scene.update(data)
        assert np.abs(data.qpos[scene.qpos_ids] - robot.neutral).max() < 1e-6
        np.testing.assert_allclose(scene.palm(data), IDENTITY_POSE, atol=1e-5)


@every_hand
@pytest.mark.parametrize("kind", WRISTS[1:])
def test_a_palm_that_moves_is_placed_with_the_hands_own_wrist_bent(name, side, kind):
    robot, palm = hand(name, side), random_pose(5)
    scene = build_scene(robot, kind)
    for qpos in configurations(robot, 5, seed=1):
        wrist = scene.wrist_poses(palm[None], qpos[None])[0]
        np.testing.assert_allclose(scene.palm(placed(scene, qpos, wrist)), palm, atol=1e-12)


@every_hand
def test_the_cameras_see_the_whole_hand(name, side):
    """Every link of palm and fingers projects into each picture."""
    robot = hand(name, side)
    scene = build_scene(robot, palm=random_pose(6))
    data = placed(scene, robot.neutral)
    points = np.concatenate([data.site_xpos[scene.tip_ids], data.site_xpos[[scene.palm_id]]])
    for camera in CAMERAS:
        seen = data.camera(camera)
        local = (points - seen.xpos) @ seen.xmat.reshape(3, 3)
        half = np.tan(np.radians(scene.model.camera(camera).fovy[0]) / 2)
        assert (local[:, 2] < -0.02).all(), camera
        assert (np.abs(local[:, 1] / local[:, 2]) < half).all(), camera
        assert (np.abs(local[:, 0] / local[:, 2]) < half * 4 / 3).all(), camera
    right, up = data.camera("front").xmat.reshape(3, 3)[:, :2].T
    index, last = points[1], points[-2]
    assert np.sign(right @ (index - last)) == (1 if side == "right" else -1)
    assert up @ (index - points[-1]) > 0.05


@pytest.mark.parametrize("name", NAMES)
def test_self_collision_can_be_left_out_and_the_ground_stays(name):
    robot = hand(name)
    low = robot.tips(robot.neutral[None])[0, :, 2].max() - 0.02
    qpos = configurations(robot, 50)
    folded = qpos[self_penetration(robot, qpos).argmax()]
    for self_collision in (True, False):
        data = placed(build_scene(robot, self_collision=self_collision), folded)
        assert (data.ncon > 0) == self_collision
    for self_collision in (True, False):
        scene = build_scene(robot, ground=float(low), self_collision=self_collision)
        data = placed(scene, robot.neutral)
        ground = scene.model.geom("ground").id
        assert data.ncon > 0
        assert (data.contact.geom == ground).any(axis=1).any()


def test_two_builds_step_to_the_same_bits():
    robot = hand(NAMES[0])
    states = []
    for _ in range(2):
        scene = build_scene(robot, "floating", ground=0.0)
        data = placed(scene, configurations(robot, 1)[0])
        mujoco.mj_step(scene.model, data, 50)
        states.append(np.concatenate([data.qpos, data.qvel]))
    np.testing.assert_array_equal(*states)


@pytest.mark.parametrize(("kind", "lag"), [("floating", WRIST_LAG), ("actuated", 1 / (15 * np.pi))])
def test_a_steadily_moving_wrist_trails_its_target_by_the_lag(kind, lag):
    scene = build_scene(hand(NAMES[0]), kind)
    data = placed(scene, scene.hand.neutral)
    speed, pose = 0.5, IDENTITY_POSE.copy()
    for _ in range(240):
        pose[0] = speed * data.time
        scene.wrist.simulate(scene.model, data, scene.wrist.targets(pose[None]))
    scene.update(data)
    trailing = (speed * data.time - scene.palm(data)[0]) / speed
    assert trailing == pytest.approx(lag, rel=0.02)


def test_the_wrist_target_is_kept_on_a_leash():
    """A target 10 m away pulls no harder than one at the end of the leash."""
    scene = build_scene(hand(NAMES[0]), "floating")
    data, far = placed(scene, scene.hand.neutral), IDENTITY_POSE.copy()
    far[:3] = 6.0, 0.0, 8.0
    scene.wrist.simulate(scene.model, data, far[None])
    np.testing.assert_allclose(data.mocap_pos[0], MAX_WRIST_LEAD * np.array([0.6, 0.0, 0.8]))
    near = IDENTITY_POSE.copy()
    near[:3] = 0.01, 0.02, 0.0
    scene.wrist.simulate(scene.model, data, near[None])
    np.testing.assert_array_equal(data.mocap_pos[0], near[:3])


def test_poses_and_matrices_are_inverse():
    poses = np.array([[random_pose(i) for i in range(4)] for _ in range(2)])
    matrices = matrices_from_poses(poses)
    np.testing.assert_allclose(poses_from_matrices(matrices), poses, atol=1e-12)
    np.testing.assert_allclose(np.linalg.det(matrices[..., :3, :3]), 1.0)


@given(st.floats(1.0, 2000.0))
def test_a_control_step_is_a_whole_number_of_short_physics_steps(rate):
    timestep, substeps = timestep_at(rate)
    assert timestep * substeps == pytest.approx(1 / rate, rel=1e-12)
    assert timestep <= MAX_TIMESTEP * 1.001
    assert substeps == 1 or 1 / (rate * (substeps - 1)) > MAX_TIMESTEP * 0.999


@pytest.mark.parametrize(("rate", "substeps"), COMMON)
def test_substeps_at_common_rates(rate, substeps):
    assert timestep_at(rate)[1] == substeps


def test_the_physics_options():
    option = build_scene(hand(NAMES[0])).model.opt
    assert option.timestep == MAX_TIMESTEP
    assert option.integrator == int(mujoco.mjtIntegrator.mjINT_IMPLICITFAST)
    assert option.cone == int(mujoco.mjtCone.mjCONE_ELLIPTIC)
    assert (option.impratio, option.noslip_iterations) == (10, 3)


def test_the_stage_has_the_cameras_and_no_robot():
    stage = build_stage("right")
    assert [stage.camera(i).name for i in range(stage.ncam)] == ["wrist", "front", "top"]
    assert stage.nq == 0


def test_the_scenes_text_compiles_to_the_same_structure():
    scene = build_scene(hand(NAMES[0]), "floating", ground=-1.0)
    again = mujoco.MjModel.from_xml_string(scene.xml)
    for size in ("nq", "nv", "nu", "nbody", "ngeom", "neq", "ncam"):
        assert getattr(again, size) == getattr(scene.model, size)
    np.testing.assert_allclose(again.body_pos, scene.model.body_pos, atol=1e-6)


def test_what_is_refused():
    robot = hand(NAMES[0])
    with pytest.raises(UnknownNameError, match="actuated, fixed, floating"):
        build_scene(robot, "flying")
    with pytest.raises(InputError, match="1/480"):
        build_scene(robot, timestep=0.01)
    with pytest.raises(InputError, match="unit quaternion"):
        build_scene(robot, palm=np.zeros(7))
    with pytest.raises(InputError, match="positive"):
        timestep_at(0.0)
