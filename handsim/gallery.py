"""Pictures of hands: one from two sides, its frames to check, and the whole catalogue."""

from collections.abc import Iterable, Sequence
from itertools import pairwise
from pathlib import Path

import mujoco
import numpy as np
from jaxtyping import Float, UInt8
from PIL import Image, ImageDraw, ImageFont

from handsim.hands.catalog import hand_card, hand_names, load_hand
from handsim.hands.couplings import spools
from handsim.hands.robot_hand import FINGERS, RobotHand
from handsim.hands.skeleton import surface
from handsim.poses import IDENTITY_POSE
from handsim.postures import natural, pinch
from handsim.render import Renderer, Segment, write_png
from handsim.scene import Scene, build_scene
from handsim.window import viewer_module

Picture = UInt8[np.ndarray, "_ _ 3"]

COLOURS = {
    "thumb": (0.84, 0.37, 0.30, 1.0),
    "index": (0.93, 0.62, 0.26, 1.0),
    "middle": (0.38, 0.65, 0.42, 1.0),
    "ring": (0.29, 0.55, 0.75, 1.0),
    "pinky": (0.56, 0.44, 0.70, 1.0),
}
AXES = ((0.80, 0.22, 0.20, 1.0), (0.25, 0.60, 0.28, 1.0), (0.20, 0.38, 0.75, 1.0))
"""Colours of x, y and z."""
_POINTS = ("cmc", "mcp", "pip", "ip", "dip", "tip")
_FRONT, _OBLIQUE, _ASIDE = 20.0, 50.0, 80.0
"""How far views are turned towards the thumb, a hand's two and between them a pinch's [degrees]."""
_ELEVATION, _FOVY = -8.0, 30.0
_MARGIN = 1.06
"""Distance of a camera relative to one whose picture a hand just fills."""
_GLASS = 0.4
"""Opacity of a hand whose frames are drawn."""
_INK, _FAINT, _PAPER = (55, 60, 66), (120, 126, 133), (240, 242, 244)


def draw_hand(
    hand: RobotHand,
    qpos: Float[np.ndarray, " nq"] | None = None,
    size: int = 480,
    frames: bool = False,
) -> Picture:
    """A hand from the front and from the thumb's side, next to each other.

    Args:
        hand: the hand.
        qpos: its configuration [rad]; None for the natural one.
        size: height and half the width of the picture [px].
        frames: whether to draw fingers, tips and the palm frame over it.

    Raises:
        MissingExtraError: nothing can render here.
    """
    scene = _scene(hand)
    segments = frame_segments(hand, qpos) if frames else []
    if frames:
        scene.model.geom_rgba[:, 3] = scene.model.mat_rgba[:, 3] = _GLASS
    data = _placed(scene, qpos)
    return _side_by_side(scene, size, [(data, _FRONT), (data, _ASIDE)], segments)


def frame_segments(hand: RobotHand, qpos: Float[np.ndarray, " nq"] | None = None) -> list[Segment]:
    """What to draw a hand's frames with, in its palm frame.

    The axes x, y, z are red, green and blue, fingers have their colours, pads' normals are red.
    """
    pose = hand.pose(natural(hand) if qpos is None else qpos)
    points = dict(zip(hand.point_names, pose.points, strict=True))
    origin = np.zeros(3)
    drawn = [Segment(origin, 0.04 * np.eye(3)[i], 0.0018, AXES[i]) for i in range(3)]
    for finger, normal in zip(hand.fingers, pose.tip_normals, strict=True):
        chain = [points[n] for p in _POINTS if (n := f"{finger}_{p}") in points]
        colour = COLOURS[finger]
        drawn += [Segment(a, b, 0.0016, colour) for a, b in pairwise([origin, *chain])]
        drawn += [Segment(p, p, 0.0035, colour) for p in chain[:-1]]
        drawn.append(Segment(chain[-1], chain[-1], 0.006, colour))
        drawn.append(Segment(chain[-1], chain[-1] + 0.018 * normal, 0.0014, AXES[0]))
    return drawn


def show(hand: RobotHand, path: str | Path | None = None) -> Path | None:
    """Write a picture of a hand at ease, or open the interactive viewer when `path` is None.

    Args:
        hand: the hand.
        path: the PNG file; None opens a window, and returns when it is closed.

    Returns:
        The file written, or None.

    Raises:
        MissingExtraError: nothing can render here, or there is no display for a window.
        OutputError: `path` cannot be written or does not end in .png.
    """
    if path is None:
        _open_viewer(hand)
        return None
    label = f"{hand.name}, {hand.side}"
    joints = hand.nq - len(spools(hand.model))
    counts = f"{joints} joints, {len(hand.independent)} free, {hand.nu} actuators"
    write_png(path, captioned(draw_hand(hand), label, counts))
    return Path(path)


def show_frames(hand: RobotHand, path: str | Path) -> Path:
    """Write a picture to check a hand by: palm frame, fingers by colour, tips, pad normals.

    Raises:
        MissingExtraError: nothing can render here.
        OutputError: `path` cannot be written or does not end in .png.
    """
    picture = captioned(
        draw_hand(hand, size=640, frames=True),
        f"{hand.name}, {hand.side}: palm x red, y green, z blue; pads' normals red",
        "",
    )
    write_png(path, _with_legend(picture, hand.fingers))
    return Path(path)


