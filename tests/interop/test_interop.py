"""Models of other libraries: the same function, the right penalty, and errors that name the layer."""

import math

import numpy as np
import pytest
from sklearn.neural_network import MLPClassifier, MLPRegressor

from thalweg.interop import ForeignModel, Layer, check, outside_theorem, read_model, shallow_net, torch_sequential
from thalweg.interop.check import weight_penalties
from thalweg.interop.scikit import penalty
from thalweg.records import InputError, Verdict
from thalweg.shallow import Objective, ShallowNet

torch_only = pytest.mark.needs("torch")
RNG = np.random.default_rng(0)
X = RNG.standard_normal((150, 2))
Y = np.sin(X[:, 0]) + 0.5 * X[:, 1] + 0.1 * RNG.standard_normal(150)
NET = ShallowNet("tanh", 0.3, np.array([1.0, -1.2]), np.array([0.2, -0.5]), np.array([[1.0, 0.5], [-0.7, 1.1]]))
PAIRS = [(NET.w, NET.b), (NET.v[None], np.array([NET.v0]))]


def code_of(call):
    with pytest.raises(InputError) as caught:
        call()
    for lang in ("en", "ja"):
        assert caught.value.message(lang)
    return caught.value.code


def regressor(target=Y, sample_weight=None, **options):
    settings = {"hidden_layer_sizes": (2,), "activation": "tanh", "solver": "lbfgs", "alpha": 0.1, "tol": 1e-12,
                "max_iter": 20000, "max_fun": 100000, "random_state": 1}  # fmt: skip
    return MLPRegressor(**{**settings, **options}).fit(X, target, sample_weight=sample_weight)


class TestScikitLearn:
    @pytest.mark.parametrize("activation", ["tanh", "logistic"])
    @pytest.mark.parametrize("outputs", [1, 2])
    def test_the_same_function(self, activation, outputs):
        target = Y if outputs == 1 else np.column_stack([Y, X[:, 0]])
        model = regressor(target, activation=activation, max_iter=50)
        assert np.allclose(shallow_net(model)(X), model.predict(X), atol=1e-13)

    def test_its_weights_are_stationary_for_the_penalty_named_here(self):
        model = regressor(alpha=3.0)
        net, (lam, _) = shallow_net(model), penalty(model, len(X))
        assert lam == 3.0 / 150
        right = Objective(X, Y, ridge=weight_penalties(net, lam)).gradient(net)
        others = [Objective(X, Y, ridge=weight_penalties(net, f * lam)).gradient(net) for f in (0.0, 0.5, 2.0)]
        assert np.linalg.norm(right) < 1e-3  # SciPy's lbfgs stops at a relative decrease of 2e-9
        assert min(np.linalg.norm(g) for g in others) > 30 * np.linalg.norm(right)

    def test_sample_weights_count_by_their_sum(self):
        weights = np.random.default_rng(3).uniform(0.5, 3, 150)
        model = regressor(alpha=5.0, sample_weight=weights)
        net, (lam, _) = shallow_net(model), penalty(model, len(X), weights)
        assert lam == 5.0 / weights.sum()
        right = Objective(X, Y, weights, weight_penalties(net, lam)).gradient(net)
        plain = Objective(X, Y, weights, weight_penalties(net, 5.0 / 150)).gradient(net)
        assert np.linalg.norm(right) < 1e-3 and np.linalg.norm(plain) > 30 * np.linalg.norm(right)

    def test_mini_batches(self):
        model = MLPRegressor(
            hidden_layer_sizes=(2,), solver="adam", activation="tanh", batch_size=40, alpha=0.2, max_iter=5
        )
        assert penalty(model, 120)[0] == 0.2 / 40
        assert [s.code for s in penalty(model, 120)[1]] == ["imported.penalty"]
        assert "imported.no_single_objective" in [s.code for s in penalty(model, 150)[1]]
        assert penalty(model, 30)[0] == 0.2 / 30  # one batch of all rows

    def test_the_whole_check(self):
        found = check(regressor(), X, Y)
        assert found.refined.certificate.verdict is Verdict.HOLDS
        assert found.classification.verdict == "efficient" and found.classification.regular
        assert found.advice.minimiser is not None and found.ridge == 0.1 / 150
        assert found.refined.moved < 0.01
        assert "Its penalty alpha" in str(found)

    def test_what_is_refused_or_said(self):
        labels = (Y > 0).astype(int)
        assert (
            code_of(lambda: read_model(MLPClassifier(hidden_layer_sizes=(2,), max_iter=5).fit(X, labels)))
            == "model_output"
        )
        assert code_of(lambda: read_model(MLPRegressor())) == "model_not_fitted"
        poisson = MLPRegressor(hidden_layer_sizes=(2,), loss="poisson", max_iter=5).fit(X, np.abs(Y))
        assert code_of(lambda: read_model(poisson)) in ("model_loss", "model_output")
        held_out = MLPRegressor(hidden_layer_sizes=(2,), activation="tanh", early_stopping=True, max_iter=5).fit(X, Y)
        assert [s.code for s in read_model(held_out).notes] == ["imported.early_stopping"]
        several = regressor(np.column_stack([Y, Y]), max_iter=5)
        assert [s.code for s in read_model(several).notes] == ["imported.several_outputs"]
        assert code_of(lambda: shallow_net(regressor(hidden_layer_sizes=(2, 2), max_iter=5))) == "model_not_shallow"


