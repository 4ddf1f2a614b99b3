"""PDFs by programs that many use, whose forms, remarks and attached files were once not read."""

from __future__ import annotations

from pathlib import Path

import pytest

from extractors import Options, extract
from extractors.options import PdfEngine

CASES = Path(__file__).parents[2] / "data" / "cases"
ENGINES: tuple[PdfEngine, ...] = ("pdfium", "pypdf")


@pytest.mark.parametrize("engine", ENGINES)
def test_a_registration_form_is_read_with_every_choice_at_its_label(engine: PdfEngine) -> None:
    text = extract(CASES / "registration.pdf", Options(pdf_engine=engine)).text
    assert " ".join(text.split()) == (
        "Registration for the sailing course Family name: Okonjo First name: Adaeze Course: Night passage Swimmer ☒ "
        "Vegetarian meals ☐ Paid by: ☒ invoice ☐ cash Berth: Berth C7"
    )


@pytest.mark.parametrize("engine", ENGINES)
def test_remarks_on_a_contract_are_read_where_they_stand(engine: PdfEngine) -> None:
    first, second = extract(CASES / "annotated_with_appearance.pdf", Options(pdf_engine=engine)).pages
    assert first.text.splitlines() == [
        "Draft of the delivery contract",
        "Article 1. The supplier delivers forty beehives.",
        "Article 2. Delivery takes place in week eighteen.",
        "Price agreed by phone: 8,450 francs including transport",
        "Note: Legal department: week eighteen clashes with the swarm inspection",
    ]
    assert second.text == "Second page holds only this typed remark about the honey extractor, model HX-12"
    assert (first.origin, second.origin) == ("text", "text")


@pytest.mark.parametrize("engine", ENGINES)
def test_the_documents_of_a_portfolio_are_named(engine: PdfEngine) -> None:
    document = extract(CASES / "collection.pdf", Options(pdf_engine=engine))
    assert document.missing == document.warnings
    assert [sentence.split(" is not read")[0] for sentence in document.missing] == [
        "The attached file costs.txt (35 bytes)",
        "The attached file inspection.pdf (1 kB)",
    ]
