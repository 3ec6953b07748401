# cython: language_level=3
# cython: freethreading_compatible=True
"""The compiled engine: the same as `skl2net.engines.reference`, in C++.

This file only checks arguments, passes pointers to `kernels/`, and releases the GIL. Nothing that a kernel uses as an address or an index is trusted. The kernels choose the algorithm from the shapes:

- training, prediction, and full-batch evaluations of larger networks go through blocks of rows whose activations stay
  in the second-level cache, units in the SIMD lanes; matrix products are register-blocked loops of our own;
- updates of one dense row (online training) need no gradient array: each weight is updated as its gradient is known;
- full-batch evaluations of dense data by networks whose layers have at most 32 units have rows in the SIMD lanes;
- a swarm moves, is evaluated and remembers its bests for many iterations in one call;
- L-BFGS runs many iterations in one call, line searches included.

exp, tanh, logistic, softplus, log and log1p are vectorised and accurate to 4 units in the last place.
"""

import os
import threading
from array import array
from dataclasses import replace

from cpython.buffer cimport (
    PyBUF_C_CONTIGUOUS, PyBUF_FORMAT, PyBUF_STRIDED_RO, PyBUF_WRITABLE, PyBuffer_Release, PyObject_GetBuffer
)
from cpython.exc cimport PyErr_CheckSignals
from cpython.pycapsule cimport PyCapsule_GetPointer
from libc.stdint cimport int32_t, int64_t, uintptr_t
from libc.string cimport memset

import numpy as np

from skl2net._sklearn_private import openmp_effective_n_threads
from skl2net.engines import lbfgs
from skl2net.engines.base import Engine, EpochTotals, Session


cdef extern from "kernels/kernels.h" nogil:
    ctypedef int64_t index_t

    int N_BOUNDARIES, N_FUNCTIONS, N_OPTIMISERS, N_LBFGS_STATUSES
    const char *const *boundary_names
    const char *const *function_names
    const char *const *optimiser_names
    const char *const *lbfgs_status_names
    const int *n_moments_of
    enum:
        MAX_CONSTANTS, MAX_THREADS, LBFGS_PAIRS, NOT_FINITE, SHARED_WORK

    ctypedef struct network_t:
        index_t n_layers
        const index_t *sizes
        int activation, output, loss
        double slopes[2]

    ctypedef struct data_t:
        index_t n_rows
        const index_t *order
        const void *values
        const void *indices
        const void *indptr
        int wide_indices, wide_indptr
        index_t stored_per_row
        const void *targets
        const int32_t *classes
        const void *weights

    ctypedef struct layer_arrays_t:
        const void *weights
        const void *biases

    ctypedef struct strided_t:
        const double *values
        index_t strides[3]

    ctypedef struct updates_t:
        index_t n_epochs, n_updates
        const index_t *order
        index_t order_stride
        const index_t *bounds
        strided_t n_samples, penalty, decay_before, decay_after
        int optimiser
        double constants[MAX_CONSTANTS]
        strided_t learning_rate
        index_t t
        double *curves
        void *each
        index_t n_done

    ctypedef struct bit_generator_t:
        pass

    ctypedef struct swarm_t:
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
        int fully_informed, boundary, is_global
        index_t n_informed
        const double *penalty
        double *curves
        index_t n_done

    ctypedef struct lbfgs_trial_t:
        double *parameters
        double *gradient
        void *real_parameters
        void *real_gradient

    ctypedef struct lbfgs_t:
        double *parameters
        double *gradient
        double *steps
        double *changes
        double *curvatures
        double loss, scale
        index_t n_updates, n_iterations, n_evaluations
        int status
        double max_fun, gtol, ftol
        const double *penalty
        double *curves
        index_t n_wanted, n_done, enough
        double *direction
        lbfgs_trial_t trial

    ctypedef struct interruption_t:
        int (*is_wanted)(void *) noexcept nogil
        void *context
        index_t work
        double time
        int is_over

    ctypedef struct call_t:
        network_t network
        data_t data
        int n_threads
        interruption_t interruption

    ctypedef struct kernels_t:
        const char *instruction_set
        int (*run_updates)(call_t *, updates_t *, void *, void *) noexcept nogil
        int (*gradient)(call_t *, const void *, double *, void *) noexcept nogil
        int (*losses)(call_t *, const void *, index_t, double *) noexcept nogil
        int (*iterate_swarm)(call_t *, swarm_t *) noexcept nogil
        int (*iterate_lbfgs)(call_t *, lbfgs_t *) noexcept nogil
        int (*outputs)(call_t *, const void *, int, void *) noexcept nogil
        int (*predict)(call_t *, const layer_arrays_t *, int, void *) noexcept nogil
        void (*function)(int, const void *, void *, index_t) noexcept nogil
        int (*knows)(const network_t *) noexcept nogil

    int count_instruction_sets()
    const kernels_t *kernels_of(int, int)
    int are_within(const index_t *, index_t, index_t)
    int are_classes(const int32_t *, index_t, index_t)
    int are_bounds(const index_t *, index_t, index_t)
    int is_csr(const data_t *, index_t, index_t)
    int skl2net_get_num_threads()
    void skl2net_set_num_threads(int)


