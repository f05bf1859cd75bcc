"""Others' records: merged, compared, and exported as lines."""

from __future__ import annotations

import math
import shutil
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from scipy import stats

import results
from results.against import compare
from results.export import export_jsonl
from results.inference import welch_interval
from results.merge import first_difference, merge
from results.record import StoreError, dumps
from results.store import Store
from tests.synthetic_records import make_plan, make_record, make_spec, make_specs, make_store


def _contents(store: Store) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in store.layout.records.iterdir()}


def _publish(store: Store, spec: dict[str, Any], **selection: float) -> str:
    record, arrays = make_record(spec)
    for rule, value in selection.items():
        record["selection"][rule]["test_accuracy"] = value
    store.publish(record, arrays)
    return str(record["address"])


def test_merge_adds_what_is_missing(tmp_path: Path) -> None:
    ours = make_store(tmp_path / "ours", ["cross_entropy", "elr"], seeds=[0])
    theirs = make_store(tmp_path / "theirs", ["elr", "gce"], seeds=[0, 1])
    before = _contents(ours)
    summary = merge([theirs.root], ours)
    assert len(summary.added) == 2 * 4 - 2
    assert len(summary.duplicates) == 2
    assert summary.conflicts == {}
    assert summary.other_versions == []
    after = _contents(ours)
    assert {name: after[name] for name in before} == before
    assert len(after) == 2 * (4 + 6)
    assert len(ours.plan("quick")["cells"]) == 4 + 6
    again = merge([theirs.root], ours)
    assert (len(again.added), len(again.duplicates)) == (0, 8)
    assert _contents(ours) == after


def test_merge_keeps_ours_where_results_conflict(tmp_path: Path) -> None:
    spec = make_spec("elr", "symmetric", 0.5, 0)
    ours, theirs = Store(tmp_path / "ours"), Store(tmp_path / "theirs")
    name = _publish(ours, spec, last=0.5)
    _publish(theirs, spec, last=0.75)
    before = _contents(ours)
    summary = merge([theirs.root], ours)
    assert summary.conflicts == {name: "selection.last.test_accuracy: 0.5 here, 0.75 there"}
    assert any(name[:12] in line for line in summary.lines())
    assert _contents(ours) == before


def test_merge_does_not_take_times_for_a_conflict(tmp_path: Path) -> None:
    record, arrays = make_record(make_spec("elr", "symmetric", 0.5, 0))
    ours, theirs = Store(tmp_path / "ours"), Store(tmp_path / "theirs")
    ours.publish(record, arrays)
    record["execution"] = {"seconds": 99.0, "host": "elsewhere"}
    theirs.publish(record, arrays)
    assert merge([theirs.root], ours).duplicates == [record["address"]]


def test_merge_tells_other_versions_apart(tmp_path: Path) -> None:
    spec = make_spec("elr", "symmetric", 0.5, 0)
    newer_method = {**spec, "method": {**spec["method"], "version": 2}}
    older = make_spec("gce", "symmetric", 0.5, 0, protocol=0)
    ours, theirs = Store(tmp_path / "ours"), Store(tmp_path / "theirs")
    _publish(ours, spec)
    names = [_publish(theirs, other) for other in (newer_method, older, make_spec("car", "symmetric", 0.5, 0))]
    summary = merge([theirs.root], ours)
    assert sorted(summary.added) == sorted(names)
    assert sorted(summary.other_versions) == sorted(names[:2])


def test_merge_reads_every_kind_of_source(tmp_path: Path) -> None:
    theirs = make_store(tmp_path / "theirs", ["elr"], [("symmetric", 0.5)], seeds=[0, 1])
    shutil.copytree(theirs.layout.records, tmp_path / "bare")
    export_jsonl(theirs, "quick", tmp_path / "lines")
    for position, source in enumerate([theirs.layout.records, tmp_path / "bare", tmp_path / "lines"]):
        into = Store(tmp_path / f"into{position}")
        assert len(merge([source], into).added) == 2
        for name in into.addresses():
            assert into.arrays_path(name).exists() == (source.name != "lines")
        assert len(results.load(into.root)) == 2
    assert "quick" in Store(tmp_path / "into2").plans()


