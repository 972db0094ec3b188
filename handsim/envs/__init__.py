"""Gymnasium environments; importing this registers them."""

import gymnasium

from handsim.envs.hand_env import HandEnv
from handsim.envs.reorient import ReorientEnv
from handsim.envs.track import TrackEnv

REORIENT = "handsim/Reorient-v0"
TRACK = "handsim/Track-v0"

gymnasium.register(id=REORIENT, entry_point="handsim.envs.reorient:ReorientEnv")
gymnasium.register(id=TRACK, entry_point="handsim.envs.track:TrackEnv")

__all__ = ["REORIENT", "TRACK", "HandEnv", "ReorientEnv", "TrackEnv"]
