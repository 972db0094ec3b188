"""Gymnasium environments; importing this registers them."""

import gymnasium

from handsim.envs.hand_env import HandEnv
from handsim.envs.track import TrackEnv

TRACK = "handsim/Track-v0"

gymnasium.register(id=TRACK, entry_point="handsim.envs.track:TrackEnv")

__all__ = ["TRACK", "HandEnv", "TrackEnv"]
