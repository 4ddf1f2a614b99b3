"""Tags: which are valid, how rules of watched folders set them, how the client sends them."""

from __future__ import annotations

import json
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.client import Options, endpoints
from pipeline.errors import BadRequest
from pipeline.settings import load_settings
from pipeline.settings.watch_folders import WatchFolder
from pipeline.types import Tags, canonical, in_place_of


def test_tags_are_sorted_without_duplicates() -> None:
    assert canonical(["b", "a", "b", "A"]) == ("A", "a", "b")
    assert canonical(["cafe\u0301", "café"]) == ("café",)
    assert canonical([]) == ()
    assert canonical(None) is None


@pytest.mark.parametrize("tag", ["x", "2026", "a_b-c.d:e/f", "Straße", "発票", "हिन्दी", "x" * 64])
def test_letters_digits_and_allowed_signs_make_a_tag(tag: str) -> None:
    assert canonical([tag]) == (tag,)


@pytest.mark.parametrize(
    "tag", ["", " ", "a b", "a,b", "x" * 65, "a\n", "\x00", "\ud800", "a*", '"', "😀", "#a", "\u202e"]
)
def test_invalid_tags_are_refused(tag: str) -> None:
    with pytest.raises(BadRequest, match="is no tag"):
        canonical(["good", tag])


def test_more_than_sixteen_tags_are_refused() -> None:
    assert len(canonical([str(number) for number in range(16)] * 2)) == 16
    with pytest.raises(BadRequest, match="17 tags"):
        canonical([str(number) for number in range(17)])


@given(st.lists(st.text(st.sampled_from("aB9_-.:/é"), min_size=1, max_size=8), max_size=16))
def test_canonical_tags_do_not_change_when_made_canonical_again(tags: list[str]) -> None:
    assert canonical(canonical(tags)) == canonical(tags)


RULES = (
    {"folder": "a", "tags": ["one"]},
    {"folder": "a/b", "collection": "other"},
    {"folder": "a/b/c", "tags": []},
    {"folder": "d", "collection": "d", "tags": ["y", "x", "x"]},
)


@pytest.mark.parametrize(
    ("folder", "collection", "tags"),
    [
        ("", "main", ("all",)),
        ("ab", "main", ("all",)),
        ("a", "main", ("one",)),
        ("a/b", "other", ("one",)),
        ("a/b/c/z", "other", ()),
        ("d/e", "d", ("x", "y")),
    ],
)
def test_tags_come_from_the_deepest_rule_that_sets_them(folder: str, collection: str, tags: Tags) -> None:
    watched = WatchFolder.model_validate({"path": "/x", "tags": ["all"], "rules": RULES})
    assert (watched.collection_of(folder, "main"), watched.tags_of(folder)) == (collection, tags)


def test_a_folder_without_tag_rules_has_no_tags_setting() -> None:
    watched = WatchFolder.model_validate({"path": "/x", "rules": RULES})
    assert watched.tags_of("") is None
    assert watched.tags_of("a") == ("one",)


@pytest.mark.parametrize(
    "rule", ['folder = "a"', 'folder = "a", tags = ["no tag"]', 'folder = "a", tags = "invoice"', 'tags = ["x"]']
)
def test_invalid_tag_rules_are_refused(tmp_path: Path, rule: str) -> None:
    (tmp_path / "docrelay.toml").write_text(f'watch = [{{path = "/a", rules = [{{{rule}}}]}}]')
    with pytest.raises(BadRequest, match="watch"):
        load_settings({"data_dir": tmp_path})


def test_settings_with_rules_survive_their_way_to_a_process(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = WatchFolder.model_validate({"path": "/x", "rules": RULES})
    monkeypatch.setenv("DOCRELAY_WATCH", json.dumps([folder.model_dump(mode="json")]))
    assert load_settings({"data_dir": tmp_path}).watch == (folder,)


def test_tags_from_a_rule_are_removed_with_the_rule() -> None:
    assert in_place_of(None, ("old",)) == ()
    assert in_place_of(None, None) is in_place_of(None, ()) is None
    assert in_place_of(("new",), ("old",)) == ("new",)


def parts(**options: Any) -> list[tuple[str, bytes]]:
    """What the client puts on the wire for two files."""
    request = endpoints.submit(("a", b"1"), ("b", b"2"), key="key", **Options(**options))
    with ExitStack() as scope:
        return [(name, part[1]) for name, part in request.arguments(scope)["files"]]


def test_the_client_sends_tags_for_all_and_metadata_for_each() -> None:
    assert parts(tags=["x", "y"]) == [("tags", b"x,y"), ("file", b"1"), ("file", b"2")]
    assert parts(tags=[])[0] == ("tags", b"")
    assert parts(metadata=[{"n": 1}, {}]) == [
        ("metadata", b'{"n": 1}'),
        ("file", b"1"),
        ("metadata", b"{}"),
        ("file", b"2"),
    ]
    with pytest.raises(BadRequest, match="as many metadata"):
        parts(metadata=[{}])
    assert endpoints.submit_paths("/a", tags=("x",)).json == {"paths": ["/a"], "tags": ["x"]}
