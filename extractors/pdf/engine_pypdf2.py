"""The engine `pypdf2`: PyPDF2 3.0.1, the last of its line, for users who insist.

Its authors continue it as pypdf. It is not maintained and hangs on published hostile files
(CVE-2023-36464), so that it is an extra, and only safe under a time limit.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from extractors.errors import Unsupported
from extractors.options import Options
from extractors.pdf.engine_pypdf import PypdfFile, open_with

__all__ = ["open_pdf"]


@contextmanager
def open_pdf(path: Path, options: Options) -> Iterator[PypdfFile]:
    """Open a PDF, with the empty or one of the given passwords.

    Raises:
        Unsupported: PyPDF2 is not installed.
        Encrypted: no password opens it.
        Corrupt: PyPDF2 cannot read it.
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)  # a user who names this engine knows
            import PyPDF2
    except ImportError as error:
        raise Unsupported("The engine pypdf2 is not installed: pip install docrelay[pypdf2]") from error
    with open_with(PyPDF2, path, options) as pdf:
        yield pdf
