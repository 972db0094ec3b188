"""The canonical frames of a hand, found from how it is built where nobody gives them.

A finger is a chain of two or more joints from the palm. Fingers bend towards their farther limit,
so the palm faces where the tips go; the thumb is the finger that is least like the others. What
the user says takes precedence over what is found, and what remains unsure is said.
"""

import mujoco
import numpy as np
from jaxtyping import Float
from scipy.spatial.transform import Rotation

from handsim.errors import InputError
from handsim.hands.frames import FrameHint, HandFrames, HandHints, Placement, require_names
from handsim.hands.naming import finger_said, in_order, names_of, odd_one_out, side_said
from handsim.hands.robot_hand import FINGERS, Side
from handsim.hands.skeleton import TIP_INSET, Chain, Skeleton, Tip

WRIST_TO_KNUCKLE = 0.095
"""Where the wrist is put behind the middle knuckle when no link marks it [m]; an adult's hand."""
_WRIST_RANGE = (0.04, 0.16)
"""How far behind the middle knuckle a link may be to pass for the wrist [m]."""
_WRIST_TILT = 0.45
"""How far off the fingers' direction, as a sine, such a link may be."""
_CLEAR_SIDE = 0.005
"""How far beside the fingers the thumb must sit to tell right from left [m]."""

_ONE_PLACE = 0.005
"""Joints closer than this [m] make one knuckle."""


def find_frames(
    model: mujoco.MjModel, hints: HandHints, stem: str = ""
) -> tuple[HandFrames, list[str]]:
    """All canonical frames of a hand, those that `hints` leaves open derived; and the doubts.

    Args:
        model: the hand alone.
        hints: what is known of it.
        stem: name of its file, which may name the side.

    Raises:
        UnknownNameError: `hints` names a body or joint that is not there.
        InputError: no hand is found.
    """
    require_names(hints, model)
    return _Search(model, hints, stem).frames()


