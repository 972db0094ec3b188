"""Configurations of dex-retargeting: planted poses found, every rule by hand, equality with it."""

import textwrap
from pathlib import Path

import numpy as np
import pytest

from handsim.errors import FormatError, InputError, MissingFileError, UnknownNameError
from handsim.hands.link_robot import FLOATING, LinkRobot
from retarget import load, load_dex_config
from retarget.dex_reference import operator_keypoints
from retarget.references.dexpilot import Latch
from tests.retarget.people import person
from tests.retarget.tiny_dex import DEXPILOT, INDEPENDENT, LIMIT, POSITION, URDF, VECTOR


@pytest.fixture
def write(tmp_path):
    """Write a configuration beside the tiny hand's URDF; its path."""
    (tmp_path / "tiny.urdf").write_text(URDF)

    def written(text):
        (tmp_path / "config.yml").write_text(textwrap.dedent(text))
        return tmp_path / "config.yml"

    return written


def poses(retargeter, count=20):
    """Smooth motions of the independent joints inside the limits, the floating base near 0."""
    t = np.linspace(0.0, 3.0, count)[:, None]
    phase = np.arange(len(retargeter.robot.independent_ids))
    x = 0.6 + 0.3 * np.sin(t + phase)
    if retargeter.config.add_dummy_free_joint:
        x[:, :6] = 0.1 * np.sin(t + phase[:6])
    return retargeter.robot.expand(x)


def keypoints_of(retargeter, qpos):
    """A person whose keypoints are where the links' origins are, over the scale."""
    robot, config = retargeter.robot, retargeter.config
    points = robot.tree.points(qpos)
    keypoints = np.zeros((len(qpos), 21, 3))
    keypoints[:, [5, 9, 17]] = [[0.0, 0.02, 0.09], [0.0, 0.0, 0.09], [0.0, -0.02, 0.08]]
    names = retargeter.reference.links
    for (_, link), (_, keypoint) in zip(config.links, config.keypoints, strict=True):
        keypoints[:, keypoint] = points[:, names.index(link)] / config.scaling_factor
    return keypoints


@pytest.mark.parametrize("config", [VECTOR, POSITION])
@pytest.mark.parametrize("solver", ["newton", "slsqp"])
def test_a_planted_motion_is_found(write, config, solver):
    retargeter = load_dex_config(write(config), solver=solver)
    qpos = poses(retargeter)
    solution = retargeter.retarget(person(keypoints_of(retargeter, qpos)))
    assert solution.failed == 0
    np.testing.assert_allclose(solution.trajectory.qpos[1:], qpos[1:], atol=3e-3)
    assert set(solution.trajectory.joint_names) == {*INDEPENDENT, "middle_2"} | (
        set(FLOATING) if retargeter.config.add_dummy_free_joint else set()
    )


def test_mimic_joints_follow_or_are_free(write):
    path = write(VECTOR)
    coupled = load_dex_config(path)
    qpos = coupled.step(keypoints_of(coupled, poses(coupled))[3]).qpos
    driver, follower = (coupled.joint_names.index(n) for n in ("middle_1", "middle_2"))
    assert qpos[follower] == pytest.approx(0.5 * qpos[driver] + 0.1)
    free = load_dex_config(
        write(VECTOR.replace("middle_1']", "middle_1', 'middle_2']") + "  ignore_mimic_joint: true")
    )
    assert len(free.robot.independent_ids) == 6
    rest = load_dex_config(write(DEXPILOT.replace("target_joint_names", "# target_joint_names")))
    assert {rest.joint_names[j] for j in rest.robot.independent_ids} == set(INDEPENDENT)


def value_by_hand(kind, points, keypoints, change, closed=()):
    """dex-retargeting's objective, term by term as its optimizer.py has it."""

    def smooth_l1(d, beta):
        return np.where(d < beta, d * d / (2 * beta), d - beta / 2)

    fingers = ("thumb", "index", "middle")
    tips = np.stack([points[f"{finger}_tip"] for finger in fingers])
    if kind == "position":
        near = np.stack([points[f"{finger}_near"] for finger in fingers])
        error = np.abs(np.vstack([tips, near]) - keypoints[[4, 8, 12, 2, 6, 10]])
        return smooth_l1(error, 0.02).mean() + 1e-7 * (change**2).sum()
    human = keypoints[[4, 8, 12]] - keypoints[0]
    if kind == "vector":
        distance = np.linalg.norm(tips - points["base"] - 2.0 * human, axis=1)
        return smooth_l1(distance, 0.02).mean() + 1e-7 * (change**2).sum()
    ends = [(0, 1), (0, 2), (1, 2)]
    total = 0.0
    for pair, (a, b) in enumerate(ends):
        wanted, weight = human[a] - human[b], 1.0
        if pair in closed:
            weight = 400.0 if pair == 2 else 200.0
            eta = 3e-2 if pair == 2 else 1e-4
            wanted = wanted / (np.linalg.norm(wanted) + 1e-6) * eta
        total += weight * smooth_l1(np.linalg.norm(tips[a] - tips[b] - wanted), 0.03)
    palm = np.linalg.norm(tips - points["base"] - human, axis=1)
    total += (6.0 * smooth_l1(palm, 0.03)).sum()
    return total / 6.0 + 4e-3 * (change**2).sum()


