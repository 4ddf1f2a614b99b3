"""Mails, mailboxes and saved pages: what a mail program shows, and which parts are missing."""

from __future__ import annotations

from contextlib import suppress
from email.message import EmailMessage
from email.mime.base import MIMEBase
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from extractors import Document, Options, extract
from extractors.errors import Corrupt, Unsupported

PDF = b"%PDF-1.4 not much of one"


def _mail(subject: str = "Öffnungszeiten", body: str | None = "Die Schlüssel liegen im Büro.") -> EmailMessage:
    mail = EmailMessage()
    mail["From"] = "Grete Möller <grete@example.org>"
    mail["To"] = "office@example.org"
    mail["Subject"] = subject
    mail["Date"] = "Tue, 03 Jun 2025 10:00:00 +0200"
    mail["Message-ID"] = "<1@example.org>"
    if body is not None:
        mail.set_content(body)
    return mail


def _read(folder: Path, source: bytes | EmailMessage, name: str = "a.eml", options: Options | None = None) -> Document:
    path = folder / name
    path.write_bytes(source if isinstance(source, bytes) else source.as_bytes())
    return extract(path, options or Options())


def test_a_mail_is_its_header_and_its_decoded_body(tmp_path: Path) -> None:
    mail = _mail()
    mail.replace_header("Content-Transfer-Encoding", "8bit")
    document = _read(tmp_path, _mail())
    assert document.media_type == "message/rfc822"
    assert document.text == (
        "From: Grete Möller <grete@example.org>\nTo: office@example.org\nDate: Tue, 03 Jun 2025 10:00:00 +0200\n"
        "Subject: Öffnungszeiten\n\nDie Schlüssel liegen im Büro."
    )
    assert document.metadata["title"] == "Öffnungszeiten"
    assert [section.path for section in document.sections] == [("Öffnungszeiten",)]
    assert (document.warnings, document.missing) == ((), ())


@pytest.mark.parametrize("charset", ["utf-8", "iso-8859-1", "windows-1252", "iso-8859-15"])
@pytest.mark.parametrize("encoding", ["base64", "quoted-printable", "8bit"])
@pytest.mark.parametrize("name", ["a.eml", "a.txt", "a"])
def test_bodies_are_decoded_whatever_the_name(tmp_path: Path, charset: str, encoding: str, name: str) -> None:
    mail = _mail(body=None)
    mail.set_content("Grüße aus Köln, die Fähre fährt wieder.", charset=charset, cte=encoding)
    assert _read(tmp_path, mail, name).text.endswith("\n\nGrüße aus Köln, die Fähre fährt wieder.")


def test_the_body_of_html_alone_is_its_text(tmp_path: Path) -> None:
    mail = _mail(body=None)
    mail.set_content(
        "<style>p {x}</style><p>Die Fähre</p><table><tr><td>ab<td>9 Uhr</table>", subtype="html", cte="base64"
    )
    text = _read(tmp_path, mail).text
    assert text.endswith("Die Fähre\nab | 9 Uhr")
    assert "<" not in text.split("\n\n", 1)[1]


def test_the_plain_alternative_is_read_once(tmp_path: Path) -> None:
    mail = _mail()
    mail.add_alternative("<p>Die Schlüssel liegen im <b>Büro</b>.</p>", subtype="html")
    assert _read(tmp_path, mail).text.count("Schlüssel") == 1


def test_html_is_read_where_the_plain_alternative_says_nothing(tmp_path: Path) -> None:
    mail = _mail(body="Your program cannot show this mail.")
    mail.add_alternative(f"<p>{'Die Schlüssel liegen im Büro. ' * 6}</p>", subtype="html")
    text = _read(tmp_path, mail).text
    assert "Die Schlüssel liegen im Büro." in text
    assert "program" not in text


def test_attached_files_are_named_as_missing(tmp_path: Path) -> None:
    mail = _mail()
    mail.add_attachment(PDF, maintype="application", subtype="pdf", filename="Gebühren.pdf")
    mail.add_attachment("a,b", subtype="csv", filename="list.csv")
    document = _read(tmp_path, mail)
    assert document.missing == (
        f"The attached file Gebühren.pdf ({len(PDF)} bytes) is not read: save it, and ingest it by itself.",
        "The attached file list.csv (4 bytes) is not read: save it, and ingest it by itself.",
    )
    assert set(document.missing) <= set(document.warnings)
    assert "%PDF" not in document.text


def test_a_signature_is_no_missing_part(tmp_path: Path) -> None:
    mail = _mail()
    mail.add_attachment(b"x" * 99, maintype="application", subtype="pgp-signature", filename="signature.asc")
    assert _read(tmp_path, mail).missing == ()


def test_an_encrypted_mail_says_so(tmp_path: Path) -> None:
    mail = _mail(body=None)
    mail.set_content(b"x" * 99, maintype="application", subtype="pkcs7-mime", filename="smime.p7m")
    (missing,) = _read(tmp_path, mail).missing
    assert "encrypted" in missing


