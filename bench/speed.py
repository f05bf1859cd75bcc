"""Measuring speed: our training epoch against the bare network step, and against a plain PyTorch loop.

overhead = seconds of our epoch (augmentation and statistics included, evaluation and checkpoints not) / seconds of the
bare forward, backward and step of the same network, precision, layout, batch and passes, minus 1.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from bench import accelerator, execute, networks, optim, plugins, trainer
from bench.data import RunData
from bench.networks.network import Network
from bench.precision import resolve_precision
from bench.run_record import peak_memory
from datasets.base import DataSet, Images
from datasets.loader import batch_bounds
from datasets.noise import NoisyLabels
from datasets.torchvision_import import import_torchvision
from methods import registry as methods
from results.record import PROTOCOL

CLASSES = 10
RATE = 0.36  # wrong labels of the synthetic task: as symmetric noise of 40%
PLAIN_SAMPLES = 2560  # the plain loop is slow, and its rate does not depend on the length


@dataclass(frozen=True)
class Speed:
    """What `speed` measures for one method and network; rates are images of an epoch per second."""

    method: str
    network: str
    batch_size: int
    precision: str
    device: str
    images_per_second: float
    images_per_second_spread: tuple[float, float]
    overhead: float
    overhead_spread: tuple[float, float]
    ratio_to_plain_loop: float | None
    passes_per_step: float
    peak_memory_mib: float
    share_of_peak: float | None  # of the measured bfloat16 matrix peak; CUDA only


@dataclass(frozen=True)
class Case:
    """What to measure."""

    method: str
    network: str
    batch_size: int
    precision: str
    device: str
    samples: int
    repeats: int
    plain: bool = True
    compiled: bool = False


def synthetic_data(samples: int, image_shape: tuple[int, int, int], seed: int = 0) -> RunData:
    """Random images (C, H, W) with random labels, a share `RATE` of them wrong."""
    channels, height, width = image_shape
    rng = np.random.Generator(np.random.PCG64(seed))
    true = rng.integers(0, CLASSES, samples)
    given = np.where(rng.random(samples) < RATE, (true + 1) % CLASSES, true)
    pixels = rng.integers(0, 256, (samples, height, width, channels), dtype=np.uint8)
    images = Images(pixels, true)
    few = Images(pixels[:CLASSES], true[:CLASSES])
    matrix = np.eye(CLASSES) * (1 - RATE) + np.roll(np.eye(CLASSES), 1, 1) * RATE
    noise = NoisyLabels(given, "synthetic", RATE, RATE, RATE, matrix, matrix)
    names = tuple(str(number) for number in range(CLASSES))
    dataset = DataSet("synthetic", 1, images, few, names, (0.5,) * channels, (0.25,) * channels)
    return RunData(dataset, noise, np.arange(samples), images, given, None)


def specification(case: Case) -> dict[str, Any]:
    """A specification for the synthetic task, with the augmentation that CIFAR runs use."""
    return {
        "protocol": PROTOCOL,
        "dataset": {"name": "synthetic", "training_rows": "all"},
        "noise": {"model": "synthetic", "rate": RATE, "options": {}},
        "method": {"name": case.method, "hyper": methods.resolve(case.method, {})},
        "network": case.network,
        "pretrained": False,
        "epochs": 1000,
        "batch_size": case.batch_size,
        "optimizer": {"name": "sgd", "lr": 0.01, "momentum": 0.9, "nesterov": False, "weight_decay": 5e-4},
        "schedule": {"name": "constant", "warmup": 0, "update": "step"},
        "augmentation": {
            "crop_padding": 4,
            "padding_mode": "zero",
            "flip": True,
            "cutout": 0,
            "colour_jitter": 0.0,
            "strong_cutout": 8,
            "strong_colour_jitter": 0.4,
        },
        "precision": case.precision,
        "compile": case.compiled,
        "threads": 1,
        "memorisation_every": 1,
        "noise_rate_error": 0.0,
        "scored": "default",
        "seed": 0,
    }


def _seconds(action: Callable[[], object], device: torch.device) -> float:
    accelerator.synchronise(device)
    started = time.perf_counter()
    action()
    accelerator.synchronise(device)
    return time.perf_counter() - started


def bare_epoch(
    network: Network, optimizer: torch.optim.Optimizer, batch: tuple[Tensor, Tensor], trained: int, forwarded: int
) -> None:
    """So many images through forward, backward and step, and so many through forward alone, of one resident batch."""
    images, labels = batch
    for start, stop in batch_bounds(trained, len(images)):
        size = min(stop - start, len(images))
        optimizer.zero_grad(set_to_none=True)
        F.cross_entropy(network(images[:size]), labels[:size]).backward()  # type: ignore[no-untyped-call]
        optimizer.step()
    with torch.no_grad():
        for start, stop in batch_bounds(forwarded, len(images)):
            network(images[: stop - start])


def _bare(
    network_name: str,
    shape: tuple[int, int, int],
    batch_size: int,
    precision: str,
    device: torch.device,
    compiled: bool,
) -> tuple[Network, torch.optim.Optimizer, tuple[Tensor, Tensor]]:
    """A network with its optimiser, and one resident random batch."""
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
    optimizer = optim.build(groups, settings, {"name": "constant"}, 0, 1).by_kind["sgd"]
    generator = torch.Generator().manual_seed(0)
    channels, height, width = shape
    images = torch.randn(batch_size, height, width, channels, generator=generator).permute(0, 3, 1, 2)
    labels = torch.randint(0, CLASSES, (batch_size,), generator=generator)
    return network, optimizer, (images.to(device), labels.to(device))


def probe_rate(
    network_name: str, shape: tuple[int, int, int], batch_size: int, precision: str, device_name: str, steps: int = 5
) -> float:
    """Images per second of forward, backward and step, the median of a few single steps."""
    torch.set_num_threads(1)
    device = accelerator.prepare(device_name)
    network, optimizer, batch = _bare(network_name, shape, batch_size, precision, device, False)
    seconds = [_seconds(lambda: bare_epoch(network, optimizer, batch, batch_size, 0), device) for _ in range(steps + 2)]
    return batch_size / statistics.median(seconds[2:])


class _PlainImages(torch.utils.data.Dataset[tuple[Tensor, int]]):
    """Images as the authors' repositories read them: PIL, then torchvision's transforms, one by one."""

    def __init__(self, images: Images, size: int) -> None:
        t = import_torchvision("torchvision.transforms")
        steps = [t.RandomCrop(size, padding=4), t.RandomHorizontalFlip(), t.ToTensor()]
        self.transform = t.Compose([*steps, t.Normalize((0.5,) * 3, (0.25,) * 3)])
        self.images = images

    def __len__(self) -> int:
        return len(self.images.labels)

    def __getitem__(self, index: int) -> tuple[Tensor, int]:
        from PIL import Image

        pixels = Image.fromarray(self.images.pixels[index])
        return self.transform(pixels), int(self.images.labels[index])


def plain_loop(case: Case, data: RunData, device: torch.device, count: int, workers: int) -> Callable[[], None]:
    """An epoch as the authors' repositories train: PIL transforms, a DataLoader with workers, plain float32.

    count: networks trained on every batch.
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

    def epoch() -> None:
        for images, labels in loader:
            images, labels = images.to(device), labels.to(device)
            for net, optimizer in zip(trained, optimizers, strict=True):
                optimizer.zero_grad()
                F.cross_entropy(net(images), labels).backward()  # type: ignore[no-untyped-call]
                optimizer.step()

    return epoch


