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
    found = networks.NETWORKS[name]
    return {
        "name": found.name,
        "title": found.title,
        "description": found.description,
        "image shape": list(found.image_shape),
        "smallest image": found.smallest,
        "parameters": found.parameters,
        "million multiplications": found.products,
        "pretrained": found.pretrained,
        "source": found.source,
    }


def dataset_facts(name: str) -> Facts:
    """What is known of a data set without reading it."""
    found = registry.DATASETS[name].info
    known = registry.DATASETS[name].info.asymmetric_map
    return {
        "name": found.name,
        "title": found.title,
        "version": found.version,
        "description": found.description,
        "classes": list(found.class_names) or found.num_classes,
        "images": {"train": found.num_train, "validation": found.num_validation, "test": found.num_test},
        "image shape": list(found.image_shape),
        "mean": list(found.mean),
        "std": list(found.std),
        "taken for": {} if known is None or not found.class_names else {
            found.class_names[true]: found.class_names[given] for true, given in known.items()
        },
        "labels of its own": found.own_labels,
    }  # fmt: skip


def noise_facts(name: str) -> Facts:
    """What a noise model says of itself."""
    found = noise_models.info(name)
    return {
        "name": found.name,
        "title": found.title,
        "version": found.version,
        "convention": found.convention,
        "takes a rate": found.takes_rate,
        "options": found.defaults,
        "needs": sorted(found.needs),
        "data set": found.dataset or "any",
    }


KINDS: dict[str, tuple[Callable[[], list[str]], Callable[[str], Facts]]] = {
    "suite": (suite.names, suite_facts),
    "network": (lambda: list(networks.NETWORKS.names), network_facts),
    "data set": (lambda: list(registry.DATASETS.names), dataset_facts),
    "noise model": (lambda: [model.info.name for model in noise_models.NOISE_MODELS], noise_facts),
}
"""What can be shown -> the names, and what is said of one."""
