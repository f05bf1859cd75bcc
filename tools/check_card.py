"""Check a new card in eight minutes: does everything work on it, and how near its limits are we?

    python tools/check_card.py --out card

runs the tests marked `cuda`, `doctor`, `speed`, five runs beside each other and `quick`, and judges what they give.
Everything is printed as it happens. Each step has a time of its own, and one that fails or hangs stops no other. --out
gets `summary.json`, the log of each step and the records. It needs no data; nothing is left running.

Exit status: 0 nothing was missed, 1 something was, 2 unusable options. On a CPU (`--device cpu --budget 200`) the same
steps run small, as a rehearsal: what only a card can show is not judged.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from card_process import CLOSING, HOME, Card, Judged, at_least, at_most, ended

IMAGES = HOME / "bench" / "doctor_images.py"
WHOLE = 480.0  # seconds that all steps have on a card

# What is asked of an H200 at batch 128, in images per second.
SMALL_CNN, FIVE_RUNS, FIVE = 150_000, 50_000, 5
OF_BARE_GRAPH, OF_CROSS_ENTROPY = 0.9, 0.5
EVALUATION, START_SECONDS, POINTS = 0.1, 3.0, 1.0

FIVE_SUITE = """
title = "Five runs"
purpose = "compare"
seeds = {seeds}
[data]
name = "doctor_images"
subset = {subset}
validation = {{ source = "inside", size = 0.1 }}
[[noise]]
model = "symmetric"
rate = 0.4
[training]
network = "{network}"
epochs = {epochs}
batch_size = 128
optimizer = {{ lr = 0.05, weight_decay = 5e-4 }}
schedule = {{ name = "cosine", warmup = 0.1 }}
augmentation = {{ crop_padding = 4, flip = true }}
memorisation_every = 5
[methods.cross_entropy]
"""


@dataclass(frozen=True)
class Step:
    """A step: its `share` of the time, and `take`, which is given its seconds and judges what came of it.

    What a step leaves of its time goes to those that follow, by their shares.
    """

    name: str
    share: float
    take: Callable[[float], list[Judged]]


def tests(card: Card, seconds: float) -> list[Judged]:
    """The tests marked `cuda`, a process a file, those of captured steps apart."""
    files = [path for path in sorted((HOME / "tests").glob("test_*.py")) if "pytest.mark.cuda" in path.read_text()]
    mine, parts = Path("tests/bench/machine/test_cuda_commands.py"), []
    for path in (path.relative_to(HOME) for path in files):
        choices = [["-k", "captured"], ["-k", "not captured"]] if path == mine else [[]]
        parts += [["-m", "pytest", "-m", "cuda", "--tb=short", path, *choice] for choice in choices]
    statuses = card.run("tests", seconds, *parts)
    failed = [status for status in statuses if status not in (0, 5)]  # 5: no test was chosen
    return [ended("the tests marked `cuda` pass", failed[0] if failed else 0, seconds)]


def doctor(card: Card, seconds: float) -> list[Judged]:
    """`doctor`, in its own time."""
    budget = max(seconds - 2 * CLOSING, 1)
    found = card.work / "doctor.json"
    options = ("--budget", f"{budget:.0f}", "--json", found, "--out", card.work / "doctor")
    [status] = card.run("doctor", seconds, card.command("doctor", *options))
    if found.exists():
        shutil.copy(found, card.out)
    return [ended("`doctor` finds no fault", status, seconds)]


def rates(card: Card, seconds: float, network: str, methods: Sequence[str]) -> list[Judged]:
    """Images per second of a network, captured, against its bare graph."""
    name = f"speed-{network}"
    # an epoch as long as CIFAR's: a method that reads the epoch is captured anew in each, which costs a short one more
    size = ("--samples", 50_000, "--repeats", 2) if card.on_card else ("--samples", 512, "--repeats", 1)
    options = ("--methods", ",".join(methods), "--networks", network if card.on_card else "small_cnn", "--no-plain")
    budget = ("--budget", f"{max(seconds - 2 * CLOSING, 1):.0f}", "--at-once", 1, "--stream")
    [status] = card.run(name, seconds, card.command("speed", *options, *size, *budget))
    lines = [json.loads(line) for line in card.log(name).splitlines() if line.startswith("{")]
    cases = {line["method"]: line for line in lines if "images_per_second" in line}
    judged = [ended(f"`speed` of {network} ends well", status, seconds)]
    captured = {method: case["images_per_second"] for method, case in cases.items()}
    for method in methods:
        if method == "co_teaching":
            both = captured.get(method), captured.get("cross_entropy")
            asked = f"{network}: co-teaching, share of cross-entropy's rate"
            judged.append(at_least(asked, _ratio(*both), OF_CROSS_ENTROPY, card.on_card))
        elif network == "small_cnn":
            judged.append(at_least(f"{network}: {method}, images/s", captured.get(method), SMALL_CNN, card.on_card))
        else:
            graph = cases.get(method, {}).get("bare_graph_images_per_second")
            asked = f"{network}: {method}, share of the bare graph's rate"
            why = cases.get(method, {}).get("captured_reason")
            asked += f" (not all captured: {why})" if why else ""
            judged.append(at_least(asked, _ratio(captured.get(method), graph), OF_BARE_GRAPH, card.on_card))
    return judged


def _ratio(one: float | None, other: float | None) -> float | None:
    return one / other if one and other else None


def five_runs(card: Card, seconds: float) -> list[Judged]:
    """Five runs of preact_resnet18 beside each other, as a suite for one card has them."""
    seeds, epochs = (FIVE, 5) if card.on_card else (2, 1)
    network, subset = ("preact_resnet18", 50_000) if card.on_card else ("small_cnn", 1_000)
    suite = card.work / "five.toml"
    suite.write_text(FIVE_SUITE.format(seeds=seeds, epochs=epochs, network=network, subset=subset), encoding="utf-8")
    beside = ("--runs-per-device", seeds) if card.on_card else ("--jobs", seeds)
    options = ("--plugin", IMAGES, "--out", card.work / "five", *beside)
    [status] = card.run("five", seconds, card.command("run", suite, *options))
    found = [record["execution"] for record in card.records("five")]
    whole = len(found) == seeds
    rate = sum(execution["images_per_second"] for execution in found) if whole else None
    shares = [
        max(execution["seconds"] - execution.get("start_seconds", 0.0) - execution["train_seconds"], 0.0)
        / execution["seconds"]
        for execution in found
    ]
    share = statistics.median(shares) if whole else None
    return [
        ended(f"{seeds} runs of {network} beside each other end well", status, seconds),
        at_least(f"{seeds} runs of {network} together, images/s", rate, FIVE_RUNS, card.on_card),
        at_most(f"{network}: share of a run that is neither start nor training", share, EVALUATION, card.on_card),
    ]


def quick(card: Card, seconds: float) -> list[Judged]:
    """`quick` here and, at the same time, on the CPU: the same accuracy, and workers that are kept."""
    half = max((os.cpu_count() or 2) // 2, 1)
    small = () if card.on_card else ("--epochs", 2, "--seeds", 1)
    here = card.command("run", "quick", "--out", card.work / "quick", *small)
    there = [HOME / "run_benchmark.py", "run", "quick", "--device", "cpu", "--jobs", half, *small]
    statuses = card.run("quick", seconds, here, [*there, "--out", card.work / "quick-cpu"])
    mine, cpu = card.records("quick"), card.records("quick-cpu")
    apart = _points(mine, cpu) if statuses == [0, 0] else None
    starts = [one["execution"].get("start_seconds") for one in mine]
    # The first run of each worker waits for its imports; there are at most as many workers as runs at a time.
    later = [start for start in starts[len(starts) // 2 :] if start is not None]
    return [
        *(ended(f"`quick` on {where} ends well", status, seconds)
          for where, status in zip((card.device, "a CPU beside it"), statuses, strict=True)),
        at_most("`quick`: points of accuracy from the CPU, the worst method", apart, POINTS),
        at_most("`quick`: seconds until the first step of a worker's later runs", max(later, default=None),
                START_SECONDS, card.on_card),
    ]  # fmt: skip


def _points(mine: list[dict[str, Any]], cpu: list[dict[str, Any]]) -> float:
    """The largest difference of a method's mean accuracy at the last epoch, in points."""
    means = []
    for records in (mine, cpu):
        found: dict[str, list[float]] = {}
        for record in records:
            found.setdefault(record["spec"]["method"]["name"], []).append(record["curves"]["test_accuracy"][-1])
        means.append({method: statistics.fmean(values) for method, values in found.items()})
    return max(100 * abs(means[0][method] - means[1][method]) for method in means[0])


