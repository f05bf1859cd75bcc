"""`doctor` finds what is wrong with a machine, says what to do, ends in its time and leaves nothing behind."""

from __future__ import annotations

import ctypes
import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from command_line import ENVIRONMENT, HOME, Ended, _listen_to_control_c, wait_for

from bench.doctor import machine as doctor_machine
from bench.doctor import runs as doctor_runs
from bench.doctor.command import Runs
from bench.doctor.doctor import Budget, Check, Fault, Skipped, Subject, examine
from common import allotment
from common.allotment import Part

CAP_DAC_OVERRIDE, PR_CAPBSET_DROP = 1, 24
ON_THE_DEVICE = ["one run", "the same again", "captured", "kill and resume", "rates", "what to set"]


def _permissions_bind() -> None:
    """Take from what is executed next the superuser's right to write where permission bits forbid it."""
    if os.geteuid() == 0 and ctypes.CDLL(None).prctl(PR_CAPBSET_DROP, CAP_DAC_OVERRIDE, 0, 0, 0):
        os._exit(77)


def doctor(
    folder: Path,
    *arguments: object,
    environment: dict[str, str] | None = None,
    prepare: Callable[[], None] | None = None,
) -> Ended:
    """`doctor --device cpu ARGUMENTS` in a new process, in a folder of its own."""
    ended = subprocess.run(
        [sys.executable, str(HOME / "run_benchmark.py"), "doctor", "--device", "cpu", *map(str, arguments)],
        cwd=folder, env={**ENVIRONMENT, **(environment or {})}, preexec_fn=prepare,
        check=False, capture_output=True, text=True, timeout=1000,
    )  # fmt: skip
    return Ended(ended.returncode, ended.stdout, ended.stderr)


def found(ended: Ended) -> dict[str, str]:
    """Check -> what its line says: "ok: ...", "fault: ..." or "skipped: ..."."""
    lines = [line for line in ended.out.splitlines() if ": " in line]
    return {line[:17].strip(): line[17:].strip() for line in lines}


def planted(folder: Path, code: str) -> dict[str, str]:
    """An environment in which every Python process first executes `code`; WORKER is whether it is one of loky's."""
    folder.mkdir()
    start = "import os, signal, sys, time\nWORKER = any('popen_loky' in word for word in sys.orig_argv)\n"
    (folder / "sitecustomize.py").write_text(start + code, encoding="utf-8")
    return {"PYTHONPATH": f"{folder}{os.pathsep}{HOME}"}


# ---- the whole -------------------------------------------------------------------------------------------------------


@pytest.mark.slow
def test_a_healthy_machine_passes_and_nothing_is_left_behind(tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    ended = doctor(tmp_path, "--budget", 900, "--json", "found.json", "--data", "data")
    said = found(ended)
    assert ended.status == 0, ended
    assert [name for name, line in said.items() if not line.startswith("ok")] == ["captured"]
    assert "equal bit by bit" in said["the same again"]
    assert "equal bit by bit" in said["kill and resume"]
    assert "--jobs" in said["what to set"]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["data", "found.json"]
    assert not list((tmp_path / "data").iterdir())
    told = json.loads((tmp_path / "found.json").read_text())
    assert (told["device"], told["budget_seconds"]) == ("cpu", 900)
    assert {one["check"]: f"{one['status']}: {one['said']}" for one in told["findings"]} == said
    assert all(one["seconds"] >= 0 for one in told["findings"])


def test_what_no_longer_fits_is_skipped_and_said(tmp_path: Path) -> None:
    ended = doctor(tmp_path, "--budget", 1)
    said = found(ended)
    assert ended.status == 0, ended
    assert said["one run"].startswith("skipped: needs about 5 s")
    assert "--budget 1" in said["one run"]
    assert all(said[name].startswith("skipped: ") for name in ON_THE_DEVICE)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (("--budget", 0), "--budget"),
        (("--device", "tpu"), "--device 'tpu' is unknown"),
        (("--json", "."), "is a folder"),
        (("--json", "no/where.json"), "no such folder"),
    ],
)
def test_options_that_cannot_be_used_are_refused(
    refused: Callable[..., str], arguments: tuple[object, ...], expected: str
) -> None:
    assert expected in refused("doctor", *arguments)


# ---- planted faults --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("option", ["--data", "--out"])
def test_a_folder_without_write_permission_is_a_fault(option: str, tmp_path: Path) -> None:
    locked = tmp_path / "locked"
    locked.mkdir(mode=0o555)
    ended = doctor(tmp_path, "--budget", 1, option, locked, prepare=_permissions_bind)
    if ended.status == 77:
        pytest.skip("this superuser may not give up the right to write everywhere")
    assert ended.status == 1, ended
    said = found(ended)["data folder" if option == "--data" else "disks"]
    assert said.startswith(f"fault: cannot write into {locked}: Permission denied")
    assert option in said
    assert not list(locked.iterdir())


