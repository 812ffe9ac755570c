"""Run folders are whole or absent, come back bit by bit, and can be compared."""

import json
import os
import shutil
import subprocess
import sys

import numpy as np
import pytest

import thalweg as tw
from tests.problems import table_problem
from thalweg.records import ColumnDecision, Decisions, InputError, Provenance, Verdict, same
from thalweg.runs.folder import replace_certificate
from thalweg.runs.problem import problem_of


def make_run(path, problem, keep_data=False, **options):
    fit = tw.train(problem, "diagonal", **options)
    provenance = Provenance(problem.profile.source, problem.source_digest, problem.digest, {}, 0, "thalweg train")
    tw.write_run(path, problem, fit, tw.certify(fit, problem), provenance, keep_data=keep_data)
    return fit


@pytest.fixture
def problem():
    return table_problem(noise=1.0)


def test_a_run_comes_back_bit_by_bit(tmp_path, problem):
    fit = make_run(tmp_path / "run", problem)
    run = tw.read_run(tmp_path / "run")
    assert same(run.fit, fit) and same(run.certificate, tw.certify(fit, problem))


def test_raw_data_stay_out_unless_asked_for(tmp_path, problem):
    make_run(tmp_path / "without", problem)
    make_run(tmp_path / "with", problem, keep_data=True)
    assert {p.name for p in (tmp_path / "without").iterdir()} == {
        "run.json", "fit.json", "fit.npz", "certificate.json"
    }  # fmt: skip
    raw = b"".join(p.read_bytes() for p in (tmp_path / "without").iterdir())
    assert problem.X.tobytes() not in raw and problem.y.tobytes() not in raw
    kept = problem_of(tw.read_run(tmp_path / "with"))
    assert kept.digest == problem.digest and kept.feature_names == problem.feature_names


def test_a_run_is_never_overwritten(tmp_path, problem):
    make_run(tmp_path / "run", problem)
    with pytest.raises(InputError, match="exists already"):
        make_run(tmp_path / "run", problem)


def test_a_killed_run_leaves_nothing_and_the_next_one_cleans_up(tmp_path):
    code = """
import os, signal, numpy, thalweg.runs.folder as folder
from pathlib import Path
from tests.runs.test_runs import make_run
from tests.problems import table_problem
numpy.savez = lambda *a, **k: os.kill(os.getpid(), signal.SIGKILL)
make_run(Path('run'), table_problem())
"""
    root = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
    found = os.pathsep.join([root, os.environ.get("PYTHONPATH", "")])
    done = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, env={**os.environ, "PYTHONPATH": found})
    assert done.returncode == -9
    assert not (tmp_path / "run").exists() and list(tmp_path.glob(".run.partial-*"))
    make_run(tmp_path / "run", table_problem())
    assert [p.name for p in tmp_path.iterdir()] == ["run"]


