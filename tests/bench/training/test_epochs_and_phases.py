"""The end of an epoch, phases of so many batches, streams with rows several times, and noisy validation accuracy."""

from __future__ import annotations

import copy
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import registries
import torch
from small_runs import Probe, Starter, published, specification, starter
from torch import Tensor

from bench.checks.check import run_checks
from bench.checks.subject import Subject
from bench.training import checkpoint, trainer
from bench.training.capture import make
from bench.training.step import Run
from common.errors import UserError
from methods import registry
from methods.base import Batch, Phase
from methods.hyper import MethodError
from results.record import dumps, result

CPU = torch.device("cpu")


@pytest.fixture
def start(monkeypatch: pytest.MonkeyPatch) -> Starter:
    return starter(monkeypatch)


def batches(run: Run) -> list[Batch]:
    found: list[Batch] = run.method.batches  # type: ignore[assignment]
    return found


def test_the_end_of_an_epoch_comes_after_its_last_step(start: Starter) -> None:
    class Noting(Probe):
        def build(self) -> None:
            super().build()
            self.ended: list[tuple[int, int]] = []

        def epoch_end(self, epoch: int) -> None:
            self.ended.append((epoch, len(self.batches)))

    run = start(Noting)
    for _ in range(2):
        trainer.train_epoch(run)
    assert run.method.ended == [(1, 4), (2, 8)]


def phased(**phase: Any) -> type[Probe]:
    class Phased(Probe):
        def epoch_start(self, epoch: int) -> list[Phase]:
            return [Phase(**phase)]

    return Phased


def test_a_phase_of_fewer_batches_walks_over_a_part_drawn_anew(start: Starter) -> None:
    run = start(phased(batches=2))
    for _ in range(2):
        trainer.train_epoch(run)
    found = [set(torch.cat([batch.index for batch in batches(run)[part : part + 2]]).tolist()) for part in (0, 2)]
    assert [len(rows) for rows in found] == [50, 50] and found[0] != found[1]
    assert [batch.progress for batch in batches(run)] == [0, 0.5, 1, 1.5]


def test_a_phase_of_more_batches_reshuffles_and_repeats(start: Starter) -> None:
    rows = torch.arange(10, 70)
    run = start(phased(rows=rows, batches=7, batch_size=20))
    trainer.train_epoch(run)
    assert [len(batch.index) for batch in batches(run)] == [20] * 7
    seen = Counter(torch.cat([batch.index for batch in batches(run)]).tolist())
    assert set(seen) == set(rows.tolist()) and set(seen.values()) == {2, 3}
    orders = [batch.index.tolist() for batch in batches(run)]
    assert orders[0] != orders[3] and all(len(set(order)) == 20 for order in orders)


@pytest.mark.parametrize(("count", "reason"), [(5, ""), (12, "a phase walks over its rows more than once")])
def test_a_part_is_captured_and_what_is_repeated_says_why_not(count: int, reason: str, start: Starter) -> None:
    class Phased(Probe):
        def epoch_start(self, epoch: int) -> list[Phase]:
            return [Phase(batches=count)]

        def loss(self, batch: Batch) -> Tensor:
            logits = self.network(batch.views[0])
            batch.observe(logits)
            return torch.nn.functional.cross_entropy(logits, batch.labels)

    runs = [start(Phased, "training.batch_size=10") for _ in range(2)]
    runs[1].captured = make("trace", CPU, lambda line: None)
    for run in runs:
        run.rates_on_device = True
        trainer.train_epoch(run)
    assert runs[1].captured is not None
    assert (runs[1].captured.reason, bool(runs[1].captured.replayed)) == (reason, not reason)
    pairs = zip(runs[0].method.parameters(), runs[1].method.parameters(), strict=True)
    assert all(torch.equal(one, other) for one, other in pairs)


def test_epochs_of_phases_in_batches_go_on_bit_identically(start: Starter) -> None:
    twice = torch.arange(20).repeat(2)
    kind = phased(batches=9, streams={"twice": (twice, 10)})
    whole, resumed = start(kind), start(kind)
    trainer.train_epoch(whole)
    trainer.load_state_dict(resumed, copy.deepcopy(trainer.state_dict(whole)))
    for run in (whole, resumed):
        trainer.train_epoch(run)
    pairs = zip(whole.method.parameters(), resumed.method.parameters(), strict=True)
    assert all(torch.equal(one, other) for one, other in pairs)


def test_a_row_may_stand_in_a_stream_several_times(start: Starter) -> None:
    rows = torch.tensor([1, 2, 2, 2, 3, 3])
    run = start(phased(streams={"heavy": (rows, 6)}))
    trainer.train_epoch(run)
    for batch in batches(run):
        assert Counter(batch.streams["heavy"].index.tolist()) == {1: 1, 2: 3, 3: 2}


