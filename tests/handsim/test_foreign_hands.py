"""Hands that users bring: MJCF and URDF with a few lines of TOML, and what is wrong with some."""

import re
import sys

import mujoco
import numpy as np
import pytest

import handsim
from handsim.assets import ASSETS
from handsim.errors import (
    FormatError,
    InputError,
    MissingExtraError,
    MissingFileError,
    UnknownNameError,
)
from handsim.hands import installed
from handsim.hands.foreign import ProposedFramesWarning
from handsim.hands.model_file import MissingMeshWarning
from handsim.hands.proposal import propose
from handsim.hands.skeleton import surface
from handsim.scene import build_scene
from tests import makeshift
from tests.hands import hand as catalogue_hand

TOML = """
side = "right"
palm = { body = "base", pos = [0, 0, 0], quat = [1, 0, 0, 0] }
[tips]
thumb = "thumb_tip"
index = { body = "index_3", pos = [0, 0, 0.025], normal = [1, 0, 0] }
middle = { body = "middle_tip", along = [0, 0, 2] }
"""
TETRAHEDRON = "v 0 0 0\nv {0} 0 0\nv 0 {0} 0\nv 0 0 {0}\nf 1 3 2\nf 1 2 4\nf 2 3 4\nf 1 4 3\n"


def write(folder, urdf=None, toml=TOML, name="mine.urdf"):
    path = folder / name
    path.write_text(makeshift.hand() if urdf is None else urdf)
    if toml is not None:
        path.with_suffix(".toml").write_text(toml)
    return path


# ---- what loads


def test_a_urdf_with_a_few_lines_of_toml_is_a_hand(tmp_path):
    robot = handsim.load_hand(write(tmp_path))
    assert (robot.name, robot.side, robot.nq) == ("mine", "right", 12)
    assert robot.fingers == ("thumb", "index", "middle")
    expected = [[0.02, 0.115, 0.025], [0, 0.03, 0.185], [0, 0, 0.185]]
    pose = robot.pose(np.zeros(12))
    np.testing.assert_allclose(pose.tips, expected, atol=1e-9)
    np.testing.assert_allclose(pose.tip_normals[1:], [[1, 0, 0], [1, 0, 0]], atol=1e-9)
    points = dict(zip(robot.point_names, pose.points, strict=True))
    np.testing.assert_allclose(points["index_pip"], [0, 0.03, 0.13], atol=1e-9)
    assert {"thumb_cmc", "thumb_mcp", "thumb_ip", "middle_dip"} <= set(robot.point_names)


@pytest.mark.parametrize("name", ["allegro", "ability", "shadow"])
@pytest.mark.parametrize("side", ["right", "left"])
def test_frames_written_down_are_the_frames_read(tmp_path, name, side):
    """A hand of the catalogue without its sites, and with them as TOML, is the same hand."""
    known = catalogue_hand(name, side)
    text = (ASSETS / "hands" / name / f"{side}.xml").read_text()
    (tmp_path / "bare.xml").write_text(re.sub(r'<site name="(palm|\w+_[a-z]+)"[^>]*/>', "", text))
    model = known.model

    def frame(site):
        body = model.body(model.site_bodyid[site.id]).name
        return f'{{ body = "{body}", pos = {site.pos.tolist()}, quat = {site.quat.tolist()} }}'

    lines = [f'side = "{side}"', f"palm = {frame(model.site('palm'))}", "[tips]"]
    lines += [f"{f} = {frame(model.site(f + '_tip'))}" for f in known.fingers]
    (tmp_path / "frames.toml").write_text("\n".join(lines))
    robot = handsim.load_hand(tmp_path / "bare.xml", frames=tmp_path / "frames.toml")
    assert robot.joint_names == known.joint_names
    assert robot.nu == known.nu
    qpos = known.expand(known.limits[known.independent_ids].mean(axis=1))
    np.testing.assert_allclose(robot.tips(qpos[None]), known.tips(qpos[None]), atol=1e-9)
    np.testing.assert_allclose(
        robot.pose(qpos).tip_normals, known.pose(qpos).tip_normals, atol=1e-8
    )


