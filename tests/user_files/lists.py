"""Lists as users have them: one label in several spellings, paths of one file, encodings, columns."""

from __future__ import annotations

import os
import unicodedata
from pathlib import Path

from tests.user_files.case import Case, refused, relabelled, write_images, write_list

MARK = "\ufeff"


def with_classes(root: Path, text: str, *called: str) -> None:
    relabelled(root, *called)
    (root / "classes.txt").write_text(text, encoding="utf-8")


def with_truth(root: Path, number: int | None = None, text: str = "") -> None:
    """As pandas writes columns of numbers beside empty cells; `text` stands for one true label."""
    rows = []
    for row, (path, label, split) in enumerate(write_images(root)):
        kind = "abc".index(label)
        rows.append([path, str(kind), text if row == number else f"{kind}.0", split])
    write_list(root, rows, "path,label,clean_label,split")


def misspelt_truth(root: Path) -> None:
    rows = [
        [path, label, label if row != 4 else "bb", split] for row, (path, label, split) in enumerate(write_images(root))
    ]
    write_list(root, rows, "path,label,clean_label,split")


def with_rows(root: Path, *more: list[str]) -> None:
    write_list(root, [*write_images(root), *more])


def same_again(root: Path, spelt: str, link: bool = False, copied: bool = False) -> None:
    """All test images once more for training, under another name."""
    rows = write_images(root)
    for path, label, split in list(rows):
        again = spelt.format(Path(path).name)
        if split == "test":
            if link:
                (root / again).symlink_to(Path(path).name)
            elif copied:
                (root / again).write_bytes((root / path).read_bytes())
            rows.append([again, label, "train"])
    write_list(root, rows)


def respelt(root: Path, name: str, listed: str) -> None:
    """The disk has other names than the list."""
    rows = write_images(root, name)
    write_list(root, [[listed.format(number), *row[1:]] for number, row in enumerate(rows)])


def lines_of(root: Path, mark: str, *called: str, name: str = "images/p{:02}.png") -> None:
    """labels.txt; the split is drawn by the names."""
    rows = [[path, called[number % 3]] for number, (path, *_) in enumerate(write_images(root, name))]
    write_list(root, rows, None, mark, "labels.txt")


def undecodable(root: Path) -> None:
    """Files whose names are no UTF-8, and a list that has the same bytes."""
    rows = write_images(root)
    for row in rows[:5]:
        name = row[0].replace("/p", "/fl\udce9che")
        os.rename(root / row[0], os.fsencode(root / name))  # noqa: PTH104 (bytes)
        row[0] = name
    write_list(root, rows)


def in_splits(root: Path, train: str, test: str) -> None:
    rows = write_images(root)
    write_list(root, [[path, label, {"train": train, "test": test}[split]] for path, label, split in rows])


def columns(root: Path, head: str, *cells: int) -> None:
    """A list of these columns; cells: 0 path, 1 label, 2 split, 3 the next class, 4 the row's number."""
    rows = []
    for number, (path, label, split) in enumerate(write_images(root)):
        rows.append([[path, label, split, "bca"["abc".index(label)], str(number)][cell] for cell in cells])
    write_list(root, rows, head)


def latin(root: Path) -> None:
    relabelled(root, "é", "b", "c", encoding="latin-1")


def two_lists(root: Path) -> None:
    rows = write_images(root)
    write_list(root, rows)
    write_list(root, [[path, "c", split] for path, _, split in rows], mark="\t", name="labels.tsv")


def parquet(root: Path) -> None:
    """Whole numbers beside empty cells, which Parquet holds as floating point."""
    import pandas as pd

    rows = write_images(root)
    table = pd.DataFrame(rows, columns=["path", "label", "split"])
    table["clean_label"] = [float("abc".index(label)) if row % 2 else None for row, (_, label, _) in enumerate(rows)]
    table["label"] = ["abc".index(label) for _, label, _ in rows]
    table.to_parquet(root / "labels.parquet")


