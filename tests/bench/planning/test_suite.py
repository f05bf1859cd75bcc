"""Suite files: overriding, validation, conditions, expansion into specifications and plans, addresses."""

from __future__ import annotations

import copy
import tomllib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from command_line import write_suite

from bench.api.planned import Planned, plan_suite
from bench.planning import spec, spec_data, suite
from common.errors import UserError
from datasets import registry as datasets
from datasets.base import DataError
from methods import registry
from methods.registry import MethodError
from results.plan import check_plan
from results.record import address, canonical

TABLES = tomllib.loads("""
title = "Two methods"
purpose = "reproduce"
seeds = 2

[data]
name = "digits"
validation = { source = "inside", size = 0.1 }

[[noise]]
model = "symmetric"
rates = [0.2, 0.5]

[[noise]]
model = "clean"

[training]
network = "digits_cnn"
epochs = 4
batch_size = 64
optimizer = { lr = 0.05, momentum = 0.8 }
schedule = { name = "multi_step", milestones = [2, 0.75] }
precision = "fp32"
memorisation_every = 1

[methods.elr]

[methods.slow]
method = "gce"
title = "GCE, slow"
hyper = { q = 0.5 }
training = { optimizer = { lr = 0.01 }, epochs = 8 }
trials = 3
when = [
  { model = "symmetric", rates = [0.5], hyper = { q = 0.6 }, training = { epochs = 6, optimizer.momentum = 0.1 } },
  { model = "symmetric", hyper = { q = 0.4 } },
]
""")

Cells = Callable[..., list[spec.Cell]]


def expand(tables: dict[str, Any], *assignments: str, seeds: int = 1) -> list[spec.Cell]:
    """All cells of the tables, after `--set` of the assignments."""
    mine = copy.deepcopy(tables)
    suite.override(mine, list(assignments))
    return [
        cell for part in suite.parts(mine, "s.toml") for cell in spec.cells(part, "s.toml", "cpu", seeds)[0]
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("text", "value"), [(".5", 0.5), ("-.5", -0.5), ("5.", 5.0), (".5e-3", 0.0005), ("1.2.3", "1.2.3")]
)
def test_a_number_may_lack_the_digit_beside_its_point(text: str, value: object) -> None:
    assert suite.assigned_values([f"momentum={text}"], "momentum=0.5") == {"momentum": value}


def test_set_reaches_tables_and_lists_and_makes_what_is_missing() -> None:
    tables: dict[str, Any] = {"seeds": 1, "noise": [{"rate": 0.1}, {"rate": 0.2}]}
    suite.override(tables, ["seeds=3", "noise.1.rate=0.4", "training.optimizer.lr = 0.5 ", "title=Two words"])
    suite.override(tables, ["methods.elr={hyper={momentum=0.5}}", "data.subset=100", "flag=true", "a='x=y'"])
    assert tables == {
        "seeds": 3,
        "noise": [{"rate": 0.1}, {"rate": 0.4}],
        "training": {"optimizer": {"lr": 0.5}},
        "title": "Two words",
        "methods": {"elr": {"hyper": {"momentum": 0.5}}},
        "data": {"subset": 100},
        "flag": True,
        "a": "x=y",
    }


def test_unknown_keys_are_told_before_other_faults() -> None:
    tables = {**copy.deepcopy(TABLES), "seeds": "many", "titel": "x"}
    with pytest.raises(UserError, match="unknown key 'titel'; did you mean 'title'"):
        suite.validate(tables, "s.toml")


@pytest.mark.parametrize("key", ["title", "purpose", "data", "noise", "training", "methods"])
def test_a_missing_key_is_named(key: str) -> None:
    tables = {name: value for name, value in TABLES.items() if name != key}
    with pytest.raises(UserError, match=f"^s.toml: key '{key}' is missing$"):
        suite.parts(tables, "s.toml")


OWN_DATA = {"own-images"}  # can only be planned where its images lie


