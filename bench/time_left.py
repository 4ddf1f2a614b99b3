"""Measure how accurate a job's estimate of its remaining time (ETA) is while it runs.

    python bench/time_left.py PATH...

Ingests the paths into a data folder of its own, reads the job's progress and estimate every few seconds, and compares
them afterwards with the time that it really took. Prints one line for each tenth of that time.
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

from pipeline.catalog.work.jobs import unfinished
from pipeline.catalog.work.progress import JobProgress, measure
from pipeline.services import Services
from pipeline.settings import Settings

EVERY_S = 4.0
SOON_S = 0.1
TENTHS = 10


def main() -> None:
    """Ingest, measure, and print the table."""
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("paths", nargs="+")
    with tempfile.TemporaryDirectory(prefix="docrelay-bench-") as name:
        readings, ended = ingest(Path(name), options.parse_args().paths)
    began, whole = readings[0][0], ended - readings[0][0]
    print(f"{whole:.0f} s")
    print(f"{'of the time':>11} {'fraction':>9} {'estimated, s':>13} {'true, s':>13} {'ratio':>10}")
    for tenth in range(1, TENTHS):
        at, seen = min(readings, key=lambda reading: abs(reading[0] - began - whole * tenth / TENTHS))
        left, guess = ended - at, "-" if seen.eta_s is None else f"{seen.eta_s:.0f}"
        ratio = "-" if seen.eta_s is None else f"{seen.eta_s / left:.2f}"
        print(f"{tenth / TENTHS:>11.0%} {seen.fraction:>9.2f} {guess:>13} {left:>13.0f} {ratio:>10}")


def ingest(folder: Path, paths: list[str]) -> tuple[list[tuple[float, JobProgress]], float]:
    """Progress of the job with the moment of each reading, and the moment at which it ended."""
    command = [str(Path(sys.executable).with_name("docrelay")), "ingest", *paths, "--json"]
    environment = {**os.environ, "DOCRELAY_DATA_DIR": str(folder)}
    services, readings = Services(Settings(data_dir=folder)), list[tuple[float, JobProgress]]()
    with tempfile.TemporaryFile() as output:
        process = subprocess.Popen(command, env=environment, stdout=output, stderr=subprocess.DEVNULL)
        while process.poll() is None:
            with services.catalog.connect() as connection:
                readings += [(time.time(), measure(connection, job)) for job in unfinished(connection)]
            time.sleep(EVERY_S if readings else SOON_S)
        services.catalog.dispose()
        output.seek(0)
        answer = json.load(output)
    if not readings:
        raise SystemExit("The job ended before its progress could be read.")
    return readings, readings[0][0] + answer["seconds"]


if __name__ == "__main__":
    main()
