"""RandAugment (Cubuk et al., 2020) as ProMix, DISC and GJS have it: a few operations, each drawn from a pool.

Sources: Justherozen/ProMix utils/randaug.py, JackYFL/DISC datasets/randaugment.py, and ildoonet/pytorch-randaugment for
GJS. Their sizes are those for images of 32 pixels where they are pixels, and shares of the side where they are shares.
"""

from __future__ import annotations

import functools

import torch
from torch import Tensor

from datasets.pixel_operations import Operation, Operations, boxed, operate, planned, to_bytes
from datasets.random_choice import between, chosen

_BROWN, _GREY = (125, 123, 114), (127, 127, 127)
Entry = tuple[Operation, float, float]  # with two numbers, which each code reads in its own way


# ProMix: three operations, all done, at a strength drawn between the two numbers; then a rectangle always.
# Numbers: three times (operation, strength), then side, column and row of the rectangle.
_PROMIX: tuple[Entry, ...] = (
    (Operation.AUTOCONTRAST, 0, 1),
    (Operation.BRIGHTNESS, 0.05, 0.95),
    (Operation.COLOR, 0.05, 0.95),
    (Operation.CONTRAST, 0.05, 0.95),
    (Operation.EQUALIZE, 0, 1),
    (Operation.IDENTITY, 0, 1),
    (Operation.POSTERIZE, 4, 8),
    (Operation.ROTATE, -30, 30),
    (Operation.SHARPNESS, 0.05, 0.95),
    (Operation.SHEAR_X, -0.3, 0.3),
    (Operation.SHEAR_Y, -0.3, 0.3),
    (Operation.SOLARIZE, 0, 256),
    (Operation.TRANSLATE_X, -0.3, 0.3),
    (Operation.TRANSLATE_Y, -0.3, 0.3),
)


def promix_plan(numbers: Tensor, size: tuple[int, int]) -> Operations:
    """The plan of three steps of each image, one step after the other, for images of (height, width)."""
    choice, strength = (numbers[:, first:6:2].T.reshape(-1) for first in (0, 1))
    kind, low, high = _promix_pool(size, numbers.device)[:, chosen(choice, len(_PROMIX))]
    return planned(kind.long(), low + (high - low) * strength.double(), _kinds(_PROMIX), size)


@functools.cache
def _promix_pool(size: tuple[int, int], device: torch.device) -> Tensor:
    """[3, n] float64: kind, smallest and largest value."""
    sides = {Operation.TRANSLATE_X: size[1], Operation.TRANSLATE_Y: size[0]}
    rows = [(int(kind), low * sides.get(kind, 1), high * sides.get(kind, 1)) for kind, low, high in _PROMIX]
    return torch.tensor(rows, dtype=torch.float64, device=device).T.contiguous()


def promix(images: Tensor, numbers: Tensor) -> Tensor:
    """Black where nothing is; the rectangle is up to half a side, of ImageNet's mean colour."""
    pixels, (height, width) = to_bytes(images), images.shape[-2:]
    plan = promix_plan(numbers, (height, width))
    for step in range(3):
        pixels = operate(pixels, plan.take(slice(step * len(images), (step + 1) * len(images))))
    side = between(numbers[:, 6], 0, 0.5) * width
    return boxed(pixels, side, _skewed_centre(numbers[:, 7:9], (height, width)), _BROWN).float() / 255


# DISC: two operations, each done with probability 1/2 at a strength v of 1 to m - 1; then a rectangle always.
# Numbers: twice (operation, v, done, sign, column and row of a rectangle), then column and row of the last rectangle.
_DISC: tuple[Entry, ...] = (  # the value is v * the first / 10 + the second
    (Operation.AUTOCONTRAST, 0, 0),
    (Operation.BRIGHTNESS, 1.8, 0.1),
    (Operation.COLOR, 1.8, 0.1),
    (Operation.CONTRAST, 1.8, 0.1),
    (Operation.CUTOUT, 0.1, 0),
    (Operation.EQUALIZE, 0, 0),
    (Operation.INVERT, 0, 0),
    (Operation.POSTERIZE, 4, 4),
    (Operation.ROTATE, 30, 0),
    (Operation.SHARPNESS, 1.8, 0.1),
    (Operation.SHEAR_X, 0.1, 0),
    (Operation.SHEAR_Y, 0.1, 0),
    (Operation.SOLARIZE, 256, 0),
    (Operation.SOLARIZE_ADD, 110, 0),
    (Operation.TRANSLATE_X, 0.05, 0),
    (Operation.TRANSLATE_Y, 0.05, 0),
)
_SIGNED = frozenset({Operation.ROTATE, Operation.SHEAR_X, Operation.SHEAR_Y, Operation.SOLARIZE_ADD,
                     Operation.TRANSLATE_X, Operation.TRANSLATE_Y})  # fmt: skip
_WHOLE = frozenset({Operation.POSTERIZE, Operation.ROTATE, Operation.SOLARIZE, Operation.SOLARIZE_ADD})


def disc_value(entry: Entry, strength: int, negative: bool, size: tuple[int, int]) -> float:
    """What DISC passes to Pillow for images of (height, width)."""
    kind, most, bias = entry
    value = strength * most / 10
    value = (int(value) if kind in _WHOLE else value) + bias
    if kind is Operation.SOLARIZE:
        return 256 - value
    if kind is Operation.CUTOUT:
        return int(value * min(size))
    if negative and kind in _SIGNED:
        value = -value
    if kind in (Operation.TRANSLATE_X, Operation.TRANSLATE_Y):
        return int(value * (size[1] if kind is Operation.TRANSLATE_X else size[0]))
    return value


