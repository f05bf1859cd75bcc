"""Kill a suite of short runs again and again, and see that nothing is lost, done twice, different or left over.

    python tools/soak.py                           # 24 runs, 8 kills: some minutes on four cores
    python tools/soak.py --runs 300 --kills 100    # what a release is held to

    python tools/soak.py --kinds terms --kills 50  # SIGTERM alone, as job systems send it

The runs are executed once undisturbed, then with kill -9 at random times: of a worker, of the command alone, or of the
command with all its processes; and with SIGTERM, to the command alone or to all, after which nothing may be left at
once. What was killed is started again. Exit status 1 where anything is amiss.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import random
import re
import secrets
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

HOME = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(HOME))

from results.record import dumps, result  # noqa: E402
from results.store import Store  # noqa: E402

SHARED_MEMORY = Path("/dev/shm")
MARK = "NLB_SOAK"
METHODS = ("cross_entropy", "elr")
KILLS, TERMS = ("a worker", "the command", "all"), ("the command by SIGTERM", "all by SIGTERM")
KINDS = {"kills": KILLS, "terms": TERMS, "both": KILLS + TERMS}
A_DAY = 24 * 60 * 60
YOUNG_SECONDS = 11.0  # what is younger, a command leaves to the next one
SUITE = """
title = "Soak"
purpose = "compare"
seeds = {seeds}
data = {{ name = "digits" }}
noise = [{{ model = "symmetric", rate = 0.5 }}]
methods = {{ {methods} }}

[training]
network = "digits_cnn"
epochs = {epochs}
batch_size = 64
optimizer = {{ lr = 0.05 }}
precision = "fp32"
"""
DONE = re.compile(r"^\[ *\d+/\d+\] (.+): test accuracy", re.MULTILINE)


@dataclass
class Soak:
    """One soak: its folder, and what became of it. pids: of all commands started."""

    folder: Path
    jobs: int
    chance: random.Random
    mark: str = field(default_factory=lambda: secrets.token_hex(8))
    pids: list[int] = field(default_factory=list)
    kinds: tuple[str, ...] = KILLS + TERMS
    kills: Counter[str] = field(default_factory=Counter)
    unclean: list[str] = field(default_factory=list)  # what commands left that were stopped by SIGTERM
    usual: set[Path] = field(default_factory=set)  # temporary files that undisturbed runs leave: torch's own caches

    def start(self, store: str, log: Path) -> subprocess.Popen[bytes]:
        """The command in a session of its own, with a folder of temporary files of its own."""
        (self.folder / "tmp").mkdir(exist_ok=True)
        given = {"OMP_NUM_THREADS": "1", "TMPDIR": str(self.folder / "tmp"), MARK: self.mark}
        options = ("--out", store, "--jobs", str(self.jobs), "--checkpoint-seconds", "0", "--device", "cpu")
        with log.open("ab") as stream:
            started = subprocess.Popen(
                [sys.executable, str(HOME / "run_benchmark.py"), "run", "soak.toml", *options],
                cwd=self.folder, env=os.environ | given, stdout=stream, stderr=stream, start_new_session=True,
            )  # fmt: skip
        self.pids.append(started.pid)
        return started

    def processes(self) -> list[int]:
        """All processes of the commands that are alive, known by their environment."""
        found, mark = [], f"{MARK}={self.mark}".encode()
        for process in Path("/proc").glob("[0-9]*"):
            with contextlib.suppress(OSError):
                if mark in (process / "environ").read_bytes().split(b"\0"):
                    found.append(int(process.name))
        return found

    def kill(self, command: subprocess.Popen[bytes]) -> None:
        """kill -9 of a worker, the command alone, or all; then wait until what it orphaned has ended. Or SIGTERM."""
        kind = self.chance.choice(self.kinds)
        workers = [pid for pid in self.processes() if pid != command.pid]
        with contextlib.suppress(ProcessLookupError):
            if kind in TERMS:
                (os.killpg if "all" in kind else os.kill)(command.pid, signal.SIGTERM)
            elif kind == "a worker" and workers:
                os.kill(self.chance.choice(workers), signal.SIGKILL)
            elif kind == "all":
                os.killpg(command.pid, signal.SIGKILL)
            else:
                command.kill()
        self.kills[kind] += 1
        if kind != "a worker":
            command.wait()
            end = time.monotonic() + 60
            while self.processes() and time.monotonic() < end:
                time.sleep(0.1)

    def check_stopped(
        self, command: subprocess.Popen[bytes], store: Path, said: str, before: Mapping[Path, bytes]
    ) -> None:
        """Take note of what a command left that SIGTERM stopped, and of what it said at its end.

        Before it listens, SIGTERM ends it as it does any program. before: the leases of those that kill -9 had ended
        when it started: it takes them over one by one, and may not have come to them.
        """
        status, lines = command.returncode, said.splitlines()
        if status == 143 and sum("SIGTERM" in line for line in lines) != 1:
            self.unclean.append(f"it did not say so in one line: {lines[-3:]}")
        if status not in (0, 143, -signal.SIGTERM):
            self.unclean.append(f"exit status {status} after SIGTERM: {lines[-3:]}")
        left = [path for path, held in leases(store).items() if held != before.get(path)]
        left += [*SHARED_MEMORY.glob(f"sem.loky-{command.pid}-*")]
        left += [path for path in (self.folder / "tmp").iterdir() if path.name.startswith(("nlb-", "pymp-"))]
        self.unclean += [f"{path} after SIGTERM" for path in left]
        self.unclean += [f"{line} after SIGTERM" for line in lines if "Traceback" in line or "leaked" in line]


def leases(store: Path) -> dict[Path, bytes]:
    """The leases of a store, with who holds each."""
    return {path: path.read_bytes() for path in (store / "leases").glob("*")}


def disturbed(soak: Soak, kills: int, longest: float) -> Iterator[str]:
    """Execute the suite in as many stores as `kills` kills take, each until all its runs are done; yields the stores.

    longest: seconds between two kills.
    """
    number = 0
    while sum(soak.kills.values()) < kills:
        number += 1
        store, status = f"wild-{number}", None
        while status is None:
            log = soak.folder / f"{store}.log"
            said = log.stat().st_size if log.exists() else 0
            held, before = leases(soak.folder / store), soak.kills.copy()
            command = soak.start(store, log)
            while (status := command.poll()) is None and sum(soak.kills.values()) < kills:
                with contextlib.suppress(subprocess.TimeoutExpired):
                    command.wait(soak.chance.uniform(0, longest))
                if command.poll() is None:
                    soak.kill(command)
            status = command.wait()
            killed = soak.kills - before
            if killed and not killed.keys() - set(TERMS):
                soak.check_stopped(command, soak.folder / store, log.read_bytes()[said:].decode(errors="replace"), held)
            if status < 0 or status == 143:
                status = None  # killed: once more
            elif status:  # a run whose worker was killed three times counts as failed; it is asked for again
                for failure in (soak.folder / store / "failed").glob("*.txt"):
                    failure.unlink()
                status = None
        yield store


def kept(store: Path) -> dict[str, tuple[str, bytes]]:
    """Address -> the record's text without `execution`, and its arrays."""
    known = Store(store)
    return {
        address: (dumps(result(known.load(address))), known.arrays_path(address).read_bytes())
        for address in known.addresses()
    }


