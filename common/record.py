"""The record of a run: the JSON object of a file in the store, as a type for those who read and write it.

What is told of each part is what `results.validation` checks. A part or key that only some runs have is marked so: the
reader asks for it by `get`. None stands for a value that does not exist, as the truth of real-world labels.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NotRequired, TypeAlias, TypedDict

Curve: TypeAlias = list[float]
CurveWithHoles: TypeAlias = list[float | None]
Matrix: TypeAlias = list[list[float]]


class Titles(TypedDict):
    """What tables call the run's method, data set, noise and network."""

    method: str
    dataset: str
    noise: str
    network: str


class DataFacts(TypedDict):
    """How many images there were. num_trusted: of how many a method was told the true labels.

    skipped, adjusted: of image files, how many by what was wrong or done.
    """

    num_train: int
    num_validation: int
    num_test: int
    num_classes: int
    class_names: list[str]
    num_trusted: NotRequired[int]
    true_labels: NotRequired[str]
    test_labels: NotRequired[str]
    skipped: NotRequired[dict[str, int]]
    adjusted: NotRequired[dict[str, int]]
    further_tests: NotRequired[dict[str, int]]


class NoiseFacts(TypedDict):
    """The given labels. fingerprint: SHA-256; rates in [0, 1]; train_rate: of the images trained on; matrix: [C, C]."""

    fingerprint: str
    nominal_rate: float | None
    actual_rate: float | None
    expected_rate: float | None
    train_rate: float | None
    matrix: Matrix | None


class Memorisation(TypedDict):
    """What training images are predicted as, at some epochs; shares in [0, 1] of mislabelled and of clean ones."""

    epoch: list[int]
    mislabelled_given: CurveWithHoles
    mislabelled_true: CurveWithHoles
    mislabelled_other: CurveWithHoles
    clean_given: CurveWithHoles
    clean_other: CurveWithHoles


class Curves(TypedDict):
    """A value an epoch; accuracies in [0, 1]. Further test sets add NAME_accuracy and NAME_top5.

    observed: what the method told of its samples, by name, of clean and of mislabelled ones (else "all").
    """

    epoch: list[int]
    learning_rate: Curve
    train_loss: Curve
    train_accuracy: CurveWithHoles
    test_accuracy: Curve
    test_nll: Curve
    observed: NotRequired[dict[str, dict[str, list[Any]]]]
    memorisation: NotRequired[Memorisation]
    noisy_validation_accuracy: NotRequired[Curve]
    clean_validation_accuracy: NotRequired[Curve]
    member_test_accuracy: NotRequired[Matrix]
    ensemble_test_accuracy: NotRequired[Curve]
    test_top5: NotRequired[Curve]


class Selected(TypedDict):
    """The test accuracy that a selection rule reports. epoch: the one chosen; epochs: how many it is the mean of.

    member_epochs: the one chosen of each network.
    """

    test_accuracy: float
    member_epochs: NotRequired[list[int]]
    epoch: NotRequired[int]
    epochs: NotRequired[int]


class Extent(TypedDict):
    """Of the steps of a run: the median of the epochs' medians, the largest, and its epoch from 1."""

    median: float
    largest: float
    largest_epoch: int


class Collapse(TypedDict):
    """epoch: the first from which on the run was as it ended, counted from 1. reason: why that is a collapse."""

    epoch: int
    reason: str


class Judged(TypedDict):
    """What the curves tell of a run's soundness. None: it did not collapse; it was never above chance."""

    collapsed: Collapse | None
    first_above_chance: int | None


class Measured(TypedDict):
    """What was measured in the steps. skipped: share without a gradient; saturated: share of observed values at 0 or 1.

    epochs: `loss_median`, `loss_largest`, `gradient_median`, `gradient_largest`, `skipped`, a value an epoch.
    """

    loss: Extent
    gradient: Extent
    skipped: float
    saturated: dict[str, float]
    epochs: dict[str, Curve]


class Health(Measured, Judged):
    """Both."""


class Scores(TypedDict):
    """Of one test set, member or ensemble."""

    test_accuracy: float
    test_top5: NotRequired[float]


class Calibration(TypedDict):
    """Equally wide bins of confidence: their mean confidence and accuracy, and how many test images."""

    confidence: Curve
    accuracy: Curve
    count: Curve


class Final(TypedDict):
    """The test images after the last epoch; members: of several networks; predicted_matrix: of the training images."""

    test_accuracy: float
    per_class_accuracy: Curve
    confusion: Matrix
    ece: float
    nll: float
    calibration: Calibration
    test_top5: NotRequired[float]
    members: NotRequired[list[Scores]]
    ensemble: NotRequired[Scores]
    further_tests: NotRequired[dict[str, Scores]]
    predicted_matrix: NotRequired[Matrix]


Detection: TypeAlias = dict[str, dict[str, float | None]]
"""Scores by what found the wrong labels; None: undefined."""


class Cost(TypedDict):
    """parameters: numbers trained; passes_per_step: of a network over a batch; steps: of the optimiser."""

    parameters: int
    networks: int
    passes_per_step: float
    steps: int


class Captured(TypedDict):
    """Recorded steps; see `bench.training.run_record.captured_share`."""

    share: float
    difference: float | None
    reason: str


class Execution(TypedDict):
    """All that may differ between two executions of one specification; older records lack some.

    job: of a job system, where the run was executed in one: see `common.job`. run_by: who handed the record in.
    """

    seconds: float
    start_seconds: float
    train_seconds: float
    images_per_second: float
    scoring_passes: int
    peak_memory_mib: float
    started: str
    finished: str
    host: str
    device: str
    device_name: str
    versions: dict[str, str]
    commit: str | None
    resumes: int
    job: NotRequired[str]
    run_by: NotRequired[str]
    captured: NotRequired[Captured]


class Record(TypedDict):
    """One run. spec: see `common.specification`; health: older records lack it.

    source: of a plug-in's method, a hash of the files that it was written in (`methods.source_hash`).
    """

    format: int
    address: str
    spec: Mapping[str, Any]
    titles: Titles
    data: DataFacts
    noise: NoiseFacts
    curves: Curves
    selection: dict[str, Selected]
    health: NotRequired[Health]
    final: Final
    detection: Detection
    cost: Cost
    privileges: list[str]
    source: NotRequired[str]
    execution: NotRequired[Execution]
