"""Converters for skl2onnx of what it lacks for the pipelines that `make_tabular_search` finds."""

import copy

import numpy as np
from skl2onnx import update_registered_converter, update_registered_parser
from skl2onnx._parse import _parse_sklearn_feature_union
from skl2onnx.common.data_types import (
    BooleanTensorType,
    FloatTensorType,
    Int64TensorType,
    StringTensorType,
    guess_proto_type,
    guess_tensor_type,
)
from skl2onnx.operator_converters.function_transformer import convert_sklearn_function_transformer
from skl2onnx.operator_converters.imputer_op import convert_sklearn_imputer
from skl2onnx.operator_converters.one_hot_encoder import convert_sklearn_one_hot_encoder
from skl2onnx.shape_calculators.function_transformer import calculate_sklearn_function_transformer_output_shapes
from skl2onnx.shape_calculators.imputer import calculate_sklearn_imputer_output_shapes
from skl2onnx.shape_calculators.one_hot_encoder import calculate_sklearn_one_hot_encoder_output_shapes
from sklearn.impute import MissingIndicator, SimpleImputer
from sklearn.pipeline import FeatureUnion
from sklearn.preprocessing import FunctionTransformer, OneHotEncoder, SplineTransformer, TargetEncoder

from skl2net import _sklearn_private
from skl2net.interchange.onnx_graph import Graph
from skl2net.model_selection.tabular import as_text

# ONNX has no missing strings, and the texts of truth values are numbers there.
_MISSING = ("None", "nan", "<NA>", "NaT")
_SAME = dict.fromkeys(_MISSING, _MISSING) | {"True": ("1",), "False": ("0",)}

_CASTS = {as_text: StringTensorType, np.float32: FloatTensorType}  # functions of a FunctionTransformer


def register():
    """Register the converters with skl2onnx. Those that replace one call it for what it supports."""
    update_registered_converter(SplineTransformer, "Skl2netSplines", _splines_shapes, _convert_splines)
    update_registered_converter(MissingIndicator, "Skl2netMissing", _missing_shapes, _convert_missing)
    update_registered_converter(SimpleImputer, "Skl2netImputer", _imputer_shapes, _convert_imputer)
    update_registered_converter(OneHotEncoder, "Skl2netOneHot", _one_hot_shapes, _convert_one_hot)
    for encoder in (TargetEncoder, _sklearn_private.TargetEncoder):
        update_registered_converter(encoder, "Skl2netTargets", _targets_shapes, _convert_targets)
    update_registered_converter(FunctionTransformer, "Skl2netFunction", _function_shapes, _convert_function)
    update_registered_parser(FeatureUnion, _parse_union)


def _set_output(operator, n_columns):
    """Set the type of the output to numbers in so many columns."""
    first = operator.inputs[0]
    operator.outputs[0].set_type(type(guess_tensor_type(first.type))([first.get_first_dimension(), n_columns]))


def _convert_splines(scope, operator, container):
    splines, graph = operator.raw_operator, Graph(scope, operator, container)
    if splines.degree != 1 or splines.extrapolation != "constant":
        raise NotImplementedError(
            f"SplineTransformer(degree={splines.degree}, extrapolation={splines.extrapolation!r}) cannot be converted "
            "to ONNX. Use degree=1 and extrapolation='constant'."
        )
    # a spline rises from 0 at `left` to 1 at `top` and falls to 0 at `right`; knots may coincide
    knots = np.stack([spline.t for spline in splines.bsplines_])
    first, second, last = knots[:, 1], knots[:, 2], knots[:, -2]
    left, top, right = knots[:, :-2], knots[:, 1:-1], knots[:, 2:]
    lowest = np.full_like(left, -np.inf)  # below its top, the first spline is constant
    lowest[:, 0] = np.where(first < second, first, -np.inf)
    if not splines.include_bias:
        left, top, right, lowest = left[:, :-1], top[:, :-1], right[:, :-1], lowest[:, :-1]
    X = graph.node("Reshape", graph.node("Min", graph.numbers(operator), last), np.array([-1, len(knots), 1]))
    X = graph.node("Max", X, lowest)
    rising = graph.node("Div", graph.node("Sub", X, left), np.where(left < top, top - left, 1.0))
    falling = graph.node("Div", graph.node("Sub", right, X), np.where(top < right, right - top, 1.0))
    below_top = graph.node("Where", graph.node("Less", X, left), 0.0, rising)
    above_top = graph.node("Where", graph.node("Less", X, right), falling, 0.0)
    B = graph.node("Where", graph.node("Less", X, top), below_top, above_top)
    graph.node("Reshape", B, np.array([-1, left.size]), output=operator.outputs[0].full_name)


def _splines_shapes(operator):
    _set_output(operator, operator.raw_operator.n_features_out_)


def _convert_missing(scope, operator, container):
    graph = Graph(scope, operator, container)
    _indicated(graph, operator.raw_operator, graph.numbers(operator), output=operator.outputs[0].full_name)


def _missing_shapes(operator):
    _set_output(operator, len(operator.raw_operator.features_))


def _indicated(graph, indicator, X, output=None):
    """Add what a fitted MissingIndicator says."""
    X = graph.node("Gather", X, indicator.features_, axis=1)
    return graph.cast(_is_missing(graph, X, indicator.missing_values), output=output)


def _is_missing(graph, X, missing_value):
    return graph.node("IsNaN", X) if np.isnan(missing_value) else graph.node("Equal", X, float(missing_value))


