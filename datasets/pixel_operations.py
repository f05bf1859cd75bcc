"""Pillow's operations on 8-bit images, for a whole batch at once and bit for bit as Pillow does them.

Each row of a batch may have drawn another operation. Nothing here waits for the device or depends on what was drawn:
all rows pass through the same few steps (look up, move, blend), which change nothing of a row that drew something else.
What does not depend on the images is planned beforehand: for a policy whose operations have a few values, once and for
all.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Collection
from dataclasses import dataclass, replace
from enum import IntEnum, auto

import torch
from torch import Tensor

from datasets.pixel_moves import moved, slanted, smoothed, source_steps


class Operation(IntEnum):
    """What may be done to an image; `value` is what it takes, as the function of Pillow that it stands for.

    Of the geometric ones: SHEAR the coefficient of the affine matrix, TRANSLATE pixels to the left or up, ROTATE
    degrees against the clock; they take the nearest pixel. CUTOUT is not done here (see `boxed`).
    """

    IDENTITY = 0
    AUTOCONTRAST = auto()
    EQUALIZE = auto()
    INVERT = auto()
    POSTERIZE = auto()  # bits that are kept
    SOLARIZE = auto()  # threshold
    SOLARIZE_ADD = auto()  # what is added, clipped, before solarising at 128
    BRIGHTNESS = auto()  # factor of ImageEnhance, as of the three below
    CONTRAST = auto()
    COLOR = auto()
    SHARPNESS = auto()
    SHEAR_X = auto()
    SHEAR_Y = auto()
    SHEAR_Y_BICUBIC = auto()
    TRANSLATE_X = auto()
    TRANSLATE_Y = auto()
    ROTATE = auto()
    CUTOUT = auto()


GEOMETRIC = frozenset({
    Operation.SHEAR_X, Operation.SHEAR_Y, Operation.TRANSLATE_X, Operation.TRANSLATE_Y, Operation.ROTATE,
})  # fmt: skip
LOOKED_UP = frozenset({
    Operation.AUTOCONTRAST, Operation.EQUALIZE, Operation.INVERT, Operation.POSTERIZE, Operation.SOLARIZE,
    Operation.SOLARIZE_ADD, Operation.BRIGHTNESS, Operation.CONTRAST,
})  # fmt: skip
BLENDED = frozenset({Operation.COLOR, Operation.SHARPNESS})


@dataclass(frozen=True)
class Operations:
    """What is to be done to each of n images, as far as it does not depend on them.

    kind: [n] int64 of Operation. value: [n] float64. steps: [n, 2, 3] int64, see `source_steps`. table: [n, 256] uint8,
    what becomes of a pixel's value by the operations that look nothing up in the image. among: all that `kind` may
    hold; the others cost nothing. fill: what geometric operations put where nothing is.
    """

    kind: Tensor
    value: Tensor
    steps: Tensor
    table: Tensor
    among: frozenset[Operation]
    fill: int = 0

    def take(self, rows: Tensor | slice) -> Operations:
        """The plan of these rows."""
        return replace(
            self, kind=self.kind[rows], value=self.value[rows], steps=self.steps[rows], table=self.table[rows]
        )


def planned(
    kind: Tensor, value: Tensor, among: Collection[Operation], size: tuple[int, int], fill: int = 0
) -> Operations:  # fmt: skip
    """The plan of operations `kind` with these values, for images of (height, width)."""
    steps = source_steps(_affine(kind, value, size)) if GEOMETRIC.intersection(among) else kind[:, None, None]
    table = _fixed_tables(kind, value, among) if LOOKED_UP.intersection(among) else kind[:, None]
    return Operations(kind, value, steps, table, frozenset(among), fill)


def to_bytes(images: Tensor) -> Tensor:
    """[0, 1] float to 0..255 uint8, rounded; exact where pixels were divided by 255."""
    return (images * 255).round_().clamp_(0, 255).to(torch.uint8).contiguous()


def operate(images: Tensor, plan: Operations) -> Tensor:
    """[B, C, H, W] uint8, contiguous as `images` is: each image after its own operation."""
    among, transformed = plan.among, images
    blends = not BLENDED.isdisjoint(among)
    exact = images.float() if blends or Operation.CONTRAST in among else images
    shade = grey(exact) if Operation.COLOR in among or Operation.CONTRAST in among else exact
    if not LOOKED_UP.isdisjoint(among):
        flat = images.flatten(2).long()
        transformed = _tables(images, flat, shade, plan).expand(*flat.shape[:2], 256).gather(2, flat).view(images.shape)
    if not GEOMETRIC.isdisjoint(among):
        transformed = moved(transformed, plan.steps, plan.fill)
    if Operation.SHEAR_Y_BICUBIC in among:
        transformed = slanted(transformed, plan.value.where(plan.kind == Operation.SHEAR_Y_BICUBIC, 0), plan.fill)
    if blends:
        kinds, factor = plan.kind[:, None, None, None], plan.value[:, None, None, None]
        if Operation.COLOR in among:
            transformed = torch.where(kinds == Operation.COLOR, blend(shade, exact, factor), transformed)
        if Operation.SHARPNESS in among:
            transformed = torch.where(kinds == Operation.SHARPNESS, blend(smoothed(exact), exact, factor), transformed)
    return transformed


def grey(images: Tensor) -> Tensor:
    """[B, 1, H, W] float32: the luma of RGB images of 0 to 255; of others the mean of their channels, rounded down.

    All is exact: whole numbers below 2**24.
    """
    images = images.float()
    if images.shape[1] != 3:
        return images.sum(1, keepdim=True).div(images.shape[1]).add(1e-3).floor()
    weighted = (images * _luma(images.device)).sum(1, keepdim=True)
    return ((weighted + 0x8000) * 2**-16).floor()


@functools.cache
def _luma(device: torch.device) -> Tensor:
    return torch.tensor([19595.0, 38470.0, 7471.0], device=device)[:, None, None]


@functools.cache
def _levels(device: torch.device) -> Tensor:
    return torch.arange(256, device=device)


def blend(base: Tensor, images: Tensor, factor: Tensor) -> Tensor:
    """uint8: from `base` (0) to `images` (1) or beyond; all broadcast, factor is rounded to float32 as Pillow does."""
    return (base + factor.float() * (images - base)).clamp_(0, 255).to(torch.uint8)


def boxed(images: Tensor, side: Tensor, centre: Tensor, colour: tuple[int, ...], drawn: Tensor | None = None) -> Tensor:
    """`images` [B, C, H, W] uint8, now with a filled rectangle where `drawn` ([B] bool; None: everywhere).

    side: [B] float64 in pixels. centre: [B, 2] float64 (x, y). The corner is half a side before the centre, not below
    0, rounded down; the far one is `side` further, at most at the border, rounded down. Both belong to the rectangle.
    """
    inside = None
    for axis, size in ((0, images.shape[3]), (1, images.shape[2])):
        first = (centre[:, axis] - side / 2).clamp_min(0).floor()
        last = (first + side).clamp_max(size).floor()
        places = torch.arange(size, device=images.device)
        within = (places >= first[:, None]) & (places <= last[:, None])
        inside = within[:, None, :] if inside is None else inside & within[:, :, None]
    assert inside is not None
    if drawn is not None:
        inside = inside & drawn[:, None, None]
    for channel in range(images.shape[1]):  # numbers go to a device as arguments, a tensor of three would be copied
        images[:, channel].masked_fill_(inside, colour[channel % len(colour)])
    return images


def _affine(kind: Tensor, value: Tensor, size: tuple[int, int]) -> Tensor:
    """[n, 2, 3] float64: Pillow's matrix, from a pixel of the result to one of the image."""

    def of(operation: Operation, otherwise: float | Tensor = 0.0) -> Tensor:
        return torch.where(kind == operation, value, otherwise)

    height, width = size
    angle = -torch.deg2rad(of(Operation.ROTATE))
    cosine, sine = angle.cos(), angle.sin()
    right = width / 2 - (cosine * (width / 2) + sine * (height / 2))
    down = height / 2 - (cosine * (height / 2) - sine * (width / 2))
    along = of(Operation.SHEAR_X, sine)
    across = of(Operation.SHEAR_Y, -sine)
    right, down = of(Operation.TRANSLATE_X, right), of(Operation.TRANSLATE_Y, down)
    return torch.stack([cosine, along, right, across, cosine, down], 1).view(-1, 2, 3)


