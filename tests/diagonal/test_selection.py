"""Where to stop: cross-validation is the brute-force loop, criteria have their closed forms, nothing looks ahead."""

import joblib
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.model_selection import GroupKFold, KFold, ShuffleSplit, TimeSeriesSplit

from tests.problems import DIABETES_TIMES, PATHS, diabetes
from thalweg.diagonal import (
    activation_times,
    choose,
    cross_validate,
    information_criteria,
    least_squares_variance,
    longest_plateau,
    naive_path,
    saddle_path,
)
from thalweg.diagonal.cross_validation import _splits
from thalweg.diagonal.plot_selection import lasso_comparison
from thalweg.diagonal.prepare import prepare
from thalweg.records import InputError, Outcome

seeds = st.integers(0, 2**32 - 1)
shapes = st.tuples(st.integers(12, 30), st.integers(1, 15))


def gaussian(seed, shape, noise=1.0):
    rng = np.random.default_rng(seed)
    X = rng.standard_normal(shape)
    return X, X[:, : min(3, shape[1])].sum(axis=1) + noise * rng.standard_normal(shape[0]) + 2.0


AFTER = 1 + 1e-9
"""Just after a jump: its time by another order of the same sums may differ in the last bits."""


def brute_force(X, y, splits, times, standardize, intercept, weights, **options):
    """Return the held-out errors (folds, times), one dense saddle and one time after another, prepared by hand."""
    table = []
    for train, test in splits:
        share = weights[train] / weights[train].sum()
        center = share @ X[train] if intercept else np.zeros(X.shape[1])
        mean = share @ y[train] if intercept else 0.0
        Z = X[train] - center
        scale = np.sqrt(share @ Z**2) if standardize else np.ones(X.shape[1])
        root = np.sqrt(share * train.size)
        path = naive_path(Z / scale * root[:, None], (y[train] - mean) * root, **options)
        later = (X[test] - center) / scale
        errors = [
            np.average((y[test] - mean - later @ path.coef_at(t * AFTER)) ** 2, weights=weights[test]) for t in times
        ]
        table.append(errors)
    return np.array(table)


@settings(max_examples=25)
@given(seeds, shapes, st.integers(2, 5), st.booleans(), st.booleans(), st.booleans(), st.booleans())
def test_cross_validation_is_the_brute_force_loop(seed, shape, folds, standardize, intercept, positive, weighted):
    X, y = gaussian(seed, shape)
    weights = np.random.default_rng(seed).uniform(0.1, 3, y.size) if weighted else None
    options = {"fit_intercept": intercept, "standardize": standardize}
    found = cross_validate(X, y, folds=folds, seed=seed, sample_weight=weights, positive=positive, **options)
    splits = list(KFold(folds, shuffle=True, random_state=seed).split(X))
    w = np.ones(y.size) if weights is None else weights
    table = brute_force(X, y, splits, found.times, standardize, intercept, w, positive=positive)
    assert found.fold_errors == pytest.approx(table, rel=1e-6)
    held_out = np.array([w[test].sum() for _, test in splits])
    mean = np.average(table, axis=0, weights=held_out)
    assert found.mean == pytest.approx(mean, rel=1e-6)
    variance = np.average((table - mean) ** 2, axis=0, weights=held_out) / (folds - 1)
    assert found.standard_error == pytest.approx(np.sqrt(variance), rel=1e-4, abs=1e-9)


@settings(max_examples=20)
@given(seeds, shapes)
def test_the_grid_is_every_jump_of_every_fold(seed, shape):
    X, y = gaussian(seed, shape)
    found = cross_validate(X, y, folds=3)
    assert set(found.times) == {0.0}.union(*(set(fold.times) for fold in found.folds))
    assert (np.diff(found.times) > 0).all()
    for j, t in enumerate(found.times):
        for f, fold in enumerate(found.folds):
            k = int((fold.times <= t).sum())
            assert (found.fold_errors[f, j], found.fold_active[f, j]) == (fold.errors[k], fold.active[k])


@settings(max_examples=25)
@given(seeds, shapes, st.floats(0.1, 10))
def test_one_standard_error_is_the_earliest_within_it_and_never_later_than_the_minimum(seed, shape, noise):
    X, y = gaussian(seed, shape, noise)
    found = cross_validate(X, y, folds=4, seed=1)
    early, best = found.one_standard_error, found.best
    assert early <= best and found.time("1se") <= found.time("min") and found.saddle("1se") <= found.saddle("min")
    limit = found.mean[best] + found.standard_error[best]
    assert found.mean[early] <= limit and (found.mean[:early] > limit).all()
    assert found.mean[best] == found.mean.min() and (found.mean[:best] > found.mean[best]).all()
    for rule in ("min", "1se"):
        j, t = found.step(rule), found.time(rule)
        right = found.times[j + 1] if j + 1 < found.times.size else np.inf
        assert found.times[j] <= t < right
        assert found.saddle(rule) == found.path.saddle_at(t)


