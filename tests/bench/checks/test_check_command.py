"""`check`: what it prints, how it ends, and what it refuses."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import registries
from command_line import Command
from planted_faults import FAULTS, source

from bench.checks.check import CHECKS
from methods import registry as methods


@pytest.fixture(autouse=True)
def _registries_as_before() -> Iterator[None]:
    with registries.as_before():
        yield


def test_every_check_is_printed_with_what_was_seen(command: Command) -> None:
    ended = command("check", "cross_entropy")
    assert ended.status == 0, ended
    lines = ended.out.splitlines()
    assert lines[0] == "cross_entropy"
    assert [line.split()[0] for line in lines[1:-1]] == list(CHECKS)
    assert {line.split()[1] for line in lines[1:-1]} == {"ok", "skipped"}
    assert all(len(line.split()) > 3 for line in lines[1:-1])
    assert lines[-1] == f"{len(CHECKS)} checks, none failed"


def test_a_fault_in_a_file_is_named_and_ends_with_status_1(command: Command, tmp_path: Path) -> None:
    (tmp_path / "mine.py").write_text(source(FAULTS["non-scalar loss"], "my_fault", "+"))
    ended = command("check", "mine.py", "--only", "reach,loss")
    assert ended.status == 1, ended
    assert ended.out.splitlines()[0] == "my_fault"
    assert "  loss" in ended.out and "failed" in ended.out and "must be a scalar" in ended.out
    assert ended.out.splitlines()[-1] == "2 checks, 1 failed"


def test_a_file_of_the_checkout_stands_for_its_methods(command: Command) -> None:
    path = methods.info("bootstrap_soft").path
    ended = command("check", str(path), "--only", "reach")
    assert ended.status == 0, ended
    assert ended.out.splitlines()[::2][:2] == ["bootstrap_hard", "bootstrap_soft"]


def test_what_cannot_be_checked_is_refused(refused: Callable[..., str], tmp_path: Path) -> None:
    assert "did you mean 'elr'" in refused("check", "elrr")
    assert "did you mean 'truth'" in refused("check", "elr", "--only", "loss,trut")
    assert "no such file" in refused("check", "absent.py")
    (tmp_path / "broken.py").write_text("def")
    assert "broken.py" in refused("check", "broken.py")
    (tmp_path / "empty.py").write_text("x = 1\n")
    assert "empty.py" in refused("check", "empty.py")
    (tmp_path / "fails.py").write_text(source(FAULTS["non-scalar loss"], "fails", "+") + "\nraise RuntimeError('no')\n")
    assert "fails on import" in refused("check", "fails.py")


WITH_SETTING = """
import torch.nn.functional as F
from methods.base import Method
from methods.hyper import real


class Mine(Method):
    name = "mine"
    title = "Mine"
    year = 2026
    reference = "none"
    hyper = {"factor": real(1.0, 0, 10, source="test")}

    def loss(self, batch):
        logits = self.network(batch.views[0])
        batch.observe(logits)
        if self.factor > 2 or self.network.feature_size == 768:
            raise ValueError("too much")
        return self.factor * F.cross_entropy(logits, batch.labels)
"""


@pytest.mark.parametrize("option", [("--set", "factor=3"), ("--network", "small_cnn")])
def test_a_setting_and_a_network_are_checked_when_asked(
    option: tuple[str, str], command: Command, tmp_path: Path
) -> None:
    (tmp_path / "mine.py").write_text(WITH_SETTING)
    assert command("check", "mine.py", "--only", "loss", "--device", "cpu").status == 0
    ended = command("check", "mine.py", "--only", "loss", *option, "--traceback")
    assert ended.status == 1
    line = 1 + WITH_SETTING.splitlines().index('            raise ValueError("too much")')
    assert f"failed   {tmp_path / 'mine.py'}, line {line}: ValueError: too much" in ended.out
    assert "Traceback (most recent call last)" in ended.out
    assert "Traceback" not in command("check", "mine.py", "--only", "loss", *option).out


def test_wrong_options_are_refused(refused: Callable[..., str], tmp_path: Path) -> None:
    (tmp_path / "mine.py").write_text(WITH_SETTING)
    assert "did you mean 'factor'" in refused("check", "mine.py", "--set", "factr=1.0")
    assert "'factor' = 11" in refused("check", "mine.py", "--set", "factor=11")
    assert "expected KEY=VALUE, such as penalty=0.5" in refused("check", "mine.py", "--set", "factor")
    assert "unknown network 'resnet81'; did you mean 'resnet18'" in refused("check", "elr", "--network", "resnet81")
    assert "--device 'gpu' is unknown" in refused("check", "elr", "--device", "gpu")
    assert "no such file" in refused("check", "elr", "--plugin", "absent.py").lower()
