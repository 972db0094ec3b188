"""From results of single episodes to datasets: one writer, in the order of the plan."""

from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from rich.progress import track

from handsim.datasets import assemble
from retarget.generation.card import card
from retarget.generation.episodes import KEPT
from retarget.generation.pictures import contact_sheet
from retarget.generation.plan import Plan
from retarget.generation.results import Record, line, written
from retarget.generation.run_folder import CARD, MANIFEST, SHEET, RunFolder


def finish(folder: RunFolder, plan: Plan, progress: bool = False) -> list[Record]:
    """Write datasets, manifest, card and checksums of a run whose episodes are all done.

    Returns:
        The manifest.

    Raises:
        OutputError: something cannot be written.
    """
    records = numbered([folder.results.record(episode.id) for episode in plan.episodes])
    kept: dict[str, list[str]] = {}
    for record in records:
        if record["dataset"]:
            kept.setdefault(record["dataset"], []).append(record["episode"])
    datasets = [(format, group) for format in plan.recipe.format for group in kept]
    for format, group in track(datasets, "writing", transient=True, disable=not progress):
        path = folder.dataset(format, group)
        if not path.exists():
            with written(path):
                packs = [folder.results.pack(episode, format) for episode in kept[group]]
                assemble(format, path, packs)
    folder.write(MANIFEST, "".join(map(line, records)))
    sheet = contact_sheet(folder.results.folder / episode.id for episode in plan.episodes)
    if sheet:
        folder.write(SHEET, sheet)
    folder.write(CARD, card(folder, plan, records, bool(sheet)))
    folder.finish()
    return records


def numbered(records: Sequence[Record]) -> list[Record]:
    """The records with the name of the dataset each kept episode is in, and its number there."""
    counts: Counter[str] = Counter()
    lines = []
    for record in records:
        dataset = index = None
        if record["status"] == KEPT:
            dataset = f"{Path(record['hand']).stem}_{record['side']}"
            index = counts[dataset]
            counts[dataset] += 1
        lines.append({**record, "dataset": dataset, "index": index})
    return lines
