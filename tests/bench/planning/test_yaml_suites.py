"""Suite files in YAML say what their TOML says, and are refused in one line where they do not."""

from __future__ import annotations

import builtins
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from command_line import HOME, Command
from documentation import blocks

from bench.api.planned import plan_of
from bench.api.request import PlanOptions
from bench.planning import suite
from common.errors import UserError

SHOWN = {block.file: block.text for block in blocks(HOME / "docs" / "suite-files.md") if block.file is not None}


def test_both_of_the_documentation_have_the_same_runs(tmp_path: Path) -> None:
    found = []
    for name in ("my-suite.toml", "my-suite.yaml"):
        (tmp_path / name).write_text(SHOWN[name], encoding="utf-8")
        assert suite.read(tmp_path / name)["training"]["optimizer"]["weight_decay"] == 5e-4
        planned = plan_of(str(tmp_path / name), PlanOptions())
        found.append((planned.name, [cell.address for cell in planned.cells]))
    assert found[0] == found[1]
    assert len(found[0][1]) == 18


def test_the_command_line_wins_over_yaml_too(command: Command, tmp_path: Path) -> None:
    (tmp_path / "mine.yml").write_text(SHOWN["my-suite.yaml"], encoding="utf-8")
    ended = command("run", "mine.yml", "--dry-run", "--seeds", 1, "--set", "training.epochs=3")
    assert ended.status == 0
    assert "6 runs, 0 done, 6 to do" in ended.out


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("a: [1, 2", "not valid YAML: expected ',' or ']'"),
        ("title: one\ntitle: two\n", "not valid YAML: 'title' is there twice (at line 2)"),
        ("1: one\n", "not a suite file: a key that is no text (at line 1)"),
        ("? [a, b]\n: one\n", "not a suite file: a key that is no text (at line 1)"),
        ("- one\n- two\n", "it has no keys at its outermost level"),
        ("", "the suite file is empty"),
        ("title: !!python/object/apply:os.system ['echo']\n", "not valid YAML: could not determine a constructor"),
        ("title: 2026-99-99\n", "not valid YAML: a value in it cannot be held"),
        ("a: " + "[" * 5000, "not valid YAML: "),
        (SHOWN["my-suite.yaml"].replace("epochs: 20", "epoch: 20"), "did you mean 'epochs'"),
        (SHOWN["my-suite.yaml"].replace("epochs: 20", "epochs:"), "epochs"),
    ],
)
def test_what_is_no_suite_is_refused_in_one_line(
    text: str, expected: str, refused: Callable[..., str], tmp_path: Path
) -> None:
    (tmp_path / "mine.yaml").write_text(text, encoding="utf-8")
    line = refused("run", "mine.yaml")
    assert line.startswith("error: mine.yaml: ")
    assert expected in line


def test_a_file_that_is_not_there(refused: Callable[..., str]) -> None:
    assert refused("run", "absent.yaml") == "error: absent.yaml: no such suite file\n"


def test_without_the_package_a_line_says_how_to_install_it(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "mine.yaml").write_text("title: x\n", encoding="utf-8")
    there = builtins.__import__

    def without(name: str, *rest: Any) -> Any:
        if name == "yaml":
            raise ImportError(name)
        return there(name, *rest)

    monkeypatch.delitem(sys.modules, "yaml", raising=False)
    monkeypatch.setattr(builtins, "__import__", without)
    with pytest.raises(UserError, match=r"pip install 'noisy-label-bench\[yaml\]'"):
        suite.read(tmp_path / "mine.yaml")