_FLOAT32 = np.dtype(np.float32)
_NO_MEMORY = "The compiled engine could not allocate its workspace."


cdef dict _numbers(const char *const *names, int n):
    return {names[i].decode(): i for i in range(n)}


_BOUNDARIES = _numbers(boundary_names, N_BOUNDARIES)
_FUNCTIONS = _numbers(function_names, N_FUNCTIONS)
_OPTIMISERS = _numbers(optimiser_names, N_OPTIMISERS)
_LBFGS_STATUSES = list(_numbers(lbfgs_status_names, N_LBFGS_STATUSES))

cdef int _instruction_set = count_instruction_sets() - 1


def instruction_sets():
    """Names of the instruction sets that this processor can run, the narrowest first; the last is the one in use."""
    return [kernels_of(i, 0).instruction_set.decode() for i in range(count_instruction_sets())]


def _use_instruction_set(name):
    """Run another instruction set from now on, for tests: one of `instruction_sets()`."""
    global _instruction_set
    _instruction_set = instruction_sets().index(name)


def _function(function, x):
    """An elementary function as the kernels compute it, for tests."""
    x = np.ascontiguousarray(x)
    cdef object y = np.empty_like(x)
    _kernels(x.dtype).function(_FUNCTIONS[function], _address(x), _address(y, True), x.size)
    return y


# no limit but the number of processors, so far, unless OpenMP has been told to use more
skl2net_set_num_threads(max(os.cpu_count() or 1, openmp_effective_n_threads()))


def effective_n_threads():
    """Number of threads that a task without `n_threads` gets, see `skl2net.engines.effective_n_threads`."""
    return min(openmp_effective_n_threads(), skl2net_get_num_threads())


cdef enum:
    MAX_PREDICT_LAYERS = 16
    LONG_WORK = 1 << 28  # multiplications that take a hundredth of a second or so


cdef const void *_plain_address(object array, int n_dimensions, char kind, index_t *n, index_t *m) except? NULL:
    """Address of the data of an array whose shape is stored in n and m; NULL without an exception if it has another
    type or number of dimensions, no columns, or is not contiguous or aligned."""
    cdef Py_buffer buffer
    cdef const void *address = NULL
    try:
        PyObject_GetBuffer(array, &buffer, PyBUF_C_CONTIGUOUS | PyBUF_FORMAT)
    except (BufferError, TypeError, ValueError):
        return NULL
    if (
        buffer.ndim == n_dimensions and buffer.format[0] == kind and buffer.format[1] == 0
        and <uintptr_t>buffer.buf % <uintptr_t>buffer.itemsize == 0 and buffer.shape[n_dimensions - 1] > 0
    ):
        n[0] = buffer.shape[0]
        if n_dimensions == 2:
            m[0] = buffer.shape[1]
        address = buffer.buf
    PyBuffer_Release(&buffer)
    return address


