"""Training by particle swarm: tasks, starting positions, the estimator contract, and when it ends."""

import subprocess
import sys

import numpy as np
import pytest
import scipy.sparse as sp
from cases import classes, converging_or_not, fit, flat
from sklearn.base import clone
from sklearn.datasets import load_iris
from sklearn.exceptions import ConvergenceWarning
from sklearn.metrics import zero_one_loss
from sklearn.model_selection import GridSearchCV
from sklearn.preprocessing import StandardScaler
from sklearn.utils.estimator_checks import parametrize_with_checks
from solvers.swarm.cases import TASKS, interrupted

from skl2net import L2NetClassifier, L2NetRegressor, ParticleSwarm
from skl2net.l2 import DECAYS, PENALTIES


@parametrize_with_checks(
    [estimator(solver="pso", l2_mode=mode) for estimator in (L2NetClassifier, L2NetRegressor) for mode in PENALTIES]
)
def test_scikit_learns_checks(estimator, check):
    with converging_or_not():
        check(estimator)


@pytest.mark.parametrize("mode", DECAYS)
@pytest.mark.parametrize("solver", ["pso", ParticleSwarm()])
def test_decays_are_refused_with_the_reason_and_the_alternative(solver, mode):
    X, y = classes()
    with pytest.raises(ValueError, match=r"stored personal bests.*l2_mode='prior'"):
        L2NetClassifier(solver=solver, l2_mode=mode, alpha=0.01).fit(X, y)


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("mode", PENALTIES)
@pytest.mark.parametrize("task", TASKS)
def test_every_task_trains_and_reports_the_objective_of_its_weights(task, mode, weighted):
    estimator, kwargs, (X, y) = TASKS[task]
    X = StandardScaler().fit_transform(X)
    weight = np.random.default_rng(0).uniform(0.1, 2, len(X)) if weighted else None
    net = estimator((4,), "tanh", solver="pso", l2_mode=mode, alpha=0.02, max_iter=150, random_state=0, **kwargs)
    if estimator is L2NetRegressor:  # in the units of the swarm
        net.set_params(normalize_y=False)
    fit(net, X, y, sample_weight=weight)
    assert len(net.loss_curve_) == len(net.weight_norm_curve_) == net.n_iter_ == 150
    assert np.all(np.diff(net.loss_curve_) <= 0)
    assert net.loss_curve_[-1] < 0.8 * net.loss_curve_[0]
    assert net.loss_ == net.loss_curve_[-1] == net.best_loss_ == net.swarm_.best_losses.min()
    norm = sum(np.sum(coef**2) for coef in net.coefs_)
    np.testing.assert_allclose(net.weight_norm_curve_[-1], norm)
    n = 1
    if mode != "penalty":
        n = len(X) if weight is None else weight.sum()
    if "class_weight" not in kwargs or mode == "penalty":
        np.testing.assert_allclose(net.loss_ - net.data_loss_, 0.02 / (2 * n) * norm, rtol=1e-10)
    np.testing.assert_array_equal(flat(net), net.swarm_.best_positions[net.swarm_.best])


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("task", ["multiclass", "multilabel", "two outputs"])
def test_sparse_input_gives_what_dense_input_gives_in_the_dtype_of_the_data(task, dtype):
    estimator, kwargs, (X, y) = TASKS[task]
    X = StandardScaler().fit_transform(X).astype(dtype)
    X[np.abs(X) < 0.5] = 0
    net = estimator((4,), "tanh", solver="pso", alpha=0.02, max_iter=5, random_state=0, **kwargs)
    dense, sparse = fit(clone(net), X, y), fit(clone(net), sp.csr_array(X), y)
    assert dense.coefs_[0].dtype == sparse.coefs_[0].dtype == dense.swarm_.positions.dtype == dtype
    # few iterations: a rounding error may decide between two particles, and trajectories part
    np.testing.assert_allclose(flat(sparse), flat(dense), rtol=100 * np.finfo(dtype).eps, atol=10 * np.finfo(dtype).eps)


@pytest.mark.parametrize("objective", [None, zero_one_loss])
def test_parameters_may_be_numpys_scalars_and_leave_single_precision_alone(objective):
    X, y = classes()
    values = {
        "inertia": 0.7,
        "cognitive": 1.5,
        "social": 1.4,
        "velocity_clamp": 0.5,
        "bounds": 2.0,
        "initial_spread": 1.0,
    }
    fits = [
        fit(
            L2NetClassifier(
                (3,), solver=ParticleSwarm(8, objective=objective, **kwargs), max_iter=5, alpha=0.1, random_state=0
            ),
            X.astype(np.float32),
            y,
        )
        for kwargs in (values, {name: np.float64(value) for name, value in values.items()})
    ]
    assert fits[1].swarm_.positions.dtype == fits[1].swarm_.velocities.dtype == np.float32
    np.testing.assert_array_equal(flat(fits[0]), flat(fits[1]))