def test_records_that_are_handed_in_name_who_ran_them_and_keep_it(tmp_path: Path) -> None:
    theirs = make_store(tmp_path / "theirs", ["elr"], [("symmetric", 0.5)], seeds=[0])
    export_jsonl(theirs, "quick", tmp_path / "handed", "Ada Lovelace")
    ours = Store(tmp_path / "ours")
    merge([tmp_path / "handed"], ours)
    make_store(ours.root, ["elr", "car"], [("symmetric", 0.5)], seeds=[0], skip=[("elr", "symmetric 50%", 0)])
    export_jsonl(ours, "quick", tmp_path / "on", "Somebody Else")
    names = results.load(tmp_path / "on").set_index("method")["run_by"]
    assert dict(names) == {"elr": "Ada Lovelace", "car": "Somebody Else"}
    assert set(results.load(theirs.root)["run_by"]) == {""}


def test_a_folder_of_lines_may_be_called_records(tmp_path: Path) -> None:
    theirs = make_store(tmp_path / "theirs", ["elr"], seeds=[0])
    export_jsonl(theirs, "quick", tmp_path / "records")
    ours = Store(tmp_path / "ours")
    assert len(merge([tmp_path / "records"], ours).added) == 2
    assert list(ours.plans()) == ["quick"]
    export_jsonl(theirs, "quick", theirs.layout.records)  # lines that stray among a store's records change nothing
    other = Store(tmp_path / "other")
    assert len(merge([theirs.layout.records], other, lambda line: None).added) == 2
    assert all(other.arrays_path(address).exists() for address in other.addresses())


def test_merge_reports_what_is_damaged_and_goes_on(tmp_path: Path) -> None:
    theirs = make_store(tmp_path / "theirs", ["elr"], seeds=[0, 1])
    cut, without = theirs.addresses()[:2]
    path = theirs.record_path(cut)
    path.write_text(path.read_text()[:100])
    packed = theirs.arrays_path(without)
    packed.write_bytes(packed.read_bytes()[:100])
    told: list[str] = []
    into = Store(tmp_path / "into")
    assert len(merge([theirs.root], into, told.append).added) == 3
    assert len(told) == 2
    assert not into.has(cut)
    assert into.has(without)
    assert not into.arrays_path(without).exists()


def test_merge_refuses_before_it_writes(tmp_path: Path) -> None:
    ours = make_store(tmp_path / "ours", ["elr"], seeds=[0])
    theirs = make_store(tmp_path / "theirs", ["gce"], seeds=[0])
    before = _contents(ours)
    with pytest.raises(StoreError, match="into itself"):
        merge([theirs.root, ours.layout.records], ours)
    with pytest.raises(StoreError, match="no such file or folder"):
        merge([theirs.root, tmp_path / "absent"], ours)
    assert _contents(ours) == before


def test_merge_leaves_plans_of_another_protocol_apart(tmp_path: Path) -> None:
    ours = make_store(tmp_path / "ours", ["elr"], seeds=[0])
    theirs = make_store(tmp_path / "theirs", ["gce"], seeds=[0], epochs=5)
    summary = merge([theirs.root], ours)
    assert summary.apart == {"quick": "quick-theirs"}
    assert len(summary.added) == 2
    assert {cell["method"] for cell in ours.plan("quick")["cells"]} == {"elr"}


def test_first_difference_names_the_place() -> None:
    assert first_difference({"a": [1, {"b": 2}]}, {"a": [1, {"b": 2}]}) is None
    assert first_difference({"a": [1, {"b": 2}]}, {"a": [1, {"b": 3}]}) == "a[1].b: 2 here, 3 there"
    assert first_difference({"a": 1}, {"a": 1, "b": 2}) == "b: only there"
    assert first_difference({"a": [1]}, {"a": [1, 2]}) == "a: [1] here, [1, 2] there"


def test_equal_stores_show_no_difference(tmp_path: Path) -> None:
    make_store(tmp_path)
    frame = results.load(tmp_path)
    table = compare(frame, frame)
    assert len(table) == 8
    assert set(table["interval"]) == {"paired"}
    assert table[["difference", "low", "high"]].abs().max().max() == 0
    assert set(table["equal"]) == {3}
    assert set(table["differs"]) == {""}


