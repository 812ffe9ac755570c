"""Records to JSON and back: one format for every file that thalweg writes.

A record is a frozen dataclass registered by `record`. Its JSON is plain (enums by value, tuples as
lists); arrays go to an npz beside the JSON, or inline as lists. NaN and the infinities are the strings
"NaN", "Infinity" and "-Infinity"; a genuine string with one of these spellings is wrapped as
`{"string": ...}`, so the round trip is exact. Nothing is ever pickled.
"""

from __future__ import annotations

import dataclasses
import enum
import math
import types
import typing
from collections.abc import Mapping
from typing import Any, TypeVar, dataclass_transform

import numpy as np

SCHEMA = 1
"""Number of the file format; it grows when a field changes its meaning."""

_SPECIAL_FLOATS = {"NaN": math.nan, "Infinity": math.inf, "-Infinity": -math.inf}
_REGISTRY: dict[str, type] = {}

T = TypeVar("T")


@dataclass_transform(frozen_default=True, eq_default=False)
def record(cls: type[T]) -> type[T]:
    """Make `cls` a frozen dataclass without `==` (arrays have none) that the codec knows by its name."""
    made = dataclasses.dataclass(frozen=True, eq=False)(cls)
    _REGISTRY[cls.__name__] = made
    return made


def encode(value: Any, arrays: dict[str, np.ndarray] | None = None, path: str = "") -> Any:
    """Turn a record into JSON-able values.

    Parameters
    ----------
    value
        A record or anything a record may hold.
    arrays
        Where arrays are collected under their path; None writes them inline as nested lists.
    path
        Name of `value` inside the outermost record; the arrays are filed under it.

    Returns
    -------
    Any
        Only dicts, lists, strings, finite numbers, booleans and None.

    Raises
    ------
    TypeError
        If `value` is of a type that no record may hold.
    """
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, enum.Enum):
        return value.value
    if isinstance(value, str):
        return {"string": value} if value in _SPECIAL_FLOATS else value
    if isinstance(value, (int, np.integer)):
        return int(value)
    if isinstance(value, (float, np.floating)):
        return _encode_float(float(value))
    if isinstance(value, np.ndarray):
        if arrays is None:
            return encode(value.tolist())
        arrays[path] = value
        return {"array": path}
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        fields = _stored(value)
        return {f.name: encode(getattr(value, f.name), arrays, _join(path, f.name)) for f in fields}
    if isinstance(value, Mapping):
        return {str(key): encode(item, arrays, _join(path, str(key))) for key, item in value.items()}
    if isinstance(value, (tuple, list)):
        return [encode(item, arrays, _join(path, str(i))) for i, item in enumerate(value)]
    raise TypeError(f"{path or 'value'}: a record cannot hold a {type(value).__name__}")


def decode(data: Any, kind: Any, arrays: Mapping[str, np.ndarray] | None = None) -> Any:
    """Rebuild a value of type `kind` from what `encode` made of it.

    Parameters
    ----------
    data
        The JSON value.
    kind
        A registered record, an enum, a builtin or a typing form such as `tuple[Check, ...]`.
    arrays
        The arrays that `encode` collected.

    Returns
    -------
    Any
        The value; arrays are taken from `arrays`.

    Raises
    ------
    ValueError
        If `data` does not fit `kind`.
    """
    origin = typing.get_origin(kind)
    if isinstance(data, dict) and set(data) == {"string"} and origin not in (dict, Mapping):
        return data["string"]
    if origin in (typing.Union, types.UnionType):
        return _decode_union(data, typing.get_args(kind), arrays)
    if origin is tuple:
        inner = typing.get_args(kind)[0]
        return tuple(decode(item, inner, arrays) for item in _expect(data, list, kind))
    if origin in (dict, Mapping):
        inner = typing.get_args(kind)[1]
        return {key: decode(item, inner, arrays) for key, item in _expect(data, dict, kind).items()}
    if kind is np.ndarray:
        return (arrays or {})[_expect(data, dict, kind)["array"]]
    if dataclasses.is_dataclass(kind):
        return _decode_record(_expect(data, dict, kind), kind, arrays)
    if isinstance(kind, type) and issubclass(kind, enum.Enum):
        return kind(data)
    if kind is float:
        return _SPECIAL_FLOATS[data] if isinstance(data, str) else float(_expect(data, (int, float), kind))
    return _expect(data, kind, kind)


