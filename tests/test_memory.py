"""What a process frees stays its own."""

from __future__ import annotations

import subprocess
import sys

import pytest
from command_line import HOME

PROGRAM = """
import resource, sys, torch
from bench import networks
from bench.memory import keep_freed_memory
if sys.argv[1] == "keep":
    assert keep_freed_memory()
torch.set_num_threads(1)
network = networks.build("small_cnn", 10, (3, 32, 32)).eval()
images = torch.zeros(250, 3, 32, 32)
def faults():
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    with torch.no_grad():
        for _ in range(5):
            network(images)
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before
faults()
print(faults())
"""


def faults(mode: str) -> int:
    """Pages that the system has to hand out during five forward passes, after five others."""
    command = [sys.executable, "-c", PROGRAM, mode]
    return int(subprocess.run(command, capture_output=True, text=True, cwd=HOME, check=True).stdout)


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="needs glibc")
def test_a_pass_takes_the_pages_that_the_last_one_left() -> None:
    assert faults("keep") < faults("leave") / 4
