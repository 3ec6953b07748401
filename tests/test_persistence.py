"""What is saved is plain data, comes back bit for bit, is checked part by part, and outlives its version."""

import copy
import pickle
import re
import warnings
from pathlib import Path

import joblib
import numpy as np
import pytest
import sklearn.exceptions
from cases import classes, fit, flat, regression
from sklearn.base import clone
from sklearn.exceptions import ConvergenceWarning
from sklearn.model_selection import GridSearchCV
from sklearn.neural_network import MLPClassifier

import skl2net
from skl2net import L2NetClassifier, L2NetClassifierCV, L2NetRegressor, L2NetRegressorCV, NodeSweepCV, ParticleSwarm
from skl2net.engines import default_engine

DATA = Path(__file__).parent / "data"
KINDS = (L2NetClassifier, L2NetRegressor, L2NetClassifierCV)
SAVED = sorted(path.relative_to(DATA).with_suffix("").as_posix() for path in DATA.glob("*/*.npz"))

X, Y = classes(40)
XR, YR = regression(40)
LABELS = (X[:, :3] > 0).astype(int)
COMMON = {"hidden_layer_sizes": (3,), "max_iter": 4, "random_state": 0}
SWARM = ParticleSwarm(4, topology="random", inertia=(0.9, 0.4))

# estimator, X, y
NETWORKS = {
    "lbfgs": (L2NetClassifier(solver="lbfgs", **COMMON), X, Y),
    "sgd": (L2NetClassifier(solver="sgd", **COMMON), X, Y == 1),
    "adam": (L2NetClassifier(**COMMON), X, np.array(["a", "b", "c"], dtype=object)[Y]),
    "adam float32": (L2NetRegressor(**COMMON), XR.astype(np.float32), YR),
    "many rows": (L2NetClassifier(solver="sgd", **COMMON), *classes(400)),
    "warm start": (L2NetClassifier(warm_start=True, **COMMON), X, Y),
    "linear": (L2NetRegressor((), solver="sgd", loss="poisson", max_iter=4, random_state=0), XR, np.abs(YR)),
    "one class": (L2NetClassifier(**COMMON), X, np.zeros(40)),
    "multilabel": (L2NetClassifier(**COMMON), X, LABELS),
    "early stopping": (L2NetClassifier(early_stopping=True, validation_fraction=0.3, **COMMON), X, Y),
    "pso": (L2NetRegressor(solver="pso", **COMMON), XR, YR),
    "swarm": (L2NetClassifier(solver=SWARM, **COMMON), X, Y),
    "stream": (L2NetRegressor((3,), random_state=np.random.RandomState(0), max_iter=4), XR, YR),
}
SEARCHES = {
    "classifier cv": (L2NetClassifierCV(solver="lbfgs", alphas=[0.1, 1.0], cv=2, **COMMON), X, Y),
    "regressor cv": (L2NetRegressorCV(alphas=[0.1, 1.0], cv=2, **COMMON), XR, YR),
    "without refit": (L2NetClassifierCV(alphas=[0.1, 1.0], cv=2, refit=False, **COMMON), X, Y),
}
EVERYTHING = NETWORKS | SEARCHES


@pytest.fixture
def skops_io():
    return pytest.importorskip("skops.io")


def fitted(name):
    net, X, y = EVERYTHING[name]
    return fit(clone(net), X, y), X, y


def through_skops(net):
    io = pytest.importorskip("skops.io")
    saved = io.dumps(net)
    return io.loads(saved, trusted=io.get_untrusted_types(data=saved))


COPIES = {"pickle": lambda net: pickle.loads(pickle.dumps(net)), "deepcopy": copy.deepcopy, "skops": through_skops}


def leaves(value, path=()):
    """All parts of plain data that are not containers, with the keys that lead to them."""
    if isinstance(value, dict):
        parts = value.items()
    elif isinstance(value, list | tuple):
        parts = enumerate(value)
    else:
        yield path, value
        return
    for key, part in parts:
        yield from leaves(part, (*path, key))


def assert_same_state(a, b):
    pairs = zip(leaves(a), leaves(b), strict=True)
    for (path, x), (other, y) in pairs:
        assert path == other
        if isinstance(x, np.ndarray) and x.dtype != object:
            assert (x.tobytes(), x.dtype, x.shape) == (y.tobytes(), y.dtype, y.shape), path
        elif not isinstance(x, np.random.RandomState):
            np.testing.assert_array_equal(x, y)


