"""Word files: .docx, and the text of .docm and .dotx.

Text is in document order, headers before it and footers after it, each once. Pages are known only where
Word has laid the file out and recorded where they end; any other file yields one page without a number.
A paragraph, a list item and a table row is a line each (see `docx_writer`).
"""

from __future__ import annotations

from pathlib import Path

from extractors.document import Document
from extractors.docx.blocks import Block
from extractors.docx.body import BodyReader
from extractors.docx.chunks import EmbeddedReader
from extractors.docx.embedded import page_pictures, picture_sentence
from extractors.docx.package import is_encrypted_package, open_package
from extractors.docx.parts import WordParts
from extractors.docx.writer import Writer
from extractors.errors import Corrupt
from extractors.options import Options
from extractors.registry import DOCX, extractor

__all__ = ["extract_docx", "is_encrypted_package"]

MAX_SENTENCES = 100
CHARS_BESIDE_SCAN = 1000
"""With less text for each picture that fills a page, the pictures are taken for the content, as in a scan."""


@extractor(DOCX)
def extract_docx(path: Path, options: Options) -> Document:
    """Read a Word file.

    Raises:
        Encrypted: the file is behind a password.
        TooLarge: it inflates beyond the limits, or holds more text or pages than they allow.
        Corrupt: it is damaged, lacks a part, declares a DTD, or nests its elements too deep.
    """
    package = open_package(path, options)
    try:
        return _document(WordParts(package), options)
    except RecursionError:
        raise Corrupt("The Word file nests its elements too deep.") from None


def _document(parts: WordParts, options: Options) -> Document:
    embedded = EmbeddedReader(parts, options)
    writer = _written(parts, embedded, options)
    pages = writer.pages(options.max_pages)
    pictures = page_pictures(parts.body)
    shown = [picture_sentence(pictures)] if pictures else []
    are_content = sum(len(page.text) for page in pages) < pictures * CHARS_BESIDE_SCAN
    missing = _bounded([*parts.missing, *embedded.missing, *(shown if are_content else [])])
    return Document(
        media_type=DOCX,
        pages=pages,
        sections=writer.sections(),
        tables=writer.tables(),
        language=parts.metadata.get("language", "").split("-")[0].lower() or None,
        metadata=parts.metadata,
        warnings=tuple(dict.fromkeys((*missing, *shown, *parts.package.damaged, *writer.warnings))),
        missing=missing,
    )


def _written(parts: WordParts, embedded: EmbeddedReader, options: Options) -> Writer:
    """Read everything in its order: headers, the body, comments without a place, footers."""
    writer = Writer(options.max_chars, parts.is_laid_out)
    reader = BodyReader(parts, embedded.blocks)
    for text in dict.fromkeys(reader.story(part) for part in parts.beside("header")):
        writer.add(Block(text))
    for block in reader.blocks(parts.body):
        writer.add(block)
    writer.end_body()
    for block in reader.comments():
        writer.add(block)
    for text in dict.fromkeys(reader.story(part) for part in parts.beside("footer")):
        writer.add(Block(text))
    return writer


def _bounded(sentences: list[str]) -> tuple[str, ...]:
    """Each sentence once; of very many the first ones, and how many more there are."""
    different = list(dict.fromkeys(sentences))
    more = len(different) - MAX_SENTENCES
    return tuple(different) if more <= 0 else (*different[:MAX_SENTENCES], f"{more} more parts are not in the text.")
