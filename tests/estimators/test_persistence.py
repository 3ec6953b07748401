"""What is saved is plain data, comes back bit for bit, is checked part by part, and outlives its version."""

import copy
import pickle
import re
import warnings
from contextlib import suppress
from dataclasses import MISSING, fields, is_dataclass
from pathlib import Path

import joblib
import numpy as np
import pytest
import sklearn.exceptions
from cases import classes, fit, flat, regression
from sklearn.base import clone
from sklearn.model_selection import GridSearchCV
from sklearn.neural_network import MLPClassifier

from skl2net import L2NetClassifier, L2NetClassifierCV, L2NetRegressor, L2NetRegressorCV, NodeSweepCV, ParticleSwarm
from skl2net.engines import default_engine
from skl2net.estimators import persistence

DATA = Path(__file__).parents[1] / "data"
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
    "quantile": (L2NetRegressor(loss="quantile", quantile=0.9, **COMMON), XR, YR),
    "one class": (L2NetClassifier(**COMMON), X, np.zeros(40)),
    "multilabel": (L2NetClassifier(**COMMON), X, LABELS),
    "early stopping": (L2NetClassifier(early_stopping=True, validation_fraction=0.3, **COMMON), X, Y),
    "scoring": (L2NetRegressor(early_stopping=True, scoring="neg_mean_absolute_error", **COMMON), XR, YR),
    "pso": (L2NetRegressor(solver="pso", **COMMON), XR, YR),
    "swarm": (L2NetClassifier(solver=SWARM, **COMMON), X, Y),
    "stream": (L2NetRegressor((3,), random_state=np.random.RandomState(0), max_iter=4), XR, YR),
}
SEARCHES = {
    "classifier cv": (L2NetClassifierCV(solver="lbfgs", alphas=[0.1, 1.0], cv=2, **COMMON), X, Y),
    "regressor cv": (L2NetRegressorCV(alphas=[0.1, 1.0], cv=2, **COMMON), XR, YR),
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
@pytest.mark.filterwarnings("ignore:The sweep ended")
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
    if engine.name == "compiled" and engine.instruction_set == expected["instruction_set"]:
        np.testing.assert_array_equal(found, expected["predictions"])
    else:  # another order of the same sums
        eps = np.finfo(found.dtype).eps
        np.testing.assert_allclose(found, expected["predictions"], rtol=64 * eps, atol=64 * eps)
    assert net.l2_report().l2_mode == net.l2_mode
    if net.posterior:
        assert np.isfinite(net.predict(samples, return_std=True)[1]).all()
    elif hasattr(net, "partial_fit") and not net.early_stopping:  # and training goes on
        net.partial_fit(samples, net.predict(samples))
        assert np.isfinite(flat(net)).all()


@pytest.mark.parametrize("estimator", [L2NetClassifier(), NodeSweepCV(L2NetClassifier())])
def test_a_file_of_another_version_warns_as_scikit_learns_do(estimator, monkeypatch):
    saved = pickle.dumps(estimator)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        pickle.loads(saved)
    monkeypatch.setattr(persistence, "__version__", "99.0")
    with pytest.warns(
        sklearn.exceptions.InconsistentVersionWarning, match="of skl2net from version .* when using version 99.0"
    ):
        pickle.loads(saved)


def test_the_state_of_an_earlier_version_is_refused():
    state = L2NetClassifier().__getstate__()
    del state["_skl2net_version"]
    with pytest.raises(ValueError, match=r"not saved by L2NetClassifier of skl2net 0\.2\.0 or later"):
        L2NetClassifier().__setstate__(state)


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
    "a field of a later version": ("adam", ("progress",), {"best_gradient": 0.0}, "unexpected .*'best_gradient'"),
    "no optimiser": ("adam", ("solver_state",), {"kind": "gradient"}, "missing .*'name', 'moments'"),
    "moments that are no array": ("adam", ("solver_state", "moments"), [0.0], "moments` must be of type ndarray"),
    "a count of text": ("sgd", ("t",), "many", "`_skl2net_training.t` must be of type int, got 'many'"),
    "a loss of text": ("sgd", ("loss",), "low", "`_skl2net_training.loss` must be of type float"),
    "more updates than can be counted": (
        "adam",
        ("solver_state", "n_updates"),
        2**63 - 1,
        r"must be from 0 to 2\*\*53",
    ),
    "an unknown state": ("sgd", ("solver_state", "kind"), "bfgs", "'bfgs'"),
    "another stream": ("sgd", ("random_state", "bit_generator"), "PCG64", "must be for a MT19937"),
    "a position behind the key": ("sgd", ("random_state", "state", "pos"), 625, "must be from 0 to 624, got 625"),
    "a short key": ("sgd", ("random_state", "state", "key"), np.zeros(3, np.uint32), "out of bounds"),
    "a curve of text": ("lbfgs", ("curves", "loss"), "abc", "cannot use a str"),
}


