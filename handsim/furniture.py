"""What stands in a scene beside the hand, and how things touch: ground, table, object, sensors."""

import mujoco
import numpy as np

from handsim.hands.capsules import touching_body
from handsim.hands.robot_hand import RobotHand
from handsim.scene_object import SceneObject
from handsim.stage import add_ground_material

TABLE_SIZE = (1.2, 1.2, 0.04)
"""Width, depth and thickness of a table [m]."""
OBJECT, GOAL, TABLE, GROUND = "object", "goal", "table", "ground"
"""Names of bodies and geoms that are not the hand's."""
GOAL_GROUP = 1
"""The geom group of the image that shows where an object is to go."""

_NET_FORCE = 3
"""MuJoCo's code for a contact sensor that adds all forces up."""


def set_grasp_contact(geom: mujoco.MjsGeom) -> None:
    """Let a geom touch others as what is grasped and what grasps it should."""
    geom.condim = 4
    geom.friction = [1.0, 0.005, 1e-4]
    geom.solref = [0.004, 1]
    geom.solimp = [0.95, 0.99, 0.0005, 0.5, 2]


def add_ground(spec: mujoco.MjSpec, height: float) -> None:
    """A plane without end at `height` [m]."""
    geom = spec.worldbody.add_geom(name=GROUND, type=mujoco.mjtGeom.mjGEOM_PLANE)
    geom.size, geom.pos, geom.material = [0, 0, 0.05], [0, 0, height], add_ground_material(spec)
    set_grasp_contact(geom)


def add_table(spec: mujoco.MjSpec, height: float) -> None:
    """A table whose top is at `height` [m], centred at x = y = 0."""
    size = np.array(TABLE_SIZE)
    geom = spec.worldbody.add_geom(name=TABLE, type=mujoco.mjtGeom.mjGEOM_BOX, size=size / 2)
    geom.pos, geom.rgba = [0, 0, height - size[2] / 2], [0.83, 0.77, 0.68, 1.0]
    set_grasp_contact(geom)


def add_object(spec: mujoco.MjSpec, object: SceneObject, height: float, marked: bool) -> None:
    """The object, and an image of it without mass or contact that shows its goal.

    Args:
        spec: the world.
        object: what to add.
        height: of the origin of both, at x = y = 0 [m].
        marked: whether knobs show where the axes of both point.
    """
    body = spec.worldbody.add_body(name=OBJECT, pos=[0, 0, height])
    body.add_freejoint(name=OBJECT)
    for geom in object.add_geoms(spec, body):
        set_grasp_contact(geom)
        geom.friction[0] = object.friction
    goal = spec.worldbody.add_body(name=GOAL, mocap=True, pos=[0, 0, height])
    # MuJoCo would put the centre of a body without mass elsewhere than in the body.
    goal.explicitinertial, goal.mass, goal.ipos = True, 0.0, [0, 0, 0]
    for geom in object.add_geoms(spec, goal):
        geom.contype = geom.conaffinity = 0
        geom.mass, geom.group = 0.0, GOAL_GROUP
        geom.rgba = [0.2, 0.75, 0.35, 0.3]
    if marked:
        _add_marks(body, object.size)
        _add_marks(goal, object.size)


def add_touch(spec: mujoco.MjSpec, hand: RobotHand) -> None:
    """Sensors of the net contact force on the last link of each finger."""
    for finger in hand.fingers:
        touch = spec.add_sensor(name=f"scene/{finger}_touch")
        touch.type, touch.objtype = mujoco.mjtSensor.mjSENS_CONTACT, mujoco.mjtObj.mjOBJ_BODY
        touch.objname = hand.model.body(touching_body(hand.model, finger)).name
        touch.intprm = [1 << int(mujoco.mjtConDataField.mjCONDATA_FORCE), _NET_FORCE, 1]


def _add_marks(body: mujoco.MjsBody, size: tuple[float, float, float]) -> None:
    """Knobs where the axes of the body leave an object of that size around its origin."""
    radius = 0.12 * sum(size) / 3
    for axis, extent in enumerate(size):
        knob = body.add_geom(type=mujoco.mjtGeom.mjGEOM_SPHERE, size=[radius, 0, 0])
        knob.pos[axis] = extent / 2
        knob.rgba = [0.15, 0.15, 0.15, 1.0]
        knob.rgba[axis] = 0.85
        knob.mass, knob.contype, knob.conaffinity, knob.group = 0.0, 0, 0, GOAL_GROUP
