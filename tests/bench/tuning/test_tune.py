"""Tuning: space and draws, the choice by noisy validation labels alone, resuming, and the suite file it writes."""

from __future__ import annotations

import csv
import dataclasses
import fcntl
import math
import tomllib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from command_line import Command, write_suite

from bench.api import execution
from bench.api.planned import plan_suite
from bench.planning import suite
from bench.recipe.kinds import OPTIMIZER as OPTIMIZERS
from bench.recipe.validation import Place
from bench.sweep import scheduler
from bench.sweep.run_queue import NO_TIME
from bench.sweep.worker import Outcome
from bench.training import data as run_data
from bench.tuning import tune, tuned_suite
from bench.tuning.search import Axis, applied, default_space, draw, narrow
from common.errors import UserError
from datasets import digits
from datasets.base import DataSet, Images
from methods import registry as methods
from methods.hyper import HyperParameter
from reports import tables
from reports.competition import best_of
from reports.gather import gather, sections
from results.store import Store
from tests.synthetic_records import make_store

OPTIMIZER = OPTIMIZERS.completed({"lr": 0.1, "weight_decay": 1e-3}, Place("test"))


def declared(**given: Any) -> HyperParameter:
    return HyperParameter(**({"default": 1.0, "source": ""} | given))  # type: ignore[typeddict-item]


RULES: dict[str, tuple[HyperParameter, Axis | None]] = {
    "linear": (declared(default=0.7, bounds=(0.0, 1.0)), Axis(0.0, 1.0)),
    "wide bounds": (declared(default=3.0, bounds=(0.0, 100.0)), Axis(0.3, 30.0, "log")),
    "bound within a decade": (declared(default=0.5, bounds=(0.1, 100.0)), Axis(0.1, 5.0, "log")),
    "negative bound": (declared(default=0.1, bounds=(-50.0, 1.0)), Axis(0.01, 1.0, "log")),
    "log": (declared(default=0.5, bounds=(0.0, 1.0), scale="log"), Axis(0.05, 1.0, "log")),
    "linear in wide bounds": (declared(default=1.0, bounds=(0.0, 100.0), scale="linear"), Axis(0.0, 100.0)),
    "whole": (declared(default=2, bounds=(0, 10)), Axis(0, 10, whole=True)),
    "whole, wide": (declared(default=10, bounds=(1, 1000)), Axis(1, 100, "log", whole=True)),
    "share": (declared(default=0.1, unit="epochs", bounds=(0, 9999)), Axis(0.0, 0.2)),
    "share of a long part": (declared(default=0.6, unit="epochs", bounds=(1, 9999)), Axis(0.05, 1.0)),
    "epochs": (declared(default=10, unit="epochs", bounds=(0, 9999)), Axis(0.0, 0.5)),
    "declared": (declared(default=0.7, bounds=(0.0, 1.0), search=(0.5, 0.99)), Axis(0.5, 0.99)),
    "declared, log": (declared(default=3.0, search=(1.0, 10.0), scale="log"), Axis(1.0, 10.0, "log")),
    "declared fixed": (declared(default=0.7, bounds=(0.0, 1.0), search=None), None),
    "without bounds": (declared(default=0.7), None),
    "switched off": (declared(default=0.0, bounds=(0.0, 1.0)), None),
    "told": (declared(default=None, type="float", bounds=(0.0, 1.0)), None),
    "bool": (declared(default=True), None),
    "choice": (declared(default="a", choices=("a", "b")), None),
}


@pytest.mark.parametrize("case", RULES)
def test_what_is_searched_follows_the_rules(case: str) -> None:
    entry, expected = RULES[case]
    space = default_space({"x": entry}, OPTIMIZER, epochs=20)
    found = space.get("x")
    if expected is None:
        assert found is None
        return
    assert found is not None
    assert (found.low, found.high) == pytest.approx((expected.low, expected.high))
    assert (found.scale, found.whole) == (expected.scale, expected.whole)
    drawn = [found.at(point) for point in np.linspace(0, 1, 200, endpoint=False)]
    assert all(found.low <= value <= found.high for value in drawn)  # type: ignore[operator]
    assert {type(value) for value in drawn} == {int if found.whole else float}
    assert len(set(drawn)) > 9


def test_every_method_has_the_optimizer_searched() -> None:
    space = default_space({}, OPTIMIZER, 20)
    assert set(space) == {"lr", "weight_decay"}
    assert (space["lr"].low, space["lr"].high) == pytest.approx((0.01, 0.3))
    assert (space["weight_decay"].low, space["weight_decay"].high) == pytest.approx((1e-4, 1e-2))
    undecayed = default_space({}, {**OPTIMIZER, "weight_decay": 0.0}, 20)["weight_decay"]
    assert (undecayed.low, undecayed.high) == (1e-5, 1e-2)


