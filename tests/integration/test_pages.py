"""Images of pages by every door: drawn where the words are, kept, and never at the cost of the API."""

from __future__ import annotations

import hashlib
import io
import random
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import pytest
from api_rig import Api, with_settings
from documented_rows import documented_rows
from flow_tools import eventually, lives
from hostile import HOSTILE
from pdf_builder import at, book
from PIL import Image, ImageDraw, ImageFont

from extractors.drawing.picture import RIM
from extractors.errors import ExtractError
from extractors.options import Options
from pipeline.errors import BadRequest, Conflict, Gone, UnknownId, UnknownPage
from pipeline.errors.problem import problem_of
from pipeline.gates_for_tests import SANDBOX
from pipeline.ingest.cleanup import clean_up
from pipeline.stages.sandbox import Sandbox

SAMPLES = Path(__file__).parents[2] / "samples" / "documents"
POINTS = 200
"""Width and height of the planted PDF's pages."""
HAVEN = (50.5, 80, 78, 100)
"""Of the word "Haven" on page 2, in points from the upper left corner: left, baseline, right (its letters are 28.9
points wide by Adobe's metrics of Helvetica), and where nothing of it stands any more."""


@pytest.fixture(scope="module")
def api(keyed_api: Api) -> Api:
    return keyed_api


def planted_pdf(name: str) -> tuple[str, bytes]:
    """Two pages; on the second one, "Haven" in letters of 10 points begins at (50, 120) of the PDF's coordinates."""
    first = at(20, 150, f"The first page is called {name}.")
    second = at(20, 170, "Below the lamp of the") + at(50, 120, "Haven") + at(20, 60, "lies the second page.")
    return f"{name}.pdf", book([first, second])


@pytest.fixture(scope="module")
def pdf(api: Api) -> Any:
    return api.only(api.submit(planted_pdf("curlew"), collection="pages"))


def passage(api: Api, word: str, document: Any) -> dict[str, int]:
    """Where a word stands in the document's text, by the passage that a search finds."""
    found = api.client.search(word, "pages", 10, "sparse").hits
    hit = next(hit for hit in found if hit.document_id == document.id and word in hit.text)
    start = hit.char_start + hit.text.index(word)
    return {"char_start": start, "char_end": start + len(word)}


def address(document: Any, page: int = 1) -> str:
    return f"/v1/documents/{document.id}/pages/{page}"


def pixels(data: bytes) -> np.ndarray:
    return np.asarray(Image.open(io.BytesIO(data)).convert("RGB"))


def rim(data: bytes) -> tuple[float, ...]:
    """The rectangle that is drawn on an image, as shares of its sides: left, top, right, bottom."""
    rows, columns = np.nonzero((pixels(data) == RIM).all(axis=2))
    height, width = pixels(data).shape[:2]
    return columns.min() / width, rows.min() / height, (columns.max() + 1) / width, (rows.max() + 1) / height


def spool_of(api: Api) -> Path:
    return api.cli.folder / "spool"


def images_of(api: Api, document: Any) -> list[Path]:
    content = document.content_sha256
    return sorted((spool_of(api) / "images" / content[:2] / content).glob("*"))


def original_of(api: Api, document: Any) -> Path:
    """Where the spool has the copy of an uploaded PDF."""
    return spool_of(api) / "originals" / document.content_sha256[:2] / f"{document.content_sha256}.pdf"


def assert_is_around_haven(left: float, top: float, right: float, bottom: float) -> None:
    """The rectangle holds the word's baseline, and is not larger than the word in a line of 14 points."""
    x_start, baseline, x_end, beyond = (side / POINTS for side in HAVEN)
    assert left <= x_start < x_end <= right < beyond
    assert top < baseline - 4 / POINTS < baseline <= bottom + 1 / POINTS
    assert bottom - top <= 14 / POINTS
    assert right - left <= 31 / POINTS


