"""The one door to torchvision, which opens beside a CPU-only torch too.

PyPI's torchvision is compiled against CUDA. Beside a CPU-only torch its compiled operators do not load, and its import
fails with "operator torchvision::nms does not exist", although its Python parts (models, transforms v2) need none of
them. They work once the two schemas that are looked up at import time are declared.
"""

from __future__ import annotations

import importlib
import sys
from typing import Any

_SCHEMA = "(Tensor dets, Tensor scores, float iou_threshold) -> Tensor"
_OPERATORS = ("nms", "qnms")
_declared: list[Any] = []  # a torch.library.Library takes its declarations back when it is collected


def _declare_operators() -> None:
    import torch

    library: Any = torch.library.Library("torchvision", "FRAGMENT")  # type: ignore[no-untyped-call]
    for name in _OPERATORS:
        if not hasattr(torch.ops.torchvision, name):
            library.define(name + _SCHEMA)
    _declared.append(library)


def _forget_partial_import() -> None:
    for name in [name for name in sys.modules if name.split(".")[0] == "torchvision"]:
        del sys.modules[name]


def import_torchvision(module: str = "torchvision") -> Any:
    """The named torchvision module, for example `import_torchvision("torchvision.transforms.v2")`.

    A torchvision whose operators load is imported as it is: declaring them beforehand would clash with its own
    registration, so the schemas are declared only after an import has failed for want of them.

    Raises ImportError where torchvision is not installed, and whatever else its import raises.
    """
    try:
        return importlib.import_module(module)
    except RuntimeError as fault:
        if "operator torchvision::" not in str(fault):
            raise
    _forget_partial_import()
    _declare_operators()
    return importlib.import_module(module)
