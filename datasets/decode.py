"""From an image file to pixels of the size that is trained on."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Any

from torch import Tensor

from datasets import image_file
from datasets.base import DataError
from datasets.torchvision_import import import_torchvision


@cache
def _functional() -> Any:
    return import_torchvision("torchvision.transforms.v2.functional")


def prepare() -> None:
    """Import what decoding needs, so that processes forked from now on share it."""
    from PIL import Image

    Image.preinit()
    _functional()


def decode(source: Path | bytes, resize: int, own: bool = False) -> Tensor:
    """[3, H, W] uint8: the image (a file, or its content), its shorter side resized to `resize` pixels, antialiased.

    A JPEG of at least twice that size is decoded at a half, quarter or eighth of its size. own: a user's image; see
    `datasets.image_file` for what that means, and for what becomes of grey and transparent ones. Raises DataError for
    a broken file.
    """
    functional = _functional()
    try:
        pixels = functional.pil_to_tensor(image_file.read(source, resize, own)[0])
    except image_file.ImageFault as fault:
        raise DataError(f"{source if isinstance(source, Path) else 'a resized copy'}: {fault}") from None
    resized: Tensor = functional.resize(pixels, [resize], antialias=True)
    return resized


def crop(pixels: Tensor, side: int, top: float = 0.5, left: float = 0.5, flipped: bool = False) -> Tensor:
    """[3, side, side]: a square of the image. top, left: its place, in [0, 1), of those there are; default: centre."""
    functional = _functional()
    rows, columns = pixels.shape[1] - side, pixels.shape[2] - side
    place = int(top * (rows + 1)), int(left * (columns + 1))
    square: Tensor = functional.crop(pixels, *place, side, side)
    if flipped:
        square = functional.horizontal_flip(square)
    return square
