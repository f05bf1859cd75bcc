"""Replaying training steps as captured graphs, so that the host does not set the pace; and proving that they are right.

A phase of an epoch goes so. Its first step is Python's. Then a step is recorded that takes its samples, draws and
learning rates from tables on the device, at the place that a counter there says. The first graph of every kind is
proved: two steps are done both ways from the same state. After that the graph is replayed for all full batches. It is
recorded anew wherever Python might decide otherwise than before. Whatever cannot be captured, or goes wrong, is done by
Python as if nothing had been tried.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import torch

from bench.machine import accelerator
from bench.training.capture_guard import Before, Watch, apart, fingerprint, sealed
from bench.training.capture_steps import count, device_step, draws_of, go_on, python_step
from bench.training.capture_tables import EpochTables, Seen, give
from bench.training.own_steps import OBSTACLE as OWN_STEPS
from bench.training.own_steps import takes_own_steps
from bench.training.recorders import GraphRecorder, Recorder, Replay, TraceRecorder
from bench.training.step import LongWalk, PhaseWalk, count_step
from bench.training.task import NotCapturable
from datasets.loader import MemoryWalk

PROOF_STEPS = 2
LEAST_STEPS = 2 + PROOF_STEPS  # full batches of a phase below which there is nothing to gain
TOLERANCE = 0.02  # of the distance that a tensor moved in the two steps

Kind = tuple[str, int, int, int]  # name and number of the phase, batch size, stage


@dataclass
class Graph:
    """A recorded step: what replays it, what it reads, and when it still stands for the Python that was recorded."""

    replay: Replay
    tables: EpochTables
    passes: Mapping[str, int]  # images through networks in one step
    fingerprint: tuple[Any, ...]
    epoch: int | None  # the one that it holds for; None: any
    signature: int
    broken: int  # of the recorder, when it was made


@dataclass
class Capture:
    """Captured steps of one run. tell: called with a line where a graph had to be given up that should have been right.

    replayed: steps done by graphs, of `steps` in all; reason: why the others of full batches were not; difference: the
    largest found in a proof, as a share of the distance moved.
    """

    recorder: Recorder
    tell: Callable[[str], None]
    replayed: int = 0
    steps: int = 0
    reason: str = ""
    difference: float = 0.0
    _graphs: dict[Kind, Graph] = field(default_factory=dict)
    _proved: set[tuple[Kind, int]] = field(default_factory=set)
    _refuted: dict[Kind, str] = field(default_factory=dict)

    def train(self, walk: PhaseWalk) -> int:
        """Do the full batches at the start of a phase, as far as they can be captured; returns how many were done."""
        run, steps = walk.run, _full_batches(walk)
        kind = (walk.phase.name, walk.phase.number, walk.size, run.position.stage)
        self.steps += len(walk.walk)
        self._graphs = {other: graph for other, graph in self._graphs.items() if other[-1] == kind[-1]}
        obstacle = _obstacle(walk, steps) or self._refuted.get(kind)
        if obstacle:
            self.reason = obstacle
            return 0
        assert run.optimizers is not None
        run.optimizers.set_rates(walk.progress(0))  # Adam's betas are the host's, and part of the fingerprint
        graph = self._graphs.pop(kind, None)
        if graph is None or graph.broken != self.recorder.broken or not _still_holds(graph, walk, steps):
            del graph  # its memory is needed for the next one
            return self._begin(walk, steps, kind)
        self._graphs[kind] = graph
        graph.tables.take(walk)
        graph.tables.take_draws(0, draws_of(run, walk.size, steps))
        self._replay(walk, graph, 0)
        give(run, graph.tables, 0, steps)
        return steps

    def _begin(self, walk: PhaseWalk, steps: int, kind: Kind) -> int:
        """A step by Python, then a new graph for the others; returns how many steps were done."""
        run, mark = walk.run, walk.run.observer.mark()
        drawn = run.method.step_draws(walk.size)
        python_step(walk, 0, {name: value.to(run.labels.device) for name, value in drawn.items()})
        count(walk, 0)
        if not any(kind == proved for proved, _ in self._proved):
            accelerator.release_memory()  # what Python's steps left unused is wanted by the first graph
        before = Before(run, device=self.recorder.executes)
        try:
            tables = EpochTables(walk, steps, run.observer.seen_since(mark), drawn)
            tables.take(walk)
            tables.take_draws(1, [run.method.step_draws(walk.size)])
            graph = self._record(walk, tables, before)
            tables.take_draws(2, draws_of(run, walk.size, steps - 2))
        except NotCapturable as reason:
            before.restore()
            self.reason = str(reason)
            return 1
        except Exception as error:  # CUDA's, or the method's own: then Python's step raises it again
            before.restore()
            self._give_up(kind, f"it failed: {str(error).partition(chr(10))[0]}")
            return 1
        done = 1
        if self.recorder.executes:
            self._count(walk, graph, 1)
            done = 2
        if (kind, graph.signature) not in self._proved:
            fault = self._prove(walk, graph, done)
            if fault:
                self._give_up(kind, fault)
                give(run, tables, 1, done)
                return go_on(walk, tables, done)
            self._proved.add((kind, graph.signature))
            done += PROOF_STEPS
        self._graphs[kind] = graph
        self._replay(walk, graph, done)
        give(run, tables, 1, steps)
        return steps

    def _record(self, walk: PhaseWalk, tables: EpochTables, before: Before) -> Graph:
        """Record the second step of the phase. Raises NotCapturable, or what the step raises."""
        run, noted, prints = walk.run, set[str](), fingerprint(walk.run)
        watch = Watch(accelerator.is_cuda(run.labels.device))
        tables.step.fill_(1)

        def step() -> None:
            with watch:
                device_step(walk, tables, noted)

        with sealed(run):
            replay = self.recorder.record(step)
        passes = before.take_back_passes()
        before.check_generators()
        if fingerprint(run) != prints:
            raise NotCapturable("changes what the method keeps beside its tensors, or replaces a tensor, in the step")
        epoch = run.position.epoch if noted else None
        return Graph(replay, tables, passes, prints, epoch, watch.signature, self.recorder.broken)

    def _prove(self, walk: PhaseWalk, graph: Graph, first: int) -> str:
        """Do two steps both ways; they stay done by the graph.

        Where they differ nothing is done, and what is returned says how far apart they are.
        """
        run, last = walk.run, first + PROOF_STEPS
        before, mark = Before(run, device=True), run.observer.mark()
        for number in range(first, last):
            python_step(walk, number, graph.tables.drawn(number))
        expected = [tensor.detach().clone() for tensor, _ in before.tensors]
        seen = run.observer.seen_since(mark)
        before.restore()
        graph.tables.step.fill_(first)
        for _ in range(PROOF_STEPS):
            graph.replay()
        gaps = [apart(tensor, python, start) for (tensor, start), python in zip(before.tensors, expected, strict=True)]
        gaps += _observed_apart(graph.tables.observed.rows(first, last), seen)
        self.difference = max(self.difference, *gaps)
        if not max(gaps) <= TOLERANCE:
            before.restore()
            return f"two steps of it differ from Python's by {max(gaps):.2g} of the way they went"
        for number in range(first, last):
            self._count(walk, graph, number)
        return ""

    def _replay(self, walk: PhaseWalk, graph: Graph, first: int) -> None:
        """All steps from `first` on."""
        graph.tables.step.fill_(first)
        for number in range(first, graph.tables.steps):
            graph.replay()
            self._count(walk, graph, number)

    def _count(self, walk: PhaseWalk, graph: Graph, number: int) -> None:
        """What a replayed step does on the host."""
        walk.run.task.counter.add_counts(graph.passes)
        self.replayed += 1
        count_step(walk.run, walk.size, walk.progress(number), graph.tables.first_rates[number])

    def _give_up(self, kind: Kind, why: str) -> None:
        self.reason = self._refuted[kind] = f"the graph was given up: {why}"
        self.tell(f"a captured step was given up, and Python goes on: {why}")


def _full_batches(walk: PhaseWalk) -> int:
    """How many batches at the start of the walk have the phase's batch size."""
    bounds = walk.walk.bounds if isinstance(walk.walk, MemoryWalk) else []
    return sum(1 for _ in itertools.takewhile(lambda bound: bound[1] - bound[0] == walk.size, bounds))


