"""Feeds, vector pictures and other XML: their texts, not their marks; nothing is resolved or fetched."""

from __future__ import annotations

from pathlib import Path

import pytest

from extractors import Document, extract
from extractors.errors import Empty

RSS = """<?xml version="1.0" encoding="{encoding}"?>
<rss version="2.0" xmlns:content="http://purl.org/rss/1.0/modules/content/" xmlns:dc="http://purl.org/dc/elements/1.1/">
<channel><title>Hafenblatt</title><link>https://example.org/</link><description>Nachrichten vom Kai</description>
<item><title>Fähre &amp; Fahrplan</title><link>https://example.org/1</link><dc:creator>Jürgen</dc:creator>
<pubDate>Tue, 03 Jun 2025</pubDate><category>Verkehr</category>
<description>&lt;p&gt;Die &lt;b&gt;Fähre&lt;/b&gt; ...</description>
<content:encoded><![CDATA[<p>Die <b>Fähre</b> fährt&nbsp;wieder.</p><p>Täglich.</p>]]></content:encoded></item>
<item><title>Zweite</title><description>Nur Text, 3 &lt; 4</description></item></channel></rss>"""

ATOM = """<feed xmlns="http://www.w3.org/2005/Atom"><title>Log</title><subtitle>of the harbour</subtitle>
<entry><title type="html">Fog &amp;amp; wind</title><author><name>Ada</name></author><updated>2025-06-03</updated>
<content type="xhtml"><div xmlns="http://www.w3.org/1999/xhtml"><p>The <em>lamp</em> is lit.</p>
<p>All well.</p></div></content></entry>
<entry><title>Calm</title><summary>Nothing happened.</summary><category term="weather"/></entry></feed>"""

RDF = """<rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#" xmlns="http://purl.org/rss/1.0/">
<channel><title>Old feed</title></channel>
<item><title>First</title><description>The pier is open.</description></item></rdf:RDF>"""

SVG = """<svg xmlns="http://www.w3.org/2000/svg"><title>Lageplan</title><desc>Der Hafen von oben</desc>
<style>text {{ fill: red }}</style><defs><path id="p" d="M0 0L10 10"/></defs>
<g><text x="1" y="2">Süd<tspan>kai</tspan> <tspan x="3" y="9">Zugang</tspan></text>
<text><textPath>Fähranleger</textPath></text></g>
<image href="data:image/png;base64,{data}"/><script>var a</script></svg>"""


def _read(folder: Path, source: str | bytes, name: str) -> Document:
    path = folder / name
    path.write_bytes(source if isinstance(source, bytes) else source.encode())
    return extract(path)


@pytest.mark.parametrize("encoding", ["utf-8", "iso-8859-1", "utf-16"])
def test_each_item_of_a_feed_is_a_section(tmp_path: Path, encoding: str) -> None:
    document = _read(tmp_path, RSS.format(encoding=encoding).encode(encoding), "feed.xml")
    assert document.media_type == "application/rss+xml"
    assert document.metadata["title"] == "Hafenblatt"
    assert [document.text[one.char_start : one.char_end] for one in document.sections] == [
        "Fähre & Fahrplan\nJürgen, Tue, 03 Jun 2025\nDie Fähre fährt wieder.\nTäglich.\nVerkehr",
        "Zweite\nNur Text, 3 < 4",
    ]
    assert [one.path for one in document.sections] == [("Hafenblatt", "Fähre & Fahrplan"), ("Hafenblatt", "Zweite")]
    assert document.text.startswith("Hafenblatt\nNachrichten vom Kai")


def test_entries_of_atom_and_their_markup_are_read(tmp_path: Path) -> None:
    document = _read(tmp_path, ATOM, "log.atom")
    assert document.media_type == "application/atom+xml"
    assert "Fog & wind\nAda, 2025-06-03\nThe lamp is lit.\nAll well." in document.text
    assert "Calm\nNothing happened.\nweather" in document.text


