"""Tables: what a cell says, holes, bold, the appendix, and the three ways to write them."""

from __future__ import annotations

import csv
import io
import math
import re
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from reports import (
    comparison,
    competition,
    curve_means,
    figure_matrices,
    figure_noise_rate,
    figure_overview,
    figure_selection,
    figures,
    leaderboard,
    measures,
    provenance,
    rule_tables,
    tables,
)
from reports.build import build_report
from reports.errors import ReportError
from reports.figure_style import house_style
from reports.gather import OTHERS, Section, gather, sections
from reports.model import Column, Table, TableCell, mean_text, p_text, percent, words
from reports.render import csv_text, markdown
from results import frame as frames
from results.export import export_jsonl
from results.merge import merge
from results.record import StoreError
from results.store import Store
from tests.synthetic_records import make_plan, make_record, make_spec, make_specs, make_store


def _section(root: Path, select: str | None = None, suite: str = "quick") -> Section:
    return next(found for found in sections(gather(root), select) if found.plan["suite"] == suite)


def _texts(table: Table) -> dict[str, list[str]]:
    """Row by the text of its first cell."""
    return {row[0].text: [cell.text for cell in row[1:]] for row in table.rows}


def _accuracy(section: Section) -> Table:
    (table,) = tables.accuracy_tables(section, competition.best_of(section))
    return table


def test_a_cell_shows_mean_deviation_and_n(tmp_path: Path) -> None:
    make_store(tmp_path, size=40, epochs=4)
    table = _accuracy(_section(tmp_path))
    frame = frames.load(tmp_path)
    values = frame[(frame["method"] == "elr") & (frame["noise"] == "symmetric 50%")]["accuracy_last"]
    assert _texts(table)["ELR"][0] == f"{100 * values.mean():.2f} ± {100 * values.std(ddof=1):.2f} (3)"
    assert [column.label for column in table.columns][1:3] == ["symmetric 50%", "asymmetric 40%"]
    assert "last epoch" in table.title
    assert _texts(table)["Co-teaching"][-1] == "ensemble, noise rate"


@pytest.mark.parametrize(
    ("figures", "text"),
    [
        ((0.5, math.nan, 1), "50.00 (1)"),
        ((0.5, 0.001, 2, 3), "50.00 ± 0.10 (2 of 3)"),
        ((0.123456, 0.0, 3, 3), "12.35 ± 0.00 (3)"),
    ],
)
def test_how_a_mean_is_written(figures: tuple[float, float, int], text: str) -> None:
    assert mean_text(*figures) == text


def test_signs_and_small_numbers() -> None:
    assert (percent(-0.0312, sign=True), percent(0.0312, sign=True)) == ("−3.12", "+3.12")
    assert percent(-0.00001, sign=True) == "0.00"
    assert percent(math.nan) == "–"
    assert (p_text(0.03125), p_text(2e-7), p_text(math.nan)) == ("0.031", "2e-07", "–")


def test_holes_say_why(tmp_path: Path) -> None:
    gaps = [("elr", "symmetric 50%", seed) for seed in range(3)] + [("car", "symmetric 50%", 2)]
    store = make_store(tmp_path, skip=gaps, size=40, epochs=4)
    store.fail(make_record(make_spec("elr", "symmetric", 0.5, 0, epochs=4))[0]["address"], "Traceback")
    material = gather(tmp_path, running=[make_record(make_spec("elr", "symmetric", 0.5, 1, epochs=4))[0]["address"]])
    table = _accuracy(next(sections(material)))
    assert _texts(table)["ELR"][0] == "– (1 running, 1 failed, 1 not started)"
    assert "(2 of 3)" in _texts(table)["CAR (NAL code, beta > 0)"][0]
    assert any("CAR (NAL code, beta > 0), symmetric 50%: 2 of 3 runs (1 not started)" in note for note in table.notes)
    hole = next(row for row in table.rows if row[0].text == "ELR")[1]
    assert hole.value is None and not hole.runs


