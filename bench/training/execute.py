"""Executing one specification: data, method and training loop in, one record in the store out."""

from __future__ import annotations

import datetime
import sys
import time
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import cast

import torch
from threadpoolctl import threadpool_limits

from bench import plugins
from bench.machine import accelerator
from bench.training import checkpoint, measure, trainer
from bench.training.build import build_run
from bench.training.data import RunData, prepare
from bench.training.environment import Environment, remove_checkpoint
from bench.training.pulse import Beat, Pulse, Stopped
from bench.training.run_record import build_execution, build_record, reset_peak_memory
from bench.training.step import Run
from bench.training.told import Told
from common.record import Curves
from common.specification import Specification
from methods.source_hash import source_hash
from results.layout import Layout
from results.record import address
from results.store import Store


@dataclass(frozen=True)
class Past:
    """What earlier executions of the same run, cut off, have spent: seconds of wall clock, and resumes.

    source: the hash of the method's source, of a plug-in: a checkpoint is no use to another.
    """

    seconds: float = 0.0
    resumes: int = 0
    source: str | None = None


def _configure(spec: Specification) -> None:
    torch.set_num_threads(spec.threads)
    # NumPy's and scikit-learn's libraries would take all cores in every run; their last digits follow the number too.
    threadpool_limits(spec.threads)


def _built(
    spec: Specification, data: RunData, device: torch.device, environment: Environment
) -> tuple[Run, measure.Measures]:
    return build_run(spec, data, device, environment.workers, environment.weights, environment.capture, _warn)


def _warn(line: str) -> None:
    print(f"warning: {line}", file=sys.stderr, flush=True)


def execute(
    spec: Specification,
    environment: Environment,
    beat: Callable[[Beat], None] = lambda beat: None,
    taken_up: float | None = None,
    watched: Callable[[Callable[[], int]], None] = lambda advanced: None,
    is_stopping: Callable[[], bool] = lambda: False,
) -> None:
    """Train, measure and publish one run; goes on from its checkpoint where there is one.

    `beat` is called at most about once a second. taken_up: when the process took up the run, by `time.perf_counter`;
    None: now. watched: is given what counts the run's steps and passes, which any thread may call. is_stopping: is
    asked at every step; where it says so, the run ends at the end of its epoch, if that is near, else at once, and
    raises `pulse.Stopped`. Raises what data, method or store raise.
    """
    taken_up = time.perf_counter() if taken_up is None else taken_up
    plugins.register(environment.plugins, tell=lambda line: None)  # the driver has told of those left out
    device = accelerator.prepare(environment.device)
    _configure(spec)
    reset_peak_memory(device)
    with accelerator.own_stream(device):
        _executed(spec, environment, device, beat, taken_up, watched, is_stopping)


def _executed(
    spec: Specification,
    environment: Environment,
    device: torch.device,
    beat: Callable[[Beat], None],
    taken_up: float,
    watched: Callable[[Callable[[], int]], None],
    is_stopping: Callable[[], bool],
) -> None:
    store, where = Store(environment.store), address(spec)
    started, clock = datetime.datetime.now(datetime.UTC), time.perf_counter()
    source = source_hash(spec.method.name)
    data = prepare(spec, environment.data, environment.noise_files, environment.skip_broken)
    run, measures = _built(spec, data, device, environment)
    path, curves, past = store.layout.checkpoint(where), {}, Past(source=source)
    state = checkpoint.load(path, device)
    if state is not None:
        try:
            if state.get("source") != source:
                raise ValueError("the method has been edited since")
            trainer.load_state_dict(run, state["run"])
            if measures.each is not None:
                measures.each.load_state_dict(state.get("each") or {})
            curves, past = state["curves"], Past(state["seconds"], state["resumes"] + 1, source)
        except Exception:
            # Written by other code, as where a method has got another buffer since: whatever does not fit, start anew.
            remove_checkpoint(path)
            run, measures = _built(spec, data, device, environment)
    watched(lambda: 2 + run.position.step + run.task.counter.cost + run.task.counter.evaluation)
    with closing(measures.train.loader), closing(run.task):
        first_step, made = _train(run, measures, environment, path, past, Pulse(run, curves, beat, is_stopping))
        end, arrays = measure.at_the_end(run.method, measures, run.observer, made)
    record = build_record(spec, data, run, cast(Curves, curves), end)
    if source is not None:
        record["source"] = source
    if measures.each is not None:
        record["selection"].update(measures.each.selections(measures.test.labels, spec.epochs))
    seconds = past.seconds + time.perf_counter() - clock
    record["execution"] = build_execution(run, device, started, seconds, past.resumes, first_step - taken_up)
    rows, pixels = measure.thumbnails(arrays, measures.train.loader)
    if data.trusted is not None:
        arrays["trusted_index"] = data.trusted_rows
    arrays = {"index": data.rows, **arrays, "thumbnail_rows": rows, "thumbnails": pixels}
    store.publish(record, arrays, environment.redo)
    remove_checkpoint(path)


def _unsaved(path: Path, fault: Exception) -> str:
    why = fault.strerror if isinstance(fault, OSError) and fault.strerror else str(fault).partition("\n")[0]
    return f"cannot write the checkpoint {path}: {why}; the run goes on, but if it is cut off, it starts further back"


def _train(
    run: Run,
    measures: measure.Measures,
    environment: Environment,
    path: Path,
    past: Past,
    pulse: Pulse,
) -> tuple[float, measure.Predictions]:
    """Train the epochs that are left.

    Returns when the first step was done, by `time.perf_counter`, and the predictions made after the last epoch. Raises
    Stopped.
    """
    made: measure.Predictions = {}
    epochs, begun, warned = run.spec.epochs, time.perf_counter(), False
    saved, curves = begun, pulse.curves
    run.beat = pulse.tell
    told = Told(Layout(environment.store).epochs(address(run.spec)) if environment.tell_epochs else None)
    while run.position.epoch < epochs:
        run.task.tell_validation(curves.get("noisy_validation_accuracy", ()))
        made = {}  # those of an earlier state are needed no more, and they take memory
        with pulse.training():
            seen = trainer.train_epoch(run)
        made = measure.after_epoch(run.method, measures, curves, run.position.epoch, epochs, seen)
        pulse.epoch_done()
        told.epoch(curves)
        now = time.perf_counter()
        stopping = pulse.is_stopping()
        if run.position.epoch < epochs and (stopping or now - saved >= environment.checkpoint_seconds):
            history = {"seconds": past.seconds + now - begun, "resumes": past.resumes, "source": past.source}
            each = None if measures.each is None else measures.each.state_dict()
            state, saved = {"run": trainer.state_dict(run), "curves": curves, "each": each, **history}, now
            try:
                checkpoint.save(path, state)
            except (OSError, RuntimeError) as fault:  # torch's writer turns a full disk into a RuntimeError
                # A checkpoint is only a shortcut: the one before is still there, and the next may succeed.
                if not warned:
                    _warn(_unsaved(path, fault))
                warned = True
            if stopping:
                raise Stopped
    return pulse.first_step, made
