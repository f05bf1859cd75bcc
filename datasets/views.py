"""The view policies by name: how an image is changed before a method sees it. Imports no torch.

A method names the policy of each view in `Method.views`. A plug-in declares more of them in a list `VIEW_POLICIES`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from common.registry import Registry
from datasets.base import DataError

if TYPE_CHECKING:
    from torch import Tensor


def _usual(settings: Mapping[str, Any]) -> tuple[int, float]:
    return settings["cutout"], settings["colour_jitter"]


def _stronger(settings: Mapping[str, Any]) -> tuple[int, float]:
    cutout, jitter = max(settings["cutout"], settings["strong_cutout"]), settings["strong_colour_jitter"]
    return cutout, max(settings["colour_jitter"], jitter)


def _nothing(settings: Mapping[str, Any]) -> tuple[int, float]:
    return 0, 0.0


@dataclass(frozen=True)
class ViewPolicy:
    """How one view of an image is made, in this order: crop and flip, colours, `apply`, normalisation, cut-out.

    moves: crop and flip at random, as `training.augmentation` says; else the image as it is (of a file, its middle).
    strength: `strength(augmentation)`, the side in pixels of the square that is cut out and the strength of the colour
    jitter (0: none).
    apply: `apply(images, numbers)`, the changed images of a batch; images: [B, C, H, W] float32 in [0, 1] on the
    training device. numbers: how many random numbers it takes for each image; it is handed [B, numbers] float32,
    uniform on [0, 1), the same on every device and however many processes read, and draws none of its own.
    """

    name: str
    description: str
    moves: bool = True
    strength: Callable[[Mapping[str, Any]], tuple[int, float]] = _usual
    apply: Callable[[Tensor, Tensor], Tensor] | None = None
    numbers: int = 0

    @property
    def is_random(self) -> bool:
        return self.moves or self.numbers > 0 or self.strength is not _nothing


VIEW_POLICIES: Registry[ViewPolicy] = Registry(
    "view policy",
    (
        ViewPolicy("plain", "the image as it is", moves=False, strength=_nothing),
        ViewPolicy("weak", "crop and flip, with cut-out and colour jitter where the suite sets them"),
        ViewPolicy("strong", "as weak, with `strong_cutout` and `strong_colour_jitter`", strength=_stronger),
    ),
    DataError,
)
