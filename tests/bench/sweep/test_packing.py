"""How many runs go on a device: the rules, on runs that are simulated to the second."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import pytest

from bench.sweep.packing import CONTEXT_BYTES, LEAST_GAIN, MOST_RUNS, Packing, Sight, fits, ratio

GIB = 2**30


@dataclass
class Run:
    """A run that tells what a lease would."""

    address: str
    speed: float = 1000.0  # passes a second, alone
    network: str = "resnet"
    method: str = "plain"
    memory: int = GIB
    epoch_seconds: float = 5.0
    start: int = 0  # seconds before its training
    passes: float = 0.0
    seconds: float = 0.0


class Card:
    """A device on which `shares[n]` is the rate of each of n runs, as a share of that of one alone."""

    def __init__(
        self, packing: Packing, share: Callable[[int], float], total: int = 140 * GIB, others: int = 0
    ) -> None:
        self.packing, self.share, self.total, self.others = packing, share, total, others
        self.runs: list[Run] = []
        self.said: list[str] = []

    def sights(self) -> list[Sight]:
        used = self.others + sum(run.memory + CONTEXT_BYTES // 2 for run in self.runs)
        return [
            Sight(
                run.address, (run.network, run.method), int(run.seconds // run.epoch_seconds), run.passes, run.seconds,
                run.memory, used, self.total,
            )
            for run in self.runs
        ]  # fmt: skip

    def second(self) -> None:
        training = [run for run in self.runs if run.start <= 0]
        for run in self.runs:
            run.start -= 1
        for run in training:
            run.seconds += 1
            run.passes += run.speed * self.share(len(training))
        self.said += self.packing.observe(self.sights())

    def last(self, seconds: int, new: Callable[[int], Run] = lambda number: Run(f"run {number}")) -> int:
        """Let time pass, and start a run wherever one is allowed; returns how many there are then."""
        for _ in range(seconds):
            while len(self.runs) < self.packing.allowed:
                self.runs.append(new(len(self.runs)))
            self.second()
        return self.packing.allowed


def evenly(limit: float) -> Callable[[int], float]:
    """Runs that do not disturb each other until `limit` of them fill the device."""
    return lambda number: min(1.0, limit / number)


@pytest.mark.parametrize(("limit", "expected"), [(1.0, 1), (2.0, 2), (3.0, 3), (5.0, 5), (2.6, 3), (3.05, 3)])
def test_runs_are_added_while_one_more_gains(limit: float, expected: int) -> None:
    card = Card(Packing("cuda:0", 8), evenly(limit))
    assert card.last(120) == expected
    assert card.packing.settled
    [line] = card.said
    assert line.startswith(f"cuda:0: {expected} run{'s' if expected > 1 else ''} at a time (each about 1.5 GiB of 140;")
    assert "one more gained" in line


def test_a_gain_is_told_in_percent_and_a_loss_as_one() -> None:
    card = Card(Packing("cuda:0", 8), lambda number: {1: 1.0, 2: 0.9, 3: 1.8 * 1.02 / 3}[number])
    card.last(120)
    assert card.said == ["cuda:0: 2 runs at a time (each about 1.5 GiB of 140; one more gained 2%)"]
    card = Card(Packing("cuda:0", 8), lambda number: {1: 1.0, 2: 0.45}[number])
    card.last(120)
    assert card.said == ["cuda:0: 1 run at a time (each about 1.5 GiB of 140; one more lost 10%)"]


@pytest.mark.parametrize(("gain", "expected"), [(LEAST_GAIN + 0.01, 2), (LEAST_GAIN - 0.01, 1)])
def test_the_least_gain_decides(gain: float, expected: int) -> None:
    card = Card(Packing("cuda:0", 2), lambda number: (1 + gain) / 2 if number == 2 else 1.0)
    assert card.last(120) == expected


def test_no_more_than_may() -> None:
    card = Card(Packing("cuda:0", 3), evenly(99))
    assert card.last(120) == 3
    assert card.said == ["cuda:0: 3 runs at a time (each about 1.5 GiB of 140; the most there may be)"]
    assert Card(Packing("cuda:0", 1), evenly(99)).last(60) == 1
    assert Card(Packing("cuda:0", MOST_RUNS), evenly(99)).last(300) == MOST_RUNS


@pytest.mark.parametrize("total", [8, 24, 80])
@pytest.mark.parametrize("memory", [1, 3, 7, 30])
@pytest.mark.parametrize("others", [0, 5])
def test_never_more_than_memory_takes(total: int, memory: int, others: int) -> None:
    packing = Packing("cuda:0", 8)
    card = Card(packing, evenly(99), total * GIB, others * GIB)
    allowed = card.last(200, lambda number: Run(f"run {number}", memory=memory * GIB))
    used = others * GIB + allowed * (memory * GIB + CONTEXT_BYTES // 2)
    if allowed > 1:
        assert used <= 0.9 * total * GIB
    if allowed < 8:  # one more would not have had its memory, context and the margin
        assert used + memory * GIB + CONTEXT_BYTES > 0.9 * total * GIB
        assert "one more has no room" in card.said[0]


def test_a_run_counts_for_more_until_its_first_evaluation() -> None:
    packing = Packing("cuda:0", 8)
    card = Card(packing, evenly(99), 10 * GIB)
    long = 60.0  # of an epoch: 3 GiB may become 4.5, and so may another's
    assert card.last(50, lambda number: Run(f"run {number}", memory=3 * GIB, epoch_seconds=long)) == 1
    assert not packing.settled
    assert card.last(30, lambda number: Run(f"run {number}", memory=3 * GIB, epoch_seconds=long)) == 2


def test_what_is_not_known_yet_adds_nothing() -> None:
    assert not fits([], 0)
    assert not fits([Sight("a", ("r", "m"), 1, 100, 10)], 0)
    packing = Packing("cuda:0", 8)
    for _ in range(100):
        assert packing.observe([]) == []
    assert packing.allowed == 1


def test_a_start_that_takes_long_is_waited_for() -> None:
    """The second run trains only after 20 s; what the first does meanwhile is no measurement of two."""
    packing = Packing("cuda:0", 8)
    card = Card(packing, evenly(1.0))
    card.last(31, lambda number: Run(f"run {number}", start=20 if number else 0))
    assert packing.allowed == 2
    card.last(30)
    assert (packing.allowed, packing.settled) == (1, True)


def test_runs_of_other_methods_are_compared_with_their_like_alone() -> None:
    """A slow method beside a fast one: what each loses counts, not the sum of its passes."""
    new = [Run("fast", 1000, method="fast"), Run("slow", 10, method="slow"), Run("third", 10, method="slow")]
    card = Card(Packing("cuda:0", 3), evenly(2.0))
    assert card.last(120, lambda number: new[number]) == 2  # the fast one lost nothing beside one, a third beside two
    assert "one more gained" in card.said[0]


def test_a_phase_that_passes_more_often_is_no_loss() -> None:
    """Rates are of passes: a method that needs four times as many for an image, at a quarter of the images."""
    run = Run("one", 1000)
    card = Card(Packing("cuda:0", 2), evenly(99))
    card.runs.append(run)
    card.last(5)
    run.speed = 1000.0  # as many passes, whatever its images
    assert card.last(60) == 2


def test_runs_that_end_are_replaced_and_compared_by_their_kind() -> None:
    card = Card(Packing("cuda:0", 8), evenly(3.0))
    for number in range(30):  # each run ends after 14 s: four times too short to see two levels
        card.last(14, lambda position, number=number: Run(f"run {number}.{position}"))  # type: ignore[misc]
        card.runs.clear()
    assert card.packing.allowed == 3
    assert "one more gained" in card.said[0]


def test_runs_too_short_to_measure_are_added_without_a_judgement() -> None:
    card, lines = Card(Packing("cuda:0", 4), evenly(99)), []
    for number in range(40):
        card.last(4, lambda position, number=number: Run(f"run {number}.{position}", epoch_seconds=1))  # type: ignore[misc]
        lines += [line for _ in card.runs for line in card.packing.ended()]
        card.runs.clear()
    assert card.packing.allowed == 4
    assert [line for line in lines if line] == [
        "cuda:0: 4 runs at a time (each about 1.5 GiB of 140; the most there may be)"
    ]


def test_short_runs_too_need_room() -> None:
    card = Card(Packing("cuda:0", 4), evenly(99), total=5 * GIB)
    for number in range(40):
        card.last(4, lambda position, number=number: Run(f"{number}.{position}", memory=2 * GIB, epoch_seconds=1))  # type: ignore[misc]
        for _ in card.runs:
            card.packing.ended()
        card.runs.clear()
    assert card.packing.allowed == 1


def test_a_run_tried_again_from_its_start_is_no_negative_work() -> None:
    packing = Packing("cuda:0", 2)
    card = Card(packing, evenly(99))
    card.last(6)
    card.runs[0] = Run("run 0")  # its worker was lost
    card.last(5)
    [(passes, seconds)] = packing._levels[1].values()
    assert passes / seconds == 1000.0
    assert card.last(60) == 2


def test_out_of_memory_lowers_the_number_for_good() -> None:
    packing = Packing("cuda:0", 8)
    card = Card(packing, evenly(99))
    card.last(60)
    before = packing.allowed
    assert before > 3
    packing.out_of_memory(3)
    assert packing.allowed == 2
    packing.out_of_memory(3)  # of the same three
    assert packing.allowed == 2
    del card.runs[2:]
    assert card.last(100) == 2
    packing.out_of_memory(2)
    packing.out_of_memory(1)
    assert packing.allowed == 1


def test_a_fixed_number_is_measured_by_nobody() -> None:
    packing = Packing.fixed("cuda:1", 5)
    card = Card(packing, evenly(1.0), total=GIB)
    assert card.last(100) == 5
    assert card.said == []
    assert packing.ended() == []
    packing.out_of_memory(5)
    assert packing.allowed == 4


def test_like_is_compared_with_like_then_within_a_network_and_else_not_at_all() -> None:
    old = {("resnet", "a"): (1000.0, 10.0), ("cnn", "a"): (9000.0, 10.0)}
    assert ratio({("resnet", "a"): (500.0, 10.0)}, old) == pytest.approx(0.5)
    assert ratio({("resnet", "b"): (500.0, 10.0)}, old) == pytest.approx(0.5)  # another method, the same network
    assert ratio({("vgg", "a"): (500.0, 10.0)}, old) is None
    assert ratio({("resnet", "a"): (50.0, 1.0)}, old) is None  # watched too shortly
    assert ratio({}, old) is None


def test_networks_that_cannot_be_compared_decide_nothing() -> None:
    """Once the first run has ended, none of its network is left: the number stays until runs end."""
    packing = Packing("cuda:0", 8)
    card = Card(packing, evenly(1.0))
    card.last(12)
    assert packing.allowed == 2
    card.runs = [Run("x", network="cnn"), Run("y", network="cnn")]
    assert card.last(60) == 2
    assert not packing.settled


def observed(packing: Packing, sights: Sequence[Sequence[Sight]]) -> list[str]:
    return [line for each in sights for line in packing.observe(each)]


def test_the_same_sights_give_the_same_decision() -> None:
    card, seen = Card(Packing("cuda:0", 8), evenly(2.3)), []
    for _ in range(60):
        card.last(1)
        seen.append(card.sights())
    again = Packing("cuda:0", 8)
    assert observed(again, seen) == card.said
    assert again.allowed == card.packing.allowed
