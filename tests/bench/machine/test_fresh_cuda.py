"""A process that has not touched CUDA: a run through the worker's entry point, and each question of the harness first.

What a test's own process has warmed up proves nothing here, so everything happens in processes of their own, with the
stand-in of `fresh_cuda.py` for the driver. `test_cuda_commands.py` does the same where there is a device.
"""

from __future__ import annotations

import ast
import inspect
import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from command_line import ENVIRONMENT, HOME

from bench.machine import accelerator

PACKAGES = ("bench", "methods", "datasets", "results", "reports")
HOLDER = "bench/machine/accelerator.py"
GRAPHS = r"bench/(training/recorders|speed/\w+)\.py"
GRAPH_PARTS = {"CUDAGraph", "graph", "graph_pool_handle", "synchronize"}
"""Where a step becomes a graph, and what of `torch.cuda` is used for that."""


def in_new_process(code: str) -> Any:
    """What the code prints as JSON on its last line, in an interpreter that was not used before."""
    environment = {**ENVIRONMENT, "PYTHONPATH": f"{HOME}:{HOME / 'tests'}"}
    ended = subprocess.run(
        [sys.executable, "-c", code], env=environment, check=False, capture_output=True, text=True, timeout=120
    )
    assert ended.returncode == 0, ended.stderr
    return json.loads(ended.stdout.splitlines()[-1])


RUNS = """
import json, sys, tempfile
from pathlib import Path
import fresh_cuda
from bench.training.environment import Environment
from bench.sweep.worker import work
from results.record import address, result
from results.store import Store
from small_runs import specification

found = {}
with fresh_cuda.devices(2) as driver:
    for name, device, seed in %r:
        given = specification("cross_entropy", seed=seed)
        store = Path(tempfile.mkdtemp())
        asked = len(driver.asked)
        outcome = work(given, Environment(store, None, device, capture="off"))
        record = Store(store).load(address(given)) if outcome.status == "done" else None
        found[name] = {
            "said": f"{outcome.status} {outcome.message}".strip(),
            "asked": driver.asked[asked:],
            "execution": record and record["execution"],
            "curves": record and result(record)["curves"],
        }
print(json.dumps(found))
"""


@pytest.fixture(scope="module")
def runs() -> dict[str, Any]:
    """Runs in one new process after the other: one on the CPU before any device is touched, and one after it."""
    order = [("cpu", "cpu", 0), ("first", "cuda:1", 0), ("second", "cuda:1", 1), ("cpu after", "cpu", 1)]
    found: dict[str, Any] = in_new_process(RUNS % order)
    return found


def test_a_first_run_on_a_device_goes_through(runs: dict[str, Any]) -> None:
    assert runs["first"]["said"] == "done"
    assert runs["first"]["asked"][0] == "init"
    assert runs["first"]["execution"]["device"] == "cuda"
    assert runs["first"]["execution"]["device_name"] == "Stand-in"
    assert runs["first"]["execution"]["peak_memory_mib"] == 5
    assert {"set_device", "reset_peak", "statistics"} <= set(runs["first"]["asked"])


def test_a_worker_makes_its_context_once_and_counts_memory_anew(runs: dict[str, Any]) -> None:
    assert runs["second"]["said"] == "done"
    assert "init" not in runs["second"]["asked"]
    assert runs["second"]["asked"].count("reset_peak") == 1


def test_a_run_on_the_cpu_leaves_the_devices_alone(runs: dict[str, Any]) -> None:
    assert runs["cpu"]["said"] == runs["cpu after"]["said"] == "done"
    assert runs["cpu"]["asked"] == []
    assert set(runs["cpu after"]["asked"]) <= {"empty_cache"}, "what a worker gives back after every run"


def test_the_numbers_are_those_of_the_cpu(runs: dict[str, Any]) -> None:
    """The stand-in computes there, so that only the harness could make a difference."""
    for mine, cpu in (("first", "cpu"), ("second", "cpu after")):
        assert runs[mine]["curves"]["test_accuracy"] == runs[cpu]["curves"]["test_accuracy"]


def test_the_device_may_be_named_without_its_number() -> None:
    found = in_new_process(RUNS % [("first", "cuda", 0)])
    assert found["first"]["said"] == "done"


def test_a_device_that_is_not_there_is_told_and_ends_that_run_only() -> None:
    found = in_new_process(RUNS % [("absent", "cuda:7", 0), ("first", "cuda:0", 0)])
    assert found["absent"]["said"] == "device_fault RuntimeError: CUDA error: invalid device ordinal"
    assert found["first"]["said"] == "done"


# ---- each question first ---------------------------------------------------------------------------------------------