def test_parameters_behave_as_those_of_an_estimator():
    X, y = classes()
    swarm = ParticleSwarm(n_particles=20, topology="ring")
    assert repr(swarm) == "ParticleSwarm(n_particles=20, topology='ring')"
    net = L2NetClassifier((3,), solver=swarm, max_iter=5, random_state=0)
    assert clone(net).solver is not swarm
    assert clone(net).get_params()["solver__n_particles"] == 20
    with converging_or_not():
        search = GridSearchCV(net, {"solver__n_particles": [5, 10], "solver__topology": ["global"]}, cv=2).fit(X, y)
    assert search.best_estimator_.swarm_.positions.shape[0] in (5, 10)
    assert search.best_estimator_.solver.topology == "global"
    assert swarm.n_particles == 20


@pytest.mark.parametrize(
    ("kwargs", "message"),
    [
        ({"n_particles": 0}, "'n_particles' parameter of ParticleSwarm"),
        ({"topology": "star"}, "'topology' parameter of ParticleSwarm"),
        ({"inertia": (0.9, 0.4, 0.1)}, "a pair"),
        ({"bounds": (1, -1)}, "low < high"),
        ({"polish": True, "objective": zero_one_loss}, "gradient"),
    ],
)
def test_impossible_parameters_are_explained(kwargs, message):
    X, y = classes()
    with pytest.raises(ValueError, match=message):
        L2NetClassifier((3,), solver=ParticleSwarm(**kwargs)).fit(X, y)


def test_the_first_particle_is_the_usual_start_and_the_others_spread_around_zero():
    X, y = classes()
    starts = {}
    for spread in (0.5, 2.0):
        swarm = ParticleSwarm(40, initial_spread=spread)
        starts[spread] = fit(L2NetClassifier((3,), solver=swarm, max_iter=1, random_state=0), X, y).swarm_.positions
    usual = L2NetClassifier((3,), solver="sgd", learning_rate_init=1e-300, alpha=0.0, max_iter=1, random_state=0)
    for positions in starts.values():
        np.testing.assert_array_equal(positions[0], flat(fit(usual, X, y)))
    np.testing.assert_array_equal(4 * starts[0.5][1:], starts[2.0][1:])
    assert np.abs(starts[0.5][1:]).max() <= 0.5 * np.sqrt(6 / (3 + 3))  # Glorot's bound of the narrower layer


@pytest.mark.parametrize("bounds", [(1.0, 5.0), (-3.0, -2.0), 0.01])
def test_a_swarm_starts_spread_out_within_bounds_that_the_usual_weights_are_not_in(bounds):
    X, y = load_iris(return_X_y=True)
    X = StandardScaler().fit_transform(X)
    low, high = (-bounds, bounds) if isinstance(bounds, float) else bounds
    net = L2NetClassifier((4,), "tanh", solver=ParticleSwarm(bounds=bounds), max_iter=1, random_state=0)
    start = fit(clone(net), X, y).swarm_.positions
    assert start.min() >= low
    assert start.max() <= high
    spread = np.ptp(start[1:], axis=0)
    assert spread.min() > 0.7 * (high - low)
    assert fit(net.set_params(max_iter=300), X, y).score(X, y) > 0.34  # it moves


def test_patience_counts_iterations_in_which_the_loss_has_not_fallen_by_tol():
    X, y = classes()
    net = L2NetClassifier((3,), solver=ParticleSwarm(20, patience=25), tol=0.01, max_iter=2000, random_state=0)
    net.fit(X, y)  # and does not warn
    curve = np.array(net.loss_curve_)
    assert net.n_iter_ < 2000
    assert curve[-27] - curve[-1] <= 0.01
    falls = curve[:-27] - curve[26:-1]
    assert np.all(falls > 0)
    longer = clone(net).set_params(n_iter_no_change=60).fit(X, y)
    assert longer.n_iter_ >= net.n_iter_ + 35
    shorter = clone(net).set_params(n_iter_no_change=5).fit(X, y)
    assert shorter.n_iter_ == net.n_iter_


def test_too_few_iterations_warn():
    X, y = classes()
    with pytest.warns(ConvergenceWarning, match=r"max_iter=3"):
        L2NetClassifier((3,), solver="pso", max_iter=3).fit(X, y)


