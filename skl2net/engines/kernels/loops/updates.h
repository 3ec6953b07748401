/* Epochs of updates: by mini-batches here, or online. */

void epoch_of_batches(workspace_t *ws, updates_t *updates)
{
    const index_t n_parameters = count_parameters(&ws->call->network);
    plan_epoch(ws, updates);
    for (index_t u = 0; u < updates->n_updates && !is_interrupted(&ws->call->interruption, n_parameters); u++) {
        const double n_samples = updates->n_samples.values[u * updates->n_samples.strides[1]];
        const index_t first = updates->bounds[u], stop = updates->bounds[u + 1];
        const double size = (double)(stop - first);
        if (ws->is_sorted)
            find_batch(ws, updates, u);
        if (n_samples == 0 || stop == first)
            continue;
        updates->totals.data_loss += loss_and_gradient(ws, updates->order, first, stop, n_samples) / n_samples * size;
        if (ws->call->interruption.is_over)
            break;
        updates->totals.n_rows += stop - first;
        begin_update(updates, u);
        for (index_t l = 0; l < ws->n_layers; l++) {
            const layer_t *layer = ws->layers + l;
            const l2_t l2 = l2_of(updates, u, l);
            const double squares = l == 0 && ws->is_sorted ? update_sparse_weights(ws, updates, l2)
                                                           : update_weights(ws, layer, updates, l2);
            update_biases(layer, updates);
            updates->totals.penalty += 0.5 * l2.penalty * squares * size;
        }
    }
}

/* Add an epoch to the curves and advance to the next, unless the parameters are not finite; whether they are. */
int finish_epoch(const workspace_t *ws, updates_t *updates)
{
    double squares = 0;
    V zero = all(0); /* NaN, where one is not finite */
    LAYERS(ws) {
        const real *w = layer->part[PARAMETERS].weights, *biases = layer->part[PARAMETERS].biases;
        for (index_t i = 0; i < layer->in; i++, w += layer->ld) {
            V sum = all(0);
            for (index_t j = 0; j < layer->ld; j += LANES) {
                const V x = load(w + j);
                sum += x * x;
                zero += x - x;
            }
            squares += (double)sum_of_lanes(sum);
        }
        for (index_t j = 0; j < layer->ld; j += LANES)
            zero += load(biases + j) - load(biases + j);
    }
    if (sum_of_lanes(zero) != 0)
        return 0;
    double *curve = updates->curves + 4 * updates->n_done++;
    curve[0] = updates->totals.data_loss, curve[1] = updates->totals.penalty;
    curve[2] = (double)updates->totals.n_rows, curve[3] = squares;
    memset(&updates->totals, 0, sizeof updates->totals);
    if (updates->order)
        updates->order += updates->order_stride;
    updates->n_samples.values += updates->n_samples.strides[0];
    updates->learning_rate.values += updates->learning_rate.strides[0];
    updates->penalty.values += updates->penalty.strides[0];
    updates->decay_before.values += updates->decay_before.strides[0];
    updates->decay_after.values += updates->decay_after.strides[0];
    return 1;
}

int run_updates(call_t *call, updates_t *updates, void *parameters, void *moments)
{
    const int n_moments = n_moments_of[updates->optimiser];
    const index_t n = count_parameters(&call->network);
    index_t largest = 1;
    for (index_t u = 0; u < updates->n_updates; u++)
        largest = max_index(largest, updates->bounds[u + 1] - updates->bounds[u]);
    workspace_t ws = {};
    const int is_dense = !call->data.indptr, online = is_dense && largest == 1;
    if (reserve(&ws, call, updates->order, largest, MOMENTS + n_moments, is_dense && !online))
        return -1;
    take(&ws, PARAMETERS, (real *)parameters);
    for (int k = 0; k < n_moments; k++)
        take(&ws, MOMENTS + k, (real *)moments + k * n);
    memset(&updates->totals, 0, sizeof updates->totals);
    updates->n_done = 0;
    int is_finished;
    do {
        if (online)
            online_epoch(&ws, updates);
        else
            epoch_of_batches(&ws, updates);
        is_finished = !call->interruption.is_over && finish_epoch(&ws, updates);
        if (is_finished && updates->each) {
            give_back(&ws, PARAMETERS, (real *)parameters);
            memcpy((real *)updates->each + (updates->n_done - 1) * n, parameters, (size_t)n * sizeof(real));
        }
    } while (is_finished && updates->n_done < updates->n_epochs);
    give_back(&ws, PARAMETERS, (real *)parameters);
    for (int k = 0; k < n_moments; k++)
        give_back(&ws, MOMENTS + k, (real *)moments + k * n);
    return 0;
}
