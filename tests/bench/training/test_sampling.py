"""Epochs of a fixed number of batches: shared out evenly over the classes, no sample twice, drawn anew."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from bench.training.sampling import Sampler, draw, quotas
from common.specification import Sampling


def generator(seed: int) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


@pytest.mark.parametrize(
    ("available", "count", "expected"),
    [
        ([10, 10, 10], 9, [3, 3, 3]),
        ([10, 10, 10], 8, [3, 3, 2]),
        ([1, 10, 10], 9, [1, 4, 4]),
        ([0, 2, 10], 9, [0, 2, 7]),
        ([3, 3, 3], 100, [3, 3, 3]),
        ([5, 5], 0, [0, 0]),
    ],
)
def test_quotas_are_even_as_far_as_classes_reach(available: list[int], count: int, expected: list[int]) -> None:
    assert quotas(np.array(available), count).tolist() == expected


def test_a_balanced_draw_has_no_sample_twice() -> None:
    labels = np.repeat(np.arange(4), [400, 50, 300, 7])
    order = np.random.default_rng(0).permutation(len(labels))
    found = draw(labels, 120, True, order)
    assert len(set(found.tolist())) == 120 and np.bincount(labels[found]).tolist() == [38, 38, 37, 7]
    place = np.argsort(order)
    assert (np.diff(place[found]) > 0).all(), "in the order of the permutation"
    assert draw(labels, 10, False, order).tolist() == order[:10].tolist()


def test_epochs_are_drawn_anew_from_the_rows_asked_for() -> None:
    sampler = Sampler(np.arange(100) % 5, Sampling(2, balanced=True, fresh=True))
    one, other = (sampler.rows(None, 10, generator(seed)) for seed in (1, 2))
    assert len(one) == 20 and not torch.equal(one.sort().values, other.sort().values)
    assert torch.equal(one, sampler.rows(None, 10, generator(1)))
    assert torch.bincount(one % 5).tolist() == [4] * 5
    among = torch.arange(50, 100)
    some = sampler.rows(among, 10, generator(1))
    assert set(some.tolist()) <= set(range(50, 100)) and torch.bincount(some % 5).tolist() == [4] * 5
