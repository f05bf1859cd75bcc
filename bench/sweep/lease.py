"""Leases: which runs are being executed, by whom, and how far they are. They save work; they guard no result.

A lease is a file made with O_EXCL. Its owner keeps it open and beats by writing into that file, never by path, so that
a lease lost to another owner is never overwritten. Publishing a record is what is atomic (`results.store`).
"""

from __future__ import annotations

import contextlib
import json
import os
import secrets
import socket
import threading
import time
from collections.abc import Callable
from dataclasses import MISSING, asdict, dataclass, fields, replace
from pathlib import Path
from typing import Any, get_type_hints

from bench.machine.processes import process_start
from common import job

BEAT_SECONDS = 1.0
DEAD_AFTER_SECONDS = 60.0  # without a beat, by the observer's own clock
_SIZE = 1024  # a lease is padded to one size, so that a beat is one small write in place


@dataclass(frozen=True)
class Holder:
    """Who holds a lease and how far the run is.

    noisy_validation_accuracy: of the last epoch, in [0, 1]; None where the run has no such images, or no epoch yet.
    seconds_left: the holder's own estimate; None where it has none.
    """

    host: str
    boot: str
    pid: int
    started: str  # start time of the process, in the kernel's own unit; empty where it does not tell (no /proc)
    token: str
    counter: int = 0
    epoch: int = 0
    epochs: int = 0
    images_per_second: float = 0.0
    noisy_validation_accuracy: float | None = None
    seconds_left: float | None = None
    passes: float = 0.0  # images that went through networks in training steps of this execution
    train_seconds: float = 0.0  # that this took
    memory: int = 0  # bytes that the process had reserved on its accelerator at most
    memory_used: int = 0  # bytes of the accelerator in use, by anybody
    memory_total: int = 0
    job: str = ""  # of a job system, such as "slurm 12_3"
    device: str = ""  # that the run was given, such as "cuda:1"
    advanced: int = 0  # from 1 on with every step and pass: a run for which it rests hangs; 0: not begun


def _boot_id() -> str:
    try:
        return Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    except OSError:
        return "unknown"


def _encoded(holder: Holder) -> bytes:
    return json.dumps(asdict(holder)).encode().ljust(_SIZE)


_KINDS = get_type_hints(Holder)


def _fits(value: Any, kind: Any) -> bool:
    """Whether a value of a file is of a field's type; a whole number is a float too."""
    if isinstance(value, bool):
        return False
    return isinstance(value, kind) or (isinstance(value, int) and isinstance(0.0, kind))


def _decoded(text: bytes) -> Holder:
    """The holder that another version of this program may have written: what both know counts.

    Keys that this version lacks are passed over, and so are values of another type; the default stands for them.
    Raises ValueError where the text does not say who holds the lease.
    """
    given = json.loads(text)
    if not isinstance(given, dict):
        raise ValueError("a lease is a JSON object")
    known = {name: given[name] for name, kind in _KINDS.items() if name in given and _fits(given[name], kind)}
    missing = [field.name for field in fields(Holder) if field.default is MISSING and field.name not in known]
    if missing:
        raise ValueError(f"a lease without {missing[0]}")
    return Holder(**known)


def read(path: Path) -> Holder | None:
    """The holder of the lease at `path`; None where there is none or it is not (yet) readable."""
    try:
        return _decoded(path.read_bytes())
    except (OSError, ValueError):
        return None


