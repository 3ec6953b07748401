/* The pass over a block of rows, row-major: one row of activations after the other, units in the SIMD lanes. For
 * training, prediction and large full-batch evaluations. */

/* Rows of a block: entries first + 0, 1, ... of `order`, or these rows of the data where order is nullptr. */
struct rows_t {
    const data_t *data;
    const index_t *order;
    index_t first, n;
};

INLINE index_t row_number(const rows_t *rows, index_t i) { return row_of(rows->order, rows->first + i); }

/* Number of rows in a chunk of cheap loops. */
constexpr index_t ROW_CHUNK = 16;

/* The block's dense input, gathered if its rows do not follow each other; nullptr for CSR. */
const real *dense_input(workspace_t *ws, const rows_t *rows)
{
    const index_t n_features = ws->call->network.sizes[0];
    const real *values = (const real *)rows->data->values;
    if (rows->data->indptr)
        return nullptr;
    if (!rows->order || rows->n == 1)
        return values + row_number(rows, 0) * n_features;
    share_items(ws, rows->n, ROW_CHUNK, rows->n * n_features * 64, [=](index_t first, index_t stop, index_t, int) {
        for (index_t i = first; i < stop; i++)
            memcpy(ws->input + i * n_features, values + row_number(rows, i) * n_features,
                   (size_t)n_features * sizeof(real));
    });
    return ws->input;
}

/* Call action(column, value) for each entry of a row of CSR. */
template <typename Action> INLINE void each_entry(const data_t *data, index_t row, Action action)
{
    const index_t end = first_entry_of(data, row + 1);
    for (index_t p = first_entry_of(data, row); p < end; p++)
        action(index_at(data->indices, data->wide_indices, p), ((const real *)data->values)[p]);
}

/* a += value * b, for n numbers. */
INLINE void add_multiple(real *a, real value, const real *b, index_t n)
{
    const V factor = all(value);
    for (index_t j = 0; j < n; j += LANES)
        store(a + j, load(a + j) + factor * load(b + j));
}

/* The first layer's raw activations of the CSR rows first, ..., stop - 1 of a block. */
void sparse_forward(const layer_t *layer, const rows_t *rows, index_t first, index_t stop)
{
    const index_t ld = layer->ld;
    const real *weights = layer->part[PARAMETERS].weights;
    for (index_t i = first; i < stop; i++) {
        real *out = layer->activation + i * ld;
        memset(out, 0, (size_t)ld * sizeof(real));
        each_entry(rows->data, row_number(rows, i), [=](index_t column, real value) ALWAYS_INLINE {
            add_multiple(out, value, weights + column * ld, ld);
        });
    }
}

/* Activations of every layer for a block; those of the last layer are the raw outputs. */
void forward(workspace_t *ws, const rows_t *rows, const real *input)
{
    const real *A = input;
    index_t lda = ws->call->network.sizes[0];
    LAYERS(ws) {
        const int is_last = layer == ws->layers + ws->n_layers - 1;
        const int activation = is_last ? identity_t::number : ws->call->network.activation;
        real *z = layer->activation;
        if (A) {
            product_t x = {};
            x.m = rows->n, x.n = layer->ld, x.k = layer->in;
            x.A = A, x.row_step = lda, x.column_step = 1;
            x.B = layer->part[PARAMETERS].weights, x.ldb = layer->ld, x.n_valid = layer->out;
            x.banded_b = layer->banded;
            x.C = z, x.ldc = layer->ld;
            x.finish = ACTIVATE, x.activation = activation;
            x.other = layer->part[PARAMETERS].biases;
            x.scratch = ws->scratch;
            do_product(&x, ws->call->n_threads, &ws->call->interruption);
        } else {
            const index_t work = rows->data->stored_per_row * rows->n * layer->ld;
            if (is_interrupted(&ws->call->interruption, work))
                return;
            share_items(ws, rows->n, ROW_CHUNK, 8 * work,
                        [=](index_t first, index_t stop, index_t, int) { sparse_forward(layer, rows, first, stop); });
            activate(activation, z, layer->part[PARAMETERS].biases, rows->n, layer->ld);
        }
        A = z;
        lda = layer->ld;
    }
}

/* Sum of weight times loss over the rows first, ..., stop - 1 of a block. The last layer's delta becomes
 * weight / n_samples * the derivative of the loss with respect to the raw outputs, see `unit_major_loss`. */
