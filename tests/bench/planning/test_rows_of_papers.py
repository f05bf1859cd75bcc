"""Rows of `reproduce` suites: what their papers have of their own, what they declare, and how it is listed."""

from __future__ import annotations

import json
from itertools import pairwise
from pathlib import Path

import pytest
from command_line import Command

from bench.api.planned import plan_suite
from bench.planning import spec
from bench.planning import suite as suites
from tests.user_files.case import write_images, write_list

HEAD = """
title = "Two papers"
purpose = "reproduce"
source = "the first paper"
seeds = 2
data = { name = "digits" }
noise = [{ model = "symmetric", rates = [0.2, 0.4] }, { model = "asymmetric", rate = 0.4 }]
training = { network = "digits_cnn", epochs = 3 }

[methods.cross_entropy]

[methods.elr]
source = "the second paper"
noise = { model = "symmetric_excluding" }
validation = { source = "inside", size = 0.1 }
select = "noisy_validation"
deviations = ["epochs: three, since this is a test", "two seeds"]
hyper = { penalty = 7.0 }
sources = { "hyper.penalty" = "its appendix" }
[[methods.elr.when]]
model = "asymmetric"
noise = { options = { sampling = "per_sample" } }
deviations = ["the map is ours"]
"""


def planned(text: str, tmp_path: Path) -> list[spec.Cell]:
    file = tmp_path / "papers.toml"
    file.write_text(text)
    whole = suites.validate(suites.read(file), str(file))
    return spec.cells(whole, str(file), "cpu", whole.seeds)[0]


def test_a_row_is_trained_as_its_paper_has_it_and_stands_in_the_suites_columns(tmp_path: Path) -> None:
    cells = {(cell.row, cell.setting): cell for cell in planned(HEAD, tmp_path)}
    own, shared = cells["elr", "symmetric 20%"], cells["cross_entropy", "symmetric 20%"]
    assert (own.spec.noise.model, own.spec.noise.rate) == ("symmetric_excluding", 0.2)
    assert own.column == shared.spec.noise
    assert own.spec.dataset.validation.source == "inside"
    assert shared.spec.dataset.validation.source == "none"
    assert own.claim.selection == "noisy_validation"
    assert cells["elr", "asymmetric 40%"].spec.noise.options["sampling"] == "per_sample"
    assert cells["elr", "asymmetric 40%"].claim.deviations[-1] == "the map is ours"
    assert shared.claim.deviations == ()


@pytest.mark.parametrize("seeds", ["2", "3,4"])
def test_a_dry_run_tells_once_for_all_seeds_in_what_a_row_deviates(
    command: Command, tmp_path: Path, seeds: str
) -> None:
    (tmp_path / "papers.toml").write_text(HEAD)
    ended = command("run", "papers.toml", "--dry-run", "--seeds", seeds)
    assert ended.status == 0, ended.err
    assert ended.out.count("deviates: two seeds\n") == 3, "once in each setting"


def test_what_a_row_declares_is_in_the_plan_and_not_in_the_address(tmp_path: Path) -> None:
    cells = planned(HEAD, tmp_path)
    whole = suites.validate(suites.read(tmp_path / "papers.toml"), "papers.toml")
    found = {cell["method"]: cell for cell in spec.plan("papers", whole, cells)["cells"]}
    assert found["elr"]["selection"] == "noisy_validation"
    assert found["elr"]["deviations"][:2] == ["epochs: three, since this is a test", "two seeds"]
    assert "deviations" not in found["cross_entropy"]
    silent = HEAD.replace('deviations = ["epochs: three, since this is a test", "two seeds"]\n', "")
    assert [cell.address for cell in planned(silent, tmp_path)] == [cell.address for cell in cells]


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ('"reproduce"', '"compare"', "key 'methods.elr.noise': in a `compare` suite all rows share it"),
        ('"symmetric_excluding"', '"symetric_excluding"', "did you mean 'symmetric_excluding'"),
        ('"noisy_validation"', '"noisy_validations"', "key 'methods.elr.select': unknown selection rule"),
        ('validation = { source = "inside", size = 0.1 }\n', "", "'noisy_validation' needs a validation set"),
        ("size = 0.1 }", "size = 5000 }", "key 'methods.elr.validation.size' = 5000"),
        ("size = 0.1 }", "size = 0.1, stratify = true }", "did you mean 'stratified'"),
        ('deviations = ["the map is ours"]', 'deviations = "the map is ours"', "must be a list"),
        ('deviations = ["the map is ours"]', "deviations = [1]", "deviations.0"),
        ('noise = { model = "symmetric_excluding" }', "noise = { rate = 0.3 }", "unknown key 'methods.elr.noise.rate'"),
    ],
)
def test_bad_rows_are_refused_in_one_line(command: Command, tmp_path: Path, old: str, new: str, said: str) -> None:
    assert old in HEAD
    (tmp_path / "papers.toml").write_text(HEAD.replace(old, new, 1))
    ended = command("run", str(tmp_path / "papers.toml"), "--dry-run")
    assert ended.status == 2
    assert ended.err.count("\n") == 1
    assert said in ended.err


