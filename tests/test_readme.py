"""Everything the README shows is run as it stands there."""

import re
import shlex
from pathlib import Path

import numpy as np
import pytest

import handsim
import retarget
from benchmarks import retargeting
from handsim.assets import ASSETS
from retarget import cli
from retarget.human.sources import FORMATS
from tests.retarget import tiny_dex

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"```(python|sh)\n(.*?)```", README, flags=re.DOTALL)


@pytest.fixture
def beside_a_motion(tmp_path, monkeypatch):
    """A folder with two seconds of motion in motion.npz."""
    monkeypatch.chdir(tmp_path)
    sample = retarget.HandTrajectory.load(ASSETS / "motions" / "sample_right.npz")
    sample.select(slice(0, 45)).save("motion.npz")
    urdfs = tmp_path / "dex-urdf" / "robots" / "hands"
    urdfs.mkdir(parents=True)
    (urdfs / "tiny.urdf").write_text(tiny_dex.URDF)
    (tmp_path / "allegro_hand_right.yml").write_text(tiny_dex.VECTOR)
    return tmp_path


def test_the_examples_run(beside_a_motion):
    examples = [text for language, text in BLOCKS if language == "python"]
    names: dict = {}
    for example in examples:
        exec(compile(example, "README.md", "exec"), names)
    assert len(examples) == 4
    assert names["qpos"].shape == (names["hand"].nq,)
    assert names["scores"]["tip_error_mm"] < 10
    assert names["same"].config.type == "vector"
    assert names["solution"].failed == 0
    assert names["grasped"].info["success"][-1]
    names["envs"].close()
    assert (beside_a_motion / "episodes.hdf5").exists()


@pytest.mark.usefixtures("opengl", "unchecked")
def test_the_commands_run(beside_a_motion):
    blocks = [text for _, text in BLOCKS if text.startswith("retarget")]
    for line in "".join(blocks).splitlines():
        program, *arguments = shlex.split(line, comments=True)
        assert program == "retarget"
        cli.main(arguments)
    for name in ("replay.mp4", "shadow.png", "hands.png"):
        assert (beside_a_motion / name).stat().st_size > 10_000


def test_make_knows_the_targets():
    makefile = (ROOT / "Makefile").read_text()
    targets = re.findall(r"^make (\w+)", "\n".join(text for _, text in BLOCKS), flags=re.MULTILINE)
    assert targets == ["demo", "test"]
    assert all(re.search(rf"^{target}:", makefile, flags=re.MULTILINE) for target in targets)


def test_what_it_lists_is_what_there_is():
    listed = re.findall(r"^\| `(\w+)` \|", README, flags=re.MULTILINE)
    assert sorted(listed) == sorted(FORMATS)
    methods = README.split("**Methods**")[1].split("\n")[0]
    assert all(f"`{name}`" in methods for name in retarget.METHODS)


def test_the_pictures_are_there():
    pictures = re.findall(r"!\[.*?\]\((.*?)\)", README)
    assert len(pictures) == 3
    assert all((ROOT / picture).stat().st_size > 10_000 for picture in pictures)


def test_hands_are_loaded_as_it_says():
    free = handsim.load_hand("shadow", couplings="free")
    assert 'load_hand("shadow", couplings="free")' in README
    assert len(free.independent) == free.nq


def test_the_results_are_what_the_command_gives():
    """One of the table's hands is measured again; the rest follow from the same code."""
    block = README.split("<!-- results -->")[1].split("<!-- /results -->")[0].strip()
    cells = [[c.strip() for c in line.strip("| ").split("|")] for line in block.splitlines()]
    rows = {(row[1], row[2]): row for row in cells[2:]}
    people = retargeting.load_motions(None, quick=False)
    measured = retargeting.compare("sample", people["sample"], "ability")
    assert {row.method for row in measured} == set(retarget.METHODS)
    head = cells[0]
    for row in measured:
        shown = rows["ability", row.method]
        for name in ("tip_error_mm", "direction_error_deg"):
            column = next(i for i, title in enumerate(head) if title.startswith(name))
            np.testing.assert_allclose(float(shown[column]), row.scores[name], rtol=0.05)
    assert {hand for hand, _ in rows} <= set(handsim.hand_names())
