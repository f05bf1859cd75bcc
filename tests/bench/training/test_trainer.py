"""The training loop: stages, phases, streams, clock, steps, and seeds that belong to a purpose and an epoch."""

from __future__ import annotations

import random
from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest
import torch
from small_runs import Probe, Starter, specification, started, starter
from torch import Tensor

from bench.networks.network import Network
from bench.training import trainer
from bench.training.step import Run
from datasets.base import DataError
from methods import registry
from methods.base import Batch, Phase, Stage
from methods.hyper import MethodError


@pytest.fixture
def start(monkeypatch: pytest.MonkeyPatch) -> Starter:
    """Starts a run of a class: `start(Method, *assignments)`."""
    return starter(monkeypatch)


def probe(run: Run) -> Any:
    return run.method


def trained(run: Run, epochs: int | None = None) -> list[dict[str, Any]]:
    """Train to the end or for so many epochs; the epochs' summaries."""
    last = run.spec.epochs if epochs is None else run.position.epoch + epochs
    return [trainer.train_epoch(run) for _ in range(last - run.position.epoch)]


def weights(run: Run) -> Tensor:
    return torch.cat([parameter.detach().flatten() for parameter in run.method.parameters()])


# --- clock and batches


def test_an_epoch_is_one_walk_over_all_rows(start: Starter) -> None:
    run = start(Probe)
    trained(run)
    batches = probe(run).batches
    assert [batch.epoch for batch in batches] == [1] * 4 + [2] * 4 + [3] * 4
    assert [batch.step for batch in batches] == list(range(12))
    assert [batch.progress for batch in batches] == [number / 4 for number in range(12)]
    for epoch in range(3):
        rows = torch.cat([batch.index for batch in batches[4 * epoch : 4 * epoch + 4]])
        assert sorted(rows.tolist()) == list(range(100))
    assert all(torch.equal(batch.labels, run.labels[batch.index]) for batch in batches)
    assert {batch.phase for batch in batches} == {""}


# --- stages


class TwoStages(Probe):
    parts: Sequence[Stage] = (Stage(1), Stage(0), Stage(None))

    def stages(self) -> Sequence[Stage]:
        return self.parts


def test_every_stage_is_started_once_also_one_of_no_length(start: Starter) -> None:
    run = start(TwoStages)
    trained(run)
    assert probe(run).started == [(0, 0), (1, 1), (2, 1)]


def test_a_stage_that_begins_where_the_run_ends_is_not_started(start: Starter) -> None:
    class Long(TwoStages):
        parts = (Stage(3), Stage(None))

    run = start(Long)
    trained(run)
    assert probe(run).started == [(0, 0)]


@pytest.mark.parametrize(
    ("parts", "message"),
    [
        ((Stage(2),), "cover 2 of the run's 3 epochs"),
        ((Stage(2), Stage(2)), "need more than the 3 epochs"),
        ((Stage(4),), "need more than the 3 epochs"),
        ((), "cover 0 of the run's 3 epochs"),
    ],
)
def test_stages_that_do_not_fill_the_run_are_refused(parts: Sequence[Stage], message: str, start: Starter) -> None:
    with pytest.raises(MethodError, match=rf"test_trainer\.py, line \d+: Wrong\.stages: the method's stages {message}"):
        start(type("Wrong", (TwoStages,), {"parts": parts}))


def test_a_restart_builds_optimiser_and_schedule_anew(start: Starter) -> None:
    class Restarting(TwoStages):
        parts = (
            Stage(2),
            Stage(2, optimizer={"lr": 0.2, "schedule": {"name": "constant"}}),
            Stage(None, optimizer={"name": "adam", "betas": (0.5, 0.9), "lr": 0.001}),
        )

    run = start(Restarting, "training.epochs=6", "training.schedule={name='cosine', update='epoch'}")
    found, kinds, built = [], [], []
    for _ in range(6):
        found.append(trainer.train_epoch(run)["learning_rate"])
        assert run.optimizers is not None
        kinds.append(list(run.optimizers.by_kind))
        built.append(id(run.optimizers))
    assert found == pytest.approx([0.05, 0.025, 0.2, 0.2, 0.001, 0.0005])  # a cosine over each stage's own length
    assert [batch.rates[0] for batch in probe(run).batches] == pytest.approx([rate for rate in found for _ in range(4)])
    assert kinds == [["sgd"]] * 4 + [["adam"]] * 2
    assert len(set(built)) == 3
    assert run.optimizers.by_kind["adam"].param_groups[0]["betas"] == (0.5, 0.9)