def test_a_model_with_our_sites_needs_no_toml():
    for side in ("right", "left"):
        robot = handsim.load_hand(ASSETS / "hands" / "xhand" / f"{side}.xml")
        assert robot.side == side
        np.testing.assert_array_equal(
            robot.tips(robot.neutral[None]),
            catalogue_hand("xhand", side).tips(robot.neutral[None]),
        )


def test_a_toml_that_names_its_model_is_enough(tmp_path):
    write(tmp_path, toml=None)
    (tmp_path / "notes").mkdir()
    (tmp_path / "notes" / "right.toml").write_text('model = "../mine.urdf"\nname = "claw"\n' + TOML)
    assert handsim.load_hand(tmp_path / "notes" / "right.toml").name == "claw"


def test_hand_toml_is_taken_unless_it_is_another_models(tmp_path):
    path = write(tmp_path, toml=None)
    (tmp_path / "hand.toml").write_text('name = "shared"\n' + TOML)
    assert handsim.load_hand(path).name == "shared"
    (tmp_path / "hand.toml").write_text('model = "other.urdf"\n' + TOML)
    with pytest.warns(ProposedFramesWarning):
        assert handsim.load_hand(path).name == "mine"
    write(tmp_path, toml='name = "own"\n' + TOML)
    assert handsim.load_hand(path).name == "own"


def test_without_a_toml_frames_are_proposed_with_one_warning(tmp_path):
    with pytest.warns(ProposedFramesWarning, match="hands add") as caught:
        robot = handsim.load_hand(write(tmp_path, toml=None))
    assert len(caught) == 1
    assert robot.fingers == ("thumb", "index", "middle", "ring")


def test_mimic_joints_are_couplings_through_a_chain(tmp_path):
    text = makeshift.hand().replace(
        '<joint name="index_j2" type="revolute">',
        '<joint name="index_j2" type="revolute">'
        '<mimic joint="index_j1" multiplier="0.8" offset="0.1"/>',
    )
    text = text.replace(
        '<joint name="index_j3" type="revolute">',
        '<joint name="index_j3" type="revolute"><mimic joint="index_j2" multiplier="0.5"/>',
    )
    robot = handsim.load_hand(write(tmp_path, text))
    assert robot.nq - len(robot.independent) == 2
    assert robot.nu == len(robot.independent)
    joints = {n: i for i, n in enumerate(robot.joint_names)}
    x = robot.reduce(robot.neutral)
    x[robot.independent.index("index_j1")] = 0.6
    qpos = robot.expand(x)
    assert qpos[joints["index_j2"]] == pytest.approx(0.1 + 0.8 * 0.6)
    assert qpos[joints["index_j3"]] == pytest.approx(0.5 * (0.1 + 0.8 * 0.6))
    assert robot.limits[joints["index_j1"], 0] == pytest.approx(-0.1 / 0.8)


def test_couplings_of_the_toml_take_the_place_of_the_files(tmp_path):
    text = makeshift.hand().replace(
        '<joint name="ring_j3" type="revolute">',
        '<joint name="ring_j3" type="revolute"><mimic joint="ring_j2" multiplier="0.5"/>',
    )
    more = '[couplings]\nring_j3 = { driver = "ring_j2", polycoef = [0, 1] }\n'
    robot = handsim.load_hand(write(tmp_path, text, TOML + more))
    x = np.full(len(robot.independent), 0.4)
    assert robot.expand(x)[robot.joint_names.index("ring_j3")] == pytest.approx(0.4)
    assert len(robot.couplings) == 1