def test_runs_that_others_handed_in_are_told(tmp_path: Path) -> None:
    store = make_store(tmp_path / "own", size=40, epochs=4)
    assert not any("handed in" in note for note in _accuracy(_section(store.root)).notes)
    export_jsonl(make_store(tmp_path / "theirs", ["elr"], size=40, epochs=4), "quick", tmp_path / "lines", "Ada")
    mixed = make_store(tmp_path / "mixed", ["cross_entropy"], size=40, epochs=4)
    merge([tmp_path / "lines"], mixed)
    section = _section(mixed.root)
    assert "Runs handed in by others, of 12: Ada 6." in _accuracy(section).notes
    told = dict(provenance.facts(section.material))["run by"]
    assert told == "Ada (6 of 12 runs), the owner of the records (6 of 12 runs)"
    _, rows = provenance.runs_table([section]).data or ((), ())
    assert {(row[3], row[-2]) for row in rows} == {("cross_entropy", ""), ("elr", "Ada")}


def test_the_selection_rule_is_stated_and_chosen(tmp_path: Path) -> None:
    make_store(tmp_path, size=40, epochs=8)
    last, best = (_accuracy(_section(tmp_path, rule)) for rule in ("last", "best_test"))
    assert last.rows[0][1].text != best.rows[0][1].text
    assert "oracle" in best.title and any("oracle" in note for note in best.notes)
    with pytest.raises(StoreError, match="unknown selection rule 'first'"):
        build_report(tmp_path, tmp_path / "report", select="first")
    assert not (tmp_path / "report").exists()


def test_nothing_is_bold_without_a_test(tmp_path: Path) -> None:
    make_store(tmp_path, seeds=[0, 1], size=40, epochs=4)
    table = _accuracy(_section(tmp_path))
    assert not any(cell.bold for row in table.rows for cell in row)
    assert any("not testable: 4 pairs" in note for note in table.notes)


def test_bold_follows_the_test(tmp_path: Path) -> None:
    rates = [("symmetric", rate) for rate in (0.2, 0.3, 0.4, 0.5)]
    make_store(tmp_path, ["cross_entropy", "elr", "gce"], rates, range(4), size=40, epochs=4)
    section = _section(tmp_path)
    best = competition.best_of(section)
    assert best is not None and best.method == "elr" and "cross_entropy" not in best.bold
    bold = {row[0].text for row in _accuracy(section).rows if row[0].bold}
    assert bold == {section.methods[name] for name in best.bold}
    assert "**ELR**" in markdown(_accuracy(section))


def test_a_reproduction_is_not_ranked(tmp_path: Path) -> None:
    rates = [("symmetric", rate) for rate in (0.2, 0.3, 0.4, 0.5)]
    make_store(tmp_path, ["cross_entropy", "elr"], rates, range(4), purpose="reproduce", size=40, epochs=4)
    section = _section(tmp_path)
    table = _accuracy(section)
    assert "mean of settings" not in [column.label for column in table.columns]
    assert not any(cell.bold for row in table.rows for cell in row)
    with pytest.raises(StoreError, match="nothing is ranked"):
        competition.competitors(section)


def test_a_row_with_a_rule_of_its_own_is_told_wherever_its_number_stands(tmp_path: Path) -> None:
    specs = make_specs(["cross_entropy", "elr"], [("symmetric", 0.4), ("symmetric", 0.5)], [0], epochs=12)
    plan = make_plan(specs, purpose="reproduce")
    for cell in plan["cells"][1::2]:
        cell["selection"] = "last_mean"
    store = Store(tmp_path)
    store.write_plan(plan)
    for spec in specs:
        store.publish(*make_record(spec, size=40))
    section, told = _section(tmp_path), "ELR: mean of the last 10 epochs, as its paper reports it."
    with house_style():
        drawn = [
            draw(section) for draw in (figure_overview.accuracy, figure_overview.cost, figure_noise_rate.noise_rate)
        ]
    assert [each is not None and told in each.caption for each in drawn] == [True] * 3
    assert told in leaderboard.boards(section, "suite-quick", {})[0].notes
    assert told in _accuracy(section).notes
    whole = _section(tmp_path, "last")  # asked for, it holds for every row
    assert told not in _accuracy(whole).notes + leaderboard.boards(whole, "suite-quick", {})[0].notes


