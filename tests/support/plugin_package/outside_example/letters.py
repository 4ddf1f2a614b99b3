"""An embedder: how often each letter occurs."""

import numpy as np

from embeddings import Model, OutsideModel
from embeddings.base import Fingerprint

MODEL = Model("letters", "", "", 26, 512, "sum", True, "", "", "Apache-2.0", 0, "outside")


class Letters:
    """Counts letters."""

    fingerprint = Fingerprint("letters", "1", "float", "sum", True, "", "", 26)
    max_tokens = 512

    def embed(self, texts: list[str]) -> np.ndarray:
        """Passages."""
        counts = [[text.lower().count(chr(97 + letter)) + 1e-3 for letter in range(26)] for text in texts]
        rows = np.array(counts, dtype=np.float32).reshape(len(texts), 26)
        return rows / np.linalg.norm(rows, axis=1, keepdims=True)

    def embed_query(self, text: str) -> np.ndarray:
        """A question."""
        return self.embed([text])[0]


LETTERS = OutsideModel(MODEL, "1", Letters)
