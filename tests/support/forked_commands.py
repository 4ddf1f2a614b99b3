"""Commands in forks of one process that has imported everything: a tenth of a command's time."""

from __future__ import annotations

import atexit
import json
import os
import subprocess
import sys
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

FORKS = """
import atexit, importlib, json, os, pkgutil, runpy, sys, tempfile, threading, traceback

os.environ["TTY_COMPATIBLE"] = "0"  # independent of this process: its children print into files
import pipeline.api.models, pipeline.engine.broker, pipeline.cli, pipeline.stack.logs
import pipeline.ingest.retry, pipeline.vectorstore.remote
import pipeline.stack.client, rich._emoji_codes, sqlalchemy.dialects.sqlite
import typer._adapters, typer._click._textwrap, typer._click.decorators, typer.rich_utils
for one in pkgutil.iter_modules(pipeline.cli.__path__, "pipeline.cli."):
    importlib.import_module(one.name)
from pipeline.cli import main


def end_with(command):
    # As an interpreter ends, but for taking itself to pieces: that costs a fork more than most commands do.
    code = 0
    try:
        command()
    except SystemExit as ended:
        code = ended.code if isinstance(ended.code, int) else int(ended.code is not None)
    except BaseException:
        traceback.print_exc()
        code = 1
    threading._shutdown()
    atexit._run_exitfuncs()
    sys.stdout.flush(), sys.stderr.flush()
    os._exit(code)


for line in sys.stdin:
    words, folder, environment = json.loads(line)
    with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err:
        child = os.fork()
        if not child:
            os.dup2(out.fileno(), 1), os.dup2(err.fileno(), 2), os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
            os.chdir(folder)
            os.environ.clear()
            os.environ.update(environment)
            # Packages that a test has installed.
            sys.path[1:1] = [path for path in environment.get("PYTHONPATH", "").split(os.pathsep) if path]
            importlib.invalidate_caches()
            if words[:1] == ["-m"]:  # a module of Docrelay, as `python -m` runs it
                sys.argv = words[1:]
                end_with(lambda: runpy.run_module(words[1], run_name="__main__", alter_sys=True))
            sys.argv = ["docrelay", *words]
            end_with(main)
        code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
        output = [(file.seek(0), file.read().decode())[1] for file in (out, err)]
    print(json.dumps({"code": code, "out": output[0], "err": output[1]}), flush=True)
"""
"""The entry point of `docrelay`, and of modules of Docrelay, for each line of standard input in a fork."""


ENVIRONMENT = {name: value for name, value in os.environ.items() if not name.startswith("DOCRELAY_")}
"""As it is before the first test: what a module sets for its own tests is not for the commands of the others."""


@cache
def forks() -> subprocess.Popen[str]:
    """The process whose forks are commands: one for all rigs of this process, and of no stack."""
    process = subprocess.Popen(
        [sys.executable, "-c", FORKS],
        env=ENVIRONMENT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        bufsize=1,
    )
    atexit.register(process.communicate)
    return process


@dataclass(frozen=True)
class Ended:
    """Output and exit code of a command."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        """The only JSON document on stdout; other output is an error."""
        return json.loads(self.out)


def run_in_fork(words: list[str], environment: dict[str, str], folder: Path) -> Ended:
    """Run a `docrelay` command, or `-m MODULE` with its arguments, in a fork of `forks()` to its end."""
    process = forks()
    assert process.stdin is not None
    assert process.stdout is not None
    process.stdin.write(json.dumps([words, str(folder), environment]) + "\n")
    return Ended(**json.loads(process.stdout.readline()))