MILESTONES = "training.schedule={name='multi_step', milestones=[4, 6], update='epoch'}"


def rates(run: Run) -> list[float]:
    """The learning rate of each epoch, as a share of the first."""
    found = [float(one["learning_rate"]) for one in trained(run)]
    return [round(rate / found[0], 9) for rate in found]


def test_each_part_of_a_divided_run_has_the_whole_schedule(start: Starter) -> None:
    class Halves(TwoStages):
        parts = (Stage(4), Stage(None))

    whole, halves = start(Probe, "training.epochs=8", MILESTONES), start(Halves, "training.epochs=8", MILESTONES)
    assert rates(whole) == [1, 1, 1, 1, 0.1, 0.1, 0.01, 0.01]
    assert rates(halves) == [1, 1, 0.1, 0.01] * 2


def test_stages_that_share_a_schedule_are_one_part(start: Starter) -> None:
    class Three(TwoStages):
        parts = (Stage(2), Stage(2, restart=False), Stage(None))

    assert rates(start(Three, "training.epochs=8", MILESTONES)) == [1, 1, 0.1, 0.01] * 2


@pytest.mark.parametrize(
    ("schedule", "wanted"),
    [
        ("{name='linear', start=4, update='epoch'}", [1, 1, 1, 0.5]),
        ("{name='cosine_restarts', period=4, update='epoch'}", [1, 0.5, 1, 0.5]),
        ("{name='constant', warmup=4, update='epoch'}", [1, 2, 2, 2]),
        ("{name='multi_step', milestones=[0.5, 9], update='epoch'}", [1, 1, 0.1, 0.1]),
        ("{name='cosine', warmup=4, update='epoch'}", [1, 2, 2, 1]),
    ],
)
def test_every_number_of_epochs_of_a_schedule_is_a_share_of_the_part(
    schedule: str, wanted: list[float], start: Starter
) -> None:
    class Halves(TwoStages):
        parts = (Stage(4), Stage(None))

    found = rates(start(Halves, "training.epochs=8", f"training.schedule={schedule}"))
    assert found == pytest.approx(wanted * 2)


def test_a_stage_keeps_the_schedule_that_it_states(start: Starter) -> None:
    class Stating(TwoStages):
        parts = (Stage(4, {"schedule": {"name": "multi_step", "milestones": [3], "warmup": 0}}), Stage(None))

    assert rates(start(Stating, "training.epochs=8", MILESTONES)) == [1, 1, 1, 0.1, 1, 1, 0.1, 0.01]


def test_a_schedule_goes_on_after_a_stage_between(start: Starter) -> None:
    class Between(TwoStages):
        parts = (
            Stage(3, clock=(0, 8)),
            Stage(2, {"schedule": {"name": "constant"}, "lr": 0.5}),
            Stage(None, clock=(3, 8)),
        )

    run, plain = start(Between, "training.epochs=10", MILESTONES), start(Probe, "training.epochs=8", MILESTONES)
    found, whole = trained(run), trained(plain)
    assert [one["learning_rate"] for one in found[:3] + found[5:]] == [one["learning_rate"] for one in whole]
    assert [one["learning_rate"] for one in found[3:5]] == [0.5, 0.5]


def test_without_a_restart_optimiser_and_schedule_go_on(start: Starter) -> None:
    class GoingOn(TwoStages):
        parts = (Stage(1), Stage(None, restart=False))

    schedule = "training.schedule={name='cosine', update='epoch'}"
    run, plain = start(GoingOn, schedule), start(Probe, schedule)
    assert [one["learning_rate"] for one in trained(run)] == [one["learning_rate"] for one in trained(plain)]
    assert torch.equal(weights(run), weights(plain))
    assert probe(run).started == [(0, 0), (1, 1)]


def test_a_stage_with_a_wrong_setting_fails_the_run_before_its_first_step(start: Starter) -> None:
    class Misspelt(TwoStages):
        parts = (Stage(1), Stage(None, optimizer={"wieght_decay": 0.1}))

    with pytest.raises(MethodError) as caught:
        trainer.train_epoch(start(Misspelt))
    assert str(caught.value).startswith(
        f"method {Misspelt.name!r}, stage 2: unknown key 'optimizer.wieght_decay'; did you mean 'weight_decay'? "
        "(accepted by optimizer 'sgd': name, lr, "
    )


