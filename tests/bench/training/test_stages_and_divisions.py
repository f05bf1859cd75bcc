"""Methods with stages, two networks or guessed labels, through the real training loop on a small synthetic problem."""

from __future__ import annotations

import io
from dataclasses import replace
from itertools import pairwise
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from bench.checks.problem import Problem, Training, difference, start
from bench.training import trainer
from bench.training.sampling import Sampler
from bench.training.step import begin
from common.specification import Sampling
from methods import divide_mix, elr_plus, pes, pes_semi
from methods.base import Batch
from methods.divide_mix import prior_penalty
from methods.mixup import mixup_loss

EPOCHS = 6
PROBLEM = Problem(epochs=EPOCHS)
SHORT: dict[str, dict[str, Any]] = {  # settings that reach every phase and stage within six epochs
    "co_teaching_plus": {"warm_up": 2, "gradual": 3},
    "jocor": {"gradual": 3},
    "divide_mix": {"warm_up": 2, "ramp": 2, "average_last": 2},
    "elr_plus": {"average_ramp": 3, "penalty_ramp": 3},
    "sop_plus": {},
    "pes": {"warm_up": 2, "refine_blocks": 1, "refine_classifier": 1},
    "pes_semi": {"warm_up": 2, "refine_classifier": 1, "ramp": 2},
    "cores_star": {"warm_up": 1, "ramp": 1, "select_after": 1, "sieve": 3},
}


def trained(name: str, epochs: int | None = None, **hyper: Any) -> Training:
    return start(name, PROBLEM, {**SHORT.get(name, {}), **hyper}).train(epochs)


def weights(training: Training, prefix: str = "") -> dict[str, Tensor]:
    """The parameters whose names begin with `prefix`, without it."""
    found = [(name, value) for name, value in training.run.method.named_parameters() if name.startswith(prefix)]
    return {name.removeprefix(prefix): value.detach().clone() for name, value in found}


def first_batch(training: Training, epoch: int) -> Batch:
    """Enter the epoch and draw the first batch of its first phase."""
    run = training.run
    run.task.seed_epoch(epoch)
    run.position.epoch = epoch - 1
    trainer._build_optimizers(run, 0)  # a batch tells their rates
    run.method.train()
    phase = run.method.epoch_start(epoch)[0]
    generators = (torch.Generator().manual_seed(0), torch.Generator().manual_seed(1))
    walk = begin(run, phase, (0, 1), generators)
    return walk.batch(0, next(iter(walk.walk)))


AS_RELEASED: dict[str, dict[str, Any]] = {  # settings of the authors' code beside these
    "divide_mix": {"average_last": 1, "warm_up_batch": 31, "guessed_as_partners": True, "own_samples": True},
    "elr_plus": {"own_labels": True, "held_out": 0.2, "average_steps": 9, "predict_average": True},
    "cores_star": {"consistency_batch": 8, "rest_batch": 6, "authors_behaviour": True},
    "pes": {"one_schedule": True, "authors_behaviour": True},
    "pes_semi": {"one_schedule": True, "steps": "all", "authors_behaviour": True},
}


@pytest.mark.parametrize(
    ("name", "hyper"), [*SHORT.items(), *((name, {**SHORT[name], **own}) for name, own in AS_RELEASED.items())]
)
def test_cut_after_any_epoch_it_resumes_bit_identically(name: str, hyper: dict[str, Any]) -> None:
    """Through a file, as a checkpoint is. The cuts fall behind and inside of every phase and stage."""
    checkpoints: list[io.BytesIO] = []
    whole = start(name, PROBLEM, hyper)

    def keep() -> None:
        checkpoints.append(io.BytesIO())
        torch.save(trainer.state_dict(whole.run), checkpoints[-1])

    whole.train(after_epoch=keep)
    for epoch, file in enumerate(checkpoints[:-1], 1):
        resumed = start(name, PROBLEM, hyper)
        file.seek(0)
        trainer.load_state_dict(resumed.run, torch.load(file, weights_only=True))
        assert resumed.run.position.epoch == epoch
        assert difference(whole.outcome(), resumed.train().outcome()) is None, f"cut after epoch {epoch}"


