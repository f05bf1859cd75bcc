"""All that the harness asks of CUDA, each question right in a process that has not touched it yet.

torch initialises CUDA at the first call that needs it, and some calls do not count as such: asked before, they fail, or
answer for another process. So every function here that needs a context makes one first. The driver makes none where it
can be helped: torch is imported only where the system's device files exist.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from bench.machine import apple
from common.errors import UserError

if TYPE_CHECKING:
    import torch

DEVICE_FILES = (Path("/dev/nvidiactl"), Path("/dev/dxg"))


@dataclass(frozen=True)
class Memory:
    """Bytes of a device: free for anybody, and in all."""

    free: int
    total: int


def is_cuda(device: str | torch.device) -> bool:
    """Whether a device's name ("cpu", "cuda", "cuda:1") or torch.device is an accelerator."""
    return str(device).partition(":")[0] == "cuda"


def count() -> int:
    """How many CUDA devices this process may use; 0 where there is no driver. Makes no context."""
    if not any(path.exists() for path in DEVICE_FILES):
        return 0
    import torch

    return torch.cuda.device_count() if torch.cuda.is_available() else 0


def choose(device: str) -> str:
    """ "cpu", "cuda", "cuda:N" or "mps" for --device ("auto": CUDA, else CPU). Raises UserError where it is absent."""
    if device == "auto":
        return "cuda" if count() else "cpu"
    if device == "cpu":
        return device
    if device == "mps":
        return apple.choose()
    number = device[5:] if device.startswith("cuda:") else "0" if device == "cuda" else ""
    if not (number.isascii() and number.isdigit() and len(number) < 10):
        raise UserError(f"--device {device!r} is unknown (accepted: auto, cpu, cuda, cuda:N, mps)")
    there = count()
    if not there:
        raise UserError(f"--device {device}: no CUDA device can be used here (accepted: auto, cpu)")
    if int(number) >= there:
        known = ", ".join(f"cuda:{position}" for position in range(there))
        raise UserError(f"--device {device}: there is no such device (accepted: auto, cpu, cuda, {known})")
    return device


def each(device: str) -> list[str]:
    """The devices that runs go to: every one by its number where `device` is "cuda", else `device` itself."""
    return [f"cuda:{number}" for number in range(count())] if device == "cuda" else [device]


def has_bfloat16(device: str) -> bool:
    """Whether the device computes bfloat16 in hardware (compute capability 8.0 or newer)."""
    import torch

    return torch.cuda.get_device_capability(_named(device)) >= (8, 0)


def _named(device: str | torch.device) -> torch.device:
    """The device with its number, which some of torch's functions insist on."""
    import torch

    given = torch.device(device)
    number: int | None = given.index
    if number is not None:
        return given
    return torch.device("cuda", torch.cuda.current_device())


def prepare(device: str | torch.device) -> torch.device:
    """Make the context of the device that a run is to use, and its arithmetic repeatable; returns it with its number.

    For a CPU nothing is done. Raises RuntimeError where the device cannot be used.
    """
    import torch

    if apple.is_mps(device):
        return apple.prepare()
    if not is_cuda(device):
        return torch.device(device)
    os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")  # read when cuBLAS starts, so before the context
    torch.cuda.init()
    named = _named(device)
    torch.cuda.set_device(named)
    torch.backends.cudnn.benchmark = False
    torch.use_deterministic_algorithms(True, warn_only=True)
    # nothing reads memory that was not written; filling it first is a kernel for every tensor
    torch.utils.deterministic.fill_uninitialized_memory = False  # type: ignore[attr-defined]
    return named


@contextlib.contextmanager
def own_stream(device: torch.device) -> Iterator[None]:
    """Work on a stream beside the default one, as a captured step must; for a CPU nothing changes."""
    import torch

    if not is_cuda(device):
        yield
        return
    stream = torch.cuda.Stream(device)
    stream.wait_stream(torch.cuda.current_stream(device))
    with torch.cuda.stream(stream):
        yield
    torch.cuda.current_stream(device).wait_stream(stream)


def is_own_stream(device: torch.device) -> bool:
    """Whether work goes to another stream than the default one."""
    import torch

    return bool(torch.cuda.current_stream(device) != torch.cuda.default_stream(device))


def synchronise(device: torch.device) -> None:
    """Wait until the device has done all that was asked of it."""
    import torch

    if is_cuda(device):
        torch.cuda.synchronize(device)
    elif apple.is_mps(device):
        apple.synchronise()


def reset_peak_memory(device: torch.device) -> None:
    """Let `peak_memory` count from now on."""
    import torch

    torch.cuda.init()  # a fresh process has no statistics that could be reset
    torch.cuda.reset_peak_memory_stats(_named(device))


def peak_memory(device: torch.device) -> int:
    """Bytes that tensors of this process took on the device at most."""
    import torch

    return int(torch.cuda.max_memory_allocated(_named(device)))


def peak_reserved_memory(device: torch.device) -> int:
    """Bytes that this process had reserved on the device at most: tensors, and what lay unused in its pools."""
    import torch

    return int(torch.cuda.max_memory_reserved(_named(device)))


def release_memory() -> None:
    """Give back what the process has reserved and does not use; nothing where CUDA was not touched."""
    import torch

    if torch.cuda.is_initialized():
        torch.cuda.empty_cache()


def memory(device: str | torch.device) -> Memory:
    """Free and total bytes of the device."""
    import torch

    torch.cuda.init()
    free, total = torch.cuda.mem_get_info(_named(device))
    return Memory(int(free), int(total))


def name(device: str | torch.device) -> str:
    """The name that the driver gives the device."""
    import torch

    torch.cuda.init()
    return str(torch.cuda.get_device_name(_named(device)))


def touch(device: str) -> None:
    """Compute something on the device. Raises RuntimeError where it cannot be used."""
    import torch

    torch.zeros(1, device=prepare(device)).add_(1).item()


def is_fault(fault: BaseException) -> bool:
    """Whether the device itself failed: its context is broken then, and this process can use it no more."""
    # torch.AcceleratorError where torch has it
    return isinstance(fault, RuntimeError) and "CUDA error:" in str(fault) and not is_out_of_memory(fault)


def is_out_of_memory(fault: BaseException) -> bool:
    """Whether a run failed because the device's memory was full."""
    import torch

    if isinstance(fault, torch.OutOfMemoryError):
        return True
    # cuBLAS and cuDNN make their own calls, and say it in their own words
    text = str(fault)
    return isinstance(fault, RuntimeError) and any(
        words in text for words in ("CUDA out of memory", "CUBLAS_STATUS_ALLOC_FAILED", "CUDA error: out of memory")
    )


def generator_state(device: torch.device) -> torch.Tensor:
    """Where the device's generator stands, for `restore_generator`."""
    import torch

    return torch.cuda.get_rng_state(_named(device))


def restore_generator(device: torch.device, state: torch.Tensor) -> None:
    """Put the device's generator back, in place: captured graphs that draw from it go on doing so."""
    import torch

    torch.cuda.set_rng_state(state, _named(device))


def spare_generator(device: torch.device) -> torch.Generator:
    """A copy of the device's generator, for `replace_generator`."""
    import torch

    torch.cuda.init()  # before it there are no generators
    return torch.cuda.default_generators[_named(device).index].clone_state()


def replace_generator(device: torch.device, spare: torch.Generator) -> None:
    """Put the copy in the place of a generator that a broken capture has left unusable.

    Graphs that were captured before still draw from the one replaced, and must not be replayed.
    """
    import torch

    torch.cuda.init()
    torch.cuda.default_generators[_named(device).index].graphsafe_set_state(spare)
