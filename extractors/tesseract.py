"""OCR by Tesseract through pytesseract: one picture of a page in, its text and confidence out.

A page is read as it stands. Only where Tesseract is unsure of what it read is its orientation looked
into, so an upright page costs one run. Measured on scans: upright pages are read with a confidence
above .85, the same pages upside down or on their side below .5.
"""

from __future__ import annotations

import shutil
import subprocess
from collections import ChainMap
from dataclasses import dataclass
from functools import cache
from itertools import groupby
from os import environ
from time import monotonic
from typing import TYPE_CHECKING, Any

from extractors.errors import Corrupt, OcrUnavailable, TimedOut
from extractors.options import Options
from extractors.page_image import calm, deskew, flatten, zoom_for

if TYPE_CHECKING:
    from PIL.Image import Image

__all__ = ["available", "read_image"]

SURE = 0.7
"""Mean confidence from which a reading is taken without looking at the orientation."""
OSD_SURE = 2.0
"""Tesseract's orientation confidence from which its word "upright" is final."""
MARGIN = 20
"""White pixels put around the page: Tesseract misses writing that touches the edge."""


@dataclass(frozen=True, slots=True)
class Word:
    """One word that Tesseract read: its position, and its confidence (0 to 1)."""

    text: str
    paragraph: tuple[int, int]
    line: int
    confidence: float


@dataclass(frozen=True, slots=True)
class Reading:
    """The result of one run of Tesseract."""

    words: tuple[Word, ...]

    @property
    def confidence(self) -> float | None:
        """Mean word confidence; None where no word was found."""
        return sum(word.confidence for word in self.words) / len(self.words) if self.words else None

    @property
    def worth(self) -> float:
        """Letters read with more than even confidence, less those read with less: compares orientations."""
        return sum(len(word.text) * (word.confidence - 0.5) for word in self.words)

    @property
    def text(self) -> str:
        """Words joined by spaces, lines by a newline, paragraphs by a blank line."""
        paragraphs = (
            "\n".join(" ".join(word.text for word in line) for _, line in groupby(paragraph, lambda word: word.line))
            for _, paragraph in groupby(self.words, lambda word: word.paragraph)
        )
        return "\n\n".join(paragraphs)


def available(languages: str) -> list[str]:
    """Return what is missing to read `languages` ("deu+eng"): "tesseract", or language codes; [] if nothing is.

    The answer is kept while nothing is missing; what was missing is looked for again.
    """
    installed = _installed()
    wanted = [language for language in languages.split("+") if language]
    missing = ["tesseract"] if installed is None else [code for code in wanted if code not in installed]
    if missing:
        _installed.cache_clear()
    return missing


def read_image(image: Image, options: Options) -> tuple[str, float | None]:
    """Read a picture of a page, whichever way up it is.

    Returns:
        The text, and the mean word confidence from 0 to 1 (None for a page without words).

    Raises:
        OcrUnavailable: Tesseract or one of `options.ocr_languages` is not installed.
        TimedOut: the page took longer than `options.ocr_timeout_s`.
        Corrupt: Tesseract failed on the picture.
        OSError: there is no room for the files through which Tesseract is spoken to.
    """
    _require(options.ocr_languages)
    run = _Run(options.ocr_languages, options.ocr_dpi, options.ocr_timeout_s)
    page = _prepare(image, options)
    best = run.read(page)
    if best.confidence is None or best.confidence < SURE:
        best = _best_orientation(run, page, best)
    return best.text, best.confidence


def _prepare(image: Image, options: Options) -> Image:
    from PIL import ImageOps
    from PIL.Image import Resampling

    zoom = zoom_for(image.size, _dpi(image), options.ocr_dpi, options.max_image_pixels)
    grey = calm(flatten(image))
    if zoom != 1:
        grey = grey.resize([max(1, round(side * zoom)) for side in grey.size], Resampling.LANCZOS)
    return ImageOps.expand(deskew(grey), MARGIN, 255)


def _dpi(image: Image) -> float | None:
    value: Any = image.info.get("dpi")
    try:
        return float(min(value[:2])) if value else None
    except (TypeError, ValueError):
        return None


def _best_orientation(run: _Run, page: Image, first: Reading) -> Reading:
    """Turn the page as Tesseract's own orientation detection says, or, where that fails, every way."""
    if page.getextrema() == (255, 255):
        return first
    best = first
    try:
        for turn in run.turns(page, found_words=bool(first.words)):
            best = max(best, run.read(_turned(page, turn)), key=lambda reading: reading.worth)
            if best is not first and (best.confidence or 0) >= SURE:
                break
    except TimedOut:
        if not first.words:
            raise
    return best


