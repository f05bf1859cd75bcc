"""Runs that diverged travel with the records that others get: their cells stay what they are, and are not missing."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from reports.gather import gather, sections
from results.export import export_jsonl
from results.merge import merge
from results.record import StoreError, address
from results.sources import find
from results.store import Store
from tests.synthetic_records import make_spec, make_store

LINE = "FloatingPointError: the training loss is not finite at step 20 of epoch 3 (loss 6.57e+29)"
TRACEBACK = f'Traceback (most recent call last):\n  File "/home/ada/trainer.py", line 7, in step\n{LINE}\n'
GONE = "Traceback (most recent call last):\nMemoryError\n"
DIVERGED, FAILED = (address(make_spec("elr", "symmetric", 0.5, seed)) for seed in (1, 2))


@pytest.fixture
def store(tmp_path: Path) -> Store:
    skipped = [("elr", "symmetric 50%", seed) for seed in (1, 2)]
    made = make_store(tmp_path / "store", ["cross_entropy", "elr"], seeds=(0, 1, 2), skip=skipped)
    made.fail(DIVERGED, TRACEBACK)
    made.fail(FAILED, GONE)
    return made


def _statuses(path: Path) -> dict[str, int]:
    (section,) = sections(gather(path))
    cells = section.selected[(section.selected["method"] == "elr") & (section.selected["setting"] == "symmetric 50%")]
    (cell,) = cells.to_dict("records")
    return {name: int(cell[name]) for name in ("done", "diverged", "failed", "not_started")}


def test_lines_tell_of_them_without_the_machine(store: Store, tmp_path: Path) -> None:
    export_jsonl(store, "quick", tmp_path / "lines")
    file = tmp_path / "lines" / "quick.diverged.json"
    assert json.loads(file.read_text("ascii")) == {DIVERGED: LINE}
    assert find(tmp_path / "lines").failures() == {DIVERGED: LINE}
    assert _statuses(store.root) == {"done": 1, "diverged": 1, "failed": 1, "not_started": 0}
    assert _statuses(tmp_path / "lines") == {"done": 1, "diverged": 1, "failed": 0, "not_started": 1}
    store.clear_failure(DIVERGED)
    export_jsonl(store, "quick", tmp_path / "lines")
    assert not file.exists()


@pytest.mark.parametrize("lines", [True, False])
def test_merge_takes_them_over(store: Store, tmp_path: Path, lines: bool) -> None:
    export_jsonl(store, "quick", tmp_path / "lines")
    ours = Store(tmp_path / "ours")
    summary = merge([tmp_path / "lines" if lines else store.root], ours)
    assert summary.diverged == [DIVERGED]
    assert "1 that diverged were taken over" in summary.lines()
    assert ours.failures() == {DIVERGED: LINE}
    assert merge([store.root], ours).diverged == []


def test_merge_keeps_what_is_known_of_a_run(store: Store, tmp_path: Path) -> None:
    ours = make_store(tmp_path / "ours", ["elr"], seeds=(1,))
    assert merge([store.root], ours).diverged == []
    assert ours.failures() == {}


def test_a_merge_that_is_taken_back_leaves_none(store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*given: object) -> None:
        raise StoreError("no space left")

    ours = Store(tmp_path / "ours")
    monkeypatch.setattr(Store, "write_plan", full)
    with pytest.raises(StoreError):
        merge([store.root], ours)
    assert not ours.root.exists()


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", "the file is empty"),
        ("[]", "holds a JSON list"),
        ('{"elr": "FloatingPointError"}', "key 'elr': accepted: a run's address, 64 hexadecimal digits"),
        (json.dumps({DIVERGED: "MemoryError"}), "accepted: a line that begins with FloatingPointError"),
        (json.dumps({DIVERGED: f"{LINE}\n"}), "accepted: a line that begins with FloatingPointError"),
        (json.dumps({DIVERGED: 3}), "accepted: a line that begins with FloatingPointError"),
    ],
)
def test_a_file_that_cannot_be_used_is_refused(
    store: Store, tmp_path: Path, refused: Callable[..., str], text: str, expected: str
) -> None:
    export_jsonl(store, "quick", tmp_path / "lines")
    (tmp_path / "lines" / "quick.diverged.json").write_text(text, "utf-8")
    said = refused("report", "--records", tmp_path / "lines", "--out", tmp_path / "out")
    assert "quick.diverged.json" in said and expected in said
    assert expected in refused("merge", tmp_path / "lines", "--out", tmp_path / "ours")
