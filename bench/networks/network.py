"""What every network is: a stack of blocks and a linear classifier, with precision, layout and cost kept inside."""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Self, cast

import torch
from torch import Generator, Tensor, nn

from common.errors import unknown
from common.specification import Precision
from methods import base as contract
from methods.heads import Head
from methods.hyper import MethodError

Layer = Callable[[Tensor], Tensor]


class PassCounter:
    """Images that went forward through the networks sharing this counter.

    trained, forwarded: passes that a method asked for, with and without gradient; together they are its `cost`.
    evaluation: the harness's own measurements, counted while `evaluating` is set. A deep copy is the same object, so
    that an averaged copy of a network goes on counting into its run's total.
    """

    def __init__(self) -> None:
        self.trained = 0
        self.forwarded = 0
        self.evaluation = 0
        self.evaluating = False

    @property
    def cost(self) -> int:
        return self.trained + self.forwarded

    def add(self, images: int) -> None:
        """Count a pass of so many images."""
        if self.evaluating:
            self.evaluation += images
        elif torch.is_grad_enabled():
            self.trained += images
        else:
            self.forwarded += images

    def add_counts(self, passes: Mapping[str, int]) -> None:
        """Count passes that no Python has made, by name."""
        self.trained += passes["trained"]
        self.forwarded += passes["forwarded"]
        self.evaluation += passes["evaluation"]

    def state_dict(self) -> dict[str, int]:
        """The counts, for a checkpoint."""
        return {"trained": self.trained, "forwarded": self.forwarded, "evaluation": self.evaluation}

    def load_state_dict(self, state: Mapping[str, int]) -> None:
        """Restore what `state_dict` gave."""
        self.trained, self.forwarded, self.evaluation = state["trained"], state["forwarded"], state["evaluation"]

    def __copy__(self) -> Self:
        return self

    def __deepcopy__(self, memo: dict[int, Any]) -> Self:
        return self


def reset(layer: nn.Module) -> None:
    """torch's default initialisation of one layer, children not included; also resets running statistics."""
    if hasattr(layer, "reset_parameters"):
        cast(Callable[[], None], layer.reset_parameters)()


def _run(blocks: Sequence[Layer], images: Tensor) -> Tensor:
    for block in blocks:
        images = block(images)
    return images


@functools.cache
def _compiled_run(device: str) -> Callable[[Sequence[Layer], Tensor], Tensor]:
    mode = "reduce-overhead" if device == "cuda" else "default"  # the former captures CUDA graphs
    return cast(Callable[[Sequence[Layer], Tensor], Tensor], torch.compile(_run, mode=mode))