NO_SWAP = "NotImplementedError: graphsafe_set_state is not supported in this Generator"
"""What the CPU's generators say, which stand for those of the devices: it was found, and asked."""
QUESTIONS: dict[str, tuple[str, Any]] = {
    "is_cuda": ("accelerator.is_cuda('cuda:1')", True),
    "count": ("accelerator.count()", 2),
    "choose": ("accelerator.choose('auto')", "cuda"),
    "each": ("accelerator.each('cuda')", ["cuda:0", "cuda:1"]),
    "has_bfloat16": ("accelerator.has_bfloat16('cuda')", True),
    "prepare": ("str(accelerator.prepare('cuda'))", "cuda:0"),
    "own_stream": ("accelerator.own_stream(torch.device('cuda:1')).__enter__()", None),
    "is_own_stream": ("accelerator.is_own_stream(torch.device('cuda:1'))", False),
    "synchronise": ("accelerator.synchronise(torch.device('cuda:1'))", None),
    "reset_peak_memory": ("accelerator.reset_peak_memory(torch.device('cuda:1'))", None),
    "peak_memory": ("accelerator.peak_memory(torch.device('cuda:1'))", 0),
    "peak_reserved_memory": ("accelerator.peak_reserved_memory(torch.device('cuda:1'))", 0),
    "release_memory": ("accelerator.release_memory()", None),
    "memory": ("[accelerator.memory('cuda:1').free, accelerator.memory('cuda').total]", [3 * 2**30, 4 * 2**30]),
    "name": ("accelerator.name('cuda:1')", "Stand-in"),
    "touch": ("accelerator.touch('cuda:1')", None),
    "is_fault": ("accelerator.is_fault(RuntimeError('CUDA error: an illegal memory access'))", True),
    "is_out_of_memory": ("accelerator.is_out_of_memory(RuntimeError('CUDA out of memory. Tried'))", True),
    "generator_state": ("accelerator.generator_state(torch.device('cuda:1')).ndim", 1),
    "restore_generator": ("accelerator.restore_generator(torch.device('cuda:1'), torch.get_rng_state())", None),
    "spare_generator": ("type(accelerator.spare_generator(torch.device('cuda:1'))).__name__", "Generator"),
    "replace_generator": ("accelerator.replace_generator(torch.device('cuda:1'), torch.Generator())", NO_SWAP),
}
"""Function of bench/machine/accelerator.py -> how it is asked, and the answer on two untouched devices."""

ASK = """
import json, os, sys
import torch
import fresh_cuda
from bench.machine import accelerator

def ask(question):
    with fresh_cuda.devices(2):
        try:
            return eval(question)
        except Exception as fault:
            return f"{type(fault).__name__}: {fault}"

answers = {}
for name, question in %r:  # nobody has touched the devices here, so neither has a fork
    reader, writer = os.pipe()
    if os.fork() == 0:
        os.write(writer, json.dumps(ask(question)).encode())
        os._exit(0)
    os.close(writer)
    answers[name] = json.loads(os.fdopen(reader).read())
    os.wait()
print(json.dumps(answers))
"""


@pytest.fixture(scope="module")
def answers() -> dict[str, Any]:
    found: dict[str, Any] = in_new_process(ASK % [(name, question) for name, (question, _) in QUESTIONS.items()])
    return found


def test_every_function_is_asked() -> None:
    public = {name for name, value in inspect.getmembers(accelerator, inspect.isfunction) if not name.startswith("_")}
    own = {name for name in public if getattr(accelerator, name).__module__ == accelerator.__name__}
    assert own == set(QUESTIONS), "each function is to be right as the first that a process asks"


@pytest.mark.parametrize("name", QUESTIONS)
def test_a_question_may_be_the_first_of_a_process(name: str, answers: dict[str, Any]) -> None:
    assert answers[name] == QUESTIONS[name][1]


def test_the_stand_in_refuses_what_torch_refuses() -> None:
    """Without this the tests above could not fail; the words are those of torch on an untouched H200."""
    bare = [
        ("reset", "torch.cuda.reset_peak_memory_stats('cuda:1')"),
        ("reset after", "(torch.cuda.init(), torch.cuda.reset_peak_memory_stats('cuda:1'))[1]"),
        ("peak", "torch.cuda.max_memory_allocated('cuda:1')"),
        ("name", "torch.cuda.get_device_name('cuda:1')"),
    ]
    found = in_new_process(ASK % bare)
    assert found == {"reset": "RuntimeError: Invalid device argument ", "reset after": None, "peak": 0,
                     "name": "Stand-in"}  # fmt: skip


# ---- in one module only ----------------------------------------------------------------------------------------------


def test_only_the_accelerator_uses_torch_cuda() -> None:
    users: dict[str, set[str]] = {}
    for path in (path for package in PACKAGES for path in (HOME / package).rglob("*.py")):
        found = set(re.findall(r"torch\.cuda\b(?:\.(\w+))?", _code(path)))
        if found:
            users[str(path.relative_to(HOME))] = found
    assert HOLDER in users, "nothing was found at all"
    for path, used in users.items():
        allowed = path == HOLDER or (re.fullmatch(GRAPHS, path) and used <= GRAPH_PARTS)
        assert allowed, f"{path} uses torch.cuda ({', '.join(sorted(used))}): that belongs into {HOLDER}"


def _code(path: Path) -> str:
    """The source without comments, imports of torch.cuda in the words of its use."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    return ast.unparse(tree).replace("from torch import cuda", "torch.cuda").replace("from torch.cuda", "torch.cuda")
