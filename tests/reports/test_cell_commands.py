"""Every cell tells the command that makes it again; every figure has its numbers beside it."""

from __future__ import annotations

import csv
import io
import json
import re
import shlex
from pathlib import Path

import pandas as pd
import pytest
from command_line import HOME, Command

from bench.api.planned_now import planned_now
from bench.machine import precision
from reports.build import build_report
from reports.commands import HEADER, Commands, seeds_text
from reports.gather import gather, sections
from reports.page import write_pages
from reports.provenance import run_details, runs_table
from tests.synthetic_records import make_store

QUICK = HOME / "results" / "reference" / "quick.jsonl"


@pytest.mark.parametrize(
    ("seeds", "text"), [([3], "3,"), ([0, 1, 2], "0-2"), ([0, 2, 3, 7], "0,2-3,7"), ([1, 3], "1,3")]
)
def test_seeds_are_written_as_run_reads_them(seeds: list[int], text: str) -> None:
    from bench.planning.choice import seeds_of

    assert seeds_text(seeds) == text
    assert list(seeds_of(text)) == seeds


def test_the_command_of_a_cell_plans_its_runs_and_no_others(command: Command) -> None:
    (section,) = sections(gather(QUICK))
    found = Commands([section], planned_now)
    cell = section.done("digits", "asymmetric 40%", "elr")
    told = found.of(cell["address"])
    assert (
        told.text == ("python run_benchmark.py run quick --setting 'asymmetric 40%' --methods elr --seeds 0-2")
        and not told.differs
    )
    ended = command(*shlex.split(told.text)[2:], "--dry-run", "--out", "none")
    assert ended.status == 0
    planned = re.findall(r"^missing +([0-9a-f]{12})", ended.out, re.MULTILINE)
    assert sorted(planned) == sorted(address[:12] for address in cell["address"])
    one = found.of(cell["address"].iloc[1:2])
    (run,) = re.findall(
        r"^missing +([0-9a-f]{12})", command(*shlex.split(one.text)[2:], "--dry-run", "--out", "none").out, re.MULTILINE
    )
    assert cell["address"].iloc[1].startswith(run)


def test_a_part_of_a_suite_and_a_method_that_it_lacks_have_their_commands(
    command: Command, in_process: list[str], tmp_path: Path
) -> None:
    options = ("--methods", "gce", "--seeds", "1", "--setting", "symmetric 50%")
    assert command("run", "quick", *options, "--epochs", 1, "--log-every", 0).status == 0
    (section,) = sections(gather(tmp_path / "output"))
    told = Commands([section], planned_now).of(section.frame["address"])
    assert told.text == (
        "python run_benchmark.py run quick --setting 'symmetric 50%' --methods gce --seeds 0, --epochs 1"
    ) and not told.differs  # fmt: skip
    ended = command(*shlex.split(told.text)[2:], "--dry-run")
    assert "1 runs, 1 done" in ended.out or "1 run, 1 done" in ended.out


def test_what_is_planned_otherwise_today_is_said() -> None:
    (section,) = sections(gather(QUICK))
    addresses = section.done("digits", "symmetric 50%", "elr")["address"]

    def changed(name: str, seeds: object, rows: object) -> dict[object, object]:
        now = planned_now(name, [0, 1, 2])
        assert now is not None
        return {key: json.loads(json.dumps(spec)) | {"epochs": 99, "batch_size": 3} for key, spec in now.items()}

    told = Commands([section], changed).of(addresses)  # type: ignore[arg-type]
    assert told.text.endswith("--seeds 0-2 --epochs 25") and told.differs == "batch_size"
    gone = Commands([section], lambda _name, _seeds, _rows: {}).of(addresses)
    assert gone.text == "" and gone.differs == "the suite no longer has this cell"


