"""What the records and remarks say of libraries, tried in the libraries themselves.

Trajectories are in `test_lines`, minima of linear models in `test_linear`. TensorFlow
Addons and MXNet need other versions of NumPy than skl2net; to run their lines, name an interpreter that has them in
``SKL2NET_TENSORFLOW_PYTHON`` and ``SKL2NET_MXNET_PYTHON``.
"""

import json
import os
import random
import subprocess
import warnings
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import scipy.sparse
from conventions.libraries import LIBRARIES, N_SAMPLES, Training, distance
from conventions.test_lines import RUNNERS, common_solvers, sources_of
from conventions.test_random import random_number, random_training
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LogisticRegression, SGDRegressor

from skl2net import L2NetRegressor, convert_alpha
from skl2net.activations import ACTIVATIONS
from skl2net.conventions import CONVENTIONS
from skl2net.network import Network

SAME = 1e-9
APART = 1e-7


@pytest.mark.parametrize("name", [name for name in LIBRARIES if not CONVENTIONS[name].is_ours])
def test_the_same_number_is_wrong_by_the_naive_factor(name):
    """Typed unchanged, a penalty or decay acts like one of ours that is `naive_factor` times as strong."""
    record = CONVENTIONS[name]
    mode = "decoupled" if record.is_decay else "penalty"
    solver = record.solvers[0]
    rng = random.Random(name)
    run = replace(random_training((mode, name), solver, rng), epsilon=1e-16)
    number = 0.98 if name == "keep" else 0.3
    conversion = convert_alpha(number, mode, name, **run.quantities)
    if not (conversion.exact or conversion.sense == "limit"):
        return
    there = replace(run, learning_rate=conversion.learning_rate)
    typed = LIBRARIES[name].train(there, number)
    as_strong = LIBRARIES[mode].train(run, number * conversion.naive_factor)
    assert distance(as_strong, typed) < 1e-5
    if conversion.naive_factor != pytest.approx(1):
        assert distance(LIBRARIES[mode].train(run, number), typed) > APART


def test_libraries_that_scale_the_loss_need_the_other_learning_rate():
    run = {"loss": "squared_error", "learning_rate": 0.05, "momentum": 0.0}
    three = convert_alpha(0.2, "penalty", "torch.SGD", n_outputs=3, **run)
    assert three.learning_rate == pytest.approx(0.05 * 3 / 2)  # no ½, and a mean over 3 outputs
    assert three.alpha == pytest.approx(0.2 * 2 / 3)
    single = convert_alpha(0.2, "penalty", "torch.SGD", n_outputs=1, **run)
    assert (single.learning_rate, single.alpha) == (pytest.approx(0.025), pytest.approx(0.4))


def test_uneven_batches_part_the_penalty_per_sample():
    """In scikit-learn and here the last batch is smaller, and `libraries` would divide it by the others' size."""
    run = Training(batch_size=10)
    conversion = convert_alpha(0.2, "penalty", "sklearn.MLP", **run.quantities)
    assert conversion.sense == "batches"
    reached = RUNNERS["sklearn.MLP"](conversion.code, run)
    assert distance(reached, LIBRARIES["penalty"].train(run, 0.2)) > APART
    same = convert_alpha(conversion.alpha, "sklearn.MLP", "penalty_per_sample", **run.quantities)
    assert distance(reached, RUNNERS["penalty_per_sample"](same.code, run)) < SAME


@pytest.mark.parametrize("name", ["torch.Adam", "optax.add_decayed_weights", "fastai.wd"])
def test_epsilon_in_another_place_parts_the_trajectories(name):
    source = "decoupled" if CONVENTIONS[name].is_decay else "penalty"
    run = Training(solver="adam", learning_rate=0.01, epsilon=0.01)
    conversion = convert_alpha(0.2, source, name, **run.quantities)
    assert conversion.sense == "limit"
    assert distance(RUNNERS[name](conversion.code, run), LIBRARIES[source].train(run, 0.2)) > 1e-5


