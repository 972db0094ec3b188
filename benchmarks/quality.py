"""How good the methods are beside dex-retargeting's three: motions × hands × methods, in one run.

    python -m benchmarks.quality --motions DIR [--dex-urdf DIR --peers-python PATH] [--hands …]

Every solution is measured against the same targets (`protocol`), whoever made it. Ours are solved
twice, with the palm aligned and with the palm where the person's is; dex-retargeting runs as it is
shipped, its low-pass filter included and, as a row of its own, left out. Its palm lies otherwise
than ours: its rows are measured in whichever palm suits it better ("own"), and in the protocol's
alone. It needs
a checkout of dexsuite/dex-urdf and a Python that has dex-retargeting; without them ours run alone.

Writes `quality.jsonl` (a row a solution, with versions and the machine) and `quality.md`: the bars
for each of our methods, the comparison and the whole table.
"""

import json
import platform
import sys
from dataclasses import asdict, dataclass
from importlib.metadata import version
from pathlib import Path

import tyro
from rich.progress import track

import handsim
import retarget
from benchmarks import dex_peer
from benchmarks.bars import PEER, PROTOCOL, Row, comparison, table, unreachable, verdict
from benchmarks.figures import FIGURES, Case, case, figures
from handsim.assets import ASSETS
from handsim.errors import HandsimError
from handsim.files import replacing
from retarget.human.keypoints import Side

PACKAGES = ("mujoco", "numba", "numpy")
PALM_FIGURES = ("tip_aligned", "tip_coinciding", "link_error", "link_error_coinciding")
"""What depends on where the palm is taken to be."""
QUICK = 300
"""Frames of each motion in a quick run."""


@dataclass(frozen=True)
class Clip:
    """A recording: its path in the folder of motions and how it is taken.

    Attributes:
        theta: tip distance below which this person pinches [m]: 10 mm as gloves see it, 15 mm as
            networks see stills, 20 mm as MediaPipe sees video.
        every: take every so many frames, to about 30 a second.
        still: its frames are unrelated pictures.
        side: which hand, of a recording of both.
    """

    path: Path
    theta: float
    every: int = 1
    still: bool = False
    side: Side | None = None


CLIPS = {
    "sample": Clip(ASSETS / "motions" / "sample_right.npz", 0.01),
    "manus": Clip(Path("manus/manus_right_subject-000_run-010.npz"), 0.01, every=4),
    "geort": Clip(Path("geort/human_alex.npy"), 0.01),
    "dexretarget": Clip(Path("dexretarget/human_joint_right.pkl"), 0.02),
    "dexmv": Clip(Path("dexmv_mustard"), 0.015),
    "wilor stills": Clip(Path("wilor_stills/outputs.pkl"), 0.015, still=True),
    "wilor pinches": Clip(Path("wilor_stills/pinch_grasps_test.pkl"), 0.015, still=True),
    "wilor video": Clip(Path("wilor_video/wilor_test_long.zarr"), 0.015),
    "egodex": Clip(Path("egodex/basic_pick_and_place_0.hdf5"), 0.015, side="right"),
    "quest": Clip(Path("quest_handy/poses-right.json"), 0.015, still=True),
    "hot3d": Clip(Path("hot3d_aria"), 0.015, side="right"),
    "vitra": Clip(
        Path("vitra_hawor/Ego4D_03cc49c3-a7d1-445b-9a2a-545c4fae6843_ep_example.npy"), 0.015
    ),
}
"""The authored sample and the recordings of a folder of motions."""


def run(
    motions: Path | None = None,
    dex_urdf: Path | None = None,
    peers_python: Path = Path(sys.executable),
    hands: tuple[str, ...] = dex_peer.HANDS,
    clips: tuple[str, ...] = tuple(CLIPS),
    methods: tuple[str, ...] = tuple(retarget.METHODS),
    quick: bool = False,
    out: Path = Path("out/quality"),
) -> None:
    """Run the comparison and print its bars.

    Args:
        motions: folder of recordings, laid out as `CLIPS` says.
        dex_urdf: a checkout of dexsuite/dex-urdf; without it dex-retargeting does not run.
        peers_python: the Python that has dex-retargeting.
        hands: hands of the catalogue.
        clips: which of `CLIPS`.
        methods: which of ours.
        quick: the first frames of each motion only.
        out: folder for `quality.jsonl`, `quality.md` and what dex-retargeting found.
    """
    urdfs = dex_urdf / "robots" / "hands" if dex_urdf else None
    peer = dex_peer.Peer(peers_python, urdfs, out / "peer") if urdfs else None
    people = load(motions, clips, quick)
    rows: list[Row] = []
    for name, hand in track([(c, h) for c in people for h in hands], "quality", transient=True):
        rows += compare(name, people[name], hand, methods, peer)
    write(out, rows, methods, quick)
    print("\n\n".join(verdict(rows, method) for method in methods))
    print(f"wrote {out / 'quality.jsonl'} and {out / 'quality.md'}")


