"""Depth maps, intrinsics and poses: read in every form, and registered to another camera."""

import json
from dataclasses import replace

import numpy as np
import pytest
from PIL import Image

from handsim.errors import FormatError, InputError, MissingFileError
from retarget.human.extract.depth_maps import (
    DepthMaps,
    read_camera,
    read_depth,
    read_pose,
    registered,
)
from retarget.human.pinhole import camera_of
from retarget.human.recording import Camera
from tests.retarget.human import planted

WIDTH, HEIGHT = 640, 480
CAMERA = Camera((600.0, 610.0), (331.5, 229.0), (640.0, 480.0))


def test_registration_there_and_back_gives_the_same_depths():
    other = Camera((500.0, 500.0), (300.0, 250.0), (640.0, 480.0))
    T = np.eye(4)
    T[:3, 3] = [0.05, -0.01, 0.02]
    v, u = np.mgrid[:HEIGHT, :WIDTH]
    slant = 0.8 + 0.2 * u / WIDTH + 0.1 * v / HEIGHT
    there = registered([slant], CAMERA, other, T)
    back = registered(there, other, CAMERA, np.linalg.inv(T))[0]
    both = np.isfinite(back)
    assert both[100:380, 100:540].mean() > 0.6
    assert np.abs(back - slant)[both].max() < 2e-3


def test_registration_keeps_the_nearer_of_two_and_moves_by_the_parallax():
    depth = np.full((HEIGHT, WIDTH), np.nan)
    depth[200, 100], depth[200, 130] = 1.0, 0.5
    T = np.eye(4)
    T[0, 3] = 0.05
    # 600 px · 0.05 m / 1 m = 30 px; / 0.5 m = 60 px.
    seen = registered([depth], CAMERA, CAMERA, T)[0]
    assert sorted(map(tuple, np.argwhere(np.isfinite(seen)))) == [(200, 130), (200, 190)]
    depth[200, 160] = 1.0
    assert registered([depth], CAMERA, CAMERA, T)[0][200, 190] == 0.5
    with pytest.raises(InputError, match="without a size"):
        registered([depth], CAMERA, Camera((600.0, 600.0), (1.0, 1.0)), T)


def test_depth_is_read_in_metres_from_either_kind(tmp_path):
    millimetres = np.arange(12, dtype=np.uint16).reshape(3, 4) * 500
    for frame in (2, 10):
        Image.fromarray(millimetres + frame).save(tmp_path / f"depth_{frame}.png")
    of_folder = read_depth(tmp_path)
    assert len(of_folder) == 2
    assert of_folder[0][0, 1] == pytest.approx(0.502)
    assert of_folder[1][0, 1] == pytest.approx(0.510)
    assert np.isnan(of_folder[0][2, 3]), "farther than 5 m"
    np.save(tmp_path / "stack.npy", np.stack([millimetres, millimetres]))
    np.save(tmp_path / "metres.npy", np.stack([millimetres / 1000.0]))
    assert np.array_equal(
        read_depth(tmp_path / "stack.npy")[1],
        read_depth(tmp_path / "metres.npy")[0],
        equal_nan=True,
    )


def test_disparity_is_depth_by_the_baseline(tmp_path):
    disparity = np.array([[[60.0, 30.0, 0.0, -1.0]]], np.float32)
    np.save(tmp_path / "disparity.npy", disparity)
    found = read_depth(tmp_path / "disparity.npy", baseline=0.05, focal=600.0)[0]
    assert found[0, :2] == pytest.approx([0.5, 1.0])
    assert np.isnan(found[0, 2:]).all()
    with pytest.raises(InputError, match="expected both"):
        read_depth(tmp_path / "disparity.npy", baseline=0.05)


def test_what_is_no_depth_is_refused(tmp_path):
    with pytest.raises(MissingFileError):
        read_depth(tmp_path / "nothing.npy")
    with pytest.raises(FormatError, match="0 files"):
        read_depth(tmp_path)
    Image.fromarray(np.zeros((4, 4), np.uint8)).save(tmp_path / "0.png")
    with pytest.raises(FormatError, match="16 bits"):
        read_depth(tmp_path)[0]
    (tmp_path / "0.png").write_bytes(b"nothing")
    with pytest.raises(FormatError, match="no picture"):
        read_depth(tmp_path)[0]
    np.save(tmp_path / "a.npy", np.array([{}]), allow_pickle=True)
    with pytest.raises(FormatError, match="no array"):
        read_depth(tmp_path / "a.npy")
    np.save(tmp_path / "a.npy", np.zeros((4, 4)))
    with pytest.raises(FormatError, match=r"expected \(T, H, W\)"):
        read_depth(tmp_path / "a.npy")
    with pytest.raises(IndexError):
        DepthMaps(1, lambda index: np.zeros((2, 2)))[1]


def test_intrinsics_are_read_from_every_form(tmp_path):
    K = [[600.0, 0, 331.5], [0, 610.0, 229.0], [0, 0, 1]]
    np.save(tmp_path / "K.npy", K)
    (tmp_path / "K.txt").write_text("600 0 331.5 0 610 229 0 0 1\n0.05\n")
    (tmp_path / "K.json").write_text(json.dumps({"fx": 600, "fy": 610, "ppx": 331.5, "ppy": 229}))
    for name in ("K.npy", "K.txt", "K.json"):
        assert read_camera(tmp_path / name) == camera_of(K) == replace(CAMERA, size=None)
    (tmp_path / "K.json").write_text(json.dumps({"fx": 600}))
    with pytest.raises(FormatError, match="no intrinsics"):
        read_camera(tmp_path / "K.json")
    with pytest.raises(MissingFileError):
        read_camera(tmp_path / "nothing.txt")
    with pytest.raises(InputError, match="expected"):
        camera_of([[600.0, 3, 0], [0, 600, 0], [0, 0, 1]])


def test_poses_are_read_from_either_form(tmp_path):
    T = np.eye(4)
    T[:3, :3], T[:3, 3] = planted.random_rotation(0), [0.3, -0.2, 0.5]
    np.save(tmp_path / "T.npy", T)
    np.savetxt(tmp_path / "T.txt", T, fmt="%.17g")
    assert np.array_equal(read_pose(tmp_path / "T.npy"), read_pose(tmp_path / "T.txt"))
    np.save(tmp_path / "T.npy", np.eye(3))
    with pytest.raises(FormatError, match="expected"):
        read_pose(tmp_path / "T.npy")
    with pytest.raises(MissingFileError):
        read_pose(tmp_path / "nothing.txt")