class _Search:
    """One hand's frames, found step by step; `doubts` gathers what was unsure."""

    def __init__(self, model: mujoco.MjModel, hints: HandHints, stem: str):
        self.model, self.hints, self.stem = model, hints, stem
        self.skeleton = Skeleton(model)
        self.doubts: list[str] = []

    def frames(self) -> tuple[HandFrames, list[str]]:
        palm, chains, names, tips = self._fingers()
        order = sorted(range(len(chains)), key=lambda i: FINGERS.index(names[i]))
        fingers = {names[i]: (chains[i], tips[i]) for i in order}
        if "thumb" not in fingers or len(fingers) < 2:
            raise InputError(
                f"{self.hints.source} names the fingers {', '.join(fingers) or 'none'}, expected "
                "the thumb and at least one more."
            )
        palm_frame = self._palm_frame(palm, fingers)
        side = self.hints.side or self._side(fingers)
        placed = {f: self._tip_frame(f, *fingers[f]) for f in fingers}
        return HandFrames(side, palm_frame, placed, self._points(fingers)), self.doubts

    # ---- fingers

    def _fingers(self) -> tuple[int, list[Chain], list[str], list[Tip]]:
        if self.hints.tips:
            return self._said_fingers()
        palm, chains = self.skeleton.chains()
        tips = [self.skeleton.tip(chain) for chain in chains]
        if len(chains) > len(FINGERS):
            chains, tips = self._longest(palm, chains, tips)
        names = self._names(palm, chains, tips)
        self._doubt_tips(names, chains, tips)
        return palm, chains, names, tips

    def _said_fingers(self) -> tuple[int, list[Chain], list[str], list[Tip]]:
        """The fingers as the hints name them."""
        names = list(self.hints.tips)
        bodies = [self.model.body(tip.body).id for tip in self.hints.tips.values()]
        if self.hints.palm is not None:
            palm = self.model.body(self.hints.palm.body).id
        else:
            palm, _ = self.skeleton.chains()
        chains, tips = [], []
        for name, body in zip(names, bodies, strict=True):
            joints = self.skeleton.path(body, palm)
            if not joints:
                raise InputError(
                    f"{self.hints.source}: tip {name!r} is on {self.model.body(body).name!r}, "
                    f"expected a body that joints move against {self.model.body(palm).name!r}."
                )
            chain = Chain(joints, int(self.model.jnt_bodyid[joints[-1]]))
            chains.append(chain)
            tips.append(self._said_tip(name, body, chain))
        self._doubt_tips(names, chains, tips)
        return palm, chains, names, tips

    def _said_tip(self, name: str, body: int, chain: Chain) -> Tip:
        pos = self.hints.tips[name].pos
        if pos is not None:
            rotation = self.skeleton.data.xmat[body].reshape(3, 3)
            return Tip(body, self.skeleton.place(body) + rotation @ pos, "link")
        if body != chain.link:
            return Tip(body, self.skeleton.place(body), "link")
        return self.skeleton.tip(chain)

    def _longest(
        self, palm: int, chains: list[Chain], tips: list[Tip]
    ) -> tuple[list[Chain], list[Tip]]:
        reach = [float(np.linalg.norm(tip.pos - self.skeleton.place(palm))) for tip in tips]
        kept = sorted(np.argsort(reach)[-len(FINGERS) :])
        dropped = [self._body(c.link) for i, c in enumerate(chains) if i not in kept]
        self.doubts.append(
            f"Of {len(chains)} chains of joints the five that reach farthest were taken for "
            f"fingers; not those that end in {', '.join(dropped)}."
        )
        return [chains[i] for i in kept], [tips[i] for i in kept]

    def _names(self, palm: int, chains: list[Chain], tips: list[Tip]) -> list[str]:
        """Finger names: by the links' names when each says another finger, else by shape."""
        found = self._names_by_shape(palm, chains, tips)
        said = [finger_said(names_of(self.skeleton, chain)) for chain in chains]
        telling = [name for name in said if name is not None]
        if len(set(telling)) < len(chains):
            if telling and any(s not in (None, f) for s, f in zip(said, found, strict=True)):
                self.doubts.append("The links' names do not tell all fingers apart; shape decided.")
            return found
        if telling != found:
            pairs = [
                f"{self._body(chain.link)} is the {name} by name, the {other} by shape"
                for chain, name, other in zip(chains, telling, found, strict=True)
                if name != other
            ]
            self.doubts.append(
                f"Names and shape disagree, names were believed: {'; '.join(pairs)}."
            )
        return telling

    def _names_by_shape(self, palm: int, chains: list[Chain], tips: list[Tip]) -> list[str]:
        places = np.array([tip.pos for tip in tips])
        thumb, clear = odd_one_out(self.skeleton, chains, places)
        if not clear and finger_said(names_of(self.skeleton, chains[thumb])) != "thumb":
            link = self._body(chains[thumb].link)
            self.doubts.append(f"Which finger is the thumb is not clear; taken was {link}.")
        across = self._across(chains, tips, thumb)
        offset = float(across[thumb] - np.delete(across, thumb).mean())
        if abs(offset) < _CLEAR_SIDE:
            offset = -1.0 if self._side_in_names() == "left" else 1.0
        return in_order(across, thumb, float(np.sign(offset)))

    def _doubt_tips(self, names: list[str], chains: list[Chain], tips: list[Tip]) -> None:
        by_shape = [n for n, tip in zip(names, tips, strict=True) if tip.found == "shape"]
        if by_shape:
            self.doubts.append(
                f"No link is called the tip of {', '.join(by_shape)}; taken was the point "
                f"{TIP_INSET * 1000:.0f} mm before the end of the last link's shape."
            )
        for name, chain, tip in zip(names, chains, tips, strict=True):
            if tip.found == "guess":
                self.doubts.append(
                    f"Nothing tells where the {name} ends: no link is called its tip and "
                    f"{self._body(chain.link)} has no shape; its length is a guess."
                )

    # ---- palm

    def _pointing(
        self, chains: list[Chain], tips: Float[np.ndarray, "F 3"]
    ) -> Float[np.ndarray, " 3"]:
        """The mean direction of fingers from their knuckles."""
        bases = np.array([self.skeleton.anchors[self.skeleton.flexion(c)[0]] for c in chains])
        ways = tips - bases
        return _unit((ways / np.linalg.norm(ways, axis=1, keepdims=True)).sum(axis=0))

    def _facing(
        self, chains: list[Chain], along: Float[np.ndarray, " 3"]
    ) -> Float[np.ndarray, " 3"]:
        """Where the tips of fingers that lie `along` go as they bend, perpendicular to it."""
        bends = np.array([np.cross(self.skeleton.axes[c.joints[-1]], along) for c in chains])
        out = bends.sum(axis=0)
        if np.linalg.norm(out) < 0.5 * len(chains):
            self.doubts.append("The fingers do not bend to one side; the palm's normal is unsure.")
        return _unit(out - (out @ along) * along)

    def _palm_frame(self, palm: int, fingers: dict[str, tuple[Chain, Tip]]) -> Placement:
        """The palm frame; +z to the middle knuckle, +x to where the fingers bend."""
        rest = [f for f in fingers if f != "thumb"]
        chains = [fingers[f][0] for f in rest]
        tips = np.array([fingers[f][1].pos for f in rest])
        pointing = self._pointing(chains, tips)
        middle = "middle" if "middle" in fingers else rest[len(rest) // 2]
        if middle != "middle":
            self.doubts.append(f"No finger is the middle one; the palm points to the {middle}.")
        knuckle = self.skeleton.centred(
            self.skeleton.flexion(fingers[middle][0])[0], fingers[middle][1].pos
        )
        hint = self.hints.palm or FrameHint(self._body(palm, plain=True))
        holder = self.model.body(hint.body).id
        if hint.pos is not None:
            turned = self.skeleton.data.xmat[holder].reshape(3, 3)
            origin = self.skeleton.place(holder) + turned @ hint.pos
        else:
            origin = self._wrist(palm, knuckle, pointing)
        along = _unit(knuckle - origin)
        axes = _axes(self._facing(chains, along), along)
        if hint.quat is not None:
            axes = self.skeleton.data.xmat[holder].reshape(3, 3) @ _matrix(hint.quat)
        return self._placed(holder, origin, axes)

    def _wrist(
        self, palm: int, knuckle: Float[np.ndarray, " 3"], pointing: Float[np.ndarray, " 3"]
    ) -> Float[np.ndarray, " 3"]:
        """The palm frame's origin: a link's behind the middle knuckle, or a point there."""
        low, high = _WRIST_RANGE
        fitting: list[tuple[bool, float, int, int]] = []
        for body in self._held_by_palm(palm):
            back = knuckle - self.skeleton.place(body)
            length = float(np.linalg.norm(back))
            tilt = float(np.linalg.norm(np.cross(back, pointing))) / max(length, 1e-9)
            if low < length < high and back @ pointing > 0 and tilt < _WRIST_TILT:
                called = "wrist" in self.model.body(body).name.lower()
                fitting.append((not called, round(tilt, 3), len(fitting), body))
        if fitting:
            return self.skeleton.place(min(fitting)[-1])
        self.doubts.append(
            "No link marks the wrist; the palm frame was put "
            f"{WRIST_TO_KNUCKLE * 1000:.0f} mm behind the middle knuckle, as on an adult's hand."
        )
        return knuckle - WRIST_TO_KNUCKLE * pointing

    def _held_by_palm(self, palm: int) -> list[int]:
        """The bodies fixed to the palm: the palm, then inwards, then the rest."""
        inwards = [palm]
        while inwards[-1] and not self.skeleton.joints_of(inwards[-1]):
            inwards.append(int(self.model.body_parentid[inwards[-1]]))
        inwards = [body for body in inwards if body]
        return inwards + [b for b in self.skeleton.below(inwards[-1], False) if b not in inwards]

    def _side(self, fingers: dict[str, tuple[Chain, Tip]]) -> Side:
        """Right when the thumb, or else the index finger, lies on the palm's +y side."""
        said = self._side_in_names()
        places = self._across([c for c, _ in fingers.values()], [t for _, t in fingers.values()], 0)
        offset = places[0] - float(places[1:].mean())
        if abs(offset) < _CLEAR_SIDE and len(places) > 2:
            offset = places[1] - places[-1]
            if said is None:
                self.doubts.append("The thumb is in the middle; right or left is a guess.")
        found: Side = "right" if offset > 0 else "left"
        if said is not None and said != found:
            self.doubts.append(f"The names say {said}, but the thumb is a {found} hand's.")
        return found

    def _side_in_names(self) -> Side | None:
        model = self.model
        bodies = [model.body(b).name for b in range(1, model.nbody)]
        return side_said([self.stem, *bodies, *(model.joint(j).name for j in range(model.njnt))])

    def _across(self, chains: list[Chain], tips: list[Tip], thumb: int) -> Float[np.ndarray, " F"]:
        """Where the fingers start along the palm's y axis, taken from the fingers' directions."""
        rest = [i for i in range(len(chains)) if i != thumb]
        along = self._pointing([chains[i] for i in rest], np.array([tips[i].pos for i in rest]))
        across = np.cross(along, self._facing([chains[i] for i in rest], along))
        return np.array([self._anchor(chain.joints[0]) for chain in chains]) @ across

    # ---- tips and knuckles

    def _tip_frame(self, finger: str, chain: Chain, tip: Tip) -> Placement:
        """+z along the last phalanx, +x where the tip goes as the last joint bends."""
        hint = self.hints.tips.get(finger)
        turned = self.skeleton.data.xmat[tip.body].reshape(3, 3)
        if hint is not None and hint.quat is not None:
            return self._placed(tip.body, tip.pos, turned @ _matrix(hint.quat))
        last = chain.joints[-1]
        along = tip.pos - self.skeleton.centred(last, tip.pos)
        if hint is not None and hint.along is not None:
            along = turned @ hint.along
        normal = np.cross(self.skeleton.axes[last], along)
        if hint is not None and hint.normal is not None:
            normal = turned @ hint.normal
        if np.linalg.norm(np.cross(normal, along)) < 1e-9:
            raise InputError(
                f"{self.hints.source}: the {finger}'s pad normal lies along the finger, "
                "expected it across."
            )
        return self._placed(tip.body, tip.pos, _axes(normal, _unit(along)))

    def _points(self, fingers: dict[str, tuple[Chain, Tip]]) -> dict[str, Placement]:
        points: dict[str, Placement] = {}
        for finger, (chain, tip) in fingers.items():
            for name, joint in self._knuckles(finger, chain).items():
                points[f"{finger}_{name}"] = self._knuckle(name, joint, tip)
        for name, said in self.hints.points.items():
            finger = name.split("_")[0]
            if finger not in fingers:
                raise InputError(f"{self.hints.source}: point {name!r} of a finger without a tip.")
            if isinstance(said, str):
                points[name] = self._knuckle(name, self.model.joint(said).id, fingers[finger][1])
            else:
                pos = np.zeros(3) if said.pos is None else said.pos
                points[name] = Placement(said.body, pos, np.array([1.0, 0.0, 0.0, 0.0]))
        return points

    def _knuckles(self, finger: str, chain: Chain) -> dict[str, int]:
        """The joints that answer to a person's knuckles."""
        if finger != "thumb":
            return dict(zip(("mcp", "pip", "dip"), self.skeleton.flexion(chain), strict=False))
        first, *rest = chain.joints
        apart = [
            j for j in rest if np.linalg.norm(self._anchor(j) - self._anchor(rest[-1])) > _ONE_PLACE
        ]
        if not apart:
            return {"cmc": first, "mcp": rest[-1]}
        return {"cmc": first, "mcp": apart[-1], "ip": rest[-1]}

    def _anchor(self, joint: int) -> Float[np.ndarray, " 3"]:
        return self.skeleton.anchors[joint]

    def _knuckle(self, name: str, joint: int, tip: Tip) -> Placement:
        """On the joint's axis: amid the finger, but at the joint's anchor at the thumb's root."""
        root = name.endswith("cmc")
        place = self._anchor(joint) if root else self.skeleton.centred(joint, tip.pos)
        return self._placed(int(self.model.jnt_bodyid[joint]), place, np.eye(3))

    def _placed(
        self, body: int, pos: Float[np.ndarray, " 3"], axes: Float[np.ndarray, "3 3"]
    ) -> Placement:
        turned = self.skeleton.data.xmat[body].reshape(3, 3).T @ axes
        quat = Rotation.from_matrix(turned).as_quat(canonical=True, scalar_first=True)
        return Placement(self._body(body, plain=True), self.skeleton.local(body, pos), quat)

    def _body(self, body: int, plain: bool = False) -> str:
        name: str = self.model.body(body).name
        return name if plain else repr(name)


def _unit(vector: Float[np.ndarray, " 3"]) -> Float[np.ndarray, " 3"]:
    return vector / np.linalg.norm(vector)


def _axes(out: Float[np.ndarray, " 3"], along: Float[np.ndarray, " 3"]) -> Float[np.ndarray, "3 3"]:
    """Columns x, y, z of a frame with z `along` and x as near as possible to `out`."""
    x = _unit(out - (out @ along) * along)
    return np.stack([x, np.cross(along, x), along], axis=1)


def _matrix(quat: Float[np.ndarray, " 4"]) -> Float[np.ndarray, "3 3"]:
    return Rotation.from_quat(quat, scalar_first=True).as_matrix()
