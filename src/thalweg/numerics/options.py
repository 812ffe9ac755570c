"""Options at the border: pydantic finds what is wrong, thalweg says it in its own words."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TypeVar

from pydantic import BaseModel, ValidationError

from thalweg.records.errors import InputError

Model = TypeVar("Model", bound=BaseModel)


def validated(model: type[Model], options: Mapping[str, object] | None) -> Model:
    """Return the options as an instance of `model`.

    Returns
    -------
    Model
        Frozen and complete with defaults.

    Raises
    ------
    InputError
        If an option is unknown, of the wrong type or out of range; names it and what is allowed.
    """
    try:
        return model(**dict(options or {}))
    except ValidationError as error:
        first = error.errors()[0]
        name = str(first["loc"][0]) if first["loc"] else "-"
        if first["type"] == "extra_forbidden":
            raise InputError("option_unknown", name=name, known=", ".join(model.model_fields)) from None
        raise InputError("option_range", name=name, value=repr(first["input"]), wanted=first["msg"]) from None
