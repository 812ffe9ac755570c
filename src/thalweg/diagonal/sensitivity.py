"""How much the outputs of a model depend on each of its inputs.

The sensitivity of input `i` is the root mean square, over the rows of a sample, of the derivative of the outputs with
respect to this input, times the spread (standard deviation) of the input:
`S_i = sd(x_i) * sqrt(mean_rows sum_outputs (df/dx_i)^2)`. It is what one standard deviation of the input moves the
output by, to first order; for a linear model `|b_i| sd(x_i)`. Inputs of any shape `(n, ...)` are read as `(n, d)`.
torch and JAX are loaded only by the functions that bear their names.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import numpy as np
from jaxtyping import Float

from thalweg.numerics.validation import real_array, require_finite
from thalweg.records import InputError

if TYPE_CHECKING:
    import jax
    import torch

ROUNDINGS = 8
"""A difference is taken over at least so many units in the last place of the input, so that it never vanishes."""


def linear_sensitivity(weights: object, *, spread: object = None) -> Float[np.ndarray, " d"]:
    """Return the sensitivities of a linear model.

    Parameters
    ----------
    weights : array (d,) or (q, d)
        Coefficients, one row an output.
    spread : array (d,), optional
        Spread of each input; 1 unless given, as for standardised columns.

    Returns
    -------
    array (d,)
        Norm of the coefficients of each input, times its spread.
    """
    array = np.asarray(weights)
    rows = np.atleast_2d(real_array(array, "weights", 2 if array.ndim == 2 else 1))
    return np.linalg.norm(rows, axis=0) * (1.0 if spread is None else _spread_given(spread, rows.shape[1]))


def function_sensitivity(
    predict: Callable[[np.ndarray], object],
    X: np.ndarray,
    *,
    outputs: Sequence[int] | None = None,
    spread: object = None,
    width: float | None = None,
) -> Float[np.ndarray, " d"]:
    """Return the sensitivities of any function by central differences: two calls an input.

    Parameters
    ----------
    predict
        From rows like those of `X` to one row of outputs each, `(n,)` or `(n, ...)`.
    X : array (n, ...)
        The sample.
    outputs
        Which outputs count, by number; all unless given.
    spread : array (d,), optional
        Spread of each input; the standard deviation in `X` unless given.
    width
        Half the difference in units of the spread: the cube root of the rounding error of what `predict`
        returns (6e-6, for float32 5e-3) unless given, the best for smooth functions. A model of steps, like a forest,
        needs about 0.5.

    Returns
    -------
    array (d,)
        Sensitivities; 0 for inputs without spread.

    Raises
    ------
    InputError
        If an array or the width is unusable, or `predict` does not return one row for each row.
    """
    sample = _checked(X).astype(np.float64)
    shape, rows = sample.shape, sample.reshape(sample.shape[0], -1)
    scale = rows.std(axis=0) if spread is None else _spread_given(spread, rows.shape[1])

    def evaluate(changed: np.ndarray) -> np.ndarray:
        return _chosen(np.asarray(predict(changed.reshape(shape))), shape[0], outputs)

    if width is None:
        precision = evaluate(rows).dtype
        width = float(np.cbrt(np.finfo(precision if precision.kind == "f" else np.float64).eps))
    if not 0 < width < np.inf:
        raise InputError("option_range", name="width", value=width, wanted="> 0")
    found = np.zeros(rows.shape[1])
    for i in np.flatnonzero(scale):
        half = max(width * scale[i], ROUNDINGS * np.spacing(np.abs(rows[:, i]).max()))
        above, below = rows.copy(), rows.copy()
        above[:, i] += half
        below[:, i] -= half
        moved = (above[:, i] - below[:, i])[:, None]  # as rounded: the true distance of the two points
        slope = (evaluate(above).astype(np.float64) - evaluate(below)) / moved
        found[i] = np.sqrt((slope**2).sum(axis=1).mean()) * scale[i]
    return found


def torch_sensitivity(
    model: Callable[..., Any], X: Any, *, outputs: Sequence[int] | None = None, spread: object = None
) -> Float[np.ndarray, " d"]:
    """Return the sensitivities of a torch model, which is left exactly as it was.

    The model is evaluated in evaluation mode, with one backward pass an output. Afterwards every module is in the
    mode it was in; gradients and flags of parameters are never touched, and the random numbers of torch (CPU and CUDA)
    go on as if nothing had been evaluated.

    Parameters
    ----------
    model
        A module, or any differentiable function of a tensor; rows must not influence each other's outputs. Of a
        DistributedDataParallel pass the `module`.
    X : array or tensor (n, ...)
        The sample; some hundred rows are enough. It is brought to the type and device of the first parameter.
    outputs
        Which outputs count, by number; all unless given.
    spread : array (d,), optional
        Spread of each input; the standard deviation in `X` unless given.

    Returns
    -------
    array (d,)
        Sensitivities in float64.

    Raises
    ------
    InputError
        If `X` is unusable or the model does not return one row for each row.
    """
    import torch

    with torch.inference_mode(False), torch.enable_grad(), _evaluating(model):
        rows = _torch_rows(model, X)
        precision = rows.dtype if rows.dtype.itemsize >= 4 else torch.float32
        with torch.random.fork_rng(devices=[rows.device] if rows.device.type == "cuda" else []):
            found = _chosen(model(rows), rows.shape[0], outputs)
            squares = torch.zeros(rows.shape[1:], dtype=precision, device=rows.device)
            for j in range(found.shape[1]):
                (slope,) = torch.autograd.grad(found[:, j].sum(), rows, retain_graph=True)
                squares += slope.to(precision).square().mean(dim=0)
        root = squares.sqrt().reshape(-1)
        scale = rows.detach().to(precision).std(dim=0, correction=0).reshape(-1) if spread is None else None
    slopes = root.cpu().numpy().astype(np.float64)
    if scale is None:
        return slopes * _spread_given(spread, slopes.size)
    return slopes * scale.cpu().numpy()


def jax_sensitivity(
    apply: Callable[[Any, Any], Any],
    params: Any,
    X: Any,
    *,
    outputs: Sequence[int] | None = None,
    spread: object = None,
) -> jax.Array:
    """Return the sensitivities of a JAX model; it may be called inside `jit`, `scan` and the like.

    Parameters
    ----------
    apply
        From parameters and rows to one row of outputs each.
    params
        Its first argument: any pytree.
    X : array (n, ...)
        The sample, in the precision that JAX is set to.
    outputs
        Which outputs count, by number; all unless given.
    spread : array (d,), optional
        Spread of each input; the standard deviation in `X` unless given.

    Returns
    -------
    jax array (d,)
        Sensitivities, by one backward pass vectorised over the outputs.
    """
    import jax
    import jax.numpy as jnp

    rows = X if isinstance(X, jax.Array) else jnp.asarray(_checked(X))
    if not jnp.issubdtype(rows.dtype, jnp.floating):
        rows = rows.astype(jnp.result_type(float))
    found, pull_back = jax.vjp(lambda x: _chosen(apply(params, x), x.shape[0], outputs), rows)
    every = jnp.eye(found.shape[1], dtype=found.dtype)[:, None, :]
    (slopes,) = jax.vmap(pull_back)(jnp.broadcast_to(every, (found.shape[1], *found.shape)))
    root = jnp.sqrt((slopes**2).sum(axis=0).mean(axis=0)).reshape(-1)
    if spread is None:
        return root * rows.std(axis=0).reshape(-1)
    return root * jnp.asarray(_spread_given(spread, root.size), dtype=root.dtype)


def _chosen(found: Any, n: int, outputs: Sequence[int] | None) -> Any:
    """Return the chosen outputs as `(n, q)`, for arrays of any library."""
    shape = tuple(getattr(found, "shape", ()))
    if shape[:1] != (n,):
        raise InputError("output_rows", shape=str(shape), kind=type(found).__name__, wanted=n)
    table = found.reshape(n, -1)
    if outputs is None:
        return table
    if len(outputs) == 0 or not all(-table.shape[1] <= j < table.shape[1] for j in outputs):
        raise InputError("output_unknown", outputs=str(list(outputs)), count=table.shape[1])
    return table[:, list(outputs)]


def _spread_given(spread: object, d: int) -> Float[np.ndarray, " d"]:
    """Return the given spreads, one an input, none negative."""
    array = real_array(spread, "spread", 1)
    if array.size != d:
        raise InputError("length_differs", name="spread", found=array.size, wanted=d)
    if (array < 0).any():
        raise InputError("option_range", name="spread", value=float(array.min()), wanted=">= 0")
    return array


@contextmanager
def _evaluating(model: Callable[..., Any]) -> Iterator[None]:
    """Put every module of a model into evaluation mode, and each one back into its own mode afterwards."""
    import torch

    modules = list(model.modules()) if isinstance(model, torch.nn.Module) else []
    modes = [module.training for module in modules]
    for module in modules:
        module.training = False
    try:
        yield
    finally:
        for module, mode in zip(modules, modes, strict=True):
            module.training = mode


def _torch_rows(model: Callable[..., Any], X: Any) -> torch.Tensor:
    """Return a copy of the sample as the model takes it, of which gradients can be asked."""
    import torch

    given = X.detach() if isinstance(X, torch.Tensor) else torch.tensor(_checked(X))
    if not torch.isfinite(given).all():
        require_finite(given.double().cpu().reshape(given.shape[0], -1).numpy(), "X")
    first = next(model.parameters(), None) if isinstance(model, torch.nn.Module) else None
    like = given if first is None else first
    kind = like.dtype if like.is_floating_point() else torch.get_default_dtype()
    return given.to(device=like.device, dtype=kind).clone().requires_grad_()


def _checked(X: object) -> np.ndarray:
    """Return a finite array `(n, ...)` in its own precision."""
    array = np.asarray(X)
    checked = real_array(array, "X", max(array.ndim, 2))
    return array if array.dtype in (np.float32, np.float64) else checked