def test_bounds_do_not_compete(tmp_path: Path) -> None:
    store = Store(tmp_path)
    specs = make_specs(["cross_entropy", "elr", "gce"], [("symmetric", 0.5)], range(3), epochs=4)
    for spec in specs:
        record, arrays = make_record(spec, size=40, shift=0.3 if spec["method"]["name"] == "gce" else 0.0)
        record["privileges"] = ["clean labels"] if spec["method"]["name"] == "gce" else []
        store.publish(record, arrays)
    store.write_plan(make_plan(specs))
    section = _section(tmp_path)
    best = competition.best_of(section)
    assert best is not None and best.method == "elr"
    assert any("neither ranked nor tested" in note for note in _accuracy(section).notes)
    assert all("GCE" not in row[0].text for row in comparison.comparison_tables(section, best)[1].rows)


def test_a_bound_that_has_not_run_does_not_compete_either(tmp_path: Path) -> None:
    specs = make_specs(["cross_entropy", "elr", "gce"], [("symmetric", 0.5)], range(3), epochs=4)
    for spec in specs:
        spec["dataset"]["training_rows"] = "clean_only" if spec["method"]["name"] == "gce" else "all"
    store = Store(tmp_path)
    store.write_plan(make_plan(specs))
    for spec in specs:
        if spec["method"]["name"] != "gce":
            store.publish(*make_record(spec, size=40))
    section = _section(tmp_path)
    assert section.clean_rows == {"gce"}
    best = competition.best_of(section)
    assert best is not None and best.incomplete == ()  # a missing row would be a missing test


def test_differences_and_tests_to_cross_entropy(tmp_path: Path) -> None:
    rates = [("symmetric", rate) for rate in (0.2, 0.4)]
    make_store(tmp_path, ["cross_entropy", "elr"], rates, range(6), size=40, epochs=4)
    section = _section(tmp_path)
    best = competition.best_of(section)
    assert best is not None
    differences, test, _, wins = comparison.comparison_tables(section, best)
    frame = frames.load(tmp_path).set_index(["method", "noise", "seed"])["accuracy_last"]
    gaps = [frame["elr", "symmetric 40%", seed] - frame["cross_entropy", "symmetric 40%", seed] for seed in range(6)]
    row = next(row for row in differences.rows if row[0].text == "symmetric 40%")
    assert row[3].text == percent(float(np.mean(gaps)), sign=True)
    assert row[4].text.startswith("[+") and len(row[3].runs) == 12
    (line,) = test.rows
    assert [cell.text for cell in line[1:3]] == ["12", "2"]
    assert line[7].text == p_text(2.0**-11)  # 12 pairs, one test in the family
    assert line[4].text == "2 / 0 / 0"
    assert _texts(wins)["ELR"][0] == "2 / 0 / 0"
    assert any("needs at least 10 settings" in note for note in wins.notes)


def test_one_run_has_no_interval_and_no_p(tmp_path: Path) -> None:
    make_store(tmp_path, ["cross_entropy", "elr"], seeds=[0], size=40, epochs=4)
    section = _section(tmp_path)
    best = competition.best_of(section)
    assert best is not None
    for row in comparison.comparison_tables(section, best)[0].rows:
        assert [row[4].text, row[5].text, row[7].text] == ["–", "–", "not testable"]


