"""What a sweep costs: seconds of each run, estimated from recorded runs or from a short probe, per device."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from bench.spec import Cell
from datasets import registry as datasets
from methods import registry as methods

_EVALUATION_SHARE = 1 / 3  # a forward pass alone, of forward, backward and step


@dataclass(frozen=True)
class Estimate:
    """Seconds of one run and what they rest on; None where nothing is known."""

    seconds: float | None
    source: str


def _images(spec: Mapping[str, Any]) -> tuple[int, int]:
    """Training images and evaluated images of one epoch (memorisation in the mean over its interval)."""
    dataset = spec["dataset"]
    info = datasets.DATASETS[dataset["name"]]
    train = dataset["subset"] or info.num_train
    size = dataset["validation"]["size"]
    held_out = round(size * train) if isinstance(size, float) else size
    train -= held_out if dataset["validation"]["source"] == "inside" else 0
    if dataset["validation"]["source"] == "official":
        held_out = info.num_validation
    evaluated = info.num_test + held_out + sum(info.further_tests.values())
    if info.truth:
        evaluated += train // spec["memorisation_every"]
    if "sampling" in spec:
        train = min(train, spec["sampling"]["batches"] * spec["batch_size"])
    return train, evaluated


def _work(spec: Mapping[str, Any]) -> float:
    """The work of a run, in training passes of one network over one image."""
    train, evaluated = _images(spec)
    info = methods.info(spec["method"]["name"])
    return float(spec["epochs"] * (train * info.passes_per_step + evaluated * _EVALUATION_SHARE * info.networks))


def _machine_key(spec: Mapping[str, Any]) -> tuple[Any, ...]:
    image_shape = datasets.DATASETS[spec["dataset"]["name"]].image_shape
    if "crop" in spec["augmentation"]:
        image_shape = (spec["augmentation"]["crop"], spec["augmentation"]["crop"], image_shape[2])
    return spec["network"], image_shape, spec["precision"], spec["threads"]


def rates(records: Iterable[Mapping[str, Any]], device: str) -> dict[tuple[Any, ...], float]:
    """Passes per second of recorded runs on this kind of device, by method and by network alone (method None)."""
    seen: dict[tuple[Any, ...], list[float]] = {}
    for record in records:
        spec, execution = record["spec"], record["execution"]
        if execution.get("device") != device.split(":")[0] or spec["dataset"]["name"] not in datasets.DATASETS:
            continue
        if spec["method"]["name"] not in methods.registered():
            continue
        if not _work(spec):  # of own images, whose number only they tell
            continue
        rate = _work(spec) / max(execution["seconds"], 1e-9)
        for method in (spec["method"]["name"], None):
            seen.setdefault((method, *_machine_key(spec)), []).append(rate)
    return {key: sorted(values)[len(values) // 2] for key, values in seen.items()}


def estimate(cell: Cell, known: Mapping[tuple[Any, ...], float], probed: Mapping[tuple[Any, ...], float]) -> Estimate:
    """Seconds of a run: from records of the method, else of its network, else from the probe."""
    if not _work(cell.spec):
        return Estimate(None, "not known of own images")
    key = _machine_key(cell.spec)
    for rate, source in (
        (known.get((cell.spec["method"]["name"], *key)), "records of the method"),
        (known.get((None, *key)), "records of the network"),
        (probed.get(key), "a probe"),
    ):
        if rate is not None:
            return Estimate(_work(cell.spec) / rate, source)
    return Estimate(None, "nothing recorded yet (--probe measures)")


def probe(cells: Sequence[Cell], known: Mapping[tuple[Any, ...], float], device: str) -> dict[tuple[Any, ...], float]:
    """Passes per second of every network for which no record tells, each measured for a few seconds."""
    from joblib.externals.loky import ProcessPoolExecutor

    from bench.speed.references import probe_rate

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
