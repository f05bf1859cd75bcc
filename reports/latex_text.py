"""Plain text as LaTeX that every engine sets with the meaning that it has: none becomes another letter."""

from __future__ import annotations

import functools
import re
import unicodedata
from collections.abc import Iterable

_ESCAPES = {
    "\\": r"\textbackslash{}", "{": r"\{", "}": r"\}", "&": r"\&", "%": r"\%", "$": r"\$", "#": r"\#", "_": r"\_",
    "~": r"\textasciitilde{}", "^": r"\textasciicircum{}", "<": r"\textless{}", ">": r"\textgreater{}",
    "|": r"\textbar{}", "[": "{[}", "]": "{]}", "*": "{*}", '"': "''", "`": r"\textasciigrave{}",
    "“": "``", "”": "''", "’": "'", "‘": "`", "–": "--", "—": "---", "…": r"\ldots{}",
    "†": r"\textdagger{}", "‡": r"\textdaggerdbl{}", "§": r"\S{}", "¶": r"\P{}", "©": r"\textcopyright{}",
    "®": r"\textregistered{}", "™": r"\texttrademark{}", "•": r"\textbullet{}", "€": r"\texteuro{}",
    "£": r"\pounds{}", "¡": r"\textexclamdown{}", "¿": r"\textquestiondown{}", "ª": r"\textordfeminine{}",
    "º": r"\textordmasculine{}", "¢": r"\textcent{}", "¥": r"\textyen{}", "‰": r"\textperthousand{}",
    "½": r"$\frac{1}{2}$", "⅓": r"$\frac{1}{3}$", "⅔": r"$\frac{2}{3}$", "¼": r"$\frac{1}{4}$", "¾": r"$\frac{3}{4}$",
    "⅕": r"$\frac{1}{5}$", "⅛": r"$\frac{1}{8}$",
    "Ł": r"\L{}", "ł": r"\l{}", "Ø": r"\O{}", "ø": r"\o{}", "Å": r"\AA{}", "å": r"\aa{}", "Æ": r"\AE{}",
    "æ": r"\ae{}", "Œ": r"\OE{}", "œ": r"\oe{}", "ß": r"\ss{}", "ı": r"\i{}",
    "\u00ad": r"\-", "\u2010": "-", "\u2011": "-", "\u200b": r"\hspace{0pt}",
}  # fmt: skip
_SIGNS = {
    "±": "pm", "∓": "mp", "−": "-", "×": "times", "÷": "div", "≤": "leq", "≥": "geq", "≠": "neq", "≈": "approx",
    "≡": "equiv", "∼": "sim", "≪": "ll", "≫": "gg", "→": "to", "←": "leftarrow", "↔": "leftrightarrow",
    "⇒": "Rightarrow", "⇐": "Leftarrow", "⇔": "Leftrightarrow", "↑": "uparrow", "↓": "downarrow", "·": "cdot",
    "⋅": "cdot", "∗": "ast", "∘": "circ", "°": "^\\circ", "∞": "infty", "∑": "sum", "∏": "prod", "∫": "int",
    "∂": "partial", "∇": "nabla", "√": "surd", "∈": "in", "∉": "notin", "⊂": "subset", "⊆": "subseteq", "∪": "cup",
    "∩": "cap", "∅": "emptyset", "∀": "forall", "∃": "exists", "¬": "neg", "∧": "wedge", "∨": "vee", "⊕": "oplus",
    "⊗": "otimes", "⊙": "odot", "∝": "propto", "⟨": "langle", "⟩": "rangle", "⌈": "lceil", "⌉": "rceil",
    "⌊": "lfloor", "⌋": "rfloor", "‖": "|", "′": "prime", "ℓ": "ell", "★": "star", "⋆": "star", "✓": "surd",
    "✗": "times", "µ": "mu", "ϵ": "epsilon", "ε": "varepsilon", "ϑ": "vartheta", "φ": "varphi",
    "ϕ": "phi", "ϱ": "varrho",
    "ς": "varsigma", "ϖ": "varpi", "ο": "o", "ħ": "hbar",
}  # fmt: skip
_GREEK = ("alpha", "beta", "gamma", "delta", "zeta", "eta", "theta", "iota", "kappa", "lambda", "mu", "nu", "xi", "pi",
          "rho", "sigma", "tau", "upsilon", "chi", "psi", "omega")  # fmt: skip
