"""What a fitted network is saved as: arrays, numbers, strings, and dictionaries, lists and tuples of them.

`plain` makes such a dictionary of the attributes of an estimator, and `restored` makes attributes of it again, which
checks every part by its name: the file may be damaged, or have been made by somebody else. `skl2net.estimators.base`
calls them in ``__getstate__`` and ``__setstate__``, so that pickle, joblib, skops and copies share one format. What
users have set themselves is checked in ``__getstate__`` too, while the estimator still exists.

The format is that of the release 0.2.0, and later versions read it. `tests/data` has files of it.
"""

import warnings
from contextlib import suppress
from dataclasses import asdict, dataclass
from dataclasses import fields as dataclass_fields
from numbers import Integral, Real

import numpy as np
from sklearn.exceptions import InconsistentVersionWarning
from sklearn.preprocessing import LabelBinarizer

from skl2net.activations import ACTIVATIONS
from skl2net.l2 import DECAYS, MODES, AppliedRule, L2Rule
from skl2net.losses import CLASSIFICATION_LOSSES, LOSSES, REGRESSION_LOSSES
from skl2net.network import Network
from skl2net.solvers.curves import Curve, Curves
from skl2net.solvers.gradient import GradientState, RowOrder
from skl2net.solvers.optimisers import SGD, Adam
from skl2net.solvers.stopping import Progress
from skl2net.solvers.swarm import ParticleSwarm, SwarmState
from skl2net.solvers.swarm.state import Spread

VERSION = "_skl2net_version"

_FLOATS = (np.float32, np.float64)
_PROGRESS = ("best_loss", "reference_loss", "best_score", "n_stalled")
_LABELS = "_skl2net_labels"
_TRAINING = "_skl2net_training"
_SWARM = "ParticleSwarm"
_KINDS = tuple(CLASSIFICATION_LOSSES["log_loss"])
_TOPOLOGIES = ("global", "ring", "von_neumann", "random")
_OPTIMISERS = {optimiser.name: optimiser for optimiser in (SGD, Adam)}
_MOST = 2**53  # of what is counted: sums and floats of it are exact
_MOST_REDUCTIONS = 440  # 5.0 ** 442 overflows


@dataclass(frozen=True)
class Continuation:
    """What a warm start or `partial_fit` continues, besides the weights.

    Parameters
    ----------
    state : object
        `FitResult.state`.
    curves : Curves
    progress : Progress
    random_state : numpy.random.RandomState
        The random stream after the last fit.
    seed : int, None or "stream"
        The parameter `random_state` of that fit; "stream" for a `RandomState`.
    n_samples : float
        Number of samples of that fit; for `partial_fit`, of all calls so far.
    """

    state: object
    curves: Curves
    progress: Progress
    random_state: np.random.RandomState
    seed: int | str | None
    n_samples: float


class SavedVersionWarning(InconsistentVersionWarning):
    """Warns that an estimator was saved by another version; of scikit-learn's category for this."""

    def __init__(self, estimator, saved_by, loaded_by):
        super().__init__(estimator_name=estimator, current_sklearn_version=loaded_by, original_sklearn_version=saved_by)

    def __str__(self):
        return (
            f"This {self.estimator_name} was saved by skl2net {self.original_sklearn_version} and is loaded by skl2net "
            f"{self.current_sklearn_version}. Files of earlier versions, from 0.2.0 on, make the same predictions; "
            "those of later versions may not."
        )


def current_version():
    """The version of this installation."""
    import skl2net

    return skl2net.__version__


def take_version(state, estimator):
    """Remove the version from a saved state, and warn if it is another one."""
    if VERSION not in state:
        raise ValueError(
            f"This is no {estimator} saved by skl2net 0.2.0 or later: its state has no {VERSION!r}. Fit it again with "
            "this version, or load it with the version that saved it."
        )
    version = str(state.pop(VERSION))
    if version != current_version():
        warnings.warn(SavedVersionWarning(estimator, version, current_version()), stacklevel=3)


# --- saving -----------------------------------------------------------------------------------------------------------


