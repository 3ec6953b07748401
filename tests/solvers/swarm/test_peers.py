"""The quality of the swarm, beside other libraries' swarms at equal numbers of evaluations.

The long comparison on five data sets is left out of the usual run:
``pytest -m long tests/solvers/swarm/test_peers.py``.
"""

import logging

import numpy as np
import pytest
from cases import fit, make_network
from sklearn.datasets import load_breast_cancer, load_diabetes, load_digits, load_iris, load_wine
from sklearn.preprocessing import StandardScaler, scale
from solvers.swarm.cases import make_problem

from skl2net import L2NetClassifier, L2NetRegressor, ParticleSwarm
from skl2net.engines import default_engine

pyswarms_single = pytest.importorskip("pyswarms.single")
turboswarm = pytest.importorskip("turboswarm")

ALPHA, N_PARTICLES, N_ITER = 0.005, 30, 1000

DATA = {
    "iris": (load_iris, 6),
    "breast cancer": (load_breast_cancer, 8),
    "wine": (load_wine, 8),
    "diabetes": (load_diabetes, 8),
    "diabetes, raw targets": (load_diabetes, 8),
    "digits": (load_digits, 16),
}


def load(name):
    """Standardised float32 input, targets, and hidden units."""
    loader, n_hidden = DATA[name]
    X, y = loader(return_X_y=True)
    X = StandardScaler().fit_transform(X).astype(np.float32)
    return X, scale(y) if name == "diabetes" else y, n_hidden


def objective(name):
    """The penalised loss of a whole swarm, and the number of parameters."""
    X, y, n_hidden = load(name)
    if name.startswith("diabetes"):
        Y, loss = y[:, np.newaxis], ("identity", "squared_error")
    elif name == "breast cancer":
        Y, loss = y[:, np.newaxis], ("logistic", "log_loss")
    else:
        Y, loss = np.eye(y.max() + 1)[y], ("softmax", "log_loss")
    network = make_network((X.shape[1], n_hidden, Y.shape[1]), "tanh")
    problem = make_problem(network, loss, X, Y.astype(X.dtype, order="C"), alpha=ALPHA, engine=default_engine())

    def losses(swarm):
        swarm = np.ascontiguousarray(swarm, dtype=X.dtype)
        return problem.session.losses(swarm) + problem.penalty(swarm)

    return losses, network.n_parameters


def by_skl2net(name, seed):
    X, y, n_hidden = load(name)
    estimator = L2NetRegressor if name.startswith("diabetes") else L2NetClassifier
    net = estimator(
        (n_hidden,),
        "tanh",
        solver=ParticleSwarm(N_PARTICLES, patience=np.inf),
        l2_mode="penalty",
        alpha=ALPHA,
        max_iter=N_ITER,
        tol=0,
        random_state=seed,
    )
    return fit(net, X, y).loss_


def by_pyswarms(name, seed):
    losses, n_parameters = objective(name)
    np.random.seed(seed)
    optimiser = pyswarms_single.GlobalBestPSO(
        N_PARTICLES,
        n_parameters,
        {"c1": 1.49618, "c2": 1.49618, "w": 0.7298},
        init_pos=np.random.uniform(-1, 1, (N_PARTICLES, n_parameters)),
    )
    return optimiser.optimize(losses, N_ITER, verbose=False)[0]


def by_turboswarm(name, seed):
    losses, n_parameters = objective(name)
    return turboswarm.minimize(
        losses,
        bounds=[(-10, 10)] * n_parameters,
        n_particles=N_PARTICLES,
        max_iter=N_ITER,
        topology="ring",
        seed=seed,
        vectorized=True,
        record_history=False,
    ).best_value


def compare(name, n_seeds):
    """Our median loss, and the smaller one of the peers'."""
    logging.disable(logging.CRITICAL)
    try:
        own, *peers = (
            np.median([run(name, seed) for seed in range(n_seeds)]) for run in (by_skl2net, by_pyswarms, by_turboswarm)
        )
    finally:
        logging.disable(logging.NOTSET)
    print(f"{name}: {own:.5g}, pyswarms {peers[0]:.5g}, turboswarm {peers[1]:.5g}")
    return own, min(peers)


def test_the_swarm_is_as_good_as_its_peers_on_wine():
    own, theirs = compare("wine", 5)
    assert own <= 1.01 * theirs


@pytest.mark.long
@pytest.mark.parametrize("name", DATA)
def test_the_swarm_is_as_good_as_its_peers(name):
    own, theirs = compare(name, 10)
    assert own <= 1.01 * theirs