@pytest.mark.parametrize("name", ["divide_mix", "elr_plus", "pes_semi"])
def test_killed_inside_a_phase_it_resumes_bit_identically(name: str) -> None:
    """Killed in the second half of epoch 5, in which two networks take turns: the checkpoint is that of epoch 4."""
    whole, killed = trained(name), trained(name, 4)
    state = io.BytesIO()
    torch.save(trainer.state_dict(killed.run), state)

    def beat(progress: float) -> None:
        if progress >= 4.5:
            raise KeyboardInterrupt

    killed.run.beat = beat
    with pytest.raises(KeyboardInterrupt):
        killed.train()
    resumed = start(name, PROBLEM, SHORT[name])
    state.seek(0)
    trainer.load_state_dict(resumed.run, torch.load(state, weights_only=True))
    assert difference(whole.outcome(), resumed.train().outcome()) is None


@pytest.mark.parametrize("name", ["co_teaching_plus", "jocor", "divide_mix", "elr_plus"])
def test_networks_are_members(name: str) -> None:
    training = trained(name, 1)
    assert training.predictions().shape == (2, PROBLEM.samples, PROBLEM.classes)
    assert training.curves["member_test_accuracy"][0] != []
    assert training.measures.scored == ("ensemble" if name in ("divide_mix", "elr_plus") else "mean")


@pytest.mark.parametrize("name", ["pes", "pes_semi"])
def test_without_a_later_stage_pes_is_cross_entropy(name: str) -> None:
    assert difference(weights(trained("cross_entropy")), weights(trained(name, warm_up=1.0))) is None


def test_without_a_later_stage_cores_star_is_cores() -> None:
    hyper = {key: SHORT["cores_star"][key] for key in ("warm_up", "ramp", "select_after")}
    assert difference(weights(trained("cores", **hyper)), weights(trained("cores_star", sieve=1.0))) is None


def test_in_warm_up_co_teaching_plus_is_co_teaching() -> None:
    reference = trained("co_teaching", gradual=3)
    assert difference(weights(reference), weights(trained("co_teaching_plus", warm_up=1.0))) is None


def blocks_moved(before: Training, after: Training) -> set[int]:
    old, new = weights(before, "network.blocks."), weights(after, "network.blocks.")
    return {int(name.split(".")[0]) for name in old if not torch.equal(old[name], new[name])}


def test_each_stage_of_pes_moves_its_blocks() -> None:
    """Two epochs of warm-up, one for the last two of four blocks, one for the classifier, then all of them again."""
    found = [trained("pes", epochs) for epochs in (1, 2, 3, 4, 5)]
    changes = [blocks_moved(one, other) for one, other in pairwise(found)]
    assert changes == [{0, 1, 2, 3}, {2, 3}, {3}, {0, 1, 2, 3}]


def test_as_the_authors_have_it_refined_blocks_never_learn_again() -> None:
    found = [trained("pes", epochs, authors_behaviour=True) for epochs in (4, 5, 6)]
    assert blocks_moved(found[0], found[1]) == blocks_moved(found[1], found[2]) == {0, 1}
    semi = [trained("pes_semi", epochs, authors_behaviour=True) for epochs in (3, 4)]
    assert blocks_moved(*semi) == {0, 1, 2}


def test_pes_reports_the_division_of_all_samples() -> None:
    training = trained("pes")
    method: Any = training.run.method
    torch.testing.assert_close(training.run.observer.last["selected"], method.confident().float())
    given = method.predicted.gather(1, training.run.labels[:, None])[:, 0]
    torch.testing.assert_close(training.run.observer.probability_last, given)
    assert torch.equal(training.clean_scores(), given)
    assert 0 < method.confident().sum() < PROBLEM.samples


