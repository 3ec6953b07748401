# cython: language_level=3
"""The compiled engine: the same as `skl2net.engines.reference`, in C.

This file only translates: it checks the arrays, hands their addresses to the kernels in `kernels/`, and lets go of the
GIL. The kernels choose the algorithm from the shapes:

- training, prediction, and full-batch evaluations of larger networks go through blocks of rows whose activations stay
  in the second-level cache, units in the SIMD lanes; a very large matrix product (`BLAS_WORK`) is left to scipy's BLAS,
  with its threads, and a smaller one is a register-blocked loop of our own;
- updates of one dense row (online training) need no gradient array: each weight is updated as its gradient is known;
- full-batch evaluations of dense data by networks whose layers have at most 32 units have rows in the SIMD lanes;
- a swarm moves, is evaluated and remembers its bests for many iterations in one call.

exp, tanh, logistic, log and log1p are vectorised and accurate to 4 units in the last place.
"""

from array import array
from dataclasses import replace

from cpython.buffer cimport PyBUF_C_CONTIGUOUS, PyBUF_WRITABLE, PyBuffer_Release, PyObject_GetBuffer
from cpython.pycapsule cimport PyCapsule_GetName, PyCapsule_GetPointer
from libc.stdint cimport int64_t

import numpy as np
from scipy.linalg import cython_blas
from sklearn.utils._openmp_helpers import _openmp_effective_n_threads

from skl2net.engines.interface import AdamStep, EpochTotals


cdef extern from "kernels/kernels.h" nogil:
    ctypedef int64_t index_t

    ctypedef struct network_t:
        index_t n_layers
        const index_t *sizes
        int activation, output, loss

    ctypedef struct data_t:
        index_t n_rows
        const void *values
        const void *indices
        const void *indptr
        int wide_indices, wide_indptr
        const void *targets
        const void *weights

    ctypedef struct run_t:
        index_t n_epochs, n_updates
        const index_t *order
        index_t order_stride
        const index_t *bounds
        const double *items
        const double *added
        const double *before
        const double *after
        index_t items_strides[2]
        index_t added_strides[3]
        index_t before_strides[3]
        index_t after_strides[3]
        int adam
        double learning_rate, momentum, beta_1, beta_2, epsilon
        int nesterov
        index_t t
        double *curves
        index_t n_done

    ctypedef struct bit_generator_t:
        pass

    int BOUNDARY_BOUNCE, BOUNDARY_CLAMP, BOUNDARY_REINITIALISE

    ctypedef struct flight_t:
        index_t n_particles, n_iterations
        void *positions
        void *velocities
        void *best_positions
        double *best_losses
        double *best_data_losses
        index_t *neighbourhood_best
        unsigned char *links
        bit_generator_t *generator
        index_t t
        const double *inertia
        double cognitive, social, velocity_clamp, low, high
        int fully_informed, boundary, n_informed, is_global
        const double *penalty
        double *curves
        index_t n_done

    ctypedef struct resources_t:
        void *sgemm
        void *dgemm
        int wide
        int n_threads

    ctypedef struct kernels_t:
        const char *target
        int (*run_updates)(const network_t *, const data_t *, run_t *, void *, void *, void *, const resources_t *) noexcept nogil
        int (*gradient)(const network_t *, const data_t *, const void *, double *, void *, const resources_t *) noexcept nogil
        int (*losses)(const network_t *, const data_t *, const void *, index_t, double *, const resources_t *) noexcept nogil
        int (*fly)(const network_t *, const data_t *, flight_t *, const resources_t *) noexcept nogil
        int (*outputs)(const network_t *, const data_t *, const void *, int, void *, const resources_t *) noexcept nogil
        void (*function)(int, const void *, void *, index_t) noexcept nogil

    int MAX_THREADS
    int n_targets()
    const kernels_t *kernels_float(int)
    const kernels_t *kernels_double(int)


name = "compiled"

