"""Sensitivities of models of four kinds, and that watching a model changes nothing of it."""

from functools import partial

import numpy as np
import pytest

from tests.diagonal.test_observe import ALPHA, BY_LETTER, CLOCK, RATE
from thalweg.diagonal import (
    InputRecorder,
    function_sensitivity,
    jax_sensitivity,
    linear_sensitivity,
    observe,
    saddle_path,
    torch_sensitivity,
)
from thalweg.records import InputError

needs_torch = pytest.mark.needs("torch")


@pytest.fixture
def jax64():
    """JAX in double precision, and as it was afterwards."""
    jax = pytest.importorskip("jax", reason="JAX is not installed")
    before = jax.config.jax_enable_x64
    jax.config.update("jax_enable_x64", True)
    yield jax
    jax.config.update("jax_enable_x64", before)


def sample(n=40, d=5, seed=0):
    rng = np.random.default_rng(seed)
    return rng.standard_normal((n, d)) * rng.uniform(0.1, 10, d) + rng.standard_normal(d)


def smooth_weights(d=5, q=3, seed=1):
    rng = np.random.default_rng(seed)
    return rng.standard_normal((d, 7)) / 5, rng.standard_normal((7, q))


def by_hand(X, inner, outer):
    """The definition, for tanh(X inner) outer."""
    slopes = 1 - np.tanh(X @ inner) ** 2
    jacobian = np.einsum("nh,ih,hq->niq", slopes, inner, outer)
    return X.std(axis=0) * np.sqrt((jacobian**2).sum(axis=2).mean(axis=0))


class TestDefinition:
    def test_a_linear_model_has_its_coefficients_times_the_spread(self):
        X, b = sample(), np.array([1.0, -2, 0, 3, 0.5])
        wanted = np.abs(b) * X.std(axis=0)
        assert linear_sensitivity(b, spread=X.std(axis=0)) == pytest.approx(wanted)
        assert function_sensitivity(lambda rows: rows @ b, X) == pytest.approx(wanted, abs=1e-8)
        assert linear_sensitivity(b).tolist() == [1, 2, 0, 3, 0.5]

    def test_outputs_add_in_squares(self):
        assert linear_sensitivity([[3.0, 0], [4, -1]]).tolist() == [5, 1]
        X = sample(d=2)
        table = np.array([[3.0, 0], [4, -1]])
        found = function_sensitivity(lambda rows: rows @ table.T, X, spread=np.ones(2))
        assert found == pytest.approx([5, 1], abs=1e-8)
        assert function_sensitivity(lambda rows: rows @ table.T, X, spread=[1, 1], outputs=[-1]) == pytest.approx([
            4,
            1,
        ])

    def test_a_curved_model(self):
        X, (inner, outer) = sample(), smooth_weights()
        found = function_sensitivity(lambda rows: np.tanh(rows @ inner) @ outer, X)
        assert found == pytest.approx(by_hand(X, inner, outer), rel=1e-7)

    def test_single_precision_takes_wider_differences(self):
        X, (inner, outer) = sample(), smooth_weights()
        found = function_sensitivity(lambda rows: (np.tanh(rows @ inner) @ outer).astype(np.float32), X)
        assert found == pytest.approx(by_hand(X, inner, outer), rel=2e-3)

    def test_steps_are_seen_at_a_wider_width(self):
        X = np.linspace(-1, 1, 400)[:, None]
        assert function_sensitivity(lambda rows: np.sign(rows[:, 0] - 1e-3), X)[0] == 0
        assert function_sensitivity(lambda rows: np.sign(rows[:, 0] - 1e-3), X, width=0.5)[0] > 1

    def test_inputs_without_spread_have_no_sensitivity_and_are_not_differenced(self):
        X = np.column_stack([np.full(9, 2.0), np.arange(9.0)])
        assert function_sensitivity(lambda rows: rows[:, 0] * rows[:, 1], X) == pytest.approx([0, 2 * X[:, 1].std()])

    def test_a_large_offset_leaves_the_difference_above_rounding(self):
        X = 1e9 + 1e-4 * np.arange(9.0)[:, None]
        found = function_sensitivity(lambda rows: 3 * (rows[:, 0] - 1e9), X)
        assert found == pytest.approx(3 * X.std(axis=0), rel=1e-6)

    def test_rows_of_any_shape_are_read_flat(self):
        X = np.random.default_rng(0).standard_normal((30, 2, 3))
        weights = np.arange(6.0).reshape(2, 3)
        found = function_sensitivity(lambda rows: (rows * weights).sum(axis=(1, 2)), X)
        assert found == pytest.approx(weights.ravel() * X.reshape(30, 6).std(axis=0), abs=1e-8)

    @pytest.mark.parametrize(
        ("call", "words"),
        [
            (lambda: function_sensitivity(np.sum, sample()), "shape"),
            (lambda: function_sensitivity(lambda rows: rows[:3], sample()), "for 40 rows"),
            (lambda: function_sensitivity(lambda rows: rows, sample(), outputs=[5]), "5 outputs"),
            (lambda: function_sensitivity(lambda rows: rows, sample(), outputs=[]), "5 outputs"),
            (lambda: function_sensitivity(lambda rows: rows, sample(), width=0.0), "width"),
            (lambda: function_sensitivity(lambda rows: rows, sample()[:, 0]), "1 dimensions"),
            (lambda: function_sensitivity(lambda rows: rows, np.full((2, 2), np.nan)), "not finite"),
            (lambda: function_sensitivity(lambda rows: rows, sample(), spread=[1.0]), "spread has 1"),
            (lambda: linear_sensitivity([1.0], spread=[-1.0]), "spread = -1"),
            (lambda: linear_sensitivity(np.ones((1, 1, 1))), "3 dimensions"),
        ],
    )
    def test_misuse_is_named(self, call, words):
        with pytest.raises(InputError, match=words):
            call()


