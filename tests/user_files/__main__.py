"""Writes the cases: `python -m tests.user_files DIR`."""

from __future__ import annotations

import sys
from pathlib import Path

from tests.user_files import CASES

if len(sys.argv) != 2:
    sys.exit("usage: python -m tests.user_files DIR")
for name, case in CASES.items():
    case.write(Path(sys.argv[1]) / name)