def test_items_beside_the_channel_are_read(tmp_path: Path) -> None:
    assert "First\nThe pier is open." in _read(tmp_path, RDF, "old.rss").text


def test_a_feed_that_is_cut_off_is_read_with_a_missing_part(tmp_path: Path) -> None:
    document = _read(tmp_path, RSS.format(encoding="utf-8")[:-60], "feed.xml")
    assert "Die Fähre fährt wieder." in document.text
    assert len(document.missing) == 1


def test_a_vector_picture_is_its_texts(tmp_path: Path) -> None:
    document = _read(tmp_path, SVG.format(data="iVBORw0KGgo" * 50), "plan.svg")
    assert document.media_type == "image/svg+xml"
    assert document.text == "Lageplan\nDer Hafen von oben\nSüdkai Zugang\nFähranleger"
    assert document.metadata["title"] == "Lageplan"


def test_a_vector_picture_without_text_is_empty(tmp_path: Path) -> None:
    with pytest.raises(Empty):
        _read(tmp_path, "<svg xmlns='http://www.w3.org/2000/svg'><path d='M0 0L10 10'/></svg>", "a.svg")


def test_a_prefix_and_html_within_a_picture_are_read(tmp_path: Path) -> None:
    source = (
        "<?xml version='1.0'?><s:svg xmlns:s='http://www.w3.org/2000/svg'><s:foreignObject>"
        "<div xmlns='http://www.w3.org/1999/xhtml'>Pump <b>room</b></div></s:foreignObject></s:svg>"
    )
    assert _read(tmp_path, source, "a.dat").text == "Pump room"


def test_other_xml_is_the_text_of_its_elements(tmp_path: Path) -> None:
    source = (
        "<?xml version='1.0'?><!DOCTYPE a [<!ENTITY co 'Company'>]><book id='17'><chapter><title>The pier</title>"
        "<p>A <i>long</i> walk &#8211; and<!-- not --> back.</p></chapter>"
        "<list><item>oar</item><item>rope</item></list></book>"
    )
    document = _read(tmp_path, source, "a.xml")
    assert document.media_type == "application/xml"
    assert document.text == "The pier\nA long walk – and back.\noar\nrope"


def test_attributes_stand_with_the_text_of_their_element(tmp_path: Path) -> None:
    source = (
        "<?xml version='1.0'?><stock xmlns:x='urn:x' x:of='none'><part no='KP-4567' unit='m' class='c' id='3'>"
        "Rope of hemp for it</part><part no='KP-4568'><name xml:a='b'>Bilge pump</name><pier name='north'/></part>"
        "</stock>"
    )
    expected = "Rope of hemp for it (no: KP-4567, unit: m)\npart (no: KP-4568)\nBilge pump\npier (name: north)"
    assert _read(tmp_path, source, "a.xml").text == expected


def test_numbers_of_orders_and_customers_are_no_running_numbers(tmp_path: Path) -> None:
    source = (
        "<?xml version='1.0'?><orders><order id='4711' customerId='12'><item id='1'>Rope of hemp, ten metres</item>"
        "</order><invoice paid='1250'>Paid in full by the customer</invoice></orders>"
    )
    expected = "order (id: 4711, customerId: 12)\nRope of hemp, ten metres\nPaid in full by the customer (paid: 1250)"
    assert _read(tmp_path, source, "a.xml").text == expected


@pytest.mark.parametrize(("times", "attribute"), [(9, " (no: KP-4567)"), (1, "")])
def test_attributes_are_read_where_little_of_the_text_is_marked_up(tmp_path: Path, times: int, attribute: str) -> None:
    data = "<part no='KP-4567'>Rope of hemp, ten metres long</part>" * times
    source = f"<?xml version='1.0'?><stock>{data}<note>Lent by <b>hand</b> alone</note></stock>"
    line = f"Rope of hemp, ten metres long{attribute}\n"
    assert _read(tmp_path, source, "a.xml").text == line * times + "Lent by hand alone"


