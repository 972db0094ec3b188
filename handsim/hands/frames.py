"""The canonical frames of a hand, palm and fingertips, as a few lines of TOML and as sites.

The file beside a model, every frame of it in the coordinates of the body it names::

    side = "right"
    palm = { body = "palm_link", pos = [0, 0, -0.095], quat = [1, 0, 0, 0] }

    [tips]
    thumb = { body = "thumb_distal", pos = [0, 0, 0.05], normal = [1, 0, 0], along = [0, 0, 1] }
    index = { body = "index_tip" }

Only `body` is asked for; what else is missing is derived from how the fingers bend. `normal` is a
tip's +x, out of the pad, and `along` its +z; `quat` says both. Optional are `name`, `model` (a path
relative to the file), `[points]`, knuckles as joint names or as frames, and `[couplings]`, joints
that follow another: ``ff_dip = { driver = "ff_pip", polycoef = [0, 1] }``.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import mujoco
import numpy as np
from jaxtyping import Float

from handsim.assets import read_toml
from handsim.errors import FormatError, InputError, MissingFileError, unknown
from handsim.hands.robot_hand import FINGERS, PALM_SITE, SIDES, Side
from handsim.hands.urdf import add_coupling, one_line

JOINT_POINTS = ("cmc", "mcp", "pip", "ip", "dip")
_KEYS = ("name", "model", "side", "palm", "tips", "points", "couplings")
_NUMBERS = {"pos": 3, "quat": 4, "normal": 3, "along": 3}


@dataclass(frozen=True, eq=False)
class Placement:
    """A frame held by a body.

    Attributes:
        body: its name.
        pos: origin in the body's frame [m].
        quat: orientation in the body's frame.
    """

    body: str
    pos: Float[np.ndarray, " 3"]
    quat: Float[np.ndarray, " 4"]


@dataclass(frozen=True, eq=False)
class HandFrames:
    """All canonical frames of a hand.

    Attributes:
        side: "right" or "left".
        palm: the palm frame.
        tips: the fingertips, by finger.
        points: knuckles, by name (``index_mcp``); their orientation means nothing.
    """

    side: Side
    palm: Placement
    tips: dict[str, Placement]
    points: dict[str, Placement]


@dataclass(frozen=True, eq=False)
class FrameHint:
    """What a TOML file says of one frame; None is to be derived."""

    body: str
    pos: Float[np.ndarray, " 3"] | None = None
    quat: Float[np.ndarray, " 4"] | None = None
    normal: Float[np.ndarray, " 3"] | None = None
    along: Float[np.ndarray, " 3"] | None = None


@dataclass(frozen=True, eq=False)
class Coupling:
    """`driver` moves another joint by a polynomial, constant term first."""

    driver: str
    polycoef: tuple[float, ...]


@dataclass(frozen=True, eq=False)
class HandHints:
    """What a TOML file says of a hand; an empty one leaves everything to be derived.

    Attributes:
        source: where it was read, for messages.
        name, model, side, palm: None where it says nothing.
        tips, points, couplings: empty where it says nothing; a point is a joint's name or a frame.
    """

    source: str = "hand"
    name: str | None = None
    model: str | None = None
    side: Side | None = None
    palm: FrameHint | None = None
    tips: dict[str, FrameHint] = field(default_factory=dict)
    points: dict[str, str | FrameHint] = field(default_factory=dict)
    couplings: dict[str, Coupling] = field(default_factory=dict)


def read_hints(path: Path) -> HandHints:
    """What a TOML file says of a hand.

    Raises:
        MissingFileError: there is no such file.
        FormatError: it is no TOML.
        InputError: a key or value means nothing here.
    """
    if not path.is_file():
        raise MissingFileError(f"No such file: {path}.")
    try:
        said = read_toml(path)
    except ValueError as error:
        raise FormatError(f"{path} is not TOML: {one_line(error)}.") from error
    _require_known(path, "key", said, _KEYS)
    tips, points, couplings = (_table(path, said, key) for key in ("tips", "points", "couplings"))
    _require_known(path, "finger", tips, FINGERS)
    _require_known(path, "point", points, [f"{f}_{p}" for f in FINGERS for p in JOINT_POINTS])
    side = said.get("side")
    if side is not None and side not in SIDES:
        raise InputError(f"{path}: {unknown('side', side, SIDES)}")
    return HandHints(
        source=str(path),
        name=_text(path, said, "name"),
        model=_text(path, said, "model"),
        side=side,
        palm=_hint(path, "palm", said["palm"]) if "palm" in said else None,
        tips={finger: _hint(path, f"tips.{finger}", tip) for finger, tip in tips.items()},
        points={
            name: point if isinstance(point, str) else _hint(path, f"points.{name}", point)
            for name, point in points.items()
        },
        couplings={joint: _coupling(path, joint, value) for joint, value in couplings.items()},
    )


def require_names(hints: HandHints, model: mujoco.MjModel) -> None:
    """Check that the bodies and joints that `hints` name are in the model.

    Raises:
        UnknownNameError: one is not; the message lists what is there.
    """
    bodies = [model.body(b).name for b in range(1, model.nbody)]
    joints = [model.joint(j).name for j in range(model.njnt)]
    frames: dict[str, FrameHint | str | None] = {"palm": hints.palm}
    frames |= {f"tips.{f}": tip for f, tip in hints.tips.items()}
    frames |= {f"points.{name}": point for name, point in hints.points.items()}
    for key, frame in frames.items():
        if isinstance(frame, FrameHint) and frame.body not in bodies:
            raise unknown(f"body of {key} in {hints.source}:", frame.body, bodies)
        if isinstance(frame, str) and frame not in joints:
            raise unknown(f"joint of {key} in {hints.source}:", frame, joints)
    for joint, coupling in hints.couplings.items():
        for name in (joint, coupling.driver):
            if name not in joints:
                raise unknown(f"joint of couplings in {hints.source}:", name, joints)


def add_couplings(spec: mujoco.MjSpec, couplings: Mapping[str, Coupling]) -> None:
    """Add joint equalities to a spec, in place of those it has for the same joints."""
    for equality in [e for e in spec.equalities if e.name1 in couplings]:
        if int(equality.type) == int(mujoco.mjtEq.mjEQ_JOINT):
            spec.delete(equality)
    for joint, coupling in couplings.items():
        add_coupling(spec, joint, coupling.driver, list(coupling.polycoef))


def add_sites(spec: mujoco.MjSpec, frames: HandFrames) -> None:
    """Add the canonical sites to a spec, in place of sites of the same names."""
    sites = {PALM_SITE: frames.palm, **frames.points}
    sites |= {f"{finger}_tip": tip for finger, tip in frames.tips.items()}
    for old in [site for site in spec.sites if site.name in sites]:
        spec.delete(old)
    for name, place in sites.items():
        site = spec.body(place.body).add_site(name=name, pos=place.pos, quat=place.quat)
        site.group, site.size = 4, [0.002] * 3


def toml_of(
    model: str,
    name: str,
    frames: HandFrames,
    couplings: Mapping[str, Coupling],
    notes: Iterable[str],
) -> str:
    """The text that `read_hints` reads back, with `notes` as comments."""
    lines = [f"# {note}" for note in notes]
    lines += [f"model = {_quoted(model)}", f"name = {_quoted(name)}", f'side = "{frames.side}"']
    lines += [f"palm = {_frame_text(frames.palm)}", "", "[tips]"]
    lines += [f"{finger} = {_frame_text(tip)}" for finger, tip in frames.tips.items()]
    if frames.points:
        lines += ["", "[points]"]
        lines += [f"{name} = {_frame_text(p, turned=False)}" for name, p in frames.points.items()]
    if couplings:
        lines += ["", "[couplings]"]
        lines += [
            f"{_quoted(joint)} = {{ driver = {_quoted(c.driver)}, polycoef = {_list(c.polycoef)} }}"
            for joint, c in couplings.items()
        ]
    return "\n".join(lines) + "\n"


def _frame_text(place: Placement, turned: bool = True) -> str:
    quat = f", quat = {_list(place.quat, 9)}" if turned else ""
    return f"{{ body = {_quoted(place.body)}, pos = {_list(place.pos, 7)}{quat} }}"


def _list(values: Iterable[float], digits: int = 9) -> str:
    return f"[{', '.join(repr(round(float(v), digits) + 0.0) for v in values)}]"


def _quoted(text: str) -> str:
    escaped = text.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'


def _require_known(path: Path, kind: str, names: Iterable[str], choices: Iterable[str]) -> None:
    for name in names:
        if name not in choices:
            raise InputError(f"{path}: {unknown(kind, name, choices)}")


def _table(path: Path, said: dict[str, Any], key: str) -> dict[str, Any]:
    table = said.get(key, {})
    if not isinstance(table, dict):
        raise InputError(f"{path}: {key} is {table!r}, expected a table.")
    return table


def _text(path: Path, said: dict[str, Any], key: str) -> str | None:
    text = said.get(key)
    if text is not None and not isinstance(text, str):
        raise InputError(f"{path}: {key} is {text!r}, expected a text.")
    return text


def _hint(path: Path, key: str, said: object) -> FrameHint:
    if isinstance(said, str):
        return FrameHint(said)
    if not isinstance(said, dict) or not isinstance(said.get("body"), str):
        raise InputError(f'{path}: {key} is {said!r}, expected {{ body = "…", pos = […], … }}.')
    _require_known(path, f"key of {key}", said, ("body", *_NUMBERS))
    numbers = {
        name: _numbers(path, f"{key}.{name}", said[name], size, direction=name != "pos")
        for name, size in _NUMBERS.items()
        if name in said
    }
    return FrameHint(said["body"], **numbers)


def _numbers(
    path: Path, key: str, said: object, size: int, direction: bool = False
) -> Float[np.ndarray, " n"]:
    values = said if isinstance(said, list) and len(said) == size else [None]
    if not all(isinstance(v, int | float) and np.isfinite(v) for v in values):
        raise InputError(f"{path}: {key} is {said!r}, expected {size} numbers.")
    numbers = np.array(values, dtype=np.float64)
    if direction:
        if not numbers.any():
            raise InputError(f"{path}: {key} is {said!r}, expected a direction, not zero.")
        numbers /= np.linalg.norm(numbers)
    return numbers


def _coupling(path: Path, joint: str, said: object) -> Coupling:
    if isinstance(said, dict) and set(said) == {"driver", "polycoef"}:
        driver, polycoef = said["driver"], said["polycoef"]
        if isinstance(driver, str) and isinstance(polycoef, list) and 1 <= len(polycoef) <= 5:
            values = _numbers(path, f"couplings.{joint}.polycoef", polycoef, len(polycoef))
            return Coupling(driver, tuple(values.tolist()))
    raise InputError(
        f'{path}: couplings.{joint} is {said!r}, expected {{ driver = "…", polycoef = [constant, '
        "slope, …] }."
    )
