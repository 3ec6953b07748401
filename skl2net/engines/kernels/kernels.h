/* What the kernels offer: types, constants and functions that `_compiled.pyx`, which is compiled as C, shares with
 * `kernels.cpp`. */
#ifndef SKL2NET_KERNELS_H
#define SKL2NET_KERNELS_H

#include <stdint.h>

typedef int64_t index_t;

/* What Python chooses by name. The names stand in the order of the constants, for Python to read. */
enum { BOUNDARY_BOUNCE, BOUNDARY_CLAMP, BOUNDARY_REINITIALISE, N_BOUNDARIES };
static const char *const boundary_names[N_BOUNDARIES] = {"bounce", "clamp", "reinitialise"};
enum { FN_EXP, FN_EXPM1, FN_TANH, FN_LOGISTIC, FN_SOFTPLUS, FN_LOG, FN_LOG1P, N_FUNCTIONS };
static const char *const function_names[N_FUNCTIONS] = {"exp", "expm1", "tanh", "logistic", "softplus", "log", "log1p"};

/* The optimisers, each with the number of vectors that it remembers; loops/optimisers.h has their code. */
enum { OPTIMISER_SGD, OPTIMISER_ADAM, N_OPTIMISERS };
static const char *const optimiser_names[N_OPTIMISERS] = {"sgd", "adam"};
static const int n_moments_of[N_OPTIMISERS] = {1, 2};
enum { MAX_MOMENTS = 2, MAX_CONSTANTS = 4 };

/* A network: n_layers weight layers between n_layers + 1 sizes. */
typedef struct {
    index_t n_layers;
    const index_t *sizes;
    int activation;
    int output;
    int loss;
    double slopes[2]; /* smallest and largest derivative of the loss, which is linear there */
} network_t;

/* A layer's parameters as a caller has them: weights of [fan_in, fan_out] in C order. */
typedef struct {
    const void *weights, *biases;
} layer_arrays_t;

/* Rows of input, targets and weights. Dense input is `values` in C order; CSR has `indices` and `indptr` too, of 32 or
 * 64 bits. Targets are `targets`, or for softmax outputs the number of the class whose target is 1, for each row in
 * `classes`; the other of these is NULL, and `weights` may be. */
typedef struct {
    index_t n_rows;       /* those that count */
    const index_t *order; /* their numbers; NULL for 0, 1, ... */
    const void *values;
    const void *indices;
    const void *indptr;
    int wide_indices;
    int wide_indptr;
    index_t stored_per_row; /* of CSR, in the mean */
    const void *targets;
    const int32_t *classes;
    const void *weights;
} data_t;

/* Numbers for each epoch, update and perhaps layer, read with strides, in elements. */
typedef struct {
    const double *values;
    index_t strides[3];
} strided_t;

/* Epochs of updates, see `run_updates` and `Batches` in skl2net/engines. Where epochs differ, pointers go along. */
typedef struct {
    index_t n_epochs, n_updates;
    const index_t *order; /* the rows that the epoch visits; NULL for 0, 1, ... */
    index_t order_stride; /* from epoch to epoch */
    const index_t *bounds;
    strided_t n_samples, penalty, decay_before, decay_after;
    int optimiser;
    double constants[MAX_CONSTANTS]; /* those of the optimiser's class in skl2net/solvers/optimisers.py */
    strided_t learning_rate;         /* of each update */
    index_t t;                       /* updates so far */
    double rate;                     /* learning rate of update t, corrections included */
    struct {
        double data_loss, penalty;
        index_t n_rows;
    } totals;       /* of the epoch so far */
    double *curves; /* of each epoch: the totals, and the sum of squared weights at its end */
    void *each;     /* the parameters after each epoch; may be NULL */
    index_t n_done; /* less than n_epochs if the next parameters are not finite */
} updates_t;

/* A NumPy bit generator, as its capsule holds it: the start of NumPy's `bitgen_t`, which is part of its C interface. */
typedef struct {
    void *state;
    uint64_t (*next_uint64)(void *state);
    uint32_t (*next_uint32)(void *state);
    double (*next_double)(void *state);
    uint64_t (*next_raw)(void *state);
} bit_generator_t;

/* Iterations of a swarm: SwarmState in skl2net/solvers/swarm/state.py, SwarmMotion in skl2net/engines/swarm.py. Arrays
 * of the swarm are changed in place; without bounds or clamp these are infinite. */
