"""What a form field shows: the value filled in, the options chosen, the tick of a box."""

from __future__ import annotations

import re
from typing import Any

from extractors.pdf.objects import dictionary, elements, entry, inherited, number, text

__all__ = ["PASSWORD", "TICKED", "UNTICKED", "field_label", "is_shown_as", "is_tick", "shown_value"]

TICKED, UNTICKED = "☒", "☐"

RADIO, PUSH_BUTTON = 1 << 15, 1 << 16
PASSWORD = 1 << 13
MAX_OPTIONS = 5_000
MAX_CHOSEN = 500
SAME_DIGITS = 3
"""So many leading digits of a number stay where its format rounds it."""
LONG_NUMBER = 6


def is_tick(widget: Any) -> bool:
    """Whether the widget is a check box or one button of a radio group."""
    return inherited(widget, "/FT") == "/Btn" and not number(widget, "/Ff") & PUSH_BUTTON


def shown_value(widget: Any) -> str:
    """The text that the widget of a field shows; "" for a button, a password and a signature."""
    kind = inherited(widget, "/FT")
    if kind == "/Btn":
        return _tick(widget) if is_tick(widget) else ""
    if kind == "/Ch":
        return ", ".join(_chosen(widget))
    if kind == "/Tx" and not number(widget, "/Ff") & PASSWORD:
        return text(inherited(widget, "/V"))
    return ""


def field_label(widget: Any) -> str:
    """What a box is about where the page has no text beside it: its option, its description, its value when ticked."""
    states = _states(widget)
    label = _option(widget, states) or text(inherited(widget, "/TU"))
    return label or next((name for name in states if name not in {"Yes", "On"} and not name.isdigit()), "")


def is_shown_as(value: str, drawn: str) -> bool:
    """Whether what is drawn in a field is its number, written in the field's format: 1234.5 as "1.234,50 EUR"."""
    digits, shown = (re.sub(r"\D", "", part).strip("0") for part in (value, drawn))
    is_number = bool(digits) and not any(map(str.isalpha, value))
    return is_number and "".join(value.split()) != "".join(drawn.split()) and digits[:SAME_DIGITS] in shown


def _option(widget: Any, states: list[str]) -> str:
    """What the group's list of options says of this button, which names its option by number."""
    options = list(elements({"/Opt": inherited(widget, "/Opt")}, "/Opt", MAX_OPTIONS))
    numbers = [int(state) for state in states if state.isascii() and state.isdigit() and len(state) < LONG_NUMBER]
    return next((text(options[number]) for number in numbers if number < len(options)), "")


def _tick(widget: Any) -> str:
    state = text(entry(widget, "/AS"))
    if not state:
        value, states = text(inherited(widget, "/V")).lstrip("/"), _states(widget)
        return TICKED if value and (value in states or (not states and value != "Off")) else UNTICKED
    return UNTICKED if state == "/Off" else TICKED


def _states(widget: Any) -> list[str]:
    """The names of the box's appearances when it is ticked: one, as a rule."""
    appearances = dictionary(dictionary(widget, "/AP"), "/N")
    return [name.lstrip("/") for name in list(appearances)[:MAX_CHOSEN] if name != "/Off" and name.startswith("/")]


def _chosen(widget: Any) -> list[str]:
    """The options chosen in a combo box or a list, as they are shown."""
    options = _options(widget)
    if inherited(widget, "/V") is None:
        shown = list(options.values())
        indexes = elements({"/I": inherited(widget, "/I")}, "/I", MAX_CHOSEN)
        return [shown[index] for index in indexes if isinstance(index, int) and 0 <= index < len(shown)]
    values = map(text, elements({"/V": inherited(widget, "/V")}, "/V", MAX_CHOSEN))
    return [options.get(value, value) for value in values if value]


def _options(widget: Any) -> dict[str, str]:
    """Stored value to shown text."""
    options = dict[str, str]()
    for option in elements({"/Opt": inherited(widget, "/Opt")}, "/Opt", MAX_OPTIONS):
        pair = [text(part) for part in elements({"": option}, "", 2)]
        if pair:
            options[pair[0]] = pair[-1]
    return options
