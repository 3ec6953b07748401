/* The losses and their derivatives, with rows in the SIMD lanes and with output units in them. */

/* The numbers of `kernel` in skl2net/losses.py. */
enum { SQUARED_ERROR, LOG_LOSS, POISSON, HUBER, PINBALL, N_LOSSES };

/* Whether the functions of a network and its loss are among those of the kernels. */
int knows(const network_t *network)
{
    const auto none = [](auto) {};
    const int has_output = network->output == SOFTMAX || with_function(network->output, none);
    return has_output && with_function(network->activation, none) && 0 <= network->loss && network->loss < N_LOSSES;
}

/* A derivative, or zero if it is so small that its products with weights would be subnormal: processors need up to 50
 * times as long for these, and saturated outputs have many. It is negligible beside that of any other row. */
INLINE V without_tiny(V delta) { return select(absolute(delta) < all(constant(0x1p-969, 0x1p-102f)), all(0), delta); }

/* Loss of output units that do not depend on each other (all but softmax), added to `loss_sum`, and its derivative with
 * respect to the raw outputs z; t are the targets. */
INLINE V unit_loss(const network_t *network, V z, V t, V *loss_sum)
{
    V p = z, error;
    if (network->loss == LOG_LOSS) {
        const V small = exp(-absolute(z));
        *loss_sum += relu(z) + log1p(small) - t * z;
        return select(z >= 0, all(1), small) / (1 + small) - t;
    }
    if (network->loss == POISSON) {
        error = exp(z) - t;
        *loss_sum += t * log(select(t > 0, t, all(1))) - t * z + error;
        return error;
    }
    if (network->loss == HUBER || network->loss == PINBALL) {
        const int is_huber = network->loss == HUBER;
        const V low = all((real)network->slopes[0]), high = all((real)network->slopes[1]);
        error = z - t;
        const V slope = select(error < (is_huber ? low : all(0)), low,
                               select(error > (is_huber ? high : all(0)), high, error));
        *loss_sum += slope * (is_huber ? error - slope * (real)0.5 : error);
        return slope;
    }
    if (network->output == logistic_t::number)
        p = logistic(z);
    error = p - t;
    *loss_sum += error * error * (real)0.5;
    if (network->output == logistic_t::number)
        error *= p * (1 - p);
    return error;
}

/* Largest width of the layers of a network that is evaluated with rows in the lanes. Wider layers fill the lanes with
 * units as well. */
constexpr index_t LANE_WIDTH = 32;

/* Largest number of rows of a block, a multiple of ROW_STEP: a unit's values over the block are one contiguous row. */
constexpr index_t LANE_ROWS = 512 / (index_t)sizeof(real);

/* Sum and maximum of the first `out` numbers at `values`. `lanes` holds their partial sums or maxima, padding included.
 * A few numbers are read one after the other, which is faster than across lanes. */
INLINE real sum_outputs(index_t out, const real *values, V lanes)
{
    real total = values[0];
    if (out > LANES / 2)
        return sum_of_lanes(lanes);
    for (index_t j = 1; j < out; j++)
        total += values[j];
    return total;
}

INLINE real max_output(index_t out, const real *values, V lanes)
{
    real top = values[0];
    if (out > LANES / 2)
        return max_of_lanes(lanes);
    for (index_t j = 1; j < out; j++)
        top = values[j] > top ? values[j] : top;
    return top;
}

/* x, which holds the units from j on, and `padding` in the lanes beyond the first `out` units. */
INLINE V with_padding(real padding, index_t out, index_t j, V x)
{
    static constexpr int_t numbers[16] = {0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15};
    const VI lanes = *(const VI *)numbers;
    return select(lanes < (int_t)(out - j) - VI{}, x, all(padding));
}

/* Softmax before its division: e = exp(z - top), with top the highest raw output of a row. */
struct softmax_sums_t {
    V sum;            /* of e, in each lane */
    V distance, mass; /* sums of the targets y times top - z, and of y; for the log loss */
};

/* Vectors stand `step` numbers apart, up to `stop`. Either rows are in the lanes, a vector for each output, or the units
 * of one row (`one_row`), the first `out` of them outputs and the others padding, where e becomes 0. */
INLINE softmax_sums_t softmax(const int one_row, index_t out, index_t stop, index_t step, const real *z, const real *y,
                              real *e)
{
    softmax_sums_t s = {all(0), all(0), all(0)};
    V top = all(-(real)INFINITY);
    for (index_t j = 0; j < stop; j += step) {
        const V x = load(z + j);
        top = larger(one_row ? with_padding(-(real)INFINITY, out, j, x) : x, top);
    }
    if (one_row)
        top = all(max_output(out, z, top));
    for (index_t j = 0; j < stop; j += step) {
        V x = load(z + j) - top, t = y ? load(y + j) : all(0);
        if (one_row)
            x = with_padding(0, out, j, x);
        V exponential = exp(x);
        if (one_row)
            exponential = with_padding(0, out, j, exponential);
        s.distance -= t * x;
        s.mass += t;
        s.sum += exponential;
        store(e + j, exponential);
    }
    return s;
}

/* Whether the loss has logarithms, which are computed for many rows at a time. */
INLINE int takes_logs(const network_t *network)
{
    return network->output == SOFTMAX && network->loss == LOG_LOSS;
}

