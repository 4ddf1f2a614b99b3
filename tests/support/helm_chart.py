"""Renders the Helm chart with Helm's own engine, in a process of its own: Go takes over the handling of signals."""

from __future__ import annotations

import json
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import yaml
from programs import requires

__all__ = ["CHART", "NotRendered", "lint", "render"]

CHART = Path(__file__).parents[2] / "deploy/helm/docrelay"
RELEASE, NAMESPACE = "docs", "search"


class NotRendered(Exception):
    """What Helm says of values or templates that are wrong."""


def render(values: dict[str, Any]) -> dict[tuple[str, str], dict[str, Any]]:
    """The resources of the chart with these values over its own, by kind and name."""
    texts = _ask("render", values)
    found = [part for text in texts.values() for part in yaml.safe_load_all(text) if part]
    resources = {(part["kind"], part["metadata"]["name"]): part for part in found}
    assert len(resources) == len(found), "two resources of one name"
    return resources


def lint() -> list[str]:
    """What `helm lint --strict` says of the chart."""
    return list(_ask("lint", {}))


def _ask(what: str, values: dict[str, Any]) -> Any:
    requires(find_spec("helm_python"), "helm-python-sdk")
    line = [sys.executable, __file__, what]
    ended = subprocess.run(line, input=json.dumps(values), capture_output=True, text=True, check=False)
    if ended.returncode:
        raise NotRendered(ended.stderr.strip().splitlines()[-1])
    return json.loads(ended.stdout)


def _main() -> None:
    import helm_python

    values = json.load(sys.stdin)
    if sys.argv[1] == "lint":
        report = helm_python.lint(CHART, values=values, strict=True)
        json.dump([str(message) for message in report["messages"]], sys.stdout)
        return
    with helm_python.Chart.load(CHART) as chart:
        chart.validate_schema(values)
        rendered = chart.render(values, name=RELEASE, namespace=NAMESPACE)
    json.dump({name: text for name, text in rendered.items() if name.endswith(".yaml")}, sys.stdout)


if __name__ == "__main__":
    _main()
