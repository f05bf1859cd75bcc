"""Which precision `auto` stands for, found without importing torch where the device is a CPU."""

from __future__ import annotations

import functools
from pathlib import Path

from bench.processor import cpuinfo


@functools.cache
def cpu_has_fast_bfloat16() -> bool:
    """Whether the processor computes bfloat16 faster than float32: Intel's amx_bf16, AMD's avx512_bf16, Arm's bf16.

    Intel's avx512_bf16 alone is not enough: networks were slower with it than in float32 (docs/performance.md).
    """
    words = set(cpuinfo().split())
    return bool(words & {"amx_bf16", "bf16"}) or {"avx512_bf16", "AuthenticAMD"} <= words


def has_accelerator() -> bool:
    """Whether a CUDA device can be used. torch is imported only where the driver's device files exist."""
    if not (Path("/dev/nvidiactl").exists() or Path("/dev/dxg").exists()):
        return False
    import torch

    return torch.cuda.is_available()


def resolve_precision(precision: str, device: str) -> str:
    """ "fp32" or "bf16": `auto` is bf16 where `device` ("cpu" or "cuda...") is faster with it."""
    if precision != "auto":
        return precision
    if device.startswith("cuda"):
        import torch

        return "bf16" if torch.cuda.is_bf16_supported(including_emulation=False) else "fp32"
    return "bf16" if cpu_has_fast_bfloat16() else "fp32"
