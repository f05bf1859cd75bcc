"""What is said of runs that collapsed or diverged: where the run ends, in status, tables, page, csv and in a search."""

from __future__ import annotations

import csv
import re
from pathlib import Path
from typing import Any

import pytest
from command_line import Command, run, write_suite
from planted_collapse import COLLAPSING, DIVERGING

from bench.sweep.progress import result, validation_result
from bench.tuning import tune
from common.record import Record
from reports.build import build_report, chapter
from reports.gather import gather, sections
from reports.health_table import health_table
from reports.latex import latex
from reports.model import Table
from reports.paper import paper_tables
from reports.render import markdown
from results.store import Store
from tests.results.test_health import MEASURED
from tests.synthetic_records import make_plan, make_record, make_spec, make_specs, make_store

HELD_OUT = 'name = "digits"\nvalidation = { source = "inside", size = 0.2 }\n'
DIVERGED = "Traceback (most recent call last):\nFloatingPointError: the loss is not finite in epoch 2, step 24\n"
WHY = "10.0% on noisy validation at the end, chance is 10.0%"


def planted(folder: Path, methods: tuple[str, ...], seeds: int = 1) -> list[str]:
    """A suite of digits with noisy validation, and the plug-ins as options."""
    (folder / "collapsing.py").write_text(COLLAPSING)
    (folder / "diverging.py").write_text(DIVERGING)
    path = write_suite(folder / "s.toml", epochs=3, seeds=seeds, methods=methods)
    path.write_text(path.read_text().replace('name = "digits"\n', HELD_OUT))
    return ["--plugin", "collapsing.py", "--plugin", "diverging.py"]


@pytest.mark.slow
def test_planted_methods_are_marked_everywhere(tmp_path: Path) -> None:
    plugins = planted(tmp_path, ("cross_entropy", "collapsing", "diverging"), seeds=2)
    status, said = run("run", "s.toml", *plugins, cwd=tmp_path)
    assert status == 1  # a diverged run has failed
    assert len(re.findall(r"Collapsing, .*; collapsed: from epoch 2 on \(.* chance is 10\.0%\)", said)) == 2
    assert len(re.findall(r"Diverging, .*: FAILED: FloatingPointError: .* \(diverged\)", said)) == 2
    assert not re.search(r"Cross-entropy.*(collapsed|diverged)", said)

    status, said = run("status", cwd=tmp_path)
    assert status == 0
    assert len(re.findall(r"^collapsed Collapsing, symmetric 50%, seed \d: from epoch 2 on", said, re.MULTILINE)) == 2
    assert len(re.findall(r"^diverged  Diverging, .*: FloatingPointError", said, re.MULTILINE)) == 2
    assert re.search(r"suite +done +collapsed +running +diverged +failed", said)
    assert re.search(r"s +4 +2 +0 +2 +0", said)

    status, said = run("report", cwd=tmp_path)
    assert status == 0
    assert re.search(r"Collapsing .*\(2\) †", said) and "diverged (2 of 2)" in said
    assert "† Among the runs behind this are" in said and "‡ Runs diverged" in said
    report = tmp_path / "output" / "report"
    for name in ("tables/s-accuracy.md", "tables/s-accuracy.tex", "index.html"):
        text = (report / name).read_text(encoding="utf-8")
        assert ("\\textdagger{}" if name.endswith("tex") else "†") in text, name
        assert "Collapsing, symmetric 50" in text and "2 of 2 runs, from epoch 2 on" in text, name
        assert "diverged (2 of 2)" in text, name
    rows = list(csv.DictReader((report / "tables" / "s-health.csv").read_text(encoding="utf-8").splitlines()))
    told = [(row["method"], row["state"], row["collapsed_epoch"]) for row in rows if row["seed"] == "0"]
    assert told == [
        ("cross_entropy", "sound", ""), ("collapsing", "collapsed", "2"), ("diverging", "diverged", ""),
    ]  # fmt: skip
    runs = list(csv.DictReader((report / "tables" / "runs.csv").read_text(encoding="utf-8").splitlines()))
    assert {row["method"]: row["collapsed_epoch"] for row in runs} == {"cross_entropy": "", "collapsing": "2"}


