"""Models in files: state dicts of torch, safetensors, npz archives; nothing in a file is ever executed.

Weights alone do not say which activation belongs to them. A file may: safetensors in its metadata, an npz archive in
an entry, both under the name `activation`; files written here do.
"""

from __future__ import annotations

import json
import re
import zipfile
import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from thalweg.interop.foreign import ForeignModel, chained, users_activation
from thalweg.interop.trees import read_pairs, read_tree
from thalweg.records import InputError

TORCH_SUFFIXES = (".pt", ".pth", ".bin")
SAFETENSORS_SUFFIX, NPZ_SUFFIX = ".safetensors", ".npz"
SUFFIXES = (SAFETENSORS_SUFFIX, *TORCH_SUFFIXES, NPZ_SUFFIX)

STATE_DICTS = ("state_dict", "model_state_dict")
"""Where checkpoints keep the weights beside the state of the optimiser."""

FLOATS = {"F64": "<f8", "F32": "<f4", "F16": "<f2", "BF16": "<u2"}
"""Types of safetensors; the last one holds the upper half of a float32."""

OURS = {"made_by": "thalweg"}
"""Mark of the files written here: only these are overwritten."""

SHALLOW = {"w", "b", "v", "v0"}
"""Names of the arrays of a `ShallowNet` in an archive."""


@dataclass(frozen=True, eq=False)
class Stored:
    """What a file holds: arrays by name, and the activation where it says so."""

    arrays: dict[str, np.ndarray]
    activation: str | None = None


def read_file(path: str | Path, activation: str | None = None, layout: str | None = None) -> ForeignModel:
    """Read a model from a file.

    Parameters
    ----------
    path
        A state dict saved by torch (.pt, .pth, .bin), safetensors, or an npz archive: of named arrays `*.weight` or
        `*.kernel` and `*.bias`, of weights and biases in turn (`numpy.savez(path, W1, b1, W2, b2)`), or of `w`, `b`,
        `v`, `v0` as in a `ShallowNet`.
    activation
        Of the hidden layers, where the file does not say.
    layout
        Of weights without names: "out_in" or "in_out", where their shapes do not say.

    Returns
    -------
    ForeignModel
        Its layers and activations.

    Raises
    ------
    InputError
        If the file cannot be read, holds another model, contradicts the activation, or `layout` has no effect.
    """
    path = Path(path)
    stored = read_stored(path)
    told = [users_activation(name) for name in (activation, stored.activation) if name is not None]
    if len(set(told)) == 2:
        raise InputError("activation_differs", path=str(path), stored=told[1], given=told[0])
    activation = told[0] if told else None
    names = set(stored.arrays)
    if all(re.fullmatch(r"arr_\d+", name) for name in names):
        in_turn = [stored.arrays[name] for name in sorted(names, key=lambda name: int(name[4:]))]
        return read_pairs(in_turn, activation, layout, path.name)
    if layout is not None:
        raise InputError("option_without_effect", options="layout", subject=path.name)
    if names == SHALLOW:
        return _read_shallow(stored.arrays, activation, path.name)
    return read_tree({name.replace("/", "."): array for name, array in stored.arrays.items()}, activation, path.name)


def _read_shallow(arrays: Mapping[str, np.ndarray], activation: str | None, source: str) -> ForeignModel:
    if activation is None:
        raise InputError("activation_needed")
    v, v0 = np.atleast_1d(arrays["v"]), np.atleast_1d(arrays["v0"])
    outputs = v[None] if v.ndim == 1 else v.T
    layers = [("hidden", arrays["w"], arrays["b"]), ("output", outputs, v0)]
    return chained(source, layers, [users_activation(activation)])