def plain(attributes):
    """The attributes of an estimator as plain data.

    Parameters
    ----------
    attributes : dict
        Those of `BaseL2Net`; those that a user has added are left as they are.

    Returns
    -------
    dict
    """
    state = dict(attributes)
    for name in ("coefs_", "intercepts_"):
        if isinstance(state.get(name), tuple):
            state[name] = list(state[name])
    arrays = [array for name in ("coefs_", "intercepts_") for array in _arrays_in(state.get(name))]
    if len({array.dtype for array in arrays}) > 1 and all(array.dtype in _FLOATS for array in arrays):
        for name in ("coefs_", "intercepts_"):  # as they are computed with
            state[name] = [array.astype(np.float64) for array in state[name]]
    solver = state.get("solver")
    if type(solver) is ParticleSwarm:
        state["solver"] = {_SWARM: solver.get_params(deep=False)}
    if "_continuation" in state:
        continuation = state.pop("_continuation")
        applied = state.pop("_applied_rule")
        state[_TRAINING] = {
            "activation": state.pop("_activation"),
            "loss": state.pop("_loss").name,
            "applied_rule": None if applied is None else _plain_rule(applied),
            "state": _plain_state(continuation.state, sum(array.size for array in arrays)),
            "curves": _plain_curves(continuation.curves),
            "progress": {name: getattr(continuation.progress, name) for name in _PROGRESS},
            "random_state": continuation.random_state.get_state(legacy=False),
            "seed": continuation.seed,
            "n_samples": float(continuation.n_samples),
        }
    binarizer = state.pop("_label_binarizer", None)
    if binarizer is not None:
        state[_LABELS] = {"kind": binarizer.y_type_, "sparse": bool(binarizer.sparse_input_)}
    return state


def _arrays_in(value):
    return [array for array in value if isinstance(array, np.ndarray)] if isinstance(value, list) else []


def _plain_rule(applied):
    return {**asdict(applied), "rule": {"mode": applied.rule.mode, "alpha": list(applied.rule.alpha)}}


def _plain_curves(curves):
    return {name: np.array(curve.tolist()) for name, curve in curves._asdict().items()}


def _plain_state(state, n_parameters):
    if state is None:
        return None
    if isinstance(state, GradientState):
        if state.moments.shape[1] != n_parameters:  # users have replaced layers by larger or smaller ones
            return None
        order = state.order.stored()
        return {
            "kind": "gradient",
            "name": state.name,
            "moments": state.moments,
            "n_updates": state.n_updates,
            "order": {name: getattr(order, name) for name in ("n_rows", "order", "shuffles", "stream_after")},
            "learning_rate": state.learning_rate,
            "n_reductions": state.n_reductions,
        }
    if isinstance(state, SwarmState):
        if state.positions.shape[1] != n_parameters:
            return None
        return {
            "kind": "swarm",
            **vars(state),
            "generator": state.generator.bit_generator.state,
            "spread": _plain_curves(state.spread),
        }
    raise TypeError(f"A state of type {type(state).__name__} cannot be saved.")


def refuse_what_cannot_be_loaded(state, estimator, parameters, *, is_classifier):
    """Refuse a state that `restored` refuses: users may have replaced `coefs_`, `intercepts_` and other attributes.

    Parameters
    ----------
    state : dict
        As `plain` returns it.
    estimator, parameters, is_classifier
        See `restored`.

    Raises
    ------
    ValueError
        With the name of the part that cannot be.
    """
    _checked(state, f"This {estimator} cannot be saved: ", parameters, is_classifier)


# --- loading ----------------------------------------------------------------------------------------------------------


def restored(state, estimator, parameters, *, is_classifier):
    """The attributes of an estimator, from the plain data of `plain`.

    Parameters
    ----------
    state : dict
    estimator : str
        Name of its class, for messages.
    parameters : iterable of str
        Names of its parameters.
    is_classifier : bool

    Returns
    -------
    dict

    Raises
    ------
    ValueError
        If a part is missing or cannot be; the message has its name.
    """
    return _checked(state, broken(estimator), parameters, is_classifier)


