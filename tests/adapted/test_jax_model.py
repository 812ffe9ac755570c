"""The factors of every layer kind against Jacobians by reverse differentiation, and bad models refused in words."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from jax.flatten_util import ravel_pytree

from thalweg.adapted.jax_model import JaxModel
from thalweg.adapted.mlp import Mlp, MlpModel
from thalweg.records.errors import InputError
from thalweg.runtime.x64 import x64

N = 5


@pytest.fixture(autouse=True, scope="module")
def quick_compilation():
    """Compile without optimisation: these networks are tiny."""
    before = jax.config.read("jax_disable_most_optimizations")
    jax.config.update("jax_disable_most_optimizations", True)
    yield
    jax.config.update("jax_disable_most_optimizations", before)


def normal(*shape, seed=0):
    return np.random.default_rng([seed, *shape]).standard_normal(shape)


def oracle(apply_fn, params, X, head=None, scale=None):
    """Return outputs and Jacobian by JAX alone, head and scale applied by hand."""
    with x64():
        theta, unravel = ravel_pytree(jax.tree.map(lambda leaf: jnp.asarray(leaf, jnp.float64), params))

        def twice(t):
            x = apply_fn(unravel(t), jnp.asarray(X)).reshape(len(X), -1)
            return x, x

        J, x = map(np.asarray, jax.jit(jax.jacrev(twice, has_aux=True))(theta))
    if head is not None:
        x, J = x @ head, np.einsum("nqk,qr->nrk", J, head)
    if scale is not None:
        x, J = x * scale[:, None], J * scale[:, None, None]
    return x, J.reshape(x.size, -1)


def assert_factors(model, x, D):
    """All products of a linearisation against the Jacobian `D`."""
    lin = model.linearise(model.theta)
    Q = x.shape[1]
    v, w = normal(D.shape[1]), normal(*x.shape)
    size = np.abs(D).max()
    for outputs in (lin.outputs, model.outputs(model.theta)):
        np.testing.assert_allclose(outputs, x, atol=1e-12 * np.abs(x).max())
    np.testing.assert_allclose(lin.jacobian(), D, atol=1e-12 * size)
    G = D @ D.T
    np.testing.assert_allclose(lin.gram(), G, atol=1e-12 * np.abs(G).max())
    mean = np.mean([G.reshape(len(x), Q, len(x), Q)[:, q, :, q] for q in range(Q)], axis=0)
    np.testing.assert_allclose(lin.mean_gram(), mean, atol=1e-12 * np.abs(G).max())
    np.testing.assert_allclose(lin.push(v).ravel(), D @ v, atol=1e-11 * size)
    np.testing.assert_allclose(lin.pull(w), D.T @ w.ravel(), atol=1e-11 * size)


def kinds(model):
    return {leaf.leaf.removeprefix("params"): leaf.kind for leaf in model.report.leaves}


def layer_norm(x, gain, shift):
    centred = x - x.mean(axis=-1, keepdims=True)
    return gain * centred / jnp.sqrt((centred**2).mean(axis=-1, keepdims=True) + 1e-5) + shift


def out_in(p, X):
    """Weights as (out, in), applied row by row as equinox does."""
    return jax.vmap(lambda x: p["B"] @ jnp.tanh(p["A"] @ x + p["a"]) + p["b"])(X)


def no_bias(p, X):
    return jax.nn.gelu(X @ p["A"]) @ p["B"]


def scaled_weights(p, X):
    """Weights divided by the root of the width, inside or outside the product, and a change of sign."""
    h = jnp.tanh(X @ p["A"] / jnp.sqrt(3) + 0.5 * p["a"])
    return p["b"] - 2.0 * (h @ (p["B"] / np.sqrt(4)))


def norm_and_gain(p, X):
    return layer_norm(X @ p["A"], p["g"], p["s"]) * p["k"] @ p["B"] + p["b"]


def residual(p, X):
    h = jnp.tanh(X @ p["A"] + p["a"])
    h = h + jnp.tanh(h @ p["M"] + p["m"])
    return (h @ p["B"] + X @ p["S"]) + p["b"]


def embedding(p, T):
    return jnp.tanh(jnp.take(p["E"], T, axis=0) + p["P"]).reshape(len(T), -1) @ p["B"]


def bag(p, T):
    return jnp.sin(p["E"].T[:, T].sum(axis=2)).T


def convolution_1d(p, X):
    z = jax.lax.conv_general_dilated(X, p["K"], (2,), "SAME", dimension_numbers=("NWC", "WIO", "NWC")) + p["k"]
    return jnp.tanh(z).reshape(len(X), -1) @ p["B"]


def convolution_2d(p, X):
    z = jax.lax.conv_general_dilated(X, p["K"], (1, 2), [(1, 0), (0, 1)], rhs_dilation=(2, 1))
    return jnp.tanh(z + p["k"][:, None, None]).mean(axis=(2, 3)) @ p["B"] + p["b"]


def grouped_convolution(p, X):
    z = jax.lax.conv_general_dilated(X, p["K"], (1,), "VALID", feature_group_count=2)
    return (z**2).sum(axis=2)


def attention(p, X):
    """One softmax attention block on a sequence, with heads as an axis of the weights."""
    q, k, v = (jnp.einsum("bti,iho->bhto", X, p[name]) for name in ("Q", "K", "V"))
    mixed = jax.nn.softmax(q @ k.transpose(0, 1, 3, 2) / jnp.sqrt(2.0)) @ v
    h = X + jnp.einsum("bhto,hoi->bti", mixed, p["O"]) + p["o"]
    return layer_norm(h, p["g"], p["s"]).mean(axis=1) @ p["B"] + p["b"]


def tied(p, X):
    return jnp.tanh(X @ p["A"]) @ p["A"].T + p["b"]


def recurrent(p, X):
    def step(h, x):
        return jnp.tanh(h @ p["W"] + x @ p["U"]), None

    return jax.lax.scan(step, jnp.zeros((len(X), 3)), X.transpose(1, 0, 2))[0] @ p["B"]


def low_rank(p, X):
    return jnp.tanh(X @ (p["L"] @ p["R"])) @ p["B"]


def per_position(p, X):
    return jnp.einsum("btc,tco->bo", X, p["W"]) + jnp.einsum("btc,tcd->btd", X, p["V"]).sum(axis=1)


@jax.checkpoint
def nested(p, X):
    return jax.jit(lambda a, W: jnp.tanh(a @ W))(X, p["A"].reshape(3, 2, 2).transpose(0, 2, 1).reshape(3, 4)) @ p["B"]


@jax.custom_jvp
def clipped(W):
    return jnp.clip(W, -1.0, 1.0)


@clipped.defjvp
def _(primals, tangents):
    return clipped(*primals), tangents[0]  # the straight-through rule: another one than that of `clip`


def own_rule(p, X):
    return X @ clipped(p["W"]) + jax.nn.relu(X @ p["V"])


X3, XS, XC = normal(N, 3), normal(N, 4, 3), normal(N, 2, 5, 6)
TOKENS = np.array([[0, 1, 1], [2, 2, 2], [3, 0, 1], [-1, 4, 0], [1, 1, 2]])
A, B, a, b = normal(3, 4), normal(4, 2), normal(4), normal(2)

CASES = {
    "out_in": (
        out_in,
        {"A": A.T, "B": B.T, "a": a, "b": b},
        X3,
        {"A": "dense", "a": "bias", "B": "last_dense", "b": "bias"},
    ),
    "no_bias": (no_bias, {"A": A, "B": B}, X3, {"A": "dense", "B": "last_dense"}),
    "scaled_weights": (
        scaled_weights,
        {"A": A, "B": B, "a": a, "b": b},
        X3,
        {"A": "dense", "a": "elementwise", "B": "last_dense", "b": "bias"},
    ),
    "norm_and_gain": (
        norm_and_gain,
        {"A": A, "g": a, "s": a[::-1].copy(), "k": np.array(1.5), "B": B, "b": b},
        X3,
        {"A": "dense", "g": "elementwise", "s": "elementwise", "k": "elementwise", "B": "last_dense", "b": "bias"},
    ),
    "residual": (
        residual,
        {"A": A, "a": a, "M": normal(4, 4), "m": normal(4, seed=1), "B": B, "S": normal(3, 2), "b": b},
        X3,
        {"A": "dense", "a": "bias", "M": "dense", "m": "bias", "B": "last_dense", "S": "last_dense", "b": "bias"},
    ),
    "embedding": (
        embedding,
        {"E": normal(5, 2), "P": normal(3, 2), "B": normal(6, 2)},
        TOKENS,
        {"E": "embedding", "P": "elementwise", "B": "last_dense"},
    ),
    "bag": (bag, {"E": normal(5, 2)}, TOKENS % 5, {"E": "jacobian"}),
    "convolution_1d": (
        convolution_1d,
        {"K": normal(3, 3, 2), "k": b, "B": normal(4, 2, seed=2)},
        XS,
        {"K": "convolution", "k": "bias", "B": "last_dense"},
    ),
    "convolution_2d": (
        convolution_2d,
        {"K": normal(3, 2, 2, 2), "k": normal(3), "B": normal(3, 2), "b": b},
        XC,
        {"K": "convolution", "k": "bias", "B": "last_dense", "b": "bias"},
    ),
    "grouped_convolution": (grouped_convolution, {"K": normal(2, 1, 2)}, XC[:, :, 0], {"K": "jacobian"}),
    "attention": (
        attention,
        {name: normal(3, 2, 2, seed=k) for k, name in enumerate("QKV")}
        | {"O": normal(2, 2, 3), "o": normal(3), "g": normal(3), "s": normal(3), "B": normal(3, 2), "b": b},
        XS,
        dict.fromkeys("QKVO", "dense") | {"o": "bias", "g": "elementwise", "s": "elementwise"},
    ),
    "tied": (tied, {"A": A, "b": normal(3)}, X3, {"A": "jacobian", "b": "elementwise"}),
    "recurrent": (
        recurrent,
        {"W": normal(3, 3), "U": normal(3, 3, seed=1), "B": normal(3, 2)},
        XS,
        {"W": "jacobian", "U": "jacobian", "B": "last_dense"},
    ),
    "low_rank": (
        low_rank,
        {"L": normal(3, 2), "R": normal(2, 4), "B": B},
        X3,
        {"L": "jacobian", "R": "jacobian", "B": "last_dense"},
    ),
    "per_position": (
        per_position,
        {"W": normal(4, 3, 2), "V": normal(4, 3, 2, seed=1)},
        XS,
        {"W": "last_dense", "V": "jacobian"},
    ),
    "nested": (nested, {"A": normal(12), "B": B}, X3, {"A": "dense", "B": "last_dense"}),
    "own_rule": (own_rule, {"W": normal(3, 2), "V": normal(3, 2, seed=1)}, X3, {"W": "jacobian", "V": "dense"}),
}


@pytest.mark.parametrize("name", CASES)
def test_factors_of_every_layer_kind_are_the_jacobian(name):
    apply_fn, params, X, expected = CASES[name]
    model = JaxModel(apply_fn, params, X)
    found = kinds(model)
    assert {key: found[f"['{key}']"] for key in expected} == expected
    assert_factors(model, *oracle(apply_fn, params, X))


@pytest.mark.parametrize("name, columns", [("convolution_1d", 2), ("scaled_weights", 1)])
def test_head_and_scale_are_inside_the_factors(name, columns):
    apply_fn, params, X, _ = CASES[name]
    head, scale = normal(2, columns), np.sqrt(np.arange(1.0, N + 1))
    model = JaxModel(apply_fn, params, X, head=head, scale=scale)
    assert model.shape == (N, columns)
    assert_factors(model, *oracle(apply_fn, params, X, head, scale))
    np.testing.assert_allclose(model.predict(model.theta, X) @ head * scale[:, None], model.outputs(model.theta))


def test_bend_is_the_second_difference_of_outputs():
    apply_fn, params, X, _ = CASES["out_in"]
    model = JaxModel(apply_fn, params, X, head=normal(2, 1), scale=np.arange(1.0, N + 1))
    v, h = normal(model.theta.size), 1e-4
    ahead, here, behind = (model.outputs(model.theta + t * v) for t in (h, 0.0, -h))
    found = model.bend(model.theta, v)
    np.testing.assert_allclose(found, (ahead - 2 * here + behind) / h**2, atol=1e-5 * np.abs(found).max())


@settings(max_examples=4)
@given(st.lists(st.integers(1, 4), min_size=2, max_size=4), st.integers(1, 4), st.integers(0, 9))
def test_plain_networks_agree_with_the_engine_without_jax(sizes, rows, seed):
    network = Mlp(tuple(sizes))
    params, X = network.initial(seed), normal(rows, sizes[0], seed=seed)
    ours, theirs = JaxModel(network, params, X), MlpModel(network, params, X)
    np.testing.assert_array_equal(ours.theta, theirs.theta)
    left, right = ours.linearise(ours.theta), theirs.linearise(theirs.theta)
    np.testing.assert_allclose(left.outputs, right.outputs, rtol=1e-12, atol=1e-14)
    np.testing.assert_allclose(left.jacobian(), right.jacobian(), rtol=1e-12, atol=1e-13)
    v = normal(ours.theta.size, seed=seed)
    np.testing.assert_allclose(ours.bend(ours.theta, v), theirs.bend(theirs.theta, v), rtol=1e-10, atol=1e-12)


@jax.tree_util.register_pytree_node_class
class Module:
    """A module with a function, a whole number and a table of them among its leaves."""

    def __init__(self, *leaves):
        self.leaves = leaves

    def tree_flatten(self):
        return self.leaves, None

    @classmethod
    def tree_unflatten(cls, _, leaves):
        return cls(*leaves)

    def __call__(self, X):
        weight, act, power, order, unused = self.leaves
        return act(X[:, order] @ weight) ** power + 0.0 * X[:, :1]


def test_leaves_that_are_no_float_arrays_keep_their_values():
    module = Module(normal(3, 2).astype(np.float32), jnp.tanh, 2, np.array([2, 0, 1]), np.array(1.0, np.float32))
    model = JaxModel(lambda m, X: m(X), module, X3)
    assert list(kinds(model).values()) == ["dense", "unused", "fixed", "fixed", "fixed"]
    assert model.theta.size == 7 and model.theta.dtype == np.float64
    assert [note.code for note in model.notes] == ["layer.note_widened"] and "float32" in model.notes[0].say()
    back = model.unflatten(model.theta + 1)
    np.testing.assert_array_equal(back.leaves[0], module.leaves[0].astype(np.float64) + 1)
    assert back.leaves[0].dtype == np.float64 and back.leaves[1] is jnp.tanh
    D = model.linearise(model.theta).jacobian()
    assert not D[:, -1].any() and D[:, :-1].any()


def test_report_speaks_both_languages():
    model = JaxModel(tied, {"A": A, "b": normal(3)}, X3)
    assert [leaf.leaf for leaf in model.report.unrecognised] == ["params['A']"]
    assert "used 2 times" in str(model.report) and "2 回" in model.report.say("ja")


def test_vector_outputs_count_as_one_output():
    model = JaxModel(lambda p, X: jnp.tanh(X @ p["w"]), {"w": normal(3)}, X3)
    assert model.shape == (N, 1)
    assert_factors(model, *oracle(lambda p, X: jnp.tanh(X @ p["w"]), {"w": normal(3)}, X3))


def test_part_of_the_rows():
    apply_fn, params, X, _ = CASES["out_in"]
    scale = np.arange(1.0, N + 1)
    model, rows = JaxModel(apply_fn, params, X, scale=scale), np.array([3, 0])
    part = model.restrict(rows)
    assert part.shape == (2, 2) and model.shape == (N, 2)
    x, D = oracle(apply_fn, params, X[rows], scale=scale[rows])
    np.testing.assert_allclose(part.linearise(model.theta).jacobian(), D, atol=1e-12)
    np.testing.assert_allclose(part.outputs(model.theta), x, atol=1e-12)


def test_arrays_that_stay_with_jax_give_the_same_products():
    apply_fn, params, X, _ = CASES["no_bias"]
    host, device = JaxModel(apply_fn, params, X), JaxModel(apply_fn, params, X, on_device=True)
    v = normal(host.theta.size)
    with x64():
        lin = device.linearise(device.theta)
        assert isinstance(lin.outputs, jax.Array) and isinstance(lin.gram(), jax.Array)
        pushed, gram, pulled = lin.push(jnp.asarray(v)), lin.gram(), lin.pull(lin.outputs)
    expected = host.linearise(host.theta)
    np.testing.assert_allclose(pushed, expected.push(v), rtol=1e-12)
    np.testing.assert_allclose(gram, expected.gram(), rtol=1e-12, atol=1e-13)
    np.testing.assert_allclose(pulled, expected.pull(expected.outputs), rtol=1e-12, atol=1e-13)


def test_the_same_function_is_compiled_once_and_a_changed_one_is_seen():
    power = 2.0

    def changing(p, X):
        return jnp.tanh(X @ p["A"]) ** power

    first, again = JaxModel(changing, {"A": A}, X3), JaxModel(changing, {"A": 2 * A}, X3)
    assert first._network is again._network
    power = 3.0
    changed = JaxModel(changing, {"A": A}, X3)
    np.testing.assert_allclose(changed.outputs(changed.theta), np.tanh(X3 @ A) ** 3, atol=1e-14)
    np.testing.assert_allclose(first.outputs(first.theta), np.tanh(X3 @ A) ** 2, atol=1e-14)


def test_jax_keeps_its_own_default_outside():
    JaxModel(no_bias, {"A": A, "B": B}, X3)
    assert jnp.ones(2).dtype == jnp.float32


def test_a_function_that_narrows_is_told():
    def narrow(p, X):
        return (X.astype(jnp.float32) @ p["A"].astype(jnp.float32)).astype(jnp.float64) @ p["B"]

    model = JaxModel(narrow, {"A": A, "B": B}, X3)
    assert [note.code for note in model.notes] == ["layer.note_narrowed"]
    assert kinds(model) == {"['A']": "dense", "['B']": "last_dense"}
    D = oracle(no_narrowing, {"A": A, "B": B}, X3)[1]
    np.testing.assert_allclose(model.linearise(model.theta).jacobian(), D, atol=1e-5)


def no_narrowing(p, X):
    return X @ p["A"] @ p["B"]


def refusal(apply_fn, params, X):
    with pytest.raises(InputError) as caught:
        JaxModel(apply_fn, params, X)
    assert caught.value.message("ja") != caught.value.message("en")
    return caught.value


def batch_norm(p, X):
    z = X @ p["A"]
    return (z - z.mean(axis=0)) / jnp.sqrt(z.var(axis=0) + 1e-5)


def dropout(p, X):
    return jnp.where(jax.random.bernoulli(jax.random.key(0), 0.5, X.shape), X, 0.0) @ p["A"]


def host_noise(p, X):
    return X @ p["A"] + np.random.default_rng().standard_normal()


def branching(p, X):
    return X @ p["A"] if X[0, 0] > 0 else X


ONE = {"A": A}

BAD = {
    "adapted_no_parameters": (no_bias, {"A": np.ones((3, 4), int), "f": jnp.tanh}, X3, {"count": 2}),
    "array_complex": (no_bias, {"A": A + 1j}, X3, {"name": "params['A']"}),
    "adapted_output": (lambda p, X: X[None] @ p["A"], ONE, X3, {"found": "float64[1, 5, 4]", "rows": 5}),
    "adapted_not_traceable": (branching, ONE, X3, {"kind": "TracerBoolConversionError"}),
    "adapted_single_sample": (lambda p, X: X.reshape(5, 3) @ p["A"], ONE, X3, {}),
    "adapted_coupled": (batch_norm, ONE, X3, {}),
    "adapted_random": (dropout, ONE, X3, {}),
    "adapted_not_repeatable": (host_noise, ONE, X3, {}),
    "adapted_outputs_not_finite": (lambda p, X: jnp.log(X[:, :1] - X[1, 0] + p["c"]), {"c": 0.0}, X3, {}),
}


@pytest.mark.parametrize("code", BAD)
def test_bad_models_are_refused_in_words(code):
    apply_fn, params, X, values = BAD[code]
    error = refusal(apply_fn, params, X)
    assert error.code == code
    assert values.items() <= error.values.items()


def test_what_is_named():
    assert "reduce_sum(N, 4)" in refusal(batch_norm, ONE, X3).values["found"]
    assert "random_bits" in refusal(dropout, ONE, X3).values["found"]
    rows = np.array([-1.0, 2.0, -3.0])[:, None]
    bad = refusal(lambda p, X: jnp.sqrt(X) * p, np.array(1.0), rows)
    assert bad.code == "adapted_outputs_not_finite" and bad.values == {"count": 2, "rows": "0, 2"}


@pytest.mark.parametrize(
    "output", [lambda p, X: (X @ p["A"]).argmax(axis=1), lambda p, X: (X, p), lambda p, X: X.sum()]
)
def test_outputs_that_are_no_rows_of_floats(output):
    assert refusal(output, ONE, X3).code == "adapted_output"


def test_inputs_and_parameters_must_be_finite():
    X = X3.copy()
    X[2, 1] = np.nan
    assert refusal(no_bias, {"A": A, "B": B}, X).code == "array_not_finite"
    error = refusal(no_bias, {"A": A, "B": B * np.inf}, X3)
    assert error.code == "array_not_finite" and error.values["name"] == "params['B']"
