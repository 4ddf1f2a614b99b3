"""Errors of files that intake does not accept."""

from __future__ import annotations

from pipeline.errors.base import PipelineError

__all__ = [
    "BadSidecar",
    "Changing",
    "NotAFile",
    "OutsideRoot",
    "Quarantined",
    "Rejected",
    "TooLargeToTake",
    "Unreadable",
]


class Rejected(PipelineError):
    """The file is not taken."""

    code = "rejected"
    hint = "Check the file."


class NotAFile(Rejected):
    """It is not a regular file."""

    code = "not_a_file"
    hint = "Only regular files are read; folders are walked, pipes and devices never opened."


class BadSidecar(Rejected):
    """The metadata beside the file cannot be used."""

    code = "bad_sidecar"
    hint = "Correct or remove it: it must be one JSON object of at most a megabyte."


class Unreadable(Rejected):
    """The file cannot be opened."""

    code = "unreadable"
    hint = "Check that it is still there and that this user may read it."


class OutsideRoot(Rejected):
    """The symbolic link leaves the given folder or leads nowhere."""

    code = "outside_root"
    hint = "Name the link's target itself if it is wanted."


class TooLargeToTake(Rejected):
    """The file is larger than the limit."""

    code = "too_large"
    hint = "Split the file, or raise the setting `max_file_mb`."


class Changing(Rejected):
    """The file changes while it is read."""

    code = "changing"
    hint = "Wait until the program that writes it is done, then ingest it again."


class Quarantined(Rejected):
    """The file ended too many attempts as crashed, timeout or out_of_memory, and is left alone."""

    code = "quarantined"
    hint = "Change the file or raise the limit it met, then run: docrelay failures retry ID --force"