def test_every_rule_stands_in_the_appendix(tmp_path: Path) -> None:
    specs = make_specs(["elr"], [("symmetric", 0.5)], [0], epochs=4)
    store = Store(tmp_path)
    for spec in specs:
        record, arrays = make_record(spec, size=40)
        del record["selection"]["clean_validation"]
        store.publish(record, arrays)
    store.write_plan(make_plan(specs))
    table = rule_tables.rules_table(_section(tmp_path))
    assert [column.label for column in table.columns[2:]][2] == "best test epoch (oracle)"
    assert table.rows[0][-1].text == "– (1 done with no clean validation split)"


def _reversed_by_the_oracle(root: Path, *elr_marks: str) -> Section:
    """ELR ends before cross-entropy, which has the better best test epoch."""
    specs = make_specs(["cross_entropy", "elr"], [("symmetric", 0.5)], [0], epochs=4)
    store = Store(root)
    for spec, last, best, marks in zip(specs, (0.6, 0.7), (0.9, 0.8), ((), elr_marks), strict=True):
        record, arrays = make_record(spec, size=40)
        for name in record["selection"]:
            record["selection"][name]["test_accuracy"] = best if name == "best_test" else last
        record["privileges"] = list(marks)
        store.publish(record, arrays)
    store.write_plan(make_plan(specs))
    return _section(root)


def test_changes_of_order_name_the_pair(tmp_path: Path) -> None:
    section = _reversed_by_the_oracle(tmp_path)
    assert "symmetric 50%: Cross-entropy over ELR" in rule_tables.order_hint(section)
    (line,) = rule_tables.order_lines(section)
    assert "Cross-entropy overtakes ELR by best test epoch (oracle)" in line
    table = rule_tables.order_table(section)
    assert table is not None and [cell.text for cell in table.rows[0][1:3]] == ["ELR", "Cross-entropy"]


def test_of_many_changes_of_order_the_widest_are_named(tmp_path: Path) -> None:
    names = ["cross_entropy", "elr", "car", "gce", "co_teaching"]
    specs = make_specs(names, [("symmetric", 0.5)], [0], epochs=4)
    store = Store(tmp_path)
    for position, spec in enumerate(specs):  # the oracle turns the whole order round
        record, arrays = make_record(spec, size=40)
        for name in record["selection"]:
            sign = -1 if name == "best_test" else 1
            record["selection"][name]["test_accuracy"] = 0.5 + sign * 0.01 * position**2
        store.publish(record, arrays)
    store.write_plan(make_plan(specs))
    hint = rule_tables.order_hint(_section(tmp_path))
    told = hint.partition(" in ")[2].split("; ")
    assert len(told) == 5 and told[0] == "symmetric 50%: Cross-entropy over Co-teaching"
    assert told[-1].startswith("and 6 more pairs (table ") and told[-1].endswith("-order)")


def test_a_bound_has_no_place_in_the_order(tmp_path: Path) -> None:
    section = _reversed_by_the_oracle(tmp_path, "clean labels")
    assert rule_tables.order_table(section) is None
    assert (rule_tables.order_lines(section), rule_tables.order_hint(section)) == ([], "")


@pytest.mark.parametrize(("model", "said"), [("clean", False), ("labels_file", True)])
def test_only_noise_that_is_drawn_once_is_told_of(model: str, said: bool, tmp_path: Path) -> None:
    store = Store(tmp_path)
    specs = [make_spec("elr", model, 0.0, seed) for seed in range(3)]
    for spec in specs:
        record, arrays = make_record(spec, size=40)
        record["noise"]["fingerprint"] = "f" * 64
        store.publish(record, arrays)
    store.write_plan(make_plan(specs))
    assert any("share one set" in note for note in _accuracy(_section(tmp_path)).notes) == said


