"""Selection rules: what each makes of a record, of which curve, and what a plug-in may declare."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from command_line import Command
from synthetic_records import make_record, make_spec, make_store

from reports.gather import gather, sections
from reports.rule_tables import rules_table
from results import frame
from results.record import StoreError
from results.selection_rules import RULES, SelectionRule


@pytest.fixture
def record() -> Any:
    found: Any = make_record(make_spec("elr", "symmetric", 0.5, 0, epochs=8))[0]
    found["curves"] |= {
        "test_accuracy": [0.1, 0.2, 0.9, 0.3, 0.4, 0.5, 0.6, 0.7],
        "test_top5": [0.3, 0.4, 0.91, 0.93, 0.9, 0.8, 0.8, 0.85],
        "imagenet_accuracy": [0.2, 0.1, 0.3, 0.35, 0.3, 0.3, 0.2, 0.1],
    }
    found["selection"] = {
        "last": {"epoch": 8, "test_accuracy": 0.7},
        "last_mean": {"epochs": 8, "test_accuracy": 0.4625},
        "best_test": {"epoch": 3, "test_accuracy": 0.9},
    }
    return found


@pytest.mark.parametrize(
    ("rule", "accuracy", "top5", "imagenet"),
    [
        ("last", 0.7, 0.85, 0.1),
        ("best_test", 0.9, 0.91, 0.3),
        ("best_test_each", 0.9, 0.93, 0.35),
        ("last_5_mean", 0.5, 0.856, 0.25),
        ("clean_validation", math.nan, math.nan, math.nan),
        ("clean_validation_each", math.nan, math.nan, math.nan),
    ],
)
def test_each_rule_by_hand(rule: str, accuracy: float, top5: float, imagenet: float, record: Any) -> None:
    found = [RULES[rule].number(record, curve) for curve in ("test_accuracy", "test_top5", "imagenet_accuracy")]
    assert found == pytest.approx([accuracy, top5, imagenet], nan_ok=True)
    assert math.isnan(RULES[rule].number(record, "unknown_accuracy"))


def test_every_rule_says_who_reports_so() -> None:
    assert all(rule.source and rule.title and rule.lacks for rule in RULES)


def test_a_value_that_is_none_is_refused(record: Any) -> None:
    for value, told in ((lambda record, curve: 7, "7.0 is no number in"), (lambda record, curve: 1 / 0, "Division")):
        with pytest.raises(StoreError, match=f"selection rule 'odd': record {record['address'][:12]}.*{told}"):
            SelectionRule("odd", "Odd", "none", value).number(record)


def test_frames_have_the_new_rules_of_old_records(tmp_path: Path) -> None:
    make_store(tmp_path, ["elr"], epochs=8)
    table = frame.load(tmp_path)
    curves = [one["curves"]["test_accuracy"] for one in frame.records(tmp_path)]
    assert sorted(table["accuracy_last_5_mean"]) == pytest.approx(sorted(sum(one[-5:]) / 5 for one in curves))
    assert table["accuracy_clean_validation_each"].isna().all()


def test_tables_show_a_rule_beside_the_five_where_it_is_asked_for(tmp_path: Path) -> None:
    make_store(tmp_path, ["cross_entropy", "elr"], epochs=8)

    def titles(select: str | None) -> list[str]:
        (section,) = sections(gather(tmp_path), select)
        return [column.label for column in rules_table(section).columns[2:]]

    five = [rule.title for rule in RULES if rule.shown == "always"]
    assert titles(None) == titles("best_test") == five
    assert titles("last_5_mean") == [*five, "mean of the last 5 epochs"]


PLUG = """
from results.selection_rules import SelectionRule


def median(record, curve):
    values = sorted(record["curves"].get(curve, ()))
    return values[len(values) // 2] if values else None


SELECTION_RULES = [SelectionRule("median", "median epoch", "none", median)]
"""


def test_a_rule_of_a_plug_in_makes_a_report_of_runs_made_before(command: Command, tmp_path: Path) -> None:
    make_store(tmp_path / "output", ["cross_entropy", "elr"], epochs=5)
    (tmp_path / "plug.py").write_text(PLUG)
    rows = json.loads(command("list", "rules", "--json", "--plugin", "plug.py").out)
    assert {"name": "median", "title": "median epoch", "needs": "", "source": "none"} in rows
    ended = command("report", "--select", "median", "--plugin", "plug.py")
    assert ended.status == 0, ended.err
    curves = [
        one["curves"]["test_accuracy"] for one in frame.records(tmp_path / "output")
        if (one["titles"]["method"], one["spec"]["noise"]["rate"]) == ("ELR", 0.5)
    ]  # fmt: skip
    mean = 100 * sum(sorted(one)[2] for one in curves) / len(curves)
    text = (tmp_path / "output" / "report" / "tables" / "quick-accuracy.md").read_text(encoding="utf-8")
    assert "median epoch" in text and f"{mean:.2f} ± " in text
    header, *_ = (tmp_path / "output" / "report" / "tables" / "runs.csv").read_text(encoding="utf-8").splitlines()
    assert "accuracy_median" in header


FAULTS = {
    "no rule": ('[SelectionRule("median", "median epoch", "none", median)]', "[5]", "must be a list of"),
    "taken": ('"median", "median epoch"', '"last", "median epoch"', "'last' is taken by a built-in selection rule"),
    "odd name": ('"median", "median epoch"', '"Me dian", "median epoch"', "a name is of small letters"),
    "no title": ('"median epoch"', '""', "`title` must be a text"),
    "no source": ('"none", median', '"", median', "`source` must be a text"),
    "no function": ('"none", median', '"none", 5', "`value` must be a function value(record, curve)"),
    "needs": ('"none", median', '"none", median, needs="test"', "`needs` = 'test': must be one of '', 'noisy'"),
    "shown": ('"none", median', '"none", median, shown="now"', "`shown` = 'now': must be one of 'always'"),
}  # fmt: skip


@pytest.mark.parametrize("case", FAULTS)
def test_a_fault_in_a_declaration_is_refused(case: str, refused: Callable[..., str], tmp_path: Path) -> None:
    old, new, expected = FAULTS[case]
    assert old in PLUG
    plug = tmp_path / "plug.py"
    plug.write_text(PLUG.replace(old, new, 1))
    line = refused("list", "rules", "--plugin", plug)
    assert line.startswith(f"error: {plug}: ") and expected in line
