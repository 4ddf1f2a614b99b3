"""Callers that are let in while the keys cannot be read: those that were let in within a day, and no others."""

from __future__ import annotations

from pipeline.api.known_callers import KNOWN_S, NO_KEY, Caller, KnownCallers

READER = Caller("7f3a", ("read",))


def test_only_a_key_that_was_good_lately_is_known() -> None:
    now = [1000.0]
    known = KnownCallers(lambda: now[0])
    assert known.find("secret") is None
    known.remember("secret", READER)
    assert (known.find("secret"), known.find("another"), known.find(None)) == (READER, None, None)
    now[0] += KNOWN_S - 1
    assert known.find("secret") == READER
    now[0] += 2
    assert known.find("secret") is None


def test_a_key_that_was_refused_is_known_no_more() -> None:
    known = KnownCallers()
    for secret, caller in (("secret", READER), (None, Caller(NO_KEY, ("admin",)))):
        known.remember(secret, caller)
        assert known.find(secret) == caller
        known.forget(secret)
        assert known.find(secret) is None
    known.forget("never seen")
