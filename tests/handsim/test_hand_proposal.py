"""Hands nobody described: what is proposed agrees with the catalogue, and doubts are said."""

import re
import warnings
from functools import cache

import numpy as np
import pytest

import handsim
from handsim.adoption import add_hand
from handsim.assets import ASSETS
from handsim.errors import InputError, MissingExtraError, OutputError
from handsim.hands.model_file import MissingMeshWarning
from handsim.hands.naming import finger_said, side_said
from handsim.hands.proposal import propose
from handsim.render import Renderer
from tests import makeshift
from tests.hands import EVERY, hand

URDFS = {
    "ability": "ability_hand/ability_hand_{}.urdf",
    "allegro": "allegro_hand/allegro_hand_{}.urdf",
    "inspire": "inspire_hand/inspire_hand_{}.urdf",
    "leap": "leap_hand/leap_hand_{}.urdf",
    "shadow": "shadow_hand/shadow_hand_{}.urdf",
    "svh": "schunk_hand/schunk_svh_hand_{}.urdf",
}
MENAGERIE = {"allegro": "wonik_allegro/{}_hand.xml", "shadow": "shadow_hand/{}_hand.xml"}
SOURCES = [(n, f"peers/dex-urdf/robots/hands/{file}") for n, file in URDFS.items()]
SOURCES += [(n, f"models/menagerie/{file}") for n, file in MENAGERIE.items()]


def load(path, **options):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return handsim.load_hand(path, **options)


@cache
def proposed(path):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", MissingMeshWarning)
        return propose(path)


def differences(robot, known):
    """Largest tip distance [m] and palm angle [rad], the hands laid over each other.

    They are fitted by their knuckles at the neutral configuration; since points are given in the
    palm frame, the rotation of that fit is the angle between the palm frames.
    """
    found, expected = (
        dict(zip(h.point_names, h.points(h.neutral[None])[0], strict=True)) for h in (robot, known)
    )
    knuckles = [n for n in found if n in expected and not n.endswith("_tip")]
    assert len(knuckles) > 5
    a, b = (np.array([points[n] for n in knuckles]) for points in (found, expected))
    u, _, vt = np.linalg.svd((a - a.mean(axis=0)).T @ (b - b.mean(axis=0)))
    turn = vt.T @ np.diag([1, 1, np.linalg.det(vt.T @ u.T)]) @ u.T
    shift = b.mean(axis=0) - turn @ a.mean(axis=0)
    tips = [
        np.linalg.norm(turn @ found[f"{f}_tip"] + shift - expected[f"{f}_tip"])
        for f in known.fingers
    ]
    return max(tips), np.arccos(np.clip((np.trace(turn) - 1) / 2, -1, 1))


# ---- against the catalogue


@pytest.mark.parametrize("side", ["right", "left"])
@pytest.mark.parametrize(("name", "file"), SOURCES, ids=[file for _, file in SOURCES])
def test_a_proposal_agrees_with_the_catalogue(shared, name, file, side, tmp_path):
    source, known = shared / file.format(side), hand(name, side)
    proposal = proposed(source)
    assert (proposal.side, proposal.fingers) == (side, known.fingers)
    proposal.write(tmp_path / "hand.toml")
    robot = load(tmp_path / "hand.toml")
    assert robot.nq == known.nq
    tip, angle = differences(robot, known)
    assert tip < 0.005
    assert np.degrees(angle) < 10
    facing = (robot.pose(robot.neutral).tip_normals * known.pose(known.neutral).tip_normals).sum(1)
    assert (facing > np.cos(np.radians(20))).all()


