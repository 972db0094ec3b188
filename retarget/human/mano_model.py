"""The MANO model's arrays, out of a user's own MANO_RIGHT.pkl or MANO_LEFT.pkl.

The files come by registration at https://mano.is.tue.mpg.de (Romero, Tzionas, Black 2017); their
licence allows neither copying nor commercial use, so none of them is here. They are pickles of
Python 2 that name classes of chumpy and scipy: those are read as data, and nothing of them runs. A
`.npz` of the same arrays under the same names will do as well.

In the published left file the shape directions have the wrong sign along x
(`shapedirs[:, 0, :]`), so that a longer hand would be a narrower one. `load_model` finds this out
from the covariance of length and width over the population that the directions span, and puts it
right; a file that has been corrected stays as it is.
"""

import os
import zipfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float, Int
from scipy.sparse import csc_matrix

from handsim.errors import FormatError, InputError, MissingFileError, unknown
from retarget.human.keypoints import SIDES, Side
from retarget.human.recording import freeze
from retarget.human.sources import restricted_pickle
from retarget.human.sources.arrays import Archive, container, read_bytes
from retarget.human.sources.pickled_arrays import Instance

VARIABLE = "HANDSIM_MANO"
"""The environment variable that names the folder of the MANO files."""
PARENTS = (-1, 0, 1, 2, 0, 4, 5, 0, 7, 8, 0, 10, 11, 0, 13, 14)
"""Of MANO's 16 joints: wrist, then three each of index, middle, pinky, ring and thumb."""

_VERTICES, _FACES, _JOINTS = 778, 1538, len(PARENTS)
_LARGEST, _HUGE = 64 << 20, 1e6
_FOLDERS = ("", "mano", "models", "mano_v1_2/models")
_CHUMPY = ("chumpy.ch.Ch", "chumpy.reordering.Select")
_SPARSE = tuple(f"scipy.sparse.{name}.csc_matrix" for name in ("csc", "_csc"))


@dataclass(frozen=True, eq=False)
class ManoModel:
    """A MANO hand model; arrays are copied and read-only.

    Attributes:
        v_template: vertices of the mean shape in the flat pose [m].
        shapedirs: what one unit of each beta adds to them [m].
        posedirs: what the pose adds to them [m], a column an entry of the rotation matrices of
            the 15 finger joints less the identity.
        joint_regressor: joints as weighted means of vertices.
        weights: how much of each joint's motion a vertex takes.
        faces: vertices of each triangle.
        components: principal components of poses, a row each [rad], the most important first.
        mean: the mean pose as rotation vectors of the 15 finger joints [rad].
        side: "left" or "right".

    Raises:
        InputError: a shape or a number is not MANO's.
    """

    v_template: Float[np.ndarray, "778 3"]
    shapedirs: Float[np.ndarray, "778 3 10"]
    posedirs: Float[np.ndarray, "778 3 135"]
    joint_regressor: csc_matrix
    weights: Float[np.ndarray, "778 16"]
    faces: Int[np.ndarray, "1538 3"]
    components: Float[np.ndarray, "45 45"]
    mean: Float[np.ndarray, "45"]
    side: Side

    def __post_init__(self) -> None:
        if self.side not in SIDES:
            raise unknown("side", self.side, SIDES)
        freeze(self, "v_template", (_VERTICES, 3))
        freeze(self, "shapedirs", (_VERTICES, 3, 10))
        freeze(self, "posedirs", (_VERTICES, 3, 135))
        freeze(self, "weights", (_VERTICES, _JOINTS))
        freeze(self, "faces", (_FACES, 3), dtype=int)
        freeze(self, "components", (45, 45))
        freeze(self, "mean", (45,))
        self._require_sane()
        if self.faces.min() < 0 or self.faces.max() >= _VERTICES:
            raise InputError(f"faces: vertices {self.faces.min()} to {self.faces.max()} of 778.")
        for name in ("joint_regressor", "weights"):
            sums = np.asarray(getattr(self, name).sum(axis=1))
            if np.abs(sums - 1).max() > 1e-2:
                raise InputError(f"{name}: a row sums to {sums.flat[np.abs(sums - 1).argmax()]:g}.")

    def _require_sane(self) -> None:
        if self.joint_regressor.shape != (_JOINTS, _VERTICES):
            shape = self.joint_regressor.shape
            raise InputError(f"joint_regressor: shape {shape}, expected (16, 778).")
        numbers = {name: getattr(self, name) for name in self.__dataclass_fields__}
        numbers["joint_regressor"] = self.joint_regressor.data
        for name, array in numbers.items():
            if name != "side" and not np.all(np.abs(array) < _HUGE):
                raise InputError(f"{name}: not all numbers are finite and below {_HUGE:g}.")


def find_model(side: Side) -> ManoModel:
    """The model of one side from the folder that the environment variable HANDSIM_MANO names.

    Raises:
        MissingFileError: the variable is not set, or there is no such file in the folder.
        FormatError, InputError: as `load_model`.
    """
    return load_model(find_model_file(side), side)


