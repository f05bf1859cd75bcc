"""View policies of plug-ins: the same images whoever reads them, no other view changed, each fault one line."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
import registries
import torch
from command_line import write_suite
from torch import Generator, Tensor

from datasets.base import DataError, ImageFiles
from datasets.disk_loader import DiskLoader
from datasets.loader import MemoryLoader
from datasets.names import Names
from datasets.views import VIEW_POLICIES, ViewPolicy
from tests.miniatures import picture, save

CPU = torch.device("cpu")
SETTINGS = {
    "crop_padding": 2, "padding_mode": "zero", "flip": True, "cutout": 0, "colour_jitter": 0.0, "strong_cutout": 3,
    "strong_colour_jitter": 0.4,
}  # fmt: skip
MEAN, STD = (0.5, 0.4, 0.3), (0.2, 0.25, 0.3)


@pytest.fixture(autouse=True)
def _registries_as_before() -> Iterator[None]:
    with registries.as_before():
        yield


def solarised(images: Tensor, numbers: Tensor) -> Tensor:
    """What is brighter than a random threshold of each image is inverted."""
    assert numbers.shape == (len(images), 2) and images.min() >= 0 and images.max() <= 1
    return torch.where(images > numbers[:, :1, None, None], 1 - images, images)


def add(**given: object) -> None:
    declared = {"apply": solarised, "numbers": 2, **given}
    VIEW_POLICIES.add(ViewPolicy("solar", "inverts", **declared), Path("solar.py"))  # type: ignore[arg-type]


def in_memory() -> MemoryLoader:
    pixels = np.random.default_rng(0).integers(0, 256, (9, 8, 8, 3)).astype(np.uint8)
    return MemoryLoader(pixels, MEAN, STD, SETTINGS, CPU)


def seen(loader: MemoryLoader | DiskLoader, *views: str) -> list[tuple[Tensor, tuple[Tensor, ...]]]:
    return list(loader.walk(None, 4, views, Generator().manual_seed(1), Generator().manual_seed(2)))


def test_a_policy_is_applied_between_crop_and_normalisation_and_changes_no_other_view() -> None:
    add(moves=False)
    loader = in_memory()
    for (index, (weak, solar)), (others, (alone,)) in zip(
        seen(loader, "weak", "solar"), seen(loader, "weak"), strict=True
    ):
        assert torch.equal(index, others) and torch.equal(weak, alone)
        plain = loader.pixels[index].permute(0, 3, 1, 2).float() / 255
        made = solar * loader.normalised.std[:, None, None] + loader.normalised.mean[:, None, None]
        kept = (made - plain).abs() < 1e-5
        assert (kept | ((made - (1 - plain)).abs() < 1e-5)).all()
        changed = ~kept
        assert 0 < changed.float().mean() < 1
        for image, mask in zip(plain, changed, strict=True):  # above some threshold, and only there
            assert not mask.any() or image[mask].min() >= image[~mask].max() - 1e-6


def test_a_policy_that_moves_crops_and_flips_as_the_weak_view_does() -> None:
    add(apply=lambda images, numbers: images, numbers=0)
    loader = in_memory()
    for (_, (solar,)), (_, (weak,)) in zip(seen(loader, "solar"), seen(loader, "weak"), strict=True):
        assert torch.allclose(solar, weak, atol=1e-5)


@pytest.mark.parametrize("view", ["solar", "autoaugment_cifar10_sop", "randaugment_disc_m5", "contrastive"])
def test_image_files_are_seen_alike_however_many_processes_read(view: str, tmp_path: Path) -> None:
    add()
    names = [f"{number}.jpg" for number in range(11)]
    for number, name in enumerate(names):
        save(tmp_path / name, picture(number % 5, 5, number))
    files = ImageFiles(tmp_path, Names.of(names), np.arange(11), np.arange(11) % 5)
    settings = {**SETTINGS, "crop_padding": 0, "resize": 36, "crop": 32}
    found = []
    for workers in (0, 2):
        loader = DiskLoader(files, MEAN, STD, settings, CPU, workers)
        found.append(seen(loader, "weak", view))
        loader.close()
    alone = DiskLoader(files, MEAN, STD, settings, CPU)
    for one, other, weak in zip(*found, seen(alone, "weak"), strict=True):
        assert all(torch.equal(a, b) for a, b in zip(one[1], other[1], strict=True))
        assert torch.equal(one[1][0], weak[1][0]) and not torch.equal(one[1][1], one[1][0])


@pytest.mark.parametrize(
    ("apply", "expected"),
    [
        (lambda images, numbers: images[:, :2], r"gave torch.float32 \[4, 2, 8, 8\], expected torch.float32 \[4, 3, 8"),
        (lambda images, numbers: images.double(), "gave torch.float64"),
        (lambda images, numbers: None, "gave NoneType"),
    ],
)
def test_what_is_no_batch_of_images_is_refused(apply: Callable[[Tensor, Tensor], Tensor], expected: str) -> None:
    add(apply=apply)
    with pytest.raises(DataError, match=f"solar.py: view policy 'solar': {expected}"):
        seen(in_memory(), "solar")


PLUG = """
from datasets.views import ViewPolicy
from methods.base import Method


