"""NAL: noise attention learning (Lu, Bo, He; NeurIPS 2022), with the settings of its authors' code for CIFAR."""

from __future__ import annotations

from methods.car import ConfidenceAdaptiveRegularization


class NoiseAttentionLearning(ConfidenceAdaptiveRegularization):
    """The loss of `methods.car.car_loss` without the auxiliary term; targets move every tenth epoch from `start` on.

    Both delays are in the authors' code but not in the paper (epochs counted from 1). The remarks on clamps in
    `ConfidenceAdaptiveRegularization` hold here too.
    """

    name = "nal"
    title = "NAL"
    year = 2022
    version = 2  # as in CAR
    reference = "Lu, Bo, He, Noise Attention Learning: Enhancing Noise Robustness by Gradient Scaling, NeurIPS 2022"
    hyper = {
        "penalty": {
            "default": 10.0,
            "bounds": (0.0, 1000.0),
            "scale": "log",
            "source": "MacLLL/NAL, CIFAR (lambda; of .5, 10, 50)",
        },
        "auxiliary": {"default": 0.0, "bounds": (0.0, 10.0), "source": "MacLLL/NAL, CIFAR (beta)"},
        "momentum": {
            "default": 0.9,
            "bounds": (0.0, 1.0),
            "search": (0.7, 0.99),  # the range of NAL's grid
            "source": "MacLLL/NAL, CIFAR (m; of .7, .9, .99)",
        },
        "threshold": {"default": 0.0, "bounds": (0.0, 1.0), "source": "MacLLL/NAL (delta)"},
        "start": {
            "default": 0.6,
            "authors": 60,
            "unit": "epochs",
            "bounds": (0, 100000),
            "search": (0.1, 0.8),
            "source": "this suite, by noisy validation of CAR; authors: MacLLL/NAL, CIFAR (es; of 20, 60, 100)",
        },
        "update_every": {
            "default": 10,
            "unit": "epochs",
            "bounds": (1, 100000),
            "search": None,
            "source": "MacLLL/NAL, CIFAR",
        },
        "target_floor": {"default": 1e-4, "bounds": (0.0, 0.1), "search": None, "source": "MacLLL/NAL"},
        "confidence": {
            "default": "learned",
            "choices": ("learned", "one", "optimal"),
            "source": "the method; `one` and `optimal` (h at which the loss is smallest) are for ablations",
        },
        "branch_features": {
            "default": "unit",
            "authors": "plain",
            "choices": ("unit", "plain"),
            "source": "this suite, because features of any length let one step saturate h; authors: plain",
        },
        "branch_gradient": {
            "default": False,
            "authors": True,
            "source": "this suite, because the penalty's gradient keeps the network from learning; authors: on",
        },
        "logit_bound": {
            "default": 10.0,
            "authors": 0.0,
            "bounds": (0.0, 1000.0),
            "search": None,
            "source": "this suite, because where h = 1 is best its logit has no finite optimum; authors: none (0)",
        },
        "correct_targets": {"default": True, "source": "the method; off is for ablations"},
        "authors_behaviour": {"default": False, "source": "this suite, because the authors' branch collapses"},
    }