_ACTIVATIONS = {"identity": 0, "logistic": 1, "tanh": 2, "relu": 3}
_OUTPUTS = {"identity": 0, "logistic": 1, "softmax": 2, "exp": 3}
_LOSSES = {"squared_error": 0, "log_loss": 1, "poisson": 2}
_BOUNDARIES = {"bounce": BOUNDARY_BOUNCE, "clamp": BOUNDARY_CLAMP, "reinitialise": BOUNDARY_REINITIALISE}
_FUNCTIONS = {"exp": 0, "tanh": 1, "logistic": 2, "log": 3, "log1p": 4}

cdef int _target = n_targets() - 1
cdef resources_t _resources


cdef int _find_blas() except -1:
    """Take scipy's gemm from its capsules, whose names are C signatures: they tell the width of BLAS's integers."""
    for kind in ("sgemm", "dgemm"):
        capsule = cython_blas.__pyx_capi__[kind]
        signature = PyCapsule_GetName(capsule)
        pointer = PyCapsule_GetPointer(capsule, signature)
        if kind == "sgemm":
            _resources.sgemm = pointer
        else:
            _resources.dgemm = pointer
        _resources.wide = signature.decode().split(",")[2].strip() != "int *"
    return 0


_find_blas()


cdef resources_t _resources_now():
    """BLAS, and as many threads as OpenMP would use, so that joblib and threadpoolctl limit ours too."""
    cdef resources_t resources = _resources
    resources.n_threads = min(_openmp_effective_n_threads(), MAX_THREADS)
    return resources


cdef resources_t _resources_without_blas():
    """Our own products alone: a swarm's way is the same for any number of threads, of which BLAS makes a difference."""
    cdef resources_t resources = _resources_now()
    resources.sgemm = resources.dgemm = NULL
    return resources


def instruction_sets():
    """Names of the instruction sets that this processor can run, the narrowest first; the last is the one in use."""
    return [kernels_float(i).target.decode() for i in range(n_targets())]


def _use_instruction_set(target):
    """Run another instruction set from now on, for tests: one of `instruction_sets()`."""
    global _target
    _target = instruction_sets().index(target)


def _function(function, x):
    """An elementary function as the kernels compute it, for tests."""
    x = np.ascontiguousarray(x)
    cdef object y = np.empty_like(x)
    _kernels(x.dtype).function(_FUNCTIONS[function], _address(x), _address(y, True), x.size)
    return y


def outputs(network, parameters, X, *, raw=False):
    """See `skl2net.engines.reference.outputs`."""
    cdef network_t c_network
    cdef data_t data
    sizes = _set_network(&c_network, network, "squared_error")
    parameters = _vector(parameters, network.n_parameters)
    kept = _set_data(&data, network, parameters.dtype, X, None, None)
    result = np.empty((X.shape[0], network.layer_sizes[-1]), dtype=parameters.dtype)
    cdef const kernels_t *kernels = _kernels(parameters.dtype)
    cdef const void *c_parameters = _address(parameters)
    cdef void *c_result = _address(result, True)
    cdef int c_raw = raw, failed
    cdef resources_t resources = _resources_now()
    with nogil:
        failed = kernels.outputs(&c_network, &data, c_parameters, c_raw, c_result, &resources)
    _check_memory(failed)
    return result


def loss_and_gradient(network, loss, parameters, X, Y, sample_weight=None):
    """See `skl2net.engines.reference.loss_and_gradient`."""
    cdef network_t c_network
    cdef data_t data
    sizes = _set_network(&c_network, network, loss)
    parameters = _vector(parameters, network.n_parameters)
    kept = _set_data(&data, network, parameters.dtype, X, Y, sample_weight)
    gradient = np.empty_like(parameters)
    cdef const kernels_t *kernels = _kernels(parameters.dtype)
    cdef const void *c_parameters = _address(parameters)
    cdef void *c_gradient = _address(gradient, True)
    cdef double value
    cdef resources_t resources = _resources_now()
    cdef int failed
    with nogil:
        failed = kernels.gradient(&c_network, &data, c_parameters, &value, c_gradient, &resources)
    _check_memory(failed)
    return value, gradient


