"""Apple's mps, as far as a machine without it can tell: what is chosen and refused, and that nothing needs float64."""

from __future__ import annotations

import os
import platform
import traceback
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from command_line import HOME, Command, run
from small_runs import published, specification
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from bench.machine import accelerator, apple
from bench.machine.precision import resolve_precision
from bench.sweep import slots
from bench.training import run_record
from bench.training.environment import Environment
from common.errors import UserError
from common.float64 import with_float64
from methods import registry as methods


@pytest.fixture
def planted(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[str]]:
    """torch says that mps is there, and does nothing; the list has what was asked of it."""
    asked: list[str] = []

    def memory() -> int:
        asked.append("memory")
        return 3 * 2**20

    monkeypatch.setattr(apple, "is_there", lambda: True)
    monkeypatch.setattr(torch.mps, "synchronize", lambda: asked.append("synchronise"))
    monkeypatch.setattr(torch.mps, "driver_allocated_memory", memory)
    monkeypatch.setenv(apple.FALLBACK, "1")
    deterministic = torch.are_deterministic_algorithms_enabled()
    yield asked
    torch.use_deterministic_algorithms(deterministic)


@pytest.mark.skipif(apple.is_there(), reason="mps is here")
def test_where_it_is_absent_it_is_refused_in_one_line(refused: Callable[..., str]) -> None:
    line = "error: --device mps: torch has no Apple device here (accepted: auto, cpu)\n"
    for asked in (("run", "quick"), ("tune", "elr", "quick"), ("check", "elr"), ("speed",), ("doctor",)):
        assert refused(*asked, "--device", "mps") == line
    assert "(accepted: auto, cpu, cuda, cuda:N, mps)" in refused("run", "quick", "--device", "mpu")


@pytest.mark.skipif(apple.is_there(), reason="mps is here")
def test_a_fresh_process_refuses_it(tmp_path: Path) -> None:
    status, said = run("run", "quick", "--device", "mps", cwd=tmp_path)
    assert (status, said) == (2, "error: --device mps: torch has no Apple device here (accepted: auto, cpu)\n")
    assert list(tmp_path.iterdir()) == []


def test_torch_is_asked_on_apples_systems_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: True)
    monkeypatch.setattr(platform, "system", lambda: "Linux")
    assert not apple.is_there()
    monkeypatch.setattr(platform, "system", lambda: "Darwin")
    assert apple.is_there()


