"""An object weighs, turns and stands as its figures say, and a mesh as the solid it encloses."""

import json
import sys
from dataclasses import replace
from itertools import pairwise

import mujoco
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.spatial import Delaunay

from handsim import convex
from handsim.convex import hull_volume, read_mesh
from handsim.errors import (
    FormatError,
    InputError,
    MissingExtraError,
    MissingFileError,
    UnknownNameError,
)
from handsim.objects import MESH_DENSITY, load_object, object_names
from handsim.scene_object import SceneObject

PRIMITIVES = [
    SceneObject("brick", "box", (0.03, 0.05, 0.07), 0.3),
    SceneObject("can", "cylinder", (0.06, 0.06, 0.1), 0.4),
    SceneObject("puck", "cylinder", (0.08, 0.08, 0.02), 0.1),
    SceneObject("ball", "sphere", (0.05, 0.05, 0.05), 0.2),
    SceneObject("egg", "ellipsoid", (0.07, 0.06, 0.04), 0.1),
    SceneObject("pill_x", "capsule", (0.11, 0.04, 0.04), 0.15),
    SceneObject("pill_y", "capsule", (0.04, 0.11, 0.04), 0.15),
    SceneObject("pill_z", "capsule", (0.04, 0.04, 0.11), 0.15),
]
every_primitive = pytest.mark.parametrize("thing", PRIMITIVES, ids=lambda thing: thing.name)
every_object = pytest.mark.parametrize("name", object_names())
every_suffix = pytest.mark.parametrize("suffix", [".obj", ".stl", ".ply"])
BOX = (0.04, 0.06, 0.1)
CORNER = np.array([[0, 0], [6, 0], [6, 2], [2, 2], [2, 6], [0, 6]]) * 0.01
"""An L, and its two arms: centre and size of each box [m]."""
ARMS = [((0.03, 0.01, 0.015), (0.06, 0.02, 0.03)), ((0.01, 0.04, 0.015), (0.02, 0.04, 0.03))]


def compiled(thing: SceneObject, height: float = 0.0, ground: bool = False) -> mujoco.MjModel:
    spec = mujoco.MjSpec()
    spec.option.timestep, spec.option.cone = 1 / 480, mujoco.mjtCone.mjCONE_ELLIPTIC
    body = spec.worldbody.add_body(name="object", pos=[0, 0, height])
    body.add_freejoint()
    geoms = thing.add_geoms(spec, body)
    if ground:
        geoms.append(spec.worldbody.add_geom(type=mujoco.mjtGeom.mjGEOM_PLANE, size=[0, 0, 1]))
    for geom in geoms:
        geom.condim, geom.solref, geom.solimp = 4, [0.004, 1], [0.95, 0.99, 0.0005, 0.5, 2]
    return spec.compile()


def inertia(model: mujoco.MjModel) -> np.ndarray:
    """About the centre of mass, along the body's axes."""
    R = np.empty(9)
    mujoco.mju_quat2Mat(R, model.body_iquat[1])
    return R.reshape(3, 3) @ np.diag(model.body_inertia[1]) @ R.reshape(3, 3).T


def analytic(thing: SceneObject) -> np.ndarray:
    """Textbook moments of inertia of a solid of even density."""
    x, y, z = np.array(thing.size)
    if thing.shape == "box":
        return np.diag([y * y + z * z, x * x + z * z, x * x + y * y]) * thing.mass / 12
    if thing.shape in ("sphere", "ellipsoid"):
        return np.diag([y * y + z * z, x * x + z * z, x * x + y * y]) * thing.mass / 20
    if thing.shape == "cylinder":
        across = (3 * x * x / 4 + z * z) / 12
        return np.diag([across, across, x * x / 8]) * thing.mass
    r, length = min(thing.size) / 2, max(thing.size) - min(thing.size)
    tube, ends = np.pi * r**2 * length, 4 / 3 * np.pi * r**3
    density = thing.mass / (tube + ends)
    along = density * (tube * r**2 / 2 + ends * 2 / 5 * r**2)
    across = tube * (r**2 / 4 + length**2 / 12)
    across += ends * (2 / 5 * r**2 + length**2 / 4 + 3 / 8 * length * r)
    axis = int(np.argmax(thing.size))
    return np.diag([along if i == axis else density * across for i in range(3)])


