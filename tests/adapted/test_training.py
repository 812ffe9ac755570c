"""Golden values G1 to G3, the laws T1, T2, T3, T6, T7 and T8, and how runs end."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.integrate import solve_ivp

from thalweg.adapted.fibre import Momentum, Secondary, WeightDecay, vertical
from thalweg.adapted.losses import ConvexLoss, label_rows, loss_on
from thalweg.adapted.minibatch import Batches
from thalweg.adapted.mlp import Mlp, MlpModel
from thalweg.adapted.orthogonal import orthogonal_factor
from thalweg.adapted.solve import factor
from thalweg.adapted.spectral import spectral_factor
from thalweg.adapted.training import fit
from thalweg.records import InputError, Outcome, Verdict

G2_NET, G2_PARAMS = Mlp((1, 3, 1)), (
    (np.array([[0.5], [-1.0], [2.0]]), np.array([0.1, 0.2, -0.3])),
    (np.array([[1.0, -0.5, 0.8]]), np.array([0.1])),
)  # fmt: skip
G2_X, G2_Y = np.array([[-1.0], [0.5], [2.0]]), np.array([[0.3], [-0.2], [1.0]])


def g3():
    rng = np.random.default_rng(0)
    X, Y = rng.standard_normal((12, 3)), rng.standard_normal((12, 2))
    rng, params = np.random.default_rng(1), []
    for in_, out in ((3, 16), (16, 16), (16, 2)):
        params.append((rng.standard_normal((out, in_)) / np.sqrt(in_), 0.1 * rng.standard_normal(out)))
    return Mlp((3, 16, 16, 2)), tuple(params), X, Y


def direction(model, Y):
    lin = model.linearise(model.theta)
    return lin, factor(lin, 0.0, "exact").solve(Y - lin.outputs, 1e-14).delta


def problem(N=12, d=2, Q=1, hidden=(12,), seed=0, activation="tanh"):
    rng = np.random.default_rng(seed)
    net = Mlp((d, *hidden, Q), activation)
    return net, net.initial(seed), rng.standard_normal((N, d)), rng.standard_normal((N, Q))


class TestGolden:
    def test_g1_the_linear_model_reaches_the_least_norm_solution_in_one_step(self):
        A, y = np.array([[1.0, 0, 1], [0, 2, 1]]), np.array([1.0, -1.0])
        made = fit(Mlp((3, 1), "identity"), ((np.zeros((1, 3)), np.zeros(1)),), (A, y), merge=False)
        # the network has a bias as well, so its Jacobian is [A, 1]; G1 is the part without
        D = np.hstack([A, np.ones((2, 1))])
        assert np.allclose(made.theta, np.linalg.pinv(D) @ y, atol=1e-13)
        assert made.trajectory.loss[0] == pytest.approx(0.5, abs=1e-15)
        assert made.task.loss.predicted(np.zeros((2, 1)), 1.0) == pytest.approx(0.06766764161830635, rel=1e-14)

    def test_g2_jacobian_direction_and_curvature(self):
        model = MlpModel(G2_NET, G2_PARAMS, G2_X)
        lin, delta = direction(model, G2_Y)
        singular = np.linalg.svd(lin.jacobian(), compute_uv=False)
        assert np.allclose(lin.outputs[:, 0], [-1.4808533827742556, 1.0655260722558584, 2.172924621208669], rtol=1e-14)
        loss = loss_on("l2", G2_Y)
        assert loss.cost(lin.outputs) == pytest.approx(1.0247911962558915, rel=1e-14)
        assert singular[-1] == pytest.approx(0.6139612695595298, rel=1e-12)
        assert singular[0] == pytest.approx(2.6102663181050403, rel=1e-13)
        assert lin.gram().trace() == pytest.approx(11.636453619814795, rel=1e-13)
        assert np.linalg.norm(delta) == pytest.approx(1.477770929870951, rel=1e-12)
        assert np.allclose(delta[:3], [-0.6757610375549998, 0.350659175560001, -0.37477248106476846], rtol=1e-11)
        assert loss.cost(model.outputs(model.theta + 0.1 * delta)) == pytest.approx(0.8280326705974587, rel=1e-12)
        bent = np.linalg.norm(model.bend(model.theta, delta)) / np.linalg.norm(lin.outputs - G2_Y)
        assert bent == pytest.approx(0.5668035308111512, rel=1e-11)

    def test_g2_flow_at_tau_one(self):
        made = fit(G2_NET, G2_PARAMS, (G2_X, G2_Y), mode="ode", until=1.0)
        assert made.outcome is Outcome.STOPPED_ON_REQUEST and made.tau == pytest.approx(1.0, abs=1e-12)
        assert made.cost == pytest.approx(0.1386904068, rel=1e-8)
        assert np.linalg.norm(made.theta) == pytest.approx(2.57197791708, rel=1e-8)
        assert np.allclose(made.theta[:3], [0.01938811820, -0.76366546090, 1.56723178766], rtol=1e-7)

    def test_g2_and_g3_damped_rates(self):
        net, params, X, Y = g3()
        cases = ((G2_NET, G2_PARAMS, G2_X, G2_Y, 0.9870134593141701), (net, params, X, Y, 0.7166274919632492))
        for network, start, inputs, targets, wanted in cases:
            model = MlpModel(network, start, inputs)
            lin = model.linearise(model.theta)
            r = lin.outputs - targets
            reached = -factor(lin, 0.01, "exact").solve(-r, 0.0).reached
            assert float((r * reached).sum() / (r * r).sum()) == pytest.approx(wanted, rel=1e-9)

    def test_g3_jacobian_direction_and_flow(self):
        net, params, X, Y = g3()
        model = MlpModel(net, params, X)
        lin, delta = direction(model, Y)
        singular = np.linalg.svd(lin.jacobian(), compute_uv=False)
        loss = loss_on("l2", Y)
        assert model.theta.size == 370
        assert loss.cost(lin.outputs) == pytest.approx(1.1615562928161685, rel=1e-13)
        assert singular[-1] == pytest.approx(0.03757692276623767, rel=1e-10)
        assert singular[0] == pytest.approx(7.522942091065727, rel=1e-12)
        assert np.linalg.norm(delta) == pytest.approx(33.90952345422948, rel=1e-10)
        assert loss.cost(model.outputs(model.theta + 0.01 * delta)) == pytest.approx(1.1375119458887248, rel=1e-10)
        bent = np.linalg.norm(model.bend(model.theta, delta)) / np.linalg.norm(lin.outputs - Y)
        assert bent == pytest.approx(97.3269751, rel=1e-8)
        made = fit(net, params, (X, Y), mode="ode", until=1.0)
        assert made.cost == pytest.approx(0.15719954988, rel=1e-7)
        assert np.linalg.norm(made.theta) == pytest.approx(7.4130211941, rel=1e-6)

    def test_g4_equal_inputs_have_the_stated_floor(self):
        net, params, X, Y = g3()
        X[1] = X[0]
        made = fit(net, params, (X, Y), tol=0.09794906094430934 + 1e-10)
        assert made.outcome is Outcome.TARGET_REACHED
        assert made.task.loss.floor == pytest.approx(0.09794906094430934, rel=1e-13)
        refused = fit(net, params, (X, Y), tol=0.0979)
        assert refused.outcome is Outcome.BELOW_FLOOR and refused.trajectory.loss.size == 1


class TestLaws:
    @given(seed=st.integers(0, 10**6), Q=st.integers(1, 3), weighted=st.booleans())
    @settings(max_examples=8, deadline=None)
    def test_t1_outputs_move_on_a_line_by_an_independent_derivative(self, seed, Q, weighted):
        """The derivative of the outputs along the direction is minus the residual: by differences, not by factors."""
        net, params, X, Y = problem(N=6, Q=Q, hidden=(24,), seed=seed)
        scale = np.random.default_rng(seed).uniform(0.5, 2.0, 6) if weighted else None
        model = MlpModel(net, params, X, None if scale is None else np.eye(Q), scale)
        aim = Y if scale is None else scale[:, None] * Y
        lin = model.linearise(model.theta)
        delta = orthogonal_factor(lin).solve(aim - lin.outputs, 0.0).delta
        h = 1e-4 / max(1.0, float(np.linalg.norm(delta)))
        far = [model.outputs(model.theta + step * h * delta) for step in (1, -1, 2, -2)]
        moved = (8 * (far[0] - far[1]) - (far[2] - far[3])) / (12 * h)
        assert np.allclose(moved, aim - lin.outputs, atol=1e-6 * (1 + np.abs(aim).max()))

    @pytest.mark.parametrize("loss", ["l2", "ce", "poisson"])
    def test_t1_the_integrated_flow_keeps_the_law_of_its_loss(self, loss):
        net, params, X, Y = problem(N=8, Q=1 if loss == "poisson" else 3, hidden=(16,), seed=3)
        Y = {"l2": Y, "ce": np.arange(8) % 3, "poisson": np.arange(8.0)[:, None]}[loss]
        floor = loss_on(loss, label_rows(loss, Y, net.sizes[-1])).floor
        made = fit(net, params, (X, Y), loss=loss, mode="ode", until=1.0, tol=floor + 1e-9)
        law = made.task.loss.predicted(made.task.outputs(made.task.model.theta), made.trajectory.clock_values)
        assert made.tau == pytest.approx(1.0)
        assert np.allclose(made.trajectory.loss, law, rtol=1e-7)

    def test_t6_the_open_loop_in_the_line_clock_ends_at_the_same_parameters(self):
        """Integrate `dtheta/dt = D^+ (y - x_0)` in `t = 1 - exp(-tau)`, with NumPy's own pseudo-inverse."""
        net, params, X, Y = problem(N=6, hidden=(16,), seed=5)
        model = MlpModel(net, params, X)
        aim = (Y - model.outputs(model.theta)).ravel()

        def velocity(t, theta):
            return np.linalg.pinv(model.linearise(theta).jacobian()) @ aim

        open_loop = solve_ivp(velocity, (0, 0.6), model.theta, method="DOP853", rtol=1e-10, atol=1e-12).y[:, -1]
        made = fit(net, params, (X, Y), mode="ode", until=-np.log(0.4))
        assert np.allclose(made.theta, open_loop, atol=1e-7)

    @given(power=st.sampled_from([0.0, 0.3, 0.5, 1.0]), seed=st.integers(0, 1000))
    @settings(max_examples=8, deadline=None)
    def test_t7_every_eigenmode_moves_at_its_own_rate(self, power, seed):
        net, params, X, Y = problem(N=7, hidden=(16,), seed=seed)
        lin = MlpModel(net, params, X).linearise(MlpModel(net, params, X).theta)
        reached = spectral_factor(lin, 0.0, power).solve(Y, 0.0).reached
        values, vectors = np.linalg.eigh(lin.gram())
        rates = values ** (1 - power) / values[-1] ** (1 - power)
        # modes at rounding level of G are left out by both to rounding of the others
        assert np.allclose(reached.ravel(), vectors @ (rates * (vectors.T @ Y.ravel())), atol=1e-6)

    @pytest.mark.parametrize("fibre", [WeightDecay(0.5), Momentum(0.5), Secondary(lambda theta: theta**3)])
    def test_t8_motion_along_the_fibre_leaves_the_outputs_and_is_capped(self, fibre):
        net, params, X, Y = problem(N=5, hidden=(16,), seed=2)
        model = MlpModel(net, params, X)
        lin = model.linearise(model.theta)
        made = factor(lin, 0.0, "exact")
        moved = np.ones_like(model.theta)
        for size in (1.0, 1e-6):
            w = vertical(model, model.theta, made, fibre, moved, size)
            assert np.abs(lin.push(w)).max() < 1e-8 * np.linalg.norm(w)
            assert np.linalg.norm(w) > 0
            assert np.linalg.norm(model.bend(model.theta, w)) <= 0.25 * size * (1 + 1e-9)
        assert vertical(model, model.theta, made, None, moved, 1.0) is None

    def test_t8_weight_decay_along_the_fibre_shortens_the_parameters_at_the_same_loss(self):
        net, params, X, Y = problem(N=12, hidden=(24,), seed=1)
        plain = fit(net, params, (X, Y), tol=1e-20)
        decayed = fit(net, params, (X, Y), tol=1e-20, fibre=1.0)
        assert plain.outcome is decayed.outcome is Outcome.TARGET_REACHED
        assert np.linalg.norm(decayed.theta) < 0.97 * np.linalg.norm(plain.theta)

    @pytest.mark.parametrize("mode", ["ode", "certified"])
    def test_t8_holds_in_every_mode(self, mode):
        net, params, X, Y = problem(N=10, hidden=(24,), seed=1)
        plain, decayed = (fit(net, params, (X, Y), mode=mode, until=2.0, fibre=rate) for rate in (None, 0.5))
        law = decayed.trajectory.loss[0] * np.exp(-2 * decayed.trajectory.clock_values)
        assert np.allclose(decayed.trajectory.loss, law, rtol=1e-7 if mode == "ode" else 2.1e-4)
        assert np.linalg.norm(decayed.theta) < 0.97 * np.linalg.norm(plain.theta)

    def test_the_damped_flow_filters_and_says_its_efficiency(self):
        net, params, X, Y = problem(N=30, hidden=(32,), seed=4)
        made = fit(net, params, (X, Y), damping=0.1, max_steps=10, tol=0.0)
        assert made.outcome is Outcome.BUDGET_SPENT
        assert (made.trajectory.channels["efficiency"][1:] < 1).all()
        lower = made.trajectory.loss[0] * np.exp(-2 * made.trajectory.channels["guaranteed"])
        assert (made.trajectory.loss <= lower * (1 + 1e-12)).all()