@pytest.mark.parametrize("name", methods.registered())
def test_what_is_drawn_of_a_registered_method_is_accepted_by_it(name: str) -> None:
    space = default_space(methods.info(name).hyper, OPTIMIZER, 30)
    for trial in range(1, 40):
        values = draw(space, trial)
        methods.resolve(name, {key: value for key, value in values.items() if key not in ("lr", "weight_decay")})


def test_draws_are_spread_shared_by_methods_and_independent_of_the_budget() -> None:
    elr, gce = (default_space(methods.info(name).hyper, OPTIMIZER, 30) for name in ("elr", "gce"))
    for trial in range(1, 5):
        assert draw(elr, trial)["lr"] == draw(gce, trial)["lr"]
    assert [trial.values for trial in tune.trials(elr, 8)][:4] == [trial.values for trial in tune.trials(elr, 4)]
    assert tune.trials(elr, 3)[0].values == {}
    logs = [math.log(float(draw(elr, trial)["lr"] or 0)) for trial in range(1, 400)]  # uniform on a logarithmic scale
    assert np.mean(logs) == pytest.approx(math.log(0.01 * 0.3) / 2, abs=0.15)


def test_a_space_is_narrowed_or_fixed() -> None:
    hyper = methods.info("car").hyper
    space = default_space(hyper, OPTIMIZER, 30)
    given = ["penalty=2:5", "confidence=learned,one", "momentum=0.5", "lr=0.02:0.05", "update_every=1:4"]
    found = narrow(space, given, hyper)
    assert found["penalty"] == Axis(2.0, 5.0, "log")
    assert found["lr"] == Axis(0.02, 0.05, "log")
    assert found["update_every"] == Axis(1, 4, whole=True)
    values = [draw(found, trial) for trial in range(1, 60)]
    assert {value["confidence"] for value in values} == {"learned", "one"}
    assert {value["momentum"] for value in values} == {0.5}
    assert {value["update_every"] for value in values} == {1, 2, 3, 4}
    assert all(2 <= float(value["penalty"] or 0) <= 5 for value in values)


SPACES = {
    "penalti=1:2": "unknown setting 'penalti'; did you mean 'penalty'",
    "penalty": "expected NAME=LOW:HIGH",
    "penalty=": "expected NAME=LOW:HIGH",
    "penalty=1:2000": "hyper-parameter 'penalty' = 2000",
    "penalty=a:b": "expected float, got str",
    "penalty=5:2": "the first number of a range must be the lower one",
    "penalty=0:2": "so the range must lie above 0",
    "confidence=one,two": "accepted: learned, one",
    "confidence=learned:one": "a range needs two numbers",
    "lr=-1:2": "'lr' = -1.0: must lie in",
}


@pytest.mark.parametrize("assignment", SPACES)
def test_a_wrong_space_is_refused(assignment: str, refused: Callable[..., str], tmp_path: Path) -> None:
    tiny(tmp_path / "s.toml")
    assert SPACES[assignment] in refused("tune", "car", "s.toml", "--space", assignment)


def test_drawn_values_win_over_a_row_and_its_conditions() -> None:
    row = {
        "title": "X",
        "hyper": {"a": 1, "b": 2},
        "training": {"optimizer": {"lr": 0.5}},
        "when": [
            {"rates": [0.4], "hyper": {"a": 7, "c": 3}, "training": {"optimizer": {"lr": 0.1}}},
            {"model": "clean", "hyper": {"a": 8}},
        ],
    }
    assert applied(row, {"a": 5, "lr": 0.3, "weight_decay": 0.0}) == {
        "title": "X",
        "hyper": {"a": 5, "b": 2},
        "training": {"optimizer": {"lr": 0.3, "weight_decay": 0.0}},
        "when": [{"rates": [0.4], "hyper": {"c": 3}}, {"model": "clean"}],
    }
    assert applied(row, {}) == row


def tiny(path: Path, more: str = "") -> Path:
    """A suite with two noise settings, a validation split, and rows to tune."""
    write_suite(path, epochs=1, methods=("cross_entropy", "elr"))
    held_out = 'name = "digits"\nvalidation = { source = "inside", size = 0.2 }\n'
    text = path.read_text().replace('name = "digits"\n', held_out)
    text = text.replace('title = "Tiny"\n', 'title = "Tiny"\nremark = "Nothing was tuned."\n')
    path.write_text(text.replace("rate = 0.5", "rates = [0.2, 0.4]") + more)
    return path


