"""What the text of a label says: one class, however it is spelt.

Numbers are equal by value (1, 1.0, 01), texts by their composed form (NFC), and what tables write for an empty cell is
no label.
"""

from __future__ import annotations

import functools
import re
import unicodedata
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal

from datasets.base import DataError

_WHOLE = re.compile(r"-?\d{1,4000}")  # what int() takes: it refuses longer ones, and digits such as ²
_DECIMAL = re.compile(r"([+-]?)(\d+\.?\d*|\.\d+)([eE][+-]?\d{1,2})?", re.ASCII)
_LONGEST = 4000  # characters of a number
_MISSING = frozenset(
    ["", "nan", "-nan", "na", "n/a", "#n/a", "#n/a n/a", "#na", "<na>", "null", "none", "1.#ind", "-1.#ind", "1.#qnan",
     "-1.#qnan", "nat"]
)  # fmt: skip


@dataclass(frozen=True)
class Classes:
    """The classes of a list: their names, and the number of each by what `key_of` makes of a label.

    remarks: what a reader should know of how labels were taken, one line each.
    """

    names: tuple[str, ...]
    numbers: Mapping[str, int]
    remarks: tuple[str, ...] = ()

    def number(self, text: str) -> int | None:
        """The class of a label; None: there is none."""
        return self.numbers.get(key_of(text))


def is_missing(text: str) -> bool:
    """Whether the text stands for an empty cell."""
    return text.casefold() in _MISSING


@functools.lru_cache(maxsize=1 << 16)
def key_of(text: str) -> str:
    """What all spellings of one label have in common; a number's shortest decimal form."""
    if _WHOLE.fullmatch(text):
        return str(int(text))
    match = _DECIMAL.fullmatch(text) if len(text) <= _LONGEST else None
    if match is None:
        return unicodedata.normalize("NFC", text)
    whole, _, fraction = format(Decimal(text), "f").lstrip("+-").partition(".")
    digits = (whole.lstrip("0") or "0") + ("." + fraction if (fraction := fraction.rstrip("0")) else "")
    return "-" + digits if match[1] == "-" and digits != "0" else digits


def _look_of(text: str) -> str:
    """The same for texts that a reader takes for one: of other case or width, with other blanks, or marks unseen."""
    seen = "".join(letter for letter in unicodedata.normalize("NFKC", text) if unicodedata.category(letter) != "Cf")
    return " ".join(seen.casefold().split())


def _remarks(names: Sequence[str]) -> tuple[str, ...]:
    groups: dict[str, list[str]] = {}
    for name in names:
        groups.setdefault(_look_of(name), []).append(name)
    if len(names) == 1:
        return (f"one class only: {names[0]!r}",)
    pairs = [" and ".join(map(repr, group)) for group in groups.values() if len(group) > 1]
    if not pairs:
        return ()
    shown = ", ".join(pairs[:5]) + (", ..." if len(pairs) > 5 else "")
    return (f"classes that differ in case or blanks alone: {shown}",)


def from_labels(texts: Iterable[str], path: object) -> Classes:
    """The classes of labels without a file of names: numbers by their value, names in the order of letters.

    A class is called as its labels spell it, or by its key where they do not agree. Raises DataError where labels with
    a fraction are spelt in several ways: they may be no numbers, as 1.1 and 1.10 of sections.
    """
    spelt: dict[str, set[str]] = {}
    for text in sorted(texts):
        spelt.setdefault(key_of(text), set()).add(text)
    for key, several in spelt.items():
        if len(several) > 1 and "." in key and _DECIMAL.fullmatch(key):
            spellings = " and ".join(map(repr, sorted(several)))
            raise DataError(f"{path}: labels {spellings} are one number: spell them alike")
    called = {key: next(iter(several)) if len(several) == 1 else key for key, several in spelt.items()}
    if all(map(_WHOLE.fullmatch, called.values())):
        keys = sorted((key for key in called if int(key) >= 0), key=int)
    else:
        keys = sorted(called, key=lambda key: called[key])
    names = tuple(called[key] for key in keys)
    return Classes(names, {key: number for number, key in enumerate(keys)}, _remarks(names))


def from_names(names: Sequence[str], texts: Iterable[str], path: object) -> Classes:
    """The classes of a file of names; a label is one of the names, or a name's place in the file.

    Where all labels are names they are taken as names. Raises DataError where they are not and one of them is both a
    class's name and another's number.
    """
    named = {key_of(name): number for number, name in enumerate(names)}
    numbered = {str(number): number for number in range(len(names))}
    used = {key_of(text): text for text in sorted(texts)}
    double = [key for key in used if key in named and numbered.get(key, named[key]) != named[key]]
    if not double:
        return Classes(tuple(names), numbered | named, _remarks(names))
    readings = [f"{used[key]!r} is class {named[key]} by its name and class {key} by its number" for key in double[:3]]
    if not all(key in named for key in used):
        must = f"labels must be all names or all numbers of the {len(names)} classes in classes.txt"
        raise DataError(f"{path}: {must}: {'; '.join(readings)}")
    remark = f"labels are taken as names, not as numbers: {readings[0]}"
    return Classes(tuple(names), named, (remark, *_remarks(names)))
