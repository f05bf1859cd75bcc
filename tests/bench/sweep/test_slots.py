"""Which slot starts a run when, on which device; what kinds of fault there are."""

from __future__ import annotations

import time
from pathlib import Path

import pytest
from small_runs import specification

from bench.machine import accelerator
from bench.planning.spec import Cell
from bench.sweep import lease, slots
from bench.sweep.packing import Packing
from bench.sweep.slots import Place
from bench.sweep.worker import Outcome, work
from bench.training.environment import Environment
from results.store import Store


def place(folder: Path, number: int) -> Place:
    return Place(Environment(folder, None), Packing.fixed("cpu", number))


def cell(seed: int = 0, method: str = "cross_entropy", *settings: str) -> Cell:
    return Cell(method, method, "symmetric 50%", specification(method, *settings, seed=seed))


def test_a_slot_starts_a_run_where_smaller_ones_are_busy_and_as_many_as_allowed(tmp_path: Path) -> None:
    here = place(tmp_path, 2)
    assert not here.claim(1)
    assert here.claim(0)
    assert here.claim(1)
    assert not here.claim(2)  # two are allowed
    here.begin(0, cell())
    here.begin(1, cell(1))
    assert here.leave(0) == 2
    assert not here.claim(2)
    assert here.claim(0)
    assert here.leave(0) == 0  # it had nothing to execute
    assert here.leave(1) == 2
    assert [here.is_spare(number) for number in range(3)] == [False, False, True]


def test_the_worker_that_may_be_needed_next_is_started_ahead(tmp_path: Path) -> None:
    measured = Place(Environment(tmp_path, None), Packing("cuda:0", 3))
    assert [measured.is_next(number) for number in range(3)] == [False, True, False]
    measured.out_of_memory(1)
    assert not any(measured.is_next(number) for number in range(3))
    assert not any(place(tmp_path, 2).is_next(number) for number in range(3))


def test_runs_at_a_time_are_counted_from_the_start_of_each(tmp_path: Path) -> None:
    here = place(tmp_path, 3)
    for number in range(3):
        assert here.claim(number)
    here.begin(0, cell(0))
    here.begin(1, cell(1))
    assert here.leave(0) == 2
    here.begin(2, cell(2))
    assert here.leave(1) == 2
    assert here.leave(2) == 2  # never three


def test_one_that_is_to_be_alone_waits_for_the_others_and_lets_none_in(tmp_path: Path) -> None:
    here = place(tmp_path, 3)
    for number in range(2):
        assert here.claim(number)
    assert here.isolate(1)
    assert not here.isolate(0)  # another one asked first
    assert not here.is_isolated(1)
    here.leave(0)
    assert here.is_isolated(1)
    assert not here.claim(0)
    here.begin(1, cell())
    assert here.leave(1) == 1
    assert here.claim(0)


@pytest.mark.parametrize(
    ("device", "jobs", "number", "expected"),
    [
        ("cpu", 3, None, [("cpu", 3, 3)]),
        ("cpu", None, 1, [("cpu", 16, 16)]),
        ("cuda", None, 2, [("cuda:0", 2, 2), ("cuda:1", 2, 2)]),
        ("cuda:1", None, 5, [("cuda:1", 5, 5)]),
        ("cuda", 2, 5, [("cuda:0", 1, 1), ("cuda:1", 1, 1)]),
        ("cuda", None, None, [("cuda:0", 1, 8), ("cuda:1", 1, 8)]),
        ("cuda:0", 5, None, [("cuda:0", 1, 5)]),
        ("cuda", 1, None, [("cuda:0", 1, 1), ("cuda:1", 1, 1)]),
    ],
)
def test_places_by_options(
    device: str, jobs: int | None, number: int | None, expected: list[tuple[str, int, int]],
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path,
) -> None:  # fmt: skip
    monkeypatch.setattr(accelerator, "count", lambda: 2)
    found = slots.places(Environment(tmp_path, None, device), jobs, number, room=16)
    assert [(each.name, each.packing.allowed, each.packing.most) for each in found] == expected
    assert [each.packing.settled for each in found] == [number is not None or device == "cpu"] * len(found)


def test_slots_beyond_the_runs_are_not_opened_and_devices_share_evenly(tmp_path: Path) -> None:
    found = [Place(Environment(tmp_path, None, name), Packing(name, 8)) for name in ("cuda:0", "cuda:1")]
    assert [(each.name, number) for each, number in slots.spread(found, 3)] == [
        ("cuda:0", 0), ("cuda:1", 0), ("cuda:0", 1)
    ]  # fmt: skip
    assert [(each.packing.most, each.packing.settled) for each in found] == [(2, False), (1, True)]


