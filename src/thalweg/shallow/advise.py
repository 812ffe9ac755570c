"""What is left to do: the steps that remain by each method, when to stop, and how to finish with mini-batches.

Rates are those of the quadratic model at the minimiser of the basin, which is found first (`settling.py`): with the
condition number kappa = L / mu of its Hessian gradient descent shrinks the error by (kappa - 1)/(kappa + 1) a step,
heavy ball by (sqrt(kappa) - 1)/(sqrt(kappa) + 1), Nesterov's method by 1 - 1/sqrt(kappa), Gauss-Newton by max |k|
(theorem T3), and Newton's method squares it (specification, section 5.6). Inside a certified ellipsoid the remaining
loss is proved to be at most `gz^2 / (2 mu_z)` at the current net: that is the stopping rule.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from thalweg.numerics.options import real_number, whole_number
from thalweg.records import Cell, Certificate, Statement, Verdict
from thalweg.shallow.averaging import AveragingPlan, plan_averaging
from thalweg.shallow.certificate import certify_objective
from thalweg.shallow.derivatives import Objective, objective
from thalweg.shallow.first_order import first_order_methods, steps_needed
from thalweg.shallow.focal import FocalSpectrum, focal_spectrum
from thalweg.shallow.net import ShallowNet
from thalweg.shallow.settling import Settled, settle

TOLERANCE = 1e-8
"""Default of the loss that may remain, relative to the variance of the targets: no forecast can tell the difference."""

SENTENCES = {
    "gradient_descent": ("remaining.descent", "remaining.descent_never", "remaining.prefer_descent"),
    "heavy_ball": ("remaining.heavy_ball", "remaining.heavy_ball_never", "remaining.prefer_heavy_ball"),
    "nesterov": ("remaining.nesterov", "remaining.nesterov_never", "remaining.prefer_nesterov"),
    "gauss_newton": ("remaining.gauss_newton", "remaining.gauss_newton_never", "remaining.prefer_gauss_newton"),
    "newton": ("remaining.newton", "remaining.newton_never", "remaining.prefer_newton"),
}
"""What is said of each method: if it arrives, if it does not, if it is the cheapest."""


@dataclass(frozen=True)
class MethodAdvice:
    """What remains to be done by one method.

    Attributes
    ----------
    name : str
        `gradient_descent`, `heavy_ball`, `nesterov`, `gauss_newton` or `newton`.
    rate : float
        Factor of the error a step in the worst direction; 0 for Newton's method, from 1 on it does not converge.
    worst : float
        Steps after the rate alone: those of an error in the worst direction.
    steps : int or None
        Steps from this net; None if the method does not get there.
    operations : float
        Multiplications of all these steps.
    step, momentum : float
        Its best constants; NaN where it has none.
    """

    name: str
    rate: float
    worst: float
    steps: int | None
    operations: float
    step: float = math.nan
    momentum: float = math.nan


@dataclass(frozen=True, eq=False)
class Advice:
    """What remains of training a net.

    Attributes
    ----------
    minimiser : ShallowNet or None
        The bottom of the basin, polished; None: no strict minimum was reached, and there is no further advice.
    loss, remaining : float
        J at the net, and how much of it the minimiser saves.
    tolerance : float
        Loss that may remain.
    smallest, largest, condition : float
        Extreme eigenvalues of the Hessian at the minimiser, and their ratio.
    focal : FocalSpectrum or None
        At the minimiser.
    methods : tuple of MethodAdvice
        By the operations that remain, least first.
    averaging : AveragingPlan or None
        How to finish with mini-batches.
    certificate : Certificate or None
        Of the net as it is.
    proved_gap : float
        Proved bound of what the loss of the net exceeds its local minimum by; infinite where nothing is proved.
    """

    minimiser: ShallowNet | None
    loss: float
    remaining: float
    tolerance: float
    smallest: float
    largest: float
    condition: float
    focal: FocalSpectrum | None
    methods: tuple[MethodAdvice, ...]
    averaging: AveragingPlan | None
    certificate: Certificate | None
    proved_gap: float

    @property
    def recommended(self) -> MethodAdvice | None:
        """The method with the fewest operations left; None if nothing is left, or no method gets there."""
        able = [method for method in self.methods if method.steps]
        return able[0] if able else None

    @property
    def may_stop(self) -> bool:
        """Whether it is proved that no more than the tolerance is left."""
        return self.proved_gap <= self.tolerance

    def statements(self) -> tuple[Statement, ...]:
        """Return the advice, sentence by sentence."""
        if self.minimiser is None:
            return (Statement("remaining.no_minimum", {"smallest": self.smallest, "loss": self.loss}),)
        said = [_stopping(self)]
        values: dict[str, Cell] = {"condition": self.condition, "smallest": self.smallest, "largest": self.largest}
        said.append(Statement("remaining.condition", values))
        if self.focal is not None and self.focal.regular:
            said.append(Statement("remaining.focal", {"margin": self.focal.margin, "rate": self.focal.rate}))
        if self.remaining <= self.tolerance:
            return tuple(said)
        for method in self.methods:
            ends, never, _ = SENTENCES[method.name]
            values: dict[str, Cell] = {"steps": method.steps or 0, "rate": method.rate, "operations": method.operations}
            said.append(Statement(never if method.steps is None else ends, values))
        if self.recommended is not None:
            said.append(Statement(SENTENCES[self.recommended.name][2], {}))
        if self.averaging is not None:
            said += _mini_batches(self.averaging)
        return tuple(said)

    def __str__(self) -> str:
        return "\n".join(map(str, self.statements()))


def advise(
    net: ShallowNet,
    X: ArrayLike,
    y: ArrayLike,
    *,
    ridge: ArrayLike = 0.0,
    anchor: ArrayLike | ShallowNet | None = None,
    weights: ArrayLike | None = None,
    tolerance: float = TOLERANCE,
    batch: int | None = None,
) -> Advice:
    """Tell what remains of training a net, by each method, and whether it may stop now.

    Parameters
    ----------
    net
        A net, trained here or elsewhere, perhaps not to the end.
    X : array (n, d)
        Features, as the net sees them.
    y : array (n,) or (n, K)
        Targets.
    ridge, anchor, weights
        Of the loss.
    tolerance
        Loss above the minimum that may remain, relative to the variance of the targets.
    batch
        Rows of a mini-batch; by default as many as still allow a larger step.

    Returns
    -------
    Advice
        Rates, remaining steps, plan for mini-batches, proved remaining loss.

    Raises
    ------
    InputError
        If an argument is unusable, or the activation is outside the theorem.
    """
    real_number(tolerance, "tolerance", lambda t: 0 < t < math.inf, "> 0")
    if batch is not None:
        batch = whole_number(batch, "batch", 1)
    net.psi.require_analytic()
    data = objective(X, y, weights, ridge, anchor)
    loss = data.cost(net)
    gap = tolerance * _variance(data)
    certificate = certify_objective(net, data)
    proved = _proved_gap(certificate)
    bottom = settle(net, data)
    smallest, largest = float(bottom.eigenvalues[0]), float(bottom.eigenvalues[-1])
    if not bottom.is_minimum:
        return Advice(
            None, loss, math.nan, gap, smallest, largest, math.nan, None, (), None, certificate, proved
        )  # fmt: skip
    values, vectors = np.linalg.eigh(data.hessian(bottom.net))
    components = vectors.T @ (net.theta - bottom.net.theta)
    focal = focal_spectrum(bottom.net, data)
    remaining = max(0.0, loss - bottom.loss)
    methods = _first_order(net, data, values, components, gap)
    methods.append(_gauss_newton(net, data, focal, remaining, gap))
    methods.append(_newton(net, data, bottom, remaining, gap))
    methods.sort(key=lambda method: method.operations)
    plan = plan_averaging(bottom.net, data, (values, vectors), components, gap, batch)
    return Advice(
        bottom.net, loss, remaining, gap, smallest, largest, largest / smallest, focal, tuple(methods), plan,
        certificate, proved,
    )  # fmt: skip


def _proved_gap(certificate: Certificate) -> float:
    gap = certificate.margins.get("loss_gap")
    return float(gap.value) if certificate.verdict is Verdict.HOLDS and gap is not None else math.inf


def _variance(data: Objective) -> float:
    """Return the loss of the best constant, or of the data's size where they are constant."""
    centred = data.targets - data.weights @ data.targets
    spread = float(data.weights @ np.square(centred).sum(axis=1))
    return spread if spread > 0 else max(float(np.square(data.targets).max()), 1.0)


