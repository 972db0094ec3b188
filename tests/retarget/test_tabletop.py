"""Hand and object on a table: what was planted is found, in any frame, behind a mirror."""

from dataclasses import replace

import numpy as np
import pytest

import retarget
from handsim.errors import InputError
from handsim.poses import matrices_from_poses
from retarget.human.recording import Stream
from retarget.human.sources.dexmv import EXAMPLE_CAMERAS
from retarget.tabletop import ARRIVED, REACH, on_table
from tests.retarget.lifting import (
    LIFT,
    OBJECT,
    RATE,
    REST_HEIGHT,
    lifting,
    mirrored,
    moved,
    relative,
)

PLANTED = lifting()
ELSEWHERE = moved((0.7, -1.1, 0.4), (0.3, -0.2, 1.1))
CAMERA = moved((-0.5, 0.3, 2.0), (-0.4, 0.1, 0.6))


def placed(planted, camera=None):
    return on_table(planted.motion, planted.motion.streams[OBJECT], REST_HEIGHT, camera)


@pytest.fixture(scope="module")
def table():
    return placed(PLANTED)


def test_the_planted_hold_is_found(table):
    np.testing.assert_allclose(matrices_from_poses(table.hold), PLANTED.hold, atol=1e-3)
    assert table.stray[0] < 1e-3
    assert table.stray[1] < 0.01


def test_the_object_stands_upright_on_the_table_and_then_goes_the_planted_way(table):
    rest = matrices_from_poses(table.object_path[: table.lift - 3])
    np.testing.assert_allclose(rest[:, :3, 2], np.tile([0, 0, 1], (len(rest), 1)), atol=1e-6)
    np.testing.assert_allclose(rest[:, 2, 3], REST_HEIGHT, atol=1e-6)
    first = round(table.motion.times[0] * RATE)
    planted = PLANTED.path[first : first + len(table.motion)]
    got = relative(table.object_path[:1], table.object_path)
    np.testing.assert_allclose(
        got[:, :3, 3], (np.linalg.inv(planted[0]) @ planted)[:, :3, 3], atol=5e-3
    )
    np.testing.assert_allclose(got[-1], np.linalg.inv(planted[0]) @ planted[-1], atol=1e-3)


def test_the_lift_and_what_is_kept_before_it(table):
    lift = table.motion.times[table.lift]
    assert LIFT <= lift < LIFT + 0.3
    assert lift - table.motion.times[0] == pytest.approx(REACH, abs=1 / RATE)


def test_fingers_point_to_minus_y_and_the_way_is_about_the_origin(table):
    fingers = matrices_from_poses(table.motion.wrist[table.lift])[:3, 2]
    assert abs(fingers[0]) < 1e-6
    assert fingers[1] < 0
    way = table.object_path[:, :2]
    np.testing.assert_allclose(way.min(axis=0) + way.max(axis=0), 0, atol=1e-9)


def test_the_palm_holds_the_object_from_before_the_lift_on_and_comes_as_recorded(table):
    got = relative(table.object_path, table.motion.wrist)
    times = table.motion.times - table.motion.times[table.lift]
    held = np.tile(matrices_from_poses(table.hold), (len(times), 1, 1))
    np.testing.assert_allclose(got[times > -ARRIVED], held[times > -ARRIVED], atol=1e-9)
    assert np.linalg.norm(got[0, :3, 3] - held[0, :3, 3]) > 0.05
    steps = np.linalg.norm(np.diff(table.motion.wrist[:, :3], axis=0), axis=1)
    assert steps.max() < 1.0 / RATE
    np.testing.assert_allclose(
        table.motion.palm_keypoints[0], PLANTED.motion.palm_keypoints[0], atol=1e-3
    )


@pytest.mark.parametrize("camera", [None, CAMERA])
def test_frames_of_recordings_do_not_matter(table, camera):
    planted = lifting(ELSEWHERE, np.eye(4) if camera is None else camera)
    other = placed(planted, camera)
    np.testing.assert_allclose(other.object_path, table.object_path, atol=1e-6)
    np.testing.assert_allclose(other.motion.keypoints, table.motion.keypoints, atol=1e-6)
    np.testing.assert_allclose(other.hold, table.hold, atol=1e-6)


def test_another_frame_of_the_cameras_is_noticed(table):
    assert placed(lifting(ELSEWHERE, CAMERA)).stray[0] > 10 * table.stray[0]


def test_an_object_that_seems_to_spin_while_it_stands_does_not(table):
    other = placed(lifting(spin=3.0))
    np.testing.assert_allclose(other.object_path, table.object_path, atol=1e-3)


def test_the_mirror_image(table):
    motion = mirrored(PLANTED.motion)
    other = on_table(motion, motion.streams[OBJECT], REST_HEIGHT)
    behind = np.array([-1, 1, 1, 1, 1, -1, -1])
    np.testing.assert_allclose(other.object_path, table.object_path * behind, atol=1e-6)
    np.testing.assert_allclose(
        other.motion.keypoints, table.motion.keypoints * behind[:3], atol=1e-6
    )


def test_a_transform_to_four_digits_is_made_rigid(table):
    camera = CAMERA.round(4)
    path = matrices_from_poses(placed(lifting(camera=CAMERA), camera).object_path)
    np.testing.assert_allclose(np.linalg.det(path[:, :3, :3]), 1, atol=1e-12)
    np.testing.assert_allclose(path, matrices_from_poses(table.object_path), atol=1e-3)


def test_what_is_no_lifting_says_so():
    motion = PLANTED.motion
    with pytest.raises(InputError, match="rests, expected it to rest for .* and then to move"):
        placed(lifting(still=True))
    late = motion.select(motion.times > LIFT - 0.3)
    with pytest.raises(InputError, match="moves after 0.* expected it to rest"):
        on_table(late, motion.streams[OBJECT], REST_HEIGHT)
    with pytest.raises(InputError, match="not a rigid transform"):
        placed(PLANTED, 2 * np.eye(4))
    stream = motion.streams[OBJECT]
    with pytest.raises(InputError, match=r"shape \(103, 3\), expected poses"):
        on_table(motion, Stream(stream.times, stream.values[:, :3], ""), REST_HEIGHT)
    with pytest.raises(InputError, match="seen in no frame"):
        on_table(motion, Stream(stream.times, np.nan * stream.values, ""), REST_HEIGHT)
    lost = replace(motion, valid=np.abs(motion.times - LIFT - 0.5) > 0.2)
    with pytest.raises(InputError, match="No hand is seen at"):
        on_table(lost, stream, REST_HEIGHT)


def test_the_published_cameras_of_dexmv_bring_hand_and_bottle_together(shared):
    motion = retarget.load(shared / "motions" / "dexmv_mustard")
    table = on_table(motion, motion.streams["object_5"], 0.0875, EXAMPLE_CAMERAS)
    assert table.stray[0] < 0.020
    assert table.stray[1] < 0.30
    rise = table.object_path[:, 2] - table.object_path[0, 2]
    assert 0.12 < rise.max() < 0.14
    thumb, *others = _tips_in_object(table)
    assert thumb[0] < -0.02 < 0.015 < min(tip[0] for tip in others)
    apart = on_table(motion, motion.streams["object_5"], 0.0875)
    assert apart.stray[0] > 3 * table.stray[0]


def _tips_in_object(table):
    hold = matrices_from_poses(table.hold)
    tips = np.median(table.motion.palm_keypoints[table.lift :, [4, 8, 12, 16]], axis=0)
    return tips @ hold[:3, :3].T + hold[:3, 3]
