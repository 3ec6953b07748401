"""The study behind the defaults of `ParticleSwarm`.

Six data sets (one of them with its targets as they come, in the hundreds), each with networks of three sizes, are
trained by variations of one default at a time, each over several seeds. The score of a setting is its median final
loss, divided by the smallest median that any setting reached on the same network, and averaged (geometrically) over
the networks: 1.00 would be the best setting everywhere. All settings get equal numbers of evaluations. Run it with

    python examples/benchmarks/swarm_defaults.py --jobs 2

It takes some minutes. What it printed, and what was chosen, is in docs/particle_swarm.md.
"""

import argparse
import warnings
from functools import partial

import numpy as np
from joblib import Parallel, delayed
from sklearn.datasets import load_breast_cancer, load_diabetes, load_digits, load_iris, load_wine
from sklearn.exceptions import ConvergenceWarning
from sklearn.preprocessing import StandardScaler, scale

from skl2net import L2NetClassifier, L2NetRegressor, ParticleSwarm

HIDDEN = (4, 8, 24)
BUDGETS = (200, 1000)
PATIENCES = (10, 30, 100, 300)

VARIATIONS = {
    "initial_spread": [{"initial_spread": spread} for spread in (0.25, 0.5, 1.0, 2.0)],
    "velocity_clamp": [{"velocity_clamp": clamp} for clamp in (None, 0.1, 0.25, 0.5, 1.0)],
    "inertia": [{"inertia": inertia} for inertia in (0.7298, 0.65, 0.8, (0.9, 0.4), (0.75, 0.7))],
    "topology": [{"topology": topology} for topology in ("global", "ring", "von_neumann", "random")],
    "variant": [{"variant": "fips", "topology": topology} for topology in ("ring", "von_neumann")],
    "n_particles": [{"n_particles": n} for n in (15, 30, 60)],
    "pull": [{"cognitive": 2.0, "social": 1.0}, {"cognitive": 1.0, "social": 2.0}],
}


def problems():
    """Names, estimator classes and data."""
    for name, load in (
        ("iris", load_iris),
        ("breast cancer", load_breast_cancer),
        ("wine", load_wine),
        ("digits", load_digits),
    ):
        X, y = load(return_X_y=True)
        yield name, L2NetClassifier, StandardScaler().fit_transform(X).astype(np.float32), y
    X, y = load_diabetes(return_X_y=True)
    X = StandardScaler().fit_transform(X).astype(np.float32)
    regressor = partial(L2NetRegressor, normalize_y=False)
    yield "diabetes", regressor, X, scale(y)
    yield "diabetes, raw targets", regressor, X, y


def run(setting, estimator, X, y, n_hidden, seeds, budget):
    """Loss curves of several seeds, ndarray of shape (seeds, iterations)."""
    warnings.simplefilter("ignore", ConvergenceWarning)
    swarm = ParticleSwarm(**{"patience": np.inf, **setting})
    curves = []
    for seed in range(seeds):
        net = estimator(
            (n_hidden,),
            "tanh",
            solver=swarm,
            l2_mode="penalty",
            alpha=0.005,
            max_iter=max(1, budget * ParticleSwarm().n_particles // swarm.n_particles),
            tol=0,
            random_state=seed,
        )
        curves.append(net.fit(X, y).loss_curve_)
    return np.array(curves)


def stop(curve, patience, tol=1e-4):
    """Iteration at which `patience` would have stopped a loss curve."""
    reference, since = np.inf, 0
    for i, loss in enumerate(curve):
        if loss < reference - tol:
            reference, since = loss, 0
        else:
            since += 1
        if since > patience:
            return i
    return len(curve) - 1


def main(seeds=5, jobs=1, quick=False):
    """Print the score of every setting, and what several patiences would have cost."""
    hidden, budgets = (HIDDEN[:1], (20,)) if quick else (HIDDEN, BUDGETS)
    data = list(problems())[:2] if quick else list(problems())
    settings = [setting for settings in VARIATIONS.values() for setting in settings]
    cells = [(p, h) for p in range(len(data)) for h in hidden]
    print(f"{len(settings)} settings x {len(cells)} networks x {seeds} seeds")
    for budget in budgets:
        tasks = [(setting, p, h) for setting in settings for p, h in cells]
        curves = Parallel(n_jobs=jobs, batch_size=1)(
            delayed(run)(setting, *data[p][1:], h, seeds, budget) for setting, p, h in tasks
        )
        medians = np.reshape([np.median(curve[:, -1]) for curve in curves], (len(settings), len(cells)))
        ratios = medians / medians.min(axis=0)
        by_data = np.exp(np.log(ratios).reshape(len(settings), len(data), len(hidden)).mean(axis=2))
        print(f"\n{budget} iterations of 30 particles\n{'':<50}{'all':>7}" + "".join(f"{d[0][:13]:>15}" for d in data))
        for setting, ratio, parts in zip(settings, ratios, by_data, strict=True):
            text = ", ".join(f"{key}={value!r}" for key, value in setting.items())
            print(f"{text:<50}{np.exp(np.log(ratio).mean()):>7.2f}" + "".join(f"{part:>15.2f}" for part in parts))
        defaults = [curve for curve, (setting, *_) in zip(curves, tasks, strict=True) if setting == DEFAULT]
        print(f"\n{'patience':<12}{'iterations':>12}{'loss, relative to that of all iterations':>44}")
        for patience in PATIENCES:
            stops = [stop(curve, patience) for curves_ in defaults for curve in curves_]
            finals = [curve[i] / curve[-1] for curve, i in zip((c for cs in defaults for c in cs), stops, strict=True)]
            print(f"{patience:<12}{np.mean(stops):>12.0f}{np.exp(np.mean(np.log(finals))):>44.3f}")


DEFAULT = {"n_particles": ParticleSwarm().n_particles}

if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--jobs", type=int, default=1)
    parser.add_argument("--quick", action="store_true", help="two data sets, one size, 20 iterations")
    main(**vars(parser.parse_args()))
