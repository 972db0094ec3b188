"""Metric depth: planted hands and planted depth maps, of which the answer is known."""

import sys
from dataclasses import replace
from functools import cache
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

import retarget
from handsim.errors import InputError
from handsim.files import load_npz, save_npz
from retarget import cli
from retarget.human import extract as extraction_of
from retarget.human.extract.depth import MEASURED, WINDOW, measure_extraction, with_depth
from retarget.human.extract.depth_maps import (
    read_depth_camera,
)
from retarget.human.keypoints import mirror
from retarget.human.pinhole import in_world, project, rays, translations
from retarget.human.recording import Camera, Source, Stream
from tests.retarget.human import planted

WIDTH, HEIGHT = 640, 480
CAMERA = Camera((600.0, 610.0), (331.5, 229.0), (640.0, 480.0))
COUNT = 8
GUESS = Source(frame="camera", metric=False, camera=CAMERA)


def pose(seed=0):
    turned = np.eye(4)
    turned[:3, :3] = planted.random_rotation(seed)
    turned[:3, 3] = [0.3, -0.2, 0.5]
    return turned


@cache
def truth(side="right"):
    parameters = planted.parameters(side, COUNT)
    return planted.motion(side, COUNT, mano=parameters, source=GUESS)


def guess(motion, scale):
    """What a tracker says that sees the hand where it is, of another size and distance."""
    scale = np.broadcast_to(scale, len(motion))
    points = motion.keypoints * scale[:, None, None]
    rest = motion.keypoints[:, 0] - motion.mano.transl
    mano = replace(motion.mano, transl=points[:, 0] - rest)
    return type(motion).from_keypoints(motion.times, points, motion.side, mano=mano, source=GUESS)


def maps(motion):
    """Pictures of the depth of the nearest measured keypoint, near the hand, before a wall."""
    return list(_maps(motion))


@cache
def _maps(motion):
    v, u = np.mgrid[:HEIGHT, :WIDTH]
    pictures = []
    for points in motion.keypoints[:, MEASURED]:
        pixels = project(points, CAMERA)
        away = (u[..., None] - pixels[:, 0]) ** 2 + (v[..., None] - pixels[:, 1]) ** 2
        depth = points[np.argmin(away, axis=-1), 2]
        pictures.append(np.where(away.min(axis=-1) < 30**2, depth, 2.0))
    return pictures


@pytest.mark.parametrize("side", ["right", "left"])
def test_a_planted_hand_is_recovered(side):
    true = truth(side)
    factor = 1.0 + 0.1 * np.sin(np.arange(COUNT))
    found = with_depth(guess(true, factor), maps(true), CAMERA)
    assert found.source.metric
    assert found.valid.all()
    assert np.abs(found.keypoints - true.keypoints).max() < 5e-3
    scale = found.streams["hand_scale"].values
    assert scale == pytest.approx(1 / factor, rel=5e-3)
    rest = true.keypoints[:, 0] - true.mano.transl
    assert found.keypoints[:, 0] - found.mano.transl == pytest.approx(rest)


def test_the_hand_is_seen_exactly_where_it_was():
    true = truth()
    told = guess(true, 1.3)
    found = with_depth(told, maps(true), CAMERA)
    seen = project(found.keypoints, CAMERA)
    assert np.abs(seen - project(told.keypoints, CAMERA)).max() < 1e-6


def test_a_guessed_camera_makes_no_difference():
    """HaMeR takes the focal length to be a guess; the pixels and the true camera are enough."""
    true = truth()
    pixels = project(true.keypoints, CAMERA)
    wrong = Camera((12500.0, 12500.0), (WIDTH / 2, HEIGHT / 2))
    shape = true.keypoints - true.keypoints[:, :1]
    far = translations(shape, pixels, wrong)[:, None] + shape
    told = type(true).from_keypoints(
        true.times,
        far,
        "right",
        source=replace(GUESS, camera=wrong),
        streams={"keypoints_2d": Stream(true.times, pixels)},
    )
    assert far[:, 0, 2].min() > 5
    found = with_depth(told, maps(true), CAMERA)
    assert np.abs(found.keypoints - true.keypoints).max() < 5e-3
    assert found.source.camera == CAMERA


