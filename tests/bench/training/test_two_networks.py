"""Ramps, mixture, division, co-guessing, mixing, averaging and disagreement against cases worked out by hand."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from loss_inputs import draw, elr_loss, onehot
from torch import Tensor, nn

from methods.co_teaching import co_teaching_loss, kept_count
from methods.co_teaching_plus import co_teaching_plus_loss, disagreement
from methods.cores_star import consistency_loss
from methods.divide_mix import clean_probability, co_refined, confidence_penalty, normalised_losses, prior_penalty
from methods.elr_plus import average_weights, elr_plus_loss
from methods.jocor import jocor_losses
from methods.mixup import mixup_loss
from methods.pes import balancing_weights
from methods.semi_supervised import (
    larger_share,
    linear_ramp,
    mean_probability,
    mixed,
    mixture,
    network_clock,
    rows_where,
    sharpened,
    sigmoid_ramp,
    soft_cross_entropy,
    squared_difference,
)

LOG_2 = math.log(2)


@pytest.mark.parametrize(
    ("clock", "start", "length", "want"),
    [(9.9, 10, 16, 0.0), (10, 10, 16, 0.0), (14, 10, 16, 0.25), (26, 10, 16, 1.0), (99, 10, 16, 1.0), (3, 3, 0, 1.0)],
)
def test_linear_ramp(clock: float, start: float, length: float, want: float) -> None:
    assert linear_ramp(clock, start, length) == pytest.approx(want)


def test_linear_ramp_without_length_is_a_step() -> None:
    assert [linear_ramp(clock, 3, 0) for clock in (2.99, 3.0)] == [0.0, 1.0]


@pytest.mark.parametrize(
    ("clock", "length", "want"),
    [(0, 10, math.exp(-5)), (5, 10, math.exp(-1.25)), (10, 10, 1.0), (12, 10, 1.0), (0, 0, 1.0)],
)
def test_sigmoid_ramp(clock: float, length: float, want: float) -> None:
    assert sigmoid_ramp(clock, length) == pytest.approx(want)


def test_each_network_sees_the_clock_run_through_the_epoch() -> None:
    """Epoch 3 of a run, whose first half is the first network's and whose second half is the other's."""
    assert [network_clock(progress, 3, 0, 2) for progress in (2.0, 2.25)] == [2.0, 2.5]
    assert [network_clock(progress, 3, 1, 2) for progress in (2.5, 2.75)] == [2.0, 2.5]


def test_rows_of_a_mask_are_none_where_a_single_one_would_be_left() -> None:
    assert rows_where(torch.tensor([True, False, True])).tolist() == [0, 2]
    assert rows_where(torch.tensor([False, True])).tolist() == []
    assert rows_where(torch.tensor([False, False])).tolist() == []


def test_sharpening() -> None:
    p = torch.tensor([[0.6, 0.3, 0.1]])
    torch.testing.assert_close(sharpened(p, 0.5), torch.tensor([[0.36, 0.09, 0.01]]) / 0.46)
    torch.testing.assert_close(sharpened(p, 1.0), p)
    torch.testing.assert_close(sharpened(p, 0.01), torch.tensor([[1.0, 0.0, 0.0]]))


def test_mixing_by_hand() -> None:
    values = torch.tensor([[1.0], [2.0], [4.0]])
    torch.testing.assert_close(mixed(values, torch.tensor([1, 2, 0]), 0.75), torch.tensor([[1.25], [2.5], [3.25]]))


def test_a_mixture_keeps_images_and_targets_together() -> None:
    """Images hold their row's number, so that each mixed row says which rows it came from."""
    views = [torch.arange(4.0).reshape(4, 1, 1, 1), torch.arange(4.0, 6).reshape(2, 1, 1, 1)]
    targets = [torch.eye(6)[:4], torch.eye(6)[4:]]
    images, wanted = mixture(views, targets, 0.75, torch.Generator().manual_seed(1))
    torch.testing.assert_close(images.flatten(), wanted @ torch.arange(6.0))
    assert (wanted.diagonal() >= 0.75).all()
    assert wanted.sum(0).tolist() == pytest.approx([1.0] * 6)  # the partners are a permutation
    same, _ = mixture(views, targets, 1.0, torch.Generator().manual_seed(1))
    torch.testing.assert_close(same.flatten(), torch.arange(6.0))


def test_the_larger_share_is_that_of_the_first_part() -> None:
    rng = np.random.default_rng(0)
    shares = [larger_share(rng, 4.0) for _ in range(200)]
    assert 0.5 <= min(shares) < 0.55 < 0.8 < max(shares) <= 1.0
    assert larger_share(rng, 1e4) == pytest.approx(0.5, abs=0.05)


def test_soft_cross_entropy_of_mixed_labels_is_supervised_mixup() -> None:
    logits, labels = draw()
    partner = torch.arange(len(labels)).roll(1)
    targets = mixed(onehot(labels, logits.dtype), partner, 0.7)
    torch.testing.assert_close(soft_cross_entropy(logits, targets), mixup_loss(logits, labels, labels[partner], 0.7))


