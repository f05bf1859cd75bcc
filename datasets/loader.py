"""Batches of a small-image data set that lives on the training device as one uint8 tensor."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import fields
from typing import Any, Protocol

import numpy as np
import torch
from torch import Generator, Tensor

from datasets import augmentation
from datasets.augmentation import Draws
from datasets.base import DataError, Images, ImageSet
from datasets.views import VIEW_POLICIES, policies_of


class Loader(Protocol):
    """What the trainer needs of the training set, whether it lies in memory or on a disk.

    A walk is one shuffled pass over rows of the set; both generators live on the CPU. image_shape: (C, H, W) of views.
    """

    num_samples: int
    image_shape: tuple[int, int, int]

    def walk(
        self, rows: Tensor | None, batch_size: int, views: Sequence[str], order: Generator, augment: Generator
    ) -> Walk: ...

    def plain(self, batch_size: int) -> Iterator[tuple[Tensor, Tensor]]:
        """(index [B], images [B, C, H, W]) over all rows in order, without augmentation."""
        ...

    def thumbnails(self, rows: np.ndarray) -> np.ndarray:
        """[m, H, W, C] uint8: the images `rows`, thinned out where they are large."""
        ...

    def close(self) -> None:
        """End the processes that read for it; it can go on with new ones."""


class Walk(Protocol):
    """Batches as (index [B] int64 on the device, one image tensor per view)."""

    def __len__(self) -> int: ...
    def __iter__(self) -> Iterator[tuple[Tensor, tuple[Tensor, ...]]]: ...

    def after(self, count: int) -> Iterator[tuple[Tensor, tuple[Tensor, ...]]]:
        """The batches but the first `count`."""
        ...


def batch_bounds(count: int, batch_size: int) -> list[tuple[int, int]]:
    """Slices that cover `count` samples; a last batch of one sample joins the batch before it."""
    bounds = [(start, min(start + batch_size, count)) for start in range(0, count, batch_size)]
    if len(bounds) > 1 and bounds[-1][1] - bounds[-1][0] == 1:
        bounds[-2:] = [(bounds[-2][0], count)]
    return bounds


THUMBNAIL = 64  # pixels on a side, at least, of a thumbnail of a larger image


class Normaliser:
    """From pixels to what networks are fed; `mean` and `std` per channel are of pixels / 255."""

    def __init__(self, mean: Sequence[float], std: Sequence[float], device: torch.device) -> None:
        self.mean = torch.tensor(mean, dtype=torch.float32, device=device)
        self.std = torch.tensor(std, dtype=torch.float32, device=device)
        self.scale = 1 / (255 * self.std)
        self.shift = -self.mean / self.std
        self._others: dict[str, Normaliser] = {}

    def by(self, kind: str) -> Normaliser:
        """The one for a view of the policy `kind`, which may name mean and deviation of its own.

        Raises DataError where it does for another number of channels.
        """
        policy = VIEW_POLICIES[kind]
        if policy.mean is None or policy.std is None:
            return self
        if kind not in self._others:
            if not len(policy.mean) == len(policy.std) == len(self.mean):
                raise DataError(f"view policy {kind!r}: is for images of {len(policy.mean)} channels")
            self._others[kind] = Normaliser(policy.mean, policy.std, self.mean.device)
        return self._others[kind]

    def __call__(
        self, pixels: Tensor, draws: Draws | None = None, cutout: int = 0, kind: str = "plain", applied: bool = False
    ) -> Tensor:
        """[B, H, W, C] uint8 to [B, C, H, W] float32, channels-last in memory, jittered and cut out as drawn.

        cutout: side of the square, in pixels. kind: the view policy. applied: what it applies has been applied already.
        """
        applied = applied or VIEW_POLICIES[kind].apply is None
        if (draws is None or draws.jitter is None) and applied:
            values = pixels.to(torch.float32, memory_format=torch.contiguous_format)
            width = pixels.shape[2]
            # by rows of pixels: a row is long enough for the processor's vectors, a pixel of three channels is not
            rows = values.view(-1, width * pixels.shape[3])
            torch.addcmul(self.shift.repeat(width), rows, self.scale.repeat(width), out=rows)
            images = values.permute(0, 3, 1, 2)
        else:
            bright = pixels.permute(0, 3, 1, 2).float() / 255
            if draws is not None and draws.jitter is not None:
                bright = augmentation.jitter_colours(bright, draws.jitter)
            if not applied:
                bright = augmentation.applied(kind, bright, None if draws is None else draws.numbers)
            images = (bright - self.mean[:, None, None]) / self.std[:, None, None]
        if draws is not None and draws.cutout is not None:
            images = augmentation.cut_out(images, draws.cutout, cutout)
        return images


class MemoryLoader:
    """Images [N, H, W, C] uint8 on the device; `mean` and `std` per channel are of pixels / 255."""

    def __init__(
        self,
        pixels: np.ndarray,
        mean: Sequence[float],
        std: Sequence[float],
        settings: Mapping[str, Any],
        device: torch.device,
    ) -> None:
        self.device = device
        self.settings = settings
        self.pixels = torch.from_numpy(np.ascontiguousarray(pixels)).to(device)
        self.num_samples = len(pixels)
        self.size = (pixels.shape[1], pixels.shape[2])
        self.image_shape = (pixels.shape[3], *self.size)
        self.normalised = Normaliser(mean, std, device)
        self._padded: dict[int, Tensor] = {0: self.pixels}

    def _source(self, padding: int) -> Tensor:
        if padding not in self._padded:
            self._padded[padding] = augmentation.padded(self.pixels, padding, self.settings["padding_mode"])
        return self._padded[padding]

    def view(self, kind: str, index: Tensor, draws: Draws) -> Tensor:
        """[B, C, H, W] float32: the images `index` seen by the view policy `kind` with these draws."""
        strengths = augmentation.strengths(self.settings, kind)
        padding, first = strengths["crop_padding"], VIEW_POLICIES[kind].first
        if first:
            changed = augmentation.applied_first(kind, self.pixels[index], draws.numbers)
            source = augmentation.padded(changed, padding, self.settings["padding_mode"])
            index = torch.arange(len(index), device=self.device)
        else:
            source = self._source(padding)
        pixels = augmentation.crop_and_flip(source, index, self.size, draws)
        return self.normalised.by(kind)(pixels, draws, strengths["cutout"], kind, applied=first)

    def walk(
        self, rows: Tensor | None, batch_size: int, views: Sequence[str], order: Generator, augment: Generator
    ) -> MemoryWalk:
        """One shuffled pass over `rows` ([n] int64; None: all), order and augmentation drawn at once."""
        return MemoryWalk(self, rows, batch_size, views, order, augment)

    def plain(self, batch_size: int) -> Iterator[tuple[Tensor, Tensor]]:
        """(index, normalised images) over all rows in order, without augmentation."""
        for start, stop in batch_bounds(self.num_samples, batch_size):
            yield torch.arange(start, stop, device=self.device), self.normalised(self.pixels[start:stop])

    def thumbnails(self, rows: np.ndarray) -> np.ndarray:
        """[m, H, W, C] uint8: the images `rows`, thinned out where they are large."""
        stride = max(1, self.size[0] // THUMBNAIL)
        kept = self.pixels[torch.from_numpy(rows).to(self.device)][:, ::stride, ::stride]
        return np.ascontiguousarray(kept.cpu().numpy())

    def close(self) -> None:
        """Nothing reads for images in memory."""


class MemoryWalk:
    """One shuffled pass; see `MemoryLoader.walk`."""

    def __init__(
        self,
        loader: MemoryLoader,
        rows: Tensor | None,
        batch_size: int,
        views: Sequence[str],
        order: Generator,
        augment: Generator,
    ) -> None:
        self.loader, self.views = loader, policies_of(tuple(views), loader.settings)
        count = loader.num_samples if rows is None else len(rows)
        permutation = torch.randperm(count, generator=order).to(loader.device)
        self.index = permutation if rows is None else rows.to(loader.device)[permutation]
        self.bounds = batch_bounds(count, batch_size)
        self.draws = [
            augmentation.draw(augmentation.strengths(loader.settings, kind), count, loader.size, augment, loader.device)
            for kind in self.views
        ]

    def __len__(self) -> int:
        return len(self.bounds)

    def __iter__(self) -> Iterator[tuple[Tensor, tuple[Tensor, ...]]]:
        return self.after(0)

    def after(self, count: int) -> Iterator[tuple[Tensor, tuple[Tensor, ...]]]:
        """The batches but the first `count`."""
        return (self.at(slice(*bounds)) for bounds in self.bounds[count:])

    def take(self, other: MemoryWalk) -> None:
        """Become a walk like `other`, of as many samples, in the same memory."""
        self.index.copy_(other.index)
        for mine, others in zip(self.draws, other.draws, strict=True):
            for field in fields(Draws):
                value = getattr(mine, field.name)
                if value is not None:
                    value.copy_(getattr(others, field.name))

    def at(self, positions: slice | Tensor) -> tuple[Tensor, tuple[Tensor, ...]]:
        """(index, one image tensor per view) of the walk's samples at these positions ([B] int64 on the device)."""
        index = self.index[positions]
        views = zip(self.views, self.draws, strict=True)
        return index, tuple(self.loader.view(kind, index, _part(draws, positions)) for kind, draws in views)


def _part(draws: Draws, positions: slice | Tensor) -> Draws:
    values = (getattr(draws, field.name) for field in fields(draws))
    return Draws(*(None if value is None else value[positions] for value in values))


def open_loader(
    images: ImageSet,
    mean: Sequence[float],
    std: Sequence[float],
    settings: Mapping[str, Any],
    device: torch.device,
    workers: int = 0,
    persistent: bool = True,
) -> Loader:
    """The loader of a set of images: of pixels in memory, or of files that `workers` processes read."""
    if isinstance(images, Images):
        return MemoryLoader(images.pixels, mean, std, settings, device)
    from datasets.disk_loader import DiskLoader  # needs torchvision, which small images do not

    return DiskLoader(images, mean, std, settings, device, workers, persistent)
