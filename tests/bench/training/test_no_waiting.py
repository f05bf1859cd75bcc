"""No training step asks for a value that is still being computed: on an accelerator it would wait for the device.

Such questions show on a CPU too, as operations whose result or shape depends on the content of a tensor.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from small_runs import specification, started
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode

from bench.training import trainer
from datasets.loader import MemoryLoader
from datasets.views import VIEW_POLICIES
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
# they ask a batch how many of its samples they mix: with others beside them the network would see another one
WAITING = {"disc": {"nonzero"}, "promix": {"nonzero"}}
IN_SHORT = {"unicon": "{ warm_up = 2 }", "promix": "{ warm_up = 2, guessing = 2 }"}  # so that six epochs show all
AS_RELEASED = {
    "divide_mix": "{ warm_up = 2, warm_up_batch = 50, guessed_as_partners = true, own_samples = true }",
    "elr_plus": "{ own_labels = true, held_out = 0.1, average_steps = 12, predict_average = true }",
    "pes_semi": "{ one_schedule = true, steps = 'all', authors_behaviour = true, warm_up = 2, refine_classifier = 1 }",
    "cores_star": "{ sieve = 3, consistency_batch = 20, rest_batch = 10, authors_behaviour = true }",
}


@pytest.mark.parametrize(
    ("method", "hyper"), [*((name, IN_SHORT.get(name, "{}")) for name in METHODS), *AS_RELEASED.items()]
)
def test_a_step_waits_for_nothing(method: str, hyper: str, monkeypatch: pytest.MonkeyPatch) -> None:
    step: Callable[..., None] = trainer._step
    questions = Questions()

    def watched(*arguments: Any) -> None:
        with questions:
            step(*arguments)

    monkeypatch.setattr(trainer, "_step", watched)
    monkeypatch.setattr(torch.nn.functional, "one_hot", one_hot)
    run, _ = started(specification(method, "training.epochs=6", f"methods.{method}.hyper={hyper}"))
    for _ in range(6):
        trainer.train_epoch(run)
    assert run.position.step
    assert questions.found == WAITING.get(method, set())


@pytest.mark.parametrize("policy", VIEW_POLICIES.names)
def test_a_view_waits_for_nothing(policy: str) -> None:
    settings = {
        "crop_padding": 4, "padding_mode": "reflect", "flip": True, "cutout": 2, "colour_jitter": 0.1,
        "strong_cutout": 4, "strong_colour_jitter": 0.4,
    }  # fmt: skip
    pixels = np.random.default_rng(0).integers(0, 256, (64, 32, 32, 3)).astype(np.uint8)
    loader = MemoryLoader(pixels, (0.5,) * 3, (0.2,) * 3, settings, torch.device("cpu"))
    walk = loader.walk(None, 32, (policy,), torch.Generator(), torch.Generator())
    questions = Questions()
    with questions:
        assert [view.shape[0] for _, (view,) in walk] == [32, 32]
    assert questions.found == set()