@pytest.mark.parametrize("name", sorted(set(suite.names()) - OWN_DATA))
def test_every_built_in_suite_expands(name: str) -> None:
    found = plan_suite(name, [], None, None, {}, "cpu")
    assert len({cell.address for cell in found.cells}) == len(found.cells)
    assert {cell.seed for cell in found.cells} == set(range(found.parts[0].seeds))
    assert {cell.row for cell in found.cells} == set(found.parts[0].methods)
    check_plan(spec.plan(found.name, found.parts[0], found.cells), name)


@pytest.mark.parametrize("name", sorted(OWN_DATA))
def test_a_suite_for_own_data_is_whole_and_asks_for_them(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NOISY_BENCH_DATA", str(tmp_path / "none"))
    path = suite.locate(name)
    assert suite.parts(suite.read(path), str(path))
    with pytest.raises(DataError, match="--data names the folder"):
        plan_suite(name, [], None, None, {}, "cpu")


def test_the_quick_suite_is_what_the_readme_promises() -> None:
    found = plan_suite("quick", [], None, None, {}, "cpu")
    [part] = found.parts
    assert (part.purpose, part.data.name, part.seeds) == ("compare", "digits", 3)
    assert (part.data.validation.source, part.data.validation.size) == ("inside", 0.1)
    assert list(part.methods) == ["cross_entropy", "co_teaching", "elr", "car"]
    assert {cell.setting for cell in found.cells} == {"symmetric 50%", "asymmetric 40%"}
    assert len(found.cells) == 24


def test_cells_are_ordered_by_seed_setting_and_row() -> None:
    found = [(cell.seed, cell.setting, cell.row) for cell in expand(TABLES, seeds=2)]
    settings = ("symmetric 20%", "symmetric 50%", "clean")
    assert found == [(seed, setting, row) for seed in (0, 1) for setting in settings for row in ("elr", "slow")]


def test_rows_of_one_title_are_called_as_in_tables() -> None:
    tables = {**TABLES, "methods": {"elr": {}, "slow": {"method": "gce", "title": "elr "}}}
    found = expand(tables)
    assert [cell.label for cell in found[:2]] == [
        "ELR (elr), symmetric 20%, seed 0",
        "elr  (slow), symmetric 20%, seed 0",
    ]
    assert [cell.title for cell in found[:2]] == ["ELR", "elr "]  # as they are: plans and records keep them so


def test_a_specification_says_everything() -> None:
    elr = expand(TABLES)[0]
    assert elr.title == registry.info("elr").title
    assert elr.label == "ELR, symmetric 20%, seed 0"
    assert elr.spec.as_json() == {
        "protocol": 2,
        "dataset": {
            "name": "digits",
            "version": 1,
            "subset": None,
            "validation": {"source": "inside", "size": 0.1},
            "training_rows": "all",
        },
        "noise": {"model": "symmetric", "rate": 0.2, "options": {"sampling": "exact"}, "version": 1},
        "method": {
            "name": "elr",
            "version": registry.info("elr").version,
            "hyper": {"momentum": 0.7, "penalty": 3.0},
        },
        "scored": "default",
        "noise_rate_error": 0.0,
        "network": "digits_cnn",
        "pretrained": False,
        "epochs": 4,
        "batch_size": 64,
        "optimizer": {
            "name": "sgd", "lr": 0.05, "momentum": 0.8, "nesterov": False, "weight_decay": 5e-4, "clip_norm": None,
        },
        "schedule": {"name": "multi_step", "milestones": [2, 0.75], "factor": 0.1, "warmup": 0, "update": "step"},
        "augmentation": {
            "crop_padding": 0, "padding_mode": "zero", "flip": False, "cutout": 0, "colour_jitter": 0.0,
            "strong_cutout": 8, "strong_colour_jitter": 0.4,
        },
        "precision": "fp32",
        "threads": 1,
        "memorisation_every": 1,
        "seed": 0,
    }  # fmt: skip
    assert elr.address == address(elr.spec)


def test_the_first_condition_that_holds_is_laid_over_the_row() -> None:
    low, high, clean = (cell.spec for cell in expand(TABLES) if cell.row == "slow")
    assert [one.method.hyper["q"] for one in (low, high, clean)] == [0.4, 0.6, 0.5]
    assert [one.epochs for one in (low, high, clean)] == [8, 6, 8]
    assert [one.optimizer["lr"] for one in (low, high, clean)] == [0.01, 0.01, 0.01]
    assert [one.optimizer["momentum"] for one in (low, high, clean)] == [0.8, 0.1, 0.8]
    assert {one.method.name for one in (low, high, clean)} == {"gce"}


def test_a_condition_may_hold_for_one_data_set_alone() -> None:
    tables = copy.deepcopy(TABLES)
    tables["data"] = [{"name": "cifar10"}, {"name": "cifar100"}]
    tables["training"]["network"] = "small_cnn"
    tables["noise"] = [
        {"model": "symmetric", "rate": 0.4},
        {"model": "asymmetric", "rate": 0.3, "datasets": ["cifar10"]},
    ]
    tables["methods"] = {"elr": {"when": [{"dataset": "cifar100", "hyper": {"penalty": 7.0}}]}}
    found = [(cell.spec.dataset.name, cell.setting, cell.spec.method.hyper["penalty"]) for cell in expand(tables)]
    assert found == [
        ("cifar10", "symmetric 40%", 3.0),
        ("cifar10", "asymmetric 30%", 3.0),
        ("cifar100", "symmetric 40%", 7.0),
    ]
    with pytest.raises(UserError, match=r"'noise.datasets': unknown data set 'cifar1000'; did you mean 'cifar100'"):
        expand(tables, 'noise.1.datasets=["cifar1000"]')
    with pytest.raises(UserError, match="no noise entry is for the data set 'cifar100'"):
        expand(tables, 'noise.0.datasets=["cifar10"]')
    with pytest.raises(UserError, match="'cifar10' stands there twice"):
        expand(tables, "data.1.name=cifar10")
    with pytest.raises(UserError, match="an empty list"):
        expand(tables, "data=[]")
    with pytest.raises(DataError, match=r"^s\.toml: unknown data set 'cifra10'; did you mean 'cifar10'"):
        expand(tables, 'methods.elr.when=[{dataset="cifra10"}]')


def test_a_comparison_lets_a_method_have_its_own_rate_and_weight_decay_only() -> None:
    tables = {**copy.deepcopy(TABLES), "purpose": "compare", "methods": {"elr": {}, "gce": {}}}
    own = "methods.gce.training.optimizer={lr=0.01, weight_decay=0.0}"
    found = [(cell.spec.optimizer["lr"], cell.spec.optimizer["weight_decay"]) for cell in expand(tables, own)]
    assert found[:2] == [(0.05, 5e-4), (0.01, 0.0)]
    for key in ("network='small_cnn'", "epochs=5", "batch_size=32", "precision='bf16'", "augmentation={flip=true}",
                "schedule={name='constant'}", "optimizer={name='adam'}", "pretrained=false"):  # fmt: skip
        with pytest.raises(UserError, match="in a `compare` suite"):
            expand(tables, f"methods.gce.training={{{key}}}")


def test_a_row_that_names_another_optimiser_keeps_the_suites_settings_that_it_has() -> None:
    row = "methods.slow.training={optimizer={name='adam', betas=[0.5, 0.9]}}"
    own = expand({**copy.deepcopy(TABLES), "methods": {"slow": {"method": "gce"}}}, row)[0].spec
    assert own.optimizer == {
        "name": "adam", "lr": 0.05, "betas": [0.5, 0.9], "weight_decay": 5e-4, "clip_norm": None,
    }  # fmt: skip
    replaced = "methods.slow.training={schedule={name='linear', start=1}}"
    own = expand({**copy.deepcopy(TABLES), "methods": {"slow": {"method": "gce"}}}, replaced)[0].spec
    assert own.schedule == {"name": "linear", "start": 1, "beta1_after": None, "warmup": 0, "update": "step"}


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ("methods.slow.training.optimizer={name='adam', momentum=0.9}",
         "unknown key 'methods.slow.training.optimizer.momentum' (accepted by optimizer 'adam': name, lr, "),
        ("methods.slow.training.optimizer.lrr=0.1",
         "unknown key 'methods.slow.training.optimizer.lrr'; did you mean 'lr'? (accepted by optimizer 'sgd': name, "),
        ("methods.slow.training.schedule={name='cosine', milestones=[3]}",
         "unknown key 'methods.slow.training.schedule.milestones' (accepted by schedule 'cosine': "),
        ("methods.slow.training.schedule={name='cosin'}",
         "key 'methods.slow.training.schedule.name': unknown schedule 'cosin'; did you mean 'cosine'?"),
        ("methods.slow.when.0.training.optimizer={momentun=0.1}",
         "unknown key 'methods.slow.when.0.training.optimizer.momentun'; did you mean 'momentum'?"),
        # of noise that the suite does not have
        ("methods.slow.when=[{model='pair_flip', training={optimizer={name='adagrad', betas=[0.9, 0.99]}}}]",
         "unknown key 'methods.slow.when.0.training.optimizer.betas'"),
        ("methods.slow.training.augmentation.flp=true",
         "unknown key 'methods.slow.training.augmentation.flp'; did you mean 'flip'?"),
    ],
)  # fmt: skip
def test_a_setting_that_a_rows_optimiser_or_schedule_lacks_is_named_in_full(change: str, expected: str) -> None:
    with pytest.raises(UserError) as caught:
        expand(TABLES, change)
    assert str(caught.value).startswith(f"s.toml: {expected}")


