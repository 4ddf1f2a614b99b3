"""Dashboards where Prometheus scrapes several pods of the API: each answers for the whole system, and counts once."""

from __future__ import annotations

import itertools
import json
import re
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).parents[3]
DASHBOARDS = sorted((ROOT / "deploy/grafana/dashboards").glob("*.json"))
METRIC = re.compile(r"(docrelay_\w+)(?:\{([^}]*)\})?")
VALUES = {"outcome": ("completed", "failed", "done"), "status": ("2xx", "5xx"), "le": ("1", "+Inf")}
"""Values of the labels that queries ask for or that need several; any other label has one."""


def queries() -> Iterator[str]:
    """Each query on our own metrics."""
    for path in DASHBOARDS:
        for panel in json.loads(path.read_text("utf-8"))["panels"]:
            for target in panel["targets"]:
                if "docrelay_" in (expression := target["expr"]):
                    yield re.sub(r"\$(stage|worker)", ".*", expression).replace("$__rate_interval", "5m")


def labels_of(metric: str) -> list[str]:
    """The labels of a metric, as docs/monitoring.md names them."""
    base = re.sub(r"_(bucket|count|sum)$", "", metric) if "_duration_seconds" in metric else metric
    rows = re.findall(rf"^\| `{base}` \| (.*?) \|", (ROOT / "docs/monitoring.md").read_text("utf-8"), re.MULTILINE)
    assert len(rows) == 1, metric
    return re.findall(r"`(\w+)`", rows[0]) + (["le"] if metric.endswith("_bucket") else [])


def series(metric: str) -> Iterator[dict[str, str]]:
    """What two pods say of a metric: the same, but for the scrape of a moment ago."""
    labels = labels_of(metric)
    chosen = itertools.product(*(VALUES.get(label, ("some",)) for label in labels))
    for place, values in enumerate(chosen, start=1):
        for pod in ("a", "b"):
            of = {**dict(zip(labels, values, strict=True)), "pod": pod, "instance": f"{pod}:8372", "job": "docrelay"}
            text = ",".join(f'{name}="{value}"' for name, value in of.items())
            step = 60 * (place if of.get("le") != "+Inf" else place * 10)
            yield {"series": f"{metric}{{{text}}}", "values": f"{step}+{step}x20"}


def of_one_pod(query: str) -> str:
    """The query on what the first pod alone says."""

    def chosen(found: re.Match[str]) -> str:
        conditions = ",".join(filter(None, (found[2], 'pod="a"')))
        return f"{found[1]}{{{conditions}}}"

    return METRIC.sub(chosen, query)


def asked(query: str) -> list[dict[str, Any]]:
    """Expressions that must be 0: there are as many answers as of one pod, and they have the same values."""
    one = of_one_pod(query)
    differences = (f"count({query}) - count({one})", f"max(abs(({query}) - ignoring(pod, instance) ({one})))")
    zero = [{"labels": "{}", "value": 0}]
    return [{"expr": expression, "eval_time": "15m", "exp_samples": zero} for expression in differences]


def test_a_second_pod_changes_no_answer(needs: Callable[..., None], tmp_path: Path) -> None:
    needs("promtool")
    known = sorted(set(queries()))
    metrics = {found[1] for query in known for found in METRIC.finditer(query)}
    inputs = [row for metric in sorted(metrics) for row in series(metric)]
    cases = [case for query in known for case in asked(query)]
    test = {"tests": [{"interval": "1m", "input_series": inputs, "promql_expr_test": cases}]}
    (tmp_path / "test.yml").write_text(yaml.safe_dump(test))
    ended = subprocess.run(["promtool", "test", "rules", "test.yml"], cwd=tmp_path, capture_output=True, text=True)
    assert ended.returncode == 0, ended.stdout + ended.stderr