@pytest.mark.parametrize(
    ("kind", "config", "scale", "closed"),
    [
        ("vector", VECTOR, 1.0, ()),
        ("position", POSITION, 1.0, ()),
        ("dexpilot", DEXPILOT, 1.0, ()),
        ("dexpilot", DEXPILOT, 0.2, (0, 1, 2)),
        ("dexpilot", DEXPILOT, 0.4, (0,)),
    ],
)
def test_the_cost_is_that_of_dex_retargeting(write, kind, config, scale, closed):
    """Near and far from the targets, on both sides of the Huber function's bend."""
    retargeter = load_dex_config(write(config))
    keypoints = np.random.default_rng(3).normal(scale=0.05, size=(21, 3))
    keypoints[[4, 8, 12]] = scale * np.array([[0, 0, 0.1], [0, 0.04, 0.1], [0, 0.12, 0.1]])
    before = retargeter.previous
    step = retargeter.step(keypoints)
    origins = retargeter.robot.tree.points(step.qpos[None])[0]
    points = dict(zip(retargeter.reference.links, origins, strict=True))
    expected = value_by_hand(kind, points, keypoints, retargeter.previous - before, closed)
    assert step.cost == pytest.approx(expected, rel=1e-6)
    assert step.converged


def test_pairs_latch_from_frame_to_frame(write):
    """Closed below 3 cm, still closed at 4 cm, open at 6 cm; open at 4 cm after that."""
    reference, latch = load_dex_config(write(DEXPILOT)).reference, Latch()
    weights = []
    for distance in (0.04, 0.02, 0.04, 0.06, 0.04):
        keypoints = np.zeros((1, 21, 3))
        keypoints[0, [4, 8, 12]] = [[0.04, 0, 0.1], [0.04, distance, 0.1], [0, -0.2, 0.1]]
        weights.append(6 * reference.reference(keypoints, latch).weight[0, 0])
    np.testing.assert_allclose(weights, [1, 200, 200, 1, 1])


@pytest.mark.parametrize("config", [VECTOR, DEXPILOT])
def test_steps_are_the_motion_frame_by_frame(write, config):
    retargeter = load_dex_config(write(config.replace("alpha: 1", "alpha: 0.3")))
    keypoints = keypoints_of(retargeter, poses(retargeter))
    keypoints[8:12, 8] = keypoints[8:12, 4] + 0.01
    whole = retargeter.retarget(person(keypoints))
    steps = [retargeter.step(frame) for frame in keypoints]
    np.testing.assert_allclose(whole.trajectory.qpos, [s.qpos for s in steps], atol=1e-12)
    np.testing.assert_allclose(whole.cost, [s.cost for s in steps], rtol=1e-9)
    retargeter.reset()
    again = retargeter.step(keypoints[0])
    np.testing.assert_array_equal(again.qpos, steps[0].qpos)


def test_the_filter_is_a_first_order_low_pass(write):
    raw = load_dex_config(write(VECTOR))
    keypoints = keypoints_of(raw, poses(raw))
    unfiltered = raw.retarget(person(keypoints)).trajectory.qpos
    smooth = load_dex_config(write(VECTOR.replace("alpha: 1", "alpha: 0.25")))
    filtered = smooth.retarget(person(keypoints)).trajectory.qpos
    expected = [unfiltered[0]]
    for qpos in unfiltered[1:]:
        expected.append(expected[-1] + 0.25 * (qpos - expected[-1]))
    np.testing.assert_allclose(filtered, expected, atol=1e-12)


def test_limits_hold_and_can_be_taken_away(write):
    path = write(VECTOR)
    limited = load_dex_config(path)
    keypoints = keypoints_of(limited, poses(limited, 3))
    keypoints[:, [4, 8, 12]] *= [1.0, 1.0, -1.0]
    x = limited.robot.reduce(limited.retarget(person(keypoints)).trajectory.qpos)
    assert x.max() == LIMIT
    free = load_dex_config(write(VECTOR + "  has_joint_limits: false"))
    assert free.robot.reduce(free.retarget(person(keypoints)).trajectory.qpos).max() > LIMIT