class TestTorch:
    pytestmark = torch_only

    @pytest.mark.parametrize(
        ("activation", "module"),
        [("tanh", "Tanh"), ("logistic", "Sigmoid"), ("gelu", "GELU"), ("silu", "SiLU"), ("softplus", "Softplus")],
    )
    def test_there_and_back(self, activation, module):
        import torch

        net = ShallowNet(activation, 0.3, NET.v, NET.b, NET.w)
        model = torch_sequential(net)
        assert type(model[1]).__name__ == module
        with torch.no_grad():
            assert np.allclose(model(torch.from_numpy(X)).numpy()[:, 0], net(X), atol=1e-14)
        again = shallow_net(model)
        assert again.activation == activation and np.array_equal(again.theta, net.theta)

    def test_float32_is_said_and_polished_before_it_is_certified(self):
        found = check(torch_sequential(NET).float(), X, NET(X) + 0.1 * RNG.standard_normal(150))
        assert "imported.narrow" in [s.code for s in found.model.notes]
        assert found.refined.certificate.verdict is Verdict.HOLDS
        assert found.net.w.dtype == np.float64

    def test_files_are_read_without_running_them(self, tmp_path):
        import torch

        torch.save(torch_sequential(NET).state_dict(), tmp_path / "state.pt")
        assert np.array_equal(shallow_net(tmp_path / "state.pt", activation="tanh").theta, NET.theta)
        assert code_of(lambda: read_model(tmp_path / "state.pt")) == "activation_needed"
        torch.save(torch_sequential(NET), tmp_path / "whole.pt")  # a pickle of code
        assert code_of(lambda: read_model(tmp_path / "whole.pt", activation="tanh")) == "model_file"
        (tmp_path / "rubbish.pt").write_bytes(b"not a model")
        assert code_of(lambda: read_model(tmp_path / "rubbish.pt", activation="tanh")) == "model_file"
        assert code_of(lambda: read_model(tmp_path / "missing.pt", activation="tanh")) == "model_file"
        assert code_of(lambda: read_model("model.h5", activation="tanh")) == "model_file"
        (tmp_path / "model.h5").write_bytes(b"")
        assert code_of(lambda: read_model(tmp_path / "model.h5", activation="tanh")) == "model_suffix"

    @pytest.mark.needs("safetensors")
    def test_safetensors(self, tmp_path):
        from safetensors.torch import save_file

        save_file(dict(torch_sequential(NET).state_dict()), tmp_path / "model.safetensors")
        assert np.array_equal(shallow_net(tmp_path / "model.safetensors", activation="tanh").theta, NET.theta)
        (tmp_path / "broken.safetensors").write_bytes(b"12345678{")
        assert code_of(lambda: read_model(tmp_path / "broken.safetensors", activation="tanh")) == "model_file"

    def test_the_layer_that_does_not_fit_is_named(self):
        from torch import nn

        for layers, code, named in (
            ([nn.Linear(2, 3), nn.ELU(), nn.Linear(3, 1)], "model_layer", "1 of the model is a ELU"),
            (
                [nn.Linear(2, 3), nn.Tanh(), nn.LayerNorm(3), nn.Linear(3, 1)],
                "model_layer",
                "2 of the model is a LayerNorm",
            ),
            ([nn.Linear(2, 3), nn.GELU(approximate="tanh"), nn.Linear(3, 1)], "model_gelu", "Layer 1"),
            ([nn.Linear(2, 3), nn.Softplus(beta=2), nn.Linear(3, 1)], "model_softplus", "beta = 2"),
            ([nn.Linear(2, 3), nn.Linear(3, 1)], "model_no_activation", "0 and 1"),
            ([nn.Linear(2, 3), nn.Tanh(), nn.Tanh(), nn.Linear(3, 1)], "model_two_activations", "layer 2"),
            ([nn.Tanh(), nn.Linear(2, 1)], "model_two_activations", "layer 0"),
            ([nn.Linear(2, 3), nn.Tanh(), nn.Linear(3, 1), nn.Sigmoid()], "model_output", "logistic"),
            ([nn.Linear(2, 3), nn.Tanh(), nn.Linear(4, 1)], "model_chain", "Layer 2 takes 4"),
            ([nn.Conv1d(2, 3, 1)], "model_layer", "Conv1d"),
            ([], "model_without_layers", "Sequential"),
        ):
            with pytest.raises(InputError) as caught:
                read_model(nn.Sequential(*layers))
            assert caught.value.code == code and named in str(caught.value), str(caught.value)
        assert code_of(lambda: read_model(nn.LSTM(2, 3))) == "model_layer"

    def test_inert_layers_nested_parts_and_missing_biases(self):
        from torch import nn

        model = nn.Sequential(nn.Sequential(nn.Linear(2, 3, bias=False), nn.Tanh()), nn.Dropout(0.1), nn.Linear(3, 1))
        read = read_model(model)
        assert [layer.name for layer in read.layers] == ["0.0", "2"]
        assert [s.code for s in read.notes] == ["imported.inert", "imported.without_bias", "imported.narrow"]
        assert not shallow_net(model).b.any()


