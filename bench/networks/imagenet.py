"""Networks of torchvision, with ImageNet weights where they are at hand; nothing is downloaded."""

from __future__ import annotations

from pathlib import Path, PurePosixPath
from pickle import UnpicklingError
from typing import Any
from urllib.parse import urlparse

import torch
from torch import nn

from bench.networks.layers import global_average
from bench.networks.network import Network, TwoHeads, reset
from common.errors import UserError
from datasets.torchvision_import import import_torchvision


def find_weights(name: str, weights: Path | None = None) -> Path:
    """torchvision's weights: the file `weights`, or its cache's. Raises UserError if it is absent."""
    models = import_torchvision("torchvision.models")
    url = models.get_model_weights(name).IMAGENET1K_V1.url
    file = weights or Path(torch.hub.get_dir()) / "checkpoints" / PurePosixPath(urlparse(url).path).name
    if not file.is_file():
        hint = f"put {url} there, or set `pretrained = false`"
        raise UserError(f"network {name!r}: no ImageNet weights at {file}: {hint}")
    return file


def _read_weights(name: str, weights: Path | None) -> dict[str, Any]:
    """torchvision's state dictionary, from the file `weights` or from torchvision's cache."""
    file = find_weights(name, weights)
    try:
        state_dict: dict[str, Any] = torch.load(file, map_location="cpu", weights_only=True)
    except (RuntimeError, UnpicklingError, EOFError, ValueError, OSError) as fault:
        raise UserError(f"network {name!r}: {file} is no file of weights ({type(fault).__name__})") from None
    return state_dict


def _load_weights(name: str, model: nn.Module, classifier: str, weights: Path | None) -> None:
    """Load all of `model` but the layer called `classifier`, whose size depends on the task."""
    state_dict = _read_weights(name, weights)
    own = {key: value for key, value in model.state_dict().items() if key.startswith(f"{classifier}.")}
    try:
        model.load_state_dict({**state_dict, **own})
    except (RuntimeError, TypeError) as fault:
        first = str(fault).splitlines()[-1].strip()[:120]
        raise UserError(f"network {name!r}: the weights are of another network ({first})") from None


def _resnet_initialise(layer: nn.Module) -> None:
    reset(layer)
    if isinstance(layer, nn.Conv2d):
        nn.init.kaiming_normal_(layer.weight, mode="fan_out", nonlinearity="relu")


def _resnet(name: str, num_classes: int, pretrained: bool, weights: Path | None) -> Network:
    """torchvision's residual network of that name: stem, four groups of residual blocks, classifier."""
    model = getattr(import_torchvision("torchvision.models"), name)(num_classes=num_classes)
    network = Network(
        [
            nn.Sequential(model.conv1, model.bn1, model.relu, model.maxpool),
            model.layer1,
            model.layer2,
            model.layer3,
            nn.Sequential(model.layer4, model.avgpool, nn.Flatten()),
            model.fc,
        ],
        _resnet_initialise,
    )
    if pretrained:
        _load_weights(name, model, "fc", weights)
    return network


def resnet50(
    num_classes: int, image_shape: tuple[int, int, int], pretrained: bool = False, weights: Path | None = None
) -> Network:
    """torchvision's ResNet-50 (He et al. 2016, arXiv 1512.03385; stride 2 in the 3x3 convolution).

    Blocks: stem, four groups of residual blocks, classifier. Raises UserError where pretrained weights are not usable.
    """
    return _resnet("resnet50", num_classes, pretrained, weights)


def torchvision_resnet18(
    num_classes: int, image_shape: tuple[int, int, int], pretrained: bool = False, weights: Path | None = None
) -> Network:
    """torchvision's ResNet-18 with its 7x7 stem and pooling, also of images of 32 pixels, which end as one.

    Blocks and errors as of `resnet50`.
    """
    return _resnet("resnet18", num_classes, pretrained, weights)


def torchvision_resnet34(
    num_classes: int, image_shape: tuple[int, int, int], pretrained: bool = False, weights: Path | None = None
) -> Network:
    """torchvision's ResNet-34; see `torchvision_resnet18`."""
    return _resnet("resnet34", num_classes, pretrained, weights)