def test_settings_without_an_effect_are_left_out_of_the_address() -> None:
    def first(*assignments: str) -> str:
        return expand(TABLES, *assignments)[0].address

    assert first("training.schedule.milestones=[2.0, 0.75]") == first()  # 2 epochs as 2.0 epochs
    assert first("training.optimizer.weight_decay=0") == first("training.optimizer.weight_decay=0.0")
    none = "data.validation={source='none', size=10}"
    assert first(none) == first("data.validation={source='none'}") != first()


CHANGES = [
    "data.subset=500", "data.validation.size=0.2", "data.validation={source='none'}", "training.epochs=5",
    "noise.0.rates=[0.3]", "noise.0.options.sampling='per_sample'", "noise.0.model='pair_flip'",
    "training.network='digits_cnn_large'", "training.batch_size=32", "training.optimizer.lr=0.1",
    "training.optimizer.momentum=0.9", "training.optimizer.nesterov=true", "training.optimizer.clip_norm=1.0",
    "training.optimizer={name='adam', lr=0.05}", "training.schedule.factor=0.2", "training.schedule.milestones=[3]",
    "training.schedule.warmup=1", "training.schedule.update='epoch'", "training.augmentation.flip=true",
    "training.augmentation.crop_padding=1", "training.precision='bf16'", "training.threads=2",
    "training.memorisation_every=2", "methods.elr.hyper.momentum=0.5", "methods.elr.training_rows='clean_only'",
    "methods.elr.scored='ensemble'", "methods.elr.method='gce'", "noise_rate_error=0.1",
]  # fmt: skip