def extents(model: mujoco.MjModel) -> tuple[np.ndarray, np.ndarray]:
    """Lowest and highest corner of the object's geoms in its frame, from their boxes."""
    data = mujoco.MjData(model)
    mujoco.mj_kinematics(model, data)
    corners = np.array(np.meshgrid(*[[-1, 1]] * 3)).reshape(3, -1).T
    found = []
    for g in range(model.ngeom):
        centre, half = model.geom_aabb[g, :3], model.geom_aabb[g, 3:]
        found.append(
            data.geom_xpos[g] + (centre + corners * half) @ data.geom_xmat[g].reshape(3, 3).T
        )
    points = np.concatenate(found) - data.xpos[1]
    return points.min(axis=0), points.max(axis=0)


def settled(thing: SceneObject, seconds: float = 1.0) -> mujoco.MjData:
    """Dropped on a plane from 5 mm."""
    model = compiled(thing, thing.rest_height + 0.005, ground=True)
    data = mujoco.MjData(model)
    for _ in range(int(seconds / model.opt.timestep)):
        mujoco.mj_step(model, data)
    return data


def prism(outline, height, low=0.0):
    """A closed prism over an outline that its first corner sees all of."""
    n = len(outline)
    vertices = np.vstack(
        [np.c_[outline, np.full(n, low)], np.c_[outline, np.full(n, low + height)]]
    )
    caps = [[0, i, i + 1] for i in range(1, n - 1)]
    faces = [face[::-1] for face in caps] + [[a + n for a in face] for face in caps]
    for i, j in pairwise([*range(n), 0]):
        faces += [[i, j, j + n], [i, j + n, i + n]]
    return vertices, np.array(faces)


def box_mesh(size=BOX, low=0.0):
    x, y, z = size
    outline = np.array([[-x, -y], [x, -y], [x, y], [-x, y]]) / 2
    return prism(outline, z, low)


def written(path, vertices, faces):
    """A mesh file, written plainly."""
    if path.suffix == ".obj":
        lines = [f"v {x:.9g} {y:.9g} {z:.9g}" for x, y, z in vertices]
        lines += [f"f {a} {b} {c}" for a, b, c in np.asarray(faces) + 1]
    elif path.suffix == ".ply":
        lines = ["ply", "format ascii 1.0", f"element vertex {len(vertices)}"]
        lines += [f"property float {axis}" for axis in "xyz"]
        lines += [f"element face {len(faces)}", "property list uchar int vertex_indices"]
        lines += ["end_header", *(f"{x:.9g} {y:.9g} {z:.9g}" for x, y, z in vertices)]
        lines += [f"3 {a} {b} {c}" for a, b, c in faces]
    else:
        lines = ["solid test"]
        for face in faces:
            lines += ["facet normal 0 0 0", "outer loop"]
            lines += [f"vertex {x:.9g} {y:.9g} {z:.9g}" for x, y, z in vertices[face]]
            lines += ["endloop", "endfacet"]
        lines.append("endsolid test")
    path.write_text("\n".join(lines) + "\n")
    return path


@every_primitive
def test_mass_and_inertia_are_the_textbooks(thing):
    model = compiled(thing)
    assert model.body_mass[1] == pytest.approx(thing.mass, rel=1e-12)
    np.testing.assert_allclose(inertia(model), analytic(thing), rtol=1e-9, atol=1e-15)
    np.testing.assert_allclose(model.body_ipos[1], 0, atol=1e-12)


@every_primitive
def test_the_size_is_the_full_extents(thing):
    low, high = extents(compiled(thing))
    np.testing.assert_allclose(high, np.array(thing.size) / 2, rtol=1e-9)
    np.testing.assert_allclose(low, -np.array(thing.size) / 2, rtol=1e-9)


@every_object
def test_the_catalogues_objects_come_to_rest_where_they_say(name):
    thing = load_object(name)
    data = settled(thing)
    assert data.qpos[2] == pytest.approx(thing.rest_height, abs=2e-4)
    assert np.abs(data.qvel).max() < 1e-3
    assert abs(data.qpos[3]) == pytest.approx(1, abs=1e-3)


def test_the_mustard_bottle_is_as_published():
    bottle = load_object("mustard")
    assert (bottle.size, bottle.mass) == ((0.050, 0.085, 0.175), 0.603)


@every_object
def test_an_object_survives_json(name):
    thing = load_object(name)
    said = json.loads(json.dumps(thing.as_dict()))
    again = SceneObject.from_dict(said)
    assert again.as_dict() == thing.as_dict()
    assert again.name == name