def draw_gallery(
    names: Sequence[str] | None = None, side: str = "right", columns: int = 3, height: int = 300
) -> Picture:
    """All hands of the catalogue at ease and in a pinch, in a labelled grid.

    Args:
        names: which hands; None for all.
        side: which side of them.
        columns: hands in a row.
        height: of one hand's picture [px].

    Raises:
        UnknownNameError: there is no such hand.
        MissingExtraError: nothing can render here.
    """
    cells = [_cell(name, side, height) for name in names or hand_names()]
    blank = np.full_like(cells[0], _PAPER)
    cells += [blank] * (-len(cells) % columns)
    rows = [np.concatenate(cells[i : i + columns], axis=1) for i in range(0, len(cells), columns)]
    return np.concatenate(rows, axis=0)


def write_gallery(
    path: str | Path, names: Sequence[str] | None = None, side: str = "right"
) -> Path:
    """Write `draw_gallery` as a PNG file.

    Raises:
        UnknownNameError: there is no such hand.
        MissingExtraError: nothing can render here.
        OutputError: `path` cannot be written or does not end in .png.
    """
    write_png(path, draw_gallery(names, side))
    return Path(path)


def captioned(picture: Picture, title: str, subtitle: str) -> Picture:
    """`picture` with one line of text above it."""
    bar = Image.new("RGB", (picture.shape[1], 34), _PAPER)
    pen = ImageDraw.Draw(bar)
    font, small = ImageFont.load_default(17), ImageFont.load_default(14)
    pen.text((12, 7), title, _INK, font)
    pen.text((24 + pen.textlength(title, font), 10), subtitle, _FAINT, small)
    return np.concatenate([np.asarray(bar), picture])


def _cell(name: str, side: str, height: int) -> Picture:
    hand, card = load_hand(name, side), hand_card(name)
    scene = _scene(hand)
    views = [(_placed(scene, natural(hand)), _FRONT), (_placed(scene, pinch(hand)), _OBLIQUE)]
    return captioned(_side_by_side(scene, height, views), card["title"], card["maker"])


def _placed(scene: Scene, qpos: Float[np.ndarray, " nq"] | None) -> mujoco.MjData:
    """A state of a scene with the palm frame, at this configuration, in the world's."""
    data = mujoco.MjData(scene.model)
    scene.place(data, natural(scene.hand) if qpos is None else qpos, IDENTITY_POSE)
    return data


def _scene(hand: RobotHand) -> Scene:
    scene = build_scene(hand)
    scene.model.vis.global_.fovy = _FOVY
    return scene


def _side_by_side(
    scene: Scene,
    size: int,
    views: Sequence[tuple[mujoco.MjData, float]],
    segments: Sequence[Segment] = (),
) -> Picture:
    """Square pictures of states from cameras turned so far towards the thumb, all of one scale."""
    cameras = [framing_camera(scene, data, turn) for data, turn in views]
    farthest = max(camera.distance for camera in cameras)
    pictures = []
    with Renderer(scene.model, size, size, pretty=True) as renderer:
        for (data, _), camera in zip(views, cameras, strict=True):
            camera.distance = farthest
            pictures.append(renderer.render(data, camera, segments))
    return np.concatenate(pictures, axis=1)


def framing_camera(scene: Scene, data: mujoco.MjData, turn: float) -> mujoco.MjvCamera:
    """A camera in front of a hand whose picture the hand just fills, wrist and forearm included.

    Args:
        scene: a scene without ground whose palm frame is the world's.
        data: its state.
        turn: how far from the front the camera is turned towards the thumb [degrees].
    """
    camera = mujoco.MjvCamera()
    camera.azimuth = 180.0 + (turn if scene.hand.side == "right" else -turn)
    camera.elevation = _ELEVATION
    azimuth, elevation = np.radians([camera.azimuth, camera.elevation])
    right = np.array([np.sin(azimuth), -np.cos(azimuth), 0.0])
    ahead = np.cos(elevation) * np.array([np.cos(azimuth), np.sin(azimuth), np.tan(elevation)])
    axes = np.stack([right, np.cross(right, ahead), ahead])
    seen = _outline(scene, data) @ axes.T
    centre = (seen.min(axis=0) + seen.max(axis=0)) / 2
    slope = np.tan(np.radians(scene.model.vis.global_.fovy / 2))
    across = np.abs(seen - centre)[:, :2].max(axis=1) / slope
    camera.lookat[:] = centre @ axes
    camera.distance = _MARGIN * (across - (seen - centre)[:, 2]).max()
    return camera


def _outline(scene: Scene, data: mujoco.MjData) -> Float[np.ndarray, "n 3"]:
    """Points on all shapes of a hand, and its sites: meshes that are missing have no shape."""
    shapes = [surface(scene.model, data, geom) for geom in range(scene.model.ngeom)]
    return np.concatenate([data.site_xpos, *shapes])


def _with_legend(picture: Picture, fingers: Iterable[str]) -> Picture:
    bar = Image.new("RGB", (picture.shape[1], 30), _PAPER)
    pen, font = ImageDraw.Draw(bar), ImageFont.load_default(15)
    left = 12.0
    for finger in [f for f in FINGERS if f in fingers]:
        colour = tuple(int(255 * c) for c in COLOURS[finger][:3])
        pen.ellipse((left, 8, left + 13, 21), fill=colour)
        pen.text((left + 19, 5), finger, _INK, font)
        left += 43 + pen.textlength(finger, font)
    return np.concatenate([picture, np.asarray(bar)])


def _open_viewer(hand: RobotHand) -> None:
    viewer = viewer_module("give the name of a PNG file instead")
    scene = build_scene(hand)
    viewer.launch(scene.model, _placed(scene, None))
