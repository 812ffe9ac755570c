"""Observation of any model: activations, plateaus and agreement with the predicted order."""

import importlib.util
import json
import sys
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.ndimage import median_filter

from tests.problems import PATHS, table_problem
from thalweg.diagonal import (
    InputRecorder,
    activation_order,
    fit,
    linear_sensitivity,
    observe,
    saddle_path,
    spells,
)
from thalweg.diagonal.observe import HOLD, RELEASE
from thalweg.diagonal.plateaus import MEDIAN_RECORDS, loss_plateaus
from thalweg.diagonal.plot_observe import activation_table, figures, plateau_table
from thalweg.records import InputError, from_document, same, to_document

BY_LETTER = {problem.name[0]: problem for problem in reversed(PATHS)}
ALPHA, RATE = 1e-6, 0.02
CLOCK = np.log(1 / ALPHA) / RATE


def trained(X, y, periods, recorder, alpha=ALPHA, precision=np.float64):
    """Train b = u * v by gradient descent in NumPy; `recorder` is called with b before every update."""
    X, y, rate = X.astype(precision), y.astype(precision), precision(RATE)
    n, d = X.shape
    u, v = np.full(d, np.sqrt(2) * alpha, dtype=precision), np.zeros(d, dtype=precision)
    for _ in range(int(periods * np.log(1 / alpha) / RATE)):
        b = u * v
        residual = y - X @ b
        recorder(b, loss=residual @ residual / (2 * n))
        pull = X.T @ residual / precision(n)
        u, v = u + rate * pull * v, v + rate * pull * u
    return recorder


@pytest.fixture(scope="module")
def runs():
    """Recorded runs of real diagonal networks on golden problems, beyond their last jump."""
    made = {}
    for letter in "ABC":
        problem = BY_LETTER[letter]
        recorder = trained(problem.X, problem.y, 1.5 * problem.times[-1], InputRecorder(linear_sensitivity))
        made[letter] = recorder.history
    return made


def staircase(activations, steps, low=1e-9, heights=None):
    """Sensitivities that grow exponentially in the step and stop at their height; they pass half of it when told."""
    activations = np.asarray(activations, dtype=float)
    heights = np.ones(activations.size) if heights is None else np.asarray(heights, dtype=float)
    exponent = np.minimum((np.asarray(steps)[:, None] / activations - 1) * 30, 0)
    return np.maximum(heights * np.exp(exponent), low)


class TestRealNetworks:
    @pytest.mark.parametrize("letter", "ABC")
    def test_a_diagonal_network_shows_the_predicted_order_and_clock(self, runs, letter):
        problem = BY_LETTER[letter]
        path = saddle_path(problem.X, problem.y)
        seen = observe(*runs[letter], predicted=path, clock=CLOCK)
        first = dict.fromkeys(event.feature for event in path.events if event.kind == "enter")
        assert seen.order == tuple(first)
        assert seen.agreement.tau == pytest.approx(1)
        assert seen.agreement.agreeing == seen.agreement.compared == len(first)
        assert seen.agreement.missing == seen.agreement.unexpected == ()
        # Times converge like 1/ln(1/alpha); at alpha = 1e-6 they are within about ten percent.
        assert seen.agreement.pace / CLOCK == pytest.approx(1, abs=0.12)
        assert seen.agreement.spread < 1.15

    def test_the_plateaus_of_example_a_are_its_saddles(self, runs):
        problem = BY_LETTER["A"]
        seen = observe(*runs["A"])
        assert len(seen.plateaus) == 4
        # At the last saddle the approach is slow, like 1/t: golden problem A is degenerate there.
        assert [plateau.loss for plateau in seen.plateaus] == pytest.approx(problem.losses, abs=0.02)
        for plateau, jump in zip(seen.plateaus, (*problem.times, np.inf), strict=True):
            assert plateau.end < 1.4 * CLOCK * jump
        assert [row[-1] for row in plateau_table(seen).rows] == [0, 1, 2, 3]

    def test_example_b_leaves_and_returns(self, runs):
        seen = observe(*runs["B"])
        assert [activity.feature for activity in seen.activities] == [0, 2, 1, 0]
        assert np.isfinite(seen.activities[0].end) and seen.left == ()
        shorter = observe(*(array[: np.searchsorted(runs["B"][0], 4500)] for array in runs["B"]))
        assert shorter.left == (0,)

    @pytest.mark.parametrize(("precision", "returns"), [(np.float64, True), (np.float32, False)])
    def test_single_precision_loses_the_return_of_a_feature(self, precision, returns):
        problem = BY_LETTER["B"]
        periods = 1.3 * problem.times[-1]
        recorder = trained(problem.X, problem.y, periods, InputRecorder(linear_sensitivity), 1e-4, precision)
        seen = recorder.observe()
        assert seen.order == (0, 2, 1) and seen.left == (() if returns else (0,))

    def test_a_fit_predicts_by_names_and_times(self, runs):
        problem = BY_LETTER["B"]
        import thalweg as tw

        made = fit(tw.read(problem.X, problem.y), {"fit_intercept": False, "standardize": False})
        seen = observe(*runs["B"], predicted=made)
        assert seen.names == made.feature_names
        assert seen.agreement.order == activation_order(made)
        first = {spell.feature: made.solution["times"][spell.enters - 1] for spell in reversed(spells(made))}
        assert seen.agreement.times == pytest.approx([first[i] for i in range(3)])
        assert seen.order == activation_order(made)


