"""Palm, fingertips and side of a hand that nobody described, found from how it is built.

A finger is a chain of two or more joints from the palm. Fingers bend towards their farther limit,
so the palm faces where the tips go; the thumb is the finger that is least like the others. What
the user says takes precedence over what is found, and what remains unsure is said.
"""

from dataclasses import dataclass
from pathlib import Path

import mujoco
import numpy as np
from jaxtyping import Float
from scipy.spatial.transform import Rotation

from handsim.errors import InputError
from handsim.files import replacing
from handsim.hands import actuation
from handsim.hands.frames import (
    Coupling,
    FrameHint,
    HandFrames,
    HandHints,
    Placement,
    add_couplings,
    require_names,
    toml_of,
)
from handsim.hands.model_file import compile_model, read_model
from handsim.hands.naming import finger_said, in_order, names_of, odd_one_out, side_said
from handsim.hands.robot_hand import FINGERS
from handsim.hands.skeleton import Chain, Skeleton, Tip

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


@dataclass(frozen=True, eq=False)
class Proposal:
    """A hand's frames as found, and what was unsure about them.

    Attributes:
        path: the model file.
        name: a name for the hand.
        frames: side, palm, tips and knuckles.
        couplings: the joints that follow another, as the file has them or as corrected.
        corrected: those of them that differ from the file.
        doubts: what was unsure, in sentences.
    """

    path: Path
    name: str
    frames: HandFrames
    couplings: dict[str, Coupling]
    corrected: dict[str, Coupling]
    doubts: tuple[str, ...]

    @property
    def side(self) -> str:
        """"right" or "left"."""
        return self.frames.side

    @property
    def fingers(self) -> tuple[str, ...]:
        """The fingers found, thumb first."""
        return tuple(self.frames.tips)

    def toml(self, folder: Path) -> str:
        """The text of a TOML file in `folder` that describes the hand so."""
        model = self.path.resolve()
        inside = model.is_relative_to(folder.resolve())
        shown = model.relative_to(folder.resolve()) if inside else model
        notes = ["Proposed from the model; correct what is wrong.", *self.doubts]
        return toml_of(shown.as_posix(), self.name, self.frames, self.corrected, notes)

    def write(self, path: str | Path) -> None:
        """Write the TOML file, whole or not at all.

        Raises:
            OutputError: it cannot be written.
        """
        path = Path(path)
        with replacing(path) as temporary:
            temporary.write_text(self.toml(path.parent), encoding="utf-8")


