"""What records the operations of a step and does them again: CUDA graphs, and for CPUs a trace that means the same."""

from __future__ import annotations

import gc
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, Protocol
from unittest import mock

import torch
from torch import Tensor

from bench.machine import accelerator

Replay = Callable[[], object]


class Recorder(Protocol):
    """Records a step that takes and returns nothing: all that it reads and writes are tensors that stay.

    executes: whether recording does the step as well. broken: how many recordings were cut off; what was recorded
    before the last of them must not be replayed, as it may draw from a generator that is no longer the device's.
    """

    executes: bool
    broken: int

    def record(self, step: Callable[[], None]) -> Replay:
        """Call `step` once and return what does the same operations again. Raises what the step raises."""
        ...


class GraphRecorder:
    """CUDA graphs, made on the current stream: one of the run's own (`accelerator.own_stream`)."""

    executes = False

    def __init__(self, device: torch.device) -> None:
        """Raises ValueError on the default stream, where nothing can be captured."""
        if not accelerator.is_own_stream(device):
            raise ValueError("graphs cannot be captured on the default stream")
        self.device, self.broken = device, 0
        self._pool = torch.cuda.graph_pool_handle()
        # A pool ends with the last graph that uses it, and an ended pool takes no other; this one stays.
        anchor, self._keep = torch.cuda.CUDAGraph(), torch.zeros(1, device=device)
        accelerator.synchronise(device)
        anchor.capture_begin(pool=self._pool, capture_error_mode="thread_local")
        self._keep.fill_(1.0)
        anchor.capture_end()
        self._anchor = anchor

    def record(self, step: Callable[[], None]) -> Replay:
        """See `Recorder`. After a fault the device can be used as before."""
        graph = torch.cuda.CUDAGraph()
        accelerator.synchronise(self.device)
        with _without_garbage_collection():
            spare = accelerator.spare_generator(self.device)
            graph.capture_begin(pool=self._pool, capture_error_mode="thread_local")
            try:
                step()
            except BaseException:
                _give_up(graph)
                # A capture that ends badly leaves the generator waiting for a replay; a copy of it is not.
                accelerator.replace_generator(self.device, spare)
                self.broken += 1
                raise
            graph.capture_end()
        return graph.replay


def _give_up(graph: Any) -> None:
    try:
        graph.capture_end()
    except RuntimeError:
        torch.cuda.synchronize()  # what the capture had been refused for is no fault of the work before it


@contextmanager
def _without_garbage_collection() -> Iterator[None]:
    """Memory that is freed while a graph is captured may need calls that a capture forbids."""
    enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if enabled:
            gc.enable()


def _one_hot(labels: Tensor, num_classes: int = -1) -> Tensor:
    """torch's own looks at the range of the labels, but on a CPU alone."""
    return (labels[..., None] == torch.arange(num_classes, device=labels.device)).long()


class TraceRecorder:
    """The same on a CPU: a trace of the operations. It saves no time there, and shows what a captured step means."""

    executes = True
    broken = 0

    def record(self, step: Callable[[], None]) -> Replay:
        """See `Recorder`."""
        from torch.fx.experimental.proxy_tensor import make_fx

        def traced(unused: Tensor) -> Tensor:
            step()
            return unused

        with mock.patch.object(torch.nn.functional, "one_hot", _one_hot):
            graph: Any = make_fx(traced, tracing_mode="real")(torch.zeros(()))
        replay = torch.no_grad()(graph)  # gradients are operations of the trace
        return lambda: replay(torch.zeros(()))
