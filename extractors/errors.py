"""What can be wrong with a file. Every error is about the file alone and is final for it.

    ExtractError
    ├── Unsupported      unsupported
    ├── Encrypted        encrypted
    ├── Corrupt          corrupt
    ├── Empty            empty
    ├── TooLarge         too_large
    ├── TimedOut         timeout
    ├── OutOfMemory      out_of_memory
    ├── Crashed          crashed
    ├── OcrFailed        ocr_failed
    └── OcrUnavailable   ocr_unavailable

A class docstring is its default message. `code` is stable, `hint` says what the user can do, and `transient` is False:
reading the same file in the same way fails again.
"""

from __future__ import annotations

from errno import (
    EACCES,
    EAGAIN,
    EDQUOT,
    EFBIG,
    EINTR,
    EIO,
    EMFILE,
    ENFILE,
    ENOENT,
    ENOMEM,
    ENOSPC,
    EPERM,
    EROFS,
    ESTALE,
    ETIMEDOUT,
)

__all__ = [
    "Corrupt",
    "Crashed",
    "Empty",
    "Encrypted",
    "ExtractError",
    "OcrFailed",
    "OcrUnavailable",
    "OutOfMemory",
    "TimedOut",
    "TooLarge",
    "Unsupported",
    "is_of_system",
]

OF_SYSTEM = frozenset(
    (EACCES, EAGAIN, EDQUOT, EFBIG, EINTR, EIO, EMFILE, ENFILE, ENOENT, ENOMEM, ENOSPC, EPERM, EROFS, ESTALE, ETIMEDOUT)
)


def is_of_system(error: OSError) -> bool:
    """Whether the system refuses a resource: the disk, space, descriptors, the permission to read.

    Libraries raise OSError about contents, too: without a number, or with EINVAL where a damaged file sends them to a
    place before its beginning.
    """
    return error.errno in OF_SYSTEM


class ExtractError(Exception):
    """The file could not be read."""

    code: str = "extract_failed"
    hint: str = "Open the file in its own program and save it again."
    transient: bool = False

    def __init__(self, message: str = "") -> None:
        super().__init__(message or (type(self).__doc__ or "").splitlines()[0])

    @property
    def message(self) -> str:
        """One plain sentence."""
        return str(self.args[0])


class Unsupported(ExtractError):
    """This kind of file is not supported."""

    code = "unsupported"
    hint = "Convert it to PDF, DOCX, text, Markdown or an image."


class Encrypted(ExtractError):
    """The file is encrypted and none of the given passwords opens it."""

    code = "encrypted"
    hint = "Save it without its password; for a PDF, the password may stand in the setting `passwords` instead."


class Corrupt(ExtractError):
    """The file is damaged or is not what it claims to be."""

    code = "corrupt"
    hint = "Open the file in its own program and save it again, or fetch a fresh copy."


class Empty(ExtractError):
    """The file holds no text."""

    code = "empty"
    hint = "Check that the file is complete; a picture without writing cannot be searched."


class TooLarge(ExtractError):
    """The file is larger than the limits allow."""

    code = "too_large"
    hint = "Split the file, or raise the limit that the message names."


class TimedOut(ExtractError):
    """Reading the file took longer than the limit."""

    code = "timeout"
    hint = "Split the file, or raise the setting `extract_timeout_s`."


class OutOfMemory(ExtractError):
    """Reading the file needed more memory than the limit."""

    code = "out_of_memory"
    hint = "Split the file, or raise the setting `extract_memory_mb`."


class Crashed(ExtractError):
    """The extractor died on this file, twice."""

    code = "crashed"
    hint = "Save the file again in its own program; please report it if it opens there."


class OcrFailed(ExtractError):
    """OCR read no page of the file, and there is no other text in it."""

    code = "ocr_failed"
    hint = "Check that Tesseract works and has room for its files, then run: docrelay failures retry"


class OcrUnavailable(ExtractError):
    """The file has pages that need OCR, and Tesseract or a language of it is not installed."""

    code = "ocr_unavailable"
    hint = "Install what is missing, then run: docrelay failures retry"