def test_a_restart_forgets_momentum_and_uses_the_groups_of_its_stage(start: Starter) -> None:
    class Groups(TwoStages):
        parts = (Stage(1), Stage(None))

        def parameter_groups(self) -> list[dict[str, Any]]:
            parameters = list(self.network.parameters())
            return [{"params": parameters if self.started[-1][0] == 0 else parameters[-2:]}]

    run = start(Groups)
    trained(run, 1)
    before = [parameter.detach().clone() for parameter in run.method.parameters()]
    trained(run, 1)
    moved = [not torch.equal(a, b) for a, b in zip(before, run.method.parameters(), strict=True)]
    assert moved == [False] * (len(moved) - 2) + [True] * 2


# --- phases and streams


class Phases(Probe):
    parts: Sequence[Phase] = ()

    def epoch_start(self, epoch: int) -> Sequence[Phase]:
        return self.parts


def test_phases_walk_over_their_rows_with_their_batch_size_and_share_the_epoch(start: Starter) -> None:
    rows = torch.tensor([5, 50, 7, 70, 9, 90])

    class Two(Phases):
        parts = (Phase(rows, 4, "some"), Phase(torch.tensor([], dtype=torch.long), name="none"), Phase(name="all"))

    run = start(Two)
    trained(run, 2)
    first = [batch for batch in probe(run).batches if batch.epoch == 1]
    assert [batch.phase for batch in first] == ["some"] * 2 + ["all"] * 4
    assert [len(batch.index) for batch in first[:2]] == [4, 2]
    assert sorted(torch.cat([batch.index for batch in first[:2]]).tolist()) == sorted(rows.tolist())
    expected = [0, 1 / 6, *(2 / 3 + number / 12 for number in range(4))]  # a third of the epoch for each phase
    assert [batch.progress for batch in first] == pytest.approx(expected)
    second = [batch for batch in probe(run).batches if batch.epoch == 2]
    assert [batch.progress for batch in second] == pytest.approx([1 + share for share in expected])
    assert [batch.step for batch in second] == list(range(6, 12))


def test_an_epoch_without_a_step_leaves_the_run_whole(start: Starter) -> None:
    class Pausing(Phases):
        def epoch_start(self, epoch: int) -> Sequence[Phase]:
            return [] if epoch == 2 else [Phase()]

    run = start(Pausing, "training.schedule={name='constant'}")
    first = trained(run, 1)[0]
    before = weights(run)
    [second] = trained(run, 1)
    assert torch.equal(weights(run), before)
    assert (second["train_loss"], second["train_accuracy"]) == (0.0, None)
    assert second["learning_rate"] == first["learning_rate"] == 0.05
    assert trained(run, 1)[0]["train_accuracy"] is not None
    state = trainer.state_dict(run)
    other = start(Pausing, "training.schedule={name='constant'}")
    trainer.load_state_dict(other, state)
    assert other.position == run.position


def test_a_stream_is_reshuffled_and_repeated_until_the_walk_ends(start: Starter) -> None:
    rows = torch.tensor([11, 22, 33, 44, 55])

    class Streaming(Phases):
        parts = (Phase(streams={"unlabelled": (rows, 2), "none": (rows[:0], 2)}, batch_size=10, name="both"),)

    run = start(Streaming)
    trained(run, 1)
    batches = probe(run).batches
    assert len(batches) == 10
    assert all(set(batch.streams) == {"unlabelled"} for batch in batches)  # one without rows is left out
    found = [batch.streams["unlabelled"].index.tolist() for batch in batches]
    assert [len(part) for part in found] == [2, 3] * 5
    passes = [found[2 * number] + found[2 * number + 1] for number in range(5)]
    assert all(sorted(one) == rows.tolist() for one in passes)
    assert len({tuple(one) for one in passes}) > 1
    for batch in batches:
        inner = batch.streams["unlabelled"]
        assert torch.equal(inner.labels, run.labels[inner.index])
        assert (inner.progress, inner.step, inner.epoch, inner.phase) == (
            batch.progress, batch.step, batch.epoch, "both",
        )  # fmt: skip
        assert inner.views[0].shape == (len(inner.index), 1, 8, 8)


