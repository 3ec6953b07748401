"""The documentation of what is public is complete: what it lists is what there is."""

import ast
import inspect
import re

import numpy as np
import pytest

import skl2net
from skl2net import L2NetClassifier, L2NetRegressor
from skl2net.solvers.base import Solver

PUBLIC = [getattr(skl2net, name) for name in skl2net.__all__]
ESTIMATORS = [L2NetClassifier, L2NetRegressor]

# What differs by nature between classes and real targets.
_DIFFERENT = {"hidden_layer_sizes", "loss", "validation_scores_", "best_validation_score_", "out_activation_"}


def _entries(obj, section):
    """Name -> (type, description) of a section of a numpydoc docstring."""
    body = inspect.getdoc(obj).partition(f"{section}\n{'-' * len(section)}\n")[2]
    body = re.split(r"\n\n[A-Z][\w ]+\n-{3,}\n", body)[0] + "\n"
    return {
        name: (kind, " ".join(description.split()))
        for names, kind, description in re.findall(
            r"^(?:\*\*)?(\w.*?) : (.*)\n((?:(?:    .*)?(?:\n|$))*)", body, flags=re.MULTILINE
        )
        for name in names.split(", ")
    }


@pytest.mark.parametrize("obj", PUBLIC, ids=lambda obj: obj.__name__)
def test_parameters_are_those_of_the_signature_with_its_defaults(obj):
    documented = _entries(obj, "Parameters")
    parameters = inspect.signature(obj).parameters
    assert list(documented) == list(parameters)
    for name, (kind, description) in documented.items():
        default = parameters[name].default
        assert description, name
        if default is not inspect.Parameter.empty:
            said = kind.partition("default=")[2]
            assert said.strip('"') == str(default) or ast.literal_eval(said) == default, name


@pytest.mark.parametrize("cls", ESTIMATORS)
@pytest.mark.parametrize("solver", ["sgd", "adam", "lbfgs", "pso"])
def test_attributes_are_those_of_a_fitted_estimator(cls, solver):
    pandas = pytest.importorskip("pandas")
    X = pandas.DataFrame(np.eye(8), columns=list("abcdefgh"))
    estimator = cls((3,), solver=solver, max_iter=1000, tol=0.1).fit(X, np.arange(8) % 2)
    fitted = {name for name in dir(estimator) if re.fullmatch(r"[^_](.*[^_])?_", name) and hasattr(estimator, name)}
    assert fitted == set(_entries(cls, "Attributes"))
    unfitted = cls()
    assert not [name for name in fitted if hasattr(unfitted, name)]
    assert not [name for name in fitted if not inspect.getdoc(getattr(cls, name, property(doc="an attribute")))]


@pytest.mark.parametrize("section", ["Parameters", "Attributes"])
def test_classifier_and_regressor_say_the_same(section):
    classifier, regressor = (_entries(cls, section) for cls in ESTIMATORS)
    shared = (classifier.keys() & regressor.keys()) - _DIFFERENT
    assert {name: classifier[name] for name in shared} == {name: regressor[name] for name in shared}


@pytest.mark.parametrize("cls", [obj for obj in PUBLIC if inspect.isclass(obj)], ids=lambda cls: cls.__name__)
def test_every_public_method_is_documented(cls):
    for name, method in inspect.getmembers(cls, inspect.isfunction):
        is_internal = name.startswith("_") or hasattr(Solver, name)  # what solvers do for `fit_network`
        if not is_internal and method.__module__.startswith("skl2net"):
            parameters = [p for p in inspect.signature(method).parameters if p != "self"]
            assert list(_entries(method, "Parameters")) == parameters, name
