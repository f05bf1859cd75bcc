"""The store: a folder of records, one JSON file and one .npz file a run, published whole or not at all.

What lies where is for `results.layout`.
"""

from __future__ import annotations

import contextlib
import errno
import os
import stat
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, cast

from numpy.typing import NDArray

from common import files
from common.plan import Plan
from common.record import Record
from results.arrays import Arrays, load_npz, npz_bytes
from results.layout import FAILURE_SUFFIX, PLAN_SUFFIX, RECORD_SUFFIX, Layout
from results.plain import parse, read_regular, shown
from results.plan import check_plan, is_suite_name, joined
from results.record import StoreError, dumps
from results.storage import locked, remove_leftovers, replace_file, storage
from results.validation import loads, validate

__all__ = ["Store", "StoreError", "damage"]

_END_OF_RECORD = b"\n}\n"

_NO_HARD_LINKS = {errno.EPERM, errno.ENOTSUP, errno.EOPNOTSUPP, errno.ENOSYS}  # as on FAT, some network mounts


def read_record(path: Path) -> Record:
    """The checked record in a JSON file. Raises StoreError naming the file."""
    with storage(path, "read"):
        content = read_regular(path)
    return loads(content, str(path))


def read_plan(path: Path, suite: str) -> Plan:
    """The checked plan in a JSON file, as that of `suite`. Raises StoreError naming the file.

    A suite is called as its file is, whatever the plan says: so no two plans of a store have one name.
    """
    with storage(path, "read"):
        content = read_regular(path)
    plan = parse(content, str(path))
    check_plan(plan, str(path))
    if not is_suite_name(suite):
        raise StoreError(f"{path}: {shown(suite)} is no name of a suite")
    return cast(Plan, {**plan, "suite": suite})


def damage(path: Path) -> str | None:
    """Why the record file at `path` can't count as done, in one line; None for a whole one or where there is none.

    Whole means that its last line is the closing brace; only otherwise is the file read and parsed.
    """
    try:
        if not stat.S_ISREG(path.stat().st_mode):
            return f"{path}: not a regular file"
        with path.open("rb") as stream:
            size = stream.seek(0, os.SEEK_END)
            stream.seek(max(0, size - len(_END_OF_RECORD)))
            if stream.read() == _END_OF_RECORD:
                return None
        read_record(path)
    except FileNotFoundError:
        return None
    except OSError as fault:
        return f"cannot read {path}: {fault.strerror}"
    except StoreError as fault:
        return str(fault)
    return None


def _published(temporary: Path, target: Path) -> bool:
    """Give a written file its name, unless a whole record has it (then False). One that is cut short is replaced."""
    try:
        return _first(os.link, temporary, target)
    except OSError as fault:
        if fault.errno not in _NO_HARD_LINKS:
            raise
    with locked(target.parent / target.parent.name):  # one lock for the folder, since lock files stay
        return _first(_claim, temporary, target)


def _first(place: Callable[[Path, Path], None], temporary: Path, target: Path) -> bool:
    for _ in range(2):
        try:
            place(temporary, target)
            return True
        except FileExistsError:
            if damage(target) is None:
                return False
            target.unlink(missing_ok=True)
    return False


def _claim(temporary: Path, target: Path) -> None:
    """What os.link does, in two steps: an empty file takes the name (FileExistsError where it is taken)."""
    os.close(os.open(target, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o666))
    try:
        temporary.replace(target)
    except OSError:
        target.unlink(missing_ok=True)
        raise