def test_added_actuators_hold_the_hand_where_it_is(tmp_path):
    robot = handsim.load_hand(write(tmp_path))
    data = mujoco.MjData(robot.model)
    qpos = robot.limits.mean(axis=1)
    data.qpos[:] = qpos
    data.ctrl[:] = robot.ctrl_from_qpos(qpos)
    mujoco.mj_forward(robot.model, data)
    np.testing.assert_allclose(data.actuator_force, 0, atol=1e-12)
    for _ in range(200):
        mujoco.mj_step(robot.model, data)
    np.testing.assert_allclose(data.qpos, qpos, atol=1e-6)
    data.ctrl[:] = robot.ctrl_from_qpos(robot.neutral)
    for _ in range(1000):
        mujoco.mj_step(robot.model, data)
    np.testing.assert_allclose(data.qpos, robot.neutral, atol=1e-3)


def test_torque_motors_become_position_actuators(tmp_path):
    known = catalogue_hand("allegro")
    text = (ASSETS / "hands" / "allegro" / "right.xml").read_text()
    text = re.sub(r"<position ([^>]*)kp=.*?/>", r"<motor \1/>", text)
    text = text.replace('<motor class="allegro"', "<motor")
    text = re.sub(r"<position inheritrange.*?/>", "", text)
    (tmp_path / "a.xml").write_text(text)
    robot = handsim.load_hand(tmp_path / "a.xml")
    assert robot.nu == 16
    np.testing.assert_allclose(
        robot.model.actuator_gainprm[:, 0], known.model.actuator_gainprm[:, 0], rtol=0.02
    )


def test_a_world_link_a_floor_and_a_free_joint_are_left_out(tmp_path):
    root = '<link name="world"/>' + makeshift.joint("fix", "world", "base", "0 0 1", kind="fixed")
    robot = handsim.load_hand(write(tmp_path, makeshift.hand(root=root)))
    assert robot.root_body == "base"
    text = (ASSETS / "hands" / "wuji" / "right.xml").read_text()
    text = text.replace(
        "<worldbody>",
        '<worldbody><light pos="0 0 1"/><geom type="plane" size="1 1 1"/>'
        '<body name="cube"><geom size="0.1"/></body>',
    )
    first = re.search(r'<worldbody>.*?<body name="(?!cube)[^>]*>', text, re.DOTALL)
    text = text.replace(first[0], first[0] + '<freejoint name="float"/>')
    (tmp_path / "w.xml").write_text(text)
    robot = handsim.load_hand(tmp_path / "w.xml")
    assert robot.nq == catalogue_hand("wuji").nq
    assert robot.model.nlight == 0
    assert (robot.model.geom_bodyid > 0).all()
    assert "cube" not in [robot.model.body(b).name for b in range(robot.model.nbody)]


# ---- meshes


def with_mesh(filename, kind="visual"):
    shapes = makeshift.shape(f'<mesh filename="{filename}"/>', kind)
    return makeshift.hand().replace(makeshift.link("index_1"), makeshift.link("index_1", shapes))


@pytest.mark.parametrize(
    "filename", ["package://my_hand/meshes/a.obj", "../meshes/a.obj", "file://{}/meshes/a.obj"]
)
def test_meshes_are_found_through_packages_and_relative_paths(tmp_path, filename):
    package = tmp_path / "my_hand"
    (package / "meshes").mkdir(parents=True)
    (package / "urdf").mkdir()
    (package / "meshes" / "a.obj").write_text(TETRAHEDRON.format(0.01))
    path = write(package / "urdf", with_mesh(filename.format(package)))
    robot = handsim.load_hand(path)
    assert robot.model.nmesh == 1
    assert robot.spec().compile().nmesh == 1


def test_visual_and_collision_meshes_of_one_name_are_kept_apart(tmp_path):
    for folder, size in (("visual", 0.01), ("collision", 0.02)):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "a.obj").write_text(TETRAHEDRON.format(size))
    shapes = "".join(
        makeshift.shape(f'<mesh filename="{kind}/a.obj"/>', kind)
        for kind in ("visual", "collision")
    )
    text = makeshift.hand().replace(makeshift.link("index_1"), makeshift.link("index_1", shapes))
    model = handsim.load_hand(write(tmp_path, text)).model
    seen, solid = (
        next(g for g in range(model.ngeom) if bool(model.geom_contype[g]) == collides)
        for collides in (False, True)
    )
    sizes = [np.ptp(surface(model, mujoco.MjData(model), g), axis=0).max() for g in (seen, solid)]
    assert sizes[1] == pytest.approx(2 * sizes[0])
    assert (model.geom_group[seen], model.geom_group[solid]) == (2, 3)


