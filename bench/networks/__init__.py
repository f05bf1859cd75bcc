"""The table of networks, readable without torch, and how one is built."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from common.errors import UserError
from common.registry import Registry, resolve

if TYPE_CHECKING:
    from bench.networks.network import Network, PassCounter
    from common.specification import Precision


@dataclass(frozen=True)
class NetworkInfo:
    """What is known of a network without building it.

    function: `function(num_classes, image_shape)` makes it, a `bench.networks.network.Network`, or another
        `methods.base.Network`, for images of shape (C, H, W); or "module:name" of it, which is imported when the
        network is built.
    image_shape: (C, H, W) that it is made for.
    smallest: the smallest height and width that it takes. channels: the only number of channels, None: any.
    parameters: trainable parameters at `image_shape` and `parameter_classes` classes, as published by `source`; where
        the network is this suite's own, as counted. products: millions of multiplications of a forward pass of one such
        image, in convolutions and dense layers of the blocks. source: where architecture and count come from. Of a
        plug-in's network they need not be known; `products` then stand for nothing but the order in which runs are
        started.
    pretrained: whether ImageNet weights can be loaded; `function` then takes `pretrained` and `weights`.
    confidence_head: whether it has a head of its own for a sample's confidence (`has_confidence`).
    """

    name: str
    title: str
    description: str
    function: Callable[..., Network] | str
    image_shape: tuple[int, int, int]
    parameters: int | None = None
    products: float | None = None
    source: str = ""
    parameter_classes: int = 10
    smallest: int = 8
    channels: int | None = None
    pretrained: bool = False
    confidence_head: bool = False


_TABLE = (
    NetworkInfo(
        "digits_cnn", "Digits CNN", "3 convolutions (16, 32 stride 2, 64), for 8 x 8 grey images",
        "bench.networks.small:digits_cnn", (1, 8, 8), 33_658, 0.39, "this suite",
    ),
    NetworkInfo(
        "digits_cnn_large", "Digits CNN (large)", "3 convolutions (32, 64 stride 2, 128), for 8 x 8 grey images",
        "bench.networks.small:digits_cnn_large", (1, 8, 8), 113_386, 1.51, "this suite",
    ),
    NetworkInfo(
        "small_cnn", "Small CNN", "4 convolutions (32 stride 2, 64, 96, 192), 768 dense; for work on a CPU",
        "bench.networks.small:small_cnn", (3, 32, 32), 840_298, 11.73, "this suite", smallest=16,
    ),
    NetworkInfo(
        "co_teaching_cnn", "9-layer CNN", "the CNN of co-teaching",
        "bench.networks.literature:co_teaching_cnn", (3, 32, 32), 4_434_570, 745.54,
        "counted by hand from arXiv 1804.06872, table 3; bhanML/Co-teaching", smallest=28,
    ),
    NetworkInfo(
        "jocor_cnn", "6-layer CNN", "the CNN of JoCoR, and of co-teaching+ for CIFAR-100; no dropout",
        "bench.networks.literature:jocor_cnn", (3, 32, 32), 518_150, 112.4,
        "counted by hand from hongxin001/JoCoR, model/cnn.py; xingruiyu/coteaching_plus, model.py",
    ),
    NetworkInfo(
        "cnn_small", "2-layer CNN", "the CNN of co-teaching+ for CIFAR-10",
        "bench.networks.literature:cnn_small", (3, 32, 32), 62_006, 0.65,
        "counted by hand from xingruiyu/coteaching_plus, model.py (CNN_small)", smallest=16,
    ),
    NetworkInfo(
        "apl_cnn", "8-layer CNN", "the CNN of active-passive losses and of SCE",
        "bench.networks.literature:apl_cnn", (3, 32, 32), 1_639_794, 133.52,
        "counted by hand from HanxunH/Active-Passive-Losses",
    ),
    NetworkInfo(
        "resnet18", "ResNet-18", "residual network with a 3 x 3 stem for small images",
        "bench.networks.resnet:resnet18", (3, 32, 32), 11_173_962, 555.42, "kuangliu/pytorch-cifar",
    ),
    NetworkInfo(
        "resnet34", "ResNet-34", "residual network with a 3 x 3 stem for small images",
        "bench.networks.resnet:resnet34", (3, 32, 32), 21_282_122, 1159.4, "kuangliu/pytorch-cifar",
    ),
    NetworkInfo(
        "preact_resnet18", "PreAct-ResNet-18", "pre-activation residual network of mixup, DivideMix, ELR+, SOP and PES",
        "bench.networks.resnet:preact_resnet18", (3, 32, 32), 11_171_274, 555.42,
        "facebookresearch/mixup-cifar10; kuangliu/pytorch-cifar has 11,171,146, without the stem's batch normalisation",
    ),
    NetworkInfo(
        "preact_resnet34", "PreAct-ResNet-34", "preact_resnet18 with groups of 3, 4, 6 and 3 blocks; GJS's code calls "
        "preact_resnet32 so, PLC's resnet34", "bench.networks.resnet:preact_resnet34", (3, 32, 32), 21_279_434, 1159.4,
        "counted by hand: preact_resnet18 with the depths of resnet34",
    ),
    NetworkInfo(
        "preact_resnet32", "PreAct-ResNet-32", "5 blocks each of 32, 64, 128 channels; of PENCIL, Joint Optimization, "
        "GJS", "bench.networks.identity_resnet:preact_resnet32", (3, 32, 32), 1_860_138, 275.61,
        "counted by hand from ErikEnglesson/GJS, models/preact_resnet.py",
    ),
    NetworkInfo(
        "resnet32", "ResNet-32", "5 blocks each of 16, 32, 64 channels, shortcuts without weights; of Meta-Weight-Net",
        "bench.networks.identity_resnet:resnet32", (3, 32, 32), 464_154, 68.86,
        "akamaster/pytorch_resnet_cifar10 (0.46M); xjtushujun/meta-weight-net",
    ),
    NetworkInfo(
        "wide_resnet28_10", "WRN-28-10", "wide residual network without dropout; of Meta-Weight-Net",
        "bench.networks.identity_resnet:wide_resnet28_10", (3, 32, 32), 36_479_194, 5243.33,
        "xternalz/WideResNet-pytorch (36.5M); xjtushujun/meta-weight-net",
    ),
    NetworkInfo(
        "wide_resnet28_2", "WRN-28-2", "wide_resnet28_10 with a fifth of the channels",
        "bench.networks.identity_resnet:wide_resnet28_2", (3, 32, 32), 1_467_610, 214.35,
        "counted by hand from xternalz/WideResNet-pytorch",
    ),
    NetworkInfo(
        "torchvision_resnet18", "ResNet-18 (torchvision)", "with the 7 x 7 stem and pooling of large images, for small "
        "ones too", "bench.networks.imagenet:torchvision_resnet18", (3, 32, 32), 11_689_512, 37.02,
        "torchvision, ResNet18_Weights", parameter_classes=1000, channels=3, pretrained=True,
    ),
    NetworkInfo(
        "torchvision_resnet34", "ResNet-34 (torchvision)", "with the 7 x 7 stem and pooling of large images; of "
        "LogitClip, and of all rows of KlemenVovk/noisy-labels",
        "bench.networks.imagenet:torchvision_resnet34", (3, 32, 32), 21_797_672, 74.77,
        "torchvision, ResNet34_Weights", parameter_classes=1000, channels=3, pretrained=True,
    ),
    NetworkInfo(
        "densenet121", "DenseNet-121", "torchvision's; of LogitClip, on images of 32 pixels",
        "bench.networks.imagenet:densenet121", (3, 32, 32), 7_978_856, 57.83,
        "torchvision, DenseNet121_Weights", parameter_classes=1000, smallest=32, channels=3,
    ),
    NetworkInfo(
        "preact_resnet18_quarter", "PreAct-ResNet-18 (quarter)", "preact_resnet18 with 16 to 128 channels, for a CPU",
        "bench.networks.resnet:preact_resnet18_quarter", (3, 32, 32), 700_794, 35.05, "this suite",
    ),
    NetworkInfo(
        "resnet50", "ResNet-50", "torchvision's, for images of about 224 x 224; ImageNet weights can be loaded",
        "bench.networks.imagenet:resnet50", (3, 224, 224), 25_557_032, 4087.16, "torchvision, ResNet50_Weights",
        parameter_classes=1000, smallest=32, channels=3, pretrained=True,
    ),
    NetworkInfo(
        "vgg19_bn", "VGG-19-BN", "torchvision's, with batch normalisation; usual for ANIMAL-10N",
        "bench.networks.imagenet:vgg19_bn", (3, 224, 224), 143_678_248, 19628.01, "torchvision, VGG19_BN_Weights",
        parameter_classes=1000, smallest=32, channels=3, pretrained=True,
    ),
    NetworkInfo(
        "vgg19_bn_two_heads", "VGG-19-BN (two heads)", "vgg19_bn with a second head of three layers for a sample's "
        "confidence; of NAL on ANIMAL-10N", "bench.networks.imagenet:vgg19_bn_two_heads", (3, 224, 224), 263_228_201,
        19628.01, "counted by hand: vgg19_bn and a head of 25088, 4096, 4096 and 1 units (MacLLL/NAL)",
        parameter_classes=1000, smallest=32, channels=3, confidence_head=True,
    ),
    NetworkInfo(
        "inception_resnet_v2", "Inception-ResNet-v2", "for images of about 299 x 299; usual for mini-WebVision",
        "bench.networks.inception_resnet:inception_resnet_v2", (3, 299, 299), 55_843_464, 13154.27,
        "osmr/imgclsmob; Keras counts 54,336,736 without the classifier, moving averages in and scales left out",
        parameter_classes=1000, smallest=75,
    ),
)  # fmt: skip

NETWORKS = Registry("network", _TABLE)


def check(name: str, image_shape: tuple[int, int, int], pretrained: bool = False) -> None:
    """Raise UserError where the network is unknown or cannot take images of shape (C, H, W); imports nothing heavy."""
    info = NETWORKS[name]
    channels, height, width = image_shape
    if min(height, width) < info.smallest:
        raise UserError(
            f"network {name!r}: images of {height} x {width} are too small (at least {info.smallest} a side)"
        )
    if info.channels not in (None, channels):
        raise UserError(f"network {name!r}: takes images of {info.channels} channels, not {channels}")
    if pretrained and not info.pretrained:
        having = ", ".join(entry.name for entry in NETWORKS if entry.pretrained)
        raise UserError(f"network {name!r}: has no pretrained weights (networks that have: {having})")


def build(
    name: str,
    num_classes: int,
    image_shape: tuple[int, int, int],
    *,
    precision: Precision = "fp32",
    channels_last: bool = False,
    compiled: bool = False,
    counter: PassCounter | None = None,
    pretrained: bool = False,
    weights: Path | None = None,
) -> Network:
    """A freshly initialised network on the CPU for images of shape (C, H, W), ready for `.to(device)`.

    Its weights are a function of torch's global CPU generator alone, whatever the precision and the layout.
    counter: shared by all networks of a run (None: one of its own). pretrained: ImageNet weights, from the file
    `weights` or from torchvision's cache; only the classifier is then drawn.

    Raises UserError where the network is unknown, cannot take such images, or its pretrained weights are not there, and
    where a plug-in's function gives something else.
    """
    from bench.networks.network import Adopted, Network
    from methods import base as contract

    check(name, image_shape, pretrained)
    options: dict[str, Any] = {"pretrained": True, "weights": weights} if pretrained else {}
    built = resolve(NETWORKS[name].function)(num_classes, image_shape, **options)
    if not isinstance(built, contract.Network):
        where = f"{NETWORKS.origin(name)}: network {name!r}"
        raise UserError(f"{where}: gave {type(built).__name__}, neither bench.networks.network.Network nor another "
                        "methods.base.Network")  # fmt: skip
    network = built if isinstance(built, Network) else Adopted(built)
    if counter is not None:
        network.counter = counter
    return network.prepare(precision=precision, channels_last=channels_last, compiled=compiled)