def _turned(page: Image, clockwise: int) -> Image:
    from PIL.Image import Transpose

    turns = {90: Transpose.ROTATE_270, 180: Transpose.ROTATE_180, 270: Transpose.ROTATE_90}
    return page.transpose(turns[clockwise])


class _Run:
    """Runs of Tesseract over one page, within one time limit."""

    def __init__(self, languages: str, dpi: int, seconds: float) -> None:
        self.languages = languages
        # Sauvola's threshold is local: a shadow or a tinted box does not swallow the writing in it.
        self.config = f"--dpi {dpi} -c thresholding_method=2"
        self.seconds = seconds
        self.deadline = monotonic() + seconds

    def read(self, page: Image) -> Reading:
        """Read the page as it stands."""
        rows = self._call("image_to_data", page, lang=self.languages, config=self.config).split("\n")
        return Reading(tuple(word for row in rows[1:] if (word := _word(row.split("\t", 11)))))

    def turns(self, page: Image, *, found_words: bool) -> tuple[int, ...]:
        """Clockwise quarter turns that may set the page upright, in degrees, the likeliest first.

        Where nothing was found, only a turn that Tesseract itself names is worth its time: a photograph
        of a meadow takes longer to read than a page.
        """
        try:
            orientation: dict[str, Any] = self._call("image_to_osd", page, config=self.config, output_type="dict")
        except Corrupt:  # too little writing, or the model `osd` is not installed
            orientation = {}
        likely = int(orientation.get("rotate", 0))
        if not found_words:
            return (likely,) if likely else ()
        if orientation and likely == 0 and orientation.get("orientation_conf", 0.0) >= OSD_SURE:
            return ()
        return tuple(sorted((180, 90, 270), key=lambda turn: turn != likely))

    def _call(self, function: str, page: Image, **arguments: Any) -> Any:
        engine = _pytesseract()
        page.format = "PPM"  # pytesseract writes this format to a file: PNG would spend a second on compression
        left = self.deadline - monotonic()
        try:
            if left > 0:
                return getattr(engine, function)(page, timeout=left, **arguments)
        except engine.TesseractNotFoundError:
            raise OcrUnavailable(_advice(["tesseract"], self.languages)) from None
        except engine.TesseractError as error:
            raise Corrupt(f"Tesseract failed on the picture: {str(error.message)[:200]}") from None
        except UnboundLocalError as error:  # how pytesseract hides that it got no temporary file
            if isinstance(error.__context__, OSError):
                raise error.__context__ from None
            raise
        except RuntimeError:  # how pytesseract says that the time is over
            pass
        raise TimedOut(f"Reading the page took longer than {self.seconds:g} s (setting `ocr_timeout_s`).")


def _word(fields: list[str]) -> Word | None:
    if len(fields) < 12 or not fields[11].strip() or float(fields[10]) < 0:
        return None
    _, _, block, paragraph, line = (int(field) for field in fields[:5])
    return Word(fields[11].strip(), (block, paragraph), line, float(fields[10]) / 100)


def _require(languages: str) -> None:
    if missing := available(languages):
        raise OcrUnavailable(_advice(missing, languages))


def _advice(missing: list[str], languages: str) -> str:
    if missing == ["tesseract"]:
        packages = ["tesseract-ocr", *(_package(code) for code in languages.split("+"))]
        return f"Tesseract is not installed; install it with: apt-get install {' '.join(packages)}"
    packages = [_package(code) for code in missing]
    return f"Tesseract lacks {', '.join(missing)}; install with: apt-get install {' '.join(packages)}"


def _package(code: str) -> str:
    return "tesseract-ocr-" + code.lower().replace("_", "-").replace("/", "-")


@cache
def _installed() -> frozenset[str] | None:
    """Codes of the installed languages; None where there is no Tesseract."""
    if shutil.which("tesseract") is None:
        return None
    listed = subprocess.run(["tesseract", "--list-langs"], capture_output=True, text=True, check=False, timeout=60)
    return frozenset(line.strip() for line in (listed.stdout + listed.stderr).splitlines()[1:])


@cache
def _pytesseract() -> Any:
    """Import the module, with one thread for Tesseract: pages scale by processes, and its threads only contend."""
    from pytesseract import pytesseract

    pytesseract.environ = ChainMap({"OMP_THREAD_LIMIT": "1"}, environ)
    return pytesseract
