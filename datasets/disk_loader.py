"""Batches of a data set whose images are files, read by worker processes that stay; how many changes nothing.

What the workers do is for `datasets.disk_reader`.
"""

from __future__ import annotations

import multiprocessing
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from torch import Generator, Tensor
from torch.utils.data import DataLoader, Sampler

from datasets import augmentation, disk_reader
from datasets.augmentation import Draws
from datasets.base import DataError, ImageFiles
from datasets.decode import crop, decode, prepare
from datasets.disk_reader import Delivery, Order, Reader, Seen
from datasets.loader import THUMBNAIL, Normaliser, batch_bounds
from datasets.views import policies_of

# Named, because joblib's worker processes have a default of their own. Forked workers share what is in memory.
_START = "fork" if sys.platform == "linux" else "spawn"
_OF_A_QUEUE = 16 * 2**10  # bytes of shared memory that its semaphores take at most

_told: set[str] = set()


def _tell(line: str) -> None:
    """Warn once a process: it may read many sets of images."""
    if line not in _told:
        _told.add(line)
        print(f"warning: {line}", file=sys.stderr, flush=True)


_NO_ROOM = f"{disk_reader.SHARED_MEMORY} is too small or full (a container's --shm-size)"


class _Orders(Sampler[Order]):
    """The orders of one walk, handed to the workers one by one."""

    def __init__(self) -> None:
        self.orders: Sequence[Order] = ()

    def __iter__(self) -> Iterator[Order]:
        return iter(self.orders)

    def __len__(self) -> int:
        return len(self.orders)


def _as_it_is(delivery: Any) -> Any:
    return delivery


@dataclass
class _Feed:
    """A set of workers and what they are asked for. It can serve one walk at a time."""

    orders: _Orders
    loader: DataLoader[Delivery]
    busy: bool = field(default=False)


def usable_workers(workers: int) -> int:
    """Worker processes that may be started here: none in a daemonic process, as Dask's workers are."""
    return 0 if multiprocessing.current_process().daemon else workers


