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

/* Whether blocks of the rows that count have to be gathered. */
int gathers(const data_t *data) { return data->order && !data->indptr; }

/* Loss and gradient over all rows, again and again on the same data. */
struct full_batch_t {
    const network_t *network;
    const data_t *data;
    interruption_t *interruption;
    index_t n_parameters;
    double n_samples;
    int in_lanes;
    lanes_t lanes;  /* if in_lanes */
    workspace_t ws; /* if not */
};

int open_full_batch(full_batch_t *x, const network_t *network, const data_t *data, int n_threads,
                                   interruption_t *interruption)
{
    memset(x, 0, sizeof *x);
    x->network = network;
    x->data = data;
    x->interruption = interruption;
    x->n_parameters = count_parameters(network);
    x->n_samples = total_weight(data);
    x->in_lanes = lanes_suit(network, data);
    if (x->in_lanes)
        return lanes_reserve(&x->lanes, network);
    return reserve(&x->ws, network, n_threads, interruption, data->n_rows, FOR_GRADIENT,
                         gathers(data), 0);
}

void close_full_batch(full_batch_t *x)
{
    lanes_release(&x->lanes);
    release(&x->ws);
}

/* The mean loss; its gradient goes to `gradient`. */
double evaluate_gradient(full_batch_t *x, const real *parameters, real *gradient)
{
    const index_t n_rows = x->data->n_rows;
    double total = 0;
    if (!x->in_lanes) {
        take(&x->ws, PARAMETERS, (real *)parameters);
        take(&x->ws, GRADIENT, gradient);
        total = loss_and_gradient(&x->ws, x->data, x->data->order, 0, n_rows, x->n_samples);
        give_back(&x->ws, GRADIENT, gradient);
        return total / x->n_samples;
    }
    memset(gradient, 0, (size_t)x->n_parameters * sizeof(real));
    for (index_t start = 0; start < n_rows; start += LANE_ROWS) {
        if (is_interrupted(x->interruption, x->n_parameters * LANE_ROWS))
            break;
        lanes_load(&x->lanes, x->data, start, min_index(LANE_ROWS, n_rows - start));
        lanes_forward(&x->lanes, parameters);
        total += lanes_loss(&x->lanes, x->n_samples);
        lanes_backward(&x->lanes, parameters, gradient);
    }
    return total / x->n_samples;
}

int gradient(const network_t *network, const data_t *data, const void *parameters, double *value,
                            void *gradient, int n_threads, interruption_t *interruption)
{
    full_batch_t batch;
    const int failed = open_full_batch(&batch, network, data, n_threads, interruption);
    if (!failed)
        *value = evaluate_gradient(&batch, (const real *)parameters, (real *)gradient);
    close_full_batch(&batch);
    return failed;
}

/* Outputs of one row of raw outputs, in place. */
INLINE void apply_output(int output, real *z, index_t out, index_t ld)
{
    if (output == OUT_SOFTMAX) {
        const softmax_sums_t s = softmax(1, out, ld, LANES, z, nullptr, z);
        const real partition = sum_outputs(out, z, s.sum);
        for (index_t j = 0; j < ld; j += LANES)
            store(z + j, load(z + j) / partition);
        return;
    }
    for (index_t j = 0; j < ld; j += LANES) {
        V x = load(z + j);
        store(z + j, output == OUT_LOGISTIC ? logistic(x) : output == OUT_EXP ? exp(x) : x);
    }
}

/* Whether no number is infinite or NaN. */
int are_finite(const real *values, index_t n)
{
    V zero = all(0);
    real rest = 0;
    index_t i = 0;
    for (; i + LANES <= n; i += LANES)
        zero += load(values + i) - load(values + i);
    for (; i < n; i++)
        rest += values[i] - values[i];
    return sum_of_lanes(zero) + rest == 0;
}

/* Outputs of all rows by a workspace that has the parameters; NOT_FINITE where dense rows are to be checked and have
 * infinities or NaN. */
int outputs_of_blocks(workspace_t *ws, const data_t *data, int raw, void *result, int checks)
{
    const layer_t *last = ws->layers + ws->n_layers - 1;
    for (index_t start = 0; start < data->n_rows && !ws->interruption->is_over; start += ws->block) {
        rows_t rows = {data, data->order, start, min_index(ws->block, data->n_rows - start)};
        const real *input = dense_input(ws, &rows);
        if (checks && !are_finite(input, rows.n * ws->network->sizes[0]))
            return NOT_FINITE;
        forward(ws, &rows, input);
        for (index_t i = 0; i < rows.n; i++) {
            real *z = last->activation + i * last->ld;
            if (!raw)
                apply_output(ws->network->output, z, last->out, last->ld);
            memcpy((real *)result + (start + i) * last->out, z, (size_t)last->out * sizeof(real));
        }
    }
    return 0;
}

