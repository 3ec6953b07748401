/* Included by precisions.h once for each number type REAL and instruction set TARGET.
 *
 * A block of rows goes through the network in one of two ways: row-major (rows.h), one row of activations after the
 * other and units in the SIMD lanes, in training, prediction and large full-batch evaluations; or unit-major (lanes.h),
 * rows in the lanes, in full-batch evaluations of small networks. Online training (online.h) has a way of its own.
 */

#define INT NAME(int)
#define V NAME(vector)
#define VI NAME(int_vector)
#define VU NAME(unsigned_vector)
#define LANES ((index_t)(VECTOR_BYTES / sizeof(REAL)))
#define ROW_STEP ((index_t)(ROW_BYTES / sizeof(REAL)))
#define IS_DOUBLE (sizeof(REAL) == 8)
#define CONSTANT(in_double, in_float) ((REAL)(IS_DOUBLE ? (in_double) : (in_float)))

typedef REAL_INT INT;
typedef REAL V __attribute__((vector_size(VECTOR_BYTES), aligned(sizeof(REAL)), may_alias));
typedef REAL_INT VI __attribute__((vector_size(VECTOR_BYTES), aligned(sizeof(REAL)), may_alias));
typedef UNSIGNED(REAL_INT) VU __attribute__((vector_size(VECTOR_BYTES), aligned(sizeof(REAL)), may_alias));

#include "vectors.h"
#include "products.h"
#include "losses.h"
#include "targets.h"
#include "workspace.h"
#include "rows.h"
#include "updates.h"
#include "sparse.h"
#include "online.h"
#include "batches.h"
#include "lanes.h"
#include "evaluations.h"
#include "predictions.h"
#include "swarm.h"
#include "lbfgs.h"

static const kernels_t PASTE(kernels, REAL, TARGET) = {
    QUOTE(TARGET),       NAME(run_updates), NAME(gradient), NAME(losses),   NAME(iterate_swarm),
    NAME(iterate_lbfgs), NAME(outputs),     NAME(predict),  NAME(function),
};

#undef INT
#undef V
#undef VI
#undef VU
#undef LANES
#undef ROW_STEP
#undef IS_DOUBLE
#undef CONSTANT
#undef EXPONENT_SHIFT
#undef EXPONENT_BIAS
#undef ROUNDER
#undef TILE_ROWS
#undef PANEL
#undef SLICE
#undef BAND
#undef EACH_BAND
#undef CACHE
#undef SCRATCH
#undef LAYERS
#undef UPDATE_CHUNK
#undef LOSS_CHUNK
#undef CALL_OPTIMISER
#undef WITH_SQUARES_OR_NOT
#undef ONLINE_ROWS
#undef LANE_ROWS
#undef FEW_ROWS
#undef ROW_VECTORS
#undef LANE_WIDTH
#undef STRIPES
#undef WORK_PER_LOOP