# --- there and back ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("way", COPIES)
@pytest.mark.parametrize("name", EVERYTHING)
def test_a_copy_is_the_same_bit_for_bit(name, way):
    net, X, _ = fitted(name)
    other = COPIES[way](net)
    assert_same_state(net.__getstate__(), other.__getstate__())
    assert re.sub("0x.*", "", repr(other)) == re.sub("0x.*", "", repr(net))
    assert vars(other).keys() == vars(net).keys()
    if hasattr(net, "coefs_"):
        np.testing.assert_array_equal(flat(other), flat(net))
        np.testing.assert_array_equal(other.predict(X), net.predict(X))
        assert str(other.l2_report()) == str(net.l2_report())
        assert all(coef.base is other.coefs_[0].base for coef in (*other.coefs_, *other.intercepts_))


@pytest.mark.parametrize("way", COPIES)
@pytest.mark.parametrize("name", NETWORKS)
def test_a_copy_continues_as_the_original_would(name, way):
    net, X, y = fitted(name)
    other = COPIES[way](net)
    for each in (net, other):
        fit(each.set_params(warm_start=True), X, y)
    np.testing.assert_array_equal(flat(other), flat(net))
    if name in ("sgd", "adam", "adam float32", "multilabel"):
        other = COPIES[way](net)
        for each in (net, other):
            each.partial_fit(X, y).partial_fit(X[:30], y[:30])
        np.testing.assert_array_equal(flat(other), flat(net))
    assert other.loss_curve_ == net.loss_curve_


@pytest.mark.parametrize("name", EVERYTHING)
def test_a_fit_keeps_arrays_numbers_strings_and_dictionaries(name):
    net, _, _ = fitted(name)
    for path, value in leaves(net.__getstate__()):
        if path != ("random_state",):  # a parameter
            assert isinstance(value, np.ndarray | np.number | int | float | str | bool | None), (path, type(value))


@pytest.mark.parametrize("name", EVERYTHING)
def test_skops_has_to_trust_the_class_alone(name, skops_io):
    net, _, _ = fitted(name)
    kind = type(net)
    assert skops_io.get_untrusted_types(data=skops_io.dumps(net)) == [f"{kind.__module__}.{kind.__name__}"]


def test_skops_has_to_trust_no_more_of_a_sweep_than_of_a_grid_search(skops_io):
    def untrusted(search):
        return set(skops_io.get_untrusted_types(data=skops_io.dumps(fit(search, X, Y))))

    net = L2NetClassifier(**COMMON)
    sweep = NodeSweepCV(net, max_units=4, cv=2)
    ours = {"skl2net.estimators.classifier.L2NetClassifier"}
    of_grid = untrusted(GridSearchCV(net, {"alpha": [0.1, 1.0]}, cv=2))
    assert untrusted(sweep) - of_grid == {"skl2net.model_selection.nodes.NodeSweepCV"}
    assert of_grid - untrusted(GridSearchCV(MLPClassifier(**COMMON), {"alpha": [0.1, 1.0]}, cv=2)) == ours


@pytest.mark.parametrize("way", COPIES)
def test_a_sweep_comes_back(way):
    sweep = fit(NodeSweepCV(L2NetClassifier(**COMMON), max_units=4, step=1, cv=2), X, Y)
    other = COPIES[way](sweep)
    assert str(other.history_) == str(sweep.history_)
    assert other.best_params_ == sweep.best_params_
    np.testing.assert_array_equal(other.predict_proba(X), sweep.predict_proba(X))


def test_what_other_code_has_set_on_an_estimator_is_saved_with_it():
    net, _, _ = fitted("adam")
    net.comment = {"by": "somebody"}
    assert pickle.loads(pickle.dumps(net)).comment == {"by": "somebody"}


def test_a_network_that_joblib_maps_from_disk_works(tmp_path):
    net, X, y = fitted("adam")
    joblib.dump(net, tmp_path / "net.joblib")
    other = joblib.load(tmp_path / "net.joblib", mmap_mode="r")
    np.testing.assert_array_equal(other.predict_proba(X), net.predict_proba(X))
    for each in (net, other):
        each.partial_fit(X, y)
    np.testing.assert_array_equal(flat(other), flat(net))


@pytest.mark.parametrize("name", NETWORKS)
def test_a_pickle_takes_the_space_of_its_arrays(name):
    net, _, _ = fitted(name)
    arrays = {id(value): value.nbytes for _, value in leaves(net.__getstate__()) if isinstance(value, np.ndarray)}
    n_arrays = len(arrays)
    assert len(pickle.dumps(net)) < sum(arrays.values()) + 200 * n_arrays + 6000


