"""Where float64 can be computed: everywhere but on Apple's devices, which have none."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch import Tensor


def with_float64(values: Tensor) -> Tensor:
    """The tensor where its `double()` exists: as it is, but on the host where its device is Apple's (mps)."""
    return values.cpu() if values.device.type == "mps" else values
