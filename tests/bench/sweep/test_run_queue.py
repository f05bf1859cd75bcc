"""Which run is taken when, and what becomes of runs that other commands execute."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from small_runs import specification

from bench.planning.spec import Cell
from bench.sweep import lease, remaining, run_queue
from bench.sweep.run_queue import NO_TIME, Queue, Rules
from bench.sweep.worker import Outcome, work
from bench.training.environment import Environment
from results.layout import Layout
from results.store import Store


def cell(seed: int) -> Cell:
    return Cell("cross_entropy", "cross_entropy", f"seed {seed}", specification("cross_entropy", seed=seed))


CELLS = [cell(seed) for seed in range(3)]
Ended = list[tuple[Cell, Outcome]]


def queue(store: Path, rules: Rules | None = None) -> tuple[Queue, Ended]:
    ended: Ended = []
    return Queue(store, CELLS, lambda one, outcome: ended.append((one, outcome)), rules), ended


def held(store: Path, one: Cell) -> lease.Lease:
    found = lease.acquire(Layout(store).lease(one.address), lambda holder: False)
    assert found is not None
    return found


def checkpoint(store: Path, one: Cell, nanoseconds: int = 10**18) -> None:
    path = Layout(store).checkpoint(one.address)
    path.parent.mkdir(exist_ok=True, parents=True)
    path.write_bytes(b"")
    os.utime(path, ns=(nanoseconds, nanoseconds))


def taken(found: Queue) -> Cell | None:
    pair = found.take_ready()
    return None if pair is None else pair[0]


def test_a_run_that_was_interrupted_meanwhile_is_taken_before_others(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(run_queue, "_WAIT_SECONDS", 0.0)
    found, _ = queue(tmp_path)
    other = held(tmp_path, CELLS[0])
    assert taken(found) == CELLS[1]  # the first one is at another command's hands
    checkpoint(tmp_path, CELLS[0])
    other.release()
    assert taken(found) == CELLS[0]
    assert taken(found) == CELLS[2]


def test_a_checkpoint_goes_before_what_is_not_begun(tmp_path: Path) -> None:
    found, _ = queue(tmp_path)
    checkpoint(tmp_path, CELLS[2])
    checkpoint(tmp_path, CELLS[1])
    other = held(tmp_path, CELLS[1])
    assert taken(found) == CELLS[2]
    assert taken(found) == CELLS[0]
    other.release()


def test_what_another_command_has_settled_is_not_executed_again(tmp_path: Path) -> None:
    found, ended = queue(tmp_path)
    Store(tmp_path).fail(CELLS[0].address, "Traceback:\nRuntimeError: planted\n")
    assert taken(found) == CELLS[1]
    assert ended == [(CELLS[0], Outcome("failed", "RuntimeError: planted", elsewhere=True))]
    Store(tmp_path).fail(CELLS[1].address, "Traceback:\nRuntimeError: planted\n")  # after it was taken
    assert work(CELLS[1].spec, Environment(tmp_path, None)) == Outcome(
        "failed", "RuntimeError: planted", elsewhere=True
    )


def test_a_run_that_others_are_at_and_that_fails_there_is_over(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(run_queue, "_WAIT_SECONDS", 0.0)
    found, ended = queue(tmp_path)
    other = held(tmp_path, CELLS[0])
    assert [taken(found), taken(found), taken(found)] == [CELLS[1], CELLS[2], None]
    Store(tmp_path).fail(CELLS[0].address, "RuntimeError: planted\n")
    other.release()
    assert taken(found) is None
    assert [outcome.status for _, outcome in ended] == ["failed"]


@pytest.mark.parametrize("wait", [True, False])
def test_runs_of_others_are_waited_for_or_left(tmp_path: Path, wait: bool) -> None:
    found, ended = queue(tmp_path, Rules(wait))
    other = held(tmp_path, CELLS[0])
    assert [taken(found), taken(found), taken(found)] == [CELLS[1], CELLS[2], None]
    assert not found.is_over()  # what is executed here may yet have to be taken up again
    found.settle(CELLS[1], Outcome("done"))
    found.settle(CELLS[2], Outcome("done"))
    assert taken(found) is None
    assert found.is_over() == (not wait)
    assert ((CELLS[0], Outcome("left")) in ended) == (not wait)
    other.release()


def test_what_cannot_begin_any_more_is_left_and_a_shorter_one_taken(tmp_path: Path) -> None:
    found, ended = queue(tmp_path, Rules(may_start=lambda one: one != CELLS[0]))
    assert [taken(found), taken(found), taken(found)] == [CELLS[1], CELLS[2], None]
    for one in CELLS[1:]:
        found.settle(one, Outcome("done"))
    assert taken(found) is None
    assert ended[-1] == (CELLS[0], Outcome("left", NO_TIME))
    assert found.is_over()


def test_only_a_loss_without_progress_counts_as_a_try(tmp_path: Path) -> None:
    found, ended = queue(tmp_path)
    for number in range(6):
        assert taken(found) == CELLS[0]
        checkpoint(tmp_path, CELLS[0], 10**18 + number)
        found.lost_worker(CELLS[0])
    for _ in range(3):
        assert not ended
        assert taken(found) == CELLS[0]
        found.lost_worker(CELLS[0])
    [(one, outcome)] = ended
    assert (one, outcome.status) == (CELLS[0], "failed")


def test_a_job_that_ends_soon_begins_no_run(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("SLURM_JOB_ID", raising=False)
    assert remaining.in_time({}, 30.0)(CELLS[0])
    monkeypatch.setenv("SLURM_JOB_ID", "7")
    monkeypatch.setenv("SLURM_JOB_END_TIME", "1000")
    unknown = remaining.START_SECONDS + 30.0
    for now, expected in ((1000 - unknown, True), (1001 - unknown, False)):
        assert remaining.in_time({}, 30.0, lambda now=now: now)(CELLS[0]) == expected  # type: ignore[misc]