def test_every_change_of_a_setting_makes_a_new_record() -> None:
    tables = {**TABLES, "methods": {"elr": {}}}
    addresses = [expand(tables, change)[0].address for change in CHANGES]
    assert len({expand(tables)[0].address, *addresses}) == len(CHANGES) + 1


@pytest.mark.parametrize(
    "change",
    ["title='x'", "description='x'", "remark='x'", "select='best_test'", "seeds=7", "paper='x'", "methods.elr.trials=5",
     "methods.elr.title='x'", "methods.elr.source='x'", "methods={elr={}}"],
)  # fmt: skip
def test_what_only_a_report_shows_is_no_part_of_the_address(change: str) -> None:
    assert expand(TABLES, change)[0].address == expand(TABLES)[0].address


def test_equal_specifications_of_different_suites_share_their_record(tmp_path: Path) -> None:
    one = write_suite(tmp_path / "one.toml", methods=("elr", "gce"))
    other = write_suite(tmp_path / "other.toml", methods=("sce", "gce"), seeds=2)
    addresses = [{cell.address for cell in plan(path).cells} for path in (one, other)]
    [shared] = addresses[0] & addresses[1]
    assert shared in {cell.address for cell in plan(one).cells if cell.row == "gce"}


def plan(path: Path) -> Planned:
    return plan_suite(str(path), [], None, None, {}, "cpu")