class CompiledSession(Session):
    """See `Session`."""

    def __init__(self, task):
        super().__init__(task)
        self._call = _Call(task)

    def outputs(self, parameters, *, raw=False):
        """See `Session.outputs`."""
        cdef _Call call = self._call
        held = call.begin(with_targets=False)
        result = np.empty((call.c.data.n_rows, self.task.network.layer_sizes[-1]), dtype=call.dtype)
        cdef const void *c_parameters = _address(call.vector(parameters))
        cdef void *c_result = _address(result, True)
        cdef int c_raw = raw, failed
        with nogil:
            failed = call.kernels.outputs(&call.c, c_parameters, c_raw, c_result)
        call.check(failed)
        return result

    def loss_and_gradient(self, parameters):
        """See `Session.loss_and_gradient`."""
        cdef _Call call = self._call
        held = call.begin()
        gradient = np.empty(call.n_parameters, dtype=call.dtype)
        cdef const void *c_parameters = _address(call.vector(parameters))
        cdef void *c_gradient = _address(gradient, True)
        cdef double value
        cdef int failed
        with nogil:
            failed = call.kernels.gradient(&call.c, c_parameters, &value, c_gradient)
        call.check(failed)
        return value, gradient

    def losses(self, vectors):
        """See `Session.losses`."""
        cdef _Call call = self._call
        held = call.begin()
        if vectors.ndim != 2 or vectors.shape[1] != call.n_parameters:
            raise ValueError(f"The vectors must have shape (n, {call.n_parameters}), got {vectors.shape}.")
        vectors = call.hold(vectors)
        values = np.empty(len(vectors))
        cdef const void *c_vectors = _address(vectors)
        cdef double *c_values = <double *>_address(values, True)
        cdef index_t n_vectors = len(vectors)
        cdef int failed
        with nogil:
            failed = call.kernels.losses(&call.c, c_vectors, n_vectors, c_values)
        call.check(failed)
        return values

    @property
    def epochs_per_call(self):
        """Largest number of epochs of a call of `run_updates`: for about 0.1 s, which Ctrl-C may take back."""
        return _per_call(_pass_time(self.task))

    def run_updates(self, state, batches, coefficients, optimiser, learning_rates, each=None):
        """See `Session.run_updates`."""
        cdef _Call call = self._call
        held = call.begin()
        cdef updates_t updates
        cdef int k
        updates.optimiser = _OPTIMISERS[optimiser.name]
        if len(optimiser.constants) > MAX_CONSTANTS:
            raise ValueError(f"An optimiser has {MAX_CONSTANTS} constants at most, got {optimiser.constants}.")
        for k in range(MAX_CONSTANTS):
            updates.constants[k] = 0
        for k, constant in enumerate(optimiser.constants):
            updates.constants[k] = constant
        cdef void *parameters = _address(_in_place(state.parameters, (call.n_parameters,), call.dtype), True)
        n_moments = n_moments_of[updates.optimiser]
        cdef void *moments = _address(_in_place(state.moments, (n_moments, call.n_parameters), call.dtype), True)
        updates.t = state.n_updates

        n_epochs, n_updates = batches.n_samples.shape
        curves = np.zeros((n_epochs, len(EpochTotals._fields)))
        if n_epochs == 0:
            return curves
        updates.n_epochs, updates.n_updates = n_epochs, n_updates
        updates.each = NULL
        if each is not None:
            updates.each = _address(_in_place(each, (n_epochs, call.n_parameters), call.dtype), True)
        updates.curves = <double *>_address(curves, True)
        updates.order, updates.order_stride = call.c.data.order, 0
        n_rows = call.c.data.n_rows
        if batches.order is not None:
            order = call.indices(batches.order)
            if order.ndim != 2 or len(order) != n_epochs:
                raise ValueError(f"The order must have shape ({n_epochs}, n_rows), got {order.shape}.")
            n_rows = order.shape[1]
            updates.order, updates.order_stride = <const index_t *>_address(order), n_rows
            if not are_within(updates.order, order.size, self.task.X.shape[0]):
                raise ValueError(f"The order must hold numbers of the {self.task.X.shape[0]} rows of X.")
        bounds = call.indices(batches.bounds)
        if bounds.shape != (n_updates + 1,):
            raise ValueError(f"{n_updates} updates need {n_updates + 1} bounds, got an array of shape {bounds.shape}.")
        updates.bounds = <const index_t *>_address(bounds)
        if not are_bounds(updates.bounds, n_updates, n_rows):
            raise ValueError(f"The bounds must rise from 0 or more to {n_rows} or less, the number of rows of an epoch.")
        call.set_strided(&updates.learning_rate, learning_rates, (n_epochs, n_updates), "learning_rates")
        call.set_strided(&updates.n_samples, batches.n_samples, (n_epochs, n_updates), "n_samples")
        shape = n_epochs, n_updates, len(self.task.network.layer_sizes) - 1
        call.set_strided(&updates.penalty, coefficients.penalty, shape, "penalty")
        call.set_strided(&updates.decay_before, coefficients.decay_before, shape, "decay_before")
        call.set_strided(&updates.decay_after, coefficients.decay_after, shape, "decay_after")

        cdef int failed
        with nogil:
            failed = call.kernels.run_updates(&call.c, &updates, parameters, moments)
        state.n_updates = updates.t
        call.check(failed)
        return curves[: updates.n_done]

    def iterate_swarm(self, swarm, penalty, motion):
        """See `Session.iterate_swarm`."""
        cdef _Call call = self._call
        held = call.begin()
        cdef swarm_t c_swarm
        n = len(swarm.positions)
        vectors = n, call.n_parameters
        moved = {
            "positions": _copy(swarm.positions, vectors, call.dtype, "positions"),
            "velocities": _copy(swarm.velocities, vectors, call.dtype, "velocities"),
            "best_positions": _copy(swarm.best_positions, vectors, call.dtype, "best_positions"),
            "best_losses": _copy(swarm.best_losses, (n,), np.float64, "best_losses"),
            "best_data_losses": _copy(swarm.best_data_losses, (n,), np.float64, "best_data_losses"),
            "neighbourhood_best": _copy(swarm.neighbourhood_best, (n,), np.int64, "neighbourhood_best"),
            "links": _copy(swarm.links, (n, n), np.bool_, "links"),
        }
        inertia = _copy(motion.inertia, (len(motion.inertia),), np.float64, "inertia")
        penalty = _copy(np.asarray(penalty), (call.c.network.n_layers,), np.float64, "penalty")
        curves = np.empty((len(inertia), 3 + n))
        c_swarm.n_particles, c_swarm.n_iterations = n, len(inertia)
        c_swarm.positions = _address(moved["positions"], True)
        c_swarm.velocities = _address(moved["velocities"], True)
        c_swarm.best_positions = _address(moved["best_positions"], True)
        c_swarm.best_losses = <double *>_address(moved["best_losses"], True)
        c_swarm.best_data_losses = <double *>_address(moved["best_data_losses"], True)
        c_swarm.neighbourhood_best = <index_t *>_address(moved["neighbourhood_best"], True)
        c_swarm.links = <unsigned char *>_address(moved["links"], True)
        if n == 0 or not are_within(c_swarm.neighbourhood_best, n, n):
            raise ValueError(f"neighbourhood_best must hold numbers of the {n} particles.")
        bit_generator = swarm.generator.bit_generator
        c_swarm.generator = <bit_generator_t *>PyCapsule_GetPointer(bit_generator.capsule, "BitGenerator")
        c_swarm.t = swarm.n_iterations
        c_swarm.inertia = <const double *>_address(inertia)
        c_swarm.cognitive, c_swarm.social, c_swarm.velocity_clamp = motion.cognitive, motion.social, motion.velocity_clamp
        c_swarm.low, c_swarm.high = motion.box
        c_swarm.fully_informed = motion.variant == "fips"
        c_swarm.boundary = _BOUNDARIES[motion.boundary]
        c_swarm.n_informed = motion.n_informed
        c_swarm.is_global = not motion.n_informed and moved["links"].all()
        c_swarm.penalty = <const double *>_address(penalty)
        c_swarm.curves = <double *>_address(curves, True)
        cdef int failed
        with bit_generator.lock, nogil:
            failed = call.kernels.iterate_swarm(&call.c, &c_swarm)
        call.check(failed)
        moved["neighbourhood_best"] = moved["neighbourhood_best"].astype(np.intp, copy=False)
        return replace(swarm, n_iterations=c_swarm.t, **moved), curves[: c_swarm.n_done]

    def minimise_by_lbfgs(self, parameters, penalty, limits, max_iter, report, n_per_report=1, bounds=lbfgs.UNBOUNDED):
        """See `Session.minimise_by_lbfgs`."""
        if bounds != lbfgs.UNBOUNDED:
            return super().minimise_by_lbfgs(parameters, penalty, limits, max_iter, report, bounds=bounds)
        state = lbfgs.first_state(self, parameters, penalty, limits)
        while state.status == "running" and state.n_iterations < max_iter:
            curves = self.iterate_lbfgs(state, penalty, limits, min(n_per_report, max_iter - state.n_iterations))
            if len(curves):
                report(state.parameters.astype(self.dtype), curves)
        return state.status

    def iterate_lbfgs(self, state, penalty, limits, n_iterations):
        """Some iterations of L-BFGS, at most `n_iterations` and about 0.1 s: loss, data loss and Σw² after each.

        If the call is interrupted, the `LBFGSState` is that of the last finished iteration.
        """
        cdef _Call call = self._call
        held = call.begin()
        cdef lbfgs_t c_state
        n, of_state = call.n_parameters, np.dtype(np.float64)
        c_state.parameters = <double *>_address(_in_place(state.parameters, (n,), of_state), True)
        c_state.gradient = <double *>_address(_in_place(state.gradient, (n,), of_state), True)
        c_state.steps = <double *>_address(_in_place(state.steps, (LBFGS_PAIRS, n), of_state), True)
        c_state.changes = <double *>_address(_in_place(state.changes, (LBFGS_PAIRS, n), of_state), True)
        c_state.curvatures = <double *>_address(_in_place(state.curvatures, (LBFGS_PAIRS,), of_state), True)
        c_state.loss, c_state.scale = state.loss, state.scale
        c_state.n_updates, c_state.n_iterations = state.n_updates, state.n_iterations
        c_state.n_evaluations = state.n_evaluations
        if state.status not in _LBFGS_STATUSES:
            raise ValueError(f"L-BFGS has no status {state.status!r}, only {', '.join(_LBFGS_STATUSES)}.")
        c_state.status = _LBFGS_STATUSES.index(state.status)
        if c_state.n_updates < 0:
            raise ValueError(f"L-BFGS cannot have remembered {state.n_updates} pairs.")
        c_state.max_fun, c_state.gtol, c_state.ftol = limits
        penalty = _copy(np.asarray(penalty), (call.c.network.n_layers,), np.float64, "penalty")
        c_state.penalty = <const double *>_address(penalty)
        per_call = _per_call(_pass_time(self.task) + 50 * n)  # the vectors of an iteration, too
        c_state.enough = c_state.n_evaluations + per_call
        c_state.n_wanted, c_state.n_done = max(0, min(n_iterations, per_call)), 0
        curves = np.empty((c_state.n_wanted, 3))
        c_state.curves = <double *>_address(curves, True)
        vectors, reals = np.empty((3, n)), np.empty((2, n), dtype=call.dtype)
        c_state.direction = <double *>_address(vectors[0], True)
        c_state.trial.parameters = <double *>_address(vectors[1], True)
        c_state.trial.gradient = <double *>_address(vectors[2], True)
        c_state.trial.real_parameters = _address(reals[0], True)
        c_state.trial.real_gradient = _address(reals[1], True)
        cdef int failed
        with nogil:
            failed = call.kernels.iterate_lbfgs(&call.c, &c_state)
        state.loss, state.scale = c_state.loss, c_state.scale
        state.n_updates, state.n_iterations = c_state.n_updates, c_state.n_iterations
        state.n_evaluations, state.status = c_state.n_evaluations, _LBFGS_STATUSES[c_state.status]
        call.check(failed)
        return curves[: c_state.n_done]

    def swarm_iterations_per_call(self, swarm, motion):
        """How many iterations `iterate_swarm` should be asked for at most: for about 0.1 s, which Ctrl-C may take back."""
        n, network = len(swarm.positions), self.task.network
        # two operations a weight and row, and some for each random number and pair of particles, at one a nanosecond
        n_pulls = np.count_nonzero(swarm.links) if motion.variant == "fips" else 2 * n
        return _per_call(2 * n * self.task.n_rows * network.n_weights + 10 * n_pulls * network.n_parameters + n * n)


