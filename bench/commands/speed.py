"""`speed`: images per second, overhead over the bare network, ratio to a plain PyTorch loop."""

from __future__ import annotations

import json
import os
from dataclasses import asdict
from typing import Annotated

import typer
from rich.table import Table

from bench import accelerator, plugins
from bench import networks as network_table
from bench.commands import terminal
from bench.commands.options import Plugin
from bench.errors import UserError, unknown
from bench.processor import processor_name
from methods import registry as methods

DEFAULT_METHODS = "cross_entropy,co_teaching,elr,car"


def _names(given: str, option: str) -> list[str]:
    names = [part.strip() for part in given.split(",") if part.strip()]
    if not names:
        raise UserError(f"{option}: name at least one")
    return names


def _percent(value: float) -> str:
    return f"{100 * value:+.1f}%"


def speed(
    chosen: Annotated[str, typer.Option("--methods", help="Comma-separated methods.")] = DEFAULT_METHODS,
    networks: Annotated[str, typer.Option(help="Comma-separated networks.")] = "small_cnn",
    batch_size: Annotated[int, typer.Option(min=2)] = 128,
    samples: Annotated[int, typer.Option(min=256, help="Images of an epoch.")] = 10_000,
    repeats: Annotated[int, typer.Option(min=1, help="Interleaved repeats, of which the median counts.")] = 3,
    device: Annotated[str, typer.Option(help="auto, cpu, cuda or cuda:N.")] = "auto",
    precision: Annotated[str, typer.Option(help="auto, fp32 or bf16.")] = "auto",
    plain: Annotated[bool, typer.Option(help="Also time the plain PyTorch loop.")] = True,
    compiled: Annotated[bool, typer.Option("--compile", help="Compile the networks with torch.compile.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="A list of objects instead of a table.")] = False,
    plugin: Plugin = None,
) -> None:
    """Measure images per second, one torch thread a process. Look at the load first: a busy machine measures itself.

    Examples:

    - `speed`
    - `speed --methods divide_mix --networks resnet18 --json`
    """
    if precision not in ("auto", "fp32", "bf16"):
        raise UserError(f"--precision {precision!r}: accepted: auto, fp32, bf16")
    plugins.register(plugin)
    names, network_names = _names(chosen, "--methods"), _names(networks, "--networks")
    for name in names:
        methods.info(name)
    for name in network_names:
        if name not in network_table.NETWORKS:
            raise unknown("network", name, network_table.NETWORKS)
    where = accelerator.choose(device)
    from bench import speed as measuring

    cases = measuring.cases(names, network_names, batch_size, precision, where, samples, repeats, plain, compiled)
    load = os.getloadavg()[0]
    found = list(measuring.measure_all(cases))
    if as_json:
        typer.echo(json.dumps([asdict(one) for one in found], indent=1))
        return
    columns = ("method", "network", "precision", "images/s", "overhead", "to plain loop", "passes", "peak MiB")
    table = Table(*columns, title=f"{processor_name()}: load at the start {load:.2f} on {os.cpu_count()} cores")
    for one in found:
        low, high = one.images_per_second_spread
        table.add_row(
            one.method,
            one.network,
            one.precision,
            f"{one.images_per_second:,.0f} ({low:,.0f} to {high:,.0f})",
            f"{_percent(one.overhead)} ({_percent(one.overhead_spread[0])} to {_percent(one.overhead_spread[1])})",
            "" if one.ratio_to_plain_loop is None else f"{one.ratio_to_plain_loop:.2f}",
            f"{one.passes_per_step:.2f}",
            f"{one.peak_memory_mib:,.0f}",
        )
    terminal.console().print(table)