@pytest.mark.slow
def test_a_collapsed_trial_is_told_and_wins_only_among_worse(tmp_path: Path) -> None:
    plugins = planted(tmp_path, ("collapsing",))
    fixed = ["--space", "lr=0.05", "--space", "weight_decay=0.0005", *plugins]
    status, said = run("tune", "collapsing", "s.toml", "--trials", 5, "--space", "sound=1,9", *fixed, cwd=tmp_path)
    assert status == 0
    assert re.search(r"trial 0.*noisy validation accuracy .*; collapsed: from epoch 2 on", said)
    assert "test" not in said.split("tune-s-collapsing")[1].split("written")[0]
    found = {row["state"]: row for row in csv.DictReader((tmp_path / "output/tuned/s-collapsing.csv").open())}
    assert set(found) == {"collapsed", ""}
    assert float(found["collapsed"]["noisy_validation_accuracy"]) < float(found[""]["noisy_validation_accuracy"])
    assert re.search(r"best: trial [1-4], \d\d\.\d\d% \(the suite's own settings: 1\d\.\d\d% \(collapsed\)\)", said)
    assert "(collapsed)" in said.split("noisy validation ")[-1]

    alone = ["--trials", 2, "--space", "sound=1", "--out", "other", "--space", "lr=0.05,0.04", *fixed[2:]]
    status, said = run("tune", "collapsing", "s.toml", *alone, cwd=tmp_path)
    assert status == 0
    assert "warning: no finished trial is better than one that collapsed" in said
    assert "% (collapsed); searched: " in (tmp_path / "other/tuned/s-tuned.toml").read_text()
    status, said = run("status", "--out", "other", cwd=tmp_path)
    assert re.search(r"collapsed Collapsing, trial 0, .*: from epoch 2 on .*on noisy validation", said)


def score(number: int, accuracy: float, collapsed: int = 0, planned: int = 1) -> tune.Score:
    return tune.Score(tune.Trial(number, {}), {}, (accuracy,) * planned, (), planned, collapsed)


def test_what_a_search_makes_of_a_collapsed_trial() -> None:
    best = tune.best([score(0, 0.2, collapsed=1), score(1, 0.2), score(2, 0.1)])
    assert best is not None and best.trial.number == 1  # of equals the sound one
    best = tune.best([score(0, 0.3), score(1, 0.4, collapsed=1)])
    assert best is not None and (best.trial.number, best.state) == (1, "collapsed")
    assert score(0, 0.3, collapsed=1, planned=3).state == "1 of 3 collapsed"
    assert score(0, 0.3).state == ""
    text = tune.csv_text([score(0, 0.3, collapsed=2, planned=2)], {})
    assert text.splitlines()[1] == "0,0.300000,2,collapsed"
    failed = tune.Score(tune.Trial(0, {}), {}, (0.1,), (DIVERGED,), 2, 1)
    assert (failed.state, failed.accuracy) == ("diverged", None)


def fallen(method: str, seed: int, **options: Any) -> Record:
    record, _ = make_record(make_spec(method, "symmetric", 0.5, seed, epochs=4, **options), size=40)
    record["curves"]["noisy_validation_accuracy"] = [0.3, 0.4, 0.1, 0.1]
    record["curves"]["test_accuracy"] = [0.5, 0.6, 0.1, 0.1]
    for rule in record["selection"].values():
        rule["test_accuracy"] = 0.1
    return record


def mixed(root: Path) -> Store:
    """Two settings, three seeds: of ELR at symmetric 50% one run is sound, one collapsed, one diverged."""
    gaps = [("elr", "symmetric 50%", seed) for seed in (1, 2)] + [("gce", "symmetric 50%", seed) for seed in range(3)]
    store = make_store(root, ["cross_entropy", "elr", "gce"], size=40, epochs=4, skip=gaps)
    store.publish(fallen("elr", 1), None)
    for spec in make_specs(["elr", "gce"], [("symmetric", 0.5)], epochs=4):
        if not store.has(address := make_record(spec, size=40)[0]["address"]):
            store.fail(address, DIVERGED)
    return store


def found_tables(root: Path) -> dict[str, Table]:
    part = chapter(next(sections(gather(root))))
    return {table.name.removeprefix("quick-"): table for table in (*part.tables, *part.appendix)}