class CompiledEngine(Engine):
    """See `Engine`."""

    @property
    def instruction_set(self):
        """Name of the instruction set in use."""
        return kernels_of(_instruction_set, 0).instruction_set.decode()

    def predict(self, coefs, intercepts, activation, output, X, *, raw=False):
        """See `Engine.predict`. None too for rows that are not finite, more than `MAX_PREDICT_LAYERS` layers, and work
        that takes so long that Ctrl-C should end it, as it ends a session's."""
        if not isinstance(coefs, (list, tuple)) or not isinstance(intercepts, (list, tuple)):
            return None
        cdef index_t sizes[MAX_PREDICT_LAYERS + 1]
        cdef layer_arrays_t layers[MAX_PREDICT_LAYERS]
        cdef call_t call
        cdef index_t l, n_rows, n_layers, n_weights = 0
        held = tuple(coefs), tuple(intercepts)  # whatever another thread does to the lists
        n_layers = len(held[0])
        if not 1 <= n_layers <= MAX_PREDICT_LAYERS or len(held[1]) != n_layers:
            return None
        cdef char kind = b"f" if X.dtype == _FLOAT32 else b"d"
        cdef const void *rows = _plain_address(X, 2, kind, &n_rows, &sizes[0])
        if rows == NULL or n_rows == 0:
            return None
        cdef index_t fan_in = 0, length = 0
        for l in range(n_layers):
            layers[l].weights = _plain_address(held[0][l], 2, kind, &fan_in, &sizes[l + 1])
            layers[l].biases = _plain_address(held[1][l], 1, kind, &length, NULL)
            if layers[l].weights == NULL or layers[l].biases == NULL or fan_in != sizes[l] or length != sizes[l + 1]:
                return None
            n_weights += fan_in * sizes[l + 1]
        if n_rows * n_weights >= LONG_WORK:
            return None
        memset(&call, 0, sizeof(call))
        call.network.n_layers, call.network.sizes = n_layers, sizes
        call.network.activation, call.network.output = activation.kernel, output.kernel
        call.data.n_rows, call.data.values, call.n_threads = n_rows, rows, 1
        if n_rows * n_weights >= SHARED_WORK:
            call.n_threads = max(1, min(effective_n_threads(), MAX_THREADS))
        result = np.empty((n_rows, sizes[n_layers]), dtype=X.dtype)
        cdef void *c_result = _address(result, True)
        cdef const kernels_t *kernels = kernels_of(_instruction_set, kind == b"d")
        if not kernels.knows(&call.network):
            return None
        cdef int c_raw = raw, status
        with nogil:
            status = kernels.predict(&call, layers, c_raw, c_result)
        if status == NOT_FINITE:
            return None
        if status:
            raise MemoryError(_NO_MEMORY)
        return result