def test_what_a_lease_tells_becomes_a_sight(tmp_path: Path) -> None:
    path = tmp_path / "leases" / "a.json"
    held = lease.acquire(path, lambda holder: False)
    assert held is not None
    held.tell(3, 10, 500.0, passes=1000, train_seconds=2.5, memory=7, memory_used=8, memory_total=9)
    seen = slots.sight(cell(), held.holder)
    held.release()
    assert (seen.epoch, seen.passes, seen.seconds) == (3, 1000, 2.5)
    assert (seen.memory, seen.used, seen.total) == (7, 8, 9)
    assert seen.kind == slots.sight(cell(1), held.holder).kind
    assert seen.kind[0] == slots.sight(cell(0, "elr"), held.holder).kind[0]
    assert seen.kind != slots.sight(cell(0, "elr"), held.holder).kind


def test_a_run_in_a_cluster_that_is_out_of_memory_is_an_ordinary_failure(tmp_path: Path) -> None:
    from bench.sweep import cluster_runs
    from bench.sweep.run_queue import Queue

    class Future:
        status = "finished"

        def result(self, timeout: float) -> Outcome:
            return Outcome("out_of_memory", "OutOfMemoryError: full", "Traceback: full\n")

    one, ended = cell(), []
    queue = Queue(tmp_path, [one], lambda settled, outcome: ended.append((settled, outcome)))
    cluster_runs._settle(queue, cluster_runs.Landing(queue), one, Future())
    assert ended == [(one, Outcome("failed", "OutOfMemoryError: full"))]
    assert Store(tmp_path).failures() == {one.address: "Traceback: full\n"}


def test_a_run_in_a_cluster_whose_jobs_are_too_short_is_told_as_that(tmp_path: Path) -> None:
    from bench.sweep import cluster_runs
    from bench.sweep.run_queue import TRIES, Queue

    class Future:
        status = "finished"

        def result(self, timeout: float) -> Outcome:
            return Outcome("stopped")

    one, ended = cell(), list[Outcome]()
    queue = Queue(tmp_path, [one], lambda settled, outcome: ended.append(outcome))
    for _ in range(TRIES):
        assert queue.take_ready() == (one, "") and not ended
        cluster_runs._settle(queue, cluster_runs.Landing(queue), one, Future())
    assert [(outcome.status, outcome.message) for outcome in ended] == [("failed", cluster_runs.ENDED)]
    assert "killed" not in cluster_runs.ENDED


def test_a_worker_of_a_cluster_that_came_later_with_a_folder_of_its_own(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from bench.sweep import cluster_runs
    from bench.sweep.run_queue import Queue
    from bench.sweep.worker import work

    class Future:
        status = "finished"

        def __init__(self, store: Path) -> None:
            self.store = store

        def result(self, timeout: float) -> Outcome:
            return work(cell().spec, Environment(self.store, None))

    ended = list[Outcome]()
    queue = Queue(tmp_path / "ours", [cell()], lambda settled, outcome: ended.append(outcome))
    landing, begun = cluster_runs.Landing(queue), time.monotonic()
    cluster_runs._settle(queue, landing, cell(), Future(tmp_path / "another"))
    assert not ended and landing and time.monotonic() - begun < 0.9 * cluster_runs._SHARED_SECONDS, "nobody waits"
    work(cell().spec, Environment(tmp_path / "ours", None))  # as if a network folder showed it now
    landing.look()
    assert ended == [Outcome("done")] and not landing
    cluster_runs._settle(queue, landing, cell(), Future(tmp_path / "ours"))
    assert ended[1:] == [Outcome("done", elsewhere=True)] and not landing
    other = Queue(tmp_path / "theirs", [cell()], lambda settled, outcome: ended.append(outcome))
    monkeypatch.setattr(cluster_runs, "_SHARED_SECONDS", 0.0)
    landing = cluster_runs.Landing(other)
    cluster_runs._settle(other, landing, cell(), Future(tmp_path / "another"))
    time.sleep(0.01)
    landing.look()
    assert [(one.status, "another folder" in one.message) for one in ended[2:]] == [("failed", True)] and not landing


def test_a_worker_says_what_kind_of_fault_it_was(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import torch

    from bench.training import execute

    environment, one = Environment(tmp_path, None), cell()
    for fault, status in (
        (torch.OutOfMemoryError("CUDA out of memory"), "out_of_memory"),
        (RuntimeError("CUDA error: out of memory"), "out_of_memory"),
        (RuntimeError("CUDA error: unspecified launch failure"), "device_fault"),
        (RuntimeError("planted"), "failed"),
        (MemoryError("host"), "failed"),
    ):

        def raising(*arguments: object, fault: Exception = fault) -> None:
            raise fault

        monkeypatch.setattr(execute, "execute", raising)
        outcome = work(one.spec, environment)
        assert outcome.status == status
        kept = Store(tmp_path).failures()
        assert (one.address in kept) == (status == "failed")  # of the others the driver decides
        assert bool(outcome.traceback) == (status != "failed")
        Store(tmp_path).clear_failure(one.address)
    assert not list((tmp_path / "leases").glob("*"))
