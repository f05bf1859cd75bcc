"""The command gives the same records wherever and however it is started: what a warm, tidy test process hides.

Every case is a new process of the real command, with workers of its own, and must say nothing on the standard error.
"""

from __future__ import annotations

import ctypes
import os
import resource
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from command_line import ENVIRONMENT, HOME, Command, results, write_suite

from bench.sweep import scheduler
from bench.training.environment import Environment

CAP_DAC_OVERRIDE, PR_CAPBSET_DROP = 1, 24


@dataclass(frozen=True)
class Surroundings:
    """How a command is started. removed: variables it does not get; None: all but PATH. prepare: done before it."""

    given: dict[str, str] = field(default_factory=dict)
    removed: tuple[str, ...] | None = ()
    folder: str = "here"
    flags: tuple[str, ...] = ()
    prepare: Callable[[], object] | None = None


def _permissions_bind() -> None:
    if os.geteuid() == 0:
        ctypes.CDLL(None).prctl(PR_CAPBSET_DROP, CAP_DAC_OVERRIDE, 0, 0, 0)


def _few_files() -> None:
    resource.setrlimit(resource.RLIMIT_NOFILE, (64, 64))


C_LOCALE = {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}
CASES = {
    "the C locale": Surroundings(C_LOCALE, removed=("LANG",)),
    "an ASCII terminal": Surroundings({"PYTHONIOENCODING": "ascii", "TERM": "dumb", "COLUMNS": "20"}),
    "nothing but PATH": Surroundings(removed=None),
    "more threads than a run takes": Surroundings({"OMP_NUM_THREADS": "4", "MKL_NUM_THREADS": "4"}),
    "threads not named": Surroundings(removed=("OMP_NUM_THREADS",)),
    "without assertions and docstrings": Surroundings({"PYTHONOPTIMIZE": "2"}),
    "other hashes": Surroundings({"PYTHONHASHSEED": "7"}),
    "a temporary folder that is not there": Surroundings({"TMPDIR": "/nowhere"}),
    "no home": Surroundings({"HOME": "/nowhere"}, removed=("USER", "LOGNAME", "XDG_CACHE_HOME")),
    "a folder that cannot be written": Surroundings(folder="locked", prepare=_permissions_bind),
    "only the interpreter's own path": Surroundings(removed=("PYTHONPATH",), flags=("-I",)),
    "warnings as errors": Surroundings({"PYTHONWARNINGS": "error"}),
    "another way of starting processes": Surroundings({"JOBLIB_START_METHOD": "fork", "LOKY_MAX_CPU_COUNT": "1"}),
    "no standard input": Surroundings(prepare=lambda: os.close(0)),
    "a session of its own": Surroundings(prepare=os.setsid),
    "few open files": Surroundings(prepare=_few_files),
    "files for their owner alone": Surroundings(prepare=lambda: os.umask(0o077)),
}


@pytest.fixture(scope="module")
def suite(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The suite's file, in a folder of its own."""
    folder = tmp_path_factory.mktemp("suite")
    return write_suite(folder / "s.toml", epochs=2, methods=("cross_entropy", "co_teaching"))


def executed(suite: Path, folder: Path, surroundings: Surroundings) -> dict[str, str]:
    """The records, without `execution`, of the suite run in these surroundings."""
    here = folder / surroundings.folder
    here.mkdir(mode=0o555 if surroundings.folder == "locked" else 0o755)
    removed = surroundings.removed
    kept = {key: value for key, value in ENVIRONMENT.items() if key == "PATH" or (removed is not None)}
    kept = {key: value for key, value in kept.items() if key not in (removed or ())} | surroundings.given
    options = ("--device", "cpu", "--jobs", "2", "--out", str(folder / "out"))
    ended = subprocess.run(
        [sys.executable, *surroundings.flags, str(HOME / "run_benchmark.py"), "run", str(suite), *options],
        cwd=here, env=kept, preexec_fn=surroundings.prepare,
        check=False, capture_output=True, text=True, timeout=240,
    )  # fmt: skip
    assert ended.returncode == 0, ended
    assert ended.stderr == ""
    assert not list(here.iterdir())
    return results(folder / "out")


@pytest.fixture(scope="module")
def plain(suite: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """The records of the suite in the surroundings of the other tests."""
    found = executed(suite, tmp_path_factory.mktemp("plain"), Surroundings())
    assert len(found) == 2
    return found


@pytest.mark.slow
@pytest.mark.parametrize("name", CASES)
def test_records_do_not_depend_on_the_surroundings(
    name: str, suite: Path, plain: dict[str, str], tmp_path: Path
) -> None:
    assert executed(suite, tmp_path, CASES[name]) == plain


@pytest.mark.parametrize("command_name", ["run", "tune"])
def test_workers_get_paths_that_hold_in_any_folder(
    command_name: str, command: Command, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    seen: list[Environment] = []

    def note(cells: object, places: list[Any], *others: object) -> None:
        seen.extend(place.environment for place in places)

    monkeypatch.setattr(scheduler, "run_local", note)
    (tmp_path / "mine").mkdir()
    write_suite(tmp_path / "s.toml", epochs=1)
    what = ("run", "s.toml") if command_name == "run" else ("tune", "elr", "s.toml", "--trials", 2, "--set",
            "data.validation={source='inside', size=0.1}")  # fmt: skip
    weights = ("--weights", "w.pt") if command_name == "run" else ()
    command(*what, "--data", "mine", "--out", "to", "--device", "cpu", *weights)
    assert seen
    for environment in seen:
        assert environment.store == tmp_path / "to"
        assert environment.data == tmp_path / "mine"
        assert environment.weights in (None, tmp_path / "w.pt")
