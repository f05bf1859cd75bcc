"""Measuring one case in this process: our training epoch against the bare network's and a plain PyTorch loop.

overhead = seconds of our epoch (augmentation and statistics included, evaluation and checkpoints not) / seconds of the
bare forward, backward and step of the same network, precision, layout, batch and passes, minus 1. On a CUDA device our
epoch is captured where it can be, as in runs, and the bare step is one CUDA graph.
"""

from __future__ import annotations

import math
import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace

import torch

from bench import accelerator, networks, trainer
from bench.data import RunData
from bench.run_record import peak_memory
from bench.speed import budget
from bench.speed.case import Case, Speed
from bench.speed.references import Bare, bare, flops_per_image, graph_epoch, matrix_peak, plain_loop, seconds
from bench.speed.task import started
from methods import registry as methods

_PLAIN_WORKERS = 2
_FEW_BATCHES = 4  # of the plain loop, to see how fast it is
_LEAST_BATCHES = 10  # of the plain loop; over fewer, the start of an epoch tells more than the rest


@dataclass
class Sides:
    """What is timed beside each other: an epoch of ours, and the others where they are asked for.

    plain: trains the plain loop on so many batches; plain_images: how many images that are.
    """

    ours: trainer.Run
    bare: Callable[[int, int], None]
    alone: Bare
    eager: trainer.Run | None = None
    plain: Callable[[int], None] | None = None
    plain_batches: int = 0
    plain_images: int = 0


@dataclass
class Rounds:
    """Seconds by round, and of our epoch the images, the passes with gradient and those without."""

    ours: list[float] = field(default_factory=list)
    bare: list[float] = field(default_factory=list)
    eager: list[float] = field(default_factory=list)
    plain: list[float] = field(default_factory=list)
    images: list[int] = field(default_factory=list)
    passes: list[tuple[int, int]] = field(default_factory=list)


def measure(case: Case) -> Speed:
    """Measure a case in this process, which should be a fresh one (peak memory)."""
    return _measured(case, _prepared(case), None)


def measure_within(case: Case, submitted: float, deadline: float) -> tuple[Speed, budget.Cost]:
    """As much of a case as fits until `deadline`, and its smallest measurement in any case; and what the latter cost.

    submitted: when this process was asked for. Both are of `time.monotonic`, which is one clock for all processes.
    """
    begun = time.monotonic()
    device = _prepared(case)
    found = _measured(budget.smallest(case), device, deadline)
    now = time.monotonic()
    cost = budget.Cost(case, begun - submitted, now - begun)
    timed = 2 * found.samples / found.images_per_second
    more = budget.affordable(case, found, max(cost.work - timed, 0.0), deadline - now)
    if more is not None:
        found = _measured(more, device, deadline)
    return replace(found, missing=budget.missing(case, found)), cost


def _prepared(case: Case) -> torch.device:
    torch.set_num_threads(1)
    return accelerator.prepare(case.device)


def _measured(case: Case, device: torch.device, deadline: float | None) -> Speed:
    """Interleaved repeats of a case: all, or those that fit until the deadline and at least one."""
    run, data = started(case, device, "auto")
    memory = peak_memory(device)
    shape = networks.NETWORKS[case.network].image_shape
    batch_size = min(case.batch_size, case.samples)
    alone = bare(case.network, shape, batch_size, case.precision, device, case.compiled)
    sides = Sides(run, alone.epoch, alone)
    if accelerator.is_cuda(device):
        sides.bare, sides.eager = graph_epoch(alone, device), started(case, device, "off")[0]
    if case.plain:
        _add_plain(sides, case, data, device, None if deadline is None else deadline - time.monotonic())
    rounds = _time_rounds(sides, device, case.repeats, deadline)
    return _speed(case, sides, rounds, memory, device)


