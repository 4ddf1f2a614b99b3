"""The descriptions of pictures (alternative texts) and the texts of drawings in a Word file."""

from __future__ import annotations

import re
from typing import Any

__all__ = ["DESCRIBED", "A", "V", "described", "drawing_lines", "shape_text"]

A = "{http://schemas.openxmlformats.org/drawingml/2006/main}"
V = "{urn:schemas-microsoft-com:vml}"
WP = "{http://schemas.openxmlformats.org/drawingml/2006/wordprocessingDrawing}"
PIC = "{http://schemas.openxmlformats.org/drawingml/2006/picture}"
WPS = "{http://schemas.microsoft.com/office/word/2010/wordprocessingShape}"
DECORATIVE = "{http://schemas.microsoft.com/office/drawing/2017/decorative}decorative"

DESCRIBED = (WP + "docPr", PIC + "cNvPr", WPS + "cNvPr")
"""Elements that carry the description of a picture, a shape or a group of them."""
BY_MACHINE = re.compile(
    r"(?:(?:description )?automatically generated(?: with \w+ confidence)?|automatisch generierte beschreibung"
    r"|description générée automatiquement|descripción generada automáticamente|descrizione generata automaticamente"
    r"|beschrijving automatisch gegenereerd|ai[- ]generated content may be incorrect"
    r"|ki-generierte inhalte können fehlerhaft sein|le contenu généré par l.ia peut être incorrect"
    r"|el contenido generado por ia puede ser incorrecto|il contenuto generato dall.ia potrebbe non essere corretto"
    r"|自动生成的说明|ai 生成的内容可能不正确)[.。]?\s*$",
    re.IGNORECASE | re.MULTILINE,
)
"""What Office adds to the descriptions that it makes; it says nothing about the picture."""
FILE_NAME = re.compile(r"(?:.*[\\/])?[^\\/]*\.(?:png|jpe?g|gif|bmp|tiff?|emf|wmf|svg|webp)", re.IGNORECASE)


def described(element: Any) -> str:
    """Return "[Picture: ...]" with the description that an author wrote, or ""; a mere file name is none."""
    if element.get("hidden") in ("1", "true") or _is_decorative(element):
        return ""
    return _picture(element.get("descr") or element.get("title") or "")


def shape_text(shape: Any) -> str:
    """Return the description of an old (VML) shape as `described` does."""
    return _picture(shape.get("alt") or "")


def drawing_lines(body: Any) -> list[str]:
    """Return the paragraphs of a text body of a drawing (`a:txBody`), without empty ones."""
    lines = (
        "".join(text.text or " " for text in paragraph.iter(A + "t", A + "br")) for paragraph in body.iter(A + "p")
    )
    return [line for line in (" ".join(line.split()) for line in lines) if line]


def _picture(description: str) -> str:
    text = " ".join(BY_MACHINE.sub(" ", description).split())
    return f"[Picture: {text}]" if text and not FILE_NAME.fullmatch(text) else ""


def _is_decorative(element: Any) -> bool:
    """Whether the element or the frame that it stands in is marked as decoration."""
    frame = next(element.iterancestors(WP + "inline", WP + "anchor"), element)
    of_frame = frame.iterfind(f"{WP}docPr//{DECORATIVE}")
    return any(mark.get("val", "1") in ("1", "true") for mark in (*element.iter(DECORATIVE), *of_frame))