@pytest.mark.parametrize(
    ("phase", "told"),
    [
        (Phase(torch.tensor([1, 2, 1])), "`rows` with 2 different of 3; a row may stand in it once"),
        (Phase(torch.tensor([1, 100])), "`rows` with row 100; they go from 0 to 99"),
        (Phase(torch.tensor([-1, 5])), "`rows` with row -1; they go from 0 to 99"),
        (Phase(torch.ones(100, dtype=torch.bool)), r"`rows` of torch\.bool \[100\]; they must be \[n\] int64"),
        (Phase(batch_size=-3), "a batch size of -3"),
        (Phase(streams={"rest": (torch.tensor([4]), 0)}), "a batch size of 0"),
        (Phase([1, 2]), r"`rows` that are a list; they must be a tensor \[n\] int64"),  # type: ignore[arg-type]
        (Phase(streams=[5]), "`streams` that are a list"),  # type: ignore[arg-type]
        (Phase(streams={"rest": torch.tensor([4])}), r"`streams\['rest'\]` that is no pair"),  # type: ignore[dict-item]
    ],
)
def test_a_phase_over_wrong_rows_is_refused_with_file_and_line(phase: Phase, told: str, start: Starter) -> None:
    class Wrong(Phases):
        parts = (phase,)

    with pytest.raises(MethodError, match=rf"\.py, line \d+: Wrong\.epoch_start: a phase has {told}"):
        trained(start(Wrong), 1)


@pytest.mark.parametrize(
    ("given", "told"),
    [
        (None, "gives nothing, not a list of Phase"),
        (Phase(), "gives a Phase, not a list of Phase"),
        ([torch.arange(3)], "gives a Tensor among its phases"),
    ],
)
def test_what_is_no_list_of_phases_is_refused_with_file_and_line(given: Any, told: str, start: Starter) -> None:
    class Wrong(Phases):
        def epoch_start(self, epoch: int) -> Any:
            return given

    with pytest.raises(MethodError, match=rf"\.py, line \d+: Wrong\.epoch_start: {told}"):
        trained(start(Wrong), 1)


def test_a_batch_has_the_number_of_its_phase(start: Starter) -> None:
    class Numbered(Phases):
        parts = (Phase(torch.arange(10), number=1, streams={"rest": (torch.arange(20, 30), 5)}), Phase(number=2))

    run = start(Numbered)
    trained(run, 1)
    batches = probe(run).batches
    assert [batch.number for batch in batches] == [1] + [2] * (len(batches) - 1)
    assert batches[0].streams["rest"].number == 1


def test_a_stage_that_ignores_its_settings_is_told_with_file_and_line(start: Starter) -> None:
    class Ignoring(Probe):
        def stages(self) -> Sequence[Stage]:
            return [Stage(1), Stage(optimizer={"lr": 9.0}, restart=bool(self.task.epochs < 0))]

    with pytest.raises(MethodError, match=r"test_trainer\.py, line \d+: Ignoring\.stages: Stage\(restart=False\): the"):
        start(Ignoring)


# --- steps


def test_hooks_come_after_the_gradients_and_after_the_step(start: Starter) -> None:
    calls: list[str] = []

    class Hooked(Probe):
        def after_backward(self, batch: Batch) -> None:
            assert batch is self.batches[-1]
            assert all(parameter.grad is not None for parameter in self.parameters())
            self.before = [parameter.detach().clone() for parameter in self.parameters()]
            calls.append("backward")

        def after_step(self, batch: Batch) -> None:
            assert batch is self.batches[-1]
            moved = [not torch.equal(a, b) for a, b in zip(self.before, self.parameters(), strict=True)]
            calls.append("step" if any(moved) else "nothing")

    trained(start(Hooked), 1)
    assert calls == ["backward", "step"] * 4


def test_a_loss_without_a_gradient_skips_the_step(start: Starter) -> None:
    class Skipping(Probe):
        def loss(self, batch: Batch) -> Tensor:
            loss = super().loss(batch)
            return loss if batch.epoch == 1 else loss.detach()

        def after_step(self, batch: Batch) -> None:
            assert batch.epoch == 1

    run = start(Skipping)
    trained(run, 1)
    before = weights(run)
    assert run.optimizers is not None
    [summary] = trained(run, 1)
    assert torch.equal(weights(run), before)  # neither momentum nor weight decay
    assert summary["train_loss"] > 0


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_a_loss_that_is_not_finite_ends_the_run(value: float, start: Starter) -> None:
    class Diverging(Probe):
        def loss(self, batch: Batch) -> Tensor:
            return super().loss(batch) * (value if batch.step == 2 else 1.0)

    with pytest.raises(FloatingPointError, match="the training loss is not finite"):
        trained(start(Diverging), 1)


