"""The task that a method is handed: labels, networks, generators, and only the privileged facts it declared."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Generator, Tensor, nn

from bench.networks.network import Network, PassCounter
from bench.training.run_networks import NetworkSettings, built
from bench.training.sampling import IntArray, Sampler
from bench.training.seeds import Streams
from bench.training.trusted import TrustedSamples, in_rows
from common.errors import UserError
from datasets.loader import Loader
from methods.heads import Head
from methods.trusted import Output

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
        self._needs = needs
        self._validation: tuple[float, ...] = ()
        self._facts = {name: fact for name, fact in facts.items() if name in needs}
        self._device = device
        self.sampler: Sampler | None = None  # draws the rows of each epoch, where an epoch is not all of them
        self.further_draws: Callable[[int], IntArray] | None = None
        self.draws_told = set[int]()  # which further draws of the labels the method has been given
        self.scores: CapturedScores | None = None  # scores images by captured graphs
        self.sealed = False  # while a step is captured: see `capture.py`
        self.trusted_samples: TrustedSamples | None = None  # of a method that needs them
        self._rng = np.random.Generator(np.random.PCG64(0))
        self._generator = Generator()
        self.seed_epoch(0)

    def close(self) -> None:
        """End the processes that read trusted samples."""
        if self.trusted_samples is not None:
            self.trusted_samples.close()

    def tell_validation(self, accuracies: Sequence[float]) -> None:
        """Accuracies on noisy validation labels after each epoch that is done, for a method that needs them."""
        self._validation = tuple(accuracies)

    @property
    def noisy_validation(self) -> tuple[float, ...]:
        """What `tell_validation` was told. Raises PermissionError unless `needs` has "noisy_validation"."""
        if "noisy_validation" not in self._needs:
            raise PermissionError("the accuracy on noisy validation labels is not declared in `needs`")
        return self._validation

    @property
    def rng(self) -> np.random.Generator:
        """NumPy's generator of the method. Raises NotCapturable in a step that is being captured."""
        self.check_seal("draws from task.rng in the step (Method.step_draws can)")
        return self._rng

    @property
    def generator(self) -> Generator:
        """torch's generator of the method, on the CPU. Raises NotCapturable in a step that is being captured."""
        self.check_seal("draws from task.generator in the step (Method.step_draws can)")
        return self._generator

    def check_seal(self, what: str) -> None:
        """Raise NotCapturable, saying `what` is done, in a step that is being captured."""
        if self.sealed:
            raise NotCapturable(what)

    @property
    def trusted(self) -> TrustedSamples:
        """The samples with true labels. Raises PermissionError unless `needs` has "trusted"."""
        if self.trusted_samples is None:
            raise PermissionError("trusted samples are not declared in `needs`")
        return self.trusted_samples

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
        self._epoch, self._augmented_passes, self._samples = epoch, 0, 0
        if self.trusted_samples is not None:
            self.trusted_samples.seed_epoch(epoch)

    def network(self, key: int = 0, heads: Mapping[str, Head] | None = None) -> Network:
        """A freshly initialised network on the device; same key and seed, same weights in every method.

        heads: what it has beside the class head, by name; the weights of each follow from name, key and seed.
        """
        return built(self._settings, self.num_classes, self._streams, self.counter, key, heads or {}).to(self._device)

    def logits(self, network: nn.Module, augment: bool = False, rows: Tensor | None = None) -> Tensor:
        """[N, K] float32 over the training set in evaluation mode, or over `rows` [n]; its passes count as cost.

        Raises NotCapturable in a step that is being captured.
        """
        if rows is not None and not len(rows):
            return torch.empty(0, self.num_classes, device=self._device)
        logits: Tensor = self.evaluate(network, rows, "weak" if augment else "plain")
        return logits

    @torch.no_grad()
    def evaluate(
        self,
        function: Callable[[Tensor], Output],
        rows: Tensor | None = None,
        view: str = "plain",
        batch_size: int | None = None,
        network: nn.Module | None = None,
    ) -> Output:
        """What `function` gives for the images of the training set, or of `rows` [n]: see `methods.base.Task`.

        Raises NotCapturable in a step that is being captured, ValueError where there are no rows, DataError for an
        unknown view.
        """
        self.check_seal("scores the training set in the step")
        if rows is not None and not len(rows):
            raise ValueError("task.evaluate was given no rows")
        evaluated = function if network is None and isinstance(function, nn.Module) else network
        was_training = evaluated is not None and evaluated.training
        if evaluated is not None:
            evaluated.eval()
        outputs = in_rows(function, self._images(rows, view, batch_size), self.num_samples)
        if evaluated is not None:
            evaluated.train(was_training)
        if rows is None:
            return outputs
        kept = rows.to(self._device)
        return outputs[kept] if isinstance(outputs, Tensor) else tuple(table[kept] for table in outputs)

    def _images(self, rows: Tensor | None, view: str, batch_size: int | None) -> Iterator[tuple[Tensor, Tensor]]:
        """(index, images) of the training set, or of `rows`, each once and seen by the view policy `view`."""
        size = batch_size or evaluation_batch(self._device, self._settings.image_shape)
        if view == "plain" and rows is None:
            yield from self._loader.plain(size)
            return
        order = self._streams.generator("logits order", self._epoch)
        draws = self._streams.generator(f"logits augmentation {self._augmented_passes}", self._epoch)
        self._augmented_passes += 1
        for index, views in self._loader.walk(rows, size, (view,), order, draws):
            yield index, views[0]

    def sample(self) -> Tensor:
        """[n] int64 on the device: rows for an epoch, drawn anew at every call as the suite says; else all."""
        if self.sampler is None:
            return torch.arange(self.num_samples, device=self._device)
        order = self._streams.generator(f"sample {self._samples}", self._epoch)
        self._samples += 1
        return self.sampler.rows(None, self.batch_size, order, self._samples - 1).to(self._device)

    def redrawn(self, number: int) -> Tensor:
        """[N] int64 on the device: given labels in a further draw of the noise; the record tells how many were given.

        To be asked for in `Method.build` alone. Raises UserError later, and where there is no other draw.
        """
        if self.further_draws is None:
            raise UserError("the method wants labels of a further draw of the noise: there is none, or `build` is over")
        self.draws_told.add(number)
        return torch.from_numpy(self.further_draws(number)).to(self._device)

    def known(self, fact: str) -> Any:
        """A privileged fact. Raises PermissionError unless it is one and declared in `needs`.

        Raises UserError where the data do not tell it.
        """
        if fact not in self._facts:
            raise PermissionError(f"the fact {fact!r} is not declared in `needs`")
        if self._facts[fact] is None:
            raise UserError(f"the method needs the fact {fact!r}, which is not known of this data set")
        return self._facts[fact]
