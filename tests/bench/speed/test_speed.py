"""`speed`: each case as it is done, within a time, beside its references; in fresh processes where that matters."""

from __future__ import annotations

import json
import math
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import asdict, replace
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from command_line import ENVIRONMENT, HOME, Path, finish, kill_all, start

from bench.commands.speed_rows import header, row
from bench.machine import accelerator
from bench.speed import budget, drive, measure, references, together
from bench.speed.budget import Cost
from bench.speed.case import Case, Failed, LeftOut, Speed, cases
from bench.speed.measure import Times
from bench.speed.task import specification
from common.allotment import Part

TINY = Case("cross_entropy", "digits_cnn", 64, "fp32", "cpu", samples=512, repeats=2)
FOUND = Speed(
    "cross_entropy", "small_cnn", 128, "fp32", "cpu", 256, 1, 1000.0, (900.0, 1100.0), 0.25, (0.2, 0.3), None, 1.0, 5.0
)
LONGEST = 300.0  # seconds: every case starts a process, and neighbours may be busy
FAULTY = """
import os, signal
from methods.base import Method
class Broken(Method):
    name = 'broken'
    title = 'Broken'
    year = 2026
    reference = 'a test'
    def loss(self, batch):
        raise RuntimeError('planted fault')
class Killed(Broken):
    name = 'killed'
    title = 'Killed'
    year = 2026
    reference = 'a test'
    def loss(self, batch):
        os.kill(os.getpid(), signal.SIGKILL)
"""


# ---- in processes of their own ---------------------------------------------------------------------------------------


@pytest.mark.slow
def test_a_stream_gives_each_case_as_it_is_done(tmp_path: Path) -> None:
    words = ("speed", "--methods", "cross_entropy,elr", "--networks", "digits_cnn", "--no-plain", "--samples", 512)
    process = start(*words, "--stream", "--budget", 100, "--repeats", 2, cwd=tmp_path)
    assert process.stdout is not None
    try:
        first = json.loads(process.stdout.readline())
        assert process.poll() is None  # the second case is still to come
        second = json.loads(process.stdout.readline())
        assert (process.stdout.read(), process.wait(60)) == ("", 0)
    finally:
        kill_all(process)
    assert [one["method"] for one in (first, second)] == ["cross_entropy", "elr"]
    for one in (first, second):
        assert set(one) == {*asdict(FOUND)}
        assert (one["samples"], one["repeats"], one["missing"]) == (512, 2, [])
        low, high = one["images_per_second_spread"]
        assert 0 < low <= one["images_per_second"] <= high


@pytest.mark.slow
def test_a_budget_that_is_too_short_cuts_the_first_case_and_names_those_left_out(tmp_path: Path) -> None:
    words = ("speed", "--methods", "cross_entropy,elr", "--networks", "digits_cnn", "--samples", 4096)
    status, said = finish(start(*words, "--budget", 0.5, "--stream", cwd=tmp_path), LONGEST)
    first, second = map(json.loads, said.splitlines())
    assert status == 0
    assert (first["method"], first["samples"], first["repeats"]) == ("cross_entropy", 256, 1)
    assert first["missing"] == ["the plain loop", "2 of 3 repeats", "3,840 of 4,096 images an epoch"]
    assert second == {"left_out": {"method": "elr", "network": "digits_cnn", "reason": "no time left"}}


@pytest.mark.slow
def test_two_at_once_are_timed_while_both_train(tmp_path: Path) -> None:
    words = ("speed", "--methods", "elr", "--networks", "digits_cnn", "--samples", 256, "--repeats", 1, "--no-plain")
    status, said = finish(start(*words, "--at-once", 2, "--stream", cwd=tmp_path), LONGEST)
    assert status == 0, said
    found = json.loads(said)
    assert (found["at_once"], found["missing"]) == (2, [])
    assert found["at_once_images_per_second"] > 0


@pytest.mark.slow
def test_a_case_that_fails_harms_no_other_and_the_log_says_what_is_measured(tmp_path: Path) -> None:
    (tmp_path / "faulty.py").write_text(FAULTY)
    words = ("speed", "--methods", "broken,killed,elr", "--plugin", "faulty.py", "--networks", "digits_cnn")
    small = ("--samples", 256, "--repeats", 1, "--no-plain", "--log-every", 0.1)
    status, said = finish(start(*words, *small, cwd=tmp_path), LONGEST)
    lines = said.splitlines()
    assert status == 1
    assert "failed: broken on digits_cnn: RuntimeError: planted fault" in lines
    assert "failed: killed on digits_cnn: its process was killed (out of memory?)" in lines
    titles = next(line for line in lines if line.startswith("method "))
    [found] = [line for line in lines if line.startswith("elr ")]
    assert len(found) == len(titles)
    assert found.split()[-3:-1] == ["-", "1.00"]  # no plain loop, one pass
    assert any(line.startswith("measuring elr on digits_cnn, 2 of 3 cases done, about 0:") for line in lines), lines
    assert "Traceback" not in said


