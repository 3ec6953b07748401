"""Linear models and R: the printed line is executed, and reaches the minimum of the objective that is promised."""

import json
import shutil
import subprocess
import warnings
from functools import cache

import numpy as np
import pytest
from conventions.libraries import N_SAMPLES, Training
from conventions.test_lines import execute
from sklearn import linear_model, neural_network

import skl2net
from skl2net.conventions import ALIASES, CONVENTIONS, convert_alpha

PENALTIES = [name for name, record in CONVENTIONS.items() if record.is_penalty and not record.differences]
LINEAR = ("prior", "penalty", "penalty_per_sample", "sklearn.Ridge", "sklearn.LogisticRegression", "sklearn.ElasticNet")
LINEAR += ("sklearn.PoissonRegressor", "sklearn.MLP", "statsmodels")
PENALTY = 0.05  # what multiplies a weight in the gradient of skl2net's loss
LOSSES = ("log_loss", "squared_error", "poisson")


def data(loss):
    rng = np.random.default_rng(0)
    X = rng.normal(size=(N_SAMPLES, 3))
    signal = X[:, 0] + 0.5 * rng.normal(size=N_SAMPLES)
    y = {"log_loss": signal > 0, "squared_error": 2 * signal, "poisson": rng.poisson(np.exp(0.5 * signal))}[loss]
    return X, y.astype(float)


@cache
def minimum(loss):
    """Weights and intercept at the minimum of mean loss + PENALTY/2·Σw², by Newton's method."""
    X, y = data(loss)
    X = np.column_stack([X, np.ones(N_SAMPLES)])
    penalty = PENALTY * np.array([1.0, 1.0, 1.0, 0.0])
    w = np.zeros(4)
    for _ in range(50):
        z = X @ w
        mean = {"log_loss": 1 / (1 + np.exp(-z)), "squared_error": z, "poisson": np.exp(z)}[loss]
        curvature = {"log_loss": mean * (1 - mean), "squared_error": np.ones_like(z), "poisson": mean}[loss]
        gradient = X.T @ (mean - y) / N_SAMPLES + penalty * w
        w = w - np.linalg.solve(X.T @ (curvature[:, None] * X) / N_SAMPLES + np.diag(penalty), gradient)
    return w


def loss_of(*names):
    """The loss of a pair: its own, or one that all have; None if there is none."""
    records = [CONVENTIONS[name] for name in names]
    own = {record.loss for record in records} - {None}
    if len(own) > 1:
        return None
    shared = [loss for loss in LOSSES if all(loss in record.loss_scales for record in records)]
    return (own.pop() if own & set(shared) else None) if own else shared[0]


def fitted(code, loss):
    """Weights and intercept of the model that a line makes."""
    X, y = data(loss)
    scope = {**vars(linear_model), **vars(neural_network), **vars(skl2net), "X": X, "y": y}
    if code.startswith("sm."):
        scope["sm"] = pytest.importorskip("statsmodels.api")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        model = execute(code, scope)
        if code.startswith("sm."):
            return np.roll(model.params, -1)
        changes = {"tol": 1e-12, "max_iter": 100_000} if "Ridge" not in code else {}
        if "L2Net" in code or "MLP" in code:
            changes |= {"random_state": 0, "max_iter": 5000}
        model.set_params(**changes).fit(X, y)
    coef = model.coefs_[0] if hasattr(model, "coefs_") else model.coef_
    intercept = model.intercepts_[0] if hasattr(model, "coefs_") else model.intercept_
    return np.append(np.ravel(coef), np.ravel(intercept))


@pytest.mark.parametrize("target", LINEAR)
def test_lines_of_linear_models_reach_the_promised_minimum(target):
    """From every penalty: the number goes from skl2net's penalty to the source, and from there to the target."""
    for source in PENALTIES:
        loss = loss_of(source, target)
        if source == target or loss is None or not (CONVENTIONS[source].is_closed_form or source in LINEAR[:3]):
            continue
        if CONVENTIONS[source].n_layers != 1 and CONVENTIONS[target].n_layers != 1:
            continue
        run = {"n_samples": N_SAMPLES, "loss": loss, "n_outputs": 1, "batch_size": N_SAMPLES}
        number = float(convert_alpha(PENALTY, "penalty", source, **run))
        conversion = convert_alpha(number, source, target, **run)
        assert conversion.exact
        assert conversion.sense == "objective"
        tolerance = 1e-4 if target == "statsmodels" else 1e-5
        np.testing.assert_allclose(fitted(conversion.code, loss), minimum(loss), rtol=0, atol=tolerance)


