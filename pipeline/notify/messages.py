"""The words of notifications: what a notice says, and the message that one or several of them become."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from pipeline.catalog.work.notices import Notice
from pipeline.notify.severities import most_severe
from pipeline.results import iso

__all__ = ["OF_RUNNING_JOBS", "Message", "body_of", "gather", "paragraph", "words_of"]

OF_RUNNING_JOBS = {"stages", "eta_s", "documents_per_s", "active"}
"""Fields of a job's status that say nothing about a job that has ended: messages leave them out."""

LISTED = 50
"""Notices that a message lists at most; it counts all."""

EXAMPLES = 20

Facts = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Message:
    """What the body of a notification of the type `notice` holds.

    `severity` is the highest of the notices; each of these has `event`, `subject`, `severity`, `cleared`, `at`,
    `title`, `text` and `facts`. `count` is their number, of which the list may have the first ones alone.
    """

    type: str
    delivery: str
    rule: str
    at: str
    severity: str
    title: str
    text: str
    count: int
    notices: list[dict[str, Any]]


def body_of(delivery_id: str, rule: str, at: float, notices: Iterable[Notice]) -> str:
    """The body of a delivery as JSON.

    Args:
        delivery_id: its id.
        rule: the rule that reports.
        at: when the body was made.
        notices: at least one. They are gone through once, and only those that the message lists are kept.
    """
    digest = gather(notices)
    listed = [_listed(notice) for notice in digest.first]
    count = digest.events.total()
    title = listed[0]["title"] if count == 1 else f"{count} events: {_kinds(digest.events)}"
    message = Message(
        type="notice",
        delivery=delivery_id,
        rule=rule,
        at=iso(at) or "",
        severity=digest.severity,
        title=title,
        text=_text(listed, count),
        count=count,
        notices=listed,
    )
    return json.dumps(asdict(message))


@dataclass(slots=True)
class Digest:
    """What a message says of its notices: how many there are of each event, the highest severity, the first ones."""

    events: Counter[str]
    severity: str
    first: list[Notice]


def gather(notices: Iterable[Notice]) -> Digest:
    """Go through notices. Reports of failed documents become one, which comes first: so it is never left out."""
    digest, failed = Digest(Counter(), "info", []), None
    for notice in notices:
        digest.severity = most_severe((digest.severity, notice.severity))
        if notice.event == "documents.failed":
            failed = notice if failed is None else _joined(failed, notice)
        else:
            digest.events[notice.event] += 1
            if len(digest.first) < LISTED:
                digest.first.append(notice)
    if failed is not None:
        digest.events[failed.event] = 1
        digest.first = [failed, *digest.first][:LISTED]
    return digest


def _joined(one: Notice, other: Notice) -> Notice:
    """Two reports of failed documents as one."""
    codes = Counter(one.facts["codes"]) + Counter(other.facts["codes"])
    examples = [*one.facts["examples"], *other.facts["examples"]][:EXAMPLES]
    return other._replace(facts={"documents": codes.total(), "codes": dict(codes.most_common()), "examples": examples})


def paragraph(listed: Mapping[str, Any]) -> str:
    """One notice of a message in the text of several."""
    return f"{listed['at']}  {listed['title']}\n{listed['text']}"


def words_of(notice: Notice) -> tuple[str, str]:
    """Title and text of a notice."""
    title, text = WORDS[notice.event](notice.subject, notice.facts)
    return (f"Over: {title}", f"This is over. It was: {text}") if notice.cleared else (title, text)


def _listed(notice: Notice) -> dict[str, Any]:
    title, text = words_of(notice)
    said = {"event": notice.event, "subject": notice.subject, "severity": notice.severity, "cleared": notice.cleared}
    return {**said, "at": iso(notice.at), "title": title, "text": text, "facts": dict(notice.facts)}


