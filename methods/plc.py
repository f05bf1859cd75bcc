"""PLC: progressive label correction by a likelihood-ratio test (Zhang, Zheng, Wu, Goswami, Chen; ICLR 2021)."""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor

from methods.base import Batch, Method, Phase
from methods.hyper import epochs, integer, real
from methods.papers.plc import PUBLISHED

LARGEST = 0.9  # what the bound of the ratio grows to at most
FEW = 0.001  # the bound grows when under this share of the labels was corrected


def corrected(scores: Tensor, labels: Tensor, delta: float, least: float = 0.0) -> tuple[Tensor, Tensor]:
    """Labels after the test [N] int64, and where it replaced one [N] bool: where f_y / max f < delta, argmax f stands.

    scores: f, [N, K] float, not negative; labels: [N] int64. least: where max f is below it, argmax f stands untested.
    """
    largest, predicted = scores.max(1)
    ratio = scores.gather(1, labels[:, None]).squeeze(1) / largest
    unsure = largest < least
    changed = (ratio < delta) & ~unsure
    return torch.where(changed | unsure, predicted, labels), changed


def grown(delta: float, increment: float, count: int, samples: int, freely: bool = False) -> float:
    """The bound after a test that corrected `count` of `samples` labels.

    freely: it has no upper limit, but grows only where nothing was corrected.
    """
    if freely:
        return delta if count else delta + increment
    return min(delta + increment, LARGEST) if count < FEW * samples else delta


class ProgressiveLabelCorrection(Method):
    """Cross-entropy on labels that, after `warm_up` epochs, are corrected before each epoch.

    A label is replaced by the most likely class where the network's probability of it, a mean over the last `window`
    epochs' training passes, is under `delta` times the largest. Corrected labels are what is tested next. Where hardly
    any label is corrected, `delta` grows. `least` over 0 is the variant of the authors' Clothing1M script (.1), where a
    label whose largest probability lies under it is replaced at once. Selected are the samples that still have their
    given label. The authors report the epoch that is best on noisy validation labels.
    """

    name = "plc"
    title = "PLC"
    family = "label refurbishment"
    year = 2021
    reference = "Zhang et al., Learning with Feature-Dependent Label Noise: A Progressive Approach, ICLR 2021"
    published = PUBLISHED
    hyper = {
        "delta": real(0.3, 0, 1, source="pxiangwu/PLC, CIFAR (delta)"),
        "increment": real(0.1, 0, 1, source="pxiangwu/PLC, CIFAR (inc)"),
        "warm_up": epochs(0.044, source="pxiangwu/PLC, CIFAR: 8 of 180 epochs"),
        "window": integer(5, 1, 100, source="pxiangwu/PLC, CIFAR (rollWindow)"),
        "least": real(0.0, 0, 1, search=None, source="pxiangwu/PLC, CIFAR (Clothing1M: .1)"),
    }
    delta: float
    increment: float
    warm_up: int
    window: int
    least: float
    bound: Tensor
    current: Tensor
    record: Tensor

    def build(self) -> None:
        super().build()
        self.register_buffer("bound", torch.tensor(self.delta, dtype=torch.float64))
        self.register_buffer("current", self.task.labels.clone())
        self.register_buffer("record", torch.zeros(self.window, self.task.num_samples, self.task.num_classes))

    def epoch_start(self, epoch: int) -> Sequence[Phase]:
        if epoch > self.warm_up + 1:
            delta = float(self.bound)
            labels, changed = corrected(self.record.mean(0), self.current, delta, self.least)
            self.current.copy_(labels)
            self.bound.fill_(grown(delta, self.increment, int(changed.sum()), len(labels), self.least > 0))
        return [Phase()]

    def loss(self, batch: Batch) -> Tensor:
        logits = self.network(batch.views[0])
        labels = self.current[batch.index]
        batch.observe(logits, selected=(labels == batch.labels).to(logits.dtype))
        self.record[(batch.epoch - 1) % self.window, batch.index] = logits.detach().softmax(1)
        return F.cross_entropy(logits, labels)
