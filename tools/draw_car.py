"""The figures of docs/car.md: `python tools/draw_car.py` writes them."""

from __future__ import annotations

import sys
from pathlib import Path

import matplotlib as mpl
import numpy as np
import torch

HOME = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(HOME))

from methods.car import car_loss, optimal_confidence  # noqa: E402
from reports.figure_style import Drawn, Style, handle, house_style, panels, rendered, style_of  # noqa: E402

FOLDER = HOME / "docs" / "figures"
PENALTIES = {0.5: "#8168b3", 2.0: "#56b4e9", 10.0: "#d55e00", 50.0: "#009e73"}
"""lambda -> the colour of its lines."""
PROBABILITY = np.linspace(0.002, 0.998, 499)
GCE_EXPONENT = 0.7


def _two_classes(probability: np.ndarray) -> tuple[torch.Tensor, torch.Tensor]:
    """Logits whose softmax gives the first of two classes that probability, and targets of the first class."""
    p = torch.from_numpy(probability)
    return torch.stack([p.log(), (1 - p).log()], 1), torch.eye(2, dtype=p.dtype)[torch.zeros(len(p), dtype=torch.int64)]


def best_confidence(penalty: float) -> np.ndarray:
    """The h at which the loss is smallest, by probability of the given label, without the auxiliary term."""
    found: np.ndarray = optimal_confidence(*_two_classes(PROBABILITY), penalty, 0.0).numpy()
    return found


def loss(penalty: float) -> np.ndarray:
    """CAR's loss at that h."""
    logits, targets = _two_classes(PROBABILITY)
    gates = optimal_confidence(logits, targets, penalty, 0.0).logit()
    pairs = zip(logits[:, None], targets[:, None], gates[:, None], strict=True)
    return np.array([float(car_loss(*pair, penalty, 0.0)) for pair in pairs])


def optimum() -> Drawn:
    """h and loss over the probability of the given label."""
    made = panels(
        ["h at which the loss is smallest", "Loss at that h"], x="probability of the given label",
        width=2.9, height=2.0, share_y=False, entries=["cross-entropy", "generalised (q = .7)", *map(str, PENALTIES)],
    )  # fmt: skip
    styles = {penalty: Style(color, "-", "") for penalty, color in PENALTIES.items()}
    others = {"cross_entropy": -np.log(PROBABILITY), "gce": (1 - PROBABILITY**GCE_EXPONENT) / GCE_EXPONENT}
    left, right = made.axes
    for name, values in others.items():
        right.plot(PROBABILITY, values, color=style_of(name).color, linestyle=(0, (4, 1.5)))
    for penalty, style in styles.items():
        left.plot(PROBABILITY, best_confidence(penalty), color=style.color)
        right.plot(PROBABILITY, loss(penalty), color=style.color)
    left.set_ylim(0, 1.05)
    right.set_ylim(0, 5)
    left.set_ylabel("h")
    right.set_ylabel("loss")
    dashed = [Style(style_of(name).color, (0, (4, 1.5)), "") for name in others]
    made.legend(
        [handle(f"lambda {penalty:g}", style) for penalty, style in styles.items()]
        + [handle(f"{title}", style) for title, style in zip(("cross-entropy", "GCE, q = .7"), dashed, strict=True)]
    )
    return Drawn("car-optimal-confidence", "", "", made.figure)


def files() -> dict[Path, bytes]:
    """What must lie in docs/figures: path -> content."""
    with mpl.rc_context(), house_style():
        drawn = [optimum()]
        return {FOLDER / f"{one.name}.svg": rendered(one)["svg"] for one in drawn}


if __name__ == "__main__":
    for path, content in files().items():
        path.write_bytes(content)