def _fixed_tables(kind: Tensor, value: Tensor, among: Collection[Operation]) -> Tensor:
    """[n, 256] uint8: what each value of a pixel becomes by the operations that are the same for all images."""
    levels, kinds, values = _levels(kind.device), kind[:, None], value[:, None]
    table = levels.expand(len(kind), 256)
    made: dict[Operation, Callable[[], Tensor]] = {
        Operation.INVERT: lambda: 255 - levels,
        Operation.POSTERIZE: lambda: levels & (-1 << (8 - values.where(kinds == Operation.POSTERIZE, 8).long())),
        Operation.SOLARIZE: lambda: torch.where(levels < values, levels, 255 - levels),
        Operation.SOLARIZE_ADD: lambda: _solarize_added(levels, values),
        Operation.BRIGHTNESS: lambda: blend(torch.zeros_like(levels), levels.float(), values),
    }
    for operation, function in made.items():
        if operation in among:
            table = torch.where(kinds == operation, function(), table)
    return table.to(torch.uint8)


def _solarize_added(levels: Tensor, values: Tensor) -> Tensor:
    brighter = (levels + values.long()).clamp_(0, 255)
    return torch.where(brighter < 128, brighter, 255 - brighter)


def _tables(images: Tensor, flat: Tensor, shade: Tensor, plan: Operations) -> Tensor:
    """[B, C or 1, 256] uint8: what each value of a pixel becomes; itself where `kind` is no operation of this sort."""
    table, levels, kinds = plan.table[:, None], _levels(images.device), plan.kind[:, None, None]
    if Operation.CONTRAST in plan.among:
        changed = blend(_mean(shade)[:, None, None], levels, plan.value[:, None, None])
        table = torch.where(kinds == Operation.CONTRAST, changed, table)
    if Operation.AUTOCONTRAST in plan.among:
        table = torch.where(kinds == Operation.AUTOCONTRAST, _stretched(images, levels), table)
    if Operation.EQUALIZE in plan.among:
        table = torch.where(kinds == Operation.EQUALIZE, _equalised(flat, levels), table)
    return table


