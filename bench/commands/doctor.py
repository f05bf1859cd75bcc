"""`doctor`: whether runs would go well on this machine, and what to do where not."""

from __future__ import annotations

import json
import tempfile
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import Annotated

import typer
from rich.text import Text

from bench.commands.options import DEFAULT_OUT, Data, Device, Out, check_file
from bench.doctor import machine as doctor_machine
from bench.doctor import runs as doctor_runs
from bench.doctor.command import Runs
from bench.doctor.doctor import Budget, Check, Finding, Subject, examine
from bench.machine import accelerator
from bench.sweep import terminal
from datasets import registry as datasets

EXIT_FOUND_FAULT = 1
STYLES = {"ok": "green", "fault": "bold red", "skipped": "yellow"}


def doctor(
    device: Device = "auto",
    budget: Annotated[float, typer.Option(min=1, help="Seconds for all checks; what no longer fits is skipped.")] = 120,
    as_json: Annotated[Path | None, typer.Option("--json", help="Also write the findings to this file.")] = None,
    data: Data = None,
    out: Out = DEFAULT_OUT,
) -> None:
    """Check this machine: packages, data, disks, then the device through real runs. Exit status 1 for a fault.

    Each check is one line: ok, fault with what to do, or skipped with the reason. Nothing is left behind.

    Examples:

    - `doctor`
    - `doctor --device cpu --budget 60`
    - `doctor --device cuda --json findings.json`
    """
    time = Budget(budget)
    if as_json is not None:
        check_file(as_json, "--json")
    where = accelerator.choose(device)
    subject = Subject(where, out, data or datasets.default_root())
    findings = []
    with tempfile.TemporaryDirectory(prefix=".doctor-", dir=_folder(out), ignore_cleanup_errors=True) as folder:
        checks = _checks(subject, time, Path(folder))
        width = max(len(check.name) for check in checks)
        for finding in examine(checks):
            findings.append(finding)
            line = Text(f"{finding.check:{width}}  ")
            line.append(f"{finding.status}:", style=STYLES[finding.status])
            terminal.console().print(line.append(f" {finding.said}"), soft_wrap=True)
    faults = sum(finding.status == "fault" for finding in findings)
    skipped = sum(finding.status == "skipped" for finding in findings)
    terminal.console(highlight=False).print(f"{len(findings)} checks on {where}, {faults} at fault, {skipped} skipped")
    if as_json is not None:
        _write(as_json, where, budget, findings)
    if faults:
        raise typer.Exit(EXIT_FOUND_FAULT)


def _folder(out: Path) -> Path | None:
    """Where the runs go: near the user's own if that can be written, else (None) where the system keeps such files."""
    here = doctor_machine.existing(out)
    try:
        with tempfile.TemporaryFile(dir=here):
            return here
    except OSError:
        return None


def _checks(subject: Subject, time: Budget, folder: Path) -> list[Check]:
    runs = Runs(subject.device, folder, time)
    return [
        Check("versions", doctor_machine.versions),
        Check("processor", doctor_machine.processor),
        Check("data sets", partial(doctor_machine.data_sets, subject)),
        Check("data folder", partial(doctor_machine.data_folder, subject)),
        Check("disks", partial(doctor_machine.disks, subject)),
        Check("shared memory", partial(doctor_machine.shared_memory, subject)),
        Check("imports", partial(doctor_machine.imports, time)),
        Check("one run", partial(doctor_runs.one_run, runs)),
        Check("the same again", partial(doctor_runs.again, runs)),
        Check("captured", partial(doctor_runs.captured, runs)),
        Check("kill and resume", partial(doctor_runs.kill_and_resume, runs)),
        Check("rates", partial(doctor_runs.rates, runs)),
        Check("what to set", partial(doctor_runs.advice, runs)),
    ]


def _write(path: Path, device: str, budget: float, findings: list[Finding]) -> None:
    told = {"device": device, "budget_seconds": budget, "findings": [asdict(finding) for finding in findings]}
    path.write_text(json.dumps(told, indent=1) + "\n", encoding="utf-8")
