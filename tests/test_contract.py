"""What every family in `families.py` must hold; one class, all families (style: contract tests)."""

import dataclasses
import json

import numpy as np
import pytest

import thalweg as tw
from tests.problems import table_problem
from thalweg.families import FAMILIES, find_family
from thalweg.records import InputError, Outcome, Verdict, from_document, same, to_document
from thalweg.reports.numbers import headings, show_cell
from thalweg.texts import LANGUAGES

BUDGET = 1e10

# What every family does is to be seen here, the pilot study of shallow networks too.
pytestmark = pytest.mark.pilots


def awkward(name):
    """Data of awkward sizes and contents by name."""
    rng = np.random.default_rng(0)
    square = rng.standard_normal((12, 12))
    tied = np.kron(np.eye(4), np.ones((3, 1)))
    return {
        "one row": lambda: tw.read(np.ones((1, 3)), np.ones(1)),
        "one column": lambda: table_problem(d=1),
        "one row and column": lambda: tw.read(np.ones((1, 1)), np.ones(1)),
        "n < d": lambda: table_problem(n=12, d=20),
        "n = d": lambda: tw.read(square, rng.standard_normal(12)),
        "n > d": lambda: table_problem(n=30, d=4),
        "ties": lambda: tw.read(tied, tied.sum(axis=1) + np.arange(12)),
        "duplicate columns": lambda: tw.read(np.repeat(square[:, :3], 2, axis=1), square[:, 0]),
        "rank loss": lambda: tw.read(square[:, :2] @ rng.standard_normal((2, 6)), rng.standard_normal(12)),
        "constant target": lambda: tw.read(square, np.full(12, 3.3)),
        "zero target": lambda: tw.read(square, np.zeros(12)),
        "constant columns": lambda: tw.read(np.full((12, 3), 0.1), np.arange(12.0)),
        "huge and tiny units": lambda: tw.read(square[:, :3] * np.array([1e12, 1.0, 1e-12]), square[:, 3]),
        "large offset": lambda: tw.read(square[:, :3] + 1e9, square[:, 3]),
    }[name]()


AWKWARD = (
    "one row", "one column", "one row and column", "n < d", "n = d", "n > d", "ties", "duplicate columns",
    "rank loss", "constant target", "zero target", "constant columns", "huge and tiny units", "large offset",
)  # fmt: skip


def with_holes():
    X = np.random.default_rng(0).standard_normal((20, 3))
    X[[2, 5], 1] = np.nan, np.inf
    return tw.read(X, np.arange(20.0))


@pytest.fixture(params=FAMILIES, ids=lambda family: family.name)
def family(request):
    return request.param


class TestEveryFamily:
    def test_is_found_by_its_name(self, family):
        assert find_family(family.name) is family
        with pytest.raises(InputError, match=family.name):
            find_family("no such family")

    @pytest.mark.parametrize("name", AWKWARD)
    def test_checks_are_complete_and_repeatable_on_awkward_data(self, family, name):
        problem, usual = awkward(name), family.checks(table_problem())
        made = family.checks(problem)
        assert [check.code for check in made] == [check.code for check in usual]
        assert all(map(same, made, family.checks(problem)))
        for check in made:
            for lang in LANGUAGES:
                assert check.say("title", lang) and check.say("finding", lang) and check.say("remedy", lang)

    def test_checks_on_data_with_holes_are_undecided_not_raised(self, family):
        made = family.checks(with_holes())
        assert made and all(check.verdict is not Verdict.HOLDS for check in made)
        assert not any(check.is_blocking for check in made)  # the data check blocks already

    @pytest.mark.parametrize("name", AWKWARD)
    def test_fits_end_with_an_outcome_and_hold_or_say_why_not(self, family, name):
        problem = awkward(name)
        made = family.fit(problem, None, 0)
        assert isinstance(made.outcome, Outcome) and all(map(made.outcome.say, LANGUAGES))
        assert np.isfinite(made.trajectory.loss).all()
        proof = family.certify(made, problem)
        for lang in LANGUAGES:
            assert proof.statement.say(lang) and proof.reason.say(lang)

    @pytest.mark.parametrize("name", AWKWARD)
    def test_sections_speak_and_draw_in_every_language(self, family, name):
        section = family.section(awkward(name), BUDGET, 0)
        for lang in LANGUAGES:
            sentences = (section.headline, *section.advice, *section.skipped, *(c.evidence for c in section.choices))
            assert all(statement.say(lang) for statement in sentences)
            for fit in section.fits:
                for picture in family.figures(fit, lang):
                    assert picture.title and picture.alternative.say(lang) and picture.tables
                for table in family.tables(fit):
                    assert table.rows and all(len(row) == len(headings(table, lang)) for row in table.rows)
                    assert all(show_cell(cell, lang) is not None for row in table.rows for cell in row)
            assert all(s.reason.say(lang) for s in section.suggestions)

    def test_refuses_holes_and_unknown_options_in_words(self, family):
        with pytest.raises(InputError, match="rows 3, 6"):
            family.fit(with_holes())
        with pytest.raises(InputError, match="no option colour"):
            family.fit(table_problem(), {"colour": "red"})

    def test_the_same_seed_gives_the_same_bits(self, family):
        problem = table_problem(noise=1.0)
        assert same(family.fit(problem, None, 7), family.fit(problem, None, 7))

    def test_fits_and_certificates_round_trip_as_files(self, family):
        problem = table_problem(noise=1.0)
        fit = family.fit(problem)
        for value in (fit, family.certify(fit, problem), family.section(problem, BUDGET, 0)):
            arrays = {}
            document = json.loads(json.dumps(to_document(value, arrays), allow_nan=False))
            assert same(from_document(document, arrays), value)

    def test_certificates_never_hold_for_other_data(self, family):
        problem = table_problem(noise=1.0)
        fit = family.fit(problem)
        proof = family.certify(fit, problem)
        assert proof.verdict is Verdict.HOLDS
        assert family.certify(fit, table_problem(noise=1.0, seed=9)).verdict is not Verdict.HOLDS
        rescaled = tw.read(problem.X, 2 * problem.y)
        assert family.certify(fit, rescaled).verdict is not Verdict.HOLDS
        assert proof.applies_to({"X": rescaled.X, "y": rescaled.y}) is Verdict.UNDECIDED

    def test_certificates_refuse_other_features_and_families(self, family):
        problem = table_problem()
        fit = family.fit(problem)
        with pytest.raises(InputError, match="Where the fit speaks of"):
            family.certify(fit, table_problem(d=3))
        with pytest.raises(InputError, match="of the family"):
            family.certify(dataclasses.replace(fit, family="another"), problem)

    def test_renaming_columns_changes_nothing_but_names(self, family):
        import pandas

        problem = table_problem(noise=1.0)
        frame = pandas.DataFrame(problem.X, columns=[f"renamed {j}" for j in range(problem.X.shape[1])])
        frame["aim"] = problem.y
        one, other = family.fit(problem), family.fit(tw.read(frame, "aim"))
        assert same(one.solution, other.solution)

    def test_golden_values_are_right(self, family):
        assert family.golden_values() and max(family.golden_values().values()) < 1e-9