def cifar(card: Card, seconds: float) -> list[Judged]:
    """A few epochs of the suite for one card, on real images; only where --data names them."""
    if card.data is None:
        return [Judged("`cifar10-full` on real images", "not available", "--data names no folder")]
    size = ("--epochs", 2, "--seeds", 1, "--methods", "cross_entropy,elr", "--set", "noise=[{model='clean'}]")
    small = () if card.on_card else ("--set", "data.subset=500", "--set", "training.network='small_cnn'")
    options = ("--data", card.data, "--out", card.work / "cifar", *size, *small)
    [status] = card.run("cifar", seconds, card.command("run", "cifar10-full", *options))
    card.records("cifar")
    return [ended("`cifar10-full` on real images", status, seconds)]


def steps(card: Card) -> list[Step]:
    """All steps, with their shares of the time."""
    wide, narrow = ("cross_entropy", "elr", "car", "co_teaching"), ("cross_entropy", "co_teaching")
    return [
        Step("doctor", 0.13, lambda seconds: doctor(card, seconds)),
        Step("speed preact_resnet18", 0.16, lambda seconds: rates(card, seconds, "preact_resnet18", wide)),
        Step("speed resnet34", 0.13, lambda seconds: rates(card, seconds, "resnet34", wide[:3])),
        Step("speed small_cnn", 0.07, lambda seconds: rates(card, seconds, "small_cnn", narrow)),
        Step("five runs", 0.12, lambda seconds: five_runs(card, seconds)),
        Step("quick", 0.12, lambda seconds: quick(card, seconds)),
        Step("tests", 0.22, lambda seconds: tests(card, seconds)),
        Step("cifar", 0.05, lambda seconds: cifar(card, seconds)),
    ]


