"""The record and the store: addresses, atomic publishing, damage, storage faults."""

from __future__ import annotations

import errno
import json
import multiprocessing
import os
import subprocess
import sys
import time
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from command_line import HOME

from reports.gather import gather
from results import storage
from results import store as store_module
from results.arrays import npz_bytes
from results.record import StoreError, address, canonical, configuration, dumps, identity, result
from results.store import Store
from results.validation import loads, validate
from tests.synthetic_records import make_plan, make_record, make_spec, make_specs, make_store


@pytest.fixture
def record() -> dict[str, Any]:
    return make_record(make_spec("elr", "symmetric", 0.5, 0))[0]


def test_canonical_ignores_order_and_keeps_integers_and_floats_apart() -> None:
    assert canonical({"b": 1, "a": [1.0, None, True, "é"]}) == '{"a":[1.0,null,true,"\\u00e9"],"b":1}'
    assert address({"rate": 1}) != address({"rate": 1.0})
    assert address({"a": 1, "b": 2}) == address({"b": 2, "a": 1})
    assert canonical({"lr": 1e-4, "x": 0.1 + 0.2}) == '{"lr":0.0001,"x":0.30000000000000004}'


def test_canonical_gives_the_same_address_after_a_round_trip_and_in_another_process() -> None:
    spec = make_spec("car", "asymmetric", 0.4, 2)
    assert address(json.loads(canonical(spec))) == address(spec)
    code = (
        "from tests.synthetic_records import make_spec; from results.record import address; "
        "print(address(make_spec('car', 'asymmetric', 0.4, 2)))"
    )
    env = {**os.environ, "PYTHONHASHSEED": "17", "PYTHONPATH": str(HOME)}
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, env=env)
    assert done.stdout.strip() == address(spec)


@pytest.mark.parametrize(
    ("value", "key"),
    [
        (float("nan"), "spec.a.b"),
        (float("inf"), "spec.a.b"),
        (np.int64(3), "spec.a.b"),
        (Path("x"), "spec.a.b"),
        ([0, {"c": {1}}], "spec.a.b[1].c"),
        ({3: "x"}, "spec.a.b"),
    ],
)
def test_canonical_refuses_what_is_no_plain_value(value: Any, key: str) -> None:
    with pytest.raises(StoreError) as caught:
        canonical({"a": {"b": value}})
    assert str(caught.value).startswith(f"{key}: ")


def test_identity_and_configuration_leave_out_versions_and_seed() -> None:
    spec = make_spec("elr", "symmetric", 0.5, 0)
    newer = {**spec, "protocol": 2, "method": {**spec["method"], "version": 3}}
    assert identity(newer) == identity(spec)
    assert identity({**spec, "epochs": 21}) != identity(spec)
    assert configuration({**spec, "seed": 5}) == configuration(spec)
    assert configuration(newer) != configuration(spec)


@pytest.mark.parametrize(
    ("key", "value", "message"),
    [
        ("format", 2, "key 'format' is 2"),
        ("format", True, "key 'format' must be int, not bool"),
        ("noise", {}, "key 'noise.fingerprint' is missing"),
        ("privileges", "none", "key 'privileges' must be list, not str"),
        ("address", "0" * 64, "key 'address' is 000000000000..."),
        ("curves", {"epoch": [1, 2], "test_accuracy": [0.5]}, "key 'curves.test_accuracy' must be a list of 2"),
        (
            "curves",
            {"epoch": [1], "test_accuracy": [0.5], "memorisation": {"epoch": [1], "clean_given": []}},
            "key 'curves.memorisation.clean_given' must be a list of 1",
        ),
        (
            "curves",
            {"epoch": [1], "test_accuracy": [0.5], "observed": {"selected": {"epoch": [1], "clean": 5}}},
            "key 'curves.observed.selected.clean' must be a list of 1",
        ),
    ],
)
def test_validate_names_file_and_key(record: dict[str, Any], key: str, value: Any, message: str) -> None:
    validate(record)
    with pytest.raises(StoreError) as caught:
        validate({**record, key: value}, "some/file.json")
    assert str(caught.value).startswith("some/file.json: ")
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