class TestActivation:
    def test_exponential_growth_between_distant_uneven_records_is_interpolated_exactly(self):
        steps = np.array([0.0, 3, 70, 100, 190, 210, 300])
        values = np.exp(np.minimum(steps, 210) / 10)[:, None]  # exponential up to a record
        seen = observe(steps, values, threshold=0.01)
        assert seen.activated[0] == pytest.approx(210 - 10 * np.log(100), rel=1e-12)

    def test_exact_saddles_as_a_history_give_the_exact_order(self):
        path = saddle_path(BY_LETTER["B"].X, BY_LETTER["B"].y)
        steps = np.array([0.0, *path.times, 2 * path.times[-1]])
        coefficients = np.array([path.coef(min(k, path.count)) for k in range(steps.size)])
        seen = observe(steps, np.abs(coefficients), predicted=path, clock=1.0)
        assert seen.activated.tolist() == pytest.approx([path.times[0], path.times[2], path.times[1]])
        assert seen.agreement.pace == pytest.approx(1) and seen.agreement.spread == pytest.approx(1)

    def test_features_that_never_switch_on(self):
        steps = np.arange(1.0, 101)
        values = staircase([20.0, 30.0], steps, heights=[1.0, 0.04])
        seen = observe(steps, values)
        assert seen.order == (0,) and np.isinf(seen.activated[1])
        nothing = observe(steps, np.zeros((100, 2)), predicted=[1, 0])
        assert nothing.order == () and nothing.agreement.missing == (1, 0) and np.isnan(nothing.agreement.tau)
        assert "none of the 2 inputs" in nothing.say() and figures(nothing) == ()

    def test_features_that_are_active_from_the_start_have_no_time(self):
        steps = np.arange(0.0, 50)
        values = np.column_stack([np.ones(50), np.ones(50), staircase([20.0], steps)[:, 0]])
        seen = observe(steps, values, predicted=[2, 1, 0])
        assert seen.from_start == (0, 1) and seen.activated[0] == 0
        assert seen.agreement.agreeing == 0 and np.isnan(seen.agreement.p_value)
        assert "first record" in seen.say()

    def test_a_spell_that_does_not_last_is_none(self):
        steps = np.geomspace(1, 1000, 121)
        values = np.full((121, 1), 1e-6)
        values[60] = 1.0  # one wild record
        assert observe(steps, values).order == ()
        values[60:64] = 1.0
        assert observe(steps, values).order == (0,)
        assert observe(steps, values, hold=2.0).order == ()
        values[:] = 1e-6
        values[-1] = 1.0  # too late to tell
        assert observe(steps, values).order == ()

    def test_jitter_around_the_level_does_not_break_a_spell(self):
        steps = np.arange(1.0, 201)
        values = np.where(steps < 50, 0.0, 0.05 * np.where(steps % 2, 1.2, RELEASE * 1.1))[:, None]
        values = np.column_stack([values, np.ones(200)])
        spell = observe(steps, values).activities[-1]
        assert spell.feature == 0 and 50 < spell.start <= 51 and np.isinf(spell.end)


