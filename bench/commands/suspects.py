"""`suspects`: the training samples by suspicion of being wrongly labelled."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Console
from rich.table import Table

from bench.commands.options import DEFAULT_OUT, Data, Force, LogEvery, Out, check_file
from bench.machine.outputs import check_replaceable, write_output
from bench.sweep import log, terminal
from common.errors import UserError, unknown
from common.plan import Plan
from common.record import Record
from datasets import registry as datasets
from datasets.base import DataError
from datasets.data_contract import Choice
from results.csv_text import formula_free
from results.store import Store

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True)
class Wanted:
    """Which runs of a suite are asked; None: the first data set, its first setting, all rows."""

    dataset: str | None
    setting: str | None
    method: str | None
    seed: int


def _one_of(kind: str, name: str | None, cells: Sequence[Mapping[str, Any]], key: str, option: str) -> str:
    """The value of `key` that was named, else the first one. Raises UserError where no cell has it."""
    known = list(dict.fromkeys(cell[key] for cell in cells))
    if name is not None and name not in known:
        raise unknown(kind, name, known, option)
    return name or known[0]


def _chosen(store: Store, plan: Plan, wanted: Wanted) -> tuple[list[str], str]:
    """The done runs of a suite that share labels: one data set, setting and seed; all its methods or one."""
    if not plan["cells"]:
        raise UserError(f"suite {plan['suite']!r} has no runs")
    dataset = _one_of("data set", wanted.dataset, plan["cells"], "dataset", "--dataset")
    cells = [cell for cell in plan["cells"] if cell["dataset"] == dataset]
    setting = _one_of("setting", wanted.setting, cells, "setting", f"--setting of {dataset}")
    if wanted.method is not None:
        _one_of("row", wanted.method, cells, "method", "--method")
    asked = [
        cell
        for cell in cells
        if cell["setting"] == setting
        and cell["seed"] == wanted.seed
        and wanted.method in (None, cell["method"])
        # a row trained on the rightly labelled samples alone has other samples, and no suspicion
        and cell["spec"]["dataset"].get("training_rows") != "clean_only"
    ]
    done = [cell for cell in asked if store.has(cell["address"])]
    where = f"{dataset}, {setting}, seed {wanted.seed}"
    if not done:
        raise UserError(f"suite {plan['suite']!r}: no run of {where} is done yet")
    return [cell["address"] for cell in done], f"{where}: {', '.join(cell['title'] for cell in done)}"


def _find(store: Store, target: str, wanted: Wanted) -> tuple[list[str], str]:
    plans = store.plans()
    if target in plans:
        return _chosen(store, plans[target], wanted)
    matching = [address for address in store.addresses() if address.startswith(target)]
    if len(matching) == 1:
        record = store.load(matching[0])
        return matching, f"{record['titles']['method']}, {record['titles']['noise']}, seed {record['spec']['seed']}"
    if len(matching) > 1:
        raise UserError(f"run {target!r}: {len(matching)} records begin so; give more digits of the address")
    raise UserError(
        f"neither a run nor a started suite of {store.root}: {target!r} (suites: {', '.join(plans) or 'none'})"
    )


def _name_images(console: Console, ranking: pd.DataFrame, part: Mapping[str, Any], root: Path | None) -> None:
    """Add the column `image` where images are files; say why where it cannot be done."""
    choice = Choice(part.get("file"))
    try:
        names = datasets.image_names(part["name"], root, choice, part.get("content"))
    except DataError as fault:
        console.print(f"images are not named: {fault}", style="yellow", soft_wrap=True)
        return
    if names is not None:
        ranking.insert(1, "image", [names(row) for row in ranking["sample"]])


Csv = Annotated[Path | None, typer.Option("--csv", help="Write all samples to this file.")]
Page = Annotated[Path | None, typer.Option("--page", help="Write a page to review those shown, with their images.")]
_HEAD = b"sample,"
"""How each file of `--csv` begins."""
_GENERATOR = b'<meta name="generator" content="noisy-label-bench suspects">'
"""What each file of `--page` holds."""


def _page(title: str, ranking: pd.DataFrame, record: Record, root: Path | None) -> bytes:
    """The page to review. Raises DataError where the images are not there, or have changed."""
    from bench.api import review

    part = record["spec"]["dataset"]
    images = datasets.training_images(part["name"], root, Choice(part.get("file")), part.get("content"))
    return review.page(title, review.suspects_of(ranking, images), record["data"]["class_names"])


def _csv(table: pd.DataFrame) -> bytes:
    """The table as CSV in which no name is a formula."""
    texts = [name for name in table.columns if table[name].map(lambda value: isinstance(value, str)).any()]
    quoted = table.assign(**{name: table[name].map(formula_free) for name in texts})
    return quoted.to_csv(index=False).encode("utf-8", "backslashreplace")


def _print(console: Console, title: str, ranking: pd.DataFrame) -> None:
    table = Table(title=title)
    for name in ranking.columns:
        table.add_column(name.replace("_", " "), overflow="fold")
    for row in ranking.itertuples(index=False):
        table.add_row(*(f"{value:.4f}" if isinstance(value, float) else str(value) for value in row))
    console.print(table)


def _check_targets(csv: Path | None, page: Path | None, force: bool) -> None:
    """Raises UserError where one of the files cannot be written, or is not ours."""
    if csv is not None:
        check_file(csv, "--csv")
        check_replaceable(csv, "--csv", lambda content: content.startswith(_HEAD), force)
    if page is not None:
        check_file(page, "--page")
        check_replaceable(page, "--page", lambda content: _GENERATOR in content, force)


def suspects(
    target: Annotated[str, typer.Argument(metavar="RUN|SUITE", help="Address of a run (or its start), or a suite.")],
    dataset: Annotated[
        str | None, typer.Option(help="Of a suite with several data sets, this one (default: the first).")
    ] = None,
    method: Annotated[str | None, typer.Option("--method", help="Only this row of the suite.")] = None,
    setting: Annotated[
        str | None, typer.Option(help='Setting of the suite, such as "symmetric 50%" (default: the first).')
    ] = None,
    seed: Annotated[int, typer.Option(min=0, help="Seed of the suite's runs.")] = 0,
    count: Annotated[int, typer.Option(min=1, help="How many are shown.")] = 20,
    log_every: LogEvery = log.DEFAULT_SECONDS,
    csv: Csv = None,
    page: Page = None,
    out: Out = DEFAULT_OUT,
    data: Data = None,
    force: Force = False,
) -> None:
    """List the training samples that are most likely wrongly labelled.

    Images that are files are named if the data are where they were. `data correct` takes what `--page` exports.

    Examples:

    - `suspects quick --method car --csv suspects.csv`
    - `suspects flowers --data flowers --count 100 --page review.html`
    - `suspects car --dataset cifar100 --setting "symmetric 60%"`
    """
    from results.suspects import suspects as ranked

    _check_targets(csv, page, force)
    store = Store(out)
    addresses, title = _find(store, target, Wanted(dataset, setting, method, seed))
    console = terminal.console()
    told = partial(console.print, highlight=False, soft_wrap=True)
    with terminal.doing(log_every, stderr=True) as doing:
        ranking = ranked(store, addresses, doing.now)
        doing.now("naming the images")
        record = store.load(addresses[0])
        _name_images(console, ranking, record["spec"]["dataset"], data)
        if page is not None:
            doing.now("drawing the page")
            write_output(page, _page(title, ranking.head(count), record, data), "--page")
    columns = [name for name in ranking.columns if not ranking[name].isna().all()]
    _print(console, title, ranking.head(count)[columns])
    if csv is not None:
        write_output(csv, _csv(ranking[columns]), "--csv")
        told(f"all {len(ranking)} samples: {csv}")
    if page is not None:
        told(f"to review {min(count, len(ranking))} of them: {page}")
