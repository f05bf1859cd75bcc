"""Records, plans and arrays of a stranger: named and left out where they are none, and never able to do harm."""

from __future__ import annotations

import copy
import io
import json
import os
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from command_line import Command, run

from results import arrays as arrays_module
from results.arrays import check_arrays, load_npz, npz_bytes
from results.record import StoreError, address, dumps
from results.store import Store
from tests.synthetic_records import make_plan, make_record, make_spec, make_store

SCRIPT = '"><script>alert(1)</script>'


def strange(change: Callable[[dict[str, Any]], Any], **override: Any) -> dict[str, Any]:
    """A record with one change; its address follows its specification, as a stranger's would."""
    record = copy.deepcopy(make_record(make_spec("car", "symmetric", 0.5, 0, epochs=3, **override), size=40)[0])
    change(record)
    record["address"] = address(record["spec"])
    return record


def put(root: Path, record: dict[str, Any], text: str | None = None) -> Path:
    """A record's file as it is, unchecked."""
    path = root / "records" / f"{record['address']}.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(record) if text is None else text)
    return path


def tree(root: Path) -> dict[str, bytes]:
    """All files below a folder, locks apart."""
    files = (path for path in root.rglob("*") if path.is_file() and path.suffix != ".lock")
    return {str(path.relative_to(root)): path.read_bytes() for path in files}


def at(place: str, value: Any) -> Callable[[dict[str, Any]], None]:
    """Sets the value at a place such as `noise.matrix`."""

    def change(record: dict[str, Any]) -> None:
        *path, last = place.split(".")
        here: Any = record
        for part in path:
            here = here[part]
        here[last] = value

    return change


PLACES: list[tuple[str, Any, str]] = [
    ("curves.observed", {SCRIPT: {"epoch": [1], "clean": [0.5], "mislabelled": [0.5]}}, "curves.observed"),
    ("curves.observed", {"../x": {"epoch": [1], "clean": [0.5]}}, "curves.observed"),
    ("curves.observed", {"a" * 200: {"epoch": [1], "clean": [0.5]}}, "curves.observed"),
    ("curves.observed", {"fine": {"epoch": [2, 1], "clean": [0.5, 0.5]}}, "curves.observed.fine.epoch"),
    ("curves.observed", ["fine"], "curves.observed"),
    ("final.further_tests", {"a/b": {"test_accuracy": 0.5}}, "final.further_tests"),
    ("final.further_tests", {"v2": {"test_accuracy": 50}}, "final.further_tests.v2.test_accuracy"),
    ("spec.dataset.name", "/../../../victim/notes", "spec.dataset.name"),
    ("spec.dataset.name", "..", "spec.dataset.name"),
    ("spec.method.name", "", "spec.method.name"),
    ("spec.network", "a b", "spec.network"),
    ("spec.noise.model", "a\n", "spec.noise.model"),
    ("spec.noise.rate", 1e308, "spec.noise.rate"),
    ("spec.seed", 10**30, "spec.seed"),
    ("spec.seed", -1, "spec.seed"),
    ("spec.epochs", -1, "spec.epochs"),
    ("spec.optimizer", 3, "spec.optimizer"),
    ("titles.method", "M \ud800", "titles.method"),
    ("titles.method", "M" * 5000, "titles.method"),
    ("titles.dataset", ["x"], "titles.dataset"),
    ("data", {}, "data.num_train"),
    ("data.class_names", ["a"], "data.class_names"),
    ("noise.fingerprint", "../x", "noise.fingerprint"),
    ("noise.matrix", [[1.0]], "noise.matrix"),
    ("noise.train_rate", 1.5, "noise.train_rate"),
    ("curves.test_accuracy", ["high", "low", "no"], "curves.test_accuracy[0]"),
    ("curves.test_accuracy", [[0.5], [0.6], [0.7]], "curves.test_accuracy[0]"),
    ("curves.test_accuracy", [0.5, 0.6, 7.5], "curves.test_accuracy[2]"),
    ("curves.test_accuracy", [0.5, 0.6], "curves.test_accuracy"),
    ("curves.epoch", ["1", "2", "3"], "curves.epoch"),
    ("curves.epoch", [1, 2, 10**30], "curves.epoch[2]"),
    ("curves.memorisation.clean_given", [0.1, 0.2, 2], "curves.memorisation.clean_given[2]"),
    ("curves.test_nll", [0.1, float("nan"), 0.3], "curves.test_nll"),
    ("selection.last.test_accuracy", 7.5, "selection.last.test_accuracy"),
    ("selection.best_test", 3, "selection.best_test"),
    ("selection.best_test.epoch", 99, "selection.best_test.epoch"),
    ("final.test_accuracy", -0.1, "final.test_accuracy"),
    ("final.confusion", [[1], [2, 3]], "final.confusion"),
    ("final.confusion", "none", "final.confusion"),
    ("final.per_class_accuracy", [1.0], "final.per_class_accuracy"),
    ("final.calibration", {"count": [1]}, "final.calibration"),
    ("final.members", [3], "final.members[0]"),
    ("final.ece", "low", "final.ece"),
    ("detection", {"given_label_mean": 3}, "detection.given_label_mean"),
    ("detection", {"given_label_mean": {"roc_auc": [1]}}, "detection.given_label_mean.roc_auc"),
    ("cost", {"passes_per_step": "many"}, "cost.passes_per_step"),
    ("privileges", [3], "privileges"),
    ("execution.versions", ["torch"], "execution.versions"),
    ("execution.started", 5, "execution.started"),
    ("execution.seconds", "long", "execution.seconds"),
]


