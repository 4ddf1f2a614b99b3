"""The entries of the schedule: each has a setting, a function that exists, and a row on the page about the schedule."""

from __future__ import annotations

from pathlib import Path
from pkgutil import resolve_name

import pytest
from documented_rows import documented_rows
from pydantic import ValidationError

from pipeline.errors import UnknownId
from pipeline.schedule.entries import ENTRIES, entry_of, expression_of
from pipeline.settings import Settings, load_settings


def test_every_entry_is_documented_with_its_setting_and_default() -> None:
    page = (Path(__file__).parents[3] / "docs/schedule.md").read_text("utf-8")
    assert documented_rows("schedule.md", "## What runs when") == [entry.name for entry in ENTRIES]
    for entry in ENTRIES:
        assert f"| `{entry.name}` | `{entry.setting}` | `{expression_of(entry, Settings())}` |" in page


def test_every_function_exists() -> None:
    for entry in ENTRIES:
        for name in filter(None, (entry.function, entry.condition)):
            assert callable(resolve_name(name))


def test_an_unknown_entry_is_an_error_that_names_those_that_exist() -> None:
    with pytest.raises(UnknownId) as raised:
        entry_of("siesta")
    assert all(entry.name in raised.value.hint for entry in ENTRIES)


@pytest.mark.parametrize("wrong", ["0 2 * *", "60 2 * * *", "0 2 30 2 *", "daily", "* * * * * *", "0 0 31 4 *"])
def test_a_setting_that_is_no_cron_expression_is_refused_with_an_example(wrong: str) -> None:
    with pytest.raises(ValidationError, match=r"as in 0 2|never due"):
        Settings(schedule_clean_up=wrong)


def test_expressions_come_from_the_environment_and_may_be_empty(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("DOCRELAY_SCHEDULE_CLEAN_UP", " 15  4 * * mon-fri ")
    settings = load_settings({"data_dir": tmp_path})
    assert settings.schedule_clean_up == "15 4 * * mon-fri"
    assert expression_of(entry_of("verify"), Settings(schedule_verify="")) == ""