def to_document(value: Any, arrays: dict[str, np.ndarray] | None = None) -> dict[str, Any]:
    """Wrap the encoding of one record with its schema number and its name, as a file holds it."""
    return {"schema": SCHEMA, "record": type(value).__name__, "content": encode(value, arrays)}


def from_document(document: Any, arrays: Mapping[str, np.ndarray] | None = None) -> Any:
    """Rebuild the record that `to_document` wrapped.

    Returns
    -------
    Any
        The record, arrays taken from `arrays`.

    Raises
    ------
    ValueError
        If the document is of another schema, names no known record or does not fit it.
    """
    if not isinstance(document, dict) or not {"schema", "record", "content"} <= set(document):
        raise ValueError("not a thalweg document: schema, record or content is missing")
    if document["schema"] != SCHEMA:
        raise ValueError(f"schema {document['schema']!r}; this version reads schema {SCHEMA}")
    kind = _REGISTRY.get(document["record"])
    if kind is None:
        raise ValueError(f"unknown record {document['record']!r}")
    try:
        return decode(document["content"], kind, arrays)
    except (KeyError, TypeError) as error:
        raise ValueError(f"the {document['record']} does not fit its schema: {error!r}") from error


def same(a: Any, b: Any) -> bool:
    """Tell whether two values hold the same bits: equal types, shapes, dtypes and entries, NaN like NaN."""
    if isinstance(a, np.ndarray) or isinstance(b, np.ndarray):
        if not (isinstance(a, np.ndarray) and isinstance(b, np.ndarray)):
            return False
        equal_nan = a.dtype.kind in "fc"
        return a.dtype == b.dtype and a.shape == b.shape and np.array_equal(a, b, equal_nan=equal_nan)
    if type(a) is not type(b):
        return False
    if dataclasses.is_dataclass(a) and not isinstance(a, type):
        return all(same(getattr(a, f.name), getattr(b, f.name)) for f in _stored(a))
    if isinstance(a, Mapping):
        return list(a) == list(b) and all(same(a[key], b[key]) for key in a)
    if isinstance(a, (tuple, list)):
        return len(a) == len(b) and all(map(same, a, b))
    return bool(a == b) or (isinstance(a, float) and math.isnan(a) and math.isnan(b))


def _stored(value: Any) -> list[dataclasses.Field[Any]]:
    """Return the fields that are part of the record as it is kept; the others live only in memory."""
    return [f for f in dataclasses.fields(value) if f.metadata.get("stored", True)]


def _join(path: str, name: str) -> str:
    return f"{path}.{name}" if path else name


def _encode_float(value: float) -> float | str:
    if math.isfinite(value):
        return value
    return "NaN" if math.isnan(value) else ("Infinity" if value > 0 else "-Infinity")


def _expect(data: Any, kind: Any, wanted: Any) -> Any:
    if kind is Any or isinstance(data, kind):
        return data
    raise ValueError(f"expected {wanted}, found {type(data).__name__}")


def _decode_union(data: Any, kinds: tuple[Any, ...], arrays: Mapping[str, np.ndarray] | None) -> Any:
    if data is None and type(None) in kinds:
        return None
    if float in kinds and isinstance(data, str) and data in _SPECIAL_FLOATS:
        return _SPECIAL_FLOATS[data]
    for kind in (bool, int, float, str):  # exact matches first: True is not 1, 1 is not 1.0
        if kind in kinds and type(data) is kind:
            return data
    others = [k for k in kinds if k not in (bool, int, str, type(None)) and not (k is float and _is_nested(data))]
    if len(others) != 1:
        raise ValueError(f"{type(data).__name__} fits none of {kinds}")
    return decode(data, others[0], arrays)


def _is_nested(data: Any) -> bool:
    """Tell whether data are a record or a tuple: no number then."""
    return isinstance(data, (dict, list))


def _decode_record(data: dict[str, Any], kind: Any, arrays: Mapping[str, np.ndarray] | None) -> Any:
    hints = typing.get_type_hints(kind)
    names = {f.name for f in dataclasses.fields(kind)}
    if unknown := set(data) - names:
        raise ValueError(f"{kind.__name__} has no field {sorted(unknown)}")
    return kind(**{name: decode(item, hints[name], arrays) for name, item in data.items()})
