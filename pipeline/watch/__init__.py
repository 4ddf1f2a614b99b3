"""The watched folder: a mirror that keeps the documents of a folder equal to its files.

    events ─┐
    rescan ─┴→ scan → snapshot → settling → detect → compare → held_deletions → apply (rename, delete, ingest) → catalog

`loop` decides when and where to scan, `mirror` takes one pass through the rest. Events only say where to scan: what is
done follows from the comparison, so nothing depends on an event that is late, repeated or lost.
"""
