"""What each capability must do to count as working: small checks, each run in its own process.

`doctor` runs them. A check returns what was found (versions, in words) and raises otherwise:
`MissingExtraError` or `MissingFileError` when the capability is not there.
"""

import importlib
import os
import platform
import subprocess
from importlib.metadata import version
from pathlib import Path
from tempfile import TemporaryDirectory
from types import ModuleType

import gymnasium
import h5py
import mujoco
import nlopt
import numba
import numpy as np

import handsim
from handsim.assets import ASSETS
from handsim.errors import MissingExtraError, MissingFileError, WorkerError
from handsim.hands.installed import MENAGERIE_VARIABLE
from handsim.opengl import context_class
from handsim.poses import IDENTITY_POSE
from handsim.render import Renderer, write_video
from handsim.scene import build_scene
from handsim.window import has_display
from retarget.human.extract import venvs
from retarget.human.hand_trajectory import HandTrajectory
from retarget.human.keypoints import SIDES, Side
from retarget.human.mano_model import VARIABLE as MANO_VARIABLE
from retarget.human.mano_model import find_model, find_model_file
from retarget.inspection.media import probe_video
from retarget.retargeter import Retargeter

_BALL = (
    "<mujoco><worldbody><body pos='0 0 1'><freejoint/><geom size='.1'/></body></worldbody></mujoco>"
)
_RELEASES = 33
"""dm_control 1.0.(minor + 33) is built for MuJoCo 3.minor."""
_SAMPLE = ASSETS / "motions" / "sample_right.npz"

_SEES = {
    "mediapipe": """
import sys, numpy, mediapipe
with mediapipe.solutions.hands.Hands(static_image_mode=True, model_complexity=0) as hands:
    assert not hands.process(numpy.zeros((64, 64, 3), numpy.uint8)).multi_hand_landmarks
sys.stdout.write("mediapipe " + mediapipe.__version__)
""",
    "other": """
import importlib, sys, torch
for name in sys.argv[1:]:
    importlib.import_module(name)
assert float((torch.ones(2, 2) @ torch.ones(2, 2)).sum()) == 8
sys.stdout.write(f"torch {torch.__version__}, CUDA {torch.cuda.is_available()}")
""",
}
"""What the interpreter of a backend of `extract` must do."""


def physics() -> str:
    """A ball falls in dm_control's MuJoCo, which must be the release that one was built for."""
    mine, others = mujoco.__version__, version("dm_control")
    require_pair(mine, others)
    # Imported here alone: it warns where there is no display.
    ball = importlib.import_module("dm_control.mujoco").Physics.from_xml_string(_BALL)
    ball.step(10)
    if not 0 < ball.data.qpos[2] < 1:
        raise RuntimeError(f"a ball falls from 1 m to {ball.data.qpos[2]} m")
    return f"mujoco {mine}, dm_control {others}"


def require_pair(mujoco_version: str, dm_control_version: str) -> None:
    """Make sure that a dm_control is built for a MuJoCo.

    Raises:
        RuntimeError: it is for another release.
    """
    expected = f"1.0.{int(mujoco_version.split('.')[1]) + _RELEASES}"
    if not mujoco_version.startswith("3.") or not dm_control_version.startswith(expected):
        raise RuntimeError(
            f"mujoco {mujoco_version} and dm_control {dm_control_version} do not belong together: "
            f"expected dm_control {expected}"
        )


def hands() -> str:
    """A hand of the catalogue is loaded into a scene and moves there."""
    robot = handsim.load_hand("shadow")
    scene = build_scene(robot)
    data = mujoco.MjData(scene.model)
    scene.place(data, robot.limits.mean(axis=1), IDENTITY_POSE)
    mujoco.mj_step(scene.model, data, nstep=10)
    if not np.isfinite(data.qpos).all():
        raise RuntimeError("a hand explodes")
    return f"{len(handsim.hand_names())} hands"


def solver() -> str:
    """Three frames of the sample motion are retargeted by compiled code."""
    motion = HandTrajectory.load(_SAMPLE).select(slice(0, 3))
    solution = Retargeter(handsim.load_hand("allegro"), "vector", None, "newton").retarget(motion)
    if not np.isfinite(solution.trajectory.qpos).all():
        raise RuntimeError("the solver yields no numbers")
    return f"numba {numba.__version__}, compiled for {platform.machine()}"


def algorithms() -> str:
    """Nlopt's SLSQP finds the bottom of a parabola."""

    def parabola(x: np.ndarray, gradient: np.ndarray) -> float:
        if gradient.size:
            gradient[:] = 2 * (x - 1)
        return float(((x - 1) ** 2).sum())

    search = nlopt.opt(nlopt.LD_SLSQP, 2)
    search.set_min_objective(parabola)
    search.set_xtol_rel(1e-9)
    if np.abs(search.optimize([0.0, 3.0]) - 1).max() > 1e-4:
        raise RuntimeError("SLSQP does not find the bottom of a parabola")
    return f"nlopt {nlopt.version_major()}.{nlopt.version_minor()}.{nlopt.version_bugfix()}"


