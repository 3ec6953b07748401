"""What a fitted network is saved as: arrays, numbers, strings, and dictionaries and lists of them.

`plain` makes such a dictionary of the attributes of an estimator, and `restored` makes attributes of it again; the
training state is saved field by field. `skl2net.estimators.base` calls them in ``__getstate__`` and ``__setstate__``,
so that pickle, joblib, skops and copies share one format. A file of which a part is missing, unknown or of another type
is refused by the name of the part; lengths, indices and values are checked by the engine, when it is given them.

A parameter or field that a file lacks has its default, so that later versions can add some and still read the file.
`tests/data` has files of each release.
"""

import warnings
from dataclasses import fields, is_dataclass
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
from skl2net.losses import CLASSIFICATION_LOSSES, REGRESSION_LOSSES
from skl2net.solvers.curves import Curve
from skl2net.solvers.gradient import GradientState
from skl2net.solvers.swarm import ParticleSwarm, SwarmState
from skl2net.solvers.training_state import TrainingState

_VERSION, _PARAMETERS = "_skl2net_version", "_skl2net_parameters"
_LABELS, _NETWORK, _TRAINING = "_skl2net_labels", "_skl2net_network", "_skl2net_training"
_SWARM = "ParticleSwarm"
_SOLVER_STATES = {"gradient": GradientState, "swarm": SwarmState}


def plain(attributes, kind):
    """The attributes of an estimator of class `kind` as plain data. Attributes that a user has added are unchanged."""
    state = dict(attributes)
    if type(state.get("solver")) is ParticleSwarm:
        state["solver"] = {_SWARM: state["solver"].get_params(deep=False)}
    if "_training_state" in state:
        state[_TRAINING] = _plain(state.pop("_training_state"))
        del state[_TRAINING]["parameters"]
        loss = state.pop("_loss")
        state[_NETWORK] = {"activation": state.pop("_activation"), "loss": loss.name, **vars(loss)}
    if "_label_binarizer" in state:
        binarizer = state.pop("_label_binarizer")
        state[_LABELS] = {"kind": binarizer.y_type_, "sparse": bool(binarizer.sparse_input_)}
    return {**state, _VERSION: __version__, _PARAMETERS: kind._get_param_names()}


def _plain(value):
    """A dataclass or named tuple, and all that it contains, as plain data."""
    names = _names_of_fields(type(value))
    if names:
        kind = [("kind", kind) for kind, cls in _SOLVER_STATES.items() if isinstance(value, cls)]
        return dict(kind, **{name: _plain(getattr(value, name)) for name in names})
    if isinstance(value, Curve):
        return np.array(value.tolist())
    if isinstance(value, np.random.RandomState):
        return value.get_state(legacy=False)
    if isinstance(value, np.random.Generator):
        return value.bit_generator.state
    return list(value) if isinstance(value, tuple) else value


@cache
def _names_of_fields(cls):
    """Names of the fields of a dataclass or named tuple; empty for other classes."""
    return [field.name for field in fields(cls)] if is_dataclass(cls) else getattr(cls, "_fields", ())


_types_of = cache(get_type_hints)


def _without_header(state, kind):
    """The attributes without version and names of parameters, with the defaults of parameters that the file lacks.

    Raises ValueError if there is no header or if the class lacks a parameter, and warns if another version saved it.
    """
    state, name, own = dict(state), kind.__name__, kind._get_param_names()
    if _VERSION not in state:
        raise ValueError(
            f"This state was not saved by {name} of skl2net 0.2.0 or later: it has no {_VERSION!r}. Fit the estimator "
            "again with this version, or load it with the version that saved it."
        )
    version, saved = state.pop(_VERSION), state.pop(_PARAMETERS, ())
    unknown = sorted(set(saved) - set(own))
    if unknown:
        raise ValueError(
            f"This {name} was saved by skl2net {version} with parameters that skl2net {__version__} does not have: "
            f"{', '.join(unknown)}. Load it with the version that saved it."
        )
    if version != __version__:
        warnings.warn(
            InconsistentVersionWarning(
                estimator_name=f"{name} of skl2net",
                current_sklearn_version=__version__,
                original_sklearn_version=version,
            )
        )
    for key, parameter in signature(kind.__init__).parameters.items():
        if key in own and parameter.default is not Parameter.empty:
            state.setdefault(key, parameter.default)
    return state