class TestPlateaus:
    def test_known_plateaus(self):
        steps = np.arange(1.0, 101)
        loss = np.where(steps <= 10, 5.0, np.where(steps <= 40, 3.0, 1.0))
        found = [(p.start, p.end, p.loss) for p in loss_plateaus(steps, loss)]
        assert found == [(1, 10, 5), (11, 40, 3), (41, 100, 1)]

    def test_a_fall_between_plateaus_belongs_to_neither(self):
        steps = np.arange(0.0, 100)
        loss = np.interp(steps, [0, 20, 24, 99], [4.0, 4, 0, 0])
        found = [(p.start, p.end, p.loss) for p in loss_plateaus(steps, loss)]
        assert found == [(0, 20, 4), (24, 99, 0)]

    def test_lengths_are_ratios_not_differences(self):
        steps = np.arange(1.0, 1001)
        loss = np.where(steps < 800, 2.0, np.where(steps < 900, 1.0, 0.0))
        assert [(p.start, p.end) for p in loss_plateaus(steps, loss)] == [(1, 799)]  # 899/800 and 1000/900 < 1.25
        assert len(loss_plateaus(steps, loss, ratio=1.1)) == 3

    def test_wild_records_do_not_break_a_plateau(self):
        steps = np.geomspace(1, 100, 81)
        loss = np.where(steps < 20, 1.0, 0.0)
        loss[[30, 31, 60]] = 9.0, 8.0, 7.0
        assert [p.loss for p in loss_plateaus(steps, loss)] == [1, 0]

    def test_a_constant_loss_is_one_plateau_and_a_steady_fall_none(self):
        steps = np.geomspace(1, 1000, 100)
        assert [(p.start, p.end) for p in loss_plateaus(steps, np.full(100, 2.0))] == [(1, 1000)]
        assert loss_plateaus(steps, -np.log(steps)) == ()

    @given(st.integers(0, 2**32 - 1), st.integers(2, 40))
    def test_the_longest_flat_interval_then_those_beside_it(self, seed, k):
        rng = np.random.default_rng(seed)
        steps = np.cumsum(rng.integers(1, 9, k)).astype(float)
        loss = np.cumsum(-rng.random(k) * (rng.random(k) < 0.2))
        smooth = median_filter(loss, MEDIAN_RECORDS, mode="nearest")
        flat = 0.02 * np.ptp(smooth)

        def by_force(first, last):
            pairs = [(i, j) for i in range(first, last + 1) for j in range(i + 1, last + 1)]
            pairs = [(i, j) for i, j in pairs if np.ptp(smooth[i : j + 1]) <= flat and steps[j] / steps[i] >= 1.25]
            if not pairs:
                return []
            i, j = max(pairs, key=lambda pair: steps[pair[1]] / steps[pair[0]])
            return [*by_force(first, i - 1), (steps[i], steps[j]), *by_force(j + 1, last)]

        assert [(p.start, p.end) for p in loss_plateaus(steps, loss)] == by_force(0, k - 1)


class TestAgreement:
    STEPS = np.geomspace(1, 1e4, 161)

    def seen(self, activations, **options):
        return observe(self.STEPS, staircase(activations, self.STEPS, low=1e-12), **options)

    def test_tau_and_its_exact_probability(self):
        agreement = self.seen([10.0, 100, 1000], predicted=[0, 1, 2]).agreement
        assert agreement.tau == pytest.approx(1) and agreement.p_value == pytest.approx(1 / 6)
        assert agreement.agreeing == agreement.compared == 3
        reverse = self.seen([10.0, 100, 1000], predicted=[2, 1, 0]).agreement
        assert reverse.tau == pytest.approx(-1) and reverse.p_value == pytest.approx(1)
        one_exchange = self.seen([10.0, 100, 1000], predicted=[0, 2, 1]).agreement
        assert one_exchange.tau == pytest.approx(1 / 3) and one_exchange.p_value == pytest.approx(1 / 2)
        assert one_exchange.agreeing == 1

    def test_names_numbers_and_repetitions(self):
        names = ("pressure", "flow", "heat")
        by_name = self.seen([10.0, 100, 1000], names=names, predicted=["pressure", "flow", "heat"])
        assert same(by_name.agreement, self.seen([10.0, 100, 1000], predicted=np.array([0, 1, 2])).agreement)
        again = self.seen([10.0, 100, 1000], predicted=[0, 1, 0, 2]).agreement
        assert again.order == (0, 1, 2)
        assert "pressure, flow, heat" in by_name.say()

    def test_what_stands_on_one_side_only_is_named_and_not_compared(self):
        agreement = self.seen([10.0, 100, 1e6, 1000], predicted=[2, 0, 1]).agreement
        assert (agreement.missing, agreement.unexpected, agreement.compared) == ((2,), (3,), 2)
        assert agreement.tau == pytest.approx(1) and agreement.agreeing == 0  # the first predicted one is missing

    def test_equal_predicted_times_agree_in_any_order(self):
        path = saddle_path(np.eye(3), np.array([3.0, 3, 1]))  # two at once, then one
        agreement = self.seen([100.0, 10, 1000], predicted=path).agreement
        assert agreement.agreeing == 3 and np.isnan(agreement.p_value)
        assert agreement.tau == pytest.approx(2 / np.sqrt(2 * 3))  # tau-b with one tie on one side
        assert self.seen([1000.0, 10, 100], predicted=path).agreement.agreeing == 1

    def test_one_common_feature_is_too_few(self):
        seen = self.seen([10.0, 1e6], predicted=[1, 0])
        assert np.isnan(seen.agreement.tau) and "fewer than two" in seen.say()

    def test_the_clock_is_the_geometric_mean_of_ratios(self):
        path = saddle_path(np.eye(3), np.array([3.0, 2, 1]))  # t = 1, 3/2, 3
        activations = np.array([100.0, 150, 300])
        seen = self.seen(activations, predicted=path, clock=50.0)
        assert seen.agreement.pace == pytest.approx(seen.activated[0], rel=0.02)
        assert seen.agreement.spread == pytest.approx(1, abs=0.02)
        assert "times the predicted times" in seen.say()
        without = self.seen(activations, predicted=path)
        assert without.agreement.pace == seen.agreement.pace and "One unit of predicted time" in without.say()
        assert np.isnan(self.seen(activations, predicted=[0, 1, 2]).agreement.pace)


