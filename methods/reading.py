"""Values worked out from a source file without importing it (and so without torch).

Understood are literals, names that the top level of a file binds, attributes of classes with their parents, also where
these come from other files, entries and unions of dictionaries, and calls of `frozenset` and of the helpers of
`methods.hyper`.
"""

from __future__ import annotations

import ast
from typing import Any

from methods.hyper import HELPERS
from methods.sources import Class, Imported, Source, assigned, class_of, line_of_descent, look_up

MISSING: Any = object()


class Unreadable(Exception):
    """The source alone does not tell a value. The text is a clause that says why; `place` is where."""

    def __init__(self, text: str, node: ast.expr, source: Source) -> None:
        super().__init__(text)
        self.place = f"{source.path}, line {node.lineno}"


def attribute(of: Class, name: str) -> Any:
    """The value that a class, or the nearest of its parents, gives a name; MISSING where none that is found does.

    Raises Unreadable.
    """
    for one in line_of_descent(of):
        if one is not None:
            expression = assigned(one[1].body).get(name)
            if expression is not None:
                return value(expression, one[0])
    return MISSING


def value(node: ast.expr, source: Source) -> Any:
    """What an expression at the top level or in a class of the source stands for. Raises Unreadable."""
    match node:
        case ast.Dict():
            return _dictionary(node, source)
        case ast.Tuple() | ast.List() | ast.Set():
            made = {ast.Tuple: tuple, ast.List: list, ast.Set: set}[type(node)]
            return made(value(entry, source) for entry in node.elts)
        case ast.BinOp(op=ast.BitOr()):
            left, right = value(node.left, source), value(node.right, source)
            if not (type(left) is type(right) and isinstance(left, dict | frozenset | set)):
                raise Unreadable(f"{ast.unparse(node)!r} unites what are not two dictionaries or sets", node, source)
            return left | right
        case ast.Subscript():
            return _entry(node, source)
        case ast.Call():
            return _call(node, source)
        case ast.Name() | ast.Attribute():
            return _named(node, source)
    try:
        return ast.literal_eval(node)
    except (ValueError, TypeError):
        raise Unreadable(f"{ast.unparse(node)!r} is none", node, source) from None


def _dictionary(node: ast.Dict, source: Source) -> dict[Any, Any]:
    entries: dict[Any, Any] = {}
    for key, entry in zip(node.keys, node.values, strict=True):
        given = value(entry, source)
        if key is not None:
            entries[value(key, source)] = given
        elif isinstance(given, dict):
            entries |= given
        else:
            raise Unreadable(f"{ast.unparse(entry)!r} is no dictionary", entry, source)
    return entries


def _entry(node: ast.Subscript, source: Source) -> Any:
    try:
        return value(node.value, source)[value(node.slice, source)]
    except (KeyError, IndexError, TypeError):
        raise Unreadable(f"there is no {ast.unparse(node)!r}", node, source) from None


def _named(node: ast.Name | ast.Attribute, source: Source) -> Any:
    definition = look_up(node, source)
    if isinstance(definition, tuple) and isinstance(definition[1], ast.expr):
        return value(definition[1], definition[0])
    if isinstance(node, ast.Attribute):
        owner = class_of(node.value, source)
        held = MISSING if owner is None else attribute(owner, node.attr)
        if held is not MISSING:
            return held
    raise Unreadable(f"what {ast.unparse(node)!r} is cannot be told without importing it", node, source)


def _call(node: ast.Call, source: Source) -> Any:
    known = look_up(node.func, source)
    if isinstance(node.func, ast.Name) and node.func.id == "frozenset" and known is None:
        made: Any = frozenset
    elif isinstance(known, Imported) and known.module == "methods.hyper" and known.name in HELPERS:
        made = HELPERS[known.name]
    else:
        raise Unreadable(f"the call {ast.unparse(node.func)!r} is none", node, source)
    try:
        given = [value(argument, source) for argument in node.args]
        named = {keyword.arg or "**": value(keyword.value, source) for keyword in node.keywords}
        return made(*given, **named)
    except (TypeError, ValueError) as fault:
        raise Unreadable(str(fault), node, source) from None
