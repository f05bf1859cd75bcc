"""What a job asks for: the file is checked, its scripts are whole, and what is odd is refused in one line."""

from __future__ import annotations

import os
import shlex
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
from command_line import Command

from bench.machine import accelerator

FILE = 'jobs = 2\nruns = 3\nmemory = "4GB"\ntime = "00:10:00"\npartition = "cpu"\nsetup = ["module load python"]\n'
OPTIMISER = """
from bench.recipe.optimizers import OptimizerKind

OPTIMIZERS = [OptimizerKind("{name}", "Test", "bench.recipe.settings:Sgd", print)]
"""
FAULTS = {
    "no jobs": ('memory = "2GB"', "key 'jobs' is missing"),
    "jobs": ('jobs = 0\nmemory = "2GB"', "key 'jobs'"),
    "memory": ('jobs = 1\nmemory = "much"', "key 'memory': must be a number of MB or GB"),
    "time": ('jobs = 1\nmemory = "2GB"\ntime = "8 h"', "key 'time': must be hours, minutes and seconds"),
    "no time": ('jobs = 1\nmemory = "2GB"\ntime = "00:00:00"', "key 'time': must be hours, minutes and seconds"),
    "unknown key": ('jobs = 1\nmemory = "2GB"\npartitoin = "cpu"', "did you mean 'partition'"),
    "two lines": ('jobs = 1\nmemory = "2GB"\nsetup = ["a\\nb"]', "must be one line of text"),
    "no TOML": ("jobs == 1", "not TOML"),
    "digits": (f"jobs = {'9' * 5000}", "a number in it has too many digits"),
    "nested": (f"setup = {'[' * 5000}", "nested too deeply"),
}


@pytest.mark.parametrize("case", FAULTS)
def test_a_file_that_is_none_is_refused(case: str, refused: Callable[..., str], tmp_path: Path) -> None:
    text, told = FAULTS[case]
    (tmp_path / "jobs.toml").write_text(text)
    for command in (
        ("run", "quick", "--cluster", "slurm:jobs.toml"),
        ("slurm-script", "quick", "--jobs-file", "jobs.toml"),
    ):
        line = refused(*command)
        assert "jobs.toml" in line and told in line


def test_a_file_that_is_not_there_is_named_as_it_was_given(refused: Callable[..., str]) -> None:
    assert "--jobs-file none.toml: No such file" in refused("slurm-script", "quick", "--jobs-file", "none.toml")


@pytest.mark.parametrize(
    ("named", "told"),
    [
        ("slrum:jobs.toml", "did you mean 'slurm'"),
        ("slurm:", "name a file"),
        ("slurm:none.toml", "No such file"),
        ("http://127.0.0.1:1", "http://127.0.0.1:1"),
    ],
)
def test_what_names_no_cluster_is_refused(named: str, told: str, refused: Callable[..., str]) -> None:
    assert told in refused("run", "quick", "--cluster", named)


def test_workers_in_jobs_need_a_time_limit(refused: Callable[..., str], tmp_path: Path) -> None:
    (tmp_path / "jobs.toml").write_text('jobs = 1\nmemory = "2GB"\n')
    assert "jobs.toml: key 'time' is missing" in refused("run", "quick", "--cluster", "slurm:jobs.toml")


def test_gres_is_slurms(refused: Callable[..., str], tmp_path: Path) -> None:
    (tmp_path / "jobs.toml").write_text('jobs = 1\nmemory = "2GB"\ntime = "01:00:00"\ngres = "gpu:1"\n')
    assert "key 'gres' is SLURM's" in refused("run", "quick", "--cluster", "pbs:jobs.toml")


def test_a_dry_run_shows_the_jobs_script(command: Command, tmp_path: Path) -> None:
    pytest.importorskip("dask_jobqueue", reason="the extra [jobqueue] is not installed")
    (tmp_path / "jobs.toml").write_text(FILE)
    ended = command("run", "quick", "--methods", "elr", "--cluster", "slurm:jobs.toml", "--dry-run")
    assert ended.status == 0, ended.err
    for line in ("#SBATCH -p cpu", "#SBATCH --cpus-per-task=3", "#SBATCH --mem=4G", "#SBATCH -t 00:10:00"):
        assert f"\n{line}\n" in ended.out
    assert "module load python" in ended.out and "tls://" in ended.out and not (tmp_path / "output").exists()


def test_the_arrays_script_is_a_script(command: Command, tmp_path: Path) -> None:
    (tmp_path / "jobs.toml").write_text(FILE)
    given = ("--seeds", "0-1", "--setting", "symmetric 50%", "--set", "training.epochs=1")
    ended = command("slurm-script", "quick", "--jobs-file", "jobs.toml", *given)
    assert ended.status == 0, ended.err
    for line in ("--array=1-2", "--cpus-per-task=3", "--mem=4G", "--time=00:10:00", "--requeue", "--open-mode=append"):
        assert f"#SBATCH {line}\n" in ended.out
    assert "--no-wait" in ended.out and "--seeds 0-1" in ended.out and "--set training.epochs=1" in ended.out
    assert "--setting 'symmetric 50%'" in ended.out
    assert subprocess.run(["bash", "-n"], input=ended.out, text=True, check=False).returncode == 0


