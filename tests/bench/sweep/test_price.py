"""What `run --dry-run` says a suite will cost: from records of this very device, or from a probe."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from command_line import Command, run, write_suite
from small_runs import specification

from bench.commands import dry_run
from bench.machine import accelerator
from bench.sweep import price
from common.specification import Specification
from results.store import Store

CARD = "NVIDIA H200"


def record(device: str, name: str, started: str = "10:00:00", finished: str = "10:01:00", host: str = "a") -> Any:
    moments = {"started": f"2026-01-01T{started}+00:00", "finished": f"2026-01-01T{finished}+00:00"}
    return {
        "spec": specification().as_json(),
        "execution": {"device": device, "device_name": name, "seconds": 60.0, "host": host, **moments},
    }


def test_records_of_another_device_price_nothing() -> None:
    cpu, card, other = record("cpu", "AMD"), record("cuda", CARD), record("cuda", "NVIDIA A100")
    assert price.of_device([cpu, card, other], "cpu") == [cpu]
    assert price.of_device([cpu, card, other], "cuda:1", CARD) == [card]
    assert price.of_device([cpu, other], "cuda", CARD) == []


@pytest.mark.parametrize(
    ("spans", "expected"),
    [
        ([], 1.0),
        ([("10:00:00", "10:01:00", "a")], 1.0),
        ([("10:00:00", "10:01:00", "a"), ("10:00:00", "10:01:00", "a")], 2.0),
        ([("10:00:00", "10:01:00", "a"), ("10:00:00", "10:01:00", "b")], 1.0),
        ([("10:00:00", "10:01:00", "a"), ("11:00:00", "11:01:00", "a")], 1.0),
        ([("10:00:00", "10:02:00", "a"), ("10:01:00", "10:03:00", "a"), ("10:02:00", "10:03:00", "a")], 5 / 3),
        ([("10:00:00", "10:00:00", "a")], 1.0),
    ],
)
def test_how_many_ran_at_a_time_is_read_from_when_they_ran(spans: list[tuple[str, ...]], expected: float) -> None:
    found = [record("cuda", CARD, started, finished, host) for started, finished, host in spans]
    assert price.at_a_time(found) == pytest.approx(expected)


@pytest.fixture
def card(monkeypatch: pytest.MonkeyPatch) -> None:
    """A machine with one card; nothing is run on it here."""
    monkeypatch.setattr(accelerator, "choose", lambda device: "cuda")
    monkeypatch.setattr(accelerator, "name", lambda device: CARD)
    monkeypatch.setattr(accelerator, "each", lambda device: ["cuda:0"])


def _executed(store: Path, **execution: Any) -> None:
    """Let all records of a store have been executed so."""
    for path in (store / "records").glob("*.json"):
        content = json.loads(path.read_text())
        content["execution"] |= execution
        path.write_text(json.dumps(content))


@pytest.fixture
def recorded(command: Command, in_process: list[str], tmp_path: Path) -> Callable[..., str]:
    """Two runs of a suite are recorded as the keywords say; returns the last line of a dry run of ten."""
    write_suite(tmp_path / "s.toml", epochs=1, seeds=2)
    assert command("run", "s.toml", "--device", "cpu").status == 0
    assert len(Store(tmp_path / "output").addresses()) == 2

    def dry_run(*arguments: object, **execution: Any) -> str:
        _executed(tmp_path / "output", **execution)
        ended = command("run", "s.toml", "--seeds", 12, "--dry-run", *arguments)
        assert ended.status == 0, ended
        return ended.out.splitlines()[-1]

    return dry_run


TOGETHER = {"seconds": 8.0, "started": "2026-01-01T10:00:00+00:00", "finished": "2026-01-01T10:00:08+00:00"}


def test_a_card_is_priced_by_its_own_records(recorded: Callable[..., str], card: None) -> None:
    assert recorded(device="cpu").startswith(f"no price for {CARD}: not measured (--probe times a few steps)")
    assert recorded(device="cuda", device_name="NVIDIA A100").startswith(f"no price for {CARD}")
    line = recorded(device="cuda", device_name=CARD, **TOGETHER)
    assert line == f"about 40 s on {CARD} (10 of 10 runs recorded, 2.0 at a time)"


def test_a_processor_is_not_priced_by_a_card(recorded: Callable[..., str]) -> None:
    assert recorded(device="cuda", device_name=CARD).startswith("no price for one cpu slot")
    line = recorded(device="cpu", **TOGETHER)
    assert line == "about 80 s on one cpu slot (10 of 10 runs recorded)"


def test_a_card_without_records_is_probed_with_as_many_at_a_time(
    recorded: Callable[..., str], card: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = []

    def probe(cells: Any, known: Any, device: str, beside: int = 1) -> Any:
        asked.append((len(cells), dict(known), device, beside))
        return {price._machine_key(cells[0].spec): 1000.0}

    monkeypatch.setattr(dry_run.price, "probe", probe)
    line = recorded("--probe", "--runs-per-device", 4, device="cpu")
    assert asked == [(10, {}, "cuda", 4)]
    assert line.endswith(f"on {CARD} (10 of 10 runs probed, 4 at a time)")
    alone = recorded("--probe", "--runs-per-device", 1, device="cpu")
    assert float(alone.split()[1]) == pytest.approx(4 * float(line.split()[1]), abs=4)


def test_unknown_work_is_called_not_measured_and_a_probe_prices_each_row_and_all(
    command: Command, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    write_suite(tmp_path / "s.toml", epochs=2, seeds=3, methods=("cross_entropy", "co_teaching"))
    asked = ("run", "s.toml", "--device", "cpu", "--dry-run")
    unknown = command(*asked)
    assert unknown.status == 0
    assert unknown.out.count(": not measured (--probe times a few steps)\n") == 6 + 1  # of each run, and of all
    assert " 0 s" not in unknown.out
    monkeypatch.setattr(dry_run.price, "_probed", lambda *arguments: 0.5)  # passes a second
    lines = command(*asked, "--probe").out.splitlines()
    first = next(line for line in lines if "Cross-entropy, symmetric 50%, seed 0" in line)
    hours = {line.split(":")[0].strip(): line.split(": ")[1] for line in lines if line.endswith("for 3 runs")}
    assert list(hours) == ["Cross-entropy", "Co-teaching"]
    one, *each = (float(text.split(" h")[0].split()[-1]) for text in (first, *hours.values()))
    assert each == pytest.approx([3 * one, 6 * one], abs=0.02)  # co-teaching trains two networks
    assert lines[-1] == f"about {sum(each):.2f} h on one cpu slot (6 of 6 runs probed)"


@pytest.mark.slow
def test_a_probe_measures_several_processes_at_once(tmp_path: Path) -> None:
    [cell] = [_Cell(specification())]
    found = price.probe([cell, cell], {}, "cpu", 2)  # type: ignore[list-item]
    assert list(found) == [price._machine_key(cell.spec)]
    assert found[price._machine_key(cell.spec)] > 0
    assert price.probe([cell], {(None, *price._machine_key(cell.spec)): 1.0}, "cpu") == {}  # type: ignore[list-item]


NETWORK = """
from torch import nn

from bench.networks import NetworkInfo
from bench.networks.network import Network


def tiny(num_classes, image_shape):
    channels, height, width = image_shape
    return Network([nn.Flatten(), nn.Linear(channels * height * width, num_classes)])


NETWORKS = [NetworkInfo("tiny_net", "Tiny", "a test", tiny, image_shape=(1, 8, 8))]
"""


def test_a_probe_knows_the_networks_of_plug_ins(tmp_path: Path) -> None:
    (tmp_path / "net.py").write_text(NETWORK)
    write_suite(tmp_path / "s.toml", epochs=1)
    path = tmp_path / "s.toml"
    path.write_text(path.read_text().replace('"digits_cnn"', '"tiny_net"'))
    status, output = run("run", "s.toml", "--plugin", "net.py", "--dry-run", "--probe", cwd=tmp_path)
    assert status == 0, output
    assert output.splitlines()[-1].endswith("runs probed)")


class _Cell:
    """What of a cell the price looks at."""

    def __init__(self, spec: Specification) -> None:
        self.spec = spec