def test_a_loss_that_is_no_scalar_names_the_method(start: Starter) -> None:
    class Vector(Probe):
        def loss(self, batch: Batch) -> Tensor:
            return super().loss(batch).expand(3)

    with pytest.raises(ValueError, match=r"Vector\.loss returned shape \(3,\); it must be a scalar"):
        trained(start(Vector), 1)


def test_a_network_without_a_part_in_a_step_is_not_moved(start: Starter) -> None:
    class TwoNetworks(Probe):
        def build(self) -> None:
            super().build()
            self.other = self.task.network(1)

        def loss(self, batch: Batch) -> Tensor:
            loss = super().loss(batch)
            if batch.epoch == 1:
                loss = loss + self.other(batch.views[0]).square().mean()
            return loss

    run = start(TwoNetworks)
    trained(run, 1)
    other = [parameter.detach().clone() for parameter in probe(run).other.parameters()]
    trained(run, 1)
    assert all(torch.equal(a, b) for a, b in zip(other, probe(run).other.parameters(), strict=True))


def test_the_reported_loss_is_the_mean_over_samples(start: Starter) -> None:
    class Known(Probe):
        def loss(self, batch: Batch) -> Tensor:
            return super().loss(batch) * 0 + batch.step

    [summary] = trained(start(Known, "training.batch_size=32"), 1)  # 32, 32, 36
    assert summary["train_loss"] == pytest.approx((32 * 0 + 32 * 1 + 32 * 2 + 4 * 3) / 100)


# --- randomness


class Drawing(Probe):
    greed = 0  # draws of the first epoch that are wasted

    def epoch_start(self, epoch: int) -> Sequence[Phase]:
        if epoch == 1:
            torch.rand(self.greed)
            torch.rand(self.greed, generator=self.task.generator)
            self.task.rng.random(self.greed)
            np.random.rand(self.greed)
            for _ in range(self.greed):
                random.random()
        self.drawn = getattr(self, "drawn", [])
        self.drawn.append(
            (
                float(torch.rand(())),
                float(torch.rand((), generator=self.task.generator)),
                float(self.task.rng.random()),
                float(np.random.rand()),
                random.random(),
            )
        )
        return super().epoch_start(epoch)


def test_every_generator_is_seeded_anew_at_every_epoch(start: Starter) -> None:
    class Greedy(Drawing):
        greed = 5

    runs = [start(Drawing), start(Greedy), start(Drawing, seed=1)]
    for run in runs:
        trained(run)
    modest, greedy, other = (probe(run).drawn for run in runs)
    assert modest[1:] == greedy[1:]
    assert all(a != b for a, b in zip(modest[0], greedy[0], strict=True))
    everything = [value for drawn in (modest, other) for epoch in drawn for value in epoch]
    assert len(set(everything)) == len(everything)  # epochs, purposes and seeds all differ


def test_order_and_augmentation_do_not_depend_on_what_a_method_draws(start: Starter) -> None:
    class Greedy(Drawing):
        greed = 5
        views = ("weak", "strong")

    settings = "training.augmentation={crop_padding=1, flip=true}"
    runs = [start(Probe, settings), start(Greedy, settings), start(Probe, settings, seed=1)]
    for run in runs:
        trained(run, 2)
    one, same, other = (probe(run).batches for run in runs)
    assert all(torch.equal(a.index, b.index) for a, b in zip(one, same, strict=True))
    assert torch.equal(one[0].views[0], same[0].views[0])
    assert not torch.equal(one[0].index, other[0].index)
    assert not torch.equal(one[0].index, one[4].index)


METHODS = ("cross_entropy", "elr", "car", "co_teaching", "gce", "forward_correction", "sop", "mixup")


def test_all_methods_of_a_cell_see_the_same_noise_order_and_augmentation() -> None:
    seen: dict[str, list[tuple[Tensor, ...]]] = {}
    for name in METHODS:
        run, measures = started(specification(name, "training.augmentation={crop_padding=1, flip=true}"))
        method: Any = run.method
        loss, found = method.loss, seen.setdefault(name, [(run.labels, measures.train.loader.pixels)])  # type: ignore[attr-defined]

        def spy(batch: Batch, loss: Any = loss, found: Any = found) -> Tensor:
            found.append((batch.index.clone(), batch.labels.clone(), batch.views[0].clone()))
            return loss(batch)  # type: ignore[no-any-return]

        method.loss = spy
        trained(run, 2)
    plain = seen.pop("cross_entropy")
    assert len(plain) == 9
    for name, others in seen.items():
        for a, b in zip(plain, others, strict=True):
            assert all(torch.equal(x, y) for x, y in zip(a, b, strict=True)), name


