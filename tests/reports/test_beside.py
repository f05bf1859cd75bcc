"""Figures of several suites drawn by several processes at once: the same files, whatever becomes of the processes."""

from __future__ import annotations

import os
import time
from collections.abc import Sequence
from multiprocessing import active_children
from pathlib import Path
from typing import Any

import pytest

from bench.api import functions
from reports import beside
from reports.gather import Section, gather, sections
from tests.synthetic_records import make_store


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("beside")
    for suite, methods in (("first", ["elr", "gce"]), ("second", ["elr", "sce"]), ("third", ["car"])):
        make_store(root, methods, [("symmetric", 0.5)], [0, 1], suite=suite, size=40, epochs=2)
    return root


def _files(folder: Path) -> dict[str, bytes]:
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_two_processes_write_what_one_writes(store: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(beside, "WORTH_IT", 1)
    told: list[str] = []
    functions.report(store, tmp_path / "one", processes=1)
    functions.report(store, tmp_path / "two", processes=2, tell=told.append)
    assert any(line.startswith("waiting for figures of") for line in told)  # there was another process
    assert len(_files(tmp_path / "one")) > 40
    assert _files(tmp_path / "one") == _files(tmp_path / "two")


def test_few_runs_are_drawn_by_one_process_and_many_are_shared_out(
    store: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    parts = list(sections(gather(store)))
    assert beside.shared_out(parts, 2) == [[0, 1, 2]]
    monkeypatch.setattr(beside, "WORTH_IT", 10)
    assert beside.shared_out(parts, 2) == [[1], [0, 2]]  # the first makes the tables besides
    assert sorted(map(tuple, beside.shared_out(parts, 8))) == [(0,), (1,), (2,)]
    assert beside.shared_out([], 2) == [[]]


def _numbers(parts: Sequence[Section]) -> list[Any]:
    parts[0].material.warnings.append("unreadable")
    return [len(part.frame) for part in parts]


def _fails(parts: Sequence[Section]) -> list[Any]:
    raise ValueError("planted")


def _killed(parts: Sequence[Section]) -> list[Any]:
    os.kill(os.getpid(), 9)
    return []


def _hangs(parts: Sequence[Section]) -> list[Any]:
    time.sleep(600)
    return []


def test_what_a_process_makes_comes_with_its_warnings(store: Path) -> None:
    parts = list(sections(gather(store)))
    with beside.begun([[0, 2]], parts, _numbers) as (share,):
        assert share.drawn(parts) == [4, 2]
    assert parts[0].material.warnings.count("unreadable") == 1


@pytest.mark.parametrize("draw", [_fails, _killed])
def test_a_process_that_fails_leaves_its_share_to_this_one(store: Path, draw: beside.Draw) -> None:
    parts = list(sections(gather(store)))
    with beside.begun([[1]], parts, draw) as (share,):
        assert share.drawn(parts) is None


def test_none_outlives_a_report_that_ends_early(store: Path) -> None:
    parts = list(sections(gather(store)))
    with pytest.raises(KeyboardInterrupt), beside.begun([[0], [1]], parts, _hangs):
        assert len(active_children()) >= 2
        raise KeyboardInterrupt
    assert not active_children()
