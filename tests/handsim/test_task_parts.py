"""What is compiled for tasks with an object, against numpy and scipy."""

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

import handsim
from handsim import rewards
from handsim.envs import task_parts
from handsim.surfaces import COMPILED, distance_to

seeds = pytest.mark.parametrize("seed", range(10))


def random_poses(rng: np.random.Generator, count: int) -> tuple[np.ndarray, Rotation]:
    turns = Rotation.random(count, rng=rng)
    quats = turns.as_quat(scalar_first=True) * rng.choice([-1, 1], (count, 1))
    return np.hstack([rng.normal(size=(count, 3)), quats]), turns


@seeds
def test_a_turn_brings_one_orientation_to_the_other(seed):
    poses, turns = random_poses(np.random.default_rng(seed), 2)
    vector = task_parts.turn_to(poses[0, 3:], poses[1, 3:])
    np.testing.assert_allclose(vector, (turns[1] * turns[0].inv()).as_rotvec(), atol=1e-9)
    np.testing.assert_allclose(task_parts.turn_to(poses[0, 3:], -poses[0, 3:]), 0.0, atol=1e-12)
    little = Rotation.from_rotvec([1e-9, 0, 0]).as_quat(scalar_first=True)
    found = task_parts.turn_to(np.array([1.0, 0, 0, 0]), little)
    np.testing.assert_allclose(found, [1e-9, 0, 0], rtol=1e-6, atol=1e-20)


@seeds
def test_lying(seed):
    rng = np.random.default_rng(seed)
    (pose, goal, palm), turns = random_poses(rng, 3)
    home, matrix = rng.normal(size=3), turns[2].as_matrix()
    angle, distance = task_parts.lying(pose, goal[3:], palm[:3], matrix.ravel(), home)
    assert angle == pytest.approx((turns[0].inv() * turns[1]).magnitude())
    assert distance == pytest.approx(np.linalg.norm(matrix.T @ (pose[:3] - palm[:3]) - home))


@seeds
def test_holding(seed):
    rng = np.random.default_rng(seed)
    (pose, goal), turns = random_poses(rng, 2)
    sites, tips, forces = rng.normal(size=(9, 3)), np.array([5, 2, 7]), rng.normal(size=(3, 3))
    matrix = turns[0].as_matrix()
    points, thumb, other, distance, angle = task_parts.holding(
        sites, tips, pose[:3], matrix.ravel(), forces.ravel(), pose, goal
    )
    np.testing.assert_allclose(points, (sites[tips] - pose[:3]) @ matrix, atol=1e-12)
    sizes = np.linalg.norm(forces, axis=1)
    assert (thumb, other) == pytest.approx((sizes[0], sizes[1:].max()))
    assert distance == pytest.approx(np.linalg.norm(pose[:3] - goal[:3]))
    assert angle == pytest.approx((turns[0].inv() * turns[1]).magnitude())


@seeds
@pytest.mark.parametrize("name", ["box", "cylinder", "sphere"])
def test_the_terms_of_a_grasp_are_those_of_its_errors(seed, name):
    rng, item = np.random.default_rng(seed), handsim.load_object(name)
    (pose, goal), turns = random_poses(rng, 2)
    goal[:3] = pose[:3] + 0.03 * rng.normal(size=3)
    tips, forces = np.array([2, 0, 3]), 0.3 * rng.normal(size=9)
    sites = pose[:3] + 0.08 * rng.normal(size=(4, 3))
    held = (sites, tips, pose[:3], turns[0].as_matrix().ravel(), forces, pose, goal)
    margins = np.array([0.1, 0.5, 0.05, 0.5])
    shape = COMPILED.get(name, -1)
    half = np.array(item.size) / 2
    found = task_parts.grasping(*held, shape, half, margins)
    points, *errors = task_parts.holding(*held)
    assert list(found[:4]) == errors
    thumb, other, error, angle = errors
    gaps = [] if shape < 0 else distance_to(item)(points)
    lacks = [max(0.5 - force, 0.0) for force in (thumb, other)]
    for term, sizes, margin in zip(
        found[4:], (gaps, lacks, [error], [angle]), margins, strict=True
    ):
        close = [rewards.close(size, margin) for size in sizes]
        assert term == pytest.approx(np.mean(close) if close else 0.0, abs=1e-12)


def test_the_deepest_contact_of_a_body_with_others_than_the_world():
    bodies = np.array([0, 1, 2, 3])
    geoms = np.array([[0, 3], [1, 3], [3, 2], [1, 2]], dtype=np.int32)
    distances = np.array([-0.9, -0.1, -0.2, -0.8])
    assert task_parts.deepest(distances, geoms, bodies, 3) == 0.2
    assert task_parts.deepest(distances, geoms, bodies, 1) == 0.8
    assert task_parts.deepest(-distances, geoms, bodies, 3) == 0.0
