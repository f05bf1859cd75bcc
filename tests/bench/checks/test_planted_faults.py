"""Faults planted in small methods: each is caught by the check that is meant for it, and its cure passes that check."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
import reference_loops
import registries
import torch
from planted_faults import FAULTS, source

from bench.checks.check import run_check
from bench.checks.subject import Subject
from methods import registry


@pytest.fixture
def plugins() -> Iterator[None]:
    """Plug-ins that are forgotten after the test."""
    with registries.as_before():
        yield


def fails(method: str, check: str) -> str | None:
    """What the named check, or the named plain loop, finds at the registered method; None where it finds nothing."""
    kind, _, reference = check.partition(" of ")
    if kind == "trajectory":
        try:
            reference_loops.assert_follows(method, reference)
        except AssertionError as fault:
            return str(fault)
        return None
    found = run_check(check, Subject(method))
    return found.seen if found.status == "failed" else None


@pytest.mark.parametrize("name", FAULTS)
def test_fault_is_caught_by_the_check_meant_for_it(name: str, tmp_path: Path, plugins: None) -> None:
    torch.set_num_threads(1)
    fault, stem = FAULTS[name], f"planted_{list(FAULTS).index(name)}"
    for kind, mark in (("cured", "-"), ("faulty", "+")):
        path = tmp_path / f"{stem}_{kind}.py"
        path.write_text(source(fault, path.stem, mark), encoding="utf-8")
        registry.add_file(path)
    assert fails(f"{stem}_cured", fault.check) is None
    found = fails(f"{stem}_faulty", fault.check)
    print(f"{name}: {fault.check}: {found}")
    assert found is not None
    kind, _, reference = fault.check.partition(" of ")
    if not reference:
        told = re.match(rf"{re.escape(str(path))}, line (\d+): ", found)
        assert told is not None, found
        assert int(told[1]) <= len(path.read_text(encoding="utf-8").splitlines())
