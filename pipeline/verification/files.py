"""Look at the spool: files that no document needs, and files that one needs and that are gone."""

from __future__ import annotations

import time
from collections.abc import Iterable, Sequence

from pipeline.catalog.documents import garbage
from pipeline.catalog.documents.live_points import UploadedFile, originals_kept_for_readers
from pipeline.catalog.work import batches
from pipeline.ingest.cleanup import GUARD_S, KEEP_DRAFTS_S
from pipeline.services import Services
from pipeline.spool import ORIGINALS, original_key
from pipeline.stages.artifacts import batch_prefix
from pipeline.stages.discard import keys_in
from pipeline.stages.kept_texts import TEXTS, text_key_of
from pipeline.verification.drift import EXAMPLES, Drift, Findings

__all__ = ["check_files"]


def check_files(services: Services, findings: Findings) -> None:
    """Look for files that are too many or too few. What is younger than the clean-up's guard is left alone."""
    originals, texts = keys_in(services.spool, ORIGINALS), keys_in(services.spool, TEXTS)
    names = services.spool.names("batches")
    with services.catalog.connect() as connection:
        needed_originals = {original_key(*row) for row in garbage.needed_originals(connection)}
        needed_texts = {text_key_of(*row) for row in garbage.needed_texts(connection)}
        states = batches.states(connection, names)
        uploads = originals_kept_for_readers(connection)
    if not services.settings.keep_originals:
        _add_old(services, originals - needed_originals, GUARD_S, findings)
    _add_old(services, texts - needed_texts, GUARD_S, findings)
    ended = {name for name in names if states.get(name) in ("done", "cancelled")}
    unknown = {name for name in names if name not in states}
    _add_old(services, map(batch_prefix, ended), GUARD_S, findings)
    _add_old(services, map(batch_prefix, unknown), KEEP_DRAFTS_S, findings)
    _add_missing(services, [upload for upload in uploads if _key_of(upload) not in originals], findings)
    findings.checked["files"] += len(originals) + len(texts) + len(names)


def _key_of(upload: UploadedFile) -> str:
    return original_key(upload.content_sha256, upload.source)


def _add_missing(services: Services, suspects: Sequence[UploadedFile], findings: Findings) -> None:
    """Count those of these files that are missing still, and needed still: the folder was listed some time ago."""
    missing = [upload for upload in suspects if not services.spool.exists(_key_of(upload))]
    if not missing:
        return
    with services.catalog.connect() as connection:
        needed = set(originals_kept_for_readers(connection))
    for upload in missing:
        if upload in needed:
            gone = Drift("original_missing", 1, upload.collection, upload.document_id, upload.source)
            findings.add(gone)
            findings.uploads += [gone] if len(findings.uploads) < EXAMPLES else []


def _add_old(services: Services, keys: Iterable[str], age_s: float, findings: Findings) -> None:
    """Count those of these keys that were last written so many seconds ago."""
    before = time.time() - age_s
    for key in sorted(keys):
        try:
            if services.spool.modified_at(key) < before:
                findings.add(Drift("spool_file", detail=key))
        except FileNotFoundError:
            continue
