"""What single methods do beside their loss: tables, picks, schedules, stages, estimates."""

from __future__ import annotations

import math

import pytest
import torch
import torch.nn.functional as F
from golden_support import StubTask, make, make_batch
from loss_inputs import CLASSES, SIZE, draw, elr_loss, eye, onehot
from torch import Tensor

from methods.active_passive import mean_absolute_error
from methods.car import car_loss, car_targets, optimal_confidence
from methods.cdr import critical_gradients
from methods.co_teaching import co_teaching_loss, forget_rate, kept_count
from methods.co_teaching_plus import co_teaching_plus_loss
from methods.cores import cores_loss, cores_losses, cores_strength
from methods.divide_mix import confidence_penalty, prior_penalty
from methods.elr import elr_targets
from methods.gce import gce_losses, truncated_gce_loss
from methods.loss_correction import backward_losses, estimate_matrix, forward_losses, invert, outlier_percentile
from methods.nlnl import class_weights, negative_loss, positive_loss, soft_loss
from methods.registry import MethodError
from methods.sop import sop_loss


def test_gce_lies_between_cross_entropy_and_absolute_error() -> None:
    logits, labels = draw()
    ce = F.cross_entropy(logits, labels, reduction="none")
    torch.testing.assert_close(gce_losses(logits, labels, 1e-6), ce, rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(gce_losses(logits, labels, 1.0), mean_absolute_error(logits, labels))


def test_truncated_gce_without_truncation_is_gce() -> None:
    logits, labels = draw()
    weights = torch.ones(SIZE, dtype=torch.float64)
    torch.testing.assert_close(
        truncated_gce_loss(logits, labels, weights, 0.7, 1.0), gce_losses(logits, labels, 0.7).mean()
    )


def test_sparse_over_parameterisation_without_parameters() -> None:
    """u = v = 0 leaves cross-entropy (p above its clamp) and the constant squared error of the predicted class."""
    logits, labels = draw(scale=1.0)
    zero = torch.zeros(SIZE, 1, dtype=torch.float64), torch.zeros(SIZE, CLASSES, dtype=torch.float64)
    wrong = (logits.argmax(1) != labels).double().mean()
    torch.testing.assert_close(sop_loss(logits, labels, *zero), F.cross_entropy(logits, labels) + 2 * wrong)


def test_confidence_interpolates_between_label_and_prediction() -> None:
    """h towards 0 takes all gradient from the class head; h in between scales it by h p_y / (h p_y + 1 - h)."""
    logits, labels = draw()
    logits.requires_grad_()
    targets = onehot(labels)
    for gate in (-40.0, -1.0, 0.5, 3.0):
        h = torch.full((SIZE,), gate, dtype=torch.float64)
        got = torch.autograd.grad(car_loss(logits, targets, h, 0.5, 0.0), logits)[0]
        p = logits.detach().softmax(1)
        p_y = (p * targets).sum(1, keepdim=True)
        share = h.sigmoid()[:, None]
        scale = share * p_y / (share * p_y + 1 - share)
        torch.testing.assert_close(got, scale * (p - targets) / SIZE, rtol=1e-8, atol=1e-12)


def test_best_confidence_is_the_derived_one() -> None:
    """For free h the loss is least at min(1, lambda / ((1 + lambda)(1 - p_y))), where its gradient vanishes."""
    logits, labels = draw()
    p_y = logits.softmax(1).gather(1, labels[:, None])[:, 0]
    best = 0.5 / (1.5 * (1 - p_y))
    inside = best < 1
    assert inside.any()
    gate = best.clamp_max(0.999).logit().requires_grad_()
    gradient = torch.autograd.grad(car_loss(logits, onehot(labels), gate, 0.5, 0.0), gate)[0]
    torch.testing.assert_close(gradient[inside], torch.zeros_like(gradient[inside]), atol=1e-12, rtol=0)


@pytest.mark.parametrize(("penalty", "auxiliary"), [(0.5, 0.0), (2.0, 0.1), (10.0, 0.0), (10.0, 1.0), (50.0, 0.1)])
@pytest.mark.parametrize("soft", [False, True])
def test_optimal_confidence_is_that_of_a_grid_search(penalty: float, auxiliary: float, soft: bool) -> None:
    logits, labels = draw()
    targets = (0.7 * onehot(labels) + 0.3 * logits.flip(0).softmax(1) if soft else onehot(labels)).clamp(1e-4, 1.0)
    found = optimal_confidence(logits, targets, penalty, auxiliary)
    grid = torch.linspace(0, 1, 1001, dtype=torch.float64)[1:-1]

    def loss(h: Tensor) -> Tensor:
        one = [
            car_loss(logits[i : i + 1], targets[i : i + 1], h[i : i + 1].logit(), penalty, auxiliary)
            for i in range(SIZE)
        ]
        return torch.stack(one)

    searched = torch.stack([loss(h.expand(SIZE)) for h in grid])
    assert (loss(found.clamp_max(1 - 1e-12)) <= searched.min(0).values + 1e-9).all()
    inside = found < 1
    gate = found.clamp_max(0.999).logit().requires_grad_()
    slope = torch.autograd.grad(car_loss(logits, targets, gate, penalty, auxiliary), gate)[0]
    torch.testing.assert_close(slope[inside], torch.zeros_like(slope[inside]), atol=1e-9, rtol=0)


def test_optimal_confidence_makes_a_robust_tail_of_cross_entropy() -> None:
    """The gradient on the given class's logit is p - 1 above 1 / (1 + lambda), and -lambda p below."""
    penalty = 10.0
    p = torch.tensor([0.5, 0.2, 0.092, 0.09, 0.05, 0.001], dtype=torch.float64)
    logits = torch.stack([p, (1 - p) / 2, (1 - p) / 2], 1).log().requires_grad_()
    targets = F.one_hot(torch.zeros(len(p), dtype=torch.int64), 3).double()
    h = optimal_confidence(logits, targets, penalty, 0.0)
    torch.testing.assert_close(h, (penalty / ((1 + penalty) * (1 - p))).clamp_max(1.0), rtol=1e-9, atol=1e-9)
    assert not h.requires_grad
    gradient = len(p) * torch.autograd.grad(car_loss(logits, targets, h.logit(), penalty, 0.0), logits)[0][:, 0]
    torch.testing.assert_close(gradient, torch.where(p >= 1 / 11, p - 1, -penalty * p), rtol=1e-8, atol=1e-10)


def test_car_clamps_matter_only_where_something_saturates() -> None:
    logits, labels = draw()
    targets = onehot(labels).clamp_min(1e-4)
    gate = torch.linspace(-3, 3, SIZE, dtype=torch.float64)
    plain, clamped = (car_loss(logits, targets, gate, 10.0, 0.1, authors) for authors in (False, True))
    torch.testing.assert_close(plain, clamped, rtol=1e-9, atol=1e-9)
    saturated = torch.full_like(gate, -30.0)
    plain, clamped = (car_loss(logits, targets, saturated, 10.0, 0.1, authors) for authors in (False, True))
    assert abs(float(plain - clamped)) > 0.1


def test_car_targets_move_only_over_the_threshold() -> None:
    logits, labels = draw()
    h = torch.linspace(0, 1, SIZE, dtype=torch.float64)
    targets = onehot(labels)
    moved = car_targets(targets, logits, h, 0.9, 0.5)
    assert torch.equal(moved[h <= 0.5], targets[h <= 0.5])
    torch.testing.assert_close(moved[h > 0.5], (0.9 * targets + 0.1 * logits.softmax(1))[h > 0.5])
    assert not car_targets(targets, logits.requires_grad_(), h, 0.9, 0.5).requires_grad


@pytest.mark.parametrize("name", ["car", "nal"])
def test_targets_never_hold_a_nan_where_the_start_is_no_update_epoch(name: str) -> None:
    """The authors' code gives NaN there, even without the auxiliary term."""
    _, labels = draw()
    task = StubTask(labels.tolist(), CLASSES)
    method = make(name, task, start=25, update_every=10)
    for epoch in (25, 30):
        task.network().answers = [draw(epoch, dtype=torch.float32)[0].requires_grad_()]
        assert bool(method.loss(make_batch(method, labels.tolist(), epoch=epoch)).isfinite())


@pytest.mark.parametrize(("epoch", "moves"), [(19, False), (20, True), (21, False), (30, True)])
def test_nal_targets_move_every_tenth_epoch_from_the_start(epoch: int, moves: bool) -> None:
    _, labels = draw()
    task = StubTask(labels.tolist(), CLASSES)
    method = make("nal", task, start=20)
    before = method.targets.clone()
    task.network().answers = [draw(1, dtype=torch.float32)[0]]
    method.loss(make_batch(method, labels.tolist(), epoch=epoch))
    assert torch.equal(before, method.targets) != moves


@pytest.mark.parametrize("name", ["car", "nal"])
@pytest.mark.parametrize("length", [1e-6, 1.0, 1e6])
def test_the_branch_is_bounded_and_gives_the_network_no_gradient(name: str, length: float) -> None:
    _, labels = draw()
    task = StubTask(labels.tolist(), CLASSES)
    method = make(name, task)
    feature = torch.full((SIZE, 1), length).requires_grad_()
    torch.nn.init.constant_(method.indicator.weight, 100.0)
    network = task.network()
    network.feature, network.answers = feature, [draw(1, dtype=torch.float32)[0].requires_grad_()]
    loss = method.loss(make_batch(method, labels.tolist()))
    assert 0 < float(method.confidence_logits.min()) <= float(method.confidence_logits.max()) <= method.logit_bound
    assert torch.autograd.grad(loss, feature, allow_unused=True)[0] is None


@pytest.mark.parametrize("name", ["car", "nal"])
def test_the_authors_branch_sees_the_features_as_they_are(name: str) -> None:
    _, labels = draw()
    task = StubTask(labels.tolist(), CLASSES)
    method = make(name, task, authors_behaviour=True)
    feature = torch.linspace(-20, 20, SIZE)[:, None].requires_grad_()
    network = task.network()
    network.feature, network.answers = feature, [draw(1, dtype=torch.float32)[0].requires_grad_()]
    loss = method.loss(make_batch(method, labels.tolist()))
    expected = method.indicator(feature).squeeze(1)
    assert torch.equal(method.confidence_logits[torch.arange(SIZE)], expected)
    assert bool(torch.autograd.grad(loss, feature)[0].any()), "the penalty's gradient stops at the branch"


def test_elr_pulls_towards_the_target() -> None:
    """A step down the regulariser's gradient raises the agreement of prediction and target."""
    logits, labels = draw()
    targets = elr_targets(torch.zeros_like(logits), logits.flip(0), 0.7)
    assert float(targets.sum(1).max()) == pytest.approx(0.3)
    logits.requires_grad_()
    regulariser = elr_loss(logits, labels, targets, 3.0) - F.cross_entropy(logits, labels)
    moved = logits - 0.1 * torch.autograd.grad(regulariser, logits)[0]
    assert bool(((moved.softmax(1) * targets).sum(1) >= (logits.softmax(1) * targets).sum(1)).all())


def test_co_teaching_trains_each_network_on_the_peers_picks() -> None:
    labels = torch.zeros(4, dtype=torch.int64)
    easy_first = torch.tensor([[3.0, 0.0], [2.0, 0.0], [0.0, 2.0], [0.0, 3.0]], requires_grad=True)
    easy_last = easy_first.detach().flip(0).requires_grad_()
    loss_1, loss_2, picks_1, picks_2 = co_teaching_loss(easy_first, easy_last, labels, 2)
    assert picks_1.tolist() == [0, 1] and picks_2.tolist() == [3, 2]
    touched_1 = torch.autograd.grad(loss_1, easy_first)[0].abs().sum(1) > 0
    touched_2 = torch.autograd.grad(loss_2, easy_last)[0].abs().sum(1) > 0
    assert touched_1.tolist() == [False, False, True, True] and touched_2.tolist() == [True, True, False, False]


@pytest.mark.parametrize("authors", [False, True])
def test_the_authors_divide_co_teaching_twice(authors: bool) -> None:
    logits, labels = draw()
    once = co_teaching_loss(logits, logits, labels, 6)[0]
    torch.testing.assert_close(co_teaching_loss(logits, logits, labels, 6, authors)[0], once / (6 if authors else 1))


def test_forget_rate_and_counts() -> None:
    assert [forget_rate(epoch, 0.4, 5) for epoch in (1, 3, 5, 6, 100)] == [0.0, 0.2, 0.4, 0.4, 0.4]
    assert [forget_rate(epoch, 0.4, 1) for epoch in (1, 2)] == [0.0, 0.4]
    assert forget_rate(1, 0.4, 0) == 0.4
    assert forget_rate(5, 0.5, 5, 2.0) == 0.25
    assert kept_count(100, 0.8) == 19


def test_co_teaching_keeps_a_sample_of_a_batch_of_one() -> None:
    task = StubTask([0], CLASSES, {"noise_rate": 0.8})
    method = make("co_teaching", task, gradual=0)
    for key in (0, 1):
        task.network(key).answers = [torch.zeros(1, CLASSES, requires_grad=True)]
    observed: dict[str, Tensor] = {}
    assert bool(method.loss(make_batch(method, [0], observed=observed)).isfinite())
    assert observed["selected"].tolist() == [1.0]


def test_only_disagreement_counts() -> None:
    logits, labels = draw()
    other = logits.clone()
    other[:5] = other[:5].flip(1)
    differs = logits.argmax(1) != other.argmax(1)
    assert 0 < int(differs.sum()) < SIZE
    loss_1, loss_2, order_1, _, kept = co_teaching_plus_loss(logits, other, labels, 0.0)
    assert set(order_1[: int(kept)].tolist()) == set(differs.nonzero()[:, 0].tolist())
    torch.testing.assert_close(loss_1, F.cross_entropy(logits[differs], labels[differs]))
    torch.testing.assert_close(loss_2, F.cross_entropy(other[differs], labels[differs]))
    assert float(co_teaching_plus_loss(logits, logits, labels, 0.2)[0]) == 0.0


def test_penalties_of_the_mean_and_of_confidence() -> None:
    uniform = torch.zeros(SIZE, CLASSES, dtype=torch.float64)
    assert float(prior_penalty(uniform)) == pytest.approx(0.0, abs=1e-12)
    assert float(confidence_penalty(uniform)) == pytest.approx(-math.log(CLASSES))
    logits, _ = draw()
    mean = logits.softmax(1).mean(0)
    torch.testing.assert_close(prior_penalty(logits), -(CLASSES * mean).log().mean())


def test_forward_correction_is_the_likelihood_of_the_noisy_label() -> None:
    logits, labels = draw()
    matrix = torch.rand(CLASSES, CLASSES, generator=torch.Generator().manual_seed(3), dtype=torch.float64) + eye(logits)
    matrix = matrix / matrix.sum(1, keepdim=True)
    noisy = (logits.softmax(1) @ matrix).gather(1, labels[:, None])[:, 0]
    torch.testing.assert_close(forward_losses(logits, labels, matrix), -noisy.log())


def test_backward_correction_is_unbiased() -> None:
    """Averaged over the noisy labels of a class, the corrected loss is the loss of the true class."""
    logits, _ = draw()
    matrix = 0.6 * eye(logits) + 0.4 / CLASSES
    corrected = torch.stack(
        [backward_losses(logits, torch.full((SIZE,), k), invert(matrix)) for k in range(CLASSES)], 1
    )
    torch.testing.assert_close(corrected @ matrix.T, -logits.log_softmax(1))


def test_forward_correction_by_the_identity_is_cross_entropy_at_any_logits() -> None:
    logits = torch.tensor([[50.0, -50.0, -50.0], [-50.0, 50.0, -50.0]], requires_grad=True)
    labels = torch.tensor([1, 0])
    losses = forward_losses(logits, labels, torch.eye(3))
    torch.testing.assert_close(losses, F.cross_entropy(logits, labels, reduction="none"))
    (found,) = torch.autograd.grad(losses.sum(), logits)
    (want,) = torch.autograd.grad(F.cross_entropy(logits, labels, reduction="sum"), logits)
    torch.testing.assert_close(found, want)


def test_a_label_that_no_class_leads_to_has_a_finite_loss() -> None:
    logits = torch.zeros(1, 3, requires_grad=True)
    matrix = torch.tensor([[1.0, 0.0, 0.0], [0.0, 1.0, 0.0], [1.0, 0.0, 0.0]])
    loss = forward_losses(logits, torch.tensor([2]), matrix).sum()
    loss.backward()
    assert bool(loss.detach().isfinite()) and bool(logits.grad.isfinite().all())


@pytest.mark.parametrize("classes", [10, 100])
def test_the_estimated_matrix_finds_every_class(classes: int) -> None:
    """A filter of 3% must not take all samples of a class, as it would with 100 of them."""
    labels = torch.arange(100 * classes) % classes
    probabilities = torch.full((len(labels), classes), 0.4 / classes)
    probabilities[torch.arange(len(labels)), labels] += torch.linspace(0.5, 0.6, len(labels))
    estimated = estimate_matrix(probabilities, outlier_percentile(classes))
    assert torch.equal(estimated.argmax(1), torch.arange(classes))


def test_singular_matrix_is_refused() -> None:
    with pytest.raises(MethodError, match="singular"):
        invert(torch.full((3, 3), 1 / 3))


def test_estimated_matrix_reads_the_surest_samples() -> None:
    rows = torch.tensor([[0.9, 0.1], [0.8, 0.2], [0.3, 0.7], [0.2, 0.8]])
    torch.testing.assert_close(estimate_matrix(rows, 100.0), rows[[0, 3]])
    torch.testing.assert_close(estimate_matrix(rows, 97.0), rows[[1, 2]])


def test_estimated_correction_starts_anew_with_the_estimate() -> None:
    logits, labels = draw(dtype=torch.float32)
    task = StubTask(labels.tolist(), CLASSES, epochs=6)
    method = make("forward_correction_estimated", task, percentile=100.0)
    assert [stage.epochs for stage in method.stages()] == [3, None]
    task.all_logits = logits
    method.stage_start(1)
    torch.testing.assert_close(method.matrix, estimate_matrix(logits.softmax(1), 100.0))
    for epoch, want in (
        (3, F.cross_entropy(logits, labels)),
        (4, forward_losses(logits, labels, method.matrix).mean()),
    ):
        task.network().answers = [logits]
        torch.testing.assert_close(method.loss(make_batch(method, labels.tolist(), epoch=epoch)), want)


def test_cores_keeps_what_lies_under_the_mean_loss() -> None:
    logits, labels = draw()
    _, scores = cores_losses(logits, labels, 2.0, None)
    log_p = -logits.log_softmax(1)
    want = log_p.gather(1, labels[:, None])[:, 0] <= log_p.mean(1)
    assert torch.equal(scores <= 0, want)
    assert float(cores_loss(log_p[:, 0], torch.zeros(SIZE, dtype=torch.float64))) == 0.0
    assert [cores_strength(epoch, 2.0, 2, 3) for epoch in range(1, 8)] == [0, 0, 0, 1, 2, 2, 2]


def test_cores_prior_follows_the_kept_samples() -> None:
    task = StubTask([0, 0, 1, 2], 3)
    method = make("cores", task)
    method.epoch_start(1)
    torch.testing.assert_close(method.prior, torch.tensor([0.5, 0.25, 0.25]))
    method.kept.copy_(torch.tensor([0.0, 1.0, 1.0, 0.0]))
    method.epoch_start(2)
    torch.testing.assert_close(method.prior, torch.tensor([0.5, 0.5, 0.0]))


def test_negative_learning_counts_the_kept() -> None:
    logits, labels = draw()
    complementary = ((labels + 1) % CLASSES)[:, None]
    kept = (torch.arange(SIZE) < 3).double()
    ones = torch.ones(CLASSES)
    want = -(1 - logits.softmax(1)).log().gather(1, complementary)[:3, 0].mean()
    torch.testing.assert_close(negative_loss(logits, labels, complementary, ones, kept), want)
    assert float(negative_loss(logits, labels, complementary, ones, 0 * kept)) == 0.0
    assert float(positive_loss(logits, labels, ones, 0 * kept)) == 0.0


@pytest.mark.parametrize("epochs", range(1, 30))
def test_stages_of_nlnl_fill_the_run(epochs: int) -> None:
    method = make("nlnl", StubTask([0, 1, 2], 3, epochs=epochs))
    lengths = [stage.epochs for stage in method.stages()]
    assert sum(lengths) == epochs and lengths[0] >= 1
    assert all(length > 0 for length in lengths[3:])


def test_complementary_labels_are_never_the_given_one() -> None:
    _, labels = draw()
    method = make("nlnl", StubTask(labels.tolist(), CLASSES), complementary=50)
    drawn = method.draw(labels)
    assert drawn.shape == (SIZE, 50) and int(drawn.max()) < CLASSES
    assert not bool((drawn == labels[:, None]).any())
    assert len(drawn.unique()) == CLASSES


def test_pseudo_labels_of_nlnl_start_from_the_samples_that_were_kept() -> None:
    logits, labels = draw(dtype=torch.float32)
    task = StubTask(labels.tolist(), CLASSES, epochs=10)  # epochs of its stages: 2, 2, 2, 2, 2
    method = make("nlnl", task)
    index = torch.arange(SIZE).tolist()
    method.past[:6, :4] = 0.9
    method.stage_start(3)
    assert torch.equal(method.class_weight, class_weights(labels[:4], CLASSES))
    for epoch in (7, 8):
        task.network().answers = [logits * (epoch - 6)]
        loss = method.loss(make_batch(method, labels.tolist(), index, epoch=epoch))
        kept = (torch.arange(SIZE) < 4).float()
        torch.testing.assert_close(loss, positive_loss(logits * (epoch - 6), labels, method.class_weight, kept))
    method.stage_start(4)
    soft = (logits.softmax(1) + (2 * logits).softmax(1)) / 2
    torch.testing.assert_close(method.soft, soft)
    task.network().answers = [logits]
    loss = method.loss(make_batch(method, labels.tolist(), index, epoch=9))
    torch.testing.assert_close(loss, soft_loss(logits, soft, class_weights(soft.argmax(1), CLASSES)))


def test_soft_loss_of_one_hot_targets_is_weighted_cross_entropy() -> None:
    logits, labels = draw()
    weights = class_weights(labels, CLASSES)
    want = (weights[labels] * F.cross_entropy(logits, labels, reduction="none")).mean()
    torch.testing.assert_close(soft_loss(logits, F.one_hot(labels, CLASSES).to(logits), weights), want)


def test_critical_gradients_keep_the_largest_products() -> None:
    weights = [torch.tensor([[1.0, -2.0], [3.0, 0.1]]), torch.tensor([0.5, 4.0])]
    gradients = [torch.tensor([[1.0, 1.0], [0.1, 1.0]]), torch.tensor([1.0, -1.0])]
    kept = critical_gradients(weights, gradients, 0.5, 0.8)
    torch.testing.assert_close(kept[0], torch.tensor([[0.8, 0.8], [0.0, 0.0]]))
    torch.testing.assert_close(kept[1], torch.tensor([0.0, -0.8]))
    everything = critical_gradients(weights, gradients, 1.0, 1.0)
    assert all(torch.equal(a, b) for a, b in zip(everything, gradients, strict=True))


def test_car_with_full_confidence_is_cross_entropy() -> None:
    logits, labels = draw(dtype=torch.float32)
    task = StubTask(labels.tolist(), CLASSES)
    method = make("car", task, confidence="one", auxiliary=0.0, correct_targets=False, target_floor=0.0)
    for epoch in (1, 500):
        task.network().answers = [logits]
        torch.testing.assert_close(
            method.loss(make_batch(method, labels.tolist(), epoch=epoch)), F.cross_entropy(logits, labels)
        )
    assert method.clean_scores() is None
    assert not [name for name, _ in method.named_parameters()], "the branch is there without being used"
