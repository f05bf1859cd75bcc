"""A user's own images through the commands: what changed is seen, what is left out is said, nothing hangs."""

from __future__ import annotations

import io
import os
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from datasets import disk, folder, image_check, index, registry, resized
from datasets.base import DataError, ImageFiles
from datasets.data_contract import Choice
from results import frame
from results.store import Store
from tests import command_line
from tests.command_line import Command
from tests.user_files import CASES
from tests.user_files.case import write_images, write_list

SUITE = """
title = "Own"
purpose = "compare"
seeds = 1
data = { name = "folder" }
noise = [{ model = "own" }]
methods.cross_entropy = {}

[training]
network = "small_cnn"
epochs = 1
batch_size = 6
precision = "fp32"
augmentation = { resize = 16, crop = 16 }
"""


@pytest.fixture(autouse=True)
def one_process(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(image_check, "default_jobs", lambda: 1)


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """The usual pictures and their list, and a suite beside them."""
    (tmp_path / "own.toml").write_text(SUITE)
    write_list(tmp_path / "data", write_images(tmp_path / "data"))
    return tmp_path / "data"


@pytest.fixture
def run(command: Command, in_process: list[str], data: Path) -> Callable[..., command_line.Ended]:
    """`run` of the suite on the data."""
    return lambda *options: command("run", "own.toml", "--data", data, "--out", "out", *options)


def row_of(text: str, name: str) -> list[str]:
    """The cells of a class in the table of a check."""
    [line] = [line for line in text.splitlines() if line.split()[1:2] == [name]]
    return line.split()[2:]


def of_the_same_time(path: Path, text: str) -> None:
    """Write a file of the same size and time as the one before."""
    before = path.stat()
    assert len(text.encode()) == before.st_size
    path.write_text(text)
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))


def test_a_corrected_list_of_the_same_size_and_time_is_another(command: Command, data: Path) -> None:
    assert row_of(command("data", "check", "folder", "--data", data).out, "b") == ["2", "4"]
    listed = data / "labels.csv"
    of_the_same_time(listed, listed.read_text().replace("b,train", "c,train"))
    ended = command("data", "check", "folder", "--data", data)
    assert row_of(ended.out, "b") == ["2", "0"] and row_of(ended.out, "c") == ["2", "8"]
    (data / "classes.txt").write_text("a\nb\nc\n")
    assert registry.load("folder", data).class_names == ("a", "b", "c")
    of_the_same_time(data / "classes.txt", "c\nb\na\n")
    assert registry.load("folder", data).class_names == ("c", "b", "a")


def test_an_image_that_breaks_after_a_good_check_is_found_and_can_be_left_out(
    command: Command, run: Callable[..., command_line.Ended], data: Path
) -> None:
    assert command("data", "check", "folder", "--data", data).status == 0
    content = (data / "images/p01.png").read_bytes()
    (data / "images/p01.png").write_bytes(b"")
    refused = run()
    assert refused.status == 2 and "truncated image: images/p01.png: the file is empty" in refused.err
    assert command("data", "check", "folder", "--data", data).status == 1
    left_out = run("--skip-broken")
    assert left_out.status == 0 and "1 broken entries are left out: 1 truncated image" in left_out.out
    [address] = Store(Path("out")).addresses()
    assert Store(Path("out")).load(address)["data"]["skipped"] == {"truncated image": 1}
    told = "eft out of the data as broken: 1 image (truncated image: 1)"
    assert f"own: l{told}, in 1 runs" in command("status", "--out", "out").out
    assert command("report", "--out", "out").status == 0
    tables = Path("out/report/tables")
    for page in (Path("out/report/suite-own.html"), tables / "own-accuracy.md"):
        assert f"L{told}." in page.read_text(encoding="utf-8")
    assert pd.read_csv(tables / "runs.csv")["left_out"].tolist() == [1]
    assert frame.load("out")["left_out"].tolist() == [1]
    (data / "images/p01.png").write_bytes(content)
    assert run().status == 0 and len(Store(Path("out")).addresses()) == 2, "mended, it is another run"


def test_an_image_that_was_replaced_is_read_again(command: Command, data: Path) -> None:
    command("data", "check", "folder", "--data", data)
    before = (data / "images/p01.png").stat()
    (data / "images/p01.png").write_bytes(b"x" * before.st_size)
    os.utime(data / "images/p01.png", ns=(before.st_atime_ns, before.st_mtime_ns))
    ended = command("data", "check", "folder", "--data", data)
    assert ended.status == 1 and "unreadable image: images/p01.png" in ended.out


@pytest.mark.parametrize(("left", "status"), [(0, 2), (1, 2), (2, 0)])
def test_a_class_of_which_too_few_are_left_is_an_error(
    run: Callable[..., command_line.Ended], data: Path, left: int, status: int
) -> None:
    for number in (1, 4, 7, 10)[left:]:
        (data / f"images/p{number:02}.png").write_bytes(b"")
    ended = run("--skip-broken")
    assert ended.status == status, ended
    assert f"{4 - left} broken entries are left out: {4 - left} truncated image" in ended.out
    if status:
        assert f"{left} train images of class 'b' are left (at least 2 are needed)" in ended.err
        assert not Path("out").exists()