# --- other versions ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("suffix", ["pickle", "skops"])
@pytest.mark.parametrize("name", SAVED)
def test_files_of_a_release_predict_the_same_bits(name, suffix):
    path = DATA / f"{name}.{suffix}"
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", sklearn.exceptions.InconsistentVersionWarning)
        if suffix == "pickle":
            net = pickle.loads(path.read_bytes())
        else:
            io = pytest.importorskip("skops.io")
            net = io.load(path, trusted=[f"{kind.__module__}.{kind.__name__}" for kind in KINDS])
    expected = np.load(DATA / f"{name}.npz")
    samples = np.random.RandomState(0).normal(size=(320, 4)).astype(net.coefs_[0].dtype)[:20]
    found = net.predict_proba(samples) if hasattr(net, "predict_proba") else net.predict(samples)
    engine = default_engine()
    if engine.name == "compiled" and engine.instruction_sets()[-1] == expected["instruction_set"]:
        np.testing.assert_array_equal(found, expected["predictions"])
    else:  # another order of the same sums
        eps = np.finfo(found.dtype).eps
        np.testing.assert_allclose(found, expected["predictions"], rtol=64 * eps, atol=64 * eps)
    assert net.l2_report().l2_mode == net.l2_mode
    if hasattr(net, "partial_fit") and not net.early_stopping:  # and training goes on
        net.partial_fit(samples, net.predict(samples))
        assert np.isfinite(flat(net)).all()


@pytest.mark.parametrize("estimator", [L2NetClassifier(), NodeSweepCV(L2NetClassifier())])
def test_a_file_of_another_version_warns_as_scikit_learns_do(estimator, monkeypatch):
    saved = pickle.dumps(estimator)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        pickle.loads(saved)
    monkeypatch.setattr(skl2net, "__version__", "99.0")
    with pytest.warns(
        sklearn.exceptions.InconsistentVersionWarning, match="was saved by skl2net .* loaded by skl2net 99.0"
    ):
        pickle.loads(saved)


def test_the_state_of_an_earlier_version_is_refused():
    for estimator in (L2NetClassifier(), NodeSweepCV(L2NetClassifier())):
        state = estimator.__getstate__()
        del state["_skl2net_version"]
        with pytest.raises(ValueError, match=rf"no {type(estimator).__name__} saved by skl2net 0\.2\.0 or later"):
            copy.copy(estimator).__setstate__(state)


# --- damaged and hostile states ---------------------------------------------------------------------------------------


def with_leaf(value, path, leaf):
    """Plain data with another leaf."""
    if not path:
        return leaf
    if isinstance(value, dict):
        return {key: with_leaf(part, path[1:], leaf) if key == path[0] else part for key, part in value.items()}
    return type(value)(with_leaf(part, path[1:], leaf) if i == path[0] else part for i, part in enumerate(value))


def load(net, state):
    """A new estimator of that state."""
    loaded = object.__new__(type(net))
    loaded.__setstate__(state)
    return loaded


