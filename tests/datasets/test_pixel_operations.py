"""Each operation on a batch of 8-bit images, bit for bit Pillow's, at every level that a published policy has."""

from __future__ import annotations

import itertools
from collections.abc import Iterable

import numpy as np
import pytest
import torch
from PIL import Image, ImageEnhance

from datasets.colour_jitter import _rgb, in_hue, jittered, part_of
from datasets.pixel_moves import resized
from datasets.pixel_operations import Operation, boxed, grey, operate, planned
from datasets.torchvision_import import import_torchvision
from tests.pillow_operations import done, opened, pictures, read, rectangle

FACTORS = [*(0.1 + 0.18 * level for level in range(11)), *(1 + 0.1 * level for level in range(-9, 10)), 0.05, 0.95]
SHEARS = [sign * size * level for size in (0.03, 0.01, 0.3 / 9) for level in range(11) for sign in (1, -1)]
SHIFTS = [*range(-32, 33, 3), 14.5, -14.5, 14.5015, -9.6, 7.3]
LEVELS: dict[Operation, Iterable[float]] = {
    Operation.IDENTITY: [0],
    Operation.AUTOCONTRAST: [0],
    Operation.EQUALIZE: [0],
    Operation.INVERT: [0],
    Operation.POSTERIZE: range(9),
    Operation.SOLARIZE: [0, 25.6, 26, 28.44, 52, 113.78, 128, 170.67, 180, 199.11, 205, 231, 256],
    Operation.SOLARIZE_ADD: [-99, -11, 0, 11, 44, 110],
    Operation.BRIGHTNESS: FACTORS,
    Operation.CONTRAST: FACTORS,
    Operation.COLOR: FACTORS,
    Operation.SHARPNESS: FACTORS,
    Operation.SHEAR_X: SHEARS,
    Operation.SHEAR_Y: SHEARS,
    Operation.SHEAR_Y_BICUBIC: SHEARS,
    Operation.TRANSLATE_X: SHIFTS,
    Operation.TRANSLATE_Y: SHIFTS,
    Operation.ROTATE: [*range(-30, 31), 6.667, -17.3],
}


@pytest.mark.parametrize("kind", LEVELS, ids=lambda kind: kind.name)
def test_an_operation_is_pillows_at_every_level(kind: Operation) -> None:
    for side, fill in ((32, 0), (19, 128)):
        for number, level in enumerate(LEVELS[kind]):
            pixels = pictures(4, side, number)
            value = torch.full((4,), float(level), dtype=torch.float64)
            plan = planned(torch.full((4,), int(kind)), value, {kind}, (side, side), fill)
            found = operate(pixels, plan)
            wanted = read([done(image, kind, float(level), fill) for image in opened(pixels)])
            assert torch.equal(found, wanted), (kind.name, level, side)


def test_rows_that_drew_different_operations_do_not_disturb_each_other() -> None:
    kinds = [kind for kind in Operation if kind is not Operation.CUTOUT]
    values = torch.tensor([float(list(LEVELS[kind])[-1]) for kind in kinds], dtype=torch.float64)
    pixels = pictures(len(kinds), 32, 0)
    found = operate(pixels, planned(torch.tensor([int(kind) for kind in kinds]), values, kinds, (32, 32)))
    pairs = zip(opened(pixels), kinds, values.tolist(), strict=True)
    assert torch.equal(found, read([done(image, kind, value) for image, kind, value in pairs]))


def test_images_that_are_wider_than_high_and_grey_ones() -> None:
    pixels = pictures(3, 32, 5)[:, :, :20].contiguous()
    for kind in (Operation.ROTATE, Operation.SHEAR_X, Operation.TRANSLATE_Y, Operation.EQUALIZE, Operation.SHARPNESS):
        value = torch.tensor([-0.3, 0.1, 0.3], dtype=torch.float64)
        found = operate(pixels, planned(torch.full((3,), int(kind)), value, {kind}, (20, 32)))
        pairs = zip(opened(pixels), value.tolist(), strict=True)
        assert torch.equal(found, read([done(image, kind, one) for image, one in pairs])), kind.name
    one = pixels[:, :1].contiguous()
    kind, value = torch.full((3,), int(Operation.CONTRAST)), torch.full((3,), 0.4, dtype=torch.float64)
    contrast = operate(one, planned(kind, value, [Operation.CONTRAST], (20, 32)))
    for image, made in zip(one[:, 0].numpy(), contrast[:, 0].numpy(), strict=True):
        assert np.array_equal(np.array(ImageEnhance.Contrast(Image.fromarray(image)).enhance(0.4)), made)
    assert torch.equal(grey(one), one.float())


