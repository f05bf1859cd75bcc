"""All cases one after the other, each in a process of its own, within a time where there is one."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from typing import Any

from bench.machine import accelerator
from bench.speed import budget, together
from bench.speed.case import Case, Failed, LeftOut, Speed
from bench.speed.workers import fresh_processes
from common import allotment

Outcome = Speed | LeftOut | Failed
_SHARE_FOR_ONE = 0.5  # of a case's time, where several at once are measured too
_OVERDRAWN = 1.5  # so much of its share may a case take that was planned for one, before it is cut off
_NO_TIME = "no time left"


def measure_all(
    cases: Sequence[Case], seconds: float | None = None, begun: Callable[[Case], None] = lambda case: None
) -> Iterator[Outcome]:
    """What comes of each case, as soon as it is known. `begun` is called with each case that is started.

    seconds: None, or how long all may take together. Then each case gets an equal share of what is left, and is cut
    down to it; one for whose smallest measurement no time is left is left out. A case that fails harms no other.
    """
    deadline = None if seconds is None else time.monotonic() + seconds
    known: list[budget.Cost] = []
    for position, case in enumerate(cases):
        now = time.monotonic()
        if deadline is not None and (now >= deadline or now + budget.expected(case, known) > deadline):
            yield LeftOut(case.method, case.network, _NO_TIME)
            continue
        begun(case)
        left = None if deadline is None else deadline - now
        try:
            yield _one(case) if left is None else _one_within(case, known, left / (len(cases) - position), left)
        except Exception as fault:
            yield Failed(case.method, case.network, _line(fault))


def _line(fault: Exception) -> str:
    from joblib.externals.loky.process_executor import TerminatedWorkerError

    if isinstance(fault, TerminatedWorkerError):
        return "its process was killed (out of memory?)"
    return f"{type(fault).__name__}: {fault}".splitlines()[0]


def _apart(work: Callable[..., Any], *arguments: Any) -> Any:
    """The result of a call in a fresh process."""
    executor = fresh_processes(1)
    try:
        return executor.submit(work, *arguments).result()
    finally:
        executor.shutdown(kill_workers=True)


def _measure(case: Case) -> Speed:
    from bench.speed.measure import measure  # imports torch, which a driver never needs

    return measure(case)


def _measure_within(case: Case, submitted: float, planned: float, latest: float) -> tuple[Speed, budget.Cost]:
    from bench.speed.measure import Times, measure_within

    return measure_within(case, submitted, Times(planned, latest))


def _one(case: Case) -> Speed:
    return _with_others(case, _apart(_measure, case))


def _one_within(case: Case, known: list[budget.Cost], share: float, left: float) -> Speed:
    """One case in `share` of the `left` seconds; what its smallest measurement cost is added to `known`."""
    now = time.monotonic()
    latest = now + min(left, _OVERDRAWN * share)
    planned = now + share * (_SHARE_FOR_ONE if case.at_once > 1 else 1.0)
    speed, cost = _apart(_measure_within, case, now, planned, latest)
    known.append(cost)
    needed = budget.together(case, cost, speed, together.WINDOW_SECONDS, _lanes(case))
    if case.at_once > 1 and time.monotonic() + needed > now + share:
        return _without_others(case, speed, _NO_TIME)
    return _with_others(case, speed, latest - time.monotonic())


def _lanes(case: Case) -> int:
    """How many processes go on at a time without waiting for each other."""
    return 1 if accelerator.is_cuda(case.device) else allotment.processors().amount


def _without_others(case: Case, speed: Speed, reason: str) -> Speed:
    return replace(speed, missing=(*speed.missing, f"{case.at_once} at once ({reason})"))


def _with_others(case: Case, speed: Speed, longest: float | None = None) -> Speed:
    """The speed with that of several processes at once, where that was asked for."""
    if case.at_once == 1:
        return speed
    try:
        rate = together.rate(replace(case, samples=speed.samples), longest)
    except TimeoutError:
        return _without_others(case, speed, _NO_TIME)
    except Exception as fault:  # as where the memory does not hold them all: what is measured already is kept
        return _without_others(case, speed, _line(fault))
    share = speed.share_of_peak
    if share is not None:
        share *= max(1.0, rate / speed.images_per_second)
    return replace(speed, at_once=case.at_once, at_once_images_per_second=rate, share_of_peak=share)
