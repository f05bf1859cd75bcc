"""Streams of randomness: each is derived from (seed, data set, noise specification, purpose), never from the method."""

from __future__ import annotations

import random

import numpy as np
import torch

from common.specification import Specification, as_json
from datasets.randomness import derive_seed
from results.record import canonical


class Streams:
    """The seeds of one run, by purpose and epoch."""

    def __init__(self, spec: Specification) -> None:
        # what a noise file is called is no part of the noise; the hash of its content is
        options = {key: value for key, value in spec.noise.options.items() if key not in ("file", "key")}
        noise = canonical({**as_json(spec.noise), "options": options})
        self._root = derive_seed(spec.seed, spec.dataset.name, noise)

    def seed(self, purpose: str, number: int = 0) -> int:
        """A 63-bit seed."""
        return derive_seed(self._root, purpose, number) % 2**63

    def generator(self, purpose: str, number: int = 0) -> torch.Generator:
        """A fresh torch generator on the CPU."""
        return torch.Generator().manual_seed(self.seed(purpose, number))

    def seed_global(self, epoch: int) -> None:
        """Seed the generators of Python, NumPy and torch (all devices); dropout draws from the last."""
        random.seed(self.seed("python", epoch))
        np.random.seed(self.seed("numpy", epoch) % 2**32)
        torch.manual_seed(self.seed("torch", epoch))
