"""MPS: a daemon of our own is started, stopped, and cleared up after a kill. A stand-in plays NVIDIA's program."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from command_line import HOME

from bench.machine.processes import process_start
from bench.sweep import mps

HOLD = """
import sys, time
from bench.sweep import mps

with mps.serving(sys.argv[1] == "wanted", lambda line: print(line, flush=True)) as service:
    print("variables", sorted(service.variables.items()), flush=True)
    print("active", service.active, flush=True)
    time.sleep(float(sys.argv[2]))
"""


class Machine:
    """A machine of its own as far as MPS goes: a PATH, a folder of temporary files, a default folder of pipes."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.planted = folder, ""
        for name in ("bin", "tmp", "pipes"):
            (folder / name).mkdir()

    @property
    def environment(self) -> dict[str, str]:
        kept = {name: value for name, value in os.environ.items() if name not in ("XDG_RUNTIME_DIR", mps.LOGS)}
        path = f"{self.folder / 'bin'}{os.pathsep}{os.environ['PATH']}"
        return {
            **kept, "PATH": path, "TMPDIR": str(self.folder / "tmp"), mps.PIPES: str(self.folder / "pipes"),
            "PYTHONPATH": str(HOME), "PLANTED": self.planted, "CUDA_VISIBLE_DEVICES": "1",
        }  # fmt: skip

    def install(self) -> Path:
        program = self.folder / "bin" / mps.PROGRAM
        shutil.copy(HOME / "tests" / "mps_stand_in.py", program)
        program.chmod(0o755)
        return program

    def start(self, seconds: float = 0, wanted: str = "wanted") -> subprocess.Popen[str]:
        """A command in a fresh process that has MPS for so long."""
        return subprocess.Popen(
            [sys.executable, "-c", HOLD, wanted, str(seconds)], env=self.environment, text=True,
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
            preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),  # noqa: PLW1509
        )  # fmt: skip

    def run(self, wanted: str = "wanted") -> str:
        process = self.start(wanted=wanted)
        output, _ = process.communicate(timeout=60)
        assert process.returncode == 0, output
        return output

    def daemons(self) -> list[int]:
        found = []
        for process in Path("/proc").glob("[0-9]*"):
            try:
                words = (process / "cmdline").read_bytes().split(b"\0")
            except OSError:
                continue
            if os.fsencode(self.folder / "bin" / mps.PROGRAM) in words:
                found.append(int(process.name))
        return found

    def left(self) -> list[Path]:
        return sorted((self.folder / "tmp").iterdir())


@pytest.fixture
def machine() -> Iterator[Machine]:
    folder = Path(tempfile.mkdtemp(prefix="mps", dir="/tmp"))  # the path of a socket must be short
    made = Machine(folder)
    try:
        yield made
    finally:
        for daemon in made.daemons():
            os.kill(daemon, signal.SIGKILL)
        shutil.rmtree(folder)


def until_up(process: subprocess.Popen[str]) -> str:
    assert process.stdout is not None
    lines = [process.stdout.readline(), process.stdout.readline()]
    assert lines[1] == "active True\n", lines
    return lines[0]


def test_a_daemon_of_our_own_is_started_and_stopped(machine: Machine) -> None:
    machine.install()
    process = machine.start(seconds=1)
    said = until_up(process)
    [folder] = [each for base in machine.left() for each in base.iterdir()]
    assert f"('{mps.PIPES}', '{folder / 'pipe'}')" in said
    assert f"('{mps.LOGS}', '{folder / 'log'}')" in said
    [daemon] = machine.daemons()
    assert b"CUDA_VISIBLE_DEVICES" not in Path(f"/proc/{daemon}/environ").read_bytes()
    assert folder.parent.stat().st_mode & 0o777 == 0o700
    assert process.wait(60) == 0
    assert (machine.daemons(), machine.left()) == ([], [])


def test_control_c_stops_it_too(machine: Machine) -> None:
    machine.install()
    process = machine.start(seconds=60)
    until_up(process)
    process.send_signal(signal.SIGINT)
    process.communicate(timeout=60)
    assert (machine.daemons(), machine.left()) == ([], [])