def test_early_stopping_keeps_the_weights_of_the_best_validation_score():
    X, y = classes(n_rows=120)
    net = L2NetClassifier(
        (3,), solver=ParticleSwarm(patience=30), early_stopping=True, max_iter=500, random_state=0
    ).fit(X, y)
    scores = np.array(net.validation_scores_)
    assert len(scores) == len(net.validation_loss_curve_) == net.n_iter_ < 500
    assert net.best_validation_score_ == scores.max()
    first_best = int(scores.argmax())
    assert net.n_iter_ == first_best + 32
    np.testing.assert_allclose(sum(np.sum(c**2) for c in net.coefs_), net.weight_norm_curve_[first_best])


def test_verbose_prints_each_iteration(capsys):
    X, y = classes()
    net = fit(L2NetClassifier((3,), solver="pso", max_iter=3, verbose=True, random_state=0), X, y)
    lines = capsys.readouterr().out.splitlines()
    assert lines == [f"Iteration {i}, loss = {loss:.8f}" for i, loss in enumerate(net.loss_curve_, start=1)]


@pytest.mark.parametrize("call", [1, 2, 6])
def test_ctrl_c_in_an_objective_keeps_the_last_finished_iteration_and_a_warm_start_goes_on(call):
    X, y = classes()
    swarm = ParticleSwarm(objective=zero_one_loss)
    net = L2NetClassifier((3,), solver=swarm, max_iter=20, warm_start=True, random_state=0)
    net.set_params(solver__objective=interrupted(zero_one_loss, 30 * call))
    n_kept = call - 1
    if n_kept == 0:
        with pytest.raises(KeyboardInterrupt):
            net.fit(X, y)
        assert not hasattr(net, "coefs_")
        return
    with pytest.warns(UserWarning, match=f"interrupted by user: the weights of iteration {n_kept} are kept"):
        net.fit(X, y)
    assert net.n_iter_ == len(net.loss_curve_) == n_kept
    whole = fit(clone(net).set_params(solver=swarm, max_iter=n_kept), X, y)
    np.testing.assert_array_equal(flat(net), flat(whole))
    assert net.loss_ == whole.loss_ == net.swarm_.best_losses.min()
    # and from there on as if nothing had been
    fit(net.set_params(solver=swarm, max_iter=20 - n_kept), X, y)
    assert net.n_iter_ == 20 - n_kept
    np.testing.assert_array_equal(flat(net), flat(fit(clone(net).set_params(max_iter=20), X, y)))


def test_the_state_prints_in_a_line():
    X, y = classes()
    net = fit(L2NetClassifier((3,), solver=ParticleSwarm(10, topology="ring"), max_iter=4, random_state=0), X, y)
    text = repr(net.swarm_)
    assert text.startswith(
        "<SwarmState of 10 particles in 27 dimensions, 'ring' topology, after 4 iterations: best loss "
    )
    assert f"{net.loss_:.6g}>" in text


def test_the_swarm_comes_near_the_best_of_many_gradient_descents_on_iris():
    X, y = load_iris(return_X_y=True)
    X = StandardScaler().fit_transform(X).astype(np.float32)
    net = L2NetClassifier((6,), "tanh", l2_mode="penalty", alpha=0.005, max_iter=1000)
    descents = [fit(clone(net).set_params(solver="lbfgs", random_state=seed), X, y).loss_ for seed in range(20)]
    swarm = ParticleSwarm(patience=np.inf)
    losses = [fit(clone(net).set_params(solver=swarm, random_state=seed), X, y).loss_ for seed in range(30)]
    assert np.median(losses) <= 1.01 * min(descents)


def test_the_result_does_not_depend_on_the_number_of_threads():
    code = (
        "import numpy as np; from sklearn.datasets import load_digits; from skl2net import L2NetClassifier\n"
        "import warnings; warnings.simplefilter('ignore')\n"
        "X, y = load_digits(return_X_y=True)\n"
        "net = L2NetClassifier((8,), solver='pso', max_iter=5, random_state=0).fit(X / 16, y)\n"
        "print(net.swarm_.positions.tobytes().hex()[:4000], net.loss_curve_)"
    )
    results = {
        subprocess.run(
            [sys.executable, "-c", code],
            env={"OMP_NUM_THREADS": n, "OPENBLAS_NUM_THREADS": n, "PYTHONPATH": ":".join(sys.path)},
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        for n in ("1", "2")
    }
    assert len(results) == 1
