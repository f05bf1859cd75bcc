"""The row of a run in the table of all runs, as `results.load` gives it; what each column is, `results.frame` says."""

from __future__ import annotations

from typing import TypedDict


class FrameRow(TypedDict):
    """One run; `suites`, which the plans tell, is not here. NaN stands for a number that a record does not have."""

    address: str
    dataset: str
    dataset_title: str
    subset: float
    noise_model: str
    noise_rate: float
    noise: str
    noise_specification: str
    fingerprint: str
    actual_rate: float
    method: str
    method_title: str
    configuration: str
    identity: str
    network: str
    epochs: int
    batch_size: int
    precision: str
    seed: int
    accuracy_last: float
    accuracy_last_mean: float
    accuracy_best_test: float
    accuracy_noisy_validation: float
    accuracy_clean_validation: float
    accuracy_last_5_mean: float
    accuracy_best_test_each: float
    accuracy_clean_validation_each: float
    memorised: float
    auc_given_label_mean: float
    auc_own: float
    collapsed_epoch: float
    collapsed_reason: str
    first_above_chance: float
    left_out: int
    loss_median: float
    loss_largest: float
    gradient_median: float
    gradient_largest: float
    skipped: float
    ece: float
    nll: float
    passes_per_step: float
    images_per_second: float
    seconds: float
    start_seconds: float
    peak_memory_mib: float
    privileges: str
    protocol: int
    run_by: str