@pytest.mark.cuda
def test_a_device_has_all_its_columns(tmp_path: Path) -> None:
    words = ("speed", "--device", "cuda", "--methods", "cross_entropy,co_teaching", "--networks", "small_cnn")
    status, said = finish(start(*words, "--samples", 5120, "--no-plain", "--at-once", 2, "--stream", cwd=tmp_path))
    assert status == 0, said
    for found in map(json.loads, said.splitlines()):
        assert found["missing"] == [], found
        for kind in ("eager", "captured", "bare_graph", "at_once"):
            assert found[f"{kind}_images_per_second"] > 0, found
        assert 0 < found["share_of_peak"] < 1


def test_the_process_that_only_starts_others_does_not_import_torch() -> None:
    program = "import sys; import bench.commands.speed; print('torch' in sys.modules)"
    ended = subprocess.run(
        [sys.executable, "-c", program], cwd=HOME, env=ENVIRONMENT, capture_output=True, text=True, check=True
    )
    assert ended.stdout == "False\n"


# ---- bad input -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (("--budget", "0"), "--budget 0: accepted: seconds above 0, at most 1,000,000"),
        (("--budget", "-3"), "accepted: seconds above 0"),
        (("--budget", "nan"), "accepted: seconds above 0"),
        (("--budget", "inf"), "accepted: seconds above 0"),
        (("--budget", "soon"), "--budget"),
        (("--at-once", "0"), "--at-once"),
        (("--at-once", "65"), "--at-once"),
        (("--samples", "100"), "--samples"),
        (("--stream", "--json"), "give it or --stream"),
        (("--strong", "autoaugment"), "--strong: unknown view policy 'autoaugment'; did you mean"),
        (("--budget", "5", "--json"), "give it or --budget"),
    ],
    ids=" ".join,
)
def test_what_makes_no_sense_is_refused(refused: Callable[..., str], words: tuple[str, ...], expected: str) -> None:
    assert expected in refused("speed", *words)


def test_the_strong_views_of_a_case_are_those_of_the_policy_named() -> None:
    [case] = cases(["sop_plus"], ["small_cnn"], 64, "fp32", "cpu", 256, 1, False, False, strong="randaugment_gjs")
    assert specification(case).augmentation.strong == "randaugment_gjs"
    [plain] = cases(["sop_plus"], ["small_cnn"], 64, "fp32", "cpu", 256, 1, False, False)
    assert specification(plain).augmentation.strong is None


# ---- one case --------------------------------------------------------------------------------------------------------


@pytest.fixture(autouse=True)
def same_threads() -> Any:
    threads = torch.get_num_threads()
    yield
    torch.set_num_threads(threads)


@pytest.mark.slow
def test_a_case_with_time_enough_is_measured_as_asked_for() -> None:
    now = time.monotonic()
    found, cost = measure.measure_within(TINY, now - 1.0, Times(now + 1000.0, now + 2000.0))
    assert (found.samples, found.repeats, found.missing) == (512, 2, ())
    assert found.ratio_to_plain_loop is not None and found.ratio_to_plain_loop > 0
    assert found.passes_per_step == 1.0
    assert (found.eager_images_per_second, found.at_once_images_per_second) == (None, None)
    assert cost.start >= 1.0 and cost.work > 0


def test_a_case_without_time_gets_its_smallest_measurement() -> None:
    now = time.monotonic()
    found, _ = measure.measure_within(replace(TINY, method="co_teaching"), now, Times(now - 5.0, now))
    assert (found.samples, found.repeats, found.passes_per_step) == (256, 1, 2.0)
    assert found.missing == ("the plain loop", "1 of 2 repeats", "256 of 512 images an epoch")


def test_repeats_end_at_the_deadline(monkeypatch: pytest.MonkeyPatch) -> None:
    now = [0.0]

    def one_round(sides: Any, device: Any, times: Times) -> measure.Round:
        now[0] += 3.0
        times.check()
        return measure.Round(3.0, 2.0, 100, (100, 0))

    monkeypatch.setattr(measure, "_time_round", one_round)
    monkeypatch.setattr(measure, "time", SimpleNamespace(monotonic=lambda: now[0]))

    def rounds(planned: float, latest: float) -> int:
        sides: Any = None
        now[0] = 0.0
        return len(measure._time_rounds(sides, torch.device("cpu"), 10, Times(planned, latest)))

    assert rounds(10.0, 100.0) == 3
    assert rounds(1.0, 100.0) == 1  # one may take longer than was planned
    assert rounds(100.0, 7.0) == 2  # a round that is cut off does not count
    assert rounds(math.inf, math.inf) == 10
    with pytest.raises(measure.TimeUp):
        rounds(10.0, 2.0)


