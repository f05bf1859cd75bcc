"""`data check` of image files: each planted fault is named, none is a traceback, what is broken can be left out."""

from __future__ import annotations

import errno
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from rich.console import Console

from bench.api import image_files
from bench.commands.data_check import check_files
from datasets import disk, image_check, index_checks, registry
from datasets.base import DataError, ImageFiles
from datasets.data_contract import Choice
from results.arrays import load_npz
from results.store import Store
from tests import command_line, miniatures
from tests.image_runs import executed, paths, planned
from tests.planted_image_faults import FAULTS, cut, edited


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """A miniature of every data set, by name."""
    found = {}
    for name, write in miniatures.WRITERS.items():
        found[name] = tmp_path_factory.mktemp(name)
        write(found[name])
    return found


@pytest.fixture(autouse=True)
def one_process(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(image_check, "default_jobs", lambda: 1)


def checked(name: str, root: Path, file: str | None = None) -> tuple[bool, str]:
    """Whether all is well, and what is printed."""
    console = Console(record=True, width=500, quiet=False)
    well = check_files(console, name, root, file, jobs=1)
    return well, console.export_text()


def fresh(whole: dict[str, Path], name: str, target: Path) -> Path:
    shutil.copytree(whole[name], target, ignore=shutil.ignore_patterns(".noisy-label-bench"))
    return target


@pytest.mark.parametrize("name", miniatures.WRITERS)
def test_a_whole_data_set_is_well_and_its_counts_are_shown(whole: dict[str, Path], tmp_path: Path, name: str) -> None:
    root = fresh(whole, name, tmp_path / "data")
    well, text = checked(name, root)
    dataset = registry.load(name, root)
    assert well and f"{name}: ok; index in " in text
    assert str(dataset.num_train) in text and all(names in text for names in dataset.class_names[:3])
    info = registry.info(name)
    assert (f"train: {dataset.num_train} images, published are {info.num_train:,}" in text) == (name != "folder")


@pytest.mark.parametrize("fault", FAULTS)
def test_every_planted_fault_is_named(whole: dict[str, Path], tmp_path: Path, fault: str) -> None:
    name, plant, line = FAULTS[fault]
    root = fresh(whole, name, tmp_path / "data")
    plant(root)
    well, text = checked(name, root)
    assert not well and line in text and "Traceback" not in text
    with pytest.raises(DataError) as refused:
        registry.load(name, root)
    assert "\n" not in str(refused.value)


def test_the_command_exits_with_1_and_shows_no_traceback(whole: dict[str, Path], tmp_path: Path) -> None:
    root = fresh(whole, "clothing1m", tmp_path / "data")
    cut(root / "images/3/13/13,train.jpg")
    status, output = command_line.run("data", "check", "clothing1m", "--data", root, "--jobs", "1", cwd=tmp_path)
    assert status == 1 and "truncated image: 3/13/13,train.jpg" in output and "Traceback" not in output
    assert "1 faults, all of them in" in output


def test_many_faults_are_cut_short_and_all_in_a_file(whole: dict[str, Path], tmp_path: Path) -> None:
    root = fresh(whole, "clothing1m", tmp_path / "data")
    edited(root / "noisy_train_key_list.txt", lambda lines: [*lines, *lines[:30]])
    well, text = checked("clothing1m", root)
    assert not well and text.count("duplicate key: noisy") == 10 and "duplicate key: 20 more" in text
    [listed] = root.glob(".noisy-label-bench/*/faults.txt")
    assert len(listed.read_text().splitlines()) == 30


def test_a_check_that_is_stopped_goes_on_where_it_was(
    whole: dict[str, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    root = fresh(whole, "clothing1m", tmp_path / "data")
    monkeypatch.setattr(image_check, "CHUNK", 20)
    cut(root / "images/3/13/13,train.jpg")
    read = image_check._check
    done: list[int] = []

    def stopped(folder: Path, names: Any, own: bool) -> Any:
        if len(done) == 3:
            raise KeyboardInterrupt
        done.append(len(names))
        return read(folder, names, own)

    monkeypatch.setattr(image_check, "_check", stopped)
    with pytest.raises(KeyboardInterrupt):
        checked("clothing1m", root)
    again: list[int] = []

    def counted(folder: Path, names: Any, own: bool) -> Any:
        again.append(len(names))
        return read(folder, names, own)

    monkeypatch.setattr(image_check, "_check", counted)
    well, text = checked("clothing1m", root)
    # 28 test images and the first 20 training images had been read, the broken one among these
    assert not well and "13,train.jpg" in text
    assert done == [20, 8, 20] and sum(again) == 140 - sum(done) + 20
    again.clear()
    checked("clothing1m", root)
    assert sum(again) == 20, "only the chunk with the broken image is read again"


def test_a_mended_image_is_well_again(whole: dict[str, Path], tmp_path: Path) -> None:
    root = fresh(whole, "clothing1m", tmp_path / "data")
    image = root / "images/3/13/13,train.jpg"
    content = image.read_bytes()
    cut(image)
    assert not checked("clothing1m", root)[0]
    with pytest.raises(DataError, match=r"1 broken entries .truncated image: 3/13/13,train.jpg.*--skip-broken"):
        registry.load("clothing1m", root)
    image.write_bytes(content)
    assert checked("clothing1m", root)[0] and registry.load("clothing1m", root).num_train == 84


def test_indexes_of_earlier_lists_are_removed_by_a_check(whole: dict[str, Path], tmp_path: Path) -> None:
    root = fresh(whole, "animal10n", tmp_path / "data")
    checked("animal10n", root)
    (root / "training" / "3_999999.jpg").write_bytes((root / "testing" / "3_000003.jpg").read_bytes())
    assert checked("animal10n", root)[0] and len(list((root / ".noisy-label-bench").iterdir())) == 1
    assert registry.load("animal10n", root).num_train == 61


def test_indexes_of_several_lists_of_own_images_stay_side_by_side(whole: dict[str, Path], tmp_path: Path) -> None:
    root = fresh(whole, "folder", tmp_path / "data")
    shutil.copy(root / "labels.csv", root / "mine.csv")
    assert checked("folder", root)[0] and checked("folder", root, "mine.csv")[0]
    edited(root / "mine.csv", lambda lines: lines[:-1])
    assert checked("folder", root, "mine.csv")[0]
    names = sorted(path.name.rpartition("-")[0] for path in (root / ".noisy-label-bench").iterdir())
    assert names == ["folder-labels", "folder-mine"]


def broken_clothing1m(whole: dict[str, Path], target: Path) -> Path:
    root = fresh(whole, "clothing1m", target)
    cut(root / "images/3/13/13,train.jpg")
    # two validation images of the class are left
    shutil.copy(root / "images/4/84/84,val.jpg", root / "images/4/84/840,val.jpg")
    edited(root / "clean_val_key_list.txt", lambda lines: [*lines, "images/4/84/840,val.jpg"])
    edited(root / "clean_label_kv.txt", lambda lines: [*lines, "images/4/84/840,val.jpg 0"])
    (root / "images/4/84/84,val.jpg").unlink()
    edited(root / "noisy_label_kv.txt", lambda lines: ["images/0/00/0,train.jpg 99", *lines[1:]])
    return root


def test_skipping_leaves_out_what_is_broken_and_records_it(whole: dict[str, Path], tmp_path: Path) -> None:
    root = broken_clothing1m(whole, tmp_path / "data")
    [record] = executed("clothing1m", root, tmp_path / "out", "cross_entropy", skip_broken=True)
    assert record["data"]["num_train"] == 82 and record["data"]["num_validation"] == 28
    assert record["data"]["skipped"] == {
        "class out of range": 1, "missing image": 1, "no label": 1, "truncated image": 1,
    }  # fmt: skip
    arrays = load_npz(tmp_path / "out" / "records" / f"{record['address']}.npz")
    assert len(arrays["given"]) == 82
    dataset = registry.load("clothing1m", root, Choice(skip_broken=True))
    assert not any(path.name in ("13,train.jpg", "0,train.jpg") for path in paths(dataset.train))


@pytest.mark.parametrize("arguments", [("data", "check"), ("run", "--skip-broken", "--dry-run")], ids=" ".join)
def test_an_index_that_cannot_be_written_is_one_line(
    arguments: tuple[str, ...],
    whole: dict[str, Path],
    tmp_path: Path,
    command: command_line.Command,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def refuses(*_: object) -> None:
        raise OSError(errno.EROFS, "Read-only file system", "checked.npy")

    monkeypatch.setattr(image_check, "check_images", refuses)
    root = fresh(whole, "clothing1m", tmp_path / "data")
    ended = command(*arguments, "clothing1m", "--data", root)
    assert ended.status == 2
    assert ended.err == "error: clothing1m: the check cannot be kept: Read-only file system: checked.npy\n"


def test_a_specification_says_what_was_left_out(whole: dict[str, Path], tmp_path: Path) -> None:
    root = fresh(whole, "clothing1m", tmp_path / "data")
    image = root / "images/3/13/13,train.jpg"
    complete = planned("clothing1m", root).cells[0].address
    assert planned("clothing1m", root, skip_broken=True).cells[0].address == complete, "nothing is broken"
    content = image.read_bytes()
    cut(image)
    found = disk.opened("clothing1m", disk.complete("clothing1m", root), tmp_path)
    index_checks.mark_unchecked(found, "train", np.arange(84))
    assert planned("clothing1m", root).cells[0].address == complete, "nobody has looked yet"
    skipping = planned("clothing1m", root, skip_broken=True).cells[0]
    assert skipping.address != complete
    image.write_bytes(content)


def test_data_that_change_after_planning_are_refused(whole: dict[str, Path], tmp_path: Path) -> None:
    from bench.training.data import prepare

    root = fresh(whole, "clothing1m", tmp_path / "data")
    spec = planned("clothing1m", root).cells[0].spec
    edited(root / "noisy_train_key_list.txt", lambda lines: lines[:-1])
    with pytest.raises(DataError, match="data have changed since the run was planned"):
        prepare(spec, root)


def test_an_unknown_broken_image_fails_the_run_with_its_name(whole: dict[str, Path], tmp_path: Path) -> None:
    root = fresh(whole, "clothing1m", tmp_path / "data")
    cut(root / "images/3/13/13,train.jpg")
    with pytest.raises(DataError, match=r"13,train\.jpg: truncated image.*run `data check`, then `run --skip-broken`"):
        executed("clothing1m", root, tmp_path / "out")
    assert not Store(tmp_path / "out").addresses()


def test_progress_is_a_line_for_each_further_tenth_where_there_is_no_terminal() -> None:
    console = Console(record=True, width=100, quiet=False)
    with image_files.shown(console, "reading") as progress:
        for done in range(0, 101, 5):
            progress(done, 100)
        progress(0, 0)
    assert [line.split(":")[1].strip() for line in console.export_text().splitlines()] == [
        f"{done} of 100" for done in range(10, 101, 10)
    ]


def test_files_of_images_are_picklable_for_workers_that_are_not_forked(whole: dict[str, Path]) -> None:
    import pickle

    train = registry.load("clothing1m", whole["clothing1m"]).train
    again = pickle.loads(pickle.dumps(train))
    assert isinstance(again, ImageFiles) and paths(again) == paths(train)
