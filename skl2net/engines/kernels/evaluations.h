/* Evaluations over all rows: gradient, outputs, and the losses of many parameter vectors. */

FUNCTION double NAME(total_weight)(const data_t *data)
{
    if (!data->weights)
        return (double)data->n_rows;
    double total = 0;
    for (index_t i = 0; i < data->n_rows; i++)
        total += (double)((const REAL *)data->weights)[row_of(data->order, i)];
    return total;
}

/* Whether blocks of the rows that count have to be gathered. */
FUNCTION int NAME(gathers)(const data_t *data) { return data->order && !data->indptr; }

/* Loss and gradient over all rows, again and again on the same data. */
typedef struct {
    const network_t *network;
    const data_t *data;
    interruption_t *interruption;
    index_t n_parameters;
    double n_samples;
    int in_lanes;
    NAME(lanes) lanes;  /* if in_lanes */
    NAME(workspace) ws; /* if not */
} NAME(full_batch);

FUNCTION int NAME(open_full_batch)(NAME(full_batch) *x, const network_t *network, const data_t *data, int n_threads,
                                   interruption_t *interruption)
{
    memset(x, 0, sizeof *x);
    x->network = network;
    x->data = data;
    x->interruption = interruption;
    x->n_parameters = count_parameters(network);
    x->n_samples = NAME(total_weight)(data);
    x->in_lanes = NAME(lanes_suit)(network, data);
    if (x->in_lanes)
        return NAME(lanes_reserve)(&x->lanes, network);
    return NAME(reserve)(&x->ws, network, n_threads, interruption, data->n_rows, NAME(FOR_GRADIENT),
                         NAME(gathers)(data), 0);
}

FUNCTION void NAME(close_full_batch)(NAME(full_batch) *x)
{
    NAME(lanes_release)(&x->lanes);
    NAME(release)(&x->ws);
}

/* The mean loss; its gradient goes to `gradient`. */
FUNCTION double NAME(evaluate_gradient)(NAME(full_batch) *x, const REAL *parameters, REAL *gradient)
{
    const index_t n_rows = x->data->n_rows;
    double total = 0;
    if (!x->in_lanes) {
        NAME(take)(&x->ws, NAME(PARAMETERS), (REAL *)parameters);
        NAME(take)(&x->ws, NAME(GRADIENT), gradient);
        total = NAME(loss_and_gradient)(&x->ws, x->data, x->data->order, 0, n_rows, x->n_samples);
        NAME(give_back)(&x->ws, NAME(GRADIENT), gradient);
        return total / x->n_samples;
    }
    memset(gradient, 0, (size_t)x->n_parameters * sizeof(REAL));
    for (index_t start = 0; start < n_rows; start += LANE_ROWS) {
        if (is_interrupted(x->interruption, x->n_parameters * LANE_ROWS))
            break;
        NAME(lanes_load)(&x->lanes, x->data, start, min_index(LANE_ROWS, n_rows - start));
        NAME(lanes_forward)(&x->lanes, parameters);
        total += NAME(lanes_loss)(&x->lanes, x->n_samples);
        NAME(lanes_backward)(&x->lanes, parameters, gradient);
    }
    return total / x->n_samples;
}

FUNCTION int NAME(gradient)(const network_t *network, const data_t *data, const void *parameters, double *value,
                            void *gradient, int n_threads, interruption_t *interruption)
{
    NAME(full_batch) batch;
    const int failed = NAME(open_full_batch)(&batch, network, data, n_threads, interruption);
    if (!failed)
        *value = NAME(evaluate_gradient)(&batch, parameters, gradient);
    NAME(close_full_batch)(&batch);
    return failed;
}

