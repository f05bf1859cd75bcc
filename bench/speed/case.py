"""What `speed` measures, and what comes of it; importing this needs no torch."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from bench.machine import accelerator
from bench.machine.precision import resolve_precision
from common.specification import Precision

FEWEST_SAMPLES = 256
SAMPLES = {"cpu": 10_000, "cuda": 50_000}  # of an epoch, where none are named
AT_ONCE = {"cpu": 1, "cuda": 3}


@dataclass(frozen=True)
class Case:
    """What to measure. samples: images of an epoch; repeats: epochs that are timed; at_once: processes (1: not asked).

    plain: against the plain PyTorch loop too. compiled: with torch.compile. strong: the view policy of strong views;
    None: the one of this name.
    """

    method: str
    network: str
    batch_size: int
    precision: Precision
    device: str
    samples: int
    repeats: int
    plain: bool = True
    compiled: bool = False
    at_once: int = 1
    strong: str | None = None

    @property
    def label(self) -> str:
        """What messages call the case."""
        return f"{self.method} on {self.network}"

    @property
    def fewest_samples(self) -> int:
        """Images of the shortest epoch that tells anything: a few batches; on a device enough to capture a step."""
        batches = 8 if accelerator.is_cuda(self.device) else 2
        return min(self.samples, max(batches * self.batch_size, FEWEST_SAMPLES))


@dataclass(frozen=True)
class Speed:
    """What was measured of a case; rates are images of an epoch per second, and medians of the repeats.

    Of a CUDA device alone: eager_images_per_second (no step captured), captured_images_per_second (the same as
    images_per_second; None where no step is), captured_share (of the steps), captured_reason (why not all),
    bare_graph_images_per_second (the bare network's step as one CUDA graph) and share_of_peak (of our fastest rate, in
    the measured bfloat16 matrix peak). at_once_images_per_second: of all processes together. missing: what was asked
    for and is not measured, for lack of time where nothing else is said.
    """

    method: str
    network: str
    batch_size: int
    precision: Precision
    device: str
    samples: int
    repeats: int
    images_per_second: float
    images_per_second_spread: tuple[float, float]
    overhead: float
    overhead_spread: tuple[float, float]
    ratio_to_plain_loop: float | None
    passes_per_step: float
    peak_memory_mib: float
    eager_images_per_second: float | None = None
    captured_images_per_second: float | None = None
    captured_share: float | None = None
    captured_reason: str | None = None
    bare_graph_images_per_second: float | None = None
    share_of_peak: float | None = None
    at_once: int = 1
    at_once_images_per_second: float | None = None
    missing: tuple[str, ...] = ()


@dataclass(frozen=True)
class LeftOut:
    """A case that the time did not suffice for."""

    method: str
    network: str
    reason: str


@dataclass(frozen=True)
class Failed:
    """A case that could not be measured, with the fault's last line."""

    method: str
    network: str
    message: str


def cases(
    names: list[str],
    networks: list[str],
    batch_size: int,
    precision: Precision | Literal["auto"],
    device: str,
    samples: int | None,
    repeats: int,
    plain: bool,
    compiled: bool,
    at_once: int | None = None,
    strong: str | None = None,
) -> list[Case]:
    """All combinations of methods and networks, with `auto` precision and what depends on the device resolved."""
    resolved = resolve_precision(precision, device)
    kind = "cuda" if accelerator.is_cuda(device) else "cpu"
    samples, at_once = samples or SAMPLES[kind], at_once or AT_ONCE[kind]
    return [
        Case(method, network, batch_size, resolved, device, samples, repeats, plain, compiled, at_once, strong)
        for network in networks
        for method in names
    ]