class Store:
    """The folder that holds the results of runs. Nothing is created before something is written."""

    def __init__(self, root: Path | str) -> None:
        self.root = Path(root)
        self.layout = Layout(self.root)

    def record_path(self, address: str) -> Path:
        return self.layout.record(address)

    def arrays_path(self, address: str) -> Path:
        return self.layout.arrays(address)

    def publish(self, record: Record, arrays: Mapping[str, NDArray[Any]] | None, replace: bool = False) -> bool:
        """Put a record and its arrays (None: it has none) in place, whole or not at all; the first one wins.

        replace: it takes the place of an earlier one, which stays until the whole of both files is written. Returns
        whether ours was published (False: there was one already). The arrays come first, so a record never lacks them.
        Where an earlier record was cut short, it is replaced. Raises StoreError: malformed record, NaN in it, disk
        full, read-only, path under a file. A failure leaves no half record behind.
        """
        validate(record)
        content, packed = dumps(record).encode("ascii"), None if arrays is None else npz_bytes(arrays)
        address = record["address"]
        if self.has(address):
            if replace:
                self._replace(address, content, packed)
            return replace
        if packed is not None:
            replace_file(self.arrays_path(address), packed)
        target = self.record_path(address)
        with storage(target, "write"), files.temporary(target) as temporary:
            files.write(temporary, content)
            published = _published(temporary, target)
        self.clear_failure(address)
        return published

    def _replace(self, address: str, content: bytes, packed: bytes | None) -> None:
        arrays, target = self.arrays_path(address), self.record_path(address)
        with storage(target, "write"), files.temporary(arrays) as one, files.temporary(target) as other:
            if packed is not None:
                files.write(one, packed)
            files.write(other, content)
            if packed is None:
                arrays.unlink(missing_ok=True)
            else:
                one.replace(arrays)
            other.replace(target)

    def has(self, address: str) -> bool:
        """Whether a whole record lies at the address. One that is cut short doesn't count."""
        path = self.record_path(address)
        with storage(path, "read"):
            return path.is_file() and damage(path) is None

    def load(self, address: str) -> Record:
        """The checked record. Raises StoreError naming the file when it is missing, cut short or malformed."""
        return read_record(self.record_path(address))

    def arrays(self, address: str) -> Arrays:
        """The record's per-sample arrays by name. Raises StoreError naming the file."""
        return load_npz(self.arrays_path(address))

    def addresses(self) -> list[str]:
        """Addresses of all whole records, sorted."""
        return [path.stem for path in self._files(self.layout.records, RECORD_SUFFIX) if damage(path) is None]

    def damaged(self) -> dict[str, str]:
        """Address -> why the file there is no whole record, in one line."""
        faults = {path.stem: damage(path) for path in self._files(self.layout.records, RECORD_SUFFIX)}
        return {address: fault for address, fault in faults.items() if fault is not None}

    @staticmethod
    def _files(folder: Path, suffix: str) -> list[Path]:
        if not folder.is_dir():
            return []
        with storage(folder, "read"):
            return sorted(p for p in folder.iterdir() if p.suffix == suffix and not p.name.startswith("."))

    def write_plan(self, plan: Plan) -> None:
        """Keep the plan of a started suite under plans/<suite>.json, joined with what was asked of it before.

        Earlier cells stay where the new plan doesn't hold their data set, setting, method and seed and they share
        its protocol (see `results.plan.joined`): so `run SUITE --methods x` adds a row to the suite's table, also where
        several processes do so at once. Every run of a suite begins with this, so what killed processes left half
        written is removed here.
        """
        check_plan(plan, "plan")
        for folder in (self.layout.records, self.layout.plans, self.layout.failed):
            remove_leftovers(folder)
        path = self.layout.plan(plan["suite"])
        with locked(path):
            if path.is_file():
                with contextlib.suppress(StoreError):  # an unreadable plan is replaced: it only repeats what was asked
                    plan = joined(self.plan(plan["suite"]), plan)
            replace_file(path, dumps(plan).encode("ascii"))

    def plan(self, suite: str) -> Plan:
        """The plan of one suite. Raises StoreError naming the file."""
        return read_plan(self.layout.plan(suite), suite)

    def plans(self) -> dict[str, Plan]:
        """Suite name -> plan, sorted by name. Raises StoreError naming a malformed file."""
        return {path.stem: self.plan(path.stem) for path in self._files(self.layout.plans, PLAN_SUFFIX)}

    def fail(self, address: str, traceback: str) -> None:
        """Keep the traceback of a failed run in failed/<address>.txt."""
        replace_file(self.layout.failure(address), traceback.encode("utf-8", "replace"))

    def failures(self) -> dict[str, str]:
        """Address -> traceback of each failed run that has no record since."""
        tracebacks = {}
        for path in self._files(self.layout.failed, FAILURE_SUFFIX):
            if not self.has(path.stem):
                with storage(path, "read"):
                    tracebacks[path.stem] = read_regular(path).decode("utf-8", "replace")
        return tracebacks

    def failure(self, address: str) -> str | None:
        """The traceback of the run, if it has failed; see `failures`."""
        path = self.layout.failure(address)
        with storage(path, "read"):
            return read_regular(path).decode("utf-8", "replace") if path.is_file() else None

    def clear_failure(self, address: str) -> None:
        """Forget that the run failed; nothing happens where it did not."""
        path = self.layout.failure(address)
        with storage(path, "remove"), contextlib.suppress(FileNotFoundError, NotADirectoryError):
            path.unlink()
