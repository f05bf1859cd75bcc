"""Reading every image of a data set once, in parallel, to find those that training would stumble over."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import numpy as np

from datasets import index
from datasets.index import BROKEN, GOOD, Index
from datasets.listing import Fault

FEW = 2000  # images up to which starting processes takes longer than reading
CHUNK = 500  # images that one task reads, and that are lost when the check is cut off

Progress = Callable[[int, int], None]  # images read so far, images to read


def fault_of(path: Path) -> tuple[str, str] | None:
    """What is wrong with an image file: kind and a few words; None for one that can be read to its end."""
    from PIL import Image, UnidentifiedImageError

    try:
        if path.stat().st_size == 0:
            return "truncated image", "the file is empty"
        with Image.open(path) as image:
            # a JPEG is decoded at an eighth of its size, which reads all of the file in less time
            image.draft("RGB", (1, 1))
            image.load()
    except FileNotFoundError:
        return "missing image", "no such file"
    except UnidentifiedImageError:
        return "unreadable image", "no image that can be read"
    except (OSError, SyntaxError, ValueError, EOFError, Image.DecompressionBombError) as fault:
        words = str(fault).splitlines()[0] if str(fault) else type(fault).__name__
        kind = "truncated image" if "truncated" in words.lower() else "unreadable image"
        return kind, words
    return None


def _check(folder: Path, names: Sequence[str]) -> list[tuple[str, str] | None]:
    return [fault_of(folder / name) for name in names]


def _tasks(found: Index) -> Iterator[tuple[str, int, int]]:
    """Split, first row and row after the last of each chunk that holds an image not known to be good."""
    for name, split in found.splits.items():
        for start in range(0, len(split.names), CHUNK):
            stop = min(start + CHUNK, len(split.names))
            if (split.status[start:stop] != GOOD).any():
                yield name, start, stop


def _read(found: Index, task: tuple[str, int, int]) -> tuple[tuple[str, int, int], list[tuple[str, str] | None]]:
    name, start, stop = task
    split = found.splits[name]
    return task, _check(split.folder, [split.names[row] for row in range(start, stop)])


def check_images(found: Index, jobs: int, progress: Progress) -> None:
    """Read all images not yet known to be good, and keep what was found in the index.

    Goes on where an earlier check was cut off; images found broken before are read again.
    """
    from joblib import Parallel, delayed

    tasks = list(_tasks(found))
    total = sum(stop - start for _, start, stop in tasks)
    done = 0
    progress(done, total)
    if not tasks:
        return
    jobs = min(jobs, len(tasks)) if total > FEW else 1
    parallel = Parallel(n_jobs=jobs, return_as="generator_unordered", batch_size=1, pre_dispatch="2*n_jobs")
    for (name, start, stop), results in parallel(delayed(_read)(found, task) for task in tasks):
        status = np.array([GOOD if result is None else BROKEN for result in results], dtype=np.uint8)
        names = found.splits[name].names
        faulty = [
            (row, Fault(result[0], names[row], result[1]))
            for row, result in enumerate(results, start)
            if result is not None
        ]
        index.record_status(found, name, start, status, faulty)
        done += stop - start
        progress(done, total)


def default_jobs() -> int:
    """Processes that a check uses unless told otherwise: one for each core."""
    return os.cpu_count() or 1
