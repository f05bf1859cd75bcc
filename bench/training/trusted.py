"""The harness's `methods.trusted.Trusted`: samples set aside whose true labels a method is told."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

import torch
from torch import Tensor

from bench.training.seeds import Streams
from datasets.loader import Loader
from methods.trusted import Output, TrustedBatch

Seal = Callable[[str], None]


class TrustedSamples:
    """Images of `loader` with their true labels [n]. check_seal: raises where a step is being captured."""

    def __init__(self, loader: Loader, labels: Tensor, streams: Streams, size: int, check_seal: Seal) -> None:
        self.labels = labels
        self.views: Sequence[str] = ("weak",)
        self._loader, self._streams, self._size, self._check_seal = loader, streams, size, check_seal
        self.seed_epoch(0)

    def seed_epoch(self, epoch: int) -> None:
        """Begin anew, with what is drawn for an epoch."""
        self._epoch, self._passes = epoch, 0
        self._order = self._streams.generator("trusted order", epoch)
        self._draws = self._streams.generator("trusted augmentation", epoch)
        self._walks: dict[int, Iterator[tuple[Tensor, tuple[Tensor, ...]]]] = {}

    def batch(self, size: int) -> TrustedBatch:
        """The next batch of the endless walk in batches of `size`. Raises NotCapturable in a captured step."""
        self._check_seal("draws trusted samples")
        if size not in self._walks:
            self._walks[size] = self._endless(size)
        index, views = next(self._walks[size])
        return TrustedBatch(views, self.labels[index], index)

    def close(self) -> None:
        """End the processes that read for it."""
        self._walks.clear()
        self._loader.close()

    def _endless(self, size: int) -> Iterator[tuple[Tensor, tuple[Tensor, ...]]]:
        while True:
            yield from self._loader.walk(None, size, self.views, self._order, self._draws)

    @torch.no_grad()
    def evaluate(self, function: Callable[[Tensor], Output], view: str = "plain") -> Output:
        """What `function` gives for all samples, in their order. Raises NotCapturable in a captured step."""
        self._check_seal("scores the trusted samples")
        order = self._streams.generator("trusted evaluation order", self._epoch)
        draws = self._streams.generator(f"trusted evaluation {self._passes}", self._epoch)
        self._passes += 1
        walk = self._loader.walk(None, self._size, (view,), order, draws)
        return in_rows(function, ((index, views[0]) for index, views in walk), len(self.labels))


def in_rows(function: Callable[[Tensor], Output], batches: Iterator[tuple[Tensor, Tensor]], count: int) -> Output:
    """What a function gives for the images of (index, images), each in its row of tables of `count` rows.

    Raises ValueError where there is no batch.
    """
    tables: list[Tensor] = []
    single = False
    for index, images in batches:
        given = function(images)
        single = isinstance(given, Tensor)
        parts: tuple[Tensor, ...] = (given,) if isinstance(given, Tensor) else given
        tables = tables or [part.new_empty(count, *part.shape[1:]) for part in parts]
        for table, part in zip(tables, parts, strict=True):
            table[index] = part
    if not tables:
        raise ValueError("there is nothing to evaluate")
    return tables[0] if single else tuple(tables)  # type: ignore[return-value]  # it is what `function` gives
