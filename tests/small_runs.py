"""Specifications of tiny runs on digits, and runs in this process, also of methods that only a test has."""

from __future__ import annotations

import copy
import tomllib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from bench.planning import spec, suite
from bench.training.build import build_run
from bench.training.data import prepare
from bench.training.environment import Environment
from bench.training.execute import execute
from bench.training.measure import Measures
from bench.training.step import Run
from common.specification import Specification
from methods import registry
from methods.base import Batch, Method
from results.store import Store

TABLES = tomllib.loads("""
title = "Tiny"
purpose = "reproduce"

[data]
name = "digits"
subset = 100

[[noise]]
model = "symmetric"
rate = 0.5

[training]
network = "digits_cnn"
epochs = 3
batch_size = 25
optimizer = { lr = 0.05 }
precision = "fp32"
memorisation_every = 1

[methods]
""")


def specification(method: str = "cross_entropy", *assignments: str, seed: int = 0) -> Specification:
    """The specification of a run of `method`, with `--set` of the assignments."""
    tables = copy.deepcopy(TABLES)
    told = method in registry.METHODS and "trusted" in registry.info(method).needs
    suite.override(tables, [f"methods.{method}={{}}", *["data.trusted={size=20}"] * told, *assignments])
    [part] = suite.parts(tables, "tiny.toml")
    cells, _ = spec.cells(part, "tiny.toml", "cpu", seed + 1)
    return cells[-1].spec


def started(given: Specification) -> tuple[Run, Measures]:
    """A run before its first epoch."""
    return build_run(given, prepare(given, None), torch.device("cpu"))


def published(store: Path, given: Specification, **environment: Any) -> dict[str, Any]:
    """The record of a run that is executed in this process."""
    known = Store(store)
    execute(given, Environment(store=store, data=None, **environment))
    [address] = known.addresses()
    return known.load(address)


class Probe(Method):
    """Cross-entropy that notes the batches it gets."""

    name = "cross_entropy"
    title = "Probe"
    year = 2026
    reference = "a test"

    def build(self) -> None:
        super().build()
        self.batches: list[Batch] = []
        self.started: list[tuple[int, int]] = []  # stages, with the epochs done before

    def stage_start(self, stage: int) -> None:
        self.started.append((stage, self.batches[-1].epoch if self.batches else 0))

    def loss(self, batch: Batch) -> torch.Tensor:
        self.batches.append(batch)
        logits = self.network(batch.views[0])
        batch.observe(logits)
        return torch.nn.functional.cross_entropy(logits, batch.labels)


Starter = Callable[..., Run]


def starter(monkeypatch: pytest.MonkeyPatch) -> Starter:
    """Starts runs of a class that no file registers."""

    def start(method: type[Method], *assignments: str, seed: int = 0) -> Run:
        with monkeypatch.context() as patch:
            patch.setattr(registry, "load", lambda name: method)
            return started(specification("cross_entropy", *assignments, seed=seed))[0]

    return start


FACTOR_METHOD = """
import torch.nn.functional as F
{imported}

class Mine(Method):
    name = "mine"
    title = "Mine"
    year = 2026
    reference = "none"

    def loss(self, batch):
        logits = self.network(batch.views[0])
        batch.observe(logits)
        return FACTOR * F.cross_entropy(logits, batch.labels)
"""
"""A method's file, whose loss has the FACTOR that `imported` brings, with the contract's base class."""
