"""Paper tables: which run stands beside which published number, what is coloured, and what is said of the rest."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from bench import report
from bench.api.prices import prices_of
from reports.build import build_report
from reports.gather import Section, gather, sections
from reports.latex import latex
from reports.model import Table, TableCell, with_decimals
from reports.paper import paper_tables
from reports.paper_cells import Prices
from reports.render import markdown
from reports.reproduction import against_table
from results import frame as frames
from results import published
from results.record import StoreError
from results.store import Store
from tests.synthetic_records import make_plan, make_record, make_spec, make_store

HEADER = "source,method,method_title,dataset,noise_model,noise_rate,network,epochs,selection_rule,mean,std,n,note\n"


def _store(root: Path, methods: tuple[str, ...] = ("elr",), seeds: int = 3, *, suite: str = "elr-table1",
           purpose: str = "reproduce", run: bool = True, **options: Any) -> Store:  # fmt: skip
    store = Store(root)
    settings = {"dataset": "cifar10", "network": "resnet34", "epochs": 3} | options
    specs = [make_spec(method, "symmetric", 0.2, seed, **settings) for method in methods for seed in range(seeds)]
    for spec in specs if run else []:
        record, arrays = make_record(spec, size=40)
        for name in record["selection"]:
            record["selection"][name]["test_accuracy"] = 0.91 + 0.002 * spec["seed"]
        store.publish(record, arrays)
    store.write_plan(make_plan(specs, suite=suite, purpose=purpose))
    return store


def _sections(root: Path) -> list[Section]:
    return list(sections(gather(root)))


def _own(tmp_path: Path, *rows: str) -> Path:
    file = tmp_path / "mine.csv"
    file.write_text(HEADER + "\n".join(rows) + "\n")
    return file


def _cell(table: Table, method: str, column: str = "symmetric 20%") -> TableCell:
    place = [each.label for each in table.columns].index(column)
    return next(row[place] for row in table.rows if row[0].text == method)


@pytest.mark.parametrize(
    ("mean", "std", "tone"),
    [("91.9", "0.1", "near"), ("92.2", "0.05", "near"), ("92.3", "2.0", "uncertain"), ("95.0", "0.1", "apart"),
     ("95.0", "", "apart"), ("89.0", "0.1", "apart")],
)  # fmt: skip
def test_matching_protocols_are_coloured(tmp_path: Path, mean: str, std: str, tone: str) -> None:
    _store(tmp_path)
    file = _own(tmp_path, f"a paper,elr,ELR,cifar10,symmetric,0.2,resnet34,3,last,{mean},{std},3,")
    (table,) = paper_tables(_sections(tmp_path), None, file, None)
    cell = _cell(table, "ELR")
    assert cell.tone == tone
    assert cell.text.startswith("91.20 ± 0.20 (3) | " + mean)
    marks = {"near": r" $\surd$", "uncertain": r" \textasciitilde{}", "apart": r" $\times$"}
    (row,) = [line for line in latex(table).splitlines() if line.startswith("ELR &")]
    assert (marks[tone] + "}") in row
    assert cell.text.endswith(f"{91.2 - float(mean):+.2f}".replace("-", "−"))
    assert len(cell.runs) == 3
    theirs, gap = f"{float(mean):.1f} ± {float(std):.1f}" if std else mean, f"{91.2 - float(mean):+.1f}"
    assert with_decimals(cell, 1).text == f"91.2 ± 0.2 (3) | {theirs} (3) | {gap.replace('-', '−')}"


def test_a_differing_protocol_is_grey_and_named(tmp_path: Path) -> None:
    _store(tmp_path)
    file = _own(tmp_path, "a,elr,ELR,cifar10,symmetric,0.2,preact_resnet18,300,best_test,91.2,0.1,3,",
                "a,elr,ELR two,cifar10,symmetric,0.2,resnet34,3,unknown,91.2,0.1,3,")  # fmt: skip
    (first,) = paper_tables(_sections(tmp_path), None, file, "last")
    second = _cell(first, "ELR two")
    cell = _cell(first, "ELR")
    assert cell.tone == second.tone == "grey"
    assert cell.text.endswith("0.00 (a)") and second.text.endswith("0.00 (b)")
    assert "(a) not comparable: network: preact resnet18 there, resnet34 here; epochs: 300 there, 3 here" in "".join(
        first.notes
    )
    assert "(b) not comparable: selection rule: unknown there, last here." in first.notes
    assert "✓" not in "".join(line for line in markdown(first).splitlines() if line.startswith("| ELR"))


def test_a_subset_is_never_comparable(tmp_path: Path) -> None:
    spec = make_spec("elr", "symmetric", 0.2, 0, dataset="cifar10", network="resnet34", epochs=3)
    spec["dataset"]["subset"] = 10000
    store = Store(tmp_path)
    store.publish(*make_record(spec, size=40))
    store.write_plan(make_plan([spec], purpose="reproduce"))
    file = _own(tmp_path, "a,elr,ELR,cifar10,symmetric,0.2,resnet34,3,last,91.2,0.1,3,")
    (table,) = paper_tables(_sections(tmp_path), None, file, None)
    assert _cell(table, "ELR").tone == "grey"
    assert any("subset: all images there, 10000 here" in note for note in table.notes)


def test_cells_without_runs_say_why(tmp_path: Path) -> None:
    _store(tmp_path, ("elr", "gce"), run=False)
    tables = paper_tables(_sections(tmp_path), "elr-table1", None, None)
    assert [table.name for table in tables] == ["paper-elr-table1", "paper-elr-table1-2"]
    assert _cell(tables[0], "ELR").text == "– (3 not started) | 91.16 ± 0.08 (5)"
    assert _cell(tables[0], "Bootstrap").text.startswith("– (not planned) | 86.23")
    assert with_decimals(_cell(tables[0], "ELR"), 1).text == "– (3 not started) | 91.2 ± 0.1 (5)"
    assert [column.label for column in tables[0].columns][1:5] == [f"symmetric {rate}%" for rate in (20, 40, 60, 80)]
    assert not any(cell.tone for table in tables for row in table.rows for cell in row)


def test_what_a_source_leaves_open_and_which_networks_differ_is_said(tmp_path: Path) -> None:
    _store(tmp_path, network="torchvision_resnet34", epochs=120)
    report(tmp_path, tmp_path / "report", paper="elr-table1")
    text = (tmp_path / "report" / "tables" / "paper-elr-table1.md").read_text().replace("\\", "")
    row = next(line for line in text.splitlines() if line.startswith("| ELR |"))
    assert " (a) |" in row  # grey: not comparable
    assert "Verdicts over 56 published numbers: 1 not comparable, 55 not run." in text
    assert "No verdict where the source does not say the procedure: " in text
    assert "selection rule (of all 56 numbers)" in text
    assert (
        "(a) not comparable: network: resnet34 there, torchvision resnet34 here; selection rule: unknown there" in text
    )
    (networks,) = (line for line in text.splitlines() if line.startswith("- Networks: "))
    assert "resnet34: ResNet-34, residual network with a 3 x 3 stem" in networks
    assert "torchvision resnet34: ResNet-34 (torchvision), with the 7 x 7 stem" in networks
    assert "small cnn" not in networks


def test_a_place_that_the_publication_leaves_empty_is_told(tmp_path: Path) -> None:
    file = _own(tmp_path, "a paper,elr,ELR,cifar10,symmetric,0.2,resnet34,3,last,91.9,0.1,3,",
                "a paper,gce,GCE,cifar10,symmetric,0.4,resnet34,3,last,91.9,0.1,3,")  # fmt: skip
    (table,) = paper_tables([], None, file, None)
    assert _cell(table, "GCE").text == ""
    assert "Empty: the publication has no number there." in table.notes
    assert any("(not planned): no suite of these records has that cell" in note for note in table.notes)
    assert not any(note.startswith("No verdict where") for note in table.notes)


def test_a_published_table_of_another_row_is_not_ours(tmp_path: Path) -> None:
    _store(tmp_path, ("elr",))
    (table, _) = paper_tables(_sections(tmp_path), "elr-table1", None, None)
    assert _cell(table, "ELR").runs
    assert not _cell(table, "ELR (cosine)").runs


def test_no_table_takes_the_files_of_another(tmp_path: Path) -> None:
    file = tmp_path / "elr_table1.csv"
    rows = (f"a,elr,ELR,{dataset},symmetric,0.2,resnet34,3,last,90,,," for dataset in ("cifar10", "cifar100"))
    file.write_text(HEADER + "\n".join(rows) + "\n")
    own = [table.name for table in paper_tables([], None, file, None)]
    assert own == ["paper-elr-table1", "paper-elr-table1-2"]
    builtin = [table.name for table in paper_tables([], "elr-table1", None, None)]
    both = [table.name for table in paper_tables([], "elr-table1", file, None)]
    assert both[: len(builtin)] == builtin and len(set(both)) == len(both) == len(builtin) + 2


def test_the_published_rule_is_used_where_it_is_known(tmp_path: Path) -> None:
    _store(tmp_path)
    file = _own(tmp_path, "a,elr,ELR,cifar10,symmetric,0.2,resnet34,3,best_test,91.2,0.1,3,")
    assert "best test epoch" in paper_tables(_sections(tmp_path), None, file, None)[0].notes[0]
    assert "last epoch" in paper_tables(_sections(tmp_path), None, file, "last")[0].notes[0]


def test_compare_and_reproduce_never_share_a_table(tmp_path: Path) -> None:
    _store(tmp_path, ("elr",))
    _store(tmp_path, ("elr", "gce"), suite="ours", purpose="compare", batch_size=32)
    file = _own(tmp_path, "a,elr,ELR,cifar10,symmetric,0.2,resnet34,3,last,91.2,0.1,3,",
                "a,gce,GCE,cifar10,symmetric,0.2,resnet34,3,last,91.2,0.1,3,")  # fmt: skip
    (table,) = paper_tables(_sections(tmp_path), None, file, None)
    frame = frames.load(tmp_path).set_index("address")
    assert all(frame.loc[address, "suites"] == ("elr-table1",) for address in _cell(table, "ELR").runs)
    assert not _cell(table, "GCE").runs


def test_car_says_which_values_are_known(tmp_path: Path) -> None:
    _store(tmp_path, ("car",))
    tables = paper_tables(_sections(tmp_path), "car", None, None)
    text = "".join(map(markdown, tables))
    assert "74.09" in text and "92.09" in text
    assert "the only CAR numbers with a source" in text
    assert "not found: the row exists at the source but could not be read" in text


@pytest.mark.parametrize("paper", published.keys())
def test_every_published_number_is_shown_with_its_source(tmp_path: Path, paper: str) -> None:
    _store(tmp_path, run=False)
    rows = published.load([paper])
    tables = paper_tables(_sections(tmp_path), paper, None, None)
    filled = [cell for table in tables for row in table.rows for cell in row[1:] if cell.text]
    assert len(filled) == len(rows)
    assert sum("not found" in cell.text for cell in filled) == int(rows["mean"].isna().sum())
    notes = {note for table in tables for note in table.notes}
    assert {f"Source: {source}." for source in rows["source"]} <= notes


def test_human_labels_are_recognised(tmp_path: Path) -> None:
    spec = make_spec("cross_entropy", "labels_file", 0.0, 0, dataset="cifar10", network="resnet34", epochs=3,
                     options={"file": "x", "key": "worse_label"})  # fmt: skip
    store = Store(tmp_path)
    store.publish(*make_record(spec, size=40))
    store.write_plan(make_plan([spec], purpose="reproduce"))
    table = paper_tables(_sections(tmp_path), "cifar-n", None, None)[0]
    assert _cell(table, "Cross-entropy", "cifar10n worst").runs
    assert not _cell(table, "Cross-entropy", "cifar10n aggregate").runs


def test_bad_names_and_files_are_one_line_and_write_nothing(tmp_path: Path) -> None:
    _store(tmp_path)
    with pytest.raises(StoreError, match="did you mean 'elr-table1'"):
        build_report(tmp_path, tmp_path / "report", paper="elr-table")
    file = _own(tmp_path, "a,elr,ELR,cifar10,symmetric,20,resnet34,3,last,91.2,0.1,3,")
    with pytest.raises(StoreError, match="line 2: column 'noise_rate'") as caught:
        build_report(tmp_path, tmp_path / "report", published=file)
    assert "\n" not in str(caught.value)
    assert not (tmp_path / "report").exists()


def test_other_records_stand_beside_ours(tmp_path: Path) -> None:
    _store(tmp_path / "a", ("elr",), 2)
    other = _store(tmp_path / "b", ("elr",), 2)
    record = other.load(other.addresses()[0])
    record["selection"]["last"]["test_accuracy"] -= 0.01
    other.record_path(record["address"]).unlink()
    other.publish(record, {})
    table, warnings = against_table(gather(tmp_path / "a"), tmp_path / "b", None)
    (row,) = table.rows
    cells = dict(zip([column.label for column in table.columns], row, strict=True))
    assert (cells["interval"].text, cells["equal runs"].text, cells["differs in"].text) == ("paired", "1", "–")
    assert cells["theirs − ours"].text == "−0.50" and len(cells["ours"].runs) == 2
    assert [line for line in warnings if not line.startswith("doubtful record")] == []
    (tmp_path / "c").mkdir()
    with pytest.raises(StoreError, match="holds no records"):
        build_report(tmp_path / "a", tmp_path / "report", against=tmp_path / "c")
    assert not (tmp_path / "report").exists()


def test_differences_beyond_the_interval_are_told(tmp_path: Path) -> None:
    _store(tmp_path / "a", ("elr",), 2)
    other = _store(tmp_path / "b", ("elr",), 2)
    for address in other.addresses():
        record = other.load(address)
        record["selection"]["last"]["test_accuracy"] -= 0.1 + 1e-4 * record["spec"]["seed"]
        other.record_path(address).unlink()
        other.publish(record, {})
    _, warnings = against_table(gather(tmp_path / "a"), tmp_path / "b", None)
    assert "differ beyond the 95% interval in 1 of 1: cifar10, symmetric 20%, ELR" in warnings[-1]


def test_a_report_shows_published_numbers(tmp_path: Path) -> None:
    _store(tmp_path / "a", ("elr",), 1)
    summary = build_report(tmp_path / "a", tmp_path / "report", paper="elr-table1", against=tmp_path / "a")
    names = {path.name for path in (tmp_path / "report" / "tables").iterdir()}
    assert {"paper-elr-table1.csv", "paper-elr-table1-2.tex", "against.md"} <= names
    assert any("Published and ours" in str(table.title) for table in summary.terminal_tables)
    page = summary.index.read_text("utf-8")
    assert "Differences to other records" in page and "Published numbers and ours" in page


def test_other_test_sets_and_top5_are_read_at_the_chosen_epoch(tmp_path: Path) -> None:
    spec = make_spec("co_teaching", "own", 0.0, 0, dataset="mini_webvision", network="resnet34", epochs=3)
    record, arrays = make_record(spec, size=40)
    record["curves"]["test_accuracy"] = [0.5, 0.7, 0.6]
    record["curves"] |= {"imagenet_val_accuracy": [0.1, 0.2, 0.3], "imagenet_val_top5": [0.4, 0.5, 0.6]}
    record["selection"]["best_test"] = {"epoch": 2, "test_accuracy": 0.7}
    store = Store(tmp_path)
    store.publish(record, arrays)
    store.write_plan(make_plan([spec], purpose="reproduce"))
    table = paper_tables(_sections(tmp_path), "mini-webvision", None, "best_test")[0]
    columns = ["webvision val top-1", "webvision val top-5", "imagenet val top-1", "imagenet val top-5"]
    assert [column.label for column in table.columns[1:]] == columns
    texts = [_cell(table, "Co-teaching", column).text for column in columns]
    assert [text.split(" (1)")[0] for text in texts[::2]] == ["70.00", "20.00"]
    assert texts[1].startswith("– (not measured) | ") and texts[3].startswith("50.00 (1) | ")
    table = paper_tables(_sections(tmp_path), "mini-webvision", None, "last_mean")[0]
    assert _cell(table, "Co-teaching", "imagenet val top-1").text.startswith("20.00 (1)")


def _declared(root: Path, **own: Any) -> None:
    """The store of `_store`, whose plan has more of its cells."""
    store = Store(root)
    (plan,) = store.plans().values()
    store.write_plan({**plan, "cells": [{**cell, **own} for cell in plan["cells"]]})


def test_a_deviating_row_is_grey_and_says_why_in_every_form(tmp_path: Path) -> None:
    _store(tmp_path)
    _declared(tmp_path, deviations=["hyper.penalty: 3, since the authors' value was not found"])
    file = _own(tmp_path, "a paper,elr,ELR,cifar10,symmetric,0.2,resnet34,3,last,91.9,0.1,3,")
    (table,) = paper_tables(_sections(tmp_path), None, file, None)
    assert _cell(table, "ELR").tone == "grey"
    assert _cell(table, "ELR").text.endswith("−0.70 (a)")
    summary = build_report(tmp_path, tmp_path / "report", published=file)
    page = summary.index.read_text()
    own = (tmp_path / "report" / "tables" / "paper-mine.csv").read_text()
    told = "not the published procedure: hyper.penalty: 3, since the authors"
    assert told in page
    for form in ("md", "tex", "csv"):
        text = (tmp_path / "report" / "tables" / f"paper-mine.{form}").read_text()
        assert told in text, form
    assert "False" in own
    for name in ("elr-table1-accuracy.md", "elr-table1-accuracy.tex", "elr-table1-accuracy.csv"):
        assert "since the authors" in (tmp_path / "report" / "tables" / name).read_text(), name


def test_a_number_that_was_not_run_is_priced_and_grey_where_the_row_deviates(tmp_path: Path) -> None:
    _store(tmp_path, run=False)
    _declared(tmp_path, deviations=["three epochs"])
    prices = Prices(lambda row: 0.123 if row["noise_rate"] == 0.2 else None, "from a test")
    tables = paper_tables(_sections(tmp_path), "elr-table1", None, None, prices)
    assert _cell(tables[0], "ELR").text == "– (not run, about 0.12 device-hours) | 91.16 ± 0.08 (5) (a)"
    assert _cell(tables[0], "ELR").tone == "grey"
    assert _cell(tables[0], "ELR", "symmetric 40%").text.startswith("– (not planned) | ")
    assert "(a) not comparable: not the published procedure: three epochs." in tables[0].notes
    assert "Device-hours are an estimate for all seeds of the suite, from a test." in tables[0].notes


def test_each_number_is_compared_by_its_own_rule_and_a_row_has_its_own(tmp_path: Path) -> None:
    _store(tmp_path)
    _declared(tmp_path, selection="best_test")
    file = _own(tmp_path, "a,elr,ELR,cifar10,symmetric,0.2,resnet34,3,best_test,91.9,0.1,3,",
                "b,elr,ELR (end),cifar10,symmetric,0.2,resnet34,3,last,91.9,0.1,3,",
                "c,elr,ELR (c),cifar10,symmetric,0.2,resnet34,3,unknown,91.9,0.1,3,")  # fmt: skip
    tables = paper_tables(_sections(tmp_path), None, file, None)
    assert [_cell(tables[0], title).tone for title in ("ELR", "ELR (end)", "ELR (c)")] == ["near", "near", "grey"]
    assert "by the rule of each number (best test epoch (oracle), last epoch)" in tables[0].notes[0]
    build_report(tmp_path, tmp_path / "report")
    text = (tmp_path / "report" / "tables" / "elr-table1-accuracy.md").read_text()
    assert "ELR: best test epoch (oracle), as its paper reports it." in text
    assert ",best_test," in (tmp_path / "report" / "tables" / "elr-table1-accuracy.csv").read_text()
    build_report(tmp_path, tmp_path / "forced", select="last")
    assert "as its paper reports it" not in (tmp_path / "forced" / "tables" / "elr-table1-accuracy.md").read_text()


def test_the_report_prices_what_the_suites_of_a_table_would_run(tmp_path: Path) -> None:
    make_store(tmp_path, methods=("elr",), settings=(("symmetric", 0.5),), seeds=(0,))
    report(tmp_path, tmp_path / "report", paper="divide-mix-style")
    text = (tmp_path / "report" / "tables" / "paper-divide-mix-style.md").read_text()
    row = next(line for line in text.splitlines() if line.startswith("| DivideMix |"))
    assert row.count("(not run, about ") == 5
    assert "8,300 images/s of preact" in text
    assert next(line for line in text.splitlines() if line.startswith("| RRL |")).count("(not planned)") == 5


def test_a_number_is_priced_by_the_row_that_would_stand_beside_it(tmp_path: Path) -> None:
    """Not by a cheaper row of the same method: co-teaching+ has one of its own, with a network of two layers."""
    rows = published.load(["divide-mix-style"]).to_dict("records")
    hours = prices_of("divide-mix-style", tmp_path).hours
    there = [row for row in rows if row["noise_model"] == "symmetric" and row["noise_rate"] == 0.2]
    cost = {(row["method"], row["dataset"]): hours(row) for row in there}
    for dataset in ("cifar10", "cifar100"):
        one, two = cost["cross_entropy", dataset], cost["co_teaching_plus", dataset]
        assert one and two and 1.5 < two / one < 2.5, "two networks, trained as the one of cross-entropy"
