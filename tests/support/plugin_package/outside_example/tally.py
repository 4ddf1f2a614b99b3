"""A format: lines like `name|||`, read as words."""

from pathlib import Path

from extractors import Document, Options, Page, extractor


@extractor("text/x-tally", suffixes=(".tally",), name="Tally")
def read_tally(path: Path, options: Options) -> Document:
    """Each line is a name and a stroke for each time it was seen."""
    lines = [line.strip() for line in path.read_text("utf-8").splitlines() if line.strip()]
    lines_of_text = [f"{line.rstrip('|')} was seen {line.count('|')} times." for line in lines]
    return Document("text/x-tally", (Page(None, "\n".join(lines_of_text)),))
