"""What a scene looks like: background, lights, cameras, ground; no physics."""

import mujoco
import numpy as np
from jaxtyping import Float
from scipy.spatial.transform import Rotation

from handsim.hands.robot_hand import PALM_SITE, RobotHand

CAMERAS = ("front", "wrist", "top")
HUMAN_SPHERE = (np.array([0.025, 0.015, 0.095]), 0.125)
"""Centre, in the palm frame, and radius [m] of a sphere around an adult's hand."""
ROOM_RADIUS = 0.22
"""Radius of what the cameras in a room frame [m], above the middle of the table."""
_FOVY, _WRIST_FOVY = 30.0, 72.0


def build_stage(side: str) -> mujoco.MjModel:
    """The look and the cameras of a scene without a robot, to draw a human hand in.

    Args:
        side: whose thumb the cameras are to see.
    """
    spec = mujoco.MjSpec()
    spec.compiler.degree = False
    set_look(spec)
    add_cameras(spec.worldbody.add_body(), side, *HUMAN_SPHERE, margin=1.15)
    return spec.compile()


def set_look(spec: mujoco.MjSpec) -> None:
    """A light, even background, and light enough from the viewer's side to need no shadows."""
    spec.add_texture(
        name="scene/sky",
        type=mujoco.mjtTexture.mjTEXTURE_SKYBOX,
        builtin=mujoco.mjtBuiltin.mjBUILTIN_GRADIENT,
        rgb1=[0.97, 0.975, 0.98],
        rgb2=[0.84, 0.865, 0.89],
        width=256,
        height=1536,
    )
    headlight = spec.visual.headlight
    headlight.ambient, headlight.diffuse, headlight.specular = [0.4] * 3, [0.3] * 3, [0.1] * 3
    spec.visual.quality.offsamples = 0
    spec.visual.quality.shadowsize = 4096
    spec.visual.map.znear = 0.02
    spec.stat.extent = 0.5


def add_ground_material(spec: mujoco.MjSpec) -> str:
    """Add a pale checkered material; returns its name."""
    spec.add_texture(
        name="ground",
        type=mujoco.mjtTexture.mjTEXTURE_2D,
        builtin=mujoco.mjtBuiltin.mjBUILTIN_CHECKER,
        mark=mujoco.mjtMark.mjMARK_NONE,
        rgb1=[0.93, 0.94, 0.95],
        rgb2=[0.87, 0.885, 0.90],
        width=256,
        height=256,
    )
    material = spec.add_material(name="ground", texrepeat=[10, 10], texuniform=True)
    material.textures[mujoco.mjtTextureRole.mjTEXROLE_RGB] = "ground"
    return "ground"


def add_cameras(
    wrist: mujoco.MjsBody,
    side: str,
    centre: Float[np.ndarray, " 3"],
    radius: float,
    margin: float,
    room: bool = False,
) -> None:
    """Hang the cameras `CAMERAS` and a light on the body whose frame is the palm frame.

    Args:
        wrist: the body.
        side: which hand; its thumb is a little nearer to "front".
        centre, radius: what is looked at, in the palm frame [m]; see `bounding_sphere`.
        margin: distance of "front" and "top" relative to one that just frames it.
        room: whether "front", "top" and the light stand in a room instead, see `add_room`.
    """
    eye = centre + _framing(radius, _WRIST_FOVY) * np.array([0.65, 0.0, -0.76])
    quat = _looking(eye, centre, [1, 0, 0])
    wrist.add_camera(name="wrist", pos=eye, quat=quat, fovy=_WRIST_FOVY)
    if room:
        return
    thumb = 1.0 if side == "right" else -1.0
    distance = margin * _framing(radius, _FOVY)
    front, top = np.array([1.0, 0.35 * thumb, 0.2]), np.array([0.5, 0.25 * thumb, 1.0])
    track = mujoco.mjtCamLight.mjCAMLIGHT_TRACK
    for name, way, up in (("front", front, [0, 0, 1]), ("top", top, [1, 0, 0])):
        eye = centre + distance * way / np.linalg.norm(way)
        wrist.add_camera(name=name, mode=track, pos=eye, quat=_looking(eye, centre, up), fovy=_FOVY)
    sun = wrist.add_light(name="sun", mode=track, type=mujoco.mjtLightType.mjLIGHT_DIRECTIONAL)
    sun.dir = np.array([-0.5, -0.35 * thumb, -0.8])
    sun.pos = centre - 4 * radius * sun.dir
    sun.diffuse, sun.specular = [0.35] * 3, [0.15] * 3


