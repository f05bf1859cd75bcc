"""The documentation site: it needs no network."""

from __future__ import annotations

import importlib.util
import re
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import pytest
from documentation import HOME

pytest.importorskip("mkdocs")


@pytest.fixture(scope="module")
def hooks() -> ModuleType:
    """tools/site.py, under another name than that of Python's own module."""
    spec = importlib.util.spec_from_file_location("site_hooks", HOME / "tools" / "site.py")
    assert spec is not None and spec.loader is not None
    found = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(found)
    return found


def test_drawings_are_tables_as_a_browser_would_fetch_what_draws_them(hooks: ModuleType) -> None:
    assert "mermaid" not in (HOME / "mkdocs.yml").read_text(encoding="utf-8")
    for page in (HOME / "docs").glob("*.md"):
        text = page.read_text(encoding="utf-8")
        shown = hooks.without_drawings(text)
        assert "```mermaid" not in shown, page.name
        rows = dict(re.findall(r"^\| `(\w+)` \| ((?:`\w+`(?:, )?)+) \|$", shown, re.MULTILINE))
        for one, other in re.findall(r"^ +(\w+) --> (\w+)$", text, re.MULTILINE):
            assert f"`{other}`" in rows[one], page.name


def test_the_site_is_built_strictly_and_has_the_committed_leaderboard_as_it_is(tmp_path: Path) -> None:
    """Its address, reports/reference/index.html, is one that the page of its folder must leave free.

    By the command of docs/python.md: with `--quiet` warnings would be no errors.
    """
    command = [sys.executable, "-m", "mkdocs", "build", "--strict", "--site-dir", str(tmp_path)]
    done = subprocess.run(command, check=False, cwd=HOME, capture_output=True, text=True, timeout=600)
    assert done.returncode == 0, done.stderr[-2000:]
    leaderboard = Path("reports", "reference", "index.html")
    assert (tmp_path / "source" / leaderboard).read_bytes() == (HOME / leaderboard).read_bytes()
    assert (tmp_path / "source" / leaderboard.parent / "files-of-this-folder" / "index.html").exists()
