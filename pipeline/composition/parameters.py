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

NAMED = (inspect.Parameter.POSITIONAL_OR_KEYWORD, inspect.Parameter.KEYWORD_ONLY)
"""Kinds of parameters that can be given by name."""


def parameters_of(name: str, parameters: Sequence[inspect.Parameter]) -> type[BaseModel]:
    """Make the model that checks values for these parameters of a function.

    Raises:
        BadRequest: one has no type, or one that cannot be checked, or a default of another type.
    """
    for parameter in parameters:
        if parameter.kind not in NAMED or parameter.annotation is parameter.empty:
            raise BadRequest(f"Every parameter of {name} needs a name and a type.", "Write name: type = default.")
    # Each by an alias: a parameter may have any name, those that pydantic reserves too.
    fields: dict[str, Any] = {
        f"value_{number}": (parameter.annotation, _field(parameter)) for number, parameter in enumerate(parameters)
    }
    try:
        model = create_model(f"{name}_parameters", __config__=ConfigDict(extra="forbid", frozen=True), **fields)
    except PydanticUserError as error:
        raise BadRequest(
            f"A parameter of {name} has a type that cannot be checked: {error.message.splitlines()[0]}",
            "Parameters are what a settings file can say: str, int, float, bool, lists and tables of them.",
        ) from error
    optional = [parameter for parameter in parameters if parameter.default is not parameter.empty]
    _check_defaults(name, model, {parameter.name: parameter.default for parameter in optional})
    return model


def check_options(name: str, parameters: type[BaseModel], options: Mapping[str, Any]) -> dict[str, Any]:
    """Check options and return them as JSON-ready data with the defaults filled in.

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
    """Return checked options as values of their types, by the names of the parameters."""
    values = parameters.model_validate(dict(options))
    return dict(zip(names_of(parameters), (getattr(values, name) for name in parameters.model_fields), strict=True))


def names_of(parameters: type[BaseModel]) -> list[str]:
    """Return the names of the parameters."""
    return [field.alias or name for name, field in parameters.model_fields.items()]


def _field(parameter: inspect.Parameter) -> Any:
    return Field(... if parameter.default is parameter.empty else parameter.default, alias=parameter.name)


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
    return [problem for problem in problems if problem["type"] != "missing"]


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
