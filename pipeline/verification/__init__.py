"""Verify: compare catalog, vector store, spool and vector cache with each other, and mend what differs.

    verify(services, request)    look at everything, and mend it if asked
    compare_counts(services)     only compare the number of points of each collection, which takes milliseconds

The catalog is what is true. What is too much in the store or in the spool is removed; documents with missing or wrong
points are made anew by the usual stages from their kept texts and cached vectors, so that a crash in the middle does
no harm, and readers see one version of each document all the time.
"""

from __future__ import annotations

from pipeline.verification.counts import compare_counts
from pipeline.verification.verification import VerifyRequest, verify

__all__ = ["VerifyRequest", "compare_counts", "verify"]
