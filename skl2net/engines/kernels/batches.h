/* Runs of updates: by mini-batches here, or online. */

FUNCTION void NAME(run_batches)(NAME(workspace) *ws, const data_t *data, run_t *run)
{
    for (index_t u = 0; u < run->n_updates; u++) {
        const double items = run->items[u * run->items_strides[1]], size = (double)(run->bounds[u + 1] - run->bounds[u]);
        if (items == 0)
            continue;
        run->data_loss +=
            NAME(loss_and_gradient)(ws, data, run->order, run->bounds[u], run->bounds[u + 1], 1 / items) / items * size;
        run->n_rows += (index_t)size;
        NAME(begin_step)(run);
        for (index_t l = 0; l < ws->n_layers; l++) {
            const NAME(layer) *layer = ws->layers + l;
            const l2_t l2 = l2_of(run, u, l);
            run->penalty += 0.5 * l2.added * NAME(take_step)(ws, layer, run, l2) * size;
        }
    }
}

/* Enter an epoch into the curves and go on to the next; whether the parameters are finite, without which neither is
 * done. */
FUNCTION int NAME(finish_epoch)(const NAME(workspace) *ws, run_t *run)
{
    double squares = 0;
    V zero = NAME(all)(0); /* NaN, where one is not finite */
    LAYERS(ws) {
        const REAL *w = layer->part[NAME(PARAMETERS)].weights, *biases = layer->part[NAME(PARAMETERS)].biases;
        for (index_t i = 0; i < layer->in; i++, w += layer->ld) {
            V sum = NAME(all)(0);
            for (index_t j = 0; j < layer->ld; j += LANES) {
                const V x = NAME(load)(w + j);
                sum += x * x;
                zero += x - x;
            }
            squares += (double)NAME(sum)(sum);
        }
        for (index_t j = 0; j < layer->ld; j += LANES)
            zero += NAME(load)(biases + j) - NAME(load)(biases + j);
    }
    if (NAME(sum)(zero) != 0)
        return 0;
    double *curve = run->curves + 4 * run->n_done++;
    curve[0] = run->data_loss, curve[1] = run->penalty, curve[2] = (double)run->n_rows, curve[3] = squares;
    run->data_loss = run->penalty = 0;
    run->n_rows = 0;
    if (run->order)
        run->order += run->order_stride;
    run->items += run->items_strides[0];
    run->added += run->added_strides[0];
    run->before += run->before_strides[0];
    run->after += run->after_strides[0];
    return 1;
}

FUNCTION int NAME(run_updates)(const network_t *network, const data_t *data, run_t *run, void *parameters, void *first,
                               void *second, const resources_t *resources)
{
    index_t largest = 1;
    for (index_t u = 0; u < run->n_updates; u++)
        largest = max_index(largest, run->bounds[u + 1] - run->bounds[u]);
    NAME(workspace) ws;
    if (NAME(reserve)(&ws, network, resources, largest, run->adam ? NAME(FOR_ADAM) : NAME(FOR_SGD),
                      run->order && !data->indptr)) {
        NAME(release)(&ws);
        return -1;
    }
    NAME(take)(&ws, NAME(PARAMETERS), parameters);
    NAME(take)(&ws, NAME(FIRST), first);
    if (run->adam)
        NAME(take)(&ws, NAME(SECOND), second);
    const int online = largest == 1 && !data->indptr;
    run->data_loss = run->penalty = 0;
    run->n_rows = run->n_done = 0;
    do {
        if (online)
            NAME(run_online)(&ws, data, run);
        else
            NAME(run_batches)(&ws, data, run);
    } while (NAME(finish_epoch)(&ws, run) && run->n_done < run->n_epochs);
    NAME(give_back)(&ws, NAME(PARAMETERS), parameters);
    NAME(give_back)(&ws, NAME(FIRST), first);
    if (run->adam)
        NAME(give_back)(&ws, NAME(SECOND), second);
    NAME(release)(&ws);
    return 0;
}
