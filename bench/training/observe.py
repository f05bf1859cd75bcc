"""What training passes tell: collected as detached tensors during an epoch, reduced once at its end."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from methods.base import Batch, Observe

SURE = 1e-3  # a value in [0, 1] this near to an end is saturated


def _check_shapes(size: int, logits: Tensor, values: Mapping[str, Tensor]) -> None:
    """Raise ValueError unless there are logits [size, K] and values [size]; nothing waits for the device."""
    if logits.ndim != 2 or len(logits) != size:
        raise ValueError(f"observe: logits of shape {list(logits.shape)} for {size} samples; they must be [{size}, K]")
    for name, value in values.items():
        shape = list(value.shape) if isinstance(value, Tensor) else type(value).__name__
        if shape != [size]:
            raise ValueError(f"observe: {name!r} is {shape} for {size} samples; it must be a tensor of shape [{size}]")


class Observer:
    """Statistics of the training passes of one run.

    labels: [N] int64 given labels; mislabelled: [N] bool, the harness's own knowledge, which no method sees; None where
    nobody knows.
    All tables live on the device; nothing in a step waits for it.
    """

    def __init__(self, labels: Tensor, mislabelled: Tensor | None) -> None:
        self.labels, self.mislabelled = labels, mislabelled
        size, device = len(labels), labels.device
        self.probability_sum = torch.zeros(size, device=device)
        self.probability_epochs = torch.zeros(size, device=device)
        self.probability_last = torch.zeros(size, device=device)
        self.last: dict[str, Tensor] = {}
        self._seen: list[tuple[Tensor, Tensor]] = []
        self._named: dict[str, list[tuple[Tensor, Tensor]]] = {}
        self.loss = torch.zeros((), device=device)  # sum over the epoch's samples; written in place, as graphs need it
        self._weight = 0

    def for_rows(self, index: Tensor) -> Observe:
        """The `observe` of a batch of the training rows `index` [B]."""
        # It holds the two collections only, not this object: no way leads from a batch to the truth.
        seen, named = self._seen, self._named

        def observe(logits: Tensor, batch: Batch | None = None, **values: Tensor) -> None:
            rows = index if batch is None else batch.index
            _check_shapes(len(rows), logits, values)
            seen.append((rows, logits.detach()))
            for name, value in values.items():
                named.setdefault(name, []).append((rows, value.detach()))

        return observe

    def add_loss(self, loss: Tensor, count: int) -> None:
        """Add one step's loss, weighted by its number of samples. Works on the device alone: see `add_samples`."""
        self.loss.add_(loss.detach().float() * count)

    def add_samples(self, count: int) -> None:
        """Count the samples of one step."""
        self._weight += count

    def extend(self, rows: Tensor, logits: Tensor, values: Mapping[str, Tensor]) -> None:
        """What many steps saw at once: as if `for_rows(rows)` had been called with it."""
        self.for_rows(rows)(logits, None, **values)

    def mark(self) -> tuple[Any, ...]:
        """Where the epoch's collections stand, for `seen_since` and `back_to`."""
        return len(self._seen), {name: len(parts) for name, parts in self._named.items()}, self._weight

    def seen_since(self, mark: tuple[Any, ...]) -> tuple[list[Tensor], dict[str, list[Tensor]]]:
        """Logits and named values of the steps after `mark`, one part a call of `observe`."""
        count, named, _ = mark
        return (
            [logits for _, logits in self._seen[count:]],
            {name: [value for _, value in parts[named.get(name, 0) :]] for name, parts in self._named.items()},
        )

    def back_to(self, mark: tuple[Any, ...]) -> None:
        """Forget what was collected after `mark`; the sum of losses is a tensor, which the caller puts back."""
        count, named, self._weight = mark
        del self._seen[count:]
        for name in list(self._named):
            del self._named[name][named.get(name, 0) :]
            if not self._named[name]:
                del self._named[name]

    def _mean_per_sample(self, parts: list[tuple[Tensor, Tensor]]) -> tuple[Tensor, Tensor]:
        """Mean of the values of each sample seen, [N], and how often it was seen, [N]."""
        rows = torch.cat([rows for rows, _ in parts])
        values = torch.cat([value.reshape(-1).float() for _, value in parts])
        total = torch.zeros_like(self.probability_sum).index_add_(0, rows, values)
        count = torch.zeros_like(total).index_add_(0, rows, torch.ones_like(values))
        return total / count.clamp_min(1), count

    def end_epoch(self) -> dict[str, Any]:
        """Reduce the epoch: mean loss, accuracy on given labels, named values of clean and of mislabelled samples.

        Where the truth is not known, named values are those of "all" samples. Means over no sample are None.
        `saturated`: for each named value that is no mask, the share within SURE of 0 or 1.
        """
        loss = float(self.loss) / max(self._weight, 1)
        summary: dict[str, Any] = {"train_loss": loss, "train_accuracy": None, "observed": {}, "saturated": {}}
        if self._seen:
            rows = torch.cat([rows for rows, _ in self._seen])
            logits = torch.cat([logits for _, logits in self._seen]).float()
            given = self.labels[rows]
            summary["train_accuracy"] = float((logits.argmax(1) == given).float().mean())
            probability = logits.softmax(1).gather(1, given[:, None])[:, 0]
            mean, count = self._mean_per_sample([(rows, probability)])
            seen = count > 0
            self.probability_sum += mean
            self.probability_epochs += seen
            self.probability_last = torch.where(seen, mean, self.probability_last)
        for name, parts in self._named.items():
            summary["observed"][name] = self._split(name, parts)
            values = torch.cat([value.reshape(-1) for _, value in parts])
            if values.is_floating_point():
                summary["saturated"][name] = float(((values < SURE) | (values > 1 - SURE)).float().mean())
        self._seen.clear()
        self._named.clear()
        self.loss.zero_()
        self._weight = 0
        return summary

    def _split(self, name: str, parts: list[tuple[Tensor, Tensor]]) -> dict[str, float | None]:
        mean, count = self._mean_per_sample(parts)
        self.last[name] = torch.where(count > 0, mean, self.last.get(name, torch.zeros_like(mean)))
        means: dict[str, float | None] = {}
        if self.mislabelled is None:
            groups = {"all": torch.ones_like(count, dtype=torch.bool)}
        else:
            groups = {"clean": ~self.mislabelled, "mislabelled": self.mislabelled}
        for group, mask in groups.items():
            weight = float((count * mask).sum())
            means[group] = float((mean * count * mask).sum()) / weight if weight else None
        return means

    def probability_mean(self) -> Tensor:
        """[N] probability of the given label, mean over the epochs in which the sample was seen."""
        return self.probability_sum / self.probability_epochs.clamp_min(1)

    def state_dict(self) -> dict[str, Any]:
        """The tables that outlive an epoch."""
        return {
            "probability_sum": self.probability_sum,
            "probability_epochs": self.probability_epochs,
            "probability_last": self.probability_last,
            "last": dict(self.last),
        }

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Restore what `state_dict` gave."""
        device = self.labels.device
        for name in ("probability_sum", "probability_epochs", "probability_last"):
            getattr(self, name).copy_(state[name])
        self.last = {name: value.to(device) for name, value in state["last"].items()}
