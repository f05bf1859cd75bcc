"""Which runs a hand asks for, in few letters: seeds, settings, data sets, methods in any spelling, several suites."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from command_line import Command

from bench import plan
from bench.api.papers import papers
from bench.api.prices import cells_of
from bench.planning.choice import seeds_of
from bench.sweep.precisions import in_precision
from common.errors import UserError, as_known
from common.specification import Precision
from results.store import Store
from tests.synthetic_records import make_plan, make_record, make_specs


@pytest.mark.parametrize(
    ("given", "seeds"),
    [
        (3, (0, 1, 2)), ("3", (0, 1, 2)), ("0,3,7", (0, 3, 7)), ("0-4", (0, 1, 2, 3, 4)), ("7,", (7,)),
        ("5-5", (5,)), (" 2 , 0-1,2", (0, 1, 2)), ([4, 1], (1, 4)), ("1000", tuple(range(1000))),
    ],
)  # fmt: skip
def test_seeds_are_a_number_or_a_list(given: int | str | list[int], seeds: tuple[int, ...]) -> None:
    assert seeds_of(given) == seeds


@pytest.mark.parametrize(
    "given", [0, -1, 1001, "0", "", ",", "a", "2-1", "0-", "1000,", "0-1000", "1.5", [], [-1], [True]]
)
def test_what_is_no_seed_is_refused(given: int | str | list[int]) -> None:
    with pytest.raises(UserError, match=r"^--seeds .*accepted: how many \(1 to 1000\)"):
        seeds_of(given)


def test_a_name_is_known_in_any_spelling_that_is_clear() -> None:
    known = ["co_teaching", "co_teaching_plus", "elr", "elr_plus", "A-b", "a_b"]
    assert as_known("Co-Teaching", known) == "co_teaching"
    assert as_known("Co-teaching+", known) == "co_teaching_plus"
    assert as_known("ELR+", known) == "elr_plus"
    assert as_known("ab", known) == "ab", "two that it may be"
    assert as_known("a_b", known) == "a_b"


def test_runs_are_chosen_by_seed_setting_and_method(command: Command, tmp_path: Path) -> None:
    ended = command(
        "run", "quick", "-j2", "--seeds", "0,2", "--setting", "Symmetric 50%", "--methods", "Co-Teaching,ELR",
        "--epochs", 1, "-o", "here",
    )  # fmt: skip
    assert ended.status == 0, ended.err
    found = [json.loads(path.read_text()) for path in (tmp_path / "here" / "records").glob("*.json")]
    assert sorted((one["spec"]["method"]["name"], one["spec"]["seed"]) for one in found) == [
        ("co_teaching", 0), ("co_teaching", 2), ("elr", 0), ("elr", 2),
    ]  # fmt: skip
    assert {(one["spec"]["noise"]["model"], one["spec"]["noise"]["rate"]) for one in found} == {("symmetric", 0.5)}


def test_chosen_cells_have_the_addresses_of_the_whole_suite() -> None:
    whole = {cell.address for cell in plan("quick").cells}
    some = plan("quick", seeds="1-2", at=["symmetric 50%"])
    assert len(some.cells) == 8 and {cell.address for cell in some.cells} < whole


def test_a_data_set_of_a_suite_of_several_and_its_name_in_every_line(command: Command) -> None:
    one = command("run", "co-teaching", "--dataset", "CIFAR-100", "--seeds", "1", "--dry-run")
    assert one.status == 0 and "6 runs" in one.out and "cifar10:" not in one.out
    both = command("run", "co-teaching", "--seeds", "1", "--dry-run")
    assert both.status == 0 and "  cifar10: Co-teaching," in both.out and "  cifar100: Co-teaching," in both.out


@pytest.mark.parametrize(
    ("options", "told"),
    [
        (("--setting", "symetric 50%"), "--setting: unknown setting 'symetric 50%'; did you mean 'symmetric 50%'?"),
        (("--dataset", "cifar10"), "--dataset: unknown data set 'cifar10' (accepted: digits)"),
        (("--seeds", "0-"), "--seeds 0-: '0-': accepted: how many"),
        (("no-such-suite",), "unknown suite 'no-such-suite'"),
    ],
)
def test_what_there_is_not_is_refused(refused: Command, options: tuple[str, ...], told: str) -> None:
    assert told in str(refused("run", "quick", *options))


def test_several_suites_go_one_after_the_other(command: Command, tmp_path: Path) -> None:
    ended = command("run", "quick", "all-methods", "--methods", "elr", "--epochs", 1, "--seeds", "1", "-j1")
    assert ended.status == 0, ended.err
    assert {path.stem for path in (tmp_path / "output" / "plans").glob("*.json")} == {"quick", "all-methods"}


def test_quiet_says_nothing_where_all_is_well(command: Command) -> None:
    ended = command(
        "run", "quick", "--methods", "elr", "--epochs", 1, "--seeds", "1", "--setting", "symmetric 50%", "-q"
    )
    assert (ended.status, ended.out, ended.err) == (0, "", "")
    followed = command("status", "--follow")
    assert followed.status == 0 and "quick" in followed.out


def _started(root: Path) -> tuple[Store, list[Any]]:
    """A store in which a suite of two rows of one title was started."""
    specs = make_specs(["elr", "gce"], [("symmetric", 0.5)], [0], epochs=2)
    store = Store(root)
    store.write_plan(make_plan(specs, titles={"elr": "Ours", "gce": "ours"}))
    return store, specs


def test_status_tells_rows_of_one_title_apart(command: Command, tmp_path: Path) -> None:
    _started(tmp_path / "output")
    said = command("status", "quick").out
    assert "Ours (elr), symmetric 50%, seed 0" in said and "ours (gce), symmetric 50%, seed 0" in said


def test_status_in_a_log_says_nothing_twice(command: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store, specs = _started(tmp_path / "output")
    looks: list[float] = []

    def sleep(seconds: float) -> None:
        looks.append(seconds)
        if len(looks) == 3:
            for spec in specs:
                store.publish(*make_record(spec, size=20))

    monkeypatch.setattr("bench.commands.status.time.sleep", sleep)
    said = command("status", "--follow").out
    assert looks == [2.0] * 3
    rows = [line.split() for line in said.splitlines() if line.split()[:1] == ["quick"]]
    assert [row[1] for row in rows] == ["0", "2"]  # done


@pytest.mark.parametrize("kind", ["methods", "datasets", "noise", "views", "networks", "rules", "suites"])
def test_lists_fit_a_terminal(command: Command, kind: str) -> None:
    lines = command("list", kind).out.splitlines()
    names = [one["name"] for one in json.loads(command("list", kind, "--json").out)]
    assert [line.split()[0] for line in lines] == names
    assert max(len(line.encode()) for line in lines) <= 80
    assert command("list", kind, "--long").out != command("list", kind).out


def test_papers_say_what_can_be_made_again(command: Command) -> None:
    ended = command("papers")
    assert ended.status == 0 and max(map(len, ended.out.splitlines())) <= 80
    found = {one["key"]: one for one in json.loads(command("papers", "--json").out)}
    elr = found["elr-table1"]
    assert elr["commands"] == ["run elr-table1", "report --paper elr-table1"]
    assert elr["numbers"] == elr["of_cells"] == 112 and 0 < elr["as_published"] < 112 and elr["measured"] == 0
    assert found["tcl-readme"]["suites"] == [] and found["tcl-readme"]["of_cells"] == 0


@pytest.mark.parametrize("precision", ["fp32", "bf16"])
def test_papers_count_what_was_measured_on_any_device(tmp_path: Path, precision: Precision) -> None:
    cell, seeds = cells_of("sce-reproduction")[0]
    store = Store(tmp_path)
    for seed in range(seeds):
        store.publish(*make_record(in_precision(cell, precision).with_seed(seed).spec.as_json()))
    [found] = [one for one in papers(tmp_path) if one.key == "sce-reproduction"]
    assert found.measured == 1


@pytest.mark.parametrize("arguments", [("-h",), ("run", "-h"), ("data", "check", "-h")])
def test_short_help(command: Command, arguments: tuple[str, ...]) -> None:
    assert "Usage:" in command(*arguments).out