@pytest.mark.parametrize("name", ["pes", "pes_semi", "divide_mix"])
def test_scores_of_its_own_need_a_division(name: str) -> None:
    assert trained(name, warm_up=1.0).clean_scores() is None
    scores = trained(name).clean_scores()
    assert scores is not None and scores.shape == (PROBLEM.samples,) and ((scores >= 0) & (scores <= 1)).all()


@pytest.mark.parametrize("clean", [1.0, 0.0])
def test_divide_mix_takes_a_division_of_one_kind(clean: float, monkeypatch: pytest.MonkeyPatch) -> None:
    """All clean: their loss alone. None clean: both networks rest."""
    monkeypatch.setattr(divide_mix, "clean_probability", lambda losses, seed: torch.full_like(losses, clean))
    before, after = (weights(trained("divide_mix", epochs)) for epochs in (2, 3))
    assert (difference(before, after) is not None) == (clean == 1.0)


def test_each_network_learns_from_the_other_ones_division(monkeypatch: pytest.MonkeyPatch) -> None:
    """The first network holds the first twenty samples to be clean, the second one the first thirty."""
    answers = [torch.arange(PROBLEM.samples) < count for count in (20, 30)]
    monkeypatch.setattr(divide_mix, "clean_probability", lambda losses, seed: answers.pop(0).float())
    phases = start("divide_mix", PROBLEM, SHORT["divide_mix"]).run.method.epoch_start(3)
    assert [len(phase.rows) for phase in phases if phase.rows is not None] == [30, 20]
    assert [phase.streams["rest"][0].min() for phase in phases] == [30, 20]


def test_divisions_are_of_the_mean_of_the_last_losses(monkeypatch: pytest.MonkeyPatch) -> None:
    """Two epochs of warm-up; then the losses of one division, and from the next on the mean of the last two."""
    own, divided = list[Tensor](), list[Tensor]()

    def normalised(logits: Tensor, labels: Tensor) -> Tensor:
        own.append(torch.full((len(labels),), float(len(own))))
        return own[-1]

    def probability(losses: Tensor, seed: int) -> Tensor:
        divided.append(losses)
        return losses

    monkeypatch.setattr(divide_mix, "normalised_losses", normalised)
    monkeypatch.setattr(divide_mix, "clean_probability", probability)
    method = start("divide_mix", PROBLEM, SHORT["divide_mix"]).run.method
    for epoch in (3, 4, 5):
        method.epoch_start(epoch)
    assert [float(losses[0]) for losses in divided] == [0.0, 1.0, 1.0, 2.0, 3.0, 4.0]


def test_pes_semi_mixes_more_strongly_in_the_second_half(monkeypatch: pytest.MonkeyPatch) -> None:
    drawn = list[float]()
    monkeypatch.setattr(pes_semi, "larger_share", lambda rng, alpha: drawn.append(alpha) or 0.9)
    start("pes_semi", PROBLEM, {"warm_up": 1, "refine_classifier": 1}).train()
    assert set(drawn[:2]) == {4.0} and set(drawn[-2:]) == {0.75} and sorted(drawn, reverse=True) == drawn


def test_divide_mix_warms_up_in_batches_of_its_own() -> None:
    method: Any = start("divide_mix", PROBLEM, {**SHORT["divide_mix"], "warm_up_batch": 31}).run.method
    assert [phase.batch_size for phase in method.epoch_start(1)] == [31, 31]
    assert [phase.batch_size for phase in method.epoch_start(3)] == [None, None]
    training = trained("divide_mix", 2, warm_up_batch=31)
    assert training.run.position.step == 2 * 2 * 2  # of 61 samples, for two networks in two epochs


