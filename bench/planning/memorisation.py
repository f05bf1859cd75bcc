"""How often memorisation is measured where a suite does not say: so that it costs at most a tenth of a run."""

from __future__ import annotations

from bench.planning.workload import EpochImages


def default_interval(epochs: int, images: EpochImages) -> int:
    """Epochs between two measurements: the smallest number with which all of them cost at most a tenth of the run.

    The last epoch is measured whatever it costs. The number depends on what all rows of a comparison share, not on the
    method: one that trains several networks also passes through each of them in every step, so its share is no larger.
    Scoring an image counts as a third of training on it, so that m measurements are affordable where

        m * measured / 3 <= 1/10 * (epochs * (trained + scored / 3) + m * measured / 3),

    which is solved for m in whole numbers: no machine rounds otherwise.
    """
    if not images.measured:
        return 1
    affordable = epochs * (3 * images.trained + images.scored) // (9 * images.measured)
    measurements = min(max(affordable, 1), epochs)
    return -(-epochs // measurements)
