"""MANO's files: the official pickles, plain ones, archives, and what is none of them."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from handsim.errors import FormatError, InputError, MissingFileError, UnknownNameError
from retarget.human.keypoints import SIDES
from retarget.human.mano_model import find_model, load_model
from tests.retarget.human import synthetic_mano

pytestmark = pytest.mark.usefixtures("unchecked")

ARRAYS = ("v_template", "shapedirs", "posedirs", "weights", "faces", "components", "mean")


def save_archive(path, arrays):
    dense = {**arrays, "J_regressor": arrays["J_regressor"].toarray()}
    with path.open("wb") as stream:
        np.savez(stream, **{k: v for k, v in dense.items() if not isinstance(v, str)})


WRITERS = {
    "official": synthetic_mano.save_official,
    "plain": synthetic_mano.save_plain,
    "npz": save_archive,
}


def assert_same(found, expected):
    for name in ARRAYS:
        np.testing.assert_array_equal(getattr(found, name), getattr(expected, name), err_msg=name)
    assert abs(found.joint_regressor - expected.joint_regressor).max() == 0


@pytest.mark.parametrize("side", SIDES)
@pytest.mark.parametrize("writer", WRITERS)
def test_a_file_comes_back(tmp_path, writer, side):
    path = tmp_path / "model"
    WRITERS[writer](path, synthetic_mano.content(side))
    found = load_model(path, side)
    assert_same(found, synthetic_mano.model(side))
    assert found.side == side
    assert not found.v_template.flags.writeable


def test_the_published_left_file_is_put_right_and_no_other(tmp_path):
    for published in (True, False):
        synthetic_mano.save_plain(
            tmp_path / "left.pkl", synthetic_mano.content("left", published=published)
        )
        assert_same(load_model(tmp_path / "left.pkl", "left"), synthetic_mano.model("left"))


def test_models_are_found_where_the_variable_says(tmp_path, monkeypatch):
    monkeypatch.delenv("HANDSIM_MANO", raising=False)
    with pytest.raises(MissingFileError, match="HANDSIM_MANO .not set.. Register at https"):
        find_model("right")
    monkeypatch.setenv("HANDSIM_MANO", str(tmp_path))
    with pytest.raises(MissingFileError, match="No MANO_RIGHT.pkl"):
        find_model("right")
    (tmp_path / "models").mkdir()
    synthetic_mano.save_plain(tmp_path / "models" / "MANO_RIGHT.pkl", synthetic_mano.content())
    assert_same(find_model("right"), synthetic_mano.model())
    with pytest.raises(UnknownNameError, match="Available: left, right"):
        find_model("both")


def replaced(name, value):
    return {**synthetic_mano.content(), name: value}


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ({}, "v_template"),
        ([1, 2], "holds a list"),
        (replaced("v_template", np.zeros((6890, 3))), r"expected \(778, 3\)"),
        (replaced("v_template", np.full((778, 3), np.nan)), "v_template: not all"),
        (replaced("v_template", np.full((778, 3), 1e300)), "v_template: not all"),
        (replaced("posedirs", None), "posedirs"),
        (replaced("weights", np.zeros((778, 16))), "weights: a row sums to 0"),
        (replaced("weights", {"a": 1}), "weights"),
        (replaced("f", np.full((1538, 3), 778)), "faces: vertices 778 to 778"),
        (replaced("f", np.full((1538, 3), np.nan)), "whole MANO model"),
        (replaced("J_regressor", np.zeros((24, 778))), r"\(24, 778\)"),
        (replaced("J_regressor", np.zeros((16, 778))), "joint_regressor: a row"),
        (replaced("J_regressor", "none"), "whole MANO model"),
    ],
)
def test_other_arrays_are_refused_by_name(tmp_path, content, message):
    synthetic_mano.save_plain(tmp_path / "hand.pkl", content)
    with pytest.raises(InputError, match=message):
        load_model(tmp_path / "hand.pkl", "right")


def test_sparse_matrices_that_point_nowhere_are_refused(tmp_path):
    content = synthetic_mano.content()
    content["J_regressor"].indices[3] = 1 << 20
    synthetic_mano.save_plain(tmp_path / "hand.pkl", content)
    with pytest.raises(FormatError, match="whole MANO model"):
        load_model(tmp_path / "hand.pkl", "right")


class Hostile:
    def __reduce__(self):
        return print, ("gotcha",)


def test_code_in_a_model_is_refused_not_run(tmp_path, capsys):
    synthetic_mano.save_plain(tmp_path / "hand.pkl", replaced("weights", Hostile()))
    with pytest.raises(FormatError, match="names .*print"):
        load_model(tmp_path / "hand.pkl", "right")
    assert capsys.readouterr().out == ""


def test_missing_and_foreign_files_say_so(tmp_path):
    with pytest.raises(MissingFileError, match="No such file"):
        load_model(tmp_path / "MANO_RIGHT.pkl", "right")
    (tmp_path / "notes.txt").write_text("MANO")
    with pytest.raises(FormatError, match="neither a pickle"):
        load_model(tmp_path / "notes.txt", "right")


@pytest.mark.parametrize("suffix", ["pkl", "npz"])
def test_files_far_larger_than_a_model_are_not_read(tmp_path, suffix):
    path = tmp_path / f"hand.{suffix}"
    if suffix == "npz":
        with path.open("wb") as stream:
            np.savez_compressed(stream, v_template=np.zeros((9 << 20,)))
        assert path.stat().st_size < 1 << 20
    else:
        with path.open("wb") as stream:
            stream.truncate(65 << 20)
    with pytest.raises(FormatError, match="a MANO model has 4 million"):
        load_model(path, "right")


@pytest.fixture(scope="module")
def official(tmp_path_factory):
    path = tmp_path_factory.mktemp("mano") / "MANO_RIGHT.pkl"
    synthetic_mano.save_official(path, synthetic_mano.content())
    return path.read_bytes()


@settings(max_examples=25, deadline=None)
@given(place=st.floats(0, 1), byte=st.integers(0, 255), cut=st.booleans())
def test_damaged_files_raise_or_load(official, tmp_path_factory, place, byte, cut):
    position = int(place * (len(official) - 1))
    head = official[:position]
    path = tmp_path_factory.mktemp("damaged") / "hand.pkl"
    path.write_bytes(head if cut else head + bytes([byte]) + official[position + 1 :])
    try:
        assert load_model(path, "right").faces.shape == (1538, 3)
    except InputError:
        return