def test_unusable_requests_are_refused(refused: Callable[..., str], tmp_path: Path) -> None:
    tiny(tmp_path / "s.toml")
    assert "did you mean 'elr'" in refused("tune", "ellr", "s.toml")
    line = refused("tune", "elr", "s.toml", "--setting", "symmetric 50%")
    assert "unknown setting 'symmetric 50%'; did you mean" in line
    assert "unknown data set 'cifar10'" in refused("tune", "elr", "s.toml", "--dataset", "cifar10")
    assert "--trials" in refused("tune", "elr", "s.toml", "--trials", 1)
    assert "key 'data.validation': tuning needs noisy validation labels" in refused(
        "tune", "elr", "s.toml", "--set", 'data.validation={source="none"}'
    )
    assert "only a `compare` suite is tuned" in refused("tune", "elr", "s.toml", "--set", 'purpose="reproduce"')
    assert "nothing is left to search" in refused(
        "tune", "cross_entropy", "s.toml", "--space", "lr=0.1", "--space", "weight_decay=0.0"
    )
    assert "no noisy setting" in refused("tune", "elr", "s.toml", "--set", 'noise=[{model="clean"}]')


def csv_rows(path: Path) -> list[dict[str, str]]:
    with path.open(newline="") as stream:
        return list(csv.DictReader(stream))


def test_a_search_is_resumed_extended_and_becomes_a_suite(
    command: Command, in_process: list[str], tmp_path: Path
) -> None:
    tiny(tmp_path / "s.toml")
    arguments = ("tune", "elr", "s.toml", "--space", "penalty=1:4")
    ended = command(*arguments, "--trials", 2)
    assert ended.status == 0, ended.err
    assert in_process == [f"ELR, trial {number}, symmetric 40%, seed 1000" for number in range(2)]
    assert "test" not in ended.out
    ended = command(*arguments, "--trials", 3)
    assert in_process[2:] == ["ELR, trial 2, symmetric 40%, seed 1000"]
    command(*arguments, "--trials", 3)
    assert len(in_process) == 3

    rows = csv_rows(tmp_path / "output" / "tuned" / "s-elr.csv")
    assert [row["trial"] for row in rows] == ["0", "1", "2"]
    assert (rows[0]["lr"], rows[0]["momentum"], rows[0]["penalty"]) == ("0.05", "0.7", "3.0")
    assert all(1 <= float(row["penalty"]) <= 4 for row in rows)
    chosen = max(rows, key=lambda row: (float(row["noisy_validation_accuracy"]), -int(row["trial"])))
    assert f"best: trial {chosen['trial']}, " in ended.out

    path = tmp_path / "output" / "tuned" / "s-tuned.toml"
    written = tomllib.loads(path.read_text())
    row = written["methods"]["elr"]
    assert row["trials"] == 3
    assert row["hyper"] == {"momentum": float(chosen["momentum"]), "penalty": float(chosen["penalty"])}
    assert row["training"]["optimizer"] == {key: float(chosen[key]) for key in ("lr", "weight_decay")}
    assert f"trial {chosen['trial']} of 3, random search at symmetric 40%, 1 seed from 1000" in row["source"]
    assert "penalty 1 to 4, log" in row["source"]
    assert "so far: cross_entropy 0, elr 3" in ended.out

    # the next method adds its row; the outcome is planned as the suite is, but for the tuned settings
    assert command("tune", "gce", "s.toml", "--trials", 2).status == 0
    assert {name: row.get("trials", 0) for name, row in tomllib.loads(path.read_text())["methods"].items()} == {
        "cross_entropy": 0, "elr": 3, "gce": 2,
    }  # fmt: skip
    planned = [plan_suite(str(file), [], "cross_entropy,elr", 1, {}, "cpu") for file in (tmp_path / "s.toml", path)]
    (plain, elr, *_), (same, tuned, *_) = (part.cells for part in planned)
    assert plain.spec == same.spec
    assert tuned.spec.method.hyper["penalty"] == float(chosen["penalty"])
    assert tuned.spec.seed == 0
    changed = {key for key, value in vars(elr.spec).items() if value != getattr(tuned.spec, key)}
    assert changed <= {"method", "optimizer"}
    assert planned[1].parts[0].title == "Tiny (tuned)"
    assert (
        planned[1].parts[0].remark
        == "Some rows are tuned, as their sources say; of the suite before: Nothing was tuned."
    )


