"""The real MiniLM from its package, and its files as a stand-in hub serves them; no network is used."""

import hashlib
import json
import subprocess
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import numpy as np
import pytest

import embeddings
from embeddings import BadConfig, Embedder, EmbedderConfig, GpuFull, ModelUnavailable, describe, load
from embeddings.sources import resolve
from embeddings.vectors import Vectors

SENTENCES = [
    "The harbour master wrote every ship into the great ledger of the town.",
    "Wie hoch ist die Kündigungsfrist?",
    "Photosynthesis turns light into sugar. " * 30,
    "naïve 👩‍👩‍👧 東京",
    "a",
]
CANONICAL = np.array(
    [
        [0.0415, 0.0529, -0.0041, 0.0272, -0.0436],
        [-0.0273, 0.0643, 0.0016, 0.0218, 0.0608],
        [-0.0905, -0.0208, -0.0512, 0.0253, -0.0611],
        [0.1007, 0.0539, 0.0794, -0.0202, -0.0617],
        [-0.0364, 0.0347, -0.0460, 0.0343, -0.0808],
    ],
    dtype=np.float32,
)  # the first five numbers of each, from sentence-transformers 6.2 alone, fp32


@pytest.fixture(scope="module")
def fp32() -> Embedder:
    return load(EmbedderConfig(precision="fp32", device="cpu"))


@pytest.fixture(scope="module")
def plain() -> Vectors:
    """Vectors of the same texts, computed by sentence-transformers without our code."""
    from sentence_transformers import SentenceTransformer

    model = SentenceTransformer(str(resolve("all-MiniLM-L6-v2").folder), device="cpu", local_files_only=True)
    return np.asarray(model.encode(SENTENCES, normalize_embeddings=True, show_progress_bar=False))


def test_canonical_vectors(fp32: Embedder) -> None:
    np.testing.assert_allclose(fp32.embed(SENTENCES)[:, :5], CANONICAL, atol=1e-3)


def test_the_vectors_are_those_of_sentence_transformers(fp32: Embedder, plain: Vectors) -> None:
    vectors = fp32.embed(SENTENCES)
    assert isinstance(fp32, Embedder)
    assert vectors.dtype == np.float32
    np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-6)
    np.testing.assert_allclose(vectors, plain, atol=1e-4)


def test_bf16_is_the_same_space(plain: Vectors) -> None:
    embedder = load(EmbedderConfig(precision="bf16", device="cpu"))
    vectors = embedder.embed(SENTENCES)
    assert vectors.dtype == np.float32
    assert np.sum(vectors * plain, axis=1).min() >= 0.996
    assert not np.array_equal(vectors, plain)
    assert embedder.fingerprint == describe().fingerprint


def test_order_is_kept_over_many_batches(fp32: Embedder) -> None:
    texts = [("ship " * (1 + 37 * number % 120)) + str(number) for number in range(40)]
    together = fp32.embed(texts)
    for number in (0, 7, 39):
        np.testing.assert_allclose(together[number], fp32.embed_query(texts[number]), atol=1e-4)


def test_no_texts_give_no_rows(fp32: Embedder) -> None:
    assert fp32.embed([]).shape == (0, 384)
    assert fp32.embed([]).dtype == np.float32
    assert fp32.embed_query("hello").shape == (384,)


def test_texts_with_lone_surrogates_are_embedded(fp32: Embedder) -> None:
    vectors = fp32.embed(["", "a\ud800b", "\x00"])
    np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-6)


def test_loaded_and_described_are_the_same_space(fp32: Embedder) -> None:
    assert fp32.fingerprint == describe().fingerprint
    assert fp32.max_tokens == describe().max_tokens == 256


def test_a_folder_is_loaded_as_described(fp32: Embedder) -> None:
    folder = str(resolve("all-MiniLM-L6-v2").folder)
    embedder = load(EmbedderConfig(folder, precision="fp32", device="cpu"))
    assert embedder.fingerprint == describe(folder).fingerprint
    np.testing.assert_allclose(embedder.embed_query("hello"), fp32.embed_query("hello"), atol=1e-6)


def test_a_folder_without_weights_is_a_clear_error(tmp_path: Path) -> None:
    folder = resolve("all-MiniLM-L6-v2").folder
    assert folder is not None
    for name in ("config.json", "tokenizer.json", "tokenizer_config.json", "modules.json"):
        (tmp_path / name).write_bytes((folder / name).read_bytes())
    with pytest.raises(ModelUnavailable, match="cannot be loaded"):
        load(str(tmp_path))


def test_missing_gpu_is_refused() -> None:
    import torch

    if torch.cuda.is_available():
        assert load(EmbedderConfig(device="cuda")).embed_query("hello").shape == (384,)
    else:
        with pytest.raises(BadConfig, match="GPU"):
            load(EmbedderConfig(device="cuda"))


@pytest.mark.parametrize("room", [1, 3])
def test_batch_too_large_for_the_gpu_is_halved(room: int, plain: Vectors, monkeypatch: pytest.MonkeyPatch) -> None:
    embedder = load(EmbedderConfig(precision="fp32", device="cpu"))
    small_gpu(embedder, room, monkeypatch)
    np.testing.assert_allclose(embedder.embed(SENTENCES), plain, atol=1e-4)


def test_full_gpu_is_a_transient_error(monkeypatch: pytest.MonkeyPatch) -> None:
    embedder = load(EmbedderConfig(precision="fp32", device="cpu"))
    small_gpu(embedder, 0, monkeypatch)
    with pytest.raises(GpuFull) as caught:
        embedder.embed(SENTENCES)
    assert (caught.value.code, caught.value.transient) == ("gpu_full", True)


