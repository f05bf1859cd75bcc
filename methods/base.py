"""The contract of a method: what it is handed, what it may define, and nothing of data sets, networks or trainer."""

from __future__ import annotations

import copy
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from types import NoneType
from typing import Any, ClassVar, Protocol, cast

import numpy as np
import torch
from torch import Generator, Tensor, nn

from methods.contract_checks import EPOCHS, IGNORED
from methods.heads import Head
from methods.registry import HyperParameter, MethodError, resolve_hyper, with_epochs
from methods.trusted import Output, Trusted
from methods.updates import Optimizers


@dataclass(frozen=True)
class Batch:
    """One step's samples, none twice, nothing of the truth; all tensors on the training device.

    Of a stream whose rows stand in it several times, a batch may hold one as often.

    views: one tensor per entry of `Method.views`, each [B, C, H, W] float32, normalised.
    labels: [B] int64, the given (possibly wrong) labels.
    index: [B] int64, rows of the training set.
    epoch: counted from 1. step: batches done in this run.
    progress: epoch - 1 + share of the epoch done, the clock of every schedule and ramp.
    observe: `observe(logits, confidence=h)` reports what the pass saw: see `Observe`.
    phase, number: name and number of the phase. streams: batches of the phase's further streams by name.
    rates: the learning rate of each parameter group, in their order, in this step.
    draws: what `Method.step_draws` gave for this step, on the training device.
    terms: `terms(cross_entropy=a, penalty=b)` names scalars that the loss is the sum of: a run that is no longer finite
        says which were the largest. A loss need not tell.
    """

    views: tuple[Tensor, ...]
    labels: Tensor
    index: Tensor
    epoch: int
    step: int
    progress: float
    observe: Observe
    phase: str = ""
    number: int = 0
    streams: Mapping[str, Batch] = field(default_factory=dict)
    draws: Mapping[str, Tensor] = field(default_factory=dict)
    terms: Callable[..., None] = lambda **terms: None
    rates: tuple[float, ...] = ()


@dataclass(frozen=True)
class Phase:
    """One shuffled walk over `rows` ([n] int64, each row once; None: all rows) within an epoch.

    name, number: for the method's own use, such as which of its networks learns; the batches have them too.
    sampled: the rows come from `Task.sample`, so that the suite's sampling takes none away.
    batches: the walk is so many batches long, over fewer rows, or over rows that are reshuffled and repeated.
    Each further stream (rows, batch size) is reshuffled and repeated until the walk ends; a row may stand in it twice.
    """

    rows: Tensor | None = None
    batch_size: int | None = None
    name: str = ""
    streams: Mapping[str, tuple[Tensor, int]] = field(default_factory=dict)
    number: int = 0
    sampled: bool = False
    batches: int | None = None


@dataclass(frozen=True)
class Stage:
    """A stretch of `epochs` (None: the rest of the run).

    optimizer: settings over the suite's (`name`, `lr`, ..., and `schedule` as a table of its own).
    restart: optimiser and schedule are built anew after `stage_start`; without it they go on, and take no settings.
    rate_scale: what the scheduled rates are multiplied with while the stage lasts, also without restart.
    clock: (done, length): the schedule is one of `length` epochs, `done` of which are over when the stage begins, so
        that it goes on from an earlier stage. None: a whole schedule, over the stages till the next restart; the
        suite's numbers of epochs are then the same shares of these as they are of the run.
    """

    epochs: int | None = None
    optimizer: Mapping[str, Any] = field(default_factory=dict)
    restart: bool = True
    clock: tuple[int, int] | None = None
    rate_scale: float = 1.0

    def __post_init__(self) -> None:
        if type(self.epochs) not in (int, NoneType):
            raise MethodError(f"Stage({self.epochs!r}): {EPOCHS}")
        if self.epochs is not None and self.epochs < 0:
            raise MethodError(f"Stage({self.epochs!r}): a stage is of 0 epochs at least")
        if (self.optimizer or self.clock) and not self.restart:
            raise MethodError(f"Stage(restart=False): {IGNORED}")
        if not 0 <= self.rate_scale < float("inf"):
            raise MethodError(f"Stage(rate_scale={self.rate_scale!r}): must be a number from 0 on")