def add_room(spec: mujoco.MjSpec, height: float) -> None:
    """The cameras "front" and "top" and a light over a table whose top is at `height` [m]."""
    centre = np.array([0.0, 0.0, height + 0.12])
    views = {"front": ([1.0, 0.35, 0.35], [0, 0, 1]), "top": ([0.25, 0.0, 1.0], [-1, 0, 0])}
    for name, (way, up) in views.items():
        eye = centre + _framing(ROOM_RADIUS, _FOVY) * np.array(way) / np.linalg.norm(way)
        spec.worldbody.add_camera(name=name, pos=eye, quat=_looking(eye, centre, up), fovy=_FOVY)
    sun = spec.worldbody.add_light(name="sun", type=mujoco.mjtLightType.mjLIGHT_DIRECTIONAL)
    sun.pos, sun.dir = centre + np.array([1.0, 0.7, 1.6]), np.array([-0.5, -0.35, -0.8])
    sun.diffuse, sun.specular = [0.35] * 3, [0.15] * 3


def _framing(radius: float, fovy: float) -> float:
    """From how far a camera with field of view `fovy` [degrees] just sees a whole sphere."""
    return float(radius / np.sin(np.radians(fovy / 2)))


def bounding_sphere(hand: RobotHand) -> tuple[Float[np.ndarray, " 3"], float]:
    """A sphere around the palm and fingers at rest, in the palm frame [m].

    The hand's points belong to it: a hand whose meshes are missing has no shape but those.
    """
    model = hand.model
    data = mujoco.MjData(model)
    data.qpos[:] = hand.neutral
    mujoco.mj_kinematics(model, data)
    palm = data.site(PALM_SITE)
    below = _descendants(model, model.body(hand.palm_body).id)
    geoms = [g for g in range(model.ngeom) if int(model.geom_bodyid[g]) in below]
    centres = (data.geom_xpos[geoms] - palm.xpos) @ palm.xmat.reshape(3, 3)
    points = np.concatenate([np.zeros((1, 3)), hand.points(hand.neutral[None])[0]])
    centres = np.concatenate([centres, points])
    reach = np.concatenate([model.geom_rbound[geoms], np.zeros(len(points))])
    corners = [(centres - reach[:, None]).min(axis=0), (centres + reach[:, None]).max(axis=0)]
    centre = np.mean(corners, axis=0)
    return centre, float((np.linalg.norm(centres - centre, axis=1) + reach).max())


def _descendants(model: mujoco.MjModel, top: int) -> set[int]:
    """Ids of `top` and of all bodies it carries; MuJoCo numbers parents before children."""
    found = {top}
    for body in range(top + 1, model.nbody):
        if int(model.body_parentid[body]) in found:
            found.add(body)
    return found


def _looking(
    eye: Float[np.ndarray, " 3"], at: Float[np.ndarray, " 3"], up: list[int]
) -> Float[np.ndarray, " 4"]:
    """Quaternion of a camera (it looks along −z, y up) at `eye` that looks at `at`."""
    back = (eye - at) / np.linalg.norm(eye - at)
    right = np.cross(up, back)
    right /= np.linalg.norm(right)
    axes = np.stack([right, np.cross(back, right), back], axis=1)
    return Rotation.from_matrix(axes).as_quat(scalar_first=True)
