"""The notebook of the docs runs, cell by cell, in a kernel of its own; what it shows is there."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import pytest
from documentation import HOME

ABSENT = [name for name in ("nbclient", "nbformat", "ipykernel") if importlib.util.find_spec(name) is None]


@pytest.mark.slow
@pytest.mark.skipif(bool(ABSENT), reason=f"not installed: {', '.join(ABSENT)}")
def test_the_notebook_runs_and_shows_both_methods_and_the_own_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import nbclient
    import nbformat

    monkeypatch.setenv("PYTHONPATH", str(HOME))
    notebook = nbformat.read(HOME / "docs" / "quick-start.ipynb", 4)
    for cell in notebook.cells:
        cell["outputs"] = [] if cell.cell_type == "code" else cell.get("outputs", [])
    nbclient.NotebookClient(notebook, timeout=600, resources={"metadata": {"path": str(tmp_path)}}).execute()
    shown = [
        cell["outputs"][-1]["data"]["text/plain"]
        for cell in notebook.cells
        if cell.get("outputs") and "data" in cell["outputs"][-1]
    ]
    assert all(row in shown[-1] for row in ("cross_entropy", "elr", "trusting"))
    assert "accuracy_last" in shown[1]