def load(
    folder: Path | None, clips: tuple[str, ...], quick: bool
) -> dict[str, retarget.HandTrajectory]:
    """The motions there are, by name; what is absent or cannot be read is named and left out."""
    people = {}
    for name in clips:
        clip = CLIPS[name]
        path = clip.path if clip.path.is_absolute() or folder is None else folder / clip.path
        try:
            person = retarget.load(path, clip.side)
        except HandsimError as error:
            print(f"left out: {name}: {error}")
            continue
        people[name] = person.select(slice(None, QUICK * clip.every if quick else None, clip.every))
    return people


def compare(
    name: str,
    person: retarget.HandTrajectory,
    hand_name: str,
    methods: tuple[str, ...],
    peer: dex_peer.Peer | None,
) -> list[Row]:
    """Every method and the peer's on one motion and hand."""
    hand = handsim.load_hand(hand_name, person.side)
    measured = case(hand, person, CLIPS[name].theta, CLIPS[name].still)
    rows = []
    for method in methods:
        for palm, calibration in (
            ("aligned", measured.aligned),
            ("coinciding", measured.coinciding),
        ):
            solution = retarget.Retargeter(hand, method, calibration).retarget(person)
            found = figures(measured, solution.trajectory.qpos, solution.converged)
            rate = len(person) / float(solution.seconds.sum())
            rows.append(_row(name, measured, method, palm, rate, found))
    if peer is not None and hand_name in dex_peer.HANDS:
        for method in dex_peer.METHODS:
            rows += peer_rows(name, measured, peer, method)
    return rows


def peer_rows(name: str, measured: Case, peer: dex_peer.Peer, method: str) -> list[Row]:
    """One of dex-retargeting's methods, filtered as shipped and unfiltered; stills only so."""
    solution = dex_peer.solve(peer, measured.hand, measured.person, method)
    outputs = {"own": solution.filtered, "own, unfiltered": solution.qpos}
    if measured.still:
        outputs = {"own": solution.qpos}
    rate, rows = 1.0 / float(solution.seconds.mean()), []
    for palm, qpos in outputs.items():
        turned = dex_peer.in_its_frame(measured, solution.turn, qpos)
        found = figures(measured, qpos, solution.solved)
        in_its_own = figures(turned, qpos, solution.solved)
        better = found | {f: min(found[f], in_its_own[f]) for f in PALM_FIGURES}
        rows.append(_row(name, measured, f"{PEER} {method}", palm, rate, better))
        if palm == "own":
            rows.append(_row(name, measured, f"{PEER} {method}", PROTOCOL, rate, found))
    return rows


def _row(
    name: str, measured: Case, method: str, palm: str, rate: float, found: dict[str, float]
) -> Row:
    finite = {figure: value if value == value else None for figure, value in found.items()}
    frames, pinches, hand = len(measured.person), measured.human_pinches, measured.hand
    out_of_reach = tuple(
        f for f, can in zip(hand.fingers[1:], measured.pinches, strict=True) if not can
    )
    return Row(name, hand.name, method, palm, frames, pinches, out_of_reach, rate, finite)


def write(folder: Path, rows: list[Row], methods: tuple[str, ...], quick: bool) -> None:
    """`quality.jsonl` and `quality.md`, each row with what it was measured on."""
    where = {
        "machine": f"{platform.machine()}, {platform.system()}, Python {platform.python_version()}",
        "versions": {package: version(package) for package in PACKAGES},
        "quick": quick,
    }
    with replacing(folder / "quality.jsonl") as temporary:
        temporary.write_text("".join(json.dumps(asdict(row) | where) + "\n" for row in rows))
    parts = [
        f"{m.name} [{m.unit}]: {m.description}; {m.better} is better" for m in FIGURES.values()
    ]
    text = ["\n".join(f"- {part}" for part in parts)]
    for method in methods:
        text += [verdict(rows, method), f"{method} / best of {PEER}", comparison(rows, method)]
    with replacing(folder / "quality.md") as temporary:
        temporary.write_text("\n\n".join([*text, unreachable(rows), table(rows)]) + "\n")


if __name__ == "__main__":
    tyro.cli(run)
