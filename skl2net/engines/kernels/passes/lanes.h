/* The pass with rows in the SIMD lanes, unit-major, for full-batch evaluations of small networks. */

struct lanes_t {
    const network_t *network;
    index_t n_layers;
    index_t n_lanes;    /* of the loaded block: its rows, rounded up to a multiple of ROW_STEP */
    real **activations; /* of each layer, input included: [units, LANE_ROWS], of which n_lanes are in use */
    real *target, *weight, *delta, *delta_below;
    real *memory;

    ~lanes_t()
    {
        free(memory);
        free(activations);
    }
};

int lanes_suit(const call_t *call)
{
    const network_t *network = &call->network;
    if (call->data.indptr)
        return 0;
    for (index_t i = 1; i <= network->n_layers; i++)
        if (network->sizes[i] > LANE_WIDTH)
            return 0;
    return network->sizes[0] <= 256;
}

int lanes_reserve(lanes_t *ws, const network_t *network)
{
    index_t units = 0, widest = 0;
    for (index_t i = 0; i <= network->n_layers; i++) {
        units += network->sizes[i];
        widest = max_index(widest, network->sizes[i]);
    }
    index_t n = (units + network->sizes[network->n_layers] + 1 + 2 * widest) * LANE_ROWS + ROW_STEP;
    ws->network = network;
    ws->n_layers = network->n_layers;
    ws->activations = allocate<real *>(network->n_layers + 1);
    ws->memory = allocate<real>(n);
    if (!ws->activations || !ws->memory)
        return -1;
    real *next = aligned(ws->memory, ROW_BYTES);
    memset(next, 0, (size_t)(n - ROW_STEP) * sizeof(real));
    for (index_t i = 0; i <= network->n_layers; i++)
        ws->activations[i] = next, next += network->sizes[i] * LANE_ROWS;
    ws->target = next, next += network->sizes[network->n_layers] * LANE_ROWS;
    ws->weight = next, next += LANE_ROWS;
    ws->delta = next, next += widest * LANE_ROWS;
    ws->delta_below = next;
    return 0;
}

/* Load the rows start, ..., start + n - 1 of those that count into the lanes; the other lanes get weight zero. */
void lanes_load(lanes_t *ws, const data_t *data, index_t start, index_t n)
{
    const index_t n_features = ws->network->sizes[0], n_outputs = ws->network->sizes[ws->n_layers];
    const real *weights = (const real *)data->weights;
    ws->n_lanes = round_up(n, ROW_STEP);
    transpose_rows(data->order, start, n, n_features, (const real *)data->values, ws->n_lanes, ws->activations[0]);
    transpose_targets(data, data->order, start, n, n_outputs, ws->n_lanes, ws->target);
    for (index_t i = 0; i < ws->n_lanes; i++)
        ws->weight[i] = i >= n ? 0 : weights ? weights[row_of(data->order, start + i)] : 1;
}

/* Raw outputs of the loaded rows. */
void lanes_forward(lanes_t *ws, const real *parameters)
{
    const index_t *sizes = ws->network->sizes;
    const real *w = parameters, *bias = parameters;
    for (index_t l = 0; l < ws->n_layers; l++)
        bias += sizes[l] * sizes[l + 1];
    for (index_t l = 0; l < ws->n_layers; l++) {
        const index_t in = sizes[l], out = sizes[l + 1];
        real *z = ws->activations[l + 1];
        multiply(out, ws->n_lanes, in, w, 1, out, ws->activations[l], LANE_ROWS, z, LANE_ROWS);
        const int activation = l == ws->n_layers - 1 ? identity_t::number : ws->network->activation;
        for (index_t j = 0; j < out; j++) {
            real shift[VECTOR_BYTES / sizeof(real)];
            store(shift, all(bias[j]));
            activate(activation, z + j * LANE_ROWS, shift, ws->n_lanes / LANES, LANES);
        }
        w += in * out;
        bias += out;
    }
}

/* Sum of weight times loss over the loaded rows; ws->delta as in `loss_rows`. */
double lanes_loss(lanes_t *ws, double n_samples)
{
    return unit_major_loss(ws->network, ws->network->sizes[ws->n_layers], ws->n_lanes, ws->activations[ws->n_layers],
                           ws->target, ws->weight, ws->delta, n_samples);
}