@needs_torch
class TestTorch:
    def net(self, d=5, q=3, dropout=False, seed=0):
        import torch

        torch.manual_seed(seed)
        layers = [torch.nn.Linear(d, 8), torch.nn.BatchNorm1d(8), torch.nn.Tanh()]
        layers += [torch.nn.Dropout(0.5)] if dropout else []
        return torch.nn.Sequential(*layers, torch.nn.Linear(8, q)).double()

    def test_agrees_with_the_definition_and_with_differences(self):
        import torch

        X, (inner, outer) = sample(), smooth_weights()
        parts = torch.tensor(inner), torch.tensor(outer)
        found = torch_sensitivity(lambda rows: torch.tanh(rows @ parts[0]) @ parts[1], X)
        assert found == pytest.approx(by_hand(X, inner, outer), rel=1e-12)
        model = self.net().eval()

        def predict(rows):
            with torch.no_grad():
                return model(torch.tensor(rows)).numpy()

        for outputs in (None, [1], [0, 2]):
            slow = function_sensitivity(predict, X, outputs=outputs)
            assert torch_sensitivity(model, X, outputs=outputs) == pytest.approx(slow, rel=1e-6)

    def test_any_precision_type_and_context(self):
        import torch

        X = sample()
        model = self.net()
        wanted = torch_sensitivity(model, X)
        with torch.no_grad():
            assert torch_sensitivity(model, torch.tensor(X)) == pytest.approx(wanted)
        with torch.inference_mode():
            assert torch_sensitivity(model, X) == pytest.approx(wanted)
        assert torch_sensitivity(model.float(), X) == pytest.approx(wanted, rel=1e-4)
        assert torch_sensitivity(model.bfloat16(), X) == pytest.approx(wanted, rel=0.05)
        whole = torch.arange(12).reshape(4, 3)
        assert torch_sensitivity(lambda rows: rows.sum(dim=1), whole) == pytest.approx(
            whole.double().std(0, correction=0)
        )
        images = torch.randn(6, 1, 4, 4)
        assert torch_sensitivity(torch.nn.Conv2d(1, 2, 3), images).shape == (16,)

    def test_everything_is_left_as_it_was(self):
        import torch

        model = self.net(dropout=True)
        model[0].weight.requires_grad_(False)
        model[1].eval()  # frozen statistics inside a model in training
        model(torch.ones(4, 5, dtype=torch.float64)).sum().backward()
        state = {name: value.clone() for name, value in model.state_dict().items()}
        slopes = {name: None if p.grad is None else p.grad.clone() for name, p in model.named_parameters()}
        modes = [module.training for module in model.modules()]
        numbers = torch.get_rng_state()
        X = torch.tensor(sample(), requires_grad=True)
        torch_sensitivity(model, X)
        torch_sensitivity(lambda rows: torch.nn.functional.dropout(rows), X)  # draws random numbers even so
        assert torch.equal(torch.get_rng_state(), numbers)
        assert [module.training for module in model.modules()] == modes
        assert not model[0].weight.requires_grad and model[0].bias.requires_grad and X.grad is None
        assert all(torch.equal(value, state[name]) for name, value in model.state_dict().items())
        for name, parameter in model.named_parameters():
            kept = slopes[name]
            assert parameter.grad is None if kept is None else torch.equal(parameter.grad, kept)

    def test_modes_come_back_after_a_failure(self):
        model = self.net(dropout=True)
        with pytest.raises(RuntimeError):
            torch_sensitivity(model, np.ones((4, 3)))
        assert all(module.training for module in model.modules())

    @pytest.mark.parametrize("activation", ["ReLU", "Tanh"])
    def test_training_is_the_same_with_and_without_a_recorder(self, activation):
        import torch

        X = np.random.default_rng(0).standard_normal((60, 5))
        rows, target = torch.tensor(X).float(), torch.tensor(X[:, :1] - X[:, 1:2]).float()

        def train(recorder_for):
            torch.manual_seed(3)
            model = torch.nn.Sequential(
                torch.nn.Linear(5, 16), getattr(torch.nn, activation)(), torch.nn.Dropout(0.1), torch.nn.Linear(16, 1)
            )
            recorder = recorder_for(model)
            for _ in range(60):
                chosen = torch.randint(0, 60, (16,))
                loss = ((model(rows[chosen]) - target[chosen]) ** 2).mean()
                recorder(loss=loss)
                model.zero_grad()
                loss.backward()
                with torch.no_grad():
                    for parameter in model.parameters():
                        parameter -= 0.01 * parameter.grad
            return [parameter.detach().numpy() for parameter in model.parameters()], recorder

        watched, recorder = train(lambda model: InputRecorder(lambda: torch_sensitivity(model, X)))
        alone, _ = train(lambda model: lambda loss: None)
        assert all(np.array_equal(a, b) and np.isfinite(a).all() for a, b in zip(watched, alone, strict=True))
        assert observe(*recorder.history).sensitivity.shape[1] == 5

    @pytest.mark.parametrize("letter", "AC")
    def test_a_diagonal_network_shows_the_predicted_order(self, letter):
        import torch

        problem = BY_LETTER[letter]
        X, y = torch.tensor(problem.X), torch.tensor(problem.y)
        n, d = X.shape
        u = torch.full((d,), np.sqrt(2) * ALPHA, dtype=torch.float64, requires_grad=True)
        v = torch.zeros(d, dtype=torch.float64, requires_grad=True)
        recorder = InputRecorder(partial(torch_sensitivity, lambda rows: rows @ (u * v), X), per_decade=30)
        rate = 5 * RATE  # fewer steps: the order does not depend on it
        for _ in range(int(1.3 * problem.times[-1] * CLOCK / 5)):
            loss = ((X @ (u * v) - y) ** 2).sum() / (2 * n)
            recorder(loss=loss)
            slopes = torch.autograd.grad(loss, (u, v))
            with torch.no_grad():
                u -= rate * slopes[0]
                v -= rate * slopes[1]
        seen = recorder.observe(predicted=saddle_path(problem.X, problem.y))
        assert seen.agreement.tau == pytest.approx(1) and seen.agreement.agreeing == d
        assert len(seen.plateaus) >= 2

    def test_misuse_is_named(self):
        import torch

        with pytest.raises(InputError, match="tuple"):
            torch_sensitivity(lambda rows: (rows, rows), sample())
        with pytest.raises(InputError, match="not finite"):
            torch_sensitivity(self.net(), torch.full((2, 5), torch.nan))
        with pytest.raises(InputError, match="1 outputs"):
            torch_sensitivity(lambda rows: rows.sum(dim=1), sample(), outputs=[1])


