"""What `tools/learnt_on_digits.py` says of runs of `all-methods`."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path
from types import ModuleType

import pytest
from command_line import HOME, Command

from results.store import Store


@pytest.fixture(scope="module")
def tool() -> ModuleType:
    spec = importlib.util.spec_from_file_location("learnt_on_digits", HOME / "tools" / "learnt_on_digits.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules["learnt_on_digits"] = module  # its dataclass looks itself up there
    spec.loader.exec_module(module)
    return module


def test_methods_are_set_beside_chance_and_cross_entropy(
    tool: ModuleType, command: Command, in_process: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    given = ("run", "all-methods", "--seeds", 1, "--methods", "cross_entropy,anl_ce", "--epochs")
    assert command(*given, 3).status == 0
    status = tool.main([str(tmp_path / "output")])
    lines = capsys.readouterr().out.splitlines()
    assert status == 0 and len(lines) == 4 and lines[0].startswith("| method | first epoch |")
    store = Store(tmp_path / "output")
    learnt = tool.learnt(store.root)
    assert learnt.keys() == {"cross_entropy", "anl_ce"}
    curves = [store.load(address)["curves"]["test_accuracy"] for address in store.addresses()]
    told = sorted((100 * curve[0], 100 * curve[-1]) for curve in curves)
    assert sorted((one.first, one.last) for one in learnt.values()) == [pytest.approx(pair) for pair in told]
    assert next(line for line in lines if "Cross-entropy" in line).endswith("| +0.0 | 1 |")


def test_findings_have_the_table_of_the_records(tool: ModuleType, capsys: pytest.CaptureFixture[str]) -> None:
    assert tool.main([str(HOME / "results" / "reference" / "digits")]) == 0
    assert capsys.readouterr().out in (HOME / "docs" / "findings.md").read_text("utf-8")


def test_what_has_not_learnt_is_named(
    tool: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    found = {"a": tool.Learnt("Idle", 11.0, 24.9, 1), "b": tool.Learnt("Slow", 10.0, 25.0, 1)}
    monkeypatch.setattr(tool, "learnt", lambda store: found)
    assert tool.main([str(tmp_path)]) == 1
    assert capsys.readouterr().err == "less than 15 points over chance: Idle\n"


def test_a_folder_without_such_runs_is_told_in_a_line(
    tool: ModuleType, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit, match="2"):
        tool.main([str(tmp_path)])
    assert "Traceback" not in capsys.readouterr().err