typedef struct {
    index_t n_particles, n_iterations;
    void *positions, *velocities, *best_positions;
    double *best_losses, *best_data_losses;
    index_t *neighbourhood_best;
    unsigned char *links;
    bit_generator_t *generator;
    index_t t;             /* iterations so far */
    const double *inertia; /* of each iteration */
    double cognitive, social, velocity_clamp, low, high;
    int fully_informed, boundary;
    index_t n_informed;    /* by each particle, where links are drawn anew */
    int is_global;         /* everyone informs everyone, and that stays so */
    const double *penalty; /* coefficient of each layer */
    double *curves;        /* of each iteration: loss, data loss and sum of squared weights of the best, then the losses
                              of all personal bests */
    index_t n_done;        /* fewer than n_iterations if positions, velocities or all losses so far are not finite */
} swarm_t;

/* Iterations of L-BFGS: LBFGSState and LBFGSLimits in skl2net/engines/lbfgs.py. Its arrays are changed in place. */
enum { LBFGS_RUNNING, LBFGS_GRADIENT, LBFGS_REDUCTION, LBFGS_MAX_FUN, LBFGS_LINE_SEARCH, LBFGS_DIVERGED };
enum { N_LBFGS_STATUSES = LBFGS_DIVERGED + 1, LBFGS_PAIRS = 10 };
static const char *const lbfgs_status_names[N_LBFGS_STATUSES] = {
    "running", "gradient", "reduction", "max_fun", "line_search", "diverged",
};
typedef struct {
    double *parameters, *gradient;
    void *real_parameters, *real_gradient; /* as the engine computes */
    double loss, data_loss, weight_norm;
} lbfgs_trial_t;
typedef struct {
    double *parameters, *gradient, *steps, *changes, *curvatures;
    double loss, scale;
    index_t n_updates, n_iterations, n_evaluations;
    int status;
    double max_fun, gtol, ftol;
    const double *penalty;    /* coefficient of each layer */
    double *curves;           /* of each iteration: loss, data loss and sum of squared weights */
    index_t n_wanted, n_done; /* iterations of this call */
    index_t enough;           /* evaluations after which it ends */
    double *direction;
    lbfgs_trial_t trial;
} lbfgs_t;

/* What `predict` returns for rows with infinities or NaN. */
enum { NOT_FINITE = 1 };

/* How a long call ends early, see system/interruption.h. */
typedef struct {
    int (*is_wanted)(void *context); /* whether the call is to end; NULL if nobody wants that */
    void *context;
    index_t work;
    double time; /* of the last question; 0 before the first look */
    int is_over;
} interruption_t;

/* What each call of a kernel is given. */
typedef struct {
    network_t network;
    data_t data;
    int n_threads;
    interruption_t interruption;
} call_t;

/* The functions of one number type and instruction set. They return 0, or -1 without memory. */
typedef struct {
    const char *instruction_set;
    int (*run_updates)(call_t *, updates_t *, void *parameters, void *moments); /* one vector after the other */
    int (*gradient)(call_t *, const void *parameters, double *value, void *gradient);
    int (*losses)(call_t *, const void *vectors, index_t n_vectors, double *values);
    int (*iterate_swarm)(call_t *, swarm_t *);
    int (*iterate_lbfgs)(call_t *, lbfgs_t *);
    int (*outputs)(call_t *, const void *parameters, int raw, void *result);
    int (*predict)(call_t *, const layer_arrays_t *, int raw, void *result);
    void (*function)(int, const void *, void *, index_t);
    int (*knows)(const network_t *);
} kernels_t;

/* Less work than this, in multiplications or the like, is not worth sharing among threads. */
#define SHARED_WORK ((index_t)1 << 22)
enum { MAX_THREADS = 64 };

#ifdef __cplusplus
extern "C" {
#endif
#ifndef _WIN32
#pragma GCC visibility push(hidden)
#endif

/* Number of instruction sets that this processor can run, and the kernels of each, the narrowest first. */
int count_instruction_sets(void);
const kernels_t *kernels_of(int instruction_set, int is_double);

/* Checks of what comes from outside, before any of it is used as an address. */
int are_within(const index_t *numbers, index_t n, index_t limit);
int are_classes(const int32_t *numbers, index_t n, index_t n_classes);
int are_bounds(const index_t *bounds, index_t n, index_t n_rows);
int is_csr(const data_t *data, index_t n_stored, index_t n_columns);

#ifndef _WIN32
#pragma GCC visibility pop
#endif

#ifdef _WIN32
#define EXPORTED __declspec(dllexport)
#else
#define EXPORTED __attribute__((visibility("default")))
#endif
EXPORTED int skl2net_get_num_threads(void);
EXPORTED void skl2net_set_num_threads(int n);

#ifdef __cplusplus
}
#endif
#endif
