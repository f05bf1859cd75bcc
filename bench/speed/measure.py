"""Measuring one case in this process: our training epoch against the bare network's and a plain PyTorch loop.

overhead = seconds of our epoch (augmentation and statistics included, evaluation and checkpoints not) / seconds of the
bare forward, backward and step of the same network, precision, layout, batch and passes, minus 1. On a CUDA device our
epoch is captured where it can be, as in runs, and the bare step is one CUDA graph.
"""

from __future__ import annotations

import contextlib
import math
import statistics
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

import torch

from bench import networks
from bench.machine import accelerator
from bench.speed import budget
from bench.speed.case import Case, Speed
from bench.speed.references import Bare, bare, flops_per_image, graph_epoch, matrix_peak, plain_loop, seconds
from bench.speed.task import started
from bench.training import trainer
from bench.training.data import RunData
from bench.training.run_record import peak_memory
from bench.training.step import Run
from methods import registry as methods

_PLAIN_WORKERS = 2
_FEW_BATCHES = 4  # of the plain loop, to see how fast it is
_LEAST_BATCHES = 10  # of the plain loop; over fewer, the start of an epoch tells more than the rest


@dataclass
class Sides:
    """What is timed beside each other: an epoch of ours, and the others where they are asked for.

    plain: trains the plain loop on so many batches; plain_images: how many images that are.
    """

    ours: Run
    bare: Callable[[int, int], None]
    alone: Bare
    eager: Run | None = None
    plain: Callable[[int], None] | None = None
    plain_batches: int = 0
    plain_images: int = 0


@dataclass(frozen=True)
class Round:
    """Seconds of our epoch and of the others, and of ours the images, the passes with gradient and those without.

    plain: seconds for an image.
    """

    ours: float
    bare: float
    images: int
    passes: tuple[int, int]
    eager: float | None = None
    plain: float | None = None


class TimeUp(Exception):
    """What is being measured can no longer end in time."""


@dataclass(frozen=True)
class Times:
    """Until when a measurement is to end, by the plan, and when at the latest; of `time.monotonic`."""

    planned: float = math.inf
    latest: float = math.inf

    def check(self, ahead: float = 0.0) -> None:
        """Raise TimeUp where so many seconds more would be too late."""
        if time.monotonic() + ahead > self.latest:
            raise TimeUp


def measure(case: Case) -> Speed:
    """Measure a case in this process, which should be a fresh one (peak memory)."""
    with _prepared(case) as device:
        return _measured(case, device, Times())


def measure_within(case: Case, submitted: float, times: Times) -> tuple[Speed, budget.Cost]:
    """As much of a case as fits into the time, and its smallest measurement in any case; and what the latter cost.

    submitted: when this process was asked for, of `time.monotonic`, which is one clock for all processes.
    """
    with _prepared(case) as device:
        return _measured_within(case, device, submitted, times)


def _measured_within(case: Case, device: torch.device, submitted: float, times: Times) -> tuple[Speed, budget.Cost]:
    begun = time.monotonic()
    speed = _measured(budget.smallest(case), device, Times())
    now = time.monotonic()
    cost = budget.Cost(case, begun - submitted, now - begun)
    timed = 2 * speed.samples / speed.images_per_second
    more = budget.affordable(case, speed, max(cost.work - timed, 0.0), times.planned - now)
    if more is not None:
        with contextlib.suppress(TimeUp):  # the machine has become slower: what is measured already stands
            speed = _measured(more, device, times)
    return replace(speed, missing=budget.missing(case, speed)), cost


@contextlib.contextmanager
def _prepared(case: Case) -> Iterator[torch.device]:
    torch.set_num_threads(1)
    device = accelerator.prepare(case.device)
    with accelerator.own_stream(device):
        yield device


def _measured(case: Case, device: torch.device, times: Times) -> Speed:
    """Interleaved repeats of a case: all, or those that fit into the time. Raises TimeUp where not even one does."""

    def beat(progress: float) -> None:
        times.check()

    run, data = started(case, device, "auto", beat)
    memory = peak_memory(device)
    shape = networks.NETWORKS[case.network].image_shape
    batch_size = min(case.batch_size, case.samples)
    alone = bare(case.network, shape, batch_size, case.precision, device, case.compiled)
    sides = Sides(run, alone.epoch, alone)
    if accelerator.is_cuda(device):
        sides.bare, sides.eager = graph_epoch(alone, device), started(case, device, "off", beat)[0]
    if case.plain:
        _add_plain(sides, case, data, device, times.planned - time.monotonic())
    return _speed(case, sides, _time_rounds(sides, device, case.repeats, times), memory, device)


