"""Very many file names without very many Python objects: one run of bytes, and where each name ends."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np
import numpy.typing as npt


class Names:
    """File names, by number; what `pathlib` calls POSIX paths, relative to some folder.

    blob: the UTF-8 bytes of all names, one after the other, [n] uint8. ends: [N] int64, where each name ends in it.
    Both may be memory-mapped files, which every process that maps them shares.
    """

    def __init__(self, blob: npt.NDArray[np.uint8], ends: npt.NDArray[np.int64]) -> None:
        self.blob, self.ends = blob, ends

    @classmethod
    def of(cls, names: Iterable[str]) -> Names:
        """The names, packed."""
        encoded = [name.encode("utf-8", "surrogateescape") for name in names]
        ends = np.cumsum(np.fromiter(map(len, encoded), np.int64, len(encoded)))
        return cls(np.frombuffer(b"".join(encoded), np.uint8), ends)

    def __len__(self) -> int:
        return len(self.ends)

    def __getitem__(self, number: int) -> str:
        start = self.ends[number - 1] if number else 0
        return self.blob[start : self.ends[number]].tobytes().decode("utf-8", "surrogateescape")

    def __reduce__(self) -> tuple[Any, ...]:
        # A memory map is pickled as its file, not as its content, for workers that are not forked.
        return _restored, (_reference(self.blob), _reference(self.ends))


def _reference(array: npt.NDArray[Any]) -> Any:
    if isinstance(array, np.memmap) and array.mode == "r" and array.filename is not None:
        return str(array.filename), array.dtype.str, array.offset, array.shape
    return array


def _restored(blob: Any, ends: Any) -> Names:
    def array(held: Any) -> npt.NDArray[Any]:
        if isinstance(held, np.ndarray):
            return held
        name, kind, offset, shape = held
        return np.memmap(name, kind, "r", offset, shape)

    return Names(array(blob), array(ends))
