"""A captured step is Python's step: recorded, proved, replayed; and where it cannot be, nothing is lost.

On a CPU a trace of the operations stands for an accelerator's graph. What only a graph can show is in test_cuda.py.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from small_runs import published, specification
from torch import Tensor, nn

from bench.training import capture, evaluation, trainer
from bench.training.build import build_run
from bench.training.capture_guard import Before
from bench.training.data import prepare
from bench.training.recorders import Replay, TraceRecorder
from bench.training.step import Run
from methods import registry
from methods.base import Batch, Method, Phase
from results.store import Store

EPOCHS = 4
SETTINGS = (
    f"training.epochs={EPOCHS}",
    "training.batch_size=15",  # of 100 samples: six full batches and a remainder
    "training.schedule={name='cosine', warmup=0.3}",
    "training.augmentation={crop_padding=1, flip=true}",
)
CAPTURABLE = [
    "cross_entropy", "car", "co_teaching", "mixup", "selc",
    "label_smoothing", "gce", "truncated_gce", "sce", "nce_mae", "nce_rce", "bootstrap_soft", "bootstrap_hard",
    "forward_correction", "forward_correction_estimated", "backward_correction", "cores", "elr", "nal", "sop",
    "sop_plus", "jocor", "cdr",
]  # fmt: skip
QUICK = 5


def begun(method: str | type[Method], *settings: str, monkeypatch: pytest.MonkeyPatch | None = None) -> Run:
    """A run that traces its steps, told in `run.told`."""
    name = method if isinstance(method, str) else "cross_entropy"
    given = specification(name, *SETTINGS, *settings)
    if not isinstance(method, str):
        assert monkeypatch is not None
        monkeypatch.setattr(registry, "load", lambda name: method)
    told: list[str] = []
    run, _ = build_run(given, prepare(given, None), torch.device("cpu"), capture="trace", tell=told.append)
    assert run.captured is not None
    run.told = told  # type: ignore[attr-defined]
    return run


def by_python(run: Run) -> Run:
    """The same run with nothing captured; its learning rates are tensors all the same."""
    run.captured = None
    return run


def trained(run: Run, epochs: int = EPOCHS) -> tuple[list[dict[str, Any]], dict[str, Tensor]]:
    """What each epoch told, and the state at the end, the optimiser's too."""
    seen = [trainer.train_epoch(run) for _ in range(epochs)]
    assert run.optimizers is not None
    state = {name: value.clone() for name, value in run.method.state_dict().items()}
    state |= {f"optimiser {number}": value.clone() for number, value in enumerate(run.optimizers.tensors)}
    return seen, state | {"probabilities": run.observer.probability_sum.clone()}


def assert_same(one: Run, other: Run) -> None:
    """Both, trained to their end, are the same bit for bit."""
    (seen, state), (others_seen, others_state) = trained(one), trained(other)
    assert seen == others_seen
    assert state.keys() == others_state.keys()
    assert [name for name in state if not torch.equal(state[name], others_state[name])] == []
    assert one.task.counter.state_dict() == other.task.counter.state_dict()
    assert vars(one.position) | {"seconds": 0} == vars(other.position) | {"seconds": 0}


@pytest.mark.parametrize(
    "method", [pytest.param(name, marks=() if n < QUICK else pytest.mark.slow) for n, name in enumerate(CAPTURABLE)]
)
def test_replayed_steps_are_pythons_bit_for_bit(method: str) -> None:
    run = begun(method)
    assert_same(run, by_python(begun(method)))
    assert run.captured is not None
    # the first step of the run and the remainder of each epoch are Python's, and so is the first of each new graph
    assert run.captured.steps == 7 * EPOCHS
    assert run.captured.replayed >= 5 * EPOCHS
    assert run.captured.difference == 0.0
    assert run.told == []  # type: ignore[attr-defined]


class Quiet(TraceRecorder):
    """Records without doing the step, as an accelerator does."""

    executes = False

    def __init__(self, run: Run) -> None:
        self.run, self.recorded = run, 0

    def record(self, step: Callable[[], None]) -> Replay:
        self.recorded += 1
        before = Before(self.run, device=True)
        counts = self.run.task.counter.state_dict()
        try:
            return super().record(step)
        finally:
            now = self.run.task.counter.state_dict()
            before.restore()
            self.run.task.counter.add_counts({name: now[name] - count for name, count in counts.items()})


