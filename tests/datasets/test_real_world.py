"""Real-world data sets end to end on miniatures in their layouts: lists to record, and what must be said of them."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from bench.api.planned import plan_suite
from bench.planning.workload import EpochImages, epoch_images
from bench.sweep import price
from common.errors import UserError
from common.specification import Specification
from datasets import clothing1m, registry, webvision_classes
from datasets.base import DataError
from datasets.decode import decode
from datasets.noise import make_noise
from datasets.torchvision_import import import_torchvision
from results.record import noise_specification
from tests import command_line, miniatures
from tests.image_runs import paths, planned

SUITES = {"clothing1m": "clothing1m", "animal10n": "animal10n", "food101n": "food101n", "webvision": "mini_webvision"}
LAYOUTS = [("", "images/"), ("annotations", "images/"), ("label", ""), ("label", "images/")]


@pytest.fixture(scope="module")
def roots(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """A miniature of every data set, by name."""
    found = {}
    for name, write in miniatures.WRITERS.items():
        found[name] = tmp_path_factory.mktemp(name)
        write(found[name])
    return found


@pytest.fixture
def own_cache(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return tmp_path / "cache" / "noisy-label-bench"


def copied(root: Path, target: Path) -> Path:
    """A copy of a miniature without its index."""
    shutil.copytree(root, target, ignore=shutil.ignore_patterns(".noisy-label-bench"))
    return target


@pytest.mark.parametrize(("lists", "prefix"), LAYOUTS)
@pytest.mark.parametrize("named", ["", "clothing1m", "Clothing1M"])
def test_clothing1m_is_found_in_every_layout(tmp_path: Path, lists: str, prefix: str, named: str) -> None:
    truth = miniatures.write_clothing1m(tmp_path / named, lists, prefix, each=1)
    dataset = registry.load("clothing1m", tmp_path)
    assert dataset.num_train == 14 and dataset.class_names == clothing1m.CLASS_NAMES
    assert all(path.is_file() for path in paths(dataset.train))
    assert dataset.test.labels.tolist() == truth["test"]
    assert dataset.validation is not None and dataset.validation.given is None
    assert dataset.validation.images.labels.tolist() == truth["val"]
    assert not dataset.truth and dataset.test_truth


def test_given_labels_are_those_of_the_lists(roots: dict[str, Path]) -> None:
    for name, truth in (
        ("clothing1m", miniatures.corrupted(miniatures.balanced(14, 6), 14, "clothing1m")),
        ("food101n", miniatures.corrupted(miniatures.balanced(101, 2), 101, "food101n")),
        ("mini_webvision", miniatures.corrupted(miniatures.balanced(50, 3), 50, "webvision")),
    ):
        dataset = registry.load(name, roots[name])
        assert dataset.given is not None and dataset.given.tolist() == truth
        assert np.array_equal(dataset.train.labels, dataset.given), "nobody knows better"
    animals = registry.load("animal10n", roots["animal10n"])
    for path, label in zip(paths(animals.train), animals.train.labels, strict=True):
        assert path.name.startswith(f"{label}_")


def test_class_names_come_from_the_files(roots: dict[str, Path]) -> None:
    assert registry.load("food101n", roots["food101n"]).class_names[7] == "dish_007"
    webvision = registry.load("mini_webvision", roots["mini_webvision"])
    assert webvision.class_names[:2] == ("thing 0", "thing 1") and webvision.num_classes == 50
    assert webvision.further_tests["imagenet_val"].labels.tolist() == list(range(50))


def test_webvision_goes_without_imagenet_and_takes_numbered_folders(tmp_path: Path) -> None:
    miniatures.write_mini_webvision(tmp_path / "a", each=1, imagenet=False)
    assert registry.load("mini_webvision", tmp_path / "a").further_tests == {}
    miniatures.write_mini_webvision(tmp_path / "b", each=1)
    for folder in (tmp_path / "b" / "imagenet" / "val").iterdir():
        folder.rename(folder.with_name(str(int(folder.name[1:]))))
    assert len(registry.load("mini_webvision", tmp_path / "b").further_tests["imagenet_val"].labels) == 50


LISTS = ["val.txt", "../val.txt", "../imagenet_val.txt", "../ILSVRC2012_devkit_t12/data/val.txt"]


@pytest.mark.parametrize("place", LISTS)
def test_webvision_takes_imagenets_flat_folder_with_its_list(tmp_path: Path, place: str) -> None:
    miniatures.write_mini_webvision(tmp_path, each=1, imagenet=False)
    names = miniatures.write_flat_imagenet(tmp_path / "imagenet" / "val", place)
    found = registry.load("mini_webvision", tmp_path).further_tests["imagenet_val"]
    assert found.labels.tolist() == list(names.values())  # those of the first 50 classes, in the order of the list
    assert [path.name for path in paths(found)] == list(names)
    assert all(path.is_file() for path in paths(found))


def test_a_list_of_imagenet_that_is_no_list_is_told_line_by_line(tmp_path: Path) -> None:
    miniatures.write_mini_webvision(tmp_path, each=1, imagenet=False)
    images = tmp_path / "imagenet" / "val"
    names = miniatures.write_flat_imagenet(images, "val.txt")
    first = next(iter(names))
    listed = images / "val.txt"
    listed.write_text(f"{first} 1000\n{first} cat\n../{first} 3\n{listed.read_text()}{first} 3\n")
    with pytest.raises(DataError, match="4 broken entries") as fault:
        registry.load("mini_webvision", tmp_path)
    assert "class out of range: val.txt:1" in str(fault.value) and "malformed line: val.txt:2" in str(fault.value)


def test_imagenets_flat_folder_without_a_list_is_one_fault(tmp_path: Path) -> None:
    miniatures.write_mini_webvision(tmp_path, each=1, imagenet=False)
    miniatures.write_flat_imagenet(tmp_path / "imagenet" / "val", "elsewhere.txt")
    with pytest.raises(DataError, match=r"1 broken entries \(missing list: val/: a folder for each class, or a list"):
        registry.load("mini_webvision", tmp_path)


def test_folders_of_classes_go_before_a_list(tmp_path: Path) -> None:
    miniatures.write_mini_webvision(tmp_path, each=1)
    (tmp_path / "imagenet" / "val.txt").write_text("n00000000/v0.JPEG 7\n")
    labels = registry.load("mini_webvision", tmp_path).further_tests["imagenet_val"].labels
    assert labels.tolist() == list(range(50))


def test_webvisions_classes_have_their_names_without_a_file(tmp_path: Path) -> None:
    miniatures.write_mini_webvision(tmp_path, each=1, imagenet=False)
    (tmp_path / "webvision" / "info" / "synsets.txt").unlink()
    for label, (number, _) in enumerate(webvision_classes.CLASSES):
        picture = miniatures.picture(label, 50, label)
        miniatures.save(tmp_path / "imagenet" / "val" / number / f"{label}.JPEG", picture)
    found = registry.load("mini_webvision", tmp_path)
    weights = import_torchvision("torchvision.models").ResNet50_Weights.IMAGENET1K_V1
    assert found.class_names == tuple(weights.meta["categories"][:50])
    assert found.further_tests["imagenet_val"].labels.tolist() == list(range(50))


@pytest.mark.parametrize(
    "below", ["animal10n", "raw_image", "ANIMAL-10N/raw_image_ver/raw_image", "raw_image_ver/raw_image"]
)
def test_animal10n_is_found_as_its_archives_unpack(tmp_path: Path, below: str) -> None:
    miniatures.write_animal10n(tmp_path / below, each=1)
    found = registry.load("animal10n", tmp_path)
    assert (found.num_train, len(found.test.labels)) == (10, 20)
    assert all(path.is_file() for path in paths(found.train))


def test_an_archive_of_animal10n_that_is_not_unpacked_is_named(tmp_path: Path) -> None:
    (tmp_path / "ANIMAL-10N").mkdir()
    (tmp_path / "ANIMAL-10N" / "raw_image_ver.zip").write_bytes(b"PK")
    with pytest.raises(DataError, match=r"training/ \(unpack raw_image_ver.zip\), testing/ \(unpack"):
        registry.load("animal10n", tmp_path)


def test_a_published_image_beyond_pillows_limit_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    miniatures.write_animal10n(tmp_path, each=1)
    name = sorted(path.name for path in (tmp_path / "training").iterdir())[0]
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 1000)  # the images have 4096
    with pytest.raises(DataError, match=rf"{name}: oversized image: more than"):
        decode(tmp_path / "training" / name, 64)


def test_only_their_own_noise_fits_where_the_truth_is_unknown(roots: dict[str, Path]) -> None:
    dataset = registry.load("clothing1m", roots["clothing1m"])
    noisy = make_noise(dataset, "own", 0.0, {}, 3)
    assert noisy.actual_rate is noisy.expected_rate is noisy.matrix is None
    assert noisy.fingerprint == make_noise(dataset, "own", 0.0, {}, 4).fingerprint
    with pytest.raises(DataError, match="true labels of 'clothing1m' are not known"):
        make_noise(dataset, "symmetric", 0.4, {}, 0)
    with pytest.raises(DataError, match="'cifar10' comes with true labels only"):
        make_noise(registry.info("cifar10"), "own", 0.0, {}, 0)  # type: ignore[arg-type]


def test_methods_are_told_the_published_estimate_or_the_suites_rate(roots: dict[str, Path]) -> None:
    def told(suite: str, *assignments: str) -> Any:
        return planned(suite, roots[SUITES[suite]], "co_teaching", *assignments).cells[0].spec.noise_rate

    assert told("clothing1m") == 0.385 and told("food101n") == 0.2 and told("webvision") == 0.2
    assert told("clothing1m", "noise_rate=0.3") == 0.3
    spec = planned("clothing1m", roots["clothing1m"], "cross_entropy", "noise_rate=0.3").cells[0].spec
    assert spec.noise_rate is None, "cross-entropy is told nothing"


@pytest.mark.parametrize(
    ("assignment", "line"),
    [
        ("training.augmentation.crop=300", r"crop' = 300: must be at most resize = 36"),
        ("training.augmentation.crop_padding=4", r"crop_padding': the images of 'clothing1m' are files"),
        ('methods.cross_entropy.training_rows="clean_only"', r"clean_only': the true labels of 'clothing1m' are not"),
        ('data.file="x.csv"', r"data.file' is for the data set 'folder' only"),
        ("training.sampling={ batches = 0 }", r"training.sampling.batches"),
        ('noise.0.model="clean"', r"true labels of 'clothing1m' are not known"),
        ("data.validation={ source = 'inside', size = 84 }", r"data.validation.size"),
    ],
)
def test_what_does_not_fit_is_refused_when_planned(roots: dict[str, Path], assignment: str, line: str) -> None:
    with pytest.raises((UserError, DataError), match=line) as fault:
        planned("clothing1m", roots["clothing1m"], "cross_entropy", assignment)
    assert "\n" not in str(fault.value)


def test_keys_of_image_files_are_refused_for_images_in_memory() -> None:
    for assignment in ("training.augmentation.resize=20", "training.augmentation.crop=20", "data.copies=true"):
        with pytest.raises(UserError, match=r"are (no|not) files"):
            plan_suite("quick", [assignment], None, 1, {}, "cpu")


def test_missing_weights_are_told_in_one_line(
    roots: dict[str, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(command_line.ENVIRONMENT, "TORCH_HOME", str(tmp_path))
    status, output = command_line.run(
        "run", "clothing1m", "--data", roots["clothing1m"], "--out", "out", "--methods", "elr", cwd=tmp_path
    )
    assert status == 2 and "no ImageNet weights at" in output and "pretrained = false" in output
    assert "Traceback" not in output and not (tmp_path / "out").exists()


def test_an_index_is_written_once_and_anew_when_lists_change(
    roots: dict[str, Path], tmp_path: Path, own_cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    root = copied(roots["clothing1m"], tmp_path / "data")
    before = registry.describe("clothing1m", root)
    with monkeypatch.context() as patched:
        patched.setattr(clothing1m, "read", None)
        assert registry.describe("clothing1m", root) == before, "the lists are not read again"
    listed = root / "noisy_train_key_list.txt"
    listed.write_text("".join(listed.read_text().splitlines(keepends=True)[:-1]))
    after = registry.describe("clothing1m", root)
    assert after.info.num_train == before.info.num_train - 1 and after.content != before.content
    assert not own_cache.exists()


def test_the_index_goes_to_the_cache_where_the_data_cannot_be_written_to(
    roots: dict[str, Path], tmp_path: Path, own_cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    root = copied(roots["animal10n"], tmp_path / "data")
    (root / ".noisy-label-bench").write_text("a file where the folder should be")
    assert registry.load("animal10n", root).num_train == 60
    assert len(list(own_cache.glob("index/*/animal10n-*/index.json"))) == 1


def test_the_data_may_be_moved(roots: dict[str, Path], tmp_path: Path) -> None:
    root = copied(roots["food101n"], tmp_path / "data")
    content = registry.describe("food101n", root).content
    root.rename(tmp_path / "moved")
    assert registry.describe("food101n", tmp_path / "moved").content == content
    assert all(path.is_file() for path in paths(registry.load("food101n", tmp_path / "moved").train))


def test_missing_data_is_told_with_the_names_of_the_files(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"clothing1m: missing in .*: noisy_train_key_list.txt, .*images/"):
        registry.load("clothing1m", tmp_path)
    with pytest.raises(DataError, match="is no folder: --data names the folder"):
        registry.load("clothing1m", tmp_path / "nowhere")


def test_the_price_of_a_run_follows_sampled_epochs_crops_and_what_is_measured(roots: dict[str, Path]) -> None:
    def spec(*assignments: str) -> Specification:
        return planned("clothing1m", roots["clothing1m"], "cross_entropy", *assignments).cells[0].spec

    sampled = spec("training.sampling={ batches = 10, balanced = true }", "training.batch_size=5")
    images = epoch_images(sampled)
    assert images == EpochImages(trained=50, scored=10_526 + 14_313, measured=0), "the truth is not known"
    assert price._machine_key(sampled)[1] == (32, 32, 3)
    own = planned("own-images", roots["folder"], "cross_entropy").cells[0]
    assert price.estimate(own, {}, {}).seconds is None
    record = {"spec": own.spec.as_json(), "execution": {"device": "cpu", "seconds": 3.0}}
    assert price.rates([record], "cpu") == {}, "nothing is divided by what is not known"


def test_other_lists_are_other_noise(roots: dict[str, Path]) -> None:
    spec = planned("clothing1m", roots["clothing1m"]).cells[0].spec.as_json()
    other = {**spec, "dataset": {**spec["dataset"], "content": "0" * 64}}
    assert noise_specification(spec) != noise_specification(other)


def test_every_module_says_what_a_list_says() -> None:
    listed = [entry.info for entry in registry.DATASETS if entry.lists is not None]
    assert len(listed) == 5
    for info in listed:
        assert info.resize is not None and info.image_shape[0] <= info.resize and not info.truth
