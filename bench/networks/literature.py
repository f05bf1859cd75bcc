"""The plain convolutional networks of a few papers, kept as their authors wrote them."""

from __future__ import annotations

from torch import nn

from bench.networks.layers import conv_norm, global_average
from bench.networks.network import Network, reset


def co_teaching_cnn(num_classes: int, image_shape: tuple[int, int, int]) -> Network:
    """The 9-layer CNN of co-teaching (Han et al. 2018, arXiv 1804.06872, table 3).

    Three 3x3 convolutions of 128, pooling, three of 256, pooling, then 512, 256 and 128 without padding; leaky ReLU of
    slope 0.01 and whole-channel dropout of 0.25 after each pooling, as in the authors' code.
    """

    def conv(inputs: int, outputs: int, padding: int = 1) -> nn.Sequential:
        return conv_norm(inputs, outputs, padding=padding, bias=True, activation=nn.LeakyReLU(0.01, inplace=True))

    channels = image_shape[0]
    return Network(
        [
            nn.Sequential(
                conv(channels, 128), conv(128, 128), conv(128, 128), nn.MaxPool2d(2), nn.Dropout2d(0.25)
            ),
            nn.Sequential(conv(128, 256), conv(256, 256), conv(256, 256), nn.MaxPool2d(2), nn.Dropout2d(0.25)),
            nn.Sequential(conv(256, 512, 0), conv(512, 256, 0), conv(256, 128, 0), global_average()),
            nn.Linear(128, num_classes),
        ]
    )  # fmt: skip


def jocor_cnn(num_classes: int, image_shape: tuple[int, int, int]) -> Network:
    """The CNN of JoCoR's released code for CIFAR, and of co-teaching+'s for CIFAR-100: six convolutions, no dropout.

    Pairs of 3x3 convolutions of 64 and 64, 128 and 128, 196 and 16, each pair pooled; the last map is the features.
    Their code stores a rate of dropout and does not use it.
    """
    channels, height, width = image_shape
    blocks: list[nn.Module] = []
    for first, second in ((64, 64), (128, 128), (196, 16)):
        pair = (conv_norm(channels, first, bias=True), conv_norm(first, second, bias=True))
        blocks.append(nn.Sequential(*pair, nn.MaxPool2d(2)))
        channels = second
    blocks[-1] = nn.Sequential(blocks[-1], nn.Flatten())
    return Network([*blocks, nn.Linear(channels * (height // 8) * (width // 8), num_classes)])


def cnn_small(num_classes: int, image_shape: tuple[int, int, int]) -> Network:
    """The CNN of co-teaching+ for CIFAR-10: 5x5 convolutions of 6 and 16, each pooled, then 120 and 84 units."""
    channels, height, width = image_shape
    features = 16 * (((height - 4) // 2 - 4) // 2) * (((width - 4) // 2 - 4) // 2)
    return Network(
        [
            nn.Sequential(nn.Conv2d(channels, 6, 5), nn.ReLU(inplace=True), nn.MaxPool2d(2)),
            nn.Sequential(nn.Conv2d(6, 16, 5), nn.ReLU(inplace=True), nn.MaxPool2d(2), nn.Flatten()),
            nn.Sequential(nn.Linear(features, 120), nn.ReLU(inplace=True)),
            nn.Sequential(nn.Linear(120, 84), nn.ReLU(inplace=True)),
            nn.Linear(84, num_classes),
        ]
    )


def _apl_initialise(layer: nn.Module) -> None:
    reset(layer)
    if isinstance(layer, nn.Conv2d):
        nn.init.kaiming_uniform_(layer.weight, mode="fan_in", nonlinearity="relu")
    elif isinstance(layer, nn.Linear):
        nn.init.xavier_uniform_(layer.weight)


def apl_cnn(num_classes: int, image_shape: tuple[int, int, int]) -> Network:
    """The 8-layer CNN of active-passive losses for CIFAR-10 (Ma et al. 2020, arXiv 2006.13554), also of SCE.

    Pairs of 3x3 convolutions of 64, 128 and 196, each pair pooled; a hidden layer of 256 with batch normalisation.
    Convolutions start uniform after He, linear layers uniform after Glorot, as in the authors' code.
    """
    channels, height, width = image_shape
    blocks: list[nn.Module] = []
    for outputs in (64, 128, 196):
        blocks.append(
            nn.Sequential(
                conv_norm(channels, outputs, bias=True), conv_norm(outputs, outputs, bias=True), nn.MaxPool2d(2)
            )
        )
        channels = outputs
    hidden = nn.Linear(channels * (height // 8) * (width // 8), 256)
    blocks.append(nn.Sequential(nn.Flatten(), hidden, nn.BatchNorm1d(256), nn.ReLU(inplace=True)))
    return Network([*blocks, nn.Linear(256, num_classes)], _apl_initialise)
