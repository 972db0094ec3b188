"""A hand's colliding surface as capsules, for smooth distances between its links.

A sphere or capsule is itself; a cylinder is the capsule inside it; a box, and the bounding box of
any other shape, is filled by parallel capsules as thick as its thinnest side, no farther apart
than their radius, and by thin ones along its four long edges. What the palm does not carry (a
forearm) is left out.
"""

from itertools import product
from typing import NamedTuple
from weakref import WeakKeyDictionary

import mujoco
import numpy as np
from jaxtyping import Bool, Float, Int

from handsim.errors import InputError
from handsim.hands.kinematic_tree import BodyPoint, KinematicTree
from handsim.hands.robot_hand import RobotHand

NEVER = 0.01
"""Pairs that stay farther apart than this [m] in all sampled poses are left out."""
TOUCHING = -0.001
"""Pairs that overlap by more [m] at the neutral pose overlap by construction: left out."""
EDGE = 0.3
"""Radius of the capsules along a box's edges, as a share of its thinnest half; the edge itself
sticks out by 41 % of that radius."""
_SAMPLES = 1000


class Capsule(NamedTuple):
    """A segment fixed to a body, with a radius: `start` and `end` in the body's frame [m]."""

    geom: int
    body: int
    start: Float[np.ndarray, " 3"]
    end: Float[np.ndarray, " 3"]
    radius: float


class Surface(NamedTuple):
    """A hand's capsules with their kinematics.

    Attributes:
        tree: its points are the hand's own, then both ends of each capsule.
        tips: the capsules of each finger's last link, the one nearest the fingertip first.
        ends: positions among the tree's points of each capsule's ends.
        radius: of each capsule [m].
        geom: the model's geom each capsule stands for.
        pairs: the capsules that may touch but must not overlap.
    """

    tree: KinematicTree
    tips: tuple[tuple[int, ...], ...]
    ends: Int[np.ndarray, "C 2"]
    radius: Float[np.ndarray, " C"]
    geom: Int[np.ndarray, " C"]
    pairs: Int[np.ndarray, "K 2"]


_made: WeakKeyDictionary[RobotHand, Surface] = WeakKeyDictionary()


def surface(hand: RobotHand) -> Surface:
    """The capsules of a hand and the pairs of them that can meet; worked out once a hand.

    Raises:
        InputError: a fingertip has no colliding geom.
    """
    if hand not in _made:
        _made[hand] = _surface(hand)
    return _made[hand]


def _surface(hand: RobotHand) -> Surface:
    capsules = capsules_of(hand)
    tree = hand.kinematics(
        [BodyPoint(c.body, place) for c in capsules for place in (c.start, c.end)]
    )
    ends = len(hand.point_names) + np.arange(2 * len(capsules)).reshape(-1, 2)
    radius = np.array([capsule.radius for capsule in capsules])
    return Surface(
        tree=tree,
        tips=tuple(_last_link(hand, capsules, finger) for finger in hand.fingers),
        ends=ends,
        radius=radius,
        geom=np.array([capsule.geom for capsule in capsules]),
        pairs=_meeting(hand, tree, ends, radius, _allowed(hand.model, capsules)),
    )


def segment_distance(
    a: Float[np.ndarray, "*N K 2 3"], b: Float[np.ndarray, "*N K 2 3"]
) -> Float[np.ndarray, "*N K"]:
    """Shortest distance between segments given by their ends [m].

    The nearest points are at the ends of one of them or inside both; the smallest of the five
    candidates is the distance (Ericson, Real-Time Collision Detection, 5.1.9).
    """
    u, v, w = a[..., 1, :] - a[..., 0, :], b[..., 1, :] - b[..., 0, :], a[..., 0, :] - b[..., 0, :]
    uu, vv, uv = (u * u).sum(-1), (v * v).sum(-1), (u * v).sum(-1)
    uw, vw = (u * w).sum(-1), (v * w).sum(-1)
    skew = uu * vv - uv * uv
    s = np.clip((uv * vw - vv * uw) / np.where(skew > 1e-18, skew, 1.0), 0.0, 1.0)
    t = np.clip((uv * s + vw) / np.maximum(vv, 1e-18), 0.0, 1.0)
    s = np.clip((uv * t - uw) / np.maximum(uu, 1e-18), 0.0, 1.0)
    inner = np.linalg.norm(w + s[..., None] * u - t[..., None] * v, axis=-1)
    return np.minimum(
        inner,
        np.minimum.reduce(
            [_point_distance(a[..., i, :], b) for i in range(2)]
            + [_point_distance(b[..., i, :], a) for i in range(2)]
        ),
    )


