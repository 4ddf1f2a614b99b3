"""The LaTeX commands of mathematical characters."""

from __future__ import annotations

import unicodedata
from string import ascii_letters

__all__ = ["ACCENTS", "DELIMITERS", "FUNCTIONS", "OPERATORS", "joined", "latex_text"]

GREEK = (
    "alpha", "beta", "gamma", "delta", "epsilon", "zeta", "eta", "theta", "iota", "kappa", "lambda", "mu", "nu",
    "xi", "omicron", "pi", "rho", "varsigma", "sigma", "tau", "upsilon", "phi", "chi", "psi", "omega",
)  # fmt: skip
"""The small letters from U+03B1 on; the capitals stand 32 places before."""
OPERATORS = {
    "∑": "sum", "∏": "prod", "∐": "coprod", "∫": "int", "∬": "iint", "∭": "iiint", "∮": "oint", "∯": "oiint",
    "∰": "oiiint", "⋃": "bigcup", "⋂": "bigcap", "⋁": "bigvee", "⋀": "bigwedge", "⨁": "bigoplus", "⨂": "bigotimes",
}  # fmt: skip
"""Operators that are written large, with limits."""
COMMANDS = {
    **{chr(0x3B1 + place): name for place, name in enumerate(GREEK)},
    **{chr(0x391 + place): name.capitalize() for place, name in enumerate(GREEK) if name != "varsigma"},
    **OPERATORS,
    "ϕ": "phi", "ϵ": "epsilon", "ϑ": "vartheta", "ϖ": "varpi", "ϱ": "varrho", "ϰ": "varkappa",
    "×": "times", "÷": "div", "⋅": "cdot", "·": "cdot", "±": "pm", "∓": "mp", "∗": "ast", "∘": "circ", "∙": "bullet",
    "≤": "leq", "≥": "geq", "≠": "neq", "≈": "approx", "≡": "equiv", "≅": "cong", "≪": "ll", "≫": "gg", "∼": "sim",
    "≃": "simeq", "∝": "propto", "∞": "infty", "∂": "partial", "∇": "nabla", "∆": "Delta", "∈": "in", "∉": "notin",
    "∋": "ni", "⊂": "subset", "⊃": "supset", "⊆": "subseteq", "⊇": "supseteq", "∪": "cup", "∩": "cap", "∖": "setminus",
    "∅": "emptyset", "∀": "forall", "∃": "exists", "∄": "nexists", "¬": "neg", "∧": "wedge", "∨": "vee", "⊕": "oplus",
    "⊗": "otimes", "⊥": "perp", "∥": "parallel", "∠": "angle", "√": "surd", "→": "to", "←": "leftarrow",
    "↔": "leftrightarrow", "⇒": "Rightarrow", "⇐": "Leftarrow", "⇔": "Leftrightarrow", "↦": "mapsto", "↑": "uparrow",
    "↓": "downarrow", "⇌": "rightleftharpoons", "…": "ldots", "⋯": "cdots", "⋮": "vdots", "⋱": "ddots", "ℏ": "hbar",
    "ℓ": "ell", "ℜ": "Re", "ℑ": "Im", "ℵ": "aleph", "∴": "therefore", "∵": "because", "⟨": "langle", "⟩": "rangle",
    "⌈": "lceil", "⌉": "rceil", "⌊": "lfloor", "⌋": "rfloor", "‖": "Vert",
}  # fmt: skip
PLAIN = {"−": "-", "–": "-", "′": "'", "″": "''", "\u2061": "", "\u2062": "", "\u2063": "", "\u2064": ""}
"""Characters that LaTeX writes as others; the last four are invisible operators."""
DELIMITERS = {"{": r"\{", "}": r"\}", "〈": r"\langle", "〉": r"\rangle", "∥": r"\Vert", "": "."}
"""Brackets that are not what `latex_text` makes of them."""
ACCENTS = {
    "\u0302": "hat", "\u0303": "tilde", "\u0304": "bar", "\u0305": "overline", "\u0306": "breve", "\u0307": "dot",
    "\u0308": "ddot", "\u030c": "check", "\u0300": "grave", "\u0301": "acute", "\u20d7": "vec", "\u20db": "dddot",
    "\u20d6": "overleftarrow", "\u20e1": "overleftrightarrow", "\u0332": "underline", "¯": "bar", "→": "vec",
    "⏞": "overbrace", "⏟": "underbrace", "^": "hat", "~": "tilde", "˙": "dot",
}  # fmt: skip
"""What stands over or under an expression."""
FUNCTIONS = frozenset((
    "arccos", "arcsin", "arctan", "arg", "cos", "cosh", "cot", "coth", "csc", "deg", "det", "dim", "exp", "gcd",
    "hom", "inf", "ker", "lg", "lim", "liminf", "limsup", "ln", "log", "max", "min", "Pr", "sec", "sin", "sinh",
    "sup", "tan", "tanh",
))  # fmt: skip
"""Functions that LaTeX has a command for."""
LONGEST_COMMAND = 40
"""Characters before a piece that say whether it needs a space; the longest command is a third of it."""
LETTERLIKE = range(0x1D400, 0x1D800)
"""Bold, italic, script and other forms of letters and digits."""


def latex_text(text: str) -> str:
    r"""Return the text of a formula with its special characters as LaTeX: "2πr" as "2\pi r"."""
    pieces: list[str] = []
    for character in text:
        plain = unicodedata.normalize("NFKC", character) if ord(character) in LETTERLIKE else character
        command = COMMANDS.get(plain)
        pieces.append(f"\\{command}" if command else PLAIN.get(plain, plain))
    return joined(pieces)


def joined(pieces: list[str]) -> str:
    r"""Put pieces of LaTeX together: "\\pi" and "r" need a space between them, "^2" and "c" as well."""
    parts: list[str] = []
    for piece in filter(None, pieces):
        if parts and _runs_into(parts[-1][-LONGEST_COMMAND:], piece):
            parts.append(" ")
        parts.append(piece)
    return "".join(parts)


def _runs_into(before: str, after: str) -> bool:
    if not after[0].isalnum():
        return False
    stem = before.rstrip(ascii_letters)
    if len(stem) < len(before) and stem.endswith("\\"):
        return True
    return len(before) > 1 and before[-2] in "^_" and before[-1].isalnum()
