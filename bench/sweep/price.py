"""What a sweep costs: seconds of each run, estimated from recorded runs or from a short probe, per device."""

from __future__ import annotations

import statistics
from collections.abc import Iterable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from bench.machine.accelerator import is_cuda
from bench.planning.spec import Cell
from bench.planning.workload import image_shape, training_passes
from common.record import Record
from common.specification import Specification, read
from datasets import registry as datasets
from methods import registry as methods

Rates = dict[tuple[Any, ...], float]
"""Passes per second, by method and machine key; see `rates`."""


@dataclass(frozen=True)
class Estimate:
    """Seconds of one run and what they rest on; None where nothing is known."""

    seconds: float | None
    source: str
    probed: bool = False


def _machine_key(spec: Specification) -> tuple[Any, ...]:
    return spec.network, image_shape(spec), spec.precision, spec.threads


def of_device(records: Iterable[Record], device: str, card: str | None = None) -> list[Record]:
    """The records that were made on this kind of device; card: on accelerators of this name alone."""
    kind = device.partition(":")[0]
    of_kind = [record for record in records if record["execution"].get("device") == kind]
    return of_kind if card is None else [record for record in of_kind if record["execution"].get("device_name") == card]


def rates(records: Iterable[Record], device: str, card: str | None = None) -> Rates:
    """Passes per second of runs recorded on a device, by method and by network alone (method None); see `of_device`."""
    seen: dict[tuple[Any, ...], list[float]] = {}
    for record in of_device(records, device, card):
        spec, execution = read(record["spec"]), record["execution"]
        if spec.dataset.name not in datasets.DATASETS:
            continue
        if spec.method.name not in methods.registered():
            continue
        work = training_passes(spec)
        if not work:  # of own images, whose number only they tell
            continue
        rate = work / max(execution["seconds"], 1e-9)
        for method in (spec.method.name, None):
            seen.setdefault((method, *_machine_key(spec)), []).append(rate)
    return {key: sorted(values)[len(values) // 2] for key, values in seen.items()}


def at_a_time(records: Iterable[Record]) -> float:
    """How many of the recorded runs were executed at a time on one machine, in the mean; at least 1.

    Runs beside each other are slower each, and that is in their seconds: only both together tell what a machine does.
    """
    spans: dict[str, list[tuple[float, float]]] = {}
    for record in records:
        execution = record["execution"]
        if {"host", "started", "finished"} <= set(execution):
            moments = [datetime.fromisoformat(execution[key]).timestamp() for key in ("started", "finished")]
            spans.setdefault(execution["host"], []).append((moments[0], max(moments)))
    worked = sum(end - start for intervals in spans.values() for start, end in intervals)
    passed = sum(_covered(intervals) for intervals in spans.values())
    return max(worked / passed, 1.0) if passed else 1.0


def _covered(spans: Sequence[tuple[float, float]]) -> float:
    """The length of the union of the spans."""
    length, reached = 0.0, float("-inf")
    for start, end in sorted(spans):
        length += max(end - max(start, reached), 0.0)
        reached = max(reached, end)
    return length


def known_rate(cell: Cell, known: Mapping[tuple[Any, ...], float]) -> float | None:
    """Passes per second from records of the cell's method, else of its network; None where there are none."""
    key = _machine_key(cell.spec)
    return known.get((cell.spec.method.name, *key), known.get((None, *key)))


def estimate(cell: Cell, known: Mapping[tuple[Any, ...], float], probed: Mapping[tuple[Any, ...], float]) -> Estimate:
    """Seconds of a run: from records of the method, else of its network, else from the probe."""
    work = training_passes(cell.spec)
    if not work:
        return Estimate(None, "not known of own images")
    key = _machine_key(cell.spec)
    for rate, source in (
        (known.get((cell.spec.method.name, *key)), "records of the method"),
        (known.get((None, *key)), "records of the network"),
        (probed.get(key), "a probe"),
    ):
        if rate is not None:
            return Estimate(work / rate, source, probed=source == "a probe")
    return Estimate(None, "not measured (--probe times a few steps)")


def probe(
    cells: Sequence[Cell], known: Mapping[tuple[Any, ...], float], device: str, beside: int = 1
) -> dict[tuple[Any, ...], float]:
    """Passes per second of every network for which no record tells, measured in processes of their own.

    beside: how many processes work at the same time; the rate is that of one of them.
    """
    probed_rates: dict[tuple[Any, ...], float] = {}
    for cell in cells:
        key = _machine_key(cell.spec)
        if key not in probed_rates and (None, *key) not in known:
            probed_rates[key] = _probed(cell.spec, key[1], device, beside)
    return probed_rates


def _probed(spec: Specification, image_shape: tuple[int, int, int], device: str, beside: int) -> float:
    from bench.speed.references import probe_rate
    from bench.speed.workers import fresh_processes

    height, width, channels = image_shape
    shape, steps = (channels, height, width), 200 if is_cuda(device) else 5
    with ExitStack() as stack:
        workers = [stack.enter_context(fresh_processes(1)) for _ in range(beside)]
        # once to start, that none measures while another still imports
        for count in (5, steps) if beside > 1 else (steps,):
            running = [
                worker.submit(probe_rate, spec.network, shape, spec.batch_size, spec.precision, device, count)
                for worker in workers
            ]
            measured = [future.result() for future in running]
    return float(statistics.median(measured))
