"""BVH files written from a planted hand, in all their dialects."""

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from handsim.errors import FormatError, InputError
from retarget.human.keypoints import CHAINS, FINGERS, NAMES, mirror
from retarget.human.mano import forward, mirror_rotations, rest_skeleton
from retarget.human.sources import load
from retarget.human.sources.bvh import DISTAL
from retarget.human.sources.transforms import upright
from tests.retarget.human import planted

COUNT, PERIOD = 5, 1 / 120
MANO_FIRST = {"thumb": 13, "index": 1, "middle": 4, "ring": 10, "pinky": 7}
NUMBERED = {finger: [f"{finger.title()}{i}" for i in (1, 2, 3)] for finger in FINGERS}
ANATOMICAL = {
    "thumb": ["THUMB_CMC_FE", "THUMB_MCP_FE", "THUMB_IP_FE"],
    **{f: [f"{f.upper()}_MCP", f"{f.upper()}_PIP_FE", f"{f.upper()}_DIP_FE"] for f in FINGERS[1:]},
}


def turns(side):
    truth = planted.parameters(side, COUNT)
    return np.concatenate([truth.global_orient[:, None], truth.hand_pose], axis=1)


def node(lines, values, name, offset, turn, order, children, position=None):
    """A joint, its channels' values and whatever lies below it."""
    channels = [f"{axis}rotation" for axis in order]
    columns = [Rotation.from_matrix(turn).as_euler(order, degrees=True)]
    if position is not None:
        channels = ["Xposition", "Yposition", "Zposition", *channels]
        columns.insert(0, position)
    lines += [f"{'JOINT' if position is None else 'ROOT'} {name}", "{"]
    lines += [f"OFFSET {offset[0]} {offset[1]} {offset[2]}"]
    lines += [f"CHANNELS {len(channels)} {' '.join(channels)}"]
    values.append(np.concatenate(columns, axis=1))
    children()
    lines.append("}")


def as_bvh(side, names, wrist="WRIST", unit=10.0, order="YXZ", tips=True, left_handed=False):
    """The planted hand of `side` as a BVH of `unit` to a metre; its tips are End Sites."""
    rest, rotations = unit * rest_skeleton(side), turns(side)
    wrists = unit * planted.keypoints(side, COUNT)[:, 0]
    if left_handed:
        rest, wrists, rotations = mirror(rest), mirror(wrists), mirror_rotations(rotations)
    lines, values = ["HIERARCHY"], []

    def phalanx(finger, place):
        chain = CHAINS[finger]
        if place == 3:
            end = rest[chain[3]] - rest[chain[2]] if tips else np.zeros(3)
            lines.extend(["End Site", "{", f"OFFSET {end[0]} {end[1]} {end[2]}", "}"])
            return
        offset = rest[chain[place]] - (rest[chain[place - 1]] if place else rest[0])
        turn = rotations[:, MANO_FIRST[finger] + place]
        below = lambda: phalanx(finger, place + 1)  # noqa: E731
        node(lines, values, names[finger][place], offset, turn, order, below)

    def fingers():
        for finger in FINGERS:
            phalanx(finger, 0)

    node(lines, values, wrist, np.zeros(3), rotations[:, 0], order, fingers, wrists)
    rows = "\n".join(" ".join(f"{x:.12g}" for x in row) for row in np.concatenate(values, axis=1))
    motion = f"MOTION\nFrames: {COUNT}\nFrame Time: {PERIOD}\n{rows}\n"
    return "\n".join(lines) + "\n" + motion


@pytest.mark.parametrize("side", ["left", "right"])
@pytest.mark.parametrize(
    ("names", "wrist", "unit", "order"),
    [
        (ANATOMICAL, "WRIST", 10.0, "YXZ"),
        (NUMBERED, "Hand", 100.0, "ZXY"),
        (NUMBERED, "hand", 1.0, "XYZ"),
    ],
)
def test_the_hand_that_was_planted(tmp_path, side, names, wrist, unit, order):
    path = tmp_path / f"{side}_clip.bvh"
    path.write_text(as_bvh(side, names, wrist, unit, order))
    motion = load(path)
    np.testing.assert_allclose(motion.keypoints, upright(planted.keypoints(side, COUNT)), atol=1e-9)
    assert (motion.side, motion.source.format) == (side, "bvh")
    assert motion.rate == pytest.approx(120)
    assert not motion.source.times_assumed


