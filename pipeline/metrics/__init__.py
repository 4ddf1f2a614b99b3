"""What `GET /metrics` answers: one module for each kind of metric, each a function from what is known to families.

Names end in their unit (`_seconds`, `_bytes`) and, where a number only grows, in `_total`. Every metric is a row of
`docs/monitoring.md`.
"""

from __future__ import annotations

from pipeline.metrics.exposition import CONTENT_TYPE, Metrics

__all__ = ["CONTENT_TYPE", "Metrics"]
