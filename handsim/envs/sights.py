"""What an environment sees of a scene, and where its numbers are in MuJoCo's state."""

import mujoco
import numpy as np
from jaxtyping import Float, Int

from handsim.envs.step_parts import see
from handsim.scene import Scene
from handsim.wrist import COORDINATES

_KIND = mujoco.mjtState
_STATE = int(_KIND.mjSTATE_INTEGRATION)


class Sights:
    """The hand, the targets in force and, where there is one, the object and its goal.

    Attributes:
        parts: where each of them is among the numbers that `look` returns.
    """

    def __init__(self, scene: Scene, data: mujoco.MjData, commands_wrist: bool):
        """Look up where everything is.

        Args:
            scene: the world.
            data: its state.
            commands_wrist: whether the targets in force begin with the wrist's coordinates.
        """
        self._model, self._data = scene.model, data
        self._state = np.empty(mujoco.mj_stateSize(scene.model, _STATE))
        copied = _copied(scene, commands_wrist)
        self._args = (
            self._state,
            np.concatenate(list(copied.values())),
            data.site_xpos,
            data.site_xmat,
            np.array([scene.palm_id, *scene.tip_ids]),
            scene.hand.nq,
            _start(scene.model, _KIND.mjSTATE_USERDATA) + len(COORDINATES),
        )
        self.parts = _parts(scene, {name: len(places) for name, places in copied.items()})
        self._places = tuple(self.parts.values())

    def look(self) -> Float[np.ndarray, " n"]:
        """The numbers of the current state, see `see`, in an array of their own."""
        mujoco.mj_getState(self._model, self._data, self._state, _STATE)
        return see(*self._args)

    def named(self, seen: Float[np.ndarray, " n"]) -> dict[str, np.ndarray]:
        """Views of what `look` returned."""
        shown = dict(zip(self.parts, map(seen.__getitem__, self._places), strict=True))
        shown["tips"] = shown["tips"].reshape(-1, 3)
        shown["touch"] = shown["touch"].reshape(-1, 3)
        return shown


def _start(model: mujoco.MjModel, part: mujoco.mjtState) -> int:
    """Where a part of the state begins: after those of the lower bits."""
    return int(mujoco.mj_stateSize(model, (int(part) - 1) & _STATE))


def _copied(scene: Scene, commands_wrist: bool) -> dict[str, Int[np.ndarray, " k"]]:
    """Where what is shown as it is stands in the state, the joints first."""
    model, goal = scene.model, scene.goal_id
    qpos, qvel = _start(model, _KIND.mjSTATE_QPOS), _start(model, _KIND.mjSTATE_QVEL)
    user, ctrl = _start(model, _KIND.mjSTATE_USERDATA), _start(model, _KIND.mjSTATE_CTRL)
    wrist = user + np.arange(len(COORDINATES) if commands_wrist else 0)
    places = {
        "qpos": qpos + scene.qpos_ids,
        "qvel": qvel + scene.dof_ids,
        "ctrl": np.concatenate([wrist, ctrl + scene.ctrl_ids]),
    }
    if goal is not None:
        position = _start(model, _KIND.mjSTATE_MOCAP_POS) + 3 * goal + np.arange(3)
        turn = _start(model, _KIND.mjSTATE_MOCAP_QUAT) + 4 * goal + np.arange(4)
        places["object"] = qpos + np.arange(model.nq)[scene.object_qpos]
        places["object_velocity"] = qvel + np.arange(model.nv)[scene.object_dofs]
        places["goal"] = np.concatenate([position, turn])
    return places


def _parts(scene: Scene, copied: dict[str, int]) -> dict[str, slice]:
    """Where everything is in what `see` returns, in the order in which it is shown."""
    fingers = len(scene.hand.fingers)
    derived = {"tips": 3 * fingers, "palm": 7, "touch": 3 * fingers}
    sizes = {"qpos": copied["qpos"], "qvel": copied["qvel"]} | derived | copied
    ends = dict(zip(sizes, np.cumsum(list(sizes.values())).tolist(), strict=True))
    order = dict.fromkeys(["qpos", "qvel", "ctrl", *derived, *copied])
    return {name: slice(ends[name] - sizes[name], ends[name]) for name in order}