def row(table: Table, *first: str) -> list[str]:
    found = next(cells for cells in table.rows if tuple(cell.text for cell in cells[: len(first)]) == first)
    return [cell.text for cell in found[len(first) :]]


def test_a_mean_over_sound_and_collapsed_runs_says_so_wherever_it_stands(tmp_path: Path) -> None:
    mixed(tmp_path)
    found = found_tables(tmp_path)
    cell = row(found["accuracy"], "ELR")
    assert re.fullmatch(r"\d\d\.\d\d ± \d\d\.\d\d \(2 of 3\) ‡ †", cell[0])
    assert "†" not in cell[1] and cell[2].endswith("†")  # asymmetric 40%, and the mean of both
    assert not any("†" in text for text in row(found["accuracy"], "Cross-entropy"))
    note = "ELR, symmetric 50%: 1 of 2 runs, from epoch 3 on"
    for name in ("accuracy", "rules", "differences", "tests", "measures", "detection"):
        assert [line for line in found[name].notes if line.startswith("†") and note in line], name
        assert "†" in " ".join(cell.text for cells in found[name].rows for cell in cells), name
        assert "†" in markdown(found[name]) and r"\textdagger{}" in latex(found[name]), name
    assert note in found["wins"].notes[-1]
    assert "†" in row(found["differences"], "symmetric 50%", "ELR")[1]
    assert "†" not in row(found["differences"], "asymmetric 40%", "ELR")[1]
    header, data = found["accuracy"].data or ((), ())
    counts = {(line[1], line[2]): dict(zip(header, line, strict=True)) for line in data}
    assert [counts["symmetric 50%", "elr"][name] for name in ("n", "collapsed", "diverged")] == [2, 1, 1]
    assert counts["asymmetric 40%", "elr"]["collapsed"] == 0


def test_a_diverged_cell_is_no_hole(tmp_path: Path) -> None:
    mixed(tmp_path)
    table = found_tables(tmp_path)["accuracy"]
    cell = next(cells for cells in table.rows if cells[0].text == "GCE")[1]
    assert (cell.text, cell.value, cell.runs) == ("diverged (3 of 3)", None, ())
    line = next(note for note in table.notes if note.startswith("‡"))
    assert {"ELR, symmetric 50%: 1 of 3 runs, in epoch 2", "GCE, symmetric 50%: 3 of 3 runs, in epoch 2"} == set(
        line.removesuffix(".").split(". ")[1].split("; ")
    )


def test_a_run_that_diverged_before_and_is_done_now_is_sound(tmp_path: Path) -> None:
    store = make_store(tmp_path, ["cross_entropy", "elr"], size=40, epochs=4)
    (store.layout.failure(store.addresses()[0])).parent.mkdir(exist_ok=True)
    store.fail(store.addresses()[0], DIVERGED)  # as a process that another one was faster than
    found = found_tables(tmp_path)
    assert "health" not in found
    assert not any(note.startswith(("†", "‡")) for table in found.values() for note in table.notes)


def test_a_failure_that_is_no_divergence_stays_one(tmp_path: Path) -> None:
    gap = [("elr", "symmetric 50%", seed) for seed in range(3)]
    store = make_store(tmp_path, ["cross_entropy", "elr"], size=40, epochs=4, skip=gap)
    for spec in make_specs(["elr"], [("symmetric", 0.5)], epochs=4):
        store.fail(make_record(spec, size=40)[0]["address"], "")
    assert row(found_tables(tmp_path)["accuracy"], "ELR")[0] == "– (3 failed)"


