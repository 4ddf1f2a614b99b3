"""The rules of notifications as entry points list them: without secrets, with what became of their messages."""

from __future__ import annotations

from collections.abc import Mapping

from pipeline.catalog.work import outbox
from pipeline.results import NotificationRule, NotificationRuleList
from pipeline.services import Services
from pipeline.settings import NotifyRule
from pipeline.settings.printable import printable_rule

__all__ = ["list_rules"]

STATES = ("waiting", "sending", "delivered", "failed")


def list_rules(services: Services) -> NotificationRuleList:
    """List the rules of the settings with their deliveries of the last week by state."""
    with services.catalog.connect() as connection:
        counts = outbox.count_of_rules(connection)
    return NotificationRuleList(rules=[_described(rule, counts) for rule in services.settings.notify])


def _described(rule: NotifyRule, counts: Mapping[tuple[str, str], Mapping[str, int]]) -> NotificationRule:
    """A rule with the sums of the counts of its addresses: {(rule, address): {state: number}}."""
    of_addresses = [counts.get((rule.name, address), {}) for address in rule.to]
    deliveries = {state: sum(number.get(state, 0) for number in of_addresses) for state in STATES}
    return NotificationRule(**printable_rule(rule), deliveries=deliveries)
