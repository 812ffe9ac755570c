"""A function that JAX traced, as a flat list of steps that can be read and run with changes.

Calls are opened (`jit`, `remat`), so that a layer inside a nested function is seen like any other; rules of
differentiation that a function brings along (`custom_jvp`, `custom_vjp`) stay closed and are obeyed. Steps whose
results nothing needs are dropped.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import jax
import numpy as np
from jax.extend.core import ClosedJaxpr, Jaxpr, Literal

from thalweg.adapted.views import View

CALLS = ("jit", "pjit", "closed_call", "core_call", "remat", "remat2", "checkpoint")
"""Primitives that only call another program."""

RANDOM = (
    "random_seed",
    "random_bits",
    "random_fold_in",
    "random_split",
    "threefry2x32",
    "rng_bit_generator",
    "rng_uniform",
)
"""Primitives that make random numbers."""

REDUCTIONS = (
    "reduce_sum",
    "reduce_max",
    "reduce_min",
    "reduce_prod",
    "argmax",
    "argmin",
    "sort",
    "cumsum",
    "cumlogsumexp",
)
"""Primitives that mix the entries along some axes."""


@dataclass(frozen=True)
class Step:
    """One primitive; inputs are numbers of variables, or literal values."""

    equation: Any
    inputs: tuple[int | Literal, ...]
    outputs: tuple[int, ...]

    @property
    def name(self) -> str:
        """Name of the primitive."""
        return self.equation.primitive.name

    @property
    def params(self) -> dict[str, Any]:
        """Parameters of the primitive."""
        return self.equation.params

    @property
    def input_shapes(self) -> list[tuple[int, ...]]:
        """Shapes of the inputs."""
        return [atom.aval.shape for atom in self.equation.invars]

    @property
    def output_shape(self) -> tuple[int, ...]:
        """Shape of the first output."""
        return self.equation.outvars[0].aval.shape

    @property
    def output_dtype(self) -> Any:
        """Type of the entries of the first output."""
        return self.equation.outvars[0].aval.dtype

    def variables(self) -> list[int]:
        """Return the inputs that are variables."""
        return [atom for atom in self.inputs if isinstance(atom, int)]

    def run(self, values: Sequence[Any]) -> list[Any]:
        """Return the outputs for given inputs."""
        primitive = self.equation.primitive
        with self.equation.ctx.manager:
            found = primitive.bind(*values, **primitive.get_bind_params(self.params))
        return list(found) if primitive.multiple_results else [found]


@dataclass(frozen=True)
class Program:
    """Steps from inputs and constants to one output; `traced` is what JAX gave."""

    inputs: tuple[int, ...]
    constants: dict[int, Any]
    steps: tuple[Step, ...]
    output: int
    traced: ClosedJaxpr

    def fingerprint(self) -> str:
        """Return a digest of all steps and constants: two functions with the same one compute the same."""
        digest = hashlib.blake2b(str(self.traced).encode())
        for value in self.constants.values():
            array = np.asarray(value)
            digest.update(f"{array.dtype}{array.shape}".encode() + array.tobytes())
        return digest.hexdigest()

    def uses(self) -> dict[int, list[Step]]:
        """Return the steps that read each variable, a step as often as it reads it."""
        found: dict[int, list[Step]] = {}
        for step in self.steps:
            for number in step.variables():
                found.setdefault(number, []).append(step)
        return found

    def depends_on(self, number: int) -> set[int]:
        """Return all variables whose values may change with one of them."""
        reached = {number}
        for step in self.steps:
            if not reached.isdisjoint(step.variables()):
                reached.update(step.outputs)
        return reached

    def run(self, inputs: Sequence[Any], taps: dict[int, Any], wanted: Sequence[int]) -> tuple[Any, list[Any]]:
        """Return the output and the wanted variables, with `taps[v]` added to variable `v` where it is made."""
        values = {**self.constants, **dict(zip(self.inputs, inputs, strict=True))}
        for step in self.steps:
            found = step.run([values[a] if isinstance(a, int) else a.val for a in step.inputs])
            for number, value in zip(step.outputs, found, strict=True):
                values[number] = value + taps[number] if number in taps else value
        return values[self.output], [values[number] for number in wanted]


def trace(function: Callable[..., Any], *arguments: Any) -> Program:
    """Return the program of a function of arrays with one output array; arguments may be shapes alone."""
    closed = jax.make_jaxpr(function)(*arguments)
    steps: list[Step] = []
    constants: dict[int, Any] = {}
    numbers = iter(range(2**62))
    inputs = tuple(next(numbers) for _ in closed.jaxpr.invars)
    (output,) = _opened(closed.jaxpr, closed.consts, inputs, steps, constants, numbers)
    if not isinstance(output, int):  # a number that depends on nothing
        constants[number := next(numbers)] = jax.numpy.asarray(output.val)
        output = number
    return Program(inputs, constants, _needed(_folded(steps, constants), output), output, closed)


def _opened(
    jaxpr: Jaxpr,
    consts: Sequence[Any],
    inputs: Sequence[int | Literal],
    steps: list[Step],
    constants: dict[int, Any],
    numbers: Iterator[int],
) -> list[int | Literal]:
    """Append the steps of a program, calls opened, and return what stands for its outputs."""
    names: dict[Any, int | Literal] = dict(zip(jaxpr.invars, inputs, strict=True))
    for variable, value in zip(jaxpr.constvars, consts, strict=True):
        names[variable] = number = next(numbers)
        constants[number] = value

    def named(atom: Any) -> int | Literal:
        return atom if isinstance(atom, Literal) else names[atom]

    for equation in jaxpr.eqns:
        read = tuple(named(atom) for atom in equation.invars)
        inner = called(equation)
        if inner is None:
            written = tuple(next(numbers) for _ in equation.outvars)
            steps.append(Step(equation, read, written))
        else:
            written = _opened(*inner, read, steps, constants, numbers)
        names.update(zip(equation.outvars, written, strict=True))
    return [named(atom) for atom in jaxpr.outvars]


def called(equation: Any) -> tuple[Jaxpr, Sequence[Any]] | None:
    """Return the program that an equation only calls, with its constants; None for any other equation."""
    if equation.primitive.name not in CALLS:
        return None
    inner = equation.params.get("jaxpr", equation.params.get("call_jaxpr"))
    return (inner.jaxpr, inner.consts) if isinstance(inner, ClosedJaxpr) else (inner, ())


def _folded(steps: list[Step], constants: dict[int, Any]) -> list[Step]:
    """Return the steps that depend on inputs; scalars made of constants alone (`jnp.sqrt(3)`) join the constants."""
    left = []
    for step in steps:
        known = all(not isinstance(a, int) or a in constants for a in step.inputs)
        if known and len(step.outputs) == 1 and step.output_shape == () and not any(step.input_shapes):
            (constants[step.outputs[0]],) = step.run([
                constants[a] if isinstance(a, int) else a.val for a in step.inputs
            ])
        else:
            left.append(step)
    return left


def _needed(steps: list[Step], output: int) -> tuple[Step, ...]:
    needed, kept = {output}, []
    for step in reversed(steps):
        if not needed.isdisjoint(step.outputs):
            needed.update(step.variables())
            kept.append(step)
    return tuple(reversed(kept))


def followed(program: Program, step: Step, view: View, place: int) -> View | None:
    """Return the output of a step as a view, where input `place` is one; None if the step is more than a new order."""
    params, name = step.params, step.name
    if name == "transpose":
        return view.transposed(params["permutation"])
    if name == "squeeze" or (name == "reshape" and params["dimensions"] is None):
        return view.reshaped(step.output_shape)
    if name == "broadcast_in_dim" and len(step.inputs) == 1:
        return view.broadcast(params["shape"], tuple(map(int, params["broadcast_dimensions"])))
    if name == "convert_element_type" and jax.numpy.issubdtype(params["new_dtype"], jax.numpy.floating):
        return view
    if name == "copy":
        return view
    if name == "neg":
        return view.times(-1.0)
    number = _scalar(program, step.inputs[1 - place]) if name == "mul" or (name == "div" and place == 0) else None
    if number is None or number == 0.0 or not math.isfinite(number):
        return None
    return view.times(1.0 / number if name == "div" else number)


def _scalar(program: Program, atom: int | Literal) -> float | None:
    """Return the value of a scalar constant; None for anything else."""
    value = program.constants.get(atom) if isinstance(atom, int) else atom.val
    return None if value is None or jax.numpy.shape(value) else float(value)


def primitives(closed: ClosedJaxpr) -> Iterator[Any]:
    """Yield all equations of a program, those inside calls, loops and branches included."""
    yield from _equations(closed.jaxpr)


def _equations(jaxpr: Jaxpr) -> Iterator[Any]:
    for equation in jaxpr.eqns:
        yield equation
        for value in equation.params.values():
            for inner in value if isinstance(value, (tuple, list)) else (value,):
                if isinstance(inner, (Jaxpr, ClosedJaxpr)):
                    yield from _equations(inner.jaxpr if isinstance(inner, ClosedJaxpr) else inner)


def reductions_over(closed: ClosedJaxpr, size: int) -> list[str]:
    """Return the reductions and products over an axis of this size, in words of JAX, with `N` for the size."""
    found = []
    for equation in primitives(closed):
        name = equation.primitive.name
        shapes = [atom.aval.shape for atom in equation.invars if hasattr(atom.aval, "shape")]
        axes = _mixed_axes(equation, name)
        for shape, mixed in zip(shapes, axes, strict=False):
            if any(shape[axis] == size for axis in mixed):
                shown = ", ".join("N" if n == size else str(n) for n in shape)
                found.append(f"{name}({shown})")
    return list(dict.fromkeys(found))


def _mixed_axes(equation: Any, name: str) -> list[tuple[int, ...]]:
    if name == "dot_general":
        (left, right), _ = equation.params["dimension_numbers"]
        return [tuple(left), tuple(right)]
    if name not in REDUCTIONS:
        return []
    axes = equation.params.get("axes", (equation.params.get("axis", equation.params.get("dimension", 0)),))
    return [tuple(axes)]


def random_steps(closed: ClosedJaxpr) -> list[str]:
    """Return the primitives that make random numbers."""
    return list(dict.fromkeys(e.primitive.name for e in primitives(closed) if e.primitive.name in RANDOM))


def narrowed(closed: ClosedJaxpr) -> list[str]:
    """Return the types of fewer than 64 bits that floats are converted to on the way."""
    floating = jax.numpy.floating
    found = [
        str(np.dtype(equation.params["new_dtype"]))
        for equation in primitives(closed)
        if equation.primitive.name == "convert_element_type"
        and jax.numpy.issubdtype(equation.params["new_dtype"], floating)
        and jax.numpy.issubdtype(equation.invars[0].aval.dtype, floating)
        and np.dtype(equation.params["new_dtype"]).itemsize < equation.invars[0].aval.dtype.itemsize
    ]
    return list(dict.fromkeys(found))
