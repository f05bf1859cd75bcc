"""Imports go one way, as docs/architecture.md draws it: which package may use which, and inside `bench` which wing."""

from __future__ import annotations

import ast
import re
import tomllib
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path
from statistics import median

import pytest

from methods import registry

HOME = Path(__file__).parents[1]
PAGE = HOME / "docs" / "architecture.md"
PACKAGES = ("bench", "common", "datasets", "methods", "reports", "results")
TYPES = ("plan", "record", "row", "specification")
"""Modules of `common` that say what a shape is, and import nothing of the house."""


def drawn() -> list[dict[str, set[str]]]:
    """The arrows of each drawing in the docs: a name -> the names that it may use."""
    found = []
    for drawing in re.findall(r"```mermaid\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL):
        pairs = re.findall(r"(\w+) --> (\w+)", drawing)
        names = sorted({name for pair in pairs for name in pair})
        found.append({name: {end for start, end in pairs if start == name} for name in names})
    return found


HOUSE, WINGS = drawn()


def imported(file: Path) -> Iterator[str]:
    """The full names that a file imports anywhere, also inside functions."""
    for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.level == 0 and node.module:
            yield from (f"{node.module}.{alias.name}" for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            pytest.fail(f"{file}: a relative import")


def wing(parts: tuple[str, ...]) -> str:
    """The wing of a module of `bench`: its folder, or its own name; the files of the plug-ins are one."""
    return "plugins" if parts[1] in ("plugin_checks", "plugin_folders") else parts[1]


def arrows(inside: str | None) -> dict[tuple[str, str], list[str]]:
    """(from, to) -> who says so, among packages, or among the wings of `bench`."""
    found: dict[tuple[str, str], list[str]] = defaultdict(list)
    for package in PACKAGES if inside is None else (inside,):
        for file in sorted((HOME / package).rglob("*.py")):
            parts = file.relative_to(HOME).with_suffix("").parts
            if inside is not None and parts[1] == "__init__":
                continue
            for name in imported(file):
                to = tuple(name.split("."))
                if to[0] not in PACKAGES or (inside is not None and (to[0] != inside or len(to) < 2)):
                    continue
                ends = (parts[0], to[0]) if inside is None else (wing(parts), wing(to))
                if ends[0] != ends[1]:
                    found[ends].append(f"{'/'.join(parts)}.py imports {name}")
    return found


def forbidden(found: dict[tuple[str, str], list[str]], allowed: dict[str, set[str]]) -> list[str]:
    return [line for (start, end), lines in found.items() if end not in allowed.get(start, set()) for line in lines]


def unused(found: dict[tuple[str, str], list[str]], allowed: dict[str, set[str]]) -> set[tuple[str, str]]:
    """Arrows that nobody needs any more."""
    return {(start, end) for start, ends in allowed.items() for end in ends} - found.keys()


def test_packages_use_each_other_as_drawn() -> None:
    found = arrows(None)
    assert HOUSE.keys() == set(PACKAGES)
    assert forbidden(found, HOUSE) == [] and unused(found, HOUSE) == set()


def test_wings_of_the_harness_use_each_other_as_drawn() -> None:
    found = arrows("bench")
    assert {start for start, _ in found} <= WINGS.keys()
    assert forbidden(found, WINGS) == [] and unused(found, WINGS) == set()


@pytest.mark.parametrize("allowed", [HOUSE, WINGS], ids=["packages", "wings"])
def test_no_arrow_leads_back(allowed: dict[str, set[str]]) -> None:
    left = {name: set(ends) for name, ends in allowed.items()}
    while left:
        done = {name for name, ends in left.items() if not ends & left.keys()}
        assert done, f"a circle among {sorted(left)}"
        left = {name: ends for name, ends in left.items() if name not in done}


def test_planning_and_training_know_the_types_only() -> None:
    found = arrows("bench").keys()
    assert not {("planning", "training"), ("training", "planning")} & found


@pytest.mark.parametrize("name", TYPES)
def test_a_type_imports_nothing_of_the_house(name: str) -> None:
    assert [one for one in imported(HOME / "common" / f"{name}.py") if one.split(".")[0] in PACKAGES] == []


def test_every_folder_of_modules_is_installed() -> None:
    listed = tomllib.loads((HOME / "pyproject.toml").read_text(encoding="utf-8"))["tool"]["setuptools"]["packages"]
    there = {file.parent.relative_to(HOME) for package in PACKAGES for file in (HOME / package).rglob("*.py")}
    assert sorted(listed) == sorted(".".join(folder.parts) for folder in there)


WORDS = {
    "Suite": "bench/planning/settings.py", "Method": "methods/base.py", "Cell": "bench/planning/spec.py",
    "Trial": "bench/tuning/tune.py", "Plan": "common/plan.py", "Record": "common/record.py",
    "Run": "bench/training/step.py",
}  # fmt: skip


def modules() -> list[Path]:
    return [file for package in PACKAGES for file in (HOME / package).rglob("*.py")]


def test_a_word_of_the_house_names_one_class() -> None:
    found = {
        (node.name, file.relative_to(HOME).as_posix())
        for file in modules()
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8")))
        if isinstance(node, ast.ClassDef) and node.name in {*WORDS, "Row", "Setting"}
    }
    assert found == set(WORDS.items())


def test_rooms_are_small() -> None:
    long, functions = [], []
    for file in modules():
        text = file.read_text(encoding="utf-8")
        long += [file.name] if text.count("\n") > 250 else []
        for node in ast.walk(ast.parse(text)):
            if isinstance(node, ast.FunctionDef) and (node.end_lineno or 0) - node.lineno >= 50:
                functions.append(f"{file}:{node.lineno}: {node.name}")
    assert functions == [] and len(long) <= 2, long


def called_by_name(text: str) -> str:
    """The function that a text without blanks names, such as `module:function` or a command; else nothing."""
    return text.rpartition(":")[2].replace("-", "_") if re.fullmatch(r"[\w.:-]+", text) else ""


def test_no_function_lives_for_tests_alone() -> None:
    used, made = set(), {}
    for file in [*modules(), *(HOME / "tools").rglob("*.py"), HOME / "run_benchmark.py"]:
        tree = ast.parse(file.read_text(encoding="utf-8"))
        for node in ast.walk(tree):
            used |= {
                getattr(node, "id", ""), getattr(node, "attr", ""),
                str(node.name) if isinstance(node, ast.alias) and node.asname else "",
                called_by_name(node.value) if isinstance(node, ast.Constant) and isinstance(node.value, str) else "",
            }  # fmt: skip
        functions = [node for node in tree.body if isinstance(node, ast.FunctionDef) and not node.decorator_list]
        if file.relative_to(HOME).parts[0] in PACKAGES:
            made |= {node.name: f"{file}: {node.name}" for node in functions if not node.name.startswith("__")}
    assert [made[name] for name in made.keys() - used] == []


def lines_of_code(file: Path) -> int:
    """Lines of a file that are neither blank nor a comment nor of a docstring."""
    text = file.read_text(encoding="utf-8")
    kept = {n for n, line in enumerate(text.splitlines(), 1) if line.strip() and not line.lstrip().startswith("#")}
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef) and ast.get_docstring(node) is not None:
            kept -= set(range(node.body[0].lineno, (node.body[0].end_lineno or 0) + 1))
    return len(kept)


def test_the_file_of_a_method_is_short() -> None:
    files = {info.path for info in registry.registered().values() if info.path.is_relative_to(HOME / "methods")}
    assert median(map(lines_of_code, files)) <= 60
    assert max(lines_of_code(file) for file in files if file.stem != "car") <= 160
