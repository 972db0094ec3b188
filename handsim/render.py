"""Offscreen frames of a simulation, and pictures and videos of them."""

import atexit
import subprocess
import weakref
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from functools import cache
from itertools import chain
from pathlib import Path
from typing import IO, Any, NamedTuple

import imageio_ffmpeg
import mujoco
import numpy as np
from jaxtyping import Float, UInt8
from PIL import Image

from handsim.errors import InputError, OutputError, unknown
from handsim.files import replacing
from handsim.opengl import context_class

_MAX_GEOMS = 4000
_OPEN: "weakref.WeakSet[Renderer]" = weakref.WeakSet()


class Segment(NamedTuple):
    """A capsule drawn into a scene, or a sphere when its ends coincide; it has no physics.

    Attributes:
        start, end: ends of the axis in the world [m].
        radius: [m].
        rgba: colour, each in [0, 1].
    """

    start: Float[np.ndarray, " 3"]
    end: Float[np.ndarray, " 3"]
    radius: float
    rgba: Sequence[float]


def skeleton(
    points: Float[np.ndarray, "K 3"],
    edges: Iterable[tuple[int, int]],
    radius: float = 0.004,
    rgba: Sequence[float] = (0.25, 0.45, 0.75, 1.0),
) -> list[Segment]:
    """Segments that draw `points` [m, world] as balls and `edges` between them as bones.

    Points that are not finite are left out, with their bones.
    """
    seen = np.isfinite(points).all(axis=1)
    bones = [
        Segment(points[a], points[b], 0.6 * radius, rgba) for a, b in edges if seen[a] and seen[b]
    ]
    return bones + [Segment(p, p, radius, rgba) for p in points[seen]]


class Renderer:
    """Frames of one model, rendered offscreen; a context manager, to be closed.

    Shadows, reflections and multisampling cost twenty times the rest without a graphics card, so
    they are off unless `pretty`.
    """

    def __init__(
        self, model: mujoco.MjModel, width: int = 640, height: int = 480, pretty: bool = False
    ):
        """Make the OpenGL context and load the model into it.

        Args:
            model: what will be rendered.
            width, height: size of the frames in pixels.
            pretty: whether to render shadows and reflections and to smooth edges.

        Raises:
            InputError: the size is not positive.
            MissingExtraError: no OpenGL library can render here.
        """
        if width < 1 or height < 1:
            raise InputError(f"size: {width} x {height}, expected at least 1 x 1 pixels.")
        self.model, self.width, self.height, self.pretty = model, width, height, pretty
        self._gl: Any = context_class()(width, height)
        _free_at_exit()
        self._gl.make_current()
        self._context = _mjr_context(model, width, height, samples=4 if pretty else 0)
        self._scene = mujoco.MjvScene(model, maxgeom=_MAX_GEOMS)
        self._option = mujoco.MjvOption()
        _OPEN.add(self)

    def __enter__(self) -> "Renderer":
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()

    def __del__(self) -> None:
        self.close()

    def close(self) -> None:
        """Free the OpenGL context; a second call does nothing."""
        if getattr(self, "_gl", None) is None:
            return
        if getattr(self, "_context", None) is not None:
            self._gl.make_current()
            self._context.free()
        self._gl.free()
        self._gl = self._context = None

    def render(
        self,
        data: mujoco.MjData,
        camera: str | mujoco.MjvCamera = "front",
        segments: Iterable[Segment] = (),
    ) -> UInt8[np.ndarray, "height width 3"]:
        """A frame of `data`, seen by a named camera of the model or by a free one.

        Positions are drawn as they are in `data`: call `mujoco.mj_forward` after setting qpos.

        Args:
            data: the state.
            camera: a camera's name, or an `MjvCamera`.
            segments: what else to draw, see `skeleton`.

        Raises:
            UnknownNameError: the model has no such camera.
            InputError: the renderer is closed, or there are too many segments.
        """
        if self._gl is None:
            raise InputError("The renderer is closed; expected an open one.")
        mujoco.mjv_updateScene(
            self.model,
            data,
            self._option,
            None,
            self._camera(camera),
            mujoco.mjtCatBit.mjCAT_ALL,
            self._scene,
        )
        for flag in (mujoco.mjtRndFlag.mjRND_SHADOW, mujoco.mjtRndFlag.mjRND_REFLECTION):
            self._scene.flags[flag] = self.pretty
        for segment in segments:
            _draw(self._scene, segment)
        return self._pixels()

    def _camera(self, camera: str | mujoco.MjvCamera) -> mujoco.MjvCamera:
        if isinstance(camera, mujoco.MjvCamera):
            return camera
        names = [self.model.camera(i).name for i in range(self.model.ncam)]
        if camera not in names:
            raise unknown("camera", camera, names)
        fixed = mujoco.MjvCamera()
        fixed.type = mujoco.mjtCamera.mjCAMERA_FIXED
        fixed.fixedcamid = names.index(camera)
        return fixed

    def _pixels(self) -> UInt8[np.ndarray, "height width 3"]:
        self._gl.make_current()
        rect = mujoco.MjrRect(0, 0, self.width, self.height)
        pixels = np.empty((self.height, self.width, 3), dtype=np.uint8)
        mujoco.mjr_render(rect, self._scene, self._context)
        mujoco.mjr_readPixels(pixels, None, rect, self._context)
        return np.ascontiguousarray(pixels[::-1])


