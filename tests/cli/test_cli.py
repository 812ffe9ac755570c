"""Every verb as a stranger runs it: words, exit codes, files, and never a traceback."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from thalweg.cli.main import VERBS

BAD = Path(__file__).parents[1] / "bad"
GOOD = BAD / "semicolon.csv"


def plant(tmp_path):
    """A clean file of forty rows."""
    lines = ["pressure,flow,yield"]
    lines += [f"{(7 * i) % 11},{(5 * i) % 13},{2 * ((7 * i) % 11) + ((i * i) % 5)}" for i in range(40)]
    path = tmp_path / "plant.csv"
    path.write_text("\n".join(lines) + "\n")
    return path


def test_help_of_every_verb(thalweg):
    assert all(verb in thalweg("--help").stdout for verb in VERBS)
    for verb in VERBS:
        shown = thalweg(verb, "--help")
        assert shown.returncode == 0
        for option in ("--out", "--json", "--seed", "--lang", "--quiet", "--strict"):
            assert option in shown.stdout, (verb, option)


def test_the_whole_line_from_a_file_to_a_certified_report(thalweg, tmp_path):
    file = plant(tmp_path)
    done = thalweg("survey", file, "--target", "yield")
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "report.html").exists() and (tmp_path / "report.json").exists()
    assert "Next:" in done.stdout and "thalweg train" in done.stdout
    assert thalweg("train", file, "--target", "yield", "--family", "diagonal", "--out", "run").returncode == 0
    proof = thalweg("certify", "run")
    assert proof.returncode == 0 and "Certificate: holds" in proof.stdout
    assert thalweg("report", "run", "--lang", "ja").returncode == 0
    assert "証明" in (tmp_path / "run" / "report.html").read_text(encoding="utf-8")
    cut = thalweg("train", file, "--target", "yield", "--option", "max_saddles=1", "--out", "cut")
    assert cut.returncode == 0
    compared = thalweg("compare", "run", "cut")
    assert compared.returncode == 0 and "max_saddles" in compared.stdout
    path = thalweg("path", file, "--target", "yield")
    assert path.returncode == 0 and "pressure" in path.stdout


def test_json_is_all_that_is_printed(thalweg, tmp_path):
    file = plant(tmp_path)
    thalweg("train", file, "-t", "yield", "--out", "run")
    calls = (
        ("survey", file, "-t", "yield"), ("train", file, "-t", "yield", "--out", "again"), ("certify", "run"),
        ("report", "run"), ("compare", "run", "again"), ("path", file, "-t", "yield"), ("demo",),
        ("demo", "--list"), ("doctor",),
    )  # fmt: skip
    for call in calls:
        done = thalweg(*call, "--json")
        assert done.returncode == 0, (call, done.stderr)
        assert json.loads(done.stdout), call


def test_quiet_prints_nothing(thalweg, tmp_path):
    file = plant(tmp_path)
    assert thalweg("survey", file, "-t", "yield", "-q").stdout == ""
    assert thalweg("doctor", "--quiet").stdout == ""


def test_reports_are_the_same_apart_from_measured(thalweg, tmp_path):
    file = plant(tmp_path)
    facts = []
    for folder in ("one", "two"):
        thalweg("survey", file, "-t", "yield", "--seed", "5", "--out", folder)
        facts.append(json.loads((tmp_path / folder / "report.json").read_text(encoding="utf-8")))
        assert set(facts[-1].pop("measured")) == {"read_seconds", "survey_seconds"}
    assert facts[0] == facts[1]


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (["survey", "nowhere.csv", "-t", "y"], 2, "There is no file"),
        (["survey", BAD, "-t", "y"], 2, "is a folder"),
        (["survey", BAD / "empty.csv", "-t", "y"], 2, "is empty"),
        (["survey", BAD / "header_only.csv", "-t", "y"], 2, "no rows"),
        (["survey", BAD / "binary.csv", "-t", "y"], 2, "not a text file"),
        (["survey", BAD / "zero.parquet", "-t", "y"], 2, "is empty"),
        (["survey", BAD / "rubbish.parquet", "-t", "y"], 2, "Parquet"),
        (["survey", BAD / "not_utf8.csv", "-t", "y"], 2, "--encoding"),
        (["survey", BAD / "all_text.csv", "-t", "name"], 2, "holds no numbers"),
        (["survey", BAD / "target_text.csv", "-t", "y"], 2, "low, high"),
        (["survey", GOOD, "-t", "Y"], 2, "Nearest names: y"),
        (["survey", GOOD, "-t", "y", "--drop", "c"], 2, "no column named c"),
        (["survey", GOOD, "-t", "y", "--impute", "mode"], 2, "median"),
        (["survey", GOOD], 2, "--target"),
        (["survey", GOOD, "-t", "y", "--lang", "de"], 2, "--lang"),
        (["survey", GOOD, "-t", "y", "--seed", "-1"], 2, "--seed"),
        (["train", GOOD, "-t", "y", "--family", "none"], 2, "Families: diagonal"),
        (["train", GOOD, "-t", "y", "--option", "x=1"], 2, "no option x"),
        (["train", GOOD, "-t", "y", "--option", "seed=3"], 2, "no option seed"),
        (["train", GOOD, "-t", "y", "--option", "x"], 2, "NAME=VALUE"),
        (["train", GOOD, "-t", "y", "--option", "max_time=-1"], 2, "max_time"),
        (["train", BAD / "plant_with_faults.csv", "-t", "out"], 2, "rows 4, 8, 10"),
        (["certify", "nowhere"], 2, "not a run folder"),
        (["report", BAD], 2, "not a run folder"),
        (["compare", "a", "b"], 2, "not a run folder"),
        (["path", GOOD, "-t", "z"], 2, "no column named z"),
        (["survey", GOOD, "-t", "y", "--keep", "c"], 2, "no column named c"),
        (["train", GOOD, "-t", "y", "--keep", "a", "--drop", "a"], 2, "to be kept and to be left out"),
        (["survey", GOOD, "-t", "y", "--decisions", BAD / "decisions_unsigned.toml"], 2, "entry 2 (b): who is missing"),
        (["train", GOOD, "-t", "y", "--decisions", BAD / "decisions_broken.toml"], 2, "no TOML file"),
        (["demo", "nothing"], 2, "pv-inverter"),
        (["nothing"], 2, "nothing"),
        (["survey", BAD / "plant_with_faults.csv", "-t", "out"], 1, ""),
        (["survey", BAD / "hostile_names.csv", "-t", "y"], 0, ""),
        (["survey", BAD / "plant_with_faults.csv", "-t", "out", "--impute", "median"], 0, ""),
        (["survey", BAD / "plant_with_faults.csv", "-t", "out", "--impute", "median", "--strict"], 1, ""),
        (["doctor"], 0, ""),
    ],
    ids=lambda v: " ".join(Path(str(a)).name for a in v) if isinstance(v, list) else None,
)
def test_exit_codes_and_words(thalweg, tmp_path, arguments, code, words):
    done = thalweg(*arguments)
    assert done.returncode == code, done.stderr + done.stdout
    assert words in " ".join(done.stderr.split())
    assert "Traceback" not in done.stderr + done.stdout
    if code == 2:
        assert list(tmp_path.iterdir()) == [], "something was left behind"


def test_errors_speak_the_language_asked_for(thalweg):
    assert "がありません" in thalweg("survey", "nowhere.csv", "-t", "y", "--lang", "ja").stderr
    assert "がありません" in thalweg("survey", "nowhere.csv", "-t", "y", "--lang=ja").stderr


def test_unforeseen_errors_end_in_words(tmp_path):
    code = (
        "import sys, thalweg.data.reading as r; r.read_table = lambda *a: 1/0\n"
        f"sys.argv = ['thalweg', 'survey', {str(GOOD)!r}, '-t', 'y']\n"
        "from thalweg.cli.main import run; run()"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=tmp_path)
    assert done.returncode == 3 and "ZeroDivisionError" in done.stderr and "Traceback" not in done.stderr


def test_interruption_has_its_own_code(tmp_path):
    code = (
        "import sys, time, thalweg.data.reading as r\n"
        "def wait(*a): print('ready', flush=True); time.sleep(60)\n"
        "r.read_table = wait\n"
        f"sys.argv = ['thalweg', 'survey', {str(GOOD)!r}, '-t', 'y']\n"
        "from thalweg.cli.main import run; run()"
    )
    process = subprocess.Popen(
        [sys.executable, "-c", code], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd=tmp_path
    )
    assert process.stdout is not None
    process.stdout.readline()
    time.sleep(0.1)
    os.kill(process.pid, signal.SIGINT)
    _, errors = process.communicate(timeout=30)
    assert process.returncode == 130 and "Interrupted" in errors and "Traceback" not in errors


def test_names_with_commas_can_be_dropped(thalweg):
    done = thalweg("survey", BAD / "hostile_names.csv", "-t", "y", "--drop", '"a,b"', "--json")
    roles = {c["name"]: c["role"] for c in json.loads(done.stdout)["survey"]["profile"]["columns"]}
    assert roles["a,b"] == "dropped"


def test_the_demo_leaves_its_data_beside_the_report(thalweg, tmp_path):
    done = thalweg("demo", "--out", "here")
    assert done.returncode == 0
    assert sorted(p.name for p in (tmp_path / "here").iterdir()) == ["pv_inverter.csv", "report.html", "report.json"]
    command = next(line for line in done.stdout.splitlines() if line.startswith("  thalweg train"))
    assert thalweg(*command.split()[1:]).returncode == 0


DECIDED = """
cost_unit = "EUR"
[[decision]]
column = "flow"
decision = "keep"
reason = "safety rules"
who = "T. Sato"
when = 2025-03-14
cost = 5
"""


def test_kept_columns_and_decisions_go_all_the_way(thalweg, tmp_path):
    file = plant(tmp_path)
    (tmp_path / "decisions.toml").write_text(DECIDED)
    surveyed = thalweg("survey", file, "-t", "yield", "--decisions", "decisions.toml")
    assert surveyed.returncode == 0, surveyed.stderr
    assert "keep 1, drop 0, open 1; by T. Sato" in surveyed.stdout and "--decisions decisions.toml" in surveyed.stdout
    facts = json.loads((tmp_path / "report.json").read_text(encoding="utf-8"))
    assert facts["survey"]["decisions"]["entries"][0]["reason"] == "safety rules"
    assert facts["survey"]["sections"][0]["fits"][0]["options"]["keep"] == ["flow"]
    assert "safety rules" in (tmp_path / "report.html").read_text(encoding="utf-8")
    trained = thalweg("train", file, "-t", "yield", "--decisions", "decisions.toml", "--out", "run")
    assert trained.returncode == 0 and "freed of what flow explain" in trained.stdout
    assert thalweg("certify", "run").returncode == 0
    assert thalweg("report", "run", "--lang", "ja").returncode == 0
    page = (tmp_path / "run" / "report.html").read_text(encoding="utf-8")
    assert "safety rules" in page and "T. Sato" in page and 'class="signatures"' in page
    path = thalweg("path", file, "-t", "yield", "--keep", "flow,pressure")
    assert path.returncode == 0 and path.stdout.count("Kept by the user.") == 2


def test_the_path_says_why_features_are_off(thalweg, tmp_path):
    rows = "\n".join(f"{(7 * i) % 11},{5 if i else 5},{(7 * i) % 11},{i % 3 + (7 * i) % 11}" for i in range(40))
    (tmp_path / "still.csv").write_text("a,never_changes,copy,y\n" + rows + "\n")
    words = " ".join(thalweg("path", "still.csv", "-t", "y").stdout.split())
    assert "Constant column" in words and "they share" in words
    assert "一定の列です" in thalweg("path", "still.csv", "-t", "y", "--lang", "ja").stdout


def test_a_fresh_folder_is_found_for_each_run(thalweg, tmp_path):
    file = plant(tmp_path)
    for _ in range(2):
        thalweg("train", file, "-t", "yield")
    assert sorted(p.name for p in (tmp_path / "runs").iterdir()) == ["plant-diagonal", "plant-diagonal-2"]


def test_files_of_the_user_are_never_overwritten(thalweg, tmp_path):
    file = plant(tmp_path)
    for name in ("report.html", "report.json", "pv_inverter.csv"):
        mine = tmp_path / name
        mine.write_text("mine")
        command = ("demo", "--out", ".") if name.endswith("csv") else ("survey", file, "-t", "yield")
        done = thalweg(*command)
        assert done.returncode == 2 and "not made by thalweg" in done.stderr and mine.read_text() == "mine"
        mine.unlink()
    for _ in range(2):
        assert thalweg("survey", file, "-t", "yield").returncode == 0  # our own reports are replaced


def test_a_report_needs_a_folder(thalweg, tmp_path):
    file = plant(tmp_path)
    done = thalweg("survey", file, "-t", "yield", "--out", file)
    assert done.returncode == 2 and "is a file" in done.stderr


def test_version(thalweg):
    import thalweg as package

    assert thalweg("--version").stdout.strip() == package.__version__


@pytest.mark.parametrize("seed", range(4))
def test_noise_is_not_recommended_for_training(thalweg, tmp_path, seed):
    import random

    random.seed(seed)
    rows = "\n".join(",".join(f"{random.gauss(0, 1):.4f}" for _ in range(6)) for _ in range(40))
    (tmp_path / "noise.csv").write_text("a,b,c,d,e,y\n" + rows + "\n")
    done = thalweg("survey", "noise.csv", "-t", "y")
    assert "may be chance" in done.stdout or "Do not train this on y" in done.stdout
    assert done.stdout.count("Next:") == ("Do not train" not in done.stdout)


def test_a_run_of_a_blocked_target_says_why_it_exits_with_one(thalweg, tmp_path):
    (tmp_path / "still.csv").write_text("a,y\n" + "".join(f"{i},3\n" for i in range(12)))
    done = thalweg("train", "still.csv", "-t", "y", "--out", "run")
    assert done.returncode == 1 and "The target is always 3" in done.stdout


def test_names_of_the_user_are_never_translated(thalweg, tmp_path):
    rows = "\n".join(f"{(7 * i) % 11},{(5 * i) % 13},{(3 * i) % 7},{i % 5 + (7 * i) % 11}" for i in range(40))
    (tmp_path / "words.csv").write_text("data,deviation,holds,target\n" + rows + "\n")
    shown = thalweg("path", "words.csv", "-t", "target").stdout
    assert all(f"\n{name} " in shown for name in ("data", "deviation", "holds"))
    thalweg("survey", "words.csv", "-t", "target")
    page = (tmp_path / "report.html").read_text(encoding="utf-8")
    assert '<th scope="col">deviation</th>' in page and '<th scope="col">data</th>' in page