class TestModes:
    @pytest.mark.parametrize("Q", [1, 3])
    def test_certified_runs_stay_in_the_band_over_twelve_decades(self, Q):
        net, params, X, Y = problem(N=20, Q=Q, hidden=(40, 40), seed=7)
        made = fit(net, params, (X, Y), mode="certified", tol=1e-12)
        assert made.outcome is Outcome.TARGET_REACHED
        assert made.trajectory.loss[0] / made.cost > 1e11
        assert np.abs(made.trajectory.loss / made.trajectory.predicted - 1).max() < 2e-4 + 1e-8
        assert made.certificate().verdict is Verdict.HOLDS

    def test_routes_and_precisions_end_at_the_same_loss(self):
        net, params, X, Y = problem(N=20, Q=3, hidden=(40,), seed=8)
        exact = fit(net, params, (X, Y), route="exact", tol=1e-24)
        mean = fit(net, params, (X, Y), route="gram_mean", tol=1e-24)
        mixed = fit(net, params, (X, Y), precision="mixed", tol=1e-28)
        for made in (exact, mean, mixed):
            assert made.outcome is Outcome.TARGET_REACHED, made
        assert mixed.cost <= 1e-28

    def test_weights_are_repeated_samples(self):
        net, params, X, Y = problem(N=6, hidden=(20,), seed=9)
        counts = np.array([1, 3, 1, 2, 1, 1])
        weighted = fit(net, params, (X, Y), weights=counts, tol=1e-20)
        repeated = fit(net, params, (np.repeat(X, counts, axis=0), np.repeat(Y, counts, axis=0)), tol=1e-20)
        assert np.allclose(weighted.trajectory.loss, repeated.trajectory.loss, rtol=1e-9)
        assert np.allclose(weighted.theta, repeated.theta, rtol=1e-9)

    def test_validation_returns_the_best_parameters(self):
        net, params, X, Y = problem(N=40, d=3, hidden=(60,), seed=10)
        made = fit(net, params, (X[:30], Y[:30]), validation=(X[30:], Y[30:]), tol=1e-20)
        held = made.trajectory.channels["validation"]
        assert made.best_validation == held.min() and made.best_tau == made.trajectory.clock_values[held.argmin()]
        assert loss_on("l2", Y[30:]).cost(made.predict(X[30:])) == pytest.approx(made.best_validation)

    def test_minibatches_lower_the_loss_and_promise_nothing(self):
        net, params, X, _ = problem(N=64, hidden=(64,), seed=11)
        Y = np.sin(X[:, :1]) + 0.3 * X[:, 1:]
        for momentum in (0.0, 0.5):
            made = fit(net, params, (X, Y), route="minibatch", batches=Batches(16, 0.5, momentum), max_steps=8)
            assert made.trajectory.predicted is None
            assert made.trajectory.loss[-1] < 0.05 * made.trajectory.loss[0]

    def test_the_clock_of_minibatches_tells_the_best_so_far_and_never_runs_back(self):
        net, params, X, Y = problem(N=24, hidden=(24,), seed=3)
        made = fit(net, params, (X, Y), route="minibatch", batches=Batches(4, 1.0), max_steps=12, tol=0.0)
        loss = made.trajectory.loss
        assert (np.diff(loss) > 0).any()  # otherwise this shows nothing
        best = np.minimum.accumulate(loss)
        assert np.allclose(made.trajectory.clock_values, np.log(loss[0] / best) / 2, rtol=1e-12)

    def test_the_smallest_singular_value_is_watched(self):
        net, params, X, Y = problem(N=10, hidden=(24,), seed=6)
        made = fit(net, params, (X, Y), watch_spectrum=True, max_steps=3)
        watched = made.trajectory.channels["smallest"][1:]
        for theta, found in zip(made.node_parameters, watched, strict=False):  # a step's is that of its start
            exact = np.linalg.svd(made.task.model.linearise(theta).jacobian(), compute_uv=False)[-1]
            assert exact <= found * (1 + 1e-9) <= 1.3 * exact

    def test_fewer_parameters_than_outputs_need_damping_and_rest_at_a_local_equilibrium(self):
        net, params, X, Y = problem(N=40, hidden=(4,), seed=12)
        with pytest.raises(InputError, match="17 parameters and must fit 40"):
            fit(net, params, (X, Y))
        linear = Mlp((2, 1), "identity")
        made = fit(linear, linear.initial(0), (X, Y), damping=1e-3, max_steps=200, tol=0.0)
        A = np.column_stack([X, np.ones(40)])
        least = np.sum((A @ np.linalg.lstsq(A, Y, rcond=None)[0] - Y) ** 2) / 80
        assert made.outcome is Outcome.LOCAL_EQUILIBRIUM and made.cost == pytest.approx(least, rel=1e-13)
        r = made.task.outputs(made.theta) - Y
        assert np.linalg.norm(A.T @ r) <= 1e-7 * np.linalg.norm(r) * np.linalg.norm(A, 2)

    @pytest.mark.parametrize("loss", ["ce", "poisson"])
    def test_fewer_parameters_descend_in_other_losses_too(self, loss):
        net, params, X, _ = problem(N=40, Q=3 if loss == "ce" else 1, hidden=(3,), seed=13)
        Y = np.arange(40) % 3 if loss == "ce" else (np.arange(40.0) % 4)[:, None]
        floor = loss_on(loss, label_rows(loss, Y, net.sizes[-1])).floor
        made = fit(net, params, (X, Y), loss=loss, damping=1e-3, max_steps=60, tol=floor + 1e-9)
        assert (np.diff(made.trajectory.loss) <= 1e-12).all()
        assert made.trajectory.loss[-1] < made.trajectory.loss[0]

    def test_the_normal_equations_agree_with_the_factored_jacobian(self, monkeypatch):
        net, params, X, Y = problem(N=40, hidden=(4,), seed=12)
        whole = fit(net, params, (X, Y), damping=1e-2, max_steps=5, tol=0.0)
        monkeypatch.setattr("thalweg.adapted.underparametrised.QR_BYTES", 0)
        monkeypatch.setattr("thalweg.adapted.underparametrised.BATCH_BYTES", 8 * 17 * 7)
        batched = fit(net, params, (X, Y), damping=1e-2, max_steps=5, tol=0.0)
        assert np.allclose(whole.trajectory.loss, batched.trajectory.loss, rtol=1e-8)

    @pytest.mark.parametrize(
        "loss", ["huber", ConvexLoss(lambda x, y: np.cosh(x - y) - 1, lambda x, y: np.sinh(x - y),
                                     lambda x, y: np.cosh(x - y), is_strictly_convex=True)])  # fmt: skip
    def test_other_convex_losses_reach_their_target(self, loss):
        net, params, X, Y = problem(N=15, hidden=(40,), seed=14)
        made = fit(net, params, (X, Y), loss=loss, huber_delta=0.5 if loss == "huber" else None, tol=1e-10)
        assert made.outcome is Outcome.TARGET_REACHED and made.cost <= 1e-10

    def test_a_callback_stops_and_an_interrupt_keeps_what_is_finished(self):
        net, params, X, Y = problem(N=20, hidden=(30,), seed=15)
        made = fit(net, params, (X, Y), mode="certified", callback=lambda node, theta: node.tau > 1)
        assert made.outcome is Outcome.STOPPED_ON_REQUEST and 1 < made.tau < 3

        def interrupt(node, theta):
            if node.tau > 1:
                raise KeyboardInterrupt

        made = fit(net, params, (X, Y), mode="certified", callback=interrupt)
        assert made.outcome is Outcome.INTERRUPTED
        assert made.cost == pytest.approx(made.trajectory.loss[-1])


