"""The saddle path of logistic, Poisson and Huber loss: golden values, the flow itself, and what must not matter."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.diagonal.smooth_flow import LOG_INVERSE_ALPHA, residual_and_curvature, smooth_flow_at
from thalweg.diagonal import naive_path, smooth_path
from thalweg.diagonal.restricted_newton import RestrictedNewton
from thalweg.diagonal.walk import PrecisionLost
from thalweg.records import InputError, Outcome

seeds = st.integers(0, 2**32 - 1)
shapes = st.tuples(st.integers(1, 25), st.integers(1, 5))
curved = st.sampled_from(["logistic", "poisson", "huber"])
DELTA = 0.8


def problem(seed, shape, loss, whole_numbers=False):
    """Random data of a loss; whole numbers make ties and degenerate walls."""
    rng = np.random.default_rng(seed)
    X = rng.integers(-2, 3, shape).astype(float) if whole_numbers else rng.standard_normal(shape)
    eta = 0.6 * (X @ rng.standard_normal(shape[1])) + 0.3
    if loss == "logistic":
        return X, (rng.random(shape[0]) < 1 / (1 + np.exp(-eta))).astype(float)
    if loss == "poisson":
        return X, rng.poisson(np.exp(np.clip(eta, -4, 4))).astype(float)
    y = eta + rng.standard_t(2, shape[0])
    return X, np.rint(y) if whole_numbers else y


def path_of(X, y, loss, **options):
    return smooth_path(X, y, loss=loss, huber_delta=DELTA if loss == "huber" else None, **options)


def ones(y):
    return np.ones((y.size, 1))


def has_start(y, loss):
    """Whether an intercept alone has a minimiser."""
    return loss == "huber" or (y.any() and (loss == "poisson" or not y.all()))


def assert_same_path(path, other, dense=lambda b: b, time=1.0):
    assert path.outcome is other.outcome
    assert path.times == pytest.approx(other.times * time, rel=1e-6)
    assert path.losses == pytest.approx(other.losses, rel=1e-8, abs=1e-12)
    for k in range(path.count + 1):
        assert path.coef(k) == pytest.approx(dense(other.coef(k)), rel=1e-5, abs=1e-8)


def test_golden_values_of_the_logistic_loss():
    rng = np.random.default_rng(7)
    X = rng.integers(-2, 3, (40, 4)).astype(float)
    p = 1 / (1 + np.exp(-X @ (1, -0.7, 0, 0.3)))
    y = np.where(rng.random(40) < p, 1, -1)
    path = smooth_path(X, y, loss="logistic")
    assert path.times == pytest.approx([80 / 29, 4.7665243875, 24.4041646069, 61.7077337969], abs=5e-11)
    saddles = [
        (1.1347484914, 0, 0, 0),
        (1.2434794302, -0.6831739853, 0, 0),
        (1.2536096931, -0.6963807947, 0.1346460551, 0),
        (1.2557059001, -0.6986942133, 0.1363589579, 0.0532974732),
    ]
    for k, saddle in enumerate(saddles, start=1):
        assert path.coef(k) == pytest.approx(saddle, abs=5.1e-11)
    assert path.losses[0] == pytest.approx(np.log(2), abs=1e-15)
    assert path.outcome is Outcome.CONVERGED and path.lasso_equivalent_until == 0


@settings(max_examples=30)
@given(seeds, st.tuples(st.integers(1, 14), st.integers(1, 12)), st.booleans(), st.booleans())
def test_the_squared_loss_gives_the_plain_path(seed, shape, positive, with_exponents):
    rng = np.random.default_rng(seed)
    X, y = rng.standard_normal(shape), rng.standard_normal(shape[0])
    options = {"positive": positive, "init_exponents": rng.uniform(0.5, 2, shape[1]) if with_exponents else None}
    path, plain = smooth_path(X, y, loss="squared", **options), naive_path(X, y, **options)
    assert_same_path(path, plain)
    assert [s.tolist() for s in path.supports] == [s.tolist() for s in plain.supports]
    for k in range(plain.count + 1):
        assert path.dual(k) == pytest.approx(plain.dual(k), abs=1e-7)


@settings(max_examples=60)
@given(seeds, st.tuples(st.integers(1, 7), st.integers(1, 7)), st.booleans(), st.sampled_from(["support", "entropy"]))
def test_the_squared_loss_gives_the_plain_path_with_ties_and_degenerate_walls(seed, shape, positive, tie_break):
    rng = np.random.default_rng(seed)
    X, y = rng.integers(-2, 3, shape).astype(float), rng.integers(-3, 4, shape[0]).astype(float)
    options = {"positive": positive, "tie_break": tie_break}
    path, plain = smooth_path(X, y, loss="squared", **options), naive_path(X, y, **options)
    assert path.outcome is plain.outcome and path.simultaneous == plain.simultaneous
    assert path.times == pytest.approx(plain.times, rel=1e-9)
    assert [k for k, _ in path.rank_skipped] == [k for k, _ in plain.rank_skipped]
    for k in range(plain.count + 1):
        assert X @ path.coef(k) == pytest.approx(X @ plain.coef(k), abs=1e-9)
        if tie_break == "entropy":
            assert path.coef(k) == pytest.approx(plain.coef(k), abs=1e-6)


@pytest.mark.parametrize("distance", [1e-5, 1e-6, 1e-8, 1e-10])
@pytest.mark.parametrize("loss", ["squared", "logistic", "poisson", "huber"])
def test_nearly_dependent_columns(loss, distance):
    rng = np.random.default_rng(0)
    base = rng.standard_normal((60, 3))
    X = np.column_stack([base, base + distance * rng.standard_normal((60, 3))])
    eta = base @ np.array([1.0, -1, 0.5])
    y = {
        "squared": eta + rng.standard_normal(60),
        "huber": eta + rng.standard_t(2, 60),
        "poisson": rng.poisson(np.exp(eta)).astype(float),
        "logistic": (rng.random(60) < 1 / (1 + np.exp(-eta))).astype(float),
    }[loss]
    path = path_of(X, y, loss)
    assert path.outcome is Outcome.CONVERGED
    if loss == "squared":
        assert path.times == pytest.approx(naive_path(X, y).times, rel=1e-6)
    if distance < 1e-7:  # below the rank tolerance: the fit is that of three columns, and it is said
        assert path.losses[-1] == pytest.approx(path_of(base, y, loss).losses[-1], rel=1e-6) and path.rank_skipped
    else:
        assert path.supports[-1].size == 6 and path.smallest_pivot < 2 * distance


@pytest.mark.parametrize("seed", [0, 1, 9, 17, 20])
def test_the_flow_with_an_ordinary_bias_rests_at_these_saddles(seed):
    loss = ("logistic", "poisson", "huber")[seed % 3]
    rng = np.random.default_rng(seed)
    X, y = problem(seed, (40, 4), loss)
    free = ones(y) if seed % 2 else None
    options = {
        "positive": seed == 20,
        "weights": rng.uniform(0.5, 2, y.size) if seed % 5 < 2 else None,
        "exponents": rng.uniform(0.7, 1.5, 4) if seed % 4 == 0 else None,
    }
    path = path_of(
        X, y, loss, positive=options["positive"], sample_weight=options["weights"],
        init_exponents=options["exponents"], unpenalised=free,
    )  # fmt: skip
    assert path.outcome is Outcome.CONVERGED and path.count >= 2
    middles = np.append((path.times[:-1] + path.times[1:]) / 2, 3 * path.times[-1])
    b, c = smooth_flow_at(X, y, middles, loss, delta=DELTA, free=free, **options)
    compared = 0
    for k in range(1, path.count + 1):
        if LOG_INVERSE_ALPHA * (middles[k - 1] - path.times[k - 1]) * slowest_rate(path, k, X, y, loss, free) < 60:
            continue  # the plateau is too short for this alpha (correction B5 of the specification)
        compared += 1
        assert b[k - 1] == pytest.approx(path.coef(k), abs=1e-9)
        if free is not None:
            assert c[k - 1] == pytest.approx(path.unpenalised[k], abs=1e-9)
    assert compared >= 1


def slowest_rate(path, k, X, y, loss, free):
    """The slowest of contraction on the support, leavers and next entrant."""
    eta = X @ path.coef(k) + (0 if free is None else free @ path.unpenalised[k])
    residual, h = residual_and_curvature(loss, y, eta, DELTA)
    A = X[:, path.supports[k]]
    if free is not None:  # a bias follows at once
        A = A - (h @ A) / h.sum()
    root = np.sqrt(np.abs(path.values[k]))
    contraction = np.linalg.eigvalsh(root[:, None] * ((A.T * h) @ A / y.size) * root).min()
    pulls = np.abs(X.T @ residual / y.size)
    return 2 * min(contraction, pulls[pulls > 1e-9].min(initial=np.inf))


@pytest.mark.parametrize("loss", ["logistic", "poisson", "huber"])
@pytest.mark.parametrize("intercept", [False, True])
def test_the_entropy_split_is_what_the_flow_approaches(loss, intercept):
    # The third column is the mean of the others, with an intercept up to a constant: all three arrive together.
    half, y = problem(2, (20, 2), loss, whole_numbers=True)
    X = np.vstack([half, half[:, ::-1]])
    X, y = np.column_stack([X, X.mean(axis=1) + 0.5 * intercept]), np.append(y, y)
    free = ones(y) if intercept else None
    path, plain = (path_of(X, y, loss, unpenalised=free, tie_break=name) for name in ("entropy", "support"))
    assert path.rank_skipped and plain.supports[1].size < 3
    values = path.coef(1)
    assert values == pytest.approx(np.full(3, values[0]), rel=1e-9)
    assert plain.losses == pytest.approx(path.losses) and plain.times == pytest.approx(path.times)
    if intercept:  # the fit is the same, so the intercept takes up the rest
        assert X @ values + path.unpenalised[1] == pytest.approx(X @ plain.coef(1) + plain.unpenalised[1])
    b, c = smooth_flow_at(X, y, [4 * path.times[0]], loss, delta=DELTA, free=free, bias_speed=3000.0)
    assert path.count == 1 and b[0] == pytest.approx(values, abs=1e-4 if intercept else 1e-9)
    assert not intercept or c[0] == pytest.approx(path.unpenalised[1], abs=1e-4)


@settings(max_examples=60)
@given(seeds, shapes, curved, st.booleans(), st.booleans(), st.booleans(), st.booleans())
def test_every_event_is_one_of_the_process(seed, shape, loss, whole_numbers, positive, intercept, weighted):
    X, y = problem(seed, shape, loss, whole_numbers)
    if intercept and not has_start(y, loss):
        return
    rng = np.random.default_rng(seed)
    w = rng.uniform(0.2, 3, y.size) if weighted else np.ones(y.size)
    a = rng.uniform(0.5, 2, shape[1])
    free = ones(y) if intercept else np.empty((y.size, 0))
    path = path_of(
        X, y, loss, positive=positive, init_exponents=a, sample_weight=w, unpenalised=free if intercept else None
    )
    assert path.outcome is not Outcome.PRECISION_LOST
    n, w, before = y.size, w / w.mean(), 0.0
    integral = driving = np.zeros(n)
    level = None
    for k in range(path.count + 1):
        b, c = path.coef(k), path.unpenalised[k] if intercept else np.zeros(0)
        residual = w * residual_and_curvature(loss, y, X @ b + free @ c, DELTA)[0]
        pull = X.T @ residual / n
        if level is None:  # correction B2: relative to the norms of the columns
            norms = np.linalg.norm(X, axis=0)
            level = norms * np.divide(np.abs(pull), norms, out=np.zeros_like(norms), where=norms > 0).max() + 1e-15
        slack = 1e-9 * level
        assert np.abs(free.T @ residual).max(initial=0) <= 1e-9 * (np.abs(y).sum() + n)
        if k:
            assert path.times[k - 1] > before and path.losses[k] < path.losses[k - 1]
            integral = integral + (path.times[k - 1] - before) * driving
            before = path.times[k - 1]
            noise = 1e-9 + 1e-14 * before * (np.abs(X).T @ np.abs(w * (1 + y)) / n).max()
            s = integral @ X / n
            assert path.integrals[k] @ X / n == pytest.approx(s, abs=noise)  # those of the weighted residual
            assert (s <= a + noise).all() and (positive or (s >= -a - noise).all())
            support = path.supports[k]
            assert s[support] == pytest.approx(np.sign(b[support]) * a[support], abs=noise)
            assert (np.abs(pull[support]) <= slack[support]).all()  # a minimiser on its own support
            walls = (s >= a * (1 - 1e-9)) | (~np.array(positive) & (s <= -a * (1 - 1e-9)))
            assert (np.sign(s) * pull <= slack)[walls].all()  # and on its face
        driving = residual
    if path.outcome is Outcome.CONVERGED:
        assert ((pull if positive else np.abs(pull)) <= slack).all()
    if path.count:
        assert path.times[0] == pytest.approx((a / np.maximum(first_pull(path, X, y, w, loss, positive), 1e-300)).min())


def first_pull(path, X, y, w, loss, positive):
    c = 0.0 if path.unpenalised is None else path.unpenalised[0][0]
    pull = X.T @ (w * residual_and_curvature(loss, y, np.full(y.size, c), DELTA)[0]) / y.size
    return pull if positive else np.abs(pull)


@settings(max_examples=15)
@given(seeds, shapes, curved)
def test_columns_permute_and_flip(seed, shape, loss):
    X, y = problem(seed, shape, loss)
    rng = np.random.default_rng(seed)
    order, flip = rng.permutation(shape[1]), rng.choice([-1.0, 1.0], shape[1])
    changed = path_of((X * flip)[:, order], y, loss)
    assert_same_path(changed, path_of(X, y, loss), dense=lambda b: (b * flip)[order])


@settings(max_examples=15)
@given(seeds, shapes, curved, st.floats(1e-8, 1e8))
def test_scaling_a_column_with_its_exponent(seed, shape, loss, c):
    X, y = problem(seed, shape, loss)
    scale = np.ones(shape[1])
    scale[seed % shape[1]] = c
    changed = path_of(X * scale, y, loss, init_exponents=scale)
    assert_same_path(changed, path_of(X, y, loss), dense=lambda b: b / scale)


@settings(max_examples=15)
@given(seeds, shapes, curved)
def test_weights_are_repetitions(seed, shape, loss):
    X, y = problem(seed, shape, loss)
    w = np.random.default_rng(seed).integers(0, 4, y.size)
    if not w.any():
        return
    weighted = path_of(X, y, loss, sample_weight=w)
    assert_same_path(weighted, path_of(np.repeat(X, w, axis=0), np.repeat(y, w), loss))
    halved = path_of(np.vstack([X, X]), np.append(y, y), loss, sample_weight=np.append(w, w) / 2)
    assert_same_path(halved, weighted)
    for k in range(weighted.count + 1):
        assert halved.dual(k) == pytest.approx(weighted.dual(k), abs=1e-6)


@settings(max_examples=15)
@given(seeds, shapes, curved)
def test_copies_share_equally_and_zero_columns_change_nothing(seed, shape, loss):
    X, y = problem(seed, shape, loss)
    wider = path_of(np.column_stack([X, -X[:, :1], np.zeros(y.size)]), y, loss)
    assert_same_path(wider, path_of(X, y, loss), dense=lambda b: np.concatenate([b[:1] / 2, b[1:], -b[:1] / 2, [0.0]]))


@settings(max_examples=15)
@given(seeds, st.tuples(st.integers(2, 20), st.integers(1, 6)), st.booleans())
def test_an_intercept_of_the_squared_loss_is_centring(seed, shape, weighted):
    rng = np.random.default_rng(seed)
    X, y = rng.standard_normal(shape) + 2, rng.standard_normal(shape[0]) + 5
    w = rng.uniform(0.5, 2, y.size) if weighted else np.ones(y.size)
    w /= w.mean()
    path = smooth_path(X, y, loss="squared", sample_weight=w, unpenalised=ones(y))
    centre, mean = w @ X / y.size, w @ y / y.size
    root = np.sqrt(w)
    centred = naive_path(root[:, None] * (X - centre), root * (y - mean), reference_norm=float(np.linalg.norm(y)))
    assert path.times == pytest.approx(centred.times, rel=1e-6)
    for k in range(path.count + 1):
        assert path.coef(k) == pytest.approx(centred.coef(k), rel=1e-6, abs=1e-8)
        assert path.unpenalised[k] == pytest.approx([mean - centre @ path.coef(k)], abs=1e-7)


def test_the_intercept_alone_fits_the_mean():
    X, y = problem(3, (50, 3), "poisson")
    start = path_of(X, y, "poisson", unpenalised=ones(y), max_saddles=0)
    assert start.unpenalised[0, 0] == pytest.approx(np.log(y.mean())) and start.count == 0
    X, y = problem(3, (50, 3), "logistic")
    start = path_of(X, y, "logistic", unpenalised=ones(y), max_saddles=0)
    assert start.unpenalised[0, 0] == pytest.approx(np.log(y.mean() / (1 - y.mean())))


@settings(max_examples=15)
@given(seeds, st.integers(2, 7))
def test_a_wide_huber_loss_is_the_squared_one(seed, d):
    rng = np.random.default_rng(seed)
    X, y = rng.standard_normal((12, d)), rng.standard_normal(12)
    assert_same_path(smooth_path(X, y, loss="huber", huber_delta=1e3), naive_path(X, y))


@settings(max_examples=15)
@given(seeds, shapes, st.floats(1e-8, 1e8))
def test_scaling_the_target_of_the_huber_loss(seed, shape, c):
    X, y = problem(seed, shape, "huber")
    path = path_of(X, y, "huber", unpenalised=ones(y))
    changed = smooth_path(X, c * y, loss="huber", huber_delta=c * DELTA, unpenalised=ones(y))
    assert changed.times * c == pytest.approx(path.times, rel=1e-6)
    for k in range(path.count + 1):
        assert changed.coef(k) / c == pytest.approx(path.coef(k), rel=1e-5, abs=1e-8)


def test_outliers_pull_the_huber_path_with_bounded_force():
    rng = np.random.default_rng(0)
    X = rng.standard_normal((200, 5))
    y = X @ np.array([2.0, -1, 0, 0, 0]) + 0.1 * rng.standard_normal(200)
    spoiled = y.copy()
    spoiled[:5] += 1e6
    clean, robust = (smooth_path(X, target, loss="huber", huber_delta=0.1) for target in (y, spoiled))
    assert robust.coef(robust.count) == pytest.approx(clean.coef(clean.count), abs=0.05)


def test_a_flat_huber_loss_is_said_and_its_path_is_unique_all_the_same():
    # Targets -5, -4, 4, 5: every intercept from -3 to 3 clips all rows and minimises.
    y, X = np.array([-5.0, -4, 4, 5]), np.array([[1.0], [-1], [-1], [2]])
    path = smooth_path(X, y, loss="huber", huber_delta=1.0, unpenalised=ones(y))
    assert path.flat[0] == 0 and abs(path.unpenalised[0, 0]) <= 3
    assert path.losses[0] == pytest.approx(4.0) and path.times[0] == pytest.approx(4 / 1)  # the pull is (-1+1-1+2)/4
    mirrored = smooth_path(-X, -y, loss="huber", huber_delta=1.0, unpenalised=ones(y))
    assert mirrored.times == pytest.approx(path.times) and mirrored.losses == pytest.approx(path.losses)


def falls_for_ever(X, y, loss, direction, constant=0.0):
    change = X @ direction + constant
    if loss == "logistic":
        margins = np.where(y > 0, 1, -1) * change
        return margins.min() >= -1e-12 * margins.max() and margins.max() > 0
    size = np.abs(change).max()
    stays = np.abs(change[y > 0]).max(initial=0.0) <= 1e-12 * size
    return stays and change[y == 0].max() <= 1e-12 * size and size > 0


def test_separated_labels_end_the_path_and_leave_what_came_before():
    rng = np.random.default_rng(0)
    X = rng.standard_normal((60, 5))
    y = (X @ np.array([3.0, 2, 1, 0, 0]) > 0).astype(float)
    path = smooth_path(X, y, loss="logistic", unpenalised=ones(y))
    assert path.outcome is Outcome.NO_MINIMISER and path.count >= 1
    assert falls_for_ever(X, y, "logistic", path.escape.direction, path.escape.unpenalised[0])
    part = np.flatnonzero(path.escape.direction)
    end = path.escape.integral @ X / y.size
    assert end[part] == pytest.approx(np.sign(path.escape.direction[part]))
    # Nothing before is wrong: each saddle is an ordinary regression on its features, which do not separate.
    assert all(not (np.where(y > 0, 1, -1) * (X @ path.coef(k)) > 0).all() for k in range(path.count + 1))
    middle = (path.times[-1] + path.escape.time) / 2
    assert path.saddle_at(middle) == path.count
    assert path.dual_at(middle) == pytest.approx((path.dual(path.count) + end) / 2)
    for ask in (path.coef_at, path.dual_at):
        with pytest.raises(InputError, match="grow for ever"):
            ask(path.escape.time)


def test_a_feature_that_only_one_class_has_separates():
    rng = np.random.default_rng(1)
    X = np.column_stack([rng.standard_normal((80, 2)), np.zeros(80)])
    y = (rng.random(80) < 1 / (1 + np.exp(-X[:, 0]))).astype(float)
    X[np.flatnonzero(y)[:20], 2] = 1.0
    path = smooth_path(X, y, loss="logistic", unpenalised=ones(y))
    assert path.outcome is Outcome.NO_MINIMISER and path.escape.direction[2] > 0
    assert falls_for_ever(X, y, "logistic", path.escape.direction, path.escape.unpenalised[0])
    # Without it the path ends at the regression.
    assert smooth_path(X[:, :2], y, loss="logistic", unpenalised=ones(y)).outcome is Outcome.CONVERGED


def test_counts_that_are_zero_wherever_a_feature_acts_have_no_minimiser():
    rng = np.random.default_rng(1)
    X = np.column_stack([rng.standard_normal((80, 2)), np.zeros(80)])
    y = rng.poisson(np.exp(X[:, 0])).astype(float)
    X[np.flatnonzero(y == 0)[:15], 2] = 1.0
    path = smooth_path(X, y, loss="poisson", unpenalised=ones(y))
    assert path.outcome is Outcome.NO_MINIMISER and path.escape.direction[2] < 0
    assert falls_for_ever(X, y, "poisson", path.escape.direction, path.escape.unpenalised[0])
    # The one-sided network cannot go there.
    assert smooth_path(X, y, loss="poisson", unpenalised=ones(y), positive=True).outcome is Outcome.CONVERGED


@settings(max_examples=30)
@given(seeds, st.tuples(st.integers(1, 12), st.integers(1, 5)), st.sampled_from(["logistic", "poisson"]), st.booleans())
def test_the_end_is_a_minimiser_or_a_proof_that_there_is_none(seed, shape, loss, whole_numbers):
    X, y = problem(seed, shape, loss, whole_numbers)
    path = path_of(X, y, loss)
    if path.outcome is Outcome.NO_MINIMISER:
        assert falls_for_ever(X, y, loss, path.escape.direction)
    else:
        assert path.escape is None
        residual = residual_and_curvature(loss, y, X @ path.coef(path.count), None)[0]
        assert np.abs(X.T @ residual).max() <= 1e-9 * (np.abs(X).T @ (1 + y)).max()


def test_a_near_miss_of_separation_has_its_minimiser():
    # One label in a thousand is wrong by 1e-6: the minimiser is far out, and found.
    x = np.concatenate([np.linspace(-1, -1e-3, 500), np.linspace(1e-3, 1, 499), [-1e-6]])
    y = np.concatenate([np.zeros(500), np.ones(500)])
    path = smooth_path(x[:, None], y, loss="logistic")
    assert path.outcome is Outcome.CONVERGED and path.values[-1][0] > 100
    residual = residual_and_curvature("logistic", y, x * path.values[-1][0], None)[0]
    assert abs(x @ residual) <= 1e-12 * np.abs(x).sum()


def test_limits_cut_the_same_path():
    X, y = problem(4, (60, 6), "logistic")
    whole = smooth_path(X, y, loss="logistic")
    for k in range(whole.count + 1):
        cut = smooth_path(X, y, loss="logistic", max_saddles=k)
        assert np.array_equal(cut.times, whole.times[:k]) and cut.losses[-1] == whole.losses[k]
    assert smooth_path(X, y, loss="logistic", max_time=float(whole.times[2])).count == 3
    assert smooth_path(X, y, loss="logistic", max_time=0).outcome is Outcome.STOPPED_ON_REQUEST


def test_labels_may_be_written_in_two_ways():
    X, y = problem(4, (60, 6), "logistic")
    one, other = smooth_path(X, y, loss="logistic"), smooth_path(X, 2 * y - 1, loss="logistic")
    assert np.array_equal(one.times, other.times) and np.array_equal(one.losses, other.losses)
    assert np.array_equal(smooth_path(X, y > 0, loss="logistic").times, one.times)


def test_equal_labels_have_a_path_without_an_intercept():
    # Paired comparisons: differences of features, the winner first.
    X = np.array([[1.0, 0.5], [-0.5, 1], [0.3, -2], [-1, -1]])
    path = smooth_path(X, np.ones(4), loss="logistic")
    flip = np.array([1.0, -1, 1, -1])
    mirrored = smooth_path(X * flip[:, None], flip, loss="logistic")
    assert path.count and path.outcome is Outcome.CONVERGED
    assert_same_path(path, mirrored)


def test_nothing_to_learn():
    X = np.array([[1.0, 1], [1, -1], [1, 1], [1, -1]])
    path = smooth_path(X, np.array([0, 0, 1, 1]), loss="logistic")
    assert path.count == 0 and path.outcome is Outcome.NOTHING_TO_LEARN
    assert smooth_path(X, np.full(4, 3.0), loss="poisson", unpenalised=np.ones((4, 1))).count == 0


def test_a_start_that_rounding_prevents_is_said(monkeypatch):
    def give_up(self):
        raise PrecisionLost

    monkeypatch.setattr(RestrictedNewton, "move_free_columns", give_up)
    X, y = problem(4, (60, 6), "logistic")
    path = smooth_path(X, y, loss="logistic", unpenalised=ones(y))
    assert path.outcome is Outcome.PRECISION_LOST and path.count == 0


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"loss": "absolute"}, "loss = absolute"),
        ({"y": np.array([0.0, 1, 2])}, "labels 0.0, 1.0, 2.0"),
        ({"y": np.array([0.0, 1, np.nan])}, "not finite"),
        ({"y": np.ones(3), "unpenalised": np.ones((3, 1))}, "all labels are equal"),
        ({"y": np.zeros(3), "loss": "poisson", "unpenalised": np.ones((3, 1))}, "all counts are zero"),
        ({"y": np.array([0.0, -1, 2]), "loss": "poisson"}, "negative numbers; first rows 1"),
        ({"loss": "huber"}, "needs huber_delta"),
        ({"huber_delta": 1.0}, "huber_delta"),
        ({"sample_weight": np.ones(2)}, "sample_weight has 2 entries; 3 are needed"),
        ({"sample_weight": np.array([1.0, -1, 1])}, "sample_weight = -1"),
        ({"sample_weight": np.zeros(3)}, "weights are zero"),
        ({"unpenalised": np.ones((2, 1))}, "unpenalised has 2 rows"),
        ({"unpenalised": np.eye(3, 1), "sample_weight": np.array([0.0, 1, 1])}, "Column 0 of unpenalised"),
        ({"unpenalised": np.ones((3, 2))}, "Column 1 of unpenalised"),
        ({"unpenalised": np.zeros((3, 1))}, "Column 0 of unpenalised"),
        ({"init_exponents": np.array([1.0, 0.0])}, "> 0"),
        ({"max_saddles": -1}, "max_saddles"),
        ({"tie_break": "random"}, r"support \| entropy"),
    ],
)
def test_bad_input_is_named(change, words):
    arguments = {"X": np.arange(6.0).reshape(3, 2), "y": np.array([0.0, 1, 0]), "loss": "logistic", **change}
    with pytest.raises(InputError, match=words):
        smooth_path(arguments.pop("X"), arguments.pop("y"), **arguments)
