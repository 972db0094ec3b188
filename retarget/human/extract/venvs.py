"""Workers' environments: a virtual environment each in the user's cache, made once.

`environments/<backend>.txt` is a file of pip requirements whose first comments say the rest:

    # python: 3.9-3.12       the interpreters it works with
    # imports: mediapipe cv2 what must import when it is complete
    # pip: --no-deps         further options of `pip install`

`make` can be cut off and run again. An environment is complete when its marker says so, and says
it of these very requirements.
"""

import json
import os
import platform
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from handsim.errors import MissingExtraError, OutputError, WorkerError, unknown
from handsim.files import replacing, sha256

RECIPES = Path(__file__).parent / "environments"
DEFAULT = "mediapipe"
"""The backend whose environment is made without being asked for."""
MARKER = "complete.json"
Version = tuple[int, int]

_ASK_VERSION = "import sys; sys.stdout.write('%d.%d' % sys.version_info[:2])"


@dataclass(frozen=True)
class Recipe:
    """What an environment is made of.

    Attributes:
        backend: whose it is.
        requirements: file of pip requirements.
        oldest, newest: versions of Python it works with.
        imports: modules that must import.
        pip: further options of `pip install`.
    """

    backend: str
    requirements: Path
    oldest: Version
    newest: Version
    imports: tuple[str, ...]
    pip: tuple[str, ...]

    def accepts(self, version: Version | None) -> bool:
        """Whether it works with a version of Python; None is of no interpreter."""
        return version is not None and self.oldest <= version <= self.newest


def recipe_of(backend: str) -> Recipe:
    """The recipe of a backend's environment.

    Raises:
        UnknownNameError: there is none.
    """
    path = RECIPES / f"{backend}.txt"
    known = sorted(file.stem for file in RECIPES.glob("*.txt"))
    if backend not in known:
        raise unknown("backend", backend, known)
    said = dict(
        re.findall(r"^# (python|imports|pip): (.+)$", path.read_text("utf-8"), re.MULTILINE)
    )
    oldest, newest = (_version(text) for text in said["python"].split("-"))
    return Recipe(
        backend,
        path,
        oldest,
        newest,
        tuple(said["imports"].split()),
        tuple(said.get("pip", "").split()),
    )


def cache_folder() -> Path:
    """Where things made once are kept: `HANDSIM_CACHE`, or "handsim" in the user's cache."""
    if os.environ.get("HANDSIM_CACHE"):
        return Path(os.environ["HANDSIM_CACHE"])
    home = Path.home()
    defaults = {"Darwin": home / "Library" / "Caches", "Windows": home / "AppData" / "Local"}
    default = defaults.get(platform.system(), home / ".cache")
    return Path(os.environ.get("XDG_CACHE_HOME") or default) / "handsim"


def folder_of(backend: str) -> Path:
    """The folder of a backend's environment, made or not."""
    return cache_folder() / "environments" / backend


def interpreter_in(folder: Path) -> Path:
    """The interpreter of a virtual environment."""
    windows = platform.system() == "Windows"
    return folder / ("Scripts/python.exe" if windows else "bin/python")


def is_complete(backend: str) -> bool:
    """Whether a backend's environment is made, of the present requirements."""
    marker = folder_of(backend) / MARKER
    try:
        said = json.loads(marker.read_text("utf-8"))["requirements"]
    except (OSError, ValueError, KeyError, TypeError):
        return False
    return bool(said == sha256(recipe_of(backend).requirements))


def find(backend: str) -> Path:
    """The interpreter to run a backend by: that of `HANDSIM_<BACKEND>_PYTHON`, else of `make`.

    Raises:
        MissingExtraError: there is none; the message says what to run.
    """
    variable = f"HANDSIM_{backend.upper()}_PYTHON"
    if os.environ.get(variable):
        return Path(os.environ[variable])
    if is_complete(backend):
        return interpreter_in(folder_of(backend))
    raise MissingExtraError(
        f"The environment of {backend} is not set up: run `retarget setup {backend}`, or name an "
        f"interpreter that has it by --python or {variable}."
    )


def find_or_make(backend: str, say: Callable[[str], None]) -> Path:
    """As `find`; the environment of `DEFAULT` is made when there is none.

    Raises:
        MissingExtraError: another backend's is not set up, or there is no Python for it.
        WorkerError: it cannot be made.
    """
    try:
        return find(backend)
    except MissingExtraError:
        if backend != DEFAULT:
            raise
    say(f"the environment of {backend} is not set up: making it once, in {folder_of(backend)}")
    return make(backend, say=say)