def test_weights_of_one_and_more_folds_have_the_usual_standard_error():
    X, y = gaussian(0, (40, 6))
    found = cross_validate(X, y, folds=8)
    assert found.standard_error == pytest.approx(found.fold_errors.std(axis=0, ddof=1) / np.sqrt(8))


def test_forward_splits_never_look_ahead():
    X, y = gaussian(1, (60, 5))
    before = cross_validate(X, y, folds=5, ordered=True)
    for number, (train, test) in enumerate(TimeSeriesSplit(5).split(X)):
        assert train.max() < test.min()
        poisoned, target = X.copy(), y.copy()
        rng = np.random.default_rng(number)
        poisoned[test.max() + 1 :] = 1e6 * rng.standard_normal(poisoned[test.max() + 1 :].shape)
        target[test.max() + 1 :] = -1e6
        after = cross_validate(poisoned, target, folds=5, ordered=True)
        for fold, again in zip(before.folds[: number + 1], after.folds[: number + 1], strict=True):
            assert np.array_equal(fold.times, again.times) and np.array_equal(fold.errors, again.errors)
        if number < 4:
            assert not np.array_equal(before.folds[number + 1].errors, after.folds[number + 1].errors)


def test_ordered_rows_refuse_splits_that_look_ahead():
    X, y = gaussian(2, (20, 3))
    with pytest.raises(InputError, match="comes before it"):
        cross_validate(X, y, folds=KFold(4), ordered=True)
    assert len(cross_validate(X, y, folds=TimeSeriesSplit(3, gap=2), ordered=True).folds) == 3


def test_any_splitter_and_pairs_of_rows_or_masks():
    X, y = gaussian(3, (30, 4))
    groups = np.arange(30) % 3
    by_group = cross_validate(X, y, folds=GroupKFold(3), groups=groups)
    rows = np.arange(30)
    pairs = [(rows[groups != g], rows[groups == g]) for g in range(3)]
    masks = [(groups != g, groups == g) for g in range(3)]
    for folds in (pairs, masks):
        again = cross_validate(X, y, folds=folds)
        assert sorted(fold.errors[-1] for fold in again.folds) == pytest.approx(
            sorted(fold.errors[-1] for fold in by_group.folds), rel=1e-12
        )
    assert len(cross_validate(X, y, folds=ShuffleSplit(7, random_state=0)).folds) == 7


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"folds": 1}, "option_range"),
        ({"folds": 31}, "option_range"),
        ({"folds": 30, "ordered": True}, "option_range"),
        ({"folds": "five"}, "option_range"),
        ({"folds": [(np.arange(20), np.arange(20, 30))]}, "option_range"),
        ({"folds": [(np.arange(20), []), (np.arange(20), np.arange(20, 30))]}, "array_empty"),
        ({"sample_weight": np.ones(29)}, "weights_differ"),
        ({"sample_weight": -np.ones(30)}, "option_range"),
        ({"sample_weight": np.zeros(30)}, "weights_zero"),
        ({"sample_weight": np.r_[np.zeros(15), np.ones(15)], "folds": KFold(2)}, "weights_zero"),
    ],
)
def test_unusable_folds_and_weights_are_refused_in_words(change, code):
    X, y = gaussian(4, (30, 3))
    with pytest.raises(InputError) as refused:
        cross_validate(X, y, **change)
    assert refused.value.code == code


def test_the_seed_makes_the_folds():
    X, y = gaussian(5, (30, 3))
    first, same, other = (cross_validate(X, y, seed=seed) for seed in (0, 0, 1))
    assert np.array_equal(first.fold_errors, same.fold_errors)
    assert not np.array_equal(first.mean[0], other.mean[0]) or not np.array_equal(first.times, other.times)


def test_the_number_of_workers_changes_nothing():
    X, y = gaussian(6, (40, 5))
    one = cross_validate(X, y)
    with joblib.parallel_config("threading"):
        two = cross_validate(X, y, n_jobs=2)
    assert np.array_equal(one.times, two.times) and np.array_equal(one.fold_errors, two.fold_errors)


