"""What is shown while runs are executed: for each live run how far it is, and a total.

On a terminal that is a live view; elsewhere it is a plain line each, every so often.
"""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from statistics import fmean

from rich.console import Console, Group
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from bench.planning.spec import Cell
from bench.sweep import lease, log
from bench.sweep.lease import Holder
from bench.sweep.worker import Outcome
from common import job
from common.record import Collapse, Record
from results import health
from results.layout import Layout
from results.store import Store, StoreError

_REFRESH_SECONDS = 1.0


def result(record: Record) -> str:
    """What the line of a finished run says."""
    last, best = (record["selection"][rule]["test_accuracy"] for rule in ("last", "best_test"))
    told = f"test accuracy {100 * last:.1f}% at the last epoch (oracle best {100 * best:.1f}%), {_cost(record)}"
    return told + _collapsed(health.of_record(record)["collapsed"])


def validation_result(record: Record) -> str:
    """What the line of a finished trial says: nothing that rests on test labels."""
    accuracy = record["curves"]["noisy_validation_accuracy"][-1]
    told = f"noisy validation accuracy {100 * accuracy:.1f}% at the last epoch, {_cost(record)}"
    return told + _collapsed(health.collapse_on_validation(record["curves"], record["data"]["num_classes"]))


def _collapsed(collapse: Collapse | None) -> str:
    return "" if collapse is None else f"; collapsed: {health.collapse_text(collapse)}"


def _cost(record: Record) -> str:
    execution = record["execution"]
    return f"{execution['seconds']:.1f} s, {execution['images_per_second']:,.0f} training images/s"


def place(holder: Holder) -> list[str]:
    """Where a live run is executed: host, job and device, as far as they are told."""
    return [part for part in (holder.host, holder.job, holder.device) if part]


def states(holder: Holder) -> list[str]:
    """How far a live run is, part by part; nothing rests on test labels."""
    parts = [f"epoch {holder.epoch}/{holder.epochs}" if holder.epochs else "starting"]
    if holder.noisy_validation_accuracy is not None:
        parts.append(f"noisy validation accuracy {100 * holder.noisy_validation_accuracy:.1f}%")
    if holder.images_per_second:
        parts.append(f"{holder.images_per_second:,.0f} images/s")
    if holder.seconds_left is not None:
        parts.append(f"about {log.duration(holder.seconds_left)} left")
    return parts


