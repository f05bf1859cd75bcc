"""How many runs at a time the processors and the memory that this process was given bear."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from bench.machine.accelerator import is_cuda
from bench.planning.spec import Cell
from common import allotment
from common.record import Record

UNKNOWN_BYTES = 2**30  # of a run of which there is no record; see `doctor`
AMPLE_BYTES = 2**31  # more than any recorded run on the CPU took, so that nobody need read the records
DRIVER_BYTES = 2**28  # of the command itself


@dataclass(frozen=True)
class Room:
    """How many runs at a time, at least 1. why: what bounds them; empty where the whole machine is used."""

    runs: int
    why: str = ""


def room(cells: Sequence[Cell], records: Iterable[Record], device: str) -> Room:
    """The runs at a time for these cells: a processor for each of their threads, and memory for each of them.

    A run on the CPU takes what the largest recorded one of its network took, else `UNKNOWN_BYTES`; of runs on an
    accelerator nobody has measured what they take of the host's memory.
    """
    given = allotment.processors()
    threads = max((cell.spec.threads for cell in cells), default=1)
    by_threads = Room(max(given.amount // threads, 1), "" if given.source == "the machine" else _told(given, threads))
    limit = None if is_cuda(device) else allotment.memory()
    if limit is None or limit.amount >= by_threads.runs * AMPLE_BYTES:
        return by_threads
    largest = _largest(cells, records)
    beside = max((limit.amount - DRIVER_BYTES) // largest, 1)
    if beside >= by_threads.runs:
        return by_threads
    sizes = f"{limit.amount / 2**30:.1f} GiB of memory by {limit.source}, {largest / 2**30:.1f} GiB a run"
    return Room(beside, sizes)


def _told(given: allotment.Part, threads: int) -> str:
    noun = "processor" if given.amount == 1 else "processors"
    return f"{given.amount} {noun} by {given.source}" + (f", {threads} threads a run" if threads > 1 else "")


def _largest(cells: Sequence[Cell], records: Iterable[Record]) -> int:
    """Bytes that the largest of the runs takes at its peak."""
    measured: dict[str, float] = {}
    for record in records:
        if record["execution"].get("device") == "cpu" and "peak_memory_mib" in record["execution"]:
            network = record["spec"]["network"]
            measured[network] = max(measured.get(network, 0.0), record["execution"]["peak_memory_mib"] * 2**20)
    return max((int(measured.get(cell.spec.network, UNKNOWN_BYTES)) for cell in cells), default=UNKNOWN_BYTES)