@pytest.mark.parametrize("filename", ["package://gone/a.obj", "a.stl", "there.dae", "there.glb"])
def test_a_urdf_with_unreadable_meshes_moves_all_the_same(tmp_path, filename):
    (tmp_path / "there.dae").write_text("<COLLADA/>")
    (tmp_path / "there.glb").write_text("glTF")
    plain = handsim.load_hand(write(tmp_path))
    path = write(tmp_path, with_mesh(filename), name="meshed.urdf")
    with pytest.warns(MissingMeshWarning, match=re.escape(filename)) as caught:
        robot = handsim.load_hand(path)
    assert len(caught) == 1
    qpos = plain.limits.mean(axis=1)
    np.testing.assert_array_equal(robot.tips(qpos[None]), plain.tips(qpos[None]))


def test_an_mjcf_without_its_meshes_moves_all_the_same(shared, tmp_path):
    source = shared / "models" / "menagerie" / "wonik_allegro" / "right_hand.xml"
    (tmp_path / "a.xml").write_text(source.read_text())
    path = propose(source)
    path.write(tmp_path / "a.toml")
    with pytest.warns(MissingMeshWarning) as caught:
        robot = handsim.load_hand(tmp_path / "a.xml")
    assert len(caught) == 1
    whole = handsim.load_hand(source, frames=tmp_path / "a.toml")
    qpos = whole.limits.mean(axis=1)
    np.testing.assert_allclose(robot.tips(qpos[None]), whole.tips(qpos[None]), atol=1e-12)


def test_a_hand_without_shapes_can_be_put_in_a_scene(tmp_path):
    robot = handsim.load_hand(write(tmp_path))
    assert robot.model.ngeom == 0
    scene = build_scene(robot, wrist="floating")
    assert scene.model.nu == robot.nu


def test_a_hand_with_a_wrist_of_its_own_can_be_put_in_a_scene(tmp_path):
    text = makeshift.hand().replace('"base"', '"wrist"').replace('"thumb_j1"', '"wrist"')
    robot = handsim.load_hand(write(tmp_path, text, TOML.replace('"base"', '"wrist"')))
    for wrist in ("fixed", "floating"):
        assert build_scene(robot, wrist=wrist, ground=-0.5).model.nu == robot.nu


# ---- bad input


@pytest.mark.parametrize(
    ("text", "error", "message"),
    [
        ("<robot name='h'><link", FormatError, "not well-formed XML"),
        ("<mujoco/>", FormatError, "expected <robot>"),
        (f'<robot name="h">{makeshift.link("base")}</robot>', InputError, "expected one hand"),
        (
            f'<robot name="h">{makeshift.link("base")}{makeshift.finger("index", 0)}</robot>',
            InputError,
            "Found 0 fingers|Found 1 fingers",
        ),
        (makeshift.hand(makeshift.link("index_1")), FormatError, "several links named 'index_1'"),
        (
            makeshift.hand(makeshift.joint("index_j1", "base", "x", "0 0 0"), makeshift.link("x")),
            FormatError,
            "several joints named 'index_j1'",
        ),
        (
            makeshift.hand(
                makeshift.link("x"),
                makeshift.joint("turn", "base", "x", "0 0 0", kind="continuous"),
            ),
            InputError,
            "joints without limits: turn",
        ),
        (
            makeshift.hand(
                makeshift.link("x"),
                makeshift.joint("a", "base", "x", "0 0 0", extra='<mimic joint="b"/>'),
            ),
            FormatError,
            "Unknown joint 'b'. Available: a, index_j1",
        ),
        (
            makeshift.hand(
                makeshift.link("x"),
                makeshift.joint("a", "base", "x", "0 0 0", extra='<mimic joint="a"/>'),
            ),
            FormatError,
            "circle",
        ),
        (
            makeshift.hand(makeshift.joint("lost", "nowhere", "base", "0 0 0")),
            FormatError,
            "not a URDF that MuJoCo reads",
        ),
    ],
)
def test_a_bad_urdf_is_one_clear_error(tmp_path, text, error, message):
    with pytest.raises(error, match=message) as raised:
        handsim.load_hand(write(tmp_path, text, toml=None))
    assert "\n" not in str(raised.value)


