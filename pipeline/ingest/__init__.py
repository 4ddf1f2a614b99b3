"""Ingestion: find files, read and record them, route, retry, delete, and clean up."""
