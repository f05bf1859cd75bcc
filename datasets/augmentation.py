"""Augmentation of small images: drawn on the CPU in one call for a whole walk, applied to a batch at once.

The draws are made on the CPU so that they are the same on every device. Images are kept as [N, H, W, C] uint8, which
makes the result of the gather channels-last without a copy.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Generator, Tensor
from torch.nn.functional import pad

from common.float64 import with_float64
from datasets.base import DataError
from datasets.views import VIEW_POLICIES


@dataclass(frozen=True)
class Draws:
    """The random choices of one view for the n samples of a walk, in walk order, on the training device.

    offset: [n, 2] int64 top and left corner of the crop in the padded image; flip: [n] bool; cutout: [n, 2] int64
    centre of the square; jitter: [n, 3] float32 factors of brightness, contrast and saturation; numbers: [n, k] float32
    for the policy's `apply`.
    """

    offset: Tensor | None = None
    flip: Tensor | None = None
    cutout: Tensor | None = None
    jitter: Tensor | None = None
    numbers: Tensor | None = None


def strengths(settings: Mapping[str, Any], kind: str) -> dict[str, Any]:
    """What the settings `training.augmentation` mean for a view of the policy `kind`; `numbers`: see `ViewPolicy`.

    Raises DataError where there is no such policy.
    """
    policy = VIEW_POLICIES[kind]
    cutout, jitter = policy.strength(settings)
    return {
        "crop_padding": settings["crop_padding"] if policy.moves else 0,
        "flip": settings["flip"] and policy.moves,
        "cutout": cutout,
        "colour_jitter": jitter,
        "numbers": policy.numbers,
    }


def draw(
    settings: Mapping[str, Any], count: int, size: tuple[int, int], generator: Generator, device: torch.device
) -> Draws:
    """Draw one view's choices for `count` samples of height and width `size` from a CPU generator."""
    offset = flip = cutout = jitter = None
    if settings["crop_padding"]:
        offset = torch.randint(0, 2 * settings["crop_padding"] + 1, (count, 2), generator=generator)
    if settings["flip"]:
        flip = torch.randint(0, 2, (count,), generator=generator).bool()
    if settings["cutout"]:
        cutout = (torch.rand(count, 2, generator=generator) * torch.tensor(size)).long()
    if settings["colour_jitter"]:
        jitter = 1 + settings["colour_jitter"] * (2 * torch.rand(count, 3, generator=generator) - 1)
    # last, so that a policy's numbers leave the others as they are
    numbers = torch.rand(count, settings["numbers"], generator=generator) if settings.get("numbers") else None
    return Draws(*(None if part is None else part.to(device) for part in (offset, flip, cutout, jitter, numbers)))


def applied(kind: str, images: Tensor, numbers: Tensor | None) -> Tensor:
    """[B, C, H, W] float32: what the policy `kind` makes of images in [0, 1]. Raises DataError where it is no batch."""
    policy = VIEW_POLICIES[kind]
    if policy.apply is None:
        return images
    shown = with_float64(images)  # some policies compute in it, as Pillow does
    views = policy.apply(shown, shown.new_empty(len(images), 0) if numbers is None else with_float64(numbers))
    if not isinstance(views, Tensor) or views.shape != images.shape or views.dtype != images.dtype:
        given = f"{views.dtype} {list(views.shape)}" if isinstance(views, Tensor) else type(views).__name__
        expected = f"{images.dtype} {list(images.shape)}"
        raise DataError(f"{VIEW_POLICIES.origin(kind)}: view policy {kind!r}: gave {given}, expected {expected}")
    return views.to(images.device)


def applied_first(kind: str, pixels: Tensor, numbers: Tensor | None) -> Tensor:
    """[B, H, W, C] uint8: the same of pixels, before they are cropped; rounded to 8 bits."""
    views = applied(kind, pixels.permute(0, 3, 1, 2).float() / 255, numbers)
    return (views * 255).round_().clamp_(0, 255).to(torch.uint8).permute(0, 2, 3, 1).contiguous()


def padded(pixels: Tensor, padding: int, mode: str) -> Tensor:
    """[N, H, W, C] uint8 images with `padding` pixels on each side, zero (black) or reflected."""
    if padding == 0:
        return pixels
    if mode == "zero":
        return pad(pixels, (0, 0, padding, padding, padding, padding))
    reach = [abs(position) for position in range(-padding, 0)]
    height, width = pixels.shape[1:3]
    rows = [*reach, *range(height), *(height - 2 - k for k in range(padding))]
    columns = [*reach, *range(width), *(width - 2 - k for k in range(padding))]
    return pixels[:, rows][:, :, columns]


def crop_and_flip(source: Tensor, index: Tensor, size: tuple[int, int], draws: Draws) -> Tensor:
    """[B, H, W, C] uint8: the images `index` of the padded `source`, cropped to `size` and flipped as drawn."""
    if draws.offset is None and draws.flip is None:
        return source[index]
    height, width = size
    rows = torch.arange(height, device=source.device)
    columns = torch.arange(width, device=source.device).expand(len(index), width)
    if draws.flip is not None:
        columns = torch.where(draws.flip[:, None], width - 1 - columns, columns)
    if draws.offset is None:
        rows = rows.expand(len(index), height)
    else:
        rows, columns = draws.offset[:, :1] + rows, draws.offset[:, 1:] + columns
    full_height, full_width, channels = source.shape[1:]
    # one number a pixel: a gather of whole pixels takes a quarter of the time of an index of three tensors
    position = ((index[:, None] * full_height + rows) * full_width)[:, :, None] + columns[:, None, :]
    pixels = source.view(-1, channels).index_select(0, position.view(-1))
    return pixels.view(len(index), height, width, channels)


def jitter_colours(images: Tensor, factors: Tensor) -> Tensor:
    """[B, C, H, W] float32 images in [0, 1] with brightness, contrast and saturation scaled by `factors` [B, 3]."""
    brightness, contrast, saturation = (factors[:, k, None, None, None] for k in range(3))
    images = (images * brightness).clamp(0, 1)
    mean = images.mean((1, 2, 3), keepdim=True)
    images = (mean + (images - mean) * contrast).clamp(0, 1)
    if images.shape[1] == 3:
        grey = images.mean(1, keepdim=True)
        images = (grey + (images - grey) * saturation).clamp(0, 1)
    return images


def cut_out(images: Tensor, centres: Tensor, side: int) -> Tensor:
    """[B, C, H, W] normalised images with a square of `side` pixels around `centres` [B, 2] set to zero (the mean)."""
    height, width = images.shape[-2:]
    rows = torch.arange(height, device=images.device)[None, :, None] - centres[:, :1, None]
    columns = torch.arange(width, device=images.device)[None, None, :] - centres[:, 1:, None]
    low, high = -(side // 2), side - side // 2
    inside = (rows >= low) & (rows < high) & (columns >= low) & (columns < high)
    return images.masked_fill(inside[:, None], 0.0)
