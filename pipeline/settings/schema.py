"""Every setting of Docrelay with its default: one frozen model, unknown keys refused."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path
from typing import Any, Literal

from pydantic import ConfigDict, Field, field_validator, model_validator

from embeddings.base import Device, Precision
from extractors.options import OcrMode, Options, PdfEngine
from pipeline.names import COLLECTION
from pipeline.settings.notifications import Notifications
from pipeline.settings.operations import OperationSettings
from pipeline.settings.watch_folders import WatchFolder, apart, parse

__all__ = ["LEAST_SILENCE_S", "Settings"]

LEAST_SILENCE_S = 7.0
"""No worker counts as dead sooner: Celery 5.7 holds a lease of 6 s on the dispatch of a chord's body, and a message
that comes back within it would be acknowledged without effect."""


class Settings(OperationSettings, Notifications):
    """All settings, with their units; see `docs/configuration.md`."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    data_dir: Path = Field(Path.home() / ".docrelay", description="folder of everything that embedded mode writes")
    collection: str = Field("documents", pattern=COLLECTION, description="default collection")
    workflow: str = Field("ingest", description="default workflow")
    workflow_options: dict[str, dict[str, Any]] = Field(
        default_factory=dict, description="parameters of workflows by workflow; JSON in the environment"
    )
    priority: int = Field(5, ge=1, le=10, description="default priority of a job, 10 is the most urgent")
    log_level: Literal["debug", "info", "warning", "error"] = Field("info", description="what goes to the log files")

    log_to: Literal["file", "stderr"] = Field("file", description="where workers log: the data folder, or a stream")
    log_levels: dict[str, Literal["debug", "info", "warning", "error"]] = Field(
        default_factory=dict, description="other levels by module and its parts; JSON in the environment"
    )
    traces_url: str | None = Field(
        None, description="OpenTelemetry collector (OTLP over HTTP), e.g. http://collector:4318; empty: no traces"
    )
    traces_share: float = Field(1.0, ge=0, le=1, description="share of the traces begun here that are exported")

    events: bool = Field(False, description="send Celery's events of tasks, which Flower and other tools read")

    redis_url: str | None = Field(None, description="Redis for messages and results; empty: a private one is started")
    broker_url: str | None = Field(None, description="another Celery broker, e.g. amqp://; empty: Redis")
    qdrant_url: str | None = Field(None, description="Qdrant server; empty: Qdrant Edge in the data folder")
    qdrant_api_key: str | None = Field(None, description="key for the Qdrant server")
    min_free_mb: int = Field(256, ge=0, description="free megabytes on the disk below which work waits for room")
    database_url: str | None = Field(None, description="catalog, e.g. postgresql://; empty: SQLite in the data folder")
    spool_url: str | None = Field(None, description="intermediate files (path or fsspec URL); empty: the data folder")

    embedding_model: str = Field("all-MiniLM-L6-v2", description="registry name, hub name, path or installed package")
    embedding_precision: Precision = Field("auto", description="auto takes bf16 where the processor has it")
    embedding_device: Device = Field("auto", description="auto takes the GPU when there is one")
    embedding_url: str | None = Field(None, description="OpenAI-compatible endpoint; empty: the model runs here")
    embedding_api_key: str | None = Field(None, description="key for that endpoint")
    embedding_dim: int | None = Field(
        None, ge=1, description="dimension of that endpoint's vectors, if not a known model"
    )
    embedding_remote_code: bool = Field(False, description="whether a program that comes with a model may run")
    reranker: str | None = Field(None, description="cross-encoder (hub name or path) that orders hits; empty: none")
    chunk_tokens: int = Field(256, ge=16, le=8192, description="tokens of a chunk at most, special tokens counted")
    chunk_overlap_tokens: int = Field(32, ge=0, description="tokens that a chunk repeats of the one before")

    pdf_engine: PdfEngine = Field("pdfium", description="pdfium, pypdf, or pypdf2 (extra)")
    passwords: tuple[str, ...] = Field((), description="tried in order on encrypted files")
    ocr: OcrMode = Field("auto", description="pages read by OCR: auto (what the text layer does not hold), force, off")
    ocr_languages: str = Field("deu+eng", pattern=r"^[A-Za-z_]+(\+[A-Za-z_]+)*$", description="Tesseract's languages")
    ocr_dpi: int = Field(300, ge=72, le=600, description="resolution at which PDF pages are rendered for OCR")
    ocr_timeout_s: float = Field(120.0, gt=0, description="seconds for the OCR of one page")
    ocr_group_pages: int = Field(4, ge=1, description="pages that one OCR task carries")
    ocr_budget_s: float = Field(14_400.0, gt=0, description="seconds of OCR for one document of many pages")
    languages: tuple[str, ...] = Field(
        (), description="languages of the documents, e.g. de,en: decides between encodings that fit equally well"
    )
    max_file_mb: int = Field(512, ge=1, description="megabytes of one file at most")
    max_pages: int = Field(20_000, ge=1, description="pages of one file at most")
    max_chars: int = Field(50_000_000, ge=1, description="characters of extracted text of one file at most")
    max_image_pixels: int = Field(120_000_000, ge=1, description="pixels of one decoded picture at most")
    extract_timeout_s: float = Field(120.0, gt=0, description="seconds for the extraction of one file")
    extract_memory_mb: int = Field(2048, ge=256, description="megabytes of memory for the extraction of one file")

    batch_documents: int = Field(64, ge=1, le=1000, description="documents that one document batch carries at most")
    batch_mb: int = Field(8, ge=1, description="megabytes of files that one document batch carries at most")
    chunk_batch_size: int = Field(64, ge=1, le=4096, description="chunks that one embedding task carries at most")
    window: int = Field(6, ge=1, description="document batches of one job in flight at once")
    document_share: int = Field(
        0, ge=0, description="tasks of one document in a queue at once; 0: two for each process, at least 4"
    )

    pool: Literal["prefork", "solo", "threads"] = Field("prefork", description="Celery pool of the extract group")
    extract_processes: int = Field(0, ge=0, le=1024, description="processes for extract, OCR and chunk; 0: one a core")
    embed_processes: int = Field(0, ge=0, le=1024, description="processes for embed; 0: one a core")
    autoscale: str | None = Field(None, pattern=r"^\d+,\d+$", description="MAX,MIN processes of the extract group")
    niceness: int = Field(10, ge=0, le=19, description="how far workers that compute give way to other programs")
    prefetch: int = Field(1, ge=1, description="messages that a process reserves ahead")
    max_tasks_per_child: int = Field(200, ge=1, description="tasks after which an extract process is replaced")
    max_memory_per_child_mb: int = Field(
        1024, ge=64, description="megabytes after which an extract process is replaced"
    )
    task_time_limit_s: int = Field(3600, ge=10, description="hard limit of one task in a prefork pool")

    api_host: str = Field("127.0.0.1", description="address that the API listens on; other than loopback needs keys")
    api_port: int = Field(8372, ge=0, le=65535, description="port of the API; 0: any free one")
    api_roots: tuple[str, ...] = Field((), description="folders from which jobs of the API may take files")
    api_documents: int = Field(100, ge=1, le=10_000, description="files that one request may bring at most")
    api_requests: int = Field(128, ge=1, description="requests that the API serves at once")
    api_followers: int = Field(256, ge=1, description="event streams that the API serves at once")
    api_connections: int = Field(
        0, ge=0, description="connections that one address may hold; 0: half of all; behind a proxy set it higher"
    )
    api_patience_s: float = Field(20.0, gt=0, description="longest pause of a client that sends a request")
    api_idle_s: float = Field(3600.0, gt=0, description="longest pause between the requests of one job")
    webhook_private: bool = Field(False, description="let webhooks of users go to private and loopback addresses")
    server: str | None = Field(None, description="URL of another Docrelay that the command line works on")
    api_key: str | None = Field(None, description="key for that server")

    max_starts: int = Field(5, ge=2, description="starts of one task before its documents fail as crashed")
    max_retries: int = Field(6, ge=0, description="retries of a transient error before it becomes a failure")
    quarantine_after: int = Field(
        3, ge=0, description="crashes, time-outs and memory ends of one file after which it is left alone; 0: never"
    )
    retry_backoff_s: float = Field(
        1.0, gt=0, description="longest delay of the first retry; doubles with each, and chance takes up to half of it"
    )
    retry_backoff_max_s: float = Field(60.0, gt=0, description="longest delay of a retry")
    heartbeat_s: float = Field(1.0, gt=0, description="how often a worker says that it lives")
    dead_after_s: float = Field(8.0, gt=0, description="silence after which a worker counts as dead")
    shutdown_grace_s: float = Field(8.0, ge=1, description="time a stopped worker has to finish its tasks")
    reconcile_s: float = Field(3.0, gt=0, description="how often the reconciler looks for lost work")
    no_worker_s: float = Field(300.0, gt=0, description="how long a workflow's own stage may be without a worker")
    keep_originals: bool = Field(False, description="keep the copy of a file after it is completed")
    reindex_soak_s: float = Field(86_400.0, ge=0, description="seconds that an old index is kept after a re-index")
    reindex_recall: float = Field(0.95, ge=0, le=1, description="recall@10 that a new index must have")
    reindex_overlap: float = Field(0.3, ge=0, le=1, description="documents found by the old index too, same model")
    reindex_failed: float = Field(
        0.2, ge=0, le=1, description="share of documents that may fail in a new index with --allow-failed"
    )
    drift_check_s: float = Field(60.0, ge=1, description="how often points are counted against the catalog")
    verify_days: float = Field(7.0, ge=0, description="days between two verifications of everything; 0: none")
    keep_texts: bool = Field(True, description="keep extracted texts: a re-index then needs neither file nor OCR")

    watch: tuple[WatchFolder, ...] = Field((), description="folders that `docrelay up` mirrors; see watching.md")
    watch_settle_ms: int = Field(500, ge=1, description="milliseconds that a file must rest before it is taken")
    watch_events: Literal["auto", "native", "polling"] = Field(
        "auto", description="how changes of a folder are noticed"
    )
    watch_rescan_s: float = Field(60.0, gt=0, description="how often a whole folder is looked at, events or not")
    watch_poll_s: float = Field(2.0, gt=0, description="the same where events cannot be trusted")
    watch_undo_s: float = Field(300.0, gt=0, description="seconds for which a removed file's document can be revived")
    watch_max_gone: float = Field(
        0.25, ge=0, le=1, description="share of a folder's files that may go at once without being confirmed"
    )

    @field_validator("watch", mode="before")
    @classmethod
    def _folders(cls, value: object) -> object:
        return parse(value)

    @field_validator("watch", mode="after")
    @classmethod
    def _folders_apart(cls, value: tuple[WatchFolder, ...]) -> tuple[WatchFolder, ...]:
        return apart(value)

    @field_validator("api_roots", mode="after")
    @classmethod
    def _roots_absolute(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        for root in value:
            if not _expanded(Path(root)).is_absolute():
                raise ValueError(f"{root!r} is no absolute path")
        return value

    @field_validator("data_dir", mode="after")
    @classmethod
    def _absolute(cls, value: Path) -> Path:
        return _expanded(value).absolute()

    @field_validator("traces_url", mode="after")
    @classmethod
    def _has_exporter(cls, value: str | None) -> str | None:
        if value is not None and find_spec("opentelemetry.exporter.otlp.proto.http") is None:
            raise ValueError("traces need packages that are not installed: pip install 'docrelay[traces]'")
        return value

    @model_validator(mode="after")
    def _check_heartbeat(self) -> Settings:
        if self.heartbeat_s * 3 > max(self.dead_after_s, LEAST_SILENCE_S):
            raise ValueError("heartbeat_s must be at most a third of dead_after_s, or living workers count as dead")
        return self

    @property
    def embedded(self) -> bool:
        """Whether this machine runs its own private stack."""
        return self.redis_url is None

    @property
    def options(self) -> Options:
        """The options of the extractors."""
        return Options(
            pdf_engine=self.pdf_engine,
            passwords=self.passwords,
            max_bytes=self.max_file_mb * 2**20,
            max_pages=self.max_pages,
            max_chars=self.max_chars,
            max_image_pixels=self.max_image_pixels,
            ocr=self.ocr,
            ocr_languages=self.ocr_languages,
            languages=self.languages,
            ocr_dpi=self.ocr_dpi,
            ocr_timeout_s=self.ocr_timeout_s,
        )


def _expanded(path: Path) -> Path:
    try:
        return path.expanduser()
    except RuntimeError as error:
        raise ValueError(f"the home of {path.parts[0]} is not known") from error
