"""Datasets from motions: the same to the byte however the work is done, cut off or spoilt."""

import errno
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

import handsim
from handsim.errors import InputError, MissingExtraError, MissingFileError, OutputError
from handsim.randomization import Randomization
from handsim.resimulation import read_episode, resimulate
from retarget import cli, generation
from retarget.generation import Recipe, assembly, episodes, generate, plan, ray_cluster, run_folder
from retarget.generation.environments import ENVIRONMENTS
from retarget.generation.processes import Done
from retarget.human.hand_trajectory import HandTrajectory, ManoParameters, Stream
from retarget.human.sources.dexmv import EXAMPLE_CAMERAS
from tests.retarget.generated import RECIPE, tree

RAY_PYTHON = os.environ.get("HANDSIM_RAY_PYTHON") or (sys.executable if find_spec("ray") else None)
"""An interpreter that has Ray beside what we need."""


@pytest.fixture(scope="module", autouse=True)
def one_picture():
    """Pictures take most of the time of episodes as short as these."""
    kept, plan.SHOWN = plan.SHOWN, 1
    yield
    plan.SHOWN = kept


@pytest.fixture
def here(monkeypatch):
    """Work in this process, as the only worker."""

    def run(jobs, work, count):
        for job in jobs:
            for item, _ in zip(job, work(job), strict=True):
                yield Done(item)

    monkeypatch.setattr(generation, "run", run)


def manifest(folder):
    return [json.loads(line) for line in (folder / "manifest.jsonl").read_text().splitlines()]


def test_a_damaged_motion_fails_alone_and_the_manifest_says_why(undisturbed):
    lines = manifest(undisturbed)
    assert [line["motion"]["name"] for line in lines] == ["a", "a", "b", "b", "c", "c"]
    assert [line["status"] for line in lines] == [
        "kept",
        "kept",
        "failed",
        "failed",
        "kept",
        "kept",
    ]
    assert "b.npz" in lines[2]["reason"]
    rollouts = handsim.datasets.read("robomimic", undisturbed / "robomimic" / "dex3_right.hdf5")
    assert [r.metadata["episode"] for r in rollouts] == [
        line["episode"] for line in lines if line["status"] == "kept"
    ]
    assert not (undisturbed / ".work").exists()


def test_an_episode_carries_the_person_and_the_task(undisturbed):
    rollout = read_episode(undisturbed / "robomimic" / "dex3_right.hdf5", 0)
    assert rollout.annotations["human_keypoints"].shape == (20, 21, 3)
    assert rollout.task == "follow the hand motion a"


def test_mano_and_streams_come_along_and_mano_is_mirrored(motions, tmp_path, here):
    person = HandTrajectory.load(motions / "a.npz")
    turns = Rotation.random(20 * 16, random_state=np.random.default_rng(0)).as_matrix()
    turns = turns.reshape(20, 16, 3, 3)
    mano = ManoParameters(np.ones((20, 10)), turns[:, 0], turns[:, 1:], np.ones((20, 3)))
    glove = Stream(person.times[::2], np.arange(10.0)[:, None] * [1, 10], "force [N]")
    replace(person, mano=mano, streams={"tactile": glove}).save(tmp_path / "rich.npz")
    recipe = replace(RECIPE, variants=8, time_warp=0.0, mirror=True)
    generate([tmp_path / "rich.npz"], recipe, tmp_path / "out")
    plain = read_episode(tmp_path / "out/robomimic/dex3_right.hdf5", 0)
    np.testing.assert_allclose(plain.annotations["mano_hand_pose"], turns[:, 1:], atol=1e-12)
    assert plain.annotations["tactile"][:4].tolist() == [[0, 0], [0, 0], [1, 10], [1, 10]]
    assert plain.metadata["streams"]["tactile"] == "force [N]"
    image = read_episode(tmp_path / "out/robomimic/dex3_left.hdf5", 0)
    assert image.side == "left"
    assert "tactile" not in image.annotations
    np.testing.assert_allclose(
        image.annotations["mano_transl"], plain.annotations["mano_transl"] * [-1, 1, 1]
    )


