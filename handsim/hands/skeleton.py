"""A hand's model at rest, measured: finger chains, the ways joints bend, where links end."""

import re
from typing import NamedTuple

import mujoco
import numpy as np
from jaxtyping import Float

from handsim.errors import InputError
from handsim.hands.actuation import sample_poses

TIP_INSET = 0.004
"""How far before the end of a link's shape its tip point is taken to lie [m].

Tip links of makers lie between 0 and 9 mm before it, half of them within 4 mm of this.
"""
DISTAL_RATIO = 0.8
"""Length of a last phalanx of no known shape, relative to the one before; people have 0.75–0.85."""
_LEAST_TIP = 0.005
"""A tip link closer to the last joint than this [m] is a frame of the link, not its tip."""
_PARALLEL = 0.8
"""Joints whose axes' cosine exceeds this bend the same way."""


class Chain(NamedTuple):
    """The joints from the palm to the last link of a finger, palm first, and that link."""

    joints: tuple[int, ...]
    link: int


class Tip(NamedTuple):
    """Where a finger ends.

    Attributes:
        body: the body that carries the point.
        pos: the point, in the world at rest [m].
        found: "link", "site" or "shape", what it was read from, or "guess".
    """

    body: int
    pos: Float[np.ndarray, " 3"]
    found: str


class Skeleton:
    """A compiled hand at its neutral configuration, in the world frame.

    Attributes:
        model: the hand.
        data: its state at rest.
        anchors, axes: of the joints, the axes turned so that positive bends towards the farther
            limit.
    """

    def __init__(self, model: mujoco.MjModel):
        self.model = model
        self.data = mujoco.MjData(model)
        self.data.qpos[:] = sample_poses(model, count=0)[0]
        mujoco.mj_forward(model, self.data)
        low, high = (model.jnt_range - self.data.qpos[:, None]).T
        self.anchors: np.ndarray = self.data.xanchor.copy()
        self.axes: np.ndarray = self.data.xaxis * np.where(high >= -low, 1.0, -1.0)[:, None]

    def place(self, body: int) -> Float[np.ndarray, " 3"]:
        """A body's origin."""
        return self.data.xpos[body].copy()

    def local(self, body: int, point: Float[np.ndarray, " 3"]) -> Float[np.ndarray, " 3"]:
        """A point in a body's frame."""
        return self.data.xmat[body].reshape(3, 3).T @ (point - self.data.xpos[body])

    def joints_of(self, body: int) -> list[int]:
        """The joints that move a body in its parent."""
        first = int(self.model.body_jntadr[body])
        return list(range(first, first + int(self.model.body_jntnum[body])))

    def path(self, body: int, top: int) -> tuple[int, ...]:
        """The joints between `top` and a body it carries, from `top` on."""
        joints: list[int] = []
        while body != top:
            if body == 0:
                return ()
            joints = self.joints_of(body) + joints
            body = int(self.model.body_parentid[body])
        return tuple(joints)

    def below(self, body: int, moving: bool) -> list[int]:
        """`body` and the bodies it carries: all, or only those no joint moves against it."""
        found = [body]
        for other in range(body + 1, self.model.nbody):
            held = moving or not self.joints_of(other)
            if held and int(self.model.body_parentid[other]) in found:
                found.append(other)
        return found

    def chains(self) -> tuple[int, list[Chain]]:
        """The palm body, the last that carries every chain of joints, and those of two or more.

        Of chains that share two joints, the links of one finger, the longest is kept.

        Raises:
            InputError: there are fewer than two.
        """
        moved = [b for b in range(1, self.model.nbody) if self.joints_of(b)]
        leaves = [b for b in moved if not any(o in moved for o in self.below(b, True)[1:])]
        palm = self._palm(leaves)
        chains: dict[tuple[int, ...], Chain] = {}
        for leaf in leaves:
            joints = self.path(leaf, palm)
            if len(joints) >= 2 and len(joints) > len(chains.get(joints[:2], Chain((), 0)).joints):
                chains[joints[:2]] = Chain(joints, leaf)
        if len(chains) < 2:
            name = self.model.body(palm).name
            raise InputError(
                f"Found {len(chains)} fingers on {name!r} among {self.model.njnt} joints, expected "
                "at least two chains of two joints or more."
            )
        return palm, list(chains.values())

    def _palm(self, leaves: list[int]) -> int:
        palm = 0
        while True:
            ways = {self._child_towards(palm, leaf) for leaf in leaves}
            if len(ways) != 1 or palm in leaves or None in ways:
                return palm
            palm = ways.pop() or 0

    def _child_towards(self, top: int, body: int) -> int | None:
        while body and int(self.model.body_parentid[body]) != top:
            body = int(self.model.body_parentid[body])
        return body or None

    def flexion(self, chain: Chain) -> list[int]:
        """The joints of a finger that bend it as its last one does, one for each anchor."""
        last = chain.joints[-1]
        bending: list[int] = []
        for joint in chain.joints:
            along = abs(self.axes[joint] @ self.axes[last]) > _PARALLEL
            step = self.anchors[joint] - self.anchors[bending[-1]] if bending else np.ones(3)
            if along and np.linalg.norm(step) > 1e-3:
                bending.append(joint)
        return bending

    def centred(self, joint: int, tip: Float[np.ndarray, " 3"]) -> Float[np.ndarray, " 3"]:
        """The point of a joint's axis in the plane of bending through the finger's tip."""
        axis = self.axes[joint]
        return self.anchors[joint] + ((tip - self.anchors[joint]) @ axis) * axis

    def tip(self, chain: Chain) -> Tip:
        """A link or site called a tip, else a point near the far end of the last link's shape."""
        held = self.below(chain.link, moving=False)
        anchor = self.anchors[chain.joints[-1]]
        named = [
            Tip(body, self.place(body), "link")
            for body in held[1:]
            if _TIP.search(self.model.body(body).name)
        ] + [
            Tip(int(self.model.site_bodyid[i]), self.data.site_xpos[i].copy(), "site")
            for i in range(self.model.nsite)
            if int(self.model.site_bodyid[i]) in held and _TIP.search(self.model.site(i).name)
        ]
        named = [t for t in named if np.linalg.norm(t.pos - anchor) > _LEAST_TIP]
        if named:
            return max(named, key=lambda t: float(np.linalg.norm(t.pos - anchor)))
        return self._end_of_shape(chain, held) or self._guessed_tip(chain)

    def _end_of_shape(self, chain: Chain, held: list[int]) -> Tip | None:
        geoms = [g for g in range(self.model.ngeom) if int(self.model.geom_bodyid[g]) in held]
        solid = self.model.geom_contype | self.model.geom_conaffinity
        geoms = [g for g in geoms if not solid[g]] or geoms
        if not geoms:
            return None
        joint = chain.joints[-1]
        points = np.concatenate([surface(self.model, self.data, g) for g in geoms])
        axis, anchor = self.axes[joint], self.anchors[joint]
        across = (points - anchor) @ axis
        middle = anchor + 0.5 * (across.min() + across.max()) * axis
        along = self._way_out(middle, axis, points)
        reach = ((points - middle) @ along).max()
        return Tip(chain.link, middle + max(reach - TIP_INSET, 0.5 * reach) * along, "shape")

    def _way_out(
        self, start: np.ndarray, axis: np.ndarray, points: np.ndarray
    ) -> Float[np.ndarray, " 3"]:
        """From a joint to the middle of the outer fifth of a shape, in the plane of bending."""
        flat = (points - start) - np.outer((points - start) @ axis, axis)
        way = flat.mean(axis=0)
        for _ in range(3):
            way /= np.linalg.norm(way)
            reach = flat @ way
            outer = flat[reach > 0.8 * reach.max()]
            side = np.cross(axis, way)
            spread = outer @ side
            way = 0.9 * reach.max() * way + 0.5 * (spread.min() + spread.max()) * side
        return way / np.linalg.norm(way)

    def _guessed_tip(self, chain: Chain) -> Tip:
        anchor = self.anchors[chain.joints[-1]]
        before = [
            way
            for joint in reversed(chain.joints[:-1])
            if np.linalg.norm(way := anchor - self.anchors[joint]) > _LEAST_TIP
        ]
        if not before:
            name = self.model.body(chain.link).name
            raise InputError(
                f"Body {name!r} has no shape and no link called a tip, and the joints before it "
                "lie in one place: nothing tells where this finger ends."
            )
        return Tip(chain.link, anchor + DISTAL_RATIO * before[0], "guess")


