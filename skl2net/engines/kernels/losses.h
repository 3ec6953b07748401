/* The losses and their derivatives, with rows in the SIMD lanes and with output units in them. */

/* A derivative, or zero if it is so close to the subnormal numbers that products with weights would be some: processors
 * need up to 50 times as long for these, and saturated outputs have many. Next to any other row's it is nothing. */
INLINE V NAME(without_tiny)(V delta)
{
    return NAME(select)(NAME(absolute)(delta) < NAME(all)(CONSTANT(0x1p-969, 0x1p-102f)), NAME(all)(0), delta);
}

/* Loss of output units that do not depend on each other (all but softmax), added to `loss_sum`, and its derivative with
 * respect to the raw outputs z; t are the targets. */
INLINE V NAME(unit_loss)(const network_t *network, V z, V t, V *loss_sum)
{
    V p = z, error;
    if (network->output == OUT_LOGISTIC && network->loss == LOSS_LOG_LOSS) {
        const V small = NAME(exp)(-NAME(absolute)(z));
        *loss_sum += NAME(relu)(z) + NAME(log1p)(small) - t * z;
        return NAME(select)(z >= 0, NAME(all)(1), small) / (1 + small) - t;
    }
    if (network->output == OUT_EXP) {
        error = NAME(exp)(z) - t;
        *loss_sum += t * NAME(log)(NAME(select)(t > 0, t, NAME(all)(1))) - t * z + error;
        return error;
    }
    if (network->output == OUT_LOGISTIC)
        p = NAME(logistic)(z);
    error = p - t;
    *loss_sum += error * error * (REAL)0.5;
    if (network->output == OUT_LOGISTIC)
        error *= p * (1 - p);
    return error;
}

/* A network is evaluated with rows in the lanes while its layers are at most this wide: beyond it units fill the lanes
 * as well. */
#define LANE_WIDTH 32

/* Rows of a block at most, a multiple of ROW_STEP: a unit's values over the block are one contiguous row. */
#define LANE_ROWS ((index_t)(512 / sizeof(REAL)))

/* Sum and maximum of the first `out` numbers at `values`, which the lanes of `lanes` hold too, perhaps added up or
 * compared already, and padded. A few are read one after the other, faster than across lanes. */
INLINE REAL NAME(sum_outputs)(index_t out, const REAL *values, V lanes)
{
    REAL total = values[0];
    if (out > LANES / 2)
        return NAME(sum)(lanes);
    for (index_t j = 1; j < out; j++)
        total += values[j];
    return total;
}

INLINE REAL NAME(max_output)(index_t out, const REAL *values, V lanes)
{
    REAL top = values[0];
    if (out > LANES / 2)
        return NAME(max)(lanes);
    for (index_t j = 1; j < out; j++)
        top = values[j] > top ? values[j] : top;
    return top;
}

/* x, which holds the units from j on, and `padding` in the lanes beyond the first `out` units. */
INLINE V NAME(with_padding)(REAL padding, index_t out, index_t j, V x)
{
    static const INT numbers[16] = {0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15};
    const VI lanes = *(const VI *)numbers;
    return NAME(select)(lanes < (INT)(out - j) - (VI){0}, x, NAME(all)(padding));
}

/* Softmax before its division: e = exp(z - top), with top the highest raw output of a row. */
typedef struct {
    V sum;            /* of e, in each lane */
    V distance, mass; /* sums of the targets y times top - z, and of y; for the log loss */
} NAME(softmax_sums);

/* Vectors stand `step` numbers apart, up to `stop`. Either rows are in the lanes, a vector for each output, or the units
 * of one row (`one_row`), the first `out` of them outputs and the others padding, where e becomes 0. */
INLINE NAME(softmax_sums) NAME(softmax)(const int one_row, index_t out, index_t stop, index_t step, const REAL *z,
                                   const REAL *y, REAL *e)
{
    NAME(softmax_sums) s = {NAME(all)(0), NAME(all)(0), NAME(all)(0)};
    V top = NAME(all)(-(REAL)INFINITY);
    for (index_t j = 0; j < stop; j += step) {
        const V x = NAME(load)(z + j);
        top = NAME(larger)(one_row ? NAME(with_padding)(-(REAL)INFINITY, out, j, x) : x, top);
    }
    if (one_row)
        top = NAME(all)(NAME(max_output)(out, z, top));
    for (index_t j = 0; j < stop; j += step) {
        V x = NAME(load)(z + j) - top, t = y ? NAME(load)(y + j) : NAME(all)(0);
        if (one_row)
            x = NAME(with_padding)(0, out, j, x);
        V exponential = NAME(exp)(x);
        if (one_row)
            exponential = NAME(with_padding)(0, out, j, exponential);
        s.distance -= t * x;
        s.mass += t;
        s.sum += exponential;
        NAME(store)(e + j, exponential);
    }
    return s;
}

/* Whether the logarithms of the loss are taken of many rows at a time. */
INLINE int NAME(takes_logs)(const network_t *network)
{
    return network->output == OUT_SOFTMAX && network->loss == LOSS_LOG_LOSS;
}

/* Sum of weight times loss, with rows in the lanes: raw outputs z and targets y are [out, LANE_ROWS], of which n_lanes
 * are in use. delta becomes weight / n_samples * the derivative of the loss with respect to z, and anything if n_samples
 * is infinite. Batches may weigh so little that 1 / n_samples would overflow. */