/* Sum of weight times loss, with rows in the lanes: raw outputs z and targets y are [out, LANE_ROWS], of which n_lanes
 * are in use. delta becomes weight / n_samples * the derivative of the loss with respect to z, and is arbitrary if n_samples
 * is infinite. Batches may weigh so little that 1 / n_samples would overflow. */
double unit_major_loss(const network_t *network, index_t out, index_t n_lanes, const real *z, const real *y,
                       const real *weights, real *delta, double n_samples)
{
    const int output = network->output, with_logs = takes_logs(network), with_delta = n_samples < (double)INFINITY;
    real log_of[LANE_ROWS], log_weight[LANE_ROWS];
    V total = all(0);
    for (index_t i = 0; i < n_lanes; i += LANES) {
        const real *zi = z + i, *yi = y + i;
        real *di = delta + i;
        V weight = load(weights + i), factor = weight / (real)n_samples, acc = all(0);
        if (output == SOFTMAX) {
            const softmax_sums_t s = softmax(0, out, out * LANE_ROWS, LANE_ROWS, zi, yi, di);
            const V share = 1 / s.sum;
            if (with_logs) {
                acc = s.distance;
                store(log_of + i, s.sum);
                store(log_weight + i, weight * s.mass);
                for (index_t j = 0; j < out && with_delta; j++) {
                    V p = load(di + j * LANE_ROWS) * share;
                    const V error = p - load(yi + j * LANE_ROWS);
                    store(di + j * LANE_ROWS, without_tiny(error * factor));
                }
            } else {
                V mean = all(0);
                for (index_t j = 0; j < out; j++) {
                    V p = load(di + j * LANE_ROWS) * share, error = p - load(yi + j * LANE_ROWS);
                    acc += error * error * (real)0.5;
                    mean += p * error;
                }
                for (index_t j = 0; j < out && with_delta; j++) {
                    V p = load(di + j * LANE_ROWS) * share;
                    const V error = p - load(yi + j * LANE_ROWS);
                    store(di + j * LANE_ROWS, without_tiny(p * (error - mean) * factor));
                }
            }
        } else {
            for (index_t j = 0; j < out; j++) {
                V error = unit_loss(network, load(zi + j * LANE_ROWS), load(yi + j * LANE_ROWS), &acc);
                store(di + j * LANE_ROWS, without_tiny(error * factor));
            }
        }
        /* a row of weight 0, or a lane without a row, must not turn an overflow into NaN */
        total += select(weight > 0, weight * acc, all(0));
    }
    /* in a separate loop, so that no logarithm waits for its sum */
    for (index_t i = 0; i < n_lanes && with_logs; i += LANES) {
        const V weight = load(log_weight + i);
        total += select(weight > 0, weight * log(load(log_of + i)), all(0));
    }
    return (double)sum_of_lanes(total);
}

/* Loss of one row, times its weight, as a vector to be summed, to which `log_weight` times the logarithm of `log_of` is
 * to be added for the log loss of softmax outputs. From the raw outputs z and the padded targets y; d becomes `factor`
 * times the derivative of the loss with respect to z. */
INLINE V row_loss(const network_t *network, index_t out, index_t ld, const real *z, const real *y, real *d, real weight,
                  real factor, real *log_of, real *log_weight)
{
    V acc = all(0);
    if (network->output == SOFTMAX) {
        const softmax_sums_t s = softmax(1, out, ld, LANES, z, y, d);
        const real partition = sum_outputs(out, d, s.sum), share = 1 / partition;
        if (takes_logs(network)) {
            acc = s.distance;
            *log_of = partition;
            *log_weight = weight * sum_outputs(out, y, s.mass);
            for (index_t j = 0; j < ld; j += LANES)
                store(d + j, without_tiny((load(d + j) * share - load(y + j)) * factor));
        } else {
            V product = all(0);
            for (index_t j = 0; j < ld; j += LANES) {
                V p = load(d + j) * share, error = p - load(y + j);
                acc += error * error * (real)0.5;
                product += p * error;
                store(d + j, p);
            }
            const real mean = sum_of_lanes(product);
            for (index_t j = 0; j < ld; j += LANES) {
                V p = load(d + j);
                store(d + j, without_tiny(p * (p - load(y + j) - mean) * factor));
            }
        }
    } else {
        for (index_t j = 0; j < ld; j += LANES) {
            V loss = all(0), error = unit_loss(network, load(z + j), load(y + j), &loss);
            acc += with_padding(0, out, j, loss);
            store(d + j, without_tiny(with_padding(0, out, j, error * factor)));
        }
    }
    if (!(weight > 0)) /* which must not turn an overflow into NaN */
        return all(0);
    return acc * weight;
}

/* Sum of log_weight times the logarithm of log_of, for n rows in buffers that are a multiple of LANES long. */
INLINE double sum_of_logs(real *log_of, real *log_weight, index_t n)
{
    double total = 0;
    for (index_t i = n; i < round_up(n, LANES); i++)
        log_of[i] = 1, log_weight[i] = 0;
    for (index_t i = 0; i < n; i += LANES) {
        const V weight = load(log_weight + i), logarithm = log(load(log_of + i));
        total += (double)sum_of_lanes(select(weight > 0, weight * logarithm, all(0)));
    }
    return total;
}