def _add_plain(sides: Sides, case: Case, data: RunData, device: torch.device, left: float | None) -> None:
    """The plain loop beside ours, of as many batches as fit into the time; where those are too few, it is left out.

    left: None, or seconds that all rounds have; the plain loop gets as much of them as our own epochs, or half.
    """
    plain, images = plain_loop(case, data, device, methods.info(case.method).networks, _PLAIN_WORKERS)
    plain(_FEW_BATCHES)
    spent = seconds(lambda: plain(_FEW_BATCHES), device)
    batches = math.ceil(images / case.batch_size)
    if left is not None:
        longest = max(sides.ours.progress.seconds, left / 2 / (case.repeats + 1))
        fitting = int(longest / spent * _FEW_BATCHES)
        if fitting < min(batches, _LEAST_BATCHES):
            return
        batches = min(batches, fitting)
    sides.plain, sides.plain_batches, sides.plain_images = plain, batches, min(images, batches * case.batch_size)


def _time_rounds(sides: Sides, device: torch.device, repeats: int, deadline: float | None) -> Rounds:
    found, longest = Rounds(), 0.0
    while len(found.ours) < repeats:
        begun = time.monotonic()
        if found.ours and deadline is not None and begun + longest > deadline:
            break
        _time_round(sides, found, device)
        longest = max(longest, time.monotonic() - begun)
    return found


def _time_round(sides: Sides, found: Rounds, device: torch.device) -> None:
    """Our epoch, then the same passes of the bare network, then the others."""
    counter, progress = sides.ours.task.counter, sides.ours.progress
    trained, forwarded, images = counter.trained, counter.forwarded, progress.samples
    found.ours.append(seconds(lambda: trainer.train_epoch(sides.ours), device))
    passes = counter.trained - trained, counter.forwarded - forwarded
    found.passes.append(passes)
    found.images.append(progress.samples - images)
    found.bare.append(seconds(lambda: sides.bare(*passes), device))
    eager, plain = sides.eager, sides.plain
    if eager is not None:
        found.eager.append(seconds(lambda: trainer.train_epoch(eager), device))
    if plain is not None:
        found.plain.append(seconds(lambda: plain(sides.plain_batches), device) / sides.plain_images)


def _rates(images: list[int], spent: list[float]) -> list[float]:
    return [count / length for count, length in zip(images, spent, strict=True)]


def _speed(case: Case, sides: Sides, rounds: Rounds, memory: float, device: torch.device) -> Speed:
    rates = _rates(rounds.images, rounds.ours)
    rate = statistics.median(rates)
    overheads = [mine / bare - 1 for mine, bare in zip(rounds.ours, rounds.bare, strict=True)]
    passes = sum(trained + forwarded for trained, forwarded in rounds.passes) / (len(rates) * case.samples)
    found = Speed(
        method=case.method,
        network=case.network,
        batch_size=case.batch_size,
        precision=case.precision,
        device=case.device,
        samples=case.samples,
        repeats=len(rates),
        images_per_second=rate,
        images_per_second_spread=(min(rates), max(rates)),
        overhead=statistics.median(overheads),
        overhead_spread=(min(overheads), max(overheads)),
        ratio_to_plain_loop=rate * statistics.median(rounds.plain) if rounds.plain else None,
        passes_per_step=passes,
        peak_memory_mib=memory,
    )
    return found if sides.eager is None else _on_device(found, sides, rounds, device)


def _on_device(found: Speed, sides: Sides, rounds: Rounds, device: torch.device) -> Speed:
    """What only a CUDA device has: the captured step beside the eager one, and how near its peak it is."""
    captured = getattr(sides.ours, "captured", None)
    (trained, forwarded), images = rounds.passes[-1], rounds.images[-1]
    flops = flops_per_image(sides.alone) * (trained + forwarded / 3) / images
    return replace(
        found,
        eager_images_per_second=statistics.median(_rates(rounds.images, rounds.eager)),
        captured_share=None if captured is None else captured.replayed / max(captured.steps, 1),
        captured_reason=None if captured is None else captured.reason or None,
        bare_graph_images_per_second=statistics.median(_rates(rounds.images, rounds.bare)),
        share_of_peak=flops * found.images_per_second / matrix_peak(device),
    )