def test_detection_and_measures(tmp_path: Path) -> None:
    make_store(tmp_path, ["co_teaching", "car"], [("clean", 0.0), ("symmetric", 0.5)], size=40, epochs=4)
    section = _section(tmp_path)
    detection = measures.detection_table(section)
    assert detection is not None
    assert {row[0].text for row in detection.rows} == {"symmetric 50%"}
    by_name = {row[1].text: dict(zip([c.label for c in detection.columns], row, strict=True)) for row in detection.rows}
    assert by_name["CAR (NAL code, beta > 0)"]["ROC-AUC, own"].text == "93.00 ± 0.00 (3)"
    assert by_name["Co-teaching"]["ROC-AUC, own"].text == "–"
    assert by_name["Co-teaching"]["recall"].text == "90.00 ± 0.00 (3)"
    other = measures.measures_table(section)
    assert other is not None
    assert "member 2" in [column.label for column in other.columns]


def test_the_noise_table_tells_nominal_from_actual(tmp_path: Path) -> None:
    make_store(tmp_path, ["elr", "car"], [("symmetric", 0.5)], [0, 1], size=200, epochs=4)
    table = measures.noise_table(_section(tmp_path))
    assert table is not None and len(table.rows) == 2
    assert table.rows[0][2].text == "50.00" != table.rows[0][3].text
    assert not any(note.startswith("Nominal rate") for note in table.notes)


def test_noise_that_takes_no_rate_has_no_nominal_one(tmp_path: Path) -> None:
    store = Store(tmp_path)
    specs = [make_spec("elr", model, 0.0, 0, epochs=3) for model in ("clean", "cifar10n_worst", "own")]
    for spec, nominal in zip(specs, (0.0, 0.40208, None), strict=True):
        record, arrays = make_record(spec, size=40)
        record["noise"] |= {"nominal_rate": nominal, "actual_rate": nominal}
        store.publish(record, arrays)
    store.write_plan(make_plan(specs))
    table = measures.noise_table(_section(tmp_path))
    assert table is not None
    assert [[cell.text for cell in row[2:4]] for row in table.rows] == [["0.00", "0.00"], ["–", "40.21"], ["–", "–"]]
    assert any(note.startswith("Nominal rate: –") for note in table.notes)


def test_a_suite_of_two_data_sets_has_two_tables(tmp_path: Path) -> None:
    specs = [make_spec("elr", "symmetric", 0.5, 0, dataset=name, epochs=3) for name in ("digits", "cifar10")]
    store = Store(tmp_path)
    for spec in specs:
        store.publish(*make_record(spec, size=40))
    store.write_plan(make_plan(specs))
    section = _section(tmp_path)
    found = tables.accuracy_tables(section, competition.best_of(section))
    assert [table.name for table in found] == ["quick-accuracy-digits", "quick-accuracy-cifar10"]
    assert "CIFAR-10, symmetric 50%" in {row[0].text for row in rule_tables.rules_table(section).rows}


def test_each_suite_has_its_section(tmp_path: Path) -> None:
    make_store(tmp_path, ["elr"], seeds=[0], size=40, epochs=3)
    make_store(tmp_path, ["elr"], seeds=[0], size=40, epochs=3, suite="paper", purpose="reproduce")
    store = make_store(tmp_path, ["gce"], seeds=[1], size=40, epochs=3, suite="third")
    (tmp_path / "plans" / "third.json").unlink()
    assert store.plans().keys() == {"quick", "paper"}
    found = list(sections(gather(tmp_path)))
    assert [section.plan["suite"] for section in found] == ["quick", "paper", OTHERS]
    assert set(found[2].methods) == {"gce"}


def test_suites_that_read_alike_share_no_name(tmp_path: Path) -> None:
    names = ["a b", "a-b", "-a-b", "β", "日本", "suite", "cifar10-lite.v2_x"]
    for name in names:
        make_store(tmp_path, ["elr"], [("clean", 0.0)], [0], size=40, epochs=3, suite=name)
    found = {section.plan["suite"]: section.name for section in sections(gather(tmp_path))}
    assert len(set(found.values())) == len(found) == len(names)
    assert all(re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9_.-]*", name) for name in found.values())
    assert {name for name in names if found[name] == name} == {"a-b", "suite", "cifar10-lite.v2_x"}
    assert re.fullmatch("suite-[0-9a-f]{6}", found["β"])


