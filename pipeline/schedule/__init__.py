"""The schedule: periodic work at set times of the day, each run once, made up once if it was missed."""

from __future__ import annotations

from pipeline.schedule.control import list_entries, request_run

__all__ = ["list_entries", "request_run"]