@pytest.mark.parametrize(
    ("text", "error", "message"),
    [
        ("<mujoco><worldbody>", FormatError, "not an MJCF that MuJoCo reads"),
        ("<mujoco/>", InputError, "0 bodies with joints"),
        (
            '<mujoco><worldbody><body name="a"><joint range="0 1" name="j"/>'
            '<geom size="1"/></body><body name="a"><geom size="1"/></body></worldbody></mujoco>',
            FormatError,
            "repeated name 'a'|does not compile|not an MJCF",
        ),
        (
            '<mujoco><worldbody><body name="a"><joint range="0 1"/><geom size="1"/></body>'
            '<body name="b"><joint range="0 1"/><geom size="1"/></body></worldbody></mujoco>',
            InputError,
            "2 bodies with joints under the world .'a', 'b'., expected one hand",
        ),
    ],
)
def test_a_bad_mjcf_is_one_clear_error(tmp_path, text, error, message):
    with pytest.raises(error, match=message) as raised:
        handsim.load_hand(write(tmp_path, text, toml=None, name="bad.xml"))
    assert "\n" not in str(raised.value)


@pytest.mark.parametrize(
    ("toml", "error", "message"),
    [
        ("side = ", FormatError, "not TOML"),
        (
            TOML.replace('"thumb_tip"', '"thum"'),
            UnknownNameError,
            "'thum'. Available: base, index_1",
        ),
        (TOML.replace("thumb =", "tumb ="), InputError, "Unknown finger 'tumb'. Available: index"),
        (TOML.replace('"right"', '"up"'), InputError, "Unknown side 'up'"),
        (TOML.replace('body = "base"', 'body = "bse"'), UnknownNameError, "body of palm.*'bse'"),
        (TOML.replace("normal", "norml"), InputError, "Unknown key of tips.index 'norml'"),
        (TOML.replace("[0, 0, 0.025]", "[0, 0]"), InputError, r"tips.index.pos is \[0, 0\]"),
        (TOML.replace("along = [0, 0, 2]", "along = [0, 0, 0]"), InputError, "not zero"),
        (TOML.replace('thumb = "thumb_tip"', ""), InputError, "expected the thumb"),
        (TOML.replace('"thumb_tip"', '"base"'), InputError, "'thumb' is on 'base'"),
        ("palms = 3\n" + TOML, InputError, "Unknown key 'palms'. Available: couplings, model"),
        (TOML + '[points]\nindex_mcp = "nope"', UnknownNameError, "'nope'. Available: index_j1"),
        (
            TOML + '[couplings]\nindex_j3 = { driver = "k", polycoef = [0, 1] }',
            UnknownNameError,
            "'k'. Available: index_j1",
        ),
        (TOML + "[couplings]\nindex_j3 = 1", InputError, "expected { driver ="),
        (TOML + "[points]\nring_mcp = 'ring_j1'", InputError, "finger without a tip"),
    ],
)
def test_a_bad_toml_is_one_clear_error(tmp_path, toml, error, message):
    with pytest.raises(error, match=message) as raised:
        handsim.load_hand(write(tmp_path, toml=toml))
    assert "\n" not in str(raised.value)


