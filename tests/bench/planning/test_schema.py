"""What is made from the models of suite files: the JSON Schema and the key tables, both as committed."""

from __future__ import annotations

import copy
import json
import tomllib
from typing import Any

import jsonschema
import pytest
from command_line import HOME, SUITE, Command
from pydantic import BaseModel

from bench.planning import reference as suite_reference
from bench.planning import settings, suite
from bench.recipe import settings as kind_settings
from bench.recipe.tables import Table
from bench.tuning import tuned_suite
from common.errors import UserError

VALIDATOR = jsonschema.Draft202012Validator(suite_reference.suite_schema())
TABLES = tomllib.loads(SUITE.format(seeds=2, epochs=3) + "[methods.elr]\nwhen = [{ rates = [0.5] }]\n")


def test_the_committed_files_are_not_stale() -> None:
    for path, text in suite_reference.files().items():
        assert path.read_text(encoding="utf-8") == text, f"{path} is stale: run `python -m bench.planning.reference`"


def test_a_changed_model_makes_them_stale(monkeypatch: pytest.MonkeyPatch) -> None:
    before = suite_reference.files()

    class Suite(settings.Suite):
        novelty: int = settings.Field(3, description="a new key")

    monkeypatch.setattr(suite_reference, "Suite", Suite)
    after = suite_reference.files()
    assert all(before[path] != after[path] for path in before)
    page = after[HOME / "docs" / "suite-files.md"]
    assert "| `novelty` | whole number | `3` | a new key |" in page


def test_the_command_prints_the_schema(command: Command) -> None:
    ended = command("schema")
    assert ended.status == 0
    printed = json.loads(ended.out)
    jsonschema.Draft202012Validator.check_schema(printed)
    assert printed == json.loads((HOME / "docs" / "suite.schema.json").read_text())


@pytest.mark.parametrize("name", suite.names())
def test_built_in_suites_and_what_tune_writes_agree_with_the_schema(name: str) -> None:
    path = suite.locate(name)
    tables = suite.read(path)
    assert [error.message for error in VALIDATOR.iter_errors(tables)] == []
    written = tomllib.loads(tuned_suite.toml_text(tuned_suite.written_out(tables, str(path)), name))
    assert [error.message for error in VALIDATOR.iter_errors(written)] == []


FAULTS: dict[str, Any] = {
    "titel": 1,
    "purpose": "comparison",
    "seeds": 1001,
    "data": [],
    "noise.0.rate": 1.5,
    "noise.0.rates": [],
    "training.epochs": 10**400,
    "training.batch_size": "3",
    "training.optimizer.lr": 0,
    "training.optimizer.lrr": 1.0,
    "training.optimizer.betas": [0.9, 0.99],
    "training.optimizer": {"name": "adam", "betas": [0.9, 1.0]},
    "training.optimizer.name": "adm",
    "training.schedule": {"name": "cosine", "milestones": [3]},
    "training.schedule.warmup": -1,
    "training.schedule.update": "batch",
    "training.precision": "fp64",
    "methods": {},
    "methods.elr.hypr": {},
    "methods.elr.training": {"optimizer": {"lrr": 0.1}},
    "methods.elr.training.optimizer": {"name": "adam", "momentum": 0.9},
    "methods.elr.training.schedule": {"milestones": [3]},
    "methods.elr.when.0.modl": "clean",
    "methods.elr.trials": -1,
}


def changed(key: str, value: Any) -> dict[str, Any]:
    tables: Any = copy.deepcopy(TABLES)
    here = tables
    *path, last = key.split(".")
    for part in path:
        here = here[int(part)] if isinstance(here, list) else here.setdefault(part, {})
    here[last] = value
    return tables  # type: ignore[no-any-return]


@pytest.mark.parametrize("key", FAULTS)
def test_what_is_refused_is_refused_by_the_schema_too(key: str) -> None:
    assert VALIDATOR.is_valid(TABLES)
    tables = changed(key, FAULTS[key])
    assert not VALIDATOR.is_valid(tables)
    # parts of an override are checked against the whole when a run is planned
    if not key.startswith("methods.elr.training"):
        with pytest.raises(UserError):
            suite.parts(tables, "s.toml")


def test_several_data_sets_and_conditions_are_valid() -> None:
    tables = changed("data", [{"name": "cifar10"}, {"name": "cifar100", "subset": 100}])
    assert VALIDATOR.is_valid(tables)
    assert VALIDATOR.is_valid(changed("methods.elr.training", {"optimizer": {"lr": 0.1}, "epochs": 7}))


def models() -> list[type[BaseModel]]:
    classes = [value for module in (settings, kind_settings) for value in vars(module).values()]
    return [one for one in classes if isinstance(one, type) and issubclass(one, Table) and one is not Table]


@pytest.mark.parametrize("model", models(), ids=lambda model: model.__name__)
def test_every_key_and_table_is_described_and_listed(model: type[BaseModel]) -> None:
    assert model.__doc__
    tables = suite_reference.key_tables()
    for key, field in model.model_fields.items():
        assert field.description, f"{model.__name__}.{key} has no description"
        assert f"| `{key}` | " in tables
        assert field.description.replace("|", "\\|") in tables
