"""What an action says: the ways to name the targets of a hand, and of a wrist that is commanded.

A command is the vector of all targets in force: the wrist's six coordinates (`handsim.wrist`) where
they are part of the action, then the hand's ctrl. A control turns an action in [−1, 1] and the
command in force into the next command, and back.
"""

from abc import ABC, abstractmethod

import numpy as np
from jaxtyping import Float

RANGE_TIME = 0.2
"""How long delta targets take through the whole range of an actuator [s]: about 8 rad/s; people's
fingers reach 9 at the 99th percentile."""
MAX_WRIST_SPEED, MAX_WRIST_TURN = 1.0, 6.0
"""How fast delta targets may move a wrist [m/s, rad/s]."""
FASTEST_WRIST, FASTEST_WRIST_TURN = 3.0, 20.0
"""How fast the target of a wrist ever moves [m/s, rad/s], whatever is commanded: people's hands
reach about as much, and one that jumps across its range would tear the scene apart."""


class Control(ABC):
    """One way to read an action.

    Attributes:
        low, high: ends of the command.
        size: length of an action.
    """

    def __init__(self, low: Float[np.ndarray, " n"], high: Float[np.ndarray, " n"]):
        self.low, self.high, self.size = low, high, len(low)

    @abstractmethod
    def command(
        self, action: Float[np.ndarray, "*T a"], current: Float[np.ndarray, "*#T n"]
    ) -> Float[np.ndarray, "*T n"]:
        """The command that `action` makes of the `current` one, within its ends."""

    @abstractmethod
    def action(
        self, command: Float[np.ndarray, "*T n"], current: Float[np.ndarray, "*#T n"]
    ) -> Float[np.ndarray, "*T a"]:
        """The action that makes `command` of the `current` one: the inverse of `command`.

        It is beyond [−1, 1] where the command is out of reach.
        """


class JointTargets(Control):
    """An action is an affine image of the command: −1 and 1 are its ends."""

    def __init__(self, low: Float[np.ndarray, " n"], high: Float[np.ndarray, " n"]):
        super().__init__(low, high)
        self._middle, self._half = (low + high) / 2, (high - low) / 2

    def command(
        self, action: Float[np.ndarray, "*T n"], current: Float[np.ndarray, "*#T n"]
    ) -> Float[np.ndarray, "*T n"]:
        """The command; the one in force plays no part."""
        return self._middle + self._half * action

    def action(
        self, command: Float[np.ndarray, "*T n"], current: Float[np.ndarray, "*#T n"]
    ) -> Float[np.ndarray, "*T n"]:
        """The action; the command in force plays no part."""
        return (command - self._middle) / self._half


class DeltaTargets(Control):
    """An action moves the command by up to `reach` each way, and never beyond its ends.

    Attributes:
        reach: how far 1 moves each target.
    """

    def __init__(
        self,
        low: Float[np.ndarray, " n"],
        high: Float[np.ndarray, " n"],
        reach: Float[np.ndarray, " n"],
    ):
        super().__init__(low, high)
        self.reach = reach

    def command(
        self, action: Float[np.ndarray, "*T n"], current: Float[np.ndarray, "*#T n"]
    ) -> Float[np.ndarray, "*T n"]:
        """The command in force, moved."""
        return np.clip(current + self.reach * action, self.low, self.high)

    def action(
        self, command: Float[np.ndarray, "*T n"], current: Float[np.ndarray, "*#T n"]
    ) -> Float[np.ndarray, "*T n"]:
        """How far the command is from the one in force."""
        return (command - current) / self.reach
