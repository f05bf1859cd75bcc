"""The list of noise models: names, conventions, options with their defaults, titles for tables."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from common.errors import unknown
from datasets import cifar_n
from datasets.base import DataError

_EXACT = {"sampling": "exact"}


@dataclass(frozen=True)
class NoiseInfo:
    """A noise model: `title` with a place for the rate, `options` with defaults, `version` (raised when labels change).

    needs: what a data set must have: "asymmetric_map", "superclass", "blocks_of_five", "images", "own_labels".
    takes_rate: False where the noise comes with its own rate; the rate must then be 0.
    dataset: the only data set it exists for; None: any.
    """

    name: str
    title: str
    convention: str
    options: Mapping[str, Any] = field(default_factory=dict)
    needs: frozenset[str] = frozenset()
    takes_rate: bool = True
    version: int = 1
    dataset: str | None = None


_MODELS = (
    NoiseInfo("clean", "clean", "the labels as they are", takes_rate=False),
    NoiseInfo(
        "symmetric",
        "symmetric {rate}",
        "a share of the rows gets a label drawn from all classes, the true one among them (DivideMix, ELR, NAL, SELC)",
        _EXACT,
    ),
    NoiseInfo(
        "symmetric_excluding",
        "symmetric (other classes) {rate}",
        "a share of the rows gets a label drawn from the other classes (Co-teaching, JoCoR, SL, APL)",
        _EXACT,
    ),
    NoiseInfo(
        "asymmetric",
        "asymmetric {rate}",
        "a share of all rows gets the look-alike of its class by the data set's map; other classes keep their label",
        _EXACT,
        frozenset({"asymmetric_map"}),
    ),
    NoiseInfo(
        "asymmetric_in_place",
        "asymmetric (in place) {rate}",
        "the map applied class by class to labels already changed, so part of a swap is undone (ELR, GJS, SOP, APL)",
        needs=frozenset({"asymmetric_map"}),
    ),
    NoiseInfo(
        "asymmetric_block_of_five",
        "asymmetric (block of five) {rate}",
        "a share of the rows gets the next id in its block of five consecutive ids, circular (NAL, SELC, ELR, JoCoR)",
        _EXACT,
        frozenset({"blocks_of_five"}),
    ),
    NoiseInfo(
        "asymmetric_superclass",
        "asymmetric (superclass) {rate}",
        "a share of the rows gets the next class inside its true superclass, circular (GJS)",
        _EXACT,
        frozenset({"superclass"}),
    ),
    NoiseInfo(
        "asymmetric_random_pair",
        "asymmetric (random pair) {rate}",
        "in each block of five classes one random pair is swapped for a share of its rows (SL, SOP)",
        _EXACT,
        frozenset({"blocks_of_five"}),
    ),
    NoiseInfo(
        "pair_flip", "pair flip {rate}", "a share of the rows gets the next class, circular (Co-teaching)", _EXACT
    ),
    NoiseInfo(
        "matrix",
        "matrix {file}",
        "each row's label is drawn from its class's row of the transition matrix in a .npy, .npz, .csv or .json file",
        {"file": None},
        takes_rate=False,
    ),
    NoiseInfo(
        "instance_dependent",
        "instance-dependent {rate}",
        "flip rate of each image from a normal (rate, std) truncated to [0, 1], label from the softmax of x . W_y over "
        "the other classes (Xia et al. 2020); pixels as 0..255 (raw) or 0..1 (unit)",
        {"std": 0.1, "pixels": "raw"},
        frozenset({"images"}),
    ),
    NoiseInfo(
        "labels_file",
        "labels {file}",
        "given labels from a .npy, .npz (key: array) or .csv (key: column) file, in the official training order",
        {"file": None, "key": None},
        takes_rate=False,
    ),
    NoiseInfo(
        "own",
        "own labels",
        "the noisy labels that the data set comes with",
        needs=frozenset({"own_labels"}),
        takes_rate=False,
    ),
    *(
        NoiseInfo(
            name,
            published.title,
            f"the labels that people gave to {published.dataset} (Wei et al. 2022), from the authors' file",
            takes_rate=False,
            dataset=published.dataset,
        )
        for name, published in cifar_n.LABELS.items()
    ),
)
NOISE_MODELS: dict[str, NoiseInfo] = {info.name: info for info in _MODELS}


def info(model: str) -> NoiseInfo:
    """The declaration of one noise model. Raises DataError with a suggestion where the name is unknown."""
    if model not in NOISE_MODELS:
        raise unknown("noise model", model, sorted(NOISE_MODELS), error=DataError)
    return NOISE_MODELS[model]


def title(model: str, rate: float, options: Mapping[str, Any]) -> str:
    """The setting's name in tables, such as "symmetric 50%"; options that are not the default are appended."""
    declared = info(model)
    stem = Path(str(options.get("file", ""))).stem
    if options.get("key"):
        stem = f"{stem}:{options['key']}"
    text = declared.title.format(rate=f"{100.0 * rate:.6g}%", file=stem)
    others = []
    for key in sorted(declared.options, key=("pixels", "sampling").__contains__, reverse=True):
        if key not in ("file", "key") and _differs(declared, options, key):
            value = f"{options[key]:g}" if isinstance(options[key], float) else str(options[key]).replace("_", " ")
            others.append(value if key in ("sampling", "pixels") else f"{key} {value}")
    return ", ".join([text, *others])


def _differs(declared: NoiseInfo, options: Mapping[str, Any], key: str) -> bool:
    return key in options and options[key] != declared.options.get(key)
