"""A check of a method's source: that it keeps to what it is handed."""

from __future__ import annotations

import ast
from collections.abc import Iterator

from bench.checks.subject import Fault, Subject

PACKAGES = ("bench", "datasets", "reports", "results")  # a method imports none of the other packages
MODULES = ("gc", "inspect", "sys", "ctypes")  # these lead to objects that nobody handed over
NAMES = ("__closure__", "__globals__", "__self__", "_getframe", "f_back", "f_locals", "mislabelled")


def _faults(tree: ast.AST) -> Iterator[tuple[int, str]]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Import | ast.ImportFrom):
            named = [node.module or ""] if isinstance(node, ast.ImportFrom) else [alias.name for alias in node.names]
            for name in named:
                if name.split(".")[0] in (*PACKAGES, *MODULES):
                    yield node.lineno, f"imports {name!r}"
        elif isinstance(node, ast.Attribute):
            of = node.value.attr if isinstance(node.value, ast.Attribute) else getattr(node.value, "id", "")
            private = node.attr.startswith("_") and not node.attr.startswith("__")
            if node.attr in NAMES or (private and of in ("task", "batch", "observe")):
                yield node.lineno, f"reaches for {f'{of}.' if of else ''}{node.attr}"


def reach(subject: Subject) -> str:
    """The source imports none of the harness and reaches behind neither task nor batch."""
    path = subject.info.path
    for line, text in _faults(ast.parse(path.read_text(encoding="utf-8"))):
        raise Fault(f"{path}, line {line}: {text}; a method knows its task and its batches only")
    return "uses what its task and its batches offer, and nothing behind them"
