"""Where in its source a method's fault is: the file and line that a finding begins with."""

from __future__ import annotations

import traceback
from collections.abc import Iterator

from methods.contract_checks import CONTRACT, functions
from methods.registry import MethodInfo
from methods.sources import Class, assigned, line_of_descent, read

ABOUT = {
    "gradients": "build", "predictions": "predict", "scores": "clean_scores", "networks": "networks",
    "cost": "passes_per_step", "state": "build", "resume": "build", "other_seed": "predict",
    "score_direction": "clean_scores", "bounds": "hyper", "hyper_effect": "hyper",
}  # fmt: skip
"""The hook or declaration that a check is about, where it is not `loss`."""


def told(info: MethodInfo, check: str, fault: BaseException, text: str) -> str:
    """`text` with file and line before it, if it lacks them: the method's own line that raised, else what it is of."""
    lineage = [one for one in line_of_descent(_class(info)) if one is not None and one[0].module != CONTRACT]
    files = {str(source.path) for source, _ in lineage} | {str(path) for path in info.path.parent.glob("*.py")}
    if text.startswith(tuple(f"{file}, line" for file in files)):
        return text
    for cause in _causes(fault):
        for frame in reversed(traceback.extract_tb(cause.__traceback__)):
            if frame.filename in files:
                return f"{frame.filename}, line {frame.lineno}: {text}"
    return f"{_declared(lineage, ABOUT.get(check, 'loss'))}: {text}"


def _class(info: MethodInfo) -> Class:
    source = read(info.path, info.module)
    return source, next(node for node in source.classes() if node.name == info.class_name)


def _causes(fault: BaseException) -> Iterator[BaseException]:
    """What led to the fault, first the deepest."""
    if fault.__cause__ is not None:
        yield from _causes(fault.__cause__)
    yield fault


def _declared(lineage: list[Class], name: str) -> str:
    """File and line of what a class, or the nearest of its parents, has of that name; else of the class."""
    for one in lineage:
        declaration = functions(one).get(name) or assigned(one[1].body).get(name)
        if declaration is not None:
            return f"{one[0].path}, line {declaration.lineno}"
    source, node = lineage[0]
    return f"{source.path}, line {node.lineno}"