def losses(network, loss, swarm, X, Y, sample_weight=None):
    """See `skl2net.engines.reference.losses`."""
    cdef network_t c_network
    cdef data_t data
    sizes = _set_network(&c_network, network, loss)
    swarm = np.ascontiguousarray(swarm)
    if swarm.ndim != 2 or swarm.shape[1] != network.n_parameters:
        raise ValueError(f"swarm must have shape (n, {network.n_parameters}), got {swarm.shape}.")
    kept = _set_data(&data, network, swarm.dtype, X, Y, sample_weight)
    values = np.empty(swarm.shape[0])
    cdef const kernels_t *kernels = _kernels(swarm.dtype)
    cdef const void *c_swarm = _address(swarm)
    cdef double *c_values = <double *>_address(values, True)
    cdef index_t n_vectors = swarm.shape[0]
    cdef resources_t resources = _resources_without_blas()
    cdef int failed
    with nogil:
        failed = kernels.losses(&c_network, &data, c_swarm, n_vectors, c_values, &resources)
    _check_memory(failed)
    return values


def fly(network, loss, swarm, X, Y, sample_weight, penalty, motion):
    """Iterate a swarm, see `skl2net.problem.Problem.fly`."""
    cdef network_t c_network
    cdef data_t data
    cdef flight_t flight
    sizes = _set_network(&c_network, network, loss)
    dtype = X.dtype
    kept = _set_data(&data, network, dtype, X, Y, sample_weight)
    cdef const kernels_t *kernels = _kernels(dtype)
    n, d = swarm.positions.shape
    flown = {
        "positions": _copy(swarm.positions, (n, network.n_parameters), dtype),
        "velocities": _copy(swarm.velocities, (n, d), dtype),
        "best_positions": _copy(swarm.best_positions, (n, d), dtype),
        "best_losses": _copy(swarm.best_losses, (n,), np.float64),
        "best_data_losses": _copy(swarm.best_data_losses, (n,), np.float64),
        "neighbourhood_best": _copy(swarm.neighbourhood_best, (n,), np.int64),
        "links": _copy(swarm.links, (n, n), np.uint8),
    }
    inertia = np.ascontiguousarray(motion.inertia, dtype=np.float64)
    penalty = _copy(penalty, (network.n_layers,), np.float64)
    curves = np.empty((len(inertia), 3))
    if n == 0 or not np.all((flown["neighbourhood_best"] >= 0) & (flown["neighbourhood_best"] < n)):
        raise ValueError(f"neighbourhood_best must hold numbers of the {n} particles.")
    flight.n_particles, flight.n_iterations = n, len(inertia)
    flight.positions = _address(flown["positions"], True)
    flight.velocities = _address(flown["velocities"], True)
    flight.best_positions = _address(flown["best_positions"], True)
    flight.best_losses = <double *>_address(flown["best_losses"], True)
    flight.best_data_losses = <double *>_address(flown["best_data_losses"], True)
    flight.neighbourhood_best = <index_t *>_address(flown["neighbourhood_best"], True)
    flight.links = <unsigned char *>_address(flown["links"], True)
    bit_generator = swarm.generator.bit_generator
    flight.generator = <bit_generator_t *>PyCapsule_GetPointer(bit_generator.capsule, "BitGenerator")
    flight.t = swarm.n_iterations
    flight.inertia = <const double *>_address(inertia)
    flight.cognitive, flight.social, flight.velocity_clamp = motion.cognitive, motion.social, motion.velocity_clamp
    flight.low, flight.high = motion.box
    flight.fully_informed = motion.variant == "fips"
    flight.boundary = _BOUNDARIES[motion.boundary]
    flight.n_informed = motion.n_informed
    flight.is_global = not motion.n_informed and swarm.links.all()
    flight.penalty = <const double *>_address(penalty)
    flight.curves = <double *>_address(curves, True)

    cdef resources_t resources = _resources_without_blas()
    cdef int failed
    with bit_generator.lock, nogil:
        failed = kernels.fly(&c_network, &data, &flight, &resources)
    _check_memory(failed)
    flown["neighbourhood_best"] = flown["neighbourhood_best"].astype(np.intp, copy=False)
    flown["links"] = flown["links"].view(np.bool_)
    return replace(swarm, n_iterations=flight.t, **flown), curves[: flight.n_done]


