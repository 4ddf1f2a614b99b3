"""What is no text is left out of a text file, with a warning; words of every language, URLs and hashes stay."""

from __future__ import annotations

import json
from base64 import b64encode, encodebytes, urlsafe_b64encode
from binascii import b2a_uu
from hashlib import sha512
from itertools import pairwise
from pathlib import Path
from random import Random
from textwrap import wrap

import pytest
from hypothesis import given
from hypothesis import strategies as st

from extractors import extract
from extractors.text.blobs import MARK, blobs, without

RANDOM = Random(2)
PNG = Random(1).randbytes(3000)
ENCODED = b64encode(PNG).decode()
WRAPPED = encodebytes(PNG).decode()
URI = f"data:image/png;base64,{ENCODED}"
JWT = ".".join(
    urlsafe_b64encode(part.encode()).decode().rstrip("=")
    for part in (json.dumps({"alg": "HS256", "typ": "JWT"}), json.dumps({"sub": "17", "name": "Ada"}), "x" * 32)
)
UU = "begin 644 plan.png\n" + "".join(b2a_uu(PNG[at : at + 45]).decode() for at in range(0, 900, 45)) + "`\nend"
SVG = "data:image/svg+xml;utf8,<svg xmlns='http://www.w3.org/2000/svg'><path d='M0 0L9 9z'/></svg>"
HEXDUMP = "\n".join(f"{at:08x}  {PNG[at : at + 16].hex(' ')}  |{'.' * 16}|" for at in range(0, 320, 16))
XXD = "\n".join(f"{at:08x}: {PNG[at : at + 16].hex(' ', 2)}  {'.' * 16}" for at in range(0, 320, 16))
CODE = "!function(e,t){var n=e.a;if(n&&t){return n.map(function(r){return r.b||t(r)})}};" * 20
STYLE = ".a{color:red;margin:0}.b>.c{padding:0 1px;border:0}#d{top:1px}" * 20

LEFT_OUT = {
    "inline picture": (f"![plan]({URI}) yes", "picture given as data: URI"),
    "reference picture": (f"![plan][1]\n\n[1]: {URI}\n\nyes", "picture given as data: URI"),
    "reference in angle brackets": (f"[1]: <{URI}> yes", "picture given as data: URI"),
    "HTML in a text": (f'<img alt="plan" src="{URI}"> yes', "picture given as data: URI"),
    "style sheet": (f"a {{ background: url({URI}) }} yes", "picture given as data: URI"),
    "JSON": (json.dumps({"icon": URI, "ok": "yes"}), "picture given as data: URI"),
    "wrapped URI": (f"[1]: data:image/png;base64,\n{WRAPPED}\nyes", "picture given as data: URI"),
    "vector picture": (f'url("{SVG}") yes', "picture given as data: URI"),
    "font": (f"src: url(data:font/woff2;base64,{ENCODED}) yes", "file given as data: URI"),
    "certificate": (f"-----BEGIN CERTIFICATE-----\n{WRAPPED}-----END CERTIFICATE-----\nyes", "encoded run"),
    "MIME part": (f"Content-Transfer-Encoding: base64\n\n{WRAPPED}\n--part--\nyes", "encoded run"),
    "quoted lines": ("".join(f"> {line}\n" for line in WRAPPED.splitlines()) + "\nyes", "encoded run"),
    "one long run": (f"key = {ENCODED} yes", "encoded run"),
    "token": (f"Authorization: Bearer {JWT} yes", "encoded run"),
    "uuencoded": (f"{UU}\nyes", "encoded run"),
    "hexadecimal": (f"dump {PNG.hex()} yes", "run of hexadecimal digits"),
    "hexadecimal pairs": (f"dump {PNG[:400].hex(' ')} yes", "run of hexadecimal digits"),
    "array": ("{" + ", ".join(f"0x{byte:02x}" for byte in PNG[:200]) + "} yes", "run of hexadecimal digits"),
    "hexdump": (f"dump\n{HEXDUMP}\nyes", "run of hexadecimal digits"),
    "xxd": (f"dump\n{XXD}\nyes", "run of hexadecimal digits"),
    "source map": (json.dumps({"mappings": "AAAA,CAAC,SAASA;" * 20, "ok": "yes"}), "encoded run"),
    "vector picture in brackets": (f"![plan]({SVG}) yes", "picture given as data: URI"),
    "minified code": (f"yes\n{CODE}\n", "line of minified code"),
    "minified style": (f"yes\n{STYLE}\n", "line of minified code"),
    "no vowels": ("yes " + "bcdfghjklmnpqrstvwxz" * 5, "string of no words"),
}

