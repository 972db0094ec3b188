"""Pictures show what is there, files are whole, and contexts are freed."""

import os
import re
import subprocess
import sys

import imageio_ffmpeg
import mujoco
import numpy as np
import pytest
from PIL import Image

from handsim import opengl
from handsim.errors import InputError, MissingExtraError, OutputError, UnknownNameError
from handsim.render import Renderer, Segment, skeleton, write_png, write_video

BALL = """
<mujoco>
  <visual><headlight ambient="1 1 1" diffuse="0 0 0" specular="0 0 0"/></visual>
  <worldbody>
    <geom size="0.1" rgba="1 0 0 1"/>
    <camera name="front" pos="0 -1 0" xyaxes="1 0 0 0 0 1"/>
    <camera name="away" pos="0 -1 0" xyaxes="-1 0 0 0 0 1"/>
  </worldbody>
</mujoco>
"""
RED, GREEN, BLACK = [255, 0, 0], [0, 255, 0], [0, 0, 0]
QUIET = """
import mujoco, numpy, sys
assert "mujoco.egl" not in sys.modules and "mujoco.osmesa" not in sys.modules
from handsim.render import Renderer
from handsim import opengl
model = mujoco.MjModel.from_xml_string({ball!r})
data = mujoco.MjData(model)
mujoco.mj_forward(model, data)
kept = Renderer(model, 32, 32)
dropped = Renderer(model, 32, 32)
del dropped
assert kept.render(data)[16, 16].tolist() == [255, 0, 0]
print(opengl.context_class().__module__)
"""


def rendering_works() -> bool:
    try:
        opengl.context_class()
    except MissingExtraError:
        return False
    return True


needs_opengl = pytest.mark.skipif(not rendering_works(), reason="no OpenGL library here")


@pytest.fixture(scope="module")
def ball():
    model = mujoco.MjModel.from_xml_string(BALL)
    data = mujoco.MjData(model)
    mujoco.mj_forward(model, data)
    return model, data


@needs_opengl
def test_the_camera_sees_the_ball_right_way_up(ball):
    model, data = ball
    above = Segment(np.array([0, 0, 0.2]), np.array([0, 0, 0.2]), 0.05, (0, 1, 0, 1))
    right = Segment(np.array([0.2, 0, 0]), np.array([0.2, 0, 0]), 0.05, (0, 1, 0, 1))
    with Renderer(model, 65, 49) as renderer:
        picture = renderer.render(data)
        assert picture.shape == (49, 65, 3)
        assert picture[24, 32].tolist() == RED
        assert picture[0, 0].tolist() == BLACK
        assert renderer.render(data, segments=[above])[12, 32].tolist() == GREEN
        assert renderer.render(data, segments=[right])[24, 44].tolist() == GREEN
        np.testing.assert_array_equal(renderer.render(data), picture)
        assert (renderer.render(data, "away") == 0).all()


@needs_opengl
def test_a_segment_joins_its_ends_and_no_more(ball):
    model, data = ball
    a, b = np.array([-0.25, 0.0, 0.2]), np.array([0.25, 0.0, 0.2])
    with Renderer(model, 64, 64) as renderer:
        picture = renderer.render(data, segments=[Segment(a, b, 0.02, (0, 1, 0, 1))])
    rows, columns = np.nonzero((picture == GREEN).all(axis=2))
    focal = 32 / np.tan(np.radians(22.5))
    assert columns.min() == pytest.approx(32 - 0.27 * focal, abs=1.5)
    assert columns.max() == pytest.approx(32 + 0.27 * focal, abs=1.5)
    assert np.ptp(rows) + 1 == pytest.approx(0.04 * focal, abs=1.5)
    assert rows.mean() == pytest.approx(32 - 0.2 * focal, abs=1.5)


@needs_opengl
def test_a_free_camera_and_large_pictures(ball):
    model, data = ball
    camera = mujoco.MjvCamera()
    mujoco.mjv_defaultFreeCamera(model, camera)
    with Renderer(model, 1000, 700) as renderer:
        picture = renderer.render(data, camera)
    assert picture.shape == (700, 1000, 3)
    assert picture[350, 500].tolist() == RED


@needs_opengl
def test_pretty_smooths_edges_and_leaves_the_model_alone(ball):
    model, data = ball
    before = model.vis.quality.offsamples
    colours = {}
    for pretty in (False, True):
        with Renderer(model, 64, 64, pretty=pretty) as renderer:
            colours[pretty] = len(np.unique(renderer.render(data).reshape(-1, 3), axis=0))
    assert colours[False] == 2
    assert colours[True] > 2
    assert model.vis.quality.offsamples == before


def test_a_skeleton_leaves_out_what_was_not_seen():
    points = np.array([[0.0, 0, 0], [1, 0, 0], [np.nan, 0, 0], [2, 0, 0]])
    segments = skeleton(points, [(0, 1), (1, 2), (2, 3)], radius=0.01)
    bones = [s for s in segments if (s.start != s.end).any()]
    balls = [s for s in segments if (s.start == s.end).all()]
    assert [(b.start[0], b.end[0]) for b in bones] == [(0, 1)]
    assert [b.start[0] for b in balls] == [0, 1, 2]


@needs_opengl
def test_closing(ball):
    model, data = ball
    renderer = Renderer(model, 16, 16)
    renderer.close()
    renderer.close()
    with pytest.raises(InputError, match="closed"):
        renderer.render(data)