class TestRankLoss:
    def test_zero_parameters_are_left_through_the_good_eigenspace_and_along_the_fibre(self):
        net, params, X, Y = problem(N=20, d=3, hidden=(10,), seed=0)
        zero = tuple((0 * W, 0 * b) for W, b in params)
        made = fit(net, zero, (X, Y))
        assert {"adapted.good_eigenspace", "adapted.kick"} <= {mark.code for mark in made.trajectory.marks}
        assert made.outcome is Outcome.TARGET_REACHED

    @pytest.mark.parametrize("seed", [2, 4, 11])
    def test_a_move_along_the_fibre_is_taken_off_the_clock_and_off_what_is_proved(self, seed):
        net, params, X, Y = problem(N=6, hidden=(8, 8), seed=seed)
        made = fit(net, tuple((0 * W, b + 0.3) for W, b in params), (X, Y), tol=1e-10)
        loss, clock = made.trajectory.loss, made.trajectory.clock_values
        assert "adapted.kick" in {mark.code for mark in made.trajectory.marks}
        assert np.allclose(np.minimum.accumulate(loss), loss[0] * np.exp(-2 * clock), rtol=1e-12)
        assert (loss <= loss[0] * np.exp(-2 * made.trajectory.channels["guaranteed"]) * (1 + 1e-12)).all()
        assert made.certificate().verdict is Verdict.HOLDS

    def test_a_linear_network_ends_at_least_squares_and_says_so(self):
        net, params, X, Y = problem(N=20, d=3, hidden=(10,), seed=0, activation="identity")
        made = fit(net, params, (X, Y))
        A = np.column_stack([X, np.ones(20)])
        least = np.sum((A @ np.linalg.lstsq(A, Y, rcond=None)[0] - Y) ** 2) / 40
        assert made.outcome is Outcome.LOCAL_EQUILIBRIUM
        assert made.cost == pytest.approx(least, rel=1e-9)

    @pytest.mark.parametrize("seed", [1, 12])
    def test_a_run_that_rests_goes_on_until_it_is_stationary_to_half_the_digits(self, seed):
        """The loss is blind to the last share 3e-5 of the gradient; the certificate is not."""
        net, params, X, Y = problem(N=20, d=2, hidden=(64,), seed=seed, activation="identity")
        made = fit(net, params, (X, Y))
        proof = made.certificate()
        r = made.task.outputs(made.theta) - Y
        D = made.task.model.linearise(made.theta).jacobian()
        left, values, _ = np.linalg.svd(D, full_matrices=False)
        rank = int((values > 1e-10 * values[0]).sum())
        assert made.outcome is Outcome.LOCAL_EQUILIBRIUM and proof.verdict is Verdict.HOLDS
        assert np.linalg.norm(left[:, :rank].T @ r.ravel()) <= 1e-8 * np.linalg.norm(r)
        assert proof.margins["rank"].value == rank == 3
        assert proof.margins["dimension"].value == net.parameter_count - rank

    @pytest.mark.parametrize("seed", [1, 2])
    def test_a_saturated_sample_is_no_equilibrium(self, seed):
        rng = np.random.default_rng(seed)
        X, Y, net = rng.standard_normal((12, 2)), rng.integers(0, 2, 12), Mlp((2, 3, 1))
        made = fit(net, net.initial(seed), (X, Y), loss="ce", tol=1e-14, damping=1e-3, max_steps=300)
        gradient = made.task.model.linearise(made.theta).jacobian().T @ made.task.loss.residual(
            made.task.outputs(made.theta)).ravel()  # fmt: skip
        assert np.linalg.norm(gradient) > 1e-3
        assert made.outcome is Outcome.STALLED

    def test_unmerged_duplicates_end_at_their_floor(self):
        net, params, X, Y = problem(N=20, d=3, hidden=(20,), seed=0)
        X[1] = X[0]
        made = fit(net, params, (X, Y), merge=False)
        floor = float(((Y[0] - Y[1]) ** 2).sum()) / (4 * 20)
        assert made.outcome is Outcome.LOCAL_EQUILIBRIUM
        assert made.cost == pytest.approx(floor, rel=1e-6)


