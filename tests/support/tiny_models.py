"""Real models of a few kilobytes, with random weights: what libraries do with a model is the same for all sizes."""

from __future__ import annotations

import importlib
from pathlib import Path
from typing import Any

WORDS = """the a of and who what where is in on under my our ferry harbour tiller bench boat lamp knots rests burns
 eleven query passage : ? . , rechnung schiff hafen kennt findet liegt das die der wo ist"""
VOCABULARY = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *WORDS.split()]


def save_cross_encoder(folder: Path, *, labels: int = 1, seed: int = 7) -> Path:
    """Save a cross-encoder of one layer with so many scores; the same for the same seed. Returns the folder."""
    torch, transformers = _library("torch"), _library("transformers")
    torch.manual_seed(seed)
    transformers.BertForSequenceClassification(_config(num_labels=labels)).save_pretrained(folder)
    _save_tokenizer(folder)
    return folder


def save_embedder(
    folder: Path, *, prompts: dict[str, str] | None = None, pooling: str = "mean", size: int = 32, seed: int = 7
) -> Path:
    """Save an embedding model of one layer, as sentence-transformers does. Returns the folder."""
    torch, transformers = _library("torch"), _library("transformers")
    library, modules = _library("sentence_transformers"), _library("sentence_transformers.sentence_transformer.modules")
    torch.manual_seed(seed)
    parts = folder.with_name(f"{folder.name}-parts")
    transformers.BertModel(_config(hidden_size=size)).save_pretrained(parts)
    _save_tokenizer(parts)
    words = modules.Transformer(str(parts), max_seq_length=64)
    layers = [words, modules.Pooling(size, pooling), modules.Normalize()]
    library.SentenceTransformer(modules=layers, prompts=prompts, device="cpu").save(str(folder))
    return folder


def _config(**changes: Any) -> Any:
    sizes = {"hidden_size": 32, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 64}
    # Ten times the usual range: else all texts are nearly the same to a model without training.
    made = {"vocab_size": len(VOCABULARY), "max_position_embeddings": 64, "initializer_range": 0.4, **sizes, **changes}
    return _library("transformers").BertConfig(**made)


def _save_tokenizer(folder: Path) -> None:
    vocabulary = {word: number for number, word in enumerate(VOCABULARY)}
    backend = _library("tokenizers.implementations").BertWordPieceTokenizer(vocabulary)
    fast = _library("transformers").BertTokenizerFast(tokenizer_object=backend._tokenizer, model_max_length=64)
    fast.save_pretrained(folder)


def _library(name: str) -> Any:
    """A library without types, imported when a model is made: torch takes seconds."""
    return importlib.import_module(name)
