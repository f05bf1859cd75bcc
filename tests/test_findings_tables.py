"""docs/findings.md shows what `tools/findings_tables.py` makes of the committed records, table by table."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path
from types import ModuleType

import pytest

HOME = Path(__file__).resolve().parent.parent
PATH = HOME / "tools" / "findings_tables.py"


def _tool() -> ModuleType:
    spec = importlib.util.spec_from_file_location("findings_tables", PATH)
    assert spec and spec.loader
    module = importlib.util.module_from_spec(spec)
    sys.modules["findings_tables"] = module
    spec.loader.exec_module(module)
    return module


TOOL = _tool()


@pytest.mark.parametrize("name", TOOL.TABLES)
def test_the_page_has_the_table_of_the_records(name: str) -> None:
    assert "\n".join(TOOL.TABLES[name]()) + "\n\n" in (HOME / "docs" / "findings.md").read_text("utf-8")


def test_a_name_that_is_no_table_is_told(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        TOOL.main(["cifar10-lit"])
    assert ended.value.code == 2 and "cifar10-lite" in capsys.readouterr().err
