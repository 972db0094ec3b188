"""What comes with a motion: where it is from, MANO parameters, other streams."""

from collections.abc import Sequence
from dataclasses import dataclass, fields
from typing import Any, Literal

import numpy as np
from jaxtyping import Float

from handsim.errors import InputError, unknown

Values = np.ndarray | Sequence[Any] | float | int
"""What `as_numbers` takes: an array, or what numpy makes one of."""

Frame = Literal["world", "camera", "wrist"]
FRAMES: tuple[Frame, ...] = ("world", "camera", "wrist")

FARTHEST = 1e6
"""No hand is farther than that from the origin of its frame [m]."""
MOST_NUMBERS = 1 << 28
"""Numbers an array may hold: 2 GiB of float64, four hours of keypoints at 300 Hz."""

_ROTATION_TOLERANCE = 1e-2
_SAME_TIME = 1e-6
"""Times that differ by less [s] differ by rounding."""


@dataclass(frozen=True)
class Camera:
    """A pinhole: focal lengths [px], and principal point and image size [px] where known."""

    focal: tuple[float, float]
    center: tuple[float, float] | None = None
    size: tuple[float, float] | None = None

    @classmethod
    def from_matrix(cls, matrix: Any, name: str) -> "Camera":
        """The pinhole of an intrinsic matrix (3, 3) [px]; `name` is what to call it in a message.

        Raises:
            InputError: it has another shape, or a focal length that is not positive.
        """
        K = as_numbers(matrix, name, (3, 3))
        if not (np.isfinite(K).all() and K[0, 0] > 0 and K[1, 1] > 0):
            raise InputError(f"{name}: {K.tolist()}, expected positive focal lengths.")
        return cls((float(K[0, 0]), float(K[1, 1])), (float(K[0, 2]), float(K[1, 2])))


@dataclass(frozen=True)
class Source:
    """Where a motion comes from and what its numbers can be trusted for.

    Attributes:
        file: name of the file or folder.
        format: the key of `retarget.human.sources.FORMATS` that read it.
        tracker: what saw the hand.
        frame: what the keypoints are expressed in. "world" is the recording's own fixed frame, its
            z up where the tracker knows which way that is, "camera" the optical frame (x right,
            y down, z forward), "wrist" one whose origin travels with the wrist, so that only how
            the hand turns may be known.
        metric: whether lengths and distances are measured; False where depth or size is a guess.
        tips: how the tracker defines a finger tip.
        times_assumed: whether the file had no times, so that they follow from a frame rate.
        start: what the recording's clock said [s] when `times` is 0.
        camera: the camera that saw the hand, where known: of the "camera" frame, or, when the frame
            is "world", at the poses of the stream "camera".
    """

    file: str = ""
    format: str = ""
    tracker: str = ""
    frame: Frame = "world"
    metric: bool = True
    tips: str = ""
    times_assumed: bool = False
    start: float = 0.0
    camera: Camera | None = None

    def __post_init__(self) -> None:
        if self.frame not in FRAMES:
            raise unknown("frame", self.frame, FRAMES)


@dataclass(frozen=True, eq=False)
class ManoParameters:
    """MANO parameters of the model of the trajectory's own side; NaN where nothing was seen.

    Attributes:
        betas: shape coefficients.
        global_orient: rotation of the wrist about the wrist joint.
        hand_pose: rotations of the 15 finger joints against their parents in MANO's order (index,
            middle, pinky, ring, thumb), the mean pose included: identity is the flat hand.
        transl: [m], added to the model; the wrist is at `transl` + the model's rest wrist.
    """

    betas: Float[np.ndarray, "T 10"]
    global_orient: Float[np.ndarray, "T 3 3"]
    hand_pose: Float[np.ndarray, "T 15 3 3"]
    transl: Float[np.ndarray, "T 3"]

    def __post_init__(self) -> None:
        count = np.shape(self.betas)[0] if np.ndim(self.betas) else 0
        shapes = {"betas": (10,), "global_orient": (3, 3), "hand_pose": (15, 3, 3), "transl": (3,)}
        for name, shape in shapes.items():
            freeze(self, name, (count, *shape), "mano.")
        for name in ("global_orient", "hand_pose"):
            _require_rotations(f"mano.{name}", getattr(self, name))

    def __len__(self) -> int:
        return len(self.betas)

    def select(self, frames: slice | np.ndarray) -> "ManoParameters":
        """The parameters of some frames."""
        return ManoParameters(
            **{item.name: getattr(self, item.name)[frames] for item in fields(self)}
        )


