"""Following the runs of a sweep from the process that started it: trackers can neither change nor fail a run.

What trackers import, draw at random, wait for or break stays out of the processes that train. These write each epoch
as a line (`bench.training.told`), also where they are on other machines; a thread here reads the lines.
"""

from __future__ import annotations

import json
import queue
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import TypeVar

from bench.planning.spec import Cell
from bench.tracking.option import Tracking
from bench.tracking.tools import MADE, Followed, Tracker, flat
from common.record import Record
from results.epochs import values_of
from results.layout import Layout
from results.store import Store, StoreError

LOOK_SECONDS = 1.0
END_SECONDS = 120.0  # that a command waits for its trackers once all runs are over
Tell = Callable[[str], None]
IsLive = Callable[[str], bool]
T = TypeVar("T")


@dataclass
class _Run:
    """A run that has begun: its trackers by tool, and the last epoch that they know."""

    trackers: dict[str, Tracker] = field(default_factory=dict)
    epoch: int = 0


def final_values(record: Record) -> dict[str, float]:
    """What a record says of the whole run: the test accuracy by each selection rule, and what it cost."""
    values = {f"selected/{rule}": one["test_accuracy"] for rule, one in record["selection"].items()}
    execution = record.get("execution")
    return values if execution is None else {**values, "seconds": execution["seconds"]}


def lines_of(path: Path) -> Iterator[tuple[int, Mapping[str, float]]]:
    """The whole lines of a file of epochs; none where there is no file, or where it is damaged."""
    try:
        for line in path.read_text(encoding="ascii").splitlines(keepends=True):
            if line.endswith("\n"):
                held = json.loads(line)
                yield int(held["epoch"]), held["values"]
    except (OSError, ValueError, KeyError, TypeError):
        return


def _made(tool: str, where: Tracking, run: Followed) -> dict[str, Tracker]:
    return {tool: MADE[tool](where, run)}


class Follower:
    """Tells the trackers of all runs of a suite. A tracker that fails is told nothing more, and a warning says so."""

    def __init__(
        self, wanted: Sequence[Tracking], suite: str, cells: Sequence[Cell], store: Path, tell: Tell, is_live: IsLive
    ) -> None:
        """is_live: whether a run of this address goes on, here or by another command, which then needs its epochs."""
        self._tools, self._tell, self._layout = {one.tool: one for one in wanted}, tell, Layout(store)
        self._suite, self._waiting, self._is_live = suite, {cell.address: cell for cell in cells}, is_live
        self._addresses, self._runs = tuple(self._waiting), dict[str, _Run]()
        self._over: queue.SimpleQueue[tuple[str, bool] | None] = queue.SimpleQueue()

    def finished(self, address: str, done: bool) -> None:
        """A run is over: its record is there, or it has failed."""
        self._over.put((address, done))

    @contextmanager
    def following(self) -> Iterator[None]:
        """Follow the runs for the time of the block, and a while longer till all is told."""
        thread = threading.Thread(target=self._follow, daemon=True)
        thread.start()
        try:
            yield
        finally:
            self._over.put(None)
            thread.join(END_SECONDS)
            if thread.is_alive():
                left = ", ".join(self._tools)
                self._tell(f"warning: --track: not through after {END_SECONDS:.0f} s, and given up: {left}")
            for address in self._addresses:
                self._forget(address)

    def _forget(self, address: str) -> None:
        """Remove the epochs of a run, unless it goes on."""
        if not self._is_live(address):
            self._layout.epochs(address).unlink(missing_ok=True)

    def _follow(self) -> None:
        while self._tools:
            try:
                over = self._over.get(timeout=LOOK_SECONDS)
            except queue.Empty:
                self._look()
                continue
            if over is None:
                for address in list(self._runs):
                    self._end(address, False)
                return
            self._end(*over)

    def _look(self) -> None:
        for address in [*self._runs, *self._waiting]:
            for epoch, values in lines_of(self._layout.epochs(address)):
                self._log(address, epoch, values)

    def _guarded(self, tool: str, action: Callable[[], T]) -> T | None:
        """What the action gives, if the tracker does not fail."""
        try:
            return action()
        except Exception as fault:  # whatever a tracker's library raises, the runs go on
            if self._tools.pop(tool, None) is not None:
                words = str(fault).splitlines()[0] if str(fault) else ""
                self._tell(f"warning: --track {tool}: told nothing more: {type(fault).__name__}: {words}")
            return None

    def _begun(self, address: str) -> _Run:
        if address not in self._runs:
            cell = self._waiting.pop(address)
            followed = Followed(address, self._suite, cell.label, flat(cell.spec.as_json()))
            run = self._runs[address] = _Run()
            for tool, where in list(self._tools.items()):
                run.trackers.update(self._guarded(tool, partial(_made, tool, where, followed)) or {})
        return self._runs[address]

    def _each(self, run: _Run, action: Callable[[Tracker], object]) -> None:
        for tool in list(self._tools):
            if tool in run.trackers:
                self._guarded(tool, partial(action, run.trackers[tool]))

    def _log(self, address: str, epoch: int, values: Mapping[str, float]) -> None:
        run = self._begun(address)
        if epoch <= run.epoch:
            return
        run.epoch = epoch
        self._each(run, lambda tracker: tracker.log(epoch, values))

    def _end(self, address: str, done: bool) -> None:
        if address not in self._runs and address not in self._waiting:
            return
        last: dict[str, float] = {}
        try:
            if done:
                record = Store(self._layout.root).load(address)
                for epoch in record["curves"]["epoch"]:
                    self._log(address, epoch, values_of(record["curves"], epoch))
                last = final_values(record)
            else:
                for epoch, values in lines_of(self._layout.epochs(address)):
                    self._log(address, epoch, values)
        except StoreError as fault:
            self._tell(f"warning: --track: {fault}")
        run = self._begun(address)
        self._each(run, lambda tracker: tracker.end(done, last, run.epoch))
        del self._runs[address]
        self._forget(address)
