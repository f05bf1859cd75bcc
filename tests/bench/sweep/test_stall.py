"""Runs that hang are ended, said and counted as failed; nothing else is lost."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path

import pytest
from command_line import results, run, write_suite
from dask_cluster import clusters

from bench.machine.processes import process_start
from bench.sweep import lease, stall
from bench.sweep.lease import Holder
from results.store import Store

HANG = """
import time
from pathlib import Path
from methods.cross_entropy import CrossEntropy

class Hang(CrossEntropy):
    name = "hang"
    title = "Hang"
    year = 2026
    reference = "a test"

    def loss(self, batch):
        if batch.epoch == 2 and not Path("{mark}").exists():
            Path("{mark}").touch()
            time.sleep(3600)
        return super().loss(batch)
"""


class Clock:
    """A clock that a test moves."""

    now = 100.0

    def __call__(self) -> float:
        return self.now


def told(path: Path, token: str, advanced: int) -> None:
    holder = Holder("here", "boot", 1, "1", token, advanced=advanced)
    path.write_bytes(lease._encoded(holder))


def looked(watch: stall.Watch, clock: Clock, seconds: int) -> bool:
    """Whether the run is seen to hang, looked at every second from now on."""
    found = False
    for _ in range(seconds):
        clock.now += 1
        found = watch.is_stalled()
    return found


def test_a_run_hangs_where_its_lease_tells_of_no_step_for_so_long(tmp_path: Path) -> None:
    path, clock = tmp_path / "a.json", Clock()
    watch = stall.Watch(path, 60, clock)
    assert not looked(watch, clock, 200), "it has not begun"
    told(path, "one", 0)
    assert not looked(watch, clock, 200), "it imports"
    told(path, "one", 5)
    assert not looked(watch, clock, 59)
    told(path, "one", 6)
    assert not looked(watch, clock, 60), "it advanced meanwhile"
    assert looked(watch, clock, 1)


def test_who_asks_for_no_limit_gets_none(tmp_path: Path) -> None:
    clock = Clock()
    told(tmp_path / "a.json", "one", 5)
    assert not looked(stall.Watch(tmp_path / "a.json", 0, clock), clock, 500)


def test_a_lease_that_another_process_left_says_nothing_of_this_run(tmp_path: Path) -> None:
    path, clock = tmp_path / "a.json", Clock()
    told(path, "of a killed one", 5)
    watch = stall.Watch(path, 60, clock)
    assert not looked(watch, clock, 200)
    told(path, "ours", 5)
    assert looked(watch, clock, 62)


def test_time_in_which_the_observer_was_stopped_himself_does_not_count(tmp_path: Path) -> None:
    path, clock = tmp_path / "a.json", Clock()
    watch = stall.Watch(path, 60, clock)
    told(path, "one", 5)
    assert not looked(watch, clock, 5)
    clock.now += 3600
    assert not watch.is_stalled()
    assert looked(watch, clock, 60)


@pytest.mark.parametrize("value", ["-1", "nan", "inf", "0.001", "1e9"])
@pytest.mark.parametrize("words", [("run", "quick"), ("tune", "elr", "quick")])
def test_minutes_that_cannot_be_meant_are_refused(
    words: tuple[str, ...], value: str, refused: Callable[..., str]
) -> None:
    assert "error: --stall-minutes " in refused(*words, "--stall-minutes", value)


@pytest.mark.slow
def test_a_run_that_hangs_is_ended_and_named_and_can_be_taken_up_again(tmp_path: Path) -> None:
    (tmp_path / "hang.py").write_text(HANG.format(mark=tmp_path / "hung"))
    write_suite(tmp_path / "s.toml", epochs=3, methods=("cross_entropy", "hang"))
    arguments = ("run", "s.toml", "--plugin", "hang.py", "--jobs", 1, "--checkpoint-seconds", 0)
    status, output = run(*arguments, "--methods", "cross_entropy", "--out", "out", cwd=tmp_path)
    assert status == 0, output
    [whole] = results(tmp_path / "out").values()
    status, output = run(*arguments, "--out", "out", "--stall-minutes", 0.02, cwd=tmp_path)
    assert status == 1, output
    line = "Hang, symmetric 50%, seed 0: no step and no evaluation for 0.02 minutes: ended (--stall-minutes)"
    assert f"failed: {line}" in output and "Traceback" not in output
    assert list(results(tmp_path / "out").values()) == [whole]
    assert not list((tmp_path / "out" / "leases").iterdir())
    [text] = Store(tmp_path / "out").failures().values()
    assert "most recent call first" in text
    if (tmp_path / "hung").exists():  # not so on a machine so slow that the limit passed before
        assert "hang.py" in text
    (tmp_path / "hung").touch()
    status, output = run(*arguments, "--out", "out", "--retry-failed", cwd=tmp_path)
    assert status == 0, output
    curves = [json.loads(text)["curves"] for text in results(tmp_path / "out").values()]
    assert len(curves) == 2 and curves[0] == curves[1]


@pytest.mark.slow
def test_a_run_that_hangs_on_a_cluster_costs_that_run_alone(tmp_path: Path) -> None:
    pytest.importorskip("distributed", reason="the extra [cluster] is not installed")
    (tmp_path / "hang.py").write_text(HANG.format(mark=tmp_path / "hung"))
    write_suite(tmp_path / "s.toml", epochs=3, methods=("hang", "cross_entropy"))
    with clusters(tmp_path) as make:
        cluster = make(workers=0)
        cluster.worker(nanny=True)
        arguments = ("run", "s.toml", "--plugin", "hang.py", "--out", "out", "--cluster", cluster.address)
        status, output = run(*arguments, "--stall-minutes", 0.1, cwd=tmp_path)
        assert status == 1 and "Traceback" not in output, output
        assert "failed: Hang, symmetric 50%, seed 0: no step and no evaluation for 0.1 minutes: ended" in output
        assert len(results(tmp_path / "out")) == 1, "the worker was started anew for the other run"
        assert not list((tmp_path / "out" / "leases").iterdir())
        status, output = run(*arguments, "--retry-failed", cwd=tmp_path)
        assert status == 0, output
    assert len(results(tmp_path / "out")) == 2


def test_a_process_is_asked_only_where_it_said_that_it_would_answer(tmp_path: Path) -> None:
    own = Holder("here", "boot", os.getpid(), process_start(os.getpid()) or "", "one", advanced=5)
    (tmp_path / "a.json").write_bytes(lease._encoded(own))
    assert stall.ask(tmp_path, tmp_path / "a.json") == ""  # and we live
    assert stall.ask(None, tmp_path / "a.json") == ""
    stall.answer(tmp_path)
    assert "test_a_process_is_asked_only" in stall.ask(tmp_path, tmp_path / "a.json")
