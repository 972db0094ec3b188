"""How the `retarget` command shows results: tables, JSON, and lines beside them."""

import sys
from collections.abc import Mapping, Sequence
from json import dumps

from rich.console import Console
from rich.table import Table
from rich.text import Text

import handsim
from handsim.hands.catalog import summarise
from retarget import doctor, metrics

console = Console()


def print_scores(scores: Mapping[str, Mapping[str, float]]) -> None:
    """One column a hand, one row a metric."""
    table = Table("metric", "unit", *scores)
    first = next(iter(scores.values()))
    for name in first:
        row = [f"{values[name]:.3g}" for values in scores.values()]
        table.add_row(name, metrics.METRICS[name].unit, *row)
    console.print(table)


def print_hands() -> None:
    """The catalogue, one row a hand."""
    table = Table("hand", "title", "maker", "joints", "free", "motors", "sides", "source")
    for hand in map(summarise, handsim.hand_names()):
        counts = (hand.joints, hand.independent, hand.actuators)
        table.add_row(hand.name, hand.title, hand.maker, *map(str, counts), hand.sides, hand.source)
    console.print(table)


def print_findings(findings: Sequence[doctor.Finding]) -> None:
    """What works on this machine, a row each."""
    colours = {"ok": "green", "missing": "yellow", "broken": "red"}
    table = Table("capability", "status", "found", "remedy")
    for f in findings:
        status = Text(f"{f.status}{' (core)' if f.core and f.status != 'ok' else ''}")
        status.stylize(colours[f.status])
        table.add_row(f.capability, status, Text(f.version or f.reason), Text(f.remedy))
    console.print(table)


def to_json(value: object) -> str:
    """Data as text, as `--json` prints it."""
    return dumps(value, indent=2, ensure_ascii=False)


def say(line: str) -> None:
    """One line beside the results, on standard error."""
    sys.stderr.write(f"{line}\n")