def _gradient_operations(net: ShallowNet, data: Objective) -> float:
    return 2.0 * data.n * net.width * (net.features + 1 + net.outputs)


def _matrix_operations(net: ShallowNet, data: Objective) -> float:
    columns = 1 + net.width * (net.features + 2)
    return float(data.n * columns**2 + net.parameter_count**3 / 3)


def _first_order(
    net: ShallowNet, data: Objective, values: np.ndarray, components: np.ndarray, gap: float
) -> list[MethodAdvice]:
    """Return gradient descent, heavy ball and Nesterov's method."""
    cost = _gradient_operations(net, data)
    # An error of this energy all in the slowest direction is the worst case for the rate.
    energy = 0.5 * float(values @ np.square(components))
    found = []
    for method in first_order_methods(float(values[0]), float(values[-1])):
        steps = steps_needed(method, values, components, gap)
        worst = _linear_steps(method.rate, energy, gap)
        operations = math.inf if steps is None else steps * cost
        found.append(
            MethodAdvice(method.name, method.rate, worst, steps, operations, method.step, method.momentum)
        )  # fmt: skip
    return found


def _linear_steps(rate: float, remaining: float, gap: float) -> float:
    """Return the steps of a linear rate; the loss falls with its square."""
    if remaining <= gap:
        return 0.0
    if not rate < 1:
        return math.inf
    return 1.0 if rate == 0 else 0.5 * math.log(remaining / gap) / -math.log(rate)