def broken(estimator):
    """The beginning of messages on a saved estimator, by the name of its class."""
    return f"This saved {estimator} is broken: "


def _checked(state, message, parameters, is_classifier):
    attributes = dict(state)
    fields = Fields(attributes, message)
    fields.require(parameters)
    if "feature_names_in_" in attributes:
        _check_feature_names(fields)
    if isinstance(attributes.get("solver"), dict):
        attributes["solver"] = _solver(fields)
    is_fitted = "coefs_" in attributes or _TRAINING in attributes  # a search without refit has classes only
    if is_classifier and (is_fitted or _LABELS in attributes):
        attributes["_label_binarizer"] = _label_binarizer(fields)
        del attributes[_LABELS]
    if not is_fitted:
        return attributes
    training = fields.fields(_TRAINING)
    network, loss = _checked_network(fields, training)
    del attributes[_TRAINING]
    # views of one vector again: they were saved one by one
    coefs, intercepts = network.unpack(network.pack(attributes["coefs_"], attributes["intercepts_"]))
    attributes.update(
        coefs_=coefs,
        intercepts_=intercepts,
        _activation=network.activation.name,
        _loss=loss,
        _applied_rule=_applied_rule(training, network),
        _continuation=Continuation(
            _state(training, network),
            _curves(training.fields("curves")),
            _progress(training.fields("progress")),
            _random_state(training.fields("random_state")),
            _seed(training),
            training.number("n_samples", low=0.0),
        ),
    )
    return attributes


class Fields:
    """The fields of a saved dictionary. Each is checked when it is read.

    Parameters
    ----------
    values : dict
    message : str
        Beginning of the messages.
    prefix : str, default=""
        What comes before the names of the fields in messages.
    """

    def __init__(self, values, message, prefix=""):
        self.values, self.message, self.prefix = values, message, prefix

    def refuse(self, key, what):
        raise ValueError(f"{self.message}`{self.prefix}{key}` {what}.")

    def __getitem__(self, key):
        if key not in self.values:
            self.refuse(key, "is missing")
        return self.values[key]

    def require(self, keys):
        for key in keys:
            self[key]

    def fields(self, key):
        """A dictionary inside of this one."""
        value = self[key]
        if not isinstance(value, dict):
            self.refuse(key, f"must be a dictionary, got {_described(value)}")
        return self.inside(key, value)

    def inside(self, key, values):
        return Fields(values, self.message, f"{self.prefix}{key}.")

    def choice(self, key, choices):
        value = self[key]
        if not isinstance(value, str) or value not in choices:
            self.refuse(key, f"must be one of {', '.join(map(repr, choices))}, got {_described(value)}")
        return value

    def integer(self, key, low=0, high=_MOST):
        value = self[key]
        if not isinstance(value, Integral) or isinstance(value, bool) or not low <= value <= high:
            self.refuse(key, f"must be an integer from {low} to {high}, got {_described(value)}")
        return int(value)

    def number(self, key, *, low=-np.inf, high=np.inf, optional=False):
        """A float, or None if `optional`; NaN and infinity are numbers where no lowest value is given."""
        value = self[key]
        if optional and value is None:
            return None
        number = None
        if isinstance(value, Real) and not isinstance(value, bool):
            with suppress(OverflowError):
                number = float(value)
        if number is None or (low > -np.inf and not (low <= number <= high and number < np.inf)):
            limit = "" if low == -np.inf else f", finite and at least {low:g}"
            limit += "" if high == np.inf else f" and at most {high:g}"
            self.refuse(key, f"must be a number{limit}, got {_described(value)}")
        return number

    def boolean(self, key):
        value = self[key]
        if not isinstance(value, bool | np.bool_):
            self.refuse(key, f"must be True or False, got {_described(value)}")
        return bool(value)

    def list(self, key):
        """A list, as the fields of its positions."""
        value = self[key]
        if not isinstance(value, list):
            self.refuse(key, f"must be a list, got {_described(value)}")
        return self.inside(key, dict(enumerate(value)))

    def length(self, key):
        """Length of a vector; 0 of anything else, which `array` refuses then."""
        value = self[key]
        return len(value) if isinstance(value, np.ndarray) and value.ndim == 1 else 0

    def array(self, key, shape, dtypes, allowed=np.isfinite):
        """An array in C order; `allowed` says which of its entries can be."""
        return self.checked_array(key, self[key], shape, dtypes, allowed)

    def checked_array(self, key, value, shape, dtypes, allowed=None):
        if not isinstance(value, np.ndarray) or value.dtype not in dtypes or value.shape != shape:
            names = " or ".join(np.dtype(dtype).name for dtype in dtypes)
            self.refuse(key, f"must be an array of {names} of shape {shape}, got {_described(value)}")
        value = np.ascontiguousarray(value)
        if allowed is not None and not allowed(value).all():
            self.refuse(key, f"has entries that cannot be, such as {value[~allowed(value)].flat[0]}")
        return value


