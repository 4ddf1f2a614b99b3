"""What docs/operations.md says to do about each alarm, against the alerts that are shipped."""

from __future__ import annotations

import re
from collections import Counter
from pathlib import Path

import yaml
from documented_rows import documented_rows

ALERTS = Path(__file__).parents[3] / "deploy" / "prometheus" / "alerts.yml"


def test_every_alert_has_a_row_that_says_what_to_do_and_every_named_alert_exists() -> None:
    groups = yaml.safe_load(ALERTS.read_text("utf-8"))["groups"]
    shipped = [rule["alert"] for group in groups for rule in group["rules"]]
    cells = documented_rows("operations.md", "## Alarms and what to do")
    named = Counter(name for cell in cells for name in cell.split())
    assert named.keys() == set(shipped)
    assert all(re.fullmatch(r"(Docrelay\w+( Docrelay\w+)*)?", cell) for cell in cells), cells
    # Missing and surplus points have different causes.
    assert {name for name, rows in named.items() if rows > 1} == {"DocrelayDrift"}
