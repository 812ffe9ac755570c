"""The roles of the family on data: fit, proof, checks, pilot study, pictures (the contract tests do the rest)."""

import dataclasses
import re
from pathlib import Path

import numpy as np
import pytest

import thalweg as tw
from tests.problems import table_problem
from tests.shallow.landscapes import teacher
from thalweg import shallow
from thalweg.records import InputError, Verdict
from thalweg.shallow import Objective, certify, checks, fit, network_of, predict, section, study
from thalweg.shallow.golden import golden_values
from thalweg.shallow.operations import predicted_operations
from thalweg.shallow.proof import prove
from thalweg.shallow.scan import FEWEST, MOST, WIDTHS, Trial, _choose, _options, affordable, trial
from thalweg.shallow.standardise import standardise
from thalweg.texts import LANGUAGES


@pytest.fixture(scope="module")
def problem():
    X, y = teacher(1, 2, 60, 4)
    return tw.read(3 * X + 5, 10 * y)


@pytest.fixture(scope="module")
def fitted(problem):
    return fit(problem, {"width": 1, "ridge": 0.0, "starts": 8})


def test_a_fit_predicts_in_the_units_of_the_data(problem, fitted):
    error = np.sqrt(np.mean((predict(fitted, problem.X) - problem.y) ** 2))
    assert error == pytest.approx(fitted.solution["training_rmse"][0], rel=1e-12)
    assert fitted.trajectory.loss[-1] == pytest.approx((error / problem.y.std()) ** 2, rel=1e-9)
    assert (np.diff(fitted.trajectory.loss) <= 1e-15).all()
    assert fitted.catalogue.points[0].loss == pytest.approx(fitted.trajectory.loss[-1], rel=1e-9)


def test_the_record_must_follow_from_the_data(problem, fitted):
    assert certify(fitted, problem).verdict is Verdict.HOLDS
    for name, factor in (("theta", 1.5), ("center", 1 + 1e-6), ("target_scale", 1 + 1e-6), ("training_rmse", 1.001)):
        forged = {**fitted.solution, name: fitted.solution[name] * factor}
        assert certify(dataclasses.replace(fitted, solution=forged), problem).verdict is not Verdict.HOLDS


def test_network_of_refuses_other_families(fitted):
    assert network_of(fitted).width == 1
    with pytest.raises(InputError, match="family"):
        network_of(dataclasses.replace(fitted, family="diagonal"))


@pytest.mark.parametrize(
    ("changed", "code"),
    [
        (lambda X, y: (np.column_stack([X, np.ones(len(X))]), y), "shallow.columns"),
        (lambda X, y: (np.column_stack([X, X[:, 0] - X[:, 1]]), y), "shallow.columns"),
        (lambda X, y: (X, np.full(len(y), 2.0)), "shallow.target"),
        (lambda X, y: (X[:8], y[:8]), "shallow.rows"),
        (lambda X, y: (np.repeat(X[:10], 6, axis=0), y), "shallow.rows"),
        (lambda X, y: (X, np.random.default_rng(0).standard_normal(len(y))), "shallow.predicts"),
    ],
)
def test_each_defect_of_the_data_fails_its_check(changed, code):
    X, y = teacher(1, 2, 60, 4)
    good = {check.code: check.verdict for check in checks(tw.read(X, y))}
    bad = {check.code: check.verdict for check in checks(tw.read(*changed(X, y)))}
    assert good[code] is Verdict.HOLDS and bad[code] is Verdict.FAILS


def test_too_wide_networks_waste_neurons():
    x = np.linspace(-1, 1, 60)[:, None]
    made = fit(tw.read(x, np.tanh(2 * x[:, 0])), {"width": 4, "starts": 4, "ridge": 1e-3})
    verdicts = {check.code: check.verdict for check in checks(tw.read(x, np.tanh(2 * x[:, 0])), made)}
    assert verdicts["shallow.efficient"] is Verdict.FAILS


def test_the_pilot_study_stays_within_its_budget():
    widths, starts = affordable(200, 3, 8e10)
    assert widths == WIDTHS and FEWEST <= starts <= MOST
    assert affordable(200, 3, 1e7) == ((), 0)
    assert len(affordable(200, 3, 2e10)[0]) < len(WIDTHS)
    assert predicted_operations(400, 3, 2, 5) < predicted_operations(400, 3, 2, 10)


