"""The loss and its closed-form derivatives: golden values, and automatic differentiation as the oracle."""

import numpy as np
import pytest

from tests.shallow.nets import G1_THETA, G1_X, G1_Y, blank, random_net
from thalweg.records import InputError
from thalweg.shallow import derivatives as module
from thalweg.shallow.derivatives import Objective, objective
from thalweg.shallow.net import ShallowNet

ORACLES = ("tanh", "logistic", "erf", "arctan", "gauss", "sin", "softplus", "silu", "gelu", "exp", "z^3+z", "z^2")


@pytest.fixture(scope="module")
def jax():
    import jax

    before = jax.config.jax_enable_x64
    jax.config.update("jax_enable_x64", True)
    yield jax
    jax.config.update("jax_enable_x64", before)


def oracle(jax, net, data):
    """Return J as a function of theta, for automatic differentiation."""
    jnp, K, m = jax.numpy, net.outputs, net.width
    psi = {
        "tanh": jnp.tanh,
        "logistic": jax.nn.sigmoid,
        "erf": jax.scipy.special.erf,
        "arctan": jnp.arctan,
        "gauss": lambda z: jnp.exp(-z * z),
        "sin": jnp.sin,
        "softplus": jax.nn.softplus,
        "silu": jax.nn.silu,
        "gelu": lambda z: jax.nn.gelu(z, approximate=False),
        "exp": jnp.exp,
        "z^3+z": lambda z: z**3 + z,
        "z^2": lambda z: z**2,
    }[net.activation]
    y, w = data.y.reshape(data.n, -1), data.weights

    def outputs(theta):
        V, B = theta[K : K + K * m].reshape(m, K), theta[K + K * m :].reshape(m, -1)
        return psi(data.augmented @ B.T) @ V + theta[:K]

    def cost(theta):
        fit = (w * jnp.square(outputs(theta) - y).sum(axis=1)).sum()
        centre = 0.0 if data.anchor is None else data.anchor
        return fit + (data.ridge * jnp.square(theta - centre)).sum()

    return outputs, cost


def test_golden_values_of_g1():
    net = blank("tanh", 2, 1).with_theta(G1_THETA)
    cost, gradient, H = Objective(G1_X, G1_Y).second_order(net)
    assert cost == pytest.approx(0.295942273330815, rel=1e-13)
    expected = [0.130373384175251, -0.201427556900464, -0.403183739704285, 0.209557297550755, 0.0107402493872008,
                -0.176070750243282, 0.239768588777959]  # fmt: skip
    assert gradient == pytest.approx(expected, rel=1e-8)
    values = [-0.942545766905654, -0.434344649766443, -0.233092021767429, 0.0793055125313354, 0.380084127855405,
              1.62970014643541, 2.95962424566970]  # fmt: skip
    assert np.linalg.eigvalsh(H) == pytest.approx(values, rel=1e-8)


def test_golden_values_of_g1_with_the_logistic_function():
    net = blank("logistic", 2, 1).with_theta(G1_THETA)
    cost, gradient, H = Objective(G1_X, G1_Y).second_order(net)
    assert cost == pytest.approx(0.208623188602848, rel=1e-12)
    assert gradient[0] == pytest.approx(-0.385262969408839, rel=1e-12)
    values = [-0.235323404610413, -0.0104260923218814, 0.00461728878409611, 0.0294615987160159, 0.103279925612975,
              0.197098505977874, 3.30151383973134]  # fmt: skip
    assert np.linalg.eigvalsh(H) == pytest.approx(values, rel=1e-8)


@pytest.mark.parametrize("outputs", [1, 2])
@pytest.mark.parametrize("activation", ORACLES)
def test_derivatives_agree_with_automatic_ones(jax, activation, outputs):
    rng = np.random.default_rng(ORACLES.index(activation))
    net = random_net(rng, activation, 3, 2, outputs)
    P, n = net.parameter_count, 40
    data = Objective(
        rng.normal(size=(n, 2)), rng.normal(size=(n, outputs)), rng.random(n), rng.random(P), rng.normal(size=P)
    )
    value, cost = oracle(jax, net, data)
    J, gradient, H = data.second_order(net)
    size = float(np.abs(H).max())
    assert pytest.approx(float(cost(net.theta)), rel=1e-13) == J == pytest.approx(data.cost(net), rel=1e-13)
    assert gradient == pytest.approx(np.asarray(jax.grad(cost)(net.theta)), abs=1e-13 * size)
    assert np.array_equal(gradient, data.gradient(net)) or data.gradient(net) == pytest.approx(
        gradient, abs=1e-14 * size
    )
    assert np.abs(H - np.asarray(jax.hessian(cost)(net.theta))).max() <= 1e-13 * size
    jacobian = np.asarray(jax.jacobian(value)(net.theta))
    assert data.jacobian(net).reshape(jacobian.shape) == pytest.approx(jacobian, abs=1e-13 * size)
    G = 2 * np.einsum("i,ikp,ikq->pq", data.weights, jacobian, jacobian)
    assert np.abs(data.gauss_newton(net) - G).max() <= 1e-13 * max(size, np.abs(G).max())


