"""What `retarget inspect` says of planted files, of real recordings and of damaged ones."""

import json
import pickle
import tracemalloc
from dataclasses import replace

import h5py
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from handsim.assets import ASSETS
from handsim.errors import FormatError, InputError, MissingFileError
from handsim.render import write_png, write_video
from retarget import cli, inspection
from retarget.human.hand_trajectory import HandTrajectory
from retarget.inspection import as_text, content, inspect
from retarget.inspection.containers import Found, look_into
from retarget.inspection.numbers import clock, clock_of, numbers_of
from tests.retarget.human import osmo_trial

SAMPLE = ASSETS / "motions" / "sample_right.npz"


def parts(report):
    return {part.name: part for part in report.parts}


def both(report):
    """Text and JSON are made of the same records, and JSON is what browsers read."""
    said = json.loads(json.dumps(report.as_json(), allow_nan=False))
    return as_text(report), said


def test_figures_count_what_was_planted():
    array = np.ones((10, 3))
    array[:, 2] = np.arange(10.0)
    array[4] = np.nan
    array[7] = 0
    array[9] = array[8]
    found = numbers_of(array)
    assert (found.nan, found.nan_rows, found.zero_rows, found.repeated_rows) == (3, 1, 1, 1)
    assert (found.constant, found.columns, found.every) == (0, 3, 1)
    assert (found.least, found.most) == (0, 8)
    assert found.zero == 4
    finite = array[np.isfinite(array)]
    assert found.mean == pytest.approx(finite.mean())
    assert numbers_of(np.ones((5, 2))).constant == 2
    assert numbers_of(np.full(3, np.nan)).mean is None
    assert numbers_of(np.array(["a"])) is None
    assert numbers_of(np.zeros((0, 3))) is None


def test_large_arrays_are_sampled(monkeypatch):
    monkeypatch.setattr("retarget.inspection.numbers.MOST", 100)
    found = numbers_of(np.arange(1000.0).reshape(200, 5))
    assert (found.every, found.least, found.most) == (10, 0, 954)


@settings(max_examples=50, deadline=None)
@given(
    st.lists(st.floats(-1e6, 1e6), min_size=1, max_size=30),
    st.sampled_from(["f8", "f4", "i8", "u1", "?"]),
)
def test_figures_of_any_array_are_those_of_numpy(values, dtype):
    array = np.array(values, dtype="f8").astype(dtype, casting="unsafe")
    found = numbers_of(array)
    assert found.least == array.min()
    assert found.most == array.max()
    assert found.zero == (array == 0).sum()
    assert found.least <= found.mean + 1e-6 * abs(found.mean) + 1e-9


def test_clocks_tell_gaps_repeats_and_steps_back():
    times = np.arange(20) / 25.0
    times[10:] += 0.4
    times[15] = times[14]
    found = clock("times", times)
    assert (found.count, found.gaps, found.repeated, found.backwards) == (20, 2, 1, 0)
    assert not found.increasing
    assert found.rate == pytest.approx(25)
    assert found.longest == pytest.approx(0.44)
    assert clock("t", times[::-1]).backwards == 18
    assert clock("t", times[:1]).rate == 0


@pytest.mark.parametrize(
    ("name", "values", "span"),
    [
        ("t_ns", np.arange(3) * 10**9, 2.0),
        ("stream.timestamps", np.arange(3) * 10**9 + 10**18, 2.0),
        ("time_ms", np.arange(3) * 1e3, 2.0),
        ("times", np.arange(3.0), 2.0),
        ("estimates", np.arange(3.0), None),
        ("times", np.zeros((3, 2)), None),
    ],
)
def test_times_are_known_by_name_and_unit(name, values, span):
    found = clock_of(name, values)
    assert (found and found.span) == (span and pytest.approx(span))


def test_a_pickled_trial_tells_missing_frames_and_lengths(tmp_path):
    """As OSMO writes it: pictures of every frame, a hand in some of them, times with the rows."""
    points = np.random.default_rng(0).normal(size=(60, 21, 3))
    stamps = [10**18 + 40_000_000 * i for i in range(100)]
    trial = {
        "rs_color": np.zeros((100, 4, 6, 3), np.uint8),
        "uncorrected_keypoints": [None, *points[1:]],
        "pred_keypoints_3d": points,
        "glove": [(stamp, list(map(float, range(30)))) for stamp in stamps],
        "fs_depth": None,
        "mixed": [np.zeros(3), np.zeros(4), "text"],
    }
    path = tmp_path / "processed.pkl"
    path.write_bytes(pickle.dumps(trial))
    report = inspect(path)
    found = parts(report)
    assert report.container == "pickle"
    assert found["uncorrected_keypoints"].shape == (60, 21, 3)
    assert found["uncorrected_keypoints"].none == 1
    assert found["fs_depth"].none == 1
    assert found["rs_color"].numbers.constant == 72
    assert "1 × (4,) float64" in found["mixed"].dtype
    assert any("rs_color 100" in n and "pred_keypoints_3d 60" in n for n in report.notes)
    (clock,) = report.clocks
    assert (clock.count, clock.rate) == (100, pytest.approx(25))
    text, said = both(report)
    assert "uncorrected_keypoints" in text
    assert len(said["parts"]) == len(report.parts)


