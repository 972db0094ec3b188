"""How a robot hand follows a person frame by frame, where little jerk is wanted."""

from dataclasses import dataclass

from handsim.errors import InputError

MOMENTUM = 0.7
"""Share of the joints' last change that is expected of the next."""


@dataclass(frozen=True)
class Pace:
    """What stands, frame by frame, for the jerk of a whole motion, which needs the frames to come.

    With x̂_t = x_{t−1} + `MOMENTUM` (x_{t−1} − x_{t−2}) the pose that is expected, a frame costs
    ½ held ‖x_t − x̂_t‖² and stays within `limit` of x̂_t. Closer following is more jerk:
    `python -m benchmarks.tradeoff` has the curve.

    Attributes:
        held: [1/rad²].
        limit: of each joint [rad].

    Raises:
        InputError: `held` is negative, or `limit` is not positive.
    """

    held: float = 100.0
    limit: float = float("inf")

    def __post_init__(self) -> None:
        if not self.held >= 0:
            raise InputError(f"held: {self.held}, expected 0 or more.")
        if not self.limit > 0:
            raise InputError(f"limit: {self.limit}, expected a positive number [rad].")


FOLLOWING = Pace()
"""40 % of the jerk of held = 10 without momentum taken away, for a tenth more tip error."""
CALM = Pace(held=1500.0, limit=0.03)
"""A fifth of the jerk of the default, for twice its tip error."""