def taken(step: Step, seconds: float) -> list[Judged]:
    """What a step judges; a fault of its own is something missed, and no more."""
    try:
        return step.take(seconds)
    except Exception as fault:
        return [Judged(f"the step {step.name!r}", "missed", f"{type(fault).__name__}: {fault}")]


def main() -> int:
    """Take all steps, and say what was met and missed."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, required=True, help="new folder of the summary, the logs and the records")
    parser.add_argument("--device", default="cuda", help="cuda, cuda:N or cpu")
    parser.add_argument("--budget", type=float, default=WHOLE, help="seconds for all steps")
    parser.add_argument("--data", type=Path, help="folder of CIFAR-10, for a step on real images")
    given = parser.parse_args()
    if not given.budget > 0:
        parser.error("--budget: accepted: seconds above 0")
    out, data = given.out.absolute(), given.data and given.data.absolute()
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        parser.error(f"--out {given.out}: is there already: name a new folder")
    try:
        out.mkdir(parents=True, exist_ok=True)
    except OSError as fault:
        parser.error(f"--out {given.out}: {fault.strerror}")
    end, judged = time.monotonic() + given.budget, list[Judged]()
    with tempfile.TemporaryDirectory(prefix="check-card-", ignore_cleanup_errors=True) as work:
        waiting = steps(Card(given.device, out, Path(work), data))
        while waiting:
            part = waiting[0].share / sum(step.share for step in waiting)
            step, seconds = waiting.pop(0), part * (end - time.monotonic()) - CLOSING
            if seconds < 1:
                found = [Judged(f"the step {step.name!r}", "not available", "no time was left")]
            else:
                print(f"{step.name}: {seconds:.0f} s at most", flush=True)
                found = taken(step, seconds)
            judged += found
            for one in found:
                print(f"{one.status}: {one.asked}: {one.found}", flush=True)
            told = {"device": given.device, "budget_seconds": given.budget, "judged": [asdict(one) for one in judged]}
            (out / "summary.json").write_text(json.dumps(told, indent=1) + "\n", encoding="utf-8")
    counted = {status: sum(one.status == status for one in judged) for status in ("met", "missed", "not available")}
    print(", ".join(f"{count} {status}" for status, count in counted.items()) + f": {out / 'summary.json'}", flush=True)
    return 1 if counted["missed"] else 0


if __name__ == "__main__":
    sys.exit(main())
