"""A disk that is full at any write: one line and exit status 1 or 2, nothing half written, and the command goes on."""

from __future__ import annotations

import contextlib
import errno
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import BinaryIO

import pytest
from command_line import Command, write_suite

from common import files
from results.store import Store
from tests.synthetic_records import make_store

Tree = dict[str, bytes]
HELD_OUT = ("--set", "data.validation={source='inside', size=0.1}")


class Disk:
    """Counts files that are written; the one of number `full_at`, from 1, finds no room for its second half."""

    def __init__(self, patch: pytest.MonkeyPatch) -> None:
        self.writes, self.full_at = 0, 0
        self._new = files._new
        patch.setattr(files, "_new", self.opened)

    @contextlib.contextmanager
    def opened(self, path: Path) -> Iterator[BinaryIO]:
        with self._new(path) as stream:
            self.writes += 1
            if self.writes == self.full_at:
                stream.write(b"half")
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(path))
            yield stream


def tree(root: Path) -> Tree:
    """The files below a folder but locks; of caches, whose content has times in it, the names alone."""
    return {
        str(path.relative_to(root)): b"" if path.suffix in (".columns", ".json", ".npz") else path.read_bytes()
        for path in sorted(root.rglob("*"))
        if path.is_file() and not path.name.endswith(".lock")
    }


def sound(store: Store) -> None:
    """Whatever lies in the store can be read."""
    store.plans()
    assert not store.damaged()
    for address in store.addresses():
        store.load(address)
        if store.arrays_path(address).exists():
            store.arrays(address)


@pytest.fixture
def disk(monkeypatch: pytest.MonkeyPatch) -> Disk:
    return Disk(monkeypatch)


@pytest.fixture
def told(command: Command, disk: Disk, tmp_path: Path) -> Callable[..., None]:
    """Runs a command with a disk that is full at each of some writes (most 0: at one), and then with room."""

    def call(make: Callable[[Path], None], out: str, *arguments: object, most: int = 4) -> None:
        def fresh(name: str) -> Path:
            folder = tmp_path / name
            folder.mkdir()
            make(folder)
            os.chdir(folder)
            return folder

        folder = fresh("with-room")
        disk.writes = disk.full_at = 0
        assert command(*arguments).status == 0
        whole, count = tree(folder), disk.writes
        assert count > 0
        some = {1, count, *range(1, count + 1, max(1, count // most))} if most else {count // 2}
        for number in sorted(some):
            folder = fresh(f"full-at-{number}")
            before = tree(folder)
            disk.writes, disk.full_at = 0, number
            ended = command(*arguments)
            said = ended.out + ended.err
            if ended.status == 0:  # it was a file that a command does without, as a copy of columns
                assert number < count or "cache" in str(whole.keys())
            else:
                assert ended.status in (1, 2), ended
                assert "the disk is full" in said or "No space left on device" in said, ended
            assert "Traceback" not in said
            assert ended.err.count("error: ") == (ended.status == 2) and ended.err.count("\n") <= 1, ended.err
            left = tree(folder)
            assert not [name for name in left if name.endswith(".tmp")], number
            assert {name: left[name] for name in before if name in left} == before, "what was there is as it was"
            sound(Store(folder / out))
            disk.writes = disk.full_at = 0
            again = command(*arguments, *(("--retry-failed",) if arguments[0] in ("run", "tune") else ()))
            assert again.status == 0, again
            assert tree(folder) == whole, number

    return call


def store(folder: Path) -> None:
    make_store(folder / "out", methods=("elr",), settings=(("symmetric", 0.5),), seeds=(0, 1))


def test_noise(told: Callable[..., None]) -> None:
    told(lambda folder: None, ".", "noise", "digits", "symmetric", "0.2", "--out", "n.npz")


def test_merge(told: Callable[..., None]) -> None:
    told(store, "ours", "merge", "out", "--out", "ours", most=9)


def test_export(told: Callable[..., None]) -> None:
    told(store, "out", "export", "quick", "theirs", "--out", "out", most=9)


@pytest.mark.slow
def test_run(told: Callable[..., None], in_process: list[str]) -> None:
    told(lambda folder: write_suite(folder / "s.toml", epochs=1), "out", "run", "s.toml", "--out", "out", most=9)


@pytest.mark.slow
def test_tune(told: Callable[..., None], in_process: list[str]) -> None:
    told(lambda folder: write_suite(folder / "s.toml", epochs=1), "out", "tune", "cross_entropy", "s.toml",
         "--trials", 2, "--out", "out", *HELD_OUT, most=3)  # fmt: skip


@pytest.mark.slow
def test_report(told: Callable[..., None]) -> None:
    told(store, "out", "report", "--out", "out", most=0)
