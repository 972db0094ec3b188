"""What magnetometers on the fingertips feel: their differences, changes, sizes, and contact.

A magnetic skin that is pressed moves its field. As the OSMO glove's own tools do it:

    delta = minus_baseline(differences(counts))
    felt = contacts(magnitudes(smoothed(delta)), threshold)

Fingers are in the order of `magnetometers.FINGERS`, counts are raw, NaN where nothing was read.
"""

import numpy as np
from jaxtyping import Bool, Float

SMOOTHING = 0.2
"""The share of the newest value in OSMO's exponential moving average."""


def differences(counts: Float[np.ndarray, "N 10 3"]) -> Float[np.ndarray, "N 5 3"]:
    """Main minus reference of each finger: what both feel, as the Earth's field, is gone."""
    return counts[:, 0::2] - counts[:, 1::2]


def minus_baseline(values: Float[np.ndarray, "N ..."]) -> Float[np.ndarray, "N ..."]:
    """Values minus the first of them that is not NaN, sensor by sensor."""
    known = ~np.isnan(values)
    first = np.take_along_axis(values, known.argmax(axis=0)[None], axis=0)
    return values - first


def magnitudes(values: Float[np.ndarray, "*batch 3"]) -> Float[np.ndarray, "*batch"]:
    """The length of each vector (its L2 norm)."""
    return np.asarray(np.linalg.norm(values, axis=-1))


def contacts(magnitude: Float[np.ndarray, "N 5"], threshold: float) -> Bool[np.ndarray, "N 5"]:
    """Whether each finger feels more than a threshold [counts]; not where it is NaN."""
    return magnitude > threshold


def smoothed(
    values: Float[np.ndarray, "N ..."], share: float = SMOOTHING
) -> Float[np.ndarray, "N ..."]:
    """The exponential moving average, causal: y₀ = x₀, yₜ = share · xₜ + (1 − share) · yₜ₋₁.

    Where x is NaN, y stays what it was.
    """
    out = np.array(values)
    for t in range(1, len(out)):
        before = np.where(np.isnan(out[t - 1]), out[t], out[t - 1])
        now = np.where(np.isnan(out[t]), before, out[t])
        out[t] = share * now + (1.0 - share) * before
    return out
