"""Reading the lists that say which image has which label; whatever is wrong with a line is noted, not raised."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from datasets import text_files
from datasets.base import DataError

LONGEST = 120  # characters of an offending line that are shown


@dataclass(frozen=True)
class Fault:
    """Something wrong with the data: its kind, the file (and line) where it stands, and what stands there."""

    kind: str
    where: str
    what: str

    def __str__(self) -> str:
        return f"{self.kind}: {self.where}: {self.what}"


@dataclass(frozen=True)
class Sources:
    """The files that describe a data set: `folder` is its own; `files` are by what they are for.

    missing: the files that are needed and not there, as a user would look for them. remarks: worth saying, no fault.
    """

    folder: Path
    files: Mapping[str, Path]
    missing: tuple[str, ...] = ()
    remarks: tuple[str, ...] = ()


@dataclass
class Part:
    """The images of one split: names below `folder`, given labels, and true ones where known (-1: not for this one)."""

    folder: Path
    names: list[str] = field(default_factory=list)
    labels: list[int] = field(default_factory=list)
    clean: list[int] | None = None


@dataclass
class Listing:
    """What the lists of a data set say. parts: by split; entries with a fault are not in them.

    class_names: empty where no file gives them. reading: how the lists were understood, remarks: what may be meant
    otherwise; a line each. own: a user's images, not a published data set's (see `datasets.image_file`). absent: how
    many of the names were looked for and not found.
    """

    parts: dict[str, Part]
    faults: list[Fault] = field(default_factory=list)
    class_names: tuple[str, ...] = ()
    reading: tuple[str, ...] = ()
    remarks: tuple[str, ...] = ()
    own: bool = False
    absent: int = 0


def lines(path: Path) -> Iterator[tuple[int, str]]:
    """Number and text of each line that is not blank. Raises DataError where the file cannot be read."""
    try:
        with text_files.opened(path) as stream:
            for number, line in enumerate(stream, start=1):
                if text := line.lstrip("\ufeff").strip():
                    yield number, text
    except OSError as fault:
        raise DataError(f"{path}: cannot be read: {fault.strerror}") from None
    except UnicodeError as fault:
        raise DataError(f"{path}: not a text: {fault}") from None


def at(path: Path, number: int) -> str:
    """How a line of a file is named in a fault."""
    return f"{path.name}:{number}"


def shown(text: str) -> str:
    """A line as a fault shows it: printable, nothing that speaks to a terminal, and not too long."""
    printable = "".join(
        letter if letter.isprintable() else letter.encode("unicode_escape").decode() for letter in text[: LONGEST + 1]
    )
    return printable if len(text) <= LONGEST else printable[:LONGEST] + "..."


def is_clutter(name: str) -> bool:
    """Whether a file is one that systems leave in folders: .DS_Store, ._x beside x, Thumbs.db, desktop.ini."""
    return name.startswith(".") or name.casefold() in ("thumbs.db", "desktop.ini")


def is_inside(name: str) -> bool:
    """Whether a name stays below its folder."""
    return bool(name) and not name.startswith(("/", "\\")) and ".." not in name.split("/")


def class_of(text: str, num_classes: int) -> int | str:
    """The class that `text` says, or what is wrong with it: "malformed line" or "class out of range"."""
    try:
        label = int(text)
    except ValueError:
        return "malformed line"
    return label if 0 <= label < num_classes else "class out of range"


def without_prefix(name: str, prefix: str) -> str:
    """The name without a leading "./" and `prefix`, which some copies of a list have and others have not."""
    return name.removeprefix("./").removeprefix(prefix)


def read_labels(path: Path, num_classes: int, faults: list[Fault], prefix: str = "") -> dict[str, int]:
    """Name -> label from lines "NAME LABEL" (the name may hold blanks). Of duplicates the first one counts."""
    labels: dict[str, int] = {}
    for number, text in lines(path):
        name, _, label = text.rpartition(" ")
        name = without_prefix(name.strip(), prefix)
        value = class_of(label, num_classes) if is_inside(name) else "malformed line"
        if isinstance(value, str):
            faults.append(Fault(value, at(path, number), shown(text)))
        elif name in labels:
            faults.append(Fault("duplicate key", at(path, number), shown(text)))
        else:
            labels[name] = value
    return labels


def read_names(path: Path, faults: list[Fault], prefix: str = "") -> list[str]:
    """Names, one a line. Of duplicates the first one counts."""
    names: dict[str, None] = {}
    for number, text in lines(path):
        name = without_prefix(text, prefix)
        if not is_inside(name):
            faults.append(Fault("malformed line", at(path, number), shown(text)))
        elif name in names:
            faults.append(Fault("duplicate key", at(path, number), shown(text)))
        else:
            names[name] = None
    return list(names)


def labelled(folder: Path, names: Sequence[str], labels: Mapping[str, int], listed: str, faults: list[Fault]) -> Part:
    """The split of all `names` that have a label; the others are faults of the list called `listed`."""
    part = Part(folder)
    for name in names:
        label = labels.get(name)
        if label is None:
            faults.append(Fault("no label", listed, shown(name)))
        else:
            part.names.append(name)
            part.labels.append(label)
    return part
