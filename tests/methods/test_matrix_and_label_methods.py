"""What VolMinNet, PENCIL, joint optimisation, M-correction and T-Revision do beside what reference values show."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from golden_support import StubTask, make, make_batch
from loss_inputs import draw
from torch.nn.functional import cross_entropy

from methods.joint_optimization import joint_loss
from methods.m_correction import bootstrapping_loss, fit_losses, guided_mixture, loss_bounds, noisy_probability
from methods.m_correction import posterior_table as table_of
from methods.pencil import classification_loss
from methods.t_revision import importance, revision_loss, reweighted_loss
from methods.volminnet import volume_matrix


def test_a_learnt_matrix_has_rows_of_one_and_its_diagonal_ahead() -> None:
    matrix = volume_matrix(3 * torch.randn(5, 5, dtype=torch.float64, generator=torch.Generator().manual_seed(0)))
    torch.testing.assert_close(matrix.sum(1), torch.ones(5, dtype=torch.float64))
    assert torch.equal(matrix.argmax(1), torch.arange(5))


def test_pencil_holds_the_labels_in_its_last_part() -> None:
    method: Any = make("pencil", StubTask([0, 1, 2], 3, epochs=10), warm_up=2, correction=3)
    moved = []
    for epoch in (2, 3, 5, 6):
        method.network.answers = [torch.zeros(3, 3, requires_grad=True)]
        method.beliefs.grad = None
        method.loss(make_batch(method, [0, 1, 2], epoch=epoch)).backward()
        moved.append(method.beliefs.grad is not None)
    assert moved == [False, True, True, False]
    assert [stage.epochs for stage in method.stages()] == [5, None]


def test_a_divergence_from_itself_is_nothing() -> None:
    logits, _ = draw()
    torch.testing.assert_close(classification_loss(logits, logits + 3), torch.zeros((), dtype=torch.float64))


def test_joint_optimisation_renews_labels_from_its_window_and_starts_anew() -> None:
    method: Any = make("joint_optimization", StubTask([0, 1], 2, epochs=8), first=4, begin=2, window=2)
    seen = []
    for epoch in range(1, 7):
        method.epoch_start(epoch)
        seen.append(float(method.targets[0, 0]))
        method.predicted[0] = torch.tensor([0.1 * epoch, 1 - 0.1 * epoch])
    assert seen == pytest.approx([1, 1, 0.15, 0.25, 0.35, 0.35])


def test_a_window_of_joint_optimisation_has_an_epoch_also_as_a_share_of_a_short_run() -> None:
    method: Any = make("joint_optimization", StubTask([0, 1], 2, epochs=4), first=3, begin=1, window=0.01)
    method.epoch_start(1)
    method.predicted[0] = torch.tensor([0.25, 0.75])
    method.epoch_start(2)
    assert method.targets[0].tolist() == [0.25, 0.75]


def test_joint_loss_without_penalties_is_cross_entropy() -> None:
    logits, labels = draw()
    targets = torch.nn.functional.one_hot(labels, logits.shape[1]).to(logits.dtype)
    torch.testing.assert_close(joint_loss(logits, targets, 0.0, 0.0), cross_entropy(logits, labels))


def test_a_mixture_tells_small_losses_from_large_ones() -> None:
    generator = torch.Generator().manual_seed(0)
    losses = torch.cat([0.2 * torch.rand(300, generator=generator), 3 + torch.rand(200, generator=generator)])
    mixture = fit_losses(losses)
    assert mixture is not None
    noisy = noisy_probability(losses, table_of(mixture), *loss_bounds(losses))
    assert float(noisy[:300].max()) < 0.1
    assert float(noisy[300:].min()) > 0.8


def test_equal_losses_have_no_mixture() -> None:
    assert fit_losses(torch.full((50,), 0.7)) is None
    task = StubTask([0] * 50, 2)
    method: Any = make("m_correction", task, warm_up=0)
    method.epoch_start(2)
    assert float(method.clean_scores().min()) > 0.99


def test_a_sure_partner_takes_the_mixture_over() -> None:
    images = torch.tensor([[0.0], [1.0]])
    mixed = guided_mixture(images, torch.tensor([1.0, 0.0]), torch.tensor([1, 0]))
    assert mixed.tolist() == [[1.0], [1.0]]


def test_bootstrapping_of_clean_samples_is_mixup() -> None:
    logits, labels = draw()
    partners, none = torch.arange(len(labels)).flip(0), torch.zeros(len(labels), dtype=logits.dtype)
    found = bootstrapping_loss(logits, labels, logits.softmax(1), none, partners, 0.7)
    wanted = 0.7 * cross_entropy(logits, labels) + 0.3 * cross_entropy(logits, labels[partners])
    torch.testing.assert_close(found, wanted)


def test_without_noise_no_sample_is_reweighted() -> None:
    logits, labels = draw()
    identity = torch.eye(logits.shape[1], dtype=logits.dtype)
    torch.testing.assert_close(reweighted_loss(logits, labels, identity), cross_entropy(logits, labels))
    torch.testing.assert_close(
        revision_loss(logits, labels, identity, torch.zeros_like(identity)), cross_entropy(logits, labels)
    )


def test_importance_is_the_quotient_of_the_two_posteriors() -> None:
    logits, labels = draw(scale=1.0)
    matrix = volume_matrix(torch.zeros(logits.shape[1], logits.shape[1], dtype=logits.dtype))
    p = logits.softmax(1)
    wanted = p.gather(1, labels[:, None]) / (p @ matrix).gather(1, labels[:, None])
    torch.testing.assert_close(importance(logits, labels, matrix), wanted.squeeze(1))


def test_the_correction_learns_in_the_revision_alone() -> None:
    method: Any = make("t_revision", StubTask([0, 1, 2], 3, epochs=10), estimate=2, reweight=3)
    assert [stage.epochs for stage in method.stages()] == [2, 3, None]
    moved = []
    for epoch in (2, 5, 6):
        method.network.answers = [torch.randn(3, 3, requires_grad=True, generator=torch.Generator().manual_seed(0))]
        method.correction.grad = None
        method.loss(make_batch(method, [0, 1, 2], epoch=epoch)).backward()
        moved.append(method.correction.grad is not None)
    assert moved == [False, False, True]