def _add_plain(sides: Sides, case: Case, data: RunData, device: torch.device, left: float) -> None:
    """The plain loop beside ours, of as many batches as fit into the time; where those are too few, it is left out.

    left: seconds that all rounds have; the plain loop gets as much of them as our own epochs, or half.
    """
    plain, images = plain_loop(case, data, device, methods.info(case.method).networks, _PLAIN_WORKERS)
    plain(_FEW_BATCHES)
    spent = seconds(lambda: plain(_FEW_BATCHES), device)
    batches = math.ceil(images / case.batch_size)
    if left < math.inf:
        longest = max(sides.ours.position.seconds, left / 2 / (case.repeats + 1))
        fitting = int(longest / spent * _FEW_BATCHES)
        if fitting < min(batches, _LEAST_BATCHES):
            return
        batches = min(batches, fitting)
    sides.plain, sides.plain_batches, sides.plain_images = plain, batches, min(images, batches * case.batch_size)


def _time_rounds(sides: Sides, device: torch.device, repeats: int, times: Times) -> list[Round]:
    rounds, longest = list[Round](), 0.0
    while len(rounds) < repeats:
        begun = time.monotonic()
        if rounds and begun + longest > times.planned:
            break
        try:
            rounds.append(_time_round(sides, device, times))
        except TimeUp:
            if not rounds:
                raise
            break
        longest = max(longest, time.monotonic() - begun)
    return rounds


def _time_round(sides: Sides, device: torch.device, times: Times) -> Round:
    """Our epoch, then the same passes of the bare network, then the others."""
    counter, progress = sides.ours.task.counter, sides.ours.position
    trained, forwarded, images = counter.trained, counter.forwarded, progress.samples
    ours = seconds(lambda: trainer.train_epoch(sides.ours), device)
    passes = counter.trained - trained, counter.forwarded - forwarded
    images = progress.samples - images
    times.check(ahead=ours)
    bare_ = seconds(lambda: sides.bare(*passes), device)
    eager, plain = sides.eager, sides.plain
    return Round(
        ours,
        bare_,
        images,
        passes,
        None if eager is None else seconds(lambda: trainer.train_epoch(eager), device),
        None if plain is None else seconds(lambda: plain(sides.plain_batches), device) / sides.plain_images,
    )


def _speed(case: Case, sides: Sides, rounds: list[Round], memory: float, device: torch.device) -> Speed:
    rates = [one.images / one.ours for one in rounds]
    rate = statistics.median(rates)
    overheads = [one.ours / one.bare - 1 for one in rounds]
    plain = [one.plain for one in rounds if one.plain is not None]
    passes = sum(sum(one.passes) for one in rounds) / (len(rounds) * case.samples)
    speed = Speed(
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
        ratio_to_plain_loop=rate * statistics.median(plain) if plain else None,
        passes_per_step=passes,
        peak_memory_mib=memory,
    )
    return speed if sides.eager is None else _on_device(speed, sides, rounds, device)


def _on_device(speed: Speed, sides: Sides, rounds: list[Round], device: torch.device) -> Speed:
    """What only a CUDA device has: the captured step beside the eager one, and how near its peak it is."""
    captured = sides.ours.captured
    eager = [one.images / one.eager for one in rounds if one.eager is not None]
    (trained, forwarded), images = rounds[-1].passes, rounds[-1].images
    flops = flops_per_image(sides.alone) * (trained + forwarded / 3) / images
    return replace(
        speed,
        eager_images_per_second=statistics.median(eager),
        captured_images_per_second=speed.images_per_second if captured is not None and captured.replayed else None,
        captured_share=None if captured is None else captured.replayed / max(captured.steps, 1),
        captured_reason=None if captured is None else captured.reason or None,
        bare_graph_images_per_second=statistics.median(one.images / one.bare for one in rounds),
        share_of_peak=flops * speed.images_per_second / matrix_peak(device),
    )