def test_the_box_of_a_hit_lies_on_its_word(api: Api, pdf: Any) -> None:
    where = passage(api, "Haven", pdf)
    detail = api.client.page_detail(pdf.id, 2, **where)
    text = "The first page is called curlew.\nBelow the lamp of the\nHaven\nlies the second page."

    assert (detail.page, detail.pages, detail.width, detail.height, detail.unit) == (2, 2, 200, 200, "points")
    assert (detail.char_start, detail.char_end) == (33, len(text))
    assert (detail.version_id, detail.drawn_from) == (pdf.version_id, "file")
    assert (detail.letters, detail.letters_found) == (5, 5)
    (box,) = detail.boxes
    assert_is_around_haven(box.left, box.top, box.right, box.bottom)

    answer = api.http.get(f"{address(pdf, 2)}/image", params={"width": 1000, **where})
    assert (answer.headers["x-docrelay-boxes"], answer.headers["x-docrelay-version"]) == ("1", pdf.version_id)
    assert pixels(answer.content).shape == (1000, 1000, 3)
    assert_is_around_haven(*rim(answer.content))
    # On the page before there is nothing of it: the image says so, and nothing is marked.
    before = api.http.get(f"{address(pdf)}/image", params=where)
    assert before.headers["x-docrelay-boxes"] == "0"
    assert not (pixels(before.content) == RIM).all(axis=2).any()
    assert (api.client.page_detail(pdf.id, 1, **where).boxes, api.client.page_detail(pdf.id).boxes) == ([], [])


@pytest.mark.parametrize(("kind", "width"), [("png", 16), ("jpeg", 120), ("webp", 2400)])
def test_thumbnails_and_large_images_come_in_three_formats(api: Api, pdf: Any, kind: str, width: int) -> None:
    data = api.client.page_image(pdf.id, 1, width, kind)
    opened = Image.open(io.BytesIO(data))
    assert (str(opened.format).lower(), opened.size) == (kind, (width, width))


def test_a_kept_image_is_not_drawn_again(api: Api) -> None:
    document = api.only(api.submit(planted_pdf("heron"), collection="pages"))
    first = api.http.get(f"{address(document)}/image", params={"width": 300}).raise_for_status()
    kept = images_of(api, document)
    original_of(api, document).rename(spool_of(api) / "aside")  # now nothing can be drawn of it

    again = api.http.get(f"{address(document)}/image", params={"width": 300})
    assert (again.status_code, again.content, again.headers["etag"]) == (200, first.content, first.headers["etag"])
    assert len(kept) == 1
    assert images_of(api, document) == kept
    same = api.http.get(
        f"{address(document)}/image",
        params={"width": 300},
        headers={"If-None-Match": f'"x", W/{first.headers["etag"]}'},
    )
    assert (same.status_code, same.content, same.headers["etag"]) == (304, b"", first.headers["etag"])
    assert same.headers["cache-control"] == "private, no-cache"
    named = api.http.get(f"{address(document)}/image", params={"width": 300, "version": document.version_id})
    assert named.headers["cache-control"] == "private, max-age=86400"
    other = api.http.get(f"{address(document)}/image", params={"width": 301})
    assert (other.status_code, other.json()["code"]) == (410, "content_gone")

    (spool_of(api) / "aside").rename(original_of(api, document))
    assert api.http.get(f"{address(document)}/image", params={"width": 301}).headers["etag"] != first.headers["etag"]
    assert len(images_of(api, document)) == 2
    api.client.delete(document.id, collection="pages")
    assert images_of(api, document) == []
    with pytest.raises(Gone):
        api.client.page_image(document.id, 1, 300)


def test_many_requests_for_one_page_are_one_drawing(api: Api) -> None:
    document = api.only(api.submit(planted_pdf("plover"), collection="pages"))
    gates = api.cli.gates
    with ThreadPoolExecutor(12) as pool, gates.closed(SANDBOX):
        asked = [pool.submit(api.client.page_image, document.id, 2, 700) for _ in range(12)]
        gates.arrived(SANDBOX)
        gates.let(SANDBOX)  # one drawing; a second one would wait at the gate
        images = [one.result() for one in asked]
        assert gates.waiting(SANDBOX) == []
    assert len(set(images)) == 1
    assert len(images_of(api, document)) == 1


