r"""What a field of a Word file shows that has no result in the file: formulas and readings (`EQ`), buttons.

    EQ \f(1,2)                      \frac{1}{2}
    EQ \o\ad(\s\up 9(かんじ),漢字)    漢字(かんじ)
    MACROBUTTON NoMacro Click here  Click here
    SYMBOL 252 \f Wingdings         ✓

Source: ISO/IEC 29500-1, 17.16.5 (`EQ`, `MACROBUTTON`, `SYMBOL`).
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from extractors.docx.math_symbols import joined, latex_text
from extractors.docx.symbols import symbol

__all__ = ["shown_by"]

MAX_INSTRUCTION = 10_000
MAX_DEPTH = 30
SWITCH = re.compile(r"\\([a-zA-Z]+)\s*(-?\d+)?\s*")
FORMATTING = re.compile(r"\\\*\s*(?:\"[^\"]*\"|\S+)\s*")
BUTTON = re.compile(r"\s*(?:MACROBUTTON|GOTOBUTTON)\s+\S+\s+(.*)", re.IGNORECASE | re.DOTALL)
SYMBOL = re.compile(r"\s*SYMBOL\s+(0x[0-9a-f]{1,6}|\d{1,7})\b(.*)", re.IGNORECASE | re.DOTALL)
FONT = re.compile(r"\\f\s*\"?([^\"\\]+)", re.IGNORECASE)
FORMULA = re.compile(r"\s*EQ\b(.*)", re.IGNORECASE | re.DOTALL)


def shown_by(instruction: str) -> str:
    """Return what a field with this instruction shows by itself; "" for fields that show their result."""
    if len(instruction) > MAX_INSTRUCTION:
        return ""
    if button := BUTTON.fullmatch(instruction):
        return button[1].strip()
    if sign := SYMBOL.match(instruction):
        return _sign(sign[1], sign[2])
    if formula := FORMULA.fullmatch(instruction):
        return _Formula(FORMATTING.sub("", formula[1])).text().strip()
    return ""


def _sign(code: str, rest: str) -> str:
    font = FONT.search(rest)
    value = int(code, 16) if code.lower().startswith("0x") else int(code)
    return symbol(font[1] if font else "", value)


class _Formula:
    """Reads the instruction of an `EQ` field from its beginning to its end."""

    def __init__(self, source: str) -> None:
        self._source = source
        self._at = 0

    def text(self, depth: int = 0) -> str:
        """The text up to the end of this argument: a separator, or the bracket that closes it."""
        return joined(list(self._pieces(depth)))

    def _pieces(self, depth: int) -> Iterator[str]:
        open_brackets = 0
        while self._at < len(self._source):
            sign = self._source[self._at]
            if sign == "\\":
                yield self._switch(depth)
                continue
            if (sign in ",;" and depth and not open_brackets) or (sign == ")" and depth and not open_brackets):
                return
            open_brackets += {"(": 1, ")": -1}.get(sign, 0)
            self._at += 1
            yield latex_text(sign)

    def _switch(self, depth: int) -> str:
        names = []
        while match := SWITCH.match(self._source, self._at):
            names.append(match[1].lower())
            self._at = match.end()
        if not names:  # an escaped sign: \, \( \\
            self._at += 2
            return self._source[self._at - 1 : self._at]
        if not self._source.startswith("(", self._at) or depth == MAX_DEPTH:
            return ""
        return _written(names, self._arguments(depth))

    def _arguments(self, depth: int) -> list[str]:
        arguments = []
        while self._at < len(self._source) and self._source[self._at] in "(,;":
            self._at += 1
            arguments.append(self.text(depth + 1).strip())
        self._at += 1
        return arguments


def _written(names: list[str], arguments: list[str]) -> str:
    kind, last = names[0], arguments[-1] if arguments else ""
    if kind == "f" and len(arguments) == 2:
        return f"\\frac{{{arguments[0]}}}{{{last}}}"
    if kind == "r":
        degree = f"[{arguments[0]}]" if len(arguments) > 1 and arguments[0] else ""
        return f"\\sqrt{degree}{{{last}}}"
    if kind == "s" and names[1:2] in (["up"], ["do"]):
        return f"{'^' if names[1] == 'up' else '_'}{{{last}}}"
    if kind == "i" and len(arguments) == 3:
        return f"\\int_{{{arguments[0]}}}^{{{arguments[1]}}} {last}"
    if kind == "o":
        return _overstruck(arguments)
    return f"({last})" if kind == "b" else ",".join(filter(None, arguments))


def _overstruck(arguments: list[str]) -> str:
    """One above the other: a word and its reading, the one that is set higher."""
    readings = [text[2:-1] for text in arguments if text.startswith("^{") and text.endswith("}")]
    base = "".join(text for text in arguments if not text.startswith("^{"))
    return base + (f"({''.join(readings)})" if readings and base else "".join(readings))
