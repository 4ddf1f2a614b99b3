"""OCR by Tesseract: one picture of a page in, its text and confidence out.

Pages are read by processes of Tesseract that stay for the next page. A page that such a process ends on is read
again by a process of its own, through pytesseract.

A page is read as it stands. Only where Tesseract is unsure of what it read is its orientation looked
into, so an upright page costs one run. Measured on scans: upright pages are read with a confidence
above .85, the same pages upside down or on their side below .5.
"""

from __future__ import annotations

import atexit
import shutil
import subprocess
from collections import ChainMap
from functools import cache
from os import environ
from time import monotonic
from typing import TYPE_CHECKING, Any

from extractors.boxes import Glyph
from extractors.errors import Corrupt, OcrUnavailable, TimedOut
from extractors.options import Options
from extractors.pictures.blank_page import is_blank
from extractors.pictures.known_pages import KnownPages, picture_key
from extractors.pictures.page_geometry import Geometry
from extractors.pictures.page_image import flatten
from extractors.pictures.prepared_page import Threshold, prepare
from extractors.pictures.tesseract_process import Ended, Processes
from extractors.pictures.word_gaps import parted
from extractors.pictures.words import PageText, Reading, Word
from extractors.working_time import stretch, working_time

if TYPE_CHECKING:
    from PIL.Image import Image

__all__ = ["PageText", "available", "end_processes", "locate_words", "read_image", "require"]

METHOD: dict[Threshold, int] = {"global": 0, "local": 2}
"""Tesseract's numbers: Otsu and Sauvola."""
OTHER: dict[Threshold, Threshold] = {"global": "local", "local": "global"}

SURE = 0.7
"""Mean confidence from which a reading is taken without looking at the orientation."""
DOUBTED = 0.85
"""Mean confidence below which the page is read with the other threshold as well; clean pages stay above .9."""
UNSURE = 0.6
"""Mean confidence below which a page gets a warning."""
MANY = 10
"""Marks left out as noise from which a page gets a warning."""
OSD_SURE = 2.0
"""Tesseract's orientation confidence from which its word "upright" is final."""


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


def read_image(image: Image, options: Options) -> PageText:
    """Read a picture of a page, whichever way up it is; a blank one, or one that was read lately, costs no reading.

    Raises:
        OcrUnavailable: Tesseract or one of `options.ocr_languages` is not installed.
        TimedOut: the page took longer than `options.ocr_timeout_s`.
        Corrupt: Tesseract failed on the picture.
        OSError: there is no room for the files through which Tesseract is spoken to.
    """
    require(options.ocr_languages)
    grey, dpi = flatten(image), _dpi(image)
    if is_blank(grey):
        return PageText("", None)
    limits = options.max_image_pixels, options.ocr_timeout_s
    key = (picture_key(grey), dpi, options.ocr_languages, options.ocr_dpi, limits, shutil.which("tesseract"))
    known = _known_pages().find(key)
    if known is not None:
        return known
    best, _ = _read(grey, dpi, options)
    return _known_pages().keep(key, PageText(best.text, best.confidence, _warnings(best)))


def locate_words(image: Image, options: Options) -> list[Glyph]:
    """Read a picture of a page as `read_image` does, and say where its words stand; none on a blank one.

    Raises:
        OcrUnavailable, TimedOut, Corrupt, OSError: as `read_image`.
    """
    require(options.ocr_languages)
    grey = flatten(image)
    if is_blank(grey):
        return []
    best, geometry = _read(grey, _dpi(image), options)
    placed = ((word.text, geometry.box_of(*word.box)) for word in best.words)
    return [Glyph(text, box) for text, box in placed if box is not None]


def _read(grey: Image, dpi: float | None, options: Options) -> tuple[Reading, Geometry]:
    run = _Run(options.ocr_languages, options.ocr_dpi, options.ocr_timeout_s)
    prepared, turn = prepare(grey, dpi, options), 0
    page, threshold = prepared.image, prepared.threshold
    best = run.read(page, threshold)
    if best.confidence is None or best.confidence < SURE:
        turn, page, best = _best_orientation(run, page, best, threshold)
    if best.seen and (best.confidence is None or best.confidence < DOUBTED):
        best = _better_threshold(run, page, best, OTHER[threshold])
    return best, prepared.geometry.turned(turn)


def _dpi(image: Image) -> float | None:
    value: Any = image.info.get("dpi")
    try:
        return float(min(value[:2])) if value else None
    except (TypeError, ValueError):
        return None


