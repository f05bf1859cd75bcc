"""A run that is stopped or killed at any instant and started again gives the record of an uninterrupted one."""

from __future__ import annotations

import errno
import io
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from command_line import finish, kill_all, results, resumes, start, wait_for, write_suite
from small_runs import published, specification

from bench.api.planned import plan_suite
from bench.training import checkpoint
from common.specification import Specification
from methods.cross_entropy import CrossEntropy
from results.layout import Layout
from results.record import address, dumps, result
from results.store import Store


class Stopped(Exception):
    """What ends a run at the instant that a test wants."""


def outcome(store: Path) -> tuple[str, bytes]:
    """The record without `execution`, and its arrays, of the only run in a store."""
    known = Store(store)
    [name] = known.addresses()
    return dumps(result(known.load(name))), known.arrays_path(name).read_bytes()


def stop_after_save(number: int, patch: pytest.MonkeyPatch) -> None:
    """Stop a run right after it has written its checkpoint for the `number`-th time."""
    save, calls = checkpoint.save, []

    def saving(path: Path, state: dict[str, Any]) -> None:
        save(path, state)
        calls.append(path)
        if len(calls) == number:
            raise Stopped

    patch.setattr(checkpoint, "save", saving)


def stopped(store: Path, spec: Specification, number: int = 1) -> Path:
    """Execute a run until its `number`-th checkpoint, one an epoch; returns the checkpoint."""
    with pytest.MonkeyPatch.context() as patch:
        stop_after_save(number, patch)
        with pytest.raises(Stopped):
            published(store, spec, checkpoint_seconds=0)
    path = Layout(store).checkpoint(address(spec))
    assert path.is_file()
    assert not Store(store).addresses()
    return path


ADAM = "training.optimizer={name='adam', lr=0.003}"
ADAGRAD = "training.optimizer={name='adagrad', lr=0.02}"
LINEAR = "training.schedule={name='linear', start=1, beta1_after=0.1}"
RUNS = {
    "one network": specification("cross_entropy"),
    "two networks": specification("co_teaching", "methods.co_teaching.hyper.gradual=3"),
    "a table": specification("elr"),
    "a table and a branch": specification("car", "methods.car.hyper.start=1"),
    "parameters of samples": specification("sop"),
    "stages": specification("selc"),
    "mixed images": specification("mixup", "training.augmentation={crop_padding=1, flip=true}"),
    "adam": specification("elr", ADAM, LINEAR),
    "adagrad": specification("elr", ADAGRAD),
    "restarts": specification("nal", "training.schedule={name='cosine_restarts', period=2, update='epoch'}"),
    "validation and rare measurements": specification(
        "cross_entropy", "data.validation={source='inside', size=0.2}", "training.memorisation_every=2"
    ),
}


@pytest.mark.parametrize("name", RUNS)
def test_a_run_stopped_after_any_epoch_goes_on_bit_identically(name: str, tmp_path: Path) -> None:
    spec = replace(RUNS[name], epochs=4)
    published(tmp_path / "whole", spec)
    expected = outcome(tmp_path / "whole")
    for epochs in (1, 2, 3):
        store = tmp_path / f"{epochs}"
        stopped(store, spec, epochs)
        record = published(store, spec)
        assert record["execution"]["resumes"] == 1
        assert outcome(store) == expected, f"after epoch {epochs}"


def test_a_run_stopped_many_times_counts_its_resumes(tmp_path: Path) -> None:
    spec = replace(RUNS["two networks"], epochs=4)
    for _ in range(3):
        stopped(tmp_path / "often", spec)
    record = published(tmp_path / "often", spec)
    assert record["execution"]["resumes"] == 3
    published(tmp_path / "whole", spec)
    assert outcome(tmp_path / "often") == outcome(tmp_path / "whole")


