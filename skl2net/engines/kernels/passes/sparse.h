/* The first layer's part of an update whose input is CSR. The entries of the batch are sorted by column, a few batches at
 * once; then the gradient of a few columns at a time is summed in the first-level cache and used at once, so that the
 * gradient of the layer is never in memory. Threads share the work. */

/* An entry of a batch: the row of the batch that it is in, and its value. */
struct entry_t {
    int_t row;
    real value;
};

/* Set is_sorted, which is false for dense input, for batches of several blocks, for a very wide layer, and if there is no
 * memory. */
void plan_epoch(workspace_t *ws, const updates_t *updates)
{
    const data_t *data = &ws->call->data;
    const layer_t *layer = ws->layers;
    index_t largest = 0;
    ws->is_sorted = 0;
    if (!data->indptr || layer->ld > SCRATCH)
        return;
    for (index_t u = 0; u < updates->n_updates; u++) {
        index_t n = 0;
        for (index_t i = updates->bounds[u]; i < updates->bounds[u + 1]; i++) {
            const index_t row = row_of(updates->order, i);
            n += first_entry_of(data, row + 1) - first_entry_of(data, row);
        }
        largest = max_index(largest, n);
        if (updates->bounds[u + 1] - updates->bounds[u] > ws->block)
            return;
    }
    if (max_index(largest, layer->in) >= INT32_MAX)
        return;
    for (index_t i = 0; i < min_index(updates->n_updates, SORTED_AHEAD); i++) {
        sorted_batch_t *batch = ws->batches + i;
        if (largest > ws->n_entries || !batch->entries) {
            free(batch->entries);
            batch->entries = allocate<entry_t>(max_index(largest, ws->n_entries) + 1);
        }
        if (!batch->column_ends)
            batch->column_ends = allocate<int32_t>(layer->in + 1);
        if (!batch->entries || !batch->column_ends)
            return;
    }
    ws->n_entries = max_index(ws->n_entries, largest);
    ws->is_sorted = 1;
}

/* Sort the entries of the batch of update u by column, those of a column by row. */
void sort_batch(const sorted_batch_t *batch, const data_t *data, const updates_t *updates, index_t u, index_t n_columns)
{
    const index_t first = updates->bounds[u], n_rows = updates->bounds[u + 1] - first;
    /* the number of entries before each column, which placing them turns into the number up to its end */
    int32_t *ends = batch->column_ends, before = 0;
    entry_t *entries = batch->entries;
    memset(ends, 0, (size_t)(n_columns + 1) * sizeof *ends);
    for (index_t i = 0; i < n_rows; i++)
        each_entry(data, row_of(updates->order, first + i), [=](index_t column, real) { ends[column]++; });
    for (index_t column = 0; column < n_columns; column++) {
        const int32_t n = ends[column];
        ends[column] = before;
        before += n;
    }
    for (index_t i = 0; i < n_rows; i++)
        each_entry(data, row_of(updates->order, first + i),
                   [=](index_t column, real value) { entries[ends[column]++] = entry_t{(int_t)i, value}; });
}

/* Select the batch of update u; sort it and the next ones unless that has been done. */
void find_batch(workspace_t *ws, const updates_t *updates, index_t u)
{
    ws->batch = ws->batches + u % SORTED_AHEAD;
    if (u % SORTED_AHEAD)
        return;
    const int n_threads = 64 * ws->n_entries >= SHARED_WORK / SORTED_AHEAD ? ws->call->n_threads : 1;
    share(min_index(SORTED_AHEAD, updates->n_updates - u), n_threads,
          [=](index_t i, int) { sort_batch(ws->batches + i, &ws->call->data, updates, u + i, ws->layers->in); });
}

/* The gradient of the weights of a column. */
INLINE void column_gradient(const workspace_t *ws, index_t column, real *gradient)
{
    const entry_t *entries = ws->batch->entries;
    const int32_t *ends = ws->batch->column_ends;
    const index_t ld = ws->layers->ld, first = column ? ends[column - 1] : 0, stop = ends[column];
    const real *delta = ws->layers->delta;
    index_t j = 0;
#define VECTORS(n) \
    for (; j + n * LANES <= ld; j += n * LANES) { \
        V sum[n]; \
        for (int v = 0; v < n; v++) \
            sum[v] = all(0); \
        for (index_t p = first; p < stop; p++) { \
            const real *d = delta + (index_t)entries[p].row * ld + j; \
            for (int v = 0; v < n; v++) \
                sum[v] += entries[p].value * load(d + v * LANES); \
        } \
        for (int v = 0; v < n; v++) \
            store(gradient + j + v * LANES, sum[v]); \
    }
    VECTORS(4)
    VECTORS(2)
    VECTORS(1)
#undef VECTORS
}

/* Update all weights of the first layer from sorted entries; the sum of the squares of the weights before it, where there
 * is a penalty. */
double update_sparse_weights(workspace_t *ws, const updates_t *updates, l2_t l2)
{
    const layer_t *layer = ws->layers;
    const index_t ld = layer->ld, n = layer->in;
    const update_t update = {updates, vectors_of(layer, 0), l2};
    share_items(ws, n, columns_per_chunk(layer), 32 * n * ld,
                [=](index_t first, index_t stop, index_t chunk, int worker) {
                    real *gradient = ws->scratch + worker * SCRATCH;
                    for (index_t column = first; column < stop; column++)
                        column_gradient(ws, column, gradient + (column - first) * ld);
                    ws->totals[chunk] = update_range(update, first * ld, (stop - first) * ld, gradient);
                });
    return total(ws, n_column_chunks(layer));
}
