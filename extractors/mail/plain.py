"""Bodies that are nearly plain text: wrapped lines that flow (RFC 3676) and `text/enriched` (RFC 1896)."""

from __future__ import annotations

import re

__all__ = ["enriched_text", "flowed_text"]

QUOTES = re.compile(r">*")
SIGNATURE = "-- "
PARAMETER = re.compile(r"<param>(?:[^<]|<(?!/?param>))*+</param>", re.IGNORECASE)
COMMAND = re.compile(r"<<|</?[A-Za-z0-9-]{1,60}>")


def flowed_text(text: str, keeps_space: bool = True) -> str:
    """Return the text with the lines of a paragraph joined: a line that ends in a space goes on in the next one.

    Args:
        text: of a part with `format=flowed`.
        keeps_space: whether that space is part of the text (`delsp=no`).
    """
    lines, goes_on, depth = list[list[str]](), False, 0
    for line in text.split("\n"):
        quotes = QUOTES.match(line)
        own = len(quotes[0]) if quotes else 0
        content = line[own:].removeprefix(" ")
        if goes_on and own == depth and content not in ("", SIGNATURE):
            lines[-1].append(content)
        else:
            lines.append([f"{'>' * own} {content}" if own else content])
        goes_on, depth = content.endswith(" ") and content != SIGNATURE, own
        if goes_on and not keeps_space:
            lines[-1][-1] = lines[-1][-1][:-1]
    return "\n".join(line if line == SIGNATURE else line.rstrip() for line in map("".join, lines))


def enriched_text(text: str) -> str:
    """Return the text without its commands; single line ends are spaces, of more than one the first is."""
    plain = COMMAND.sub(lambda match: "<" if match[0] == "<<" else "", PARAMETER.sub("", text))
    return re.sub(r"\n+", lambda match: match[0][1:] or " ", plain)