class DiskLoader:
    """The images of `files`: resized and cropped as `settings` say, normalised by `mean` and `std` of pixels / 255.

    workers: processes that read; 0: this one does. persistent: they stay between walks.
    """

    def __init__(
        self,
        files: ImageFiles,
        mean: Sequence[float],
        std: Sequence[float],
        settings: Mapping[str, Any],
        device: torch.device,
        workers: int = 0,
        persistent: bool = True,
    ) -> None:
        self.files, self.settings, self.device = files, settings, device
        self.num_samples = len(files.numbers)
        side = int(settings["crop"])
        self.image_shape = (3, side, side)
        self.normalised = Normaliser(mean, std, device)
        self.workers, self.persistent = usable_workers(workers), persistent
        self._reader = Reader(files, int(settings["resize"]), side, bool(settings["flip"]))
        self._feeds: list[_Feed] = []
        prepare()

    def _feed(self) -> _Feed:
        """Workers that are free. Walks that go on side by side each have their own."""
        for feed in self._feeds:
            if not feed.busy:
                return feed
        orders = _Orders()
        loader = DataLoader(
            self._reader,
            batch_size=None,
            sampler=orders,
            num_workers=self.workers,
            collate_fn=_as_it_is,
            pin_memory=self.device.type == "cuda",
            persistent_workers=self.persistent and self.workers > 0,
            multiprocessing_context=_START if self.workers else None,
            generator=Generator(),  # its own: the global one belongs to the training
        )
        feed = _Feed(orders, loader)
        if self.persistent:
            self._feeds.append(feed)
        return feed

    def deliveries(self, orders: Sequence[Order]) -> Iterator[Delivery]:
        """What the workers hand back, in order. Raises DataError naming the first image that cannot be read."""
        feed = self._feed()
        feed.busy, feed.orders.orders = True, orders
        try:
            for delivery in self._delivered(feed, orders):
                if delivery.packed:
                    _tell(f"{_NO_ROOM}: images are read through pipes, which is slower")
                if delivery.fault:
                    raise DataError(delivery.fault)
                yield delivery.unpacked()
        finally:
            feed.busy, feed.orders.orders = False, ()

    def _delivered(self, feed: _Feed, orders: Sequence[Order]) -> Iterable[Delivery]:
        started = self.persistent and feed.loader._iterator is not None
        if self.workers == 0 or started or disk_reader.room() >= _OF_A_QUEUE * (self.workers + 4):
            return iter(feed.loader)
        # not even the queues between the processes have room
        _tell(f"{_NO_ROOM}: images are read without further processes, which is slower")
        return map(self._reader.made, orders)

    def view(self, kind: str, pixels: Tensor, numbers: Tensor) -> Tensor:
        """[B, 3, H, W] float32 on the device: the crops of a view of the policy `kind`, finished there."""
        strengths = augmentation.strengths(self.settings, kind)
        numbers = numbers.to(self.device, non_blocking=True)
        cutout = jitter = None
        if strengths["cutout"]:
            cutout = (numbers[:, 3:5] * self.image_shape[1]).long()
        if strengths["colour_jitter"]:
            jitter = 1 + strengths["colour_jitter"] * (2 * numbers[:, 5:8] - 1)
        draws = Draws(cutout=cutout, jitter=jitter, numbers=numbers[:, disk_reader.NUMBERS :])
        normalised = self.normalised.by(kind)
        return normalised(pixels.to(self.device, non_blocking=True), draws, strengths["cutout"], kind)

    def walk(
        self, rows: Tensor | None, batch_size: int, views: Sequence[str], order: Generator, augment: Generator
    ) -> DiskWalk:
        """One shuffled pass over `rows` ([n] int64; None: all); see `datasets.loader.Loader`."""
        return DiskWalk(self, rows, batch_size, tuple(views), order, augment)

    def plain(self, batch_size: int) -> Iterator[tuple[Tensor, Tensor]]:
        """(index, normalised images) over all rows in order, cropped in the middle."""
        bounds = batch_bounds(self.num_samples, batch_size)
        orders = [Order(np.arange(start, stop), (Seen.of("plain"),)) for start, stop in bounds]
        for delivery in self.deliveries(orders):
            yield delivery.rows.to(self.device), self.view("plain", delivery.pixels[0], delivery.numbers[0])

    def thumbnails(self, rows: np.ndarray) -> np.ndarray:
        """[m, 64, 64, 3] uint8: the middle of the images `rows`, small."""
        small = [crop(decode(self.files.path(row), THUMBNAIL, self.files.own), THUMBNAIL) for row in rows.tolist()]
        return np.ascontiguousarray(torch.stack(small).permute(0, 2, 3, 1).numpy())

    def close(self) -> None:
        """End the workers; the next walk starts new ones.

        It is not left to the garbage collector, which closes the queues through which torch tells the workers to end,
        so that torch waits for them in vain.
        """
        for feed in self._feeds:
            end = getattr(feed.loader._iterator, "_shutdown_workers", None)
            if end is not None:
                end()
        self._feeds.clear()


class DiskWalk:
    """One shuffled pass; see `DiskLoader.walk`."""

    def __init__(
        self,
        loader: DiskLoader,
        rows: Tensor | None,
        batch_size: int,
        views: tuple[str, ...],
        order: Generator,
        augment: Generator,
    ) -> None:
        self.loader, self.views = loader, policies_of(views, loader.settings)
        count = loader.num_samples if rows is None else len(rows)
        permutation = torch.randperm(count, generator=order)
        index = (permutation if rows is None else rows.cpu()[permutation]).numpy()
        seed = int(torch.randint(2**63 - 1, (), generator=augment))
        seen = tuple(map(Seen.of, self.views))
        self.orders = [Order(index[start:stop], seen, seed) for start, stop in batch_bounds(count, batch_size)]

    def __len__(self) -> int:
        return len(self.orders)

    def __iter__(self) -> Iterator[tuple[Tensor, tuple[Tensor, ...]]]:
        return self.after(0)

    def after(self, count: int) -> Iterator[tuple[Tensor, tuple[Tensor, ...]]]:
        """The batches but the first `count`."""
        for delivery in self.loader.deliveries(self.orders[count:]):
            views = zip(self.views, delivery.pixels, delivery.numbers, strict=True)
            yield (
                delivery.rows.to(self.loader.device, non_blocking=True),
                tuple(self.loader.view(*view) for view in views),
            )
