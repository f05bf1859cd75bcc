"""Pillow's own operations, one image at a time: what the batched ones are compared with."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch
from PIL import Image, ImageDraw, ImageEnhance, ImageOps
from torch import Tensor

from datasets.pixel_operations import Operation


def pictures(count: int, side: int, seed: int) -> Tensor:
    """[count, 3, side, side] uint8: noise, low contrast, gradients as photographs have them, and nearly plain ones."""
    rng = np.random.default_rng(seed)
    slope = np.add.outer(np.arange(side) * 3, np.arange(side) * 4)[..., None]
    made = [
        rng.integers(0, 256, (count, side, side, 3)),
        rng.integers(60, 90, (count, side, side, 3)),
        slope + rng.integers(0, 20, (count, side, side, 3)),
        rng.integers(0, 256, (count, 1, 1, 3)) + (rng.random((count, side, side, 3)) < 0.02) * 60,
    ]
    chosen = np.stack(made, 1).reshape(4 * count, side, side, 3)[np.arange(count) * 4 + np.arange(count) % 4]
    return torch.from_numpy(chosen.clip(0, 255).astype(np.uint8)).permute(0, 3, 1, 2).contiguous()


def affine(image: Image.Image, matrix: tuple[float, ...], fill: int, cubic: bool = False) -> Image.Image:
    how = Image.Resampling.BICUBIC if cubic else Image.Resampling.NEAREST
    return image.transform(image.size, Image.Transform.AFFINE, matrix, how, fillcolor=(fill,) * 3)


def _solarize_add(image: Image.Image, value: float) -> Image.Image:
    brighter = (np.array(image).astype(int) + int(value)).clip(0, 255).astype(np.uint8)
    return ImageOps.solarize(Image.fromarray(brighter), 128)


def _posterize(image: Image.Image, bits: float) -> Image.Image:
    if bits < 1:  # what older versions of Pillow did
        return Image.new("RGB", image.size)
    return ImageOps.posterize(image, int(bits))


def done(image: Image.Image, kind: int, value: float, fill: int = 0) -> Image.Image:
    """What Pillow makes of an image."""
    operations: dict[Operation, Callable[[], Image.Image]] = {
        Operation.IDENTITY: lambda: image,
        Operation.CUTOUT: lambda: image,
        Operation.AUTOCONTRAST: lambda: ImageOps.autocontrast(image),
        Operation.EQUALIZE: lambda: ImageOps.equalize(image),
        Operation.INVERT: lambda: ImageOps.invert(image),
        Operation.POSTERIZE: lambda: _posterize(image, value),
        Operation.SOLARIZE: lambda: ImageOps.solarize(image, value),  # type: ignore[arg-type]
        Operation.SOLARIZE_ADD: lambda: _solarize_add(image, value),
        Operation.BRIGHTNESS: lambda: ImageEnhance.Brightness(image).enhance(value),
        Operation.CONTRAST: lambda: ImageEnhance.Contrast(image).enhance(value),
        Operation.COLOR: lambda: ImageEnhance.Color(image).enhance(value),
        Operation.SHARPNESS: lambda: ImageEnhance.Sharpness(image).enhance(value),
        Operation.SHEAR_X: lambda: affine(image, (1, value, 0, 0, 1, 0), fill),
        Operation.SHEAR_Y: lambda: affine(image, (1, 0, 0, value, 1, 0), fill),
        Operation.SHEAR_Y_BICUBIC: lambda: affine(image, (1, 0, 0, value, 1, 0), fill, cubic=True),
        Operation.TRANSLATE_X: lambda: affine(image, (1, 0, value, 0, 1, 0), fill),
        Operation.TRANSLATE_Y: lambda: affine(image, (1, 0, 0, 0, 1, value), fill),
        Operation.ROTATE: lambda: image.rotate(value, fillcolor=(fill,) * 3),
    }
    return operations[Operation(kind)]()


def rectangle(image: Image.Image, side: float, centre: tuple[float, float], colour: tuple[int, ...]) -> Image.Image:
    """With the rectangle that CutoutAbs of published code draws."""
    corner = [int(max(0, place - side / 2)) for place in centre]
    image = image.copy()
    far = [min(size, place + side) for size, place in zip(image.size, corner, strict=True)]
    ImageDraw.Draw(image).rectangle((*corner, *far), colour)
    return image


def opened(pixels: Tensor) -> list[Image.Image]:
    return [Image.fromarray(one) for one in pixels.permute(0, 2, 3, 1).numpy()]


def read(images: list[Image.Image]) -> Tensor:
    """[B, 3, H, W] uint8."""
    return torch.from_numpy(np.stack([np.array(image) for image in images])).permute(0, 3, 1, 2)
