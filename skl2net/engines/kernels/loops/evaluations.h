/* Evaluations over all rows: gradient, outputs, and the losses of many parameter vectors. */

double total_weight(const data_t *data)
{
    if (!data->weights)
        return (double)data->n_rows;
    double total = 0;
    for (index_t i = 0; i < data->n_rows; i++)
        total += (double)((const real *)data->weights)[row_of(data->order, i)];
    return total;
}

/* Evaluations over all rows, again and again on the same data. */
struct evaluation_t {
    call_t *call;
    sharing_t sharing;
    index_t n_parameters;
    double n_samples;
    int in_lanes, n_threads;
    lanes_t lanes[MAX_THREADS]; /* of each thread, if in_lanes */
    workspace_t ws;             /* if not */
};

/* Prepare an evaluation that is all zero, of n_vectors parameter vectors at a time or, if that is 0, of the gradient. */
int open_evaluation(evaluation_t *x, call_t *call, index_t n_vectors)
{
    const data_t *data = &call->data;
    x->call = call;
    x->n_parameters = count_parameters(&call->network);
    x->n_samples = total_weight(data);
    x->in_lanes = lanes_suit(call);
    if (!x->in_lanes)
        return reserve(&x->ws, call, data->order, data->n_rows, n_vectors ? FOR_OUTPUTS : FOR_GRADIENT, 0);
    x->n_threads = n_vectors * x->n_parameters * data->n_rows >= 4 * SHARED_WORK ? call->n_threads : 1;
    begin_sharing(&x->sharing, x->n_threads);
    int failed = 0;
    for (int i = 0; i < x->n_threads; i++)
        failed |= lanes_reserve(x->lanes + i, &call->network);
    return failed;
}

/* The mean loss; its gradient goes to `gradient`. */
double evaluate_gradient(evaluation_t *x, const real *parameters, real *gradient)
{
    const index_t n_rows = x->call->data.n_rows;
    double total = 0;
    if (!x->in_lanes) {
        take(&x->ws, PARAMETERS, (real *)parameters);
        take(&x->ws, GRADIENT, gradient);
        total = loss_and_gradient(&x->ws, x->call->data.order, 0, n_rows, x->n_samples);
        give_back(&x->ws, GRADIENT, gradient);
        return total / x->n_samples;
    }
    memset(gradient, 0, (size_t)x->n_parameters * sizeof(real));
    for (index_t start = 0; start < n_rows; start += LANE_ROWS) {
        if (is_interrupted(&x->call->interruption, x->n_parameters * LANE_ROWS))
            break;
        lanes_load(x->lanes, &x->call->data, start, min_index(LANE_ROWS, n_rows - start));
        lanes_forward(x->lanes, parameters);
        total += lanes_loss(x->lanes, x->n_samples);
        lanes_backward(x->lanes, parameters, gradient);
    }
    return total / x->n_samples;
}

/* Outputs of one row of raw outputs, in place. */
INLINE void apply_output(int output, real *z, index_t out, index_t ld)
{
    if (output == SOFTMAX) {
        const softmax_sums_t s = softmax(1, out, ld, LANES, z, nullptr, z);
        const real partition = sum_outputs(out, z, s.sum);
        for (index_t j = 0; j < ld; j += LANES)
            store(z + j, load(z + j) / partition);
        return;
    }
    if (output != identity_t::number)
        apply(output, z, ld);
}

/* Outputs of all rows by a workspace that has the parameters; NOT_FINITE where dense rows are to be checked and have
 * infinities or NaN. */
int outputs_of_blocks(workspace_t *ws, int raw, void *result, int checks)
{
    const layer_t *last = ws->layers + ws->n_layers - 1;
    const data_t *data = &ws->call->data;
    for (index_t start = 0; start < data->n_rows && !ws->call->interruption.is_over; start += ws->block) {
        const rows_t rows = {data, data->order, start, min_index(ws->block, data->n_rows - start)};
        const real *input = dense_input(ws, &rows);
        if (checks && !are_finite(input, rows.n * ws->call->network.sizes[0]))
            return NOT_FINITE;
        forward(ws, &rows, input);
        for (index_t i = 0; i < rows.n; i++) {
            real *z = last->activation + i * last->ld;
            if (!raw)
                apply_output(ws->call->network.output, z, last->out, last->ld);
            memcpy((real *)result + (start + i) * last->out, z, (size_t)last->out * sizeof(real));
        }
    }
    return 0;
}