KEPT = {
    "a few lines of a dump": HEXDUMP[: HEXDUMP.index("00000070")],
    "a table of numbers": "\n".join(f"{year} 12 34 56 78 90 11 {year % 97}" for year in range(1950, 2020)),
    "German": "Donaudampfschifffahrtselektrizitätenhauptbetriebswerkbauunterbeamtengesellschaft",
    "Finnish": "lentokonesuihkuturbiinimoottoriapumekaanikkoaliupseerioppilas",
    "Welsh": "Llanfairpwllgwyngyllgogerychwyrndrobwllllantysiliogogogoch",
    "chemistry": "methionylthreonylthreonylglutaminylarginyltyrosylglutamylserylleucylphenylalanylalanylglutaminyl",
    "bases": "ACGTTGCAACGTAGCTAGCTAGGATCGATCGATTTAGC" * 8,
    "rule": "=" * 300 + "\n" + "_" * 200 + "\n" + "-" * 120 + "\n" + "+---+---+" * 30,
    "symbols": "_ZNKSt7__cxx118time_getIcSt19istreambuf_iteratorIcSt11char_traitsIcEEE",
    "hash": sha512(b"x").hexdigest(),
    "path": "/usr/share/documentation/installation-guide/german/appendix/partitioning/recommended/scheme/index",
    "address": "https://example.org/" + "catalogue-of-spare-parts/" * 8 + "?page=12&sort=name#results",
    "identifier": "AbstractSingletonProxyFactoryBeanWithAnnotationAwareTransactionAttributeSourceAdvisorBuilder" * 3,
    "snake": "the_quick_brown_fox_jumps_over_the_lazy_dog_" * 8,
    "Chinese": "船停在码头上，春天以前请不要动它，谢谢合作。" * 60,
    "Thai": "เรือจอดอยู่ที่ท่าเรือห้ามผู้ใดแตะต้องจนถึงฤดูร้อน" * 40,
    "row": ",".join(f"{n}.5" for n in range(400)),
    "records on one line": json.dumps(
        [{"id": n, "name": "valve", "ok": True} for n in range(60)], separators=(",", ":")
    ),
    "speech of data": "The data: a table, of which more below; data:text/plain,short is one, too.",
    "key": "AKIAIOSFODNN7EXAMPLE wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY",
    "list of hashes": "\n".join(sha512(bytes([n])).hexdigest()[:64] + f"  file{n}.bin" for n in range(20)),
}


def _read(folder: Path, text: str, name: str = "a.md") -> tuple[str, tuple[str, ...]]:
    path = folder / name
    path.write_text(text, "utf-8")
    document = extract(path)
    assert document.missing == ()
    return document.text, document.warnings


@pytest.mark.parametrize("kind", LEFT_OUT)
def test_what_is_no_text_is_left_out_with_a_warning(tmp_path: Path, kind: str) -> None:
    source, named = LEFT_OUT[kind]
    text, warnings = _read(tmp_path, source)
    assert MARK in text
    assert "yes" in text
    assert len(text) < 260
    assert text.count("\n") == source.count("\n")
    assert [named in warning for warning in warnings] == [True]


@pytest.mark.parametrize("kind", KEPT)
def test_words_paths_and_hashes_stay(tmp_path: Path, kind: str) -> None:
    assert _read(tmp_path, KEPT[kind]) == (KEPT[kind], ())


def test_the_warning_counts_what_was_left_out(tmp_path: Path) -> None:
    _, warnings = _read(tmp_path, f"![a]({URI})\n\n![b]({URI})\n\n{ENCODED}\n")
    size = f"{2 * len(URI):,}"
    assert warnings == (
        f"Left out: {size} characters of 2 pictures given as data: URI, 4,000 characters of 1 encoded run.",
    )


