"""The facts of a model that is not a known one, read from the files beside its weights."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from embeddings.errors import ModelUnavailable
from embeddings.known_models import Model

__all__ = ["read_facts"]

_POOLING = {
    "pooling_mode_cls_token": "cls",
    "pooling_mode_mean_tokens": "mean",
    "pooling_mode_max_tokens": "max",
    "pooling_mode_mean_sqrt_len_tokens": "mean_sqrt_len",
    "pooling_mode_weightedmean_tokens": "weightedmean",
    "pooling_mode_lasttoken": "lasttoken",
}
_POSITIONS_DEFAULT = 512


def read_facts(folder: Path, name: str) -> Model:
    """Read a sentence-transformers folder; a plain transformers folder counts as mean pooling, as there.

    Raises:
        ModelUnavailable: the folder holds no readable model configuration.
    """
    config = _read(folder / "config.json")
    modules = _modules(folder)
    pooling = _read(folder / modules.get("Pooling", "1_Pooling") / "config.json")
    prompts = _read(folder / "config_sentence_transformers.json").get("prompts", {})
    dim = _dim(config, pooling, folder, modules)
    if not dim:
        raise ModelUnavailable(f"The folder {folder} holds no embedding model: its config.json names no dimension.")
    return Model(
        name=name,
        hub="",
        package="",
        dim=dim,
        max_tokens=_max_tokens(folder, config),
        pooling=_pooling(pooling),
        normalized="Normalize" in modules,
        passage_prefix=next((prompts[key] for key in ("document", "passage", "corpus") if key in prompts), ""),
        query_prefix=prompts.get("query", ""),
        licence="",
        size_mb=0,
        kind="sentence-transformers",
    )


def _read(path: Path) -> dict[str, Any]:
    try:
        data = json.loads(path.read_text("utf-8"))
    except FileNotFoundError:
        return {}
    except (OSError, ValueError) as error:
        raise ModelUnavailable(f"The model's file {path} cannot be read: {error}") from error
    return data if isinstance(data, dict) else {"items": data}


def _modules(folder: Path) -> dict[str, str]:
    """Path of each module by the last part of its type: {"Pooling": "1_Pooling", …}."""
    items = _read(folder / "modules.json").get("items", [])
    return {str(item["type"]).rpartition(".")[2]: str(item["path"]) for item in items}


def _dim(config: dict[str, Any], pooling: dict[str, Any], folder: Path, modules: dict[str, str]) -> int:
    dense = _read(folder / modules["Dense"] / "config.json").get("out_features") if "Dense" in modules else None
    pooled = pooling.get("word_embedding_dimension") or pooling.get("embedding_dimension")
    return int(dense or pooled or config.get("hidden_size") or config.get("dim") or 0)


def _max_tokens(folder: Path, config: dict[str, Any]) -> int:
    """sentence-transformers' own limit first, then the tokenizer's, then the positions of the model."""
    limits = [
        _read(folder / "sentence_bert_config.json").get("max_seq_length"),
        _read(folder / "tokenizer_config.json").get("model_max_length"),
        config.get("max_position_embeddings"),
    ]
    positions = int(config.get("max_position_embeddings") or _POSITIONS_DEFAULT)
    # transformers writes 1e30 for a tokenizer without a limit.
    return min(int(next((limit for limit in limits if limit), positions)), positions)


def _pooling(pooling: dict[str, Any]) -> str:
    if "pooling_mode" in pooling:
        return str(pooling["pooling_mode"])
    chosen = [name for key, name in _POOLING.items() if pooling.get(key)]
    return "+".join(chosen) or "mean"
