"""What the processes that read image files are asked, do, and hand back.

What a sample looks like is a function of (walk, row, view): the walk's seed and the rows travel to the workers in the
sampler, and each sample has random numbers of its own.
"""

from __future__ import annotations

import math
import shutil
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import Dataset, get_worker_info

from datasets import resized
from datasets.base import DataError, ImageFiles
from datasets.decode import crop, decode
from datasets.randomness import derive_seed, uniforms
from datasets.views import VIEW_POLICIES

SHARED_MEMORY = Path("/dev/shm")
_SPARE = 2 * 2**20  # bytes of it that are left to the semaphores of whoever starts processes
NUMBERS = 8  # random numbers of a view: top, left, flip, cut-out (2), jitter (3)


@dataclass(frozen=True)
class Seen:
    """What a worker must know of a view's policy; it may know no plug-in's. numbers: random numbers of an image."""

    moves: bool
    numbers: int

    @classmethod
    def of(cls, kind: str) -> Seen:
        """Of the policy `kind`. Raises DataError where there is none."""
        policy = VIEW_POLICIES[kind]
        return cls(policy.moves, NUMBERS + policy.numbers if policy.is_random else 0)


@dataclass(frozen=True)
class Order:
    """What a worker is asked for: rows [B] int64, seen as `views`, with the random numbers of the walk `seed`."""

    rows: np.ndarray
    views: tuple[Seen, ...]
    seed: int = 0


@dataclass(frozen=True)
class Delivery:
    """What it hands back: a [B, H, W, 3] uint8 tensor and [B, k] float32 random numbers per view; or what is wrong.

    packed: rows, pixels and numbers as arrays, which travel through a pipe where shared memory has no room for tensors.
    """

    rows: Tensor
    pixels: tuple[Tensor, ...] = ()
    numbers: tuple[Tensor, ...] = ()
    fault: str = ""
    packed: tuple[np.ndarray, ...] = ()

    def shared(self) -> Delivery:
        """The same in memory that the main process can see, or packed.

        Left to torch, tensors are shared by a thread beside the worker. There a full /dev/shm ends in a message on the
        screen, and the main process waits for ever.
        """
        parts = (self.rows, *self.pixels, *self.numbers)
        if sum(part.nbytes for part in parts) + _SPARE <= room():
            try:
                for part in parts:
                    part.share_memory_()  # type: ignore[no-untyped-call]
                return self
            except (RuntimeError, OSError):  # others took the room meanwhile, or too many files are open
                pass
        nothing = torch.empty(0, dtype=torch.int64)
        return Delivery(nothing, fault=self.fault, packed=tuple(part.numpy().copy() for part in parts))

    def unpacked(self) -> Delivery:
        """With tensors again."""
        if not self.packed:
            return self
        rows, *parts = (torch.from_numpy(part) for part in self.packed)
        views = len(parts) // 2
        return Delivery(rows, tuple(parts[:views]), tuple(parts[views:]), self.fault)

    def pin_memory(self) -> Delivery:
        """The same in page-locked memory, from which an accelerator copies while others compute; torch calls it."""
        if self.packed:
            return self
        pixels, numbers = (tuple(part.pin_memory() for part in parts) for parts in (self.pixels, self.numbers))
        return Delivery(self.rows.pin_memory(), pixels, numbers, self.fault)


def room() -> float:
    """Bytes free in shared memory; infinite where the system keeps it elsewhere."""
    try:
        return shutil.disk_usage(SHARED_MEMORY).free
    except OSError:
        return math.inf


class Reader(Dataset[Delivery]):
    """Reads the images of an order; lives in the workers."""

    def __init__(self, files: ImageFiles, resize: int, side: int, flip: bool) -> None:
        # labels stay where they are needed, in the main process
        self.files = replace(files, labels=files.labels[:0])
        self.resize, self.side, self.flip = resize, side, flip

    def image(self, row: int) -> Tensor:
        """[3, H, W] uint8, its shorter side resized. Raises DataError naming the file and what to do."""
        if self.files.copies is None:
            try:
                return decode(self.files.path(row), self.resize, self.files.own)
            except DataError as fault:
                raise DataError(f"{fault}: run `data check`, then `run --skip-broken`") from None
        try:
            copy = resized.read(self.files.copies, self.resize, int(self.files.numbers[row]))
        except OSError as fault:
            why = f"the resized copies cannot be read ({fault.strerror}); `run` makes them before it starts"
            raise DataError(f"{self.files.copies}: {why}") from None
        return decode(copy, self.resize)

    def view(self, image: Tensor, seen: Seen, numbers: np.ndarray) -> Tensor:
        """[H, W, 3] uint8: the crop that the random numbers of this view say."""
        if not seen.moves:
            return crop(image, self.side).permute(1, 2, 0)
        return crop(image, self.side, numbers[0], numbers[1], self.flip and numbers[2] < 0.5).permute(1, 2, 0)

    def __getitem__(self, order: Order) -> Delivery:
        made = self.made(order)
        return made if get_worker_info() is None else made.shared()

    def made(self, order: Order) -> Delivery:
        """The images of the order, in this process's own memory."""
        rows, count = torch.from_numpy(order.rows), len(order.rows)
        pixels = [torch.empty(count, self.side, self.side, 3, dtype=torch.uint8) for _ in order.views]
        numbers = [np.zeros((count, max(NUMBERS, seen.numbers))) for seen in order.views]
        for place, row in enumerate(order.rows.tolist()):
            try:
                image = self.image(row)
            except DataError as fault:
                return Delivery(rows, fault=str(fault))
            for number, seen in enumerate(order.views):
                if seen.numbers:
                    numbers[number][place] = uniforms(derive_seed(order.seed, row, number), seen.numbers)
                pixels[number][place] = self.view(image, seen, numbers[number][place])
        return Delivery(rows, tuple(pixels), tuple(torch.from_numpy(part).float() for part in numbers))
