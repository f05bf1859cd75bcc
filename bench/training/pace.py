"""How fast a run goes on, and how long it still takes, from how it has gone so far."""

from __future__ import annotations

import time
from collections.abc import Callable


class Pace:
    """Rate and time left of a run, of which an earlier execution may have done a part.

    An epoch lasts from the end of the one before it to its own, so what is measured after it counts as time, but the
    rate is that of training alone. Until the first epoch has ended here, its steps so far tell both.

    done: epochs; samples: those trained on; seconds: those spent in training. All are the run's, not this execution's.
    """

    def __init__(
        self, done: int, epochs: int, samples: int, seconds: float, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._clock, self._epochs = clock, epochs
        self._first = self._last = (done, samples, seconds)
        self._begun = self._ended = clock()

    def epoch_done(self, done: int, samples: int, seconds: float) -> None:
        """One more epoch is trained and measured."""
        self._last, self._ended = (done, samples, seconds), self._clock()

    def images_per_second(self, samples: int) -> float:
        """Of training in this execution. samples: those trained on so far."""
        _, first, spent = self._first
        if self._last == self._first:
            return (samples - first) / max(self._clock() - self._begun, 1e-9)
        return (self._last[1] - first) / max(self._last[2] - spent, 1e-9)

    def seconds_left(self, progress: float) -> float | None:
        """Seconds until the last epoch ends. progress: epochs done, with a share; None where nothing tells yet."""
        now, first, done = self._clock(), self._first[0], self._last[0]
        if done == first:
            share = progress - first
            return (now - self._begun) / share * (self._epochs - progress) if share > 0 else None
        if done == self._epochs:
            return 0.0
        each = (self._ended - self._begun) / (done - first)
        # an epoch that takes longer than those before it is held to end at once
        return (self._epochs - done - 1) * each + max(each - (now - self._ended), 0.0)
