"""FMix: images mixed by masks of low frequency (Harris et al., 2020)."""

from __future__ import annotations

import math

import numpy as np
import torch
from torch import Tensor

DECAY = 3.0  # of a frequency's amplitude


def fmix_mask(height: int, width: int, share: float, rng: np.random.Generator) -> Tensor:
    """[height, width] float32: 1 on connected areas of about `share` of the pixels, else 0.

    The pixels are the largest of a picture drawn in frequencies, whose amplitudes fall with their third power.
    """
    frequencies = np.hypot(np.fft.fftfreq(height)[:, None], np.fft.rfftfreq(width))
    drawn = rng.standard_normal(frequencies.shape) + 1j * rng.standard_normal(frequencies.shape)
    picture = np.fft.irfft2(drawn / np.maximum(frequencies, 1 / max(height, width)) ** DECAY, (height, width))
    rounded = math.ceil if rng.random() > 0.5 else math.floor
    mask = np.zeros(height * width, np.float32)
    mask[np.argsort(-picture, axis=None, kind="stable")[: rounded(share * mask.size)]] = 1
    return torch.from_numpy(mask.reshape(height, width))
