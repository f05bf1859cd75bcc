"""Which labels are wrong? The samples of a training set by suspicion, from the records of one run or several."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
from scipy.stats import mode

from common.record import Record
from results.arrays import Arrays
from results.record import StoreError
from results.store import Store

COLUMNS = ("sample", "suspicion", "given", "predicted", "true", "runs_that_disagree", "confident_learning")


def ranked_suspicion(score: npt.NDArray[Any]) -> npt.NDArray[np.float64]:
    """[n] in [0, 1]: share of samples held to be cleaner; ties share their mean rank. score: larger is cleaner."""
    ranks = pd.Series(-score.astype(np.float64)).rank(method="average").to_numpy(dtype=np.float64)
    return (ranks - 0.5) / len(score)


def score_of(arrays: Arrays) -> npt.NDArray[Any]:
    """The method's own clean score where it has one, else the probability of the given label, mean over the epochs."""
    return arrays.get("own_score", arrays["given_probability_mean"])


def confident_learning(arrays: Arrays) -> npt.NDArray[np.bool_] | None:
    """[n]: what cleanlab's confident learning holds to be wrong (Northcutt et al. 2021), from the run's predictions.

    The predictions are of the training samples themselves, not held out, which favours the given labels. None where
    cleanlab is not installed or the record keeps no probabilities (large data sets).
    """
    if "train_probability" not in arrays:
        return None
    try:
        from cleanlab.filter import find_label_issues
    except ImportError:
        return None
    probabilities = arrays["train_probability"].astype(np.float64)
    probabilities /= probabilities.sum(1, keepdims=True)
    issues = find_label_issues(
        arrays["given"].astype(np.int64), probabilities, filter_by="confident_learning", n_jobs=1
    )
    return np.asarray(issues, dtype=np.bool_)


def check_same_labels(records: Sequence[Record]) -> None:
    """Raise StoreError unless all runs trained on the same samples with the same labels."""
    seen = {(record["noise"]["fingerprint"], record["data"]["num_train"], record["spec"]["seed"]) for record in records}
    if len({fingerprint for fingerprint, _, _ in seen}) > 1 or len({count for _, count, _ in seen}) > 1:
        raise StoreError("the chosen runs have different noisy labels; choose one setting and one seed")


def suspects(store: Store, addresses: Sequence[str], tell: Callable[[str], None] = lambda what: None) -> pd.DataFrame:
    """All training samples, the most suspicious first.

    Columns: sample (row of the official training set), suspicion (mean over the runs of the share of samples held to
    be cleaner), given, predicted (by most runs), true (class names; true is missing where it is not known),
    runs_that_disagree (whose prediction is not the given label), confident_learning (flagged in how many runs; missing
    without cleanlab). Raises StoreError where a record lacks its arrays or the runs do not share their labels.
    tell: called with a few words for each part of the work that is begun.
    """
    tell(f"reading the records of {len(addresses)} runs")
    records = [store.load(address) for address in addresses]
    check_same_labels(records)
    parts = []
    for number, address in enumerate(addresses, start=1):
        tell(f"reading the samples of run {number} of {len(addresses)}")
        parts.append(store.arrays(address))
    first = parts[0]
    for part in parts[1:]:
        if not np.array_equal(part["index"], first["index"]):
            raise StoreError("the chosen runs trained on different samples (another validation split?)")
    names = np.asarray(records[0]["data"]["class_names"], dtype=object)
    flags = []
    for number, part in enumerate(parts, start=1):
        tell(f"confident learning on run {number} of {len(parts)}")
        flags.append(confident_learning(part))
    known = [flag for flag in flags if flag is not None]
    tell(f"ranking {len(first['index'])} samples")
    table = pd.DataFrame(
        {
            "sample": first["index"],
            "suspicion": np.mean([ranked_suspicion(score_of(part)) for part in parts], axis=0),
            "given": names[first["given"]],
            "predicted": names[mode([part["predicted"] for part in parts], axis=0).mode],
            "true": names[first["true"]] if "true" in first else None,
            "runs_that_disagree": np.sum([part["predicted"] != part["given"] for part in parts], axis=0),
            "confident_learning": np.sum(known, axis=0) if known else None,
        }
    )
    return table.sort_values(["suspicion", "sample"], ascending=[False, True], ignore_index=True)
