"""Options of a workflow: how they are typed, checked and combined with those of the settings."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from pipeline.errors import BadRequest
from pipeline.ingest.request import Request, options_of
from pipeline.ingest.submit import check_terms, plan_for
from pipeline.plan import Plan
from pipeline.services import Services
from pipeline.settings import Settings


@pytest.fixture
def services(tmp_path: Path) -> Iterator[Services]:
    services = Services(Settings(data_dir=tmp_path))
    yield services
    services.catalog.dispose()


@pytest.mark.parametrize(
    ("words", "options"),
    [
        (["mask=***"], {"mask": "***"}),
        (["mask=12", 'kinds=["iban"]'], {"mask": 12, "kinds": ["iban"]}),
        (['mask="12"', "a=", "b=x=y", "c=null"], {"mask": "12", "a": "", "b": "x=y", "c": None}),
        (["a=NaN", "b=[1"], {"a": "NaN", "b": "[1"}),
    ],
)
def test_options_as_they_are_typed(words: list[str], options: dict[str, Any]) -> None:
    assert options_of(words) == options


@pytest.mark.parametrize("words", [["mask"], ["=x"], [""], ["a=1", "a=2"]])
def test_malformed_options_are_refused(words: list[str]) -> None:
    with pytest.raises(BadRequest):
        options_of(words)


def test_options_of_a_job_override_those_of_the_settings(tmp_path: Path) -> None:
    workflow_options = {"redacted": {"mask": "#", "kinds": ["iban"]}}
    services = Services(Settings(data_dir=tmp_path, workflow_options=workflow_options))
    plan = plan_for(services, "redacted", {"mask": "*"})
    step = plan.step("redact")
    assert step is not None
    assert (step.options, plan.told) == ({"mask": "*", "kinds": ["iban"]}, {"mask": "*"})
    assert Plan.from_json(plan.to_json()) == plan
    assert plan_for(services, "redacted", {}).mark != plan.mark
    assert plan.mark == plan_for(services, "redacted", {"mask": "*", "kinds": ["iban"]}).mark


@pytest.mark.parametrize(
    "options",
    [{"colour": "red"}, {"mask": 3}, {"kinds": ["ears"]}, {"mask": None}, {"mask": float("nan")}, {"mask": b"x"}],
)
def test_unknown_workflow_options_are_refused(services: Services, options: dict[str, Any]) -> None:
    with pytest.raises(BadRequest):
        check_terms(services, Request((), workflow="redacted", options=options))