def test_nothing_to_report_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "records").mkdir()
    with pytest.raises(ReportError, match="no records and no plan"):
        build_report(tmp_path, tmp_path / "report")
    with pytest.raises(StoreError, match="no such file or folder"):
        build_report(tmp_path / "absent", tmp_path / "report")
    assert not (tmp_path / "report").exists()


def test_a_damaged_record_is_told_and_left_out(tmp_path: Path) -> None:
    store = make_store(tmp_path, ["elr"], [("symmetric", 0.5)], [0, 1], size=40, epochs=3)
    address = store.addresses()[0]
    store.record_path(address).write_text("{")
    material = gather(tmp_path)
    assert len(material.warnings) == 1 and address in material.warnings[0]
    assert "(1 of 2)" in _accuracy(next(sections(material))).rows[0][1].text


def test_what_changes_while_a_report_reads_does_not_matter(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each record is read once; what is deleted or published after that is another report's business."""
    store = make_store(tmp_path, ["elr", "car"], [("symmetric", 0.5)], [0, 1], size=40, epochs=3)
    path, of = store.record_path(store.addresses()[0]), frames.of

    def framed(*arguments: Any) -> pd.DataFrame:
        path.unlink()
        return of(*arguments)

    monkeypatch.setattr(frames, "of", framed)
    material = gather(tmp_path)
    assert len(material.records) == 4
    assert set(material.records) == set(material.frame["address"]) == set(material.curves["address"])


def test_markdown_escapes() -> None:
    table = Table(
        "t", "50% | <b>", (Column("a_b", False), Column("n")), ((words("x|y *z*"), TableCell("1 ± 2")),), ("#1",)
    )
    text = markdown(table)
    assert "| x\\|y \\*z\\* | 1 ± 2 |" in text and "&lt;b>" in text
    table = Table("t", "t", (Column("a", False),), ((words(r"\|x \[a\](b) &lt;"),),))
    assert r"| \\\|x \\\[a\\\](b) &amp;lt; |" in markdown(table)


def test_csv_has_full_numbers(tmp_path: Path) -> None:
    make_store(tmp_path, ["elr"], seeds=[0], size=40, epochs=4)
    rows = list(csv.DictReader(io.StringIO(csv_text(_accuracy(_section(tmp_path))))))
    assert rows[0]["setting"] == "symmetric 50%" and rows[0]["std_percent"] == ""
    assert float(rows[0]["mean_percent"]) == pytest.approx(100 * frames.load(tmp_path)["accuracy_last"].iloc[1])
    assert rows[0]["n"] == "1"


def test_records_as_lines_have_no_arrays_but_tables(tmp_path: Path) -> None:
    store = make_store(tmp_path, ["elr"], seeds=[0], size=40, epochs=4)
    lines = tmp_path / "elsewhere" / "quick.jsonl"
    lines.parent.mkdir()
    files = [store.record_path(address).read_text().replace("\n", " ") for address in store.addresses()]
    lines.write_text("\n".join(files) + "\n")
    lines.with_name("quick.plan.json").write_text((tmp_path / "plans" / "quick.json").read_text())
    (section,) = sections(gather(lines))
    assert section.material.arrays(store.addresses()[0]) is None
    assert len(_accuracy(section).rows) == 1


def _without_truth(root: Path) -> Section:
    spec = make_spec("elr", "own", 0.0, 0, dataset="clothing1m", epochs=3)
    record, arrays = make_record(spec, size=40)
    record["noise"] |= dict.fromkeys(("actual_rate", "expected_rate", "train_rate", "matrix"))
    record["data"] |= {"true_labels": "unknown", "test_labels": "given"}
    record["detection"] = {}
    del record["curves"]["memorisation"], record["final"]["predicted_matrix"]
    store = Store(root)
    store.publish(record, {name: values for name, values in arrays.items() if name != "true"})
    store.write_plan(make_plan([spec]))
    return _section(root)


def test_labels_of_which_nobody_knows_the_truth(tmp_path: Path) -> None:
    section = _without_truth(tmp_path)
    notes = " ".join(_accuracy(section).notes)
    assert "test labels are given ones" in notes and "true labels of the training images are not known" in notes
    assert measures.detection_table(section) is None
    noise = measures.noise_table(section)
    assert noise is not None and [cell.text for cell in noise.rows[0][3:5]] == ["–", "–"]
    assert noise.rows[0][3].value is None
    with house_style():
        names = {drawn.name for drawn in figures.draw(section)}
    assert "quick-samples" in names
    assert not names & {"quick-memorisation", "quick-detection", "quick-scores", "quick-transitions"}


def test_tuning_trials_are_left_out(tmp_path: Path) -> None:
    store = make_store(tmp_path, ["elr"], seeds=[0], size=40, epochs=3)
    trials = [make_spec("elr", "symmetric", 0.5, 1000, epochs=3)]
    for spec in trials:
        store.publish(*make_record(spec, size=40))
    store.write_plan(make_plan(trials, suite="tune-elr") | {"tuning": True})
    assert [section.plan["suite"] for section in sections(gather(tmp_path))] == ["quick"]


def test_how_members_are_scored_is_told(tmp_path: Path) -> None:
    make_store(tmp_path, ["elr", "co_teaching"], seeds=[0], size=40, epochs=3, scored="ensemble")
    assert "Methods with several networks are scored by their ensemble." in _accuracy(_section(tmp_path)).notes


def test_a_table_over_several_devices_names_them(tmp_path: Path) -> None:
    specs = [make_spec("elr", "symmetric", 0.5, seed) for seed in (0, 1)]
    store = Store(tmp_path)
    for spec, device in zip(specs, ("AMD EPYC, family 26, model 2", "AMD EPYC, family 25, model 17"), strict=True):
        record, arrays = make_record(spec, size=40)
        record["execution"]["device_name"] = device
        store.publish(record, arrays)
    store.write_plan(make_plan(specs))
    named = "several devices (AMD EPYC, family 25, model 17; AMD EPYC, family 26, model 2)"
    assert any(named in note for note in _accuracy(_section(tmp_path)).notes)


def _records(root: Path, executions: dict[str, dict[str, Any]]) -> Section:
    """A suite of one seed whose rows were executed as said: row -> what its record's `execution` has."""
    specs = make_specs(list(executions), [("symmetric", 0.5)], [0], epochs=4)
    store = Store(root)
    for spec in specs:
        record, arrays = make_record(spec, size=40)
        record["execution"] |= executions[spec["method"]["name"]]
        store.publish(record, arrays)
    store.write_plan(make_plan(specs))
    return _section(root)


def test_costs_of_several_machines_never_stand_without_a_word(tmp_path: Path) -> None:
    made = {
        "elr": {"host": "office-7", "device_name": "AMD EPYC", "seconds": 10.0},
        "gce": {"host": "attic", "device_name": "AMD EPYC", "seconds": 30.0},
    }
    section = _records(tmp_path / "two", made)
    table = _accuracy(section)
    (note,) = (note for note in table.notes if "Cost figures" in note)
    assert "means over runs on 2 machines" in note
    assert "column machines of the csv" in note
    rows = {row["method"]: row for row in csv.DictReader(io.StringIO(csv_text(table)))}
    assert {name: row["machines"] for name, row in rows.items()} == {
        "elr": "AMD EPYC, host 2",
        "gce": "AMD EPYC, host 1",
    }
    assert {name: float(row["seconds_per_run"]) for name, row in rows.items()} == {"elr": 10.0, "gce": 30.0}
    runs = list(csv.DictReader(io.StringIO(csv_text(provenance.runs_table([section])))))
    assert {row["method"]: row["machine"] for row in runs} == {name: row["machines"] for name, row in rows.items()}
    assert not any(host in csv_text(table) + markdown(table) for host in ("office-7", "attic"))
    with house_style():
        picture = figure_overview.cost(section)
    assert picture is not None
    assert "means over runs on 2 machines" in picture.caption

    one = _accuracy(_records(tmp_path / "one", {name: {**made[name], "host": "attic"} for name in made}))
    (note,) = (note for note in one.notes if "Cost figures" in note)
    assert note.endswith("Cost figures are means and depend on the machine.")

    half = _accuracy(_records(tmp_path / "half", {"elr": {"host": "attic"}, "gce": {"host": None}}))
    (note,) = (note for note in half.notes if "Cost figures" in note)
    assert note.endswith("which the records do not name: it may be several.")

    unnamed = {name: {**made["elr"], "host": None} for name in ("sce", "selc")}
    mixed = _accuracy(_records(tmp_path / "mixed", made | unnamed))
    (note,) = (note for note in mixed.notes if "Cost figures" in note)
    assert "means over runs on 2 machines and on unknown ones (2 runs of records that name none) and depend" in note
    mixed = _accuracy(_records(tmp_path / "fewer", made | {"sce": unnamed["sce"]}))
    (note,) = (note for note in mixed.notes if "Cost figures" in note)
    assert "on 2 machines and on unknown ones (1 run of records that name none)" in note


def test_every_mean_over_rows_says_which_rows_are_in(tmp_path: Path) -> None:
    store = Store(tmp_path)
    specs = make_specs(["co_teaching", "gce"], [("symmetric", 0.5)], [0], epochs=2)
    for spec in specs:
        bound = spec["method"]["name"] == "gce"
        spec["dataset"]["training_rows"] = "clean_only" if bound else "all"
        record, arrays = make_record(spec, size=60)
        record["noise"]["train_rate"] = 0.0 if bound else 0.4
        record["privileges"] = ["clean labels"] if bound else []
        if bound:
            record["noise"]["matrix"] = np.eye(len(record["noise"]["matrix"])).tolist()
        else:
            record["curves"]["observed"] = {
                "selected": {"epoch": [1, 2], "clean": [0.5, 0.9], "mislabelled": [0.5, 0.1]}
            }
        store.publish(record, arrays)
    store.write_plan(make_plan(specs))
    section = _section(tmp_path)
    title = section.methods["gce"]
    left_out = f"of all rows but those trained with clean labels: {title}"
    table = measures.noise_table(section)
    assert table is not None
    assert [row[4].text for row in table.rows] == ["40.00"]
    assert any("without the rows trained with clean labels" in note and title in note for note in table.notes)
    with house_style():
        chosen = figure_selection.selection(section, curve_means.curves_of(section))
        matrices = figure_matrices.transitions(section)
    assert chosen is not None and matrices is not None
    assert left_out in chosen.caption and left_out in matrices.caption
    dashed = [
        line for line in chosen.figure.axes[0].lines if line.get_linestyle() == "--" and len(line.get_xdata()) == 2
    ]
    assert {float(line.get_ydata()[0]) for line in dashed} == {0.6}  # with the clean row it would be 0.8


def test_a_setting_of_bounds_alone_has_no_share_in_training(tmp_path: Path) -> None:
    specs = make_specs(["gce"], [("symmetric", 0.5)], [0], epochs=2)
    specs[0]["dataset"]["training_rows"] = "clean_only"
    Store(tmp_path).publish(*make_record(specs[0], size=40))
    Store(tmp_path).write_plan(make_plan(specs))
    table = measures.noise_table(_section(tmp_path))
    assert table is not None
    assert [row[4].text for row in table.rows] == ["–"]
