"""Small networks of this suite's own, for digits and for work on a CPU."""

from __future__ import annotations

from itertools import pairwise

from torch import nn

from bench.networks.layers import conv_norm
from bench.networks.network import Network


def _digits(widths: tuple[int, int, int], num_classes: int, image_shape: tuple[int, int, int]) -> Network:
    channels, height, width = image_shape
    first, second, third = widths
    features = third * ((height + 1) // 2) * ((width + 1) // 2)
    return Network(
        [
            conv_norm(channels, first),
            conv_norm(first, second, stride=2),
            nn.Sequential(conv_norm(second, third), nn.Flatten()),
            nn.Linear(features, num_classes),
        ]
    )


def digits_cnn(num_classes: int, image_shape: tuple[int, int, int]) -> Network:
    """Three 3x3 convolutions (16, 32 at stride 2, 64), flattened."""
    return _digits((16, 32, 64), num_classes, image_shape)


def digits_cnn_large(num_classes: int, image_shape: tuple[int, int, int]) -> Network:
    """Three 3x3 convolutions (32, 64 at stride 2, 128), flattened."""
    return _digits((32, 64, 128), num_classes, image_shape)


def small_cnn(num_classes: int, image_shape: tuple[int, int, int]) -> Network:
    """Four 3x3 convolutions (32 at stride 2, then 64, 96, 192, each pooled) and a dense layer of 768 units.

    Made for a CPU: no layer works at full resolution, pooling comes before normalisation, which then has a quarter of
    the work, and on the last 2x2 map a dense layer does what a padded convolution would do in four times as long.
    Larger maps (of images beyond 32 pixels) are averaged down to 2x2 first. It memorises 10,000 CIFAR images in 30
    epochs.
    """
    widths, hidden = (32, 64, 96, 192), 768
    height, width = (_halved(side, len(widths)) for side in image_shape[1:])
    blocks: list[nn.Module] = [conv_norm(image_shape[0], widths[0], stride=2)]
    for inputs, outputs in pairwise(widths):
        convolution = nn.Conv2d(inputs, outputs, 3, padding=1, bias=False)
        blocks.append(nn.Sequential(convolution, nn.MaxPool2d(2), nn.BatchNorm2d(outputs), nn.ReLU(inplace=True)))
    dense: list[nn.Module] = [] if max(height, width) <= 2 else [nn.AdaptiveAvgPool2d(2)]
    features = widths[-1] * (4 if dense else height * width)
    dense += [nn.Flatten(), nn.Linear(features, hidden, bias=False), nn.BatchNorm1d(hidden), nn.ReLU(inplace=True)]
    return Network([*blocks, nn.Sequential(*dense), nn.Linear(hidden, num_classes)])


def _halved(side: int, times: int) -> int:
    """Pixels on a side after one layer of stride 2, which rounds up, and poolings, which round down."""
    side = (side + 1) // 2
    for _ in range(times - 1):
        side //= 2
    return side
