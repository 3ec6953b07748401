/* The pass over a block of rows, row-major: one row of activations after the other, units in the SIMD lanes. Training,
 * prediction and large full-batch evaluations go this way. */

/* Rows of a block: entries first + 0, 1, ... of `order`, or these rows of the data where order is NULL. */
typedef struct {
    const data_t *data;
    const index_t *order;
    index_t first, n;
} NAME(rows);

INLINE index_t NAME(row)(const NAME(rows) *rows, index_t i)
{
    return row_of(rows->order, rows->first + i);
}

typedef struct {
    NAME(workspace) *ws;
    const NAME(rows) *rows;
    index_t rows_per_chunk;
    double n_samples;
} NAME(block);

FUNCTION void NAME(gather)(void *context, int64_t chunk, int worker)
{
    const NAME(block) *x = context;
    const index_t n_features = x->ws->network->sizes[0], stop = min_index(x->rows->n, (chunk + 1) * x->rows_per_chunk);
    const REAL *values = x->rows->data->values;
    (void)worker;
    for (index_t i = chunk * x->rows_per_chunk; i < stop; i++)
        memcpy(x->ws->input + i * n_features, values + NAME(row)(x->rows, i) * n_features,
               (size_t)n_features * sizeof(REAL));
}

/* The block's dense input, gathered if its rows do not follow each other; NULL for CSR. */
FUNCTION const REAL *NAME(dense_input)(NAME(workspace) *ws, const NAME(rows) *rows)
{
    const index_t n_features = ws->network->sizes[0];
    if (rows->data->indptr)
        return NULL;
    if (!rows->order || rows->n == 1)
        return (const REAL *)rows->data->values + NAME(row)(rows, 0) * n_features;
    NAME(block) x = {ws, rows, 16, 0};
    share((rows->n + 15) / 16, rows->n * n_features * 64 >= SHARED_WORK ? ws->n_threads : 1, NAME(gather), &x);
    return ws->input;
}

/* The first layer's raw activations of CSR rows. */
FUNCTION void NAME(sparse_forward)(void *context, int64_t chunk, int worker)
{
    const NAME(block) *x = context;
    const NAME(layer) *layer = x->ws->layers;
    const data_t *data = x->rows->data;
    const index_t ld = layer->ld, stop = min_index(x->rows->n, (chunk + 1) * x->rows_per_chunk);
    (void)worker;
    for (index_t i = chunk * x->rows_per_chunk; i < stop; i++) {
        const index_t row = NAME(row)(x->rows, i), end = index_at(data->indptr, data->wide_indptr, row + 1);
        REAL *out = layer->activation + i * ld;
        memset(out, 0, (size_t)ld * sizeof(REAL));
        for (index_t p = index_at(data->indptr, data->wide_indptr, row); p < end; p++) {
            const REAL *w = layer->part[NAME(PARAMETERS)].weights + index_at(data->indices, data->wide_indices, p) * ld;
            const V value = NAME(all)(((const REAL *)data->values)[p]);
            for (index_t j = 0; j < ld; j += LANES)
                NAME(store)(out + j, NAME(load)(out + j) + value * NAME(load)(w + j));
        }
    }
}

/* Activations of every layer for a block; those of the last layer are the raw outputs. */
FUNCTION void NAME(forward)(NAME(workspace) *ws, const NAME(rows) *rows, const REAL *input)
{
    const REAL *A = input;
    index_t lda = ws->network->sizes[0];
    LAYERS(ws) {
        const int is_last = layer == ws->layers + ws->n_layers - 1;
        const int activation = is_last ? ACT_IDENTITY : ws->network->activation;
        REAL *z = layer->activation;
        if (A) {
            NAME(product) x = {.m = rows->n, .n = layer->ld, .k = layer->in};
            x.A = A, x.row_step = lda, x.column_step = 1;
            x.B = layer->part[NAME(PARAMETERS)].weights, x.ldb = layer->ld, x.n_valid = layer->out;
            x.banded_b = layer->banded;
            x.C = z, x.ldc = layer->ld;
            x.finish = NAME(ACTIVATE), x.activation = activation;
            x.other = layer->part[NAME(PARAMETERS)].biases;
            x.scratch = ws->scratch;
            NAME(do_product)(&x, ws->n_threads, ws->interruption);
        } else {
            NAME(block) x = {ws, rows, 16, 0};
            const index_t work = rows->data->stored_per_row * rows->n * layer->ld;
            if (is_interrupted(ws->interruption, work))
                return;
            share((rows->n + 15) / 16, 8 * work >= SHARED_WORK ? ws->n_threads : 1, NAME(sparse_forward), &x);
            NAME(activate)(activation, z, layer->part[NAME(PARAMETERS)].biases, rows->n, layer->ld);
        }
        A = z;
        lda = layer->ld;
    }
}