cdef double _pass_time(task):
    """Nanoseconds that one pass over the rows takes at most, forward and backward."""
    # six operations a weight and some a row, at ten a nanosecond
    return task.n_rows * (0.6 * task.network.n_weights + 1000)


cdef index_t _per_call(double nanoseconds):
    """How often to repeat in one call what takes so long: for about 0.1 s, which Ctrl-C may take back."""
    return max(1, <index_t>(1e8 / max(1.0, nanoseconds)))


engine = CompiledEngine("compiled", CompiledSession)


cdef const kernels_t *_kernels(dtype) except NULL:
    if dtype == np.float32 or dtype == np.float64:
        return kernels_of(_instruction_set, dtype == np.float64)
    raise TypeError(f"The compiled engine computes in float32 or float64, not in {dtype}.")


cdef void *_address(object array, bint writable=False) except? NULL:
    """Address of a C-ordered array's data, which stays where it is for as long as the caller holds the array."""
    cdef Py_buffer buffer
    PyObject_GetBuffer(array, &buffer, PyBUF_C_CONTIGUOUS | (PyBUF_WRITABLE if writable else 0))
    cdef void *address = buffer.buf
    PyBuffer_Release(&buffer)
    return address


cdef object _aligned(values, dtype):
    """The values as an array in C order of the given type: the one that they are, or a new one."""
    values = np.asarray(values, dtype=dtype, order="C")
    return values if values.flags.aligned else values.copy()


