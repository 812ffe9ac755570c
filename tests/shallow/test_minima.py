"""The catalogue of minima: proved, distinct, counted, and every start explained."""

import json

import numpy as np
import pytest
from scipy.integrate import solve_ivp
from scipy.optimize import minimize

from tests.shallow.landscapes import NINE, NINE_MINIMISER, NINE_Y, teacher
from thalweg.records import InputError, Outcome, Verdict, from_document, same, to_document
from thalweg.shallow import Objective, ShallowNet, assignment, find_minima
from thalweg.shallow.catalogue import DEGENERATE, MINIMUM, SADDLE, MinimaCatalogue
from thalweg.shallow.multistart import draw_starts
from thalweg.shallow.scaling import scaled


@pytest.fixture(scope="module")
def catalogue():
    return find_minima(*teacher(2, 2, 80, 0), 2, starts=30, saddles=40)


def test_every_start_ends_with_an_outcome_and_points_are_counted(catalogue):
    assert catalogue.starts == len(catalogue.escapes) == 30
    at_points = catalogue.point_of_start >= 0
    for outcome, escape, at in zip(catalogue.outcomes, catalogue.escapes, at_points, strict=True):
        assert isinstance(outcome, Outcome)
        assert at == (outcome in (Outcome.CONVERGED, Outcome.INTERPOLATED, Outcome.PRECISION_LOST))
        assert not at or escape == ""
    for i in catalogue.minima:
        assert catalogue.points[i].hits == (catalogue.point_of_start == i).sum()
        np.testing.assert_allclose(catalogue.losses[catalogue.point_of_start == i], catalogue.points[i].loss, rtol=1e-8)


def test_minima_are_strict_proved_and_stationary(catalogue):
    data = Objective(*teacher(2, 2, 80, 0))
    assert catalogue.minima and catalogue.best == 0 and catalogue.certified_share > 0.5
    for i in catalogue.minima:
        point, net = catalogue.points[i], catalogue.net(i)
        values = np.linalg.eigvalsh(data.hessian(net))
        assert point.certificate.verdict is Verdict.HOLDS and point.index == 0 and values[0] > 0
        assert point.smallest_eigenvalue == pytest.approx(values[0], rel=1e-6)
        assert np.linalg.norm(data.gradient(net)) < 1e-12 and catalogue.focal_margin[i] > 0
        assert data.cost(net) == pytest.approx(point.loss, rel=1e-12)


def test_points_are_distinct_up_to_symmetry_and_in_order(catalogue):
    losses = [catalogue.points[i].loss for i in catalogue.minima]
    assert losses == sorted(losses)
    nets = [catalogue.net(i) for i in range(len(catalogue.points))]
    for i, one in enumerate(nets):
        for other in nets[:i]:
            assert assignment(one, other).distance > 1e-4


def test_saddles_have_the_proved_index(catalogue):
    data = Objective(*teacher(2, 2, 80, 0))
    assert catalogue.saddles
    for i in catalogue.saddles:
        negative = int((np.linalg.eigvalsh(data.hessian(catalogue.net(i))) < 0).sum())
        assert catalogue.points[i].kind == SADDLE and catalogue.points[i].index == negative > 0
        assert catalogue.points[i].certificate.verdict is Verdict.HOLDS


def test_no_descent_of_scipy_from_near_a_minimum_goes_below_it(catalogue):
    data = Objective(*teacher(2, 2, 80, 0))
    net = catalogue.net(catalogue.best)
    rng = np.random.default_rng(0)
    for _ in range(3):
        start = net.theta + 0.05 * rng.standard_normal(net.theta.size)
        done = minimize(lambda t: data.cost(net.with_theta(t)), start, jac=lambda t: data.gradient(net.with_theta(t)),
                        method="BFGS", options={"gtol": 1e-9})  # fmt: skip
        assert done.fun == pytest.approx(catalogue.points[catalogue.best].loss, rel=1e-6)


