"""The options of `report` that are for a paper."""

from __future__ import annotations

from dataclasses import dataclass

from common.errors import UserError, unknown
from reports.model import DIGITS
from reports.print_style import STYLES, WIDTHS, Printed
from reports.table_choice import TableChoice


@dataclass(frozen=True)
class TableOptions:
    """What was typed of tables; None: nothing."""

    tables: list[str] | None = None
    columns: list[str] | None = None
    rows: list[str] | None = None
    order: str | None = None
    decimals: int | None = None
    captions: list[str] | None = None

    @property
    def typed(self) -> list[str]:
        """The options that were typed."""
        names = {"--table": self.tables, "--column": self.columns, "--row": self.rows, "--order": self.order,
                 "--decimals": self.decimals, "--caption": self.captions}  # fmt: skip
        return [name for name, value in names.items() if value is not None]


def printed_of(style: str, width: str | None, options: TableOptions) -> Printed | None:
    """How a report is printed; None for the page. Raises UserError."""
    if style not in STYLES:
        raise unknown("style", style, STYLES, "--style")
    if style == "screen":
        typed = [*(["--width"] if width is not None else []), *options.typed]
        if typed:
            raise UserError(f"{typed[0]} is for papers: add --style paper")
        return None
    if width is None:
        raise UserError(f"--style paper: add --width LENGTH ({WIDTHS})")
    captions = dict(_caption(text) for text in options.captions or [])
    decimals = DIGITS if options.decimals is None else options.decimals
    choice = TableChoice(
        options.tables or (), options.columns or (), options.rows or (), options.order or "", decimals, captions
    )
    return Printed(width, choice)


def _caption(text: str) -> tuple[str, str]:
    name, separator, caption = text.partition("=")
    if not separator or not name.strip() or not caption.strip():
        raise UserError(f"--caption {text}: accepted: TABLE=TEXT, such as quick-accuracy=Accuracy on digits")
    return name.strip(), caption.strip()