def run_updates(network, loss, state, X, Y, sample_weight, batches, numbers, step):
    """See `skl2net.engines.reference.run_updates`."""
    cdef network_t c_network
    cdef data_t data
    cdef run_t run
    sizes = _set_network(&c_network, network, loss)
    dtype = state.parameters.dtype
    kept = _set_data(&data, network, dtype, X, Y, sample_weight)
    cdef const kernels_t *kernels = _kernels(dtype)
    cdef void *parameters = _address(_in_place(state.parameters, network.n_parameters, dtype), True)
    cdef void *first = _address(_in_place(state.first, network.n_parameters, dtype), True)
    cdef void *second = NULL

    bounds = np.ascontiguousarray(batches.bounds, dtype=np.int64)
    run.bounds = <const index_t *>_address(bounds)
    run.n_epochs, run.n_updates = n_epochs, n_updates = batches.items.shape
    if bounds.shape[0] != n_updates + 1:
        raise ValueError(f"{n_updates} updates need {n_updates + 1} bounds, got {bounds.shape[0]}.")
    curves = np.empty((n_epochs, len(EpochTotals._fields)))
    run.curves = <double *>_address(curves, True)
    run.order = NULL
    order = None
    if batches.order is not None:
        order = np.ascontiguousarray(batches.order, dtype=np.int64)
        if order.ndim != 2 or order.shape[0] != n_epochs:
            raise ValueError(f"The order must have shape ({n_epochs}, n_rows), got {order.shape}.")
        run.order, run.order_stride = <const index_t *>_address(order), order.shape[1]
    shape = n_epochs, n_updates, network.n_layers
    cdef const double[:, :] items = batches.items
    cdef const double[:, :, :] added = _numbers(numbers.gradient, shape)
    cdef const double[:, :, :] before = _numbers(numbers.before, shape)
    cdef const double[:, :, :] after = _numbers(numbers.after, shape)
    run.items, run.added, run.before, run.after = &items[0, 0], &added[0, 0, 0], &before[0, 0, 0], &after[0, 0, 0]
    cdef int i
    for i in range(3):
        run.added_strides[i] = added.strides[i] // <index_t>sizeof(double)
        run.before_strides[i] = before.strides[i] // <index_t>sizeof(double)
        run.after_strides[i] = after.strides[i] // <index_t>sizeof(double)
    for i in range(2):
        run.items_strides[i] = items.strides[i] // <index_t>sizeof(double)

    run.learning_rate = step.learning_rate
    run.t = state.n_updates
    run.adam = isinstance(step, AdamStep)
    if run.adam:
        second = _address(_in_place(state.second, network.n_parameters, dtype), True)
        run.beta_1, run.beta_2, run.epsilon = step.beta_1, step.beta_2, step.epsilon
    else:
        run.momentum, run.nesterov = step.momentum, step.nesterov

    cdef resources_t resources = _resources_now()
    cdef int failed
    with nogil:
        failed = kernels.run_updates(&c_network, &data, &run, parameters, first, second, &resources)
    _check_memory(failed)
    state.n_updates = run.t
    return curves[: run.n_done]