def test_too_few_test_images_are_an_error_too_and_lines_left_out_count(
    run: Callable[..., command_line.Ended], data: Path
) -> None:
    (data / "images/p13.png").unlink()
    assert "1 test images of class 'b' are left" in run("--skip-broken").err
    (data / "classes.txt").write_text("a\nb\nc\nd\n")
    rows = [[path, label, split] for path, label, split in write_images(data)]
    write_list(data, [[path, {"c": "e"}.get(label, label), split] for path, label, split in rows])
    assert "0 train images of class 'c' are left" in run("--skip-broken").err


@pytest.mark.parametrize("case", ["a pipe", "a bomb", "a strip", "32 bits"])
def test_a_run_that_nobody_checked_before_names_what_it_cannot_read(
    case: str, run: Callable[..., command_line.Ended], data: Path
) -> None:
    shutil.rmtree(data)
    CASES[case].write(data)
    ended = run()
    assert ended.status == 2 and ended.err.startswith("error: folder: 1 broken entries (")
    assert CASES[case].says[0] in ended.err
    assert not Path("out").exists()


@pytest.mark.parametrize(
    "case", ["copies", "numbers in another order", "two lists", "black under nothing", "cases that differ"]
)
def test_a_run_says_what_the_check_says(case: str, run: Callable[..., command_line.Ended], data: Path) -> None:
    shutil.rmtree(data)
    CASES[case].write(data)
    ended = run()
    assert ended.status == 0
    assert f"warning: folder: {CASES[case].says[-1]}" in ended.out


def test_a_list_without_images_is_none(command: Command, run: Callable[..., command_line.Ended], data: Path) -> None:
    write_list(data, [])
    ended = command("data", "check", "folder", "--data", data)
    assert ended.status == 1 and "lists no train image" in ended.out and ": ok" not in ended.out
    assert run().status == 2


def test_the_check_prints_how_the_list_was_read(command: Command, data: Path) -> None:
    write_list(data, [[*row, "x"] for row in write_images(data)], "path,label,split,note", ";")
    out = command("data", "check", "folder", "--data", data).out
    assert "labels.csv: UTF-8, columns separated by semicolons; columns path, label, split; not read: note\n" in out
    assert "labels.csv:2: path images/p00.png, label a, split train\n" in out


def test_images_that_come_after_their_list_are_found_where_they_are(command: Command, data: Path) -> None:
    """The folder they are relative to, and the form of their names, are looked for again."""
    (data / "images").rename(data / "away")
    write_list(data, [[Path(path).name.replace("p", "\u00e9", 1), *rest] for path, *rest in write_images(data / "x")])
    assert "missing image: \u00e900.png: no such file" in command("data", "check", "folder", "--data", data).out
    (data / "away").rename(data / "images")
    for path in (data / "images").iterdir():
        path.rename(path.with_name(path.name.replace("p", "e\u0301", 1)))
    assert command("data", "check", "folder", "--data", data).status == 0


@pytest.mark.parametrize(
    "damage", ["broken.jsonl", "train.labels.npy", "test.status.npy", "index.json", "train.ends.npy"]
)
def test_a_damaged_index_is_made_again(command: Command, data: Path, damage: str) -> None:
    (data / "images/p01.png").write_bytes(b"")
    assert command("data", "check", "folder", "--data", data).status == 1
    [found] = (data / index.FOLDER).iterdir()
    content = (found / damage).read_bytes()
    for damaged in (content[:-10], b"", None):
        if damaged is None:
            (found / damage).unlink()
        else:
            (found / damage).write_bytes(damaged)
        ended = command("data", "check", "folder", "--data", data)
        assert ended.status == 1 and "truncated image: images/p01.png: the file is empty" in ended.out
        with pytest.raises(DataError, match="1 broken entries"):
            registry.load("folder", data)


