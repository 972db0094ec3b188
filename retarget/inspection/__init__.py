"""What is in a file or folder: any recording, and anything else, looked at without trusting it.

Nothing a file names is executed and no more than `containers.BOUND` bytes of it are unpacked; what
is damaged or refused is said in the report's notes.
"""

from pathlib import Path

from handsim.errors import HandsimError
from retarget.human.sources.arrays import container
from retarget.inspection.containers import Found, look_into, sniff
from retarget.inspection.content import length_notes
from retarget.inspection.folders import look_into_folder, size_of
from retarget.inspection.media import picture_part, probe_video
from retarget.inspection.motions import hand_of, motion_clock, read_hands, recognise
from retarget.inspection.report import Clock, Hand, Numbers, Part, Report, Video
from retarget.inspection.text import as_text

__all__ = ["Clock", "Hand", "Numbers", "Part", "Report", "Video", "as_text", "inspect"]


def inspect(path: str | Path) -> Report:
    """Look at a file or folder of any kind.

    Raises:
        MissingFileError: there is no such file or folder.
        FormatError: it is empty, a device, or cannot be read at all.
    """
    path = Path(path)
    kind = sniff(path, container(path))
    found = Found()
    size = size_of(path)
    video = None
    try:
        if kind == "folder":
            look_into_folder(path, found)
        elif kind in ("video", "avi"):
            video = probe_video(path)
        elif kind == "image":
            found.parts.append(picture_part(path))
        else:
            look_into(path, kind, found)
    except HandsimError as error:
        found.notes.append(str(error))
    pictures = kind in ("video", "avi", "image")
    if pictures:
        found.notes.append("pictures of a hand: `retarget extract` finds the motion in them")
    format, refusals = ("", {}) if pictures else recognise(path)
    motions, wrong = read_hands(path, format) if format else ({}, "")
    notes = [*found.notes, *([wrong] if wrong else [])]
    if kind != "folder":
        notes += length_notes(found.parts)
    return Report(
        path=str(path),
        container=kind,
        size=size,
        format=format,
        refusals=refusals,
        parts=tuple(found.parts),
        clocks=tuple(dict.fromkeys([*map(motion_clock, motions.values()), *found.clocks])),
        hands=tuple(map(hand_of, motions.values())),
        video=video,
        header=found.header,
        notes=tuple(dict.fromkeys(notes)),
    )
