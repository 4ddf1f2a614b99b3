"""Errors of the pipeline: what can go wrong outside a file's content.

    PipelineError
    ├── UnknownId            unknown_id            an id that was never submitted
    │   └── UnknownPage      unknown_page          a page that a document does not have
    ├── BadRequest           bad_request           wrong use: a path, a priority, a collection name
    │   ├── Conflict         conflict              its subject is in the wrong state for it
    │   └── BackupUnusable   backup_unusable       a backup that is incomplete, damaged, or of a newer version
    ├── SpaceMismatch        space_mismatch        vectors of two models would be mixed
    ├── StackUnavailable     stack_unavailable     a service could not be reached or started
    │   ├── DiskFull         disk_full             the disk has too little room to go on
    │   ├── StackLost        stack_unavailable     the private stack was killed; it can be started again
    │   ├── NoWorker         no_worker             no worker that runs can do a stage of the workflow
    │   └── StoreDamaged     store_damaged         the embedded vectors cannot be opened
    ├── AlreadyUp            already_up            a second `docrelay up` on a data folder
    ├── VerificationFailed   verification_failed   points in the store are not the chunks in the catalog
    ├── StageFailed          stage_failed          a declared stage failed on a document
    ├── Refused              refused               a request that the API does not let in
    │   ├── NoKey            unauthorized          no API key, or one that is not valid
    │   ├── NotAllowed       forbidden             a key without the scope, a host or origin that is not ours
    │   ├── PathNotAllowed   path_not_allowed      a path outside the folders that the API may read
    │   ├── TooMany          rate_limited          more requests than the key may send
    │   ├── Busy             busy                  more at once than this process serves
    │   ├── NotReady         not_ready             the answer of /health/ready while no document can be kept
    │   ├── TooSlow          too_slow              a body that does not come
    │   ├── BodyTooLarge     body_too_large        more bytes, files or fields than one request may have
    │   ├── WrongMediaType   wrong_media_type      a body of a kind that is not read here
    │   ├── BrokenBody       broken_body           multipart or JSON that cannot be read
    │   ├── Invalid          invalid_request       fields that are unknown, missing or wrong
    │   ├── NoSuchRoute      not_found             a path that the API does not have
    │   ├── NoSuchMethod     method_not_allowed    a method that this path does not have
    │   ├── OtherRequest     idempotency_mismatch  an Idempotency-Key that stands for another request
    │   ├── InProgress       request_in_progress   a request that is carried out now, sent once more
    │   ├── Gone             content_gone          the original of a document is not there any more
    │   └── HookRefused      webhook_refused       an address that no webhook may have
    └── Rejected             (a code of its own)   a file that intake does not accept
        ├── NotAFile         not_a_file            a folder, FIFO, device or socket
        ├── BadSidecar       bad_sidecar           the metadata beside it is no JSON object
        ├── Unreadable       unreadable            no permission, or it vanished
        ├── OutsideRoot      outside_root          a symlink that leaves the folder, or loops
        ├── TooLargeToTake   too_large             larger than `max_file_mb`
        ├── Changing         changing              it changes while it is read
        └── Quarantined      quarantined           it crashed or timed out too often

Every instance has `code` (stable), `message` (one sentence), `hint` (what to do) and `transient` (whether a retry may
cure it), as those of `extractors.errors` and `embeddings.errors` have. A class docstring is its default message.
`pipeline.errors.problem` turns an error of any of the three trees into one `Problem`.
"""

from __future__ import annotations

from pipeline.errors.base import PipelineError
from pipeline.errors.refused import (
    BodyTooLarge,
    BrokenBody,
    Busy,
    Gone,
    HookRefused,
    InProgress,
    Invalid,
    NoKey,
    NoSuchMethod,
    NoSuchRoute,
    NotAllowed,
    NotReady,
    OtherRequest,
    PathNotAllowed,
    Refused,
    TooMany,
    TooSlow,
    WrongMediaType,
)
from pipeline.errors.rejected import (
    BadSidecar,
    Changing,
    NotAFile,
    OutsideRoot,
    Quarantined,
    Rejected,
    TooLargeToTake,
    Unreadable,
)

# fmt: off
__all__ = [
    "AlreadyUp", "BackupUnusable", "BadRequest", "BadSidecar", "BodyTooLarge", "BrokenBody", "Busy", "Changing",
    "Conflict", "DiskFull", "Gone", "HookRefused", "InProgress", "Invalid", "NoKey", "NoSuchMethod", "NoSuchRoute",
    "NoWorker", "NotAFile", "NotAllowed", "NotReady", "OtherRequest", "OutsideRoot", "PathNotAllowed", "PipelineError",
    "Quarantined", "Refused", "Rejected", "SpaceMismatch", "StackLost", "StackUnavailable", "StageFailed",
    "StoreDamaged", "TooLargeToTake", "TooMany", "TooSlow", "UnknownId", "UnknownPage",
    "Unreadable", "VerificationFailed", "WrongMediaType",
]
# fmt: on


class UnknownId(PipelineError):
    """No job, document or task has this id."""

    code = "unknown_id"
    hint = "List what there is with: docrelay status"


class UnknownPage(UnknownId):
    """The document has no such page."""

    code = "unknown_page"
    hint = "Pages count from 1; the field `pages` of the document, or of another page, says how many there are."


class BadRequest(PipelineError):
    """The request cannot be carried out as written."""

    code = "bad_request"
    hint = "See: docrelay --help"


class Conflict(BadRequest):
    """What the request is about is in no state for it."""

    code = "conflict"
    hint = "See how it stands, then ask again."


class BackupUnusable(BadRequest):
    """The folder holds no backup that can be restored."""

    code = "backup_unusable"
    hint = "Take another backup; docs/backup.md says how."


class SpaceMismatch(PipelineError):
    """The collection's vectors were made by another model."""

    code = "space_mismatch"
    hint = "Use another collection, or the model that the collection was made with."


class StackUnavailable(PipelineError):
    """A service that Docrelay needs cannot be reached."""

    code = "stack_unavailable"
    hint = "Start the stack with: docrelay up"
    transient = True


class DiskFull(StackUnavailable):
    """The disk has too little room to go on."""

    code = "disk_full"
    hint = "Free some space there, or lower the setting `min_free_mb`; work goes on by itself then."


class StackLost(StackUnavailable):
    """The private stack was killed while this command used it."""

    hint = "Run the command again: it starts the stack, and what was begun goes on."


class NoWorker(StackUnavailable):
    """No worker that runs can do a stage of the workflow."""

    code = "no_worker"
    hint = "Install the package where the workers run, start them anew, then run: docrelay failures retry"


class StoreDamaged(StackUnavailable):
    """The files of the vector store are damaged."""

    code = "store_damaged"
    hint = "Make its vectors anew from the kept texts with: docrelay verify --repair"


class AlreadyUp(PipelineError):
    """`docrelay up` runs already on this data folder."""

    code = "already_up"
    hint = "Use that one, which other commands find by themselves; or end it with Ctrl-C, or give another --data-dir."


class VerificationFailed(PipelineError):
    """The store does not hold the points that the catalog expects."""

    code = "verification_failed"
    hint = "It is retried by itself; if it stays, run: docrelay failures retry"
    transient = True


class StageFailed(PipelineError):
    """A stage of the workflow failed on this document."""

    code = "stage_failed"
    hint = "Correct the stage or the document, then run: docrelay failures retry"
