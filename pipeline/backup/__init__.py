"""Backup and restore: one folder with the catalog, the points and the files of one moment, whatever holds them."""

from __future__ import annotations

from pipeline.backup.backup import back_up
from pipeline.backup.restore import restore

__all__ = ["back_up", "restore"]