def test_rows_are_listed_with_the_source_of_each_value(command: Command, tmp_path: Path) -> None:
    (tmp_path / "papers.toml").write_text(HEAD)
    ended = command("list", "rows", str(tmp_path / "papers.toml"))
    assert ended.status == 0
    lines = [" ".join(line.split()) for line in ended.out.splitlines()]
    row = lines.index(next(line for line in lines if line.endswith("(elr)")))
    assert "deviates (asymmetric 40%): the map is ours" in lines[row:]
    assert "hyper.penalty 7 its appendix" in lines[row:]
    assert "noise.model symmetric_excluding (symmetric 20%, symmetric 40%) the second paper" in lines[row:]
    assert "epochs 3 the suite's: the first paper" in lines[row:]
    assert "hyper.momentum 0.7 the method's default" in lines[row:]


def test_a_value_that_a_condition_sets_has_the_rows_source_where_it_holds_alone(
    command: Command, tmp_path: Path
) -> None:
    further = "hyper = { momentum = 0.9 }\ntraining = { epochs = 5, optimizer = { lr = 0.5 } }\n"
    (tmp_path / "papers.toml").write_text(HEAD + further)
    entries = json.loads(command("list", "rows", str(tmp_path / "papers.toml"), "--json").out)
    found = {entry["setting"]: entry["values"] for entry in entries if entry["row"] == "elr"}
    for key, of_others in (("epochs", "the suite's"), ("optimizer.lr", "the suite's"),
                           ("hyper.momentum", "the method's default")):  # fmt: skip
        sources = {setting: values[key]["source"] for setting, values in found.items()}
        assert sources == {
            "symmetric 20%": of_others, "symmetric 40%": of_others, "asymmetric 40%": "the second paper"
        }, key  # fmt: skip


def test_rows_are_listed_as_json_for_every_setting(command: Command, tmp_path: Path) -> None:
    (tmp_path / "papers.toml").write_text(HEAD)
    found = json.loads(command("list", "rows", str(tmp_path / "papers.toml"), "--json").out)
    assert [(entry["row"], entry["setting"]) for entry in found].count(("elr", "symmetric 20%")) == 1
    own = next(entry for entry in found if entry["row"] == "elr")
    assert own["values"]["selection"] == {"value": "noisy_validation", "source": "the second paper"}
    assert own["values"]["seeds"]["value"] == 2


@pytest.mark.parametrize("arguments", [("rows",), ("methods", "quick"), ("rows", "quik")])
def test_a_suite_is_named_for_rows_and_for_nothing_else(command: Command, arguments: tuple[str, ...]) -> None:
    ended = command("list", *arguments)
    assert ended.status == 2
    assert ended.err.count("\n") == 1


def test_rows_of_own_images_are_listed_from_their_folder(command: Command, tmp_path: Path) -> None:
    write_list(tmp_path / "data", write_images(tmp_path / "data"))
    absent = command("list", "rows", "own-images", "--data", tmp_path / "other")
    assert absent.status == 2 and absent.err.count("\n") == 1
    ended = command("list", "rows", "own-images", "--data", tmp_path / "data")
    assert ended.status == 0 and "(cross_entropy)" in ended.out
    ended = command("list", "suites", "--data", tmp_path / "data")
    assert (ended.status, ended.out) == (2, "")
    assert ended.err == "error: --data: for `list rows SUITE` alone: list suites reads no data\n"


def test_a_dry_run_says_what_each_row_has_of_its_own_at_each_level(command: Command) -> None:
    lines = command("run", "divide-mix-style", "--methods", "divide_mix", "--dry-run").out.splitlines()
    told = {line.split(", seed")[0].split("  ")[-1]: below for line, below in pairwise(lines)}
    weights = {place: text for place, text in told.items() if "hyper.guessed_weight" in text}
    assert len(weights) == 9
    assert "hyper.guessed_weight 0," in weights["cifar10: DivideMix, symmetric 20%"]
    assert "hyper.guessed_weight 50," in weights["cifar10: DivideMix, symmetric 90%"]
    assert "hyper.threshold 0.6" in weights["cifar100: DivideMix, symmetric 90%"]
    assert "hyper.guessed_weight 0," in weights["cifar10: DivideMix, asymmetric 40%"]


@pytest.mark.parametrize(
    ("asked", "imposed", "found"),
    [
        ([], {"epochs": 2}, (2, "preact_resnet18", 0.02)),
        (["training.epochs=3"], {}, (3, "preact_resnet18", 0.02)),
        (["training.network=small_cnn", "training.optimizer.lr=0.5"], {}, (301, "small_cnn", 0.5)),
        (["methods.divide_mix.training.epochs=4", "training.epochs=3"], {}, (4, "preact_resnet18", 0.02)),
    ],
)
def test_what_is_asked_for_goes_over_a_papers_table(
    asked: list[str], imposed: dict[str, int], found: tuple[int, str, float]
) -> None:
    cells = plan_suite("divide-mix-style", asked, "divide_mix", 1, imposed, "cpu").cells
    assert {(cell.spec.epochs, cell.spec.network, cell.spec.optimizer["lr"]) for cell in cells} == {found}
