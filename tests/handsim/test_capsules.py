"""A hand's surface as capsules: distances against MuJoCo's, and what may not overlap."""

import mujoco
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from handsim.hands.capsules import segment_distance, surface
from handsim.hands.robot_hand import RobotHand
from tests.hands import EVERY, configurations, hand

every_hand = pytest.mark.parametrize(
    ("name", "side"), [pytest.param(*e, id="-".join(e)) for e in EVERY]
)
BOX = """
<mujoco>
  <worldbody>
    <body name="palm">
      <geom type="box" size="0.03 0.01 0.05" pos="0 0.1 0"/>
      <site name="palm"/>
      <body name="a"><geom size="0.01"/><joint range="-1 1" axis="1 0 0"/><site name="thumb_tip"/>
      </body>
      <body name="b" pos="0.1 0 0"><geom size="0.01"/><joint range="-1 1" axis="1 0 0"/>
        <site name="index_tip"/></body>
    </body>
  </worldbody>
</mujoco>
"""
place = st.lists(st.floats(-1.0, 1.0), min_size=12, max_size=12)


@given(place)
@settings(max_examples=200, deadline=None)
def test_segment_distance_is_the_least_over_both(ends):
    a, b = np.reshape(ends, (2, 2, 3))
    share = np.linspace(0, 1, 41)[:, None]
    on_a, on_b = a[0] + share * (a[1] - a[0]), b[0] + share * (b[1] - b[0])
    sampled = np.linalg.norm(on_a[:, None] - on_b[None], axis=-1).min()
    found = float(segment_distance(a[None], b[None])[0])
    spacing = (np.linalg.norm(a[1] - a[0]) + np.linalg.norm(b[1] - b[0])) / 80
    assert sampled - spacing - 1e-9 <= found <= sampled + 1e-9


@every_hand
def test_gaps_are_those_of_mujoco(name, side):
    """Where two capsules are nearest, MuJoCo finds the same distance between the same links."""
    robot = hand(name, side)
    shape, model = surface(robot), robot.model
    data = mujoco.MjData(model)
    for qpos in configurations(robot, 10):
        data.qpos[:] = qpos
        mujoco.mj_kinematics(model, data)
        points = shape.tree.points(qpos[None])[0]
        a, b = points[shape.ends[shape.pairs[:, 0]]], points[shape.ends[shape.pairs[:, 1]]]
        gaps = segment_distance(a, b) - shape.radius[shape.pairs].sum(axis=1)
        geoms = shape.geom[shape.pairs]
        plain = np.isin(model.geom_type[geoms], (2, 3)).all(axis=1)
        assert plain.any()
        for pair, gap in zip(geoms[plain], gaps[plain], strict=True):
            theirs = mujoco.mj_geomDistance(model, data, *pair.tolist(), 1.0, None)
            assert gap == pytest.approx(theirs, abs=1e-6)


@every_hand
def test_nothing_overlaps_at_rest_and_something_can(name, side):
    robot = hand(name, side)
    shape = surface(robot)
    assert len(shape.pairs)
    qpos = np.vstack([robot.neutral, configurations(robot, 500)])
    ends = shape.tree.points(qpos)[:, shape.ends[shape.pairs]]
    gaps = segment_distance(ends[:, :, 0], ends[:, :, 1]) - shape.radius[shape.pairs].sum(axis=1)
    assert gaps[0].min() > -1e-3
    assert gaps.min() < 0


@every_hand
def test_the_capsule_at_a_fingers_tip_ends_near_it(name, side):
    robot = hand(name, side)
    shape = surface(robot)
    first = np.array([link[0] for link in shape.tips])
    for qpos in configurations(robot, 5):
        points = shape.tree.points(qpos[None])[0]
        tips, ends = points[robot.tip_ids], points[shape.ends[first]]
        away = segment_distance(np.stack([tips, tips], axis=1), ends) - shape.radius[first]
        assert np.abs(away).max() < 0.01


def test_a_box_is_filled_to_its_faces():
    shape = surface(RobotHand("box", "right", mujoco.MjSpec.from_string(BOX)))
    points = shape.tree.points(np.zeros((1, 2)))[0]
    inside = np.isclose(shape.radius, 0.01) & (points[shape.ends[:, 0], 1] > 0.05)
    ends = points[shape.ends[inside]].reshape(-1, 3)
    np.testing.assert_allclose(ends.max(axis=0) + 0.01, [0.03, 0.11, 0.05])
    np.testing.assert_allclose(ends.min(axis=0) - 0.01, [-0.03, 0.09, -0.05])
    rows = np.unique(ends[:, 0].round(9))
    assert np.diff(rows).max() <= 0.01 + 1e-9
