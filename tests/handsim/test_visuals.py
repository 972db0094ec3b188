"""The maker's meshes on our hands: in the right places, and nothing else changed."""

import shutil
import sys

import mujoco
import numpy as np
import pytest

import handsim
from handsim.errors import InputError, MissingFileError
from handsim.hands import installed
from handsim.scene import build_scene
from tests.hands import configurations, hand

FOLDERS = {"shadow": "shadow_hand", "allegro": "wonik_allegro"}
each_hand = pytest.mark.parametrize("name", list(FOLDERS))
each_side = pytest.mark.parametrize("side", ["right", "left"])


@pytest.fixture
def menagerie(shared, monkeypatch):
    folder = shared / "models" / "menagerie"
    if not folder.is_dir():
        pytest.skip(f"no copy of Menagerie: {folder}")
    monkeypatch.delenv(installed.MENAGERIE_VARIABLE, raising=False)
    return folder


@each_hand
@each_side
def test_only_the_looks_change(menagerie, name, side):
    plain, dressed = hand(name, side), handsim.load_hand(name, side, visuals=menagerie)
    assert dressed.joint_names == plain.joint_names
    assert dressed.actuator_names == plain.actuator_names
    for key in ("body_mass", "body_inertia", "body_ipos", "jnt_range", "actuator_gainprm"):
        np.testing.assert_array_equal(getattr(dressed.model, key), getattr(plain.model, key))
    qpos = configurations(plain, 20)
    np.testing.assert_array_equal(dressed.points(qpos), plain.points(qpos))
    solid = [(m.geom_contype | m.geom_conaffinity) > 0 for m in (dressed.model, plain.model)]
    assert solid[0].sum() == solid[1].sum() > 0
    shown = ~solid[0] & (dressed.model.geom_group <= 2)
    mesh = int(mujoco.mjtGeom.mjGEOM_MESH)
    assert shown.sum() > 10
    assert (dressed.model.geom_type[shown] == mesh).all()


@each_hand
@each_side
def test_the_meshes_are_where_the_maker_has_them(menagerie, name, side):
    """At random configurations, relative to the root, every vertex of every visual mesh."""
    dressed = handsim.load_hand(name, side, visuals=menagerie).model
    maker = mujoco.MjModel.from_xml_path(str(menagerie / FOLDERS[name] / f"{side}_hand.xml"))
    rng = np.random.default_rng(4)
    for _ in range(3):
        datas = mujoco.MjData(dressed), mujoco.MjData(maker)
        for j in range(dressed.njnt):
            joint = dressed.joint(j)
            value = rng.uniform(*joint.range)
            datas[0].qpos[j] = datas[1].joint(joint.name).qpos[:] = value
        found, expected = (vertices(m, d) for m, d in zip((dressed, maker), datas, strict=True))
        assert found.keys() == expected.keys()
        for key, points in found.items():
            np.testing.assert_allclose(points, expected[key], atol=2e-6)


def vertices(model, data):
    """{(mesh, n-th geom of it): its vertices in the frame of the root body}, of visual geoms."""
    mujoco.mj_kinematics(model, data)
    root, turned = data.xpos[1], data.xmat[1].reshape(3, 3)
    found = {}
    for g in range(model.ngeom):
        mesh = int(model.geom_dataid[g])
        if mesh < 0 or model.geom_contype[g] or model.geom_conaffinity[g]:
            continue
        first = model.mesh_vertadr[mesh]
        local = model.mesh_vert[first : first + model.mesh_vertnum[mesh]]
        world = data.geom_xpos[g] + local @ data.geom_xmat[g].reshape(3, 3).T
        name = model.mesh(mesh).name.removeprefix("looks/")
        count = sum(known == name for known, _ in found)
        found[name, count] = (world - root) @ turned
    return found


def test_a_dressed_hand_goes_into_a_scene(menagerie):
    scene = build_scene(handsim.load_hand("shadow", visuals=menagerie), wrist="floating")
    assert scene.model.nmesh > 10


