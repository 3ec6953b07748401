/* Online training: dense batches of one row. */

/* Raw activations of a layer for one row of input, biases included. */
INLINE void NAME(online_forward)(const NAME(layer) *layer, const REAL *A)
{
    const REAL *w = layer->part[NAME(PARAMETERS)].weights, *biases = layer->part[NAME(PARAMETERS)].biases;
    const index_t in = layer->in, ld = layer->ld;
    index_t j = 0;
    for (; j + 4 * LANES <= ld; j += 4 * LANES) {
        V z[4];
        for (int v = 0; v < 4; v++)
            z[v] = NAME(load)(biases + j + v * LANES);
        for (index_t i = 0; i < in; i++)
            for (int v = 0; v < 4; v++)
                z[v] += A[i] * NAME(load)(w + i * ld + j + v * LANES);
        for (int v = 0; v < 4; v++)
            NAME(store)(layer->activation + j + v * LANES, z[v]);
    }
    for (; j < ld; j += LANES) {
        /* two sums, so that an addition need not wait for the one before it */
        V even = NAME(load)(biases + j), odd = NAME(all)(0);
        index_t i = 0;
        for (; i + 2 <= in; i += 2) {
            even += A[i] * NAME(load)(w + i * ld + j);
            odd += A[i + 1] * NAME(load)(w + (i + 1) * ld + j);
        }
        if (i < in)
            even += A[i] * NAME(load)(w + i * ld + j);
        NAME(store)(layer->activation + j, even + odd);
    }
}

/* Derivative of the loss with respect to the activations below, times the activation's. */
INLINE void NAME(online_delta)(const NAME(layer) *layer, const NAME(layer) *below, int activation)
{
    const REAL *w = layer->part[NAME(PARAMETERS)].weights, *d = layer->delta;
    const index_t ld = layer->ld, few = LANES / 2;
    for (index_t i = 0; i < layer->in; i++) {
        REAL total = 0;
        if (layer->out <= few) {
            for (index_t j = 0; j < layer->out; j++)
                total += d[j] * w[i * ld + j];
        } else {
            V sum = NAME(all)(0);
            for (index_t j = 0; j < ld; j += LANES)
                sum += NAME(load)(d + j) * NAME(load)(w + i * ld + j);
            total = NAME(sum)(sum);
        }
        below->delta[i] = total;
    }
    NAME(derive)(activation, below->delta, below->activation, below->ld);
}

/* Rows whose losses are summed before they are added to the totals in double precision. */
#define ONLINE_ROWS 16

FUNCTION void NAME(online_epoch)(NAME(workspace) *ws, const data_t *data, updates_t *updates)
{
    const network_t *network = ws->network;
    const NAME(layer) *last = ws->layers + ws->n_layers - 1;
    const REAL *weights = data->weights;
    const l2_t none = {0, 0, 0};
    REAL log_of[ONLINE_ROWS], log_weight[ONLINE_ROWS];
    const index_t n_parameters = count_parameters(network);
    index_t n_pending = 0;
    V data_loss = NAME(all)(0), penalty = NAME(all)(0);
    for (index_t u = 0; u < updates->n_updates && !is_interrupted(ws->interruption, n_parameters); u++) {
        const double n_samples = updates->n_samples.values[u * updates->n_samples.strides[1]];
        if (n_samples != 0 && updates->bounds[u + 1] > updates->bounds[u]) {
            const index_t row = row_of(updates->order, updates->bounds[u]);
            const REAL *input = (const REAL *)data->values + row * network->sizes[0], *A = input;
            const REAL weight = weights ? weights[row] : 1, factor = weight / (REAL)n_samples;
            LAYERS(ws) {
                NAME(online_forward)(layer, A);
                if (layer != last)
                    NAME(apply)(network->activation, layer->activation, layer->ld);
                A = layer->activation;
            }
            NAME(take_targets)(data, row, last->out, ws->target);
            data_loss += NAME(row_loss)(network, last->out, last->ld, last->activation, ws->target, last->delta, factor,
                                        factor, log_of + n_pending, log_weight + n_pending);
            n_pending++;
            updates->totals.n_rows++;
            begin_update(updates, u);
            for (index_t l = ws->n_layers - 1; l >= 0; l--) {
                const NAME(layer) *layer = ws->layers + l, *below = l ? layer - 1 : NULL;
                const NAME(vectors) layer_weights = NAME(vectors_of)(layer, 0), biases = NAME(vectors_of)(layer, 1);
                const index_t ld = layer->ld;
                const REAL *d = layer->delta;
                const l2_t l2 = l2_of(updates, u, l);
                V squares = NAME(all)(0);
                if (below)
                    NAME(online_delta)(layer, below, network->activation);
                A = below ? below->activation : input;
                /* the gradient is the outer product of the activations below and the delta */
#define CALL(optimiser, with_squares)                                                                             \
    do {                                                                                                          \
        for (index_t i = 0; i < layer->in; i++)                                                                   \
            optimiser(updates, layer_weights, i * ld, d, A[i], ld, l2, with_squares ? &squares : NULL);           \
        optimiser(updates, biases, 0, d, 1, ld, none, NULL);                                                      \
    } while (0)
                CALL_OPTIMISER(updates, l2.penalty != 0, CALL)
#undef CALL
                NAME(sweep)(updates, layer_weights, 0, layer->in * ld);
                NAME(sweep)(updates, biases, 0, ld);
                penalty += squares * (REAL)(0.5 * l2.penalty);
            }
        }
        if (n_pending == ONLINE_ROWS || u == updates->n_updates - 1) {
            updates->totals.data_loss += (double)NAME(sum)(data_loss);
            updates->totals.penalty += (double)NAME(sum)(penalty);
            if (NAME(takes_logs)(network))
                updates->totals.data_loss += NAME(sum_of_logs)(log_of, log_weight, n_pending);
            data_loss = penalty = NAME(all)(0);
            n_pending = 0;
        }
    }
}
