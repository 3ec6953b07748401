"""What a fitted network is saved as: arrays, numbers, strings, and dictionaries, lists and tuples of them.

`plain` makes such a dictionary of the attributes of an estimator, and `restored` makes attributes of it again, which
checks every part by its name: the file may be damaged, or have been made by somebody else. `skl2net.estimators.base`
calls them in ``__getstate__`` and ``__setstate__``, so that pickle, joblib, skops and copies share one format.

The format is that of the release 0.2.0, and later versions read it. `tests/data` has files of it.
"""

import warnings
from contextlib import suppress
from dataclasses import asdict, dataclass
from numbers import Integral, Real

import numpy as np
from sklearn.exceptions import InconsistentVersionWarning
from sklearn.preprocessing import LabelBinarizer

from skl2net.l2 import MODES, AppliedRule, L2Rule
from skl2net.network import ACTIVATIONS, Network
from skl2net.solvers.curves import Curve, Curves
from skl2net.solvers.gradient import GradientState, RowOrder
from skl2net.solvers.optimisers import SGD, Adam
from skl2net.solvers.stopping import Progress
from skl2net.solvers.swarm import ParticleSwarm, SwarmState
from skl2net.solvers.swarm.flight import Spread

VERSION = "_skl2net_version"

_FLOATS = (np.float32, np.float64)
_PROGRESS = ("best_loss", "reference_loss", "best_score", "n_stalled")
_LABELS = "_labels"
_TRAINING = "_training"
_SWARM = "ParticleSwarm"
_OUTPUTS = {"binary": "logistic", "multiclass": "softmax", "multilabel-indicator": "logistic"}
_TOPOLOGIES = ("global", "ring", "von_neumann", "random")
_LOSSES = ("squared_error", "log_loss", "multilabel_log_loss", "poisson")
_N_MOMENTS = {optimiser.name: optimiser.n_moments for optimiser in (SGD, Adam)}


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
    solver = state.get("solver")
    if type(solver) is ParticleSwarm:
        state["solver"] = {_SWARM: solver.get_params(deep=False)}
    if "_continuation" in state:
        continuation = state.pop("_continuation")
        applied = state.pop("_applied_rule")
        state[_TRAINING] = {
            "activation": state.pop("_activation"),
            "applied_rule": None if applied is None else _plain_rule(applied),
            "state": _plain_state(continuation.state),
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


def _plain_rule(applied):
    return {**asdict(applied), "rule": {"mode": applied.rule.mode, "alpha": list(applied.rule.alpha)}}


def _plain_curves(curves):
    return {name: np.array(curve.tolist()) for name, curve in curves._asdict().items()}


def _plain_state(state):
    if state is None:
        return None
    if isinstance(state, GradientState):
        order = state.order.without_array()
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
        return {
            "kind": "swarm",
            **vars(state),
            "generator": state.generator.bit_generator.state,
            "spread": _plain_curves(state.spread),
        }
    raise TypeError(f"A state of type {type(state).__name__} cannot be saved.")


# --- loading ----------------------------------------------------------------------------------------------------------


def restored(state, estimator, *, is_classifier):
    """The attributes of an estimator, from the plain data of `plain`.

    Parameters
    ----------
    state : dict
    estimator : str
        Name of its class, for messages.
    is_classifier : bool

    Returns
    -------
    dict

    Raises
    ------
    ValueError
        If a part is missing or cannot be; the message has its name.
    """
    attributes = dict(state)
    fields = _Fields(attributes, f"This saved {estimator} is broken: ")
    if isinstance(attributes.get("solver"), dict):
        attributes["solver"] = _solver(fields)
    is_fitted = "coefs_" in attributes or _TRAINING in attributes  # a search without refit has classes only
    if is_classifier and (is_fitted or _LABELS in attributes):
        attributes["_label_binarizer"] = _label_binarizer(fields)
        del attributes[_LABELS]
    if not is_fitted:
        return attributes
    training = fields.fields(_TRAINING)
    network = _checked_network(fields, training)
    del attributes[_TRAINING]
    # views of one vector again: they were saved one by one
    coefs, intercepts = network.unpack(network.pack(attributes["coefs_"], attributes["intercepts_"]))
    attributes.update(
        coefs_=coefs,
        intercepts_=intercepts,
        _activation=network.activation,
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


class _Fields:
    """The fields of a saved dictionary. Each is checked when it is read."""

    def __init__(self, values, message, prefix=""):
        self.values, self.message, self.prefix = values, message, prefix

    def refuse(self, key, what):
        raise ValueError(f"{self.message}`{self.prefix}{key}` {what}.")

    def __getitem__(self, key):
        if key not in self.values:
            self.refuse(key, "is missing")
        return self.values[key]

    def fields(self, key):
        """A dictionary inside of this one."""
        value = self[key]
        if not isinstance(value, dict):
            self.refuse(key, f"must be a dictionary, got {_described(value)}")
        return self.inside(key, value)

    def inside(self, key, values):
        return _Fields(values, self.message, f"{self.prefix}{key}.")

    def choice(self, key, choices):
        value = self[key]
        if not isinstance(value, str) or value not in choices:
            self.refuse(key, f"must be one of {', '.join(map(repr, choices))}, got {_described(value)}")
        return value

    def integer(self, key, low=0, high=2**63 - 1):
        value = self[key]
        if not isinstance(value, Integral) or isinstance(value, bool) or not low <= value <= high:
            self.refuse(key, f"must be an integer from {low} to {high}, got {_described(value)}")
        return int(value)

    def number(self, key, *, low=-np.inf, optional=False):
        """A float, or None if `optional`; NaN and infinity are numbers where no lowest value is given."""
        value = self[key]
        if optional and value is None:
            return None
        number = None
        if isinstance(value, Real) and not isinstance(value, bool):
            with suppress(OverflowError):
                number = float(value)
        if number is None or (low > -np.inf and not low <= number < np.inf):
            limit = "" if low == -np.inf else f", finite and at least {low:g}"
            self.refuse(key, f"must be a number{limit}, got {_described(value)}")
        return number

    def boolean(self, key):
        value = self[key]
        if not isinstance(value, bool | np.bool_):
            self.refuse(key, f"must be True or False, got {_described(value)}")
        return bool(value)

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
    outputs = ("identity", "exp")
    if "_label_binarizer" in fields.values:
        kind, classes = fields["_label_binarizer"].y_type_, fields["classes_"]
        outputs = (_OUTPUTS[kind],)
        expected = (sizes[-1],) if kind != "binary" else (1, 2) if sizes[-1] == 1 else ()
        if len(classes) not in expected:
            fields.refuse("classes_", f"has {len(classes)} classes ({kind}), and the network {sizes[-1]} output(s)")
    for name in ("n_iter_", "t_"):
        fields.integer(name)
    for name in ("loss_", "data_loss_"):
        fields.number(name)
    for name in ("best_loss_", "best_validation_score_"):
        fields.number(name, optional=True)
    return Network(tuple(sizes), training.choice("activation", ACTIVATIONS), fields.choice("out_activation_", outputs))


def _label_binarizer(fields):
    """The encoder of the classes."""
    labels, classes = fields.fields(_LABELS), fields["classes_"]
    if not isinstance(classes, np.ndarray) or classes.ndim != 1 or len(classes) == 0:
        fields.refuse("classes_", f"must be an array of classes, got {_described(classes)}")
    binarizer = LabelBinarizer()
    binarizer.classes_, binarizer.y_type_ = classes, labels.choice("kind", tuple(_OUTPUTS))
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
    updates = fields["updates_per_epoch"]
    return AppliedRule(
        L2Rule(rule.choice("mode", MODES), tuple(alphas.number(i, low=0.0) for i in range(network.n_layers))),
        fields.choice("solver", ("sgd", "adam", "lbfgs", "pso")),
        n=fields.number("n", low=0.0),
        n_total=fields.number("n_total", low=0.0),
        loss=fields.choice("loss", _LOSSES),
        learning_rate=None if fields["learning_rate"] is None else fields.number("learning_rate", low=0.0),
        constants={
            name: constants.boolean(name) if name == "nesterov" else constants.number(name, low=0.0)
            for name in constants.values
        },
        updates_per_epoch=None if updates is None else fields.integer("updates_per_epoch", low=1),
        has_schedule=fields.boolean("has_schedule"),
        objective=fields.choice("objective", ("mean loss", "own objective")),
    )


def _state(training, network):
    if training["state"] is None:
        return None
    fields = training.fields("state")
    kind = fields.choice("kind", ("gradient", "swarm"))
    return _gradient_state(fields, network) if kind == "gradient" else _swarm_state(fields, network)


def _gradient_state(fields, network):
    name = fields.choice("name", tuple(_N_MOMENTS))
    # the square of a gradient can be infinite in float32
    moments = fields.array("moments", (_N_MOMENTS[name], network.n_parameters), _FLOATS, lambda m: ~np.isnan(m))
    return GradientState(
        name,
        moments,
        fields.integer("n_updates"),
        _row_order(fields.fields("order")),
        fields.number("learning_rate", low=0.0),
        fields.integer("n_reductions"),
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
    n = len(fields["best_losses"]) if isinstance(fields["best_losses"], np.ndarray) else 0
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
    n = len(fields["loss"]) if isinstance(fields["loss"], np.ndarray) else 0
    n_validated = len(fields["validation_loss"]) if isinstance(fields["validation_loss"], np.ndarray) else 0
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
