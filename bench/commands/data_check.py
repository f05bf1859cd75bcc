"""`data check` of data sets whose images are files: names everything that is wrong, and how much there is of what."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from rich import box
from rich.console import Console
from rich.table import Table

from bench.api import image_files
from common.errors import shortened
from datasets import disk, index_checks, registry
from datasets.base import DataError, DataSetInfo
from datasets.index import Index, forget_others
from datasets.listing import Fault, shown

SHOWN = 10  # faults of a kind that are printed; all of them go to a file
_ALL_FAULTS = "faults.txt"


def check_files(console: Console, name: str, root: Path, file: str | None, jobs: int) -> bool:
    """Check lists and images, print what was found; returns whether all is well. Goes on where it was cut off."""
    try:
        sources = disk.locate(name, root, file)
        console.print(f"{name}: {sources.folder}")
        for missing in sources.missing:
            console.print(f"missing: {missing}", style="red")
        if sources.missing:
            return False
        index = disk.opened(name, sources, registry.user_cache(), to_check=True)
    except DataError as fault:
        console.print(shortened(str(fault)), style="red")
        return False
    for line in index.reading:
        console.print(shortened(line))
    _print_counts(console, index)
    _warn_of_counts(console, registry.info(name), index)
    _read_images(console, name, index, jobs)
    forget_others(index)
    for remark in [*sources.remarks, *image_files.remarks(index)]:
        console.print(shortened(f"warning: {remark}"), style="yellow")
    faults, lacking = index_checks.faults(index), disk.lacking(sources, index)
    for line in lacking:
        console.print(shortened(f"{name}: {line}"), style="red")
    if not faults and not lacking:
        console.print(f"{name}: ok; index in {index.path}")
        return True
    if faults:
        _print_faults(console, faults)
        path = index.path / _ALL_FAULTS
        path.write_text("".join(f"{fault}\n" for fault in faults), encoding="utf-8", errors="backslashreplace")
        console.print(f"{name}: {len(faults)} faults, all of them in {path}", style="red")
    return False


def _print_counts(console: Console, index: Index) -> None:
    """Images of each split and class."""
    splits = {split: np.bincount(part.labels, minlength=len(index.class_names)) for split, part in index.splits.items()}
    table = Table(box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0))
    table.add_column("class")
    for split in splits:
        table.add_column(split, justify="right")
    for label, name in enumerate(index.class_names):
        table.add_row(f"{label} {shown(name)}", *(f"{counts[label]:,}" for counts in splits.values()))
    table.add_section()
    table.add_row("all", *(f"{counts.sum():,}" for counts in splits.values()))
    console.print(table)


def _warn_of_counts(console: Console, info: DataSetInfo, index: Index) -> None:
    """Warn where a split has not as many images as published, or a class none to train on."""
    published = {"train": info.num_train, "validation": info.num_validation, "test": info.num_test}
    for split, count in {**published, **info.further_tests}.items():
        listed = len(index.splits[split].names) if split in index.splits else 0
        if count and listed != count and (listed or split in published):
            console.print(f"warning: {split}: {listed:,} images, published are {count:,}", style="yellow")
    for split in ("train", "test"):
        if split not in index.splits or not len(index.splits[split].names):
            continue  # told as what makes the lists useless
        counts = np.bincount(index.splits[split].labels, minlength=len(index.class_names))
        empty = [shown(index.class_names[label]) for label in np.flatnonzero(counts == 0)]
        if empty:
            some = ", ".join(empty[:SHOWN]) + (", ..." if len(empty) > SHOWN else "")
            console.print(shortened(f"warning: {split}: no image of {len(empty)} classes: {some}"), style="yellow")


def _read_images(console: Console, name: str, index: Index, jobs: int) -> None:
    try:
        image_files.read_all(console, name, index, jobs)
    except KeyboardInterrupt:
        console.print("stopped; what was read is kept: the same command goes on from there")
        raise


def _print_faults(console: Console, faults: Sequence[Fault]) -> None:
    printed: Counter[str] = Counter()
    for fault in faults:
        printed[fault.kind] += 1
        if printed[fault.kind] <= SHOWN:
            console.print(shortened(str(fault)), style="red")
    for kind, count in printed.items():
        if count > SHOWN:
            console.print(f"{kind}: {count - SHOWN} more", style="red")