def test_pictures_have_the_size_asked_for(motions, tmp_path, here, opengl):
    recipe = replace(RECIPE, variants=1, cameras=("front", "wrist"), size=(48, 32))
    generate([motions / "c.npz"], recipe, tmp_path / "out")
    frames = read_episode(tmp_path / "out/robomimic/dex3_right.hdf5", 0).frames
    assert {name: array.shape for name, array in frames.items()} == {
        "front": (15, 32, 48, 3),
        "wrist": (15, 32, 48, 3),
    }
    assert frames["front"].std() > 5


def test_the_card_counts_names_licences_and_shows(undisturbed, can_render):
    card = (undisturbed / "README.md").read_text()
    assert "made by handsim from 3 human motions. Of 6 episodes planned: 2 failed, 4 kept." in card
    assert "Do as you like (LICENSE)" in card
    assert (undisturbed / "contact_sheet.png").exists() == can_render


def test_the_card_counts_a_single_motion_and_episode_as_one(motions, tmp_path, here):
    generate([motions / "c.npz"], replace(RECIPE, variants=1), tmp_path / "out")
    card = (tmp_path / "out" / "README.md").read_text()
    assert "\n1 episode of 14 steps in all" in card
    assert "made by handsim from 1 human motion. Of 1 episode planned: 1 kept." in card


def test_the_work_in_this_process_gives_the_same_bytes(undisturbed, motions, tmp_path, here):
    generate([motions], RECIPE, tmp_path / "out")
    assert tree(tmp_path / "out") == tree(undisturbed)


def test_two_workers_give_the_same_bytes(undisturbed, motions, tmp_path):
    generate([motions], RECIPE, tmp_path / "out", workers=2)
    assert tree(tmp_path / "out") == tree(undisturbed)


class Killed(BaseException):
    """What no code expects, as it does not expect kill −9."""


CRASHES = {
    "before the recipe is written": (run_folder.RunFolder, "write", 0),
    "in the second episode": (episodes, "write_record", 1),
    "before a pack": (episodes, "pack", 0),
    "in the third pack": (episodes, "pack", 2),
    "before the datasets": (assembly, "assemble", 0),
    "before the manifest": (run_folder.RunFolder, "write", 1),
    "before the card": (run_folder.RunFolder, "write", 3),
    "before the checksums": (run_folder.RunFolder, "write", 4),
    "while it cleans up": (shutil, "rmtree", 10),
}


@pytest.mark.parametrize("crash", CRASHES)
def test_after_a_crash_the_same_command_ends_the_same(
    crash, undisturbed, motions, tmp_path, here, monkeypatch
):
    owner, name, count = CRASHES[crash]
    kept, calls = getattr(owner, name), []

    def crashing(*arguments, **options):
        calls.append(name)
        if len(calls) == count + 1:
            raise Killed
        return kept(*arguments, **options)

    with monkeypatch.context() as patch:
        patch.setattr(owner, name, crashing)
        with pytest.raises(Killed):
            generate([motions], RECIPE, tmp_path / "out")
    assert not (tmp_path / "out" / "SHA256SUMS").exists() or crash == "while it cleans up"
    generate([motions], RECIPE, tmp_path / "out")
    assert tree(tmp_path / "out") == tree(undisturbed)


def test_a_finished_run_is_left_as_it_is(undisturbed, motions, here, monkeypatch):
    before = {file: file.stat().st_mtime_ns for file in undisturbed.rglob("*")}
    monkeypatch.setattr(generation, "run", None)
    made = generate([motions], RECIPE, undisturbed)
    assert made.counts == {"kept": 4, "failed": 2}
    assert {file: file.stat().st_mtime_ns for file in undisturbed.rglob("*")} == before


@pytest.mark.parametrize("place", [(episodes, "pack"), (assembly, "assemble")])
def test_a_full_disk_is_one_error_and_then_the_run_goes_on(
    place, undisturbed, motions, tmp_path, here, monkeypatch
):
    def full(*arguments):
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(*place, full)
        with pytest.raises(OutputError, match="the disk is full: make room"):
            generate([motions], RECIPE, tmp_path / "out")
    generate([motions], RECIPE, tmp_path / "out")
    assert tree(tmp_path / "out") == tree(undisturbed)


