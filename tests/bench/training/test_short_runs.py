"""What a suite of short runs must not waste: images scored twice, data loaded twice, slots left alone at the end."""

from __future__ import annotations

import importlib
import re
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from command_line import ENVIRONMENT, HOME, results, run, write_suite
from image_runs import executed
from miniatures import write_mini_webvision
from small_runs import published, specification, started

from bench.planning.spec import Cell
from bench.sweep.order import longest_first
from bench.sweep.price import rates
from bench.training import measure, trainer
from results.store import Store

HELD_OUT = "data.validation={source='inside', size=0.2}"  # 80 training, 20 validation and 400 test images


@pytest.mark.parametrize(("method", "networks"), [("cross_entropy", 1), ("co_teaching", 2)])
@pytest.mark.parametrize(("every", "measurements"), [(1, 3), (2, 2), (3, 1), (9, 1)])
def test_no_image_is_scored_twice_at_one_state(
    method: str, networks: int, every: int, measurements: int, tmp_path: Path
) -> None:
    record = published(tmp_path, specification(method, HELD_OUT, f"training.memorisation_every={every}"))
    assert record["execution"]["scoring_passes"] == networks * (3 * (400 + 20) + measurements * 80)
    assert len(record["curves"]["memorisation"]["epoch"]) == measurements


def test_further_test_sets_and_images_of_unknown_truth_are_scored_once(tmp_path: Path) -> None:
    write_mini_webvision(tmp_path / "data")
    [record] = executed("webvision", tmp_path / "data", tmp_path / "out", "cross_entropy", epochs=2)
    further = sum(record["data"]["further_tests"].values())
    assert further and record["data"]["true_labels"] == "unknown"
    each = record["data"]["num_test"] + further + record["data"]["num_validation"]
    # the training images, whose predictions are kept, only at the end
    assert record["execution"]["scoring_passes"] == 2 * each + record["data"]["num_train"]
    for name, values in record["final"]["further_tests"].items():
        assert values["test_accuracy"] == record["curves"][f"{name}_accuracy"][-1]


@pytest.mark.parametrize("method", ["cross_entropy", "co_teaching"])
def test_the_end_of_a_run_says_what_scoring_everything_anew_would_say(method: str) -> None:
    training, measures = started(specification(method, HELD_OUT))
    curves: dict[str, Any] = {}
    for epoch in (1, 2, 3):
        made = measure.after_epoch(training.method, measures, curves, epoch, 3, trainer.train_epoch(training))
    parts, arrays = measure.at_the_end(training.method, measures, training.observer, made)
    anew, same_arrays = measure.at_the_end(training.method, measures, training.observer, {})
    assert parts == anew
    assert arrays.keys() == same_arrays.keys()
    for name, values in arrays.items():
        assert np.array_equal(values, same_arrays[name]), name
    assert parts.final["test_accuracy"] == curves["test_accuracy"][-1]
    # the test could fail: another state scores otherwise
    with torch.no_grad():
        for parameter in training.method.parameters():
            parameter.mul_(-1)
    assert measure.at_the_end(training.method, measures, training.observer, {})[0] != parts


# ---- order -----------------------------------------------------------------------------------------------------------


def cells(*methods: str, seeds: int = 2, **changes: Any) -> list[Cell]:
    """Cells as a plan has them: by seed, then row."""
    return [
        Cell(name, name, "symmetric 50%", replace(specification(name), **changes, seed=seed))
        for seed in range(seeds)
        for name in methods
    ]


def names(found: list[Cell]) -> list[str]:
    return [f"{cell.row} {cell.seed}" for cell in found]


def test_long_runs_are_started_first_and_equal_ones_in_the_order_of_the_plan() -> None:
    planned = cells("cross_entropy", "divide_mix", "elr", "co_teaching")
    assert names(longest_first(planned, {})) == [
        "divide_mix 0", "divide_mix 1", "co_teaching 0", "co_teaching 1",
        "cross_entropy 0", "elr 0", "cross_entropy 1", "elr 1",
    ]  # fmt: skip


def test_epochs_and_networks_count() -> None:
    [short] = cells("elr", seeds=1)
    [long] = cells("elr", seeds=1, epochs=9)
    [large] = cells("elr", seeds=1, network="resnet34")
    [larger] = cells("elr", seeds=1, network="resnet34", epochs=4)
    assert longest_first([short, large, long, larger], {}) == [larger, large, long, short]


def record(cell: Cell, seconds: float) -> dict[str, Any]:
    return {"spec": cell.spec.as_json(), "execution": {"device": "cpu", "seconds": seconds}}


def test_what_records_tell_counts_more_than_what_is_counted() -> None:
    quick, slow = cells("co_teaching", "elr", seeds=1)
    known = rates([record(quick, 1.0), record(slow, 30.0)], "cpu")
    assert longest_first([quick, slow], {}) == [quick, slow]
    assert longest_first([quick, slow], known) == [slow, quick]
    # a network that no record knows is compared by its products, at the speed of the known ones
    [unknown] = cells("elr", seeds=1, network="resnet34")
    assert longest_first([quick, slow, unknown], known) == [unknown, slow, quick]
    [tiny] = cells("elr", seeds=1, network="digits_cnn_large", epochs=1)
    assert longest_first([tiny, quick, slow], known)[0] == slow


