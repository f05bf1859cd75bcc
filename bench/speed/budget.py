"""Fitting measurements into a time: what to leave out of a case, and which cases to leave out."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from bench.speed.case import Case, Speed
from methods import registry as methods

_MARGIN = 1.15  # rates vary, on a machine that others use too
_PLAIN_START_SECONDS = 1.5  # its reading processes, and a few batches


@dataclass(frozen=True)
class Cost:
    """Seconds that the smallest measurement of a case took: until its process could begin, and from then on."""

    case: Case
    start: float
    work: float

    @property
    def total(self) -> float:
        return self.start + self.work


def smallest(case: Case) -> Case:
    """The case cut down to what tells anything: one repeat of a short epoch."""
    return replace(case, samples=case.fewest_samples, repeats=1, plain=False, at_once=1)


def expected(case: Case, known: Sequence[Cost]) -> float:
    """Seconds of the smallest measurement of a case, from those of others; 0 where nothing tells.

    Of a network that was not measured yet, nothing but the start of its process is known.
    """
    if not known:
        return 0.0
    start = min(cost.start for cost in known)
    own = methods.info(case.method).passes_per_step
    alike = [
        cost.work * own / methods.info(cost.case.method).passes_per_step
        for cost in known
        if cost.case.network == case.network
    ]
    return start + min(alike, default=0.0)


def affordable(case: Case, first: Speed, fixed: float, left: float) -> Case | None:
    """The largest part of the case that fits into `left` seconds; None where it is no more than was measured `first`.

    The plain loop goes first, then repeats, then images. fixed: seconds that a measurement takes beside its epochs.
    """
    left = left / _MARGIN - fixed
    ours = 1 / first.images_per_second
    further = 0.0 if first.eager_images_per_second is None else 1 / first.eager_images_per_second
    warm_up, round_ = ours + further, ours + further + ours / max(1 + first.overhead, 0.1)
    whole = case.samples * warm_up
    if case.plain:
        # the plain loop gets as much time as our own epoch
        with_plain = whole + _PLAIN_START_SECONDS + case.repeats * case.samples * (round_ + ours)
        if with_plain <= left:
            return case
    case = replace(case, plain=False)
    repeats = int((left - whole) / (case.samples * round_))
    if repeats >= 1:
        return replace(case, repeats=min(repeats, case.repeats))
    samples = int(left / (warm_up + round_)) // case.batch_size * case.batch_size
    return replace(case, samples=samples, repeats=1) if samples > case.fewest_samples else None


def together(case: Case, cost: Cost, speed: Speed, window: float, cores: int) -> float:
    """Seconds that `case.at_once` processes take to start, warm up and be measured for `window` seconds."""
    crowd = max(1.0, case.at_once / cores)  # processes that share a core start and train so much slower
    epoch = speed.samples / speed.images_per_second
    return _MARGIN * crowd * (cost.total + epoch + 2 * max(window, epoch))


def missing(case: Case, speed: Speed) -> tuple[str, ...]:
    """What of a case there was no time for, apart from several processes at once."""
    skipped = []
    if case.plain and speed.ratio_to_plain_loop is None:
        skipped.append("the plain loop")
    if speed.repeats < case.repeats:
        skipped.append(f"{case.repeats - speed.repeats} of {case.repeats} repeats")
    if speed.samples < case.samples:
        skipped.append(f"{case.samples - speed.samples:,} of {case.samples:,} images an epoch")
    return tuple(skipped)
