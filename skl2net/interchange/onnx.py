"""Fitted networks as ONNX: converters for skl2onnx, which converts pipelines with them.

Those of the other steps of `make_tabular_search` are in `onnx_columns`.
"""

import numpy as np
from skl2onnx import update_registered_converter
from skl2onnx.common.data_types import (
    DoubleTensorType,
    FloatTensorType,
    Int64TensorType,
    StringTensorType,
    guess_tensor_type,
)
from skl2onnx.common.utils_classifier import get_label_classes

from skl2net.activations import ACTIVATIONS, OUTPUTS
from skl2net.estimators import L2NetClassifier, L2NetRegressor
from skl2net.interchange import onnx_columns
from skl2net.interchange.onnx_graph import Graph
from skl2net.model_selection import L2NetClassifierCV, L2NetRegressorCV

_CLASSIFIER_OPTIONS = {
    "zipmap": [True, False, "columns"],
    "output_class_labels": [False, True],
    "nocl": [True, False],
}


def register() -> None:
    """Register the estimators with skl2onnx, so that ``skl2onnx.to_onnx`` converts them, alone and in pipelines.

    Models of ONNX make the predictions of the estimators, up to rounding in the precision of their input. The options
    are those of scikit-learn's classifiers: ``zipmap``, ``output_class_labels`` and ``nocl``. For input in double
    precision, ``zipmap=True`` rounds the probabilities to single precision, the only one that ONNX has there. Class
    labels must be integers or strings.

    Registered too is what skl2onnx lacks for the pipeline that `make_tabular_search` finds: ``SplineTransformer`` with
    ``degree=1``, ``MissingIndicator``, ``OneHotEncoder`` with ``handle_unknown="infrequent_if_exist"``,
    ``TargetEncoder`` for three or more classes, ``SimpleImputer`` in double precision, of integers and with indicators,
    and a ``FeatureUnion`` with dropped steps. Missing strings, which ONNX lacks, are "None", "nan", "<NA>" or "NaT".

    Raises
    ------
    ImportError
        If skl2onnx is not installed.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn.datasets import load_iris
    >>> from sklearn.pipeline import make_pipeline
    >>> from sklearn.preprocessing import StandardScaler
    >>> from skl2onnx import to_onnx
    >>> from skl2net import L2NetClassifier
    >>> from skl2net.interchange.onnx import register
    >>> register()
    >>> X, y = load_iris(return_X_y=True)
    >>> model = make_pipeline(StandardScaler(), L2NetClassifier((10,), random_state=0)).fit(X, y)
    >>> exported = to_onnx(model, X[:1].astype(np.float32), options={"zipmap": False})
    >>> [output.name for output in exported.graph.output]
    ['label', 'probabilities']
    """
    for kind in (L2NetClassifier, L2NetClassifierCV):
        update_registered_converter(
            kind, f"Skl2net{kind.__name__}", _classifier_shapes, _convert_classifier, options=_CLASSIFIER_OPTIONS
        )
    for kind in (L2NetRegressor, L2NetRegressorCV):
        update_registered_converter(kind, f"Skl2net{kind.__name__}", _regressor_shapes, _convert_regressor)
    onnx_columns.register()


def _raw_outputs(graph, operator):
    """Add the layers of a network up to its raw outputs."""
    net = operator.raw_operator
    net._check_network()
    A = graph.numbers(operator)
    for i, (coef, intercept) in enumerate(zip(net.coefs_, net.intercepts_, strict=True)):
        if i:
            A = _values(graph, ACTIVATIONS[net._activation], A)
        A = graph.node("Gemm", A, coef, intercept)
    return A


def _values(graph, function, Z, output=None):
    """Add a function of units. Onnxruntime has softplus in single precision only: it is composed."""
    if function.onnx:
        return graph.node(function.onnx, Z, output=output)
    small = graph.node("Exp", graph.node("Neg", graph.node("Abs", Z)))
    return graph.node("Add", graph.node("Relu", Z), graph.node("Log", graph.node("Add", small, 1.0)))


def _convert_regressor(scope, operator, container):
    graph = Graph(scope, operator, container)
    raw = _raw_outputs(graph, operator)
    _values(graph, OUTPUTS[operator.raw_operator.out_activation_], raw, output=operator.outputs[0].full_name)


def _convert_classifier(scope, operator, container):
    net, graph = operator.raw_operator, Graph(scope, operator, container)
    labels, probabilities = (output.full_name for output in operator.outputs)
    raw = _raw_outputs(graph, operator)
    P = _values(graph, OUTPUTS[net.out_activation_], raw)
    lowest = np.finfo(graph.dtype).eps / 2 if len(net.classes_) > 1 else 1.0
    P = graph.node("Clip", P, lowest, max(1 - lowest, lowest))
    is_multilabel = _is_multilabel(net)
    if len(net.classes_) == 2 and not is_multilabel:
        P = graph.node("Concat", graph.node("Sub", 1.0, P), P, axis=1)
    graph.cast(P, _probability_type(operator), output=probabilities)
    if is_multilabel:
        graph.cast(graph.node("Greater", raw, 0.0), np.int64, output=labels)
        return
    if net.n_outputs_ > 1:
        number = graph.node("ArgMax", raw, axis=1, keepdims=0)
    else:  # of two classes; a single one has the number 0
        is_second = graph.node("Greater", raw, 0.0 if len(net.classes_) == 2 else np.inf)
        number = graph.node("Reshape", graph.cast(is_second, np.int64), np.array([-1]))
    graph.node("Gather", _labels(operator), number, output=labels)


def _regressor_shapes(operator):
    rows = operator.inputs[0].get_first_dimension()
    kind = type(guess_tensor_type(operator.inputs[0].type))
    operator.outputs[0].set_type(kind([rows, operator.raw_operator.n_outputs_]))


def _classifier_shapes(operator):
    net, rows = operator.raw_operator, operator.inputs[0].get_first_dimension()
    n_classes = len(net.classes_)
    kind = Int64TensorType if _labels(operator).dtype.kind == "i" else StringTensorType
    operator.outputs[0].set_type(kind([rows, n_classes] if _is_multilabel(net) else [rows]))
    kind = DoubleTensorType if _probability_type(operator) is np.float64 else FloatTensorType
    operator.outputs[1].set_type(kind([rows, n_classes]))


def _is_multilabel(net):
    return net._label_binarizer.y_type_.startswith("multilabel")


def _labels(operator):
    """The labels of the classes in ONNX, integers or strings."""
    classes = get_label_classes(operator.scope_inst, operator.raw_operator)
    if classes.dtype.kind in "OUS" and all(isinstance(label, str) for label in classes):
        return classes
    labels = classes.astype(np.int64) if classes.dtype.kind in "biuf" else None
    if labels is None or (labels != classes).any():
        raise ValueError(
            f"Labels must be integers or strings in ONNX, got classes_={classes.tolist()!r}. Fit with such labels, or "
            "pass options={'nocl': True} for the numbers of the classes."
        )
    return labels


def _probability_type(operator):
    """Numpy's type of the probabilities; the maps of ONNX have single precision only."""
    is_map = any(
        other.type == "SklearnZipMap" and any(variable is operator.outputs[1] for variable in other.inputs)
        for other in operator.scope_inst.operators.values()
    )
    is_double = isinstance(operator.inputs[0].type, DoubleTensorType)
    return np.float64 if is_double and not is_map else np.float32
