"""Which texts the suite's source files compare something with."""

from __future__ import annotations

import ast
from collections.abc import Collection, Iterator
from pathlib import Path

from command_line import HOME

PACKAGES = ("bench", "common", "datasets", "methods", "reports", "results")


def _compared(path: Path) -> Iterator[tuple[int, str]]:
    """Line and text of each string that a file compares something with, or looks something up in."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Compare):
            for side in (node.left, *node.comparators):
                for part in ast.walk(side):
                    if isinstance(part, ast.Constant) and isinstance(part.value, str):
                        yield node.lineno, part.value


def comparisons_with(names: Collection[str], home: Collection[Path]) -> list[str]:
    """`file:line: name` of each comparison with one of `names`, but for what lies in `home`."""
    found = []
    for package in PACKAGES:
        for path in sorted((HOME / package).rglob("*.py")):
            if not any(path.is_relative_to(place) for place in home):
                found += [f"{path}:{line}: {text}" for line, text in _compared(path) if text in names]
    return found