def test_divide_mix_may_mix_guesses_into_clean_rows_only(monkeypatch: pytest.MonkeyPatch) -> None:
    """Loss and prior over the rows of clean samples; the weight of guesses changes nothing."""
    monkeypatch.setattr(divide_mix, "larger_share", lambda rng, alpha: 0.75)
    half = torch.arange(PROBLEM.samples) % 2 == 0
    monkeypatch.setattr(divide_mix, "clean_probability", lambda losses, seed: half.to(losses))
    losses, rows = [], []
    for weight in (0.0, 1000.0):
        hyper = {**SHORT["divide_mix"], "guessed_as_partners": True, "guessed_weight": weight}
        training = start("divide_mix", PROBLEM, hyper)
        batch, method = first_batch(training, 3), training.run.method
        network: Any = method.pair[0]  # type: ignore[index]
        network.register_forward_hook(lambda module, given, found: rows.append(len(found)))
        losses.append(method.loss(replace(batch, progress=5.5)).detach())
        assert len(batch.streams["rest"].labels) and rows[-1] == 2 * len(batch.labels)
    assert torch.equal(*losses)
    method = start("divide_mix", PROBLEM, {**SHORT["divide_mix"]}).run.method
    assert not torch.equal(method.loss(replace(batch, progress=5.5)).detach(), losses[0])


