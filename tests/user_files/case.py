"""What a case is, and what most of them begin with: 18 small pictures of three classes and their list."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from PIL import Image

COUNT, SIDE = 18, 8
KINDS = ("a", "b", "c")
COLOURS = ((200, 40, 40), (40, 200, 40), (40, 40, 200))
Row = list[str]


@dataclass(frozen=True)
class Case:
    """A folder, and what is right to say of it.

    write: makes it. classes: their names, in order; None: the folder is refused. train, test: images of each class.
    says: what the check says, word for word, also where all is well. pixels: the right colour of the middle of an
    image, by its name, within 12 of 255.
    """

    write: Callable[[Path], object]
    classes: Sequence[str] | None = KINDS
    train: Sequence[int] = (4, 4, 4)
    test: Sequence[int] = (2, 2, 2)
    says: Sequence[str] = ()
    pixels: Mapping[str, tuple[int, int, int]] = field(default_factory=dict)


def refused(write: Callable[[Path], object], *says: str) -> Case:
    """A folder that nothing may be trained on."""
    return Case(write, None, says=says)


def picture(number: int) -> Image.Image:
    """A picture of the class `number` modulo three; no two are the same."""
    values = np.full((SIDE, SIDE, 3), COLOURS[number % 3], np.uint8)
    values[0, :, 0] = number
    return Image.fromarray(values)


def write_images(root: Path, name: str = "images/p{:02}.png", count: int = COUNT) -> list[Row]:
    """The pictures, and the rows of their list: path, label, split; every third of the classes is tested."""
    rows = []
    for number in range(count):
        path = root / name.format(number)
        path.parent.mkdir(parents=True, exist_ok=True)
        picture(number).save(path)
        rows.append([name.format(number), KINDS[number % 3], "test" if 3 * number >= 2 * count else "train"])
    return rows


def write_list(
    root: Path, rows: Sequence[Row], head: str | None = "path,label,split", mark: str = ",", name: str = "labels.csv",
    encoding: str = "utf-8", end: str = "\n",
) -> None:  # fmt: skip
    """A list of these rows; `head` with commas."""
    lines = [*([head.split(",")] if head is not None else []), *rows]
    text = "".join(mark.join(cells) + end for cells in lines)
    (root / name).write_bytes(text.encode(encoding, "surrogateescape" if encoding == "utf-8" else "strict"))


def relabelled(root: Path, *called: str, **options: str) -> list[Row]:
    """Pictures and a list whose labels are called otherwise, image by image in turn."""
    rows = [[path, called[number % len(called)], split] for number, (path, _, split) in enumerate(write_images(root))]
    write_list(root, rows, **options)
    return rows