class Network(nn.Module, ABC):
    """What `Task.network` returns. Precision, memory layout and the count of passes are the harness's, inside of it.

    feature_size: length of a feature vector.
    blocks: the parts from input to output; the last one is the classifier.
    has_confidence: whether it has a head for a sample's confidence (`features_and_confidence`).
    """

    feature_size: int
    blocks: nn.ModuleList
    has_confidence: bool = False

    @abstractmethod
    def features(self, images: Tensor) -> Tensor:
        """Features [B, feature_size] float32 of images [B, C, H, W] float32."""

    @abstractmethod
    def classify(self, features: Tensor) -> Tensor:
        """Logits [B, K] float32 of features [B, feature_size]."""

    def features_and_confidence(self, images: Tensor, detached: bool = False) -> tuple[Tensor, Tensor]:
        """In one pass the features and, of a network that has a head for it, a logit of each sample's confidence, [B].

        detached: the confidence passes no gradient to what it shares with the features. Raises NotImplementedError of a
        network without such a head.
        """
        raise NotImplementedError("the network has no head for a confidence")

    def apply_head(self, name: str, values: Tensor) -> Tensor:
        """What the head `name` that the network was asked for with gives for features or other values [B, inputs].

        [B, outputs] float32. Raises MethodError where it has no head of that name.
        """
        raise NotImplementedError("the network was asked for without heads")

    def forward(self, images: Tensor) -> Tensor:
        """Logits [B, K] float32 of images [B, C, H, W] float32."""
        return self.classify(self.features(images))

    def initialise(self, layer: nn.Module) -> None:
        """Draw the weights of one layer, children not included, from torch's global generator; reset its statistics."""
        if hasattr(layer, "reset_parameters"):
            cast(Callable[[], None], layer.reset_parameters)()

    def reinitialise(self, module: nn.Module, generator: Generator) -> None:
        """Give `module` (a block, or any part) fresh weights and statistics, drawn from `generator` (on the CPU).

        They do not depend on the device or the memory layout, and no other generator moves. The tensors stay the same
        objects: an optimiser that holds them goes on.
        """
        fresh = copy.deepcopy(module).to("cpu").to(memory_format=torch.contiguous_format)  # type: ignore[call-overload]
        seed = int(torch.randint(2**63 - 1, (), generator=generator))
        with torch.random.fork_rng(devices=[]):
            torch.default_generator.manual_seed(seed)
            fresh.apply(self.initialise)
        module.load_state_dict(fresh.state_dict())


class Observe(Protocol):
    """`Batch.observe`: tells the harness what a pass over training samples saw, in a step. A method need not.

    logits: [B, K], of the un-mixed first view, a row a sample. batch: whose samples these are (a further stream, or a
        copy of the batch with another `index`); None: the batch's own.
    values: numbers of the samples by name, [B] each: a confidence, a weight. `selected`, a mask or a share, is what the
        method decided: from .5 on the label counts as held to be right. Names are the method's own, and the same in all
        steps that report them.

    All is detached. At the end of the epoch the harness takes from the logits the training accuracy and each given
    label's probability, the default score for finding wrong labels; of each value, a sample's mean over the epoch, and
    the means over clean and over mislabelled samples, which are curves of the record; of `selected` precision and
    recall too. A sample may be reported several times in an epoch, or never. Raises ValueError for another shape.
    """

    def __call__(self, logits: Tensor, batch: Batch | None = None, **values: Tensor) -> None: ...


