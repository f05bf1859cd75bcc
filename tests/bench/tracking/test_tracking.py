"""Trackers: told what the record gets, named as in tables, never able to change or to fail a run."""

from __future__ import annotations

import importlib.util
import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest
from command_line import Command, wait_for, write_suite

from bench.sweep import lease, scheduler
from bench.sweep.worker import Outcome
from bench.tracking import follow, option, tools
from bench.tracking.option import Tracking
from bench.training.told import Told
from common.record import Record
from results.epochs import values_of
from results.layout import Layout
from results.record import result
from results.store import Store

NAME = "Cross-entropy, symmetric 50%, seed 0"


class Fake:
    """Keeps what it is told; fails where it is asked to."""

    def __init__(self, where: Tracking, run: tools.Followed) -> None:
        self.run, self.fails = run, where.place.rsplit("-", 1)[-1]
        self.epochs: list[tuple[int, Mapping[str, float]]] = []
        self.ended: tuple[bool, Mapping[str, float], int] | None = None
        MADE.append(self)
        self._fail("begin")

    def _fail(self, when: str) -> None:
        if self.fails == when:
            raise OSError(f"no {when}")

    def log(self, epoch: int, values: Mapping[str, float]) -> None:
        self._fail("log")
        self.epochs.append((epoch, values))

    def end(self, done: bool, values: Mapping[str, float], epochs: int) -> None:
        self._fail("end")
        self.ended = done, values, epochs


MADE: list[Fake] = []


@pytest.fixture
def fake(monkeypatch: pytest.MonkeyPatch) -> list[Fake]:
    """A tracker called `fake`, which needs the package `json`."""
    monkeypatch.setattr(option, "TOOLS", {**option.TOOLS, "fake": ("json",)})
    monkeypatch.setattr(tools, "MADE", {**tools.MADE, "fake": Fake})
    monkeypatch.setattr(follow, "MADE", {**tools.MADE, "fake": Fake})
    MADE.clear()
    return MADE


@pytest.fixture
def run_tiny(command: Command, in_process: list[str], tmp_path: Path) -> Callable[..., tuple[str, Record]]:
    """Runs a tiny suite of one run with these options; gives what was said, and the record."""
    write_suite(tmp_path / "tiny.toml", epochs=2)

    def call(*arguments: str, out: str = "output") -> tuple[str, Record]:
        ended = command("run", "tiny.toml", "--set", "data.subset=100", "--out", out, "--log-every", "0", *arguments)
        assert ended.status == 0, ended
        store = Store(tmp_path / out)
        [address] = store.addresses()
        assert not list((tmp_path / out).glob("epochs/*")), "nothing is left of what was followed"
        return ended.out, store.load(address)

    return call


def test_a_tracker_is_told_every_epoch_of_the_record_and_changes_nothing(
    fake: list[Fake], run_tiny: Callable[..., tuple[str, Record]]
) -> None:
    _, plain = run_tiny(out="plain")
    _, record = run_tiny("--track", "fake:there")
    assert result(record) == result(plain)
    [told] = fake
    assert told.run.name == NAME and told.run.suite == "tiny" and told.run.address == record["address"]
    assert told.run.settings["method.name"] == "cross_entropy" and told.run.settings["epochs"] == 2
    assert [epoch for epoch, _ in told.epochs] == [1, 2]
    assert [values["test_accuracy"] for _, values in told.epochs] == record["curves"]["test_accuracy"]
    assert told.ended is not None and told.ended[0] and told.ended[2] == 2
    assert told.ended[1]["selected/last"] == record["selection"]["last"]["test_accuracy"]


