"""Data sets whose images are files: finding them, reading their lists once, and refusing what is broken."""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import numpy as np

from datasets import index, index_checks
from datasets.base import DataError, DataSet, DataSetInfo, HeldOut, ImageFiles
from datasets.data_contract import Choice, Lists
from datasets.data_sets import DATASETS
from datasets.index import BROKEN, Index, Split
from datasets.listing import Sources, shown

FEWEST = 2  # images of a class that must be left in a split where broken ones are left out
_SHOWN = 3


def _lists(name: str) -> Lists:
    """How the lists of a data set whose images are files are found and read."""
    lists = DATASETS[name].lists
    assert lists is not None
    return lists


@contextmanager
def _told(name: str, function: str) -> Iterator[None]:
    """A fault of a plug-in's function as one line, but for what the disk refuses. Raises DataError."""
    origin = DATASETS.origin(name)
    try:
        yield
    except (DataError, OSError):
        raise
    except Exception as fault:
        if origin is None:
            raise
        raise DataError(f"{origin}: data set {name!r}: {function} fails: {type(fault).__name__}: {fault}") from fault


def locate(name: str, root: Path, file: str | None = None) -> Sources:
    """The data set's lists: in its folder below `root`, or in `root` itself; where nothing is complete, the nearest.

    Raises DataError where `root` is no folder.
    """
    if not root.is_dir():
        raise DataError(f"{name}: {root} is no folder: --data names the folder that holds the data set, or is it")
    lists = _lists(name)
    folders = [root / called for called in lists.folders if (root / called).is_dir()]
    with _told(name, "find"):
        candidates = [lists.find(folder, file) for folder in (*folders, root)]
    return min(candidates, key=lambda sources: len(sources.missing))


def complete(name: str, root: Path, file: str | None = None) -> Sources:
    """As `locate`. Raises DataError naming what is missing."""
    sources = locate(name, root, file)
    if sources.missing:
        raise DataError(f"{name}: missing in {sources.folder}: {', '.join(sources.missing)}")
    return sources


def opened(name: str, sources: Sources, cache: Path, to_check: bool = False) -> Index:
    """The index of the data set, made from its lists where there is none yet. Raises DataError.

    to_check: one that a check can write to; where somebody else's cannot be, one in the user's cache.
    """
    info = DATASETS[name].info
    try:
        image_index = index.find(info, sources, cache)
        if (
            image_index is not None
            and not _may_be_outdated(image_index)
            and (not to_check or index.is_writable(image_index))
        ):
            return image_index
        with _told(name, "read"):
            read = _lists(name).read(sources)
        if image_index is not None and index.content_of(read) != image_index.content:
            index.forget(image_index)
        elif image_index is not None and (not to_check or index.is_writable(image_index)):
            return image_index
        return index.make(info, sources, read, cache)
    except OSError as fault:
        hint = "allow it, make room, or let XDG_CACHE_HOME name a folder where it can be"
        why = f"{fault.strerror}: {fault.filename or cache}"
        raise DataError(f"{name}: the index cannot be written: {why}; {hint}") from None


def _may_be_outdated(image_index: Index) -> bool:
    """Whether names of own images were not found: they may be there now, under names that the disk spells otherwise."""
    missing = any(not split.stamps[split.status == BROKEN].all() for split in image_index.splits.values())
    return image_index.own and (bool(image_index.absent) or missing)


def described(name: str, sources: Sources, image_index: Index) -> DataSetInfo:
    """The data set's description with the counts that are there."""
    info, title_of = DATASETS[name].info, _lists(name).title
    sizes = {split: len(part.names) for split, part in image_index.splits.items()}
    further = {split: size for split, size in sizes.items() if split in info.further_tests}
    return replace(
        info,
        title=info.title if title_of is None else title_of(sources),
        num_classes=len(image_index.class_names),
        class_names=image_index.class_names,
        num_train=sizes.get("train", 0),
        num_test=sizes.get("test", 0),
        num_validation=sizes.get("validation", 0),
        further_tests=further,
        truth="train" in image_index.splits and _is_known(image_index.splits["train"]),
    )


def content(image_index: Index, skip_broken: bool) -> str:
    """SHA-256 (hex) of the names and labels that are used: what makes two runs on a data set the same."""
    rows = {
        name: np.flatnonzero(split.status == BROKEN).tolist()
        for name, split in image_index.splits.items()
        if skip_broken
    }
    left_out = {name: numbers for name, numbers in rows.items() if numbers}
    if not left_out:
        return image_index.content
    return hashlib.sha256(json.dumps([image_index.content, left_out], sort_keys=True).encode()).hexdigest()