def test_a_motion_is_told_from_its_file():
    report = inspect(SAMPLE)
    motion = HandTrajectory.load(SAMPLE)
    (hand,) = report.hands
    assert report.format == "handsim"
    assert report.header["kind"] == "hand_trajectory"
    assert (hand.side, hand.frames, hand.valid) == ("right", len(motion), len(motion))
    assert hand.left_votes == 0 < hand.right_votes
    assert 0.15 < hand.length < 0.22
    assert len(hand.bones) == 20
    assert set(hand.streams) == set(motion.streams)
    assert report.clocks[0].source == "motion: the file's own"
    text, said = both(report)
    assert "right, authored, world frame" in text
    assert said["hands"][0]["side"] == "right"


def test_a_motion_with_holes(tmp_path):
    motion = HandTrajectory.load(SAMPLE).select(slice(0, 50))
    points = motion.keypoints.copy()
    points[10:20] = np.nan
    np.save(tmp_path / "clip.npy", points)
    report = inspect(tmp_path / "clip.npy")
    assert report.hands[0].valid == 40
    assert report.parts[0].numbers.nan_rows == 10
    assert "assumed, 30 frames a second" in report.clocks[0].source


def test_what_no_format_reads_says_why_of_each(tmp_path):
    (tmp_path / "clip.json").write_text('{"a": [1, 2, 3]}')
    report = inspect(tmp_path / "clip.json")
    assert report.format == ""
    assert set(report.refusals) == set(inspection.motions.FORMATS)
    assert all(report.refusals.values())
    assert str(tmp_path) not in "".join(report.refusals.values())
    assert "retarget.load does not read it" in as_text(report)


def test_hdf5_is_read_without_following_links(tmp_path):
    path = tmp_path / "file.h5"
    with h5py.File(path, "w") as file:
        file["group/values"] = np.arange(6.0).reshape(2, 3)
        file["elsewhere"] = h5py.ExternalLink("/etc/hostname", "/x")
        file.create_dataset("huge", (10**10,), "f8", chunks=(1000,))
        file.attrs["task"] = "pinch"
    report = inspect(path)
    found = parts(report)
    assert found["group/values"].numbers.most == 5
    assert found["@task"].value == "pinch"
    assert found["elsewhere"].notes == ("is a link to elsewhere",)
    assert found["huge"].numbers is None
    assert len(report.notes) == 2


def test_pictures_and_videos(tmp_path):
    frames = [np.full((24, 32, 3), 20 * i, np.uint8) for i in range(6)]
    write_video(tmp_path / "clip.mp4", frames, 12.5)
    write_png(tmp_path / "frame_01.png", frames[0])
    video = inspect(tmp_path / "clip.mp4").video
    assert (video.width, video.height, video.frames, video.fps) == (32, 24, 6, 12.5)
    assert parts(inspect(tmp_path / "frame_01.png"))[""].shape == (24, 32, 3)
    write_png(tmp_path / "frame_02.png", frames[1])
    found = parts(inspect(tmp_path))
    assert found["frame_#.png"].type == "2 files"
    (tmp_path / "clip.mp4").write_bytes(b"\0\0\0\x20ftypisom" + bytes(100))
    assert "no readable video" in inspect(tmp_path / "clip.mp4").notes[0]
    (tmp_path / "frame_01.png").write_bytes(b"\x89PNG\r\n\x1a\n" + bytes(30))
    assert "no readable picture" in inspect(tmp_path / "frame_01.png").notes[0]


def test_what_is_too_large_is_told_by_its_header(tmp_path):
    np.savez(tmp_path / "a.npz", x=np.zeros(1000), y=np.zeros((3, 4)))
    found = Found(left=500)
    look_into(tmp_path / "a.npz", "npz", found)
    x, y = found.parts
    assert (x.shape, x.numbers) == ((1000,), None)
    assert "too many to look at" in x.notes[0]
    assert y.numbers.zero == 12


def test_what_the_glove_felt_is_told_below_its_row(tmp_path):
    rows = np.random.default_rng(0).normal(size=(20, 10, 3)).astype(object)
    (tmp_path / "a.pkl").write_bytes(pickle.dumps({"glove": rows}))
    (glove,) = inspect(tmp_path / "a.pkl").parts
    assert (glove.shape, glove.type) == ((20, 10, 3), "array of objects")
    assert glove.numbers.most == rows.max()
    text = as_text(inspect(tmp_path / "a.pkl"))
    assert "\n      index_main: " in text


@pytest.mark.usefixtures("unchecked")
def test_pictures_in_a_pickle_are_not_all_looked_at(tmp_path):
    """Half a gigabyte of them, which the file does not take on the disk."""
    made = osmo_trial.write(tmp_path / "trial", frames=100)
    tracemalloc.start()
    try:
        found = parts(inspect(made / "processed.pkl"))
        assert tracemalloc.get_traced_memory()[1] < 300e6
    finally:
        tracemalloc.stop()
    assert found["rs_color"].numbers.every > 50


