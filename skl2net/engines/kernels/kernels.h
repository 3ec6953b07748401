/* The compiled engine's arithmetic, for float and double and for several instruction sets.
 *
 * `template.h` holds the code; it is included once for each combination of number type and instruction set
 * below, and `kernels_float()`/`kernels_double()` choose the widest that the processor at hand has. So one build runs
 * everywhere and uses wide vectors where they are, without -march=native. The vectors are those of GCC and Clang
 * (`vector_size`), which lower them to whatever the target offers: there are no intrinsics, and a single instruction is
 * written out, see FUSED.
 */
#ifndef SKL2NET_KERNELS_H
#define SKL2NET_KERNELS_H

#include <float.h>
#include <math.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#ifdef __linux__
#include <sys/mman.h>
#endif

#include "threads.h"

typedef int64_t index_t;

/* Rows of weight matrices and activations are padded to this many bytes, whatever the instruction set. */
#define ROW_BYTES 64

/* The numbers of `kernel` in skl2net/activations.py and losses.py. */
enum { ACT_IDENTITY, ACT_LOGISTIC, ACT_TANH, ACT_RELU, ACT_SOFTPLUS, N_ACTIVATIONS };
enum { OUT_IDENTITY, OUT_LOGISTIC, OUT_SOFTMAX = N_ACTIVATIONS, OUT_EXP, N_OUTPUTS };
enum { LOSS_SQUARED_ERROR, LOSS_LOG_LOSS, LOSS_POISSON, N_LOSSES };

/* What Python chooses by name: the name of each constant, for Python to read, stands at its number. */
enum { BOUNDARY_BOUNCE, BOUNDARY_CLAMP, BOUNDARY_REINITIALISE, N_BOUNDARIES };
static const char *const boundary_names[N_BOUNDARIES] = {
    [BOUNDARY_BOUNCE] = "bounce", [BOUNDARY_CLAMP] = "clamp", [BOUNDARY_REINITIALISE] = "reinitialise",
};
enum { FN_EXP, FN_EXPM1, FN_TANH, FN_LOGISTIC, FN_SOFTPLUS, FN_LOG, FN_LOG1P, N_FUNCTIONS };
static const char *const function_names[N_FUNCTIONS] = {
    [FN_EXP] = "exp",           [FN_EXPM1] = "expm1", [FN_TANH] = "tanh",   [FN_LOGISTIC] = "logistic",
    [FN_SOFTPLUS] = "softplus", [FN_LOG] = "log",     [FN_LOG1P] = "log1p",
};

/* The optimisers, each with the number of vectors that it remembers; updates.h has their code. */
enum { OPTIMISER_SGD, OPTIMISER_ADAM, N_OPTIMISERS };
static const char *const optimiser_names[N_OPTIMISERS] = {[OPTIMISER_SGD] = "sgd", [OPTIMISER_ADAM] = "adam"};
static const int n_moments_of[N_OPTIMISERS] = {[OPTIMISER_SGD] = 1, [OPTIMISER_ADAM] = 2};
enum { MAX_MOMENTS = 2, MAX_CONSTANTS = 4 };

/* A network: n_layers weight layers between n_layers + 1 sizes. */
typedef struct {
    index_t n_layers;
    const index_t *sizes;
    int activation;
    int output;
    int loss;
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

static inline index_t row_of(const index_t *order, index_t i) { return order ? order[i] : i; }

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
    strided_t learning_rate; /* of each update */
    index_t t;    /* updates so far */
    double rate;  /* learning rate of update t, corrections included */
    struct {
        double data_loss, penalty;
        index_t n_rows;
    } totals;       /* of the epoch so far */
    double *curves; /* of each epoch: the totals, and the sum of squared weights at its end */
    void *each;     /* the parameters after each epoch; may be NULL */
    index_t n_done; /* less than n_epochs if the next parameters are not finite */
} updates_t;

/* A batch of CSR whose entries are sorted by column, see sparse.h. */
typedef struct {
    int32_t *column_ends; /* entries up to the end of each column */
    void *entries;
} sorted_batch_t;

/* Batches that are sorted at once, each by one thread. */
enum { SORTED_AHEAD = 4 };

/* The L2 rule in one update of a layer: `L2Coefficients` in skl2net/l2.py. */
typedef struct {
    double penalty, decay_before, decay_after;
} l2_t;

/* The L2 rule in update u of the current epoch, for layer l. */
static inline l2_t l2_of(const updates_t *updates, index_t u, index_t l)
{
#define AT(x) x.values[u * x.strides[1] + l * x.strides[2]]
    const l2_t l2 = {AT(updates->penalty), AT(updates->decay_before), AT(updates->decay_after)};
#undef AT
    return l2;
}

