"""How true the time left is that a job tells while it runs.

    python bench/telling.py PATH...

Ingests the paths into a catalog of its own, asks every few seconds how far the job is and how long it will still take,
and compares that with how long it did take.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from pipeline.catalog.work.jobs import active_jobs
from pipeline.catalog.work.progress import Measure, look
from pipeline.services import Services
from pipeline.settings import Settings

EVERY_S = 4.0
SOON_S = 0.1
TENTHS = 10


def main() -> None:
    """Ingest, ask, and print the table."""
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("paths", nargs="+")
    with tempfile.TemporaryDirectory(prefix="docrelay-bench-") as name:
        told, ended = ingest(Path(name), options.parse_args().paths)
    began, whole = told[0][0], ended - told[0][0]
    print(f"{whole:.0f} s")
    print(f"{'of the time':>11} {'fraction':>9} {'told: s left':>13} {'true: s left':>13} {'told/true':>10}")
    for tenth in range(1, TENTHS):
        at, seen = min(told, key=lambda one: abs(one[0] - began - whole * tenth / TENTHS))
        left, guess = ended - at, "-" if seen.eta_s is None else f"{seen.eta_s:.0f}"
        ratio = "-" if seen.eta_s is None else f"{seen.eta_s / left:.2f}"
        print(f"{tenth / TENTHS:>11.0%} {seen.fraction:>9.2f} {guess:>13} {left:>13.0f} {ratio:>10}")


def ingest(folder: Path, paths: list[str]) -> tuple[list[tuple[float, Measure]], float]:
    """What the job told of itself and when; when it had ended."""
    command = [str(Path(sys.executable).with_name("docrelay")), "ingest", *paths, "--json"]
    environment = {**os.environ, "DOCRELAY_DATA_DIR": str(folder)}
    services, told = Services(Settings(data_dir=folder)), list[tuple[float, Measure]]()
    with tempfile.TemporaryFile() as output:
        process = subprocess.Popen(command, env=environment, stdout=output, stderr=subprocess.DEVNULL)
        while process.poll() is None:
            with services.catalog.connect() as connection:
                told += [(time.time(), look(connection, job)) for job in active_jobs(connection)]
            time.sleep(EVERY_S if told else SOON_S)
        services.catalog.dispose()
        output.seek(0)
        answer = json.load(output)
    if not told:
        raise SystemExit("It had ended before it could be asked.")
    return told, told[0][0] + answer["seconds"]


if __name__ == "__main__":
    main()