def test_similar_entries_are_shown_once(tmp_path):
    stills = {f"still {i}": [{"box": [0.0, i], "side": 1.0}] for i in range(9)}
    (tmp_path / "a.pkl").write_bytes(pickle.dumps(stills))
    found = parts(inspect(tmp_path / "a.pkl"))
    assert found["…"].dtype == "8 like still 0"
    assert "still 0[0].box" in found
    assert not any(name.startswith("still 1") for name in found)


def test_notes_of_a_describer_are_taken_and_its_refusals_are_not(monkeypatch):
    def layout(values, name):
        if np.shape(values) != (4, 30):
            raise InputError("no layout")
        return [f"{name}: 30 numbers a row"]

    monkeypatch.setattr(content, "DESCRIBERS", (layout,))
    (part,) = content.parts_of("mags", np.zeros((4, 30)))
    assert part.notes == ("mags: 30 numbers a row",)
    (part,) = content.parts_of("mags", [[0.0] * 30] * 4)
    assert part.notes == ("mags: 30 numbers a row",)
    (part,) = content.parts_of("mags", np.zeros(4))
    assert part.notes == ()


class Evil:
    def __reduce__(self):
        return exec, ("raise SystemExit('executed')",)


def test_nothing_is_executed(tmp_path):
    (tmp_path / "evil.pkl").write_bytes(pickle.dumps(Evil()))
    np.savez(tmp_path / "evil.npz", x=np.array([Evil()], dtype=object), y=np.zeros(2))
    assert "names builtins.exec" in inspect(tmp_path / "evil.pkl").notes[0]
    found = parts(inspect(tmp_path / "evil.npz"))
    assert "names builtins.exec" in found["x"].notes[0]
    assert found["y"].numbers.zero == 2


def test_what_cannot_be_looked_at_at_all(tmp_path):
    with pytest.raises(MissingFileError):
        inspect(tmp_path / "none")
    (tmp_path / "empty").touch()
    with pytest.raises(FormatError):
        inspect(tmp_path / "empty")
    assert inspect(tmp_path).container == "folder"


@pytest.mark.parametrize("suffix", ["npz", "pkl", "h5", "json", "png", "npy", "txt"])
def test_damaged_files_are_still_reported_on(tmp_path, suffix):
    rng = np.random.default_rng(len(suffix))
    path = tmp_path / f"clip.{suffix}"
    points = HandTrajectory.load(SAMPLE).keypoints[:4]
    if suffix == "npz":
        np.savez_compressed(path, keypoints=points, times=np.arange(4.0))
    elif suffix == "h5":
        with h5py.File(path, "w") as file:
            file["x/y"] = points
    elif suffix == "png":
        write_png(path, np.zeros((8, 8, 3), np.uint8))
    elif suffix == "npy":
        np.save(path, points)
    else:
        data = pickle.dumps(list(points)) if suffix == "pkl" else None
        path.write_bytes(data or json.dumps({"a": points.tolist()}).encode())
    whole = np.frombuffer(path.read_bytes(), np.uint8)
    for trial in range(12):
        damaged = whole.copy()
        places = rng.integers(0, len(whole), 1 + trial % 4)
        damaged[places] = rng.integers(0, 256, len(places))
        end = rng.integers(1, len(whole)) if trial % 3 == 0 else len(whole)
        path.write_bytes(damaged[:end].tobytes())
        both(inspect(path))


def test_the_command_prints_text_and_json(tmp_path, capsys):
    cli.main(["inspect", str(SAMPLE)])
    assert "format   handsim" in capsys.readouterr().out
    cli.main(["inspect", str(SAMPLE), "--json"])
    said = json.loads(capsys.readouterr().out)
    assert said["format"] == "handsim"
    with pytest.raises(SystemExit):
        cli.main(["inspect", str(tmp_path / "none")])


RECORDINGS = {
    "manus/manus_right_subject-000_run-010.npz": ("npz", "manus"),
    "wilor_stills/outputs.pkl": ("pickle", "wilor"),
    "dexmv_mustard": ("folder", "dexmv"),
    "dexretarget/human_hand_video.mp4": ("video", ""),
    "egodex/add_remove_lid_0.hdf5": ("hdf5", "egodex"),
    "wilor_video/wilor_test_long.zarr": ("zarr", "wilor_video"),
    "quest_handy/poses-right.json": ("json", "openxr"),
}


@pytest.mark.parametrize("file", RECORDINGS)
def test_real_recordings(shared, file):
    report = inspect(shared / "motions" / file)
    assert (report.container, report.format) == RECORDINGS[file]
    both(report)
    if file.endswith("mp4"):
        assert replace(report.video, codec="") == inspection.Video(1280, 720, 30.0, 621, 20.7, "")
    if file.startswith("egodex"):
        assert [hand.side for hand in report.hands] == ["left", "right"]
    if file.startswith("manus"):
        assert report.clocks[0].gaps == 216
