"""Domain randomization: what may differ from episode to episode, and by how much."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields
from typing import Any

import mujoco
import numpy as np
from jaxtyping import Float

from handsim.errors import InputError, unknown
from handsim.scene import Scene
from handsim.stage import CAMERAS

Range = Sequence[float]
"""Two numbers, low and high."""

FACTORS = ("friction", "mass", "size", "gains", "damping", "light")
COLOURED = ("hand", "object", "table")
POSES = ("palm", "object")
NOISE_KEY = "noise_key"
_KEYS = 2**53
"""A float holds every integer up to this one."""
_OF_OBJECT = ("mass", "size")
_XYZ, _RGB = ("x", "y", "z"), ("red", "green", "blue")
_PARTS = {
    "light_turn": [f"light_turn_{axis}" for axis in _XYZ],
    "camera_shift": [f"camera_shift_{camera}_{axis}" for camera in CAMERAS for axis in _XYZ],
    "camera_turn": [f"camera_turn_{camera}_{axis}" for camera in CAMERAS for axis in _XYZ],
    "colour": [f"colour_{thing}_{part}" for thing in COLOURED for part in _RGB],
}
"""The names of what is drawn where a range stands for several values."""
_NOISY = (
    *("qpos", "qvel", "tips", "touch", "palm", "palm_turn"),
    *("object", "object_turn", "object_velocity"),
)


@dataclass(frozen=True)
class Randomization:
    """Ranges (low, high) that each episode draws from evenly; None leaves a thing as it is.

    Attributes:
        friction: factor on all coefficients of friction.
        mass: factor on the object's mass.
        size: factor on the object's extents, at the same mass.
        gains: factor on the stiffness of the hand's actuators.
        damping: factor on the damping of the hand's actuators and joints.
        latency: how long after a command the hand's actuators act on it [s], to the nearest physics
            step. The wrist is not delayed.
        light: factor on the brightness of all lights.
        light_turn: how far the light's direction is turned about x, y and z [rad].
        camera_shift: how far each camera is moved along each axis of its own [m].
        camera_turn: how far each camera is turned about each axis of its own [rad].
        colour: what is added to red, green and blue of hand, object and table, kept in [0, 1].
        noise: standard deviations of normal noise on observations, by name: ``qpos`` [rad],
            ``qvel`` [rad/s], ``tips`` [m], ``touch`` [N], ``palm`` and ``object`` [m],
            ``palm_turn`` and ``object_turn`` [rad, of their orientations], ``object_velocity``
            [m/s, rad/s]. Rewards and info are of the true state.

    Raises:
        InputError: a range is none, or what it allows means nothing.
        UnknownNameError: there is no such observation.
    """

    friction: Range | None = None
    mass: Range | None = None
    size: Range | None = None
    gains: Range | None = None
    damping: Range | None = None
    latency: Range | None = None
    light: Range | None = None
    light_turn: Range | None = None
    camera_shift: Range | None = None
    camera_turn: Range | None = None
    colour: Range | None = None
    noise: Mapping[str, float] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for name, values in self.ranges().items():
            low, high = _checked_range(name, values)
            object.__setattr__(self, name, (low, high))
            if low < 0 and name in (*FACTORS, "latency"):
                raise InputError(f"{name}: from {low}, expected nothing below 0.")
            if low == 0 and name in (*_OF_OBJECT, "gains"):
                raise InputError(f"{name}: from 0, expected positive factors.")
        for name, deviation in self.noise.items():
            if name not in _NOISY:
                raise unknown("observation for noise", name, _NOISY)
            if not (isinstance(deviation, int | float) and 0 <= deviation < np.inf):
                raise InputError(
                    f"noise[{name!r}]: {deviation!r}, expected a number of at least 0."
                )

    @classmethod
    def of(cls, said: "Randomization | Mapping[str, Any] | None") -> "Randomization":
        """What an environment was given: a `Randomization`, its attributes by name, or None.

        Raises:
            UnknownNameError: it has no such attribute.
        """
        if isinstance(said, Randomization):
            return said
        known = [f.name for f in fields(cls)]
        for name in said or {}:
            if name not in known:
                raise unknown("randomization", name, known)
        return cls(**(said or {}))

    def __bool__(self) -> bool:
        """Whether anything differs at all."""
        return bool(self.ranges() or self.noise)

    def ranges(self) -> dict[str, Range]:
        """The ranges that are given, by name."""
        values = {f.name: getattr(self, f.name) for f in fields(self) if f.name != "noise"}
        return {name: value for name, value in values.items() if value is not None}

    def as_dict(self) -> dict[str, Any] | None:
        """What `of` takes, as JSON has it; None when nothing differs."""
        said: dict[str, Any] = {name: list(values) for name, values in self.ranges().items()}
        if self.noise:
            said["noise"] = dict(self.noise)
        return said or None

    def require_fit(self, scene: Scene) -> None:
        """Make sure that what is to differ is there.

        Raises:
            InputError: the scene has no object, or its actuators cannot be delayed so long.
        """
        missing = [name for name in _OF_OBJECT if getattr(self, name) and scene.object is None]
        missing += [n for n in self.noise if n.startswith("object") and scene.object is None]
        if missing:
            raise InputError(f"randomization of {missing[0]!r}: there is no object in the scene.")
        require_latency(self.latency[1] if self.latency else 0.0, scene)

    def draw(self, rng: np.random.Generator) -> dict[str, float]:
        """One episode's values by name; those with three axes or colours have a name for each."""
        values = {}
        for name, (low, high) in self.ranges().items():
            for key in _PARTS.get(name, (name,)):
                values[key] = float(rng.uniform(low, high))
        if self.noise:
            values[NOISE_KEY] = float(rng.integers(_KEYS))
        return values