@pytest.mark.parametrize("name", ["sklearn.Ridge", "sklearn.LogisticRegression", "nielsen"])
def test_the_prior_counts_as_they_do(name):
    """No size of the data, of a batch or of a learning rate comes between."""
    number = 1 / 3 if name == "sklearn.LogisticRegression" else 3.0
    conversion = convert_alpha(number, name, "prior")
    assert conversion.alpha == pytest.approx(3.0, rel=1e-15)
    assert conversion.exact
    assert convert_alpha(3.0, "prior", name).alpha == pytest.approx(number, rel=1e-15)


def r(package, *lines):
    """Run R, and return what it prints as JSON."""
    if package not in r_packages():
        pytest.skip(f"R or its package {package} is not installed")
    done = subprocess.run(["Rscript", "-"], input="\n".join(lines), capture_output=True, text=True, check=True)
    return json.loads(done.stdout)


@cache
def r_packages():
    """Packages that R has; none if there is no R."""
    if shutil.which("Rscript") is None:
        return ()
    ask = 'cat(rownames(installed.packages(noCache = TRUE)), sep = "\\n")'
    return subprocess.run(["Rscript", "-e", ask], capture_output=True, text=True, check=True).stdout.split()


def r_matrix(values):
    values = np.atleast_2d(values)
    return f"matrix(c({', '.join(repr(float(v)) for v in values.ravel(order='F'))}), nrow = {len(values)})"


def show(expression):
    return f'cat("[", paste(format(c({expression}), digits = 17), collapse = ", "), "]")'


@pytest.mark.parametrize("loss", LOSSES)
def test_glmnets_line_reaches_the_promised_minimum(loss):
    X, y = data(loss)
    conversion = convert_alpha(PENALTY, "penalty", "glmnet", loss=loss)
    precise = "glmnet <- function(...) glmnet::glmnet(..., thresh = 1e-14)"
    scope = ["glmnet", precise, f"x <- {r_matrix(X)}", f"y <- as.vector({r_matrix(y[:, None])})"]
    intercept, *coef = r(*scope, f"fit <- {conversion.code}", show("as.vector(coef(fit))"))
    np.testing.assert_allclose([*coef, intercept], minimum(loss), rtol=0, atol=1e-6)


@pytest.mark.parametrize(
    ("loss", "n_outputs"), [("log_loss", 3), ("log_loss", 1), ("squared_error", 2), ("squared_error", 1)]
)
@pytest.mark.parametrize("hidden", [(), (10,)])
def test_nnets_line_has_the_promised_objective(loss, n_outputs, hidden):
    """The value of the objective that nnet starts from, at random weights, is N times ours, twice so without the ½."""
    alpha = 0.03
    source = "penalty" if hidden else "sklearn.Ridge" if loss == "squared_error" else "sklearn.LogisticRegression"
    number = {"penalty": alpha, "sklearn.Ridge": alpha * N_SAMPLES}.get(source, 1 / (alpha * N_SAMPLES))
    conversion = convert_alpha(number, source, "R.nnet", loss=loss, n_samples=N_SAMPLES, n_outputs=n_outputs)
    assert conversion.exact
    run = Training(loss=loss, n_outputs=n_outputs, hidden=hidden)
    rng = np.random.default_rng(1)
    coefs, intercepts = ([rng.normal(size=np.shape(a)) for a in part] for part in run.start())
    # nnet's order: for each unit its bias, then its weights
    weights = np.concatenate([np.vstack([b, w]).ravel(order="F") for w, b in zip(coefs, intercepts, strict=True)])
    code = conversion.code
    started = f"Wts <- as.vector({r_matrix(weights[:, None])})"
    wrapped = "nnet <- function(...) nnet::nnet(..., Wts = Wts, maxit = 0, trace = FALSE)"
    scope = ["nnet", wrapped, started, f"x <- {r_matrix(run.X)}", f"y <- {r_matrix(run.Y)}"]
    lines = code.replace("nnet(x", "fit <- nnet(x")
    (value,) = r(*scope, lines, show("fit$value"))
    A = run.X
    for w, b in zip(coefs[:-1], intercepts[:-1], strict=True):
        A = 1 / (1 + np.exp(-(A @ w + b)))
    Z = A @ coefs[-1] + intercepts[-1]
    if loss == "squared_error":
        ours, scale = 0.5 * np.sum((Z - run.Y) ** 2), 2
    elif n_outputs > 1:
        ours, scale = np.sum(np.log(np.exp(Z).sum(axis=1)) - Z[np.arange(N_SAMPLES), run.labels]), 1
    else:
        ours, scale = np.sum(np.log1p(np.exp(Z)) - run.Y * Z), 1
    squares = sum(np.sum(w**2) for w in coefs)
    assert value == pytest.approx(scale * (ours + N_SAMPLES * alpha / 2 * squares), rel=1e-9)


def test_aliases_are_what_they_say():
    for name, alias in ALIASES.items():
        run = {"n_samples": 100, "loss": alias.loss or "log_loss", "n_outputs": 2}
        assert float(convert_alpha(0.1, name, alias.alias_of, **run)) == pytest.approx(0.1)
