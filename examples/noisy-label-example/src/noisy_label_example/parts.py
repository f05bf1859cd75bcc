"""A network of two dense layers, and a view that dims an image by chance."""

from __future__ import annotations

from torch import Tensor, nn

from bench.networks import NetworkInfo
from bench.networks.network import Network
from datasets.views import ViewPolicy


def two_dense(num_classes: int, image_shape: tuple[int, int, int]) -> Network:
    """Images as they are, 64 units, a classifier."""
    channels, height, width = image_shape
    body = nn.Sequential(nn.Flatten(), nn.Linear(channels * height * width, 64), nn.ReLU())
    return Network([body, nn.Linear(64, num_classes)])


def dimmed(images: Tensor, numbers: Tensor) -> Tensor:
    """Images [B, C, H, W] in [0, 1], each times a number in [0.5, 1]. numbers: [B, 1] in [0, 1]."""
    return images * (0.5 + 0.5 * numbers[:, :, None, None])


NETWORKS = [NetworkInfo("two_dense", "Two dense layers", "64 units", two_dense, (1, 8, 8))]
VIEW_POLICIES = [ViewPolicy("dimmed", "darker by chance", moves=False, apply=dimmed, numbers=1)]