/* Outputs of one row of raw outputs, in place. */
INLINE void NAME(finish)(int output, REAL *z, index_t out, index_t ld)
{
    if (output == OUT_SOFTMAX) {
        const NAME(softmax_sums) s = NAME(softmax)(1, out, ld, LANES, z, NULL, z);
        const REAL partition = NAME(sum_outputs)(out, z, s.sum);
        for (index_t j = 0; j < ld; j += LANES)
            NAME(store)(z + j, NAME(load)(z + j) / partition);
        return;
    }
    for (index_t j = 0; j < ld; j += LANES) {
        V x = NAME(load)(z + j);
        NAME(store)(z + j, output == OUT_LOGISTIC ? NAME(logistic)(x) : output == OUT_EXP ? NAME(exp)(x) : x);
    }
}

/* Whether no number is infinite or NaN. */
FUNCTION int NAME(are_finite)(const REAL *values, index_t n)
{
    V zero = NAME(all)(0);
    REAL rest = 0;
    index_t i = 0;
    for (; i + LANES <= n; i += LANES)
        zero += NAME(load)(values + i) - NAME(load)(values + i);
    for (; i < n; i++)
        rest += values[i] - values[i];
    return NAME(sum)(zero) + rest == 0;
}

/* Outputs of all rows by a workspace that has the parameters; NOT_FINITE where dense rows are to be checked and have
 * infinities or NaN. */
FUNCTION int NAME(outputs_of_blocks)(NAME(workspace) *ws, const data_t *data, int raw, void *result, int checks)
{
    const NAME(layer) *last = ws->layers + ws->n_layers - 1;
    for (index_t start = 0; start < data->n_rows && !ws->interruption->is_over; start += ws->block) {
        NAME(rows) rows = {data, data->order, start, min_index(ws->block, data->n_rows - start)};
        const REAL *input = NAME(dense_input)(ws, &rows);
        if (checks && !NAME(are_finite)(input, rows.n * ws->network->sizes[0]))
            return NOT_FINITE;
        NAME(forward)(ws, &rows, input);
        for (index_t i = 0; i < rows.n; i++) {
            REAL *z = last->activation + i * last->ld;
            if (!raw)
                NAME(finish)(ws->network->output, z, last->out, last->ld);
            memcpy((REAL *)result + (start + i) * last->out, z, (size_t)last->out * sizeof(REAL));
        }
    }
    return 0;
}

FUNCTION int NAME(outputs)(const network_t *network, const data_t *data, const void *parameters, int raw, void *result,
                           int n_threads, interruption_t *interruption)
{
    NAME(workspace) ws;
    int failed =
        NAME(reserve)(&ws, network, n_threads, interruption, data->n_rows, NAME(FOR_OUTPUTS), NAME(gathers)(data), 0);
    if (!failed) {
        NAME(take)(&ws, NAME(PARAMETERS), (REAL *)parameters);
        failed = NAME(outputs_of_blocks)(&ws, data, raw, result, 0);
    }
    NAME(release)(&ws);
    return failed;
}

/* Evaluations of n_vectors parameter vectors at a time, again and again on the same data. */
typedef struct {
    const network_t *network;
    const data_t *data;
    index_t n_vectors, n_parameters, vectors_per_chunk, n_chunks;
    double n_samples;
    int in_lanes, n_threads;
    NAME(lanes) lanes[MAX_THREADS]; /* of each thread, if in_lanes */
    NAME(workspace) ws;             /* if not */
    interruption_t *interruption;
    const REAL *vectors;
    index_t stride, first_row, stop_row;
    double *values;
} NAME(evaluation);

FUNCTION int NAME(open_evaluation)(NAME(evaluation) *x, const network_t *network, const data_t *data, index_t n_vectors,
                                   int n_threads, interruption_t *interruption)
{
    memset(x, 0, sizeof *x);
    x->interruption = interruption;
    x->network = network;
    x->data = data;
    x->n_vectors = n_vectors;
    x->n_parameters = count_parameters(network);
    x->n_samples = NAME(total_weight)(data);
    x->in_lanes = NAME(lanes_suit)(network, data);
    if (!x->in_lanes)
        return NAME(reserve)(&x->ws, network, n_threads, interruption, data->n_rows, NAME(FOR_OUTPUTS),
                             NAME(gathers)(data), 0);
    const int is_large = n_vectors * x->n_parameters * data->n_rows >= 4 * SHARED_WORK;
    x->n_threads = is_large ? n_threads : 1;
    begin_sharing(x->n_threads);
    x->n_chunks = x->n_threads == 1 ? 1 : 2 * x->n_threads;
    x->vectors_per_chunk = (n_vectors + x->n_chunks - 1) / x->n_chunks;
    int failed = 0;
    for (int i = 0; i < x->n_threads; i++)
        failed |= NAME(lanes_reserve)(x->lanes + i, network);
    return failed;
}