int outputs(const network_t *network, const data_t *data, const void *parameters, int raw, void *result,
                           int n_threads, interruption_t *interruption)
{
    workspace_t ws;
    int failed =
        reserve(&ws, network, n_threads, interruption, data->n_rows, FOR_OUTPUTS, gathers(data), 0);
    if (!failed) {
        take(&ws, PARAMETERS, (real *)parameters);
        failed = outputs_of_blocks(&ws, data, raw, result, 0);
    }
    release(&ws);
    return failed;
}

/* Evaluations of n_vectors parameter vectors at a time, again and again on the same data. */
struct evaluation_t {
    const network_t *network;
    const data_t *data;
    index_t n_vectors, n_parameters, vectors_per_chunk, n_chunks;
    double n_samples;
    int in_lanes, n_threads;
    lanes_t lanes[MAX_THREADS]; /* of each thread, if in_lanes */
    workspace_t ws;             /* if not */
    interruption_t *interruption;
    const real *vectors;
    index_t stride, first_row, stop_row;
    double *values;
};

int open_evaluation(evaluation_t *x, const network_t *network, const data_t *data, index_t n_vectors,
                                   int n_threads, interruption_t *interruption)
{
    memset(x, 0, sizeof *x);
    x->interruption = interruption;
    x->network = network;
    x->data = data;
    x->n_vectors = n_vectors;
    x->n_parameters = count_parameters(network);
    x->n_samples = total_weight(data);
    x->in_lanes = lanes_suit(network, data);
    if (!x->in_lanes)
        return reserve(&x->ws, network, n_threads, interruption, data->n_rows, FOR_OUTPUTS,
                             gathers(data), 0);
    const int is_large = n_vectors * x->n_parameters * data->n_rows >= 4 * SHARED_WORK;
    x->n_threads = is_large ? n_threads : 1;
    begin_sharing(x->n_threads);
    x->n_chunks = x->n_threads == 1 ? 1 : 2 * x->n_threads;
    x->vectors_per_chunk = (n_vectors + x->n_chunks - 1) / x->n_chunks;
    int failed = 0;
    for (int i = 0; i < x->n_threads; i++)
        failed |= lanes_reserve(x->lanes + i, network);
    return failed;
}

void close_evaluation(evaluation_t *x)
{
    end_sharing(x->n_threads);
    for (int i = 0; i < x->n_threads; i++)
        lanes_release(x->lanes + i);
    release(&x->ws);
}

void evaluate_chunk(evaluation_t *x, index_t chunk, int worker)
{
    lanes_t *ws = x->lanes + worker;
    const index_t first = chunk * x->vectors_per_chunk;
    const index_t stop = min_index(x->n_vectors, first + x->vectors_per_chunk);
    for (index_t start = x->first_row; start < x->stop_row; start += LANE_ROWS) {
        lanes_load(ws, x->data, start, min_index(LANE_ROWS, x->stop_row - start));
        for (index_t i = first; i < stop; i++) {
            lanes_forward(ws, x->vectors + i * x->stride);
            x->values[i] += lanes_loss(ws, (double)INFINITY);
        }
    }
}

/* Work that threads share in one loop, between which the call may end. */
constexpr index_t WORK_PER_LOOP = 1 << 26;

/* The mean loss of each vector; one starts `stride` numbers after the other. */
void evaluate(evaluation_t *x, const real *vectors, index_t stride, double *values)
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
            share(x->n_chunks, x->n_threads, [x](index_t chunk, int worker) { evaluate_chunk(x, chunk, worker); });
        }
    } else {
        for (index_t i = 0; i < x->n_vectors; i++) {
            take(&x->ws, PARAMETERS, (real *)vectors + i * stride);
            for (index_t start = 0; start < x->data->n_rows && !x->interruption->is_over; start += x->ws.block) {
                rows_t rows = {x->data, x->data->order, start, min_index(x->ws.block, x->data->n_rows - start)};
                forward(&x->ws, &rows, dense_input(&x->ws, &rows));
                values[i] += loss(&x->ws, &rows, (double)INFINITY);
            }
        }
    }
    for (index_t i = 0; i < x->n_vectors; i++)
        values[i] /= x->n_samples;
}

int losses(const network_t *network, const data_t *data, const void *vectors, index_t n_vectors,
                          double *values, int n_threads, interruption_t *interruption)
{
    evaluation_t evaluation;
    const int failed = open_evaluation(&evaluation, network, data, n_vectors, n_threads, interruption);
    if (!failed)
        evaluate(&evaluation, (const real *)vectors, evaluation.n_parameters, values);
    close_evaluation(&evaluation);
    return failed;
}
