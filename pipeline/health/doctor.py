"""What `docrelay doctor` finds on its machine: the parts of the stack, if one runs, and the installation."""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext

from pipeline import stack
from pipeline.health.installation import installation_checks
from pipeline.health.side_by_side import Checks
from pipeline.health.system import LastSeen, SystemHealth, parts_of, report_of, worst
from pipeline.results import HealthReport
from pipeline.services import Services
from pipeline.settings import Settings

__all__ = ["examine"]

PATIENCE_S = 15.0
"""A command opens the catalog and imports the driver of the database anew within its checks."""

INSTALLATION_PATIENCE_S = 60.0
"""Reading a model's files for the first time takes a while."""


def examine(settings: Settings) -> HealthReport:
    """Check the installation, and every part of the stack that runs; no stack is started, and no catalog made.

    Where none runs, the report is not `reachable`, and has only the parts that are files.
    """
    checks = Checks(installation_checks(settings), INSTALLATION_PATIENCE_S, kept_s=0.0)
    installation = parts_of(checks.run(checks.names), LastSeen())
    with _stack_of(settings) as attached:
        report = _system(attached or settings)
    return report.model_copy(update={"state": worst([*report.parts, *installation]), "installation": installation})


def _stack_of(settings: Settings) -> AbstractContextManager[Settings | None]:
    """The stack that runs. A Redis of the user's is looked at even when it does not answer."""
    return stack.peek(settings) if settings.redis_url is None else nullcontext(settings)


def _system(settings: Settings) -> HealthReport:
    is_new = settings.redis_url is None and settings.database_url is None
    if is_new and not (settings.data_dir / "catalog.db").exists():
        return report_of([], reachable=False)
    return SystemHealth(Services(settings), PATIENCE_S).report()
