"""What a method gives back of stages and phases, refused with file and line where it cannot be trained on."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from numbers import Integral

import torch
from torch import Tensor

from methods.base import Method, Phase, Stage
from methods.hyper import MethodError


def place(method: Method, hook: str) -> str:
    """File and line of a method's hook."""
    code = getattr(type(method), hook).__code__
    return f"{code.co_filename}, line {code.co_firstlineno}: {type(method).__name__}.{hook}"


Bounds = tuple[Stage, int, int]
"""A stage with the epochs done before it and after it."""


def bounds_of(method: Method, epochs: int) -> list[Bounds]:
    """The method's stages, which fill the run. Raises MethodError naming file and line where they cannot, or do not."""
    try:
        return _bounds(method.stages(), epochs)
    except MethodError as fault:
        raise MethodError(f"{place(method, 'stages')}: {fault}") from None


def _bounds(stages: object, epochs: int) -> list[Bounds]:
    if not isinstance(stages, list | tuple):
        raise MethodError(f"gives {_kind(stages)}, not a list of Stage")
    bounds, done = list[Bounds](), 0
    for stage in stages:
        if not isinstance(stage, Stage):
            raise MethodError(f"gives {_kind(stage)} among its stages")
        if stage.epochs is None and any(each.epochs is None for each, _, _ in bounds):
            raise MethodError("two stages have no number of epochs: the first of them takes the rest of the run")
        length = epochs - done if stage.epochs is None else stage.epochs
        if done + length > epochs:
            raise MethodError(f"the method's stages need more than the {epochs} epochs of this run")
        bounds.append((stage, done, done + length))
        done += length
    if done != epochs:
        raise MethodError(f"the method's stages cover {done} of the run's {epochs} epochs")
    return bounds


def phases_of(method: Method, given: object) -> list[Phase]:
    """What `epoch_start` gave, as phases. Raises MethodError naming file and line where it is something else.

    None at all, or none with rows, is an epoch that trains nothing, as where no sample is confident.
    """
    here = place(method, "epoch_start")
    if not isinstance(given, list | tuple):
        raise MethodError(f"{here}: gives {_kind(given)}, not a list of Phase")
    for one in given:
        if not isinstance(one, Phase):
            raise MethodError(f"{here}: gives {_kind(one)} among its phases")
        if fault := _malformed(one.rows, one.streams):
            raise MethodError(f"{here}: a phase has {fault}")
    return list(given)


def _kind(value: object) -> str:
    return "nothing" if value is None else f"a {type(value).__name__}"


def _malformed(rows: object, streams: object) -> str:
    """What is wrong with the kinds of a phase's parts; empty: nothing."""
    if not isinstance(rows, Tensor | None):
        return f"`rows` that are a {type(rows).__name__}; they must be a tensor [n] int64, or None for all"
    if not isinstance(streams, Mapping):
        return f"`streams` that are a {type(streams).__name__}; they must be a dictionary of (rows, batch size)"
    for name, stream in streams.items():
        pair = tuple(stream) if isinstance(stream, tuple | list) else ()
        if len(pair) != 2 or not isinstance(pair[0], Tensor) or not isinstance(pair[1], Integral):
            return f"`streams[{name!r}]` that is no pair of a tensor of rows and a batch size"
    return ""


def check_begins(method: Method, phases: Sequence[Phase]) -> None:
    """Raise MethodError naming file and line where no phase of a first epoch has rows: nothing would be trained."""
    if all(phase.rows is not None and not len(phase.rows) for phase in phases):
        where = place(method, "epoch_start")
        raise MethodError(f"{where}: no phase of the first epoch has rows, so that nothing would be trained")


def check_phase(method: Method, phase: Phase, samples: int) -> None:
    """Raise MethodError naming file and line unless rows are of the training set, and those of a walk each once."""
    sizes = [phase.batch_size, *(size for _, size in phase.streams.values())]
    faults = [f"a batch size of {size}" for size in sizes if not _is_count(size)]
    faults += [] if _is_count(phase.batches) else [f"a number of batches of {phase.batches}"]
    walks = {"rows": phase.rows, **{f"streams[{name!r}]": rows for name, (rows, _) in phase.streams.items()}}
    for name, rows in walks.items():
        if rows is not None and (fault := _wrong_rows(rows, samples, name == "rows")):
            faults.append(f"`{name}` {fault}")
    if faults:
        raise MethodError(f"{place(method, 'epoch_start')}: a phase has {faults[0]}")


def _is_count(given: object) -> bool:
    """Whether a number is a whole one over 0; None, which leaves it to the suite, is well."""
    return given is None or (isinstance(given, Integral) and int(given) > 0)


def _wrong_rows(rows: Tensor, samples: int, once: bool) -> str:
    """What is wrong with the rows of a walk; empty: nothing. once: none may stand in it twice."""
    if rows.ndim != 1 or rows.dtype != torch.int64:
        return f"of {rows.dtype} {list(rows.shape)}; they must be [n] int64 (of a mask: mask.nonzero()[:, 0])"
    if not len(rows):
        return ""
    lowest, highest = torch.stack(torch.aminmax(rows)).tolist()  # one question to the device
    if lowest < 0 or highest >= samples:
        return f"with row {lowest if lowest < 0 else highest}; they go from 0 to {samples - 1}"
    different = len(torch.unique(rows)) if once else len(rows)
    return f"with {different} different of {len(rows)}; a row may stand in it once" if different < len(rows) else ""