seeds = st.integers(0, 2**32 - 1)


@given(seeds, st.integers(2, 6))
def test_permuted_inputs_give_permuted_activations(seed, d):
    rng = np.random.default_rng(seed)
    steps = np.geomspace(1, 1e3, 60)
    values = staircase(rng.uniform(2, 800, d), steps, heights=rng.uniform(0.02, 1, d))
    values *= np.exp(0.3 * rng.standard_normal(values.shape))
    order = rng.permutation(d)
    assert np.array_equal(observe(steps, values[:, order]).activated, observe(steps, values).activated[order])


@given(seeds, st.floats(1e-6, 1e6), st.floats(1e-6, 1e6))
def test_units_of_output_and_time_do_not_matter(seed, unit, time):
    rng = np.random.default_rng(seed)
    steps, loss = np.geomspace(1, 1e3, 60), np.cumsum(-rng.random(60) * (rng.random(60) < 0.1))
    values = staircase(rng.uniform(2, 800, 4), steps)
    plain, scaled = observe(steps, values, loss), observe(time * steps, unit * values, loss)
    assert scaled.activated == pytest.approx(time * plain.activated)
    assert [p.end for p in scaled.plateaus] == pytest.approx([time * p.end for p in plain.plateaus])


@given(seeds)
def test_jitter_and_lost_records_leave_the_order(seed):
    rng = np.random.default_rng(seed)
    activations = 10 * 2.0 ** np.arange(6)
    steps = np.unique(np.geomspace(1, 3e3, 160).round())
    steps = steps[rng.random(steps.size) > 0.3]  # records are missing at random
    values = staircase(activations, steps) * np.exp(0.2 * rng.standard_normal((steps.size, 6)))
    order = rng.permutation(6)
    seen = observe(steps, values[:, order], predicted=np.argsort(order).tolist())
    assert seen.agreement.tau == pytest.approx(1) and seen.agreement.compared == 6
    assert seen.left == seen.from_start == ()