def rendering() -> str:
    """A frame of a hand is drawn, and it shows something."""
    backend = context_class().__module__.removeprefix("mujoco.")
    robot = handsim.load_hand("ability")
    scene = build_scene(robot)
    data = mujoco.MjData(scene.model)
    mujoco.mj_forward(scene.model, data)
    with Renderer(scene.model, 64, 48) as renderer:
        frame = renderer.render(data)
    if frame.std() < 1:
        raise RuntimeError(f"{backend} draws an empty picture")
    return backend


def video() -> str:
    """Two frames are encoded, and counted again."""
    with TemporaryDirectory() as folder:
        path = Path(folder) / "clip.mp4"
        write_video(path, [np.full((16, 16, 3), value, np.uint8) for value in (0, 200)], 10.0)
        found = probe_video(path)
    if found.frames != 2:
        raise RuntimeError(f"two frames became {found.frames}")
    return f"ffmpeg, {found.codec}"


def hdf5() -> str:
    """Numbers come back from an HDF5 file."""
    with TemporaryDirectory() as folder:
        with h5py.File(Path(folder) / "a.h5", "w") as file:
            file.create_dataset("x", data=np.arange(9.0), compression="gzip")
        with h5py.File(Path(folder) / "a.h5") as file:
            if file["x"][:].sum() != 36:
                raise RuntimeError("numbers do not come back")
    return f"h5py {h5py.__version__}, HDF5 {h5py.version.hdf5_version}"


def torch() -> str:
    """A gradient is computed."""
    module = _extra("torch")
    x = module.ones(3, requires_grad=True)
    (x * x).sum().backward()
    if float(x.grad.sum()) != 6:
        raise RuntimeError("a gradient is wrong")
    return f"torch {module.__version__}, CUDA {module.cuda.is_available()}"


def zarr() -> str:
    """Blosc, which Zarr's chunks are packed by, packs and unpacks."""
    codec = _extra("numcodecs").blosc.Blosc()
    if bytes(codec.decode(codec.encode(b"handsim" * 9))) != b"handsim" * 9:
        raise RuntimeError("Blosc does not unpack what it packed")
    return f"numcodecs {_extra('numcodecs').__version__}"


def lerobot() -> str:
    """A video as LeRobot's is encoded, and decoded again."""
    packages = [_extra(name) for name in ("av", "pyarrow")]
    video = importlib.import_module("handsim.datasets.video")
    with TemporaryDirectory() as folder:
        path = Path(folder) / "clip.mp4"
        video.encode(path, np.full((3, 16, 16, 3), 128, np.uint8))
        found = video.decode(path, 0, 3, 30.0)
    if np.abs(found.astype(int) - 128).max() > 8:
        raise RuntimeError("a grey picture became another")
    return ", ".join(f"{package.__name__} {package.__version__}" for package in packages)


def minari() -> str:
    """A space is written as Minari writes it."""
    package = _extra("minari")
    space = gymnasium.spaces.Box(-1.0, 1.0, (2,), np.float64)
    text = package.serialization.serialize_space(space)
    if package.serialization.deserialize_space(text) != space:
        raise RuntimeError("a space became another")
    return f"minari {package.__version__}"


def rosbags() -> str:
    """The types of ROS 2 are there to read messages by."""
    _extra("rosbags")
    types = importlib.import_module("rosbags.typesys")
    store = types.get_typestore(types.Stores.ROS2_HUMBLE)
    if "sensor_msgs/msg/Image" not in store.types:
        raise RuntimeError("no type of a picture")
    return f"rosbags {version('rosbags')}"


def backend(name: str) -> str:
    """The environment of a backend of `extract` does a little of its work."""
    python = venvs.find(name)
    needs = venvs.recipe_of(name).imports
    command = [str(python), "-I", "-c", _SEES.get(name, _SEES["other"]), *needs]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    except (OSError, subprocess.TimeoutExpired) as error:
        raise WorkerError(f"{python} does not run: {error}") from error
    if done.returncode:
        raise WorkerError(f"{python}: {last_line(done.stderr)}")
    return f"{done.stdout.strip()} ({python})"


def mano() -> str:
    """The user's MANO files are read."""
    found = [side for side in SIDES if _has_model(side)]
    if not found:
        find_model_file("right")
    return f"{' and '.join(found)} in {os.environ[MANO_VARIABLE]}"


def _has_model(side: Side) -> bool:
    try:
        find_model(side)
    except MissingFileError:
        return False
    return True


def menagerie() -> str:
    """A hand wears the meshes of the user's Menagerie."""
    folder = os.environ.get(MENAGERIE_VARIABLE)
    if not folder:
        raise MissingFileError(f"The environment variable {MENAGERIE_VARIABLE} is not set.")
    handsim.load_hand("shadow", visuals="menagerie")
    return folder


def display() -> str:
    """A window can be opened, though none is."""
    if not has_display():
        raise MissingExtraError("There is no display: neither DISPLAY nor WAYLAND_DISPLAY is set.")
    glfw = importlib.import_module("glfw")
    if not glfw.init():
        raise RuntimeError("GLFW cannot be started on this display")
    glfw.terminate()
    return f"GLFW {glfw.get_version_string().decode()}"


def _extra(name: str) -> ModuleType:
    try:
        return importlib.import_module(name)
    except ModuleNotFoundError as error:
        if error.name != name:
            raise
        raise MissingExtraError(f"The package {name} is not installed.") from error


def last_line(text: str) -> str:
    """What a traceback ends with."""
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    return lines[-1][:300] if lines else "it ended without a word"
