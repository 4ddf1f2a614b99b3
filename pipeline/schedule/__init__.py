"""The schedule: periodic work at set times of the day, each run once, made up once if it was missed."""

from __future__ import annotations

from pipeline.schedule.control import find_entry, list_days, list_entries, request_run

__all__ = ["find_entry", "list_days", "list_entries", "request_run"]
