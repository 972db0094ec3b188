"""The bar of a run: how many episodes, how fast, how long yet."""

from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    ProgressColumn,
    Task,
    TextColumn,
    TimeRemainingColumn,
)
from rich.text import Text


class Rate(ProgressColumn):
    """Episodes a second, or a minute."""

    def render(self, task: Task) -> Text:
        """The rate of late, empty before it is known."""
        if not task.speed:
            return Text("")
        a_second = task.speed >= 1
        return Text(f"{task.speed:.3g}/s" if a_second else f"{60 * task.speed:.3g}/min")


def bar(shown: bool) -> Progress:
    """The bar; nothing at all unless it is to be `shown`."""
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), Rate())
    return Progress(*columns, TimeRemainingColumn(), transient=True, disable=not shown)
