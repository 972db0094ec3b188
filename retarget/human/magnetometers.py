"""The magnetometers of the OSMO glove, in the layouts they are stored in.

Each fingertip has two, one under the magnetic skin (main) and one away from it (reference), in the
order of `SENSORS`. They give raw counts, whose unit nobody has established. A row of a recording
is, with or without the time t_ns [ns] at which it was received before it, one of `BODIES`:

    ======= ========================= ==========================================================
    xyz     (30,) or (10, 3)          x, y, z of each sensor
    txyz    (40,) or (10, 4)          t, x, y, z of each sensor
    message (65,)                     a finger: t, x, y, z twice (main, reference), then of its
                                      inertial sensor t, qx, qy, qz, qw
    legacy  (40, 14), NaN-filled      an address: t, sec, ns, x, y, z, t, sec, ns, qx, qy, qz,
                                      qw, accuracy; addresses 0 to 19 are main, 20 more reference
    ======= ========================= ==========================================================

A sensor that is missing makes a message shorter and shifts all that follows, so that rows of
another length are refused, never reshaped. Times of the sensors are nanoseconds in float32 (1 ms
apart at 1e13, 67 ms at 1e15) on another clock: they are kept, but t_ns is the time of a row.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from jaxtyping import Float, Int

from handsim.errors import InputError

Body = Literal["xyz", "txyz", "message", "legacy"]
BODIES: dict[tuple[int, ...], Body] = {
    (30,): "xyz",
    (10, 3): "xyz",
    (40,): "txyz",
    (10, 4): "txyz",
    (65,): "message",
    (40, 14): "legacy",
}
"""What a row without its time is, by its shape."""
_LARGEST_BODY = 40 * 14

FINGERS = ("index", "middle", "ring", "pinky", "thumb")
"""The glove's order of fingers."""
SENSORS = tuple(f"{finger}_{role}" for finger in FINGERS for role in ("main", "reference"))

_FIRST_ADDRESSES = np.array([[12, 32], [8, 28], [4, 24], [0, 20], [16, 36]]).ravel()
"""Of `SENSORS`. Each may have four addresses from there, all of a glove the same one of them."""
_CHOICES = 4


class UnevenRowsError(InputError):
    """Rows of a layout, but for some from which sensors are missing."""


@dataclass(frozen=True, eq=False)
class Readings:
    """A recording of the ten sensors; numbers keep the file's own precision.

    Attributes:
        counts: x, y, z of `SENSORS`, raw; NaN where a row is missing.
        shape: of the rows it was read from, without their times: a key of `BODIES`.
        times_ns: when each row was received [ns]; None where the file does not say.
        sensor_times: what each sensor's own clock said [ns], of little trust; None without them.
        imu: of the inertial sensors of `FINGERS`: t [ns], qx, qy, qz, qw; None without them.
        address: which of a finger's four addresses the sensors have, in a legacy recording.
        legacy: all columns of a legacy recording, of `SENSORS`.
    """

    counts: Float[np.ndarray, "N 10 3"]
    shape: tuple[int, ...]
    times_ns: Int[np.ndarray, " N"] | None = None
    sensor_times: Float[np.ndarray, "N 10"] | None = None
    imu: Float[np.ndarray, "N 5 5"] | None = None
    address: int | None = None
    legacy: Float[np.ndarray, "N 10 14"] | None = None

    def __len__(self) -> int:
        return len(self.counts)

    @property
    def body(self) -> Body:
        """What the rows hold."""
        return BODIES[self.shape]

    @property
    def layout(self) -> str:
        """The layout in words: "(N, 2): t_ns, txyz of shape (40,)"."""
        if self.times_ns is None:
            return f"{('N', *self.shape)}: {self.body}".replace("'", "")
        return f"(N, 2): t_ns, {self.body} of shape {self.shape}"


def decode(values: Any, name: str) -> Readings:
    """Read rows in any of the layouts.

    Args:
        values: an array, or a sequence of rows; None stands for a row that was lost.
        name: what to call them in a message.

    Raises:
        UnevenRowsError: some rows are of another length than most; the message says which.
        InputError: the rows are of no layout.
    """
    times, rows = _split(values, name)
    body = _stack(rows, name)
    readings = _READERS[BODIES[body.shape[1:]]](body, name)
    return Readings(**readings, shape=body.shape[1:], times_ns=times)


def encode(readings: Readings) -> np.ndarray | list[tuple[int, np.ndarray]]:
    """The rows that `decode` reads as these readings, to the last bit."""
    count, writer = len(readings), _WRITERS[readings.body]
    rows = writer(readings).reshape(count, *readings.shape)
    if readings.times_ns is None:
        return rows
    return list(zip(readings.times_ns.tolist(), rows, strict=True))


def _split(
    values: Any, name: str
) -> tuple[Int[np.ndarray, " N"] | None, Sequence[Any] | np.ndarray]:
    """Times and rows apart."""
    if isinstance(values, np.ndarray) and values.dtype == object and 1 <= values.ndim <= 2:
        values = list(values)
    if not _many(values) or len(values) == 0:
        raise InputError(f"{name}: no rows, expected a list or an array of them.")
    if isinstance(values, np.ndarray) or not any(map(_timed, values)):
        return None, values
    untimed = next((i for i, row in enumerate(values) if not _timed(row)), None)
    if untimed is not None:
        raise InputError(f"{name}: row {untimed} is no pair of t_ns and values, as others are.")
    stamps = [_stamp(row[0], f"{name}: t_ns of row {i}") for i, row in enumerate(values)]
    return np.array(stamps, dtype=np.int64), [row[1] for row in values]


