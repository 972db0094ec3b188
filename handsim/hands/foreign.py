"""Hands that users bring: a model file and a few lines of TOML beside it, or none."""

import warnings
from dataclasses import replace
from pathlib import Path

import mujoco

from handsim.errors import InputError, MissingFileError
from handsim.hands.drives import add_drives, exclude_neighbours
from handsim.hands.frame_search import find_frames
from handsim.hands.frames import HandHints, add_couplings, add_sites, read_hints, require_names
from handsim.hands.model_file import SUFFIXES, compile_model, read_model
from handsim.hands.proposal import propose
from handsim.hands.robot_hand import FINGERS, PALM_SITE, RobotHand, Side

TOML = ".toml"


class ProposedFramesWarning(UserWarning):
    """A hand without a description was loaded with frames that were proposed, not checked."""


def is_file(name: str | Path) -> bool:
    """Whether `name` means a hand's file rather than a hand of the catalogue.

    >>> is_file("shadow"), is_file("my_hand.urdf")
    (False, True)
    """
    return isinstance(name, Path) or Path(name).suffix.lower() in (*SUFFIXES, TOML) or "/" in name


def load_file(
    path: str | Path, side: Side | None = None, frames: str | Path | None = None
) -> RobotHand:
    """The hand of a model file (`.xml`, `.mjcf`, `.urdf`) or of a TOML file that names one.

    The TOML file that names palm and tips is `frames`, else `<stem>.toml` beside the model. Without
    it a model that has the canonical sites keeps them; any other is described by `hand.toml` in its
    folder, unless that names another model, else its frames are proposed.

    Raises:
        MissingFileError: there is no such file.
        FormatError: the file is not what its name says.
        InputError: the model is no hand, or the TOML contradicts it or `side`.

    Warns:
        ProposedFramesWarning: no TOML file is there; what was unsure is said.
        MissingMeshWarning: meshes are missing or in a format that MuJoCo does not read.
    """
    path = Path(path)
    if path.suffix.lower() == TOML:
        path, frames = _model_of(path), path
    spec = read_model(path)
    described = Path(frames) if frames is not None else _beside(path, spec)
    if described is not None:
        hints = _on_side(read_hints(described), side)
    elif _has_canonical_sites(spec):
        return RobotHand(
            path.stem, side or _side_of(compile_model(path, spec)), _driven(path, spec)
        )
    else:
        hints = _proposed(path, side)
    require_names(hints, compile_model(path, spec))
    add_couplings(spec, hints.couplings)
    found, _ = find_frames(compile_model(path, spec), hints, path.stem)
    add_sites(spec, found)
    return RobotHand(hints.name or path.stem, found.side, _driven(path, spec))


def _model_of(description: Path) -> Path:
    """The model file that a TOML file names."""
    model = read_hints(description).model
    if model is None:
        raise InputError(f'{description} names no model; expected model = "…" in it.')
    found = description.parent / model
    if not found.is_file():
        raise MissingFileError(f"No such file: {found}, the model that {description} names.")
    return found


def _beside(path: Path, spec: mujoco.MjSpec) -> Path | None:
    """The TOML file beside a model, or None; a `hand.toml` is not asked about canonical sites."""
    own, shared = path.with_suffix(TOML), path.parent / "hand.toml"
    if own.is_file():
        return own
    if _has_canonical_sites(spec) or not shared.is_file():
        return None
    if read_hints(shared).model in (None, path.name):
        return shared
    return None


def _on_side(hints: HandHints, side: Side | None) -> HandHints:
    if side is not None and hints.side not in (None, side):
        raise InputError(f"side: {side!r}, but {hints.source} describes a {hints.side} hand.")
    return replace(hints, side=side or hints.side)


def _proposed(path: Path, side: Side | None) -> HandHints:
    """Hints that leave all open but what a proposal corrects; warned of, since nobody checked."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        proposal = propose(path)
    if side is not None and side != proposal.side:
        raise InputError(f"side: {side!r}, but {path} looks like a {proposal.side} hand.")
    doubts = " ".join(proposal.doubts)
    warnings.warn(
        f"No {path.stem}.toml beside {path}: its palm and tips are proposed. Check them with "
        f"`retarget hands add {path}`. {doubts}".rstrip(),
        ProposedFramesWarning,
        stacklevel=4,
    )
    return HandHints(source=str(path), side=proposal.side, couplings=proposal.corrected)


def _driven(path: Path, spec: mujoco.MjSpec) -> mujoco.MjSpec:
    """The spec with actuators for all its joints; contact pairs as it has them, or chosen."""
    added = add_drives(spec)
    if path.suffix.lower() == ".urdf" or (added and not list(spec.excludes)):
        exclude_neighbours(spec)
    for body in spec.bodies[1:]:
        body.gravcomp = 1.0
    return spec


def _has_canonical_sites(spec: mujoco.MjSpec) -> bool:
    sites = {site.name for site in spec.sites}
    fingers = [finger for finger in FINGERS if f"{finger}_tip" in sites]
    knuckles = all(f"{finger}_mcp" in sites for finger in fingers)
    return PALM_SITE in sites and "thumb" in fingers and len(fingers) > 1 and knuckles


def _side_of(model: mujoco.MjModel) -> Side:
    """Right when the index finger lies towards the palm site's +y side, seen from the last one."""
    data = mujoco.MjData(model)
    mujoco.mj_kinematics(model, data)
    across = data.site(PALM_SITE).xmat.reshape(3, 3)[:, 1]
    names = {model.site(i).name for i in range(model.nsite)}
    places = {f: float(data.site(f"{f}_mcp").xpos @ across) for f in FINGERS if f"{f}_mcp" in names}
    rest = [places[f] for f in places if f != "thumb"]
    towards = rest[0] - rest[-1] if len(rest) > 1 else places["thumb"] - rest[0]
    return "right" if towards > 0 else "left"
