"""URDF files as MuJoCo specs: mimic joints kept as equalities, meshes found or left out.

MuJoCo reads URDF but drops ``<mimic>`` without a word, merges links that a fixed joint holds (and
with them the tip links of hands), throws the visual shapes away and knows no ``package://``. Here
the text is put right first; the couplings are added after.
"""

import xml.etree.ElementTree as ET
from collections import Counter
from pathlib import Path
from typing import NamedTuple

import mujoco

from handsim.errors import FormatError, unknown

MESH_FORMATS = (".obj", ".stl", ".msh")
"""The mesh formats MuJoCo reads."""

_COMPILER = {
    "fusestatic": "false",
    "discardvisual": "false",
    "strippath": "false",
    "balanceinertia": "true",
}
_SCHEMES = ("package://", "model://")


class Mimic(NamedTuple):
    """`joint` = multiplier · `driver` + offset."""

    joint: str
    driver: str
    multiplier: float
    offset: float


class Reading(NamedTuple):
    """What was read from a file.

    Attributes:
        spec: the model.
        lost: the meshes that were left out, each with the reason.
    """

    spec: mujoco.MjSpec
    lost: tuple[str, ...]


def read_urdf(path: Path) -> Reading:
    """The model of a URDF file, its mimic joints as joint equalities.

    Raises:
        FormatError: it is no URDF, or names contradict each other.
    """
    robot = _parsed(path)
    _require_unique_names(path, robot)
    mimics = _mimics(path, robot)
    lost = _place_meshes(path, robot)
    files = _alias_meshes(robot)
    ET.SubElement(ET.SubElement(robot, "mujoco"), "compiler", _COMPILER)
    try:
        spec = mujoco.MjSpec.from_string(ET.tostring(robot, encoding="unicode"))
    except ValueError as error:
        raise FormatError(f"{path} is not a URDF that MuJoCo reads: {one_line(error)}.") from error
    for mesh in spec.meshes:
        mesh.file = files[mesh.file]
    for mimic in mimics:
        add_coupling(spec, mimic.joint, mimic.driver, [mimic.offset, mimic.multiplier])
    _sort_geoms(spec)
    return Reading(spec, tuple(lost))


def add_coupling(spec: mujoco.MjSpec, joint: str, driver: str, polycoef: list[float]) -> None:
    """Let `joint` follow `driver` by a polynomial, constant term first."""
    equality = spec.add_equality(name=joint, type=mujoco.mjtEq.mjEQ_JOINT)
    equality.objtype = mujoco.mjtObj.mjOBJ_JOINT
    equality.name1, equality.name2 = joint, driver
    data = [float(c) for c in polycoef]
    equality.data = data + [0.0] * (len(equality.data) - len(data))


def one_line(error: Exception) -> str:
    """An error's message on one line, without a full stop."""
    return " ".join(str(error).split()).rstrip(".")


def _parsed(path: Path) -> ET.Element:
    try:
        robot = ET.parse(path).getroot()
    except (ET.ParseError, UnicodeDecodeError) as error:
        raise FormatError(f"{path} is not well-formed XML: {error}.") from error
    if robot.tag != "robot":
        raise FormatError(f"{path} has the root element <{robot.tag}>, expected <robot> of a URDF.")
    for extension in robot.findall("mujoco"):
        robot.remove(extension)
    return robot


def _require_unique_names(path: Path, robot: ET.Element) -> None:
    for kind in ("link", "joint"):
        names = Counter(element.get("name", "") for element in robot.findall(kind))
        twice = sorted(name for name, count in names.items() if count > 1)
        if twice:
            raise FormatError(f"{path} has several {kind}s named {', '.join(map(repr, twice))}.")


def _mimics(path: Path, robot: ET.Element) -> list[Mimic]:
    """The mimic joints; one that follows a fixed joint is no coupling and left out."""
    joints = {j.get("name", ""): j for j in robot.findall("joint")}
    found: dict[str, Mimic] = {}
    for name, joint in joints.items():
        element = joint.find("mimic")
        if element is None or joint.get("type") == "fixed":
            continue
        driver = element.get("joint", "")
        if driver not in joints:
            raise FormatError(
                f"{path}: joint {name!r} mimics: {unknown('joint', driver, joints)}"
            ) from None
        try:
            multiplier, offset = (
                float(element.get(key, value))
                for key, value in (("multiplier", "1"), ("offset", "0"))
            )
        except ValueError as error:
            raise FormatError(f"{path}: mimic of joint {name!r}: {error}.") from error
        found[name] = Mimic(name, driver, multiplier, offset)
    for name in found:
        seen, driver = [name], found[name].driver
        while driver in found:
            if driver in seen:
                raise FormatError(f"{path}: joints {', '.join(seen)} mimic each other in a circle.")
            seen.append(driver)
            driver = found[driver].driver
    return list(found.values())


def _place_meshes(path: Path, robot: ET.Element) -> list[str]:
    """Write full paths into the meshes, remove shapes whose mesh cannot be had; the latter."""
    lost = []
    for link in robot.findall("link"):
        for shape in [s for kind in ("visual", "collision") for s in link.findall(kind)]:
            mesh = shape.find("geometry/mesh")
            if mesh is None:
                continue
            name = mesh.get("filename", "")
            file = find_mesh(path.parent, name)
            if file is not None and file.suffix.lower() in MESH_FORMATS:
                mesh.set("filename", str(file))
            else:
                lost.append(f"{name} ({'not found' if file is None else 'format not read'})")
                link.remove(shape)
    return lost


def find_mesh(folder: Path, name: str) -> Path | None:
    """The file that a URDF in `folder` means by `name`, or None.

    A package is searched for upwards: a folder of its name above the file, or beside one above.
    """
    folder = folder.resolve()
    for scheme in _SCHEMES:
        if name.startswith(scheme):
            package, _, rest = name.removeprefix(scheme).partition("/")
            candidates = [
                place
                for above in (folder, *folder.parents)
                for place in (above / package / rest, above / rest)
            ]
            break
    else:
        candidates = [folder / name.removeprefix("file://")]
    return next((file for file in candidates if file.is_file()), None)


def _alias_meshes(robot: ET.Element) -> dict[str, str]:
    """Give each mesh file a name of its own in the text; alias → full path.

    MuJoCo names a mesh after its file without the folder, and so takes a collision mesh for the
    visual one of the same file name.
    """
    files: dict[str, str] = {}
    for mesh in robot.iter("mesh"):
        file = Path(mesh.get("filename", ""))
        alias = files.setdefault(str(file), f"{file.stem}-{len(files)}{file.suffix}")
        mesh.set("filename", alias)
    return {alias: file for file, alias in files.items()}


def _sort_geoms(spec: mujoco.MjSpec) -> None:
    """Seen geoms into group 2; colliding ones into group 3 where the body has others to be seen."""
    for body in spec.bodies:
        seen = [g for g in body.geoms if not (g.contype or g.conaffinity)]
        for geom in body.geoms:
            geom.group = 2 if geom in seen or not seen else 3