int outputs(call_t *call, const void *parameters, int raw, void *result)
{
    workspace_t ws = {};
    if (reserve(&ws, call, call->data.order, call->data.n_rows, FOR_OUTPUTS, 0))
        return -1;
    take(&ws, PARAMETERS, (real *)parameters);
    return outputs_of_blocks(&ws, raw, result, 0);
}

/* Add the losses of the rows start, ..., stop - 1 to the values of the vectors first, ..., last - 1. */
void add_losses(evaluation_t *x, lanes_t *lanes, index_t start, index_t stop, const real *vectors, index_t stride,
                index_t first, index_t last, double *values)
{
    for (; start < stop; start += LANE_ROWS) {
        lanes_load(lanes, &x->call->data, start, min_index(LANE_ROWS, stop - start));
        for (index_t i = first; i < last; i++) {
            lanes_forward(lanes, vectors + i * stride);
            values[i] += lanes_loss(lanes, (double)INFINITY);
        }
    }
}

/* Work that threads share in one loop, between which the call may end. */
constexpr index_t WORK_PER_LOOP = 1 << 26;

/* The mean loss of each of n vectors; one starts `stride` numbers after the other. */
void evaluate(evaluation_t *x, const real *vectors, index_t n, index_t stride, double *values)
{
    interruption_t *interruption = &x->call->interruption;
    const data_t *data = &x->call->data;
    for (index_t i = 0; i < n; i++)
        values[i] = 0;
    if (x->in_lanes) {
        const index_t work_per_row = n * x->n_parameters, n_chunks = x->n_threads == 1 ? 1 : 2 * x->n_threads;
        const index_t rows_per_loop = round_up(WORK_PER_LOOP / max_index(1, work_per_row) + 1, LANE_ROWS);
        const index_t per_chunk = (n + n_chunks - 1) / n_chunks;
        for (index_t row = 0; row < data->n_rows; row += rows_per_loop) {
            const index_t stop = min_index(data->n_rows, row + rows_per_loop);
            if (is_interrupted(interruption, (stop - row) * work_per_row))
                return;
            share(n_chunks, x->n_threads, [=](index_t chunk, int worker) {
                const index_t first = chunk * per_chunk, last = min_index(n, first + per_chunk);
                add_losses(x, x->lanes + worker, row, stop, vectors, stride, first, last, values);
            });
        }
    } else {
        for (index_t i = 0; i < n; i++) {
            take(&x->ws, PARAMETERS, (real *)vectors + i * stride);
            for (index_t start = 0; start < data->n_rows && !interruption->is_over; start += x->ws.block) {
                const rows_t rows = {data, data->order, start, min_index(x->ws.block, data->n_rows - start)};
                forward(&x->ws, &rows, dense_input(&x->ws, &rows));
                values[i] += loss(&x->ws, &rows, (double)INFINITY);
            }
        }
    }
    for (index_t i = 0; i < n; i++)
        values[i] /= x->n_samples;
}

int gradient(call_t *call, const void *parameters, double *value, void *gradient)
{
    evaluation_t evaluation = {};
    if (open_evaluation(&evaluation, call, 0))
        return -1;
    *value = evaluate_gradient(&evaluation, (const real *)parameters, (real *)gradient);
    return 0;
}

int losses(call_t *call, const void *vectors, index_t n_vectors, double *values)
{
    evaluation_t evaluation = {};
    if (open_evaluation(&evaluation, call, n_vectors))
        return -1;
    evaluate(&evaluation, (const real *)vectors, n_vectors, evaluation.n_parameters, values);
    return 0;
}
