"""A second reading of single pages, by pypdf, where pdfium's text layer is not to be trusted.

pypdf decodes predefined character maps of Chinese, Japanese and Korean fonts by itself, and repairs other faults of
fonts than pdfium does.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

from extractors.options import Options
from extractors.pdf.engine import RawPage
from extractors.pdf.nesting import empty_endless_drawings, may_nest
from extractors.pdf.trust import hardly_letters, is_clearly_text, why_distrusted

__all__ = ["with_second_readings"]

MAX_PAGES = 100
"""Pages of one file that are read a second time; pypdf takes up to a second for each."""
SAME = 0.9
"""Share of a reading's letters that the first one has as well, from which both are the same."""
MAPS = re.compile(r"/(GB-EUC|GBpc-EUC|GBK-EUC|GBK2K|ETen-B5|ETenms-B5|90ms-RKSJ|Uni(GB|CNS|JIS|KS)-(UCS2|UTF16))-[HV]")
"""The predefined character maps that pypdf decodes."""
NOTE = "Its text was read by the engine pypdf: that of pdfium {}."


def with_second_readings(raws: list[RawPage | None], path: Path, options: Options) -> list[RawPage | None]:
    """Return the pages, with pypdf's text where pdfium's is not to be trusted and pypdf's is."""
    wanted = {index: why for index, raw in enumerate(raws) if raw and (why := _why_again(raw))}
    if options.pdf_engine != "pdfium" or not wanted:
        return raws
    better = dict(_readings(list(wanted)[:MAX_PAGES], path, options))
    return [
        _improved(raw, better[index], wanted[index])
        if raw and index in better and not _is_same(raw.text, better[index])
        else raw
        for index, raw in enumerate(raws)
    ]


def _is_same(text: str, reading: str) -> bool:
    """Whether a second reading has the letters of the first one: it is no better then."""
    first, second = Counter("".join(text.split())), Counter("".join(reading.split()))
    return (first & second).total() >= SAME * max(1, second.total())


def _improved(raw: RawPage, text: str, why: str) -> RawPage:
    whole = f"{text}\n{raw.overlay}" if raw.overlay else text
    return replace(raw, text=whole, note=NOTE.format(why), drawn=replace(raw.drawn, unmapped=0.0, unmapped_text=""))


def _why_again(raw: RawPage) -> str | None:
    if hardly_letters(raw.text):
        return "has hardly any letters"
    return "is not to be trusted" if why_distrusted(raw.text, raw.drawn.unmapped, raw.drawn.unmapped_text) else None


def _readings(indices: Iterable[int], path: Path, options: Options) -> Iterator[tuple[int, str]]:
    with _opened(path, options) as reader:
        for index in indices if reader else ():
            text = _reading(reader, index)
            if text and is_clearly_text(text):
                yield index, text


def _reading(reader: Any, index: int) -> str:
    """The page's text, where its fonts say what their characters are; "" otherwise."""
    try:
        page = reader.pages[index]
        return str(page.extract_text()) if any(map(_says_its_characters, _fonts(page))) else ""
    except MemoryError:
        raise
    except Exception:  # on a damaged page pypdf raises any error
        return ""


def _fonts(page: Any) -> Iterator[Any]:
    resources = page.get("/Resources", {}).get_object()
    return (font.get_object() for font in resources.get("/Font", {}).get_object().values())


def _says_its_characters(font: Any) -> bool:
    """Not a font of glyph numbers, or of a character map that pypdf does not know: it would take them for UTF-16."""
    encoding = font.get("/Encoding")
    return "/ToUnicode" in font or font.get("/Subtype") != "/Type0" or MAPS.fullmatch(str(encoding)) is not None


@contextmanager
def _opened(path: Path, options: Options) -> Iterator[Any]:
    import logging

    import pypdf

    logging.getLogger(pypdf.__name__).setLevel(logging.CRITICAL)
    with path.open("rb") as stream:
        yield _reader(pypdf, stream, path, options)


def _reader(pypdf: Any, stream: Any, path: Path, options: Options) -> Any | None:
    from extractors.pdf.engine_pdfium import unlocked

    try:
        reader = pypdf.PdfReader(stream)
        reader = pypdf.PdfReader(unlocked(path, options)) if reader.is_encrypted else reader
        if may_nest(path):
            empty_endless_drawings(reader)
        return reader
    except MemoryError:
        raise
    except Exception:  # pypdf lets any error escape on a damaged file, which pdfium could read
        return None
