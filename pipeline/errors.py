"""What can go wrong outside a file, and which of it passes by itself.

    PipelineError
    ├── UnknownId            unknown_id            an id that was never submitted
    ├── BadRequest           bad_request           wrong use: a path, a priority, a collection name
    ├── SpaceMismatch        space_mismatch        vectors of two models would be mixed
    ├── StackUnavailable     stack_unavailable     a service could not be reached or started
    ├── VerificationFailed   verification_failed   points in the store are not the chunks in the catalog
    └── Rejected             (a code of its own)   a file that intake does not take
        ├── NotAFile         not_a_file            a folder, FIFO, device or socket
        ├── Unreadable       unreadable            no permission, or it vanished
        ├── OutsideRoot      outside_root          a symlink that leaves the folder, or loops
        ├── TooLargeToTake   too_large             larger than `max_file_mb`
        └── Changing         changing              it changes while it is read

Permanent or transient is decided here, once: `TRANSIENT` lists what a retry can cure; everything else
fails its document at once, with a stable code, a sentence and a hint.
"""

from __future__ import annotations

from typing import ClassVar

import httpx
import redis.exceptions
import sqlalchemy.exc

__all__ = [
    "TRANSIENT",
    "BadRequest",
    "Changing",
    "NotAFile",
    "OutsideRoot",
    "PipelineError",
    "Rejected",
    "SpaceMismatch",
    "StackUnavailable",
    "TooLargeToTake",
    "UnknownId",
    "Unreadable",
    "VerificationFailed",
]


class PipelineError(Exception):
    """Something in the pipeline failed."""

    code: ClassVar[str] = "internal"
    hint: ClassVar[str] = "Look at the logs in the data folder."

    def __init__(self, message: str = "", hint: str = "") -> None:
        super().__init__(message or (type(self).__doc__ or "").splitlines()[0], hint)

    @property
    def message(self) -> str:
        """One plain sentence."""
        return str(self.args[0])

    @property
    def advice(self) -> str:
        """What to do next."""
        return str(self.args[1] or self.hint)

    def __str__(self) -> str:
        return self.message


class UnknownId(PipelineError):
    """No job, document or task has this id."""

    code = "unknown_id"
    hint = "List what there is with: docrelay status"


class BadRequest(PipelineError):
    """The request cannot be carried out as written."""

    code = "bad_request"
    hint = "See: docrelay --help"


class SpaceMismatch(PipelineError):
    """The collection's vectors were made by another model."""

    code = "space_mismatch"
    hint = "Use another collection, or the model that the collection was made with."


class StackUnavailable(PipelineError):
    """A service that Docrelay needs cannot be reached."""

    code = "stack_unavailable"
    hint = "Start the stack with: docrelay up"


class VerificationFailed(PipelineError):
    """The store does not hold the points that the catalog expects."""

    code = "verification_failed"
    hint = "It is retried by itself; if it stays, run: docrelay failures retry"


class Rejected(PipelineError):
    """The file is not taken."""

    code = "rejected"
    hint = "Check the file."


class NotAFile(Rejected):
    """It is not a regular file."""

    code = "not_a_file"
    hint = "Only regular files are read; folders are walked, pipes and devices never opened."


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


TRANSIENT: tuple[type[Exception], ...] = (
    StackUnavailable,
    VerificationFailed,
    ConnectionError,
    redis.exceptions.ConnectionError,
    redis.exceptions.TimeoutError,
    sqlalchemy.exc.OperationalError,
    httpx.TransportError,
    httpx.HTTPStatusError,
    OSError,
)
"""What a retry can cure: Redis, Qdrant, the catalog, the disk, a model endpoint."""
