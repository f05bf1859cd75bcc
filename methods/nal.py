"""NAL: noise attention learning (Lu, Bo, He; NeurIPS 2022), with the settings of its authors' code for CIFAR."""

from __future__ import annotations

from methods.car import ConfidenceAdaptiveRegularization
from methods.hyper import epochs, real
from methods.papers.nal import PUBLISHED


class NoiseAttentionLearning(ConfidenceAdaptiveRegularization):
    """The loss of `methods.car.car_loss` without the auxiliary term; targets move every tenth epoch from `start` on.

    Both delays are in the authors' code but not in the paper (epochs counted from 1). The remarks on clamps in
    `ConfidenceAdaptiveRegularization` hold here too.
    """

    name = "nal"
    title = "NAL"
    family = "label refurbishment"
    year = 2022
    reference = "Lu, Bo, He, Noise Attention Learning: Enhancing Noise Robustness by Gradient Scaling, NeurIPS 2022"
    published = PUBLISHED
    hyper = {
        **ConfidenceAdaptiveRegularization.hyper,
        "penalty": real(10.0, 0, 1000, scale="log", source="MacLLL/NAL, CIFAR (lambda; of .5, 10, 50)"),
        "auxiliary": real(0.0, 0, 10, source="MacLLL/NAL, CIFAR (beta)"),
        "momentum": real(0.9, 0, 1, search=(0.7, 0.99), source="MacLLL/NAL, CIFAR (m; of .7, .9, .99)"),
        "threshold": real(0.0, 0, 1, source="MacLLL/NAL (delta)"),
        "start": {
            **ConfidenceAdaptiveRegularization.hyper["start"],
            "authors": 60,
            "source": "this suite, by noisy validation of CAR; authors: MacLLL/NAL, CIFAR (es; of 20, 60, 100)",
        },
        "update_every": epochs(10, 1, search=None, source="MacLLL/NAL, CIFAR"),
    }
