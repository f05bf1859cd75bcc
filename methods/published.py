"""What a method's paper trained it with: entries of the declaration `published`, and which of them a run is like."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NotRequired, TypedDict

from common.errors import unknown
from methods.hyper import HyperParameter, MethodError, resolve_hyper


class Published(TypedDict):
    """The authors' settings for a data set, and perhaps for some noise models at some of their rates.

    hyper: hyper-parameters over the defaults. training: keys of a suite's `training` table. deviations: in what this is
    not the published procedure, each with its reason. source: paper, section or table, or repository and file.
    """

    dataset: str
    source: str
    noise: NotRequired[tuple[str, ...]]
    rates: NotRequired[tuple[float, ...]]
    hyper: NotRequired[Mapping[str, Any]]
    training: NotRequired[Mapping[str, Any]]
    deviations: NotRequired[tuple[str, ...]]


_KINDS: Mapping[str, tuple[type, ...]] = {
    "dataset": (str,), "source": (str,), "noise": (tuple, list), "rates": (tuple, list), "hyper": (dict,),
    "training": (dict,), "deviations": (tuple, list),
}  # fmt: skip


def check_published(entries: Any, hyper: Mapping[str, HyperParameter], where: str) -> None:
    """Raise MethodError unless each entry is well-formed, names its source, and has values that `hyper` accepts."""
    if not isinstance(entries, tuple | list):
        raise MethodError(f"{where}: `published` must be a tuple of dictionaries")
    for number, entry in enumerate(entries):
        here = f"{where}: `published`, entry {number}"
        if not isinstance(entry, dict):
            raise MethodError(f"{here} must be a dictionary")
        for key, value in entry.items():
            if key not in _KINDS:
                raise unknown("key", str(key), _KINDS, here, error=MethodError)
            if not isinstance(value, _KINDS[key]):
                raise MethodError(f"{here}: key {key!r} = {value!r}: must be of type {_KINDS[key][0].__name__}")
        for key in ("dataset", "source"):
            if not entry.get(key):
                raise MethodError(f"{here} lacks {key!r}")
        if not all(type(rate) in (int, float) and 0 <= rate <= 1 for rate in entry.get("rates", ())):
            raise MethodError(f"{here}: key 'rates' = {entry['rates']!r}: must be numbers in [0, 1]")
        resolve_hyper(hyper, entry.get("hyper", {}), here)


def matching(entries: Sequence[Published], dataset: str, noise: str, rate: float) -> int | None:
    """The number of the first entry that is for a data set and a noise; None: there is none."""
    for number, entry in enumerate(entries):
        at_rate = "rates" not in entry or rate in entry["rates"]
        if entry["dataset"] == dataset and noise in entry.get("noise", (noise,)) and at_rate:
            return number
    return None


def place(entry: Published) -> str:
    """What an entry is for, in words."""
    rates = ", ".join(f"{rate:g}" for rate in entry.get("rates", ()))
    return " ".join(part for part in (entry["dataset"], " or ".join(entry.get("noise", ())), rates) if part)
