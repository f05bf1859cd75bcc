"""Checks of what a method does when it trains: its loss, gradients, predictions and scores, whatever the problem."""

from __future__ import annotations

from dataclasses import replace

import torch
from torch import Tensor

from bench.checks.problem import SMALL, Problem, Training, difference, extreme, replace_logits
from bench.checks.subject import Fault, Skip, Subject, each_training, one_line
from bench.checks.watched import are_probabilities, networks
from bench.training import evaluation
from bench.training.detection import detection_scores
from methods.registry import MethodError

EASY = Problem(samples=96, epochs=30, noise=0.0, learning_rate=0.01)
WANTED_ACCURACY = 0.95
LOWEST_AREA = 0.3


def easy(subject: Subject) -> Problem:
    """A problem that is learnt within a fixed number of steps."""
    if subject.scale == 1:
        return EASY
    return replace(EASY, samples=subject.scale * EASY.samples, batch_size=subject.problem.batch_size)


def loss(subject: Subject) -> str:
    """Every loss is a scalar, and finite."""
    run = subject.base.training.run
    means = subject.base.training.curves["train_loss"]
    seen = f"a finite scalar in all {run.position.step} steps; epoch means from {min(means):.3g} to {max(means):.3g}"
    return seen + subject.base.small


def learning(subject: Subject) -> str:
    """An easy problem without noise is learnt within a fixed number of steps.

    Where a method starts parts of a network anew, a later stage of so short a run may not regain what was learnt: of
    several stages the best epoch counts.
    """
    training = subject.train(easy(subject))
    accuracy = training.curves["memorisation"]["clean_given"]
    best, last, stages = max(accuracy), accuracy[-1], len(training.run.bounds)
    seen = f"{last:.1%} training accuracy on a noise-free problem after {training.run.position.step} steps"
    if stages > 1:
        seen += f", {best:.1%} after epoch {accuracy.index(best) + 1} of {EASY.epochs}, in {stages} stages"
    if (best if stages > 1 else last) < WANTED_ACCURACY:
        raise Fault(f"{seen} (at least {WANTED_ACCURACY:.0%} is expected)")
    return seen


def gradients(subject: Subject) -> str:
    """Every parameter learns."""
    history = subject.base
    idle = tuple(f"{name}." for name in history.watched.idle)
    still = [name for name in history.without_gradient if not name.startswith(idle)]
    if still:
        names = ", ".join(still[:3])
        raise Fault(f"{len(still)} parameters never had a gradient and never moved: {names}")
    unused = f"; no pass went through the classifier {', '.join(sorted(history.watched.idle))}" if idle else ""
    moved = len(list(history.training.run.method.parameters())) - len(history.without_gradient)
    return f"all {moved} parameter tensors had a gradient or moved{unused}"


def _checked_predictions(training: Training) -> list[Tensor]:
    """Predictions for all training images, for five and for one. Raises Fault where they are not as they should be."""
    images = torch.cat([part for _, part in training.measures.train.loader.plain(1000)])
    classes, all_predictions = training.run.task.num_classes, list[Tensor]()
    for count in (len(images), 5, 1):
        with evaluation.evaluating(training.run.method):
            made = training.run.method.predict(images[:count])
        if made.ndim not in (2, 3) or tuple(made.shape[-2:]) != (count, classes):
            wanted = f"must be [B, K] or [M, B, K] with K = {classes}"
            raise Fault(f"predict gave shape {list(made.shape)} for {count} images; it {wanted}")
        if not (made.is_floating_point() and bool(made.isfinite().all())):
            raise Fault(f"predict gave values that are not finite numbers (dtype {made.dtype})")
        all_predictions.append(made)
    return all_predictions


def predictions(subject: Subject) -> str:
    """Predictions have the right shape, are finite, change nothing, and do not depend on the rest of a batch."""
    _checked_predictions(
        subject.start(subject.first or SMALL)
    )  # before anything is measured, which needs the right shape
    training = subject.base.training
    method = training.run.method
    before = {name: value.clone() for name, value in method.state_dict().items()}
    everything, few, one = _checked_predictions(training)
    if are_probabilities(everything):
        raise Fault("predict gave probabilities: each row sums to 1; it must give logits (of probabilities: p.log())")
    for part, count in ((few, 5), (one, 1)):
        if not torch.allclose(everything[..., :count, :], part, rtol=1e-3, atol=1e-3):
            raise Fault("the predictions for an image depend on the other images of the batch")
    changed = difference(before, method.state_dict())
    if changed is not None:
        raise Fault(f"predict changed {changed!r}")
    return f"shape {list(everything.shape)}, finite, the same for an image alone or among others; nothing changed"


def scores(subject: Subject) -> str:
    """The method's own clean scores are one finite number a sample."""
    made = subject.base.training.clean_scores()
    if made is None:
        observed = bool(subject.base.training.run.observer.probability_epochs.any())
        return f"none of its own; {'the probability of the given label' if observed else 'nothing'} is observed"
    samples = subject.problem.samples
    if tuple(made.shape) != (samples,):
        raise Fault(f"clean_scores gave shape {tuple(made.shape)}; it must be ({samples},), one for each sample")
    if not bool(made.float().isfinite().all()):
        raise Fault("clean_scores are not all finite")
    return f"shape {list(made.shape)}, finite, from {float(made.min()):.3g} to {float(made.max()):.3g}"