NUMBERS = ("1", "2", "3")
CASES: dict[str, Case] = {
    "numbers with a point": Case(lambda root: relabelled(root, "1.0", "2", "3", "1", "2.", "3e0"), NUMBERS),
    "numbers with zeros": Case(lambda root: relabelled(root, "007", "8", "9", "7", "+8", "09"), ("7", "8", "9")),
    "numbers of one spelling": Case(lambda root: relabelled(root, "007", "010", "009"), ("007", "009", "010")),
    "fractions in two spellings": refused(
        lambda root: relabelled(root, "1.1", "1.10", "2"),
        "labels '1.1' and '1.10' are one number: spell them alike",
    ),
    "empty cells": refused(
        lambda root: relabelled(root, *"abcabc", "nan", "b", "NULL", "", "None", "c"),
        "labels.csv:8: images/p06.png,nan,train: no label",
        "labels.csv:10: images/p08.png,NULL,train: no label",
        "labels.csv:11: images/p09.png,train: no label",
        "labels.csv:12: images/p10.png,None,train: no label",
    ),
    "a class called n/a": Case(
        lambda root: with_classes(root, "./x\nn/a\n../y\n", "./x", "n/a", "../y"), ("./x", "n/a", "../y")
    ),
    "cases that differ": Case(
        lambda root: relabelled(root, "a", "b", "c", "A"),
        ("A", "a", "b", "c"),
        (3, 3, 3, 3),
        (1, 2, 2, 1),
        ("classes that differ in case or blanks alone: 'A' and 'a'",),
    ),
    "accents in two forms": Case(
        lambda root: relabelled(root, "é", "à", "e\u0301", "a\u0300"),
        ("à", "é"),
        (6, 6),
        (3, 3),
    ),
    "true labels of pandas": Case(with_truth, ("0", "1", "2")),
    "true labels not known": Case(lambda root: with_truth(root, 4, "NaN"), ("0", "1", "2")),
    "a true label misspelt": refused(misspelt_truth, "labels.csv:6: images/p04.png,b,bb,train: clean_label 'bb' is no"),
    "Parquet of pandas": Case(parquet, ("0", "1", "2")),
    "names that are numbers": refused(
        lambda root: with_classes(root, "1\n2\n3\n", "0", "1", "2"),
        "labels must be all names or all numbers",
    ),
    "numbers in another order": Case(
        lambda root: with_classes(root, "2\n0\n1\n", "0", "1", "2"),
        ("2", "0", "1"),
        says=("labels are taken as names, not as numbers: '0' is class 1 by its name and class 0 by its number",),
    ),
    "numbers of names": Case(lambda root: with_classes(root, "x\ny\nz\n", "0", "01", "2.0"), ("x", "y", "z")),
    "classes named twice": refused(
        lambda root: with_classes(root, "a\nb\nc\na\n", *"abc"), "duplicate key: classes.txt:4: a"
    ),
    "control characters": refused(
        lambda root: relabelled(root, "a", "b\x1b[2J", "c"),
        r"images/p01.png,b\x1b[2J,train: a label that holds control",
    ),
    # one file under several names
    "a path in two spellings": refused(
        lambda root: same_again(root, "./images//{}"),
        "duplicate key: labels.csv:20: ./images//p12.png,a,train",
    ),
    "links": Case(
        lambda root: same_again(root, "images/l-{}", link=True),
        train=(6, 6, 6),
        says=("test images that stand in train too, as the same bytes: 6 (images/l-p12.png = images/p12.png",),
    ),
    "copies": Case(
        lambda root: same_again(root, "images/c-{}", copied=True),
        train=(6, 6, 6),
        says=("test images that stand in train too, as the same bytes: 6 (",),
    ),
    "dots and slashes": Case(lambda root: respelt(root, "images/p{:02}.png", "./images/./p{:02}.png")),
    "backslashes": Case(lambda root: respelt(root, "images/p{:02}.png", "images\\p{:02}.png")),
    "a backslash in a name": Case(lambda root: respelt(root, "images/p\\{:02}.png", "images/p\\{:02}.png")),
    "composed in the list": Case(
        lambda root: respelt(root, "imáges/fle\u0301che{:02}.png", "imáges/fl\u00e9che{:02}.png")
    ),
    "decomposed in the list": Case(
        lambda root: respelt(
            root, "images/fl\u00e9che{:02}.png", unicodedata.normalize("NFD", "images/fl\u00e9che{:02}.png")
        )
    ),
    "names that are no UTF-8": Case(undecodable),
    "a path out of the folder": refused(
        lambda root: with_rows(root, ["images/../../x.png", "a", "train"]),
        "labels.csv:20: images/../../x.png,a,train: a path that leaves",
    ),
    "an absolute path": refused(
        lambda root: with_rows(root, ["/tmp/x.png", "a", "train"]), "a,train: an absolute path"
    ),
    "a path of Windows": refused(
        lambda root: with_rows(root, [r"C:\x.png", "a", "train"]), "a,train: an absolute path"
    ),
    "a name too long": refused(lambda root: with_rows(root, ["x" * 300 + ".png", "a", "train"]), "File name too long"),
    "a name with a zero byte": refused(lambda root: with_rows(root, ["x\0.png", "a", "train"]), "not a table of text"),
    "system files in the folder": Case(
        lambda root: [
            with_rows(root),
            *((root / "images" / name).write_bytes(b"\0") for name in (".DS_Store", "Thumbs.db", "._p00.png")),
        ]
    ),
    "system files in the list": refused(
        lambda root: [
            with_rows(root, ["images/._p00.png", "a", "train"]),
            (root / "images" / "._p00.png").write_bytes(b"\0\5"),
        ],
        "unreadable image: images/._p00.png: no image that can be read",
    ),
    # encodings and line ends
    "a mark before the list": Case(lambda root: relabelled(root, *"abc", head=f"{MARK}path,label,split")),
    "two marks before the list": Case(
        lambda root: relabelled(root, *"abc", head=f"{MARK}path,label,split", encoding="utf-8-sig")
    ),
    "a mark before the classes": Case(lambda root: with_classes(root, f"{MARK}a\nb\nc\n", *"abc")),
    "UTF-16": Case(lambda root: relabelled(root, *"abc", encoding="utf-16"), says=("labels.csv: UTF-16",)),
    "UTF-16 without a mark": refused(
        lambda root: relabelled(root, *"abc", encoding="utf-16-le"),
        "it holds zero bytes; save it as UTF-8",
    ),
    "Latin-1": refused(latin, "not a table of text: line 2 is not UTF-8: save the list as UTF-8"),
    "line ends of old": Case(lambda root: relabelled(root, *"abc", end="\r")),
    "line ends of Windows": Case(lambda root: relabelled(root, *"abc", end="\r\n")),
    "semicolons": Case(lambda root: relabelled(root, *"abc", mark=";"), says=("columns separated by semicolons",)),
    "tabs in csv": Case(lambda root: relabelled(root, *"abc", mark="\t"), says=("columns separated by tabs",)),
    "tabs in lines": Case(
        lambda root: lines_of(root, "\t", "wild rose", "b", "c"), ("b", "c", "wild rose"), (5, 4, 5), (1, 2, 1)
    ),
    "blanks in labels": Case(
        lambda root: lines_of(root, " ", "wild rose", "b", "c"), ("b", "c", "wild rose"), (5, 4, 5), (1, 2, 1)
    ),
    "blanks in paths": Case(
        lambda root: lines_of(root, " ", *"abc", name="my images/p {:02}.png"), train=(4, 4, 5), test=(2, 2, 1)
    ),
    # columns
    "two columns of labels": refused(
        lambda root: columns(root, "path,label,label,split", 0, 1, 3, 2), "columns 'label' and 'label'"
    ),
    "label and labels": refused(
        lambda root: columns(root, "path,label,Labels,split", 0, 1, 3, 2), "columns 'label' and 'Labels'"
    ),
    "capitals in the header": Case(lambda root: columns(root, "Path, LABEL,Split", 0, 1, 2)),
    "a column like another": refused(
        lambda root: columns(root, "path,label,splits", 0, 1, 2), "column 'splits': rename it to 'split'"
    ),
    "an index column": Case(lambda root: columns(root, ",path,label,split", 4, 0, 1, 2), says=("not read: (no name)",)),
    "no header": refused(
        lambda root: relabelled(root, *"abc", head=None), "no column 'path' (found: images/p00.png, a, train"
    ),
    "splits in capitals": Case(lambda root: in_splits(root, "Train", "TEST")),
    "splits of another name": refused(
        lambda root: in_splits(root, "train", "dev"), "split 'dev' (accepted: train, validation, test)"
    ),
    "two lists": Case(two_lists, says=("labels.csv is read; there too, and not read: labels.tsv",)),
    "blank lines before": Case(lambda root: relabelled(root, *"abc", head="\n\npath,label,split")),
    "a list that is a web page": refused(
        lambda root: [write_images(root), (root / "labels.csv").write_text("<!DOCTYPE html>\n<html></html>")],
        "it is a web page, not the file",
    ),
    "an empty list": refused(lambda root: [write_images(root), (root / "labels.csv").touch()], "the file is empty"),
    "numbers from 1 on": refused(
        lambda root: with_classes(root, "x\ny\nz\n", "1", "2", "3"),
        "label '3' is no class: accepted are x, y, z, or their numbers from 0 on",
    ),
    "classes in a folder": refused(
        lambda root: [relabelled(root, *"abc"), (root / "classes.txt").mkdir()],
        "missing: classes.txt (what is called so",
    ),
    "classes in a pipe": refused(
        lambda root: [relabelled(root, *"abc"), os.mkfifo(root / "classes.txt")],
        "missing: classes.txt (what is called so",
    ),
    "classes in UTF-16": Case(
        lambda root: [relabelled(root, *"éàb"), (root / "classes.txt").write_text("é\nà\nb\n", "utf-16")],
        ("é", "à", "b"),
    ),
    "a header alone": refused(lambda root: [root.mkdir(parents=True), write_list(root, [])], "lists no train image"),
    "one class": Case(lambda root: relabelled(root, "a"), ("a",), (12,), (6,), ("one class only: 'a'",)),
}
