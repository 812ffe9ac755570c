"""What was found about a model as plain values for JSON."""

from __future__ import annotations

from typing import Any

from thalweg.interop.check import ModelCheck
from thalweg.records import SCHEMA, to_document
from thalweg.records.codec import encode


def facts(found: ModelCheck) -> dict[str, Any]:
    """Return what was found about a model as plain values: finite numbers, words, lists; infinities as words.

    Parameters
    ----------
    found
        Made by `check`.

    Returns
    -------
    dict
        Under the names of the attributes of ModelCheck; parts that were not computed are None.
    """
    parts = {
        "model": _model(found),
        "error": found.error,
        "explained": found.explained,
        "ridge": found.ridge,
        "statements": found.statements(),
        "classification": _classification(found),
        "reduction": _chosen(found.reduction, "bound measured minimal loss_before loss_after refined_loss steps"),
        "advice": _advice(found),
        "refined": _chosen(found.refined, "loss_before loss_after moved"),
        "outside": _outside(found),
    }
    for name, made in (("reduction", found.reduction), ("refined", found.refined)):
        if made is not None:
            parts[name]["neurons"] = made.net.width
    document = to_document(found.certificate)
    return {"schema": SCHEMA, "record": "ModelCheck", **encode(parts), "certificate": document}


def _chosen(value: object | None, names: str) -> dict[str, Any] | None:
    return None if value is None else {name: getattr(value, name) for name in names.split()}


def _model(found: ModelCheck) -> dict[str, Any]:
    layers = [
        {"name": layer.name, "inputs": layer.weights.shape[1], "outputs": layer.weights.shape[0]}
        for layer in found.model.layers
    ]
    parameters = found.model.parameter_count
    return {
        "source": found.model.source, "layers": layers, "activations": found.model.activations, "parameters": parameters
    }  # fmt: skip


def _classification(found: ModelCheck) -> dict[str, Any] | None:
    made = found.classification
    names = "verdict coverage distance tolerance regular sigma missing_rows input_rank waste waste_is_relative reasons"
    chosen = _chosen(made, names)
    if made is None or chosen is None:
        return None
    directions = [_chosen(direction, "kind reason neurons") for direction in made.null_directions]
    return {**chosen, "null_directions": directions}


def _advice(found: ModelCheck) -> dict[str, Any] | None:
    chosen = _chosen(found.advice, "loss remaining tolerance smallest largest condition proved_gap may_stop")
    if found.advice is None or chosen is None:
        return None
    methods = [_chosen(method, "name rate steps operations") for method in found.advice.methods]
    recommended = found.advice.recommended
    return {**chosen, "methods": methods, "recommended": None if recommended is None else recommended.name}


def _outside(found: ModelCheck) -> dict[str, Any] | None:
    names = "kind loss gradient_norm dead linear kinks kink_radius flat_directions negative zero positive"
    return _chosen(found.outside, names)
