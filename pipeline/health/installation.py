"""What `docrelay doctor` checks of the machine it runs on: programs, model files, folders, the port of the API."""

from __future__ import annotations

import os
import socket
import stat
import tempfile
from pathlib import Path

import httpx

from extractors.pictures import tesseract
from pipeline.health.finding import Finding, degraded, failed, ok
from pipeline.health.side_by_side import Check
from pipeline.services import Services
from pipeline.settings import Settings
from pipeline.stack.redis_server import find_server

__all__ = ["installation_checks"]

PORT_TIMEOUT_S = 3.0


def installation_checks(settings: Settings) -> dict[str, Check]:
    """The checks of the installation by the names under which they are reported."""
    checks: dict[str, Check] = {
        "settings": lambda: check_settings(settings),
        "data-folder": lambda: check_data_folder(settings.data_dir),
        "tesseract": lambda: check_tesseract(settings),
        "model": lambda: check_model(settings),
        "api-port": lambda: check_port(settings),
    }
    return {**checks, "redis-server": check_redis_server} if settings.embedded else checks


def check_settings(settings: Settings) -> Finding:
    """See whether the folders that the settings name are there; a value that cannot be is refused before."""
    named = [("watch", folder.path) for folder in settings.watch]
    named += [("api_roots", Path(root).expanduser()) for root in settings.api_roots]
    missing = [f"{path} (setting `{setting}`)" for setting, path in named if not path.is_dir()]
    if missing:
        return degraded(f"Not there: {', '.join(missing)}.", "Make the folder, mount its disk, or change the setting.")
    return ok(folders=len(named))


def check_data_folder(folder: Path) -> Finding:
    """Write a file into the data folder, or into the one that it would be made in. Raises OSError: it cannot."""
    there = next(path for path in (folder, *folder.parents) if path.exists())
    with tempfile.TemporaryFile(dir=there):
        pass
    mode = stat.S_IMODE(folder.stat().st_mode) if there == folder else 0
    if mode & (stat.S_IRWXG | stat.S_IRWXO):
        return degraded(f"Other users may enter {folder} (mode {mode:o}).", f"chmod 700 {folder}")
    return ok()


def check_tesseract(settings: Settings) -> Finding:
    """Look for Tesseract and the languages of `ocr_languages`. Raises OcrUnavailable: something is not installed."""
    if settings.ocr != "off":
        tesseract.require(settings.ocr_languages)
    return ok()


def check_model(settings: Settings) -> Finding:
    """Read the facts and the tokenizer of the embedding model. Raises EmbedError: its files cannot be read."""
    services = Services(settings)
    services.tokenizer.count(["health"])
    return ok(dimension=services.fingerprint.dim)


def check_redis_server() -> Finding:
    """Find the program of the private Redis. Raises StackUnavailable: none is installed."""
    program = find_server()
    if not os.access(program, os.X_OK):
        return failed(f"{program} cannot be run.", "Install redis-server or valkey-server.")
    return ok()


def check_port(settings: Settings) -> Finding:
    """See whether the port of the API is free, or a Docrelay answers there."""
    host, port = settings.api_host, settings.api_port
    if port == 0:
        return ok()
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError as error:
            return _judge_used_port(host, port, error)
    return ok(port=port)


def _judge_used_port(host: str, port: int, error: OSError) -> Finding:
    try:
        url = httpx.URL(scheme="http", host=host, port=port, path="/health/live")
        answer = httpx.get(url, timeout=PORT_TIMEOUT_S)
        if answer.is_success and answer.json() == {"state": "ok"}:
            return ok(port=port)
    except (httpx.HTTPError, ValueError):
        pass
    cause = f"Another program uses {host} port {port}, or it cannot be listened on: {error.strerror}."
    return failed(cause, "Set `api_port` to another one, or to 0 for any free one: docrelay up --api-port PORT")
