"""Putting a run's record together: what it was, what came of it, what it cost; and how it was executed."""

from __future__ import annotations

import contextlib
import datetime
import functools
import platform
import resource
import socket
import subprocess
from pathlib import Path

import numpy as np
import torch

from bench import networks
from bench.machine import accelerator, apple
from bench.machine.processor import processor_name
from bench.training import measure
from bench.training.data import RunData
from bench.training.selection import selections
from bench.training.step import Run
from common import job
from common.record import Captured, Curves, DataFacts, Execution, Record
from common.specification import Specification
from datasets import registry as datasets
from datasets.noise import title as noise_title
from methods import registry as methods
from results import health
from results.record import FORMAT, address


def _data_facts(data: RunData) -> DataFacts:
    """How many images there were; what must be said of data that are not as clean as a benchmark's, only of those.

    true_labels: "unknown" where the true classes of the training images are; test_labels: "given" where the test images
    have no better ones; skipped: how many images were left out, by what was wrong with them. adjusted: how many were
    turned, laid on grey or scaled.
    """
    dataset = data.dataset
    facts: DataFacts = {
        "num_train": len(data.rows),
        "num_validation": 0 if data.validation is None else len(data.validation.images.labels),
        "num_test": len(dataset.test.labels),
        "num_classes": dataset.num_classes,
        "class_names": list(dataset.class_names),
    }
    if not dataset.truth:
        facts["true_labels"] = "unknown"
    if not dataset.test_truth:
        facts["test_labels"] = "given"
    if data.trusted is not None:
        facts["num_trusted"] = len(data.trusted.labels)
    if dataset.skipped:
        facts["skipped"] = dict(dataset.skipped)
    if dataset.adjusted:
        facts["adjusted"] = dict(dataset.adjusted)
    if dataset.further_tests:
        facts["further_tests"] = {name: len(images.labels) for name, images in dataset.further_tests.items()}
    return facts


def build_record(spec: Specification, data: RunData, run: Run, curves: Curves, end: measure.End) -> Record:
    """The record without `execution`."""
    info = methods.info(spec.method.name)
    noise = spec.noise
    privileges = sorted((info.needs - {"trusted", "noisy_validation"}) | info.marks)
    if data.trusted is not None:
        privileges.append(f"{len(data.trusted.labels)} trusted samples")
    privileges += ["pretraining"] * bool(spec.pretrained)
    privileges += ["clean labels"] * (spec.dataset.training_rows == "clean_only")
    if run.task.draws_told:
        privileges.append(f"labels drawn {1 + len(run.task.draws_told)} times")
    privileges += ["selection by noisy validation"] * ("noisy_validation" in info.needs)
    passes = run.task.counter.cost / (run.position.epoch * run.epoch_images)
    return {
        "format": FORMAT,
        "address": address(spec),
        "spec": spec.as_json(),
        "titles": {
            "method": info.title,
            "dataset": data.dataset.title or datasets.info(spec.dataset.name).title,
            "noise": noise_title(noise.model, noise.rate, noise.options),
            "network": networks.NETWORKS[spec.network].title,
        },
        "data": _data_facts(data),
        "noise": {
            "fingerprint": data.noise.fingerprint,
            "nominal_rate": data.noise.nominal_rate,
            "actual_rate": data.noise.actual_rate,
            "expected_rate": data.noise.expected_rate,
            "train_rate": data.train_rate,
            "matrix": None if data.noise.matrix is None else data.noise.matrix.tolist(),
        },
        "curves": curves,
        "selection": selections(curves),
        "health": {**run.health.summary(), **health.judge(curves, data.dataset.num_classes)},
        "final": end.final,
        "detection": end.detection,
        "cost": {
            "parameters": sum(p.numel() for p in run.method.parameters()),
            "networks": info.networks,
            "passes_per_step": round(passes, 6),
            "steps": run.position.step,
        },
        "privileges": privileges,
    }


def reset_peak_memory(device: torch.device) -> None:
    """Let `peak_memory` count from now on, since a worker process executes one run after the other."""
    if accelerator.is_cuda(device):
        accelerator.reset_peak_memory(device)
    # Linux alone can do it for a process; elsewhere the peak is that of all its runs so far.
    with contextlib.suppress(OSError):
        Path("/proc/self/clear_refs").write_text("5")


def peak_memory(device: torch.device) -> float:
    """Peak memory in MiB: of the device where there is one, else of the process; of mps what its driver holds now."""
    if accelerator.is_cuda(device):
        return accelerator.peak_memory(device) / 2**20
    if apple.is_mps(device):
        return apple.memory() / 2**20
    unit = 2**20 if platform.system() == "Darwin" else 2**10  # Apple counts bytes
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / unit


@functools.cache
def _commit() -> str | None:
    """The commit of the checkout with "+" where it has changes; None outside a checkout."""
    folder = Path(__file__).parent

    def git(*arguments: str) -> str:
        return subprocess.run(
            ["git", *arguments], cwd=folder, capture_output=True, text=True, check=True
        ).stdout.strip()

    try:
        return git("rev-parse", "HEAD") + ("+" if git("status", "--porcelain", "--untracked-files=no") else "")
    except (OSError, subprocess.CalledProcessError):
        return None


def build_execution(
    run: Run,
    device: torch.device,
    started: datetime.datetime,
    seconds: float,
    resumes: int,
    start_seconds: float,
) -> Execution:
    """All that may differ between two executions of one specification.

    start_seconds: from taking the run up until its first step was done, in this execution.
    """
    name = accelerator.name(device) if accelerator.is_cuda(device) else processor_name()
    execution: Execution = {
        "seconds": seconds,
        "start_seconds": start_seconds,
        "train_seconds": run.position.seconds,
        "images_per_second": run.position.samples / max(run.position.seconds, 1e-9),
        "scoring_passes": run.task.counter.evaluation,
        "peak_memory_mib": peak_memory(device),
        "started": started.isoformat(timespec="seconds"),
        "finished": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
        "host": socket.gethostname(),
        "device": device.type,
        "device_name": name,
        "versions": {"python": platform.python_version(), "torch": str(torch.__version__), "numpy": np.__version__},
        "commit": _commit(),
        "resumes": resumes,
    }
    if job.name():
        execution["job"] = job.name()
    captured = captured_share(run)
    return execution if captured is None else {**execution, "captured": captured}


def captured_share(run: Run) -> Captured | None:
    """What `execution` says of captured steps; None where none was tried.

    share: of the steps of this execution, those replayed; difference: the largest that a proof found, as a share of the
    distance moved; reason: why further ones were not, "" where none could have been.
    """
    done = run.captured
    if done is None:
        return None
    share = done.replayed / max(done.steps, 1)
    return {"share": round(share, 6), "difference": done.difference, "reason": done.reason}
