"""What a fitted network is saved as: arrays, numbers, strings, and dictionaries and lists of them.

`plain` makes such a dictionary of the attributes of an estimator, and `restored` makes attributes of it again. The
training state is saved field by field: the fields and types of its dataclasses say what a file has, and the tables
below which values are valid. Each part is checked, and refused by its name: the file may be damaged, or have been made
by somebody else. `skl2net.estimators.base` calls `plain` and `restored` in ``__getstate__`` and ``__setstate__``, so
that pickle, joblib, skops and copies share one format. What users have set themselves is checked when it is saved too.

A parameter or field that a file lacks has its default, so that later versions can add some and still read the file.
`tests/data` has files of each release.
"""

import warnings
from contextlib import suppress
from dataclasses import MISSING, asdict, fields, is_dataclass
from functools import cache
from inspect import Parameter, signature
from numbers import Integral, Real
from types import NoneType, UnionType
from typing import get_args, get_type_hints

import numpy as np
from sklearn.exceptions import InconsistentVersionWarning
from sklearn.preprocessing import LabelBinarizer

from skl2net._version import __version__
from skl2net.activations import ACTIVATIONS
from skl2net.l2 import DECAYS, MODES, AppliedRule
from skl2net.losses import CLASSIFICATION_LOSSES, LOSSES, REGRESSION_LOSSES
from skl2net.network import Network
from skl2net.solvers.curves import Curve
from skl2net.solvers.gradient import GradientState
from skl2net.solvers.optimisers import SGD, Adam
from skl2net.solvers.swarm import ParticleSwarm, SwarmState
from skl2net.solvers.training_state import TrainingState

_VERSION, _PARAMETERS = "_skl2net_version", "_skl2net_parameters"
_LABELS, _NETWORK, _TRAINING = "_skl2net_labels", "_skl2net_network", "_skl2net_training"
_SWARM = "ParticleSwarm"
_KINDS = tuple(CLASSIFICATION_LOSSES["log_loss"])
_OPTIMISERS = {optimiser.name: optimiser for optimiser in (SGD, Adam)}
_SOLVER_STATES = {"gradient": GradientState, "swarm": SwarmState}

_FLOATS = (np.float32, np.float64)
_MOST = 2**53  # of what is counted: sums and floats of it are exact

# valid values of the fields of the training state, by name
_CHOICES = {
    "mode": MODES,
    "solver": (*_OPTIMISERS, "lbfgs", "pso"),
    "loss": tuple(LOSSES),
    "objective": ("mean loss", "own objective"),
    "name": tuple(_OPTIMISERS),
    "topology": ("global", "ring", "von_neumann", "random"),
    "seed": ("stream",),
}
_AT_MOST = {"n_reductions": 440, "momentum": 1, "beta_1": 1, "beta_2": 1}  # 5.0 ** 442 overflows
_ANY_NUMBER = ("loss", "data_loss", "best_loss", "reference_loss", "best_score")  # others are finite and not negative


def _not_nan(values):
    return ~np.isnan(values)


def _is_positive(values):
    return np.isfinite(values) & (values > 0)


def _is_index(values):
    return (values >= 0) & (values < len(values))


# shape, dtypes and valid entries of arrays; a length that has not been met before is free
_ARRAYS = {
    "moments": (("n_moments", "n_parameters"), _FLOATS, _not_nan),  # a square may be infinite in float32
    "order": (("n_rows",), (np.int32, np.int64), _is_index),
    "positions": (("n_particles", "n_parameters"), _FLOATS, np.isfinite),
    "velocities": (("n_particles", "n_parameters"), _FLOATS, np.isfinite),
    "best_positions": (("n_particles", "n_parameters"), _FLOATS, np.isfinite),
    "best_losses": (("n_particles",), (np.float64,), _not_nan),
    "best_data_losses": (("n_particles",), (np.float64,), _not_nan),
    "neighbourhood_best": (("n_particles",), (np.intp,), _is_index),
    "links": (("n_particles", "n_particles"), (np.bool_,), None),
    "mean": (("n_outputs",), (np.float64,), np.isfinite),
    "std": (("n_outputs",), (np.float64,), _is_positive),
    "last_layer": (("n_last",), _FLOATS, np.isfinite),
}
_LENGTHS_OF_CURVES = {"loss": "n_losses", "weight_norm": "n_losses", "data_loss": "n_losses"}
_LENGTHS_OF_CURVES |= dict.fromkeys(("validation_score", "validation_loss"), "n_validated")
_LENGTHS_OF_CURVES |= dict.fromkeys(("best", "lower_quartile", "median", "upper_quartile"), "n_iterations")


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