@pytest.mark.parametrize("fast", [False, True])
def test_a_command_has_the_precision_of_its_record_on_every_machine(
    fast: bool, command: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(precision, "cpu_has_fast_bfloat16", lambda: fast)
    (section,) = sections(gather(QUICK.with_name("car-ablation.jsonl")))
    addresses = section.frame["address"][section.frame["seed"] == 0].head(1)
    told = Commands([section], planned_now).of(addresses)
    assert told.text.endswith("--seeds 0, --precision bf16") and "precision" not in told.differs
    ended = command(*shlex.split(told.text)[2:], "--dry-run", "--out", "none")
    assert re.findall(r"^missing +([0-9a-f]{12})", ended.out, re.MULTILINE) == [addresses.iloc[0][:12]]


def test_runs_of_two_precisions_have_two_commands() -> None:
    (section,) = sections(gather(QUICK))
    addresses = section.done("digits", "symmetric 50%", "elr")["address"]
    for cell in section.plan["cells"]:
        if cell["address"] == addresses.iloc[0]:
            cell["spec"]["precision"] = "bf16"

    def left(name: str, seeds: object, rows: object) -> dict[object, object]:
        now = planned_now(name, [0, 1, 2])
        assert now is not None
        return {key: {**spec, "precision": "auto"} for key, spec in now.items()}

    told = Commands([section], left).of(addresses)  # type: ignore[arg-type]
    ends = [part.partition("--seeds ")[2] for part in told.text.split(" && ")]
    assert ends == ["0, --precision bf16", "1-2 --precision fp32"] and not told.differs
    section.plan["cells"][0]["spec"]["precision"] = "$(x)"
    told = Commands([section], left).of([section.plan["cells"][0]["address"]])  # type: ignore[arg-type]
    assert told.text and "--precision" not in told.text and told.differs == "precision"


def test_a_strangers_names_stay_words_of_the_command(tmp_path: Path) -> None:
    make_store(tmp_path, ["elr"], [("symmetric", 0.5)], [0], size=40, epochs=2)
    (section,) = sections(gather(tmp_path))
    method = "$(rm -rf x); --out y"
    section.plan["cells"][0].update(method=method, setting="a' b")
    told = []
    for name in ("mine", "../mine", "-x", "a b"):
        section.plan["suite"] = name
        told.append(Commands([section], planned_now).of(section.frame["address"]))
    assert shlex.split(told[0].text)[2:] == [
        "run", "mine.toml", "--setting", "a' b", "--methods", method, "--seeds", "0,"
    ]  # fmt: skip
    assert {(each.text, each.differs) for each in told[1:]} == {("", "the suite's name is no file's")}


@pytest.fixture(scope="module")
def report(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("commands")
    make_store(root, size=60, epochs=4, seeds=range(2))
    return build_report(root, root / "report", planned=planned_now).index.parent


def _read(file: Path) -> list[list[str]]:
    return list(csv.reader(io.StringIO(file.read_text("utf-8-sig"))))


def test_every_cell_with_runs_has_a_line(report: Path) -> None:
    header, *rows = _read(report / "tables" / "commands.csv")
    assert tuple(header) == HEADER
    assert {row[0] for row in rows} >= {"quick-accuracy", "quick-differences", "quick-rules", "runs"}
    assert all(row[3].startswith("python run_benchmark.py run quick ") for row in rows)
    accuracy = {row[1]: row for row in rows if row[0] == "quick-accuracy" and row[2] == "symmetric 50%"}
    assert accuracy["ELR"][3].endswith("run quick --setting 'symmetric 50%' --methods elr --seeds 0-1 --epochs 4")
    assert "run.command" in (report / "runs.html").read_text("utf-8")


def test_a_runs_dialog_has_its_command() -> None:
    found = list(sections(gather(QUICK)))
    details = run_details(found, Commands(found, planned_now))
    assert details[0]["command"].startswith("python run_benchmark.py run quick --setting")
    pages = dict(write_pages("t", [], [], [runs_table(found)], details, [], []))
    assert details[0]["command"] in pages["runs.html"].replace("\\u0027", "'")


def test_every_figure_has_its_numbers_beside_it(report: Path) -> None:
    names = {file.stem for file in (report / "figures").glob("*.svg")}
    assert names == {file.stem for file in (report / "figures").glob("*.csv")} and len(names) > 10
    for name in names:
        header, *rows = _read(report / "figures" / f"{name}.csv")
        assert rows and len(set(header)) == len(header), name
        assert {"method"} <= set(header), name
        text = (report / "figures" / f"{name}.csv").read_text("utf-8-sig")
        assert "−" not in text and "±" not in text and "%)" not in text, name
        for column, values in zip(header, zip(*rows, strict=True), strict=True):
            if column.endswith(("_percent", "_seconds", "_density")) or column.startswith("share_"):
                assert all(value == "" or float(value) == float(value) for value in values), (name, column)


def test_the_numbers_are_those_that_are_drawn(report: Path) -> None:
    found = pd.read_csv(report / "figures" / "quick-accuracy.csv").set_index(["setting", "method"])["mean_percent"]
    table = pd.read_csv(report / "tables" / "quick-accuracy.csv").set_index(["setting", "method"])["mean_percent"]
    assert found.to_dict() == pytest.approx(table.to_dict())
    bins = pd.read_csv(report / "figures" / "quick-scores.csv")
    area = bins["clean_density"] * (bins["high"] - bins["low"])
    assert area.groupby([bins["method"], bins["score"]]).sum().tolist() == pytest.approx([1] * 5, abs=1e-3)
    curve = pd.read_csv(report / "figures" / "quick-memorisation.csv")
    assert curve[["mean_percent", "low_percent", "high_percent"]].stack().between(0, 100).all()
