"""Everything of a run before its first epoch, from its specification and its data."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch

from bench.machine import accelerator
from bench.training import measure
from bench.training.capture import make as make_capture
from bench.training.capture_scores import CapturedScores
from bench.training.data import RunData
from bench.training.observe import Observer
from bench.training.run_networks import NetworkSettings
from bench.training.sampling import Sampler
from bench.training.seeds import Streams
from bench.training.selection import EachBest
from bench.training.step import Run
from bench.training.task import RunTask, evaluation_batch
from bench.training.trusted import TrustedSamples
from common.specification import Specification, as_json
from datasets.base import HeldOut, ImageSet, IntArray
from datasets.loader import open_loader
from methods import registry as methods
from methods.base import Method


def _opener(
    spec: Specification, data: RunData, device: torch.device, workers: int
) -> Callable[[ImageSet, IntArray | None, bool], measure.Labelled]:
    """What opens a set of images with its given labels (None: the true ones); the truth may be unknown."""

    def opened(images: ImageSet, given: IntArray | None, truth: bool) -> measure.Labelled:
        settings = as_json(spec.augmentation)
        # workers that read the training set, and the trusted one, stay; these are read over and over
        stay = images is data.train or images is data.trusted
        loader = open_loader(images, data.dataset.mean, data.dataset.std, settings, device, workers, persistent=stay)
        true = torch.from_numpy(images.labels).to(device)
        labels = true if given is None else torch.from_numpy(given).to(device)
        return measure.Labelled(loader, labels, true if truth else None, noisy=given is not None)

    return opened


def _facts(spec: Specification, data: RunData) -> dict[str, Any]:
    """What a method may be told; None: what nobody knows.

    A suite's `noise_rate` stands for the expected rate; its `noise_rate_error` makes rate and matrix wrong by the same
    factor.
    """
    expected, known = data.noise.expected_rate, data.noise.expected_matrix
    if spec.noise_rate is not None:
        expected = spec.noise_rate
    kind = spec.noise.model
    if expected is None:
        return {"noise_rate": None, "noise_kind": kind, "matrix": None}
    told = min(max(expected + spec.noise_rate_error, 0.0), 1.0)
    if known is None or data.noise.expected_rate is None:
        return {"noise_rate": told, "noise_kind": kind, "matrix": None}
    matrix = torch.from_numpy(known).float()
    if data.noise.expected_rate > 0 and told != data.noise.expected_rate:
        kept = torch.eye(len(matrix))
        scaled = (kept + (matrix - kept) * (told / data.noise.expected_rate)).clamp_min(0)
        matrix = scaled / scaled.sum(1, keepdim=True)
    return {"noise_rate": told, "noise_kind": kind, "matrix": matrix}


def build_method(spec: Specification, task: RunTask, device: torch.device) -> Method:
    """The method of a specification, on the device, with its hyper-parameters."""
    made = methods.load(spec.method.name)(task, **spec.method.hyper)
    if task.trusted_samples is not None:
        task.trusted_samples.views = made.views
    return made.to(device)


def _sampler(spec: Specification, data: RunData, streams: Streams) -> Sampler | None:
    """What draws the rows of an epoch; None: an epoch is all of them."""
    sampling = spec.sampling
    if sampling is None or not (sampling.fresh or sampling.per_network):
        return None
    once = (lambda number: streams.generator("sample", number)) if sampling.per_network else None
    return Sampler(data.given, sampling, once)


def _trusted(task: RunTask, told: measure.Labelled, streams: Streams, device: torch.device) -> TrustedSamples:
    """The samples whose true labels a method is told."""
    size = evaluation_batch(device, told.loader.image_shape)
    return TrustedSamples(told.loader, told.labels, streams, size, task.check_seal)


def _measures(
    spec: Specification,
    data: RunData,
    train: measure.Labelled,
    opened: Callable[[ImageSet, IntArray | None, bool], measure.Labelled],
    members: str,
    device: torch.device,
) -> measure.Measures:
    def held_out(validation: HeldOut | None) -> measure.Labelled | None:
        return None if validation is None else opened(validation.images, validation.given, validation.truth)

    return measure.Measures(
        train=train,
        test=opened(data.dataset.test, None, True),
        validation=held_out(data.validation),
        scored=members if spec.scored == "default" else spec.scored,
        batch_size=evaluation_batch(device, train.loader.image_shape),
        memorisation_every=spec.memorisation_every,
        further={name: opened(images, None, True) for name, images in data.dataset.further_tests.items()},
        top5=data.dataset.top5,
        # where papers report so, whose data sets have validation images of their own
        each=EachBest() if spec.dataset.validation.source == "official" else None,
    )


def build_run(
    spec: Specification,
    data: RunData,
    device: torch.device,
    workers: int = 0,
    weights: Path | None = None,
    capture: str = "off",
    tell: Callable[[str], None] = lambda line: None,
) -> tuple[Run, measure.Measures]:
    """Everything of a run before its first epoch.

    capture: see `bench.training.capture.make`. tell: called with what a user should know of the run.
    """
    streams = Streams(spec)
    opened = _opener(spec, data, device, workers)
    train = opened(data.train, data.given, data.dataset.truth)
    task = RunTask(
        labels=train.labels,
        num_classes=data.dataset.num_classes,
        epochs=spec.epochs,
        batch_size=spec.batch_size,
        settings=NetworkSettings(
            spec.network, spec.pretrained, train.loader.image_shape, spec.precision, spec.compile, weights
        ),
        loader=train.loader,
        streams=streams,
        facts=_facts(spec, data),
        needs=methods.info(spec.method.name).needs,
        device=device,
    )
    task.sampler = _sampler(spec, data, streams)
    if data.trusted is not None and "trusted" in methods.info(spec.method.name).needs:
        task.trusted_samples = _trusted(task, opened(data.trusted, None, True), streams, device)
    task.further_draws = data.redrawn
    method = build_method(spec, task, device)
    task.further_draws = None  # it holds the data set and with it the truth: no way leads from a method to that
    observer = Observer(train.labels, None if train.true is None else train.labels != train.true)
    measures = _measures(spec, data, train, opened, type(method).members, device)
    captured = make_capture(capture, device, tell)
    if captured is not None:
        task.scores = CapturedScores(captured.recorder)
    on_device = captured is not None or accelerator.is_cuda(device)
    run = Run(
        spec, method, task, train.loader, observer, streams, train.labels, task.sampler,
        rates_on_device=on_device, captured=captured,
    )  # fmt: skip
    return run, measures