def test_compare_pairs_where_it_can(tmp_path: Path) -> None:
    for name, values in (("a", [0.80, 0.82, 0.84]), ("b", [0.81, 0.85, 0.83])):
        for seed, value in enumerate(values):
            _publish(Store(tmp_path / name), make_spec("elr", "symmetric", 0.5, seed), last=value)
    frame_a, frame_b = results.load(tmp_path / "a"), results.load(tmp_path / "b")
    row = compare(frame_a, frame_b).iloc[0]
    expected = stats.ttest_rel([0.81, 0.85, 0.83], [0.80, 0.82, 0.84]).confidence_interval(0.95)
    assert row["interval"] == "paired"
    assert (row["difference"], row["low"], row["high"]) == pytest.approx((0.01, expected.low, expected.high))
    assert row["equal"] == 0

    other = frame_b.assign(seed=frame_b["seed"] + 10)
    row = compare(frame_a, other).iloc[0]
    expected = stats.ttest_ind([0.81, 0.85, 0.83], [0.80, 0.82, 0.84], equal_var=False).confidence_interval(0.95)
    assert row["interval"] == "unpaired"
    assert (row["low"], row["high"]) == pytest.approx((expected.low, expected.high))

    row = compare(frame_a, other.head(1)).iloc[0]
    assert (row["n_a"], row["n_b"], row["interval"]) == (3, 1, "")
    assert math.isnan(row["low"])
    assert math.isnan(row["std_b"])


def test_compare_says_in_what_protocols_differ(tmp_path: Path) -> None:
    make_store(tmp_path / "a", ["cross_entropy", "elr"], [("symmetric", 0.5)])
    make_store(tmp_path / "b", ["cross_entropy", "gce"], [("symmetric", 0.5)], precision="bf16")
    table = compare(results.load(tmp_path / "a"), results.load(tmp_path / "b")).set_index("method")
    assert table.loc["cross_entropy", "differs"] == "precision"
    assert table.loc["cross_entropy", "interval"] == "paired"
    assert table.loc["cross_entropy", "equal"] == 0
    assert table.loc["elr", "differs"] == "only in a"
    assert (table.loc["elr", "n_a"], table.loc["elr", "n_b"]) == (3, 0)
    assert math.isnan(table.loc["elr", "difference"])
    assert table.loc["gce", "differs"] == "only in b"
    make_store(tmp_path / "c", ["cross_entropy"], [("symmetric", 0.5)], threads=2)
    (row,) = compare(results.load(tmp_path / "a"), results.load(tmp_path / "c")).head(1).to_dict("records")
    assert row["differs"] == "other settings"


def test_welch_interval_edge_cases() -> None:
    assert welch_interval([0.5, 0.5], [0.25, 0.25]) == (0.25, 0.25)
    assert all(math.isnan(bound) for bound in welch_interval([0.5], [0.25, 0.3]))


def test_export_is_byte_stable_and_reads_back(tmp_path: Path) -> None:
    store = make_store(tmp_path / "store", ["elr", "car"], seeds=[0, 1], skip=[("elr", "symmetric 50%", 1)])
    assert export_jsonl(store, "quick", tmp_path / "one") == 7
    shutil.rmtree(store.root / "plans")
    store.write_plan(make_plan(make_specs(["elr", "car"], seeds=[0, 1])))
    export_jsonl(store, "quick", tmp_path / "two")
    for name in ("quick.jsonl", "quick.plan.json"):
        assert (tmp_path / "one" / name).read_bytes() == (tmp_path / "two" / name).read_bytes()
    assert b'"host"' not in (tmp_path / "one" / "quick.jsonl").read_bytes()
    pd.testing.assert_frame_equal(results.load(tmp_path / "one"), results.load(store.root))
    pd.testing.assert_frame_equal(results.curves(tmp_path / "one"), results.curves(store.root))


def test_export_needs_a_suite_with_runs(tmp_path: Path) -> None:
    store = Store(tmp_path)
    store.write_plan(make_plan(make_specs(["elr"], seeds=[0])))
    with pytest.raises(StoreError, match="accepted: quick"):
        export_jsonl(store, "quik", tmp_path / "lines")
    with pytest.raises(StoreError, match="no run of the suite 'quick' is done"):
        export_jsonl(store, "quick", tmp_path / "lines")
    assert not (tmp_path / "lines").exists()


def test_a_record_of_a_newer_format_is_reported(tmp_path: Path) -> None:
    store = make_store(tmp_path, ["elr"], [("symmetric", 0.5)], seeds=[0])
    (name,) = store.addresses()
    store.record_path(name).write_text(dumps({**store.load(name), "format": 2}))
    with pytest.warns(UserWarning, match="this version reads format 1"):
        assert len(results.load(tmp_path)) == 0
