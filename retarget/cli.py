"""The `retarget` command: parses, calls, prints; holds no logic."""

import os
import sys
from collections.abc import Callable, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any, Literal

import tyro

import handsim
import retarget
from handsim.adoption import add_hand
from handsim.errors import HandsimError, InputError
from handsim.gallery import show, write_gallery
from handsim.resimulation import read_episode, resimulate
from retarget import doctor, generation, inspection, live
from retarget.demo import demo, write_scores
from retarget.human.extract import extract as extract_hands
from retarget.human.extract import parse_options, venvs
from retarget.human.extract.depth import measure_extraction
from retarget.human.extract.depth_maps import read_depth_camera
from retarget.playback import film, play
from retarget.printing import console, print_findings, print_hands, print_scores, say, to_json
from retarget.status import tally

FAILURE = 2

Motion = Annotated[tyro.conf.Positional[Path], tyro.conf.arg(help="a human motion, in any format")]
Output = Annotated[Path, tyro.conf.arg(aliases=["-o"])]


def run_demo(
    out: Output = Path("out/demo"), hands: tuple[str, ...] = ("shadow", "allegro", "ability")
) -> None:
    """Replay the sample motion on robot hands: trajectories, video, contact sheet, scores.

    Args:
        out: folder to write to.
        hands: hands of the catalogue.
    """
    made = demo(out, hands, progress=console.is_terminal)
    print_scores(made.scores)
    if made.unfilmed:
        sys.stderr.write(f"retarget: no pictures: {made.unfilmed}\n")
    print(f"wrote {', '.join(str(file) for file in made.files)}")


def calibrate(
    motion: Motion,
    out: Output,
    hand: str = "shadow",
    open_hand: bool = False,
    side: Literal["right", "left"] | None = None,
    format: str | None = None,
) -> None:
    """Fit a calibration of a person and a robot hand, and show it.

    Args:
        out: the calibration, an .npz.
        hand: a hand of the catalogue.
        open_hand: the motion is a frame or a few of an open hand: take its bones only.
        side: which hand of the file; needed where it holds both.
        format: the file's format, recognised from its content when not given.
    """
    person = retarget.load(motion, side=side, format=format)
    fit = retarget.calibrate_open if open_hand else retarget.calibrate
    fitted = fit(handsim.load_hand(hand, person.side), person)
    fitted.save(out)
    print(f"{fitted}\nwrote {out}")


def solve(
    motion: Motion,
    out: Output,
    hand: str = "shadow",
    method: str = retarget.DEFAULT,
    solver: str | None = None,
    side: Literal["right", "left"] | None = None,
    format: str | None = None,
    fps: float | None = None,
    calibration: Path | None = None,
) -> None:
    """Retarget a human motion to a robot hand.

    Args:
        out: the solution, an .npz.
        hand: a hand of the catalogue.
        method: what to match.
        solver: how to minimise: trajectory (all frames at once; the default), newton (frame by
            frame), or an algorithm of nlopt's by its name, as slsqp.
        side: which hand of the file; needed where it holds both.
        format: the file's format, recognised from its content when not given.
        fps: frames a second, for files without times.
        calibration: a saved calibration of this person and hand; fitted when not given.
    """
    person = retarget.load(motion, side=side, format=format, fps=fps)
    robot = handsim.load_hand(hand, person.side)
    known = retarget.Calibration.load(calibration) if calibration else None
    engine = retarget.Retargeter(robot, method, known, solver)
    solution = engine.retarget(person, progress=console.is_terminal)
    solution.save(out)
    print_scores({hand: retarget.score(person, solution, hand=robot)})
    print(f"wrote {out}: {len(person)} frames, {tally(solution.status)}")


def replay(
    recorded: Annotated[
        tyro.conf.Positional[Path], tyro.conf.arg(help="from `solve`, or with --episode a dataset")
    ],
    out: Annotated[Path | None, tyro.conf.arg(aliases=["-o"])] = None,
    motion: Path | None = None,
    wrist: Literal["fixed", "floating"] = "fixed",
    video: Path | None = None,
    episode: int | None = None,
    format: str | None = None,
) -> None:
    """Replay a solution in MuJoCo physics; or prove that a dataset's episode is what physics does.

    With --episode the recorded actions are taken again in the recorded environment, and every state
    is compared with the recorded one, bit by bit; exit code 1 where they differ.

    Args:
        out: the rollout, an .npz.
        motion: the human motion it came from: its keypoints go into the rollout and the video.
        wrist: hold the wrist still, or let it follow the person's.
        video: an .mp4 of the person beside what the robot did; needs `motion`.
        episode: number of an episode of the dataset, from 0.
        format: the dataset's, found out when not given.
    """
    if episode is not None:
        found = resimulate(read_episode(recorded, episode, format))
        print(f"episode {episode}: {found}")
        if not found.same:
            sys.exit(1)
        return
    if out is None:
        raise InputError("replay needs -o for the rollout, or --episode for a dataset.")
    solved = retarget.Solution.load(recorded)
    person = retarget.load(motion, side=solved.trajectory.side) if motion else None
    rollout = play(solved, person, wrist)
    rollout.save(out)
    print(f"wrote {out}: {len(rollout)} steps")
    if video:
        film(video, rollout, progress=console.is_terminal)
        print(f"wrote {video}")