BROKEN = {
    "weights of another layer": ("adam", ("coefs_", 1), np.zeros((4, 3)), r"`coefs_\[1\]` must be .* \(3, 3\), got"),
    "weights of one dimension": ("adam", ("coefs_", 0), np.zeros(4), r"`coefs_\[0\]` must be .* got one of float64"),
    "integer weights": ("adam", ("coefs_", 0), np.zeros((4, 3), int), r"`coefs_\[0\]` must be .* got one of int64"),
    "weights of two dtypes": ("adam", ("coefs_", 1), np.zeros((3, 3), "f"), r"`coefs_\[1\]` must be .* of float64"),
    "NaN weights": ("adam", ("intercepts_", 0), np.full(3, np.nan), r"`intercepts_\[0\]` has entries .* nan"),
    "no weights": ("adam", ("coefs_",), [], "`coefs_` must be a list of arrays"),
    "another number of features": ("adam", ("n_features_in_",), 5, r"`coefs_\[0\]` must be .* shape \(5, 3\)"),
    "another number of outputs": ("sgd", ("n_outputs_",), 2, "`n_outputs_` must be an integer from 1 to 1"),
    "too many classes": ("adam", ("classes_",), np.arange(4), r"`classes_` has 4 classes .* the network 3 output\(s\)"),
    "another kind of classes": ("adam", ("_labels", "kind"), "binary", "`classes_` has 3 classes"),
    "no classes": ("adam", ("classes_",), None, "`classes_` must be an array of classes, got NoneType None"),
    "nothing to draw an order from": (
        "many rows",
        ("_training", "state", "order", "shuffles"),
        None,
        "`_training.state.order.order` must be an array",
    ),
    "an unknown activation": (
        "adam",
        ("_training", "activation"),
        "elu",
        "`_training.activation` must be one of .*elu",
    ),
    "another output": ("adam", ("out_activation_",), "logistic", "`out_activation_` must be one of 'softmax'"),
    "moments of another network": (
        "adam",
        ("_training", "state", "moments"),
        np.zeros((2, 5)),
        r"`_training.state.moments` must be .* shape \(2, 27\)",
    ),
    "NaN moments": ("sgd", ("_training", "state", "moments"), np.full((1, 19), np.nan), "moments` has entries .* nan"),
    "an unknown optimiser": ("sgd", ("_training", "state", "name"), "newton", "`_training.state.name` must be one of"),
    "an unknown state": ("sgd", ("_training", "state", "kind"), "bfgs", "`_training.state.kind` must be one of"),
    "rows out of range": (
        "sgd",
        ("_training", "state", "order", "order"),
        np.arange(40) + 1,
        "`_training.state.order.order` has entries that cannot be, such as 40",
    ),
    "a row twice": (
        "sgd",
        ("_training", "state", "order", "order"),
        np.zeros(40, int),
        "`_training.state.order.order` has a row more than once",
    ),
    "a position behind the key": (
        "sgd",
        ("_training", "random_state", "state", "pos"),
        625,
        "`_training.random_state.state.pos` must be an integer from 0 to 624",
    ),
    "a short key": (
        "sgd",
        ("_training", "random_state", "state", "key"),
        np.zeros(3, np.uint32),
        "`_training.random_state.state.key` must be",
    ),
    "shuffles for ever": (
        "many rows",
        ("_training", "state", "order", "shuffles", 0, 1),
        10**12,
        "`_training.state.order.shuffles` must be 400 at most",
    ),
    "links of another swarm": (
        "swarm",
        ("_training", "state", "links"),
        np.ones((2, 2), bool),
        r"`_training.state.links` must be .* shape \(4, 4\)",
    ),
    "links that are numbers": (
        "swarm",
        ("_training", "state", "links"),
        np.full((4, 4), 40),
        "`_training.state.links` must be an array of bool",
    ),
    "a neighbour out of range": (
        "swarm",
        ("_training", "state", "neighbourhood_best"),
        np.full(4, 4),
        "`_training.state.neighbourhood_best` has entries that cannot be, such as 4",
    ),
    "a swarm of another network": (
        "swarm",
        ("_training", "state", "positions"),
        np.zeros((4, 5)),
        r"`_training.state.positions` must be .* shape \(4, 27\)",
    ),
    "an unknown parameter of the swarm": (
        "swarm",
        ("solver", "ParticleSwarm"),
        {"n_particle": 3},
        "`solver.ParticleSwarm` has no parameter 'n_particle'",
    ),
    "a curve of text": ("lbfgs", ("_training", "curves", "loss"), "abc", "`_training.curves.loss` must be"),
    "a negative number of samples": ("adam", ("_training", "n_samples"), -1.0, "`_training.n_samples` must be"),
    "a strength too many": (
        "adam",
        ("_training", "applied_rule", "rule", "alpha"),
        [1.0, 1.0, 1.0],
        "`_training.applied_rule.rule.alpha` must be a list of 2 numbers",
    ),
}


@pytest.mark.parametrize("case", BROKEN)
def test_a_broken_state_is_refused_by_name(case):
    name, path, leaf, message = BROKEN[case]
    net, _, _ = fitted(name)
    state = with_leaf(net.__getstate__(), path, leaf)
    with pytest.raises(ValueError, match=f"This saved {type(net).__name__} is broken: .*{message}"):
        load(net, state)


@pytest.mark.parametrize("name", NETWORKS)
def test_a_missing_part_is_refused_by_name(name):
    net, _, _ = fitted(name)
    whole = net.__getstate__()
    parts = [("_training",), ("coefs_",), ("n_features_in_",)] + [("_training", key) for key in whole["_training"]]
    for path in parts:
        state = copy.deepcopy(whole)
        inner = state
        for key in path[:-1]:
            inner = inner[key]
        del inner[path[-1]]
        with pytest.raises(ValueError, match=f"`{'.'.join(path)}` is missing"):
            load(net, state)


OF_TRAINING = ("coefs_", "intercepts_", "_training", "_labels", "n_layers_", "n_outputs_", "t_", "n_iter_")
HOSTILE = (None, "x", -1, 10**30, 10**400, np.nan, True, [], {}, np.zeros(0), np.full((2, 2), np.nan), object())


@pytest.mark.parametrize("name", NETWORKS)
def test_every_replaced_part_is_refused_or_can_be_trained_with(name):
    net, X, y = fitted(name)
    whole = net.__getstate__()
    refusals = []
    for path, _ in leaves(whole):
        if path[0] not in OF_TRAINING:
            continue
        for leaf in HOSTILE:
            try:
                other = load(net, with_leaf(whole, path, leaf))
            except ValueError as error:
                refusals.append(str(error))
                continue
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", ConvergenceWarning)
                other.set_params(warm_start=True).fit(X, y)
            assert np.isfinite(flat(other)).all(), (path, leaf)
    assert len(refusals) > 100
    assert all(re.match(rf"This saved {type(net).__name__} is broken: `\w", refusal) for refusal in refusals)
