"""A suite from its file to the cells that will be run, the command line or the caller having the last word."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from bench import plugins
from bench.api.image_files import find_broken
from bench.api.request import PlanOptions
from bench.planning import choice, spec, spec_data, suite
from bench.planning.settings import Suite
from bench.sweep import terminal
from common.errors import UserError


@dataclass(frozen=True)
class Planned:
    """A suite as it will be run: its name, its settings (one part for each data set), and all its cells.

    tuning: the cells are trials, so nothing that rests on test labels is shown.
    """

    name: str
    parts: list[Suite]
    cells: list[spec.Cell]
    warnings: list[str]
    noise_files: dict[str, Path]
    tuning: bool = False


def read_tables(
    name: str, assignments: suite.Assignments, chosen: str | None, overrides: dict[str, Any]
) -> tuple[Path, dict[str, Any]]:
    """A suite's file and its raw tables, over which the command line has won. Raises UserError."""
    path = suite.locate(name)
    tables = suite.read(path)
    suite.override(tables, assignments)
    for key, value in overrides.items():
        if value is not None:
            suite.impose(tables, key, value)
    if chosen is not None:
        names = [part.strip() for part in chosen.split(",") if part.strip()]
        if not names:
            raise UserError("--methods: name at least one method, such as --methods elr,car")
        suite.choose(tables, names)
    return path, tables


def expand(
    name: str,
    parts: list[Suite],
    where: str,
    seeds: choice.Seeds | None,
    device: str,
    root: Path | None = None,
    skip_broken: bool = False,
    at: Collection[str] = (),
) -> Planned:
    """All cells of a suite in the settings `at` (empty: all), one part for each data set. Raises UserError and its kin.

    Writes nothing but the index of image files beside them.
    """
    numbers = choice.seeds_of(parts[0].seeds if seeds is None else seeds)
    cells: list[spec.Cell] = []
    warnings: list[str] = []
    noise_files: dict[str, Path] = {}
    for part in parts:
        if skip_broken:
            find_broken(terminal.console(), part, root)
        described = spec_data.describe(part, where, root, skip_broken)
        more, warned = spec.cells(part, where, device, numbers, described)
        cells += [replace(cell, dataset=part.data.name) for cell in more] if len(parts) > 1 else more
        warnings += warned
        noise_files |= spec_data.noise_files(part, described.info)
    return Planned(name, parts, choice.cells_at(cells, at), warnings, noise_files)


def plan_suite(
    name: str,
    assignments: suite.Assignments,
    chosen: str | None,
    seeds: choice.Seeds | None,
    overrides: dict[str, Any],
    device: str,
    root: Path | None = None,
    skip_broken: bool = False,
    at: Collection[str] = (),
    datasets: Collection[str] = (),
) -> Planned:
    """Read a suite, let the command line win over it, and expand it. Raises and writes what `expand` does."""
    path, tables = read_tables(name, assignments, chosen, overrides)
    parts = choice.parts_of(suite.parts(tables, str(path)), datasets)
    return expand(path.stem, parts, str(path), seeds, device, root, skip_broken, at)


def plan_of(name: str, wanted: PlanOptions) -> Planned:
    """What is chosen of a suite, with the plug-ins that it names. Raises and writes what `expand` does."""
    plugins.register(map(Path, wanted.plugins))
    methods = wanted.methods
    chosen = methods if methods is None or isinstance(methods, str) else ",".join(methods)
    where, root = wanted.where(), wanted.root()
    return plan_suite(
        name, wanted.settings, chosen, wanted.seeds, wanted.overrides(), where, root, wanted.skip_broken, wanted.at,
        wanted.datasets,
    )  # fmt: skip
