"""The loss alone, and all conformance checks."""

from __future__ import annotations

import torch
from noisy_label_example.losses import disagreement

from bench import plugins
from bench.checks.check import run_checks
from bench.checks.subject import Subject


def test_predictions_that_are_the_same_do_not_disagree() -> None:
    logits = torch.tensor([[1.0, 2.0, 3.0]])
    assert disagreement(logits, logits + 5) < 1e-12
    assert disagreement(logits, -logits) > 0.1


def test_the_method_passes_every_check() -> None:
    plugins.register()
    found = [result for result in run_checks(Subject("agreement")) if result.status == "failed"]
    assert [(result.check, result.seen) for result in found] == []
