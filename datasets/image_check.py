"""Reading every image of a data set once, in parallel, to find those that training would stumble over."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np

from common import allotment
from datasets import image_file, index_checks
from datasets.base import IntArray, Report
from datasets.image_file import ImageFault
from datasets.index import BROKEN, GOOD, STAMP, UNCHECKED, Index, Split
from datasets.index_checks import NO_STAMP, Seen, Stamp
from datasets.listing import Fault, shown

FEW = 2000  # images up to which starting processes takes longer than reading
CHUNK = 500  # images that one task reads, and that are lost when the check is cut off

Task = tuple[str, int, int]  # split, first row, row after the last


def stamp_of(path: Path) -> Stamp:
    """What tells the file from an earlier one of its name; zeros where there is none."""
    try:
        file_status = os.stat(path)  # noqa: PTH116 (a million times)
    except (OSError, ValueError):
        return NO_STAMP
    return file_status.st_size, file_status.st_mtime_ns, file_status.st_ctime_ns


def look_at(folder: Path, name: str, own: bool) -> Seen:
    """What is found of an image when it is read as training reads it, though a JPEG at an eighth of its size."""
    path = folder / name
    stamp = stamp_of(path)  # before reading: a file that changes meanwhile is read again
    try:
        image_file.checked_path(path)
        with path.open("rb") as stream:
            digest = hashlib.file_digest(stream, lambda: hashlib.blake2b(digest_size=8)).digest()
        _, notes = image_file.read(path, 1, own)
    except ImageFault as fault:
        return Seen(Fault(fault.kind, shown(name), fault.words), stamp)
    except OSError as fault:
        return Seen(Fault("unreadable image", shown(name), fault.strerror or str(fault)), stamp)
    return Seen(None, stamp, int.from_bytes(digest, "little"), notes)


def _check(folder: Path, names: Sequence[str], own: bool) -> list[Seen]:
    return [look_at(folder, name, own) for name in names]


def _tasks(index: Index) -> Iterator[Task]:
    """Each chunk that holds an image not known to be good."""
    for name, split in index.splits.items():
        for start in range(0, len(split.names), CHUNK):
            stop = min(start + CHUNK, len(split.names))
            if (split.status[start:stop] != GOOD).any():
                yield name, start, stop


def _read(index: Index, task: Task) -> tuple[Task, list[Seen]]:
    name, start, stop = task
    split = index.splits[name]
    return task, _check(split.folder, [split.names[row] for row in range(start, stop)], index.own)


def changed(split: Split, status: int) -> IntArray:
    """The rows of that status whose files are others now than those that were read."""
    rows = np.flatnonzero(split.status == status)
    stamps = np.array([stamp_of(split.folder / split.names[row]) for row in rows.tolist()], dtype=np.int64)
    others: IntArray = rows[(stamps.reshape(len(rows), STAMP) != split.stamps[rows]).any(axis=1)]
    return others


def is_current(index: Index) -> bool:
    """Whether every image was read, and none has changed since."""
    if any((split.status == UNCHECKED).any() for split in index.splits.values()):
        return False
    return not any(len(changed(split, status)) for split in index.splits.values() for status in (GOOD, BROKEN))


def check_images(index: Index, jobs: int, report: Report) -> None:
    """Read all images not yet known to be good, or changed since, and keep what was found in the index.

    Goes on where an earlier check was cut off; images found broken before are read again. Raises OSError where the
    index cannot be written.
    """
    from joblib import Parallel, delayed

    for name, split in index.splits.items():
        index_checks.mark_unchecked(index, name, changed(split, GOOD))
    tasks = list(_tasks(index))
    total = sum(stop - start for _, start, stop in tasks)
    done = 0
    report(done, total)
    if not tasks:
        return
    jobs = min(jobs, len(tasks)) if total > FEW else 1
    parallel = Parallel(n_jobs=jobs, return_as="generator_unordered", batch_size=1, pre_dispatch="2*n_jobs")
    for (name, start, stop), seen in parallel(delayed(_read)(index, task) for task in tasks):
        index_checks.record(index, name, start, seen)
        done += stop - start
        report(done, total)


def default_jobs() -> int:
    """Processes that a check uses unless told otherwise: one for each processor that it was given."""
    return allotment.processors().amount
