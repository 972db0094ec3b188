"""What a configuration of dex-retargeting matches: its objectives as references of ours.

With v_i the robot's vectors between link origins in the root link's frame, ṽ_i the human's, s
`scaling_factor`, β `huber_delta`, γ `normal_delta` and H_β the Huber function, dex-retargeting
(AnyTeleop, Qin et al., RSS 2023; version 0.5) minimises

    vector     mean_i H_β(‖v_i − s ṽ_i‖)/β + γ ‖q − q_before‖²
    position   mean over links and coordinates of H_β(|p − p̃|)/β + γ ‖q − q_before‖²
    dexpilot   Σ_i w_i/N · H_β(‖v_i − r_i‖)/β + γ ‖q − q_before‖²     β = 0.03, γ = 0.004 whatever
               the file says; r, w and the latch: `retarget.references.dexpilot`
"""

import numpy as np
from jaxtyping import Float

from handsim.errors import InputError
from retarget.dex_config import DexConfig
from retarget.human.keypoints import CHAINS, WRIST, Side
from retarget.reference import PALM, Reference
from retarget.references.dexpilot import (
    DELTA,
    ETA_FINGERS,
    ETA_THUMB,
    WEIGHT_FINGERS,
    WEIGHT_THUMB,
    Latch,
    closed_pairs,
)
from retarget.vector_residuals import LENGTH

_DEXPILOT_NORMAL = 4e-3


class DexReference:
    """The reference that a configuration sets.

    Attributes:
        links: the robot's points, in order of their index in a reference.
        unit: the objective's value over dex-retargeting's.
    """

    def __init__(self, config: DexConfig):
        self._config = config
        ends = config.links
        self.links = sorted({name for pair in ends for name in pair if name is not None})
        self._origin = np.array([PALM if a is None else self.links.index(a) for a, _ in ends])
        self._point = np.array([self.links.index(b) for _, b in ends])
        self._from = np.array([WRIST if a is None else a for a, _ in config.keypoints])
        self._to = np.array([b for _, b in config.keypoints])
        self._fingers = len(config.finger_tip_link_names or ())
        self._delta, self._normal = config.huber_delta, config.normal_delta
        terms = float(len(ends))
        if config.type == "dexpilot":
            self._delta, self._normal, terms = DELTA, _DEXPILOT_NORMAL, 1.0
        elif config.type == "position":
            terms *= 3.0
        self.unit = terms * self._delta / LENGTH**2

    def reference(self, keypoints: Float[np.ndarray, "T 21 3"], latch: Latch) -> Reference:
        """What is matched; its value is `unit` times dex-retargeting's.

        Args:
            keypoints: in the robot's root frame [m].
            latch: DexPilot's, of the frames before; it is brought to the last of these.
        """
        human, config = self._human(keypoints), self._config
        scale = 1.0 if config.type == "position" else config.scaling_factor
        target, weight = scale * human, np.ones(human.shape[:2])
        if config.type == "dexpilot":
            self._draw_together(human, target, weight, latch)
        return Reference(
            origin=self._origin,
            point=self._point,
            target=target,
            weight=weight,
            delta=self._delta,
            smoothness=2.0 * self._normal * self.unit,
            posture=0.0,
            by_coordinate=config.type == "position",
        )

    def _draw_together(
        self,
        human: Float[np.ndarray, "T R 3"],
        target: Float[np.ndarray, "T R 3"],
        weight: Float[np.ndarray, "T R"],
        latch: Latch,
    ) -> None:
        """Overwrite the targets and weights of the pairs of fingertips, which come first."""
        pairs, config = len(self._point) - self._fingers, self._config
        between = human[:, :pairs]
        distance = np.linalg.norm(between, axis=-1)
        closed = closed_pairs(
            distance, self._fingers, latch, config.project_dist, config.escape_dist
        )
        of_thumb = np.arange(pairs) < self._fingers - 1
        length = np.where(of_thumb, ETA_THUMB, ETA_FINGERS)[:, None]
        heavy = np.where(of_thumb, WEIGHT_THUMB, WEIGHT_FINGERS)
        drawn = length * between / (distance + 1e-6)[..., None]
        target[:, :pairs] = np.where(closed[..., None], drawn, target[:, :pairs])
        weight[:, :pairs] = np.where(closed, heavy, 1.0) / len(self._point)

    def _human(self, keypoints: Float[np.ndarray, "T 21 3"]) -> Float[np.ndarray, "T R 3"]:
        task = keypoints[:, self._to]
        return task if self._config.type == "position" else task - keypoints[:, self._from]


def operator_keypoints(
    keypoints: Float[np.ndarray, "T 21 3"], side: Side
) -> Float[np.ndarray, "T 21 3"]:
    """Keypoints from the wrist in the hand's own axes [m], as dex-retargeting's detector has them.

    +z points from the wrist to the middle knuckle, +y in the plane of these two and the index
    knuckle to the side of the thumb (of a left hand, away from it), +x out of the palm. It is the
    palm frame but for the plane, which there is that of the index and little finger's knuckles.

    Raises:
        InputError: wrist, index and middle knuckle are on one line.
    """
    local = keypoints - keypoints[:, [WRIST]]
    index, middle = local[:, CHAINS["index"][0]], local[:, CHAINS["middle"][0]]
    normal = np.cross(index, middle) * (1.0 if side == "right" else -1.0)
    length, area = (np.linalg.norm(v, axis=1, keepdims=True) for v in (middle, normal))
    bad = np.flatnonzero(area <= 1e-6 * length**2)
    if len(bad):
        raise InputError(
            f"keypoints[{bad[0]}]: wrist, index and middle knuckle on one line, expected a palm."
        )
    z, x = middle / length, normal / area
    return local @ np.stack([x, np.cross(z, x), z], axis=2)
