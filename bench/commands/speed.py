"""`speed`: images per second, overhead over the bare network, ratio to a plain PyTorch loop; case by case."""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Iterator
from dataclasses import asdict
from typing import Annotated

import typer

from bench import networks as network_table
from bench import plugins
from bench.commands.options import Device, LogEvery, Plugin
from bench.commands.speed_rows import header, row
from bench.machine import accelerator
from bench.machine.precision import asked_precision
from bench.machine.processor import processor_name
from bench.speed.case import Case, LeftOut, Speed, cases
from bench.speed.drive import Outcome, measure_all
from bench.sweep import log, terminal
from common import allotment
from common.errors import UserError
from datasets.views import VIEW_POLICIES
from methods import registry as methods

DEFAULT_METHODS = "cross_entropy,co_teaching,elr,car"
LONGEST_BUDGET = 1e6  # seconds
EXIT_FAILED_CASE = 1


def _names(given: str, option: str) -> list[str]:
    names = [part.strip() for part in given.split(",") if part.strip()]
    if not names:
        raise UserError(f"{option}: name at least one")
    return names


def _budget(seconds: float | None) -> float | None:
    """The value of --budget. Raises UserError."""
    if seconds is not None and not 0 < seconds <= LONGEST_BUDGET:
        raise UserError(f"--budget {seconds:g}: accepted: seconds above 0, at most {LONGEST_BUDGET:,.0f}")
    return seconds


Names = Annotated[str, typer.Option("--methods", help="Comma-separated methods.")]
Networks = Annotated[str, typer.Option(help="Comma-separated networks.")]
BatchSize = Annotated[int, typer.Option(min=2, help="Images of a training step.")]
Samples = Annotated[
    int | None, typer.Option(min=256, help="Images of an epoch (default: 10,000; 50,000 on an accelerator).")
]
Repeats = Annotated[int, typer.Option(min=1, help="Interleaved repeats, of which the median counts.")]
Precision = Annotated[str, typer.Option(help="auto, fp32 or bf16.")]
Plain = Annotated[bool, typer.Option(help="Also time the plain PyTorch loop.")]
Strong = Annotated[
    str | None, typer.Option(metavar="POLICY", help="The view policy of strong views, of methods that have them.")
]
Compiled = Annotated[bool, typer.Option("--compile", help="Compile the networks with torch.compile.")]
AtOnce = Annotated[
    int | None,
    typer.Option(min=1, max=64, help="Also time so many processes at once (default: 3 on an accelerator, else 1)."),
]
Budget = Annotated[
    float | None,
    typer.Option(metavar="SECONDS", callback=_budget, help="Fit all into this time; says what is left out."),
]
Stream = Annotated[bool, typer.Option("--stream", help="JSON Lines, an object a case, as each is done.")]
AsJson = Annotated[bool, typer.Option("--json", help="A list of objects, once all is done.")]


def speed(
    chosen: Names = DEFAULT_METHODS,
    networks: Networks = "small_cnn",
    batch_size: BatchSize = 128,
    samples: Samples = None,
    repeats: Repeats = 3,
    device: Device = "auto",
    precision: Precision = "auto",
    plain: Plain = True,
    compiled: Compiled = False,
    strong: Strong = None,
    at_once: AtOnce = None,
    budget: Budget = None,
    stream: Stream = False,
    as_json: AsJson = False,
    log_every: LogEvery = log.DEFAULT_SECONDS,
    plugin: Plugin = None,
) -> None:
    """Measure images per second, one torch thread a process. Look at the load first: a busy machine measures itself.

    Examples:

    - `speed`
    - `speed --methods divide_mix --networks resnet18 --json`
    - `speed --networks small_cnn,resnet18 --budget 120 --stream`
    """
    asked = asked_precision(precision)
    for option, given in (("--stream", stream), ("--budget", budget is not None)):
        if as_json and given:
            raise UserError(f"--json waits for all cases and has no place for what is left out: give it or {option}")
    began = time.monotonic()
    plugins.register(plugin)
    names = [methods.typed(name) for name in _names(chosen, "--methods")]
    network_names = _names(networks, "--networks")
    _check(names, network_names, strong)
    where = accelerator.choose(device)
    planned = cases(names, network_names, batch_size, asked, where, samples, repeats, plain, compiled, at_once, strong)
    left = None if budget is None else budget - (time.monotonic() - began)
    outcomes = _measured(planned, left, log_every)
    if as_json:
        whole = list(_told(outcomes))
        typer.echo(json.dumps([asdict(one) for one in whole if isinstance(one, Speed)], indent=1))
    elif stream:
        whole = list(_streamed(outcomes))
    else:
        whole = list(_told(_tabled(planned, outcomes)))
    if sum(isinstance(one, Speed | LeftOut) for one in whole) < len(planned):
        raise typer.Exit(EXIT_FAILED_CASE)


def _check(names: list[str], network_names: list[str], strong: str | None) -> None:
    """Raise UserError or its kin for a name that there is not."""
    for name in names:
        methods.info(name)
    for name in network_names:
        network_table.NETWORKS.get(name)
    if strong is not None:
        VIEW_POLICIES.get(strong, "--strong")


def _measured(planned: list[Case], seconds: float | None, log_every: float) -> Iterator[Outcome]:
    """What comes of each case; meanwhile the log says what is being measured."""
    with terminal.doing(log_every, stderr=True) as doing:
        done, began = 0, time.monotonic()

        def begun(case: Case) -> None:
            told = f"measuring {case.label}, {done} of {len(planned)} cases done"
            if seconds is not None:
                told += f", {log.duration(seconds - (time.monotonic() - began))} of the budget left"
            elif done:
                left = (time.monotonic() - began) / done * (len(planned) - done)
                told += f", about {log.duration(left)} left"
            doing.now(told)

        for one in measure_all(planned, seconds, begun):
            yield one
            done += 1


def _streamed(outcomes: Iterator[Outcome]) -> Iterator[Outcome]:
    """Each case as a line of JSON; what is not measured under a key that says so."""
    for one in outcomes:
        told = asdict(one)
        if not isinstance(one, Speed):
            told = {"left_out" if isinstance(one, LeftOut) else "failed": told}
        typer.echo(json.dumps(told))  # writes it out at once
        yield one


def _tabled(planned: list[Case], outcomes: Iterator[Outcome]) -> Iterator[Outcome]:
    """Each case as a line of a table."""
    given = allotment.processors().amount
    typer.echo(f"{processor_name()}: load at the start {os.getloadavg()[0]:.2f} on {given} processors")
    typer.echo(header(planned))
    for one in outcomes:
        if isinstance(one, Speed):
            typer.echo(row(planned, one))
        yield one


def _told(outcomes: Iterator[Outcome]) -> Iterator[Outcome]:
    """On standard error, what is not measured."""
    for one in outcomes:
        label = f"{one.method} on {one.network}"
        if isinstance(one, Speed):
            if one.missing:
                print(f"left out of {label}: {'; '.join(one.missing)}", file=sys.stderr, flush=True)
        elif isinstance(one, LeftOut):
            print(f"left out: {label}: {one.reason}", file=sys.stderr, flush=True)
        else:
            print(f"failed: {label}: {one.message}", file=sys.stderr, flush=True)
        yield one
