/* Updates of a first layer whose input is CSR, column by column: the gradient of a few columns at a time is summed in the
 * first-level cache and used at once, so that the gradient of the layer is never in memory, and threads share the work. */

/* An entry of a batch: the row of the batch that it is in, and its value. */
typedef struct {
    INT row;
    REAL value;
} NAME(entry);

/* Sort the entries of a batch by column, those of a column by row. Whether that is done: not for dense input, for a batch
 * of several blocks, for a very wide layer, or without memory. */
FUNCTION int NAME(sort_batch)(NAME(workspace) *ws, const data_t *data, const index_t *order, index_t first, index_t stop)
{
    const index_t n_columns = ws->layers->in, n_rows = stop - first;
    index_t n_entries = 0;
    if (!data->indptr || n_rows > ws->block || ws->layers->ld > SCRATCH)
        return 0;
    for (index_t i = first; i < stop; i++) {
        const index_t row = row_of(order, i);
        n_entries += index_at(data->indptr, data->wide_indptr, row + 1) - index_at(data->indptr, data->wide_indptr, row);
    }
    if (!ws->column_ends)
        ws->column_ends = malloc((size_t)(n_columns + 1) * sizeof(index_t));
    if (n_entries > ws->n_entries || !ws->entries) {
        free(ws->entries);
        ws->n_entries = n_entries + n_entries / 2 + 1;
        ws->entries = malloc((size_t)ws->n_entries * sizeof(NAME(entry)));
    }
    if (!ws->column_ends || !ws->entries)
        return 0;
    /* the number of entries before each column, which placing them turns into the number up to its end */
    index_t *ends = ws->column_ends, before = 0;
    memset(ends, 0, (size_t)(n_columns + 1) * sizeof(index_t));
#define EACH_ENTRY(action)                                                                                        \
    for (index_t i = 0; i < n_rows; i++) {                                                                        \
        const index_t row = row_of(order, first + i), end = index_at(data->indptr, data->wide_indptr, row + 1);   \
        for (index_t p = index_at(data->indptr, data->wide_indptr, row); p < end; p++) {                          \
            const index_t column = index_at(data->indices, data->wide_indices, p);                                \
            action                                                                                                \
        }                                                                                                         \
    }
    EACH_ENTRY(ends[column]++;)
    for (index_t column = 0; column < n_columns; column++) {
        const index_t n = ends[column];
        ends[column] = before;
        before += n;
    }
    NAME(entry) *entries = ws->entries;
    EACH_ENTRY(entries[ends[column]++] = ((NAME(entry)){(INT)i, ((const REAL *)data->values)[p]});)
#undef EACH_ENTRY
    return 1;
}

typedef struct {
    NAME(update) update; /* that of the layer */
    const NAME(workspace) *ws;
} NAME(sparse_update);

FUNCTION void NAME(sparse_update_chunk)(void *context, int64_t chunk, int worker)
{
    const NAME(sparse_update) *x = context;
    const NAME(layer) *layer = x->ws->layers;
    const NAME(entry) *entries = x->ws->entries;
    const index_t ld = layer->ld, step = NAME(columns_per_chunk)(layer), first = chunk * step;
    const index_t n = min_index(step, layer->in - first);
    REAL *gradient = x->ws->scratch + worker * SCRATCH;
    memset(gradient, 0, (size_t)(n * ld) * sizeof(REAL));
    index_t p = first ? x->ws->column_ends[first - 1] : 0;
    for (index_t column = first; column < first + n; column++) {
        REAL *g = gradient + (column - first) * ld;
        for (; p < x->ws->column_ends[column]; p++) {
            const REAL *d = layer->delta + (index_t)entries[p].row * ld;
            const V value = NAME(all)(entries[p].value);
            for (index_t j = 0; j < ld; j += LANES)
                NAME(store)(g + j, NAME(load)(g + j) + value * NAME(load)(d + j));
        }
    }
    x->update.totals[chunk] = NAME(update_range)(&x->update, first * ld, n * ld, gradient);
}

/* Update the weights of the first layer from sorted entries; the sum of the squares of the weights before it, where there
 * is a penalty. */
FUNCTION double NAME(update_sparse_weights)(NAME(workspace) *ws, const updates_t *updates, l2_t l2)
{
    const NAME(layer) *layer = ws->layers;
    const index_t step = NAME(columns_per_chunk)(layer), n_chunks = (layer->in + step - 1) / step;
    const index_t n = layer->in * layer->ld;
    NAME(sparse_update) x = {{updates, NAME(vectors_of)(layer, 0), NULL, n, l2, ws->totals}, ws};
    share(n_chunks, 32 * n >= SHARED_WORK ? ws->n_threads : 1, NAME(sparse_update_chunk), &x);
    return NAME(total)(ws, n_chunks);
}
