"""Several runs at a time in real worker processes: out of memory, faults of the device, what is kept, how many."""

from __future__ import annotations

import contextlib
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import registries
from command_line import HOME, run, write_suite
from small_runs import specification
from test_mps import Machine

from bench import plugins
from bench.planning.spec import Cell
from bench.sweep import mps, packing, scheduler
from bench.sweep.packing import Packing
from bench.sweep.slots import Place
from bench.sweep.worker import Outcome
from bench.training.environment import Environment
from results.store import Store

HEAD = """
import os
from pathlib import Path
import torch
import torch.nn.functional as F
from methods.base import Method
LEASES = Path({leases!r})
LOG = Path({log!r})

def live():
    return len(list(LEASES.glob("*.json")))

def note(text):
    with LOG.open("a") as log:
        log.write(f"{{text}}\\n")

class Planted(Method):
    name = "planted"
    title = "Planted"
    year = 2026
    reference = "a test"

    def loss(self, batch):
        self.fault()
        return F.cross_entropy(self.network(batch.views[0]), batch.labels)

    def fault(self):
"""


def plant(folder: Path, body: str, leases: Path | None = None) -> Path:
    """A plug-in whose method executes `body` before every step."""
    path, log = folder / "planted.py", folder / "log"
    head = HEAD.format(leases=str(leases or folder / "out" / "leases"), log=str(log))
    path.write_text(head + "".join(f"        {line}\n" for line in body.splitlines()))
    return path


def cell(seed: int = 0, method: str = "cross_entropy", *settings: str) -> Cell:
    return Cell(method, method, "symmetric 50%", specification(method, *settings, seed=seed))


def test_a_run_out_of_memory_is_put_back_and_tried_with_fewer_beside_it(tmp_path: Path) -> None:
    plant(tmp_path, "if live() > 2:\n    raise torch.OutOfMemoryError('CUDA out of memory. Planted')")
    write_suite(tmp_path / "s.toml", epochs=3, seeds=4, methods=("planted",))
    status, output = run("run", "s.toml", "--plugin", "planted.py", "--out", "out", "--jobs", 3, cwd=tmp_path)
    assert status == 0, output
    assert "cpu: out of memory: Planted, symmetric 50%, seed" in output
    assert "is put back (it had up to 2 beside it); from now on 2 at a time" in output
    assert "Traceback" not in output
    store = Store(tmp_path / "out")
    assert (len(store.addresses()), store.failures()) == (4, {})


def test_a_run_out_of_memory_with_nothing_beside_it_fails_and_the_others_go_on(tmp_path: Path) -> None:
    plant(tmp_path, "raise torch.OutOfMemoryError('CUDA out of memory. Planted')")
    write_suite(tmp_path / "s.toml", epochs=2, seeds=1, methods=("planted", "cross_entropy"))
    arguments = ("run", "s.toml", "--plugin", "planted.py", "--out", "out")
    status, output = run(*arguments, "--jobs", 2, cwd=tmp_path)
    assert status == 1
    assert "OutOfMemoryError: CUDA out of memory. Planted (with nothing beside it)" in output
    store = Store(tmp_path / "out")
    assert len(store.addresses()) == 1
    [traceback] = store.failures().values()
    assert traceback.startswith("Traceback")
    assert "planted.py" in traceback


def test_a_worker_whose_device_failed_takes_no_other_run(tmp_path: Path) -> None:
    plant(tmp_path, "note(os.getpid())\nraise RuntimeError('CUDA error: device-side assert triggered')")
    write_suite(tmp_path / "s.toml", epochs=2, seeds=2, methods=("planted",))
    status, output = run("run", "s.toml", "--plugin", "planted.py", "--out", "out", "--jobs", 1, cwd=tmp_path)
    assert status == 1
    assert output.count("FAILED: RuntimeError: CUDA error: device-side assert triggered") == 2
    first, second = (tmp_path / "log").read_text().split()
    assert first != second
    assert len(Store(tmp_path / "out").failures()) == 2


@pytest.mark.slow
def test_a_worker_is_kept_though_a_run_left_it_larger(tmp_path: Path) -> None:
    pytest.importorskip("psutil")  # without it loky looks at no process's size
    plant(
        tmp_path,
        """
import time, methods
if not hasattr(self, "grown"):
    self.grown = True
    note(os.getpid())
    methods.kept = [*getattr(methods, "kept", []), b"x" * 350_000_000]
    time.sleep(1.1)  # loky looks once a second
""",
    )
    write_suite(tmp_path / "s.toml", epochs=1, seeds=3, methods=("planted",))
    status, output = run("run", "s.toml", "--plugin", "planted.py", "--out", "out", "--jobs", 1, cwd=tmp_path)
    assert status == 0, output
    pids = (tmp_path / "log").read_text().split()
    assert (len(pids), len(set(pids))) == (3, 1)


Local = Callable[..., tuple[dict[str, Outcome], list[str]]]


@pytest.fixture
def locally(tmp_path: Path) -> Local:
    """Runs cells in real worker processes, fed from this one; returns how each went, and what was said."""

    def call(path: Path, cells: list[Cell], packed: Packing) -> tuple[dict[str, Outcome], list[str]]:
        ended: dict[str, Outcome] = {}
        said: list[str] = []
        environment = Environment(tmp_path / "out", None, plugins=(path,))
        (tmp_path / "out").mkdir()

        def finished(cell: Cell, outcome: Outcome) -> None:
            ended[cell.address] = outcome

        scheduler.run_local(cells, [Place(environment, packed)], finished, said.append)
        return ended, said

    return call