def test_a_tracker_of_shapes_alone_is_placed_by_its_pixels():
    true = truth()
    told = type(true).from_keypoints(
        true.times,
        true.keypoints - true.keypoints[:, :1],
        "right",
        source=Source(frame="wrist", metric=False),
        streams={"keypoints_2d": Stream(true.times, project(true.keypoints, CAMERA))},
    )
    found = with_depth(told, maps(true), CAMERA)
    assert found.source.frame == "camera"
    assert np.abs(found.keypoints - true.keypoints).max() < 5e-3


def test_a_plane_before_the_camera_is_found_through_holes_and_noise():
    true, rng = truth(), np.random.default_rng(3)
    flat = true.keypoints.copy()
    flat[..., 2] = 0.6
    motion = type(true).from_keypoints(true.times, flat, "right", mano=true.mano, source=GUESS)
    pictures = []
    for _ in range(COUNT):
        depth = 0.6 + rng.normal(0, 0.003, (HEIGHT, WIDTH))
        depth[rng.random(depth.shape) < 0.4] = 0
        depth[rng.random(depth.shape) < 0.05] = 9.0
        depth[rng.random(depth.shape) < 0.05] = np.nan
        depth[rng.random(depth.shape) < 0.05] = 0.2
        pictures.append(depth)
    found = with_depth(guess(motion, 0.8), pictures, CAMERA)
    assert found.valid.all()
    assert np.abs(found.keypoints - flat).max() < 2e-3


def test_an_inset_puts_the_joints_behind_the_skin():
    true = truth()
    plain = with_depth(true, maps(true), CAMERA)
    deeper = with_depth(true, maps(true), CAMERA, inset=0.01)
    moved = deeper.keypoints[:, MEASURED, 2] - plain.keypoints[:, MEASURED, 2]
    assert moved == pytest.approx(np.full((COUNT, len(MEASURED)), 0.01), abs=2e-3)


@pytest.mark.parametrize(
    "what", ["holes", "an object before it", "the wall behind it", "a frayed edge"]
)
def test_a_frame_that_cannot_be_measured_is_filled_in_between(what):
    true, pictures = truth(), maps(truth())
    pictures[3] = {
        "holes": np.zeros((HEIGHT, WIDTH)),
        "an object before it": pictures[3] * 0.4,
        "the wall behind it": np.full((HEIGHT, WIDTH), 2.0),
        "a frayed edge": np.where(np.indices((HEIGHT, WIDTH)).sum(axis=0) % 2, 0.3, 2.0),
    }[what]
    found = with_depth(guess(true, 0.9), pictures, CAMERA)
    assert found.valid.all()
    assert found.streams["hand_scale"].values[3] == pytest.approx(1 / 0.9, rel=5e-3)


def test_a_long_gap_and_the_ends_are_not_valid():
    true = truth()
    slow = type(true).from_keypoints(np.arange(COUNT) * 0.2, true.keypoints, "right", source=GUESS)
    pictures = maps(true)
    for frame in (0, 3, 4, 7):
        pictures[frame] = np.zeros((HEIGHT, WIDTH))
    found = with_depth(slow, pictures, CAMERA)
    assert found.valid.tolist() == [False, True, True, False, False, True, True, False]
    assert np.isnan(found.keypoints[3]).all()


def test_two_keypoints_are_enough_and_one_is_not():
    true = truth()
    pixels = project(true.keypoints, CAMERA)
    for count, known in ((2, True), (1, False)):
        pictures = maps(true)
        for frame in (2, 5):
            kept = np.zeros((HEIGHT, WIDTH), bool)
            # The wrist and the index knuckle, the farthest apart.
            for u, v in np.rint(pixels[frame, [0, 5]][:count]).astype(int):
                kept[
                    v - WINDOW // 2 : v + WINDOW // 2 + 1, u - WINDOW // 2 : u + WINDOW // 2 + 1
                ] = 1
            pictures[frame] = np.where(kept, pictures[frame], 0)
        slow = type(true).from_keypoints(
            np.arange(COUNT) * 1.0, true.keypoints, "right", source=GUESS
        )
        assert with_depth(slow, pictures, CAMERA).valid[[2, 5]].tolist() == [known, known]


