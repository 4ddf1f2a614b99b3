"""Read one file in a process of its own, which may end in any way.

    python bench/one_file.py FILE

It prints JSON: the text that Docrelay reads, the code if the file fails, and pdfium's own text of a PDF.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

__all__ = ["read_alone"]

ROOT = Path(__file__).resolve().parents[1]
READ_TIMEOUT_S = 900
BESIDE_TEXT = "Read by OCR: pictures beside its text cover"
"""The warning on a page whose text layer is kept and to which OCR adds the writing of its pictures."""


def read_alone(path: Path) -> dict[str, Any]:
    """Read a file in a process of its own: its text, the code if it fails, and pdfium's own text of a PDF."""
    command = [sys.executable, __file__, str(path)]
    environment = {**os.environ, "OMP_THREAD_LIMIT": "1", "PYTHONPATH": str(ROOT)}
    nothing = {"text": "", "raw": None}
    try:
        done = subprocess.run(command, capture_output=True, timeout=READ_TIMEOUT_S, env=environment, check=False)
    except subprocess.TimeoutExpired:
        return {**nothing, "code": "timeout"}
    if done.returncode:
        print(done.stderr.decode(errors="replace")[-2000:], file=sys.stderr)
        return {**nothing, "code": "crashed"}
    answer: dict[str, Any] = json.loads(done.stdout)
    return answer


def _read(path: Path) -> dict[str, str | None]:
    """Read a file in this process."""
    from extractors.errors import ExtractError

    raw = _pdfium_text(path) if path.suffix == ".pdf" else None
    try:
        return {"text": _text_of(path), "code": None, "raw": raw}
    except ExtractError as error:
        return {"text": "", "code": error.code, "raw": raw}


def _text_of(path: Path) -> str:
    """What Docrelay reads, but for the writing of pictures beside the text of a page."""
    from extractors import extract, read
    from extractors.options import Options

    document = read(path, Options())
    beside_text = {p.number for p in document.pages if any(BESIDE_TEXT in warning for warning in p.warnings)}
    if not beside_text:
        return document.text
    layers = extract(path, Options(ocr="off"))
    return document.with_pages({p.number: p for p in layers.pages if p.number and p.number in beside_text}).text


def _pdfium_text(path: Path) -> str:
    import pypdfium2

    document = pypdfium2.PdfDocument(path)
    try:
        return "\n".join(page.get_textpage().get_text_range() for page in document)
    finally:
        document.close()


if __name__ == "__main__":
    print(json.dumps(_read(Path(sys.argv[1]))))