/* A NumPy bit generator, as its capsule holds it: the start of NumPy's `bitgen_t`, which is part of its C interface. */
typedef struct {
    void *state;
    uint64_t (*next_uint64)(void *state);
    uint32_t (*next_uint32)(void *state);
    double (*next_double)(void *state);
    uint64_t (*next_raw)(void *state);
} bit_generator_t;

/* Iterations of a swarm: SwarmState, see skl2net/solvers/swarm, and SwarmMotion, see skl2net/engines/interface.py. Arrays
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
    index_t n_done; /* less than n_iterations if the next positions or velocities, or all losses so far, are not finite */
} swarm_t;

#include "interruption.h"
#include "line_search.h"

/* Iterations of L-BFGS: LBFGSState and LBFGSLimits in skl2net/engines/interface.py. Its arrays are changed in place. */
enum { LBFGS_RUNNING, LBFGS_GRADIENT, LBFGS_REDUCTION, LBFGS_MAX_FUN, LBFGS_LINE_SEARCH, LBFGS_DIVERGED, N_LBFGS_STATUSES };
static const char *const lbfgs_status_names[N_LBFGS_STATUSES] = {
    [LBFGS_RUNNING] = "running", [LBFGS_GRADIENT] = "gradient",       [LBFGS_REDUCTION] = "reduction",
    [LBFGS_MAX_FUN] = "max_fun", [LBFGS_LINE_SEARCH] = "line_search", [LBFGS_DIVERGED] = "diverged",
};
enum { LBFGS_PAIRS = 10 };
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

/* The functions of one number type and instruction set. They return 0, or -1 without memory. */
typedef struct {
    const char *target;
    int (*run_updates)(const network_t *, const data_t *, updates_t *, void *, void *const *, int n_threads,
                       interruption_t *);
    int (*gradient)(const network_t *, const data_t *, const void *, double *, void *, int n_threads, interruption_t *);
    int (*losses)(const network_t *, const data_t *, const void *, index_t, double *, int n_threads, interruption_t *);
    int (*iterate_swarm)(const network_t *, const data_t *, swarm_t *, int n_threads, interruption_t *);
    int (*iterate_lbfgs)(const network_t *, const data_t *, lbfgs_t *, int n_threads, interruption_t *);
    int (*outputs)(const network_t *, const data_t *, const void *, int, void *, int n_threads, interruption_t *);
    int (*predict)(const network_t *, const layer_arrays_t *, const void *, index_t n_rows, int, void *, int n_threads,
                   interruption_t *);
    void (*function)(int, const void *, void *, index_t);
} kernels_t;

static inline index_t round_up(index_t n, index_t step) { return (n + step - 1) / step * step; }
static inline index_t min_index(index_t a, index_t b) { return a < b ? a : b; }
static inline index_t max_index(index_t a, index_t b) { return a > b ? a : b; }

static inline index_t count_parameters(const network_t *network)
{
    index_t n = 0;
    for (index_t l = 0; l < network->n_layers; l++)
        n += (network->sizes[l] + 1) * network->sizes[l + 1];
    return n;
}

/* Ask the system for huge pages, of which there are fewer to look up, where they have to be asked for. */
static inline void use_huge_pages(void *memory, size_t bytes)
{
#ifdef MADV_HUGEPAGE
    const uintptr_t step = 1 << 16, begin = ((uintptr_t)memory + step - 1) / step * step; /* whole pages, of any size */
    if (bytes >= (size_t)4 << 20)
        madvise((void *)begin, (size_t)((uintptr_t)memory + bytes - begin), MADV_HUGEPAGE);
#else
    (void)memory, (void)bytes;
#endif
}

static inline index_t index_at(const void *indices, int wide, index_t i)
{
    return wide ? ((const int64_t *)indices)[i] : ((const int32_t *)indices)[i];
}

#include "checks.h"

/* beta ** t, without the cost of pow once it no longer changes 1 - beta ** t. */
static inline double power(double beta, index_t t)
{
    return beta <= 0 || (double)t * log(beta) < -40 ? 0.0 : pow(beta, (double)t);
}

/* After each so many updates, subnormal numbers become zero, see `sweep` in updates.h and in the reference engine. */
#define UPDATES_PER_SWEEP 64

/* Count update u of the current epoch, and find its learning rate. */
static inline void begin_update(updates_t *updates, index_t u)
{
    const double *constants = updates->constants;
    updates->t++;
    updates->rate = updates->learning_rate.values[u * updates->learning_rate.strides[1]];
    if (updates->optimiser == OPTIMISER_ADAM)
        updates->rate = updates->rate * sqrt(1 - power(constants[1], updates->t)) / (1 - power(constants[0], updates->t));
}

