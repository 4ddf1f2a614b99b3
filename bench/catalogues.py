"""Catalogues of near-identical records, made by rule, with questions that name exactly one of them.

    parts      300 spare parts that differ in one number; 12 numbers alone, and 12 in a question
    records    400 tickets, log lines and invoices; e-mail addresses, error codes, versions, file names, IBANs,
               telephone numbers, standards and invoice numbers, alone and in a question

What counts is the share of questions whose record is ranked first.
"""

from __future__ import annotations

import random

from ndcg import Corpus

__all__ = ["CATALOGUES", "catalogue"]

CATALOGUES = ("parts", "records")

KINDS, FIRST, LAST = (
    words.split()
    for words in (
        "pump bearing hook cable motor valve gear drum brake seal",
        "anna ben clara david eva felix gina hans ida jan kim lars mona nils olga paul rita sven tina uwe",
        "meyer schulz becker wagner weber koch bauer wolf klein braun",
    )
)

Question = tuple[str, str]
"""A question and the id of its record."""


def catalogue(name: str) -> Corpus:
    """A catalogue as a judged collection."""
    texts, questions = _parts() if name == "parts" else _records()
    numbered = {f"q{number}": question for number, question in enumerate(questions)}
    asked = {number: text for number, (text, _) in numbered.items()}
    return Corpus(name, texts, asked, {number: {record: 1} for number, (_, record) in numbered.items()})


def _parts() -> tuple[dict[str, str], list[Question]]:
    chance = random.Random(7)
    texts = {}
    for number in range(300):
        kind, shelf = chance.choice(KINDS), chance.randint(1, 40)
        texts[f"part-{number:03}"] = (
            f"Spare part KP-{4000 + number * 7}: {kind} for the harbour crane, kept on shelf {shelf}. "
            "Order it from the workshop and give the part number.\n"
        )
    named = [(f"KP-{4000 + number * 7}", f"part-{number:03}") for number in range(0, 300, 25)]
    return texts, [*named, *((f"Where do I order part {part}?", record) for part, record in named)]


def _records() -> tuple[dict[str, str], list[Question]]:
    chance = random.Random(11)
    texts: dict[str, str] = {}
    questions: list[Question] = []
    for number in range(150):
        first, last = chance.choice(FIRST), chance.choice(LAST)
        texts[f"ticket-{number}"], asked = _ticket(number, first, last)
        questions += [(text, f"ticket-{number}") for text in asked if number % 25 == 3]
    for number in range(150):
        texts[f"log-{number}"], asked = _log_line(number)
        questions += [(text, f"log-{number}") for text in asked if number % 25 == 7]
    for number in range(100):
        texts[f"invoice-{number}"], asked = _invoice(number)
        questions += [(text, f"invoice-{number}") for text in asked if number % 20 == 9]
    return texts, questions


def _ticket(number: int, first: str, last: str) -> tuple[str, list[str]]:
    mail, ticket = f"{first}.{last}{number}@example.org", 8000 + number * 3
    text = (
        f"Ticket {ticket}: {first.title()} {last.title()} cannot log in to the mail server. Answer to {mail}. "
        "The password was reset by the help desk."
    )
    return text, [mail, f"Who wrote from {mail} about the login?", f"ticket {ticket}"]


def _log_line(number: int) -> tuple[str, list[str]]:
    code, version = f"0x8007{number * 37 + 5:04X}", f"v{number % 7}.{number % 11}.{number}"
    file = f"report_2024-{number % 12 + 1:02}-{number:03}.pdf"
    text = (
        f"[{number:05}] ERROR worker: update to {version} failed with error {code} while writing {file}; "
        "the job was stopped and will be retried."
    )
    questions = [f"Why did the update fail with error {code}?", f"What happened to the file {file}?"]
    return text, [code, file, version, *questions, f"Which update went to version {version}?"]


def _invoice(number: int) -> tuple[str, list[str]]:
    iban = f"DE{20 + number % 70} 3705 0198 {number * 13:04} {number * 71 % 10000:04} {number % 100:02}"
    telephone = f"+49 231 {550000 + number * 19}"
    text = (
        f"Invoice E-{4700 + number}: please pay 120.50 euro to the account {iban} within 14 days. For questions call "
        f"{telephone}. Screw DIN {900 + number} was delivered with ERR_CODE_{number * 5}."
    )
    names = [
        iban,
        iban.replace(" ", ""),
        f"E-{4700 + number}",
        f"DIN {900 + number}",
        f"ERR_CODE_{number * 5}",
        telephone,
    ]
    return text, [*names, f"invoice E-{4700 + number} account", f"Whose number is {telephone}?"]