def test_a_path_is_drawn_as_long_as_it_holds_the_same_bytes(api: Api) -> None:
    name, data = planted_pdf("stint")
    path = api.cli.folder.with_name("readable") / name
    path.write_bytes(data)
    job = api.client.submit_paths(str(path), collection="pages").job_id
    assert api.client.wait(job).completed == 1
    document = api.only(job)
    assert eventually(lambda: not list((spool_of(api) / "originals").glob(f"*/{document.content_sha256}*")))

    assert_is_around_haven(*rim(api.client.page_image(document.id, 2, 1000, **passage(api, "Haven", document))))
    path.write_bytes(data + b"\n% changed\n")
    with pytest.raises(Gone):
        api.client.page_image(document.id, 2, 500)
    path.write_bytes(data)
    assert api.client.page_image(document.id, 2, 500)
    assert list((api.cli.folder / "tmp").glob("drafts-*/*.pdf")) == []


def test_the_words_of_a_scan_are_marked_on_its_page(api: Api, needs: Callable[..., None]) -> None:
    """A fax of two pages; where the word stands on the second is known from its pixels, before OCR."""
    needs("tesseract")
    font, frames = ImageFont.load_default(34), []
    for lines in (("The first sheet", "of the fax"), ("The keeper of the", "Sanderling", "signs here")):
        image = Image.new("L", (900, 500), 255)
        for number, line in enumerate(lines):
            ImageDraw.Draw(image).text((80, 80 + 110 * number), line, fill=0, font=font)
        frames.append(image)
    left, top, right, bottom = ImageDraw.Draw(frames[1]).textbbox((80, 190), "Sanderling", font=font)
    file = io.BytesIO()
    frames[0].save(file, "tiff", save_all=True, append_images=frames[1:], dpi=(200, 200))
    document = api.only(api.submit(("fax.tif", file.getvalue()), collection="pages"))

    where = passage(api, "Sanderling", document)
    detail = api.client.page_detail(document.id, 2, **where)
    assert (detail.width, detail.height, detail.unit, detail.pages) == (900, 500, "pixels", 2)
    (box,) = detail.boxes
    expected = np.array((left / 900, top / 500, right / 900, bottom / 500))
    assert np.abs(np.array((box.left, box.top, box.right, box.bottom)) - expected).max() <= 0.012
    image = api.client.page_image(document.id, 2, 900, **where)
    assert np.abs(np.array(rim(image)) - expected).max() <= 0.014
    assert (np.abs(pixels(api.client.page_image(document.id, 2, 900))[:, :, 0].astype(int) - frames[1]) <= 1).all()
    assert api.client.page_detail(document.id, 1, **where).letters == 0


def test_texts_are_shown_on_sheets(api: Api) -> None:
    lines = [f"Line {number} of the log." for number in range(130)]
    document = api.only(api.submit(("log.txt", "\n".join(lines).encode()), collection="pages"))
    text = "\n".join(lines)
    start = text.index("Line 70")
    detail = api.client.page_detail(document.id, 2, char_start=start, char_end=start + 7)
    assert (detail.pages, detail.drawn_from, detail.unit) == (3, "text", "columns")
    assert text[detail.char_start : detail.char_end].splitlines() == lines[60:120]
    (box,) = detail.boxes
    # Row 10 of the sheet (2.1 columns each), columns 0 to 7, behind a margin of 5 columns.
    assert np.abs(np.array((box.left, box.right)) * detail.width - (5, 12)).max() < 0.01
    assert np.abs(np.array((box.top, box.bottom)) * detail.height - (26, 28.1)).max() < 0.01
    image = pixels(api.client.page_image(document.id, 2, 1000, char_start=start, char_end=start + 7))
    assert (image[:, :, 0] < 100).any()
    with pytest.raises(UnknownPage, match="the document has 3"):
        api.client.page_detail(document.id, 4)
    pages = [api.client.page_position(document.id, at).page for at in (0, start, text.index("Line 120"), len(text) - 1)]
    assert pages == [1, 2, 3, 3]
    with pytest.raises(UnknownPage, match=f"has {len(text)} characters"):
        api.client.page_position(document.id, len(text))
    shown = ("page", document.id, "--char-start", str(start), "--char-end", str(start + 7))
    assert "Page 2 of 3: 100 x 136 columns" in api.cli.quick(*shown).out

    word = api.only(api.submit(("handbook.docx", (SAMPLES / "staff_handbook.docx").read_bytes()), collection="pages"))
    where = passage(api, "Avocet", word)
    assert api.client.page_detail(word.id, **where).letters_found == len("Avocet")
    record = api.client.put_text("buoy", "A buoy that rings.", collection="pages")
    api.client.wait(record.job_id)
    buoy = api.client.page_detail(api.only(record.job_id).id, char_start=2, char_end=6)
    assert (buoy.letters_found, buoy.pages) == (4, 1)


