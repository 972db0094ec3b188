"""The real worker on a real video. HANDSIM_EXTRACT_TESTS asks for it; it takes a minute or two."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import imageio_ffmpeg
import numpy as np
import pytest

from handsim.errors import WorkerError
from retarget.human.extract import extract, venvs
from retarget.human.extract.worker_process import script
from retarget.human.keypoints import mirror
from retarget.human.sources import load
from retarget.live import watch

pytestmark = pytest.mark.skipif(
    not os.environ.get("HANDSIM_EXTRACT_TESTS"), reason="HANDSIM_EXTRACT_TESTS is not set"
)


@pytest.fixture(scope="module")
def python():
    """Made when it is absent."""
    return venvs.find_or_make("mediapipe", say=lambda line: None)


@pytest.fixture(scope="module")
def video(shared):
    return shared / "motions" / "dexretarget" / "human_hand_video.mp4"


@pytest.fixture(scope="module")
def extracted(video, python, tmp_path_factory):
    return extract(video, tmp_path_factory.mktemp("whole") / "whole.npz", python=python)


def cut(video, out, *filters):
    """Two seconds of the video, in another form."""
    ffmpeg = [imageio_ffmpeg.get_ffmpeg_exe(), "-loglevel", "error", "-t", "2", "-i", str(video)]
    subprocess.run([*ffmpeg, *filters, str(out)], check=True)
    return out


def difference_mm(a, b):
    return 1e3 * np.linalg.norm(a.palm_keypoints - b.palm_keypoints, axis=-1)


def test_it_says_what_mediapipe_says(extracted, video, shared):
    motion = load(extracted.file)
    published = load(shared / "motions" / "dexretarget" / "human_joint_right.pkl", side="right")
    assert (motion.side, motion.valid.sum(), len(motion)) == ("right", 621, 621)
    assert motion.rate == pytest.approx(30)
    away = difference_mm(motion, published)
    assert away.mean() < 0.3
    assert away.max() < 10


@pytest.mark.skipif(sys.platform == "win32", reason="there is no SIGKILL")
@pytest.mark.parametrize("whom", ["worker", "parent"])
def test_killed_it_goes_on_and_ends_with_the_same_bytes(
    extracted, video, python, tmp_path, monkeypatch, whom
):
    out = tmp_path / "killed.npz"
    call = f"from retarget.human.extract import extract; extract({str(video)!r}, {str(out)!r}, "
    command = [sys.executable, "-c", f"{call}python={str(python)!r})"]
    root = Path(__file__).parents[4]
    with subprocess.Popen(command, cwd=root, stderr=subprocess.DEVNULL) as parent:
        while not (first := tmp_path / "killed.npz.work" / "chunk-000000.npz").exists():
            time.sleep(0.05)
            assert parent.poll() is None
        if whom == "worker":
            children = Path(f"/proc/{parent.pid}/task/{parent.pid}/children").read_text().split()
            os.kill(int(children[0]), signal.SIGKILL)
        else:
            parent.kill()
    assert parent.returncode
    assert not out.exists()
    written = first.stat().st_mtime_ns
    monkeypatch.setattr("retarget.human.extract.job._empty", lambda folder: None)
    assert extract(video, out, python=python).file.read_bytes() == extracted.file.read_bytes()
    assert first.stat().st_mtime_ns == written


def test_in_the_mirror_it_is_the_other_hand(video, python, tmp_path):
    plain = load(extract(cut(video, tmp_path / "a.mp4"), tmp_path / "a.npz", python=python).file)
    mirrored = cut(video, tmp_path / "b.mp4", "-vf", "hflip")
    motion = load(extract(mirrored, tmp_path / "b.npz", python=python).file)
    assert (plain.side, motion.side) == ("right", "left")
    away = motion.palm_keypoints - mirror(plain.palm_keypoints, axis=1)
    assert np.median(np.linalg.norm(away, axis=-1)) < 0.010


def test_pictures_and_a_folder_of_them_are_the_same(video, python, tmp_path):
    folder = tmp_path / "pictures"
    folder.mkdir()
    cut(video, folder / "%d.png", "-vf", "fps=6")
    files = [folder / f"{k}.png" for k in range(1, 13)]
    one = extract(folder, tmp_path / "one.npz", python=python).file
    several = extract(files, tmp_path / "several.npz", python=python).file
    assert one.read_bytes() == several.read_bytes()
    motion = load(one, fps=6)
    assert (motion.side, len(motion), motion.duration) == ("right", 12, pytest.approx(11 / 6))


def test_the_stream_sees_the_same_hand(extracted, video, python):
    motion = load(extracted.file)
    with watch(video, "right", python, script("mediapipe")) as sights:
        seen = [next(sights) for _ in range(10)]
    length = np.linalg.norm([sight.keypoints[9] - sight.keypoints[0] for sight in seen], axis=1)
    expected = np.linalg.norm(motion.keypoints[:60, 9] - motion.keypoints[:60, 0], axis=1)
    assert abs(np.median(length) / np.median(expected) - 1) < 0.1
    assert (np.diff([sight.captured for sight in seen]) > 0.01).all()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"device": "cuda"}, "Unknown option 'device'. Available: hands"),
        ({"hands": 0}, "1 or more"),
    ],
)
def test_wrong_options_and_files_are_refused(video, python, tmp_path, options, message):
    with pytest.raises(WorkerError, match=message):
        extract(video, tmp_path / "out.npz", python=python, options=options)
    text = tmp_path / "text.mp4"
    text.write_text("no video")
    with pytest.raises(WorkerError, match="no video that OpenCV can open"):
        extract(text, tmp_path / "out.npz", python=python)
