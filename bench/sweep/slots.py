"""Where runs go on this machine: its CPU or its accelerators, and which of their slots may start a run when."""

from __future__ import annotations

import re
import threading
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from bench.machine import accelerator, apple
from bench.planning.spec import Cell
from bench.sweep import lease
from bench.sweep.packing import MOST_RUNS, Packing, Sight
from bench.training.environment import Environment
from common.errors import UserError
from results.layout import Layout


def runs_per_device(text: str, device: str, cluster: str | None) -> int | None:
    """What --runs-per-device says: a number, or None for `auto`. Raises UserError where it is none or of no use."""
    if text == "auto":
        return None
    if re.fullmatch(r"0*[1-9][0-9]{0,8}", text) is None:  # int() raises for thousands of digits
        raise UserError(f"--runs-per-device {text!r} is unknown (accepted: auto, or a number from 1)")
    if int(text) > 1 and cluster is not None:
        raise UserError(f"--runs-per-device {text}: with --cluster every worker takes one run (accepted: auto, 1)")
    if int(text) > 1 and not accelerator.is_cuda(device):
        where = "a CPU" if device == "cpu" else device
        raise UserError(f"--runs-per-device {text}: on {where} --jobs says how many runs at a time (accepted: auto, 1)")
    return int(text)


@dataclass
class _Try:
    """A run on a device. most: of runs at a time on it since this one began."""

    cell: Cell | None
    most: int


class Place:
    """One device and its slots, numbered from 0; each is fed by a thread of its own.

    A slot starts a run only where all of smaller number are busy, so that the workers already there are used, and while
    fewer runs are on the device than `packing` allows.
    """

    def __init__(self, environment: Environment, packing: Packing) -> None:
        self.environment, self.packing = environment, packing
        self._busy: dict[int, _Try] = {}
        self._alone: int | None = None
        self._lock = threading.Lock()

    @property
    def name(self) -> str:
        return self.environment.device

    def claim(self, number: int) -> bool:
        """Whether the slot may start a run now; if so, it is busy until `leave`."""
        with self._lock:
            if self._alone is not None or len(self._busy) >= self.packing.allowed:
                return False
            if not all(smaller in self._busy for smaller in range(number)):
                return False
            self._busy[number] = _Try(None, 0)
            return True

    def begin(self, number: int, cell: Cell) -> None:
        """The slot, which is claimed, executes `cell` from now on."""
        with self._lock:
            self._busy[number].cell = cell
            running = [attempt for attempt in self._busy.values() if attempt.cell is not None]
            for attempt in running:
                attempt.most = max(attempt.most, len(running))

    def isolate(self, number: int) -> bool:
        """Let no other slot start a run until this one, which is claimed, is left; False where another asked first."""
        with self._lock:
            if self._alone not in (None, number):
                return False
            self._alone = number
            return True

    def is_isolated(self, number: int) -> bool:
        """Whether no other slot is busy."""
        with self._lock:
            return set(self._busy) == {number}

    def leave(self, number: int) -> int:
        """The slot is free again; returns how many runs there were at most while it executed its own."""
        with self._lock:
            if self._alone == number:
                self._alone = None
            return self._busy.pop(number).most

    def is_spare(self, number: int) -> bool:
        """Whether the slot is beyond what is allowed now, so that its worker may go."""
        return number >= self.packing.allowed

    def is_next(self, number: int) -> bool:
        """Whether the slot is the one to be allowed next, if one more is found to pay."""
        return not self.packing.settled and number == self.packing.allowed

    def observe(self, store: Path) -> list[str]:
        """Let the packing see what the runs on the device tell through their leases; returns what to say."""
        if self.packing.settled:
            return []
        with self._lock:
            cells = [attempt.cell for attempt in self._busy.values() if attempt.cell is not None]
        holders = ((cell, lease.read(Layout(store).lease(cell.address))) for cell in cells)
        sights = [sight(cell, holder) for cell, holder in holders if holder is not None]
        with self._lock:
            return self.packing.observe(sights)

    def ended(self) -> list[str]:
        """A run on the device ended; returns what to say."""
        with self._lock:
            return self.packing.ended()

    def out_of_memory(self, most: int) -> None:
        """A run was out of memory where up to `most` were on the device."""
        with self._lock:
            self.packing.out_of_memory(most)


def sight(cell: Cell, holder: lease.Holder) -> Sight:
    """What the holder of a run's lease tells."""
    spec = cell.spec
    network = (spec.network, spec.dataset.name, spec.batch_size, spec.precision)
    kind = (network, spec.method.name)
    measured = (holder.passes, holder.train_seconds, holder.memory, holder.memory_used, holder.memory_total)
    return Sight(cell.address, kind, holder.epoch, *measured)


def places(environment: Environment, jobs: int | None, number: int | None, room: int) -> list[Place]:
    """The devices of this machine that runs go to, and how many each takes.

    jobs: runs at a time in all, None: as many as there is `room` for, on Apple's device one; number: runs on an
    accelerator, None: as measured.
    """
    host = jobs or (1 if apple.is_mps(environment.device) else room)
    if not accelerator.is_cuda(environment.device):
        return [Place(environment, Packing.fixed(environment.device, host))]
    devices = accelerator.each(environment.device)
    if number is None:
        packings = [Packing(device, max(1, min(MOST_RUNS, host // len(devices)))) for device in devices]
    else:
        share = number if jobs is None else max(1, min(number, jobs // len(devices)))
        packings = [Packing.fixed(device, share) for device in devices]
    return [Place(replace(environment, device=packing.name), packing) for packing in packings]


def spread(all_places: Sequence[Place], runs: int) -> list[tuple[Place, int]]:
    """The slots worth a thread where there are so many runs, shared evenly among the places."""
    every = [(place, number) for place in all_places for number in range(place.packing.most)]
    slots = sorted(every, key=lambda slot: slot[1])
    for place in all_places:
        count = sum(one is place for one, _ in slots[:runs])
        place.packing.most = max(1, min(place.packing.most, count))
        place.packing.allowed = min(place.packing.allowed, place.packing.most)
        place.packing.settled |= place.packing.most == 1  # nothing to measure, nothing to tell
    return slots[:runs]
