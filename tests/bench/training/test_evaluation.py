"""What is measured of predictions, against scikit-learn and loops by hand: scores, members, memorisation, detection."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
import torch
from sklearn import metrics
from torch import nn

from bench.networks.network import PassCounter
from bench.training import evaluation, selection
from bench.training.detection import decision_scores, detection_scores
from bench.training.observe import Observer
from methods.base import Batch

N, K = 300, 5


def predictions(members: int = 1) -> torch.Tensor:
    """[M, N, K] logits, sharp enough to fill many confidence bins."""
    return 2.5 * torch.randn(members, N, K, generator=torch.Generator().manual_seed(3))


def labels(seed: int = 4) -> torch.Tensor:
    """[N] labels that the first member gets right more often than not."""
    random = torch.randint(0, K, (N,), generator=torch.Generator().manual_seed(seed))
    return torch.where(torch.arange(N) % 2 == 0, predictions()[0].argmax(1), random)


def calibration_error_by_hand(logits: torch.Tensor, given: torch.Tensor) -> float:
    total = 0.0
    probability, predicted = logits.double().softmax(1).max(1)
    for low in range(15):
        inside = (probability >= low / 15) & (probability < (low + 1) / 15)
        if inside.any():
            right = (predicted == given)[inside].double().mean()
            total += float((probability[inside].mean() - right).abs() * inside.sum())
    return total / len(given)


def test_scores_of_one_network_are_those_of_scikit_learn() -> None:
    logits, given = predictions(), labels()
    final = evaluation.final_scores(logits, given, "mean")
    probability, predicted = logits[0].softmax(1).numpy(), logits[0].argmax(1).numpy()
    assert final["test_accuracy"] == pytest.approx(metrics.accuracy_score(given, predicted), abs=1e-12)
    assert final["nll"] == pytest.approx(metrics.log_loss(given, probability, labels=range(K)), rel=1e-5)
    assert final["confusion"] == metrics.confusion_matrix(given, predicted).tolist()
    assert final["per_class_accuracy"] == pytest.approx(
        metrics.recall_score(given, predicted, average=None).tolist(), abs=1e-12
    )
    assert final["ece"] == pytest.approx(calibration_error_by_hand(logits[0], given), abs=1e-6)
    assert "members" not in final
    assert "ensemble" not in final


def test_calibration_bins_hold_every_sample_and_give_the_error() -> None:
    final = evaluation.final_scores(predictions(), labels(), "mean")
    bins = final["calibration"]
    assert [len(bins[key]) for key in ("confidence", "accuracy", "count")] == [15, 15, 15]
    assert sum(bins["count"]) == N
    gaps = [abs(c - a) * n for c, a, n in zip(bins["confidence"], bins["accuracy"], bins["count"], strict=True)]
    assert final["ece"] == pytest.approx(sum(gaps) / N)
    for position, confidence in enumerate(bins["confidence"]):
        assert bins["count"][position] == 0 or position / 15 <= confidence <= (position + 1) / 15


def test_a_certain_prediction_falls_into_the_last_bin() -> None:
    logits = torch.tensor([[[1000.0, 0.0], [0.0, 1000.0]]])
    final = evaluation.final_scores(logits, torch.tensor([0, 0]), "mean")
    assert final["calibration"]["count"] == [0.0] * 14 + [2.0]
    assert final["ece"] == pytest.approx(0.5)


def test_a_class_without_test_images_has_accuracy_zero_and_no_division_by_it() -> None:
    final = evaluation.final_scores(torch.eye(3)[None], torch.tensor([0, 0, 0]), "mean")
    assert final["per_class_accuracy"] == pytest.approx([1 / 3, 0.0, 0.0])


@pytest.mark.parametrize("how", ["mean", "ensemble", "first"])
def test_several_networks_are_scored_as_the_suite_says(how: str) -> None:
    logits, given = predictions(3), labels()
    scored = {"mean": list(logits), "ensemble": [logits.mean(0)], "first": [logits[0]]}[how]
    accuracies = [metrics.accuracy_score(given, one.argmax(1)) for one in scored]
    losses = [metrics.log_loss(given, one.double().softmax(1), labels=range(K)) for one in scored]
    errors = [calibration_error_by_hand(one, given) for one in scored]
    final = evaluation.final_scores(logits, given, how)
    assert final["test_accuracy"] == pytest.approx(np.mean(accuracies), abs=1e-12)
    assert evaluation.accuracy(logits, given, how) == final["test_accuracy"]
    assert final["nll"] == pytest.approx(np.mean(losses), rel=1e-5)
    assert evaluation.negative_log_likelihood(logits, given, how) == final["nll"]
    assert final["ece"] == pytest.approx(np.mean(errors), abs=1e-6)
    confusion = np.mean([metrics.confusion_matrix(given, one.argmax(1)) for one in scored], axis=0)
    np.testing.assert_allclose(final["confusion"], confusion)
    each = [metrics.accuracy_score(given, one.argmax(1)) for one in logits]
    assert [member["test_accuracy"] for member in final["members"]] == pytest.approx(each, abs=1e-12)
    assert final["ensemble"]["test_accuracy"] == pytest.approx(
        metrics.accuracy_score(given, logits.mean(0).argmax(1)), abs=1e-12
    )
    assert sum(final["calibration"]["count"]) == pytest.approx(N)


def test_calibration_of_two_networks_pools_their_bins() -> None:
    # One network is certain and right, the other unsure and wrong: they share no bin.
    logits = torch.stack([torch.tensor([[9.0, 0.0]] * 4), torch.tensor([[0.0, 0.1]] * 4)])
    final = evaluation.final_scores(logits, torch.zeros(4, dtype=torch.long), "mean")
    certain, unsure = logits.softmax(2).amax(2)[:, 0].tolist()
    bins = final["calibration"]
    assert (bins["count"][14], bins["count"][7]) == (2.0, 2.0)
    assert (bins["confidence"][14], bins["confidence"][7]) == pytest.approx((certain, unsure))
    assert (bins["accuracy"][14], bins["accuracy"][7]) == (1.0, 0.0)
    assert final["ece"] == pytest.approx(((1 - certain) + unsure) / 2, abs=1e-6)


def test_memorisation_counts_what_training_samples_are_predicted_as() -> None:
    given = torch.tensor([0, 0, 1, 1, 2, 2, 2, 0])
    true = torch.tensor([0, 0, 1, 2, 1, 0, 1, 1])  # the first three are clean
    predicted = torch.tensor([0, 1, 1, 1, 1, 1, 2, 2])
    found = evaluation.memorisation(10 * torch.eye(3)[predicted][None], given, true, "mean")
    assert found == {
        "mislabelled_given": 2 / 5,  # 3: predicted 1 = given; 6: predicted 2 = given
        "mislabelled_true": 1 / 5,  # 4
        "mislabelled_other": 2 / 5,  # 5: predicted 1 (given 2, true 0); 7: predicted 2 (given 0, true 1)
        "clean_given": 2 / 3,
        "clean_other": 1 / 3,
    }


def test_memorisation_of_several_networks() -> None:
    given, true = torch.tensor([0, 1]), torch.tensor([0, 0])
    first, second = torch.tensor([[5.0, 0.0], [5.0, 0.0]]), torch.tensor([[0.0, 1.0], [0.0, 1.0]])
    both = torch.stack([first, second])
    assert evaluation.memorisation(both, given, true, "mean")["mislabelled_given"] == 0.5
    assert evaluation.memorisation(both, given, true, "ensemble")["mislabelled_given"] == 0.0
    assert evaluation.memorisation(both, given, true, "first")["clean_given"] == 1.0


def test_memorisation_of_an_empty_group_is_none() -> None:
    same = torch.tensor([0, 1])
    clean = evaluation.memorisation(torch.eye(2)[None], same, same, "mean")
    assert clean == {
        "mislabelled_given": None, "mislabelled_true": None, "mislabelled_other": None,
        "clean_given": 1.0, "clean_other": 0.0,
    }  # fmt: skip
    wrong = evaluation.memorisation(torch.eye(2)[None], same, same.flip(0), "mean")
    assert (wrong["clean_given"], wrong["clean_other"], wrong["mislabelled_given"]) == (None, None, 1.0)


CURVES = {
    "test_accuracy": [0.1, 0.5, 0.9, 0.3, 0.9, 0.4, 0.6, 0.2, 0.8, 0.7, 0.6, 0.5],
    "noisy_validation_accuracy": [0.1, 0.6, 0.2, 0.6, 0.3, 0.6, 0.2, 0.2, 0.2, 0.2, 0.2, 0.2],
    "clean_validation_accuracy": [0.1, 0.2, 0.3, 0.3, 0.3, 0.3, 0.3, 0.3, 0.3, 0.3, 0.3, 0.8],
}


def test_every_selection_rule_reports_its_epoch_and_ties_go_to_the_earliest() -> None:
    found = selection.selections(CURVES)
    mean = found["last_mean"].pop("test_accuracy")
    assert mean == pytest.approx((0.9 + 0.3 + 0.9 + 0.4 + 0.6 + 0.2 + 0.8 + 0.7 + 0.6 + 0.5) / 10)
    assert found == {
        "last": {"epoch": 12, "test_accuracy": 0.5},
        "last_mean": {"epochs": 10},
        "best_test": {"epoch": 3, "test_accuracy": 0.9},
        "noisy_validation": {"epoch": 2, "test_accuracy": 0.5},
        "clean_validation": {"epoch": 12, "test_accuracy": 0.5},
    }


def test_a_short_run_without_validation_has_fewer_rules() -> None:
    found = selection.selections({"test_accuracy": [0.2, 0.4]})
    assert found == {
        "last": {"epoch": 2, "test_accuracy": 0.4},
        "last_mean": {"epochs": 2, "test_accuracy": pytest.approx(0.3)},
        "best_test": {"epoch": 2, "test_accuracy": 0.4},
    }


def test_detection_scores_are_those_of_scikit_learn() -> None:
    rng = np.random.default_rng(5)
    mislabelled = rng.random(200) < 0.3
    score = rng.normal(size=200) - 1.2 * mislabelled
    found = detection_scores(score, mislabelled)
    count = int(mislabelled.sum())
    assert found["roc_auc"] == pytest.approx(metrics.roc_auc_score(mislabelled, -score))
    assert found["average_precision"] == pytest.approx(metrics.average_precision_score(mislabelled, -score))
    assert found["base_rate"] == count / 200
    assert found["precision_at_k"] == pytest.approx(mislabelled[np.argsort(score)[:count]].mean())
    assert found["roc_auc"] > 0.7  # the right way round: a low clean score means suspicion


def test_ties_count_by_their_expectation_and_the_order_of_samples_does_not_matter() -> None:
    score = np.array([0.1, 0.4, 0.4, 0.4, 0.9, 0.9])
    mislabelled = np.array([True, False, True, False, True, False])
    pairs = [(a, b) for a in score[mislabelled] for b in score[~mislabelled]]
    precisions = []
    for order in itertools.permutations(range(6)):
        ranked = sorted(order, key=lambda row: score[row])  # stable: ties stay as the permutation has them
        precisions.append(mislabelled[ranked[:3]].mean())
    found = detection_scores(score, mislabelled)
    assert found["precision_at_k"] == pytest.approx(np.mean(precisions))
    assert found["roc_auc"] == pytest.approx(np.mean([(a < b) + 0.5 * (a == b) for a, b in pairs]))
    assert detection_scores(score[::-1], mislabelled[::-1]) == found


def test_a_score_that_says_nothing_has_the_base_rate() -> None:
    mislabelled = np.arange(10) < 3
    found = detection_scores(np.zeros(10), mislabelled)
    assert found == {
        "roc_auc": 0.5, "average_precision": pytest.approx(0.3), "base_rate": 0.3,
        "precision_at_k": pytest.approx(0.3),
    }  # fmt: skip


@pytest.mark.parametrize("share", [0, 1])
def test_detection_has_no_value_where_one_group_is_empty(share: int) -> None:
    found = detection_scores(np.arange(4.0), np.full(4, bool(share)))
    assert found == {"roc_auc": None, "average_precision": None, "base_rate": share, "precision_at_k": None}


def test_a_decision_has_precision_and_recall() -> None:
    kept = np.array([True, False, False, True, False])
    mislabelled = np.array([True, True, False, False, True])
    assert decision_scores(kept, mislabelled) == {"precision": 2 / 3, "recall": 2 / 3}
    assert decision_scores(np.ones(5, bool), mislabelled) == {"precision": None, "recall": 0.0}
    assert decision_scores(kept, np.zeros(5, bool)) == {"precision": 0.0, "recall": None}


class Counted(nn.Module):
    """A stand-in for a method: adds up its images, and says in which mode it was asked."""

    def __init__(self, members: int | None) -> None:
        super().__init__()
        self.counter = PassCounter()
        self.members = members
        self.modes: list[tuple[bool, bool]] = []

    @property
    def task(self) -> Counted:
        return self

    def predict(self, images: torch.Tensor) -> torch.Tensor:
        self.modes.append((self.training, torch.is_grad_enabled()))
        self.counter.add(len(images))
        logits = images.flatten(1)[:, :2]
        return logits if self.members is None else torch.stack([logits + shift for shift in range(self.members)])


class Ones:
    """A loader of five images in batches of three and two."""

    def plain(self, batch_size: int) -> Iterator[tuple[torch.Tensor, torch.Tensor]]:
        for start, stop in ((0, batch_size), (batch_size, 5)):
            yield torch.arange(start, stop), torch.full((stop - start, 1, 2, 2), float(start))


@pytest.mark.parametrize(("members", "expected"), [(None, 1), (1, 1), (3, 3)])
def test_predictions_are_made_in_evaluation_mode_and_cost_the_method_nothing(
    members: int | None, expected: int
) -> None:
    method: Any = Counted(members)
    loader: Any = Ones()
    found = evaluation.predictions(method, loader, 3)
    assert found.shape == (expected, 5, 2)
    assert found[0, :, 0].tolist() == [0, 0, 0, 3, 3]
    assert method.modes == [(False, False)] * 2
    assert (method.counter.cost, method.counter.evaluation) == (0, 5)
    assert method.training
    method.eval()
    evaluation.predictions(method, loader, 3)
    assert not method.training  # the mode is put back as it was


def test_a_fault_while_evaluating_puts_mode_and_counter_back() -> None:
    method: Any = Counted(None)
    with pytest.raises(RuntimeError, match="planted"), evaluation.evaluating(method):
        raise RuntimeError("planted")
    assert method.training
    assert not method.counter.evaluating


GIVEN = torch.tensor([0, 1, 1, 0, 1])
WRONG = torch.tensor([False, True, False, True, False])


def batch(index: list[int], observer: Observer) -> Batch:
    rows = torch.tensor(index)
    return Batch((), GIVEN[rows], rows, 1, 0, 0.0, observer.for_rows(rows))


def test_what_training_passes_tell_is_reduced_by_sample_and_by_group() -> None:
    observer = Observer(GIVEN, WRONG)
    first, second = batch([0, 1, 2], observer), batch([2, 3], observer)
    first.observe(torch.tensor([[2.0, 0.0], [0.0, 0.0], [0.0, 3.0]]), h=torch.tensor([1.0, 0.5, 0.2]))
    second.observe(torch.tensor([[1.0, 0.0], [0.0, 1.0]]), h=torch.tensor([0.4, 0.1]))
    observer.add_loss(torch.tensor(2.0), 3)
    observer.add_samples(3)
    observer.add_loss(torch.tensor(1.0), 2)
    observer.add_samples(2)
    summary = observer.end_epoch()
    assert summary["train_loss"] == pytest.approx((2 * 3 + 1 * 2) / 5)
    assert summary["train_accuracy"] == pytest.approx(2 / 5)  # of passes 0, 1, 2, 2, 3: right are 0 and the first 2
    assert summary["observed"]["h"]["clean"] == pytest.approx((1.0 + 0.2 + 0.4) / 3)
    assert summary["observed"]["h"]["mislabelled"] == pytest.approx((0.5 + 0.1) / 2)
    sigmoid = torch.sigmoid
    two = (sigmoid(torch.tensor(3.0)) + sigmoid(torch.tensor(-1.0))) / 2  # seen twice: the mean of both passes
    expected = torch.tensor([sigmoid(torch.tensor(2.0)), 0.5, two, sigmoid(torch.tensor(-1.0)), 0.0])
    assert torch.allclose(observer.probability_last, expected)
    assert torch.allclose(observer.last["h"], torch.tensor([1.0, 0.5, 0.3, 0.1, 0.0]))


def test_probabilities_are_averaged_over_the_epochs_in_which_a_sample_was_seen() -> None:
    observer = Observer(GIVEN, WRONG)
    batch([0, 1], observer).observe(torch.tensor([[2.0, 0.0], [2.0, 0.0]]))
    observer.end_epoch()
    batch([0], observer).observe(torch.tensor([[-1.0, 0.0]]))
    observer.end_epoch()
    seen = torch.sigmoid(torch.tensor([2.0, -1.0]))
    assert observer.probability_mean()[0] == pytest.approx(float(seen.mean()))
    assert observer.probability_mean()[1] == pytest.approx(float(1 - seen[0]))
    assert observer.probability_last[0] == pytest.approx(float(seen[1]))
    assert observer.probability_last[1] == pytest.approx(float(1 - seen[0]))  # as last seen
    assert observer.probability_mean()[4] == 0.0


def test_a_further_stream_is_observed_under_its_own_rows() -> None:
    observer = Observer(GIVEN, WRONG)
    main, other = batch([0, 1], observer), batch([3, 4], observer)
    main.observe(torch.zeros(2, 2), other, h=torch.tensor([0.25, 0.75]))
    observer.end_epoch()
    assert observer.last["h"].tolist() == [0.0, 0.0, 0.0, 0.25, 0.75]


def test_an_epoch_that_observes_nothing_has_no_accuracy_but_a_loss() -> None:
    observer = Observer(GIVEN, WRONG)
    observer.add_loss(torch.tensor(4.0), 2)
    observer.add_samples(2)
    assert observer.end_epoch() == {"train_loss": 4.0, "train_accuracy": None, "observed": {}, "saturated": {}}
    assert observer.end_epoch()["train_loss"] == 0.0  # the next epoch starts from nothing


def test_a_group_that_was_not_seen_has_no_mean() -> None:
    observer = Observer(GIVEN, WRONG)
    batch([0, 2], observer).observe(torch.zeros(2, 2), h=torch.ones(2))
    assert observer.end_epoch()["observed"]["h"] == {"clean": 1.0, "mislabelled": None}


def test_saturation_is_that_of_values_and_not_of_masks() -> None:
    observer = Observer(GIVEN, WRONG)
    chosen = torch.tensor([True, False])
    batch([0, 1], observer).observe(torch.zeros(2, 2), h=torch.tensor([0.9995, 0.4]), chosen=chosen)
    assert observer.end_epoch()["saturated"] == {"h": 0.5}


def test_nothing_observed_keeps_a_graph_alive() -> None:
    observer = Observer(GIVEN, WRONG)
    logits = torch.zeros(2, 2, requires_grad=True)
    batch([0, 1], observer).observe(logits * 1, h=(logits * 2).sum(1))
    observer.add_loss(logits.sum(), 2)
    observer.add_samples(2)
    observer.end_epoch()
    assert not any(value.requires_grad for value in (observer.probability_sum, observer.last["h"]))


def test_an_observer_goes_on_from_its_state() -> None:
    one, other = Observer(GIVEN, WRONG), Observer(GIVEN, WRONG)
    batch([0, 1], one).observe(torch.ones(2, 2), h=torch.tensor([0.3, 0.6]))
    one.end_epoch()
    other.load_state_dict(one.state_dict())
    for observer in (one, other):
        batch([1, 2], observer).observe(torch.eye(2), h=torch.tensor([0.1, 0.2]))
        observer.end_epoch()
    assert torch.equal(one.probability_mean(), other.probability_mean())
    assert torch.equal(one.probability_last, other.probability_last)
    assert torch.equal(one.last["h"], other.last["h"])