def test_pieces_of_rows_change_nothing_but_rounding(monkeypatch):
    rng = np.random.default_rng(3)
    net = random_net(rng, "tanh", 4, 3, 2)
    data = Objective(rng.normal(size=(1000, 3)), rng.normal(size=(1000, 2)), rng.random(1000))
    whole = data.second_order(net)
    monkeypatch.setattr(module, "PIECE", 7)
    for ours, theirs in zip(data.second_order(net), whole, strict=True):
        assert ours == pytest.approx(theirs, rel=1e-11, abs=1e-13)


def test_equal_weights_are_none_and_repeated_rows_are_weights():
    rng = np.random.default_rng(4)
    net = random_net(rng, "logistic", 2, 2)
    X, y = rng.normal(size=(6, 2)), rng.normal(size=6)
    counts = np.array([1, 2, 3, 0, 1, 4])
    repeated = Objective(np.repeat(X, counts, axis=0), np.repeat(y, counts))
    weighted = Objective(X, y, counts)
    assert weighted.hessian(net) == pytest.approx(repeated.hessian(net), rel=1e-12, abs=1e-14)
    assert np.array_equal(Objective(X, y).hessian(net), Objective(X, y, np.full(6, 3.0)).hessian(net))


def test_a_network_without_neurons_is_its_bias():
    net = ShallowNet("tanh", 0.5, [], [], np.zeros((0, 2)))
    data = Objective(np.zeros((3, 2)), np.array([1.0, 2.0, 3.0]))
    cost, gradient, H = data.second_order(net)
    assert cost == pytest.approx(np.mean((0.5 - np.array([1, 2, 3])) ** 2))
    assert gradient == pytest.approx([2 * (0.5 - 2)]) and H.tolist() == [[pytest.approx(2.0)]]
    assert net.parameter_count == 1 and np.array_equal(net(np.zeros((4, 2))), np.full(4, 0.5))


def test_theta_is_the_layout_of_the_specification():
    net = ShallowNet("tanh", 1.0, [2.0, 3.0], [4.0, 7.0], [[5.0, 6.0], [8.0, 9.0]])
    assert net.theta.tolist() == [1, 2, 3, 4, 5, 6, 7, 8, 9]
    two = ShallowNet("tanh", [1.0, 2.0], [[3.0, 4.0], [5.0, 6.0]], [7.0, 9.0], [[8.0], [10.0]])
    assert two.theta.tolist() == [1, 2, 3, 4, 5, 6, 7, 8, 9, 10]
    for made in (net, two):
        again = made.with_theta(made.theta)
        assert np.array_equal(again.theta, made.theta) and again.v.shape == made.v.shape
    assert ShallowNet("tanh", [1.0], [[2.0]], [3.0], [[4.0]]).theta.tolist() == [1, 2, 3, 4]


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        (("tanh", 0.0, [1.0], [1.0], np.zeros((1, 0))), "net_shapes"),
        (("tanh", 0.0, [1.0, 2.0], [1.0], np.zeros((1, 1))), "net_shapes"),
        (("tanh", [0.0, 1.0], [1.0], [1.0], np.zeros((1, 1))), "net_shapes"),
        (("tanh", 0.0, [np.nan], [1.0], np.zeros((1, 1))), "array_not_finite"),
        (("tanh", np.inf, [1.0], [1.0], np.zeros((1, 1))), "array_not_finite"),
        (("tanh", 0.0, ["a"], [1.0], np.zeros((1, 1))), "array_not_numeric"),
        (("tanh", 0.0, [1.0], [1.0], np.zeros(1)), "array_dimension"),
        (("swish", 0.0, [1.0], [1.0], np.zeros((1, 1))), "activation_unknown"),
    ],
)
def test_networks_that_are_none_are_refused(arguments, code):
    with pytest.raises(InputError) as caught:
        ShallowNet(*arguments)
    assert caught.value.code == code


@pytest.mark.parametrize(
    ("options", "code"),
    [
        ({"ridge": -1.0}, "option_range"),
        ({"ridge": np.ones(3)}, "parameters_differ"),
        ({"anchor": np.ones(3)}, "parameters_differ"),
        ({"weights": [1.0]}, "weights_differ"),
        ({"weights": [0.0, 0.0]}, "weights_zero"),
        ({"y": [[1.0, 2.0], [3.0, 4.0]]}, "net_outputs"),
        ({"X": [[1.0], [2.0]]}, "net_features"),
        ({"X": [[1.0, np.nan], [2.0, 3.0]]}, "array_not_finite"),
        ({"y": [1.0]}, "rows_differ"),
    ],
)
def test_objectives_that_do_not_fit_are_refused(options, code):
    given = {"X": [[1.0, 0.0], [2.0, 1.0]], "y": [1.0, 2.0], **options}
    with pytest.raises(InputError) as caught:
        objective(**given).cost(blank("tanh", 1, 2))
    assert caught.value.code == code


def test_float32_weights_are_cast_exactly():
    weights = np.float32([0.1, 0.2])
    net = ShallowNet("tanh", np.float32(0.3), weights, weights, weights[:, None])
    assert net.theta.dtype == np.float64 and net.v.tolist() == [float(weights[0]), float(weights[1])]