def test_the_table_of_health(tmp_path: Path) -> None:
    store = mixed(tmp_path)
    spec = make_spec("cross_entropy", "symmetric", 0.5, 7, epochs=3)
    record, _ = make_record(spec, size=40)
    store.publish(record | {"health": MEASURED}, None)
    store.write_plan(make_plan([spec], suite="new"))
    whole = {section.name: health_table(section) for section in sections(gather(tmp_path))}
    old, new = whole["quick"], whole["new"]
    assert old is not None and new is not None
    assert row(old, "symmetric 50%", "ELR") == ["2", "1, epoch 3", "1, epoch 2", "1"]
    assert row(old, "symmetric 50%", "GCE") == ["0", "0", "3, epoch 2", "–"]
    assert any("not measured in 14 of 14 runs" in note for note in old.notes)
    assert row(new, "symmetric 50%", "Cross-entropy") == [
        "1", "0", "0", "2", "1.5", "42 (epoch 1)", "2", "8.55e+03 (epoch 2)", "25.00", "confidence 98.0",
    ]  # fmt: skip
    summary = build_report(tmp_path, tmp_path / "report")
    first = summary.index.read_text(encoding="utf-8")
    assert "14 of 18 runs are done, 1 collapsed, 4 diverged." in first and "† 1 collapsed" in first
    assert "‡ 3 diverged" in first and "‡ 1 diverged" in first
    page = "".join(summary.index.with_name(f"suite-{name}.html").read_text("utf-8") for name in ("quick", "new"))
    assert "how training went" in page and '"gradient":{"largest":8550.0' in page and '"loss":"not measured"' in page
    assert "Among the runs behind this are collapsed ones" in re.sub(r"<li>.*?</li>", "", page)  # figures say it too
    assert (tmp_path / "report" / "tables" / "new-health.tex").is_file()


def test_sound_old_records_need_no_table_of_health(tmp_path: Path) -> None:
    make_store(tmp_path, ["elr"], size=40, epochs=4)
    assert health_table(next(sections(gather(tmp_path)))) is None


def test_paper_tables_and_others_records_are_marked(tmp_path: Path) -> None:
    options = {"dataset": "cifar10", "network": "resnet34"}
    specs = [make_spec("elr", "symmetric", 0.2, seed, epochs=3, **options) for seed in range(3)]
    store = Store(tmp_path / "store")
    for spec in specs[:2]:
        record, _ = make_record(spec, size=40)
        if spec["seed"]:
            record["health"] = MEASURED | {"collapsed": {"epoch": 2, "reason": WHY}}
        store.publish(record, None)
    store.write_plan(make_plan(specs, suite="elr-table1", purpose="reproduce"))
    store.fail(make_record(specs[2], size=40)[0]["address"], DIVERGED)
    own = list(sections(gather(store.root)))
    table = next(made for made in paper_tables(own, "elr-table1", None, None) if "CIFAR-10," in made.title)
    assert any("ELR, symmetric 20%: 1 of 3 runs, in epoch 2" in note for note in table.notes)
    build_report(store.root, tmp_path / "report", paper="elr-table1", against=store.root)
    text = (tmp_path / "report" / "tables" / f"{table.name}.md").read_text(encoding="utf-8")
    assert re.search(r"\(2 of 3\) ‡ † \\\|", text)  # at our own number, not at the published one
    assert "1 of 2 runs, from epoch 2 on" in text
    beside = (tmp_path / "report" / "tables" / "against.md").read_text(encoding="utf-8")
    assert beside.count("(2) † |") == 2
    assert "Of theirs are collapsed: ELR, cifar10, symmetric 20%: 1 of 2" in beside


def test_the_last_line_of_a_run_says_it() -> None:
    record = fallen("elr", 1)
    assert result(record).endswith(f"; collapsed: from epoch 3 on ({WHY})")
    assert validation_result(record).endswith(f"; collapsed: from epoch 3 on ({WHY})")
    hidden = fallen("elr", 1)
    hidden["curves"]["noisy_validation_accuracy"] = [0.3, 0.3, 0.3, 0.3]
    assert "on the test images" in result(hidden)
    assert "collapsed" not in validation_result(hidden)  # what only test images tell, a trial does not


def test_status_of_trials_rests_on_noisy_validation(command: Command, tmp_path: Path) -> None:
    store, hidden = Store(tmp_path / "output"), fallen("elr", 1000)
    hidden["curves"]["noisy_validation_accuracy"] = [0.3, 0.3, 0.3, 0.3]
    shown = fallen("car", 1000)
    for record in (hidden, shown):
        store.publish(record, None)
    store.write_plan(make_plan([hidden["spec"], shown["spec"]], suite="tune-x") | {"tuning": True})
    said = command("status").out
    assert f"collapsed CAR (NAL code, beta > 0), symmetric 50%, seed 1000: from epoch 3 on ({WHY})" in said
    assert "ELR" not in said
    assert re.search(r"tune-x +2 +1 +0", said)
