"""A suite of short runs on two cores: how long it takes, and how much of that is training.

    python tools/benchmark_short_runs.py [--against COMMIT] [--pairs N] [--data DIR]

Cross-entropy and co-teaching, two seeds, two epochs of 5,000 CIFAR-10 images at symmetric 40%, the small CNN, float32,
5,000 validation images outside, `run SUITE --jobs 2` in a fresh process. With `--against` the same suite is run by that
commit in a temporary work tree, in the order A B B A, and the records of both are compared, all but `execution`.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

HOME = Path(__file__).resolve().parent.parent
JOBS = 2

SUITE = """
title = "Short runs"
purpose = "compare"
seeds = 2

[data]
name = "cifar10"
subset = 5000
validation = { source = "outside", size = 5000 }

[[noise]]
model = "symmetric"
rate = 0.4

[training]
network = "small_cnn"
epochs = 2
batch_size = 128
precision = "fp32"

[methods.cross_entropy]

[methods.co_teaching]
"""


@dataclass(frozen=True)
class Measured:
    """One execution of the suite. wall, busy, run, training: seconds; busy: CPU time of all its processes.

    scored: images scored in a run, each once for every time; None where that commit does not record it.
    """

    wall: float
    busy: float
    run: float
    training: float
    scored: dict[str, float | None]

    def line(self) -> str:
        """The figures in one line."""
        counts = ", ".join(f"{name} {'not recorded' if n is None else f'{n:,.0f}'}" for name, n in self.scored.items())
        return (
            f"{self.wall:6.1f} s, {100 * self.training / self.run:4.1f}% of the runs' time is training, "
            f"{self.busy / self.wall:.2f} of {JOBS} cores busy ({self.busy:.1f} s); images scored a run: {counts}"
        )


def execute(home: Path, suite: Path, out: Path, data: str | None, *further: str) -> Measured:
    """Run the suite with the code in `home`, in a process of its own; all its runs must succeed."""
    command = [sys.executable, str(home / "run_benchmark.py"), "run", str(suite), "--jobs", str(JOBS)]
    command += ["--device", "cpu", "--out", str(out), *(["--data", data] if data else []), *further]
    environment = {**os.environ, "PYTHONPATH": str(home), "OMP_NUM_THREADS": "1"}
    with (out.parent / f"{out.name}.log").open("wb") as log:
        started = time.perf_counter()
        process = subprocess.Popen(command, cwd=out.parent, env=environment, stdout=log, stderr=subprocess.STDOUT)
        _, status, used = os.wait4(process.pid, 0)
        wall = time.perf_counter() - started
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        sys.exit(f"{' '.join(command)} failed:\n{(out.parent / f'{out.name}.log').read_text()}")
    records = list(read(out).values())
    executions = [record["execution"] for record in records]
    return Measured(
        wall,
        used.ru_utime + used.ru_stime,
        sum(one["seconds"] for one in executions),
        sum(one["train_seconds"] for one in executions),
        {record["spec"]["method"]["name"]: _scored(record) for record in records},
    )


def _scored(record: dict[str, Any]) -> float | None:
    passes = record["execution"].get("scoring_passes")
    return None if passes is None else passes / record["cost"]["networks"]


def read(store: Path) -> dict[str, dict[str, Any]]:
    """The records of a store by address."""
    return {path.stem: json.loads(path.read_text()) for path in sorted((store / "records").rglob("*.json"))}


def differing(ours: Path, theirs: Path) -> list[str]:
    """Addresses whose records differ by more than `execution`, or that only one of the stores has."""

    def texts(store: Path) -> dict[str, str]:
        return {
            address: json.dumps({key: part for key, part in record.items() if key != "execution"})
            for address, record in read(store).items()
        }

    mine, other = texts(ours), texts(theirs)
    return sorted(address for address in mine | other if mine.get(address) != other.get(address))


@contextlib.contextmanager
def checked_out(commit: str, folder: Path) -> Iterator[Path]:
    """A work tree of `commit` below `folder`, removed at the end."""
    place = folder / "against"
    subprocess.run(["git", "worktree", "add", "--detach", "--quiet", str(place), commit], cwd=HOME, check=True)
    try:
        yield place
    finally:
        subprocess.run(["git", "worktree", "remove", "--force", str(place)], cwd=HOME, check=True)


def compare(folder: Path, suite: Path, commit: str, pairs: int, data: str | None) -> bool:
    """Run both commits in pairs, print each and the ratios; returns whether the records are equal."""
    found: dict[str, list[Measured]] = {"here": [], commit: []}
    with checked_out(commit, folder) as there:
        homes = {"here": HOME, commit: there}
        for number in range(pairs):
            for name in list(homes) if number % 2 == 0 else list(homes)[::-1]:
                found[name].append(execute(homes[name], suite, folder / f"{name}-{number}", data))
                print(f"{name:>10}: {found[name][-1].line()}", flush=True)
    for what in ("wall", "busy"):
        ours, theirs = ([getattr(one, what) for one in found[name]] for name in ("here", commit))
        each = ", ".join(f"{a / b:.2f}" for a, b in zip(ours, theirs, strict=True))
        ratio = statistics.median(ours) / statistics.median(theirs)
        print(f"{what}: {ratio:.3f} of {commit} (medians; in pairs {each})", flush=True)
    other = folder / f"{commit}-0"
    # by default memorisation may be measured in other epochs there, which is another address: state it as it was
    every = {record["spec"]["memorisation_every"] for record in read(other).values()}
    execute(HOME, suite, folder / "same", data, "--set", f"training.memorisation_every={every.pop()}")
    wrong = differing(folder / "same", other)
    print(f"records that differ by more than their execution: {', '.join(wrong) or 'none'}", flush=True)
    return not wrong


def main() -> None:
    """Run it; exit status 1 where records differ."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--against", metavar="COMMIT", help="run the same suite with this commit too, in pairs")
    parser.add_argument("--pairs", type=int, default=2, help="how often (default: 2, in the order A B B A)")
    parser.add_argument("--data", metavar="DIR", help="where CIFAR-10 lies (default: $NOISY_BENCH_DATA)")
    chosen = parser.parse_args()
    print(f"load before: {', '.join(f'{load:.2f}' for load in os.getloadavg())}", flush=True)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        suite = folder / "short.toml"
        suite.write_text(SUITE)
        data = chosen.data and str(Path(chosen.data).resolve())
        if chosen.against:
            equal = compare(folder, suite, chosen.against, max(chosen.pairs, 1), data)
        else:
            equal = True
            for number in range(max(chosen.pairs, 1)):
                print(execute(HOME, suite, folder / f"here-{number}", data).line(), flush=True)
    print(f"load after: {', '.join(f'{load:.2f}' for load in os.getloadavg())}", flush=True)
    sys.exit(0 if equal else 1)


if __name__ == "__main__":
    main()
