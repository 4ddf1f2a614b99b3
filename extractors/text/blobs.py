"""Find what stands in a text and is no text: pictures as `data:` URIs, base64, hexadecimal digits, minified code.

Words of any language, URLs, paths, numbers and single hashes are text, however long the line.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import pairwise
from string import ascii_lowercase, ascii_uppercase, digits

__all__ = ["MARK", "Blob", "blobs", "sentence", "without"]

MARK = "[data]"
"""Stands for what was left out."""

MIN_URI = 64
LONG_RUN = 200
"""Characters from which on a run is also judged by its words."""

MIXED, FEW_VOWELS, FEW_WORDS, WORDS = 0.42, 0.1, 0.35, 0.5

URI = re.compile(r"data:(?P<type>[\w.+-]{0,64}\\?/[\w.+-]{0,64})?(?:;\s?[\w.+-]{1,64}(?:=[\w.+\"-]{0,64})?){0,5},")
URI_BASE64 = re.compile(
    r"(?:[A-Za-z0-9+/=_%-]|\\[/n])*(?:[ \t]*\n[ \t]*[A-Za-z0-9+/]{40,}={0,2})*(?:[ \t]*\n[ \t]*[A-Za-z0-9+/]+={1,2})?"
)
URI_PLAIN = {
    '"': re.compile(r'[^"\n]*'),
    "'": re.compile(r"[^'\n]*"),
    "(": re.compile(r"[^)\s]*"),
    "<": re.compile(r"[^>\n]*"),
    "": re.compile(r"[^\s\"'<>)]*"),
}
"""What a URI that is not base64 may hold, by the character before it."""

SVG, SVG_END = re.compile(r"<svg\b"), "</svg>"
"""A picture as it stands, whose spaces and brackets do not end the URI; a blank line, or too many characters, do."""
MAX_DRAWING = 100_000

TOKEN = re.compile(r"eyJ[\w-]{8,}\.[\w-]{8,}\.[\w-]*")
UUENCODED = re.compile(r"^begin(?:-base64)? [0-7]{3,4} [^\n]+\n(?:[ -`]{1,100}\n)+(?:end|====)$", re.MULTILINE)
LINES = re.compile(
    r"(?:^[ \t>\"']*[A-Za-z0-9+/]{40,200}[\"',+ \t\\]{0,5}\n)+"
    r"^[ \t>\"']*(?:[A-Za-z0-9+/]{40,200}|[A-Za-z0-9+/]{2,200}={1,2})[\"',;+ \t\\]{0,5}$"
    r"(?:\n[ \t>]*[A-Za-z0-9+/]{2,76}={0,2}$(?=\s*(?:-----END|--|\Z)))?",
    re.MULTILINE,
)
HEX_ARRAY = re.compile(r"0x(?:[0-9A-Fa-f]{1,8},?\s{0,40}0x){63,}[0-9A-Fa-f]{1,8}")
HEX_PAIRS = re.compile(r"(?<![0-9A-Za-z])(?:(?:[0-9A-Fa-f]{2}[ \n]\s{0,20}){128,}|(?:[0-9A-Fa-f]{2}:\s{0,20}){128,})")
"""Pairs with one mark between them; addresses of network cards end at six."""
HEX = re.compile(r"(?<![0-9A-Za-z])[0-9A-Fa-f]{129,}(?![0-9A-Za-z])")
HEX_LINES = re.compile(r"^(?:[ \t]*[0-9A-Fa-f]{50,}\n){7,}[ \t]*[0-9A-Fa-f]{2,}\b", re.MULTILINE)
HEX_DUMP = re.compile(
    r"(?:(?>^[ \t]*(?:0x)?[0-9A-Fa-f]{4,16}:?[ \t]{1,4}(?:[0-9A-Fa-f]{2,8}[ \t]{1,4}){4,32}[^\n]{0,40}(?:\n|\Z))){8,}",
    re.MULTILINE,
)
"""Lines of an address, bytes, and the bytes as characters, as `hexdump`, `xxd` and debuggers print them."""
MAPPINGS = re.compile(r'(?<="mappings":)\s?"[A-Za-z0-9+/,;]{64,}"')
"""Which places of a source map belong together."""
LEAST_HEX_LETTERS = 0.1
"""Digits alone are numbers: of bytes, three in eight characters are letters."""
DIGESTS = (56, 64, 96, 128)
"""Characters of digests, which stand in lists."""
RUN = re.compile(r"[A-Za-z0-9+/_=-]{80,}")
RULE = re.compile(r"_{4,}|={4,}|-{4,}")
"""A line to write on in a form, or a row of marks; no part of a word, nor of base64."""
PLAIN_WORD = re.compile(r"[A-Z]?[a-z]{3,}|[A-Z]{4,}")
LONG_LINE = re.compile(r"^[^\n]{500,}", re.MULTILINE)
CODE = re.compile(r"\)\{|\};|=>|&&|\|\||\bfunction\b|\breturn\b|!0|!1|\bvoid 0\b|[\w%\])]\}[.#@\w*:]|;[\w-]+:|\.\w+\(")
CLASSES = str.maketrans(ascii_uppercase + ascii_lowercase + digits, "u" * 26 + "l" * 26 + "d" * 10)


@dataclass(frozen=True, slots=True)
class Blob:
    """A span of a text that is no text, and what it is, in the singular."""

    start: int
    end: int
    kind: str


def blobs(text: str) -> list[Blob]:
    """Return the blobs of a text, in order; none overlaps another."""
    kept: list[Blob] = []
    for blob in sorted(_found(text), key=lambda one: (one.start, -one.end)):
        if not kept or blob.start >= kept[-1].end:
            kept.append(blob)
    return kept


def without(text: str, found: Iterable[Blob]) -> str:
    """The text with `MARK` in the place of each blob and the blob's line ends after it: lines keep their numbers.

    Empty where nothing but marks would be left.
    """
    pieces, position = list[str](), 0
    for blob in found:
        pieces += [text[position : blob.start], MARK, "\n" * text.count("\n", blob.start, blob.end)]
        position = blob.end
    pieces.append(text[position:])
    kept = "".join(pieces)
    return kept if kept.replace(MARK, "").strip() else ""


def sentence(found: Iterable[Blob]) -> str:
    """Say how much was left out: a sentence for the warnings of a document."""
    count, size = dict[str, int](), dict[str, int]()
    for blob in found:
        count[blob.kind] = count.get(blob.kind, 0) + 1
        size[blob.kind] = size.get(blob.kind, 0) + blob.end - blob.start
    parts = (f"{size[kind]:,} characters of {n} {KINDS[kind] if n > 1 else kind}" for kind, n in count.items())
    return f"Left out: {', '.join(parts)}."


PICTURE, FILE = "picture given as data: URI", "file given as data: URI"
ENCODED, DIGITS, CODED, STRING = (
    "encoded run",
    "run of hexadecimal digits",
    "line of minified code",
    "string of no words",
)
KINDS = {
    PICTURE: "pictures given as data: URI",
    FILE: "files given as data: URI",
    ENCODED: "encoded runs",
    DIGITS: "runs of hexadecimal digits",
    CODED: "lines of minified code",
    STRING: "strings of no words",
}
"""Each kind in the singular and in the plural."""

PATTERNS = ((TOKEN, ENCODED), (UUENCODED, ENCODED), (MAPPINGS, ENCODED), (HEX_ARRAY, DIGITS))
HEX_PATTERNS = (HEX_PAIRS, HEX, HEX_LINES, HEX_DUMP)


def _found(text: str) -> Iterator[Blob]:
    yield from _uris(text)
    for pattern, kind in PATTERNS:
        yield from (Blob(match.start(), match.end(), kind) for match in pattern.finditer(text))
    for pattern in HEX_PATTERNS:
        for match in pattern.finditer(text):
            if _are_bytes(match[0]):
                yield Blob(match.start(), match.start() + len(match[0].rstrip()), DIGITS)
    for match in LINES.finditer(text):
        if _mixed(re.sub(r"[\s>\"',\\]", "", match[0])):
            yield Blob(match.start() + len(match[0]) - len(match[0].lstrip()), match.end(), ENCODED)
    for match in RUN.finditer(text):
        if found := _kind_of_run(match[0]):
            yield Blob(match.start(), match.end(), found)
    yield from (Blob(match.start(), match.end(), CODED) for match in LONG_LINE.finditer(text) if _minified(match[0]))


def _uris(text: str) -> Iterator[Blob]:
    position, drawing_end = 0, text.find(SVG_END)
    while match := URI.search(text, position):
        before = text[match.start() - 1 : match.start()]
        plain = URI_PLAIN.get(before, URI_PLAIN[""])
        if -1 < drawing_end < match.end():  # searched for once, as each of many URIs may lack it
            drawing_end = text.find(SVG_END, match.end())
        payload = (URI_BASE64 if "base64" in match[0] else plain).match(text, match.end())
        position = payload.end() if payload else match.end()
        if before == "(" and _is_drawing(text, match.end(), drawing_end):
            position = drawing_end + len(SVG_END)
        if position - match.start() >= MIN_URI:
            picture = (match["type"] or "").startswith("image")
            yield Blob(match.start(), position, PICTURE if picture else FILE)


def _is_drawing(text: str, start: int, end: int) -> bool:
    """Whether an SVG picture stands from one place to the other; `end` is negative where none ends."""
    return start < end < start + MAX_DRAWING and SVG.match(text, start) is not None and "\n\n" not in text[start:end]


def _are_bytes(digits: str) -> bool:
    """Whether hexadecimal digits are bytes: neither decimal numbers nor a list of digests."""
    letters = sum(map(digits.count, "abcdefABCDEF"))
    lengths = {len(line.strip()) for line in digits.split("\n")}
    return letters > LEAST_HEX_LETTERS * len(digits) and not (len(lengths) == 1 and lengths < set(DIGESTS))


def _kind_of_run(run: str) -> str | None:
    """What a run of letters, digits and the marks of base64 is, if it is no word, identifier or path."""
    run = RULE.sub("", run)
    if len(set(run)) <= 4 or run.isdigit():  # a rule, a sequence of bases, a number
        return None
    words = sum(len(word) for word in PLAIN_WORD.findall(run) if _pronounceable(word))
    if _mixed(run) and words < FEW_WORDS * len(run):
        return ENCODED
    letters = [char for char in run.lower() if char.isalpha()]
    vowels = sum(char in "aeiouy" for char in letters)
    if len(letters) * 2 > len(run) and vowels < FEW_VOWELS * len(letters):
        return STRING
    return STRING if len(run) >= LONG_RUN and words < WORDS * len(run) else None


def _mixed(run: str) -> bool:
    """Whether capitals, small letters and digits change as often as in base64, where words keep to one for a while."""
    classes = run.translate(CLASSES)
    changes = sum(a != b for a, b in pairwise(classes))
    return changes >= MIXED * len(run) and {"l", "u"} <= set(classes)


def _pronounceable(word: str) -> bool:
    vowels = sum(char in "aeiouyAEIOUY" for char in word)
    return len(set(word)) > 2 and 0.15 * len(word) <= vowels <= 0.75 * len(word)


def _minified(line: str) -> bool:
    """Code without spaces: few blanks, many marks, and what only programs and style sheets hold."""
    blanks = line.count(" ") + line.count("\t")
    marks = sum(map(line.count, "{}();=,.:!&|?+[]"))
    return blanks < 0.08 * len(line) and marks > 0.12 * len(line) and len(CODE.findall(line)) > len(line) / 60