@pytest.mark.parametrize("method", ["cross_entropy", "car", "mixup", "co_teaching"])
def test_recording_need_not_do_the_step(method: str) -> None:
    run = begun(method)
    assert run.captured is not None
    run.captured.recorder = Quiet(run)
    assert_same(run, by_python(begun(method)))
    assert run.captured.replayed >= 5 * EPOCHS


class Plain(Method):
    """Cross-entropy, of which a test changes one thing."""

    name = "cross_entropy"
    title = "Plain"
    year = 2026
    reference = "a test"

    def loss(self, batch: Batch) -> Tensor:
        logits = self.network(batch.views[0])
        batch.observe(logits)
        return F.cross_entropy(logits, batch.labels)


class ReadsProgress(Plain):
    def loss(self, batch: Batch) -> Tensor:
        return super().loss(batch) * (1 + batch.progress)


class ReadsStep(Plain):
    def loss(self, batch: Batch) -> Tensor:
        return super().loss(batch) * (1 + batch.step)


class DrawsNumPy(Plain):
    def loss(self, batch: Batch) -> Tensor:
        return super().loss(batch) * (1 + self.task.rng.random())


class DrawsTorch(Plain):
    def loss(self, batch: Batch) -> Tensor:
        return super().loss(batch) * torch.rand((), generator=self.task.generator)


class DrawsGlobally(Plain):
    def loss(self, batch: Batch) -> Tensor:
        return super().loss(batch) * (1 + np.random.random())


class Asks(Plain):
    def loss(self, batch: Batch) -> Tensor:
        loss = super().loss(batch)
        return loss * 2 if float(loss.detach()) > 2 else loss


class Selects(Plain):
    def loss(self, batch: Batch) -> Tensor:
        logits = self.network(batch.views[0])
        batch.observe(logits)
        losses = F.cross_entropy(logits, batch.labels, reduction="none")
        return losses[losses.detach() < losses.detach().mean() + 1].mean()


class Counts(Plain):
    calls = 0

    def loss(self, batch: Batch) -> Tensor:
        self.calls += 1
        return super().loss(batch) * self.calls


class Replaces(Plain):
    def build(self) -> None:
        super().build()
        self.register_buffer("mean", torch.zeros(()))

    def loss(self, batch: Batch) -> Tensor:
        loss = super().loss(batch)
        self.mean = 0.9 * self.mean + loss.detach()
        return loss + self.mean


class Scores(Plain):
    def loss(self, batch: Batch) -> Tensor:
        return super().loss(batch) + self.task.logits(self.network).mean()


class ObservesParts(Plain):
    def loss(self, batch: Batch) -> Tensor:
        logits = self.network(batch.views[0])
        batch.observe(logits, large=logits[:3, 0])
        return F.cross_entropy(logits, batch.labels)


class Streams(Plain):
    def epoch_start(self, epoch: int) -> list[Phase]:
        rows = torch.arange(self.task.num_samples)
        return [Phase(streams={"more": (rows, 4)})]


