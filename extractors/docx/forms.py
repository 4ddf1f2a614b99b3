"""What is filled into the form fields of a Word file: drop-down lists, check boxes, dates."""

from __future__ import annotations

from typing import Any

from extractors.docx.styles import W, attribute, is_on

__all__ = ["control_value", "field_value"]

W14 = "{http://schemas.microsoft.com/office/word/2010/wordml}"
TICKED, EMPTY = "☒", "☐"


def field_value(data: Any) -> str:
    """Return what a legacy form field (its `w:ffData`) shows by itself; "" for a text field, which has its result."""
    box, choices = data.find(W + "checkBox"), data.find(W + "ddList")
    if box is not None:
        setting = "checked" if box.find(W + "checked") is not None else "default"
        return TICKED if is_on(box, setting) else EMPTY
    if choices is not None:
        entries = [entry.get(W + "val", "") for entry in choices.findall(W + "listEntry")]
        chosen = attribute(choices, "result") or attribute(choices, "default") or "0"
        return entries[int(chosen)] if chosen.isdecimal() and int(chosen) < len(entries) else ""
    return ""


def control_value(properties: Any) -> str:
    """Return the value that a content control (its `w:sdtPr`) keeps beside its text; "" where it keeps none."""
    if properties is None:
        return ""
    box, date = properties.find(W14 + "checkbox"), properties.find(W + "date")
    if box is not None:
        state = box.find(W14 + "checked")
        return TICKED if state is not None and state.get(W14 + "val", "1") in ("1", "true", "on") else EMPTY
    if date is not None:
        return str(date.get(W + "fullDate", "")).partition("T")[0]
    for kind in ("dropDownList", "comboBox"):
        choices = properties.find(W + kind)
        if choices is not None:
            return _chosen(choices)
    return ""


def _chosen(choices: Any) -> str:
    value = choices.get(W + "lastValue", "")
    shown = {item.get(W + "value", ""): item.get(W + "displayText", "") for item in choices.findall(W + "listItem")}
    return str(shown.get(value) or value)
