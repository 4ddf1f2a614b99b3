"""`docrelay notify`: the rules of notifications, what became of their deliveries, and a test of each."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from pipeline.cli.options import DataDir, Json, Server, settings_of
from pipeline.cli.output import FAILED, out, plain, print_json
from pipeline.cli.usage import Commands

if TYPE_CHECKING:
    from pipeline.results import NotificationRule, NotificationTest
    from pipeline.settings import Settings

__all__ = ["notify_app"]

notify_app = Commands(help="Notifications: list the rules, send a test by each.", no_args_is_help=True)

NO_RULES = "No rules: no one is notified. docs/notifications.md says how the setting `notify` is written."


@notify_app.command("list")
def notify_list(context: typer.Context, json: Json = False, server: Server = None, data_dir: DataDir = None) -> None:
    """List the rules: what each reports to whom, and its deliveries of the last week by state."""
    rules = _rules(settings_of(context, data_dir, server))
    if json:
        print_json({"rules": [rule.model_dump() for rule in rules]})
        return
    for rule in rules:
        out.print(plain(_line(rule)))
    if not rules:
        out.print(NO_RULES)


@notify_app.command("test")
def notify_test(
    context: typer.Context,
    rule: Annotated[
        str | None, typer.Argument(metavar="RULE", help="A rule; nothing for all.", show_default=False)
    ] = None,
    json: Json = False,
    server: Server = None,
    data_dir: DataDir = None,
) -> None:
    """Send a test message by every rule now, call the dead-man URL, and say what became of it."""
    tests = _send_tests(settings_of(context, data_dir, server), rule)
    if json:
        print_json({"tests": [test.model_dump() for test in tests]})
    for test in tests if not json else ():
        result = f"accepted ({test.status})" if test.accepted else f"not accepted: {test.error}"
        out.print(plain(f"{test.rule}  {test.address}  {result}"))
    if not tests and not json:
        out.print(NO_RULES)
    raise typer.Exit(0 if all(test.accepted for test in tests) else FAILED)


def _rules(settings: Settings) -> list[NotificationRule]:
    """The rules of the server that the settings name, or of this machine."""
    if settings.server is not None:
        from pipeline.cli.remote import client_of

        return client_of(settings).notifications().rules
    from pipeline.notify.rule_list import list_rules
    from pipeline.services import Services

    return list_rules(Services(settings)).rules


def _send_tests(settings: Settings, rule: str | None) -> list[NotificationTest]:
    """Send the messages from the server that the settings name, or from this machine."""
    if settings.server is not None:
        from pipeline.cli.remote import client_of

        return client_of(settings).send_test_notifications(rule).tests
    import asyncio

    from pipeline.notify.trial import send_tests

    return asyncio.run(send_tests(settings, rule)).tests


def _line(rule: NotificationRule) -> str:
    parts = [f"{rule.name}  {', '.join(rule.events)} to {', '.join(rule.to)}"]
    if rule.minimum_severity != "info":
        parts.append(f"from {rule.minimum_severity} on")
    if rule.quiet_hours:
        parts.append(f"quiet {rule.quiet_hours} {rule.timezone}")
    if rule.digest_s:
        parts.append(f"gathered for {rule.digest_s:g} s")
    states = ", ".join(f"{number} {state}" for state, number in rule.deliveries.items() if number)
    return "; ".join([*parts, f"deliveries: {states or 'none'}"])
