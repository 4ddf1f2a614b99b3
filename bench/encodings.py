"""Measure in how many encodings a text is read exactly: every code page that Python has, in the languages it is for.

    python bench/encodings.py [--show N]

The texts are made of `encoding_sentences.tsv`, in lengths of 20, 200 and 5,000 characters, and are not ASCII; then
windows of 20 characters of German phrases in Windows-1252. A file counts if its whole text is right. It needs no
service.

Exit code: 0, or 1 if fewer than .98 of the files or .95 of the German windows are exact.
"""

from __future__ import annotations

import argparse
import random
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

from extractors.encodings.detect import decode

HERE = Path(__file__).resolve().parent
SENTENCES = HERE / "encoding_sentences.tsv"
GERMAN = HERE.parent / "tests" / "data" / "german_phrases.txt"
LENGTHS = {20: 6, 200: 2, 5000: 1}
"""Characters of a file, and how many of them are made for each code page and language."""

WEST = "de fr es pt it nl da sv no fi is"
CENTRAL = "pl cs sk sl hr hu"
CYRILLIC = "ru uk bg be mk sr"
PAGES = {
    "cp1252 latin_1 iso8859_15 cp850 cp858 mac_roman": WEST,
    "cp437 hp_roman8": "de fr es it sv",
    "cp860": "pt",
    "cp861 mac_iceland": "is",
    "cp863": "fr",
    "cp865": "da no",
    "iso8859_10": "is sv no da",
    "iso8859_14": "ga",
    "cp1250 iso8859_2 cp852 mac_latin2": CENTRAL,
    "iso8859_16 mac_romanian": "ro",
    "mac_croatian": "hr sl",
    "cp1257 iso8859_13 iso8859_4 cp775": "et lv lt",
    "cp1254 iso8859_9 cp857 mac_turkish cp1026": "tr",
    "iso8859_3": "eo mt tr",
    "cp1251 iso8859_5 cp855 mac_cyrillic": CYRILLIC,
    "cp866": "ru bg be",
    "koi8_r koi8_t": "ru",
    "koi8_u cp1125": "uk",
    "kz1048 ptcp154": "kk",
    "cp1253 iso8859_7 cp737 cp869 mac_greek cp875": "el",
    "cp1255 iso8859_8 cp862 cp856 cp424": "he",
    "cp1256": "ar fa",
    "iso8859_6 cp720 cp864": "ar",
    "cp1258": "vi",
    "cp874 tis_620 iso8859_11": "th",
    "gb2312 gbk gb18030 hz": "zh",
    "big5 cp950 big5hkscs": "zh-hant",
    "shift_jis cp932 shift_jis_2004 shift_jisx0213 euc_jp euc_jis_2004 euc_jisx0213": "ja",
    "iso2022_jp iso2022_jp_1 iso2022_jp_2 iso2022_jp_3 iso2022_jp_2004 iso2022_jp_ext": "ja",
    "euc_kr cp949 johab iso2022_kr": "ko",
    "cp037 cp500 cp1140": "de fr es it",
    "cp273": "de",
    "utf_7 utf_16 utf_16_le utf_16_be utf_32 utf_8_sig": "de fr ru ja zh ko",
}


def main() -> int:
    """Measure, print and return the exit code."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--show", type=int, default=0, help="print so many texts that were not read exactly")
    show = parser.parse_args().show
    exact: dict[tuple[str, int], list[bool]] = defaultdict(list)
    for page, language, size, text in files():
        decoded = decode(text.encode(page))
        right = decoded is not None and decoded.text == text
        exact[page, size].append(right)
        if not right and show > 0:
            show -= 1
            print(f"{page}, {language}: {text[:40]!r} was read as {decoded and (decoded.encoding, decoded.text[:40])}")
    return 0 if print_table(exact) >= 0.98 and print_german() >= 0.95 else 1


def files() -> Iterator[tuple[str, str, int, str]]:
    """Yield code page, language, size and text of every file; one that a code page cannot write is left out."""
    sentences: dict[str, list[str]] = defaultdict(list)
    for row in SENTENCES.read_text("utf-8").splitlines():
        language, sentence = row.split("\t")
        sentences[language].append(sentence)
    for pages, languages in PAGES.items():
        for page in pages.split():
            for language in languages.split():
                usable = [sentence for sentence in sentences[language] if fits(sentence, page)]
                for size, count in LENGTHS.items():
                    yield from ((page, language, size, text) for text in texts(usable, size, count) if fits(text, page))


def fits(text: str, page: str) -> bool:
    """Whether the code page can write the text and reads it the same."""
    try:
        return text.encode(page).decode(page) == text
    except UnicodeError:
        return False


def texts(sentences: list[str], size: int, count: int) -> Iterator[str]:
    """Yield texts of this size that begin with a word and are not ASCII."""
    if not sentences:
        return
    random_ = random.Random(f"{sentences[0]} {size}")
    while count:
        chosen = [random_.choice(sentences) for _ in range(size // 40 + 2)]
        words = (" " if size < 100 else "\n").join(chosen)
        start = random_.choice([0, *(at + 1 for at, char in enumerate(words[: len(chosen[0])]) if char == " ")])
        text = words[start : start + size].strip()
        if not text.isascii():
            count -= 1
            yield text


def print_table(exact: dict[tuple[str, int], list[bool]]) -> float:
    """Print the exact files of each code page by size, and return their share of all."""
    print("| code page |", " | ".join(f"{size:,}" for size in LENGTHS), "|\n|---|" + "--:|" * len(LENGTHS))
    for page in dict.fromkeys(page for page, _ in exact):
        cells = (exact.get((page, size), []) for size in LENGTHS)
        print(f"| {page} |", " | ".join(f"{sum(cell)} of {len(cell)}" for cell in cells), "|")
    for size in LENGTHS:
        found = [one for (_, length), cell in exact.items() for one in cell if length == size]
        print(f"{size:,} characters: {sum(found)} of {len(found)} exact, {sum(found) / len(found):.3f}")
    found = [one for cell in exact.values() for one in cell]
    print(f"All: {sum(found)} of {len(found)} exact, {sum(found) / len(found):.3f}")
    return sum(found) / len(found)


def print_german() -> float:
    """Print and return the share of windows of 20 characters of German phrases that are read exactly."""
    words = " ".join(GERMAN.read_text("utf-8").splitlines())
    windows = [words[at : at + 20] for at in range(len(words) - 20) if not words[at : at + 20].isascii()]
    read = [decode(window.encode("cp1252")) for window in windows]
    right = sum(one is not None and one.text == window for one, window in zip(read, windows, strict=True))
    print(f"German windows of 20 characters in Windows-1252: {right} of {len(windows)}, {right / len(windows):.3f}")
    return right / len(windows)


if __name__ == "__main__":
    raise SystemExit(main())