@pytest.mark.parametrize("case", BROKEN)
def test_a_part_of_another_type_is_refused_by_name(case):
    name, path, leaf, message = BROKEN[case]
    net, _, _ = fitted(name)
    state = with_leaf(net.__getstate__(), ("_skl2net_training", *path), leaf)
    with pytest.raises(ValueError, match=f"This saved {type(net).__name__} is broken: .*{message}"):
        load(net, state)


def test_an_unknown_parameter_of_the_swarm_is_refused_by_name():
    net, _, _ = fitted("swarm")
    with pytest.raises(ValueError, match=r"broken: .*'n_particle'"):
        load(net, with_leaf(net.__getstate__(), ("solver", "ParticleSwarm"), {"n_particle": 3}))


def without_leaf(value, path):
    """Plain data without one part."""
    if len(path) == 1:
        return {key: part for key, part in value.items() if key != path[0]}
    return {key: without_leaf(part, path[1:]) if key == path[0] else part for key, part in value.items()}


def fields_of(record, path):
    """The path of each field of a dataclass or named tuple and of those inside of it, and whether it has a default."""
    if is_dataclass(record):
        defaults = {f.name: f.default is not MISSING or f.default_factory is not MISSING for f in fields(record)}
    else:
        defaults = {name: name in record._field_defaults for name in record._fields}
    for name, has_default in defaults.items():
        yield (*path, name), has_default
        value = getattr(record, name)
        if is_dataclass(value) or hasattr(value, "_fields"):
            yield from fields_of(value, (*path, name))


@pytest.mark.parametrize("name", NETWORKS)
def test_a_missing_field_has_its_default_or_is_refused_by_name(name):
    net, X, y = fitted(name)
    whole = net.__getstate__()
    n_loaded = n_refused = 0
    for path, has_default in fields_of(net._training_state, ("_skl2net_training",)):
        if path[-1] == "parameters":  # in `coefs_` and `intercepts_`
            continue
        state = without_leaf(whole, path)
        if has_default:
            other = load(net, state)
            assert np.isfinite(flat(fit(other.set_params(warm_start=True), X, y))).all(), path
            n_loaded += 1
        else:
            with pytest.raises(ValueError, match=f"broken: .*missing .*'{path[-1]}'"):
                load(net, state)
            n_refused += 1
    assert n_loaded > 15
    assert n_refused > 5


@pytest.mark.parametrize("name", NETWORKS)
def test_a_missing_part_without_a_default_is_refused_by_name(name):
    net, _, _ = fitted(name)
    for path in (
        ("coefs_",),
        ("intercepts_",),
        ("n_features_in_",),
        ("_skl2net_network", "activation"),
        ("_skl2net_network", "loss"),
    ):
        with pytest.raises(ValueError, match=f"it has no '{path[-1]}'"):
            load(net, without_leaf(net.__getstate__(), path))


@pytest.mark.parametrize("part", ["activation", "loss"])
def test_an_unknown_function_is_refused_by_name(part):
    net, _, _ = fitted("adam")
    with pytest.raises(ValueError, match="broken: it has no 'swish'"):
        load(net, with_leaf(net.__getstate__(), ("_skl2net_network", part), "swish"))


OF_TRAINING = (
    "coefs_", "intercepts_", "_skl2net_training", "_skl2net_network", "_skl2net_labels", "n_layers_", "n_outputs_",
)  # fmt: skip
HOSTILE = (
    None, "x", -1, 10**6, 2**63 - 1, 10**30, 10**400, np.nan, True, [], {},
    np.array(1.0), np.zeros(0), np.full((2, 2), np.nan), np.full(4, 10**9), object(),
)  # fmt: skip


@pytest.mark.parametrize("name", ["lbfgs", "sgd", "adam", "multilabel", "early stopping", "swarm", "stream"])
@pytest.mark.filterwarnings("ignore")
def test_no_replaced_part_crashes_the_engine(name):
    net, X, y = fitted(name)
    whole = net.__getstate__()
    n_refused = n_used = 0
    for path, _ in leaves(whole):
        if path[0] not in OF_TRAINING:
            continue
        for leaf in HOSTILE:
            try:
                other = load(net, with_leaf(whole, path, leaf))
            except ValueError:
                n_refused += 1
                continue
            for use in (lambda net: net.predict(X), lambda net: net.set_params(warm_start=True).fit(X, y)):
                with suppress(Exception):  # whatever Python says
                    use(other)
                    n_used += 1
    assert n_refused > 100
    assert n_used > 100


@pytest.mark.parametrize("name", EVERYTHING)
def test_a_missing_parameter_has_its_default(name):
    net, X, _ = fitted(name)
    whole, defaults = net.__getstate__(), type(net)().get_params(deep=False)
    for parameter in net.get_params(deep=False):
        other = load(net, without_leaf(whole, (parameter,)))
        assert str(getattr(other, parameter)) == str(defaults[parameter])
        if hasattr(net, "coefs_"):
            np.testing.assert_array_equal(other.predict(X), net.predict(X))