@pytest.mark.parametrize(
    ("method", "reason"),
    [
        (ReadsProgress, "reads batch.progress"),
        (ReadsStep, "reads batch.step"),
        (DrawsNumPy, "draws from task.rng in the step (Method.step_draws can)"),
        (DrawsTorch, "draws from task.generator in the step (Method.step_draws can)"),
        (DrawsGlobally, "draws from a global generator in the step"),
        (Asks, "asks for the content of a tensor in the step (_local_scalar_dense)"),
        (Selects, "asks for the content of a tensor in the step (index)"),
        (Counts, "changes what the method keeps beside its tensors, or replaces a tensor, in the step"),
        (Replaces, "changes what the method keeps beside its tensors, or replaces a tensor, in the step"),
        (Scores, "scores the training set in the step"),
        (Streams, "the phase has further streams"),
    ],
)
def test_what_cannot_be_captured_is_pythons_and_says_why(
    method: type[Method], reason: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = begun(method, monkeypatch=monkeypatch)
    assert_same(run, by_python(begun(method, monkeypatch=monkeypatch)))
    assert run.captured is not None
    assert run.captured.replayed == 0
    assert run.captured.reason == reason
    assert run.told == []  # type: ignore[attr-defined]  # it is no fault


def test_a_part_of_the_batch_that_is_observed_is_refused_as_by_python(monkeypatch: pytest.MonkeyPatch) -> None:
    run = begun(ObservesParts, monkeypatch=monkeypatch)
    with pytest.raises(ValueError, match="it must be a tensor of shape"):
        trainer.train_epoch(run)


class Lying(Quiet):
    """A graph that does something else than the step: nothing, or the step twice."""

    def __init__(self, run: Run, times: int) -> None:
        super().__init__(run)
        self.times = times

    def record(self, step: Callable[[], None]) -> Replay:
        replay = super().record(step)

        def lie() -> None:
            for _ in range(self.times):
                replay()

        return lie


@pytest.mark.parametrize("times", [0, 2])
def test_a_graph_that_is_not_the_step_is_found_out_and_given_up(times: int) -> None:
    run = begun("elr")
    assert run.captured is not None
    run.captured.recorder = Lying(run, times)
    assert_same(run, by_python(begun("elr")))
    assert run.captured.replayed == 0
    assert "differ from Python's" in run.captured.reason
    assert len(run.told) == 1  # type: ignore[attr-defined]


class Broken(Quiet):
    def record(self, step: Callable[[], None]) -> Replay:
        super().record(step)
        raise RuntimeError("CUDA error: operation not permitted\nand more lines")


@pytest.mark.parametrize("method", ["cross_entropy", "mixup"])
def test_a_capture_that_fails_leaves_the_run_as_it_was(method: str) -> None:
    run = begun(method)
    assert run.captured is not None
    run.captured.recorder = broken = Broken(run)
    assert_same(run, by_python(begun(method)))
    assert broken.recorded == 1  # it is not tried again
    assert run.captured.reason.endswith("it failed: CUDA error: operation not permitted")
    assert len(run.told) == 1  # type: ignore[attr-defined]


class ChangesByEpoch(Plain):
    """What only Python decides, in ways that a graph does not show."""

    def build(self) -> None:
        super().build()
        self.weights = {"loss": 1.0}
        self.register_buffer("shift", torch.zeros(()))

    def epoch_start(self, epoch: int) -> list[Phase]:
        if epoch == 2:
            self.weights["loss"] = 3.0
        if epoch == 3:
            self.shift = torch.ones(())
        if epoch == 4:
            for parameter in self.network.blocks[0].parameters():
                parameter.requires_grad_(False)
        return [Phase()]

    def loss(self, batch: Batch) -> Tensor:
        return self.weights["loss"] * super().loss(batch) + self.shift * batch.views[0].mean()


@pytest.mark.parametrize(("method", "recordings"), [(Plain, 1), (ChangesByEpoch, 4)])
def test_a_graph_is_kept_as_long_as_python_would_do_the_same(
    method: type[Method], recordings: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = begun(method, monkeypatch=monkeypatch)
    assert run.captured is not None
    run.captured.recorder = quiet = Quiet(run)
    assert_same(run, by_python(begun(method, monkeypatch=monkeypatch)))
    assert quiet.recorded == recordings


def test_what_was_recorded_before_a_recording_broke_is_not_replayed() -> None:
    run = begun("cross_entropy")
    assert run.captured is not None
    run.captured.recorder = quiet = Quiet(run)
    trainer.train_epoch(run)
    trainer.train_epoch(run)
    assert quiet.recorded == 1
    quiet.broken += 1  # as by a graph of scores
    trainer.train_epoch(run)
    assert quiet.recorded == 2


@pytest.mark.parametrize("name", ["sgd", "adam"])
def test_learning_rates_and_clipping_are_those_of_the_step(name: str) -> None:
    settings = f"training.optimizer={{name='{name}', lr=0.02, clip_norm=0.5}}"
    run = begun("cross_entropy", settings)
    assert_same(run, by_python(begun("cross_entropy", settings)))
    assert run.captured is not None and run.captured.replayed > 20


def test_adagrad_is_not_captured() -> None:
    run = begun("cross_entropy", "training.optimizer={name='adagrad', lr=0.02}")
    trained(run, 1)
    assert run.captured is not None
    assert (run.captured.replayed, run.captured.reason) == (0, "Adagrad counts its steps on the host")


def test_a_phase_of_few_batches_is_not_captured() -> None:
    run = begun("cross_entropy", "training.batch_size=30")
    trained(run, 1)
    assert run.captured is not None
    assert (run.captured.replayed, run.captured.reason) == (0, "a phase has fewer than 4 full batches")


def test_a_run_goes_on_from_a_checkpoint_with_a_graph_of_its_own() -> None:
    whole = trained(begun("elr"))[1]
    first = begun("elr")
    trained(first, 2)
    state = trainer.state_dict(first)
    second = begun("elr")
    trainer.load_state_dict(second, state)
    assert {name for name, value in trained(second, 2)[1].items() if not torch.equal(value, whole[name])} == set()


def test_a_record_says_how_much_was_replayed(tmp_path: Any) -> None:
    given = specification("cross_entropy", *SETTINGS)
    record = published(tmp_path, given, capture="trace")
    # seven batches an epoch, of which the remainder is Python's, and in the first epoch the first one too
    assert record["execution"]["captured"] == {"share": round(23 / 28, 6), "difference": 0.0, "reason": ""}


def test_on_a_cpu_nothing_is_captured_unasked(tmp_path: Any) -> None:
    assert "captured" not in published(tmp_path, specification("cross_entropy"))["execution"]
    assert capture.make("auto", torch.device("cpu"), print) is None
    assert capture.make("off", torch.device("cpu"), print) is None


def test_draws_for_a_step_are_made_once_and_in_order() -> None:
    class Draws(Plain):
        def step_draws(self, batch_size: int) -> dict[str, Tensor]:
            return {"noise": torch.rand(batch_size, generator=self.task.generator)}

        def loss(self, batch: Batch) -> Tensor:
            logits = self.network(batch.views[0])
            batch.observe(logits, noise=batch.draws["noise"])
            return F.cross_entropy(logits, batch.labels)

    with pytest.MonkeyPatch.context() as patch:
        run = begun(Draws, monkeypatch=patch)
        assert_same(run, by_python(begun(Draws, monkeypatch=patch)))
    assert 0 < run.observer.last["noise"].min() < run.observer.last["noise"].max() < 1


def test_a_refused_choice_names_what_is_accepted(refused: Callable[..., str]) -> None:
    assert "--capture 'of'; did you mean 'off'? (accepted: auto, off)" in refused("run", "quick", "--capture", "of")
    assert "--capture" in refused("tune", "elr", "quick", "--capture", "trace")


def test_dropout_draws_anew_in_every_replay() -> None:
    class Drops(Plain):
        def build(self) -> None:
            super().build()
            self.dropout = nn.Dropout(0.5)

        def loss(self, batch: Batch) -> Tensor:
            logits = self.dropout(self.network(batch.views[0]))
            batch.observe(logits)
            return F.cross_entropy(logits, batch.labels)

    with pytest.MonkeyPatch.context() as patch:
        run = begun(Drops, monkeypatch=patch)
        assert_same(run, by_python(begun(Drops, monkeypatch=patch)))
    assert run.captured is not None and run.captured.replayed > 20


def test_stores_are_left_alone_by_a_run_that_is_captured(tmp_path: Any) -> None:
    published(tmp_path, specification("mixup", *SETTINGS), capture="trace")
    assert list((tmp_path / "checkpoints").glob("*")) == []
    assert len(Store(tmp_path).addresses()) == 1


@pytest.mark.parametrize("method", ["cross_entropy", "co_teaching", "elr"])
def test_replayed_scores_are_pythons_bit_for_bit(method: str) -> None:
    given = specification(method, *SETTINGS)
    run, measures = build_run(given, prepare(given, None), torch.device("cpu"), capture="trace")
    graphs, counter = run.task.scores, run.task.counter
    assert graphs is not None
    for _ in range(3):
        trainer.train_epoch(run)
        for loader in (measures.train.loader, measures.test.loader):
            before, found = counter.evaluation, []
            for run.task.scores in (graphs, None):
                found.append(evaluation.predictions(run.method, loader, 16))
            assert torch.equal(*found)
            assert counter.evaluation - before == 2 * run.method.networks * loader.num_samples
    assert graphs.reason == ""
    assert graphs.replayed == 3 * sum(one.loader.num_samples // 16 for one in (measures.train, measures.test))


class AsksInPrediction(Plain):
    def predict(self, images: Tensor) -> Tensor:
        logits = self.network(images)
        return logits if float(logits.mean()) > 1e9 else logits + 1


class LyingScores(TraceRecorder):
    def record(self, step: Callable[[], None]) -> Replay:
        super().record(step)
        return lambda: None


@pytest.mark.parametrize("fault", ["asks", "lies"])
def test_scores_that_cannot_be_replayed_are_pythons(fault: str, monkeypatch: pytest.MonkeyPatch) -> None:
    run = begun(AsksInPrediction if fault == "asks" else Plain, monkeypatch=monkeypatch)
    graphs = run.task.scores
    assert graphs is not None
    if fault == "lies":
        graphs.recorder = LyingScores()
    found = []
    for run.task.scores in (graphs, None):
        found.append(evaluation.predictions(run.method, run.loader, 16))
    assert torch.equal(*found)
    assert graphs.replayed == 0
    assert ("asks for the content" if fault == "asks" else "differ from Python's") in graphs.reason
