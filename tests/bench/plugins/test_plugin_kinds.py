"""Plug-ins with an optimiser, a schedule and a network: run in workers, resumed, listed; each fault is one line."""

from __future__ import annotations

import copy
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import registries
import torch
from command_line import Command, results, resumes, run, write_suite

from bench import networks, plugins
from bench.api.planned import plan_suite
from bench.training import execute, trainer
from bench.training.environment import Environment
from bench.training.step import Run
from results.store import Store

PLUG = '''
from pydantic import Field

from bench.recipe.settings import OptimizerSettings, ScheduleSettings
from bench.networks import NetworkInfo
from bench.recipe.optimizers import OptimizerKind
from bench.recipe.schedules import ScheduleKind, in_epochs


class NesterovAdam(OptimizerSettings):
    """NAdam."""

    decay: float = Field(0.004, description="of the momentum")


def build(groups, fused, on_device):
    import torch

    assert not fused and not on_device
    for group in groups:
        group["momentum_decay"] = group["decay"]
    return torch.optim.NAdam(groups)


class Triangle(ScheduleSettings):
    """Down and up again."""

    low: float = Field(0.5, description="the lowest rate, as a share")


def rate(settings, base, clock):
    middle = in_epochs(0.5, clock.epochs)
    return base * (settings["low"] + (1 - settings["low"]) * abs(clock.now - middle) / middle)


def narrow(num_classes, image_shape):
    from torch import nn

    from bench.networks.network import Network

    channels, height, width = image_shape
    return Network([
        nn.Sequential(nn.Flatten(), nn.Linear(channels * height * width, 24), nn.ReLU()), nn.Linear(24, num_classes),
    ])


OPTIMIZERS = [OptimizerKind("nadam", "NAdam", NesterovAdam, build)]
SCHEDULES = [ScheduleKind("triangle", "triangle", Triangle, rate)]
NETWORKS = [NetworkInfo("narrow", "Narrow", "one hidden layer", narrow, (1, 8, 8))]
'''

METHOD = """
from methods.base import Method, Stage
import torch.nn.functional as F


class Mine(Method):
    name = "mine"
    title = "My idea"
    year = 2026
    reference = "none"

    def stages(self):
        return [Stage(1), Stage(None, {"name": "nadam", "wieght_decay": 0.1})]

    def parameter_groups(self):
        return [{"params": list(self.parameters())}]

    def loss(self, batch):
        logits = self.network(batch.views[0])
        batch.observe(logits)
        return F.cross_entropy(logits, batch.labels)
"""


@pytest.fixture(autouse=True)
def _registries_as_before() -> Iterator[None]:
    """What a test registers is forgotten after it."""
    with registries.as_before():
        yield


@pytest.fixture
def suite(tmp_path: Path) -> Path:
    """A suite that names all three, beside the plug-in that declares them."""
    (tmp_path / "plug.py").write_text(PLUG)
    path = write_suite(tmp_path / "s.toml", epochs=4, methods=("cross_entropy", "elr"))
    text = path.read_text().replace('network = "digits_cnn"', 'network = "narrow"')
    own = 'optimizer = { name = "nadam", lr = 0.01, decay = 0.01 }\nschedule = { name = "triangle", low = 0.2 }'
    path.write_text(text.replace("optimizer = { lr = 0.05 }", own))
    return path


def test_all_three_run_in_worker_processes_and_stand_in_the_record(suite: Path, tmp_path: Path) -> None:
    status, said = run("run", suite, "--plugin", "plug.py", "--jobs", 2, cwd=tmp_path)
    assert status == 0, said
    store = Store(tmp_path / "output")
    records = [store.load(address) for address in store.addresses()]
    assert len(records) == 2
    for record in records:
        assert record["spec"]["network"] == "narrow"
        assert record["titles"]["network"] == "Narrow"
        assert record["spec"]["optimizer"] == {
            "name": "nadam", "lr": 0.01, "weight_decay": 0.0005, "clip_norm": None, "decay": 0.01,
        }  # fmt: skip
        assert record["spec"]["schedule"] == {"name": "triangle", "low": 0.2, "warmup": 0, "update": "step"}
        # the last step of each epoch is a step before its end; the middle of the run has the lowest rate
        rates = record["curves"]["learning_rate"]
        assert rates[1] < rates[0] < 0.01 and rates[1] < rates[2] < rates[3]
        assert min(rates) >= 0.002
    status, said = run("report", cwd=tmp_path)  # which needs no plug-in
    assert status == 0, said


