"""Clothing1M (Xiao et al. 2015): a million shop photographs in 14 classes, labelled by the words around them.

Its lists are seen beside images/, under annotations/ and under label/; the keys in them begin with "images/" or not.
The part with clean labels for training (clean_train_key_list.txt) is not used, as in the papers on noisy labels.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from datasets import listing
from datasets.data_contract import PHOTOGRAPHS, DataSetPlugin, Lists
from datasets.listing import Fault, Listing, Sources

FOLDERS = ("clothing1m", "Clothing1M", "clothing1M", "clothing-1m")
LIST_FOLDERS = ("", "annotations", "label")
PREFIX = "images/"
CLASS_NAMES = (
    "T-Shirt", "Shirt", "Knitwear", "Chiffon", "Sweater", "Hoodie", "Windbreaker", "Jacket", "Down Coat", "Suit",
    "Shawl", "Dress", "Vest", "Underwear",
)  # fmt: skip

INFO = replace(
    PHOTOGRAPHS,
    name="clothing1m",
    title="Clothing1M",
    num_classes=14,
    num_train=1_000_000,
    num_test=10_526,
    num_validation=14_313,
    description="shop photographs, 14 classes, labelled by the text around them (about 38% wrong); on request only",
    class_names=CLASS_NAMES,
    mean=(0.6959, 0.6537, 0.6371),  # as the field's code has them
    std=(0.3113, 0.3192, 0.3214),
    estimated_rate=0.385,  # Liu et al. 2020 (ELR), from the images with both labels
)

_LISTS = {
    "train": "noisy_train_key_list.txt",
    "noisy labels": "noisy_label_kv.txt",
    "validation": "clean_val_key_list.txt",
    "test": "clean_test_key_list.txt",
    "clean labels": "clean_label_kv.txt",
    "classes": "category_names_eng.txt",
}


def find(folder: Path, file: str | None) -> Sources:
    """The lists of the data set in `folder`, each from the first place that has it."""
    files, missing = {}, []
    for role, name in _LISTS.items():
        places = [folder / below / name for below in LIST_FOLDERS]
        there = [place for place in places if place.is_file()]
        if there:
            files[role] = there[0]
        else:
            missing.append(name)
    if not (folder / PREFIX).is_dir():
        missing.append(PREFIX)
    return Sources(folder, files, tuple(missing))


def read(sources: Sources) -> Listing:
    """All splits; images are named below images/."""
    faults: list[Fault] = []
    files, images = sources.files, sources.folder / PREFIX
    parts = {}
    for split, labels in (("train", "noisy labels"), ("validation", "clean labels"), ("test", "clean labels")):
        names = listing.read_names(files[split], faults, PREFIX)
        parts[split] = (names, labels)
    known = {
        role: listing.read_labels(files[role], INFO.num_classes, faults, PREFIX)
        for role in ("noisy labels", "clean labels")
    }
    classes = [text for _, text in listing.lines(files["classes"])]
    if len(classes) != INFO.num_classes:
        what = f"{len(classes)} class names, expected {INFO.num_classes}"
        faults.append(Fault("wrong class names", files["classes"].name, what))
    return Listing(
        {
            split: listing.labelled(images, names, known[labels], files[split].name, faults)
            for split, (names, labels) in parts.items()
        },
        faults,
        CLASS_NAMES,
    )


DATA_SET = DataSetPlugin(INFO, lists=Lists(FOLDERS, find, read))
