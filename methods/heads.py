"""Heads that a method puts beside the class head."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Generator, nn

from methods.hyper import MethodError


@dataclass(frozen=True)
class Head:
    """What `Task.network` puts beside the class head, and `Network.apply_head` applies.

    outputs: length of what it gives. hidden: units of a layer before, with ReLU; 0: it is linear. batch_norm: the
        hidden layer has batch normalisation, so that a training pass needs two rows. inputs: length of what it takes;
        0: a feature vector.
    """

    outputs: int
    hidden: int = 0
    batch_norm: bool = False
    inputs: int = 0

    def __post_init__(self) -> None:
        if self.outputs < 1 or min(self.hidden, self.inputs) < 0:
            raise MethodError(f"{self!r}: a head has at least one output, and no layer of less than none")
        if self.batch_norm and not self.hidden:
            raise MethodError(f"{self!r}: batch normalisation is of the hidden layer, and there is none")

    def made(self, feature_size: int) -> nn.Sequential:
        """The head for features of that length, drawn by torch's global generator."""
        inputs = self.inputs or feature_size
        if not self.hidden:
            return nn.Sequential(nn.Linear(inputs, self.outputs))
        between = [nn.BatchNorm1d(self.hidden)] if self.batch_norm else []
        first, last = nn.Linear(inputs, self.hidden), nn.Linear(self.hidden, self.outputs)
        return nn.Sequential(first, *between, nn.ReLU(), last)


def two_layer_head(inputs: int, hidden: int, outputs: int, generator: Generator) -> nn.Sequential:
    """Linear, batch normalisation, ReLU, linear; drawn from a generator of the method's."""
    from methods.base import initialised_linear

    first, last = initialised_linear(inputs, hidden, generator), initialised_linear(hidden, outputs, generator)
    return nn.Sequential(first, nn.BatchNorm1d(hidden), nn.ReLU(), last)
