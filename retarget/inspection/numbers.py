"""Arrays in a few figures: how many numbers are missing, zero or constant, and their range."""

import re

import numpy as np

from retarget.inspection.report import Clock, Numbers

MOST = 1 << 22
"""Numbers of an array that are looked at; of a larger one every so many rows."""
_GAP = 1.5
_UNITS = {"ns": 1e-9, "us": 1e-6, "ms": 1e-3}
_TIMES = re.compile(r"(^|[._/])(frame_|start_|sensor_)?(t|times?|timestamps?)(_(ns|us|ms|s))?$")
_SHORTEST_NANOSECONDS = 1e12


def numbers_of(array: np.ndarray) -> Numbers | None:
    """The figures of an array of numbers; None of any other and of an empty one."""
    if array.dtype.kind not in "biuf" or array.size == 0:
        return None
    rows = array[None] if array.ndim == 0 else array
    every = -(-rows.size // MOST)
    table = rows[::every].reshape(len(rows[::every]), -1)[:, :MOST].astype(np.float64)
    finite = np.isfinite(table)
    seen = table[finite]
    low = np.where(finite, table, np.inf).min(axis=0)
    high = np.where(finite, table, -np.inf).max(axis=0)
    return Numbers(
        nan=int((~finite).sum()),
        zero=int((table == 0).sum()),
        nan_rows=int((~finite.all(axis=1)).sum()),
        zero_rows=int((table == 0).all(axis=1).sum()),
        repeated_rows=int((table[1:] == table[:-1]).all(axis=1).sum()),
        constant=int((low == high).sum()) if len(table) > 1 else 0,
        columns=table.shape[1],
        least=float(seen.min()) if seen.size else None,
        mean=float((seen / seen.size).sum()) if seen.size else None,
        most=float(seen.max()) if seen.size else None,
        every=every,
    )


def clock_of(name: str, values: np.ndarray) -> Clock | None:
    """What an array is like as times; None unless its name and shape say that it is one."""
    called = _TIMES.search(name)
    if called is None or values.ndim != 1 or values.dtype.kind not in "iuf" or len(values) == 0:
        return None
    largest = float(np.abs(values.astype(np.float64)).max())
    guess = "ns" if largest > _SHORTEST_NANOSECONDS else "s"
    return clock(name, values, _UNITS.get(called.group(5) or guess, 1.0))


def clock(source: str, values: np.ndarray, unit: float = 1.0) -> Clock:
    """What a row of times is like; `unit` is what one of them is in seconds."""
    steps = np.diff(values).astype(np.float64) * unit
    usual = float(np.median(steps)) if len(steps) else 0.0
    return Clock(
        source=source,
        count=len(values),
        start=float(values[0]) * unit,
        span=float(values[-1] - values[0]) * unit,
        rate=1.0 / usual if usual > 0 else 0.0,
        increasing=bool((steps > 0).all()),
        repeated=int((steps == 0).sum()),
        backwards=int((steps < 0).sum()),
        gaps=int((steps > _GAP * usual).sum()) if usual > 0 else 0,
        longest=float(steps.max(initial=0.0)),
    )
