"""A figure's float in LaTeX: its PDF at its own size, with its caption."""

from __future__ import annotations

from reports.figure_style import Drawn
from reports.latex_text import GUARD, escape, unset_letters


def figure_latex(drawn: Drawn, points: float) -> str:
    """A `figure` environment; where the document's columns are narrower than `points` it spans both."""
    caption = f"{drawn.title}. {drawn.caption}"
    unset = unset_letters([caption])
    lines = ["% needs \\usepackage{graphicx}, and \\graphicspath{{FOLDER/}} for the folder that this file is in"]
    if unset:
        lines += [f"% needs lualatex or xelatex, and a font that has them, for: {unset}", GUARD]
    lines += [
        rf"\edef\nlbfigure{{figure\ifdim\columnwidth<{points:g}pt *\fi}}",
        r"\begin{\nlbfigure}",
        rf"\centering\includegraphics{{{drawn.name}.pdf}}",
        rf"\caption{{{escape(caption)}}}\label{{fig:{drawn.name}}}",
        r"\end{\nlbfigure}",
    ]
    return "\n".join([*lines, ""])
