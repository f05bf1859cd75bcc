"""AutoAugment's CIFAR-10 policy (Cubuk et al., CVPR 2019), in the three readings of it that published code has.

An image draws one of 25 pairs of operations, and does each with its probability, in order. The readings share the pairs
and their levels, and differ in what a level means. Sources: shengliu66/SOP, nazmul-karim170/UNICON-Noisy-Label,
MrChenFeng/SSR_BMVC2022.

Numbers of an image: the pair; then for each operation whether it is done and which way it goes.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from datasets.pixel_operations import Operation, Operations, operate, planned, to_bytes
from datasets.random_choice import chosen

Step = tuple[Operation, float, int]  # with its probability and its level
Meaning = Callable[[Operation, int], tuple[float, float]]  # the value of an operation at a level, on either side

_AUTOCONTRAST, _EQUALIZE, _INVERT = Operation.AUTOCONTRAST, Operation.EQUALIZE, Operation.INVERT
_BRIGHTNESS, _CONTRAST, _COLOR, _SHARPNESS = (
    Operation.BRIGHTNESS, Operation.CONTRAST, Operation.COLOR, Operation.SHARPNESS,
)  # fmt: skip
_ROTATE, _SHEAR_Y, _LEFT, _UP = Operation.ROTATE, Operation.SHEAR_Y, Operation.TRANSLATE_X, Operation.TRANSLATE_Y
_POSTERIZE, _SOLARIZE = Operation.POSTERIZE, Operation.SOLARIZE

_PAIRS: tuple[tuple[Step, Step], ...] = (
    ((_INVERT, 0.1, 7), (_CONTRAST, 0.2, 6)),
    ((_ROTATE, 0.7, 2), (_LEFT, 0.3, 9)),
    ((_SHARPNESS, 0.8, 1), (_SHARPNESS, 0.9, 3)),
    ((_SHEAR_Y, 0.5, 8), (_UP, 0.7, 9)),
    ((_AUTOCONTRAST, 0.5, 8), (_EQUALIZE, 0.9, 2)),
    ((_SHEAR_Y, 0.2, 7), (_POSTERIZE, 0.3, 7)),
    ((_COLOR, 0.4, 3), (_BRIGHTNESS, 0.6, 7)),
    ((_SHARPNESS, 0.3, 9), (_BRIGHTNESS, 0.7, 9)),
    ((_EQUALIZE, 0.6, 5), (_EQUALIZE, 0.5, 1)),
    ((_CONTRAST, 0.6, 7), (_SHARPNESS, 0.6, 5)),
    ((_COLOR, 0.7, 7), (_LEFT, 0.5, 8)),
    ((_EQUALIZE, 0.3, 7), (_AUTOCONTRAST, 0.4, 8)),
    ((_UP, 0.4, 3), (_SHARPNESS, 0.2, 6)),
    ((_BRIGHTNESS, 0.9, 6), (_COLOR, 0.2, 6)),
    ((_SOLARIZE, 0.5, 2), (_INVERT, 0.0, 3)),
    ((_EQUALIZE, 0.2, 0), (_AUTOCONTRAST, 0.6, 0)),
    ((_EQUALIZE, 0.2, 8), (_EQUALIZE, 0.6, 4)),
    ((_COLOR, 0.9, 9), (_EQUALIZE, 0.6, 6)),
    ((_AUTOCONTRAST, 0.8, 4), (_SOLARIZE, 0.2, 8)),
    ((_BRIGHTNESS, 0.1, 3), (_COLOR, 0.7, 0)),
    ((_SOLARIZE, 0.4, 5), (_AUTOCONTRAST, 0.9, 3)),
    ((_UP, 0.9, 9), (_UP, 0.7, 9)),
    ((_AUTOCONTRAST, 0.9, 2), (_SOLARIZE, 0.8, 3)),
    ((_EQUALIZE, 0.8, 8), (_INVERT, 0.1, 3)),
    ((_UP, 0.7, 9), (_AUTOCONTRAST, 0.9, 1)),
)
_ENHANCING = frozenset({_BRIGHTNESS, _CONTRAST, _COLOR, _SHARPNESS})


def _replaced(pair: int, step: int, by: Step) -> tuple[tuple[Step, Step], ...]:
    """The pairs with one step changed; both are counted from 0."""
    steps = list(_PAIRS[pair])
    steps[step] = by
    return (*_PAIRS[:pair], (steps[0], steps[1]), *_PAIRS[pair + 1 :])


UNICON_PAIRS = _replaced(13, 1, (_COLOR, 0.2, 8))
SSR_PAIRS = (*UNICON_PAIRS[:16], ((_EQUALIZE, 0.2, 8), (_EQUALIZE, 0.8, 4)), *UNICON_PAIRS[17:])


def sop_value(operation: Operation, level: int) -> tuple[float, float]:
    """SOP's: whole pixels, and factors of .1 to 1.9 without a sign."""
    if operation in _ENHANCING:
        factor = 0.1 + 0.18 * level
        return factor, factor
    if operation is _POSTERIZE:
        return 4 - int(0.4 * level), 4 - int(0.4 * level)
    if operation is _SOLARIZE:
        return 256 - int(25.6 * level), 256 - int(25.6 * level)
    size = {_ROTATE: int(3 * level), _SHEAR_Y: 0.03 * level, _LEFT: level, _UP: level}.get(operation, 0)
    return size, -size


