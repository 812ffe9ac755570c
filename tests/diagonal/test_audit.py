"""The audit names every feature once, with the true reason; sensors are counted as brute force counts them."""

import dataclasses

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import thalweg as tw
from tests.problems import PATHS, table_problem
from thalweg.diagonal import feature_table, fit, saddle_path, sensor_curve
from thalweg.diagonal.audit import suggestions
from thalweg.diagonal.section import TABLE_ROWS, section
from thalweg.diagonal.sensors import cost_curve, cost_steps, enough, sensor_steps, unpriced, used_features
from thalweg.diagonal.stopping import recommended_saddle
from thalweg.records import ColumnDecision, Decisions

few = settings(max_examples=20)
AS_THEY_ARE = {"fit_intercept": False, "standardize": False}


def golden(letter):
    known = next(p for p in PATHS if p.name.startswith(letter))
    return tw.read(known.X, known.y)


def rows_of(made):
    """The audit by feature and column, reasons by their last word of code."""
    table = feature_table(made)
    rows = {row[0]: dict(zip(table.columns, row, strict=True)) for row in table.rows}
    for row in rows.values():
        row["reason"] = row["why"].code.rpartition(".")[2]
        row["end"] = row["at_end"].code.rpartition(".")[2]
    return rows


def test_golden_a_two_features_are_pushed_out_together():
    rows = rows_of(fit(golden("A"), AS_THEY_ARE))
    assert list(rows) == ["x1", "x3", "x2"]  # the order of activation
    for name, jump, time in (("x1", 1, 1 / 2), ("x3", 2, 7 / 4)):
        row = rows[name]
        assert (row["reason"], row["end"], row["jump"], row["spells"], row["sign"]) == ("left", "off", jump, 1, "+")
        assert row["enters_at"] == pytest.approx(time) and row["leaves_at"] == pytest.approx(7)
        assert row["why"].values["names"] == "x2" and row["why"].values["jump"] == 3
    assert rows["x2"]["reason"] == "active_at_end" and rows["x2"]["sign"] == "-" and rows["x2"]["leaves_at"] == np.inf


def test_golden_b_a_feature_returns_with_the_other_sign():
    rows = rows_of(fit(golden("B"), AS_THEY_ARE))
    assert (rows["x1"]["sign"], rows["x1"]["spells"], rows["x1"]["jump"]) == ("+, -", 2, 1)
    assert rows["x1"]["reason"] == "active_at_end" and rows["x1"]["why"].values["time"] == pytest.approx(57 / 7)
    cut = rows_of(fit(golden("B"), {**AS_THEY_ARE, "max_saddles": 2}))
    assert cut["x1"]["reason"] == "left" and cut["x1"]["why"].values == {
        "names": "x3", "jump": 2, "time": pytest.approx(15 / 7)
    }  # fmt: skip
    assert cut["x2"]["reason"] == "not_yet" and cut["x2"]["why"].values["percent"] == pytest.approx(600 / 7, abs=0.01)


def test_golden_e_copies_share():
    rows = rows_of(fit(golden("E"), AS_THEY_ARE))
    assert rows["x1"]["reason"] == rows["x2"]["reason"] == "shares"
    assert rows["x1"]["why"].values["names"] == "x2" and rows["x2"]["why"].values["names"] == "x1"
    assert rows["x3"]["reason"] == rows["x4"]["reason"] == "active_at_end"


def test_how_near_a_feature_came_is_said_exactly():
    rows = rows_of(fit(golden("D: one never"), AS_THEY_ARE))
    assert rows["x3"]["reason"] == "never_reached" and rows["x3"]["why"].values["percent"] == 0
    # X = I: s_3 = t r_3 with r = (1, -2/3, 1/9), until y is fitted at t = 3/2.
    made = fit(tw.read(np.eye(3), np.array([3.0, -2, 1 / 3])), {**AS_THEY_ARE, "max_saddles": 2})
    assert made.solution["largest_dual"] == pytest.approx([1, 1, 1 / 6])
    assert rows_of(made)["x3"]["why"].values["percent"] == pytest.approx(16.67)
    # Stopped by time in the middle of a plateau: the dual has gone on.
    made = fit(tw.read(np.eye(3), np.array([3.0, -2, 1 / 3])), {**AS_THEY_ARE, "max_time": 1.2})
    assert made.solution["largest_dual"] == pytest.approx([1, 0.8, 1.2 / 9])


def test_a_feature_within_a_hair_of_its_wall_is_not_said_to_be_there():
    made = fit(tw.read(np.eye(3), np.array([3.0, 3 - 1e-5, 3 - 2e-5])), {**AS_THEY_ARE, "max_saddles": 1})
    row = rows_of(made)["x3"]
    assert row["reason"] == "not_yet" and "99.99 %" in row["why"].say() and "100" not in row["why"].say("ja")


