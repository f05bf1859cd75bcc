"""The script that checks a new card: each step ends in its time, none stops another, and judgements are right."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from command_line import ENVIRONMENT, HOME, wait_for


@pytest.fixture
def script(monkeypatch: pytest.MonkeyPatch) -> Iterator[ModuleType]:
    """The script as a module, as it is when it is started."""
    monkeypatch.syspath_prepend(str(HOME / "tools"))
    import check_card

    yield check_card
    for name in ("check_card", "card_process"):
        sys.modules.pop(name, None)


@pytest.fixture
def card(script: ModuleType, tmp_path: Path) -> Any:
    (tmp_path / "out").mkdir()
    return script.Card("cuda", tmp_path / "out", tmp_path / "work", None)


def called(folder: Path, *arguments: object) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, str(HOME / "tools" / "check_card.py"), *map(str, arguments)],
        cwd=folder, env=ENVIRONMENT, check=False, capture_output=True, text=True, timeout=300,
    )  # fmt: skip


def test_options_that_cannot_be_used_are_refused(tmp_path: Path) -> None:
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "file").write_text("")
    for arguments, expected in {
        (): "--out",
        ("--out", "full"): "is there already",
        ("--out", "full/file"): "is there already",
        ("--out", "full/file/below"): "Not a directory",
        ("--out", "new", "--budget", "0"): "--budget",
    }.items():
        ended = called(tmp_path, *arguments)
        assert ended.returncode == 2
        assert expected in ended.stderr
    assert sorted(path.name for path in tmp_path.iterdir()) == ["full"]


@pytest.mark.slow
def test_without_time_all_is_skipped_or_ended_and_told(tmp_path: Path) -> None:
    ended = called(tmp_path, "--out", "card", "--device", "cpu", "--budget", 12)
    assert ended.returncode in (0, 1), ended.stderr
    assert "not available: the step 'doctor': no time was left\n" in ended.stdout  # its share is under a second
    told = json.loads((tmp_path / "card" / "summary.json").read_text())
    assert told["device"] == "cpu"
    assert "no time was left" in {one["found"] for one in told["judged"]}
    assert {one["status"] for one in told["judged"]} <= {"met", "missed", "not available"}
    assert sorted(path.name for path in tmp_path.iterdir()) == ["card"]


def test_what_hangs_is_stopped_with_all_it_has_started(card: Any, tmp_path: Path) -> None:
    inner = "import time; print('inner', flush=True); time.sleep(600)"
    code = f"import subprocess, sys, time; p = subprocess.Popen([sys.executable, '-c', {inner!r}]); " \
           "print('pid', p.pid, flush=True); time.sleep(600)"  # fmt: skip
    quick = "print('well')"
    assert card.run("two", 3.0, ["-c", code], ["-c", quick]) == [None, 0]
    assert card.log("two-1") == "well\n"
    lines = card.log("two-0").splitlines()
    assert "inner" in lines
    [pid] = [int(line.split()[1]) for line in lines if line.startswith("pid")]
    wait_for(lambda: not _lives(pid), 20)


def _lives(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def test_a_step_that_fails_is_something_missed(script: ModuleType) -> None:
    def broken(seconds: float) -> Any:
        raise ValueError("no")

    [judged] = script.taken(script.Step("mine", 0.1, broken), 5.0)
    assert (judged.status, judged.found) == ("missed", "ValueError: no")


def test_numbers_are_judged_on_a_card_alone(script: ModuleType) -> None:
    assert script.at_least("rate", 2.0, 1.0).status == "met"
    assert script.at_least("rate", 0.5, 1.0).status == "missed"
    assert script.at_least("rate", None, 1.0).status == "not available"
    assert script.at_least("rate", 0.5, 1.0, of_card=False).status == "not available"
    assert script.at_most("share", 0.1, 0.2).status == "met"
    assert script.at_most("share", 0.3, 0.2).status == "missed"
    assert script.at_most("share", None, 0.2).status == "not available"


def test_rates_are_read_from_the_stream(script: ModuleType, card: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    cases = {
        "cross_entropy": {"images_per_second": 40_000.0, "bare_graph_images_per_second": 42_000.0},
        "elr": {
            "images_per_second": 30_000.0,
            "captured_reason": "it reads the clock",
            "bare_graph_images_per_second": 42_000.0,
        },
        "co_teaching": {"images_per_second": 21_000.0, "bare_graph_images_per_second": 21_500.0},
    }
    lines = ["preact_resnet18, cross_entropy: warming up"]
    lines += [json.dumps({"method": method, **case}) for method, case in cases.items()]
    lines.append(json.dumps({"left_out": {"method": "car", "network": "preact_resnet18", "reason": "no time left"}}))
    monkeypatch.setattr(card, "run", lambda *arguments: [0])
    (card.out / "speed-preact_resnet18.log").write_text("\n".join(lines))
    judged = script.rates(card, 30, "preact_resnet18", ("cross_entropy", "elr", "car", "co_teaching"))
    assert [one.status for one in judged] == ["met", "met", "missed", "not available", "met"]
    assert "it reads the clock" in judged[2].asked


def test_records_are_judged_and_copied(script: ModuleType, card: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    def execute(name: str, *others: object) -> list[int]:
        folder = card.work / name / "records"
        folder.mkdir(parents=True)
        for number in range(5):
            execution = {"started": f"2026-01-01T00:00:0{number}", "images_per_second": 11_000.0, "seconds": 30.0,
                         "start_seconds": 4.0, "train_seconds": 21.0}  # fmt: skip
            (folder / f"{number}.json").write_text(json.dumps({"execution": execution}))
        return [0]

    card.work.mkdir()
    monkeypatch.setattr(card, "run", execute)
    judged = script.five_runs(card, 30)
    assert [one.status for one in judged] == ["met", "met", "missed"]  # 5 s of 30 s were neither
    assert len(list((card.out / "records" / "five").glob("*.json"))) == 5


def test_accuracy_is_compared_method_by_method(script: ModuleType) -> None:
    def records(**accuracy: float) -> list[dict[str, Any]]:
        return [{"spec": {"method": {"name": name}}, "curves": {"test_accuracy": [0.1, value]}}
                for name, value in accuracy.items()]  # fmt: skip

    assert script._points(records(elr=0.9, car=0.8), records(elr=0.895, car=0.82)) == pytest.approx(2.0)


def test_the_steps_have_all_of_the_time_and_no_more(script: ModuleType, card: Any) -> None:
    assert sum(step.share for step in script.steps(card)) == pytest.approx(1.0)
