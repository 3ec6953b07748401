/* The first layer's part of an update whose input is CSR. The entries of the batch are sorted by column, a few batches at
 * once; then the gradient of a few columns at a time is summed in the first-level cache and used at once, so that the
 * gradient of the layer is never in memory. Threads share the work. */

/* An entry of a batch: the row of the batch that it is in, and its value. */
typedef struct {
    INT row;
    REAL value;
} NAME(entry);

INLINE index_t NAME(first_entry)(const data_t *data, index_t row)
{
    return index_at(data->indptr, data->wide_indptr, row);
}

/* Whether the entries of an epoch's batches will be sorted: not for dense input, for batches of several blocks, for a
 * very wide layer, or without memory. */
FUNCTION void NAME(plan_epoch)(NAME(workspace) *ws, const data_t *data, const updates_t *updates)
{
    const NAME(layer) *layer = ws->layers;
    index_t largest = 0;
    ws->is_sorted = 0;
    if (!data->indptr || layer->ld > SCRATCH)
        return;
    for (index_t u = 0; u < updates->n_updates; u++) {
        index_t n = 0;
        for (index_t i = updates->bounds[u]; i < updates->bounds[u + 1]; i++) {
            const index_t row = row_of(updates->order, i);
            n += NAME(first_entry)(data, row + 1) - NAME(first_entry)(data, row);
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
            batch->entries = malloc((size_t)(max_index(largest, ws->n_entries) + 1) * sizeof(NAME(entry)));
        }
        if (!batch->column_ends)
            batch->column_ends = malloc((size_t)(layer->in + 1) * sizeof *batch->column_ends);
        if (!batch->entries || !batch->column_ends)
            return;
    }
    ws->n_entries = max_index(ws->n_entries, largest);
    ws->is_sorted = 1;
}

typedef struct {
    NAME(workspace) *ws;
    const data_t *data;
    const updates_t *updates;
    index_t u; /* the first update whose batch is to be sorted */
} NAME(sorting);

/* Sort the entries of a batch by column, those of a column by row. */
FUNCTION void NAME(sort_batch)(void *context, int64_t i, int worker)
{
    const NAME(sorting) *x = context;
    const data_t *data = x->data;
    const index_t first = x->updates->bounds[x->u + i], n_rows = x->updates->bounds[x->u + i + 1] - first;
    const index_t n_columns = x->ws->layers->in;
    sorted_batch_t *batch = x->ws->batches + i;
    /* the number of entries before each column, which placing them turns into the number up to its end */
    int32_t *ends = batch->column_ends, before = 0;
    NAME(entry) *entries = batch->entries;
    (void)worker;
    memset(ends, 0, (size_t)(n_columns + 1) * sizeof *ends);
#define EACH_ENTRY(action)                                                                                        \
    for (index_t r = 0; r < n_rows; r++) {                                                                        \
        const index_t row = row_of(x->updates->order, first + r), end = NAME(first_entry)(data, row + 1);         \
        for (index_t p = NAME(first_entry)(data, row); p < end; p++) {                                            \
            const index_t column = index_at(data->indices, data->wide_indices, p);                                \
            action                                                                                                \
        }                                                                                                         \
    }
    EACH_ENTRY(ends[column]++;)
    for (index_t column = 0; column < n_columns; column++) {
        const int32_t n = ends[column];
        ends[column] = before;
        before += n;
    }
    EACH_ENTRY(entries[ends[column]++] = ((NAME(entry)){(INT)r, ((const REAL *)data->values)[p]});)
#undef EACH_ENTRY
}

/* Have the batch of update u sorted. */
FUNCTION void NAME(find_batch)(NAME(workspace) *ws, const data_t *data, const updates_t *updates, index_t u)
{
    ws->batch = ws->batches + u % SORTED_AHEAD;
    if (u % SORTED_AHEAD)
        return;
    NAME(sorting) x = {ws, data, updates, u};
    const int n_threads = 64 * ws->n_entries >= SHARED_WORK / SORTED_AHEAD ? ws->n_threads : 1;
    share(min_index(SORTED_AHEAD, updates->n_updates - u), n_threads, NAME(sort_batch), &x);
}

/* The gradient of the weights of a column. */
INLINE void NAME(column_gradient)(const NAME(workspace) *ws, index_t column, REAL *gradient)
{
    const NAME(entry) *entries = ws->batch->entries;
    const int32_t *ends = ws->batch->column_ends;
    const index_t ld = ws->layers->ld, first = column ? ends[column - 1] : 0, stop = ends[column];
    const REAL *delta = ws->layers->delta;
    index_t j = 0;
#define VECTORS(n)                                                                                                \
    for (; j + n * LANES <= ld; j += n * LANES) {                                                                 \
        V sum[n];                                                                                                 \
        for (int v = 0; v < n; v++)                                                                               \
            sum[v] = NAME(all)(0);                                                                                \
        for (index_t p = first; p < stop; p++) {                                                                  \
            const REAL *d = delta + (index_t)entries[p].row * ld + j;                                             \
            for (int v = 0; v < n; v++)                                                                           \
                sum[v] += entries[p].value * NAME(load)(d + v * LANES);                                           \
        }                                                                                                         \
        for (int v = 0; v < n; v++)                                                                               \
            NAME(store)(gradient + j + v * LANES, sum[v]);                                                        \
    }
    VECTORS(4)
    VECTORS(2)
    VECTORS(1)
#undef VECTORS
}

typedef struct {
    NAME(update) update; /* that of the layer */
    const NAME(workspace) *ws;
} NAME(sparse_update);

FUNCTION void NAME(sparse_update_chunk)(void *context, int64_t chunk, int worker)
{
    const NAME(sparse_update) *x = context;
    const index_t ld = x->ws->layers->ld, per_chunk = NAME(columns_per_chunk)(x->ws->layers);
    const index_t first = chunk * per_chunk, stop = min_index(x->ws->layers->in, first + per_chunk);
    REAL *gradient = x->ws->scratch + worker * SCRATCH;
    for (index_t column = first; column < stop; column++)
        NAME(column_gradient)(x->ws, column, gradient + (column - first) * ld);
    x->update.totals[chunk] = NAME(update_range)(&x->update, first * ld, (stop - first) * ld, gradient);
}

/* Update all weights of the first layer from sorted entries; the sum of the squares of the weights before it, where there
 * is a penalty. */
FUNCTION double NAME(update_sparse_weights)(NAME(workspace) *ws, const updates_t *updates, l2_t l2)
{
    const NAME(layer) *layer = ws->layers;
    const index_t n_chunks = NAME(n_column_chunks)(layer), n = layer->in * layer->ld;
    NAME(sparse_update) x = {{updates, NAME(vectors_of)(layer, 0), NULL, n, l2, ws->totals}, ws};
    share(n_chunks, 32 * n >= SHARED_WORK ? ws->n_threads : 1, NAME(sparse_update_chunk), &x);
    return NAME(total)(ws, n_chunks);
}