@pytest.mark.parametrize(("place", "value", "key"), PLACES, ids=[f"{n}-{each[0]}" for n, each in enumerate(PLACES)])
def test_a_changed_record_is_named_and_left_out(
    command: Command, tmp_path: Path, place: str, value: Any, key: str
) -> None:
    path = put(tmp_path / "theirs", strange(at(place, value)))
    Store(tmp_path / "ours").write_plan(make_plan([make_spec("elr", "symmetric", 0.5, 0)]))
    before = tree(tmp_path)
    ended = command("merge", "theirs", "--out", "ours")
    assert ended.status == 0
    assert "0 added" in ended.out
    (line,) = [line for line in ended.out.splitlines() if line.startswith("left out: ")]
    assert path.name[:40] in line
    assert f"key '{key}" in line
    assert len(line) <= 500
    assert tree(tmp_path) == before


def test_a_report_of_a_strangers_record_alone_names_its_fault(refused: Callable[..., str], tmp_path: Path) -> None:
    put(tmp_path / "theirs", strange(at("curves.observed", {SCRIPT: {"epoch": [1], "clean": [0.5]}})))
    said = refused("report", "--out", "theirs")
    assert "key 'curves.observed' holds the name" in said
    assert said.startswith("error: theirs/records/")


@pytest.mark.parametrize("text", ["[" * 20_000, '{"a": ' + "[" * 20_000 + "]" * 20_000 + "}", "3", "", "{}", "\0"])
def test_what_is_no_record_is_left_out(command: Command, tmp_path: Path, text: str) -> None:
    put(tmp_path / "theirs", strange(lambda record: None), text)
    ended = command("merge", "theirs", "--out", "ours")
    assert ended.status == 0
    assert "left out: theirs/records/" in ended.out


