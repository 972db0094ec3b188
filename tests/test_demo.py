"""The demo writes what it says, with a renderer and without one."""

import json

import imageio_ffmpeg
import numpy as np
import pytest
from PIL import Image

import handsim
from handsim.assets import ASSETS
from handsim.errors import MissingExtraError
from retarget import HandTrajectory, demo

WITHOUT_PICTURES = {"ability.npz", "scores.json"}


@pytest.fixture(autouse=True)
def short_sample(tmp_path_factory, monkeypatch):
    """The sample's first two poses, every other frame."""
    path = tmp_path_factory.mktemp("sample") / "sample.npz"
    sample = HandTrajectory.load(ASSETS / "motions" / "sample_right.npz")
    sample.select(slice(0, 60, 2)).save(path)
    monkeypatch.setattr(demo, "SAMPLE", path)


@pytest.mark.usefixtures("opengl")
def test_it_writes_trajectory_scores_video_and_contact_sheet(tmp_path):
    made = demo.demo(tmp_path / "out", ("ability", "allegro"))
    names = {file.name for file in made.files}
    assert names == {*WITHOUT_PICTURES, "allegro.npz", "demo.mp4", "contact_sheet.png"}
    assert names == {file.name for file in (tmp_path / "out").iterdir()}
    assert len(handsim.JointTrajectory.load(tmp_path / "out" / "ability.npz")) == 30
    assert json.loads((tmp_path / "out" / "scores.json").read_text()).keys() == made.scores.keys()
    frames, seconds = imageio_ffmpeg.count_frames_and_secs(str(tmp_path / "out" / "demo.mp4"))
    assert frames == 30
    assert seconds == pytest.approx(2.0, abs=0.1)
    sheet = np.asarray(Image.open(tmp_path / "out" / "contact_sheet.png"))
    assert sheet.shape == (3 * 320, 2 * 240, 3)
    assert np.ptp(sheet[:320].astype(int)) > 100


def test_without_a_renderer_it_still_solves_and_says_what_is_missing(tmp_path, monkeypatch):
    def nothing(*_, **__):
        raise MissingExtraError("Nothing can render here. Install libosmesa6.")

    monkeypatch.setattr(demo, "Film", nothing)
    made = demo.demo(tmp_path / "out", ("ability",))
    assert {file.name for file in (tmp_path / "out").iterdir()} == WITHOUT_PICTURES
    assert made.unfilmed == "Nothing can render here. Install libosmesa6."
    assert made.scores["ability"]["tip_error_mm"] < 15
