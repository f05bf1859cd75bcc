"""What commands say of themselves while they last: lines at once through a pipe, a view on a terminal."""

from __future__ import annotations

import io
import itertools
import json
import re
import subprocess
import threading
from collections.abc import Callable
from dataclasses import asdict
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
from command_line import Command, finish, kill_all, run, start, write_suite
from rich.console import Console
from synthetic_records import make_record, make_spec, make_store

from bench.planning.spec import Cell
from bench.sweep import lease, log
from bench.sweep.progress import Progress, result, states, validation_result
from bench.sweep.worker import Outcome
from bench.training.pace import Pace
from common.specification import read
from reports import figures
from results import suspects as ranking
from results.store import Store

HELD_OUT = 'data.validation={source="inside", size=0.1}'
LIVE = re.compile(
    r"  Cross-entropy(, trial \d)?, symmetric 50%, seed \d+: epoch \d+/\d+, noisy validation accuracy \d+\.\d%, "
    r"[\d,]+ images/s, about \d+:\d\d:\d\d left"
)
WHOLE = re.compile(
    r"after \d+:\d\d:\d\d: 0 of 2 done, 0 failed, [12] running, about \d+:\d\d:\d\d left, until [\d: -]+"
)


def lines_until(process: subprocess.Popen[str], wanted: Callable[[str], Any]) -> list[str]:
    """What a process has printed up to the first wanted line."""
    assert process.stdout is not None
    found: list[str] = []
    for line in process.stdout:
        found.append(line.rstrip("\n"))
        if wanted(found[-1]):
            return found
    raise AssertionError(f"it never came: {found}")


# ---- in processes of their own ---------------------------------------------------------------------------------------


@pytest.mark.slow
@pytest.mark.parametrize("command", ["run", "tune"])
def test_lines_come_through_a_pipe_while_runs_last(tmp_path: Path, command: str) -> None:
    write_suite(tmp_path / "s.toml", epochs=200, seeds=2)
    words: tuple[Any, ...] = ("run", "s.toml", "--set", HELD_OUT)
    if command == "tune":
        words = ("tune", "cross_entropy", "s.toml", "--set", HELD_OUT, "--trials", 2)
    driver = start(*words, "--jobs", 2, "--log-every", 0.5, cwd=tmp_path)
    try:
        said = lines_until(driver, LIVE.fullmatch)
        said += lines_until(driver, WHOLE.fullmatch)
        assert driver.poll() is None  # it goes on, and the lines are here
    finally:
        kill_all(driver)
    assert not any("test accuracy" in line for line in said)


@pytest.mark.slow
def test_a_run_that_ends_says_its_rate_and_zero_means_no_lines(tmp_path: Path) -> None:
    write_suite(tmp_path / "s.toml", epochs=5)
    status, said = run("run", "s.toml", "--log-every", 0, cwd=tmp_path)
    assert status == 0
    first, last = said.strip().splitlines()
    assert first == "s: 1 runs, 0 done, 1 to do"
    assert re.fullmatch(r"\[1/1\] Cross-entropy, symmetric 50%, seed 0: test accuracy .*%\), [\d.]+ s, [\d,]+ training "
                        r"images/s; \d{4}-\d\d-\d\d \d\d:\d\d:\d\d", last)  # fmt: skip


@pytest.mark.slow
def test_check_says_what_it_is_at(tmp_path: Path) -> None:
    status, said = finish(start("check", "elr", "--only", "loss,learning", "--log-every", 0.1, cwd=tmp_path))
    assert status == 0
    assert re.search(r"^  elr: check learning, 1 of 2 done, 0 failed, \d:\d\d:\d\d so far$", said, re.MULTILINE), said


# ---- one command at a time -------------------------------------------------------------------------------------------


