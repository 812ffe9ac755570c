"""The plain network: affine layers with one activation between them, differentiated by hand in NumPy.

It is the default of surveys, of the command line and of the estimators: nothing is compiled, the forward pass of an
accepted step serves the next linearisation, and all work is in BLAS. The same object is a function that JAX can trace,
so the two ways can be compared.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Float

from thalweg.adapted.activations import Activation, activation, lengths
from thalweg.adapted.factors import Dense, LastDense, Layer, Linearisation
from thalweg.adapted.gated import GatedDense
from thalweg.adapted.model import widened_note
from thalweg.adapted.slot import Slot, vector_slot
from thalweg.numerics.options import require, whole_number
from thalweg.numerics.resampling import stream
from thalweg.numerics.validation import real_array

INITIAL_BIAS = 0.1
"""Scale of initial biases: not zero, so that opposite inputs are no exception (specification, section 3)."""


@dataclass(frozen=True)
class Mlp:
    """A network `sizes[0] -> ... -> sizes[-1]` with biases; parameters are a tuple of `(W (out, in), b (out,))`."""

    sizes: tuple[int, ...]
    activation: str = "tanh"

    def __post_init__(self) -> None:
        for size in self.sizes:
            whole_number(size, "sizes", 1)
        activation(self.activation)

    @property
    def parameter_count(self) -> int:
        """Number `K` of parameters."""
        return int(lengths(self.sizes).sum())

    def initial(self, seed: int = 0) -> tuple[tuple[np.ndarray, np.ndarray], ...]:
        """Return initial parameters: weights of variance `1 / in`, biases of standard deviation 0.1."""
        rng = stream(seed, "mlp", 0)
        return tuple(
            (rng.standard_normal((out, in_)) / np.sqrt(in_), INITIAL_BIAS * rng.standard_normal(out))
            for in_, out in zip(self.sizes[:-1], self.sizes[1:], strict=True)
        )

    def __call__(self, params: Any, X: Any) -> Any:
        """Return the outputs `(N, Q)` for parameters and inputs of NumPy or JAX."""
        act = activation(self.activation)
        a = X
        for k, (W, b) in enumerate(params):
            z = a @ W.T + b
            a = act.value(z) if k + 1 < len(params) else z
        return a


@dataclass(frozen=True, eq=False)
class _Pass:
    """A forward pass: the parameters it belongs to, inputs and pre-activations of each layer, and the outputs."""

    theta: np.ndarray
    inputs: list[np.ndarray]
    before: list[np.ndarray]
    outputs: np.ndarray


class MlpModel:
    """A plain network on its training inputs (`Model`).

    Parameters
    ----------
    network
        Sizes and activation.
    params
        Initial parameters, as `Mlp.initial` returns them.
    X
        Inputs `(N, d)`.
    head
        Matrix `(raw, Q)` on the right of the outputs; None for the outputs themselves.
    scale
        Factor `(N,)` of each sample's outputs; None for ones.
    """

    def __init__(
        self,
        network: Mlp,
        params: Any,
        X: Float[np.ndarray, "N d"],
        head: Float[np.ndarray, "raw Q"] | None = None,
        scale: Float[np.ndarray, " N"] | None = None,
    ) -> None:
        self.network, self.X = network, X
        parts = [np.asarray(part) for pair in params for part in pair]
        self.theta = np.concatenate([part.astype(np.float64).ravel() for part in parts])
        self.notes = widened_note(tuple(dict.fromkeys(str(p.dtype) for p in parts if p.dtype != np.float64)))
        self.head = np.eye(network.sizes[-1]) if head is None else head
        self.scale = np.ones(len(X)) if scale is None else scale
        self._plain = head is None and scale is None
        self._slots = _slots(network.sizes)
        self._last: _Pass | None = None

    @property
    def _act(self) -> Activation:
        """The activation; not an attribute, for its functions have no name to be stored by."""
        return activation(self.network.activation)

    @property
    def shape(self) -> tuple[int, int]:
        """`(N, Q)`."""
        return len(self.X), self.head.shape[1]

    @property
    def widths(self) -> int:
        """Numbers of inputs and outputs of all layers together."""
        return 2 * sum(self.network.sizes) - self.network.sizes[0] - self.network.sizes[-1]

    def outputs(self, theta: Float[np.ndarray, " K"]) -> Float[np.ndarray, "N Q"]:
        """Return the outputs; the pass is kept, for the next linearisation is at the accepted point."""
        return self._forward(theta).outputs

    def linearise(self, theta: Float[np.ndarray, " K"]) -> Linearisation:
        """Return outputs and layer factors at `theta`: one backward pass for all outputs."""
        done = self._forward(theta)
        weights = [slot.matrix(theta) for slot, _ in self._slots]
        mixing = self.head.T
        layers: list[Layer] = [LastDense(done.inputs[-1], mixing, self.scale, *self._slots[-1])]
        N, Q = self.shape
        last = len(weights) - 2
        if last >= 0:
            slopes = self._act.slope(done.before[last], done.inputs[last + 1])
            slopes = slopes if self._plain else slopes * self.scale[:, None]
            gates = mixing @ weights[last + 1].T
            layers.append(GatedDense(done.inputs[last], slopes, gates, *self._slots[last]))
            arriving = slopes[:, None] * gates[None] if last else slopes
            for k in range(last - 1, -1, -1):
                back = (arriving.reshape(N * Q, -1) @ weights[k + 1].T).reshape(N, Q, -1)
                arriving = back * self._act.slope(done.before[k], done.inputs[k + 1])[:, None]
                layers.append(Dense(done.inputs[k][:, None], arriving[:, :, None], *self._slots[k]))
        return Linearisation(done.outputs, tuple(layers), self.theta.size)

    def bend(self, theta: Float[np.ndarray, " K"], v: Float[np.ndarray, " K"]) -> Float[np.ndarray, "N Q"]:
        """Return `x''[v, v]` by carrying first and second derivatives forward."""
        done = self._forward(theta)
        first = second = np.zeros_like(self.X, dtype=np.float64)
        for k, (slot, bias) in enumerate(self._slots):
            W, V = slot.matrix(theta), slot.matrix(v)
            second = second @ W + 2.0 * (first @ V)
            first = first @ W + done.inputs[k] @ V + bias.matrix(v)
            if k + 1 < len(self._slots):
                z, a = done.before[k], done.inputs[k + 1]
                slope = self._act.slope(z, a)
                second = self._act.bend(z, a) * first**2 + slope * second
                first = slope * first
        return self._trained(second)

    def predict(self, theta: Float[np.ndarray, " K"], X: Any) -> Float[np.ndarray, "n raw"]:
        """Return raw outputs for other inputs.

        Returns
        -------
        array (n, raw)
            Without head and scale.

        Raises
        ------
        InputError
            If the inputs are unusable, or have other columns than those trained on.
        """
        return self.network(self.unflatten(theta), plain_inputs(self.network, X))

    def unflatten(self, theta: Float[np.ndarray, " K"]) -> tuple[tuple[np.ndarray, np.ndarray], ...]:
        """Return parameters as `(W, b)` layer by layer."""
        return tuple((slot.matrix(theta).T.copy(), bias.matrix(theta)[0].copy()) for slot, bias in self._slots)

    def restrict(self, rows: Any) -> MlpModel:
        """Return the same network on some of its samples."""
        scale = None if self._plain else self.scale[rows]
        head = None if self._plain else self.head
        return MlpModel(self.network, self.unflatten(self.theta), self.X[rows], head, scale)

    def _forward(self, theta: np.ndarray) -> _Pass:
        if self._last is not None and self._last.theta is theta:
            return self._last
        inputs, before = [self.X], []
        for k, (slot, bias) in enumerate(self._slots):
            z = inputs[-1] @ slot.matrix(theta)
            z += bias.matrix(theta)
            before.append(z)
            if k + 1 < len(self._slots):
                inputs.append(self._act.value(z))
        self._last = _Pass(theta, inputs, before, self._trained(before[-1]))
        return self._last

    def _trained(self, raw: np.ndarray) -> np.ndarray:
        return raw if self._plain else (raw @ self.head) * self.scale[:, None]


def plain_inputs(network: Mlp, X: Any) -> Float[np.ndarray, "N d"]:
    """Return inputs of a plain network in float64.

    Returns
    -------
    array (N, d)
        Finite.

    Raises
    ------
    InputError
        If they are no such matrix; names the rows that are not finite.
    """
    inputs = real_array(X, "X", 2)
    require(inputs.shape[1] == network.sizes[0], "X", inputs.shape, f"(N, {network.sizes[0]})")
    return inputs


def _slots(sizes: tuple[int, ...]) -> list[tuple[Slot, Slot]]:
    """Return where weight and bias of each layer stand in `theta`; weights are stored `(out, in)`."""
    slots, offset = [], 0
    for in_, out in zip(sizes[:-1], sizes[1:], strict=True):
        slots.append((Slot(offset, (out, in_), (1, 0), in_), vector_slot(offset + in_ * out, out)))
        offset += (in_ + 1) * out
    return slots
