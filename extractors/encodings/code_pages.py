"""Choose the code page of a text: each that decodes it is judged by how well the text then reads."""

from __future__ import annotations

import codecs
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass

from extractors.encodings.letters import is_wide, letters_of
from extractors.encodings.shapes import shape
from extractors.encodings.thai import syllables

__all__ = ["CODECS", "EBCDIC", "UTF16", "Reading", "is_hebrew_of_mainframes", "readings"]

WEST = "en de fr es it pt nl da sv no fi is ga cy br sq"
CENTRAL = "pl cs sk sl hr hu ro"
CYRILLIC = "ru uk bg be mk sr"
BALTIC = "et lv lt"

CODECS = {
    "cp1252": (0.0, WEST),
    "iso8859-15": (-1.0, WEST),
    "iso8859-1": (-1.0, WEST),
    "cp850": (-1.5, WEST),
    "cp437": (-1.8, WEST),
    "mac-roman": (-1.8, WEST),
    "cp858": (-2.2, WEST),
    "hp-roman8": (-3.5, WEST),
    "cp860": (-2.5, "pt"),
    "cp861": (-2.5, "is"),
    "cp863": (-2.5, "fr"),
    "cp865": (-2.3, "da no sv"),
    "mac-iceland": (-2.7, "is"),
    "iso8859-10": (-3.0, "is lt sv no da fi"),
    "iso8859-14": (-3.0, "ga cy"),
    "cp1250": (-1.0, CENTRAL),
    "iso8859-2": (-1.2, CENTRAL),
    "cp852": (-1.5, CENTRAL),
    "mac-latin2": (-2.5, CENTRAL),
    "iso8859-16": (-2.5, CENTRAL),
    "mac-croatian": (-2.7, "hr sl"),
    "mac-romanian": (-2.7, "ro"),
    "cp1257": (-1.5, BALTIC),
    "iso8859-13": (-2.0, BALTIC),
    "iso8859-4": (-2.5, BALTIC),
    "cp775": (-2.5, BALTIC),
    "cp1254": (-1.0, "tr"),
    "iso8859-9": (-1.2, "tr"),
    "cp857": (-2.0, "tr"),
    "mac-turkish": (-2.5, "tr"),
    "iso8859-3": (-2.5, "eo mt tr"),
    "cp1251": (-0.7, CYRILLIC),
    "koi8-r": (-1.2, "ru bg"),
    "koi8-u": (-1.5, "uk ru be"),
    "iso8859-5": (-1.5, CYRILLIC),
    "cp866": (-1.5, "ru bg be uk"),
    "mac-cyrillic": (-2.2, CYRILLIC),
    "cp855": (-2.5, CYRILLIC),
    "cp1125": (-3.0, "uk ru"),
    "kz1048": (-2.5, "kk ru"),
    "koi8-t": (-3.0, "tg ru"),
    "ptcp154": (-3.5, "kk ru"),
    "cp1253": (-1.0, "el"),
    "iso8859-7": (-1.2, "el"),
    "cp737": (-2.0, "el"),
    "cp869": (-2.5, "el"),
    "mac-greek": (-2.5, "el"),
    "cp1255": (-1.0, "he"),
    "iso8859-8": (-1.5, "he"),
    "cp862": (-2.0, "he"),
    "cp856": (-3.0, "he"),
    "cp1256": (-1.0, "ar fa ur"),
    "iso8859-6": (-1.5, "ar"),
    "cp720": (-2.5, "ar fa"),
    "cp864": (-2.5, "ar"),
    "cp1006": (-4.0, "ur"),
    "cp1258": (-1.5, "vi"),
    "cp874": (-1.0, "th"),
    "gb18030": (-0.5, "zh zh-hant"),
    "cp950": (-0.8, "zh-hant"),
    "big5hkscs": (-2.0, "zh-hant"),
    "cp932": (-0.5, "ja"),
    "euc_jp": (-0.9, "ja"),
    "euc_jis_2004": (-2.5, "ja"),
    "shift_jis_2004": (-3.0, "ja"),
    "cp949": (-0.7, "ko"),
    "johab": (-2.5, "ko"),
}
"""The logarithm of how common a code page is, against Windows-1252, and the languages that it is for."""

EBCDIC = {
    "cp037": (-0.5, WEST),
    "cp500": (-0.7, WEST),
    "cp273": (-0.7, "de"),
    "cp1140": (-1.0, WEST),
    "cp1026": (-1.5, "tr"),
    "cp424": (-1.5, "he"),
    "cp875": (-1.5, "el"),
}
"""Code pages of mainframes, where byte 0x40 is a space and 0x20 a control character."""

UTF16 = {"utf-16-le": (-4.0, "zh zh-hant ja ko"), "utf-16-be": (-4.0, "zh zh-hant ja ko")}
"""Without a byte order mark and without a character of ASCII, whose NUL bytes would tell."""

