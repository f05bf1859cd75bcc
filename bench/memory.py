"""How the C library hands memory back to the system, which decides what large tensors on a CPU cost."""

from __future__ import annotations

import ctypes
import sys

_TRIM_THRESHOLD, _MMAP_THRESHOLD = -1, -3  # malloc.h
_LARGEST_KEPT = 32 * 2**20  # glibc refuses more
_ALWAYS = 2**31 - 1


def keep_freed_memory() -> bool:
    """Let this process keep what it frees, as the next batch needs it again; whether the C library can (glibc).

    Otherwise activations of some megabytes come from the system for every layer, page by page and zeroed, and go back:
    a quarter of the time of evaluating the small CNN. Results do not change.
    """
    if not sys.platform.startswith("linux"):
        return False
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except AttributeError:  # musl
        return False
    return bool(mallopt(_MMAP_THRESHOLD, _LARGEST_KEPT)) and bool(mallopt(_TRIM_THRESHOLD, _ALWAYS))