def write_png(path: str | Path, image: UInt8[np.ndarray, "H W 3"]) -> None:
    """Write `image` as a PNG file.

    Raises:
        OutputError: `path` cannot be written or does not end in .png.
    """
    _require_suffix(path, ".png")
    with replacing(path) as temporary:
        Image.fromarray(np.ascontiguousarray(image)).save(temporary, format="PNG")


def write_video(path: str | Path, frames: Iterable[UInt8[np.ndarray, "H W 3"]], fps: float) -> None:
    """Write `frames` as an H.264 video (yuv420p) that players everywhere read.

    That format wants even sizes: an odd last row or column is doubled. Frames are taken one at a
    time, so a generator needs no memory for all of them.

    Raises:
        InputError: there are no frames, they differ in size, or `fps` is not positive.
        OutputError: `path` cannot be written or does not end in .mp4.
    """
    _require_suffix(path, ".mp4")
    if not fps > 0:
        raise InputError(f"fps: {fps}, expected a positive number of frames a second.")
    rest = iter(frames)
    first = next(rest, None)
    if first is None:
        raise InputError("frames: none, expected at least one.")
    even = [(0, size % 2) for size in first.shape[:2]] + [(0, 0)]
    height, width = np.pad(first, even).shape[:2]
    with replacing(path) as temporary, _encoder(temporary, width, height, fps) as stream:
        for frame in chain([first], rest):
            if frame.shape != first.shape:
                raise InputError(
                    f"frames: one is {frame.shape}, expected {first.shape} like the first."
                )
            stream.write(np.pad(frame, even, mode="edge").tobytes())


@contextmanager
def _encoder(path: Path, width: int, height: int, fps: float) -> Iterator[IO[bytes]]:
    """The stream of raw RGB frames into a video encoder, which has finished at the end."""
    command = [
        imageio_ffmpeg.get_ffmpeg_exe(),
        *("-y", "-loglevel", "error", "-f", "rawvideo", "-pix_fmt", "rgb24"),
        *("-s", f"{width}x{height}", "-r", f"{fps:.6f}", "-i", "-"),
        *("-c:v", "libx264", "-crf", "18", "-pix_fmt", "yuv420p", "-movflags", "+faststart"),
        str(path),
    ]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stderr=subprocess.PIPE) as encoder:
        assert encoder.stdin is not None
        assert encoder.stderr is not None
        # An encoder that gives up closes the pipe; what it says is reported below.
        with suppress(BrokenPipeError):
            yield encoder.stdin
            encoder.stdin.close()
        said = encoder.stderr.read().decode(errors="replace").strip()
    if encoder.returncode:
        raise OutputError(
            f"Cannot encode the video: ffmpeg ended with {encoder.returncode}: {said}."
        )


def _require_suffix(path: str | Path, suffix: str) -> None:
    if Path(path).suffix.lower() != suffix:
        raise OutputError(f"Cannot write {path}: expected a name that ends in {suffix}.")


def _draw(scene: mujoco.MjvScene, segment: Segment) -> None:
    if scene.ngeom >= scene.maxgeom:
        raise InputError(f"segments: more than fit, expected at most {scene.maxgeom} geoms in all.")
    geom = scene.geoms[scene.ngeom]
    start = np.asarray(segment.start, dtype=np.float64)
    end = np.asarray(segment.end, dtype=np.float64)
    point = np.allclose(start, end, rtol=0, atol=1e-9)
    kind = mujoco.mjtGeom.mjGEOM_SPHERE if point else mujoco.mjtGeom.mjGEOM_CAPSULE
    rgba = np.asarray(segment.rgba, dtype=np.float32)
    size = np.full(3, segment.radius)
    mujoco.mjv_initGeom(geom, kind, size, start, np.eye(3).ravel(), rgba)
    if not point:
        mujoco.mjv_connector(geom, kind, segment.radius, start, end)
    scene.ngeom += 1


def _mjr_context(model: mujoco.MjModel, width: int, height: int, samples: int) -> mujoco.MjrContext:
    """MuJoCo's rendering context; it reads its buffer's format from the model when it is made."""
    kept = int(model.vis.quality.offsamples)
    model.vis.quality.offsamples = samples
    try:
        context = mujoco.MjrContext(model, mujoco.mjtFontScale.mjFONTSCALE_150)
    finally:
        model.vis.quality.offsamples = kept
    if (context.offWidth, context.offHeight) != (width, height):
        mujoco.mjr_resizeOffscreen(width, height, context)
    mujoco.mjr_setBuffer(mujoco.mjtFramebuffer.mjFB_OFFSCREEN, context)
    return context


@cache
def _free_at_exit() -> None:
    """Have open contexts freed at exit, once.

    Hooks run in reverse: set after that of the first context, this one runs before the display is
    gone.
    """
    atexit.register(_close_all)


def _close_all() -> None:
    for renderer in list(_OPEN):
        renderer.close()