FUNCTION void NAME(close_evaluation)(NAME(evaluation) *x)
{
    end_sharing(x->n_threads);
    for (int i = 0; i < x->n_threads; i++)
        NAME(lanes_release)(x->lanes + i);
    NAME(release)(&x->ws);
}

FUNCTION void NAME(evaluate_chunk)(void *context, int64_t chunk, int worker)
{
    NAME(evaluation) *x = context;
    NAME(lanes) *ws = x->lanes + worker;
    const index_t first = chunk * x->vectors_per_chunk;
    const index_t stop = min_index(x->n_vectors, first + x->vectors_per_chunk);
    for (index_t start = x->first_row; start < x->stop_row; start += LANE_ROWS) {
        NAME(lanes_load)(ws, x->data, start, min_index(LANE_ROWS, x->stop_row - start));
        for (index_t i = first; i < stop; i++) {
            NAME(lanes_forward)(ws, x->vectors + i * x->stride);
            x->values[i] += NAME(lanes_loss)(ws, (double)INFINITY);
        }
    }
}

/* Work that threads share in one loop, between which the call may end. */
#define WORK_PER_LOOP ((index_t)1 << 26)

/* The mean loss of each vector; one starts `stride` numbers after the other. */
FUNCTION void NAME(evaluate)(NAME(evaluation) *x, const REAL *vectors, index_t stride, double *values)
{
    for (index_t i = 0; i < x->n_vectors; i++)
        values[i] = 0;
    if (x->in_lanes) {
        x->vectors = vectors;
        x->stride = stride;
        x->values = values;
        const index_t work_per_row = x->n_vectors * x->n_parameters;
        const index_t rows_per_loop = round_up(WORK_PER_LOOP / max_index(1, work_per_row) + 1, LANE_ROWS);
        for (index_t row = 0; row < x->data->n_rows; row += rows_per_loop) {
            x->first_row = row;
            x->stop_row = min_index(x->data->n_rows, row + rows_per_loop);
            if (is_interrupted(x->interruption, (x->stop_row - row) * work_per_row))
                return;
            share(x->n_chunks, x->n_threads, NAME(evaluate_chunk), x);
        }
    } else {
        for (index_t i = 0; i < x->n_vectors; i++) {
            NAME(take)(&x->ws, NAME(PARAMETERS), (REAL *)vectors + i * stride);
            for (index_t start = 0; start < x->data->n_rows && !x->interruption->is_over; start += x->ws.block) {
                NAME(rows) rows = {x->data, x->data->order, start, min_index(x->ws.block, x->data->n_rows - start)};
                NAME(forward)(&x->ws, &rows, NAME(dense_input)(&x->ws, &rows));
                values[i] += NAME(loss)(&x->ws, &rows, (double)INFINITY);
            }
        }
    }
    for (index_t i = 0; i < x->n_vectors; i++)
        values[i] /= x->n_samples;
}

FUNCTION int NAME(losses)(const network_t *network, const data_t *data, const void *vectors, index_t n_vectors,
                          double *values, int n_threads, interruption_t *interruption)
{
    NAME(evaluation) evaluation;
    const int failed = NAME(open_evaluation)(&evaluation, network, data, n_vectors, n_threads, interruption);
    if (!failed)
        NAME(evaluate)(&evaluation, vectors, evaluation.n_parameters, values);
    NAME(close_evaluation)(&evaluation);
    return failed;
}