def test_suspects_says_what_it_is_at_beside_its_table(
    command: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    make_store(tmp_path / "output", methods=("elr",), settings=(("symmetric", 0.5),), seeds=(0,))
    quiet = command("suspects", "quick")
    assert (quiet.status, quiet.err) == (0, "")
    told, lines = threading.Event(), log.Doing.lines

    def telling(self: log.Doing) -> list[str]:
        found = lines(self)
        if any("confident learning" in line for line in found):
            told.set()
        return found

    monkeypatch.setattr(log.Doing, "lines", telling)
    monkeypatch.setattr(ranking, "confident_learning", lambda arrays: None if told.wait(60) else 1 / 0)
    ended = command("suspects", "quick", "--log-every", 0.1)
    assert ended.status == 0
    assert re.search(r"^confident learning on run 1 of 1, \d:\d\d:\d\d so far$", ended.err, re.MULTILINE)
    assert "so far" not in ended.out


@pytest.mark.parametrize("value", ["-1", "0.05", "86401", "nan", "inf", "often"])
@pytest.mark.parametrize(
    "words", ["run quick", "tune elr quick", "check elr", "suspects quick", "speed"], ids=lambda words: words.split()[0]
)
def test_intervals_that_make_no_sense_are_refused(refused: Callable[..., str], words: str, value: str) -> None:
    line = refused(*words.split(), "--log-every", value)
    assert "--log-every" in line
    if value != "often":
        assert "accepted: 0 (no lines), or 0.1 to 86,400 seconds" in line


# ---- what the lines say ----------------------------------------------------------------------------------------------


def holder(token: str, **values: Any) -> lease.Holder:
    """A live run on another host."""
    return lease.Holder("another-host", "boot", 1, "0", token, **values)


def write_lease(store: Path, cell: Cell, held: lease.Holder, **further: Any) -> None:
    (store / "leases").mkdir(exist_ok=True, parents=True)
    (store / "leases" / f"{cell.address}.json").write_text(json.dumps({**asdict(held), **further}))


@pytest.fixture
def cells() -> list[Cell]:
    specs = [make_spec("elr", "symmetric", 0.5, seed) for seed in range(4)]
    return [Cell("elr", "ELR", "symmetric 50%", read(spec)) for spec in specs]


def progress(store: Path, cells: list[Cell], terminal: bool = False, **given: Any) -> Progress:
    console = Console(file=io.StringIO(), force_terminal=terminal, width=200, markup=False)
    return Progress(console, cells, store, slots=2, **given)


def said(of: Progress) -> str:
    assert isinstance(of.console.file, io.StringIO)
    return of.console.file.getvalue()


def test_each_live_run_has_a_line_and_the_whole_has_one(tmp_path: Path, cells: list[Cell]) -> None:
    shown = progress(tmp_path, cells)
    assert shown.lines()[-1].endswith("0 of 4 done, 0 failed, 0 running, time left: not known yet")
    write_lease(tmp_path, cells[0], holder("a"))
    far = {"epoch": 5, "epochs": 20, "images_per_second": 1234.5, "seconds_left": 90.0}
    write_lease(tmp_path, cells[1], holder("b", **far, noisy_validation_accuracy=0.4567))
    write_lease(tmp_path, Cell("x", "X", "", make_spec("gce", "symmetric", 0.5, 0)), holder("c"))  # another suite's
    first, second, whole = sorted(shown.lines(), key=lambda line: line.startswith("after"))
    assert {first, second} == {
        "  ELR, symmetric 50%, seed 0: another-host, starting",
        "  ELR, symmetric 50%, seed 1: another-host, epoch 5/20, noisy validation accuracy 45.7%, 1,234 images/s, "
        "about 0:01:30 left",
    }
    # a run takes 120 s; 90 are left of one, three have not begun, two at a time
    assert re.fullmatch(r"after 0:00:0\d: 0 of 4 done, 0 failed, 2 running, about 0:03:45 left, until [\d: -]+", whole)
    assert whole.endswith(tuple(log.moment(225 - late) for late in (0, 1)))


def test_the_time_left_of_the_whole_rests_on_runs_that_are_done_too(tmp_path: Path, cells: list[Cell]) -> None:
    store = Store(tmp_path)
    for cell, seconds in zip(cells[:2], (10.0, 50.0), strict=True):
        record, arrays = make_record(cell.spec.as_json())
        record["execution"] |= {"seconds": seconds, "images_per_second": 2345.6}
        store.publish(record, arrays)
    shown = progress(tmp_path, cells)
    shown.finished(cells[0], Outcome("done"))
    shown.finished(cells[1], Outcome("done"))
    shown.finished(cells[2], Outcome("failed", "it broke"))
    assert shown.seconds_left([]) == 15.0  # one run of 30 s in the mean, in two slots
    assert shown.seconds_left([holder("a", epochs=20, epoch=10, seconds_left=40.0)]) == 40.0
    assert "2 of 4 done, 1 failed, 0 running" in shown.lines()[-1]
    assert re.search(r"50\.0 s, 2,346 training images/s; \d{4}-\d\d-\d\d \d\d:\d\d:\d\d$", said(shown), re.MULTILINE)
    shown.finished(cells[3], Outcome("failed", "it broke"))
    assert shown.lines() == []


def test_a_trial_shows_nothing_that_rests_on_test_labels(tmp_path: Path, cells: list[Cell]) -> None:
    record, arrays = make_record(cells[0].spec.as_json())
    record["curves"]["noisy_validation_accuracy"] = [0.5] * 19 + [0.25]
    Store(tmp_path).publish(record, arrays)
    shown = progress(tmp_path, cells, result=validation_result)
    shown.finished(cells[0], Outcome("done"))
    assert "noisy validation accuracy 25.0% at the last epoch" in said(shown)
    assert "training images/s" in said(shown)
    assert "test" not in said(shown)
    assert "test accuracy" in result(record)


def test_a_terminal_has_a_view_and_no_lines(tmp_path: Path, cells: list[Cell], monkeypatch: pytest.MonkeyPatch) -> None:
    write_lease(tmp_path, cells[0], holder("a", epoch=1, epochs=2, seconds_left=5.0, noisy_validation_accuracy=0.5))
    monkeypatch.setattr(Progress, "lines", lambda self: 1 / 0)
    shown = progress(tmp_path, cells, terminal=True, log_every=0.1)
    with shown.shown():
        pass
    assert "noisy validation accuracy 50.0%, about 0:00:05 left" in said(shown)
    assert "0 of 4 done" in said(shown)


# ---- leases of other versions ----------------------------------------------------------------------------------------


def test_a_lease_of_another_version_is_read_as_far_as_both_know_it(tmp_path: Path, cells: list[Cell]) -> None:
    newer = {"seconds_left": {"low": 1}, "images_per_second": "fast", "epoch": True, "loss": [0.1], "epochs": 7}
    write_lease(tmp_path, cells[0], holder("a"), **newer)
    found = lease.live(tmp_path / "leases", lease.Observer())
    assert found == {cells[0].address: holder("a", epochs=7)}
    older = {name: value for name, value in asdict(holder("b", epoch=1, epochs=2)).items() if "left" not in name}
    del older["noisy_validation_accuracy"]
    (tmp_path / "leases" / f"{cells[1].address}.json").write_text(json.dumps({**older, "images_per_second": 12}))
    read = lease.read(tmp_path / "leases" / f"{cells[1].address}.json")
    assert read == holder("b", epoch=1, epochs=2, images_per_second=12)
    assert states(read) == ["epoch 1/2", "12 images/s"]
    assert len(progress(tmp_path, cells).lines()) == 3


@pytest.mark.parametrize("text", ['{"host": "h"}', "[]", "null", "12", '{"host"', "\xff", '{"pid": "1", "token": 3}'])
def test_a_lease_that_names_no_holder_is_not_live_and_crashes_nobody(tmp_path: Path, text: str) -> None:
    (tmp_path / "a.json").write_bytes(text.encode("latin-1"))
    assert lease.read(tmp_path / "a.json") is None
    assert lease.live(tmp_path, lease.Observer()) == {}


def test_status_shows_a_run_of_a_newer_version(command: Command, tmp_path: Path) -> None:
    make_store(tmp_path / "output", methods=("elr",), settings=(("symmetric", 0.5),), seeds=(0,))
    store = Store(tmp_path / "output")
    [address] = store.addresses()
    (store.layout.records / f"{address}.json").unlink()
    known = holder("a", epoch=3, epochs=9, images_per_second=10.0, noisy_validation_accuracy=0.5, seconds_left=61.0)
    (store.root / "leases").mkdir()
    (store.root / "leases" / f"{address}.json").write_text(json.dumps({**asdict(known), "further": 1}))
    ended = command("status")
    assert ended.status == 0
    assert "another-host, epoch 3/9, noisy validation accuracy 50.0%, 10 images/s, about 0:01:01 left" in ended.out


# ---- pace ------------------------------------------------------------------------------------------------------------


def test_the_pace_of_a_run_that_goes_on_where_an_earlier_execution_stopped() -> None:
    now = [100.0]
    pace = Pace(done=4, epochs=10, samples=400, seconds=40.0, clock=lambda: now[0])
    assert pace.seconds_left(4.0) is None
    now[0] = 105.0
    assert pace.seconds_left(4.5) == pytest.approx(55.0)  # half an epoch in 5 s, five and a half are left
    assert pace.images_per_second(450) == pytest.approx(10.0)
    now[0] = 112.0
    pace.epoch_done(5, 500, 50.0)  # 10 s of training, 12 s in all
    assert pace.seconds_left(5.0) == pytest.approx(60.0)
    assert pace.images_per_second(500) == pytest.approx(10.0)
    now[0] = 115.0
    assert pace.seconds_left(5.3) == pytest.approx(57.0)
    now[0] = 150.0  # this epoch takes longer: it is held to end at once, four are left
    assert pace.seconds_left(5.9) == pytest.approx(48.0)
    pace.epoch_done(10, 1000, 100.0)
    assert pace.seconds_left(10.0) == 0.0


def test_durations_are_whole_seconds_and_never_negative() -> None:
    assert [log.duration(seconds) for seconds in (-3.0, 0.4, 59.6, 7322.0)] == [
        "0:00:00", "0:00:00", "0:01:00", "2:02:02",
    ]  # fmt: skip


def test_the_log_of_a_job_says_which_runs_it_executed_and_when(
    tmp_path: Path, cells: list[Cell], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SLURM_JOB_ID", "7")
    shown = progress(tmp_path, cells)
    shown.started(cells[0])
    shown.finished(cells[0], Outcome("failed", "it broke"))
    shown.finished(cells[1], Outcome("failed", "it broke", elsewhere=True))
    shown.finished(cells[2], Outcome("left"))
    shown.finished(cells[3], Outcome("left", "no time"))
    when = r"; \d{4}-\d\d-\d\d \d\d:\d\d:\d\d$"
    assert re.search(r"^begun: ELR, symmetric 50%, seed 0" + when, said(shown), re.MULTILINE)
    assert shown.summary() == [
        "executed here: 1, elsewhere: 1, left to others: 1",
        "not begun, as the job ends soon: 1; the same command in a new job goes on",
    ]
    assert shown.lines() == []  # nothing is waited for


def test_an_estimated_end_is_a_time_of_day() -> None:
    now = datetime(2026, 11, 29, 23, 30)
    assert log.moment(20 * 60, now) == "23:50"
    assert log.moment(40 * 60, now) == "2026-11-30 00:10"
    assert log.moment(-5, now) == "23:30"
    assert log.moment(1e18, now) == "no day that has a date"


def test_a_report_says_what_it_is_at_where_it_is_asked_or_on_a_terminal(
    command: Command, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    make_store(tmp_path / "output", methods=("elr",), settings=(("symmetric", 0.5),), seeds=(0,), size=40, epochs=3)
    draw = figures.draw
    monkeypatch.setattr(figures, "draw", lambda section: itertools.islice(draw(section), 1))
    quiet = command("report")
    assert (quiet.status, quiet.err) == (0, "")
    told = command("report", "-v")
    assert told.out == quiet.out
    first = ["reading the records", "tables of Quick", "writing tables", "drawing figures of Quick"]
    assert told.err.splitlines()[:4] == first
    assert told.err.splitlines()[4].startswith("writing figures of Quick: ")
    assert told.err.splitlines()[-1] == "writing pages"
    monkeypatch.setenv("FORCE_COLOR", "1")  # as if a terminal were attached
    assert "writing pages" in command("report").err