def test_nothing_is_chosen_while_trials_are_left_for_a_later_job(
    command: Command, in_process: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tiny(tmp_path / "s.toml")
    whole = scheduler.run_local

    def one_run_only(cells: Any, places: Any, finished: Any, *more: Any) -> None:
        whole(cells[:1], places, finished, *more)
        for cell in cells[1:]:
            finished(cell, Outcome("left", NO_TIME))

    monkeypatch.setattr(scheduler, "run_local", one_run_only)
    ended = command("tune", "elr", "s.toml", "--trials", 3)
    assert (ended.status, ended.err) == (138, ""), ended
    assert "2 runs are not finished, so nothing is chosen" in ended.out
    assert not (tmp_path / "output" / "tuned" / "s-tuned.toml").exists()
    assert [row["state"] for row in csv_rows(tmp_path / "output" / "tuned" / "s-elr.csv")] == ["", "to do", "to do"]

    monkeypatch.setattr(scheduler, "run_local", whole)
    assert command("tune", "elr", "s.toml", "--trials", 3).status == 0
    assert len(in_process) == 3


def test_a_row_that_is_tuned_meanwhile_is_kept(
    command: Command, in_process: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tiny(tmp_path / "s.toml")
    execute = execution.execute

    def with_another(*arguments: Any) -> None:
        execute(*arguments)
        monkeypatch.setattr(execution, "execute", execute)
        assert command("tune", "cross_entropy", "s.toml", "--trials", 2).status == 0

    monkeypatch.setattr(execution, "execute", with_another)
    assert command("tune", "elr", "s.toml", "--trials", 2).status == 0
    written = tomllib.loads((tmp_path / "output" / "tuned" / "s-tuned.toml").read_text())
    assert {name: row.get("trials", 0) for name, row in written["methods"].items()} == {"cross_entropy": 2, "elr": 2}


def test_the_tuned_suite_is_locked_from_reading_to_writing(
    command: Command, in_process: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    merged, free = tuned_suite.merged, []

    def looking(tables: dict[str, Any], where: str, target: Path) -> dict[str, Any]:
        try:
            with target.with_name(f".{target.name}.lock").open("rb") as lock:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            free.append(True)
        except OSError:
            free.append(False)
        return merged(tables, where, target)

    tiny(tmp_path / "s.toml")
    assert command("tune", "elr", "s.toml", "--trials", 2).status == 0
    monkeypatch.setattr(tuned_suite, "merged", looking)
    assert command("tune", "cross_entropy", "s.toml", "--trials", 2).status == 0
    assert free == [True, False]  # the first look only refuses another protocol


def test_another_protocol_is_not_mixed_into_a_tuned_suite(
    command: Command, in_process: list[str], refused: Callable[..., str], tmp_path: Path
) -> None:
    tiny(tmp_path / "s.toml")
    assert command("tune", "cross_entropy", "s.toml", "--trials", 2).status == 0
    line = refused("tune", "elr", "s.toml", "--trials", 2, "--set", "training.batch_size=32")
    assert "s-tuned.toml: was tuned under another protocol (key 'training' differs" in line


def test_reports_leave_trials_out(command: Command, in_process: list[str], tmp_path: Path) -> None:
    tiny(tmp_path / "s.toml")
    assert command("tune", "cross_entropy", "s.toml", "--trials", 2).status == 0
    assert "no records and no plan of a suite" in command("report").err
    assert "tune-s-cross_entropy" in command("status").out
    assert Store(tmp_path / "output").plan("tune-s-cross_entropy")["tuning"] is True


UNEQUAL = "numbers differ, so the comparison favours rows with more"


@pytest.mark.parametrize(
    ("trials", "expected"),
    [
        ({}, None),
        ({"elr": 12, "gce": 12}, "Settings: the best of 12 tuning trials for each row."),
        ({"elr": 12, "gce": 4}, f"Tuning trials: ELR 12, GCE 4; {UNEQUAL}."),
        ({"elr": 12}, f"Tuning trials: ELR 12, GCE 0; {UNEQUAL}."),
    ],
)
def test_tables_say_how_many_trials_each_row_had(trials: dict[str, int], expected: str | None, tmp_path: Path) -> None:
    store = make_store(tmp_path, methods=("elr", "gce"), seeds=range(1), size=20, epochs=2)
    store.write_plan({**store.plan("quick"), "trials": trials})
    [section] = sections(gather(tmp_path))
    [table] = tables.accuracy_tables(section, best_of(section))
    assert [note for note in table.notes if "tuning trials" in note.lower()] == ([expected] if expected else [])


def test_dry_run_writes_nothing(command: Command, in_process: list[str], tmp_path: Path) -> None:
    tiny(tmp_path / "s.toml")
    ended = command("tune", "elr", "s.toml", "--trials", 3, "--seeds", 2, "--dry-run")
    assert ended.status == 0, ended.err
    assert "3 trials, 6 runs" in ended.out
    assert ended.out.count("to do") == 3
    assert in_process == []
    assert [path.name for path in tmp_path.iterdir()] == ["s.toml"]


def test_a_trial_that_diverges_is_a_result_and_another_failure_is_not(
    command: Command, in_process: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tiny(tmp_path / "s.toml")
    overflow = ("--trials", 2, "--space", "lr=1e2,1e30", "--space", "weight_decay=0.0")
    monkeypatch.setattr("bench.tuning.search.uniforms", lambda seed, count: np.full(count, 0.9))
    monkeypatch.setattr("bench.tuning.search.checked", lambda name, value, declared, where: value)
    ended = command("tune", "cross_entropy", "s.toml", *overflow)
    assert ended.status == 0, ended.err
    assert "diverged" in ended.out
    assert "best: trial 0" in ended.out
    assert csv_rows(tmp_path / "output" / "tuned" / "s-cross_entropy.csv")[1]["state"] == "diverged"

    store = Store(tmp_path / "output")
    [address] = store.failures()
    store.fail(address, "Traceback\nRuntimeError: out of memory\n")
    ended = command("tune", "cross_entropy", "s.toml", *overflow)
    assert ended.status == 1
    assert "failed" in ended.out


def planted(test_labels: Callable[[np.ndarray], np.ndarray]) -> Callable[..., DataSet]:
    """The digits with other labels of the test images."""
    load = digits.load

    def changed(root: Path | None = None) -> DataSet:
        found = load(root)
        assert isinstance(found.test, Images)
        return dataclasses.replace(found, test=Images(found.test.pixels, test_labels(found.test.labels)))

    return changed


def test_test_labels_have_no_part_in_the_choice(
    command: Command, in_process: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tiny(tmp_path / "s.toml")
    outcomes, said, accuracies = [], [], []
    for name, change in {"as they are": lambda labels: labels, "others": lambda labels: (labels + 1) % 10}.items():
        run_data._dataset.cache_clear()
        with monkeypatch.context() as patch:
            patch.setattr(digits, "load", planted(change))
            ended = command("tune", "elr", "s.toml", "--trials", 4, "--epochs", 2, "--out", name)
        assert ended.status == 0, ended.err
        said.append([line for line in ended.out.splitlines() if line.startswith((" ", "best"))])
        outcomes.append([(tmp_path / name / "tuned" / file).read_bytes() for file in ("s-tuned.toml", "s-elr.csv")])
        store = Store(tmp_path / name)
        records = [store.load(address) for address in store.addresses()]
        accuracies.append({record["address"]: record["selection"]["last"]["test_accuracy"] for record in records})
    run_data._dataset.cache_clear()
    assert accuracies[0].keys() == accuracies[1].keys()
    assert accuracies[0] != accuracies[1]  # the planted labels were there
    assert said[0] == said[1]
    assert outcomes[0][1] == outcomes[1][1]
    first, second = (outcome[0].replace(b"as they are", b"others") for outcome in outcomes)
    assert first == second


@pytest.mark.parametrize("name", suite.names())
def test_every_built_in_suite_can_be_written_out(name: str) -> None:
    path = suite.locate(name)
    written = tomllib.loads(tuned_suite.toml_text(tuned_suite.written_out(suite.read(path), str(path)), name))
    assert tuned_suite.written_out(written, name) == written
    first = suite.parts(suite.read(path), str(path))
    for old, new in zip(first, suite.parts(written, name), strict=True):
        assert new.model_copy(update={"title": old.title, "remark": old.remark}) == old


def test_settings_default_to_symmetric_forty_per_cent(tmp_path: Path) -> None:
    [part] = suite.parts(suite.read(tiny(tmp_path / "s.toml")), "s.toml")
    assert list(tune.choose_settings(part, [])) == ["symmetric 40%"]
    assert list(tune.choose_settings(part, ["symmetric 20%", "symmetric 40%"])) == ["symmetric 20%", "symmetric 40%"]
    [part] = suite.parts(suite.read(suite.locate("quick")), "quick")
    assert list(tune.choose_settings(part, [])) == ["symmetric 50%"]
    with pytest.raises(UserError, match="did you mean 'symmetric 50%'"):
        tune.choose_settings(part, ["symmetric 5%"])