def test_a_feature_that_arrives_with_another_and_gets_nothing_has_touched_its_wall():
    G, r = np.array([[1, 0.6], [0.6, 0.4]]), np.array([1.0, 1.0])  # least squares on both is (-5, 10)
    X = np.linalg.cholesky(G).T * np.sqrt(2)
    made = fit(tw.read(X, np.linalg.solve(X.T, 2 * r)), {**AS_THEY_ARE, "max_saddles": 1})
    assert made.solution["times"] == pytest.approx([1])
    assert {name: row["reason"] for name, row in rows_of(made).items()} == {"x2": "active_at_end", "x1": "touched"}


def test_columns_without_anything_of_their_own_say_so():
    rng = np.random.default_rng(0)
    X = rng.standard_normal((9, 6))
    X[:, 1], X[:, 3] = 4.0, X[:, 0] + X[:, 2]
    y = X[:, 0] - X[:, 2] + 0.1 * X[:, 5]
    rows = rows_of(fit(tw.read(X, y)))
    assert rows["x2"]["reason"] == "still"
    reasons = {row["reason"] for row in rows.values()}
    assert "dependent" in reasons or "never_reached" in reasons
    kept = rows_of(fit(tw.read(X, y, keep=["x1", "x3", "x2"])))
    assert [kept[f"x{i}"]["reason"] for i in (1, 2, 3, 4)] == ["kept", "kept_still", "kept", "determined"]
    assert kept["x1"]["sign"] == "+" and kept["x1"]["jump"] == 0 and kept["x2"]["spells"] == 0


def test_dependent_features_rest_at_their_walls():
    # Three columns of a plane arrive together: two of them give the fit, the third cannot change it.
    X = np.array([[2.0, 0, 1, 0], [0, 2, 1, 0], [0, 0, 0, 1]])
    made = fit(tw.read(X, np.array([3.0, 3, 0.1])), AS_THEY_ARE)
    jump, skipped = made.solution["rank_skipped"][0]
    row = rows_of(made)[f"x{skipped + 1}"]
    assert row["reason"] == "dependent" and row["why"].values["jump"] == jump
    assert next(s for s in suggestions(made) if s.column == f"x{skipped + 1}").decision == "drop"


def test_what_enters_after_the_recommended_stop_is_told_from_what_never_enters():
    problem = table_problem(n=40, d=12, noise=3.0, seed=8)
    made = fit(problem)
    stop = recommended_saddle(made)
    assert 0 < stop < made.solution["times"].size
    rows = rows_of(made)
    late = [row for row in rows.values() if row["reason"] == "after_stop"]
    assert late and all(row["jump"] > stop for row in late)
    assert all(
        row["at_stop"].code == "state.off" and row["end"] == "active" for row in late if row["leaves_at"] == np.inf
    )
    used = [name for name, row in rows.items() if row["reason"] == "active_at_stop"]
    assert {s.column for s in suggestions(made) if s.decision == "keep"} == set(used)
    assert all(s.decision == "undecided" for s in suggestions(made) if s.column not in used)


def test_data_that_predict_nothing_suggest_nothing_to_keep():
    noise = np.random.default_rng(99).standard_normal(40)
    made = fit(tw.read(np.random.default_rng(0).standard_normal((40, 4)), noise))
    assert recommended_saddle(made) == 0
    assert {s.decision for s in suggestions(made)} == {"undecided"}
    assert {row["at_stop"].code for row in rows_of(made).values()} == {"state.off"}


@given(st.integers(0, 2**32 - 1), st.integers(1, 25), st.integers(1, 9), st.booleans(), st.integers(0, 3))
def test_every_feature_stands_in_the_audit_once_and_its_states_are_true(seed, n, d, positive, kept):
    rng = np.random.default_rng(seed)
    X = rng.integers(-2, 3, (n, d)).astype(float)  # copies, constants and ties are common
    problem = tw.read(X, rng.integers(-3, 4, n).astype(float), keep=[f"x{i + 1}" for i in range(min(kept, d))])
    made = fit(problem, {"positive": positive})
    table = feature_table(made)
    assert sorted(row[0] for row in table.rows) == sorted(problem.feature_names)
    rows, last = rows_of(made), made.solution["support_offsets"][-2:]
    at_end = {f"x{i + 1}" for i in made.solution["support_indices"][last[0] : last[1]]}
    assert {name for name, row in rows.items() if row["end"] == "active"} == at_end
    for row in table.rows:
        assert row[1].say("en") and row[1].say("ja")
    assert {s.column for s in suggestions(made)} == set(problem.feature_names)
    never = [name for name, row in rows.items() if row["reason"] in ("never_reached", "not_yet")]
    assert all(made.solution["largest_dual"][int(name[1:]) - 1] < 1 for name in never)


@few
@given(st.integers(0, 2**32 - 1), st.booleans())
def test_the_largest_dual_is_that_of_the_path(seed, positive):
    problem = table_problem(n=30, d=6, seed=seed, noise=2.0)
    made = fit(problem, {"positive": positive, "max_saddles": 3})
    X = (problem.X - problem.X.mean(axis=0)) / problem.X.std(axis=0)
    path = saddle_path(X, problem.y - problem.y.mean(), positive=positive, max_saddles=3)
    duals = np.array([path.dual(k) for k in range(path.count + 1)])
    assert made.solution["largest_dual"] == pytest.approx((duals if positive else np.abs(duals)).max(axis=0), abs=1e-9)


