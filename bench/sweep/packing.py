"""How many runs go on a device at a time, decided from what the running ones tell; without clock or device.

The rules, for a device whose number is `auto`:

1. One run starts. Another is added when those that are there have been measured, and only where it fits.
2. It fits where what the device has in use, what its runs may still grow by and what a newcomer needs leave `MARGIN` of
   the memory free. A newcomer needs what the largest run took, and a context. Before the end of its first epoch, where
   the first evaluation comes, a run counts as `GROWTH` times what it took so far.
3. A measurement counts training alone: passes through networks over seconds of training, by the run's own clock. The
   first `SETTLE_SECONDS` after a run came or went are left out, and each run is watched for `MEASURE_SECONDS`.
4. The gain of one more compares like with like: a run's rate with n on the device over the rate of runs of the same
   kind (method, network, data set, batch, precision) with fewer, else of the same network. With the ratio r of the
   rates, n do n * r times the work of one of them where m did m times, so the gain is n * r / m - 1, shared among the
   n - m that were added. Below `LEAST_GAIN` the last one added is not worth its place, and the number is settled.
5. Where runs end before they can be measured or compared, starting them is what takes the time: one more is added
   without a judgement once `SHORT_RUNS` of them ended for each that may run.
6. Never more than `most`: the host's cores, `MOST_RUNS`, and the number of runs there are.

Where a run is out of memory the number falls below that of the runs at the time, and rises no more.
"""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from dataclasses import dataclass, field

SETTLE_SECONDS = 3.0  # libraries are loaded, steps are captured
MEASURE_SECONDS = 5.0
LEAST_GAIN = 0.10
MARGIN = 0.10  # of the device's memory
GROWTH = 1.5
CONTEXT_BYTES = 2**30  # what CUDA itself takes for a process, at most
SHORT_RUNS = 2
MOST_RUNS = 8  # on a device, with `auto`

Rates = dict[Hashable, tuple[float, float]]  # by kind: passes, seconds


@dataclass(frozen=True)
class Sight:
    """What a run told last.

    kind: (network, method), each with all that makes rates comparable. passes: images that went through its networks in
    training steps; seconds: of training, evaluation not counted; both since this execution began. memory: bytes that
    its process had reserved at most; used, total: bytes of the whole device.
    """

    address: str
    kind: tuple[Hashable, Hashable]
    epoch: int
    passes: float
    seconds: float
    memory: int = 0
    used: int = 0
    total: int = 0


def _pooled(rates: Rates, part: slice) -> Rates:
    """The rates by a part of the kind."""
    pooled: Rates = {}
    for kind, (passes, seconds) in rates.items():
        assert isinstance(kind, tuple)
        before = pooled.get(kind[part], (0.0, 0.0))
        pooled[kind[part]] = (before[0] + passes, before[1] + seconds)
    return pooled


def ratio(new: Rates, old: Rates) -> float | None:
    """Rate of a run in `new` over that in `old`, like with like; None where nothing alike was watched long enough."""
    for part in (slice(None), slice(1)):
        now, then = _pooled(new, part), _pooled(old, part)
        common = [
            kind
            for kind in now
            if kind in then and then[kind][0] and min(now[kind][1], then[kind][1]) >= MEASURE_SECONDS / 2
        ]
        weight = sum(now[kind][1] for kind in common)
        if common:
            rates = ((now[kind][0] / now[kind][1]) / (then[kind][0] / then[kind][1]) for kind in common)
            return sum(rate * now[kind][1] for rate, kind in zip(rates, common, strict=True)) / weight
    return None


def fits(sights: Sequence[Sight], known: int) -> bool:
    """Whether one more run has room beside those seen; known: bytes that the largest run so far took."""
    if not sights or not all(sight.total for sight in sights):
        return False  # nothing is known yet
    wanted = [sight.memory if sight.epoch else round(sight.memory * GROWTH) for sight in sights]
    growth = sum(need - sight.memory for need, sight in zip(wanted, sights, strict=True))
    newcomer = max(known, *wanted) + CONTEXT_BYTES
    total = min(sight.total for sight in sights)
    return max(sight.used for sight in sights) + growth + newcomer <= total * (1 - MARGIN)


def _gib(size: float) -> str:
    return f"{size / 2**30:.1f}" if size < 10 * 2**30 else f"{size / 2**30:.0f}"