@pytest.mark.parametrize("next_command", ["wanted", "not wanted"])
def test_the_next_start_stops_what_a_killed_command_left(machine: Machine, next_command: str) -> None:
    machine.install()
    process = machine.start(seconds=60)
    until_up(process)
    [orphan] = machine.daemons()
    process.kill()
    process.communicate()
    assert process_start(orphan) is not None  # nobody stopped it
    said = machine.run(next_command)
    assert f"active {next_command == 'wanted'}" in said
    assert process_start(orphan) is None
    assert (machine.daemons(), machine.left()) == ([], [])


def test_two_commands_at_a_time_each_have_their_own(machine: Machine) -> None:
    machine.install()
    first, second = machine.start(seconds=60), machine.start(seconds=60)
    assert until_up(first) != until_up(second)
    assert len(machine.daemons()) == 2
    first.send_signal(signal.SIGINT)
    first.communicate(timeout=60)
    assert len(machine.daemons()) == 1  # that of the command that lives, which the other one left alone
    assert "active True" in machine.run()
    assert len(machine.daemons()) == 1
    second.send_signal(signal.SIGINT)
    second.communicate(timeout=60)
    assert (machine.daemons(), machine.left()) == ([], [])


def test_what_a_container_with_other_processes_left_is_not_touched(machine: Machine) -> None:
    machine.install()
    base = machine.folder / "tmp" / f"noisy-label-bench-mps-{os.getuid()}"
    other = base / "1-2-3"  # process 1 lives, but it is another one in the namespace 3
    (other / "pipe").mkdir(parents=True)
    machine.run()
    assert other.is_dir()
    assert list(base.iterdir()) == [other]


def test_a_daemon_that_is_up_is_used_and_left_alone(machine: Machine) -> None:
    program = machine.install()
    environment = {**machine.environment, mps.LOGS: str(machine.folder)}
    subprocess.run([program, "-d"], env=environment, check=True)
    said = machine.run()
    assert "MPS: the daemon that is up already is used" in said
    assert "variables []" in said
    assert "active True" in said
    assert len(machine.daemons()) == 1
    assert machine.left() == []


@pytest.mark.parametrize(
    ("planted", "reason"),
    [("fail", "MPS was not started (Failed to start: planted)"), ("", f"no {mps.PROGRAM} on PATH, so no MPS")],
)
def test_without_it_a_line_says_what_is_lost(machine: Machine, planted: str, reason: str) -> None:
    machine.planted = planted
    if planted:
        machine.install()
    said = machine.run()
    assert f"{reason}: runs on one device take turns instead of overlapping\n" in said
    assert "variables []\nactive False\n" in said
    assert (machine.daemons(), machine.left()) == ([], [])


def test_not_wanted_it_is_not_started_and_nothing_is_said(machine: Machine) -> None:
    machine.install()
    assert machine.run("not wanted") == "variables []\nactive False\n"
    assert (machine.daemons(), machine.left()) == ([], [])


@pytest.mark.slow
def test_a_daemon_that_does_not_quit_is_ended(machine: Machine) -> None:
    machine.install()
    machine.planted = "deaf"
    said = machine.run()
    assert "active True" in said
    assert (machine.daemons(), machine.left()) == ([], [])


def test_a_folder_whose_sockets_would_have_too_long_a_path_is_not_used(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    long = tmp_path / ("x" * 80)
    long.mkdir()
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(long))
    monkeypatch.setattr(tempfile, "tempdir", str(long))
    assert mps._root() == Path("/tmp")
    monkeypatch.setattr(tempfile, "tempdir", "/var/tmp")
    assert mps._root() == Path("/var/tmp")


def test_a_worker_that_cannot_use_it_gives_it_up_once() -> None:
    said: list[str] = []
    service = mps.Service(said.append, active=True, variables={mps.PIPES: "/x"})
    service.give_up("MPS client failed to connect")
    service.give_up("MPS client failed to connect")
    assert said == [
        "MPS does not work here (MPS client failed to connect): runs on one device take turns instead of overlapping"
    ]
    assert (service.active, service.variables) == (False, {})
