"""Suite files in YAML, read as TOML is: a key is told once, is text, and what looks like a number is one."""

from __future__ import annotations

import re
from typing import Any

from common.errors import UserError

SUFFIXES = (".yaml", ".yml")

_FLOAT = re.compile(r"[-+]?(\d[\d_]*(\.[\d_]*)?|\.\d[\d_]*)[eE][-+]?\d+$")
"""What YAML 1.1 takes for text and everybody else for a number, such as 5e-4."""


def parsed(text: str, where: str) -> dict[str, Any]:
    """The tables of YAML text; a row of `methods` without anything is one without settings. Raises UserError."""
    try:
        import yaml
    except ImportError:
        raise UserError(f"{where}: PyYAML is not installed: pip install 'noisy-label-bench[yaml]'") from None

    class Loader(yaml.SafeLoader):  # type: ignore[misc]  # the package has no types
        """Safe values alone."""

        def construct_mapping(self, node: Any, deep: bool = False) -> dict[Any, Any]:
            seen: list[str] = []
            for key, _ in node.value:
                line = key.start_mark.line + 1
                if not isinstance(key, yaml.ScalarNode) or key.tag != "tag:yaml.org,2002:str":
                    raise UserError(f"{where}: not a suite file: a key that is no text (at line {line})")
                if key.value in seen:
                    raise UserError(f"{where}: not valid YAML: {key.value!r} is there twice (at line {line})")
                seen.append(key.value)
            mapping: dict[Any, Any] = super().construct_mapping(node, deep=deep)
            return mapping

    Loader.add_implicit_resolver("tag:yaml.org,2002:float", _FLOAT, list("-+.0123456789"))
    try:
        tables = yaml.load(text, Loader)
    except yaml.YAMLError as fault:
        raise UserError(f"{where}: not valid YAML: {_told(fault)}") from None
    except (RecursionError, ValueError):  # nested too deeply; a number or date that Python cannot hold
        raise UserError(f"{where}: not valid YAML: a value in it cannot be held") from None
    if tables is None:
        return {}
    if not isinstance(tables, dict):
        raise UserError(f"{where}: not a suite file: it has no keys at its outermost level")
    rows = tables.get("methods")
    if isinstance(rows, dict):
        tables["methods"] = {name: {} if row is None else row for name, row in rows.items()}
    return tables


def _told(fault: Any) -> str:
    """What is wrong and where, in one line."""
    mark = getattr(fault, "problem_mark", None)
    place = "" if mark is None else f" (at line {mark.line + 1}, column {mark.column + 1})"
    return f"{getattr(fault, 'problem', None) or str(fault).splitlines()[0]}{place}"
