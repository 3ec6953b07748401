"""A graph of ONNX under construction by a converter of skl2onnx."""

import numpy as np
from onnx import TensorProto, numpy_helper
from skl2onnx.common.data_types import DoubleTensorType


class Graph:
    """The graph of a model, to which nodes are added.

    Parameters
    ----------
    scope, operator, container : object
        Arguments of a converter of skl2onnx.

    Attributes
    ----------
    dtype : type
        Numpy's type of the numbers, float64 if an input has it and float32 otherwise.
    """

    def __init__(self, scope, operator, container):
        self._scope, self._container = scope, container
        has_double = any(isinstance(variable.type, DoubleTensorType) for variable in operator.inputs)
        self.dtype = np.float64 if has_double else np.float32

    def node(self, kind, *inputs, output=None, **attributes):
        """Add a node and return the name of its output. Inputs are names or arrays; real numbers have the `dtype`."""
        names = [value if isinstance(value, str) else self._constant(value) for value in inputs]
        output = output or self._scope.get_unique_variable_name(kind.lower())
        self._container.add_node(kind, names, output, name=self._scope.get_unique_operator_name(kind), **attributes)
        return output

    def cast(self, name, dtype=None, output=None):
        """Convert a tensor to numbers of Numpy's `dtype`, by default that of the graph."""
        return self.node("Cast", name, output=output, to=_tensor_type(dtype or self.dtype))

    def columns(self, operator):
        """The columns of all inputs, tensors of shape (n_rows, 1), with their types in skl2onnx."""
        for variable in operator.inputs:
            for i in range(variable.type.shape[1]):
                yield self.node("Gather", variable.full_name, np.array([i]), axis=1), variable.type

    def numbers(self, operator):
        """All inputs, numbers of the `dtype`, side by side in one tensor."""
        names = [self.cast(variable.full_name) for variable in operator.inputs]
        return names[0] if len(names) == 1 else self.node("Concat", *names, axis=1)

    def _constant(self, value):
        array = np.asarray(value)
        if array.dtype.kind == "f":
            array = array.astype(self.dtype)
        name = self._scope.get_unique_variable_name("constant")
        if array.dtype.kind in "OUS":
            texts = [str(text).encode() for text in array.ravel()]
            self._container.add_initializer(name, TensorProto.STRING, array.shape, texts)
        else:
            tensor = numpy_helper.from_array(np.ascontiguousarray(array), name)
            self._container.add_initializer(name, tensor.data_type, array.shape, tensor)
        return name


def _tensor_type(dtype):
    return numpy_helper.from_array(np.empty(0, dtype)).data_type
