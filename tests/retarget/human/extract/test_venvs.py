"""Workers' environments: made once, gone on with, found, and what is said when they cannot be."""

import os
import re
import subprocess
import sys

import pytest

from handsim.errors import MissingExtraError, UnknownNameError, WorkerError
from retarget.human.extract import venvs

VERSION = f"{sys.version_info.major}.{sys.version_info.minor}"
posix = pytest.mark.skipif(os.name != "posix", reason="the interpreters are shell scripts")


@pytest.fixture
def recipes(tmp_path, monkeypatch):
    """A folder of recipes and an empty cache."""
    monkeypatch.setenv("HANDSIM_CACHE", str(tmp_path / "cache"))
    for backend in ("MEDIAPIPE", "TINY"):
        monkeypatch.delenv(f"HANDSIM_{backend}_PYTHON", raising=False)
    folder = tmp_path / "recipes"
    folder.mkdir()
    monkeypatch.setattr(venvs, "RECIPES", folder)
    write(folder, "tiny", VERSION, "json")
    return folder


def write(folder, name, python, imports, rest=""):
    text = f"# python: {python}-{python}\n# imports: {imports}\n# pip: --no-index\n{rest}"
    (folder / f"{name}.txt").write_text(text)


def fake_python(path, version):
    path.write_text(f"#!/bin/sh\nprintf {version}\n")
    path.chmod(0o755)
    return path


def test_the_recipes_that_are_shipped_are_pinned():
    recipe = venvs.recipe_of("mediapipe")
    assert (recipe.oldest, recipe.newest) == ((3, 10), (3, 12))
    assert recipe.imports == ("mediapipe", "cv2")
    lines = recipe.requirements.read_text().splitlines()
    needed = [line for line in lines if line and not line.startswith("#")]
    assert "mediapipe==0.10.21" in needed
    assert all(re.fullmatch(r"[\w-]+==[\w.]+", line) for line in needed)
    assert recipe.accepts((3, 11))
    assert not any(recipe.accepts(version) for version in ((3, 9), (3, 13), None))


def test_one_is_made_once_and_anew_when_its_recipe_changes(recipes):
    with pytest.raises(MissingExtraError, match="run `retarget setup tiny`"):
        venvs.find("tiny")
    said = []
    python = venvs.make("tiny", say=said.append)
    assert said[0].startswith(f"making an environment of Python {VERSION}")
    assert said[-1].endswith("is complete")
    ask = [str(python), "-I", "-c", "import sys; print(sys.prefix)"]
    prefix = subprocess.run(ask, capture_output=True, text=True, check=True).stdout.strip()
    assert os.path.samefile(prefix, venvs.folder_of("tiny"))
    assert venvs.find("tiny") == python
    said.clear()
    assert venvs.make("tiny", say=said.append) == python
    assert len(said) == 1

    write(recipes, "tiny", VERSION, "json no_such_module")
    assert not venvs.is_complete("tiny")
    said.clear()
    with pytest.raises(WorkerError, match="No module named 'no_such_module'"):
        venvs.make("tiny", say=said.append)
    assert not any(line.startswith("making") for line in said)
    write(recipes, "tiny", VERSION, "json", "no-such-package-of-ours==1\n")
    with pytest.raises(WorkerError, match="pip install .* failed: ERROR"):
        venvs.make("tiny")
    assert not venvs.is_complete("tiny")


def test_only_the_default_is_made_unasked(recipes, monkeypatch):
    python = recipes / "python"
    monkeypatch.setattr(venvs, "make", lambda backend, say: python)
    with pytest.raises(MissingExtraError):
        venvs.find_or_make("tiny", say=lambda line: None)
    write(recipes, "mediapipe", VERSION, "json")
    said = []
    assert venvs.find_or_make("mediapipe", say=said.append) == python
    assert "not set up: making it once" in said[0]


def test_the_users_own_interpreter_is_found(recipes, monkeypatch):
    monkeypatch.setenv("HANDSIM_TINY_PYTHON", sys.executable)
    assert str(venvs.find("tiny")) == sys.executable


@posix
def test_a_python_that_is_too_new_is_refused_with_the_remedy(recipes, tmp_path):
    python = fake_python(tmp_path / "python3.99", "3.99")
    with pytest.raises(MissingExtraError, match=r"3\.99 is 3\.99\. Install one of them and name"):
        venvs.make("tiny", python)
    with pytest.raises(MissingExtraError, match="cannot be run"):
        venvs.make("tiny", tmp_path / "nothing")


@posix
def test_another_python_on_the_path_is_taken_where_this_one_does_not_do(
    recipes, tmp_path, monkeypatch
):
    write(recipes, "old", "3.2", "json")
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(MissingExtraError, match=r"and there is no python3\.2 here\. Install"):
        venvs.make("old")
    fake_python(tmp_path / "python3.2", "3.2")
    said = []
    with pytest.raises(WorkerError):
        venvs.make("old", say=said.append)
    assert said[0].startswith("making an environment of Python 3.2")


def test_an_unknown_backend_is_named(recipes):
    with pytest.raises(UnknownNameError, match="Unknown backend 'x'. Available: tiny"):
        venvs.make("x")
