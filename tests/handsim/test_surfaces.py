"""Distances to an object's surface are those that MuJoCo measures to its geoms."""

import mujoco
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import handsim
from handsim.surfaces import centre, distance_to, normals
from tests.objects import slab

EXACT = ("box", "capsule", "cylinder", "mustard", "sphere")


def measured(item: handsim.SceneObject, point: np.ndarray) -> float:
    """From the object's geom to a point outside, by MuJoCo."""
    spec = mujoco.MjSpec()
    item.add_geoms(spec, spec.worldbody.add_body(name="it"))
    speck = spec.worldbody.add_body(name="speck", pos=point)
    speck.add_geom(type=mujoco.mjtGeom.mjGEOM_SPHERE, size=[1e-4, 0, 0])
    model = spec.compile()
    data = mujoco.MjData(model)
    mujoco.mj_kinematics(model, data)
    return mujoco.mj_geomDistance(model, data, 0, 1, 1.0, None) + 1e-4


@pytest.mark.parametrize("name", EXACT)
def test_outside_it_is_what_mujoco_measures(name):
    item = handsim.load_object(name)
    distance = distance_to(item)
    points = np.random.default_rng(0).uniform(-1, 1, (40, 3)) * item.size
    outside = points[distance(points) > 1e-3]
    assert len(outside) >= 20
    expected = [measured(item, point) for point in outside[:20]]
    np.testing.assert_allclose(distance(outside[:20]), expected, atol=1e-5)


@pytest.mark.parametrize("name", handsim.object_names())
@settings(max_examples=15)
@given(way=st.tuples(*[st.floats(-1, 1)] * 3).filter(lambda w: np.linalg.norm(w) > 0.1))
def test_it_changes_sign_on_the_surface_and_grows_along_its_normal(name, way):
    item = handsim.load_object(name)
    distance = distance_to(item)
    shares = np.linspace(0.01, 4, 4001)[:, None]
    ray = shares * np.array(way) / np.linalg.norm(way) * max(item.size) / 2
    leaves = int(np.argmax(distance(ray) > 0))
    assert leaves > 0
    assert (distance(ray[:leaves]) <= 0).all()
    assert (distance(ray[leaves:]) > 0).all()
    surface = ray[leaves : leaves + 1]
    normal = normals(distance, surface)
    assert np.linalg.norm(normal) == pytest.approx(1.0)
    grown = distance(surface + 1e-4 * normal) - distance(surface)
    assert grown[0] == pytest.approx(1e-4, rel=0.05)


def test_a_mesh_is_its_pieces():
    """Of two boxes beside each other: from outside as one box beside faces, never farther."""
    item, box = slab(), handsim.load_object("box").scaled((2.0, 1.0, 1.0))
    points = np.random.default_rng(1).uniform(-1, 1, (200, 3)) * box.size
    mesh, whole = distance_to(item)(points + centre(item)), distance_to(box)(points)
    np.testing.assert_array_equal(mesh > 0, whole > 0)
    assert (mesh <= whole + 1e-9)[whole > 0].all()
    beside = (np.abs(points[:, 1:]) < np.array(box.size[1:]) / 2).all(axis=1)
    beside &= np.abs(points[:, 0]) > box.size[0] / 2
    assert beside.sum() > 10
    np.testing.assert_allclose(mesh[beside], whole[beside], atol=1e-9)


def test_the_middle_of_a_mesh_is_that_of_its_extents():
    np.testing.assert_allclose(centre(slab()), [0.03, 0.02, 0.05])
    np.testing.assert_array_equal(centre(handsim.load_object("box")), 0.0)