def left_over(soak: Soak, store: Path) -> list[str]:
    """What is left once all is done, a day later, and the command has been started once more."""
    for path in store.rglob(".*.tmp"):
        os.utime(path, (time.time() - A_DAY - 60,) * 2)
    time.sleep(YOUNG_SECONDS)
    command = soak.start(store.name, soak.folder / "last.log")
    if command.wait():
        return [f"the last start ended with status {command.returncode}"]
    named = re.compile(rf"(sem\.loky-|torch_)({'|'.join(map(str, soak.pids))})[-_]")
    found = [path for path in SHARED_MEMORY.iterdir() if named.match(path.name)] if SHARED_MEMORY.is_dir() else []
    found += [*({*(soak.folder / "tmp").iterdir()} - soak.usual), *store.rglob(".*.tmp")]
    found += [path for part in ("leases", "checkpoints") for path in (store / part).glob("*")]
    return [*map(str, found), *(f"process {pid}" for pid in soak.processes())]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=24, help="runs of the suite, an even number")
    parser.add_argument("--kills", type=int, default=8)
    parser.add_argument("--jobs", type=int, default=4, help="workers")
    parser.add_argument("--epochs", type=int, default=4, help="length of a run")
    parser.add_argument("--longest", type=float, default=20.0, help="seconds between two kills, at most")
    parser.add_argument("--kinds", choices=KINDS, default="both", help="kill -9, SIGTERM, or both")
    parser.add_argument("--seed", type=int, default=0, help="of the random times")
    parser.add_argument("--folder", type=Path, help="where to work (default: a temporary one, removed if well)")
    given = parser.parse_args()
    folder = (given.folder or Path(tempfile.mkdtemp(prefix="soak-"))).absolute()
    folder.mkdir(parents=True, exist_ok=True)
    rows = ", ".join(f"{name} = {{}}" for name in METHODS)
    seeds = max(1, given.runs // len(METHODS))
    (folder / "soak.toml").write_text(SUITE.format(seeds=seeds, methods=rows, epochs=given.epochs), encoding="utf-8")
    soak = Soak(folder, given.jobs, random.Random(given.seed), kinds=KINDS[given.kinds])
    begun = time.monotonic()
    if soak.start("calm", folder / "calm.log").wait():
        print(f"the undisturbed runs failed: see {folder / 'calm.log'}")
        return 1
    expected = kept(folder / "calm")
    soak.usual = {path for path in (folder / "tmp").iterdir() if not path.name.startswith(("nlb-", "pymp-"))}
    print(f"{len(expected)} runs undisturbed: {time.monotonic() - begun:.0f} s", flush=True)
    faults: Counter[str] = Counter()
    for store in disturbed(soak, given.kills, given.longest):
        found = kept(folder / store)
        done = Counter(DONE.findall((folder / f"{store}.log").read_text(encoding="utf-8", errors="replace")))
        left = left_over(soak, folder / store) + soak.unclean
        soak.unclean.clear()
        here = {
            "lost": len(expected.keys() - found.keys()),
            "twice": sum(count > 1 for count in done.values()) + len(found.keys() - expected.keys()),
            "different": sum(expected[address] != value for address, value in found.items() if address in expected),
            "left over": len(left),
        }
        faults.update(here)
        told = ", ".join(f"{number} {what}" for what, number in here.items())
        kills = ", ".join(f"{number} of {what}" for what, number in soak.kills.items())
        print(f"{store}: {told}; {sum(soak.kills.values())} kills so far ({kills})", flush=True)
        for line in left:
            print(f"  left over: {line}", flush=True)
    well = not sum(faults.values())
    if well and given.folder is None:
        shutil.rmtree(folder)
    print("all is well" if well else f"at fault: see {folder}")
    return 0 if well else 1


if __name__ == "__main__":
    sys.exit(main())