def tip_body(model: mujoco.MjModel, finger: str) -> int:
    """The body that carries the fingertip's site, or its closest ancestor with colliding geoms.

    Raises:
        InputError: there is none.
    """
    body = touching_body(model, finger)
    if not colliding(model, body):
        raise InputError(f"Finger {finger!r} has no colliding geom; expected one on its last link.")
    return body


def touching_body(model: mujoco.MjModel, finger: str) -> int:
    """What `tip_body` finds, or the site's own body where nothing of the finger can touch."""
    own = body = int(model.site_bodyid[model.site(f"{finger}_tip").id])
    while body and not colliding(model, body):
        body = int(model.body_parentid[body])
    return body or own


def colliding(model: mujoco.MjModel, body: int) -> list[int]:
    """The geoms of a body that can touch something."""
    first = int(model.body_geomadr[body])
    geoms = range(first, first + int(model.body_geomnum[body]))
    return [g for g in geoms if model.geom_contype[g] or model.geom_conaffinity[g]]


def _point_distance(point: np.ndarray, segment: np.ndarray) -> np.ndarray:
    start, along = segment[..., 0, :], segment[..., 1, :] - segment[..., 0, :]
    share = ((point - start) * along).sum(-1) / np.maximum((along * along).sum(-1), 1e-18)
    nearest = start + np.clip(share, 0.0, 1.0)[..., None] * along
    return np.linalg.norm(point - nearest, axis=-1)


def capsules_of(hand: RobotHand) -> list[Capsule]:
    """The capsules of all bodies that the palm carries."""
    model, carried = hand.model, {hand.model.body(hand.palm_body).id}
    for body in range(min(carried) + 1, model.nbody):
        if int(model.body_parentid[body]) in carried:
            carried.add(body)
    return [
        capsule
        for body in sorted(carried)
        for geom in colliding(model, body)
        for capsule in _fill(model, geom)
    ]


def _fill(model: mujoco.MjModel, geom: int) -> list[Capsule]:
    """The capsules of one geom, in its body's frame."""
    kind, size = int(model.geom_type[geom]), model.geom_size[geom]
    rotation = np.zeros(9)
    mujoco.mju_quat2Mat(rotation, model.geom_quat[geom])
    axes, centre = rotation.reshape(3, 3).T, model.geom_pos[geom].copy()
    body = int(model.geom_bodyid[geom])
    if kind == int(mujoco.mjtGeom.mjGEOM_SPHERE):
        return [Capsule(geom, body, centre, centre, float(size[0]))]
    if kind in (int(mujoco.mjtGeom.mjGEOM_CAPSULE), int(mujoco.mjtGeom.mjGEOM_CYLINDER)):
        inside = kind == int(mujoco.mjtGeom.mjGEOM_CYLINDER)
        half = max(size[1] - (size[0] if inside else 0.0), 0.0) * axes[2]
        return [Capsule(geom, body, centre - half, centre + half, float(size[0]))]
    box_centre, half_sizes = model.geom_aabb[geom, :3], model.geom_aabb[geom, 3:]
    centre = centre + box_centre @ axes
    return [
        Capsule(geom, body, centre + start @ axes, centre + end @ axes, radius)
        for start, end, radius in [*_core(half_sizes), *_edges(half_sizes)]
    ]


def _core(half: Float[np.ndarray, " 3"]) -> list[tuple[np.ndarray, np.ndarray, float]]:
    """Start, end and radius of the parallel capsules, as thick as a box, that fill it."""
    thin, middle, long = np.argsort(half, kind="stable")
    radius, unit = float(half[thin]), np.eye(3)
    spread, along = half[middle] - radius, (half[long] - radius) * unit[long]
    count = 1 + int(np.ceil(2 * spread / radius - 1e-9))
    offsets = np.linspace(-spread, spread, count) if count > 1 else np.zeros(1)
    return [(o * unit[middle] - along, o * unit[middle] + along, radius) for o in offsets]


