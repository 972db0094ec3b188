"""What there is to say of a recording of the glove's magnetometers, line by line."""

from typing import Any

import numpy as np
from jaxtyping import Float, Int

from retarget.human.magnetometers import SENSORS, Readings, UnevenRowsError, decode

_GAP = 1.5
_NANOSECONDS = 1e-9


def describe(values: Any, name: str) -> list[str]:
    """Lines on the layout of rows and how it was told, their times, and each sensor's numbers.

    Args:
        values: what could be rows of magnetometers.
        name: what to call them.

    Raises:
        InputError: they are rows of no layout.
    """
    try:
        readings = decode(values, name)
    except UnevenRowsError as error:
        return [f"magnetometers, damaged: {error}"]
    lines = [
        f"magnetometers: {len(readings)} rows, by their shape {readings.layout}",
        *_clock(readings),
    ]
    return lines + [
        f"{sensor}: {_numbers(readings.counts[:, i])}" for i, sensor in enumerate(SENSORS)
    ]


def _clock(readings: Readings) -> list[str]:
    lines = []
    if readings.times_ns is None:
        lines.append("times: none of the rows")
    else:
        lines.append(f"times: t_ns of each row, {_steps(readings.times_ns)}")
    if readings.sensor_times is not None:
        kind = readings.sensor_times.dtype
        lines.append(f"times of the sensors: {kind}, on a clock of their own, of little trust")
    return lines


def _steps(stamps: Int[np.ndarray, " N"]) -> str:
    steps = np.diff(stamps) * _NANOSECONDS
    usual = float(np.median(steps)) if len(steps) else 0.0
    rate = f"{1.0 / usual:.4g} Hz" if usual > 0 else "no rate"
    counts = {
        "repeated": int((steps == 0).sum()),
        "backwards": int((steps < 0).sum()),
        "gaps": int((steps > _GAP * usual).sum()) if usual > 0 else 0,
    }
    odd = ", ".join(f"{count} {name}" for name, count in counts.items() if count)
    span = float(steps.sum())
    return f"{span:.4g} s, {rate}, {odd or 'evenly increasing'}"


def _numbers(counts: Float[np.ndarray, "N 3"]) -> str:
    """Least, mean and most of x, y and z, and what is missing, zero or never changes."""
    parts = []
    for axis, column in zip("xyz", counts.T, strict=True):
        seen = column[np.isfinite(column)].astype(np.float64)
        if len(seen) == 0:
            parts.append(f"{axis} never read")
            continue
        constant = " constant" if len(seen) > 1 and seen.min() == seen.max() else ""
        parts.append(f"{axis} {seen.min():.4g} … {seen.mean():.4g} … {seen.max():.4g}{constant}")
    missing, zero = int(np.isnan(counts).sum()), int((counts == 0).sum())
    return f"{', '.join(parts)}; {missing} NaN, {zero} zero"
