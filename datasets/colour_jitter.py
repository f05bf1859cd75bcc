"""torchvision's ColorJitter, RandomGrayscale and RandomResizedCrop on 8-bit images, as they are on Pillow's.

Sources: pytorch/vision transforms; the strengths are those of MOIT and Sel-CL, which have them from SimCLR.
"""

from __future__ import annotations

import functools
import itertools
import math

import torch
from torch import Tensor

from datasets.pixel_moves import resized
from datasets.pixel_operations import Operation, grey, operate, planned, to_bytes
from datasets.random_choice import between, chosen

STRENGTH, HUE = 0.4, 0.1
JITTER_NUMBERS = 5  # the order of the four, then brightness, contrast, saturation and hue
_TRIES = 10  # as torchvision tries to find a part that lies in the image
_KINDS = (Operation.BRIGHTNESS, Operation.CONTRAST, Operation.COLOR)
_IN_HUE = len(_KINDS)  # the fourth of them, which is no operation of `pixel_operations`
_NOTHING = _IN_HUE + 1


@functools.cache
def _orders(device: torch.device) -> Tensor:
    """[24, 4] int64: all orders of brightness, contrast, saturation and hue."""
    return torch.tensor(list(itertools.permutations(range(4))), device=device)


@functools.cache
def _codes(device: torch.device) -> Tensor:
    """[5] int64: their operations, and for none."""
    return torch.tensor([*map(int, _KINDS), int(Operation.IDENTITY), int(Operation.IDENTITY)], device=device)


def jittered(pixels: Tensor, numbers: Tensor, does: Tensor | None = None) -> Tensor:
    """[B, C, H, W] uint8 with their colours changed, in an order of each image's own.

    numbers: [B, 5]. does: [B] bool; None: all. Images that are not RGB keep their hue.
    """
    factors = torch.cat([between(numbers[:, 1:4], 1 - STRENGTH, 1 + STRENGTH), between(numbers[:, 4:5], -HUE, HUE)], 1)
    order = _orders(numbers.device)[chosen(numbers[:, 0], 24)]
    parts = order.where(does[:, None], _NOTHING) if does is not None else order
    kinds, values = _codes(numbers.device)[parts].T.reshape(-1), factors.gather(1, order).T.reshape(-1)
    plan = planned(kinds, values, _KINDS, (pixels.shape[2], pixels.shape[3]))
    for step in range(4):
        part = plan.take(slice(step * len(pixels), (step + 1) * len(pixels)))
        pixels = operate(pixels, part)
        if pixels.shape[1] == 3:
            turned = (parts[:, step] == _IN_HUE)[:, None, None, None]
            pixels = torch.where(turned, in_hue(pixels, part.value), pixels)
    return pixels


def in_hue(pixels: Tensor, share: Tensor) -> Tensor:
    """[B, 3, H, W] uint8 with the hue turned by `share` ([B] float64) of a full turn, through Pillow's 8-bit HSV."""
    steps = torch.remainder((share * 255).long(), 256)  # towards 0
    hue, saturation, value = _hsv(pixels)
    return _rgb((hue + steps[:, None, None]) % 256, saturation, value)