/* Sum over a chunk's rows of weight times loss. The last layer's delta becomes weight / n_samples * the derivative of the
 * loss with respect to the raw outputs, see `unit_major_loss`. */
FUNCTION void NAME(loss_rows)(void *context, int64_t chunk, int worker)
{
    const NAME(block) *x = context;
    NAME(workspace) *ws = x->ws;
    const NAME(rows) *rows = x->rows;
    const index_t first = chunk * x->rows_per_chunk, stop = min_index(rows->n, first + x->rows_per_chunk);
    const NAME(layer) *layer = ws->layers + ws->n_layers - 1;
    const index_t out = layer->out, ld = layer->ld;
    const REAL *weights = rows->data->weights;
    double total = 0;
    if (out <= LANE_WIDTH && stop - first >= LANES / 2) {
        /* turned around, so that no lane is idle and nothing is summed across lanes */
        const index_t n_rows = stop - first, n_lanes = round_up(n_rows, ROW_STEP);
        REAL *z = ws->scratch + worker * SCRATCH, *t = z + out * LANE_ROWS, *delta = t + out * LANE_ROWS;
        REAL *weight = delta + out * LANE_ROWS;
        NAME(transpose)(n_rows, out, layer->activation + first * ld, ld, n_lanes, z, LANE_ROWS);
        NAME(transpose_targets)(rows->data, rows->order, rows->first + first, n_rows, out, n_lanes, t);
        for (index_t i = 0; i < n_lanes; i++)
            weight[i] = i >= n_rows ? 0 : weights ? weights[NAME(row)(rows, first + i)] : 1;
        ws->totals[chunk] =
            NAME(unit_major_loss)(ws->network, out, n_lanes, z, t, weight, delta, x->n_samples);
        NAME(transpose)(out, n_rows, delta, LANE_ROWS, ld, layer->delta + first * ld, ld);
        return;
    }
    REAL *y = ws->target + worker * ld;
    for (index_t i = first; i < stop; i++) {
        const index_t row = NAME(row)(rows, i);
        const REAL weight = weights ? weights[row] : 1, factor = weight / (REAL)x->n_samples;
        NAME(take_targets)(rows->data, row, out, y);
        total += (double)NAME(sum)(NAME(row_loss)(ws->network, out, ld, layer->activation + i * ld, y,
                                                  layer->delta + i * ld, weight, factor, ws->log_of + i,
                                                  ws->log_weight + i));
    }
    if (NAME(takes_logs)(ws->network))
        total += NAME(sum_of_logs)(ws->log_of + first, ws->log_weight + first, stop - first);
    ws->totals[chunk] = total;
}

/* Loss of a block, see `loss_rows`. */
FUNCTION double NAME(loss)(NAME(workspace) *ws, const NAME(rows) *rows, double n_samples)
{
    NAME(block) x = {ws, rows, LOSS_CHUNK, n_samples};
    const index_t n_chunks = (rows->n + LOSS_CHUNK - 1) / LOSS_CHUNK;
    const index_t work = 32 * rows->n * ws->layers[ws->n_layers - 1].ld;
    share(n_chunks, work >= SHARED_WORK ? ws->n_threads : 1, NAME(loss_rows), &x);
    return NAME(total)(ws, n_chunks);
}

