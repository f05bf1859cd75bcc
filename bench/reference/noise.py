"""The matrices that docs/noise-models.md shows, as pictures: `python -m bench.reference.noise` writes them."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from html import escape
from pathlib import Path

import numpy as np

from datasets import noise_models, registry
from datasets.base import FloatArray
from datasets.noise import make_noise, resolve_options, stream_seed, transition

FOLDER = Path(__file__).resolve().parents[2] / "docs" / "figures"
RATE = 0.4
SHOWN = {
    "symmetric": "cifar10",
    "symmetric_excluding": "cifar10",
    "asymmetric": "cifar10",
    "asymmetric_in_place": "cifar10",
    "pair_flip": "cifar10",
    "asymmetric_block_of_five": "cifar100",
    "asymmetric_random_pair": "cifar100",
    "asymmetric_superclass": "cifar100",
    "instance_dependent": "digits",
}
"""Noise model -> the data set that it is drawn for; of 100 classes the first ten, or the first two superclasses."""

_CELL, _LEFT, _TOP = 16, 84, 8
_KEPT, _WRONG = "#1c7ec4", "#d55e00"
_MOST_SWATCHES = 5
_STEPS = 20  # shades where there are more values than swatches


def _classes(name: str, model: str) -> list[int]:
    info = registry.info(name)
    if "superclass" in noise_models.info(model).needs:
        groups = np.asarray(info.superclass)
        return [int(label) for group in (0, 1) for label in np.flatnonzero(groups == group)]
    return list(range(10))


def matrix(model: str) -> tuple[FloatArray, list[str]]:
    """The matrix [10, 10] (rows: true class) at rate 40%, seed 0, and the names of its classes."""
    name = SHOWN[model]
    info, shown = registry.info(name), _classes(name, model)
    options = resolve_options(info, model, {})
    whole = transition(info, model, RATE, options, stream_seed(info, model, RATE, options, 0))
    if whole is None:
        whole = make_noise(registry.load(name), model, RATE, options, 0).expected_matrix
    assert whole is not None
    return whole[np.ix_(shown, shown)], [info.class_names[label] for label in shown]


def _groups(values: FloatArray) -> dict[tuple[bool, float], list[tuple[int, int]]]:
    """Cells of equal value, (on the diagonal, value) -> (row, column); largest values first."""
    steps = 1000 if len(np.unique(values.round(3))) <= _MOST_SWATCHES + 1 else _STEPS
    groups = defaultdict(list)
    for (row, column), value in np.ndenumerate((values * steps).round() / steps):
        if value > 0:
            groups[row == column, round(float(value), 4)].append((row, column))
    return dict(sorted(groups.items(), key=lambda item: (not item[0][0], -item[0][1])))


def _path(cells: Sequence[tuple[int, int]], kept: bool, value: float) -> str:
    side = _CELL - 1
    steps = "".join(f"M{_LEFT + c * _CELL} {_TOP + r * _CELL}h{side}v{side}h-{side}z" for r, c in cells)
    return f'<path fill="{_KEPT if kept else _WRONG}" fill-opacity="{0.12 + 0.88 * value:.2f}" d="{steps}"/>'


def svg(values: FloatArray, names: Sequence[str]) -> str:
    """A matrix as a small SVG picture: rows are true classes; blue is kept, orange is wrong."""
    count, groups = len(names), _groups(values)
    bottom = _TOP + count * _CELL
    right = _LEFT + count * _CELL
    parts = [_path(cells, *key) for key, cells in groups.items()]
    for row, name in enumerate(names):
        words = escape(name.replace("_", " "))
        parts.append(f'<text x="{_LEFT - 5}" y="{_TOP + row * _CELL + 11}" text-anchor="end">{words}</text>')
    if len(groups) <= _MOST_SWATCHES:
        for number, (kept, value) in enumerate(groups):
            y = _TOP + number * 18
            swatch = _path([(0, 0)], kept, value).replace(f"M{_LEFT} {_TOP}", f"M{right + 12} {y}")
            parts.append(f'{swatch}<text x="{right + 32}" y="{y + 11}">{100 * value:.4g}%</text>')
    width, height = right + 76, bottom + 20
    parts.append(f'<text x="{_LEFT}" y="{bottom + 12}">columns: given label, in the same order</text>')
    head = f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" width="{width}" height="{height}"'
    paper = f'<rect width="{width}" height="{height}" fill="#fdfdfe"/>'
    style = 'font-family="sans-serif" font-size="10" fill="#1c2026">'
    return "\n".join([f"{head} {style}", paper, *parts, "</svg>", ""])


def files() -> dict[Path, str]:
    """What must lie in docs/figures: path -> text."""
    return {FOLDER / f"noise-{model.replace('_', '-')}.svg": svg(*matrix(model)) for model in SHOWN}


def main() -> None:
    """Write the pictures."""
    FOLDER.mkdir(exist_ok=True)
    for path, text in files().items():
        path.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
