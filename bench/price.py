"""What a sweep costs: seconds of each run, estimated from recorded runs or from a short probe, per device."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from bench.spec import Cell
from bench.workload import image_shape, training_passes
from datasets import registry as datasets
from methods import registry as methods


@dataclass(frozen=True)
class Estimate:
    """Seconds of one run and what they rest on; None where nothing is known."""

    seconds: float | None
    source: str


def _machine_key(spec: Mapping[str, Any]) -> tuple[Any, ...]:
    return spec["network"], image_shape(spec), spec["precision"], spec["threads"]


def rates(records: Iterable[Mapping[str, Any]], device: str) -> dict[tuple[Any, ...], float]:
    """Passes per second of recorded runs on this kind of device, by method and by network alone (method None)."""
    seen: dict[tuple[Any, ...], list[float]] = {}
    for record in records:
        spec, execution = record["spec"], record["execution"]
        if execution.get("device") != device.split(":")[0] or spec["dataset"]["name"] not in datasets.DATASETS:
            continue
        if spec["method"]["name"] not in methods.registered():
            continue
        work = training_passes(spec)
        if not work:  # of own images, whose number only they tell
            continue
        rate = work / max(execution["seconds"], 1e-9)
        for method in (spec["method"]["name"], None):
            seen.setdefault((method, *_machine_key(spec)), []).append(rate)
    return {key: sorted(values)[len(values) // 2] for key, values in seen.items()}


def known_rate(cell: Cell, known: Mapping[tuple[Any, ...], float]) -> float | None:
    """Passes per second from records of the cell's method, else of its network; None where there are none."""
    key = _machine_key(cell.spec)
    return known.get((cell.spec["method"]["name"], *key), known.get((None, *key)))


def estimate(cell: Cell, known: Mapping[tuple[Any, ...], float], probed: Mapping[tuple[Any, ...], float]) -> Estimate:
    """Seconds of a run: from records of the method, else of its network, else from the probe."""
    work = training_passes(cell.spec)
    if not work:
        return Estimate(None, "not known of own images")
    key = _machine_key(cell.spec)
    for rate, source in (
        (known.get((cell.spec["method"]["name"], *key)), "records of the method"),
        (known.get((None, *key)), "records of the network"),
        (probed.get(key), "a probe"),
    ):
        if rate is not None:
            return Estimate(work / rate, source)
    return Estimate(None, "nothing recorded yet (--probe measures)")


def probe(cells: Sequence[Cell], known: Mapping[tuple[Any, ...], float], device: str) -> dict[tuple[Any, ...], float]:
    """Passes per second of every network for which no record tells, each measured for a few seconds."""
    from joblib.externals.loky import ProcessPoolExecutor

    from bench.speed import probe_rate

    found = {}
    for cell in cells:
        key = _machine_key(cell.spec)
        if key in found or (None, *key) in known:
            continue
        height, width, channels = key[1]
        with ProcessPoolExecutor(max_workers=1) as executor:
            shape = (channels, height, width)
            found[key] = executor.submit(
                probe_rate, cell.spec["network"], shape, cell.spec["batch_size"], cell.spec["precision"], device
            ).result()
    return found