class TestRecorder:
    def test_the_logarithmic_schedule(self):
        recorder = InputRecorder(per_decade=10)
        due = [step for step in range(100_001) if recorder.due(step)]
        assert due[:5] == list(range(5)) and {100, 1000, 10_000, 100_000} <= set(due)
        assert np.bincount(np.log10(np.maximum(due, 1)).astype(int))[2:5].tolist() == [10, 10, 10]

    def test_measuring_happens_only_when_due(self):
        calls = []

        def measure(weights):
            calls.append(weights)
            return np.abs(weights)

        recorder = InputRecorder(measure, steps=range(0, 1000, 100))
        for step in range(500):
            recorder(np.array([step, 1.0]), loss=1.0 / (step + 1))
        steps, values, losses = recorder.history
        assert len(calls) == 5 and recorder.count == 500
        assert steps.tolist() == values[:, 0].tolist() == [0, 100, 200, 300, 400]
        assert losses[-1] == pytest.approx(1 / 401)

    def test_records_may_arrive_in_any_order(self):
        recorder = InputRecorder()
        for step in (3, 1, 2):
            recorder.record(step, [step, 2.0])
        steps, values, losses = recorder.history
        assert steps.tolist() == values[:, 0].tolist() == [1, 2, 3] and losses is None

    def test_misuse_is_named(self):
        with pytest.raises(InputError, match="no record"):
            _ = InputRecorder().history
        with pytest.raises(InputError, match="without a measure"):
            InputRecorder()()
        with pytest.raises(InputError, match="per_decade"):
            InputRecorder(per_decade=0)
        changing, mixed = InputRecorder(), InputRecorder()
        changing.record(0, [1.0, 2.0])
        changing.record(1, [1.0])
        mixed.record(0, [1.0], loss=1.0)
        mixed.record(1, [1.0])
        with pytest.raises(InputError, match="step 1"):
            _ = changing.history
        with pytest.raises(InputError, match="step 1"):
            _ = mixed.history


GOOD = (np.array([0.0, 1, 2]), np.ones((3, 2)), np.ones(3))


def changed(place, change):
    history = [array.copy() for array in GOOD]
    history[place] = change(history[place])
    return history


def put(array, where, value):
    array[where] = value
    return array


BAD_HISTORIES = {
    "NaN": (changed(1, lambda a: put(a, (1, 1), np.nan)), "step 1.*heat.*nan"),
    "infinity": (changed(1, lambda a: put(a, (2, 0), np.inf)), "step 2.*flow.*inf"),
    "negative": (changed(1, lambda a: put(a, (1, 0), -2)), "step 1.*flow.*-2"),
    "loss": (changed(2, lambda a: put(a, 1, np.nan)), "step 1 the loss is nan"),
    "steps repeat": (changed(0, lambda a: put(a, 2, 1)), "record 2"),
    "steps negative": (changed(0, lambda a: a - 1), "record 0"),
    "steps NaN": (changed(0, lambda a: put(a, 1, np.nan)), "steps holds 1"),
    "few rows": (changed(1, lambda a: a[:2]), "sensitivity has 2"),
    "few losses": (changed(2, lambda a: a[:2]), "losses has 2"),
    "one dimension": (changed(1, lambda a: a[:, 0]), "1 dimensions"),
    "text": (changed(1, lambda a: a.astype(str)), "type <U"),
    "complex": (changed(1, lambda a: a.astype(complex)), "complex"),
    "no records": ([np.empty(0), np.empty((0, 2)), None], "empty"),
    "loss table": (changed(2, lambda a: a[:, None]), "2 dimensions"),
}


@pytest.mark.parametrize("name", BAD_HISTORIES)
def test_bad_histories_name_the_place(name):
    history, words = BAD_HISTORIES[name]
    with pytest.raises(InputError, match=words):
        observe(*history, names=("flow", "heat"))


BAD_OPTIONS = {
    "threshold": {"threshold": 0.0},
    "hold": {"hold": 0.9},
    "plateau_share": {"plateau_share": float("nan")},
    "plateau_ratio": {"plateau_ratio": 1.0},
    "clock = -1": {"clock": -1.0},
    "clock was given": {"clock": 2.0},
    "without predicted times": {"clock": 2.0, "predicted": [0, 1]},
    "names has 1": {"names": ["a"]},
    "more than one": {"names": ["a", "a"]},
    "input 2": {"predicted": [0, 2]},
    "input -1": {"predicted": [-1]},
    "input 0.5": {"predicted": np.array([0.5])},
    "input True": {"predicted": [True]},
    "input humidity": {"predicted": ["humidity"]},
    "input 7": {"predicted": np.array(7)},
    "predicted has 3": {"predicted": saddle_path(np.eye(3), np.ones(3))},
}


@pytest.mark.parametrize("words", BAD_OPTIONS)
def test_bad_options_are_refused_in_words(words):
    with pytest.raises(InputError, match=words):
        observe(*GOOD, **BAD_OPTIONS[words])


