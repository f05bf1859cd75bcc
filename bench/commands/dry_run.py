"""`run --dry-run`: every cell with what the store knows of it, and what the missing ones will cost."""

from __future__ import annotations

from pathlib import Path

from rich.console import Console

from bench.api.planned import Planned
from bench.commands.list_rows import value_text
from bench.machine import accelerator
from bench.planning.procedure import own_settings
from bench.planning.spec import Cell
from bench.sweep import changed, precisions, price
from common.errors import shortened
from results.store import Store


def show_plan(
    console: Console, planned: Planned, out: Path, device: str, runs_per_device: int | str, probing: bool, redo: bool
) -> None:
    """Print all cells, the price of each that is missing, and that of all.

    Only records of this very device count, so that a card is never priced by a processor or by another card.
    runs_per_device: how many a probe times at once; "auto", which only runs can find out: one.
    redo: what a plug-in that was edited since has made is to be done again.
    """
    known = Store(out)
    failures = known.failures()
    on_device = accelerator.is_cuda(device)
    card = accelerator.name(device) if on_device else None
    records = price.of_device((known.load(address) for address in known.addresses()), device, card)
    rates = price.rates(records, device, card)
    outdated = changed.outdated(known, planned.cells)
    again = {cell.address for cell in outdated} if redo else set[str]()
    done = {cell.address for cell in planned.cells if known.has(cell.address)} - again
    missing = [cell for cell in planned.cells if cell.address not in done]
    beside = int(runs_per_device) if on_device and runs_per_device != "auto" else 1
    probed = price.probe(missing, rates, device, beside) if probing else {}
    costs = {cell.address: price.estimate(cell, rates, probed) for cell in missing}
    for cell in planned.cells:
        status = "done" if cell.address in done else "failed" if cell.address in failures else "missing"
        status = "again" if cell.address in again else status
        line = f"{status:8}{cell.address[:12]}  {cell.label}"
        if cell.address in costs:
            cost = costs[cell.address]
            line += f": {cost.source}" if cost.seconds is None else f": about {_duration(cost.seconds)} ({cost.source})"
        console.print(line, highlight=False, soft_wrap=True)
        for own in _own(cell, planned) if cell.seed == planned.cells[0].seed else ():  # once for all seeds
            console.print(shortened(f"{'':22}{own}"), highlight=False, soft_wrap=True, markup=False)
    for line in (*changed.lines(known, outdated, redo), *precisions.lines(known, missing)):
        console.print(line, style="yellow", highlight=False, soft_wrap=True)
    console.print(f"{len(planned.cells)} runs, {len(done)} done, {len(missing)} to do", highlight=False)
    if missing:
        for line in _rows(missing, costs):
            console.print(line, highlight=False, soft_wrap=True)
        together = price.at_a_time(records) if on_device else 1.0
        said = _total([*costs.values()], card or f"one {device} slot", together, beside)
        console.print(said, highlight=False, soft_wrap=True)


def _own(cell: Cell, planned: Planned) -> list[str]:
    """What a row of a `reproduce` suite has of its own in this setting."""
    part = next(part for part in planned.parts if part.data.name == cell.spec.dataset.name)
    if part.purpose == "compare":
        return []
    own = ", ".join(f"{key} {value_text(value)}" for key, value in own_settings(cell, part).items())
    return [*([own] if own else []), *(f"deviates: {text}" for text in cell.claim.deviations)]


def _rows(missing: list[Cell], costs: dict[str, price.Estimate]) -> list[str]:
    """What each row costs, of a suite of several rows of which anything is known."""
    rows: dict[str, list[float | None]] = {}
    for cell in missing:
        rows.setdefault(cell.title, []).append(costs[cell.address].seconds)
    known = {title: [one for one in seconds if one is not None] for title, seconds in rows.items()}
    if len(rows) < 2 or not any(known.values()):
        return []
    return [
        f"  {title}: {_duration(sum(known[title])) if known[title] else 'not measured'} for {len(seconds)} runs"
        + (f", {len(seconds) - len(known[title])} of them not measured" if known[title] != seconds else "")
        for title, seconds in rows.items()
    ]


def _total(costs: list[price.Estimate], where: str, recorded: float, beside: int) -> str:
    """The price of all runs, and what it rests on.

    recorded: how many ran at a time when the records were made, which is in their seconds; beside: the same of a probe.
    """
    known = [cost for cost in costs if cost.seconds is not None]
    unknown = len(costs) - len(known)
    if not known:
        return f"no price for {where}: {costs[0].source}"
    seconds = sum((cost.seconds or 0.0) / (beside if cost.probed else recorded) for cost in known)
    runs = {"recorded": [cost for cost in known if not cost.probed], "probed": [cost for cost in known if cost.probed]}
    rests = ", ".join(f"{len(priced)} of {len(costs)} runs {how}" for how, priced in runs.items() if priced)
    line = f"about {_duration(seconds)} on {where} ({rests}"
    if runs["recorded"] and recorded > 1:
        line += f", {recorded:.1f} at a time"
    elif runs["probed"] and beside > 1:
        line += f", {beside} at a time"
    return f"{line}){f', {unknown} runs not counted' if unknown else ''}"


def _duration(seconds: float) -> str:
    return f"{seconds:.0f} s" if seconds < 120 else f"{seconds / 3600:.2f} h"
