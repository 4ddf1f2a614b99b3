"""RSS and Atom feeds: a section for each entry, with its title, author, date and content."""

from __future__ import annotations

import html
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from extractors.document import Document, Page
from extractors.options import Options
from extractors.passages import Passages, one_line
from extractors.registry import extractor
from extractors.text.source_text import without_blobs
from extractors.xml.html_text import html_text, inner_html
from extractors.xml.tree import DAMAGED, child_texts, local, read_xml, text_of_element

__all__ = ["extract_atom", "extract_rss"]

ENTRIES = ("item", "entry")
TITLES, AUTHORS = ("title",), ("author", "creator", "managingEditor")
DATES = ("pubDate", "published", "date", "updated", "lastBuildDate")
CONTENTS = ("encoded", "content", "description", "summary", "subtitle", "tagline", "subject")
"""Elements with text that people read, the fullest first."""

TAG = re.compile(r"<[a-zA-Z/!][^>]*>|&(?:#\d+|#x[0-9a-fA-F]+|\w+);")


@extractor("application/rss+xml")
def extract_rss(path: Path, options: Options) -> Document:
    """Read an RSS feed: a section for each item.

    Raises:
        TooLarge: it cannot have fewer than `options.max_chars` characters.
        Unsupported: it is not text.
    """
    return _extract("application/rss+xml", path, options)


@extractor("application/atom+xml")
def extract_atom(path: Path, options: Options) -> Document:
    """Read an Atom feed: a section for each entry.

    Raises:
        TooLarge: it cannot have fewer than `options.max_chars` characters.
        Unsupported: it is not text.
    """
    return _extract("application/atom+xml", path, options)


def _extract(media_type: str, path: Path, options: Options) -> Document:
    source, root, damaged = read_xml(path, options)
    if root is None:
        plain = without_blobs(source)
        metadata = {"encoding": plain.encoding}
        return Document("text/plain", (Page(None, plain.text),), metadata=metadata, warnings=plain.warnings)
    passages = Passages()
    passages.warnings += source.warnings
    passages.missing += [DAMAGED] if damaged else []
    channel = next((child for child in root if local(child) == "channel"), root)
    title = next(map(_plain, child_texts(channel, *TITLES)), "")
    passages.add("\n".join(filter(None, _lines(channel))))
    for entry in _entries(root, channel):
        own = next(map(_plain, child_texts(entry, *TITLES)), "")
        passages.add("\n".join(filter(None, _lines(entry))), (title, own))
    return passages.document(media_type, {"title": title, "encoding": source.encoding})


def _entries(root: Any, channel: Any) -> Iterator[Any]:
    """The entries of the channel; RSS 1.0 has them beside it."""
    for parent in dict.fromkeys((channel, root)):
        yield from (child for child in parent if local(child) in ENTRIES)


def _lines(entry: Any) -> Iterator[str]:
    """Title; author and date; the fullest content and what the others add; categories."""
    yield next(map(_plain, child_texts(entry, *TITLES)), "")
    about = (*child_texts(entry, *AUTHORS), *list(child_texts(entry, *DATES))[:1])
    yield ", ".join(dict.fromkeys(about))
    yield from _contents(entry)
    categories = [*child_texts(entry, "category", "keywords"), *_terms(entry)]
    yield ", ".join(dict.fromkeys(map(_plain, categories)))


def _contents(entry: Any) -> Iterator[str]:
    shown: list[str] = []
    for name in CONTENTS:
        for child in entry:
            text = _content(child) if local(child) == name else ""
            flat = one_line(text)
            if flat and not any(flat.rstrip(".… []") in other for other in shown):
                shown.append(flat)
                yield text


def _content(element: Any) -> str:
    """The text of a content element: markup within it, or written as text, is HTML."""
    source = inner_html(element) if len(element) else element.text or ""
    source = source or "".join(element.itertext())
    return html_text(source) if TAG.search(source) else source.strip()


def _terms(entry: Any) -> Iterator[str]:
    """Categories of Atom stand in attributes."""
    for child in entry:
        if local(child) == "category" and not text_of_element(child):
            yield child.get("label") or child.get("term") or ""


def _plain(text: str) -> str:
    return one_line(html.unescape(re.sub(r"<[^<>]{1,200}>", "", text)))
