"""What a method's paper used: declared with sources, checked, followed by rows of suites, printed by `show`."""

from __future__ import annotations

import copy
import json
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import registries
from command_line import Command
from small_runs import TABLES

from bench.planning import procedure, spec, spec_data, suite
from bench.planning.settings import Training, TrainingOverride
from bench.recipe.validation import validate_part
from common.errors import UserError
from datasets import noise_models
from datasets import registry as datasets
from datasets.views import VIEW_POLICIES
from methods import published, registry
from methods.hyper import MethodError

ROOT = Path(__file__).resolve().parents[2]
DECLARING = [info for info in registry.registered().values() if info.published]
OWN = """
from methods.base import Method
from methods.hyper import real


class Paper(Method):
    name = "paper"
    title = "Paper"
    year = 2026
    reference = "a test"
    hyper = {"strength": real(1.0, 0, 10, source="a test")}
    published = (
        {
            "dataset": "digits", "noise": ("symmetric",), "rates": (0.5,), "hyper": {"strength": 2.0},
            "training": {"epochs": 7, "optimizer": {"lr": 0.3}}, "source": "Table 1", "deviations": ("no dropout",),
        },
        {"dataset": "digits", "hyper": {"strength": 3.0}, "source": "Table 2"},
    )

    def loss(self, batch):
        return self.network(batch.views[0]).mean()


class Child(Paper):
    name = "child"
    title = "Child"
"""


SET = {"epochs", "optimizer.lr", "hyper.strength"}


@pytest.fixture
def paper(tmp_path: Path) -> Iterator[Path]:
    path = tmp_path / "paper.py"
    path.write_text(OWN)
    with registries.as_before():
        registry.add_file(path)
        yield path


@pytest.mark.parametrize("info", DECLARING, ids=lambda info: info.name)
def test_built_in_tables_name_what_exists(info: Any) -> None:
    for entry in info.published:
        assert entry["dataset"] in datasets.DATASETS
        assert all(model in noise_models.NOISE_MODELS for model in entry.get("noise", ()))
        override = validate_part(TrainingOverride, entry.get("training", {}), info.name)
        usual = {"network": "resnet34", "epochs": 1}
        validate_part(Training, {**usual, **override.model_dump(exclude_unset=True)}, info.name)
        assert entry["source"]


def test_a_list_of_methods_reads_no_papers_tables() -> None:
    code = (
        "from pathlib import Path; from methods import registry, sources\n"
        "with sources.noting() as files: registry.registered()\n"
        "print([path.name for path in files if path.parent.name == 'papers'])\n"
        "with sources.noting() as files: registry.info('elr').published\n"
        "print([path.name for path in files if path.parent.name == 'papers'])"
    )
    said = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    assert said.splitlines() == ["[]", "['elr.py']"]


@pytest.mark.parametrize("name", registry.registered())
def test_a_built_in_method_keeps_the_contract_that_plug_ins_keep(name: str) -> None:
    assert registry.info(name).sound.name == name


def test_balanced_samples_of_clothing1m_stop_at_the_share_of_a_class() -> None:
    entries = [entry for info in DECLARING for entry in info.published if entry["dataset"] == "clothing1m"]
    drawn = [dict(entry["training"])["sampling"] for entry in entries if "sampling" in entry.get("training", {})]
    assert len(drawn) > 3 and all(sampling["top_up"] is False for sampling in drawn), "as all their loaders do"


def test_cal_on_cifar100_weighs_its_prior_tenfold() -> None:
    entries = registry.info("cal").published
    number = published.matching(entries, "cifar100", "instance_dependent", 0.4)
    assert number is not None
    hyper = entries[number].get("hyper", {})
    assert (hyper["first_weight"], hyper["weight"]) == (10.0, 10.0), "the authors have the factor in the prior"


WITHOUT = {
    "backward_correction", "backward_correction_estimated", "forward_correction", "forward_correction_estimated",
    "bootstrap_hard", "bootstrap_soft", "label_smoothing", "gce", "nce_mae", "sop", "cdr", "car", "cross_entropy",
}  # fmt: skip
"""Methods of whose papers' training too little was read to say it for a data set."""


def test_all_methods_declare_it_but_those_of_which_it_is_not_known() -> None:
    assert {info.name for info in DECLARING} == registry.registered().keys() - WITHOUT


@pytest.mark.parametrize("info", DECLARING, ids=lambda info: info.name)
def test_each_entry_of_a_built_in_table_can_be_planned(info: Any, tmp_path: Path) -> None:
    for number, entry in enumerate(info.published):
        of_images = entry["dataset"] not in ("cifar10", "cifar100")
        for model in entry.get("noise", ("own" if of_images else "symmetric",)):
            given = entry.get("rates", (0.4,))[0] if noise_models.info(model).takes_rate else None
            tables = {
                "title": "One entry", "purpose": "reproduce", "seeds": 1, "noise": [{"model": model, "rate": given}],
                "data": {"name": entry["dataset"], "trusted": {"size": 1000} if "trusted" in info.needs else None},
                "training": {"network": "resnet50" if of_images else "resnet18", "epochs": 200},
                "methods": {info.name: {"published": True}},
            }  # fmt: skip
            [part] = suite.parts(tables, "s.toml")
            [cell], _ = spec.cells(part, "s.toml", "cpu", 1, spec_data.describe(part, "s.toml", tmp_path))
            assert published.matching(info.published, entry["dataset"], model, given or 0.0) == number
            hyper = entry.get("hyper", {})
            assert {key: cell.spec.method.hyper.get(key, value) for key, value in hyper.items()} == hyper
            assert cell.spec.augmentation.strong in (None, *VIEW_POLICIES.names)