_TIP = re.compile("tip", re.IGNORECASE)


def surface(model: mujoco.MjModel, data: mujoco.MjData, geom: int) -> Float[np.ndarray, "n 3"]:
    """Points on a geom's surface in the world: a mesh's vertices, or a grid on a primitive."""
    rotation, centre = data.geom_xmat[geom].reshape(3, 3), data.geom_xpos[geom]
    kind, size = int(model.geom_type[geom]), model.geom_size[geom]
    if kind == int(mujoco.mjtGeom.mjGEOM_MESH):
        mesh = int(model.geom_dataid[geom])
        first = int(model.mesh_vertadr[mesh])
        points = model.mesh_vert[first : first + int(model.mesh_vertnum[mesh])].astype(np.float64)
    else:
        points = _primitive(kind, size)
    return centre + points @ rotation.T


def _primitive(kind: int, size: Float[np.ndarray, " 3"]) -> Float[np.ndarray, "n 3"]:
    turn, lift = np.meshgrid(np.linspace(0, 2 * np.pi, 24), np.linspace(-1, 1, 13) * np.pi / 2)
    ball = np.stack([np.cos(lift) * np.cos(turn), np.cos(lift) * np.sin(turn), np.sin(lift)], -1)
    ball = ball.reshape(-1, 3)
    geom = mujoco.mjtGeom
    if kind == int(geom.mjGEOM_BOX):
        return np.array(np.meshgrid(*[[-s, s] for s in size])).reshape(3, -1).T
    if kind == int(geom.mjGEOM_ELLIPSOID):
        return ball * size
    if kind == int(geom.mjGEOM_CAPSULE):
        return ball * size[0] + np.outer(np.sign(ball[:, 2]), [0, 0, size[1]])
    if kind == int(geom.mjGEOM_CYLINDER):
        rim = ball[np.abs(ball[:, 2]) < 1e-9] * size[0]
        lifted = np.array([0.0, 0.0, size[1]])
        return np.concatenate([rim + lifted, rim - lifted])
    return ball * size[0]
