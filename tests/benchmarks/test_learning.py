"""What learning is compared with, and how it is reported."""

import numpy as np
import pytest

from benchmarks import learning_tasks
from benchmarks.learning_report import LEARNED, Curve, Point, read, table
from benchmarks.learning_tasks import RANDOM, REPLAY, ZERO, Score, another, baselines, evaluate
from handsim.envs import ReorientEnv, TrackEnv
from tests.hands import hand
from tests.motions import motion


def curves() -> list[Curve]:
    """Random, and PPO of two seeds, one of which is a step ahead."""
    random = Curve("track", "dex3", RANDOM, 0, (Point(0, 0.0, Score(0.1, 0.9)),))
    learned = [
        tuple(Point(100 * k, 1.0, Score(0.2 * k + shift, 1 - 0.1 * k)) for k in range(length))
        for length, shift in ((3, 0.0), (4, 0.1))
    ]
    return [random] + [
        Curve("track", "dex3", LEARNED, i, points) for i, points in enumerate(learned)
    ]


def test_curves_survive_their_files(tmp_path):
    for i, curve in enumerate(curves()):
        curve.save(tmp_path / f"{i}.json")
    assert read(tmp_path) == curves()


def test_the_table_compares_seeds_after_the_same_number_of_steps():
    lines = table(curves()).splitlines()
    assert len(lines) == 4
    assert "| random | – | 0.1 | 0.9 joint error" in lines[2]
    assert "| PPO | 200 × 2 seeds | 0.45 (0.4 to 0.5) | 0.8 (0.8 to 0.8) joint error" in lines[3]


def test_a_picture_has_the_curves(tmp_path):
    pytest.importorskip("matplotlib")
    from benchmarks.learning_plot import draw

    draw(curves(), tmp_path / "learning.png")
    assert (tmp_path / "learning.png").stat().st_size > 5000


def test_replay_is_near_perfect_and_zero_and_random_are_not():
    env = TrackEnv(hand("dex3"), motion(hand("dex3"), amplitude=0.3))
    policies = baselines(env)
    scores = {name: evaluate(env, policy, [0])[0] for name, policy in policies.items()}
    assert set(scores) == {RANDOM, ZERO, REPLAY}
    assert scores[REPLAY].reward > 0.98
    assert scores[REPLAY].figure < 0.02
    assert max(scores[RANDOM].reward, scores[ZERO].reward) < 0.9


def test_an_object_that_is_dropped_earns_nothing_more():
    env = ReorientEnv(hand("dex3"), duration=1.0)
    held = evaluate(env, lambda env, observation: np.zeros(7), [0])[0]
    flung = evaluate(env, lambda env, observation: -np.ones(7), [0])[0]
    assert set(baselines(env)) == {RANDOM, ZERO}
    assert held.figure == 0.0
    assert flung.reward < held.reward < 1


def test_evaluation_is_the_same_every_time():
    env = ReorientEnv(hand("dex3"), duration=1.0)
    once, again = (evaluate(env, baselines(env)[RANDOM], [3, 4]) for _ in range(2))
    assert once == again
    assert once[0] != once[1]


def test_another_environment_is_alike():
    for env in (
        ReorientEnv(hand("dex3"), duration=1.0),
        TrackEnv(hand("dex3"), motion(hand("dex3"), seconds=0.2)),
    ):
        policy = baselines(env)[RANDOM]
        assert evaluate(env, policy, [0]) == evaluate(another(env), policy, [0])


def test_tracking_and_reorienting_have_small_hands():
    for task in ("track", "cube"):
        assert hand(learning_tasks.HANDS[task]).nu <= 9