@every_primitive
@settings(max_examples=10, deadline=None)
@given(factor=st.floats(0.1, 5.0))
def test_scaling_changes_the_size_alone(thing, factor):
    other = thing.scaled(factor)
    np.testing.assert_allclose(other.size, np.array(thing.size) * factor)
    assert other.rest_height == pytest.approx(thing.rest_height * factor)
    assert {**other.as_dict(), "size": 0} == {**thing.as_dict(), "size": 0}


def test_a_box_scales_along_each_axis_and_a_ball_does_not():
    assert PRIMITIVES[0].scaled((1.0, 2.0, 3.0)).size == pytest.approx((0.03, 0.10, 0.21))
    with pytest.raises(InputError, match="sphere three times the diameter"):
        PRIMITIVES[3].scaled((1.0, 1.0, 2.0))
    for factor in (0.0, -1.0, np.nan, (1.0, 1.0, 0.0)):
        with pytest.raises(InputError, match="factor"):
            PRIMITIVES[0].scaled(factor)


def test_an_object_loads_as_itself_and_takes_another_mass():
    thing = PRIMITIVES[0]
    assert load_object(thing) is thing
    assert load_object(thing, mass=2.0).mass == 2.0
    assert load_object("box", mass=0.5).mass == 0.5


@every_suffix
def test_a_box_as_a_mesh_is_the_box(tmp_path, suffix):
    low = 0.01
    path = written(tmp_path / f"crate{suffix}", *box_mesh(low=low))
    thing = load_object(path, mass=0.3)
    assert (thing.name, thing.shape, len(thing.pieces)) == ("crate", "mesh", 1)
    model = compiled(thing)
    assert thing.size == pytest.approx(BOX, rel=1e-6)
    assert thing.rest_height == pytest.approx(-low)
    assert model.body_mass[1] == pytest.approx(0.3)
    np.testing.assert_allclose(
        inertia(model), analytic(SceneObject("box", "box", BOX, 0.3)), rtol=1e-5, atol=1e-10
    )
    np.testing.assert_allclose(model.body_ipos[1], [0, 0, low + BOX[2] / 2], atol=1e-7)
    corners = np.concatenate(extents(model))
    np.testing.assert_allclose(corners, [-0.02, -0.03, low, 0.02, 0.03, low + 0.1], atol=1e-6)


def test_a_mesh_comes_to_rest_where_it_says(tmp_path):
    thing = load_object(written(tmp_path / "l.obj", *prism(CORNER, 0.03, low=-0.02)))
    assert thing.rest_height == pytest.approx(0.02)
    assert settled(thing).qpos[2] == pytest.approx(0.02, abs=2e-4)


@pytest.fixture(scope="module")
def corner(tmp_path_factory):
    return load_object(written(tmp_path_factory.mktemp("mesh") / "l.stl", *prism(CORNER, 0.03)))


def test_an_l_becomes_pieces_that_fill_it_and_leave_its_notch(corner):
    assert len(corner.pieces) > 1
    solid = sum(np.prod(size) for _, size in ARMS)
    assert sum(hull_volume(piece) for piece in corner.pieces) == pytest.approx(solid, rel=0.01)
    assert corner.mass == pytest.approx(MESH_DENSITY * solid, rel=1e-6)
    points = np.random.default_rng(0).uniform([0, 0, 0], [0.06, 0.06, 0.03], (4000, 3))
    depths = [
        np.minimum(points - c + np.array(s) / 2, c + np.array(s) / 2 - points) for c, s in ARMS
    ]
    depth = np.max([d.min(axis=1) for d in depths], axis=0)
    covered = np.any([Delaunay(p).find_simplex(points) >= 0 for p in corner.pieces], axis=0)
    assert covered[depth > 5e-4].all()
    assert not covered[depth < -1e-3].any()


def test_an_l_turns_like_its_two_arms(corner):
    model = compiled(corner)
    arms = [SceneObject("arm", "box", size, MESH_DENSITY * np.prod(size)) for _, size in ARMS]
    centre = sum(a.mass * np.array(c) for a, (c, _) in zip(arms, ARMS, strict=True)) / corner.mass
    total = np.zeros((3, 3))
    for arm, (place, _) in zip(arms, ARMS, strict=True):
        offset = np.array(place) - centre
        total += analytic(arm) + arm.mass * (offset @ offset * np.eye(3) - np.outer(offset, offset))
    np.testing.assert_allclose(model.body_ipos[1], centre, atol=2e-4)
    np.testing.assert_allclose(inertia(model), total, rtol=0.01, atol=0.01 * total.max())


