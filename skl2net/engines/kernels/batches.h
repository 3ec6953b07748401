/* Runs of updates: by mini-batches here, or online. */

FUNCTION void NAME(run_batches)(NAME(workspace) *ws, const data_t *data, run_t *run)
{
    for (index_t u = 0; u < run->n_updates; u++) {
        const double items = run->items[u], size = (double)(run->bounds[u + 1] - run->bounds[u]);
        if (items == 0)
            continue;
        run->data_loss +=
            NAME(loss_and_gradient)(ws, data, run->order, run->bounds[u], run->bounds[u + 1], 1 / items) / items * size;
        run->n_rows += (index_t)size;
        NAME(begin_step)(run);
        for (index_t l = 0; l < ws->n_layers; l++) {
            const NAME(layer) *layer = ws->layers + l;
            const double added = run->added[u * run->added_strides[0] + l * run->added_strides[1]];
            const double before = run->before[u * run->before_strides[0] + l * run->before_strides[1]];
            const double after = run->after[u * run->after_strides[0] + l * run->after_strides[1]];
            run->penalty += 0.5 * added * NAME(take_step)(ws, layer, run, added, before, after) * size;
        }
    }
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
    run->data_loss = run->penalty = 0;
    run->n_rows = 0;
    if (largest == 1 && !data->indptr)
        NAME(run_online)(&ws, data, run);
    else
        NAME(run_batches)(&ws, data, run);
    NAME(give_back)(&ws, NAME(PARAMETERS), parameters);
    NAME(give_back)(&ws, NAME(FIRST), first);
    if (run->adam)
        NAME(give_back)(&ws, NAME(SECOND), second);
    NAME(release)(&ws);
    return 0;
}
