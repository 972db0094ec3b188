"""Gymnasium environments; importing this registers them."""

from functools import partial

import gymnasium

from handsim.envs.dm_view import DmEnvironment, dm_environment
from handsim.envs.grasp import GraspEnv
from handsim.envs.hand_env import HandEnv
from handsim.envs.reorient import ReorientEnv
from handsim.envs.tables import action_table, describe, joint_table, observation_table
from handsim.envs.threaded import ThreadedVectorEnv, threaded
from handsim.envs.track import TrackEnv

GRASP = "handsim/Grasp-v0"
REORIENT = "handsim/Reorient-v0"
TRACK = "handsim/Track-v0"

# Gymnasium can write an environment's spec down only if its entry points are names.
grasp_vector = partial(threaded, GraspEnv)
reorient_vector = partial(threaded, ReorientEnv)
track_vector = partial(threaded, TrackEnv)

gymnasium.register(
    id=GRASP,
    entry_point="handsim.envs.grasp:GraspEnv",
    vector_entry_point="handsim.envs:grasp_vector",
)
gymnasium.register(
    id=REORIENT,
    entry_point="handsim.envs.reorient:ReorientEnv",
    vector_entry_point="handsim.envs:reorient_vector",
)
gymnasium.register(
    id=TRACK,
    entry_point="handsim.envs.track:TrackEnv",
    vector_entry_point="handsim.envs:track_vector",
)

__all__ = [
    "GRASP",
    "REORIENT",
    "TRACK",
    "DmEnvironment",
    "GraspEnv",
    "HandEnv",
    "ReorientEnv",
    "ThreadedVectorEnv",
    "TrackEnv",
    "action_table",
    "describe",
    "dm_environment",
    "joint_table",
    "observation_table",
]
