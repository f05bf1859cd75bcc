"""The task that a method is handed: labels, networks, generators, and only the privileged facts it declared."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Generator, Tensor, nn

from bench import networks
from bench.networks.network import Network, PassCounter
from bench.training.seeds import Streams
from common.errors import UserError
from common.specification import Precision
from datasets.loader import Loader

if TYPE_CHECKING:
    from bench.training.capture_scores import CapturedScores


class NotCapturable(Exception):
    """A step asks for what only Python can give, so no captured graph can stand for it.

    The text says why, as a clause without a subject: "draws from task.rng in the step".
    """


_LARGE = 64 * 64  # pixels of an image from which on fewer images are evaluated at once


def evaluation_batch(device: torch.device, image_shape: tuple[int, int, int]) -> int:
    """Images (C, H, W) evaluated at once: large on an accelerator; on a CPU what its caches hold is faster."""
    count = 2000 if device.type == "cuda" else 250
    return max(1, count * _LARGE // max(_LARGE, image_shape[1] * image_shape[2]))


@dataclass(frozen=True)
class NetworkSettings:
    """How networks are built in a run."""

    name: str
    pretrained: bool
    image_shape: tuple[int, int, int]  # channels, height, width
    precision: Precision
    compiled: bool = False
    weights: Path | None = None


class RunTask:
    """The harness's `methods.base.Task`.

    facts: what may be known, by name; only those in `needs` are kept.
    """

    def __init__(
        self,
        labels: Tensor,
        num_classes: int,
        epochs: int,
        batch_size: int,
        settings: NetworkSettings,
        loader: Loader,
        streams: Streams,
        facts: Mapping[str, Any],
        needs: frozenset[str],
        device: torch.device,
    ) -> None:
        self.labels = labels
        self.num_classes = num_classes
        self.num_samples = len(labels)
        self.epochs = epochs
        self.batch_size = batch_size
        self.counter = PassCounter()
        self._settings, self._loader, self._streams = settings, loader, streams
        self._facts = {name: fact for name, fact in facts.items() if name in needs}
        self._device = device
        self.scores: CapturedScores | None = None  # scores images by captured graphs
        self.sealed = False  # while a step is captured: see `capture.py`
        self._rng = np.random.Generator(np.random.PCG64(0))
        self._generator = Generator()
        self.seed_epoch(0)

    @property
    def rng(self) -> np.random.Generator:
        """NumPy's generator of the method. Raises NotCapturable in a step that is being captured."""
        self._check_seal("draws from task.rng")
        return self._rng

    @property
    def generator(self) -> Generator:
        """torch's generator of the method, on the CPU. Raises NotCapturable in a step that is being captured."""
        self._check_seal("draws from task.generator")
        return self._generator

    def _check_seal(self, what: str) -> None:
        if self.sealed:
            raise NotCapturable(f"{what} in the step (Method.step_draws can)")

    def generator_states(self) -> tuple[Any, Tensor]:
        """Where both generators stand, for `restore_generators`."""
        return self._rng.bit_generator.state, self._generator.get_state()

    def restore_generators(self, states: tuple[Any, Tensor]) -> None:
        """Put both generators back."""
        self._rng.bit_generator.state = states[0]
        self._generator.set_state(states[1])

    def seed_epoch(self, epoch: int) -> None:
        """Seed everything that a method may draw from, and the global generators, for an epoch."""
        self._streams.seed_global(epoch)
        self._rng = np.random.Generator(np.random.PCG64(self._streams.seed("method", epoch)))
        self._generator.manual_seed(self._streams.seed("method torch", epoch))
        self._epoch, self._augmented_passes = epoch, 0

    def network(self, key: int = 0) -> Network:
        """A freshly initialised network on the device; same key and seed, same weights in every method."""
        # Weights are drawn on the CPU. With the devices' generators among those kept, a run would make a context on
        # every device of the machine, and so would a run on the CPU.
        with torch.random.fork_rng(devices=[]):
            torch.default_generator.manual_seed(self._streams.seed("initialisation", key))
            network = networks.build(
                self._settings.name,
                self.num_classes,
                self._settings.image_shape,
                precision=self._settings.precision,
                channels_last=True,
                counter=self.counter,
                pretrained=self._settings.pretrained,
                compiled=self._settings.compiled,
                weights=self._settings.weights,
            )
        return network.to(self._device)

    @torch.no_grad()
    def logits(self, network: nn.Module, augment: bool = False) -> Tensor:
        """[N, K] float32 over the training set in evaluation mode; its passes count as cost.

        Raises NotCapturable in a step that is being captured.
        """
        if self.sealed:
            raise NotCapturable("scores the training set in the step")
        was_training = network.training
        network.eval()
        size = evaluation_batch(self._device, self._settings.image_shape)
        found = torch.empty(self.num_samples, self.num_classes, device=self._device)
        if augment:
            order = self._streams.generator("logits order", self._epoch)
            draws = self._streams.generator(f"logits augmentation {self._augmented_passes}", self._epoch)
            self._augmented_passes += 1
            for index, views in self._loader.walk(None, size, ("weak",), order, draws):
                found[index] = network(views[0])
        else:
            for index, images in self._loader.plain(size):
                found[index] = network(images)
        network.train(was_training)
        return found

    def known(self, fact: str) -> Any:
        """A privileged fact. Raises PermissionError unless it is one and declared in `needs`.

        Raises UserError where the data do not tell it.
        """
        if fact not in self._facts:
            raise PermissionError(f"the fact {fact!r} is not declared in `needs`")
        if self._facts[fact] is None:
            raise UserError(f"the method needs the fact {fact!r}, which is not known of this data set")
        return self._facts[fact]