def test_json_is_byte_stable_and_reads_back(record: dict[str, Any]) -> None:
    text = dumps(record)
    assert text.endswith("\n}\n")
    assert loads(text, "x") == record
    assert dumps(dict(reversed(list(record.items())))) == text
    with pytest.raises(StoreError, match=r"curves\.test_nll\[1\]"):
        record["curves"]["test_nll"][1] = float("nan")
        dumps(record)


def test_npz_bytes_depend_on_the_arrays_alone() -> None:
    arrays = {"b": np.arange(6).reshape(2, 3).T, "a": np.zeros(3, np.float32)}
    assert npz_bytes(arrays) == npz_bytes(dict(reversed(list(arrays.items()))))
    with pytest.raises(ValueError, match=r"[Oo]bject"):
        npz_bytes({"a": np.array([{}], dtype=object)})


def test_publish_and_load(tmp_path: Path) -> None:
    record, arrays = make_record(make_spec("car", "symmetric", 0.5, 0))
    store = Store(tmp_path / "new" / "output")
    assert not store.has(record["address"])
    assert store.addresses() == []
    assert not store.root.exists()
    assert store.publish(record, arrays)
    assert store.has(record["address"])
    assert store.load(record["address"]) == record
    read = store.arrays(record["address"])
    assert set(read) == set(arrays)
    for name, values in arrays.items():
        np.testing.assert_array_equal(read[name], values)
        assert read[name].dtype == values.dtype
    assert sorted(path.name for path in store.layout.records.iterdir()) == [
        f"{record['address']}.json", f"{record['address']}.npz"]  # fmt: skip


def test_the_first_record_wins(tmp_path: Path) -> None:
    record, arrays = make_record(make_spec("elr", "symmetric", 0.5, 0))
    store = Store(tmp_path)
    assert store.publish(record, arrays)
    before = {path.name: path.read_bytes() for path in store.layout.records.iterdir()}
    later = {**record, "execution": {**record["execution"], "seconds": 99.0}}
    assert not store.publish(later, {})
    assert {path.name: path.read_bytes() for path in store.layout.records.iterdir()} == before
    assert result(later) == result(record)


def _no_hard_links(*_: Any) -> None:
    raise OSError(errno.EPERM, os.strerror(errno.EPERM))


def _publish(root: str, seconds: float, queue: Any, links: bool) -> None:
    if not links:
        store_module.os.link = _no_hard_links
    record, arrays = make_record(make_spec("elr", "symmetric", 0.5, 0))
    record["execution"]["seconds"] = seconds
    queue.put(Store(root).publish(record, arrays))


@pytest.mark.parametrize("links", [True, False])
def test_of_several_processes_one_publishes(links: bool, tmp_path: Path) -> None:
    context = multiprocessing.get_context("fork")
    queue = context.Queue()
    processes = [context.Process(target=_publish, args=(str(tmp_path), float(n), queue, links)) for n in range(6)]
    for process in processes:
        process.start()
    published = [queue.get(timeout=30) for _ in processes]
    for process in processes:
        process.join(30)
    assert published.count(True) == 1
    assert len(Store(tmp_path).addresses()) == 1
    assert not [path for path in (tmp_path / "records").iterdir() if path.name.endswith(".tmp")]


def test_without_hard_links_the_first_record_wins_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    record, arrays = make_record(make_spec("elr", "symmetric", 0.5, 0))
    store, later = Store(tmp_path), {**record, "execution": {**record["execution"], "seconds": 99.0}}
    monkeypatch.setattr(store_module.os, "link", _no_hard_links)
    assert store.publish(record, arrays)
    with monkeypatch.context() as patch:  # as where the other record comes after the first look
        patch.setattr(Store, "has", lambda self, address: False)
        assert not store.publish(later, arrays)
    assert store.load(record["address"]) == record
    store.record_path(record["address"]).write_text("{")
    assert store.publish(later, arrays)
    assert store.load(record["address"]) == later
    assert store.addresses() == [record["address"]]
    assert not [path for path in (tmp_path / "records").iterdir() if path.name.endswith(".tmp")]


@pytest.mark.parametrize("lacking", [False, True])
def test_a_record_that_takes_anothers_place_takes_that_of_its_arrays(tmp_path: Path, lacking: bool) -> None:
    record, arrays = make_record(make_spec("elr", "symmetric", 0.5, 0))
    later = {**record, "execution": {**record["execution"], "resumes": 3}}
    store = Store(tmp_path)
    store.publish(record, arrays)
    assert store.publish(later, None if lacking else arrays, replace=True)
    assert store.load(record["address"]) == later
    assert store.arrays_path(record["address"]).exists() != lacking


