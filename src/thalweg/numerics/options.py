"""Options at the border: pydantic finds what is wrong, thalweg says it in its own words."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from numbers import Integral, Real
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


def require(holds: object, name: str, value: object, wanted: str) -> None:
    """Refuse an option out of its range.

    Raises
    ------
    InputError
        Unless `holds`; names the option, its value and what is allowed.
    """
    if not holds:
        raise InputError("option_range", name=name, value=value, wanted=wanted)


def whole_number(value: object, name: str, least: int) -> int:
    """Return an option that must be a whole number of at least `least`.

    Returns
    -------
    int
        Also for NumPy's integers; truth values and fractions are refused.
    """
    is_whole = isinstance(value, Integral) and not isinstance(value, bool)
    require(is_whole and value >= least, name, repr(value), f"{least}, {least + 1}, {least + 2}, ...")  # pyright: ignore
    return int(value)  # pyright: ignore[reportArgumentType]


def real_number(value: object, name: str, holds: Callable[[float], bool], wanted: str) -> float:
    """Return an option that must be a real number for which `holds` is true.

    Returns
    -------
    float
        Also for whole numbers.
    """
    is_real = isinstance(value, Real) and not isinstance(value, bool)
    require(is_real and holds(float(value)), name, repr(value), wanted)  # pyright: ignore
    return float(value)  # pyright: ignore[reportArgumentType]
