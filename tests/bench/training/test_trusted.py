"""Trusted samples: a clean set aside, drawn from the seed, for methods that declare it; recorded, and shown."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import bilevel_method
import image_runs
import miniatures
import numpy as np
import pytest
import registries
import torch
from command_line import Command, write_suite
from small_runs import TABLES, published, specification, started
from torch import Tensor

from bench.api.planned import plan_suite
from bench.planning import spec, suite
from bench.training.data import prepare
from bench.training.task import NotCapturable
from common import specification as specified
from common.errors import UserError
from datasets.base import DataError
from methods import registry
from results import frame
from results.record import address, result
from results.store import Store

PLUGIN = Path(bilevel_method.__file__)
TRUSTED = "data.trusted={size=20, per_class=true}"


@pytest.fixture
def bilevel() -> Iterator[str]:
    with registries.as_before():
        registry.add_file(PLUGIN)
        yield "bilevel"


def test_the_set_is_drawn_from_the_seed_class_by_class_and_is_no_training_sample(bilevel: str) -> None:
    data = [prepare(specification(bilevel, TRUSTED, seed=seed), None) for seed in (0, 0, 1)]
    for one in data:
        assert one.trusted is not None
        assert np.bincount(one.trusted.labels).tolist() == [2] * 10
        assert not set(one.trusted_rows) & set(one.rows) and len(one.rows) == len(one.given) == 80
        assert np.array_equal(one.trusted.labels, one.dataset.train.labels[one.trusted_rows])
    assert data[0].trusted_rows.tolist() == data[1].trusted_rows.tolist() != data[2].trusted_rows.tolist()


def test_the_validation_set_and_the_noise_are_those_of_the_other_methods(bilevel: str) -> None:
    inside = "data.validation={source='inside', size=20}"
    ours = prepare(specification(bilevel, TRUSTED, inside), None)
    others = prepare(specification("cross_entropy", inside), None)
    assert ours.validation is not None and others.validation is not None
    assert np.array_equal(ours.validation.given, others.validation.given)  # type: ignore[arg-type]
    assert sorted([*ours.rows, *ours.trusted_rows]) == others.rows.tolist()
    assert ours.noise.fingerprint == others.noise.fingerprint


def test_without_regard_to_classes_any_number_is_drawn(bilevel: str) -> None:
    data = prepare(specification(bilevel, "data.trusted={size=13, per_class=false}"), None)
    assert data.trusted is not None and len(data.trusted.labels) == 13


def test_a_method_draws_batches_of_all_its_views(bilevel: str, monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(registry.load(bilevel), "views", ("weak", "plain"))
        run = started(specification(bilevel, TRUSTED))[0]
    trusted = run.task.trusted
    drawn = [trusted.batch(8) for _ in range(6)]
    assert [len(batch.labels) for batch in drawn] == [8, 8, 4] * 2
    assert sorted(torch.cat([batch.index for batch in drawn[:3]]).tolist()) == list(range(20))
    assert all(torch.equal(batch.labels, trusted.labels[batch.index]) for batch in drawn)
    assert all(len(batch.views) == 2 and batch.views[0].shape == (len(batch.labels), 1, 8, 8) for batch in drawn)
    assert drawn[0].index.tolist() != drawn[3].index.tolist()
    run.task.seed_epoch(0)
    assert torch.equal(trusted.batch(8).views[0], drawn[0].views[0])


def test_what_a_function_gives_for_all_of_them(bilevel: str) -> None:
    run = started(specification(bilevel, TRUSTED))[0]
    means = run.task.trusted.evaluate(lambda images: images.mean((1, 2, 3)))
    [images] = run.task.trusted.batch(20).views
    assert isinstance(means, Tensor) and means.shape == (20,)
    assert torch.allclose(images.mean((1, 2, 3)).sort()[0], means.sort()[0])


def test_a_captured_step_draws_none(bilevel: str) -> None:
    task = started(specification(bilevel, TRUSTED))[0].task
    task.sealed = True
    for ask in (lambda: task.trusted.batch(2), lambda: task.trusted.evaluate(lambda images: images)):
        with pytest.raises(NotCapturable, match="trusted samples"):
            ask()


def test_who_does_not_declare_them_gets_none() -> None:
    with pytest.raises(PermissionError, match="trusted"):
        print(started(specification("cross_entropy"))[0].task.trusted)


def test_addresses_of_other_rows_stay(bilevel: str) -> None:
    tables = suite_tables({bilevel: {}, "cross_entropy": {}}, trusted={"size": 20})
    without = suite_tables({"cross_entropy": {}})
    ours, theirs = planned(tables)
    assert address(theirs) == address(planned(without)[0])
    assert "trusted" not in theirs.as_json()["dataset"]
    assert ours.as_json()["dataset"]["trusted"] == {"size": 20, "per_class": True}
    assert specified.read(ours.as_json()) == ours


def suite_tables(methods: dict[str, Any], **data: Any) -> dict[str, Any]:
    return {**TABLES, "data": {**TABLES["data"], **data}, "methods": methods}


def planned(tables: dict[str, Any]) -> list[specified.Specification]:
    [part] = suite.parts(tables, "s.toml")
    return [cell.spec for cell in spec.cells(part, "s.toml", "cpu", 1)[0]]


REFUSED: dict[str, tuple[str, dict[str, Any] | None, str]] = {
    "without": (
        "bilevel",
        None,
        "s.toml: methods.bilevel: the method needs samples with true labels, and key 'data.tr",
    ),
    "unused": ("elr", {"size": 20}, "s.toml: key 'data.trusted': no method of the suite uses samples with true labels"),
    "all": ("bilevel", {"size": 100}, "key 'data.trusted.size' = 100: must leave some of the 100 training images"),
    "odd": ("bilevel", {"size": 25}, "key 'data.trusted.size' = 25: per class, a multiple of 10, the classes"),
    "none": ("bilevel", {"size": 0}, "key 'data.trusted.size' = 0: must be greater than or equal to 1"),
    "misspelt": ("bilevel", {"sise": 10}, "unknown key 'data.trusted.sise'; did you mean 'size'?"),
    "no number": ("bilevel", {"size": 0.1}, "key 'data.trusted.size' = 0.1"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_cannot_be_is_refused_in_a_line(case: str, bilevel: str) -> None:
    method, trusted, message = REFUSED[case]
    with pytest.raises(UserError) as fault:
        planned(suite_tables({method: {}}, **({} if trusted is None else {"trusted": trusted})))
    assert message in str(fault.value) and "\n" not in str(fault.value)


def test_a_class_that_is_too_small_is_told(bilevel: str) -> None:
    given = specification(bilevel, "data.trusted={size=90}")
    with pytest.raises(DataError, match=r"digits: class \d has fewer than 9 images to be trusted"):
        prepare(given, None)


def test_chosen_rows_that_use_none_leave_it_out(bilevel: str, tmp_path: Path) -> None:
    path, told = write_suite(tmp_path / "mixed.toml", methods=("bilevel", "elr")), ["data.trusted={size=20}"]
    found = plan_suite(str(path), told, "elr", None, {}, "cpu")
    assert {cell.row for cell in found.cells} == {"elr"}
    assert all(cell.spec.dataset.trusted is None for cell in found.cells)
    found = plan_suite(str(path), told, "bilevel", None, {}, "cpu")
    assert all(cell.spec.dataset.trusted is not None for cell in found.cells)


def test_a_record_says_how_many_and_which_and_tables_show_it(bilevel: str, tmp_path: Path) -> None:
    given = replace(specification(bilevel, TRUSTED), epochs=2)
    record = published(tmp_path, given, plugins=(PLUGIN,))
    assert record["privileges"] == ["20 trusted samples"]
    assert (record["data"]["num_train"], record["data"]["num_trusted"]) == (80, 20)
    arrays = Store(tmp_path).arrays(record["address"])
    assert arrays["trusted_index"].tolist() == prepare(given, None).trusted_rows.tolist()
    assert list(frame.load(tmp_path)["privileges"]) == [("20 trusted samples",)]


def test_image_files_give_the_same_record_whatever_reads_them(bilevel: str, tmp_path: Path) -> None:
    miniatures.write_folder(tmp_path / "data")
    told = "data.trusted={size=8, per_class=true}"
    one, two = (
        image_runs.executed(
            "own-images", tmp_path / "data", tmp_path / f"{workers}", bilevel, told, epochs=2, workers=workers
        )[0]
        for workers in (0, 2)
    )
    assert one["data"]["num_trusted"] == 8
    assert result(one) == result(two)  # type: ignore[arg-type]


def test_commands_show_it(command: Command, tmp_path: Path) -> None:
    suite_file = write_suite(tmp_path / "told.toml", epochs=2, methods=("bilevel",))
    chosen = ("--plugin", PLUGIN, "--out", tmp_path / "out", "--jobs", 1, "--set", TRUSTED)
    assert command("run", suite_file, *chosen).status == 0
    assert "Bilevel (20 trusted samples)" in command("status", "told", "--out", tmp_path / "out").out
    ended = command("report", "--out", tmp_path / "out")
    assert ended.status == 0
    assert "20 trusted samples" in "".join(path.read_text() for path in (tmp_path / "out").rglob("*.md"))
    assert "20 trusted samples" in "".join(path.read_text() for path in (tmp_path / "out").rglob("*.csv"))
