"""A plug-in that is edited: its records hold what it was written in, `run` says so, `--redo` runs it again."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import registries
from command_line import ENVIRONMENT, HOME, Command, results, write_suite
from small_runs import FACTOR_METHOD

from bench import plugins
from common import files
from methods.source_hash import source_hash
from results.record import StoreError
from results.store import Store
from results.validation import validate

ONE = FACTOR_METHOD.format(imported="from methods.base import Method\n\nFACTOR = 1.0\n")
HALF = ONE.replace("1.0", "0.5")


@pytest.fixture(autouse=True)
def _registries_as_before() -> Iterator[None]:
    with registries.as_before():
        yield


def record(folder: Path) -> dict[str, Any]:
    """The record of the one method `mine` in the store."""
    store = Store(folder / "output")
    found = [store.load(address) for address in store.addresses()]
    return next(dict(one) for one in found if one["spec"]["method"]["name"] == "mine")


def run(folder: Path, *options: str) -> str:
    """What the command says, in a process of its own."""
    command = [sys.executable, str(HOME / "run_benchmark.py"), "run", "s.toml", "--plugin", "mine.py", "--jobs", "1"]
    ended = subprocess.run(
        [*command, *options], env=ENVIRONMENT, cwd=folder, check=False, capture_output=True, text=True, timeout=120
    )
    assert ended.returncode == 0, ended.stdout + ended.stderr
    return ended.stdout


def test_an_edited_method_is_told_of_and_run_again_when_asked(tmp_path: Path) -> None:
    write_suite(tmp_path / "s.toml", epochs=1, methods=("mine", "cross_entropy"))
    path = tmp_path / "mine.py"
    path.write_text(ONE)
    assert "changed since" not in run(tmp_path)
    first, before = record(tmp_path), results(tmp_path / "output")
    assert "changed since" not in run(tmp_path)
    path.write_text(HALF)
    kept = f"mine: {path} has changed since its run was made; the record is kept (--redo runs it again)"
    assert kept in run(tmp_path).splitlines() and kept in run(tmp_path, "--dry-run").splitlines()
    said = run(tmp_path, "--redo", "--dry-run")
    assert f"again   {first['address'][:12]}  Mine" in said and "2 runs, 1 done, 1 to do" in said
    assert "it is run again" in said and "--redo runs" not in said
    assert results(tmp_path / "output") == before
    said = run(tmp_path, "--redo")
    assert "2 runs, 1 done, 1 to do" in said and "it is run again" in said
    again = record(tmp_path)
    assert again["address"] == first["address"] and again["source"] != first["source"]
    assert again["curves"]["train_loss"] != first["curves"]["train_loss"]
    others = {key: text for key, text in results(tmp_path / "output").items() if key != first["address"]}
    assert others == {key: text for key, text in before.items() if key != first["address"]}
    assert not any('\n "source"' in text for text in others.values())  # what is built in has its version alone
    said = run(tmp_path, "--redo")
    assert "2 runs, 2 done, 0 to do" in said and "changed since" not in said
    assert len(list((tmp_path / "output" / "records").glob("*.npz"))) == 2


def test_the_old_record_stays_where_the_new_run_fails(command: Command, in_process: list[str], tmp_path: Path) -> None:
    write_suite(tmp_path / "s.toml", epochs=1, methods=("mine",))
    (tmp_path / "mine.py").write_text(ONE)
    assert command("run", "s.toml", "--plugin", "mine.py").status == 0
    before = results(tmp_path / "output")
    (tmp_path / "mine.py").write_text(ONE.replace("return FACTOR", "raise ValueError('no')\n        return FACTOR"))
    ended = command("run", "s.toml", "--plugin", "mine.py", "--redo")
    assert ended.status == 1 and f"FAILED: ValueError: no ({tmp_path}/mine.py, line " in ended.out
    assert results(tmp_path / "output") == before


def test_the_old_record_stays_where_the_new_one_cannot_be_written(
    command: Command, in_process: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_suite(tmp_path / "s.toml", epochs=1, methods=("mine",))
    (tmp_path / "mine.py").write_text(ONE)
    assert command("run", "s.toml", "--plugin", "mine.py").status == 0
    store = Store(tmp_path / "output")
    address = store.addresses()[0]
    held = store.record_path(address).read_bytes(), store.arrays_path(address).read_bytes()

    def full(path: Path, content: bytes) -> None:
        if path.name.startswith(f".{address}.json"):
            raise OSError(28, "No space left on device")
        path.write_bytes(content)

    monkeypatch.setattr(files, "write", full)
    found = store.load(address)
    found["source"] = 64 * "0"
    with pytest.raises(StoreError, match="the disk is full"):
        store.publish(found, store.arrays(address), replace=True)
    assert held == (store.record_path(address).read_bytes(), store.arrays_path(address).read_bytes())


def test_a_record_from_before_hashes_may_have_changed(command: Command, in_process: list[str], tmp_path: Path) -> None:
    write_suite(tmp_path / "s.toml", epochs=1, methods=("mine",))
    (tmp_path / "mine.py").write_text(ONE)
    assert command("run", "s.toml", "--plugin", "mine.py").status == 0
    store = Store(tmp_path / "output")
    old = store.load(store.addresses()[0])
    del old["source"]
    store.publish(old, store.arrays(old["address"]), replace=True)
    assert "mine.py may have changed since its run was made" in command("run", "s.toml", "--plugin", "mine.py").out
    assert command("run", "s.toml", "--plugin", "mine.py", "--redo").status == 0
    assert store.load(old["address"])["source"] == source_hash("mine")


def test_a_checkpoint_of_the_source_before_is_of_no_use(
    command: Command, in_process: list[str], tmp_path: Path
) -> None:
    """A run is cut off, the method edited: what follows is the edited method from the first epoch on."""
    write_suite(tmp_path / "s.toml", epochs=3, methods=("mine",))
    stops = "        if batch.epoch == 3 and FACTOR == 1:\n            raise ValueError('cut')\n        return FACTOR"
    path = tmp_path / "mine.py"
    for factor, options in (("1.0", ()), ("0.5", ("--retry-failed",))):
        path.write_text(ONE.replace("        return FACTOR", stops).replace("1.0", factor))
        ended = command("run", "s.toml", "--plugin", "mine.py", "--checkpoint-seconds", 0, *options)
    assert ended.status == 0, ended.out
    cut = record(tmp_path)
    assert cut["execution"]["resumes"] == 0
    assert command("run", "s.toml", "--plugin", "mine.py", "--out", "whole").status == 0
    assert results(tmp_path / "output") == results(tmp_path / "whole")


CHANGES = {
    "the file": ("mine.py", True), "a file beside": ("helper.py", True), "one that this imports": ("deeper.py", True),
    "a package beside": ("more/part.py", True), "one that only a package imports": ("base_two.py", True),
    "a file that nobody imports": ("other.py", False),
}  # fmt: skip


@pytest.mark.parametrize("case", CHANGES)
def test_what_counts_as_an_edit_of_a_file(case: str, tmp_path: Path) -> None:
    (tmp_path / "mine.py").write_text(
        FACTOR_METHOD.format(imported="from methods.base import Method\nfrom helper import FACTOR\n")
    )
    (tmp_path / "helper.py").write_text("import deeper\nimport more.part\n\nFACTOR = deeper.HALF * more.part.TWO\n")
    (tmp_path / "more").mkdir()
    texts = {
        "deeper.py": "HALF = 0.5\n", "more/part.py": "from base_two import TWO\n", "base_two.py": "TWO = 2\n",
        "other.py": "X = 1\n",
    }  # fmt: skip
    for name, text in texts.items():
        (tmp_path / name).write_text(text)
    plugins.add_file(tmp_path / "mine.py")
    before = source_hash("mine")
    name, counts = CHANGES[case]
    with (tmp_path / name).open("a") as stream:
        stream.write("# edited\n")
    plugins.add_file(tmp_path / "mine.py")
    assert (source_hash("mine") != before) == counts
    assert source_hash("elr") is None


def test_a_copy_elsewhere_is_the_same_source(tmp_path: Path) -> None:
    found = set()
    for place in ("one", "two"):
        with registries.as_before():
            (tmp_path / place).mkdir()
            (tmp_path / place / f"{place}.py").write_bytes(
                ONE.replace("\n", "\r\n" if place == "two" else "\n").encode()
            )
            plugins.add_file(tmp_path / place / f"{place}.py")
            found.add(source_hash("mine"))
    assert len(found) == 1


@pytest.mark.parametrize("wrong", [3, "x", 64 * "G"])
def test_a_record_with_another_hash_is_refused(
    wrong: object, command: Command, in_process: list[str], tmp_path: Path, refused: Callable[..., str]
) -> None:
    write_suite(tmp_path / "s.toml", epochs=1)
    assert command("run", "s.toml").status == 0
    store = Store(tmp_path / "output")
    made = json.loads(store.record_path(store.addresses()[0]).read_text())
    with pytest.raises(StoreError, match="'source'"):
        validate({**made, "source": wrong})