def _edges(half: Float[np.ndarray, " 3"]) -> list[tuple[np.ndarray, np.ndarray, float]]:
    """Start, end and radius of thin capsules inside the edges of a box."""
    radius = EDGE * float(half.min())
    corners = [np.array(signs) * (half - radius) for signs in product((-1.0, 1.0), repeat=3)]
    return [
        (a, b, radius)
        for i, a in enumerate(corners)
        for b in corners[i + 1 :]
        if np.count_nonzero(a != b) == 1
    ]


def _last_link(hand: RobotHand, capsules: list[Capsule], finger: str) -> tuple[int, ...]:
    """The capsules of a finger's last link, by the distance of their surfaces from the fingertip.

    Where the tip is on another body, at rest.
    """
    body = tip_body(hand.model, finger)
    data = mujoco.MjData(hand.model)
    data.qpos[:] = hand.neutral
    mujoco.mj_kinematics(hand.model, data)
    carrier, tip = data.body(body), data.site(f"{finger}_tip").xpos
    place = (tip - carrier.xpos) @ carrier.xmat.reshape(3, 3)
    found = {
        i: _point_distance(place[None], np.stack([c.start, c.end])[None])[0] - c.radius
        for i, c in enumerate(capsules)
        if c.body == body
    }
    return tuple(sorted(found, key=lambda i: found[i]))


def _allowed(model: mujoco.MjModel, capsules: list[Capsule]) -> list[tuple[int, int]]:
    """Pairs of capsules that the model lets collide: not neighbours, not excluded."""
    excluded = {(int(s) >> 16, int(s) & 0xFFFF) for s in model.exclude_signature}
    weld, up = model.body_weldid, model.body_parentid
    pairs = []
    for i, a in enumerate(capsules):
        for j, b in enumerate(capsules[:i]):
            bodies = (min(a.body, b.body), max(a.body, b.body))
            neighbours = {int(weld[a.body]), int(weld[up[weld[a.body]]])} & {int(weld[b.body])} or {
                int(weld[up[weld[b.body]]])
            } & {int(weld[a.body])}
            meet = (model.geom_contype[a.geom] & model.geom_conaffinity[b.geom]) or (
                model.geom_contype[b.geom] & model.geom_conaffinity[a.geom]
            )
            if meet and not neighbours and bodies not in excluded:
                pairs.append((j, i))
    return pairs


def _meeting(
    hand: RobotHand,
    tree: KinematicTree,
    ends: Int[np.ndarray, "C 2"],
    radius: Float[np.ndarray, " C"],
    pairs: list[tuple[int, int]],
) -> Int[np.ndarray, "K 2"]:
    """The pairs that come near each other somewhere and are apart at the neutral pose."""
    chosen = np.array(pairs, dtype=np.int64).reshape(-1, 2)
    low, high = hand.limits[hand.independent_ids].T
    samples = np.random.default_rng(0).uniform(low, high, size=(_SAMPLES, len(low)))
    qpos = np.vstack([hand.neutral, hand.expand(samples)])
    segments = tree.points(qpos)[:, ends]
    both = radius[chosen].sum(axis=1)
    at_rest = segment_distance(segments[0, chosen[:, 0]], segments[0, chosen[:, 1]])
    return chosen[_near(segments[1:], chosen, both) & (at_rest - both > TOUCHING)]


def _near(
    segments: Float[np.ndarray, "N C 2 3"],
    pairs: Int[np.ndarray, "K 2"],
    both: Float[np.ndarray, " K"],
) -> Bool[np.ndarray, " K"]:
    """Which pairs of capsules come nearer than `NEVER` in one of the poses.

    A pair whose middles are too far apart for that is not looked at, nor one found before.
    """
    middles = segments.mean(axis=2)
    half = np.linalg.norm(segments[0, :, 1] - segments[0, :, 0], axis=-1) / 2
    within = NEVER + both + half[pairs].sum(axis=1)
    near = np.zeros(len(pairs), dtype=bool)
    for part in np.array_split(np.arange(len(segments)), 20):
        left = np.flatnonzero(~near)
        first, second = pairs[left].T
        apart = np.linalg.norm(middles[part][:, first] - middles[part][:, second], axis=-1)
        pose, k = np.nonzero(apart < within[left])
        pose = part[pose]
        gaps = segment_distance(segments[pose, first[k]], segments[pose, second[k]])
        near[left[k[gaps - both[left[k]] < NEVER]]] = True
    return near
