"""The noise models by name. Each family is a file here; a plug-in declares its own in the same way."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from common.registry import Registry
from datasets.base import DataError
from datasets.noise_contract import NoiseInfo, NoisePlugin
from datasets.noise_models import given, human, instance, matrix_file, symmetric, targets

__all__ = ["NOISE_MODELS", "NoiseInfo", "info", "title"]

NOISE_MODELS: Registry[NoisePlugin] = Registry(
    "noise model",
    (
        given.CLEAN, symmetric.SYMMETRIC, symmetric.SYMMETRIC_EXCLUDING, *targets.BY_MAP, targets.PAIR_FLIP,
        matrix_file.MATRIX, instance.INSTANCE_DEPENDENT, given.LABELS_FILE, given.OWN, *human.MODELS,
    ),
    DataError,
)  # fmt: skip


def info(model: str) -> NoiseInfo:
    """The declaration of one noise model. Raises DataError with a suggestion where the name is unknown."""
    return NOISE_MODELS[model].info


def title(model: str, rate: float, options: Mapping[str, Any]) -> str:
    """The setting's name in tables, such as "symmetric 50%"; options that are not the default are appended."""
    declared = info(model)
    stem = Path(str(options.get("file", ""))).stem
    if options.get("key"):
        stem = f"{stem}:{options['key']}"
    text = declared.title.format(rate=f"{100.0 * rate:.6g}%", file=stem)
    known = {key: declared.option(key) for key in declared.options}
    others = [
        known[key].shown(key, options[key])
        for key in sorted(known, key=lambda key: not known[key].choices)
        if known[key].in_title and key in options and options[key] != known[key].default
    ]
    return ", ".join([text, *others])
