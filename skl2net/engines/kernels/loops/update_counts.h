/* What differs between updates: the coefficients of the L2 rule and the learning rate. */
#ifndef SKL2NET_UPDATE_COUNTS_H
#define SKL2NET_UPDATE_COUNTS_H

#include <math.h>

#include "../kernels.h"

namespace {

/* The L2 rule in one update of a layer: `L2Coefficients` in skl2net/l2.py. */
struct l2_t {
    double penalty, decay_before, decay_after;
};

/* The L2 rule in update u of the current epoch, for layer l. */
inline l2_t l2_of(const updates_t *updates, index_t u, index_t l)
{
#define AT(x) x.values[u * x.strides[1] + l * x.strides[2]]
    const l2_t l2 = {AT(updates->penalty), AT(updates->decay_before), AT(updates->decay_after)};
#undef AT
    return l2;
}

/* beta ** t, or 0 without calling pow if that is negligible in 1 - beta ** t. */
inline double power(double beta, index_t t)
{
    return beta <= 0 || (double)t * log(beta) < -40 ? 0.0 : pow(beta, (double)t);
}

/* After each so many updates, subnormal numbers become zero, see `sweep` in optimisers.h and in the reference engine. */
constexpr index_t UPDATES_PER_SWEEP = 64;

/* Count update u of the current epoch, and find its learning rate. */
inline void begin_update(updates_t *updates, index_t u)
{
    const double *constants = updates->constants;
    updates->t++;
    updates->rate = updates->learning_rate.values[u * updates->learning_rate.strides[1]];
    if (updates->optimiser == OPTIMISER_ADAM)
        updates->rate =
            updates->rate * sqrt(1 - power(constants[1], updates->t)) / (1 - power(constants[0], updates->t));
}

}

#endif