def test_a_fold_that_stopped_early_is_not_extrapolated():
    X, y = gaussian(7, (40, 8))
    whole = cross_validate(X, y)
    assert np.isinf(whole.horizon)
    limited = cross_validate(X, y, max_saddles=3)
    last = min(*(fold.times[2] for fold in limited.folds), limited.path.times[2])
    assert limited.horizon == last == limited.times.max()
    known = whole.times <= last
    assert np.array_equal(limited.times, whole.times[known])
    assert np.array_equal(limited.fold_errors, whole.fold_errors[:, known])
    limit = float(np.sqrt(whole.times[4] * whole.times[5]))
    in_time = cross_validate(X, y, max_time=limit)
    assert in_time.horizon == limit and np.array_equal(in_time.times, whole.times[:5])
    assert whole.times[4] < in_time.time("min") <= limit or in_time.best < 4
    assert in_time.saddle("min") == in_time.path.count or in_time.best < 4


def test_a_target_without_features_stays_at_the_mean():
    X = np.random.default_rng(8).standard_normal((20, 3))
    found = cross_validate(X, np.full(20, 7.0))
    assert found.times.tolist() == [0.0] and found.mean == pytest.approx([0.0])
    assert found.time("min") == 0.0 and found.saddle("min") == 0


@settings(max_examples=20)
@given(seeds, shapes)
def test_the_error_against_the_number_of_features(seed, shape):
    X, y = gaussian(seed, shape)
    found = cross_validate(X, y, folds=3)
    errors, mean, _ = found.by_active()
    assert mean.size == max(fold.active.max() for fold in found.folds) + 1
    for f, fold in enumerate(found.folds):
        for p in range(mean.size):
            k = 0
            while k + 1 < fold.active.size and fold.active[k + 1] <= p:
                k += 1
            assert errors[f, p] == fold.errors[k]


def test_the_error_against_features_stops_where_a_fold_is_not_known():
    X, y = gaussian(9, (40, 8))
    limited = cross_validate(X, y, max_saddles=4)
    assert limited.by_active()[1].size == min(fold.active.max() for fold in limited.folds)


def test_many_columns_and_rows_are_judged_without_a_dense_path():
    rng = np.random.default_rng(10)
    X = rng.standard_normal((40, 3000))
    y = X[:, 5] - X[:, 17] + 0.1 * rng.standard_normal(40)
    found = cross_validate(X, y, folds=2, max_saddles=10)
    splits = list(KFold(2, shuffle=True, random_state=0).split(X))
    known = found.times[:-1]  # just after the last jump of a path that was stopped nothing is known
    table = brute_force(X, y, splits, known, True, True, np.ones(40), max_saddles=10)
    assert found.fold_errors[:, :-1] == pytest.approx(table, rel=1e-8)


# ---- weights ----


@settings(max_examples=25)
@given(seeds, st.booleans(), st.booleans(), st.booleans())
def test_a_weight_counts_as_repetitions_of_the_row(seed, standardize, intercept, wide):
    X, y = gaussian(seed, (10, 15) if wide else (20, 4))
    counts = np.random.default_rng(seed).integers(0, 4, y.size)
    counts[:3] = 1
    options = {"fit_intercept": intercept, "standardize": standardize}
    weighted = prepare(X, y, sample_weight=counts, **options)
    repeated = prepare(X.repeat(counts, axis=0), y.repeat(counts), **options)
    assert weighted.X.shape[0] == np.count_nonzero(counts)
    paths = [saddle_path(p.X, p.y, reference_norm=p.target_norm) for p in (weighted, repeated)]
    assert paths[0].times == pytest.approx(paths[1].times, rel=1e-6)
    assert paths[0].losses == pytest.approx(paths[1].losses, rel=1e-8, abs=1e-12)
    for k in range(paths[0].count + 1):
        assert paths[0].coef(k) == pytest.approx(paths[1].coef(k), rel=1e-6, abs=1e-7)


@given(seeds)
def test_the_loss_of_weighted_rows_is_their_weighted_mean(seed):
    X, y = gaussian(seed, (20, 4))
    weights = np.random.default_rng(seed).uniform(0, 5, 20)
    prepared = prepare(X, y, fit_intercept=True, standardize=True, sample_weight=weights)
    path = saddle_path(prepared.X, prepared.y)
    for k in range(path.count + 1):
        residual = y - prepared.target_mean - prepared.apply(X) @ path.coef(k)
        assert path.losses[k] == pytest.approx(weights @ residual**2 / (2 * weights.sum()), rel=1e-9)


def test_equal_weights_of_any_size_are_no_weights():
    X, y = gaussian(11, (20, 4))
    plain, weighted = (
        prepare(X, y, fit_intercept=True, standardize=True, sample_weight=w) for w in (None, np.full(20, 7.3))
    )
    assert pytest.approx(plain.X, abs=1e-14) == weighted.X and weighted.target_norm == pytest.approx(plain.target_norm)


