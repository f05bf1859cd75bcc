"""The lowest versions that pyproject.toml allows, one requirement a line: what CI installs once, to see that they work.

    python tools/lower_bounds.py > lowest.txt
    pip install -r lowest.txt

torch and torchvision are left out: builds of that age for a CPU alone are not on every index, others are several GB.
"""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

PROJECT = Path(__file__).resolve().parent.parent / "pyproject.toml"
LEFT_OUT = ("torch", "torchvision")


def lowest(requirements: list[str]) -> list[str]:
    """ "name>=1.2" as "name==1.2". Raises ValueError for a requirement of another form."""
    found = []
    for requirement in requirements:
        name, bound = re.fullmatch(r"([A-Za-z0-9_-]+)>=([0-9.]+)", requirement, re.ASCII).groups()  # type: ignore[union-attr]
        if name not in LEFT_OUT:
            found.append(f"{name}=={bound}")
    return found


if __name__ == "__main__":
    print("\n".join(lowest(tomllib.loads(PROJECT.read_text(encoding="utf-8"))["project"]["dependencies"])))
