"""Scoring a set of images by replaying one captured batch, proved against Python's as training steps are."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor

from bench.machine import accelerator
from bench.training.capture_guard import Watch, apart, module_fingerprint
from bench.training.recorders import Recorder, Replay
from bench.training.task import NotCapturable
from datasets.loader import Loader, MemoryLoader, batch_bounds
from methods.base import Method

LEAST_BATCHES = 4  # full ones, below which there is nothing to gain
TOLERANCE = 1e-3  # of the logits' length


@dataclass
class ScoreGraph:
    """A recorded batch: what replays it, where it puts its logits [M, n, K], and what it stands for."""

    replay: Replay
    logits: Tensor
    step: Tensor
    passes: dict[str, int]
    fingerprint: tuple[Any, ...]
    broken: int  # of the recorder, when it was made
    loader: MemoryLoader


@dataclass
class CapturedScores:
    """The graphs of one run, one for each set of images that is scored after every epoch."""

    recorder: Recorder
    replayed: int = 0
    reason: str = ""
    _graphs: dict[tuple[int, int], ScoreGraph] = field(default_factory=dict)

    def predictions(self, method: Method, loader: Loader, batch_size: int) -> Tensor | None:
        """[M, n, K] logits of all images; None where Python must score them. Evaluation mode is the caller's."""
        if self.reason or not isinstance(loader, MemoryLoader) or loader.num_samples < LEAST_BATCHES * batch_size:
            return None
        # a recorder works on tensors that have versions, which inference mode's have not
        with torch.inference_mode(False), torch.no_grad():
            try:
                return self._scored(method, loader, batch_size)
            except NotCapturable as reason:
                self.reason = str(reason)
            except Exception as fault:
                self.reason = f"it failed: {str(fault).partition(chr(10))[0]}"
        self._graphs.clear()
        return None

    def _scored(self, method: Method, loader: MemoryLoader, batch_size: int) -> Tensor:
        key = id(loader), batch_size
        prints = module_fingerprint(method)
        graph = self._graphs.get(key)
        if graph is None or graph.broken != self.recorder.broken or graph.fingerprint != prints:
            self._graphs.pop(key, None)
            graph = self._graphs[key] = self._record(method, loader, batch_size, prints)
        counter = method.task.counter  # type: ignore[attr-defined]
        full = sum(stop - start == batch_size for start, stop in batch_bounds(loader.num_samples, batch_size))
        graph.step.zero_()
        for _ in range(full):
            graph.replay()
            counter.add_counts(graph.passes)
        self.replayed += full
        if full * batch_size < loader.num_samples:
            rest = _logits(method, loader, slice(full * batch_size, loader.num_samples))
            graph.logits[:, full * batch_size :] = rest
        return graph.logits.clone()

    def _record(self, method: Method, loader: MemoryLoader, batch_size: int, prints: tuple[Any, ...]) -> ScoreGraph:
        """Record a batch and prove it on the first two. Raises NotCapturable, or what the method raises."""
        counter = method.task.counter  # type: ignore[attr-defined]
        counts, device = counter.state_dict(), loader.device
        expected = torch.cat([_logits(method, loader, slice(k * batch_size, (k + 1) * batch_size)) for k in (0, 1)], 1)
        counter.load_state_dict(counts)
        members, classes = len(expected), expected.shape[2]
        logits = torch.zeros(members, loader.num_samples, classes, device=device)
        step = torch.zeros((), dtype=torch.int64, device=device)
        within = torch.arange(batch_size, device=device)
        watch = Watch(accelerator.is_cuda(device))

        def batch() -> None:
            with watch:
                rows = step * batch_size + within
                logits.index_copy_(1, rows, _logits(method, loader, rows))
                step.add_(1)

        replay = self.recorder.record(batch)
        passes = {name: count - counts[name] for name, count in counter.state_dict().items()}
        counter.load_state_dict(counts)
        step.zero_()
        for _ in range(2):
            replay()
        difference = apart(logits[:, : 2 * batch_size], expected, torch.zeros_like(expected))
        if not difference <= TOLERANCE:
            raise NotCapturable(f"two batches of it differ from Python's by {difference:.2g} of their length")
        if module_fingerprint(method) != prints:
            raise NotCapturable("changes what the method keeps in a prediction")
        return ScoreGraph(replay, logits, step, passes, prints, self.recorder.broken, loader)


def _logits(method: Method, loader: MemoryLoader, rows: slice | Tensor) -> Tensor:
    """[M, B, K] float32 logits of the images `rows`, without augmentation."""
    logits = method.predict(loader.normalised(loader.pixels[rows])).float()
    return logits if logits.ndim == 3 else logits[None]