def test_the_environment_variable_and_the_hands_own_folder_are_taken(menagerie, monkeypatch):
    own = handsim.load_hand("allegro", "left", visuals=menagerie / "wonik_allegro")
    monkeypatch.setenv(installed.MENAGERIE_VARIABLE, str(menagerie))
    named = handsim.load_hand("allegro", "left", visuals="menagerie")
    assert own.model.nmesh == named.model.nmesh > 5


def test_robot_descriptions_is_asked_last(menagerie, monkeypatch, tmp_path):
    package = tmp_path / "robot_descriptions"
    package.mkdir()
    (package / "__init__.py").write_text("")
    folder = str(menagerie / "wonik_allegro")
    (package / "allegro_hand_mj_description.py").write_text(f"PACKAGE_PATH = {folder!r}\n")
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setenv("ROBOT_DESCRIPTIONS_CACHE", str(tmp_path / "cache"))
    for module in ("robot_descriptions", "robot_descriptions.allegro_hand_mj_description"):
        monkeypatch.setitem(sys.modules, module, None)
        monkeypatch.delitem(sys.modules, module)
    assert handsim.load_hand("allegro", visuals="menagerie").model.nmesh > 5


def test_a_model_that_is_not_the_same_hand_is_refused(menagerie, tmp_path):
    folder = tmp_path / "wonik_allegro"
    shutil.copytree(menagerie / "wonik_allegro", folder)
    folder.chmod(0o755)
    file = folder / "right_hand.xml"
    file.chmod(0o644)
    text = file.read_text()
    file.write_text(text.replace('pos="0 0 0.0384"', 'pos="0 0 0.0394"', 1))
    with pytest.raises(InputError, match=r"frame of body 'ff_distal' differs by 0\.00"):
        handsim.load_hand("allegro", visuals=tmp_path)
    file.write_text(text.replace('name="ffj0"', 'name="other"').replace('"ffj0"', '"other"'))
    with pytest.raises(InputError, match="has the joints other, ffj1"):
        handsim.load_hand("allegro", visuals=tmp_path)


def test_a_maker_may_pull_its_tendons_without_spools(tmp_path):
    maker = handsim.load_hand("aero", couplings="free").spec()
    file = tmp_path / "tetheria_aero_hand_open" / "right_hand.xml"
    file.parent.mkdir()
    tetrahedron = "v 0 0 0\nv 1 0 0\nv 0 1 0\nv 0 0 1\nf 1 3 2\nf 1 2 4\nf 2 3 4\nf 1 4 3\n"
    (file.parent / "shell.obj").write_text(tetrahedron)
    maker.add_mesh(name="shell", file=str(file.parent / "shell.obj"), scale=[0.01] * 3)
    geom = maker.body("palm").add_geom(type=mujoco.mjtGeom.mjGEOM_MESH, meshname="shell")
    geom.contype = geom.conaffinity = 0
    maker.compile()
    file.write_text(maker.to_xml())
    dressed = handsim.load_hand("aero", visuals=tmp_path)
    assert dressed.joint_names == hand("aero").joint_names
    assert dressed.model.nmesh == 1


def test_what_was_searched_is_told(monkeypatch, tmp_path):
    with pytest.raises(MissingFileError, match=r"searched: .*shadow_hand/right_hand\.xml"):
        handsim.load_hand("shadow", visuals=tmp_path)
    monkeypatch.setenv(installed.MENAGERIE_VARIABLE, str(tmp_path))
    with pytest.raises(MissingFileError, match=r"searched: .*shadow_hand/left_hand\.xml"):
        handsim.load_hand("shadow", "left", visuals="menagerie")
    monkeypatch.delenv(installed.MENAGERIE_VARIABLE)
    monkeypatch.setattr(installed, "DESCRIPTIONS", "robot_descriptions_that_is_not_there")
    with pytest.raises(MissingFileError, match="HANDSIM_MENAGERIE .not set.; the package"):
        handsim.load_hand("shadow", visuals="menagerie")
    with pytest.raises(InputError, match="expected one of aero, allegro, leap, shadow"):
        handsim.load_hand("svh", visuals="menagerie")
