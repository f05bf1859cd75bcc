"""CORES2*: the sample sieve of CORES2, then consistency training on what it kept (Cheng et al.; ICLR 2021)."""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor

from methods.base import Batch, Phase, Stage
from methods.cores import Cores
from methods.hyper import epochs, flag, integer, real
from methods.papers.cores_star import PUBLISHED
from methods.semi_supervised import rows_where

AUTHORS_OPTIMIZER = {  # of consistency training: their rate of .001, warmed up to 300 times as much in 120 epochs
    "name": "sgd", "lr": 0.3, "momentum": 0.9, "nesterov": True, "weight_decay": 5e-4, "clip_norm": 5.0,
    "schedule": {"name": "cosine", "minimum": 0.0, "warmup": 0.075, "update": "step"},
}  # fmt: skip


def consistency_loss(weak_logits: Tensor, strong_logits: Tensor) -> Tensor:
    """mean_i KL(p_weak || p_strong), p_weak without gradient, a scalar. weak_logits, strong_logits: [B, K] float."""
    wanted = weak_logits.detach().log_softmax(1)
    return F.kl_div(strong_logits.log_softmax(1), wanted, reduction="batchmean", log_target=True)


class CoresStar(Cores):
    """CORES2 for `sieve` epochs at a constant learning rate; then a new network learns, with cross-entropy on strong
    views of the kept samples, and with consistency between a weak and a strong view of the others.

    The division is that of the last epoch of the sieve. In consistency training a step takes half as many of the others
    as of the kept ones, unless batches are given for it, and an epoch walks over the kept ones once. Observed are then
    the logits of the strong view of kept samples and of the weak view of the others. Optimiser, schedule (started anew)
    and strong view are the suite's. The authors' consistency training is 1,600 epochs long, in batches of 320 and 160,
    with AutoAugment and with an optimiser of its own, which `authors_behaviour` takes: a rate of .3 that is reached in
    7.5% of the epochs and then falls along a cosine, Nesterov momentum, gradients clipped at 5. The share of the run
    that the sieve takes is inferred.
    """

    name = "cores_star"
    title = "CORES2*"
    family = "semi-supervised"
    year = 2021
    reference = "Cheng et al., Learning with Instance-Dependent Label Noise: A Sample Sieve Approach, ICLR 2021"
    marks = frozenset({"strong augmentation"})
    passes_per_step = 1.1  # 1 in the sieve; then 2 for each kept sample
    views = ("weak", "strong")
    published = PUBLISHED
    hyper = {
        **Cores.hyper,
        "sieve": epochs(0.41, 1, source="haochenglouis/cores: the division of epoch 40 of phase 1, counted from 0"),
        "consistency": real(
            0.4, 0, 100, source="haochenglouis/cores, resnet34_ins_0.4 (ratio_unsup; .2 at 20%, .9 at 60%)"
        ),
        "consistency_batch": integer(
            None, 2, 100_000, search=None, later=True, source="the suite's, where not given; haochenglouis/cores: 320"
        ),
        "rest_batch": integer(
            None, 2, 100_000, search=None, later=True,
            source="half of the other, where not given; haochenglouis/cores: 160 (batch_unsup)",
        ),
        "authors_behaviour": flag(False, later=True, source="this suite: one optimiser and schedule for all methods"),
    }  # fmt: skip
    sieve: int
    consistency: float
    consistency_batch: int | None
    rest_batch: int | None
    authors_behaviour: bool

    def stages(self) -> Sequence[Stage]:
        if self.sieve >= self.task.epochs:
            return [Stage()]
        own = AUTHORS_OPTIMIZER if self.authors_behaviour else {}
        return [Stage(max(1, self.sieve), {"schedule": {"name": "constant"}}), Stage(None, own)]

    def stage_start(self, stage: int) -> None:
        if stage == 1:
            self.network.load_state_dict(self.task.network(1).state_dict())

    def epoch_start(self, epoch: int) -> Sequence[Phase]:
        if epoch <= max(1, self.sieve):
            return super().epoch_start(epoch)
        held, size = self.scores <= 0, self.consistency_batch or self.task.batch_size
        rest = rows_where(~held), self.rest_batch or max(2, size // 2)
        return [Phase(rows_where(held), self.consistency_batch, "consistency", {"rest": rest})]

    def loss(self, batch: Batch) -> Tensor:
        if batch.phase != "consistency":
            return super().loss(batch)
        rest = batch.streams.get("rest")
        kept = torch.ones_like(batch.labels)
        if rest is None:
            logits = self.network(batch.views[1])
            batch.observe(logits, selected=kept)
            return F.cross_entropy(logits, batch.labels)
        answers = self.network(torch.cat([batch.views[1], *rest.views]))
        logits, weak, strong = answers.split([len(batch.labels), len(rest.labels), len(rest.labels)])
        batch.observe(logits, selected=kept)
        batch.observe(weak, rest, selected=torch.zeros_like(rest.labels))
        return F.cross_entropy(logits, batch.labels) + self.consistency * consistency_loss(weak, strong)
