"""The comparison of a watched folder: applying its changes makes the known files equal to the seen files."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from pipeline.catalog.documents.watched_files import FileKey, FileMark, KnownFile
from pipeline.watch.compare import Changes, SeenFile, compare


def mark(inode: int, time: int = 0) -> FileMark:
    return FileMark("1", str(inode), 10, time, time)


def key(name: str, collection: str = "documents") -> FileKey:
    return collection, f"/folder/{name}"


def seen(inode: int, content: str | None, time: int = 1) -> SeenFile:
    return SeenFile(mark(inode, time), content)


def known(inode: int, content: str | None, document: str | None = "d", gone: bool = False) -> KnownFile:
    return KnownFile(mark(inode), content, document, gone)


A, B, C = key("a.txt"), key("b.txt"), key("c.txt")


def test_an_unchanged_folder_has_no_changes() -> None:
    assert compare({A: SeenFile(mark(1))}, {A: known(1, "x")}) == Changes()


def test_a_device_with_another_number_is_no_change() -> None:
    assert compare({A: SeenFile(FileMark("2", "1", 10, 0, 0))}, {A: known(1, "x")}) == Changes()


def test_new_changed_touched_and_gone_files_are_distinguished() -> None:
    changes = compare({A: seen(1, "y"), B: seen(2, "b"), C: seen(3, "c")}, {A: known(1, "x"), C: known(3, "c")})
    assert changes == Changes(new={B}, changed={A}, touched={C})
    assert compare({}, {A: known(1, "x")}) == Changes(gone={A})


def test_a_rule_that_changed_is_a_difference_like_any_other() -> None:
    was = KnownFile(mark(1), "x", "d", tags=("old",))
    assert compare({A: SeenFile(mark(1), tags=("new",))}, {A: was}) == Changes(retagged={A: ("new",)})
    assert compare({A: SeenFile(mark(1))}, {A: was}) == Changes(retagged={A: None})
    assert compare({A: SeenFile(mark(1), tags=("old",))}, {A: was}) == Changes()
    assert compare({A: SeenFile(mark(1), tags=())}, {A: known(1, "x")}) == Changes(retagged={A: ()})


def test_an_unconfirmed_file_is_ingested_again() -> None:
    assert compare({A: seen(1, "x", 0)}, {A: known(1, "x", None)}) == Changes(changed={A})


def test_a_renamed_file_is_a_move() -> None:
    assert compare({B: seen(1, "x")}, {A: known(1, "x")}) == Changes(moved={B: A})


def test_moved_by_copy_and_removal() -> None:
    assert compare({B: seen(9, "x")}, {A: known(1, "x")}) == Changes(moved={B: A})


def test_a_copy_is_a_separate_document() -> None:
    assert compare({A: SeenFile(mark(1)), B: seen(9, "x")}, {A: known(1, "x")}) == Changes(new={B})


def test_a_hard_link_is_a_separate_document() -> None:
    assert compare({A: seen(1, "x"), B: seen(1, "x")}, {A: known(1, "x")}) == Changes(touched={A}, new={B})


def test_names_are_swapped() -> None:
    rows = {A: known(1, "x", "one"), B: known(2, "y", "two")}
    assert compare({A: seen(2, "y"), B: seen(1, "x")}, rows) == Changes(moved={A: B, B: A})


def test_a_file_moved_onto_another_replaces_it() -> None:
    rows = {A: known(1, "x", "one"), B: known(2, "y", "two")}
    assert compare({B: seen(1, "x")}, rows) == Changes(moved={B: A}, replaced={B})


def test_renamed_and_its_name_taken_by_a_new_file() -> None:
    assert compare({A: seen(2, "n"), B: seen(1, "x")}, {A: known(1, "x")}) == Changes(moved={B: A}, new={A})


def test_saved_by_renaming_a_draft_onto_it() -> None:
    assert compare({A: seen(2, "n")}, {A: known(1, "x")}) == Changes(changed={A})


def test_renamed_and_edited_is_another_document() -> None:
    assert compare({B: seen(1, "edited")}, {A: known(1, "x")}) == Changes(new={B}, gone={A})


def test_a_rename_to_another_suffix_is_a_new_document() -> None:
    assert compare({key("a.md"): seen(1, "x")}, {A: known(1, "x")}) == Changes(new={key("a.md")}, gone={A})


def test_a_file_in_another_collection_is_another_document() -> None:
    other = key("b.txt", "letters")
    assert compare({other: seen(1, "x")}, {A: known(1, "x")}) == Changes(new={other}, gone={A})


def test_a_deleted_file_that_returns_is_revived_or_moved() -> None:
    assert compare({A: seen(1, "x")}, {A: known(1, "x", gone=True)}) == Changes(revived={A})
    assert compare({B: seen(7, "x")}, {A: known(1, "x", gone=True)}) == Changes(moved={B: A})
    assert compare({A: seen(1, "y")}, {A: known(1, "x", gone=True)}) == Changes(changed={A})
    assert compare({}, {A: known(1, "x", gone=True)}) == Changes()


def test_a_move_is_matched_to_the_nearest_name_of_equal_content() -> None:
    rows = {key("one/a.txt"): known(1, "x"), key("one/b.txt"): known(2, "x")}
    paths = {key("two/a.txt"): seen(8, "x"), key("two/b.txt"): seen(9, "x")}
    moved = {key("two/a.txt"): key("one/a.txt"), key("two/b.txt"): key("one/b.txt")}
    assert compare(paths, rows) == Changes(moved=moved)


def test_unreadable_files_are_never_a_move() -> None:
    assert compare({B: seen(1, None)}, {A: known(1, None)}) == Changes(new={B}, gone={A})


NAMES = st.sampled_from(["a.txt", "b.txt", "c.txt", "x/a.txt", "x/b.txt"]).map(key)
CONTENTS = st.sampled_from("uvw")
FOLDERS = st.dictionaries(NAMES, st.tuples(st.integers(1, 4), CONTENTS))
ROWS = st.dictionaries(NAMES, st.tuples(st.integers(1, 4), CONTENTS, st.booleans(), st.booleans()))


@given(FOLDERS, ROWS)
def test_applying_the_changes_makes_the_known_files_equal_to_the_seen(
    folder: dict[FileKey, tuple[int, str]], rows: dict[FileKey, tuple[int, str, bool, bool]]
) -> None:
    paths = {name: seen(inode, content) for name, (inode, content) in folder.items()}
    before = {
        name: known(inode, content, f"d{number}" if confirmed or gone else None, gone)
        for number, (name, (inode, content, confirmed, gone)) in enumerate(rows.items())
    }

    changes = compare(paths, before)

    documents = {name: (row.document_id, row.sha256) for name, row in before.items() if not row.gone}
    for name in changes.replaced | changes.gone:
        documents.pop(name)
    leaving = {old: before[old] for old in changes.moved.values()}
    for old in leaving:
        documents.pop(old, None)
    for name, old in changes.moved.items():
        assert name not in documents
        assert leaving[old].sha256 == paths[name].sha256
        documents[name] = (leaving[old].document_id, leaving[old].sha256)
    for name in changes.revived:
        documents[name] = (before[name].document_id, before[name].sha256)
    for name in changes.new:
        assert name not in documents
        documents[name] = (f"new {name}", paths[name].sha256)
    for name in changes.changed:
        documents[name] = (before[name].document_id, paths[name].sha256)
    assert {name: content for name, (_, content) in documents.items()} == {
        name: path.sha256 for name, path in paths.items()
    }
    confirmed = [document for document, _ in documents.values() if document is not None]
    assert len(confirmed) == len(set(confirmed))
    assert len(set(changes.moved.values())) == len(changes.moved)