def test_offsets_of_a_changed_text_mark_nothing(api: Api) -> None:
    """The workflow `redacted` masks addresses: its hits count the characters of another text than the kept one."""
    content = at(20, 150, "Write to keeper@example.org about the") + at(20, 120, "Guillemot")
    job = api.submit(("masked.pdf", book([content])), collection="pages", workflow="redacted")
    document = api.only(job)
    where = passage(api, "Guillemot", document)
    detail = api.client.page_detail(document.id, **where)
    assert (detail.boxes, detail.char_start, detail.letters) == ([], None, 0)
    answer = api.http.get(f"{address(document)}/image", params=where)
    assert (answer.status_code, answer.headers["x-docrelay-boxes"]) == (200, "0")
    with pytest.raises(Conflict):
        api.client.page_position(document.id, where["char_start"])


def test_what_cannot_be_shown_has_its_code(api: Api, pdf: Any) -> None:
    with pytest.raises(UnknownPage):
        api.client.page_image(pdf.id, 3)
    with pytest.raises(UnknownId):
        api.client.page_image("nobody", 1)
    with pytest.raises(UnknownId, match="no version"):
        api.client.page_image(pdf.id, 1, version="0d7c6c0e-0000-0000-0000-000000000000")
    with pytest.raises(BadRequest):
        api.client.page_image(pdf.id, 1, char_start=9, char_end=9)
    failed = api.only(api.submit(("hollow.txt", b""), collection="pages"))
    with pytest.raises(Conflict):
        api.client.page_image(failed.id, 1)
    for path in ("0/image", "1/image?width=15", "1/image?width=2401", "1/image?format=gif", "1/image?colour=1", "x"):
        answer = api.http.get(f"/v1/documents/{pdf.id}/pages/{path}")
        assert (answer.status_code, answer.json()["code"]) == (422, "invalid_request"), path


def test_an_older_version_is_shown_while_its_file_is_there(api: Api) -> None:
    old = api.only(api.submit(planted_pdf("first"), collection="pages", sources=["upload://versions.pdf"]))
    image = api.client.page_image(old.id, 1, 300)
    aside = original_of(api, old).read_bytes()
    new = api.only(api.submit(planted_pdf("second"), collection="pages", sources=["upload://versions.pdf"]))
    assert (new.id, new.version_id != old.version_id) == (old.id, True)
    assert api.client.page_image(new.id, 1, 300) != image
    assert api.client.page_image(new.id, 1, 300, version=old.version_id) == image
    original_of(api, old).unlink(missing_ok=True)
    with pytest.raises(Gone):
        api.client.page_image(new.id, 1, 301, version=old.version_id)
    original_of(api, old).write_bytes(aside)
    assert api.client.page_image(new.id, 1, 301, version=old.version_id)


@pytest.fixture(scope="module")
def sandbox() -> Iterator[Sandbox]:
    made = Sandbox(2048)
    yield made
    made.close()


