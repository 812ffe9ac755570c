"""`thalweg certify MODEL` as a stranger runs it: words, exit codes, files."""

import json

import numpy as np
import pytest
from scipy.optimize import least_squares
from typer.testing import CliRunner

from thalweg.cli.main import build_app
from thalweg.interop import foreign_model, read_model, shallow_net
from thalweg.interop.files import to_safetensors
from thalweg.records import Verdict, from_document
from thalweg.shallow import Objective, ShallowNet

RNG = np.random.default_rng(4)
X = RNG.standard_normal((60, 2))
Y = np.tanh(X @ [1.0, 0.4] + 0.2) - 0.7 * np.tanh(X @ [-0.5, 1.1]) + 0.1 * RNG.standard_normal(60)
START = ShallowNet("tanh", 0.0, np.ones(2), np.zeros(2), np.array([[1.0, 0.4], [-0.5, 1.1]]))
NET = START.with_theta(
    least_squares(lambda t: START.with_theta(t)(X) - Y, START.theta, xtol=1e-15, ftol=1e-15).x
)  # fmt: skip


@pytest.fixture
def certify(tmp_path, monkeypatch):
    """Run the verb in a folder with data and models; return what it said and its exit code."""
    monkeypatch.chdir(tmp_path)
    rows = "\n".join(f"{a!r},{b!r},{y!r}" for (a, b), y in zip(X.tolist(), Y.tolist(), strict=True))
    (tmp_path / "data.csv").write_text("a,b,y\n" + rows + "\n")
    (tmp_path / "holes.csv").write_text("a,b,y\n1,,2\n2,3,4\n")
    layers = [NET.w, NET.b, NET.v[None], [NET.v0]]
    np.savez(tmp_path / "trained.npz", w=NET.w, b=NET.b, v=NET.v, v0=NET.v0, activation="tanh")
    np.savez(tmp_path / "unnamed.npz", *layers)
    np.savez(tmp_path / "early.npz", w=NET.w + 0.05, b=NET.b, v=NET.v, v0=NET.v0, activation="tanh")
    np.savez(tmp_path / "deep.npz", *layers[:2], np.eye(2), np.zeros(2), *layers[2:])
    (tmp_path / "rubbish.safetensors").write_bytes(b"rubbish")
    (tmp_path / "model.h5").write_bytes(b"")

    def call(*arguments):
        words = ["certify", *arguments]
        done = CliRunner().invoke(build_app(words), words)
        assert done.exception is None or isinstance(done.exception, SystemExit), done.exception
        return done

    return call


DATA = ("--data", "data.csv", "--target", "y")


def test_a_trained_model_is_judged_and_proved(certify):
    done = certify("trained.npz", *DATA)
    assert done.exit_code == 0, done.output
    for words in ("linear layers recognised: 2", "features, in this order: a, b", "Efficient:", "The least useful",
                  "Regular on the data", "condition number", "Certificate: holds", "modulus ="):  # fmt: skip
        assert words in done.output, words
    assert "Next:" not in done.output
    assert "証明書: 成り立つ" in certify("trained.npz", *DATA, "--lang", "ja").output


def test_a_model_on_its_way_is_refined_and_the_better_net_written(certify, tmp_path):
    done = certify("early.npz", *DATA)
    assert done.exit_code == 1 and "Certificate: undecided" in done.output
    command = done.output.splitlines()[-1].split()
    assert command[:2] == ["thalweg", "certify"]
    refined = certify(*command[2:])
    assert refined.exit_code == 0 and "Polishing moved the parameters" in refined.output
    written = shallow_net(tmp_path / "early.refined.safetensors")
    assert np.linalg.norm(Objective(X, Y).gradient(written)) < 1e-14
    assert certify("early.refined.safetensors", *DATA).exit_code == 0
    assert certify(*command[2:]).exit_code == 0  # our own file is replaced


def test_files_of_the_user_are_never_overwritten(certify, tmp_path):
    from safetensors.numpy import save_file

    mine = tmp_path / "mine.safetensors"
    save_file({"0.weight": NET.w}, mine)
    before = mine.read_bytes()
    done = certify("early.npz", *DATA, "--refine", "--out", "mine.safetensors")
    assert done.exit_code == 2 and "not made by thalweg" in done.output and mine.read_bytes() == before


def test_the_facts_as_json(certify, tmp_path):
    done = certify("early.npz", *DATA, "--refine", "--json", "--out", "facts.json")
    assert done.exit_code == 0
    facts = json.loads(done.stdout)
    assert facts == json.loads((tmp_path / "facts.json").read_text(encoding="utf-8"))
    assert from_document(facts["certificate"]).verdict is Verdict.HOLDS
    assert facts["data"] == {"source": "data.csv", "target": "y", "features": ["a", "b"], "rows": 60}
    assert facts["refined"]["loss_after"] == pytest.approx(np.mean((NET(X) - Y) ** 2), rel=1e-9)
    assert certify("trained.npz", *DATA, "--quiet").stdout == ""