@pytest.mark.parametrize("keep", [0, 1, 0.5, -1, -2])
def test_a_truncated_record_is_reported_not_done_and_replaced(tmp_path: Path, keep: float) -> None:
    record, arrays = make_record(make_spec("elr", "symmetric", 0.5, 0))
    store = Store(tmp_path)
    store.publish(record, arrays)
    path = store.record_path(record["address"])
    content = path.read_bytes()
    cut = int(keep * len(content)) if 0 < keep < 1 else int(keep)
    path.write_bytes(content[:cut])
    if keep == -1:  # the final newline alone is missing: nothing is lost
        assert store.has(record["address"])
        return
    assert not store.has(record["address"])
    assert store.addresses() == []
    assert "cut short" in store.damaged()[record["address"]]
    with pytest.raises(StoreError, match="cut short") as caught:
        store.load(record["address"])
    assert str(path) in str(caught.value)
    assert store.publish(record, arrays)
    assert path.read_bytes() == content
    assert store.damaged() == {}


def test_a_record_reformatted_by_hand_still_counts(tmp_path: Path) -> None:
    store = make_store(tmp_path, methods=["elr"], settings=[("symmetric", 0.5)], seeds=[0])
    (name,) = store.addresses()
    store.record_path(name).write_text(json.dumps(store.load(name)))
    assert store.has(name)


def test_damaged_arrays_are_reported(tmp_path: Path) -> None:
    store = make_store(tmp_path, methods=["elr"], settings=[("symmetric", 0.5)], seeds=[0])
    (name,) = store.addresses()
    path = store.arrays_path(name)
    path.write_bytes(path.read_bytes()[:300])
    with pytest.raises(StoreError, match="cut short"):
        store.arrays(name)
    path.unlink()
    with pytest.raises(StoreError, match="No such file"):
        store.arrays(name)


def test_damage_within_compressed_arrays_is_reported(tmp_path: Path) -> None:
    """The archive's directory is whole, the compressed stream isn't: zlib tells, not zipfile."""
    store = make_store(tmp_path, methods=["elr"], settings=[("symmetric", 0.5)], seeds=[0])
    (name,) = store.addresses()
    path = store.arrays_path(name)
    content = bytearray(path.read_bytes())
    content[content.index(b"given.npy") + len(b"given.npy")] |= 0b110  # a kind of block that does not exist
    path.write_bytes(content)
    with pytest.raises(zlib.error), np.load(path) as archive:
        [archive[part] for part in archive.files]
    with pytest.raises(StoreError, match=r"no readable \.npz file"):
        store.arrays(name)
    material = gather(tmp_path)
    assert material.arrays(name) is None
    assert "no readable .npz file" in material.warnings[0]


@pytest.mark.parametrize(
    ("code", "words"), [(errno.ENOSPC, "the disk is full"), (errno.EROFS, "the file system is read-only")]
)
@pytest.mark.parametrize("call", ["fsync", "link"])
def test_a_storage_fault_is_one_line_and_leaves_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, code: int, words: str, call: str
) -> None:
    def fault(*_: Any) -> None:
        raise OSError(code, os.strerror(code))

    record, arrays = make_record(make_spec("elr", "symmetric", 0.5, 0))
    monkeypatch.setattr(store_module.os, call, fault)
    with pytest.raises(StoreError, match=words) as caught:
        Store(tmp_path).publish(record, arrays)
    assert "\n" not in str(caught.value)
    assert str(tmp_path) in str(caught.value)
    monkeypatch.undo()
    left = [path.name for path in (tmp_path / "records").iterdir()]
    assert all(name == f"{record['address']}.npz" for name in left)
    assert Store(tmp_path).publish(record, arrays)


def test_a_root_under_a_file_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")
    record, arrays = make_record(make_spec("elr", "symmetric", 0.5, 0))
    store = Store(tmp_path / "file" / "output")
    assert store.addresses() == []
    with pytest.raises(StoreError, match="a file, not a folder"):
        store.publish(record, arrays)