def _gauss_newton(net: ShallowNet, data: Objective, focal: FocalSpectrum, remaining: float, gap: float) -> MethodAdvice:
    rate = focal.rate if focal.regular else math.inf
    worst = _linear_steps(rate, remaining, gap)
    steps = math.ceil(worst) if math.isfinite(worst) else None
    operations = math.inf if steps is None else steps * _matrix_operations(net, data)
    return MethodAdvice("gauss_newton", rate, worst, steps, operations)


def _newton(net: ShallowNet, data: Objective, bottom: Settled, remaining: float, gap: float) -> MethodAdvice:
    """Return Newton's method: as many steps as it really took, if it went all the way."""
    steps = 0 if remaining <= gap else bottom.newton_steps
    worst = 0.0 if remaining <= gap else max(1.0, math.log2(max(2.0, 0.5 * math.log(remaining / gap))))
    operations = math.inf if steps is None else steps * _matrix_operations(net, data)
    return MethodAdvice("newton", 0.0, worst, steps, operations)


def _stopping(advice: Advice) -> Statement:
    values: dict[str, Cell] = {"gap": advice.proved_gap, "tolerance": advice.tolerance, "remaining": advice.remaining}
    if advice.may_stop:
        return Statement("remaining.stop", values)
    proved = math.isfinite(advice.proved_gap)
    return Statement("remaining.go_on_proved" if proved else "remaining.go_on", values)


def _mini_batches(plan: AveragingPlan) -> list[Statement]:
    if not math.isfinite(plan.steps):
        return [Statement("remaining.averaging_never", {"batch": plan.batch})]
    values: dict[str, Cell] = {
        "batch": plan.batch,
        "step": plan.first_step,
        "start": plan.averaging_start,
        "steps": plan.steps,
    }
    excess: dict[str, Cell] = {
        "average": plan.excess_average,
        "last": plan.excess_last,
        "constant": plan.excess_constant,
    }
    return [Statement("remaining.averaging", values), Statement("remaining.excess", excess)]
