"""Inception-ResNet-v2 (Szegedy et al. 2017, arXiv 1602.07261), as mini-WebVision's papers train it from scratch."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from bench.networks.layers import conv_norm, global_average
from bench.networks.network import Network


def _conv(
    inputs: int, outputs: int, kernel: int | tuple[int, int] = 1, stride: int = 1, valid: bool = False
) -> nn.Sequential:
    return conv_norm(inputs, outputs, kernel=kernel, stride=stride, padding=0 if valid else None, eps=1e-3)


class Branches(nn.Module):
    """Several paths over the same input, joined along the channels."""

    def __init__(self, *branches: Sequence[nn.Module]) -> None:
        super().__init__()
        self.branches = nn.ModuleList(nn.Sequential(*branch) for branch in branches)

    def forward(self, images: Tensor) -> Tensor:
        return torch.cat([branch(images) for branch in self.branches], dim=1)


class Residual(nn.Module):
    """Input plus `scale` times the branches brought back to its number of channels by a 1x1 convolution."""

    def __init__(self, channels: int, inner: int, branches: Branches, scale: float, activated: bool = True) -> None:
        super().__init__()
        self.branches = branches
        self.project = nn.Conv2d(inner, channels, 1)
        self.scale = scale
        self.activation = nn.ReLU(inplace=True) if activated else nn.Identity()

    def forward(self, images: Tensor) -> Tensor:
        total = torch.add(images, self.project(self.branches(images)), alpha=self.scale)
        activated: Tensor = self.activation(total)
        return activated


def _block35() -> Residual:
    return Residual(320, 128, Branches(
        [_conv(320, 32)],
        [_conv(320, 32), _conv(32, 32, 3)],
        [_conv(320, 32), _conv(32, 48, 3), _conv(48, 64, 3)],
    ), 0.17)  # fmt: skip


def _block17() -> Residual:
    return Residual(1088, 384, Branches(
        [_conv(1088, 192)],
        [_conv(1088, 128), _conv(128, 160, (1, 7)), _conv(160, 192, (7, 1))],
    ), 0.1)  # fmt: skip


def _block8(scale: float = 0.2, activated: bool = True) -> Residual:
    return Residual(2080, 448, Branches(
        [_conv(2080, 192)],
        [_conv(2080, 192), _conv(192, 224, (1, 3)), _conv(224, 256, (3, 1))],
    ), scale, activated)  # fmt: skip


def _stem(channels: int) -> nn.Sequential:
    mixed = Branches(
        [_conv(192, 96)],
        [_conv(192, 48), _conv(48, 64, 5)],
        [_conv(192, 64), _conv(64, 96, 3), _conv(96, 96, 3)],
        [nn.AvgPool2d(3, 1, 1, count_include_pad=False), _conv(192, 64)],
    )
    return nn.Sequential(
        _conv(channels, 32, 3, stride=2, valid=True), _conv(32, 32, 3, valid=True), _conv(32, 64, 3),
        nn.MaxPool2d(3, 2),
        _conv(64, 80), _conv(80, 192, 3, valid=True),
        nn.MaxPool2d(3, 2),
        mixed,
    )  # fmt: skip


def _to_17() -> Branches:
    return Branches(
        [_conv(320, 384, 3, stride=2, valid=True)],
        [_conv(320, 256), _conv(256, 256, 3), _conv(256, 384, 3, stride=2, valid=True)],
        [nn.MaxPool2d(3, 2)],
    )


def _to_8() -> Branches:
    return Branches(
        [_conv(1088, 256), _conv(256, 384, 3, stride=2, valid=True)],
        [_conv(1088, 256), _conv(256, 288, 3, stride=2, valid=True)],
        [_conv(1088, 256), _conv(256, 288, 3), _conv(288, 320, 3, stride=2, valid=True)],
        [nn.MaxPool2d(3, 2)],
    )


def inception_resnet_v2(num_classes: int, image_shape: tuple[int, int, int]) -> Network:
    """Inception-ResNet-v2 with 10, 20 and 10 residual units, scaled by 0.17, 0.1 and 0.2; no dropout.

    Stem and scales are those of the TensorFlow release, which mini-WebVision's networks descend from (the paper's own
    figure has another stem). Blocks: stem, one for each size of the units with the reduction after it, classifier.
    """
    last = [*(_block8() for _ in range(9)), _block8(1.0, activated=False)]
    return Network(
        [
            _stem(image_shape[0]),
            nn.Sequential(*(_block35() for _ in range(10)), _to_17()),
            nn.Sequential(*(_block17() for _ in range(20)), _to_8()),
            nn.Sequential(*last, _conv(2080, 1536), global_average()),
            nn.Linear(1536, num_classes),
        ]
    )