def test_a_redundant_model_and_its_directions(certify, tmp_path):
    wide = ShallowNet("tanh", NET.v0, np.array([0.25, 0.75, 1]) * NET.v[[0, 0, 1]], NET.b[[0, 0, 1]], NET.w[[0, 0, 1]])
    (tmp_path / "wide.safetensors").write_bytes(to_safetensors(foreign_model(wide)))
    done = certify("wide.safetensors", *DATA, "--refine", "--out", "slim.safetensors")
    assert done.exit_code == 0, done.output
    for words in ("Redundant:", "A net with 2 neurons does the same", "flat: a curve", "splitting:"):
        assert words in done.output, words
    assert shallow_net(tmp_path / "slim.safetensors").width == 2


def test_outside_the_theorem(certify):
    done = certify("deep.npz", *DATA, "--activation", "relu", "--layout", "out_in")
    assert done.exit_code == 1
    assert "Diagnostics outside the theorem" in done.output and "Certificate: not covered" in done.output
    written = certify("deep.npz", *DATA, "--activation", "relu", "--layout", "out_in", "--refine",
                      "--out", "x.safetensors")  # fmt: skip
    assert written.exit_code == 2 and "no better net" in written.output


def test_penalties_move_the_minimum(certify):
    weights = certify("trained.npz", *DATA, "--ridge", "0.01", "--refine", "--json")
    everything = certify("trained.npz", *DATA, "--ridge", "0.01", "--ridge-biases", "--refine", "--json")
    moved = [json.loads(done.stdout)["refined"]["moved"] for done in (weights, everything)]
    assert min(moved) > 1e-3 and abs(moved[0] - moved[1]) > 1e-4
    assert certify("trained.npz", *DATA, "--ridge", "0.01").exit_code == 1


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["trained.npz"], "--data, --target is missing"),
        (["trained.npz", "--data", "data.csv"], "--target is missing"),
        (["trained.npz", "--data", "data.csv", "-t", "z"], "no column named z"),
        (["trained.npz", *DATA, "--drop", "a"], "X has 1 columns, the network has 2"),
        (["trained.npz", "--data", "holes.csv", "-t", "y"], "columns b; rows 1"),
        (["trained.npz", *DATA, "--activation", "logistic"], "its activation is tanh"),
        (["trained.npz", *DATA, "--layout", "in_out"], "no effect: layout"),
        (["trained.npz", *DATA, "--method", "slow"], "fast | balls"),
        (["trained.npz", *DATA, "--scale", "rows"], "none | features | all"),
        (["trained.npz", *DATA, "--ridge", "-1"], "--ridge"),
        (["trained.npz", *DATA, "--ridge-biases"], "no effect: --ridge-biases"),
        (["trained.npz", *DATA, "--out", "x.safetensors"], "no better net"),
        (["unnamed.npz", *DATA], "--activation tanh"),
        (["unnamed.npz", *DATA, "--activation", "elu", "--layout", "out_in"], "elu"),
        (["rubbish.safetensors", *DATA], "cannot be read as tensors"),
        (["nowhere.pt", *DATA], "no such file"),
        (["model.h5", *DATA], ".safetensors, .pt"),
        (["nowhere"], "not a run folder"),
        (["nowhere", "--refine", "--ridge", "1"], "no effect: --ridge, --refine"),
    ],
    ids=lambda v: " ".join(v) if isinstance(v, list) else None,
)
def test_what_is_refused(certify, tmp_path, arguments, words):
    before = sorted(tmp_path.iterdir())
    done = certify(*arguments)
    assert done.exit_code == 2 and words in " ".join(done.output.split()), done.output
    assert sorted(tmp_path.iterdir()) == before, "something was left behind"


def test_the_reason_names_the_layer(certify, tmp_path):
    np.savez(tmp_path / "odd.npz", **{"0.weight": NET.w, "0.bias": NET.b, "2.weight": np.ones((1, 3))})
    done = certify("odd.npz", *DATA, "--activation", "tanh")
    assert done.exit_code == 2 and "Layer 2 takes 3 inputs, but 0 gives 2" in done.output
    np.savez(tmp_path / "norm.npz", **{"0.weight": NET.w, "0.bias": NET.b, "1.running_mean": np.ones(2)})
    assert "1.running_mean" in certify("norm.npz", *DATA, "--activation", "tanh").output
    assert read_model("trained.npz").layers[0].name == "hidden"