def test_losses_of_no_row_are_zero() -> None:
    none = torch.zeros(0, 3)
    assert soft_cross_entropy(none, none) == 0
    assert squared_difference(none, none) == 0


def test_normalised_losses_by_hand() -> None:
    logits = torch.log(torch.tensor([[0.5, 0.5], [0.25, 0.75], [0.125, 0.875]]))
    found = normalised_losses(logits, torch.zeros(3, dtype=torch.int64))
    torch.testing.assert_close(found, torch.tensor([0.0, 0.5, 1.0]))


def test_the_mixture_tells_two_groups_apart_in_any_order() -> None:
    small = 0.05 + 0.02 * torch.rand(60, generator=torch.Generator().manual_seed(0))
    large = 0.8 + 0.1 * torch.rand(40, generator=torch.Generator().manual_seed(1))
    losses = torch.cat([small, large])
    clean = clean_probability(losses, seed=0)
    assert (clean[:60] > 0.99).all() and (clean[60:] < 0.01).all()
    order = torch.randperm(100, generator=torch.Generator().manual_seed(2))
    torch.testing.assert_close(clean_probability(losses[order], seed=5), clean[order], atol=1e-6, rtol=0)


def test_equal_losses_are_all_clean() -> None:
    losses = normalised_losses(torch.zeros(7, 3), torch.zeros(7, dtype=torch.int64))
    assert clean_probability(losses, seed=0).tolist() == [1.0] * 7


def test_co_refinement_between_label_and_guess() -> None:
    labels, guess = torch.tensor([0, 1]), torch.tensor([[0.2, 0.8], [0.5, 0.5]])
    sure, unsure = torch.ones(2), torch.zeros(2)
    torch.testing.assert_close(co_refined(labels, sure, guess, 0.5), torch.eye(2))
    torch.testing.assert_close(co_refined(labels, unsure, guess, 0.5), sharpened(guess, 0.5))
    half = co_refined(labels, torch.tensor([0.5, 0.5]), guess, 1.0)
    torch.testing.assert_close(half, torch.tensor([[0.6, 0.4], [0.25, 0.75]]))


def test_co_guessing_is_the_mean_of_probabilities_not_of_logits() -> None:
    answers = [torch.log(torch.tensor([[0.9, 0.1]])), torch.log(torch.tensor([[0.5, 0.5]])) + 3]
    torch.testing.assert_close(mean_probability(answers), torch.tensor([[0.7, 0.3]]))


def test_penalties_by_hand() -> None:
    logits = torch.log(torch.tensor([[0.9, 0.1], [0.1, 0.9]]))
    torch.testing.assert_close(prior_penalty(logits), torch.tensor(0.0), atol=1e-6, rtol=0)
    skewed = prior_penalty(torch.log(torch.tensor([[0.25, 0.75], [0.25, 0.75]])))
    torch.testing.assert_close(skewed, torch.tensor(0.5 * math.log(2) + 0.5 * math.log(2 / 3)))
    entropy = confidence_penalty(torch.zeros(3, 4))
    torch.testing.assert_close(entropy, torch.tensor(-2 * LOG_2))
    assert prior_penalty(torch.tensor([[200.0, 0.0], [200.0, 0.0]])).isfinite()


def test_weight_averaging_by_hand() -> None:
    average, weights = [torch.tensor([1.0, 2.0])], [torch.tensor([3.0, 6.0])]
    average_weights(average, weights, 0.75)
    torch.testing.assert_close(average[0], torch.tensor([1.5, 3.0]))
    average_weights(average, weights, 1.0)
    torch.testing.assert_close(average[0], torch.tensor([1.5, 3.0]))
    average_weights(average, weights, 0.0)
    assert torch.equal(average[0], weights[0])


def test_averaging_refuses_networks_of_other_shape() -> None:
    with pytest.raises(ValueError, match="shorter"):
        average_weights(nn.Linear(2, 2).parameters(), nn.Linear(2, 2, bias=False).parameters(), 0.5)


def test_elr_plus_of_unmixed_samples_is_elr() -> None:
    logits, labels = draw()
    targets = logits.flip(0).softmax(1)
    given = onehot(labels, logits.dtype)
    torch.testing.assert_close(
        elr_plus_loss(logits, given, targets, 3.0, False), elr_loss(logits, labels, targets, 3.0), rtol=1e-9, atol=1e-9
    )
    torch.testing.assert_close(elr_plus_loss(logits, given, targets, 0.0, False), F.cross_entropy(logits, labels))
    # A one-hot label keeps its class whatever it is weighted with.
    torch.testing.assert_close(elr_plus_loss(logits, given, targets, 0.0, True), F.cross_entropy(logits, labels))