cdef const kernels_t *_kernels(dtype) except NULL:
    if dtype == np.float32:
        return kernels_float(_target)
    if dtype == np.float64:
        return kernels_double(_target)
    raise TypeError(f"The compiled engine computes in float32 or float64, not in {dtype}.")


cdef void *_address(object array, bint writable=False) except? NULL:
    """Address of a C-ordered array's data, which stays where it is for as long as the caller holds the array."""
    cdef Py_buffer buffer
    PyObject_GetBuffer(array, &buffer, PyBUF_C_CONTIGUOUS | (PyBUF_WRITABLE if writable else 0))
    cdef void *address = buffer.buf
    PyBuffer_Release(&buffer)
    return address


def _vector(values, n):
    values = np.ascontiguousarray(values)
    if values.shape != (n,):
        raise ValueError(f"The parameter vector must have shape ({n},), got {values.shape}.")
    return values


def _copy(values, shape, dtype):
    if values.shape != shape:
        raise ValueError(f"The swarm needs arrays of shape {shape} here, got {values.shape}.")
    return np.array(values, dtype=dtype, order="C")


def _numbers(values, shape):
    if values.shape != shape:
        raise ValueError(f"The L2 numbers must have shape {shape}, got {values.shape}.")
    return values


def _in_place(values, n, dtype):
    if values.shape != (n,) or values.dtype != dtype or not values.flags.c_contiguous:
        raise ValueError(f"The state needs contiguous vectors of {n} {dtype}, got {values.shape} {values.dtype}.")
    return values


cdef object _set_network(network_t *c_network, network, loss):
    """Fill in the network; the caller holds on to the returned sizes for as long as it is used."""
    sizes = array("q", network.layer_sizes)
    c_network.n_layers = network.n_layers
    c_network.sizes = <const index_t *>_address(sizes)
    c_network.activation = _ACTIVATIONS[network.activation]
    c_network.output = _OUTPUTS[network.output]
    c_network.loss = _LOSSES[loss]
    return sizes


cdef object _set_data(data_t *data, network, dtype, X, Y, sample_weight):
    """Fill in the data; the caller holds on to the returned arrays for as long as they are used."""
    n_rows, n_features = X.shape
    if n_features != network.layer_sizes[0]:
        raise ValueError(f"X has {n_features} features, but the network expects {network.layer_sizes[0]}.")
    data.n_rows = n_rows
    data.indices = data.indptr = data.targets = data.weights = NULL
    data.wide_indices = data.wide_indptr = 0
    kept = []
    if hasattr(X, "indptr"):
        values = np.ascontiguousarray(X.data, dtype=dtype)
        indices, indptr = _indices(X.indices), _indices(X.indptr)
        data.indices, data.indptr = _address(indices), _address(indptr)
        data.wide_indices, data.wide_indptr = indices.itemsize == 8, indptr.itemsize == 8
        kept += [indices, indptr]
    else:
        values = np.ascontiguousarray(X, dtype=dtype)
    data.values = _address(values)
    kept.append(values)
    if Y is not None:
        if Y.shape != (n_rows, network.layer_sizes[-1]):
            raise ValueError(f"Y must have shape ({n_rows}, {network.layer_sizes[-1]}), got {Y.shape}.")
        Y = np.ascontiguousarray(Y, dtype=dtype)
        data.targets = _address(Y)
        kept.append(Y)
    if sample_weight is not None:
        if sample_weight.shape != (n_rows,):
            raise ValueError(f"sample_weight must have shape ({n_rows},), got {sample_weight.shape}.")
        sample_weight = np.ascontiguousarray(sample_weight, dtype=dtype)
        data.weights = _address(sample_weight)
        kept.append(sample_weight)
    return kept


def _indices(indices):
    return np.ascontiguousarray(indices, dtype=np.int64 if indices.dtype.itemsize == 8 else np.int32)


cdef int _check_memory(int failed) except -1:
    if failed:
        raise MemoryError("The compiled engine could not allocate its workspace.")
    return 0