def test_failures_are_kept_until_the_run_is_done(tmp_path: Path) -> None:
    record, arrays = make_record(make_spec("elr", "symmetric", 0.5, 0))
    store = Store(tmp_path)
    store.clear_failure(record["address"])
    store.fail(record["address"], "Traceback ...\nValueError: é")
    assert store.failures() == {record["address"]: "Traceback ...\nValueError: é"}
    store.publish(record, arrays)
    assert store.failures() == {}
    assert not (store.layout.failure(record["address"])).exists()


def test_a_plan_is_joined_with_what_was_asked_before(tmp_path: Path) -> None:
    store = Store(tmp_path)
    first = make_plan(make_specs(["cross_entropy", "elr"], seeds=[0, 1]))
    store.write_plan(first)
    assert store.plans() == {"quick": first}
    store.write_plan(make_plan(make_specs(["gce"], seeds=[0])))
    methods = [cell["method"] for cell in store.plan("quick")["cells"]]
    assert len(methods) == 8 + 2
    assert set(methods) == {"cross_entropy", "elr", "gce"}
    store.write_plan(make_plan(make_specs(["elr"], seeds=[0], epochs=5)))  # another protocol: the old cells must go
    assert [cell["spec"]["epochs"] for cell in store.plan("quick")["cells"]] == [5, 5]
    store.write_plan(make_plan(make_specs(["elr"], seeds=[1], epochs=5), purpose="reproduce"))
    assert [cell["seed"] for cell in store.plan("quick")["cells"]] == [1, 1]


def test_a_row_with_settings_of_its_own_stays_in_a_compare_plan(tmp_path: Path) -> None:
    """Not tied to a protocol: training rows, what is scored, and the noise rate a method is told."""
    store = Store(tmp_path)
    plain, told, clean, ensemble = (
        make_spec(method, "symmetric", 0.5, 0) for method in ("cross_entropy", "co_teaching", "gce", "elr")
    )
    told |= {"noise_rate": 0.3, "noise_rate_error": 0.1}
    clean["dataset"] |= {"training_rows": "clean_only"}
    ensemble |= {"scored": "ensemble"}
    store.write_plan(make_plan([plain, told, clean, ensemble]))
    for spec in (plain, told, clean, ensemble):
        store.write_plan(make_plan([spec]))
        assert len(store.plan("quick")["cells"]) == 4
    store.write_plan(make_plan([{**plain, "dataset": {**plain["dataset"], "subset": 50}}]))
    assert len(store.plan("quick")["cells"]) == 1


@pytest.mark.parametrize("purpose", ["compare", "reproduce"])
def test_one_heading_of_a_plan_has_one_set_of_noisy_labels(purpose: str, tmp_path: Path) -> None:
    def cells() -> set[tuple[str, str, str]]:
        found = Store(tmp_path).plan("quick")["cells"]
        return {(cell["method"], cell["setting"], cell["noise"]["options"].get("sha256", "")) for cell in found}

    first, second = ({"file": "labels.npy", "sha256": letter * 64} for letter in "ab")
    specs = make_specs(["elr", "gce"], [("labels_file", 0.0)], [0, 1], options=first)
    specs += make_specs(["elr", "gce"], [("symmetric", 0.5)], [0, 1])
    Store(tmp_path).write_plan(make_plan(specs, purpose=purpose))
    changed = make_specs(["elr"], [("labels_file", 0.0)], [0], options=second)
    Store(tmp_path).write_plan(make_plan(changed, purpose=purpose))
    file = changed[0]["noise"]["model"].replace("_", " ") + " 0%"
    assert cells() == {("elr", file, "b" * 64), ("elr", "symmetric 50%", ""), ("gce", "symmetric 50%", "")}


_ROWS = ("cross_entropy", "co_teaching", "elr", "car", "gce", "mixup")


def _plan_one_row(root: str, method: str, started: Any) -> None:
    plan = make_plan(make_specs([method], seeds=range(20)))
    started.wait(30)
    Store(root).write_plan(plan)


def test_rows_that_several_processes_add_at_once_are_all_kept(tmp_path: Path) -> None:
    context = multiprocessing.get_context("fork")
    started = context.Barrier(len(_ROWS))
    processes = [context.Process(target=_plan_one_row, args=(str(tmp_path), row, started)) for row in _ROWS]
    for process in processes:
        process.start()
    for process in processes:
        process.join(60)
    assert {cell["method"] for cell in Store(tmp_path).plan("quick")["cells"]} == set(_ROWS)
    assert list(Store(tmp_path).plans()) == ["quick"]


