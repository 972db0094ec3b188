"""A hand's model file, MJCF or URDF, read and reduced to the hand alone."""

import warnings
from pathlib import Path

import mujoco

from handsim.errors import FormatError, InputError, MissingFileError
from handsim.hands.urdf import MESH_FORMATS, Reading, one_line, read_urdf

SUFFIXES = (".xml", ".mjcf", ".urdf")

_LEAST_MASS, _LEAST_INERTIA = 1e-4, 1e-8
"""What a link without mass of its own gets [kg, kg m²]: nothing next to a motor's inertia."""


class MissingMeshWarning(UserWarning):
    """Meshes of a hand could not be read: it moves as it should but is not drawn in full."""


def read_model(path: str | Path) -> mujoco.MjSpec:
    """The spec of a model file, with the hand alone in it.

    Left out are free joints, what is fixed to the world itself (a floor), bodies without joints
    beside the hand, lights, cameras, skies, keyframes, and shapes whose mesh is missing, which are
    warned of once. Nameless joints and bodies get names.

    Raises:
        MissingFileError: there is no such file.
        FormatError: it is not a model file MuJoCo can read or compile.
        InputError: it has not exactly one hand in it, or a joint without limits.

    Warns:
        MissingMeshWarning: meshes are missing or in a format that MuJoCo does not read.
    """
    path = Path(path)
    if not path.is_file():
        raise MissingFileError(f"No such file: {path}.")
    if path.suffix.lower() not in SUFFIXES:
        raise FormatError(f"{path} ends in {path.suffix!r}, expected {', '.join(SUFFIXES)}.")
    spec, lost = read_urdf(path) if path.suffix.lower() == ".urdf" else _read_mjcf(path)
    _keep_the_hand(path, spec)
    _name_all(spec)
    spec.compiler.balanceinertia = True
    spec.compiler.boundmass, spec.compiler.boundinertia = _LEAST_MASS, _LEAST_INERTIA
    model = compile_model(path, spec)
    _require_limits(path, model)
    if lost:
        _warn_of_lost_meshes(path, lost)
    return spec


def compile_model(path: Path, spec: mujoco.MjSpec) -> mujoco.MjModel:
    """The compiled model.

    Raises:
        FormatError: MuJoCo does not compile it.
    """
    try:
        return spec.compile()
    except ValueError as error:
        raise FormatError(f"{path} does not compile: {one_line(error)}.") from error


def _read_mjcf(path: Path) -> Reading:
    try:
        spec = mujoco.MjSpec.from_file(str(path))
    except (ValueError, UnicodeDecodeError) as error:
        raise FormatError(f"{path} is not an MJCF that MuJoCo reads: {one_line(error)}.") from error
    return Reading(spec, (*_drop_lost_meshes(path, spec), *_drop_lost_textures(path, spec)))


def _drop_lost_meshes(path: Path, spec: mujoco.MjSpec) -> list[str]:
    """Remove the meshes that cannot be read, and the geoms that show them; why each is lost."""
    folder = path.parent / spec.meshdir
    lost = {}
    for mesh in [m for m in spec.meshes if m.file]:
        if not (folder / mesh.file).is_file():
            lost[mesh.name or Path(mesh.file).stem] = mesh, f"{mesh.file} (not found)"
        elif Path(mesh.file).suffix.lower() not in MESH_FORMATS:
            lost[mesh.name or Path(mesh.file).stem] = mesh, f"{mesh.file} (format not read)"
    for geom in [g for g in spec.geoms if g.meshname in lost]:
        spec.delete(geom)
    for mesh, _ in lost.values():
        spec.delete(mesh)
    return [reason for _, reason in lost.values()]


def _drop_lost_textures(path: Path, spec: mujoco.MjSpec) -> list[str]:
    folder = path.parent / (spec.texturedir or spec.meshdir)
    lost = [t for t in spec.textures if t.file and not (folder / t.file).is_file()]
    names = {texture.name or Path(texture.file).stem for texture in lost}
    for material in spec.materials:
        material.textures = ["" if name in names else name for name in material.textures]
    reasons = [f"{texture.file} (not found)" for texture in lost]
    for texture in lost:
        spec.delete(texture)
    return reasons


def _warn_of_lost_meshes(path: Path, lost: tuple[str, ...]) -> None:
    shown = ", ".join(lost[:3]) + (", …" if len(lost) > 3 else "")
    warnings.warn(
        f"{path}: {len(lost)} shapes left out, their files cannot be read: {shown}. The hand moves "
        "as it should but is not drawn in full and may not touch what it should.",
        MissingMeshWarning,
        stacklevel=4,
    )


def _keep_the_hand(path: Path, spec: mujoco.MjSpec) -> None:
    for joint in [j for j in spec.joints if int(j.type) == int(mujoco.mjtJoint.mjJNT_FREE)]:
        spec.delete(joint)
    world = spec.worldbody
    sky = int(mujoco.mjtTexture.mjTEXTURE_SKYBOX)
    skies = [texture for texture in spec.textures if int(texture.type) == sky]
    for thing in [*spec.keys, *spec.lights, *spec.cameras, *skies, *world.geoms, *world.sites]:
        spec.delete(thing)
    roots = [body for body in spec.bodies if body.parent == world]
    hands = [body for body in roots if body.find_all("joint")]
    if len(hands) != 1:
        names = ", ".join(repr(body.name) for body in hands or roots) or "none"
        raise InputError(
            f"{path} has {len(hands)} bodies with joints under the world ({names}), "
            "expected one hand."
        )
    for body in roots:
        if body is not hands[0]:
            spec.delete(body)


def _name_all(spec: mujoco.MjSpec) -> None:
    for kind, things in (("body", spec.bodies[1:]), ("joint", spec.joints)):
        taken = {thing.name for thing in things}
        for i, thing in enumerate(things):
            if not thing.name:
                thing.name = next(
                    name for k in range(len(things) + 1) if (name := f"{kind}_{i + k}") not in taken
                )
                taken.add(thing.name)


def _require_limits(path: Path, model: mujoco.MjModel) -> None:
    kinds = {int(mujoco.mjtJoint.mjJNT_HINGE), int(mujoco.mjtJoint.mjJNT_SLIDE)}
    names = [
        model.joint(j).name
        for j in range(model.njnt)
        if not model.jnt_limited[j] or int(model.jnt_type[j]) not in kinds
    ]
    if names:
        raise InputError(
            f"{path}: joints without limits: {', '.join(names)}; expected every joint to be a "
            "hinge or slide with a range (URDF: <limit lower upper>; MJCF: range)."
        )