def test_the_pieces_are_the_same_each_time(corner, tmp_path):
    convex._pieces.cache_clear()
    again = load_object(written(tmp_path / "l.stl", *prism(CORNER, 0.03)))
    assert again.as_dict() == corner.as_dict()
    assert SceneObject.from_dict(json.loads(json.dumps(corner.as_dict()))).as_dict() == (
        corner.as_dict()
    )


def test_a_mesh_can_stand_twice_in_a_world_whose_text_holds_it(corner):
    spec = mujoco.MjSpec()
    for name in ("object", "goal"):
        corner.add_geoms(spec, spec.worldbody.add_body(name=name))
    model = spec.compile()
    again = mujoco.MjModel.from_xml_string(spec.to_xml())
    assert model.ngeom == again.ngeom == 2 * len(corner.pieces)
    np.testing.assert_allclose(model.body_mass[1:], corner.mass, rtol=1e-9)
    np.testing.assert_allclose(again.body_inertia, model.body_inertia, rtol=1e-4)


def test_a_mesh_scales_with_its_pieces(corner):
    other = corner.scaled((2.0, 1.0, 1.0))
    assert other.size == pytest.approx((0.12, 0.06, 0.03), rel=1e-6)
    low, high = extents(compiled(other))
    np.testing.assert_allclose(high - low, other.size, rtol=0.2)


def test_a_toml_file_names_a_mesh(tmp_path):
    vertices, faces = box_mesh()
    written(tmp_path / "millimetres.obj", vertices * 1000, faces)
    described = tmp_path / "crate.toml"
    described.write_text('mesh = "millimetres.obj"\nscale = 0.001\nfriction = 0.5\nmass = 0.7\n')
    thing = load_object(str(described))
    assert (thing.name, thing.mass, thing.friction) == ("crate", 0.7, 0.5)
    assert thing.size == pytest.approx(BOX)
    assert load_object(described, mass=0.1).mass == 0.1


def test_a_mesh_wound_inward_is_turned(tmp_path):
    vertices, faces = box_mesh()
    mesh = read_mesh(written(tmp_path / "inward.ply", vertices, faces[:, ::-1]))
    assert mesh.volume == pytest.approx(np.prod(BOX))


def test_meshes_that_are_no_solids_are_refused(tmp_path):
    vertices, faces = box_mesh()
    flipped = faces.copy()
    flipped[0] = flipped[0, ::-1]
    flat = vertices * [1, 1, 0]
    hole = vertices.copy()
    hole[3] = np.nan
    for bad, (mesh, words) in {
        "open": ((vertices, faces[:-1]), "not watertight: 3 edges border one face"),
        "thick": ((vertices, [*faces, faces[0]]), "and 3 more than two"),
        "against": ((vertices, flipped), "wound against each other"),
        "flat": ((flat, faces), "watertight|no volume"),
        "thin": ((vertices * [1, 1, 1e-9], faces), "no volume"),
        "nan": ((hole, faces), "NaN"),
        "empty": ((vertices, faces[:0]), "no faces"),
        "lines": ((vertices, faces[:, [0, 0, 0]]), "no faces with an area"),
        "big": ((vertices * 1000, faces), "millimetres"),
        "far": ((vertices + 5, faces), "around its origin"),
    }.items():
        path = written(tmp_path / f"{bad}.obj", mesh[0], np.array(mesh[1]))
        with pytest.raises(InputError, match=words):
            load_object(path)


@every_suffix
def test_damaged_meshes_are_refused_or_read(tmp_path, suffix):
    whole = written(tmp_path / f"whole{suffix}", *box_mesh()).read_bytes()
    rng, refused = np.random.default_rng(1), 0
    for _ in range(60):
        content = np.frombuffer(whole, np.uint8)[: rng.integers(1, len(whole))].copy()
        content[rng.integers(len(content), size=3)] = rng.integers(0, 256, 3)
        path = tmp_path / f"damaged{suffix}"
        path.write_bytes(content.tobytes())
        try:
            read_mesh(path)
        except InputError:
            refused += 1
    assert refused >= 55


def test_too_many_faces_are_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(convex, "MAX_FACES", 11)
    with pytest.raises(InputError, match="12 faces, expected at most 11"):
        load_object(written(tmp_path / "fine.obj", *box_mesh()))