def read_stored(path: str | Path) -> Stored:
    """Return the arrays of a file by name; nothing in it is executed.

    Parameters
    ----------
    path
        With one of the endings `SUFFIXES`.

    Returns
    -------
    Stored
        Arrays and activation.

    Raises
    ------
    InputError
        If the file is missing, of another kind, holds anything but arrays, or the library that reads it is missing.
    """
    path = Path(path)
    if not path.is_file():
        raise InputError("model_file", path=str(path), reason="no such file")
    if path.suffix == SAFETENSORS_SUFFIX:
        return _read_safetensors(path)
    if path.suffix == NPZ_SUFFIX:
        return _read_npz(path)
    if path.suffix not in TORCH_SUFFIXES:
        raise InputError("model_suffix", path=str(path), known=", ".join(SUFFIXES))
    return _read_torch(path)


def _read_safetensors(path: Path) -> Stored:
    from safetensors import SafetensorError, deserialize

    try:
        content = path.read_bytes()
        tensors = deserialize(content)
    except (SafetensorError, OSError) as error:
        raise InputError("model_file", path=str(path), reason=str(error)) from error
    arrays = {name: _decoded(path, name, held) for name, held in tensors}
    return Stored(arrays, _metadata(content).get("activation"))


def _decoded(path: Path, name: str, held: Mapping[str, Any]) -> np.ndarray:
    if held["dtype"] not in FLOATS:
        raise InputError("model_file", path=str(path), reason=f"{name}: {held['dtype']}")
    array = np.frombuffer(held["data"], dtype=FLOATS[held["dtype"]]).reshape(held["shape"])
    return (array.astype(np.uint32) << 16).view(np.float32) if held["dtype"] == "BF16" else array


def _metadata(content: bytes) -> dict[str, str]:
    """Return the metadata of safetensors: eight bytes of length, then a header in JSON."""
    length = int.from_bytes(content[:8], "little")
    return json.loads(content[8 : 8 + length]).get("__metadata__", {})


def _read_npz(path: Path) -> Stored:
    try:
        with np.load(path, allow_pickle=False) as archive:
            arrays = {name: archive[name] for name in archive.files}
    except (OSError, ValueError, EOFError, TypeError, zipfile.BadZipFile, zlib.error) as error:
        # The library's own words would advise to load pickles.
        raise InputError("model_file", path=str(path), reason=type(error).__name__) from None
    activation = arrays.pop("activation", None)
    return Stored(arrays, None if activation is None else str(activation))


def _read_torch(path: Path) -> Stored:
    try:
        import torch
    except ImportError:
        raise InputError("package_missing", package="torch", needed_for=str(path)) from None
    try:
        found = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # torch raises errors of many kinds on files that are not its own, or hold code
        # Its first sentence says what happened, the next ones how to execute the file.
        raise InputError("model_file", path=str(path), reason=str(error).split(".")[0].strip()) from None
    if isinstance(found, dict):
        found = next((found[name] for name in STATE_DICTS if name in found), found)
    if not isinstance(found, dict) or not all(hasattr(value, "detach") for value in found.values()):
        raise InputError("model_file", path=str(path), reason=type(found).__name__)
    arrays = {}
    for name, value in found.items():
        narrow = value.is_floating_point() and value.element_size() < 4
        arrays[str(name)] = (value.float() if narrow else value).detach().cpu().numpy()
    return Stored(arrays)


def to_safetensors(model: ForeignModel) -> bytes:
    """Return a model as the content of a safetensors file: `*.weight`, `*.bias` in float64, the activation beside.

    Parameters
    ----------
    model
        A chain of layers with one activation.

    Returns
    -------
    bytes
        That `read_file` reads.
    """
    from safetensors.numpy import save

    parts = [(layer.name, {"weight": layer.weights, "bias": layer.bias}) for layer in model.layers]
    tensors = {f"{name}.{part}": np.ascontiguousarray(array) for name, held in parts for part, array in held.items()}
    activation = {"activation": model.activations[0]} if model.activations else {}
    return save(tensors, metadata={**OURS, **activation})


def may_be_replaced(path: Path) -> bool:
    """Tell whether a place is free, or holds a file that was written here."""
    if not path.exists():
        return True
    try:
        return _metadata(path.read_bytes()).items() >= OURS.items()
    except (OSError, ValueError, AttributeError):
        return False
