"""A Rollout is checked when made, and comes back from its file as it was."""

from dataclasses import fields, replace

import numpy as np
import pytest

from handsim.errors import FormatError, InputError, MissingFileError
from handsim.files import save_npz
from handsim.rollout import Rollout


def rollout(steps: int = 4, seed: int = 0, **changes) -> Rollout:
    """Made-up numbers in the shape of a rollout."""
    rng = np.random.default_rng(seed)
    frames = steps + 1
    palm = np.zeros((frames, 7))
    palm[:, 3] = 1.0
    made = Rollout(
        hand="toy",
        side="right",
        joint_names=("a", "b"),
        times=np.arange(frames) / 30,
        observations={"qpos": rng.normal(size=(frames, 2)), "palm": palm},
        actions=rng.uniform(-1, 1, (steps, 3)),
        rewards=rng.uniform(size=steps),
        states=rng.normal(size=(frames, 9)),
        terminated=np.zeros(steps, dtype=bool),
        truncated=np.arange(steps) == steps - 1,
        info={"frame": np.arange(1, frames), "tip_error": rng.uniform(size=steps)},
        annotations={
            "keypoints": rng.normal(size=(frames, 21, 3)),
            "reference_qpos": rng.normal(size=(frames, 2)),
            "reference_wrist": palm,
        },
        frames={"front": rng.integers(0, 255, (frames, 6, 8, 3), dtype=np.uint8)},
        metadata={
            "env_id": "handsim/Track-v0",
            "env_kwargs": {"hand": "toy", "side": "right", "wrist": "fixed", "ground": None},
            "seed": seed,
        },
        model_xml="<mujoco/>",
    )
    return replace(made, **changes)


def assert_equal(one: Rollout, other: Rollout) -> None:
    """Equal to the last bit, dtypes and order of names included where they mean something."""
    for field in fields(Rollout):
        mine, theirs = getattr(one, field.name), getattr(other, field.name)
        if field.name in ("observations", "info", "annotations", "frames"):
            assert set(mine) == set(theirs), field.name
            pairs = [(mine[name], theirs[name]) for name in mine]
        else:
            pairs = [(mine, theirs)]
        for a, b in pairs:
            if isinstance(a, np.ndarray):
                assert a.dtype == b.dtype, field.name
                np.testing.assert_array_equal(a, b)
            else:
                assert a == b, field.name


def test_save_and_load_are_inverse(tmp_path):
    for seed in range(3):
        made = rollout(seed=seed)
        made.save(tmp_path / "made.npz")
        assert_equal(Rollout.load(tmp_path / "made.npz"), made)


def test_the_motions_in_it():
    made = rollout()
    np.testing.assert_array_equal(made.achieved().qpos, made.qpos)
    np.testing.assert_array_equal(made.reference().qpos, made.annotations["reference_qpos"])
    assert made.achieved().joint_names == ("a", "b")
    assert made.reference().rate == pytest.approx(30.0)
    assert len(made) == 4


def test_a_rollout_that_tracked_nothing_says_so():
    with pytest.raises(InputError, match="tracked nothing"):
        rollout(annotations={}).reference()


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"rewards": np.zeros(5)}, "rewards"),
        ({"states": np.zeros((4, 9)), "times": np.zeros(4)}, "states|times"),
        ({"observations": {"qpos": np.zeros((4, 2))}}, r"observations\['qpos'\].*expected 5"),
        ({"info": {"error": np.zeros(5)}}, r"info\['error'\].*expected 4"),
        ({"annotations": {"note": np.array(3.0)}}, r"annotations\['note'\].*expected 5"),
        ({"annotations": {"a/b": np.zeros(5)}}, "without '/'"),
        ({"annotations": {"words": np.array(["x"] * 5)}}, "array of numbers"),
        ({"metadata": {"array": np.zeros(3)}}, "JSON"),
        ({"metadata": {"number": float("nan")}}, "JSON"),
    ],
)
def test_what_does_not_fit_is_refused(changes, message):
    with pytest.raises((InputError, TypeError), match=message):
        rollout(**changes)


def test_a_file_of_something_else_is_refused(tmp_path):
    path = tmp_path / "file.npz"
    with pytest.raises(MissingFileError):
        Rollout.load(path)
    save_npz(path, {"kind": "joint_trajectory", "schema": 1}, {})
    with pytest.raises(FormatError, match="expected a 'rollout'"):
        Rollout.load(path)
    header = {"kind": "rollout", "schema": 1, "hand": "toy", "side": "right"}
    save_npz(path, header, {"times": np.zeros(2)})
    with pytest.raises(FormatError, match="lacks"):
        Rollout.load(path)
