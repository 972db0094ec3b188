"""Crops of hands, by which HaMeR's and WiLoR's workers see: loaded by path, as they load it."""

import importlib.util
import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from retarget.human.extract.worker_process import WORKERS

spec = importlib.util.spec_from_file_location("mano_crops", WORKERS / "parts" / "mano_crops.py")
crops = importlib.util.module_from_spec(spec)
spec.loader.exec_module(crops)

SIZE = (1280, 720)
RNG = np.random.default_rng(5)


def planted(count=7):
    """Squares of hands of both sides: centres, sides, right."""
    return RNG.uniform(200, 500, (count, 2)), RNG.uniform(90, 700, count), np.arange(count) % 2 == 0


def test_a_box_grows_to_hold_itself_in_the_middle_of_the_crop():
    center, side = crops.squares(np.array([[100.0, 100, 200, 150], [0, 0, 60, 90]]), 2.0)
    assert np.array_equal(center, [[150, 125], [30, 45]])
    assert side == pytest.approx([200 * 256 / 192, 180])
    assert crops.squares(np.array([[100.0, 100, 200, 150]]), 2.0, None)[1] == pytest.approx([200])


def test_crop_and_picture_are_each_others_inverse():
    center, side, right = planted()
    pixels = RNG.uniform(0, 720, (len(side), 21, 2))
    width = SIZE[0]
    points = []
    for row, of_right in enumerate(right):
        seen = pixels[row].copy()
        if not of_right:
            seen[:, 0] = width - 1 - seen[:, 0]
        affine = crops.to_crop(center[row], side[row], bool(of_right), width)
        points.append((seen @ affine[:, :2].T + affine[:, 2]) / crops.PATCH - 0.5)
    assert crops.to_picture(np.array(points), right, center, side) == pytest.approx(pixels)


def test_the_full_camera_sees_the_hand_where_the_crops_does():
    center, side, right = planted()
    pred_cam = np.column_stack([RNG.uniform(0.5, 2, 7), RNG.uniform(-0.4, 0.4, (7, 2))])
    moved = crops.full_translation(pred_cam, right, center, side, SIZE)
    seen = crops.full_focal(SIZE) * moved[:, :2] / moved[:, 2:] + np.array(SIZE) / 2
    # Of the crop's camera: focal / 256 · t / (2 focal / 256 s), in widths of the crop.
    in_crop = pred_cam[:, 1:] * pred_cam[:, :1] / 2
    expected = crops.to_picture(in_crop[:, None], right, center, side)[:, 0]
    assert seen == pytest.approx(expected, abs=1e-4)


def test_a_left_hand_is_a_right_hand_in_a_mirror():
    center, side, _ = planted()
    mirrored = np.column_stack([SIZE[0] - center[:, 0], center[:, 1]])
    pred_cam = np.column_stack([np.ones(7), RNG.uniform(-0.4, 0.4, (7, 2))])
    right = crops.full_translation(pred_cam, np.ones(7, bool), center, side, SIZE)
    left = crops.full_translation(pred_cam, np.zeros(7, bool), mirrored, side, SIZE)
    assert left == pytest.approx(right * [-1, 1, 1])


def test_blur_begins_where_two_pixels_become_less_than_one():
    assert crops.blur(2.2 * 256 - 1e-6) == 0
    assert crops.blur(2.4 * 256) == pytest.approx(0.1)


def test_colours_are_centred_red_first():
    patch = np.tile(crops.MEAN[::-1] * 255, (256, 256, 1))
    assert crops.normalised(patch) == pytest.approx(np.zeros((3, 256, 256)), abs=1e-6)
    patch[..., 2] += 255 * crops.STD[0]
    assert crops.normalised(patch)[:, 0, 0] == pytest.approx([1, 0, 0], abs=1e-5)


def test_hands_of_a_body_are_boxes_of_what_is_sure():
    body = np.zeros((133, 3))
    body[-21:-17] = [[10, 50, 0.9], [30, 20, 0.8], [20, 30, 0.7], [15, 25, 0.6]]
    body[-17] = [500, 500, 0.5]
    body[-42:-39] = [5, 5, 0.9]
    (box, right, score), *others = crops.body_hands(body)
    assert not others
    assert right
    assert score == pytest.approx(0.75)
    assert list(box) == [10, 20, 30, 50]


@given(st.integers(0, 30), st.integers(0, 40), st.integers(1, 20), st.integers(1, 20))
@settings(max_examples=20)
def test_the_box_of_a_mask_holds_it_and_no_more(x, y, width, height):
    mask = np.zeros((64, 64), bool)
    mask[y : y + height, x : x + width] = True
    assert crops.mask_box(mask).tolist() == [x, y, x + width, y + height]
    assert crops.mask_box(np.zeros((4, 4), bool)) is None


def test_boxes_are_read_from_either_kind_of_file(tmp_path):
    rows = [
        {"frame": 3, "box": [1, 2, 3, 4], "side": "left"},
        {"frame": 3, "box": [5, 5, 9, 9], "side": "right", "score": 0.5},
        {"frame": 4, "box": [5, 5, 5, 9], "side": "right"},
    ]
    (tmp_path / "a.json").write_text(json.dumps(rows))
    np.savez(
        tmp_path / "a.npz",
        frame=[3, 3, 4],
        box=np.array([row["box"] for row in rows], float),
        right=[0, 1, 1],
        score=[1, 0.5, 1],
    )
    for name in ("a.json", "a.npz"):
        found = crops.read_boxes(tmp_path / name)
        assert found[3].box.tolist() == [[1, 2, 3, 4], [5, 5, 9, 9]]
        assert found[3].right.tolist() == [False, True]
        assert found[3].score.tolist() == [1, 0.5]
        assert len(found[4].box) == 0, "a box without an area is none"


@pytest.mark.parametrize(
    ("row", "said"),
    [
        ({"frame": 0, "box": [0, 0, 9, 9]}, "expected left or right"),
        ({"frame": 0, "box": [0, 9, 9], "side": "left"}, "expected x0 y0 x1 y1"),
        ({"frame": 0, "box": [0, 0, "nan", 9], "side": "left"}, "not finite"),
    ],
)
def test_boxes_that_are_not_are_refused(tmp_path, row, said):
    (tmp_path / "a.json").write_text(json.dumps([row]))
    with pytest.raises(ValueError, match=said):
        crops.read_boxes(tmp_path / "a.json")


def test_an_archive_without_boxes_is_refused(tmp_path):
    np.savez(tmp_path / "a.npz", frame=[0], right=[True])
    with pytest.raises(ValueError, match="lacks box"):
        crops.read_boxes(tmp_path / "a.npz")
