"""Finds personal data in a text: IBANs and card numbers by their checksums, e-mail addresses and phone numbers."""

import re
from collections.abc import Callable, Iterator


def _is_iban(found: str) -> bool:
    text = found.replace(" ", "")
    return len(text) > 14 and int("".join(str(int(char, 36)) for char in text[4:] + text[:4])) % 97 == 1


def _is_card(found: str) -> bool:
    digits = [int(char) for char in reversed(found) if char.isdigit()]
    return len(digits) > 12 and sum(sum(divmod(n << place % 2, 10)) for place, n in enumerate(digits)) % 10 == 0


KINDS: dict[str, tuple[str, Callable[[str], bool]]] = {
    "iban": (r"\b[A-Z]{2}[0-9]{2}(?: ?[A-Z0-9]){11,30}", _is_iban),
    "card": (r"\b[0-9](?:[ -]?[0-9]){12,18}", _is_card),
    "email": (r"[\w.+-]{1,64}@[\w-]{1,63}(?:\.[\w-]{1,63})+", bool),
    "phone": (r"(?<![\w.])(?:\+|00?)[1-9][0-9 ()/-]{5,20}[0-9]", bool),
}
"""Kinds of personal data: how each looks, and what tells it from what only looks so."""


def find(text: str, kind: str) -> Iterator[tuple[int, int]]:
    """Where data of this kind stands in the text."""
    pattern, holds = KINDS[kind]
    for match in re.finditer(pattern, text):
        # What follows may look as if it belonged to it: the longest beginning that holds is what counts.
        for end in range(match.end(), match.start() + 5, -1):
            if not text[end : end + 1].isalnum() and holds(text[match.start() : end]):
                yield match.start(), end
                break
