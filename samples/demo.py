"""What `make demo` shows: the samples are ingested and searched, with the commands that a user would type."""

from __future__ import annotations

import json
import os
import shlex
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
ROOT = HERE.parent
DATA = ".docrelay"
SEARCHES = 3
BEGIN = """
Docrelay's demo. Everything runs on this machine: a private Redis, Celery workers, the real model, Qdrant's own
engine. The model comes from an installed package; its hub is never asked.

samples/documents holds {files} files: PDF, Word, scans, pictures, text in old encodings. {broken} of them are broken on
purpose (damaged, encrypted, empty, a sound file, a blank page), to show what Docrelay says of such files.
"""
END = """
What to type next:

  source .venv/bin/activate
  export DOCRELAY_DATA_DIR="$PWD/.docrelay"     or leave it out: then it is ~/.docrelay
  docrelay up                                   the whole stack until Ctrl-C; searches answer faster beside it
  docrelay ingest ~/Documents                   your own files; what did not change costs nothing
  docrelay search "what you are looking for"
  docrelay status
  docrelay failures list
"""


def main() -> int:
    """Run the demo; 0 if everything went as it should."""
    os.chdir(ROOT)
    table = tomllib.loads((HERE / "planted.toml").read_text("utf-8"))
    expected = {row["name"]: row["expected"] for row in table["file"] if row["expected"] != "completed"}
    print(BEGIN.format(files=len(table["file"]), broken=len(expected)), flush=True)
    with running():
        code = show("ingest", "samples/documents")
        if code not in (0, 1):
            return code
        unforeseen = explain(expected)
        for search in table["search"][:SEARCHES]:
            code = show("search", search["query"], "--limit", "2")
            if code:
                return code
    print(END)
    return 1 if unforeseen else 0


@contextmanager
def running() -> Iterator[None]:
    """The stack, held for as long as the demo lasts, so that no command has to start it again."""
    Path(DATA).mkdir(mode=0o700, exist_ok=True)
    with Path(DATA, "demo.log").open("wb") as log:
        stack = subprocess.Popen(command("up"), stdout=log, stderr=log, env=environment())
        try:
            yield
        finally:
            stack.terminate()
            stack.wait()


def show(*arguments: str) -> int:
    """Run a command of ours before the user's eyes.

    Returns:
        Its exit code.
    """
    print(f"$ docrelay {shlex.join(arguments)}", flush=True)
    code = subprocess.run(command(*arguments), env=environment(), check=False).returncode
    print(flush=True)
    return code


def explain(expected: dict[str, str]) -> list[str]:
    """Print which failures are intended, and what to do about the others.

    Returns:
        Files whose failure is neither intended nor explained.
    """
    codes = failures()
    without_ocr = [name for name, code in codes.items() if code == "ocr_unavailable"]
    rest = {name: code for name, code in codes.items() if code != "ocr_unavailable"}
    unforeseen = sorted(name for name, code in rest.items() if expected.get(name) != code)
    meant = len(rest) - len(unforeseen)
    print(f"{meant} files failed as they were meant to: a bad file fails alone, with its reason.")
    if without_ocr:
        print(f"{len(without_ocr)} files need Tesseract. Install it, then type: docrelay failures retry")
    if unforeseen:
        print(f"Not as it should be: {', '.join(unforeseen)}. Please report it.")
    print(flush=True)
    return unforeseen


def failures() -> dict[str, str]:
    """Code of every failed sample."""
    listing = subprocess.run(command("failures", "list", "--json"), env=environment(), capture_output=True, check=True)
    listed: list[dict[str, Any]] = json.loads(listing.stdout)["failures"]
    folder = str(HERE / "documents")
    return {
        Path(failure["source"]).name: failure["code"]
        for failure in listed
        if str(Path(failure["source"]).parent) == folder
    }


def command(*arguments: str) -> list[str]:
    """The command of this environment, on the demo's data folder."""
    return [str(Path(sys.executable).with_name("docrelay")), *arguments]


def environment() -> dict[str, str]:
    """No setting of the user's reaches the demo, and the model hub is out of reach."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("DOCRELAY_")}
    return {**kept, "DOCRELAY_DATA_DIR": str(ROOT / DATA), "HF_HUB_OFFLINE": "1"}


if __name__ == "__main__":
    sys.exit(main())