def with_header(state, kind):
    """A state with the version and the names of the parameters of the class."""
    return {**state, _VERSION: __version__, _PARAMETERS: kind._get_param_names()}


def plain(attributes, kind, *, is_classifier):
    """The attributes of an estimator of class `kind` as plain data. Those that a user has added are left as they are.

    Raises ValueError with the name of a part that `restored` would refuse: users may have replaced `coefs_` and others.
    """
    state = dict(attributes)
    for name in ("coefs_", "intercepts_"):
        if isinstance(state.get(name), tuple):
            state[name] = list(state[name])
    lists = [state[name] for name in ("coefs_", "intercepts_") if isinstance(state.get(name), list)]
    arrays = [array for arrays in lists for array in arrays if isinstance(array, np.ndarray)]
    if len({array.dtype for array in arrays}) > 1 and all(array.dtype in _FLOATS for array in arrays):
        for name in ("coefs_", "intercepts_"):  # as they are computed with
            state[name] = [array.astype(np.float64) for array in state[name]]
    solver = state.get("solver")
    if type(solver) is ParticleSwarm:
        state["solver"] = {_SWARM: solver.get_params(deep=False)}
    if "_training_state" in state:
        training = _plain(state.pop("_training_state"))
        del training["parameters"]
        n_parameters = sum(array.size for array in arrays)
        training["solver_state"] = _plain_solver_state(attributes["_training_state"].solver_state, n_parameters)
        state[_TRAINING] = training
        state[_NETWORK] = {"activation": state.pop("_activation"), "loss": state.pop("_loss").name}
    binarizer = state.pop("_label_binarizer", None)
    if binarizer is not None:
        state[_LABELS] = {"kind": binarizer.y_type_, "sparse": bool(binarizer.sparse_input_)}
    _checked(state, f"This {kind.__name__} cannot be saved: ", is_classifier)
    return with_header(state, kind)


def _plain(value):
    """A dataclass or named tuple, and all that it contains, as plain data."""
    names = _fields_of(type(value))
    if names:
        return {name: _plain(getattr(value, name)) for name in names}
    if isinstance(value, Curve):
        return np.array(value.tolist())
    if isinstance(value, np.random.RandomState):
        return value.get_state(legacy=False)
    if isinstance(value, np.random.Generator):
        return value.bit_generator.state
    return list(value) if isinstance(value, tuple) else value


def _plain_solver_state(state, n_parameters):
    """None if users have replaced layers by larger or smaller ones."""
    for kind, cls in _SOLVER_STATES.items():
        if isinstance(state, cls):
            arrays = state.positions if kind == "swarm" else state.moments
            return {"kind": kind, **_plain(state)} if arrays.shape[1] == n_parameters else None
    return None


@cache
def _fields_of(cls):
    """Whether each field of a dataclass or named tuple has a default, by name; empty for other classes."""
    if is_dataclass(cls):
        return {field.name: (field.default, field.default_factory) != (MISSING, MISSING) for field in fields(cls)}
    return {name: name in cls._field_defaults for name in getattr(cls, "_fields", ())}


_types_of = cache(get_type_hints)


