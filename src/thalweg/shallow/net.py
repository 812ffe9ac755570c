"""A network with one hidden layer, `v0 + sum_j v_j psi(b_j + w_j.x)`, as plain arrays.

The flat layout of all parameters is `[v0, v_1..v_m, B_1..B_m]` with `B_j = (b_j, w_j)`; for K > 1 outputs `v0` has K
entries and the output weights follow neuron by neuron. There are `P = K + m (K + d + 1)` of them.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import Float
from numpy.typing import ArrayLike

from thalweg.numerics.validation import real_array, require_finite
from thalweg.records import InputError
from thalweg.shallow.activations import Activation
from thalweg.shallow.activations import activation as find_activation


@dataclass(frozen=True, eq=False, init=False)
class ShallowNet:
    """One hidden layer with a linear output.

    Parameters
    ----------
    activation
        Its name (`activations.NAMES`).
    v0 : float or array (K,)
        Output bias; for one output a number.
    v : array (m,) or (m, K)
        Output weights.
    b : array (m,)
        Hidden biases.
    w : array (m, d)
        Hidden weights, one row a neuron.

    Raises
    ------
    InputError
        If the activation is unknown, an entry is not finite, or the shapes do not fit each other.
    """

    activation: str
    v0: float | Float[np.ndarray, " K"]
    v: Float[np.ndarray, "m ..."]
    b: Float[np.ndarray, " m"]
    w: Float[np.ndarray, "m d"]

    def __init__(self, activation: str, v0: ArrayLike, v: ArrayLike, b: ArrayLike, w: ArrayLike) -> None:
        find_activation(activation)
        w, b = _weights(w, "w", (2,)), _weights(b, "b", (1,))
        v, v0 = _weights(v, "v", (1, 2)), _weights(v0, "v0", (0, 1))
        if v.ndim == 2 and v.shape[1] == 1:
            v = v[:, 0]
        if v.ndim == 1:
            v0 = v0.reshape(()) if v0.size == 1 else v0
        shapes = f"v0 {v0.shape}, v {v.shape}, b {b.shape}, w {w.shape}"
        if not (w.shape[0] == b.size == v.shape[0] and v.shape[1:] == v0.shape) or w.shape[1] == 0:
            raise InputError("net_shapes", shapes=shapes)
        fields = {"activation": activation, "v0": float(v0) if v0.ndim == 0 else v0, "v": v, "b": b, "w": w}
        for name, value in fields.items():
            object.__setattr__(self, name, value)

    @property
    def psi(self) -> Activation:
        """The activation with its derivatives."""
        return find_activation(self.activation)

    @property
    def width(self) -> int:
        """Number of hidden neurons."""
        return self.w.shape[0]

    @property
    def features(self) -> int:
        """Number of features."""
        return self.w.shape[1]

    @property
    def outputs(self) -> int:
        """Number of outputs."""
        return self.v.shape[1] if self.v.ndim == 2 else 1

    @property
    def parameter_count(self) -> int:
        """Number of parameters."""
        return self.outputs + self.width * (self.outputs + self.features + 1)

    @property
    def B(self) -> Float[np.ndarray, "m D"]:
        """Hidden biases and weights, `(b_j, w_j)` one row a neuron."""
        return np.column_stack([self.b, self.w])

    @property
    def output_weights(self) -> Float[np.ndarray, "m K"]:
        """Output weights, also for one output one row a neuron."""
        return self.v.reshape(self.width, self.outputs)

    @property
    def output_bias(self) -> Float[np.ndarray, " K"]:
        """Output biases, also for one output an array."""
        return np.atleast_1d(self.v0)

    @property
    def theta(self) -> Float[np.ndarray, " P"]:
        """All parameters in the flat layout."""
        return np.concatenate([self.output_bias, self.v.ravel(), self.B.ravel()])

    def with_theta(self, theta: Float[np.ndarray, " P"]) -> ShallowNet:
        """Return the network of the same form with these parameters.

        Parameters
        ----------
        theta : array (P,)
            In the flat layout.

        Returns
        -------
        ShallowNet
            A new one.

        Raises
        ------
        InputError
            If there are too few or too many, or some are not finite.
        """
        theta = real_array(theta, "theta", 1)
        if theta.size != self.parameter_count:
            raise InputError("parameters_differ", name="theta", found=theta.size, wanted=self.parameter_count)
        first, last = self.outputs, self.outputs + self.width * self.outputs
        B = theta[last:].reshape(self.width, self.features + 1)
        v0 = float(theta[0]) if self.v.ndim == 1 else theta[:first].copy()
        return replace(self, v0=v0, v=theta[first:last].reshape(self.v.shape), b=B[:, 0], w=B[:, 1:])

    def __call__(self, X: ArrayLike) -> Float[np.ndarray, "n ..."]:
        """Return the outputs `(n,)`, or `(n, K)` for several, at the rows of `X (n, d)`.

        Parameters
        ----------
        X : array (n, d)
            Points.

        Returns
        -------
        array
            One row a point.

        Raises
        ------
        InputError
            If `X` is unusable or has another number of columns than the network has features.
        """
        X = real_array(X, "X", 2)
        if X.shape[1] != self.features:
            raise InputError("net_features", found=X.shape[1], wanted=self.features)
        return self.psi(X @ self.w.T + self.b) @ self.v + self.v0


def _weights(values: object, name: str, dimensions: tuple[int, ...]) -> np.ndarray:
    """Return a float64 copy; unlike data, weights may be empty: a network may have no neurons."""
    array = np.asarray(values)
    if array.dtype.kind not in "biuf":
        raise InputError("array_not_numeric", name=name, dtype=str(array.dtype))
    if array.ndim not in dimensions:
        raise InputError("array_dimension", name=name, found=array.ndim, wanted=" or ".join(map(str, dimensions)))
    array = np.array(array, dtype=np.float64)
    require_finite(np.atleast_1d(array), name)
    return array
