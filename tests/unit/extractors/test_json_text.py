"""JSON: escapes are read as what they say, lines keep their numbers, and what is no JSON is plain text."""

from __future__ import annotations

import json
from base64 import b64encode
from pathlib import Path
from random import Random
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from extractors import extract
from extractors.text.json_text import unescaped
from extractors.text.source_text import SourceText

CUSTOMERS = [
    {"kunde": "Bäckerei Schröder", "ort": "Lüneburg", "notiz": "Kühltruhe\nvor Pfingsten"},
    {"kunde": "東京都水道局", "ort": "千代田区", "symbol": "🚰"},
]


def _read(folder: Path, name: str, source: str) -> tuple[str, str]:
    path = folder / name
    path.write_text(source, "utf-8")
    document = extract(path)
    return document.media_type, document.text


@pytest.mark.parametrize("name", ["a.json", "a.jsonl", "a.ndjson", "a.txt", "a", "a.log"])
def test_escaped_letters_are_found(tmp_path: Path, name: str) -> None:
    source = json.dumps(CUSTOMERS, indent=1)
    media_type, text = _read(tmp_path, name, source)
    assert media_type == ("application/json" if ".js" in name or ".nd" in name else "text/plain")
    assert text == json.dumps(CUSTOMERS, indent=1, ensure_ascii=False).replace("\\n", " ")
    assert text.count("\n") == source.count("\n")


def test_each_line_of_json_lines_is_decoded(tmp_path: Path) -> None:
    source = "\n".join(json.dumps(row) for row in CUSTOMERS) + "\n"
    text = _read(tmp_path, "a.jsonl", source)[1]
    assert "Lüneburg" in text.split("\n")[0]
    assert "千代田区" in text.split("\n")[1]


@pytest.mark.parametrize("name", ["a.json", "a.jsonl", "a.txt"])
@pytest.mark.parametrize(
    ("source", "text"),
    [
        ('{"a": "\\u00fc"', '{"a": "ü"'),
        ('{"ort": "L\\u00fcbeck", "x": [1, 2,],}\n// end', '{"ort": "Lübeck", "x": [1, 2,],}\n// end'),
        ('{"ort": "K\\u00f6ln"}\n{"ort": "M\\u00fc', '{"ort": "Köln"}\n{"ort": "M\\u00fc'),
        ('// from \\u00fc\n{\n /* "x" */ "ort": "K\\u00f6ln",\n}', '// from \\u00fc\n{\n /* "x" */ "ort": "Köln",\n}'),
        ('[\n "Gr\\u00fc\\u00dfe",\n oops', '[\n "Grüße",\n oops'),
        ('{"a": "\\u00fc", "b": "' + '\\"' * 50_000, '{"a": "ü", "b": "' + '\\"' * 50_000),
    ],
)
def test_strings_of_damaged_json_are_decoded(tmp_path: Path, name: str, source: str, text: str) -> None:
    assert _read(tmp_path, name, source) == ("text/plain", text)


def test_every_escape_is_read() -> None:
    source = r'{"a": "\"q\" \\ \/ \b\f\n\r\t é 😀 \u0007."}'
    assert unescaped(SourceText(source, "utf-8")).text == '{"a": ""q" \\ /       é 😀  ."}'


@pytest.mark.parametrize("source", ["{// c\n'a': \"\\u00fc\"}", "L = ['\\u00fc']", '"\\u00fc" is ü', "[" * 9999])
@pytest.mark.parametrize("name", ["a.json", "a.txt"])
def test_what_is_no_json_stays_as_it_is(tmp_path: Path, name: str, source: str) -> None:
    assert _read(tmp_path, name, source) == ("text/plain", source)


def test_a_lone_surrogate_is_replaced(tmp_path: Path) -> None:
    assert _read(tmp_path, "a.json", '{"a": "x\\ud83dy"}')[1] == '{"a": "x\ufffdy"}'


def test_pictures_within_json_are_left_out(tmp_path: Path) -> None:
    picture = b64encode(Random(2).randbytes(400)).decode().replace("/", "\\/")
    path = tmp_path / "a.json"
    path.write_text(f'{{"name": "M\\u00fcller", "logo": "data:image\\/png;base64,{picture}"}}', "utf-8")
    document = extract(path)
    assert document.text == '{"name": "Müller", "logo": "[data]"}'
    assert len(document.warnings) == 1


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(), lambda v: st.lists(v) | st.dictionaries(st.text(), v)
)


@settings(max_examples=40, suppress_health_check=[HealthCheck.too_slow])
@given(st.lists(VALUES) | st.dictionaries(st.text(), VALUES), st.sampled_from([None, 1]))
def test_strings_and_lines_of_any_json_come_out(value: Any, indent: int | None) -> None:
    source = json.dumps(value, indent=indent)
    text = unescaped(SourceText(source, "utf-8")).text
    assert text.count("\n") == source.count("\n")
    for string in _strings(value):
        if all(char.isprintable() for char in string):
            assert f'"{string}"' in text


def _strings(value: Any) -> list[str]:
    if isinstance(value, str):
        return [value]
    if isinstance(value, dict):
        return [*value, *(one for part in value.values() for one in _strings(part))]
    return [one for part in value for one in _strings(part)] if isinstance(value, list) else []


def test_json_in_a_string_of_json_is_decoded_as_well(tmp_path: Path) -> None:
    inner = json.dumps({"ort": "Köln", "tief": json.dumps({"fluss": "Ems, Saône"})})
    text = _read(tmp_path, "a.json", json.dumps({"nachricht": inner, "pfad": "[x] \\u00fc"}))[1]
    assert text == '{"nachricht": "{"ort": "Köln", "tief": "{"fluss": "Ems, Saône"}"}", "pfad": "[x] \\u00fc"}'


@pytest.mark.parametrize(
    "code",
    [
        '    {"\\u00fc": "u"}',
        'PATTERNS = {"number": "\\\\d+", "tab": "\\t"}',
        'send(to, {"a": "\\n"}',
        'm.exports = {"a": "\\n"}',
    ],
)
def test_dictionaries_in_programs_stay_as_they_are(tmp_path: Path, code: str) -> None:
    source = f"# of the pier\n{code}\n"
    assert _read(tmp_path, "a.py", source)[1] == source


def test_json_at_the_end_of_a_line_of_a_log_is_decoded(tmp_path: Path) -> None:
    source = (
        '2026-01-02 INFO "app" {"user": "J\\u00fcrgen", "text": "a\\nb"}\n'
        'print("\\u00fc")\n'
        'x = {"a": "\\u00fc"} # no JSON\n'
        'WARN {"cut": "\\u00fc\n'
    )
    assert _read(tmp_path, "a.log", source)[1] == source.replace("J\\u00fcrgen", "Jürgen").replace("a\\nb", "a b")
