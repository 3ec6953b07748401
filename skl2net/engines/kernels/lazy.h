/* Updates by SGD of a wide first layer whose input is CSR with few entries.
 *
 * Only the weights of columns that a batch has entries in have a gradient. Other weights miss the update, and are brought
 * up to date in one step (missed_updates.h) before the next batch that needs them, or all together: when subnormal numbers
 * are swept, at the end of an epoch, and wherever it ends early. The penalty needs the sum of all squared weights in each
 * update; it follows from that of the update before. Results differ from those of an update of all weights by rounding. */

/* Products of missed updates have no larger coefficients, unless it takes one update: so none overflows. */
#define LARGEST_COEFFICIENT 1e3

/* How many columns ahead the weights are called from memory. */
#define COLUMNS_AHEAD 6

/* A step of the weights of a column: the linear one, and what of the gradient is added to w and to v. */
typedef struct {
    REAL ww, wv, vw, vv, gw, gv;
} NAME(step);

/* A coefficient in the precision of the weights, but zero where it is subnormal. */
INLINE REAL NAME(coefficient)(double x) { return fabs(x) < CONSTANT(DBL_MIN, FLT_MIN) ? 0 : (REAL)x; }

INLINE NAME(step) NAME(step_of)(linear_t m)
{
    return (NAME(step)){NAME(coefficient)(m.ww), NAME(coefficient)(m.wv), NAME(coefficient)(m.vw),
                        NAME(coefficient)(m.vv), 0, 0};
}

/* What `descend` does, in its precision: without a gradient, and what it does with one. */
FUNCTION linear_t NAME(linear_update)(const updates_t *updates, l2_t l2, NAME(step) *step)
{
    const REAL eta = (REAL)updates->rate, mu = (REAL)updates->constants[0];
    const double keep_before = (REAL)(1 - l2.decay_before), keep_after = (REAL)(1 - l2.decay_after);
    const double shrink = eta * (REAL)l2.penalty, ahead = updates->constants[1] != 0 ? 1 + (double)mu : 1;
    const linear_t m = {keep_after * (keep_before - ahead * shrink), keep_after * (ahead > 1 ? (double)mu * mu : mu),
                        -shrink, mu};
    *step = NAME(step_of)(m);
    step->gw = (REAL)(-keep_after * ahead * eta), step->gv = -eta;
    return m;
}

typedef struct {
    V ww, wv, vv;
} NAME(lane_sums);

INLINE sums_t NAME(total_sums)(const NAME(lane_sums) *sums)
{
    return (sums_t){(double)NAME(sum)(sums->ww), (double)NAME(sum)(sums->wv), (double)NAME(sum)(sums->vv)};
}

INLINE void NAME(add_product)(NAME(lane_sums) *sums, V w, V v)
{
    sums->ww += w * w, sums->wv += w * v, sums->vv += v * v;
}

typedef struct {
    NAME(workspace) *ws;
    const updates_t *updates;
    NAME(vectors) vectors; /* of the layer's weights */
    int has_sums;
    NAME(step) update;
    sums_t *before, *now; /* of the weights of each chunk, before and after the update */
    NAME(step) missed[UPDATES_PER_SWEEP + 1];
} NAME(lazy_update);

FUNCTION void NAME(set_up)(NAME(lazy_update) *x, NAME(workspace) *ws, const updates_t *updates, int has_sums)
{
    x->ws = ws;
    x->updates = updates;
    x->vectors = NAME(vectors_of)(ws->layers, 0);
    x->has_sums = has_sums;
    x->before = ws->lazy_sums;
    x->now = x->before + NAME(n_column_chunks)(ws->layers, ws->layers->in);
    for (index_t i = 0; i <= ws->window->n; i++)
        x->missed[i] = NAME(step_of)(ws->window->missed[i]);
}

/* A step of the weights of a column. */
INLINE void NAME(step_column)(const NAME(lazy_update) *x, index_t column, const NAME(step) *step, const REAL *gradient,
                              NAME(lane_sums) *before, NAME(lane_sums) *now)
{
    const index_t ld = x->ws->layers->ld;
    REAL *weights = x->vectors.parameters + column * ld, *velocities = x->vectors.moments[0] + column * ld;
    for (index_t j = 0; j < ld; j += LANES) {
        V w = NAME(load)(weights + j), v = NAME(load)(velocities + j);
        if (before)
            NAME(add_product)(before, w, v);
        V next_w = step->ww * w + step->wv * v, next_v = step->vw * w + step->vv * v;
        if (gradient) {
            const V g = NAME(load)(gradient + j);
            next_w += step->gw * g;
            next_v += step->gv * g;
        }
        NAME(store)(weights + j, next_w);
        NAME(store)(velocities + j, next_v);
        if (now)
            NAME(add_product)(now, next_w, next_v);
    }
}

/* Call the weights of a column from memory. */
INLINE void NAME(call_column)(const NAME(lazy_update) *x, index_t column)
{
    const index_t ld = x->ws->layers->ld;
    for (index_t j = 0; j < ld; j += ROW_STEP) {
        __builtin_prefetch(x->vectors.parameters + column * ld + j, 1);
        __builtin_prefetch(x->vectors.moments[0] + column * ld + j, 1);
    }
}

