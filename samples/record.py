"""Record docs/terminal.svg, the picture in the README: run real commands and draw what they print.

    python samples/record.py

Runs on a data folder of its own, with the stack held so that no command has to start it. Two things are changed in
what the commands print: the folder of the checkout becomes "…", and output longer than LINES ends there. Record on a
machine that does nothing else: the picture shows how long the ingest took.
"""

from __future__ import annotations

import os
import shlex
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from rich._export_format import CONSOLE_SVG_FORMAT
from rich.console import Console
from rich.terminal_theme import TerminalTheme
from rich.text import Text

ROOT = Path(__file__).resolve().parents[1]
PICTURE = ROOT / "docs" / "terminal.svg"
WIDTH = 108
LINES = 9
COMMANDS = (
    "ingest samples/documents",
    'search "How many days of holiday do employees get, and when is no leave granted?" --limit 1',
    'search "undichter Rumpfdurchlass an der Segelyacht Seeschwalbe" --limit 1',
)

BACK, FRONT = (24, 26, 31), (214, 218, 224)
COLOURS = [
    BACK,
    (224, 108, 117),
    (152, 195, 121),
    (229, 192, 123),
    (97, 175, 239),
    (198, 120, 221),
    (86, 182, 194),
    FRONT,
]
THEME = TerminalTheme(BACK, FRONT, COLOURS)


def main() -> None:
    """Run the commands and write the picture."""
    console = Console(record=True, width=WIDTH, file=open(os.devnull, "w"), force_terminal=True)  # noqa: PTH123, SIM115
    with tempfile.TemporaryDirectory(prefix="docrelay-record-") as folder:
        environment = environment_for(Path(folder))
        with stack(environment):
            for words in COMMANDS:
                console.print(Text.assemble(("$ ", "green"), (f"docrelay {words}", "bold")))
                for line in run(words, environment):
                    console.print(Text.from_ansi(line))
                console.print()
    # Without the fonts, which the original would load from another site.
    style = CONSOLE_SVG_FORMAT[CONSOLE_SVG_FORMAT.index("    .{unique_id}-matrix") :]
    template = CONSOLE_SVG_FORMAT[: CONSOLE_SVG_FORMAT.index("    @font-face")] + style
    svg = console.export_svg(title="docrelay", theme=THEME, code_format=template, unique_id="docrelay")
    PICTURE.write_text(svg, "utf-8")
    print(f"{PICTURE.relative_to(ROOT)}: {len(svg) / 1000:.0f} kB", file=sys.stderr)


def environment_for(folder: Path) -> dict[str, str]:
    """Variables of the commands: a terminal of this width with colours, and a data folder of their own."""
    terminal = {"FORCE_COLOR": "1", "COLUMNS": str(WIDTH), "TERM": "xterm-256color"}
    return {**os.environ, **terminal, "DOCRELAY_DATA_DIR": str(folder), "PYTHONPATH": str(ROOT)}


@contextmanager
def stack(environment: dict[str, str]) -> Iterator[None]:
    """`docrelay up` for the time of the block."""
    process = subprocess.Popen(command("up"), stderr=subprocess.PIPE, stdout=subprocess.DEVNULL, env=environment)
    try:
        while "stack is ready" not in (line := process.stderr.readline().decode()):
            if not line:
                raise SystemExit("The stack did not start.")
        yield
    finally:
        process.terminate()
        process.communicate()


def run(words: str, environment: dict[str, str]) -> list[str]:
    """Lines that a command prints on stdout; its progress goes to stderr and is gone at the end."""
    ended = subprocess.run(
        command(*shlex.split(words)), cwd=ROOT, env=environment, capture_output=True, text=True, check=False
    )
    output = ended.stdout.replace(str(ROOT), "…").splitlines()
    return [*output[:LINES], *(["…"] if len(output) > LINES else [])]


def command(*words: str) -> list[str]:
    """A command line of the program in this checkout."""
    return [sys.executable, "-m", "pipeline", *words]


if __name__ == "__main__":
    main()
