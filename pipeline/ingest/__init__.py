"""Ingestion: finding files, taking them in, routing, retrying, deleting, and removing what nobody needs any more."""
