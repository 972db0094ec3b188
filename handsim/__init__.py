"""Robots and physics: hand models, Gymnasium environments, rollouts, rendering, datasets."""

from handsim import datasets, envs
from handsim.hands.catalog import hand_card, hand_names, load_hand
from handsim.hands.robot_hand import HandPose, RobotHand
from handsim.joint_trajectory import JointTrajectory
from handsim.replay import perform, replay
from handsim.rollout import Rollout

__all__ = [
    "HandPose",
    "JointTrajectory",
    "RobotHand",
    "Rollout",
    "datasets",
    "envs",
    "hand_card",
    "hand_names",
    "load_hand",
    "perform",
    "replay",
]