@pytest.mark.parametrize("package", ["trimesh", "coacd"])
def test_without_the_extra_its_install_line_is_named(tmp_path, monkeypatch, package):
    path = written(tmp_path / "box.obj", *box_mesh((0.05, 0.05, 0.07)))
    convex._pieces.cache_clear()
    monkeypatch.setitem(sys.modules, package, None)
    with pytest.raises(MissingExtraError, match=rf"{package}.*pip install 'handsim\[mesh\]'"):
        load_object(path)


def test_names_and_files_that_are_not_there(tmp_path):
    with pytest.raises(UnknownNameError, match="Unknown object 'bix'. Available: box, capsule"):
        load_object("bix")
    for path in (tmp_path / "no.toml", tmp_path / "no.obj", str(tmp_path / "no.toml")):
        with pytest.raises(MissingFileError, match=r"No such file: .*/no\."):
            load_object(path)
    (tmp_path / "step.toml").write_text('mesh = "part.step"')
    with pytest.raises(UnknownNameError, match="Unknown mesh format '.step'. Available: .obj"):
        load_object(tmp_path / "step.toml")


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("shape = ", "is no TOML file"),
        ('shape = "box"\nmass = 1', "lacks 'size'"),
        ('shape = "box"\nsize = [1, 1, 1]\nmass = 1\nweight = 2', "key 'weight'. Available: shape"),
        ('mesh = "a.obj"\nsize = [1, 1, 1]', "key 'size'. Available: mesh, scale"),
        ("mesh = 3", "expected the path of a file"),
        ('mesh = "a.obj"\nscale = 0', "scale: 0, expected a positive"),
        ('mesh = "a.obj"\nscale = nan', "scale: nan, expected a positive"),
        ('mesh = "a.obj"\nscale = "mm"', "scale: 'mm', expected a positive"),
        ('shape = "cone"\nsize = [1, 1, 1]\nmass = 1', "Unknown shape 'cone'"),
        ('shape = "box"\nsize = [1, 1]\nmass = 1', "size: .*, expected 3 numbers|finite number"),
        (
            'shape = "box"\nsize = [1, 1, "1"]\nmass = 1',
            "size: .*, expected 3 numbers|finite number",
        ),
        ('shape = "mesh"\nsize = [1, 1, 1]\nmass = 1', "pieces: 0 of them"),
    ],
)
def test_toml_files_that_mean_nothing(tmp_path, text, words):
    path = tmp_path / "odd.toml"
    path.write_text(text)
    with pytest.raises(InputError, match=words):
        load_object(path)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"name": ""}, "name"),
        ({"size": (0.05, 0.0, 0.05)}, "size"),
        ({"size": (0.05, -0.1, 0.05)}, "size"),
        ({"size": (0.05, 3.0, 0.05)}, "up to 2 m"),
        ({"size": (0.05, np.inf, 0.05)}, "finite"),
        ({"size": 0.05}, "3 numbers"),
        ({"mass": 0.0}, "mass"),
        ({"mass": -1.0}, "mass"),
        ({"mass": np.nan}, "mass"),
        ({"mass": "heavy"}, "mass"),
        ({"friction": -0.1}, "friction"),
        ({"rgba": (1, 0, 0)}, "rgba"),
        ({"rgba": (1, 0, 0, 2)}, "rgba"),
        ({"pieces": (np.eye(4)[:, :3],)}, "pieces: 1 of them"),
        ({"pieces": (np.eye(3),)}, "one of them is flat"),
        ({"pieces": (np.zeros((4, 2)),)}, r"pieces: shape \(4, 2\)"),
        ({"pieces": ("ab",)}, "expected vertices"),
        ({"shape": "mesh", "pieces": (np.eye(4)[:, :3],)}, "extents of its pieces"),
        ({"shape": "cylinder"}, "diameter, diameter, height"),
        ({"shape": "sphere"}, "three times the diameter"),
        ({"shape": "capsule"}, "twice the diameter"),
        ({"shape": "capsule", "size": (0.05, 0.05, 0.05)}, "twice the diameter"),
    ],
)
@pytest.mark.usefixtures("unchecked")
def test_values_that_mean_nothing(change, words):
    with pytest.raises(InputError, match=words):
        replace(PRIMITIVES[0], **change)


def test_a_dict_must_be_an_objects():
    said = PRIMITIVES[0].as_dict()
    with pytest.raises(FormatError, match="lacks 'mass'"):
        SceneObject.from_dict({key: said[key] for key in said if key != "mass"})
    with pytest.raises(FormatError, match="key 'colour'"):
        SceneObject.from_dict({**said, "colour": 1})