def test_an_index_that_is_anothers_is_made_again_in_the_users_cache(
    command: Command, data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    command("data", "check", "folder", "--data", data)
    (data / "images/p01.png").write_bytes(b"")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    access = os.access
    beside = str(data / index.FOLDER)
    monkeypatch.setattr(os, "access", lambda path, mode: not str(path).startswith(beside) and access(path, mode))
    ended = command("data", "check", "folder", "--data", data)
    assert (
        ended.status == 1 and "images/p01.png" in ended.out and str(tmp_path / "cache") in ended.out.replace("\n", "")
    )
    with pytest.raises(DataError, match="1 broken entries"):
        registry.load("folder", data)


def test_where_no_index_can_be_written_the_cache_folder_is_named(
    command: Command, data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (data / index.FOLDER).write_text("a file in its place")
    monkeypatch.setenv("XDG_CACHE_HOME", str(data / "labels.csv"))
    ended = command("data", "check", "folder", "--data", data)
    assert ended.status == 1 and "the index cannot be written" in ended.out and "XDG_CACHE_HOME" in ended.out


def test_resized_copies_follow_their_images(data: Path, tmp_path: Path) -> None:
    def first_copy() -> int:
        dataset = registry.load("folder", data, Choice(copies=True))
        assert isinstance(dataset.train, ImageFiles) and dataset.train.copies is not None
        resized.make(dataset.train, 8, 1, lambda done, total: None)
        with Image.open(io.BytesIO(resized.read(dataset.train.copies, 8, 0))) as image:
            return int(np.asarray(image.convert("L"))[4, 4])

    def check() -> None:
        found = disk.opened("folder", folder.find(data, None), tmp_path)
        image_check.check_images(found, 1, lambda done, total: None)

    check()
    before = first_copy()
    Image.new("RGB", (8, 8), (255, 255, 255)).save(data / "images/p00.png")
    resized._opened.cache_clear()
    assert first_copy() == before, "nobody has looked yet"
    check()
    resized._opened.cache_clear()
    assert before < 120 and first_copy() > 250


def test_suspects_name_files_whose_names_are_no_text(
    command: Command, run: Callable[..., command_line.Ended], data: Path
) -> None:
    shutil.rmtree(data)
    CASES["names that are no UTF-8"].write(data)
    assert run().status == 0
    ended = command("suspects", "own", "--out", "out", "--data", data, "--csv", "all.csv")
    assert ended.status == 0
    assert "images/fl\\udce9che00.png" in pd.read_csv("all.csv")["image"].tolist()


def test_a_bad_name_is_no_traceback_in_a_process_of_its_own(data: Path, tmp_path: Path) -> None:
    CASES["names that are no UTF-8"].write(tmp_path / "odd")
    os.unlink(os.fsencode(tmp_path / "odd" / "images" / "fl\udce9che00.png"))  # noqa: PTH108 (bytes)
    status, out = command_line.run("data", "check", "folder", "--data", tmp_path / "odd", "--jobs", "1", cwd=tmp_path)
    assert status == 1 and "missing image: images/fl\\udce9che00.png: no such file" in out and "Traceback" not in out


def test_a_folder_whose_name_is_no_text_has_a_title_that_is(data: Path, tmp_path: Path) -> None:
    odd = tmp_path / "a\udcff\x07b"
    data.rename(odd)
    assert registry.load("folder", odd).title == "a\\udcff\\x07b"


def test_files_that_systems_leave_are_no_images_of_published_sets(tmp_path: Path) -> None:
    from tests import miniatures

    miniatures.write_animal10n(tmp_path)
    for name in ("._0_000000.jpg", ".DS_Store", "Thumbs.db"):
        (tmp_path / "training" / name).write_bytes(b"\0\5\26\7")
    assert registry.load("animal10n", tmp_path).num_train == 60
    miniatures.write_mini_webvision(tmp_path)
    (tmp_path / "imagenet/val/n00000000/.DS_Store").write_bytes(b"\0")
    assert len(registry.load("mini_webvision", tmp_path).further_tests["imagenet_val"].labels) == 50


def test_published_images_are_read_as_before(tmp_path: Path) -> None:
    """As the code of their papers reads them, whatever own images get."""
    from datasets.decode import decode

    values = np.zeros((8, 8, 4), np.uint8)
    values[0, 0, 3] = 255
    Image.fromarray(values).save(tmp_path / "alpha.png")
    exif = Image.Exif()
    exif[0x0112] = 6
    Image.fromarray(np.zeros((8, 16, 3), np.uint8)).save(tmp_path / "turned.jpg", exif=exif)
    assert decode(tmp_path / "alpha.png", 8).max() == 0 and decode(tmp_path / "alpha.png", 8, own=True).max() == 128
    assert decode(tmp_path / "turned.jpg", 8).shape == (3, 8, 16)
    assert decode(tmp_path / "turned.jpg", 8, own=True).shape == (3, 16, 8)


def test_a_suite_with_a_byte_order_mark_is_read(run: Callable[..., command_line.Ended], tmp_path: Path) -> None:
    (tmp_path / "own.toml").write_text("\ufeff" + SUITE, encoding="utf-8")
    assert run("--dry-run").status == 0


@pytest.mark.parametrize("part", ["class", "name", "path", "split", "column"])
def test_long_texts_of_a_list_are_cut_where_they_are_shown(command: Command, data: Path, part: str) -> None:
    long, rows = "x" * 3000, write_images(data)
    if part == "class":
        write_list(data, [[path, long, split] for path, _, split in rows])
    elif part == "name":
        (data / "classes.txt").write_text(f"a\nb\nc{long}\n")
    elif part == "column":
        write_list(data, rows, head=f"path,label,{long}")
    else:
        write_list(data, [[long, *row[1:]] if part == "path" else [*row[:2], long] for row in rows])
    ended = command("data", "check", "folder", "--data", data)
    assert ended.status in (0, 1)
    assert max(map(len, (ended.out + ended.err).splitlines())) <= 500