def test_a_network_of_one_key_is_the_same_in_every_method() -> None:
    expected: list[Tensor] = []
    for name in registry.registered():
        run, _ = started(specification(name))
        networks = [run.task.network(key).state_dict() for key in (0, 1)]
        found = [torch.cat([value.flatten().float() for value in one.values()]) for one in networks]
        expected = expected or found
        assert all(torch.equal(a, b) for a, b in zip(expected, found, strict=True)), name
        first = next(module for module in run.method.modules() if isinstance(module, Network))
        assert all(torch.equal(value, networks[0][key]) for key, value in first.state_dict().items()), name
    assert not torch.equal(*expected)


def test_networks_of_different_seeds_differ() -> None:
    one, other = (started(specification(seed=seed))[0].task.network().blocks[-1] for seed in (0, 1))
    assert not torch.equal(one.weight, other.weight)


# --- what a method may know


def test_a_method_knows_only_what_it_declares() -> None:
    run, _ = started(specification("cross_entropy"))
    for fact in ("noise_rate", "noise_kind", "matrix", "true_labels"):
        with pytest.raises(PermissionError, match="not declared in `needs`"):
            run.task.known(fact)
    run, _ = started(specification("co_teaching"))
    assert run.task.known("noise_rate") == pytest.approx(0.45)  # symmetric 50% keeps a tenth of the drawn labels
    with pytest.raises(PermissionError):
        run.task.known("matrix")


def test_a_suite_may_tell_a_wrong_noise_rate() -> None:
    for error, told in ((0.1, 0.55), (-0.6, 0.0), (0.9, 1.0)):
        run, _ = started(specification("co_teaching", f"noise_rate_error={error}"))
        assert run.task.known("noise_rate") == pytest.approx(told)


def test_the_matrix_is_that_of_the_noise() -> None:
    run, _ = started(specification("forward_correction"))
    matrix = run.task.known("matrix")
    assert torch.allclose(matrix, 0.5 * torch.eye(10) + 0.05)


# --- passes over the training set


def test_logits_of_the_training_set_are_counted_and_change_nothing(start: Starter) -> None:
    run = start(Probe, "training.augmentation={crop_padding=1}")
    trained(run, 1)
    network, task = probe(run).network, run.task
    cost = task.counter.cost
    assert cost == 100
    plain = task.logits(network)
    assert task.counter.cost == cost + 100
    assert (plain.shape, plain.requires_grad, network.training) == ((100, 10), False, True)
    network.eval()
    with torch.no_grad():
        expected = torch.cat([network(images) for _, images in run.loader.plain(100)])
    assert torch.allclose(plain, expected, atol=1e-5)
    first, second = task.logits(network, augment=True), task.logits(network, augment=True)
    assert not torch.equal(first, plain)
    assert not torch.equal(first, second)  # drawn anew at every call
    assert not network.training
    task.seed_epoch(1)
    assert torch.equal(task.logits(network, augment=True), first)  # and yet the same whenever it is done again


def test_a_function_is_evaluated_over_the_training_set(start: Starter) -> None:
    run = start(Probe, "training.augmentation={crop_padding=1}")
    network, task = probe(run).network, run.task

    def both(images: Tensor) -> tuple[Tensor, ...]:
        assert not network.training
        features = network.features(images)
        return features, network.classify(features).argmax(1)

    features, classes = task.evaluate(both, network=network, batch_size=7)
    assert network.training and not features.requires_grad
    assert (features.shape, classes.dtype, task.counter.cost) == ((100, network.feature_size), torch.int64, 100)
    assert torch.equal(classes, task.logits(network).argmax(1))
    rows = torch.tensor([70, 3, 51])
    few, named = task.evaluate(both, rows, network=network)
    assert torch.equal(named, classes[rows])
    torch.testing.assert_close(few, features[rows])
    task.seed_epoch(1)
    seen = task.evaluate(network, view="weak")
    assert not torch.equal(task.evaluate(network, view="weak"), seen)  # drawn anew at every call
    task.seed_epoch(1)
    assert torch.equal(task.evaluate(network, view="weak"), seen)
    with pytest.raises(ValueError, match="no rows"):
        task.evaluate(network, rows[:0])
    with pytest.raises(DataError, match="view policy"):
        task.evaluate(network, view="sideways")
