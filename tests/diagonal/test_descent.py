"""Gradient descent with finite steps: against the weights themselves, and against its own limit."""

import numpy as np
import pytest

from tests.problems import PATHS
from thalweg.diagonal import descent_path, diagonal_flow, saddle_path
from thalweg.diagonal.descent import Descent, UnstableStep
from thalweg.diagonal.network import network
from thalweg.records import InputError, Outcome

A = PATHS[0]


def gaussian(seed, n, d):
    rng = np.random.default_rng(seed)
    return rng.standard_normal((n, d)), rng.standard_normal(n)


def literal_descent(X, y, form, alpha, step, batches):
    """Train the weights as any framework would; one row of coefficients before each step and after the last."""
    (name, depth), d = form, X.shape[1]
    u, v = (
        (np.full(d, np.sqrt(2) * alpha), np.zeros(d)) if form == ("uv", 2) else (np.full(d, alpha), np.full(d, alpha))
    )
    half = 0.5 if name == "w2half" else 1.0
    seen = []
    for rows in batches:
        b = u * v if name == "uv" else u**depth if name == "square" else half * (u**depth - v**depth)
        seen.append(b)
        g = X[rows].T @ (y[rows] - X[rows] @ b) / len(rows)
        if name == "uv":
            u, v = u + step * g * v, v + step * g * u
        elif name == "square":
            u = u + step * g * u ** (depth - 1)
        else:
            u, v = u + step * half * depth * g * u ** (depth - 1), v - step * half * depth * g * v ** (depth - 1)
    return np.array(seen)


@pytest.mark.parametrize(
    "form", [("uv", 2), ("w2half", 2), ("w2", 2), ("square", 2), ("w2", 3), ("w2half", 4), ("square", 3)], ids=str
)
def test_descent_is_that_of_the_weights(form):
    alpha = 1e-3 if form[1] == 2 else 0.05
    step, (X, y) = 0.05, gaussian(1, 6, 4)
    expected = literal_descent(X, y, form, alpha, step, [np.arange(6)] * 1501)
    shape = network(4, np.log10(alpha), parametrisation=form[0], depth=form[1])
    times = np.arange(0, 1501, 50) * step * shape.speed / shape.unit
    options = {"depth": form[1], "parametrisation": form[0], "step_size": step}
    found = diagonal_flow(X, y, log10_alpha=np.log10(alpha), times=times, **options)
    assert found.iterations == tuple(range(0, 1501, 50))
    assert found.coefficients == pytest.approx(expected[::50], abs=1e-9)


@pytest.mark.parametrize("batch", [1, 4, 5])
def test_minibatches_are_those_of_the_seed(batch):
    step, seed, (X, y) = 0.02, 7, gaussian(2, 13, 3)
    y = 6 * y
    batches = [
        rows
        for epoch in range(40)
        for order in [np.random.default_rng([seed, epoch]).permutation(13)]
        for rows in [order[i : i + batch] for i in range(0, 13, batch)]
    ]
    expected = literal_descent(X, y, ("w2half", 2), 1e-3, step, batches)
    times = np.arange(len(expected)) * step / -np.log(1e-3)
    found = diagonal_flow(X, y, log10_alpha=-3, times=times, step_size=step, batch_size=batch, seed=seed)
    assert found.coefficients == pytest.approx(expected, abs=1e-10)
    other = diagonal_flow(X, y, log10_alpha=-3, times=times, step_size=step, batch_size=batch, seed=8)
    assert np.abs(other.coefficients - expected).max() > 1e-3


def test_a_batch_of_all_rows_is_descent():
    X, y = gaussian(3, 9, 5)
    times = np.linspace(0.1, 4, 10)
    one, other = (
        diagonal_flow(X, y, log10_alpha=-8, times=times, step_size=0.05, batch_size=size) for size in (None, 9)
    )
    assert np.array_equal(one.coefficients, other.coefficients)


def test_plateaus_are_passed_over_exactly(monkeypatch):
    X, y = np.eye(3) * np.sqrt(3), np.array([1.9, -1.0, 0.2]) * np.sqrt(3)
    options = {"log10_alpha": -60, "times": np.linspace(0.1, 3, 8), "step_size": 0.4}
    quick = diagonal_flow(X, y, **options)
    monkeypatch.setattr(Descent, "_through_plateau", lambda self, pull, most: (1, pull))
    slow = diagonal_flow(X, y, **options)
    assert quick.coefficients == pytest.approx(slow.coefficients, abs=1e-8)
    assert slow.steps == slow.iterations[-1] and quick.steps < 0.7 * slow.steps


def test_deep_networks_pass_over_their_longer_plateaus():
    X, y = np.eye(2) * np.sqrt(2), np.array([0.6, -0.1]) * np.sqrt(2)  # the first jump at 1 / 0.6
    found = diagonal_flow(X, y, log10_alpha=-30, times=[1.666, 1.667], step_size=0.4, depth=3)
    assert found.coefficients[:, 0] == pytest.approx([0, 0.6], abs=1e-6)
    assert found.iterations[-1] > 1e29 and found.steps < 4e4