def test_sections_after_a_blob_are_where_they_stand_in_the_text(tmp_path: Path) -> None:
    path = tmp_path / "a.md"
    path.write_text(f"# Plan\n\n![plan]({URI})\n\n# Keys\n\nin the office\n", "utf-8")
    document = extract(path)
    assert [document.text[one.char_start : one.char_end] for one in document.sections] == [
        "# Plan\n\n![plan]([data])\n\n",
        "# Keys\n\nin the office\n",
    ]


def test_lines_after_a_blob_keep_their_numbers(tmp_path: Path) -> None:
    source = f"-----BEGIN KEY-----\n{WRAPPED}-----END KEY-----\nlast line"
    text, _ = _read(tmp_path, source, "a.txt")
    assert text.split("\n").index("last line") == source.split("\n").index("last line")


@given(st.lists(st.sampled_from([URI, ENCODED, WRAPPED, PNG.hex(), "word ", "\n", '"', "(", ")", "Straße "])))
def test_what_is_left_stands_in_the_source_in_order(parts: list[str]) -> None:
    source = "".join(parts)
    found = blobs(source)
    assert all(a.end <= b.start for a, b in pairwise(found))
    position = 0
    for piece in without(source, found).split(MARK):
        at = source.find(piece.strip("\n"), position)
        assert at >= 0
        position = at


@pytest.mark.parametrize(
    "hostile",
    [
        "data:" * 40_000,
        "data:image/png;base64," * 20_000,
        "(data:image/svg+xml,<svg " * 20_000,
        "A" * 400_000,
        "Aa1" * 100_000,
        "0x1," * 90_000,
    ],
)
def test_hostile_texts_are_read(hostile: str) -> None:
    assert len(without(hostile + " end", blobs(hostile + " end"))) <= len(hostile) + 4


def test_a_drawing_in_a_link_ends_with_its_paragraph() -> None:
    source = f"![]({SVG}) and ![]({SVG.removesuffix('</svg>')})\n\nThe pier.\n\n<svg></svg>"
    left = without(source, blobs(source))
    assert left.startswith("![]([data]) and ")
    assert "The pier." in left


def test_text_wrapped_like_base64_stays() -> None:
    lines = "\n".join(wrap("the key hangs in the office behind the blue door " * 20, 60))
    assert blobs(lines) == []


@pytest.mark.parametrize(
    "text",
    [
        "\n".join(":".join(RANDOM.randbytes(1).hex() for _ in range(6)) for _ in range(60)),
        " ".join(f"{RANDOM.randrange(50):02}" for _ in range(300)),
        "".join(str(RANDOM.randrange(10)) for _ in range(1000)),
        "\n".join(RANDOM.randbytes(32).hex() for _ in range(40)),
        f"Name{'_' * 120} Date{'_' * 100}\nSignature{'_' * 300}",
    ],
    ids=["addresses of network cards", "numbers of two digits", "a long number", "a list of digests", "a form"],
)
def test_numbers_and_lists_of_identifiers_are_text(text: str) -> None:
    assert not blobs(text)


@pytest.mark.parametrize("quote", ['    "{}"', "'{}' +", '"{}",', '"{}" \\'])
def test_base64_in_the_strings_of_a_program_is_left_out(quote: str) -> None:
    encoded = b64encode(RANDOM.randbytes(900)).decode()
    lines = [quote.format(encoded[at : at + 60]) for at in range(0, len(encoded), 60)]
    (blob,) = blobs("x = (\n" + "\n".join(lines) + "\n)\n# the crest of Kiel")
    assert blob.end - blob.start > len(encoded)


def test_wrapped_hexadecimal_is_left_out() -> None:
    digits = RANDOM.randbytes(1000).hex()
    text = "{\\pict\\pngblip\n" + "\n".join(digits[at : at + 128] for at in range(0, len(digits), 128)) + "}\nMooring"
    assert without(text, blobs(text)).split() == ["{\\pict\\pngblip", MARK, "}", "Mooring"]
