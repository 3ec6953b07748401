/* Online training: dense batches of one row. */

/* Raw activations of a layer for one row of input, biases included. */
INLINE void online_forward(const layer_t *layer, const real *A)
{
    const real *w = layer->part[PARAMETERS].weights, *biases = layer->part[PARAMETERS].biases;
    const index_t in = layer->in, ld = layer->ld;
    index_t j = 0;
    for (; j + 4 * LANES <= ld; j += 4 * LANES) {
        V z[4];
        for (int v = 0; v < 4; v++)
            z[v] = load(biases + j + v * LANES);
        for (index_t i = 0; i < in; i++)
            for (int v = 0; v < 4; v++)
                z[v] += A[i] * load(w + i * ld + j + v * LANES);
        for (int v = 0; v < 4; v++)
            store(layer->activation + j + v * LANES, z[v]);
    }
    for (; j < ld; j += LANES) {
        /* two sums, so that an addition need not wait for the one before it */
        V even = load(biases + j), odd = all(0);
        index_t i = 0;
        for (; i + 2 <= in; i += 2) {
            even += A[i] * load(w + i * ld + j);
            odd += A[i + 1] * load(w + (i + 1) * ld + j);
        }
        if (i < in)
            even += A[i] * load(w + i * ld + j);
        store(layer->activation + j, even + odd);
    }
}

/* Derivative of the loss with respect to the activations below, times the activation's. */
INLINE void online_delta(const layer_t *layer, const layer_t *below, int activation)
{
    const real *w = layer->part[PARAMETERS].weights, *d = layer->delta;
    const index_t ld = layer->ld, few = LANES / 2;
    for (index_t i = 0; i < layer->in; i++) {
        real total = 0;
        if (layer->out <= few) {
            for (index_t j = 0; j < layer->out; j++)
                total += d[j] * w[i * ld + j];
        } else {
            V sum = all(0);
            for (index_t j = 0; j < ld; j += LANES)
                sum += load(d + j) * load(w + i * ld + j);
            total = sum_of_lanes(sum);
        }
        below->delta[i] = total;
    }
    derive(activation, below->delta, below->activation, below->ld);
}

/* Rows whose losses are summed before they are added to the totals in double precision. */
constexpr index_t ONLINE_ROWS = 16;

void online_epoch(workspace_t *ws, updates_t *updates)
{
    const data_t *data = &ws->call->data;
    const network_t *network = &ws->call->network;
    const layer_t *last = ws->layers + ws->n_layers - 1;
    const real *weights = (const real *)data->weights;
    real log_of[ONLINE_ROWS], log_weight[ONLINE_ROWS];
    const index_t n_parameters = count_parameters(network);
    index_t n_pending = 0;
    V data_loss = all(0), penalty = all(0);
    for (index_t u = 0; u < updates->n_updates && !is_interrupted(&ws->call->interruption, n_parameters); u++) {
        const double n_samples = updates->n_samples.values[u * updates->n_samples.strides[1]];
        if (n_samples != 0 && updates->bounds[u + 1] > updates->bounds[u]) {
            const index_t row = row_of(updates->order, updates->bounds[u]);
            const real *input = (const real *)data->values + row * network->sizes[0], *A = input;
            const real weight = weights ? weights[row] : 1, factor = weight / (real)n_samples;
            LAYERS(ws) {
                online_forward(layer, A);
                if (layer != last)
                    apply(network->activation, layer->activation, layer->ld);
                A = layer->activation;
            }
            take_targets(data, row, last->out, ws->target);
            data_loss += row_loss(network, last->out, last->ld, last->activation, ws->target, last->delta, factor,
                                  factor, log_of + n_pending, log_weight + n_pending);
            n_pending++;
            updates->totals.n_rows++;
            begin_update(updates, u);
            for (index_t l = ws->n_layers - 1; l >= 0; l--) {
                const layer_t *layer = ws->layers + l, *below = l ? layer - 1 : nullptr;
                const l2_t l2 = l2_of(updates, u, l);
                const update_t weights_update = {updates, vectors_of(layer, 0), l2};
                const update_t biases_update = {updates, vectors_of(layer, 1), {0, 0, 0}};
                const index_t ld = layer->ld;
                const real *d = layer->delta;
                V squares = all(0);
                if (below)
                    online_delta(layer, below, network->activation);
                A = below ? below->activation : input;
                /* the gradient is the outer product of the activations below and the delta */
                with_optimiser(updates, l2.penalty != 0, [&](auto optimiser, bool penalised) ALWAYS_INLINE {
                    for (index_t i = 0; i < layer->in; i++)
                        optimiser(weights_update, i * ld, d, A[i], ld, penalised ? &squares : nullptr);
                    optimiser(biases_update, 0, d, 1, ld, nullptr);
                });
                sweep(weights_update, 0, layer->in * ld);
                sweep(biases_update, 0, ld);
                penalty += squares * (real)(0.5 * l2.penalty);
            }
        }
        if (n_pending == ONLINE_ROWS || u == updates->n_updates - 1) {
            updates->totals.data_loss += (double)sum_of_lanes(data_loss);
            updates->totals.penalty += (double)sum_of_lanes(penalty);
            if (takes_logs(network))
                updates->totals.data_loss += sum_of_logs(log_of, log_weight, n_pending);
            data_loss = penalty = all(0);
            n_pending = 0;
        }
    }
}