@dataclass(frozen=True, eq=False)
class Stream:
    """Something else that was recorded, on its own times.

    Attributes:
        times: [s] on the clock of the trajectory, not decreasing.
        values: one row a time, of any type but objects.
        meaning: what the columns are, with units and frame.
    """

    times: Float[np.ndarray, " N"]
    values: np.ndarray
    meaning: str = ""

    def __post_init__(self) -> None:
        freeze(self, "times", (np.size(self.times),), "stream ")
        values = np.array(self.values)
        if values.ndim == 0 or len(values) != len(self.times):
            raise InputError(
                f"stream values: shape {values.shape}, expected {len(self.times)} rows, one a time."
            )
        if values.dtype.hasobject:
            raise InputError("stream values: Python objects, expected numbers or strings.")
        if not np.all(np.isfinite(self.times)) or np.any(np.diff(self.times) < 0):
            raise InputError("stream times must be finite and must not decrease.")
        values.setflags(write=False)
        object.__setattr__(self, "values", values)

    def __len__(self) -> int:
        return len(self.times)

    def at(self, times: Float[np.ndarray, " S"]) -> np.ndarray:
        """The last row known at each of some times [s]; before the first row, that one.

        Raises:
            InputError: there are no rows.
        """
        if len(self) == 0:
            raise InputError("stream: no rows, expected at least one to hold.")
        rows = np.searchsorted(self.times, times + _SAME_TIME, side="right") - 1
        return np.asarray(self.values[np.maximum(rows, 0)])


def as_numbers(
    values: Any, name: str, shape: Sequence[int | None] | None = None
) -> Float[np.ndarray, "..."]:
    """A float64 array, of `shape` when given (None: any size there).

    Raises:
        InputError: it does not hold numbers, or has another shape.
    """
    try:
        array: np.ndarray = np.asarray(values)
        if array.dtype.kind not in "biuf":
            raise TypeError(f"type {array.dtype}")
        if array.size > MOST_NUMBERS:
            raise ValueError(f"{array.size} numbers, more than {MOST_NUMBERS}")
        with np.errstate(over="ignore", invalid="ignore"):
            array = array.astype(np.float64)
    except (TypeError, ValueError) as error:
        raise InputError(f"{name}: {error}, expected an array of numbers.") from error
    if shape is not None and not _fits(array.shape, shape):
        expected = ", ".join("T" if size is None else str(size) for size in shape)
        comma = "," if len(shape) == 1 else ""
        raise InputError(f"{name}: shape {array.shape}, expected ({expected}{comma}).")
    return array


def _fits(found: tuple[int, ...], wanted: Sequence[int | None]) -> bool:
    return len(found) == len(wanted) and all(
        size in (None, actual) for size, actual in zip(wanted, found, strict=True)
    )


def freeze(
    owner: object, name: str, shape: tuple[int, ...], prefix: str = "", dtype: type = np.float64
) -> None:
    """Replace a field of a frozen dataclass by a read-only copy of the expected shape.

    Raises:
        InputError: it has another shape, or holds no numbers.
    """
    array: np.ndarray = as_numbers(getattr(owner, name), prefix + name, shape).astype(dtype)
    array.setflags(write=False)
    object.__setattr__(owner, name, array)


def _require_rotations(name: str, matrices: Float[np.ndarray, "*batch 3 3"]) -> None:
    seen = matrices[np.isfinite(matrices).all(axis=(-2, -1))]
    with np.errstate(over="ignore", invalid="ignore"):
        residual = np.abs(np.swapaxes(seen, -1, -2) @ seen - np.eye(3)).max(initial=0.0)
    if not residual <= _ROTATION_TOLERANCE or np.any(np.linalg.det(seen) < 0):
        raise InputError(f"{name}: not rotation matrices (off orthogonal by {residual:.2g}).")