@pytest.mark.timeout(600)
@pytest.mark.parametrize("case", [case for case in HOSTILE if case.name.startswith(("pdf", "png", "tiff", "jpeg"))])
def test_a_hostile_file_ends_as_a_picture_or_with_a_code(sandbox: Sandbox, tmp_path: Path, case: Any) -> None:
    path = case.build(tmp_path)
    look = {"width": 200, "format": "png", "boxes": []}
    page = {"page": 1, "look": look, "text": "any text at all", "ocr": False}
    codes = {"corrupt", "too_large", "empty", "timeout", "out_of_memory", "crashed", None}
    pictures, places = [], []

    def code_of(work: Callable[[], Any]) -> str | None:
        """The code with which something ends; None if it goes well."""
        try:
            work()
        except ExtractError as error:
            return problem_of(error).code
        return None

    assert code_of(lambda: pictures.append(sandbox.draw(path, Options(), page, 20.0))) in codes
    assert code_of(lambda: places.append(sandbox.places(path, Options(), page, 20.0))) in codes
    for picture in pictures:
        assert Image.open(io.BytesIO(picture.data)).size == (picture.width, picture.height)
        assert 1 <= picture.width <= 200
    for size, found in places:
        assert min(size) > 0
        assert all(0 <= side <= 1 for _, _, box in found for side in box)


def test_a_file_that_has_become_hostile_harms_nobody(api: Api, pdf: Any, tmp_path: Path) -> None:
    """The copies in the spool are exchanged behind its back: each ends with its code, and the API draws on."""
    encrypted = (SAMPLES / "salaries_encrypted.pdf").read_bytes()
    pid = api.pid
    for name, data, code in (
        ("locked", encrypted, "encrypted"),
        ("torn", planted_pdf("torn")[1][:300], "corrupt"),
        ("noise", random.Random(5).randbytes(4000), "unsupported"),
    ):
        document = api.only(api.submit(planted_pdf(name), collection="pages"))
        original_of(api, document).write_bytes(data)
        answers = [api.http.get(f"{address(document)}/image")]
        with api.cli.gates.closed(SANDBOX):  # no sandbox is asked again: the error is known
            answers.append(api.http.get(f"{address(document)}/image"))
        for answer in answers:
            assert (answer.status_code, answer.json()["code"]) == (422, code)
            assert answer.json()["hint"]
        assert images_of(api, document) == []
    assert api.pid == pid
    assert api.client.page_image(pdf.id, 1, 444)


def test_a_drawing_that_is_killed_is_tried_again_and_then_given_up(api: Api, pdf: Any) -> None:
    pid, gates = api.pid, api.cli.gates
    with ThreadPoolExecutor(1) as pool, gates.closed(SANDBOX):
        asked = pool.submit(api.http.get, f"{address(pdf)}/image", params={"width": 222})
        for _ in range(2):
            (visitor,) = gates.arrived(SANDBOX)
            assert psutil.Process(visitor.pid).ppid() == pid
            psutil.Process(visitor.pid).kill()
            assert eventually(lambda gone=visitor.pid: not lives(gone))  # type: ignore[misc]
        answer = asked.result()
    assert (answer.status_code, answer.json()["code"]) == (422, "out_of_memory")
    assert api.pid == pid
    assert api.client.page_image(pdf.id, 2, 223)


def test_the_bound_and_the_clean_up_hold_on_a_running_stack(api: Api) -> None:
    """Dense pages, of some 30,000 bytes each, from an API that keeps one megabyte."""
    chance = random.Random(8)
    texts = ["".join(chance.choices("abcdefgh ", k=5000)).encode() for _ in range(2)]
    contents = {hashlib.sha256(text).hexdigest() for text in texts}
    job = api.submit(*((f"dense-{number}.txt", text) for number, text in enumerate(texts)), collection="pages")
    with with_settings(api, page_images_mb=1) as small:
        for document in api.client.documents(job):
            for width in range(180, 230, 2):
                path = f"/v1/documents/{document.document_id}/pages/1/image?width={width}"
                small.http.get(path, headers={"X-API-Key": str(api.key)}).raise_for_status()
        assert 0.6 * (1 << 20) <= sum(sizes_of(spool_of(api) / "images").values()) <= 1 << 20
    kept = {path: size for path, size in sizes_of(spool_of(api) / "images").items() if path.parent.name in contents}
    assert kept
    with api.cli.services() as services:
        clean_up(services)
    assert kept.items() <= sizes_of(spool_of(api) / "images").items()