def _hsv(pixels: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Hue and saturation of 0 to 255, int64, and value, float32, each [B, H, W]; single precision where Pillow's is."""
    exact = pixels.float()
    most, least = exact.amax(1, keepdim=True), exact.amin(1, keepdim=True)
    spread = most - least
    below = ((most - exact) / spread.clamp_min(1)).double()
    sectors = 2 * torch.arange(3, device=pixels.device)[:, None, None]
    red, green, blue = (below.roll(1, 1) - below.roll(-1, 1) + sectors).float().unbind(1)
    is_red, is_green, _ = (exact == most).unbind(1)
    angle = red.where(is_red, green.where(is_green, blue))
    hue = torch.fmod(angle.double() / 6.0 + 1.0, 1.0).float()
    saturation = (spread / most.clamp_min(1))[:, 0]
    scaled = (torch.stack([hue, saturation]).double() * 255.0).long().where(spread[:, 0] > 0, 0)
    return scaled[0], scaled[1], most[:, 0]


@functools.cache
def _parts(device: torch.device) -> Tensor:
    """[6, 3] int64, by sector of the hue: which of value, low, falling and rising are red, green and blue."""
    return torch.tensor([[0, 3, 1], [2, 0, 1], [1, 0, 3], [1, 2, 0], [3, 1, 0], [0, 1, 2]], device=device)


def _rgb(hue: Tensor, saturation: Tensor, value: Tensor) -> Tensor:
    """[B, 3, H, W] uint8 of hue and saturation, int64, and value, float32, each [B, H, W]."""
    sixth = (hue.double() * 6.0 / 255.0).float()
    sector = sixth.floor()
    share, strength = sixth - sector, (saturation.double() / 255.0).float()
    taken = torch.stack([torch.zeros_like(share), strength, strength * share, strength * (1.0 - share)])
    levels = (value * (1.0 - taken) + 0.5).floor_()  # C rounds halves away from 0
    channels = levels.gather(0, _parts(hue.device)[sector.long() % 6].permute(3, 0, 1, 2))
    return channels.transpose(0, 1).to(torch.uint8).contiguous()


def part_of(numbers: Tensor, size: tuple[int, int]) -> tuple[Tensor, Tensor]:
    """First row and column, and length in rows and columns, both [B, 2] int64, of a random part of each image.

    Area .08 to 1 of the image, ratio 3/4 to 4/3, drawn ten times until the part lies in the image; else the largest
    part of an accepted ratio, in the middle. numbers: [B, 22].
    """
    height, width = size
    area = between(numbers[:, : 2 * _TRIES : 2], 0.08, 1.0) * (height * width)
    ratio = between(numbers[:, 1 : 2 * _TRIES : 2], math.log(3 / 4), math.log(4 / 3)).exp()
    lengths = torch.stack([(area / ratio).sqrt().round().long(), (area * ratio).sqrt().round().long()], 2)
    fits = ((lengths > 0).all(2)) & (lengths[:, :, 0] <= height) & (lengths[:, :, 1] <= width)
    first = torch.where(fits, 0, 1).argmin(1)  # the first of the smallest
    extent = lengths.gather(1, first[:, None, None].expand(-1, 1, 2))[:, 0]
    rows, columns = _largest(height, width)
    none, axis = ~fits.any(1), torch.arange(2, device=numbers.device) == 0
    extent = torch.where(none[:, None], torch.where(axis, rows, columns), extent)
    left_over = torch.where(axis, height, width) - extent
    start = (numbers[:, 2 * _TRIES :].double() * (left_over + 1)).long().minimum(left_over)
    return torch.where(none[:, None], left_over.div(2, rounding_mode="floor"), start), extent


def _largest(height: int, width: int) -> tuple[int, int]:
    """Rows and columns of the largest part of a ratio between 3/4 and 4/3."""
    if width / height < 3 / 4:
        return round(width / (3 / 4)), width
    return (height, round(height * (4 / 3))) if width / height > 4 / 3 else (height, width)


def contrastive(images: Tensor, numbers: Tensor) -> Tensor:
    """A random part at full size, flip, jitter with probability .8, grey with probability .2.

    Numbers: area and ratio of each try, row, column, flip, whether there is jitter, jitter, whether it is made grey.
    """
    pixels = to_bytes(images)
    crop, rest = numbers[:, : 2 * _TRIES + 2], numbers[:, 2 * _TRIES + 2 :]
    pixels = resized(pixels, *part_of(crop, (images.shape[2], images.shape[3])))
    pixels = torch.where((rest[:, 0] < 0.5)[:, None, None, None], pixels.flip(3), pixels)
    pixels = jittered(pixels, rest[:, 2 : 2 + JITTER_NUMBERS], rest[:, 1] < 0.8)
    made_grey = (rest[:, -1] < 0.2)[:, None, None, None]
    return torch.where(made_grey, grey(pixels).to(torch.uint8), pixels).float() / 255


def jitter(images: Tensor, numbers: Tensor) -> Tensor:
    """ColorJitter(.4, .4, .4, .1) of every image."""
    return jittered(to_bytes(images), numbers).float() / 255