def test_sides_in_the_names_of_joints(tmp_path):
    names = {f: [f"mixamorig:Right{'Hand'}{n}" for n in NUMBERED[f]] for f in FINGERS}
    names["pinky"] = [name.replace("Pinky", "Little") for name in names["pinky"]]
    (tmp_path / "clip.bvh").write_text(as_bvh("right", names, "mixamorig:RightHand"))
    motion = load(tmp_path / "clip.bvh")
    assert motion.side == "right"
    np.testing.assert_allclose(
        motion.keypoints, upright(planted.keypoints("right", COUNT)), atol=1e-9
    )
    with pytest.raises(InputError, match="holds no left hand"):
        load(tmp_path / "clip.bvh", side="left")


@pytest.mark.parametrize("side", ["left", "right"])
def test_missing_tips_continue_the_last_bone(tmp_path, side):
    path = tmp_path / f"{side}.bvh"
    path.write_text(as_bvh(side, ANATOMICAL, tips=False))
    motion = load(path)
    rest = rest_skeleton(side)
    for finger, (*_, middle, last, tip) in CHAINS.items():
        bone = rest[last] - rest[middle]
        rest[tip] = rest[last] + DISTAL[finger] * bone / np.linalg.norm(bone)
    wrist = planted.keypoints(side, COUNT)[:, 0]
    np.testing.assert_allclose(
        motion.keypoints, upright(forward(turns(side), wrist, rest)), atol=1e-9
    )
    assert "thumb 27.3 mm" in motion.source.tips


def test_a_folder_of_both_hands_and_an_object_in_a_left_handed_world(tmp_path):
    for side in ("left", "right"):
        text = as_bvh(side, ANATOMICAL, left_handed=True)
        (tmp_path / f"{side}Hand.bvh").write_text(text)
    (tmp_path / "mug.bvh").write_text(
        "HIERARCHY\nROOT mug1 {\nOFFSET 0 0 0\nCHANNELS 6 Xposition Yposition Zposition "
        "Yrotation Xrotation Zrotation\nEnd Site {\nOFFSET 0 0 0\n}\n}\n"
        "MOTION\nFrames: 2\nFrame Time: 0.01\n1 2 3 90 0 0\n1 2 3 0 0 0\n"
    )
    with pytest.raises(InputError, match="both hands"):
        load(tmp_path)
    for side in ("left", "right"):
        motion = load(tmp_path, side=side)
        np.testing.assert_allclose(
            motion.keypoints, upright(planted.keypoints(side, COUNT)), atol=1e-9
        )
        mug = motion.streams["object_mug1"]
        np.testing.assert_allclose(
            mug.values[0], [-0.1, -0.3, 0.2, 0.5, 0.5, -0.5, -0.5], atol=1e-9
        )
        np.testing.assert_allclose(mug.times, [0, 0.01])
    (tmp_path / "other_left.bvh").write_text(as_bvh("left", ANATOMICAL))
    with pytest.raises(FormatError, match="several files of the same hand"):
        load(tmp_path, side="left")


def test_joints_that_are_not_recognised_are_listed(tmp_path):
    path = tmp_path / "clip.bvh"
    path.write_text(as_bvh("right", {**NUMBERED, "ring": ["Ring1", "RingB", "Ring3"]}))
    with pytest.raises(FormatError, match=r"no joint for ring_pip\. Its joints: WRIST, Thumb1,.*"):
        load(path)
    path.write_text(as_bvh("right", {finger: ["a", "b", "c"] for finger in FINGERS}))
    with pytest.raises(FormatError, match=r"no joints of fingers, .* Its joints: WRIST, a, b, c,"):
        load(path)
    assert "ring_pip" in NAMES


GOOD = as_bvh("right", ANATOMICAL)


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (lambda text: text.partition("MOTION")[0], "is no BVH"),
        (lambda text: "x" + text, "is no BVH"),
        (lambda text: text.replace("OFFSET", "OFFSET 1", 1), "damaged line"),
        (lambda text: text.replace("CHANNELS 6", "CHANNELS 600", 1), "damaged line"),
        (lambda text: text.replace("Yrotation", "Yturn", 1), "damaged line"),
        (lambda text: text.replace("}\n", "", 1), "not whole"),
        (lambda text: text.replace("}\n", "}\n}\n", 1), "not whole|damaged line"),
        (lambda text: text.replace("Frames: 5", "Frames: 6000000000"), "declares 6000000000"),
        (lambda text: text.replace("Frame Time: ", "Frame Time: -"), "expected numbers above 0"),
        (lambda text: text.replace("Frames: 5", "Frames: many"), "damaged MOTION"),
        (lambda text: text.rstrip() + " 7\n", "declares 5 frames"),
        (lambda text: text.rstrip().rpartition(" ")[0] + " nan\n", "a number in its MOTION"),
    ],
)
def test_damaged_files_are_refused(tmp_path, spoil, message):
    path = tmp_path / "right.bvh"
    path.write_text(spoil(GOOD))
    with pytest.raises(FormatError, match=message) as caught:
        load(path)
    assert "\n" not in str(caught.value)
