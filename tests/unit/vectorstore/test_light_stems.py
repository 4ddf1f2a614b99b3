"""Words are found in forms that Snowball has no stems for; a word itself is before what resembles it."""

from __future__ import annotations

import pytest

from pipeline.vectorstore.analysis import passages, queries
from pipeline.vectorstore.analysis.compounds import parts


def score(question: str, passage: str) -> float:
    frequencies, _ = passages.terms(passage)
    return sum(weight * frequencies.get(term, 0.0) for term, weight in queries.terms(question).items())


GERMAN = "Bitte beachten Sie, dass {} nicht mehr in der Liste steht."


@pytest.mark.parametrize(
    ("question", "word"),
    [
        ("bezahlen", "bezahlt"),
        ("prüfen", "geprüft"),
        ("geprüft", "prüfen"),
        ("liefern", "geliefert"),
        ("messen", "Messung"),
        ("kündigen", "Kündigung"),
        ("Konten", "Konto"),
        ("Museum", "Museen"),
        ("Firmen", "Firma"),
        ("Motoren", "Elektromotor"),
        ("Ölwechsel", "Öl"),
        ("Wechsel", "Ölwechsel"),
        ("Oel", "Öl"),
        ("Bau", "Hausbau"),
        ("Teil", "Bauteile"),
        ("Rad", "Fahrrad"),
    ],
)
def test_german_forms(question: str, word: str) -> None:
    assert score(question, GERMAN.format(word)) > score(question, GERMAN.format("Segel"))


@pytest.mark.parametrize(
    ("question", "passage"),
    [
        ("año", "Los años no están en la lista."),
        ("lápiz", "Los lápices no están en la lista."),
        ("huis", "Wij hebben de huizen niet in de lijst."),
        ("kind", "Wij hebben de kinderen niet in de lijst."),
        ("avtal", "Vi har sett att avtalet är på listan."),
        ("skepp", "Vi har sett att skeppet är på listan."),
        ("счет", "Мы видели, что счёта нет в списке."),
        ("وثيقة", "رأينا أن الوثيقة ليس في القائمة"),
        ("كِتَاب", "رأينا أن والكتاب ليس في القائمة"),
        ("أحمد", "رأينا أن احمد ليس في القائمة"),
        ("ספר", "ראינו כי הספר לא ברשימה"),
        ("סֵפֶר", "ראינו כי ספר לא ברשימה"),
        ("חוזה", "ראינו כי החוזה לא ברשימה"),
        ("किताब", "हमने देखा कि किताबें सूची में नहीं हैं"),
        ("हिंदी", "हमने देखा कि हिन्दी सूची में है"),
        ("नदी", "हमने देखा कि नदियाँ सूची में हैं"),
        ("knife", "We have seen that the knives are not on the list."),
        ("analysis", "We have seen that the analyses are not on the list."),
    ],
)
def test_forms_of_other_languages(question: str, passage: str) -> None:
    assert score(question, passage) > 0


@pytest.mark.parametrize(
    ("question", "other"),
    [("organ", "organization"), ("office", "officer"), ("university", "universe"), ("policy", "police")],
)
def test_the_word_itself_is_before_a_word_with_its_stem(question: str, other: str) -> None:
    sentence = "We have seen that the {} is on the list."

    assert score(question, sentence.format(question)) > score(question, sentence.format(other))


def test_short_parts_of_compounds() -> None:
    assert {"wechsel", "ol"} <= set(parts("ölwechsel"))
    assert "rad" not in parts("kamerad")
    assert parts("betrag") == parts("apparat") == []
