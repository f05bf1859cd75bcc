"""Label-error detection: how well per-sample scores find the mislabelled samples. Positive means mislabelled."""

from __future__ import annotations

import numpy as np

# scikit-learn has these measures too, and tests compare the two; importing it would take a worker a second


def detection_scores(clean_score: np.ndarray, mislabelled: np.ndarray) -> dict[str, float | None]:
    """ROC-AUC, average precision with its base rate, and precision at k = number mislabelled.

    clean_score: [n] float, larger for labels held to be right; mislabelled: [n] bool. Ties at k are counted by their
    expectation, so that the order of the samples does not matter. Values are None where one group is empty. Raises
    ValueError where a score is not finite.
    """
    count = int(mislabelled.sum())
    base_rate = count / len(mislabelled)
    if count in (0, len(mislabelled)):
        return {"roc_auc": None, "average_precision": None, "base_rate": base_rate, "precision_at_k": None}
    suspicion = -clean_score.astype(np.float64)
    if not np.isfinite(suspicion).all():
        raise ValueError("a score of label-error detection is not finite")
    right, wrong = _counts(suspicion, mislabelled)
    return {
        "roc_auc": _roc_auc(right, wrong),
        "average_precision": _average_precision(right, wrong),
        "base_rate": base_rate,
        "precision_at_k": _precision_at(suspicion, mislabelled, count),
    }


def _counts(suspicion: np.ndarray, mislabelled: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """How many samples are at least as suspicious as each value that occurs, from the largest down.

    Float64: rightly labelled ones, wrongly labelled ones.
    """
    order = np.argsort(-suspicion, kind="stable")
    last_of_value = np.append(np.flatnonzero(np.diff(suspicion[order])), len(order) - 1)
    wrong = np.cumsum(mislabelled[order], dtype=np.float64)[last_of_value]
    return 1 + last_of_value - wrong, wrong


def _roc_auc(right: np.ndarray, wrong: np.ndarray) -> float:
    """Area under the curve of found (of the wrong) over falsely found (of the right)."""
    if len(right) > 2:  # points on the line between their neighbours add nothing but rounding
        corner = np.diff(right, 2).astype(bool) | np.diff(wrong, 2).astype(bool)
        kept = np.concatenate([[True], corner, [True]])
        right, wrong = right[kept], wrong[kept]
    false, found = (np.concatenate([[0.0], counts]) / counts[-1] for counts in (right, wrong))
    return float((np.diff(false) * (found[1:] + found[:-1]) / 2.0).sum())


def _average_precision(right: np.ndarray, wrong: np.ndarray) -> float:
    """Mean precision over recall, as a sum of steps."""
    precision, recall = wrong / (wrong + right), wrong / wrong[-1]
    # from the largest recall down, and one more step to no recall: the order of the sum decides its last digit
    steps = -np.diff(np.append(recall[::-1], 0.0))
    return float(max(0.0, np.sum(steps * precision[::-1])))


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