class TestArrays:
    def test_pairs_in_either_layout(self):
        assert np.array_equal(shallow_net(PAIRS, activation="tanh", layout="out_in").theta, NET.theta)
        turned = [(W.T, b) for W, b in PAIRS]
        assert np.array_equal(shallow_net(turned, activation="tanh", layout="in_out").theta, NET.theta)
        keras = [array for pair in turned for array in pair]
        assert np.array_equal(shallow_net(keras, activation="tanh", layout="in_out").theta, NET.theta)
        wide = [(np.ones((3, 2)), np.zeros(3)), (np.ones((1, 3)), np.zeros(1))]
        assert shallow_net(wide, activation="tanh").width == 3
        assert shallow_net([(W.T, b) for W, b in wide], activation="tanh").width == 3

    def test_trees_of_flax_and_state_dicts(self):
        tree = {"params": {"Dense_1": {"kernel": NET.v[:, None], "bias": np.array([0.3])},
                           "Dense_0": {"kernel": NET.w.T, "bias": NET.b}}}  # fmt: skip
        assert np.array_equal(shallow_net(tree, activation="tanh").theta, NET.theta)
        layers = {
            f"net.{i}.{part}": np.eye(2) if part == "weight" else np.zeros(2)
            for i in (0, 2, 10)
            for part in ("weight", "bias")
        }
        assert [layer.name for layer in read_model(layers, activation="tanh").layers] == ["net.0", "net.2", "net.10"]

    def test_what_is_refused(self):
        assert code_of(lambda: read_model(PAIRS)) in ("activation_needed", "model_layout")
        square = [(np.eye(2), np.zeros(2)), (np.eye(2), np.zeros(2))]
        assert code_of(lambda: read_model(square, activation="tanh")) == "model_layout"
        assert code_of(lambda: read_model(square, activation="tanh", layout="up")) == "option_range"
        assert code_of(lambda: read_model(PAIRS, activation="elu", layout="out_in")) == "model_activation"
        assert code_of(lambda: read_model({"a.gamma": np.ones(2)}, activation="tanh")) == "model_entry"
        assert code_of(lambda: read_model({"a.bias": np.ones(2)}, activation="tanh")) == "model_entry"
        assert code_of(lambda: read_model(3.5)) == "model_unknown"
        assert code_of(lambda: read_model([], activation="tanh")) == "model_without_layers"
        broken = [(np.full((2, 2), np.nan), np.zeros(2)), PAIRS[1]]
        assert code_of(lambda: read_model(broken, activation="tanh", layout="out_in")) == "array_not_finite"
        ragged = [(np.ones((3, 2)), np.zeros(2)), (np.ones((1, 3)), np.zeros(1))]
        assert code_of(lambda: read_model(ragged, activation="tanh")) == "model_weights"
        assert code_of(lambda: read_model({"0.weight": np.array([["a"]])}, activation="tanh")) == "model_weights"

    @pytest.mark.needs("equinox")
    def test_equinox(self):
        import equinox
        import jax

        model = equinox.nn.MLP(2, "scalar", 3, 1, activation=jax.nn.tanh, key=jax.random.key(0))
        net = shallow_net(model)
        assert np.allclose(net(X[:5]), jax.vmap(model)(X[:5]), atol=1e-6)
        chain = equinox.nn.Sequential([
            equinox.nn.Linear(2, 3, key=jax.random.key(1)), equinox.nn.Lambda(jax.nn.sigmoid),
            equinox.nn.Linear(3, 2, key=jax.random.key(2)),
        ])  # fmt: skip
        assert np.allclose(shallow_net(chain)(X[:5]), jax.vmap(chain)(X[:5]), atol=1e-6)
        other = equinox.nn.MLP(2, 1, 3, 1, activation=jax.nn.gelu, key=jax.random.key(0))
        assert code_of(lambda: read_model(other)) == "model_activation"


