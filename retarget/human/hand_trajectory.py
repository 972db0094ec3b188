"""HandTrajectory: the motion of one human hand, validated, with whatever was recorded beside it."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields, replace
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Bool, Float

from handsim.errors import InputError, unknown
from handsim.files import load_npz, save_npz, whole
from retarget.human.keypoints import COUNT, SIDES, Side, continuous, palm_pose, seen_from
from retarget.human.recording import (
    FARTHEST,
    Camera,
    ManoParameters,
    Source,
    Stream,
    Values,
    as_numbers,
    freeze,
)

__all__ = ["Camera", "HandTrajectory", "ManoParameters", "Side", "Source", "Stream"]

KIND, SCHEMA = "hand_trajectory", 1

_UNIT_TOLERANCE = 1e-3


@dataclass(frozen=True, eq=False)
class HandTrajectory:
    """The motion of one human hand.

    Arrays are copied and read-only. `from_keypoints` fills in what keypoints imply.

    Attributes:
        times: [s], strictly increasing.
        keypoints: [m], in the order of `keypoints.NAMES`, in the frame of `source.frame`.
        wrist: palm frame in that frame: x y z [m] and qw qx qy qz.
        valid: seen by the tracker. Elsewhere keypoints and wrist may be NaN and mean nothing.
        side: "left" or "right".
        mano: MANO parameters, when the source has them.
        streams: whatever else was recorded, by name.
        source: where it comes from.

    Raises:
        InputError: a shape, a time or a valid frame's number is wrong, or no frame is valid.
    """

    times: Float[np.ndarray, " T"]
    keypoints: Float[np.ndarray, "T 21 3"]
    wrist: Float[np.ndarray, "T 7"]
    valid: Bool[np.ndarray, " T"]
    side: Side
    mano: ManoParameters | None = None
    streams: Mapping[str, Stream] = field(default_factory=dict)
    source: Source = field(default_factory=Source)

    def __post_init__(self) -> None:
        if self.side not in SIDES:
            raise unknown("side", self.side, SIDES)
        count = _require_times(self.times)
        freeze(self, "times", (count,))
        freeze(self, "keypoints", (count, COUNT, 3))
        freeze(self, "wrist", (count, 7))
        freeze(self, "valid", (count,), dtype=bool)
        if self.mano is not None and len(self.mano) != count:
            raise InputError(f"mano: {len(self.mano)} frames, expected {count}.")
        if not self.valid.any():
            raise InputError(f"None of the {count} frames is valid, expected at least one.")
        self._require_seen()

    def _require_seen(self) -> None:
        for name in ("keypoints", "wrist"):
            flat = getattr(self, name).reshape(len(self), -1)
            bad = np.flatnonzero(self.valid & ~np.isfinite(flat).all(axis=1))
            if len(bad):
                raise InputError(f"{name}[{bad[0]}] is not finite, yet valid[{bad[0]}] is True.")
            far = np.flatnonzero(self.valid & (np.abs(flat) > FARTHEST).any(axis=1))
            if len(far):
                raise InputError(f"{name}[{far[0]}] is farther than {FARTHEST:g} m.")
        norms = np.linalg.norm(self.wrist[self.valid, 3:], axis=1)
        if np.any(np.abs(norms - 1) > _UNIT_TOLERANCE):
            worst = norms[np.argmax(np.abs(norms - 1))]
            raise InputError(f"wrist: a quaternion of length {worst:g}, expected 1.")

    @classmethod
    def from_keypoints(
        cls,
        times: Values,
        keypoints: Values,
        side: Side,
        valid: Values | None = None,
        mano: ManoParameters | None = None,
        streams: Mapping[str, Stream] | None = None,
        source: Source | None = None,
    ) -> "HandTrajectory":
        """The motion whose wrist is the palm frame of its keypoints.

        A frame is valid when it is so in `valid` (default: all), when its keypoints are finite
        and nearer than `FARTHEST`, and when its palm has a frame (`keypoints.palm_frame`).

        Raises:
            InputError: as the class; among others when no frame is valid.
        """
        if side not in SIDES:
            raise unknown("side", side, SIDES)
        points = as_numbers(keypoints, "keypoints")
        if points.ndim != 3 or points.shape[1:] != (COUNT, 3):
            raise InputError(f"keypoints: shape {points.shape}, expected (T, {COUNT}, 3).")
        wrist = _wrist_poses(points, side)
        near = (np.abs(points) <= FARTHEST).all(axis=(1, 2))
        seen = near & np.isfinite(wrist).all(axis=1)
        if valid is not None:
            given = np.asarray(valid)
            if given.shape != seen.shape:
                raise InputError(f"valid: shape {given.shape}, expected {seen.shape}.")
            seen &= given.astype(bool)
        extra = {} if source is None else {"source": source}
        stamps = as_numbers(times, "times")
        return cls(stamps, points, wrist, seen, side, mano, dict(streams or {}), **extra)

    def __len__(self) -> int:
        return len(self.times)

    @property
    def duration(self) -> float:
        """Time from the first to the last frame [s]."""
        return float(self.times[-1] - self.times[0])

    @property
    def rate(self) -> float:
        """Frames a second: one over the median time step [Hz]; 0 for a single frame."""
        return float(1.0 / np.median(np.diff(self.times))) if len(self) > 1 else 0.0

    @property
    def palm_keypoints(self) -> Float[np.ndarray, "T 21 3"]:
        """Keypoints in the palm frame `wrist` [m]; NaN where the frame is not valid."""
        local = np.full(self.keypoints.shape, np.nan)
        local[self.valid] = seen_from(self.wrist[self.valid], self.keypoints[self.valid])
        return local

    def select(self, frames: slice | Values) -> "HandTrajectory":
        """The motion at `frames` (a slice, a mask or increasing indices); streams stay whole.

        Raises:
            InputError: no frame is left, none of them is valid, or they run backwards.
        """
        index = frames if isinstance(frames, slice) else np.asarray(frames)
        rows = {name: getattr(self, name)[index] for name in ("times", "keypoints", "wrist")}
        mano = None if self.mano is None else self.mano.select(index)
        return replace(self, **rows, valid=self.valid[index], mano=mano)

    def save(self, path: str | Path) -> None:
        """Write one self-describing `.npz`.

        Raises:
            OutputError: `path` cannot be written.
        """
        arrays = {name: getattr(self, name) for name in ("times", "keypoints", "wrist", "valid")}
        if self.mano is not None:
            for item in fields(ManoParameters):
                arrays[f"mano.{item.name}"] = getattr(self.mano, item.name)
        for name, stream in self.streams.items():
            arrays[f"stream.{name}.times"] = stream.times
            arrays[f"stream.{name}.values"] = stream.values
        header = {
            "kind": KIND,
            "schema": SCHEMA,
            "side": self.side,
            "mano": self.mano is not None,
            "streams": [[name, stream.meaning] for name, stream in self.streams.items()],
            "source": asdict(self.source),
        }
        save_npz(path, header, arrays)

    @classmethod
    def load(cls, path: str | Path) -> "HandTrajectory":
        """Read what `save` wrote.

        Raises:
            MissingFileError: there is no such file.
            FormatError: it holds something else.
            InputError: it holds a motion that is not valid.
        """
        header, arrays = load_npz(path, KIND, SCHEMA)
        with whole(path, KIND):
            return cls(
                times=arrays["times"],
                keypoints=arrays["keypoints"],
                wrist=arrays["wrist"],
                valid=arrays["valid"],
                side=header["side"],
                mano=_mano_from(arrays) if header["mano"] else None,
                streams={
                    name: Stream(
                        arrays[f"stream.{name}.times"], arrays[f"stream.{name}.values"], meaning
                    )
                    for name, meaning in header["streams"]
                },
                source=_source_from(header["source"]),
            )


def _mano_from(arrays: Mapping[str, np.ndarray]) -> ManoParameters:
    return ManoParameters(
        **{item.name: arrays[f"mano.{item.name}"] for item in fields(ManoParameters)}
    )


def _source_from(values: Mapping[str, Any]) -> Source:
    camera = values["camera"]
    if camera is not None:
        camera = Camera(**{name: value and tuple(value) for name, value in camera.items()})
    return Source(**{**values, "camera": camera})


def _wrist_poses(keypoints: Float[np.ndarray, "T 21 3"], side: Side) -> Float[np.ndarray, "T 7"]:
    """Palm frames as x y z qw qx qy qz, NaN where there is none.

    Of the two quaternions of a rotation each frame takes the one nearer to that of the last seen
    frame, so that they can be interpolated and filtered.
    """
    whole = np.isfinite(keypoints).all(axis=(1, 2), keepdims=True)
    return continuous(palm_pose(np.where(whole, keypoints, np.nan), side))


def _require_times(times: Values) -> int:
    values = as_numbers(times, "times")
    if values.ndim != 1 or len(values) == 0:
        raise InputError(f"times: shape {values.shape}, expected (T,) with at least one frame.")
    bad = np.flatnonzero(~np.isfinite(values))
    if len(bad):
        raise InputError(f"times[{bad[0]}] is {values[bad[0]]}, expected a finite number.")
    back = np.flatnonzero(np.diff(values) <= 0)
    if len(back):
        later = back[0] + 1
        raise InputError(
            f"times must be strictly increasing: times[{later}] = {values[later]:.9g} follows "
            f"{values[later - 1]:.9g}."
        )
    return len(values)
