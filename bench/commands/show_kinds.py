"""What `show` says of suites, networks, data sets and noise models: each a table of facts. Imports no torch."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from bench import networks
from bench.planning import suite
from datasets import noise_models, registry

Facts = dict[str, Any]


def suite_facts(name: str) -> Facts:
    """What a suite's file says that all its rows share, and the rows by name and title."""
    path = suite.locate(name)
    parts = suite.parts(suite.read(path), str(path))
    shared = parts[0]
    training = shared.training.model_dump(exclude_none=True)
    settings = {
        noise_models.title(entry.model, rate or 0.0, entry.options): None
        for part in parts
        for entry in part.noise
        for rate in entry.rates or (entry.rate,)
    }
    return {
        "name": name,
        "title": shared.title,
        "purpose": shared.purpose,
        "description": shared.description,
        "remark": shared.remark,
        "source": shared.source,
        "paper": shared.paper,
        "selection": shared.select,
        "seeds": shared.seeds,
        "datasets": [part.data.name for part in parts],
        "settings": list(settings),
        "training": training,
        "rows": {row: declared.title or declared.method or row for row, declared in shared.methods.items()},
        "file": str(path),
        "more": f"list rows {name}",
    }


def network_facts(name: str) -> Facts:
    """What is declared of a network; parameters and multiplications (millions for one image) for ten classes."""
    info = networks.NETWORKS[name]
    return {
        "name": info.name,
        "title": info.title,
        "description": info.description,
        "image shape": list(info.image_shape),
        "smallest image": info.smallest,
        "parameters": info.parameters,
        "million multiplications": info.products,
        "pretrained": info.pretrained,
        "source": info.source,
    }


def dataset_facts(name: str) -> Facts:
    """What is known of a data set without reading it."""
    info = registry.DATASETS[name].info
    known = info.asymmetric_map
    return {
        "name": info.name,
        "title": info.title,
        "version": info.version,
        "description": info.description,
        "classes": list(info.class_names) or info.num_classes,
        "images": {"train": info.num_train, "validation": info.num_validation, "test": info.num_test},
        "image shape": list(info.image_shape),
        "mean": list(info.mean),
        "std": list(info.std),
        "taken for": {} if known is None or not info.class_names else {
            info.class_names[true]: info.class_names[given] for true, given in known.items()
        },
        "labels of its own": info.own_labels,
    }  # fmt: skip


def noise_facts(name: str) -> Facts:
    """What a noise model says of itself."""
    info = noise_models.info(name)
    return {
        "name": info.name,
        "title": info.title,
        "version": info.version,
        "convention": info.convention,
        "takes a rate": info.takes_rate,
        "options": info.defaults,
        "needs": sorted(info.needs),
        "data set": info.dataset or "any",
    }


KINDS: dict[str, tuple[Callable[[], list[str]], Callable[[str], Facts]]] = {
    "suite": (suite.names, suite_facts),
    "network": (lambda: list(networks.NETWORKS.names), network_facts),
    "data set": (lambda: list(registry.DATASETS.names), dataset_facts),
    "noise model": (lambda: [model.info.name for model in noise_models.NOISE_MODELS], noise_facts),
}
"""What can be shown -> the names, and what is said of one."""
