"""What a terminal shows while runs are executed: a line for each live run and a total; plain lines elsewhere."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path

from rich.console import Console, Group
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from bench import lease
from bench.spec import Cell
from bench.worker import Outcome
from results.record import Record
from results.store import Store, StoreError

_REFRESH_SECONDS = 1.0


def result(record: Record) -> str:
    """What the line of a finished run says."""
    last, best = (record["selection"][rule]["test_accuracy"] for rule in ("last", "best_test"))
    seconds = record["execution"]["seconds"]
    return f"test accuracy {100 * last:.1f}% at the last epoch (oracle best {100 * best:.1f}%), {seconds:.1f} s"


def validation_result(record: Record) -> str:
    """What the line of a finished trial says: nothing that rests on test labels."""
    accuracy = record["curves"]["noisy_validation_accuracy"][-1]
    return f"noisy validation accuracy {100 * accuracy:.1f}% at the last epoch, {record['execution']['seconds']:.1f} s"


class Progress:
    """Counts finished runs and shows them. `finished` is handed to the scheduler; `result` words a run's record."""

    def __init__(
        self,
        console: Console,
        cells: Sequence[Cell],
        store: Path,
        slots: int,
        result: Callable[[Record], str] = result,
    ) -> None:
        self.console, self.store, self.result = console, store, result
        self.total, self.slots = len(cells), slots
        self.done: list[Cell] = []
        self.failed: list[tuple[Cell, str]] = []
        self._by_address = {cell.address: cell for cell in cells}
        self._observer = lease.Observer()
        self._started = time.monotonic()
        self._lock = threading.Lock()

    def finished(self, cell: Cell, outcome: Outcome) -> None:
        """Count a finished run and print its line."""
        with self._lock:
            if outcome.status == "done":
                self.done.append(cell)
                text = self._result(cell)
            else:
                self.failed.append((cell, outcome.message))
                text = f"FAILED: {outcome.message}"
            number = len(self.done) + len(self.failed)
            width = len(str(self.total))
            self.console.print(
                Text(f"[{number:{width}d}/{self.total}] {cell.label}: {text}"), highlight=False, soft_wrap=True
            )

    def _result(self, cell: Cell) -> str:
        try:
            return self.result(Store(self.store).load(cell.address))
        except StoreError as fault:
            return str(fault)

    def _time_left(self) -> str:
        finished = len(self.done) + len(self.failed)
        if not finished:
            return "time left: not known yet"
        seconds = (time.monotonic() - self._started) / finished * (self.total - finished)
        return f"about {timedelta(seconds=round(seconds))} left"

    def view(self) -> Group:
        """The live runs with epoch and images/s, and the total."""
        table = Table.grid(padding=(0, 2))
        for address, holder in lease.live(self.store / "leases", self._observer).items():
            cell = self._by_address.get(address)
            if cell is not None:
                bar = ProgressBar(total=max(holder.epochs, 1), completed=holder.epoch, width=20)
                rate = f"{holder.images_per_second:,.0f} images/s" if holder.images_per_second else "starting"
                table.add_row(cell.label, bar, f"epoch {holder.epoch}/{holder.epochs}", rate)
        finished = len(self.done) + len(self.failed)
        total = Table.grid(padding=(0, 2))
        bar = ProgressBar(total=max(self.total, 1), completed=finished, width=20)
        total.add_row("all runs", bar, f"{finished}/{self.total}", self._time_left())
        return Group(table, total)

    @contextmanager
    def shown(self) -> Iterator[None]:
        """Show the live view where the output is a terminal."""
        if not self.console.is_terminal:
            yield
            return
        live = Live(
            get_renderable=self.view, console=self.console, refresh_per_second=1 / _REFRESH_SECONDS, transient=True
        )
        with live:
            yield
