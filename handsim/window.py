"""MuJoCo's own viewer, in a window: a hand that is moved from outside."""

import importlib
import os
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import ModuleType

import mujoco
from jaxtyping import Float
from numpy import ndarray

from handsim.errors import MissingExtraError
from handsim.hands.robot_hand import RobotHand
from handsim.poses import IDENTITY_POSE
from handsim.scene import build_scene

_CLOSING_SECONDS = 5.0
Show = Callable[[Float[ndarray, " nq"]], bool]
"""Shows a hand at qpos [rad]; whether the window is still open."""


def has_display() -> bool:
    """Whether a window can be opened."""
    asked = os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY")
    return not sys.platform.startswith("linux") or bool(asked)


def viewer_module(instead: str) -> ModuleType:
    """`mujoco.viewer`, which cannot be imported everywhere.

    Raises:
        MissingExtraError: there is no display; the message ends with what to do `instead`.
    """
    if not has_display():
        raise MissingExtraError(f"There is no display to open a window on; {instead}.")
    return importlib.import_module("mujoco.viewer")


@contextmanager
def moving_window(hand: RobotHand) -> Iterator[Show]:
    """A window with a hand, open until the end or until it is closed.

    Raises:
        MissingExtraError: there is no display.
    """
    viewer = viewer_module("record a video instead")
    scene = build_scene(hand)
    data = mujoco.MjData(scene.model)
    before = set(threading.enumerate())
    window = viewer.launch_passive(scene.model, data)
    drawing = set(threading.enumerate()) - before

    def show(qpos: Float[ndarray, " nq"]) -> bool:
        with window.lock():
            scene.place(data, qpos, IDENTITY_POSE)
            mujoco.mj_forward(scene.model, data)
        window.sync()
        return bool(window.is_running())

    try:
        yield show
    finally:
        window.close()
        # The process crashes if it ends while the window's thread still draws.
        for thread in drawing:
            thread.join(_CLOSING_SECONDS)
