"""The documentation is complete and fresh: generated parts are as they would be made today, and nothing is left out."""

from __future__ import annotations

import inspect
import re

import numpy as np
import pytest
from documentation import HOME, named, prose, spans
from torch import nn

from bench.planning import suite
from bench.reference import methods as method_reference
from bench.reference import noise as noise_reference
from datasets.noise_models import NOISE_MODELS
from methods import base
from methods import registry as methods
from results import frame


def test_the_page_of_methods_is_fresh() -> None:
    message = "stale: run `python -m bench.reference.methods`"
    assert method_reference.PAGE.read_text(encoding="utf-8") == method_reference.text(), message


def test_the_pictures_of_matrices_are_fresh() -> None:
    message = "stale: run `python -m bench.reference.noise`"
    for path, text in noise_reference.files().items():
        assert path.read_text(encoding="utf-8") == text, f"{path.name} is {message}"
    there = {path.name for path in noise_reference.FOLDER.glob("noise-*.svg")}
    assert there == {path.name for path in noise_reference.files()}


@pytest.mark.parametrize("model", noise_reference.SHOWN)
def test_a_picture_shows_its_matrix(model: str) -> None:
    values, names = noise_reference.matrix(model)
    text = noise_reference.svg(values, names)
    cells = 0
    for kept in (True, False):
        color = noise_reference._KEPT if kept else noise_reference._WRONG
        for path in re.findall(rf'fill="{color}"[^>]*d="([^"]+)"', text):
            cells += len(re.findall(r"M\d", path))
    swatches = text.count("%</text>")
    assert cells - swatches == np.count_nonzero(values.round(3) if swatches else (values * 20).round())


def test_every_noise_model_and_option_is_documented() -> None:
    told = named("noise-models.md")
    for name, info in ((model.name, model.info) for model in NOISE_MODELS):
        assert {name, *info.options} <= told, name


def test_every_suite_that_reproduces_is_documented() -> None:
    named = set(spans(prose(HOME / "docs" / "reproduce-a-table.md")))
    for name in suite.names():
        assert suite.read(suite.locate(name))["purpose"] == "compare" or name in named, name


def test_every_part_of_the_contract_is_documented() -> None:
    told = named("contract.md")
    own = {name for name in vars(base.Method) if not name.startswith("_")}
    own |= {name for name in base.Method.__annotations__ if not hasattr(nn.Module, name)}
    handed = set(base.Batch.__annotations__) | set(base.Stage.__annotations__) | set(base.Phase.__annotations__)
    task = {name for name, _ in inspect.getmembers(base.Task, inspect.isfunction) if not name.startswith("_")}
    network = {name for name in vars(base.Network) if not name.startswith("_")}
    network |= set(base.Network.__annotations__)
    declared = set(methods.HyperParameter.__annotations__)
    assert own | handed | task | set(base.Task.__annotations__) | network | declared <= told


def test_every_column_of_the_frame_is_documented() -> None:
    assert set(frame.COLUMNS) <= named("records.md")


def test_every_hyper_parameter_of_car_is_documented() -> None:
    ablations = {"confidence", "correct_targets"}  # the page tells these in words, as suites of theirs do
    assert set(methods.info("car").hyper) - ablations <= named("car.md")
