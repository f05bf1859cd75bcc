"""All that the harness asks of Apple's graphics processors, which torch calls mps.

No run of ours has been made on one: tests stand in for torch's side of this module. So `auto` never takes one.
"""

from __future__ import annotations

import os
import platform
from typing import TYPE_CHECKING

from common.errors import UserError

if TYPE_CHECKING:
    import torch

FALLBACK = "PYTORCH_ENABLE_MPS_FALLBACK"
"""With "1" torch computes on the host what it has not for mps. It reads that once, as it is imported."""


def is_mps(device: str | torch.device) -> bool:
    """Whether a device's name ("mps", "mps:0") or torch.device is Apple's."""
    return str(device).partition(":")[0] == "mps"


def is_there() -> bool:
    """Whether torch can compute on mps here; imported on Apple's systems alone."""
    if platform.system() != "Darwin":
        return False
    import torch

    return bool(torch.backends.mps.is_available())


def choose() -> str:
    """ "mps" for --device; this process and those it starts fall back to the host. Raises UserError without one."""
    os.environ.setdefault(FALLBACK, "1")
    if not is_there():
        raise UserError("--device mps: torch has no Apple device here (accepted: auto, cpu)")
    return "mps"


def prepare() -> torch.device:
    """The device, its arithmetic as repeatable as torch can make it."""
    import torch

    torch.use_deterministic_algorithms(True, warn_only=True)
    return torch.device("mps")


def synchronise() -> None:
    """Wait until the device has done all that was asked of it."""
    import torch

    torch.mps.synchronize()


def memory() -> int:
    """Bytes that the driver holds for this process: tensors, and what lies unused in torch's pool."""
    import torch

    return int(torch.mps.driver_allocated_memory())
