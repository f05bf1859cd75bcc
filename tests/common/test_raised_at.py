"""The place in an author's file that a traceback names."""

from __future__ import annotations

import sysconfig
from pathlib import Path

import pytest
import torch

from common.raised_at import raised_at
from results.health import failure_line

HOME = Path(__file__).parents[2]
TORCH = Path(torch.__file__).parent / "nn/functional.py"


def _traceback(*frames: Path | str) -> str:
    inside = "".join(f'  File "{file}", line {number}, in f\n    g()\n' for number, file in enumerate(frames, start=1))
    return f"Traceback (most recent call last):\n{inside}common.errors.Odd: a message\n  of two lines\n"


@pytest.mark.parametrize(
    ("frames", "place"),
    [
        ([HOME / "bench/training/run.py", "/home/ada/mine.py", TORCH], "/home/ada/mine.py, line 2"),
        (["/home/ada/one.py", "/home/ada/two.py"], "/home/ada/two.py, line 2"),
        ([HOME / "methods/elr.py", "<frozen importlib>"], f"{HOME}/methods/elr.py, line 1"),
        ([HOME / "bench/training/run.py", Path(sysconfig.get_path("stdlib")) / "random.py"], ""),
        ([], ""),
    ],
)
def test_the_innermost_line_of_an_authors_file(frames: list[Path | str], place: str) -> None:
    text = _traceback(*frames)
    assert raised_at(text) == place
    assert failure_line(text) == (f"Odd: a message ({place})" if place else "Odd: a message")


def test_a_message_that_names_its_place_is_left_as_it_is() -> None:
    text = f"{_traceback('/home/ada/mine.py')}".replace("a message", "/home/ada/mine.py, line 7: a message")
    assert failure_line(text) == "Odd: /home/ada/mine.py, line 7: a message"


@pytest.mark.parametrize(
    "message",
    [
        "torch.OutOfMemoryError: CUDA out of memory. Tried to allocate 2 GiB",
        "torch.AcceleratorError: an unknown one",
        "RuntimeError: CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling cublasCreate(handle)",
    ],
)
def test_a_fault_of_the_device_has_no_place(message: str) -> None:
    """It comes up later than the call that made it, and memory is filled by all that is there."""
    text = _traceback("/home/ada/mine.py").rpartition("common.errors.")[0] + message
    assert failure_line(text) == message.removeprefix("torch.")
