"""Changed records, plans, arrays and published tables, many of them: a clear refusal or a report, never a traceback.

`pytest tests/fuzz --long` goes on for an hour, and draws the figures too. A finding becomes a case in `test_strangers`.
"""

from __future__ import annotations

import json
import random
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from reports.build import build_report, chapter
from reports.commands import Commands
from reports.errors import ReportError
from reports.gather import gather, sections
from reports.latex import latex
from reports.provenance import facts, run_details, runs_table
from reports.render import csv_text, markdown
from results import published
from results.arrays import check_arrays, load_npz, npz_bytes
from results.merge import merge
from results.record import StoreError, address
from results.store import Store
from tests.fuzz.mutation import changed
from tests.synthetic_records import make_plan, make_record, make_spec


def shown(root: Path, figures: bool) -> None:
    """Make all of a report's tables, and its figures and page where they are asked for."""
    material = gather(root)
    found = list(sections(material))
    for table in [table for each in found for part in [chapter(each)] for table in (*part.tables, *part.appendix)]:
        for render in (markdown, latex, csv_text):
            render(table).encode("utf-8")
    runs_table(found), run_details(found, Commands(found)), facts(material)
    for run in material.records:
        material.arrays(run)
    if figures:
        build_report(root, root / "report")


def accepted(action: Callable[[], Any]) -> bool:
    """Whether it went well; a clear refusal is none. Any other exception is a finding."""
    try:
        action()
    except (StoreError, ReportError) as fault:
        assert "\n" not in str(fault)
        str(fault).encode("utf-8", "backslashreplace")
        return False
    return True


def test_records(rounds: Iterator[random.Random], tmp_path: Path, request: pytest.FixtureRequest) -> None:
    originals = [make_record(make_spec(name, "symmetric", 0.5, 0, epochs=3), size=30)
                 for name in ("co_teaching", "car")]  # fmt: skip
    taken = 0
    for chance in rounds:
        root = tmp_path / "theirs"
        record, arrays = chance.choice(originals)
        record = changed(record, chance)
        if isinstance(record.get("spec"), dict) and accepted(lambda record=record: address(record["spec"])):
            record["address"] = address(record["spec"])  # as a stranger would
        name = str(record.get("address"))
        name = name if len(name) == 64 and name.isalnum() else "0" * 64
        (root / "records").mkdir(parents=True)
        (root / "records" / f"{name}.json").write_text(json.dumps(record))
        (root / "records" / f"{name}.npz").write_bytes(npz_bytes(arrays))
        left_out: list[str] = []
        assert accepted(lambda root=root, told=left_out: merge([root], Store(tmp_path / "ours"), told.append))
        taken += not left_out
        accepted(lambda root=root: shown(root, request.config.getoption("--long")))
        shutil.rmtree(root)
        shutil.rmtree(tmp_path / "ours", ignore_errors=True)
        assert list(tmp_path.iterdir()) == []
    assert taken > 0


def test_plans(rounds: Iterator[random.Random], tmp_path: Path) -> None:
    original = make_plan([make_spec(name, "symmetric", 0.5, seed) for name in ("elr", "car") for seed in (0, 1)])
    for chance in rounds:
        root, ours = tmp_path / "theirs", Store(tmp_path / "ours")
        (root / "plans").mkdir(parents=True)
        (root / "plans" / "quick.json").write_text(json.dumps(changed(original, chance)))
        ours.write_plan(original)
        before = (ours.layout.plans / "quick.json").read_bytes()
        if accepted(lambda root=root, ours=ours: merge([root], ours)):
            accepted(lambda ours=ours: shown(ours.root, False))
            held = {cell["address"] for cell in ours.plan("quick")["cells"]}
            assert {cell["address"] for cell in original["cells"]} <= held
        else:
            assert (ours.layout.plans / "quick.json").read_bytes() == before
        accepted(lambda root=root: shown(root, False))
        for folder in (root, ours.root):
            shutil.rmtree(folder)


def test_arrays(rounds: Iterator[random.Random], tmp_path: Path) -> None:
    record, arrays = make_record(make_spec("car", "symmetric", 0.5, 0, epochs=2), size=30)
    whole, path = npz_bytes(arrays), tmp_path / "a.npz"
    for chance in rounds:
        for _ in range(50):
            content = bytearray(whole)
            for _ in range(chance.randint(1, 8)):
                content[chance.randrange(len(content))] = chance.randrange(256)
            if chance.random() < 0.3:
                del content[chance.randrange(len(content)) :]
            path.write_bytes(content)
            accepted(lambda: check_arrays(load_npz(path), record, str(path)))


def test_published_tables(rounds: Iterator[random.Random], tmp_path: Path) -> None:
    whole = (published.FOLDER / f"{published.keys()[0]}.csv").read_bytes()[:4000]
    path = tmp_path / "mine.csv"
    pieces = [b",", b'"', b"\n", b"\r", b"\0", b"\xff", b"nan", b"1e999", b"-1", b"9" * 5000, b"=1+1", b"\xef\xbb\xbf"]
    for chance in rounds:
        for _ in range(20):
            content = bytearray(whole)
            for _ in range(chance.randint(1, 5)):
                place = chance.randrange(len(content))
                content[place : place + chance.randrange(5)] = chance.choice(pieces)
            path.write_bytes(content)
            accepted(lambda: published.read(path))