def test_compiling_is_part_of_the_address_where_it_is_asked_for() -> None:
    tables = copy.deepcopy(TABLES)
    plain = expand(tables)[0]
    suite.override(tables, ["training.compile=true"])
    compiled = expand(tables)[0]
    assert "compile" not in plain.spec.as_json() and compiled.spec.compile is True
    assert compiled.address != plain.address


def test_versions_are_part_of_the_address(monkeypatch: pytest.MonkeyPatch) -> None:
    before = expand(TABLES)[0].address
    monkeypatch.setattr(spec, "PROTOCOL", spec.PROTOCOL + 1)
    assert expand(TABLES)[0].address != before


def test_the_place_of_a_noise_file_is_no_part_of_the_address_but_its_content_is(tmp_path: Path) -> None:
    matrix = 0.8 * np.eye(10) + 0.2 * np.roll(np.eye(10), 1, axis=1)
    tables = copy.deepcopy(TABLES)

    def found(path: Path) -> spec.Cell:
        tables["noise"] = [{"model": "matrix", "options": {"file": str(path)}}]
        return expand(tables)[0]

    for folder in ("here", "there"):
        (tmp_path / folder).mkdir()
        np.save(tmp_path / folder / "chain.npy", matrix)
    here, there = found(tmp_path / "here" / "chain.npy"), found(tmp_path / "there" / "chain.npy")
    assert here.address == there.address
    assert here.setting == "matrix chain"
    assert str(tmp_path) not in canonical(here.spec)
    part = suite.parts(tables, "s.toml")[0]
    info = datasets.info(part.data.name)
    digest = there.spec.noise.options["sha256"]
    assert spec_data.noise_files(part, info) == {digest: tmp_path / "there" / "chain.npy"}
    np.save(tmp_path / "there" / "chain.npy", matrix.T)
    assert found(tmp_path / "there" / "chain.npy").address != here.address


def test_precision_auto_is_resolved_when_a_run_is_planned(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("bench.machine.precision.cpu_has_fast_bfloat16", lambda: True)
    assert expand(TABLES, "training.precision=auto")[0].spec.precision == "bf16"
    monkeypatch.setattr("bench.machine.precision.cpu_has_fast_bfloat16", lambda: False)
    assert expand(TABLES, "training.precision=auto")[0].spec.precision == "fp32"


def test_a_plan_tells_every_cell_whether_it_was_run_or_not() -> None:
    [part] = suite.parts(TABLES, "s.toml")
    cells, _ = spec.cells(part, "s.toml", "cpu", 2)
    found = spec.plan("mine", part, cells)
    check_plan(found, "plan")
    kept = {key: found[key] for key in ("suite", "title", "purpose", "selection", "trials")}
    assert kept == {
        "suite": "mine", "title": "Two methods", "purpose": "reproduce", "selection": "last",
        "trials": {"elr": 0, "slow": 3},
    }  # fmt: skip
    assert len(found["cells"]) == 12
    cell = found["cells"][1]
    assert cell == {
        "address": cells[1].address,
        "dataset": "digits",
        "noise": cells[1].spec.as_json()["noise"],
        "method": "slow",
        "title": "GCE, slow",
        "setting": "symmetric 20%",
        "seed": 0,
        "network": "digits_cnn",
        "spec": cells[1].spec.as_json(),
    }


def test_a_hopeless_setting_is_warned_of() -> None:
    tables = {**TABLES, "noise": [{"model": "pair_flip", "rate": 0.6}, {"model": "pair_flip", "rate": 0.3}]}
    [part] = suite.parts(tables, "s.toml")
    _, warnings = spec.cells(part, "s.toml", "cpu", 1)
    assert len(warnings) == 1
    assert "pair flip 60%" in warnings[0]


def test_faults_of_methods_and_noise_name_the_suite_file() -> None:
    for assignment, kind in (
        ("methods.elr.method=ellr", MethodError),
        ("methods.elr.hyper.momentum=7.0", MethodError),
        ("methods.slow.when=[{model='clean', hyper={q=9.0}}]", MethodError),
        ("noise.0.model=symetric", DataError),
        ("noise.0.options.x=1", DataError),
        ("training.network=digits", UserError),
    ):
        with pytest.raises(kind, match=r"^s\.toml: "):
            expand(TABLES, assignment)