# ---- criteria ----


def orthogonal(n=16, d=5):
    """Data with X'X/n diagonal and both centred: coordinate i appears at 1/|r_i| with its final value."""
    rng = np.random.default_rng(0)
    basis = np.linalg.qr(np.column_stack([np.ones(n), rng.standard_normal((n, d))]))[0][:, 1:]
    X = basis * np.sqrt(n) * np.array([1.0, 2.0, 0.5, 1.5, 1.0])
    y = X @ np.array([3.0, -0.2, 1.0, 0.3, 0.05]) + rng.standard_normal(n)
    return X, y - y.mean()


@pytest.mark.parametrize("noise_variance", [None, 0.7])
@pytest.mark.parametrize("intercept", [True, False])
def test_criteria_of_an_orthogonal_design_have_closed_forms(noise_variance, intercept):
    X, y = orthogonal()
    n, d = X.shape
    r, gram = X.T @ y / n, (X**2).sum(axis=0) / n
    order = np.argsort(-np.abs(r))
    squares = y @ y - n * np.concatenate([[0.0], np.cumsum(r[order] ** 2 / gram[order])])
    path = saddle_path(X, y)
    assert path.times == pytest.approx(1 / np.abs(r[order]))
    found = information_criteria(path, n, intercept=intercept, noise_variance=noise_variance, gamma=0.5)
    p = np.arange(d + 1)
    degrees = p + intercept
    if noise_variance is None:
        deviance = n * np.log(2 * np.pi * squares / n) + n
        assert found.cp is None
    else:
        deviance = n * np.log(2 * np.pi * noise_variance) + squares / noise_variance
        assert found.cp == pytest.approx(squares / noise_variance - n + 2 * degrees)
        assert choose(path, "cp", criteria=found) == np.argmin(squares / noise_variance + 2 * degrees)
    subsets = np.log([1, 5, 10, 10, 5, 1])
    assert found.deviance == pytest.approx(deviance)
    assert found.aic == pytest.approx(deviance + 2 * degrees)
    assert found.bic == pytest.approx(deviance + np.log(n) * degrees)
    assert found.ebic == pytest.approx(deviance + np.log(n) * degrees + subsets)
    for rule in ("aic", "bic", "ebic"):
        assert choose(path, rule, criteria=found) == np.argmin(getattr(found, rule))
    assert found.to_table().to_frame()["bic"].to_numpy() == pytest.approx(found.bic)


def test_bic_finds_the_true_features():
    rng = np.random.default_rng(3)
    X = rng.standard_normal((200, 10))
    y = 2 * X[:, 3] - X[:, 7] + 0.5 * rng.standard_normal(200)
    prepared = prepare(X, y, fit_intercept=True, standardize=True)
    path = saddle_path(prepared.X, prepared.y)
    criteria = information_criteria(path, 200)
    for rule in ("bic", "ebic"):
        assert path.supports[choose(path, rule, criteria=criteria)].tolist() == [3, 7]


def test_the_noise_variance_is_that_of_least_squares():
    X, y = gaussian(12, (30, 6))
    prepared = prepare(X, y, fit_intercept=True, standardize=False)
    squares = np.linalg.lstsq(np.column_stack([np.ones(30), X]), y, rcond=None)[1][0]
    assert least_squares_variance(prepared.X, prepared.y, 30) == pytest.approx(squares / (30 - 7))
    weights = np.random.default_rng(12).integers(1, 4, 30)
    weighted = prepare(X, y, fit_intercept=True, standardize=False, sample_weight=weights)
    again = prepare(X.repeat(weights, axis=0), y.repeat(weights), fit_intercept=True, standardize=False)
    assert least_squares_variance(weighted.X, weighted.y, float(weights.sum())) == pytest.approx(
        least_squares_variance(again.X, again.y, again.y.size)
    )


def test_without_degrees_of_freedom_the_criteria_are_refused():
    X, y = gaussian(13, (12, 20))
    prepared = prepare(X, y, fit_intercept=True, standardize=False)
    with pytest.raises(InputError, match="cannot be estimated"):
        least_squares_variance(prepared.X, prepared.y, 12)
    path = saddle_path(prepared.X, prepared.y)
    assert path.outcome is Outcome.INTERPOLATED
    with pytest.raises(InputError, match="as many degrees of freedom"):
        information_criteria(path, 12)
    assert np.isfinite(information_criteria(path, 12, noise_variance=1.0).bic).all()
    assert np.isfinite(information_criteria(saddle_path(prepared.X, prepared.y, max_saddles=3), 12).bic).all()
    with pytest.raises(InputError, match="noise_variance"):
        choose(path, "cp", criteria=information_criteria(path, 12, noise_variance=None, loss="logistic"))


