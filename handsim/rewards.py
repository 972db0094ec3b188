"""Reward terms in [0, 1] on arrays: 1 without error, 0.1 at the margin."""

from collections.abc import Mapping

import numpy as np
from dm_control.utils.rewards import tolerance
from jaxtyping import Float

MARGINS = {"joints": 0.2, "tips": 0.02, "palm": 0.05}
"""Errors at which a term has fallen to 0.1: of a joint [rad], a fingertip [m], the palm [m]."""


def closeness(
    errors: Mapping[str, Float[np.ndarray, " n"]], margins: Mapping[str, float] = MARGINS
) -> dict[str, float]:
    """How close each group of quantities is to where it should be.

    A term is the mean over its group of a Gaussian of the error, which is 0.1 at the margin.

    Args:
        errors: sizes of the errors, by the name of the group.
        margins: of each group, in the unit of its errors.
    """
    scaled = np.concatenate([error / margins[name] for name, error in errors.items()])
    close = tolerance(np.abs(scaled), margin=1.0)
    terms, start = {}, 0
    for name, error in errors.items():
        terms[name] = float(close[start : start + len(error)].sum()) / len(error)
        start += len(error)
    return terms


def progress(gained: float, most: float) -> float:
    """What was gained in a step, as a term: 0.5 without change, 1 for `most` or more, 0 for a loss.

    Summed over steps it says how far things have come: there is nothing to gain by staying close
    to a goal without reaching it, nor by going to and fro.
    """
    return 0.5 + 0.5 * min(max(gained / most, -1.0), 1.0)


def distances(error: Float[np.ndarray, "N 3"]) -> Float[np.ndarray, " N"]:
    """Lengths of vectors."""
    return np.sqrt((error * error).sum(axis=1))


def total(terms: Mapping[str, float]) -> float:
    """One reward from several terms: their mean, hence in [0, 1] too."""
    return sum(terms.values()) / len(terms)
