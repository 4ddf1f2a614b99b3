"""What a form field shows: the value filled in, the options chosen, the tick of a box."""

from __future__ import annotations

from typing import Any

from extractors.pdf.objects import dictionary, elements, entry, inherited, number, text

__all__ = ["PASSWORD", "TICKED", "UNTICKED", "field_label", "is_tick", "shown_value"]

TICKED, UNTICKED = "☒", "☐"

RADIO, PUSH_BUTTON = 1 << 15, 1 << 16
PASSWORD = 1 << 13
MAX_OPTIONS = 5_000
MAX_CHOSEN = 500


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
    """What a box is about where the page has no text beside it: its description, or else its value when ticked."""
    label = text(inherited(widget, "/TU"))
    return label or next((name for name in _states(widget) if name not in {"Yes", "On"} and not name.isdigit()), "")


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
