"""A chunker: every line is a chunk."""

from embeddings.base import Tokenizer
from extractors import Document
from pipeline import Chunk


def lines(document: Document, tokenizer: Tokenizer, max_tokens: int, overlap_tokens: int) -> list[Chunk]:
    """Cut at line ends; what is too long for the model is left to the model's tokenizer to find."""
    chunks, start = list[Chunk](), 0
    for line in document.text.splitlines(keepends=True):
        text = line.strip()
        if text:
            begin = start + line.index(text)
            tokens = tokenizer.count([text])[0]
            chunks.append(Chunk(len(chunks), text, begin, begin + len(text), None, None, (), (), tokens))
        start += len(line)
    return chunks