def propose(path: str | Path) -> Proposal:
    """What a model file of a hand says about its fingers, tips, palm, side and couplings.

    Raises:
        MissingFileError: there is no such file.
        FormatError: it is not a model file MuJoCo can read.
        InputError: there is no hand in it.

    Warns:
        MissingMeshWarning: meshes are missing or in a format that MuJoCo does not read.
    """
    path = Path(path)
    spec = read_model(path)
    model = compile_model(path, spec)
    corrected, doubts = _corrected_couplings(model)
    add_couplings(spec, corrected)
    frames, more = find_frames(compile_model(path, spec), HandHints(), path.stem)
    couplings = {
        model.joint(c.joint).name: Coupling(
            model.joint(c.driver).name, tuple(np.trim_zeros(c.polycoef, "b").tolist())
        )
        for c in actuation.joint_couplings(model)
    }
    return Proposal(
        path, path.stem, frames, couplings | corrected, corrected, (*doubts, *more)
    )


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
        palm_frame, axes = self._palm_frame(palm, fingers)
        side = self.hints.side or self._side(axes, fingers)
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
        for name, chain, tip in zip(names, chains, tips, strict=True):
            self._doubt_tip(name, chain, tip)
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
        return palm, chains, names, tips

    def _said_tip(self, name: str, body: int, chain: Chain) -> Tip:
        pos = self.hints.tips[name].pos
        if pos is not None:
            rotation = self.skeleton.data.xmat[body].reshape(3, 3)
            return Tip(body, self.skeleton.place(body) + rotation @ pos, "link")
        if body != chain.link:
            return Tip(body, self.skeleton.place(body), "link")
        tip = self.skeleton.tip(chain)
        self._doubt_tip(name, chain, tip)
        return tip

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
            self.doubts.append(f"Names and shape disagree, names were believed: {'; '.join(pairs)}.")
        return telling

    def _names_by_shape(self, palm: int, chains: list[Chain], tips: list[Tip]) -> list[str]:
        places = np.array([tip.pos for tip in tips])
        thumb, clear = odd_one_out(self.skeleton, chains, places)
        if not clear and finger_said(names_of(self.skeleton, chains[thumb])) != "thumb":
            self.doubts.append(
                f"Which finger is the thumb is not clear; taken was {self._body(chains[thumb].link)}."
            )
        rest = [i for i in range(len(chains)) if i != thumb]
        along = self._pointing([chains[i] for i in rest], places[rest])
        out = self._facing([chains[i] for i in rest], along)
        across = np.cross(along, out)
        bases = np.array([self.skeleton.anchors[chain.joints[0]] for chain in chains]) @ across
        return in_order(bases, thumb, 1.0 if bases[thumb] > bases[rest].mean() else -1.0)

    def _doubt_tip(self, name: str, chain: Chain, tip: Tip) -> None:
        if tip.found == "shape":
            self.doubts.append(
                f"No link is called the {name}'s tip; it was put 4 mm before the end of the shape "
                f"of {self._body(chain.link)}."
            )
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

    def _palm_frame(
        self, palm: int, fingers: dict[str, tuple[Chain, Tip]]
    ) -> tuple[Placement, Float[np.ndarray, "3 3"]]:
        """The palm frame, and its axes in the world as columns."""
        rest = [f for f in fingers if f != "thumb"]
        chains = [fingers[f][0] for f in rest]
        tips = np.array([fingers[f][1].pos for f in rest])
        pointing = self._pointing(chains, tips)
        middle = "middle" if "middle" in fingers else rest[len(rest) // 2]
        if middle != "middle":
            self.doubts.append(f"There is no middle finger; the palm points to the {middle} knuckle.")
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
        return self._placed(holder, origin, axes), axes

    def _wrist(
        self, palm: int, knuckle: Float[np.ndarray, " 3"], pointing: Float[np.ndarray, " 3"]
    ) -> Float[np.ndarray, " 3"]:
        """The palm frame's origin: a link's behind the middle knuckle, or a point there."""
        low, high = _WRIST_RANGE
        for body in self._held_by_palm(palm):
            back = knuckle - self.skeleton.place(body)
            length = float(np.linalg.norm(back))
            aside = np.linalg.norm(back - (back @ pointing) * pointing)
            if low < length < high and back @ pointing > 0 and aside < _WRIST_TILT * length:
                return self.skeleton.place(body)
        self.doubts.append(
            "No link marks the wrist; the palm frame was put "
            f"{WRIST_TO_KNUCKLE * 1000:.0f} mm behind the middle knuckle, as on an adult's hand."
        )
        return knuckle - WRIST_TO_KNUCKLE * pointing

    def _held_by_palm(self, palm: int) -> list[int]:
        """The bodies fixed to the palm: those called wrist, the palm, then inwards, then the rest."""
        inwards = [palm]
        while inwards[-1] and not self.skeleton.joints_of(inwards[-1]):
            inwards.append(int(self.model.body_parentid[inwards[-1]]))
        inwards = [body for body in inwards if body]
        bodies = inwards + [b for b in self.skeleton.below(inwards[-1], False) if b not in inwards]
        return sorted(bodies, key=lambda b: "wrist" not in self.model.body(b).name.lower())

    def _side(
        self, axes: Float[np.ndarray, "3 3"], fingers: dict[str, tuple[Chain, Tip]]
    ) -> str:
        """Right when the thumb, or the index finger, is on the palm's +y side."""
        places = {
            f: self.skeleton.anchors[chain.joints[0]] @ axes[:, 1]
            for f, (chain, _) in fingers.items()
        }
        rest = [places[f] for f in fingers if f != "thumb"]
        offset = places["thumb"] - float(np.mean(rest))
        if abs(offset) < _CLEAR_SIDE and len(rest) > 1:
            offset = rest[0] - rest[-1]
        found = "right" if offset > 0 else "left"
        model = self.model
        said = side_said(
            [self.stem]
            + [model.body(b).name for b in range(1, model.nbody)]
            + [model.joint(j).name for j in range(model.njnt)]
        )
        if said is not None and said != found:
            self.doubts.append(f"The names say {said}, the thumb's place says {found}: {found} it is.")
        return found

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
                points[f"{finger}_{name}"] = self._knuckle(joint, tip)
        for name, said in self.hints.points.items():
            finger = name.split("_")[0]
            if finger not in fingers:
                raise InputError(f"{self.hints.source}: point {name!r} of a finger without a tip.")
            if isinstance(said, str):
                points[name] = self._knuckle(self.model.joint(said).id, fingers[finger][1])
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

    def _knuckle(self, joint: int, tip: Tip) -> Placement:
        """On the joint's axis: amid the finger where the axis runs across it, else at its anchor."""
        reach = tip.pos - self._anchor(joint)
        across = abs(reach @ self.skeleton.axes[joint]) < 0.5 * np.linalg.norm(reach)
        place = self.skeleton.centred(joint, tip.pos) if across else self._anchor(joint)
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


def _corrected_couplings(model: mujoco.MjModel) -> tuple[dict[str, Coupling], list[str]]:
    """Linear couplings whose sign contradicts the follower's range, turned round; and the doubts."""
    corrected, doubts = {}, []
    for joint, driver, polycoef in actuation.joint_couplings(model):
        if polycoef[2:].any() or not polycoef[1]:
            continue
        limits, driven = model.jnt_range[joint], model.jnt_range[driver]
        image = np.sort(polycoef[0] + polycoef[1] * driven)
        mirrored = np.sort(polycoef[0] - polycoef[1] * driven)
        if _overlap(image, limits) < 0.1 and _overlap(mirrored, limits) > 0.9:
            name, other = model.joint(joint).name, model.joint(driver).name
            corrected[name] = Coupling(other, (float(polycoef[0]), -float(polycoef[1])))
            doubts.append(
                f"Joint {name!r} ranges from {limits[0]:.3g} to {limits[1]:.3g} but would follow "
                f"{other!r} to {image[0]:.3g}…{image[1]:.3g}; the sign was turned round."
            )
    return corrected, doubts


def _overlap(image: Float[np.ndarray, " 2"], limits: Float[np.ndarray, " 2"]) -> float:
    """The part of an interval that lies in another."""
    shared = min(image[1], limits[1]) - max(image[0], limits[0])
    return float(max(shared, 0.0) / (image[1] - image[0]))


def _unit(vector: Float[np.ndarray, " 3"]) -> Float[np.ndarray, " 3"]:
    return vector / np.linalg.norm(vector)


def _axes(
    out: Float[np.ndarray, " 3"], along: Float[np.ndarray, " 3"]
) -> Float[np.ndarray, "3 3"]:
    """Columns x, y, z of a frame with z `along` and x as near as possible to `out`."""
    x = _unit(out - (out @ along) * along)
    return np.stack([x, np.cross(along, x), along], axis=1)


def _matrix(quat: Float[np.ndarray, " 4"]) -> Float[np.ndarray, "3 3"]:
    return Rotation.from_quat(quat, scalar_first=True).as_matrix()
