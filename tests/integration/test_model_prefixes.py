"""Models of the registry that want prefixes, or another pooling, by tiny stand-ins in the hub's cache."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tiny_models import save_embedder

from embeddings import ModelUnavailable, describe
from embeddings.known_models import MODELS

COMMIT = "0123456789abcdef0123456789abcdef01234567"
NAMES = ("multilingual-e5-small", "multilingual-e5-base", "multilingual-e5-large", "bge-m3", "gte-multilingual-base")
QUESTION, PASSAGE = "wo ist das schiff ?", "das schiff liegt im hafen ."

SCRIPT = """
import json, sys
from sentence_transformers import SentenceTransformer
from embeddings import EmbedderConfig, load
from embeddings.known_models import find

question, passage, folders = json.loads(sys.stdin.read())
rows = {}
for name, folder in folders.items():
    ours = load(EmbedderConfig(name, precision="fp32", device="cpu", remote_code=True))
    plain = SentenceTransformer(folder, device="cpu")
    model = ours.fingerprint
    texts = [question, passage, "query: " + question, "passage: " + passage]
    rows[name] = {
        "question": ours.embed_query(question).tolist(),
        "passage": ours.embed([passage])[0].tolist(),
        "plain": plain.encode(texts, normalize_embeddings=True).tolist(),
        "space": [model.model, model.revision, model.query_prefix, model.passage_prefix, model.pooling],
    }
print(json.dumps(rows))
"""


@pytest.fixture(scope="module")
def rows(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """Vectors by name, of a process whose cache of the hub holds a stand-in for each model."""
    cache = tmp_path_factory.mktemp("hub")
    folders = {}
    for name in NAMES:
        model = MODELS[name]
        place = cache / "hub" / f"models--{model.hub.replace('/', '--')}"
        folders[name] = save_embedder(place / "snapshots" / COMMIT, size=model.dim, pooling=model.pooling)
        (place / "refs").mkdir()
        (place / "refs" / "main").write_text(COMMIT)
    environment = {**os.environ, "HF_HOME": str(cache), "HF_HUB_OFFLINE": "1"}
    ended = subprocess.run(
        [sys.executable, "-c", SCRIPT],
        input=json.dumps([QUESTION, PASSAGE, {name: str(folder) for name, folder in folders.items()}]),
        env=environment,
        capture_output=True,
        text=True,
        timeout=240,
    )
    assert ended.returncode == 0, ended.stderr
    return dict(json.loads(ended.stdout))


@pytest.mark.parametrize("name", NAMES)
def test_the_vectors_are_those_of_the_prefixed_texts(rows: dict[str, Any], name: str) -> None:
    row = rows[name]
    question, passage, query_question, passage_passage = np.array(row["plain"])
    is_e5 = "e5" in name
    np.testing.assert_allclose(row["question"], query_question if is_e5 else question, atol=1e-4)
    np.testing.assert_allclose(row["passage"], passage_passage if is_e5 else passage, atol=1e-4)
    # The stand-in tells both apart, or the comparison would say nothing.
    assert np.abs(question - query_question).max() > 0.01
    assert np.abs(passage - passage_passage).max() > 0.01


@pytest.mark.parametrize("name", NAMES)
def test_the_space_names_model_commit_prefixes_and_pooling(rows: dict[str, Any], name: str) -> None:
    model = MODELS[name]
    prefixes = ["query: ", "passage: "] if "e5" in name else ["", ""]
    assert rows[name]["space"] == [name, COMMIT, *prefixes, model.pooling]


def test_a_folder_with_prompts_gets_them(tmp_path: Path) -> None:
    save_embedder(tmp_path / "mine", prompts={"query": "Frage: ", "document": "Text: "})
    fingerprint = describe(str(tmp_path / "mine")).fingerprint
    assert (fingerprint.query_prefix, fingerprint.passage_prefix) == ("Frage: ", "Text: ")


def test_a_program_of_a_model_does_not_run_unasked() -> None:
    for name in ("gte-multilingual-base", "Alibaba-NLP/gte-multilingual-base"):
        with pytest.raises(ModelUnavailable, match="`embedding_remote_code`"):
            describe(name)