def without_header(state, kind):
    """What `with_header` was given, with the defaults of parameters that the file lacks.

    Raises ValueError if there is no header or if the class lacks a parameter, and warns if another version saved it.
    """
    state, name, own = dict(state), kind.__name__, kind._get_param_names()
    if _VERSION not in state:
        raise ValueError(
            f"This state was not saved by {name} of skl2net 0.2.0 or later: it has no {_VERSION!r}. Fit the estimator "
            "again with this version, or load it with the version that saved it."
        )
    version, saved = str(state.pop(_VERSION)), state.pop(_PARAMETERS, ())
    unknown = sorted(set(map(str, saved)) - set(own)) if isinstance(saved, list) else ()
    if unknown:
        raise ValueError(
            f"This {name} was saved by skl2net {version} with parameters that skl2net {__version__} does not have: "
            f"{', '.join(unknown)}. Load it with the version that saved it."
        )
    if version != __version__:
        warnings.warn(SavedVersionWarning(name, version, __version__))
    for key, parameter in signature(kind.__init__).parameters.items():
        if key in own and key not in state:
            if parameter.default is Parameter.empty:
                Fields(state, broken(name)).refuse(key, "is missing")
            state[key] = parameter.default
    return state


def restored(state, kind, *, is_classifier):
    """The attributes of an estimator from what `plain` returned.

    Raises ValueError with the name of a part that is missing or invalid.
    """
    return _checked(without_header(state, kind), broken(kind.__name__), is_classifier)


def broken(estimator):
    """The beginning of messages on a saved estimator."""
    return f"This saved {estimator} is broken: "


def _checked(state, message, is_classifier):
    attributes = dict(state)
    fields = Fields(attributes, message)
    if "feature_names_in_" in attributes:
        _check_feature_names(fields)
    if isinstance(attributes.get("solver"), dict):
        attributes["solver"] = _swarm_solver(fields)
    is_fitted = "coefs_" in attributes or _TRAINING in attributes  # a search without refit has classes only
    if is_classifier and (is_fitted or _LABELS in attributes):
        attributes["_label_binarizer"] = _label_binarizer(fields)
        del attributes[_LABELS]
    if not is_fitted:
        return attributes
    network, loss = _checked_network(fields)
    training = fields.fields(_TRAINING)
    del attributes[_NETWORK], attributes[_TRAINING]
    lengths = {"n_layers": network.n_layers, "n_parameters": network.n_parameters}
    lengths |= {"n_outputs": network.layer_sizes[-1], "n_last": (network.layer_sizes[-2] + 1) * network.layer_sizes[-1]}
    state = _record(training, TrainingState, lengths)
    if state.target_scale is not None and not loss.has_scale:
        training.refuse("target_scale", f"must be None for the loss {loss.name!r} of this estimator")
    # views of one vector again: they were saved one by one
    coefs, intercepts = network.unpack(network.pack(attributes["coefs_"], attributes["intercepts_"]))
    attributes.update(
        coefs_=coefs,
        intercepts_=intercepts,
        _activation=network.activation.name,
        _loss=loss,
        _training_state=state,
    )
    return attributes


def fault_of_classes(classes):
    """Why an array cannot be `classes_`; None if it can."""
    if not isinstance(classes, np.ndarray) or classes.ndim != 1 or len(classes) == 0:
        return f"must be an array of classes, got {_described(classes)}"
    with suppress(TypeError):  # no order
        if (classes <= classes).all() and (classes[:-1] < classes[1:]).all():
            return None
    return f"must be in strictly ascending order, got {classes.tolist()}"


class Fields:
    """The fields of a saved dictionary. Each is checked when it is read.

    Error messages begin with `message`, and call each field by its name after `prefix`.
    """

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
        return self.inside(key, dict(value))

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

    def number(self, key, *, low=-np.inf, high=np.inf):
        """A float; NaN and infinity are numbers where no lowest value is given."""
        value, number = self[key], None
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

    def array(self, key, shape, dtypes, allowed=None):
        """An array in C order; `allowed` says which of its entries are valid."""
        value = self[key]
        if not isinstance(value, np.ndarray) or value.dtype not in dtypes or value.shape != shape:
            names = " or ".join(np.dtype(dtype).name for dtype in dtypes)
            self.refuse(key, f"must be an array of {names} of shape {shape}, got {_described(value)}")
        value = np.ascontiguousarray(value)
        if allowed is not None and not allowed(value).all():
            self.refuse(key, f"contains invalid entries, such as {value[~allowed(value)].flat[0]}")
        return value


