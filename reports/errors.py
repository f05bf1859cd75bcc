"""The reports' own user error."""

from __future__ import annotations


class ReportError(Exception):
    """A report cannot be made as asked. The text is one line for the user."""