def make(
    backend: str,
    python: str | Path | None = None,
    say: Callable[[str], None] = lambda line: None,
) -> Path:
    """Make a backend's environment; nothing is done when it is complete.

    Args:
        backend: whose.
        python: the interpreter to make it with; None for this one, or another on the path.
        say: told of the progress, line by line.

    Returns:
        Its interpreter.

    Raises:
        UnknownNameError: there is no such backend.
        MissingExtraError: there is no interpreter of a version it works with.
        WorkerError: a step failed; the message quotes it.
    """
    recipe = recipe_of(backend)
    folder, interpreter = folder_of(backend), interpreter_in(folder_of(backend))
    if is_complete(backend) and python is None:
        say(f"{folder} is complete")
        return interpreter
    (folder / MARKER).unlink(missing_ok=True)
    _make_venv(recipe, folder, python, say)
    options = ["--no-input", "--disable-pip-version-check", "--progress-bar", "off", *recipe.pip]
    pip = [str(interpreter), "-I", "-m", "pip", "install", *options]
    _do([*pip, "--requirement", str(recipe.requirements)], say)
    _do([str(interpreter), "-I", "-c", f"import {', '.join(recipe.imports)}"], say)
    with replacing(folder / MARKER) as temporary:
        temporary.write_text(json.dumps({"requirements": sha256(recipe.requirements)}))
    say(f"{folder} is complete")
    return interpreter


def _make_venv(
    recipe: Recipe, folder: Path, python: str | Path | None, say: Callable[[str], None]
) -> None:
    """The bare environment; one that was begun with the same Python is gone on with."""
    chosen, version = _choose(recipe, python)
    interpreter = interpreter_in(folder)
    if version_of(interpreter) == version and _works([str(interpreter), "-I", "-m", "pip", "-V"]):
        return
    say(f"making an environment of Python {version[0]}.{version[1]} in {folder}")
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise OutputError(f"Cannot write {folder}: {error.strerror or error}.") from error
    _do([str(chosen), "-m", "venv", "--clear", str(folder)], say)


def _choose(recipe: Recipe, python: str | Path | None) -> tuple[str, Version]:
    """An interpreter of a version that the recipe works with."""
    newer = [f"python3.{minor}" for minor in range(recipe.newest[1], recipe.oldest[1] - 1, -1)]
    candidates = [sys.executable, *newer] if python is None else [str(python)]
    for candidate in candidates:
        version = version_of(candidate)
        if version is not None and recipe.accepts(version):
            return candidate, version
    raise MissingExtraError(_no_python(recipe, candidates))


def _no_python(recipe: Recipe, candidates: list[str]) -> str:
    version = version_of(candidates[0])
    found = f"is {_text(version)}" if version else "cannot be run"
    others = f", and there is no {' or '.join(candidates[1:])} here" if candidates[1:] else ""
    return (
        f"{recipe.backend} works with Python {_text(recipe.oldest)} to {_text(recipe.newest)}; "
        f"{candidates[0]} {found}{others}. Install one of them and name it: "
        f"`retarget setup {recipe.backend} --python PATH`."
    )


def version_of(python: str | Path) -> Version | None:
    """The version of an interpreter; None when it cannot be run."""
    found = shutil.which(str(python))
    if found is None:
        return None
    asked = subprocess.run(
        [found, "-I", "-c", _ASK_VERSION], capture_output=True, text=True, check=False
    )
    return _version(asked.stdout) if asked.returncode == 0 else None


def _version(text: str) -> Version:
    major, minor = text.strip().split(".")
    return int(major), int(minor)


def _text(version: Version) -> str:
    return f"{version[0]}.{version[1]}"


def _works(command: list[str]) -> bool:
    return subprocess.run(command, capture_output=True, check=False).returncode == 0


def _do(command: list[str], say: Callable[[str], None]) -> None:
    """Run a step, telling what it says.

    Raises:
        WorkerError: it failed.
    """
    last = ""
    try:
        step = subprocess.Popen(
            command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, errors="replace"
        )
    except OSError as error:
        raise WorkerError(f"Cannot run {command[0]}: {error.strerror or error}.") from error
    with step:
        assert step.stdout is not None
        for line in step.stdout:
            last = line.strip() or last
            say(line.rstrip())
    if step.returncode:
        raise WorkerError(f"`{' '.join(command)}` failed: {last or step.returncode}")
