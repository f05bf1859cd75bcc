"""No training step asks for a value that is still being computed: on an accelerator it would wait for the device.

Such questions show on a CPU too, as operations whose result or shape depends on the content of a tensor.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from small_runs import specification, started
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode

from bench.training import trainer
from methods import registry

_AWAITED = {"_local_scalar_dense", "nonzero", "masked_select", "unique_dim", "_unique2", "unique_consecutive", "equal"}


class Questions(TorchDispatchMode):
    """Collects the names of operations that need the content of a tensor on the host."""

    def __init__(self) -> None:
        super().__init__()
        self.found: set[str] = set()

    def __torch_dispatch__(self, function: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        name = function._schema.name.removeprefix("aten::")
        places = args[1] if name in ("index", "index_put", "index_put_") else ()
        if name in _AWAITED or any(place is not None and place.dtype == torch.bool for place in places):
            self.found.add(name)
        return function(*args, **(kwargs or {}))


def one_hot(labels: Tensor, num_classes: int) -> Tensor:
    """torch's own looks at the range of the labels, but on a CPU alone."""
    return (labels[..., None] == torch.arange(num_classes)).long()


# what backward_correction_estimated estimates of so few samples has no inverse; its steps are backward_correction's
METHODS = [name for name in registry.registered() if name != "backward_correction_estimated"]


@pytest.mark.parametrize("method", METHODS)
def test_a_step_waits_for_nothing(method: str, monkeypatch: pytest.MonkeyPatch) -> None:
    step: Callable[..., None] = trainer._step
    questions = Questions()

    def watched(*arguments: Any) -> None:
        with questions:
            step(*arguments)

    monkeypatch.setattr(trainer, "_step", watched)
    monkeypatch.setattr(torch.nn.functional, "one_hot", one_hot)
    run, _ = started(specification(method, "training.epochs=6"))
    for _ in range(6):
        trainer.train_epoch(run)
    assert run.position.step
    assert questions.found == set()
