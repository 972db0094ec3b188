"""The list of hands, the postures they are shown in, and their pictures."""

import mujoco
import numpy as np
import pytest
from PIL import Image

import handsim
from handsim import gallery
from handsim.contact import self_penetration, tip_gaps
from handsim.errors import InputError, MissingExtraError, OutputError, UnknownNameError
from handsim.hands.catalog import summarise
from handsim.hands.skeleton import surface
from handsim.poses import IDENTITY_POSE
from handsim.postures import curled, natural, pinch
from handsim.render import Renderer
from handsim.scene import build_scene
from tests import makeshift
from tests.hands import EVERY, hand


@pytest.fixture(scope="module")
def renderer():
    """Tests that draw skip where nothing can render."""
    try:
        Renderer(handsim.load_hand("dex3").model, 8, 8).close()
    except MissingExtraError as error:
        pytest.skip(str(error))


def test_the_list_says_what_the_models_are():
    assert len(handsim.hand_names()) == 12
    for name in handsim.hand_names():
        summary, robot = summarise(name), hand(name)
        spools = sum(joint.endswith("_spool") for joint in robot.joint_names)
        assert spools == (4 if name == "aero" else 0)
        assert (summary.joints, summary.actuators) == (robot.nq - spools, robot.nu)
        assert summary.independent == len(robot.independent) <= summary.joints
        assert summary.fingers == len(robot.fingers)
        assert summary.sides.startswith("right, left")
        assert all(isinstance(text, str) and text for text in (summary.source, summary.couplings))
    with pytest.raises(UnknownNameError, match="Available: ability"):
        summarise("shadw")


def test_a_hands_side_defaults_to_right_and_must_be_one():
    assert handsim.load_hand("wuji").side == "right"
    with pytest.raises(UnknownNameError, match="Unknown side 'up'"):
        handsim.load_hand("wuji", "up")
    with pytest.raises(UnknownNameError, match="Unknown hand 'wuj'"):
        handsim.load_hand("wuj")


@pytest.mark.parametrize(("name", "side"), EVERY, ids=["-".join(e) for e in EVERY])
def test_at_ease_every_finger_is_bent_a_little_and_nothing_overlaps(name, side):
    robot = hand(name, side)
    qpos = natural(robot)
    low, high = robot.limits.T
    assert (qpos >= low - 1e-9).all()
    assert (qpos <= high + 1e-9).all()
    assert np.abs(qpos - robot.neutral).max() < 0.51
    fingers = slice(1, None)
    moved = (robot.tips(qpos[None]) - robot.tips(robot.neutral[None]))[0, fingers]
    assert (moved[:, 0] > 0.005).all(), "towards where the palm faces"
    assert self_penetration(robot, qpos[None])[0] < 0.001


@pytest.mark.parametrize("name", handsim.hand_names())
def test_curling_starts_from_neutral_keeps_the_limits_and_brings_the_tips_to_the_palm(name):
    robot = hand(name)
    np.testing.assert_allclose(curled(robot, 0.0), robot.neutral, atol=1e-9)
    postures = np.array([curled(robot, share) for share in (0.0, 0.25, 0.5, 1.0)])
    assert (postures >= robot.limits[:, 0] - 1e-9).all()
    assert (postures <= robot.limits[:, 1] + 1e-9).all()
    heights = robot.tips(postures)[:, 1:, 2].max(axis=1)
    assert heights[0] > heights[1] > heights[2]


def test_a_pinch_is_the_same_every_time():
    np.testing.assert_array_equal(pinch(hand("inspire")), pinch(hand("inspire")))


@pytest.mark.parametrize("name", ["inspire", "revo2", "svh"])
def test_in_a_pinch_the_surfaces_of_thumb_and_index_touch(name):
    robot = hand(name)
    qpos = pinch(robot)
    assert abs(tip_gaps(robot, qpos[None])[0, 0]) < 2e-4
    assert self_penetration(robot, qpos[None])[0] < 2e-4
    assert tip_gaps(robot, natural(robot)[None])[0, 0] > 0.01
    low, high = robot.limits.T
    assert (qpos >= low - 1e-9).all()
    assert (qpos <= high + 1e-9).all()