def test_a_mail_within_a_mail_is_read_under_it(tmp_path: Path) -> None:
    inner = _mail("Schäden am Steg", "Zwei Bretter fehlen.")
    inner.add_attachment(PDF, maintype="application", subtype="pdf", filename="steg.pdf")
    mail = _mail("WG: Schäden am Steg", "Zur Kenntnis.")
    mail.add_attachment(inner)
    document = _read(tmp_path, mail)
    outer, nested = document.sections
    assert outer.path == ("WG: Schäden am Steg",)
    assert nested.path == ("WG: Schäden am Steg", "Schäden am Steg")
    assert document.text[outer.char_start : outer.char_end].endswith("Zur Kenntnis.")
    assert document.text[nested.char_start : nested.char_end].endswith("Zwei Bretter fehlen.")
    assert len(document.missing) == 1


def test_fields_in_bytes_and_unknown_charsets_are_read(tmp_path: Path) -> None:
    source = (
        "From: Jörg Müller <j@example.org>\r\nTo: =?unknown-charset?Q?B=FCro?= <b@example.org>\r\n"
        "Subject: =?iso-8859-1?Q?Gr=FC=DFe_aus?=\r\n =?utf-8?B?S8O2bG4=?=\r\nMIME-Version: 1.0\r\n"
        "Content-Type: text/plain; charset=no-such-charset\r\n\r\nDie Fähre fährt täglich außer sonntags.\r\n"
    ).encode("cp1252")
    text = _read(tmp_path, source).text
    assert text == (
        "From: Jörg Müller <j@example.org>\nTo: Büro <b@example.org>\nSubject: Grüße ausKöln\n\n"
        "Die Fähre fährt täglich außer sonntags."
    )


def test_each_mail_of_a_mailbox_is_a_section(tmp_path: Path) -> None:
    mails = [_mail("Erste", "Größe\n\n>From here on"), _mail("Zweite", "Brücke")]
    source = b"".join(b"From a@example.org Tue Jun  3 10:00:00 2025\n" + mail.as_bytes() + b"\n" for mail in mails)
    document = _read(tmp_path, source, "archive.mbox")
    assert document.media_type == "application/mbox"
    assert [section.path for section in document.sections] == [("Erste",), ("Zweite",)]
    assert "Größe" in document.text
    assert "\nFrom here on" in document.text
    assert "From a@example.org Tue" not in document.text


def test_a_saved_page_is_its_html(tmp_path: Path) -> None:
    source = (
        b"From: <Saved by Blink>\r\nSnapshot-Content-Location: https://example.org/\r\nSubject: Bootsverleih\r\n"
        b'MIME-Version: 1.0\r\nContent-Type: multipart/related; type="text/html"; boundary="b"\r\n\r\n--b\r\n'
        b"Content-Type: text/html\r\nContent-Transfer-Encoding: quoted-printable\r\nContent-Location: https://example.org/\r\n"
        b'\r\n<html><meta charset=3D"utf-8"><h1>Preise</h1><p>F=C3=A4hre 3 =E2=82=AC</p></html>\r\n--b\r\n'
        b"Content-Type: image/png\r\nContent-Transfer-Encoding: base64\r\nContent-Location: https://example.org/a.png\r\n"
        b"\r\niVBORw0KGgo=\r\n--b--\r\n"
    )
    document = _read(tmp_path, source, "page.mhtml")
    assert document.text.endswith("Preise\nFähre 3 €")
    assert "iVBOR" not in document.text
    assert document.missing == ()


def test_a_picture_within_a_mail_is_missing(tmp_path: Path) -> None:
    mail = _mail(body=None)
    mail.set_content('<p>Siehe <img src="cid:1"></p>', subtype="html")
    mail.add_related(b"\x89PNG", "image", "png", cid="<1>", filename="scan.png")
    (missing,) = _read(tmp_path, mail).missing
    assert "scan.png" in missing


def test_many_attached_files_are_counted(tmp_path: Path) -> None:
    mail = _mail()
    for number in range(30):
        mail.add_attachment(b"x", maintype="application", subtype="zip", filename=f"{number}.zip")
    document = _read(tmp_path, mail)
    assert len(document.missing) == 21
    assert document.missing[-1] == "10 more parts are not read."


def test_mails_nested_without_end_are_bounded(tmp_path: Path) -> None:
    mail = _mail("0")
    for level in range(1, 40):
        outer = _mail(str(level))
        part = MIMEBase("message", "rfc822")
        part.set_payload([mail])
        outer.make_mixed()
        outer.attach(part)
        mail = outer
    document = _read(tmp_path, mail)
    assert "Subject: 39" in document.text
    assert any("depth" in one for one in document.missing)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=60)
@given(st.binary(max_size=300), st.sampled_from(["text/html", "multipart/mixed; boundary=a", "message/rfc822", "x"]))
def test_any_body_is_read_or_an_error_of_extraction(tmp_path: Path, body: bytes, kind: str) -> None:
    source = f"From: a@b.c\nTo: d@e.f\nMIME-Version: 1.0\nContent-Type: {kind}\n\n".encode() + body.replace(b"\0", b"")
    with suppress(Unsupported, Corrupt):
        assert extract(_written(tmp_path, source)).text.startswith("From: a@b.c")


def _written(folder: Path, source: bytes) -> Path:
    path = folder / "any.eml"
    path.write_bytes(source)
    return path
