"""Data frames of records, their sources, and the columnar cache."""

from __future__ import annotations

import json
import math
import os
import shutil
import time
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from results import frame as frames
from results.record import StoreError, address, dumps
from results.store import Store
from tests.synthetic_records import make_plan, make_record, make_spec, make_specs, make_store


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return make_store(tmp_path / "output")


def _lines_file(store: Store, path: Path) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(json.dumps(store.load(name)) + "\n" for name in store.addresses()))
    path.with_name(f"{path.stem}.plan.json").write_text(json.dumps(store.plan("quick")))
    return path


def test_one_row_a_record_with_the_documented_columns(store: Store) -> None:
    frame = frames.load(store.root)
    assert list(frame.columns) == list(frames.COLUMNS)
    documented = {name.strip() for line in (frames.__doc__ or "").splitlines() if line.startswith("| ")
                  for name in line.split("|")[1].split(",")}  # fmt: skip
    assert set(frame.columns) <= documented
    assert len(frame) == 24
    record = store.load(frame["address"][0])
    line = frame.iloc[0]
    assert line["accuracy_last"] == record["selection"]["last"]["test_accuracy"]
    assert line["accuracy_best_test"] == record["selection"]["best_test"]["test_accuracy"]
    assert line["memorised"] == record["curves"]["memorisation"]["mislabelled_given"][-1]
    assert line["suites"] == ("quick",)
    assert line["fingerprint"] == record["noise"]["fingerprint"]
    marks = frame.set_index("method")["privileges"]
    assert marks["co_teaching"].iloc[0] == ("ensemble", "noise_rate")
    assert marks["elr"].iloc[0] == ()


def test_absent_values_are_nan(tmp_path: Path) -> None:
    record, arrays = make_record(make_spec("elr", "clean", 0.0, 0))
    del record["selection"]["clean_validation"]
    store = Store(tmp_path)
    store.publish(record, arrays)
    frame = frames.load(tmp_path)
    assert math.isnan(frame["accuracy_clean_validation"][0])
    assert math.isnan(frame["memorised"][0])
    assert math.isnan(frame["auc_own"][0])
    assert frame["subset"].isna()[0]
    assert frame["suites"][0] == ()
    curves = frames.curves(tmp_path)
    assert "memorisation.mislabelled_given" not in set(curves["quantity"])
    assert "memorisation.clean_given" in set(curves["quantity"])


def test_every_source_gives_the_same_frame(store: Store, tmp_path: Path) -> None:
    expected = frames.load(store.root)
    lines = _lines_file(store, tmp_path / "reference" / "quick.jsonl")
    bare = tmp_path / "bare"
    shutil.copytree(store.layout.records, bare)
    for path in (store.layout.records, lines, lines.parent):
        pd.testing.assert_frame_equal(frames.load(path), expected)
        assert frames.plans(path) == frames.plans(store.root)
    without = frames.load(bare)
    assert set(without["suites"]) == {()}
    pd.testing.assert_frame_equal(
        without.drop(columns=["suites", "row_name"]), expected.drop(columns=["suites", "row_name"])
    )
    assert len(frames.load(store.record_path(store.addresses()[0]))) == 1
    assert {record["address"] for record in frames.records(lines)} == set(store.addresses())
    pd.testing.assert_frame_equal(frames.curves(lines), frames.curves(store.root))


def test_an_empty_store_gives_an_empty_frame_with_all_columns(tmp_path: Path) -> None:
    Store(tmp_path).write_plan(make_plan(make_specs(["elr"], seeds=[0])))
    frame = frames.load(tmp_path)
    assert len(frame) == 0
    assert list(frame.columns) == list(frames.COLUMNS)
    assert list(frames.curves(tmp_path).columns) == ["address", "epoch", "quantity", "value"]