def _described(value):
    """A short description of what was found instead."""
    if isinstance(value, np.ndarray):
        return f"one of {value.dtype} of shape {value.shape}"
    text = repr(value)
    return f"{type(value).__name__} {text if len(text) < 60 else text[:50] + '...'}"


def _record(fields, cls, lengths):
    """A dataclass or named tuple from its fields. Those that are missing have their defaults, if they have any."""
    has_default, types = _fields_of(cls), _types_of(cls)
    for key in fields.values:
        if key not in has_default:
            fields.refuse(key, f"is unknown to skl2net {__version__}")
    values = {
        name: _value(fields, name, types[name], lengths)
        for name in has_default
        if name in fields.values or not has_default[name]
    }
    record = cls(**values)
    if cls in _CHECKS:
        _CHECKS[cls](fields, record)
    return record


def _value(fields, key, annotation, lengths):
    """The value of a field with this annotation. Counts and lengths of arrays are added to `lengths`."""
    kinds = get_args(annotation) if isinstance(annotation, UnionType) else (annotation,)
    if NoneType in kinds and fields[key] is None:
        return None
    if str in kinds and (int not in kinds or isinstance(fields[key], str)):
        return fields.choice(key, _CHOICES[key])
    kind = kinds[0]
    if kind is int:
        lengths[key] = fields.integer(key, high=_AT_MOST.get(key, _MOST))
        return lengths[key]
    if kind is float:
        return fields.number(key, low=-np.inf if key in _ANY_NUMBER else 0.0, high=_AT_MOST.get(key, np.inf))
    if kind is bool:
        return fields.boolean(key)
    if kind is Curve:
        return Curve(_array(fields, key, ((_LENGTHS_OF_CURVES[key],), (np.float64,), None), lengths).tolist())
    if kind is np.ndarray and key in _ARRAYS:
        return _array(fields, key, _ARRAYS[key], lengths)
    if kind is np.random.RandomState:
        return _random_state(fields.fields(key))
    if kind is np.random.Generator:
        return _generator(fields.fields(key))
    if kind == tuple[float, ...]:
        return _numbers(fields, key, lengths["n_layers"])
    if kind is dict:
        return fields.fields(key).values
    if kind is object:
        return _solver_state(fields, key, lengths)
    if not _fields_of(kind):
        fields.refuse(key, f"must be None, got {_described(fields[key])}")
    return _record(fields.fields(key), kind, lengths)


def _array(fields, key, description, lengths):
    names, dtypes, allowed = description
    found = np.shape(fields[key]) if isinstance(fields[key], np.ndarray) else ()
    for name, length in zip(names, found or (0,) * len(names), strict=False):
        lengths.setdefault(name, max(length, 1) if name == "n_particles" else length)
    return fields.array(key, tuple(lengths.get(name, 0) for name in names), dtypes, allowed)


def _numbers(fields, key, n):
    if not isinstance(fields[key], list) or len(fields[key]) != n:
        fields.refuse(key, f"must be a list of {n} numbers, got {_described(fields[key])}")
    numbers = fields.inside(key, dict(enumerate(fields[key])))
    return tuple(numbers.number(i, low=0.0) for i in range(n))


def _random_state(fields):
    """A `RandomState`. NumPy reads outside of the key if the position is not checked."""
    fields.choice("bit_generator", ("MT19937",))
    inner = fields.fields("state")
    random_state = np.random.RandomState(0)
    random_state.set_state(
        {
            "bit_generator": "MT19937",
            "state": {"key": inner.array("key", (624,), (np.uint32,)), "pos": inner.integer("pos", high=624)},
            "has_gauss": fields.integer("has_gauss", high=1),
            "gauss": fields.number("gauss"),
        }
    )
    return random_state