def _described(value):
    """A short description of what was found instead."""
    if isinstance(value, np.ndarray):
        return f"one of {value.dtype} of shape {value.shape}"
    text = repr(value)
    return f"{type(value).__name__} {text if len(text) < 60 else text[:50] + '...'}"


def _checked_network(fields, training):
    """The network whose weights the fields have."""
    coefs, intercepts = fields["coefs_"], fields["intercepts_"]
    for name, arrays in (("coefs_", coefs), ("intercepts_", intercepts)):
        if not isinstance(arrays, list) or not arrays:
            fields.refuse(name, f"must be a list of arrays, got {_described(arrays)}")
    if len(coefs) != len(intercepts):
        fields.refuse("intercepts_", f"has {len(intercepts)} arrays, and `coefs_` has {len(coefs)}")
    dtypes = tuple(dtype for dtype in _FLOATS if getattr(coefs[0], "dtype", None) == dtype) or _FLOATS
    sizes = [fields.integer("n_features_in_", low=1)]
    for i, (coef, intercept) in enumerate(zip(coefs, intercepts, strict=True)):
        n_units = max(1, coef.shape[1]) if isinstance(coef, np.ndarray) and coef.ndim == 2 else 1
        fields.checked_array(f"coefs_[{i}]", coef, (sizes[-1], n_units), dtypes, np.isfinite)
        fields.checked_array(f"intercepts_[{i}]", intercept, (n_units,), dtypes, np.isfinite)
        sizes.append(n_units)
    for name, expected in (("n_layers_", len(sizes)), ("n_outputs_", sizes[-1])):
        fields.integer(name, low=expected, high=expected)
    losses = REGRESSION_LOSSES
    if "_label_binarizer" in fields.values:
        kind, classes = fields["_label_binarizer"].y_type_, fields["classes_"]
        losses = {name: of_kinds[kind] for name, of_kinds in CLASSIFICATION_LOSSES.items()}
        expected = (sizes[-1],) if kind != "binary" else (1, 2) if sizes[-1] == 1 else ()
        if len(classes) not in expected:
            fields.refuse("classes_", f"has {len(classes)} classes ({kind}), and the network {sizes[-1]} output(s)")
    for name in ("n_iter_", "t_"):
        fields.integer(name)
    for name in ("loss_", "data_loss_"):
        fields.number(name)
    for name in ("best_loss_", "best_validation_score_"):
        fields.number(name, optional=True)
    loss = losses[training.choice("loss", losses)]
    fields.choice("out_activation_", (loss.output.name,))
    return Network(tuple(sizes), ACTIVATIONS[training.choice("activation", ACTIVATIONS)]), loss


def _check_feature_names(fields):
    names, shape = fields["feature_names_in_"], (fields.integer("n_features_in_", low=1),)
    is_array = isinstance(names, np.ndarray) and names.shape == shape
    if not is_array or not all(isinstance(name, str) for name in names):
        fields.refuse("feature_names_in_", f"must be an array of str of shape {shape}, got {_described(names)}")