@pytest.mark.parametrize("kind", ["absent", "empty", "text"])
def test_what_holds_no_records_is_one_line(tmp_path: Path, kind: str) -> None:
    path = tmp_path / kind
    if kind == "empty":
        path.mkdir()
    if kind == "text":
        path = path.with_suffix(".csv")
        path.write_text("a,b")
    with pytest.raises(StoreError) as caught:
        frames.load(path)
    assert str(path) in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_record_cut_short_is_reported_and_left_out(store: Store) -> None:
    frames.load(store.root)
    path = store.record_path(store.addresses()[3])
    content = path.read_text()
    path.write_text(content[: len(content) // 2])
    for _ in range(2):  # also when the rest comes from the cache
        told: list[str] = []
        assert len(frames.load(store.root, told.append)) == 23
        assert len(told) == 1
        assert str(path) in told[0]
        assert "cut short" in told[0]
    with pytest.warns(UserWarning, match="cut short"):
        frames.load(store.root)
    path.write_text(content)
    assert len(frames.load(store.root)) == 24


def test_a_broken_line_is_reported_with_its_number(store: Store, tmp_path: Path) -> None:
    lines = _lines_file(store, tmp_path / "quick.jsonl")
    lines.write_text(lines.read_text().rstrip()[:-40])
    told: list[str] = []
    assert len(frames.load(lines, told.append)) == 23
    assert told[0].startswith(f"{lines}, line 24: ")


def test_a_file_under_another_address_is_reported(store: Store) -> None:
    first, second = (store.record_path(name) for name in store.addresses()[:2])
    shutil.copyfile(first, second)
    told: list[str] = []
    assert len(frames.load(store.root, told.append)) == 23
    assert "not its record's address" in told[0]


def test_the_cache_follows_every_change(store: Store) -> None:
    cache = store.root / "cache" / "records.columns"
    fresh = frames.load(store.root)
    curves = frames.curves(store.root)
    assert cache.is_file()
    pd.testing.assert_frame_equal(frames.load(store.root), fresh)
    pd.testing.assert_frame_equal(frames.curves(store.root), curves)

    store.publish(*make_record(make_spec("gce", "symmetric", 0.5, 0)))
    added = frames.load(store.root)
    assert len(added) == 25
    name = fresh["address"][0]
    record = store.load(name)
    record["selection"]["last"]["test_accuracy"] = 0.125
    store.record_path(name).write_text(dumps(record))
    assert frames.load(store.root).set_index("address")["accuracy_last"][name] == 0.125
    store.record_path(fresh["address"][1]).unlink()
    cached, cached_curves = frames.load(store.root), frames.curves(store.root)
    assert len(cached) == 24
    shutil.rmtree(store.root / "cache")
    pd.testing.assert_frame_equal(frames.load(store.root), cached)
    pd.testing.assert_frame_equal(frames.curves(store.root), cached_curves)


@pytest.mark.parametrize("content", [b"", b"ARROW1 and then nothing", None])
def test_a_broken_cache_is_made_anew(store: Store, content: bytes | None) -> None:
    fresh = frames.load(store.root)
    cache = store.root / "cache" / "records.columns"
    whole = cache.read_bytes()
    cache.write_bytes(whole[: len(whole) // 2] if content is None else content)
    pd.testing.assert_frame_equal(frames.load(store.root), fresh)
    assert cache.read_bytes() == whole


def test_a_store_that_cannot_be_written_is_still_read(store: Store) -> None:
    (store.root / "cache").write_text("a file where the cache's folder would be")
    assert len(frames.load(store.root)) == 24


def test_curves_hold_each_quantity_by_epoch(store: Store) -> None:
    frame, curves = frames.load(store.root), frames.curves(store.root)
    name = frame.set_index("method")["address"]["co_teaching"].iloc[0]
    record = store.load(name)
    own = curves[curves["address"] == name]
    test = own[own["quantity"] == "test_accuracy"]
    assert list(test["epoch"]) == record["curves"]["epoch"]
    np.testing.assert_array_equal(test["value"], record["curves"]["test_accuracy"])
    second = own[own["quantity"] == "member_test_accuracy.2"]
    np.testing.assert_array_equal(second["value"], [row[1] for row in record["curves"]["member_test_accuracy"]])
    car = curves[curves["address"] == frame.set_index("method")["address"]["car"].iloc[0]]
    assert {"observed.confidence.clean", "memorisation.mislabelled_given"} <= set(car["quantity"])


def test_suites_name_every_plan_that_holds_a_run(store: Store) -> None:
    store.write_plan(make_plan(make_specs(["elr"], seeds=[0]), suite="another"))
    frame = frames.load(store.root)
    assert set(frame[(frame["method"] == "elr") & (frame["seed"] == 0)]["suites"]) == {("another", "quick")}


def test_a_row_of_its_own_settings_has_a_label_of_its_own(store: Store) -> None:
    plan = make_plan(make_specs(["elr", "gce"], seeds=[0]), suite="another")
    for cell in plan["cells"]:
        cell["method"] = f"{cell['method']}_tuned"
    store.write_plan(plan)
    frame = frames.load(store.root).set_index(["method", "seed"])["row_name"]
    assert set(frame["elr", 0]) == {"elr_tuned, elr"} and set(frame["elr", 1]) == {"elr"}
    for path in (store.root / "plans").iterdir():
        path.unlink()
    assert set(frames.load(store.root)["row_name"]) == {"cross_entropy", "co_teaching", "elr", "car"}, "without a plan"


@pytest.mark.slow
def test_ten_thousand_records_load_in_under_five_seconds(tmp_path: Path) -> None:
    template = make_record(make_spec("elr", "symmetric", 0.5, 0))[0]
    (tmp_path / "records").mkdir()
    for seed in range(10_000):
        spec = {**template["spec"], "seed": seed}
        record = {**template, "spec": spec, "address": address(spec)}
        (tmp_path / "records" / f"{record['address']}.json").write_text(dumps(record))
    frames.load(tmp_path)
    os.sync()
    start = time.perf_counter()
    assert len(frames.load(tmp_path)) == 10_000
    assert time.perf_counter() - start < 5