class TestOutsideTheTheorem:
    def relu(self):
        hidden = np.array([[1.0, 0.0], [0.0, 1.0], [0.0, 0.0], [0.0, 0.0]])
        bias = np.array([0.1, -0.2, -1.0, 1.0])  # the third is dead, the fourth linear
        return ForeignModel(
            "arrays",
            (Layer("hidden", hidden, bias), Layer("output", np.array([[1.0, -0.5, 2.0, 0.3]]), np.array([0.2]))),
            ("relu",),
        )

    def test_relu_neurons(self):
        found = outside_theorem(self.relu(), X, Y)
        assert (found.kind, found.dead, found.linear, found.kinks, found.flat_directions) == ("relu", 1, 1, 2, 4)
        distances = [np.abs(X[:, 0] + 0.1), np.abs(X[:, 1] - 0.2), np.ones(150), np.ones(150)]
        radius = min(float((d / np.sqrt(1 + (X**2).sum(axis=1))).min()) for d in distances)
        assert found.kink_radius == pytest.approx(radius)
        assert "Outside the theorem" in str(found) and "nothing is certified" in str(found)

    def test_the_generalised_hessian_is_that_of_the_piece(self):
        """Against the closed form of the shallow family, whose psi'' of ReLU is zero."""
        found = outside_theorem(self.relu(), X, Y)
        data = Objective(X, Y)
        net = shallow_net(self.relu())
        assert found.loss == pytest.approx(data.cost(net)) and found.gradient_norm == pytest.approx(
            float(np.linalg.norm(data.gradient(net)))
        )
        assert found.eigenvalues == pytest.approx(np.linalg.eigvalsh(data.hessian(net)), abs=1e-12)
        assert found.negative + found.zero + found.positive == net.parameter_count
        assert found.zero >= 4  # all weights of the dead neuron

    def test_a_deep_net_with_the_function_of_a_shallow_one(self):
        """A second hidden layer far in the linear range of its neurons changes next to nothing."""
        deep = ForeignModel("arrays", (
            Layer("0", NET.w, NET.b), Layer("1", np.eye(2), np.zeros(2)), Layer("2", NET.v[None], np.array([NET.v0])),
        ), ("tanh", "identity"))  # fmt: skip
        found = outside_theorem(deep, X, Y)
        assert found.kind == "deep" and found.loss == pytest.approx(Objective(X, Y).cost(NET), rel=1e-12)
        assert found.eigenvalues.size == NET.parameter_count + 6
        assert found.dead == 0 and found.kink_radius == math.inf and found.negative > 0
        assert "more than one hidden layer" in str(found)

    def test_every_activation_agrees_with_that_of_the_family(self):
        for name in ("tanh", "logistic", "erf", "arctan", "sin", "softplus", "silu", "gauss", "exp", "gelu"):
            net = ShallowNet(name, 0.3, NET.v, NET.b, NET.w)
            model = read_model(PAIRS, activation=name, layout="out_in")
            found = outside_theorem(model, X, Y)
            data = Objective(X, Y)
            assert found.loss == pytest.approx(data.cost(net), rel=1e-12)
            assert found.eigenvalues == pytest.approx(np.linalg.eigvalsh(data.hessian(net)), abs=1e-9)

    def test_check_says_so(self):
        found = check(self.relu(), X, Y)
        assert found.net is None and found.refined is None and found.outside.kind == "relu"
        linear = check([(np.array([[1.0, 2.0]]), np.zeros(1))], X, Y, layout="out_in")
        assert linear.outside.kind == "linear" and "linear model" in str(linear)
        deep = check(regressor(hidden_layer_sizes=(3, 2), max_iter=20), X, Y)
        assert deep.outside.kind == "deep"

    def test_data_that_do_not_fit_are_named(self):
        assert code_of(lambda: outside_theorem(self.relu(), X[:, :1], Y)) == "net_features"
        assert code_of(lambda: outside_theorem(self.relu(), X, np.column_stack([Y, Y]))) == "net_outputs"

    def test_a_large_model_is_not_expanded(self):
        wide = [(np.ones((900, 2)), np.ones(900)), (np.ones((1, 900)), np.zeros(1))]
        found = outside_theorem(wide, X, Y, activation="relu")
        assert found.eigenvalues.size == 0 and found.negative is None and "not computed" in str(found)


def test_every_sentence_exists_in_both_languages():
    found = check(regressor(solver="adam", batch_size=40, max_iter=50, early_stopping=True), X, Y)
    for statement in found.statements():
        for lang in ("en", "ja"):
            assert statement.say(lang)