def find_model_file(side: Side) -> Path:
    """MANO_RIGHT or MANO_LEFT, .pkl or .npz, in the folder of HANDSIM_MANO or its usual subfolders.

    Raises:
        MissingFileError: the variable is not set, or there is no such file.
    """
    if side not in SIDES:
        raise unknown("side", side, SIDES)
    folder = os.environ.get(VARIABLE, "")
    stem = f"MANO_{side.upper()}"
    for subfolder in _FOLDERS if folder else ():
        for suffix in (".pkl", ".npz"):
            path = Path(folder, subfolder, stem + suffix)
            if path.is_file():
                return path
    raise MissingFileError(
        f"No {stem}.pkl in {VARIABLE} ({folder or 'not set'}). Register at "
        f"https://mano.is.tue.mpg.de, download the models, and set {VARIABLE} to their folder."
    )


def load_model(path: str | Path, side: Side) -> ManoModel:
    """Read a MANO file.

    Args:
        path: MANO_RIGHT.pkl, MANO_LEFT.pkl, or a `.npz` of the same arrays.
        side: which hand it is of; the file does not say.

    Raises:
        MissingFileError: there is no such file.
        FormatError: it is damaged, holds something else, or would be unsafe to read.
        InputError: an array's shape or numbers are not MANO's.
    """
    path = Path(path)
    content = _content(path)
    try:
        model = ManoModel(
            v_template=_array(content, "v_template"),
            shapedirs=_array(content, "shapedirs")[..., :10],
            posedirs=_array(content, "posedirs"),
            joint_regressor=_regressor(content["J_regressor"]),
            weights=_array(content, "weights"),
            faces=_array(content, "f").astype(np.int64, casting="same_kind"),
            components=_array(content, "hands_components"),
            mean=_array(content, "hands_mean").reshape(-1),
            side=side,
        )
    except InputError as error:
        raise type(error)(f"{path}: {error}") from error
    except (KeyError, IndexError, TypeError, ValueError, AttributeError) as error:
        raise FormatError(f"{path} is not a whole MANO model: {error}.") from error
    return _corrected(model)


def _content(path: Path) -> Any:
    """Arrays by the official file's names."""
    kind = container(path)
    if kind not in ("pickle", "npz"):
        raise FormatError(f"{path} is neither a pickle nor a .npz, expected a MANO model.")
    if kind == "npz":
        content = Archive(path)
        with zipfile.ZipFile(path) as members:
            _require_small(path, sum(member.file_size for member in members.infolist()))
        return content
    _require_small(path, path.stat().st_size)
    content = restricted_pickle.loads(read_bytes(path), path.name, (*_CHUMPY, *_SPARSE))
    if not isinstance(content, dict):
        raise FormatError(f"{path} holds a {type(content).__name__}, expected a MANO model's dict.")
    return content


def _require_small(path: Path, size: int) -> None:
    if size > _LARGEST:
        raise FormatError(f"{path} unpacks to {size} bytes, a MANO model has 4 million.")


def _array(content: Any, name: str) -> np.ndarray:
    return np.asarray(_value(content[name]))


def _value(value: Any) -> Any:
    """The numbers that an object of chumpy stands for: its own, or some of another one's."""
    if not isinstance(value, Instance):
        return value
    if value.kind == "chumpy.ch.Ch":
        return value.state["x"]
    chosen = np.asarray(_value(value.state["a"])).ravel()[value.state["idxs"]]
    shape = value.state.get("preferred_shape", chosen.shape)
    return chosen.reshape(shape)


def _regressor(value: Any) -> csc_matrix:
    if not isinstance(value, Instance):
        return csc_matrix(np.asarray(value, dtype=np.float64))
    state = value.state
    shape = state.get("_shape", state.get("shape"))
    if shape != (_JOINTS, _VERTICES):
        raise InputError(f"J_regressor: shape {shape}, expected (16, 778).")
    parts = (np.array(state[name]) for name in ("data", "indices", "indptr"))
    matrix = csc_matrix(tuple(parts), shape=shape)
    matrix.check_format(full_check=True)
    return matrix


def _corrected(model: ManoModel) -> ManoModel:
    """The model whose longer hands are wider ones.

    A unit of a beta stretches the hand along each axis by the slope of its displacements over the
    place; summed over the betas, which have unit variance over people, the products of two axes'
    slopes are their covariance. Fingers point along x, the knuckles lie along z.
    """
    place = model.v_template - model.v_template.mean(axis=0)
    slopes = np.einsum("va,vab->ab", place, model.shapedirs)
    if slopes[0] @ slopes[2] >= 0:
        return model
    signs = np.array([-1.0, 1.0, 1.0])[:, None]
    return ManoModel(**{**model.__dict__, "shapedirs": model.shapedirs * signs})