def test_a_run_that_ends_inside_an_epoch_goes_on_from_the_last_checkpoint(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    spec = RUNS["one network"]
    published(tmp_path / "whole", spec)
    loss, steps = CrossEntropy.loss, []

    def failing(self: Any, batch: Any) -> torch.Tensor:
        steps.append(batch.step)
        if batch.step == 6:
            raise Stopped
        return loss(self, batch)

    with monkeypatch.context() as patch:
        patch.setattr(CrossEntropy, "loss", failing)
        with pytest.raises(Stopped):
            published(tmp_path / "cut", spec, checkpoint_seconds=0)
    assert steps == [0, 1, 2, 3, 4, 5, 6]
    record = published(tmp_path / "cut", spec)
    assert record["execution"]["resumes"] == 1
    assert outcome(tmp_path / "cut") == outcome(tmp_path / "whole")


@pytest.mark.parametrize("fault", [OSError(errno.ENOSPC, "No space left on device"), RuntimeError("unexpected pos")])
def test_a_checkpoint_that_cannot_be_written_does_not_end_the_run(
    fault: Exception, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    spec = replace(RUNS["one network"], epochs=4)
    published(tmp_path / "whole", spec)
    path, save, seen = Layout(tmp_path / "full").checkpoint(address(spec)), torch.save, []

    def saving(state: Any, file: Any) -> None:
        seen.append({part.name: part.read_bytes() for part in path.parent.iterdir() if not part.name.endswith(".tmp")})
        if len(seen) == 1:
            save(state, file)
            return
        file.write(b"a part of it")
        raise fault

    monkeypatch.setattr(checkpoint.torch, "save", saving)
    published(tmp_path / "full", spec, checkpoint_seconds=0)
    assert outcome(tmp_path / "full") == outcome(tmp_path / "whole")
    assert len(seen) == 3
    assert seen[1] == seen[2] and list(seen[2]) == [path.name]  # the good one before stays
    assert list(path.parent.iterdir()) == []
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith(f"warning: cannot write the checkpoint {path}: {fault.args[-1]}; the run goes on")


def plain(value: Any) -> bool:
    """Whether a value is made of tensors and plain Python values alone."""
    if isinstance(value, dict):
        return all(type(key) in (str, int) and plain(part) for key, part in value.items())
    if isinstance(value, list | tuple):
        return all(map(plain, value))
    return value is None or type(value) in (bool, int, float, str, torch.Tensor)


@pytest.mark.parametrize("name", ["two networks", "adam", "adagrad", "parameters of samples"])
def test_a_checkpoint_holds_tensors_and_plain_values_and_no_code(name: str, tmp_path: Path) -> None:
    path = stopped(tmp_path, RUNS[name])
    state = torch.load(path, weights_only=True)
    assert plain(state)
    assert state["run"]["progress"]["epoch"] == 1
    assert state["run"]["progress"]["step"] == 4
    assert state["resumes"] == 0


def test_the_checkpoint_is_gone_when_the_run_is_done(tmp_path: Path) -> None:
    path = stopped(tmp_path, RUNS["one network"])
    left = path.with_name(f".{path.name}.99999.0123abcd.tmp")  # of a process that was killed while it wrote
    left.write_bytes(b"half")
    other = path.with_name("0123.pt")
    other.touch()
    published(tmp_path, RUNS["one network"])
    assert list(path.parent.iterdir()) == [other]


def test_between_checkpoints_there_is_at_least_the_time_asked_for(tmp_path: Path) -> None:
    published(tmp_path, RUNS["one network"], checkpoint_seconds=3600)
    assert not (tmp_path / "checkpoints").exists()


class Code:
    """Unpickling this would leave a file behind."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[Callable[..., Any], tuple[Any, ...]]:
        return Path.touch, (self.path,)


def without_a_buffer(path: Path) -> bytes:
    state = torch.load(path, weights_only=True)
    del state["run"]["method"]["targets"]
    return saved(state)


def of_other_shape(path: Path) -> bytes:
    state = torch.load(path, weights_only=True)
    state["run"]["method"]["targets"] = torch.zeros(7, 10)
    return saved(state)


def saved(state: Any) -> bytes:
    stream = io.BytesIO()
    torch.save(state, stream)
    return stream.getvalue()


DAMAGE: dict[str, Callable[[Path], bytes]] = {
    "empty": lambda path: b"",
    "cut short": lambda path: path.read_bytes()[:-2000],
    "no checkpoint": lambda path: b"hello world\n" * 100,
    "without a key": lambda path: saved({}),
    "a tensor": lambda path: saved(torch.zeros(3)),
    "a list": lambda path: saved([1, 2]),
    "without a buffer": without_a_buffer,
    "of another shape": of_other_shape,
    "code": lambda path: saved({"run": Code(path.parent / "executed")}),
}


@pytest.mark.parametrize("damage", DAMAGE)
def test_a_checkpoint_that_cannot_be_used_means_a_new_start(damage: str, tmp_path: Path) -> None:
    spec = RUNS["a table"]
    published(tmp_path / "whole", spec)
    path = stopped(tmp_path / "damaged", spec)
    path.write_bytes(DAMAGE[damage](path))
    record = published(tmp_path / "damaged", spec)
    assert record["execution"]["resumes"] == 0
    assert outcome(tmp_path / "damaged") == outcome(tmp_path / "whole")
    assert list(path.parent.iterdir()) == []  # nothing that the file asked for was done


def written(path: Path) -> int:
    """When the file at `path` was written, in nanoseconds; 0 where there is none."""
    return path.stat().st_mtime_ns if path.exists() else 0


def test_a_run_killed_at_three_instants_gives_the_same_record(tmp_path: Path) -> None:
    suite = write_suite(tmp_path / "s.toml", epochs=60, methods=("co_teaching",))
    suite.write_text(suite.read_text().replace('"digits"', '"digits"\nsubset = 500'))
    [cell] = plan_suite(str(suite), [], None, None, {}, "cpu").cells
    path = Layout(tmp_path / "out").checkpoint(cell.address)
    arguments = ("run", "s.toml", "--out", "out", "--checkpoint-seconds", 0, "--jobs", 1)
    for _ in range(3):
        process = start(*arguments, cwd=tmp_path)
        try:
            for _ in range(2):  # two more epochs
                before = written(path)
                wait_for(lambda before=before: written(path) not in (0, before), seconds=180)
        finally:
            kill_all(process)
        assert not Store(tmp_path / "out").addresses()
    status, said = finish(start(*arguments, cwd=tmp_path), timeout=300)
    assert status == 0, said
    assert resumes(tmp_path / "out") == 3
    assert list(path.parent.iterdir()) == []

    published(tmp_path / "whole", cell.spec)
    assert results(tmp_path / "out") == results(tmp_path / "whole")
    assert outcome(tmp_path / "out")[1] == outcome(tmp_path / "whole")[1]