class Lease:
    """A lease that this process holds: beats in a thread until it is released."""

    def __init__(self, path: Path, descriptor: int, holder: Holder) -> None:
        self.path, self._descriptor, self.holder = path, descriptor, holder
        self._released = threading.Event()
        self._advanced: Callable[[], int] = lambda: 0
        self._lock = threading.Lock()
        self._thread = threading.Thread(target=self._beat_on, daemon=True)
        self._thread.start()

    def tell(self, epoch: int, epochs: int, images_per_second: float, **further: Any) -> None:
        """What the next beat says of the run. further: fields of the holder by name."""
        values = {"epoch": epoch, "epochs": epochs, "images_per_second": images_per_second, **further}
        with self._lock:
            self.holder = replace(self.holder, **values)

    def watch(self, advanced: Callable[[], int]) -> None:
        """From now on every beat tells what `advanced` counts. It is called by the thread that beats."""
        self._advanced = advanced

    def _beat_on(self) -> None:
        while not self._released.wait(BEAT_SECONDS):
            with self._lock:
                self.holder = replace(self.holder, counter=self.holder.counter + 1, advanced=self._advanced())
                # A full disk must not end the run: the beat is only seen later.
                with contextlib.suppress(OSError):
                    os.pwrite(self._descriptor, _encoded(self.holder), 0)

    def release(self) -> None:
        """Stop beating and remove the file, if it is still ours."""
        self._released.set()
        self._thread.join()
        with contextlib.suppress(OSError):
            if os.fstat(self._descriptor).st_ino == self.path.stat().st_ino:
                self.path.unlink()
        os.close(self._descriptor)


class Observer:
    """Judges leases of others. Keeps the last counter it saw of each, with its own monotonic clock."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._seen: dict[str, tuple[int, float]] = {}

    def is_dead(self, holder: Holder) -> bool:
        """Whether the holder is gone.

        Known at once on this host and boot where the system tells when processes started, else when the holder's
        counter rests for a minute.
        """
        if holder.started and holder.host == socket.gethostname() and holder.boot == _boot_id():
            return process_start(holder.pid) != holder.started
        now = self._clock()
        counter, since = self._seen.get(holder.token, (-1, now))
        if counter != holder.counter:
            self._seen[holder.token] = (holder.counter, now)
            return False
        return now - since >= DEAD_AFTER_SECONDS


def acquire(path: Path, is_dead: Callable[[Holder], bool], device: str = "") -> Lease | None:
    """Take the lease at `path`; None where a live holder has it (or a race for a dead one was lost)."""
    path.parent.mkdir(parents=True, exist_ok=True)
    if path.exists() and not _remove_dead(path, is_dead):
        return None
    token = secrets.token_hex(8)
    this = (socket.gethostname(), _boot_id(), os.getpid(), process_start(os.getpid()) or "", token)
    holder = Holder(*this, job=job.name(), device=device)
    try:
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o644)
    except FileExistsError:
        return None
    os.pwrite(descriptor, _encoded(holder), 0)
    return Lease(path, descriptor, holder)


def _unreadable_for_long(path: Path) -> bool:
    """A lease whose first write never came (its maker was killed, or the disk was full)."""
    try:
        return time.time() - path.stat().st_mtime > DEAD_AFTER_SECONDS
    except OSError:
        return False


def _remove_dead(path: Path, is_dead: Callable[[Holder], bool]) -> bool:
    """Remove the lease if its holder is dead: rename it, check that it is the one that was judged, then delete it."""
    holder = read(path)
    if not (_unreadable_for_long(path) if holder is None else is_dead(holder)):
        return False
    aside = path.with_name(f"{path.name}.{secrets.token_hex(8)}.dead")
    try:
        path.rename(aside)
    except FileNotFoundError:
        return True
    taken = read(aside)
    if (taken and taken.token) != (holder and holder.token):
        # Another observer was faster, and this is the new owner's lease: give it back unless a third one came.
        with contextlib.suppress(FileExistsError):
            os.link(aside, path)
        aside.unlink()
        return False
    aside.unlink()
    return True


def clear(path: Path) -> None:
    """Remove the lease of a run that is done, if its holder was killed before it could."""
    with contextlib.suppress(OSError):
        if path.exists():
            _remove_dead(path, Observer().is_dead)


def live(folder: Path, observer: Observer) -> dict[str, Holder]:
    """The live leases in `folder` by address."""
    holders: dict[str, Any] = {}
    for path in sorted(folder.glob("*.json")):
        holder = read(path)
        if holder is not None and not observer.is_dead(holder):
            holders[path.stem] = holder
    return holders