def _label_binarizer(fields):
    """The encoder of the classes."""
    labels, classes = fields.fields(_LABELS), fields["classes_"]
    if not isinstance(classes, np.ndarray) or classes.ndim != 1 or len(classes) == 0:
        fields.refuse("classes_", f"must be an array of classes, got {_described(classes)}")
    binarizer = LabelBinarizer()
    binarizer.classes_, binarizer.y_type_ = classes, labels.choice("kind", _KINDS)
    binarizer.sparse_input_ = labels.boolean("sparse")
    return binarizer


def _applied_rule(training, network):
    if training["applied_rule"] is None:
        return None
    fields = training.fields("applied_rule")
    rule, constants = fields.fields("rule"), fields.fields("constants")
    alpha = rule["alpha"]
    if not isinstance(alpha, list) or len(alpha) != network.n_layers:
        rule.refuse("alpha", f"must be a list of {network.n_layers} numbers, got {_described(alpha)}")
    alphas = rule.inside("alpha", dict(enumerate(alpha)))
    mode, solver = rule.choice("mode", MODES), fields.choice("solver", (*_OPTIMISERS, "lbfgs", "pso"))
    has_updates = solver in _OPTIMISERS
    if not has_updates:
        if mode in DECAYS:
            rule.refuse("mode", f"cannot be {mode!r} with the solver {solver!r}, which has no updates")
        for name in ("learning_rate", "updates_per_epoch"):
            if fields[name] is not None:
                fields.refuse(name, f"must be None with the solver {solver!r}, got {_described(fields[name])}")
    expected = {field.name for field in dataclass_fields(_OPTIMISERS[solver])} if has_updates else set()
    if set(constants.values) != expected:
        found = _described(constants.values)
        fields.refuse("constants", f"must be those of the solver {solver!r}, {sorted(expected)}, got {found}")
    return AppliedRule(
        L2Rule(mode, tuple(alphas.number(i, low=0.0) for i in range(network.n_layers))),
        solver,
        n=fields.number("n", low=0.0),
        n_total=fields.number("n_total", low=0.0),
        loss=fields.choice("loss", LOSSES),
        learning_rate=fields.number("learning_rate", low=0.0) if has_updates else None,
        constants={name: _constant(constants, name) for name in constants.values},
        updates_per_epoch=fields.integer("updates_per_epoch", low=1) if has_updates else None,
        has_schedule=fields.boolean("has_schedule"),
        objective=fields.choice("objective", ("mean loss", "own objective") if solver == "pso" else ("mean loss",)),
    )


def _constant(constants, name):
    if name == "nesterov":
        return constants.boolean(name)
    return constants.number(name, low=0.0, high=np.inf if name == "epsilon" else 1.0)


def _state(training, network):
    if training["state"] is None:
        return None
    fields = training.fields("state")
    kind = fields.choice("kind", ("gradient", "swarm"))
    return _gradient_state(fields, network) if kind == "gradient" else _swarm_state(fields, network)


def _gradient_state(fields, network):
    name = fields.choice("name", tuple(_OPTIMISERS))
    # the square of a gradient can be infinite in float32
    shape = (_OPTIMISERS[name].n_moments, network.n_parameters)
    moments = fields.array("moments", shape, _FLOATS, lambda m: ~np.isnan(m))
    return GradientState(
        name,
        moments,
        fields.integer("n_updates"),
        _row_order(fields.fields("order")),
        fields.number("learning_rate", low=0.0),
        fields.integer("n_reductions", high=_MOST_REDUCTIONS),
    )


def _row_order(fields):
    n_rows, order, shuffles = fields.integer("n_rows"), fields["order"], fields["shuffles"]
    if order is not None:
        order = fields.array("order", (n_rows,), (np.intp,), lambda rows: (rows >= 0) & (rows < n_rows))
        if np.bincount(order, minlength=n_rows).max(initial=0) > 1:
            fields.refuse("order", "has a row more than once")
    if shuffles is not None:
        if not isinstance(shuffles, tuple) or not all(isinstance(pair, tuple) and len(pair) == 2 for pair in shuffles):
            fields.refuse("shuffles", f"must be a tuple of pairs, got {_described(shuffles)}")
        pairs = [fields.inside("shuffles", dict(zip(("stream", "n"), pair, strict=True))) for pair in shuffles]
        shuffles = tuple((_stream(pair.fields("stream")), pair.integer("n", low=1)) for pair in pairs)
        if order is None and sum(n for _, n in shuffles) > n_rows:
            fields.refuse("shuffles", f"must be {n_rows} at most, as many as rows")
    elif order is None:
        fields.refuse("order", "must be an array if there are no `shuffles` to draw it from, got None")
    stream_after = None if fields["stream_after"] is None else _stream(fields.fields("stream_after"))
    if shuffles and stream_after is None:
        fields.refuse("stream_after", "must be the random stream after the shuffles, got None")
    return RowOrder(n_rows, order, shuffles, stream_after)


