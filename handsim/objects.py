"""The objects that stand in scenes: a catalogue of primitives, and meshes as convex pieces.

A file of the catalogue, or of the user, is a few lines of TOML::

    shape = "box"
    size = [0.05, 0.05, 0.10]
    mass = 0.2

`friction` and `rgba` are optional. Instead of `shape` and `size` there may be
``mesh = "file.obj"``, a path relative to the TOML file, with ``scale = 0.001`` where that is in
millimetres; then `mass` is optional too. The object is named after the file.
"""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from handsim.assets import ASSETS, read_toml
from handsim.convex import MESH_SUFFIXES, convex_pieces, read_mesh
from handsim.errors import FormatError, InputError, MissingFileError, unknown
from handsim.files import one_line
from handsim.scene_object import SceneObject, check_keys

MESH_DENSITY = 500.0
"""Of a mesh without a mass [kg/m³]: wood, or a household object that is partly hollow."""

_TOML = ".toml"
_PRIMITIVE_KEYS = ("shape", "size", "mass", "friction", "rgba")
_MESH_KEYS = ("mesh", "scale", "mass", "friction", "rgba")


def object_names() -> tuple[str, ...]:
    """The objects of the catalogue, in alphabetical order."""
    return tuple(sorted(path.stem for path in (ASSETS / "objects").glob(f"*{_TOML}")))


def load_object(
    name: str | Path | SceneObject | Mapping[str, Any], mass: float | None = None
) -> SceneObject:
    """An object of the catalogue, one that a file describes, or the one that is given.

    A mesh is cut into convex pieces, which takes seconds where it is intricate, and a minute where
    it intersects itself.

    Args:
        name: one of `object_names()`; or a TOML file, see `handsim.objects`; or a closed mesh in
            metres (`.obj`, `.stl`, `.ply`), z up as it is to stand; or an object, or what its
            `as_dict` gave.
        mass: another mass [kg]; a mesh without any has `MESH_DENSITY`.

    Raises:
        UnknownNameError: there is no such object.
        MissingFileError: there is no such file.
        FormatError: a file is not what its name says.
        InputError: it says what means nothing, or the mesh is no closed surface, see `read_mesh`.
        MissingExtraError: a package that meshes need is not installed.

    >>> load_object("box").size
    (0.05, 0.05, 0.1)
    """
    if isinstance(name, SceneObject):
        found = name
    elif isinstance(name, Mapping):
        found = SceneObject.from_dict(name)
    elif Path(name).suffix.lower() in MESH_SUFFIXES:
        found = _mesh_object(Path(name), 1.0, {})
    elif isinstance(name, Path) or "/" in name or Path(name).suffix.lower() == _TOML:
        found = _described(Path(name))
    elif name in object_names():
        found = _described(ASSETS / "objects" / f"{name}{_TOML}")
    else:
        raise unknown("object", name, object_names())
    return found if mass is None else replace(found, mass=mass)


def _described(path: Path) -> SceneObject:
    """The object of a TOML file."""
    if not path.is_file():
        raise MissingFileError(f"No such file: {path}.")
    try:
        said = read_toml(path)
    except (OSError, ValueError) as error:
        raise FormatError(f"{path} is no TOML file: {one_line(error)}.") from error
    if "mesh" not in said:
        check_keys(path, said, ("shape", "size", "mass"), _PRIMITIVE_KEYS)
        return SceneObject.from_dict({"name": path.stem, **said})
    check_keys(path, said, ("mesh",), _MESH_KEYS)
    file, scale = said.pop("mesh"), said.pop("scale", 1.0)
    if not isinstance(file, str):
        raise FormatError(f"{path}: mesh is {file!r}, expected the path of a file.")
    if not isinstance(scale, (int, float)) or not 0 < scale < np.inf:
        raise InputError(f"scale: {scale!r}, expected a positive number [m per unit of the mesh].")
    return _mesh_object(path.parent / file, float(scale), {"name": path.stem, **said})


def _mesh_object(path: Path, scale: float, said: Mapping[str, Any]) -> SceneObject:
    """The object of a mesh's file, of which `said` is known."""
    mesh = read_mesh(path, scale)
    pieces = convex_pieces(mesh)
    found = {
        "name": path.stem,
        "shape": "mesh",
        "size": np.ptp(np.concatenate(pieces), axis=0),
        "mass": MESH_DENSITY * mesh.volume,
        "pieces": pieces,
    }
    return SceneObject.from_dict({**found, **said})
