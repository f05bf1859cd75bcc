"""What the processor is, as far as the kernel tells."""

from __future__ import annotations

import functools
import platform
from pathlib import Path

CPUINFO = Path("/proc/cpuinfo")


def cpuinfo() -> str:
    """The kernel's text on all processors; empty where there is no such file."""
    try:
        return CPUINFO.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""


@functools.cache
def processor_name() -> str:
    """The first processor's name, on x86 with family and model: "AMD EPYC, family 25, model 17".

    Virtual machines often hide all else of the name, and two generations of one maker differ by a factor of two.
    """
    block = cpuinfo().partition("\n\n")[0]
    fields = {key.strip(): value.strip() for key, _, value in (line.partition(":") for line in block.splitlines())}
    name = fields.get("model name") or platform.processor() or platform.machine()
    if "cpu family" in fields and "model" in fields:
        return f"{name}, family {fields['cpu family']}, model {fields['model']}"
    return name