def _text(listed: Sequence[Mapping[str, Any]], count: int) -> str:
    if count == 1:
        return str(listed[0]["text"])
    lines = [paragraph(notice) for notice in listed]
    more = [f"... and {count - len(listed)} more"] if count > len(listed) else []
    return "\n\n".join([*lines, *more])


def _kinds(events: Counter[str]) -> str:
    """The kinds of events with their numbers, the most frequent first."""
    return ", ".join(f"{number} {event}" for event, number in events.most_common())


def _job(subject: str, facts: Facts) -> tuple[str, str]:
    if not facts:
        return f"Job {subject} has ended", "It is not in the catalog any more."
    state = {"completed": "is completed", "cancelled": "was cancelled"}.get(facts["state"], "has failed documents")
    counts = ", ".join(
        f"{facts[name]} {name}" for name in ("completed", "unchanged", "failed", "cancelled") if facts.get(name)
    )
    text = f"{_documents(facts['documents'])} of the collection {facts['collection']}: {counts or 'none'}."
    hint = f"\nSee: docrelay failures list --job {subject}" if facts.get("failed") else ""
    return f"Job {subject[:8]} {state}", f"{text}\nIt took {facts['seconds']:.0f} s.{hint}"


def _failures(_subject: str, facts: Facts) -> tuple[str, str]:
    codes = ", ".join(f"{count} {code}" for code, count in facts["codes"].items())
    lines = [f"{example['source']} ({example['code']}): {example['message']}" for example in facts["examples"]]
    return f"{_documents(facts['documents'])} failed", "\n".join(
        [f"By code: {codes}.", *lines, "See: docrelay failures list"]
    )


def _documents(number: int) -> str:
    return "1 document" if number == 1 else f"{number} documents"


def _worker(_subject: str, facts: Facts) -> tuple[str, str]:
    return str(facts["title"]), str(facts["message"])


def _disk(_subject: str, facts: Facts) -> tuple[str, str]:
    setting = facts.get("setting", "notify_disk_mb")
    why = f" (setting {setting})" if setting else ""
    title = f"Little room on the disk of {facts['path']}" + (f" on {facts['host']}" if "host" in facts else "")
    return title, (
        f"{facts['free_mb']} MB are free, {facts['wanted_mb']} MB are wanted{why}. "
        f"Below {facts['needed_mb']} MB work waits for room."
    )


def _held(subject: str, facts: Facts) -> tuple[str, str]:
    return f"Deletions are held back in {subject}", (
        f"{facts['message']}\nIf the files are meant to be gone, confirm it with:\n"
        f"docrelay watch {subject} --confirm-deletions"
    )


def _drift(_subject: str, facts: Facts) -> tuple[str, str]:
    found = [
        f"{row['collection']}: {row['points']} points instead of {row['expected']}"
        for row in facts.get("collections", ())
    ]
    found += [f"{number} {kind}" for kind, number in facts.get("left", {}).items()]
    return "The index differs from the catalog", "\n".join([*found, "Mend it with: docrelay verify --repair"])


def _backup(subject: str, facts: Facts) -> tuple[str, str]:
    return "A backup failed", f"{subject}: {facts['message']}"


def _schedule(subject: str, facts: Facts) -> tuple[str, str]:
    return f"Scheduled work failed: {subject}", (
        f"It failed {facts['tries']} times: {facts['message']}\n"
        f"See: docrelay schedule\nOnce the cause is mended: docrelay schedule run {subject}"
    )


def _test(_subject: str, facts: Facts) -> tuple[str, str]:
    return "A test", f"docrelay notify test has sent this by the rule {facts['rule']}."


WORDS: Mapping[str, Callable[[str, Facts], tuple[str, str]]] = {
    "job.finished": _job,
    "documents.failed": _failures,
    "worker.dead": _worker,
    "disk.low": _disk,
    "watch.held": _held,
    "verify.drift": _drift,
    "backup.failed": _backup,
    "schedule.failed": _schedule,
    "test": _test,
}
"""Title and text of each event, by its subject and facts."""
