"""Executing one specification: data, method and training loop in, one record in the store out."""

from __future__ import annotations

import datetime
import functools
import os
import platform
import resource
import socket
import subprocess
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from bench import checkpoint, measure, networks, trainer
from bench.data import RunData, prepare
from bench.environment import Environment, checkpoint_path
from bench.observe import Observer
from bench.seeds import Streams
from bench.task import EVALUATION_BATCH, NetworkSettings, RunTask
from datasets import registry as datasets
from datasets.base import Images
from datasets.loader import MemoryLoader
from datasets.noise import title as noise_title
from methods import registry as methods
from methods.base import Method
from results.record import FORMAT, address
from results.store import Store


@dataclass(frozen=True)
class Beat:
    """A sign of life of a run. images_per_second: of training so far in this execution."""

    epoch: int
    epochs: int
    images_per_second: float


def _labelled(images: Images, given: np.ndarray, data: RunData, spec: Mapping[str, Any], device: torch.device) -> measure.Labelled:
    loader = MemoryLoader(images.pixels, data.dataset.mean, data.dataset.std, spec["augmentation"], device)
    return measure.Labelled(loader, torch.from_numpy(given).to(device), torch.from_numpy(images.labels).to(device))


def _facts(spec: Mapping[str, Any], data: RunData) -> dict[str, Any]:
    told = data.noise.expected_rate + spec["noise_rate_error"]
    return {
        "noise_rate": min(max(told, 0.0), 1.0),
        "noise_kind": spec["noise"]["model"],
        "matrix": torch.from_numpy(data.noise.expected_matrix).float(),
    }


def build_method(spec: Mapping[str, Any], task: RunTask, device: torch.device) -> Method:
    """The method of a specification, on the device, with its hyper-parameters."""
    made = methods.load(spec["method"]["name"])(task, **spec["method"]["hyper"])
    return made.to(device)


def build_run(spec: Mapping[str, Any], data: RunData, device: torch.device, compiled: bool) -> tuple[trainer.Run, measure.Measures]:
    """Everything of a run before its first epoch."""
    streams = Streams(spec)
    train = _labelled(data.train, data.given, data, spec, device)
    shape = data.train.pixels.shape
    task = RunTask(
        labels=train.labels,
        num_classes=data.dataset.num_classes,
        epochs=int(spec["epochs"]),
        settings=NetworkSettings(
            spec["network"], spec["pretrained"], (shape[3], shape[1], shape[2]), spec["precision"], compiled
        ),
        loader=train.loader,
        streams=streams,
        facts=_facts(spec, data),
        needs=methods.info(spec["method"]["name"]).needs,
        device=device,
    )
    method = build_method(spec, task, device)
    observer = Observer(train.labels, train.labels != train.true)
    validation = data.validation
    test = data.dataset.test
    measures = measure.Measures(
        train=train,
        test=_labelled(test, test.labels, data, spec, device),
        validation=None if validation is None else _labelled(validation.images, validation.given, data, spec, device),
        scored=type(method).members if spec["scored"] == "default" else spec["scored"],
        batch_size=EVALUATION_BATCH,
        memorisation_every=spec["memorisation_every"],
    )
    return trainer.Run(spec, method, task, train.loader, observer, streams, train.labels), measures


def _configure(spec: Mapping[str, Any], device: torch.device) -> None:
    torch.set_num_threads(int(spec["threads"]))
    if device.type == "cuda":
        os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
        torch.backends.cudnn.benchmark = False
        torch.use_deterministic_algorithms(True, warn_only=True)


def execute(spec: Mapping[str, Any], environment: Environment, beat: Callable[[Beat], None] = lambda beat: None) -> None:
    """Train, measure and publish one run; goes on from its checkpoint where there is one.

    `beat` is called at most about once a second. Raises what data, method or store raise.
    """
    for plugin in environment.plugins:
        methods.add_file(plugin)
    device = torch.device(environment.device)
    _configure(spec, device)
    store, where = Store(environment.store), address(spec)
    started, clock = datetime.datetime.now(datetime.UTC), time.perf_counter()
    data = prepare(spec, environment.data)
    run, measures = build_run(spec, data, device, environment.compiled)
    path, curves, past = checkpoint_path(environment.store, where), {}, {"seconds": 0.0, "resumes": 0}
    state = checkpoint.load(path, device)
    if state is not None:
        trainer.load_state_dict(run, state["run"])
        curves, past = state["curves"], state["past"]
        past["resumes"] += 1
    _train(run, measures, curves, environment, path, past, beat)
    parts, arrays = measure.at_the_end(run.method, measures, run.observer)
    record = _record(spec, data, run, curves, parts)
    seconds = past["seconds"] + time.perf_counter() - clock
    record["execution"] = _execution(run, device, started, seconds, past["resumes"])
    rows, pixels = measure.thumbnails(arrays, data.train.pixels)
    store.publish(record, {"index": data.rows, **arrays, "thumbnail_rows": rows, "thumbnails": pixels})
    path.unlink(missing_ok=True)