def skipped(image_index: Index) -> dict[str, int]:
    """How many entries and images are broken, by kind."""
    return dict(sorted(Counter(fault.kind for fault in index_checks.faults(image_index)).items()))


def refuse_broken(name: str, image_index: Index) -> None:
    """Raise DataError with the first of what is broken, if anything is."""
    faults = index_checks.faults(image_index)
    if faults:
        first = "; ".join(map(str, faults[:_SHOWN])) + ("; ..." if len(faults) > _SHOWN else "")
        raise DataError(
            f"{name}: {len(faults)} broken entries ({first}): `data check {name}` lists them all, "
            "`run --skip-broken` leaves them out and records it"
        )


def lacking(sources: Sources, image_index: Index) -> list[str]:
    """What of the lists makes any use of them impossible, a line each."""
    return [
        f"{sources.folder} lists no {split} image"
        for split in ("train", "test")
        if split not in image_index.splits or not len(image_index.splits[split].names)
    ]


def vanished(image_index: Index) -> list[str]:
    """The classes of which too few images are left in a split without the broken ones, a line each."""
    lines = []
    for name, split in image_index.splits.items():
        listed, left = (
            np.bincount(labels, minlength=len(image_index.class_names))
            for labels in (split.labels, split.labels[split.status != BROKEN])
        )
        few = (left < FEWEST) & (left < listed)
        if image_index.faults and name == "train":  # lines that are left out are not counted among those listed
            few |= left == 0
        for label in np.flatnonzero(few).tolist():
            rest = f"{left[label]} {name} images of class '{shown(image_index.class_names[label])}'"
            lines.append(f"{rest} are left (at least {FEWEST} are needed)")
    return lines


def _is_known(split: Split) -> bool:
    """Whether the list gives the true class of every image."""
    return split.clean is not None and bool((np.asarray(split.clean) >= 0).all())


def _files(image_index: Index, name: str, choice: Choice, true: bool = True) -> ImageFiles:
    """The images of a split, with their true labels where the list has them or, if not `true`, as given."""
    split = image_index.splits[name]
    numbers = np.flatnonzero(split.status != BROKEN) if choice.skip_broken else np.arange(len(split.names))
    labels = np.array(split.labels)
    if true and split.clean is not None:
        labels = np.where(split.clean >= 0, split.clean, labels)
    copies = image_index.path / name if choice.copies else None
    return ImageFiles(split.folder, split.names, numbers, labels[numbers], copies, image_index.own)


def _held_out(image_index: Index, choice: Choice, published: bool) -> HeldOut | None:
    """The validation set: of published data the labels are true, of own images they are so where the list says it."""
    if "validation" not in image_index.splits:
        return None
    images, split = _files(image_index, "validation", choice), image_index.splits["validation"]
    if published:
        return HeldOut(images)
    return HeldOut(images, np.array(split.labels)[images.numbers], _is_known(split))


def load(name: str, root: Path, choice: Choice, cache: Path) -> DataSet:
    """The data set; its images stay on the disk.

    Raises DataError where something is missing, or broken and not to be skipped; images are known to be broken only
    after `data check` has read them.
    """
    sources = complete(name, root, choice.file)
    image_index = opened(name, sources, cache)
    if not choice.skip_broken:
        refuse_broken(name, image_index)
    wrong = lacking(sources, image_index) or vanished(image_index)
    if wrong:
        left_out = sum(skipped(image_index).values())
        without = f"; {left_out} broken entries are left out: mend them" if left_out else ""
        more = f"; {len(wrong) - _SHOWN} more" if len(wrong) > _SHOWN else ""
        raise DataError(f"{name}: {'; '.join(wrong[:_SHOWN])}{more}{without}")
    info, published = described(name, sources, image_index), not _lists(name).own_images
    train = _files(image_index, "train", choice, info.truth)
    return DataSet(
        name=info.name,
        version=info.version,
        train=train,
        test=_files(image_index, "test", choice),
        class_names=info.class_names,
        mean=info.mean,
        std=info.std,
        root=root,
        given=np.array(image_index.splits["train"].labels)[train.numbers],
        truth=info.truth,
        test_truth=published or _is_known(image_index.splits["test"]),
        validation=_held_out(image_index, choice, published),
        further_tests={split: _files(image_index, split, choice) for split in info.further_tests},
        top5=info.top5,
        title=info.title,
        content=content(image_index, choice.skip_broken),
        skipped=skipped(image_index) if choice.skip_broken else {},
        adjusted=index_checks.adjusted(image_index),
    )
