"""What methods of two networks share: the pair itself, and how its networks choose samples for each other."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, cast

import torch
from torch import Tensor, nn

from methods.base import Batch, Method, Network
from methods.semi_supervised import mean_probability


def smallest(losses: Tensor, count: int) -> Tensor:
    """[count] int64: positions of the `count` smallest of `losses` [B], smallest first."""
    return torch.argsort(losses.detach(), stable=True)[:count]


def chosen(picks: Tensor, size: int) -> Tensor:
    """[size] float32: 1 at the positions in `picks`, else 0."""
    return torch.zeros(size, device=picks.device).scatter_(0, picks, 1.0)


def traded(losses_1: Tensor, losses_2: Tensor, kept: int) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Each network's mean loss over the `kept` samples that the other finds easiest.

    losses_1, losses_2: [B] float, of the same samples. Returns loss_1, loss_2 (scalars) and picks_1, picks_2 ([kept]
    int64, positions in the batch, smallest loss first): loss_1 is over picks_2, loss_2 over picks_1.
    """
    picks_1, picks_2 = smallest(losses_1, kept), smallest(losses_2, kept)
    return losses_1[picks_2].mean(), losses_2[picks_1].mean(), picks_1, picks_2


@torch.no_grad()
def guesses(networks: Sequence[nn.Module], views: Sequence[Tensor]) -> tuple[list[Tensor], Tensor]:
    """The logits [B, K] of every network for every view, the first network's first, and their mean probability.

    All but the first network answer in evaluation mode.
    """
    for network in networks[1:]:
        network.eval()
    answers = [network(view) for network in networks for view in views]
    for network in networks[1:]:
        network.train()
    return answers, mean_probability(answers)


class TwoNetworks(Method):
    """A pair of networks with different initial weights; both are scored.

    Where they learn one after the other, `epoch_start` returns a phase for each, and `batch.number` says whose it is:
    `self.pair[batch.number]`, its peer `self.pair[1 - batch.number]`.
    """

    networks = 2
    pair: nn.ModuleList

    def build(self) -> None:
        self.pair = nn.ModuleList([self.task.network(0), self.task.network(1)])

    def network_of(self, number: int) -> Network:
        """Network `number`, 0 or 1."""
        return cast(Network, self.pair[number])

    def parameter_groups(self) -> list[dict[str, Any]]:
        # A group for each network: clipping the norm of one must not depend on the other.
        return [{"params": list(network.parameters())} for network in self.pair]

    def answers(self, batch: Batch) -> tuple[Tensor, Tensor]:
        """The logits [B, K] of both networks for the first view."""
        return self.pair[0](batch.views[0]), self.pair[1](batch.views[0])

    def observe_trade(self, batch: Batch, logits: tuple[Tensor, Tensor], picks: tuple[Tensor, Tensor]) -> None:
        """Report the mean of both networks' logits [B, K], and as `selected` that of their choices: 0, 1/2 or 1."""
        chosen_1, chosen_2 = (chosen(own, len(batch.labels)) for own in picks)
        batch.observe((logits[0] + logits[1]) / 2, selected=(chosen_1 + chosen_2) / 2)

    def predict(self, images: Tensor) -> Tensor:
        return torch.stack([network(images) for network in self.pair])