FUNCTION double NAME(unit_major_loss)(const network_t *network, index_t out, index_t n_lanes, const REAL *z,
                                      const REAL *y, const REAL *weights, REAL *delta, double n_samples)
{
    const int output = network->output, takes_logs = NAME(takes_logs)(network), with_delta = n_samples < (double)INFINITY;
    REAL log_of[512 / sizeof(REAL)], log_weight[512 / sizeof(REAL)];
    V total = NAME(all)(0);
    for (index_t i = 0; i < n_lanes; i += LANES) {
        const REAL *zi = z + i, *yi = y + i;
        REAL *di = delta + i;
        V weight = NAME(load)(weights + i), factor = weight / (REAL)n_samples, acc = NAME(all)(0);
        if (output == OUT_SOFTMAX) {
            const NAME(softmax_sums) s = NAME(softmax)(0, out, out * LANE_ROWS, LANE_ROWS, zi, yi, di);
            const V share = 1 / s.sum;
            if (takes_logs) {
                acc = s.distance;
                NAME(store)(log_of + i, s.sum);
                NAME(store)(log_weight + i, weight * s.mass);
                for (index_t j = 0; j < out && with_delta; j++) {
                    V p = NAME(load)(di + j * LANE_ROWS) * share;
                    const V error = p - NAME(load)(yi + j * LANE_ROWS);
                    NAME(store)(di + j * LANE_ROWS, NAME(without_tiny)(error * factor));
                }
            } else {
                V mean = NAME(all)(0);
                for (index_t j = 0; j < out; j++) {
                    V p = NAME(load)(di + j * LANE_ROWS) * share, error = p - NAME(load)(yi + j * LANE_ROWS);
                    acc += error * error * (REAL)0.5;
                    mean += p * error;
                }
                for (index_t j = 0; j < out && with_delta; j++) {
                    V p = NAME(load)(di + j * LANE_ROWS) * share;
                    const V error = p - NAME(load)(yi + j * LANE_ROWS);
                    NAME(store)(di + j * LANE_ROWS, NAME(without_tiny)(p * (error - mean) * factor));
                }
            }
        } else {
            for (index_t j = 0; j < out; j++) {
                V error = NAME(unit_loss)(network, NAME(load)(zi + j * LANE_ROWS), NAME(load)(yi + j * LANE_ROWS), &acc);
                NAME(store)(di + j * LANE_ROWS, NAME(without_tiny)(error * factor));
            }
        }
        /* a row of weight 0, or a lane without a row, must not turn an overflow into NaN */
        total += NAME(select)(weight > 0, weight * acc, NAME(all)(0));
    }
    /* in a loop of their own, so that none waits for the sum that it is the logarithm of */
    for (index_t i = 0; i < n_lanes && takes_logs; i += LANES) {
        const V weight = NAME(load)(log_weight + i);
        total += NAME(select)(weight > 0, weight * NAME(log)(NAME(load)(log_of + i)), NAME(all)(0));
    }
    return (double)NAME(sum)(total);
}

/* Loss of one row, times its weight, as a vector to be summed, to which `log_weight` times the logarithm of `log_of` is
 * to be added for the log loss of softmax outputs. From the raw outputs z and the padded targets y; d becomes `factor`
 * times the derivative of the loss with respect to z. */
INLINE V NAME(row_loss)(const network_t *network, index_t out, index_t ld, const REAL *z, const REAL *y, REAL *d,
                        REAL weight, REAL factor, REAL *log_of, REAL *log_weight)
{
    V acc = NAME(all)(0);
    if (network->output == OUT_SOFTMAX) {
        const NAME(softmax_sums) s = NAME(softmax)(1, out, ld, LANES, z, y, d);
        const REAL partition = NAME(sum_outputs)(out, d, s.sum), share = 1 / partition;
        if (NAME(takes_logs)(network)) {
            acc = s.distance;
            *log_of = partition;
            *log_weight = weight * NAME(sum_outputs)(out, y, s.mass);
            for (index_t j = 0; j < ld; j += LANES)
                NAME(store)(d + j, NAME(without_tiny)((NAME(load)(d + j) * share - NAME(load)(y + j)) * factor));
        } else {
            V product = NAME(all)(0);
            for (index_t j = 0; j < ld; j += LANES) {
                V p = NAME(load)(d + j) * share, error = p - NAME(load)(y + j);
                acc += error * error * (REAL)0.5;
                product += p * error;
                NAME(store)(d + j, p);
            }
            const REAL mean = NAME(sum)(product);
            for (index_t j = 0; j < ld; j += LANES) {
                V p = NAME(load)(d + j);
                NAME(store)(d + j, NAME(without_tiny)(p * (p - NAME(load)(y + j) - mean) * factor));
            }
        }
    } else {
        for (index_t j = 0; j < ld; j += LANES) {
            V loss = NAME(all)(0), error = NAME(unit_loss)(network, NAME(load)(z + j), NAME(load)(y + j), &loss);
            acc += NAME(with_padding)(0, out, j, loss);
            NAME(store)(d + j, NAME(without_tiny)(NAME(with_padding)(0, out, j, error * factor)));
        }
    }
    if (!(weight > 0)) /* which must not turn an overflow into NaN */
        return NAME(all)(0);
    return acc * weight;
}

/* Sum of log_weight times the logarithm of log_of, for n rows in buffers that are a multiple of LANES long. */
INLINE double NAME(sum_of_logs)(REAL *log_of, REAL *log_weight, index_t n)
{
    double total = 0;
    for (index_t i = n; i < round_up(n, LANES); i++)
        log_of[i] = 1, log_weight[i] = 0;
    for (index_t i = 0; i < n; i += LANES) {
        const V weight = NAME(load)(log_weight + i), log = NAME(log)(NAME(load)(log_of + i));
        total += (double)NAME(sum)(NAME(select)(weight > 0, weight * log, NAME(all)(0)));
    }
    return total;
}