@pytest.mark.parametrize("other", ["status", "report"])
def test_a_plan_that_nests_without_end_is_refused(refused: Callable[..., str], tmp_path: Path, other: str) -> None:
    put(tmp_path / "theirs", strange(lambda record: None))
    (tmp_path / "theirs" / "plans").mkdir()
    (tmp_path / "theirs" / "plans" / "quick.json").write_text('{"cells": ' + "[" * 20_000 + "]" * 20_000 + "}\n")
    assert "plans/quick.json: nested deeper than 40 levels" in refused(other, "--out", "theirs")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda plan: plan["cells"][0].update(dataset="../x"), "cells[0].spec.dataset.name"),
        (lambda plan: plan["cells"][0].update(title=3), "cells[0].title"),
        (lambda plan: plan["cells"][0].update(address="../../victim"), "cells[0].address"),
        (lambda plan: plan["cells"][0].update(seed="0"), "cells[0].seed"),
        (lambda plan: plan["cells"][0]["spec"].update(method=None), "cells[0].spec.method"),
        (lambda plan: plan["cells"][0].update(noise=5), "cells[0].noise"),
        (lambda plan: plan["cells"][0].update(noise={"model": "symmetric", "rate": "x"}), "cells[0].noise.rate"),
        (lambda plan: plan["cells"][0].update(selection=5), "cells[0].selection"),
        (lambda plan: plan["cells"][0].update(deviations=[1]), "cells[0].deviations"),
        (lambda plan: plan["cells"][0].update(deviations="all"), "cells[0].deviations"),
        (lambda plan: plan.update(title=["x"]), "key 'title'"),
        (lambda plan: plan.update(trials=["x"]), "key 'trials'"),
        (lambda plan: plan.update(cells=[{}]), "cells[0].address"),
        (lambda plan: plan.update(suite="../x"), "no file name"),
    ],
)
def test_a_changed_plan_is_refused_and_nothing_is_merged(
    refused: Callable[..., str], tmp_path: Path, change: Callable[[dict[str, Any]], Any], message: str
) -> None:
    record = strange(lambda record: None)
    put(tmp_path / "theirs", record)
    plan = make_plan([record["spec"]])
    change(plan)
    (tmp_path / "theirs" / "plans").mkdir()
    (tmp_path / "theirs" / "plans" / "quick.json").write_text(json.dumps(plan))
    assert message in refused("merge", "theirs", "--out", "ours")


def test_pipes_among_records_do_not_hold_a_command_up(tmp_path: Path) -> None:
    store = make_store(tmp_path / "theirs", ["elr"], [("symmetric", 0.5)], seeds=[0], size=40, epochs=2)
    os.mkfifo(store.layout.records / f"{'0' * 64}.json")
    os.mkfifo(store.layout.records / f"{'1' * 64}.npz")
    status, said = run("status", "--out", "theirs", cwd=tmp_path)
    assert status == 0
    assert "not a regular file" in said
    status, said = run("merge", "theirs", "--out", "ours", cwd=tmp_path)
    assert status == 0
    assert "1 added" in said
    assert "not a regular file" in said


# ---- merging ---------------------------------------------------------------------------------------------------------


def test_a_plan_called_as_ours_is_kept_beside_ours(command: Command, tmp_path: Path) -> None:
    ours = make_store(tmp_path / "ours", ["elr", "gce"], [("symmetric", 0.5)], seeds=[0], size=40, epochs=2)
    theirs = make_store(tmp_path / "theirs", ["car"], [("symmetric", 0.5)], seeds=[0], size=40, epochs=3)
    theirs.write_plan({**theirs.plan("quick"), "purpose": "reproduce", "selection": "best_test", "title": "Another"})
    kept = (ours.layout.plans / "quick.json").read_bytes()
    for _ in range(2):  # merging again adds no further plan
        ended = command("merge", "theirs", "--out", "ours")
        assert ended.status == 0
        assert (ours.layout.plans / "quick.json").read_bytes() == kept
        assert sorted(ours.plans()) == ["quick", "quick-theirs"]
        assert "ours is unchanged, theirs is the suite quick-theirs" in ended.out
    apart = ours.plan("quick-theirs")
    assert [cell["method"] for cell in apart["cells"]] == ["car"]
    assert (apart["title"], apart["origin"], apart["selection"]) == ("Another (from theirs)", "theirs", "best_test")


def test_a_plan_goes_by_the_name_of_its_file(command: Command, tmp_path: Path) -> None:
    ours = make_store(tmp_path / "ours", ["elr", "gce"], [("symmetric", 0.5)], seeds=[0], size=40, epochs=2)
    theirs = make_store(tmp_path / "theirs", ["car"], [("symmetric", 0.5)], seeds=[0], size=40, epochs=3)
    (theirs.layout.plans / "quick.json").rename(theirs.layout.plans / "other.json")  # inside, it still says "quick"
    kept = (ours.layout.plans / "quick.json").read_bytes()
    assert command("merge", "theirs", "--out", "ours").status == 0
    assert (ours.layout.plans / "quick.json").read_bytes() == kept
    assert sorted(ours.plans()) == ["other", "quick"]


