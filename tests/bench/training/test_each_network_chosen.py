"""Each network at its own best epoch on clean validation: what is kept, what the record says, and exact resume."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from small_runs import published, specification

from bench.training import checkpoint, data, evaluation
from bench.training.selection import EachBest
from common.specification import Specification
from datasets.base import HeldOut
from results.record import dumps, result
from results.selection_rules import RULES
from results.store import Store

TRUE = torch.tensor([0, 1, 0, 1])


def _logits(*wrong: int) -> torch.Tensor:
    """[M, 4, 2] logits of M networks, of which each has so many of TRUE wrong, the first ones."""
    hits = torch.nn.functional.one_hot(TRUE, 2).float()
    return torch.stack([torch.cat([1 - hits[:n], hits[n:]]) for n in wrong])


def test_each_network_is_kept_at_its_own_best_epoch() -> None:
    kept = EachBest()
    test = [torch.full((2, 4, 2), float(n)) for n in range(4)]
    for epoch, (wrong, of_test) in enumerate(zip([(2, 1), (0, 3), (0, 1), (1, 0)], test, strict=True), 1):
        kept.see(epoch, _logits(*wrong), TRUE, of_test)
    assert kept.epochs == [2, 4]  # the earliest of equals
    assert kept.accuracy == [1, 1]
    assert kept.logits is not None and [float(one.mean()) for one in kept.logits] == [1, 3]


def test_logits_are_summed_not_votes_counted() -> None:
    kept, sure = EachBest(), torch.tensor([[0.0, 0.4]] * 4)
    kept.see(1, _logits(0, 0), TRUE, torch.stack([_logits(0)[0], sure]))
    assert kept.selections(TRUE, 1) == {"clean_validation_each": {"member_epochs": [1, 1], "test_accuracy": 1.0}}
    kept = EachBest()
    kept.see(1, _logits(0, 0), TRUE, torch.stack([_logits(0)[0], 3 * sure]))
    assert kept.selections(TRUE, 1)["clean_validation_each"]["test_accuracy"] == 0.5


def test_one_network_or_a_part_of_the_run_gives_nothing() -> None:
    alone, late = EachBest(), EachBest()
    alone.see(1, _logits(0), TRUE, _logits(0))
    late.load_state_dict({})  # the checkpoint is of a run that began without this
    late.see(2, _logits(0, 0), TRUE, _logits(0, 0))
    assert alone.selections(TRUE, 1) == late.selections(TRUE, 2) == {}
    assert len(late.selections(TRUE, 1)) == 1


@pytest.fixture
def official(monkeypatch: pytest.MonkeyPatch) -> Iterator[Specification]:
    """A run of two networks on digits that have validation images of their own."""
    plain = data._dataset

    def with_validation(*arguments: Any) -> Any:
        found = plain(*arguments)
        held = HeldOut(found.train.take(range(1000, 1100)), None, True)
        return dataclasses.replace(found, validation=held)

    monkeypatch.setattr(data, "_dataset", with_validation)
    spec = specification("co_teaching", "data.validation.source=none", "training.epochs=4")
    held = dataclasses.replace(spec.dataset.validation, source="official")
    return dataclasses.replace(spec, dataset=dataclasses.replace(spec.dataset, validation=held))


def test_the_record_says_it_and_a_stopped_run_ends_alike(
    official: Specification, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[torch.Tensor] = []
    predictions = evaluation.predictions

    def noting(*arguments: Any) -> torch.Tensor:
        found = predictions(*arguments)
        seen.append(found.clone())
        return found

    with monkeypatch.context() as patch:
        patch.setattr(evaluation, "predictions", noting)
        record = published(tmp_path / "whole", official)
    chosen = record["selection"]["clean_validation_each"]
    assert len(chosen["member_epochs"]) == 2 and set(chosen["member_epochs"]) <= {1, 2, 3, 4}
    assert RULES["clean_validation_each"].number(record) == chosen["test_accuracy"]
    tests = [one for one in seen if one.shape[1] == record["data"]["num_test"]]
    summed = sum(tests[epoch - 1][member] for member, epoch in enumerate(chosen["member_epochs"]))
    labels = data.prepare(official, None).dataset.test.labels
    assert chosen["test_accuracy"] == pytest.approx((summed.argmax(1).numpy() == labels).mean())  # type: ignore[union-attr]

    save = checkpoint.save

    def saved_and_stopped(path: Path, state: dict[str, Any]) -> None:
        save(path, state)
        if state["run"]["progress"]["epoch"] == 2:
            raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(checkpoint, "save", saved_and_stopped)
        with pytest.raises(KeyboardInterrupt):
            published(tmp_path / "cut", official, checkpoint_seconds=0)
    again = published(tmp_path / "cut", official)
    assert again["execution"]["resumes"] == 1
    assert dumps(result(again)) == dumps(result(record))
    assert Store(tmp_path / "cut").load(record["address"])["selection"] == record["selection"]  # it is a valid record


def test_other_records_are_as_they_were(tmp_path: Path) -> None:
    record = published(tmp_path, specification("co_teaching", "training.epochs=1"))
    assert "clean_validation_each" not in record["selection"]
