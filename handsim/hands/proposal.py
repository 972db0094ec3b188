"""What a hand's model file says of fingers, palm, side and couplings, for a user to check."""

from dataclasses import dataclass
from pathlib import Path

import mujoco
import numpy as np
from jaxtyping import Float

from handsim.files import replacing
from handsim.hands.couplings import joint_couplings
from handsim.hands.drives import shared_drives
from handsim.hands.frame_search import find_frames
from handsim.hands.frames import Coupling, HandFrames, HandHints, add_couplings, toml_of
from handsim.hands.model_file import compile_model, read_model
from handsim.hands.robot_hand import Side


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
    def side(self) -> Side:
        """Which hand it is."""
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
    shared = [" and ".join(joints) for joints in shared_drives(model)]
    if shared:
        doubts.append(
            f"One actuator moves {', '.join(shared)} and nothing says how they share its way; a "
            "line for each under [couplings] would."
        )
    couplings = {
        model.joint(c.joint).name: Coupling(
            model.joint(c.driver).name, tuple(np.trim_zeros(c.polycoef, "b").tolist())
        )
        for c in joint_couplings(model)
    }
    return Proposal(path, path.stem, frames, couplings | corrected, corrected, (*doubts, *more))


def _corrected_couplings(model: mujoco.MjModel) -> tuple[dict[str, Coupling], list[str]]:
    """Linear couplings whose sign the follower's range contradicts, turned round; and doubts."""
    corrected, doubts = {}, []
    for joint, driver, polycoef in joint_couplings(model):
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