def test_recommends_the_smallest_reliable_network_of_nearly_least_error():
    def made(width, certified, held_out):
        return Trial(width, 0.0, 50, 10, certified, 0, 0, 0, 0, 1, 1.0, held_out)

    assert _choose([made(1, 1, 1.01), made(2, 1, 1.0), made(3, 0.2, 0.1)]).width == 1
    assert _choose([made(1, 0.1, 2.0), made(2, 0.2, 1.0)]).width == 2
    assert _choose([made(1, 1, np.nan), made(2, 1, np.nan)]).width == 1


def test_equal_rows_do_not_stop_the_pilot_study_and_an_anchor_asks_for_a_ridge():
    """Six distinct rows, ten times each, are enough for one neuron in two features without a ridge, not for two."""
    rng = np.random.default_rng(1)
    X = np.repeat(rng.standard_normal((6, 2)), 10, axis=0)
    data = tw.read(X, X[:, 0] + 0.1 * rng.standard_normal(60))
    assert [trial(data, _options(data, width, None, 2), 0).ridge > 0 for width in (1, 2)] == [False, True]
    with pytest.raises(InputError, match="6 distinct rows"):
        fit(data, {"width": 2, "ridge": 0.0})
    with pytest.raises(InputError, match="none without a ridge"):
        fit(data, {"width": 1, "ridge": 0.0, "anchor": "random"})


@pytest.mark.long
def test_what_the_section_recommends_can_be_trained(problem):
    made = section(problem, 8e9, 0)
    assert made.recommended and {choice.option for choice in made.choices} == {"width", "ridge"}
    again = fit(problem, {choice.option: choice.value for choice in made.choices})
    assert certify(again, problem).verdict is Verdict.HOLDS


def test_the_surroundings_are_drawn_in_every_language(problem, fitted):
    for lang in LANGUAGES:
        pictures = study(problem, fitted).pictures(lang)
        assert {picture.code for picture in pictures} == {"shallow.surface", "shallow.rates"}
        assert all(picture.alternative.say(lang) and picture.tables[0].rows for picture in pictures)


def test_rates_are_measured_near_their_prediction_and_the_ellipse_is_proved(problem, fitted):
    found = study(problem, fitted)
    assert len(found.rates) >= 2
    for rate in found.rates:
        assert rate.measured == pytest.approx(rate.predicted, abs=0.15 * (1 - rate.predicted) + 0.02)
    surface = found.surface
    middle = surface.rise.shape[0] // 2
    assert surface.rise[middle, middle] == 0 and (surface.rise >= 0).all()
    # On the ellipse |z| = rho; the curvature in z inside lies between mu and 2 - mu, so twice the rise by rho^2 does.
    data, net = standardise(problem.X, problem.y), network_of(fitted)
    objective = Objective(data.X, data.y)
    margin = {name: quantity.value for name, quantity in prove(net, objective).margins.items()}
    vectors = np.linalg.eigh(objective.hessian(net))[1]
    mu, rho, slack = margin["whitened_curvature"], margin["rho"], margin["pull"] * margin["rho"] + 1e-15
    for a, b in surface.ellipse.T[::10]:
        rise = objective.cost(net.with_theta(net.theta + a * vectors[:, 0] + b * vectors[:, -1])) - objective.cost(net)
        assert mu * rho**2 / 2 - slack <= rise <= (2 - mu) * rho**2 / 2 + slack


def test_the_worked_example_of_the_readme_says_what_happens():
    readme = (Path(shallow.__file__).parent / "README.md").read_text(encoding="utf-8")
    code = readme.split("```python\n")[1].split("```")[0]
    said = {}
    exec(code, said)
    loss = float(re.search(r"# loss (\S+)", code)[1])
    assert said["found"].points[said["found"].best].loss == pytest.approx(loss, rel=1e-12)
    for name in re.findall(r"^found.to_frame\(\)  # a row a point: (.*)$", code, flags=re.M)[0].split(", "):
        assert any(name.replace(" ", "_").removesuffix("s") in column for column in said["found"].to_frame().columns), (
            name
        )
    proofs = (said["found"].points[0].certificate, said["certify"](said["net"], said["X"], said["y"], method="balls"))
    assert all(proof.verdict is Verdict.HOLDS for proof in proofs)


def test_golden_values():
    assert max(golden_values().values()) < 1e-11


def test_table_problem_is_certified():
    assert certify(fit(table_problem(noise=1.0)), table_problem(noise=1.0)).verdict is Verdict.HOLDS
