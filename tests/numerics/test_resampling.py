"""Drawn rows, disjoint halves, quantiles with infinities, and agreement of orders of arrival."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import kendalltau, rankdata

from thalweg.numerics.options import real_number, whole_number
from thalweg.numerics.ranking import arrival_ranks, arrival_tau, kendall_tau, leading_agreement
from thalweg.numerics.resampling import bootstrap_rows, disjoint_pair, percentile_interval, quantile, stream
from thalweg.records import InputError

seeds = st.integers(0, 2**32)
times = st.sampled_from([1.0, 2.0, 3.0, 4.0, np.inf])


@given(seeds, st.integers(1, 30), st.data())
def test_blocks_are_runs_of_neighbours(seed, n, data):
    length = data.draw(st.integers(1, n))
    rows = bootstrap_rows(n, stream(seed, "x", 0), length)
    assert rows.size == n and rows.min() >= 0 and rows.max() < n
    for start in range(0, n, length):
        assert (np.diff(rows[start : start + length]) == 1).all()


def test_every_block_is_equally_likely():
    rng = stream(0, "x", 0)
    starts = np.concatenate([bootstrap_rows(12, rng, 4)[::4] for _ in range(3000)])
    counts = np.bincount(starts, minlength=9)
    assert counts.size == 9 and np.abs(counts - 1000).max() < 5 * np.sqrt(1000)


def test_single_rows_are_drawn_with_replacement():
    rows = bootstrap_rows(1000, stream(3, "x", 1))
    assert rows.size == 1000 and abs(np.unique(rows).size / 1000 - (1 - np.exp(-1))) < 0.05


@given(seeds, st.integers(2, 40), st.data())
def test_pairs_share_no_row(seed, n, data):
    size = data.draw(st.integers(1, n // 2))
    first, second = disjoint_pair(n, size, stream(seed, "x", 0))
    assert first.size == second.size == size
    assert np.unique(np.concatenate([first, second])).size == 2 * size
    if 2 * size == n:
        assert sorted([*first, *second]) == list(range(n))


def test_streams_differ_by_seed_purpose_and_number():
    streams = [stream(0, "a", 0), stream(1, "a", 0), stream(0, "b", 0), stream(0, "a", 1)]
    assert len({rng.integers(2**60) for rng in streams}) == 4
    assert stream(5, "a", 7).integers(2**60) == stream(5, "a", 7).integers(2**60)


@given(st.lists(times, min_size=1, max_size=25), st.floats(0.01, 0.99))
def test_intervals_hold_at_least_their_level_in_values_that_occurred(sample, level):
    values = np.array(sample)
    lower, upper = percentile_interval(values, level)
    assert lower in values and upper in values
    assert ((values >= lower) & (values <= upper)).mean() >= level - 1e-12
    # and not more than needed: without the outermost values less than the level is left on either side
    assert (values < lower).mean() <= (1 - level) / 2 and (values > upper).mean() <= (1 - level) / 2


def test_quantiles_of_infinities_are_exact():
    sample = np.array([[1.0, np.inf], [np.inf, np.inf], [2.0, np.inf], [3.0, np.inf]])
    assert quantile(sample, 0.5).tolist() == [2.0, np.inf]
    assert quantile(sample, 0.75).tolist() == [3.0, np.inf]
    assert quantile(sample, 0.76).tolist() == [np.inf, np.inf]
    ordered = np.arange(1.0, 1001.0)
    assert percentile_interval(ordered, 0.95) == (25.0, 975.0)


@given(st.lists(st.tuples(times, times), min_size=1, max_size=9))
def test_arrival_tau_is_scipys_over_the_items_that_arrive(pairs):
    first, second = np.array(pairs).T
    used = np.isfinite(first) | np.isfinite(second)
    found = arrival_tau(first, np.array([second, first]))
    last = 1e9
    if used.sum() < 2:
        assert np.isnan(found).all()
        return
    wanted = kendalltau(np.minimum(first[used], last), np.minimum(second[used], last)).statistic
    assert found[0] == pytest.approx(wanted, nan_ok=True)
    distinct = np.unique(np.minimum(first[np.isfinite(first)], last)).size
    assert np.isnan(found[1]) if distinct < 2 else found[1] == pytest.approx(1.0)


@given(st.permutations(range(7)), st.permutations(range(7)))
def test_arrival_tau_of_whole_orders_is_that_of_the_orders(first, second):
    a, b = np.argsort(first) + 1.0, np.argsort(second) + 1.0
    assert arrival_tau(a, np.exp(b)[None])[0] == pytest.approx(kendall_tau(first, second))


def test_an_order_that_goes_on_agrees_and_blocks_do_not_matter(monkeypatch):
    reference = np.array([1.0, 2.0, np.inf, np.inf])
    rows = np.array([[1.0, 2.0, 3.0, 4.0], [2.0, 1.0, np.inf, np.inf], [np.inf] * 4, [1.0, 2.0, np.inf, 9.0]])
    found = arrival_tau(reference, rows)
    assert found[[0, 3]] == pytest.approx([np.sqrt(5 / 6), 1.0]) and found[1] == -1.0 and np.isnan(found[2])
    monkeypatch.setattr("thalweg.numerics.ranking.PAIRS_AT_ONCE", 1)
    assert arrival_tau(reference, rows) == pytest.approx(found, nan_ok=True)


@given(st.lists(times, min_size=1, max_size=8))
def test_ranks_are_scipys_and_never_is_infinite(row):
    values = np.array(row)
    wanted = np.where(np.isfinite(values), rankdata(np.minimum(values, 1e9), method="min"), np.inf)
    assert arrival_ranks(values[None])[0].tolist() == wanted.tolist()


@given(st.integers(1, 6), st.data())
def test_leading_agreement_is_that_of_brute_force(d, data):
    row = st.lists(times, min_size=d, max_size=d)
    reference, rows = np.array(data.draw(row)), np.array(data.draw(st.lists(row, min_size=1, max_size=5)))

    def order(values):
        return [i for i in np.argsort(values, kind="stable").tolist() if np.isfinite(values[i])]

    first = order(reference)
    as_set, in_order = leading_agreement(reference, rows)
    assert as_set.size == in_order.size == len(first)
    for k in range(1, len(first) + 1):
        heads = [order(values)[:k] for values in rows]
        assert as_set[k - 1] == pytest.approx(np.mean([set(head) == set(first[:k]) for head in heads]))
        assert in_order[k - 1] == pytest.approx(np.mean([head == first[:k] for head in heads]))


@pytest.mark.parametrize("value", [True, 1.0, "2", None, 0, -3])
def test_whole_numbers_are_whole(value):
    with pytest.raises(InputError, match="draws"):
        whole_number(value, "draws", 1)
    assert whole_number(np.int64(3), "draws", 1) == 3


@pytest.mark.parametrize("value", [True, "0.5", None, 0.0, np.nan])
def test_real_numbers_are_real(value):
    with pytest.raises(InputError, match="level"):
        real_number(value, "level", lambda p: 0 < p < 1, "0 < level < 1")
