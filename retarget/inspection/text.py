"""A report as text, a line or a short table for each of its records."""

import json
from collections.abc import Iterator, Sequence

from retarget.inspection.report import Clock, Hand, Part, Report

_COLUMNS = ("name", "kind", "shape", "type", "none", "nan", "zero", "min", "mean", "max", "notes")
_LONGEST, _FEW = 160, 2


def as_text(report: Report) -> str:
    """The whole report, to be printed."""
    return "\n".join(_lines(report))


def _lines(report: Report) -> Iterator[str]:
    yield f"{report.path}: {report.container}, {_bytes(report.size)}"
    if report.video is not None:
        v = report.video
        length = f"{v.frames} frames, {v.duration:g} s"
        yield f"video    {v.width} × {v.height} px, {v.fps:g} fps, {length}, {v.codec}"
    if report.header is not None:
        yield f"header   {_clipped(json.dumps(report.header, sort_keys=True))}"
    yield f"format   {report.format or 'none: retarget.load does not read it'}"
    for name, reason in report.refusals.items():
        yield f"         {name}: {_clipped(reason)}"
    for hand in report.hands:
        yield from _hand(hand)
    for clock in report.clocks:
        yield f"time     {_clock(clock)}"
    for note in report.notes:
        yield f"note     {_clipped(note)}"
    if report.parts:
        yield from _parts(report.parts)


def _parts(parts: Sequence[Part]) -> Iterator[str]:
    """The table of parts; where there is much to say of one, it stands below its row."""
    header, *rows = _table([_COLUMNS, *map(_row, parts)])
    yield header
    for part, row in zip(parts, rows, strict=True):
        yield row
        if len(part.notes) > _FEW:
            yield from (f"      {_clipped(note)}" for note in part.notes)


def _hand(hand: Hand) -> Iterator[str]:
    metric = "metric" if hand.metric else "not metric"
    tracker = hand.tracker or "unknown tracker"
    yield (
        f"hand     {hand.side}, {tracker}, {hand.frame} frame, {metric}; {hand.valid} of "
        f"{hand.frames} frames valid, {hand.repeated} repeated; "
        f"{'with' if hand.mano else 'no'} MANO parameters"
    )
    yield (
        f"         {1e3 * hand.length:.0f} mm from the wrist to the middle tip; anatomy votes "
        f"{hand.left_votes} left, {hand.right_votes} right"
    )
    least, most = min(hand.variation.values()), max(hand.variation.values())
    bones = " ".join(f"{1e3 * length:.0f}" for length in hand.bones.values())
    yield f"         bones {bones} mm, varying by {100 * least:.1f} to {100 * most:.1f} %"
    for name, meaning in hand.streams.items():
        yield f"         stream {_clipped(f'{name}: {meaning}')}"


def _clock(clock: Clock) -> str:
    order = "increasing" if clock.increasing else "NOT increasing"
    return (
        f"{clock.source}; {clock.count} times from {clock.start:.6g} s over {clock.span:.6g} s, "
        f"{clock.rate:.4g} Hz, {order} ({clock.repeated} repeated, {clock.backwards} backwards), "
        f"{clock.gaps} gaps, longest step {clock.longest:.4g} s"
    )


def _row(part: Part) -> tuple[str, ...]:
    shape = "" if part.shape is None else "×".join(map(str, part.shape)) or "1"
    numbers, notes = part.numbers, list(part.notes if len(part.notes) <= _FEW else ())
    if part.value:
        notes.insert(0, part.value)
    none = str(part.none) if part.none else ""
    if numbers is None:
        return (part.name, part.type, shape, part.dtype, none, "", "", "", "", "", "; ".join(notes))
    if numbers.constant:
        of = f"{numbers.constant} of {numbers.columns} columns "
        notes.append(f"{of if numbers.columns > 1 else ''}constant")
    for count, what in {
        numbers.nan_rows: "with NaN",
        numbers.zero_rows: "zero",
        numbers.repeated_rows: "repeated",
    }.items():
        if count and numbers.columns > 1:
            notes.append(f"{count} rows {what}")
    if numbers.every > 1:
        notes.append(f"figures of one row in {numbers.every}")
    figures = (numbers.least, numbers.mean, numbers.most)
    return (
        part.name,
        part.type,
        shape,
        part.dtype,
        none,
        *(str(count) if count else "" for count in (numbers.nan, numbers.zero)),
        *("" if figure is None else f"{figure:.4g}" for figure in figures),
        "; ".join(notes),
    )


def _table(rows: Sequence[Sequence[str]]) -> Iterator[str]:
    """Columns as wide as they need to be; those without content are left out."""
    used = [i for i in range(len(rows[0])) if any(row[i] for row in rows[1:])]
    widths = {i: max(len(row[i]) for row in rows) for i in used}
    for row in rows:
        yield "  ".join(row[i].ljust(min(widths[i], 60)) for i in used).rstrip()


def _bytes(size: int) -> str:
    for unit, name in ((1 << 30, "GiB"), (1 << 20, "MiB"), (1 << 10, "KiB")):
        if size >= unit:
            return f"{size / unit:.1f} {name}"
    return f"{size} bytes"


def _clipped(text: str) -> str:
    line = " ".join(text.split())
    return line if len(line) <= _LONGEST else f"{line[:_LONGEST]}…"