def score(
    motion: Motion,
    solution: Annotated[tyro.conf.Positional[Path], tyro.conf.arg(help="from `retarget solve`")],
    rollout: Path | None = None,
    json: Path | None = None,
) -> None:
    """Score a solution against the human motion it came from.

    Args:
        rollout: its replay, for the scores of physics.
        json: also write the scores there.
    """
    solved = retarget.Solution.load(solution)
    person = retarget.load(motion, side=solved.trajectory.side)
    played = handsim.Rollout.load(rollout) if rollout else None
    scores = {solved.trajectory.hand: retarget.score(person, solved, played)}
    print_scores(scores)
    if json:
        write_scores(json, scores)
        print(f"wrote {json}")


def export(
    rollouts: Annotated[
        tyro.conf.Positional[tuple[Path, ...]], tyro.conf.arg(help="from `replay`")
    ],
    out: Output,
    format: str = "robomimic",
) -> None:
    """Write rollouts as a robot-learning dataset.

    Args:
        out: the dataset.
        format: its format.
    """
    episodes = [handsim.Rollout.load(path) for path in rollouts]
    handsim.datasets.write(format, out, episodes)
    print(f"wrote {out}: {len(episodes)} episodes, {sum(map(len, episodes))} steps")


def run_generate(
    motions: Annotated[
        tyro.conf.Positional[tuple[Path, ...]],
        tyro.conf.arg(help="human motions in any format, or folders of such"),
    ],
    out: Output,
    recipe: Annotated[generation.Recipe, tyro.conf.arg(name="")],
    workers: int | None = None,
    ray: str | None = None,
    dry_run: bool = False,
) -> None:
    """Make robot-learning datasets of human motions; cut off, the same command goes on.

    Args:
        out: the folder to write.
        workers: how many processes; one a processor when not given.
        ray: work on the Ray cluster at this address instead, or "auto"; "local" starts one.
        dry_run: only say how many episodes, bytes and hours it comes to.
    """
    if dry_run:
        plan = generation.make_plan(recipe, motions, console.is_terminal)
        print(generation.estimate(plan, workers or os.cpu_count() or 1))
        return
    try:
        made = generation.generate(motions, recipe, out, workers, ray, console.is_terminal)
    except KeyboardInterrupt:
        say(f"retarget: {out} is not finished: the same command goes on where this one stopped")
        raise
    print(f"wrote {made}")


def verify(
    out: Annotated[tyro.conf.Positional[Path], tyro.conf.arg(help="what `generate` wrote")],
) -> None:
    """Say whether a generated folder is what its manifest says; exit code 1 where it is not."""
    problems = generation.verify(out, console.is_terminal)
    for problem in problems:
        print(problem)
    print(f"{out}: {len(problems)} problems" if problems else f"{out}: whole")
    if problems:
        sys.exit(1)


def hands(
    action: tyro.conf.Positional[Literal["list", "show", "add", "gallery"]] = "list",
    name: Annotated[
        tyro.conf.Positional[str],
        tyro.conf.arg(help="a hand of the catalogue, or a .urdf, .xml or .toml file"),
    ] = "",
    side: Literal["right", "left"] | None = None,
    out: Annotated[Path | None, tyro.conf.arg(aliases=["-o"])] = None,
    visuals: str | None = None,
) -> None:
    """List the hands, show one, draw them all, or take in one of your own.

    Args:
        action: list the catalogue; show one hand; add a model file of yours, by proposing its
            palm, fingers and tips; gallery: draw the whole catalogue.
        side: which side; the right one, or what a file says.
        out: the picture (show, gallery) or folder (add) to write; show opens a window without it.
        visuals: "menagerie", or a folder: show the maker's meshes.
    """
    if action == "list":
        print_hands()
    elif action == "show":
        written = show(handsim.load_hand(name, side, visuals=visuals), out)
        print(f"wrote {written}" if written else "closed")
    elif action == "add":
        print(add_hand(name, out).report())
    else:
        print(f"wrote {write_gallery(out or Path('hands.png'), side=side or 'right')}")


