"""Batches of texts of like length, so that little of what is computed is padding."""

from __future__ import annotations

from collections.abc import Sequence

__all__ = ["TOKEN_BUDGET", "batches"]

TOKEN_BUDGET = 2048
"""Tokens of one batch on a processor core.

Measured with all-MiniLM-L6-v2, one thread, in useful tokens per second of a core with AVX512-BF16:

    budget               512   1024   2048   4096   8192  16384
    bf16, 250 tokens    8886   8872   9259   9210   8743   8605
    bf16, 10 to 256     9108   9412   8780   8859   7888   5565
    fp32, 250 tokens    3531   3841   3778   3862   3466   3397
    fp32, 10 to 256     3794   3717   3645   3387   2935   2378

Flat from 512 to 4096; beyond, padding and a full cache cost. 2048 stays in the flat part for both kinds.
"""


def batches(lengths: Sequence[int], token_budget: int = TOKEN_BUDGET) -> list[list[int]]:
    """Group texts of similar length, longest first.

    Args:
        lengths: tokens of each text.
        token_budget: tokens of one batch at most, padding included.

    Returns:
        Indices into `lengths`, each exactly once. A batch is within the budget, except that a text
        longer than the budget is a batch of its own.
    """
    groups: list[list[int]] = []
    longest = 0
    for index in sorted(range(len(lengths)), key=lambda i: (-lengths[i], i)):
        if groups and (len(groups[-1]) + 1) * longest <= token_budget:
            groups[-1].append(index)
        else:
            groups.append([index])
            longest = lengths[index]
    return groups