MIN_EBCDIC = 8
FEW_LETTERS, FEW_BYTES = -4.0, 2
ONLY_UMLAUTS, MANY_UMLAUTS, UMLAUTS = 40.0, 5, frozenset("äöüÄÖÜß")
LATIN = frozenset(f"{WEST} {CENTRAL} {BALTIC} tr eo mt vi".split())
SURE_HEBREW = 15.0
"""By so much Hebrew must be likelier than ASCII: text of capitals and @ is rare, but cp424 is rarer."""

LANGUAGES = dict.fromkeys(["de", "en", "fr", "es", "it", "pt", "ru", "zh", "ja"], 0.0)
LANGUAGES |= dict.fromkeys(["ga", "cy", "br", "sq", "eo", "mt", "kk", "tg", "ur", "be", "mk"], -2.5)
OTHER_LANGUAGE, UNEXPECTED = -0.9, -8.0
"""The same for languages: one that is not in the table, and one that is not among those expected."""

ALIASES = {"nb": "no", "nn": "no", "sh": "sr", "bs": "hr", "iw": "he", "fo": "is", "ca": "es", "af": "nl"}
THAI_LETTER = 3.0
"""For each letter of a text whose Thai letters form syllables: the table holds few of the pairs of Thai."""


@dataclass(frozen=True, slots=True)
class Reading:
    """A text as some codecs read it, in the language that fits best; `score` is the logarithm of a probability.

    `codecs` are all that read it so, the most likely first.
    """

    score: float
    codecs: tuple[str, ...]
    language: str
    text: str


def readings(data: bytes, expected: Iterable[str] = (), is_cut: bool = False) -> list[Reading]:
    """Return every different reading of the bytes, the best first; codecs that read them alike count as one.

    Args:
        data: a text, or a sample of one.
        expected: the languages that texts are expected in, ISO 639-1; none expects any.
        is_cut: whether the last character may be incomplete; it counts for nothing.
    """
    wanted = {ALIASES.get(code.lower()[:2], code.lower()[:2]) for code in expected}
    ebcdic = len(data) >= MIN_EBCDIC and not (b" " in data or b"\n" in data)
    pages = CODECS | (EBCDIC if ebcdic else {}) | (UTF16 if len(data) >= MIN_EBCDIC else {})
    texts: dict[str, list[str]] = {}
    for codec in pages:
        if (text := _decoded(data, codec, is_cut)) is not None:
            texts.setdefault(text, []).append(codec)
    found = (_reading(text, {name: pages[name] for name in names}, wanted) for text, names in texts.items())
    return sorted(found, key=lambda one: -one.score)


def is_hebrew_of_mainframes(data: bytes) -> bool:
    """Whether ASCII bytes are Hebrew in cp424, where @ is the space and letters of ASCII are those of Hebrew."""
    if len(data) < 2 * MIN_EBCDIC or data.count(b"@") * 25 < len(data) or b" " in data or b"\n" in data:
        return False
    if (text := _decoded(data, "cp424")) is None:
        return False
    english = _reading(data.decode("ascii"), {"cp1252": CODECS["cp1252"]}, set())
    return _reading(text, {"cp424": EBCDIC["cp424"]}, set()).score > english.score + SURE_HEBREW


def _reading(text: str, pages: dict[str, tuple[float, str]], wanted: set[str]) -> Reading:
    pairs = Counter(zip(" " + text, text + " ", strict=True))
    letters, weigh_ascii = letters_of(pairs), pages.keys().isdisjoint(EBCDIC)
    served = {language for _, languages in pages.values() for language in languages.split()}
    scores = {language: letters.score(language, weigh_ascii) + _prior(language, wanted) for language in served}
    rows = [
        (prior + scores[language], codec, language)
        for codec, (prior, languages) in pages.items()
        for language in languages.split()
    ]
    rows.sort(key=lambda row: -row[0])
    best, _, language = rows[0]
    best += _of_few_letters(pairs, served) + (THAI_LETTER * syllables(text) if language == "th" else 0)
    return Reading(best + shape(pairs), tuple(dict.fromkeys(codec for _, codec, _ in rows)), language, text)


def _of_few_letters(pairs: Counter[tuple[str, str]], languages: set[str]) -> float:
    """What few letters say beyond how likely each is: of two or less, they are Latin; umlauts alone are German."""
    special = Counter[str]()
    for (_, here), count in pairs.items():
        if not here.isascii():
            special[here] += count
    if set(special) <= UMLAUTS and len(special) >= MANY_UMLAUTS:
        return ONLY_UMLAUTS
    size = sum(count * (2 if is_wide(char) else 1) for char, count in special.items())
    return FEW_LETTERS if size <= FEW_BYTES and languages.isdisjoint(LATIN) else 0.0


def _prior(language: str, wanted: set[str]) -> float:
    missing = UNEXPECTED if wanted and language[:2] not in wanted else 0.0
    return LANGUAGES.get(language, OTHER_LANGUAGE) + missing


def _decoded(data: bytes, codec: str, is_cut: bool = False) -> str | None:
    try:
        return codecs.getincrementaldecoder(codec)().decode(data, final=not is_cut)
    except (UnicodeError, LookupError):
        return None