@pytest.mark.parametrize(
    ("phase", "message"),
    [
        ({"batches": 0}, "a number of batches of 0"),
        ({"batches": 2.5}, "a number of batches of 2.5"),
        ({"batch_size": 0}, "a batch size of 0"),
        ({"batch_size": 2.5}, "a batch size of 2.5"),
        ({"rows": torch.tensor([1, 1])}, "`rows` with 1 different of 2"),
        ({"rows": torch.tensor([-1, 1])}, "`rows` with row -1; they go from 0 to"),
        ({"rows": torch.tensor([True, False])}, "`rows` of torch.bool"),
        ({"streams": {"heavy": (torch.tensor([1, 100]), 2)}}, r"`streams\['heavy'\]` with row 100"),
    ],
)
def test_a_phase_that_cannot_be_is_refused(phase: dict[str, Any], message: str, start: Starter) -> None:
    with pytest.raises(MethodError, match=message):
        trainer.train_epoch(start(phased(**phase)))


@pytest.mark.parametrize("empty", [1, 2])
def test_an_epoch_may_train_nothing(empty: int, start: Starter) -> None:
    """The first too, as where a first stage of no epochs has found no sample to trust."""

    class Sure(Probe):
        def epoch_start(self, epoch: int) -> list[Phase]:
            return [Phase(torch.zeros(0, dtype=torch.int64))] if epoch == empty else [Phase()]

    run = start(Sure)
    for _ in range(2):
        trainer.train_epoch(run)
    assert run.position.epoch == 2 and len(batches(run)) == 4


# --- noisy validation


class Stopped(Exception):
    """What ends a run after its second epoch."""


CHOOSING = '''
import torch
import torch.nn.functional as F

from methods.base import Method


class Choosing(Method):
    """Cross-entropy that keeps the weights of its best epoch on noisy validation labels."""

    name = "choosing"
    title = "Choosing"
    year = 2026
    reference = "a test"
    needs = frozenset({"noisy_validation"})

    def build(self):
        super().build()
        self.register_buffer("seen", torch.zeros(self.task.epochs))

    def epoch_start(self, epoch):
        told = self.task.noisy_validation
        assert len(told) == epoch - 1
        self.seen[: len(told)] = torch.tensor(told)
        return super().epoch_start(epoch)

    def loss(self, batch):
        logits = self.network(batch.views[0])
        batch.observe(logits)
        weight = 1 + self.seen.max()
        return weight * F.cross_entropy(logits, batch.labels)
'''
INSIDE = "data.validation={source='inside', size=0.2}"


@pytest.fixture
def choosing(tmp_path: Path) -> Iterator[Path]:
    path = tmp_path / "choosing.py"
    path.write_text(CHOOSING)
    with registries.as_before():
        registry.add_file(path)
        yield path


def test_the_accuracy_is_told_and_the_record_says_so_also_of_a_run_that_was_cut(
    choosing: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    given = replace(specification("choosing", INSIDE), epochs=4)
    whole = published(tmp_path / "whole", given, plugins=(choosing,))
    assert whole["privileges"] == ["selection by noisy validation"]
    save: Callable[..., None] = checkpoint.save

    def saving(path: Path, state: dict[str, Any]) -> None:
        save(path, state)
        if state["run"]["progress"]["epoch"] == 2:
            raise Stopped

    with monkeypatch.context() as patch:
        patch.setattr(checkpoint, "save", saving)
        with pytest.raises(Stopped):
            published(tmp_path / "cut", given, plugins=(choosing,), checkpoint_seconds=0)
    again = published(tmp_path / "cut", given, plugins=(choosing,), checkpoint_seconds=0)
    assert again["execution"]["resumes"] == 1
    assert dumps(result(again)) == dumps(result(whole))  # type: ignore[arg-type]


def test_without_a_noisy_validation_set_it_is_refused(choosing: Path) -> None:
    with pytest.raises(UserError, match=r"methods.choosing: the method selects by noisy validation: key 'data.valid"):
        specification("choosing")


def test_it_passes_what_is_checked_of_methods(choosing: Path) -> None:
    wanted = ("loss", "truth", "state", "resume", "same_seed")
    found = run_checks(Subject("choosing"), wanted)
    assert {result.check: result.seen for result in found if result.status == "failed"} == {}


def test_who_does_not_declare_it_is_not_told(start: Starter) -> None:
    with pytest.raises(PermissionError, match="noisy validation"):
        print(start(Probe, INSIDE).task.noisy_validation)