def test_a_run_that_is_left_to_others_is_no_failure(
    fake: list[Fake], command: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_suite(tmp_path / "tiny.toml", epochs=2)

    def left(cells: Any, places: Any, finished: Any, *more: Any) -> None:
        for cell in cells:
            finished(cell, Outcome("left"))

    monkeypatch.setattr(scheduler, "run_local", left)
    ended = command("run", "tiny.toml", "--no-wait", "--track", "fake:there")
    assert ended.status == 0 and "left to others: 1" in ended.out, ended
    assert fake == []


@pytest.mark.parametrize("ended", ["left", "failed"])
@pytest.mark.parametrize("live", [True, False])
def test_the_epochs_of_a_run_that_goes_on_elsewhere_stay(
    live: bool, ended: Any, fake: list[Fake], command: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_suite(tmp_path / "tiny.toml", epochs=2)
    layout, held = Layout(tmp_path / "output"), []

    def elsewhere(cells: Any, places: Any, finished: Any, *more: Any) -> None:
        for cell in cells:
            Told(layout.epochs(cell.address)).epoch({"epoch": [1], "test_accuracy": [0.5]})
            if live:  # of another command's worker
                held.append(lease.acquire(layout.lease(cell.address), lambda holder: False))
            finished(cell, Outcome(ended))

    monkeypatch.setattr(scheduler, "run_local", elsewhere)
    command("run", "tiny.toml", "--no-wait", "--track", "fake:there")
    for one in held:
        one.release()
    assert len(list((tmp_path / "output" / "epochs").iterdir())) == live


@pytest.mark.parametrize("when", ["begin", "log", "end"])
def test_a_tracker_that_fails_is_warned_of_once_and_the_run_goes_on(
    fake: list[Fake], run_tiny: Callable[..., tuple[str, Record]], when: str
) -> None:
    said, _ = run_tiny("--track", f"fake:there-{when}")
    assert said.count("warning: --track fake: told nothing more: OSError: no " + when) == 1


def test_a_tracker_that_hangs_is_given_up(
    fake: list[Fake], run_tiny: Callable[..., tuple[str, Record]], monkeypatch: pytest.MonkeyPatch
) -> None:
    import threading

    never = threading.Event()
    monkeypatch.setattr(Fake, "end", lambda *arguments: never.wait(30))
    monkeypatch.setattr(follow, "END_SECONDS", 0.2)
    said, _ = run_tiny("--track", "fake:there")
    never.set()
    assert "warning: --track: not through after 0 s, and given up: fake" in said


def test_a_run_that_goes_on_tells_its_earlier_epochs_too(tmp_path: Path) -> None:
    path = tmp_path / "epochs" / "x.jsonl"
    curves: dict[str, Any] = {"epoch": [1, 2], "test_accuracy": [0.1, 0.2]}
    Told(path).epoch(curves)
    told = Told(path)  # of the next execution
    told.epoch({"epoch": [1, 2, 3], "test_accuracy": [0.1, 0.2, 0.3]})
    told.epoch({"epoch": [1, 2, 3, 4], "test_accuracy": [0.1, 0.2, 0.3, 0.4]})
    assert list(follow.lines_of(path)) == [(epoch, {"test_accuracy": epoch / 10}) for epoch in (1, 2, 3, 4)]
    path.write_text(path.read_text() + '{"epoch": 5')
    assert len(list(follow.lines_of(path))) == 4, "a line that is not whole yet"


def test_epochs_that_cannot_be_written_end_no_run(tmp_path: Path) -> None:
    (tmp_path / "epochs").write_text("a file where the folder should be")
    Told(tmp_path / "epochs" / "x.jsonl").epoch({"epoch": [1], "test_accuracy": [0.1]})


def test_the_values_of_an_epoch_are_those_of_the_curves() -> None:
    curves = {
        "epoch": [1, 2], "test_accuracy": [0.1, 0.2], "train_accuracy": [None, 0.5],
        "member_test_accuracy": [[0.1, 0.2], [0.3, 0.4]],
        "memorisation": {"epoch": [2], "clean_given": [0.9]},
        "observed": {"weight": {"epoch": [1, 2], "clean": [0.6, 0.7], "mislabelled": [0.1, None]}},
    }  # fmt: skip
    assert values_of(curves, 1) == {
        "test_accuracy": 0.1, "member_test_accuracy/1": 0.1, "member_test_accuracy/2": 0.2,
        "observed/weight/clean": 0.6, "observed/weight/mislabelled": 0.1,
    }  # fmt: skip
    assert values_of(curves, 2)["memorisation/clean_given"] == 0.9 and values_of(curves, 2)["train_accuracy"] == 0.5


def test_what_is_no_tracker_is_refused_in_one_line(
    refused: Callable[..., str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert "unknown tracker 'tensorbord'; did you mean 'tensorboard'" in refused(
        "run", "quick", "--track", "tensorbord"
    )
    monkeypatch.setattr(option, "TOOLS", {"mlflow": ("json",), "wandb": ("json",), "tensorboard": ("no_such_package",)})
    line = refused("run", "quick", "--track", "tensorboard")
    assert "--track tensorboard: not installed: pip install 'noisy-label-bench[tensorboard]'" in line
    assert "twice" in refused("run", "quick", "--track", "wandb", "--track", "wandb:there")
    assert "mlflow alone takes a server's address" in refused("run", "quick", "--track", "wandb:http://host:1")
    assert "the folder is missing" in refused("run", "quick", "--track", "wandb:")
    (tmp_path / "file").write_text("")
    assert "is a file, not a folder" in refused("run", "quick", "--track", f"wandb:{tmp_path / 'file'}")


def lacks(*packages: str) -> pytest.MarkDecorator:
    absent = [package for package in packages if importlib.util.find_spec(package) is None]
    return pytest.mark.skipif(bool(absent), reason=f"not installed: {', '.join(absent)}")


@lacks("tensorboard")
def test_tensorboard_reads_the_curves_of_the_record(
    run_tiny: Callable[..., tuple[str, Record]], tmp_path: Path
) -> None:
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    said, record = run_tiny("--track", "tensorboard")
    assert "warning" not in said
    [folder] = (tmp_path / "output" / "tensorboard" / "tiny").iterdir()
    assert folder.name == f"{NAME} {record['address'][:8]}"
    events = EventAccumulator(str(folder))
    events.Reload()
    found = [(one.step, one.value) for one in events.Scalars("test_accuracy")]
    assert [step for step, _ in found] == [1, 2]
    assert [value for _, value in found] == pytest.approx(record["curves"]["test_accuracy"])


@lacks("mlflow", "sqlalchemy", "alembic")
def test_mlflow_has_a_run_of_that_name_with_the_curves(
    run_tiny: Callable[..., tuple[str, Record]], tmp_path: Path
) -> None:
    import mlflow

    said, record = run_tiny("--track", f"mlflow:{tmp_path / 'flow'}")
    assert "warning" not in said
    client = mlflow.MlflowClient(tracking_uri=f"sqlite:///{tmp_path}/flow/mlflow.db")
    [run] = client.search_runs([client.get_experiment_by_name("tiny").experiment_id])
    assert run.info.run_name == NAME and run.info.status == "FINISHED"
    assert run.data.tags["address"] == record["address"] and run.data.params["epochs"] == "2"
    history = client.get_metric_history(run.info.run_id, "test_accuracy")
    assert [(one.step, one.value) for one in history] == list(enumerate(record["curves"]["test_accuracy"], start=1))
    same = tools.Followed(record["address"], "tiny", NAME, {})
    again = tools.MLflow(Tracking("mlflow", str(tmp_path / "flow")), same)
    again.log(2, {"test_accuracy": 0.0})
    again.end(True, {}, 2)
    assert client.get_metric_history(run.info.run_id, "test_accuracy") == history, "an epoch is told once"


@lacks("wandb")
def test_wandb_keeps_a_run_offline(run_tiny: Callable[..., tuple[str, Record]], tmp_path: Path) -> None:
    said, record = run_tiny("--track", "wandb")
    assert "warning" not in said
    [folder] = (tmp_path / "output" / "wandb" / "wandb").glob("offline-run-*")
    file = folder / f"run-{record['address'][:16]}.wandb"
    last = json.dumps(record["curves"]["test_accuracy"][1]).encode()
    wait_for(lambda: last in file.read_bytes())  # its service writes it; a command waits for that at its end
    content = file.read_bytes()
    assert b"test_accuracy" in content and NAME.encode() in content