def _timed(row: Any) -> bool:
    return _many(row) and len(row) == 2 and not _many(row[0]) and (row[1] is None or _many(row[1]))


def _many(value: Any) -> bool:
    return isinstance(value, list | tuple) or (isinstance(value, np.ndarray) and value.ndim > 0)


def _stamp(value: Any, name: str) -> int:
    if not isinstance(value, int | float | np.number) or not 0 <= value < float(1 << 63):
        raise InputError(f"{name}: {value!r:.40}, expected nanoseconds.")
    return int(value)


def _stack(rows: Sequence[Any] | np.ndarray, name: str) -> Float[np.ndarray, "N ..."]:
    """Rows as one array, NaN where one is None."""
    if isinstance(rows, np.ndarray):
        _require_body(rows.shape[1:], name)
        return _floats(rows, name)
    for row in rows:
        if isinstance(row, np.ndarray) and row.size > _LARGEST_BODY:
            _require_body(row.shape, name)
    found = {i: _floats(row, f"{name}: row {i}") for i, row in enumerate(rows) if row is not None}
    if not found:
        raise InputError(f"{name}: all of the {len(rows)} rows are missing.")
    shapes = [row.shape for row in found.values()]
    shape = max(set(shapes), key=shapes.count)
    _require_body(shape, name)
    other = next((i for i, row in found.items() if row.shape != shape), None)
    if other is not None:
        raise UnevenRowsError(
            f"{name}: row {other} has shape {found[other].shape}, expected {shape} as most have; "
            "in a shorter row a sensor is missing and the others are shifted."
        )
    body = np.full((len(rows), *shape), np.nan, np.result_type(*found.values()))
    for i, row in found.items():
        body[i] = row
    return body


def _floats(values: Any, name: str) -> Float[np.ndarray, "..."]:
    """Floating point numbers, of their own precision; NaN where one of many objects is None."""
    try:
        array = np.asarray(values)
        if array.dtype.kind not in "biufO":
            raise TypeError(f"type {array.dtype}")
        return array if array.dtype.kind == "f" else array.astype(np.float64)
    except (TypeError, ValueError, OverflowError) as error:
        raise InputError(f"{name}: {error}, expected numbers.") from error


def _require_body(shape: tuple[int, ...], name: str) -> None:
    if shape not in BODIES:
        known = ", ".join(map(str, BODIES))
        raise InputError(f"{name}: rows of shape {shape}. Available: {known}, or t_ns and those.")


def _read_xyz(body: np.ndarray, name: str) -> dict[str, Any]:
    return {"counts": body.reshape(-1, 10, 3)}


def _read_txyz(body: np.ndarray, name: str) -> dict[str, Any]:
    sensors = body.reshape(-1, 10, 4)
    return {"counts": sensors[..., 1:], "sensor_times": sensors[..., 0]}


def _read_message(body: np.ndarray, name: str) -> dict[str, Any]:
    fingers = body.reshape(-1, 5, 13)
    return {**_read_txyz(fingers[..., :8], name), "imu": fingers[..., 8:]}


def _read_legacy(body: np.ndarray, name: str) -> dict[str, Any]:
    """The ten addresses in use; which they are follows from what is not NaN."""
    used = np.flatnonzero(~np.isnan(body).all(axis=(0, 2)))
    choices = np.unique(used % _CHOICES)
    if len(choices) != 1:
        raise InputError(
            f"{name}: addresses {used.tolist()} are in use, expected one of four for each sensor, "
            f"all the first, second, third or fourth."
        )
    sensors = body[:, _FIRST_ADDRESSES + choices[0]]
    return {
        "counts": sensors[..., 3:6],
        "sensor_times": sensors[..., 0],
        "imu": sensors[:, ::2, [6, 9, 10, 11, 12]],
        "address": int(choices[0]),
        "legacy": sensors,
    }


_READERS = {
    "xyz": _read_xyz,
    "txyz": _read_txyz,
    "message": _read_message,
    "legacy": _read_legacy,
}


def _write_txyz(readings: Readings) -> Float[np.ndarray, "N 10 4"]:
    times = np.asarray(readings.sensor_times)
    return np.concatenate([times[..., None], readings.counts], axis=2)


def _write_message(readings: Readings) -> Float[np.ndarray, "N 5 13"]:
    sensors = _write_txyz(readings).reshape(-1, 5, 8)
    return np.concatenate([sensors, np.asarray(readings.imu)], axis=2)


def _write_legacy(readings: Readings) -> Float[np.ndarray, "N 40 14"]:
    rows = np.full((len(readings), 40, 14), np.nan, readings.counts.dtype)
    rows[:, _FIRST_ADDRESSES + readings.address] = readings.legacy
    return rows


_WRITERS = {
    "xyz": lambda readings: readings.counts,
    "txyz": _write_txyz,
    "message": _write_message,
    "legacy": _write_legacy,
}