double loss_rows(workspace_t *ws, const rows_t *rows, index_t first, index_t stop, double n_samples, int worker)
{
    const layer_t *layer = ws->layers + ws->n_layers - 1;
    const index_t out = layer->out, ld = layer->ld;
    const real *weights = (const real *)rows->data->weights;
    double total = 0;
    if (out <= LANE_WIDTH && stop - first >= LANES / 2) {
        /* transposed, so that no lane is idle and nothing is summed across lanes */
        const index_t n_rows = stop - first, n_lanes = round_up(n_rows, ROW_STEP);
        real *z = ws->scratch + worker * SCRATCH, *t = z + out * LANE_ROWS, *delta = t + out * LANE_ROWS;
        real *weight = delta + out * LANE_ROWS;
        transpose(n_rows, out, layer->activation + first * ld, ld, n_lanes, z, LANE_ROWS);
        transpose_targets(rows->data, rows->order, rows->first + first, n_rows, out, n_lanes, t);
        for (index_t i = 0; i < n_lanes; i++)
            weight[i] = i >= n_rows ? 0 : weights ? weights[row_number(rows, first + i)] : 1;
        total = unit_major_loss(&ws->call->network, out, n_lanes, z, t, weight, delta, n_samples);
        transpose(out, n_rows, delta, LANE_ROWS, ld, layer->delta + first * ld, ld);
        return total;
    }
    real *y = ws->target + worker * ld;
    for (index_t i = first; i < stop; i++) {
        const index_t row = row_number(rows, i);
        const real weight = weights ? weights[row] : 1, factor = weight / (real)n_samples;
        take_targets(rows->data, row, out, y);
        total +=
            (double)sum_of_lanes(row_loss(&ws->call->network, out, ld, layer->activation + i * ld, y,
                                          layer->delta + i * ld, weight, factor, ws->log_of + i, ws->log_weight + i));
    }
    if (takes_logs(&ws->call->network))
        total += sum_of_logs(ws->log_of + first, ws->log_weight + first, stop - first);
    return total;
}

/* Loss of a block, see `loss_rows`. */
double loss(workspace_t *ws, const rows_t *rows, double n_samples)
{
    const index_t work = 32 * rows->n * ws->layers[ws->n_layers - 1].ld;
    share_items(ws, rows->n, LOSS_CHUNK, work, [=](index_t first, index_t stop, index_t chunk, int worker) {
        ws->totals[chunk] = loss_rows(ws, rows, first, stop, n_samples, worker);
    });
    return total(ws, (rows->n + LOSS_CHUNK - 1) / LOSS_CHUNK);
}

/* The first layer's part of the gradient, for CSR rows. */
void sparse_backward(const rows_t *rows, const layer_t *layer, real *g, int accumulate)
{
    const index_t ld = layer->ld;
    if (!accumulate)
        memset(g, 0, (size_t)(layer->in * ld) * sizeof(real));
    for (index_t i = 0; i < rows->n; i++) {
        const real *d = layer->delta + i * ld;
        each_entry(rows->data, row_number(rows, i),
                   [=](index_t column, real value) ALWAYS_INLINE { add_multiple(g + column * ld, value, d, ld); });
    }
}

/* Gradient of the weights and biases from a block's activations and the last layer's delta. */
void backward(workspace_t *ws, const rows_t *rows, const real *input, int accumulate)
{
    for (index_t l = ws->n_layers - 1; l >= 0; l--) {
        const layer_t *layer = ws->layers + l, *below = l ? layer - 1 : nullptr;
        const real *A = l ? below->activation : input, *d = layer->delta;
        real *g = layer->part[GRADIENT].weights, *bias = layer->part[GRADIENT].biases;
        const index_t lda = l ? below->ld : layer->in, ld = layer->ld;
        for (index_t j = 0; j < ld; j += LANES) {
            V sum = accumulate ? load(bias + j) : all(0);
            for (index_t i = 0; i < rows->n; i++)
                sum += load(d + i * ld + j);
            store(bias + j, sum);
        }
        if (A) {
            product_t x = {};
            x.m = layer->in, x.n = ld, x.k = rows->n;
            x.A = A, x.row_step = 1, x.column_step = lda;
            x.B = d, x.ldb = ld, x.n_valid = layer->out;
            x.C = g, x.ldc = ld, x.banded_c = layer->banded, x.accumulate = accumulate;
            x.scratch = ws->scratch;
            do_product(&x, ws->call->n_threads, &ws->call->interruption);
        } else if (!is_interrupted(&ws->call->interruption, rows->data->stored_per_row * rows->n * ld) &&
                   !ws->is_sorted) {
            sparse_backward(rows, layer, g, accumulate);
        }
        if (!l)
            continue;
        product_t x = {};
        x.m = rows->n, x.n = below->ld, x.k = layer->out;
        x.A = d, x.row_step = ld, x.column_step = 1;
        x.B = layer->part[PARAMETERS].weights, x.ldb = ld, x.transposed = 1, x.n_valid = layer->in;
        x.banded_b = layer->banded;
        x.C = below->delta, x.ldc = below->ld;
        x.finish = DERIVE, x.activation = ws->call->network.activation, x.other = below->activation;
        x.scratch = ws->scratch;
        do_product(&x, ws->call->n_threads, &ws->call->interruption);
    }
}

/* Sum of the losses of the rows first, ..., stop - 1, and in the gradient's parts its gradient / n_samples; neither is
 * valid if the call is over. */
double loss_and_gradient(workspace_t *ws, const index_t *order, index_t first, index_t stop, double n_samples)
{
    double total = 0;
    for (index_t start = first; start < stop && !ws->call->interruption.is_over; start += ws->block) {
        const rows_t rows = {&ws->call->data, order, start, min_index(ws->block, stop - start)};
        const real *input = dense_input(ws, &rows);
        forward(ws, &rows, input);
        total += loss(ws, &rows, n_samples);
        backward(ws, &rows, input, start > first);
    }
    return total;
}
