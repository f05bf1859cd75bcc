"""Small networks of this suite's own, for digits and for work on a CPU."""

from __future__ import annotations

from itertools import pairwise

from torch import nn

from bench.networks.layers import conv_norm, global_average
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
    """Five 3x3 convolutions (24 at stride 2, then 48, 96, 192 each pooled, 384), averaged over the image.

    Made for a CPU: each convolution costs about the same, no layer works at full resolution, and pooling comes before
    normalisation, which then has a quarter of the work. It still memorises 10,000 CIFAR images in 30 epochs.
    """
    widths = (24, 48, 96, 192, 384)
    blocks: list[nn.Module] = [conv_norm(image_shape[0], widths[0], stride=2)]
    for inputs, outputs in pairwise(widths[:-1]):
        convolution = nn.Conv2d(inputs, outputs, 3, padding=1, bias=False)
        blocks.append(nn.Sequential(convolution, nn.MaxPool2d(2), nn.BatchNorm2d(outputs), nn.ReLU(inplace=True)))
    blocks.append(nn.Sequential(conv_norm(widths[-2], widths[-1]), global_average()))
    return Network([*blocks, nn.Linear(widths[-1], num_classes)])