def test_another_command_is_refused_by_what_differs(undisturbed, motions):
    with pytest.raises(InputError, match=r"recipe\.seed was 0, is 7"):
        generate([motions], replace(RECIPE, seed=7), undisturbed)
    with pytest.raises(InputError, match="its motions are others"):
        generate([motions / "a.npz"], RECIPE, undisturbed)


def test_a_folder_with_something_else_in_it_is_refused(motions, tmp_path):
    (tmp_path / "thesis.tex").write_text("all my work")
    with pytest.raises(InputError, match="is not empty"):
        generate([motions], RECIPE, tmp_path)
    assert [file.name for file in tmp_path.iterdir()] == ["thesis.tex"]


def test_two_runs_do_not_work_in_one_folder(motions, tmp_path, here):
    text = generation.make_plan(RECIPE, [motions]).text()
    with run_folder.opened(tmp_path / "out", text), pytest.raises(OutputError, match="Another"):
        generate([motions], RECIPE, tmp_path / "out")


def test_a_simulation_that_becomes_unstable_fails_and_says_when(
    motions, tmp_path, here, monkeypatch
):
    def unstable(*arguments):
        rollout, scores = perform(*arguments)
        states = rollout.states.copy()
        states[-1] = np.nan
        return replace(rollout, states=states) if len(rollout) == 19 else rollout, scores

    perform = ENVIRONMENTS["track"].perform
    monkeypatch.setattr(ENVIRONMENTS["track"], "perform", unstable)
    made = generate([motions], replace(RECIPE, variants=1), tmp_path / "out")
    first, _, third = manifest(tmp_path / "out")
    assert first["reason"] == "The simulation became unstable in step 18."
    assert third["status"] == "kept"
    assert made.counts == {"kept": 1, "failed": 2}


def test_episodes_below_a_threshold_are_rejected_and_scored(motions, tmp_path, here):
    recipe = replace(RECIPE, keep=("tip_error_mm<0.001", "valid_percent > 50"))
    made = generate([motions / "a.npz"], recipe, tmp_path / "out")
    lines = manifest(tmp_path / "out")
    assert made.counts == {"rejected": 2}
    assert made.datasets == []
    assert all("expected tip_error_mm < 0.001" in line["reason"] for line in lines)
    assert all(line["scores"]["tip_error_mm"] > 0.001 for line in lines)
    assert generation.verify(tmp_path / "out") == []


def test_a_randomized_world_is_recorded_and_made_again(motions, tmp_path, here):
    world = Randomization(gains=(0.7, 1.3), latency=(0.0, 0.01), noise={"qvel": 0.1})
    recipe = replace(RECIPE, randomization=world)
    generate([motions / "a.npz"], recipe, tmp_path / "out")
    assert generation.verify(tmp_path / "out") == []
    rollouts = handsim.datasets.read("robomimic", tmp_path / "out/robomimic/dex3_right.hdf5")
    drawn = [rollout.metadata["randomization"]["gains"] for rollout in rollouts]
    assert len(set(drawn)) == 2
    assert all(resimulate(rollout).same for rollout in rollouts)


def test_hands_lift_what_a_person_lifted(shared, tmp_path, here):
    recipe = Recipe(
        hands=("allegro",),
        env="grasp",
        object="mustard",
        object_frame=tuple(EXAMPLE_CAMERAS.ravel().tolist()),
        wrist="floating",
        variants=2,
        time_warp=0.2,
        shift=0.02,
        turn=0.3,
        keep=("success>0.5",),
    )
    made = generate([shared / "motions" / "dexmv_mustard"], recipe, tmp_path / "out")
    assert made.counts == {"kept": 2}
    assert generation.verify(tmp_path / "out") == []
    rollouts = handsim.datasets.read("robomimic", tmp_path / "out/robomimic/allegro_right.hdf5")
    starts = [rollout.observations["object"][0, :2] for rollout in rollouts]
    assert 1e-3 < np.linalg.norm(starts[1] - starts[0]) < 0.1
    assert all(rollout.observations["object"][:, 2].max() > 0.15 for rollout in rollouts)
    assert all(resimulate(rollout).same for rollout in rollouts)
    assert rollouts[0].task == "lift the object as in dexmv mustard"