def test_a_rectangle_is_pillows_wherever_it_lies() -> None:
    rng = np.random.default_rng(0)
    pixels = pictures(200, 32, 1)
    sides = np.where(np.arange(200) % 2, rng.random(200) * 16, rng.integers(0, 9, 200))
    centres = rng.random((200, 2)) * 32
    drawn = torch.arange(200) % 5 != 0
    wanted = [
        rectangle(image, side, tuple(centre), (125, 123, 114)) if draws else image
        for image, side, centre, draws in zip(opened(pixels), sides, centres, drawn.tolist(), strict=True)
    ]
    found = boxed(pixels.clone(), torch.from_numpy(sides), torch.from_numpy(centres), (125, 123, 114), drawn)
    assert torch.equal(found, read(wanted)) and not torch.equal(found, pixels)


def test_a_part_is_enlarged_as_pillow_does_it() -> None:
    rng = np.random.default_rng(0)
    pixels = pictures(300, 32, 2)
    lengths = rng.integers(1, 33, (300, 2))
    firsts = (rng.random((300, 2)) * (33 - lengths)).astype(np.int64)
    wanted = [
        image.crop((left, top, left + width, top + height)).resize((32, 32), Image.Resampling.BILINEAR)
        for image, (top, left), (height, width) in zip(
            opened(pixels), firsts.tolist(), lengths.tolist(), strict=True
        )
    ]  # fmt: skip
    assert torch.equal(resized(pixels, torch.from_numpy(firsts), torch.from_numpy(lengths)), read(wanted))


def test_every_hue_comes_back_from_hsv_as_pillow_brings_it_back() -> None:
    levels = torch.arange(256)
    for hue in range(0, 256, 5):
        hsv = torch.stack([torch.full((256, 256), hue), *torch.meshgrid(levels, levels, indexing="ij")])
        image = Image.merge("HSV", [Image.fromarray(part.to(torch.uint8).numpy()) for part in hsv])
        found = _rgb(hsv[None, 0], hsv[None, 1], hsv[None, 2].float())
        assert torch.equal(found[0], read([image.convert("RGB")])[0]), hue


def test_hue_is_torchvisions() -> None:
    functional = import_torchvision("torchvision.transforms.functional")
    pixels, share = pictures(64, 32, 3), torch.linspace(-0.5, 0.5, 64, dtype=torch.float64)
    pairs = zip(opened(pixels), share.tolist(), strict=True)
    assert torch.equal(in_hue(pixels, share), read([functional.adjust_hue(image, one) for image, one in pairs]))


def test_jitter_is_torchvisions_in_the_order_that_was_drawn() -> None:
    functional = import_torchvision("torchvision.transforms.functional")
    changes = (
        functional.adjust_brightness, functional.adjust_contrast, functional.adjust_saturation, functional.adjust_hue,
    )  # fmt: skip
    orders = list(itertools.permutations(range(4)))
    pixels = pictures(48, 32, 4)
    numbers = torch.rand(48, 5, generator=torch.Generator().manual_seed(0))
    wanted = []
    for image, row in zip(opened(pixels), numbers.double().tolist(), strict=True):
        factors = [0.6 + (1.4 - 0.6) * one for one in row[1:4]] + [-0.1 + 0.2 * row[4]]
        for change in orders[int(row[0] * 24)]:
            image = changes[change](image, factors[change])
        wanted.append(image)
    assert torch.equal(jittered(pixels, numbers), read(wanted))
    left = torch.arange(48) % 2 == 0
    assert torch.equal(jittered(pixels, numbers, ~left)[left], pixels[left])


def test_parts_lie_in_the_image_and_are_distributed_as_torchvisions() -> None:
    numbers = torch.rand(20_000, 22, generator=torch.Generator().manual_seed(0))
    first, length = part_of(numbers, (32, 32))
    assert first.min() == 0 and length.min() >= 1 and (first + length).max() == 32
    torch.manual_seed(0)
    draw = import_torchvision("torchvision.transforms").RandomResizedCrop.get_params
    image = torch.zeros(3, 32, 32)
    theirs = torch.tensor([draw(image, (0.08, 1.0), (3 / 4, 4 / 3)) for _ in range(5_000)]).double()
    ours = torch.cat([first, length], 1).double()
    spread = theirs.std(0) * (1 / 5_000 + 1 / 20_000) ** 0.5
    assert ((ours.mean(0) - theirs.mean(0)).abs() < 5 * spread).all()
    assert ((ours.std(0) / theirs.std(0) - 1).abs() < 0.06).all()


def test_a_part_that_never_fits_is_the_largest_in_the_middle() -> None:
    numbers = torch.zeros(1, 22)
    numbers[:, :20:2], numbers[:, 1:20:2] = 0.999, 0.999  # nearly all of the area at 4:3 does not fit a square
    first, length = part_of(numbers, (32, 32))
    assert first.tolist() == [[0, 0]] and length.tolist() == [[32, 32]]
    draw = import_torchvision("torchvision.transforms").RandomResizedCrop.get_params
    for sides in ((32, 16), (32, 13), (13, 32)):
        first, length = part_of(numbers, sides)
        wanted = draw(torch.zeros(3, *sides), (50.0, 50.0), (3 / 4, 4 / 3))  # an area that never fits
        assert (*first[0].tolist(), *length[0].tolist()) == wanted
