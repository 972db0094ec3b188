"""Pictures of a person's hand beside the robot hands that follow it, all in their palm frames."""

from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from itertools import pairwise

import mujoco
import numpy as np
from jaxtyping import Float
from PIL import Image, ImageDraw, ImageFont

from handsim.gallery import COLOURS, Picture
from handsim.hands.robot_hand import RobotHand
from handsim.poses import IDENTITY_POSE
from handsim.render import Renderer, Segment
from handsim.scene import Scene, build_scene
from handsim.stage import build_stage
from retarget.human.keypoints import CHAINS

KNUCKLES = [CHAINS[finger][0] for finger in ("index", "middle", "ring", "pinky")]
PALM_COLOUR = (0.62, 0.64, 0.67, 1.0)
BONE, BALL = 0.0045, 0.0062
"""Radii [m] a finger's bones and joints are drawn with."""
INK = (55, 60, 66)


class Film:
    """Renders frames of one motion: the person first, then each robot hand, side by side.

    A context manager, since rendering holds graphics memory.

    Args:
        keypoints: the person's, in the palm frame [m]; NaN where not seen.
        side: which hand.
        hands: what to show beside: title → (hand, its qpos (T, nq) [rad]).
        height: of a frame [px]; each panel is three quarters as wide as it is high.

    Raises:
        MissingExtraError: nothing can render here.
    """

    def __init__(
        self,
        keypoints: Float[np.ndarray, "T 21 3"],
        side: str,
        hands: Mapping[str, tuple[RobotHand, Float[np.ndarray, "T nq"]]],
        height: int = 320,
    ):
        self._keypoints = keypoints
        self._size = (height * 3 // 4 // 2 * 2, height)
        self._stack = ExitStack()
        self._person = self._renderer(build_stage(side))
        self._stage = mujoco.MjData(self._person.model)
        mujoco.mj_forward(self._person.model, self._stage)
        self._robots = [(title, *self._robot(*shown)) for title, shown in hands.items()]

    def __enter__(self) -> "Film":
        return self

    def __exit__(self, *exception: object) -> None:
        self._stack.close()

    def panels(self, t: int, caption: str = "") -> list[Picture]:
        """The pictures of frame `t`, titled; `caption` stands under the person."""
        person = self._person.render(self._stage, "front", bones(self._keypoints[t]))
        panels = [_titled(person, "human", caption)]
        for title, renderer, scene, data, qpos in self._robots:
            scene.place(data, qpos[t], IDENTITY_POSE)
            mujoco.mj_forward(scene.model, data)
            panels.append(_titled(renderer.render(data, "front"), title))
        return panels

    def frames(self, captions: list[str]) -> Iterator[Picture]:
        """All frames in order, panels side by side, each with its caption."""
        for t, caption in enumerate(captions):
            yield np.concatenate(self.panels(t, caption), axis=1)

    def contact_sheet(self, chosen: Mapping[int, str]) -> Picture:
        """Frames (index → caption) as columns, panels below each other."""
        columns = [np.concatenate(self.panels(t, c), axis=0) for t, c in chosen.items()]
        return np.concatenate(columns, axis=1)

    def _renderer(self, model: mujoco.MjModel) -> Renderer:
        return self._stack.enter_context(Renderer(model, *self._size))

    def _robot(
        self, hand: RobotHand, qpos: Float[np.ndarray, "T nq"]
    ) -> tuple[Renderer, Scene, mujoco.MjData, Float[np.ndarray, "T nq"]]:
        scene = build_scene(hand, self_collision=False, margin=1.2)
        return self._renderer(scene.model), scene, mujoco.MjData(scene.model), qpos


def bones(keypoints: Float[np.ndarray, "21 3"]) -> list[Segment]:
    """Capsules and balls that draw one hand's keypoints [m]; none where they are NaN."""
    if not np.isfinite(keypoints).all():
        return []
    segments = [
        Segment(keypoints[0], keypoints[knuckle], 1.3 * BONE, PALM_COLOUR) for knuckle in KNUCKLES
    ]
    segments += [
        Segment(keypoints[a], keypoints[b], 1.3 * BONE, PALM_COLOUR) for a, b in pairwise(KNUCKLES)
    ]
    for finger, chain in CHAINS.items():
        joints = (0, *chain) if finger == "thumb" else chain
        for a, b in pairwise(joints):
            segments.append(Segment(keypoints[a], keypoints[b], BONE, COLOURS[finger]))
        segments += [Segment(keypoints[j], keypoints[j], BALL, COLOURS[finger]) for j in chain]
    return segments


def _titled(picture: Picture, title: str, caption: str = "") -> Picture:
    image = Image.fromarray(picture)
    draw = ImageDraw.Draw(image)
    width, height = image.size
    font = ImageFont.load_default(size=max(11, height // 22))
    draw.text((width / 2, height * 0.03), title, fill=INK, font=font, anchor="ma")
    draw.text((width / 2, height * 0.97), caption, fill=INK, font=font, anchor="ms")
    return np.asarray(image)
