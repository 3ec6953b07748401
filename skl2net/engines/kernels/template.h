/* Included by precisions.h once for each number type: all code that depends on it and on the instruction set.
 *
 * A block of rows goes through the network in one of two ways: row-major (rows.h), one row of activations after the
 * other and units in the SIMD lanes, in training, prediction and large full-batch evaluations; or unit-major (lanes.h),
 * rows in the lanes, in full-batch evaluations of small networks. Online training (online.h) has a way of its own.
 */

constexpr bool IS_DOUBLE = sizeof(real) == 8;
constexpr index_t LANES = VECTOR_BYTES / (index_t)sizeof(real);
/* Rows of weights and activations are padded to a multiple of ROW_STEP numbers, whatever the instruction set. */
constexpr index_t ROW_BYTES = 64, ROW_STEP = ROW_BYTES / (index_t)sizeof(real);

INLINE constexpr real constant(double in_double, float in_float)
{
    return IS_DOUBLE ? (real)in_double : (real)in_float;
}

typedef real V __attribute__((vector_size(VECTOR_BYTES), aligned(sizeof(real)), may_alias));
typedef int_t VI __attribute__((vector_size(VECTOR_BYTES), aligned(sizeof(real)), may_alias));
typedef unsigned_t VU __attribute__((vector_size(VECTOR_BYTES), aligned(sizeof(real)), may_alias));

#include "math/vectors.h"
#include "math/functions.h"
#include "math/products.h"
#include "passes/losses.h"
#include "passes/targets.h"
#include "passes/workspace.h"
#include "passes/rows.h"
#include "loops/optimisers.h"
#include "passes/sparse.h"
#include "passes/online.h"
#include "passes/lanes.h"
#include "loops/updates.h"
#include "loops/evaluations.h"
#include "passes/predictions.h"
#include "loops/swarm.h"
#include "loops/lbfgs.h"

const kernels_t kernels = {
    instruction_set, run_updates, gradient, losses, iterate_swarm, iterate_lbfgs, outputs, predict, apply_function,
    knows,
};