def test_what_a_slower_machine_cannot_finish_is_cut_off_and_the_smallest_measurement_stands(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(budget, "affordable", lambda case, first, fixed, left: replace(case, samples=10_000))
    now, began = time.monotonic(), []
    started = measure.started
    monkeypatch.setattr(measure, "started", lambda case, *rest: (began.append(case.samples), started(case, *rest))[1])
    found, _ = measure.measure_within(TINY, now, Times(now + 1000.0, now))
    assert began == [256, 10_000]
    assert (found.samples, found.repeats) == (256, 1)


def test_what_a_device_has_beside_it_is_put_together(monkeypatch: pytest.MonkeyPatch) -> None:
    """The path of a CUDA device with a stand-in for its graphs: here they are calls."""
    graphs: list[Callable[[], object]] = []

    class Recorder:
        def __init__(self, device: torch.device) -> None:
            pass

        def record(self, step: Callable[[], None]) -> Callable[[], object]:
            graphs.append(step)
            return step

    same = {"prepare": torch.device, "own_stream": accelerator.own_stream}
    monkeypatch.setattr(measure, "accelerator", SimpleNamespace(is_cuda=lambda device: True, **same))
    monkeypatch.setattr(references, "GraphRecorder", Recorder)
    monkeypatch.setattr(measure, "matrix_peak", lambda device: 1e12)
    started = measure.started

    def with_capture(case: Case, device: torch.device, capture: str, beat: Callable[[float], None]) -> Any:
        return started(case, device, "trace" if capture == "auto" else capture, beat)

    monkeypatch.setattr(measure, "started", with_capture)
    found = measure.measure(replace(TINY, plain=False, repeats=1))
    assert len(graphs) == 2  # a step, and a pass forward
    assert found.captured_share is not None and 0.5 < found.captured_share < 1  # the first step is always Python's
    assert found.captured_reason is None
    assert found.captured_images_per_second == found.images_per_second
    assert found.eager_images_per_second and found.bare_graph_images_per_second and found.share_of_peak
    flops = found.share_of_peak * 1e12 / found.images_per_second
    alone = references.bare("digits_cnn", (1, 8, 8), 64, "fp32", torch.device("cpu"))
    assert flops == pytest.approx(references.flops_per_image(alone))


# ---- fitting into a time ---------------------------------------------------------------------------------------------

WHOLE = Case("cross_entropy", "small_cnn", 128, "fp32", "cpu", samples=10_000, repeats=3)


@pytest.mark.parametrize(
    ("left", "expected"),
    [
        (200.0, WHOLE),
        (80.0, replace(WHOLE, plain=False)),
        (50.0, replace(WHOLE, plain=False, repeats=1)),
        (20.0, replace(WHOLE, plain=False, repeats=1, samples=5760)),
        (1.5, None),
        (-10.0, None),
    ],
)
def test_the_plain_loop_is_left_out_first_then_repeats_then_images(left: float, expected: Case | None) -> None:
    # an epoch of ours takes 10 s, of the bare network 8
    assert budget.affordable(WHOLE, FOUND, fixed=1.0, left=left) == expected


def test_a_case_is_expected_to_cost_what_others_did() -> None:
    known = [Cost(WHOLE, 3.0, 2.0), Cost(replace(WHOLE, network="resnet18"), 4.0, 30.0)]
    assert budget.expected(WHOLE, []) == 0.0
    assert budget.expected(replace(WHOLE, method="co_teaching"), known) == 3.0 + 2 * 2.0
    assert budget.expected(replace(WHOLE, network="resnet34"), known) == 3.0


class FakeMachine:
    """Cases that take so many seconds at least, by network, and else all the time that they are given.

    slow: they take so many times as long as was planned, as far as they are let.
    """

    def __init__(self, monkeypatch: pytest.MonkeyPatch, work: dict[str, float], slow: float = 1.0) -> None:
        self.now, self.work, self.slow = 0.0, work, slow
        monkeypatch.setattr(drive, "time", SimpleNamespace(monotonic=lambda: self.now))
        monkeypatch.setattr(drive, "_apart", self.measured)
        monkeypatch.setattr(together, "rate", self.together)

    def measured(self, call: Any, case: Case, submitted: float, planned: float, latest: float) -> tuple[Speed, Cost]:
        cost = Cost(case, 2.0, self.work[case.network])
        self.now = max(submitted + cost.total, min(submitted + self.slow * (planned - submitted), latest))
        return replace(FOUND, method=case.method, network=case.network), cost

    def together(self, case: Case, longest: float | None = None) -> float:
        self.now += 5.0
        return 1500.0


@pytest.mark.parametrize("slow", [1.0, 4.0])
@pytest.mark.parametrize("seconds", [0.1, 1.0, 10.0, 25.0, 60.0, 300.0])
def test_a_budget_is_exceeded_by_one_smallest_measurement_at_most(
    monkeypatch: pytest.MonkeyPatch, seconds: float, slow: float
) -> None:
    machine = FakeMachine(monkeypatch, {"small_cnn": 3.0, "resnet18": 40.0}, slow)
    planned = cases(["cross_entropy", "elr"], ["small_cnn", "resnet18"], 128, "fp32", "cpu", None, 3, True, False)
    begun: list[Case] = []
    found = list(drive.measure_all(planned, seconds, begun.append))
    assert [(one.method, one.network) for one in found] == [(case.method, case.network) for case in planned]
    assert [one for one in found if isinstance(one, LeftOut)] == found[len(begun) :]
    assert machine.now <= seconds + 42.0
    if seconds == 300.0 and slow == 1.0:
        assert len(begun) == 4
    if seconds == 10.0:
        assert [case.network for case in begun] == ["small_cnn", "small_cnn"]  # 5 s each, and then none is left


def test_several_at_once_are_left_out_where_no_time_is_left_or_they_fail(monkeypatch: pytest.MonkeyPatch) -> None:
    def late(case: Case, longest: float | None) -> float:
        raise TimeoutError

    machine = FakeMachine(monkeypatch, {"small_cnn": 3.0})
    monkeypatch.setattr(drive.allotment, "processors", lambda: Part(2, "a test"))
    case = replace(WHOLE, at_once=2)
    [short], [long] = list(drive.measure_all([case], 10.0)), list(drive.measure_all([case], 60.0))
    assert isinstance(short, Speed) and isinstance(long, Speed)
    assert (short.at_once_images_per_second, short.missing) == (None, ("2 at once (no time left)",))
    assert (long.at_once, long.at_once_images_per_second, long.missing) == (2, 1500.0, ())
    assert machine.now < 71.0
    monkeypatch.setattr(together, "rate", late)
    [cut] = list(drive.measure_all([case], 60.0))
    assert isinstance(cut, Speed) and cut.missing == ("2 at once (no time left)",)
    monkeypatch.setattr(together, "rate", lambda case, longest: 1 / 0)
    [failed] = list(drive.measure_all([case], 60.0))
    assert isinstance(failed, Speed)
    assert failed.missing == ("2 at once (ZeroDivisionError: division by zero)",)


def test_a_fault_of_a_case_is_its_outcome(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(drive, "_apart", lambda *arguments: 1 / 0)
    assert list(drive.measure_all([WHOLE])) == [
        Failed("cross_entropy", "small_cnn", "ZeroDivisionError: division by zero")
    ]


def test_defaults_follow_the_device() -> None:
    [here] = cases(["elr"], ["small_cnn"], 128, "fp32", "cpu", None, 3, True, False)
    [there] = cases(["elr"], ["small_cnn"], 128, "fp32", "cuda:1", None, 3, True, False)
    assert (here.samples, here.at_once) == (10_000, 1)
    assert (there.samples, there.at_once) == (50_000, 3)
    [named] = cases(["elr"], ["small_cnn"], 128, "fp32", "cuda", 256, 3, True, False, at_once=5)
    assert (named.samples, named.at_once) == (256, 5)
    assert [one.fewest_samples for one in (here, there, named)] == [256, 1024, 256]


# ---- the table -------------------------------------------------------------------------------------------------------


def test_the_table_of_a_device_has_its_columns_in_line() -> None:
    planned = [replace(WHOLE, device="cuda", at_once=5), replace(WHOLE, method="forward_correction", device="cuda")]
    found = replace(
        FOUND, device="cuda", eager_images_per_second=500.0, captured_share=0.5, bare_graph_images_per_second=2000.0,
        share_of_peak=0.123, at_once=5, at_once_images_per_second=4000.0,
    )  # fmt: skip
    titles, line = header(planned), row(planned, found)
    for title, text in {
        "images/s": "1,000 (900 to 1,100)", "overhead": "+25.0% (+20.0% to +30.0%)", "eager": "500", "captured": "50%",
        "bare graph": "2,000", "5 at once": "4,000", "of peak": "12%", "to plain loop": "-", "peak MiB": "5",
    }.items():  # fmt: skip
        end = titles.index(title) + len(title)
        assert line[:end].endswith(text), (title, line)
    plain = header([WHOLE])
    assert not any(title in plain for title in ("eager", "captured", "at once", "of peak"))
