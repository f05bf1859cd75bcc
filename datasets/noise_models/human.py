"""The labels that people gave to CIFAR; where they come from is in `datasets.cifar_n`."""

from __future__ import annotations

from datasets import cifar_n
from datasets.base import DataSet, IntArray
from datasets.noise_contract import NoiseInfo, NoisePlugin, Options, Uniforms


def _model(name: str, published: cifar_n.Published) -> NoisePlugin:
    def draw(dataset: DataSet, rate: float, options: Options, uniforms: Uniforms) -> IntArray:
        return cifar_n.labels(dataset, name)

    convention = f"the labels that people gave to {published.dataset} (Wei et al. 2022), from the authors' file"
    return NoisePlugin(
        NoiseInfo(name, published.title, convention, takes_rate=False, dataset=published.dataset), draw=draw
    )


MODELS = tuple(_model(name, published) for name, published in cifar_n.LABELS.items())
