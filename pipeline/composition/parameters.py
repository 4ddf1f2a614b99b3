"""Parameters of stages and workflows: read off the signature of a function, checked, and carried as JSON."""

from __future__ import annotations

import inspect
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError, create_model
from pydantic.errors import PydanticUserError
from pydantic_core import PydanticSerializationError

from pipeline.errors import BadRequest

__all__ = ["check_options", "names_of", "parameters_of", "values_of"]


def parameters_of(name: str, parameters: Sequence[inspect.Parameter]) -> type[BaseModel]:
    """The model that values for these parameters of a function are checked by.

    Raises:
        BadRequest: one has no type, or one that cannot be checked, or a default of another type.
    """
    for one in parameters:
        if one.kind not in (one.POSITIONAL_OR_KEYWORD, one.KEYWORD_ONLY) or one.annotation is one.empty:
            raise BadRequest(f"Every parameter of {name} needs a name and a type.", "Write name: type = default.")
    # By an alias each: a parameter may have any name, those that pydantic keeps for itself too.
    fields: dict[str, Any] = {
        f"value_{number}": (one.annotation, Field(... if one.default is one.empty else one.default, alias=one.name))
        for number, one in enumerate(parameters)
    }
    try:
        model = create_model(f"{name}_parameters", __config__=ConfigDict(extra="forbid", frozen=True), **fields)
    except PydanticUserError as error:
        raise BadRequest(
            f"A parameter of {name} has a type that cannot be checked: {error.message.splitlines()[0]}",
            "Parameters are what a settings file can say: str, int, float, bool, lists and tables of them.",
        ) from error
    _check_defaults(name, model, {one.name: one.default for one in parameters if one.default is not one.empty})
    return model


def check_options(name: str, parameters: type[BaseModel], options: Mapping[str, Any]) -> dict[str, Any]:
    """Options as JSON-ready data, defaults filled in.

    Raises:
        BadRequest: one is unknown, missing or of the wrong type.
    """
    try:
        return parameters.model_validate(dict(options)).model_dump(mode="json", by_alias=True)
    except ValidationError as error:
        raise _refused(name, parameters, error.errors()[0]) from error
    except PydanticSerializationError as error:
        raise BadRequest(f"What {name} is given is no data: {error}.", "Give what JSON can carry.") from error


def values_of(parameters: type[BaseModel], options: Mapping[str, Any]) -> dict[str, Any]:
    """The values that options, which were checked, stand for, by the names of the parameters."""
    given = parameters.model_validate(dict(options))
    return dict(zip(names_of(parameters), (getattr(given, name) for name in parameters.model_fields), strict=True))


def names_of(parameters: type[BaseModel]) -> list[str]:
    """What the parameters are called."""
    return [one.alias or name for name, one in parameters.model_fields.items()]


def _check_defaults(name: str, model: type[BaseModel], defaults: Mapping[str, Any]) -> None:
    try:
        model.model_validate(dict(defaults))
    except ValidationError as error:
        for problem in _not_missing(error.errors()):
            raise BadRequest(
                f"{name}({_where(problem)}=…) has a default of another type: {problem['msg']}.",
                "Write a default of the type, or the type of the default: name: str | None = None.",
            ) from error


def _not_missing(problems: Iterable[Any]) -> list[Any]:
    return [one for one in problems if one["type"] != "missing"]


def _refused(name: str, parameters: type[BaseModel], problem: Any) -> BadRequest:
    reason = {
        "extra_forbidden": "there is no such parameter",
        "missing": "it has no default, so a value must be given",
        "value_error": str(problem.get("ctx", {}).get("error")),
    }.get(problem["type"], problem["msg"])
    known = ", ".join(names_of(parameters)) or "none"
    return BadRequest(f"{name}({_where(problem)}=…): {reason}.", f"The parameters of {name} are: {known}.")


def _where(problem: Any) -> str:
    return ".".join(str(part) for part in problem["loc"])
