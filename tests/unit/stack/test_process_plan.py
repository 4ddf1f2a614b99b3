"""The processes of one machine, and the settings as their environment."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

from pipeline.settings import ENV_PREFIX, Settings, load_settings
from pipeline.stack import processes, settings_environment
from pipeline.stack.client import launch_of


def _read_back(environment: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> Settings:
    for name in [name for name in os.environ if name.startswith(ENV_PREFIX)]:
        monkeypatch.delenv(name)
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    return load_settings()


def test_every_setting_survives_the_environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    settings = Settings(
        data_dir=tmp_path / "a b ü",
        redis_url="redis://:x@127.0.0.1:1/0",
        qdrant_url="http://q:6333",
        passwords=("one", "zwei drei"),
        keep_originals=True,
        ocr_timeout_s=0.1,
        embedding_dim=7,
        autoscale="4,1",
    )
    assert _read_back(settings_environment(settings), monkeypatch) == settings
    assert _read_back(settings_environment(Settings(data_dir=tmp_path)), monkeypatch) == Settings(data_dir=tmp_path)


def test_a_worker_may_use_its_whole_grace_before_it_is_killed() -> None:
    settings = Settings(shutdown_grace_s=45.0)
    assert launch_of(settings).grace_s > settings.shutdown_grace_s


def test_settings_that_are_unset_have_no_variable() -> None:
    environment = settings_environment(Settings())
    assert "DOCRELAY_REDIS_URL" not in environment
    assert "DOCRELAY_PASSWORDS" not in environment
    assert environment["DOCRELAY_KEEP_ORIGINALS"] == "false"


def test_passwords_with_a_comma_are_left_to_the_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "docrelay.toml").write_text('passwords = ["a,b", "c"]', "utf-8")
    settings = load_settings({"data_dir": tmp_path})
    assert settings.passwords == ("a,b", "c")
    assert _read_back(settings_environment(settings), monkeypatch) == settings


def test_the_plan_of_one_machine() -> None:
    plan = processes(Settings(embed_processes=2))
    assert [spec.name for spec in plan] == ["extract", "embed-1", "embed-2", "store", "beat"]
    assert plan[2].command == (sys.executable, "-m", "pipeline.engine.worker", "embed", "--name", "embed-2")
    assert all(spec.environment["OMP_NUM_THREADS"] == "1" for spec in plan)
    assert all(spec.environment["DOCRELAY_EMBED_PROCESSES"] == "2" for spec in plan)


def test_one_embed_process_per_core() -> None:
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    assert sum(spec.name.startswith("embed-") for spec in processes(Settings())) == cores


def test_no_command_line_contains_a_secret() -> None:
    settings = Settings(passwords=("sesame",), qdrant_api_key="sesame", embedding_api_key="sesame")
    assert "sesame" not in repr([spec.command for spec in processes(settings)])
