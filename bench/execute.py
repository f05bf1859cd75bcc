"""Executing one specification: data, method and training loop in, one record in the store out."""

from __future__ import annotations

import datetime
import os
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from bench import checkpoint, measure, trainer
from bench.data import RunData, prepare
from bench.environment import Environment, checkpoint_path, remove_checkpoint
from bench.observe import Observer
from bench.run_record import build_execution, build_record, reset_peak_memory
from bench.seeds import Streams
from bench.task import NetworkSettings, RunTask, evaluation_batch
from datasets.base import Images
from datasets.loader import MemoryLoader
from methods import registry as methods
from methods.base import Method
from results.record import address
from results.store import Store


@dataclass(frozen=True)
class Past:
    """What earlier executions of the same run, cut off, have spent: seconds of wall clock, and resumes."""

    seconds: float = 0.0
    resumes: int = 0


@dataclass(frozen=True)
class Beat:
    """A sign of life of a run. images_per_second: of training so far in this execution."""

    epoch: int
    epochs: int
    images_per_second: float


def _labelled(
    images: Images, given: np.ndarray, data: RunData, spec: Mapping[str, Any], device: torch.device
) -> measure.Labelled:
    loader = MemoryLoader(images.pixels, data.dataset.mean, data.dataset.std, spec["augmentation"], device)
    return measure.Labelled(loader, torch.from_numpy(given).to(device), torch.from_numpy(images.labels).to(device))


def _facts(spec: Mapping[str, Any], data: RunData) -> dict[str, Any]:
    """What a method may be told. A suite's `noise_rate_error` makes rate and matrix wrong by the same factor."""
    expected = data.noise.expected_rate
    told = min(max(expected + spec["noise_rate_error"], 0.0), 1.0)
    matrix = torch.from_numpy(data.noise.expected_matrix).float()
    if expected > 0 and told != expected:
        kept = torch.eye(len(matrix))
        scaled = (kept + (matrix - kept) * (told / expected)).clamp_min(0)
        matrix = scaled / scaled.sum(1, keepdim=True)
    return {"noise_rate": told, "noise_kind": spec["noise"]["model"], "matrix": matrix}


def build_method(spec: Mapping[str, Any], task: RunTask, device: torch.device) -> Method:
    """The method of a specification, on the device, with its hyper-parameters."""
    made = methods.load(spec["method"]["name"])(task, **spec["method"]["hyper"])
    return made.to(device)


def build_run(
    spec: Mapping[str, Any], data: RunData, device: torch.device, compiled: bool
) -> tuple[trainer.Run, measure.Measures]:
    """Everything of a run before its first epoch."""
    streams = Streams(spec)
    train = _labelled(data.train, data.given, data, spec, device)
    shape = data.train.pixels.shape
    task = RunTask(
        labels=train.labels,
        num_classes=data.dataset.num_classes,
        epochs=int(spec["epochs"]),
        batch_size=int(spec["batch_size"]),
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
        batch_size=evaluation_batch(device),
        memorisation_every=spec["memorisation_every"],
    )
    return trainer.Run(spec, method, task, train.loader, observer, streams, train.labels), measures


def _configure(spec: Mapping[str, Any], device: torch.device) -> None:
    torch.set_num_threads(int(spec["threads"]))
    if device.type == "cuda":
        os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
        torch.backends.cudnn.benchmark = False
        torch.use_deterministic_algorithms(True, warn_only=True)


def execute(
    spec: Mapping[str, Any], environment: Environment, beat: Callable[[Beat], None] = lambda beat: None
) -> None:
    """Train, measure and publish one run; goes on from its checkpoint where there is one.

    `beat` is called at most about once a second. Raises what data, method or store raise.
    """
    for plugin in environment.plugins:
        methods.add_file(plugin)
    device = torch.device(environment.device)
    _configure(spec, device)
    reset_peak_memory(device)
    store, where = Store(environment.store), address(spec)
    started, clock = datetime.datetime.now(datetime.UTC), time.perf_counter()
    data = prepare(spec, environment.data, environment.noise_files)
    run, measures = build_run(spec, data, device, environment.compiled)
    path, curves, past = checkpoint_path(environment.store, where), {}, Past()
    state = checkpoint.load(path, device)
    if state is not None:
        try:
            trainer.load_state_dict(run, state["run"])
            curves, past = state["curves"], Past(state["seconds"], state["resumes"] + 1)
        except (KeyError, TypeError, ValueError, RuntimeError):
            # Written by other code, as where a method has got another buffer since: it fits no more, so start anew.
            remove_checkpoint(path)
            run, measures = build_run(spec, data, device, environment.compiled)
    _train(run, measures, curves, environment, path, past, beat)
    parts, arrays = measure.at_the_end(run.method, measures, run.observer)
    record = build_record(spec, data, run, curves, parts)
    seconds = past.seconds + time.perf_counter() - clock
    record["execution"] = build_execution(run, device, started, seconds, past.resumes)
    rows, pixels = measure.thumbnails(arrays, data.train.pixels)
    store.publish(record, {"index": data.rows, **arrays, "thumbnail_rows": rows, "thumbnails": pixels})
    remove_checkpoint(path)


def _train(
    run: trainer.Run,
    measures: measure.Measures,
    curves: dict[str, Any],
    environment: Environment,
    path: Path,
    past: Past,
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
            history = {"seconds": past.seconds + now - begun, "resumes": past.resumes}
            checkpoint.save(path, {"run": trainer.state_dict(run), "curves": curves, **history})
            saved = now