@pytest.mark.parametrize("name", ["a.xml", "a.opml"])
def test_an_outline_is_its_entries(tmp_path: Path, name: str) -> None:
    source = (
        "<?xml version='1.0'?><opml><head><title>Feeds</title></head><body><outline text='News of the harbour' "
        "title='News of the harbour'><outline text='Ferry' xmlUrl='https://example.org/rss'/></outline></body></opml>"
    )
    document = _read(tmp_path, source, name)
    assert document.media_type == "application/xml"
    assert document.text == "Feeds\nNews of the harbour\nFerry (xmlUrl: https://example.org/rss)"


def test_old_feeds_their_entities_and_prefixed_markup_are_read(tmp_path: Path) -> None:
    rdf = (
        "<?xml version='1.0'?><rdf:RDF xmlns:rdf='http://www.w3.org/1999/02/22-rdf-syntax-ns#' "
        "xmlns='http://my.netscape.com/rdf/simple/0.9/'><channel><title>Pier</title></channel>"
        "<item><title>Boats</title><description>Caf&eacute; open</description></item></rdf:RDF>"
    )
    assert _read(tmp_path, rdf, "a.rdf").text == "Pier\n\nBoats\nCafé open"
    atom = (
        "<feed xmlns='http://www.w3.org/2005/Atom' xmlns:h='http://www.w3.org/1999/xhtml'><title>Pier</title><entry>"
        "<title>Boats</title><content type='xhtml'><h:div><h:p>One</h:p><h:p>Two</h:p></h:div></content></entry></feed>"
    )
    assert _read(tmp_path, atom, "a.atom").text == "Pier\n\nBoats\nOne\nTwo"


def test_what_a_picture_does_not_display_is_left_out(tmp_path: Path) -> None:
    source = (
        "<svg xmlns='http://www.w3.org/2000/svg'><text>seen</text><g display='none'><text>hidden</text></g>"
        "<text style='fill:red; display: none'>hidden too</text></svg>"
    )
    assert _read(tmp_path, source, "a.svg").text == "seen"


@pytest.mark.parametrize(
    "source",
    [
        "<config><pump name='main pump' place='Südkai'/></config>",
        "<a><b>not closed</a>",
        "<a>&#0;</a>",
        "<?xml version='1.0'?>" + "<a>" * 400 + "deep",
    ],
)
def test_what_gives_no_text_by_its_elements_is_plain_text(tmp_path: Path, source: str) -> None:
    document = _read(tmp_path, source, "a.xml")
    assert (document.media_type, document.text) == ("text/plain", source)


def test_entities_are_not_resolved(tmp_path: Path) -> None:
    (tmp_path / "secret.txt").write_text("secret words")
    bomb = "".join(f"<!ENTITY e{n} '{f'&e{n - 1};' * 10}'>" for n in range(1, 9))
    source = (
        f"<?xml version='1.0'?><!DOCTYPE a [<!ENTITY e0 'lol'>{bomb}"
        f"<!ENTITY s SYSTEM '{tmp_path / 'secret.txt'}'>]><a><b>seen</b><c>&e8;</c><d>&s;</d></a>"
    )
    text = _read(tmp_path, source, "a.xml").text
    assert "seen" in text
    assert "secret words" not in text
    assert len(text) < 1000


def test_a_break_without_text_parts_words(tmp_path: Path) -> None:
    source = "<?xml version='1.0'?><doc><p>one<lb/>two H<sub>2</sub>O<note/>!</p></doc>"
    assert _read(tmp_path, source, "a.xml").text == "one two H2O!"


def test_attributes_of_prose_only_say_how_it_is_set(tmp_path: Path) -> None:
    source = "<?xml version='1.0'?><doc kind='x'><p n='P-7'>A <b w='9'>long</b> walk</p><p n='P-8'>End</p></doc>"
    assert _read(tmp_path, source, "a.xml").text == "A long walk\nEnd"
