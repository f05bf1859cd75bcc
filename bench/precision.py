"""What the processor is and which precision `auto` stands for, found without importing torch on a CPU."""

from __future__ import annotations

import functools
import platform
from pathlib import Path

CPUINFO = Path("/proc/cpuinfo")


def _cpuinfo() -> str:
    """What the kernel tells of the processors; empty where there is no such file."""
    try:
        return CPUINFO.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""


@functools.cache
def processor() -> str:
    """The processor's name, on x86 with family and model: "AMD EPYC, family 25, model 17".

    Virtual machines often hide all else of the name, and two generations of one maker differ by a factor of two.
    """
    block = _cpuinfo().partition("\n\n")[0]  # that of the first one
    found = {key.strip(): value.strip() for key, _, value in (line.partition(":") for line in block.splitlines())}
    name = found.get("model name") or platform.processor() or platform.machine()
    if "cpu family" in found and "model" in found:
        return f"{name}, family {found['cpu family']}, model {found['model']}"
    return name


@functools.cache
def cpu_has_fast_bfloat16() -> bool:
    """Whether the processor computes bfloat16 faster than float32: Intel's amx_bf16, AMD's avx512_bf16, Arm's bf16.

    Intel's avx512_bf16 alone is not enough: networks were slower with it than in float32 (docs/performance.md).
    """
    words = set(_cpuinfo().split())
    return bool(words & {"amx_bf16", "bf16"}) or {"avx512_bf16", "AuthenticAMD"} <= words


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
    return "bf16" if cpu_has_fast_bfloat16() else "fp32"