@functools.cache
def _disc_plan(m: int, size: tuple[int, int], device: torch.device) -> Operations:
    """By operation, strength and sign; the last row does nothing."""
    cases = [(entry, v, sign) for entry in _DISC for v in range(1, m) for sign in (False, True)]
    kind = torch.tensor([*(int(entry[0]) for entry, _, _ in cases), 0], device=device)
    values = [*(disc_value(*case, size) for case in cases), 0]
    return planned(kind, torch.tensor(values, dtype=torch.float64, device=device), _kinds(_DISC), size)


def disc_steps(m: int, numbers: Tensor, size: tuple[int, int]) -> list[tuple[Operations, Tensor]]:
    """Of each of both steps the plan, and centres [B, 2] (x, y) of a rectangle."""
    plan = _disc_plan(m, size, numbers.device)
    steps = []
    for step in numbers[:, :12].chunk(2, 1):
        choice, strength, sign = chosen(step[:, 0], len(_DISC)), chosen(step[:, 1], m - 1), chosen(step[:, 3], 2)
        row = ((choice * (m - 1) + strength) * 2 + sign).where(step[:, 2] < 0.5, len(plan.kind) - 1)
        steps.append((plan.take(row), _centre(step[:, 4:6], size)))
    return steps


def _disc(m: int, images: Tensor, numbers: Tensor) -> Tensor:
    pixels, size = to_bytes(images), (images.shape[2], images.shape[3])
    for plan, centre in disc_steps(m, numbers, size):
        pixels = boxed(operate(pixels, plan), plan.value, centre, _GREY, plan.kind == Operation.CUTOUT)
    side = numbers.new_full((len(numbers),), int(0.15 * size[1]), dtype=torch.float64)
    return boxed(pixels, side, _centre(numbers[:, 12:14], size), _GREY).float() / 255


def disc_m5(images: Tensor, numbers: Tensor) -> Tensor:
    """Strengths of 1 to 4, of DISC on CIFAR-10."""
    return _disc(5, images, numbers)


def disc_m10(images: Tensor, numbers: Tensor) -> Tensor:
    """Strengths of 1 to 9, of DISC on CIFAR-100."""
    return _disc(10, images, numbers)


# GJS: one operation, always done, at a tenth of its range.
# Numbers: operation, sign, column and row of a rectangle.
_GJS: tuple[Entry, ...] = (  # smallest and largest value
    (Operation.AUTOCONTRAST, 0, 1),
    (Operation.EQUALIZE, 0, 1),
    (Operation.INVERT, 0, 1),
    (Operation.ROTATE, 0, 30),
    (Operation.POSTERIZE, 0, 4),
    (Operation.SOLARIZE, 0, 256),
    (Operation.SOLARIZE_ADD, 0, 110),
    (Operation.COLOR, 0.1, 1.9),
    (Operation.CONTRAST, 0.1, 1.9),
    (Operation.BRIGHTNESS, 0.1, 1.9),
    (Operation.SHARPNESS, 0.1, 1.9),
    (Operation.SHEAR_X, 0, 0.3),
    (Operation.SHEAR_Y, 0, 0.3),
    (Operation.CUTOUT, 0, 40),
    (Operation.TRANSLATE_X, 0, 100),
    (Operation.TRANSLATE_Y, 0, 100),
)


def gjs_value(entry: Entry, negative: bool) -> float:
    """What GJS passes to Pillow, at strength 3 of 30; of 0.4 bits none are kept, so that the image is black."""
    kind, low, high = entry
    value = 3 / 30 * (high - low) + low
    if kind is Operation.POSTERIZE:
        return int(value)
    return -value if negative and kind in _SIGNED - {Operation.SOLARIZE_ADD} else value


@functools.cache
def _gjs_plan(size: tuple[int, int], device: torch.device) -> Operations:
    """By operation and sign."""
    kind = torch.tensor([int(entry[0]) for entry in _GJS for _ in (False, True)], device=device)
    values = [gjs_value(entry, sign) for entry in _GJS for sign in (False, True)]
    return planned(kind, torch.tensor(values, dtype=torch.float64, device=device), _kinds(_GJS), size)


def gjs(images: Tensor, numbers: Tensor) -> Tensor:
    """Black where nothing is; the rectangle is of 4 pixels, 5 with both ends, of ImageNet's mean colour."""
    size = (images.shape[2], images.shape[3])
    plan = _gjs_plan(size, numbers.device).take(2 * chosen(numbers[:, 0], len(_GJS)) + chosen(numbers[:, 1], 2))
    centre = _skewed_centre(numbers[:, 2:4], size)
    pixels = operate(to_bytes(images), plan)
    return boxed(pixels, plan.value, centre, _BROWN, plan.kind == Operation.CUTOUT).float() / 255


def _kinds(pool: tuple[Entry, ...]) -> frozenset[Operation]:
    return frozenset(entry[0] for entry in pool)


def _centre(numbers: Tensor, size: tuple[int, int]) -> Tensor:
    """[B, 2] float64 (x, y), uniform over the image."""
    return torch.stack([between(numbers[:, axis], 0, side) for axis, side in enumerate(reversed(size))], 1)


def _skewed_centre(numbers: Tensor, size: tuple[int, int]) -> Tensor:
    """The same as `numpy.random.uniform(side)` draws it, which goes down from the side to 1, not to 0."""
    return torch.stack([between(numbers[:, axis], side, 1) for axis, side in enumerate(reversed(size))], 1)
