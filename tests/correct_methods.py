"""Methods without a fault that `check` once found fault with: heads of two layers, and more samples than 61."""

HEAD = """
import torch
import torch.nn.functional as F
from torch import nn
from methods.base import Method, initialised_linear
from methods.hyper import integer
from methods.heads import two_layer_head


class Correct(Method):
    name = "{name}"
    title = "Correct"
    year = 2026
    reference = "none"
"""

LEARNS = """
    def loss(self, batch):
        features = self.network.features(batch.views[0])
        logits = self.network.classify(features)
        batch.observe(logits)
        places = F.normalize(self.head(features), dim=1)
        alike = (batch.labels[:, None] == batch.labels).float()
        return F.cross_entropy(logits, batch.labels) + 0.1 * (places @ places.T - alike).square().mean()
"""

CLASSIFIES = """
    def loss(self, batch):
        logits = self.predict(batch.views[0])
        batch.observe(logits)
        return F.cross_entropy(logits, batch.labels)

    def predict(self, images):
        return self.head(self.network.features(images))
"""

CORRECT = {
    "a projection of torch's layers": """
    def build(self):
        super().build()
        size = self.network.feature_size
        self.head = nn.Sequential(nn.Linear(size, 32), nn.ReLU(), nn.Linear(32, 16))
""" + LEARNS,
    "a projection with batch normalisation": """
    def build(self):
        super().build()
        self.head = two_layer_head(self.network.feature_size, 32, 16, self.task.generator)
""" + LEARNS,
    "a classifier of two layers": """
    def build(self):
        super().build()
        size, generator = self.network.feature_size, self.task.generator
        first, last = initialised_linear(size, 32, generator), initialised_linear(32, self.task.num_classes, generator)
        self.head = nn.Sequential(first, nn.ReLU(), last)
""" + CLASSIFIES,
    "a hundred neighbours": """
    passes_per_step = 2.0
    hyper = {"neighbours": integer(100, 60, 100, source="test")}

    def build(self):
        super().build()
        self.register_buffer("share", torch.ones(self.task.num_samples))

    def epoch_start(self, epoch):
        features = F.normalize(self.task.evaluate(self.network.features, network=self.network), dim=1)
        near = (features @ features.T).topk(self.neighbours, 1).indices
        self.share = (self.task.labels[near] == self.task.labels[:, None]).float().mean(1)
        return super().epoch_start(epoch)

    def loss(self, batch):
        logits = self.network(batch.views[0])
        batch.observe(logits)
        return (self.share[batch.index] * F.cross_entropy(logits, batch.labels, reduction="none")).mean()
""",
    "64 further samples each step, a share of many": """
    passes_per_step = 2.0

    def epoch_start(self, epoch):
        from methods.base import Phase

        return [Phase(streams={"more": (torch.arange(self.task.num_samples), 64)})]

    def loss(self, batch):
        logits = self.network(batch.views[0])
        batch.observe(logits)
        more = batch.streams["more"]
        return F.cross_entropy(logits, batch.labels) + F.cross_entropy(self.network(more.views[0]), more.labels)
""",
}  # fmt: skip


def source(name: str, case: str) -> str:
    """The file of a method called `name`."""
    return HEAD.format(name=name) + CORRECT[case]
