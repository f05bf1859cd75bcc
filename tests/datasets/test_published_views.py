"""The policies of published code: their tables, the images they make, one by one with Pillow, and their order."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
import registries
import torch
from command_line import results, run, write_suite
from torch import Generator, Tensor

from datasets import auto_augment, rand_augment
from datasets.auto_augment import SOP, SSR, UNICON, Reading
from datasets.base import DataError
from datasets.loader import MemoryLoader
from datasets.pixel_operations import Operation
from datasets.views import VIEW_POLICIES, ViewPolicy, policies_of
from tests.pillow_operations import done, opened, pictures, read, rectangle

CPU = torch.device("cpu")
SETTINGS = {
    "crop_padding": 4, "padding_mode": "zero", "flip": True, "cutout": 0, "colour_jitter": 0.0, "strong_cutout": 3,
    "strong_colour_jitter": 0.4,
}  # fmt: skip
BROWN, GREY = (125, 123, 114), (127, 127, 127)
# operation, probability, and what SOP passes to Pillow; levels that have no meaning are left out
SOP_TABLE = """
invert .1; contrast .2 1.18
rotate .7 6; translate_x .3 9
sharpness .8 .28; sharpness .9 .64
shear_y .5 .24; translate_y .7 9
autocontrast .5; equalize .9
shear_y .2 .21; posterize .3 2
color .4 .64; brightness .6 1.36
sharpness .3 1.72; brightness .7 1.72
equalize .6; equalize .5
contrast .6 1.36; sharpness .6 1.0
color .7 1.36; translate_x .5 8
equalize .3; autocontrast .4
translate_y .4 3; sharpness .2 1.18
brightness .9 1.18; color .2 1.18
solarize .5 205; invert 0.0
equalize .2; autocontrast .6
equalize .2; equalize .6
color .9 1.72; equalize .6
autocontrast .8; solarize .2 52
brightness .1 .64; color .7 .1
solarize .4 128; autocontrast .9
translate_y .9 9; translate_y .7 9
autocontrast .9; solarize .8 180
equalize .8; invert .1
translate_y .7 9; autocontrast .9
"""
MIRRORED = {"rotate", "shear_y", "translate_x", "translate_y"}


@pytest.fixture(autouse=True)
def _registries_as_before() -> Iterator[None]:
    with registries.as_before():
        yield


def test_sops_pairs_and_values_are_those_of_its_code() -> None:
    lines = SOP_TABLE.strip().splitlines()
    assert len(lines) == len(SOP.pairs) == 25
    for line, pair in zip(lines, SOP.pairs, strict=True):
        for text, (operation, probability, level) in zip(line.split("; "), pair, strict=True):
            name, chance, *value = text.split()
            assert (operation.name.lower(), probability) == (name, float(chance))
            if value:
                sides = (float(value[0]), float(value[0]) * (-1 if name in MIRRORED else 1))
                assert SOP.value(operation, level) == pytest.approx(sides)


def test_unicon_and_ssr_differ_where_their_code_does() -> None:
    changed = [place for place, (one, other) in enumerate(zip(SOP.pairs, UNICON.pairs, strict=True)) if one != other]
    assert changed == [13] and UNICON.pairs[13][1] == (Operation.COLOR, 0.2, 8)
    changed = [place for place, (one, other) in enumerate(zip(UNICON.pairs, SSR.pairs, strict=True)) if one != other]
    assert changed == [16] and SSR.pairs[16][1] == (Operation.EQUALIZE, 0.8, 4)
    values = {
        (Operation.POSTERIZE, 7): (5, 5),
        (Operation.SOLARIZE, 2): (199.11, 199.11),
        (Operation.SOLARIZE, 8): (28.44, 28.44),
        (Operation.COLOR, 9): (1.9, 0.1),
        (Operation.CONTRAST, 6): (1.6, 0.4),
        (Operation.ROTATE, 2): (6.667, 6.667),
        (Operation.SHEAR_Y, 8): (0.2667, -0.2667),
        (Operation.TRANSLATE_Y, 9): (150 / 331, -150 / 331),
    }
    for (operation, level), wanted in values.items():
        assert UNICON.value(operation, level) == pytest.approx(wanted, rel=1e-3), operation
    assert (
        UNICON.kind(Operation.SHEAR_Y) is Operation.SHEAR_Y_BICUBIC and SOP.kind(Operation.SHEAR_Y) is Operation.SHEAR_Y
    )


def numbers_for(name: str, count: int, seed: int = 0) -> Tensor:
    return torch.rand(count, VIEW_POLICIES[name].numbers, generator=Generator().manual_seed(seed))


def made_by(name: str, pixels: Tensor, numbers: Tensor) -> Tensor:
    apply = VIEW_POLICIES[name].apply
    assert apply is not None
    return (apply(pixels.float() / 255, numbers) * 255).round().to(torch.uint8)


@pytest.mark.parametrize(
    ("name", "reading"),
    [("autoaugment_cifar10", SOP), ("autoaugment_cifar10_unicon", UNICON), ("autoaugment_cifar10_ssr", SSR)],
)
def test_autoaugment_makes_the_images_that_pillow_makes(name: str, reading: Reading) -> None:
    pixels, numbers = pictures(400, 32, 1), numbers_for(name, 400)
    wanted = []
    for image, row in zip(opened(pixels), numbers.double().tolist(), strict=True):
        pair = reading.pairs[int(row[0] * 25)]
        for (operation, probability, level), does, side in zip(pair, row[1::2], row[2::2], strict=True):
            if does < np.float32(probability):
                value = reading.value(operation, level)[int(side * 2)]
                if reading.relative and operation in (Operation.TRANSLATE_X, Operation.TRANSLATE_Y):
                    value *= 32
                image = done(image, reading.kind(operation), value, reading.fill)
        wanted.append(image)
    assert torch.equal(made_by(name, pixels, numbers), read(wanted))


def test_autoaugment_draws_pairs_steps_and_sides_as_often_as_it_says() -> None:
    numbers = numbers_for("autoaugment_cifar10", 100_000)
    (first, values), (second, _) = ((plan.kind, plan.value) for plan in auto_augment.drawn(SOP, numbers, (32, 32)))
    share = torch.bincount(first, minlength=18) / len(first)
    expected = torch.zeros(18)
    for (operation, probability, _), _ in SOP.pairs:
        expected[operation] += probability / 25
    expected[0] = 1 - expected.sum()
    assert (share - expected).abs().max() < 0.005
    assert ((values[first == Operation.SHEAR_Y] > 0).double().mean() - 0.5).abs() < 0.03
    never = (numbers[:, 0] * 25).long() == 14  # invert of probability 0
    assert (second[never] == 0).all()


def test_promixs_makes_the_images_that_pillow_makes() -> None:
    pixels, numbers = pictures(300, 32, 2), numbers_for("randaugment_promix", 300)
    names, low, high = zip(*rand_augment._PROMIX, strict=True)
    assert [name.name for name in names] == [
        "AUTOCONTRAST", "BRIGHTNESS", "COLOR", "CONTRAST", "EQUALIZE", "IDENTITY", "POSTERIZE", "ROTATE", "SHARPNESS",
        "SHEAR_X", "SHEAR_Y", "SOLARIZE", "TRANSLATE_X", "TRANSLATE_Y",
    ]  # fmt: skip
    ranges = {(.05, .95): 4, (4, 8): 1, (-30, 30): 1, (-.3, .3): 4, (0, 256): 1}  # fmt: skip
    assert {pair: list(zip(low, high, strict=True)).count(pair) for pair in ranges} == ranges
    wanted = []
    for image, row in zip(opened(pixels), numbers.double().tolist(), strict=True):
        for choice, strength in zip(row[:6:2], row[1:6:2], strict=True):
            place = int(choice * 14)
            side = 32 if names[place].name.startswith("TRANSLATE") else 1
            value = low[place] * side + (high[place] * side - low[place] * side) * strength
            image = done(image, names[place], value)
        centre = (32 - 31 * row[7], 32 - 31 * row[8])
        wanted.append(rectangle(image, row[6] * 0.5 * 32, centre, BROWN))
    assert torch.equal(made_by("randaugment_promix", pixels, numbers), read(wanted))


@pytest.mark.parametrize(("name", "m"), [("randaugment_disc_m5", 5), ("randaugment_disc_m10", 10)])
def test_discs_makes_the_images_that_pillow_makes(name: str, m: int) -> None:
    pixels, numbers = pictures(400, 32, 3), numbers_for(name, 400)
    wanted = []
    for image, row in zip(opened(pixels), numbers.double().tolist(), strict=True):
        for choice, strength, does, sign, x, y in (row[:6], row[6:12]):
            entry = rand_augment._DISC[int(choice * 16)]
            value = rand_augment.disc_value(entry, 1 + int(strength * (m - 1)), sign >= 0.5, (32, 32))
            if does < 0.5:
                cut = entry[0] is Operation.CUTOUT
                image = rectangle(image, value, (32 * x, 32 * y), GREY) if cut else done(image, entry[0], value)
        wanted.append(rectangle(image, 4, (32 * row[12], 32 * row[13]), GREY))
    assert torch.equal(made_by(name, pixels, numbers), read(wanted))


def test_what_disc_passes_to_pillow() -> None:
    entries = {entry[0]: entry for entry in rand_augment._DISC}
    wanted = {
        (Operation.BRIGHTNESS, 9, False): 1.72, (Operation.POSTERIZE, 4, False): 5, (Operation.ROTATE, 4, True): -12,
        (Operation.SOLARIZE, 4, False): 154, (Operation.SOLARIZE_ADD, 9, False): 99,
        (Operation.SHEAR_X, 9, True): -0.09,
        (Operation.TRANSLATE_X, 9, True): -1, (Operation.TRANSLATE_Y, 4, False): 0, (Operation.CUTOUT, 9, False): 2,
        (Operation.CUTOUT, 1, False): 0,
    }  # fmt: skip
    for (kind, strength, negative), value in wanted.items():
        assert rand_augment.disc_value(entries[kind], strength, negative, (32, 32)) == pytest.approx(value), kind


def test_gjss_makes_the_images_that_pillow_makes() -> None:
    pixels, numbers = pictures(300, 32, 4), numbers_for("randaugment_gjs", 300)
    wanted = []
    for image, row in zip(opened(pixels), numbers.double().tolist(), strict=True):
        entry = rand_augment._GJS[int(row[0] * 16)]
        value = rand_augment.gjs_value(entry, row[1] >= 0.5)
        cut = entry[0] is Operation.CUTOUT
        centre = (32 - 31 * row[2], 32 - 31 * row[3])
        wanted.append(rectangle(image, 4, centre, BROWN) if cut else done(image, entry[0], value))
    assert torch.equal(made_by("randaugment_gjs", pixels, numbers), read(wanted))
    values = {entry[0]: rand_augment.gjs_value(entry, True) for entry in rand_augment._GJS}
    assert values[Operation.ROTATE] == pytest.approx(-3) and values[Operation.COLOR] == pytest.approx(0.28)
    assert values[Operation.POSTERIZE] == 0 and values[Operation.SOLARIZE_ADD] == pytest.approx(11)
    assert values[Operation.SHEAR_X] == pytest.approx(-0.03) and values[Operation.TRANSLATE_X] == pytest.approx(-10)


def test_contrastive_views_are_random_parts_of_the_image_flipped_and_made_grey() -> None:
    pixels, numbers = pictures(1000, 32, 5), numbers_for("contrastive", 1000)
    calm = numbers.clone()
    calm[:, :20:2], calm[:, 1:20:2], calm[:, 23], calm[:, 29] = 1 - 1e-6, 0.5, 0.9, 0.9  # all of it, in its colours
    same = made_by("contrastive", pixels, calm)
    flipped = numbers[:, 22] < 0.5
    assert torch.equal(same[~flipped], pixels[~flipped]) and torch.equal(same[flipped], pixels[flipped].flip(3))
    found = made_by("contrastive", pixels, numbers)
    is_grey = (found == found[:, :1]).all(1).flatten(1).all(1)
    assert torch.equal(is_grey, numbers[:, 29] < 0.2) and 0.15 < is_grey.double().mean() < 0.25
    assert 0.4 < flipped.double().mean() < 0.6


def loader(images: Tensor, settings: dict[str, object] | None = None) -> MemoryLoader:
    pixels = images.permute(0, 2, 3, 1).contiguous().numpy()
    return MemoryLoader(pixels, (0.5, 0.4, 0.3), (0.2, 0.25, 0.3), settings or SETTINGS, CPU)


def seen(found: MemoryLoader, *views: str) -> list[tuple[Tensor, tuple[Tensor, ...]]]:
    return list(found.walk(None, 50, views, Generator().manual_seed(1), Generator().manual_seed(2)))


def inverted(images: Tensor, numbers: Tensor) -> Tensor:
    return 1 - images


def test_a_policy_that_is_first_leaves_the_border_of_the_crop_black() -> None:
    """Inverted before the crop, the padding stays black; inverted after it, it is white."""
    for first in (True, False):
        with registries.as_before():
            VIEW_POLICIES.add(
                ViewPolicy("inverted", "i", strength=lambda _: (0, 0.0), apply=inverted, first=first), Path("i.py")
            )
            images = torch.full((50, 3, 32, 32), 55, dtype=torch.uint8)
            for _, (view,) in seen(loader(images), "inverted"):
                values = (
                    view * torch.tensor([0.2, 0.25, 0.3])[:, None, None] + torch.tensor([0.5, 0.4, 0.3])[:, None, None]
                )
                values = (values * 255).round().unique().tolist()
                assert values == ([0, 200] if first else [200, 255])


def test_sops_view_is_autoaugment_then_crop_and_flip_then_a_cut_out_of_the_mean_colour() -> None:
    images = pictures(50, 32, 6)
    found = loader(images)
    (index, (view,)), = seen(found, "autoaugment_cifar10")  # fmt: skip
    walk = found.walk(None, 50, ("autoaugment_cifar10",), Generator().manual_seed(1), Generator().manual_seed(2))
    draws = walk.draws[0]
    assert draws.numbers is not None and draws.offset is not None and draws.flip is not None
    assert draws.cutout is not None
    changed = made_by("autoaugment_cifar10", images[index], draws.numbers)
    padded = torch.nn.functional.pad(changed, (4, 4, 4, 4))
    for number in range(50):
        top, left = draws.offset[number].tolist()
        one = padded[number, :, top : top + 32, left : left + 32].float() / 255
        one = one.flip(2) if draws.flip[number] else one
        one = (one - torch.tensor([0.5, 0.4, 0.3])[:, None, None]) / torch.tensor([0.2, 0.25, 0.3])[:, None, None]
        y, x = draws.cutout[number].tolist()
        one[:, max(0, y - 8) : y + 8, max(0, x - 8) : x + 8] = 0
        assert torch.allclose(view[number], one, atol=1e-5)


def test_sops_other_view_is_normalised_with_cifar10s_statistics() -> None:
    images = pictures(50, 32, 7)
    (_, (usual, other)), = seen(loader(images), "autoaugment_cifar10", "autoaugment_cifar10_sop")  # fmt: skip
    assert usual.shape == other.shape
    dark = torch.zeros(1, 32, 32, 3, dtype=torch.uint8)
    normalised = loader(images).normalised
    value = normalised.by("autoaugment_cifar10_sop")(dark)[0, :, 0, 0]
    assert torch.allclose(value, -torch.tensor([0.4914 / 0.2023, 0.4822 / 0.1994, 0.4465 / 0.2010]))
    assert normalised.by("autoaugment_cifar10") is normalised
    grey = MemoryLoader(np.zeros((2, 8, 8, 1), np.uint8), (0.5,), (0.5,), SETTINGS, CPU)
    with pytest.raises(DataError, match="view policy 'autoaugment_cifar10_sop': is for images of 3 channels"):
        seen(grey, "autoaugment_cifar10_sop")


@pytest.mark.parametrize("name", [policy.name for policy in VIEW_POLICIES])
def test_every_policy_takes_images_of_other_sizes_and_channels(name: str) -> None:
    if VIEW_POLICIES[name].mean is not None:
        pytest.skip("of three channels")
    for shape in ((9, 8, 8, 1), (5, 20, 24, 3)):
        pixels = np.random.default_rng(0).integers(0, 256, shape).astype(np.uint8)
        channels = shape[-1]
        found = MemoryLoader(pixels, (0.5,) * channels, (0.25,) * channels, SETTINGS, CPU)
        for _, (view,) in seen(found, name):
            assert view.shape[1:] == (channels, *shape[1:3]) and view.isfinite().all()


@pytest.mark.parametrize("name", [policy.name for policy in VIEW_POLICIES if policy.numbers])
def test_the_largest_and_smallest_numbers_choose_something(name: str) -> None:
    pixels = pictures(2, 32, 8)
    numbers = numbers_for(name, 2)
    numbers[0], numbers[1] = 0, 1 - 2**-24
    assert made_by(name, pixels, numbers).shape == pixels.shape


def test_the_suites_strong_view_is_the_policy_that_it_names() -> None:
    assert policies_of(("weak", "strong"), SETTINGS) == ("weak", "strong")
    assert policies_of(("weak", "strong"), {**SETTINGS, "strong": "colour_jitter"}) == ("weak", "colour_jitter")
    images = pictures(50, 32, 9)
    chosen = loader(images, {**SETTINGS, "strong": "randaugment_gjs"})
    (_, (weak, strong)), = seen(chosen, "weak", "strong")  # fmt: skip
    (_, (same, named)), = seen(loader(images), "weak", "randaugment_gjs")  # fmt: skip
    assert torch.equal(weak, same) and torch.equal(strong, named)


@pytest.mark.slow
def test_a_suite_names_the_policy_of_its_strong_view(tmp_path: Path) -> None:
    suite = write_suite(tmp_path / "s.toml", epochs=1, methods=("sop_plus",))
    found = []
    for chosen in ((), ("--set", "training.augmentation.strong=autoaugment_cifar10")):
        out = tmp_path / f"out{len(found)}"
        status, text = run("run", suite, "--out", out, "--jobs", 1, *chosen, cwd=tmp_path)
        assert status == 0, text
        ((address, record),) = results(out).items()
        found.append((address, json.loads(record)))
    (usual, before), (other, after) = found
    assert usual != other
    assert "strong" not in before["spec"]["augmentation"]
    assert after["spec"]["augmentation"]["strong"] == "autoaugment_cifar10"
    assert {key: before[key] for key in before if key != "spec"} != {key: after[key] for key in after if key != "spec"}


def test_an_unknown_policy_of_the_strong_view_is_refused(refused: Callable[..., str], tmp_path: Path) -> None:
    suite = write_suite(tmp_path / "s.toml", methods=("sop_plus",))
    line = refused("run", suite, "--set", "training.augmentation.strong=autoaugment_cifar")
    assert re.search(r"key 'training.augmentation.strong': unknown view policy 'autoaugment_cifar'; did you mean", line)