@pytest.mark.parametrize("file", ["run.json", "fit.json", "fit.npz", "certificate.json"])
@pytest.mark.parametrize("damage", ["missing", "empty", "rubbish", "cut", "other"])
def test_damaged_runs_are_refused_by_file(tmp_path, problem, file, damage):
    make_run(tmp_path / "run", problem)
    path = tmp_path / "run" / file
    content = path.read_bytes()
    if damage == "missing":
        path.unlink()
    else:
        other = b'{"schema": 1, "record": "Quantity", "content": {"value": 1, "unit": ""}}'
        half = content[: len(content) // 2]
        path.write_bytes({"empty": b"", "rubbish": b"\x80\x04rubbish", "cut": half, "other": other}[damage])
    with pytest.raises(InputError, match="damaged|not a run folder"):
        tw.read_run(tmp_path / "run")


def test_pickled_arrays_are_refused(tmp_path, problem):
    make_run(tmp_path / "run", problem)
    np.savez(tmp_path / "run" / "fit.npz", **{"solution.times": np.array([object()], dtype=object)})
    with pytest.raises(InputError, match="damaged"):
        tw.read_run(tmp_path / "run")


def test_a_certificate_is_replaced_whole(tmp_path, problem):
    fit = make_run(tmp_path / "run", problem)
    run = tw.read_run(tmp_path / "run")
    replace_certificate(run, tw.certify(fit, table_problem(noise=1.0, seed=8)))
    again = tw.read_run(tmp_path / "run")
    assert again.certificate.digest != run.certificate.digest
    assert not list((tmp_path / "run").glob("*.partial-*"))


def test_the_data_are_found_where_they_were_or_where_they_are_now(tmp_path, problem):
    data = tmp_path / "data.csv"
    rows = np.column_stack([problem.X, problem.y])
    data.write_text("a,b,c,d,e,y\n" + "\n".join(",".join(map(repr, row)) for row in rows.tolist()))
    original = tw.read(data, "y")
    make_run(tmp_path / "run", original)
    run = tw.read_run(tmp_path / "run")
    assert problem_of(run).digest == original.digest
    moved = tmp_path / "moved.csv"
    shutil.move(data, moved)
    with pytest.raises(InputError, match="--data FILE"):
        problem_of(run)
    assert problem_of(run, moved).digest == original.digest
    moved.write_text(moved.read_text().replace(repr(rows[0, 0].item()), "0.5"))
    with pytest.raises(InputError, match="does not hold the data"):
        problem_of(run, moved)


def test_decisions_and_kept_columns_stay_in_the_run(tmp_path, problem):
    entry = ColumnDecision("x3", "keep", "safety", "T. Sato", "2025-03-14", 3.0)
    decided = tw.read(problem.X, problem.y, keep=["x5"], drop=["x4"], decisions=Decisions("d.toml", "", (entry,)))
    fit = make_run(tmp_path / "run", decided, keep_data=True)
    run = tw.read_run(tmp_path / "run")
    assert same(run.manifest.decisions, decided.decisions) and run.manifest.kept == ("x5", "x3")
    assert same(run.fit, fit) and run.fit.options["keep"] == ("x5", "x3")
    again = problem_of(run)
    assert again.kept == ("x5", "x3") and tw.certify(run.fit, again).verdict is Verdict.HOLDS
    make_run(tmp_path / "plain", decided, keep=())
    rows = {row[0]: row[1:] for row in tw.compare(run, tw.read_run(tmp_path / "plain")).table.rows}
    assert rows["keep"] == ("x5, x3", "-")


def test_runs_of_earlier_versions_are_read(tmp_path, problem):
    make_run(tmp_path / "run", problem)
    manifest, fit = (tmp_path / "run" / name for name in ("run.json", "fit.json"))
    document = json.loads(manifest.read_text())
    del document["content"]["kept"], document["content"]["decisions"]
    manifest.write_text(json.dumps(document))
    document = json.loads(fit.read_text())
    del document["content"]["options"]["keep"]
    for name in ("kept", "kept_values", "lost", "duplicate_of", "largest_dual", "held_out_mean"):
        del document["content"]["solution"][name]
    fit.write_text(json.dumps(document))
    old = tw.read_run(tmp_path / "run")
    assert old.manifest.decisions is None and tw.certify(old.fit, problem).verdict is Verdict.HOLDS
    assert "<table>" in tw.report(old.fit, old.certificate).html()


def test_comparison_tells_what_differs(tmp_path, problem):
    for name, options in (("whole", {}), ("cut", {"max_saddles": 3})):
        make_run(tmp_path / name, problem, **options)
    make_run(tmp_path / "other", table_problem(noise=1.0, seed=5))
    whole, cut, other = (tw.read_run(tmp_path / name) for name in ("whole", "cut", "other"))
    made = tw.compare(whole, cut)
    rows = {row[0]: row[1:] for row in made.table.rows}
    assert rows["max_saddles"] == ("None", "3") and rows["jumps"][1] == 3
    assert rows["outcome"] == ("converged", "stopped_on_request")
    assert made.statements[0].code == "comparison.same_data"
    assert made.statements[1].values["tau"] == 1.0
    assert tw.compare(whole, other).statements[0].code == "comparison.other_data"
    assert json.dumps([list(row) for row in made.table.rows])
