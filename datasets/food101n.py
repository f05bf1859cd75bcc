"""Food-101N (Lee et al. 2018): 310,009 photographs of 101 dishes from the web, tested on Food-101's test split.

Food-101N_release/ holds images/<class>/<key>.jpg, meta/classes.txt and meta/imagelist.tsv; food-101/ (Bossard et al.
2014), beside it or in it, holds images/<class>/<id>.jpg and meta/test.txt. Whether a label is right is known for a
sixth of the training images only (meta/verified_train.tsv), so that knowledge is not used.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from datasets import listing
from datasets.data_contract import PHOTOGRAPHS, DataSetPlugin, Lists
from datasets.listing import Fault, Listing, Part, Sources

FOLDERS = ("food101n", "Food-101N_release", "Food-101N", "food-101n")
HEADER = "class_name"  # how the first line of a list begins
_TEST_FOLDERS = ("food-101", "../food-101", "food101", "../food101", "Food-101", "../Food-101")

INFO = replace(
    PHOTOGRAPHS,
    name="food101n",
    title="Food-101N",
    num_classes=101,
    num_train=310_009,
    num_test=25_250,
    description="photographs of 101 dishes from the web (about 20% wrong), tested on Food-101's test split",
    estimated_rate=0.2,  # kuanghuei.github.io/Food-101N
)


def find(folder: Path, file: str | None) -> Sources:
    """Both lists and both folders of images."""
    if (folder / "Food-101N_release").is_dir():
        folder = folder / "Food-101N_release"
    tests = [folder / name for name in _TEST_FOLDERS if (folder / name / "meta" / "test.txt").is_file()]
    wanted = {"classes": folder / "meta" / "classes.txt", "train": folder / "meta" / "imagelist.tsv"}
    files = {role: path for role, path in wanted.items() if path.is_file()}
    missing = [f"meta/{path.name}" for role, path in wanted.items() if role not in files]
    if not (folder / "images").is_dir():
        missing.append("images/")
    if tests:
        files["test"] = tests[0] / "meta" / "test.txt"
    else:
        missing.append("food-101/meta/test.txt (Food-101's test split, beside Food-101N_release/)")
    return Sources(folder, files, tuple(missing))


def _part(images: Path, path: Path, classes: dict[str, int], ending: str, faults: list[Fault]) -> Part:
    """The split of a list of "CLASS/KEY" lines, with or without the header "class_name/key" and further columns."""
    part = Part(images)
    for line in listing.read_names(path, faults):
        name = line.partition("\t")[0]
        folder, separator, key = name.partition("/")
        if folder == HEADER:
            continue
        label = classes.get(folder)
        if not separator or not key:
            faults.append(Fault("malformed line", path.name, listing.shown(line)))
        elif label is None:
            faults.append(Fault("class out of range", path.name, listing.shown(line)))
        else:
            part.names.append(name + ending)
            part.labels.append(label)
    return part


def read(sources: Sources) -> Listing:
    """Both splits; a class's number is its place in the sorted names of meta/classes.txt."""
    faults: list[Fault] = []
    names = listing.read_names(sources.files["classes"], faults)
    classes = sorted(name for name in names if name != HEADER)
    if len(classes) != INFO.num_classes:
        what = f"{len(classes)} class names, expected {INFO.num_classes}"
        faults.append(Fault("wrong class names", "classes.txt", what))
    numbers = {name: number for number, name in enumerate(classes)}
    test = sources.files["test"]
    return Listing(
        {
            "train": _part(sources.folder / "images", sources.files["train"], numbers, "", faults),
            "test": _part(test.parent.parent / "images", test, numbers, ".jpg", faults),
        },
        faults,
        tuple(classes),
    )


DATA_SET = DataSetPlugin(INFO, lists=Lists(FOLDERS, find, read))