def test_wide_data_descend_alike():
    X, y = gaussian(4, 3, 8)
    wide = diagonal_flow(X, y, log10_alpha=-5, times=[1.0, 4.0], step_size=0.05)
    twice = diagonal_flow(np.vstack([X] * 6), np.tile(y, 6), log10_alpha=-5, times=[1.0, 4.0], step_size=0.05)
    assert wide.coefficients == pytest.approx(twice.coefficients, abs=1e-10)


def test_small_steps_are_the_flow():
    times = np.array([0.4, 1.0, 3.0])
    flow = diagonal_flow(A.X, A.y, log10_alpha=-4, times=times)
    fine = diagonal_flow(A.X, A.y, log10_alpha=-4, times=times, step_size=5e-3)
    assert fine.coefficients == pytest.approx(flow.coefficients, abs=3e-2)
    assert fine.dual == pytest.approx(flow.dual, abs=2e-2) and fine.dual_minus == pytest.approx(-flow.dual, abs=2e-2)


def test_golden_i_the_limit_of_descent():
    path = descent_path(A.X, A.y, step_size=0.1)
    assert path.times == pytest.approx([0.1 / np.log(1.2), 1.8478402161, 6.4774450788], abs=1e-9)
    assert path.times[0] == pytest.approx(0.5484814948, abs=1e-9)
    assert path.coefficients[1:] == pytest.approx(np.array(A.saddles), abs=1e-12)
    assert path.losses == pytest.approx(A.losses, abs=1e-12)
    assert ((path.dual_plus + path.dual_minus) <= 1e-15).all()  # the two duals drift down together
    assert (np.maximum(path.dual_plus, path.dual_minus) <= 1).all() and path.outcome is Outcome.INTERPOLATED
    slower = descent_path(A.X, A.y, step_size=0.02)
    assert slower.times == pytest.approx([0.50993, 1.76991, 6.888], abs=1e-3)


@pytest.mark.parametrize("log10_alpha", [-100, -400])
def test_golden_i_simulated_misses_its_limit_by_a_constant_over_the_logarithm(log10_alpha):
    limit, l = descent_path(A.X, A.y, step_size=0.1), -log10_alpha * np.log(10)
    late = []
    for k, t in enumerate(limit.times):
        around = t + np.linspace(-5, 15, 201) / l
        losses = diagonal_flow(A.X, A.y, log10_alpha=log10_alpha, times=around, step_size=0.1).losses
        late.append(l * (np.interp(-(limit.losses[k] + limit.losses[k + 1]) / 2, -losses, around) - t))
    # One iteration is 0.1 of these units.
    assert late == pytest.approx([-0.04, -0.28, 7.05], abs=0.1)


def test_the_limit_is_what_descent_does():
    X, y = gaussian(5, 5, 3)
    path = descent_path(X, y, step_size=0.2)
    flow_times = saddle_path(X, y).times
    assert path.count < flow_times.size or np.abs(path.times / flow_times[: path.count] - 1).max() > 1e-2
    middle = (path.times[:-1] + path.times[1:]) / 2
    found = diagonal_flow(X, y, log10_alpha=-800, times=middle, step_size=0.2)
    assert found.coefficients == pytest.approx(path.coefficients[1:-1], abs=1e-6)
    for k, (dual, dual_minus) in enumerate(zip(found.dual, found.dual_minus, strict=True), start=1):
        assert dual == pytest.approx((path.dual_plus[k] + path.dual_plus[k + 1]) / 2, abs=0.02)
        assert dual_minus == pytest.approx((path.dual_minus[k] + path.dual_minus[k + 1]) / 2, abs=0.02)
    assert found.stability == pytest.approx(path.stability[1:-1], abs=1e-6)


@pytest.mark.parametrize("problem", PATHS, ids=lambda p: p.name)
def test_with_vanishing_step_the_limit_is_the_saddle_path(problem):
    exact, fine = saddle_path(problem.X, problem.y), descent_path(problem.X, problem.y, step_size=1e-8)
    assert fine.times == pytest.approx(exact.times, rel=1e-6)
    for k in range(exact.count + 1):
        assert problem.X @ fine.coefficients[k] == pytest.approx(problem.X @ exact.coef(k), abs=1e-9)


def test_forms_differ_by_their_effective_step():
    one, other = descent_path(A.X, A.y, step_size=0.1), descent_path(A.X, A.y, step_size=0.05, parametrisation="w2")
    assert other.times == pytest.approx(one.times) and other.stability == pytest.approx(one.stability)
    X, y = gaussian(6, 9, 5)
    positive = descent_path(X, y, step_size=1e-9, parametrisation="square")
    assert positive.times == pytest.approx(saddle_path(X, y, positive=True).times, rel=1e-6)
    assert (positive.coefficients >= 0).all()