def test_a_motion_without_an_object_lifts_nothing(motions, tmp_path, here):
    recipe = replace(RECIPE, env="grasp", object="box", wrist="floating", variants=1)
    made = generate([motions / "a.npz"], recipe, tmp_path / "out")
    assert made.counts == {"failed": 1}
    assert "expected one of an object" in manifest(tmp_path / "out")[0]["reason"]


def test_an_undefined_score_rejects_nothing():
    threshold = generation.recipe.Threshold.parse("pinch_f1>0.5")
    assert threshold.admits(float("nan"))
    assert threshold.admits(0.6)
    assert not threshold.admits(0.5)


def test_a_motion_that_needs_what_is_missing_fails_alone(motions, tmp_path, here, monkeypatch):
    def missing(path, *arguments):
        if path.name == "a.npz":
            raise MissingExtraError("a.npz needs MANO's files")
        return load(path, *arguments)

    load = episodes.load
    monkeypatch.setattr(episodes, "load", missing)
    made = generate([motions / "a.npz", motions / "c.npz"], RECIPE, tmp_path / "out")
    assert made.counts == {"failed": 2, "kept": 2}
    assert manifest(tmp_path / "out")[0]["reason"] == "a.npz needs MANO's files"


def test_what_every_episode_lacks_ends_the_run(motions, tmp_path, here, monkeypatch):
    def missing(*arguments):
        raise MissingExtraError("nothing renders here")

    monkeypatch.setattr(ENVIRONMENTS["track"], "perform", missing)
    with pytest.raises(MissingExtraError, match="nothing renders here"):
        generate([motions], RECIPE, tmp_path / "out")


def test_an_episode_depends_on_no_other(motions):
    both = generation.make_plan(RECIPE, [motions / "a.npz", motions / "c.npz"]).episodes
    alone = generation.make_plan(replace(RECIPE, hands=("leap", "dex3")), [motions / "c.npz"])
    seeds = {episode.id: episode.seed for episode in alone.episodes}
    shared = [episode for episode in both if episode.id in seeds]
    assert len(shared) == 2
    assert all(seeds[episode.id] == episode.seed for episode in shared)
    assert len(set(seeds.values())) == 4


def test_jobs_share_solutions_and_have_every_episode_once(motions):
    listed = generation.make_plan(replace(RECIPE, variants=9), [motions]).episodes
    for least in (1, 3, 7, 100):
        jobs = plan.jobs_of(listed, least)
        assert len(jobs) >= min(least, len(listed))
        assert sorted(e.id for job in jobs for e in job) == sorted(e.id for e in listed)
        assert all(len({e.solving for e in job}) == 1 for job in jobs)
    assert len(plan.jobs_of(listed, 1)) == 3


def test_one_motion_under_two_names_and_no_motion_at_all(motions, tmp_path):
    with pytest.raises(InputError, match="given twice"):
        generation.make_plan(RECIPE, [motions, motions / "a.npz"])
    shutil.copy(motions / "a.npz", tmp_path / "a.npz")
    with pytest.raises(InputError, match="same motion"):
        generation.make_plan(RECIPE, [motions / "a.npz", tmp_path / "a.npz"])
    with pytest.raises(InputError, match="None of the motions can be read"):
        generation.make_plan(RECIPE, [motions / "b.npz"])
    with pytest.raises(MissingFileError, match="No such"):
        generation.make_plan(RECIPE, [tmp_path / "none"])


def test_an_estimate_is_near_what_it_comes_to(undisturbed, motions):
    estimate = generation.estimate(generation.make_plan(RECIPE, [motions]), workers=2)
    size = (undisturbed / "robomimic" / "dex3_right.hdf5").stat().st_size
    assert estimate.episodes == 6
    assert estimate.unreadable == 1
    assert estimate.bytes == pytest.approx(size, rel=0.3)
    assert estimate.hours > 0


