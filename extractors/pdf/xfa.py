"""The texts and values of an XFA form, which the viewer lays out: the PDF's own page only says "Please wait"."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from typing import Any

from lxml import etree

from extractors.pdf.fields import TICKED, UNTICKED
from extractors.pdf.objects import dictionary, elements, entry

__all__ = ["is_laid_out_by_viewer", "xfa_text"]

MAX_PARTS = 100
MAX_XML_BYTES = 32 * 2**20
MAX_LINES = 50_000
MAX_DEPTH = 60
MAX_INSTANCES = 5_000
"""Rows of one table, and the like."""

CONTAINERS = frozenset(["subform", "subformSet", "area", "exclGroup", "pageSet", "pageArea"])
UNSEEN = frozenset(["hidden", "invisible", "inactive"])
SILENT = frozenset(["button", "passwordEdit", "barcode", "signature", "imageEdit"])
"""Kinds of fields without a value that is read."""


def is_laid_out_by_viewer(root: Any) -> bool:
    """Whether the file's pages are only a placeholder for an XFA form; `root` is pypdf's catalog."""
    form = dictionary(root, "/AcroForm")
    return entry(form, "/XFA") is not None and (
        bool(entry(root, "/NeedsRendering")) or not list(elements(form, "/Fields", 1))
    )


def xfa_text(root: Any) -> str:
    """The form's texts, captions and values, a line each, in the order of its template.

    Raises:
        lxml.etree.XMLSyntaxError, ValueError: the form is no XML, or has no text.
    """
    package = _package(dictionary(root, "/AcroForm"))
    template, datasets = _first(package, "template"), _first(package, "datasets")
    if template is None:
        raise ValueError("The XFA form has no template.")
    data = _first(datasets, "data") if datasets is not None else None
    lines = islice(_lines(template, Data(data, data), 0), MAX_LINES)
    text = "\n".join(line for line in lines if line)
    if not text:
        raise ValueError("The XFA form has no text.")
    return text


@dataclass(frozen=True, slots=True)
class Data:
    """The form's data: the whole, and the element that the present part of the template shows."""

    whole: Any
    here: Any

    def children(self, name: str) -> list[Any]:
        """The elements of this name below the present one."""
        if self.here is None or not name:
            return []
        return list(islice((child for child in self.here if _name(child) == name), MAX_INSTANCES))

    def at(self, reference: str) -> list[Any]:
        """The elements that a reference names: "$.a.b", "$record.a", "a[*].b"."""
        steps = [step.split("[")[0] for step in reference.split(".")]
        found = [self.here if steps[0] == "$" else self.whole] if steps[0].startswith("$") else [self.here]
        if steps[0] == "$record" and self.whole is not None:
            found = list(self.whole)[:1]
        for step in steps[1:] if steps[0].startswith("$") else steps:
            found = [child for element in found if element is not None for child in element if _name(child) == step]
        return found[:MAX_INSTANCES]


def _package(form: Any) -> Any:
    """The root of the form's XML, which the PDF may keep in named parts."""
    parts = [part for part in elements(form, "/XFA", MAX_PARTS) if hasattr(part, "get_data")]
    xml = b"".join(part.get_data() for part in parts)
    if len(xml) > MAX_XML_BYTES:
        raise ValueError("The XFA form is too large.")
    return etree.fromstring(xml, etree.XMLParser(resolve_entities=False, no_network=True, load_dtd=False))


def _lines(container: Any, data: Data, depth: int) -> Iterator[str]:
    for child in container if depth < MAX_DEPTH else ():
        kind = _name(child)
        if child.get("presence") in UNSEEN:
            continue
        if kind in CONTAINERS:
            for instance in _instances(child, data):
                yield from _lines(child, instance, depth + 1)
        elif kind == "draw":
            yield _value(child)
        elif kind == "field":
            yield _field(child, data)


def _instances(container: Any, data: Data) -> list[Data]:
    """The data of each instance of a part of the template: one for each row of a table."""
    reference = _reference(container)
    shown = data.at(reference) if reference else data.children(container.get("name", ""))
    if not shown:
        occur = _child(container, "occur")
        is_absent = occur is not None and occur.get("min") == "0" and data.here is not None
        return [] if is_absent else [data]
    return [Data(data.whole, element) for element in shown]


def _field(field: Any, data: Data) -> str:
    ui = _child(field, "ui")
    kind = _name(ui[0]) if ui is not None and len(ui) else "textEdit"
    caption = _value(_child(field, "caption"))
    if kind in SILENT:
        return caption if kind == "signature" else ""
    values = _values(field, data)
    if kind == "checkButton":
        items = [_plain(item) for element in field if _name(element) == "items" for item in element]
        is_on = bool(values) and values[0] == (items[0] if items else "1")
        return f"{TICKED if is_on else UNTICKED} {caption}".strip()
    shown = _shown_options(field)
    return f"{caption} {', '.join(shown.get(value, value) for value in values)}".strip()


def _values(field: Any, data: Data) -> list[str]:
    """What the data has for a field, or else the field's own default."""
    bind, reference = _child(field, "bind"), _reference(field)
    if bind is not None and bind.get("match") == "none":
        found = []
    elif bind is not None and bind.get("match") == "global" and data.whole is not None:
        found = [element for element in data.whole.iter() if _name(element) == field.get("name")][:1]
    else:
        found = data.at(reference) if reference else data.children(field.get("name", ""))[:1]
    values = [_plain(part) for element in found for part in (list(element) or [element])]
    return [value for value in values if value] if found else [default for default in [_value(field)] if default]


def _shown_options(field: Any) -> dict[str, str]:
    """Stored value to shown text of a list of choices."""
    lists = [element for element in field if _name(element) == "items"]
    stored = next((items for items in lists if items.get("save") == "1"), None)
    shown = next((items for items in lists if items is not stored), None)
    if stored is None or shown is None:
        return {}
    return dict(zip(map(_plain, stored), map(_plain, shown), strict=False))


def _reference(element: Any) -> str:
    bind = _child(element, "bind")
    return (bind.get("ref") or "") if bind is not None and bind.get("match") == "dataRef" else ""


def _value(element: Any) -> str:
    value = _child(element, "value") if element is not None else None
    if value is None or any(_name(part) in {"image", "line", "rectangle", "arc"} for part in value):
        return ""
    return _plain(value)


def _plain(element: Any) -> str:
    """The text of an element; the paragraphs of rich text are lines."""
    paragraphs = [part for part in element.iter() if _name(part) == "p"]
    lines = [" ".join("".join(part.itertext()).split()) for part in paragraphs or [element]]
    return "\n".join(line for line in lines if line)


def _child(element: Any, name: str) -> Any:
    return next((child for child in element if _name(child) == name), None)


def _first(package: Any, name: str) -> Any:
    return next((element for element in package.iter() if _name(element) == name), None)


def _name(element: Any) -> str:
    """The name without its namespace; "" for comments and the like."""
    return element.tag.rpartition("}")[2] if isinstance(element.tag, str) else ""
