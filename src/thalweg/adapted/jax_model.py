"""Any function that JAX can differentiate, as a model for training: it is checked at the start, in words.

A model must treat its samples one by one, `x_j = f(theta, u_j)`: theorem T1 speaks of the Jacobian of all outputs, and
its factors are had sample by sample. Whatever mixes samples (batch statistics) or draws random numbers (dropout) is
found by comparing every sample alone with the same sample in the batch, and named by reading the traced function.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Float

from thalweg.adapted.factors import Linearisation
from thalweg.adapted.jaxpr import narrowed, random_steps, reductions_over
from thalweg.adapted.layers import LayerReport
from thalweg.adapted.model import widened_note
from thalweg.adapted.network import Network, network_of, trace_one
from thalweg.adapted.parameters import Structure, read_parameters
from thalweg.numerics.options import require
from thalweg.numerics.validation import list_some, real_array
from thalweg.records.errors import InputError
from thalweg.records.statement import Statement
from thalweg.runtime.x64 import x64

ALIKE, ALIKE_NARROWED = 1e-8, 1e-2
"""Largest difference of a sample alone and in the batch, relative to the largest output.

The first in float64, the second where the function narrows to fewer bits.
"""

PROBE_ROWS = 1009
"""A batch size that no other dimension is likely to share: reductions over it are reductions over samples."""

SHOWN_CHARACTERS = 300
"""How much of a message of JAX is passed on."""


class JaxModel:
    """A function of parameters and inputs on its training inputs (`Model`).

    Parameters
    ----------
    apply_fn
        `apply_fn(params, X) -> (N, Q)`, or `(N,)` for one output, of JAX operations.
    params
        Its initial parameters: any pytree. Float arrays are trained, in float64 whatever they came with.
    X
        Inputs `(N, ...)`; whole numbers stay whole (tokens of an embedding).
    head
        Matrix `(raw, Q)` on the right of the outputs; None for the outputs themselves.
    scale
        Factor `(N,)` of each sample's outputs; None for ones.
    on_device
        Whether arrays stay on JAX's device, to be used inside `thalweg.runtime.x64`; None: unless it is the processor.

    Attributes
    ----------
    theta
        The initial parameters as one vector.
    report
        How each leaf is differentiated, and why.
    notes
        What else the user should know about the function.

    Raises
    ------
    InputError
        If parameters, inputs or outputs are unusable, samples influence each other, or random numbers are drawn.
    """

    def __init__(
        self,
        apply_fn: Callable[..., Any],
        params: Any,
        X: Any,
        head: Float[np.ndarray, "raw Q"] | None = None,
        scale: Float[np.ndarray, " N"] | None = None,
        on_device: bool | None = None,
    ) -> None:
        self._apply_fn, self._head_given, self._scale_given = apply_fn, head, scale
        self._structure, theta, widened = read_parameters(params)
        inputs = _inputs(X)
        with x64():
            self._host = not (jax.default_backend() != "cpu" if on_device is None else on_device)
            self._X = jnp.asarray(inputs)
            self.theta: Any = theta if self._host else jnp.asarray(theta)
            raw = _raw_shape(apply_fn, self._structure, self._X)
            self._head = jnp.eye(raw) if head is None else jnp.asarray(head)
            self._scale = jnp.ones(len(inputs)) if scale is None else jnp.asarray(scale)
            self._network = _network(apply_fn, self._structure, self._X, raw)
            _check_samples(self._network, jnp.asarray(theta), self._X, self._head, self._scale)
            self.report: LayerReport = self._network.report()
            self.notes: tuple[Statement, ...] = _notes(widened, self._network)
        self.shape: tuple[int, int] = (len(inputs), self._head.shape[1])

    @property
    def X(self) -> np.ndarray:
        """Training inputs."""
        return np.asarray(self._X)

    @property
    def widths(self) -> int:
        """Numbers that the factors of a sample hold for one output: inputs and outputs of layers, and other leaves."""
        reading, sizes = self._network.reading, self._structure.shapes
        layers = sum(layer.units.size + layer.positions * layer.slot.rows for layer in reading.layers)
        return layers + sum(int(np.prod(sizes[leaf], dtype=np.int64)) for leaf in reading.rest)

    def outputs(self, theta: Float[Any, " K"]) -> Float[Any, "N Q"]:
        """Return `x (N, Q)`: one forward pass."""
        with x64():
            return self._leaving(self._network.outputs(jnp.asarray(theta), self._X, self._head, self._scale))

    def linearise(self, theta: Float[Any, " K"]) -> Linearisation:
        """Return outputs and layer factors at `theta`: one forward pass and one backward pass for all outputs."""
        with x64():
            return self._network.linearise(jnp.asarray(theta), self._X, self._head, self._scale, self._host)

    def bend(self, theta: Float[Any, " K"], v: Float[Any, " K"]) -> Float[Any, "N Q"]:
        """Return the second derivative `x''[v, v]`."""
        with x64():
            given = jnp.asarray(theta), jnp.asarray(v)
            return self._leaving(self._network.bend(*given, self._X, self._head, self._scale))

    def predict(self, theta: Float[Any, " K"], X: Any) -> Float[np.ndarray, "n raw"]:
        """Return the raw outputs for other inputs, without head and scale.

        Returns
        -------
        array (n, raw)
            In float64, on the host.

        Raises
        ------
        InputError
            If the inputs are unusable, or of another shape than those trained on.
        """
        given = _inputs(X)
        wanted = ", ".join(map(str, ("n", *self._X.shape[1:])))
        require(given.shape[1:] == self._X.shape[1:], "X", given.shape, f"({wanted})")
        with x64():
            rows, raw = jnp.asarray(given), self._head.shape[0]
            return np.asarray(self._network.outputs(jnp.asarray(theta), rows, jnp.eye(raw), jnp.ones(len(rows))))

    def unflatten(self, theta: Float[Any, " K"]) -> Any:
        """Return parameters as the user's tree, with leaves in float64."""
        return self._structure.assemble([np.array(leaf) for leaf in self._structure.leaves(np.asarray(theta))])

    def restrict(self, rows: Any) -> JaxModel:
        """Return the same network on some of its samples; nothing is checked again.

        Returns
        -------
        JaxModel
            With the same initial parameters.
        """
        part = object.__new__(JaxModel)
        part.__dict__.update(self.__dict__)
        with x64():
            part._X, part._scale = self._X[np.asarray(rows)], self._scale[np.asarray(rows)]
        part.shape = (part._X.shape[0], self.shape[1])
        return part

    def _leaving(self, array: Any) -> Any:
        return np.asarray(array) if self._host else array


