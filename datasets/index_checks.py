"""What the check of a data set's images found, kept in the data set's index beside its lists."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from datasets import packs
from datasets.image_file import NOTES
from datasets.index import BROKEN, GOOD, REASONS, STAMP, UNCHECKED, Index
from datasets.listing import Fault

Stamp = tuple[int, int, int]
NO_STAMP: Stamp = (0, 0, 0)


@dataclass(frozen=True)
class Seen:
    """What was found of an image file: what is wrong with it (None: nothing), and the numbers that `Split` keeps."""

    fault: Fault | None
    stamp: Stamp = NO_STAMP
    digest: int = 0
    notes: int = 0


def _keep(index: Index, split: str, array: str, rows: slice | npt.NDArray[np.int64], values: Any) -> None:
    """Write rows of one of the arrays that a check fills."""
    kept: Any = np.load(index.path / f"{split}.{array}.npy", mmap_mode="r+", allow_pickle=False)
    kept[rows] = values
    kept.flush()


def record(index: Index, split: str, start: int, seen: Sequence[Seen]) -> None:
    """Keep what was found of the images from row `start` on. A check that is cut off loses nothing before.

    Resized copies of files that are others now are removed. Raises OSError.
    """
    stop = start + len(seen)
    lines = [
        json.dumps([split, row, one.fault.kind, one.fault.where, one.fault.what]) + "\n"
        for row, one in enumerate(seen, start)
        if one.fault is not None
    ]
    if lines:
        with (index.path / REASONS).open("a", encoding="ascii") as stream:
            stream.writelines(["\n", *lines])  # the last line may have been cut off
    status = np.array([GOOD if one.fault is None else BROKEN for one in seen], dtype=np.uint8)
    stamps = np.array([one.stamp for one in seen], dtype=np.int64).reshape(-1, STAMP)
    _forget_copies(index, split, start, status, stamps)
    arrays = {
        "stamps": stamps,
        "digests": np.array([one.digest for one in seen], dtype=np.uint64),
        "notes": np.array([one.notes for one in seen], dtype=np.uint8),
        "status": status,  # at last: what is not GOOD or BROKEN is read again
    }
    for array, values in arrays.items():
        _keep(index, split, array, slice(start, stop), values)


def _forget_copies(
    index: Index, split: str, start: int, status: npt.NDArray[np.uint8], stamps: npt.NDArray[np.int64]
) -> None:
    known, stop = index.splits[split], start + len(status)
    mended = (known.status[start:stop] == BROKEN) & (status == GOOD)
    other = (known.stamps[start:stop] != 0).any(axis=1) & (known.stamps[start:stop] != stamps).any(axis=1)
    if (mended | other).any():
        packs.forget(index.path / split, start + np.flatnonzero(mended | other))


def mark_unchecked(index: Index, split: str, rows: npt.NDArray[np.int64]) -> None:
    """Have these images read again by the next check. Raises OSError."""
    if len(rows):
        _keep(index, split, "status", rows, UNCHECKED)


def broken(index: Index) -> dict[str, dict[int, Fault]]:
    """The images that the check found broken, by split and row.

    Lines that were cut off are passed over: images without a reason are told as such until they are read again.
    """
    path = index.path / REASONS
    reasons: dict[tuple[str, int], Fault] = {}
    if path.is_file():
        for line in path.read_text(encoding="ascii", errors="replace").splitlines():
            try:
                split, row, *fault = json.loads(line)
                reasons[split, int(row)] = Fault(*map(str, fault))
            except (ValueError, TypeError):
                continue
    by_split: dict[str, dict[int, Fault]] = {}
    for name, split in index.splits.items():
        rows = np.flatnonzero(split.status == BROKEN).tolist()
        unknown = "what was wrong with it is lost: check again"
        if rows:
            by_split[name] = {
                row: reasons.get((name, row)) or Fault("broken image", split.names[row], unknown) for row in rows
            }
    return by_split


def faults(index: Index) -> list[Fault]:
    """All that is wrong: entries of the lists, and images that the check found broken."""
    return [*index.faults, *(fault for split in broken(index).values() for fault in split.values())]


def adjusted(index: Index) -> dict[str, int]:
    """Of how many images more was done than to read them, by what it was (see `datasets.image_file.NOTES`)."""
    counts = {
        done: sum(int(((split.notes & note) != 0).sum()) for split in index.splits.values())
        for note, done in NOTES.items()
    }
    return {done: count for done, count in counts.items() if count}


def twins(index: Index) -> dict[tuple[str, str], list[tuple[str, str]]]:
    """Images of a split whose bytes are those of one in an earlier split: by the two splits, both names of each.

    Only images that the check has read are compared.
    """
    pairs = {}
    splits = sorted(index.splits, key=_order)
    for place, one in enumerate(splits):
        ours, first = np.unique(index.splits[one].digests, return_index=True)
        for other in splits[place + 1 :] if len(ours) else ():
            theirs = index.splits[other].digests
            position = np.searchsorted(ours, theirs).clip(max=len(ours) - 1)
            rows = np.flatnonzero((ours[position] == theirs) & (theirs != 0))
            if len(rows):
                names = index.splits[one].names, index.splits[other].names
                pairs[one, other] = [(names[0][int(first[position[row]])], names[1][row]) for row in rows.tolist()]
    return pairs


def _order(split: str) -> int:
    order = ("train", "validation", "test")
    return order.index(split) if split in order else len(order)