_CAPITALS = ("Gamma", "Delta", "Theta", "Lambda", "Xi", "Pi", "Sigma", "Upsilon", "Phi", "Psi", "Omega")
_RAISED = dict(zip("⁰¹²³⁴⁵⁶⁷⁸⁹⁺⁻ⁿ", "0123456789+-n", strict=True))
_LOWERED = dict(zip("₀₁₂₃₄₅₆₇₈₉₊₋", "0123456789+-", strict=True))
_ACCENTS = {
    "\u0300": "`", "\u0301": "'", "\u0302": "^", "\u0303": "~", "\u0304": "=", "\u0306": "u", "\u0307": ".",
    "\u0308": '"', "\u030a": "r", "\u030b": "H", "\u030c": "v", "\u0327": "c", "\u0323": "d", "\u0331": "b",
}  # fmt: skip

_JOINED = ("--", "''", "``", ",,", "?`", "!`")
"""Letters of which TeX's fonts make another one where they stand side by side."""


def _letter_named(kind: str, name: str) -> str:
    return unicodedata.lookup(f"GREEK {kind} LETTER {'LAMDA' if name.lower() == 'lambda' else name.upper()}")


_MATHS = {
    **{sign: f"$\\{name}$" if name.isalpha() and len(name) > 1 else f"${name}$" for sign, name in _SIGNS.items()},
    **{_letter_named("SMALL", name): f"$\\{name}$" for name in _GREEK},
    **{_letter_named("CAPITAL", name): f"$\\{name}$" for name in _CAPITALS},
    **{sign: f"$^{{{digit}}}$" for sign, digit in _RAISED.items()},
    **{sign: f"$_{{{digit}}}$" for sign, digit in _LOWERED.items()},
}

LETTER = r"\nlbletter"
GUARD = (
    rf"\ifdefined{LETTER}\else\protected\def{LETTER}#1{{\ifdefined\Uchar\iffontchar\font"
    + '"#1 '
    + r'\Uchar"#1 \else\texttt{U+#1}\fi\else\texttt{U+#1}\fi}\fi'
)
"""Defines what sets a letter that has no command: itself where engine and font have it, else its code point."""


@functools.lru_cache(maxsize=1 << 14)  # a table's cells are set several ways, and the narrowest is taken
def escape(text: str) -> str:
    """Plain text as LaTeX for pdfLaTeX, XeLaTeX and LuaLaTeX.

    A letter without a command becomes `\\nlbletter{65B9}` (GUARD defines it, and `unset_letters` names these): the
    letter where the engine and the document's font have it, else its code point in words; never another letter.
    """
    escaped = ""
    for cluster in re.findall(r".[\u0300-\u036f]*", unicodedata.normalize("NFC", text), re.DOTALL):
        letter = _letter(cluster)
        escaped += ("{}" if escaped[-1:] + letter[:1] in _JOINED else "") + letter
    return escaped


def _letter(cluster: str) -> str:
    letter, marks = cluster[0], cluster[1:]
    if letter.isspace():
        return " "
    if not marks:
        if letter in _ESCAPES:
            return _ESCAPES[letter]
        if letter in _MATHS:
            return _MATHS[letter]
        if " " <= letter <= "~":
            return letter
    base, *accents = list(unicodedata.normalize("NFD", cluster))
    if base.isascii() and base.isalpha() and accents and all(mark in _ACCENTS for mark in accents):
        inner = {"i": r"\i", "j": r"\j"}.get(base, base) if accents[-1] not in "\u0323\u0327\u0331" else base
        for mark in accents:
            inner = rf"\{_ACCENTS[mark]}{{{inner}}}"
        return inner
    return "".join(f"{LETTER}{{{ord(part):04X}}}" for part in cluster)


def unset_letters(texts: Iterable[str]) -> str:
    """The letters of the texts, each once, that only an engine with a font for them sets."""
    codes = (code for text in texts for code in re.findall(r"\\nlbletter\{([0-9A-F]+)\}", escape(text)))
    return "".join(chr(int(code, 16)) for code in dict.fromkeys(codes))
