"""Which precision `auto` stands for, found without importing torch where the device is a CPU."""

from __future__ import annotations

import functools
from typing import Literal, cast, get_args

from bench.machine import accelerator, apple
from bench.machine.processor import cpuinfo
from common.errors import UserError
from common.specification import Precision


@functools.cache
def cpu_has_fast_bfloat16() -> bool:
    """Whether the processor computes bfloat16 faster than float32: Intel's amx_bf16, AMD's avx512_bf16, Arm's bf16.

    Intel's avx512_bf16 alone is not enough: networks were slower with it than in float32 (docs/performance.md).
    """
    words = set(cpuinfo().split())
    return bool(words & {"amx_bf16", "bf16"}) or {"avx512_bf16", "AuthenticAMD"} <= words


def asked_precision(text: str) -> Precision | Literal["auto"]:
    """What --precision says. Raises UserError where it is none."""
    for known in ("auto", *get_args(Precision)):
        if text == known:
            return cast(Precision | Literal["auto"], known)
    raise UserError(f"--precision {text!r}: accepted: auto, fp32, bf16")


def resolve_precision(precision: Precision | Literal["auto"], device: str) -> Precision:
    """ "fp32" or "bf16": `auto` is bf16 where `device` ("cpu" or "cuda...") is faster with it.

    On Apple's mps it is fp32. Raises UserError where bf16 is asked for there.
    """
    if apple.is_mps(device):
        if precision == "bf16":
            raise UserError("precision 'bf16' on --device mps: accepted: auto, fp32")
        return "fp32"
    if precision != "auto":
        return precision
    fast = accelerator.has_bfloat16(device) if accelerator.is_cuda(device) else cpu_has_fast_bfloat16()
    return "bf16" if fast else "fp32"
