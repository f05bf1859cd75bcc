"""What only an accelerator shows. Elsewhere these tests skip; test_no_waiting.py looks for the same on a CPU."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from small_runs import published, specification

from bench import networks
from bench.training import trainer
from bench.training.build import build_run
from bench.training.data import prepare
from datasets.views import VIEW_POLICIES

pytestmark = pytest.mark.cuda
METHODS = ["cross_entropy", "co_teaching", "elr", "car"]


@pytest.mark.parametrize("method", METHODS)
def test_a_run_learns_and_gives_the_same_numbers_again(method: str, tmp_path: Path) -> None:
    given = specification(method, "training.epochs=10")
    first, second = (published(tmp_path / name, given, device="cuda") for name in ("first", "second"))
    assert first["execution"]["device"] == "cuda"
    assert first["curves"] == second["curves"]
    assert first["curves"]["test_accuracy"][-1] > 0.2


@pytest.mark.parametrize("method", METHODS)
def test_a_step_does_not_synchronise(method: str, monkeypatch: pytest.MonkeyPatch) -> None:
    given = specification(method)
    run, _ = build_run(given, prepare(given, None), torch.device("cuda"))
    trainer.train_epoch(run)  # what is built once may wait
    step = trainer._step

    def watched(*arguments: Any) -> None:
        torch.cuda.set_sync_debug_mode("error")
        try:
            step(*arguments)
        finally:
            torch.cuda.set_sync_debug_mode("default")

    monkeypatch.setattr(trainer, "_step", watched)
    trainer.train_epoch(run)
    assert run.position.step == 8


def test_captured_graphs_keep_the_outputs_of_earlier_passes() -> None:
    network = networks.build("small_cnn", 10, (3, 32, 32), channels_last=True, compiled=True).cuda()
    plain = networks.build("small_cnn", 10, (3, 32, 32), channels_last=True).cuda()
    plain.load_state_dict(network.state_dict())
    images = torch.randn(64, 3, 32, 32, device="cuda")
    network.eval(), plain.eval()
    with torch.no_grad():
        for _ in range(4):  # the first passes record
            first, second = network(images), network(images + 1)
        torch.testing.assert_close(first, plain(images), rtol=1e-2, atol=1e-2)
        torch.testing.assert_close(second, plain(images + 1), rtol=1e-2, atol=1e-2)


@pytest.mark.parametrize("policy", [policy.name for policy in VIEW_POLICIES if policy.numbers])
def test_a_view_is_the_same_on_the_device_and_waits_for_nothing(policy: str) -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (2000, 3, 32, 32)).astype(np.float32) / 255
    images = torch.from_numpy(pixels)
    numbers = torch.rand(2000, VIEW_POLICIES[policy].numbers, generator=torch.Generator().manual_seed(0))
    apply = VIEW_POLICIES[policy].apply
    assert apply is not None
    on_device = images.cuda(), numbers.cuda()
    apply(*on_device)  # what is built once may wait
    torch.cuda.set_sync_debug_mode("error")
    try:
        found = apply(*on_device)
    finally:
        torch.cuda.set_sync_debug_mode("default")
    differing = (found.cpu() != apply(images, numbers)).flatten(1).any(1)
    assert differing.sum() <= 2  # a last bit of a sine or a logarithm, where a value is on the edge