def test_divide_mix_divides_the_sample_that_a_network_scored(monkeypatch: pytest.MonkeyPatch) -> None:
    sampling = Sampling(2, balanced=True, fresh=True)
    training = start("divide_mix", PROBLEM, {"warm_up": 2, "own_samples": True})
    run, method = training.run, training.run.method
    run.sampler = run.task.sampler = Sampler(run.labels.numpy(), sampling)
    scored: list[Any] = []
    given = run.task.logits

    def noted(network: Any, augment: bool = False, rows: Any = None) -> Tensor:
        scored.append((network, rows))
        return given(network, augment, rows)

    monkeypatch.setattr(run.task, "logits", noted)
    run.task.seed_epoch(3)
    phases = method.epoch_start(3)
    pair: Any = method.pair
    assert [network for network, _ in scored] == list(pair)
    samples = [set(rows.tolist()) for _, rows in scored]
    assert [len(one) for one in samples] == [32, 32] and samples[0] != samples[1]
    for phase, sample in zip(phases, samples[::-1], strict=True):
        assert phase.rows is not None and phase.sampled
        kept, rest = set(phase.rows.tolist()), set(phase.streams["rest"][0].tolist())
        assert kept | rest == sample and not kept & rest
    steps = [len(begin(run, phase, (0, 2), (torch.Generator(), torch.Generator())).walk) for phase in phases]
    assert steps == [-(-len(phase.rows) // 16) if len(phase.rows) % 16 != 1 else len(phase.rows) // 16
                     for phase in phases if phase.rows is not None]  # fmt: skip
    training.train()
    assert run.position.epoch == EPOCHS


def test_own_samples_have_no_past_losses() -> None:
    one, other = (trained("divide_mix", own_samples=True, average_last=count) for count in (1, 2))
    assert all(torch.equal(value, weights(other)[key]) for key, value in weights(one).items())


def test_divide_mix_of_clean_samples_is_supervised_mixup(monkeypatch: pytest.MonkeyPatch) -> None:
    """With w = 1 the refined label is the given one: mixup of the two views, and the prior's penalty."""
    monkeypatch.setattr(divide_mix, "clean_probability", lambda losses, seed: torch.ones_like(losses))
    training = start("divide_mix", PROBLEM, {**SHORT["divide_mix"], "alpha": 0.3})
    batch, method, task = first_batch(training, 3), training.run.method, training.run.task
    task.seed_epoch(3)
    share = task.rng.beta(0.3, 0.3)
    share = max(share, 1 - share)
    images, labels = torch.cat(batch.views), batch.labels.repeat(2)
    partner = torch.randperm(len(images), generator=task.generator)
    task.seed_epoch(3)
    loss = method.loss(batch)
    network: Any = method.pair[0]
    logits = network(share * images + (1 - share) * images[partner])
    torch.testing.assert_close(loss, mixup_loss(logits, labels, labels[partner], share) + prior_penalty(logits))


def test_divide_mix_guesses_with_both_networks(monkeypatch: pytest.MonkeyPatch) -> None:
    """No ramp and nothing mixed: the other samples' loss is the squared distance to the sharpened mean of four."""
    probability = torch.linspace(0, 1, PROBLEM.samples)
    monkeypatch.setattr(divide_mix, "clean_probability", lambda losses, seed: probability)
    monkeypatch.setattr(divide_mix, "larger_share", lambda rng, alpha: 1.0)
    monkeypatch.setattr(divide_mix, "prior_penalty", lambda logits: logits.sum() * 0)
    hyper = {**SHORT["divide_mix"], "ramp": 0, "guessed_weight": 7.0}
    batch = first_batch(training := start("divide_mix", PROBLEM, hyper), 3)
    method: Any = training.run.method
    one, two, rest = method.pair[0], method.pair[1], batch.streams["rest"]
    assert (probability[batch.index] > 0.5).all() and (probability[rest.index] <= 0.5).all()
    with torch.no_grad():
        own = [one(view).softmax(1) for view in rest.views]
        two.eval()
        mean = (sum(own) + sum(two(view).softmax(1) for view in rest.views)) / 4
        two.train()
        guess = mean**2 / (mean**2).sum(1, keepdim=True)
        weight = probability[batch.index][:, None]
        refined = weight * F.one_hot(batch.labels, PROBLEM.classes) + (1 - weight) * sum(
            one(view).softmax(1) / 2 for view in batch.views
        )
        refined = refined**2 / (refined**2).sum(1, keepdim=True)
    loss = method.loss(batch)
    logits = one(torch.cat([*batch.views, *rest.views]))
    known, unknown = logits.split([2 * len(batch.labels), 2 * len(rest.labels)])
    supervised = -(refined.repeat(2, 1) * known.log_softmax(1)).sum(1).mean()
    torch.testing.assert_close(loss, supervised + 7 * ((unknown.softmax(1) - guess.repeat(2, 1)) ** 2).mean())


def test_an_average_without_memory_is_the_network_itself() -> None:
    training = start("elr_plus", PROBLEM, {"average": 0.0, "average_ramp": 0})
    training.train(2)
    assert difference(weights(training, "pair."), weights(training, "averages.")) is None


def test_without_a_ramp_the_average_is_at_first_the_mean_of_all_steps(monkeypatch: pytest.MonkeyPatch) -> None:
    training = start("elr_plus", PROBLEM, {"average": 1.0, "average_ramp": 0})
    method, seen = training.run.method, [weights(training, "pair.0.")]
    own = method.after_step

    def recorded(batch: Batch) -> None:
        own(batch)
        if batch.number == 0:
            seen.append(weights(training, "pair.0."))

    monkeypatch.setattr(method, "after_step", recorded)
    training.train(2)
    for name, average in weights(training, "averages.0.").items():
        torch.testing.assert_close(average, torch.stack([step[name] for step in seen]).mean(0), rtol=1e-4, atol=1e-5)


def test_elr_plus_gives_each_network_labels_and_samples_of_its_own() -> None:
    training = start("elr_plus", PROBLEM, {"own_labels": True, "held_out": 0.2})
    run, method = training.run, training.run.method
    given: Any = method.given
    assert torch.equal(given[0], run.labels) and not torch.equal(given[0], given[1])
    rows = [phase.rows for phase in method.epoch_start(1)]
    assert [len(one) for one in rows if one is not None] == [49, 49]
    assert rows[0] is not None and rows[1] is not None and not torch.equal(rows[0], rows[1])
    again: Any = start("elr_plus", PROBLEM, {"own_labels": True, "held_out": 0.2}).run.method
    assert torch.equal(again.used, method.used)  # type: ignore[arg-type]
    training.train(1)
    targets: Any = method.targets
    for number, own in enumerate(rows):
        left_out = torch.ones(PROBLEM.samples, dtype=torch.bool)
        left_out[own] = False
        assert left_out.any() and not targets[number, left_out].any() and targets[number, own].any(1).all()
    assert run.task.draws_told == {1}


@pytest.mark.parametrize("number", [0, 1])
def test_elr_plus_learns_the_labels_of_the_network_that_learns(number: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(elr_plus, "larger_share", lambda rng, alpha: 1.0)
    training = start("elr_plus", PROBLEM, {"own_labels": True, "penalty": 0.0})
    batch, method = replace(first_batch(training, 1), number=number, progress=number / 2), training.run.method
    seen: list[Tensor] = []
    loss = method.loss(replace(batch, observe=lambda logits, *more, **values: seen.append(logits)))
    network: Any = method.pair[number]  # type: ignore[index]
    given: Any = method.given
    torch.testing.assert_close(loss, F.cross_entropy(network(batch.views[0]), given[number, batch.index]))
    assert len(seen) == 1 - number  # the second network's labels are not those that a record is about


def test_a_ramp_of_elr_plus_may_be_given_in_steps(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of 61 samples in batches of 16, an epoch has 4 steps; without a fifth of them 4 of 49 as well, without half 2."""
    for held_out, length in ((0.0, 2.5), (0.2, 2.5), (0.5, 5.0)):
        method: Any = start("elr_plus", PROBLEM, {"average_steps": 10, "held_out": held_out}).run.method
        assert method.average_length == length and method.penalty_length == method.penalty_ramp
    by_steps, by_epochs = (trained("elr_plus", **given) for given in ({"average_steps": 12}, {"average_ramp": 3}))
    assert all(torch.equal(value, weights(by_epochs)[key]) for key, value in weights(by_steps).items())


def test_elr_plus_may_be_tested_as_on_two_gpus() -> None:
    one, other = (trained("elr_plus", 2, predict_average=given) for given in (False, True))
    first, second = one.predictions(), other.predictions()
    method: Any = other.run.method
    [(_, images)] = other.measures.train.loader.plain(100)
    method.eval()
    assert torch.equal(first[0], second[0]) and not torch.equal(first[1], second[1])
    torch.testing.assert_close(second[1], method.averages[1](images).detach())


def test_elr_plus_takes_targets_from_the_other_networks_average() -> None:
    training = start("elr_plus", PROBLEM, {"momentum": 0.7})
    batch, method = first_batch(training, 1), training.run.method
    averages: Any = method.averages
    method.loss(batch)
    targets: Any = method.targets
    torch.testing.assert_close(targets[0, batch.index], 0.3 * averages[1](batch.views[0]).softmax(1))
    untouched = torch.ones(PROBLEM.samples, dtype=torch.bool)
    untouched[batch.index] = False
    assert not targets[0, untouched].any() and not targets[1].any()


def test_elr_plus_mixes_images_labels_and_targets_alike(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(elr_plus, "larger_share", lambda rng, alpha: 0.75)
    training = start("elr_plus", PROBLEM, {"momentum": 0.0, "penalty": 2.0})
    batch, method, task = first_batch(training, 1), training.run.method, training.run.task
    images = batch.views[0]
    task.seed_epoch(1)
    partner = torch.randperm(len(images), generator=task.generator)
    task.seed_epoch(1)
    loss = method.loss(batch)
    pair: Any = method.pair
    averages: Any = method.averages
    logits = pair[0](0.75 * images + 0.25 * images[partner])
    answers = averages[1](images).softmax(1)
    agreement = ((0.75 * answers + 0.25 * answers[partner]) * logits.softmax(1)).sum(1)
    want = mixup_loss(logits, batch.labels, batch.labels[partner], 0.75) + 2 * (1 - agreement).log().mean()
    torch.testing.assert_close(loss, want)


@pytest.mark.parametrize("name", ["pes", "pes_semi"])
def test_the_schedule_of_pes_may_leave_the_refinement_out(name: str) -> None:
    """Warm-up and last stage together have the rates of a run without a refinement."""
    hyper = {"refine_blocks": 1} if name == "pes" else {}
    own = {**hyper, "warm_up": 2, "refine_classifier": 2, "refine_lr": 0.5, "one_schedule": True}
    apart = sum(value for key, value in own.items() if key.startswith("refine_") and key != "refine_lr")
    training = start(name, replace(PROBLEM, epochs=6 + apart), own)
    rates: list[float] = []
    for epoch in range(6 + apart):
        training.train(epoch + 1)
        assert training.run.optimizers is not None
        rates += training.run.optimizers.rates(float(epoch))
    plain = start("cross_entropy", replace(PROBLEM, epochs=6))
    plain.train(1)
    assert plain.run.optimizers is not None
    wanted = [rate for epoch in range(6) for rate in plain.run.optimizers.rates(float(epoch))]
    assert rates[:2] + rates[2 + apart :] == pytest.approx(wanted)
    assert rates[2 : 2 + apart] == [0.5] * apart


@pytest.mark.parametrize("confident", [0.2, 0.9])
def test_pes_semi_may_take_as_many_steps_as_all_samples_make(confident: float, monkeypatch: pytest.MonkeyPatch) -> None:
    """Three full batches of 16 among 61, whatever is confident; the batches of both kinds are as they were."""
    chosen = torch.arange(PROBLEM.samples) < confident * PROBLEM.samples
    monkeypatch.setattr(pes.ProgressiveEarlyStopping, "confident", lambda self: chosen)
    settings = ({**SHORT["pes_semi"], "steps": steps} for steps in ("all", "confident"))
    training, usual = (start("pes_semi", PROBLEM, given) for given in settings)
    training.train(3)
    before = training.run.position.step
    training.train(4)
    assert training.run.position.step - before == 3
    batch = first_batch(training, 4)
    other = first_batch(usual, 4)
    kept, rest = batch.streams["confident"], batch.streams["rest"]
    assert (len(kept.labels), len(rest.labels)) == (len(other.labels), len(other.streams["rest"].labels))
    assert chosen[kept.index].all() and not chosen[rest.index].any()
    monkeypatch.setattr(pes_semi, "larger_share", lambda rng, alpha: 1.0)
    method: Any = training.run.method
    network: Any = method.network
    loss = method.confident_loss(replace(batch, progress=3.0))  # the guesses have no weight yet
    labels = kept.labels.repeat(2)
    logits = network(torch.cat([*kept.views, *rest.views]))[: len(labels)]
    wanted = F.cross_entropy(logits, labels, reduction="none") * method.class_weight[labels]
    torch.testing.assert_close(loss, wanted.mean())


@pytest.mark.parametrize(("one_schedule", "first"), [(False, 5), (True, 6)])
def test_the_later_mixing_of_pes_semi_begins_in_the_middle(
    one_schedule: bool, first: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of 8 epochs, 2 of them a refinement: after 4, or after 3 of the 6 others, which are 5."""
    used: dict[int, float] = {}
    hyper = {"warm_up": 1, "refine_classifier": 2, "alpha": 4.0, "late_alpha": 0.75, "one_schedule": one_schedule}
    training = start("pes_semi", replace(PROBLEM, epochs=8), hyper)

    def share(rng: Any, alpha: float) -> float:
        used[training.run.position.epoch + 1] = alpha
        return 1.0

    monkeypatch.setattr(pes_semi, "larger_share", share)
    training.train()
    assert used == {epoch: 4.0 if epoch < first else 0.75 for epoch in range(4, 9)}


def test_confident_pes_semi_without_mixing_is_balanced_cross_entropy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pes_semi, "larger_share", lambda rng, alpha: 1.0)
    monkeypatch.setattr(pes.ProgressiveEarlyStopping, "confident", lambda self: torch.ones_like(self.task.labels) > 0)
    training = start("pes_semi", PROBLEM, SHORT["pes_semi"])
    batch, method = first_batch(training, 4), training.run.method
    assert "rest" not in batch.streams
    loss = method.loss(replace(batch, progress=3.5))
    network: Any = method.network
    losses = F.cross_entropy(network(torch.cat(batch.views)), batch.labels.repeat(2), reduction="none")
    counts = torch.bincount(training.run.labels).float()
    torch.testing.assert_close(loss, (losses * (counts.mean() / counts)[batch.labels.repeat(2)]).mean())


@pytest.mark.parametrize("score", [-1.0, 1.0])
def test_consistency_training_on_all_or_none(score: float) -> None:
    """Where the sieve kept all, cross-entropy alone; where it kept none, the new network stays as drawn."""
    training = trained("cores_star", 3)
    method: Any = training.run.method
    method.scores.fill_(score)
    training.train(4)
    fresh = dict(training.run.task.network(1).named_parameters())
    now = dict(method.network.named_parameters())
    assert all(torch.equal(now[key], value) for key, value in fresh.items()) == (score > 0)


def test_consistency_training_may_have_batches_and_the_optimiser_of_the_authors() -> None:
    """The rate of .3 is reached after 7.5% of the epochs of the second stage, here 40."""
    hyper = {**SHORT["cores_star"], **AS_RELEASED["cores_star"]}
    training = start("cores_star", replace(PROBLEM, epochs=43), hyper).train(4)
    method, optimizers = training.run.method, training.run.optimizers
    [phase] = method.epoch_start(4)
    assert phase.batch_size == 8 and phase.streams["rest"][1] == 6
    assert optimizers is not None
    assert [optimizers.rates(3 + passed)[0] for passed in (0.0, 1.5, 3.0, 40.0)] == pytest.approx([0, 0.15, 0.3, 0])
    assert [entry.clip_norm for entry in optimizers.groups] == [5.0]
    assert [optimizers.groups[0].group[key] for key in ("momentum", "nesterov", "weight_decay")] == [0.9, True, 5e-4]
    usual = start("cores_star", PROBLEM, SHORT["cores_star"])
    [phase] = usual.run.method.epoch_start(4)
    assert phase.batch_size is None and phase.streams["rest"][1] == 8


def test_consistency_training_starts_from_new_weights() -> None:
    training = trained("cores_star", 4)
    assert training.run.position.stage == 1
    observed = training.run.observer.last["selected"]
    method: Any = training.run.method
    assert (observed[method.scores > 0] == 0).all() and (observed[method.scores <= 0] == 1).all()


def test_augmented_evaluation_passes_are_drawn_anew_each_time() -> None:
    training = start("pes", PROBLEM)
    task, network = training.run.task, training.run.method.network
    task.seed_epoch(1)
    first, second = (task.logits(network, augment=True) for _ in range(2))
    task.seed_epoch(1)
    assert not torch.equal(first, second)
    assert torch.equal(first, task.logits(network, augment=True))
    assert torch.equal(task.logits(network), task.logits(network))


def by_steps(name: str, epochs: int, milestones: list[float], **hyper: Any) -> Training:
    """A run with a rate that falls at milestones."""
    training = start(name, replace(PROBLEM, epochs=epochs), hyper)
    steps = {"name": "multi_step", "milestones": milestones, "factor": 0.1, "warmup": 0, "update": "step"}
    training.run.spec = replace(training.run.spec, schedule=steps)
    return training


@pytest.mark.parametrize("milestones", [[4, 6], [0.5, 0.75]])
@pytest.mark.parametrize("name", ["forward_correction_estimated", "backward_correction_estimated"])
def test_in_twice_the_epochs_a_matrix_is_estimated_by_the_whole_training(name: str, milestones: list[float]) -> None:
    """With milestones doubled, or as shares, the first half is cross-entropy's own run; the second decays alike."""
    alone, twice = by_steps("cross_entropy", 4, [2, 3]).train(), by_steps(name, 8, milestones)
    twice.train(4)
    theirs, own = weights(alone), weights(twice)
    assert theirs and all(torch.equal(own[key], value) for key, value in theirs.items())
    if name.startswith("forward"):  # of so few samples, the estimate may have no inverse
        twice.train()
        assert twice.curves["learning_rate"][4:] == alone.curves["learning_rate"]
