"""Which hands there are, and how one is loaded."""

from pathlib import Path
from typing import Any, NamedTuple

import mujoco

from handsim.assets import ASSETS, read_toml
from handsim.errors import InputError, MissingFileError, unknown
from handsim.hands.couplings import spools
from handsim.hands.foreign import is_file, load_file
from handsim.hands.installed import PREFIX, described_model, menagerie_model
from handsim.hands.robot_hand import SIDES, RobotHand
from handsim.hands.visuals import dress

MENAGERIE = "mujoco_menagerie"
COUPLINGS = ("own", "free")


def hand_names() -> tuple[str, ...]:
    """The hands of the catalogue, in alphabetical order."""
    return tuple(sorted(p.parent.name for p in (ASSETS / "hands").glob("*/hand.toml")))


def hand_card(name: str) -> dict[str, Any]:
    """What `hand.toml` says of a hand: title, maker, source of the figures, notes.

    Raises:
        UnknownNameError: there is no such hand.
    """
    if name not in hand_names():
        raise unknown("hand", name, hand_names())
    return read_toml(ASSETS / "hands" / name / "hand.toml")


class HandSummary(NamedTuple):
    """What a list of hands shows of one.

    Attributes:
        name, title, maker: which hand.
        fingers: their number.
        joints, actuators: how many; the spools of motors are not counted as joints.
        independent: how many of the model's joints, spools included, no coupling determines.
        couplings: how joints are coupled, in words.
        sides: "right, left", with how the left one was made.
        source: repository and commit of the figures.
    """

    name: str
    title: str
    maker: str
    fingers: int
    joints: int
    independent: int
    actuators: int
    couplings: str
    sides: str
    source: str


def summarise(name: str) -> HandSummary:
    """One line of the list of hands.

    Raises:
        UnknownNameError: there is no such hand.
    """
    card = hand_card(name)
    hand = load_hand(name)
    sides = [s for s in SIDES if (ASSETS / "hands" / name / f"{s}.xml").is_file()]
    return HandSummary(
        name=name,
        title=card["title"],
        maker=card["maker"],
        fingers=len(hand.fingers),
        joints=hand.nq - len(spools(hand.model)),
        independent=len(hand.independent),
        actuators=hand.nu,
        couplings=card["couplings"],
        sides=", ".join(f"left ({card['left']})" if s == "left" else s for s in sides),
        source=f"{card['source']['repository'].split(' ')[0]} @ {card['source']['commit']}",
    )


def load_hand(
    name: str | Path,
    side: str | None = None,
    frames: str | Path | None = None,
    visuals: str | Path | None = None,
    couplings: str = "own",
) -> RobotHand:
    """A hand of the catalogue, or one that a file describes.

    Args:
        name: one of `hand_names()`; or a model file (`.xml`, `.mjcf`, `.urdf`), beside which a TOML
            file names palm and tips (see `handsim.hands.frames`; without one they are proposed); or
            such a TOML file that names its model; or ``robot_descriptions:<module>``.
        side: "right" or "left"; None is right, or for a file the side it says.
        frames: the TOML file, where it is not beside the model.
        visuals: looks of the maker's own meshes on a hand of the catalogue: "menagerie" for the
            user's copy of it (see `handsim.hands.installed`), or the folder of one.
        couplings: "own" for the hand's linkages and tendons; "free" takes the equalities of joints
            away, so that every joint is independent, as some other packages have it, and with them
            the spools that would move nothing. The hand's motors then no longer determine its pose.

    Raises:
        UnknownNameError: there is no such hand or side, or no such body or joint as a TOML names.
        MissingFileError: there is no such file; or no such meshes, and where they were searched.
        FormatError: a file is not what its name says.
        InputError: a file holds no hand that can be used, or arguments contradict each other.
        MissingExtraError: `robot_descriptions` is not installed or cannot fetch the model.

    >>> load_hand("allegro").fingers
    ('thumb', 'index', 'middle', 'ring')
    """
    if side is not None and side not in SIDES:
        raise unknown("side", side, SIDES)
    if couplings not in COUPLINGS:
        raise unknown("couplings", couplings, COUPLINGS)
    described = isinstance(name, str) and name.startswith(PREFIX)
    if described or is_file(name):
        if couplings != "own":
            raise InputError(f"couplings: {couplings!r}, expected 'own' for {name}: edit the file.")
        if visuals is not None:
            raise InputError(f"visuals: {visuals!r}, expected none for {name}: it has its own.")
        path = described_model(str(name).removeprefix(PREFIX), side) if described else Path(name)
        return load_file(path, side, frames)
    if frames is not None:
        raise InputError(f"frames: {frames!r}, expected none for {name!r} of the catalogue.")
    name, side = str(name), side or "right"
    hand_card(name)
    spec = mujoco.MjSpec.from_file(str(model_path(name, side)))
    if visuals is not None:
        dress(spec, _looks(name, side, visuals))
    if couplings == "free":
        _uncouple(spec)
    return RobotHand(name, side, spec)


def _uncouple(spec: mujoco.MjSpec) -> None:
    model = spec.compile()
    for joint in spools(model):
        spec.delete(spec.joint(model.joint(joint).name).parent)
    for equality in list(spec.equalities):
        if int(equality.type) == int(mujoco.mjtEq.mjEQ_JOINT):
            spec.delete(equality)


def _looks(name: str, side: str, visuals: str | Path) -> Path:
    """The maker's model file with the meshes."""
    source = hand_card(name)["source"]
    if MENAGERIE not in source["repository"]:
        choices = [n for n in hand_names() if MENAGERIE in hand_card(n)["source"]["repository"]]
        raise InputError(
            f"visuals: {name!r} is not from {MENAGERIE}, expected one of {', '.join(choices)}."
        )
    files = [file.strip() for file in source["file"].split(",")]
    file = str(Path(files[0]).with_name(f"{side}_hand.xml"))
    return menagerie_model(name, file, None if visuals == "menagerie" else Path(visuals))


def model_path(name: str, side: str) -> Path:
    """The MJCF file of a hand of the catalogue."""
    path = ASSETS / "hands" / name / f"{side}.xml"
    if not path.is_file():
        raise MissingFileError(f"Hand {name!r} has no {side} side: no file {path}.")
    return path
