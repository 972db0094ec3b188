"""From video to file: a worker that was planted, killed, or that misbehaves."""

import sys
from pathlib import Path

import numpy as np
import pytest

from handsim.errors import (
    FormatError,
    InputError,
    MissingExtraError,
    MissingFileError,
    OutputError,
    UnknownNameError,
    WorkerError,
)
from retarget.human import extract as extraction
from retarget.human.extract import extract, parse_options
from retarget.human.extract.job import job_of
from retarget.human.sources import load
from tests.retarget.human import planted

FAKE = Path(__file__).with_name("fake_worker.py")
COUNT = 70
SIDES = ("right", "left")


@pytest.fixture
def video(tmp_path, monkeypatch):
    """A right and a left hand, in chunks of 16 frames; the left one is unseen for a while."""
    monkeypatch.setattr(extraction, "script", lambda backend: FAKE)
    monkeypatch.setitem(extraction.CHUNK, "mediapipe", 16)
    hands = [planted.motion(side, COUNT).palm_keypoints for side in SIDES]
    frames = np.stack(hands, axis=1)
    frames[20:45, 1] = np.nan
    np.save(tmp_path / "video.npy", frames)
    return tmp_path / "video.npy"


def run(video, name="out.npz", **known):
    return extract(video, video.with_name(name), python=sys.executable, **known)


def test_what_was_seen_is_the_motion_of_each_hand(video):
    made = run(video)
    assert str(made) == f"{made.file}: 70 frames, a left hand in 45, a right hand in 70"
    assert made.file == video.with_name("out.npz")
    assert sorted(p.name for p in video.parent.iterdir()) == ["out.npz", "video.npy"]
    for k, side in enumerate(SIDES):
        motion, seen = load(made.file, side=side), np.load(video)[:, k]
        np.testing.assert_array_equal(motion.valid, np.isfinite(seen).all(axis=(1, 2)))
        np.testing.assert_allclose(
            motion.keypoints, seen - seen[:, :1], rtol=0, atol=1e-12, equal_nan=True
        )
        np.testing.assert_allclose(motion.times, np.arange(COUNT) / 25, atol=1e-12)
        assert set(motion.streams) == {"box", "score", "keypoints_2d"}
        assert (motion.source.tips, motion.source.frame) == ("fake", "wrist")
        assert (motion.source.tracker, motion.source.metric) == ("MediaPipe", False)
    with pytest.raises(InputError, match="holds both hands"):
        load(made.file)
    with np.load(made.file) as archive:
        assert len(archive["further"]) == len(archive["track"]) == 70 + 45


def test_pictures_are_frames_without_times(video, tmp_path):
    frames = np.load(video)
    for k in (0, 1, 2, 10):
        with (tmp_path / f"{k}.png").open("wb") as stream:
            np.save(stream, frames[k])
    made = extract(tmp_path, tmp_path / "out.npz", python=sys.executable)
    motion = load(made.file, side="left", fps=10)
    np.testing.assert_allclose(motion.times, [0, 0.1, 0.2, 1.0])
    np.testing.assert_allclose(motion.palm_keypoints, frames[[0, 1, 2, 10], 1], atol=1e-12)
    assert motion.source.times_assumed


@pytest.mark.skipif(sys.platform == "win32", reason="there is no SIGKILL")
def test_a_run_that_was_killed_goes_on_and_ends_with_the_same_bytes(video, monkeypatch):
    whole = run(video, "whole.npz").file.read_bytes()
    monkeypatch.setenv("FAKE_FAULT", "dies at 3")
    with pytest.raises(WorkerError, match="killed by signal 9"):
        run(video)
    work = video.with_name("out.npz.work")
    chunks = {p: p.stat().st_mtime_ns for p in work.glob("chunk-*.npz")}
    assert len(chunks) == 3
    monkeypatch.setenv("FAKE_FAULT", "dies at 4")
    with pytest.raises(WorkerError):
        run(video)
    assert {p: p.stat().st_mtime_ns for p in chunks} == chunks
    monkeypatch.delenv("FAKE_FAULT")
    assert run(video).file.read_bytes() == whole
    assert not work.exists()