def test_copies_share_and_opposite_copies_exchange_their_duals():
    X, y = gaussian(7, 6, 3)
    alone = descent_path(X, y, step_size=0.05)
    path = descent_path(np.column_stack([X, -X[:, 0]]), y, step_size=0.05)
    assert path.times == pytest.approx(alone.times)
    assert path.coefficients[:, 3] == pytest.approx(-alone.coefficients[:, 0] / 2)
    assert path.dual_plus[:, 3] == pytest.approx(alone.dual_minus[:, 0])


def test_large_steps_do_not_come_to_rest_and_are_said_to():
    X, y = np.eye(2) * np.sqrt(2), np.array([0.9, 0.45]) / np.sqrt(2) * 20  # pulls 9 and 4.5, no coupling
    path = descent_path(X, y, step_size=0.11)  # 0.11 * 9 < 1 and 0.11 * 9 * lambda_max = 0.99
    assert path.stability[1] == pytest.approx(0.99) and path.outcome is Outcome.INTERPOLATED
    steep = descent_path(X * 2, y / 2, step_size=0.11)  # the same pulls, four times the curvature, a quarter of b
    assert steep.stability[1] == pytest.approx(0.99)
    sharp = np.array([[1.0, 1.0], [-1.0, 1.0]]) * np.array([1.0, 3.0])  # the second column is steeper
    diverging = descent_path(sharp, np.array([1.0, 8.0]), step_size=0.07)
    assert diverging.outcome in (Outcome.DIVERGED, Outcome.INTERPOLATED)
    assert (diverging.stability[:-1] < 1).all()
    assert (diverging.outcome is Outcome.DIVERGED) == bool(diverging.stability[-1] >= 1)


def test_a_run_that_leaves_its_domain_ends_and_keeps_what_it_has():
    X, y = np.array([[1.0], [-1.0]]), np.array([5.0, 5.1])  # the rows nearly cancel: alone each pulls 100 times harder
    found = diagonal_flow(X, y, log10_alpha=-2, times=[0.0, 400.0], step_size=0.3, batch_size=1)
    assert found.outcome is Outcome.DIVERGED and found.times.tolist() == [0.0]
    with pytest.raises(UnstableStep):
        Descent(X, y, network(1, -1.0), 50.0, None, 0).advance(1, 1)


def test_spent_budgets_and_stops_are_said():
    X, y = gaussian(8, 6, 4)
    cut = diagonal_flow(X, y, log10_alpha=-5, times=[0.1, 50.0], step_size=0.01, max_steps=200)
    assert cut.outcome is Outcome.BUDGET_SPENT and cut.times.tolist() == [0.1] and cut.steps == 200
    assert descent_path(X, y, step_size=0.01, max_saddles=2).outcome is Outcome.STOPPED_ON_REQUEST
    assert descent_path(X, np.zeros(6), step_size=0.01).outcome is Outcome.NOTHING_TO_LEARN


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"step_size": 0.6}, "at saddle 0 one step would change a weight by 1.2 of its size"),
        ({"step_size": -1}, "step_size = -1"),
        ({"step_size": float("inf")}, "step_size = inf"),
        ({"parametrisation": "cnn"}, "w2half"),
    ],
)
def test_bad_steps_are_named(change, words):
    with pytest.raises(InputError, match=words):
        descent_path(A.X, A.y, **{"step_size": 0.1, **change})
    with pytest.raises(InputError, match=words):
        diagonal_flow(A.X, A.y, log10_alpha=-3, times=[1.0], **{"step_size": 0.1, **change})


@pytest.mark.parametrize(
    ("change", "words"),
    [({"max_saddles": -1}, "max_saddles = -1"), ({"tol": 2}, "tol = 2"), ({"y": np.ones(2)}, "3 rows, y has 2")],
)
def test_bad_input_of_the_limit_is_named(change, words):
    arguments = {"X": A.X, "y": A.y, "step_size": 0.1, **change}
    with pytest.raises(InputError, match=words):
        descent_path(arguments.pop("X"), arguments.pop("y"), **arguments)


@pytest.mark.parametrize(
    ("change", "words"),
    [({"batch_size": 0}, "batch_size = 0"), ({"batch_size": 4}, "batch_size = 4"), ({"seed": -1}, "seed")],
)
def test_bad_batches_are_named(change, words):
    with pytest.raises(InputError, match=words):
        diagonal_flow(A.X, A.y, log10_alpha=-3, times=[1.0], step_size=0.1, **change)


def test_the_limit_refuses_a_step_that_becomes_too_large_later():
    # The first jump removes the target's pull on column 1 and leaves a larger one on column 2, which it had hidden.
    X = np.array([[1.0, -2.0], [0.0, 3.0], [0.0, 0.0]])
    y = np.array([3.0, 2.5, 0.0])
    g0 = np.abs(X.T @ y / 3).max()
    g1 = np.abs(X.T @ (y - X @ saddle_path(X, y).coef(1)) / 3).max()
    assert g1 > g0
    with pytest.raises(InputError, match="at saddle 1"):
        descent_path(X, y, step_size=2 / (g0 + g1))