cdef object _copy(values, shape, dtype, what):
    if values.shape != shape:
        raise ValueError(f"{what} must have shape {shape}, got {values.shape}.")
    return np.array(values, dtype=dtype, order="C")


cdef object _in_place(values, shape, dtype):
    if values.shape != shape or values.dtype != dtype or not values.flags.carray:
        raise ValueError(
            f"A solver's state needs a writeable array of {dtype}, shape {shape}, in C order; got one of "
            f"{values.dtype}, shape {values.shape}."
        )
    return values


cdef int _is_to_end(void *context) noexcept with gil:
    """Whether a call is to end, for `interruption.h`; the reason is raised when it has."""
    cdef _Call call = <_Call>context
    try:
        PyErr_CheckSignals()
        call.task.raise_if_cancelled()
        if call.task.is_cancelled is None and threading.current_thread() is not threading.main_thread():
            call.c.interruption.is_wanted = NULL  # signals reach the main thread alone: do not wait for the GIL again
    except BaseException as reason:
        call.reason = reason
        return 1
    return 0


cdef class _Call:
    """A task as the kernels take it, checked, and the arrays whose addresses stand in it and in the current call."""

    cdef call_t c
    cdef object task, reason
    cdef const kernels_t *kernels
    cdef index_t n_parameters, n_stored
    cdef object dtype
    cdef object thread
    cdef list held, held_by_task

    def __init__(self, task):
        self.held = []
        self.task = task
        self.thread = threading.get_ident()
        self.dtype = task.X.dtype
        self.kernels = _kernels(self.dtype)
        network = task.network
        sizes = array("q", network.layer_sizes)
        self.held.append(sizes)
        self.n_parameters = network.n_parameters
        self.c.network.n_layers = len(sizes) - 1
        self.c.network.sizes = <const index_t *>_address(sizes)
        cdef index_t i, n_units
        for i in range(self.c.network.n_layers + 1):
            n_units = self.c.network.sizes[i]
            if n_units < 1 or self.c.network.n_layers < 1:
                raise ValueError(f"A network needs layers of one unit or more, got layer_sizes={network.layer_sizes}.")
        self.c.network.activation = network.activation.kernel
        self.c.network.output, self.c.network.loss = task.loss.output.kernel, task.loss.kernel
        self.c.network.slopes[0], self.c.network.slopes[1] = task.loss.slopes
        if not self.kernels.knows(&self.c.network):
            raise ValueError(f"The compiled engine does not know {network.activation} or {task.loss}.")
        n_threads = effective_n_threads() if task.n_threads is None else task.n_threads
        self.c.n_threads = max(1, min(n_threads, MAX_THREADS))
        self.set_rows(task)
        self.set_input(task, self.c.network.sizes[0])
        self.c.data.targets, self.c.data.classes, self.c.data.weights = NULL, NULL, NULL
        if task.Y is not None:
            self.set_targets(task, self.c.network.sizes[self.c.network.n_layers])
        self.held_by_task = self.held

    cdef list begin(self, bint with_targets=True):
        """Begin a call of a kernel: the list of the arrays that it uses, which the caller has to hold."""
        if threading.get_ident() != self.thread:
            raise RuntimeError("A session belongs to the thread that opened it. Open the task again in this one.")
        if with_targets and self.task.Y is None:
            raise ValueError("The task has no targets Y.")
        if with_targets and self.c.data.n_rows == 0:
            raise ValueError("The task has no rows.")
        self.held, self.reason = [], None
        memset(&self.c.interruption, 0, sizeof(self.c.interruption))
        self.c.interruption.is_wanted, self.c.interruption.context = _is_to_end, <void *>self
        return self.held

    cdef int set_rows(self, task) except -1:
        n_rows = task.X.shape[0]
        self.c.data.n_rows, self.c.data.order = n_rows, NULL
        if task.rows is not None:
            rows = self.indices(task.rows)
            if rows.ndim != 1:
                raise ValueError(f"The rows of a task must be a vector, got an array of shape {rows.shape}.")
            self.c.data.n_rows, self.c.data.order = len(rows), <const index_t *>_address(rows)
            if not are_within(self.c.data.order, self.c.data.n_rows, n_rows):
                raise ValueError(f"The rows of a task must be numbers of the {n_rows} rows of X.")
        return 0

    cdef int set_input(self, task, index_t n_features) except -1:
        X = task.X
        shape = X.shape
        if len(shape) != 2 or shape[1] != n_features:
            raise ValueError(f"The network expects input of {n_features} features, got X of shape {shape}.")
        self.c.data.indices = self.c.data.indptr = NULL
        self.c.data.wide_indices = self.c.data.wide_indptr = 0
        if not task.is_sparse:
            self.c.data.values = _address(self.hold(X))
            return 0
        if X.format != "csr":
            raise TypeError(f"Sparse input must be CSR, got {X.format}.")
        values = self.hold(X.data)
        indices = self.hold(X.indices, np.int64 if X.indices.dtype.itemsize == 8 else np.int32)
        indptr = self.hold(X.indptr, np.int64 if X.indptr.dtype.itemsize == 8 else np.int32)
        if values.ndim != 1 or indices.ndim != 1 or indptr.shape != (X.shape[0] + 1,):
            raise ValueError(f"X is not a valid CSR array: it has {X.shape[0]} rows, and indptr has shape {indptr.shape}.")
        self.c.data.values, self.c.data.indices, self.c.data.indptr = _address(values), _address(indices), _address(indptr)
        self.c.data.wide_indices, self.c.data.wide_indptr = indices.itemsize == 8, indptr.itemsize == 8
        self.n_stored = min(len(values), len(indices))
        self.c.data.stored_per_row = self.n_stored // max(1, X.shape[0])
        cdef data_t data = self.c.data
        data.order, data.n_rows = NULL, X.shape[0]  # epochs may visit rows that do not count
        if not is_csr(&data, self.n_stored, X.shape[1]):
            raise ValueError(
                f"X is not a valid CSR array: indptr or indices are out of range of shape {X.shape} and {self.n_stored} "
                "stored entries."
            )
        return 0

    cdef int set_targets(self, task, index_t n_outputs) except -1:
        n_rows = task.X.shape[0]
        if task.loss.takes_classes and task.Y.shape == (n_rows,) and task.Y.dtype == np.int32:
            classes = self.hold(task.Y, np.int32)
            self.c.data.classes = <const int32_t *>_address(classes)
            if not are_classes(self.c.data.classes, n_rows, n_outputs):
                raise ValueError(f"Y must hold numbers of the {n_outputs} classes.")
        elif task.Y.shape == (n_rows, n_outputs):
            self.c.data.targets = _address(self.hold(task.Y))
        else:
            raise ValueError(
                f"Y must have shape ({n_rows}, {n_outputs}), or for softmax outputs be {n_rows} numbers of classes of "
                f"type int32, got shape {task.Y.shape} of {task.Y.dtype}."
            )
        if task.sample_weight is not None:
            if task.sample_weight.shape != (n_rows,):
                raise ValueError(f"sample_weight must have shape ({n_rows},), got {task.sample_weight.shape}.")
            self.c.data.weights = _address(self.hold(task.sample_weight))
        return 0

    cdef int check(self, int failed) except -1:
        """Raise what has ended the call."""
        reason, self.reason = self.reason, None
        if self.c.interruption.is_over:
            raise reason
        if failed:
            raise MemoryError(_NO_MEMORY)
        return 0

    cdef object hold(self, values, dtype=None):
        """The values as the kernels take them, kept for as long as the call lasts."""
        values = _aligned(values, self.dtype if dtype is None else dtype)
        self.held.append(values)
        return values

    cdef object indices(self, values):
        return self.hold(values, np.int64)

    cdef object vector(self, parameters):
        if parameters.shape != (self.n_parameters,):
            raise ValueError(f"The parameter vector must have shape ({self.n_parameters},), got {parameters.shape}.")
        return self.hold(parameters)

    cdef int set_strided(self, strided_t *numbers, values, shape, what) except -1:
        """Numbers in double precision, which are often broadcast: read in place."""
        cdef Py_buffer buffer
        cdef int k
        if values.shape != shape:
            raise ValueError(f"{what} must have shape {shape}, got {values.shape}.")
        values = np.asarray(values, dtype=np.float64)
        if not values.flags.aligned:
            values = values.copy()
        self.held.append(values)
        PyObject_GetBuffer(values, &buffer, PyBUF_STRIDED_RO)
        numbers.values = <const double *>buffer.buf
        for k in range(buffer.ndim):
            numbers.strides[k] = buffer.strides[k] // <index_t>sizeof(double)
        PyBuffer_Release(&buffer)
        return 0
