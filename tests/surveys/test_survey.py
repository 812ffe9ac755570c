"""A survey decides, recommends commands that work, and repeats itself to the byte."""

import shlex
from pathlib import Path

import numpy as np
import pandas
import pytest

import thalweg as tw
from tests.problems import table_problem
from thalweg.cli.options import parse_options
from thalweg.surveys.commands import survey_command, train_command

BAD = Path(__file__).parents[1] / "bad"
FAULTY = BAD / "plant_with_faults.csv"


def test_the_same_input_and_seed_give_the_same_facts_apart_from_measured():
    one, other = (tw.report(tw.survey(tw.read(FAULTY, "out"), seed=3), measured={"s": s}).facts() for s in (1.0, 2.0))
    assert one["measured"] != other["measured"]
    assert {k: v for k, v in one.items() if k != "measured"} == {k: v for k, v in other.items() if k != "measured"}


def test_blocking_faults_forbid_training_and_name_the_mend():
    made = tw.survey(tw.read(FAULTY, "out"))
    assert {check.code for check in made.blocking} == {"data.missing", "data.text_cells"}
    assert made.decision.sentences[0].code == "decision.blocked" and len(made.decision.sentences) == 3
    assert made.decision.command.endswith("--target out --impute median")
    assert made.plan.stages == ()


def test_following_the_recommended_commands_ends_in_training():
    made = tw.survey(tw.read(FAULTY, "out", impute="median"))
    assert not made.blocking and made.decision.sentences[0].code == "decision.go_with_warnings"
    assert made.decision.command.startswith("thalweg train ") and "--family diagonal" in made.decision.command
    assert len(made.decision.sentences) == 3 and made.decision.would_change


def test_clean_data_get_a_go():
    rng = np.random.default_rng(0)
    X = np.linalg.qr(rng.standard_normal((200, 3)))[0]
    made = tw.survey(tw.read(X, X @ [3.0, 2, 1]))
    assert not made.warnings, made.warnings
    assert made.decision.sentences[0].code == "decision.go"


def test_commands_quote_what_a_shell_would_split(tmp_path):
    path = tmp_path / "my data.csv"
    path.write_text("a b,c;d,'e',y\n" + "".join(f"{i},{i * i % 7},{i % 3},{i % 5}\n" for i in range(20)))
    problem = tw.read(path, "y", drop=["a b"])
    words = shlex.split(survey_command(problem, 4, drop=["c;d"]))
    assert words == ["thalweg", "survey", str(path), "--target", "y", "--drop", "a b", "--drop", "c;d", "--seed", "4"]


def test_commands_repeat_what_was_kept_and_decided(tmp_path):
    path, decisions = tmp_path / "data.csv", tmp_path / "our decisions.toml"
    path.write_text("a,b,c,d,y\n" + "".join(f"{i},{i * i % 7},{i % 3},{i % 4},{i % 5}\n" for i in range(20)))
    decisions.write_text(
        '[[decision]]\ncolumn = "b"\ndecision = "keep"\nreason = "r"\nwho = "w"\nwhen = 2025-01-01\n'
        '[[decision]]\ncolumn = "c"\ndecision = "drop"\nreason = "r"\nwho = "w"\nwhen = 2025-01-01\n'
    )
    problem = tw.read(path, "y", keep=["a"], drop=["d"], decisions=decisions)
    words = shlex.split(tw.survey(problem).provenance.command)
    assert words[5:] == ["--drop", "d", "--keep", "a", "--decisions", str(decisions)]
    repeated = shlex.split(train_command(problem, "diagonal", {"standardize": False, "keep": ["a", "b"]}, 0))
    options = parse_options([repeated[i + 1] for i, word in enumerate(repeated) if word == "--option"])
    assert options == {"standardize": False, "keep": ["a", "b"]} and tw.train(problem, "diagonal", **options)
    frame = tw.read(pandas.read_csv(path), "y", keep=["a"], decisions=decisions)
    assert survey_command(frame, 0) == f"tw.survey(tw.read(data, 'y', keep=['a'], decisions={str(decisions)!r}))"


def test_what_people_keep_is_never_proposed_to_be_dropped():
    rng = np.random.default_rng(0)
    X = rng.standard_normal((40, 3))
    data = pandas.DataFrame({"a": X[:, 0], "b": X[:, 1], "copy": X[:, 1], "y": X.sum(axis=1)})
    assert "drop=['copy']" in str([str(c) for c in tw.survey(tw.read(data, "y")).decision.would_change])
    kept = tw.survey(tw.read(data, "y", keep=["copy"]))
    assert not any("survey(" in str(c) for c in kept.decision.would_change)


def test_data_without_a_file_get_commands_for_python():
    problem = table_problem(n=40, d=12, noise=3.0, seed=8)
    made = tw.survey(problem, seed=2)
    assert made.provenance.command == "tw.survey(tw.read(X, y), seed=2)"
    assert isinstance(eval(made.decision.command, {"tw": tw, "X": problem.X, "y": problem.y}), tw.Fit)
    data = pandas.DataFrame(problem.X, columns=list(problem.feature_names)).assign(y=problem.y)
    assert survey_command(tw.read(data, "y"), 0, drop=["x1"], impute="median") == (
        "tw.survey(tw.read(data, 'y', drop=['x1'], impute='median'))"
    )


def test_a_small_budget_cuts_and_says_so():
    section = tw.survey(table_problem(n=60, d=20, noise=1.0), budget=1e5).sections[0]
    assert section.skipped[0].code == "section.diagonal.cut"


def test_reprs_are_readable():
    made = tw.survey(tw.read(FAULTY, "out"))
    assert "Features complete" in repr(made) and "Do not train on out yet" in repr(made)
    assert "<pre>" in made._repr_html_() and "<script" not in made._repr_html_()
    problem = table_problem(noise=1.0)
    fit = tw.train(problem, "diagonal")
    assert "converged" in repr(fit)
    proof = tw.certify(fit, problem)
    assert "holds: Every saddle is within" in str(proof) and "<Certificate diagonal: holds (proved) gap" in repr(proof)


@pytest.mark.parametrize("target", ["flow", "temp_a", "err"])
def test_any_column_can_be_the_target(target):
    made = tw.survey(tw.read(FAULTY, target))
    assert made.decision.sentences