def _convert_imputer(scope, operator, container):
    imputer = operator.raw_operator
    if _has_strings(operator):
        convert_sklearn_imputer(scope, operator, container)
        return
    graph = Graph(scope, operator, container)
    X, values = graph.numbers(operator), imputer.statistics_.astype(float)
    filled = graph.node("Where", _is_missing(graph, X, imputer.missing_values), values, X)
    columns = [graph.node("Gather", filled, np.flatnonzero(~np.isnan(values)), axis=1)]
    if imputer.add_indicator:
        columns.append(_indicated(graph, imputer.indicator_, X))
    graph.node("Concat", *columns, axis=1, output=operator.outputs[0].full_name)


def _imputer_shapes(operator):
    if _has_strings(operator):
        calculate_sklearn_imputer_output_shapes(operator)
    else:
        _set_output(operator, len(operator.raw_operator.get_feature_names_out()))


def _has_strings(operator):
    return any(isinstance(variable.type, StringTensorType) for variable in operator.inputs)


def _convert_one_hot(scope, operator, container):
    encoder, graph = operator.raw_operator, Graph(scope, operator, container)
    if encoder.handle_unknown != "infrequent_if_exist":
        convert_sklearn_one_hot_encoder(scope, operator, container)
        return
    columns = zip(graph.columns(operator), encoder.categories_, _infrequent(encoder), strict=True)
    encoded = []
    for column, categories, infrequent in columns:
        is_infrequent = np.isin(_texts(categories), _texts(infrequent))
        n_frequent = int((~is_infrequent).sum())
        positions = np.where(is_infrequent, n_frequent, np.cumsum(~is_infrequent) - 1)
        position = _position(graph, column, categories, positions, unknown=n_frequent)
        known = np.arange(n_frequent + bool(len(infrequent)))
        encoded.append(graph.cast(graph.node("Equal", position, known)))
    graph.node("Concat", *encoded, axis=1, output=operator.outputs[0].full_name)


def _one_hot_shapes(operator):
    encoder = operator.raw_operator
    if encoder.handle_unknown != "infrequent_if_exist":
        calculate_sklearn_one_hot_encoder_output_shapes(operator)
    else:
        _set_output(operator, len(encoder.get_feature_names_out()))


def _infrequent(encoder):
    """The infrequent categories of each column, which share the last position."""
    found = getattr(encoder, "infrequent_categories_", [None] * len(encoder.categories_))
    return [() if categories is None else categories for categories in found]


def _convert_targets(scope, operator, container):
    encoder, graph = operator.raw_operator, Graph(scope, operator, container)
    n_targets = len(encoder.classes_) if encoder.target_type_ == "multiclass" else 1
    unknown = np.broadcast_to(encoder.target_mean_, n_targets)
    encoded = []
    for i, (column, categories) in enumerate(zip(graph.columns(operator), encoder.categories_, strict=True)):
        means = np.stack(encoder.encodings_[i * n_targets : (i + 1) * n_targets], axis=1)
        position = _position(graph, column, categories, np.arange(len(means)), unknown=len(means))
        position = graph.node("Reshape", position, np.array([-1]))
        encoded.append(graph.node("Gather", np.vstack([means, unknown]), position, axis=0))
    graph.node("Concat", *encoded, axis=1, output=operator.outputs[0].full_name)


def _targets_shapes(operator):
    _set_output(operator, len(operator.raw_operator.encodings_))


def _position(graph, column, categories, positions, *, unknown):
    """The position of the category of each row, or that of unknown categories."""
    name, kind = column
    if isinstance(kind, StringTensorType):
        texts = _texts(categories)
        known = {other: i for text, i in zip(texts, positions, strict=True) for other in _SAME.get(text, ())}
        known |= dict(zip(texts, positions, strict=True))
        keys, positions = {"keys_strings": list(known)}, np.array(list(known.values()))
    elif isinstance(kind, Int64TensorType | BooleanTensorType):
        name, keys = graph.cast(name, np.int64), {"keys_int64s": categories.astype(np.int64)}
    else:
        name, keys = graph.cast(name, np.float32), {"keys_floats": categories.astype(np.float32)}
    values = {"values_int64s": positions.astype(np.int64), "default_int64": unknown}
    return graph.node("LabelEncoder", name, op_domain="ai.onnx.ml", op_version=2, **keys, **values)


def _texts(categories):
    return [str(category) for category in categories]


def _convert_function(scope, operator, container):
    kind = _CASTS.get(operator.raw_operator.func)
    if kind is None:
        convert_sklearn_function_transformer(scope, operator, container)
        return
    (variable,), (output,) = operator.inputs, operator.outputs
    Graph(scope, operator, container).node(
        "Cast", variable.full_name, to=guess_proto_type(kind()), output=output.full_name
    )


def _function_shapes(operator):
    kind = _CASTS.get(operator.raw_operator.func)
    if kind is None:
        calculate_sklearn_function_transformer_output_shapes(operator)
    else:
        operator.outputs[0].set_type(kind(operator.inputs[0].type.shape))


def _parse_union(scope, model, inputs, custom_parsers=None):
    union = copy.copy(model)
    union.transformer_list = [(name, step) for name, step in model.transformer_list if not isinstance(step, str)]
    return _parse_sklearn_feature_union(scope, union, inputs, custom_parsers=custom_parsers)
