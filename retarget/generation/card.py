"""The dataset card: a README and a picture that say what is in the folder."""

from collections import Counter
from collections.abc import Sequence

import numpy as np

from handsim.hands.catalog import hand_names, summarise
from retarget.generation.measures import MEASURES
from retarget.generation.plan import Plan
from retarget.generation.results import Record
from retarget.generation.run_folder import MANIFEST, RECIPE, SHEET, SUMS, RunFolder

LOADING = {
    "robomimic": """import h5py  # or robomimic's SequenceDataset(hdf5_path="{path}", …)
with h5py.File("{path}") as file:
    actions = file["data/demo_0/actions"][:]""",
    "lerobot": """from lerobot.datasets.lerobot_dataset import LeRobotDataset
dataset = LeRobotDataset("{name}", root="{path}")""",
    "minari": """import minari  # MINARI_DATASETS_PATH=minari
dataset = minari.load_dataset("{name}-v0")""",
    "zarr": """import zarr
root = zarr.open("{path}", "r")
actions, ends = root["data/action"], root["meta/episode_ends"]""",
}


def card(folder: RunFolder, plan: Plan, records: Sequence[Record], pictured: bool) -> str:
    """The text of README.md."""
    kept = [record for record in records if record["status"] == "kept"]
    seconds = sum(record["seconds"] for record in kept)
    steps = sum(record["steps"] for record in kept)
    counts = Counter(record["status"] for record in records)
    outcome = ", ".join(f"{count} {status}" for status, count in sorted(counts.items()))
    parts = [
        _front(plan),
        f"# Robot hands that {plan.recipe.task or 'move as people did'}\n",
        f"{_counted(len(kept), 'episode')} of {_counted(steps, 'step')} in all, "
        f"{seconds / 3600:.3g} hours at {plan.recipe.rate:g} Hz, made by handsim from "
        f"{_counted(len(plan.clips), 'human motion')}. "
        f"Of {_counted(len(records), 'episode')} planned: {outcome}.\n",
        f"![Episodes as they were simulated, one a row]({SHEET})\n" if pictured else "",
        "## Datasets\n",
        _datasets(kept),
        "## Motions\n",
        _motions(plan, records),
        "## Scores\n",
        _scores(kept),
        _reasons(records),
        "## How to load it\n",
        _loading(folder, plan, kept),
        "## How it was made\n",
        f"`{RECIPE}` holds all that the result depends on, `{MANIFEST}` a line for each episode: "
        "its motion's checksum, seed, variation, scores, status and reason. Check the files with "
        f"`sha256sum -c {SUMS}`, all of it with `retarget verify`, and an episode's physics with "
        "`retarget replay DATASET --episode K`.\n",
    ]
    return "\n".join(part for part in parts if part)


def _counted(count: int, noun: str) -> str:
    return f"{count} {noun}" if count == 1 else f"{count} {noun}s"


def _front(plan: Plan) -> str:
    """What hubs of datasets read: YAML."""
    tags = ["robotics", "dexterous-manipulation", "handsim", "mujoco"]
    tags += ["LeRobot"] if "lerobot" in plan.recipe.format else []
    return "\n".join(
        ["---", "task_categories:", "- robotics", "tags:", *(f"- {t}" for t in tags), "---\n"]
    )


def table(head: Sequence[str], rows: Sequence[Sequence[object]]) -> str:
    """A Markdown table."""
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join(f"| {' | '.join(map(str, row))} |" for row in lines) + "\n"


def _datasets(kept: Sequence[Record]) -> str:
    rows = []
    for name in dict.fromkeys(record["dataset"] for record in kept):
        own = [record for record in kept if record["dataset"] == name]
        title = own[0]["hand"]
        if title in hand_names():
            found = summarise(title)
            title = f"{found.title} ({found.maker})"
        seconds = sum(record["seconds"] for record in own)
        steps = sum(record["steps"] for record in own)
        rows.append((name, title, own[0]["side"], len(own), steps, f"{seconds:.1f}"))
    return table(("dataset", "hand", "side", "episodes", "steps", "seconds"), rows)


def _motions(plan: Plan, records: Sequence[Record]) -> str:
    kept = Counter(r["motion"]["sha256"] + r["motion"]["side"] for r in records if r["dataset"])
    rows = [
        (
            clip.name,
            clip.side or "unread",
            clip.source or clip.error,
            clip.licence or "not stated",
            f"{clip.seconds:.1f}",
            kept[clip.sha256 + clip.side],
            clip.sha256[:12],
        )
        for clip in plan.clips
    ]
    return table(("motion", "side", "source", "licence", "seconds", "episodes", "SHA-256"), rows)


def _scores(kept: Sequence[Record]) -> str:
    """Mean over the kept episodes of each dataset."""
    names = list(dict.fromkeys(record["dataset"] for record in kept))
    rows = []
    for metric in MEASURES:
        values = [[r["scores"].get(metric) for r in kept if r["dataset"] == name] for name in names]
        known = [[value for value in own if value is not None] for own in values]
        if any(known):
            means = (f"{np.mean(own):.3g}" if own else "–" for own in known)
            rows.append((metric, MEASURES[metric].unit, *means))
    return table(("mean over episodes", "unit", *names), rows)


def _reasons(records: Sequence[Record]) -> str:
    """Why episodes were left out, without the numbers that differ from one to the next."""
    left_out = [record for record in records if record["status"] != "kept"]
    if not left_out:
        return ""
    counts = Counter((r["motion"]["name"], r["hand"], r["status"], r["reason"]) for r in left_out)
    rows = [(*key, count) for key, count in counts.most_common(20)]
    return "## Left out\n\n" + table(("motion", "hand", "status", "reason", "episodes"), rows)


def _loading(folder: RunFolder, plan: Plan, kept: Sequence[Record]) -> str:
    if not kept:
        return "There are no episodes.\n"
    name = kept[0]["dataset"]
    blocks = []
    for format in plan.recipe.format:
        path = folder.dataset(format, name).relative_to(folder.path).as_posix()
        code = LOADING[format].format(path=path, name=name)
        blocks.append(f"{format}:\n\n```python\n{code}\n```\n")
    own = f'import handsim\nrollouts = handsim.datasets.read("{plan.recipe.format[0]}", "PATH")'
    return "\n".join([*blocks, f"Here:\n\n```python\n{own}\n```\n"])