def observed(subject: Subject) -> str:
    """The training passes are told of, as logits: by them wrong labels are found, and training accuracy is known."""
    watched = subject.base.watched
    if not watched.reports:
        if "mixup" in subject.info.marks:
            raise Skip("nothing is observed: every image is mixed")
        raise Fault(
            "nothing is ever observed, so that no training accuracy is known and no wrong label is found: call "
            "batch.observe(logits) in `loss` (a method that mixes every image declares the mark `mixup`)"
        )
    if watched.probabilities == watched.reports:
        raise Fault("batch.observe was given probabilities: each row sums to 1; it takes logits")
    return f"logits of {watched.reports} passes were observed"


def count_of_networks(subject: Subject) -> str:
    """It trains as many networks as it declares."""
    method, declared = subject.base.training.run.method, subject.info.networks
    still = subject.base.untouched
    trained = [
        name
        for name, network in networks(method).items()
        if any(f"{name}.{key}" not in still for key, _ in network.named_parameters())
    ]
    if len(trained) != declared:
        raise Fault(f"`networks` = {declared} is declared, and {len(trained)} are trained: {', '.join(trained) or '-'}")
    return f"{', '.join(trained)}, as declared"


def score_direction(subject: Subject) -> str:
    """The method's own clean scores are larger for labels that are right."""
    if subject.base.training.clean_scores() is None:
        raise Skip("no scores of its own")
    training = subject.train(replace(easy(subject), epochs=12, noise=0.3))
    clean_scores, mislabelled = training.clean_scores(), training.run.observer.mislabelled
    assert clean_scores is not None and mislabelled is not None
    area = detection_scores(clean_scores.cpu().numpy(), mislabelled.cpu().numpy())["roc_auc"]
    assert area is not None
    if area < LOWEST_AREA:
        raise Fault(f"clean scores find wrong labels with a ROC-AUC of {area:.2f}: they seem to be upside down")
    return f"clean scores find wrong labels with a ROC-AUC of {area:.2f}"


def cost(subject: Subject) -> str:
    """The passes that the method declares are those that it takes, as far as so short a run can tell."""
    run, declared = subject.base.training.run, subject.info.passes_per_step
    counted = run.task.counter.cost / (subject.problem.samples * subject.problem.epochs)
    seen = f"{counted:.2f} forward passes for each image of an epoch, {declared:g} declared"
    if not 0.5 < counted / declared < 2:
        raise Fault(seen)
    return seen


def classes(subject: Subject) -> str:
    """It trains with 2, 10 and 100 classes."""
    sizes = {2: 31, 10: 37, 100: 113}
    more = subject.scale
    problems = {
        f"{count} classes": Problem(classes=count, samples=more * size, epochs=4) for count, size in sizes.items()
    }
    trainings, seen = each_training(subject, problems)
    for title, training in trainings.items():
        if training.predictions().shape[-1] != problems[title].classes:
            raise Fault(f"predictions have {training.predictions().shape[-1]} columns for {title}")
    return seen


def batches(subject: Subject) -> str:
    """It trains with an odd last batch, and with batches of a single sample."""
    more = subject.scale
    sizes = {
        "a last batch of 3": Problem(samples=16 * more + 3, batch_size=8, epochs=4),
        "one sample left over": Problem(samples=16 * more + 1, batch_size=8, epochs=4),
        "batches of one sample": Problem(samples=7 if more == 1 else 16 * more, batch_size=1, epochs=4),
        "one batch an epoch": Problem(samples=19 * more, batch_size=32 * more, epochs=4),
    }
    return each_training(subject, sizes)[1]


def precision(subject: Subject) -> str:
    """It trains when its networks compute in bfloat16; what it keeps stays as it is in float32."""
    training = subject.train(replace(subject.problem, epochs=4, precision="bf16"))
    kinds = {name: value.dtype for name, value in training.run.method.state_dict().items()}
    for name, value in subject.base.training.run.method.state_dict().items():
        if kinds[name] != value.dtype:
            raise Fault(f"{name!r} is {value.dtype} under fp32 and {kinds[name]} under bf16")
    if not bool(training.predictions().isfinite().all()):
        raise Fault("predictions under bf16 are not finite")
    return "trains under fp32 and bf16; losses and predictions are finite"


def large_logits(subject: Subject) -> str:
    """Logits of +-50 give finite losses and gradients in all stages of a run."""
    training = subject.start(subject.problem)
    replace_logits(training, extreme)
    method = training.run.method

    def after_step(progress: float) -> None:
        for name, parameter in method.named_parameters():
            if parameter.grad is not None and not bool(parameter.grad.isfinite().all()):
                raise Fault(f"the gradient of {name!r} is not finite after {progress:.2f} epochs with logits of +-50")

    training.run.beat = after_step
    try:
        training.train()
    except MethodError as reason:
        raise Skip(f"the method refuses networks that answer so: {one_line(reason)}") from reason
    return "losses and gradients are finite with logits of +-50"
