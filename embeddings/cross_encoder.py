"""Rerankers: cross-encoders of sentence-transformers, which read a question and a passage together.

torch is imported when a reranker is made, never before: it costs seconds.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from embeddings.base import Device
from embeddings.errors import GpuFull, HubUnreachable, ModelUnavailable, RerankerUnavailable
from embeddings.hub import fetch
from embeddings.sentence_transformers import device_of
from embeddings.sources import HUB_NAME
from embeddings.tokenizer import encodable
from embeddings.vectors import Vectors

__all__ = ["CrossEncoderReranker"]

_BATCH = 16
"""Pairs of one computation: longer batches gain nothing on two cores, and would be padded more."""


class CrossEncoderReranker:
    """A cross-encoder with one score: a question and a passage go in together, and a number comes out.

    Args:
        name: a folder, or a model of the hub (owner/name).
        device: "auto" is the GPU when there is one.
        threads: threads of one computation, for the whole process.

    Raises:
        BadConfig: the device is not there.
        RerankerUnavailable: there is no such model, or it gives no single score.
        HubUnreachable: it is not on this machine and the hub cannot be reached.
    """

    def __init__(self, name: str, device: Device = "auto", threads: int = 1) -> None:
        import torch

        torch.set_num_threads(threads)
        self._model = _load(name, _folder(name), device_of(device))
        labels = self._model.config.num_labels
        if labels != 1:
            raise RerankerUnavailable(f"The reranker {name!r} gives {labels} scores for a passage, not one.")

    def score(self, question: str, texts: Sequence[str]) -> Vectors:
        """Say how well passages answer a question.

        Returns:
            (n,) float32 from 0 to 1, input order: the sigmoid of the model's own score; (0,) for no texts.

        Raises:
            GpuFull: the GPU has no room for the passages.
        """
        import torch

        pairs = [(encodable(question), encodable(text)) for text in texts]
        if not pairs:
            return np.empty(0, dtype=np.float32)
        try:
            # Many models apply no function of their own, or another one: a score is from 0 to 1 here.
            scores = self._model.predict(
                pairs, batch_size=_BATCH, activation_fn=torch.nn.Sigmoid(), show_progress_bar=False
            )
        except torch.OutOfMemoryError as error:
            raise GpuFull from error
        return np.asarray(scores, dtype=np.float32)


def _folder(name: str) -> Path:
    folder = Path(name).expanduser()
    if (folder / "config.json").is_file():
        return folder
    if not HUB_NAME.fullmatch(name) or name.startswith(".") or folder.exists():
        raise RerankerUnavailable(f"There is no reranker {name!r}.")
    try:
        return fetch(name, ("*",))
    except HubUnreachable:
        raise
    except ModelUnavailable as error:
        raise RerankerUnavailable(error.message) from error


def _load(name: str, folder: Path, device: str) -> Any:
    import torch
    from sentence_transformers import CrossEncoder
    from transformers.utils import logging

    logging.disable_progress_bar()
    try:
        return CrossEncoder(str(folder), device=device, local_files_only=True)
    except torch.OutOfMemoryError as error:
        raise GpuFull from error
    except Exception as error:  # files of other people's models: the libraries raise anything for them
        raise RerankerUnavailable(f"The reranker {name!r} cannot be loaded: {error}") from error