def test_a_joint_that_is_no_target_is_held(write):
    text = VECTOR.replace("'thumb_2', ", "")
    with pytest.raises(InputError, match=r"joints thumb_2 are no targets; .* in fixed="):
        load_dex_config(write(text))
    held = load_dex_config(write(text), fixed={"thumb_2": 0.3})
    solution = held.retarget(person(keypoints_of(held, poses(held))))
    np.testing.assert_array_equal(
        solution.trajectory.qpos[:, held.joint_names.index("thumb_2")], 0.3
    )


@pytest.mark.parametrize("side", ["right", "left"])
def test_where_the_hand_is_in_the_world_does_not_matter(write, side):
    retargeter = load_dex_config(write(VECTOR))
    keypoints = keypoints_of(retargeter, poses(retargeter))
    keypoints[:, [5, 17], 1] *= 1.0 if side == "right" else -1.0
    turn, _ = np.linalg.qr(np.random.default_rng(1).normal(size=(3, 3)))
    turn *= np.sign(np.linalg.det(turn))
    moved = keypoints @ turn.T + [1.0, 2.0, 3.0]
    np.testing.assert_allclose(operator_keypoints(moved, side), keypoints, atol=1e-12)
    here, there = (retargeter.retarget(person(k, side=side)) for k in (keypoints, moved))
    np.testing.assert_allclose(here.trajectory.qpos, there.trajectory.qpos, atol=1e-6)


def test_frames_that_were_not_seen_hold_the_one_before(write):
    retargeter = load_dex_config(write(VECTOR))
    valid = np.ones(20, dtype=bool)
    valid[[0, 7]] = False
    keypoints = keypoints_of(retargeter, poses(retargeter))
    solution = retargeter.retarget(person(keypoints, valid=valid))
    qpos = solution.trajectory.qpos
    np.testing.assert_array_equal(qpos[[0, 7]], qpos[[1, 6]])
    assert np.isnan(solution.cost[~valid]).all()
    assert (solution.converged == valid).all()


@pytest.mark.parametrize(
    ("change", "error", "message"),
    [
        (
            ("type: vector", "type: magic"),
            UnknownNameError,
            "Unknown type 'magic'. Available: dexpilot",
        ),
        (("index_tip", "indx"), UnknownNameError, "Unknown link 'indx'. Available: .*index_tip"),
        (("'thumb_1'", "'thumb_7'"), UnknownNameError, "Unknown joint 'thumb_7'. Available"),
        (("tiny.urdf", "huge.urdf"), MissingFileError, "huge.urdf, the urdf_path of"),
        (("scaling_factor", "scalefactor"), FormatError, "Unknown field 'scalefactor'"),
        (("2.0", "big"), FormatError, "scaling_factor is 'big', expected a number"),
        (("[base, base, base]", "base"), FormatError, "is 'base', expected a list of names"),
        (("[base, base, base]", "[base]"), InputError, "1 target_origin_link_names, expected 3"),
        (("[4, 8, 12]]", "[4, 8, 21]]"), InputError, "expected keypoints 0 to 20"),
        (("[[0, 0, 0], ", "[[0, 0], "), FormatError, "expected an array of integers"),
        (("'middle_1'", "'middle_1', 'middle_2'"), InputError, "middle_2: coupled"),
        (("retargeting:", "retarget:"), FormatError, "no section 'retargeting'"),
        (("  urdf_path: tiny.urdf\n", ""), FormatError, "lacks urdf_path"),
        (("type: vector", "type: [vector"), FormatError, "is not YAML"),
        (("type: vector", "type: dexpilot"), InputError, "needs finger_tip_link_names, wrist_link"),
    ],
)
def test_what_is_wrong_is_said(write, change, error, message):
    old, new = change
    assert old in VECTOR
    with pytest.raises(error, match=message):
        load_dex_config(write(VECTOR.replace(old, new)))


def test_a_missing_file_and_an_unknown_solver_are_named(write, tmp_path):
    with pytest.raises(MissingFileError, match="No such file: .*nothing.yml"):
        load_dex_config(tmp_path / "nothing.yml")
    with pytest.raises(UnknownNameError, match="Unknown solver 'magic'"):
        load_dex_config(write(VECTOR), solver="magic")


def test_the_floating_base_is_slides_then_euler_angles(write, tmp_path):
    write(VECTOR)
    floating = LinkRobot(tmp_path / "tiny.urdf", ["base", "index_tip"], floating=True)
    still = LinkRobot(tmp_path / "tiny.urdf", ["base", "index_tip"])
    assert floating.joint_names[:6] == FLOATING
    qpos = np.zeros((1, floating.nq))
    qpos[0, :6] = [1.0, 2.0, 3.0, 0.0, 0.0, np.pi / 2]
    x, y, z = still.tree.points(qpos[:, 6:])[0, 1]
    np.testing.assert_allclose(floating.tree.points(qpos)[0, 1], [1 - y, 2 + x, 3 + z], atol=1e-12)


