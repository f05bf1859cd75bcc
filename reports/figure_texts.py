"""Texts in figures: how wide they are, what is shortened and told whole in the caption, and which fonts have them."""

from __future__ import annotations

import functools
from collections.abc import Iterable, Mapping

import matplotlib as mpl
from matplotlib import font_manager
from matplotlib.figure import Figure
from matplotlib.ft2font import FT2Font
from matplotlib.text import Text

from reports.figure_page import page

LONGEST = 36
"""Letters of a row's title in a figure."""
_SHORTEST, _SIZE = 8, 7.5
_FIRST = (
    "Noto Sans CJK",
    "Source Han Sans",
    "Droid Sans Fallback",
    "WenQuanYi",
    "IPAexGothic",
    "IPAGothic",
    "Noto Sans",
)
"""Fonts that are looked at before others for letters which ours lacks."""


@functools.cache
def _face(family: str) -> FT2Font:
    font = FT2Font(font_manager.findfont(font_manager.FontProperties(family=[family])))
    font.set_size(100, 72)
    return font


@functools.cache
def _ems(letter: str) -> float:
    face = _face("DejaVu Sans")
    if not face.get_char_index(ord(letter)):
        return 1.0
    return float(face.load_char(ord(letter)).linearHoriAdvance) / 65536 / 100


def inches(text: str, size: float) -> float:
    """How wide the longest line of a text is at a size in points."""
    return max((sum(map(_ems, line)) for line in text.split("\n")), default=0.0) * size / 72


def lacking(text: str) -> set[str]:
    """The letters of a text that no font in use has."""
    faces = [_face("DejaVu Sans" if name == "sans-serif" else name) for name in mpl.rcParams["font.family"]]
    return {
        letter for letter in set(text)
        if not letter.isspace() and not any(face.get_char_index(ord(letter)) for face in faces)
    }  # fmt: skip


def families(texts: Iterable[str]) -> list[str]:
    """Installed fonts for the letters of the texts that ours lacks, as few as there need be; [] where it has all."""
    face, fonts = _face("DejaVu Sans"), list[str]()
    left = {letter for letter in set("".join(texts)) if not letter.isspace() and not face.get_char_index(ord(letter))}
    if not left:
        return fonts
    entries = sorted(
        {
            entry.name: entry.fname for entry in font_manager.fontManager.ttflist if "LastResort" not in entry.fname
        }.items(),
        key=lambda entry: (not entry[0].startswith(_FIRST), entry[0]),
    )
    for name, file in entries:
        has = {letter for letter in left if _has(file, letter)}
        if has:
            fonts.append(name)
            left -= has
        if not left:
            break
    return fonts


@functools.cache
def _opened(file: str) -> FT2Font | None:
    try:
        return FT2Font(file)
    except (OSError, RuntimeError):
        return None


def _has(file: str, letter: str) -> bool:
    font = _opened(file)
    return font is not None and bool(font.get_char_index(ord(letter)))


def shortened(text: str, most: int = LONGEST) -> str:
    """A text of at most so many letters, an ellipsis in place of the rest."""
    return text if len(text) <= most else text[: most - 1].rstrip(" ,(") + "…"


def fitted(text: str, room: float, size: float) -> str:
    """A text that has room in so many inches, in each of its lines an ellipsis in place of the rest."""
    lines = text.split("\n")
    for number, line in enumerate(lines):
        most = len(line)
        while inches(lines[number], size) > room and most > 4:
            most -= 1
            lines[number] = shortened(line, most)
    return "\n".join(lines)


def wrapped(text: str, room: float, size: float) -> str:
    """A text broken at spaces into lines that have room in so many inches; a longer word ends in an ellipsis."""
    lines: list[str] = []
    for part in text.split("\n"):
        lines.append("")
        for word in part.split():
            longer = f"{lines[-1]} {word}".strip()
            if lines[-1] and inches(longer, size) > room:
                lines.append(word)
            else:
                lines[-1] = longer
    return fitted("\n".join(lines), room, size)


def labels_of(titles: Mapping[str, str], most: int = LONGEST, share: float | None = None) -> dict[str, str]:
    """Row -> what a figure calls it: its title, shortened where it is long; the row's name where no font has it.

    No two rows are called alike. share: of a printed width, which the labels may take up (default: all of it but what
    stands beside an entry of a legend).
    """
    width = page().width
    labels = _labels(titles, most)
    if width is None:
        return labels
    room = width - 0.7 if share is None else share * width
    while most > _SHORTEST and max((inches(label, _SIZE) for label in labels.values()), default=0.0) > room:
        most -= 1
        labels = _labels(titles, most)
    return labels


def _labels(titles: Mapping[str, str], most: int) -> dict[str, str]:
    labels: dict[str, str] = {}
    for row, title in titles.items():
        name = row if lacking(title) else title
        short = shortened(name, most)
        if short in labels.values():
            end = f"… ({row})" if len(row) < most - 8 else f"… ({len(labels) + 1})"
            short = shortened(name, most - len(end) + 1).rstrip("…") + end
        labels[row] = short
    return labels


def settable(figure: Figure) -> None:
    """Put code points in place of letters that no font has, which would be boxes."""
    for text in figure.findobj(Text):
        assert isinstance(text, Text)
        if missing := lacking(text.get_text()):
            shown = "".join(f"[{ord(each):04X}]" if each in missing else each for each in text.get_text())
            text.set_text(shown)


def whole_titles(figure: Figure, titles: Mapping[str, str]) -> str:
    """A sentence for the caption with what the figure shortens: titles of rows, and texts with the whole as label."""
    texts = [text for text in figure.findobj(Text) if isinstance(text, Text) and text.get_text()]
    shown = "\n".join(" ".join(text.get_text().split("\n")) for text in texts)
    told: dict[str, str] = {}
    for most in range(LONGEST, _SHORTEST - 1, -1) if "…" in shown else (LONGEST,):
        labels = _labels(titles, most)
        for row, title in titles.items():
            if row not in told and labels[row] != title and labels[row] in shown:
                told[row] = f"{labels[row]} is {title}"
    rest = [line for text in texts for line in _cut(text.get_text(), str(text.get_label()))]
    of_rows = [told[row] for row in titles if row in told]
    return f"Shortened: {'; '.join(dict.fromkeys([*of_rows, *rest]))}." if of_rows or rest else ""


def _cut(shown: str, whole: str) -> list[str]:
    """What a text, or each of its lines, is of; whole: its label, if it has one ("_..." is none)."""
    if "…" not in shown or whole.startswith("_") or shown.split() == whole.split():
        return []
    pairs = list(zip(shown.split("\n"), whole.split("\n"), strict=False))
    if shown.count("\n") != whole.count("\n"):
        pairs = [(" ".join(shown.split()), " ".join(whole.split()))]
    return [f"{one} is {other}" for one, other in pairs if one != other and other and "…" not in other]
