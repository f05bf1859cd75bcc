"""What a method is handed that needs samples with true labels: a set aside from the training images."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol, TypeVar

from torch import Tensor

Output = TypeVar("Output", Tensor, tuple[Tensor, ...])  # what a function gives for a batch of images


@dataclass(frozen=True)
class TrustedBatch:
    """Samples with true labels, none twice; all tensors on the training device.

    views: one tensor per entry of `Method.views`, each [B, C, H, W] float32, normalised. labels: [B] int64, true.
    index: [B] int64, rows of the trusted set.
    """

    views: tuple[Tensor, ...]
    labels: Tensor
    index: Tensor


class Trusted(Protocol):
    """`Task.trusted`: the samples that a suite's `data.trusted` sets aside. No training sample is among them.

    labels: [n] int64, the true labels, on the training device.
    """

    labels: Tensor

    def batch(self, size: int) -> TrustedBatch:
        """The next batch of an endless walk, reshuffled whenever it is through and at every epoch start.

        The last batch of a walk may be smaller. In a step it is not for a captured one.
        """

    def evaluate(self, function: Callable[[Tensor], Output], view: str = "plain") -> Output:
        """What `function(images)` gives for all of them, in their order, without gradients; counted as cost."""
