"""Small data sets of real JPEGs in the layout of each published one, with wrong labels that are known.

    python tests/miniatures.py clothing1m DIR      (or animal10n, food101n, mini_webvision, folder)

writes one into DIR. A class is a colour and the direction of its stripes, so that a network can learn it.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
from PIL import Image

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from datasets import clothing1m
from datasets.randomness import derive_seed, integers, uniforms

WRONG = 0.3  # share of training labels that are wrong
SIDES = (40, 72)  # shortest and longest side of an image, in pixels


def picture(label: int, classes: int, number: int) -> Image.Image:
    """An image of a class; `number` tells images apart."""
    width, height = (SIDES[0] + integers(derive_seed("size", number), 2, SIDES[1] - SIDES[0])).tolist()
    hue, angle = 2 * np.pi * label / classes, np.pi * (7 * label % classes) / classes
    rows, columns = np.mgrid[:height, :width]
    stripes = np.sin((rows * np.cos(angle) + columns * np.sin(angle)) / 3)
    colour = 0.5 + 0.4 * np.cos(hue + np.array([0, 2, 4]) * np.pi / 3)
    grain = uniforms(derive_seed("grain", number), height * width * 3).reshape(height, width, 3)
    values = colour * (0.75 + 0.25 * stripes[..., None]) * (0.8 + 0.2 * grain)
    return Image.fromarray(np.uint8(255 * values))


def save(path: Path, image: Image.Image) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    image.save(path, quality=90)


def corrupted(true: Sequence[int], classes: int, purpose: str) -> list[int]:
    """Labels of which a share is wrong."""
    wrong = uniforms(derive_seed(purpose, "wrong"), len(true)) < WRONG
    shift = 1 + integers(derive_seed(purpose, "shift"), len(true), classes - 1)
    return np.where(wrong, (np.array(true) + shift) % classes, true).tolist()


def balanced(classes: int, each: int) -> list[int]:
    return [label for _ in range(each) for label in range(classes)]


def lines(path: Path, entries: Sequence[str]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(f"{entry}\n" for entry in entries))


def write_clothing1m(root: Path, lists: str = "", prefix: str = "images/", each: int = 6) -> dict[str, list[int]]:
    """lists: where the lists lie ("", "annotations", "label"); prefix: how their keys begin. Returns the truth."""
    classes = 14
    truth = {"train": balanced(classes, each), "val": balanced(classes, 2), "test": balanced(classes, 2)}
    keys: dict[str, list[str]] = {}
    number = 0
    for split, labels in truth.items():
        keys[split] = []
        for label in labels:
            key = f"{number % 10}/{number:02}/{number},{split}.jpg"
            save(root / "images" / key, picture(label, classes, number))
            keys[split].append(prefix + key)
            number += 1
    folder = root / lists
    given = corrupted(truth["train"], classes, "clothing1m")
    lines(folder / "noisy_train_key_list.txt", keys["train"])
    lines(folder / "noisy_label_kv.txt", [f"{key} {label}" for key, label in zip(keys["train"], given, strict=True)])
    lines(folder / "clean_train_key_list.txt", keys["train"][:3])
    clean = []
    for split in ("val", "test"):
        lines(folder / f"clean_{split}_key_list.txt", keys[split])
        clean += [f"{key} {label}" for key, label in zip(keys[split], truth[split], strict=True)]
    lines(folder / "clean_label_kv.txt", clean)
    lines(folder / "category_names_eng.txt", clothing1m.CLASS_NAMES)
    return truth


def write_animal10n(root: Path, each: int = 6) -> dict[str, list[int]]:
    """Returns the truth, in the order of the file names (which the loader keeps)."""
    truth: dict[str, list[int]] = {}
    for split, count in (("training", each), ("testing", 2)):
        true = balanced(10, count)
        given = corrupted(true, 10, "animal10n") if split == "training" else true
        named = {f"{label}_{number:06}.jpg": true[number] for number, label in enumerate(given)}
        for number, (name, label) in enumerate(named.items()):
            save(root / split / name, picture(label, 10, number).resize((64, 64)))
        truth[split] = [named[name] for name in sorted(named)]
    return truth


def write_food101n(root: Path, each: int = 2) -> dict[str, list[int]]:
    """Food-101N_release/ and food-101/ below `root`. Returns the truth."""
    names = [f"dish_{number:03}" for number in range(101)]
    release, food101 = root / "Food-101N_release", root / "food-101"
    true = balanced(101, each)
    given = corrupted(true, 101, "food101n")
    keys = [f"{names[label]}/{number:08x}.jpg" for number, label in enumerate(given)]
    for number, (key, label) in enumerate(zip(keys, true, strict=True)):
        save(release / "images" / key, picture(label, 101, number))
    verified = [f"{key}\t{int(label == right)}" for key, label, right in zip(keys[:40], given, true, strict=False)]
    lines(release / "meta" / "classes.txt", ["class_name", *names])
    lines(release / "meta" / "imagelist.tsv", ["class_name/key", *keys])
    lines(release / "meta" / "verified_train.tsv", ["class_name/key\tverification_label", *verified])
    tests = [f"{name}/{100 + number}" for number, name in enumerate(names)]
    for number, key in enumerate(tests):
        save(food101 / "images" / f"{key}.jpg", picture(number, 101, 5000 + number))
    lines(food101 / "meta" / "test.txt", tests)
    return {"train": true}


def write_mini_webvision(root: Path, each: int = 3, imagenet: bool = True) -> dict[str, list[int]]:
    """webvision/ and imagenet/ below `root`; images of classes from 50 on are listed, but not there."""
    folder = root / "webvision"
    true = balanced(50, each)
    given = corrupted(true, 50, "webvision")
    train = [f"google/q{label:04}/{number}.jpg" for number, label in enumerate(given)]
    for number, (name, label) in enumerate(zip(train, true, strict=True)):
        save(folder / name, picture(label, 50, number))
    tests = [f"val{number:06}.jpg" for number in range(50)]
    for number, name in enumerate(tests):
        save(folder / "val_images_256" / name, picture(number, 50, 7000 + number))
    others = [f"google/q{label:04}/x.jpg {label}" for label in (50, 999)]
    listed = [f"{name} {label}" for name, label in zip(train, given, strict=True)]
    lines(folder / "info" / "train_filelist_google.txt", [*listed[:20], *others, *listed[20:]])
    lines(folder / "info" / "val_filelist.txt", [*(f"{name} {k}" for k, name in enumerate(tests)), "val999999.jpg 77"])
    lines(folder / "info" / "synsets.txt", [f"n{label:08} thing {label}, other name" for label in range(1000)])
    for label in range(50 if imagenet else 0):
        save(root / "imagenet" / "val" / f"n{label:08}" / f"v{label}.JPEG", picture(label, 50, 9000 + label))
    return {"train": true}


def write_flat_imagenet(images: Path, listed: str) -> dict[str, int]:
    """ImageNet's validation images as they are distributed, all in one folder, with the list `listed`, seen from there.

    Returns name -> class of those of the first 50 classes, in the order of the list; others are listed, but not there.
    """
    order = [(number * 37) % 1000 for number in range(1000)]
    names = {f"ILSVRC2012_val_{number + 1:08}.JPEG": label for number, label in enumerate(order)}
    found = {name: label for name, label in names.items() if label < 50}
    for number, (name, label) in enumerate(found.items()):
        save(images / name, picture(label, 50, number))
    lines(images / listed, [f"{name} {label}" for name, label in names.items()])
    return found


OWN_CLASSES = ("daisy", "poppy", "rose", "tulip")


def write_folder(root: Path, each: int = 40, kind: str = "csv", clean: bool = True, split: bool = True) -> list[int]:
    """images/ and labels.csv (or .tsv, .parquet, .txt); clean, split: with these columns. Returns the truth."""
    true = balanced(4, each)
    given = corrupted(true, 4, "folder")
    rows = []
    for number, (label, right) in enumerate(zip(given, true, strict=True)):
        name = f"images/{number:04}.jpg"
        save(root / name, picture(right, 4, number))
        tested = number % 5 == 4
        shown = right if tested else label
        row = {"path": name, "label": OWN_CLASSES[shown]}
        row |= {"clean_label": OWN_CLASSES[right]} if clean else {}
        row |= {"split": "test" if tested else "train"} if split else {}
        rows.append(row)
    write_list(root / f"labels.{kind}", rows)
    return true


def write_list(path: Path, rows: Sequence[dict[str, str]]) -> None:
    """A list of images in the format that the file's ending says."""
    import pandas as pd

    table = pd.DataFrame(rows)
    if path.suffix == ".parquet":
        table.to_parquet(path)
    elif path.suffix == ".txt":
        lines(path, [f"{row['path']} {row['label']}" for row in rows])
    else:
        table.to_csv(path, index=False, sep="\t" if path.suffix == ".tsv" else ",")


WRITERS: dict[str, Callable[[Path], object]] = {
    "clothing1m": write_clothing1m,
    "animal10n": write_animal10n,
    "food101n": write_food101n,
    "mini_webvision": write_mini_webvision,
    "folder": write_folder,
}


def main() -> None:
    if len(sys.argv) != 3 or sys.argv[1] not in WRITERS:
        sys.exit(f"usage: python tests/miniatures.py {{{','.join(WRITERS)}}} DIR")
    root = Path(sys.argv[2])
    WRITERS[sys.argv[1]](root)
    print(json.dumps({"written": str(root)}))


if __name__ == "__main__":
    main()
