"""Pictures of single episodes, and the contact sheet they make."""

from collections.abc import Iterable
from io import BytesIO
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from handsim.envs import HandEnv
from handsim.errors import MissingExtraError
from handsim.resimulation import remake
from handsim.rollout import Rollout

STRIP = "strip.png"
_FRAMES, _WIDTH, _HEIGHT, _INK = 6, 160, 160, (55, 60, 66)


def write_strip(folder: Path, rollout: Rollout) -> None:
    """Write a row of pictures of an episode, titled, into its result; none where none can be drawn.

    Raises:
        OSError: it cannot be written.
    """
    try:
        image = Image.fromarray(np.concatenate(_moments(rollout), axis=1))
    except MissingExtraError:
        return
    title = f"{rollout.hand} {rollout.side} · {rollout.task}"
    ImageDraw.Draw(image).text((4, 3), title, fill=_INK, font=ImageFont.load_default(size=11))
    image.save(folder / STRIP)


def _moments(rollout: Rollout) -> list[np.ndarray]:
    """The episode's states at even times, as its environment shows them."""
    env = remake(rollout, width=_WIDTH, height=_HEIGHT)
    scene = env.unwrapped
    assert isinstance(scene, HandEnv)
    try:
        shown = []
        scene.reset(seed=rollout.metadata["seed"])
        for frame in np.linspace(0, len(rollout), _FRAMES).astype(int):
            scene.set_state(rollout.states[frame])
            shown.append(scene.picture("front"))
        return shown
    finally:
        env.close()


def contact_sheet(results: Iterable[Path]) -> bytes:
    """The strips in results of episodes, below each other, as PNG; b"" where there are none."""
    places = (result / STRIP for result in results)
    strips = [np.asarray(Image.open(place)) for place in places if place.is_file()]
    if not strips:
        return b""
    stream = BytesIO()
    Image.fromarray(np.concatenate(strips)).save(stream, format="PNG")
    return stream.getvalue()
