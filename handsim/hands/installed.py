"""Robot models that the user has beside this package: a MuJoCo Menagerie, `robot_descriptions`."""

import importlib
import importlib.util
import os
import sys
from pathlib import Path
from types import ModuleType

from handsim.errors import InputError, MissingExtraError, MissingFileError, unknown

MENAGERIE_VARIABLE = "HANDSIM_MENAGERIE"
"""Environment variable with the folder of a Menagerie copy."""
DESCRIPTIONS = "robot_descriptions"
PREFIX = f"{DESCRIPTIONS}:"

MENAGERIE_MODULES = {
    "aero": "aero_hand_open_mj_description",
    "allegro": "allegro_hand_mj_description",
    "leap": "leap_hand_mj_description",
    "shadow": "shadow_hand_mj_description",
}
"""The hands of the catalogue whose Menagerie models `robot_descriptions` has."""


def described_model(name: str, side: str | None = None) -> Path:
    """The model file that a module of the `robot_descriptions` package stands for.

    Importing such a module fetches its repository when it is not in that package's cache yet.

    Args:
        name: the module, like ``allegro_hand_mj_description``.
        side: whose file, where the module has one for each side.

    Raises:
        MissingExtraError: the package is not installed, or cannot fetch the model.
        UnknownNameError: it has no such module.
        InputError: the module has no model file, or its cache holds a folder it would delete.
    """
    module = _description(name)
    endings = [f"_{side.upper()}", ""] if side else ["_RIGHT", "", "_LEFT"]
    kinds = [k for k in ("MJCF_PATH", "URDF_PATH") if any(a.startswith(k) for a in vars(module))]
    names = [kind + ending for kind in kinds for ending in endings]
    found: str | None = next((getattr(module, n) for n in names if hasattr(module, n)), None)
    if found is None:
        raise InputError(f"{DESCRIPTIONS}.{name} names no MJCF and no URDF file.")
    return Path(found)


def menagerie_model(hand: str, file: str, folder: Path | None) -> Path:
    """The user's copy of a Menagerie model.

    Args:
        hand: the hand's name in the catalogue.
        file: the model's path inside Menagerie, like ``shadow_hand/right_hand.xml``.
        folder: the Menagerie folder or the hand's folder in it; None to take that of the
            environment variable `HANDSIM_MENAGERIE`, else what `robot_descriptions` has.

    Raises:
        MissingFileError: it is in none of these places; the message lists them.
        MissingExtraError: `robot_descriptions` is there but cannot fetch it.
    """
    searched: list[str] = []
    named = os.environ.get(MENAGERIE_VARIABLE)
    if folder is None and named:
        folder = Path(named)
    if folder is not None:
        for path in (folder / file, folder / Path(file).name):
            if path.is_file():
                return path
            searched.append(str(path))
    else:
        searched.append(f"the environment variable {MENAGERIE_VARIABLE} (not set)")
        if hand in MENAGERIE_MODULES and importlib.util.find_spec(DESCRIPTIONS):
            path = Path(_description(MENAGERIE_MODULES[hand]).PACKAGE_PATH) / Path(file).name
            if path.is_file():
                return path
            searched.append(str(path))
        else:
            searched.append(f"the package {DESCRIPTIONS} (not installed, or without this hand)")
    raise MissingFileError(
        f"No Menagerie model of {hand!r} found; searched: {'; '.join(searched)}. Give the folder "
        f"of a copy of mujoco_menagerie, or set {MENAGERIE_VARIABLE} to it."
    )


def _description(name: str) -> ModuleType:
    """A module of `robot_descriptions`, its model fetched."""
    if importlib.util.find_spec(DESCRIPTIONS) is None:
        raise MissingExtraError(
            f"The package {DESCRIPTIONS!r} is not installed; `pip install {DESCRIPTIONS}` gets it, "
            "or give the path of a model file."
        )
    _protect_cache()
    full = f"{DESCRIPTIONS}.{name}"
    try:
        return importlib.import_module(full)
    except ModuleNotFoundError as error:
        if error.name != full:
            raise MissingExtraError(f"{full} cannot be imported: {error}.") from error
        raise unknown(f"module of {DESCRIPTIONS}", name, _hand_modules()) from error
    except _fetch_errors() as error:
        reason = " ".join(str(error).split())[:200]
        raise MissingExtraError(
            f"{full} could not fetch its model: {reason}. Run once with a network, or give the "
            "path of a model file."
        ) from error


def _fetch_errors() -> tuple[type[Exception], ...]:
    """What an import that fetches may raise, its git client's errors too when that is imported."""
    error = getattr(sys.modules.get("git.exc"), "GitError", None)
    known = (ImportError, OSError, RuntimeError, ValueError)
    return (*known, error) if isinstance(error, type) and issubclass(error, Exception) else known


def _hand_modules() -> list[str]:
    package = importlib.util.find_spec(DESCRIPTIONS)
    folders = package.submodule_search_locations if package is not None else None
    files = [file for folder in folders or [] for file in Path(folder).glob("*hand*description.py")]
    return [file.stem for file in files]


def _protect_cache() -> None:
    """Refuse where the package would delete a folder: it replaces any that is no git repository."""
    default = "~/.cache/robot_descriptions"
    cache = Path(os.environ.get("ROBOT_DESCRIPTIONS_CACHE", default)).expanduser()
    plain = [
        folder
        for folder in (cache.iterdir() if cache.is_dir() else ())
        if folder.is_dir() and any(folder.iterdir()) and not _holds_repository(folder)
    ]
    if plain:
        raise InputError(
            f"{plain[0]} is not a git repository and {DESCRIPTIONS} may delete it; move it, and "
            f"give its path instead (for Menagerie: set {MENAGERIE_VARIABLE})."
        )


def _holds_repository(folder: Path) -> bool:
    """Whether a folder of the cache is a clone, or holds one (of a commit asked for)."""
    return (folder / ".git").exists() or any(folder.glob("*/.git"))
