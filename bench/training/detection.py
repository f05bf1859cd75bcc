"""Label-error detection: how well per-sample scores find the mislabelled samples. Positive means mislabelled."""

from __future__ import annotations

import numpy as np


def detection_scores(clean_score: np.ndarray, mislabelled: np.ndarray) -> dict[str, float | None]:
    """ROC-AUC, average precision with its base rate, and precision at k = number mislabelled.

    clean_score: [n] float, larger for labels held to be right; mislabelled: [n] bool. Ties at k are counted by their
    expectation, so that the order of the samples does not matter. Values are None where one group is empty.
    """
    count = int(mislabelled.sum())
    base_rate = count / len(mislabelled)
    if count in (0, len(mislabelled)):
        return {"roc_auc": None, "average_precision": None, "base_rate": base_rate, "precision_at_k": None}
    from sklearn.metrics import average_precision_score, roc_auc_score  # a second that no run's start should wait for

    suspicion = -clean_score.astype(np.float64)
    return {
        "roc_auc": float(roc_auc_score(mislabelled, suspicion)),
        "average_precision": float(average_precision_score(mislabelled, suspicion)),
        "base_rate": base_rate,
        "precision_at_k": _precision_at(suspicion, mislabelled, count),
    }


def _precision_at(suspicion: np.ndarray, mislabelled: np.ndarray, k: int) -> float:
    threshold = np.sort(suspicion)[-k]
    above, tied = suspicion > threshold, suspicion == threshold
    hits = mislabelled[above].sum() + mislabelled[tied].mean() * (k - above.sum())
    return float(hits / k)


def decision_scores(kept: np.ndarray, mislabelled: np.ndarray) -> dict[str, float | None]:
    """Precision and recall of the method's own decision. kept: [n] bool, the samples it holds to be right."""
    rejected = ~kept
    hits = int((rejected & mislabelled).sum())
    return {
        "precision": hits / int(rejected.sum()) if rejected.any() else None,
        "recall": hits / int(mislabelled.sum()) if mislabelled.any() else None,
    }
