"""The `retarget` command as a user types it: what it writes, and one line on bad input."""

import json
from dataclasses import replace

import h5py
import numpy as np
import pytest

import handsim
from handsim.assets import ASSETS
from retarget import METHODS, HandTrajectory, Solution, cli

SAMPLE = ASSETS / "motions" / "sample_right.npz"


@pytest.fixture(scope="module")
def short(tmp_path_factory):
    """Two seconds of the sample motion, in a file."""
    path = tmp_path_factory.mktemp("motion") / "short.npz"
    HandTrajectory.load(SAMPLE).select(slice(0, 60)).save(path)
    return path


def run(*arguments):
    cli.main([str(a) for a in arguments])


def test_solve_replay_score_and_export_pass_files_on(short, tmp_path, capsys):
    solution, rollout = tmp_path / "solution.npz", tmp_path / "rollout.npz"
    scores, dataset = tmp_path / "scores.json", tmp_path / "dataset.hdf5"
    run("solve", short, "--hand", "ability", "-o", solution)
    run("replay", solution, "--motion", short, "-o", rollout)
    run("score", short, solution, "--rollout", rollout, "--json", scores)
    run("export", rollout, rollout, "-o", dataset)
    assert Solution.load(solution).failed <= 2
    played = handsim.Rollout.load(rollout)
    person = HandTrajectory.load(short)
    np.testing.assert_allclose(
        played.annotations["human_keypoints"], person.palm_keypoints, atol=1e-12
    )
    table = json.loads(scores.read_text())["ability"]
    assert table["tip_error_mm"] < 15
    assert table["joint_tracking_rmse"] < 0.02
    with h5py.File(dataset) as file:
        assert len(file["data"]) == 2
    assert "wrote" in capsys.readouterr().out


@pytest.mark.parametrize("method", METHODS)
def test_every_method_is_solved_and_scored(short, tmp_path, capsys, method):
    run("solve", short, "--hand", "ability", "--method", method, "-o", tmp_path / "s.npz")
    assert Solution.load(tmp_path / "s.npz").method == method
    assert "60 frames, 60 converged" in capsys.readouterr().out


def test_an_algorithm_of_nlopts_by_name_and_frames_that_were_not_seen(short, tmp_path, capsys):
    motion = HandTrajectory.load(short)
    replace(motion, valid=np.arange(60) >= 20).save(tmp_path / "late.npz")
    command = ["solve", tmp_path / "late.npz", "--hand", "ability", "--solver", "lbfgs"]
    run(*command, "--method", "vector", "-o", tmp_path / "s.npz")
    printed = capsys.readouterr().out
    assert "40 converged, 20 not seen (the tracker saw no hand" in printed


def test_hands_lists_every_hand(capsys):
    run("hands")
    printed = capsys.readouterr().out
    assert all(name in printed for name in handsim.hand_names())


def test_a_single_frame_is_held_for_a_second(short, tmp_path):
    still = tmp_path / "still.npz"
    HandTrajectory.load(short).select(slice(0, 1)).save(still)
    run("solve", still, "--hand", "ability", "-o", tmp_path / "s.npz")
    run("replay", tmp_path / "s.npz", "--motion", still, "-o", tmp_path / "r.npz")
    assert len(handsim.Rollout.load(tmp_path / "r.npz")) == 30


BAD = {
    "missing file": (["solve", "none.npz", "-o", "out.npz"], "none.npz"),
    "empty file": (["solve", "{empty}", "-o", "out.npz"], "empty.npz"),
    "unknown hand": (["solve", "{short}", "--hand", "shadw", "-o", "out.npz"], "Unknown hand"),
    "unknown method": (["solve", "{short}", "--method", "x", "-o", "out.npz"], "Unknown method"),
    "unknown solver": (["solve", "{short}", "--solver", "x", "-o", "out.npz"], "Unknown solver"),
    "unknown format": (["solve", "{short}", "--format", "x", "-o", "out.npz"], "format"),
    "wrong side": (["solve", "{short}", "--side", "left", "-o", "out.npz"], "left"),
    "unwritable folder": (["solve", "{short}", "-o", "{empty}/out.npz"], "Cannot write"),
    "not a solution": (["replay", "{short}", "-o", "out.npz"], "expected a 'solution'"),
    "unknown dataset format": (["export", "{short}", "-o", "out.h5", "--format", "x"], ""),
    "no such video": (["extract", "none.mp4", "-o", "out.npz"], "No such file: none.mp4"),
    "unknown backend": (["extract", "none.mp4", "-o", "o", "--backend", "x"], "Unknown backend"),
    "unreadable option": (["extract", "a", "-o", "o", "--options", "x"], "expected name=value"),
    "nothing to set up": (["setup", "x"], "Unknown backend 'x'"),
    "no such video live": (["live", "none.mp4"], "No such video: none.mp4"),
    "unknown hand in demo": (["demo", "--hands", "shadw", "-o", "demo"], "Unknown hand"),
}


@pytest.mark.parametrize("case", BAD)
def test_bad_input_is_one_line_and_leaves_nothing(case, short, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    empty = tmp_path / "empty.npz"
    empty.write_bytes(b"")
    arguments, message = BAD[case]
    before = sorted(tmp_path.rglob("*"))
    with pytest.raises(SystemExit) as stopped:
        run(*[a.format(short=short, empty=empty) for a in arguments])
    assert stopped.value.code == 2
    error = capsys.readouterr().err
    assert error.startswith("retarget: error: ")
    assert error.count("\n") == 1
    assert message in error
    assert sorted(tmp_path.rglob("*")) == before
