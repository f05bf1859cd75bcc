"""One outside file with every kind that a plug-in may declare: it runs in a suite, in workers, on Dask, and resumes."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import registries
from command_line import Command, kill_all, results, resumes, run, start, wait_for

from bench import plugins
from bench.sweep import lease
from results.store import Store

OUTSIDE = '''
import numpy as np
import torch
import torch.nn.functional as F
from pydantic import Field

from bench.recipe.settings import OptimizerSettings, ScheduleSettings
from bench.networks import NetworkInfo
from bench.recipe.optimizers import OptimizerKind
from bench.recipe.schedules import ScheduleKind
from datasets.base import DataSetInfo, Images, assemble
from datasets.plugin import SAMPLING, DataSetPlugin, NoiseInfo, NoisePlugin
from datasets.views import ViewPolicy
from methods.base import Method
from results.selection_rules import SelectionRule


class Twice(Method):
    name = "twice"
    title = "Seen twice"
    year = 2026
    reference = "none"
    views = ("plain", "shaken")
    hyper = {"weight": {"default": 0.5, "bounds": (0, 1), "source": "a guess"}}

    def loss(self, batch):
        logits = self.network(batch.views[0])
        batch.observe(logits)
        shaken = F.cross_entropy(self.network(batch.views[1]), batch.labels)
        return F.cross_entropy(logits, batch.labels) + self.weight * shaken


def two_layers(num_classes, image_shape):
    from bench.networks.network import Network

    pixels = image_shape[0] * image_shape[1] * image_shape[2]
    body = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(pixels, 16), torch.nn.ReLU())
    return Network([body, torch.nn.Linear(16, num_classes)])


class Signs(OptimizerSettings):
    """Steps of one size."""

    share: float = Field(0.1, gt=0, description="of the rate")


def build(groups, fused, on_device):
    for group in groups:
        group["lr"] = group["lr"] * group["share"]
    return torch.optim.Adam(groups)


class Halves(ScheduleSettings):
    """Half the rate in the second half."""


def halves(settings, base, clock):
    return base if clock.now < clock.epochs / 2 else base / 2


def shaken(images, numbers):
    return (images + 0.2 * numbers[:, :, None, None]).clamp(0, 1)


def opposite(facts, options, uniforms):
    return facts.num_classes - 1 - np.arange(facts.num_classes)


INFO = DataSetInfo(
    name="bars", title="Bars", version=1, num_classes=4, num_train=240, num_test=80, image_shape=(8, 8, 1),
    description="bright bars", class_names=("a", "b", "c", "d"), mean=(0.25,), std=(0.4,),
)


def images(count):
    labels = np.arange(count, dtype=np.int64) % 4
    pixels = np.zeros((count, 8, 8, 1), np.uint8)
    for row, label in enumerate(labels):
        pixels[row, :, 2 * label : 2 * label + 2] = 150 + row % 100
    return Images(pixels, labels)


def load(info, root):
    return assemble(info, images(info.num_train), images(info.num_test))


NETWORKS = [NetworkInfo("two_layers", "Two layers", "of 16 units", two_layers, (1, 8, 8))]
OPTIMIZERS = [OptimizerKind("signs", "Signs", Signs, build)]
SCHEDULES = [ScheduleKind("halves", "halves", Halves, halves)]
VIEW_POLICIES = [ViewPolicy("shaken", "brighter by chance", moves=False, apply=shaken, numbers=1)]
NOISE_MODELS = [
    NoisePlugin(NoiseInfo("opposite", "opposite {rate}", "mirrored", {"sampling": SAMPLING}), target=opposite),
]
DATASETS = [DataSetPlugin(INFO, load)]


def first(record, curve):
    values = record["curves"].get(curve)
    return values[0] if values else None


SELECTION_RULES = [SelectionRule("first", "first epoch", "none", first)]
'''

SUITE = """
title = "All from outside"
purpose = "compare"
select = "first"
seeds = 2

[data]
name = "bars"

[[noise]]
model = "opposite"
rate = 0.3

[training]
network = "two_layers"
epochs = {epochs}
batch_size = 16
optimizer = {{ name = "signs", lr = 0.05, share = 0.2 }}
schedule = {{ name = "halves" }}
precision = "fp32"

