"""Settings: the order of their sources, invalid values, and how a worker receives the settings of a command."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from pipeline.errors import BadRequest
from pipeline.settings import Settings, load_settings, origins
from pipeline.settings.printable import printable_settings
from pipeline.stack import settings_environment

TEXT = st.text(
    st.characters(codec="utf-8", exclude_characters="\0,", exclude_categories=("Cs",)), min_size=1, max_size=20
)


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("DOCRELAY_DATA_DIR", str(tmp_path))
    return tmp_path


def test_later_sources_of_settings_override_earlier_ones(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (folder / "docrelay.toml").write_text('collection = "of_file"\npriority = 2\nwindow = 3\n')
    monkeypatch.setenv("DOCRELAY_COLLECTION", "of_environment")
    monkeypatch.setenv("DOCRELAY_PRIORITY", "4")
    line = {"collection": "of_line", "priority": None}
    settings = load_settings(line)
    assert (settings.collection, settings.priority, settings.window, settings.max_starts) == ("of_line", 4, 3, 5)
    where = origins(line)
    names = ("collection", "priority", "window", "max_starts", "data_dir")
    assert [where[name] for name in names] == ["command line", "environment", "file", "default", "environment"]


def test_config_variable_replaces_the_default_file(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (folder / "docrelay.toml").write_text("window = 3")
    (folder / "other.toml").write_text("priority = 7")
    monkeypatch.setenv("DOCRELAY_CONFIG", str(folder / "other.toml"))
    assert (load_settings().window, load_settings().priority) == (6, 7)


@pytest.mark.parametrize(
    ("variable", "value", "message"),
    [
        ("DOCRELAY_COLOUR", "", "colour .*: there is no such setting"),
        ("DOCRELAY_PRIORITY", "0", "priority"),
        ("DOCRELAY_PRIORITY", "11", "priority"),
        ("DOCRELAY_PRIORITY", "high", "priority"),
        ("DOCRELAY_COLLECTION", "a/b", "collection"),
        ("DOCRELAY_OCR_LANGUAGES", "deu; rm -rf", "ocr_languages"),
        ("DOCRELAY_AUTOSCALE", "many", "autoscale"),
        ("DOCRELAY_PDF_ENGINE", "word", "pdf_engine"),
        ("DOCRELAY_API_ROOTS", "/srv,documents", "api_roots .*'documents' is no absolute path"),
        ("DOCRELAY_API_ROOTS", '["/srv"', "api_roots .*valid tuple"),
        ("DOCRELAY_API_ROOTS", "~nobody-of-this-name/a", "api_roots .*home of ~nobody-of-this-name"),
    ],
)
def test_invalid_environment_values_are_refused(
    folder: Path, monkeypatch: pytest.MonkeyPatch, variable: str, value: str, message: str
) -> None:
    monkeypatch.setenv(variable, value)
    with pytest.raises(BadRequest, match=message):
        load_settings()


def test_a_variable_may_name_a_file_with_the_value(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (folder / "url").write_text("redis://:a=b c@redis:6379/0\n")
    (folder / "words").write_text("one,two\r\n")
    monkeypatch.setenv("DOCRELAY_REDIS_URL_FILE", str(folder / "url"))
    monkeypatch.setenv("DOCRELAY_PASSWORDS_FILE", str(folder / "words"))
    monkeypatch.setenv("DOCRELAY_QDRANT_API_KEY_FILE", "")
    loaded = load_settings()
    assert (loaded.redis_url, loaded.passwords) == ("redis://:a=b c@redis:6379/0", ("one", "two"))
    assert loaded.qdrant_api_key is None
    assert origins()["redis_url"] == "environment"
    assert "a=b" not in str(printable_settings(loaded))
    # The processes of a stack get the value, and not the file too.
    for name in ("REDIS_URL_FILE", "PASSWORDS_FILE"):
        monkeypatch.delenv(f"DOCRELAY_{name}")
    for variable, value in settings_environment(loaded).items():
        monkeypatch.setenv(variable, value)
    assert load_settings() == loaded


@pytest.mark.parametrize(
    ("variable", "path", "message"),
    [
        ("DOCRELAY_REDIS_URL_FILE", "missing", "missing that DOCRELAY_REDIS_URL_FILE names cannot be read"),
        ("DOCRELAY_REDIS_URL_FILE", "empty", "empty that DOCRELAY_REDIS_URL_FILE names is empty"),
        ("DOCRELAY_REDIS_URL_FILE", "binary", "cannot be read"),
        ("DOCRELAY_PRIORITY_FILE", "text", r"priority \(DOCRELAY_PRIORITY in the environment\)"),
        ("DOCRELAY_COLOUR_FILE", "text", "colour_file .*: there is no such setting"),
        ("DOCRELAY_QDRANT_URL_FILE", "text", "set twice: by DOCRELAY_QDRANT_URL and by DOCRELAY_QDRANT_URL_FILE"),
    ],
)
def test_a_file_that_holds_no_value_is_refused(
    folder: Path, monkeypatch: pytest.MonkeyPatch, variable: str, path: str, message: str
) -> None:
    (folder / "empty").write_text("\n")
    (folder / "binary").write_bytes(b"\xff\xfe")
    (folder / "text").write_text("text")
    monkeypatch.setenv("DOCRELAY_QDRANT_URL", "http://qdrant:6333")
    monkeypatch.setenv(variable, str(folder / path))
    with pytest.raises(BadRequest, match=message):
        load_settings()


@pytest.mark.parametrize("content", ["colour = 1", "window =", "[window]\nx = 1", "\xff\xfe"])
def test_an_invalid_settings_file_is_refused(folder: Path, content: str) -> None:
    (folder / "docrelay.toml").write_text(content, "latin-1")
    with pytest.raises(BadRequest):
        load_settings()


@pytest.mark.parametrize("value", ["/srv,~/documents", "/srv, ~/documents,", '["/srv", "~/documents"]'])
def test_api_roots_are_split_in_an_environment_variable(
    folder: Path, monkeypatch: pytest.MonkeyPatch, value: str
) -> None:
    monkeypatch.setenv("DOCRELAY_API_ROOTS", value)
    assert load_settings().api_roots == ("/srv", "~/documents")


def test_an_empty_variable_is_unset(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("REDIS_URL", "PRIORITY", "PASSWORDS", "QDRANT_URL"):
        monkeypatch.setenv(f"DOCRELAY_{name}", "")
    assert load_settings() == Settings(data_dir=folder)
    assert set(origins().values()) == {"default", "environment"}
    assert origins()["passwords"] == "default"


def test_variables_of_the_tests_are_not_settings(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DOCRELAY_TEST_ANYTHING", "x")
    assert load_settings().embedded


def test_settings_cannot_be_changed_and_have_no_unknown_fields(folder: Path) -> None:
    with pytest.raises(ValidationError):
        load_settings().priority = 3  # type: ignore[misc]
    with pytest.raises(ValidationError):
        Settings(colour="red")  # type: ignore[call-arg]


def test_data_folder_is_absolute(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    assert load_settings({"data_dir": "data"}).data_dir == tmp_path / "data"
    assert load_settings({"data_dir": "~/data"}).data_dir == tmp_path / "home" / "data"


def test_every_setting_says_what_it_means() -> None:
    assert [name for name, field in Settings.model_fields.items() if not field.description] == []


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=50)
@given(
    st.fixed_dictionaries(
        {},
        optional={
            "passwords": st.lists(TEXT, min_size=1, max_size=3).map(tuple),
            "api_roots": st.lists(TEXT.map("/with,comma/{}".format), min_size=1, max_size=3).map(tuple),
            "ocr_timeout_s": st.floats(0.1, 1e6),
            "priority": st.integers(1, 10),
            "keep_originals": st.booleans(),
            "redis_url": TEXT,
            "qdrant_api_key": TEXT,
            "autoscale": st.sampled_from(["4,1", "10,2"]),
            "embedding_dim": st.integers(1, 5000),
        },
    )
)
def test_a_worker_reads_back_what_the_command_had(folder: Path, values: dict[str, Any]) -> None:
    original = Settings(data_dir=folder, **values)
    with pytest.MonkeyPatch.context() as patch:
        for name, value in settings_environment(original).items():
            patch.setenv(name, value)
        assert load_settings() == original
