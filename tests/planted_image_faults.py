"""What can be wrong with image files and their lists, planted into miniatures, and the line that must name it."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any


def edited(path: Path, change: Callable[[list[str]], list[str]]) -> None:
    path.write_text("".join(f"{line}\n" for line in change(path.read_text().splitlines())))


def cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-300])


# a data set, what is done to it, and what must be printed
FAULTS: dict[str, tuple[str, Callable[[Path], Any], str]] = {
    "missing list": (
        "clothing1m", lambda root: (root / "noisy_label_kv.txt").unlink(), "missing: noisy_label_kv.txt",
    ),
    "missing images": ("clothing1m", lambda root: shutil.rmtree(root / "images"), "missing: images/"),
    "malformed line": (
        "clothing1m",
        lambda root: edited(root / "noisy_label_kv.txt", lambda lines: [*lines[:4], "images/nothing", *lines[5:]]),
        "malformed line: noisy_label_kv.txt:5: images/nothing",
    ),
    "label that is no number": (
        "clothing1m",
        lambda root: edited(root / "noisy_label_kv.txt", lambda lines: [*lines[:2], "images/x.jpg two", *lines[2:]]),
        "malformed line: noisy_label_kv.txt:3: images/x.jpg two",
    ),
    "name that leaves the folder": (
        "clothing1m",
        lambda root: edited(root / "noisy_train_key_list.txt", lambda lines: [*lines, "images/../../../etc/passwd"]),
        "malformed line: noisy_train_key_list.txt:85: images/../../../etc/passwd",
    ),
    "duplicate key": (
        "clothing1m",
        lambda root: edited(root / "noisy_train_key_list.txt", lambda lines: [*lines, lines[7]]),
        "duplicate key: noisy_train_key_list.txt:85: images/7/07/7,train.jpg",
    ),
    "duplicate label": (
        "clothing1m",
        lambda root: edited(root / "clean_label_kv.txt", lambda lines: [*lines, lines[0]]),
        "duplicate key: clean_label_kv.txt:57: images/4/84/84,val.jpg 0",
    ),
    "class out of range": (
        "clothing1m",
        lambda root: edited(root / "noisy_label_kv.txt", lambda lines: [lines[0].split()[0] + " 14", *lines[1:]]),
        "class out of range: noisy_label_kv.txt:1: images/0/00/0,train.jpg 14",
    ),
    "no label": (
        "clothing1m",
        lambda root: edited(root / "noisy_label_kv.txt", lambda lines: lines[1:]),
        "no label: noisy_train_key_list.txt: 0/00/0,train.jpg",
    ),
    "class names": (
        "clothing1m",
        lambda root: edited(root / "category_names_eng.txt", lambda lines: lines[:-1]),
        "wrong class names: category_names_eng.txt: 13 class names, expected 14",
    ),
    "truncated JPEG": (
        "clothing1m", lambda root: cut(root / "images/3/13/13,train.jpg"), "truncated image: 3/13/13,train.jpg: ",
    ),
    "empty JPEG": (
        "clothing1m", lambda root: (root / "images/3/13/13,train.jpg").write_bytes(b""),
        "truncated image: 3/13/13,train.jpg: the file is empty",
    ),
    "no JPEG": (
        "clothing1m", lambda root: (root / "images/4/84/84,val.jpg").write_text("<html>404</html>"),
        "unreadable image: 4/84/84,val.jpg: no image that can be read",
    ),
    "missing JPEG": (
        "clothing1m", lambda root: (root / "images/3/13/13,train.jpg").unlink(),
        "missing image: 3/13/13,train.jpg: no such file",
    ),
    "ANIMAL-10N folder": ("animal10n", lambda root: shutil.rmtree(root / "testing"), "missing: testing/"),
    "ANIMAL-10N name": (
        "animal10n",
        lambda root: shutil.copy(next((root / "training").iterdir()), root / "training" / "cat.jpg"),
        "malformed name: training/: cat.jpg",
    ),
    "Food-101N test": (
        "food101n", lambda root: shutil.rmtree(root / "food-101"), "missing: food-101/meta/test.txt (Food-101's test",
    ),
    "Food-101N class": (
        "food101n",
        lambda root: edited(
            root / "Food-101N_release/meta/imagelist.tsv", lambda lines: [*lines, "spaghetti/1.jpg", "nonsense"]
        ),
        "class out of range: imagelist.tsv: spaghetti/1.jpg",
    ),
    "WebVision list": (
        "mini_webvision", lambda root: (root / "webvision/info/val_filelist.txt").unlink(),
        "missing: info/val_filelist.txt",
    ),
    "WebVision class": (
        "mini_webvision",
        lambda root: edited(root / "webvision/info/train_filelist_google.txt", lambda lines: [*lines, "a.jpg 1000"]),
        "class out of range: train_filelist_google.txt:153: a.jpg 1000",
    ),
    "ImageNet folder": (
        "mini_webvision", lambda root: shutil.rmtree(root / "imagenet/val/n00000007"),
        "missing folder: val/: 7 or n00000007",
    ),
    "own list": (
        "folder", lambda root: (root / "labels.csv").unlink(), "missing: labels.csv or labels.parquet or labels.tsv or",
    ),
    "own line": (
        "folder", lambda root: edited(root / "labels.csv", lambda lines: [*lines, "images/0001.jpg,rose"]),
        "malformed line: labels.csv:162: images/0001.jpg,rose",
    ),
    "own split": (
        "folder",
        lambda root: edited(root / "labels.csv", lambda lines: [*lines, "images/x.jpg,rose,rose,holiday"]),
        "malformed line: labels.csv:162: images/x.jpg,rose,rose,holiday",
    ),
    "own duplicate": (
        "folder", lambda root: edited(root / "labels.csv", lambda lines: [*lines, lines[1]]),
        "duplicate key: labels.csv:162: images/0000.jpg",
    ),
    "own empty label": (
        "folder", lambda root: edited(root / "labels.csv", lambda lines: [*lines, "images/x.jpg,,,train"]),
        "malformed line: labels.csv:162: images/x.jpg,train",
    ),
    "own columns": (
        "folder", lambda root: edited(root / "labels.csv", lambda lines: ["file,class", *lines[1:]]),
        "no column 'path'",
    ),
}  # fmt: skip
