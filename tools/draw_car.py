"""The figures of docs/car.md: `python tools/draw_car.py` writes them."""

from __future__ import annotations

import sys
from collections import defaultdict
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch

HOME = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(HOME))

from common.record import Record  # noqa: E402
from methods.car import car_loss, optimal_confidence  # noqa: E402
from reports.figure_looks import Style, styles_of  # noqa: E402
from reports.figure_panels import panels  # noqa: E402
from reports.figure_style import Drawn, handle, house_style, rendered  # noqa: E402
from results.frame import records  # noqa: E402

FOLDER = HOME / "docs" / "figures"
CONFIDENCE = HOME / "results" / "reference" / "branch" / "car-confidence.jsonl"
SHOWN = {"clean": "-", "mislabelled": (0, (4, 1.5))}
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
    looks = styles_of(tuple(others))
    left, right = made.axes
    for name, values in others.items():
        right.plot(PROBABILITY, values, color=looks[name].color, linestyle=(0, (4, 1.5)))
    for penalty, style in styles.items():
        left.plot(PROBABILITY, best_confidence(penalty), color=style.color)
        right.plot(PROBABILITY, loss(penalty), color=style.color)
    left.set_ylim(0, 1.05)
    right.set_ylim(0, 5)
    left.set_ylabel("h")
    right.set_ylabel("loss")
    dashed = [Style(looks[name].color, (0, (4, 1.5)), "") for name in others]
    made.legend(
        [handle(f"lambda {penalty:g}", style) for penalty, style in styles.items()]
        + [handle(f"{title}", style) for title, style in zip(("cross-entropy", "GCE, q = .7"), dashed, strict=True)]
    )
    drawn = {f"h_lambda_{penalty:g}": best_confidence(penalty) for penalty in PENALTIES}
    drawn |= {f"loss_lambda_{penalty:g}": loss(penalty) for penalty in PENALTIES}
    drawn |= {f"loss_{name}": values for name, values in others.items()}
    return Drawn("car-optimal-confidence", "", "", made.figure, pd.DataFrame({"probability": PROBABILITY, **drawn}))


def _learned() -> dict[str, dict[float, list[Record]]]:
    """The records of `car-confidence` with a learned h: title of the noise -> lambda -> one record a seed."""
    found: dict[str, dict[float, list[Record]]] = defaultdict(lambda: defaultdict(list))
    for record in records(CONFIDENCE):
        hyper = record["spec"]["method"]["hyper"]
        if hyper.get("confidence") == "learned":
            found[record["titles"]["noise"]][hyper["penalty"]].append(record)
    return found


def measured() -> Drawn:
    """h of clean and of mislabelled samples by epoch, means over seeds, and how well h finds the wrong labels."""
    by_noise = _learned()
    made = panels(
        list(by_noise), x="epoch", y="h", width=2.1, height=1.8, entries=["lambda 10, mislabelled"] * 4, most=3,
    )  # fmt: skip
    labels, drawn = {}, list[dict[str, Any]]()
    for axis, (noise, by_penalty) in zip(made.axes, by_noise.items(), strict=True):
        words = []
        for penalty, runs in sorted(by_penalty.items(), reverse=True):
            area = np.mean([run["detection"]["own"]["roc_auc"] for run in runs])
            words.append(f"ROC-AUC {area:.2f} at lambda {penalty:g}")
            for group, dash in SHOWN.items():
                curves = [run["curves"]["observed"]["confidence"] for run in runs]
                values = np.mean([curve[group] for curve in curves], axis=0)
                style = Style(PENALTIES[penalty], dash, "")
                places = {"noise": noise, "lambda": penalty, "group": group}
                drawn += [{**places, "epoch": at, "h": h} for at, h in zip(curves[0]["epoch"], values, strict=True)]
                axis.plot(curves[0]["epoch"], values, color=style.color, linestyle=style.dash)
                labels[f"lambda {penalty:g}, {group}"] = style
        axis.text(0.96, 0.06, "\n".join(words), transform=axis.transAxes, ha="right", va="bottom", fontsize=6.5)
    made.legend([handle(label, style) for label, style in labels.items()])
    return Drawn("car-confidence", "", "", made.figure, pd.DataFrame(drawn))


def files() -> dict[Path, bytes]:
    """What must lie in docs/figures: path -> content."""
    with house_style():
        drawn = [optimum(), *([measured()] if CONFIDENCE.exists() else [])]
        return {FOLDER / f"{one.name}.svg": rendered(one)["svg"] for one in drawn}


if __name__ == "__main__":
    for path, content in files().items():
        path.write_bytes(content)
