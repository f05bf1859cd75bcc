"""Epochs of a fixed number of batches: shared out evenly over the classes, no sample twice, drawn anew."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from command_line import Command
from small_runs import Starter, published, specification, starter
from torch import Tensor

from bench.training import trainer
from bench.training.sampling import Sampler, draw, quotas
from common.errors import UserError
from common.specification import Sampling
from methods.base import Method, Phase
from methods.two_networks import TwoNetworks


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


def test_without_topping_up_a_short_class_shortens_the_epoch() -> None:
    labels = np.repeat(np.arange(4), [400, 50, 300, 7])
    order = np.random.default_rng(0).permutation(len(labels))
    found = draw(labels, 120, True, order, top_up=False)
    assert np.bincount(labels[found]).tolist() == [30, 30, 30, 7]
    assert len(set(found.tolist())) == 97 and (np.diff(np.argsort(order)[found]) > 0).all()
    # shares that do not divide are rounded up, and the last ones in the order are left out
    uneven = draw(np.arange(40) % 4, 10, True, np.arange(40), top_up=False)
    assert uneven.tolist() == list(range(10))


def test_networks_keep_rows_of_their_own() -> None:
    settings = Sampling(2, balanced=True, fresh=False, per_network=True)
    sampler = Sampler(np.arange(100) % 5, settings, generator)
    mine, others = (sampler.rows(None, 10, generator(9), number) for number in (0, 1))
    assert torch.equal(mine, sampler.rows(None, 10, generator(8), 0))
    assert len(mine) == len(others) == 20 and set(mine.tolist()) != set(others.tolist())
    some = sampler.rows(mine[:5].sort().values, 10, generator(9), 0)
    assert sorted(some.tolist()) == sorted(mine[:5].tolist())


class Walks(TwoNetworks):
    """Notes the rows that each network walks over in an epoch."""

    name, title, year, reference = "cross_entropy", "Walks", 2026, "a test"
    sampled = False

    def build(self) -> None:
        super().build()
        self.seen: dict[tuple[int, int], list[int]] = {}

    def epoch_start(self, epoch: int) -> list[Phase]:
        rows = [self.task.sample() if self.sampled else None for _ in range(2)]
        return [Phase(rows[number], number=number, sampled=self.sampled) for number in range(2)]

    def loss(self, batch: Any) -> Tensor:
        rows = self.seen.setdefault((batch.epoch, batch.number), [])
        rows += batch.index.tolist()
        return torch.zeros(())


@pytest.fixture
def start(monkeypatch: pytest.MonkeyPatch) -> Starter:
    return starter(monkeypatch)


def walked(start: Starter, sampling: str, method: type[Method] = Walks) -> dict[tuple[int, int], set[int]]:
    """Rows by epoch and network, in two epochs of two batches of 25 among 100."""
    run = start(method, f"training.sampling={sampling}")
    for _ in range(2):
        trainer.train_epoch(run)
    walker: Any = run.method
    found = {key: set(rows) for key, rows in walker.seen.items()}
    assert all(len(rows) == 50 for rows in found.values())
    return found


def test_each_network_walks_over_its_own_subset_in_all_epochs(start: Starter) -> None:
    found = walked(start, "{ batches = 2, fresh = false, per_network = true }")
    assert found[1, 0] == found[2, 0] != found[1, 1] == found[2, 1]
    shared = walked(start, "{ batches = 2, fresh = false }")
    assert len({frozenset(rows) for rows in shared.values()}) == 1
    fresh = walked(start, "{ batches = 2 }")
    assert len({frozenset(rows) for rows in fresh.values()}) == 4


def test_what_a_method_was_told_of_is_what_it_walks_over(start: Starter) -> None:
    class Told(Walks):
        sampled = True

    assert len({frozenset(rows) for rows in walked(start, "{ batches = 2 }", Told).values()}) == 4
    run = start(Told)
    assert run.task.sample().tolist() == list(range(100))


def test_some_rows_are_scored_as_all_are(start: Starter) -> None:
    run = start(Walks)
    network, rows = run.task.network(), torch.tensor([70, 3, 51])
    torch.testing.assert_close(run.task.logits(network, rows=rows), run.task.logits(network)[rows])
    before = run.task.counter.cost
    run.task.logits(network, rows=rows)
    assert run.task.counter.cost - before == 3


class Redrawn(Method):
    """Cross-entropy with the labels of a further draw."""

    name, title, year, reference = "cross_entropy", "Redrawn", 2026, "a test"
    asked: tuple[int, ...] = (1,)

    def build(self) -> None:
        super().build()
        self.further = [self.task.redrawn(number) for number in self.asked]

    def loss(self, batch: Any) -> Tensor:
        loss: Tensor = self.network(batch.views[0]).square().mean()
        return loss


def test_further_draws_are_of_the_same_noise_and_the_record_tells_of_them(
    start: Starter, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Three(Redrawn):
        asked = (1, 2, 1)

    run = start(Three, "data.subset=1000")
    method: Any = run.method
    one, two, again = method.further
    with pytest.raises(UserError, match="`build` is over"):
        run.task.redrawn(1)
    assert torch.equal(one, again) and not torch.equal(one, two) and not torch.equal(one, run.labels)
    true = run.labels[run.labels != one]
    assert len(true) > 400, "half of the labels are drawn anew, and 9 of 10 of these change"
    monkeypatch.setattr("methods.registry.load", lambda name: Three)
    assert "labels drawn 3 times" in published(tmp_path, specification("cross_entropy"))["privileges"]


def test_a_subset_for_each_network_is_not_drawn_anew(command: Command) -> None:
    sampling = "training.sampling={ batches = 2, per_network = true }"
    ended = command("run", "quick", "--set", sampling, "--dry-run")
    assert (ended.status, ended.err.count("\n")) == (2, 1)
    assert "per_network = true needs fresh = false" in ended.err