def _obstacle(walk: PhaseWalk, steps: int) -> str:
    """Why no step of the phase can be captured; empty where that must be tried."""
    assert walk.run.optimizers is not None
    if isinstance(walk.walk, LongWalk):
        return "a phase walks over its rows more than once"
    if not isinstance(walk.walk, MemoryWalk):
        return "images are read from files"
    if walk.streams:
        return "the phase has further streams"
    if walk.run.spec.compile:
        return "networks are compiled, which captures them alone"
    if takes_own_steps(walk.run.method):
        return OWN_STEPS
    if walk.run.optimizers.obstacle:
        return walk.run.optimizers.obstacle
    return f"a phase has fewer than {LEAST_STEPS} full batches" if steps < LEAST_STEPS else ""


def _still_holds(graph: Graph, walk: PhaseWalk, steps: int) -> bool:
    """Whether Python would do the same as when the graph was recorded."""
    run = walk.run
    return (
        graph.epoch in (None, run.position.epoch)
        and graph.tables.fits(walk, steps)
        and graph.fingerprint == fingerprint(run)
    )


def _observed_apart(actual: Seen, expected: Seen) -> list[float]:
    """The same of what was observed; `expected` has a part for each step and call, `actual` one for each call."""
    pairs = [(actual[0], expected[0])] + [(parts, expected[1].get(name, [])) for name, parts in actual[1].items()]
    return [
        apart(part.float(), python, torch.zeros_like(python))
        for ours, theirs in pairs
        for number, part in enumerate(ours)
        for python in [torch.cat(theirs[number :: len(ours)]).float()]
    ] or [0.0]


def make(choice: str, device: torch.device, tell: Callable[[str], None]) -> Capture | None:
    """What `--capture` stands for on a device: "auto", "off", or "trace" (of tests and `check`, on a CPU)."""
    if choice == "trace":
        return Capture(TraceRecorder(), tell)
    return Capture(GraphRecorder(device), tell) if choice == "auto" and accelerator.is_cuda(device) else None
