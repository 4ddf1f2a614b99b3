"""Kept images are bounded: what was asked for longest ago goes first, and all of a document that no reader sees."""

from __future__ import annotations

import os
import random
import time
from collections.abc import Iterator
from pathlib import Path
from uuid import uuid4

import pytest

from pipeline.catalog.database.connection import writing
from pipeline.catalog.database.group_commit import GroupWriter
from pipeline.catalog.documents import live_versions
from pipeline.catalog.documents.versions import newest
from pipeline.ingest.cleanup import clean_up
from pipeline.ingest.delete import delete
from pipeline.ingest.request import Request
from pipeline.ingest.submit_options import SubmitOptions
from pipeline.ingest.uploads import Draft, submit_uploads
from pipeline.services import Services
from pipeline.settings import Settings
from pipeline.spool import RemoteSpool
from pipeline.stages.kept_images import IMAGES, image_folder, keep_image, kept_image, sweep_images

MB = 1 << 20


@pytest.fixture
def services(tmp_path: Path) -> Iterator[Services]:
    services = Services(Settings(data_dir=tmp_path, embedding_model="hashing", page_images_mb=1), owner=True)
    yield services
    if "store" in services.__dict__:
        services.store.close()
    services.catalog.dispose()


@pytest.fixture(params=["local", "memory"])
def either(request: pytest.FixtureRequest, services: Services) -> Services:
    """Services with a local spool, then with a remote spool."""
    if request.param == "memory":
        settings = services.settings.model_copy(update={"spool_url": f"memory://{uuid4().hex}"})
        services.__dict__["settings"] = settings
        assert isinstance(services.spool, RemoteSpool)
    return services


def key_of(number: int) -> str:
    return f"{image_folder(f'{number:064x}')}/{number}"


def kept_bytes(services: Services) -> int:
    """Bytes of all images, counted without our bookkeeping."""
    if isinstance(services.spool, RemoteSpool):
        files = services.spool.files.find(services.spool.root, detail=True)
        return sum(fact["size"] for name, fact in files.items() if f"/{IMAGES}/" in name)
    folder = services.settings.data_dir / "spool" / IMAGES
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())


def test_what_is_kept_comes_back_and_nothing_else(either: Services) -> None:
    assert kept_image(either, key_of(1)) is None
    keep_image(either, key_of(1), b"picture")
    assert kept_image(either, key_of(1)) == b"picture"
    assert kept_image(either, key_of(2)) is None


def test_the_bound_is_kept_while_images_are_written(either: Services) -> None:
    chance = random.Random(3)
    for number in range(120):
        keep_image(either, key_of(number), b"x" * chance.randint(1, 90_000))
        assert kept_bytes(either) <= MB
    assert kept_bytes(either) >= 0.7 * MB


def test_what_was_asked_for_last_is_kept_longest(services: Services) -> None:
    for number in range(9):
        keep_image(services, key_of(number), b"x" * 100_000)
        before = time.time() - 100 + number
        os.utime(services.settings.data_dir / "spool" / key_of(number), (before, before))
    assert kept_image(services, key_of(0)) is not None
    keep_image(services, key_of(9), b"x" * 100_000)
    keep_image(services, key_of(10), b"x" * 100_000)
    assert kept_image(services, key_of(0)) is not None
    assert kept_image(services, key_of(1)) is None


@pytest.mark.parametrize("megabytes", [0, 1])
def test_an_image_that_would_take_the_room_of_all_others_is_not_kept(services: Services, megabytes: int) -> None:
    services.__dict__["settings"] = services.settings.model_copy(update={"page_images_mb": megabytes})
    keep_image(services, key_of(1), b"x" * (200_000 if megabytes else 1))
    assert kept_bytes(services) == 0


def test_a_spool_that_cannot_be_written_is_no_error(services: Services) -> None:
    (services.settings.data_dir / "spool").mkdir(exist_ok=True)
    (services.settings.data_dir / "spool" / IMAGES).write_bytes(b"in the way")
    keep_image(services, key_of(1), b"picture")
    assert kept_image(services, key_of(1)) is None


def live_document(services: Services, source: str, text: bytes) -> str:
    """A document whose newest version readers see, though nothing has made its points; the content's SHA-256."""
    draft = Draft(services)
    draft.write(text)
    accepted = submit_uploads(
        services, GroupWriter(services.catalog), Request(()), [draft.finish(source)], SubmitOptions()
    )
    document_id = accepted["documents"][0]["document_id"]
    with writing(services.catalog) as connection:
        version = newest(connection, document_id)
        live_versions.switch(connection, {document_id: version.id})
    return str(version.content_sha256)


def test_images_go_with_their_document(services: Services) -> None:
    kept, deleted = (live_document(services, f"upload://{name}.txt", name.encode()) for name in ("gull", "tern"))
    for content in (kept, deleted, "ab" * 32):
        keep_image(services, f"{image_folder(content)}/x", b"picture")
    delete(services, "documents", ["upload://tern.txt"])
    assert kept_image(services, f"{image_folder(deleted)}/x") is None
    assert kept_image(services, f"{image_folder('ab' * 32)}/x") is not None
    clean_up(services)  # of a content that no document has
    assert kept_image(services, f"{image_folder('ab' * 32)}/x") is None
    assert kept_image(services, f"{image_folder(kept)}/x") == b"picture"


def test_the_clean_up_keeps_the_bound_that_is_set_now(services: Services) -> None:
    content = live_document(services, "upload://gull.txt", b"gull")
    for number in range(8):
        services.spool.write(f"{image_folder(content)}/{number}", b"x" * 400_000)
    sweep_images(services)
    assert kept_bytes(services) == 800_000
    services.__dict__["settings"] = services.settings.model_copy(update={"page_images_mb": 0})
    sweep_images(services)
    assert kept_bytes(services) == 0