@pytest.mark.parametrize(("column", "known"), [(2, True), (-40, True), (-400, False)])
def test_a_hand_that_leaves_the_picture_is_measured_where_it_is_in_it(column, known):
    true = truth()
    flat = true.keypoints.copy()
    flat[..., 2] = 0.6
    flat[..., 0] += rays(np.array([column, 0.0]), CAMERA)[0] * 0.6 - flat[:, :1, 0]
    told = type(true).from_keypoints(true.times, flat, "right", source=GUESS)
    pictures = [np.full((HEIGHT, WIDTH), 0.6)] * COUNT
    if not known:
        with pytest.raises(InputError, match="No depth of the hand"):
            with_depth(told, pictures, CAMERA)
        return
    found = with_depth(told, pictures, CAMERA)
    assert found.valid.any()
    assert found.keypoints[found.valid] == pytest.approx(flat[found.valid])


def test_what_does_not_fit_is_refused():
    true = truth()
    with pytest.raises(InputError, match="3 depth maps for 8 frames"):
        with_depth(true, maps(true)[:3], CAMERA)
    with pytest.raises(InputError, match="expected the picture's"):
        with_depth(true, [np.ones((10, 10))] * COUNT, CAMERA)
    with pytest.raises(InputError, match="no principal point"):
        with_depth(true, maps(true), Camera((600.0, 600.0)))
    elsewhere = replace(true, source=Source(frame="world"))
    with pytest.raises(InputError, match="expected 'camera'"):
        with_depth(elsewhere, maps(true), CAMERA)
    nowhere = replace(true, source=Source(frame="wrist"))
    with pytest.raises(InputError, match="keypoints_2d"):
        with_depth(nowhere, maps(true), CAMERA)


def test_the_world_is_where_the_camera_says():
    true, T = truth(), pose()
    found = with_depth(true, maps(true), CAMERA, T)
    assert found.source.frame == "world"
    expected = true.keypoints @ T[:3, :3].T + T[:3, 3]
    assert np.abs(found.keypoints - expected).max() < 5e-3
    assert found.mano.global_orient == pytest.approx(T[:3, :3] @ true.mano.global_orient)
    camera = with_depth(true, maps(true), CAMERA)
    moving = np.broadcast_to(T, (COUNT, 4, 4))
    assert in_world(camera, moving).keypoints == pytest.approx(found.keypoints)
    with pytest.raises(InputError, match="not a rotation"):
        in_world(camera, 2 * np.eye(4))
    with pytest.raises(InputError, match=r"expected \(4, 4\)"):
        in_world(camera, np.eye(3))


@given(st.integers(0, 10**6), st.floats(0.2, 3.0))
@settings(max_examples=20, deadline=None)
def test_a_shape_is_placed_where_it_was_projected_from(seed, away):
    rng = np.random.default_rng(seed)
    shape = rng.normal(0, 0.05, (3, 21, 3))
    place = rng.normal(0, 0.1, (3, 3)) + np.array([0, 0, away + 0.3])
    pixels = project(shape + place[:, None], CAMERA)
    assert translations(shape, pixels, CAMERA) == pytest.approx(place, abs=1e-6)
    assert rays(pixels, CAMERA) * (shape + place[:, None])[..., 2:] == pytest.approx(
        shape + place[:, None]
    )