def raw_output_count(apply_fn: Callable[..., Any], params: Any, X: Any) -> int:
    """Return the number of raw outputs a sample, from the types alone."""
    structure, _, _ = read_parameters(params)
    with x64():
        return _raw_shape(apply_fn, structure, jnp.asarray(_inputs(X)))


def _inputs(X: Any) -> np.ndarray:
    """Return inputs that are finite, in float64 unless they are whole numbers."""
    array = np.asarray(X)
    checked = real_array(array, "X", max(array.ndim, 1))
    return array if array.dtype.kind in "biu" else checked


def _raw_shape(apply_fn: Callable[..., Any], structure: Structure, X: Any) -> int:
    """Return the number of outputs a sample, from the types alone."""
    N = X.shape[0]
    leaves = [jax.ShapeDtypeStruct(shape, np.float64) for shape in structure.shapes]
    rows = jax.ShapeDtypeStruct(X.shape, X.dtype)
    try:
        found = jax.eval_shape(lambda given, x: apply_fn(structure.assemble(given), x), leaves, rows)
    except Exception as error:
        raise InputError("adapted_not_traceable", kind=type(error).__name__, message=_short(error)) from error
    shape, dtype = getattr(found, "shape", None), getattr(found, "dtype", None)
    if shape is None or dtype is None:
        raise InputError("adapted_output", found=type(found).__name__, rows=N)
    usable = shape[:1] == (N,) and len(shape) in (1, 2) and shape[1:] != (0,)
    if not usable or not jnp.issubdtype(dtype, jnp.floating):
        raise InputError("adapted_output", found=f"{dtype}{list(shape)}", rows=N)
    return 1 if len(shape) == 1 else shape[1]