def _generator(fields):
    fields.choice("bit_generator", ("SFC64",))
    bits = np.random.SFC64(0)
    bits.state = {
        "bit_generator": "SFC64",
        "state": {"state": fields.fields("state").array("state", (4,), (np.uint64,))},
        "has_uint32": fields.integer("has_uint32", high=1),
        "uinteger": fields.integer("uinteger", high=2**32 - 1),
    }
    return np.random.Generator(bits)


def _solver_state(fields, key, lengths):
    if fields[key] is None:
        return None
    state = fields.fields(key)
    cls = _SOLVER_STATES[state.choice("kind", tuple(_SOLVER_STATES))]
    del state.values["kind"]
    if cls is GradientState:
        lengths["n_moments"] = _OPTIMISERS[state.choice("name", _CHOICES["name"])].n_moments
    return _record(state, cls, lengths)


def _check_gradient_state(fields, state):
    if state.order is not None and np.bincount(state.order).max(initial=0) > 1:
        fields.refuse("order", "has a row more than once")


def _check_applied_rule(fields, applied):
    solver, has_updates = applied.solver, applied.solver in _OPTIMISERS
    if applied.rule.mode in DECAYS and not has_updates:
        fields.refuse("rule.mode", f"cannot be {applied.rule.mode!r} with the solver {solver!r}, which has no updates")
    for name in ("learning_rate", "updates_per_epoch"):
        value = getattr(applied, name)
        if (value is None) == has_updates:
            expected = "a number" if has_updates else "None"
            fields.refuse(name, f"must be {expected} with the solver {solver!r}, got {_described(value)}")
    if applied.updates_per_epoch == 0:
        fields.refuse("updates_per_epoch", "must be at least 1, got 0")
    if applied.objective != "mean loss" and solver != "pso":
        fields.refuse("objective", f"must be 'mean loss' with the solver {solver!r}, got {applied.objective!r}")
    if has_updates:
        constants = _record(fields.inside("constants", applied.constants), _OPTIMISERS[solver], {})
        applied.constants.update(asdict(constants))
    elif applied.constants:
        fields.refuse("constants", f"must be empty with the solver {solver!r}, got {_described(applied.constants)}")


_CHECKS = {GradientState: _check_gradient_state, AppliedRule: _check_applied_rule}


def _checked_network(fields):
    """The network whose weights the fields have, and its loss."""
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
        layer = Fields({f"coefs_[{i}]": coef, f"intercepts_[{i}]": intercept}, fields.message)
        layer.array(f"coefs_[{i}]", (sizes[-1], n_units), dtypes, np.isfinite)
        layer.array(f"intercepts_[{i}]", (n_units,), dtypes, np.isfinite)
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
    functions = fields.fields(_NETWORK)
    loss = losses[functions.choice("loss", losses)]
    fields.choice("out_activation_", (loss.output.name,))
    return Network(tuple(sizes), ACTIVATIONS[functions.choice("activation", ACTIVATIONS)]), loss


def _check_feature_names(fields):
    names, shape = fields["feature_names_in_"], (fields.integer("n_features_in_", low=1),)
    is_array = isinstance(names, np.ndarray) and names.shape == shape
    if not is_array or not all(isinstance(name, str) for name in names):
        fields.refuse("feature_names_in_", f"must be an array of str of shape {shape}, got {_described(names)}")


def _label_binarizer(fields):
    """The encoder of the classes."""
    labels, classes = fields.fields(_LABELS), fields["classes_"]
    fault = fault_of_classes(classes)
    if fault is not None:
        fields.refuse("classes_", fault)
    binarizer = LabelBinarizer()
    binarizer.classes_, binarizer.y_type_ = classes, labels.choice("kind", _KINDS)
    binarizer.sparse_input_ = labels.boolean("sparse")
    return binarizer


def _swarm_solver(fields):
    """The particle swarm that was the parameter `solver`."""
    solver = fields.fields("solver")
    parameters = solver.fields(_SWARM)
    unknown = set(parameters.values) - set(ParticleSwarm._get_param_names())
    if unknown:
        solver.refuse(_SWARM, f"has no parameter {unknown.pop()!r}")
    return ParticleSwarm(**parameters.values)
