"""The documentation site: it needs no network."""

from __future__ import annotations

import importlib.util
import re
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