class TestBadInput:
    def test_data_that_do_not_fit_are_refused_by_row(self):
        net, params, X, Y = problem()
        bad = X.copy()
        bad[[3, 7], 1] = np.nan, np.inf
        with pytest.raises(InputError, match="3, 7"):
            fit(net, params, (bad, Y))
        with pytest.raises(InputError):
            fit(net, params, (X, Y[:5]))
        with pytest.raises(InputError, match="Y"):
            fit(net, params, (X, np.where(np.arange(12)[:, None] == 4, np.nan, Y)))
        with pytest.raises(InputError):
            fit(net, params, (np.array([["a"]] * 12), Y))

    @pytest.mark.parametrize("wrong", [{"mode": "slow"}, {"tol": np.nan}, {"damping": np.nan}, {"route": "magic"},
                                       {"precision": "float16"}, {"patience": 0.0}, {"max_steps": -1},
                                       {"power": 2.0}, {"power": -0.5}, {"until": -1.0}, {"until": np.nan},
                                       {"line_tolerance": 0.0}, {"rate": 0.0}])  # fmt: skip
    def test_options_out_of_range_are_named(self, wrong):
        net, params, X, Y = problem()
        with pytest.raises(InputError, match=next(iter(wrong))):
            fit(net, params, (X, Y), **wrong)

    @pytest.mark.parametrize("motion", [WeightDecay, Momentum])
    @pytest.mark.parametrize("rate", [-1.0, np.nan, np.inf])
    def test_motion_along_the_fibre_has_a_rate(self, motion, rate):
        with pytest.raises(InputError, match="rate"):
            motion(rate)

    def test_rows_of_another_width_are_refused_in_words(self):
        net, params, X, Y = problem()
        made = fit(net, params, (X, Y), max_steps=1)
        with pytest.raises(InputError, match=r"\(N, 2\)"):
            made.predict(X[:, :1])
        with pytest.raises(InputError, match=r"\(N, 2\)"):
            fit(net, params, (X, Y), validation=(X[:, :1], Y))

    def test_parameters_in_fewer_bits_are_noted(self):
        net, params, X, Y = problem()
        single = tuple((W.astype(np.float32), b.astype(np.float32)) for W, b in params)
        assert "layer.note_widened" in [note.code for note in fit(net, single, (X, Y), max_steps=1).notes]
        assert "layer.note_widened" not in [note.code for note in fit(net, params, (X, Y), max_steps=1).notes]

    @pytest.mark.parametrize(
        "idle",
        [
            {"mode": "certified", "damping": 0.1},
            {"batches": Batches(4)},
            {"mode": "certified", "power": 0.5},
            {"route": "minibatch", "fibre": 0.1},
            {"mode": "certified", "fibre": Momentum(0.5)},
            {"mode": "ode", "fibre": Momentum(0.5)},
            {"mode": "ode", "line_tolerance": 1e-2},
            {"mode": "certified", "watch_spectrum": True},
            {"precision": "mixed", "watch_spectrum": True},
            {"patience": 2.0},
            {"huber_delta": 1.0},
            {"loss": ConvexLoss(np.cosh, np.sinh, np.cosh), "huber_delta": 1.0},
        ],
    )
    def test_an_option_that_would_be_ignored_is_refused(self, idle):
        net, params, X, Y = problem()
        with pytest.raises(InputError, match="no meaning"):
            fit(net, params, (X, Y), **idle)

    def test_too_little_memory_is_said_before_allocating(self, monkeypatch):
        net, params, X, Y = problem()
        monkeypatch.setattr("thalweg.adapted.routes.free_memory", lambda: 1000.0)
        with pytest.raises(InputError, match="GB"):
            fit(net, params, (X, Y))
