"""`merge`: take others' records into a store; `export`: write a suite's records as lines for a repository."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from bench.commands.options import DEFAULT_OUT, Out, check_folder
from bench.sweep import terminal
from common.errors import UserError, shortened, unknown
from results.store import Store

LONGEST_NAME = 100


def merge(
    folders: Annotated[list[Path], typer.Argument(metavar="DIR...", help="Stores, folders of records, .jsonl files.")],
    out: Out = DEFAULT_OUT,
) -> None:
    """Take others' records into a store, all or nothing. What is there already is never changed.

    Records that are damaged, or contradict themselves, are named; a plan called as one of yours that cannot be joined
    with it is kept under a name of its own.

    Examples:

    - `merge ../colleague/output`
    - `merge a b --out all`
    """
    from bench.api.redraw import redrawer
    from results.merge import merge as merge_into

    check_folder(out)
    for folder in folders:
        if not folder.exists():
            raise UserError(f"{folder}: no such file or folder")
    console, left_out = terminal.console(), list[str]()
    summary = merge_into(folders, Store(out), left_out.append, redrawer())
    for line in [*summary.lines(), *(f"left out: {fault}" for fault in left_out)]:
        console.print(shortened(line), highlight=False, soft_wrap=True)


def export(
    suite: Annotated[str, typer.Argument(help="A started suite.")],
    target: Annotated[
        Path,
        typer.Argument(
            help="Folder that gets SUITE.jsonl, SUITE.plan.json and, of runs that diverged, SUITE.diverged.json."
        ),
    ],
    run_by: Annotated[
        str, typer.Option("--run-by", metavar="NAME", help="Who executed the runs, for records that are handed in.")
    ] = "",
    out: Out = DEFAULT_OUT,
) -> None:
    """Write a suite's records as JSON Lines, one file a suite, for committing or handing on.

    Examples:

    - `export quick my-records`
    - `export quick results/handed-in/ada --run-by "Ada Lovelace"`
    """
    from results.export import export_jsonl

    check_folder(target, "TARGET")
    if run_by and not (run_by.isprintable() and run_by == run_by.strip() and len(run_by) <= LONGEST_NAME):
        raise UserError(f"--run-by {run_by!r}: accepted: a name in one line, of at most {LONGEST_NAME} characters")
    store = Store(out)
    plans = store.plans()
    if suite not in plans:
        raise unknown("started suite", suite, sorted(plans), f"--out {out}")
    count = export_jsonl(store, suite, target, run_by)
    terminal.console().print(f"{count} records: {target / f'{suite}.jsonl'}", highlight=False, soft_wrap=True)
