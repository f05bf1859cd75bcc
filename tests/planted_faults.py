"""Small methods, each with one planted fault and its cure."""

from __future__ import annotations

from typing import NamedTuple

HEAD = """
import numpy as np
import torch
import torch.nn.functional as F
from methods.base import Method, Phase, initialised_linear
from methods.co_teaching import CoTeaching, forget_rate, kept_count
from methods.elr import EarlyLearningRegularization, elr_targets, elr_terms

class Plain(Method):
    def loss(self, batch):
        logits = self.network(batch.views[0])
        batch.observe(logits)
        return F.cross_entropy(logits, batch.labels)

class Planted({base}):
    name = "{name}"
    title = "Planted"
    year = 2024
    reference = "none"
"""

# Of each body, lines that begin with "+" belong to the fault, those that begin with "-" to the cure, others to both.
TEXT = """
## wrong sign of the loss: Plain: learning
    def loss(self, batch):
-        return super().loss(batch)
+        return -super().loss(batch).clamp_max(20)

## wrong sign of a regulariser: EarlyLearningRegularization: trajectory of elr
    def loss(self, batch):
        logits = self.network(batch.views[0])
        targets = elr_targets(self.targets[batch.index], logits, self.momentum)
        self.targets[batch.index] = targets
-        return sum(elr_terms(logits, batch.labels, targets, self.penalty).values())
+        return sum(elr_terms(logits, batch.labels, targets, -self.penalty).values())

## target not detached: EarlyLearningRegularization: trajectory of elr
    def loss(self, batch):
        logits = self.network(batch.views[0])
        p = logits.softmax(1).clamp(1e-4, 1 - 1e-4)
        share = p / p.sum(1, keepdim=True)
-        share = share.detach()
        targets = self.momentum * self.targets[batch.index] + (1 - self.momentum) * share
        self.targets[batch.index] = targets.detach()
        return F.cross_entropy(logits, batch.labels) + self.penalty * (1 - (p * targets).sum(1)).log().mean()

## gradient cut where it must flow: Plain: gradients
    def build(self):
        super().build()
        self.gate = initialised_linear(self.network.feature_size, 1, self.task.generator)
    def loss(self, batch):
        features = self.network.features(batch.views[0])
        sure = self.gate(features).squeeze(1).sigmoid()
+        sure = sure.detach()
        losses = F.cross_entropy(self.network.classify(features), batch.labels, reduction="none")
        return (sure * losses - sure.clamp_min(1e-6).log()).mean()

## target stored with its graph: Plain: state
    def build(self):
        super().build()
        self.register_buffer("mean", torch.zeros(self.task.num_classes))
    def loss(self, batch):
        logits = self.network(batch.views[0])
-        self.mean = logits.detach().mean(0)
+        self.mean = logits.mean(0)
        return F.cross_entropy(logits, batch.labels)

## target updated after the loss: EarlyLearningRegularization: trajectory of elr
    def loss(self, batch):
        logits = self.network(batch.views[0])
        targets = elr_targets(self.targets[batch.index], logits, self.momentum)
-        used = targets
+        used = self.targets[batch.index]
        self.targets[batch.index] = targets
        return sum(elr_terms(logits, batch.labels, used, self.penalty).values())

## wrong peer in co-teaching: CoTeaching: trajectory of co_teaching
    needs = frozenset({"noise_rate"})
    def loss(self, batch):
        logits = [network(batch.views[0]) for network in self.pair]
        kept = kept_count(len(batch.labels), forget_rate(batch.epoch, self.rate, self.gradual, self.exponent))
        losses = [F.cross_entropy(each, batch.labels, reduction="none") for each in logits]
        picks = [loss.detach().argsort(stable=True)[:max(1, kept)] for loss in losses]
-        return losses[0][picks[1]].mean() + losses[1][picks[0]].mean()
+        return losses[0][picks[0]].mean() + losses[1][picks[1]].mean()

## reads the truth: Plain: truth
    def loss(self, batch):
        losses = F.cross_entropy(self.network(batch.views[0]), batch.labels, reduction="none")
+        import sys
+        frame = sys._getframe()
+        while "run" not in frame.f_locals:
+            frame = frame.f_back
+        losses = losses * ~frame.f_locals["run"].observer.mislabelled[batch.index]
        return losses.mean()

## looks for the truth: Plain: reach
    def loss(self, batch):
+        batch.observe.__closure__
        return super().loss(batch)

## looks behind its task: Plain: reach
    def build(self):
        super().build()
+        self.task._loader
    def loss(self, batch):
        return super().loss(batch)

## imports the harness: Plain: reach
+    import bench.training.data
    passes_per_step = 1.0

## reads an undeclared fact: Plain: loss
    def loss(self, batch):
        weight = 0.5
+        weight = 1 - self.task.known("noise_rate")
        return weight * super().loss(batch)

## buffer not registered: Plain: state
    def build(self):
        super().build()
        seen = torch.zeros(self.task.num_samples)
-        self.register_buffer("seen", seen)
+        self.seen = seen
    def loss(self, batch):
        self.seen[batch.index] += 1
        return super().loss(batch)

## history kept in a list of arrays: Plain: state
    def build(self):
        super().build()
        self.past = []
    def loss(self, batch):
+        self.past = [*self.past[-3:], np.zeros(self.task.num_samples)]
        return super().loss(batch)

## state lost on load: Plain: resume
    def build(self):
        super().build()
-        self.register_buffer("steps", torch.zeros(()))
+        self.steps = 0
    def loss(self, batch):
        self.steps += 1
        return super().loss(batch) / (1 + 0.1 * float(self.steps))

## torch's global generator: Plain: global_generators
    def loss(self, batch):
        images = batch.views[0]
-        noise = torch.randn(images.shape, generator=self.task.generator)
+        noise = torch.randn(images.shape)
        return F.cross_entropy(self.network(images + 0.1 * noise), batch.labels)

## NumPy's global generator: Plain: global_generators
    def loss(self, batch):
-        share = self.task.rng.beta(1, 1)
+        share = np.random.beta(1, 1)
        return (1 + share) * super().loss(batch)

## Python's global generator, drawn in vain: Plain: global_generators
    def loss(self, batch):
+        import random
+        random.random()
        return super().loss(batch)

## a generator without a seed: Plain: same_seed
    def loss(self, batch):
-        share = self.task.rng.random()
+        share = np.random.default_rng().random()
        return (1 + share) * super().loss(batch)

## predictions of something else: Plain: other_seed
    def predict(self, images):
-        return self.network(images)
+        return images.mean((2, 3)) @ torch.ones(3, self.task.num_classes)

## NaN at large logits: Plain: large_logits
    def loss(self, batch):
        logits = self.network(batch.views[0])
-        log_p = logits.log_softmax(1)
+        log_p = logits.softmax(1).log()
        return F.nll_loss(log_p, batch.labels)

## wrong shape of predictions: Plain: predictions
    def predict(self, images):
-        return self.network(images)
+        return self.network(images)[:, None]

## predictions that depend on the batch: Plain: predictions
    def predict(self, images):
+        images = images - images.mean(0)
        return self.network(images)

## probabilities instead of logits: Plain: predictions
    def predict(self, images):
-        return self.network(images)
+        return self.network(images).softmax(1)

## probabilities of each member: Plain: predictions
    def predict(self, images):
-        return torch.stack([self.network(images).log_softmax(1)] * 2)
+        return torch.stack([self.network(images).softmax(1)] * 2)

## probabilities are observed: Plain: observed
    def loss(self, batch):
        logits = self.network(batch.views[0])
-        batch.observe(logits)
+        batch.observe(logits.softmax(1))
        return F.cross_entropy(logits, batch.labels)

## nothing is observed: Plain: observed
    def loss(self, batch):
        logits = self.network(batch.views[0])
-        batch.observe(logits)
        return F.cross_entropy(logits, batch.labels)

## two networks declared, one there: Plain: networks
-    networks = 1
+    networks = 2

## one network declared, two there: Plain: networks
-    networks = 2
+    networks = 1
    passes_per_step = 2.0
    def build(self):
        super().build()
        self.other = self.task.network(1)
    def loss(self, batch):
        return super().loss(batch) + F.cross_entropy(self.other(batch.views[0]), batch.labels)

## the second network never learns: Plain: networks
    networks = 2
    def build(self):
        super().build()
        self.other = self.task.network(1)
    def loss(self, batch):
        logits = self.other(batch.views[0])
+        logits = logits.detach()
        return super().loss(batch) + F.cross_entropy(logits, batch.labels)

## wrong shape of scores: Plain: scores
    def build(self):
        super().build()
        self.register_buffer("score", torch.zeros(self.task.num_samples))
    def clean_scores(self):
-        return self.score
+        return self.score[:, None]

## scores that are not finite: Plain: scores
    def build(self):
        super().build()
        self.register_buffer("score", torch.zeros(self.task.num_samples))
    def clean_scores(self):
-        return self.score
+        return self.score.log()

## scores that are upside down: Plain: score_direction
    def build(self):
        super().build()
        self.register_buffer("score", torch.zeros(self.task.num_samples))
    def loss(self, batch):
        losses = F.cross_entropy(self.network(batch.views[0]), batch.labels, reduction="none")
        if batch.epoch == 5:
            self.score[batch.index] = losses.detach()
        return losses.mean()
    def clean_scores(self):
-        return -self.score
+        return self.score

## passes that are not declared: Plain: cost
    def loss(self, batch):
+        with torch.no_grad():
+            self.network(batch.views[0])
        return super().loss(batch)

## values of another shape are observed: Plain: loss
    def loss(self, batch):
        logits = self.network(batch.views[0])
-        batch.observe(logits, sure=logits.softmax(1).amax(1))
+        batch.observe(logits, sure=logits.softmax(1))
        return F.cross_entropy(logits, batch.labels)

## logits of other samples are observed: Plain: loss
    def loss(self, batch):
        logits = self.network(batch.views[0])
-        batch.observe(logits)
+        batch.observe(logits[1:])
        return F.cross_entropy(logits, batch.labels)

## a row twice in a walk: Plain: loss
    def epoch_start(self, epoch):
        rows = torch.arange(self.task.num_samples)
+        rows[0] = 1
        return [Phase(rows)]

## non-scalar loss: Plain: loss
    def loss(self, batch):
        losses = F.cross_entropy(self.network(batch.views[0]), batch.labels, reduction="none")
-        return losses.mean()
+        return losses

## loss of shape [1]: Plain: loss
    def loss(self, batch):
-        return super().loss(batch)
+        return super().loss(batch)[None]

## ignores a hyper-parameter: Plain: hyper_effect
    hyper = {
        "power": {"default": 1.0, "bounds": (0.0, 10.0), "source": "test"},
        "used": {"default": True, "source": "test"},
    }
    def loss(self, batch):
        power = 1.0
-        power = self.power
        return super().loss(batch) ** power if self.used else super().loss(batch)

## no bounds: Plain: bounds
-    hyper = {"factor": {"default": 1.0, "bounds": (0.0, 10.0), "source": "test"}}
+    hyper = {"factor": {"default": 1.0, "source": "test"}}
    def loss(self, batch):
        return self.factor * super().loss(batch)

## bounds that are too wide: Plain: bounds
-    hyper = {"factor": {"default": 1.0, "bounds": (0.1, 10.0), "source": "test"}}
+    hyper = {"factor": {"default": 1.0, "bounds": (0.0, 10.0), "source": "test"}}
    def loss(self, batch):
        return super().loss(batch) / torch.tensor(self.factor)

## bounds that do not hold: Plain: bounds
    hyper = {"factor": {"default": 1.0, "bounds": (0.1, 10.0), "source": "test"}}
    def __init__(self, task, **hyper):
+        hyper = {name: max(value, 0.1) if type(value) is float else value for name, value in hyper.items()}
        super().__init__(task, **hyper)
    def loss(self, batch):
        return self.factor * super().loss(batch)

## a hyper-parameter is overwritten: Plain: bounds
    hyper = {"factor": {"default": 1.0, "bounds": (0.1, 10.0), "source": "test"}}
    def build(self):
        super().build()
-        self.__dict__["weight"] = self.factor / 2
+        self.__dict__["factor"] = self.factor / 2
    def loss(self, batch):
        return self.factor * super().loss(batch)

## labels changed in place: Plain: inputs
    def loss(self, batch):
        logits = self.network(batch.views[0])
+        self.task.labels[batch.index[:1]] = logits.argmax(1)[:1]
        return F.cross_entropy(logits, batch.labels)

## as many classes as it was written for: Plain: classes
    def loss(self, batch):
-        classes = self.task.num_classes
+        classes = 4
        return (F.one_hot(batch.labels, classes) * -self.network(batch.views[0]).log_softmax(1)).sum(1).mean()

## pairs of samples: Plain: batches
    def loss(self, batch):
        logits = self.network(batch.views[0])
+        first, second = logits.softmax(1).chunk(2)
+        logits = logits + (first - second).square().mean()
        return F.cross_entropy(logits, batch.labels)

## a table in the precision of the network: Plain: precision
    def build(self):
        super().build()
        self.register_buffer("answers", torch.zeros(self.task.num_samples, self.task.num_classes))
    def loss(self, batch):
        features = self.network.features(batch.views[0])
        with torch.autocast("cpu", torch.bfloat16, enabled=self.network._bfloat16):
            logits = self.network.blocks[-1](features)
-        logits = logits.float()
        self.answers[batch.index] = logits.detach()
        return F.cross_entropy(logits, batch.labels)
"""


class Fault(NamedTuple):
    """A planted fault: the class it is planted in, the check that must fail, and the rest of the class body."""

    base: str
    check: str
    body: str


def _read() -> dict[str, Fault]:
    found = {}
    for part in TEXT.split("\n## ")[1:]:
        title, _, body = part.partition("\n")
        name, base, check = title.split(": ")
        found[name] = Fault(base, check, body)
    return found


FAULTS = _read()


def source(fault: Fault, name: str, mark: str) -> str:
    """The file of a method called `name`: with the fault ("+") or with its cure ("-")."""
    lines = [line[1:] if line[:1] == mark else line for line in fault.body.splitlines()]
    return HEAD.format(base=fault.base, name=name) + "\n".join(line for line in lines if line[:1] in ("", " ")) + "\n"
