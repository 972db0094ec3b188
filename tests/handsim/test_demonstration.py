"""A demonstration survives its file, and refuses what means nothing."""

from dataclasses import replace

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

import handsim
from handsim.demonstration import Demonstration
from handsim.errors import FormatError, InputError, MissingFileError
from tests.hands import hand
from tests.motions import motion
from tests.objects import slab


def demonstration(item: handsim.SceneObject | None = None) -> Demonstration:
    trajectory = motion(hand("dex3"))
    rng = np.random.default_rng(0)
    quats = Rotation.from_rotvec(rng.normal(size=(len(trajectory), 3))).as_quat(scalar_first=True)
    path = np.concatenate([rng.normal(size=(len(trajectory), 3)), quats], axis=1)
    return Demonstration(trajectory, item or handsim.load_object("mustard"), path)


@pytest.mark.parametrize("item", [None, slab()], ids=["mustard", "mesh"])
def test_a_file_gives_back_what_was_saved(tmp_path, item):
    saved = demonstration(item)
    saved.save(tmp_path / "d.npz")
    loaded = Demonstration.load(tmp_path / "d.npz")
    assert loaded.object.as_dict() == saved.object.as_dict()
    np.testing.assert_array_equal(loaded.object_path, saved.object_path)
    for name in ("times", "qpos", "wrist", "valid"):
        np.testing.assert_array_equal(
            getattr(loaded.trajectory, name), getattr(saved.trajectory, name)
        )
    assert loaded.trajectory.joint_names == saved.trajectory.joint_names


def test_at_its_own_times_it_is_itself_and_outside_it_is_held():
    whole = demonstration()
    times = whole.trajectory.times
    same = whole.at(times)
    np.testing.assert_allclose(same.object_path[:, :3], whole.object_path[:, :3])
    turns = (same.object_path[:, 3:] * whole.object_path[:, 3:]).sum(axis=1)
    np.testing.assert_allclose(np.abs(turns), 1.0)
    after = whole.at(np.array([times[-1], times[-1] + 1.0]))
    np.testing.assert_allclose(after.object_path[0], after.object_path[1])


def test_what_is_refused(tmp_path):
    good = demonstration()
    with pytest.raises(InputError, match=r"object_path: shape \(3, 7\), expected \(31, 7\)"):
        replace(good, object_path=good.object_path[:3])
    with pytest.raises(InputError, match="not finite"):
        replace(good, object_path=np.where(np.eye(31, 7, dtype=bool), np.nan, good.object_path))
    with pytest.raises(InputError, match=r"object_path\[\d+\] has a quaternion of length 2"):
        replace(
            good,
            object_path=np.concatenate([good.object_path[:, :3], 2 * good.object_path[:, 3:]], 1),
        )
    with pytest.raises(MissingFileError):
        Demonstration.load(tmp_path / "none.npz")
    good.trajectory.save(tmp_path / "other.npz")
    with pytest.raises(FormatError, match="expected a 'demonstration'"):
        Demonstration.load(tmp_path / "other.npz")
