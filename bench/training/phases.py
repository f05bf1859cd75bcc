"""What a method gives back of stages and phases, refused with file and line where it cannot be trained on."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from methods.base import Method, Phase, Stage
from methods.hyper import MethodError


def _place(method: Method, hook: str) -> str:
    """File and line of a method's hook."""
    code = getattr(type(method), hook).__code__
    return f"{code.co_filename}, line {code.co_firstlineno}: {type(method).__name__}.{hook}"


def stages_of(method: Method) -> Sequence[Stage]:
    """The method's stages. Raises MethodError naming file and line where it makes one that cannot be."""
    try:
        return method.stages()
    except MethodError as fault:
        raise MethodError(f"{_place(method, 'stages')}: {fault}") from None


def check_phase(method: Method, phase: Phase, samples: int) -> None:
    """Raise MethodError naming file and line unless a walk's rows are of the training set's, and each once."""
    sizes = [phase.batch_size or 1, *(size for _, size in phase.streams.values())]
    faults = [] if min(sizes) > 0 else [f"a batch size of {min(sizes)}"]
    walks = {"rows": phase.rows, **{f"streams[{name!r}]": rows for name, (rows, _) in phase.streams.items()}}
    for name, rows in walks.items():
        if rows is not None and (found := _wrong_rows(rows, samples)):
            faults.append(f"`{name}` {found}")
    if faults:
        raise MethodError(f"{_place(method, 'epoch_start')}: a phase has {faults[0]}")


def _wrong_rows(rows: Tensor, samples: int) -> str:
    """What is wrong with the rows of a walk; empty: nothing."""
    if rows.ndim != 1 or rows.dtype != torch.int64:
        return f"of {rows.dtype} {list(rows.shape)}; they must be [n] int64 (of a mask: mask.nonzero()[:, 0])"
    if not len(rows):
        return ""
    lowest, highest, different = int(rows.min()), int(rows.max()), len(torch.unique(rows))
    if lowest < 0 or highest >= samples:
        return f"with row {lowest if lowest < 0 else highest}; they go from 0 to {samples - 1}"
    return f"with {different} different of {len(rows)}; a row may stand in it once" if different < len(rows) else ""