def test_a_colleagues_rows_still_join_our_plan(command: Command, tmp_path: Path) -> None:
    ours = make_store(tmp_path / "ours", ["elr"], [("symmetric", 0.5)], seeds=[0], size=40, epochs=2)
    make_store(tmp_path / "theirs", ["car"], [("symmetric", 0.5)], seeds=[0], size=40, epochs=2)
    ended = command("merge", "theirs", "--out", "ours")
    assert "suite quick: 1 cells added to our plan" in ended.out
    assert [cell["method"] for cell in ours.plan("quick")["cells"]] == ["elr", "car"]


@pytest.mark.parametrize("broken", range(1, 8))
def test_a_merge_that_a_full_disk_ends_leaves_nothing(
    command: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, broken: int
) -> None:
    make_store(tmp_path / "ours", ["elr"], [("symmetric", 0.5)], seeds=[0], size=40, epochs=2)
    make_store(tmp_path / "theirs", ["car", "gce", "sce"], [("symmetric", 0.5)], seeds=[0], size=40, epochs=2)
    before, count = tree(tmp_path), [0]

    def fsync(descriptor: int) -> None:
        count[0] += 1
        if count[0] == broken:
            raise OSError(28, "No space left on device")

    monkeypatch.setattr("results.store.os.fsync", fsync)
    ended = command("merge", "theirs", "--out", "ours")
    assert count[0] >= broken
    assert ended.status == 2
    assert "the disk is full" in ended.err
    assert tree(tmp_path) == before


def test_a_number_changed_alone_is_told(command: Command, tmp_path: Path) -> None:
    put(tmp_path / "theirs", strange(at("selection.last.test_accuracy", 0.999)))
    ended = command("merge", "theirs", "--out", "ours")
    assert "doubtful record" in ended.out
    assert "'selection.last' does not follow from its curves" in ended.out


def test_labels_that_the_seed_does_not_draw_are_told(command: Command, tmp_path: Path) -> None:
    command("noise", "digits", "symmetric", "0.5", "--out", "labels.npz")
    drawn = str(np.load(tmp_path / "labels.npz")["fingerprint"])
    put(tmp_path / "right", strange(at("noise.fingerprint", drawn)))
    put(tmp_path / "wrong", strange(at("noise.fingerprint", "0" * 64)))
    said = "its noisy labels are not those of its seed"
    assert said in command("merge", "wrong", "--out", "a").out
    assert said not in command("merge", "right", "--out", "b").out


# ---- arrays ----------------------------------------------------------------------------------------------------------


def _packed(**parts: bytes) -> bytes:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in parts.items():
            archive.writestr(name.replace("__", "/") + ".npy", content)
    return stream.getvalue()


def _header(shape: str, kind: str = "<i8") -> bytes:
    text = f"{{'descr': '{kind}', 'fortran_order': False, 'shape': {shape}, }}".encode().ljust(117) + b"\n"
    return b"\x93NUMPY\x01\x00" + len(text).to_bytes(2, "little") + text


PICKLE = io.BytesIO()
np.save(PICKLE, np.array([{}], dtype=object), allow_pickle=True)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (_packed(given=PICKLE.getvalue()), "not of plain numbers"),
        (_packed(given=_header("(1000000000000,)") + b"\0" * 64), "do not have"),
        (_packed(given=_header("(-1,)") + b"\0" * 8), "do not have|no readable"),
        (_packed(given=_header("(8,)", "|S8") + b"\0" * 64), "not of plain numbers"),
        (_packed(given=b"\x93NUMPY\x09\x00" + b"\0" * 99), "unknown form"),
        (_packed(given=b"not an array"), "no readable"),
        (_packed(**{"..__given": b""}), "no array's name"),
        (b"PK\x05\x06" + b"\0" * 9, "no readable"),
        (b"", "no readable"),
    ],
)  # fmt: skip
def test_arrays_that_are_none_are_refused(tmp_path: Path, content: bytes, message: str) -> None:
    (tmp_path / "a.npz").write_bytes(content)
    with pytest.raises(StoreError, match=message) as caught:
        load_npz(tmp_path / "a.npz")
    assert str(tmp_path / "a.npz") in str(caught.value)


