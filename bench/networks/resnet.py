"""Residual networks for small images: a 3x3 stem at stride 1 in place of ImageNet's 7x7 stem and pooling."""

from __future__ import annotations

from torch import Tensor, nn
from torch.nn.functional import relu

from bench.networks.layers import conv_norm, global_average
from bench.networks.network import Network


def _conv3x3(inputs: int, outputs: int, stride: int = 1) -> nn.Conv2d:
    return nn.Conv2d(inputs, outputs, 3, stride, 1, bias=False)


class BasicBlock(nn.Module):
    """Two 3x3 convolutions around a shortcut, activation after the sum (He et al. 2016, arXiv 1512.03385)."""

    def __init__(self, inputs: int, outputs: int, stride: int) -> None:
        super().__init__()
        self.first = conv_norm(inputs, outputs, stride=stride)
        self.second = nn.Sequential(_conv3x3(outputs, outputs), nn.BatchNorm2d(outputs))
        self.shortcut = nn.Sequential()
        if stride != 1 or inputs != outputs:
            self.shortcut = nn.Sequential(nn.Conv2d(inputs, outputs, 1, stride, bias=False), nn.BatchNorm2d(outputs))

    def forward(self, images: Tensor) -> Tensor:
        return relu(self.second(self.first(images)).add_(self.shortcut(images)), inplace=True)


class PreActBlock(nn.Module):
    """Normalisation and activation before each convolution (He et al. 2016, arXiv 1603.05027).

    As in the networks of mixup, DivideMix, ELR+, SOP and PES, every shortcut, an empty one too, starts from the
    activated input, and one with a convolution has no normalisation of its own.
    """

    def __init__(self, inputs: int, outputs: int, stride: int) -> None:
        super().__init__()
        self.norm = nn.BatchNorm2d(inputs)
        self.first = _conv3x3(inputs, outputs, stride)
        self.second = nn.Sequential(nn.BatchNorm2d(outputs), nn.ReLU(inplace=True), _conv3x3(outputs, outputs))
        self.shortcut = nn.Sequential()
        if stride != 1 or inputs != outputs:
            self.shortcut = nn.Sequential(nn.Conv2d(inputs, outputs, 1, stride, bias=False))

    def forward(self, images: Tensor) -> Tensor:
        activated = relu(self.norm(images), inplace=True)
        residual: Tensor = self.second(self.first(activated))
        return residual.add_(self.shortcut(activated))


def _resnet(
    block: type[BasicBlock] | type[PreActBlock],
    depths: tuple[int, ...],
    num_classes: int,
    channels: int,
    width: int = 64,
) -> Network:
    inputs = width
    blocks: list[nn.Module] = [conv_norm(channels, inputs)]
    for number, depth in enumerate(depths):
        outputs = width * 2**number
        units = []
        for unit in range(depth):
            units.append(block(inputs, outputs, stride=2 if number > 0 and unit == 0 else 1))
            inputs = outputs
        blocks.append(nn.Sequential(*units))
    blocks[-1] = nn.Sequential(blocks[-1], global_average())
    return Network([*blocks, nn.Linear(inputs, num_classes)])


def resnet18(num_classes: int, image_shape: tuple[int, int, int]) -> Network:
    """ResNet-18 with a 3x3 stem; blocks: stem, four groups of residual blocks, classifier."""
    return _resnet(BasicBlock, (2, 2, 2, 2), num_classes, image_shape[0])


def resnet34(num_classes: int, image_shape: tuple[int, int, int]) -> Network:
    """ResNet-34 with a 3x3 stem; blocks as in `resnet18`."""
    return _resnet(BasicBlock, (3, 4, 6, 3), num_classes, image_shape[0])


def preact_resnet18(num_classes: int, image_shape: tuple[int, int, int]) -> Network:
    """Pre-activation ResNet-18, the stem with normalisation and activation, none after the last block."""
    return _resnet(PreActBlock, (2, 2, 2, 2), num_classes, image_shape[0])


def preact_resnet34(num_classes: int, image_shape: tuple[int, int, int]) -> Network:
    """`preact_resnet18` with groups of 3, 4, 6 and 3 blocks."""
    return _resnet(PreActBlock, (3, 4, 6, 3), num_classes, image_shape[0])


def preact_resnet18_quarter(num_classes: int, image_shape: tuple[int, int, int]) -> Network:
    """`preact_resnet18` with a quarter of the channels (16, 32, 64, 128), for work on a CPU."""
    return _resnet(PreActBlock, (2, 2, 2, 2), num_classes, image_shape[0], width=16)