def test_finds_golden_value_g3():
    found = find_minima(NINE, NINE_Y, 1, starts=12)
    truth = ShallowNet("tanh", 0.0, np.zeros(1), np.zeros(1), np.zeros((1, 1))).with_theta(NINE_MINIMISER)
    at = [i for i in found.minima if assignment(found.net(i), truth).distance < 1e-9]
    assert len(at) == 1 and found.focal_margin[at[0]] == pytest.approx(0.921411964481, abs=1e-9)


def test_powers_of_two_in_the_units_change_no_bit():
    X, y = teacher(1, 2, 40, 3)
    one, other = find_minima(X, y, 1, starts=6), find_minima(X * np.array([8.0, 2.0**-9]), 4 * y, 1, starts=6)
    np.testing.assert_array_equal(one.losses * 16, other.losses)
    np.testing.assert_array_equal(one.point_of_start, other.point_of_start)


def test_the_same_seed_gives_the_same_bits_and_files_hold_them(catalogue):
    one, again = (find_minima(*teacher(2, 2, 80, 0), 2, starts=5, saddles=5) for _ in range(2))
    assert same(one, again)
    arrays = {}
    document = json.loads(json.dumps(to_document(catalogue, arrays), allow_nan=False))
    assert same(from_document(document, arrays), catalogue)
    assert len(catalogue.to_frame()) == len(catalogue.points)


def test_weights_count_as_repetitions():
    X, y = teacher(1, 1, 25, 1)
    weights = np.ones(25)
    weights[:5] = 3.0
    twice = np.concatenate([np.arange(25), np.arange(5), np.arange(5)])
    one, other = find_minima(X, y, 1, starts=8, weights=weights), find_minima(X[twice], y[twice], 1, starts=8)
    assert one.points[0].loss == pytest.approx(other.points[0].loss, rel=1e-10)


@pytest.mark.parametrize("ridge", [1e-3, 1e-6])
def test_with_an_anchored_ridge_every_start_ends_at_a_strict_minimum(ridge):
    found = find_minima(*teacher(2, 2, 60, 1), 2, starts=20, ridge=ridge, anchor="random", steps=2000)
    assert set(found.outcomes) == {Outcome.CONVERGED} and set(found.escapes) == {""}
    assert all(point.kind == MINIMUM and point.smallest_eigenvalue > 0 for point in found.points)
    assert found.gradient_norms.max() < 1e-12


def test_several_outputs():
    X, y = teacher(1, 2, 60, 2)
    Y = np.column_stack([y, np.tanh(X[:, 0] - 0.5 * X[:, 1]) + 0.1 * np.random.default_rng(0).standard_normal(60)])
    found = find_minima(X, Y, 2, starts=10)
    data = Objective(X, Y)
    assert found.best is not None and found.net(found.best).outputs == 2
    assert np.linalg.norm(data.gradient(found.net(found.best))) < 1e-12


def test_without_neurons_the_mean_is_the_minimum():
    found = find_minima(NINE, NINE_Y, 0, starts=2)
    assert found.net(0).v0 == pytest.approx(NINE_Y.mean()) and found.points[0].kind == MINIMUM
    assert found.points[0].loss == pytest.approx(NINE_Y.var())


@pytest.mark.parametrize("name", ["logistic", "softplus", "gauss", "sin"])
def test_other_activations_are_certified_where_they_can(name):
    rng = np.random.default_rng(0)
    X = rng.uniform(-3, 3, (40, 1))
    data = Objective(X, ShallowNet(name, 0.1, [1.3], [0.2], [[1.1]])(X) + 0.05 * rng.standard_normal(40))
    found = find_minima(X, data.y, 1, activation=name, starts=6)
    assert found.activation == name and found.minima
    for i in found.minima:
        assert np.linalg.norm(data.gradient(found.net(i))) < 1e-12
        assert np.linalg.eigvalsh(data.hessian(found.net(i)))[0] > 0


def test_a_function_with_a_free_direction_is_never_called_a_minimum():
    found = find_minima(*teacher(1, 1, 30, 0), 1, activation="exp", starts=4)
    assert not found.minima and all(point.kind == DEGENERATE for point in found.points)


