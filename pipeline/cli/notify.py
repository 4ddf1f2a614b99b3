"""`docrelay notify`: the rules of notifications, what became of their deliveries, and a test of each."""

from __future__ import annotations

from dataclasses import asdict
from typing import Annotated, Any

import typer

from pipeline.cli.options import DataDir, Json, local_settings_of
from pipeline.cli.output import FAILED, out, plain, print_json
from pipeline.cli.usage import Commands

__all__ = ["notify_app"]

notify_app = Commands(help="Notifications: list the rules, send a test by each.", no_args_is_help=True)

NO_RULES = "No rules: no one is notified. docs/notifications.md says how the setting `notify` is written."
STATES = ("waiting", "sending", "delivered", "failed")


@notify_app.command("list")
def notify_list(context: typer.Context, json: Json = False, data_dir: DataDir = None) -> None:
    """List the rules: what each reports to whom, and its deliveries of the last week by state."""
    from pipeline.catalog.work import outbox
    from pipeline.services import Services
    from pipeline.settings.printable import printable_settings

    settings = local_settings_of(context, data_dir)
    with Services(settings).catalog.connect() as connection:
        counts = outbox.count_of_rules(connection)
    rules = printable_settings(settings)["notify"]
    for rule, chosen in zip(rules, settings.notify, strict=True):
        by_state = [counts.get((chosen.name, address), {}) for address in chosen.to]
        rule["deliveries"] = {state: sum(number.get(state, 0) for number in by_state) for state in STATES}
    if json:
        print_json({"rules": rules})
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
    data_dir: DataDir = None,
) -> None:
    """Send a test message by every rule now, call the dead-man URL, and say what became of it."""
    import asyncio

    from pipeline.notify.trial import choose, send_tests

    settings = local_settings_of(context, data_dir)
    deadman_url = settings.deadman_url if rule is None else None
    outcomes = asyncio.run(send_tests(settings, choose(settings, rule), deadman_url))
    if json:
        print_json({"tests": [asdict(outcome) for outcome in outcomes]})
    for outcome in outcomes if not json else ():
        result = f"accepted ({outcome.status})" if outcome.accepted else f"not accepted: {outcome.error}"
        out.print(plain(f"{outcome.rule}  {outcome.address}  {result}"))
    if not outcomes and not json:
        out.print(NO_RULES)
    raise typer.Exit(0 if all(outcome.accepted for outcome in outcomes) else FAILED)


def _line(rule: dict[str, Any]) -> str:
    parts = [f"{rule['name']}  {', '.join(rule['events'])} to {', '.join(rule['to'])}"]
    if rule["minimum_severity"] != "info":
        parts.append(f"from {rule['minimum_severity']} on")
    if rule["quiet_hours"]:
        parts.append(f"quiet {rule['quiet_hours']} {rule['timezone']}")
    if rule["digest_s"]:
        parts.append(f"gathered for {rule['digest_s']:g} s")
    states = ", ".join(f"{number} {state}" for state, number in rule["deliveries"].items() if number)
    return "; ".join([*parts, f"deliveries: {states or 'none'}"])
