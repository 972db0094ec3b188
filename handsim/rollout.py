"""Rollout: what the simulator did."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Bool, Float, UInt8

from handsim.errors import InputError, unknown
from handsim.files import load_npz, save_npz, whole
from handsim.hands.robot_hand import SIDES, Side
from handsim.joint_trajectory import JointTrajectory, require_numbers, require_texts

KIND, SCHEMA = "rollout", 1
REFERENCE_QPOS, REFERENCE_WRIST, TASK = "reference_qpos", "reference_wrist", "task"
REFERENCE_TIPS = "reference_tips"
"""The fingertips that were wanted (N1, F, 3), where they were not the trajectory's own."""
OBJECT_PATH = "object_path"

_GROUPS = ("observations", "info", "annotations", "frames")
_RANKS = {"times": 1, "actions": 2, "rewards": 1, "states": 2, "terminated": 1, "truncated": 1}


@dataclass(frozen=True, eq=False)
class Rollout:
    """One episode of ``N`` steps between ``N + 1`` frames.

    Attributes:
        hand, side, joint_names: which hand, and the columns of its qpos.
        times: of the frames [s].
        observations: of the frames, by name.
        actions: of the steps, in [−1, 1].
        rewards: of the steps.
        states: MuJoCo's full state (``mjSTATE_INTEGRATION``) at the frames.
        terminated, truncated: of the steps; Gymnasium's words.
        info: numbers that came with the steps, by name.
        annotations: whatever belongs to the frames, by name: the reference that was tracked, the
            human keypoints it came from.
        frames: pictures of the frames, by camera.
        metadata: JSON: the environment and its arguments, seed, control rate, versions; as "task",
            what is done, in words.
        model_xml: the simulated world as MJCF text.

    Raises:
        InputError: the lengths disagree, or the metadata is not JSON.
    """

    hand: str
    side: Side
    joint_names: tuple[str, ...]
    times: Float[np.ndarray, " N1"]
    observations: Mapping[str, np.ndarray]
    actions: Float[np.ndarray, "N nu"]
    rewards: Float[np.ndarray, " N"]
    states: Float[np.ndarray, "N1 S"]
    terminated: Bool[np.ndarray, " N"]
    truncated: Bool[np.ndarray, " N"]
    info: Mapping[str, np.ndarray] = field(default_factory=dict)
    annotations: Mapping[str, np.ndarray] = field(default_factory=dict)
    frames: Mapping[str, UInt8[np.ndarray, "N1 H W 3"]] = field(default_factory=dict)
    metadata: Mapping[str, Any] = field(default_factory=dict)
    model_xml: str = ""

    def __post_init__(self) -> None:
        if self.side not in SIDES:
            raise unknown("side", self.side, SIDES)
        require_texts(hand=(self.hand,), joint_names=self.joint_names, model_xml=(self.model_xml,))
        for name, rank in _RANKS.items():
            require_numbers(name, getattr(self, name))
            if getattr(self, name).ndim != rank:
                shape = getattr(self, name).shape
                raise InputError(f"{name}: shape {shape}, expected {rank} axes.")
        steps = len(self.actions)
        for name in ("rewards", "terminated", "truncated"):
            _require_length(name, getattr(self, name), steps)
        for name in ("times", "states"):
            _require_length(name, getattr(self, name), steps + 1)
        for group in _GROUPS:
            for name, array in getattr(self, group).items():
                if not name or "/" in name:
                    raise InputError(f"{group}: name {name!r}, expected one without '/'.")
                length = steps if group == "info" else steps + 1
                _require_length(f"{group}[{name!r}]", array, length)
        require_texts(task=(self.task,))
        try:
            json.dumps(dict(self.metadata), allow_nan=False)
        except (TypeError, ValueError) as error:
            raise InputError(f"metadata: {error}, expected what JSON can hold.") from error

    def __len__(self) -> int:
        """The number of steps."""
        return len(self.actions)

    @property
    def qpos(self) -> Float[np.ndarray, "N1 nq"]:
        """Joint positions at the frames [rad]."""
        return self.observations["qpos"]

    @property
    def task(self) -> str:
        """What is done, in words; "" when nobody said."""
        return self.metadata.get(TASK, "")

    def achieved(self) -> JointTrajectory:
        """The motion the hand made."""
        return self._trajectory(self.qpos, self.observations["palm"])

    def reference(self) -> JointTrajectory:
        """The motion the hand was to make.

        Raises:
            InputError: the rollout does not say.
        """
        try:
            qpos, wrist = self.annotations[REFERENCE_QPOS], self.annotations[REFERENCE_WRIST]
        except KeyError as error:
            raise InputError(f"The rollout tracked nothing: no annotation {error}.") from None
        return self._trajectory(qpos, wrist)

    def _trajectory(
        self, qpos: Float[np.ndarray, "N1 nq"], wrist: Float[np.ndarray, "N1 7"]
    ) -> JointTrajectory:
        valid = np.ones(len(self.times), dtype=bool)
        return JointTrajectory(
            self.hand, self.side, self.joint_names, self.times, qpos, wrist, valid
        )

    def save(self, path: str | Path) -> None:
        """Write one self-describing `.npz`.

        Raises:
            OutputError: `path` cannot be written.
        """
        save_npz(path, *self.to_arrays())

    @classmethod
    def load(cls, path: str | Path) -> "Rollout":
        """Read what `save` wrote.

        Raises:
            MissingFileError: there is no such file.
            FormatError: it holds something else.
        """
        header, arrays = load_npz(path, KIND, SCHEMA)
        with whole(path, KIND):
            return cls.from_arrays(header, arrays)

    def to_arrays(self) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
        """A header that JSON can hold, and all arrays by name, "group/name" in the groups."""
        header = {
            "kind": KIND,
            "schema": SCHEMA,
            "hand": self.hand,
            "side": self.side,
            "joint_names": self.joint_names,
            "metadata": dict(self.metadata),
            "model_xml": self.model_xml,
        }
        arrays = {name: getattr(self, name) for name in _RANKS}
        for group in _GROUPS:
            arrays |= {f"{group}/{name}": array for name, array in getattr(self, group).items()}
        return header, arrays

    @classmethod
    def from_arrays(cls, header: Mapping[str, Any], arrays: Mapping[str, np.ndarray]) -> "Rollout":
        """The inverse of `to_arrays`.

        Raises:
            KeyError, ValueError, TypeError: something is absent or unknown.
        """
        groups: dict[str, Any] = {group: {} for group in _GROUPS}
        for key, array in arrays.items():
            if "/" in key:
                group, name = key.split("/", 1)
                if group not in groups:
                    raise ValueError(f"an array {key!r:.80} of no {KIND}")
                groups[group][name] = array
        plain: dict[str, Any] = {name: arrays[name] for name in _RANKS}
        return cls(
            hand=header["hand"],
            side=header["side"],
            joint_names=tuple(header["joint_names"]),
            metadata=header["metadata"],
            model_xml=header["model_xml"],
            **plain,
            **groups,
        )


def _require_length(name: str, array: np.ndarray, length: int) -> None:
    require_numbers(name, array)
    if np.ndim(array) == 0 or len(array) != length:
        raise InputError(f"{name}: shape {np.shape(array)}, expected {length} rows.")
