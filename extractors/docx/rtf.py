r"""The text of RTF within a Word file, line by line: `{\rtf1\ansi Gr\'fc\'dfe\par}` is "Grüße".

Pictures, embedded objects, headers and hidden text of the RTF are left out.
"""

from __future__ import annotations

import codecs
import re
from collections.abc import Iterator
from dataclasses import dataclass, replace

from extractors.docx.blocks import CELL_SEPARATOR, Block
from extractors.errors import Corrupt

__all__ = ["rtf_blocks"]

MAX_DEPTH = 1000
TOKEN = re.compile(
    rb"\\(?:(?P<word>[A-Za-z]{1,32})(?P<number>-?\d{1,10})? ?|'(?P<hex>[0-9A-Fa-f]{2})|(?P<sign>[^A-Za-z]))"
    rb"|(?P<brace>[{}])|[\r\n\0]+|(?P<text>[^\\{}\r\n\0]+)",
    re.DOTALL,
)
UNREAD = frozenset((
    "fonttbl", "colortbl", "stylesheet", "info", "pict", "object", "header", "headerl", "headerr", "headerf", "footer",
    "footerl", "footerr", "footerf", "fldinst", "nonshppict", "themedata", "colorschememapping", "datastore",
    "latentstyles", "listtable", "listoverridetable", "revtbl", "rsidtbl", "generator", "xmlnstbl", "filetbl",
))  # fmt: skip
SHOWN = frozenset(("shppict", "shpinst", "shptxt", "pntext", "listtext", "nesttableprops"))
"""Groups marked as optional whose text is shown all the same."""
SIGNS = {
    "tab": "\t", "line": "\n", "emdash": "—", "endash": "–", "bullet": "•", "lquote": "‘", "rquote": "’",
    "emspace": " ", "ldblquote": "“", "rdblquote": "”", "enspace": " ", "footnote": " ",
    "~": "\u00a0", "_": "-", "\\": "\\", "{": "{", "}": "}",
}  # fmt: skip
CODE_PAGES = {
    128: "cp932", 129: "cp949", 130: "johab", 134: "gb18030", 136: "big5", 161: "cp1253", 162: "cp1254", 163: "cp1258",
    177: "cp1255", 178: "cp1256", 186: "cp1257", 204: "cp1251", 222: "cp874", 238: "cp1250", 77: "mac-roman",
}  # fmt: skip
"""Code pages by the character set of a font."""
FONT = re.compile(rb"\\f(\d{1,6})\b[^{};]{0,200}?\\fcharset(\d{1,3})")


@dataclass(frozen=True, slots=True)
class _State:
    r"""What a group inherits: whether it is shown, its code page, and how many characters stand in for `\u`."""

    is_shown: bool = True
    code_page: str = "cp1252"
    replacement: int = 1


def rtf_blocks(content: bytes) -> list[Block]:
    """Return the paragraphs and the rows of tables of an RTF document.

    Raises:
        Corrupt: its groups are nested too deep.
    """
    return list(_Reader(content).blocks())


class _Reader:
    """Reads an RTF document from its beginning to its end."""

    def __init__(self, content: bytes) -> None:
        self._content = content
        pages = {int(font): CODE_PAGES.get(int(charset)) for font, charset in FONT.findall(content)}
        self._fonts = {font: page for font, page in pages.items() if page}
        self._usual = "cp1252"
        self._states = [_State()]
        self._line: list[str] = []
        self._bytes = bytearray()
        self._cells: list[str] = []
        self._in_table = False
        self._to_skip = 0

    def blocks(self) -> Iterator[Block]:
        """Yield the blocks."""
        position, is_optional = 0, False
        while match := TOKEN.match(self._content, position):
            position = match.end()
            word = match["word"].decode("ascii") if match["word"] else ""
            if word == "bin":
                position += max(0, int(match["number"] or 0))
            elif match["brace"]:
                self._group(match["brace"] == b"{")
            elif match["sign"] == b"*":
                is_optional = True
                continue
            elif word and (word in UNREAD or (is_optional and word not in SHOWN)):
                self._set(is_shown=False)
            elif word in ("par", "sect", "page", "cell", "nestcell", "row", "nestrow") and self._states[-1].is_shown:
                yield from self._end(word)
            else:
                self._say(match, word)
            is_optional = False
        self._in_table = False
        yield from self._end("par")

    def _group(self, begins: bool) -> None:
        self._flush()
        if begins and len(self._states) > MAX_DEPTH:
            raise Corrupt("The groups of the RTF are nested too deep.")
        if begins:
            self._states.append(self._states[-1])
        elif len(self._states) > 1:
            self._states.pop()

    def _set(self, **changes: bool | str | int) -> None:
        self._flush()
        self._states[-1] = replace(self._states[-1], **changes)  # type: ignore[arg-type]

    def _say(self, match: re.Match[bytes], word: str) -> None:
        number = int(match["number"]) if match["number"] else None
        if word == "u" and number is not None:
            self._flush()
            self._emit(chr(number & 0xFFFF))
            self._to_skip = self._states[-1].replacement
        elif word:
            self._command(word, number)
        elif match["sign"]:
            self._flush()
            self._emit(SIGNS.get(match["sign"].decode("latin-1"), ""))
        elif match["hex"] or match["text"]:
            self._take(bytes.fromhex(match["hex"].decode()) if match["hex"] else match["text"])

    def _command(self, word: str, number: int | None) -> None:
        if word == "ansicpg" and number and _is_codec(f"cp{number}"):
            self._usual = f"cp{number}"
            self._set(code_page=self._usual)
        elif word == "f" and number is not None:
            self._set(code_page=self._fonts.get(number, self._usual))
        elif word == "uc" and number is not None:
            self._set(replacement=min(max(number, 0), 9))
        elif word in ("intbl", "pard"):
            self._in_table = word == "intbl"
        elif word in ("v", "deleted"):
            self._set(is_shown=number == 0)
        elif word in SIGNS:
            self._flush()
            self._emit(SIGNS[word])

    def _take(self, data: bytes) -> None:
        r"""Keep bytes, but for those that stand in for a character that `\u` has given."""
        skipped = min(self._to_skip, len(data))
        self._to_skip -= skipped
        self._bytes += data[skipped:]

    def _flush(self) -> None:
        """Decode the bytes so far: a character of two bytes may come in two pieces, but not over a command."""
        text, self._bytes = self._bytes.decode(self._states[-1].code_page, "replace"), bytearray()
        self._emit(text)

    def _emit(self, text: str) -> None:
        if self._states[-1].is_shown:
            self._line.append(text)

    def _end(self, word: str) -> Iterator[Block]:
        self._flush()
        self._to_skip = 0
        text = "".join(self._line).encode("utf-16", "surrogatepass").decode("utf-16", "replace").strip()
        if word in ("par", "sect", "page") and not (self._cells or self._in_table):
            self._line = []
            if text:
                yield Block(text.replace("\f", " ").replace("\v", " "))
        elif word in ("cell", "nestcell"):
            self._cells.append(" ".join(text.split()))
            self._line = []
        elif word in ("row", "nestrow"):
            row, self._cells, self._line = CELL_SEPARATOR.join(self._cells), [], []
            self._in_table = False
            yield Block(row, None, "rtf")
        else:
            self._line.append(" ")


def _is_codec(name: str) -> bool:
    try:
        return codecs.lookup(name) is not None
    except LookupError:
        return False
