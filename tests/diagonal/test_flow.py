"""The flow from finite initialisations: the map, the clocks, the depths, and the path it tends to."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.integrate import solve_ivp
from scipy.optimize import nnls

from tests.diagonal.flow import flow_at, mid_plateaus
from tests.problems import PATHS
from thalweg.diagonal import diagonal_flow, saddle_path
from thalweg.diagonal.motion import Motion, PrecisionLost
from thalweg.diagonal.network import network
from thalweg.diagonal.rosenbrock import rosenbrock_step
from thalweg.records import InputError, Outcome

A = PATHS[0]
FORMS = [("uv", 2), ("w2half", 2), ("w2", 2), ("square", 2), ("w2", 3), ("w2half", 3), ("uv", 4), ("square", 4)]


def gaussian(seed, n=20, d=40):
    rng = np.random.default_rng(seed)
    return rng.standard_normal((n, d)), rng.standard_normal(n)


def trained_weights(X, y, form, alpha, times):
    """Integrate the weights themselves in the original time of gradient flow; no reference to duals or logarithms."""
    (name, depth), (n, d) = form, X.shape

    def coefficients(w):
        if name == "uv" and depth == 2:
            return w[0] * w[1]
        if name == "square":
            return w[0] ** depth
        return (w[0] ** depth - w[1] ** depth) / (2 if name == "w2half" else 1)

    def rate(t, flat):
        w = flat.reshape(2, d)
        g = X.T @ (y - X @ coefficients(w)) / n
        if name == "uv" and depth == 2:
            return np.concatenate([g * w[1], g * w[0]])
        if name == "square":  # each of the layers, all equal, has the product of the others as its gradient
            return np.concatenate([g * w[0] ** (depth - 1), 0 * g])
        factor = depth / (2 if name == "w2half" else 1)
        return np.concatenate([factor * g * w[0] ** (depth - 1), -factor * g * w[1] ** (depth - 1)])

    start = np.full((2, d), alpha)
    if (name, depth) == ("uv", 2):
        start = np.array([np.full(d, np.sqrt(2) * alpha), np.zeros(d)])
    done = solve_ivp(rate, (0, max(times)), start.ravel(), method="LSODA", t_eval=times, rtol=1e-11, atol=alpha * 1e-13)
    return np.array([coefficients(w.reshape(2, d)) for w in done.y.T])


def test_golden_h_the_map_from_duals_to_coefficients():
    found = network(3, -100.0).coefficients(np.array([1, 0.999, -1.001]))
    assert found == pytest.approx([0.5, 0.3154786722, -0.7924465962], abs=1e-10)


@pytest.mark.parametrize("form", FORMS, ids=str)
def test_every_clock_is_that_of_the_weights(form):
    # In the original time of gradient flow with unit step (table of section 1.1 of the theory): alpha^(D-2) moderate.
    log10_alpha = {2: -6, 3: -3, 4: -1.5}[form[1]]
    alpha = 10.0**log10_alpha
    length = -log10_alpha * np.log(10)
    unit = {
        ("uv", 2): length, ("w2half", 2): length, ("w2", 2): length / 2, ("square", 2): length,
        ("w2", 3): 1 / (3 * alpha), ("w2half", 3): 2 / (3 * alpha),
        ("uv", 4): 1 / (8 * alpha**2), ("square", 4): 1 / (2 * alpha**2),
    }[form]  # fmt: skip
    times = np.array([0.3, 0.49, 0.5, 0.53, 1.0, 1.7, 1.8, 4.0, 6.9, 7.3])
    flow = diagonal_flow(
        A.X, A.y, log10_alpha=log10_alpha, times=times, depth=form[1], parametrisation=form[0], tol=1e-7
    )
    assert flow.coefficients == pytest.approx(trained_weights(A.X, A.y, form, alpha, times * unit), abs=2e-5)


@pytest.mark.parametrize(
    ("form", "words"),
    [
        (("uv", 2), "t / ln(1/alpha)"),
        (("w2", 2), "2 t / ln(1/alpha)"),
        (("square", 2), "t / ln(1/alpha)"),
        (("w2", 3), "3 alpha^1 t"),
        (("square", 4), "2 alpha^2 t"),
    ],
)
def test_the_clock_says_what_it_is(form, words):
    assert network(1, -1.0, parametrisation=form[0], depth=form[1]).clock == words


@pytest.mark.parametrize("form", [*FORMS, ("uv", 6)], ids=str)
def test_in_that_clock_all_forms_rest_at_the_same_saddles(form):
    path = saddle_path(A.X, A.y, positive=form[0] == "square")
    times = mid_plateaus(path)
    flow = diagonal_flow(A.X, A.y, log10_alpha=-1e6, times=times, depth=form[1], parametrisation=form[0])
    for time, b in zip(times, flow.coefficients, strict=True):
        assert b == pytest.approx(path.coef_at(time), abs=2e-6)  # the end of example A is approached like 1/t


@pytest.mark.parametrize("depth", [3, 4, 6])
def test_jumps_of_deep_networks_are_those_of_depth_two(depth):
    times = A.times * np.array([[1 - 1e-9], [1 + 1e-9]])
    flow = diagonal_flow(A.X, A.y, log10_alpha=-50, times=np.sort(times.ravel()), depth=depth)
    for k in range(3):
        before, after = flow.coefficients[2 * k], flow.coefficients[2 * k + 1]
        assert before == pytest.approx(saddle_path(A.X, A.y).coef(k), abs=1e-6)
        assert after == pytest.approx(A.saddles[k], abs=1e-6)


@pytest.mark.parametrize("depth", [2, 3])
def test_a_whole_path_at_an_alpha_no_number_can_hold(depth):
    X, y = gaussian(0, 6, 8)
    path = saddle_path(X, y)
    times = mid_plateaus(path)
    flow = diagonal_flow(X, y, log10_alpha=-1e6, times=times, depth=depth)
    assert flow.outcome is Outcome.CONVERGED and path.count > 5
    for k, b in enumerate(flow.coefficients, start=1):
        assert b == pytest.approx(path.coef(k), abs=1e-7)
        assert flow.losses[k - 1] == pytest.approx(path.losses[k], abs=1e-9)
        assert flow.dual[k - 1] == pytest.approx(path.dual_at(times[k - 1]), abs=1e-4)
    assert flow.residuals == pytest.approx(y - flow.coefficients @ X.T)


def settled(path, X, l):
    """Tell for every plateau whether `l Delta min(rate) >= 60`, rates of leavers, entrants and contraction (B5)."""
    enough = [True]
    for k in range(1, path.count):
        P = path.supports[k]
        pull = np.abs(path.dual(k + 1) - path.dual(k)) / (path.times[k] - path.times[k - 1])
        root = np.sqrt(np.abs(path.values[k]))
        rate = np.linalg.eigvalsh((X[:, P] * root).T @ (X[:, P] * root))[0] / X.shape[0]
        moving = (np.abs(path.dual(k)) > 1 - 1e-9) | (np.abs(path.dual(k + 1)) > 1 - 1e-9)
        moving[P] = False
        enough.append(2 * l * (path.times[k] - path.times[k - 1]) * min(rate, pull[moving].min()) >= 60)
    return enough


@settings(max_examples=6)
@given(st.integers(0, 2**32 - 1))
def test_invariant_15_plateaus_that_last_are_reached(seed):
    X, y = gaussian(seed, 5, 7)
    path = saddle_path(X, y)
    flow = diagonal_flow(X, y, log10_alpha=-300, times=mid_plateaus(path))
    enough = settled(path, X, 300 * np.log(10))
    for k in range(1, path.count):
        if enough[k] and enough[k - 1]:
            assert flow.coefficients[k - 1] == pytest.approx(path.coef(k), abs=1e-6)


@settings(max_examples=12)
@given(
    st.integers(0, 2**32 - 1), st.tuples(st.integers(1, 5), st.integers(1, 5)), st.sampled_from([-0.3, -2, -30, -1e4])
)
def test_integer_problems_with_every_degeneracy_agree_with_the_oracle(seed, shape, log10_alpha):
    rng = np.random.default_rng(seed)
    X, y = rng.integers(-2, 3, shape).astype(float), rng.integers(-3, 4, shape[0]).astype(float)
    times = np.array([0.3, 1.0, 5.0])
    flow = diagonal_flow(X, y, log10_alpha=log10_alpha, times=times)
    assert flow.times.size == 3 and np.isfinite(flow.coefficients).all()
    if log10_alpha > -40:
        oracle = flow_at(X, y, times, log_inverse_alpha=-log10_alpha * np.log(10))
        assert flow.losses == pytest.approx(((y - oracle @ X.T) ** 2).sum(axis=1) / (2 * y.size), abs=1e-3)
    else:
        path = saddle_path(X, y, tie_break="entropy")
        away = [t for t in range(3) if not path.count or np.abs(path.times / times[t] - 1).min() > 1e-2]
        for t in away:
            assert flow.losses[t] == pytest.approx(path.losses[path.saddle_at(times[t])], abs=1e-3)


def test_jump_times_are_late_by_a_constant_over_the_logarithm():
    # Section 3.2: (t_jump - t_k) l for the half of each loss step is constant to three digits.
    losses = np.array(A.losses)
    for log10_alpha in (-30, -100):
        l = -log10_alpha * np.log(10)
        late = []
        for k, t in enumerate(A.times):
            around = t + np.linspace(-3, 12, 76) / l
            found = diagonal_flow(A.X, A.y, log10_alpha=log10_alpha, times=around).losses
            late.append(l * (np.interp(-(losses[k] + losses[k + 1]) / 2, -found, around) - t))
        assert late == pytest.approx([-0.00148, -0.234, 6.89], abs=1e-2)


def test_exponents_move_the_thresholds_and_the_end():
    X, y = gaussian(3, 6, 9)
    a = np.random.default_rng(4).uniform(0.5, 2, 9)
    path = saddle_path(X, y, init_exponents=a)
    flow = diagonal_flow(X, y, log10_alpha=-1e5, times=mid_plateaus(path), init_exponents=a)
    for k, b in enumerate(flow.coefficients, start=1):
        assert b == pytest.approx(path.coef(k), abs=1e-7)


def test_factors_vanish_for_depth_two_and_stay_above():
    X, y = np.eye(2) * np.sqrt(2), np.array([3.0, 1.0]) / np.sqrt(2)  # pulls 1.5 and 0.5, no coupling
    c = np.array([0.5, 1.0])
    # depth 2: the threshold moves by -ln(c)/l; half of 1.5 is at ln(2 * 1.5)/(2 * 1.5 l) after it
    l = 50 * np.log(10)
    half = (1 - np.log(0.5) / l) / 1.5 + np.log(3) / (3 * l)
    assert diagonal_flow(X, y, log10_alpha=-50, times=[half], init_scale=c, tol=1e-9).coefficients[
        0, 0
    ] == pytest.approx(0.75, rel=1e-6)
    for depth in (3, 5):
        wall = 0.5 ** -(depth - 2.0) / 1.5
        flow = diagonal_flow(X, y, log10_alpha=-30, times=[wall * 0.999, wall * 1.001], depth=depth, init_scale=c)
        assert flow.coefficients[:, 0] == pytest.approx([0, 1.5], abs=1e-6)


def test_the_one_sided_network_ends_at_nonnegative_least_squares():
    X, y = gaussian(5, 9, 6)
    flow = diagonal_flow(X, y, log10_alpha=-1e5, times=[1e3], parametrisation="square")
    assert flow.coefficients[0] == pytest.approx(nnls(X, y)[0], abs=1e-7) and flow.dual_minus is None
    assert flow.outcome is Outcome.CONVERGED


@pytest.mark.parametrize("depth", [2, 3])
def test_copies_share_equally_at_every_alpha(depth):
    X, y = gaussian(6, 5, 4)
    wider = np.column_stack([X, -X[:, 1], X[:, 1]])
    for log10_alpha in (-1.0, -1e3):
        b = diagonal_flow(wider, y, log10_alpha=log10_alpha, times=[2.0, 50.0], depth=depth).coefficients
        assert np.array_equal(b[:, 4], -b[:, 1]) and np.array_equal(b[:, 5], b[:, 1])
    end = saddle_path(wider, y)
    assert b[1] == pytest.approx(end.coef_at(50.0), abs=1e-6) and end.duplicates


def test_dependent_columns_share_as_the_entropy_split_says():
    X, y = np.array([[1, 0, 0.5], [0, 1, 0.5]]), np.array([1.0, 1.0])
    assert diagonal_flow(X, y, log10_alpha=-1e5, times=[6.0]).coefficients[0] == pytest.approx([2 / 3] * 3, abs=1e-6)


def test_what_is_seen_does_not_depend_on_when_else_one_looks():
    X, y = gaussian(1, 10, 15)
    many = np.linspace(0.5, 20, 20)
    alone = diagonal_flow(X, y, log10_alpha=-10, times=many[-1:]).coefficients[0]
    assert diagonal_flow(X, y, log10_alpha=-10, times=many).coefficients[-1] == pytest.approx(alone, abs=1e-6)


@pytest.mark.parametrize("scale", [1e-60, 1e60])
@pytest.mark.parametrize("depth", [2, 3])
def test_units_of_any_size_do_not_overflow(scale, depth):
    path = saddle_path(A.X, scale * A.y)
    with np.errstate(over="raise", invalid="raise", divide="raise"):
        flow = diagonal_flow(A.X, scale * A.y, log10_alpha=-1e4, times=mid_plateaus(path), depth=depth)
    for k, b in enumerate(flow.coefficients[:2], start=1):
        assert b == pytest.approx(path.coef(k), rel=1e-2 if scale > 1 else 1e-6, abs=1e-6 * scale)


def test_rows_beyond_the_columns_are_compressed_without_a_trace():
    X, y = gaussian(2, 200, 4)
    path = saddle_path(X, y)
    flow = diagonal_flow(X, y, log10_alpha=-1e4, times=[0.0, *mid_plateaus(path)])
    assert flow.residuals.shape == (path.count + 1, 200) and flow.losses[0] == pytest.approx(path.losses[0])
    assert flow.losses[1:] == pytest.approx(path.losses[1:])


def test_nothing_to_learn_and_spent_budgets_are_said():
    rested = diagonal_flow(np.eye(2), np.zeros(2), log10_alpha=-3, times=[0.0, 5.0])
    assert rested.outcome is Outcome.NOTHING_TO_LEARN and not rested.coefficients.any()
    X, y = gaussian(0, 8, 12)
    cut = diagonal_flow(X, y, log10_alpha=-5, times=[0.1, 50.0], max_steps=30)
    assert cut.outcome is Outcome.BUDGET_SPENT and cut.times.tolist() == [0.1] and len(cut.coefficients) == 1
    none = diagonal_flow(X, y, log10_alpha=-5, times=[50.0], max_steps=1)
    assert none.outcome is Outcome.BUDGET_SPENT and none.coefficients.shape == (0, 12) and "none" in repr(none)


def test_a_step_that_cannot_succeed_is_given_up(monkeypatch):
    monkeypatch.setattr(Motion, "_size_of", lambda self, errors, moved: np.nan)
    flow = diagonal_flow(np.eye(2), np.ones(2), log10_alpha=-3, times=[5.0])
    assert flow.outcome is Outcome.PRECISION_LOST and flow.times.size == 0
    with pytest.raises(PrecisionLost):
        Motion(np.eye(2), np.ones(2), network(2, -3.0), 1e-6).step()


def test_the_method_has_order_five_and_damps_stiff_components():
    def error(h):  # y' = -y^2, and the integral of y^2
        y, integral = np.array([1.0]), 0.0
        for _ in range(round(1 / h)):
            change, more = rosenbrock_step(lambda y: y**2, y, np.full((1, 1), -1.0), 2 * y[:, None], h)
            y, integral = y + change[0], integral + more[0, 0]
        return abs(y[0] - 0.5), abs(integral - 0.5)

    coarse, fine = error(0.1), error(0.05)
    assert all(c / f > 24 for c, f in zip(coarse, fine, strict=True))
    stiff, _ = rosenbrock_step(lambda y: y, np.ones(1), np.full((1, 1), -1e12), np.ones((1, 1)), 1.0)
    assert 1 + stiff[0, 0] == pytest.approx(0, abs=1e-9)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"log10_alpha": 0}, "log10_alpha = 0"),
        ({"log10_alpha": float("nan")}, "log10_alpha < 0"),
        ({"log10_alpha": -1e12}, "log10_alpha"),
        ({"times": [1.0, 1.0]}, r"times\[1\] = 1.0 is not later"),
        ({"times": [-1.0, 1.0]}, r"times\[0\] = -1.0"),
        ({"times": [0.0, np.nan]}, "not finite"),
        ({"times": []}, "empty"),
        ({"depth": 1}, "linear regression itself"),
        ({"depth": 3, "init_exponents": [1.0, 1.0]}, "init_exponents cannot be used with depth 3"),
        ({"parametrisation": "relu"}, r"uv \| w2half \| w2 \| square"),
        ({"init_scale": [1.0, -1.0]}, "init_scale = -1"),
        ({"init_exponents": [1.0]}, "1 entries; 2 are needed"),
        ({"depth": 3, "init_scale": [1.0, 1e-40]}, "init_scale"),
        ({"tol": 0.5}, "tol = 0.5"),
        ({"max_steps": 0}, "max_steps = 0"),
        ({"batch_size": 1}, "None without step_size"),
        ({"X": np.full((3, 2), np.nan)}, "not finite"),
        ({"y": np.ones(2)}, "3 rows, y has 2"),
    ],
)
def test_bad_input_is_named(change, words):
    arguments = {"X": np.arange(6.0).reshape(3, 2), "y": np.arange(3.0), "log10_alpha": -3, "times": [1.0], **change}
    with pytest.raises(InputError, match=words):
        diagonal_flow(arguments.pop("X"), arguments.pop("y"), **arguments)