@pytest.mark.parametrize(("name", "side"), EVERY, ids=["-".join(e) for e in EVERY])
def test_shape_alone_tells_fingers_and_side(name, side, tmp_path):
    """The catalogue's own hands without sites and with names that say nothing."""
    text = (ASSETS / "hands" / name / f"{side}.xml").read_text()
    text = re.sub(r'<site name="(palm|\w+_[a-z]+)"[^>]*/>', "", text)
    for kind in ("body", "joint"):
        for i, known in enumerate(re.findall(rf'<{kind} name="([^"]*)"', text)):
            text = text.replace(f'"{known}"', f'"{kind}{i}"')
    (tmp_path / "m.xml").write_text(text)
    proposal = propose(tmp_path / "m.xml")
    known = hand(name, side)
    assert proposal.fingers == known.fingers
    if name == "dex3":
        assert any("right or left is a guess" in doubt for doubt in proposal.doubts)
        return
    assert proposal.side == side
    tip, angle = differences(load(tmp_path / "m.xml"), known)
    # ORCA's tip points lie on the pads, LEAP's wrist is not behind its middle finger.
    assert tip < (0.010 if name == "orca" else 0.005)
    assert np.degrees(angle) < (14 if name in ("leap", "orca") else 10)


def test_couplings_are_found_and_a_wrong_sign_is_turned_round(shared):
    folder = shared / "peers/dex-urdf/robots/hands"
    left = proposed(folder / "schunk_hand/schunk_svh_hand_left.urdf")
    assert len(left.couplings) == 11
    assert left.corrected.keys() == {"left_hand_j5"}
    assert left.couplings["left_hand_j5"].polycoef == (0.0, -1.0)
    assert any("left_hand_j5" in doubt for doubt in left.doubts)
    right = proposed(folder / "schunk_hand/schunk_svh_hand_right.urdf")
    assert not right.corrected
    ability = proposed(folder / "ability_hand/ability_hand_right.urdf")
    assert ability.couplings["ring_q2"].driver == "ring_q1"
    assert ability.couplings["ring_q2"].polycoef == (0.72349796, 1.05851325)


def test_joints_that_share_a_tendon_are_told(shared):
    shadow = proposed(shared / "models/menagerie/shadow_hand/right_hand.xml")
    assert any("rh_FFJ2 and rh_FFJ1" in doubt for doubt in shadow.doubts)
    allegro = proposed(shared / "models/menagerie/wonik_allegro/right_hand.xml")
    assert not any("One actuator moves" in doubt for doubt in allegro.doubts)


# ---- on hands made for it


def write(folder, text, name="mine.urdf"):
    (folder / name).write_text(text)
    return folder / name


def test_a_mirrored_hand_is_the_other_side(tmp_path):
    fingers = "".join(makeshift.finger(n, -y) for n, y in makeshift.FINGERS.items())
    base = makeshift.link("base")
    right = f'<robot name="h">{base}{makeshift.thumb(1)}{fingers}</robot>'
    left = f'<robot name="h">{base}{makeshift.thumb(-1)}{fingers}</robot>'
    plain = [re.sub("index|middle|ring|thumb", _anonymous, text) for text in (right, left)]
    first, second = (propose(write(tmp_path, text, f"{i}.urdf")) for i, text in enumerate(plain))
    assert (first.side, second.side) == ("right", "left")
    names = [first.frames.tips["index"].body, second.frames.tips["index"].body]
    assert names == [_anonymous(["ring"]) + "_tip", _anonymous(["index"]) + "_tip"]


def _anonymous(match):
    return {"index": "a", "middle": "b", "ring": "c", "thumb": "d"}[match[0]]


def test_the_palm_faces_where_the_fingers_bend(tmp_path):
    proposal = propose(write(tmp_path, makeshift.hand()))
    robot = load(tmp_path / "mine.urdf")
    np.testing.assert_allclose(proposal.frames.palm.quat, [1, 0, 0, 0], atol=1e-6)
    bent = robot.neutral.copy()
    bent[robot.joint_names.index("middle_j1")] = 0.5
    middle = robot.fingers.index("middle")
    assert (robot.tips(bent[None]) - robot.tips(robot.neutral[None]))[0, middle, 0] > 0.03