def test_without_a_time_the_price_decides_and_without_one_it_is_asked_for(command: Command, tmp_path: Path) -> None:
    (tmp_path / "jobs.toml").write_text('jobs = 1\nmemory = "2GB"\n')
    some = ("quick", "--methods", "elr", "--epochs", 1, "--seeds", "1")
    unknown = command("slurm-script", *some, "--jobs-file", "jobs.toml")
    one = command("slurm-script", *some, "--setting", "asymmetric 40%", "--jobs-file", "jobs.toml")
    assert one.status == 2 and "1 of 1 runs have no price" in one.err
    assert unknown.status == 2 and "2 of 2 runs have no price" in unknown.err
    assert command("run", *some, "-j1").status == 0
    known = command(
        "slurm-script", "quick", "--methods", "elr", "--epochs", 1, "--seeds", "2", "--jobs-file", "jobs.toml"
    )
    assert known.status == 0 and "#SBATCH --time=00:10:00\n" in known.out, "ten minutes at least"


def test_a_script_for_an_accelerator_is_written_where_there_is_none(
    command: Command, refused: Callable[..., str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(accelerator, "count", lambda: 0)
    (tmp_path / "jobs.toml").write_text('jobs = 1\nmemory = "2GB"\n')
    arguments = ("slurm-script", "quick", "--jobs-file", "jobs.toml", "--device")
    assert "no CUDA device is here to tell it by: state it" in refused(*arguments, "cuda")
    (tmp_path / "jobs.toml").write_text(FILE)
    assert "--device 'cuda:x' is unknown" in refused(*arguments, "cuda:x")
    for device in ("cuda", "cuda:1"):
        ended = command(*arguments, device)
        assert ended.status == 0 and f"--device {device} " in ended.out, ended


def test_a_plug_in_stands_in_the_script_as_it_was_given(command: Command, tmp_path: Path) -> None:
    (tmp_path / "jobs.toml").write_text(FILE)
    given = ("--plugin", "bench_plugin_of_a_test", "--plugin", "other.py")
    for name in ("bench_plugin_of_a_test", "other"):
        (tmp_path / f"{name}.py").write_text(OPTIMISER.format(name=name))
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(tmp_path))
        ended = command("slurm-script", "quick", "--jobs-file", "jobs.toml", *given)
    assert ended.status == 0, ended
    assert f" {shlex.join(given)} &\n" in ended.out and f"\ncd {tmp_path}\n" in ended.out


def test_names_with_blanks_are_one_word(command: Command, tmp_path: Path) -> None:
    (tmp_path / "jobs.toml").write_text(FILE.replace('"cpu"', '"two words"'))
    ended = command("slurm-script", "quick", "--jobs-file", "jobs.toml", "--out", "my output")
    assert ended.status == 0, ended
    assert f"\n#SBATCH --output='{tmp_path}/my output/jobs/%A_%a.log'\n" in ended.out
    assert "\n#SBATCH --partition='two words'\n" in ended.out


@pytest.mark.parametrize("more", [(), ("--dry-run",)])
def test_workers_in_jobs_take_no_folder_with_a_blank(command: Command, tmp_path: Path, more: tuple[str, ...]) -> None:
    pytest.importorskip("dask_jobqueue", reason="the extra [jobqueue] is not installed")
    (tmp_path / "jobs.toml").write_text(FILE)
    ended = command("run", "quick", "--cluster", "slurm:jobs.toml", "--out", "my output", "--cluster-wait", 1, *more)
    assert ended.status == 2 and "my output: has a blank in its name" in ended.err, ended
    assert not (tmp_path / "my output").exists()


@pytest.mark.parametrize(
    ("said", "exported"), [("", ""), ("N/A", ""), ("1970-01-02T00:00:00", "86400"), ("exit 1", "")]
)
def test_the_end_of_a_job_is_what_slurm_says_or_nothing(
    command: Command, tmp_path: Path, said: str, exported: str
) -> None:
    (tmp_path / "jobs.toml").write_text(FILE)
    script = command("slurm-script", "quick", "--jobs-file", "jobs.toml").out.splitlines()
    [number] = [number for number, line in enumerate(script) if line.startswith("export SLURM_JOB_END_TIME")]
    slurm = f"squeue() {{ {said if said.startswith('exit') else f'echo {said}'}; }}"
    lines = [slurm, *script[number - 1 : number + 1], 'echo "[$SLURM_JOB_END_TIME]"']
    given = {"PATH": os.environ["PATH"], "TZ": "UTC", "SLURM_JOB_ID": "7"}
    ended = subprocess.run(["bash"], input="\n".join(lines), env=given, text=True, check=True, capture_output=True)
    assert ended.stdout == f"[{exported}]\n"


def test_nothing_of_another_is_overwritten(command: Command, refused: Callable[..., str], tmp_path: Path) -> None:
    (tmp_path / "jobs.toml").write_text(FILE)
    mine = tmp_path / "mine.sh"
    mine.write_text("echo mine\n")
    arguments = ("slurm-script", "quick", "--jobs-file", "jobs.toml", "--to", "mine.sh")
    assert "--force replaces it" in refused(*arguments)
    assert mine.read_text() == "echo mine\n"
    assert command(*arguments, "--force").status == 0 and "#SBATCH" in mine.read_text()
    for _ in range(2):  # one of its own it replaces
        assert command("slurm-script", "quick", "--jobs-file", "jobs.toml", "--to", "ours.sh").status == 0
    assert "#SBATCH --job-name=nlb-quick" in (tmp_path / "ours.sh").read_text()
