"""The data that a run is made of, and what its record and arrays hold."""

from __future__ import annotations

import platform
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from small_runs import published, specification
from threadpoolctl import threadpool_info, threadpool_limits

from bench.machine import processor
from bench.networks import NETWORKS
from bench.training.data import by_class, prepare, subset_rows
from bench.training.run_record import peak_memory, reset_peak_memory
from common.errors import UserError
from datasets import registry
from datasets.base import DataError
from methods import registry as methods
from results.record import address
from results.store import Store

HELD_OUT = "data.validation={source='inside', size=0.2}"


def test_labels_are_drawn_for_the_whole_training_set_before_it_is_cut() -> None:
    whole = prepare(specification("elr", "data={name='digits'}"), None)
    part = prepare(specification("elr", HELD_OUT), None)
    assert part.noise.fingerprint == whole.noise.fingerprint
    assert np.array_equal(part.given, whole.given[part.rows])
    assert np.array_equal(part.train.labels, registry.load("digits").train.labels[part.rows])
    assert part.train_rate == pytest.approx(float((part.given != part.train.labels).mean()))
    other = prepare(specification("elr", "data={name='digits'}", seed=1), None)
    assert other.noise.fingerprint != whole.noise.fingerprint


def test_the_subset_is_fixed_and_the_split_follows_the_seed() -> None:
    inside, outside = subset_rows("digits", 1397, 100)
    assert np.array_equal(np.sort(np.concatenate([inside, outside])), np.arange(1397))
    splits = []
    for seed in (0, 1):
        data = prepare(specification("elr", HELD_OUT, seed=seed), None)
        assert data.validation is not None
        assert (len(data.rows), len(data.validation.given)) == (80, 20)
        assert set(data.rows) <= set(inside)
        splits.append(set(data.rows))
    assert splits[0] != splits[1]


def test_a_stratified_split_holds_each_class_out_in_proportion() -> None:
    stratified = "data.validation={source='inside', size=0.25, stratified=true}"
    held_out = []
    for seed in (0, 1):
        data = prepare(specification("elr", stratified, seed=seed), None)
        assert data.validation is not None
        counts = np.bincount(data.validation.images.labels, minlength=10)
        sizes = counts + np.bincount(data.train.labels, minlength=10)
        assert counts.sum() == 25 and sizes.sum() == 100
        assert (np.abs(counts - sizes / 4) < 1).all()
        held_out.append(data.validation.images.pixels.sum(axis=(1, 2, 3)).tolist())
    assert held_out[0] != held_out[1]
    assert "stratified" not in specification("elr", HELD_OUT).as_json()["dataset"]["validation"]
    assert specification("elr", stratified).as_json()["dataset"]["validation"]["stratified"] is True


def test_of_equal_classes_equal_numbers_are_held_out() -> None:
    classes = np.repeat(np.arange(100), 500)
    order = np.random.default_rng(0).permutation(50_000)
    found = by_class(order, classes, 5_000)
    assert np.array_equal(np.sort(found), np.arange(50_000))
    assert (np.bincount(classes[found[:5_000]]) == 50).all()
    position = np.empty(50_000, dtype=np.int64)
    position[order] = np.arange(50_000)
    assert (np.diff(position[found[:5_000]]) > 0).all()  # in the order in which they come
    odd = by_class(np.arange(7), np.array([0, 0, 0, 0, 1, 1, 1]), 3)  # 12/7 and 9/7: the larger fraction gets the third
    assert odd.tolist() == [0, 1, 4, 2, 3, 5, 6]


@pytest.mark.parametrize("source", ["none", "outside"])
def test_only_an_inside_split_is_stratified(source: str) -> None:
    with pytest.raises(UserError, match=r"data.validation.stratified': is for source = 'inside' only"):
        specification("elr", f"data.validation={{source='{source}', size=50, stratified=true}}")


def test_an_outside_split_is_fixed_and_leaves_the_subset_whole() -> None:
    outside = "data.validation={source='outside', size=50}"
    one, other = (prepare(specification("elr", outside, seed=seed), None) for seed in (0, 1))
    inside, rest = subset_rows("digits", 1397, 100)
    images = registry.load("digits").train.pixels
    for data in (one, other):
        assert np.array_equal(data.rows, inside)
        assert data.validation is not None
        assert np.array_equal(data.validation.images.pixels, images[np.sort(rest[:50])])


def test_the_upper_bound_trains_on_the_rightly_labelled_images_alone() -> None:
    bound = prepare(specification("cross_entropy", "methods.cross_entropy.training_rows=clean_only"), None)
    plain = prepare(specification("cross_entropy"), None)
    assert bound.train_rate == 0.0
    assert set(bound.rows) == set(plain.rows[plain.given == plain.train.labels])
    assert bound.noise.fingerprint == plain.noise.fingerprint