def test_files_and_arguments_that_do_not_fit_are_told(tmp_path):
    with pytest.raises(MissingFileError, match="No such file"):
        handsim.load_hand(tmp_path / "gone.urdf")
    path = write(tmp_path)
    with pytest.raises(MissingFileError, match=r"gone\.toml"):
        handsim.load_hand(path, frames=tmp_path / "gone.toml")
    with pytest.raises(InputError, match="describes a right hand"):
        handsim.load_hand(path, side="left")
    with pytest.raises(UnknownNameError, match="Unknown side 'up'"):
        handsim.load_hand(path, side="up")
    with pytest.raises(InputError, match="visuals"):
        handsim.load_hand(path, visuals="menagerie")
    with pytest.raises(InputError, match="frames"):
        handsim.load_hand("shadow", frames="x.toml")
    (tmp_path / "no.toml").write_text(TOML)
    with pytest.raises(InputError, match="names no model"):
        handsim.load_hand(tmp_path / "no.toml")
    (tmp_path / "no.toml").write_text('model = "gone.urdf"\n' + TOML)
    with pytest.raises(MissingFileError, match=r"gone\.urdf"):
        handsim.load_hand(tmp_path / "no.toml")
    (tmp_path / "hand.step").write_text("")
    with pytest.raises(FormatError, match=r"ends in '\.step'"):
        handsim.load_hand(tmp_path / "hand.step")


# ---- robot_descriptions


@pytest.fixture
def descriptions(tmp_path, monkeypatch):
    """A package of that name whose modules fetch nothing."""
    package = tmp_path / "site" / "robot_descriptions"
    package.mkdir(parents=True)
    (package / "__init__.py").write_text("")
    source = ASSETS / "hands" / "allegro"
    (package / "good_hand_description.py").write_text(
        f"MJCF_PATH = {str(source / 'right.xml')!r}\n"
        f"MJCF_PATH_LEFT = {str(source / 'left.xml')!r}\n"
    )
    (package / "offline_hand_description.py").write_text("raise OSError('no network\\nat all')\n")
    (package / "arm_description.py").write_text("PACKAGE_PATH = '.'\n")
    monkeypatch.syspath_prepend(tmp_path / "site")
    monkeypatch.setenv("ROBOT_DESCRIPTIONS_CACHE", str(tmp_path / "cache"))
    yield tmp_path / "cache"
    for name in [n for n in sys.modules if n.startswith("robot_descriptions")]:
        del sys.modules[name]


def test_a_hand_comes_through_robot_descriptions(descriptions):
    assert handsim.load_hand("robot_descriptions:good_hand_description").side == "right"
    assert handsim.load_hand("robot_descriptions:good_hand_description", "left").side == "left"


def test_what_robot_descriptions_cannot_do_is_told(descriptions):
    with pytest.raises(MissingExtraError, match="no network at all.*Run once with a network"):
        handsim.load_hand("robot_descriptions:offline_hand_description")
    with pytest.raises(UnknownNameError, match="Available: good_hand_description, offline_hand"):
        handsim.load_hand("robot_descriptions:gud_hand_description")
    with pytest.raises(InputError, match="names no MJCF and no URDF"):
        handsim.load_hand("robot_descriptions:arm_description")


def test_a_folder_that_robot_descriptions_would_delete_is_kept(descriptions):
    (descriptions / "mujoco_menagerie").mkdir(parents=True)
    (descriptions / "mujoco_menagerie" / "mine.xml").write_text("precious")
    with pytest.raises(InputError, match="may delete it"):
        handsim.load_hand("robot_descriptions:good_hand_description")
    (descriptions / "mujoco_menagerie" / ".git").mkdir()
    handsim.load_hand("robot_descriptions:good_hand_description")


def test_without_robot_descriptions_the_remedy_is_told(monkeypatch):
    monkeypatch.setattr(installed, "DESCRIPTIONS", "robot_descriptions_that_is_not_there")
    with pytest.raises(MissingExtraError, match="pip install"):
        handsim.load_hand("robot_descriptions:allegro_hand_mj_description")