class TestJax:
    def compiled(self, jax, **options):
        """The sensitivities of tanh(X inner) outer, compiled as one function: weights and sample are traced."""

        def model(weights, rows):
            return jax.numpy.tanh(rows @ weights[0]) @ weights[1]

        return jax.jit(lambda weights, X: jax_sensitivity(model, weights, X, **options))

    def test_agrees_with_the_definition(self, jax64):
        X, weights = sample(), smooth_weights()
        assert np.asarray(self.compiled(jax64)(weights, X)) == pytest.approx(by_hand(X, *weights), rel=1e-12)
        one = np.asarray(self.compiled(jax64, outputs=[1], spread=np.ones(5))(weights, X))
        assert one == pytest.approx(by_hand(X, weights[0], weights[1][:, 1:2]) / X.std(axis=0))

    def test_single_precision_and_strict_promotion(self):
        jax = pytest.importorskip("jax", reason="JAX is not installed")
        X, weights = sample(), smooth_weights()
        single = [array.astype(np.float32) for array in (*weights, X)]
        with jax.numpy_dtype_promotion("strict"):
            found = self.compiled(jax)(single[:2], single[2])
        assert found.dtype == np.float32
        assert np.asarray(found) == pytest.approx(by_hand(X, *weights), rel=1e-4)

    def test_whole_numbers_and_lists_are_read(self):
        jax = pytest.importorskip("jax", reason="JAX is not installed")
        measure = jax.jit(lambda p: jax_sensitivity(lambda p, rows: p * rows, p, [[1, 5], [3, 5]]))
        assert np.asarray(measure(2.0)).tolist() == [2, 0]
        traced = jax.jit(lambda X: jax_sensitivity(lambda p, rows: rows, None, X))
        assert np.asarray(traced(np.array([[1], [3]]))).tolist() == [1]

    def test_inside_a_compiled_loop(self, jax64):
        """The three ways of a compiled loop: stacked by scan, called back, and called between compiled steps."""
        jnp, problem = jax64.numpy, BY_LETTER["A"]
        X, y = problem.X, problem.y
        n, d = X.shape
        count, rate = int(1.3 * problem.times[-1] * CLOCK / 5), 5 * RATE

        def model(weights, rows):
            return rows @ (weights[0] * weights[1])

        def loss_of(weights):
            return ((model(weights, X) - y) ** 2).sum() / (2 * n)

        def update(weights):
            loss, slopes = jax64.value_and_grad(loss_of)(weights)
            return loss, tuple(w - rate * slope for w, slope in zip(weights, slopes, strict=True))

        start = jnp.full(d, np.sqrt(2) * ALPHA), jnp.zeros(d)

        def stacked(weights, step):
            loss, after = update(weights)
            return after, (jax_sensitivity(model, weights, X), loss)

        sensitivity, losses = jax64.lax.scan(stacked, start, jnp.arange(count))[1]
        recorder = InputRecorder()
        due = jnp.array([recorder.due(step) for step in range(count)])

        @jax64.jit
        def watched(weights):
            def body(step, weights):
                loss, after = update(weights)

                def report():
                    jax64.debug.callback(recorder.record, step, jax_sensitivity(model, weights, X), loss)

                jax64.lax.cond(due[step], report, lambda: None)
                return after

            return jax64.lax.fori_loop(0, count, body, weights)

        watched(start)
        jax64.effects_barrier()
        called, measure = InputRecorder(jax64.jit(lambda w: jax_sensitivity(model, w, X))), jax64.jit(update)
        weights = start
        for _ in range(200):
            loss, after = measure(weights)
            called(weights, loss=loss)
            weights = after

        steps, values, recorded = recorder.history
        assert steps.tolist() == np.flatnonzero(due).tolist()
        assert values == pytest.approx(np.asarray(sensitivity)[steps.astype(int)], rel=1e-6, abs=1e-12)
        assert recorded == pytest.approx(np.asarray(losses)[steps.astype(int)])
        early = called.history[0].size
        assert called.history[1] == pytest.approx(values[:early], rel=1e-6, abs=1e-12)
        path = saddle_path(X, y)
        for history in (recorder.history, (np.arange(count), np.asarray(sensitivity), np.asarray(losses))):
            agreement = observe(*history, predicted=path).agreement
            assert agreement.tau == pytest.approx(1) and agreement.agreeing == 3

    def test_misuse_is_named(self):
        pytest.importorskip("jax", reason="JAX is not installed")
        with pytest.raises(InputError, match="for 40 rows"):
            jax_sensitivity(lambda p, rows: rows.sum(), None, sample())
        with pytest.raises(InputError, match="not finite"):
            jax_sensitivity(lambda p, rows: rows, None, np.full((2, 2), np.inf))


@needs_torch
def test_torch_and_jax_see_the_same(jax64):
    import torch

    X, weights = sample(), smooth_weights()
    parts = [torch.tensor(array) for array in weights]
    first = torch_sensitivity(lambda rows: torch.relu(rows @ parts[0]) @ parts[1], X)
    second = jax64.jit(lambda w: jax_sensitivity(lambda p, rows: jax64.nn.relu(rows @ p[0]) @ p[1], w, X))(weights)
    assert first == pytest.approx(np.asarray(second), rel=1e-12)
