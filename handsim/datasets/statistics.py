"""Statistics of a dataset's features as LeRobot has them, of an episode and of all."""

from collections.abc import Mapping
from typing import Any

import numpy as np
from jaxtyping import Float, UInt8

QUANTILES = (0.01, 0.10, 0.50, 0.90, 0.99)
NAMES = ("min", "max", "mean", "std", *(f"q{round(100 * q):02d}" for q in QUANTILES))
_MIN, _MAX, _MEAN, _STD = range(4)
_FEWEST, _MOST, _POWER = 100, 10_000, 0.75
_LEVELS = 256


def of_columns(values: Float[np.ndarray, "N D"]) -> Float[np.ndarray, "9 D"]:
    """Rows of `NAMES` over what is finite of each column; 0 where nothing is."""
    finite = np.isfinite(values)
    if finite.all():
        return _statistics(values)
    result = np.zeros((len(NAMES), values.shape[1]))
    for i, column in enumerate(values.T):
        if finite[:, i].any():
            result[:, i] = _statistics(column[finite[:, i], None])[:, 0]
    return result


def of_pictures(pictures: UInt8[np.ndarray, "N H W 3"]) -> tuple[Float[np.ndarray, "9 3"], int]:
    """Rows of `NAMES` for each channel, in [0, 1], and of how many pictures they are.

    They are of as many pictures as LeRobot takes: N to the power 3/4, at least 100, evenly spread.
    """
    count = min(len(pictures), max(_FEWEST, min(int(len(pictures) ** _POWER), _MOST)))
    chosen = pictures[np.round(np.linspace(0, len(pictures) - 1, count)).astype(int)]
    result = np.empty((len(NAMES), 3))
    for channel in range(3):
        counts = np.bincount(chosen[..., channel].ravel(), minlength=_LEVELS)
        result[:, channel] = _of_histogram(counts)
    return result, count


class Aggregate:
    """Statistics of all episodes from those of each, weighted by their counts.

    As in LeRobot the quantiles are means of the episodes' quantiles.
    """

    def __init__(self) -> None:
        self._count = 0
        self._low: Any = np.inf
        self._high: Any = -np.inf
        self._sums: Any = 0.0
        self._squares: Any = 0.0

    def add(self, statistics: Float[np.ndarray, "9 D"], count: int) -> None:
        """Take an episode in."""
        self._count += count
        self._low = np.minimum(self._low, statistics[_MIN])
        self._high = np.maximum(self._high, statistics[_MAX])
        self._sums = self._sums + count * statistics
        self._squares = self._squares + count * (statistics[_STD] ** 2 + statistics[_MEAN] ** 2)

    def result(self) -> tuple[Float[np.ndarray, "9 D"], int]:
        """Rows of `NAMES`, and the count."""
        result = self._sums / self._count
        variance = self._squares / self._count - result[_MEAN] ** 2
        result[_MIN], result[_MAX] = self._low, self._high
        result[_STD] = np.sqrt(np.maximum(variance, 0.0))
        return result, self._count


def as_json(
    statistics: Float[np.ndarray, "9 D"], count: int, shape: tuple[int, ...]
) -> Mapping[str, Any]:
    """A feature's statistics as LeRobot writes them, each of the feature's shape."""
    values = {
        name: row.reshape(shape).tolist() for name, row in zip(NAMES, statistics, strict=True)
    }
    return {**values, "count": [count]}


def _statistics(values: Float[np.ndarray, "N D"]) -> Float[np.ndarray, "9 D"]:
    # Sorting rows that are contiguous takes a tenth of the time of NumPy's quantiles of columns.
    ordered = np.sort(np.ascontiguousarray(values.T), axis=1)
    places = np.array(QUANTILES) * (len(values) - 1)
    below = np.floor(places).astype(int)
    above = np.minimum(below + 1, len(values) - 1)
    quantiles = ordered[:, below] + (places - below) * (ordered[:, above] - ordered[:, below])
    mean, std = values.mean(axis=0), values.std(axis=0)
    return np.stack([ordered[:, 0], ordered[:, -1], mean, std, *quantiles.T])


def _of_histogram(counts: np.ndarray) -> Float[np.ndarray, " 9"]:
    levels = np.arange(_LEVELS) / (_LEVELS - 1)
    share, seen = counts / counts.sum(), levels[counts > 0]
    mean = share @ levels
    std = np.sqrt(share @ (levels - mean) ** 2)
    places = np.searchsorted(np.cumsum(share), QUANTILES)
    return np.array([seen[0], seen[-1], mean, std, *levels[np.minimum(places, _LEVELS - 1)]])
