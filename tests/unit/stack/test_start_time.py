"""Supervisor and warden start fast: they import little."""

from __future__ import annotations

import subprocess
import sys


def test_supervisor_and_warden_start_fast() -> None:
    heavy = "{'pydantic', 'pipeline.settings', 'sqlalchemy', 'httpx', 'numpy'}"
    code = f"import pipeline.stack.supervisor, sys; print(sorted({heavy} & set(sys.modules)))"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "[]\n"
    code = "import pipeline.stack.warden, sys; print('redis' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "False\n"