def extraction(path):
    """A file as `retarget extract` writes of HaMeR: both hands, seen in all frames."""
    true = {side: truth(side) for side in ("left", "right")}
    rows = {
        name: []
        for name in (
            "frame",
            "track",
            "right",
            "keypoints_2d",
            "box",
            "pred_keypoints_3d",
            "global_orient",
        )
    }
    for frame in range(COUNT):
        for track, (side, motion) in enumerate(true.items()):
            pixels = project(motion.keypoints[frame], CAMERA)
            shape = motion.keypoints[frame] - motion.keypoints[frame, 0]
            rows["frame"].append(frame)
            rows["track"].append(track)
            rows["right"].append(side == "right")
            rows["keypoints_2d"].append(pixels)
            rows["box"].append([*pixels.min(axis=0), *pixels.max(axis=0)])
            rows["pred_keypoints_3d"].append(shape if side == "right" else mirror(shape))
            rows["global_orient"].append(np.eye(3))
    count = 2 * COUNT
    arrays = {name: np.array(values) for name, values in rows.items()}
    arrays |= {
        "times": true["right"].times,
        "track_right": np.array([False, True]),
        "score": np.ones(count),
        "hand_pose": np.tile(np.eye(3), (count, 15, 1, 1)),
        "betas": np.zeros((count, 10)),
        "pred_cam_t_full": np.tile([0.0, 0, 20], (count, 1)),
        "focal_length": np.full((count, 2), 12500.0),
    }
    header = {"kind": "extraction", "schema": 1, "files": ["a.mp4"], "backend": "hamer"}
    header |= {"metric": False, "told": {"width": WIDTH, "height": HEIGHT}, "options": {}}
    save_npz(path, header, arrays)
    return true


def test_an_extraction_becomes_metric_and_keeps_all_it_had(tmp_path):
    path = tmp_path / "out.npz"
    true = extraction(path)
    before = load_npz(path, "extraction", 1)[1]
    pictures = [
        np.minimum(*pair) for pair in zip(maps(true["left"]), maps(true["right"]), strict=True)
    ]
    assert measure_extraction(path, pictures, CAMERA, pose()) == {"left": COUNT, "right": COUNT}
    after = load_npz(path, "extraction", 1)[1]
    assert all(np.array_equal(after[name], values) for name, values in before.items())
    for side, motion in true.items():
        found = retarget.load(path, side=side)
        expected = motion.keypoints @ pose()[:3, :3].T + pose()[:3, 3]
        assert found.source.metric
        assert found.source.frame == "world"
        assert np.median(np.abs(found.keypoints - expected)) < 5e-3
    with pytest.raises(InputError, match="metric already"):
        measure_extraction(path, pictures, CAMERA)


def test_the_command_measures_what_it_extracts(tmp_path, monkeypatch, capsys):
    fake = Path(__file__).with_name("fake_worker.py")
    monkeypatch.setattr(extraction_of, "script", lambda backend: fake)
    video, out = tmp_path / "video.npy", tmp_path / "out.npz"
    np.save(video, planted.motion("right", 6).palm_keypoints[:, None])
    (tmp_path / "depth").mkdir()
    for frame in range(6):
        picture = np.full((500, 500), 1200, np.uint16)
        Image.fromarray(picture).save(tmp_path / "depth" / f"{frame}.png")
    (tmp_path / "K.txt").write_text("1000 0 400 0 1000 400 0 0 1")
    np.save(tmp_path / "T.npy", pose())
    command = ["extract", video, "-o", out, "--python", sys.executable]
    command += ["--depth", tmp_path / "depth", "--intrinsics", tmp_path / "K.txt"]
    cli.main([str(word) for word in [*command, "--extrinsics", tmp_path / "T.npy"]])
    assert "right hand: depth in 6 frames" in capsys.readouterr().out
    found = retarget.load(out)
    assert found.source.metric
    inverse = np.linalg.inv(pose())
    away = (found.keypoints @ inverse[:3, :3].T + inverse[:3, 3])[:, MEASURED, 2]
    assert np.median(away) == pytest.approx(1.2, rel=0.02)


def test_depth_and_intrinsics_come_together(tmp_path):
    assert read_depth_camera(None, None) is None
    with pytest.raises(InputError, match="expected both"):
        read_depth_camera(tmp_path, None)
    with pytest.raises(InputError, match="expected both"):
        read_depth_camera(None, None, baseline=0.05)
