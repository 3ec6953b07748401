/* Predictions from a caller's own arrays: the parameters of each layer where they are, and dense rows that are checked
 * for infinities and NaN as they are read. One or two rows need no workspace: they go through the network one
 * by one, in 1.1 to 1.6 times less time than with one. Sums are in the order of `tile`, so that the bits are the same. */

constexpr index_t FEW_ROWS = 2;

/* Vectors of a row's activations that are summed at once. */
constexpr index_t ROW_VECTORS = 4 * TILE_VECTORS;

/* y[n] = x[in] @ W[in, n], for nv - 1 whole vectors and one that ends with the last column, LANES <= n <= nv * LANES. */
INLINE void row_vectors(const int nv, index_t in, index_t n, const real *x, const real *W, index_t ldw, real *y)
{
    V sum[ROW_VECTORS];
#pragma GCC unroll 16
    for (int v = 0; v < nv; v++)
        sum[v] = all(0);
    for (index_t p = 0; p < in; p++, W += ldw) {
        const V a = all(x[p]);
#pragma GCC unroll 16
        for (int v = 0; v < nv - 1; v++)
            sum[v] = multiply_add(a, load(W + v * LANES), sum[v]);
        sum[nv - 1] = multiply_add(a, load(W + n - LANES), sum[nv - 1]);
    }
#pragma GCC unroll 16
    for (int v = 0; v < nv - 1; v++)
        store(y + v * LANES, sum[v]);
    store(y + n - LANES, sum[nv - 1]);
}

/* The same for less than a vector of columns; y has room for a whole one. */
void narrow_row(index_t in, index_t n, const real *x, const real *W, real *y)
{
    V sum = all(0);
    index_t p = 0;
    for (; p * n + LANES <= in * n; p++)
        sum = multiply_add(all(x[p]), load(W + p * n), sum);
    for (; p < in; p++) {
        real last[VECTOR_BYTES / sizeof(real)] = {0};
        for (index_t j = 0; j < n; j++)
            last[j] = W[p * n + j];
        sum = multiply_add(all(x[p]), load(last), sum);
    }
    store(y, sum);
}

/* y[n] = x[in] @ W[in, n], for any n. */
void row_product(index_t in, index_t n, const real *x, const real *W, real *y)
{
    if (n < LANES) {
        narrow_row(in, n, x, W, y);
        return;
    }
    for (index_t j = 0; j < n; j += ROW_VECTORS * LANES) {
        const index_t first = min_index(j, n - LANES), width = min_index(ROW_VECTORS * LANES, n - first);
#define VECTORS(nv) \
    case nv: \
        if (nv <= ROW_VECTORS) \
            row_vectors(nv, in, width, x, W + first, n, y + first); \
        break;
        switch ((width + LANES - 1) / LANES) {
            VECTORS(1)
            VECTORS(2)
            VECTORS(3)
            VECTORS(4)
            VECTORS(5) VECTORS(6) VECTORS(7) VECTORS(8) VECTORS(9) VECTORS(10) VECTORS(11) VECTORS(12) VECTORS(13)
                VECTORS(14) VECTORS(15) VECTORS(16)
        }
#undef VECTORS
    }
}

/* Outputs of one row; x and y are padded buffers for the widest layer. */
void predict_row(const network_t *network, const layer_arrays_t *layers, const real *row, int raw, real *result,
                 real *x, real *y)
{
    const index_t last = network->n_layers - 1, n_outputs = network->sizes[last + 1];
    for (index_t l = 0; l <= last; l++) {
        const index_t n = network->sizes[l + 1];
        const real *biases = (const real *)layers[l].biases;
        row_product(network->sizes[l], n, row, (const real *)layers[l].weights, y);
        for (index_t j = 0; j < n; j++)
            y[j] += biases[j];
        if (l < last)
            apply(network->activation, y, round_up(n, ROW_STEP));
        real *next = x;
        x = y, row = y, y = next;
    }
    if (!raw)
        apply_output(network->output, x, n_outputs, round_up(n_outputs, ROW_STEP));
    memcpy(result, x, (size_t)n_outputs * sizeof(real));
}

int predict(call_t *call, const layer_arrays_t *layers, int raw, void *result)
{
    const network_t *network = &call->network;
    const index_t n_rows = call->data.n_rows, n_features = network->sizes[0],
                  n_outputs = network->sizes[network->n_layers];
    const real *rows = (const real *)call->data.values;
    if (n_rows > FEW_ROWS) {
        workspace_t ws = {};
        if (reserve(&ws, call, nullptr, n_rows, FOR_OUTPUTS, 0))
            return -1;
        for (index_t l = 0; l < network->n_layers; l++)
            take_layer(ws.layers + l, PARAMETERS, (real *)layers[l].weights, (real *)layers[l].biases);
        return outputs_of_blocks(&ws, raw, result, 1);
    }
    if (!are_finite(rows, n_rows * n_features))
        return NOT_FINITE;
    index_t width = 0;
    for (index_t l = 1; l <= network->n_layers; l++)
        width = max_index(width, round_up(network->sizes[l], ROW_STEP));
    real *memory = allocate_zeros<real>(2 * width);
    if (!memory)
        return -1;
    for (index_t i = 0; i < n_rows; i++)
        predict_row(network, layers, rows + i * n_features, raw, (real *)result + i * n_outputs, memory,
                    memory + width);
    free(memory);
    return 0;
}
