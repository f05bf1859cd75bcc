"""Which precision `auto` stands for, found without importing torch where the device is a CPU."""

from __future__ import annotations

import functools
from pathlib import Path


@functools.cache
def cpu_has_bfloat16() -> bool:
    """Whether the processor computes bfloat16 in hardware (avx512_bf16, amx or Arm's bf16); slower than fp32 if not."""
    try:
        flags = set(Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace").split())
    except OSError:
        return False
    return bool(flags & {"avx512_bf16", "amx_bf16", "bf16"})


def has_accelerator() -> bool:
    """Whether a CUDA device can be used. torch is imported only where the driver's device files exist."""
    if not (Path("/dev/nvidiactl").exists() or Path("/dev/dxg").exists()):
        return False
    import torch

    return torch.cuda.is_available()


def resolve_precision(precision: str, device: str) -> str:
    """ "fp32" or "bf16": `auto` is bf16 where `device` ("cpu" or "cuda...") computes it in hardware."""
    if precision != "auto":
        return precision
    if device.startswith("cuda"):
        import torch

        return "bf16" if torch.cuda.is_bf16_supported(including_emulation=False) else "fp32"
    return "bf16" if cpu_has_bfloat16() else "fp32"