def _stream(fields):
    """The state of a `RandomState`. NumPy reads outside of the key if the position is not checked."""
    fields.choice("bit_generator", ("MT19937",))
    inner = fields.fields("state")
    return {
        "bit_generator": "MT19937",
        "state": {"key": inner.array("key", (624,), (np.uint32,)), "pos": inner.integer("pos", high=624)},
        "has_gauss": fields.integer("has_gauss", high=1),
        "gauss": fields.number("gauss"),
    }


def _random_state(fields):
    random_state = np.random.RandomState(0)
    random_state.set_state(_stream(fields))
    return random_state


def _swarm_state(fields, network):
    n = fields.length("best_losses")
    shape = (max(n, 1), network.n_parameters)
    generator = fields.fields("generator")
    generator.choice("bit_generator", ("SFC64",))
    bits = np.random.SFC64(0)
    bits.state = {
        "bit_generator": "SFC64",
        "state": {"state": generator.fields("state").array("state", (4,), (np.uint64,))},
        "has_uint32": generator.integer("has_uint32", high=1),
        "uinteger": generator.integer("uinteger", high=2**32 - 1),
    }
    n_iterations, spread = fields.integer("n_iterations"), fields.fields("spread")
    return SwarmState(
        **{name: fields.array(name, shape, _FLOATS) for name in ("positions", "velocities", "best_positions")},
        best_losses=fields.array("best_losses", shape[:1], (np.float64,), lambda losses: ~np.isnan(losses)),
        best_data_losses=fields.array("best_data_losses", shape[:1], (np.float64,), lambda losses: ~np.isnan(losses)),
        neighbourhood_best=fields.array(
            "neighbourhood_best", shape[:1], (np.intp,), lambda best: (best >= 0) & (best < n)
        ),
        topology=fields.choice("topology", _TOPOLOGIES),
        links=fields.array("links", (n, n), (np.bool_,)),
        generator=np.random.Generator(bits),
        n_iterations=n_iterations,
        seed_mark=fields.integer("seed_mark"),
        spread=Spread(*(_curve(spread, name, n_iterations) for name in Spread._fields)),
    )


def _curves(fields):
    n, n_validated = fields.length("loss"), fields.length("validation_loss")
    lengths = dict.fromkeys(Curves._fields, n) | dict.fromkeys(("validation_score", "validation_loss"), n_validated)
    return Curves(*(_curve(fields, name, lengths[name]) for name in Curves._fields))


def _curve(fields, name, length):
    return Curve(fields.array(name, (length,), (np.float64,), allowed=None).tolist())


def _progress(fields):
    return Progress(
        best_loss=fields.number("best_loss", optional=True),
        reference_loss=fields.number("reference_loss"),
        best_score=fields.number("best_score", optional=True),
        n_stalled=fields.integer("n_stalled"),
    )


def _seed(fields):
    seed = fields["seed"]
    return seed if seed is None or (isinstance(seed, str) and seed == "stream") else fields.integer("seed")


def _solver(fields):
    """The particle swarm that was the parameter `solver`."""
    solver = fields.fields("solver")
    parameters = solver.fields(_SWARM)
    unknown = set(parameters.values) - set(ParticleSwarm._get_param_names())
    if unknown:
        solver.refuse(_SWARM, f"has no parameter {unknown.pop()!r}")
    return ParticleSwarm(**parameters.values)
