"""The view policies by name: how an image is changed before a method sees it. Imports no torch.

A method names the policy of each view in `Method.views`; a suite's `training.augmentation.strong` puts another one in
the place of "strong". A plug-in declares more of them in a list `VIEW_POLICIES`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from common.registry import Registry, resolve
from datasets.base import DataError

if TYPE_CHECKING:
    from torch import Tensor

STRONG = "strong"
"""The view whose policy a suite may choose."""


def _usual(settings: Mapping[str, Any]) -> tuple[int, float]:
    return settings["cutout"], settings["colour_jitter"]


def _stronger(settings: Mapping[str, Any]) -> tuple[int, float]:
    cutout, jitter = max(settings["cutout"], settings["strong_cutout"]), settings["strong_colour_jitter"]
    return cutout, max(settings["colour_jitter"], jitter)


def _nothing(settings: Mapping[str, Any]) -> tuple[int, float]:
    return 0, 0.0


def _cutout16(settings: Mapping[str, Any]) -> tuple[int, float]:
    return 16, 0.0


@dataclass(frozen=True)
class ViewPolicy:
    """How one view of an image is made, in this order: crop and flip, colours, `apply`, normalisation, cut-out.

    moves: crop and flip at random, as `training.augmentation` says; else the image as it is (of a file, its middle).
    strength: `strength(augmentation)`, the side in pixels of the square that is cut out and the strength of the colour
    jitter (0: none).
    apply: `apply(images, numbers)`, the changed images of a batch; images: [B, C, H, W] float32 in [0, 1] on the
    training device. numbers: how many random numbers it takes for each image; it is handed [B, numbers] float32,
    uniform on [0, 1), the same on every device and however many processes read, and draws none of its own.
    first: `apply` comes before crop and flip, and what it gives is rounded to 8 bits; of files, which are cropped as
    they are read, it comes after them all the same.
    mean, std: what the view is normalised with, per channel of pixels / 255; None: the data set's own.
    """

    name: str
    description: str
    moves: bool = True
    strength: Callable[[Mapping[str, Any]], tuple[int, float]] = _usual
    apply: Callable[[Tensor, Tensor], Tensor] | None = None
    numbers: int = 0
    first: bool = False
    mean: tuple[float, ...] | None = None
    std: tuple[float, ...] | None = None

    @property
    def is_random(self) -> bool:
        return self.moves or self.numbers > 0 or self.strength is not _nothing


def _later(reference: str) -> Callable[[Tensor, Tensor], Tensor]:
    """The function "module:name", imported when it is first called."""

    def apply(images: Tensor, numbers: Tensor) -> Tensor:
        transformed: Tensor = resolve(reference)(images, numbers)
        return transformed

    return apply


_SOP = ViewPolicy(
    "autoaugment_cifar10",
    "SOP's: AutoAugment's CIFAR-10 policy, crop and flip, and a cut-out of 16 pixels",
    strength=_cutout16,
    apply=_later("datasets.auto_augment:sop"),
    numbers=5,
    first=True,
)
_LITERATURE = (
    _SOP,
    replace(
        _SOP,
        name="autoaugment_cifar10_sop",
        description="the same, normalised with CIFAR-10's statistics whatever the data set, as SOP does on CIFAR-100",
        mean=(0.4914, 0.4822, 0.4465),
        std=(0.2023, 0.1994, 0.2010),
    ),
    ViewPolicy(
        "autoaugment_cifar10_unicon",
        "UNICON's: crop and flip, then AutoAugment's CIFAR-10 policy with its own levels, grey where nothing is",
        strength=_nothing,
        apply=_later("datasets.auto_augment:unicon"),
        numbers=5,
    ),
    ViewPolicy(
        "autoaugment_cifar10_ssr",
        "SSR's: UNICON's, but for the probability of one step",
        strength=_nothing,
        apply=_later("datasets.auto_augment:ssr"),
        numbers=5,
    ),
    ViewPolicy(
        "randaugment_promix",
        "ProMix's: three operations of random strength and a rectangle of up to half a side, then crop and flip",
        strength=_nothing,
        apply=_later("datasets.rand_augment:promix"),
        numbers=9,
        first=True,
    ),
    ViewPolicy(
        "randaugment_disc_m5",
        "DISC's on CIFAR-10: crop and flip, two operations of strength 1 to 4, each with probability 1/2, a small "
        "rectangle",
        strength=_nothing,
        apply=_later("datasets.rand_augment:disc_m5"),
        numbers=14,
    ),
    ViewPolicy(
        "randaugment_disc_m10",
        "DISC's on CIFAR-100: the same at strength 1 to 9",
        strength=_nothing,
        apply=_later("datasets.rand_augment:disc_m10"),
        numbers=14,
    ),
    ViewPolicy(
        "randaugment_gjs",
        "GJS's: one operation at a tenth of its range, crop and flip, and a cut-out of 16 pixels",
        strength=_cutout16,
        apply=_later("datasets.rand_augment:gjs"),
        numbers=4,
        first=True,
    ),
    ViewPolicy(
        "contrastive",
        "MOIT's and Sel-CL's: a random part at full size, flip, colour jitter, grey; no crop of the suite's",
        moves=False,
        strength=_nothing,
        apply=_later("datasets.colour_jitter:contrastive"),
        numbers=30,
    ),
    ViewPolicy(
        "colour_jitter",
        "crop and flip, then brightness, contrast and saturation of .6 to 1.4 and hue of -.1 to .1, in random order",
        strength=_nothing,
        apply=_later("datasets.colour_jitter:jitter"),
        numbers=5,
    ),
)  # fmt: skip

VIEW_POLICIES: Registry[ViewPolicy] = Registry(
    "view policy",
    (
        ViewPolicy("plain", "the image as it is", moves=False, strength=_nothing),
        ViewPolicy("weak", "crop and flip, with cut-out and colour jitter where the suite sets them"),
        ViewPolicy(STRONG, "as weak, with `strong_cutout` and `strong_colour_jitter`", strength=_stronger),
        *_LITERATURE,
    ),
    DataError,
)


def policies_of(views: tuple[str, ...], settings: Mapping[str, Any]) -> tuple[str, ...]:
    """The names of the policies that a method's views stand for under `training.augmentation`."""
    chosen = settings.get(STRONG)
    return tuple(chosen if chosen and view == STRONG else view for view in views)
