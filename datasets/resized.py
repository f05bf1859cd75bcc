"""One-time copies of a data set's images at the size that is trained on, packed into a few files.

Copies are JPEGs of quality 95: to read one costs a fraction of reading a large original. Their pixels are not exactly
those of the originals, so their use is part of a run's specification.
"""

from __future__ import annotations

import functools
import io
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt

from common.files import written
from datasets import packs
from datasets.base import ImageFiles, Report
from datasets.image_check import FEW
from datasets.packs import PACK

QUALITY = 95


@functools.lru_cache(maxsize=4096)
def _opened(path: Path) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.uint8]]:
    """Where each image ends, and the bytes of all."""
    ends = np.fromfile(path, np.int64, PACK)
    return ends, np.memmap(path, np.uint8, "r", offset=ends.nbytes)


def read(copies: Path, resize: int, number: int) -> bytes:
    """The JPEG of one image, by its number in the list."""
    ends, content = _opened(packs.path(copies, resize, number // PACK))
    place = number % PACK
    return content[ends[place - 1] if place else 0 : ends[place]].tobytes()


def _make_pack(files: ImageFiles, numbers: Sequence[int], path: Path, resize: int) -> int:
    """Write one pack, whole or not at all. Images that are not used get no bytes."""
    from PIL import Image

    from datasets.decode import decode

    parts = [b""] * PACK
    for number in numbers:
        stream = io.BytesIO()
        pixels = decode(files.folder / files.names[number], resize, files.own).permute(1, 2, 0).numpy()
        Image.fromarray(pixels).save(stream, "JPEG", quality=QUALITY)
        parts[number % PACK] = stream.getvalue()
    ends = np.cumsum([len(part) for part in parts]).astype(np.int64)
    with written(path) as target:
        target.write(ends.tobytes())
        target.writelines(parts)
    return len(numbers)


def make(files: ImageFiles, resize: int, jobs: int, report: Report) -> None:
    """Make the copies that are not there yet. What is cut off goes on where it was. Raises DataError, OSError."""
    from joblib import Parallel, delayed

    assert files.copies is not None
    tasks = []
    held_by = files.numbers // PACK
    for number in np.unique(held_by).tolist():
        path = packs.path(files.copies, resize, number)
        if not path.exists():
            tasks.append((path, files.numbers[held_by == number].tolist()))
    total, done = sum(len(numbers) for _, numbers in tasks), 0
    report(done, total)
    bare = files.take(files.numbers[:0])
    jobs = min(jobs, len(tasks)) if total > FEW else 1
    parallel = Parallel(n_jobs=jobs, return_as="generator_unordered", batch_size=1)
    for count in parallel(delayed(_make_pack)(bare, numbers, path, resize) for path, numbers in tasks):
        done += count
        report(done, total)