def torch_step(name, w, g, **settings):
    """One update of a parameter by one of PyTorch's optimisers."""
    torch = pytest.importorskip("torch")
    parameter = torch.tensor(w, dtype=torch.float64, requires_grad=True)
    optimiser = getattr(torch.optim, name)([parameter], **settings)
    parameter.grad = torch.tensor(g, dtype=torch.float64)
    optimiser.step()
    return parameter.detach().numpy()


W, G, ZERO = [2.0, -1.0], [0.5, 0.25], [0.0, 0.0]


@pytest.mark.parametrize("name", ["Adam", "NAdam", "RAdam", "RMSprop", "Adagrad", "Adamax", "SGD"])
def test_weight_decay_is_a_gradient_in_pytorch(name):
    decay = 0.1
    penalised = [g + decay * w for w, g in zip(W, G, strict=True)]
    np.testing.assert_array_equal(torch_step(name, W, G, weight_decay=decay), torch_step(name, W, penalised))


@pytest.mark.parametrize("name", ["Adam", "NAdam", "RAdam"])
def test_the_flag_decouples_it(name):
    decayed = torch_step(name, W, ZERO, lr=0.1, weight_decay=0.5, decoupled_weight_decay=True)
    np.testing.assert_allclose(decayed, np.array(W) * (1 - 0.1 * 0.5), rtol=1e-12)


def test_asgd_decays_with_no_weight_decay():
    decayed = torch_step("ASGD", W, ZERO, lr=0.1, weight_decay=0.0)
    np.testing.assert_allclose(decayed, np.array(W) * (1 - 0.1 * 1e-4), rtol=1e-12)


def test_dampening_weakens_the_share():
    torch = pytest.importorskip("torch")
    w = torch.ones(1, dtype=torch.float64, requires_grad=True)
    rate, decay, momentum, dampening = 0.1, 1e-3, 0.6, 0.5
    optimiser = torch.optim.SGD([w], lr=rate, momentum=momentum, dampening=dampening, weight_decay=decay)
    before = 1.0
    for _ in range(200):
        before = float(w.detach())
        w.grad = torch.zeros_like(w)
        optimiser.step()
    share = 1 - float(w.detach()) / before
    assert share == pytest.approx(rate * decay * (1 - dampening) / (1 - momentum), rel=1e-3)


def test_optax_where_the_transformation_stands_decides():
    optax = pytest.importorskip("optax")
    jax = pytest.importorskip("jax")
    jax.config.update("jax_enable_x64", True)
    w, g = jax.numpy.asarray(W), jax.numpy.asarray(G)
    wd, rate = 0.1, 0.01
    last = optax.chain(optax.sgd(rate), optax.add_decayed_weights(-wd))
    step, _ = last.update(g, last.init(w), w)
    np.testing.assert_allclose(w + step, (1 - wd) * w - rate * g, rtol=1e-12)
    middle = optax.chain(optax.scale_by_adam(), optax.add_decayed_weights(wd), optax.scale_by_learning_rate(rate))
    adamw = optax.adamw(rate, weight_decay=wd)
    np.testing.assert_array_equal(middle.update(g, middle.init(w), w)[0], adamw.update(g, adamw.init(w), w)[0])


def test_a_schedule_parts_momentum_that_holds_the_rate_from_momentum_that_does_not():
    """Two updates with different learning rates, at a constant gradient."""
    torch = pytest.importorskip("torch")
    rates, momentum, g = (0.1, 0.02), 0.9, 1.0
    w = torch.zeros(1, dtype=torch.float64, requires_grad=True)
    optimiser = torch.optim.SGD([w], lr=rates[0], momentum=momentum)
    inside, velocity = 0.0, 0.0
    for rate in rates:
        optimiser.param_groups[0]["lr"] = rate
        w.grad = torch.full_like(w, g)
        optimiser.step()
        velocity = momentum * velocity - rate * g
        inside += velocity
    assert abs(float(w.detach()) - inside) > 1e-3
    assert not convert_alpha(1e-3, "penalty", "torch.SGD", momentum=momentum, schedule=True).exact


def test_keras_has_a_string_for_a_hundredth():
    pytest.importorskip("torch")
    os.environ.setdefault("KERAS_BACKEND", "torch")
    keras = pytest.importorskip("keras")
    assert float(keras.regularizers.get("l2").l2) == pytest.approx(0.01)