ALLEGRO = """
retargeting:
  type: vector
  urdf_path: allegro_hand/allegro_hand_right.urdf
  target_origin_link_names: [wrist, wrist, wrist, wrist]
  target_task_link_names: [link_15.0_tip, link_3.0_tip, link_7.0_tip, link_11.0_tip]
  target_link_human_indices: [[0, 0, 0, 0], [4, 8, 12, 16]]
  scaling_factor: 1.6
  low_pass_alpha: 0.2
"""
HANDS = ("allegro", "shadow", "leap", "schunk_svh", "ability", "inspire")


@pytest.fixture
def dex_retargeting(shared):
    """The package, and the folder of its URDFs."""
    peer = pytest.importorskip("dex_retargeting.retargeting_config")
    urdfs = shared / "peers" / "dex-urdf" / "robots" / "hands"
    peer.RetargetingConfig.set_default_urdf_dir(str(urdfs))
    return peer, Path(peer.__file__).parent / "configs", urdfs


@pytest.mark.parametrize("hand", HANDS)
@pytest.mark.parametrize(
    ("folder", "suffix"), [("teleop", ""), ("teleop", "_dexpilot"), ("offline", "")]
)
def test_its_value_at_its_solution_is_ours_and_no_lower(dex_retargeting, hand, folder, suffix):
    """From the same warm start; there limits are widened, which is undone for the comparison."""
    peer, configs, urdfs = dex_retargeting
    path = configs / folder / f"{hand}_hand_right{suffix}.yml"
    theirs = peer.RetargetingConfig.load_from_file(path).build()
    theirs.optimizer.set_joint_limit(theirs.joint_limits, epsilon=0.0)
    ours = load_dex_config(path, urdfs)
    columns = [ours.joint_names.index(name) for name in theirs.optimizer.target_joint_names]
    keypoints = np.random.default_rng(0).normal([0.0, 0.0, 0.1], 0.05, size=(21, 3))
    indices = theirs.optimizer.target_link_human_indices
    given = (
        keypoints[indices] if folder == "offline" else -np.diff(keypoints[indices[::-1]], axis=0)[0]
    )
    for _ in range(3):
        before = theirs.last_qpos.astype(float)
        theirs.retarget(given)
        after = np.clip(theirs.last_qpos, *theirs.joint_limits.T)
        regulariser = 4e-3 * np.sum((theirs.last_qpos - before) ** 2)
        value = theirs.optimizer.opt.last_optimum_value() + regulariser
        qpos = np.zeros((2, ours.robot.nq))
        qpos[:, columns] = before, after
        previous, x = qpos[:, ours.robot.tree.input_ids]
        ours.previous = previous
        mine = ours.step(keypoints).cost
        same = ours._frame.evaluate(0, x, previous, np.zeros_like(x)) / ours.reference.unit
        assert same == pytest.approx(value, rel=1e-4)
        assert mine <= same * (1 + 1e-6)


@pytest.mark.parametrize("hand", HANDS)
@pytest.mark.parametrize("mimic", [True, False])
def test_the_urdfs_of_the_field_are_read(shared, hand, mimic):
    """Every joint of every hand of dex-urdf is found, at its limits."""
    folder = shared / "peers" / "dex-urdf" / "robots" / "hands"
    files = sorted(folder.glob(f"{hand.removesuffix('_svh')}*/*.urdf"))
    assert len(files) == 2
    for file in files:
        robot = LinkRobot(file, [], mimic=mimic)
        assert robot.nq == file.read_text().count('type="revolute"')
        assert (robot.limits[:, 0] < robot.limits[:, 1]).all()
        followers = file.read_text().count("<mimic") if mimic else 0
        assert len(robot.independent_ids) == robot.nq - followers


def test_the_clip_of_the_field_is_solved_as_published(shared, tmp_path):
    """dex-retargeting ends at a mean objective of 0.029794 on it, its regulariser left out."""
    (tmp_path / "allegro.yml").write_text(ALLEGRO)
    urdfs = shared / "peers" / "dex-urdf" / "robots" / "hands"
    motion = load(shared / "motions" / "dexretarget" / "human_joint_right.pkl")
    solution = load_dex_config(tmp_path / "allegro.yml", urdfs).retarget(motion)
    assert solution.failed == 0
    assert solution.cost.mean() == pytest.approx(0.02975, abs=5e-5)