def sizes_of(folder: Path) -> dict[Path, int]:
    """Bytes of all files below a folder."""
    return {path: path.stat().st_size for path in folder.rglob("*") if path.is_file()}


def test_every_row_of_the_table_shows_what_is_there(api: Api, pdf: Any, tmp_path: Path) -> None:
    """Each is compared with the numbers of the drawing operators, and with the bytes on the disk."""
    where = passage(api, "Haven", pdf)
    options = ("--char-start", str(where["char_start"]), "--char-end", str(where["char_end"]))

    def detail() -> None:
        body = api.http.get(address(pdf, 2), params=where).json()
        assert_is_around_haven(*(body["boxes"][0][side] for side in ("left", "top", "right", "bottom")))
        assert (body["pages"], body["page"], body["letters"]) == (2, 2, len("Haven"))

    def position() -> None:
        starts = {page: api.client.page_detail(pdf.id, page).char_start for page in (1, 2)}
        assert starts == {1: 0, 2: len("The first page is called curlew.\n")}
        for character in (0, 32, 33, where["char_start"]):
            body = api.http.get(f"/v1/documents/{pdf.id}/pages", params={"char_start": character}).json()
            assert (body["page"], body["pages"]) == (1 if character < 33 else 2, 2)

    def image() -> None:
        answer = api.http.get(f"{address(pdf, 2)}/image", params={"width": 640, **where})
        assert_is_around_haven(*rim(answer.content))
        assert any(path.read_bytes().endswith(answer.content) for path in images_of(api, pdf))

    def command() -> None:
        written = {name: tmp_path / f"{name}.png" for name in ("here", "there")}
        for name, more in (("here", ()), ("there", ("--server", api.url))):
            words = ("page", pdf.id[:12], "2", "--output", str(written[name]), "--width", "640", *options, *more)
            env = {"DOCRELAY_API_KEY": str(api.key)}
            printed = api.cli.quick(*words, "--json", env=env)
            assert printed.code == 0, printed
            assert_is_around_haven(*(printed.json["boxes"][0][side] for side in ("left", "top", "right", "bottom")))
            assert api.cli.quick(*words, env=env).code == 2  # the file is there already
            assert "5 of its 5 letters found on this page" in api.cli.quick(*words, "--force", env=env).out
            assert_is_around_haven(*rim(written[name].read_bytes()))
        digests = {hashlib.sha256(path.read_bytes()).hexdigest() for path in written.values()}
        assert len(digests) == 1

    checks = {
        "GET /v1/documents/{id}/pages": position,
        "GET /v1/documents/{id}/pages/{page}": detail,
        "GET /v1/documents/{id}/pages/{page}/image": image,
        "docrelay page": command,
    }
    assert documented_rows("monitoring.md", "## Page images") == [*checks]
    for check in checks.values():
        check()


def test_the_command_says_what_is_wrong(api: Api, pdf: Any, tmp_path: Path) -> None:
    ended = api.cli.quick("page", pdf.id, "7")
    assert (ended.code, "the document has 2" in ended.err) == (2, True)
    ended = api.cli.quick("page", pdf.id, "1", "--output", str(tmp_path / "page.gif"))
    assert (ended.code, "Take png, jpeg, webp" in ended.err) == (2, True)
    assert not (tmp_path / "page.gif").exists()
    ended = api.cli.quick("page", pdf.id, "1", "--output", str(tmp_path / "nowhere" / "page.png"))
    assert (ended.code, "cannot be written" in ended.err) == (2, True)
