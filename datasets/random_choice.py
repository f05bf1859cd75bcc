"""Choices from numbers that are uniform on [0, 1), the same on every device."""

from __future__ import annotations

from torch import Tensor


def chosen(numbers: Tensor, count: int) -> Tensor:
    """int64 of the same shape: one of `count` choices, all as probable."""
    return (numbers * count).long().clamp_(max=count - 1)


def between(numbers: Tensor, low: float, high: float) -> Tensor:
    """float64 of the same shape, uniform on [low, high)."""
    return low + (high - low) * numbers.double()
