"""A user's hand taken in: its frames proposed, written down, drawn, and what was unsure said."""

import warnings
from dataclasses import dataclass
from pathlib import Path

from handsim.errors import MissingExtraError
from handsim.gallery import show_frames
from handsim.hands.foreign import load_file
from handsim.hands.model_file import MissingMeshWarning
from handsim.hands.proposal import Proposal, propose


@dataclass(frozen=True, eq=False)
class Adoption:
    """What `add_hand` did.

    Attributes:
        proposal: what was found.
        description: the TOML file written; `load_hand` takes it.
        picture: the picture to check, or None.
        unsure: what to check, in sentences; why there is no picture, if there is none.
    """

    proposal: Proposal
    description: Path
    picture: Path | None
    unsure: tuple[str, ...]

    def report(self) -> str:
        """What to tell the user, a few lines."""
        found, frames = self.proposal, self.proposal.frames
        couplings = [f"{joint} follows {c.driver}" for joint, c in found.couplings.items()]
        lines = [
            f"{found.name}: a {found.side} hand with {', '.join(found.fingers)}",
            f"palm: on {frames.palm.body}",
            *(f"{finger} tip: on {tip.body}" for finger, tip in frames.tips.items()),
            f"couplings: {', '.join(couplings) or 'none'}",
            *(f"unsure: {doubt}" for doubt in self.unsure),
            f"wrote {self.description}" + (f" and {self.picture}" if self.picture else ""),
            f'load it with handsim.load_hand("{self.description}")',
        ]
        return "\n".join(lines)


def add_hand(path: str | Path, out: str | Path | None = None) -> Adoption:
    """Propose frames for a user's hand, write them as `<stem>.toml` and draw `<stem>.png`.

    Args:
        path: the model file, `.urdf` or `.xml`.
        out: the folder to write to; None for that of the model. `load_hand` finds the TOML by
            itself only beside the model; elsewhere give it the TOML file.

    Raises:
        MissingFileError: there is no such file.
        FormatError: it is not a model file MuJoCo can read.
        InputError: there is no hand in it.
        OutputError: the folder cannot be written to.
    """
    path = Path(path)
    folder = path.parent if out is None else Path(out)
    description, picture = folder / f"{path.stem}.toml", folder / f"{path.stem}.png"
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always", MissingMeshWarning)
        proposal = propose(path)
    unsure = [*proposal.doubts, *(str(w.message) for w in caught)]
    proposal.write(description)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", MissingMeshWarning)
        hand = load_file(path, frames=description)
    try:
        drawn: Path | None = show_frames(hand, picture)
    except MissingExtraError as error:
        drawn = None
        unsure.append(f"There is no picture to check by: {error}")
    return Adoption(proposal, description, drawn, tuple(unsure))
