"""The command line on a device, each command in a process that nothing has touched before. Skips where there is none.

Sums on a device come in another order now and then, so what is not bit by bit the same must end within APART.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from command_line import kill_all, resumes, run, start, wait_for, write_suite

from common.record import Record
from results.store import Store

pytestmark = pytest.mark.cuda

APART = 0.05  # test accuracy at the last epoch
SECONDS = 180  # that a command may take


def on_device(*arguments: Any, cwd: Path) -> str:
    """What a command says that ends well."""
    status, said = run(*arguments, cwd=cwd, timeout=SECONDS)
    assert status == 0, said
    return said


def records(store: Path) -> dict[str, Record]:
    """All records by address; every one was made on a device."""
    known = Store(store)
    found = {address: known.load(address) for address in known.addresses()}
    assert found
    for record in found.values():
        assert record["execution"]["device"] == "cuda"
        assert record["execution"]["device_name"]
        assert record["execution"]["peak_memory_mib"] > 0
    return found


def assert_alike(first: Mapping[str, Record], second: Mapping[str, Record]) -> None:
    """The same runs, with curves of one length that end within APART."""
    assert first.keys() == second.keys()
    for address, record in first.items():
        one, other = (found["curves"]["test_accuracy"] for found in (record, second[address]))
        assert len(one) == len(other)
        assert abs(one[-1] - other[-1]) <= APART, record["titles"]


@pytest.fixture(scope="module")
def quick(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder in which `run quick` was executed on a device, some epochs of it."""
    folder = tmp_path_factory.mktemp("quick")
    said = on_device("run", "quick", "--device", "cuda", "--epochs", 5, "--seeds", 1, cwd=folder)
    assert "8 runs, 0 done, 8 to do" in said
    return folder


def test_quick_runs_in_fresh_workers(quick: Path) -> None:
    found = records(quick / "output")
    assert len(found) == 8
    for record in found.values():
        assert record["curves"]["test_accuracy"][-1] > 0.3


def test_suspects_are_listed_from_records_of_a_device(quick: Path) -> None:
    assert "suspicion" in on_device("suspects", "quick", cwd=quick).lower()


def test_a_dry_run_prices_the_device_by_its_records(quick: Path) -> None:
    said = on_device("run", "quick", "--device", "cuda", "--epochs", 5, "--seeds", 2, "--dry-run", cwd=quick)
    name = next(iter(records(quick / "output").values()))["execution"]["device_name"]
    assert f" on {name} (8 of 8 runs recorded" in said


def test_two_runs_beside_each_other_are_as_one_after_the_other(tmp_path: Path) -> None:
    write_suite(tmp_path / "s.toml", epochs=6, seeds=2)
    for count in (1, 2):
        arguments = ("run", "s.toml", "--device", "cuda", "--runs-per-device", count, "--out", f"out{count}")
        on_device(*arguments, cwd=tmp_path)
    assert_alike(records(tmp_path / "out1"), records(tmp_path / "out2"))


def test_a_run_that_is_killed_goes_on(tmp_path: Path) -> None:
    write_suite(tmp_path / "s.toml", epochs=40)
    arguments = ("run", "s.toml", "--device", "cuda")
    on_device(*arguments, "--out", "whole", cwd=tmp_path)
    process = start(*arguments, "--out", "killed", "--checkpoint-seconds", 0, cwd=tmp_path)
    wait_for(lambda: list((tmp_path / "killed" / "checkpoints").glob("*.pt")), 90)
    kill_all(process)
    assert not Store(tmp_path / "killed").addresses(), "it was too short to be killed"
    on_device(*arguments, "--out", "killed", cwd=tmp_path)
    assert resumes(tmp_path / "killed") == 1
    assert_alike(records(tmp_path / "whole"), records(tmp_path / "killed"))


@pytest.mark.parametrize("method", ["cross_entropy", "elr", "car", "co_teaching", "mixup", "sop"])
def test_captured_steps_learn_as_eager_ones(method: str, tmp_path: Path) -> None:
    write_suite(tmp_path / "s.toml", epochs=6, methods=(method,))
    found = {}
    for choice in ("auto", "off"):
        on_device("run", "s.toml", "--device", "cuda", "--capture", choice, "--out", choice, cwd=tmp_path)
        found[choice] = records(tmp_path / choice)
    assert_alike(found["auto"], found["off"])


def test_tune_tries_settings_on_the_device(tmp_path: Path) -> None:
    write_suite(tmp_path / "s.toml", epochs=3)
    held_out = "data.validation={source='inside', size=0.1}"
    arguments = ("tune", "elr", "s.toml", "--trials", 2, "--seeds", 1, "--device", "cuda", "--set", held_out)
    on_device(*arguments, cwd=tmp_path)
    assert len(records(tmp_path / "output")) == 2


def test_check_holds_beside_a_device(tmp_path: Path) -> None:
    assert "none failed" in on_device("check", "cross_entropy", cwd=tmp_path)


def test_speed_measures_the_device(tmp_path: Path) -> None:
    size = ("--samples", 2560, "--repeats", 1, "--no-plain")
    said = on_device("speed", "--methods", "cross_entropy", "--device", "cuda", "--stream", *size, cwd=tmp_path)
    [case] = [json.loads(line) for line in said.splitlines() if line.startswith("{")]
    assert case["device"].startswith("cuda")
    assert case["images_per_second"] > 0


def test_a_device_that_is_not_there_is_refused(tmp_path: Path) -> None:
    status, said = run("run", "quick", "--device", "cuda:77", cwd=tmp_path)
    assert status == 2
    assert "there is no such device" in said


def test_the_doctor_finds_the_device_well(tmp_path: Path) -> None:
    said = on_device("doctor", "--device", "cuda", "--budget", 150, "--json", "found.json", cwd=tmp_path)
    findings = {one["check"]: one for one in json.loads((tmp_path / "found.json").read_text())["findings"]}
    for name in ("one run", "the same again", "captured", "kill and resume"):
        assert findings[name]["status"] == "ok", said
