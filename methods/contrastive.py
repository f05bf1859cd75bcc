"""Contrastive losses: what belongs together is drawn together, and away from all else.

Of images without labels as in SimCLR (Chen et al., ICML 2020), with labels as by Khosla et al. (NeurIPS 2020).
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn


def log_shares(features: Tensor, keys: Tensor, others: Tensor, temperature: float) -> Tensor:
    """[n, m]: s_ij - log sum_(k in others of i) exp s_ik, s the cosine over the temperature.

    features: [n, D] float; keys: [m, D] float; others: [n, m] bool, which keys a feature is compared with.
    """
    likeness = F.normalize(features) @ F.normalize(keys).T / temperature
    return likeness - likeness.masked_fill(~others, -torch.inf).logsumexp(1, keepdim=True)


def apart(count: int, device: torch.device | None = None) -> Tensor:
    """[count, count] bool: true but for each row's own entry."""
    return ~torch.eye(count, dtype=torch.bool, device=device)


def same_image(images: int, device: torch.device | None = None) -> Tensor:
    """[2 n, 2 n] bool: which two rows are both views of an image, for the first views of n images and then the second.

    No row belongs to itself.
    """
    return torch.eye(images, dtype=torch.bool, device=device).repeat(2, 2) & apart(2 * images, device)


def contrastive_loss(features: Tensor, together: Tensor, temperature: float) -> Tensor:
    """The mean over rows of -mean_(j together with i) log_shares_ij, a scalar.

    features: [n, D] float; together: [n, n] bool, at least one in each row and none with itself.
    """
    shares = log_shares(features, features, apart(len(features), features.device), temperature)
    return -((together * shares).sum(1) / together.sum(1)).mean()


def major_and_minor(pairs: Tensor, partners: Tensor) -> tuple[Tensor, Tensor]:
    """How much two of 2 B mixed images belong together, by the larger and by the smaller part of the first: [2 B, 2 B].

    pairs: [B, B] bool, which images belong together; partners: [2, B] int64, what each view's images are mixed with.
    The views of an image belong together; those of the partner count twice, as in the code of MOIT and of Sel-CL. None
    belongs to itself.
    """
    itself, others = torch.eye(len(pairs), dtype=torch.bool, device=pairs.device), apart(2 * len(pairs), pairs.device)
    counted = pairs.float() + itself
    return ((pairs | itself).repeat(2, 2) & others).float(), counted[partners.flatten()].repeat(1, 2) * others


def interpolated_losses(shares: Tensor, major: Tensor, minor: Tensor, portions: Tensor) -> Tensor:
    """[2 B]: -l mean_j shares_ij - (1 - l) mean_j shares_ij, weighted by `major` and by `minor` (Ortego et al., 2021).

    shares: [2 B, n], the `log_shares`; major, minor: [2 B, n]; portions: [2], the l of each view.
    """
    first, second = ((weight * shares).sum(1) / weight.sum(1) for weight in (major, minor))
    portion = portions.repeat_interleave(len(shares) // 2)
    return -(portion * first + (1 - portion) * second)


class Memory(nn.Module):
    """The last features that came, each with its sample's row of the training set; -1: nothing yet."""

    features: Tensor
    numbers: Tensor
    place: Tensor

    def __init__(self, size: int, width: int) -> None:
        super().__init__()
        self.register_buffer("features", torch.zeros(size, width))
        self.register_buffer("numbers", torch.full((size,), -1))
        self.register_buffer("place", torch.zeros((), dtype=torch.int64))

    def write(self, features: Tensor, numbers: Tensor) -> Tensor:
        """[n] int64: where features [n, D] with their numbers [n] were put, over the oldest.

        As in MOIT's code those that do not fit before the end are put at the end, and the next at the start.
        """
        count, size = len(features), len(self.numbers)
        full = self.place + count > size
        rows = torch.where(full, size - count, self.place) + torch.arange(count, device=features.device)
        self.features.index_copy_(0, rows, features.detach())
        self.numbers.index_copy_(0, rows, numbers)
        self.place.copy_(torch.where(full, 0, self.place + count))
        return rows

    def losses(
        self,
        features: Tensor,
        pairs: Tensor,
        pairs_here: Tensor,
        partners: Tensor,
        rows: Tensor,
        portions: Tensor,
        temperature: float,
    ) -> Tensor:
        """[2 B]: `interpolated_losses` of features [2 B, D] against the memory, where they lie themselves at `rows`.

        pairs: [B, size] bool, which images belong to what is remembered; pairs_here: [B, B], to one another.
        """
        major, minor = major_and_minor(pairs_here, partners)
        there = (self.numbers >= 0).repeat(len(features), 1)
        compared = there.index_copy(1, rows, apart(len(features), features.device))
        all_major = pairs.repeat(2, 1).float().index_copy(1, rows, major)
        all_minor = pairs[partners.flatten()].float().index_copy(1, rows, minor)
        shares = log_shares(features, self.features, compared, temperature).masked_fill(~there, 0.0)
        return interpolated_losses(shares, all_major, all_minor, portions)