@pytest.fixture
def planted_cells(tmp_path: Path) -> Iterator[Callable[..., list[Cell]]]:
    def make(body: str, count: int, *settings: str) -> list[Cell]:
        plugins.register((plant(tmp_path, body),))
        return [cell(seed, "planted", *settings) for seed in range(count)]

    with registries.as_before():
        yield make


def shared(variables: dict[str, str]) -> Callable[..., contextlib.AbstractContextManager[mps.Service]]:
    """As if runs shared a device by MPS."""
    return lambda places, use, tell: contextlib.nullcontext(mps.Service(tell, active=True, variables=variables))


@pytest.mark.slow
def test_where_a_fault_of_the_device_may_be_anothers_the_run_is_tried_alone(
    tmp_path: Path, locally: Local, planted_cells: Callable[..., list[Cell]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(scheduler, "_service", shared({}))
    body = "if live() > 1:\n    raise RuntimeError('CUDA error: an illegal memory access was encountered')"
    cells = planted_cells(body, 3, "training.epochs=3")
    ended, said = locally(tmp_path / "planted.py", cells, Packing.fixed("cpu", 3))
    assert {outcome.status for outcome in ended.values()} == {"done"}
    assert len(ended) == 3
    assert any("is put back, and tried with nothing beside it" in line for line in said)


def test_variables_reach_the_workers_and_nobody_else(
    tmp_path: Path, locally: Local, planted_cells: Callable[..., list[Cell]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(scheduler, "_service", shared({mps.PIPES: "/somewhere"}))
    [one] = planted_cells(f"note(os.environ.get({mps.PIPES!r}))", 1, "training.epochs=1")
    ended, said = locally(tmp_path / "planted.py", [one], Packing.fixed("cpu", 1))
    assert ended[one.address].status == "done"
    assert set((tmp_path / "log").read_text().split()) == {"/somewhere"}
    assert mps.PIPES not in os.environ
    assert said == []


@pytest.mark.slow
def test_runs_are_added_as_leases_tell_what_one_takes_and_gains(
    tmp_path: Path, locally: Local, planted_cells: Callable[..., list[Cell]], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Real workers on a CPU; what a device would tell of its memory is planted in them."""
    monkeypatch.setattr(packing, "SETTLE_SECONDS", 0.2)
    monkeypatch.setattr(packing, "MEASURE_SECONDS", 1.0)
    body = "import time\ntime.sleep(0.05)\nnote(live())"  # steps that leave the processor to others
    cells = planted_cells(body, 3, "training.epochs=100")
    path = tmp_path / "planted.py"
    told = "{'memory': 2**28, 'memory_used': 2**28 * (1 + live()), 'memory_total': 4 * 2**30}"
    path.write_text(
        path.read_text() + f"\nimport bench.training.pulse\nbench.training.pulse._memory = lambda device: {told}\n"
    )
    packed = Packing("cpu", 2)
    ended, said = locally(path, cells, packed)
    assert [outcome.status for outcome in ended.values()] == ["done"] * 3
    assert packed.settled
    assert len(said) == 1
    assert said[0].startswith(f"cpu: {packed.allowed} run")
    counts = [int(word) for word in (tmp_path / "log").read_text().split()]
    assert (counts[0], max(counts)) == (1, 2)


@pytest.mark.slow
def test_on_a_device_that_lets_nobody_in_mps_is_given_up_and_the_daemon_is_stopped(tmp_path: Path) -> None:
    folder = Path(tempfile.mkdtemp(prefix="mps", dir="/tmp"))
    try:
        machine = Machine(folder)
        machine.install()
        script = (
            "import sys; sys.path[:0] = [sys.argv[2]]\n"
            "from pathlib import Path\n"
            "from small_runs import specification\n"
            "from bench.sweep import scheduler\nfrom bench.training.environment import Environment\n"
            "from bench.sweep.packing import Packing\nfrom bench.sweep.slots import Place\n"
            "from bench.planning.spec import Cell\n"
            "if __name__ == '__main__':\n"
            "    cells = [Cell('elr', 'ELR', 'x', specification('elr', seed=seed)) for seed in range(2)]\n"
            "    place = Place(Environment(Path(sys.argv[1]), None, 'cuda:0'), Packing.fixed('cuda:0', 2))\n"
            "    told = lambda cell, outcome: print(outcome.status, outcome.message, flush=True)\n"
            "    scheduler.run_local(cells, [place], told, lambda line: print(line, flush=True), True)\n"
        )
        environment = {**machine.environment, "CUDA_VISIBLE_DEVICES": "", "PYTHONPATH": str(HOME)}
        arguments = [sys.executable, "-c", script, str(tmp_path / "out"), str(HOME / "tests")]
        ended = subprocess.run(arguments, env=environment, capture_output=True, text=True, timeout=120, check=False)
        assert ended.returncode == 0, ended.stderr
        assert ended.stdout.count("MPS does not work here (") == 1
        assert ended.stdout.count("failed ") == 2
        assert (machine.daemons(), machine.left()) == ([], [])
    finally:
        shutil.rmtree(folder)
