"""How long fuzzers go on."""

from __future__ import annotations

import random
import time
from collections.abc import Iterator

import pytest

SECONDS, LONG_SECONDS = 8, 600  # of each of seven tests


@pytest.fixture
def rounds(request: pytest.FixtureRequest) -> Iterator[random.Random]:
    """Generators of random numbers, each with a seed of its own, until the time is over."""

    def each() -> Iterator[random.Random]:
        end = time.monotonic() + (LONG_SECONDS if request.config.getoption("--long") else SECONDS)
        seed = 0
        while time.monotonic() < end or seed < 3:
            yield random.Random(seed)
            seed += 1

    return each()