def unicon_value(operation: Operation, level: int) -> tuple[float, float]:
    """UNICON's and SSR's, also their own AutoAugment: ten levels, factors on either side of 1, no rotation clockwise.

    The size of a translation is a share of images of 32 pixels.
    """
    if operation in _ENHANCING:
        return 1 + 0.1 * level, 1 - 0.1 * level
    if operation is _POSTERIZE:
        return round(8 - 4 * level / 9), round(8 - 4 * level / 9)
    if operation is _SOLARIZE:
        return 256 - 256 * level / 9, 256 - 256 * level / 9
    if operation is _ROTATE:
        return 30 * level / 9, 30 * level / 9
    size = {_SHEAR_Y: 0.3 * level / 9, _LEFT: 150 / 331 * level / 9, _UP: 150 / 331 * level / 9}.get(operation, 0)
    return size, -size


@dataclass(frozen=True)
class Reading:
    """How one code reads the policy. fill: grey level of what geometric operations leave empty.

    relative: translations are shares of the side. bicubic: shearing interpolates.
    """

    pairs: tuple[tuple[Step, Step], ...]
    value: Meaning
    fill: int = 0
    relative: bool = False
    bicubic: bool = False

    def kind(self, operation: Operation) -> Operation:
        """What is done for an operation of the table."""
        return Operation.SHEAR_Y_BICUBIC if self.bicubic and operation is _SHEAR_Y else operation

    def among(self, step: int) -> frozenset[Operation]:
        """What the first (0) or second (1) step of an image may be."""
        return frozenset(self.kind(pair[step][0]) for pair in self.pairs)


SOP = Reading(_PAIRS, sop_value)
UNICON = Reading(UNICON_PAIRS, unicon_value, fill=128, relative=True, bicubic=True)
SSR = Reading(SSR_PAIRS, unicon_value, fill=128, relative=True, bicubic=True)


@functools.cache
def _plans(reading: Reading, size: tuple[int, int], device: torch.device) -> list[tuple[Tensor, Operations]]:
    """Of the first and the second step: its probability by pair [25], and the plan of all pairs on either side.

    The last row of the plan does nothing.
    """
    plans = []
    for number in (0, 1):
        steps = [pair[number] for pair in reading.pairs]
        kinds, values = [], []
        for operation, _, level in steps:
            side = {_LEFT: size[1], _UP: size[0]}.get(operation, 1) if reading.relative else 1
            kinds += [int(reading.kind(operation))] * 2
            values += [side * one for one in reading.value(operation, level)]
        kind = torch.tensor([*kinds, 0], device=device)
        value = torch.tensor([*values, 0], dtype=torch.float64, device=device)
        chances = torch.tensor([step[1] for step in steps], device=device)
        plans.append((chances, planned(kind, value, reading.among(number), size, reading.fill)))
    return plans


def drawn(reading: Reading, numbers: Tensor, size: tuple[int, int]) -> list[Operations]:
    """The plans of both steps of each image, of (height, width)."""
    pair = chosen(numbers[:, 0], len(reading.pairs))
    plans = []
    for step, (chances, plan) in enumerate(_plans(reading, size, numbers.device)):
        row = 2 * pair + chosen(numbers[:, 2 + 2 * step], 2)
        plans.append(plan.take(row.where(numbers[:, 1 + 2 * step] < chances[pair], len(plan.kind) - 1)))
    return plans


def _applied(reading: Reading, images: Tensor, numbers: Tensor) -> Tensor:
    pixels = to_bytes(images)
    for plan in drawn(reading, numbers, (images.shape[2], images.shape[3])):
        pixels = operate(pixels, plan)
    return pixels.float() / 255


def sop(images: Tensor, numbers: Tensor) -> Tensor:
    """Black where nothing is, nearest pixels, whole pixels."""
    return _applied(SOP, images, numbers)


def unicon(images: Tensor, numbers: Tensor) -> Tensor:
    """Grey where nothing is, and a bicubic shear."""
    return _applied(UNICON, images, numbers)


def ssr(images: Tensor, numbers: Tensor) -> Tensor:
    """UNICON's but for the probability of one step."""
    return _applied(SSR, images, numbers)
