"""Recipe: everything a generated dataset depends on, besides its motions."""

import re
from dataclasses import dataclass, field

from handsim.datasets import FORMATS
from handsim.errors import InputError, unknown
from handsim.hands.catalog import load_hand
from handsim.objects import load_object
from handsim.randomization import Randomization
from handsim.stage import CAMERAS
from handsim.wrist import WRISTS, Kind
from retarget.generation.measures import MEASURES
from retarget.human.keypoints import Side
from retarget.references import DEFAULT, METHODS

NAMES = ("track", "grasp")
"""Of the environments."""
_LISTS = ("hands", "format", "cameras")
"""Lists of names, which may also be given with commas."""
_THRESHOLD = re.compile(r"\s*(\w+)\s*([<>])\s*([-+.\deE]+)\s*")


@dataclass(frozen=True)
class Threshold:
    """What a score must be for an episode to be kept, as in "tip_error_mm<15"."""

    metric: str
    sign: str
    value: float

    @classmethod
    def parse(cls, text: str) -> "Threshold":
        """Read "metric<value" or "metric>value".

        Raises:
            InputError: it is of another form.
            UnknownNameError: there is no such metric.
        """
        match = _THRESHOLD.fullmatch(text)
        try:
            metric, sign, value = match.groups() if match else ("", "", "")
            number = float(value)
        except ValueError:
            raise InputError(f"keep: {text!r}, expected metric<value or metric>value.") from None
        if metric not in MEASURES:
            raise unknown("metric", metric, MEASURES)
        return cls(metric, sign, number)

    def admits(self, score: float) -> bool:
        """Whether a score passes; one that the motion does not define (NaN) rejects nothing."""
        return not (score >= self.value if self.sign == "<" else score <= self.value)

    def __str__(self) -> str:
        return f"{self.metric} {self.sign} {self.value:g}"


@dataclass(frozen=True)
class Recipe:
    """How motions become episodes; the same recipe and motions make the same dataset to the byte.

    Attributes:
        hands: names of the catalogue, or model files.
        env: what the hands do: track, or grasp.
        format: of the datasets, one or several of lerobot, minari, robomimic and zarr.
        method: what the retargeting matches.
        side: which hand of the files; None takes every hand that is in them.
        motion_format: of the motions' files; None recognises it from their content.
        fps: frames a second of files without times.
        clean: whether the motions are cleaned by `retarget.filters.clean`.
        rate: frames, and control steps, a second [Hz].
        wrist: hold the wrist still, or let it follow the person's.
        variants: episodes a motion and hand; the first is the motion as it is.
        seed: what all variants are drawn from.
        time_warp: by which share a variant's speed may differ, below 1.
        mirror: whether half of the variants are of the other side.
        shift: how far a variant's wrist path may be moved along each axis [m].
        turn: how far it may be turned about the vertical [rad].
        randomization: what else differs from episode to episode: physics, light, cameras, noise.
        cameras: whose pictures are recorded.
        size: of the pictures, width and height [px].
        object: what is lifted in "grasp", for `handsim.load_object`.
        stream: which of the motions' streams has its poses; needed where there are several.
        object_frame: the frame of these poses in that of the motion where they differ, the sixteen
            numbers of a matrix, row by row.
        keep: what scores must be for an episode to be kept.
        task: what is done, in words; by default the environment's and the motion's names say it.

    Raises:
        InputError: a value is out of its range, or names nothing there is.
    """

    hands: tuple[str, ...]
    env: str = "track"
    format: tuple[str, ...] = ("robomimic",)
    method: str = DEFAULT
    side: Side | None = None
    motion_format: str | None = None
    fps: float | None = None
    clean: bool = True
    rate: float = 30.0
    wrist: Kind = "fixed"
    variants: int = 1
    seed: int = 0
    time_warp: float = 0.0
    mirror: bool = False
    shift: float = 0.0
    turn: float = 0.0
    randomization: Randomization = field(default_factory=Randomization)
    cameras: tuple[str, ...] = ()
    size: tuple[int, int] = (224, 224)
    object: str = ""
    stream: str = ""
    object_frame: tuple[float, ...] = ()
    keep: tuple[str, ...] = ()
    task: str = ""

    def __post_init__(self) -> None:
        for name in _LISTS:
            parts = (part for value in getattr(self, name) for part in value.split(","))
            object.__setattr__(self, name, tuple(parts))
        self._require_names()
        for name, low, high in (
            ("rate", 1.0, 1000.0),
            ("variants", 1, 1_000_000),
            ("time_warp", 0.0, 0.9),
            ("shift", 0.0, 10.0),
            ("turn", 0.0, 3.2),
        ):
            if not low <= getattr(self, name) <= high:
                raise InputError(
                    f"{name}: {getattr(self, name)}, expected a number from {low:g} to {high:g}."
                )
        if min(self.size) < 1:
            raise InputError(f"size: {self.size}, expected positive numbers of pixels.")
        if (self.shift or self.turn) and self.wrist == "fixed":
            raise InputError("shift and turn move a floating wrist, but wrist is 'fixed'.")

        if self.env == "grasp":
            self._require_object()

    def _require_object(self) -> None:
        load_object(self.object)
        if self.wrist == "fixed":
            raise InputError("wrist: 'fixed' lifts nothing, expected floating or actuated.")
        if self.mirror:
            raise InputError("mirror: the object's path is not mirrored, expected no mirror.")
        if len(self.object_frame) not in (0, 16):
            raise InputError(f"object_frame: {len(self.object_frame)} numbers, expected 16.")

    def _require_names(self) -> None:
        for kind, names, choices in (
            ("environment", (self.env,), NAMES),
            ("dataset format", self.format, FORMATS),
            ("method", (self.method,), METHODS),
            ("wrist", (self.wrist,), WRISTS),
            ("camera", self.cameras, CAMERAS),
        ):
            for name in names:
                if name not in choices:
                    raise unknown(kind, name, choices)
        for name in _LISTS:
            values = getattr(self, name)
            if len(set(values)) < len(values):
                raise InputError(f"{name}: {', '.join(values)}, expected each once.")
        if not (self.hands and self.format):
            raise InputError("hands and format: expected at least one of each.")
        for hand in self.hands:
            load_hand(hand)
        self.thresholds()

    def thresholds(self) -> tuple[Threshold, ...]:
        """What `keep` asks for."""
        return tuple(map(Threshold.parse, self.keep))