def _best_orientation(run: _Run, page: Image, first: Reading, threshold: Threshold) -> tuple[int, Image, Reading]:
    """Turn the page as Tesseract's own orientation detection says, or, where that fails, every way.

    Returns:
        By how many degrees it was turned clockwise, the turned page, and its reading.
    """
    best = 0, page, first
    if page.getextrema() == (255, 255):
        return best
    try:
        for turn in run.turns(page, found_words=first.seen):
            turned = _turned(page, turn)
            best = max(best, (turn, turned, run.read(turned, threshold)), key=lambda found: found[2].worth)
            if best[2] is not first and (best[2].confidence or 0) >= SURE:
                break
    except TimedOut:
        if (best[2].confidence or 0) < UNSURE:
            raise  # what was read of a page that may be upside down is no text
    return best


def _better_threshold(run: _Run, page: Image, first: Reading, threshold: Threshold) -> Reading:
    """The page read with the other threshold, if that is the better reading and there is time for it."""
    try:
        return max(first, run.read(page, threshold), key=lambda reading: reading.worth)
    except TimedOut:
        return first


def _warnings(reading: Reading) -> tuple[str, ...]:
    unsure = reading.confidence is not None and reading.confidence < UNSURE
    noisy = reading.dropped >= MANY
    return (
        *([f"OCR is unsure of this page: mean confidence {reading.confidence:.2f}."] if unsure else ()),
        *([f"OCR left out {reading.dropped} marks of this page that are no words."] if noisy else ()),
    )


def _turned(page: Image, clockwise: int) -> Image:
    from PIL.Image import Transpose

    turns = {90: Transpose.ROTATE_270, 180: Transpose.ROTATE_180, 270: Transpose.ROTATE_90}
    return page.transpose(turns[clockwise])


class _Run:
    """Runs of Tesseract over one page, within one time limit."""

    def __init__(self, languages: str, dpi: int, seconds: float) -> None:
        self.languages = languages
        self.config = f"--dpi {dpi}"
        self.seconds = seconds
        self.began = monotonic(), working_time()
        self.deadline = working_time() + seconds

    def read(self, page: Image, threshold: Threshold) -> Reading:
        """Read the page as it stands."""
        config = f"{self.config} -c thresholding_method={METHOD[threshold]}"
        try:
            rows = _processes().read(("-l", self.languages, *config.split()), page, self.deadline)
        except Ended:  # a process of its own says why it fails
            table = self._call("image_to_data", page, lang=self.languages, config=config)
            rows = [row.split("\t", 11) for row in table.split("\n")[1:]]
        except TimeoutError:
            raise self._late() from None
        return Reading.of([word for row in rows if (word := _word(row, page))])

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
        left = self.deadline - working_time()
        pace = stretch(monotonic() - self.began[0], working_time() - self.began[1])  # pytesseract counts by the wall
        try:
            if left > 0:
                return getattr(engine, function)(page, timeout=left * pace, **arguments)
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
        raise self._late()

    def _late(self) -> TimedOut:
        return TimedOut(f"Reading the page took longer than {self.seconds:g} s (setting `ocr_timeout_s`).")


def _word(fields: list[str], page: Image) -> Word | None:
    if len(fields) < 12 or not fields[11].strip() or float(fields[10]) < 0:
        return None
    _, _, block, paragraph, line, _, left, top, width, height = (int(field) for field in fields[:10])
    text = parted(fields[11].strip(), (left, top, left + width, top + height), page)
    return Word(text, (block, paragraph), line, float(fields[10]) / 100, width, height, left, top)


def require(languages: str) -> None:
    """Check that Tesseract and these languages ("deu+eng") are installed; raises OcrUnavailable."""
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


def end_processes() -> None:
    """End the processes of Tesseract that wait for the next page; one that is needed again is started again."""
    _processes().close()


@cache
def _processes() -> Processes:
    """Those of this process; they end with it."""
    processes = Processes()
    atexit.register(processes.close)
    return processes


@cache
def _known_pages() -> KnownPages:
    return KnownPages()


@cache
def _pytesseract() -> Any:
    """Import the module, with one thread for Tesseract: pages scale by processes, and its threads only contend."""
    from pytesseract import pytesseract

    pytesseract.environ = ChainMap({"OMP_THREAD_LIMIT": "1"}, environ)
    return pytesseract