def small_gpu(embedder: Embedder, room: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """torch says of more than so many texts at once what it says on a GPU that is too small."""
    import torch

    encode = embedder._model.encode  # type: ignore[attr-defined]

    def limited(texts: list[str], **how: object) -> object:
        if len(texts) > room:
            raise torch.OutOfMemoryError("CUDA out of memory.")
        return encode(texts, **how)

    monkeypatch.setattr(embedder._model, "encode", limited)  # type: ignore[attr-defined]


COMMIT = "0123456789abcdef0123456789abcdef01234567"


class Hub(BaseHTTPRequestHandler):
    """As much of the hub's HTTP as its client asks for one public model, over the packaged files."""

    folder: Path

    def do_HEAD(self) -> None:
        self.do_GET()

    def do_GET(self) -> None:
        path = self.path.partition("?")[0]
        if path.startswith("/api/models/acme/mini/tree/"):
            self._json([{"type": "file", "oid": "0" * 40, **entry} for entry in self._files()])
        elif path in {"/api/models/acme/mini", *(f"/api/models/acme/mini/revision/{at}" for at in ("main", COMMIT))}:
            siblings = [{"rfilename": entry["path"]} for entry in self._files()]
            self._json({"id": "acme/mini", "sha": COMMIT, "siblings": siblings})
        elif path.startswith("/acme/mini/resolve/") and (file := self.folder / path.split("/", 5)[5]).is_file():
            self._send(200, file.read_bytes())
        else:
            self._send(404, b"", {"X-Error-Code": "RepoNotFound" if "acme/mini" not in path else "EntryNotFound"})

    def _files(self) -> list[dict[str, object]]:
        files = [path for path in self.folder.rglob("*") if path.is_file()]
        return [{"path": path.relative_to(self.folder).as_posix(), "size": path.stat().st_size} for path in files]

    def _json(self, data: object) -> None:
        self._send(200, json.dumps(data).encode(), {"Content-Type": "application/json"})

    def _send(self, status: int, body: bytes, headers: dict[str, str] | None = None) -> None:
        self.send_response(status)
        etag = hashlib.sha256(body).hexdigest()
        for name, value in {"ETag": f'"{etag}"', "X-Repo-Commit": COMMIT, **(headers or {})}.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command == "GET":
            self.wfile.write(body)

    def log_message(self, *arguments: object) -> None:
        """Keep the test's output clean."""


@pytest.fixture(scope="module")
def hub() -> Iterator[str]:
    folder = resolve("all-MiniLM-L6-v2").folder
    assert folder is not None
    server = ThreadingHTTPServer(("127.0.0.1", 0), type("OneModel", (Hub,), {"folder": folder}))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()


def in_a_process(program: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """The hub's client reads its environment once, when it is imported."""
    root = Path(embeddings.__file__).parents[1]
    base = {"PATH": "/usr/bin:/bin", "HF_HUB_DISABLE_TELEMETRY": "1", "HF_HUB_DISABLE_XET": "1"}
    return subprocess.run(
        [sys.executable, "-c", program],
        cwd=root,
        env={**base, **environment},
        capture_output=True,
        text=True,
        check=False,
    )


DESCRIBED = """
import sys, embeddings
info = embeddings.describe("acme/mini")
assert embeddings.load_tokenizer("acme/mini").count(["hello world"]) == [4]
assert "torch" not in sys.modules
print(info.place, info.fingerprint.revision, info.model.dim, info.max_tokens, info.model.pooling)
"""
LOADED = """
import embeddings
embedder = embeddings.load(embeddings.EmbedderConfig("acme/mini", precision="fp32", device="cpu"))
assert embedder.fingerprint == embeddings.describe("acme/mini").fingerprint
print(*embedder.embed_query("a")[:5])
"""


def test_a_hub_model_is_fetched_and_then_known_offline(hub: str, tmp_path: Path) -> None:
    home = str(tmp_path)
    described = in_a_process(DESCRIBED, HF_ENDPOINT=hub, HF_HOME=home)
    assert described.stdout == f"hub {COMMIT} 384 256 mean\n", described.stderr
    assert not list(tmp_path.rglob("*.safetensors")), "describing fetches no weights"
    loaded = in_a_process(LOADED, HF_ENDPOINT=hub, HF_HOME=home)
    assert loaded.returncode == 0, loaded.stderr
    np.testing.assert_allclose([float(number) for number in loaded.stdout.split()], CANONICAL[4], atol=1e-3)
    offline = in_a_process(DESCRIBED + LOADED, HF_HUB_OFFLINE="1", HF_HOME=home)
    assert offline.stdout == described.stdout + loaded.stdout, offline.stderr


@pytest.mark.parametrize(
    ("name", "expected", "environment"),
    [
        ("acme/other", "ModelUnavailable model_unavailable False", {}),
        ("acme/mini", "HubUnreachable hub_unreachable True", {"HF_HUB_OFFLINE": "1"}),
        ("bge-m3", "HubUnreachable hub_unreachable True", {"HF_ENDPOINT": "http://127.0.0.1:9"}),
    ],
)
def test_model_missing_on_the_hub_is_a_clear_error(
    hub: str, tmp_path: Path, name: str, expected: str, environment: dict[str, str]
) -> None:
    program = f"""
import embeddings
try:
    embeddings.describe({name!r})
except embeddings.ModelUnavailable as error:
    print(type(error).__name__, error.code, error.transient)
"""
    done = in_a_process(program, **{"HF_ENDPOINT": hub, "HF_HOME": str(tmp_path), **environment})
    assert done.stdout.strip() == expected, done.stderr
