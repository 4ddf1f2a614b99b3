"""Which characters can be set with the fonts of this machine; others are written as their code points."""

from __future__ import annotations

import json
import re
from collections.abc import Collection
from collections.abc import Set as AbstractSet
from typing import TYPE_CHECKING, cast

if TYPE_CHECKING:
    from typst import Fonts

__all__ = ["FAMILIES", "missing_characters", "with_code_points"]

FAMILIES = ("Noto Sans", "DejaVu Sans", "Liberation Sans", "Libertinus Serif")
"""Fonts that are taken first, of those that are there; Typst itself holds the last one."""

NO_CHARACTER = "\U0010fffd"
"""A private character, which is set with the glyph for "no such character"."""

GLYPH = re.compile(rb'href="#([^"]+)"')

MOST_CHARACTERS = 5000
"""Different characters that are looked at; a report that has more of them is one of code points."""

PROBE = """
#set page(width: auto, height: auto, margin: 1pt)
#set text(font: json(bytes(sys.inputs.families)))
#for char in json(bytes(sys.inputs.characters)) { page(text(char)) }
"""


def missing_characters(characters: Collection[str], fonts: Fonts) -> frozenset[str]:
    """Those of these characters for which no font has a glyph.

    Each is set on a page of its own, as SVG, where every glyph has a name: the missing ones all have that of the glyph
    for "no such character".
    """
    import typst

    others = sorted(char for char in characters if not char.isascii())
    if not others:
        return frozenset()
    looked_at, rest = others[:MOST_CHARACTERS], others[MOST_CHARACTERS:]
    inputs = {"characters": json.dumps([NO_CHARACTER, *looked_at]), "families": json.dumps(FAMILIES)}
    # Several pages of SVG are a list; the stubs of Typst do not say so.
    pages = cast(list[bytes], typst.compile(PROBE.encode(), format="svg", font_paths=fonts, sys_inputs=inputs))
    glyphs = [GLYPH.findall(page) for page in pages]
    return frozenset(char for char, found in zip(looked_at, glyphs[1:], strict=True) if found == glyphs[0]) | {*rest}


def with_code_points(text: str, missing: AbstractSet[str]) -> str:
    """The text with the code points of these characters in their place.

    >>> with_code_points("报告.pdf", {"报", "告"})
    '[U+62A5 U+544A].pdf'
    """
    if missing.isdisjoint(text):
        return text
    runs = re.compile(f"[{re.escape(''.join(missing))}]+")
    return runs.sub(lambda run: f"[{' '.join(f'U+{ord(char):04X}' for char in run[0])}]", text)
