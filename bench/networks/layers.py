"""Layers that several networks share."""

from __future__ import annotations

from torch import nn


def conv_norm(
    inputs: int,
    outputs: int,
    *,
    kernel: int | tuple[int, int] = 3,
    stride: int = 1,
    padding: int | tuple[int, int] | None = None,
    bias: bool = False,
    eps: float = 1e-5,
    activation: nn.Module | None = None,
) -> nn.Sequential:
    """Convolution, batch normalisation and activation (None: ReLU). Without `padding` the size is kept at stride 1."""
    if padding is None:
        padding = kernel // 2 if isinstance(kernel, int) else (kernel[0] // 2, kernel[1] // 2)
    return nn.Sequential(
        nn.Conv2d(inputs, outputs, kernel, stride, padding, bias=bias),
        nn.BatchNorm2d(outputs, eps=eps),
        nn.ReLU(inplace=True) if activation is None else activation,
    )


def global_average() -> nn.Sequential:
    """Mean over height and width: [B, F, H, W] to [B, F]."""
    return nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten())