def test_a_record_without_the_arrays_of_the_audit_has_shorter_reasons():
    made = fit(table_problem(n=40, d=12, noise=3.0, seed=8), {"max_saddles": 1})
    arrays = {k: v for k, v in made.solution.items() if k not in ("lost", "duplicate_of", "largest_dual")}
    old = dataclasses.replace(made, solution=arrays)
    assert {row["reason"] for row in rows_of(old).values()} <= {"active_at_stop", "never"}
    assert sensor_curve(old).rows == sensor_curve(made).rows


def test_wide_audits_are_whole_in_the_section_and_short_on_the_page():
    rng = np.random.default_rng(0)
    X = rng.standard_normal((30, 150))
    made = section(tw.read(X, X[:, :3].sum(axis=1)), budget=1e10, seed=0)
    table = next(t for t in made.tables if t.code == "diagonal.features")
    assert len(table.rows) == 150 > TABLE_ROWS
    page = tw.report(tw.survey(tw.read(X, X[:, :3].sum(axis=1)))).html()
    assert page.count("50 further rows are in the JSON file.") == 1


@few
@given(st.integers(0, 2**32 - 1), st.integers(0, 2))
def test_the_sensor_curve_is_what_brute_force_finds(seed, kept):
    problem = table_problem(n=40, d=8, seed=seed, noise=4.0)
    made = fit(problem, {"keep": [f"x{i + 5}" for i in range(kept)]})
    table = sensor_curve(made)
    errors, sizes = made.solution["held_out_rmse"], made.solution["held_out_active"] + kept
    numbers = [row[0] for row in table.rows]
    assert numbers == list(range(kept, int(sizes.max()) + 1))
    for number, error, *_ in table.rows:
        assert error == errors[sizes <= number].min()
    curve = np.array([row[1] for row in table.rows])
    gains = np.array([row[2] for row in table.rows])
    assert (np.diff(curve) <= 0).all() and gains[1:] == pytest.approx(-np.diff(curve))
    assert gains[0] == pytest.approx(made.solution["held_out_mean"][0] - curve[0])
    # The features that are added and removed lead from one saddle to the next.
    sets, now = used_features(made), set()
    for step, row in zip(sensor_steps(made), table.rows, strict=True):
        now = (now | set(filter(None, row[4].split(", ")))) - set(filter(None, row[5].split(", ")))
        assert now == {f"x{i + 1}" for i in sets[step.saddle]} and len(now) == step.sensors <= row[0]
    assert enough(sensor_steps(made)).error <= 1.05 * curve.min()


@few
@given(st.integers(0, 2**32 - 1), st.lists(st.integers(0, 4), min_size=8, max_size=8))
def test_the_cost_curve_is_the_pareto_front(seed, prices):
    made = fit(table_problem(n=40, d=8, seed=seed, noise=4.0), {"keep": ["x8"]})
    costs = {f"x{i + 1}": float(price) for i, price in enumerate(prices) if i != 2}
    sets, errors = used_features(made), made.solution["held_out_rmse"]
    cost = [sum(costs.get(f"x{i + 1}", 0.0) for i in used) for used in sets]
    front = {
        (cost[k], errors[k])
        for k in range(errors.size)
        if not any(
            (cost[j] <= cost[k] and errors[j] < errors[k]) or (cost[j] < cost[k] and errors[j] <= errors[k])
            for j in range(errors.size)
        )
    }
    found = [(row[0], row[1]) for row in cost_curve(made, costs).rows]
    assert set(found) == front and found == sorted(found) and len(found) == len(front)
    assert [step.error for step in cost_steps(made, costs)] == sorted({e for _, e in front}, reverse=True)
    assert unpriced(made, costs) == (("x3",) if any(2 in used for used in sets) else ())


def test_costs_of_the_file_are_drawn_and_missing_ones_named():
    from thalweg.diagonal.plot import figures

    problem = table_problem(n=60, noise=1.0)
    made = fit(problem)
    entries = (ColumnDecision("x1", "undecided", cost=10.0), ColumnDecision("x2", "undecided", cost=1.0))
    for lang, unit in (("en", "<b>EUR</b>"), ("ja", "円")):
        drawn = figures(made, lang, Decisions("d.toml", "", entries, unit))[-1]
        assert drawn.code == "diagonal.costs_unpriced" and "x3" in drawn.alternative.say(lang)
        assert unit in drawn.alternative.say(lang) and "<b>" not in drawn.figure.to_json()
    every = (*entries, *(ColumnDecision(f"x{i}", "undecided", cost=0.0) for i in (3, 4, 5)))
    assert figures(made, "en", Decisions("d.toml", "", every))[-1].code == "diagonal.costs"
    assert len(figures(made, "en", Decisions("d.toml", "", (ColumnDecision("x1", "undecided"),)))) == 4


def test_without_held_out_rows_there_is_no_curve():
    made = fit(table_problem(n=9, d=2))
    assert sensor_curve(made).rows == () and sensor_steps(made) == []
    assert {row["at_stop"] != row["at_stop"] for row in rows_of(made).values()} == {True}  # NaN: unknown
