"""Noisy labels drawn again from a record's specification: whether the record had them."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from common.record import Record
from datasets import noise, registry
from datasets.base import DataError, DataSet


def redrawer(root: Path | None = None) -> Callable[[Record], str | None]:
    """Says of a record whether its noisy labels are those that its specification draws: None where they are, or where
    it cannot be known (another version, another kind of noise, data that are not at hand). Each set is drawn once.
    """
    clean: dict[str, DataSet | None] = {}
    drawn: dict[str, str | None] = {}

    def fingerprint(spec: Mapping[str, Any]) -> str | None:
        name, model = spec["dataset"]["name"], spec["noise"]
        if name not in registry.DATASETS or registry.info(name).resize is not None:
            return None  # not known here, or too many images to draw labels for all
        if spec["dataset"].get("version") != registry.info(name).version:
            return None
        if model["model"] not in noise.NOISE_MODELS or not isinstance(model.get("options"), dict):
            return None
        declared = noise.info(model["model"])
        if not declared.is_redrawn or model.get("version") != declared.version:
            return None
        if name not in clean:
            try:
                clean[name] = registry.load(name, root)
            except (DataError, OSError):
                clean[name] = None  # not here: nothing is known
        data = clean[name]
        try:
            if data is None:
                return None
            return noise.make_noise(data, model["model"], model["rate"], model["options"], spec["seed"]).fingerprint
        except DataError:
            return None

    def doubt(record: Record) -> str | None:
        spec = record["spec"]
        key = json.dumps([spec["dataset"], spec["noise"], spec["seed"]], sort_keys=True)
        if key not in drawn:
            drawn[key] = fingerprint(spec)
        known = drawn[key]
        return None if known in (None, record["noise"]["fingerprint"]) else "its noisy labels are not those of its seed"

    return doubt
