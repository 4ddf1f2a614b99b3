"""What kind of text a file is, by how it begins: a mail, a mailbox, a feed, a vector picture, other XML."""

from __future__ import annotations

import re

__all__ = ["kind_of_text"]

FIELD = re.compile(r"([A-Za-z][A-Za-z0-9-]{0,60}):(?:[ \t][^\n]*|(?=\n))(?:\n[ \t][^\n]*)*(?:\n|\Z)")
MAIL_FIELDS = frozenset((
    "from", "to", "cc", "subject", "date", "message-id", "received", "mime-version", "content-type", "return-path",
    "delivered-to", "reply-to", "in-reply-to", "references", "content-transfer-encoding", "dkim-signature", "sender",
))  # fmt: skip
OF_MACHINES = frozenset(("message-id", "received", "mime-version", "return-path", "content-transfer-encoding"))
"""Fields that mail programs write, and people who note down a letter do not."""

POSTMARK = re.compile(r"From [^\n]*\d{4}[^\n]*\n")
XML_BEGIN = re.compile(
    r"\s*(?><\?xml[^>]*\?>\s*)?(?>(?><!--(?>.*?-->)|<\?[^>]*>|<!DOCTYPE[^>\[]*(?>\[[^\]]*\]\s*)?>)\s*)*"
    r"<(?:[\w.-]+:)?(?P<root>[A-Za-z_][\w.-]*)(?P<rest>[\s/>][^>]*)?",
    re.DOTALL,
)
ROOTS = {"svg": "image/svg+xml", "rss": "application/rss+xml", "feed": "application/atom+xml"}
PLAIN_SUFFIXES = (".txt", ".text", ".log", ".md", ".markdown", ".mdown", ".rst")
"""Names of files whose XML is to be read as it stands."""

MAIL_SUFFIXES = (".eml", ".mht", ".mhtml", ".mbox")


def kind_of_text(head: str, suffix: str) -> str | None:
    """Return the media type of a text that is more than lines, or None.

    Args:
        head: the beginning of the file.
        suffix: of its name, in small letters with the dot.
    """
    head = head.replace("\r\n", "\n").replace("\r", "\n").lstrip("\ufeff\n")
    return _kind_of_mail(head, suffix) or (None if suffix in PLAIN_SUFFIXES else _kind_of_xml(head, suffix))


def _kind_of_mail(head: str, suffix: str) -> str | None:
    postmark = POSTMARK.match(head)
    fields = _fields(head, postmark.end() if postmark else 0)
    known = fields & MAIL_FIELDS
    enough = len(known) >= 2 if suffix in MAIL_SUFFIXES else len(known) >= 3 and known & OF_MACHINES
    if not enough:
        return None
    return "application/mbox" if postmark and (suffix != ".eml") else "message/rfc822"


def _fields(head: str, position: int) -> set[str]:
    """The names of the fields at the beginning, in small letters."""
    names = set[str]()
    while (match := FIELD.match(head, position)) and match.end() > position:
        names.add(match[1].lower())
        position = match.end()
    return names


def _kind_of_xml(head: str, suffix: str) -> str | None:
    match = XML_BEGIN.match(head)
    if not match:
        return None
    root, rest = match["root"], match["rest"] or ""
    declared = match[0].startswith(("<?xml", "<!DOCTYPE"))
    if root == "feed" and "purl.org/atom" not in rest and "w3.org/2005/Atom" not in rest:
        return None if suffix != ".xml" and not declared else "application/xml"
    if root == "RDF" and ("purl.org/rss" in rest or "my.netscape.com/rdf" in rest):
        return "application/rss+xml"
    return ROOTS.get(root) or ("application/xml" if suffix == ".xml" or declared else None)