def test_a_file_in_the_way_is_a_fault(tmp_path: Path) -> None:
    (tmp_path / "data").write_text("")
    ended = doctor(tmp_path, "--budget", 1, "--data", "data")
    assert ended.status == 1, ended
    assert "is a file, not a folder" in found(ended)["data folder"]


def test_damaged_data_are_a_fault(tmp_path: Path) -> None:
    folder = tmp_path / "data" / "cifar-10-batches-py"
    folder.mkdir(parents=True)
    (folder / "data_batch_1").write_bytes(b"half")
    ended = doctor(tmp_path, "--budget", 1, "--data", "data")
    assert ended.status == 1, ended
    said = found(ended)["data sets"]
    assert "data_batch_1 is truncated" in said
    assert "test_batch is missing" in said
    assert "data fetch cifar10" in said


def test_an_import_that_fails_is_a_fault(tmp_path: Path) -> None:
    (tmp_path / "broken" / "torchvision").mkdir(parents=True)
    (tmp_path / "broken" / "torchvision" / "__init__.py").write_text("raise ImportError('of another torch')")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PYTHONPATH", str(tmp_path / "broken"))
        with pytest.raises(Fault, match=r"cannot be imported: ImportError: of another torch: pip install"):
            doctor_machine.imports(Budget(120))


@pytest.mark.slow
def test_a_worker_that_dies_is_a_fault(tmp_path: Path) -> None:
    environment = planted(tmp_path / "planted", "if WORKER: os.kill(os.getpid(), signal.SIGKILL)\n")
    (tmp_path / "here").mkdir()
    ended = doctor(tmp_path / "here", "--budget", 600, environment=environment)
    assert ended.status == 1, ended
    said = found(ended)
    assert said["one run"].startswith("fault: `run` ended with exit status 1: failed: ")
    assert "worker process was killed" in said["one run"]
    assert all(said[name].startswith("skipped: ") for name in ON_THE_DEVICE[1:])
    assert not list((tmp_path / "here").iterdir())


@pytest.mark.slow
def test_a_worker_that_hangs_ends_with_the_budget(tmp_path: Path) -> None:
    sign = tmp_path / "hanging"
    code = f"if WORKER:\n    open({str(sign)!r}, 'a').write(str(os.getpid()) + '\\n')\n    time.sleep(600)\n"
    (tmp_path / "here").mkdir()
    ended = doctor(tmp_path / "here", "--budget", 60, environment=planted(tmp_path / "planted", code))
    assert ended.status == 0, ended
    assert "had not ended" in found(ended)["one run"]
    assert not list((tmp_path / "here").iterdir())
    [pid] = {int(line) for line in sign.read_text().splitlines()}
    wait_for(lambda: not Path(f"/proc/{pid}").exists(), 10)


@pytest.mark.slow
def test_numbers_that_differ_are_a_fault(tmp_path: Path) -> None:
    code = f"""
if WORKER:
    import hashlib
    count = {str(tmp_path / "count")!r}
    open(count, "a").write("x")
    if os.path.getsize(count) > 1:  # the second run is given other seeds
        kept = hashlib.sha256
        import datasets.randomness
        datasets.randomness.derive_seed = lambda *parts: len(parts)
"""
    (tmp_path / "here").mkdir()
    ended = doctor(tmp_path / "here", "--budget", 600, environment=planted(tmp_path / "planted", code))
    assert ended.status == 1, ended
    assert "must be equal on a CPU" in found(ended)["the same again"]


def test_control_c_leaves_nothing(tmp_path: Path) -> None:
    process = subprocess.Popen(
        [sys.executable, str(HOME / "run_benchmark.py"), "doctor", "--device", "cpu"],
        cwd=tmp_path, env=ENVIRONMENT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        preexec_fn=_listen_to_control_c,  # noqa: PLW1509 (it takes no lock)
    )  # fmt: skip
    wait_for(lambda: list(tmp_path.glob(".doctor-*/first.log")))
    process.send_signal(signal.SIGINT)
    _, said = process.communicate(timeout=60)
    assert process.returncode == 130, said
    assert not list(tmp_path.iterdir())


# ---- parts -----------------------------------------------------------------------------------------------------------


def test_a_budget_gives_shares_and_refuses_what_does_not_fit() -> None:
    now = [0.0]
    budget = Budget(100, lambda: now[0])
    assert budget.share(0.5, 10) == 50
    now[0] = 90
    with pytest.raises(Skipped, match=r"needs about 10 s; 5 s of --budget 100 were left"):
        budget.share(0.5, 10)
    now[0] = 200
    assert budget.left() == 0


def test_a_check_that_fails_ends_none_that_follow() -> None:
    def broken() -> str:
        raise PermissionError(13, "Permission denied", "/there")

    def wrong() -> str:
        raise Fault("mend\nit")

    said = [*examine([Check("a", broken), Check("b", wrong), Check("c", lambda: "well")])]
    assert [(one.status, one.said) for one in said] == [
        ("fault", "/there: Permission denied"), ("fault", "mend it"), ("ok", "well")
    ]  # fmt: skip