def test_it_is_taken_where_it_is_named_and_never_by_auto(planted: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(apple.FALLBACK)
    assert accelerator.choose("mps") == "mps"
    assert os.environ[apple.FALLBACK] == "1"  # what torch lacks is computed on the host, in workers too
    monkeypatch.setattr(accelerator, "count", lambda: 0)
    assert accelerator.choose("auto") == "cpu"
    monkeypatch.setattr(accelerator, "count", lambda: 1)
    assert accelerator.choose("auto") == "cuda"
    assert accelerator.each("mps") == ["mps"]
    assert not accelerator.is_cuda("mps")


def test_precision_is_fp32(planted: list[str], refused: Callable[..., str]) -> None:
    assert resolve_precision("auto", "mps") == resolve_precision("fp32", "mps") == "fp32"
    with pytest.raises(UserError, match="precision 'bf16' on --device mps: accepted: auto, fp32"):
        resolve_precision("bf16", "mps")
    assert "accepted: auto, fp32" in refused("run", "quick", "--device", "mps", "--precision", "bf16")


def test_one_run_at_a_time_unless_asked_otherwise(planted: list[str], tmp_path: Path) -> None:
    environment = Environment(store=tmp_path, data=tmp_path, device="mps")
    assert [place.packing.most for place in slots.places(environment, None, None, 8)] == [1]
    assert [place.packing.most for place in slots.places(environment, 3, None, 8)] == [3]
    with pytest.raises(UserError, match="on mps --jobs says how many"):
        slots.runs_per_device("2", "mps", None)


def test_a_plan_for_it_is_priced_for_it_alone(planted: list[str], command: Command) -> None:
    ended = command("run", "quick", "--seeds", 1, "--methods", "elr", "--device", "mps", "--dry-run")
    assert ended.status == 0
    assert ended.out.splitlines()[-1] == "no price for one mps slot: not measured (--probe times a few steps)"


def test_what_is_asked_of_it(planted: list[str]) -> None:
    device = accelerator.prepare("mps")
    assert device == torch.device("mps")
    assert torch.are_deterministic_algorithms_enabled()
    accelerator.synchronise(device)
    run_record.reset_peak_memory(device)
    assert run_record.peak_memory(device) == 3.0
    assert planted == ["synchronise", "memory"]


def test_a_seed_sets_the_generator_of_mps_too(monkeypatch: pytest.MonkeyPatch) -> None:
    seeded: list[int] = []
    monkeypatch.setattr(torch.mps, "_is_in_bad_fork", lambda: False)
    monkeypatch.setattr(torch.mps, "manual_seed", seeded.append)
    torch.manual_seed(5)  # what `bench.training.seeds` calls before each epoch
    assert seeded == [5]


def test_memory_of_a_process_is_counted_in_the_systems_unit(monkeypatch: pytest.MonkeyPatch) -> None:
    here = run_record.peak_memory(torch.device("cpu"))
    monkeypatch.setattr(platform, "system", lambda: "Darwin")
    assert run_record.peak_memory(torch.device("cpu")) == pytest.approx(here / 1024, rel=0.2)


class _OnMps:
    """What `with_float64` sees of a tensor there."""

    device = torch.device("mps")

    def cpu(self) -> str:
        return "on the host"


def test_float64_is_computed_on_the_host_where_the_device_has_none() -> None:
    here = torch.zeros(2)
    assert with_float64(here) is here
    assert with_float64(_OnMps()) == "on the host"  # type: ignore[arg-type, comparison-overlap]


ON_THE_HOST = {
    "common/float64.py": "asks for the host",
    "bench/training/build.py": "turns the known matrix to float32 before it goes to the device",
    "bench/training/measure.py": "divides counts that evaluation has brought to the host",
    "methods/m_correction.py": "fits its mixture to losses on the host",
    "methods/ogc.py": "fits its mixture to losses on the host",
    "methods/divide_mix.py": "fits its mixture to losses on the host",
}
"""Files whose float64 lies on the host wherever the run is, and why."""
BY_WITH_FLOAT64 = ("bench/training/evaluation.py", "bench/training/selection.py", "methods/neighbours.py",
                   "methods/loss_correction.py", "methods/promix.py", "datasets/augmentation.py")  # fmt: skip
"""Files that ask `with_float64` before they compute in it."""
NOT_THERE = {"methods/plc.py": "its bound is a float64 on the device"}
"""What a run on mps fails at."""


class Float64(TorchDispatchMode):
    """Remembers which files of the methods, data sets and training make tensors of float64."""

    def __init__(self) -> None:
        super().__init__()
        self.files: set[str] = set()

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        found = func(*args, **(kwargs or {}))
        if any(isinstance(leaf, torch.Tensor) and leaf.dtype == torch.float64 for leaf in tree_leaves(found)):
            named = [Path(frame.filename) for frame in reversed(traceback.extract_stack())]
            homes = [
                path.relative_to(HOME) for path in named if path.is_relative_to(HOME) and "tests" not in path.parts
            ]
            self.files |= {str(path) for path in homes[:1]}
        return found


def _files_with_float64(method: str, store: Path) -> set[str]:
    with Float64() as seen:
        published(store, specification(method))
    return seen.files


@pytest.mark.parametrize("method", ["cross_entropy", "co_teaching", "elr", "car"])
def test_the_main_methods_need_no_float64_on_the_device(method: str, tmp_path: Path) -> None:
    assert _files_with_float64(method, tmp_path) <= {*ON_THE_HOST, *BY_WITH_FLOAT64}


@pytest.mark.slow
@pytest.mark.parametrize("method", sorted(methods.registered()))
def test_no_method_but_those_known_needs_float64_on_the_device(method: str, tmp_path: Path) -> None:
    found = _files_with_float64(method, tmp_path) - {*ON_THE_HOST, *BY_WITH_FLOAT64}
    assert found <= set(NOT_THERE)


def test_files_that_are_told_to_ask_first_do() -> None:
    for name in BY_WITH_FLOAT64:
        assert "with_float64(" in (HOME / name).read_text(encoding="utf-8"), name