def restored(state, kind):
    """The attributes of an estimator from what `plain` returned."""
    state = _without_header(state, kind)
    try:
        if isinstance(state["solver"], dict):
            state["solver"] = ParticleSwarm(**state["solver"][_SWARM])
        losses = REGRESSION_LOSSES
        if _LABELS in state:
            labels, state["_label_binarizer"] = state.pop(_LABELS), LabelBinarizer()
            encoding = {"classes_": state["classes_"], "y_type_": labels["kind"], "sparse_input_": labels["sparse"]}
            vars(state["_label_binarizer"]).update(encoding)
            losses = {name: of_kinds[labels["kind"]] for name, of_kinds in CLASSIFICATION_LOSSES.items()}
        if _TRAINING in state:
            network = dict(state.pop(_NETWORK))
            loss, state["_activation"] = losses[network.pop("loss")], ACTIVATIONS[network.pop("activation")].name
            state["_loss"] = _record(network, type(loss), _NETWORK)
            state["_training_state"] = _record(state.pop(_TRAINING), TrainingState, _TRAINING)
            state["coefs_"], state["intercepts_"] = _views(state["coefs_"], state["intercepts_"])
            state |= {name: int(state[name]) for name in ("n_features_in_", "n_layers_", "n_outputs_")}
    except Exception as error:
        fault = f"it has no {error}" if isinstance(error, KeyError) else error
        raise ValueError(f"This saved {kind.__name__} is broken: {fault}.") from error
    return state


def _record(values, cls, name):
    """A dataclass or named tuple from its fields. What is missing has its default."""
    types = _types_of(cls)
    return cls(**{key: _value(values[key], types.get(key), f"{name}.{key}") for key in dict(values)})


def _value(value, annotation, name):
    """The value of a field with this annotation, None for an unknown field."""
    kind, *others = get_args(annotation) if isinstance(annotation, UnionType) else (annotation,)
    if value is None and (kind is object or NoneType in others):
        return None
    if kind is object:
        return _record({key: value[key] for key in value if key != "kind"}, _SOLVER_STATES[value["kind"]], name)
    if _names_of_fields(kind):
        return _record(value, kind, name)
    if kind in _READERS:
        return _READERS[kind](value)
    if kind is not None and not isinstance(value, tuple(_NUMBERS.get(one, one) for one in (kind, *others))):
        raise TypeError(f"`{name}` must be of type {kind.__name__}, got {value!r:.60}")
    if isinstance(value, Integral) and not 0 <= value <= 2**53:
        raise ValueError(f"`{name}` must be from 0 to 2**53, got {value!r:.60}")
    return value


def _random_state(state):
    if not 0 <= state["state"]["pos"] <= 624:  # NumPy would read outside of the key
        raise ValueError(f"the position of a random stream must be from 0 to 624, got {state['state']['pos']!r:.60}")
    random_state = np.random.RandomState(0)
    random_state.set_state(state)
    return random_state


def _generator(state):
    bits = np.random.SFC64(0)
    bits.state = state
    return np.random.Generator(bits)


_NUMBERS = {int: Integral, float: Real}
_READERS = {
    Curve: Curve,
    np.random.RandomState: _random_state,
    np.random.Generator: _generator,
    tuple[float, ...]: tuple,
}


def _views(coefs, intercepts):
    """Weights and biases as parts of one vector, which `Network.pack` need not copy."""
    arrays = [*map(np.asarray, (*coefs, *intercepts))]
    vector = np.concatenate([*map(np.ravel, arrays)])
    parts = np.split(vector, np.cumsum([array.size for array in arrays])[:-1])
    parts = [part.reshape(array.shape) for part, array in zip(parts, arrays, strict=True)]
    return parts[: len(coefs)], parts[len(coefs) :]