def test_reweighted_labels_by_hand() -> None:
    """y = (1/2, 1/2, 0) and t = (.6, .2, .2) give (3/4, 1/4, 0)."""
    logits, targets = torch.tensor([[0.3, -1.0, 2.0]]), torch.tensor([[0.6, 0.2, 0.2]])
    have = elr_plus_loss(logits, torch.tensor([[0.5, 0.5, 0.0]]), targets, 0.0, True)
    torch.testing.assert_close(have, -(logits.log_softmax(1) * torch.tensor([[0.75, 0.25, 0.0]])).sum())


def test_balancing_weights_by_hand() -> None:
    labels = torch.tensor([0, 0, 0, 0, 1, 1, 3])
    mean = 7 / 3
    torch.testing.assert_close(balancing_weights(labels, 4), torch.tensor([mean / 4, mean / 2, 0.0, mean]))
    assert balancing_weights(labels, 4, 2.0).tolist() == pytest.approx([mean / 4, mean / 2, 0.0, 2.0])
    assert balancing_weights(labels[:0], 4).tolist() == [0.0] * 4


def test_consistency_moves_the_strong_view_alone() -> None:
    weak, strong = torch.zeros(2, 2, requires_grad=True), torch.tensor([[0.0, math.log(3)]] * 2, requires_grad=True)
    loss = consistency_loss(weak, strong)
    torch.testing.assert_close(loss, torch.tensor(0.5 * math.log(2) + 0.5 * math.log(2 / 3)))
    loss.backward()
    assert weak.grad is None
    torch.testing.assert_close(strong.grad, torch.tensor([[-0.125, 0.125]] * 2))
    assert consistency_loss(strong, strong).abs() < 1e-7


def test_jocor_by_hand() -> None:
    """p = (1/2, 1/2) and (1/4, 3/4): CE log 2 and log 4; the two divergences sum to log(3) / 4."""
    one, two, label = torch.zeros(1, 2), torch.log(torch.tensor([[0.25, 0.75]])), torch.tensor([0])
    torch.testing.assert_close(jocor_losses(one, two, label, 0.0), torch.tensor([3 * LOG_2]))
    torch.testing.assert_close(jocor_losses(one, two, label, 1.0), torch.tensor([math.log(3) / 4]))


@pytest.fixture
def disagreeing() -> tuple[Tensor, Tensor, Tensor]:
    """Four samples of which the first and the last two are predicted differently, each by the other as class 0 or 1."""
    one = torch.tensor([[1.0, 0.0, 0.0], [5.0, 0.0, 0.0], [2.0, 0.0, 0.0], [3.0, 0.0, 0.0]], requires_grad=True)
    two = torch.tensor([[0.0, 3.0, 0.0], [5.0, 0.0, 0.0], [0.0, 2.0, 0.0], [0.0, 1.0, 0.0]], requires_grad=True)
    return one, two, torch.tensor([0, 0, 0, 0])


def test_co_teaching_plus_learns_from_the_disagreement_only(disagreeing: tuple[Tensor, Tensor, Tensor]) -> None:
    one, two, labels = disagreeing
    assert disagreement(one, two).tolist() == [True, False, True, True]
    loss_1, loss_2, order_1, order_2, kept = co_teaching_plus_loss(one, two, labels, 0.34)
    assert int(kept) == 1 and order_1[0] == 3 and order_2[0] == 3  # both find the last one easiest; int(.66 * 3) = 1
    torch.testing.assert_close(loss_1, F.cross_entropy(one[3:], labels[3:]))
    torch.testing.assert_close(loss_2, F.cross_entropy(two[3:], labels[3:]))
    (loss_1 + loss_2).backward()
    assert one.grad is not None and not one.grad[:3].any() and one.grad[3].any()


def test_at_least_one_sample_of_a_disagreement_is_kept(disagreeing: tuple[Tensor, Tensor, Tensor]) -> None:
    one, two, labels = disagreeing
    assert int(co_teaching_plus_loss(one, two, labels, 0.99)[-1]) == 1
    assert int(co_teaching_plus_loss(one, two, labels, 0.99, 0, authors_behaviour=True)[-1]) == 3


def test_without_disagreement_nothing_is_learnt(disagreeing: tuple[Tensor, Tensor, Tensor]) -> None:
    one, _, labels = disagreeing
    loss_1, loss_2, *_, kept = co_teaching_plus_loss(one, one * 2, labels, 0.5)
    assert loss_1 == loss_2 == kept == 0
    loss_1.backward()
    assert one.grad is not None and not one.grad.any()


def test_where_all_disagree_it_is_co_teaching() -> None:
    logits, labels = draw()
    other = logits.roll(1, dims=1)  # every prediction moves to the next class
    want = co_teaching_loss(logits, other, labels, kept_count(len(labels), 0.4))
    have = co_teaching_plus_loss(logits, other, labels, 0.4)
    torch.testing.assert_close(have[:2], want[:2])
    assert torch.equal(have[2][: int(have[4])], want[2]) and torch.equal(have[3][: int(have[4])], want[3])
