"""The reference embedder: sentence-transformers on this machine's processor or GPU.

torch is imported when an embedder is made, never before: it costs seconds.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from embeddings.base import Device, Fingerprint, Precision
from embeddings.batching import TOKEN_BUDGET, batches
from embeddings.errors import REMOTE_CODE, BadConfig, GpuFull, ModelUnavailable
from embeddings.sources import Source
from embeddings.tokenizer import encodable, tokenizer_of
from embeddings.vectors import Vectors, in_order, normalize

__all__ = ["SentenceTransformerEmbedder", "device_of"]

_GPU_TOKEN_BUDGET = 16_384
"""Tokens of one batch on a GPU, which idles on batches that are right for a core.

Measured with all-MiniLM-L6-v2 in bf16, one process on an H100, in chunks per second:

    budget                        2048   8192  16384  32768  65536  131072
    ~200 tokens, 64 at once        564    734    799    792    553     591
    10 to 256 tokens, 64 at once   596   1029   1043    782    935     640
    ~200 tokens, 2048 at once      590    643    860    912    875     651

The process is what is busy then, not the GPU: 1, 2, 4, 8 and 16 processes, 64 at once, made 674, 1154, 2439, 4698 and
7924 chunks per second together, with about 1 GB of the GPU's memory each.
"""


class SentenceTransformerEmbedder:
    """A sentence-transformers model.

    Args:
        source: the model, as `resolve` found it.
        precision: "auto" is bf16 on a GPU or a processor that computes in it, fp32 elsewhere.
        device: "auto" is the GPU when there is one.
        threads: threads of one computation, for the whole process.
        remote_code: whether a program that comes with the model may run.

    Raises:
        BadConfig: the device is not there.
        ModelUnavailable: the model's files are missing or damaged.
        GpuFull: the GPU has no room for the model.
    """

    def __init__(
        self,
        source: Source,
        precision: Precision = "auto",
        device: Device = "auto",
        threads: int = 1,
        *,
        remote_code: bool = False,
    ) -> None:
        import torch

        torch.set_num_threads(threads)
        self.device = device_of(device)
        self.precision = _precision(precision, self.device)
        self._source = source
        self._tokenizer = tokenizer_of(source)
        self._model = _load(source, self.device, self.precision, remote_code)

    @property
    def fingerprint(self) -> Fingerprint:
        """The space the vectors live in."""
        return self._source.fingerprint

    @property
    def max_tokens(self) -> int:
        """Longest text the model reads, special tokens included."""
        return self._source.model.max_tokens

    def embed(self, texts: Sequence[str]) -> Vectors:
        """Embed passages: (n, dim) float32, L2-normalised, input order; (0, dim) for no texts.

        Raises:
            GpuFull: the GPU has no room for even one text.
        """
        return self._embed([self._source.model.passage_prefix + text for text in texts])

    def embed_query(self, text: str) -> Vectors:
        """Embed a question: (dim,) float32, L2-normalised."""
        return np.asarray(self._embed([self._source.model.query_prefix + text])[0], dtype=np.float32)

    def _embed(self, texts: Sequence[str]) -> Vectors:
        safe = [encodable(text) for text in texts]
        lengths = [min(length, self.max_tokens) for length in self._tokenizer.count(safe)]
        groups = batches(lengths, TOKEN_BUDGET if self.device == "cpu" else _GPU_TOKEN_BUDGET)
        parts = [self._encode([safe[index] for index in group]) for group in groups]
        return in_order(groups, parts, self._source.model.dim)

    def _encode(self, texts: list[str]) -> Vectors:
        import torch

        try:
            raw = self._model.encode(texts, batch_size=len(texts), show_progress_bar=False, convert_to_numpy=True)
        except torch.OutOfMemoryError as error:
            if len(texts) == 1:
                raise GpuFull from error
        else:
            return normalize(raw, self._source.model.dim)
        # Here, where the error no longer holds what was computed: other programs may use the GPU too.
        torch.cuda.empty_cache()
        middle = len(texts) // 2
        return np.concatenate([self._encode(texts[:middle]), self._encode(texts[middle:])])


def device_of(wanted: Device) -> str:
    """The device of torch that is meant. Raises BadConfig if it is not there."""
    import torch

    available = torch.cuda.is_available()
    if wanted == "cuda" and not available:
        raise BadConfig("The setting `embedding_device` asks for a GPU, and torch finds none.")
    return "cuda" if available and wanted != "cpu" else "cpu"


def _precision(wanted: Precision, device: str) -> str:
    import torch

    if wanted != "auto":
        return wanted
    able = torch.cpu.get_capabilities() if device == "cpu" else {"bf16": torch.cuda.is_bf16_supported()}
    return "bf16" if any(able.get(name) for name in ("bf16", "avx512_bf16", "amx_bf16")) else "fp32"


def _load(source: Source, device: str, precision: str, remote_code: bool) -> Any:
    import torch
    from sentence_transformers import SentenceTransformer
    from transformers.utils import logging

    # Its bars of weights being read would run across the progress that a terminal shows.
    logging.disable_progress_bar()
    dtype = torch.bfloat16 if precision == "bf16" else torch.float32
    hub = source.place == "hub"
    try:
        model = SentenceTransformer(
            source.model.hub if hub else str(source.folder),
            revision=source.revision if hub else None,
            device=device,
            local_files_only=not hub,
            trust_remote_code=remote_code,
            model_kwargs={"dtype": dtype},
        )
    except torch.OutOfMemoryError as error:
        raise GpuFull from error
    except (OSError, ValueError, KeyError, RuntimeError) as error:
        if "trust_remote_code" in str(error):
            raise ModelUnavailable(REMOTE_CODE.format(source.model.name)) from error
        raise ModelUnavailable(f"The model {source.model.name!r} cannot be loaded: {error}") from error
    model.max_seq_length = source.model.max_tokens
    model.default_prompt_name = None
    return model