/* The first layer's part of the gradient, for CSR rows. */
FUNCTION void NAME(sparse_backward)(const NAME(rows) *rows, const NAME(layer) *layer, REAL *g, int accumulate)
{
    const data_t *data = rows->data;
    const index_t ld = layer->ld;
    if (!accumulate)
        memset(g, 0, (size_t)(layer->in * ld) * sizeof(REAL));
    for (index_t i = 0; i < rows->n; i++) {
        const index_t row = NAME(row)(rows, i), end = index_at(data->indptr, data->wide_indptr, row + 1);
        const REAL *d = layer->delta + i * ld;
        for (index_t p = index_at(data->indptr, data->wide_indptr, row); p < end; p++) {
            REAL *g_row = g + index_at(data->indices, data->wide_indices, p) * ld;
            const V value = NAME(all)(((const REAL *)data->values)[p]);
            for (index_t j = 0; j < ld; j += LANES)
                NAME(store)(g_row + j, NAME(load)(g_row + j) + value * NAME(load)(d + j));
        }
    }
}

/* Gradient of the weights and biases from a block's activations and the last layer's delta. */
FUNCTION void NAME(backward)(NAME(workspace) *ws, const NAME(rows) *rows, const REAL *input, int accumulate)
{
    for (index_t l = ws->n_layers - 1; l >= 0; l--) {
        const NAME(layer) *layer = ws->layers + l, *below = l ? layer - 1 : NULL;
        const REAL *A = l ? below->activation : input, *d = layer->delta;
        REAL *g = layer->part[NAME(GRADIENT)].weights, *bias = layer->part[NAME(GRADIENT)].biases;
        const index_t lda = l ? below->ld : layer->in, ld = layer->ld;
        for (index_t j = 0; j < ld; j += LANES) {
            V sum = accumulate ? NAME(load)(bias + j) : NAME(all)(0);
            for (index_t i = 0; i < rows->n; i++)
                sum += NAME(load)(d + i * ld + j);
            NAME(store)(bias + j, sum);
        }
        if (A) {
            NAME(product) x = {.m = layer->in, .n = ld, .k = rows->n};
            x.A = A, x.row_step = 1, x.column_step = lda;
            x.B = d, x.ldb = ld, x.n_valid = layer->out;
            x.C = g, x.ldc = ld, x.banded_c = layer->banded, x.accumulate = accumulate;
            x.scratch = ws->scratch;
            NAME(do_product)(&x, ws->n_threads, ws->interruption);
        } else if (!is_interrupted(ws->interruption, rows->data->stored_per_row * rows->n * ld) && !ws->is_sorted) {
            NAME(sparse_backward)(rows, layer, g, accumulate);
        }
        if (!l)
            continue;
        NAME(product) x = {.m = rows->n, .n = below->ld, .k = layer->out};
        x.A = d, x.row_step = ld, x.column_step = 1;
        x.B = layer->part[NAME(PARAMETERS)].weights, x.ldb = ld, x.transposed = 1, x.n_valid = layer->in;
        x.banded_b = layer->banded;
        x.C = below->delta, x.ldc = below->ld;
        x.finish = NAME(DERIVE), x.activation = ws->network->activation, x.other = below->activation;
        x.scratch = ws->scratch;
        NAME(do_product)(&x, ws->n_threads, ws->interruption);
    }
}

/* Sum of the losses of the rows first, ..., stop - 1, and in the gradient's parts its gradient / n_samples; neither if
 * the call is over. */
FUNCTION double NAME(loss_and_gradient)(NAME(workspace) *ws, const data_t *data, const index_t *order, index_t first,
                                        index_t stop, double n_samples)
{
    double total = 0;
    for (index_t start = first; start < stop && !ws->interruption->is_over; start += ws->block) {
        NAME(rows) rows = {data, order, start, min_index(ws->block, stop - start)};
        const REAL *input = NAME(dense_input)(ws, &rows);
        NAME(forward)(ws, &rows, input);
        total += NAME(loss)(ws, &rows, n_samples);
        NAME(backward)(ws, &rows, input, start > first);
    }
    return total;
}