def _mean(shade: Tensor) -> Tensor:
    """[B] float32: the mean of grey images, rounded half up."""
    pixels = shade[0].numel()
    return ((2 * shade.flatten(1).sum(1, dtype=torch.float64).long() + pixels) // (2 * pixels)).float()


def _stretched(images: Tensor, levels: Tensor) -> Tensor:
    """[B, C, 256] uint8: from the darkest to the brightest value of a channel, stretched over all."""
    lowest, highest = images.flatten(2).aminmax(dim=2, keepdim=True)
    low, high = lowest.double(), highest.double()
    scale = torch.div(torch.full_like(low, 255), (high - low).clamp_min(1))  # `255 / tensor` is rounded twice
    stretched = (levels * scale + -low * scale).clamp_(0, 255).to(torch.uint8)
    return torch.where(high > low, stretched, levels.to(torch.uint8))


def _equalised(flat: Tensor, levels: Tensor) -> Tensor:
    """[B, C, 256] uint8: as many pixels of a channel on each stretch of values. flat: [B, C, H * W] int64."""
    planes = flat.shape[0] * flat.shape[1]
    place = (flat.view(planes, -1) + 256 * torch.arange(planes, device=flat.device)[:, None]).view(-1)
    counts = place.new_zeros(planes * 256).index_add_(0, place, place.new_ones(1).expand(place.shape))
    counts = counts.view(*flat.shape[:2], 256)
    step = (flat.shape[2] - counts.gather(2, flat.amax(2, keepdim=True))) // 255
    equalised = (counts.cumsum(2) - counts + step // 2) // step.clamp_min(1)
    return torch.where(step > 0, equalised.clamp_max_(255), levels).to(torch.uint8)
