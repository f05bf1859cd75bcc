"""Batches of images in memory: augmentation against plain loops over images, walks, normalisation."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch

from datasets import augmentation
from datasets.base import DataError
from datasets.loader import MemoryLoader, batch_bounds

SETTINGS = {
    "crop_padding": 0, "padding_mode": "zero", "flip": False, "cutout": 0, "colour_jitter": 0.0, "strong_cutout": 3,
    "strong_colour_jitter": 0.4,
}  # fmt: skip
CPU = torch.device("cpu")
MEAN, STD = (0.5, 0.4, 0.3), (0.2, 0.25, 0.3)


def images(count: int = 9, height: int = 7, width: int = 5, channels: int = 3) -> np.ndarray:
    """[N, H, W, C] uint8, higher than wide, so that exchanged axes show."""
    return np.random.default_rng(0).integers(0, 256, (count, height, width, channels), dtype=np.uint8)


def loader(pixels: np.ndarray, **settings: Any) -> MemoryLoader:
    channels = pixels.shape[3]
    return MemoryLoader(pixels, MEAN[:channels], STD[:channels], {**SETTINGS, **settings}, CPU)


def generator(seed: int) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def seen(given: MemoryLoader, batch_size: int = 4, views: tuple[str, ...] = ("weak",), rows: Any = None) -> Any:
    """[(index, views), ...] of one walk whose generators have always the same seeds."""
    return list(given.walk(rows, batch_size, views, generator(1), generator(2)))


def joined(batches: Any, view: int = 0) -> torch.Tensor:
    """The images of a walk in the order of the data set."""
    index = torch.cat([index for index, _ in batches])
    return torch.cat([views[view] for _, views in batches])[index.argsort()]


def naive_normalised(image: np.ndarray) -> np.ndarray:
    """[H, W, C] values of 0..255 to [C, H, W]."""
    channels = image.shape[2]
    return ((image / 255 - np.array(MEAN[:channels])) / np.array(STD[:channels])).transpose(2, 0, 1)


def same(found: torch.Tensor, expected: Any) -> None:
    np.testing.assert_allclose(found.numpy(), np.asarray(expected), atol=2e-6)


@pytest.mark.parametrize("channels", [1, 3])
def test_plain_images_are_normalised_by_channel_and_lie_channels_last(channels: int) -> None:
    pixels = images(channels=channels)
    batches = list(loader(pixels).plain(4))
    assert torch.cat([index for index, _ in batches]).tolist() == list(range(9))
    assert [len(part) for _, part in batches] == [4, 5]  # 9 = 4 + 4 + 1: the last one joins
    for index, found in batches:
        same(found, [naive_normalised(pixels[row]) for row in index])
        assert found.dtype is torch.float32
        assert found.is_contiguous(memory_format=torch.channels_last)


def test_normalising_leaves_the_pixels_alone() -> None:
    given = loader(images())
    for _ in range(2):
        same(joined(seen(given)), [naive_normalised(image) for image in images()])
    assert np.array_equal(given.pixels.numpy(), images())


@pytest.mark.parametrize("count", [1, 2, 3, 8, 9, 10, 11, 12, 13])
@pytest.mark.parametrize("size", [1, 2, 3, 4, 100])
def test_batches_cover_all_and_none_is_of_one_sample_that_could_join(count: int, size: int) -> None:
    bounds = batch_bounds(count, size)
    assert [row for start, stop in bounds for row in range(start, stop)] == list(range(count))
    lengths = [stop - start for start, stop in bounds]
    assert all(length == size for length in lengths[:-1])
    if len(lengths) > 1:
        assert 1 < lengths[-1] <= size + 1
        assert lengths[-1] != 1
    else:
        assert lengths == [count]


def test_no_samples_make_no_batches() -> None:
    assert batch_bounds(0, 4) == []


def padded_by_hand(image: np.ndarray, padding: int, mode: str) -> np.ndarray:
    width = ((padding, padding), (padding, padding), (0, 0))
    return np.pad(image, width, mode="constant" if mode == "zero" else "reflect")


@pytest.mark.parametrize("mode", ["zero", "reflect"])
@pytest.mark.parametrize("padding", [0, 1, 2, 4])
def test_padding_is_that_of_numpy(padding: int, mode: str) -> None:
    found = augmentation.padded(torch.from_numpy(images()), padding, mode)
    assert np.array_equal(found.numpy(), [padded_by_hand(image, padding, mode) for image in images()])


@pytest.mark.parametrize("mode", ["zero", "reflect"])
@pytest.mark.parametrize("flip", [False, True])
@pytest.mark.parametrize("padding", [0, 2])
def test_crops_and_flips_are_those_of_a_loop_over_images(padding: int, flip: bool, mode: str) -> None:
    pixels = images(count=40)
    given = loader(pixels, crop_padding=padding, flip=flip, padding_mode=mode)
    walk = given.walk(None, 8, ("weak",), generator(1), generator(2))
    [draws] = walk.draws
    offsets = np.zeros((40, 2), int) if draws.offset is None else draws.offset.numpy()
    flips = np.zeros(40, bool) if draws.flip is None else draws.flip.numpy()
    expected = {}
    for position, row in enumerate(walk.index.tolist()):
        top, left = offsets[position]
        image = padded_by_hand(pixels[row], padding, mode)[top : top + 7, left : left + 5]
        expected[row] = naive_normalised(image[:, ::-1] if flips[position] else image)
    same(joined(list(walk)), [expected[row] for row in range(40)])
    assert (padding == 0) == (draws.offset is None)
    assert flips.any() == flip


def test_offsets_and_flips_take_all_their_values_about_equally_often() -> None:
    draws = augmentation.draw({**SETTINGS, "crop_padding": 2, "flip": True}, 5000, (7, 5), generator(0), CPU)
    assert draws.offset is not None
    assert draws.flip is not None
    for axis in range(2):
        counts = torch.bincount(draws.offset[:, axis], minlength=5)
        assert len(counts) == 5  # 0 .. 2 * padding
        assert ((counts - 1000).abs() < 150).all()
    assert abs(int(draws.flip.sum()) - 2500) < 180


@pytest.mark.parametrize("side", [1, 2, 3, 4])
def test_cut_out_sets_a_square_to_the_mean(side: int) -> None:
    normalised = torch.from_numpy(images()).permute(0, 3, 1, 2).float() + 1
    centres = torch.tensor([[0, 0], [6, 4], [3, 2], [0, 4], [6, 0], [1, 1], [5, 3], [2, 2], [4, 4]])
    found = augmentation.cut_out(normalised, centres, side).numpy()
    for position, (row, column) in enumerate(centres.tolist()):
        expected = normalised[position].numpy().copy()
        top, left = row - side // 2, column - side // 2
        expected[:, max(0, top) : max(0, top + side), max(0, left) : max(0, left + side)] = 0
        assert np.array_equal(found[position], expected)
    assert (found[2] == 0).sum() == 3 * side**2


def test_cut_out_centres_cover_the_image() -> None:
    draws = augmentation.draw({**SETTINGS, "cutout": 3}, 4000, (7, 5), generator(0), CPU)
    assert draws.cutout is not None
    assert [torch.bincount(draws.cutout[:, axis]).min().item() > 400 for axis in range(2)] == [True, True]
    assert (int(draws.cutout[:, 0].max()), int(draws.cutout[:, 1].max())) == (6, 4)


def naive_jitter(image: np.ndarray, brightness: float, contrast: float, saturation: float) -> np.ndarray:
    """[C, H, W] in [0, 1]."""
    image = np.clip(image * brightness, 0, 1)
    image = np.clip(image.mean() + (image - image.mean()) * contrast, 0, 1)
    if len(image) == 3:
        image = np.clip(image.mean(0) + (image - image.mean(0)) * saturation, 0, 1)
    return image


@pytest.mark.parametrize("channels", [1, 3])
def test_colour_jitter_is_that_of_a_loop_over_images(channels: int) -> None:
    values = images(channels=channels).transpose(0, 3, 1, 2) / 255
    factors = np.random.default_rng(1).uniform(0.4, 1.6, (9, 3))
    found = augmentation.jitter_colours(torch.from_numpy(values), torch.from_numpy(factors))
    same(found, [naive_jitter(image, *row) for image, row in zip(values, factors, strict=True)])


def test_jitter_factors_stay_inside_their_strength() -> None:
    draws = augmentation.draw({**SETTINGS, "colour_jitter": 0.4}, 3000, (7, 5), generator(0), CPU)
    assert draws.jitter is not None
    assert 0.6 <= float(draws.jitter.min()) < 0.61
    assert 1.39 < float(draws.jitter.max()) <= 1.4
    assert torch.allclose(draws.jitter.mean(0), torch.ones(3), atol=0.02)


def test_a_strong_view_jitters_and_cuts_out_before_and_after_normalising() -> None:
    pixels = images()
    given = loader(pixels, crop_padding=1)
    walk = given.walk(None, 4, ("strong",), generator(1), generator(2))
    [draws] = walk.draws
    assert draws.offset is not None
    assert draws.jitter is not None
    assert draws.cutout is not None
    expected = {}
    for position, row in enumerate(walk.index.tolist()):
        top, left = draws.offset[position].tolist()
        image = padded_by_hand(pixels[row], 1, "zero")[top : top + 7, left : left + 5].transpose(2, 0, 1) / 255
        image = naive_jitter(image, *draws.jitter[position].tolist())
        image = (image - np.array(MEAN)[:, None, None]) / np.array(STD)[:, None, None]
        row_, column = draws.cutout[position].tolist()
        image[:, max(0, row_ - 1) : row_ + 2, max(0, column - 1) : column + 2] = 0
        expected[row] = image
    same(joined(list(walk)), [expected[row] for row in range(9)])


def test_a_strong_view_is_at_least_as_strong_as_the_weak_one() -> None:
    settings = {**SETTINGS, "cutout": 5, "colour_jitter": 0.1, "flip": True}
    assert augmentation.strengths(settings, "weak") == {
        "crop_padding": 0, "flip": True, "cutout": 5, "colour_jitter": 0.1, "numbers": 0,
    }  # fmt: skip
    assert augmentation.strengths(settings, "strong") == {
        "crop_padding": 0, "flip": True, "cutout": 5, "colour_jitter": 0.4, "numbers": 0,
    }  # fmt: skip
    assert not any(augmentation.strengths(settings, "plain").values())
    with pytest.raises(DataError, match="unknown view policy 'wild'"):
        augmentation.strengths(settings, "wild")


@pytest.mark.parametrize("rows", [None, torch.tensor([8, 2, 5, 3]), torch.tensor([4])])
@pytest.mark.parametrize("batch_size", [1, 2, 3, 100])
def test_a_walk_sees_every_row_once_in_a_new_order(rows: torch.Tensor | None, batch_size: int) -> None:
    given = loader(images())
    walk = given.walk(rows, batch_size, ("plain",), generator(1), generator(2))
    batches = list(walk)
    assert len(walk) == len(batches)
    index = torch.cat([index for index, _ in batches]).tolist()
    assert sorted(index) == (list(range(9)) if rows is None else sorted(rows.tolist()))
    for found, (view,) in batches:
        same(view, [naive_normalised(images()[row]) for row in found])
    if rows is None:
        other = given.walk(rows, batch_size, ("plain",), generator(7), generator(2))
        assert torch.cat([index for index, _ in other]).tolist() != index != list(range(9))


def test_the_draws_of_a_walk_do_not_depend_on_the_batch_size() -> None:
    given = loader(images(count=30), crop_padding=2, flip=True, cutout=2, colour_jitter=0.3)
    whole = seen(given, 30, ("weak", "strong"))
    for batch_size in (1, 4, 29):
        parts = seen(given, batch_size, ("weak", "strong"))
        assert torch.equal(torch.cat([index for index, _ in parts]), whole[0][0])
        for view in range(2):
            same(torch.cat([views[view] for _, views in parts]), whole[0][1][view])


def test_a_further_view_changes_nothing_of_the_first_and_has_draws_of_its_own() -> None:
    given = loader(images(count=30), crop_padding=2, flip=True)
    alone, both = seen(given), seen(given, views=("weak", "weak"))
    assert torch.equal(joined(alone), joined(both))
    assert not torch.equal(joined(both, 0), joined(both, 1))


def test_all_draws_come_from_the_two_generators() -> None:
    given = loader(images(count=30), crop_padding=2, flip=True, cutout=2, colour_jitter=0.3)
    torch.manual_seed(0)
    first = seen(given, views=("strong",))
    torch.manual_seed(1)
    second = seen(given, views=("strong",))
    assert torch.equal(joined(first), joined(second))


def test_thumbnails_of_large_images_are_thinned_out() -> None:
    pixels = images(count=3, height=130, width=128)
    assert np.array_equal(loader(pixels).thumbnails(np.array([2, 0])), pixels[[2, 0]][:, ::2, ::2])
    assert np.array_equal(loader(images()).thumbnails(np.array([1])), images()[[1]])