def test_sparse_data_slow_the_intercept_of_sklearns_sgd():
    X, y = np.eye(4), np.ones(4)
    intercepts = []
    for data in (X, scipy.sparse.csr_array(X)):
        model = SGDRegressor(learning_rate="constant", eta0=0.1, shuffle=False, max_iter=1, tol=None, alpha=0.0)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ConvergenceWarning)
            intercepts.append(float(model.fit(data, y).intercept_[0]))
    assert intercepts[1] / intercepts[0] == pytest.approx(0.01, rel=0.3)


def test_liblinear_penalises_the_intercept():
    rng = np.random.default_rng(0)
    X = rng.normal(size=(80, 2))
    y = (X[:, 0] > 1).astype(int)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        strong = LogisticRegression(C=1e-4, solver="liblinear").fit(X, y).intercept_[0]
        exempt = LogisticRegression(C=1e-4, tol=1e-8).fit(X, y).intercept_[0]
    assert abs(strong) < 0.01
    assert exempt < -1
    assert not convert_alpha(1.0, "liblinear", "prior").exact


def test_adam_takes_no_fixed_share_for_a_penalty():
    """With no gradient from the data, Adam moves a weight by the learning rate whatever the penalty."""
    moves = []
    for alpha in (1e-4, 1e-2):
        net = L2NetRegressor(
            (), solver="adam", l2_mode="penalty", alpha=alpha, max_iter=1, batch_size=8, random_state=0, epsilon=1e-16
        )
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ConvergenceWarning)
            net.fit(np.zeros((8, 3)), np.zeros(8))
        start = Network((3, 1), ACTIVATIONS["relu"]).initial_parameters(np.random.RandomState(0), np.float64)
        moves.append(np.abs(net.coefs_[0].ravel() - start[:3]))
    np.testing.assert_allclose(moves[0], moves[1], rtol=1e-6)


FOREIGN = {
    "tf.l2_loss": "TENSORFLOW",
    "tfa.SGDW": "TENSORFLOW",
    "tfa.AdamW": "TENSORFLOW",
    "mxnet.wd": "MXNET",
}


@pytest.mark.parametrize("target", FOREIGN)
def test_lines_in_another_interpreter(target):
    """From every source, the line is executed where the library is, and follows the promised trajectory."""
    interpreter = os.environ.get(f"SKL2NET_{FOREIGN[target]}_PYTHON")
    if interpreter is None:
        pytest.skip(f"SKL2NET_{FOREIGN[target]}_PYTHON names no interpreter")
    rng = random.Random(target)
    jobs, meant = [], []
    for source in sources_of(target):
        for solver in common_solvers(source, target):
            run = replace(random_training((source, target), solver, rng), seed=1)
            run = replace(run, epsilon=1e-12) if run.epsilon < 1e-10 else run
            number = random_number(source, run, rng)
            conversion = convert_alpha(number, source, target, **run.quantities)
            if conversion.exact or (conversion.sense == "limit" and run.epsilon < 1e-10):
                coefs, intercepts = ([a.tolist() for a in part] for part in run.start())
                batches = [(X.tolist(), Y.tolist()) for X, Y in run.batches()]
                job = {"target": target, "code": conversion.code, "loss": run.loss, "coefs": coefs}
                jobs.append({**job, "intercepts": intercepts, "batches": batches})
                meant.append(LIBRARIES[source].train(run, number))
    script = Path(__file__).with_name("foreign_lines.py")
    done = subprocess.run(
        [interpreter, script], input=json.dumps(jobs), capture_output=True, text=True, check=True, timeout=900
    )
    reached = json.loads(done.stdout.splitlines()[-1])
    assert len(reached) == len(jobs) > 5
    for job, parameters, expected in zip(jobs, reached, meant, strict=True):
        assert distance(np.array(parameters), expected) < 1e-5, job["code"]  # both train in float32


def test_the_runs_fit_their_data():
    """`libraries` counts as many samples as its runs have."""
    assert len(Training().X) == N_SAMPLES
