"""The OpenGL library that renders offscreen here, found by trying.

MuJoCo chooses one from the environment when it is first imported, and that import fails when the
library is absent. Here the choice is made when the first picture is wanted, whatever was imported
before.
"""

import importlib
import os
import platform
import subprocess
import sys
from functools import cache

from handsim.errors import MissingExtraError

BACKENDS = {"Linux": ("egl", "osmesa"), "Darwin": ("cgl",)}
"""MuJoCo's OpenGL backends to try on each system, in order; elsewhere "glfw"."""

_TRIAL = """
from mujoco.{name} import GLContext
context = GLContext(8, 8)
context.make_current()
context.free()
"""


@cache
def context_class() -> type:
    """The first OpenGL context class of MuJoCo's that works here.

    `MUJOCO_GL`, when it names a backend, is the only one tried.

    Raises:
        MissingExtraError: none does; the message says what to install.
    """
    asked = os.environ.get("MUJOCO_GL", "").lower().strip()
    known = {name for names in BACKENDS.values() for name in names} | {"glfw"}
    choices = (asked,) if asked in known else BACKENDS.get(platform.system(), ("glfw",))
    failures = []
    for name in choices:
        failure = _failure(name)
        if failure is None:
            found: type = importlib.import_module(f"mujoco.{name}").GLContext
            return found
        failures.append(f"{name}: {failure}")
    raise MissingExtraError(
        f"No OpenGL library can render offscreen here ({'; '.join(failures)}). Install one: on "
        "Debian or Ubuntu `apt-get install libegl1 libopengl0 libgl1-mesa-dri` or "
        "`apt-get install libosmesa6`."
    )


def _failure(name: str) -> str | None:
    """What goes wrong with a backend of MuJoCo's, or None when a context can be made.

    It is tried in a process of its own: a library that was loaded in vain stays loaded, PyOpenGL
    and MuJoCo then find its functions instead of another's, and a driver may crash.
    """
    trial = subprocess.run(
        [sys.executable, "-c", _TRIAL.format(name=name)],
        capture_output=True,
        text=True,
        check=False,
    )
    if trial.returncode == 0:
        return None
    errors = [line for line in trial.stderr.splitlines() if line.strip() and line[0] != " "]
    return errors[-1] if errors else f"exit code {trial.returncode}"