def test_a_pinch_needs_shapes(tmp_path):
    (tmp_path / "mine.urdf").write_text(makeshift.hand())
    with pytest.warns(UserWarning, match="proposed"):
        robot = handsim.load_hand(tmp_path / "mine.urdf")
    with pytest.raises(InputError, match="no colliding geom"):
        pinch(robot)


def test_a_hand_is_shown_from_two_sides(renderer, tmp_path):
    robot = hand("dex3", "left")
    assert gallery.show(robot, tmp_path / "dex3.png") == tmp_path / "dex3.png"
    image = np.asarray(Image.open(tmp_path / "dex3.png")).astype(int)
    height, width, _ = image.shape
    assert width > 1.5 * height
    halves = image[60:, : width // 2], image[60:, width // 2 :]
    for half in halves:
        dark = half.sum(axis=2) < 300
        assert 0.02 < dark.mean() < 0.6
    assert np.abs(halves[0] - halves[1]).mean() > 3
    with pytest.raises(OutputError):
        gallery.show(robot, tmp_path / "dex3.jpeg")


def test_the_frames_drawn_are_the_hands(renderer, tmp_path):
    robot = hand("allegro")
    segments = gallery.frame_segments(robot)
    pose = robot.pose(natural(robot))
    starts = np.array([segment.start for segment in segments])
    for tip in pose.tips:
        assert np.linalg.norm(starts - tip, axis=1).min() < 1e-12
    gallery.show_frames(robot, tmp_path / "frames.png")
    plain = gallery.draw_hand(robot, size=64)
    framed = gallery.draw_hand(robot, size=64, frames=True)
    assert plain.shape == framed.shape == (64, 128, 3)
    assert (plain != framed).any()


@pytest.mark.parametrize(("name", "side"), EVERY, ids=["-".join(e) for e in EVERY])
def test_a_picture_holds_the_whole_hand(name, side):
    """Every shape, wrist and forearm included, is inside the view and nearly fills it."""
    robot = hand(name, side)
    scene = build_scene(robot)
    data = mujoco.MjData(scene.model)
    scene.place(data, natural(robot), IDENTITY_POSE)
    points = [surface(scene.model, data, geom) for geom in range(scene.model.ngeom)]
    for turn in (20.0, 80.0):
        widest = np.abs(seen(scene, data, turn, np.concatenate(points))).max()
        assert 0.85 < widest < 0.98


def seen(scene, data, turn, points):
    """Where MuJoCo shows points (n, 3): from −1 to 1 across and up a square picture."""
    drawn = mujoco.MjvScene(scene.model, maxgeom=500)
    camera, option = gallery.framing_camera(scene, data, turn), mujoco.MjvOption()
    everything = mujoco.mjtCatBit.mjCAT_ALL
    mujoco.mjv_updateScene(scene.model, data, option, None, camera, everything, drawn)
    eye = np.mean([c.pos for c in drawn.camera], axis=0)
    ahead, up = drawn.camera[0].forward, drawn.camera[0].up
    axes = np.stack([np.cross(ahead, up), up, ahead])
    x, y, depth = axes @ (points - eye).T
    return np.stack([x, y]) / depth * drawn.camera[0].frustum_near / drawn.camera[0].frustum_top


def test_the_gallery_has_a_cell_for_every_hand(renderer, tmp_path):
    gallery.write_gallery(tmp_path / "g.png", names=("inspire", "revo2"))
    two = np.asarray(Image.open(tmp_path / "g.png"))
    picture = gallery.draw_gallery(("inspire",), columns=2, height=100)
    blank = picture[:, picture.shape[1] // 2 :]
    assert np.ptp(blank.reshape(-1, 3), axis=0).max() == 0
    assert picture[:, : picture.shape[1] // 2].std() > 10
    assert two.shape[1] == 1800
    with pytest.raises(UnknownNameError):
        gallery.draw_gallery(("shadw",))


def test_a_window_needs_a_display(monkeypatch):
    monkeypatch.setattr("sys.platform", "linux")
    for variable in ("DISPLAY", "WAYLAND_DISPLAY"):
        monkeypatch.delenv(variable, raising=False)
    with pytest.raises(MissingExtraError, match="PNG file"):
        gallery.show(hand("dex3"))