def test_what_is_unsure_is_said(tmp_path):
    def doubts(text, name="mine.urdf"):
        return " ".join(propose(write(tmp_path, text, name)).doubts)

    assert doubts(makeshift.hand()) == ""
    no_tip = makeshift.hand().replace("ring_tip", "ring_end")
    assert "where the ring ends" in doubts(no_tip)
    sphere = makeshift.shape('<sphere radius="0.01"/>', z=0.02)
    shaped = no_tip.replace(makeshift.link("ring_3"), makeshift.link("ring_3", sphere))
    assert "No link is called the tip of ring" in doubts(shaped)
    far = makeshift.hand().replace('"base"', '"root"')
    stand = makeshift.joint("stand", "base", "root", "0 0 0.5", kind="fixed")
    assert doubts(far.replace("</robot>", makeshift.link("base") + stand + "</robot>")) == ""
    near = makeshift.hand().replace("0.09", "0.01")
    assert "No link marks the wrist" in doubts(near)
    swapped = makeshift.hand().replace("ring_", "x_").replace("index_", "ring_")
    assert "Names and shape disagree" in doubts(swapped.replace("x_", "index_"))
    assert "names say left" in doubts(makeshift.hand(), "my_left_hand.urdf")


def test_names_of_fingers_and_sides_are_understood():
    said = {
        "thumb": ["rh_thbase", "rh_THJ5"],
        "index": ["ffmiddle", "FFJ2", "fftip"],
        "middle": ["Middle_Finger_Proximal", "j15"],
        "pinky": ["lh_lfmetacarpal", "little"],
    }
    for finger, names in said.items():
        assert finger_said(names) == finger
    assert finger_said(["link_3", "joint_3"]) is None
    assert finger_said(["index", "ring"]) is None
    assert side_said(["lh_palm", "allegro_left"]) == "left"
    assert side_said(["link_r", "link_l"]) is None
    assert side_said(["palm", "world"]) is None


def test_a_file_without_fingers_has_no_proposal(tmp_path):
    one = f'<robot name="h">{makeshift.link("base")}{makeshift.finger("index", 0)}</robot>'
    with pytest.raises(InputError, match="at least two chains"):
        propose(write(tmp_path, one))


# ---- adding a hand


@pytest.fixture
def drawn():
    """Whether pictures can be made here."""
    try:
        model = handsim.load_hand("dex3").model
        Renderer(model, 8, 8).close()
    except MissingExtraError:
        return False
    return True


def test_adding_a_hand_writes_what_loads_again(tmp_path, drawn):
    source = write(tmp_path, makeshift.hand())
    made = add_hand(source, tmp_path / "out")
    assert made.description == tmp_path / "out" / "mine.toml"
    robot, known = load(made.description), load(source)
    np.testing.assert_allclose(
        robot.tips(robot.neutral[None]), known.tips(known.neutral[None]), atol=1e-6
    )
    assert (made.picture == tmp_path / "out" / "mine.png") == drawn
    if drawn:
        assert made.picture.stat().st_size > 5000
    report = made.report()
    assert "right hand with thumb, index, middle, ring" in report
    assert f"wrote {made.description}" in report
    beside = add_hand(source)
    assert beside.description == tmp_path / "mine.toml"
    handsim.load_hand(source)


def test_adding_a_hand_without_a_renderer_still_describes_it(tmp_path, monkeypatch):
    def refuse(*arguments):
        raise MissingExtraError("Nothing can render here.")

    monkeypatch.setattr("handsim.adoption.show_frames", refuse)
    made = add_hand(write(tmp_path, makeshift.hand()))
    assert made.picture is None
    assert "Nothing can render here" in made.report()
    assert made.description.is_file()


def test_a_description_is_whole_or_absent(tmp_path):
    proposal = propose(write(tmp_path, makeshift.hand()))
    (tmp_path / "file").write_text("")
    with pytest.raises(OutputError):
        proposal.write(tmp_path / "file" / "hand.toml")
