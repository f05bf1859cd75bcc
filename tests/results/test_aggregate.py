"""Cells, holes, selection rules, and what may not be joined."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest

from results import aggregate
from results import frame as frames
from results.aggregate import RULES
from results.plan import plan_of
from results.record import StoreError
from results.store import Store
from tests.synthetic_records import make_plan, make_record, make_spec, make_specs, make_store


def _cell(table, method: str, setting: str = "symmetric 50%", rule: str = "last"):  # type: ignore[no-untyped-def]
    chosen = table[(table["method"] == method) & (table["setting"] == setting) & (table["rule"] == rule)]
    assert len(chosen) == 1
    return chosen.iloc[0]


def test_cells_hold_mean_and_sample_deviation(tmp_path: Path) -> None:
    store = make_store(tmp_path)
    frame, plans = frames.load(tmp_path), list(store.plans().values())
    table = aggregate.cells(frame, plans)
    assert len(table) == 2 * 4 * len(RULES)
    values = frame[(frame["method"] == "elr") & (frame["noise"] == "symmetric 50%")]["accuracy_best_test"]
    cell = _cell(table, "elr", rule="best_test")
    assert cell["mean"] == pytest.approx(np.mean(values))
    assert cell["std"] == pytest.approx(np.std(values, ddof=1))
    assert (cell["n"], cell["planned"], cell["noise_draws"], cell["reason"]) == (3, 3, 3, "")
    assert table["method"].drop_duplicates().tolist() == ["cross_entropy", "co_teaching", "elr", "car"]
    assert "oracle" in RULES["best_test"].title


def test_one_run_has_no_deviation(tmp_path: Path) -> None:
    store = make_store(tmp_path, seeds=[0])
    cell = _cell(aggregate.cells(frames.load(tmp_path), [store.plan("quick")]), "elr")
    assert cell["n"] == 1
    assert math.isnan(cell["std"])


def test_holes_explain_themselves(tmp_path: Path) -> None:
    gaps = [("elr", "symmetric 50%", seed) for seed in range(1, 5)]
    store = make_store(tmp_path, ["cross_entropy", "elr"], seeds=range(5), skip=gaps)
    planned = {seed: make_spec("elr", "symmetric", 0.5, seed) for seed in range(1, 5)}
    names = {seed: make_record(spec)[0]["address"] for seed, spec in planned.items()}
    older = {**planned[3], "protocol": 0}
    store.publish(*make_record(older))
    store.fail(names[1], "Traceback")
    frame, plans = frames.load(tmp_path), [store.plan("quick")]
    table = aggregate.cells(frame, plans, failed=store.failures(), running={names[2]})
    cell = _cell(table, "elr")
    assert (cell["n"], cell["planned"]) == (1, 5)
    counts = ["done", "running", "failed", "other_version", "not_started"]
    assert [cell[name] for name in counts] == [1, 1, 1, 1, 1]
    assert cell["reason"] == "1 running, 1 failed, 1 other protocol version, 1 not started"
    states = aggregate.statuses(frame, plans, store.failures(), {names[2]}).set_index("address")["status"]
    assert states[names[3]] == "other protocol version"
    empty = aggregate.cells(frame.head(0), plans)
    assert set(empty["n"]) == {0}
    assert _cell(empty, "elr")["reason"] == "5 not started"
    assert math.isnan(_cell(empty, "elr")["mean"])


def test_a_rule_that_runs_lack_is_a_reason(tmp_path: Path) -> None:
    record, arrays = make_record(make_spec("elr", "symmetric", 0.5, 0))
    del record["selection"]["clean_validation"]
    store = Store(tmp_path)
    store.publish(record, arrays)
    store.write_plan(make_plan([record["spec"]]))
    table = aggregate.cells(frames.load(tmp_path), [store.plan("quick")])
    cell = _cell(table, "elr", rule="clean_validation")
    assert cell["n"] == 0
    assert cell["reason"] == "1 done with no clean validation split"
    assert _cell(table, "elr")["n"] == 1


def test_human_labels_count_no_noise_draws(tmp_path: Path) -> None:
    store = Store(tmp_path)
    specs = [make_spec("elr", "labels_file", 0.0, seed, options={"key": "worse_label"}) for seed in range(3)]
    for spec in specs:
        record, arrays = make_record(spec)
        record["noise"]["fingerprint"] = "f" * 64
        store.publish(record, arrays)
    store.write_plan(make_plan(specs))
    cell = _cell(aggregate.cells(frames.load(tmp_path), [store.plan("quick")]), "elr", "labels file 0%")
    assert (cell["n"], cell["noise_draws"]) == (3, 1)


def test_two_fingerprints_for_one_seed_are_an_error(tmp_path: Path) -> None:
    store = make_store(tmp_path, ["cross_entropy"], seeds=[0])
    record, arrays = make_record(make_spec("elr", "symmetric", 0.5, 0))
    record["noise"]["fingerprint"] = "0" * 64
    store.publish(record, arrays)
    store.write_plan(make_plan([record["spec"]]))
    frame, plans = frames.load(tmp_path), [store.plan("quick")]
    for call in (aggregate.runs, aggregate.cells):
        with pytest.raises(StoreError, match="two different noisy label sets") as caught:
            call(frame, plans)
        assert "symmetric 50%, seed 0" in str(caught.value)
        assert "\n" not in str(caught.value)


def test_a_mean_joins_equal_configurations_and_noise_only(tmp_path: Path) -> None:
    for change, words in (({"epochs": 5}, "different configurations"), ({"options": {"sampling": "per_sample"}},
                          "different noise specifications")):  # fmt: skip
        root = tmp_path / words.replace(" ", "_")
        specs = [make_spec("elr", "symmetric", 0.5, 0), make_spec("elr", "symmetric", 0.5, 1, **change)]  # type: ignore[arg-type]
        store = Store(root)
        for spec in specs:
            store.publish(*make_record(spec))
        store.write_plan(make_plan(specs))
        with pytest.raises(StoreError, match=words):
            aggregate.cells(frames.load(root), [store.plan("quick")])
    specs[1]["seed"] = 0
    with pytest.raises(StoreError, match="seed 0 is there twice"):
        store = Store(tmp_path / "twice")
        for spec in specs:
            store.publish(*make_record(spec))
        aggregate.cells(frames.load(store.root), [make_plan(specs)])


def test_purposes_may_not_be_mixed(tmp_path: Path) -> None:
    store = make_store(tmp_path, ["elr"], seeds=[0])
    make_store(tmp_path, ["gce"], seeds=[0], suite="paper", purpose="reproduce")
    plans = list(store.plans().values())
    with pytest.raises(StoreError, match=r"compare \(quick\) and reproduce \(paper\)"):
        aggregate.cells(frames.load(tmp_path), plans)
    with pytest.raises(StoreError, match="nothing is ranked"):
        aggregate.comparing([store.plan("paper")])
    aggregate.comparing([store.plan("quick")])
    assert len(aggregate.cells(frames.load(tmp_path), [store.plan("paper")])) == 2 * len(RULES)


def test_runs_hold_what_the_rule_chooses(tmp_path: Path) -> None:
    store = make_store(tmp_path, ["elr", "car"])
    frame, plans = frames.load(tmp_path), [store.plan("quick")]
    found = aggregate.runs(frame, plans, "last_mean").set_index("address")["value"]
    expected = frame.set_index("address")["accuracy_last_mean"]
    assert found.to_dict() == expected.to_dict()
    with pytest.raises(StoreError, match=r"did you mean 'best_test'.*accepted: best_test, best_test_each"):
        aggregate.runs(frame, plans, "best")


def test_changes_of_order_are_named(tmp_path: Path) -> None:
    specs = make_specs(["cross_entropy", "elr"], [("symmetric", 0.5)], [0])
    store = Store(tmp_path)
    for spec, last, best in zip(specs, (0.6, 0.7), (0.9, 0.8), strict=True):
        record, arrays = make_record(spec)
        for name, value in (("last", last), ("last_mean", last), ("best_test", best), ("noisy_validation", last)):
            record["selection"][name]["test_accuracy"] = value
        record["selection"]["clean_validation"]["test_accuracy"] = 0.5  # a tie is no change of order
        store.publish(record, arrays)
    store.write_plan(make_plan(specs))
    table = aggregate.cells(frames.load(tmp_path), [store.plan("quick")])
    changes = aggregate.order_changes(table)
    assert len(changes) == 1  # the curves of both are as they were
    change = changes.iloc[0]
    assert (change["better"], change["worse"], change["rule"]) == ("ELR", "Cross-entropy", "best_test")
    assert change["difference"] == pytest.approx(0.1)
    assert change["other_difference"] == pytest.approx(-0.1)
    shown = table[table["rule"].isin(["last", "last_mean", "best_test", "noisy_validation", "clean_validation"])]
    assert set(aggregate.order_changes(shown, "best_test")["rule"]) == {"last", "last_mean", "noisy_validation"}


def test_records_without_a_plan_get_one(tmp_path: Path) -> None:
    make_store(tmp_path, ["elr", "car"], seeds=[0, 1])
    plan = plan_of("records", frames.records(tmp_path))
    assert plan["purpose"] == "compare"
    found = aggregate.cells(frames.load(tmp_path), [plan])
    each = found["rule"] == "clean_validation_each"  # which these records were not asked for
    assert set(found.loc[~each, "n"]) == {2} and set(found.loc[each, "n"]) == {0}
    assert set(found.loc[each, "reason"]) == {"2 done with no validation of each network"}
    store = make_store(tmp_path, ["elr"], seeds=[0], epochs=5, suite="short")
    plan = plan_of("records", frames.records(store.root))
    assert plan["purpose"] == "reproduce"
    titles = {cell["title"] for cell in plan["cells"] if cell["setting"] == "symmetric 50%"}
    assert len(titles) == 3
    assert "CAR (NAL code, beta > 0)" in titles
    aggregate.cells(frames.load(store.root), [plan])


def test_records_of_a_compare_suite_with_a_clean_row_are_a_compare_plan(tmp_path: Path) -> None:
    specs = make_specs(["cross_entropy", "elr"], [("symmetric", 0.5), ("symmetric", 0.2)], [0])
    clean = [
        {**spec, "dataset": {**spec["dataset"], "training_rows": "clean_only"}}
        for spec in specs
        if spec["method"]["name"] == "cross_entropy"
    ]
    plan = plan_of("records", [make_record(spec)[0] for spec in specs + clean])
    assert plan["purpose"] == "compare"
    rows = {cell["method"] for cell in plan["cells"]}  # each goes through both settings
    assert len(rows) == 3
    assert {"elr"} == {row for row in rows if "[" not in row}
