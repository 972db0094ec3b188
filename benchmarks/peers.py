"""What runs the packages that ours is compared with, each if it is installed.

    pip install dex-retargeting six      the field's reference; needs torch, pinocchio, nlopt
    pip install dexi-rs                  its port to Rust, with the same files

Both read dex-retargeting's own configurations and the URDFs of dexsuite/dex-urdf.
"""

import logging
from importlib.util import find_spec
from pathlib import Path
from typing import Any, NamedTuple, Protocol

import numpy as np
from jaxtyping import Float

from handsim.errors import MissingExtraError
from retarget.dex_config import DexConfig


class Solved(NamedTuple):
    """One frame as a peer solved it: values of its `targets` before and after [rad]."""

    before: Float[np.ndarray, " n"]
    after: Float[np.ndarray, " n"]


class Peer(Protocol):
    """A package that retargets by a configuration of dex-retargeting."""

    def __init__(self, config: DexConfig): ...

    def run(self, vectors: Float[np.ndarray, "T R 3"]) -> None:
        """Solve all frames in order, each warm started by the one before."""
        ...


def vectors_of(
    config: DexConfig, keypoints: Float[np.ndarray, "T 21 3"]
) -> Float[np.ndarray, "T R 3"]:
    """What the peers take for a frame: the human's vectors, or positions, not scaled [m]."""
    origin, task = zip(*config.keypoints, strict=True)
    if config.type == "position":
        return keypoints[:, task]
    return keypoints[:, task] - keypoints[:, origin]


class DexRetargeting:
    """dex-retargeting: torch, pinocchio and nlopt's SLSQP, frame by frame from Python."""

    def __init__(self, config: DexConfig, own_limits: bool = False):
        """Build it.

        Args:
            config: read from one of its files.
            own_limits: undo its widening of the joints' limits by 1 mrad.
        """
        import torch
        from dex_retargeting.retargeting_config import RetargetingConfig

        torch.set_num_threads(1)
        logging.getLogger("dex_retargeting.yourdfpy").setLevel(logging.ERROR)
        place = {"urdf_path": str(config.urdf_path.absolute())}
        self._sequence: Any = RetargetingConfig.load_from_file(config.path, place).build()
        if own_limits:
            self._sequence.optimizer.set_joint_limit(self._sequence.joint_limits, epsilon=0.0)

    @property
    def targets(self) -> list[str]:
        """Names of the joints that it solves for."""
        return list(self._sequence.optimizer.target_joint_names)

    def run(self, vectors: Float[np.ndarray, "T R 3"]) -> None:
        """Solve all frames in order, each warm started by the one before."""
        for frame in vectors:
            self._sequence.retarget(frame)

    def solve(self, vectors: Float[np.ndarray, "R 3"]) -> Solved:
        """Solve the next frame; results within the joints' own limits, before the filter."""
        low, high = self._sequence.joint_limits.T
        before = np.clip(self._sequence.last_qpos.astype(float), low, high)
        self._sequence.retarget(vectors)
        return Solved(before, np.clip(self._sequence.last_qpos.astype(float), low, high))


class DexiRs:
    """dexi-rs: compiled Rust; its Python interface takes a frame at a time too."""

    def __init__(self, config: DexConfig):
        import dexi_rs

        self._sequence: Any = dexi_rs.RetargetingConfig(
            config.type,
            str(config.urdf_path.absolute()),
            add_dummy_free_joint=config.add_dummy_free_joint,
            target_link_human_indices=_listed(config.target_link_human_indices),
            wrist_link_name=config.wrist_link_name,
            target_link_names=config.target_link_names,
            target_joint_names=config.target_joint_names,
            target_origin_link_names=config.target_origin_link_names,
            target_task_link_names=config.target_task_link_names,
            finger_tip_link_names=config.finger_tip_link_names,
            scaling_factor=config.scaling_factor,
            normal_delta=config.normal_delta,
            huber_delta=config.huber_delta,
            project_dist=config.project_dist,
            escape_dist=config.escape_dist,
            has_joint_limits=config.has_joint_limits,
            ignore_mimic_joint=config.ignore_mimic_joint,
            low_pass_alpha=config.low_pass_alpha,
        ).build()

    def run(self, vectors: Float[np.ndarray, "T R 3"]) -> None:
        """Solve all frames in order, each warm started by the one before."""
        for frame in vectors.reshape(len(vectors), -1).tolist():
            self._sequence.retarget(frame)


PEERS: dict[str, type[Peer]] = {"dex-retargeting": DexRetargeting, "dexi-rs": DexiRs}
_MODULES = {"dex-retargeting": "dex_retargeting", "dexi-rs": "dexi_rs"}


def installed() -> dict[str, type[Peer]]:
    """The peers that there are."""
    return {name: peer for name, peer in PEERS.items() if find_spec(_MODULES[name])}


def shipped_configs() -> Path:
    """The folder of the configurations that dex-retargeting brings.

    Raises:
        MissingExtraError: it is not installed.
    """
    found = find_spec("dex_retargeting")
    if found is None or found.origin is None:
        raise MissingExtraError(
            "The configurations come with dex-retargeting: pip install dex-retargeting six, or "
            "say where they are with --configs."
        )
    return Path(found.origin).parent / "configs" / "teleop"


def _listed(indices: np.ndarray | None) -> Any:
    return None if indices is None else indices.tolist()
