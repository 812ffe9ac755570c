"""What training will do, printed before it is done: for any function that JAX can differentiate.

A small network with a skip connection and a layer normalisation, written by hand, learns a smooth function of four
inputs. First the rank condition is checked; then the loss curve, the stopping time and a forecast of steps and seconds
are printed; then the run is made, and every node of it is compared with the curve that was printed. At the end the run
proves what it says by plain forward passes. Run it: some seconds, most of them compilation.
"""

from __future__ import annotations

import numpy as np

from thalweg.adapted import fit, forecast, loss_law, rank_check, stopping_time

ROWS, HELD_OUT, WIDTH, TOL = 300, 1000, 40, 1e-10


def network(params, X):
    """Return the outputs of a network with a skip connection and a layer normalisation."""
    import jax.numpy as jnp

    hidden = jnp.tanh(X @ params["W1"] + params["b1"])
    hidden = hidden + jnp.tanh(hidden @ params["W2"] + params["b2"])
    centred = hidden - hidden.mean(axis=-1, keepdims=True)
    normal = params["gain"] * centred / jnp.sqrt((centred**2).mean(axis=-1, keepdims=True) + 1e-5)
    return normal @ params["W3"] + params["b3"]


def first_parameters(seed: int = 0) -> dict[str, np.ndarray]:
    """Return random parameters."""
    rng = np.random.default_rng(seed)
    return {
        "W1": rng.standard_normal((4, WIDTH)) / 2,
        "b1": 0.1 * rng.standard_normal(WIDTH),
        "W2": rng.standard_normal((WIDTH, WIDTH)) / np.sqrt(WIDTH),
        "b2": 0.1 * rng.standard_normal(WIDTH),
        "gain": np.ones(WIDTH),
        "W3": rng.standard_normal((WIDTH, 1)) / np.sqrt(WIDTH),
        "b3": np.zeros(1),
    }


def data() -> tuple[np.ndarray, np.ndarray]:
    """Return inputs and targets of unit size."""
    X = np.random.default_rng(1).standard_normal((ROWS + HELD_OUT, 4))
    return X, (np.sin(X[:, :1]) * X[:, 1:2] + X[:, 2:3] / (1 + X[:, 3:] ** 2)) / 0.9


def main() -> None:
    """Check, predict, run, compare."""
    X, Y = data()
    known, later = (X[:ROWS], Y[:ROWS]), (X[ROWS:], Y[ROWS:])
    params = first_parameters()

    print("Before training\n---------------")
    print(rank_check(network, params, *known, trials=0))
    law = loss_law(network, params, known)
    stop = stopping_time(law.start, TOL, ROWS, law=law)
    print(f"\nThe cost starts at {law.start:.4g} and falls as exp(-2 tau): it reaches {TOL:g} at tau = {stop.tau:.4f}.")
    fast = forecast(network, params, known, tol=TOL)
    print(f"Forecast of the fast mode, from three of its steps: {fast}")

    print("\nThe run along the curve\n-----------------------")
    made = fit(network, params, known, tol=TOL, mode="certified")
    story = made.trajectory
    assert story.predicted is not None  # the certified mode promises a curve
    print(f"{'tau':>8s}{'printed before':>18s}{'measured':>18s}{'apart':>12s}")
    for k in np.unique(np.linspace(0, story.loss.size - 1, 12).astype(int)):
        promised, found = story.predicted[k], story.loss[k]
        print(f"{story.clock_values[k]:8.3f}{promised:18.8g}{found:18.8g}{abs(found / promised - 1):12.1e}")
    print(f"{made}\nIt stopped at tau = {made.tau:.4f}; {stop.tau:.4f} was printed.")

    quick = fit(network, params, known, tol=TOL)
    print(f"\nFast mode: {len(quick.seconds) - 1} steps in {quick.seconds[-1]:.3g} s. The forecast was {fast}.")
    print("\nWhat the run proves:\n" + str(made.certificate()))
    for name, run in (("certified", made), ("fast", quick)):
        error = float(np.sqrt(((run.predict(later[0]) - later[1]) ** 2).mean()))
        print(f"Held-out error, {name} mode: {error:.3f} (targets have deviation {later[1].std():.3f})")
    print("A small training cost is no small held-out error: only the training cost was predicted.")


if __name__ == "__main__":
    main()
