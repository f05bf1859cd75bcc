"""Folders of images and lists as users have them, each with what is right to read there.

python -m tests.user_files DIR      writes all of them into DIR, a folder for each
"""

from __future__ import annotations

from tests.user_files.case import Case
from tests.user_files.lists import CASES as LISTS
from tests.user_files.pictures import CASES as PICTURES

CASES: dict[str, Case] = {**LISTS, **PICTURES}
assert len(CASES) == len(LISTS) + len(PICTURES)

__all__ = ["CASES", "Case"]
