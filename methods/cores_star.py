"""CORES2*: the sample sieve of CORES2, then consistency training on what it kept (Cheng et al.; ICLR 2021)."""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor

from methods.base import Batch, Phase, Stage
from methods.cores import Cores
from methods.hyper import epochs, real
from methods.semi_supervised import rows_where


def consistency_loss(weak_logits: Tensor, strong_logits: Tensor) -> Tensor:
    """mean_i KL(p_weak || p_strong), p_weak without gradient, a scalar. weak_logits, strong_logits: [B, K] float."""
    wanted = weak_logits.detach().log_softmax(1)
    return F.kl_div(strong_logits.log_softmax(1), wanted, reduction="batchmean", log_target=True)


class CoresStar(Cores):
    """CORES2 for `sieve` epochs at a constant learning rate; then a new network learns, with cross-entropy on strong
    views of the kept samples, and with consistency between a weak and a strong view of the others.

    The division is that of the last epoch of the sieve. In consistency training a step takes half as many of the others
    as of the kept ones, and an epoch walks over the kept ones once. Observed are then the logits of the strong view of
    kept samples and of the weak view of the others. The authors' consistency training is 1,600 epochs long, with a
    rate, an optimiser (Nesterov, clipped) and AutoAugment of its own; here optimiser, schedule (started anew) and
    strong view are the suite's. The share of the run that the sieve takes is inferred.
    """

    name = "cores_star"
    title = "CORES2*"
    year = 2021
    reference = "Cheng et al., Learning with Instance-Dependent Label Noise: A Sample Sieve Approach, ICLR 2021"
    marks = frozenset({"strong augmentation"})
    passes_per_step = 1.1  # 1 in the sieve; then 2 for each kept sample
    views = ("weak", "strong")
    hyper = {
        **Cores.hyper,
        "sieve": epochs(0.41, 1, source="haochenglouis/cores: the division of epoch 40 of phase 1, counted from 0"),
        "consistency": real(
            0.4, 0, 100, source="haochenglouis/cores, resnet34_ins_0.4 (ratio_unsup; .2 at 20%, .9 at 60%)"
        ),
    }
    sieve: int
    consistency: float

    def stages(self) -> Sequence[Stage]:
        if self.sieve >= self.task.epochs:
            return [Stage()]
        return [Stage(max(1, self.sieve), {"schedule": {"name": "constant"}}), Stage()]

    def stage_start(self, stage: int) -> None:
        if stage == 1:
            self.network.load_state_dict(self.task.network(1).state_dict())

    def epoch_start(self, epoch: int) -> Sequence[Phase]:
        if epoch <= max(1, self.sieve):
            return super().epoch_start(epoch)
        held, size = self.scores <= 0, max(2, self.task.batch_size // 2)
        return [Phase(rows_where(held), name="consistency", streams={"rest": (rows_where(~held), size)})]

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