def test_an_archive_that_unpacks_to_too_much_is_not_unpacked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "a.npz").write_bytes(npz_bytes({"given": np.zeros(1_000_000, np.int16)}))
    monkeypatch.setattr(arrays_module, "MOST_BYTES", 1_000_000)
    with pytest.raises(StoreError, match="2000128 bytes"):
        load_npz(tmp_path / "a.npz")


def test_a_size_that_an_archive_states_is_held_to(tmp_path: Path) -> None:
    content = npz_bytes({"given": np.zeros(100_000, np.int16)})
    stated = (200_128).to_bytes(4, "little")
    assert content.count(stated) == 2
    (tmp_path / "a.npz").write_bytes(content.replace(stated, (300).to_bytes(4, "little")))
    with pytest.raises(StoreError, match=r"another size than the file states|no readable"):
        load_npz(tmp_path / "a.npz")


@pytest.mark.parametrize(
    "change",
    [
        {"given": np.zeros(3, np.int16)},
        {"given": np.zeros(40, np.float32)},
        {"true": np.full(40, 99, np.int16)},
        {"given": np.full(40, -1, np.int16)},
        {"own_score": np.zeros((40, 2), np.float32)},
        {"thumbnails": np.zeros((2, 3), np.uint8)},
        {"thumbnails": np.zeros((2, 3, 3, 5), np.uint8)},
        {"thumbnail_rows": np.array([40])},
        {"train_probability": np.zeros((40, 3), np.float16)},
        {"test_true": np.zeros(3, np.int16)},
    ],
)
def test_arrays_that_do_not_fit_their_record_are_left_out(
    command: Command, tmp_path: Path, change: dict[str, Any]
) -> None:
    record, arrays = make_record(make_spec("elr", "symmetric", 0.5, 0, epochs=2), size=40)
    check_arrays(arrays, record, "x")
    put(tmp_path / "theirs", record)
    (tmp_path / "theirs" / "records" / f"{record['address']}.npz").write_bytes(npz_bytes({**arrays, **change}))
    ended = command("merge", "theirs", "--out", "ours")
    assert "1 added" in ended.out
    assert "array '" in ended.out
    assert not Store(tmp_path / "ours").arrays_path(record["address"]).exists()


# ---- texts in a terminal ---------------------------------------------------------------------------------------------


def test_texts_of_records_do_not_reach_the_terminal_as_commands(command: Command, tmp_path: Path) -> None:
    spec = make_spec("elr", "symmetric", 0.5, 0)
    store = Store(tmp_path / "theirs")
    store.write_plan(make_plan([spec], titles={"elr": "ELR \x1b]0;owned\x07 \x9b2J \u202e"}))
    store.fail(make_record(spec)[0]["address"], "ValueError: \x1b[2Jgone")
    ended = command("status", "quick", "--out", "theirs")
    assert ended.status == 0
    assert r"\x1b]0;owned \x9b2J \u202e" in ended.out
    assert r"ValueError: \x1b[2Jgone" in ended.out
    assert not {"\x1b", "\x07", "\x9b", "\u202e"} & set(ended.out)


def test_long_values_are_cut_in_messages(refused: Callable[..., str]) -> None:
    for arguments in (("report", "--select", "n" * 20_000), ("run", "n" * 20_000), ("status", "n " * 10_000)):
        said = refused(*arguments)
        assert 20 < len(said) <= 500


def test_records_that_are_written_are_records_that_can_be_read(tmp_path: Path) -> None:
    """What a reader refuses, the store does not write."""
    record, arrays = make_record(make_spec("elr", "symmetric", 0.5, 0, epochs=2), size=40)
    store = Store(tmp_path)
    with pytest.raises(StoreError, match="observed"):
        store.publish({**record, "curves": {**record["curves"], "observed": {"a/b": {"epoch": [1]}}}}, arrays)
    assert store.publish(record, arrays)
    assert dumps(store.load(record["address"])) == dumps(record)