def _hold_the_lock(root: str, held: Any) -> None:
    with storage.locked(Path(root) / "plans" / "quick.json"):
        held.set()
        time.sleep(600)


def test_the_lock_of_a_killed_process_is_free(tmp_path: Path) -> None:
    context = multiprocessing.get_context("fork")
    held = context.Event()
    process = context.Process(target=_hold_the_lock, args=(str(tmp_path), held))
    process.start()
    assert held.wait(30)
    process.kill()
    process.join(30)
    Store(tmp_path).write_plan(make_plan(make_specs(["elr"], seeds=[0])))
    assert list(Store(tmp_path).plans()) == ["quick"]


def test_a_plan_is_written_where_nothing_can_be_locked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fault(*_: Any) -> None:
        raise OSError(errno.ENOLCK, os.strerror(errno.ENOLCK))

    monkeypatch.setattr(storage.fcntl, "flock", fault)
    Store(tmp_path).write_plan(make_plan(make_specs(["elr"], seeds=[0])))
    Store(tmp_path).write_plan(make_plan(make_specs(["gce"], seeds=[0])))
    assert len(Store(tmp_path).plan("quick")["cells"]) == 4


def test_the_larger_part_of_a_joined_plan_leads(tmp_path: Path) -> None:
    def settings() -> list[str]:
        return list(dict.fromkeys(cell["setting"] for cell in store.plan("quick")["cells"]))

    store, methods = Store(tmp_path), ["cross_entropy", "elr"]
    whole = [("clean", 0.0), ("symmetric", 0.2), ("symmetric", 0.5)]
    store.write_plan(make_plan(make_specs(methods, [("symmetric", 0.5)], [0, 1])))  # a setting run early
    store.write_plan(make_plan(make_specs(methods, whole, [0])))
    assert settings() == ["clean", "symmetric 20%", "symmetric 50%"]
    store.write_plan(make_plan(make_specs(methods, [("symmetric", 0.5)], [2])))  # and one run again
    assert settings() == ["clean", "symmetric 20%", "symmetric 50%"]


def test_a_reproduce_plan_keeps_methods_of_another_protocol(tmp_path: Path) -> None:
    store = Store(tmp_path)
    store.write_plan(make_plan(make_specs(["elr"], seeds=[0]), purpose="reproduce"))
    store.write_plan(make_plan(make_specs(["gce"], seeds=[0], epochs=5), purpose="reproduce"))
    assert len(store.plan("quick")["cells"]) == 4


def test_what_killed_processes_left_is_removed_after_a_day(tmp_path: Path) -> None:
    store = make_store(tmp_path, ["elr"], [("symmetric", 0.5)], [0])
    (name,) = store.addresses()
    old, new = (store.layout.records / f".{name}.json.{number}.0123abcd.tmp" for number in (1, 2))
    for path, hours in ((old, 25), (new, 1), (store.record_path(name), 25)):
        path.touch()
        os.utime(path, (time.time() - 3600 * hours,) * 2)
    store.write_plan(store.plan("quick"))
    assert not old.exists()
    assert new.exists() and store.has(name)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"suite": "../x"}, "no file name"),
        ({"purpose": "rank"}, "accepted: compare, reproduce"),
        ({"cells": [{"address": "x"}]}, r"cells\[0\]\.method"),
        ({"cells": None}, "key 'cells' must be list"),
        (
            {"cells": [dict.fromkeys(("address", "method", "title", "setting", "seed", "dataset", "spec"))]},
            r"cells\[0\]\.spec\.dataset",
        ),
    ],
)
def test_a_malformed_plan_is_refused(tmp_path: Path, change: dict[str, Any], message: str) -> None:
    plan = {**make_plan(make_specs(["elr"], seeds=[0])), **change}
    with pytest.raises(StoreError, match=message):
        Store(tmp_path).write_plan(plan)
    (tmp_path / "plans").mkdir()
    (tmp_path / "plans" / "quick.json").write_text(json.dumps(plan))
    with pytest.raises(StoreError, match=message):
        Store(tmp_path).plans()


def test_results_do_not_import_torch() -> None:
    root = HOME
    names = [f"results.{path.stem}" for path in (root / "results").glob("*.py") if path.stem != "__init__"]
    code = f"import sys; {'; '.join(f'import {name}' for name in names)}; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], cwd=root, check=False).returncode == 0
