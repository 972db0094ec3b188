"""One small dataset, made once a run: it takes seconds."""

import pytest

from retarget.demo import SAMPLE
from retarget.generation import generate, plan
from retarget.human.hand_trajectory import HandTrajectory
from tests.retarget.generated import RECIPE


@pytest.fixture(scope="session")
def motions(tmp_path_factory):
    """Two short motions, and a damaged one between them."""
    folder = tmp_path_factory.mktemp("motions")
    sample = HandTrajectory.load(SAMPLE)
    sample.select(slice(0, 20)).save(folder / "a.npz")
    (folder / "b.npz").write_bytes(b"no motion at all")
    sample.select(slice(200, 215)).save(folder / "c.npz")
    (folder / "LICENSE").write_text("\n# Do as you like\n")
    return folder


@pytest.fixture(scope="session")
def undisturbed(motions, tmp_path_factory):
    """What one process makes of them, with one picture as `test_generate` has it."""
    out = tmp_path_factory.mktemp("undisturbed") / "out"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(plan, "SHOWN", 1)
        generate([motions], RECIPE, out, workers=1)
    return out