class Network(contract.Network):
    """A stack of blocks as a network. Nothing but parameters and buffers changes while it is used.

    blocks: from input to output. All but the last together map images [B, C, H, W] to features [B, feature_size]; the
        last one is the linear classifier.
    counter: what this network adds the images of its forward passes to.
    """

    def __init__(self, blocks: Sequence[nn.Module], initialise: Callable[[nn.Module], None] = reset) -> None:
        """`initialise` sets the weights of one layer, where they are not torch's defaults that it already has."""
        super().__init__()
        self.blocks = nn.ModuleList(blocks)
        self.feature_size = cast(nn.Linear, blocks[-1]).in_features
        self._initialise = initialise
        self._begin()
        if initialise is not reset:
            self.apply(initialise)

    def _begin(self) -> None:
        self.counter = PassCounter()
        self._bfloat16 = False
        self._layout = torch.contiguous_format
        self._compiled = False
        self.further_heads = nn.ModuleDict()

    def _body(self) -> Sequence[Layer]:
        return list(self.blocks)[:-1]

    def _head(self) -> Layer:
        return self.blocks[-1]

    def prepare(self, *, precision: Precision = "fp32", channels_last: bool = False, compiled: bool = False) -> Self:
        """Choose how passes are computed: under bfloat16 autocast, in which memory layout, with torch.compile."""
        self._bfloat16 = precision == "bf16"
        self._layout = torch.channels_last if channels_last else torch.contiguous_format
        self._compiled = compiled
        return self.to(memory_format=self._layout)  # type: ignore[call-overload,no-any-return]

    def _autocast(self, tensor: Tensor) -> torch.autocast:
        return torch.autocast(tensor.device.type, dtype=torch.bfloat16, enabled=self._bfloat16)

    def features(self, images: Tensor) -> Tensor:
        """Features [B, feature_size] float32 of images [B, C, H, W] float32; the pass is counted."""
        self.counter.add(images.shape[0])
        with self._autocast(images):
            run = _compiled_run(images.device.type) if self._compiled else _run
            features = run(self._body(), images.contiguous(memory_format=self._layout))
        return features.to(torch.float32, copy=self._compiled)  # a captured graph writes to the same memory next time

    def classify(self, features: Tensor) -> Tensor:
        """Logits [B, K] float32 of features [B, feature_size]."""
        with self._autocast(features):
            logits: Tensor = self._head()(features)
        return logits.float()

    def add_head(self, name: str, head: Head) -> None:
        """Put a head beside the class head, drawn by torch's global generator as the network's layers are."""
        made = head.made(self.feature_size)
        made.apply(self.initialise)
        self.further_heads[name] = made

    def apply_head(self, name: str, values: Tensor) -> Tensor:
        """[B, outputs] float32 of features or other values [B, inputs]. Raises MethodError for an unknown name."""
        if name not in self.further_heads:
            raise unknown("head", name, self.further_heads, "Network.apply_head", error=MethodError)
        with self._autocast(values):
            outputs: Tensor = self.further_heads[name](values)
        return outputs.float()

    def initialise(self, layer: nn.Module) -> None:
        self._initialise(layer)


class TwoHeads(Network):
    """A network with a head of its own for a sample's confidence, beside that for its class.

    confidence_head: from what the first `shared` blocks give to one number a sample. Passes that do not ask for the
    confidence do not compute it, and then nothing trains it.
    """

    has_confidence = True

    def __init__(
        self, blocks: Sequence[nn.Module], head: nn.Module, shared: int, initialise: Callable[[nn.Module], None] = reset
    ) -> None:
        super().__init__(blocks, initialise)
        self.confidence_head, self.shared = head, shared
        if initialise is not reset:
            head.apply(initialise)

    def features_and_confidence(self, images: Tensor, detached: bool = False) -> tuple[Tensor, Tensor]:
        self.counter.add(images.shape[0])
        run = _compiled_run(images.device.type) if self._compiled else _run
        with self._autocast(images):
            shared = run(list(self.blocks)[: self.shared], images.contiguous(memory_format=self._layout))
            shared = (
                shared.clone() if self._compiled else shared
            )  # a captured graph writes to the same memory next time
            features = run(list(self.blocks)[self.shared : -1], shared)
            confidence: Tensor = self.confidence_head(shared.detach() if detached else shared)
        return features.to(torch.float32, copy=self._compiled), confidence.float().squeeze(1)


class Adopted(Network):
    """A network that a plug-in derived from `methods.base.Network`: the harness's care around its own passes."""

    def __init__(self, own: contract.Network) -> None:
        nn.Module.__init__(self)
        self.own = own
        self.feature_size, self.has_confidence = own.feature_size, own.has_confidence
        self._begin()

    @property
    def blocks(self) -> nn.ModuleList:  # type: ignore[override]
        return self.own.blocks

    def _body(self) -> Sequence[Layer]:
        return [self.own.features]

    def _head(self) -> Layer:
        return self.own.classify

    def features_and_confidence(self, images: Tensor, detached: bool = False) -> tuple[Tensor, Tensor]:
        self.counter.add(images.shape[0])
        with self._autocast(images):
            features, confidence = self.own.features_and_confidence(images, detached)
        return features.float(), confidence.float()

    def initialise(self, layer: nn.Module) -> None:
        self.own.initialise(layer)

    def reinitialise(self, module: nn.Module, generator: Generator) -> None:
        self.own.reinitialise(module, generator)