def cells(row: dict[str, Any], rate: float = 0.5, name: str = "paper", **top: Any) -> tuple[list[spec.Cell], Any]:
    tables = copy.deepcopy({**TABLES, "methods": {name: row}, **top})
    tables["noise"][0]["rate"] = rate
    [part] = suite.parts(tables, "s.toml")
    return spec.cells(part, "s.toml", "cpu", 1)[0], part


def test_a_row_follows_the_first_entry_that_fits_and_names_its_source(paper: Path) -> None:
    [cell], part = cells({"published": True})
    assert (cell.spec.epochs, cell.spec.optimizer["lr"], cell.spec.method.hyper) == (7, 0.3, {"strength": 2.0})
    assert cell.spec.batch_size == 25
    assert cell.claim.deviations == ("no dropout",)
    sources = {key: procedure.source_of(key, cell, part.methods["paper"]) for key in procedure.procedure(cell, part)}
    assert {key for key, source in sources.items() if source == "Table 1"} == {
        "epochs",
        "optimizer.lr",
        "hyper.strength",
    }
    [other], _ = cells({"published": True}, 0.2)
    assert (other.spec.epochs, other.spec.method.hyper) == (3, {"strength": 3.0})


def test_what_the_row_states_goes_over_it(paper: Path) -> None:
    row = {"published": True, "source": "the row's", "hyper": {"strength": 4.0}, "training": {"epochs": 5}}
    [cell], part = cells(row)
    assert (cell.spec.epochs, cell.spec.optimizer["lr"], cell.spec.method.hyper) == (5, 0.3, {"strength": 4.0})
    sources = [procedure.source_of(key, cell, part.methods["paper"]) for key in sorted(SET)]
    assert sources == ["the row's", "the row's", "Table 1"]


@pytest.mark.parametrize(
    ("row", "name", "top", "message"),
    [
        (
            {"published": True},
            "child",
            {},
            "no settings of its paper for digits, symmetric 50% (has: none)",
        ),
        ({"published": True}, "paper", {"purpose": "compare"}, "key 'methods.paper.published': in a `compare` suite"),
        ({"published": 1}, "paper", {}, "key 'methods.paper.published' = 1"),
    ],
)
def test_a_row_that_cannot_follow_it_is_refused(
    row: dict[str, Any], name: str, top: dict[str, Any], message: str, paper: Path
) -> None:
    with pytest.raises(UserError) as fault:
        cells(row, name=name, **top)
    assert message in str(fault.value)


FAULTS = {
    "unknown key": (
        '"source": "Table 2"',
        '"sourse": "Table 2"',
        "entry 1: unknown key 'sourse'; did you mean",
    ),
    "no source": (', "source": "Table 2"', "", "entry 1 lacks 'source'"),
    "no data set": ('{"dataset": "digits", "hyper"', '{"hyper"', "entry 1 lacks 'dataset'"),
    "rate": ("(0.5,)", "(50,)", "entry 0: key 'rates' = (50,): must be numbers in [0, 1]"),
    "hyper": ('{"strength": 3.0}', '{"strenght": 3.0}', "unknown hyper-parameter 'strenght'; did you mean 'strength'"),
    "bounds": ('{"strength": 3.0}', '{"strength": 30.0}', "must lie in [0.0, 10.0]"),
    "kind": ('"noise": ("symmetric",)', '"noise": "symmetric"', "key 'noise' = 'symmetric': must be of type tuple"),
    "no literal": ('"source": "Table 2"', '"source": open("x")', "`published` must be a plain literal"),
}


@pytest.mark.parametrize("case", FAULTS)
def test_a_table_that_is_wrong_is_told_with_file_and_line(case: str, tmp_path: Path) -> None:
    before, after, message = FAULTS[case]
    assert before in OWN
    path = tmp_path / "wrong.py"
    path.write_text(OWN.replace(before, after))
    with registries.as_before(), pytest.raises(MethodError) as fault:
        registry.add_file(path)
    assert message in str(fault.value) and str(fault.value).startswith(f"{path}, line 1")


def test_what_was_read_is_what_is_imported(paper: Path) -> None:
    assert registry.load("paper").published == registry.info("paper").published
    assert registry.load("child") and registry.info("child").published == ()
    assert published.place(registry.info("paper").published[0]) == "digits symmetric 0.5"


def test_show_prints_a_method(command: Command, refused: Callable[..., str], tmp_path: Path) -> None:
    path = tmp_path / "paper.py"
    path.write_text(OWN)
    said = command("show", "paper", "--plugin", path).out
    for words in ("Paper (paper)", "strength", "0 to 10", "its paper, digits symmetric 0.5: Table 1", "hyper.strength"):
        assert words in said
    assert "deviates: no dropout" in said
    [found] = json.loads(command("show", "elr", "--json").out)
    assert (found["kind"], found["name"], found["hyper"]["penalty"]["default"]) == ("method", "elr", 3.0)
    assert found["published"][0]["training"]["network"] == "resnet34"
    assert "did you mean 'elr'" in refused("show", "ell", "--plugin", path)