def test_noise_from_a_file_is_found_where_the_plan_says(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    given = registry.load("digits").train.labels.copy()
    given[:700] = 3
    np.save(tmp_path / "given.npy", given)
    spec = specification("elr", f"noise=[{{model='labels_file', options={{file='{tmp_path / 'given.npy'}'}}}}]")
    digest = spec.noise.options["sha256"]
    assert spec.noise.options["file"] == "given.npy"
    data = prepare(spec, None, {digest: tmp_path / "given.npy"})
    assert np.array_equal(data.given, given[data.rows])
    with pytest.raises(DataError, match=r"given\.npy"):
        prepare(spec, None)
    monkeypatch.chdir(tmp_path)
    assert np.array_equal(prepare(spec, None).given, data.given)
    np.save(tmp_path / "given.npy", given[::-1])
    with pytest.raises(DataError, match="has changed since the run was planned"):
        prepare(spec, None)


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> tuple[dict[str, Any], dict[str, Any], dict[str, np.ndarray]]:
    """Specification, record and arrays of a run of co-teaching with a validation set."""
    store = tmp_path_factory.mktemp("store")
    spec = specification("co_teaching", HELD_OUT, "training.epochs=5", "training.memorisation_every=2")
    record = published(store, spec)
    return spec, record, Store(store).arrays(record["address"])


def test_a_record_says_what_was_run(run: Any) -> None:
    spec, record, _ = run
    assert record["spec"] == spec.as_json()
    assert record["address"] == address(spec)
    assert record["titles"] == {
        "method": "Co-teaching", "dataset": "Digits", "noise": "symmetric 50%", "network": "Digits CNN",
    }  # fmt: skip
    numbers = {key: record["data"][key] for key in ("num_train", "num_validation", "num_test", "num_classes")}
    assert numbers == {"num_train": 80, "num_validation": 20, "num_test": 400, "num_classes": 10}
    assert record["data"]["class_names"] == [str(digit) for digit in range(10)]
    noise = record["noise"]
    assert (noise["nominal_rate"], noise["expected_rate"]) == (0.5, pytest.approx(0.45))
    assert noise["actual_rate"] == pytest.approx(0.45, abs=0.03)
    assert np.sum(noise["matrix"], axis=1) == pytest.approx(1.0)
    assert record["privileges"] == sorted(methods.info("co_teaching").needs | methods.info("co_teaching").marks)


def test_a_record_has_a_value_for_every_epoch(run: Any) -> None:
    _, record, _ = run
    curves = record["curves"]
    assert curves["epoch"] == [1, 2, 3, 4, 5]
    for name in ("learning_rate", "train_loss", "train_accuracy", "test_accuracy", "test_nll",
                 "noisy_validation_accuracy", "clean_validation_accuracy", "ensemble_test_accuracy"):  # fmt: skip
        assert len(curves[name]) == 5, name
    assert curves["learning_rate"] == sorted(curves["learning_rate"], reverse=True)
    members = np.array(curves["member_test_accuracy"])
    assert members.shape == (5, 2)
    np.testing.assert_allclose(members.mean(1), curves["test_accuracy"])
    assert set(curves["observed"]) == {"selected"}
    assert curves["observed"]["selected"]["epoch"] == [1, 2, 3, 4, 5]
    assert curves["memorisation"]["epoch"] == [2, 4, 5]  # every second epoch, and the last
    shares = [curves["memorisation"][f"mislabelled_{kind}"] for kind in ("given", "true", "other")]
    np.testing.assert_allclose(np.sum(shares, axis=0), 1.0)


def test_a_record_ends_with_scores_cost_and_execution(run: Any) -> None:
    _, record, _ = run
    final, curves = record["final"], record["curves"]
    assert final["test_accuracy"] == curves["test_accuracy"][-1]
    assert final["nll"] == curves["test_nll"][-1]
    assert [one["test_accuracy"] for one in final["members"]] == curves["member_test_accuracy"][-1]
    assert final["ensemble"]["test_accuracy"] == curves["ensemble_test_accuracy"][-1]
    assert np.sum(final["confusion"]) == 400
    assert np.sum(final["predicted_matrix"], axis=1) == pytest.approx(1.0)
    rules = {"last", "last_mean", "best_test", "noisy_validation", "clean_validation"}
    assert set(record["selection"]) == rules
    assert set(record["detection"]) == {"given_label_last", "given_label_mean", "decision"}
    parameters = 2 * NETWORKS["digits_cnn"].parameters
    assert record["cost"] == {"parameters": parameters, "networks": 2, "passes_per_step": 2.0, "steps": 20}
    execution = record["execution"]
    assert execution["seconds"] > execution["train_seconds"] > 0
    assert execution["images_per_second"] == pytest.approx(400 / execution["train_seconds"])
    assert (execution["device"], execution["device_name"]) == ("cpu", processor.processor_name())
    assert execution["resumes"] == 0
    assert 0 < execution["start_seconds"] < execution["seconds"]
    assert {"started", "finished", "host", "versions", "commit", "peak_memory_mib"} <= set(execution)


def test_per_sample_arrays_lie_beside_the_record(run: Any) -> None:
    _, record, arrays = run
    assert arrays["index"].shape == (80,)
    assert (arrays["given"] != arrays["true"]).mean() == pytest.approx(record["noise"]["train_rate"])
    labels = registry.load("digits").train.labels
    assert np.array_equal(arrays["true"], labels[arrays["index"]])
    for name in ("predicted", "given_probability_last", "given_probability_mean", "observed_selected"):
        assert arrays[name].shape == (80,), name
    assert ((arrays["given_probability_mean"] >= 0) & (arrays["given_probability_mean"] <= 1)).all()
    assert np.array_equal(arrays["test_true"], registry.load("digits").test.labels)
    assert arrays["test_predicted"].shape == arrays["test_confidence"].shape == (400,)
    right = (arrays["test_predicted"] == arrays["test_true"]).mean()
    assert right == pytest.approx(record["final"]["ensemble"]["test_accuracy"])
    shown = arrays["thumbnail_rows"]
    pixels = registry.load("digits").train.pixels[arrays["index"][shown]]
    assert np.array_equal(arrays["thumbnails"], pixels)


def test_a_run_without_noise_has_no_values_where_none_exist(tmp_path: Path) -> None:
    record = published(tmp_path, specification("cross_entropy", "noise=[{model='clean'}]"))
    assert record["noise"]["actual_rate"] == record["noise"]["train_rate"] == 0.0
    assert record["curves"]["memorisation"]["mislabelled_given"] == [None] * 3
    assert record["detection"]["given_label_last"] == {
        "roc_auc": None, "average_precision": None, "base_rate": 0.0, "precision_at_k": None,
    }  # fmt: skip
    assert {"noisy_validation", "clean_validation"}.isdisjoint(record["selection"])
    assert "members" not in record["final"]


def test_the_suite_says_how_several_networks_are_scored(tmp_path: Path) -> None:
    found = {}
    for how in ("mean", "ensemble", "first"):
        spec = specification("co_teaching", f"methods.co_teaching.scored={how}")
        found[how] = published(tmp_path / how, spec)
    final = found["mean"]["final"]
    members = [one["test_accuracy"] for one in final["members"]]
    assert final["test_accuracy"] == pytest.approx(np.mean(members))
    assert found["first"]["final"]["test_accuracy"] == members[0]
    assert found["ensemble"]["final"]["test_accuracy"] == final["ensemble"]["test_accuracy"]
    assert found["ensemble"]["final"]["members"] == final["members"]  # trained alike, only scored otherwise


def test_no_library_takes_more_threads_than_the_suite_says(tmp_path: Path) -> None:
    with threadpool_limits():  # puts back what was
        published(tmp_path, specification("cross_entropy", "training.threads=1"))
        pools = threadpool_info()
        assert torch.get_num_threads() == 1
    assert pools
    assert {pool["num_threads"] for pool in pools} == {1}


@pytest.mark.skipif(not Path("/proc/self/clear_refs").exists(), reason="only Linux can count a process's peak anew")
def test_the_peak_of_memory_is_that_of_one_run() -> None:
    cpu = torch.device("cpu")
    reset_peak_memory(cpu)
    before = peak_memory(cpu)
    held = np.ones(40 * 2**20)  # 320 MiB
    assert peak_memory(cpu) > before + 300
    del held
    reset_peak_memory(cpu)
    assert peak_memory(cpu) < before + 100


def test_upper_bound_and_pretraining_are_marked_as_privileges(tmp_path: Path) -> None:
    spec = specification("cross_entropy", "methods.cross_entropy.training_rows=clean_only")
    assert published(tmp_path, spec)["privileges"] == ["clean labels"]


CPUINFO = """\
processor\t: 0
vendor_id\t: AuthenticAMD
cpu family\t: 25
model\t\t: 17
model name\t: AMD EPYC

processor\t: 1
model\t\t: 99
"""


@pytest.mark.parametrize(
    ("text", "name"),
    [
        (CPUINFO, "AMD EPYC, family 25, model 17"),
        ("model name\t: Fast One\n", "Fast One"),
        (None, platform.processor() or platform.machine()),
    ],
)
def test_a_processor_is_named_with_its_generation(
    text: str | None, name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if text is not None:
        (tmp_path / "cpuinfo").write_text(text)
    monkeypatch.setattr(processor, "CPUINFO", tmp_path / "cpuinfo")
    assert processor.processor_name.__wrapped__() == name