/* The particle with the best personal best. */
static index_t best_of(const swarm_t *swarm)
{
    index_t best = 0;
    for (index_t i = 1; i < swarm->n_particles; i++)
        if (swarm->best_losses[i] < swarm->best_losses[best])
            best = i;
    return best;
}

/* The random topology: each particle draws those whom it informs. */
static void draw_links(swarm_t *swarm)
{
    const index_t n = swarm->n_particles;
    memset(swarm->links, 0, (size_t)(n * n));
    for (index_t i = 0; i < n; i++) {
        swarm->links[i * n + i] = 1;
        for (index_t k = 0; k < swarm->n_informed; k++) {
            const uint64_t word = swarm->generator->next_raw(swarm->generator->state);
            swarm->links[(index_t)((word >> 32) * (uint64_t)n >> 32) * n + i] = 1;
        }
    }
}

/* The best informant of each particle. */
static void find_neighbourhood_bests(swarm_t *swarm)
{
    const index_t n = swarm->n_particles, best = best_of(swarm);
    for (index_t i = 0; i < n; i++) {
        const unsigned char *links = swarm->links + i * n;
        index_t found = swarm->is_global ? best : i; /* everyone informs itself */
        for (index_t k = 0; k < n && !swarm->is_global; k++) {
            const double loss = swarm->best_losses[k], smallest = swarm->best_losses[found];
            if (links[k] && (loss < smallest || (loss == smallest && k < found)))
                found = k;
        }
        swarm->neighbourhood_best[i] = found;
    }
}

/* Less work than this, in multiplications or the like, is not worth sharing among threads. */
#define SHARED_WORK ((index_t)1 << 22)

#define PASTE2(a, b, c) a##_##b##_##c
#define PASTE(a, b, c) PASTE2(a, b, c)
#define NAME(function) PASTE(function, REAL, TARGET)
#define UNSIGNED2(type) u##type
#define UNSIGNED(type) UNSIGNED2(type)
#define QUOTE2(name) #name
#define QUOTE(name) QUOTE2(name)
#define INLINE static inline __attribute__((always_inline)) TARGET_ATTRIBUTE
#define FUNCTION static TARGET_ATTRIBUTE
#define NOINLINE __attribute__((noinline))

/* c += a * b with one rounding, see `multiply_add` in vectors.h: by an instruction for double or for float, whose operands
 * are in registers of the given kind. */
#define FUSED_BY(in_double, in_float, kind, c, a, b)                                                              \
    do {                                                                                                          \
        if (IS_DOUBLE)                                                                                            \
            __asm__(in_double : "+" kind(c) : kind(a), kind(b));                                                  \
        else                                                                                                      \
            __asm__(in_float : "+" kind(c) : kind(a), kind(b));                                                   \
    } while (0)

#define TARGET baseline
#define TARGET_ATTRIBUTE
#define VECTOR_BYTES 16
#define TILE_VECTORS 2
#ifdef __aarch64__
#define FUSED(c, a, b) FUSED_BY("fmla %0.2d, %1.2d, %2.2d", "fmla %0.4s, %1.4s, %2.4s", "w", c, a, b)
#endif
#include "precisions.h"

#if defined(__x86_64__) || defined(__i386__)
#define HAVE_X86_TARGETS 1
#include "processor.h"

#define TARGET avx2
#define TARGET_ATTRIBUTE __attribute__((target("avx2,fma")))
#define VECTOR_BYTES 32
#define TILE_VECTORS 2
#define FUSED(c, a, b) FUSED_BY("vfmadd231pd %2, %1, %0", "vfmadd231ps %2, %1, %0", "v", c, a, b)
#include "precisions.h"

#define TARGET avx512
#define TARGET_ATTRIBUTE __attribute__((target("avx512f,avx512dq,avx512bw,avx512vl,avx2,fma")))
#define VECTOR_BYTES 64
#define TILE_VECTORS 4
#define FUSED(c, a, b) FUSED_BY("vfmadd231pd %2, %1, %0", "vfmadd231ps %2, %1, %0", "v", c, a, b)
#include "precisions.h"
#endif

/* Number of instruction sets that this processor can run, the narrowest first. */
static int n_targets(void)
{
#ifdef HAVE_X86_TARGETS
    return 1 + vector_level();
#else
    return 1;
#endif
}

static const kernels_t *kernels_float(int target)
{
#ifdef HAVE_X86_TARGETS
    if (target == 2)
        return &kernels_float_avx512;
    if (target == 1)
        return &kernels_float_avx2;
#endif
    return &kernels_float_baseline;
}

static const kernels_t *kernels_double(int target)
{
#ifdef HAVE_X86_TARGETS
    if (target == 2)
        return &kernels_double_avx512;
    if (target == 1)
        return &kernels_double_avx2;
#endif
    return &kernels_double_baseline;
}

#endif