def test_flow_labels_are_those_of_the_flow():
    found = find_minima(NINE, NINE_Y, 1, starts=1, descent="flow")
    assert (found.point_of_start >= 0).any()
    problem = scaled(Objective(NINE, NINE_Y), 1, "tanh")
    begin = draw_starts(problem, 1, 0) * problem.factor
    net = problem.template
    for k in np.flatnonzero(found.point_of_start >= 0):
        flow = solve_ivp(lambda _, t: -problem.objective.gradient(net.with_theta(t)), (0, 2000), begin[k],
                         method="LSODA", rtol=1e-9, atol=1e-11)  # fmt: skip
        reached = net.with_theta(flow.y[:, -1])  # the catalogue keeps one of the mirror images
        assert assignment(found.net(found.point_of_start[k]), reached).distance < 1e-5


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize(
    ("changed", "reason"),
    [
        (lambda X, y: (np.column_stack([X, np.full(60, 3.0)]), y), "collinear"),
        (lambda X, y: (np.column_stack([X, X[:, 0] - X[:, 1]]), y), "collinear"),
        (lambda X, y: (X, np.ones(60)), "constant_target"),
    ],
)
def test_data_on_which_no_minimum_is_strict_are_explained(changed, reason):
    found = find_minima(*changed(*teacher(2, 2, 60, 1)), 2, starts=4)
    assert not found.minima and found.best is None and found.certified_share == 0
    assert {point.certificate.reason.code for point in found.points} == {f"reason.shallow.{reason}"}


class TestRefusals:
    X, y = teacher(1, 1, 20, 0)

    def test_says_how_many_rows_are_missing(self):
        with pytest.raises(InputError, match="at least 22 are needed, 2 more"):
            find_minima(self.X, self.y, 7)
        assert isinstance(find_minima(self.X, self.y, 7, ridge=1e-4, starts=2), MinimaCatalogue)

    def test_equal_rows_and_rows_without_weight_do_not_count(self):
        rng = np.random.default_rng(0)
        with pytest.raises(InputError, match="There are 3 distinct rows for 4 parameters"):
            find_minima(np.repeat(self.X[:3], 5, axis=0), rng.standard_normal(15), 1)
        with pytest.raises(InputError, match="There are 2 distinct rows"):
            find_minima(self.X, self.y, 1, weights=np.arange(20) < 2)
        far = np.concatenate([np.repeat(self.X[:1], 400, axis=0), self.X])
        assert find_minima(far, rng.standard_normal(420), 1, starts=1).starts == 1

    def test_asks_for_memory_first(self, monkeypatch):
        monkeypatch.setattr("thalweg.shallow.minima.free_memory", lambda: 2.0**20)
        with pytest.raises(InputError, match="24 networks of 121 parameters"):
            find_minima(self.X, self.y, 40, ridge=1e-4, starts=24)

    @pytest.mark.parametrize(
        ("changes", "words"),
        [
            ({"activation": "tann"}, "Nearest: tanh"),
            ({"activation": "relu"}, "outside the theorem"),
            ({"starts": 0}, "starts"),
            ({"descent": "jump"}, "descent"),
            ({"anchor": "zero"}, "anchor"),
            ({"anchor": "random"}, "none without a ridge"),
            ({"anchor": np.ones(4)}, "none without a ridge"),
            ({"ridge": -1.0}, "ridge"),
            ({"ridge": np.ones(3)}, "ridge has 3 entries; 4 are needed. There must be one for each parameter"),
        ],
    )
    def test_names_the_argument(self, changes, words):
        with pytest.raises(InputError, match=words):
            find_minima(self.X, self.y, 1, **changes)

    def test_names_the_rows_with_holes(self):
        y = self.y.copy()
        y[[3, 7]] = np.nan
        with pytest.raises(InputError, match="rows 3, 7"):
            find_minima(self.X, y, 1)

    def test_no_such_point(self):
        found = find_minima(NINE, NINE_Y, 0, starts=1)
        with pytest.raises(InputError, match="no number 5"):
            found.net(5)
        with pytest.raises(InputError, match="no number 5"):
            found.net_of_start(5)
