"""Tesseract processes that stay: what they read is what a process of its own reads, and no page pays for another."""

from __future__ import annotations

import csv
import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from time import monotonic

import psutil
import pytest
from PIL import Image, ImageDraw, ImageFont

import extractors
from extractors.errors import Corrupt, TimedOut
from extractors.options import Options
from extractors.pictures import tesseract, tesseract_process
from extractors.pictures.tesseract_process import Ended, Processes, Rows

SAMPLES = Path(__file__).parents[2] / "samples" / "documents"
OPTIONS = ("-l", "deu+eng", "--dpi", "300", "-c", "thresholding_method=0")
PATIENCE_S = 120.0

TEXTS = (
    "Der Hafenmeister zahlt 1.250,00 € am Montag.",
    "Every vessel pays its berth before winter.",
    "Größe\tund\tÜbermaß",
    "",
    "Rechnung Nr. 4711 – Lieferung vom 3. Mai",
)


def page(text: str, size: int = 34) -> Image.Image:
    image = Image.new("L", (1000, 180), 255)
    ImageDraw.Draw(image).text((50, 60), text, fill=0, font=ImageFont.load_default(size=size))
    return image


@pytest.fixture
def processes(needs: object) -> Iterator[Processes]:
    needs("tesseract")  # type: ignore[operator]
    extractors.end_processes()  # those of other tests
    tesseract._known_pages.cache_clear()  # a page that another test has read would be read by no process
    held = Processes()
    yield held
    held.close()


def started() -> list[psutil.Process]:
    return [child for child in psutil.Process().children(recursive=True) if child.name() == "tesseract"]


def alone(image: Image.Image, folder: Path) -> Rows:
    """What a process of its own reads."""
    picture = folder / "alone.pgm"
    image.save(picture, format="PPM")
    ran = subprocess.run(["tesseract", picture, "-", *OPTIONS, "tsv"], capture_output=True, text=True, check=True)
    return list(csv.reader(ran.stdout.splitlines()[2:], delimiter="\t", quoting=csv.QUOTE_NONE))


def without_page(rows: Rows) -> Rows:
    """The rows without the number of their page."""
    return [[row[0], *row[2:]] for row in rows]


def read(processes: Processes, image: Image.Image) -> Rows:
    return processes.read(OPTIONS, image, monotonic() + PATIENCE_S)


def test_pages_read_one_after_another_are_what_each_is_alone(processes: Processes, tmp_path: Path) -> None:
    before = len(started())
    for text in (*TEXTS, *reversed(TEXTS)):
        rows = read(processes, page(text))
        assert without_page(rows) == without_page(alone(page(text), tmp_path))
        assert bool(rows) == bool(text)
    assert len(started()) == before + 1


def test_a_process_that_ended_costs_no_page(processes: Processes) -> None:
    read(processes, page(TEXTS[0]))
    (process,) = started()
    process.kill()
    process.wait()
    assert "berth" in [row[-1] for row in read(processes, page(TEXTS[1]))]


def test_a_late_page_ends_its_process_and_the_next_one_is_read(processes: Processes) -> None:
    read(processes, page(TEXTS[0]))
    late = started()
    with pytest.raises(TimeoutError):
        processes.read(OPTIONS, page(TEXTS[1]), monotonic())
    assert not any(process.is_running() for process in late)
    assert "Rechnung" in [row[-1] for row in read(processes, page(TEXTS[4]))]


def test_processes_are_replaced_and_few_are_kept(processes: Processes, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tesseract_process, "PAGES", 2)
    ids = []
    for _ in range(3):
        read(processes, page(TEXTS[1]))
        ids.append(started()[0].pid)
    assert ids[0] == ids[1] != ids[2]
    for method in ("0", "1", "2"):
        processes.read((*OPTIONS[:-1], f"thresholding_method={method}"), page(""), monotonic() + PATIENCE_S)
    assert len(started()) == tesseract_process.KEPT
    processes.close()
    assert started() == []


def test_a_fork_lets_go_of_the_processes_of_its_parent(processes: Processes, monkeypatch: pytest.MonkeyPatch) -> None:
    before = psutil.Process().num_fds()
    read(processes, page(TEXTS[0]))
    (process,) = started()
    monkeypatch.setattr(processes, "_owner", os.getppid())
    processes.close()
    assert psutil.Process().num_fds() == before
    assert process.wait() == 0  # it was not killed, but has nothing more to read


def test_no_picture_is_left_behind(processes: Processes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    read(processes, page(TEXTS[0]))
    with pytest.raises(TimeoutError):
        processes.read(OPTIONS, page(TEXTS[1]), monotonic())
    assert list(tmp_path.iterdir()) == []


def wrapped(folder: Path, monkeypatch: pytest.MonkeyPatch, lines: str) -> None:
    """Put a script before Tesseract on the path."""
    program = folder / "tesseract"
    program.write_text(f'#!/bin/sh\n{lines}\nexec {shutil.which("tesseract")} "$@"\n')
    program.chmod(0o755)
    monkeypatch.setenv("PATH", str(folder), prepend=os.pathsep)


@pytest.mark.usefixtures("processes")
def test_a_page_that_a_staying_process_fails_on_is_read_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every other page makes the process that stays end; all of them are read, each once, in their order."""
    fails = 'case "$*" in *stream_filelist*) head -n 1 >/dev/null; exit 1;; esac'
    wrapped(tmp_path, monkeypatch, fails)
    with pytest.raises(Ended):
        Processes().read(OPTIONS, page(TEXTS[1]), monotonic() + PATIENCE_S)
    options = Options(ocr_languages="eng")
    texts = [tesseract.read_image(page(text), options).text for text in (TEXTS[1], "", TEXTS[1])]
    assert texts == [TEXTS[1], "", TEXTS[1]]


@pytest.mark.usefixtures("processes")
def test_what_fails_alone_as_well_is_an_error_of_the_page(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    wrapped(tmp_path, monkeypatch, 'case "$*" in *--list-langs*) ;; *) echo "no memory" >&2; exit 1;; esac')
    with pytest.raises(Corrupt, match="no memory"):
        tesseract.read_image(page(TEXTS[1]), Options(ocr_languages="eng"))


@pytest.mark.usefixtures("processes")
def test_a_process_that_says_nothing_is_ended_in_time(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    wrapped(tmp_path, monkeypatch, 'case "$*" in *--list-langs*) ;; *) exec sleep 600;; esac')
    with pytest.raises(TimedOut, match="ocr_timeout_s"):
        tesseract.read_image(page(TEXTS[1]), Options(ocr_languages="eng", ocr_timeout_s=0.5))


@pytest.mark.usefixtures("processes")
def test_pages_of_a_document_share_a_process_until_it_is_ended() -> None:
    extractors.end_processes()
    assert started() == []
    document = extractors.read(SAMPLES / "project_file_mixed.pdf")
    assert [page.origin for page in document.pages].count("ocr") == 2
    assert len(started()) == 1
    extractors.end_processes()
    assert started() == []
