"""Robots and physics: hand models, Gymnasium environments, rollouts, rendering, datasets."""

from handsim import datasets, envs
from handsim.hands.catalog import hand_card, hand_names, load_hand
from handsim.hands.robot_hand import HandPose, RobotHand
from handsim.joint_trajectory import JointTrajectory
from handsim.objects import load_object, object_names
from handsim.randomization import Randomization
from handsim.replay import perform, replay
from handsim.rollout import Rollout
from handsim.scene_object import SceneObject

__all__ = [
    "HandPose",
    "JointTrajectory",
    "Randomization",
    "RobotHand",
    "Rollout",
    "SceneObject",
    "datasets",
    "envs",
    "hand_card",
    "hand_names",
    "load_hand",
    "load_object",
    "object_names",
    "perform",
    "replay",
]
