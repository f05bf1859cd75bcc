"""What our training is compared with: the bare network, its step as one CUDA graph, a plain PyTorch loop, the peak."""

from __future__ import annotations

import math
import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from bench import networks
from bench.machine import accelerator
from bench.networks.network import Network
from bench.speed.case import Case
from bench.speed.task import CLASSES
from bench.training import optim_build
from bench.training.data import RunData
from bench.training.recorders import GraphRecorder
from datasets.base import Images
from datasets.loader import batch_bounds
from datasets.torchvision_import import import_torchvision

PLAIN_SAMPLES = 2560  # the plain loop is slow, and its rate does not depend on the length


def seconds(action: Callable[[], object], device: torch.device) -> float:
    """Seconds until the device has done what `action` asks of it."""
    accelerator.synchronise(device)
    started = time.perf_counter()
    action()
    accelerator.synchronise(device)
    return time.perf_counter() - started


@dataclass(frozen=True)
class Bare:
    """A network with its optimiser, and one resident batch: images [B, C, H, W], labels [B]."""

    network: Network
    optimizer: torch.optim.Optimizer
    images: Tensor
    labels: Tensor

    def step(self, size: int) -> None:
        """Forward, backward and step on the first so many images."""
        self.optimizer.zero_grad(set_to_none=True)
        loss = F.cross_entropy(self.network(self.images[:size]), self.labels[:size])
        loss.backward()  # type: ignore[no-untyped-call]
        self.optimizer.step()

    def forward(self, size: int) -> None:
        """Forward alone."""
        with torch.no_grad():
            self.network(self.images[:size])

    def epoch(self, trained: int, forwarded: int) -> None:
        """So many images through forward, backward and step, and so many through forward alone."""
        for start, stop in batch_bounds(trained, len(self.images)):
            self.step(stop - start)
        for start, stop in batch_bounds(forwarded, len(self.images)):
            self.forward(stop - start)


def bare(
    network_name: str,
    shape: tuple[int, int, int],
    batch_size: int,
    precision: str,
    device: torch.device,
    compiled: bool = False,
) -> Bare:
    """The network alone, warmed up, with SGD and a random batch."""
    network = networks.build(
        network_name,
        CLASSES,
        shape,
        precision="bf16" if precision == "bf16" else "fp32",
        channels_last=True,
        compiled=compiled,
    ).to(device)
    settings = {"name": "sgd", "lr": 0.01, "momentum": 0.9, "nesterov": False, "weight_decay": 5e-4}
    groups = [{"params": list(network.parameters())}]
    schedule = {"name": "constant", "warmup": 0, "update": "step"}
    optimizer = optim_build.build(groups, settings, schedule, 0, 1).by_kind["sgd"]
    generator = torch.Generator().manual_seed(0)
    channels, height, width = shape
    images = torch.randn(batch_size, height, width, channels, generator=generator).permute(0, 3, 1, 2)
    labels = torch.randint(0, CLASSES, (batch_size,), generator=generator)
    reference = Bare(network, optimizer, images.to(device), labels.to(device))
    reference.epoch(2 * batch_size, 0)
    return reference


def graph_epoch(alone: Bare, device: torch.device) -> Callable[[int, int], None]:
    """As `Bare.epoch`, by replaying a graph of a step and one of a forward pass. CUDA only, on a stream of its own.

    A last batch that is not full is replayed as a full one.
    """
    size, recorder = len(alone.images), GraphRecorder(device)
    alone.forward(size)  # what is recorded must have been done before
    step, forward = recorder.record(lambda: alone.step(size)), recorder.record(lambda: alone.forward(size))

    def epoch(trained: int, forwarded: int) -> None:
        for _ in range(math.ceil(trained / size)):
            step()
        for _ in range(math.ceil(forwarded / size)):
            forward()

    return epoch


def probe_rate(
    network_name: str, shape: tuple[int, int, int], batch_size: int, precision: str, device_name: str, steps: int = 5
) -> float:
    """Images per second of forward, backward and step, the median of a few single steps."""
    torch.set_num_threads(1)
    device = accelerator.prepare(device_name)
    alone = bare(network_name, shape, batch_size, precision, device)
    return batch_size / statistics.median(seconds(lambda: alone.step(batch_size), device) for _ in range(steps))


class _PlainImages(torch.utils.data.Dataset[tuple[Tensor, int]]):
    """Images as the authors' repositories read them: PIL, then torchvision's transforms, one by one."""

    def __init__(self, images: Images, size: int) -> None:
        t = import_torchvision("torchvision.transforms")
        steps = [t.RandomCrop(size, padding=4), t.RandomHorizontalFlip(), t.ToTensor()]
        channels = images.pixels.shape[-1]
        self.transform = t.Compose([*steps, t.Normalize((0.5,) * channels, (0.25,) * channels)])
        self.labels = images.labels
        self.pixels = images.pixels[..., 0] if channels == 1 else images.pixels  # PIL's grey images have no last axis

    def __len__(self) -> int:
        return len(self.labels)

    def __getitem__(self, index: int) -> tuple[Tensor, int]:
        from PIL import Image

        return self.transform(Image.fromarray(self.pixels[index])), int(self.labels[index])


def plain_loop(
    case: Case, data: RunData, device: torch.device, count: int, workers: int
) -> tuple[Callable[[int | None], None], int]:
    """An epoch as the authors' repositories train: PIL transforms, a DataLoader with workers, plain float32.

    count: networks trained on every batch. Returns what trains one epoch, or so many batches of it, and its images.
    """
    assert isinstance(data.train, Images)
    few = Images(data.train.pixels[:PLAIN_SAMPLES], data.train.labels[:PLAIN_SAMPLES])
    height, width, channels = few.pixels.shape[1:]
    loader = torch.utils.data.DataLoader(
        _PlainImages(few, height),
        case.batch_size,
        shuffle=True,
        num_workers=workers,
        persistent_workers=workers > 0,
        # by name, since in a loky worker the default way of starting a process is loky's own
        multiprocessing_context="fork" if workers else None,
    )
    trained: list[nn.Module] = [
        networks.build(case.network, CLASSES, (channels, height, width)).to(device) for _ in range(count)
    ]
    optimizers = [torch.optim.SGD(net.parameters(), 0.01, 0.9, weight_decay=5e-4) for net in trained]

    def epoch(batches: int | None = None) -> None:
        for number, (images, labels) in enumerate(loader, start=1):
            images, labels = images.to(device), labels.to(device)
            for net, optimizer in zip(trained, optimizers, strict=True):
                optimizer.zero_grad()
                F.cross_entropy(net(images), labels).backward()  # type: ignore[no-untyped-call]
                optimizer.step()
            if number == batches:
                return

    return epoch, len(few.labels)


def matrix_peak(device: torch.device) -> float:
    """Measured floating-point operations per second of a large bfloat16 matrix product."""
    size, rounds = 8192, 20
    left = torch.randn(size, size, device=device, dtype=torch.bfloat16)
    product = torch.mm(left, left)
    shortest = min(
        seconds(lambda: [torch.mm(left, left, out=product) for _ in range(rounds)], device) for _ in range(3)
    )
    return 2 * size**3 * rounds / shortest


def flops_per_image(alone: Bare) -> float:
    """Floating-point operations of forward and backward pass, per image."""
    from torch.utils.flop_counter import FlopCounterMode

    with FlopCounterMode(display=False) as counter:
        alone.network(alone.images).sum().backward()
    return float(counter.get_total_flops()) / len(alone.images)
