"""Reading a pickle of plain containers and byte arrays without letting it run anything.

A pickle is a program that may call any function it names. This reader knows three names, those that NumPy's pickles of
byte arrays use, and gives each a meaning of its own; a pickle that names anything else is refused before a call.
"""

from __future__ import annotations

import io
import pickle
from pathlib import Path
from typing import Any

import numpy as np

from datasets.base import DataError, Pixels

_ARRAY = object()  # stands for the class numpy.ndarray: a mere token, so that it cannot be called


def _empty_array(kind: object, shape: tuple[int, ...], code: object) -> Pixels:
    """An empty array, whose shape and bytes the pickle then sets."""
    if kind is not _ARRAY or shape != (0,):
        raise pickle.UnpicklingError("an array of an unexpected kind")
    return np.empty(0, dtype=np.uint8)


def _byte_type(code: str, *_: object) -> np.dtype[Any]:
    """A copy of the type of single bytes (a copy, because the pickle sets its state)."""
    if code != "u1":
        raise pickle.UnpicklingError(f"an array of type {code!r}")
    return np.dtype("u1", align=False, copy=True)


_NAMES: dict[tuple[str, str], Any] = {
    ("numpy", "ndarray"): _ARRAY,
    ("numpy", "dtype"): _byte_type,
    ("numpy.core.multiarray", "_reconstruct"): _empty_array,
    ("numpy._core.multiarray", "_reconstruct"): _empty_array,  # what NumPy 2 writes
}


class _Reader(pickle.Unpickler):
    def find_class(self, module: str, name: str) -> Any:
        if (module, name) not in _NAMES:
            raise pickle.UnpicklingError(f"the pickle names {module}.{name}, which a data file has no use for")
        return _NAMES[module, name]


def read_pickle(content: bytes, path: Path) -> Any:
    """What the pickle `content` holds: containers, text, numbers and uint8 arrays; `path` is named in errors.

    Text of Python 2 is read as Latin-1. Raises DataError where the pickle is damaged or names anything else.
    """
    try:
        return _Reader(io.BytesIO(content), encoding="latin1").load()
    except Exception as fault:  # a damaged pickle can raise nearly anything; none of it is of use to the user
        reason = str(fault).splitlines()[0] if str(fault) else type(fault).__name__
        raise DataError(f"{path}: not a data file: {reason}") from None