def test_a_fit_of_another_family_or_size_is_refused():
    from dataclasses import replace

    made = fit(table_problem(d=2))
    with pytest.raises(InputError, match="family"):
        observe(*GOOD, predicted=replace(made, family="shallow"))
    with pytest.raises(InputError, match="predicted has 4"):
        observe(*GOOD, predicted=fit(table_problem(d=4)))


def test_one_record_shows_nothing_that_lasts():
    assert observe([0], [[1.0]], [2.0]).order == ()
    assert observe([5.0], [[1.0]], [2.0], hold=1.0).from_start == (0,)


class TestTelling:
    def test_every_sentence_says_observation_not_theorem_first(self, runs):
        seen = observe(*runs["A"], predicted=saddle_path(BY_LETTER["A"].X, BY_LETTER["A"].y))
        assert str(seen).startswith("Observation, not theorem:")
        assert seen.say("ja").startswith("観察であり、定理ではありません")
        assert "tau 1" in repr(seen)

    def test_the_trajectory_and_the_record_keep_everything(self, runs):
        seen = observe(*runs["B"], predicted=[0, 2, 1])
        path = seen.trajectory
        assert [(mark.code, mark.subject) for mark in path.marks] == [
            ("enter", "x1"), ("enter", "x3"), ("leave", "x1"), ("enter", "x2"), ("enter", "x1")
        ]  # fmt: skip
        assert np.array_equal(path.channels["x3"], seen.sensitivity[:, 2])
        assert np.isnan(observe(*runs["B"][:2]).trajectory.loss).all()
        arrays = {}
        document = json.loads(json.dumps(to_document(seen, arrays), allow_nan=False))
        assert same(from_document(document, arrays), seen)

    @pytest.mark.parametrize("lang", ["en", "ja"])
    def test_pictures_show_what_the_tables_say(self, runs, lang):
        seen = observe(*runs["B"], predicted=saddle_path(BY_LETTER["B"].X, BY_LETTER["B"].y), names=("a", "<b>", "c"))
        inputs, orders = figures(seen, lang)
        assert {trace.name for trace in inputs.figure.data} >= {"a", "&lt;b&gt;", "c"}
        assert len(inputs.figure.layout.shapes) == len(seen.plateaus)
        joined = [trace.y for trace in orders.figure.data if trace.mode == "lines+markers"]
        assert joined == [(0, 0), (1, 1), (2, 2)]
        for picture in (inputs, orders):
            words = picture.alternative.say(lang)
            assert ("not theorem" if lang == "en" else "定理ではありません") in words
            assert not any(table.to_frame().empty for table in picture.tables)

    def test_crossing_lines_are_exchanges_and_lone_inputs_stay_apart(self):
        steps = np.geomspace(1, 1e4, 161)
        seen = observe(steps, staircase([10.0, 100, 1e6, 1000], steps), predicted=[1, 0, 2])
        picture = figures(seen)[1]
        assert [trace.y for trace in picture.figure.data if trace.mode == "lines+markers"] == [(0, 1), (1, 0)]
        lone = [(tuple(trace.x), tuple(trace.y)) for trace in picture.figure.data if trace.mode == "markers"]
        assert lone == [((0,), (2,)), ((1,), (2,))]
        rows = {row[0]: row[1:3] for row in activation_table(seen).rows}
        assert rows == {"x1": (2, 1), "x2": (1, 2), "x4": ("-", 3), "x3": (3, "-")}
        assert plateau_table(seen).rows == ()
        assert seen.activities[0].start * HOLD < steps[-1]


def test_the_example_predicts_what_it_observes(monkeypatch, capsys):
    path = Path(__file__).parents[2] / "examples" / "observe_any_model.py"
    spec = importlib.util.spec_from_file_location("observe_any_model", path)
    example = importlib.util.module_from_spec(spec)
    monkeypatch.setitem(sys.modules, "observe_any_model", example)
    spec.loader.exec_module(example)
    pytest.importorskip("jax", reason="JAX is not installed")
    X, y = example.data()
    import jax

    before = jax.config.jax_enable_x64
    try:
        seen = {}
        for name, (network, start) in example.starts().items():
            recorder = example.train_with_jax(network, start, X, y)
            seen[name] = recorder.observe(predicted=saddle_path(X, y))
    finally:
        jax.config.update("jax_enable_x64", before)
    assert seen["diagonal network"].agreement.tau == pytest.approx(1)
    assert seen["diagonal network"].agreement.agreeing == 4
    assert seen["diagonal network"].agreement.spread < 1.1 < 1.5 < seen["ReLU network"].agreement.spread