def test_a_run_with_all_three_resumes_bit_identically(
    suite: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    plug = tmp_path / "plug.py"
    plugins.add_file(plug)
    spec = plan_suite(str(suite), [], "elr", None, {}, "cpu").cells[0].spec

    def executed(folder: str) -> None:
        execute.execute(spec, Environment(tmp_path / folder, None, plugins=(plug,), checkpoint_seconds=0.0))

    executed("whole")
    real = trainer.train_epoch

    def cut(run: Run) -> dict[str, Any]:
        if run.position.epoch == 2:
            raise KeyboardInterrupt
        return real(run)

    monkeypatch.setattr(trainer, "train_epoch", cut)
    with pytest.raises(KeyboardInterrupt):
        executed("cut")
    monkeypatch.setattr(trainer, "train_epoch", real)
    executed("cut")
    assert resumes(tmp_path / "cut") == 1
    assert results(tmp_path / "cut") == results(tmp_path / "whole")


@pytest.mark.parametrize(
    ("kind", "name", "told"),
    [
        ("optimizers", "nadam", {"lr": 0.1, "weight_decay": 0.0005, "clip_norm": None, "sam": 0.0, "decay": 0.004}),
        ("schedules", "triangle", {"warmup": 0, "update": "step", "low": 0.5}),
        ("networks", "narrow", None),
    ],
)
def test_all_three_are_listed(
    kind: str, name: str, told: dict[str, object] | None, command: Command, tmp_path: Path
) -> None:
    (tmp_path / "plug.py").write_text(PLUG)
    assert name not in command("list", kind).out
    ended = command("list", kind, "--plugin", "plug.py")
    assert ended.status == 0 and name in ended.out, ended.err
    rows = {row["name"]: row for row in json.loads(command("list", kind, "--plugin", "plug.py", "--json").out)}
    assert rows[name].get("settings") == told


def test_settings_of_a_plugins_kinds_are_checked_like_others(
    suite: Path, refused: Callable[..., str], tmp_path: Path
) -> None:
    arguments = ("run", suite, "--plugin", "plug.py", "--set")
    line = refused(*arguments, "training.optimizer.dekay=0.1")
    assert "unknown key 'training.optimizer.dekay'; did you mean 'decay'? (accepted by optimizer 'nadam': " in line
    assert "key 'training.optimizer.decay' = 'much'" in refused(*arguments, "training.optimizer.decay=much")
    assert "'triangel'; did you mean 'triangle'?" in refused(*arguments, "training.schedule.name=triangel")
    assert "unknown network 'narow'; did you mean 'narrow'?" in refused(*arguments, "training.network=narow")
    status, said = run("run", suite, cwd=tmp_path)  # where nobody knows the plug-in
    assert status == 2
    assert "key 'training.optimizer.name': unknown optimizer 'nadam'" in said


def test_a_stage_that_names_no_setting_of_its_optimiser_is_refused(
    suite: Path, refused: Callable[..., str], tmp_path: Path
) -> None:
    (tmp_path / "mine.py").write_text(METHOD)
    line = refused("run", suite, "--plugin", "plug.py", "--plugin", "mine.py", "--methods", "mine,elr")
    assert (
        f"{tmp_path / 'mine.py'}, line 12: Mine.stages: stage 2: unknown key 'optimizer.wieght_decay'; did you mean "
        "'weight_decay'? (accepted by optimizer 'nadam': name, lr, "
    ) in line


FAULTS = {
    "no list": ("OPTIMIZERS = [OptimizerKind", "OPTIMIZERS = 5; _ = [OptimizerKind", "must be a list, not int"),
    "no optimiser": ('OptimizerKind("nadam", "NAdam", NesterovAdam, build)', "build", "list of bench.recipe.optimiz"),
    "no schedule": ('ScheduleKind("triangle", "triangle", Triangle, rate)', "rate", "list of bench.recipe.schedules.S"),
    "no network": (
        'NetworkInfo("narrow", "Narrow", "one hidden layer", narrow, (1, 8, 8))', "narrow",
        "must be a list of bench.networks.NetworkInfo",
    ),
    "optimiser's name taken": ('Kind("nadam"', 'Kind("adam"', "optimizer name 'adam' is taken by a built-in optimizer"),
    "schedule's name taken": ('Kind("triangle"', 'Kind("cosine"', "name 'cosine' is taken by a built-in schedule"),
    "network's name taken": ('Info("narrow"', 'Info("resnet18"', "name 'resnet18' is taken by a built-in network"),
    "odd name": ('Kind("nadam"', 'Kind("N Adam"', "optimizer 'N Adam': a name is of small letters"),
    "no title": ('"triangle", "triangle"', '"triangle", ""', "schedule 'triangle': `title` must be a text"),
    "settings of another kind": (
        "Triangle, rate", "NesterovAdam, rate", "must be a subclass of bench.recipe.settings.ScheduleSettings",
    ),
    "settings that are nowhere": (
        "NesterovAdam, build", '"bench.recipe.settings:Nadam", build', "has no attribute 'Nadam'",
    ),
    "a reserved key": ("    low: float", "    params: str = ''\n    low: float", "key 'params', which is the harness"),
    "no function to build": ("NesterovAdam, build", "NesterovAdam, 5", "`build` must be a function build(groups, "),
    "no rate": ("Triangle, rate", "Triangle, 0.5", "`rate` must be a function rate(settings, base, clock)"),
    "no beta": ("Triangle, rate", "Triangle, rate, 0.5", "`first_beta` must be a function"),
    "no function of a network": ('layer", narrow,', 'layer", "narrow",', '`function` must be a function(num_classes'),
    "no shape": ("(1, 8, 8))]", "(8, 8))]", "image_shape is (channels, height, width)"),
}  # fmt: skip


@pytest.mark.parametrize("case", FAULTS)
def test_a_fault_in_what_is_declared_is_refused(case: str, refused: Callable[..., str], tmp_path: Path) -> None:
    old, new, expected = FAULTS[case]
    assert old in PLUG
    (tmp_path / "plug.py").write_text(PLUG.replace(old, new, 1))
    line = refused("list", "networks", "--plugin", "plug.py")
    assert line.startswith(f"error: {tmp_path / 'plug.py'}: ")
    assert expected in line


def test_a_function_that_gives_no_network_is_told(suite: Path, command: Command, in_process: list[str]) -> None:
    path = suite.parent / "plug.py"
    path.write_text(path.read_text().replace("return Network([", "return nn.Sequential(*["))
    ended = command("run", suite, "--plugin", "plug.py", "--methods", "elr")
    assert ended.status == 1
    told = f"{path}: network 'narrow': gave Sequential, neither bench.networks.network.Network nor another"
    assert told in " ".join(ended.out.split())


OWN = """
def narrow(num_classes, image_shape):
    import torch
    from torch import nn

    from methods.base import Network

    class Forked(Network):
        def __init__(self):
            super().__init__()
            inputs = image_shape[0] * image_shape[1] * image_shape[2]
            self.left, self.right = nn.Linear(inputs, 8), nn.Linear(inputs, 16)
            self.head = nn.Linear(24, num_classes)
            self.feature_size = 24

        @property
        def blocks(self):
            return nn.ModuleList([nn.ModuleList([self.left, self.right]), self.head])

        def features(self, images):
            flat = images.flatten(1)
            return torch.cat([self.left(flat), self.right(flat)], 1).relu()

        def classify(self, features):
            return self.head(features)

    return Forked()
"""


@pytest.mark.parametrize("precision", ["fp32", "bf16"])
def test_a_network_with_passes_of_its_own_is_used_like_others(precision: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    names: dict[str, Any] = {}
    exec(OWN, names)
    info = networks.NetworkInfo("forked", "Forked", "two branches", names["narrow"], (1, 8, 8))
    monkeypatch.setitem(networks.NETWORKS._entries, "forked", info)
    torch.manual_seed(0)
    network = networks.build("forked", 3, (1, 8, 8), precision=precision, channels_last=True)
    images = torch.rand(5, 1, 8, 8)
    features = network.features(images)
    assert (features.shape, features.dtype, network.feature_size) == ((5, 24), torch.float32, 24)
    assert torch.equal(network(images), network.classify(features))
    assert network.classify(features).dtype == torch.float32
    assert network.counter.trained == 10
    plain = names["narrow"](3, (1, 8, 8))
    plain.load_state_dict({name.removeprefix("own."): value for name, value in network.state_dict().items()})
    assert torch.allclose(plain(images), network(images), atol=1e-6 if precision == "fp32" else 0.05)
    before = copy.deepcopy(network.state_dict())
    network.reinitialise(network.blocks[-1], torch.Generator().manual_seed(1))
    changed = {name for name, value in network.state_dict().items() if not torch.equal(value, before[name])}
    assert changed == {"own.head.weight", "own.head.bias"}


def test_a_run_with_a_network_of_passes_of_its_own(suite: Path, command: Command, in_process: list[str]) -> None:
    path = suite.parent / "plug.py"
    text = path.read_text()
    start = text.index("def narrow(")
    path.write_text(text[:start] + OWN.lstrip() + text[text.index("\n\nOPTIMIZERS", start) :])
    ended = command("run", suite, "--plugin", "plug.py", "--methods", "elr")
    assert ended.status == 0, ended.out + ended.err
    assert in_process
