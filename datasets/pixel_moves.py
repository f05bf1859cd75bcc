"""Moved, slanted, resized and smoothed 8-bit images of a batch, bit for bit in Pillow's arithmetic."""

from __future__ import annotations

import functools

import torch
from torch import Tensor
from torch.nn.functional import avg_pool2d

_ONE = 1 << 16  # Pillow's affine transformation counts in steps of 1/65536
_WEIGHT_BITS = 22  # and its resizing in weights of 1/2**22


@functools.cache
def _grid(height: int, width: int, device: torch.device) -> tuple[Tensor, Tensor, Tensor]:
    """Columns [W], rows [H], and the sides [2, 1, 1] (width, height), all int64."""
    sides = torch.tensor([width, height], device=device)[:, None, None]
    return torch.arange(width, device=device), torch.arange(height, device=device), sides


def source_steps(matrix: Tensor) -> Tensor:
    """[n, 2, 3] int64, in steps of 1/65536: how column and row of the source grow by column and by row, and begin.

    matrix: [n, 2, 3] float64, Pillow's. Images that are only shifted are not counted in steps.
    """
    by_x, by_y, start = matrix.unbind(2)
    middle = start + by_x * 0.5 + by_y * 0.5
    shifted = torch.stack([by_y[:, 0], by_x[:, 1]], 1) == 0
    first = torch.where(shifted, middle.floor() * _ONE, (middle * _ONE + 0.5).floor())
    return torch.cat([(matrix[:, :, :2] * _ONE + 0.5).floor(), first[:, :, None]], 2).long()


def moved(images: Tensor, steps: Tensor, fill: int = 0) -> Tensor:
    """[B, C, H, W] uint8: the nearest pixel of each image, by `source_steps` [B, 2, 3]; `fill` outside."""
    height, width = images.shape[-2:]
    xs, ys, sides = _grid(height, width, images.device)
    along, across, first = steps.unbind(2)
    rows = across[:, :, None] * ys + first[:, :, None]
    source = (rows[:, :, :, None] + (along[:, :, None] * xs)[:, :, None, :]) >> 16
    outside = ((source < 0) | (source >= sides)).any(1)
    position = (source[:, 1] * width + source[:, 0]).masked_fill_(outside, 0)
    pixels = images.flatten(2).gather(2, position.view(len(images), 1, -1).expand(-1, images.shape[1], -1))
    return pixels.view(images.shape).masked_fill_(outside[:, None], fill)


def slanted(images: Tensor, slope: Tensor, fill: int = 0) -> Tensor:
    """[B, C, H, W] uint8: row y from row y + slope * x, bicubic; `fill` outside. slope: [B] float64."""
    batch, channels, height, width = images.shape
    xs = torch.arange(width, device=images.device) + 0.5
    ys = torch.arange(height, device=images.device) + 0.5
    wanted = slope[:, None, None] * xs + ys[:, None]
    outside = (wanted < 0) | (wanted >= height)
    below = (wanted - 0.5).floor()
    share = (wanted - 0.5 - below)[:, None]
    before, here, after, beyond = (
        images.gather(2, (below.long() + step).clamp_(0, height - 1)[:, None].expand(batch, channels, height, width))
        .double()
        for step in (-1, 0, 1, 2)
    )  # fmt: skip
    cubed = -before + here - after + beyond
    squared = 2 * (before - here) + after - beyond
    interpolated = here + share * (after - before + share * (squared + share * cubed))
    return interpolated.clamp_(0, 255).to(torch.uint8).masked_fill_(outside[:, None], fill)


def resized(images: Tensor, first: Tensor, length: Tensor) -> Tensor:
    """[B, C, H, W] uint8: a part of each image, enlarged to all of it with Pillow's bilinear filter.

    first, length: [B, 2] int64, of rows and columns: where the part begins, and how long it is (at most the side).
    """
    batch, channels, height, width = images.shape
    for axis, size in ((1, width), (0, height)):  # along a row first, rounded to 8 bits between
        left, right, share = _taps(length[:, axis], size)
        shape = (batch, 1, 1, size) if axis else (batch, 1, size, 1)
        parts = []
        for tap, weight in ((left, share[0]), (right, share[1])):
            place = (first[:, axis, None] + tap).view(shape).expand(batch, channels, height, width)
            parts.append(images.gather(3 if axis else 2, place).long() * weight.view(shape))
        images = ((parts[0] + parts[1] + (1 << (_WEIGHT_BITS - 1))) >> _WEIGHT_BITS).clamp_(0, 255).to(torch.uint8)
    return images


def _taps(length: Tensor, size: int) -> tuple[Tensor, Tensor, tuple[Tensor, Tensor]]:
    """For each of `size` results the two pixels of [0, length) that it comes from, and their weights: all [B, size]."""
    centre = (torch.arange(size, device=length.device) + 0.5) * (length.double() / size)[:, None]
    first = (centre - 0.5).long()  # towards 0
    last = (centre + 1.5).long()  # not included
    left = first.clamp_min(0)
    right = left + 1
    weights = []
    for tap in (left, right):
        weight = (1 - (tap - centre + 0.5).abs()).clamp_min(0)
        weights.append(torch.where((tap < last) & (tap < length[:, None]), weight, 0))
    total = weights[0] + weights[1]
    fixed_point = [(weight / total * (1 << _WEIGHT_BITS) + 0.5).long() for weight in weights]
    return left, torch.minimum(right, length[:, None] - 1), (fixed_point[0], fixed_point[1])


def smoothed(images: Tensor) -> Tensor:
    """Pillow's SMOOTH of float images of whole numbers: a pixel counts five times, its neighbours once, of 13 in all.

    The outermost pixels are left alone. A sum that is halfway between two numbers cannot be: 13 is odd.
    """
    if min(images.shape[-2:]) < 3:
        return images
    inner = images[..., 1:-1, 1:-1]
    smooth = images.clone()
    smooth[..., 1:-1, 1:-1] = ((avg_pool2d(images, 3, 1) * 9 + inner * 4) / 13 + 0.5).floor_()
    return smooth
