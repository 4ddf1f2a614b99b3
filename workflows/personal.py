"""Find personal data in a text: IBANs and card numbers by their checksums, e-mail addresses, phone numbers."""

import re
from collections.abc import Callable, Iterator


def _is_iban(candidate: str) -> bool:
    text = candidate.replace(" ", "")
    return len(text) > 14 and int("".join(str(int(char, 36)) for char in text[4:] + text[:4])) % 97 == 1


def _is_card(candidate: str) -> bool:
    digits = [int(char) for char in reversed(candidate) if char.isdigit()]
    return len(digits) > 12 and sum(sum(divmod(n << place % 2, 10)) for place, n in enumerate(digits)) % 10 == 0


KINDS: dict[str, tuple[str, Callable[[str], bool]]] = {
    "iban": (r"\b[A-Z]{2}[0-9]{2}(?: ?[A-Z0-9]){11,30}", _is_iban),
    "card": (r"\b[0-9](?:[ -]?[0-9]){12,18}", _is_card),
    "email": (r"[\w.+-]{1,64}@[\w-]{1,63}(?:\.[\w-]{1,63})+", bool),
    "phone": (r"(?<![\w.])(?:\+|00?)[1-9][0-9 ()/-]{5,20}[0-9]", bool),
}
"""Kinds of personal data: the pattern of each, and a check that refuses false matches."""


def find(text: str, kind: str) -> Iterator[tuple[int, int]]:
    """Yield (start, end) of each piece of data of this kind in the text."""
    pattern, holds = KINDS[kind]
    for match in re.finditer(pattern, text):
        # The match may reach too far: the longest beginning that passes the check counts.
        for end in range(match.end(), match.start() + 5, -1):
            if not text[end : end + 1].isalnum() and holds(text[match.start() : end]):
                yield match.start(), end
                break