class Mine(Method):
    name = "mine"
    title = "My idea"
    year = 2026
    reference = "none"
    views = ("weak", "solar")

    def loss(self, batch):
        return self.network(batch.views[1]).square().mean()


VIEW_POLICIES = [ViewPolicy("solar", "inverts", apply=lambda images, numbers: 1 - images)]
"""
FAULTS = {
    "no policy": (
        '[ViewPolicy("solar", "inverts", apply=lambda images, numbers: 1 - images)]', "[5]", "must be a list",
    ),
    "taken": ('ViewPolicy("solar"', 'ViewPolicy("weak"', "view policy name 'weak' is taken by a built-in view policy"),
    "odd name": ('ViewPolicy("solar"', 'ViewPolicy("So lar"', "view policy 'So lar': a name is of small letters"),
    "no description": ('"inverts"', '""', "`description` must be a text"),
    "no function": ("lambda images, numbers: 1 - images", "5", "`apply` must be a function apply(images, numbers)"),
    "strength": ('"inverts", ', '"inverts", strength=5, ', "`strength` must be a function strength(augmentation)"),
    "half a number": ('"inverts", ', '"inverts", numbers=0.5, ', "`numbers` = 0.5: must be how many numbers"),
    "half first": ('"inverts", ', '"inverts", first=1, ', "`first` = 1: must say whether `apply` comes before"),
    "one mean": ('"inverts", ', '"inverts", mean=(0.5,), ', "`mean` and `std`: must be tuples of a number per channel"),
    "no spread": ('"inverts", ', '"inverts", mean=(0.5,), std=(0.0,), ', "must be tuples of a number"),
    "numbers for nobody": ("apply=lambda images, numbers: 1 - images", "numbers=2", "`numbers` = 2: must be how many"),
}  # fmt: skip


@pytest.mark.parametrize("case", FAULTS)
def test_a_fault_in_a_declaration_is_refused(case: str, refused: Callable[..., str], tmp_path: Path) -> None:
    old, new, expected = FAULTS[case]
    assert old in PLUG
    plug = tmp_path / "plug.py"
    plug.write_text(PLUG.replace(old, new, 1))
    line = refused("list", "views", "--plugin", plug)
    assert line.startswith(f"error: {plug}: ")
    assert expected in line


def test_a_method_that_names_no_policy_is_refused_before_anything_runs(
    refused: Callable[..., str], in_process: list[str], tmp_path: Path
) -> None:
    plug = tmp_path / "plug.py"
    plug.write_text(PLUG.replace('("weak", "solar")', '("weak", "sollar")'))
    line = refused("run", write_suite(tmp_path / "s.toml", methods=("mine",)), "--plugin", plug)
    assert f"{plug}: `views`: unknown view policy 'sollar'; did you mean 'solar'?" in line
    assert in_process == []