def extract(
    source: Annotated[
        tyro.conf.Positional[tuple[Path, ...]],
        tyro.conf.arg(help="a video, a folder of pictures, or pictures"),
    ],
    out: Output,
    backend: str = "mediapipe",
    python: Path | None = None,
    options: tuple[str, ...] = (),
    depth: Path | None = None,
    intrinsics: Path | None = None,
    extrinsics: Path | None = None,
    baseline: float | None = None,
) -> None:
    """Find the hands in a video or in pictures; cut off, the same command goes on.

    Args:
        out: what was seen, an .npz to `solve`.
        backend: mediapipe, hamer or wilor.
        python: an interpreter that has the backend; that of `retarget setup` when not given.
        options: of the backend, each as name=value.
        depth: a map for each frame, aligned to it: a folder of 16-bit .png [mm] or of .npy [m], or
            one .npy; makes the motion metric.
        intrinsics: of the camera, a matrix (3, 3) in .npy or text, or .json of fx, fy, cx, cy.
        extrinsics: the camera in the world or a robot's base, a pose (4, 4) in .npy or text.
        baseline: of a stereo pair [m], whose disparities [px] `depth` then is.
    """
    ruler = read_depth_camera(depth, intrinsics, extrinsics, baseline)
    chosen = parse_options(options)
    made = extract_hands(source, out, backend, python, chosen, console.is_terminal, say)
    print(f"wrote {made}")
    if ruler is not None:
        known = measure_extraction(made.file, *ruler)
        print("; ".join(f"{side} hand: depth in {count} frames" for side, count in known.items()))


def setup(
    backend: tyro.conf.Positional[str] = "mediapipe",
    python: Path | None = None,
) -> None:
    """Make the environment that a backend of `extract` runs in, once, in the user's cache.

    Args:
        backend: mediapipe, hamer or wilor.
        python: the interpreter to make it with.
    """
    print(venvs.make(backend, python, say=say))


def run_live(
    source: Annotated[
        tyro.conf.Positional[str], tyro.conf.arg(help="a camera's number, or a video")
    ] = "0",
    hand: str = "shadow",
    side: Literal["right", "left"] = "right",
    method: str = retarget.DEFAULT,
    calibration: Path | None = None,
    record: Path | None = None,
    python: Path | None = None,
) -> None:
    """Move a robot hand as the hand before a camera moves, in a window, until Ctrl-C.

    Args:
        hand: a hand of the catalogue.
        side: which of the person's hands.
        method: what to match.
        calibration: a saved calibration of this person and hand; else the first two seconds are
            one, of the hand held open.
        record: an .mp4 to write at the end; also where there is no display.
        python: an interpreter that has mediapipe; that of `retarget setup` when not given.
    """
    known = retarget.Calibration.load(calibration) if calibration else None
    robot = handsim.load_hand(hand, side)
    session = live.run(source, robot, method, known, record, python, say=say)
    print(session)
    if record:
        print(f"wrote {record}")


def run_inspect(
    file: Annotated[tyro.conf.Positional[Path], tyro.conf.arg(help="a file or folder of any kind")],
    json: bool = False,
) -> None:
    """Say what is in a file or folder, without trusting it.

    Args:
        json: print JSON.
    """
    report = inspection.inspect(file)
    print(to_json(report.as_json()) if json else inspection.as_text(report))


def run_doctor(json: bool = False) -> None:
    """Say what works on this machine, and how to get what does not; exit code 1 without the core.

    Args:
        json: print JSON.
    """
    findings = doctor.diagnose()
    if json:
        print(to_json([asdict(finding) for finding in findings]))
    else:
        print_findings(findings)
    sys.exit(0 if doctor.works(findings) else 1)


COMMANDS: dict[str, Callable[..., Any]] = {
    "demo": run_demo,
    "calibrate": calibrate,
    "solve": solve,
    "replay": replay,
    "score": score,
    "export": export,
    "generate": run_generate,
    "verify": verify,
    "hands": hands,
    "extract": extract,
    "setup": setup,
    "live": run_live,
    "inspect": run_inspect,
    "doctor": run_doctor,
}


def main(arguments: Sequence[str] | None = None) -> None:
    """Run one command; exit with code 2 and one line on bad input."""
    try:
        tyro.extras.subcommand_cli_from_dict(
            COMMANDS, prog="retarget", description=retarget.__doc__, args=arguments
        )
    except HandsimError as error:
        sys.stderr.write(f"retarget: error: {error}\n")
        sys.exit(FAILURE)
    except KeyboardInterrupt:
        sys.stderr.write("retarget: interrupted\n")
        sys.exit(130)
