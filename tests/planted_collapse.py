"""Two methods that go wrong in their second epoch, each the text of a plug-in file: one collapses, one diverges."""

from __future__ import annotations

COLLAPSING = '''
import torch
import torch.nn.functional as F
from methods.base import Method


class Collapsing(Method):
    """Cross-entropy whose logits are zero after `sound` epochs: from then on it predicts one class."""

    name = "collapsing"
    title = "Collapsing"
    year = 2024
    reference = "none"
    hyper = {"sound": {"default": 1, "bounds": (0, 1000), "source": "test"}}

    def build(self):
        super().build()
        self.register_buffer("alive", torch.ones(()))

    def loss(self, batch):
        if batch.epoch > self.sound:
            self.alive.zero_()
        logits = self.network(batch.views[0]) * self.alive
        batch.observe(logits)
        return F.cross_entropy(logits, batch.labels)

    def predict(self, images):
        return self.network(images) * self.alive
'''

DIVERGING = '''
import torch.nn.functional as F
from methods.base import Method


class Diverging(Method):
    """Cross-entropy whose loss is no number from the second epoch on."""

    name = "diverging"
    title = "Diverging"
    year = 2024
    reference = "none"

    def loss(self, batch):
        logits = self.network(batch.views[0])
        batch.observe(logits)
        loss = F.cross_entropy(logits, batch.labels)
        return loss if batch.epoch < 2 else loss * float("nan")
'''
