"""Residual networks for small images whose shortcuts carry no weights or start from the input as it is."""

from __future__ import annotations

from itertools import pairwise

from torch import Tensor, nn
from torch.nn.functional import pad, relu

from bench.networks.layers import conv_norm, global_average
from bench.networks.network import Network, reset


class PaddedBlock(nn.Module):
    """Two 3x3 convolutions around a shortcut without weights, activation after the sum.

    Where the size changes, every second pixel goes on, between channels of zeros (option A of He et al. 2016, arXiv
    1512.03385).
    """

    def __init__(self, inputs: int, outputs: int, stride: int) -> None:
        super().__init__()
        self.stride, self.added = stride, outputs - inputs
        self.first = conv_norm(inputs, outputs, stride=stride)
        self.second = nn.Sequential(nn.Conv2d(outputs, outputs, 3, 1, 1, bias=False), nn.BatchNorm2d(outputs))

    def forward(self, images: Tensor) -> Tensor:
        passed = images
        if self.added:
            below = self.added // 2
            passed = pad(images[:, :, :: self.stride, :: self.stride], (0, 0, 0, 0, below, self.added - below))
        return relu(self.second(self.first(images)).add_(passed), inplace=True)


class IdentityBlock(nn.Module):
    """Normalisation and activation before each convolution; a shortcut without weights starts from the input itself.

    As in kuangliu/pytorch-cifar, GJS and wide residual networks; one with a convolution starts from what is activated.
    """

    def __init__(self, inputs: int, outputs: int, stride: int) -> None:
        super().__init__()
        self.norm = nn.BatchNorm2d(inputs)
        self.first = nn.Conv2d(inputs, outputs, 3, stride, 1, bias=False)
        self.second = nn.Sequential(
            nn.BatchNorm2d(outputs), nn.ReLU(inplace=True), nn.Conv2d(outputs, outputs, 3, 1, 1, bias=False)
        )
        self.shortcut: nn.Module | None = None
        if stride != 1 or inputs != outputs:
            self.shortcut = nn.Conv2d(inputs, outputs, 1, stride, bias=False)

    def forward(self, images: Tensor) -> Tensor:
        activated = relu(self.norm(images))
        passed = images if self.shortcut is None else self.shortcut(activated)
        residual: Tensor = self.second(self.first(activated))
        return residual.add_(passed)


def _stages(block: type[PaddedBlock] | type[IdentityBlock], depth: int, widths: list[int]) -> list[nn.Module]:
    """Groups of `depth` blocks, from widths[0] channels to each further width; all but the first halve the size."""
    stages: list[nn.Module] = []
    for number, (inputs, outputs) in enumerate(pairwise(widths)):
        units: list[nn.Module] = [block(inputs, outputs, 2 if number else 1)]
        units += [block(outputs, outputs, 1) for _ in range(depth - 1)]
        stages.append(nn.Sequential(*units))
    return stages


def _he(layer: nn.Module) -> None:
    """Meta-Weight-Net's: convolutions and the classifier normal after He, by their inputs."""
    reset(layer)
    if isinstance(layer, nn.Conv2d | nn.Linear):
        nn.init.kaiming_normal_(layer.weight)


def resnet32(num_classes: int, image_shape: tuple[int, int, int]) -> Network:
    """ResNet-32 for CIFAR, 16 to 64 channels (He et al. 2016, arXiv 1512.03385), as Meta-Weight-Net has it.

    Blocks: stem, three groups of five residual blocks, classifier.
    """
    groups = _stages(PaddedBlock, 5, [16, 16, 32, 64])
    groups[-1] = nn.Sequential(groups[-1], global_average())
    return Network([conv_norm(image_shape[0], 16), *groups, nn.Linear(64, num_classes)], _he)


def _identity_resnet(depth: int, widths: list[int], num_classes: int, channels: int, wide: bool = False) -> Network:
    """Stem of one convolution, groups, normalisation and activation at the end, classifier."""
    groups = _stages(IdentityBlock, depth, widths)
    last = widths[-1]
    groups[-1] = nn.Sequential(groups[-1], nn.BatchNorm2d(last), nn.ReLU(inplace=True), global_average())
    stem = nn.Conv2d(channels, widths[0], 3, 1, 1, bias=False)
    return Network([stem, *groups, nn.Linear(last, num_classes)], _wide if wide else reset)


def preact_resnet32(num_classes: int, image_shape: tuple[int, int, int]) -> Network:
    """Pre-activation ResNet-32 of PENCIL and Joint Optimization, 32 to 128 channels; what GJS calls PreActResNet34.

    Blocks: stem, three groups of five residual blocks, classifier.
    """
    return _identity_resnet(5, [32, 32, 64, 128], num_classes, image_shape[0])


def _wide(layer: nn.Module) -> None:
    """Convolutions normal after He, by their outputs; the classifier without bias at first."""
    reset(layer)
    if isinstance(layer, nn.Conv2d):
        nn.init.kaiming_normal_(layer.weight, mode="fan_out", nonlinearity="relu")
    elif isinstance(layer, nn.Linear):
        nn.init.zeros_(layer.bias)


def wide_resnet28_10(num_classes: int, image_shape: tuple[int, int, int]) -> Network:
    """WRN-28-10 (Zagoruyko and Komodakis 2016, arXiv 1605.07146), without dropout, as Meta-Weight-Net has it."""
    return _identity_resnet(4, [16, 160, 320, 640], num_classes, image_shape[0], wide=True)


def wide_resnet28_2(num_classes: int, image_shape: tuple[int, int, int]) -> Network:
    """WRN-28-2: `wide_resnet28_10` with 32 to 128 channels."""
    return _identity_resnet(4, [16, 32, 64, 128], num_classes, image_shape[0], wide=True)
