"""How a run's steps go: the loss, its terms and the gradient's length of each, without waiting for the device."""

from __future__ import annotations

import math
from collections.abc import Mapping
from statistics import median
from typing import Any

import torch
from torch import Tensor

from bench.training.task import NotCapturable
from common.record import Extent, Measured

ROOM = 16_384  # steps of an epoch that are kept; of a longer one, the last so many
DIGITS = 6
NAMED = 4  # terms of a loss in a message
ADVICE = "a lower learning rate or a warm-up usually helps"


class StepHealth:
    """What the steps of one run tell of its health: the same for every method.

    An epoch's numbers lie in tables on the device, written at the place that a counter there says, so that a captured
    step writes them too; they are read once at its end. A step whose gradient is zero, or that has none, was skipped.
    """

    def __init__(self, device: torch.device) -> None:
        self.place = torch.zeros(1, dtype=torch.int64, device=device)
        self.losses = torch.zeros(ROOM, device=device)
        self.gradients = torch.zeros(ROOM, device=device)
        self._terms: dict[str, Tensor] = {}
        self._steps = 0
        self.epochs: dict[str, list[float]] = {
            name: [] for name in ("loss_median", "loss_largest", "gradient_median", "gradient_largest", "skipped")
        }
        self.saturated: dict[str, float] = {}

    def add_terms(self, **terms: Tensor) -> None:
        """What the step's loss is the sum of: scalars."""
        for name, value in terms.items():
            if name not in self._terms:
                self._terms[name] = torch.zeros_like(self.losses)
            self._write(self._terms[name], value)

    def add_known_terms(self, **terms: Tensor) -> None:
        """Likewise in a step that is recorded, in which no room can be made: NotCapturable for a new term."""
        for name, value in terms.items():
            if name not in self._terms:
                raise NotCapturable("reports other terms of its loss than in the step before")
            self._write(self._terms[name], value)

    def add_step(self, loss: Tensor, gradient: Tensor | None) -> None:
        """The step's loss and the length of its gradient, scalars; None: it has none. Works on the device alone."""
        self._write(self.losses, loss)
        self._write(self.gradients, torch.zeros_like(loss) if gradient is None else gradient)
        self.place.add_(1).remainder_(ROOM)

    def _write(self, table: Tensor, value: Tensor) -> None:
        table.index_copy_(0, self.place, value.detach().to(table.dtype).reshape(1))

    def count_step(self) -> None:
        """Count a step on the host, once it has been asked of the device."""
        self._steps += 1

    def end_epoch(self) -> None:
        """Reduce the epoch. Raises FloatingPointError, naming the first step that is not finite and what made it."""
        kept = min(self._steps, ROOM)
        losses, gradients = (_in_order(table, self._steps) for table in (self.losses, self.gradients))
        for step in range(kept):
            if not (math.isfinite(losses[step]) and math.isfinite(gradients[step])):
                raise FloatingPointError(self._diagnosis(losses, gradients, step))
        moved = [length for length in gradients if length]
        summary = {
            "loss_median": median(losses) if losses else 0.0,
            "loss_largest": max(losses, key=abs, default=0.0),
            "gradient_median": median(moved) if moved else 0.0,
            "gradient_largest": max(moved, default=0.0),
            "skipped": 1 - len(moved) / kept if kept else 1.0,
        }
        for name, value in summary.items():
            self.epochs[name].append(float(f"{value:.{DIGITS}g}"))
        self.place.zero_()
        for table in self._terms.values():
            table.zero_()  # in place, as graphs write there
        self._steps = 0

    def _diagnosis(self, losses: list[float], gradients: list[float], step: int) -> str:
        """What is said of the kept step number `step`, the first that is not finite."""
        terms = {name: _in_order(table, self._steps) for name, table in self._terms.items()}
        number = self._steps - len(losses) + step + 1
        text = f"the training loss is not finite at step {number} of epoch {len(self.epochs['skipped']) + 1}"
        parts = [f"loss {losses[step]:.3g}", *_largest(terms, step), f"gradient's length {gradients[step]:.3g}"]
        text += f" ({', '.join(parts)}"
        if step:
            parts = [f"loss {losses[step - 1]:.3g}", *_largest(terms, step - 1)]
            text += f"; the step before: {', '.join(parts)}, gradient's length {gradients[step - 1]:.3g}"
        return f"{text}); {ADVICE}"

    def summary(self) -> Measured:
        """The record's measurements: medians of the epochs' medians, and the largest step of the run."""
        epochs = self.epochs
        skipped = epochs["skipped"]
        return {
            "loss": _summary(epochs["loss_median"], epochs["loss_largest"]),
            "gradient": _summary(epochs["gradient_median"], epochs["gradient_largest"]),
            "skipped": round(sum(skipped) / len(skipped), DIGITS) if skipped else 0.0,
            "saturated": {name: round(share, DIGITS) for name, share in self.saturated.items()},
            "epochs": epochs,
        }

    def state_dict(self) -> dict[str, Any]:
        """What outlives an epoch."""
        return {"epochs": {name: list(values) for name, values in self.epochs.items()}, "saturated": self.saturated}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Restore what `state_dict` gave."""
        self.epochs = {name: list(values) for name, values in state["epochs"].items()}
        self.saturated = dict(state["saturated"])


def _in_order(table: Tensor, steps: int) -> list[float]:
    """What a table holds of the last of so many steps, oldest first."""
    values: list[float] = table[: min(steps, ROOM)].tolist()
    oldest = steps % ROOM if steps > ROOM else 0
    return values[oldest:] + values[:oldest]


def _largest(terms: Mapping[str, list[float]], step: int) -> list[str]:
    """The terms of a step in words, the largest first; what is no number counts as the largest."""
    at_step = {name: values[step] for name, values in terms.items()}
    order = sorted(at_step, key=lambda name: -abs(at_step[name]) if math.isfinite(at_step[name]) else -math.inf)
    return [f"{name} {at_step[name]:.3g}" for name in order[:NAMED]]


def _summary(medians: list[float], largest: list[float]) -> Extent:
    """The median of the epochs' medians, the largest step, and its epoch, counted from 1."""
    if not largest:
        return {"median": 0.0, "largest": 0.0, "largest_epoch": 0}
    epoch = max(range(len(largest)), key=lambda number: abs(largest[number]))
    return {"median": median(medians), "largest": largest[epoch], "largest_epoch": epoch + 1}
