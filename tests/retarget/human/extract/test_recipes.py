"""The environments that the project ships: every package pinned, every recipe readable."""

import re

import pytest
import yaml

from retarget.human.extract import BACKENDS, venvs

PINNED = re.compile(r"[a-zA-Z0-9_-]+==[0-9][0-9a-z.]*")


@pytest.mark.parametrize("backend", BACKENDS)
def test_every_backend_has_a_recipe_of_pinned_packages(backend):
    recipe = venvs.recipe_of(backend)
    lines = [line for line in recipe.requirements.read_text().splitlines() if line[:1] != "#"]
    assert all(PINNED.fullmatch(line) for line in lines)
    assert recipe.oldest <= recipe.newest
    assert "cv2" in recipe.imports


def test_the_conda_environment_is_pinned():
    recipe = yaml.safe_load((venvs.RECIPES / "hamer.yml").read_text())
    *plain, pip = recipe["dependencies"]
    assert all(PINNED.fullmatch(line) for line in pip["pip"])
    assert [line for line in plain if line.startswith("python=")] == ["python=3.10"]


def test_hamers_two_environments_have_the_same_packages_for_its_network():
    """What the network needs is in both; the other has its detectors on top."""
    names = [
        set(re.findall(r"^(?:\s+- )?([a-zA-Z0-9_-]+)==", (venvs.RECIPES / name).read_text(), re.M))
        for name in ("hamer.txt", "hamer.yml")
    ]
    assert names[0] < names[1]