def _short(error: Exception) -> str:
    """Return the first lines of a message on one line."""
    words = " ".join(str(error).split())
    return words if len(words) <= SHOWN_CHARACTERS else words[:SHOWN_CHARACTERS] + " ..."


def _network(apply_fn: Callable[..., Any], structure: Structure, X: Any, raw: int) -> Network:
    """Return the function traced for one sample."""
    try:
        program = trace_one(apply_fn, structure, jax.ShapeDtypeStruct(X.shape[1:], X.dtype))
    except Exception as error:
        message = f"{type(error).__name__}: {_short(error)}"
        raise InputError("adapted_single_sample", found=message) from error
    found = program.traced.out_avals[0].shape
    if found != (raw,):
        raise InputError("adapted_single_sample", found=str(list(found)))
    return network_of(apply_fn, structure, program)


def _check_samples(network: Network, theta: Any, X: Any, head: Any, scale: Any) -> None:
    """Refuse outputs that are not finite, and samples whose outputs depend on more than themselves."""
    batch = np.asarray(network.batch(theta, X))
    bad = np.flatnonzero(~np.isfinite(batch).all(axis=1))
    if bad.size:
        raise InputError("adapted_outputs_not_finite", count=bad.size, rows=list_some(bad.tolist()))
    expected = (batch @ np.asarray(head)) * np.asarray(scale)[:, None]
    apart = np.abs(np.asarray(network.outputs(theta, X, head, scale)) - expected).max(axis=1)
    traced = network.program.traced
    if (apart <= (ALIKE_NARROWED if narrowed(traced) else ALIKE) * np.abs(expected).max()).all():
        return
    row = int(np.argmax(np.where(np.isfinite(apart), apart, np.inf)))
    difference, drawn = f"{apart[row]:.3g}", random_steps(traced)
    if drawn:
        raise InputError("adapted_random", found=list_some(drawn), row=row, difference=difference)
    changed = float(np.abs(np.asarray(network.batch_anew(theta, X)) - batch).max())
    if changed:
        raise InputError("adapted_not_repeatable", difference=f"{changed:.3g}")
    raise InputError("adapted_coupled", row=row, difference=difference, found=_mixing(network, X))


def _mixing(network: Network, X: Any) -> str:
    """Return the steps that reduce over samples, found by tracing with an unusual number of them."""
    structure = network.structure
    leaves = [jax.ShapeDtypeStruct(shape, np.float64) for shape in structure.shapes]
    rows = jax.ShapeDtypeStruct((PROBE_ROWS, *X.shape[1:]), X.dtype)
    try:
        traced = jax.make_jaxpr(lambda given, x: network.apply_fn(structure.assemble(given), x))(leaves, rows)
    except Exception:  # the function is made for its own number of rows: nothing can be named
        return "-"
    return list_some(reductions_over(traced, PROBE_ROWS)) or "-"


def _notes(widened: tuple[str, ...], network: Network) -> tuple[Statement, ...]:
    """Return what the user should know: parameters in fewer bits, a function that narrows to fewer."""
    notes = list(widened_note(widened))
    types = narrowed(network.program.traced)
    if types:
        notes.append(Statement("layer.note_narrowed", {"types": ", ".join(types)}))
    return tuple(notes)
