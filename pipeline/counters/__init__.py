"""Counters and histograms in Redis, which all processes add to; they begin at 0 again when Redis loses its data.

Each is one hash. A field joins the values of its labels by slashes, so that only the last of them may hold a slash. A
histogram has a field more in front, which is the upper bound of a bucket in seconds, or `sum`.
"""

from __future__ import annotations

from pipeline.counters.counter import Counter
from pipeline.counters.fields import Labels
from pipeline.counters.histogram import Distribution, Histogram

__all__ = ["Counter", "Distribution", "Histogram", "Labels"]