class Progress:
    """Counts finished runs and shows them. `finished` is handed to the scheduler; `result` words a run's record.

    Where no terminal is attached, lines of runs end with the time; inside a job of a job system the log also tells of
    each run that is begun.
    """

    def __init__(
        self,
        console: Console,
        cells: Sequence[Cell],
        store: Path,
        slots: int,
        result: Callable[[Record], str] = result,
        log_every: float = log.DEFAULT_SECONDS,
    ) -> None:
        self.console, self.store, self.result, self.log_every = console, store, result, log_every
        self.total, self.slots = len(cells), slots
        self.done: list[Cell] = []
        self.failed: list[tuple[Cell, str]] = []
        self.elsewhere = 0  # of these two, at other commands' hands
        self.left = self.late = 0  # neither done nor failed: for others; for a later job
        self._by_address = {cell.address: cell for cell in cells}
        self._seconds: list[float] = []  # of each run that is done
        self._observer = lease.Observer()
        self._started = time.monotonic()
        self._lock = threading.Lock()

    def started(self, cell: Cell) -> None:
        """Say, in the log of a job, that a run is begun."""
        if job.name() and not self.console.is_terminal:
            self.console.print(Text(f"begun: {cell.label}{self._now()}"), highlight=False, soft_wrap=True)

    def _now(self) -> str:
        return "" if self.console.is_terminal else f"; {datetime.now().isoformat(' ', 'seconds')}"

    def finished(self, cell: Cell, outcome: Outcome) -> None:
        """Count a finished run and print its line."""
        with self._lock:
            self.elsewhere += outcome.elsewhere
            if outcome.status == "left":
                self.left, self.late = self.left + (not outcome.message), self.late + bool(outcome.message)
                return
            if outcome.status == "done":
                self.done.append(cell)
                text = self._result(cell)
                if outcome.elsewhere:
                    text = f"{text}; executed elsewhere"
            else:
                self.failed.append((cell, outcome.message))
                text = f"FAILED: {outcome.message}" + " (diverged)" * health.is_divergence(outcome.message)
            number = len(self.done) + len(self.failed)
            width = len(str(self.total))
            line = f"[{number:{width}d}/{self.total}] {cell.label}: {text}{self._now()}"
            self.console.print(Text(line), highlight=False, soft_wrap=True)

    @property
    def here(self) -> int:
        """How many runs this command executed itself."""
        return len(self.done) + len(self.failed) - self.elsewhere

    def summary(self) -> list[str]:
        """What a command that was not alone says at its end: which runs were its own, and which are left."""
        lines = []
        here = self.here
        if self.elsewhere or self.left or self.late:
            lines.append(f"executed here: {here}, elsewhere: {self.elsewhere}, left to others: {self.left}")
        if self.late:
            hint = "the same command in a new job goes on" if here else "a job of its kind is too short for them"
            lines.append(f"not begun, as the job ends soon: {self.late}; {hint}")
        return lines

    def _result(self, cell: Cell) -> str:
        try:
            record = Store(self.store).load(cell.address)
        except StoreError as fault:
            return str(fault)
        self._seconds.append(float(record["execution"]["seconds"]))
        return self.result(record)

    def _settled(self) -> int:
        return len(self.done) + len(self.failed) + self.left + self.late

    def live(self) -> list[tuple[str, Holder]]:
        """The live runs with their labels."""
        holders = lease.live(Layout(self.store).leases, self._observer)
        known = self._by_address
        return [(known[address].label, holder) for address, holder in holders.items() if address in known]

    def seconds_left(self, live: Iterable[Holder]) -> float | None:
        """Seconds until all runs are finished; None where no run tells yet.

        Runs that have not begun are held to last as long as the others in the mean.
        """
        known = {holder: holder.seconds_left for holder in live if holder.seconds_left is not None}
        # what a live run takes in all, if its epochs are alike
        whole = [left * holder.epochs / max(holder.epochs - holder.epoch, 1) for holder, left in known.items()]
        lengths = self._seconds + whole
        if not lengths:
            return None
        waiting = self.total - self._settled() - len(known)
        work = sum(known.values()) + max(waiting, 0) * fmean(lengths)
        return max(work / max(self.slots, len(known), 1), *known.values(), 0.0)

    def _whole(self, live: Sequence[tuple[str, Holder]]) -> list[str]:
        """How far all runs together are, part by part."""
        left = self.seconds_left([holder for _, holder in live])
        return [
            f"{len(self.done)} of {self.total} done",
            f"{len(self.failed)} failed",
            f"{len(live)} running",
            "time left: not known yet"
            if left is None
            else f"about {log.duration(left)} left, until {log.moment(left)}",
        ]

    def lines(self) -> list[str]:
        """A line for each live run, and one for the whole; none once all are finished."""
        if self._settled() == self.total:
            return []
        live = self.live()
        passed = log.duration(time.monotonic() - self._started)
        runs = [f"  {label}: {', '.join([*self._away(holder), *states(holder)])}" for label, holder in live]
        return [*runs, f"after {passed}: {', '.join(self._whole(live))}"]

    @staticmethod
    def _away(holder: Holder) -> list[str]:
        """Where a run is executed, if that is another host or job."""
        return place(holder) if (holder.host, holder.job) != (socket.gethostname(), job.name()) else []

    def view(self) -> Group:
        """The same as a table with bars."""
        live = self.live()
        table = Table.grid(padding=(0, 2))
        for label, holder in live:
            bar = ProgressBar(total=max(holder.epochs, 1), completed=holder.epoch, width=20)
            table.add_row(label, bar, ", ".join(states(holder)))
        total = Table.grid(padding=(0, 2))
        bar = ProgressBar(total=max(self.total, 1), completed=self._settled(), width=20)
        total.add_row("all runs", bar, ", ".join(self._whole(live)))
        return Group(table, total)

    @contextmanager
    def shown(self) -> Iterator[None]:
        """Show the live view where the output is a terminal, the lines elsewhere."""
        if not self.console.is_terminal:
            with log.shown(self.console, self.log_every, self.lines):
                yield
            return
        live = Live(
            get_renderable=self.view, console=self.console, refresh_per_second=1 / _REFRESH_SECONDS, transient=True
        )
        with live:
            yield