def _densenet_initialise(layer: nn.Module) -> None:
    reset(layer)
    if isinstance(layer, nn.Conv2d):
        nn.init.kaiming_normal_(layer.weight)
    elif isinstance(layer, nn.Linear):
        nn.init.zeros_(layer.bias)


def densenet121(num_classes: int, image_shape: tuple[int, int, int]) -> Network:
    """torchvision's DenseNet-121 (Huang et al. 2017, arXiv 1608.06993).

    Blocks: stem, four groups of dense layers, each but the last with the transition after it, classifier.
    """
    model = import_torchvision("torchvision.models").densenet121(num_classes=num_classes)
    body = model.features
    groups: list[nn.Module] = [nn.Sequential(body.conv0, body.norm0, body.relu0, body.pool0)]
    for number in (1, 2, 3):
        groups.append(
            nn.Sequential(body.get_submodule(f"denseblock{number}"), body.get_submodule(f"transition{number}"))
        )
    groups.append(nn.Sequential(body.denseblock4, body.norm5, nn.ReLU(inplace=True), global_average()))
    return Network([*groups, model.classifier], _densenet_initialise)


def _vgg_initialise(layer: nn.Module) -> None:
    reset(layer)
    if isinstance(layer, nn.Conv2d):
        nn.init.kaiming_normal_(layer.weight, mode="fan_out", nonlinearity="relu")
    elif isinstance(layer, nn.Linear):
        nn.init.normal_(layer.weight, 0.0, 0.01)
    if isinstance(layer, nn.Conv2d | nn.Linear) and layer.bias is not None:
        nn.init.zeros_(layer.bias)


def _vgg_groups(model: nn.Module) -> list[nn.Module]:
    """The five groups of convolutions of torchvision's VGG, each ending with pooling."""
    groups: list[nn.Module] = []
    group: list[nn.Module] = []
    for layer in model.get_submodule("features").children():
        group.append(layer)
        if isinstance(layer, nn.MaxPool2d):
            groups.append(nn.Sequential(*group))
            group = []
    return groups


def vgg19_bn(
    num_classes: int, image_shape: tuple[int, int, int], pretrained: bool = False, weights: Path | None = None
) -> Network:
    """torchvision's VGG-19 with batch normalisation (Simonyan and Zisserman 2015, arXiv 1409.1556, configuration E).

    The features are the second hidden layer of 4096. Blocks: five groups of convolutions ending with pooling, two
    hidden layers, classifier. Raises UserError where pretrained weights are not usable.
    """
    model = import_torchvision("torchvision.models").vgg19_bn(num_classes=num_classes, init_weights=False)
    hidden = list(model.classifier.children())
    network = Network(
        [
            *_vgg_groups(model),
            nn.Sequential(model.avgpool, nn.Flatten(), *hidden[:3]),
            nn.Sequential(*hidden[3:-1]),
            hidden[-1],
        ],
        _vgg_initialise,
    )
    if pretrained:
        _load_weights("vgg19_bn", model, "classifier.6", weights)
    return network


def vgg19_bn_two_heads(num_classes: int, image_shape: tuple[int, int, int]) -> TwoHeads:
    """`vgg19_bn` with a second head for a sample's confidence, as NAL has it on ANIMAL-10N.

    It is like the first, three layers with dropout of .5 after both hidden ones, from the same pooled convolutions, but
    for its one output. Blocks: five groups of convolutions, the pooled map, two hidden layers, classifier.
    """
    models = import_torchvision("torchvision.models")
    model, second = (models.vgg19_bn(num_classes=outputs, init_weights=False) for outputs in (num_classes, 1))
    hidden = list(model.classifier.children())
    pooled = nn.Sequential(model.avgpool, nn.Flatten())
    blocks = [*_vgg_groups(model), pooled, nn.Sequential(*hidden[:3]), nn.Sequential(*hidden[3:-1]), hidden[-1]]
    return TwoHeads(blocks, second.classifier, shared=6, initialise=_vgg_initialise)