@dataclass
class Packing:
    """How many runs the device `name` takes: `allowed` now, never more than `most`.

    settled: `allowed` is not to rise. `observe` and `ended` return lines that tell the user of a decision.
    """

    name: str
    most: int
    allowed: int = 1
    settled: bool = False
    _live: dict[str, float] = field(default_factory=dict)  # runs in training: their clock when the present set began
    _last: dict[str, Sight] = field(default_factory=dict)  # sights up to which passes are counted
    _levels: dict[int, Rates] = field(default_factory=dict)  # by the number of runs in training
    _seen: list[Sight] = field(default_factory=list)
    _largest: int = 0
    _ended: int = 0  # since `allowed` was changed

    @classmethod
    def fixed(cls, name: str, number: int) -> Packing:
        """A device that takes `number` runs, unless they run out of memory."""
        return cls(name, number, number, settled=True)

    def observe(self, sights: Sequence[Sight]) -> list[str]:
        """Take note of the runs on the device."""
        if self.settled:
            return []
        training = [sight for sight in sights if sight.seconds > 0]
        self._count(training)
        self._seen = training or self._seen
        self._largest = max([self._largest, *(sight.memory for sight in training if sight.epoch)])
        number = len(training)
        if number != self.allowed:
            return []
        if sum(seconds for _, seconds in self._levels.get(number, {}).values()) < number * MEASURE_SECONDS:
            return []
        gain = self._gain(number)
        if number > 1 and gain is None:
            return []
        if gain is not None and gain < LEAST_GAIN:
            return self._settle(number - 1, f"one more {'gained' if gain > -0.005 else 'lost'} {abs(gain):.0%}")
        return self._grow()

    def ended(self) -> list[str]:
        """Take note that a run on the device ended."""
        self._ended += 1
        if self.settled or self._ended < SHORT_RUNS * self.allowed:
            return []
        return self._grow()

    def out_of_memory(self, number: int) -> None:
        """Take note that a run was out of memory where up to `number` were on the device, itself among them."""
        self.allowed, self.settled = max(1, min(self.allowed, number - 1)), True

    def _count(self, training: Sequence[Sight]) -> None:
        """Add to the rates what was done since the last sights, where the set of runs is the same and has settled."""
        again = {sight.address for sight in training} == set(self._live) and all(
            sight.seconds >= self._last.get(sight.address, sight).seconds for sight in training
        )
        if not again:
            self._live = {sight.address: sight.seconds for sight in training}
            self._last = {}
            return
        rates = self._levels.setdefault(len(training), {})
        for sight in training:
            if sight.seconds - self._live[sight.address] < SETTLE_SECONDS:
                continue
            before = self._last.setdefault(sight.address, sight)
            passes, seconds = rates.get(sight.kind, (0.0, 0.0))
            rates[sight.kind] = (passes + sight.passes - before.passes, seconds + sight.seconds - before.seconds)
            self._last[sight.address] = sight

    def _gain(self, number: int) -> float | None:
        """What each run beyond the next smaller number with comparable rates added; None where there is none."""
        for fewer in range(number - 1, 0, -1):
            rate_ratio = ratio(self._levels[number], self._levels.get(fewer, {}))
            if rate_ratio is not None:
                return (number * rate_ratio / fewer - 1) / (number - fewer)
        return None

    def _grow(self) -> list[str]:
        if self.allowed >= self.most:
            return self._settle(self.allowed, "the most there may be")
        if fits(self._seen, self._largest):
            self.allowed, self._ended = self.allowed + 1, 0
            return []
        if self._seen and all(sight.epoch for sight in self._seen):
            return self._settle(self.allowed, "one more has no room")
        return []  # what a run needs is not known before the end of its first epoch

    def _settle(self, number: int, reason: str) -> list[str]:
        self.allowed, self.settled = number, True
        told = []
        total = max((sight.total for sight in self._seen), default=0)
        if total:
            reserved = sum(sight.memory for sight in self._seen)
            context = min(CONTEXT_BYTES, max(0, max(sight.used for sight in self._seen) - reserved) / len(self._seen))
            largest = max([self._largest, *(sight.memory for sight in self._seen)])
            told = [f"each about {_gib(largest + context)} GiB of {_gib(total)}"]
        runs = "1 run" if number == 1 else f"{number} runs"
        return [f"{self.name}: {runs} at a time ({'; '.join([*told, reason])})"]
