"""The looks of a maker's model on a hand of ours: its meshes on our bodies, names and frames."""

from pathlib import Path

import mujoco
import numpy as np
from jaxtyping import Float
from scipy.spatial.transform import Rotation

from handsim.errors import InputError
from handsim.hands.couplings import spools
from handsim.hands.model_file import compile_model, read_model

_AGREEMENT = 1e-5
"""Body frames closer than this [m, and as entries of rotations] are the same."""
_SHOWN = 2
_HIDDEN = 5


def dress(spec: mujoco.MjSpec, source: Path) -> None:
    """Show `source`'s visual meshes on the bodies of `spec`, in place of its own visual geoms.

    Kinematics, masses and contacts stay as they are. A body of the source that `spec` lacks must be
    fixed to one that it has. Body frames are compared at random configurations first.

    Raises:
        MissingFileError: there is no such file.
        FormatError: it cannot be read.
        InputError: its joints or body frames are not those of `spec`, or it has no visual meshes.

    Warns:
        MissingMeshWarning: some of its meshes are missing.
    """
    maker = read_model(source)
    model = compile_model(source, maker)
    _require_same_frames(spec.compile(), model, source)
    shown = [g for g in maker.geoms if g.meshname and not (g.contype or g.conaffinity)]
    if not shown:
        raise InputError(f"{source} has no visual meshes.")
    _hide_own(spec)
    bodies = {body.name for body in spec.bodies}
    _copy_assets(spec, maker, source)
    for geom in shown:
        _show(spec, model, geom, bodies)


def _require_same_frames(own: mujoco.MjModel, other: mujoco.MjModel, source: Path) -> None:
    """Check that both models place the bodies they share alike, relative to the root.

    A maker's model may pull its tendons directly where ours has spools.
    """
    added = spools(own)
    joints = [own.joint(j).name for j in range(own.njnt) if j not in added]
    others = [other.joint(j).name for j in range(other.njnt)]
    if set(joints) != set(others):
        raise InputError(
            f"{source} has the joints {', '.join(others)}, expected {', '.join(joints)}."
        )
    names = {own.body(b).name for b in range(1, own.nbody)}
    shared = [n for b in range(1, other.nbody) if (n := other.body(b).name) in names]
    root = own.body(1).name
    if root not in shared:
        raise InputError(f"{source} has no body {root!r}, the root of the hand.")
    rng = np.random.default_rng(0)
    datas = mujoco.MjData(own), mujoco.MjData(other)
    for _ in range(16):
        for joint in joints:
            value = rng.uniform(*own.joint(joint).range)
            datas[0].joint(joint).qpos[:] = datas[1].joint(joint).qpos[:] = value
        for model, data in zip((own, other), datas, strict=True):
            mujoco.mj_kinematics(model, data)
        for name in shared:
            gap = np.abs(_seen_from(datas[0], root, name) - _seen_from(datas[1], root, name)).max()
            if gap > _AGREEMENT:
                raise InputError(
                    f"{source}: the frame of body {name!r} differs by {gap:.2g} from that of this "
                    "hand, expected the same model."
                )


def _seen_from(data: mujoco.MjData, root: str, body: str) -> Float[np.ndarray, "3 4"]:
    """The frame of a body in that of the root: rotation and translation."""
    base, held = data.body(root), data.body(body)
    turned = base.xmat.reshape(3, 3).T
    place = turned @ (held.xpos - base.xpos)
    return np.concatenate([turned @ held.xmat.reshape(3, 3), place[:, None]], axis=1)


def _hide_own(spec: mujoco.MjSpec) -> None:
    """Remove geoms that are only seen; hide those that also collide."""
    for geom in list(spec.geoms):
        if geom.contype or geom.conaffinity:
            geom.group = 3 if geom.group in (0, 1, _SHOWN) else geom.group
        elif geom.mass == 0:
            spec.delete(geom)
        else:
            geom.group = _HIDDEN


def _copy_assets(spec: mujoco.MjSpec, maker: mujoco.MjSpec, source: Path) -> None:
    """Copy the maker's meshes, textures and materials, under names that clash with none."""
    folder = source.resolve().parent
    for mesh in maker.meshes:
        copy = spec.add_mesh(name=_asset(_mesh_name(mesh)))
        copy.file = str(folder / maker.meshdir / mesh.file) if mesh.file else ""
        for key in ("scale", "refpos", "refquat", "inertia", "smoothnormal"):
            setattr(copy, key, getattr(mesh, key))
    for texture in [t for t in maker.textures if t.file]:
        copy = spec.add_texture(name=_asset(texture.name or Path(texture.file).stem))
        copy.type = texture.type
        copy.file = str(folder / (maker.texturedir or maker.meshdir) / texture.file)
    textures = {texture.name for texture in spec.textures}
    for material in maker.materials:
        copy = spec.add_material(name=_asset(material.name))
        for key in ("rgba", "emission", "specular", "shininess", "reflectance", "texrepeat"):
            setattr(copy, key, getattr(material, key))
        copy.textures = [_asset(t) if _asset(t) in textures else "" for t in material.textures]


def _asset(name: str) -> str:
    return f"looks/{name}"


def _mesh_name(mesh: mujoco.MjsMesh) -> str:
    return str(mesh.name or Path(mesh.file).stem)


def _show(
    spec: mujoco.MjSpec, model: mujoco.MjModel, geom: mujoco.MjsGeom, bodies: set[str]
) -> None:
    """Add a geom of the maker's model to our body of the same name, or to what carries it."""
    pos, turn = np.array(geom.pos), Rotation.from_quat(geom.quat, scalar_first=True)
    body = model.body(geom.parent.name)
    while body.name not in bodies:
        if model.body_jntnum[body.id] or not body.id:
            raise InputError(f"Body {body.name!r} carries meshes, moves and is not of this hand.")
        held = Rotation.from_quat(model.body_quat[body.id], scalar_first=True)
        pos, turn = model.body_pos[body.id] + held.apply(pos), held * turn
        body = model.body(model.body_parentid[body.id])
    shown = spec.body(body.name).add_geom(type=mujoco.mjtGeom.mjGEOM_MESH)
    shown.meshname = _asset(geom.meshname)
    shown.pos, shown.quat = pos, turn.as_quat(scalar_first=True)
    shown.material = _asset(geom.material) if geom.material else ""
    shown.rgba = geom.rgba
    shown.contype = shown.conaffinity = 0
    shown.group, shown.mass = _SHOWN, 0.0