def test_packages_that_are_old_or_absent_are_a_fault(monkeypatch: pytest.MonkeyPatch) -> None:
    assert doctor_machine.versions().startswith("Python ")
    kept = doctor_machine.version
    monkeypatch.setattr(doctor_machine, "version", lambda name: "2.5.1+cu124" if name == "torch" else kept(name))
    with pytest.raises(Fault, match=r"torch 2.5.1\+cu124 \(2.6 is needed\): pip install -c constraints.txt"):
        doctor_machine.versions()
    monkeypatch.setattr(doctor_machine, "version", lambda name: "2.11.0+cu130" if name == "torch" else kept(name))
    assert "torch 2.11.0+cu130 (tested: 2.13.0)" in doctor_machine.versions()


class Usage(NamedTuple):
    """What `shutil.disk_usage` returns."""

    total: int
    used: int
    free: int


def test_a_full_disk_and_little_shared_memory_are_a_fault(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    subject = Subject("cpu", tmp_path / "out", tmp_path)
    monkeypatch.setattr(doctor_machine.shutil, "disk_usage", lambda path: Usage(10 * 2**30, 0, 2**20))
    with pytest.raises(Fault, match=r"0\.00 GiB free"):
        doctor_machine.disks(subject)
    with pytest.raises(Fault, match="at least 16 MiB are needed"):
        doctor_machine.shared_memory(subject)
    monkeypatch.setattr(doctor_machine.shutil, "disk_usage", lambda path: Usage(2**26, 0, 2**26))
    assert "image files" not in doctor_machine.shared_memory(subject)
    assert "image files" in doctor_machine.shared_memory(Subject("cuda", tmp_path, tmp_path))
    monkeypatch.setattr(doctor_machine, "SHARED_MEMORY", tmp_path / "absent")
    with pytest.raises(Fault, match="mount a tmpfs"):
        doctor_machine.shared_memory(subject)


def record(*accuracy: float) -> dict[str, Any]:
    return {"curves": {"test_accuracy": list(accuracy)}, "execution": {}}


def test_a_device_may_round_otherwise_but_not_learn_otherwise(tmp_path: Path) -> None:
    runs = Runs("cuda", tmp_path, Budget(1))
    assert doctor_runs._compared(runs, record(0.1, 0.8), record(0.1, 0.8)) == "equal bit by bit"
    assert "not bit by bit" in doctor_runs._compared(runs, record(0.1, 0.8), record(0.3, 0.81))
    with pytest.raises(Fault, match="pytest -m cuda"):
        doctor_runs._compared(runs, record(0.1, 0.8), record(0.1, 0.7))


@pytest.mark.parametrize(
    ("device", "rates", "expected"),
    [
        ("cpu", {"1 run": 100, "2 runs": 190}, "(the default)"),
        ("cpu", {"1 run": 100, "2 runs": 101}, "--jobs 1"),
        ("cuda", {"1 run": 100, "3 runs under MPS": 250, "3 runs without MPS": 150}, "--runs-per-device auto"),
        ("cuda", {"1 run": 100, "3 runs under MPS": 150, "3 runs without MPS": 250}, "--mps off"),
        ("cuda", {"1 run": 100, "3 runs without MPS": 105}, "--runs-per-device 1"),
    ],
)
def test_advice_follows_the_rates(device: str, rates: dict[str, float], expected: str, tmp_path: Path) -> None:
    with pytest.MonkeyPatch.context() as patch:
        served = any("under" in name for name in rates)
        patch.setattr(doctor_runs.shutil, "which", lambda name: "/usr/bin/mps" if served else None)
        said = doctor_runs.advice(Runs(device, tmp_path, Budget(1), rates=rates))
    assert expected in said
    assert ("is not installed" in said) == (device == "cuda" and not served)


def test_rates_that_are_not_known_give_no_advice(tmp_path: Path) -> None:
    with pytest.raises(Skipped):
        doctor_runs.advice(Runs("cpu", tmp_path, Budget(1)))


def test_the_doctor_trains_nothing_in_its_own_process() -> None:
    """Not even torch is imported, unless device files are there."""
    code = "import sys; from bench.commands import doctor; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], cwd=HOME, check=False, env=ENVIRONMENT).returncode == 0


def test_what_the_process_was_given_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "cpu_count", lambda: 64)
    monkeypatch.setattr(allotment, "processors", lambda: Part(2, "SLURM_CPUS_PER_TASK"))
    monkeypatch.setattr(allotment, "memory", lambda: Part(3 * 2**30, "the control group's limit"))
    monkeypatch.setattr(doctor_machine, "_memory", lambda: 90 * 2**30)
    said = doctor_machine.processor()
    assert "2 processors of 64 by SLURM_CPUS_PER_TASK, load" in said
    assert "90.0 GiB of memory free, 3.0 GiB by the control group's limit" in said
    monkeypatch.setattr(allotment, "memory", lambda: Part(2**30, "the control group's limit"))
    with pytest.raises(Fault, match="a run takes about 1 GiB"):
        doctor_machine.processor()