def test_what_another_job_has_left_is_not_gone_on_with(video, monkeypatch):
    monkeypatch.setenv("FAKE_FAULT", "frames of another chunk")
    with pytest.raises(FormatError):
        run(video)
    monkeypatch.delenv("FAKE_FAULT")
    with pytest.raises(FormatError, match="frames from 16 on holds others"):
        run(video)
    assert run(video, options={"hands": 1}).frames == COUNT


FAULTS = {
    "refuses": (WorkerError, "fake_worker worker failed: no weights in /nowhere, expected a check"),
    "crashes": (WorkerError, "fake_worker worker failed: RuntimeError: out of memory"),
    "lacks a column": (FormatError, "lacks score"),
    "shape": (FormatError, r"box has shape \(\d+, 3\), expected \(\d+, 4\)"),
    "length": (FormatError, "score has shape"),
    "frames of another chunk": (FormatError, "holds others"),
    "other columns": (FormatError, "differs from chunk to chunk"),
    "meta": (FormatError, "not what a worker writes"),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_a_worker_that_fails_is_quoted_and_its_work_is_kept(video, monkeypatch, fault):
    error, message = FAULTS[fault]
    monkeypatch.setenv("FAKE_FAULT", fault)
    with pytest.raises(error, match=message):
        run(video)
    assert not video.with_name("out.npz").exists()
    assert "weights are missing" in video.with_name("out.npz.work").joinpath("log.txt").read_text()


def test_what_cannot_begin_leaves_nothing(video, tmp_path):
    with pytest.raises(UnknownNameError, match="Unknown backend 'x'. Available: hamer, mediapipe"):
        run(video, backend="x")
    with pytest.raises(MissingFileError, match="nothing.mp4"):
        run(tmp_path / "nothing.mp4")
    assert [p.name for p in tmp_path.iterdir()] == ["video.npy"]
    with pytest.raises(OutputError, match="it is a folder"):
        extract(video, tmp_path, python=sys.executable)
    with pytest.raises(MissingExtraError, match="Cannot run"):
        extract(video, tmp_path / "o.npz", python=tmp_path / "no-python")


def test_a_folder_of_somebody_else_is_left_alone(video, tmp_path):
    other = tmp_path / "out.npz.work" / "chunk-000000.npz"
    other.parent.mkdir()
    other.write_text("precious")
    with pytest.raises(OutputError, match="holds something else"):
        run(video)
    assert other.read_text() == "precious"
    other.rename(other.with_name(".job-half-written.json"))
    assert run(video).frames == COUNT
    assert not other.parent.exists()


def test_pictures_are_in_the_order_of_their_numbers(tmp_path):
    for name in ("f10.PNG", "f9.png", "f1.jpg", "notes.txt"):
        (tmp_path / name).write_bytes(b"")
    job = job_of(tmp_path, "mediapipe", {})
    assert [file.name for file in job.files] == ["f1.jpg", "f9.png", "f10.PNG"]
    assert not job.is_video
    assert job_of([tmp_path / "notes.txt"], "mediapipe", {}).is_video
    with pytest.raises(InputError, match=r"notes\.txt: expected one video or pictures"):
        job_of([tmp_path / "f9.png", tmp_path / "notes.txt"], "mediapipe", {})
    with pytest.raises(InputError, match="expected one video"):
        job_of([], "mediapipe", {})
    empty = tmp_path / "empty"
    empty.mkdir()
    with pytest.raises(InputError, match="holds no picture"):
        job_of(empty, "mediapipe", {})


def test_options_are_json_or_words():
    typed = ("hands=1", "device=cuda", 'boxes="1"', "path=a=b", "fp16=true")
    parsed = {"hands": 1, "device": "cuda", "boxes": "1", "path": "a=b", "fp16": True}
    assert parse_options(typed) == parsed
    for wrong in ("hands", "=1", ""):
        with pytest.raises(InputError, match="expected name=value"):
            parse_options([wrong])
