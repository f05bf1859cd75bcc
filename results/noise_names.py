"""What the names of noise models in records mean to tables, which know records alone.

A record names its noise as the data sets' registry does; a test holds the two together.
"""

from __future__ import annotations

CLEAN = "clean"
OWN = "own"
"""The labels that a data set comes with; in published tables too, wrong ones included."""
HUMAN_LABELS = {
    ("cifar10", "aggre_label"): "cifar10n_aggregate",
    ("cifar10", "random_label1"): "cifar10n_random1",
    ("cifar10", "random_label2"): "cifar10n_random2",
    ("cifar10", "random_label3"): "cifar10n_random3",
    ("cifar10", "worse_label"): "cifar10n_worst",
    ("cifar100", "noisy_label"): "cifar100n_noisy",
}
"""(data set, key in the authors' label file) -> name of the noise: how runs with labels from a file are recognised."""


def is_clean(model: str) -> bool:
    """Whether no label is wrong: such a setting stands for rate 0 of every other model."""
    return model == CLEAN


def words(model: str) -> str:
    """A noise model as a published table calls it."""
    return "own labels" if model == OWN else model.replace("_", " ")
