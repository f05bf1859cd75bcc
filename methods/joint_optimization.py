"""Joint optimisation of network and labels (Tanaka, Ikami, Yamasaki, Aizawa; CVPR 2018)."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor

from methods.base import Batch, Method, Phase, Stage
from methods.hyper import epochs, real
from methods.papers.joint_optimization import PUBLISHED


def joint_loss(logits: Tensor, targets: Tensor, prior: float, entropy: float) -> Tensor:
    """CE(t, p) - alpha mean_c log mean_i p_ic + beta mean_i H(p_i), a scalar. logits, targets: [B, K] float.

    The second term is the cross-entropy from the uniform distribution to the batch's mean prediction.
    """
    log_p = logits.log_softmax(1)
    log_mean = log_p.logsumexp(0) - math.log(len(logits))
    loss = -(targets.detach() * log_p).sum(1).mean() - prior * log_mean.mean()
    return loss - entropy * (log_p.exp() * log_p).sum(1).mean()


class JointOptimization(Method):
    """For `first` epochs the network learns at a constant rate, and from `begin` on each epoch's labels are its mean
    prediction of the last `window` epochs; then a new network learns the labels that were found.

    Predictions are those of the training passes, of augmented images. Two penalties, on a mean prediction that is not
    uniform and on unsure predictions, keep the labels from becoming all one, or nothing. The second network has the
    suite's whole schedule. The authors train the first at .08 (asymmetric noise: .03) and the second from .2:
    `first_lr` says a rate for the first alone. Their labels change only where the rate is high; with a low one
    the first network learns the noise before.

    Their prior is uniform over ten classes, whatever the data; here over the classes. Their mean always divides by the
    window's length, so that labels updated before its end sum to less than 1; here by the epochs that there are.
    """

    name = "joint_optimization"
    title = "Joint optimisation"
    family = "label refurbishment"
    year = 2018
    reference = "Tanaka et al., Joint Optimization Framework for Learning with Noisy Labels, CVPR 2018"
    published = PUBLISHED
    hyper = {
        "first": epochs(0.625, 1, source="DaikiTanaka-UT/JointOptimization, CIFAR-10: 200 of 320 epochs"),
        "begin": epochs(0.219, 1, source="DaikiTanaka-UT/JointOptimization, CIFAR-10: 70 of 320 epochs"),
        "window": epochs(10, 1, 1000, source="DaikiTanaka-UT/JointOptimization"),
        "prior": real(1.2, 0, 100, source="DaikiTanaka-UT/JointOptimization, symmetric 70% (alpha; asymmetric: .8)"),
        "entropy": real(0.8, 0, 100, source="DaikiTanaka-UT/JointOptimization, symmetric 70% (beta; asymmetric: .4)"),
        "first_lr": real(
            None, 1e-6, 10, scale="log", source="none: the suite's; DaikiTanaka-UT/JointOptimization: .08, then .2"
        ),
    }
    first: int
    begin: int
    window: int
    prior: float
    entropy: float
    first_lr: float | None
    targets: Tensor
    predicted: Tensor
    recent: Tensor

    def build(self) -> None:
        super().build()
        given = F.one_hot(self.task.labels, self.task.num_classes).float()
        self.register_buffer("targets", given)
        self.register_buffer("predicted", given.clone())  # in the present epoch, or when a sample was last seen
        kept = max(1, min(self.window, self.task.epochs))  # a share of a short run may be no epoch
        self.register_buffer("recent", torch.zeros(kept, *given.shape))

    def stages(self) -> Sequence[Stage]:
        rate = {} if self.first_lr is None else {"lr": self.first_lr}
        first = min(self.first, self.task.epochs)
        return [Stage(first, {**rate, "schedule": {"name": "constant"}}), Stage()]

    def stage_start(self, stage: int) -> None:
        if stage == 1:
            self.network.load_state_dict(self.task.network().state_dict())

    def epoch_start(self, epoch: int) -> Sequence[Phase]:
        done = epoch - 1
        if 1 <= done <= self.first:
            self.update(done)
        return [Phase()]

    def update(self, done: int) -> None:
        """Keep the predictions of the epoch before, the `done`-th, and renew the labels."""
        self.recent[(done - 1) % len(self.recent)] = self.predicted
        if done >= self.begin:
            self.targets.copy_(self.recent[:done].mean(0))

    def loss(self, batch: Batch) -> Tensor:
        logits = self.network(batch.views[0])
        batch.observe(logits)
        targets = self.targets[batch.index]
        if batch.epoch > self.first:
            return joint_loss(logits, targets, 0.0, 0.0)
        self.predicted[batch.index] = logits.detach().softmax(1)
        return joint_loss(logits, targets, self.prior, self.entropy)

    def clean_scores(self) -> Tensor | None:
        """The share of the given label in a sample's own; None where these were never renewed."""
        if self.begin > min(self.first, self.task.epochs - 1):
            return None
        return self.targets.gather(1, self.task.labels[:, None]).squeeze(1)
