"""What a record tells of its selection rules: of those that curves tell, and of each network's own best epoch."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from common.float64 import with_float64
from common.record import Selected

LAST_EPOCHS = 10


def selections(curves: Mapping[str, Any]) -> dict[str, Selected]:
    """The test accuracy that each selection rule of the design reports; ties go to the earliest epoch."""
    accuracy = curves["test_accuracy"]
    count = min(LAST_EPOCHS, len(accuracy))
    selected: dict[str, Selected] = {
        "last": {"epoch": len(accuracy), "test_accuracy": accuracy[-1]},
        "last_mean": {"epochs": count, "test_accuracy": sum(accuracy[-count:]) / count},
        "best_test": _best(accuracy, accuracy),
    }
    for rule in ("noisy_validation", "clean_validation"):
        if f"{rule}_accuracy" in curves:
            selected[rule] = _best(curves[f"{rule}_accuracy"], accuracy)
    return selected


def _best(by: list[float], accuracy: list[float]) -> Selected:
    position = max(range(len(by)), key=by.__getitem__)
    return {"epoch": position + 1, "test_accuracy": accuracy[position]}


class EachBest:
    """What each network says of the test images at its own best epoch on clean validation labels.

    Kept are its accuracy on clean validation at its best epoch so far, that epoch, and its test logits then, [n, K].
    Ties go to the earliest epoch. What is kept is in the run's checkpoint.
    """

    def __init__(self) -> None:
        self.accuracy: list[float] = []
        self.epochs: list[int] = []
        self.logits: Tensor | None = None
        self.seen = 0

    def see(self, epoch: int, validation: Tensor, true: Tensor, test: Tensor) -> None:
        """Take in one epoch. validation, test: logits [M, n, K] of every network; true: labels of the former."""
        if len(validation) < 2:
            return
        self.seen += 1
        accuracies = with_float64(validation.argmax(2) == true).double().mean(1).tolist()
        if self.logits is None:
            self.accuracy, self.epochs, self.logits = accuracies, [epoch] * len(accuracies), test.clone()
            return
        better = [new > old for new, old in zip(accuracies, self.accuracy, strict=True)]
        self.accuracy = [max(pair) for pair in zip(accuracies, self.accuracy, strict=True)]
        self.epochs = [epoch if new else old for new, old in zip(better, self.epochs, strict=True)]
        chosen = torch.tensor(better, device=test.device)[:, None, None]
        self.logits = torch.where(chosen, test, self.logits)

    def selections(self, labels: Tensor, epochs: int) -> dict[str, Selected]:
        """The record's `clean_validation_each`: the accuracy of the summed logits on test images with these labels.

        Nothing for a single network, and where not all `epochs` have been seen.
        """
        if self.logits is None or self.seen < epochs:
            return {}
        accuracy = float(with_float64(self.logits.sum(0).argmax(1) == labels).double().mean())
        return {"clean_validation_each": {"member_epochs": self.epochs, "test_accuracy": accuracy}}

    def state_dict(self) -> dict[str, Any]:
        return dict(vars(self))

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Go on where `state_dict` was taken; an empty state is of a run that began without this."""
        vars(self).update(state)