def _spread(values: list[float]) -> tuple[float, float]:
    return min(values), max(values)


def _matrix_peak(device: torch.device) -> float:
    """Measured floating-point operations per second of a large bfloat16 matrix product."""
    size, rounds = 8192, 20
    left = torch.randn(size, size, device=device, dtype=torch.bfloat16)
    product = torch.mm(left, left)
    seconds = min(
        _seconds(lambda: [torch.mm(left, left, out=product) for _ in range(rounds)], device) for _ in range(3)
    )
    return 2 * size**3 * rounds / seconds


def _flops_per_image(network: Network, images: Tensor) -> float:
    """Floating-point operations of forward and backward pass, per image."""
    from torch.utils.flop_counter import FlopCounterMode

    with FlopCounterMode(display=False) as counter:
        network(images).sum().backward()
    return float(counter.get_total_flops()) / len(images)


def measure(case: Case) -> Speed:
    """Measure one case with interleaved repeats in this process, which should be a fresh one (peak memory)."""
    torch.set_num_threads(1)
    device = accelerator.prepare(case.device)
    shape = networks.NETWORKS[case.network].image_shape
    data = synthetic_data(case.samples, shape)
    run, _ = execute.build_run(specification(case), data, device)
    trainer.train_epoch(run)  # warm-up
    counter = run.task.counter
    before, samples = (counter.trained, counter.forwarded), run.progress.samples
    trainer.train_epoch(run)
    trained, forwarded = counter.trained - before[0], counter.forwarded - before[1]
    samples = run.progress.samples - samples
    memory = peak_memory(device)
    network, optimizer, batch = _bare(case.network, shape, case.batch_size, case.precision, device, case.compiled)
    bare_epoch(network, optimizer, batch, 2 * case.batch_size, 0)
    count = methods.info(case.method).networks
    plain = plain_loop(case, data, device, count, workers=2) if case.plain else None
    if plain is not None:
        plain()
    ours, bares, plains = [], [], []
    for _ in range(case.repeats):
        ours.append(_seconds(lambda: trainer.train_epoch(run), device))
        bares.append(_seconds(lambda: bare_epoch(network, optimizer, batch, trained, forwarded), device))
        if plain is not None:
            plains.append(_seconds(plain, device) / PLAIN_SAMPLES)
    rates = [samples / seconds for seconds in ours]
    overheads = [mine / bare - 1 for mine, bare in zip(ours, bares, strict=True)]
    rate = statistics.median(rates)
    share = None
    if accelerator.is_cuda(device):
        images_per_second = (trained + forwarded / 3) / statistics.median(ours)
        share = _flops_per_image(network, batch[0]) * images_per_second / _matrix_peak(device)
    return Speed(
        method=case.method,
        network=case.network,
        batch_size=case.batch_size,
        precision=case.precision,
        device=case.device,
        images_per_second=rate,
        images_per_second_spread=_spread(rates),
        overhead=statistics.median(overheads),
        overhead_spread=_spread(overheads),
        ratio_to_plain_loop=rate * statistics.median(plains) if plains else None,
        passes_per_step=(trained + forwarded) / case.samples,
        peak_memory_mib=memory,
        share_of_peak=share,
    )


def measure_all(cases: list[Case]) -> Iterator[Speed]:
    """Measure each case in a fresh process, one after the other."""
    from joblib.externals.loky import ProcessPoolExecutor

    for case in cases:
        files = plugins.added_files()
        with ProcessPoolExecutor(max_workers=1, initializer=plugins.register, initargs=(files,)) as executor:
            yield executor.submit(measure, case).result()


def cases(
    names: list[str],
    networks_: list[str],
    batch_size: int,
    precision: str,
    device: str,
    samples: int,
    repeats: int,
    plain: bool,
    compiled: bool,
) -> list[Case]:
    """All combinations of methods and networks, with `auto` precision resolved."""
    resolved = resolve_precision(precision, device)
    return [
        Case(method, network, batch_size, resolved, device, samples, repeats, plain, compiled)
        for network in networks_
        for method in names
    ]