@needs_opengl
def test_what_is_refused(ball):
    model, data = ball
    with pytest.raises(InputError, match="0 x 10"):
        Renderer(model, 0, 10)
    with Renderer(model, 16, 16) as renderer:
        with pytest.raises(UnknownNameError, match="away, front"):
            renderer.render(data, "back")
        speck = Segment(np.zeros(3), np.zeros(3), 0.01, (1, 1, 1, 1))
        with pytest.raises(InputError, match="more than fit"):
            renderer.render(data, segments=[speck] * 5000)


@needs_opengl
@pytest.mark.parametrize("hidden", [{}, {"__EGL_VENDOR_LIBRARY_FILENAMES": "/nonexistent"}])
def test_a_program_that_forgets_to_close_exits_quietly(hidden):
    """Whatever was imported before; and with no EGL driver, the next backend is taken."""
    unset = ("MUJOCO_GL", "PYOPENGL_PLATFORM")
    environment = {name: value for name, value in os.environ.items() if name not in unset}
    run = subprocess.run(
        [sys.executable, "-W", "error", "-c", QUIET.format(ball=BALL)],
        env={**environment, **hidden},
        capture_output=True,
        text=True,
        check=False,
    )
    if hidden and "osmesa" in run.stderr:
        pytest.skip("EGL is the only OpenGL library here")
    assert (run.returncode, run.stderr) == (0, "")
    assert run.stdout.strip() in {"mujoco.egl", "mujoco.osmesa"}
    if hidden:
        assert run.stdout.strip() == "mujoco.osmesa"


def test_without_any_library_the_remedy_is_named(monkeypatch):
    monkeypatch.setattr(opengl, "BACKENDS", {opengl.platform.system(): ("nonesuch",)})
    monkeypatch.delenv("MUJOCO_GL", raising=False)
    with pytest.raises(MissingExtraError, match=r"nonesuch: ModuleNotFound.*apt-get install"):
        opengl.context_class.__wrapped__()


def frames(count: int, height: int = 48, width: int = 64) -> np.ndarray:
    """Frames of one brightness each, rising."""
    levels = np.linspace(20, 220, count).astype(np.uint8)
    return np.broadcast_to(levels[:, None, None, None], (count, height, width, 3)).copy()


def decoded(path, height: int, width: int) -> tuple[np.ndarray, str]:
    """The frames of a video, and what ffmpeg says of its stream."""
    command = [imageio_ffmpeg.get_ffmpeg_exe(), "-i", str(path), "-f", "rawvideo"]
    run = subprocess.run([*command, "-pix_fmt", "rgb24", "-"], capture_output=True, check=True)
    pixels = np.frombuffer(run.stdout, dtype=np.uint8).reshape(-1, height, width, 3)
    return pixels, re.search(r"Stream .*", run.stderr.decode()).group()


@pytest.mark.parametrize("fps", [30.0, 29.97, 12.5])
def test_a_video_has_its_frames_size_and_rate(tmp_path, fps):
    made = frames(10)
    write_video(tmp_path / "clip.mp4", iter(made), fps)
    read, stream = decoded(tmp_path / "clip.mp4", 48, 64)
    assert read.shape == made.shape
    assert np.abs(read.mean(axis=(1, 2, 3)) - made.mean(axis=(1, 2, 3))).max() < 4
    rate = re.search(r"([\d.]+) fps", stream).group(1)
    assert float(rate) == fps
    for word in ("h264", "yuv420p", "64x48"):
        assert word in stream


def test_odd_sizes_are_made_even(tmp_path):
    made = np.zeros((3, 47, 63, 3), dtype=np.uint8)
    made[:, :, -8:] = 200
    write_video(tmp_path / "odd.mp4", made, 30.0)
    read, _ = decoded(tmp_path / "odd.mp4", 48, 64)
    assert (np.abs(read[:, :, -6:].astype(int) - 200) < 12).all()


def test_a_video_that_fails_leaves_nothing(tmp_path):
    def failing():
        yield from frames(2)
        raise RuntimeError("camera unplugged")

    with pytest.raises(RuntimeError, match="unplugged"):
        write_video(tmp_path / "clip.mp4", failing(), 30.0)
    with pytest.raises(InputError, match="at least one"):
        write_video(tmp_path / "clip.mp4", [], 30.0)
    with pytest.raises(InputError, match="like the first"):
        write_video(tmp_path / "clip.mp4", [*frames(2), *frames(1, height=20)], 30.0)
    with pytest.raises(InputError, match="fps"):
        write_video(tmp_path / "clip.mp4", frames(2), 0.0)
    assert not list(tmp_path.iterdir())


def test_a_png_holds_the_picture(tmp_path):
    picture = np.random.default_rng(0).integers(0, 255, (9, 7, 3), dtype=np.uint8)
    write_png(tmp_path / "picture.png", picture)
    np.testing.assert_array_equal(np.array(Image.open(tmp_path / "picture.png")), picture)


def test_names_that_do_not_fit_are_refused(tmp_path):
    with pytest.raises(OutputError, match=r"\.png"):
        write_png(tmp_path / "picture.jpg", frames(1)[0])
    with pytest.raises(OutputError, match=r"\.mp4"):
        write_video(tmp_path / "clip.avi", frames(2), 30.0)