/* The sum of each of n vectors, in the order of `sum_of_lanes`; n is 1 or 16. */
INLINE void sums_of_lanes(const int n, V *x, real *sums)
{
#ifndef __clang__
    /* two vectors become one, with half as many terms of each sum, until a lane is a sum: AVX-512 has instructions that
     * take lanes of two vectors, without which this is slower than one vector after the other */
    static constexpr int_t lower[4][16] = {{0, 2, 4, 6, 8, 10, 12, 14, 16, 18, 20, 22, 24, 26, 28, 30},
                                           {0, 1, 4, 5, 8, 9, 12, 13, 16, 17, 20, 21, 24, 25, 28, 29},
                                           {0, 1, 2, 3, 8, 9, 10, 11, 16, 17, 18, 19, 24, 25, 26, 27},
                                           {0, 1, 2, 3, 4, 5, 6, 7, 16, 17, 18, 19, 20, 21, 22, 23}};
    const bool is_folded = VECTOR_BYTES == 64 && n > 1;
    int left = n;
#pragma GCC unroll 4
    for (int level = IS_DOUBLE ? 2 : 3; level >= 0 && is_folded; level--) {
        const VI low = *(const VI *)lower[level], high = low + ((int_t)1 << level);
        left /= 2;
#pragma GCC unroll 8
        for (int i = 0; i < left; i++)
            x[i] = __builtin_shuffle(x[2 * i], x[2 * i + 1], low) + __builtin_shuffle(x[2 * i], x[2 * i + 1], high);
    }
    if (is_folded) {
        memcpy(sums, x, (size_t)n * sizeof(real));
        return;
    }
#endif
    for (int i = 0; i < n; i++)
        sums[i] = sum_of_lanes(x[i]);
}

/* G[i, j] += sum over the lanes of A[i] * D[j], for ni x nj units. */
INLINE void lanes_tile(const int ni, const int nj, index_t n_lanes, const real *A, const real *D, real *G, index_t ldg)
{
    V acc[16];
    real sums[16];
#pragma GCC unroll 16
    for (int i = 0; i < ni * nj; i++)
        acc[i] = all(0);
    for (index_t p = 0; p < n_lanes; p += LANES)
#pragma GCC unroll 4
        for (int i = 0; i < ni; i++)
#pragma GCC unroll 4
            for (int j = 0; j < nj; j++)
                acc[i * nj + j] += load(A + i * LANE_ROWS + p) * load(D + j * LANE_ROWS + p);
    sums_of_lanes(ni * nj, acc, sums);
#pragma GCC unroll 4
    for (int i = 0; i < ni; i++)
#pragma GCC unroll 4
        for (int j = 0; j < nj; j++)
            G[i * ldg + j] += sums[i * nj + j];
}

void lanes_outer(index_t in, index_t out, index_t n_lanes, const real *A, const real *D, real *G)
{
    for (index_t i = 0; i < in; i += 4)
        for (index_t j = 0; j < out; j += 4) {
            const real *a = A + i * LANE_ROWS, *d = D + j * LANE_ROWS;
            real *g = G + i * out + j;
            if (i + 4 <= in && j + 4 <= out) {
                lanes_tile(4, 4, n_lanes, a, d, g, out);
                continue;
            }
            for (index_t ii = 0; ii < min_index(4, in - i); ii++)
                for (index_t jj = 0; jj < min_index(4, out - j); jj++)
                    lanes_tile(1, 1, n_lanes, a + ii * LANE_ROWS, d + jj * LANE_ROWS, g + ii * out + jj, out);
        }
}

/* Add the loaded rows' part to a flat gradient. */
void lanes_backward(lanes_t *ws, const real *parameters, real *gradient)
{
    const index_t *sizes = ws->network->sizes;
    index_t at = 0, bias_at = 0;
    for (index_t l = 0; l < ws->n_layers; l++) {
        at += sizes[l] * sizes[l + 1];
        bias_at += sizes[l] * sizes[l + 1] + sizes[l + 1];
    }
    for (index_t l = ws->n_layers - 1; l >= 0; l--) {
        const index_t in = sizes[l], out = sizes[l + 1];
        at -= in * out;
        bias_at -= out;
        lanes_outer(in, out, ws->n_lanes, ws->activations[l], ws->delta, gradient + at);
        for (index_t j = 0; j < out; j++) {
            V sum = all(0);
            for (index_t p = 0; p < ws->n_lanes; p += LANES)
                sum += load(ws->delta + j * LANE_ROWS + p);
            gradient[bias_at + j] += sum_of_lanes(sum);
        }
        if (!l)
            break;
        multiply(in, ws->n_lanes, out, parameters + at, out, 1, ws->delta, LANE_ROWS, ws->delta_below, LANE_ROWS);
        for (index_t i = 0; i < in; i++)
            derive(ws->network->activation, ws->delta_below + i * LANE_ROWS, ws->activations[l] + i * LANE_ROWS,
                   ws->n_lanes);
        real *swap = ws->delta;
        ws->delta = ws->delta_below;
        ws->delta_below = swap;
    }
}
