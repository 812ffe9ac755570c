"""What can be said of models outside the theorem: ReLU nets, deep nets, linear chains. Diagnostics, never certificates.

A ReLU neuron that no row activates is dead, one that every row activates is linear; the others have their kink among
the rows. Scaling a ReLU neuron's inputs by s > 0 and its outputs by 1/s changes nothing: one flat direction each. The
Hessian of such a net is the generalised one, of the linear piece in which the weights lie (specification, section 6).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Int
from numpy.typing import ArrayLike

from thalweg.interop.chain_derivatives import arguments, hessian, run
from thalweg.interop.foreign import ForeignModel
from thalweg.interop.reading import read_model
from thalweg.numerics.validation import real_array
from thalweg.records import Cell, InputError, Statement
from thalweg.shallow.derivatives import Objective, objective

LARGEST = 2000
"""Parameters up to which the whole spectrum is computed; beyond it nothing of the Hessian is."""

ZERO = 1e-10
"""Eigenvalues below this share of the largest count as zero."""


@dataclass(frozen=True, eq=False)
class Outside:
    """Diagnostics of a model to which the theorem does not apply.

    Attributes
    ----------
    kind : str
        `relu`, `deep` or `linear`.
    loss, gradient_norm : float
        Of the mean over rows of the squared error, summed over outputs, with the ridge.
    active : tuple of arrays
        For each hidden layer the number of rows that activate each neuron; empty arrays for layers without ReLU.
    kink_radius : float
        How far the weights of the first layer may move, at least, before a row crosses a kink of it; infinite without
        ReLU.
    flat_directions : int
        Scaling symmetries of the ReLU neurons.
    negative, zero, positive : int or None
        Signs of the Hessian's eigenvalues in floating point; None for more than `LARGEST` parameters.
    eigenvalues : array (P,)
        Increasing; empty where they were not computed.
    """

    kind: str
    loss: float
    gradient_norm: float
    active: tuple[Int[np.ndarray, " m"], ...]
    kink_radius: float
    flat_directions: int
    negative: int | None
    zero: int | None
    positive: int | None
    eigenvalues: Float[np.ndarray, " P"]
    rows: int
    parameters: int

    @property
    def dead(self) -> int:
        """Number of ReLU neurons that no row activates."""
        return sum(int(np.sum(layer == 0)) for layer in self.active)

    @property
    def linear(self) -> int:
        """Number of ReLU neurons that every row activates."""
        return sum(int(np.sum(layer == self.rows)) for layer in self.active)

    @property
    def kinks(self) -> int:
        """Number of ReLU neurons with their kink among the rows."""
        return sum(layer.size for layer in self.active) - self.dead - self.linear

    def statements(self) -> tuple[Statement, ...]:
        """Return what can be said, sentence by sentence."""
        said = [Statement(KINDS[self.kind], {"parameters": self.parameters})]
        if any(layer.size for layer in self.active):
            values: dict[str, Cell] = {
                "dead": self.dead, "linear": self.linear, "kinks": self.kinks, "flat": self.flat_directions,
                "radius": self.kink_radius,
            }  # fmt: skip
            said.append(Statement("outside.neurons", values))
        if self.negative is None or self.zero is None or self.positive is None:
            said.append(Statement("outside.too_large", {"parameters": self.parameters, "largest": LARGEST}))
        else:
            signs: dict[str, Cell] = {"negative": self.negative, "zero": self.zero, "positive": self.positive}
            said.append(Statement("outside.spectrum", {**signs, "gradient": self.gradient_norm}))
        return tuple(said)

    def __str__(self) -> str:
        return "\n".join(map(str, self.statements()))


KINDS = {"relu": "outside.relu", "deep": "outside.deep", "linear": "outside.linear_chain"}
"""What is said of each kind."""


def outside_theorem(
    model: object,
    X: ArrayLike,
    y: ArrayLike,
    *,
    activation: str | None = None,
    layout: str | None = None,
    weights: ArrayLike | None = None,
    ridge: ArrayLike = 0.0,
) -> Outside:
    """Return diagnostics of a model to which the theorem does not apply.

    Parameters
    ----------
    model
        Anything that `read_model` reads.
    X : array (n, d)
        Features.
    y : array (n,) or (n, K)
        Targets.
    activation, layout
        As for `read_model`.
    weights : array (n,), optional
        Of the rows.
    ridge : float or array (P,)
        Penalty of the squared weights, biases free; or of each parameter, layer by layer, weights before biases.

    Returns
    -------
    Outside
        Dead neurons, kinks, flat directions, signs of the Hessian in floating point.

    Raises
    ------
    InputError
        If the model cannot be read or does not fit the data.
    """
    read = read_model(model, activation=activation, layout=layout)
    data = objective(X, y, weights)
    _require_fits(read, data)
    kind = "deep" if len(read.layers) > 2 else ("relu" if read.activations == ("relu",) else "linear")
    penalties, theta = _penalties(read, ridge), _parameters(read)
    done = run(read, data)
    H = None
    if read.parameter_count <= LARGEST:
        H = hessian(read, data, done) + 2 * np.diag(penalties)
    active, radius = _kinks(read, data)
    values = np.zeros(0) if H is None else np.linalg.eigvalsh(H)
    negative, zero, positive = (None, None, None) if H is None else _signs(values)
    loss = done.loss + float(penalties @ theta**2)
    slope = float(np.linalg.norm(done.gradient + 2 * penalties * theta))
    flat = 0 if penalties.any() else sum(layer.size for layer in active)  # a penalty tells the scalings apart
    return Outside(
        kind, loss, slope, active, radius, flat, negative, zero, positive, values, data.n, read.parameter_count
    )  # fmt: skip


def _parameters(model: ForeignModel) -> Float[np.ndarray, " P"]:
    return np.concatenate([part.ravel() for layer in model.layers for part in (layer.weights, layer.bias)])


def _penalties(model: ForeignModel, ridge: ArrayLike) -> Float[np.ndarray, " P"]:
    given = real_array(ridge, "ridge", min(np.ndim(ridge), 1))
    if not (given >= 0).all():
        raise InputError("option_range", name="ridge", value=float(given.min()), wanted=">= 0")
    if given.ndim == 0:
        sizes = [(layer.weights.size, layer.bias.size) for layer in model.layers]
        return np.concatenate([np.repeat([float(given), 0.0], size) for size in sizes])
    if given.size != model.parameter_count:
        raise InputError("length_differs", name="ridge", found=given.size, wanted=model.parameter_count)
    return given


def _signs(values: Float[np.ndarray, " P"]) -> tuple[int, int, int]:
    """Return how many eigenvalues are negative, zero and positive."""
    zero = ZERO * float(np.abs(values).max())
    return int(np.sum(values < -zero)), int(np.sum(np.abs(values) <= zero)), int(np.sum(values > zero))


def _require_fits(model: ForeignModel, data: Objective) -> None:
    if data.X.shape[1] != model.features:
        raise InputError("net_features", found=data.X.shape[1], wanted=model.features)
    outputs = model.layers[-1].weights.shape[0]
    if data.targets.shape[1] != outputs:
        raise InputError("net_outputs", found=data.targets.shape[1], wanted=outputs)


def _kinks(model: ForeignModel, data: Objective) -> tuple[tuple[np.ndarray, ...], float]:
    """Return how many rows activate each ReLU neuron, layer by layer, and how far the first layer is from a kink."""
    z = arguments(model, data.X)
    active = tuple(
        np.sum(each > 0, axis=0) if name == "relu" else np.zeros(0, dtype=int)
        for each, name in zip(z, model.activations, strict=False)
    )
    if model.activations[:1] != ("relu",):
        return active, np.inf
    return active, float((np.abs(z[0]) / np.linalg.norm(data.augmented, axis=1)[:, None]).min())
