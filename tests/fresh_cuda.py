"""A stand-in for the CUDA driver, for machines without one: devices that a process has not touched yet.

It takes the place of what torch calls in C (`torch._C._cuda_*`), so torch's own Python decides what makes a context and
what does not; below it, a call that needs a context and finds none is refused in the driver's words. Numbers are
computed on the CPU: wherever torch is handed a device "cuda:N", the CPU is used in its place.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from unittest import mock

import torch
from torch.overrides import TorchFunctionMode

from bench.machine import accelerator

NAME = "Stand-in"
FREE, TOTAL = 3 * 2**30, 4 * 2**30
PEAK, RESERVED = 5 * 2**20, 7 * 2**20


class Driver:
    """What a process has asked of the devices, in order; refuses what needs a context where there is none."""

    def __init__(self, devices: int) -> None:
        self.devices, self.current = devices, 0
        self.contexts_of: int | None = None  # the process that has made them; its forks must not use them
        self.asked: list[str] = []
        self.peak, self.reserved = 0, 0

    def init(self) -> None:
        self.asked.append("init")
        self.contexts_of = os.getpid()
        torch.cuda._get_device_properties = self.properties  # type: ignore[attr-defined]
        torch.cuda.default_generators = tuple(torch.Generator() for _ in range(self.devices))

    def is_bad_fork(self) -> bool:
        return self.contexts_of not in (None, os.getpid())

    def need(self, asked: str, device: int, refusal: str = "CUDA error: initialization error") -> None:
        self.asked.append(asked)
        if self.contexts_of != os.getpid():
            raise RuntimeError(refusal)
        if not 0 <= device < self.devices:
            raise RuntimeError("CUDA error: invalid device ordinal")

    def properties(self, device: int) -> SimpleNamespace:
        self.need("properties", device)
        return SimpleNamespace(name=NAME, major=9, minor=0, total_memory=TOTAL)

    def set_device(self, device: int) -> None:
        torch.cuda._lazy_init()  # as torch's own C does for the calls that choose a device, and for no others
        self.need("set_device", device)
        self.current = device

    def get_device(self) -> int:
        torch.cuda._lazy_init()
        self.need("get_device", self.current)
        return self.current

    def exchange(self, device: int) -> int:
        if device < 0:
            return -1
        torch.cuda._lazy_init()
        self.need("exchange_device", device)
        before, self.current = self.current, device
        return before

    def reset_peak(self, device: int) -> None:
        # The allocator has no statistics of any device yet; these are its words.
        self.need("reset_peak", device, "Invalid device argument ")
        self.peak, self.reserved = PEAK, RESERVED  # what is allocated from now on

    def statistics(self, device: int) -> dict[str, Any]:
        self.need("statistics", device, "Invalid device argument ")
        return {
            "allocated_bytes": {"all": {"peak": self.peak, "current": 0}},
            "reserved_bytes": {"all": {"peak": self.reserved, "current": 0}},
        }

    def free(self, device: int) -> tuple[int, int]:
        self.need("free", device)
        return FREE, TOTAL

    def synchronise(self) -> None:
        self.need("synchronise", self.current)

    def empty_cache(self) -> None:
        self.need("empty_cache", self.current)


class Streams:
    """Which stream work goes to; a stream is its number here, and 0 the default one."""

    def __init__(self) -> None:
        self.current = 0
        self.made = 0

    def new(self, device: Any) -> Any:
        self.made += 1
        return self.numbered(device, self.made)

    def numbered(self, device: Any, number: int) -> Any:
        with torch.cuda.device(device):  # as torch does
            return _Stream(number)

    @contextlib.contextmanager
    def using(self, stream: _Stream) -> Iterator[None]:
        before, self.current = self.current, stream.number
        yield
        self.current = before


@dataclass(frozen=True)
class _Stream:
    number: int

    def wait_stream(self, other: _Stream) -> None:
        """There is nothing to wait for."""


class _OnTheCpu(TorchFunctionMode):
    """Hands every function of torch the CPU where it was handed a CUDA device."""

    def __torch_function__(self, function: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = kwargs or {}
        if function is torch.device:  # what the harness calls the device stays what it asked for
            return function(*args, **kwargs)
        return function(*map(_cpu, args), **{name: _cpu(value) for name, value in kwargs.items()})


def _cpu(value: Any) -> Any:
    named = isinstance(value, torch.device | str) and str(value).partition(":")[0] == "cuda"
    return torch.device("cpu") if named else value


@contextlib.contextmanager
def devices(count: int = 1, files: Path = Path(__file__)) -> Iterator[Driver]:
    """A machine with so many devices that this process has not touched.

    files: any file that is there, as the system's device files are where there is a driver.
    """
    driver, streams = Driver(count), Streams()
    below = {
        "_cuda_getDeviceCount": lambda: count,
        "_cuda_init": driver.init,
        "_cuda_isInBadFork": driver.is_bad_fork,
        "_cuda_setDevice": driver.set_device,
        "_cuda_getDevice": driver.get_device,
        "_cuda_resetPeakMemoryStats": driver.reset_peak,
        "_cuda_memoryStats": driver.statistics,
        "_cuda_synchronize": driver.synchronise,
        "_cuda_emptyCache": driver.empty_cache,
        "_cuda_getArchFlags": lambda: "sm_90",
        "_cuda_getCompiledVersion": lambda: 13000,
        "_cuda_getCurrentRawStream": lambda device: 0,
    }
    bound = {
        "_cudart": SimpleNamespace(cudaMemGetInfo=driver.free),
        "_is_in_bad_fork": driver.is_bad_fork,
        "_is_compiled": lambda: True,
        "_device_count_nvml": lambda: count,
        "_exchange_device": driver.exchange,
        "_maybe_exchange_device": driver.exchange,
        "_get_device_properties": None,
        "default_generators": (),
        "_initialized": False,
        "Stream": streams.new,
        "current_stream": lambda device: streams.numbered(device, streams.current),
        "default_stream": lambda device: streams.numbered(device, 0),
        "stream": streams.using,
        "_cached_device_count": None,
    }
    with contextlib.ExitStack() as stack:
        for name, function in below.items():
            stack.enter_context(mock.patch.object(torch._C, name, function, create=True))
        for name, value in bound.items():
            stack.enter_context(mock.patch.object(torch.cuda, name, value, create=True))
        # no test of accelerator.count, but what it takes for a driver to be there
        stack.enter_context(mock.patch.object(accelerator, "DEVICE_FILES", (files,), create=True))
        stack.enter_context(_OnTheCpu())
        yield driver