[methods.cross_entropy]
[methods.twice]
hyper = {{ weight = 0.8 }}
"""

LISTED = {
    "methods": "twice", "networks": "two_layers", "optimizers": "signs", "schedules": "halves", "views": "shaken",
    "noise": "opposite", "datasets": "bars", "rules": "first",
}  # fmt: skip


@pytest.fixture(autouse=True)
def _registries_as_before() -> Iterator[None]:
    with registries.as_before():
        yield


@pytest.fixture
def outside(tmp_path: Path) -> Callable[[int], tuple[object, ...]]:
    """Writes the file and its suite; gives the arguments that run it."""

    def write(epochs: int) -> tuple[object, ...]:
        (tmp_path / "outside.py").write_text(OUTSIDE)
        (tmp_path / "s.toml").write_text(SUITE.format(epochs=epochs))
        return "run", "s.toml", "--plugin", "outside.py"

    return write


@pytest.mark.parametrize("kind", LISTED)
def test_each_kind_is_listed(kind: str, outside: Callable[[int], object], command: Command) -> None:
    outside(1)
    assert LISTED[kind] not in {row["name"] for row in json.loads(command("list", kind, "--json").out)}
    rows = json.loads(command("list", kind, "--json", "--plugin", "outside.py").out)
    assert LISTED[kind] in {row["name"] for row in rows}
    assert LISTED[kind] in command("list", kind, "--plugin", "outside.py").out


def test_a_suite_of_all_kinds_runs_and_its_records_name_them(
    outside: Callable[[int], tuple[object, ...]], command: Command, in_process: list[str], tmp_path: Path
) -> None:
    ended = command(*outside(3))
    assert ended.status == 0, ended.err
    store = Store(tmp_path / "output")
    records = [store.load(address) for address in store.addresses()]
    assert {record["spec"]["method"]["name"] for record in records} == {"cross_entropy", "twice"}
    for record in records:
        assert record["titles"] | {"method": ""} == {
            "method": "", "dataset": "Bars", "noise": "opposite 30%", "network": "Two layers",
        }  # fmt: skip
        assert record["spec"]["optimizer"]["share"] == 0.2
        first, *others = record["curves"]["learning_rate"]
        assert others == pytest.approx([first / 2, first / 2])
        assert record["noise"]["expected_rate"] == pytest.approx(0.3)
    assert len({record["noise"]["fingerprint"] for record in records}) == 2  # one a seed, the same for both methods
    assert not any("first" in record["selection"] for record in records)  # a rule looks at finished records
    assert command("report", "--plugin", "outside.py").status == 0
    table = (tmp_path / "output" / "report" / "tables" / "s-accuracy.md").read_text(encoding="utf-8")
    assert "test accuracy (%) on Bars, first epoch" in table
    first = [record["curves"]["test_accuracy"][0] for record in records if record["titles"]["method"] == "Seen twice"]
    assert f"{50 * sum(first):.2f} ± " in table


def test_a_report_without_the_plug_in_says_which_rule_it_lacks(
    outside: Callable[[int], tuple[object, ...]], command: Command, in_process: list[str], tmp_path: Path
) -> None:
    assert command(*outside(1)).status == 0
    with registries.as_before():
        plugins.RULES.forget((tmp_path / "outside.py").resolve())
        ended = command("report")
    assert ended.status == 2 and not (tmp_path / "output" / "report").exists()
    assert ended.err.startswith("error: unknown selection rule 'first'")
    assert len(ended.err.splitlines()) == 1


@pytest.mark.slow
def test_a_sweep_that_is_killed_goes_on_and_ends_as_on_a_dask_cluster(
    outside: Callable[[int], tuple[object, ...]], tmp_path: Path
) -> None:
    pytest.importorskip("distributed", reason="the extra [cluster] is not installed")
    from dask_cluster import clusters

    arguments = (*outside(60), "--checkpoint-seconds", 0)
    sweep = start(*arguments, "--jobs", 2, "--out", "killed", cwd=tmp_path)
    leases = tmp_path / "killed" / "leases"
    wait_for(lambda: [held for held in lease.live(leases, lease.Observer()).values() if held.epoch >= 2])
    kill_all(sweep)
    assert len(Store(tmp_path / "killed").addresses()) < 4
    status, said = run(*arguments, "--jobs", 2, "--out", "killed", cwd=tmp_path)
    assert status == 0, said
    assert resumes(tmp_path / "killed") >= 1
    with clusters(tmp_path) as make:
        status, said = run(*arguments, "--cluster", make(workers=1).address, "--out", "cluster", cwd=tmp_path)
    assert status == 0, said
    assert len(results(tmp_path / "cluster")) == 4
    assert results(tmp_path / "killed") == results(tmp_path / "cluster")


def test_plugins_that_name_all_kinds_have_a_group_each() -> None:
    assert len(plugins.GROUPS) == len(set(plugins.GROUPS)) == len(LISTED) + 1  # and one of bundles