def command(motions, out, *more, python=sys.executable):
    """A run in a process of its own, in a new session so that all of it can be ended."""
    arguments = ["generate", motions, "--hands", "dex3", "--variants", "2", "--method", "vector"]
    arguments += ["--time-warp", "0.3", "--workers", "1", "-o", out, *more]
    program = "import sys; from retarget import cli; from retarget.generation import plan; "
    program += "plan.SHOWN = 1; cli.main(sys.argv[1:])"
    root = str(Path(generation.__file__).parents[2])
    environment = {**os.environ, "PYTHONPATH": root}
    line = [python, "-c", program, *map(str, arguments)]
    return subprocess.Popen(line, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE)


def workers_of(process):
    """The processes a run has started to work."""
    listed = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()
    return [
        int(pid) for pid in listed if b"spawn_main" in Path(f"/proc/{pid}/cmdline").read_bytes()
    ]


def wait_for(condition):
    for _ in range(15000):
        if condition():
            return
        time.sleep(0.02)
    raise AssertionError("it did not happen within five minutes")


@pytest.mark.skipif(not Path("/proc/self/task").exists(), reason="needs Linux's /proc")
def test_kill_9_of_a_worker_and_then_of_all_loses_nothing(undisturbed, motions, tmp_path):
    out = tmp_path / "out"
    run = command(motions, out)
    wait_for(lambda: workers_of(run))
    (first,) = workers_of(run)
    os.kill(first, signal.SIGKILL)
    wait_for(lambda: set(workers_of(run)) - {first})
    (second,) = set(workers_of(run)) - {first}
    wait_for(lambda: list(out.glob(".work/episodes/*/record.json")))
    run.kill()
    run.communicate()
    wait_for(lambda: not Path(f"/proc/{second}").exists())
    again = command(motions, out)
    assert again.communicate()[1] == b""
    assert again.returncode == 0
    assert tree(out) == tree(undisturbed)


def test_results_sent_from_other_machines_are_the_same(undisturbed, motions, tmp_path, monkeypatch):
    def run(jobs, work, count):
        results = work.keywords["results"]
        for job in jobs:
            sent = ray_cluster.results_of(job, RECIPE)
            for episode, files in zip(job, sent, strict=True):
                ray_cluster.unpack(files, episode.id, results)
                yield Done(episode)

    monkeypatch.setattr(generation, "run", run)
    generate([motions], RECIPE, tmp_path / "out")
    assert tree(tmp_path / "out") == tree(undisturbed)


@pytest.mark.skipif(not RAY_PYTHON, reason="no Ray (set HANDSIM_RAY_PYTHON)")
def test_a_ray_cluster_gives_the_same_bytes(undisturbed, motions, tmp_path):
    run = command(motions, tmp_path / "out", "--ray", "local", python=RAY_PYTHON)
    said = run.communicate()[1].decode()
    assert run.returncode == 0, said
    assert tree(tmp_path / "out") == tree(undisturbed)


def test_at_the_shell(motions, tmp_path, here, capsys):
    out = tmp_path / "out"
    asked = ["generate", motions, "--hands", "dex3,ability", "--method", "vector", "-o", out]
    cli.main([*map(str, asked), "--dry-run"])
    assert "6 episodes" in capsys.readouterr().out
    assert not out.exists()
    cli.main([*map(str, asked)])
    assert "6 episodes, 2 failed, 4 kept" in capsys.readouterr().out
    for arguments in (["verify", out], ["replay", out / "robomimic/dex3_right.hdf5"]):
        more = ["--episode", "1"] if arguments[0] == "replay" else []
        cli.main([*map(str, arguments), *more])
    assert "every state the same to the bit" in capsys.readouterr().out


def test_an_interrupted_command_says_how_to_go_on(motions, tmp_path, monkeypatch, capsys):
    def interrupted(jobs, work, count):
        raise KeyboardInterrupt
        yield

    monkeypatch.setattr(generation, "run", interrupted)
    with pytest.raises(SystemExit) as ended:
        cli.main(["generate", str(motions), "--hands", "dex3", "-o", str(tmp_path / "out")])
    assert ended.value.code == 130
    assert "the same command goes on where this one stopped" in capsys.readouterr().err
