"""The types of what leaves a function: a specification is its JSON and back, a record and a row have their keys."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, NotRequired, get_origin, get_type_hints

import pytest
from command_line import HOME
from small_runs import published, specification

from common import plan, record, row
from common.specification import Specification, as_json, read
from results import frame
from results.record import address, canonical

REFERENCE = HOME / "results" / "reference"


def reference_records() -> list[dict[str, Any]]:
    """A record of each file of the published results."""
    files = sorted(REFERENCE.rglob("*.jsonl"))
    return [json.loads(file.read_text().splitlines()[0]) for file in files]


def required(kind: type) -> set[str]:
    """The keys that a typed dictionary always has."""
    hints = get_type_hints(kind, include_extras=True)
    return {name for name, hint in hints.items() if get_origin(hint) is not NotRequired}


@pytest.mark.parametrize("found", reference_records(), ids=lambda found: str(found["address"][:8]))
def test_a_specification_is_its_json_and_back(found: dict[str, Any]) -> None:
    spec = read(found["spec"])
    assert json.dumps(spec.as_json(), sort_keys=True) == json.dumps(found["spec"], sort_keys=True)
    assert address(spec) == found["address"] == address(found["spec"])
    assert read(spec.as_json()) == spec


def test_a_key_at_its_default_changes_no_address_and_another_value_does() -> None:
    spec = specification("elr")
    assert not {"compile", "sampling", "noise_rate"} & spec.as_json().keys()
    assert {"content", "file", "copies"} & as_json(spec.dataset).keys() == set()
    sampled = specification("elr", "training.sampling={ batches = 2 }")
    assert as_json(sampled)["sampling"] == {"batches": 2, "balanced": True, "fresh": True}
    assert canonical(spec) == canonical(spec.as_json()) != canonical(sampled)


def test_a_record_with_few_keys_is_read() -> None:
    """Of older protocols and of others' making: only what every record is checked for has to be there."""
    least = {
        "protocol": 1, "dataset": {"name": "digits"}, "noise": {"model": "clean", "rate": 0.0},
        "method": {"name": "elr"}, "network": "digits_cnn", "epochs": 2, "batch_size": 4, "seed": 0,
    }  # fmt: skip
    spec = read({**least, "augmentation": {"crop": 3}, "unheard_of": 1})
    assert isinstance(spec, Specification)
    assert (spec.dataset.subset, spec.noise.options, spec.precision, spec.augmentation.crop) == (None, {}, "", 3)
    for key in least:
        with pytest.raises(KeyError, match=key):
            read({name: value for name, value in least.items() if name != key})


def test_what_is_written_has_the_keys_of_its_type(tmp_path: Path) -> None:
    made = published(tmp_path, specification("co_teaching", "data.validation={source='inside', size=20}"))
    for part, kind in [
        ("", record.Record), ("titles", record.Titles), ("data", record.DataFacts), ("noise", record.NoiseFacts),
        ("curves", record.Curves), ("final", record.Final), ("health", record.Health), ("cost", record.Cost),
        ("execution", record.Execution),
    ]:  # fmt: skip
        found = made[part] if part else made
        assert found.keys() <= get_type_hints(kind).keys(), part
        assert required(kind) <= found.keys(), part
    assert frame.row(made).keys() == get_type_hints(row.FrameRow).keys() == set(frame.COLUMNS) - set(frame.OF_PLANS)  # type: ignore[arg-type]


def test_a_plan_has_the_keys_of_its_type() -> None:
    for file in sorted(REFERENCE.rglob("*.plan.json")):
        found = json.loads(file.read_text())
        assert found.keys() <= get_type_hints(plan.Plan).keys(), file
        assert required(plan.Plan) <= found.keys()
        for cell in found["cells"]:
            assert cell.keys() <= get_type_hints(plan.PlanCell).keys(), file