def test_copies_of_a_column_have_one_degree_of_freedom_together():
    problem = next(p for p in PATHS if p.name.startswith("E:"))
    path = naive_path(problem.X, problem.y)
    found = information_criteria(path, 3, intercept=False, noise_variance=1.0)
    assert found.active.tolist() == [0, 2, 3, 4] and found.degrees.tolist() == [0, 1, 2, 3]


def test_refused_options_of_criteria():
    path = naive_path(PATHS[0].X, PATHS[0].y)
    for change in ({"gamma": 2.0}, {"noise_variance": 0.0}, {"noise_variance": np.nan}, {"loss": "hinge"}):
        with pytest.raises(InputError, match="is not possible"):
            information_criteria(path, 10, **change)


# ---- rules ----


def test_rules_on_the_diabetes_data():
    X, y, raw_norm = diabetes()
    path = saddle_path(X, y, reference_norm=raw_norm)
    assert choose(path, "min_l1") == 11
    # ln(22.12/6.41) = 1.239, ln(80.69/22.12) = 1.294: the plateau with eight features is the longest
    assert longest_plateau(path) == choose(path, "plateau") == 8
    assert np.argmax(np.diff(np.log(DIABETES_TIMES))) == 7
    assert [choose(path, "time", time=t) for t in (0.0, 0.4, 0.48, 100.0, 1e9)] == [0, 0, 1, 10, 11]
    active = [support.size for support in path.supports]
    for p in range(12):
        k = choose(path, "n_active", n_active=p)
        assert max(active[: k + 1]) <= p and (k == 11 or active[k + 1] > p)


def test_plateaus_of_short_paths():
    X = np.eye(3)
    assert [longest_plateau(naive_path(X, np.array(y, dtype=float))) for y in ((0, 0, 0), (3, 3, 3))] == [0, 1]
    assert longest_plateau(naive_path(X, np.array([3.0, 2.0, 0.1]))) == 2


@settings(max_examples=30)
@given(seeds, shapes)
def test_activation_times_are_those_of_the_first_entries(seed, shape):
    path = saddle_path(*gaussian(seed, shape))
    found = activation_times(path)
    first = {}
    for event in path.events:
        if event.kind == "enter":
            first.setdefault(event.feature, event.time)
    assert {i: t for i, t in enumerate(found) if np.isfinite(t)} == first


@pytest.mark.parametrize(
    ("rule", "options", "code"),
    [
        ("best", {}, "option_range"),
        ("time", {}, "option_missing"),
        ("time", {"time": -1.0}, "option_range"),
        ("time", {"time": np.nan}, "option_range"),
        ("n_active", {}, "option_missing"),
        ("n_active", {"n_active": -1}, "option_range"),
        ("bic", {}, "option_missing"),
    ],
)
def test_rules_that_lack_something_are_refused(rule, options, code):
    with pytest.raises(InputError) as refused:
        choose(naive_path(PATHS[0].X, PATHS[0].y), rule, **options)
    assert refused.value.code == code


def test_a_time_beyond_a_path_that_was_stopped_is_refused():
    path = naive_path(PATHS[0].X, PATHS[0].y, max_saddles=2)
    assert choose(path, "time", time=1.0) == 1
    with pytest.raises(InputError, match="beyond the known path"):
        choose(path, "time", time=2.0)
    assert choose(path, "time", time=2.0, known=2.5) == 2


def test_equal_columns_share_in_the_lasso_as_on_the_path():
    rng = np.random.default_rng(5)
    X, y = rng.standard_normal((40, 4)), rng.standard_normal(40)
    X = np.column_stack([X, -X[:, 1]])
    path = saddle_path(X, y)
    before = lasso_comparison(path, X, y).alternative.values["before"]
    assert path.duplicates and float(before) < 1e-12


@given(n=st.integers(8, 60), count=st.integers(2, 7), seed=st.integers(0, 99))
@settings(max_examples=20, deadline=None)
def test_folds_are_those_of_scikit_learn(n, count, seed):
    X, y = np.zeros((n, 1)), np.zeros(n)
    for ordered, theirs in ((False, KFold(count, shuffle=True, random_state=seed)), (True, TimeSeriesSplit(count))):
        ours = _splits(X, y, count, ordered, seed, None)
        for (train, test), (their_train, their_test) in zip(ours, theirs.split(X), strict=True):
            assert np.array_equal(train, their_train) and np.array_equal(test, their_test)