@pytest.mark.parametrize("estimator", [L2NetClassifier(), L2NetRegressorCV()])
def test_parameters_of_a_later_version_are_refused_by_name(estimator):
    state = estimator.__getstate__()
    state |= {"_skl2net_parameters": [*state["_skl2net_parameters"], "later"], "later": False}
    with pytest.raises(ValueError, match=r"was saved by skl2net .* with parameters that .* does not have: later"):
        load(estimator, state)


# --- what users have set ----------------------------------------------------------------------------------------------


def halve_precision_of_weights(net):
    net.coefs_ = [coef.astype(np.float32) for coef in net.coefs_]


def halve_precision_of_one(net):
    net.intercepts_[0] = net.intercepts_[0].astype(np.float32)


def replace_lists_by_tuples(net):
    net.coefs_, net.intercepts_ = tuple(net.coefs_), tuple(net.intercepts_)


def remove_units(net):
    net.coefs_ = [net.coefs_[0][:, 1:], net.coefs_[1][1:]]
    net.intercepts_[0] = net.intercepts_[0][1:]


@pytest.mark.parametrize("way", COPIES)
@pytest.mark.parametrize("name", ["lbfgs", "sgd", "adam", "swarm"])
@pytest.mark.parametrize(
    "edit", [halve_precision_of_weights, halve_precision_of_one, replace_lists_by_tuples, remove_units]
)
def test_weights_that_users_have_replaced_come_back(edit, name, way):
    net, X, _ = fitted(name)
    edit(net)
    other = COPIES[way](net)
    np.testing.assert_array_equal(other.predict_proba(X), net.predict_proba(X))
    for theirs, ours in zip((*other.coefs_, *other.intercepts_), (*net.coefs_, *net.intercepts_), strict=True):
        np.testing.assert_array_equal(theirs, ours)


def spoil_a_weight(net):
    net.coefs_[0][0, 0] = np.nan


def remove_a_layer(net):
    net.coefs_.pop()
    net.intercepts_.pop()


def rename_the_classes(net):
    net.classes_ = np.array(["high", "low", "low"])


@pytest.mark.parametrize("way", COPIES)
@pytest.mark.parametrize("edit", [spoil_a_weight, remove_a_layer, rename_the_classes])
def test_a_copy_of_a_network_that_a_user_has_damaged_does_what_the_original_does(edit, way):
    def answer(net):
        try:
            return net.predict(X).tolist()
        except ValueError as error:
            return str(error)

    net, _, _ = fitted("adam")
    edit(net)
    assert answer(COPIES[way](net)) == answer(net)


@pytest.mark.parametrize("name", ["sgd", "adam", "swarm"])
@pytest.mark.parametrize("way", [lambda net: net, copy.deepcopy])
def test_a_network_without_some_of_its_units_is_trained_further(name, way):
    net, X, y = fitted(name)
    remove_units(net)
    net = way(net).set_params(hidden_layer_sizes=(2,), warm_start=True)
    assert fit(net, X, y).coefs_[0].shape == (4, 2)


class NetWithNames(L2NetClassifier):
    """A subclass that has attributes of its own."""

    def __init__(self, hidden_layer_sizes=(3,), max_iter=4, random_state=0):
        super().__init__(hidden_layer_sizes, max_iter=max_iter, random_state=random_state)
        self._training, self._labels = False, ["a", "b"]


@pytest.mark.parametrize("way", COPIES)
@pytest.mark.parametrize("is_fitted", [False, True])
def test_names_of_a_subclass_clash_with_none_of_the_state(way, is_fitted):
    net = NetWithNames()
    if is_fitted:
        fit(net, X, Y)
    other = COPIES[way](net)
    assert (other._training, other._labels) == (False, ["a", "b"])
    if is_fitted:
        np.testing.assert_array_equal(other.predict_proba(X), net.predict_proba(X))
        np.testing.assert_array_equal(other.predict(X), net.predict(X))


def test_names_of_a_subclass_clash_with_none_of_the_methods():
    net = NetWithNames(max_iter=20)
    for name in ("truth", "output", "accuracy", "classes"):
        setattr(net, f"_{name}", name)
    early = {"early_stopping": True, "hidden_layer_sizes": (3,), "max_iter": 20, "random_state": 0}
    labels = np.array(["a", "b", "c"])[Y]
    expected = fit(L2NetClassifier(**early), X, labels)
    net.early_stopping = True
    fit(net, X, labels)
    np.testing.assert_array_equal(net.predict(X), expected.predict(X))
    assert net.validation_scores_ == expected.validation_scores_
    assert (net._labels, net._truth) == (["a", "b"], "truth")