def _train(
    run: trainer.Run,
    measures: measure.Measures,
    curves: dict[str, Any],
    environment: Environment,
    path: Path,
    past: dict[str, Any],
    beat: Callable[[Beat], None],
) -> None:
    epochs, begun = int(run.spec["epochs"]), time.perf_counter()
    saved, told, before = begun, 0.0, (run.progress.samples, begun)

    def tell(progress: float) -> None:
        nonlocal told
        now = time.perf_counter()
        if now - told > 1.0:
            told = now
            beat(Beat(int(progress), epochs, (run.progress.samples - before[0]) / max(now - before[1], 1e-9)))

    run.beat = tell
    while run.progress.epoch < epochs:
        seen = trainer.train_epoch(run)
        measure.after_epoch(run.method, measures, curves, run.progress.epoch, epochs, seen)
        tell(run.progress.epoch)
        now = time.perf_counter()
        if run.progress.epoch < epochs and now - saved >= environment.checkpoint_seconds:
            kept = {"seconds": past["seconds"] + now - begun, "resumes": past["resumes"]}
            checkpoint.save(path, {"run": trainer.state_dict(run), "curves": curves, "past": kept})
            saved = now


def _record(
    spec: Mapping[str, Any], data: RunData, run: trainer.Run, curves: dict[str, Any], parts: dict[str, Any]
) -> dict[str, Any]:
    info, dataset = methods.info(spec["method"]["name"]), datasets.DATASETS[spec["dataset"]["name"]]
    noise = spec["noise"]
    privileges = sorted(info.needs | info.marks)
    privileges += ["pretraining"] * bool(spec["pretrained"])
    privileges += ["clean labels"] * (spec["dataset"]["training_rows"] == "clean_only")
    counted = run.task.counter.cost / max(run.progress.samples, 1)
    return {
        "format": FORMAT,
        "address": address(spec),
        "spec": dict(spec),
        "titles": {
            "method": info.title,
            "dataset": dataset.title,
            "noise": noise_title(noise["model"], noise["rate"], noise["options"]),
            "network": networks.NETWORKS[spec["network"]].title,
        },
        "data": {
            "num_train": len(data.rows),
            "num_validation": 0 if data.validation is None else len(data.validation.given),
            "num_test": len(data.dataset.test.labels),
            "num_classes": data.dataset.num_classes,
            "class_names": list(data.dataset.class_names),
        },
        "noise": {
            "fingerprint": data.noise.fingerprint,
            "nominal_rate": data.noise.nominal_rate,
            "actual_rate": data.noise.actual_rate,
            "expected_rate": data.noise.expected_rate,
            "train_rate": data.train_rate,
            "matrix": data.noise.matrix.tolist(),
        },
        "curves": curves,
        "selection": measure.selections(curves),
        **parts,
        "cost": {
            "parameters": sum(p.numel() for p in run.method.parameters()),
            "networks": info.networks,
            "passes_per_step": round(counted, 6),
            "steps": run.progress.step,
        },
        "privileges": privileges,
    }


def _peak_memory(device: torch.device) -> float:
    """Peak memory in MiB: of the device where there is one, else of the process."""
    if device.type == "cuda":
        return torch.cuda.max_memory_allocated(device) / 2**20
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


@functools.cache
def _commit() -> str | None:
    """The commit of the checkout with "+" where it has changes; None outside a checkout."""
    folder = Path(__file__).parent

    def git(*arguments: str) -> str:
        return subprocess.run(["git", *arguments], cwd=folder, capture_output=True, text=True, check=True).stdout.strip()

    try:
        return git("rev-parse", "HEAD") + ("+" if git("status", "--porcelain", "--untracked-files=no") else "")
    except (OSError, subprocess.CalledProcessError):
        return None


def _execution(
    run: trainer.Run, device: torch.device, started: datetime.datetime, seconds: float, resumes: int
) -> dict[str, Any]:
    name = torch.cuda.get_device_name(device) if device.type == "cuda" else platform.processor() or platform.machine()
    return {
        "seconds": seconds,
        "train_seconds": run.progress.seconds,
        "images_per_second": run.progress.samples / max(run.progress.seconds, 1e-9),
        "peak_memory_mib": _peak_memory(device),
        "started": started.isoformat(timespec="seconds"),
        "finished": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
        "host": socket.gethostname(),
        "device": device.type,
        "device_name": name,
        "versions": {
            "python": platform.python_version(), "torch": str(torch.__version__), "numpy": np.__version__
        },
        "commit": _commit(),
        "resumes": resumes,
    }
