"""The suites of real-world data sets, run on miniatures: what is recorded, with what workers, resumed, from copies."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from bench.planning import spec
from bench.planning import suite as suites
from bench.training import measure
from datasets import image_check
from results.arrays import load_npz
from results.record import dumps, result
from results.store import Store
from tests import miniatures
from tests.command_line import Command
from tests.image_runs import executed, planned

SUITES = {"clothing1m": "clothing1m", "animal10n": "animal10n", "food101n": "food101n", "webvision": "mini_webvision"}


@pytest.fixture(scope="module")
def roots(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """A miniature of every data set, by name."""
    found = {}
    for name, write in miniatures.WRITERS.items():
        found[name] = tmp_path_factory.mktemp(name)
        write(found[name])
    return found


def copied(root: Path, target: Path) -> Path:
    """A copy of a miniature without its index."""
    shutil.copytree(root, target, ignore=shutil.ignore_patterns(".noisy-label-bench"))
    return target


@pytest.mark.parametrize("suite", SUITES)
def test_a_suite_runs_end_to_end_on_its_miniature(roots: dict[str, Path], tmp_path: Path, suite: str) -> None:
    root = roots[SUITES[suite]]
    [record] = executed(suite, root, tmp_path, "car", "methods.car.hyper.start=0")
    assert record["data"]["true_labels"] == "unknown" and record["detection"] == {}
    assert record["noise"]["actual_rate"] is None and "memorisation" not in record["curves"]
    assert "predicted_matrix" not in record["final"]
    assert set(record["curves"]["observed"]["confidence"]) == {"epoch", "all"}
    assert ("clean_validation" in record["selection"]) == (suite == "clothing1m")
    assert "noisy_validation" not in record["selection"]
    arrays = load_npz(tmp_path / "records" / f"{record['address']}.npz")
    assert "true" not in arrays and len(arrays["given"]) == record["data"]["num_train"]
    assert arrays["thumbnails"].shape[1:] == (64, 64, 3)
    if suite == "webvision":
        further = record["final"]["further_tests"]["imagenet_val"]
        assert 0 <= further["test_accuracy"] <= further["test_top5"] <= 1
        assert record["data"]["further_tests"] == {"imagenet_val": 50}
        assert {"test_top5", "imagenet_val_accuracy", "imagenet_val_top5"} <= set(record["curves"])


@pytest.mark.slow
@pytest.mark.parametrize("suite", SUITES)
def test_every_row_of_a_suite_runs_on_its_miniature(roots: dict[str, Path], tmp_path: Path, suite: str) -> None:
    rows = list(planned(suite, roots[SUITES[suite]], "cross_entropy").parts[0].methods)
    rows = list(dict.fromkeys([*rows, *_rows(suite)]))
    short = [f"methods.{row}.hyper.start=1" for row in rows if row in ("car", "nal", "selc")]
    # from a start that is no update epoch the authors' loss is not a number, as in their code
    short += [f"methods.{row}.hyper.update_every=1" for row in rows if row in ("car", "nal")]
    short += ["methods.divide_mix.hyper.ramp=1"] if "divide_mix" in rows else []
    short += ["methods.elr_plus.hyper.average_ramp=1"] if "elr_plus" in rows else []
    records = executed(suite, roots[SUITES[suite]], tmp_path, ",".join(rows), *short, epochs=2)
    assert len(records) == len(rows) == len(Store(tmp_path).addresses())


def _rows(suite: str) -> list[str]:
    return list(suites.read(suites.locate(suite))["methods"])


@pytest.mark.slow
@pytest.mark.parametrize(
    ("suite", "network", "resize", "crop"),
    [
        ("clothing1m", "resnet50", 72, 64),
        ("animal10n", "vgg19_bn", 64, 64),
        ("food101n", "resnet50", 72, 64),
        ("webvision", "inception_resnet_v2", 80, 75),
    ],
)
def test_the_published_network_of_a_suite_trains(
    roots: dict[str, Path], tmp_path: Path, suite: str, network: str, resize: int, crop: int
) -> None:
    assert planned(suite, roots[SUITES[suite]]).cells[0].spec.network == "small_cnn", "this is what is replaced"
    [record] = executed(
        suite, roots[SUITES[suite]], tmp_path, "cross_entropy", f"training.network={network}", "training.batch_size=8",
        f"training.augmentation.resize={resize}", f"training.augmentation.crop={crop}",
        "training.sampling={ batches = 2, balanced = true }",
    )  # fmt: skip
    assert record["cost"]["steps"] == 2 and np.isfinite(record["curves"]["train_loss"]).all()


def test_suites_are_as_published_before_a_test_cuts_them_down() -> None:
    """Resolved specifications, planned without the data."""
    expected = {
        "clothing1m": ("resnet50", True, 256, 224, "official"), "animal10n": ("vgg19_bn", False, 64, 64, "none"),
        "food101n": ("resnet50", True, 256, 224, "none"),
        "webvision": ("inception_resnet_v2", False, 256, 227, "none"),
    }  # fmt: skip
    for name, values in expected.items():
        [part] = suites.parts(suites.read(suites.locate(name)), name)
        cells, warnings = spec.cells(part, name, "cpu", 1)
        first = cells[0].spec
        size = first.augmentation.resize, first.augmentation.crop
        assert (first.network, first.pretrained, *size, first.dataset.validation.source) == values
        assert any("missing in" in line or "is no folder" in line for line in warnings)
        assert part.purpose == "reproduce" and all(row.source or row.published for row in part.methods.values())


def test_a_fixed_subset_is_balanced_and_the_whole_training_set_of_a_run(roots: dict[str, Path], tmp_path: Path) -> None:
    sampling = "training.sampling={ batches = 2, balanced = true, fresh = false }"
    [record] = executed(
        "clothing1m", roots["clothing1m"], tmp_path, "cross_entropy", sampling, "training.batch_size=14"
    )
    arrays = load_npz(tmp_path / "records" / f"{record['address']}.npz")
    assert record["data"]["num_train"] == 28 and np.bincount(arrays["given"]).tolist() == [2] * 14


def test_an_epoch_of_few_batches_sees_few_images_and_another_epoch_others(
    roots: dict[str, Path], tmp_path: Path
) -> None:
    sampling = "training.sampling={ batches = 2, balanced = true }"
    [record] = executed(
        "clothing1m", roots["clothing1m"], tmp_path, "cross_entropy", sampling, "training.batch_size=14", epochs=3
    )
    arrays = load_npz(tmp_path / "records" / f"{record['address']}.npz")
    assert record["cost"]["steps"] == 6 and record["data"]["num_train"] == 84
    seen = (arrays["given_probability_mean"] > 0).sum()
    assert 28 < seen < 84


def test_records_do_not_depend_on_the_number_of_workers(roots: dict[str, Path], tmp_path: Path) -> None:
    found = [
        executed("clothing1m", roots["clothing1m"], tmp_path / str(workers), "elr", workers=workers, epochs=2)[0]
        for workers in (0, 2)
    ]
    assert dumps(result(found[0])) == dumps(result(found[1]))


def test_a_run_on_image_files_resumes_exactly(
    roots: dict[str, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def run(out: Path) -> dict[str, Any]:
        sampling = "training.sampling={ batches = 3, balanced = true }"
        batch = "training.batch_size=10"
        [record] = executed("clothing1m", roots["clothing1m"], out, "elr", sampling, batch, epochs=4, every_epoch=True)
        return record

    whole = run(tmp_path / "whole")
    after_epoch = measure.after_epoch

    def interrupted(method: Any, measures: Any, curves: Any, epoch: int, *rest: Any) -> Any:
        made = after_epoch(method, measures, curves, epoch, *rest)
        if epoch == 3:
            raise KeyboardInterrupt
        return made

    monkeypatch.setattr(measure, "after_epoch", interrupted)
    with pytest.raises(KeyboardInterrupt):
        run(tmp_path / "cut")
    monkeypatch.setattr(measure, "after_epoch", after_epoch)
    assert list((tmp_path / "cut" / "checkpoints").glob("*.pt"))
    again = run(tmp_path / "cut")
    assert again["execution"]["resumes"] == 1 and dumps(result(again)) == dumps(result(whole))


def test_copies_are_made_once_and_part_of_the_specification(
    roots: dict[str, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(image_check, "default_jobs", lambda: 1)
    root = copied(roots["clothing1m"], tmp_path / "data")
    plain = planned("clothing1m", root).cells[0]
    [record] = executed("clothing1m", root, tmp_path / "out", "cross_entropy", "data.copies=true")
    assert record["spec"]["dataset"].pop("copies") is True and record["spec"] == plain.spec.as_json()
    assert record["address"] != plain.address
    packs = sorted(root.glob(".noisy-label-bench/*/*.36.*.pack"))
    assert len(packs) == 3, "one for each split"
    times = [path.stat().st_mtime_ns for path in packs]
    executed("clothing1m", root, tmp_path / "again", "cross_entropy", "data.copies=true")
    assert [path.stat().st_mtime_ns for path in packs] == times


@pytest.mark.slow
def test_a_report_is_made_of_runs_whose_truth_is_unknown(
    roots: dict[str, Path], tmp_path: Path, command: Command
) -> None:
    for name, data in SUITES.items():
        arguments = (name, roots[data], "cross_entropy,car", "methods.car.hyper.start=0")
        executed(arguments[0], arguments[1], tmp_path / "out", *arguments[2:])
        plan = planned(*arguments)
        Store(tmp_path / "out").write_plan(spec.plan(plan.name, plan.parts[0], plan.cells))
    ended = command("report", "--records", "out", "--out", "report")
    assert ended.status == 0, ended
    page = next((tmp_path / "report").rglob("index.html")).read_text()
    assert all(title in page for title in ("Clothing1M", "ANIMAL-10N", "Food-101N", "mini-WebVision", "own labels"))
    paper = command("report", "--records", "out", "--out", "paper", "--paper", "clothing1m")
    assert paper.status == 0 and "69.10" in "".join(file.read_text() for file in (tmp_path / "paper").rglob("*.md"))