FUNCTION void NAME(settle_chunk)(void *context, int64_t chunk, int worker)
{
    const NAME(lazy_update) *x = context;
    const NAME(layer) *layer = x->ws->layers;
    const NAME(column_range) range = NAME(columns_of_chunk)(layer, layer->in, chunk);
    NAME(lane_sums) sums = {NAME(all)(0), NAME(all)(0), NAME(all)(0)};
    (void)worker;
    for (index_t column = range.first; column < range.stop; column++) {
        uint8_t *n_had = x->ws->n_had + column;
        if (*n_had < x->ws->window->n)
            NAME(step_column)(x, column, x->missed + *n_had, NULL, NULL, NULL);
        *n_had = 0;
        if (x->ws->window->n)
            NAME(sweep)(x->updates, x->vectors, column * layer->ld, layer->ld);
        for (index_t j = column * layer->ld; j < (column + 1) * layer->ld && x->has_sums; j += LANES)
            NAME(add_product)(&sums, NAME(load)(x->vectors.parameters + j), NAME(load)(x->vectors.moments[0] + j));
    }
    x->now[chunk] = NAME(total_sums)(&sums);
}

/* Bring all weights up to date, and begin a new window, with the sums if they are wanted. */
FUNCTION void NAME(settle)(NAME(workspace) *ws, const updates_t *updates, int wants_sums)
{
    const index_t n_chunks = NAME(n_column_chunks)(ws->layers, ws->layers->in), n = ws->layers->in * ws->layers->ld;
    NAME(lazy_update) x;
    NAME(set_up)(&x, ws, updates, wants_sums);
    share(n_chunks, 32 * n >= SHARED_WORK ? ws->n_threads : 1, NAME(settle_chunk), &x);
    open_window(ws->window);
    ws->window->has_sums = wants_sums;
    for (index_t i = 0; i < n_chunks && wants_sums; i++)
        add_sums(&ws->window->sums, 1, x.now[i]);
}

FUNCTION void NAME(catch_up_chunk)(void *context, int64_t chunk, int worker)
{
    const NAME(lazy_update) *x = context;
    const index_t n_columns = x->ws->batch->n_columns, n_updates = x->ws->window->n;
    const int32_t *columns = x->ws->batch->columns;
    uint8_t *n_had = x->ws->n_had;
    const NAME(column_range) range = NAME(columns_of_chunk)(x->ws->layers, n_columns, chunk);
    (void)worker;
    for (index_t i = range.first; i < range.stop; i++) {
        const index_t column = columns[i];
        NAME(call_column)(x, columns[min_index(i + COLUMNS_AHEAD, n_columns - 1)]);
        if (n_had[column] < n_updates)
            NAME(step_column)(x, column, x->missed + n_had[column], NULL, NULL, NULL);
        n_had[column] = (uint8_t)n_updates;
    }
}

/* Before an update: bring the weights up to date that the sorted batch has entries for. */
FUNCTION void NAME(catch_up)(NAME(workspace) *ws, const updates_t *updates, l2_t l2)
{
    if (l2.penalty != 0 && !ws->window->has_sums)
        NAME(settle)(ws, updates, 1);
    NAME(lazy_update) x;
    NAME(set_up)(&x, ws, updates, 0);
    share(NAME(n_column_chunks)(ws->layers, ws->batch->n_columns), NAME(threads_for_batch)(ws), NAME(catch_up_chunk), &x);
}

FUNCTION void NAME(lazy_update_chunk)(void *context, int64_t chunk, int worker)
{
    const NAME(lazy_update) *x = context;
    const index_t n_columns = x->ws->batch->n_columns;
    const int32_t *columns = x->ws->batch->columns;
    const NAME(column_range) range = NAME(columns_of_chunk)(x->ws->layers, n_columns, chunk);
    NAME(lane_sums) before = {NAME(all)(0), NAME(all)(0), NAME(all)(0)}, now = before;
    REAL *gradient = x->ws->scratch + worker * SCRATCH;
    for (index_t i = range.first; i < range.stop; i++) {
        const index_t column = columns[i];
        NAME(call_column)(x, columns[min_index(i + COLUMNS_AHEAD, n_columns - 1)]);
        NAME(column_gradient)(x->ws, column, gradient);
        if (x->has_sums)
            NAME(step_column)(x, column, &x->update, gradient, &before, &now);
        else
            NAME(step_column)(x, column, &x->update, gradient, NULL, NULL);
        x->ws->n_had[column]++;
    }
    x->before[chunk] = NAME(total_sums)(&before);
    x->now[chunk] = NAME(total_sums)(&now);
}

/* Update the weights that the sorted batch has entries for; the sum of the squares of all weights before it, where there
 * is a penalty. */
FUNCTION double NAME(lazy_update_weights)(NAME(workspace) *ws, const updates_t *updates, l2_t l2)
{
    window_t *window = ws->window;
    const index_t n_chunks = NAME(n_column_chunks)(ws->layers, ws->batch->n_columns);
    const double squares = window->sums.ww;
    sums_t before = {0, 0, 0}, now = {0, 0, 0};
    NAME(lazy_update) x;
    NAME(set_up)(&x, ws, updates, window->has_sums);
    const linear_t without_gradient = NAME(linear_update)(updates, l2, &x.update);
    share(n_chunks, NAME(threads_for_batch)(ws), NAME(lazy_update_chunk), &x);
    for (index_t i = 0; i < n_chunks; i++) {
        add_sums(&before, 1, x.before[i]);
        add_sums(&now, 1, x.now[i]);
    }
    advance(window, without_gradient, before, now);
    if (updates->t % UPDATES_PER_SWEEP == 0 || window->largest > LARGEST_COEFFICIENT)
        NAME(settle)(ws, updates, window->has_sums);
    return squares;
}
