/* Predictions from a caller's own arrays: the parameters of each layer where they are, and dense rows that are checked
 * for infinities and NaN as they are read. One row needs no workspace, which would take a third longer. Its sums are in
 * the order of `tile`, so that the bits are the same. */

/* y[n] = x[in] @ W[in, n]; y has room for whole vectors. */
void row_product(index_t in, index_t n, const real *x, const real *W, real *y)
{
    index_t j = 0;
#define VECTORS(nv) \
    for (; j + nv * LANES <= n; j += nv * LANES) { \
        V sum[nv]; \
        for (int v = 0; v < nv; v++) \
            sum[v] = all(0); \
        for (index_t p = 0; p < in; p++) \
            for (int v = 0; v < nv; v++) \
                sum[v] = multiply_add(all(x[p]), load(W + p * n + j + v * LANES), sum[v]); \
        for (int v = 0; v < nv; v++) \
            store(y + j + v * LANES, sum[v]); \
    }
    VECTORS(4 * TILE_VECTORS)
    VECTORS(2 * TILE_VECTORS)
    VECTORS(2)
    VECTORS(1)
#undef VECTORS
    if (j == n)
        return;
    V sum = all(0); /* less than a vector; the last rows of W end before a whole one does */
    for (index_t p = 0; p < in; p++) {
        real last[VECTOR_BYTES / sizeof(real)] = {0};
        const real *row = W + p * n + j;
        if (p * n + j + LANES > in * n)
            row = (const real *)memcpy(last, row, (size_t)(n - j) * sizeof(real));
        sum = multiply_add(all(x[p]), load(row), sum);
    }
    store(y + j, sum);
}

int predict(call_t *call, const layer_arrays_t *layers, int raw, void *result)
{
    const network_t *network = &call->network;
    const index_t n_layers = network->n_layers, n_outputs = network->sizes[n_layers];
    const real *row = (const real *)call->data.values;
    if (call->data.n_rows > 1) {
        workspace_t ws = {};
        if (reserve(&ws, call, nullptr, call->data.n_rows, FOR_OUTPUTS, 0))
            return -1;
        for (index_t l = 0; l < n_layers; l++)
            take_layer(ws.layers + l, PARAMETERS, (real *)layers[l].weights, (real *)layers[l].biases);
        return outputs_of_blocks(&ws, raw, result, 1);
    }
    if (!are_finite(row, network->sizes[0]))
        return NOT_FINITE;
    index_t width = 0;
    for (index_t l = 1; l <= n_layers; l++)
        width = max_index(width, round_up(network->sizes[l], ROW_STEP));
    real *memory = allocate_zeros<real>(2 * width), *z = memory;
    if (!memory)
        return -1;
    for (index_t l = 0; l < n_layers; l++) {
        const index_t n = network->sizes[l + 1];
        const real *biases = (const real *)layers[l].biases;
        z = memory + l % 2 * width;
        row_product(network->sizes[l], n, row, (const real *)layers[l].weights, z);
        for (index_t j = 0; j < n; j++)
            z[j] += biases[j];
        if (l < n_layers - 1)
            apply(network->activation, z, round_up(n, ROW_STEP));
        row = z;
    }
    if (!raw)
        apply_output(network->output, z, n_outputs, round_up(n_outputs, ROW_STEP));
    memcpy(result, z, (size_t)n_outputs * sizeof(real));
    free(memory);
    return 0;
}