class Task(Protocol):
    """What a method may know of the run.

    labels: [N] int64, the given labels, on the training device. batch_size: samples of a step, as the suite sets it.
    rng, generator: a method's only sources of randomness (NumPy; torch on the CPU), re-seeded at every epoch start.
    """

    num_classes: int
    num_samples: int
    epochs: int
    batch_size: int
    labels: Tensor

    @property
    def trusted(self) -> Trusted:
        """Samples with true labels, of the suite's `data.trusted`. Raises PermissionError unless `needs` has it."""

    @property
    def noisy_validation(self) -> tuple[float, ...]:
        """The accuracy on the noisy labels of the validation set after each epoch that is done, as the run measures it.

        Whoever reads it selects by noisy validation, which tables then say. Raises PermissionError unless `needs` has
        it.
        """

    @property
    def rng(self) -> np.random.Generator: ...
    @property
    def generator(self) -> Generator: ...

    def network(self, key: int = 0, heads: Mapping[str, Head] | None = None) -> Network:
        """A freshly initialised network; same key and seed, same weights in every method.

        heads: what it has beside the class head, by name; each is drawn by itself, and re-initialised with the network.
        """

    def logits(self, network: nn.Module, augment: bool = False, rows: Tensor | None = None) -> Tensor:
        """[N, K] float32 over the training set, evaluation mode, no gradient; counted as cost.

        augment: of weakly augmented images, drawn anew at every call; else of the plain ones.
        rows: [n] int64, each once: of these alone, [n, K] in their order.
        """

    def evaluate(
        self,
        function: Callable[[Tensor], Output],
        rows: Tensor | None = None,
        view: str = "plain",
        batch_size: int | None = None,
        network: nn.Module | None = None,
    ) -> Output:
        """What `function(images)` gives over the training set, in its order, without gradients; counted as cost.

        function: gives a tensor with a row for each of the images [B, C, H, W], or a tuple of such: features, say, and
            logits, of which losses and probabilities follow.
        rows: [n] int64, each once and at least one: of these alone, in their order. view: the view policy, drawn anew
            at every call. batch_size: images at once; None: what suits the device.
        network: what is in evaluation mode meanwhile; None: `function`, where it is a module.
        """

    def sample(self) -> Tensor:
        """[n] int64, each once: rows for an epoch, drawn anew at every call as the suite's `sampling` says; else all.

        For `epoch_start`, where a method wants to know what it walks over: see `Phase.sampled`.
        """

    def redrawn(self, number: int) -> Tensor:
        """[N] int64: given labels of the same samples in a further draw of the run's noise, number `number` (from 1).

        A privilege that no method needs to have declared, as it may depend on a setting: the record tells of it. Labels
        that are no draw, as people's, are the same in each. Raises UserError outside of `Method.build`.
        """

    def known(self, fact: str) -> Any:
        """A privileged fact: "noise_rate" (expected share of wrong labels, float), "noise_kind" (str) or "matrix"
        ([K, K] float32, rows: true class). Raises PermissionError unless it is declared in `Method.needs`."""


def initialised_linear(inputs: int, outputs: int, generator: Generator) -> nn.Linear:
    """A linear layer drawn as nn.Linear draws it (uniform in +-1/sqrt(inputs)), but from `generator` alone."""
    layer: nn.Linear = nn.utils.skip_init(nn.Linear, inputs, outputs)  # type: ignore[no-untyped-call]
    with torch.no_grad():
        for parameter in (layer.weight, layer.bias):
            parameter.uniform_(-(inputs**-0.5), inputs**-0.5, generator=generator)
    return layer