def test_interrupted_runs_go_on_before_others_start() -> None:
    planned = cells("cross_entropy", "co_teaching")
    begun = {planned[2].address}
    assert names(longest_first(planned, {}, begun)) == [
        "cross_entropy 1", "co_teaching 0", "co_teaching 1", "cross_entropy 0",
    ]  # fmt: skip


@pytest.mark.slow
def test_the_command_starts_long_runs_first_and_the_records_do_not_show_it(tmp_path: Path) -> None:
    suite = write_suite(tmp_path / "suite.toml", epochs=2, seeds=2, methods=("cross_entropy", "co_teaching"))
    status, output = run("run", suite, "--jobs", 1, "--out", "all", cwd=tmp_path)
    assert status == 0, output
    assert re.findall(r"\] (.*), symmetric 50%, seed (\d)", output) == [
        ("Co-teaching", "0"), ("Co-teaching", "1"), ("Cross-entropy", "0"), ("Cross-entropy", "1"),
    ]  # fmt: skip
    for method in ("cross_entropy", "co_teaching"):
        status, output = run("run", suite, "--jobs", 1, "--methods", method, "--out", "apart", cwd=tmp_path)
        assert status == 0, output
    assert results(tmp_path / "all") == results(tmp_path / "apart")
    planned = Store(tmp_path / "all").plan("suite")["cells"]
    assert [cell["method"] for cell in planned] == ["cross_entropy", "co_teaching"] * 2, "tables keep their order"


# ---- what a process loads --------------------------------------------------------------------------------------------

DATA = """
import os
from pathlib import Path

import numpy as np

from datasets.base import DataSetInfo, Images, assemble
from datasets.plugin import DataSetPlugin

INFO = DataSetInfo(
    name="counted", title="Counted", version=1, num_classes=2, num_train=40, num_test=20, image_shape=(8, 8, 1),
    description="notes who loads it", class_names=("dark", "bright"), mean=(0.3,), std=(0.4,),
)


def images(count):
    labels = np.arange(count, dtype=np.int64) % 2
    return Images(np.broadcast_to(200 * labels.astype(np.uint8)[:, None, None, None], (count, 8, 8, 1)).copy(), labels)


def load(info, root):
    with Path("NOTES").open("a") as notes:
        notes.write(f"{os.getpid()}\\n")
    return assemble(info, images(40), images(20))


DATASETS = [DataSetPlugin(INFO, load)]
"""


@pytest.mark.slow
def test_a_worker_loads_a_data_set_once_for_all_its_runs(tmp_path: Path) -> None:
    notes = tmp_path / "notes.txt"
    (tmp_path / "counted.py").write_text(DATA.replace("NOTES", str(notes)))
    suite = write_suite(tmp_path / "suite.toml", epochs=1, seeds=4)
    arguments = ("--set", "data.name=counted", "--plugin", "counted.py", "--jobs", 1, "--out", "out")
    status, output = run("run", suite, *arguments, cwd=tmp_path)
    assert status == 0 and "[4/4]" in output, output
    loaded_by = notes.read_text().split()
    assert len(loaded_by) == len(set(loaded_by)) == 2, "once by the command, which looks whether it is there, and once"


def modules_after(code: str) -> set[str]:
    """Modules of a fresh process that has run `code`."""
    told = subprocess.run(
        [sys.executable, "-c", f"{code}\nimport sys\nprint(*sys.modules)"],
        cwd=HOME, env=ENVIRONMENT, capture_output=True, text=True, check=True,
    )  # fmt: skip
    return set(told.stdout.split())


def test_a_worker_imports_nothing_that_its_runs_do_not_use() -> None:
    found = modules_after("import bench.training.execute")
    assert "torch" in found
    assert not found & {"sklearn", "scipy", "pandas", "matplotlib", "PIL", "torchvision", "pydantic", "typer", "rich"}


def test_looking_whether_data_are_there_makes_no_images() -> None:
    found = modules_after("from datasets import registry\nregistry.verify('digits')")
    assert "numpy" in found
    assert not found & {"torch", "sklearn"}


# ---- the script that measures ----------------------------------------------------------------------------------------


@pytest.mark.slow
def test_the_measuring_script_tells_what_it_ran_and_which_records_differ(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.syspath_prepend(str(HOME / "tools"))
    script = importlib.import_module("benchmark_short_runs")
    suite = write_suite(tmp_path / "suite.toml", epochs=2, methods=("cross_entropy", "co_teaching"))
    measured = script.execute(HOME, suite, tmp_path / "one", None)
    script.execute(HOME, suite, tmp_path / "other", None)
    assert 0 < measured.training < measured.run
    assert measured.busy > 0 and measured.run / 2 < measured.wall, "two runs at a time"
    # 400 test images twice, 1,397 training images once: the interval is the default one
    assert measured.scored == {"cross_entropy": 2 * 400 + 1397, "co_teaching": 2 * 400 + 1397}
    assert "co_teaching 2,197" in measured.line()
    assert script.differing(tmp_path / "one", tmp_path / "other") == []
    first, second = sorted((tmp_path / "other" / "records").glob("*.json"))
    first.write_text(first.read_text().replace('"train_loss"', '"train_lost"'))
    second.unlink()
    assert script.differing(tmp_path / "one", tmp_path / "other") == [first.stem, second.stem]
