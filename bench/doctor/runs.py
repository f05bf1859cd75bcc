"""What `doctor` finds out by running: tiny suites through the command itself. Nothing is trained in its own process."""

from __future__ import annotations

import shutil
import time
from pathlib import Path

from bench.doctor import images as doctor_images
from bench.doctor.command import Runs, all_ended, ended, kill_worker, record_of, started, write
from bench.doctor.doctor import Fault, Skipped
from bench.sweep import mps
from common import allotment
from common.record import Record
from results.layout import Layout
from results.record import dumps, result

FIRST_SECONDS = 5.0  # the least that a first run takes: processes that import torch
HANGS_AFTER = 30.0  # seconds without an end are a fault, not a small budget
APART = 0.05  # test accuracy at the last epoch: more than another order of summation does to the tiny run
GAIN = 1.1  # several runs together, over one: worth it
BESIDE = 3  # runs at a time on an accelerator

_SUITE = """
title = "Doctor"
purpose = "compare"
seeds = {seeds}
[data]
{data}
[[noise]]
model = "symmetric"
rate = 0.4
[training]
optimizer = {{ lr = 0.05 }}
{training}
[methods.cross_entropy]
"""
_TINY = _SUITE.format(
    seeds=1,
    data='name = "digits"',
    training='network = "digits_cnn"\nepochs = 12\nbatch_size = 64\nprecision = "fp32"',
)


def one_run(runs: Runs) -> str:
    """A short run by the command `run`, in a worker of its own."""
    write(runs, "tiny", _TINY)
    limit = runs.budget.share(0.5, FIRST_SECONDS)
    clock = time.monotonic()
    try:
        record = record_of(runs, "first", limit)
    except Skipped:
        if limit < HANGS_AFTER:
            raise
        raise Fault(f"a run of seconds had not ended after {limit:.0f} s: does the device or a disk hang?") from None
    runs.first, runs.seconds = record, time.monotonic() - clock
    execution = record["execution"]
    return (
        f"{execution['seconds']:.1f} s of a command of {runs.seconds:.1f} s on {execution['device_name']}, "
        f"test accuracy {_percent(record)}"
    )


def again(runs: Runs) -> str:
    """The same run again, number by number."""
    first = _first(runs)
    record = record_of(runs, "again", runs.budget.share(0.5, 1.5 * runs.seconds))
    return _compared(runs, first, record)


def captured(runs: Runs) -> str:
    """Whole steps as CUDA graphs against eager steps."""
    if not runs.on_device:
        raise Skipped("a CPU captures nothing")
    first = _first(runs)
    record = record_of(runs, "eager", runs.budget.share(0.5, 1.5 * runs.seconds), "--capture", "off")
    return f"against eager: {_compared(runs, first, record)}; captured: {first['execution'].get('captured')}"


def kill_and_resume(runs: Runs) -> str:
    """kill -9 of the worker after its first checkpoint: the command goes on from there, to the same record."""
    first = _first(runs)
    limit = runs.budget.share(0.6, 2.5 * runs.seconds)
    store, killed = runs.folder / "killed", 0
    with started(runs, "tiny", "killed", "--checkpoint-seconds", "0") as process:
        end = time.monotonic() + limit
        while process.poll() is None and time.monotonic() < end:
            if not killed and any(Layout(store).checkpoints.glob("*.pt")):
                killed = kill_worker(store)
            time.sleep(0.005)
        record = ended(runs, process, "killed", limit)
    if not killed or not record["execution"]["resumes"]:
        raise Skipped("the run ended before its worker was killed")
    return f"the worker was killed, and the run went on: {_compared(runs, first, record)}"


def rates(runs: Runs) -> str:
    """Images per second of one run, and of several at a time."""
    _first(runs)
    beside = BESIDE if runs.on_device else min(allotment.processors().amount, 4)
    network, subset = ("preact_resnet18", 25_600) if runs.on_device else ("small_cnn", 2_560)
    how = {"1 run": (1, ["--runs-per-device", "1"] if runs.on_device else ["--jobs", "1"])}
    if runs.on_device:
        served = shutil.which(mps.PROGRAM) is not None
        for mode in ("auto", "off") if served else ("off",):
            name = f"{beside} runs {'under' if mode == 'auto' else 'without'} MPS"
            how[name] = (beside, ["--runs-per-device", str(beside), "--mps", mode])
    elif beside > 1:
        how[f"{beside} runs"] = (beside, ["--jobs", str(beside)])
    for name, (seeds, options) in how.items():
        limit = runs.budget.share(0.6, 2.0 * runs.seconds)
        text = _SUITE.format(
            seeds=seeds,
            data=f'name = "{doctor_images.INFO.name}"\nsubset = {subset}',
            training=f'network = "{network}"\nepochs = 3\nbatch_size = 128\nmemorisation_every = 3',
        )
        write(runs, name, text)
        plugin = ["--plugin", str(Path(doctor_images.__file__))]
        with started(runs, name, name, *plugin, *options) as process:
            records = all_ended(runs, process, name, limit)
        runs.rates[name] = sum(record["execution"]["images_per_second"] for record in records)
    said = ", ".join(f"{rate:,.0f} with {name}" for name, rate in runs.rates.items())
    return f"images/s of {network}: {said}"


def advice(runs: Runs) -> str:
    """What to give `run` on this machine."""
    if "1 run" not in runs.rates or len(runs.rates) < 2:
        raise Skipped("the rates are not known")
    best = max(runs.rates, key=lambda name: runs.rates[name])
    several = runs.rates[best] >= GAIN * runs.rates["1 run"]
    if not runs.on_device:
        given = allotment.processors().amount
        return f"--jobs {given} (the default)" if several else "--jobs 1: runs beside each other gain nothing here"
    said = "--runs-per-device auto (the default)" if several else "--runs-per-device 1: more gain nothing here"
    if shutil.which(mps.PROGRAM) is None:
        return f"{said}; {mps.PROGRAM} is not installed: kernels of several runs take turns instead of overlapping"
    return said if not several or "under" in best else f"{said} --mps off"


def _percent(record: Record) -> str:
    return f"{100 * record['curves']['test_accuracy'][-1]:.1f}%"


def _first(runs: Runs) -> Record:
    if runs.first is None:
        raise Skipped("there is no run to compare with")
    return runs.first


def _compared(runs: Runs, first: Record, other: Record) -> str:
    """How far two records of one run are apart. Raises Fault where that is not what the device promises."""
    if dumps(result(first)) == dumps(result(other)):
        return "equal bit by bit"
    curves = [record["curves"]["test_accuracy"] for record in (first, other)]
    apart = abs(curves[0][-1] - curves[1][-1])
    said = f"test accuracy {_percent(first)} and {_percent(other)} at the last epoch"
    if not runs.on_device:
        raise Fault(f"{said}, which must be equal on a CPU: look for faulty memory or an overclocked processor")
    if apart > APART:
        raise Fault(f"{said}, more than rounding explains: run `pytest -m cuda tests` and report what fails")
    return f"{said}, not bit by bit"