class Method(nn.Module):
    """A method: one file, one class. State lives in parameters and buffers only.

    The literals below are read from the source without importing it, so they must be plain. `marks` names what buys
    accuracy beside `needs`: "ensemble", "mixup", "strong augmentation", "pretraining". Each key of `hyper` becomes an
    attribute of the instance; those with `unit = "epochs"` arrive as whole numbers.
    """

    name: ClassVar[str]
    title: ClassVar[str]
    year: ClassVar[int]
    reference: ClassVar[str]
    family: ClassVar[str] = ""  # one of `methods.declaration.FAMILIES`
    version: ClassVar[int] = 1  # raised when results change
    needs: ClassVar[frozenset[str]] = frozenset()
    marks: ClassVar[frozenset[str]] = frozenset()
    networks: ClassVar[int] = 1
    passes_per_step: ClassVar[float] = 1.0  # forward passes over training images, per image of an epoch
    hyper: ClassVar[Mapping[str, HyperParameter]] = {}
    published: ClassVar[tuple[Mapping[str, Any], ...]] = ()  # what its paper trained it with: `methods.published`
    views: ClassVar[tuple[str, ...]] = ("weak",)  # view policies: "weak", "strong", "plain", a plug-in's
    members: ClassVar[str] = "mean"  # how [M, B, K] predictions are scored: "mean" of accuracies, or "ensemble"

    def __init__(self, task: Task, **hyper: Any) -> None:
        super().__init__()
        self.task = task
        values = resolve_hyper(type(self).hyper, hyper, f"method {type(self).name!r}")
        for key, value in with_epochs(type(self).hyper, values, task.epochs).items():
            setattr(self, key, value)
        self.build()

    def build(self) -> None:
        """Make networks and buffers; the default is one network."""
        self.network: Network = self.task.network()

    def loss(self, batch: Batch) -> Tensor:
        """The scalar to descend, once a step, in training mode, outside autocast; may update buffers."""
        raise NotImplementedError

    def stages(self) -> Sequence[Stage]:
        """The stages of the run, in order; they must fill its epochs."""
        return [Stage()]

    def stage_start(self, stage: int) -> None:
        """Called once when stage number `stage` (from 0) begins; not on resume."""

    def epoch_start(self, epoch: int) -> Sequence[Phase]:
        """The phases of epoch `epoch` (from 1); may refresh buffers."""
        return [Phase()]

    def epoch_end(self, epoch: int) -> None:
        """Called after the last step of epoch `epoch` (from 1), before it is measured; may refresh buffers."""

    def step_draws(self, batch_size: int) -> Mapping[str, Tensor]:
        """Random numbers for one step of so many samples, as tensors on the CPU; `Batch.draws` holds them.

        Called for each step in the order of the steps, on an accelerator for many of them ahead, so it may read nothing
        that a step changes, and change nothing but the task's generators. What is drawn here from `task.rng` or
        `task.generator`, and not in `loss`, lets an accelerator replay the step as a captured graph.
        """
        return {}

    def parameter_groups(self) -> list[dict[str, Any]]:
        """Groups for the optimiser; a group may name its own `optimizer`, settings, and `schedule: False`."""
        return [{"params": list(self.parameters())}]

    def step(self, batch: Batch, optimizers: Optimizers) -> Tensor:
        """A step that the method takes itself, in place of `loss`, `after_backward` and `after_step`.

        For updates that alternate, or of which one looks ahead to another. Returns the step's loss, a scalar that is
        recorded; a step that moves nothing counts as skipped. No such step is captured or taken with SAM.
        """
        raise NotImplementedError

    def rate_scale(self, progress: float, group: str) -> float:
        """What the scheduled rate of a parameter group is multiplied with after `progress` epochs: a cycle of its own.

        group: its `name`, "" where it has none. It is asked for ahead of the steps, so it follows from `progress` and
        hyper-parameters alone.
        """
        return 1.0

    def after_backward(self, batch: Batch) -> None:
        """Called between backward pass and optimiser step, with the batch of the step."""

    def after_step(self, batch: Batch) -> None:
        """Called after the optimiser step, with the batch of the step."""

    def predict(self, images: Tensor) -> Tensor:
        """Logits [B, K] of the images, or [M, B, K] with a row per member (see `members`)."""
        logits: Tensor = self.network(images)
        return logits

    def clean_scores(self) -> Tensor | None:
        """[N] float, larger for labels held to be right; None: the probability of the given label, from `observe`."""
        return None
