"""Files of labels as users have them: whichever way rows and columns stand, they are read right or refused."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from datasets.base import DataError
from datasets.noise import check_noise, make_noise
from tests.command_line import Command
from tests.toy_data import TOY

TRUE = TOY.train.labels
GIVEN = np.where(np.arange(len(TRUE)) % 5 == 0, (TRUE + 1) % 10, TRUE)
OTHER = (GIVEN + 3) % 10
SHUFFLED = np.random.default_rng(0).permutation(len(TRUE)).tolist()


def table(head: str, cells: Callable[[int], str], order: list[int] | None = None) -> str:
    return head + "".join(f"{cells(row)}\n" for row in (order or range(len(GIVEN))))


RIGHT = {
    "no header": table("", lambda row: f"{GIVEN[row]}"),
    "numbers with a point": table("", lambda row: f"{GIVEN[row]}.0"),
    "numbers with a point and a header": table("label\n", lambda row: f"{GIVEN[row]}.0"),
    "an index in another order": table("index,label\n", lambda row: f"{row},{GIVEN[row]}", SHUFFLED),
    "an index from 1 on": table("label,Index\n", lambda row: f"{GIVEN[row]},{row + 1}", SHUFFLED),
    "an index with a point": table("idx,label\n", lambda row: f"{row}.0,{GIVEN[row]}", SHUFFLED),
    "a series of pandas": table(",0\n", lambda row: f"{row},{GIVEN[row]}", SHUFFLED),
    "a frame of pandas": table(",label,note\n", lambda row: f"{row},{GIVEN[row]},x", SHUFFLED),
    "rows numbered as they stand": table("id,label\n", lambda row: f"{row},{GIVEN[row]}"),
    "semicolons": table("index;label\n", lambda row: f"{row};{GIVEN[row]}", SHUFFLED),
    "tabs": table("index\tlabel\n", lambda row: f"{row}\t{GIVEN[row]}"),
    "a mark before": table("\ufefflabel,image\n", lambda row: f"{GIVEN[row]},x{row}"),
    "line ends of old": table("label\n", lambda row: f"{GIVEN[row]}").replace("\n", "\r"),
    "true labels beside": table("label,true_label\n", lambda row: f"{GIVEN[row]},{TRUE[row]}"),
    "true labels in the order of an index": table(
        "index,label,clean_label\n", lambda row: f"{row},{GIVEN[row]},{TRUE[row]}", SHUFFLED
    ),
}
WRONG = {
    "two columns of one name": (
        table("label,label\n", lambda row: f"{OTHER[row]},{GIVEN[row]}"),
        "2 columns 'label': rename those that are not meant",
    ),
    "label and labels": (
        table("labels,label\n", lambda row: f"{GIVEN[row]},{OTHER[row]}"),
        "several columns, so a key is needed .accepted: labels, label",
    ),
    "columns and no header": (
        table("", lambda row: f"{row},{GIVEN[row]}"),
        "2 columns and no header line: the first line must name them, such as index,label",
    ),
    "a header that is a number": (
        table("0\n", lambda row: f"{GIVEN[row]}"),
        "holds 2001 labels, expected 2000: is the first line, '0', the name of the column",
    ),
    "an index that is none": (
        table("index,label\n", lambda row: f"{row // 2},{GIVEN[row]}"),
        "column 'index' does not number the rows from 0 on, each once",
    ),
    "two indexes": (
        table(",index,label\n", lambda row: f"{row},{row},{GIVEN[row]}"),
        "which of them numbers the images",
    ),
    "another order by another name": (
        table("id,label\n", lambda row: f"{row},{GIVEN[row]}", SHUFFLED),
        "column 'id' numbers the rows in another order than they stand in",
    ),
    "an empty cell": (
        table("index,label\n", lambda row: f"{row},{GIVEN[row] if row != 8 else ''}"),
        "whole numbers .row 9: ''",
    ),
    "a cell of pandas": (
        table("label\n", lambda row: f"{GIVEN[row] if row != 8 else 'nan'}"),
        "whole numbers .row 9: nan",
    ),
    "true labels in another order": (
        table("label,true_label\n", lambda row: f"{GIVEN[row]},{TRUE[row]}", sorted(SHUFFLED, key=lambda row: row % 7)),
        "the true labels in it are not those of the data set: its images stand in another order",
    ),
    "true labels of others": (
        table("label,clean_label\n", lambda row: f"{GIVEN[row]},{row % 3}"),
        "the true labels in it are not those of the data set: it belongs to other images",
    ),
    "fewer": (table("label\n", lambda row: f"{GIVEN[row]}", list(range(1999))), "holds 1999 labels, expected 2000"),
    "a header alone": ("index,label\n", "holds no labels, but the header index, label"),
}


def labels_of(path: Path, **options: object) -> np.ndarray:
    return make_noise(TOY, "labels_file", 0.0, {"file": str(path), **options}, 0).labels


@pytest.mark.parametrize("name", RIGHT)
def test_labels_are_read_image_by_image(name: str, tmp_path: Path) -> None:
    path = tmp_path / "given.csv"
    path.write_bytes(RIGHT[name].encode())
    assert (labels_of(path) == GIVEN).all()


@pytest.mark.parametrize("name", WRONG)
def test_what_is_not_certain_is_refused(name: str, tmp_path: Path) -> None:
    path = tmp_path / "given.csv"
    text, line = WRONG[name]
    path.write_text(text)
    with pytest.raises(DataError, match=line) as refused:
        labels_of(path)
    assert "\n" not in str(refused.value) and str(path) in str(refused.value)


def test_utf_16_is_read_and_what_is_no_text_refused(tmp_path: Path) -> None:
    path = tmp_path / "given.csv"
    path.write_text(RIGHT["semicolons"], encoding="utf-16")
    assert (labels_of(path) == GIVEN).all()
    path.write_bytes(b"PK\3\4\0\0")
    with pytest.raises(DataError, match="zero bytes"):
        labels_of(path)


def test_a_key_chooses_among_columns_and_may_be_a_number(tmp_path: Path) -> None:
    path = tmp_path / "given.csv"
    path.write_text(WRONG["label and labels"][0])
    assert (labels_of(path, key="labels") == GIVEN).all() and (labels_of(path, key="label") == OTHER).all()
    path.write_text(RIGHT["a series of pandas"])
    assert (labels_of(path, key=0) == labels_of(path, key="0")).all()
    assert (labels_of(path, key=0) == GIVEN).all()
    with pytest.raises(DataError, match="option 'key' = True"):
        check_noise(TOY, "labels_file", 0.0, {"file": str(path), "key": True})


def test_arrays_of_two_like_names_need_a_key_and_true_labels_are_compared(tmp_path: Path) -> None:
    path = tmp_path / "given.npz"
    np.savez(path, label=GIVEN, labels=OTHER)
    with pytest.raises(DataError, match=r"several arrays, so a key is needed .accepted: label, labels"):
        labels_of(path)
    np.savez(path, labels=GIVEN, true_labels=TRUE)
    assert (labels_of(path) == GIVEN).all()
    np.savez(path, labels=GIVEN[SHUFFLED], index=SHUFFLED)
    assert (labels_of(path) == GIVEN).all()
    np.savez(path, labels=GIVEN, index=np.zeros(2000))
    with pytest.raises(DataError, match="array 'index' does not number the labels"):
        labels_of(path)
    np.savez(path, labels=GIVEN[SHUFFLED], true_labels=TRUE[SHUFFLED])
    with pytest.raises(DataError, match="its images stand in another order"):
        labels_of(path)


@pytest.mark.parametrize("suffix", ["npy", "npz"])
@pytest.mark.parametrize(
    ("content", "line"),
    [
        (b"<!DOCTYPE html>\n<html></html>\n", "it is a web page"),
        (b"\n  <html lang=en>", "it is a web page"),
        (b"", "the file is empty"),
        (b"version https://git-lfs.github.com/spec/v1\n", "a pointer of Git LFS"),
        (b"0\n1\n", "it holds Python objects, or is none of NumPy's files"),
    ],
)
def test_other_files_are_told_for_what_they_are(tmp_path: Path, suffix: str, content: bytes, line: str) -> None:
    path = tmp_path / f"given.{suffix}"
    path.write_bytes(content)
    with pytest.raises(DataError, match=line) as refused:
        labels_of(path)
    assert "allow_pickle" not in str(refused.value)


def test_the_command_takes_a_numbered_column(command: Command, tmp_path: Path) -> None:
    text = ",0\n" + "".join(f"{row},{row % 10}\n" for row in reversed(range(1397)))
    (tmp_path / "series.csv").write_text(text)
    options = ("--set", "file=series.csv", "--set", "key=0", "--out", "given.npz")
    assert command("noise", "digits", "labels_file", *options).status == 0
    assert (np.load(tmp_path / "given.npz")["labels"] == np.arange(1397) % 10).all()