def longest_latency(randomization: Randomization | Mapping[str, Any] | None) -> float:
    """The longest delay that may be drawn [s], for `handsim.scene.build_scene`."""
    latency = Randomization.of(randomization).latency
    return 0.0 if latency is None else latency[1]


def require_latency(latency: float, scene: Scene) -> None:
    """Make sure that a scene's actuators remember their targets for `latency` [s].

    Raises:
        InputError: they do not.
    """
    if latency > scene.longest_latency + scene.model.opt.timestep / 2:
        raise InputError(
            f"latency: {latency:g} s, expected at most {scene.longest_latency:g} s, for which the "
            "scene was built."
        )


def require_names(values: Mapping[str, float]) -> None:
    """Make sure that `values` are what some `Randomization` might have drawn.

    Raises:
        UnknownNameError: a name is unknown.
    """
    known = [f.name for f in fields(Randomization) if f.name not in (*_PARTS, "noise")]
    known += [NOISE_KEY, *(part for parts in _PARTS.values() for part in parts)]
    for name in values:
        if name not in known:
            raise unknown("randomized value", name, known)


def noisy(
    observation: dict[str, Any], noise: Mapping[str, float], key: float, frame: int
) -> dict[str, Any]:
    """An observation with the noise of one frame on it.

    It depends on the key and the frame alone, so an episode that is resumed sees it again.

    Args:
        observation: as it is.
        noise: see `Randomization`.
        key: of the episode, an integer below 2⁵³.
        frame: of the episode.
    """
    seen = dict(observation)
    bits = np.random.Philox(key=int(key), counter=[0, 0, 0, frame])
    rng = np.random.Generator(bits)
    for name in _NOISY:
        if name not in noise:
            continue
        shown = name.removesuffix("_turn")
        if name != shown:
            seen[shown] = _turned(seen[shown], noise[name] * rng.standard_normal(3))
        elif name in POSES:
            shift = np.concatenate([noise[name] * rng.standard_normal(3), np.zeros(4)])
            seen[name] = seen[name] + shift
        else:
            seen[name] = seen[name] + noise[name] * rng.standard_normal(seen[name].shape)
    return seen


def _turned(
    pose: Float[np.ndarray, " 7"], turn: Float[np.ndarray, " 3"]
) -> Float[np.ndarray, " 7"]:
    """A pose turned in place, its quaternion kept on the side it was on."""
    turned = pose.copy()
    mujoco.mju_quatIntegrate(turned[3:], turn, 1.0)
    if turned[3] * pose[3] < 0:
        turned[3:] *= -1.0
    return turned


def _checked_range(name: str, values: Any) -> tuple[float, float]:
    try:
        low, high = (float(value) for value in values)
    except (TypeError, ValueError):
        raise InputError(f"{name}: {values!r}, expected two numbers (low, high).") from None
    if not -np.inf < low <= high < np.inf:
        raise InputError(f"{name}: {values!r}, expected low ≤ high.")
    return low, high
